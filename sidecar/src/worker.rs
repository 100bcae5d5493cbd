//! The sidecar's end of one worker: its process, its link and its slot page.
//!
//! # How it works
//! Two pipes, non-blocking on our side. What cannot be written at once is kept and written when the pipe has room.
//! After the worker's death the link is read to its end first: replies survive their writer.
//!
//! # What may be lost
//! Nothing that the worker wrote. What we wrote and it never read is its requests' affair: the daemon knows them.
//!
//! # Rules
//! Never blocks. Reads facts off the page and /proc; what they mean, `doing` says.
//! Sources: pipe(7).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use rustdaemon_core::link::{
    self, Bind, Decoder, Ends, Fault, Frame, Go, Hello, Kind, LinkError, Ready, Signalled, Taken,
};
use rustdaemon_core::slot::{Claim, Failure, Observation, SlotPage};
use rustdaemon_core::sys;

use crate::doing::{self, Doing, Texts};
use crate::proc::{self, Facts};
use crate::process::{Process, Start};
use crate::reason::{Look, Remains};

/// So many times in one turn of the loop, so that one worker's flood leaves the others their turns.
const TURN_CHUNKS: usize = 8;

/// A living worker.
#[derive(Debug)]
pub struct Worker {
    /// Its process.
    pub process: Process,
    link: Option<Link>,
}

/// What is left of a link after one turn of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing for now.
    Nothing,
    /// There is more, and no edge will tell of it.
    More,
    /// The worker has closed its end: it ends, or has become another program.
    End,
}

/// What a worker said.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// It stands at the gate.
    Hello(Hello),
    /// It serves these methods.
    Ready(Ready),
    /// It has answered a request.
    Reply {
        /// The request's number.
        sequence: u64,
        /// Data as JSON, or why there is none.
        outcome: Result<Vec<u8>, Fault>,
    },
    /// A stop signal has arrived there.
    Signalled(Signalled),
    /// Its script has these stop signals.
    Taken(Vec<String>),
    /// It serves nothing from here on.
    Paused,
    /// It serves again.
    Resumed,
    /// The request of this number is answered later.
    Deferred(u64),
    /// It begins nothing any more.
    Leaving,
    /// A value is to be its own.
    Bind {
        /// The number of the question.
        sequence: u64,
        /// Which, and for how long.
        bind: Bind,
    },
    /// A value is its own no more.
    Unbind(String),
}

#[derive(Debug)]
struct Link {
    input: File,
    output: File,
    page: SlotPage,
    decoder: Decoder,
    pending: Vec<u8>,
}

impl Worker {
    /// Starts what `start` says, with a link if `linked`; `ends` is filled in here. `life` holds the worker's slot.
    ///
    /// # Errors
    /// No descriptor left, or what [`Process::spawn`] says.
    pub fn start(start: Start<'_>, linked: bool, life: Option<OwnedFd>) -> io::Result<Self> {
        if !linked {
            return Ok(Self { process: Process::spawn(start)?, link: None });
        }
        let (to_worker, from_worker) = (sys::pipe()?, sys::pipe()?);
        let (slot, page) = SlotPage::create()?;
        sys::set_nonblocking(to_worker.write.as_fd())?;
        sys::set_nonblocking(from_worker.read.as_fd())?;
        let ends = Ends { input: to_worker.read, output: from_worker.write, slot, life };
        let link = Link {
            input: from_worker.read.into(),
            output: to_worker.write.into(),
            page,
            decoder: Decoder::default(),
            pending: Vec::new(),
        };
        Ok(Self { process: Process::spawn(Start { ends: Some(ends), ..start })?, link: Some(link) })
    }

    /// For readiness: frames from the worker, and room for frames to it.
    #[must_use]
    pub fn link_fds(&self) -> Option<(i32, i32)> {
        self.link.as_ref().map(|link| (link.input.as_raw_fd(), link.output.as_raw_fd()))
    }

    /// How long the request in hand has been running, as the worker's page has it.
    #[must_use]
    pub fn request_age(&self) -> Option<Duration> {
        let since = self.link.as_ref()?.page.observe().in_hand_since?;
        Some(sys::monotonic().saturating_sub(since))
    }

