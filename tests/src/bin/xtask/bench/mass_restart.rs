//! `mass-restart`: 100 fake workers are killed at once until all are ready again, beside a plain loop that forks, execs and
//! greets as many; then one of 100 beside one of 1.
//!
//! # How it works
//! The loop is a program of its own ([`plain_loop`](../../plain_loop.rs)), built in release, with the same descriptors for
//! each worker. It is timed for starting alone, which is the bound's measure, and for killing and reaping before that, which
//! the sidecar has to wait for too. The sidecar's own clock says when a worker was ready, in its log: reading
//! lines meanwhile would take a core away from it. How many live is counted in kills of their own that are not timed: all
//! children are listed, and whoever still runs after that ran in that moment.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Bench;
use super::peer::{Program, alternating, unsupervised};
use super::report::{At, Report};
use super::sidecar::{AT_ONCE, Lines, Sidecar, alone, built, kill_9};
use super::{stats, usage};
use crate::failure::Result;
use crate::interrupt;
use crate::procs::{self, Proc};
use crate::wait::eventually;

const WORKERS: usize = 100;
const OURS: &str = "rustdaemon";
const LOOP: &str = "plain loop";
const REAPS: &str = "plain loop that kills and reaps too";
const MANY: &str = "100 fake workers";
const READY: &str = "all are ready";
const OWN: &str = "own time on a CPU";
const ALIVE: &str = "most alive at once";
const ONE: &str = "one fake worker of a pool";
const OF_100: &str = "one of 100";
const OF_1: &str = "one of 1";

/// At most so many times what the plain loop takes.
const BOUND: f64 = 1.1;
/// One of 100 takes at most so many times what one of 1 takes.
const BOUND_OF_ONE: f64 = 1.3;
/// Kills in one round.
const KILLS: usize = 40;
const DAY: f64 = 86_400.0;
const PATIENCE: Duration = Duration::from_secs(60);

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    let [worker, plain_loop] = built(bench, ["fake_worker", "plain_loop"])?;
    let sidecar = Sidecar::start(bench, WORKERS, &[AT_ONCE], &Lines::Kept, &alone(&worker))?;
    let mut plain = Program::start(unsupervised(&[plain_loop, worker.clone()]))?;
    order(&mut plain, &format!("start {WORKERS}"))?;
    for round in 0..bench.rounds {
        bench.progress(round);
        for peer in alternating([OURS, LOOP], round) {
            let mut note = |peer: &str, what: &str, value: f64| {
                report.note(At { case: MANY, peer, what, unit: "ms" }, value)
            };
            if peer == OURS {
                let [wall, cpu] = mass_restart(&sidecar)?;
                note(OURS, READY, wall);
                note(OURS, OWN, cpu);
            } else {
                let [wall, cpu] = order(&mut plain, "again")?;
                note(REAPS, READY, wall);
                note(REAPS, OWN, cpu);
                order(&mut plain, "kill")?;
                let [wall, cpu] = order(&mut plain, &format!("start {WORKERS}"))?;
                note(LOOP, READY, wall);
                note(LOOP, OWN, cpu);
            }
        }
        let most = most_alive(&sidecar)?;
        #[expect(clippy::cast_precision_loss, reason = "some hundred")]
        report.note(At { case: MANY, peer: OURS, what: ALIVE, unit: "" }, most as f64);
    }
    sidecar.end()?;
    plain.terminate()?;
    one_of_many(bench, report, &worker)?;
    report.compare(MANY, OWN, [OURS, LOOP]);
    report.compare(MANY, OWN, [OURS, REAPS]);
    report.compare(MANY, READY, [OURS, REAPS]);
    report.check_compared(MANY, READY, [OURS, LOOP], BOUND)?;
    #[expect(clippy::cast_precision_loss, reason = "100")]
    let rounds = report.rounds_with(MANY, OURS, ALIVE, WORKERS as f64);
    report.check(
        &format!("{MANY}: never more alive"),
        "in every round",
        &format!("in {rounds} of {} rounds", bench.rounds),
        rounds == bench.rounds,
    );
    report.check_compared(ONE, READY, [OF_100, OF_1], BOUND_OF_ONE)
}

