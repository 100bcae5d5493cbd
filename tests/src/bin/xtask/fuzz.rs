//! `cargo xtask fuzz [target] [--runs N] [--keep]`: libFuzzer on what clients and workers write to the sidecar, and on
//! damaged channels.
//!
//! # How it works
//! The targets and what they check are in fuzz/. cargo-fuzz builds them without a sanitizer: there is no unsafe code in what
//! the sidecar's run, and shared memory is not what one watches over; so the stable toolchain does; and without a hook in each comparison, which would cost more than
//! half of the speed and finds what fuzz/json.dict has anyway. Seeds are the golden frames, written to target/fuzz/seeds from
//! tests/fixtures, and fuzz/corpus. What a run finds new goes to target/fuzz/corpus, where the next one finds it;
//! `--keep` chooses anew from all of that what fuzz/corpus holds: files of at most [`KEPT_BYTES`] bytes which together
//! reach whatever is reached beyond the golden frames (libFuzzer's `-merge=1`, which prefers short ones).
//!
//! # What it says
//! One line per target. A finding is a file in fuzz/artifacts, with how to replay it; the verb fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustdaemon_tests::golden::{self, Step};

use crate::failure::{Context, Result};
use crate::install::{self, For};
use crate::repo::Repo;
use crate::run::{self, Done, run};

/// Longest case in bytes. The checks stretch some of them to the limits of length.
const CASE_BYTES: usize = 512;
/// Longest file in fuzz/corpus.
const KEPT_BYTES: usize = 256;
/// For finding: a case takes microseconds, so ten seconds are a hang; and a case is new when it reaches something new, not
/// when it reaches it more often: that reaches more in the same time, with a quarter of the files.
const OPTIONS: [&str; 4] = ["-timeout=10", "-use_counters=0", "-dict=fuzz/json.dict", "-print_final_stats=1"];
/// A target that takes longer is stuck elsewhere than in a case.
const WITHIN: Duration = Duration::from_secs(12 * 60 * 60);

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// A stream in pieces: a client's frames, a worker's lines, the frames of its link
    Split,
    /// A TYPED frame
    Typed,
    /// A FLAT frame
    Flat,
    /// A JSON-RPC frame, alone and in a batch
    Jsonrpc,
    /// A channel's memory that was written over, and a message
    Channel,
}

impl Target {
    const ALL: [Target; 5] = [Target::Split, Target::Typed, Target::Flat, Target::Jsonrpc, Target::Channel];

    fn name(self) -> &'static str {
        match self {
            Target::Split => "split",
            Target::Typed => "typed",
            Target::Flat => "flat",
            Target::Jsonrpc => "jsonrpc",
            Target::Channel => "channel",
        }
    }
}

pub fn fuzz(repo: &Repo, target: Option<Target>, runs: u64, keep: bool, no_install: bool) -> Result {
    install::ensure(repo, For::Fuzz, no_install)?;
    run(cargo_fuzz(repo, "build"))?;
    let mut found = Vec::new();
    for target in target.map_or(Target::ALL.to_vec(), |target| vec![target]) {
        let places = Places::of(repo, target)?;
        if !attack(repo, target, &places, runs)? {
            found.push(target.name());
        } else if keep {
            choose(repo, target, &places)?;
        }
    }
    if found.is_empty() { Ok(()) } else { Err(format!("fuzz: found something: {}", found.join(", ")).into()) }
}

/// Where a target's cases are.
struct Places {
    /// Golden, fresh from tests/fixtures.
    seeds: PathBuf,
    /// In the repository.
    kept: PathBuf,
    /// Of all runs in this checkout.
    work: PathBuf,
}

impl Places {
    fn of(repo: &Repo, target: Target) -> Result<Self> {
        let name = target.name();
        let places = Self {
            seeds: repo.path("target/fuzz/seeds").join(name),
            kept: repo.path("fuzz/corpus").join(name),
            work: repo.path("target/fuzz/corpus").join(name),
        };
        empty(&places.seeds)?;
        for place in [&places.kept, &places.work] {
            fs::create_dir_all(place).context(place.display())?;
        }
        for (number, seed) in seeds(repo, target).iter().enumerate() {
            let path = places.seeds.join(format!("golden-{number}"));
            fs::write(&path, seed).context(path.display())?;
        }
        Ok(places)
    }
}

fn empty(directory: &Path) -> Result {
    match fs::remove_dir_all(directory) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(why).context(directory.display()),
        _ => fs::create_dir_all(directory).context(directory.display()),
    }
}

/// The golden streams, or the golden frames, of all dialects: each dialect must withstand the others'. None for a channel:
/// its cases are drawn from a whole one.
fn seeds(repo: &Repo, target: Target) -> BTreeSet<Vec<u8>> {
    let mut seeds = BTreeSet::new();
    if target == Target::Channel {
        return seeds;
    }
    for exchange in golden::exchanges(&repo.path("tests/fixtures"), |_| true) {
        let writes = exchange.steps.into_iter().filter_map(|step| match step {
            Step::Write(bytes) => Some(bytes),
            _ => None,
        });
        let stream = writes.collect::<Vec<_>>().concat();
        match target {
            Target::Split => drop(seeds.insert(stream)),
            _ => seeds.extend(stream.split(|byte| *byte == b'\n').map(<[u8]>::to_vec)),
        }
    }
    seeds.retain(|seed| (1..=CASE_BYTES).contains(&seed.len()));
    seeds
}

