//! Golden exchanges against a real sidecar whose worker offers what `fake_worker` does.

use std::path::Path;

use crate::golden::{Exchange, Step, exchanges, parts};
use crate::{Client, Sidecar};

/// Answered by the worker, like the exchange's own requests: whatever was to come before it has come.
const LAST: &str = r#"{"id":"last","t":"req","method":"echo","args":["last"],"authToken":"s3cret/é"}"#;
const LAST_ANSWER: &str = r#"{"id":"last","t":"res","ok":true,"data":["last"]}"#;

#[track_caller]
fn play(sidecar: &Sidecar, exchange: &Exchange) {
    let name = &exchange.name;
    let mut client: Client = sidecar.client();
    for step in &exchange.steps {
        match step {
            Step::Write(bytes) => client.raw(bytes),
            Step::HalfClose => client.half_close(),
            Step::Get(golden) => {
                let line = client.read_line();
                let golden_text = String::from_utf8_lossy(golden);
                assert!(
                    fits(golden, line.as_bytes()),
                    "{name}\n   got {line:.500}\ngolden {golden_text:.500}"
                );
            }
            Step::End => assert_eq!(client.read_to_end(), "", "{name}"),
        }
    }
    if exchange.steps.last() != Some(&Step::End) {
        client.raw(format!("{LAST}\n"));
        assert_eq!(client.read_line(), LAST_ANSWER, "{name}: the connection stays open");
    }
}

/// Whether a line is the golden one: `%T` is any number, and a batch's parts may stand in any order.
fn fits(golden: &[u8], line: &[u8]) -> bool {
    let (golden, line) = (parts(golden), parts(line));
    golden.len() == line.len() && golden.iter().zip(&line).all(|(golden, part)| part_fits(golden, part))
}

fn part_fits(golden: &str, part: &str) -> bool {
    let Some((before, after)) = golden.split_once("%T") else { return golden == part };
    let number = part.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    number.is_some_and(|number| number.parse::<f64>().is_ok())
}

/// Plays all exchanges of the files of tests/fixtures for which `wanted` holds.
#[track_caller]
pub fn play_golden(sidecar: &Sidecar, wanted: impl Fn(&str) -> bool) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for exchange in exchanges(&fixtures, wanted) {
        play(sidecar, &exchange);
    }
}
