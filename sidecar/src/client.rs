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
//! Patience: a frame has [`Patience::header`] from its first byte to its newline, the first one from the connect. Who
//! owes us nothing (every frame is whole) may be silent for ever. A client that has not taken a byte of its answers for
//! [`Patience::write`], or leaves [`MAX_UNTAKEN_BYTES`] of them, is cut. Deadlines are computed when somebody asks
//! ([`Client::deadline`]): a request on an open connection moves none.
//!
//! A read that fills less than it was given room for has emptied the socket, and a new edge tells of more (epoll(7),
//! Q9): the common request costs one read. The end of the stream is no such edge when it came with the bytes, hence
//! [`Client::saw_end`].
//!
//! # What may be lost
//! Bytes without a newline at the end of a stream: they are no request. What a client sends after a FLAT request. The
//! answers of a client that was cut.
//!
//! # Rules
//! Never blocks. Decides nothing about a request. An idle client owns no memory outside of this struct.
//! Sources: unix(7), shutdown(2), epoll(7).

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{MsgFlags, getsockopt, recv};
use rustdaemon_core::link::Dialect;

use crate::dialect::{self, Address, Cause, Delivery, Frame, Parsed, Refusal, Request};

/// How long we go on discarding what a client sends after its last answer.
const LINGER: Duration = Duration::from_secs(1);
/// Read at a time, of a frame that is larger than the usual one.
const CHUNK_BYTES: usize = 16 * 1024;
/// Read at a time else.
const USUAL_BYTES: usize = 4 * 1024;
/// Read in one turn of the loop, so that one client's flood leaves the others their turns.
const TURN_BYTES: usize = 4 * CHUNK_BYTES;
/// When a turn has given so many requests, it ends.
const TURN_REQUESTS: usize = 128;
/// A client with more requests than this without an answer is read no further for now.
const MAX_OUTSTANDING: usize = 1024;
/// A client with more bytes of answers than this not taken is read no further for now.
const MAX_OUTPUT_BYTES: usize = 1024 * 1024;
/// A client with more bytes of answers than this not taken is cut: four of the largest answers.
pub const MAX_UNTAKEN_BYTES: usize = 64 * 1024 * 1024;
/// Discarded at most before a connection is closed, so that the close does not reset it.
const MAX_DISCARDED_BYTES: usize = 1024 * 1024;

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
    /// There is more to read, and it does not end a frame: see [`Terms`].
    held: bool,
    /// The other end has told that nothing more will come; it may not have been read yet.
    end_seen: bool,
    /// See [`Terms`].
    flat_is_full: bool,
    /// Since when we wait for the newline of a frame; the first one from the connect.
    frame_since: Option<Instant>,
    /// Since when it has not taken a byte of what it is to take.
    stalled_since: Option<Instant>,
    /// The user at the other end, when it connected, was root or is ours.
    may_control: bool,
    /// When somebody has promised to look at [`Client::overdue`]; kept here for the one who did.
    pub alarm: Option<Instant>,
}

/// How long we wait for a client; `None`: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From the first byte of a frame, or the connect, to the newline.
    pub header: Option<Duration>,
    /// Without a byte taken.
    pub write: Option<Duration>,
}

/// What a client has not done in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// End its frame.
    Frame,
    /// Take its answers.
    Answers,
}

