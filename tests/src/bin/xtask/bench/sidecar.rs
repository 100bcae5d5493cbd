//! A running sidecar: its workers, and what it says of them.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::Bench;
use super::peer::{Program, unsupervised};
use crate::failure::{Context, Result};
use crate::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(60);

/// Starts that never wait, and nobody is parked.
pub const AT_ONCE: &str = "--short-run=0s";

/// Where its lines go.
pub enum Lines {
    /// To us: [`Sidecar::ready`].
    Told,
    /// To a file: nobody has to be woken for each.
    Kept,
}

pub struct Sidecar {
    program: Program,
    directory: tempfile::TempDir,
}

impl Sidecar {
    /// Starts it and waits until all workers are idle.
    pub fn start(
        bench: &Bench,
        workers: usize,
        flags: &[&str],
        lines: &Lines,
        command: &[OsString],
    ) -> Result<Self> {
        Self::start_until(bench, workers, flags, lines, command, "idle")
    }

    /// Starts it and waits until all workers are in this state.
    pub fn start_until(
        bench: &Bench,
        workers: usize,
        flags: &[&str],
        lines: &Lines,
        command: &[OsString],
        state: &str,
    ) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("rd-").tempdir_in("/tmp").context("a directory")?;
        let output = match lines {
            Lines::Told => "2>&1",
            Lines::Kept => "2>\"$0\"",
        };
        let mut words: Vec<OsString> = vec!["sh".into(), "-c".into()];
        words.push(format!("exec \"$@\" {output}").into());
        words.extend([directory.path().join("log").into(), bench.repo.sidecar().into(), "run".into()]);
        words.extend(["--socket".into(), directory.path().join("s").into_os_string()]);
        words.extend(flags.iter().map(OsString::from));
        words.extend([format!("--workers={workers}").into(), "--".into()]);
        words.extend(command.iter().cloned());
        let sidecar = Self { program: Program::start(unsupervised(&words))?, directory };
        eventually(PATIENCE, &format!("{workers} workers are {state}"), || {
            match sidecar.workers_in(state).map_err(|why| why.to_string())?.len() {
                there if there == workers => Ok(()),
                there => Err(format!("{there}")),
            }
        })?;
        Ok(sidecar)
    }

    pub fn pid(&self) -> i32 {
        self.program.pid()
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    /// The processes of the workers that are idle.
    pub fn workers(&self) -> Result<Vec<i32>> {
        self.workers_in("idle")
    }

    pub fn workers_in(&self, state: &str) -> Result<Vec<i32>> {
        let status = self.ask("daemon.status")?;
        let workers = status["workers"].as_array().ok_or("no workers in daemon.status")?;
        let there = workers.iter().filter(|worker| worker["state"] == state);
        Ok(there.filter_map(|worker| worker["pid"].as_i64()?.try_into().ok()).collect())
    }

    /// Waits for the next worker that is ready: its process. With [`Lines::Told`].
    pub fn ready(&mut self) -> Result<i32> {
        loop {
            if let Some(pid) = ready(&self.program.line(PATIENCE)?) {
                return Ok(pid);
            }
        }
    }

    /// The times of day at which workers became ready so far, as its log has them. With [`Lines::Kept`].
    pub fn ready_times(&self) -> Result<Vec<Duration>> {
        let path = self.directory.path().join("log");
        let log = fs::read_to_string(&path).context(path.display())?;
        let times = log.lines().filter(|line| ready(line).is_some()).map(time_of_day);
        times.collect::<Option<_>>().ok_or_else(|| format!("a line without its time in {log}").into())
    }

    pub fn end(self) -> Result {
        self.program.terminate()
    }

    fn ask(&self, method: &str) -> Result<Value> {
        let mut stream = UnixStream::connect(self.socket()).context("connect to the sidecar")?;
        stream.set_read_timeout(Some(PATIENCE)).context("a timeout")?;
        let request = format!("{{\"id\":1,\"t\":\"req\",\"method\":\"{method}\",\"args\":[]}}\n");
        stream.write_all(request.as_bytes()).context("ask the sidecar")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).context("read the sidecar's answer")?;
        let mut answer: Value = serde_json::from_str(&line).map_err(|why| format!("{why}: {line}"))?;
        Ok(answer["data"].take())
    }
}

/// Ends a process as `kill -9` does.
pub fn kill_9(pid: i32) -> Result {
    kill(Pid::from_raw(pid), Signal::SIGKILL).map_err(std::io::Error::from).context("kill")
}

/// Programs of tests/src/bin, built in release.
pub fn built<const N: usize>(bench: &Bench, names: [&str; N]) -> Result<[PathBuf; N]> {
    let mut build = bench.repo.command("cargo", ["build", "--release", "-p", "rustdaemon-tests"]);
    build.args(names.iter().flat_map(|name| ["--bin", name]));
    crate::run::run(build)?;
    let mut paths = names.map(PathBuf::from);
    for path in &mut paths {
        *path = bench.repo.released(&path.to_string_lossy())?;
    }
    Ok(paths)
}

/// A command of one word.
pub fn alone(program: &Path) -> [OsString; 1] {
    [program.as_os_str().to_owned()]
}

/// `TIME INFO  rustdaemon: main#0 is ready (pid 7, after 42 ms)`
fn ready(line: &str) -> Option<i32> {
    let (pid, _) = line.split_once(" is ready (pid ")?.1.split_once(',')?;
    pid.parse().ok()
}

/// `2026-01-01T12:34:56.789Z INFO ...`
fn time_of_day(line: &str) -> Option<Duration> {
    let (_, time) = line.split_whitespace().next()?.trim_end_matches('Z').split_once('T')?;
    let mut parts = time.split(':').map(str::parse::<f64>);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    Some(Duration::from_secs_f64(hours * 3600.0 + minutes * 60.0 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_is_ready_and_when() {
        let line = "2026-01-01T12:34:56.789Z INFO  rustdaemon: main#0 is ready (pid 7, after 42 ms)";
        assert_eq!(ready(line), Some(7));
        assert_eq!(time_of_day(line), Some(Duration::from_millis(((12 * 60 + 34) * 60 + 56) * 1000 + 789)));
        assert_eq!(ready("2026-01-01T12:34:56.789Z INFO  rustdaemon: main#0 ended"), None);
    }
}
