//! Requests that are sent ahead: whatever happens to a worker, what it has not begun is served by another one.

use std::fs;

use nix::sys::signal::Signal;
use rustdaemon_tests::{BothHeld, Builder, Sidecar};
use serde_json::json;

use crate::{class, fake};

/// With so many workers, all idle.
fn workers(number: usize, builder: Builder, flags: &str) -> Sidecar {
    let sidecar = builder.flags(&format!("--workers {number} {flags}")).start();
    (0..number).for_each(|n| drop(sidecar.wait_state(n, "idle")));
    sidecar
}

#[test]
fn a_blocked_worker_holds_no_request_that_another_one_could_serve() {
    let sidecar = workers(2, fake(""), "");
    let BothHeld { mut client, holds: [stuck, short], gates: [held, opened], at: [_, at_second], ahead } =
        BothHeld::new(&sidecar, 20);
    drop(opened);
    assert_eq!(client.receive(), (short, Ok(json!("held"))));
    let free = sidecar.worker_pid(at_second);
    assert!(client.receive_all(&ahead).iter().all(|pid| *pid == free), "while the other one is stuck");
    assert!(sidecar.pool()["recalled"].as_u64().unwrap() > 0);
    drop(held);
    assert_eq!(client.receive(), (stuck, Ok(json!("held"))));
    let served: u64 = (0..2).map(|n| sidecar.worker(n)["served"].as_u64().unwrap()).sum();
    assert_eq!(served, 22, "none was run twice");
}

#[test]
fn only_the_begun_request_of_a_killed_worker_is_lost() {
    let sidecar = workers(1, fake(""), "");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let begun = client.send("hold", json!([gate.path()]));
    let _held = gate.arrived();
    let ids: Vec<u64> = (0..5).map(|_| client.send("pid", json!([]))).collect();
    sidecar.wait_pool("waiting", 5);
    let dead = sidecar.worker_pid(0);
    sidecar.signal_worker(0, Signal::SIGKILL);
    let (id, reply) = client.receive();
    assert_eq!((id, class(reply)), (begun, "worker_died".to_owned()));
    let pids = client.receive_all(&ids);
    assert!(pids.iter().all(|pid| *pid != dead && *pid == sidecar.worker_pid(0)), "{pids:?}");
}

#[test]
fn a_stopped_worker_gives_back_what_it_has_not_begun() {
    let sidecar = workers(2, fake(""), "");
    let BothHeld { mut client, holds: [_, short], gates: [held, opened], at: [at_first, at_second], ahead } =
        BothHeld::new(&sidecar, 6);
    sidecar.signal_worker(at_first, Signal::SIGSTOP);
    drop((held, opened)); // what the stopped one has begun waits for it
    assert_eq!(client.receive().0, short);
    let free = sidecar.worker_pid(at_second);
    assert!(client.receive_all(&ahead).iter().all(|pid| *pid == free));
    sidecar.signal_worker(at_first, Signal::SIGCONT);
    assert_eq!(client.receive().1, Ok(json!("held")));
}

#[test]
fn a_pause_gives_back_what_was_not_begun() {
    let sidecar = workers(2, fake(""), "");
    let BothHeld {
        mut client,
        holds: [stuck, short],
        gates: [held, opened],
        at: [at_first, at_second],
        ahead,
    } = BothHeld::new(&sidecar, 6);
    let mut operator = sidecar.client();
    operator.send("worker.pause", json!([format!("main#{at_second}")]));
    drop(held); // the other one serves all six
    assert_eq!(client.receive().0, stuck);
    let free = sidecar.worker_pid(at_first);
    assert!(client.receive_all(&ahead).iter().all(|pid| *pid == free));
    drop(opened);
    assert_eq!(client.receive(), (short, Ok(json!("held"))), "what was begun is finished");
    sidecar.wait_state(at_second, "paused");
}

#[test]
fn an_idempotent_request_is_tried_once_more_and_then_lost() {
    let sidecar = workers(1, fake("--idempotent die,hold"), "--short-run 0s");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let id = client.send("hold", json!([gate.path()]));
    drop(gate.arrived()); // nothing is learned from a fast one
    assert_eq!(client.receive(), (id, Ok(json!("held"))));
    let id = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    sidecar.signal_worker(0, Signal::SIGKILL);
    drop(held);
    sidecar.wait_logged("is ready", 2);
    drop(gate.arrived());
    assert_eq!(client.receive(), (id, Ok(json!("held"))), "by the next worker");
    assert_eq!(class(sidecar.call("die", json!([]))), "worker_died");
    assert_eq!(sidecar.pool()["retried"], 2);
}

#[test]
fn a_deadline_that_passes_ahead_is_never_begun() {
    let sidecar = workers(1, fake(""), "--request-timeout 300ms");
    let (gate, file) = (sidecar.gate("gate"), sidecar.directory().join("journal"));
    let mut client = sidecar.client();
    let begun = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    let ahead = client.send("note", json!([file, "too late"]));
    let told = [client.receive(), client.receive()].map(|(id, reply)| (id, reply.unwrap_err().message));
    assert_eq!(told[0], (begun, "No answer within 0.3 s; the request may have been executed".to_owned()));
    assert_eq!(told[1], (ahead, "No worker was free within 0.3 s; the request was not started".to_owned()));
    drop(held);
    assert!(client.typed("note", json!([file, "in time"])).is_ok());
    assert_eq!(fs::read_to_string(&file).unwrap(), "in time\n");
    assert_eq!(sidecar.pool()["late"], 1, "the reply to the first one");
}

#[test]
fn a_worker_of_an_older_link_has_one_request_in_hand() {
    let sidecar = workers(1, fake("--version 1-3"), "");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let first = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    let second = client.send("pid", json!([]));
    sidecar.wait_pool("waiting", 1);
    assert_eq!(sidecar.pool()["in_flight"], 1);
    drop(held);
    assert_eq!([client.receive().0, client.receive().0], [first, second]);
    assert_eq!(sidecar.pool()["recalled"], 0);
}