    /// What it is doing: a word, one line for people, and for how long; `None`: nothing can be told. Also its memory in
    /// bytes.
    #[must_use]
    pub fn doing(&self) -> (Option<(Doing, Option<String>)>, Option<u64>) {
        let seen = self.link.as_ref().map(|link| link.page.observe());
        let facts = Facts::of(self.process.pid);
        (self.judge(seen, &facts, sys::monotonic()), facts.own_memory)
    }

    fn judge(
        &self,
        seen: Option<Observation>,
        facts: &Facts,
        now: Duration,
    ) -> Option<(Doing, Option<String>)> {
        let page = self.link.as_ref().map(|link| &link.page);
        let doing = doing::judge(seen.as_ref(), facts, now)?;
        let line = page.zip(seen).and_then(|(page, seen)| {
            let texts = Texts { what: page.what(), status: page.status(), place: page.place() };
            doing::say(&doing, &seen, &texts)
        });
        Some((doing, line))
    }

    /// What it does, judged by how long it has been quiet.
    #[must_use]
    pub fn look(&self) -> Look {
        let facts = Facts::of(self.process.pid);
        let now = sys::monotonic();
        let seen = self.link.as_ref().map(|link| link.page.observe());
        let (quiet, left) = seen.map(|page| quiet(&page, now)).unwrap_or_default();
        let doing = match self.judge(seen, &facts, now) {
            Some((doing, Some(line))) => format!("{} {line}", doing.word.name()),
            Some((doing, None)) => doing.word.name().to_owned(),
            None => "busy".to_owned(),
        };
        Look { quiet, left, doing, spared: facts.is_stopped() || facts.tracer != 0 }
    }

