//! Batches, notifications, events, a client's timeout: what no golden file can hold.

use rustdaemon_tests::{Client, eventually};
use serde_json::{Value, json};

use crate::{class, fake, idle};

fn call(id: impl Into<Value>, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

#[track_caller]
fn ask(client: &mut Client, request: &Value) {
    client.raw(format!("{request}\n"));
}

/// The parts of the next line, by id.
#[track_caller]
fn batch(client: &mut Client) -> Vec<Value> {
    let line = client.read_line();
    let mut parts: Vec<Value> =
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:.500}"));
    parts.sort_by_key(|part| part["id"].as_u64());
    parts
}

#[test]
fn a_batch_is_whole_when_a_worker_dies_of_it() {
    let sidecar = idle();
    let mut client = sidecar.client();
    ask(
        &mut client,
        &json!([call(1, "echo", &json!([1])), call(2, "die", &json!([])), call(3, "echo", &json!([3]))]),
    );
    client.half_close();
    let parts = batch(&mut client);
    assert_eq!(parts.len(), 3, "{parts:?}");
    assert_eq!((&parts[0]["result"], &parts[2]["result"]), (&json!([1]), &json!([3])));
    let error = &parts[1]["error"];
    assert_eq!((&error["code"], &error["data"]["type"]), (&json!(-32000), &json!("worker_died")));
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn a_batch_of_as_many_as_may_be_is_answered_in_one_line() {
    let sidecar = idle();
    let mut client = sidecar.client();
    ask(&mut client, &(1..=1024).map(|id| call(id, "echo", &json!([id]))).collect());
    let parts = batch(&mut client);
    assert_eq!(parts.len(), 1024);
    for (at, part) in parts.iter().enumerate() {
        assert_eq!((&part["id"], &part["result"]), (&json!(at + 1), &json!([at + 1])));
    }
}

#[test]
fn a_full_queue_is_said_in_the_batch() {
    let sidecar = fake("").flags("--queue 1").start();
    sidecar.wait_state(0, "idle");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let hold = call(1, "hold", &json!([gate.path()]));
    ask(&mut client, &json!([hold, call(2, "echo", &json!([])), call(3, "echo", &json!([]))]));
    let held = gate.arrived();
    ask(&mut client, &call(4, "ping", &json!([])));
    assert!(
        client.read_line().ends_with(r#","id":4}"#),
        "the batch waits for its last answer, others do not"
    );
    drop(held);
    let parts = batch(&mut client);
    assert_eq!((&parts[0]["result"], &parts[1]["result"]), (&json!("held"), &json!([])));
    assert_eq!(parts[2]["error"]["data"]["type"], "busy");
}

#[test]
fn a_notification_runs() {
    let sidecar = idle();
    let file = sidecar.directory().join("note");
    let note = json!({"jsonrpc": "2.0", "method": "note", "params": [file, "done"]});
    let mut client = sidecar.client();
    ask(&mut client, &note);
    ask(&mut client, &json!([note]));
    client.half_close();
    assert_eq!(client.read_to_end(), "", "the end comes when both have run");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "done\ndone\n");
}

#[test]
fn a_notification_that_kills_its_worker_is_not_answered_either() {
    let sidecar = idle();
    let mut client = sidecar.client();
    ask(&mut client, &json!({"jsonrpc": "2.0", "method": "die"}));
    ask(&mut client, &call(1, "echo", &json!([1])));
    assert_eq!(client.read_line(), r#"{"jsonrpc":"2.0","result":[1],"id":1}"#);
}

#[test]
fn a_client_that_leaves_its_batch_takes_nothing_with_it() {
    let sidecar = idle();
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    ask(&mut client, &json!([call(1, "hold", &json!([gate.path()])), call(2, "echo", &json!([]))]));
    let held = gate.arrived();
    drop(client);
    drop(held);
    eventually("both have been served", || {
        let worker = sidecar.worker(0);
        if worker["served"] == 2 { Ok(()) } else { Err(worker.to_string()) }
    });
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
}

#[test]
fn who_follows_the_log_hears_events_as_notifications() {
    let sidecar = idle();
    let mut client = sidecar.client();
    ask(&mut client, &call(7, "daemon.logs", &json!({"follow": true, "lines": 0})));
    assert_eq!(client.read_line(), r#"{"jsonrpc":"2.0","result":{"lines":[]},"id":7}"#);
    sidecar.call("say", json!(["hear\n"])).unwrap();
    let event: Value = serde_json::from_str(&client.read_line()).unwrap();
    assert_eq!(
        (&event["jsonrpc"], &event["method"], event.get("id")),
        (&json!("2.0"), &json!("event"), None)
    );
    let params = &event["params"];
    assert_eq!((&params["id"], &params["data"]["line"]), (&json!(7), &json!("hear")));
}

#[test]
fn a_clients_timeout_ends_its_waiting_and_not_the_worker() {
    let sidecar = idle();
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let path = json!([gate.path()]);
    client.raw(format!("{{\"id\":1,\"t\":\"req\",\"method\":\"hold\",\"args\":{path},\"timeout\":0.05}}\n"));
    let held = gate.arrived();
    assert_eq!(class(client.receive().1), "deadline_exceeded");
    ask(&mut client, &json!({"jsonrpc": "2.0", "id": 2, "method": "echo", "timeout": 0.05}));
    let waited: Value = serde_json::from_str(&client.read_line()).unwrap();
    assert_eq!(waited["error"]["message"], "No worker was free within 0.05 s; the request was not started");
    let pid = sidecar.worker_pid(0);
    drop(held);
    assert_eq!(sidecar.call("pid", json!([])), Ok(json!(pid)));
    assert_eq!(sidecar.pool()["late"], 1);
}
