//! TERM for one worker, TERM for all, kill -9.

use nix::sys::signal::Signal;
use rustdaemon_tests::eventually;
use serde_json::json;

use crate::worker;

#[test]
fn term_for_a_worker_in_a_request_lets_it_reply_and_replaces_it() {
    let sidecar = worker("");
    let pid = sidecar.worker_pid(0);
    let gate = sidecar.gate("gate");
    for (signal, restarts) in [(Signal::SIGTERM, 1), (Signal::SIGINT, 2)] {
        let mut client = sidecar.client();
        let id = client.send("hold", json!([gate.path()]));
        let held = gate.arrived();
        sidecar.signal_worker(0, signal);
        drop(held);
        assert_eq!(client.receive(), (id, Ok(json!("held"))), "{signal}");
        let replaced = eventually("the worker is replaced", || match sidecar.worker(0) {
            worker if worker["restarts"] == restarts && worker["state"] == "idle" => Ok(worker),
            worker => Err(worker.to_string()),
        });
        assert_ne!(replaced["pid"], pid);
        let last = replaced["last_exit"].as_str().unwrap();
        assert!(
            last.starts_with(&format!("exit 0 after {signal} from pid ")),
            "it left run() and ended as a script does: {last}"
        );
        sidecar.wait_state(0, "idle");
    }
}

#[test]
fn a_request_sent_to_a_leaving_worker_is_served_by_its_replacement() {
    // It was answered worker_died: the reply made the slot idle, and the next request met a process on its way out.
    let sidecar = worker("");
    for round in 1..=5 {
        let gate = sidecar.gate(&format!("gate{round}"));
        let mut client = sidecar.client();
        let held_request = client.send("hold", json!([gate.path()]));
        let held = gate.arrived();
        let waiting: Vec<_> = (0..6).map(|number| client.send("echo", json!([number]))).collect();
        sidecar.signal_worker(0, Signal::SIGTERM);
        drop(held);
        assert_eq!(client.receive(), (held_request, Ok(json!("held"))));
        for (number, id) in waiting.into_iter().enumerate() {
            assert_eq!(client.receive(), (id, Ok(json!([number]))), "round {round}");
        }
        eventually("the worker is replaced", || match sidecar.worker(0)["restarts"].as_u64() {
            Some(restarts) if restarts == round => Ok(()),
            other => Err(format!("{other:?}")),
        });
        sidecar.wait_state(0, "idle");
    }
}

#[test]
fn term_for_an_idle_worker_replaces_it() {
    let sidecar = worker("");
    let pid = sidecar.worker_pid(0);
    sidecar.signal_worker(0, Signal::SIGTERM);
    eventually("the worker is replaced", || match sidecar.worker(0) {
        worker if worker["pid"] != pid && worker["state"] == "idle" => Ok(()),
        worker => Err(worker.to_string()),
    });
    assert_eq!(sidecar.worker(0)["last_exit_reason"]["code"], 0);
}

#[test]
fn a_stop_lets_the_request_in_hand_finish() {
    let mut sidecar = worker("");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let id = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    sidecar.signal(Signal::SIGTERM);
    sidecar.wait_state(0, "draining");
    drop(held);
    assert_eq!(client.receive(), (id, Ok(json!("held"))));
    let ended = sidecar.wait();
    assert_eq!(ended.code(), 0);
    assert_eq!(sidecar.logged("main#0 | after run").len(), 1, "the script went on after run()");
    assert_eq!(sidecar.descendants(), [0; 0]);
    assert_eq!(sidecar.logged("has not ended"), [""; 0]);
}

#[test]
fn a_handler_that_never_ends_is_killed_at_the_end_of_the_stop() {
    let mut sidecar = worker("--stop-timeout 500ms");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let _held = gate.arrived();
    sidecar.signal(Signal::SIGTERM);
    assert_eq!(client.receive().1.unwrap_err().class, "worker_died");
    assert_eq!(sidecar.wait().code(), 0);
    assert_eq!(sidecar.descendants(), [0; 0]);
}

#[test]
fn workers_end_when_the_sidecar_is_killed() {
    let sidecar = worker("--workers 2");
    sidecar.wait_state(1, "idle");
    let mut killed = sidecar.killed();
    eventually("no worker is left", || match killed.descendants() {
        left if left.is_empty() => Ok(()),
        left => Err(format!("pids {left:?}")),
    });
    let again = killed.start_again();
    again.wait_state(0, "idle");
    assert!(again.call("pid", json!([])).is_ok());
}
