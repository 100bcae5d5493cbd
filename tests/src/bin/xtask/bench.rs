//! `cargo xtask bench [NAME]`: how fast the extension and the sidecar are, beside their peers, in the same run. It reports and never fails
//! because of a figure: where the project has promised a bound, it says whether that holds.
//!
//! # How it works
//! A [`Figure`] measures in rounds; in each round every peer has its turn, and who comes first alternates, so that what
//! else the machine does meets all of them. Peers are PHP programs in tests/bench, run with `-n`. What is counted in
//! instructions is counted by valgrind's callgrind, which no other load disturbs.
//!
//! For each figure there is a table for people, and the same with all values in target/bench/NAME.json.

mod callgrind;
mod channel;
mod cost;
mod footprint;
mod fork;
mod growth;
mod idle;
mod latency;
mod load;
mod machine;
mod mass_restart;
mod peer;
mod ping;
mod pulse;
mod relay;
mod report;
mod request;
mod restart;
mod sidecar;
mod stats;
mod storm;
mod strace;
mod usage;
mod wire;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use self::machine::Machine;
use self::peer::Php;
use self::report::Report;
use crate::failure::{Context, Result};
use crate::install::{self, For};
use crate::repo::Repo;
use crate::{build, run};

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Figure {
    /// 100 000 realtime signals with a payload, from another process: how many are handled, in which order
    SignalStorm,
    /// Instructions for one handled signal
    SignalCost,
    /// Instructions that a script without handlers pays
    IdleCost,
    /// Instructions for loading the extension
    Load,
    /// From kill(2) in another process to the first statement of the handler
    SignalLatency,
    /// From kill -9 of a PHP worker until the next one is ready, beside a bare start and supervisord
    Restart,
    /// 100 workers killed at once, beside a plain fork and exec loop; one of 100 beside one of 1
    MassRestart,
    /// Memory, wake-ups and time on a CPU of an idle sidecar
    Footprint,
    /// What the heartbeat costs a blocked worker
    Pulse,
    /// Pings on 1 to 1 000 connections, beside Redis, a minimal server, one in plain PHP and an echo
    Ping,
    /// A request to a PHP worker and back on one core, beside a minimal front with a bare PHP worker
    Request,
    /// Pipelined requests to 1 and 2 workers, beside a minimal relay
    Relay,
    /// A child and its end, beside the least that pcntl needs for one; what 10 000 leave
    Fork,
    /// What a request costs with 2 and 100 workers, a ping on 10 and 1 000 connections
    Growth,
    /// Strings between PHP processes, beside System V messages, a socket pair and a ring in Rust
    Channel,
}

impl Figure {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn measure(self, bench: &Bench, report: &mut Report) -> Result {
        match self {
            Figure::SignalStorm => storm::measure(bench, report),
            Figure::SignalCost => cost::measure(bench, report),
            Figure::IdleCost => idle::measure(bench, report),
            Figure::Load => load::measure(bench, report),
            Figure::SignalLatency => latency::measure(bench, report),
            Figure::Restart => restart::measure(bench, report),
            Figure::MassRestart => mass_restart::measure(bench, report),
            Figure::Footprint => footprint::measure(bench, report),
            Figure::Pulse => pulse::measure(bench, report),
            Figure::Ping => ping::measure(bench, report),
            Figure::Request => request::measure(bench, report),
            Figure::Relay => relay::measure(bench, report),
            Figure::Fork => fork::measure(bench, report),
            Figure::Growth => growth::measure(bench, report),
            Figure::Channel => channel::measure(bench, report),
        }
    }
}

pub struct Options {
    pub rounds: u32,
    /// How long idleness is watched.
    pub seconds: u64,
    /// What to measure instead of a fresh build.
    pub extension: Option<PathBuf>,
    pub no_install: bool,
}

/// What a figure measures with.
struct Bench<'a> {
    repo: &'a Repo,
    rounds: u32,
    seconds: u64,
    php: Php,
    /// What the extension was built from, as far as we know.
    commit: Option<String>,
    shown: RefCell<BTreeSet<String>>,
}

impl Bench<'_> {
    /// A program of tests/bench.
    fn program(&self, name: &str) -> PathBuf {
        self.repo.path("tests/bench").join(name)
    }

    fn progress(&self, round: u32) {
        println!("round {} of {}", round + 1, self.rounds);
    }

    /// Prints a command as one would type it, the first time that it is run.
    fn show(&self, command: &Command) {
        let shown = run::show(command);
        if self.shown.borrow_mut().insert(shown.clone()) {
            println!("$ {shown}");
        }
    }
}

pub fn bench(repo: &Repo, figure: Option<Figure>, options: Options) -> Result {
    install::ensure(repo, For::Bench, options.no_install)?;
    let directory = repo.path("target/bench");
    fs::create_dir_all(&directory).context(directory.display())?;
    let lock = File::create(directory.join("lock")).context("create target/bench/lock")?;
    lock.try_lock().map_err(|_| "another bench is running in this checkout")?;
    let (extension, commit) = match options.extension {
        Some(given) => (fs::canonicalize(&given).context(given.display())?, None),
        None => {
            let commit = machine::commit(repo);
            build::build(repo)?;
            (repo.so(), commit)
        }
    };
    let php = Php::find(extension)?;
    let bench = Bench {
        repo,
        rounds: options.rounds,
        seconds: options.seconds,
        php,
        commit,
        shown: RefCell::default(),
    };
    let figures = figure.map_or(Figure::value_variants().to_vec(), |figure| vec![figure]);
    for figure in figures {
        run_one(&bench, figure, &directory)?;
    }
    Ok(())
}

fn run_one(bench: &Bench, figure: Figure, directory: &Path) -> Result {
    let name = figure.name();
    println!("\n{name}: {} rounds", bench.rounds);
    let mut report =
        Report::new(&name, bench.rounds, Machine::look(bench.repo, &bench.php, bench.commit.as_deref())?);
    figure.measure(bench, &mut report)?;
    report.finish()?;
    println!("\n{report}");
    let path = directory.join(format!("{name}.json"));
    build::replace(&path, report.json()?.as_bytes(), 0o644)?;
    println!("{name} -> {}", bench.repo.shown(&path));
    Ok(())
}
