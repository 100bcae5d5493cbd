//! `signal-storm`: xtask sends a PHP process 100 000 realtime signals with the payloads 0 to 99 999, faster than they can
//! be handled, and asks what it has seen.
//!
//! # How it works
//! A signal counts as accepted when the kernel has taken it; it is sent again while the kernel says EAGAIN. When all were
//! accepted and none is pending any more (proc_pid_status(5)), the program is told to stop and answers with its books.
//!
//! What PHP does meanwhile: a busy loop; four calls into C code of 1.5 s each, with a quarter of the storm in each, during
//! which nothing can be handled; 300 forks, with a slice of the storm in each. RLIMIT_SIGPENDING is lowered, so that a
//! queue of the kernel that fills is part of the figure on any machine.
//!
//! Sources: sigqueue(3), getrlimit(2), sigaction(2), the kernel's Documentation/scheduler/sched-stats.rst.

use std::ffi::OsString;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustdaemon_core::sys;
use serde::Deserialize;

use super::Bench;
use super::peer::{Peer, Program, unsupervised};
use super::report::{At, Report};
use crate::failure::{Context, Result};
use crate::interrupt;
use crate::wait::eventually;

const SIGNALS: i32 = 100_000;

/// How many signals the kernel keeps for the program.
const PENDING: &str = "16384";
const CHILDREN: &str = "children in which a handler ran";

/// After so much time on a CPU since it said so, the program is deep in its call into C code.
const DEEP: Duration = Duration::from_millis(100);

/// For one peer in one round.
const PATIENCE: Duration = Duration::from_secs(180);

/// How often is asked again after EAGAIN.
const AGAIN: Duration = Duration::from_micros(200);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Busy,
    Blocked,
    Forking,
}

impl Variant {
    const ALL: [Self; 3] = [Self::Busy, Self::Blocked, Self::Forking];

    fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Blocked => "blocked",
            Self::Forking => "forking",
        }
    }

    fn case(self) -> &'static str {
        match self {
            Self::Busy => "PHP in a busy loop",
            Self::Blocked => "PHP blocked in C code",
            Self::Forking => "PHP forks 300 times meanwhile",
        }
    }

    /// In how many slices the storm comes, each when the program has announced a step; 0: in one piece.
    fn steps(self) -> i32 {
        match self {
            Self::Busy => 0,
            Self::Blocked => 4,
            Self::Forking => 300,
        }
    }
}

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    for round in 0..bench.rounds {
        bench.progress(round);
        for variant in Variant::ALL {
            for peer in Peer::in_turn(round) {
                note(report, peer, variant, &storm(bench, peer, variant)?);
            }
        }
    }
    for variant in Variant::ALL {
        conclude(bench, report, variant);
    }
    Ok(())
}

struct Outcome {
    sent: Sent,
    seen: Seen,
    /// From the first signal that was sent to the last that was handled.
    seconds: f64,
}

#[derive(Default)]
struct Sent {
    accepted: i32,
    retries: u32,
}

/// What the program says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    handled: i32,
    sum: i64,
    out_of_order: i32,
    /// Nanoseconds on CLOCK_MONOTONIC.
    last_at: u64,
    forks: i32,
    children_that_handled: i32,
}

fn storm(bench: &Bench, peer: Peer, variant: Variant) -> Result<Outcome> {
    let program = bench.program(&peer.program("storm")).into_os_string();
    let words = bench
        .php
        .words(peer.has_extension(), [program, variant.name().into(), variant.steps().to_string().into()]);
    let limit = ["prlimit".into(), OsString::from(format!("--sigpending={PENDING}"))];
    let command = unsupervised(&[&limit, words.as_slice()].concat());
    bench.show(&command);
    let mut program = Program::start(command)?;
    program.says("ready", PATIENCE)?;

    let started = sys::monotonic();
    let mut sender =
        Sender { pid: program.pid(), deadline: Instant::now() + PATIENCE, sent: Sent::default() };
    for step in 1..=variant.steps() {
        program.says("step", PATIENCE)?;
        if variant == Variant::Blocked {
            is_deep_in_c(program.pid())?;
        }
        sender.send_until(slice(step, variant.steps()))?;
    }
    sender.send_until(SIGNALS)?;
    eventually(PATIENCE, "no signal is pending", || none_is_pending(program.pid()))?;
    program.tell("stop")?;
    let line = program.line(PATIENCE)?;
    let seen: Seen = serde_json::from_str(&line).map_err(|why| format!("{why}: {line}"))?;
    program.end(PATIENCE)?;
    let seconds = Duration::from_nanos(seen.last_at).saturating_sub(started).as_secs_f64();
    Ok(Outcome { sent: sender.sent, seen, seconds })
}

struct Sender {
    pid: i32,
    deadline: Instant,
    sent: Sent,
}

