//! `signal-latency`: from kill(2) in another process to the first statement of the PHP handler, while PHP is busy in a
//! loop, and while it waits: ours in Worker::sleep(), pcntl's in sleep().
//!
//! # How it works
//! xtask takes the time just before it sends; the handler takes it first thing, on the same clock (CLOCK_MONOTONIC), and
//! writes it to its standard output, which xtask reads before it sends again. The peers take turns in short chunks, with
//! random gaps between two signals; the first signal of a chunk does not count: it warms up.
//!
//! Whether a core had to be woken makes more difference than the peers do, and changes with what else the machine does. So
//! the bound is looked at twice: for the ratio of a round's medians, and for the median of the ratios of two chunks that
//! follow each other, which is steadier.

use std::thread;
use std::time::Duration;

use rustdaemon_core::sys;

use super::Bench;
use super::peer::{Peer, Program, alternating, unsupervised};
use super::report::{At, RATIO, Report};
use super::stats::{self, Summary, percentile};
use crate::failure::{Context, Result};
use crate::interrupt;

/// Chunks of one peer in one round, and signals of a chunk that count.
const CHUNKS: u32 = 20;
const SIGNALS: usize = 25;
const MODES: [(&str, &str); 2] = [("busy", "PHP in a busy loop"), ("waiting", "PHP waits")];

const CHUNK_BY_CHUNK: &str = "median, chunk by chunk";

/// Gaps are so long at least, and so much longer at most. Microseconds.
const GAP: u64 = 200;
const MORE: u64 = 1000;

/// At most so many times what pcntl needs.
const BOUND: f64 = 1.2;
const PATIENCE: Duration = Duration::from_secs(30);

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..bench.rounds {
        bench.progress(round);
        for (mode, case) in MODES {
            let mut subjects =
                [Subject::start(bench, Peer::Rustdaemon, mode)?, Subject::start(bench, Peer::Pcntl, mode)?];
            for chunk in 0..CHUNKS {
                for turn in alternating([0, 1], round + chunk) {
                    subjects[turn].chunk(&mut random)?;
                }
            }
            let [ours, theirs] = &subjects;
            let ratios: Vec<f64> = ours.chunks.iter().zip(&theirs.chunks).map(|(a, b)| a / b).collect();
            let ratio = stats::median(&ratios).ok_or("nothing was measured")?;
            report.note(At { case, peer: RATIO, what: CHUNK_BY_CHUNK, unit: "" }, ratio);
            for subject in subjects {
                subject.end(report, case)?;
            }
        }
    }
    for (_, case) in MODES {
        for what in ["median", "p90", "p99"] {
            report.ratio(case, what);
        }
        report.check_ratio(case, "median", BOUND)?;
        report.check_ratio(case, CHUNK_BY_CHUNK, BOUND)?;
    }
    Ok(())
}

/// A peer's program, and what was measured with it.
struct Subject {
    peer: Peer,
    program: Program,
    busy: bool,
    microseconds: Vec<f64>,
    /// The median of each chunk.
    chunks: Vec<f64>,
}

impl Subject {
    fn start(bench: &Bench, peer: Peer, mode: &str) -> Result<Self> {
        let program = bench.program(&peer.program("latency")).into_os_string();
        let command = unsupervised(&bench.php.words(peer.has_extension(), [program, mode.into()]));
        bench.show(&command);
        let mut program = Program::start(command)?;
        program.says("ready", PATIENCE)?;
        Ok(Self { peer, program, busy: mode == "busy", microseconds: Vec::new(), chunks: Vec::new() })
    }

    fn chunk(&mut self, random: &mut Random) -> Result {
        if self.busy {
            self.program.tell(&(1 + SIGNALS).to_string())?;
            self.program.says("busy", PATIENCE)?;
        }
        for signal in 0..=SIGNALS {
            interrupt::check()?;
            thread::sleep(Duration::from_micros(GAP + random.below(MORE)));
            let sent = sys::monotonic();
            sys::send_signal(self.program.pid(), libc::SIGUSR1, None).context("kill")?;
            let line = self.program.line(PATIENCE)?;
            let handled = line.parse().map_err(|_| format!("{line:?} is no time"))?;
            let latency = Duration::from_nanos(handled).saturating_sub(sent);
            if signal > 0 {
                self.microseconds.push(latency.as_secs_f64() * 1e6);
            }
        }
        let start = self.microseconds.len() - SIGNALS;
        self.chunks.extend(stats::median(&self.microseconds[start..]));
        Ok(())
    }

    fn end(self, report: &mut Report, case: &str) -> Result {
        let summary = Summary::of(&self.microseconds).ok_or("nothing was measured")?;
        let at = |part: f64| percentile(&self.microseconds, part).unwrap_or(summary.max);
        for (what, value) in
            [("median", summary.median), ("p90", at(0.9)), ("p99", at(0.99)), ("maximum", summary.max)]
        {
            report.note(At { case, peer: self.peer.name(), what, unit: "µs" }, value);
        }
        self.program.terminate()
    }
}

/// Marsaglia's xorshift: gaps need not be unpredictable, only irregular.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_differ_and_stay_within_their_limit() {
        let mut random = Random(1);
        let gaps: std::collections::BTreeSet<u64> = (0..1000).map(|_| random.below(MORE)).collect();
        assert!(gaps.len() > 500 && gaps.iter().all(|gap| *gap < MORE));
    }
}
