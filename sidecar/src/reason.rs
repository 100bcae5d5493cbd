//! Why a worker ended: the sidecar's own reason, what the kernel tells, what the worker left on its page.
//!
//! # How it works
//! What the sidecar itself wanted comes first; then who sent the signal, as the worker told; then the fatal error or the
//! last exception on its page; at last what it had in hand, in a loop of its own. SIGKILL has no sender: it was our own
//! limit, an out-of-memory kill by the kernel's counter, or somebody outside; a loop such as queue:work kills itself, and
//! says so by `progress()`.
//!
//! # Rules
//! Pure. A reason is a word for programs and a sentence for people.
//! Sources: DESIGN §3; kill(2); memory.events in cgroup-v2.rst.

use std::time::Duration;

use rustdaemon_core::link::{ExitReason, Signalled};
use rustdaemon_core::sys::ExitStatus;

use crate::text::{ago, shown};

/// Why the sidecar ends a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The daemon stops.
    Stop,
    /// An operator stopped it.
    Stopped,
    /// An operator restarted it.
    Restart,
    /// A newer generation took its place.
    Reload,
    /// It belonged to a generation that did not come up.
    NotDeployed,
    /// Its pool is to have fewer workers.
    Scale,
    /// It has answered so many requests.
    MaxRequests(u64),
    /// It has reached its age.
    MaxLifetime,
    /// Bytes in memory, and the limit.
    MemorySoft(u64, u64),
    /// Bytes in memory, and the limit.
    MemoryHard(u64, u64),
    /// What it hung in, and for how long.
    Hang(String),
    /// What it sent.
    LinkBroken(String),
    /// An operator sent it this signal, and it died of it.
    Signal,
}

impl Why {
    /// The word in `ExitReason::reason`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Stop | Self::Stopped => "stop",
            Self::Restart => "restart",
            Self::Reload | Self::NotDeployed => "reload",
            Self::Scale => "scale",
            Self::MaxRequests(_) => "max_requests",
            Self::MaxLifetime => "max_lifetime",
            Self::MemorySoft(..) => "memory_soft",
            Self::MemoryHard(..) => "memory_hard",
            Self::Hang(_) => "hang",
            Self::LinkBroken(_) => "link_broken",
            Self::Signal => "signal",
        }
    }

    /// For people.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Stop => "the daemon stops".into(),
            Self::Stopped => "stopped by an operator".into(),
            Self::Restart => "restarted by an operator".into(),
            Self::Reload => "replaced by a newer generation".into(),
            Self::NotDeployed => "its generation did not come up".into(),
            Self::Scale => "its pool was scaled down by an operator".into(),
            Self::MaxRequests(limit) => {
                format!("it has answered {limit} requests, which is max_requests less its jitter")
            }
            Self::MaxLifetime => "it is as old as max_lifetime less its jitter".into(),
            Self::MemorySoft(bytes, limit) => over(*bytes, "memory_soft less its jitter", *limit),
            Self::MemoryHard(bytes, limit) => over(*bytes, "memory_hard", *limit),
            Self::Hang(what) => format!("it hung: {what}"),
            Self::LinkBroken(what) => format!("it sent {what}"),
            Self::Signal => "sent by an operator".into(),
        }
    }

    /// Whether its end says nothing about its health: it is replaced without a wait, and not counted.
    #[must_use]
    pub fn is_planned(&self) -> bool {
        !matches!(self, Self::MemoryHard(..) | Self::Hang(_) | Self::LinkBroken(_) | Self::Signal)
    }
}

fn over(bytes: u64, key: &str, limit: u64) -> String {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    format!("{:.1} MiB in use, {key} is {:.1} MiB", mib(bytes), mib(limit))
}

/// An error that a worker left on its page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// `RuntimeException: boom`, or the text of a fatal error.
    pub message: String,
    /// Where.
    pub file: String,
    /// Where; 0: not known.
    pub line: u32,
    /// How long ago an exception was thrown.
    pub age: Option<Duration>,
}

/// What a look at a worker gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// How long it has been busy without a sign of progress; `None`: it is not busy.
    pub quiet: Option<Duration>,
    /// What is left of the deadline that came with its work, at last nothing; `None`: it came with none.
    pub left: Option<Duration>,
    /// What it does, for people: `blocked in sleep() at /app/x.php:3`.
    pub doing: String,
    /// Why it is spared: it is frozen, or under a debugger.
    pub spared: bool,
}

/// What is known of an end besides what the pool knows itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Exit {
    /// What waitid(2) said.
    pub status: ExitStatus,
    /// Requests that it had begun, by its page; also those that it had answered.
    pub begun: Vec<u64>,
    /// The kernel has counted an out-of-memory kill.
    pub out_of_memory: bool,
    /// The fatal error on its page.
    pub error: Option<Remains>,
    /// The last exception on its page.
    pub exception: Option<Remains>,
    /// What it had in hand in a loop of its own.
    pub job: Option<String>,
    /// Its last log lines.
    pub log: Vec<String>,
    /// Unix time in seconds.
    pub unix_time: f64,
}

