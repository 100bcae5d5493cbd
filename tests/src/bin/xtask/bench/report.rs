//! What a figure has measured: a table for people, JSON for programs.

use std::fmt;

use serde::Serialize;

use super::machine::{self, Machine};
use super::peer::Peer;
use super::stats::{self, Summary};
use crate::failure::Result;

/// The peer of values that are ours by theirs.
pub const RATIO: &str = "rustdaemon / pcntl";

/// What a value is about.
#[derive(Clone, Copy)]
pub struct At<'a> {
    pub case: &'a str,
    pub peer: &'a str,
    pub what: &'a str,
    pub unit: &'a str,
}

#[derive(Serialize)]
pub struct Report {
    name: String,
    rounds: u32,
    machine: Machine,
    /// The load averages when measuring had ended.
    load_after: Option<[f64; 3]>,
    series: Vec<Series>,
    checks: Vec<Check>,
}

/// One value a round.
#[derive(Serialize)]
struct Series {
    case: String,
    peer: String,
    what: String,
    unit: String,
    summary: Option<Summary>,
    values: Vec<f64>,
}

/// A bound, or something that must be so; it is reported and decides nothing.
#[derive(Serialize)]
struct Check {
    what: String,
    bound: String,
    measured: String,
    holds: bool,
}

impl Report {
    pub fn new(name: &str, rounds: u32, machine: Machine) -> Self {
        Self {
            name: name.to_owned(),
            rounds,
            machine,
            load_after: None,
            series: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// A round's value. Series stand in the order in which they were first met.
    pub fn note(&mut self, at: At, value: f64) {
        let known = self.series.iter_mut().find(|series| series.is(at.case, at.peer, at.what));
        match known {
            Some(series) => series.values.push(value),
            None => self.series.push(Series {
                case: at.case.to_owned(),
                peer: at.peer.to_owned(),
                what: at.what.to_owned(),
                unit: at.unit.to_owned(),
                summary: None,
                values: vec![value],
            }),
        }
    }

    pub fn check(&mut self, what: &str, bound: &str, measured: &str, holds: bool) {
        let [what, bound, measured] = [what, bound, measured].map(str::to_owned);
        self.checks.push(Check { what, bound, measured, holds });
    }

    /// Notes for each round what part of pcntl's value ours is.
    pub fn ratio(&mut self, case: &str, what: &str) {
        let [ours, theirs] =
            [Peer::Rustdaemon, Peer::Pcntl].map(|peer| self.values(case, peer.name(), what).to_vec());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            self.note(At { case, peer: RATIO, what, unit: "" }, ours / theirs);
        }
    }

    /// Whether the median of these ratios is within a bound.
    pub fn check_ratio(&mut self, case: &str, what: &str, bound: f64) -> Result {
        let ratio = self.median(case, RATIO, what)?;
        let sentence = format!("{case}: {what}, {RATIO}");
        self.check(&sentence, &format!("<= {bound}"), &format!("{ratio:.3}"), ratio <= bound);
        Ok(())
    }

    /// Notes for each round how many times theirs ours is.
    pub fn compare(&mut self, case: &str, what: &str, peers: [&str; 2]) {
        let [ours, theirs] = peers.map(|peer| self.values(case, peer, what).to_vec());
        let peer = peers.join(" / ");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            self.note(At { case, peer: &peer, what, unit: "" }, ours / theirs);
        }
    }

    /// The same, and whether the median is within a bound.
    pub fn check_compared(&mut self, case: &str, what: &str, peers: [&str; 2], bound: f64) -> Result {
        self.compare(case, what, peers);
        let peer = peers.join(" / ");
        let ratio = self.median(case, &peer, what)?;
        let sentence = format!("{case}: {what}, {peer}");
        self.check(&sentence, &format!("<= {bound}"), &format!("{ratio:.3}"), ratio <= bound);
        Ok(())
    }

