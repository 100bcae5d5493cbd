//! Deaths, restarts, backoff.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use rustdaemon_tests::{Sidecar, eventually};
use serde_json::{Value, json};

use crate::{class, fake, idle};

fn starts(file: &Path) -> usize {
    fs::read_to_string(file).unwrap_or_default().lines().count()
}

#[test]
fn a_killed_worker_is_replaced() {
    let sidecar = idle();
    let before = sidecar.worker(0);
    assert_eq!((&before["restarts"], &before["last_exit"]), (&json!(0), &Value::Null));
    sidecar.kill_worker(0);
    let after = sidecar.worker(0);
    assert_ne!(after["pid"], before["pid"]);
    assert_eq!(
        (&after["restarts"], &after["last_exit"]),
        (&json!(1), &json!("killed by SIGKILL from outside"))
    );
    assert_eq!(sidecar.call("pid", json!([])).unwrap(), after["pid"]);
    assert_eq!(sidecar.logged("ended (killed by SIGKILL").len(), 1);
}

#[test]
fn one_of_four_dies_and_the_others_stay() {
    let sidecar = fake("").flags("--workers 4 --name plc").start();
    (0..4).for_each(|n| drop(sidecar.wait_state(n, "idle")));
    let pids: Vec<i32> = (0..4).map(|n| sidecar.worker_pid(n)).collect();
    sidecar.kill_worker(2);
    for (n, pid) in pids.iter().enumerate() {
        assert_eq!(sidecar.worker_pid(n) == *pid, n != 2, "worker {n}");
        assert_eq!(sidecar.worker(n)["name"], format!("plc#{n}"));
    }
}

