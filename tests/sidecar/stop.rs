//! TERM, INT and what becomes of everybody.

use std::os::fd::AsFd;
use std::process::Command;

use nix::sys::signal::Signal;
use rustdaemon_core::sys;
use rustdaemon_tests::{Client, Process, Sidecar, eventually, sidecar_binary};
use serde_json::json;

use crate::{class, fake, idle};

/// After a stop: no process, no socket file.
#[track_caller]
fn assert_nothing_left(sidecar: &Sidecar) {
    assert_eq!(sidecar.descendants(), [0; 0]);
    assert!(!sidecar.socket().exists(), "the socket's file is still there");
}

#[track_caller]
fn wait_stopping(sidecar: &Sidecar) {
    eventually("the sidecar is stopping", || match sidecar.status() {
        status if status["state"] == "stopping" => Ok(()),
        status => Err(status.to_string()),
    });
}

#[test]
fn term_ends_an_idle_sidecar_with_everything() {
    let mut sidecar = fake("").flags("--workers 3").start();
    (0..3).for_each(|n| drop(sidecar.wait_state(n, "idle")));
    let ended = sidecar.stop();
    assert_eq!(ended.code(), 0);
    assert_nothing_left(&sidecar);
    assert_eq!(sidecar.logged("ended (exit 0").len(), 3, "all were drained, none was killed");
    assert!(ended.stderr.contains("SIGTERM from pid"), "who asked: {}", ended.stderr);
    assert!(ended.stderr.trim_end().ends_with("stopped"), "{}", ended.stderr);
}

#[test]
fn hup_from_a_dying_terminal_stops_and_from_anybody_else_reloads() {
    let directory = tempfile::Builder::new().prefix("rd-").tempdir_in("/tmp").unwrap();
    let socket = directory.path().join("s");
    let line = format!(
        "{} run --socket {} -- {}",
        sidecar_binary().display(),
        socket.display(),
        env!("CARGO_BIN_EXE_fake_worker")
    );
    let mut command = Command::new("script");
    command.args(["-qfec", &format!("exec {line}"), "/dev/null"]);
    let terminal = Process::start(command);
    let connect = || Client::try_connect(&socket).map_err(|error| error.to_string());
    let mut client = eventually("the socket answers", connect);
    let status = client.typed("daemon.status", json!([])).unwrap();
    let sidecar = sys::pidfd_open(i32::try_from(status["pid"].as_i64().unwrap()).unwrap()).unwrap();
    sys::pidfd_send_signal(sidecar.as_fd(), libc::SIGHUP).unwrap();
    eventually("generation 2 serves", || match client.typed("daemon.status", json!([])).unwrap() {
        status if status["pools"][0]["generation"] == 2 => Ok(()),
        status => Err(status.to_string()),
    });
    terminal.signal(Signal::SIGKILL);
    eventually("the sidecar has ended", || match connect() {
        Ok(_) => Err("it answers".to_owned()),
        Err(_) => Ok(()),
    });
}

#[test]
fn each_stop_signal_stops() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let mut sidecar = idle();
        sidecar.signal(signal);
        assert_eq!(sidecar.wait().code(), 0, "{signal}");
        assert_nothing_left(&sidecar);
    }
}

