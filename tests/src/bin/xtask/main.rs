//! `cargo xtask`: the one command of this repository. One file per verb; each prints the commands it runs.

mod bench;
mod build;
mod child;
mod ci;
mod demo;
mod failure;
mod floors;
mod fuzz;
mod install;
mod interrupt;
mod lint;
mod matrix;
mod mentions;
mod php;
mod phpt;
mod phpunit;
mod procs;
mod repo;
mod run;
mod services;
mod stubs;
mod tally;
mod test;
mod tokens;
mod wait;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bench::Figure;
use crate::failure::Result;
use crate::fuzz::Target;
use crate::matrix::Part;
use crate::repo::Repo;
use crate::tally::Tally;
use crate::test::Suite;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Builds, checks, tests and shows rustdaemon",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build the extension and the sidecar in release, side by side in target/php
    Build,
    /// Format, clippy, documentation, floors, reasons, stubs
    Lint {
        /// Only say what is missing on this machine, install nothing
        #[arg(long)]
        no_install: bool,
    },
    /// Run all suites, or one; the last line counts over all of them
    Test {
        suite: Option<Suite>,
        /// Only tests whose name holds this
        filter: Option<String>,
        /// Only say what is missing on this machine, install nothing
        #[arg(long)]
        no_install: bool,
    },
    /// Run the faults of tests/fault in their full dose; for developers, not for CI
    Fault {
        /// Only tests whose name holds this
        filter: Option<String>,
        /// Only say what is missing on this machine, install nothing
        #[arg(long)]
        no_install: bool,
    },
    /// Kill 2 000 sidecars and 20 000 workers, and count who is left; for developers, not for CI
    Soak {
        /// Choose as a run with this RUSTDAEMON_SEED did
        #[arg(long)]
        seed: Option<u64>,
        /// Only say what is missing on this machine, install nothing
        #[arg(long)]
        no_install: bool,
    },
    /// Fuzz what clients and workers write to the sidecar: all targets, or one; for developers, not for CI
    Fuzz {
        target: Option<Target>,
        /// How many cases per target
        #[arg(long, default_value_t = 10_000_000)]
        runs: u64,
        /// Then choose anew what fuzz/corpus holds
        #[arg(long)]
        keep: bool,
        /// Only say what is missing on this machine, install nothing
        #[arg(long)]
        no_install: bool,
    },
    /// Run tests/phpt on a debug PHP and under valgrind, or on one of them; for developers, not for CI
    Matrix {
        part: Option<Part>,
        /// Only tests whose name holds this
        filter: Option<String>,
        /// Only say what is missing on this machine, install nothing
        #[arg(long)]
        no_install: bool,
    },
    /// Measure the extension beside its peers: all figures, or one; tables, and JSON in target/bench
    Bench {
        figure: Option<Figure>,
        /// How many times each is measured, 5 or more
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(5..))]
        rounds: u32,
        /// How long footprint and pulse watch what should not happen, in seconds
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
        seconds: u64,
        /// Measure this .so instead of building one
        #[arg(long)]
        extension: Option<PathBuf>,
        /// Only say what is missing on this machine, install nothing
        #[arg(long)]
        no_install: bool,
    },
    /// Show the main job: Laravel's opcua:session under a real supervisord, with values from a real OPC UA server
    Demo {
        /// Only say what is missing on this machine, install nothing
        #[arg(long)]
        no_install: bool,
    },
    /// Write stubs/rustdaemon.stub.php from the fresh extension
    Stubs {
        /// Compare instead of writing
        #[arg(long)]
        check: bool,
    },
    /// PHP with the fresh extension: cargo xtask php -- script.php
    Php {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Exactly what CI runs: .ci/run
    Ci,
}

fn main() -> ExitCode {
    let verb = Arguments::parse().verb;
    let result = act(verb);
    if let Err(why) = &result {
        eprintln!("xtask: {why}");
    }
    result.unwrap_or_else(|why| why.exit_code())
}

fn act(verb: Verb) -> Result<ExitCode> {
    let repo = Repo::find()?;
    match verb {
        Verb::Php { arguments } => php::php(&repo, arguments)?,
        Verb::Ci => ci::ci(&repo)?,
        Verb::Build => guarded(|| build::build(&repo))?,
        Verb::Stubs { check } => guarded(|| stubs::stubs(&repo, check))?,
        Verb::Lint { no_install } => guarded(|| lint::lint(&repo, no_install))?,
        Verb::Demo { no_install } => guarded(|| demo::demo(&repo, no_install))?,
        Verb::Fuzz { target, runs, keep, no_install } => {
            guarded(|| fuzz::fuzz(&repo, target, runs, keep, no_install))?;
        }
        Verb::Bench { figure, rounds, seconds, extension, no_install } => {
            let options = bench::Options { rounds, seconds, extension, no_install };
            guarded(|| bench::bench(&repo, figure, options))?;
        }
        Verb::Test { suite, filter, no_install } => {
            let suites =
                suite.map_or(vec![Suite::Rust, Suite::Phpt, Suite::Php, Suite::E2e], |suite| vec![suite]);
            return counted(|| test::test(&repo, &suites, filter.as_deref(), no_install));
        }
        Verb::Fault { filter, no_install } => {
            return counted(|| test::test(&repo, &[Suite::Fault], filter.as_deref(), no_install));
        }
        Verb::Soak { seed, no_install } => {
            return counted(|| test::soak(&repo, seed, no_install));
        }
        Verb::Matrix { part, filter, no_install } => {
            let parts = part.map_or(Part::ALL.to_vec(), |part| vec![part]);
            return counted(|| matrix::matrix(&repo, &parts, filter.as_deref(), no_install));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A verb that runs tests: its last line is the tally.
fn counted(verb: impl FnOnce() -> Result<(Tally, bool)>) -> Result<ExitCode> {
    let (tally, good) = guarded(verb)?;
    println!("{tally}");
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Signals are noted, and what a failed or interrupted verb has left behind is ended.
fn guarded<T>(verb: impl FnOnce() -> Result<T>) -> Result<T> {
    interrupt::install();
    child::adopt_orphans()?;
    let result = verb();
    if result.is_err() {
        for left in child::end_orphans() {
            eprintln!("xtask: ended {left}");
        }
    }
    result
}
