//! One connection over a pair of sockets: bytes in, requests out.

use std::os::unix::net::UnixStream;

use super::*;

const TYPED: &[u8] = b"{\"id\":1,\"t\":\"req\",\"method\":\"m\",\"args\":[]}\n";

fn pair() -> (UnixStream, Client) {
    let (theirs, ours) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (theirs, Client::new(Stream::Unix(ours), Peer::Unknown, Role::Call))
}

fn read(client: &mut Client, terms: Terms) -> Vec<Request> {
    let mut requests = VecDeque::new();
    client.read(Instant::now(), terms, &mut [0; CHUNK_BYTES], &mut requests).unwrap();
    requests.into()
}

/// Writes from a thread, because a pair of sockets holds less than the largest frame.
fn feed(bytes: Vec<u8>) -> (UnixStream, Client, Vec<Request>) {
    let (mut theirs, mut client) = pair();
    let reader = theirs.try_clone().unwrap();
    let writer = std::thread::spawn(move || theirs.write_all(&bytes));
    let mut requests = Vec::new();
    while !writer.is_finished() {
        requests.extend(read(&mut client, Terms::default()));
    }
    writer.join().unwrap().unwrap();
    requests.extend(read(&mut client, Terms::default()));
    while client.is_readable() {
        requests.extend(read(&mut client, Terms::default()));
    }
    (reader, client, requests)
}

const PATIENCE: Patience =
    Patience { header: Some(Duration::from_secs(3)), write: Some(Duration::from_secs(5)) };

fn all(mut theirs: UnixStream) -> String {
    let mut text = String::new();
    theirs.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn typed_requests_are_kept_apart_and_the_connection_stays() {
    let (_theirs, mut client, requests) = feed(TYPED.repeat(3));
    assert_eq!(requests.len(), 3);
    assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Open);
    for _ in 0..3 {
        client.answer(Delivery::Line, b"x\n".to_vec());
    }
    assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Open);
}

#[test]
fn a_request_in_single_bytes_is_one_request() {
    let (mut theirs, mut client) = pair();
    let mut requests = Vec::new();
    for byte in TYPED {
        theirs.write_all(&[*byte]).unwrap();
        requests.extend(read(&mut client, Terms::default()));
    }
    assert_eq!(requests.len(), 1);
}

#[test]
fn a_flat_request_is_the_last_one() {
    let (theirs, mut client, requests) = feed(b"{\"command\":\"a\"}\r\n{\"command\":\"b\"}\n".to_vec());
    assert_eq!(requests.iter().map(|request| request.method.as_str()).collect::<Vec<_>>(), ["a"]);
    client.answer(Delivery::Line, b"done\n".to_vec());
    let now = Instant::now();
    assert_eq!(client.advance(now).unwrap(), Fate::Open, "the client may still be sending");
    assert_eq!(all(theirs), "done\n", "but it sees the end");
    read(&mut client, Terms::default());
    assert_eq!(client.advance(now).unwrap(), Fate::Closed);
}