    /// Its memory in bytes; `None`: it has ended.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        proc::own_memory(self.process.pid)
    }

    /// The fatal error and the last exception on its page. An exception from before its job is none of that one's end.
    #[must_use]
    pub fn remains(&self) -> [Option<Remains>; 2] {
        let page = self.link.as_ref().map(|link| &link.page);
        let now = sys::monotonic();
        let remains = |failure: Failure| Remains {
            message: match failure.class {
                Some(class) => format!("{class}: {}", failure.message),
                None => failure.message,
            },
            file: failure.file,
            line: failure.line,
            age: failure.at.map(|at| now.saturating_sub(at)),
        };
        let job = page.filter(|page| page.job().is_some()).and_then(|page| page.observe().busy_since);
        let is_its_own = |thrown: &Failure| job.is_none_or(|job| thrown.at.is_none_or(|at| at >= job));
        let thrown = page.and_then(SlotPage::last_exception).filter(is_its_own);
        [page.and_then(SlotPage::fatal_error), thrown].map(|failure| failure.map(remains))
    }

    /// What it has in hand in a loop of its own, as `busy()` and `progress()` said. A fact only once it has ended.
    #[must_use]
    pub fn job(&self) -> Option<String> {
        let page = &self.link.as_ref()?.page;
        let (what, _) = page.job()?;
        Some(Texts { what: Some(what), status: page.status(), place: None }.in_hand())
    }

    /// Requests that the worker has begun, answered ones too. A fact only once it has ended.
    #[must_use]
    pub fn begun(&self) -> Vec<u64> {
        let Some(link) = &self.link else { return Vec::new() };
        let mut begun = link.page.started();
        begun.push(link.page.observe().begun); // a worker without claims
        begun
    }

    /// Offers a request by its claim; it is sent with the next [`Self::flush`].
    pub fn offer(&mut self, claim: Option<Claim>, frame: &[u8]) {
        if let Some(link) = &mut self.link {
            if let Some(claim) = claim {
                link.page.offer(claim);
            }
            link.pending.extend_from_slice(frame);
        }
    }

    /// Takes a request back that it has been sent. False: it has begun it.
    #[must_use]
    pub fn recall(&self, claim: Claim) -> bool {
        self.link.as_ref().is_some_and(|link| link.page.recall(claim))
    }

    /// Lets it pass the gate.
    pub fn go(&mut self, go: &Go) {
        self.frame(Kind::Go, &link::json(go));
    }

    /// Tells it why it may not pass the gate.
    pub fn refuse(&mut self, sentence: &str) {
        self.frame(Kind::Refused, sentence.as_bytes());
    }

    /// Asks it to finish what it has and to end.
    pub fn drain(&mut self) {
        self.frame(Kind::Drain, &[]);
    }

    /// Asks it to serve nothing, or to serve again. It answers with [`Message::Paused`] or [`Message::Resumed`]. Only for
    /// a link of [`link::PAUSE_VERSION`] or later.
    pub fn pause(&mut self, paused: bool) {
        self.frame(if paused { Kind::Pause } else { Kind::Resume }, &[]);
    }

    /// Writes one frame, or keeps what the pipe has no room for.
    pub fn send(&mut self, frame: &[u8]) {
        if let Some(link) = &mut self.link {
            link.pending.extend_from_slice(frame);
            self.flush();
        }
    }

    /// Writes what was kept. A broken pipe is no news here: the pidfd tells of the worker's end.
    pub fn flush(&mut self) {
        let Some(link) = &mut self.link else { return };
        let mut written = 0;
        while let Some(rest) = link.pending.get(written..).filter(|rest| !rest.is_empty()) {
            match link.output.write(rest) {
                Ok(length) => written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    written = link.pending.len();
                    break;
                }
            }
        }
        link.pending.drain(..written);
    }

    /// Reads what is there, up to a turn's share of it, for [`Self::next_message`]; and what follows. Into `chunk`, which is
    /// anybody's afterwards. `ends`: the end of the link may be there, of which no further edge tells; otherwise a read that
    /// fills less than the chunk was the last one (epoll(7), Q9).
    pub fn read(&mut self, chunk: &mut [u8], ends: bool) -> Rest {
        let Some(link) = &mut self.link else { return Rest::Nothing };
        for _ in 0..TURN_CHUNKS {
            let length = match link.input.read(chunk) {
                Ok(0) => return Rest::End,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Rest::Nothing, // WouldBlock
            };
            link.decoder.push(chunk.get(..length).unwrap_or_default());
            if length < chunk.len() && !ends {
                return Rest::Nothing;
            }
        }
        Rest::More
    }

    /// The next whole message that has been read.
    ///
    /// # Errors
    /// What cannot be read, once: nothing in what follows can be trusted, and it is forgotten.
    pub fn next_message(&mut self) -> Result<Option<Message>, LinkError> {
        let Some(link) = &mut self.link else { return Ok(None) };
        let message = link.decoder.next_frame().and_then(|frame| frame.map(Message::of).transpose());
        if message.is_err() {
            link.decoder = Decoder::default();
        }
        message
    }

    fn frame(&mut self, kind: Kind, payload: &[u8]) {
        let mut frame = Vec::new();
        if link::encode(&mut frame, kind, 0, 0, &[payload]).is_ok() {
            self.send(&frame);
        }
    }
}

/// For how long nothing has gone on with what is in hand, and what is left of its deadline. While paused nothing has to go
/// on.
fn quiet(page: &Observation, now: Duration) -> (Option<Duration>, Option<Duration>) {
    match page.busy_since {
        Some(since) if !page.paused => {
            let since = page.progressed_at.map_or(since, |progressed| since.max(progressed));
            (Some(now.saturating_sub(since)), page.deadline.map(|deadline| deadline.saturating_sub(now)))
        }
        _ => (None, None),
    }
}

