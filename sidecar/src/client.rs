//! One client's connection: bytes in, requests out; answers in, bytes out.
//!
//! # How it works
//! Reading goes on until the client half-closes, or until something ends it: a FLAT request (one per connection), a
//! frame after which nothing can be trusted ([`Refusal::ends_connection`]), or that the daemon stops. Then the
//! connection closes as soon as every request on it has its answer and the answers are written. Where the client may
//! still be sending, we first shut down our side and discard for up to a second: closing at once would reset the
//! connection and could take the answer with it.
//! A batch's answers are collected here and leave in one line; a notification counts as a request until it has run, and
//! is answered with nothing.
//!
//! # What may be lost
//! Bytes without a newline at the end of a stream: they are no request. What a client sends after a FLAT request.
//!
//! # Rules
//! Never blocks. Decides nothing about a request.
//! Sources: unix(7), shutdown(2).

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use rustdaemon_core::link::Dialect;

use crate::dialect::{self, Address, Cause, Delivery, Frame, Parsed, Refusal, Request};

/// How long we go on discarding what a client sends after its last answer.
const LINGER: Duration = Duration::from_secs(1);
/// Read at a time.
const CHUNK_BYTES: usize = 16 * 1024;
/// Read in one turn of the loop, so that one client's flood leaves the others their turns.
const TURN_BYTES: usize = 4 * CHUNK_BYTES;
/// A client with more requests than this without an answer is read no further for now.
const MAX_OUTSTANDING: usize = 1024;
/// A client with more bytes of answers than this not taken is read no further for now.
const MAX_OUTPUT_BYTES: usize = 1024 * 1024;

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    input: Vec<u8>,
    /// Where the unread rest of `input` starts, and up to where it holds no newline.
    start: usize,
    searched: usize,
    output: Vec<u8>,
    written: usize,
    outstanding: usize,
    batches: Vec<Batch>,
    /// The number of the next batch.
    next_batch: u64,
    reading: bool,
    peer_done: bool,
    linger_until: Option<Instant>,
    /// There may be more to read, and no edge will tell of it.
    unread: bool,
    /// The user at the other end, when it connected.
    peer_uid: Option<u32>,
}

/// Answers that leave in one line.
#[derive(Debug)]
struct Batch {
    number: u64,
    /// How many have not come.
    missing: usize,
    /// Those that have.
    line: Vec<u8>,
}

/// What one turn of reading gave.
#[derive(Debug, Default)]
pub struct Input {
    /// Whole requests, in order.
    pub requests: Vec<Request>,
    /// The connection is broken: there will be no more.
    pub broken: Option<io::Error>,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Open,
    /// It has ended; drop it.
    Closed,
}

impl Client {
    /// A new one, non-blocking.
    #[must_use]
    pub fn new(stream: UnixStream) -> Self {
        let peer = getsockopt(&stream, PeerCredentials).ok();
        Self {
            peer_uid: peer.map(|peer| peer.uid()),
            stream,
            input: Vec::new(),
            start: 0,
            searched: 0,
            output: Vec::new(),
            written: 0,
            outstanding: 0,
            batches: Vec::new(),
            next_batch: 0,
            reading: true,
            peer_done: false,
            linger_until: None,
            unread: false,
        }
    }

    /// For readiness.
    #[must_use]
    pub fn raw_fd(&self) -> i32 {
        self.stream.as_raw_fd()
    }

    /// Whether it may change something: it is root's, or of the user that we run as.
    #[must_use]
    pub fn may_control(&self) -> bool {
        self.peer_uid.is_some_and(|uid| uid == 0 || uid == nix::unistd::geteuid().as_raw())
    }

