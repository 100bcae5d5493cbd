//! Locks of workers: the guard against a second instance, and waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::Signal;
use rustdaemon_core::lock::Lock;
use rustdaemon_core::segment::{Kind, Listed, Name};
use rustdaemon_tests::{Sidecar, eventually};
use serde_json::json;

use crate::script;

/// A lock that no other test has, removed in the end.
struct Named(Name);

impl Named {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(Name::parse(format!("test-e2e-{}-{number}", std::process::id()).as_bytes()).unwrap())
    }

    fn open(&self) -> Arc<Lock> {
        Lock::open(&self.0).unwrap()
    }

    /// A worker that has this lock, idle.
    #[track_caller]
    fn worker(&self) -> Sidecar {
        let command = script("lock", &json!({ "lock": self.0.as_str() })).words();
        let sidecar = Sidecar::builder().command(command).start();
        sidecar.wait_state(0, "idle");
        sidecar
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(Listed::own(Kind::Lock, self.0.clone()).path());
    }
}

#[test]
fn a_guard_after_install_stands_through_reloads_and_kills() {
    let named = Named::new();
    let sidecar = named.worker();
    assert_eq!(sidecar.call("guard", json!([])), Ok(json!([true, false])));
    let first = sidecar.worker_pid(0);
    let done = sidecar.cli(&["reload"]);
    assert_eq!(done.code(), 0, "the next one is let in when the lock is free: {}", done.stderr);
    assert_ne!(sidecar.worker_pid(0), first);
    assert_eq!(sidecar.call("guard", json!([])), Ok(json!([true, true])), "the first ended holding it");
    sidecar.kill_worker(0);
    assert_eq!(sidecar.call("guard", json!([])), Ok(json!([true, true])));
    assert_eq!(sidecar.worker(0)["last_exit_reason"]["reason"], "killed", "and none was refused by its lock");
}

#[test]
fn who_waits_for_a_lock_is_seen_waiting_and_hears_a_stop() {
    let (named, other) = (Named::new(), Named::new());
    let mut sidecar = named.worker();
    let held = other.open();
    held.try_acquire(false).unwrap();
    let mut client = sidecar.client();
    let id = client.send("wait", json!([other.0.as_str()]));
    eventually("the worker waits for the lock", || match sidecar.worker(0) {
        worker if worker["doing"] == "waiting" && worker["doing_what"] == "wait, in Lock::acquire()" => {
            Ok(())
        }
        worker => Err(worker.to_string()),
    });
    sidecar.signal(Signal::SIGTERM);
    assert_eq!(client.receive(), (id, Ok(json!(false))), "it stops waiting");
    assert_eq!(sidecar.wait().code(), 0);
    assert!(held.release());
}
