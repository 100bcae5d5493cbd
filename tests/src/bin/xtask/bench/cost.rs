//! `signal-cost`: instructions of user space for one handled signal, with the same empty handler on both sides. Ours gets a
//! full SignalInfo, pcntl's the number and the siginfo.
//!
//! # How it works
//! A program sends itself signals in a loop. The difference of two loop lengths is free of starting and ending; what the
//! loop itself costs, while the signal is ignored, is subtracted.

use super::Bench;
use super::callgrind::{self, Counted};
use super::report::{At, Report};
use crate::failure::Result;

const SHORT: usize = 2_000;
const LONG: usize = 12_000;
const CASE: &str = "SIGUSR1 to itself";
const WHAT: &str = "handling one signal";

/// At most this part of what pcntl needs.
const BOUND: f64 = 0.5;

/// A program in the loop.
#[derive(Clone, Copy)]
struct Subject {
    name: &'static str,
    has_extension: bool,
    program: &'static str,
}

const SUBJECTS: [Subject; 3] = [
    Subject { name: "rustdaemon", has_extension: true, program: "cost_rustdaemon.php" },
    Subject { name: "rustdaemon in a Worker", has_extension: true, program: "cost_worker.php" },
    Subject { name: "pcntl", has_extension: false, program: "cost_pcntl.php" },
];

const IGNORED: Subject = Subject { name: "ignored", has_extension: false, program: "cost_ignored.php" };

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    let unit = "instructions";
    for subject in SUBJECTS {
        let handled = run(bench, subject, &[&SHORT.to_string(), "count"])?.output;
        let what = format!("{} handles each of {SHORT} signals", subject.name);
        report.check(&what, &format!("= {SHORT}"), &handled, handled == SHORT.to_string());
    }
    for round in 0..bench.rounds {
        bench.progress(round);
        let ignored = one_turn(bench, IGNORED)?;
        report.note(At { case: CASE, peer: IGNORED.name, what: "one turn of the loop", unit }, ignored);
        for subject in SUBJECTS {
            let handled = one_turn(bench, subject)?;
            report.note(At { case: CASE, peer: subject.name, what: WHAT, unit }, handled - ignored);
        }
    }
    report.ratio(CASE, WHAT);
    report.check_ratio(CASE, WHAT, BOUND)
}

fn one_turn(bench: &Bench, subject: Subject) -> Result<f64> {
    let instructions =
        |signals: usize| -> Result<f64> { Ok(run(bench, subject, &[&signals.to_string()])?.instructions) };
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let signals = (LONG - SHORT) as f64;
    Ok((instructions(LONG)? - instructions(SHORT)?) / signals)
}

fn run(bench: &Bench, subject: Subject, arguments: &[&str]) -> Result<Counted> {
    let program = bench.program(subject.program).display().to_string();
    let arguments = [&[program.as_str()], arguments].concat();
    callgrind::count(bench, &bench.php.words(subject.has_extension, arguments))
}