#[test]
fn a_client_that_never_closes_is_closed_after_the_linger() {
    let (_theirs, mut client, _) = feed(b"{\"command\":\"a\"}\n".to_vec());
    client.answer(Delivery::Line, b"done\n".to_vec());
    let now = Instant::now();
    client.advance(now).unwrap();
    assert_eq!(client.deadline(PATIENCE), Some(now + LINGER));
    assert_eq!(client.advance(now + LINGER).unwrap(), Fate::Closed);
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#;
const NOTIFICATION: &str = r#"{"jsonrpc":"2.0","method":"m"}"#;

#[test]
fn who_sends_only_notifications_is_read_again_when_they_have_run() {
    let (_theirs, mut client, requests) =
        feed(format!("{NOTIFICATION}\n").repeat(2 * MAX_OUTSTANDING).into_bytes());
    assert!(requests.len() >= 2 * MAX_OUTSTANDING || !client.is_readable());
    client.outstanding = MAX_OUTSTANDING;
    client.unread = true;
    assert!(!client.can_advance(), "full");
    client.answer(Delivery::Nowhere, b"".to_vec());
    assert!(client.can_advance() && client.is_readable(), "no edge will tell");
}

#[test]
fn postponed_requests_come_first_in_the_next_turn_without_an_edge() {
    let (mut theirs, mut client, requests) = feed(format!("[{CALL},{CALL},{CALL}]\n").into_bytes());
    let mut rest = VecDeque::from(requests);
    assert_eq!(rest.pop_front().unwrap().address.delivery, Delivery::Batch(0));
    assert!(!client.is_readable());
    client.postpone(&mut rest);
    assert!(rest.is_empty() && client.is_readable());
    theirs.write_all(TYPED).unwrap();
    let deliveries = read(&mut client, Terms::default()).into_iter().map(|request| request.address.delivery);
    assert_eq!(Vec::from_iter(deliveries), [Delivery::Batch(0), Delivery::Batch(0), Delivery::Line]);
    assert!(!client.is_readable());
}

#[test]
fn what_a_batch_collects_counts_as_kept_for_its_client() {
    let (_theirs, mut client, requests) = feed(format!("[{CALL},{CALL}]\n").into_bytes());
    client.answer(requests[0].address.delivery, vec![b'x'; 1000]);
    assert_eq!(client.waiting_bytes(), 0);
    assert!(client.untaken_bytes() >= 1000);
}

#[test]
fn a_batch_is_answered_in_one_line_with_its_last_answer() {
    let line = format!("[{CALL},{NOTIFICATION},1,{CALL}]\n{CALL}\n");
    let (mut theirs, mut client, requests) = feed(line.into_bytes());
    let deliveries: Vec<Delivery> = requests.iter().map(|request| request.address.delivery).collect();
    let batch = Delivery::Batch(0);
    assert_eq!(deliveries, [batch, Delivery::Nowhere, batch, Delivery::Line]);
    client.answer(batch, b"1\n".to_vec());
    client.answer(Delivery::Nowhere, b"".to_vec());
    client.answer(Delivery::Line, b"other\n".to_vec());
    client.answer(batch, b"2\n".to_vec());
    client.finish();
    client.advance(Instant::now()).unwrap();
    let mut text = String::new();
    theirs.read_to_string(&mut text).unwrap();
    let invalid = text.strip_prefix("other\n[").and_then(|rest| rest.strip_suffix(",1,2]\n"));
    let invalid: serde_json::Value = serde_json::from_str(invalid.unwrap()).unwrap();
    assert_eq!((&invalid["error"]["code"], &invalid["id"]), (&(-32600).into(), &serde_json::Value::Null));
}

#[test]
fn a_batch_of_what_is_no_request_is_answered_at_once() {
    let (theirs, mut client, requests) = feed(b"[1,2]\n".to_vec());
    client.finish();
    client.advance(Instant::now()).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&all(theirs)).unwrap();
    assert_eq!((requests.len(), answer.as_array().unwrap().len()), (0, 2));
}

#[test]
fn notifications_are_waited_for_and_answered_with_nothing() {
    let (theirs, mut client, requests) = feed(format!("{NOTIFICATION}\n[{NOTIFICATION}]\n").into_bytes());
    theirs.shutdown(Shutdown::Write).unwrap();
    assert!(read(&mut client, Terms::default()).is_empty());
    for request in requests {
        assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Open);
        client.answer(request.address.delivery, b"".to_vec());
    }
    assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Closed);
    drop(client);
    assert_eq!(all(theirs), "");
}

#[test]
fn an_invalid_request_of_json_rpc_ends_nothing_and_what_is_no_json_does() {
    let (theirs, mut client, requests) =
        feed(format!("[]\n{{\"jsonrpc\":\"2.0\"}}\n{CALL}\n[\n{CALL}\n").into_bytes());
    assert_eq!(requests.len(), 1);
    client.answer(Delivery::Line, b"done\n".to_vec());
    client.advance(Instant::now()).unwrap();
    let text = all(theirs);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].contains("-32600") && lines[1].contains("-32600") && lines[2].contains("-32700"));
    assert_eq!(lines[3], "done");
}

