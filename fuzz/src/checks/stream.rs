//! A stream of bytes: what it means does not depend on the pieces in which it comes.
//!
//! The same bytes are read as what a client writes (lines of JSON, [`Client`]), as what a worker prints (lines of text,
//! [`Assembler`]) and as what a worker sends through its link (frames with a length, [`Decoder`]).

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustdaemon_core::link::{self, Decoder, Dialect, HEADER_BYTES, LinkError, MAX_PAYLOAD_BYTES};

use super::{Dice, stretched};
use crate::access::{Peer, Role};
use crate::client::{Client, Fate, Terms};
use crate::dialect::{
    Address, Cause, Delivery, FLAT_BUFFER_BYTES, FLAT_FRAME_BYTES, Frame, Refusal, Request,
    TYPED_FRAME_BYTES, parse, peek, write_fault,
};
use crate::lines::{Assembler, LINE_BYTES};
use crate::stream::Stream;

/// How rarely a case is stretched to a limit of 64 KiB, and to one of 1 MiB.
const STRETCHED_ONCE_IN: [(usize, usize); 2] = [(1024, FLAT_FRAME_BYTES), (32_768, FLAT_BUFFER_BYTES)];
/// As the event loop has it.
const CHUNK_BYTES: usize = 16 * 1024;
/// No stream of ours takes so many turns: a connection that does not end would take them for ever.
const TURNS: usize = 1_000_000;

/// A stream, and sometimes the same with a first line of a length at a limit.
pub fn check_split(stream: &[u8]) {
    let mut dice = Dice::of(stream);
    check_connection(stream, &mut dice);
    check_lines(stream, &mut dice);
    check_link(stream, &mut dice);
    let line = stream.iter().position(|byte| *byte == b'\n').unwrap_or(stream.len());
    for (times, limit) in STRETCHED_ONCE_IN {
        if line > 0 && dice.once_in(times) {
            let long = stretched(stream, line, limit, &mut dice);
            check_connection(&long, &mut dice);
            check_lines(&long, &mut dice);
        }
    }
}

/// What a stream means to whom a client writes it.
#[derive(Debug, Default)]
pub struct Meaning {
    /// In order.
    pub requests: Vec<Request>,
    /// In order, those of batches too.
    pub refusals: Vec<Refusal>,
    /// What is answered when the answer to each request is its number; the order between lines is nobody's promise.
    pub lines: Vec<String>,
}

/// Reads a whole stream: a frame per line until something ends it, and then what is too long without a newline.
pub fn meaning(stream: &[u8]) -> Meaning {
    let mut meaning = Meaning::default();
    let mut batches = 0;
    let mut rest = stream;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let goes_on = match parse(&rest[..end], None) {
            Ok(Frame::One(request)) => {
                let goes_on = request.address.dialect != Dialect::Flat;
                let answer = meaning.answer(request);
                meaning.lines.extend(answer);
                goes_on
            }
            Ok(Frame::Batch(parts)) => {
                let (mut answers, mut requests) = (Vec::new(), Vec::new());
                for part in parts {
                    match part {
                        Ok(mut request) => {
                            if request.address.delivery == Delivery::Line {
                                request.address.delivery = Delivery::Batch(batches);
                            }
                            requests.push(request);
                        }
                        Err(refusal) => answers.push(meaning.refusal(*refusal)),
                    }
                }
                batches += 1;
                answers.extend(requests.into_iter().filter_map(|request| meaning.answer(request)));
                if !answers.is_empty() {
                    meaning.lines.push(format!("[{}]", answers.join(",")));
                }
                true
            }
            Err(refusal) => {
                let goes_on = !refusal.ends_connection();
                let answer = meaning.refusal(*refusal);
                meaning.lines.push(answer);
                goes_on
            }
        };
        if !goes_on {
            return meaning;
        }
        rest = &rest[end + 1..];
    }
    let dialect = peek(rest).unwrap_or(Dialect::Flat);
    let cause = match dialect {
        Dialect::Flat if rest.len() > FLAT_BUFFER_BYTES => Cause::BufferTooLarge,
        Dialect::Typed | Dialect::JsonRpc if rest.len() > TYPED_FRAME_BYTES => Cause::FrameTooLarge,
        _ => return meaning,
    };
    let answer = meaning.refusal(Refusal { address: Address::new(dialect, "null"), cause });
    meaning.lines.push(answer);
    meaning
}

impl Meaning {
    /// The line that answers it, if one does.
    fn answer(&mut self, request: Request) -> Option<String> {
        let is_answered = request.address.delivery != Delivery::Nowhere;
        self.requests.push(request);
        is_answered.then(|| answer(self.requests.len()))
    }

    fn refusal(&mut self, refusal: Refusal) -> String {
        let mut line = Vec::new();
        write_fault(&mut line, &refusal.address, &refusal.cause);
        self.refusals.push(refusal);
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }
}

/// The answer to the connection's `number`th request.
fn answer(number: usize) -> String {
    format!("answer {number}")
}

