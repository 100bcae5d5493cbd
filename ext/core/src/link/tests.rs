//! Frames as they lie on the wire, and what is refused.

use std::os::fd::IntoRawFd;

use super::*;

#[test]
fn a_message_has_a_name_before_its_payload() {
    for (args, name) in [
        (r#"["tags.changed",{"n":1}]"#, Ok("tags.changed")),
        (r#" [ "\u00e9\"" , null ]"#, Ok("é\"")),
        (r#"["a"]"#, Ok("a")),
        ("[7,null]", Err(())),
        (r#"{"name":"a"}"#, Err(())),
        ("[]", Err(())),
        ("", Err(())),
    ] {
        assert_eq!(message_name(args.as_bytes()).map_err(drop), name.map(str::to_owned), "{args}");
    }
}

#[test]
fn frames_survive_any_cut() {
    let mut bytes = Vec::new();
    let head = Head { method: "plc.read", caller: None };
    encode_request(&mut bytes, 7, Dialect::Flat, None, head, br#"["ns=2;s=X"]"#).unwrap();
    encode(&mut bytes, Kind::Drain, 0, 0, &[]).unwrap();
    for cut in 0..bytes.len() {
        let mut decoder = Decoder::default();
        let mut frames = Vec::new();
        for piece in [&bytes[..cut], &bytes[cut..]] {
            decoder.push(piece);
            while let Some(frame) = decoder.next_frame().unwrap() {
                frames.push(frame);
            }
        }
        assert_eq!(frames.len(), 2, "cut at {cut}");
        assert_eq!((frames[0].kind, frames[0].sequence), (Kind::Request, 7));
        assert_eq!(Dialect::from_flags(frames[0].flags), Some(Dialect::Flat));
        assert_eq!(
            parse_request(frames[0].flags, &frames[0].payload).unwrap(),
            (head, br#"["ns=2;s=X"]"#.as_slice())
        );
        assert_eq!(frames[1].kind, Kind::Drain);
    }
}

#[test]
fn a_request_names_a_dialect_that_every_worker_knows() {
    for (dialect, read) in
        [(Dialect::Flat, Dialect::Flat), (Dialect::Typed, Dialect::Typed), (Dialect::JsonRpc, Dialect::Typed)]
    {
        assert_eq!(Dialect::from_flags(request_flags(dialect, None)), Some(read));
        assert_eq!(Dialect::from_flags(request_flags(dialect, Some(0))), Some(dialect));
    }
    assert_eq!(Dialect::from_flags(4), None);
}

#[test]
fn a_long_stream_does_not_grow_the_buffer() {
    let mut frame = Vec::new();
    encode(&mut frame, Kind::Reply, DATA, 1, &[&[b'1'; 1000]]).unwrap();
    let mut decoder = Decoder::default();
    for _ in 0..10_000 {
        decoder.push(&frame);
        assert!(decoder.next_frame().unwrap().is_some());
    }
    assert!(decoder.bytes.capacity() < 256 * 1024, "{}", decoder.bytes.capacity());
}

#[test]
fn a_frame_that_is_too_long_or_unknown_is_refused() {
    let mut decoder = Decoder::default();
    decoder.push(&[0xff; HEADER_BYTES]);
    assert_eq!(decoder.next_frame(), Err(LinkError::TooLong(u32::MAX as usize)));
    let mut decoder = Decoder::default();
    decoder.push(&[0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(decoder.next_frame(), Err(LinkError::UnknownKind(99)));
    let mut out = Vec::new();
    let huge = vec![0; MAX_PAYLOAD_BYTES + 1];
    assert_eq!(encode(&mut out, Kind::Reply, 0, 1, &[&huge]), Err(LinkError::TooLong(huge.len())));
    assert!(out.is_empty());
}

#[test]
fn a_hello_of_another_version_still_tells_its_versions() {
    let mut payload = Hello { lowest: 7, highest: 9, ..Hello::default() }.payload();
    payload.truncate(8);
    payload.extend_from_slice(b"another make");
    let hello = Hello::parse(&payload).unwrap();
    assert_eq!((hello.lowest, hello.highest), (7, 9));
    assert!(Hello::parse(b"GET / HTTP/1.1").is_err());
}

#[test]
fn the_higher_common_version_is_spoken() {
    assert_eq!(common_version((1, 1)), Some(1));
    assert_eq!(common_version((1, 9)), Some(HIGHEST_VERSION));
    assert_eq!(common_version((0, 1)), Some(1));
    assert_eq!(common_version((2, 2)), Some(2));
    assert_eq!(common_version((4, 9)), Some(HIGHEST_VERSION));
    assert_eq!(common_version((1, 4)), Some(4));
    assert_eq!(common_version((HIGHEST_VERSION + 1, 9)), None);
    assert_eq!(common_version((0, 0)), None);
}

#[test]
fn what_version_2_added_stays_as_it_is_on_the_wire() {
    let mut bytes = Vec::new();
    let signalled =
        Signalled { signal: "SIGTERM".into(), pid: Some(7), uid: Some(0), command: Some("sh".into()) };
    encode(&mut bytes, Kind::Signalled, 0, 0, &[&json(&signalled)]).unwrap();
    let taken = Taken { signals: vec!["SIGTERM".into()] };
    encode(&mut bytes, Kind::Taken, 0, 0, &[&json(&taken)]).unwrap();
    let golden = b"\x33\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0{\"signal\":\"SIGTERM\",\"pid\":7,\"uid\":0,\"command\":\"sh\"}\
        \x17\0\0\0\x09\0\0\0\0\0\0\0\0\0\0\0{\"signals\":[\"SIGTERM\"]}";
    assert_eq!(bytes.escape_ascii().to_string(), golden.escape_ascii().to_string());
    let mut decoder = Decoder::default();
    decoder.push(golden);
    let frame = decoder.next_frame().unwrap().unwrap();
    assert_eq!(from_json::<Signalled>(&frame.payload).unwrap(), signalled);
    let frame = decoder.next_frame().unwrap().unwrap();
    assert_eq!(from_json::<Taken>(&frame.payload).unwrap(), taken);
}

#[test]
fn what_version_5_added_stays_as_it_is_on_the_wire() {
    let mut bytes = Vec::new();
    for kind in [Kind::Bind, Kind::Bound, Kind::Unbind, Kind::Expired] {
        encode(&mut bytes, kind, 0, 0, &[]).unwrap();
    }
    for (header, number) in bytes.chunks(HEADER_BYTES).zip(15..) {
        assert_eq!(header, [0, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    bytes.clear();
    let caller = Caller { id: "\"a\"", pid: 258, uid: 33, deadline: 1.5 };
    let head = Head { method: "m", caller: Some(caller) };
    encode_request(&mut bytes, 7, Dialect::Flat, Some(0), head, b"[]").unwrap();
    let payload = b"\x01\0\0\0m\x03\0\0\0\"a\"\x02\x01\0\0\x21\0\0\0\0\0\0\0\0\0\xf8\x3f[]";
    assert_eq!(bytes, [b"\x1e\0\0\0\x05\0\x81\x01\x07\0\0\0\0\0\0\0".as_slice(), payload].concat());
    assert_eq!(parse_request(0x181, payload), Ok((head, b"[]".as_slice())));
    assert_eq!(Dialect::from_flags(0x181), Some(Dialect::Flat));
    for cut in 0..payload.len() - 2 {
        assert!(parse_request(0x181, &payload[..cut]).is_err(), "cut at {cut}");
    }
    let bind = Bind { value: "x".into(), ttl: Some(600.0) };
    assert_eq!(json(&bind), br#"{"value":"x","ttl":600.0}"#);
    assert_eq!(from_json::<Bind>(br#"{"value":"x"}"#).unwrap().ttl, None);
}

#[test]
fn what_version_4_added_stays_as_it_is_on_the_wire() {
    let mut bytes = Vec::new();
    encode(&mut bytes, Kind::Leaving, 0, 0, &[]).unwrap();
    assert_eq!(bytes, [0, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.clear();
    let head = Head { method: "m", caller: None };
    encode_request(&mut bytes, 7, Dialect::Typed, Some(63), head, b"[]").unwrap();
    assert_eq!(bytes, b"\x07\0\0\0\x05\0\x02\x40\x07\0\0\0\0\0\0\0\x01\0\0\0m[]");
    let mut decoder = Decoder::default();
    decoder.push(&bytes);
    let flags = decoder.next_frame().unwrap().unwrap().flags;
    assert_eq!((Dialect::from_flags(flags), claim_of(flags)), (Some(Dialect::Typed), Some(63)));
    assert_eq!(claim_of(request_flags(Dialect::Flat, None)), None, "as versions before 4 have it");
}

#[test]
fn what_version_3_added_stays_as_it_is_on_the_wire() {
    let mut bytes = Vec::new();
    for kind in [Kind::Pause, Kind::Resume, Kind::Paused, Kind::Resumed] {
        encode(&mut bytes, kind, 0, 0, &[]).unwrap();
    }
    for (header, number) in bytes.chunks(HEADER_BYTES).zip(10..) {
        assert_eq!(header, [0, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    let mut decoder = Decoder::default();
    decoder.push(&bytes);
    assert_eq!(decoder.next_frame().unwrap().unwrap().kind, Kind::Pause);
    let ready = Ready { own_loop: true, blind: Some("x".into()), ..Ready::default() };
    let golden = r#"{"methods":[],"own_loop":true,"blind":"x"}"#;
    assert_eq!(String::from_utf8(json(&ready)).unwrap(), golden);
    assert_eq!(from_json::<Ready>(golden.as_bytes()).unwrap(), ready);
    let ready = Ready { jobs: true, concurrency: 50, blind: None, ..ready };
    let golden = r#"{"methods":[],"own_loop":true,"jobs":true,"concurrency":50}"#;
    assert_eq!(String::from_utf8(json(&ready)).unwrap(), golden);
    assert_eq!(from_json::<Ready>(golden.as_bytes()).unwrap(), ready);
    let predecessor = ExitReason { reason: "oom".into(), code: Some(255), ..ExitReason::default() };
    let go = Go { version: 3, predecessor: Some(Box::new(predecessor)), ..Go::default() };
    let golden = concat!(
        r#"{"version":3,"name":"","slot":0,"generation":0,"predecessor":{"reason":"oom","message":"","#,
        r#""code":255,"signal":null,"sender_pid":null,"sender_uid":null,"sender_command":null,"#,
        r#""error":null,"file":null,"line":null,"ran":0.0,"at":0.0,"log":[]}}"#,
    );
    assert_eq!(String::from_utf8(json(&go)).unwrap(), golden);
    assert_eq!(from_json::<Go>(golden.as_bytes()).unwrap(), go);
}

#[test]
fn what_older_versions_say_is_read_with_defaults() {
    let ready = from_json::<Ready>(br#"{"methods":[]}"#).unwrap();
    assert_eq!(ready, Ready::default());
    let go = from_json::<Go>(br#"{"version":1,"name":"a","slot":2,"generation":3}"#).unwrap();
    assert_eq!((go.version, go.predecessor), (1, None));
    let later = br#"{"reason":"exit","later":1}"#;
    assert_eq!(from_json::<ExitReason>(later).unwrap().reason, "exit");
}

#[test]
fn the_variable_leads_back_to_the_same_descriptors() {
    let ends = ends();
    let value = own_numbers(&ends);
    ends.all().for_each(|fd| sys::set_close_on_exec(fd, false).unwrap());
    let Ends { input, output, slot, life } = ends;
    for fd in [input, output, slot].into_iter().chain(life) {
        let _ = fd.into_raw_fd();
    }
    // SAFETY: the ends were given up above.
    let ends = unsafe { Ends::from_variable(&value) }.unwrap();
    assert_eq!(ends.all().count(), 4);
    for fd in ends.all() {
        assert!(sys::is_close_on_exec(fd).unwrap());
    }
}

#[test]
fn a_number_that_something_else_took_is_not_the_link() {
    let ends = ends();
    let value = own_numbers(&ends).replacen(':', ":1", 1);
    // SAFETY: refused before any descriptor is taken.
    let error = unsafe { Ends::from_variable(&value) }.unwrap_err();
    assert!(error.contains("something else now"), "{error}");
    // SAFETY: as above.
    let error = unsafe { Ends::from_variable("in=900:1,out=901:2,slot=902:3") }.unwrap_err();
    assert_eq!(error, "descriptor 900 (in) is closed");
    for value in ["", "in", "in=3", "in=x:y", "in=0:1", "other=3:4"] {
        // SAFETY: as above.
        assert!(unsafe { Ends::from_variable(value) }.is_err(), "{value}");
    }
}

fn own_numbers(ends: &Ends) -> String {
    use std::os::fd::AsRawFd;
    ends.variable(ends.all().map(|fd| fd.as_raw_fd())).unwrap()
}

fn ends() -> Ends {
    let (first, second) = (sys::pipe().unwrap(), sys::pipe().unwrap());
    let [slot, life] = [c"slot", c"life"].map(|name| sys::sealed_memory(name, 4096).unwrap());
    Ends { input: first.read, output: second.write, slot, life: Some(life) }
}
