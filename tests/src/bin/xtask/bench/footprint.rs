//! `footprint`: what an idle sidecar costs: memory with 1 and with 101 workers, wake-ups with 10 PHP workers, time on a CPU
//! with 1 000 workers.
//!
//! # How it works
//! Whoever is woken goes to sleep again, and the kernel counts that (voluntary_ctxt_switches); strace, which disturbs, looks
//! a second time for system calls. Both begin when everybody is idle.

use std::ffi::OsString;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::Bench;
use super::peer::unsupervised;
use super::report::{At, Report, number};
use super::sidecar::{Lines, Sidecar, alone, built};
use super::usage::{self, Memory};
use crate::child::Guarded;
use crate::failure::{Context, Result};
use crate::interrupt;
use crate::wait::eventually;

const OURS: &str = "rustdaemon";
const ONE: usize = 1;
const MORE: usize = 101;
const MEMORY: &str = "RssAnon + RssShmem";
const PER_WORKER: &str = "per further worker";
const KIB: f64 = 1024.0;
const BOUND: f64 = 1.5 * KIB;
const BOUND_PER_WORKER: f64 = 12.0;
const BOUND_CPU: f64 = 1.0;
const LIMITS: [&str; 4] =
    ["--memory-soft=256MiB", "--memory-hard=512MiB", "--hang-timeout=60s", "--max-lifetime=24h"];
const PATIENCE: Duration = Duration::from_secs(30);

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    let [worker] = built(bench, ["fake_worker"])?;
    memory(bench, report, &alone(&worker))?;
    wake_ups(bench, report)?;
    thousand(bench, report, &alone(&worker))
}

fn memory(bench: &Bench, report: &mut Report, command: &[OsString]) -> Result {
    let case = |workers: usize| format!("idle with {workers} fake workers");
    for round in 0..bench.rounds {
        bench.progress(round);
        let mut kib = [0.0; 2];
        for (workers, kib) in [ONE, MORE].into_iter().zip(&mut kib) {
            let sidecar = Sidecar::start(bench, workers, &[], &Lines::Kept, command)?;
            let Memory { anon, shared, .. } = Memory::of(sidecar.pid())?;
            *kib = (anon + shared) / KIB;
            let case = case(workers);
            for (what, value) in [("RssAnon", anon), ("RssShmem", shared), (MEMORY, anon + shared)] {
                report.note(At { case: &case, peer: OURS, what, unit: "KiB" }, value / KIB);
            }
            sidecar.end()?;
        }
        #[expect(clippy::cast_precision_loss, reason = "100")]
        let each = (kib[1] - kib[0]) / (MORE - ONE) as f64;
        report.note(At { case: &case(MORE), peer: OURS, what: PER_WORKER, unit: "KiB" }, each);
    }
    let one = report.median(&case(ONE), OURS, MEMORY)?;
    check(report, "an idle sidecar with one worker: RssAnon + RssShmem", one, BOUND, "KiB");
    let each = report.median(&case(MORE), OURS, PER_WORKER)?;
    check(report, "a further worker: RssAnon + RssShmem", each, BOUND_PER_WORKER, "KiB");
    Ok(())
}

/// One value and what it may be at most.
pub fn check(report: &mut Report, what: &str, value: f64, bound: f64, unit: &str) {
    let bound_text = format!("<= {} {unit}", number(bound));
    report.check(what, &bound_text, &format!("{} {unit}", number(value)), value <= bound);
}

fn wake_ups(bench: &Bench, report: &mut Report) -> Result {
    let case = format!("{} s with 10 idle PHP workers and all limits", bench.seconds);
    let words = bench.php.words(true, [bench.program("idle_worker.php")]);
    let sidecar = Sidecar::start(bench, 10, &LIMITS, &Lines::Kept, &words)?;
    let (own, workers) = (sidecar.pid(), sidecar.workers()?);
    wait(Duration::from_secs(2))?; // the answer to our question is behind it
    let sleeps = || -> Result<[f64; 2]> {
        Ok([usage::sleeps(own)?, workers.iter().map(|pid| usage::sleeps(*pid)).sum::<Result<f64>>()?])
    };
    let before = sleeps()?;
    wait(Duration::from_secs(bench.seconds))?;
    let after = sleeps()?;
    let calls = [system_calls(bench, &[own])?, system_calls(bench, &workers)?];
    for (at, who) in ["the sidecar", "its workers"].into_iter().enumerate() {
        for (what, value) in [("wake-ups", after[at] - before[at]), ("system calls", calls[at])] {
            report.note(At { case: &case, peer: who, what, unit: "" }, value);
            report.check(&format!("{case}: {what} of {who}"), "= 0", &number(value), value == 0.0);
        }
    }
    sidecar.end()
}