impl Exit {
    /// An end of which nothing but the status is known.
    #[must_use]
    pub fn of(status: ExitStatus) -> Self {
        Self {
            status,
            begun: Vec::new(),
            out_of_memory: false,
            error: None,
            exception: None,
            job: None,
            log: Vec::new(),
            unix_time: 0.0,
        }
    }
}

/// The whole reason of an end. `why`: the sidecar wanted it; `signalled`: the last stop signal that the worker told of.
#[must_use]
pub fn explain(exit: Exit, why: Option<&Why>, signalled: Option<&Signalled>, ran: Duration) -> ExitReason {
    let Exit { status, out_of_memory, error, exception, job, log, unix_time, .. } = exit;
    let job = job.filter(|_| !matches!(why, Some(Why::Hang(_)))); // that names it
    let mut job = job.map(|job| format!("; it was busy with {job}"));
    let (code, number) = match status {
        ExitStatus::Code(code) => (Some(code), None),
        ExitStatus::Signal { number, .. } => (None, Some(number)),
        ExitStatus::Unknown => (None, None),
    };
    // 255 is PHP's own code after a fatal error, but exit(255) is anybody's: then there is no error.
    let (is_error, remains) = match (code, error) {
        (Some(0) | None, _) => (false, None),
        (Some(255), Some(error)) => (true, Some(error)),
        (Some(_), _) => (false, exception),
    };
    let sender = signalled.map(sender);
    let (reason, sentence) = match (why, number, &remains) {
        (Some(why), ..) => (why.word(), Some(format!("; {}", why.sentence()))),
        (None, Some(libc::SIGKILL), _) if out_of_memory => {
            ("oom", Some(", out of memory by the kernel's counter".into()))
        }
        (None, Some(libc::SIGKILL), _) if job.is_some() => ("killed", None), // a job may end its own process
        (None, Some(libc::SIGKILL), _) => ("killed", Some(" from outside".into())),
        (None, Some(_), _) => ("signal", sender.map(|from| format!("; {from}"))),
        (None, None, Some(remains)) if is_error => ("error", Some(format!(": {}", at(remains)))),
        // The exception after the job: it may have been caught, and be none of the reason.
        (None, None, Some(remains)) => {
            let job = job.take().unwrap_or_default();
            ("exit", Some(format!("{job}; last exception {}", at(remains))))
        }
        (None, None, None) => match sender {
            Some(from) => ("signal", Some(format!(" after {from}"))),
            None => ("exit", None),
        },
    };
    let signalled = signalled.filter(|_| why.is_none() && reason == "signal");
    ExitReason {
        reason: reason.into(),
        message: format!("{status}{}{}", sentence.unwrap_or_default(), job.unwrap_or_default()),
        code,
        signal: number.map(signal_name).or_else(|| signalled.map(|told| told.signal.clone())),
        sender_pid: signalled.and_then(|told| told.pid),
        sender_uid: signalled.and_then(|told| told.uid),
        sender_command: signalled.and_then(|told| told.command.clone()),
        file: remains.as_ref().map(|remains| remains.file.clone()).filter(|file| !file.is_empty()),
        line: remains.as_ref().map(|remains| remains.line).filter(|line| *line > 0),
        error: remains.map(|remains| remains.message),
        ran: ran.as_secs_f64(),
        at: unix_time,
        log,
    }
}

/// A start that failed: there was no process.
#[must_use]
pub fn not_started(why: &str) -> ExitReason {
    ExitReason {
        reason: "not_started".into(),
        message: format!("not started: {why}"),
        ..ExitReason::default()
    }
}

/// `SIGTERM from pid 4711 (sh), uid 0`.
#[must_use]
pub fn sender(signalled: &Signalled) -> String {
    let Signalled { signal, pid, uid, command } = signalled;
    let sender = match (pid, uid) {
        (Some(pid), Some(uid)) => {
            let command = shown(command.as_deref().unwrap_or("it has ended"));
            format!("pid {pid} ({command}), uid {uid}")
        }
        _ => "the kernel".to_owned(),
    };
    format!("{} from {sender}", shown(signal))
}

fn signal_name(number: i32) -> String {
    match nix::sys::signal::Signal::try_from(number) {
        Ok(signal) => signal.to_string(),
        Err(_) => format!("signal {number}"),
    }
}

