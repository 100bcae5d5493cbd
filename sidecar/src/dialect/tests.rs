//! Envelopes, refusals, limits; whole exchanges are in tests/fixtures.

/// The fuzz targets' own: what is found there is replayed here.
#[path = "../../../fuzz/src/checks/mod.rs"]
mod checks;
#[path = "../../../tests/src/golden.rs"]
mod golden;

use std::path::{Path, PathBuf};

use self::checks::Dice;
use self::golden::{Exchange, Step};
use super::*;

fn ok(text: &str) -> (Dialect, String, String, String) {
    let frame = parse(text.as_bytes(), None).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
    let request = frame.one();
    (request.address.dialect, request.address.id.into(), request.method.into(), request.args.into())
}

fn refused(text: &str) -> String {
    let refusal = parse(text.as_bytes(), None).expect_err(text);
    let mut out = Vec::new();
    write_fault(&mut out, &refusal.address, &refusal.cause);
    String::from_utf8(out).unwrap()
}

#[test]
fn typed_requests() {
    let typed = |id: &str, args: &str| (Dialect::Typed, id.to_owned(), "m".to_owned(), args.to_owned());
    assert_eq!(ok(r#"{"id":1,"t":"req","method":"m","args":[]}"#), typed("1", "[]"));
    assert_eq!(
        ok(r#"{"t":"req","args":{"a": 1.0e5},"method":"m","id":"x\/y"}"#),
        typed(r#""x\/y""#, r#"{"a": 1.0e5}"#)
    );
    assert_eq!(ok(" {\"id\":1,\"\\u0074\":\"req\",\"method\":\"m\",\"args\":[]}\r"), typed("1", "[]"));
    assert_eq!(
        ok(r#"{"id":1,"id":2,"t":"req","method":"m","args":[]}"#),
        typed("2", "[]"),
        "the last one wins"
    );
}

#[test]
fn flat_requests() {
    let flat = |args: &str| (Dialect::Flat, String::new(), "m".to_owned(), args.to_owned());
    assert_eq!(ok(r#"{"command":"m"}"#), flat("{}"));
    assert_eq!(
        ok(r#"{"a":[1, 2],"command":"m","authToken":"s","b/\"":"é"}"#),
        flat(r#"{"a":[1, 2],"b/\"":"é"}"#)
    );
    assert_eq!(ok(r#"{"command":"m","t":"req"}"#), flat(r#"{"t":"req"}"#), "the first key decides");
    assert_eq!(ok(r#"{"command":7}"#).2, "");
    assert_eq!(ok("{}").2, "");
}

#[test]
fn flat_texts_are_the_ancestors() {
    let invalid = "{\"success\":false,\"error\":{\"type\":\"invalid_json\",\"message\":\"Invalid JSON\"}}\n";
    for text in ["", "not json", "7", "\"x\"", "null", "{\"command\":\"m\"", "{\"command\":\"\\x\"}"] {
        assert_eq!(refused(text), invalid, "{text}");
    }
    let mut out = Vec::new();
    let address = Address::new(Dialect::Flat, "");
    write_fault(&mut out, &address, &Cause::UnknownMethod("xyz/é😀\u{7f}".into()));
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"success\":false,\"error\":{\"type\":\"unknown_command\",\"message\":\"Unknown command: xyz\\/\\u00e9\\ud83d\\ude00\u{7f}\"}}\n"
    );
}

#[test]
fn invalid_bytes_are_invalid_json() {
    assert_eq!(parse(b"{\"command\":\"\xff\"}", None).unwrap_err().cause, Cause::InvalidJson);
    assert_eq!(parse(b"{\"command\":\"m\",\"a\":\"\xff\"}", None).unwrap_err().cause, Cause::InvalidJson);
    assert_eq!(parse(b"{\"command\":\"m\"}\0", None).unwrap_err().cause, Cause::InvalidJson);
}

#[test]
fn typed_envelopes_are_checked() {
    for (text, id, what) in [
        (r#"{"t":"req","method":"m","args":[]}"#, "null", "id"),
        (r#"{"id":0,"t":"req","method":"m","args":[]}"#, "null", "id"),
        (r#"{"id":1.0,"t":"req","method":"m","args":[]}"#, "null", "id"),
        (r#"{"id":1,"t":"res","method":"m","args":[]}"#, "1", "t"),
        (r#"{"id":1,"t":"req","args":[]}"#, "1", "method"),
        (r#"{"id":1,"t":"req","method":"m"}"#, "1", "args"),
        (r#"{"id":1,"t":"req","method":"m","args":"x"}"#, "1", "args"),
    ] {
        let answer = refused(text);
        assert!(answer.starts_with(&format!("{{\"id\":{id},\"t\":\"res\",\"ok\":false,")), "{answer}");
        assert!(
            answer.contains("\"invalid_request\"") && answer.contains(&format!("\\\"{what}\\\"")),
            "{answer}"
        );
    }
    assert!(refused(r#"{"t":"req","#).contains(r#""class":"invalid_json""#));
}

#[test]
fn limits_are_exact() {
    let flat = |bytes: usize| format!("{{\"command\":\"m\",\"a\":\"{}\"}}", "x".repeat(bytes - 22));
    assert_eq!(flat(100).len(), 100);
    assert!(parse(flat(FLAT_FRAME_BYTES).as_bytes(), None).is_ok());
    let refusal = parse(flat(FLAT_FRAME_BYTES + 1).as_bytes(), None).unwrap_err();
    assert_eq!(refusal.cause, Cause::FrameTooLarge);
    let late = format!("{{\"args\":[\"{}\"],\"t\":\"req\"}}", "x".repeat(FLAT_FRAME_BYTES));
    let refusal = parse(late.as_bytes(), None).unwrap_err();
    assert_eq!((refusal.address.dialect, refusal.cause), (Dialect::Flat, Cause::FrameTooLarge));
    let nested = |levels: usize| {
        format!(
            "{{\"id\":1,\"t\":\"req\",\"method\":\"m\",\"args\":{}{}}}",
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    assert!(parse(nested(30).as_bytes(), None).is_ok());
    assert_eq!(parse(nested(31).as_bytes(), None).unwrap_err().cause, Cause::InvalidJson);
    let flat =
        |levels: usize| format!("{{\"command\":\"m\",\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(flat(510).as_bytes(), None).is_ok());
    assert_eq!(parse(flat(511).as_bytes(), None).unwrap_err().cause, Cause::InvalidJson);
    assert!(parse(br#"{"command":"m","a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[["}"#, None).is_ok());
}

#[test]
fn a_prefix_shows_its_dialect_as_soon_as_it_can() {
    assert_eq!(peek(br#"{"t""#), Some(Dialect::Typed));
    assert_eq!(peek(b" ["), Some(Dialect::JsonRpc));
    assert_eq!(peek(b"{\"a\":1.0,\"jsonrpc\"\xff"), Some(Dialect::JsonRpc));
    assert_eq!(peek(br#"{"args":{"t":[1,"}"],"command":1},"command":"#), Some(Dialect::Flat));
    for cut in [
        "",
        "{",
        "{\"",
        "{\"t",
        "{\"id\":1,",
        "{\"args\":[\"t\",",
        "{}",
        "{\"a\":01,\"t\"",
        "{,\"t\"",
        "{\"a\":\"\\",
    ] {
        assert_eq!(peek(cut.as_bytes()), None, "{cut}");
    }
}

#[test]
fn the_key_of_the_dialect_counts_up_to_the_last_byte_of_64_kib() {
    for (end, dialect) in [(FLAT_FRAME_BYTES, Dialect::Typed), (FLAT_FRAME_BYTES + 1, Dialect::Flat)] {
        let before = format!("{{\"a\":\"{}\",", "x".repeat(end - 11));
        let frame = format!("{before}\"t\":\"req\"");
        assert_eq!(before.len() + 3, end);
        assert_eq!(peek(frame.as_bytes()).unwrap_or(Dialect::Flat), dialect);
        assert_eq!(parse(frame.as_bytes(), None).unwrap_err().address.dialect, dialect);
        checks::check_frame(frame.as_bytes()).unwrap_err();
    }
}

fn calls(text: &str) -> Vec<Result<(String, String, Delivery), String>> {
    let Ok(Frame::Batch(parts)) = parse(text.as_bytes(), None) else { panic!("no batch: {text}") };
    let parts = parts.into_iter().map(|part| match part {
        Ok(request) => Ok((request.method.into(), request.address.id.into(), request.address.delivery)),
        Err(refusal) => Err(refusal.cause.fault(Dialect::JsonRpc).message),
    });
    parts.collect()
}

#[test]
fn json_rpc_requests() {
    let call = |id: &str, args: &str| (Dialect::JsonRpc, id.to_owned(), "m".to_owned(), args.to_owned());
    assert_eq!(ok(r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[1, 2]}"#), call("1", "[1, 2]"));
    assert_eq!(
        ok(r#"{"jsonrpc":"2.0","id":"a\/b","method":"m","params":{"x":1.0}}"#),
        call(r#""a\/b""#, r#"{"x":1.0}"#)
    );
    assert_eq!(
        ok(r#"{"method":"m","id":-1.5e3,"jsonrpc":"2.0"}"#),
        call("-1.5e3", "[]"),
        "params may be missing"
    );
    assert_eq!(ok(r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#), call("null", "[]"));
    let delivery = |text: &str| parse(text.as_bytes(), None).unwrap().one().address.delivery;
    assert_eq!(delivery(r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#), Delivery::Line);
    assert_eq!(delivery(r#"{"jsonrpc":"2.0","method":"m"}"#), Delivery::Nowhere);
}

#[test]
fn json_rpc_envelopes_are_checked() {
    for (text, id, what) in [
        (r#"{"jsonrpc":"2.0","id":true,"method":"m"}"#, "null", "id"),
        (r#"{"jsonrpc":"2.0","id":[],"method":"m"}"#, "null", "id"),
        (r#"{"jsonrpc":"1.0","id":7,"method":"m"}"#, "7", "jsonrpc"),
        (r#"{"jsonrpc":2.0,"id":7,"method":"m"}"#, "7", "jsonrpc"),
        (r#"{"jsonrpc":"2.0","id":7}"#, "7", "method"),
        (r#"{"jsonrpc":"2.0","method":1,"params":"bar"}"#, "null", "method"),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":"x"}"#, "7", "params"),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":null}"#, "7", "params"),
    ] {
        let refusal = parse(text.as_bytes(), None).expect_err(text);
        assert!(!refusal.ends_connection(), "{text}");
        let answer = refused(text);
        assert!(answer.contains(r#""code":-32600,"message":"Invalid Request""#), "{answer}");
        assert!(answer.contains(&format!("\\\"{what}\\\" must be")), "{answer}");
        assert!(answer.ends_with(&format!("\"id\":{id}}}\n")), "{answer}");
    }
    let refusal = parse(br#"{"jsonrpc":"2.0","#, None).unwrap_err();
    assert!(refusal.ends_connection() && refusal.address.dialect == Dialect::JsonRpc);
}

#[test]
fn a_batch_is_a_list_of_requests_and_of_what_is_none() {
    let call = |id: &str| Ok(("m".to_owned(), id.to_owned(), Delivery::Line));
    let text = r#" [{"jsonrpc":"2.0","id":1,"method":"m"}, 1, {"foo":"boo"},{"jsonrpc":"2.0","method":"m"} , [] ,{"jsonrpc":"2.0","id":2,"method":"m"}] "#;
    assert_eq!(
        calls(text),
        [
            call("1"),
            Err("a request must be an object".into()),
            Err("\"jsonrpc\" must be \"2.0\"".into()),
            Ok(("m".into(), "null".into(), Delivery::Nowhere)),
            Err("a request must be an object".into()),
            call("2"),
        ]
    );
    for text in ["[", "[1,]", "[1] x", r#"[{"jsonrpc":"2.0","method"]"#, "[\"\\ud800\"]"] {
        assert!(refused(text).contains("-32700"), "{text}");
    }
    assert!(refused("[]").contains("-32600"));
    let of = |requests: usize| format!("[{}]", vec!["1"; requests].join(","));
    assert_eq!(calls(&of(BATCH_REQUESTS)).len(), BATCH_REQUESTS);
    assert!(refused(&of(BATCH_REQUESTS + 1)).contains("at most 1024 requests"));
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(calls(&nested(31)).len(), 1);
    assert!(refused(&nested(32)).contains("-32700"));
}

#[test]
fn a_timeout_is_a_positive_number_of_seconds() {
    let typed = |timeout: &str| format!(r#"{{"id":1,"t":"req","method":"m","args":[],"timeout":{timeout}}}"#);
    let call = |timeout: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","timeout":{timeout}}}"#);
    let timeout = |text: &str| parse(text.as_bytes(), None).unwrap().one().timeout;
    for (given, wanted) in [("1", 1.0), ("0.25", 0.25), ("2e0", 2.0), ("1e300", 1e9), ("1e999", 1e9)] {
        let wanted = Some(Duration::from_secs_f64(wanted));
        assert_eq!((timeout(&typed(given)), timeout(&call(given))), (wanted, wanted), "{given}");
    }
    for bad in ["0", "-1", "-0.0", "1e-20", "\"1\"", "null", "true", "[]", "-1e999"] {
        for text in [typed(bad), call(bad)] {
            assert!(refused(&text).contains("must be a number of seconds greater than 0"), "{text}");
        }
    }
    assert_eq!(timeout(r#"{"id":1,"t":"req","method":"m","args":[]}"#), None);
    let flat = parse(br#"{"command":"m","timeout":"x"}"#, None).unwrap().one();
    assert_eq!((flat.timeout, flat.args.as_str()), (None, r#"{"timeout":"x"}"#), "an argument");
}

#[test]
fn what_is_known_elsewhere_is_ignored() {
    let typed =
        r#"{"id":1,"t":"req","method":"m","args":[],"authToken":7,"session":null,"command":"x","params":1}"#;
    assert_eq!(ok(typed).2, "m");
    assert_eq!(ok(r#"{"jsonrpc":"2.0","id":1,"method":"m","args":7,"authToken":"s"}"#).3, "[]");
}

#[test]
fn flats_arguments_are_the_bytes_that_came() {
    for (frame, args) in [
        (r#" { "command" : "m" } "#, "{}"),
        (
            r#"{"command":"m" , "a" : 1.0 ,"a": [ 1,{"command":2} ]}"#,
            r#"{"a" : 1.0 ,"a": [ 1,{"command":2} ]}"#,
        ),
        (
            r#"{"a":"}","command":"n","\u0063ommand":"m","b":{},"authToken":",", "c":","}"#,
            r#"{"a":"}","b":{},"c":","}"#,
        ),
        (r#"{"x":"\ud83d\ude00\u0000","command":"m"}"#, r#"{"x":"\ud83d\ude00\u0000"}"#),
    ] {
        assert_eq!(ok(frame), (Dialect::Flat, String::new(), "m".to_owned(), args.to_owned()));
    }
}

#[test]
fn json_rpcs_codes() {
    let said = |class: &str| {
        Cause::Said(rustdaemon_core::link::Fault { class: class.into(), message: "why".into() })
    };
    for (cause, expected) in [
        (
            said("unknown_method"),
            r#"{"code":-32601,"message":"Method not found","data":{"type":"unknown_method","message":"why"}}"#,
        ),
        (
            said("InvalidArgument"),
            r#"{"code":-32602,"message":"Invalid params","data":{"type":"InvalidArgument","message":"why"}}"#,
        ),
        (
            said("invalid_request"),
            r#"{"code":-32603,"message":"Internal error","data":{"type":"invalid_request","message":"why"}}"#,
        ),
        (
            said("ConnectionException"),
            r#"{"code":-32000,"message":"why","data":{"type":"ConnectionException"}}"#,
        ),
        (
            Cause::FrameTooLarge,
            r#"{"code":-32000,"message":"Request frame exceeds maximum size of 16777216 bytes","data":{"type":"payload_too_large"}}"#,
        ),
    ] {
        let mut out = Vec::new();
        write_fault(&mut out, &Address::new(Dialect::JsonRpc, "7"), &cause);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!("{{\"jsonrpc\":\"2.0\",\"error\":{expected},\"id\":7}}\n")
        );
    }
}

#[test]
fn a_notification_is_never_answered() {
    let address = Address { delivery: Delivery::Nowhere, ..Address::new(Dialect::JsonRpc, "null") };
    let mut out = Vec::new();
    write_data(&mut out, &address, b"1");
    write_fault(&mut out, &address, &Cause::ShuttingDown);
    assert!(out.is_empty());
}

#[test]
fn events_are_notifications_in_json_rpc() {
    let event = |dialect| {
        let mut out = Vec::new();
        write_event(&mut out, &Address::new(dialect, "7"), b"{}");
        String::from_utf8(out).unwrap()
    };
    assert_eq!(event(Dialect::Typed), "{\"id\":7,\"t\":\"evt\",\"data\":{}}\n");
    assert_eq!(
        event(Dialect::JsonRpc),
        "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"id\":7,\"data\":{}}}\n"
    );
}

/// A directory of the repository.
fn below_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn exchanges() -> Vec<Exchange> {
    golden::exchanges(&below_root("tests/fixtures"), |_| true)
}

/// All that a client writes in an exchange.
fn sent(exchange: &Exchange) -> Vec<u8> {
    let writes = exchange.steps.iter().filter_map(|step| match step {
        Step::Write(bytes) => Some(bytes.as_slice()),
        _ => None,
    });
    writes.collect::<Vec<_>>().concat()
}

/// What is written at once to a client that sends these bytes, as far as it is refused.
fn refusals(sent: &[u8], token: Option<&Token>) -> Vec<String> {
    let mut out = Vec::new();
    for line in sent.split_inclusive(|byte| *byte == b'\n') {
        let Some(frame) = line.strip_suffix(b"\n") else { break };
        let before = out.len();
        match parse(frame, token) {
            Err(refusal) => out.push(refusal),
            Ok(Frame::Batch(parts)) => out.extend(parts.into_iter().filter_map(Result::err)),
            Ok(Frame::One(request)) if request.address.dialect == Dialect::Flat => break,
            Ok(Frame::One(_)) => {}
        }
        if out.get(before..).unwrap_or_default().iter().any(|refusal| refusal.ends_connection()) {
            break;
        }
    }
    let lines = out.iter().map(|refusal| {
        let mut line = Vec::new();
        write_fault(&mut line, &refusal.address, &refusal.cause);
        String::from_utf8(line).unwrap().trim_end().to_owned()
    });
    lines.filter(|line| !line.is_empty()).collect() // a notification's
}

#[test]
fn golden_refusals_have_the_golden_words_and_nothing_else_is_refused() {
    let token = Token::new("s3cret/é".as_bytes()).unwrap();
    let mut seen = 0;
    for exchange in exchanges() {
        let sent = sent(&exchange);
        if !sent.ends_with(b"\n") {
            continue; // the connection's business
        }
        let gets = exchange.steps.iter().filter_map(|step| match step {
            Step::Get(line) => Some(golden::parts(line)),
            _ => None,
        });
        let mut expected: Vec<String> = gets.flatten().collect();
        expected.retain(|line| {
            ["invalid_json", "invalid_request", "Request", "auth_failed"]
                .iter()
                .any(|word| line.contains(word))
        });
        let mut refused: Vec<String> = if exchange.name.starts_with("token/") {
            refusals(&sent, Some(&token))
        } else {
            let refusals = checks::meaning(&sent).refusals;
            let lines = refusals.iter().map(|refusal| {
                let mut line = Vec::new();
                write_fault(&mut line, &refusal.address, &refusal.cause);
                String::from_utf8(line).unwrap().trim_end().to_owned()
            });
            lines.collect()
        };
        expected.sort();
        refused.sort();
        assert_eq!(refused, expected, "{}", exchange.name);
        seen += refused.len();
    }
    assert!(seen > 90, "{seen} refusals");
}

/// Frames of tests/fixtures that are short enough to be changed at random.
fn seeds() -> Vec<Vec<u8>> {
    let steps = exchanges().into_iter().flat_map(|exchange| exchange.steps);
    let frames = steps.filter_map(|step| match step {
        Step::Write(bytes) if bytes.len() < 600 => bytes.strip_suffix(b"\n").map(<[u8]>::to_vec),
        _ => None,
    });
    frames.collect()
}

#[test]
fn changed_frames_are_what_serde_json_says_they_are() {
    let seeds = seeds();
    let mut dice = Dice::of(b"changed frames");
    let (mut valid, mut invalid) = (0, 0);
    let token = Token::new("s3cret/é".as_bytes()).unwrap();
    let mut admitted = 0;
    for _ in 0..20_000 {
        let mut frame = seeds[dice.below(seeds.len())].clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(frame.len().max(1));
            match dice.below(4) {
                0 if !frame.is_empty() => drop(frame.remove(at)),
                1 if !frame.is_empty() => frame[at] ^= 1 << dice.below(8),
                2 => frame.truncate(at),
                _ => {
                    let piece = b"{}[]\":,\\u0aD80e-+. tfn\x00\xc3\x7f\x1f";
                    frame.insert(at, piece[dice.below(piece.len())]);
                }
            }
        }
        let text = String::from_utf8_lossy(&frame);
        if let Ok(Frame::One(request)) = parse(&frame, Some(&token)) {
            let shows_it = text.contains("s3cret") || text.contains("\\u");
            assert!(shows_it || (request.is_strangers && request.method == "ping"), "{text}");
            admitted += 1;
        }
        match checks::check_frame(&frame) {
            Err(refusal) if refusal.cause == Cause::InvalidJson => invalid += 1,
            _ => valid += 1,
        }
    }
    assert!(valid > 2_000 && invalid > 2_000 && admitted > 50, "{valid}, {invalid} and {admitted}");
}

/// A fuzz target's name, and its function.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 4] = [
    ("split", checks::check_split),
    ("typed", checks::check_typed),
    ("flat", checks::check_flat),
    ("jsonrpc", checks::check_jsonrpc),
];

#[test]
fn golden_exchanges_pass_what_the_fuzz_targets_check() {
    for exchange in exchanges() {
        let sent = sent(&exchange);
        checks::check_split(&sent);
        for frame in sent.split(|byte| *byte == b'\n') {
            let _ = checks::check_frame(frame);
        }
    }
    for frame in seeds() {
        TARGETS.iter().for_each(|(_, check)| check(&frame));
    }
}

#[test]
fn what_fuzzing_has_kept_passes_again() {
    for (target, check) in TARGETS {
        let corpus = below_root("fuzz/corpus").join(target);
        let entries = std::fs::read_dir(&corpus).unwrap_or_else(|why| panic!("{}: {why}", corpus.display()));
        let files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() > 10, "{} holds {}", corpus.display(), files.len());
        for file in files {
            eprintln!("{}", file.display()); // shown when it fails
            check(&std::fs::read(&file).unwrap());
        }
    }
}
