//! `cargo xtask test [rust|phpt|php|e2e] [filter]`: all suites, or one; the last line says how many passed, failed and
//! were skipped over all of them.

use std::process::Command;

use clap::ValueEnum;

use crate::failure::Result;
use crate::install::{self, For};
use crate::phpt::{self, Setting};
use crate::repo::Repo;
use crate::tally::{Tally, read_cargo_test};
use crate::{build, child, phpunit, run};

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// Unit tests and doctests: no PHP, no sidecar process
    Rust,
    /// The extension in PHP, by PHP's own run-tests.php
    Phpt,
    /// The Composer package, by PHPUnit, with real sidecars and workers
    Php,
    /// The sidecar with fake and with real workers; faults in a short dose
    E2e,
    /// Faults in their full dose: not in CI
    #[value(skip)]
    Fault,
}

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Suite::Rust => "rust",
            Suite::Phpt => "phpt",
            Suite::Php => "php",
            Suite::E2e => "e2e",
            Suite::Fault => "fault",
        }
    }
}

/// Returns the last line; whether it is good news.
pub fn test(repo: &Repo, suites: &[Suite], filter: Option<&str>, no_install: bool) -> Result<(Tally, bool)> {
    install::ensure(repo, For::Test, no_install)?;
    build::build(repo)?;
    sum_up(suites.iter().map(|suite| {
        let tally = match suite {
            Suite::Rust => rust(repo, filter),
            Suite::Phpt => {
                Setting::of_system(repo, "phpt").and_then(|setting| phpt::phpt(repo, &setting, filter))
            }
            Suite::Php => phpunit::Setting::of_system(repo, "php")
                .and_then(|setting| phpunit::phpunit(repo, &setting, filter)),
            Suite::E2e => e2e(repo, filter),
            Suite::Fault => run_cargo_test(repo, "fault", full_dose(repo), filter),
        };
        (suite.name(), tally)
    }))
}

/// Runs the parts of a verb, each as the iterator comes to it, and says what was skipped and what has failed; returns
/// the last line, and whether it is good news.
pub fn sum_up(parts: impl Iterator<Item = (&'static str, Result<Tally>)>) -> Result<(Tally, bool)> {
    let mut total = Tally::default();
    for (name, tally) in parts {
        total += match tally {
            Err(why) if !why.is_interrupt() => Tally::broken(format!("{name}: {why}")),
            other => other?,
        };
        for left in child::end_orphans() {
            println!("left running by the tests, ended now: {left}");
        }
    }
    for skip in &total.skips {
        println!("skipped: {skip}");
    }
    for failure in &total.failures {
        println!("failed: {failure}");
    }
    let good = total.failed == 0 && total.ran() > 0;
    Ok((total, good))
}

/// What a filtered or an empty run means is decided per call of cargo.
fn rust(repo: &Repo, filter: Option<&str>) -> Result<Tally> {
    let packages = ["-p", "rustdaemon-core", "-p", "rustdaemon-sidecar", "-p", "rustdaemon-tests"];
    let mut tally = cargo_test(repo, "rust", &[&packages[..], &["--lib", "--bins"]].concat(), filter)?;
    // A library without an example is no mistake: an empty run is.
    tally += cargo_test(repo, "doc", &["-p", "rustdaemon-core", "--doc"], filter.or(Some("")))?;
    Ok(tally)
}

fn e2e(repo: &Repo, filter: Option<&str>) -> Result<Tally> {
    cargo_test(repo, "e2e", &["-p", "rustdaemon-tests", "--test", "*"], filter)
}

/// The kills of tests/fault in their full dose, and what was counted.
pub fn soak(repo: &Repo, seed: Option<u64>, no_install: bool) -> Result<(Tally, bool)> {
    install::ensure(repo, For::Test, no_install)?;
    build::build(repo)?;
    let mut command = full_dose(repo);
    command.args(["--", "--nocapture"]);
    if let Some(seed) = seed {
        command.env("RUSTDAEMON_SEED", seed.to_string());
    }
    sum_up(std::iter::once(("soak", run_cargo_test(repo, "soak", command, Some("kills::")))))
}

fn full_dose(repo: &Repo) -> Command {
    let mut command =
        repo.command("cargo", ["test", "--no-fail-fast", "-p", "rustdaemon-tests", "--test", "fault"]);
    command.env("RUSTDAEMON_DOSE", "full");
    command
}

fn cargo_test(repo: &Repo, suite: &str, what: &[&str], filter: Option<&str>) -> Result<Tally> {
    let mut command = repo.command("cargo", ["test", "--no-fail-fast"]);
    command.args(what);
    run_cargo_test(repo, suite, command, filter)
}

fn run_cargo_test(repo: &Repo, suite: &str, mut command: Command, filter: Option<&str>) -> Result<Tally> {
    if let Some(filter) = filter.filter(|filter| !filter.is_empty()) {
        if command.get_args().all(|word| word != "--") {
            command.arg("--");
        }
        command.arg(filter);
    }
    command.env("RUSTDAEMON_SO", repo.so()).env("RUSTDAEMON_BIN", repo.sidecar());
    let (status, lines) = run::run_collecting(command)?;
    Ok(read_cargo_test(suite, &lines, status.success(), filter.is_some()))
}
