//! Signals by the ten thousand.

use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use rustdaemon_core::sys;
use rustdaemon_tests::{Php, Process, Sidecar, eventually};
use serde_json::{Value, json};

use crate::dose;

fn script(name: &str) -> Php {
    Php::script(&format!("{}/fault/php/{name}.php", env!("CARGO_MANIFEST_DIR")))
}

fn realtime() -> i32 {
    libc::SIGRTMIN() + 1
}

/// Sends 0, 1, 2, ... until `count` of them are accepted; how often the kernel said that too many were queued.
fn send(pid: i32, signal: i32, count: i32) -> u64 {
    let mut refused = 0;
    for value in 0..count {
        while let Err(error) = sys::send_signal(pid, signal, Some(value)) {
            assert_eq!(error.raw_os_error(), Some(libc::EAGAIN), "the receiver has gone: {error}");
            refused += 1;
            std::thread::yield_now();
        }
    }
    refused
}

/// Lets storm.php count `count` signals while it is busy with `how`; what it says of them, and how often the kernel said
/// that too many were queued.
fn storm(how: &str, count: i32) -> (Value, u64) {
    let mut command = script("storm").arg(how).arg(count).command();
    // SAFETY: one system call. The kernel queues few signals for this process, whatever the machine's limit is.
    unsafe { command.pre_exec(|| Ok(setrlimit(Resource::RLIMIT_SIGPENDING, 2000, 2000)?)) };
    let mut process = Process::start(command);
    eventually("the script listens", || match process.stdout() {
        said if said.starts_with("ready\n") => Ok(()),
        said => Err(format!("{said} {}", process.stderr())),
    });
    let refused = send(process.pid(), realtime(), count);
    let ended = process.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    println!("{how}: {count} accepted, {refused} refused for the moment, {}", ended.stdout);
    (serde_json::from_str(ended.stdout.trim_start_matches("ready\n")).unwrap(), refused)
}

fn all_handled(count: i32) -> Value {
    json!({"handled": count, "wrong": 0, "in children": 0})
}

#[test]
fn every_signal_that_was_accepted_is_handled_in_order_by_a_busy_script() {
    let count = dose(20_000, 100_000);
    assert_eq!(storm("busy", count).0, all_handled(count));
}

#[test]
fn every_signal_is_handled_though_php_is_in_c_code_most_of_the_time() {
    let count = dose(20_000, 100_000);
    let (counted, refused) = storm("blocked", count);
    assert_eq!(counted, all_handled(count));
    assert!(refused > 0, "the queue was never full: this has shown nothing");
}

#[test]
fn every_signal_is_handled_by_the_parent_while_it_forks_300_times() {
    let count = dose(20_000, 100_000);
    assert_eq!(storm("forks", count).0, all_handled(count));
}

#[test]
fn every_signal_is_handled_inside_worker_sleep() {
    let count = dose(20_000, 100_000);
    assert_eq!(storm("sleeps", count).0, all_handled(count));
}

#[test]
fn term_in_a_storm_drains_a_worker() {
    let sidecar = Sidecar::builder().flags("--short-run 0s").command(script("worker").words()).start();
    sidecar.wait_state(0, "idle");
    let pid = sidecar.worker_pid(0);
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let id = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    let count = dose(5_000, 100_000);
    for value in 0..count {
        for signal in [realtime(), libc::SIGUSR1, libc::SIGHUP] {
            if let Err(error) = sys::send_signal(pid, signal, Some(value)) {
                assert_eq!(error.raw_os_error(), Some(libc::EAGAIN), "the worker has gone: {error}");
            }
        }
    }
    sidecar.signal_worker(0, Signal::SIGTERM);
    drop(held);
    assert_eq!(client.receive(), (id, Ok(json!("held"))), "the request in hand is answered");
    eventually("the worker is replaced", || match sidecar.worker(0) {
        worker if worker["restarts"] == 1 && worker["last_exit_reason"]["code"] == 0 => Ok(()),
        worker => Err(worker.to_string()),
    });
}

#[test]
fn a_storm_of_stop_signals_ends_a_worker_by_force_and_another_takes_its_place() {
    let command = script("worker").words();
    let sidecar = Sidecar::builder().flags("--short-run 0s").command(command).start();
    sidecar.wait_state(0, "idle");
    let pid = sidecar.worker_pid(0);
    // A shell's own kill: whoever sent it is named in the log.
    let script = format!("for i in 1 2 3 4 5 6 7 8 9; do kill -TERM {pid} 2>/dev/null; done; exit 0");
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    eventually("the worker is replaced", || match sidecar.worker(0) {
        worker if worker["restarts"] == 1 && worker["state"] == "idle" => Ok(()),
        worker => Err(worker.to_string()),
    });
}
