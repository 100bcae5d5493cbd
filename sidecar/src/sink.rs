//! The sidecar's own stdout and stderr: lines in, and never a wait for whoever reads them.
//!
//! # How it works
//! The descriptors are inherited and their open descriptions are shared with the shell, so they are not made
//! non-blocking: a pipe or terminal is opened once more through /proc, non-blocking. Where that is not allowed, as for a
//! socket, the inherited one is written when poll(2) says that there is room, `PIPE_BUF` bytes at a time: as much as
//! a pipe or socket that polls writable takes without waiting, as long as nobody else writes to it in between.
//!
//! # What may be lost
//! Lines that come while [`BUFFER_BYTES`] wait, and lines that wait when the reader is gone; as soon as there is room
//! again one line in their place says how many.
//!
//! # Rules
//! Never blocks, but on a file's disk. A failing descriptor is tried again once a second.
//! Sources: poll(2), pipe(7) "PIPE_BUF", Linux fs/pipe.c (`pipe_poll`: writable means a whole page is free).

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};

/// Most bytes that wait for room.
const BUFFER_BYTES: usize = 1024 * 1024;
/// Written at a time where a write cannot wait for a reader.
const CHUNK_BYTES: usize = 64 * 1024;
/// Written at a time to a terminal that could not be opened again: its free room is not known, but it is not 0.
const TERMINAL_CHUNK_BYTES: usize = 256;
/// Between two attempts on a descriptor that failed.
const RETRY: Duration = Duration::from_secs(1);

/// One descriptor and what waits for it.
#[derive(Debug)]
pub struct Sink {
    fd: OwnedFd,
    chunk_bytes: usize,
    buffer: VecDeque<u8>,
    /// Lines that were given up and not yet spoken of.
    lost: u64,
    /// Lines that a notice in `buffer` speaks of.
    noted: u64,
    note: fn(u64) -> String,
    failed: bool,
    retry_at: Option<Instant>,
}

/// A sink that the log writes to and the loop flushes.
#[derive(Clone, Debug)]
pub struct SharedSink(Arc<Mutex<Sink>>);

impl SharedSink {
    /// Our stdout and stderr; one sink where both lead to the same pipe, file or terminal, so that no line gets into
    /// the middle of another.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn standard(note: fn(u64) -> String) -> io::Result<[Self; 2]> {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let place = |fd: BorrowedFd<'_>| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
        let errors = Self::new(Sink::new(stderr.as_fd(), note)?);
        let output = match place(stdout.as_fd())? == place(stderr.as_fd())? {
            true => errors.clone(),
            false => Self::new(Sink::new(stdout.as_fd(), note)?),
        };
        Ok([output, errors])
    }

    /// One sink for whoever has a clone of it.
    #[must_use]
    pub fn new(sink: Sink) -> Self {
        Self(Arc::new(Mutex::new(sink)))
    }

    /// Does something with the sink. There is one thread: nobody waits here, and nothing in `Sink` logs.
    pub fn with<R>(&self, what: impl FnOnce(&mut Sink) -> R) -> R {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// For the logger: takes everything, written or not.
impl Write for SharedSink {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.with(|sink| {
            sink.push(&[lines]);
            let _ = sink.flush(Instant::now());
        });
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    /// A sink for an inherited descriptor; `note` words the line that says how many lines were lost.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn new(inherited: BorrowedFd<'_>, note: fn(u64) -> String) -> io::Result<Self> {
        let kind = SFlag::from_bits_truncate(fstat(inherited)?.st_mode) & SFlag::S_IFMT;
        let is_terminal = kind == SFlag::S_IFCHR && nix::unistd::isatty(inherited).unwrap_or(false);
        let own = match kind {
            SFlag::S_IFREG => None, // another description would have an offset of its own
            _ => open_again(inherited).ok(),
        };
        let chunk_bytes = match (&own, kind) {
            (Some(_), _) | (None, SFlag::S_IFREG) => CHUNK_BYTES,
            (None, _) if is_terminal => TERMINAL_CHUNK_BYTES,
            (None, _) => libc::PIPE_BUF,
        };
        let fd = own.map_or_else(|| inherited.try_clone_to_owned(), Ok)?;
        Ok(Self {
            fd,
            chunk_bytes,
            buffer: VecDeque::new(),
            lost: 0,
            noted: 0,
            note,
            failed: false,
            retry_at: None,
        })
    }

    /// For readiness.
    #[must_use]
    pub fn raw_fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    /// When [`Sink::flush`] is wanted without readiness.
    #[must_use]
    pub fn retry_at(&self) -> Option<Instant> {
        self.retry_at.filter(|_| !self.buffer.is_empty())
    }

    /// Takes one line in parts, newline included, or counts it as lost.
    pub fn push(&mut self, line: &[&[u8]]) {
        let bytes: usize = line.iter().map(|part| part.len()).sum();
        if self.buffer.len() + bytes > BUFFER_BYTES {
            let _ = self.write(Instant::now());
        }
        if self.lost > 0 || self.buffer.len() + bytes > BUFFER_BYTES {
            self.lost += 1;
            return;
        }
        line.iter().for_each(|part| self.buffer.extend(*part));
    }

    /// Writes what there is room for. News: it has begun to fail (why), or works again.
    pub fn flush(&mut self, now: Instant) -> Option<Result<(), io::Error>> {
        let outcome = self.write(now);
        // Half of the buffer free: no notice for every second line while the reader is slow.
        if outcome.is_ok()
            && self.lost > 0
            && self.buffer.len() <= BUFFER_BYTES / 2
            && self.retry_at.is_none()
        {
            let lost = std::mem::take(&mut self.lost);
            self.noted += lost;
            self.buffer.extend((self.note)(lost).as_bytes());
            let outcome = self.write(now);
            return self.news(outcome);
        }
        self.news(outcome)
    }

    /// Writes what waits: for the end.
    ///
    /// # Blocking
    /// Until all is written, at most until `deadline`.
    pub fn drain(&mut self, deadline: Instant) {
        self.retry_at = None;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let failing = self.flush(Instant::now()).is_some_and(|news| news.is_err());
            if failing || self.retry_at.is_some() || self.buffer.is_empty() || left.is_zero() {
                return;
            }
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let _ = poll(&mut [PollFd::new(self.fd.as_fd(), PollFlags::POLLOUT)], timeout);
        }
    }

    fn news(&mut self, outcome: io::Result<()>) -> Option<Result<(), io::Error>> {
        match outcome {
            Ok(()) if self.failed && self.retry_at.is_none() => {
                self.failed = false;
                Some(Ok(()))
            }
            Ok(()) => None,
            Err(failed) => {
                let first = !std::mem::replace(&mut self.failed, true);
                first.then_some(Err(failed))
            }
        }
    }

    fn write(&mut self, now: Instant) -> io::Result<()> {
        if self.retry_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        self.retry_at = None;
        while !self.buffer.is_empty() {
            if !self.has_room() {
                return Ok(());
            }
            let (front, _) = self.buffer.as_slices();
            match nix::unistd::write(&self.fd, front.get(..self.chunk_bytes).unwrap_or(front)) {
                Ok(length) => drop(self.buffer.drain(..length)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(failed) => {
                    self.retry_at = Some(now + RETRY);
                    if failed == Errno::EPIPE {
                        self.give_up();
                    }
                    return Err(failed.into());
                }
            }
        }
        self.noted = 0;
        self.buffer = VecDeque::new();
        Ok(())
    }

    /// Nobody will ever read what waits.
    fn give_up(&mut self) {
        let lines = self.buffer.iter().filter(|byte| **byte == b'\n').count() as u64;
        let notice = u64::from(self.noted > 0);
        self.lost += lines.saturating_sub(notice) + std::mem::take(&mut self.noted);
        self.buffer = VecDeque::new();
    }

    fn has_room(&self) -> bool {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLOUT)];
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(ready) if ready > 0)
    }
}

