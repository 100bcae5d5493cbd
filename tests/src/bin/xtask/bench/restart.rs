//! `restart`: from `kill -9` of a PHP worker until the next one is ready, beside a bare start of the same command until
//! install() has returned, and beside a supervisord that restarts it.
//!
//! # How it works
//! The three take turns, one start each. The sidecar's worker is ready when its log says so: after run() has been entered.
//! Without a sidecar the script says itself when install() has returned: under supervisord into a FIFO, because its
//! standard output would come late. All are timed by xtask. What the script loads are files that xtask has written.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::Bench;
use super::peer::{Program, unsupervised};
use super::report::{At, Report};
use super::sidecar::{AT_ONCE, Lines, Sidecar, kill_9};
use super::stats;
use crate::child::Guarded;
use crate::failure::{Context, Result};
use crate::{interrupt, run};

const STARTS: usize = 10;
const FILES: usize = 200;
const METHODS: usize = 40;
const CASE: &str = "a PHP worker that loads 200 files";
const WHAT: &str = "until it is up";
const OURS: &str = "rustdaemon";
const BARE: &str = "bare start";
const SUPERVISORD: &str = "supervisord";

/// At most so many bare starts.
const BOUND: f64 = 1.15;
const PATIENCE: Duration = Duration::from_secs(60);

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    let stage = tempfile::tempdir().context("a directory")?;
    write_files(stage.path())?;
    let script = bench.program("restart.php").into_os_string();
    let words = |says: &Path| {
        let arguments = [script.clone(), stage.path().into(), says.into()];
        bench.php.words(true, arguments)
    };
    let mut sidecar = Sidecar::start(bench, 1, &[AT_ONCE], &Lines::Told, &words(Path::new("php://stderr")))?;
    let mut pid = sidecar.ready()?;
    let mut supervisord = Supervisord::start(bench, stage.path(), &words)?;
    for round in 0..bench.rounds {
        bench.progress(round);
        let mut milliseconds = [(); 3].map(|()| Vec::new());
        for _ in 0..STARTS {
            interrupt::check()?;
            let [ours, bare, theirs] = &mut milliseconds;
            let begin = Instant::now();
            kill_9(pid)?;
            pid = sidecar.ready()?;
            ours.push(begin.elapsed().as_secs_f64() * 1e3);
            bare.push(bare_start(bench, &words(Path::new("php://stdout")))?);
            if let Some(supervisord) = &mut supervisord {
                theirs.push(supervisord.restart()?);
            }
        }
        for (peer, values) in [OURS, BARE, SUPERVISORD].into_iter().zip(milliseconds) {
            if let Some(median) = stats::median(&values) {
                report.note(At { case: CASE, peer, what: WHAT, unit: "ms" }, median);
            }
        }
    }
    sidecar.end()?;
    if supervisord.is_some() {
        report.compare(CASE, WHAT, [SUPERVISORD, BARE]);
    }
    report.check_compared(CASE, WHAT, [OURS, BARE], BOUND)
}

/// What a framework's classes are to PHP: many lines to compile, few to run.
fn write_files(directory: &Path) -> Result {
    for file in 0..FILES {
        let mut text = format!("<?php\n\nfinal class Loaded{file}\n{{\n");
        for method in 0..METHODS {
            let _ = writeln!(
                text,
                "    /** {method} */\n    public function method{method}(array $values, int $by = {method}): array\n    {{\n        \
                 return array_map(static fn (int $value): int => $value * $by + {file}, array_filter($values));\n    }}\n"
            );
        }
        fs::write(directory.join(format!("Loaded{file}.php")), text + "}\n").context("write a PHP file")?;
    }
    Ok(())
}

fn bare_start(bench: &Bench, words: &[OsString]) -> Result<f64> {
    let mut command = unsupervised(words);
    command.env("RUSTDAEMON", "off");
    bench.show(&command);
    let begin = Instant::now();
    let mut program = Program::start(command)?;
    program.line(PATIENCE)?;
    let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
    program.end(PATIENCE)?;
    Ok(milliseconds)
}

/// One program under it, which says in a FIFO that it is up.
struct Supervisord {
    lines: Receiver<String>,
    pid: i32,
    _process: Guarded,
}

impl Supervisord {
    /// `None`: it is not installed.
    fn start(bench: &Bench, stage: &Path, words: &impl Fn(&Path) -> Vec<OsString>) -> Result<Option<Self>> {
        let python = bench.repo.python();
        if !run::answers(&python, &["-I", "-c", "import supervisor"]) {
            println!("supervisord is not in target/venv and is left out; cargo xtask demo installs it");
            return Ok(None);
        }
        let fifo = stage.join("up");
        mkfifo(&fifo, Mode::S_IRWXU).map_err(std::io::Error::from).context("mkfifo")?;
        let both = File::options().read(true).write(true).open(&fifo).context("open the FIFO")?; // no end of file
        let command: Vec<String> =
            words(&fifo).iter().map(|word| format!("\"{}\"", word.to_string_lossy())).collect();
        let conf = stage.join("supervisord.conf");
        let text = format!(
            "[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={}\n\
             [program:bench]\ncommand={}\nenvironment=RUSTDAEMON=\"off\"\nautorestart=true\nstartsecs=0\n",
            stage.join("supervisord.pid").display(),
            command.join(" ").replace('%', "%%")
        );
        fs::write(&conf, text).context("write supervisord.conf")?;
        let mut command = unsupervised(&[python.as_os_str()]);
        command.args(["-I", "-m", "supervisor.supervisord", "-n", "-s", "-c"]).arg(conf);
        command.stderr(std::process::Stdio::null());
        bench.show(&command);
        let process = Guarded::spawn(command)?;
        let mut started = Self { lines: run::lines_of(both), pid: 0, _process: process };
        started.up()?;
        Ok(Some(started))
    }

    fn restart(&mut self) -> Result<f64> {
        let begin = Instant::now();
        kill_9(self.pid)?;
        self.up()?;
        Ok(begin.elapsed().as_secs_f64() * 1e3)
    }

    fn up(&mut self) -> Result {
        let line = self.lines.recv_timeout(PATIENCE).map_err(|_| "supervisord's program is not up")?;
        self.pid = line.strip_prefix("up ").and_then(|pid| pid.parse().ok()).ok_or(line)?;
        Ok(())
    }
}
