//! Counting the system calls of a process that runs already: `strace -c`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::Bench;
use super::peer::{Program, unsupervised};
use crate::failure::{Context, Result};
use crate::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(60);

/// How often a process, all threads together, makes which system call while something is done. The call in which it is
/// found is counted too.
pub fn count<T>(
    bench: &Bench,
    pid: i32,
    act: impl FnOnce() -> Result<T>,
) -> Result<(BTreeMap<String, f64>, T)> {
    let file = tempfile::NamedTempFile::new().context("make a temporary file")?;
    let path = file.path().to_string_lossy().into_owned();
    let pid_word = pid.to_string();
    bench.show(&unsupervised(&["strace", "-c", "-f", "-p", "PID"]));
    let words = ["strace", "-q", "-c", "-f", "--summary-columns=calls,name", "-o", &path, "-p", &pid_word];
    let strace = Program::start(unsupervised(&words))?;
    eventually(PATIENCE, "strace is attached", || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(|why| why.to_string())?;
        let line = status.lines().find(|line| line.starts_with("TracerPid:")).unwrap_or_default();
        if line.ends_with("\t0") { Err(line.to_owned()) } else { Ok(()) }
    })?;
    let done = act()?;
    strace.terminate()?;
    let summary = fs::read_to_string(&path).context(&path)?;
    let calls = parse(&summary);
    if calls.is_empty() {
        return Err(format!("strace has counted nothing: {summary:?}").into());
    }
    Ok((calls, done))
}

fn parse(summary: &str) -> BTreeMap<String, f64> {
    let row = |line: &str| {
        let (calls, name) = line.trim().split_once(char::is_whitespace)?;
        let name = Some(name.trim()).filter(|name| *name != "total")?;
        Some((name.to_owned(), calls.parse().ok()?))
    };
    summary.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_a_row_for_each_call_and_a_total() {
        let summary = "    calls syscall\n--------- ----------------\n       12 read\n        3 epoll_wait\n\
            --------- ----------------\n       15 total\n";
        let expected = [("read".to_owned(), 12.0), ("epoll_wait".to_owned(), 3.0)];
        assert_eq!(parse(summary), BTreeMap::from(expected));
    }
}
