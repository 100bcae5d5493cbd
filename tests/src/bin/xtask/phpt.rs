//! The phpt suite: PHP's own run-tests.php over tests/phpt, with the fresh extension and no php.ini.
//!
//! run-tests.php writes beside itself, so it runs as a copy in target/phpt, where it also leaves what failing tests
//! have printed. The verdicts come from the file it writes
//! for machines (`-W`), the reasons of skips from its output.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use crate::failure::{Context, Result};
use crate::repo::{self, Repo};
use crate::run;
use crate::tally::Tally;

const TESTS: &str = "tests/phpt";

pub fn phpt(repo: &Repo, filter: Option<&str>) -> Result<Tally> {
    let all = tests(&repo.path(TESTS))?;
    let chosen: Vec<&PathBuf> = match filter {
        None => all.iter().collect(),
        Some(filter) => all.iter().filter(|path| repo.shown(path).to_string().contains(filter)).collect(),
    };
    if chosen.is_empty() {
        return Ok(if filter.is_some() {
            Tally::default()
        } else {
            Tally::broken("phpt: no test in tests/phpt")
        });
    }

    let directory = repo.path("target/phpt");
    let left = directory.join("failed");
    let _ = fs::remove_dir_all(&left);
    fs::create_dir_all(&left).context("make target/phpt")?;
    let runner = directory.join("run-tests.php");
    fs::copy(repo::run_tests_php().ok_or("no run-tests.php")?, &runner).context("copy run-tests.php")?;
    let [list, results] = ["tests", "results"].map(|name| directory.join(name));
    let names: Vec<String> = chosen.iter().map(|path| path.display().to_string()).collect();
    fs::write(&list, names.join("\n") + "\n").context("write target/phpt/tests")?;
    let _ = fs::remove_file(&results);

    let php = repo::php().ok_or("no php in PATH")?;
    let parallel = format!("-j{}", thread::available_parallelism().map_or(1, usize::from));
    let extension = format!("extension={}", repo.so().display());
    let source = repo.path(TESTS);
    let [runner, list, results_arg, source, target] =
        [&runner, &list, &results, &source, &left].map(|path| path.display().to_string());
    #[rustfmt::skip]
    let mut command = repo.command(&php.to_string_lossy(), [
        "-n", &runner, "-q", "--no-color", "--no-progress", &parallel,
        "--temp-source", &source, "--temp-target", &target,
        "-n", "-d", &extension, "-W", &results_arg, "-r", &list,
    ]);
    command.env("TEST_PHP_EXECUTABLE", &php).env("TEST_PHP_SRCDIR", repo.path(""));
    let (status, output) = run::run_collecting(command)?;

    let written = fs::read_to_string(&results).unwrap_or_default();
    let tally = read_results(&written, &output, &names);
    for failed in
        written.lines().filter_map(|line| line.split_once('\t')).filter(|(verdict, _)| is_failure(verdict))
    {
        show_diff(repo, &left, Path::new(failed.1));
    }
    if !status.success() && tally.failed == 0 {
        return Ok(Tally::broken(format!("phpt: run-tests.php: {}", run::ending(status))));
    }
    Ok(tally)
}

fn is_failure(verdict: &str) -> bool {
    !matches!(verdict, "PASSED" | "SKIPPED")
}

/// `PASSED\t/path/x.phpt` per test. Whatever is neither passed nor skipped has failed, XFAIL and a pass at the second
/// try (`WARNED`) included; so has a test without a line.
fn read_results(results: &str, output: &[String], expected: &[String]) -> Tally {
    let mut tally = Tally::default();
    let verdicts: Vec<(&str, &str)> = results.lines().filter_map(|line| line.split_once('\t')).collect();
    for path in expected {
        let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
        match verdicts.iter().find(|(_, of)| of == path).map(|(verdict, _)| *verdict) {
            Some("PASSED") => tally.passed += 1,
            Some("SKIPPED") => tally.skips.push(format!("phpt {name}: {}", skip_reason(&name, output))),
            Some(verdict) => tally += Tally::broken(format!("phpt {name}: {verdict}")),
            None => tally += Tally::broken(format!("phpt {name}: run-tests.php gave no result")),
        }
    }
    tally
}

/// From `SKIP a sentence [phpt/name.phpt] reason: no php-cgi`.
fn skip_reason<'a>(name: &str, output: &'a [String]) -> &'a str {
    let line = output.iter().find(|line| line.starts_with("SKIP ") && line.contains(&format!("{name}]")));
    line.and_then(|line| line.split_once("] reason: ")).map_or("no reason given", |(_, reason)| reason.trim())
}

fn show_diff(repo: &Repo, left: &Path, test: &Path) {
    let tests = repo.path(TESTS);
    let diff = left.join(test.strip_prefix(tests).unwrap_or(test)).with_extension("diff");
    println!("---- {}", repo.shown(&diff));
    match fs::read_to_string(&diff) {
        Ok(text) => println!("{}", text.trim_end()),
        Err(why) => println!("{why}"),
    }
}

/// All .phpt files below a directory, sorted.
fn tests(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(place) = waiting.pop() {
        for entry in fs::read_dir(&place).context(place.display())? {
            let path = entry.context(place.display())?.path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "phpt") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
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
        let tally = read_results(results, &output, &expected.map(str::to_owned));
        assert_eq!(tally.to_string(), "1 passed, 4 failed, 1 skipped");
        assert_eq!(tally.skips, ["phpt c.phpt: no php-cgi"]);
        assert_eq!(tally.failures.last().unwrap(), "phpt f.phpt: run-tests.php gave no result");
    }
}
