//! `request`: from one client to a PHP worker and back, beside a minimal front in Rust and a bare PHP worker on two pipes.
//!
//! # How it works
//! Server, worker and client share one core and one request is under way at a time: what a request takes is what all three
//! do for it, and no wake-up of another core is in it. The two take turns of half a second in each round; both live through
//! all rounds. Both handlers answer with their arguments.
//! System calls are counted in runs of their own, after the rounds.
//!
//! # What would make it lie
//! Whatever else runs on that core; it meets both, and the ratio within a round feels it least. The front's worker has no
//! deadlines, no page that says what it does, no signals: that is what the bound is about.

use std::ffi::OsString;
use std::time::Duration;

use super::Bench;
use super::peer::alternating;
use super::report::{At, Report};
use super::sidecar::{Lines, Sidecar, built};
use super::strace;
use super::wire::{CORE, Dialect, Load, Server, pin, pinned_words};
use crate::failure::Result;
use crate::interrupt;

const CASE: &str = "a request to a PHP worker, all on one core";
const OURS: &str = "rustdaemon";
const MINIMAL: &str = "minimal front, bare PHP";
const RATE: &str = "answers";
const P99: &str = "p99";
const COST: &str = "server's time on a CPU, each";
const WINDOW: Duration = Duration::from_millis(500);
/// Requests that are sent while system calls are counted.
const CALLS: u64 = 2_000;

/// The front's rate is at most so many times ours.
const BOUND: f64 = 1.25;

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    let [load, front] = built(bench, ["ping_load", "minimal_server"])?;
    let script = |name: &str| bench.program(name).into_os_string();
    let words = bench.php.words(true, [script("request.php")]);
    let sidecar = Sidecar::start(bench, 1, &[], &Lines::Kept, &words)?;
    for worker in sidecar.workers()? {
        pin(worker, CORE)?;
    }
    let ours = Server::sidecar(OURS, sidecar).pinned(CORE)?;
    let theirs = Server::start(MINIMAL, Dialect::Typed, |socket| {
        let mut words: Vec<OsString> = pinned_words(CORE);
        words.extend([front.into_os_string(), socket.into(), "--".into()]);
        words.extend(bench.php.words(false, [script("request_bare.php")]));
        Ok(words)
    })?;
    let servers = [&ours, &theirs];
    let load = Load {
        program: &load,
        connections: 1,
        depth: 1,
        method: "echo",
        args: r#"[1,"two",{"three":3}]"#,
        core: Some(CORE),
    };
    for round in 0..bench.rounds {
        bench.progress(round);
        for server in alternating(servers, round) {
            interrupt::check()?;
            let seen = load.timed(server, WINDOW)?;
            let mut note = |what, unit, value| {
                report.note(At { case: CASE, peer: server.name, what, unit }, value);
            };
            note(RATE, "1/s", seen.rate());
            note(P99, "us", seen.p99);
            note(COST, "us", seen.server_cpu / seen.answers * 1e6);
        }
    }
    for server in servers {
        let connected = load.counted(server, CALLS)?;
        let (calls, seen) = strace::count(bench, server.pid(), || connected.go())?;
        for (call, number) in &calls {
            let what = format!("{call}, each");
            report.note(At { case: CASE, peer: server.name, what: &what, unit: "" }, number / seen.answers);
        }
    }
    ours.end()?;
    theirs.end()?;
    report.compare(CASE, COST, [OURS, MINIMAL]);
    report.check_compared(CASE, RATE, [MINIMAL, OURS], BOUND)
}
