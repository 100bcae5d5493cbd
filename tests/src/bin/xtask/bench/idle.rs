//! `idle-cost`: instructions of plain PHP code in a script without a worker and without handlers, with and without the
//! extension. The virtual machine looks at its interrupt flag anyway, so there is nothing to pay.
//!
//! The difference of two loop lengths is free of starting and ending.

use super::Bench;
use super::callgrind;
use super::report::{Report, number};
use crate::failure::Result;

/// As many digits in both: how long an argument is costs instructions too.
const SHORT: u64 = 1_000_000;
const LONG: u64 = 2_000_000;
const CASE: &str = "1 000 000 turns of an empty for";

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    let difference = callgrind::with_and_without(bench, report, CASE, "the loop", |with| {
        Ok(turns(bench, with, LONG)? - turns(bench, with, SHORT)?)
    })?;
    report.check("an idle script pays", "= 0 instructions", &number(difference), difference == 0.0);
    Ok(())
}

fn turns(bench: &Bench, with_extension: bool, turns: u64) -> Result<f64> {
    let program = bench.program("idle.php").display().to_string();
    Ok(callgrind::count(bench, &bench.php.words(with_extension, [program, turns.to_string()]))?.instructions)
}
