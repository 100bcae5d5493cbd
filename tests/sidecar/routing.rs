//! Requests: where they go, and that each has exactly one answer.

use rustdaemon_tests::eventually;
use serde_json::{Value, json};

use crate::{class, fake, idle};

#[test]
fn flat_ping_has_the_ancestors_shape() {
    let sidecar = idle();
    let answer = sidecar.flat(r#"{"command":"ping"}"#);
    let time = answer
        .strip_prefix(r#"{"success":true,"data":{"status":"ok","sessions":0,"time":"#)
        .and_then(|rest| rest.strip_suffix("}}\n"))
        .unwrap_or_else(|| panic!("{answer:?}"));
    assert!(time.parse::<f64>().unwrap() > 1.7e9, "{time}");
    assert!(sidecar.flat("{\"command\":\"ping\"}\r").starts_with(r#"{"success":true,"#), "CRLF is accepted");
}

#[test]
fn arguments_and_data_pass_byte_for_byte() {
    let sidecar = idle();
    let mut client = sidecar.client();
    client.raw(
        "{\"id\":\"a\\/b\",\"t\":\"req\",\"method\":\"echo\",\"args\":[ 1.0, 1e5,\"\\u00e9/\\/\", \"é\" ]}\n",
    );
    assert_eq!(
        client.read_line(),
        "{\"id\":\"a\\/b\",\"t\":\"res\",\"ok\":true,\"data\":[ 1.0, 1e5,\"\\u00e9/\\/\", \"é\" ]}"
    );
    assert_eq!(
        sidecar.flat(r#"{"b":1.0,"command":"echo","a":{"x":[]},"authToken":"secret"}"#),
        "{\"success\":true,\"data\":{\"b\":1.0,\"a\":{\"x\":[]}}}\n"
    );
}

#[test]
fn a_workers_fault_is_the_clients_answer() {
    let sidecar = idle();
    let fault = sidecar.call("fault", json!([])).unwrap_err();
    assert_eq!((fault.class.as_str(), fault.message.as_str()), ("Boom", "it went wrong"));
    assert_eq!(
        sidecar.flat(r#"{"command":"fault"}"#),
        "{\"success\":false,\"error\":{\"type\":\"Boom\",\"message\":\"it went wrong\"}}\n"
    );
}

#[test]
fn typed_requests_of_one_connection_may_overtake_each_other() {
    let sidecar = fake("").flags("--workers 2").start();
    sidecar.wait_state(0, "idle");
    sidecar.wait_state(1, "idle");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let slow = client.send("hold", json!([gate.path()]));
    let quick = client.send("echo", json!([2]));
    assert_eq!(client.receive(), (quick, Ok(json!([2]))));
    drop(gate.arrived());
    assert_eq!(client.receive(), (slow, Ok(json!("held"))));
}

#[test]
fn pipelined_requests_are_all_answered_once() {
    let sidecar = fake("").flags("--workers 2").start();
    let mut client = sidecar.client();
    let ids: Vec<u64> = (0..500).map(|n| client.send("echo", json!([n]))).collect();
    let wanted: Vec<Value> = (0..500).map(|n| json!([n])).collect();
    assert_eq!(client.receive_all(&ids), wanted);
    client.half_close();
    assert_eq!(client.read_to_end(), "", "and nothing more");
    let served: u64 = (0..2).map(|n| sidecar.worker(n)["served"].as_u64().unwrap()).sum();
    assert_eq!(served, 500);
}

#[test]
fn a_flat_request_after_a_typed_one_ends_the_connection_after_both_answers() {
    let sidecar = idle();
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let id = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    client.raw("{\"command\":\"ping\"}\n{\"command\":\"ping\"}\n");
    assert!(client.read_line().starts_with(r#"{"success":true,"data":{"status":"ok","#));
    drop(held);
    assert_eq!(client.receive(), (id, Ok(json!("held"))));
    assert_eq!(client.read_to_end(), "", "the second FLAT request is passed over");
}

#[test]
fn requests_go_round_among_idle_workers() {
    let sidecar = fake("").flags("--workers 4").start();
    (0..4).for_each(|n| drop(sidecar.wait_state(n, "idle")));
    let mut client = sidecar.client();
    let mut pids: Vec<i64> =
        (0..4).map(|_| client.typed("pid", json!([])).unwrap().as_i64().unwrap()).collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 4);
}

#[test]
fn a_request_that_came_before_the_first_worker_was_ready_is_served_by_it() {
    let builder = fake("");
    let gate = rustdaemon_tests::Gate::new(builder.directory(), "gate");
    let sidecar = builder.command(["--hold-before-ready", gate.path()]).start();
    let held = gate.arrived();
    sidecar.wait_state(0, "booted");
    let mut client = sidecar.client();
    let known = client.send("echo", json!([1]));
    let unknown = client.send("nobody.has.it", json!([]));
    assert!(sidecar.flat(r#"{"command":"ping"}"#).contains("\"ok\""), "ping needs no worker");
    sidecar.wait_pool("waiting", 2);
    drop(held);
    let mut answers = [client.receive(), client.receive()];
    answers.sort_by_key(|(id, _)| *id);
    let [(first, data), (second, fault)] = answers;
    assert_eq!((first, data), (known, Ok(json!([1]))));
    assert_eq!((second, class(fault)), (unknown, "unknown_method".into()));
}

#[test]
fn a_workers_death_is_said_to_whom_it_served_and_to_nobody_else() {
    let sidecar = idle();
    let gate = sidecar.gate("gate");
    let old = sidecar.worker_pid(0);
    let (mut first, mut second) = (sidecar.client(), sidecar.client());
    first.send("hold", json!([gate.path()]));
    let _held = gate.arrived();
    let waiting = second.send("pid", json!([]));
    sidecar.wait_pool("waiting", 1);
    sidecar.kill_worker(0);
    let fault = first.receive().1.unwrap_err();
    assert_eq!(fault.class, "worker_died");
    assert!(
        fault.message.contains("SIGKILL") && fault.message.contains("may have been executed"),
        "{fault:?}"
    );
    let (id, pid) = second.receive();
    assert_eq!(id, waiting);
    assert_ne!(pid.unwrap(), old, "the replacement has served it");
}

#[test]
fn a_worker_that_ends_in_its_handler_has_died_for_its_client() {
    let sidecar = fake("").flags("--short-run 0s").start();
    for (request, how) in [("exit", "exit 7"), ("die", "killed by SIGKILL")] {
        let fault = sidecar.call(request, json!([7])).unwrap_err();
        assert_eq!(fault.class, "worker_died");
        assert!(fault.message.contains(how), "{fault:?}");
    }
    let answer = sidecar.flat(r#"{"command":"exit"}"#);
    assert!(
        answer.starts_with(r#"{"success":false,"error":{"type":"worker_died","message":"The worker"#),
        "{answer}"
    );
}

#[test]
fn a_reply_survives_its_writer() {
    let sidecar = fake("").flags("--short-run 0s").start();
    for round in 1..=20 {
        assert_eq!(sidecar.call("last_words", json!([])), Ok(json!("spoken")));
        // Until its end is seen, the dead worker counts as idle.
        eventually("its death is seen", || {
            let worker = sidecar.worker(0);
            if worker["restarts"] == round { Ok(()) } else { Err(worker.to_string()) }
        });
    }
}

#[test]
fn a_full_queue_is_busy() {
    let sidecar = fake("").flags("--queue 1").start();
    sidecar.wait_state(0, "idle");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let running = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    let waiting = client.send("echo", json!([1]));
    let refused = client.send("echo", json!([2]));
    let (id, reply) = client.receive();
    assert_eq!((id, class(reply)), (refused, "busy".into()));
    assert!(sidecar.flat(r#"{"command":"echo"}"#).contains(r#""type":"busy""#));
    assert!(sidecar.flat(r#"{"command":"ping"}"#).contains("\"ok\""), "ping never queues");
    drop(held);
    assert_eq!(client.receive(), (running, Ok(json!("held"))));
    assert_eq!(client.receive(), (waiting, Ok(json!([1]))));
}

#[test]
fn a_deadline_ends_the_wait_and_a_late_reply_is_nobodys() {
    let sidecar = fake("").flags("--request-timeout 300ms").start();
    sidecar.wait_state(0, "idle");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let running = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    let waiting = client.send("echo", json!([1]));
    let (id, fault) = client.receive();
    let fault = fault.unwrap_err();
    assert_eq!((id, fault.class.as_str()), (running, "deadline_exceeded"));
    assert!(fault.message.contains("0.3 s") && fault.message.contains("may have been executed"), "{fault:?}");
    let (id, fault) = client.receive();
    let fault = fault.unwrap_err();
    assert_eq!((id, fault.class.as_str()), (waiting, "deadline_exceeded"));
    assert!(fault.message.contains("was not started"), "{fault:?}");
    assert_eq!(sidecar.worker(0)["state"], "busy", "the worker still has it in hand");
    drop(held);
    sidecar.wait_state(0, "idle");
    sidecar.wait_pool("late", 1);
    // 300 ms may be short for a machine under load: then the next one is asked.
    eventually("the worker serves the next one", || {
        sidecar.call("echo", json!([2])).map_err(|fault| format!("{fault:?}"))
    });
    client.half_close();
    assert_eq!(client.read_to_end(), "", "the late reply went to nobody");
}

#[test]
fn a_second_reply_to_one_request_is_nobodys() {
    let sidecar = idle();
    let mut client = sidecar.client();
    assert_eq!(client.typed("twice", json!([])), Ok(json!(1)));
    sidecar.wait_pool("late", 1);
    assert_eq!(client.typed("echo", json!([3])), Ok(json!([3])));
}

#[test]
fn methods_are_those_of_the_last_ready_worker() {
    let sidecar = fake("--offer echo,pid").start();
    sidecar.wait_state(0, "idle");
    let methods = sidecar.call("daemon.methods", json!([])).unwrap();
    let named =
        |name: &str| methods["methods"].as_array().unwrap().iter().find(|m| m["name"] == name).cloned();
    assert_eq!(named("pid").unwrap()["pool"], "main");
    assert_eq!(named("pid").unwrap()["description"], "fake pid");
    assert_eq!(named("ping").unwrap()["pool"], Value::Null);
    assert!(named("fault").is_none());
    assert_eq!(class(sidecar.call("fault", json!([]))), "unknown_method");
}

#[test]
fn the_age_of_a_request_comes_from_the_workers_page() {
    let sidecar = idle();
    assert_eq!(sidecar.worker(0)["request_age"], Value::Null);
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    let worker = sidecar.worker(0);
    assert_eq!(worker["state"], "busy");
    assert!(worker["request_age"].as_f64().unwrap() >= 0.0, "{worker}");
    drop(held);
    assert!(client.receive().1.is_ok());
    // A worker leaves its page only after it has replied.
    eventually("the page says so", || match sidecar.worker(0) {
        worker if worker["request_age"].is_null() => Ok(()),
        worker => Err(worker.to_string()),
    });
}
