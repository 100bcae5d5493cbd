//! Counting instructions: those of user space, by valgrind's callgrind. The kernel's are not in it.
//!
//! Sources: valgrind's manual, "Callgrind Format Specification" (`totals:`).

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use super::Bench;
use super::peer::{alternating, unsupervised};
use super::report::{At, Report};
use crate::failure::{Context, Result};
use crate::run::quietly;

/// Fifty times slower than alone, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

pub struct Counted {
    pub instructions: f64,
    /// The program's standard output, without the last newline.
    pub output: String,
}

/// Runs a command line to its end.
pub fn count(bench: &Bench, words: &[OsString]) -> Result<Counted> {
    bench.show(&unsupervised(&[&["valgrind".into(), "--tool=callgrind".into()], words].concat()));
    let file = tempfile::NamedTempFile::new().context("make a temporary file")?;
    let mut option = OsString::from("--callgrind-out-file=");
    option.push(file.path());
    let valgrind = ["valgrind".into(), "--tool=callgrind".into(), option];
    let mut command = unsupervised(&[&valgrind, words].concat());
    // Nothing of whoever types this: with the size of the environment PHP's own start moves by 600 000 instructions.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let output = quietly(command, PATIENCE)?.success()?;
    let counts = fs::read_to_string(file.path()).context(file.path().display())?;
    let instructions = totals(&counts).ok_or("callgrind has left no totals")?;
    Ok(Counted { instructions, output })
}

/// What something costs with and without the extension, round by round. Returns the median of the differences.
pub fn with_and_without(
    bench: &Bench,
    report: &mut Report,
    case: &str,
    what: &str,
    instructions: impl Fn(bool) -> Result<f64>,
) -> Result<f64> {
    const NAMES: [&str; 3] = ["without", "with rustdaemon", "with - without"];
    let unit = "instructions";
    for round in 0..bench.rounds {
        bench.progress(round);
        let mut costs = [0.0; 2];
        for with in alternating([false, true], round) {
            costs[usize::from(with)] = instructions(with)?;
        }
        let [without, with] = costs;
        for (peer, cost) in NAMES.into_iter().zip([without, with, with - without]) {
            report.note(At { case, peer, what, unit }, cost);
        }
    }
    report.median(case, NAMES[2], what)
}

fn totals(counts: &str) -> Option<f64> {
    let line = counts.lines().find_map(|line| line.strip_prefix("totals:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_totals_is_the_instructions() {
        assert_eq!(totals("events: Ir\nfn=(1) main\n0 17\ntotals: 123456\n"), Some(123_456.0));
        assert_eq!(totals("events: Ir sysCount\n\ntotals: 42 7 1\n"), Some(42.0));
        assert_eq!(totals("events: Ir\n"), None);
    }
}