impl Sender {
    /// The payload of each signal is how many were accepted before it.
    fn send_until(&mut self, total: i32) -> Result {
        interrupt::check()?;
        while self.sent.accepted < total {
            match sys::send_signal(self.pid, libc::SIGRTMIN() + 1, Some(self.sent.accepted)) {
                Ok(()) => self.sent.accepted += 1,
                Err(why) if why.raw_os_error() == Some(libc::EAGAIN) => self.wait_for_room()?,
                Err(why) => return Err(why).context("sigqueue"),
            }
        }
        Ok(())
    }

    fn wait_for_room(&mut self) -> Result {
        self.sent.retries += 1;
        interrupt::check()?;
        if Instant::now() >= self.deadline {
            let Sent { accepted, retries } = self.sent;
            return Err(format!("EAGAIN for the {retries}th time, after {accepted} signals").into());
        }
        thread::sleep(AGAIN);
        Ok(())
    }
}

/// How many signals have been sent at the end of a step.
fn slice(step: i32, steps: i32) -> i32 {
    SIGNALS / steps * step + SIGNALS % steps * step / steps
}

fn is_deep_in_c(pid: i32) -> Result {
    let started = time_on_cpu(pid)?;
    eventually(PATIENCE, "the program is in its call into C code", || {
        let since = time_on_cpu(pid).map_err(|why| why.to_string())?.saturating_sub(started);
        if since >= DEEP { Ok(()) } else { Err(format!("{since:?} on a CPU")) }
    })
}

fn time_on_cpu(pid: i32) -> Result<Duration> {
    let path = format!("/proc/{pid}/schedstat");
    let line = fs::read_to_string(&path).context(&path)?;
    let nanoseconds = line.split_whitespace().next().and_then(|field| field.parse().ok());
    nanoseconds.map(Duration::from_nanos).ok_or_else(|| format!("{path}: {line:?}").into())
}

fn none_is_pending(pid: i32) -> std::result::Result<(), String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(|why| why.to_string())?;
    let bit = 1_u64 << libc::SIGRTMIN(); // of SIGRTMIN + 1
    match pending(&status) {
        Some(pending) if pending & bit == 0 => Ok(()),
        Some(pending) => Err(format!("pending: {pending:016x}")),
        None => Err("no SigPnd and ShdPnd".into()),
    }
}

/// The signals that wait for the first thread and for the process.
fn pending(status: &str) -> Option<u64> {
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(value.trim(), 16).ok()
    };
    Some(field("SigPnd:")? | field("ShdPnd:")?)
}

fn note(report: &mut Report, peer: Peer, variant: Variant, outcome: &Outcome) {
    let case = variant.case();
    let Outcome { sent, seen, seconds } = outcome;
    let mut note =
        |what: &str, unit: &str, value: f64| report.note(At { case, peer: peer.name(), what, unit }, value);
    note("accepted", "signals", sent.accepted.into());
    note("EAGAIN", "retries", sent.retries.into());
    note("handled", "signals", seen.handled.into());
    if peer == Peer::Rustdaemon {
        note("out of order", "signals", seen.out_of_order.into());
        let right = i64::from(sent.accepted) * i64::from(sent.accepted - 1) / 2;
        #[expect(clippy::cast_precision_loss, reason = "exact: below 2^52")]
        note("sum of payloads", "off", (seen.sum - right) as f64);
    }
    if variant == Variant::Forking {
        note("forks", "", seen.forks.into());
        note(CHILDREN, "", seen.children_that_handled.into());
    }
    note("to the last one handled", "s", *seconds);
}

/// What must be so in each round.
fn conclude(bench: &Bench, report: &mut Report, variant: Variant) {
    let case = variant.case();
    let mut facts = vec![
        ("all handled", "handled", f64::from(SIGNALS)),
        ("in order", "out of order", 0.0),
        ("the sum right", "sum of payloads", 0.0),
    ];
    if variant == Variant::Forking {
        facts.push(("300 forks", "forks", variant.steps().into()));
        facts.push(("no handler ran in a child", CHILDREN, 0.0));
    }
    for (fact, what, right) in facts {
        let rounds = report.rounds_with(case, Peer::Rustdaemon.name(), what, right);
        let measured = format!("in {rounds} of {} rounds", bench.rounds);
        report.check(&format!("{case}: {fact}"), "in every round", &measured, rounds == bench.rounds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_signals_are_those_of_the_thread_and_of_the_process() {
        let status =
            "Name:\tphp\nSigQ:\t3/96365\nSigPnd:\t0000000000000001\nShdPnd:\t0000000400000000\nSigBlk:\t0\n";
        assert_eq!(pending(status), Some(0x4_0000_0001));
        assert_eq!(pending("Name:\tphp\n"), None);
    }

    #[test]
    fn slices_of_the_storm_add_up() {
        assert_eq!(slice(300, 300), SIGNALS);
        assert_eq!([slice(1, 4), slice(2, 4), slice(4, 4)], [25_000, 50_000, 100_000]);
        let ends: Vec<i32> = (0..=300).map(|step| slice(step, 300)).collect();
        assert!(ends.windows(2).all(|pair| (333..=334).contains(&(pair[1] - pair[0]))));
    }
}