/// What, where, and when: unless it was just now, it may have nothing to do with the end.
fn at(remains: &Remains) -> String {
    let message = shown(&remains.message);
    let place = match remains.line {
        0 => String::new(),
        line => format!(" ({}:{line})", remains.file),
    };
    let before = remains.age.filter(|age| *age >= Duration::from_secs(1));
    let before = before.map(|age| format!(", {} before", ago(age.as_secs_f64())));
    format!("{message}{place}{}", before.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(status: ExitStatus, change: impl FnOnce(&mut Exit), why: Option<Why>) -> (String, String) {
        let mut exit = Exit::of(status);
        change(&mut exit);
        let term =
            Signalled { signal: "SIGTERM".into(), pid: Some(4711), uid: Some(0), command: Some("sh".into()) };
        let told = matches!(status, ExitStatus::Code(0)).then_some(&term);
        let reason = explain(exit, why.as_ref(), told, Duration::from_secs(2));
        (reason.reason, reason.message)
    }

    fn remains(text: &str) -> Option<Remains> {
        Some(Remains { message: text.into(), file: "/app/x.php".into(), line: 12, age: None })
    }

    fn thrown(age: f64) -> impl FnOnce(&mut Exit) {
        move |exit| {
            let exception = remains("RuntimeException: boom").unwrap();
            exit.exception = Some(Remains { age: Some(Duration::from_secs_f64(age)), ..exception });
        }
    }

    #[test]
    fn seconds_are_for_people() {
        let shown = [0.04, 1.0, 119.0, 120.0, 12_000.0, 190_000.0].map(ago);
        assert_eq!(shown, ["0.0 s", "1 s", "119 s", "2 min", "3 h 20 min", "2 d 4 h"]);
    }

    #[test]
    fn every_end_has_a_word_and_a_sentence() {
        let kill = ExitStatus::Signal { number: libc::SIGKILL, core: false };
        let segv = ExitStatus::Signal { number: libc::SIGSEGV, core: true };
        let both = |exit: &mut Exit| {
            exit.error = remains("Allowed memory size exhausted");
            exit.exception = remains("RuntimeException: boom");
        };
        let nothing = |_: &mut Exit| {};
        let at_a_job = |exit: &mut Exit| exit.job = Some("import (row 7)".into());
        let caught_before_a_job = |exit: &mut Exit| {
            exit.exception = remains("RuntimeException: boom");
            at_a_job(exit);
        };
        for ((word, sentence), expected) in [
            (message(ExitStatus::Code(3), nothing, None), ("exit", "exit 3")),
            (
                message(ExitStatus::Code(255), both, None),
                ("error", "exit 255: Allowed memory size exhausted (/app/x.php:12)"),
            ),
            (
                message(ExitStatus::Code(1), both, None),
                ("exit", "exit 1; last exception RuntimeException: boom (/app/x.php:12)"),
            ),
            (
                message(ExitStatus::Code(255), thrown(0.9), None),
                ("exit", "exit 255; last exception RuntimeException: boom (/app/x.php:12)"),
            ),
            (
                message(ExitStatus::Code(1), thrown(12_000.0), None),
                ("exit", "exit 1; last exception RuntimeException: boom (/app/x.php:12), 3 h 20 min before"),
            ),
            (
                message(ExitStatus::Code(0), both, None),
                ("signal", "exit 0 after SIGTERM from pid 4711 (sh), uid 0"),
            ),
            (message(kill, nothing, None), ("killed", "killed by SIGKILL from outside")),
            (
                message(kill, |exit| exit.out_of_memory = true, None),
                ("oom", "killed by SIGKILL, out of memory by the kernel's counter"),
            ),
            (
                message(kill, nothing, Some(Why::MemoryHard(3 << 20, 2 << 20))),
                ("memory_hard", "killed by SIGKILL; 3.0 MiB in use, memory_hard is 2.0 MiB"),
            ),
            (message(segv, nothing, None), ("signal", "killed by SIGSEGV, core dumped")),
            (message(ExitStatus::Code(0), nothing, Some(Why::Stop)), ("stop", "exit 0; the daemon stops")),
            (message(ExitStatus::Unknown, nothing, None), ("exit", "ended, status unknown")),
            (message(kill, at_a_job, None), ("killed", "killed by SIGKILL; it was busy with import (row 7)")),
            (
                message(kill, at_a_job, Some(Why::Stop)),
                ("stop", "killed by SIGKILL; the daemon stops; it was busy with import (row 7)"),
            ),
            (
                message(ExitStatus::Code(12), caught_before_a_job, None),
                (
                    "exit",
                    "exit 12; it was busy with import (row 7); last exception RuntimeException: boom (/app/x.php:12)",
                ),
            ),
            (
                message(kill, at_a_job, Some(Why::Hang("blocked import".into()))),
                ("hang", "killed by SIGKILL; it hung: blocked import"),
            ),
        ] {
            assert_eq!((word.as_str(), sentence.as_str()), expected);
        }
    }
}