/// How many system calls these begin, as strace has them.
fn system_calls(bench: &Bench, pids: &[i32]) -> Result<f64> {
    let directory = tempfile::tempdir().context("a directory")?;
    let trace = directory.path().join("trace");
    let mut command = unsupervised(&["strace", "-f", "-qq", "-o"]);
    command.arg(&trace);
    for pid in pids {
        command.args(["-p", &pid.to_string()]);
    }
    bench.show(&command);
    let mut strace = Guarded::spawn(command)?;
    eventually(PATIENCE, "strace is attached", || {
        if let Ok(Some(_)) = strace.ended() {
            return Err("it has ended".into());
        }
        let traced = pids.iter().filter(|pid| is_traced(**pid)).count();
        if traced == pids.len() { Ok(()) } else { Err(format!("{traced} of {}", pids.len())) }
    })?;
    wait(Duration::from_secs(bench.seconds))?;
    strace.end()?;
    let text = fs::read_to_string(&trace).context("read the trace")?;
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    Ok(begun(&text) as f64)
}

fn is_traced(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|tracer| tracer.trim() != "0"))
}

/// `PID name(...`: the first of each thread is the one that it is in when strace comes.
fn begun(trace: &str) -> usize {
    let mut seen = std::collections::BTreeSet::new();
    let mut calls = 0;
    for line in trace.lines() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let is_call = rest.trim_start().starts_with(|first: char| first.is_ascii_alphabetic());
        calls += usize::from(is_call && !seen.insert(pid));
    }
    calls
}

fn thousand(bench: &Bench, report: &mut Report, command: &[OsString]) -> Result {
    let seconds = bench.seconds.div_ceil(2);
    let sidecar = Sidecar::start(bench, 1000, &LIMITS, &Lines::Kept, command)?;
    let case = format!("{seconds} s with 1 000 idle fake workers and all limits");
    wait(Duration::from_secs(2))?;
    let (begin, before) = (Instant::now(), usage::cpu(sidecar.pid())?);
    wait(Duration::from_secs(seconds))?;
    let percent = (usage::cpu(sidecar.pid())? - before) / begin.elapsed().as_secs_f64() * 100.0;
    report.note(At { case: &case, peer: OURS, what: "CPU", unit: "%" }, percent);
    let Memory { anon, shared, .. } = Memory::of(sidecar.pid())?;
    report.note(At { case: &case, peer: OURS, what: MEMORY, unit: "KiB" }, (anon + shared) / KIB);
    check(report, &format!("{case}: CPU of the sidecar"), percent, BOUND_CPU, "%");
    sidecar.end()
}

/// Time in which nothing happens is what is measured here.
pub fn wait(time: Duration) -> Result {
    let end = Instant::now() + time;
    while Instant::now() < end {
        interrupt::check()?;
        thread::sleep(Duration::from_millis(100).min(end.saturating_duration_since(Instant::now())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_that_somebody_is_in_when_strace_comes_does_not_count() {
        let quiet = "7  epoll_wait(4,  <unfinished ...>\n8  poll([{fd=3}], 1, -1 <detached ...>\n7  <... epoll_wait resumed> <detached ...>\n";
        assert_eq!(begun(quiet), 0);
        assert_eq!(begun("7 epoll_wait(4) = 1\n7 read(5, \"\", 1) = 0\n7 epoll_wait(4 <detached ...>\n"), 2);
        assert_eq!(begun("7 --- SIGCHLD {si_signo=SIGCHLD} ---\n"), 0);
    }
}