    /// The same where more is better.
    pub fn check_at_least(&mut self, case: &str, what: &str, peers: [&str; 2], bound: f64) -> Result {
        self.compare(case, what, peers);
        let peer = peers.join(" / ");
        let ratio = self.median(case, &peer, what)?;
        let sentence = format!("{case}: {what}, {peer}");
        self.check(&sentence, &format!(">= {bound}"), &format!("{ratio:.3}"), ratio >= bound);
        Ok(())
    }

    pub fn median(&self, case: &str, peer: &str, what: &str) -> Result<f64> {
        let median = stats::median(self.values(case, peer, what));
        median.ok_or_else(|| format!("{case}, {peer}, {what}: nothing was measured").into())
    }

    /// In how many rounds the value was this one.
    pub fn rounds_with(&self, case: &str, peer: &str, what: &str, value: f64) -> u32 {
        self.values(case, peer, what).iter().map(|measured| u32::from(*measured == value)).sum()
    }

    fn values(&self, case: &str, peer: &str, what: &str) -> &[f64] {
        self.series.iter().find(|series| series.is(case, peer, what)).map_or(&[], |series| &series.values)
    }

    /// Everything has been measured.
    pub fn finish(&mut self) -> Result {
        self.load_after = Some(machine::load_now()?);
        for series in &mut self.series {
            series.summary = Summary::of(&series.values);
        }
        Ok(())
    }

    pub fn json(&self) -> Result<String> {
        let json = serde_json::to_string_pretty(self).map_err(|why| why.to_string())?;
        Ok(json + "\n")
    }
}

impl Series {
    fn is(&self, case: &str, peer: &str, what: &str) -> bool {
        (self.case.as_str(), self.peer.as_str(), self.what.as_str()) == (case, peer, what)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(f, "{}, {} rounds, {}, commit {}", self.name, self.rounds, machine.date, machine.commit)?;
        writeln!(
            f,
            "{}, {} cores; Linux {}; PHP {}",
            machine.cpu, machine.cores, machine.kernel, machine.php
        )?;
        let after = self.load_after.map_or(String::new(), |[now, ..]| format!(", {now:.2} at the end"));
        writeln!(f, "load average {:.2} at the start{after}\n", machine.load[0])?;
        write!(f, "{}", table(&self.rows()))?;
        for check in &self.checks {
            let verdict = if check.holds { "holds" } else { "DOES NOT HOLD" };
            writeln!(f, "{}: {} (bound {}): {verdict}", check.what, check.measured, check.bound)?;
        }
        Ok(())
    }
}

impl Report {
    /// With what repeats the line above left out.
    fn rows(&self) -> Vec<[String; 9]> {
        let head = ["case", "peer", "what", "median", "min", "q1", "q3", "max", ""].map(str::to_owned);
        let mut rows = vec![head];
        let mut above = [""; 2];
        let mut sorted: Vec<&Series> = self.series.iter().collect();
        let order = |series: &Series| {
            let first = |fits: &dyn Fn(&Series) -> bool| self.series.iter().position(fits);
            let case = first(&|other| other.case == series.case);
            (case, first(&|other| (&other.case, &other.peer) == (&series.case, &series.peer)))
        };
        sorted.sort_by_key(|series| order(series));
        for series in sorted {
            let Some(summary) = series.summary else { continue };
            let here = [series.case.as_str(), series.peer.as_str()];
            let case = if here[0] == above[0] { "" } else { here[0] };
            let peer = if here == above { "" } else { here[1] };
            let Summary { median, min, q1, q3, max } = summary;
            let [median, min, q1, q3, max] = [median, min, q1, q3, max].map(number);
            let [case, peer, what, unit] = [case, peer, &series.what, &series.unit].map(str::to_owned);
            rows.push([case, peer, what, median, min, q1, q3, max, unit]);
            above = here;
        }
        rows
    }
}

