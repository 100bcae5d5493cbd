//! One line per step: what it does, what came back.

use crate::failure::Result;

/// Where the answers begin.
const COLUMN: usize = 52;

/// Does one step and says so; an answer of several lines goes below, indented.
pub fn step<T>(what: &str, act: impl FnOnce() -> Result<(T, String)>) -> Result<T> {
    match act() {
        Ok((value, answer)) => {
            println!("{}", line("ok", what, &answer));
            Ok(value)
        }
        Err(why) => {
            println!("{}", line("FAIL", what, &why.to_string()));
            Err(why)
        }
    }
}

fn line(verdict: &str, what: &str, answer: &str) -> String {
    let dots = ".".repeat(COLUMN.saturating_sub(what.chars().count() + 1).max(3));
    let answer = answer.trim_end();
    if answer.contains('\n') {
        let below: Vec<String> = answer.lines().map(|line| format!("      {line}")).collect();
        format!("{verdict:<4}  {what} {dots}\n{}", below.join("\n"))
    } else {
        format!("{verdict:<4}  {what} {dots} {answer}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stand_below_each_other() {
        assert_eq!(line("ok", "probe", "exit 0"), format!("ok    probe {} exit 0", ".".repeat(46)));
        assert_eq!(line("FAIL", "kill -9", "no"), format!("FAIL  kill -9 {} no", ".".repeat(44)));
    }

    #[test]
    fn a_long_answer_goes_below() {
        let line = line("ok", "status", "a\nb\n");
        assert!(line.ends_with("...\n      a\n      b"), "{line}");
    }
}