#[test]
fn what_comes_after_the_linger_does_not_reset_the_connection() {
    let (mut theirs, mut client, _) = feed(b"{\"command\":\"a\"}\n".to_vec());
    client.answer(Delivery::Line, b"done\n".to_vec());
    let now = Instant::now();
    client.advance(now).unwrap();
    theirs.write_all(&[b'x'; 50_000]).unwrap();
    assert_eq!(client.advance(now + LINGER).unwrap(), Fate::Closed);
    client.close();
    assert_eq!(all(theirs), "done\n");
}

#[test]
fn earlier_requests_get_their_answers_before_a_refusal_closes() {
    let (theirs, mut client, requests) = feed([TYPED, b"garbage\n", TYPED].concat());
    assert_eq!(requests.len(), 1);
    assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Open);
    client.answer(Delivery::Line, b"done\n".to_vec());
    client.advance(Instant::now()).unwrap();
    assert!(all(theirs).ends_with("done\n"));
}

#[test]
fn a_half_closed_client_gets_its_answer_and_then_the_end() {
    let (theirs, mut client, requests) = feed(TYPED.to_vec());
    theirs.shutdown(Shutdown::Write).unwrap();
    assert!(read(&mut client, Terms::default()).is_empty());
    assert_eq!((requests.len(), client.advance(Instant::now()).unwrap()), (1, Fate::Open));
    client.answer(Delivery::Line, b"done\n".to_vec());
    assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Closed);
    drop(client);
    assert_eq!(all(theirs), "done\n");
}

#[test]
fn an_end_without_a_newline_is_no_request() {
    let (theirs, mut client, requests) = feed(b"{\"command\":\"a\"}".to_vec());
    theirs.shutdown(Shutdown::Write).unwrap();
    assert!(requests.is_empty() && read(&mut client, Terms::default()).is_empty());
    assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Closed);
}

#[test]
fn a_frame_that_is_too_large_is_refused_by_its_dialects_limit() {
    let refused = |bytes: Vec<u8>| {
        let (theirs, mut client, requests) = feed(bytes);
        assert!(requests.is_empty());
        client.advance(Instant::now()).unwrap();
        all(theirs)
    };
    let flat = |bytes: usize| [b"{\"command\":\"m\",\"a\":\"".to_vec(), vec![b'x'; bytes]].concat();
    assert!(refused(flat(1_048_576)).contains("Request exceeds maximum size of 1MB"));
    assert!(refused([flat(70_000), b"\"}\n".to_vec()].concat()).contains("maximum size of 65536 bytes"));
    let typed = [b"{\"t\":\"req\",\"a\":\"".to_vec(), vec![b'x'; 16_777_216]].concat();
    let answer = refused(typed);
    assert!(
        answer.contains("\"t\":\"res\"") && answer.contains("maximum size of 16777216 bytes"),
        "{answer}"
    );
    let (_theirs, _client, requests) = feed(
        [
            b"{\"t\":\"req\",\"id\":1,\"method\":\"m\",\"args\":[\"".to_vec(),
            vec![b'x'; 2_000_000],
            b"\"]}\n".to_vec(),
        ]
        .concat(),
    );
    assert_eq!(requests.len(), 1, "two megabytes are fine in TYPED");
}

#[test]
fn an_answer_larger_than_the_sockets_buffer_waits_for_the_client() {
    let (mut theirs, mut client, _) = feed(TYPED.to_vec());
    client.answer(Delivery::Line, vec![b'x'; 4_000_000]);
    assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Open);
    assert!(client.is_blocked());
    let mut left = 4_000_000;
    let mut chunk = vec![0; 65_536];
    while left > 0 {
        left -= theirs.read(&mut chunk).unwrap();
        client.advance(Instant::now()).unwrap();
    }
    assert!(!client.is_blocked());
}

