//! What the fuzz target `channel` has kept passes again: see `fuzz/src/channel.rs`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;

#[path = "../../../fuzz/src/channel.rs"]
mod channel;

#[test]
fn what_fuzzing_has_kept_passes_again() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/channel");
    let entries = std::fs::read_dir(&corpus).unwrap_or_else(|why| panic!("{}: {why}", corpus.display()));
    let mut cases = 0;
    for entry in entries {
        let file = entry.unwrap().path();
        eprintln!("{}", file.display()); // shown when it fails
        channel::check_channel(&std::fs::read(&file).unwrap());
        cases += 1;
    }
    assert!(cases > 10, "{} holds {cases}", corpus.display());
}
