//! `worker.send`: who gets a message, in which order, and what its sender hears.

use std::fs;

use nix::sys::signal::Signal;
use rustdaemon_tests::{Client, Reply, Sidecar};
use serde_json::{Value, json};

use crate::{fake, idle, refused, two};

fn taken(workers: &[&str]) -> Reply {
    Ok(json!({"acknowledged": workers.len(), "workers": workers}))
}

/// What the fake worker has written to the file, line by line.
fn notes(path: &str) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn file(sidecar: &Sidecar, name: &str) -> String {
    sidecar.directory().join(name).display().to_string()
}

#[test]
fn a_message_reaches_the_worker_that_it_names_and_the_pool_all_of_them() {
    let sidecar = two();
    let path = file(&sidecar, "notes");
    assert_eq!(
        sidecar.call("worker.send", json!({"name": "plc#1", "message": "note", "payload": [path, "one"]})),
        taken(&["plc#1"])
    );
    assert_eq!(sidecar.worker(1)["served"], 1, "it counts as a request");
    assert_eq!(
        sidecar.call("worker.send", json!(["plc", "note", [path, "all"]])),
        taken(&["plc#0", "plc#1"])
    );
    assert_eq!(notes(&path), ["one", "all", "all"]);
    let mut client = sidecar.client();
    client.raw("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"worker.send\",\"params\":[\"plc#0\",\"pid\"]}\n");
    let answer: Value = serde_json::from_str(&client.read_line()).unwrap();
    assert_eq!(
        answer,
        json!({"jsonrpc": "2.0", "id": 7, "result": {"acknowledged": 1, "workers": ["plc#0"]}})
    );
}