    /// Whether bytes wait that the client does not take at the moment.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.written < self.output.len()
    }

    /// Whether [`Client::read`] is to be called without an edge.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.unread && self.has_room()
    }

    /// Reads no further request; closes when all answers are written.
    pub fn finish(&mut self) {
        self.reading = false;
    }

    /// When [`Client::advance`] has something to do of its own.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.linger_until
    }

    /// Reads what is there, up to a turn's share of it; the whole requests in it. Refused frames are answered here.
    pub fn read(&mut self) -> Input {
        let mut input = Input::default();
        let mut chunk = [0; CHUNK_BYTES];
        let mut left = TURN_BYTES;
        self.unread = true;
        while !self.peer_done && left > 0 && self.has_room() {
            match self.stream.read(&mut chunk) {
                Ok(0) => self.peer_done = true,
                Ok(length) => {
                    left = left.saturating_sub(length);
                    if self.reading {
                        self.input.extend_from_slice(chunk.get(..length).unwrap_or_default());
                        self.cut(&mut input.requests);
                    } // else discarded
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.unread = false;
                    input.broken = Some(error).filter(|error| error.kind() != io::ErrorKind::WouldBlock);
                    return input;
                }
            }
        }
        self.unread = !self.peer_done;
        input
    }

    /// Whether more may be taken in before some of what was taken has been answered and read.
    fn has_room(&self) -> bool {
        let collected: usize = self.batches.iter().map(|batch| batch.line.len()).sum();
        let output = self.output.len() - self.written + collected;
        !self.reading || (self.outstanding < MAX_OUTSTANDING && output < MAX_OUTPUT_BYTES)
    }

    /// Takes the answer to one of this connection's requests; of a notification the line is empty.
    pub fn answer(&mut self, delivery: Delivery, line: &[u8]) {
        self.outstanding = self.outstanding.saturating_sub(1);
        match delivery {
            Delivery::Batch(number) => self.collect(number, line),
            Delivery::Line | Delivery::Nowhere => self.output.extend_from_slice(line),
        }
    }

    /// Puts an answer to its batch, which leaves with the last one.
    fn collect(&mut self, number: u64, line: &[u8]) {
        let Some(at) = self.batches.iter().position(|batch| batch.number == number) else { return };
        let Some(batch) = self.batches.get_mut(at) else { return };
        batch.line.push(if batch.line.is_empty() { b'[' } else { b',' });
        batch.line.extend_from_slice(line.trim_ascii_end());
        batch.missing -= 1;
        if batch.missing == 0 {
            let batch = self.batches.swap_remove(at);
            self.output.extend_from_slice(&batch.line);
            self.output.extend_from_slice(b"]\n");
        }
    }

    /// Takes a line that answers nothing: an event.
    pub fn tell(&mut self, line: &[u8]) {
        self.output.extend_from_slice(line);
    }

    /// Bytes that the client has not taken.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.output.len() - self.written
    }

    /// Writes what can be written and closes what has come to its end.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn advance(&mut self, now: Instant) -> io::Result<Fate> {
        while let Some(rest) = self.output.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(length) => self.written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Who is told of events may never have taken all of them.
                    if self.written > self.output.len() / 2 {
                        self.output.drain(..std::mem::take(&mut self.written));
                    }
                    return Ok(Fate::Open);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        if (self.reading && !self.peer_done) || self.outstanding > 0 {
            return Ok(Fate::Open);
        }
        if self.peer_done || self.linger_until.is_some_and(|until| until <= now) {
            return Ok(Fate::Closed);
        }
        if self.linger_until.is_none() {
            self.stream.shutdown(Shutdown::Write)?;
            self.linger_until = Some(now + LINGER);
        }
        Ok(Fate::Open)
    }

    /// Cuts whole frames off the input.
    fn cut(&mut self, requests: &mut Vec<Request>) {
        while self.reading {
            let unsearched = self.input.get(self.searched..).unwrap_or_default();
            let Some(newline) = unsearched.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.input.len();
                break;
            };
            let end = self.searched + newline;
            let frame = self.input.get(self.start..end).unwrap_or_default();
            match dialect::parse(frame) {
                Ok(Frame::One(request)) => {
                    self.reading = request.address.dialect != Dialect::Flat;
                    self.outstanding += 1;
                    requests.push(request);
                }
                Ok(Frame::Batch(parts)) => self.begin_batch(parts, requests),
                Err(refusal) => self.refuse(&refusal),
            }
            self.start = end + 1;
            self.searched = self.start;
        }
        if self.reading {
            self.input.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
            self.check_size();
        } else {
            self.input = Vec::new();
        }
    }

    fn begin_batch(&mut self, parts: Vec<Parsed>, requests: &mut Vec<Request>) {
        let number = self.next_batch;
        self.next_batch += 1;
        let is_silent =
            |part: &Parsed| part.as_ref().is_ok_and(|request| request.address.delivery == Delivery::Nowhere);
        let missing = parts.iter().filter(|part| !is_silent(part)).count();
        if missing > 0 {
            self.batches.push(Batch { number, missing, line: Vec::new() });
        }
        for part in parts {
            match part {
                Ok(mut request) => {
                    if request.address.delivery == Delivery::Line {
                        request.address.delivery = Delivery::Batch(number);
                    }
                    self.outstanding += 1;
                    requests.push(request);
                }
                Err(refusal) => {
                    let mut line = Vec::new();
                    dialect::write_fault(&mut line, &refusal.address, &refusal.cause);
                    self.collect(number, &line);
                }
            }
        }
    }

    /// Refuses a frame that is too long before its newline has come.
    fn check_size(&mut self) {
        if self.input.len() <= dialect::FLAT_BUFFER_BYTES {
            return;
        }
        let dialect = dialect::peek(&self.input).unwrap_or(Dialect::Flat);
        let cause = match dialect {
            Dialect::Flat => Cause::BufferTooLarge,
            _ if dialect::is_too_long(dialect, self.input.len()) => Cause::FrameTooLarge,
            _ => return,
        };
        self.refuse(&Refusal { address: Address::new(dialect, "null"), cause });
        self.input = Vec::new();
    }

    fn refuse(&mut self, refusal: &Refusal) {
        dialect::write_fault(&mut self.output, &refusal.address, &refusal.cause);
        self.reading = !refusal.ends_connection();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPED: &[u8] = b"{\"id\":1,\"t\":\"req\",\"method\":\"m\",\"args\":[]}\n";

    fn pair() -> (UnixStream, Client) {
        let (theirs, ours) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (theirs, Client::new(ours))
    }

    /// Writes from a thread, because a pair of sockets holds less than the largest frame.
    fn feed(bytes: Vec<u8>) -> (UnixStream, Client, Vec<Request>) {
        let (mut theirs, mut client) = pair();
        let reader = theirs.try_clone().unwrap();
        let writer = std::thread::spawn(move || theirs.write_all(&bytes));
        let mut requests = Vec::new();
        while !writer.is_finished() {
            requests.extend(client.read().requests);
        }
        writer.join().unwrap().unwrap();
        requests.extend(client.read().requests);
        while client.is_readable() {
            requests.extend(client.read().requests);
        }
        (reader, client, requests)
    }

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
            client.answer(Delivery::Line, b"x\n");
        }
        assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Open);
    }

    #[test]
    fn a_request_in_single_bytes_is_one_request() {
        let (mut theirs, mut client) = pair();
        let mut requests = Vec::new();
        for byte in TYPED {
            theirs.write_all(&[*byte]).unwrap();
            requests.extend(client.read().requests);
        }
        assert_eq!(requests.len(), 1);
    }

    #[test]
    fn a_flat_request_is_the_last_one() {
        let (theirs, mut client, requests) = feed(b"{\"command\":\"a\"}\r\n{\"command\":\"b\"}\n".to_vec());
        assert_eq!(requests.iter().map(|request| request.method.as_str()).collect::<Vec<_>>(), ["a"]);
        client.answer(Delivery::Line, b"done\n");
        let now = Instant::now();
        assert_eq!(client.advance(now).unwrap(), Fate::Open, "the client may still be sending");
        assert_eq!(all(theirs), "done\n", "but it sees the end");
        client.read();
        assert_eq!(client.advance(now).unwrap(), Fate::Closed);
    }

    #[test]
    fn a_client_that_never_closes_is_closed_after_the_linger() {
        let (_theirs, mut client, _) = feed(b"{\"command\":\"a\"}\n".to_vec());
        client.answer(Delivery::Line, b"done\n");
        let now = Instant::now();
        client.advance(now).unwrap();
        assert_eq!(client.deadline(), Some(now + LINGER));
        assert_eq!(client.advance(now + LINGER).unwrap(), Fate::Closed);
    }

    const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#;
    const NOTIFICATION: &str = r#"{"jsonrpc":"2.0","method":"m"}"#;

    #[test]
    fn a_batch_is_answered_in_one_line_with_its_last_answer() {
        let line = format!("[{CALL},{NOTIFICATION},1,{CALL}]\n{CALL}\n");
        let (mut theirs, mut client, requests) = feed(line.into_bytes());
        let deliveries: Vec<Delivery> = requests.iter().map(|request| request.address.delivery).collect();
        let batch = Delivery::Batch(0);
        assert_eq!(deliveries, [batch, Delivery::Nowhere, batch, Delivery::Line]);
        client.answer(batch, b"1\n");
        client.answer(Delivery::Nowhere, b"");
        client.answer(Delivery::Line, b"other\n");
        client.answer(batch, b"2\n");
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
        assert!(client.read().requests.is_empty());
        for request in requests {
            assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Open);
            client.answer(request.address.delivery, b"");
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
        client.answer(Delivery::Line, b"done\n");
        client.advance(Instant::now()).unwrap();
        let text = all(theirs);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].contains("-32600") && lines[1].contains("-32600") && lines[2].contains("-32700"));
        assert_eq!(lines[3], "done");
    }

    #[test]
    fn earlier_requests_get_their_answers_before_a_refusal_closes() {
        let (theirs, mut client, requests) = feed([TYPED, b"garbage\n", TYPED].concat());
        assert_eq!(requests.len(), 1);
        assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Open);
        client.answer(Delivery::Line, b"done\n");
        client.advance(Instant::now()).unwrap();
        assert!(all(theirs).ends_with("done\n"));
    }

    #[test]
    fn a_half_closed_client_gets_its_answer_and_then_the_end() {
        let (theirs, mut client, requests) = feed(TYPED.to_vec());
        theirs.shutdown(Shutdown::Write).unwrap();
        assert!(client.read().requests.is_empty());
        assert_eq!((requests.len(), client.advance(Instant::now()).unwrap()), (1, Fate::Open));
        client.answer(Delivery::Line, b"done\n");
        assert_eq!(client.advance(Instant::now()).unwrap(), Fate::Closed);
        drop(client);
        assert_eq!(all(theirs), "done\n");
    }

    #[test]
    fn an_end_without_a_newline_is_no_request() {
        let (theirs, mut client, requests) = feed(b"{\"command\":\"a\"}".to_vec());
        theirs.shutdown(Shutdown::Write).unwrap();
        assert!(requests.is_empty() && client.read().requests.is_empty());
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
        client.answer(Delivery::Line, &vec![b'x'; 4_000_000]);
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
            let turn = client.read().requests.len();
            most = most.max(turn);
            requests += turn;
        }
        assert!(most <= (TURN_BYTES + CHUNK_BYTES) / TYPED.len() + 1, "{most} in one turn");
        assert!(client.read().requests.is_empty() && !client.is_readable(), "full until some are answered");
        for _ in 0..requests {
            client.answer(Delivery::Line, b"x\n");
        }
        assert!(client.is_readable(), "no edge will tell");
        assert!(!client.read().requests.is_empty());
        drop(client);
        writer.join().unwrap();
    }

    #[test]
    fn a_client_that_reads_nothing_is_not_read_either() {
        let (_theirs, mut client, _) = feed(TYPED.to_vec());
        client.answer(Delivery::Line, &vec![b'x'; 4_000_000]);
        client.advance(Instant::now()).unwrap();
        assert!(client.is_blocked() && client.read().requests.is_empty() && !client.is_readable());
    }

    #[test]
    fn requests_before_a_broken_connection_count() {
        // Closing with unread bytes of ours resets the connection; what was sent before is still there.
        let (mut theirs, mut client) = pair();
        client.answer(Delivery::Line, b"unread\n");
        client.advance(Instant::now()).unwrap();
        theirs.write_all(TYPED).unwrap();
        drop(theirs);
        let input = client.read();
        let more = client.read();
        assert_eq!(input.requests.len() + more.requests.len(), 1);
        assert!(input.broken.or(more.broken).is_some());
    }

    #[test]
    fn a_client_that_vanished_is_an_error_not_a_crash() {
        let (theirs, mut client, _) = feed(TYPED.to_vec());
        drop(theirs);
        client.read();
        client.answer(Delivery::Line, b"done\n");
        assert!(client.advance(Instant::now()).is_err());
    }
}