/// Words to the left, numbers to the right.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let is_number = |column: usize| (3..8).contains(&column);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if is_number(column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// `100 000`, `1 234.5`, `0.412`: so many digits as can mean something.
pub fn number(value: f64) -> String {
    let size = value.abs();
    let digits = if value.fract() == 0.0 || size >= 10_000.0 {
        0
    } else if size >= 100.0 {
        1
    } else if size >= 10.0 {
        2
    } else {
        3
    };
    let plain = format!("{value:.digits$}");
    let (whole, rest) = plain.split_once('.').map_or((plain.as_str(), ""), |(whole, rest)| (whole, rest));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{grouped}{point}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let machine = Machine {
            date: "2026-01-01T00:00:00Z".into(),
            cpu: "a cpu".into(),
            cores: 2,
            load: [0.5, 0.0, 0.0],
            kernel: "6.1".into(),
            php: "8.2 NTS".into(),
            valgrind: "3".into(),
            commit: "abc".into(),
            extension: "target/php/rustdaemon.so".into(),
        };
        Report::new("signal-cost", 3, machine)
    }

    fn at<'a>(peer: &'a str, what: &'a str) -> At<'a> {
        At { case: "c", peer, what, unit: "µs" }
    }

    #[test]
    fn numbers_are_grouped_and_have_few_digits() {
        let shown = [0.0, 100_000.0, -1_234_567.0, 999.0, 1_234.56, 12.345, 0.41234, -0.5].map(number);
        assert_eq!(shown, ["0", "100 000", "-1 234 567", "999", "1 234.6", "12.35", "0.412", "-0.500"]);
    }

    #[test]
    fn the_table_has_a_line_for_each_series_and_says_nothing_twice() {
        let mut report = report();
        for value in [1.0, 3.0, 2.0] {
            report.note(at("rustdaemon", "a"), value);
            report.note(at("pcntl", "a"), 10.0 * value);
            report.note(at("rustdaemon", "b"), 100_000.0);
        }
        report.finish().unwrap();
        let table = table(&report.rows());
        let expected = "case  peer        what   median      min       q1       q3      max\n\
            c     rustdaemon  a           2        1    1.500    2.500        3  µs\n\
            \x20                 b     100 000  100 000  100 000  100 000  100 000  µs\n\
            \x20     pcntl       a          20       10       15       25       30  µs\n";
        assert_eq!(table, expected);
    }

    #[test]
    fn a_ratio_is_taken_round_by_round_and_its_median_is_checked() {
        let mut report = report();
        for (ours, theirs) in [(1.0, 2.0), (30.0, 100.0), (8.0, 10.0)] {
            report.note(at("rustdaemon", "a"), ours);
            report.note(at("pcntl", "a"), theirs);
        }
        report.ratio("c", "a");
        report.check_ratio("c", "a", 0.5).unwrap();
        report.check_ratio("c", "a", 0.4).unwrap();
        assert_eq!(report.median("c", RATIO, "a").unwrap(), 0.5);
        let holds: Vec<bool> = report.checks.iter().map(|check| check.holds).collect();
        assert_eq!(holds, [true, false]);
        assert!(report.check_ratio("c", "unknown", 1.0).is_err());
        let text = report.to_string();
        assert!(text.contains("c: a, rustdaemon / pcntl: 0.500 (bound <= 0.5): holds\n"), "{text}");
        assert!(text.contains("(bound <= 0.4): DOES NOT HOLD\n"), "{text}");
    }

    #[test]
    fn programs_get_every_value_and_the_machine() {
        let mut report = report();
        report.note(at("pcntl", "a"), 2.0);
        report.note(at("pcntl", "a"), 4.0);
        report.finish().unwrap();
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        assert_eq!(json["machine"]["cores"], 2);
        assert_eq!(json["series"][0]["values"], serde_json::json!([2.0, 4.0]));
        assert_eq!(json["series"][0]["summary"]["median"], 3.0);
        assert_eq!(json["load_after"].as_array().map(Vec::len), Some(3));
    }
}
