//! `pulse`: what its native thread costs a busy worker that is blocked in a native call: time on a CPU, memory.
//!
//! # How it works
//! Two workers run a loop of their own and block in reading a FIFO; one has said busy() before, and only who is busy has
//! a pulse. Memory is compared in each round with fresh workers; the last ones are then watched for a while.

use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::Bench;
use super::footprint::{check, wait};
use super::peer::alternating;
use super::report::{At, Report};
use super::sidecar::{Lines, Sidecar};
use super::usage::{self, Memory};
use crate::failure::{Context, Result};
use crate::wait::eventually;

const CASE: &str = "a PHP worker blocked in file_get_contents()";
const WITH: &str = "with a pulse";
const WITHOUT: &str = "without";
const COST: &str = "the pulse";
const KIB: f64 = 1024.0;
const BOUND_PERCENT: f64 = 0.1;
const BOUND_KIB: f64 = 100.0;
const PATIENCE: Duration = Duration::from_secs(30);

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    let stage = tempfile::tempdir().context("a directory")?;
    let fifo = stage.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).map_err(std::io::Error::from).context("mkfifo")?;
    for round in 0..bench.rounds {
        bench.progress(round);
        let mut used = [Memory::default(); 2];
        for at in alternating([0, 1], round) {
            let word = ["busy", "quiet"][at];
            let script = bench.program("pulse.php").into_os_string();
            let words = bench.php.words(true, [script, word.into(), fifo.clone().into()]);
            let sidecar = Sidecar::start(bench, 1, &["--hang-timeout=0s"], &Lines::Kept, &words)?;
            let [pid] = sidecar.workers()?[..] else { return Err("not one worker".into()) };
            let thread = eventually(PATIENCE, "its threads", || {
                let threads = usage::threads(pid).map_err(|why| why.to_string())?;
                match (threads.len(), word) {
                    (1, "quiet") => Ok(None),
                    (2, "busy") => Ok(threads.into_iter().find(|thread| *thread != pid)),
                    (number, _) => Err(format!("{number}")),
                }
            })?;
            wait(Duration::from_secs(2))?; // several beats
            used[at] = Memory::of(pid)?;
            if let (Some(thread), true) = (thread, round + 1 == bench.rounds) {
                let (begin, before) = (Instant::now(), usage::thread_cpu(pid, thread)?);
                wait(Duration::from_secs(bench.seconds))?;
                let percent =
                    (usage::thread_cpu(pid, thread)? - before) / begin.elapsed().as_secs_f64() * 100.0;
                report.note(At { case: CASE, peer: COST, what: "CPU", unit: "%" }, percent);
            }
            sidecar.end()?;
        }
        for (peer, memory) in [WITH, WITHOUT].into_iter().zip(used) {
            report.note(At { case: CASE, peer, what: "Rss", unit: "KiB" }, memory.all / KIB);
            report.note(At { case: CASE, peer, what: "RssAnon", unit: "KiB" }, memory.anon / KIB);
        }
        let [with, without] = used;
        report.note(At { case: CASE, peer: COST, what: "Rss", unit: "KiB" }, (with.all - without.all) / KIB);
        report.note(
            At { case: CASE, peer: COST, what: "RssAnon", unit: "KiB" },
            (with.anon - without.anon) / KIB,
        );
    }
    let percent = report.median(CASE, COST, "CPU")?;
    check(report, "the pulse of a blocked worker: CPU", percent, BOUND_PERCENT, "%");
    for what in ["Rss", "RssAnon"] {
        let kib = report.median(CASE, COST, what)?;
        check(report, &format!("the pulse of a blocked worker: {what}"), kib, BOUND_KIB, "KiB");
    }
    Ok(())
}