/// What the plain loop says: milliseconds, and those on a CPU.
fn order(plain: &mut Program, order: &str) -> Result<[f64; 2]> {
    plain.tell(order)?;
    let line = plain.line(PATIENCE)?;
    let mut words = line.split_whitespace().map(|word| word.parse::<f64>().ok());
    match (words.next(), words.next()) {
        (Some(Some(wall)), Some(Some(cpu))) => Ok([wall * 1e3, cpu * 1e3]),
        _ => Err(format!("the plain loop has said {line:?}").into()),
    }
}

/// Kills all at once and waits until all are ready: the same.
fn mass_restart(sidecar: &Sidecar) -> Result<[f64; 2]> {
    let workers = sidecar.workers()?;
    let before = sidecar.ready_times()?.len();
    let cpu = usage::cpu(sidecar.pid())?;
    let begin = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|why| why.to_string())?;
    workers.iter().try_for_each(|pid| kill_9(*pid))?;
    let last = all_ready(sidecar, before)?.as_secs_f64();
    let wall = (last - begin.as_secs_f64() % DAY).rem_euclid(DAY);
    Ok([wall * 1e3, (usage::cpu(sidecar.pid())? - cpu) * 1e3])
}

fn all_ready(sidecar: &Sidecar, before: usize) -> Result<Duration> {
    eventually(PATIENCE, "all workers are ready again", || {
        let times = sidecar.ready_times().map_err(|why| why.to_string())?;
        match times.last() {
            Some(last) if times.len() == before + WORKERS => Ok(*last),
            _ => Err(format!("{} are", times.len() - before)),
        }
    })
}

fn most_alive(sidecar: &Sidecar) -> Result<usize> {
    let before = sidecar.ready_times()?.len();
    sidecar.workers()?.iter().try_for_each(|pid| kill_9(*pid))?;
    let mut most = 0;
    // Not `eventually`: nothing to be slept between two looks.
    while sidecar.ready_times()?.len() < before + WORKERS {
        interrupt::check()?;
        let children = procs::children(sidecar.pid());
        most = most.max(children.iter().filter(|child| Proc::runs(child)).count());
    }
    Ok(most.max(sidecar.workers()?.len()))
}

fn one_of_many(bench: &Bench, report: &mut Report, worker: &Path) -> Result {
    let start = |workers| Sidecar::start(bench, workers, &[AT_ONCE], &Lines::Told, &alone(worker));
    let mut sidecars = [start(WORKERS)?, start(1)?];
    let mut pids = [0; 2];
    for (sidecar, (pid, workers)) in sidecars.iter_mut().zip(pids.iter_mut().zip([WORKERS, 1])) {
        for _ in 0..workers {
            *pid = sidecar.ready()?;
        }
    }
    for round in 0..bench.rounds {
        bench.progress(round);
        let mut milliseconds = [Vec::new(), Vec::new()];
        for kill in 0..KILLS {
            interrupt::check()?;
            for at in alternating([0, 1], u32::try_from(kill).unwrap_or(0)) {
                let begin = std::time::Instant::now();
                kill_9(pids[at])?;
                pids[at] = sidecars[at].ready()?;
                milliseconds[at].push(begin.elapsed().as_secs_f64() * 1e3);
            }
        }
        for (peer, values) in [OF_100, OF_1].into_iter().zip(milliseconds) {
            let median = stats::median(&values).ok_or("nothing was measured")?;
            report.note(At { case: ONE, peer, what: READY, unit: "ms" }, median);
        }
    }
    sidecars.into_iter().try_for_each(Sidecar::end)
}