#[test]
fn a_flood_is_read_in_turns_and_only_as_far_as_it_is_answered() {
    let (mut theirs, mut client) = pair();
    let writer = std::thread::spawn(move || while theirs.write_all(&TYPED.repeat(1000)).is_ok() {});
    let mut most = 0;
    let mut requests = 0;
    while requests < MAX_OUTSTANDING {
        let turn = read(&mut client, Terms::default()).len();
        most = most.max(turn);
        requests += turn;
    }
    assert!(most <= (TURN_BYTES + CHUNK_BYTES) / TYPED.len() + 1, "{most} in one turn");
    assert!(
        read(&mut client, Terms::default()).is_empty() && !client.is_readable(),
        "full until some are answered"
    );
    for _ in 0..requests {
        client.answer(Delivery::Line, b"x\n".to_vec());
    }
    assert!(client.is_readable(), "no edge will tell");
    assert!(!read(&mut client, Terms::default()).is_empty());
    drop(client);
    writer.join().unwrap();
}

#[test]
fn a_client_that_reads_nothing_is_not_read_either() {
    let (_theirs, mut client, _) = feed(TYPED.to_vec());
    client.answer(Delivery::Line, vec![b'x'; 4_000_000]);
    client.advance(Instant::now()).unwrap();
    assert!(client.is_blocked() && read(&mut client, Terms::default()).is_empty() && !client.is_readable());
}

#[test]
fn a_frame_has_its_time_and_who_owes_nothing_has_no_deadline() {
    let (mut theirs, mut client) = pair();
    let connected = client.deadline(PATIENCE).unwrap() - Duration::from_secs(3);
    theirs.write_all(&TYPED[..5]).unwrap();
    read(&mut client, Terms::default());
    assert_eq!(client.deadline(PATIENCE), Some(connected + Duration::from_secs(3)), "from the connect");
    theirs.write_all(&TYPED[5..]).unwrap();
    assert_eq!(read(&mut client, Terms::default()).len(), 1);
    assert_eq!(client.deadline(PATIENCE), None);
    theirs.write_all(&[TYPED, &TYPED[..5]].concat()).unwrap();
    read(&mut client, Terms::default());
    let began = client.deadline(PATIENCE).unwrap();
    theirs.write_all(&TYPED[5..6]).unwrap();
    read(&mut client, Terms::default());
    assert_eq!(client.deadline(PATIENCE), Some(began), "another byte buys no time");
    let before = began - Duration::from_nanos(1);
    assert_eq!(client.overdue(before, PATIENCE, false), None);
    assert_eq!(client.overdue(began, PATIENCE, true), None, "we did not read it");
    assert_eq!(client.deadline(PATIENCE), Some(began + Duration::from_secs(3)));
    assert_eq!(client.overdue(began + Duration::from_secs(3), PATIENCE, false), Some(Overdue::Frame));
    let for_ever = Patience { header: None, write: None };
    assert_eq!(client.deadline(for_ever), None);
    assert_eq!(client.overdue(began + Duration::from_secs(3), for_ever, false), None);
}

#[test]
fn who_is_late_is_told_so_in_its_dialect_after_its_earlier_answers() {
    for (frame, told) in [(&b""[..], "{\"success\":false"), (&TYPED[..20], "{\"id\":null,\"t\":\"res\"")] {
        let (theirs, mut client, _) = feed([TYPED, frame].concat());
        client.answer(Delivery::Line, b"done\n".to_vec());
        client.time_out();
        client.advance(Instant::now()).unwrap();
        let answer = all(theirs);
        assert!(answer.starts_with(&format!("done\n{told}")), "{answer}");
        assert!(answer.contains("\"connection_timeout\""), "{answer}");
        assert_eq!(client.buffered(), 0);
    }
}

