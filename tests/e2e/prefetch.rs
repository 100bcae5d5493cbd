//! Requests that are sent ahead to real PHP: a worker that is blocked, or on its way out, keeps none from the others.

use rustdaemon_tests::{BothHeld, Sidecar};
use serde_json::json;

use crate::{script, worker};

#[test]
fn a_worker_blocked_in_a_native_call_holds_no_request() {
    let sidecar = worker("--workers 2");
    sidecar.wait_state(1, "idle");
    let BothHeld { mut client, holds: [stuck, short], gates: [held, opened], at: [_, at_second], ahead } =
        BothHeld::new(&sidecar, 10);
    drop(opened);
    assert_eq!(client.receive(), (short, Ok(json!("held"))));
    let free = sidecar.worker_pid(at_second);
    assert!(client.receive_all(&ahead).iter().all(|pid| *pid == free));
    drop(held);
    assert_eq!(client.receive(), (stuck, Ok(json!("held"))));
    assert_eq!(client.typed("echo", json!([1])), Ok(json!([1])), "what was taken back is passed over");
    let served: u64 = (0..2).map(|n| sidecar.worker(n)["served"].as_u64().unwrap()).sum();
    assert_eq!(served, 13);
}

#[test]
fn a_worker_that_exits_slowly_gives_back_what_it_has_not_begun() {
    let sidecar = worker("--workers 2 --short-run 0s");
    sidecar.wait_state(1, "idle");
    let other = sidecar.gate("other");
    let mut client = sidecar.client();
    // Both are busy, so that requests are sent ahead to the one that will exit.
    let leaves = sidecar.gate("leaves");
    let php = format!(
        "(function () {{ register_shutdown_function(fn () => file_get_contents('{}')); file_get_contents('{}'); exit(3); }})()",
        sidecar.directory().join("gate").display(),
        leaves.path(),
    );
    let gate = sidecar.gate("gate");
    let lost = client.send("value", json!([php]));
    let go = leaves.arrived();
    let busy = client.send("hold", json!([other.path()]));
    let opened = other.arrived();
    let ids: Vec<u64> = (0..6).map(|_| client.send("pid", json!([]))).collect();
    sidecar.wait_pool("waiting", 6);
    drop(go);
    let in_shutdown = gate.arrived();
    drop(opened);
    let mut answered = Vec::new();
    for _ in 0..7 {
        let (id, reply) = client.receive();
        assert!(reply.is_ok(), "{id}: {reply:?}");
        answered.push(id);
    }
    assert!(answered.contains(&busy) && ids.iter().all(|id| answered.contains(id)), "while it still exits");
    drop(in_shutdown);
    let (id, reply) = client.receive();
    assert_eq!((id, reply.unwrap_err().class.as_str()), (lost, "worker_died"));
}

#[test]
fn a_worker_whose_loop_has_ended_gets_no_request() {
    let php = script("leaves", &json!({})).words();
    let sidecar = Sidecar::builder().flags("--workers 2 --short-run 0s").command(php).start();
    sidecar.wait_state(0, "idle");
    sidecar.wait_state(1, "idle");
    let gate = sidecar.gate("gate");
    let leaving = sidecar.worker_pid(0);
    sidecar.signal_worker(0, nix::sys::signal::Signal::SIGTERM);
    let in_farewell = gate.arrived();
    sidecar.wait_state(0, "draining");
    for _ in 0..4 {
        assert_ne!(sidecar.call("pid", json!([])), Ok(json!(leaving)));
    }
    drop(in_farewell);
    sidecar.wait_logged("is ready", 3);
}
