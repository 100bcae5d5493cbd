//! Handlers: arguments in, results and exceptions out.

use serde_json::{Value, json};

use crate::{script, worker};

#[test]
fn arguments_that_exhaust_the_memory_are_not_called_the_clients_mistake() {
    let sidecar = worker("");
    let numbers = format!("[[{}]]", vec!["1"; 7_000_000].join(","));
    let mut client = sidecar.client();
    client.raw(format!("{{\"id\":1,\"t\":\"req\",\"method\":\"echo\",\"args\":{numbers}}}\n"));
    assert_eq!(client.receive().1.unwrap_err().class, "worker_died");
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
}

#[test]
fn a_list_is_spread_and_an_object_names_its_arguments() {
    let sidecar = worker("");
    let mut client = sidecar.client();
    assert_eq!(client.typed("read", json!(["ns=2;s=X"])), Ok(json!("ns=2;s=X#13")));
    assert_eq!(client.typed("read", json!(["ns=2;s=X", 5])), Ok(json!("ns=2;s=X#5")));
    assert_eq!(client.typed("read", json!({"attribute": 7, "node": "n"})), Ok(json!("n#7")));
    assert_eq!(
        sidecar.flat(r#"{"attribute":7,"command":"read","node":"n","authToken":"x"}"#),
        "{\"success\":true,\"data\":\"n#7\"}\n"
    );
    assert_eq!(client.typed("echo", json!([1, null, {"a": []}])), Ok(json!([1, null, {"a": []}])));
}

#[test]
fn arguments_that_do_not_fit_are_the_clients_mistake() {
    let sidecar = worker("");
    let mut client = sidecar.client();
    for (args, says) in [
        (json!([]), "node"),
        (json!({"attribute": 7}), "node"),
        (json!({"node": "n", "bogus": 1}), "bogus"),
        (json!([[1]]), "string"),
        (json!(["n", "seven"]), "int"),
    ] {
        let fault = client.typed("read", args.clone()).unwrap_err();
        assert_eq!(fault.class, "InvalidArgument", "{args}: {fault:?}");
        assert!(fault.message.contains(says), "{args}: {fault:?}");
    }
    assert_eq!(
        sidecar.flat(r#"{"command":"read"}"#),
        "{\"success\":false,\"error\":{\"type\":\"InvalidArgument\",\"message\":\"missing argument \\\"node\\\"\"}}\n"
    );
    assert_eq!(sidecar.worker(0)["restarts"], 0);
}

#[test]
fn an_exception_is_answered_logged_and_survived() {
    let sidecar = worker("");
    let pid = sidecar.worker_pid(0);
    let mut client = sidecar.client();
    let fault = client.typed("throw", json!(["RuntimeException", "the PLC is gone"])).unwrap_err();
    assert_eq!((fault.class.as_str(), fault.message.as_str()), ("RuntimeException", "the PLC is gone"));
    assert_eq!(
        sidecar.flat(r#"{"command":"throw","class":"LogicException","message":"böse/"}"#),
        "{\"success\":false,\"error\":{\"type\":\"LogicException\",\"message\":\"b\\u00f6se\\/\"}}\n"
    );
    sidecar.wait_logged("the PLC is gone", 1);
    assert_eq!(client.typed("pid", json!([])), Ok(json!(pid)));
}

#[test]
fn slashes_and_unicode_are_escaped_for_flat_only() {
    let sidecar = worker("");
    let mut client = sidecar.client();
    client.raw(r#"{"id":7,"t":"req","method":"value","args":["'é/'"]}"#.to_owned() + "\n");
    assert_eq!(client.read_line(), r#"{"id":7,"t":"res","ok":true,"data":"é/"}"#);
    assert_eq!(
        sidecar.flat(r#"{"command":"value","php":"'é/'"}"#),
        "{\"success\":true,\"data\":\"\\u00e9\\/\"}\n"
    );
}

#[test]
fn results_are_what_json_encode_makes_of_them() {
    let sidecar = worker("");
    for (php, data) in [
        ("null", "null"),
        ("1.0", "1"), // json_encode drops the fraction of a whole float
        ("0.1 + 0.2", "0.30000000000000004"),
        ("[]", "[]"),
        ("new stdClass", "{}"),
        ("['a' => 1, 'b' => [true, false]]", r#"{"a":1,"b":[true,false]}"#),
        ("PHP_INT_MAX", "9223372036854775807"),
    ] {
        let answer = sidecar.flat(&json!({"command": "value", "php": php}).to_string());
        assert_eq!(answer, format!("{{\"success\":true,\"data\":{data}}}\n"), "{php}");
    }
}

#[test]
fn what_json_cannot_hold_is_encoding_failed() {
    let sidecar = worker("");
    let mut client = sidecar.client();
    for php in ["NAN", "INF", r#""\xff""#, "fopen('php://memory', 'r')"] {
        let fault = client.typed("value", json!([php])).unwrap_err();
        assert_eq!(fault.class, "encoding_failed", "{php}: {fault:?}");
        assert!(!fault.message.is_empty(), "{php}");
        let answer = sidecar.flat(&json!({"command": "value", "php": php}).to_string());
        assert!(answer.contains(r#""type":"encoding_failed""#), "{php}: {answer}");
    }
    assert_eq!(sidecar.worker(0)["restarts"], 0);
}

#[test]
fn large_arguments_and_results_pass() {
    let sidecar = worker("");
    let text = "x".repeat(4_000_000);
    assert_eq!(sidecar.call("echo", json!([text])), Ok(json!([text])));
}

#[test]
fn exit_and_a_fatal_error_cost_the_worker_and_answer_the_client() {
    let sidecar = worker("--short-run 0s");
    let fault = sidecar.call("exit", json!([7])).unwrap_err();
    assert_eq!(fault.class, "worker_died");
    assert!(fault.message.contains("exit 7"), "{fault:?}");
    let fault = sidecar.call("fatal", json!([])).unwrap_err();
    assert_eq!(fault.class, "worker_died");
    assert!(fault.message.contains("exit 255"), "{fault:?}");
    sidecar.wait_logged("Allowed memory size", 1);
    assert!(sidecar.call("pid", json!([])).is_ok());
}

#[test]
fn a_worker_knows_who_it_is() {
    let sidecar = worker("--name plc --workers 2");
    sidecar.wait_state(1, "idle");
    let mut slots: Vec<Value> = (0..2)
        .map(|_| {
            let me = sidecar.call("me", json!([])).unwrap();
            assert_eq!((&me["name"], &me["generation"]), (&json!("plc"), &json!(1)));
            assert_eq!((&me["supervised"], &me["same"]), (&json!(true), &json!(true)));
            me["slot"].clone()
        })
        .collect();
    slots.sort_by_key(|slot| slot.as_u64());
    assert_eq!(slots, [0, 1]);
}

#[test]
fn a_loop_of_ones_own_serves_between_its_turns() {
    let words = script("tick", &json!({})).words();
    let mut sidecar = rustdaemon_tests::Sidecar::builder().command(words).start();
    sidecar.wait_state(0, "idle");
    let first = sidecar.call("turns", json!([])).unwrap().as_u64().unwrap();
    rustdaemon_tests::eventually("the loop goes round without requests", || {
        let turns = sidecar.call("turns", json!([])).unwrap().as_u64().unwrap();
        if turns > first + 10 { Ok(()) } else { Err(format!("{turns} turns")) }
    });
    assert_eq!(sidecar.stop().code(), 0);
    assert_eq!(sidecar.logged("main#0 | "), ["main#0 | left the loop"]);
    assert_eq!(sidecar.logged("has not ended"), [""; 0]);
}
