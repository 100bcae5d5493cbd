//! Counting: what a suite's output says about passed, failed and skipped tests.

use std::fmt;
use std::ops::AddAssign;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: usize,
    pub failed: usize,
    /// What was skipped and why, one line each.
    pub skips: Vec<String>,
    /// What failed, and what went wrong with the suite itself.
    pub failures: Vec<String>,
}

impl Tally {
    /// A suite that did not do its work counts as one failure.
    pub fn broken(why: impl Into<String>) -> Self {
        Self { failed: 1, failures: vec![why.into()], ..Self::default() }
    }

    pub fn ran(&self) -> usize {
        self.passed + self.failed
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skips.extend(other.skips);
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skips.len())
    }
}

/// Reads what `cargo test` prints on its standard output: the harness of Rust's standard library, once per binary.
/// `succeeded` is how cargo has ended; `filtered` allows that nothing ran.
pub fn read_cargo_test(suite: &str, lines: &[String], succeeded: bool, filtered: bool) -> Tally {
    let mut tally = Tally::default();
    let mut results = 0;
    for line in lines {
        if let Some(counts) = line.strip_prefix("test result: ").and_then(read_result) {
            tally.passed += counts.passed;
            tally.failed += counts.failed;
            results += 1;
        } else if let Some((name, verdict)) =
            line.strip_prefix("test ").and_then(|line| line.split_once(" ... "))
        {
            if let Some(reason) = verdict.strip_prefix("ignored") {
                let reason = reason.trim_start_matches([',', ' ']);
                let reason = if reason.is_empty() { "no reason given" } else { reason };
                tally.skips.push(format!("{suite} {name}: {reason}"));
            } else if verdict == "FAILED" {
                tally.failures.push(format!("{suite} {name}"));
            }
        }
    }
    if results == 0 {
        tally += Tally::broken(format!("{suite}: no test binary gave a result"));
    } else if !succeeded && tally.failed == 0 {
        tally += Tally::broken(format!("{suite}: cargo test failed, but no test did: a test binary crashed"));
    } else if !filtered && tally.ran() == 0 {
        tally += Tally::broken(format!("{suite}: no test ran"));
    }
    tally
}

struct Counts {
    passed: usize,
    failed: usize,
}

/// `ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
fn read_result(line: &str) -> Option<Counts> {
    let (_, counts) = line.split_once(". ")?;
    let count = |name: &str| {
        let part = counts.split("; ").find_map(|part| part.strip_suffix(name))?;
        part.trim().parse().ok()
    };
    Some(Counts { passed: count("passed")?, failed: count("failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    const TWO: &str = "running 2 tests
test a::b ... ok
test a::c ... ignored, needs two machines
test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s
running 2 tests
test d - should panic ... ok
test e ... FAILED
test f ... ignored
test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";

    #[test]
    fn result_lines_are_summed_and_skips_have_reasons() {
        let tally = read_cargo_test("e2e", &lines(TWO), false, false);
        assert_eq!(tally.to_string(), "2 passed, 1 failed, 2 skipped");
        assert_eq!(tally.skips, ["e2e a::c: needs two machines", "e2e f: no reason given"]);
        assert_eq!(tally.failures, ["e2e e"]);
    }

    #[test]
    fn a_crash_is_a_failure() {
        let crashed =
            "test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s";
        let tally = read_cargo_test("rust", &lines(crashed), false, false);
        assert_eq!(tally.to_string(), "4 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn no_result_is_a_failure_also_when_cargo_is_happy() {
        assert_eq!(read_cargo_test("rust", &[], true, true).failed, 1);
        assert_eq!(read_cargo_test("rust", &[], false, false).failed, 1);
    }

    #[test]
    fn nothing_ran_is_a_failure_unless_there_was_a_filter() {
        let empty =
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s";
        assert_eq!(read_cargo_test("rust", &lines(empty), true, false).failed, 1);
        assert_eq!(read_cargo_test("rust", &lines(empty), true, true).failed, 0);
    }
}