/// A description of our own, non-blocking, of what `fd` leads to.
fn open_again(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut options = File::options();
    options.write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    options.open(format!("/proc/self/fd/{}", fd.as_raw_fd())).map(OwnedFd::from)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use nix::sys::memfd::MFdFlags;
    use rustdaemon_core::sys;

    use super::*;

    fn sink(fd: impl AsFd) -> Sink {
        Sink::new(fd.as_fd(), |lost| format!("{lost} lost\n")).unwrap()
    }

    fn take(reader: &mut File) -> String {
        let mut bytes = vec![0; 64 * 1024];
        let length = reader.read(&mut bytes).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn a_pipe_that_nobody_reads_costs_lines_and_says_how_many() {
        let pipe = sys::pipe().unwrap();
        flood(sink(pipe.write), File::from(pipe.read));
    }

    #[test]
    fn a_socket_that_nobody_reads_costs_lines_and_says_how_many() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        flood(sink(ours), File::from(OwnedFd::from(theirs)));
    }

    fn flood(mut sink: Sink, mut reader: File) {
        sys::set_nonblocking(reader.as_fd()).unwrap();
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        let now = Instant::now();
        for _ in 0..2000 {
            sink.push(&[&line[..500], &line[500..]]);
            assert!(sink.flush(now).is_none(), "a slow reader is no failure");
        }
        let (mut read, mut text) = (1, String::new());
        while read > 0 {
            let got = take(&mut reader);
            read = got.len();
            text += &got;
            sink.flush(now);
        }
        let whole = text.lines().filter(|line| line.len() == 1023).count();
        let notes: Vec<_> = text.lines().filter(|line| line.ends_with(" lost")).collect();
        assert_eq!(notes, [format!("{} lost", 2000 - whole)]);
        assert_eq!(text.lines().count(), whole + 1);
        assert!(text.ends_with(" lost\n") && whole > 1000, "{whole}");
        assert_eq!(sink.buffer.capacity(), 0, "nothing is held without a line");
    }

    #[test]
    fn a_reader_that_has_gone_is_said_once_and_its_lines_are_counted() {
        let pipe = sys::pipe().unwrap();
        drop(pipe.read);
        let mut sink = sink(pipe.write);
        let now = Instant::now();
        sink.push(&[b"a\n"]);
        assert!(sink.flush(now).unwrap().is_err());
        for second in 1..4 {
            sink.push(&[b"b\n"]);
            assert!(sink.flush(now + RETRY * second).is_none());
        }
        assert_eq!((sink.lost, sink.retry_at()), (4, None), "and nobody is woken for it");
    }

    #[test]
    fn a_full_disk_keeps_lines_until_there_is_room() {
        let mut sink = sink(File::options().write(true).open("/dev/full").unwrap());
        let now = Instant::now();
        sink.push(&[b"a\n"]);
        assert!(sink.flush(now).unwrap().is_err());
        sink.push(&[b"b\n"]);
        assert!(sink.flush(now).is_none(), "not tried again yet");
        assert_eq!(sink.retry_at(), Some(now + RETRY));
        let file = File::from(nix::sys::memfd::memfd_create(c"test", MFdFlags::MFD_CLOEXEC).unwrap());
        sink.fd = file.try_clone().unwrap().into();
        assert!(sink.flush(now + RETRY).unwrap().is_ok(), "it works again");
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        assert_eq!(std::fs::read_to_string(path).unwrap(), "a\nb\n");
    }
}