#[test]
fn what_runs_is_finished_and_what_waits_is_refused() {
    let mut sidecar = idle();
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let running = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    let mut queued = sidecar.client();
    queued.send("echo", json!([1]));
    sidecar.wait_pool("waiting", 1);
    sidecar.signal(Signal::SIGTERM);
    assert_eq!(class(queued.receive().1), "shutting_down");
    wait_stopping(&sidecar);
    assert_eq!(sidecar.worker(0)["state"], "draining");
    assert_eq!(class(sidecar.call("echo", json!([2]))), "shutting_down", "a new connection");
    assert_eq!(class(queued.typed("echo", json!([3]))), "shutting_down", "an old one");
    assert!(sidecar.flat(r#"{"command":"echo"}"#).contains(r#""type":"shutting_down""#));
    assert_eq!(queued.read_to_end(), "", "which ends with that");
    assert!(sidecar.flat(r#"{"command":"ping"}"#).contains(r#""type":"shutting_down""#));
    drop(held);
    assert_eq!(client.receive(), (running, Ok(json!("held"))));
    let ended = sidecar.wait();
    assert_eq!(ended.code(), 0);
    assert!(!ended.stderr.contains("has not ended"), "{}", ended.stderr);
    assert_nothing_left(&sidecar);
    assert!(Client::try_connect(sidecar.socket()).is_err());
}

#[test]
fn a_large_last_reply_is_written_to_its_end() {
    let mut sidecar = idle();
    let mut client = sidecar.client();
    let id = client.send("big", json!([8_000_000]));
    eventually("the worker has answered", || match sidecar.worker(0) {
        worker if worker["served"] == 1 => Ok(()),
        worker => Err(worker.to_string()),
    });
    sidecar.signal(Signal::SIGTERM);
    let (answered, reply) = client.receive();
    assert_eq!((answered, reply.unwrap().as_str().unwrap().len()), (id, 8_000_000));
    assert_eq!(sidecar.wait().code(), 0);
}

/// How often it was said that a worker has not ended, and what it gets for that. When exactly, a loaded machine decides.
fn said(sidecar: &Sidecar, worker: usize, signal: &str) -> usize {
    let lines = sidecar.logged(&format!("main#{worker} has not ended "));
    lines.iter().filter(|line| line.ends_with(&format!(" s after it was told to: {signal}"))).count()
}

#[test]
fn who_ignores_drain_gets_term() {
    let mut sidecar = fake("--ignore-drain").flags("--stop-timeout 400ms").start();
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.stop().code(), 0);
    assert_eq!(said(&sidecar, 0, "TERM"), 1);
    assert_eq!(sidecar.logged("ended (exit 0").len(), 1, "TERM was enough");
    assert_nothing_left(&sidecar);
}

#[test]
fn who_ignores_term_too_gets_kill() {
    let mut sidecar = fake("--ignore-drain --ignore-term").flags("--stop-timeout 400ms --workers 2").start();
    sidecar.wait_state(0, "idle");
    sidecar.wait_state(1, "idle");
    assert_eq!(sidecar.stop().code(), 0);
    for n in 0..2 {
        assert_eq!((said(&sidecar, n, "TERM"), said(&sidecar, n, "KILL")), (1, 1));
    }
    assert_eq!(sidecar.logged("ended (killed by SIGKILL").len(), 2);
    assert_nothing_left(&sidecar);
}

#[test]
fn who_is_killed_in_a_request_leaves_its_client_an_answer() {
    let mut sidecar = fake("").flags("--stop-timeout 400ms").start();
    sidecar.wait_state(0, "idle");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let _held = gate.arrived();
    sidecar.signal(Signal::SIGTERM);
    assert_eq!(class(client.receive().1), "worker_died");
    assert_eq!(client.read_to_end(), "", "and then the end");
    assert_eq!(sidecar.wait().code(), 0);
    assert_nothing_left(&sidecar);
}

#[test]
fn a_second_interrupt_ends_everything_at_once() {
    let mut sidecar = fake("--ignore-drain --ignore-term").flags("--stop-timeout 1h").start();
    sidecar.wait_state(0, "idle");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let _held = gate.arrived();
    sidecar.signal(Signal::SIGINT);
    wait_stopping(&sidecar);
    sidecar.signal(Signal::SIGINT);
    assert_eq!(class(client.receive().1), "worker_died");
    assert_eq!(sidecar.wait().code(), 0);
    assert_nothing_left(&sidecar);
}

#[test]
fn a_second_term_changes_nothing() {
    let mut sidecar = idle();
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let id = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    for _ in 0..3 {
        sidecar.signal(Signal::SIGTERM);
        wait_stopping(&sidecar);
    }
    drop(held);
    assert_eq!(client.receive(), (id, Ok(json!("held"))));
    assert_eq!(sidecar.wait().code(), 0);
}

#[test]
fn a_stop_in_backoff_ends_at_once() {
    let mut sidecar = fake("--exit-at-once 1").start();
    sidecar.wait_logged("next start in", 3);
    assert_eq!(sidecar.stop().code(), 0);
    assert_nothing_left(&sidecar);
}

#[test]
fn starts_that_wait_for_their_turn_are_taken_back_by_a_stop() {
    let mut sidecar = fake("").flags("--workers 200").start();
    // A client is heard between the starts, and long before the last of them.
    let workers = sidecar.status()["workers"].as_array().unwrap().clone();
    assert!(workers.iter().any(|worker| worker["pid"] == json!(null)), "all have been started");
    let ended = sidecar.stop();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert_nothing_left(&sidecar);
    let taken_back = sidecar.logged("it was to end before it was started").len();
    assert!(taken_back > 0);
}

#[test]
fn a_worker_that_never_got_ready_is_told_by_term() {
    for arguments in ["--no-ready", "--no-hello"] {
        let mut sidecar = fake(arguments).flags("--stop-timeout 1h").start();
        sidecar.wait_state(0, if arguments == "--no-ready" { "booted" } else { "starting" });
        // It may not have its handler yet; TERM's default ends it as well.
        assert_eq!(sidecar.stop().code(), 0, "{arguments}");
        assert_nothing_left(&sidecar);
    }
}

#[test]
fn a_worker_that_dies_while_draining_is_not_replaced() {
    let mut sidecar = idle();
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let _held = gate.arrived();
    sidecar.signal(Signal::SIGTERM);
    wait_stopping(&sidecar);
    sidecar.signal_worker(0, Signal::SIGKILL);
    assert_eq!(class(client.receive().1), "worker_died");
    assert_eq!(sidecar.wait().code(), 0);
    assert_eq!(sidecar.logged("is ready").len(), 1, "no second worker was started");
}

#[test]
fn a_hangup_that_was_ignored_at_the_start_stays_so() {
    // nohup rustdaemon run ...
    let mut sidecar = fake("").limits("trap '' HUP").start();
    sidecar.wait_state(0, "idle");
    let pid = sidecar.worker_pid(0);
    sidecar.signal(Signal::SIGHUP);
    for _ in 0..10 {
        assert_eq!(sidecar.call("pid", json!([])), Ok(json!(pid)));
    }
    assert!(sidecar.is_running());
    assert_eq!(sidecar.status()["state"], "running");
}

#[test]
fn a_log_that_nobody_reads_any_more_ends_nothing() {
    let builder = fake("").flags("--short-run 0s");
    let fifo = builder.directory().join("log");
    let script = format!("mkfifo {0}; head -n 1 {0} > {0}.seen & exec 2> {0}", fifo.display());
    let mut sidecar = builder.limits(&script).start();
    sidecar.wait_state(0, "idle");
    let seen = fifo.with_extension("seen");
    eventually("the log's reader has gone", || match std::fs::read_to_string(&seen) {
        Ok(line) if line.contains("listens on") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    for _ in 0..3 {
        sidecar.kill_worker(0); // each one is two lines
    }
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
    assert_eq!(sidecar.stop().code(), 0);
    assert_nothing_left(&sidecar);
}