#[test]
fn messages_arrive_in_the_order_of_their_acceptance_whoever_sends_them() {
    let sidecar = idle();
    let (gate, path) = (sidecar.gate("gate"), file(&sidecar, "notes"));
    let mut clients: Vec<Client> = (0..4).map(|_| sidecar.client()).collect();
    clients[0].send("hold", json!([gate.path()]));
    let held = gate.arrived();
    let mut sent = Vec::new();
    for number in 0..40 {
        let client = &mut clients[number % 4];
        // Some are larger than what goes ahead into a pipe.
        let fill = "x".repeat(if number % 5 == 0 { 100_000 } else { 1 });
        let id = client.send("worker.send", json!(["main#0", "note", [path, number.to_string(), fill]]));
        sidecar.wait_pool("waiting", number as u64 + 1); // accepted: the next one is later
        sent.push((number % 4, id));
    }
    drop(held);
    assert_eq!(clients[0].receive().1, Ok(json!("held")));
    for (client, id) in sent {
        assert_eq!(clients[client].receive(), (id, taken(&["main#0"])));
    }
    assert_eq!(notes(&path), (0..40).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn messages_that_were_not_begun_are_the_successors_and_the_begun_one_is_lost() {
    let sidecar = two();
    let (gate, path) = (sidecar.gate("gate"), file(&sidecar, "notes"));
    let mut client = sidecar.client();
    let begun = client.send("worker.send", json!(["plc#0", "hold", [gate.path()]]));
    let _held = gate.arrived();
    let ids: Vec<u64> = (0..5)
        .map(|number| client.send("worker.send", json!(["plc#0", "note", [path, number.to_string()]])))
        .collect();
    sidecar.wait_pool("waiting", 5);
    assert_eq!(sidecar.worker(1)["state"], "idle", "it is not meant");
    sidecar.signal_worker(0, Signal::SIGKILL);
    let (id, reply) = client.receive();
    let (class, message) = refused(reply);
    assert_eq!((id, class.as_str()), (begun, "worker_died"));
    assert!(message.contains("SIGKILL") && message.contains("may have been executed"), "{message}");
    for id in ids {
        assert_eq!(client.receive(), (id, taken(&["plc#0"])));
    }
    assert_eq!(notes(&path), ["0", "1", "2", "3", "4"]);
    assert_eq!((&sidecar.worker(0)["served"], &sidecar.worker(1)["served"]), (&json!(5), &json!(0)));
}

#[test]
fn a_reload_loses_no_message() {
    let sidecar = two();
    let (gate, path) = (sidecar.gate("gate"), file(&sidecar, "notes"));
    let mut client = sidecar.client();
    let begun = client.send("worker.send", json!(["plc#0", "hold", [gate.path()]]));
    let held = gate.arrived();
    let ids: Vec<u64> = (0..5)
        .map(|number| client.send("worker.send", json!(["plc", "note", [path, number.to_string()]])))
        .collect();
    sidecar.call("daemon.reload", json!([])).unwrap();
    drop(held);
    assert_eq!(client.receive_all(&[begun]), [json!({"acknowledged": 1, "workers": ["plc#0"]})]);
    for id in ids {
        assert_eq!(client.receive(), (id, taken(&["plc#0", "plc#1"])));
    }
    let mut all = notes(&path);
    all.sort();
    assert_eq!(all, ["0", "0", "1", "1", "2", "2", "3", "3", "4", "4"], "each once for each worker");
}

#[test]
fn a_paused_worker_takes_messages_when_it_is_resumed() {
    let sidecar = two();
    sidecar.call("worker.pause", json!(["plc#0"])).unwrap();
    let mut client = sidecar.client();
    let all = client.send("worker.send", json!(["plc", "pid"]));
    sidecar.wait_pool("waiting", 1);
    sidecar.call("worker.resume", json!([])).unwrap();
    assert_eq!(client.receive(), (all, taken(&["plc#0", "plc#1"])));
    sidecar.call("worker.pause", json!(["plc#0"])).unwrap();
    client.raw(
        "{\"id\":99,\"t\":\"req\",\"method\":\"worker.send\",\"args\":[\"plc#0\",\"pid\"],\"timeout\":0.05}\n",
    );
    let (class, message) = refused(client.receive().1);
    assert_eq!(class, "deadline_exceeded");
    assert_eq!(message, "No worker was up within 0.05 s (plc#0 is paused); the request was not started");
}

#[test]
fn who_has_not_taken_it_is_named_with_what_it_said() {
    let sidecar = two();
    let said = refused(sidecar.call("worker.send", json!(["plc#0", "fault"])));
    assert_eq!(said, ("Boom".into(), "it went wrong".into()), "one worker's own words");
    let said = refused(sidecar.call("worker.send", json!(["plc", "fault"])));
    let told = "0 of 2 workers have taken the message; plc#0: it went wrong; plc#1: it went wrong";
    assert_eq!(said, ("Boom".into(), told.into()));
    sidecar.call("worker.stop", json!(["plc#1"])).unwrap();
    assert_eq!(sidecar.call("worker.send", json!(["plc", "pid"])), taken(&["plc#0"]), "there is one left");
    assert_eq!(
        refused(sidecar.call("worker.send", json!(["plc#1", "pid"]))),
        ("refused".into(), "plc#1 is stopped".into())
    );
}

#[test]
fn a_loop_of_ones_own_gets_messages() {
    let sidecar = fake("--own-loop").start();
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.call("worker.send", json!(["main", "pid"])), taken(&["main#0"]));
}

#[test]
fn an_old_extension_and_a_worker_without_a_link_get_none() {
    let sidecar = fake("--version 1-4").start();
    sidecar.wait_state(0, "idle");
    let (class, message) = refused(sidecar.call("worker.send", json!(["main", "pid"])));
    assert_eq!(class, "refused");
    assert_eq!(
        message,
        "main#0 runs an extension that is too old to be sent messages: install this release's"
    );
    let sidecar = Sidecar::builder().flags("--no-link --ready-after 1ms").command(["sleep", "1000"]).start();
    sidecar.wait_state(0, "idle");
    let (_, message) = refused(sidecar.call("worker.send", json!(["main", "pid"])));
    assert!(message.contains("main has no link (--no-link)"), "{message}");
}

#[test]
fn what_is_no_message_is_refused_in_each_dialect() {
    let sidecar = two();
    let mut client = sidecar.client();
    for (args, class, says) in [
        (json!([]), "InvalidArgument", "name: is missing"),
        (json!({"name": "plc"}), "InvalidArgument", "message: is missing"),
        (json!([7, "m"]), "InvalidArgument", "name: must be a string"),
        (json!(["plc", 7]), "InvalidArgument", "message: must be a string"),
        (json!(["plc", ""]), "InvalidArgument", "message: must be 1 to 128 bytes"),
        (json!(["plc", "x".repeat(129)]), "InvalidArgument", "message: has 129 bytes"),
        (json!(["plc", "a\u{7}"]), "InvalidArgument", "without control characters"),
        (json!(["plc", "m", 1, 2]), "InvalidArgument", "4 arguments, but there are: name, message, payload"),
        (json!({"name": "plc", "message": "m", "data": 1}), "InvalidArgument", "\"data\" is not an argument"),
        (json!(["plc#00", "m"]), "InvalidArgument", "POOL#SLOT"),
        (json!(["plc#2", "m"]), "unknown_worker", "there is no worker plc#2; there are: plc, plc#0 to plc#1"),
        (json!(["", "m"]), "unknown_worker", "there are: plc, plc#0 to plc#1"),
    ] {
        let said = refused(client.typed("worker.send", args.clone()));
        assert!(said.0 == class && said.1.contains(says), "{args}: {said:?}");
        client.raw(format!(
            "{}\n",
            json!({"jsonrpc": "2.0", "id": 1, "method": "worker.send", "params": args})
        ));
        let answer: Value = serde_json::from_str(&client.read_line()).unwrap();
        let error = &answer["error"];
        let code = if class == "InvalidArgument" { -32602 } else { -32000 };
        assert_eq!((&error["data"]["type"], &error["code"]), (&json!(class), &json!(code)), "{answer}");
        assert!(
            answer.to_string().contains(&json!(says).to_string().trim_matches('"').to_owned()),
            "{answer}"
        );
    }
    let flat = sidecar.flat("{\"command\":\"worker.send\",\"name\":\"plc\",\"message\":\"pid\"}");
    assert!(flat.contains("Unknown command: worker.send"), "{flat}");
    assert_eq!(sidecar.pool()["accepted"], 0, "no worker has heard of anything");
}

#[test]
fn a_notification_is_sent_and_a_batch_is_answered_together() {
    let sidecar = two();
    let path = file(&sidecar, "notes");
    let send = |id: Option<u64>, name: &str, text: &str| {
        let mut ask =
            json!({"jsonrpc": "2.0", "method": "worker.send", "params": [name, "note", [path, text]]});
        id.into_iter().for_each(|id| ask["id"] = json!(id));
        ask
    };
    let mut client = sidecar.client();
    client.raw(format!("{}\n", send(None, "plc#0", "first")));
    client.raw(format!("{}\n", json!([send(Some(1), "plc", "both"), send(Some(2), "plc#0", "last")])));
    let answer: Value = serde_json::from_str(&client.read_line()).unwrap();
    // Each at its end, in any order (JSON-RPC 2.0, section 6).
    let of = |id: u64| &answer.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap()["result"];
    assert_eq!(of(1)["acknowledged"], 2, "{answer}");
    assert_eq!(of(2)["workers"], json!(["plc#0"]), "{answer}");
    let all = notes(&path);
    let at = |text: &str| all.iter().position(|note| note == text).unwrap();
    assert!(at("first") < at("last") && all.len() == 4, "{all:?}");
}

#[test]
fn who_sends_and_goes_is_sent_for_all_the_same() {
    let sidecar = idle();
    let (gate, path) = (sidecar.gate("gate"), file(&sidecar, "notes"));
    let mut holder = sidecar.client();
    holder.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    let mut sender = sidecar.client();
    sender.send("worker.send", json!(["main", "note", [path, "posthumous"]]));
    sidecar.wait_pool("waiting", 1);
    drop(sender);
    drop(held);
    assert_eq!(holder.receive().1, Ok(json!("held")));
    assert_eq!(sidecar.call("worker.send", json!(["main", "note", [path, "after"]])), taken(&["main#0"]));
    assert_eq!(notes(&path), ["posthumous", "after"]);
}

#[test]
fn the_command_line_sends_by_call() {
    let sidecar = two();
    let sent = sidecar.cli(&["call", "worker.send", r#"["plc#1","pid",{"tags":["a"]}]"#]);
    assert_eq!((sent.code(), sent.stdout.trim()), (0, r#"{"acknowledged":1,"workers":["plc#1"]}"#));
    let refused = sidecar.cli(&["call", "worker.send", r#"["plc","fault"]"#]);
    assert_eq!(refused.code(), 1);
    assert!(refused.stderr.contains("0 of 2 workers"), "{}", refused.stderr);
}
