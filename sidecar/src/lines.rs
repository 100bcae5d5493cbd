//! Lines: cut out of what a worker writes, told apart, and the last of them kept.
//!
//! # How it works
//! An [`Assembler`] per pipe joins what comes in pieces. It holds memory only while a line is incomplete.
//!
//! # What may be lost
//! Of a line longer than [`LINE_BYTES`] the rest, counted at the line's end. [`Tail`]: all but the newest.
//!
//! # Rules
//! Pure. A line is bytes: NUL, `\r` and broken UTF-8 pass; only JSON needs characters, and gets U+FFFD for what is none.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::ids::WorkerId;

/// Longest line in bytes; what is longer is cut.
pub const LINE_BYTES: usize = 64 * 1024;
/// Lines that a [`Tail`] keeps.
pub const TAIL_LINES: usize = 100;
/// Bytes that a [`Tail`] keeps.
const TAIL_BYTES: usize = 16 * 1024;
/// What a [`Tail`] keeps of one line, so that a long one does not push out all others.
const TAIL_LINE_BYTES: usize = 4 * 1024;

/// Where a worker wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// A worker's line, as `daemon.logs` tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// `pool#slot`.
    pub worker: String,
    /// Where it was written.
    pub stream: Stream,
    /// When it was read: Unix time in seconds.
    pub time: f64,
    /// Without its newline.
    pub line: String,
}

impl LogLine {
    /// A line of the worker named so.
    #[must_use]
    pub fn new(worker: &str, stream: Stream, at: SystemTime, line: &[u8]) -> Self {
        let time = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as f64 / 1e6;
        Self { worker: worker.to_owned(), stream, time, line: String::from_utf8_lossy(line).into_owned() }
    }
}

/// Joins pieces to lines.
#[derive(Debug, Default)]
pub struct Assembler {
    partial: Vec<u8>,
    over_bytes: u64,
}

impl Assembler {
    /// Takes in a piece; calls `line` with each line that it completes, without the newline.
    pub fn push(&mut self, piece: &[u8], mut line: impl FnMut(&[u8])) {
        let mut rest = piece;
        while let Some((head, tail)) =
            rest.iter().position(|byte| *byte == b'\n').and_then(|at| rest.split_at_checked(at))
        {
            if self.partial.is_empty() && head.len() <= LINE_BYTES {
                line(head); // the common case: nothing is copied
            } else {
                self.take(head);
                self.end(&mut line);
            }
            rest = tail.get(1..).unwrap_or_default();
        }
        self.take(rest);
    }

    /// There will be no more: what is left is a line.
    pub fn finish(&mut self, mut line: impl FnMut(&[u8])) {
        if !self.partial.is_empty() {
            self.end(&mut line);
        }
    }

    fn take(&mut self, piece: &[u8]) {
        let room = LINE_BYTES - self.partial.len().min(LINE_BYTES);
        let (kept, over) = piece.split_at_checked(room).unwrap_or((piece, &[]));
        self.partial.extend_from_slice(kept);
        self.over_bytes += over.len() as u64;
    }

    fn end(&mut self, line: &mut impl FnMut(&[u8])) {
        let mut whole = std::mem::take(&mut self.partial);
        if self.over_bytes > 0 {
            let over = std::mem::take(&mut self.over_bytes);
            whole.extend_from_slice(format!(" [cut: {over} bytes more]").as_bytes());
        }
        line(&whole);
    }
}

/// Whether a line is one JSON object: what a program wrote for programs.
#[must_use]
pub fn is_json_object(line: &[u8]) -> bool {
    line.starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

/// Whether a line goes on with what the line before it began: the frames of a stack trace, whatever is indented.
#[must_use]
pub fn is_continuation(line: &[u8]) -> bool {
    match line {
        [b' ' | b'\t', ..] => true,
        [b'#', digit, ..] => digit.is_ascii_digit(),
        _ => line.starts_with(b"Stack trace:"),
    }
}

/// A line that was kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its place among all lines of all workers.
    pub sequence: u64,
    /// Which of the slot's workers wrote it.
    pub writer: WorkerId,
    /// Where it was written.
    pub stream: Stream,
    /// When it was read.
    pub at: SystemTime,
    /// Without its newline.
    pub line: Box<[u8]>,
}

