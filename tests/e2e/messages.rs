//! Messages that PHP hears: `worker.send` to `onMessage()`.

use nix::sys::signal::Signal;
use rustdaemon_tests::{Client, Reply, Sidecar};
use serde_json::{Value, json};

use crate::{script, worker};

fn hearing(options: &Value, flags: &str) -> Sidecar {
    let words = script("messages", options).words();
    let sidecar = Sidecar::builder().flags(&format!("--name plc {flags}")).command(words).start();
    sidecar.wait_state(0, "idle");
    sidecar
}

fn send(sidecar: &Sidecar, name: &str, message: &str, payload: Value) -> Reply {
    sidecar.call("worker.send", json!([name, message, payload]))
}

fn taken(workers: &[&str]) -> Reply {
    Ok(json!({"acknowledged": workers.len(), "workers": workers}))
}

fn told(reply: Reply) -> String {
    let fault = reply.unwrap_err();
    format!("{}: {}", fault.class, fault.message)
}

#[test]
fn messages_of_several_clients_are_heard_in_the_order_of_their_acceptance_each_once() {
    let sidecar = hearing(&json!({}), "");
    let gate = sidecar.gate("gate");
    let mut clients: Vec<Client> = (0..3).map(|_| sidecar.client()).collect();
    clients[0].send("hold", json!([gate.path()]));
    let held = gate.arrived();
    let mut sent = Vec::new();
    for number in 0..30_u64 {
        // Some are larger than what goes ahead into a pipe.
        let payload =
            if number.is_multiple_of(7) { json!("x".repeat(200_000)) } else { json!({"n": number}) };
        let at = usize::try_from(number).unwrap() % 3;
        sent.push((at, clients[at].send("worker.send", json!(["plc#0", format!("m{number}"), payload]))));
        sidecar.wait_pool("waiting", number + 1); // accepted: the next one is later
    }
    drop(held);
    assert_eq!(clients[0].receive().1, Ok(json!("held")));
    for (at, id) in sent {
        assert_eq!(clients[at].receive(), (id, taken(&["plc#0"])));
    }
    let payload = |number: u64| if number.is_multiple_of(7) { json!(200_000) } else { json!({"n": number}) };
    let all: Vec<Value> = (0..30).map(|number| json!([format!("m{number}"), payload(number)])).collect();
    assert_eq!(sidecar.call("heard", json!([])), Ok(Value::from(all)));
}

#[test]
fn a_pool_hears_it_in_each_of_its_workers() {
    let sidecar = hearing(&json!({}), "--workers 3");
    (1..3).for_each(|n| drop(sidecar.wait_state(n, "idle")));
    assert_eq!(send(&sidecar, "plc", "tags.changed", json!([1, "é/"])), taken(&["plc#0", "plc#1", "plc#2"]));
    for n in 0..3 {
        sidecar.wait_logged(&format!("plc#{n} heard tags.changed"), 1);
    }
    let mut client = sidecar.client();
    client.raw(
        "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"worker.send\",\"params\":{\"name\":\"plc\",\"message\":\"throw\",\
         \"payload\":\"a\"}}\n",
    );
    let answer: Value = serde_json::from_str(&client.read_line()).unwrap();
    assert_eq!(answer["error"]["data"]["type"], "DomainException", "{answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("0 of 3 workers have taken the message; plc#0: no such tag: a; plc#1"),
        "{message}"
    );
    sidecar.wait_logged("onMessage throw threw DomainException: no such tag: a", 3);
    assert_eq!(
        send(&sidecar, "plc", "again", json!(null)),
        taken(&["plc#0", "plc#1", "plc#2"]),
        "they live on"
    );
}

#[test]
fn a_message_in_hand_is_shown_and_lost_with_its_worker_and_the_next_one_is_the_successors() {
    let sidecar = hearing(&json!({}), "");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let begun = client.send("worker.send", json!(["plc", "hold", gate.path()]));
    let _held = gate.arrived();
    assert!(
        sidecar.worker(0)["doing_what"].as_str().unwrap().starts_with("onMessage hold"),
        "{}",
        sidecar.worker(0)
    );
    let next = client.send("worker.send", json!(["plc", "next", 1]));
    sidecar.wait_pool("waiting", 1);
    sidecar.signal_worker(0, Signal::SIGKILL);
    let (id, reply) = client.receive();
    assert_eq!(id, begun);
    assert!(told(reply).starts_with("worker_died: "));
    assert_eq!(client.receive(), (next, taken(&["plc#0"])));
    assert_eq!(sidecar.call("heard", json!([])), Ok(json!([["next", 1]])));
    let gone = told(send(&sidecar, "plc", "exit", json!(3)));
    assert!(gone.starts_with("worker_died: The worker ended (exit 3)"), "{gone}");
}

#[test]
fn a_loop_of_ones_own_hears_messages_while_it_sleeps() {
    let sidecar = hearing(&json!({"own": true}), "");
    assert_eq!(send(&sidecar, "plc#0", "tags.changed", json!([1])), taken(&["plc#0"]));
    assert_eq!(told(send(&sidecar, "plc#0", "throw", json!("a"))), "DomainException: no such tag: a");
    assert_eq!(sidecar.logged("a turn").len(), 0, "it sleeps on");
    sidecar.call("worker.pause", json!([])).unwrap();
    let mut client = sidecar.client();
    let paused = client.send("worker.send", json!(["plc", "later"]));
    sidecar.wait_pool("waiting", 1);
    sidecar.call("worker.resume", json!([])).unwrap();
    assert_eq!(client.receive(), (paused, taken(&["plc#0"])));
    sidecar.call("daemon.reload", json!([])).unwrap();
    sidecar.wait_logged("stopped", 1);
    assert_eq!(send(&sidecar, "plc", "anew", json!(null)), taken(&["plc#0"]));
}

#[test]
fn a_worker_without_on_message_says_so() {
    let sidecar = worker("");
    let told = told(send(&sidecar, "main", "tags.changed", json!(null)));
    assert_eq!(told, "unhandled_message: this worker has no onMessage() and takes no messages");
    assert!(sidecar.call("pid", json!([])).is_ok());
}
