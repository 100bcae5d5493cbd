//! Sessions: who is led to the worker that has what it names, and what it hears when that worker has gone.

use std::fs;

use nix::sys::signal::Signal;
use rustdaemon_core::link::Fault;
use rustdaemon_tests::{Client, Reply, Sidecar, eventually};
use serde_json::{Value, json};

use crate::{class, fake};

/// Three idle workers; requests name their session in the argument `sessionId`.
fn three(flags: &str) -> Sidecar {
    let sidecar = fake("").flags(&format!("--workers 3 --affinity sessionId {flags}")).start();
    (0..3).for_each(|n| drop(sidecar.wait_state(n, "idle")));
    sidecar
}

/// Binds a value to some worker; its process id.
fn bind(sidecar: &Sidecar, value: &str, args: &[f64]) -> i64 {
    let args: Vec<Value> = std::iter::once(json!(value)).chain(args.iter().map(|it| json!(it))).collect();
    sidecar.call("bind", Value::Array(args)).unwrap().as_i64().unwrap()
}

/// Sends a TYPED request that names its session.
fn send(client: &mut Client, id: u64, method: &str, args: &Value, session: &str) {
    let session = Value::from(session);
    client.raw(format!(
        "{{\"id\":{id},\"t\":\"req\",\"method\":\"{method}\",\"args\":{args},\"session\":{session}}}\n"
    ));
}

fn call(sidecar: &Sidecar, method: &str, session: &str) -> Reply {
    let mut client = sidecar.client();
    send(&mut client, 1, method, &json!([]), session);
    client.receive().1
}

fn refused(class: &str, message: impl Into<String>) -> Reply {
    Err(Fault { class: class.into(), message: message.into() })
}

fn slot_of(sidecar: &Sidecar, pid: i64) -> usize {
    (0..3).find(|n| i64::from(sidecar.worker_pid(*n)) == pid).unwrap()
}

#[test]
fn whoever_names_a_session_is_led_to_its_worker_in_each_dialect() {
    let sidecar = three("");
    let [a, b] = ["a/é", "7"].map(|value| bind(&sidecar, value, &[]));
    assert_ne!(a, b, "work goes round");
    for (value, owner) in [("a/é", a), ("7", b)] {
        for _ in 0..3 {
            assert_eq!(call(&sidecar, "pid", value), Ok(json!(owner)));
        }
        assert_eq!(sidecar.call("pid", json!({"sessionId": value})), Ok(json!(owner)));
        let flat = sidecar.flat(&json!({"command": "pid", "sessionId": value}).to_string());
        assert_eq!(flat, format!("{{\"success\":true,\"data\":{owner}}}\n"));
        let mut client = sidecar.client();
        let params = json!({"x": [{"sessionId": "nested"}], "sessionId": value});
        client.raw(format!("{}\n", json!({"jsonrpc": "2.0", "id": 1, "method": "pid", "params": params})));
        let answer: Value = serde_json::from_str(&client.read_line()).unwrap();
        assert_eq!(answer["result"], json!(owner));
    }
    assert_eq!(sidecar.call("pid", json!({"sessionId": 7})), Ok(json!(b)), "a number is its digits");
    let pong = sidecar.flat("{\"command\":\"ping\"}");
    assert!(
        pong.starts_with("{\"success\":true,\"data\":{\"status\":\"ok\",\"sessions\":2,\"time\":"),
        "{pong}"
    );
    assert_eq!(sidecar.pool()["bound"], 2);
}

#[test]
fn a_request_waits_for_its_worker_while_others_are_idle() {
    let sidecar = three("");
    let owner = bind(&sidecar, "a", &[]);
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    send(&mut client, 1, "hold", &json!([gate.path()]), "a");
    let held = gate.arrived();
    let mut other = sidecar.client();
    (2..6).for_each(|id| send(&mut other, id, "pid", &json!([]), "a"));
    for _ in 0..6 {
        assert_ne!(sidecar.call("pid", json!([])), Ok(json!(owner)), "whoever names none is served at once");
    }
    drop(held);
    assert_eq!(client.receive(), (1, Ok(json!("held"))));
    (2..6).for_each(|id| assert_eq!(other.receive(), (id, Ok(json!(owner)))));
    assert_eq!(sidecar.pool()["recalled"], 0, "none was taken from it");
}

#[test]
fn a_session_is_lost_with_its_worker_and_can_be_opened_anew() {
    let sidecar = three("--short-run 0s");
    let owner = bind(&sidecar, "a", &[]);
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    send(&mut client, 1, "hold", &json!([gate.path()]), "a");
    let _held = gate.arrived();
    let mut other = sidecar.client();
    send(&mut other, 2, "pid", &json!([]), "a");
    sidecar.wait_pool("waiting", 1);
    let slot = slot_of(&sidecar, owner);
    sidecar.signal_worker(slot, Signal::SIGKILL);
    assert_eq!(class(client.receive().1), "worker_died", "it was begun");
    assert_eq!(
        other.receive().1,
        refused("session_lost", "The worker that had the session a has gone; open it anew")
    );
    let flat = sidecar.flat("{\"command\":\"pid\",\"sessionId\":\"a\"}");
    let not_found = "{\"success\":false,\"error\":{\"type\":\"session_not_found\",\
        \"message\":\"Session not found: a\"}}\n";
    assert_eq!(flat, not_found);
    let pong = sidecar.flat("{\"command\":\"ping\"}");
    assert!(pong.contains("\"sessions\":0,"), "{pong}");
    let next = bind(&sidecar, "a", &[]);
    assert_eq!(call(&sidecar, "pid", "a"), Ok(json!(next)));
}

