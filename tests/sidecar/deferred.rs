//! Requests that workers answer later.

use nix::sys::signal::Signal;
use rustdaemon_tests::{Sidecar, eventually};
use serde_json::{Value, json};

use crate::{class, fake};

fn workers(number: usize, command: &str, flags: &str) -> Sidecar {
    let sidecar = fake(command).flags(&format!("--workers {number} {flags}")).start();
    (0..number).for_each(|n| drop(sidecar.wait_state(n, "idle")));
    sidecar
}

fn wait_deferred(sidecar: &Sidecar, counts: &[u64]) {
    eventually("so many are deferred", || {
        let seen: Vec<Value> = (0..counts.len()).map(|n| sidecar.worker(n)["deferred"].clone()).collect();
        if json!(seen) == json!(counts) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
}

#[test]
fn a_worker_may_have_more_open_than_its_page_has_words() {
    let sidecar = workers(1, "--concurrency 1000", "");
    let mut client = sidecar.client();
    let ids: Vec<u64> = (0..500).map(|n| client.send("later", json!([n]))).collect();
    wait_deferred(&sidecar, &[500]);
    let pool = sidecar.pool();
    assert_eq!((pool["waiting"].clone(), pool["in_flight"].clone()), (json!(0), json!(500)));
    assert_eq!(sidecar.call("answer_later", json!([])), Ok(json!(500)));
    assert_eq!(client.receive_all(&ids), (0..500).map(Value::from).collect::<Vec<_>>());
    let worker = sidecar.wait_state(0, "idle");
    assert_eq!(worker["served"], 501, "the one that was answered twice counts once");
}

#[test]
fn of_two_workers_the_one_with_less_open_is_asked() {
    let sidecar = workers(2, "--concurrency 10", "");
    let mut client = sidecar.client();
    for n in 1..=6_u64 {
        client.send("later", json!([n]));
        eventually("both have as much, or one has one more", || {
            let mut seen = [0, 1].map(|worker| sidecar.worker(worker)["deferred"].as_u64().unwrap());
            seen.sort_unstable(); // who was ready first has the first one
            if seen == [n / 2, n.div_ceil(2)] { Ok(()) } else { Err(format!("{seen:?}")) }
        });
    }
}

#[test]
fn a_full_worker_gets_nothing_and_another_one_serves() {
    let sidecar = workers(2, "--concurrency 2", "");
    let mut client = sidecar.client();
    for n in 0..4 {
        client.send("later", json!([n]));
    }
    wait_deferred(&sidecar, &[2, 2]);
    client.send("pid", json!([]));
    sidecar.wait_pool("waiting", 1);
    sidecar.signal_worker(0, Signal::SIGKILL);
    let mut died = 0;
    let pid = loop {
        match client.receive() {
            (_, Ok(pid)) => break pid,
            (_, died_with) => assert_eq!(class(died_with), "worker_died"),
        }
        died += 1;
    };
    assert_eq!((died, pid), (2, json!(sidecar.worker_pid(0))));
}

#[test]
fn who_has_not_said_how_many_may_defer_one() {
    let sidecar = workers(1, "", "");
    let mut client = sidecar.client();
    let id = client.send("later", json!([1]));
    wait_deferred(&sidecar, &[1]);
    let waits = client.send("answer_later", json!([]));
    sidecar.wait_pool("waiting", 1);
    sidecar.signal_worker(0, Signal::SIGKILL);
    let (first, reply) = client.receive();
    assert_eq!((first, class(reply)), (id, "worker_died".to_owned()));
    assert_eq!(client.receive(), (waits, Ok(json!(0))));
}

#[test]
fn a_frame_that_defers_nothing_changes_nothing() {
    let sidecar = workers(1, "--concurrency 5", "");
    let mut client = sidecar.client();
    client.send("later", json!([1]));
    wait_deferred(&sidecar, &[1]);
    assert_eq!(sidecar.call("answer_later", json!([])), Ok(json!(1)));
    assert_eq!(sidecar.call("defer_again", json!([])), Ok(Value::Null));
    let worker = sidecar.wait_state(0, "idle");
    assert_eq!(worker["deferred"], 0);
}
