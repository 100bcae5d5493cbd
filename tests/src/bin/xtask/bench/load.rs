//! `load`: instructions of a PHP that starts, runs nothing and ends, with and without the extension. The dynamic linker's
//! work is in it.

use super::Bench;
use super::callgrind;
use super::report::{Report, number};
use crate::failure::Result;

const CASE: &str = "php -n -r ''";

/// At most so many instructions more.
const BOUND: f64 = 1_000_000.0;

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    let difference = callgrind::with_and_without(bench, report, CASE, "starting and ending", |with| {
        Ok(callgrind::count(bench, &bench.php.words(with, ["-r", ""]))?.instructions)
    })?;
    let bound = format!("<= {} instructions", number(BOUND));
    report.check("loading the extension costs", &bound, &number(difference), difference <= BOUND);
    Ok(())
}
