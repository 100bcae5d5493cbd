//! The phpt suite: PHP's own run-tests.php over tests/phpt, with the fresh extension and no php.ini.
//!
//! run-tests.php writes beside itself and beside each test, so it runs over copies in target/phpt/PID/NAME: two runs at once
//! leave each other alone, and the checkout stays clean. What failing tests have printed stays there until the next run.
//! The verdicts come from the file that it writes for machines (`-W`), the reasons of skips from its output.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use crate::failure::{Context, Result};
use crate::repo::{self, Repo};
use crate::run;
use crate::tally::Tally;

const TESTS: &str = "tests/phpt";
/// Read by a test.
const FIXTURES: &str = "tests/fixtures";

/// What the suite runs with.
pub struct Setting {
    /// In front of the tests' names in the tally.
    pub name: &'static str,
    /// The PHP that runs run-tests.php.
    pub runner: PathBuf,
    /// The PHP that runs the tests.
    pub php: PathBuf,
    pub run_tests: PathBuf,
    /// The extension, for that PHP.
    pub so: PathBuf,
    pub environment: Vec<(&'static str, &'static str)>,
    /// Why a test with this text cannot run here.
    pub leave_out: fn(&str) -> Option<&'static str>,
}

impl Setting {
    /// The PHP in PATH with what `cargo xtask build` has made.
    pub fn of_system(repo: &Repo, name: &'static str) -> Result<Self> {
        let php = repo::php().ok_or("no php in PATH")?;
        Ok(Self {
            name,
            runner: php.clone(),
            php,
            run_tests: repo::run_tests_php().ok_or("no run-tests.php")?,
            so: repo.so(),
            environment: Vec::new(),
            leave_out: |_| None,
        })
    }
}

pub fn phpt(repo: &Repo, setting: &Setting, filter: Option<&str>) -> Result<Tally> {
    let directory = directory_of_this_run(repo, setting.name)?;
    let copies = directory.join(TESTS);
    copy_tree(&repo.path(TESTS), &copies)?;
    copy_tree(&repo.path(FIXTURES), &directory.join(FIXTURES))?;
    let mut chosen = repo::files_below(&copies, "phpt")?;
    let is_chosen = |path: &PathBuf| filter.is_none_or(|filter| path.to_string_lossy().contains(filter));
    chosen.retain(is_chosen);
    if chosen.is_empty() {
        return Ok(match filter {
            Some(_) => Tally::default(),
            None => Tally::broken(format!("{}: no test in tests/phpt", setting.name)),
        });
    }
    let left_out = leave_out(setting, &mut chosen)?;
    if chosen.is_empty() {
        return Ok(left_out);
    }

    let runner = directory.join("run-tests.php");
    fs::copy(&setting.run_tests, &runner).context(setting.run_tests.display())?;
    let [list, results] = ["list", "results"].map(|name| directory.join(name));
    let names: Vec<String> = chosen.iter().map(|path| path.display().to_string()).collect();
    fs::write(&list, names.join("\n") + "\n").context(list.display())?;

    let parallel = format!("-j{}", thread::available_parallelism().map_or(1, usize::from));
    let extension = format!("extension={}", setting.so.display());
    let [runner, list, results_arg] = [&runner, &list, &results].map(|path| path.display().to_string());
    #[rustfmt::skip]
    let mut command = repo.command(&setting.runner.to_string_lossy(), [
        "-n", &runner, "-q", "--no-color", "--no-progress", &parallel,
        "-n", "-d", &extension, "-W", &results_arg, "-r", &list,
    ]);
    command.env("TEST_PHP_EXECUTABLE", &setting.php).env("TEST_PHP_SRCDIR", repo.path(""));
    command.envs(setting.environment.iter().copied());
    let (status, output) = run::run_collecting(command)?;

    let written = fs::read_to_string(&results).unwrap_or_default();
    let mut tally = read_results(setting.name, &written, &output, &names);
    tally += left_out;
    for failed in
        written.lines().filter_map(|line| line.split_once('\t')).filter(|(verdict, _)| is_failure(verdict))
    {
        show_diff(repo, Path::new(failed.1));
    }
    if !status.success() && tally.failed == 0 {
        return Ok(Tally::broken(format!("{}: run-tests.php: {}", setting.name, run::ending(status))));
    }
    if tally.failed == 0 {
        fs::remove_dir_all(&directory).context(directory.display())?;
        if let Some(of_all_settings) = directory.parent() {
            let _ = fs::remove_dir(of_all_settings); // unless another setting has left something
        }
    }
    Ok(tally)
}