#[test]
fn who_takes_nothing_is_overdue_and_a_few_bytes_buy_time() {
    let (mut theirs, mut client, _) = feed(TYPED.to_vec());
    client.answer(Delivery::Line, vec![b'x'; 4_000_000]);
    let start = Instant::now();
    client.advance(start).unwrap();
    let limit = Duration::from_secs(5);
    assert_eq!(client.deadline(PATIENCE), Some(start + limit));
    client.advance(start + limit / 2).unwrap();
    assert_eq!(client.deadline(PATIENCE), Some(start + limit), "it has taken nothing");
    theirs.read_exact(&mut vec![0; 200_000]).unwrap();
    client.advance(start + limit).unwrap();
    assert_eq!(client.overdue(start + limit, PATIENCE, false), None);
    assert_eq!(client.deadline(PATIENCE), Some(start + limit * 2));
    assert_eq!(client.overdue(start + limit * 2, PATIENCE, false), Some(Overdue::Answers));
}

#[test]
fn where_nothing_more_may_be_kept_only_whole_frames_are_read() {
    let only_whole = Terms { only_whole: true, ..Terms::default() };
    let (mut theirs, mut client) = pair();
    theirs.write_all(&[TYPED, TYPED, &TYPED[..9]].concat()).unwrap();
    assert_eq!(read(&mut client, only_whole).len(), 2);
    assert!(client.is_held() && !client.is_readable() && client.buffered() == 0);
    theirs.write_all(&TYPED[9..]).unwrap();
    assert_eq!(read(&mut client, only_whole).len(), 1);
    assert!(!client.is_held());
    theirs.write_all(&TYPED[..9]).unwrap();
    drop(theirs);
    assert!(read(&mut client, only_whole).is_empty() && client.is_held());
    client.saw_end();
    assert!(read(&mut client, Terms::default()).is_empty() && !client.is_held());
    for _ in 0..client.outstanding() {
        client.answer(Delivery::Line, b"x\n".to_vec());
    }
    assert!(client.advance(Instant::now()).is_err(), "nobody is there");
}

#[test]
fn an_end_that_came_with_the_last_bytes_is_read_with_them() {
    let (theirs, mut client, _) = feed(TYPED.to_vec());
    theirs.shutdown(Shutdown::Write).unwrap();
    (&theirs).write_all(TYPED).unwrap_err();
    let (mut theirs, mut other) = pair();
    theirs.write_all(TYPED).unwrap();
    theirs.shutdown(Shutdown::Write).unwrap();
    other.saw_end();
    for (client, requests) in [(&mut client, 0), (&mut other, 1)] {
        assert_eq!(read(client, Terms::default()).len(), requests);
        for _ in 0..client.outstanding() {
            client.answer(Delivery::Line, b"x\n".to_vec());
        }
        assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Closed);
    }
}

#[test]
fn when_flat_is_full_that_comes_before_all_its_other_faults() {
    let full = Terms { flat_is_full: true, ..Terms::default() };
    for frame in [&b"garbage\n"[..], &[b'x'; 70_000], b"{\"t\":7}\n"] {
        let (mut theirs, mut client) = pair();
        theirs.write_all(frame).unwrap();
        theirs.write_all(b"\n").unwrap();
        read(&mut client, full);
        while client.is_readable() {
            read(&mut client, full);
        }
        client.advance(Instant::now()).unwrap();
        let is_flat = !frame.starts_with(b"{");
        assert_eq!(all(theirs).contains("\"too_many_connections\""), is_flat);
    }
}

#[test]
fn who_is_turned_away_reads_why_and_then_the_end() {
    let (mut theirs, client) = pair();
    theirs.write_all(&vec![b'x'; 100_000]).unwrap();
    client.turn_away(&Cause::TooManyConnections);
    assert!(all(theirs).contains("\"Too many concurrent connections\""), "and no reset");
}

#[test]
fn an_idle_client_owns_nothing() {
    let (_theirs, mut client, _) = feed(TYPED.to_vec());
    client.answer(Delivery::Line, b"x\n".to_vec());
    client.advance(Instant::now()).unwrap();
    assert_eq!((client.input.capacity(), client.output.capacity()), (0, 0));
    assert!(size_of::<Client>() <= 256, "{}", size_of::<Client>());
}