/// How one turn of reading is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// FLAT has no room for another request: whatever is FLAT is told so.
    pub flat_is_full: bool,
    /// Only what ends a frame is read: nothing more may be left with us.
    pub only_whole: bool,
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
        let uid = getsockopt(&stream, PeerCredentials).map(|peer| peer.uid());
        Self {
            may_control: uid.is_ok_and(|uid| uid == 0 || uid == nix::unistd::geteuid().as_raw()),
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
            held: false,
            end_seen: false,
            flat_is_full: false,
            frame_since: Some(Instant::now()),
            stalled_since: None,
            alarm: None,
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
        self.may_control
    }

    /// Whether bytes wait that the client does not take at the moment.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.written < self.output.len()
    }

    /// Whether [`Client::read`] is to be called without an edge.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.unread && !self.held && self.has_room()
    }

    /// Whether it has more to send that [`Terms::only_whole`] kept us from reading.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Bytes of an unfinished frame.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.input.len()
    }

    /// Requests without an answer.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Whether an answer lets it go on: something is to be written, to be read, or it has come to its end. A notification
    /// is answered with nothing, and the last two may follow all the same.
    #[must_use]
    pub fn can_advance(&self) -> bool {
        let is_over = self.outstanding == 0 && (!self.reading || self.peer_done);
        !self.output.is_empty() || is_over || self.is_readable()
    }

    /// Whether nobody would miss anything if it went.
    #[must_use]
    pub fn has_nothing_to_do(&self) -> bool {
        self.outstanding == 0 && self.output.is_empty()
    }

    /// Reads no further request; closes when all answers are written.
    pub fn finish(&mut self) {
        self.stop_reading();
    }

    /// The other end has shut down: [`Client::read`] is to go on until it has read that.
    pub fn saw_end(&mut self) {
        self.end_seen = true;
    }

    /// When [`Client::advance`] or [`Client::overdue`] has something to do of its own, as things stand.
    #[must_use]
    pub fn deadline(&self, patience: Patience) -> Option<Instant> {
        let after = |since: Option<Instant>, limit: Option<Duration>| Some(since? + limit?);
        let frame = after(self.frame_since, patience.header);
        let answers = after(self.stalled_since, patience.write);
        let linger = self.linger_until.filter(|_| !self.is_blocked());
        [linger, frame, answers].into_iter().flatten().min()
    }

    /// What it should have done by now. Where it is we who do not read on (`held`, or its answers are many), the frame's
    /// time begins again.
    pub fn overdue(&mut self, now: Instant, patience: Patience, held: bool) -> Option<Overdue> {
        let over = |since: Option<Instant>, limit: Option<Duration>| {
            since.zip(limit).is_some_and(|(since, limit)| since + limit <= now)
        };
        if over(self.stalled_since, patience.write) {
            return Some(Overdue::Answers);
        }
        if over(self.frame_since, patience.header) {
            if self.has_room() && !held {
                return Some(Overdue::Frame);
            }
            self.frame_since = Some(now);
        }
        None
    }

    /// Tells it that its frame has not come in time: the connection closes when all answers are written.
    pub fn time_out(&mut self) {
        let head = self.input.get(..dialect::FLAT_FRAME_BYTES).unwrap_or(&self.input);
        let dialect = dialect::peek(head).unwrap_or(Dialect::Flat);
        self.flat_is_full = false; // as it was at the last read
        self.refuse(&Refusal { address: Address::new(dialect, "null"), cause: Cause::ConnectionTimeout });
        self.stop_reading();
    }

    /// Answers it in FLAT with why it is not let in, as far as that needs no waiting, and closes.
    pub fn turn_away(mut self, cause: &Cause) {
        let mut line = Vec::new();
        dialect::write_fault(&mut line, &Address::new(Dialect::Flat, ""), cause);
        let _ = self.stream.write(&line); // it fits into an empty buffer; who has gone needs none
        self.close();
    }

    /// Closes without a reset: it can send nothing more, and nothing is left unread.
    pub fn close(mut self) {
        if !self.peer_done && self.stream.shutdown(Shutdown::Both).is_ok() {
            let mut chunk = [0; CHUNK_BYTES];
            let mut left = MAX_DISCARDED_BYTES;
            while let Ok(length @ 1..) = self.stream.read(&mut chunk)
                && left > 0
            {
                left = left.saturating_sub(length);
            }
        }
    }

    fn stop_reading(&mut self) {
        self.reading = false;
        self.input = Vec::new();
        self.frame_since = None;
    }

    /// Reads what is there, up to a turn's share of it; the whole requests in it. Refused frames are answered here.
    pub fn read(&mut self, terms: Terms, chunk: &mut [u8]) -> Input {
        let mut input = Input::default();
        let mut left = TURN_BYTES;
        self.flat_is_full = terms.flat_is_full;
        self.unread = true;
        self.held = false;
        while !self.peer_done && left > 0 && input.requests.len() < TURN_REQUESTS && self.has_room() {
            let wanted = match self.reading {
                true if terms.only_whole => self.up_to_newline(chunk),
                true if self.input.len() < USUAL_BYTES => Ok(USUAL_BYTES),
                _ => Ok(chunk.len()),
            };
            let read = match wanted {
                Ok(0) => {
                    self.held = true;
                    return input;
                }
                Ok(wanted) => {
                    let room = chunk.get_mut(..wanted).unwrap_or_default();
                    self.stream.read(room).map(|length| (length, length == wanted))
                }
                Err(failed) => Err(failed),
            };
            match read {
                Ok((0, _)) => {
                    self.peer_done = true;
                    self.stop_reading();
                }
                Ok((length, is_full)) => {
                    left = left.saturating_sub(length);
                    self.take(chunk.get(..length).unwrap_or_default(), &mut input.requests);
                    if !is_full && !self.end_seen {
                        self.unread = false;
                        return input;
                    }
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

    /// How many of the next bytes end frames; 0: none of them. At the end of the stream it is to be read.
    fn up_to_newline(&self, chunk: &mut [u8]) -> io::Result<usize> {
        let length = recv(self.stream.as_raw_fd(), chunk, MsgFlags::MSG_PEEK)?;
        let newline = chunk.get(..length).unwrap_or_default().iter().rposition(|byte| *byte == b'\n');
        Ok(newline.map_or(usize::from(length == 0), |at| at + 1))
    }

    /// Takes in bytes, unless nothing more is wanted.
    fn take(&mut self, bytes: &[u8], requests: &mut Vec<Request>) {
        if !self.reading {
            return;
        }
        self.input.extend_from_slice(bytes);
        let with_all = self.input.len();
        self.cut(requests);
        if self.input.is_empty() {
            self.input = Vec::new();
            self.frame_since = None;
        } else if self.input.len() < with_all {
            self.frame_since = Some(Instant::now()); // the first bytes of another frame
        } else {
            self.frame_since.get_or_insert_with(Instant::now);
        }
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

    /// Bytes that are kept for the client: those that it has not taken, and answers of batches that are not whole yet.
    #[must_use]
    pub fn untaken_bytes(&self) -> usize {
        self.waiting_bytes() + self.batches.iter().map(|batch| batch.line.len()).sum::<usize>()
    }

    /// Writes what can be written and closes what has come to its end.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn advance(&mut self, now: Instant) -> io::Result<Fate> {
        while let Some(rest) = self.output.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(length) => {
                    self.written += length;
                    self.stalled_since = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stalled_since.get_or_insert(now);
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
        self.output = Vec::new();
        self.written = 0;
        self.stalled_since = None;
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
        let Refusal { address, cause } = refusal;
        // FLAT's first check is whether there is room at all.
        let full = self.flat_is_full && address.dialect == Dialect::Flat;
        let cause = if full { &Cause::TooManyConnections } else { cause };
        dialect::write_fault(&mut self.output, address, cause);
        self.reading = !full && !refusal.ends_connection();
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
            requests.extend(client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests);
        }
        writer.join().unwrap().unwrap();
        requests.extend(client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests);
        while client.is_readable() {
            requests.extend(client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests);
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
            requests.extend(client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests);
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
        client.read(Terms::default(), &mut [0; CHUNK_BYTES]);
        assert_eq!(client.advance(now).unwrap(), Fate::Closed);
    }

    #[test]
    fn a_client_that_never_closes_is_closed_after_the_linger() {
        let (_theirs, mut client, _) = feed(b"{\"command\":\"a\"}\n".to_vec());
        client.answer(Delivery::Line, b"done\n");
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
        client.answer(Delivery::Nowhere, b"");
        assert!(client.can_advance() && client.is_readable(), "no edge will tell");
    }

    #[test]
    fn what_a_batch_collects_counts_as_kept_for_its_client() {
        let (_theirs, mut client, requests) = feed(format!("[{CALL},{CALL}]\n").into_bytes());
        client.answer(requests[0].address.delivery, &[b'x'; 1000]);
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
        assert!(client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests.is_empty());
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
    fn what_comes_after_the_linger_does_not_reset_the_connection() {
        let (mut theirs, mut client, _) = feed(b"{\"command\":\"a\"}\n".to_vec());
        client.answer(Delivery::Line, b"done\n");
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
        client.answer(Delivery::Line, b"done\n");
        client.advance(Instant::now()).unwrap();
        assert!(all(theirs).ends_with("done\n"));
    }

    #[test]
    fn a_half_closed_client_gets_its_answer_and_then_the_end() {
        let (theirs, mut client, requests) = feed(TYPED.to_vec());
        theirs.shutdown(Shutdown::Write).unwrap();
        assert!(client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests.is_empty());
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
        assert!(
            requests.is_empty() && client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests.is_empty()
        );
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
            let turn = client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests.len();
            most = most.max(turn);
            requests += turn;
        }
        assert!(most <= (TURN_BYTES + CHUNK_BYTES) / TYPED.len() + 1, "{most} in one turn");
        assert!(
            client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests.is_empty() && !client.is_readable(),
            "full until some are answered"
        );
        for _ in 0..requests {
            client.answer(Delivery::Line, b"x\n");
        }
        assert!(client.is_readable(), "no edge will tell");
        assert!(!client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests.is_empty());
        drop(client);
        writer.join().unwrap();
    }

    #[test]
    fn a_client_that_reads_nothing_is_not_read_either() {
        let (_theirs, mut client, _) = feed(TYPED.to_vec());
        client.answer(Delivery::Line, &vec![b'x'; 4_000_000]);
        client.advance(Instant::now()).unwrap();
        assert!(
            client.is_blocked()
                && client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests.is_empty()
                && !client.is_readable()
        );
    }

    #[test]
    fn a_frame_has_its_time_and_who_owes_nothing_has_no_deadline() {
        let (mut theirs, mut client) = pair();
        let connected = client.deadline(PATIENCE).unwrap() - Duration::from_secs(3);
        theirs.write_all(&TYPED[..5]).unwrap();
        client.read(Terms::default(), &mut [0; CHUNK_BYTES]);
        assert_eq!(client.deadline(PATIENCE), Some(connected + Duration::from_secs(3)), "from the connect");
        theirs.write_all(&TYPED[5..]).unwrap();
        assert_eq!(client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests.len(), 1);
        assert_eq!(client.deadline(PATIENCE), None);
        theirs.write_all(&[TYPED, &TYPED[..5]].concat()).unwrap();
        client.read(Terms::default(), &mut [0; CHUNK_BYTES]);
        let began = client.deadline(PATIENCE).unwrap();
        theirs.write_all(&TYPED[5..6]).unwrap();
        client.read(Terms::default(), &mut [0; CHUNK_BYTES]);
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
        for (frame, told) in [(&b""[..], "{\"success\":false"), (&TYPED[..20], "{\"id\":null,\"t\":\"res\"")]
        {
            let (theirs, mut client, _) = feed([TYPED, frame].concat());
            client.answer(Delivery::Line, b"done\n");
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
        client.answer(Delivery::Line, &vec![b'x'; 4_000_000]);
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
        assert_eq!(client.read(only_whole, &mut [0; CHUNK_BYTES]).requests.len(), 2);
        assert!(client.is_held() && !client.is_readable() && client.buffered() == 0);
        theirs.write_all(&TYPED[9..]).unwrap();
        assert_eq!(client.read(only_whole, &mut [0; CHUNK_BYTES]).requests.len(), 1);
        assert!(!client.is_held());
        theirs.write_all(&TYPED[..9]).unwrap();
        drop(theirs);
        assert!(client.read(only_whole, &mut [0; CHUNK_BYTES]).requests.is_empty() && client.is_held());
        client.saw_end();
        assert!(
            client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests.is_empty() && !client.is_held()
        );
        for _ in 0..client.outstanding() {
            client.answer(Delivery::Line, b"x\n");
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
            assert_eq!(client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests.len(), requests);
            for _ in 0..client.outstanding() {
                client.answer(Delivery::Line, b"x\n");
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
            client.read(full, &mut [0; CHUNK_BYTES]);
            while client.is_readable() {
                client.read(full, &mut [0; CHUNK_BYTES]);
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
        client.answer(Delivery::Line, b"x\n");
        client.advance(Instant::now()).unwrap();
        assert_eq!((client.input.capacity(), client.output.capacity()), (0, 0));
        assert!(size_of::<Client>() <= 256, "{}", size_of::<Client>());
    }

    /// Whatever the pieces are in which a stream comes, and wherever only whole frames are read, it is the same.
    #[test]
    fn a_stream_means_the_same_in_all_its_pieces() {
        let large =
            format!("{{\"id\":7,\"t\":\"req\",\"method\":\"l\",\"args\":[\"{}\"]}}\n", "x".repeat(20_000));
        let frames = [
            TYPED,
            large.as_bytes(),
            TYPED,
            b"{\"id\":\"x\",\"t\":\"req\",\"method\":\"n\",\"args\":{}}\r\n",
        ];
        let ends = [&b"{\"command\":\"c\"}\nrest"[..], b"garbage\nrest", b"{\"t\":\"req\"", b"\n", b""];
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut pick = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % below as u64).unwrap()
        };
        for round in 0..300 {
            let mut stream: Vec<u8> =
                (0..pick(5)).flat_map(|_| frames[pick(frames.len())]).copied().collect();
            stream.extend(ends[pick(ends.len())]);
            let outcome = |pieces: &mut dyn FnMut(usize) -> (usize, bool)| {
                let (mut theirs, mut client) = pair();
                let (mut requests, mut rest) = (Vec::new(), &stream[..]);
                while !rest.is_empty() {
                    let (length, only_whole) = pieces(rest.len());
                    let (piece, after) = rest.split_at(length);
                    rest = after;
                    theirs.write_all(piece).unwrap();
                    requests.extend(
                        client.read(Terms { only_whole, ..Terms::default() }, &mut [0; CHUNK_BYTES]).requests,
                    );
                }
                theirs.shutdown(Shutdown::Write).unwrap();
                client.saw_end();
                while !client.peer_done {
                    requests.extend(client.read(Terms::default(), &mut [0; CHUNK_BYTES]).requests);
                }
                assert_eq!(client.outstanding(), requests.len());
                requests.iter().for_each(|_| client.answer(Delivery::Line, b"done\n"));
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
        client.answer(Delivery::Line, b"unread\n");
        client.advance(Instant::now()).unwrap();
        theirs.write_all(TYPED).unwrap();
        drop(theirs);
        let input = client.read(Terms::default(), &mut [0; CHUNK_BYTES]);
        let more = client.read(Terms::default(), &mut [0; CHUNK_BYTES]);
        assert_eq!(input.requests.len() + more.requests.len(), 1);
        assert!(input.broken.or(more.broken).is_some());
    }

    #[test]
    fn a_client_that_vanished_is_an_error_not_a_crash() {
        let (theirs, mut client, _) = feed(TYPED.to_vec());
        drop(theirs);
        client.read(Terms::default(), &mut [0; CHUNK_BYTES]);
        client.answer(Delivery::Line, b"done\n");
        assert!(client.advance(Instant::now()).is_err());
    }
}