/// A client writes it and takes what it is answered.
fn check_connection(stream: &[u8], dice: &mut Dice) {
    let (theirs, ours) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    let mut scene = Scene {
        theirs,
        client: Client::new(Stream::Unix(ours), Peer::Unknown, Role::Call),
        requests: Vec::new(),
        taken: Vec::new(),
        chunk: vec![0; CHUNK_BYTES],
        turns: 0,
    };
    for piece in pieces(stream, dice) {
        let mut rest = piece;
        while !rest.is_empty() {
            match scene.theirs.write(rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            let only_whole = dice.once_in(4);
            scene.turn(Terms { only_whole, ..Terms::default() });
        }
    }
    scene.theirs.shutdown(Shutdown::Write).unwrap();
    scene.client.saw_end();
    while scene.turn(Terms::default()) == Fate::Open {}
    assert_eq!((scene.client.outstanding(), scene.client.buffered()), (0, 0));
    drop(scene.client);
    scene.theirs.read_to_end(&mut scene.taken).unwrap();

    let wanted = meaning(stream);
    assert_eq!(scene.requests, wanted.requests);
    let sorted = |mut lines: Vec<String>| {
        lines.sort_unstable();
        lines
    };
    let lines = String::from_utf8(scene.taken).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(sorted(lines), sorted(wanted.lines));
}

struct Scene {
    theirs: UnixStream,
    client: Client,
    requests: Vec<Request>,
    taken: Vec<u8>,
    chunk: Vec<u8>,
    turns: usize,
}

impl Scene {
    /// Reads on as the event loop does, answers every request, and takes the answers.
    fn turn(&mut self, terms: Terms) -> Fate {
        loop {
            self.turns += 1;
            assert!(self.turns < TURNS, "it goes on for ever");
            let before = self.client.buffered();
            let mut requests = VecDeque::new();
            self.client.read(Instant::now(), terms, &mut self.chunk, &mut requests).unwrap();
            if requests.len() > 1 && self.turns.is_multiple_of(3) {
                let mut rest = requests.split_off(1);
                self.client.postpone(&mut rest); // as if its answers were long
            }
            let after = self.client.buffered();
            assert!(
                after <= TYPED_FRAME_BYTES && (!terms.only_whole || after <= before),
                "{after} bytes are kept"
            );
            for request in requests {
                let delivery = request.address.delivery;
                self.requests.push(request);
                let line = if delivery == Delivery::Nowhere {
                    String::new()
                } else {
                    answer(self.requests.len()) + "\n"
                };
                self.client.answer(delivery, line.into_bytes());
            }
            let is_answered = self.client.waiting_bytes() > 0;
            let fate = self.client.advance(Instant::now()).unwrap();
            if is_answered {
                let taken = self.theirs.read_to_end(&mut self.taken);
                assert!(taken.is_ok() || taken.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
            }
            if fate == Fate::Closed || !self.client.is_readable() {
                return fate;
            }
        }
    }
}

/// A worker prints it.
fn check_lines(stream: &[u8], dice: &mut Dice) {
    let (mut assembler, mut lines) = (Assembler::default(), Vec::new());
    for piece in pieces(stream, dice) {
        assembler.push(piece, |line| lines.push(line.to_vec()));
    }
    assembler.finish(|line| lines.push(line.to_vec()));
    let whole = stream.strip_suffix(b"\n").unwrap_or(stream);
    let wanted = whole.split(|byte| *byte == b'\n').map(|line| match line.split_at_checked(LINE_BYTES) {
        Some((kept, over)) if !over.is_empty() => {
            [kept, format!(" [cut: {} bytes more]", over.len()).as_bytes()].concat()
        }
        _ => line.to_vec(),
    });
    assert_eq!(lines, wanted.take(if stream.is_empty() { 0 } else { usize::MAX }).collect::<Vec<_>>());
}

/// A worker sends it through its link; and what the link makes of the frames in it is those bytes again.
fn check_link(stream: &[u8], dice: &mut Dice) {
    let read = |pieces: &[&[u8]]| {
        let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
        for piece in pieces {
            decoder.push(piece);
            loop {
                match decoder.next_frame() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(why) => return (frames, Some(why)),
                }
            }
        }
        (frames, None)
    };
    let (frames, why) = read(&[stream]);
    assert_eq!(read(&pieces(stream, dice)), (frames.clone(), why.clone()));
    let mut again = Vec::new();
    for frame in &frames {
        link::encode(&mut again, frame.kind, frame.flags, frame.sequence, &[&frame.payload]).unwrap();
    }
    assert!(stream.starts_with(&again));
    let rest = &stream[again.len()..];
    let Some((header, payload)) = rest.split_first_chunk::<HEADER_BYTES>() else {
        return assert_eq!(why, None);
    };
    let length = u32::from_le_bytes(*header.first_chunk().unwrap()) as usize;
    match why {
        None => assert!(payload.len() < length && length <= MAX_PAYLOAD_BYTES),
        Some(why) => assert_eq!(matches!(why, LinkError::TooLong(_)), length > MAX_PAYLOAD_BYTES),
    }
}

/// The stream in pieces: all of it, or single bytes, or anything between.
fn pieces<'a>(stream: &'a [u8], dice: &mut Dice) -> Vec<&'a [u8]> {
    if dice.once_in(4) {
        return vec![stream];
    }
    let longest = 1 + dice.below(stream.len().max(1));
    let longest = if dice.once_in(2) { longest } else { longest.div_ceil(4) };
    let mut rest = stream;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(1 + dice.below(longest)));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
