//! The php suite: PHPUnit over php/tests, without the extension, which only the workers of its sidecars have. What
//! php/tests/Contract says of the extension and of its polyfill runs once more, with the extension.
//!
//! The verdicts come from the file that PHPUnit writes for machines (`--log-teamcity`). Versions 9.6 and 13 have run it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Context, Result};
use crate::repo::{self, Repo};
use crate::run;
use crate::tally::Tally;

/// What the suite runs with.
pub struct Setting {
    /// In front of the tests' names in the tally.
    pub name: &'static str,
    pub php: PathBuf,
    /// As that PHP finds it.
    pub phpunit: PathBuf,
    /// What only this version of it knows.
    pub options: &'static [&'static str],
    /// The extension, for that PHP.
    pub so: PathBuf,
}

impl Setting {
    /// The PHP and the PHPUnit in PATH with what `cargo xtask build` has made.
    pub fn of_system(repo: &Repo, name: &'static str) -> Result<Self> {
        Ok(Self {
            name,
            php: repo::php().ok_or("no php in PATH")?,
            phpunit: run::which("phpunit").ok_or("no phpunit in PATH")?,
            options: &[],
            so: repo.so(),
        })
    }
}

/// All of it.
pub fn phpunit(repo: &Repo, setting: &Setting, filter: Option<&str>) -> Result<Tally> {
    let extension = format!("extension={}", setting.so.display());
    let mut tally = once(repo, setting, "", &[], &[], filter)?;
    let contract = ["--testsuite", "contract"];
    tally += once(repo, setting, " with the extension", &["-d", &extension], &contract, filter)?;
    Ok(tally)
}

/// What lies in one directory.
pub fn directory(repo: &Repo, setting: &Setting, tests: &str, filter: Option<&str>) -> Result<Tally> {
    once(repo, setting, "", &[], &[tests], filter)
}

fn once(
    repo: &Repo,
    setting: &Setting,
    way: &str,
    options: &[&str],
    chosen: &[&str],
    filter: Option<&str>,
) -> Result<Tally> {
    let log = log(repo, setting)?;
    let mut command = repo.command(&setting.php.to_string_lossy(), []);
    command.args(options).arg(&setting.phpunit).args(setting.options);
    command.args(["--do-not-cache-result", "--configuration", "php/phpunit.xml"]).args(chosen);
    if let Some(filter) = filter {
        command.args(["--filter", filter]);
    }
    command.arg("--log-teamcity").arg(log.path());
    command.env("RUSTDAEMON_SO", &setting.so).env("RUSTDAEMON_BIN", repo.sidecar());
    let (status, _) = run::run_collecting(command)?;
    let written = fs::read_to_string(log.path()).context("what PHPUnit has written")?;
    Ok(read_teamcity(&format!("{}{way}", setting.name), &written, &run::ending(status), filter.is_some()))
}

/// In the checkout: a PHPUnit in a chroot sees that.
fn log(repo: &Repo, setting: &Setting) -> Result<tempfile::NamedTempFile> {
    let target = repo.path("target");
    let directory: &Path = &target;
    let prefix = format!("{}-", setting.name);
    tempfile::Builder::new().prefix(&prefix).tempfile_in(directory).context(directory.display())
}

/// Reads `##teamcity[testFailed name='it_works' message='...']`. A test that was neither finished nor skipped has ended
/// PHPUnit. `ending` is how PHPUnit has ended; `filtered` allows that nothing ran.
fn read_teamcity(suite: &str, log: &str, ending: &str, filtered: bool) -> Tally {
    let mut tally = Tally::default();
    let mut started = 0_usize;
    let mut finished = 0_usize;
    for line in log.lines() {
        let Some((event, attributes)) =
            line.strip_prefix("##teamcity[").and_then(|line| line.split_once(' '))
        else {
            continue;
        };
        let name = || attribute(attributes, "name");
        match event {
            "testStarted" => started += 1,
            "testFinished" => finished += 1,
            "testFailed" => {
                tally.failed += 1;
                tally.failures.push(format!("{suite} {}", name()));
            }
            "testIgnored" => {
                let reason = attribute(attributes, "message");
                tally.skips.push(format!("{suite} {}: {reason}", name()));
            }
            _ => {}
        }
    }
    tally.passed = finished.saturating_sub(tally.failed + tally.skips.len());
    if started > finished {
        tally += Tally::broken(format!("{suite}: PHPUnit ended in a test: {ending}"));
    } else if ending != "exit 0" && tally.failed == 0 {
        tally += Tally::broken(format!("{suite}: PHPUnit: {ending}"));
    } else if !filtered && tally.ran() == 0 {
        tally += Tally::broken(format!("{suite}: no test ran"));
    }
    tally
}

/// The value of `name='value'`, up to its first quote that is not escaped, as it stands there.
fn attribute<'a>(attributes: &'a str, name: &str) -> &'a str {
    let value = attributes.split_once(&format!("{name}='")).map_or("", |(_, value)| value);
    let end = value.match_indices('\'').map(|(at, _)| at).find(|at| !value[..*at].ends_with('|'));
    &value[..end.unwrap_or(value.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "##teamcity[testCount count='3' flowId='7']
##teamcity[testStarted name='a' locationHint='php_qn://x::a' flowId='7']
##teamcity[testFinished name='a' duration='2' flowId='7']
##teamcity[testStarted name='b' flowId='7']
##teamcity[testFailed name='b' message='it|'s wrong' details='' flowId='7']
##teamcity[testFinished name='b' duration='0' flowId='7']
##teamcity[testStarted name='c with |'x|'' flowId='7']
##teamcity[testIgnored name='c with |'x|'' message='no pcntl' details='' flowId='7']
##teamcity[testFinished name='c with |'x|'' duration='0' flowId='7']
";

    #[test]
    fn every_test_is_counted_once() {
        let tally = read_teamcity("php", LOG, "exit 1", false);
        assert_eq!(tally.to_string(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(tally.failures, ["php b"]);
        assert_eq!(tally.skips, ["php c with |'x|': no pcntl"]);
    }

    #[test]
    fn an_end_in_a_test_a_bad_end_and_no_test_are_failures() {
        let cut = LOG.lines().take(4).collect::<Vec<_>>().join("\n");
        assert_eq!(read_teamcity("php", &cut, "exit 255", false).failed, 1);
        let good = LOG.lines().take(3).collect::<Vec<_>>().join("\n");
        assert_eq!(read_teamcity("php", &good, "exit 0", false).failed, 0);
        assert_eq!(read_teamcity("php", &good, "exit 2", false).failed, 1);
        assert_eq!(read_teamcity("php", "", "exit 0", false).failed, 1);
        assert_eq!(read_teamcity("php", "", "exit 0", true).failed, 0);
    }
}