/// The newest lines of one slot.
#[derive(Debug, Default)]
pub struct Tail {
    lines: VecDeque<Kept>,
    bytes: usize,
}

impl Tail {
    /// Keeps a line, and gives up older ones for it.
    pub fn push(&mut self, sequence: u64, (writer, stream): (WorkerId, Stream), at: SystemTime, line: &[u8]) {
        let line: Box<[u8]> = line.get(..TAIL_LINE_BYTES).unwrap_or(line).into();
        self.bytes += line.len();
        self.lines.push_back(Kept { sequence, writer, stream, at, line });
        while self.lines.len() > TAIL_LINES || self.bytes > TAIL_BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.line.len();
        }
    }

    /// The newest `count` lines, oldest first.
    pub fn last(&self, count: usize) -> impl Iterator<Item = &Kept> {
        self.lines.range(self.lines.len().saturating_sub(count)..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut assembler, mut lines) = (Assembler::default(), Vec::new());
        for piece in pieces {
            assembler.push(piece, |line| lines.push(line.to_vec()));
        }
        assembler.finish(|line| lines.push(line.to_vec()));
        assert_eq!(assembler.partial.capacity(), 0, "nothing is held without a line");
        lines
    }

    #[test]
    fn lines_are_joined_from_pieces() {
        assert_eq!(lines(&[b"a\nb\n"]), [b"a", b"b"]);
        assert_eq!(lines(&[b"a", b"b", b"c\n", b"\n", b"d"]), [&b"abc"[..], b"", b"d"]);
        assert_eq!(lines(&[b""]), Vec::<Vec<u8>>::new());
        assert_eq!(lines(&[b"a\0\xff\r\n"]), [b"a\0\xff\r"], "bytes pass as they are");
    }

    #[test]
    fn a_line_at_the_limit_is_whole_and_one_over_it_is_cut_and_counted() {
        let full = vec![b'x'; LINE_BYTES];
        assert_eq!(lines(&[&full, b"\n"]), [&full[..]]);
        assert_eq!(lines(&[&[&full[..], b"\n"].concat()]), [&full[..]]);
        let cut = [&full[..], b" [cut: 1 bytes more]"].concat();
        assert_eq!(lines(&[&[&full[..], b"y\nnext\n"].concat()]), [&cut[..], b"next"]);
        let cut = [&full[..], b" [cut: 196608 bytes more]"].concat();
        assert_eq!(lines(&[&full, &full, &full, &full]), [&cut[..]], "at the end too");
    }

    #[test]
    fn json_and_continuations_are_told_apart() {
        assert!(is_json_object(br#"{"level":"info","message":"a"}"#));
        for other in [&b"{main}"[..], b"{\"a\":1} trailing", b"[1]", b"7", b"", b"{"] {
            assert!(!is_json_object(other), "{other:?}");
        }
        for line in [
            "Stack trace:",
            "#0 /app/x.php(3): f()",
            "#12 {main}",
            "  thrown in /app/x.php on line 3",
            "\tat",
        ] {
            assert!(is_continuation(line.as_bytes()), "{line}");
        }
        for line in ["", "#", "#tag", "PHP Fatal error:  Uncaught Exception: x", "thrown"] {
            assert!(!is_continuation(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_tail_keeps_the_newest_within_its_limits() {
        let mut tail = Tail::default();
        let push = |tail: &mut Tail, number: u64, line: &[u8]| {
            tail.push(number, (WorkerId(1), Stream::Stdout), UNIX_EPOCH, line);
        };
        for number in 0..150 {
            push(&mut tail, number, format!("line {number}").as_bytes());
        }
        let kept = |tail: &Tail, count| tail.last(count).map(|kept| kept.sequence).collect::<Vec<_>>();
        assert_eq!(kept(&tail, 2), [148, 149]);
        assert_eq!(kept(&tail, usize::MAX), (50..150).collect::<Vec<_>>());
        for number in 150..156 {
            push(&mut tail, number, &[b'x'; LINE_BYTES]);
        }
        assert_eq!(kept(&tail, usize::MAX), (152..156).collect::<Vec<_>>(), "four long ones fill it");
        assert_eq!(tail.bytes, TAIL_BYTES);
    }
}
