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

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use memchr::{memchr, memrchr};
use nix::sys::socket::{MsgFlags, recv};
use rustdaemon_core::link::Dialect;

use crate::access::{Peer, Role, Token};
use crate::dialect::{self, Address, Cause, Delivery, Frame, Parsed, Refusal, Request};
use crate::ids::Credentials;
use crate::stream::Stream;

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
    stream: Stream,
    /// An unfinished frame.
    input: Vec<u8>,
    /// Requests that are left for a later turn.
    postponed: VecDeque<Request>,
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
    /// It has not shown what it was to show.
    is_unknown: bool,
    /// Since when we wait for the newline of a frame; the first one from the connect.
    frame_since: Option<Instant>,
    /// Since when it has not taken a byte of what it is to take.
    stalled_since: Option<Instant>,
    peer: Peer,
    role: Role,
    /// When somebody has promised to look at [`Client::overdue`]; kept here for the one who did.
    pub alarm: Option<Instant>,
    /// What somebody has counted last of [`Client::untaken_bytes`]; kept here as well.
    pub counted: usize,
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
pub struct Terms<'a> {
    /// What every request is to show.
    pub token: Option<&'a Token>,
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
    pub fn new(stream: Stream, peer: Peer, role: Role) -> Self {
        Self {
            peer,
            role,
            stream,
            input: Vec::new(),
            postponed: VecDeque::new(),
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
            is_unknown: false,
            frame_since: Some(Instant::now()),
            stalled_since: None,
            alarm: None,
            counted: 0,
        }
    }

    /// For readiness.
    #[must_use]
    pub fn raw_fd(&self) -> i32 {
        self.stream.as_raw_fd()
    }

    /// What it may do.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The process at the other end, as far as one is known.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        match self.peer {
            Peer::Process { pid, uid, .. } => Credentials { pid, uid },
            Peer::Address(_) | Peer::Unknown => Credentials { pid: 0, uid: u32::MAX },
        }
    }

    /// Whether bytes wait that the client does not take at the moment.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.written < self.output.len()
    }

    /// Whether [`Client::read`] is to be called without an edge.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.may_go_on() || (self.unread && !self.held && self.has_room())
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether a request did not show the token that it was to show: the connection ends for it. Said once.
    pub fn has_turned_out_unknown(&mut self) -> bool {
        std::mem::take(&mut self.is_unknown)
    }

    /// Whether there are postponed requests, and room for their answers. What a batch has collected does not count: it leaves
    /// when all of it is there.
    fn may_go_on(&self) -> bool {
        !self.postponed.is_empty() && self.waiting_bytes() < MAX_OUTPUT_BYTES
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

    /// Reads what is there, up to a turn's share of it, and appends the whole requests in it, after those that were
    /// postponed. Refused frames are answered here.
    ///
    /// # Errors
    /// The connection is broken: there will be no more.
    pub fn read(
        &mut self,
        now: Instant,
        terms: Terms<'_>,
        chunk: &mut [u8],
        requests: &mut VecDeque<Request>,
    ) -> io::Result<()> {
        if self.may_go_on() {
            requests.append(&mut std::mem::take(&mut self.postponed));
        } else if !self.postponed.is_empty() {
            return Ok(());
        }
        let mut left = TURN_BYTES;
        self.flat_is_full = terms.flat_is_full;
        self.unread = true;
        self.held = false;
        while !self.peer_done && left > 0 && requests.len() < TURN_REQUESTS && self.has_room() {
            let wanted = match self.reading {
                true if terms.only_whole => self.up_to_newline(chunk),
                true if self.input.len() < USUAL_BYTES => Ok(USUAL_BYTES),
                _ => Ok(chunk.len()),
            };
            let read = match wanted {
                Ok(0) => {
                    self.held = true;
                    return Ok(());
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
                    self.take(now, terms.token, chunk.get(..length).unwrap_or_default(), requests);
                    if !is_full && !self.end_seen {
                        self.unread = false;
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.unread = false;
                    return match error.kind() {
                        io::ErrorKind::WouldBlock => Ok(()),
                        _ => Err(error),
                    };
                }
            }
        }
        self.unread = !self.peer_done;
        Ok(())
    }

    /// Keeps requests that [`Client::read`] gave for the next time.
    pub fn postpone(&mut self, requests: &mut VecDeque<Request>) {
        self.postponed.append(requests);
    }

    /// How many of the next bytes end frames; 0: none of them. At the end of the stream it is to be read.
    fn up_to_newline(&self, chunk: &mut [u8]) -> io::Result<usize> {
        let length = recv(self.stream.as_raw_fd(), chunk, MsgFlags::MSG_PEEK)?;
        let newline = memrchr(b'\n', chunk.get(..length).unwrap_or_default());
        Ok(newline.map_or(usize::from(length == 0), |at| at + 1))
    }

    /// Takes in bytes, as long as something is wanted. A frame that has come in one piece is read where it is.
    fn take(
        &mut self,
        now: Instant,
        token: Option<&Token>,
        mut bytes: &[u8],
        requests: &mut VecDeque<Request>,
    ) {
        while self.reading
            && let Some(newline) = memchr(b'\n', bytes)
        {
            let (end, rest) = bytes.split_at(newline);
            bytes = rest.get(1..).unwrap_or_default();
            let begun = std::mem::take(&mut self.input);
            self.frame_since = None;
            match begun.is_empty() {
                true => self.take_frame(end, token, requests),
                false => self.take_frame(&[&begun, end].concat(), token, requests),
            }
        }
        if self.reading && !bytes.is_empty() {
            self.input.extend_from_slice(bytes);
            self.frame_since.get_or_insert(now);
            self.check_size();
        }
    }

    fn take_frame(&mut self, frame: &[u8], token: Option<&Token>, requests: &mut VecDeque<Request>) {
        match dialect::parse(frame, token) {
            Ok(Frame::One(request)) => {
                self.reading = request.address.dialect != Dialect::Flat;
                self.outstanding += 1;
                requests.push_back(request);
            }
            Ok(Frame::Batch(parts)) => self.begin_batch(parts, requests),
            Err(refusal) => self.refuse(&refusal),
        }
    }

    /// Whether more may be taken in before some of what was taken has been answered and read.
    fn has_room(&self) -> bool {
        !self.reading || (self.outstanding < MAX_OUTSTANDING && self.untaken_bytes() < MAX_OUTPUT_BYTES)
    }

    /// Takes the answer to one of this connection's requests; of a notification the line is empty.
    pub fn answer(&mut self, delivery: Delivery, line: Vec<u8>) {
        self.outstanding = self.outstanding.saturating_sub(1);
        match delivery {
            Delivery::Batch(number) => self.collect(number, &line),
            Delivery::Line | Delivery::Nowhere if self.output.is_empty() => self.output = line,
            Delivery::Line | Delivery::Nowhere => self.output.extend_from_slice(&line),
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

    /// What was counted last of [`Client::untaken_bytes`], and what is counted now.
    pub fn recount(&mut self) -> (usize, usize) {
        let now = self.untaken_bytes();
        (std::mem::replace(&mut self.counted, now), now)
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

    fn begin_batch(&mut self, parts: Vec<Parsed>, requests: &mut VecDeque<Request>) {
        let number = self.next_batch;
        self.next_batch += 1;
        let is_silent = |part: &Parsed| {
            let address = part.as_ref().map_or_else(|refusal| &refusal.address, |request| &request.address);
            address.delivery == Delivery::Nowhere
        };
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
                    requests.push_back(request);
                }
                Err(refusal) => {
                    self.note(&refusal);
                    let mut line = Vec::new();
                    dialect::write_fault(&mut line, &refusal.address, &refusal.cause);
                    if !line.is_empty() {
                        self.collect(number, &line);
                    }
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
        self.stop_reading();
    }

    fn refuse(&mut self, refusal: &Refusal) {
        let Refusal { address, cause } = refusal;
        // FLAT's first check is whether there is room at all.
        let full = self.flat_is_full && address.dialect == Dialect::Flat;
        let cause = if full { &Cause::TooManyConnections } else { cause };
        dialect::write_fault(&mut self.output, address, cause);
        if full {
            self.reading = false;
        } else {
            self.note(refusal);
        }
    }

    fn note(&mut self, refusal: &Refusal) {
        self.is_unknown |= refusal.cause == Cause::AuthFailed;
        self.reading &= !refusal.ends_connection();
    }
}

#[cfg(test)]
mod tests;