impl Message {
    fn of(frame: Frame) -> Result<Self, LinkError> {
        match frame.kind {
            Kind::Hello => Hello::parse(&frame.payload).map(Self::Hello),
            Kind::Ready => link::from_json(&frame.payload).map(Self::Ready),
            Kind::Reply => {
                let outcome = match frame.flags {
                    link::DATA if frame.payload.contains(&b'\n') => {
                        return Err(LinkError::Malformed("a reply of more than one line"));
                    }
                    link::DATA => Ok(frame.payload),
                    _ => Err(link::from_json(&frame.payload)?),
                };
                Ok(Self::Reply { sequence: frame.sequence, outcome })
            }
            Kind::Signalled => link::from_json(&frame.payload).map(Self::Signalled),
            Kind::Taken => link::from_json::<Taken>(&frame.payload).map(|taken| Self::Taken(taken.signals)),
            Kind::Paused => Ok(Self::Paused),
            Kind::Resumed => Ok(Self::Resumed),
            Kind::Deferred => Ok(Self::Deferred(frame.sequence)),
            Kind::Leaving => Ok(Self::Leaving),
            Kind::Bind => {
                let sequence = frame.sequence;
                link::from_json(&frame.payload).map(|bind| Self::Bind { sequence, bind })
            }
            Kind::Unbind => match String::from_utf8(frame.payload) {
                Ok(value) => Ok(Self::Unbind(value)),
                Err(_) => Err(LinkError::Malformed("a value that is no text")),
            },
            Kind::Go
            | Kind::Refused
            | Kind::Request
            | Kind::Drain
            | Kind::Pause
            | Kind::Resume
            | Kind::Bound
            | Kind::Expired => Err(LinkError::Malformed("a frame that only a sidecar sends")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::birth::Birth;

    #[test]
    fn what_a_worker_wrote_before_its_death_is_read() {
        // `out` is the second pair of the variable; the shell writes a Drain-shaped frame of kind Ready.
        let script = r#"fd=${RUSTDAEMON_LINK#*out=}; fd=${fd%%:*}
            printf '\016\0\0\0\004\0\0\0\0\0\0\0\0\0\0\0{"methods":[]}' >&"$fd""#;
        let command = ["bash".into(), "-c".into(), script.into()];
        let null = || File::create("/dev/null").unwrap().into();
        let start = Start {
            command: &command,
            birth: &Birth::default(),
            variables: &[],
            run: "run/0",
            socket: Path::new("/run/x.sock"),
            output: [null(), null()],
            ends: None,
        };
        let mut worker = Worker::start(start, true, None).unwrap();
        let mut fds = [nix::poll::PollFd::new(worker.process.pidfd(), nix::poll::PollFlags::POLLIN)];
        assert_eq!(nix::poll::poll(&mut fds, nix::poll::PollTimeout::from(10_000_u16)), Ok(1));
        worker.process.reap().unwrap().unwrap();
        assert_eq!(worker.read(&mut [0; 64], true), Rest::End);
        assert_eq!(worker.next_message(), Ok(Some(Message::Ready(Ready::default()))));
        assert_eq!(worker.next_message(), Ok(None));
        worker.drain();
        let kept = worker.link.map(|link| link.pending);
        assert_eq!(kept, Some(Vec::new()), "nothing is kept for the dead");
    }

    #[test]
    fn only_a_worker_that_is_busy_and_not_paused_is_quiet() {
        let second = Duration::from_secs;
        let idle = Observation { deadline: Some(second(1)), ..Observation::default() };
        assert_eq!(quiet(&idle, second(9)), (None, None));
        let busy = Observation { busy_since: Some(second(2)), ..idle };
        assert_eq!(quiet(&busy, second(9)), (Some(second(7)), Some(second(0))));
        let early = Observation { deadline: Some(second(20)), ..busy };
        assert_eq!(quiet(&early, second(9)), (Some(second(7)), Some(second(11))));
        let progressed = Observation { progressed_at: Some(second(5)), deadline: None, ..busy };
        assert_eq!(quiet(&progressed, second(9)), (Some(second(4)), None));
        assert_eq!(quiet(&Observation { paused: true, ..busy }, second(9)), (None, None));
    }

    #[test]
    fn a_frame_that_only_a_sidecar_sends_is_refused() {
        let frame =
            |kind, flags, payload: &[u8]| Frame { kind, flags, sequence: 1, payload: payload.to_vec() };
        assert!(Message::of(frame(Kind::Go, 0, b"{}")).is_err());
        assert!(Message::of(frame(Kind::Ready, 0, b"not json")).is_err());
        assert!(Message::of(frame(Kind::Reply, link::FAULT, b"7")).is_err());
        assert!(
            Message::of(frame(Kind::Reply, link::DATA, b"1\n2")).is_err(),
            "two lines would be two answers"
        );
        assert!(Message::of(frame(Kind::Reply, link::DATA, b"[1]")).is_ok());
    }
}
