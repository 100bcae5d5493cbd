//! The built-in methods over the socket: what they answer, how each is refused in each dialect, who subscribes.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;
use rustdaemon_tests::{Client, Gate, Sidecar, eventually};
use serde_json::{Value, json};

use crate::{fake, idle, refused, two};

#[test]
fn the_ancestors_verbs_keep_their_meaning() {
    let sidecar = two();
    let [zero, one] = [0, 1].map(|n| sidecar.worker_pid(n));
    let entry = |slot: usize, pid: i32| {
        json!({
            "name": format!("plc#{slot}"), "pool": "plc", "slot": slot, "pid": pid, "state": "idle",
            "looptime": null, "forever": true,
        })
    };
    assert_eq!(sidecar.call("worker.list", json!([])).unwrap(), json!([entry(0, zero), entry(1, one)]));
    let status = |args: Value| sidecar.call("worker.status", args).unwrap();
    assert_eq!(status(json!([])), json!({"plc#0": 1, "plc#1": 1}));
    sidecar.call("worker.pause", json!(["plc#1"])).unwrap();
    assert_eq!(status(json!([null])), json!({"plc#0": 1, "plc#1": 2}));
    sidecar.call("worker.stop", json!(["plc#0"])).unwrap();
    assert_eq!(status(json!({"name": "plc"})), json!({"plc#0": 3, "plc#1": 2}));
    assert_eq!(status(json!(["plc#1"])), json!(2));
    let farms = sidecar.call("farm.list", json!([])).unwrap();
    assert_eq!(
        (&farms[0]["name"], &farms[0]["workers"], &farms[0]["up"], &farms[0]["generation"]),
        (&json!("plc"), &json!(2), &json!(0), &json!(1)),
        "{farms}"
    );
}

#[test]
fn every_method_is_listed_with_what_it_does() {
    let sidecar = fake("--offer plc.read").start();
    sidecar.wait_state(0, "idle");
    let list = sidecar.call("system.listMethods", json!([])).unwrap();
    assert_eq!(list[0], json!({"name": "plc.read", "description": "fake plc.read"}));
    let methods = sidecar.call("daemon.methods", json!({})).unwrap();
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&list), names(&methods["methods"]));
    for entry in list.as_array().unwrap() {
        assert!(!entry["description"].as_str().unwrap().is_empty(), "{entry}");
    }
    let built_in = "ping daemon.status daemon.methods daemon.logs daemon.subscribe worker.list worker.status farm.list \
         system.listMethods daemon.reload daemon.stop worker.restart worker.stop worker.start worker.pause \
         worker.resume worker.signal worker.scale worker.send";
    assert_eq!(names(&list)[1..], built_in.split(' ').collect::<Vec<_>>());
}