#[test]
fn a_worker_that_ends_at_once_is_started_ever_more_slowly() {
    let builder = fake("--exit-at-once 3");
    let file = builder.directory().join("starts");
    let sidecar = builder.command(["--starts", file.to_str().unwrap()]).start();
    sidecar.wait_logged("short run 5 in a row", 1);
    assert_eq!(sidecar.logged("started again").len(), 1, "the first short run is replaced at once");
    // Each further one is announced with its wait before it is made, so that there are never more.
    let waits = sidecar.logged("next start in");
    assert!((waits.len()..=waits.len() + 2).contains(&starts(&file)), "{} starts, {waits:#?}", starts(&file));
    assert!(waits[0].contains("exit 3") && waits[0].contains("short run 2 in a row"), "{}", waits[0]);
    let worker = eventually("the worker waits", || {
        let worker = sidecar.worker(0);
        if worker["state"] == "backoff" { Ok(worker) } else { Err(worker.to_string()) }
    });
    assert_eq!((&worker["pid"], &worker["last_exit"]), (&Value::Null, &json!("exit 3")));
    assert!(worker["retry_in"].is_f64(), "{worker}");
    assert!(sidecar.flat(r#"{"command":"ping"}"#).contains("\"ok\""), "the socket answers all the same");
}

#[test]
fn the_wait_between_restarts_has_its_limit() {
    let builder = fake("--exit-at-once 3").flags("--backoff-max 1ms --start-limit 1000");
    let file = builder.directory().join("starts");
    let sidecar = builder.command(["--starts", file.to_str().unwrap()]).start();
    eventually("it is started again and again", || match starts(&file) {
        20.. => Ok(()),
        few => Err(format!("{few} starts")),
    });
    assert_eq!(sidecar.status()["state"], "running");
}

#[test]
fn a_long_run_ends_the_row_of_short_ones() {
    let sidecar = fake("").flags("--short-run 0s").start();
    for _ in 0..10 {
        sidecar.wait_state(0, "idle");
        sidecar.kill_worker(0);
    }
    assert_eq!(sidecar.worker(0)["restarts"], 10);
    assert_eq!(sidecar.logged("next start in").len(), 0, "each was replaced at once");
}

#[test]
fn requests_wait_while_a_worker_is_in_backoff() {
    let builder = fake("--offer echo,exit").flags("--backoff-max 50ms");
    let sidecar = builder.start();
    for _ in 0..4 {
        assert_eq!(class(sidecar.call("exit", json!([1]))), "worker_died");
        assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
    }
    assert_eq!(
        class(sidecar.call("pid", json!([]))),
        "unknown_method",
        "what was never offered is refused at once"
    );
}

#[test]
fn a_request_that_met_only_crashes_is_told_so() {
    let sidecar = fake("--exit-at-once 3").flags("--request-timeout 300ms --backoff-max 1h").start();
    sidecar.wait_logged("next start in", 3);
    let fault = sidecar.call("echo", json!([])).unwrap_err();
    assert_eq!(fault.class, "deadline_exceeded");
    for says in ["main#0", "exit 3", "not started"] {
        assert!(fault.message.contains(says), "{says}: {fault:?}");
    }
}

#[test]
fn a_command_that_never_calls_install_is_told_of_no_link() {
    let sidecar = Sidecar::builder().flags("--ready-timeout 100ms").command(["sleep", "60"]).start();
    sidecar.wait_logged("--no-link", 1);
    sidecar.signal_worker(0, Signal::SIGKILL);
    sidecar.wait_logged("ended (killed by SIGKILL", 1);
    let told = sidecar.logged("has not called RustDaemon\\Worker::install()");
    assert!(!told.is_empty() && told[0].contains("main#0") && told[0].contains("--no-link"), "{told:#?}");
    assert_eq!(sidecar.worker(0)["state"], "starting");
}

#[test]
fn a_command_that_ends_without_install_is_told_of_no_link() {
    let sidecar = Sidecar::builder().command(["sh", "-c", "exit 0"]).start();
    sidecar.wait_logged("never called RustDaemon\\Worker::install()", 1);
    let told = sidecar.logged("ended (exit 0");
    assert!(told[0].contains("--no-link") && told[0].contains("extension=rustdaemon.so"), "{}", told[0]);
}

#[test]
fn a_worker_that_is_never_ready_is_reported_once() {
    let sidecar = fake("--no-ready").flags("--ready-timeout 50ms").start();
    sidecar.wait_logged("neither run() nor tick()", 1);
    sidecar.wait_state(0, "booted");
    assert_eq!(sidecar.logged("neither run() nor tick()").len(), 1);
}

#[test]
fn without_a_link_any_command_is_kept_alive() {
    let mut sidecar = Sidecar::builder().flags("--no-link").command(["sleep", "60"]).start();
    let worker = sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.pool()["link"], false);
    sidecar.kill_worker(0);
    assert_ne!(sidecar.worker(0)["pid"], worker["pid"]);
    assert_eq!(class(sidecar.call("echo", json!([]))), "unknown_method");
    assert!(!sidecar.log().contains("install()"), "{}", sidecar.log());
    assert_eq!(sidecar.stop().code(), 0);
    assert_eq!(sidecar.descendants(), [0; 0]);
}

#[test]
fn a_command_that_vanished_is_tried_until_it_is_back() {
    let builder = Sidecar::builder().flags("--backoff-max 50ms");
    let program = builder.directory().join("program");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_fake_worker"), &program).unwrap();
    let sidecar = builder.command([&program]).start();
    sidecar.wait_state(0, "idle");
    fs::remove_file(&program).unwrap();
    sidecar.signal_worker(0, Signal::SIGKILL);
    sidecar.wait_logged("not started: ", 3);
    assert!(
        sidecar.worker(0)["last_exit"].as_str().unwrap().contains("No such file"),
        "{}",
        sidecar.worker(0)
    );
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_fake_worker"), &program).unwrap();
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
}

#[test]
fn workers_do_not_survive_a_killed_sidecar() {
    let sidecar = fake("").flags("--workers 2").start();
    sidecar.wait_state(0, "idle");
    sidecar.wait_state(1, "idle");
    let killed = sidecar.killed();
    eventually("no worker is left", || match killed.descendants() {
        left if left.is_empty() => Ok(()),
        left => Err(format!("pids {left:?}")),
    });
}