/// Whatever the pieces are in which a stream comes, and wherever only whole frames are read, it is the same.
#[test]
fn a_stream_means_the_same_in_all_its_pieces() {
    let large =
        format!("{{\"id\":7,\"t\":\"req\",\"method\":\"l\",\"args\":[\"{}\"]}}\n", "x".repeat(20_000));
    let frames =
        [TYPED, large.as_bytes(), TYPED, b"{\"id\":\"x\",\"t\":\"req\",\"method\":\"n\",\"args\":{}}\r\n"];
    let ends = [&b"{\"command\":\"c\"}\nrest"[..], b"garbage\nrest", b"{\"t\":\"req\"", b"\n", b""];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut pick = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    for round in 0..300 {
        let mut stream: Vec<u8> = (0..pick(5)).flat_map(|_| frames[pick(frames.len())]).copied().collect();
        stream.extend(ends[pick(ends.len())]);
        let outcome = |pieces: &mut dyn FnMut(usize) -> (usize, bool)| {
            let (mut theirs, mut client) = pair();
            let (mut requests, mut rest) = (Vec::new(), &stream[..]);
            while !rest.is_empty() {
                let (length, only_whole) = pieces(rest.len());
                let (piece, after) = rest.split_at(length);
                rest = after;
                theirs.write_all(piece).unwrap();
                requests.extend(read(&mut client, Terms { only_whole, ..Terms::default() }));
            }
            theirs.shutdown(Shutdown::Write).unwrap();
            client.saw_end();
            while !client.peer_done {
                requests.extend(read(&mut client, Terms::default()));
            }
            assert_eq!(client.outstanding(), requests.len());
            requests.iter().for_each(|_| client.answer(Delivery::Line, b"done\n".to_vec()));
            assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Closed);
            drop(client);
            (requests, all(theirs))
        };
        let whole = outcome(&mut |left| (left, false));
        let in_pieces = outcome(&mut |left| (1 + pick(left.min(9_000)), pick(3) == 0));
        assert_eq!(whole.0, in_pieces.0, "{round}");
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&whole.1), sorted(&in_pieces.1), "{round}");
    }
}

#[test]
fn requests_before_a_broken_connection_count() {
    // Closing with unread bytes of ours resets the connection; what was sent before is still there.
    let (mut theirs, mut client) = pair();
    client.answer(Delivery::Line, b"unread\n".to_vec());
    client.advance(Instant::now()).unwrap();
    theirs.write_all(TYPED).unwrap();
    drop(theirs);
    let mut requests = VecDeque::new();
    let mut turn = || client.read(Instant::now(), Terms::default(), &mut [0; CHUNK_BYTES], &mut requests);
    assert!(turn().and_then(|()| turn()).is_err());
    assert_eq!(requests.len(), 1);
}

#[test]
fn a_client_that_vanished_is_an_error_not_a_crash() {
    let (theirs, mut client, _) = feed(TYPED.to_vec());
    drop(theirs);
    read(&mut client, Terms::default());
    client.answer(Delivery::Line, b"done\n".to_vec());
    assert!(client.advance(Instant::now()).is_err());
}

#[test]
fn what_was_postponed_waits_until_the_answers_before_it_are_taken() {
    let (theirs, mut client, requests) = feed([TYPED, TYPED].concat());
    let mut rest: VecDeque<Request> = requests.into_iter().skip(1).collect();
    client.answer(Delivery::Line, vec![b'x'; 4_000_000]);
    client.postpone(&mut rest);
    assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Open);
    assert!(client.is_blocked() && client.untaken_bytes() > MAX_OUTPUT_BYTES);
    assert!(!client.is_readable(), "it is read no further, and asked no further");
    assert!(read(&mut client, Terms::default()).is_empty());
    theirs.set_nonblocking(true).unwrap();
    while client.is_blocked() {
        let _ = (&theirs).read(&mut vec![0; 1 << 20]);
        client.advance(Instant::now()).unwrap();
    }
    assert!(client.is_readable());
    assert_eq!(read(&mut client, Terms::default()).len(), 1);
}