#[test]
fn a_pool_gets_more_workers_and_fewer() {
    let sidecar = two();
    let zero = sidecar.worker_pid(0);
    let told = sidecar.call("worker.scale", json!(["plc", 4])).unwrap();
    assert_eq!(told["workers"][3]["name"], "plc#3");
    assert_eq!(told["workers"][3]["state"], "idle", "it is answered when they are up: {told}");
    assert_eq!(sidecar.pool()["workers"], 4);
    let gates: Vec<_> = (0..4).map(|n| sidecar.gate(&format!("gate{n}"))).collect();
    let mut clients: Vec<_> = (0..4).map(|_| sidecar.client()).collect();
    for (client, gate) in clients.iter_mut().zip(&gates) {
        client.send("hold", json!([gate.path()]));
    }
    let held: Vec<_> = gates.iter().map(Gate::arrived).collect();
    let mut operator = sidecar.client();
    operator.send("worker.scale", json!({"workers": 1}));
    sidecar.wait_state(3, "draining");
    drop(held);
    for client in &mut clients {
        assert_eq!(client.receive().1, Ok(json!("held")), "who leaves finishes what it has");
    }
    let told = operator.receive().1.unwrap();
    assert_eq!(told["workers"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!((&told["workers"][0]["name"], &told["workers"][0]["pid"]), (&json!("plc#0"), &json!(zero)));
    assert_eq!(sidecar.status()["workers"].as_array().unwrap().len(), 1);
    sidecar.call("worker.stop", json!(["plc"])).unwrap();
    sidecar.call("worker.scale", json!(["plc", 2])).unwrap();
    assert_eq!(sidecar.worker(0)["state"], "stopped", "who is stopped stays so");
}

#[test]
fn a_singleton_that_is_scaled_is_none_any_more() {
    let sidecar = idle();
    let told = sidecar.call("worker.scale", json!([null, 2])).unwrap();
    assert_eq!(told["workers"][1]["state"], "idle");
    sidecar.call("daemon.reload", json!([])).unwrap();
    assert_eq!(sidecar.pool()["generation"], 2);
}

#[test]
fn status_says_how_fast_a_worker_answers_and_how_large_it_is() {
    let sidecar = idle();
    assert_eq!((&sidecar.worker(0)["p50"], &sidecar.worker(0)["rate"]), (&Value::Null, &json!(0.0)));
    for _ in 0..20 {
        sidecar.call("echo", json!([1])).unwrap();
    }
    let worker = sidecar.worker(0);
    let figure = |key: &str| worker[key].as_f64().unwrap_or_else(|| panic!("{key}: {worker}"));
    assert!(figure("rate") > 0.3, "{worker}");
    assert!(figure("p50") <= figure("p99") && figure("p99") < 5.0, "{worker}");
    assert!(figure("memory") > 10_000.0, "{worker}");
    assert!(figure("age") >= 0.0, "{worker}");
}

/// `method` with these arguments in TYPED and in JSON-RPC: class and message, the same in both, and JSON-RPC's code.
#[track_caller]
fn both(client: &mut Client, method: &str, args: &Value) -> (String, String, i64) {
    let typed = refused(client.typed(method, args.clone()));
    client.raw(format!("{}\n", json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": args})));
    let answer: Value = serde_json::from_str(&client.read_line()).unwrap();
    let error = &answer["error"];
    assert_eq!(error["data"]["type"], typed.0, "{method} {args}: {answer}");
    (typed.0, typed.1, error["code"].as_i64().unwrap())
}

#[test]
fn every_verb_refuses_what_it_does_not_know_in_each_dialect() {
    let sidecar = two();
    let mut client = sidecar.client();
    let none =
        ["daemon.status", "daemon.methods", "worker.list", "farm.list", "system.listMethods", "daemon.stop"];
    let named = [
        "worker.status",
        "daemon.subscribe",
        "worker.restart",
        "worker.stop",
        "worker.start",
        "worker.pause",
        "worker.resume",
    ];
    let more = ["worker.signal", "worker.scale", "daemon.logs", "daemon.reload"];
    for method in none {
        let (class, message, code) = both(&mut client, method, &json!(["plc"]));
        assert_eq!((class.as_str(), code), ("InvalidArgument", -32602), "{method}");
        assert!(message.contains("1 argument, but there are none"), "{method}: {message}");
        let (.., message, _) = both(&mut client, method, &json!({"name": "plc"}));
        assert!(message.contains("\"name\" is not an argument; there are none"), "{method}: {message}");
    }
    for method in named.into_iter().chain(more) {
        for (args, says) in [
            (json!([7]), "name: must be a string"),
            (json!([true]), "name: must be a string"),
            (json!([["plc"]]), "name: must be a string"),
            (json!([null, 1, true, 4]), "4 arguments, but there are: name"),
            (json!({"nmae": "plc"}), "\"nmae\" is not an argument; there are: name"),
        ] {
            let (class, message, code) = both(&mut client, method, &args);
            assert_eq!((class.as_str(), code), ("InvalidArgument", -32602), "{method} {args}");
            assert!(message.contains(says), "{method} {args}: {message}");
        }
    }
    for method in named.into_iter().chain(["daemon.logs"]) {
        for name in ["nobody", "plc#2", "plc#", "plc#00", "#0", ""] {
            let (class, message, _) = both(&mut client, method, &json!([name]));
            assert!(["unknown_worker", "refused", "InvalidArgument"].contains(&class.as_str()), "{class}");
            let clear = message.contains("plc#0 to plc#1") || message.contains("POOL#SLOT");
            assert!(clear, "{method} {name}: {message}");
        }
    }
    for (method, args, says) in [
        ("worker.scale", json!(["plc"]), "workers: must be a whole number from 1 to 1024"),
        ("worker.scale", json!(["plc", "2"]), "workers: must be a whole number from 1 to 1024"),
        ("worker.scale", json!(["plc", -1]), "workers: must be a whole number from 1 to 1024"),
        ("worker.scale", json!(["plc#0", 2]), "a pool is scaled as a whole"),
        ("worker.scale", json!(["nobody", 2]), "there is no worker nobody"),
        ("worker.signal", json!(["plc"]), "signal: is missing"),
        ("daemon.reload", json!(["plc#0"]), "a pool is reloaded as a whole"),
        ("daemon.logs", json!({"lines": "many"}), "lines: must be a whole number"),
        ("daemon.logs", json!({"follow": 1}), "follow: must be true or false"),
    ] {
        let (.., message, _) = both(&mut client, method, &args);
        assert!(message.contains(says), "{method} {args}: {message}");
    }
    assert_eq!(refused(client.typed("daemon.nothing", json!([]))).0, "unknown_method");
    // FLAT's clients know none of them.
    for method in none.into_iter().chain(named).chain(more) {
        let answer = sidecar.flat(&json!({ "command": method }).to_string());
        assert!(answer.contains(&format!("Unknown command: {method}")), "{answer}");
    }
    assert_eq!(sidecar.worker(0)["state"], "idle", "nothing has happened");
    assert!(client.typed("ping", json!(["whatever"])).is_ok(), "a probe is never refused for its arguments");
}

#[test]
fn a_subscriber_hears_of_workers_and_deploys_until_it_leaves() {
    let sidecar = two();
    let one = sidecar.worker_pid(1);
    let mut client = sidecar.client();
    let id = client.send("daemon.subscribe", json!([]));
    let standing = client.receive().1.unwrap();
    assert_eq!(standing["pools"], json!([{"name": "plc", "generation": 1}]));
    assert_eq!(standing["workers"][1], json!({"name": "plc#1", "state": "idle", "pid": one}));
    let next = |client: &mut Client| -> Value {
        let mut line: Value = serde_json::from_str(&client.read_line()).unwrap();
        assert_eq!((&line["t"], &line["id"]), (&json!("evt"), &json!(id)), "{line}");
        assert!(line["data"]["at"].as_f64().unwrap() > 1.7e9, "{line}");
        line["data"].take()
    };
    // Up to the one that is `event` with this state, or none.
    let until = |client: &mut Client, event: &str, state: Option<&str>| loop {
        let notice = next(client);
        if notice["event"] == event && notice["state"].as_str() == state {
            break notice;
        }
    };
    sidecar.signal_worker(1, Signal::SIGKILL);
    let ended = until(&mut client, "worker.ended", None);
    assert_eq!((&ended["worker"], &ended["pid"]), (&json!("plc#1"), &json!(one)));
    assert_eq!(ended["reason"]["reason"], "killed");
    assert!(ended["message"].as_str().unwrap().starts_with("killed by SIGKILL"), "{ended}");
    let up = until(&mut client, "worker.state", Some("idle"));
    assert_eq!((&up["worker"], &up["pid"]), (&json!("plc#1"), &json!(sidecar.worker_pid(1))));
    sidecar.call("worker.pause", json!(["plc#0"])).unwrap();
    assert_eq!(until(&mut client, "worker.state", Some("paused"))["worker"], "plc#0");
    sidecar.call("worker.resume", json!(["plc#0"])).unwrap();
    until(&mut client, "worker.state", Some("idle"));
    sidecar.call("daemon.reload", json!([])).unwrap();
    assert_eq!(until(&mut client, "reload.started", None)["generation"], 2);
    let done = until(&mut client, "reload.done", None);
    assert_eq!((&done["pool"], &done["generation"]), (&json!("plc"), &json!(2)));
    client.send("ping", json!([]));
    loop {
        let line: Value = serde_json::from_str(&client.read_line()).unwrap();
        if line["t"] == "res" {
            break assert_eq!(line["ok"], true, "the connection still answers");
        }
    }
    let mut other = sidecar.client();
    other.raw("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"daemon.subscribe\",\"params\":[\"plc#0\"]}\n");
    other.read_line();
    sidecar.call("daemon.stop", json!([])).unwrap();
    let mut told = Vec::new();
    loop {
        let line = other.read_line();
        if line.is_empty() {
            break;
        }
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["method"], &line["params"]["id"]), (&json!("event"), &json!(7)));
        let data = &line["params"]["data"];
        assert_ne!(data["worker"], "plc#1", "it asked for another one");
        told.push(data["event"].as_str().unwrap().to_owned());
    }
    assert!(told.contains(&"daemon.stopping".into()) && told.contains(&"worker.ended".into()), "{told:?}");
}

#[test]
fn a_subscriber_hears_why_a_deploy_is_refused() {
    let builder = Sidecar::builder();
    let bad = builder.directory().join("bad");
    let script = format!(r#"test -e {} && echo broken && exit 3; exec "$0""#, bad.display());
    let sidecar = builder.command(["sh", "-c", &script, env!("CARGO_BIN_EXE_fake_worker")]).start();
    sidecar.wait_state(0, "idle");
    std::fs::write(&bad, "").unwrap();
    let mut client = sidecar.client();
    client.send("daemon.subscribe", json!(["main"]));
    client.receive().1.unwrap();
    refused(sidecar.call("daemon.reload", json!([])));
    loop {
        let line: Value = serde_json::from_str(&client.read_line()).unwrap();
        if line["data"]["event"] == "reload.refused" {
            let message = line["data"]["message"].as_str().unwrap();
            assert!(message.contains("the old generation stays") && message.contains("exit 3"), "{line}");
            break assert_eq!(line["data"]["log"], json!(["broken"]));
        }
    }
}

#[test]
fn what_goes_on_after_its_answer_needs_a_line_of_its_own() {
    let sidecar = idle();
    let mut client = sidecar.client();
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "daemon.subscribe"});
    client.raw(format!("{}\n", json!([ask])));
    let answer: Value = serde_json::from_str(&client.read_line()).unwrap();
    assert_eq!(answer[0]["error"]["code"], -32602, "{answer}");
    let told = answer[0]["error"]["message"].to_string() + &answer[0]["error"]["data"].to_string();
    assert!(told.contains("not in a batch"), "{answer}");
}

#[test]
fn who_has_gone_subscribes_to_nothing() {
    let sidecar = idle();
    for _ in 0..20 {
        let mut stream = UnixStream::connect(sidecar.socket()).unwrap();
        stream.write_all(b"{\"id\":1,\"t\":\"req\",\"method\":\"daemon.status\",\"args\":[]}\n").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap(); // the rest is left unread: the close resets
        stream.write_all(b"{\"id\":2,\"t\":\"req\",\"method\":\"daemon.subscribe\",\"args\":[]}\n").unwrap();
    }
    assert_eq!(sidecar.call("pid", json!([])).map(drop), Ok(()));
    eventually("they are forgotten", || match sidecar.status()["subscribers"] == 0 {
        true => Ok(()),
        false => Err(sidecar.status()["subscribers"].to_string()),
    });
}

#[test]
fn a_subscriber_that_does_not_read_is_dropped_and_blocks_nobody() {
    let sidecar = fake("").flags("--workers 64").start();
    sidecar.wait_state(63, "idle");
    let mut silent = sidecar.client();
    silent.send("daemon.subscribe", json!([]));
    silent.receive().1.unwrap();
    let mut operator = sidecar.client();
    eventually("it is dropped", || {
        for _ in 0..20 {
            operator.typed("worker.pause", json!([])).unwrap();
            operator.typed("worker.resume", json!([])).unwrap();
        }
        match sidecar.logged("a follower of logs or events has left").len() {
            0 => Err("not yet".into()),
            _ => Ok(()),
        }
    });
    assert_eq!(sidecar.logged("a follower of logs or events has left").len(), 1);
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
}