/// Takes away what the setting leaves out; returns it as skips.
fn leave_out(setting: &Setting, chosen: &mut Vec<PathBuf>) -> Result<Tally> {
    let mut left_out = Tally::default();
    let mut kept = Vec::new();
    for path in chosen.drain(..) {
        let bytes = fs::read(&path).context(path.display())?;
        match (setting.leave_out)(&String::from_utf8_lossy(&bytes)) {
            None => kept.push(path),
            Some(reason) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                left_out.skips.push(format!("{} {name}: {reason}", setting.name));
            }
        }
    }
    *chosen = kept;
    Ok(left_out)
}

fn is_failure(verdict: &str) -> bool {
    !matches!(verdict, "PASSED" | "SKIPPED")
}

/// `PASSED\t/path/x.phpt` per test. Whatever is neither passed nor skipped has failed, XFAIL and a pass at the second
/// try (`WARNED`) included; so has a test without a line.
fn read_results(suite: &str, results: &str, output: &[String], expected: &[String]) -> Tally {
    let mut tally = Tally::default();
    let verdicts: Vec<(&str, &str)> = results.lines().filter_map(|line| line.split_once('\t')).collect();
    for path in expected {
        let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
        match verdicts.iter().find(|(_, of)| of == path).map(|(verdict, _)| *verdict) {
            Some("PASSED") => tally.passed += 1,
            Some("SKIPPED") => tally.skips.push(format!("{suite} {name}: {}", skip_reason(&name, output))),
            Some(verdict) => tally += Tally::broken(format!("{suite} {name}: {verdict}")),
            None => tally += Tally::broken(format!("{suite} {name}: run-tests.php gave no result")),
        }
    }
    tally
}

/// From `SKIP a sentence [phpt/name.phpt] reason: no php-cgi`.
fn skip_reason<'a>(name: &str, output: &'a [String]) -> &'a str {
    let line = output.iter().find(|line| line.starts_with("SKIP ") && line.contains(&format!("{name}]")));
    line.and_then(|line| line.split_once("] reason: ")).map_or("no reason given", |(_, reason)| reason.trim())
}

fn show_diff(repo: &Repo, test: &Path) {
    let diff = test.with_extension("diff");
    println!("---- {}", repo.shown(&diff));
    match fs::read_to_string(&diff) {
        Ok(text) => println!("{}", text.trim_end()),
        Err(why) => println!("{why}"),
    }
}

/// target/phpt/PID/NAME, new; those of runs that have ended are removed.
fn directory_of_this_run(repo: &Repo, name: &str) -> Result<PathBuf> {
    let all = repo.path("target/phpt");
    fs::create_dir_all(&all).context(all.display())?;
    for entry in fs::read_dir(&all).context(all.display())? {
        let path = entry.context(all.display())?.path();
        let pid = path.file_name().unwrap_or_default();
        if !Path::new("/proc").join(pid).exists() {
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
    Ok(all.join(std::process::id().to_string()).join(name))
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).context(to.display())?;
    for entry in fs::read_dir(from).context(from.display())? {
        let path = entry.context(from.display())?.path();
        let copy = to.join(path.file_name().unwrap_or_default());
        match path.is_dir() {
            true => copy_tree(&path, &copy)?,
            false => drop(fs::copy(&path, &copy).context(path.display())?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_gets_a_verdict() {
        let results = "PASSED\t/t/a.phpt\nFAILED\t/t/b.phpt\nSKIPPED\t/t/c.phpt\nWARNED\t/t/d.phpt\nXFAILED\t/t/e.phpt\n";
        let output = [
            "PASS one thing holds [phpt/a.phpt] ".to_owned(),
            "SKIP another thing holds [phpt/c.phpt] reason: no php-cgi".to_owned(),
        ];
        let expected = ["/t/a.phpt", "/t/b.phpt", "/t/c.phpt", "/t/d.phpt", "/t/e.phpt", "/t/f.phpt"];
        let tally = read_results("phpt", results, &output, &expected.map(str::to_owned));
        assert_eq!(tally.to_string(), "1 passed, 4 failed, 1 skipped");
        assert_eq!(tally.skips, ["phpt c.phpt: no php-cgi"]);
        assert_eq!(tally.failures.last().unwrap(), "phpt f.phpt: run-tests.php gave no result");
    }
}
