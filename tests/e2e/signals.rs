//! Stop signals: who sent them, and who has them.

use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::getuid;
use rustdaemon_tests::{Sidecar, eventually};
use serde_json::json;

use crate::{script, worker};

#[test]
fn who_stopped_a_worker_stands_in_the_log() {
    let sidecar = worker("");
    let pid = sidecar.worker_pid(0);
    // A shell that lives until the worker has looked: then its name can still be told.
    let command = format!("kill -TERM {pid}; while kill -0 {pid}; do :; done");
    let mut shell = Command::new("sh").args(["-c", &command]).spawn().unwrap();
    let uid = getuid();
    let line = format!("main#0: SIGTERM from pid {} (sh), uid {uid}", shell.id());
    sidecar.wait_logged(&line, 1);
    assert!(shell.wait().unwrap().code().is_some());
}

#[test]
fn the_sidecars_own_term_is_not_reported_by_its_worker() {
    let command = script("signals", &json!({"term": true})).words();
    let mut sidecar = Sidecar::builder().flags("--stop-timeout 4s").command(command).start();
    sidecar.wait_state(0, "idle");
    sidecar.signal(Signal::SIGTERM);
    let ended = sidecar.wait();
    assert!(!ended.stderr.contains("main#0: SIGTERM from"), "{}", ended.stderr);
}

#[test]
fn status_says_which_stop_signals_the_script_has() {
    let command = script("signals", &json!({"term": true})).words();
    let sidecar = Sidecar::builder().command(command).start();
    sidecar.wait_state(0, "idle");
    let taken = |names: &[&str]| {
        eventually(&format!("{names:?} are in other hands"), || match sidecar.worker(0) {
            worker if worker["signals_taken"] == json!(names) => Ok(()),
            worker => Err(worker.to_string()),
        });
    };
    taken(&["SIGTERM"]);
    let mut client = sidecar.client();
    let id = client.send("off", json!(["TERM"]));
    assert_eq!(client.receive(), (id, Ok(json!(null))));
    taken(&[]);
    let id = client.send("pcntl", json!(["INT"]));
    assert_eq!(client.receive(), (id, Ok(json!(null))));
    taken(&["SIGINT"]);
}