#[test]
fn a_session_ends_with_its_generation() {
    let sidecar = three("");
    bind(&sidecar, "a", &[]);
    assert!(sidecar.call("daemon.reload", json!([])).is_ok());
    assert_eq!(class(call(&sidecar, "pid", "a")), "session_lost");
    assert_eq!(sidecar.pool()["bound"], 0);
}

#[test]
fn what_was_unbound_goes_to_anybody() {
    let sidecar = three("");
    let owner = bind(&sidecar, "a", &[]);
    assert_eq!(call(&sidecar, "pid", "a"), Ok(json!(owner)));
    let mut client = sidecar.client();
    send(&mut client, 1, "unbind", &json!(["a"]), "a");
    assert!(client.receive().1.is_ok());
    let pids: Vec<Reply> = (0..3).map(|_| call(&sidecar, "pid", "a")).collect();
    assert!(pids.iter().any(|pid| *pid != Ok(json!(owner))), "{pids:?}");
    assert_eq!(sidecar.pool()["bound"], 0);
}

#[test]
fn a_session_that_nobody_uses_expires_and_its_worker_hears_of_it() {
    let sidecar = fake("").flags("--workers 1").start();
    sidecar.wait_state(0, "idle");
    bind(&sidecar, "short", &[0.2]);
    bind(&sidecar, "long", &[]);
    eventually("it expires", || match sidecar.call("expired", json!([])) {
        Ok(expired) if expired == json!(["short"]) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(sidecar.pool()["bound"], 1);
    assert!(call(&sidecar, "pid", "short").is_ok(), "like one that never was");
}

#[test]
fn a_session_in_use_does_not_expire() {
    let sidecar = fake("").flags("--workers 1").start();
    sidecar.wait_state(0, "idle");
    let gate = sidecar.gate("gate");
    bind(&sidecar, "used", &[0.2]);
    let mut client = sidecar.client();
    send(&mut client, 1, "hold", &json!([gate.path()]), "used");
    let held = gate.arrived();
    bind_elsewhere(&sidecar);
    assert_eq!(sidecar.pool()["bound"], 1, "after more than its time");
    drop(held);
    assert!(client.receive().1.is_ok());
    eventually("it expires now", || match sidecar.pool()["bound"] == 0 {
        true => Ok(()),
        false => Err("it is bound".into()),
    });
}

/// Passes more time than 0.2 s: a request whose own time is over tells.
fn bind_elsewhere(sidecar: &Sidecar) {
    let mut client = sidecar.client();
    client.raw("{\"id\":1,\"t\":\"req\",\"method\":\"pid\",\"args\":[],\"timeout\":0.5}\n");
    assert_eq!(class(client.receive().1), "deadline_exceeded");
}

#[test]
fn a_value_belongs_to_one_worker_and_there_are_as_many_as_may_be() {
    let sidecar = three("--max-bound 2");
    let owner = bind(&sidecar, "a", &[]);
    let other = loop {
        let reply = sidecar.call("bind", json!(["a"]));
        match reply {
            Ok(pid) => assert_eq!(pid, json!(owner), "it had it already"),
            refused => break refused,
        }
    };
    let slot = slot_of(&sidecar, owner);
    assert_eq!(other, refused("session_taken", format!("the session a is another worker's: main#{slot}")));
    bind(&sidecar, "b", &[]);
    let full = "Maximum number of sessions (2) reached";
    assert_eq!(sidecar.call("bind", json!(["c"])), refused("max_sessions_reached", full));
    for value in [String::new(), "x".repeat(257)] {
        assert_eq!(class(sidecar.call("bind", json!([value]))), "InvalidArgument");
    }
}

#[test]
fn requests_of_one_connection_with_the_same_session_run_in_their_order() {
    let sidecar = three("");
    for bound in [false, true] {
        let (value, file) = (format!("{bound}"), sidecar.directory().join(format!("journal-{bound}")));
        if bound {
            bind(&sidecar, &value, &[]);
        }
        let mut client = sidecar.client();
        (1..=60).for_each(|id| send(&mut client, id, "note", &json!([file, id.to_string()]), &value));
        (1..=60).for_each(|id| assert_eq!(client.receive(), (id, Ok(json!(id.to_string())))));
        let lines: Vec<String> = (1..=60).map(|id| format!("{id}\n")).collect();
        assert_eq!(fs::read_to_string(file).unwrap(), lines.concat());
    }
}

#[test]
fn a_session_that_is_no_text_is_refused_and_in_arguments_it_is_none() {
    let sidecar = three("");
    for session in ["1".to_owned(), "[]".to_owned(), "\"\"".to_owned(), format!("\"{}\"", "x".repeat(257))] {
        let mut client = sidecar.client();
        client.raw(format!(
            "{{\"id\":1,\"t\":\"req\",\"method\":\"pid\",\"args\":[],\"session\":{session}}}\n"
        ));
        let told = "\"session\" must be a string of 1 to 256 bytes";
        assert_eq!(client.receive(), (1, refused("invalid_request", told)), "{session}");
    }
    for value in [json!(null), json!([]), json!(true), json!({}), json!(""), json!("x".repeat(257))] {
        assert!(sidecar.call("pid", json!({"sessionId": value})).is_ok());
    }
}

#[test]
fn a_worker_hears_who_calls() {
    let sidecar = three("");
    let caller = sidecar.call("caller", json!([])).unwrap();
    assert_eq!(caller["pid"], std::process::id());
    assert_eq!(caller["uid"], nix::unistd::geteuid().as_raw());
    assert_eq!(caller["id"], "1");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let left = caller["deadline"].as_f64().unwrap() - now;
    assert!(left > 0.0 && left <= 30.0, "{left}");
}