/// Says in one line what came of so many cases; whether nothing was found.
fn attack(repo: &Repo, target: Target, places: &Places, runs: u64) -> Result<bool> {
    let name = target.name();
    let (runs, length) = (format!("-runs={runs}"), format!("-max_len={CASE_BYTES}"));
    let began = Instant::now();
    let done = libfuzzer(
        repo,
        target,
        [&places.work, &places.kept, &places.seeds],
        &[&[&*runs, &length][..], &OPTIONS].concat(),
    )?;
    let log = repo.path("target/fuzz").join(format!("{name}.log"));
    fs::write(&log, &done.stderr).context(log.display())?;
    let cases = said(&done.stderr, "stat::number_of_executed_units:").unwrap_or("?");
    let seconds = began.elapsed().as_secs();
    if done.status.success() {
        println!("{name}: clean: {cases} cases in {seconds} s");
        return Ok(true);
    }
    let written = said(&done.stderr, "Test unit written to").unwrap_or("(no file)");
    let written = repo.shown(Path::new(written)).to_string();
    let panic = done.stderr.lines().skip_while(|line| !line.contains("panicked at")).take(4);
    let what = panic.collect::<Vec<_>>().join("\n  ");
    println!(
        "{name}: FOUND after {cases} cases in {seconds} s: {written} ({}; all of it: {})\n  {what}\n\
         replay: {} {name} {written}\n\
         mended: cp {written} fuzz/corpus/{name}/, and the suite replays it: cargo xtask test rust what_fuzzing",
        run::ending(done.status),
        repo.shown(&log),
        run::show(&cargo_fuzz(repo, "run")),
    );
    Ok(false)
}

/// What follows these words in the log.
fn said<'a>(log: &'a str, words: &str) -> Option<&'a str> {
    log.lines().find_map(|line| Some(line.split_once(words)?.1.trim()))
}

/// Makes fuzz/corpus of what is there and what was found. What somebody has given a name stays.
fn choose(repo: &Repo, target: Target, places: &Places) -> Result {
    let chosen = repo.path("target/fuzz/chosen").join(target.name());
    empty(&chosen)?;
    let (old, named): (Vec<_>, Vec<_>) = files(&places.kept)?.into_iter().partition(|path| is_hash(path));
    // What is in the first directory is reached already.
    let given = [files(&places.seeds)?, named].concat();
    for path in &given {
        fs::copy(path, beside(path, &chosen)).context(path.display())?;
    }
    let length = format!("-max_len={KEPT_BYTES}");
    let options = ["-merge=1", "-use_counters=0", &length];
    libfuzzer(repo, target, [&chosen, &places.kept, &places.work], &options)?.success()?;
    for path in given.iter().map(|path| beside(path, &chosen)).chain(old) {
        fs::remove_file(&path).context(path.display())?;
    }
    let (mut bytes, kept) = (0, files(&chosen)?);
    for path in &kept {
        bytes += fs::copy(path, beside(path, &places.kept)).context(path.display())?;
    }
    println!("{}: kept: {} files, {bytes} bytes", target.name(), kept.len());
    Ok(())
}

/// A file of the same name there.
fn beside(path: &Path, directory: &Path) -> PathBuf {
    directory.join(path.file_name().unwrap_or_default())
}

/// Whether libFuzzer has named it: by its SHA-1.
fn is_hash(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).context(directory.display())?;
    entries.map(|entry| Ok(entry.context(directory.display())?.path())).collect()
}

/// Runs a target on directories of cases; new ones go to the first.
fn libfuzzer(repo: &Repo, target: Target, cases: [&PathBuf; 3], options: &[&str]) -> Result<Done> {
    let mut command = cargo_fuzz(repo, "run");
    command.arg(target.name()).args(cases.map(|path| repo.shown(path).to_string())).arg("--").args(options);
    println!("$ {}", run::show(&command));
    run::quietly(command, WITHIN)
}

/// The same for all of its verbs: what one has built is what the other runs.
fn cargo_fuzz(repo: &Repo, verb: &str) -> Command {
    let mut command = repo.command("cargo", ["fuzz", verb]);
    command.args(["--sanitizer=none", "--no-trace-compares", "--target-dir=target/fuzz"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_has_given_is_no_hash() {
        assert!(is_hash(Path::new("corpus/da39a3ee5e6b4b0d3255bfef95601890afd80709")));
        assert!(!is_hash(Path::new("corpus/an_id_of_twenty_digits")) && !is_hash(Path::new("crash-1")));
    }

    #[test]
    fn what_libfuzzer_says_is_found_in_its_log() {
        let log = "INFO: Seed: 7\n#2\tDONE   cov: 7\nstat::number_of_executed_units: 10000000\n\
                   artifact_prefix='./'; Test unit written to ./crash-1\n";
        assert_eq!(said(log, "stat::number_of_executed_units:"), Some("10000000"));
        assert_eq!(said(log, "Test unit written to"), Some("./crash-1"));
        assert_eq!(said(log, "stat::average"), None);
    }
}
