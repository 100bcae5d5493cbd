//! The dialects, byte for byte: every exchange of tests/fixtures with PHP as the worker.

use rustdaemon_tests::{Sidecar, play_golden};

use crate::script;

#[test]
fn php_answers_the_golden_bytes() {
    let words = script("golden", &serde_json::json!({})).words();
    let sidecar = Sidecar::builder().command(words).start();
    sidecar.wait_state(0, "idle");
    let pid = sidecar.worker_pid(0);
    play_golden(&sidecar, |name| !name.starts_with("token/"));
    assert_eq!(sidecar.worker_pid(0), pid, "no exchange has ended the worker");
}
