//! Sessions that PHP binds: `Request::current()`, `bind()`, `unbind()`, `onExpire()`.

use nix::sys::signal::Signal;
use rustdaemon_tests::{Sidecar, eventually};
use serde_json::{Value, json};

use crate::script;

fn workers(flags: &str) -> Sidecar {
    let words = script("sessions", &json!({})).words();
    let flags = format!("--affinity sessionId --workers 2 {flags}");
    let sidecar = Sidecar::builder().flags(&flags).command(words).start();
    (0..2).for_each(|n| drop(sidecar.wait_state(n, "idle")));
    sidecar
}

fn open(sidecar: &Sidecar, args: Value) -> Value {
    sidecar.call("open", args).unwrap()
}

fn told(reply: rustdaemon_tests::Reply) -> String {
    let fault = reply.unwrap_err();
    format!("{}: {}", fault.class, fault.message)
}

#[test]
fn requests_that_name_a_session_come_to_the_worker_that_opened_it() {
    let sidecar = workers("");
    let [a, b] = ["a", "b"].map(|value| open(&sidecar, json!([value])));
    assert!(a["pid"] != b["pid"] && a["same"] == true, "{a} {b}");
    for _ in 0..4 {
        assert_eq!(sidecar.call("use", json!({"sessionId": "a"})), Ok(a["pid"].clone()));
        assert_eq!(sidecar.call("use", json!({"sessionId": "b"})), Ok(b["pid"].clone()));
    }
    let flat = sidecar.flat("{\"command\":\"use\",\"sessionId\":\"b\"}");
    assert_eq!(flat, format!("{{\"success\":true,\"data\":{}}}\n", b["pid"]));
    assert_eq!(sidecar.call("close", json!({"sessionId": "a"})), Ok(Value::Null));
    let unknown = sidecar.flat("{\"command\":\"use\",\"sessionId\":\"a\"}");
    let not_found = "{\"success\":false,\"error\":{\"type\":\"session_not_found\",\
        \"message\":\"Session not found: a\"}}\n";
    assert_eq!(unknown, not_found, "a handler's own exception");
    let slot = (0..2).find(|n| json!(sidecar.worker_pid(*n)) == b["pid"]).unwrap();
    sidecar.signal_worker(slot, Signal::SIGKILL);
    eventually("it is lost", || match sidecar.flat("{\"command\":\"use\",\"sessionId\":\"b\"}") {
        told if told == not_found.replace(": a", ": b") => Ok(()),
        told => Err(told),
    });
}

#[test]
fn a_session_that_nobody_uses_is_closed_by_on_expire() {
    let sidecar = workers("");
    open(&sidecar, json!(["short", 0.1]));
    open(&sidecar, json!(["long", null]));
    eventually("onExpire() has run", || {
        let closed: Vec<Value> = (0..2).map(|_| sidecar.call("closed", json!([])).unwrap()).collect();
        match closed.contains(&json!(["short"])) {
            true => Ok(()),
            false => Err(format!("{closed:?}")),
        }
    });
    assert_eq!(sidecar.pool()["bound"], 1);
}

#[test]
fn a_bind_that_is_not_possible_says_why() {
    let sidecar = workers("--max-bound 2");
    open(&sidecar, json!(["a"]));
    let taken = eventually("the other worker is asked", || match sidecar.call("open", json!(["a"])) {
        Ok(_) => Err("it had it already".into()),
        refused => Ok(told(refused)),
    });
    assert!(taken.starts_with("session_taken: the session a is another worker's: main#"), "{taken}");
    open(&sidecar, json!(["b"]));
    let full = told(sidecar.call("open", json!(["c"])));
    assert_eq!(full, "max_sessions_reached: Maximum number of sessions (2) reached");
    for (value, ttl, sentence) in [
        (json!(""), json!(1.0), "value: has 0 bytes; 1 to 256 bytes of UTF-8 can be bound"),
        (json!("x".repeat(257)), json!(1.0), "value: has 257 bytes; 1 to 256 bytes of UTF-8 can be bound"),
        (
            json!("x"),
            json!(0.0),
            "ttl: must be a number of seconds greater than 0, or null to keep it as long as this worker lives",
        ),
        (
            json!("x"),
            json!(-1.0),
            "ttl: must be a number of seconds greater than 0, or null to keep it as long as this worker lives",
        ),
    ] {
        assert_eq!(told(sidecar.call("open", json!([value, ttl]))), format!("InvalidArgument: {sentence}"));
    }
}

#[test]
fn a_handler_sees_its_request() {
    let sidecar = workers("");
    let seen = sidecar.call("request", json!([1, {"x": [true, null, "é/"]}])).unwrap();
    assert_eq!(seen["method"], "request");
    assert_eq!((&seen["id"], &seen["dialect"]), (&json!(1), &json!("typed")));
    assert_eq!(seen["args"], json!([1, {"x": [true, null, "é/"]}]));
    assert_eq!(seen["peerPid"], std::process::id());
    assert_eq!(seen["peerUid"], nix::unistd::geteuid().as_raw());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(seen["deadline"].as_f64().unwrap() > now);
    let mut client = sidecar.client();
    for (id, expected) in
        [("\"a\\/\\u00e9\\\"\"", json!("a/é\"")), ("1.5", Value::Null), ("null", Value::Null)]
    {
        client.raw(format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"request\",\"params\":{{\"n\":1}}}}\n"
        ));
        let answer: Value = serde_json::from_str(&client.read_line()).unwrap();
        let seen = &answer["result"];
        assert_eq!(
            (&seen["id"], &seen["dialect"], &seen["args"]),
            (&expected, &json!("jsonrpc"), &json!({"n": 1}))
        );
    }
    let flat: Value = serde_json::from_str(&sidecar.flat("{\"command\":\"request\",\"n\":1}")).unwrap();
    let seen = &flat["data"];
    assert_eq!(
        (&seen["id"], &seen["dialect"], &seen["args"]),
        (&Value::Null, &json!("flat"), &json!({"n": 1}))
    );
}

#[test]
fn a_request_that_has_been_answered_binds_nothing() {
    let sidecar = Sidecar::builder().command(script("sessions", &json!({})).words()).start();
    sidecar.wait_state(0, "idle");
    sidecar.call("keep", json!([])).unwrap();
    let late = sidecar.call("late", json!([])).unwrap();
    let told = |method: &str| {
        format!(
            "RustDaemon\\Exception\\NotAllowedHere: RustDaemon\\Request::{method}() cannot be called any more: this \
             request has been answered"
        )
    };
    assert_eq!(late, json!(["keep", true, [told("bind"), told("unbind")]]));
    sidecar.signal_worker(0, Signal::SIGTERM);
    sidecar.wait_logged("onStop: NULL", 1);
}

#[test]
fn a_session_that_was_bound_anew_is_not_told_of_its_old_end() {
    let words = script("sessions", &json!({})).words();
    let sidecar = Sidecar::builder().flags("--affinity sessionId").command(words).start();
    sidecar.wait_state(0, "idle");
    open(&sidecar, json!(["s", 0.1]));
    sidecar.call("renew", json!(["s", 0.5])).unwrap();
    assert_eq!(sidecar.pool()["bound"], 1);
    assert_eq!(sidecar.call("closed", json!([])), Ok(json!([])), "it is bound, and onExpire() has closed it");
}

#[test]
fn a_bind_in_a_worker_that_is_to_pause_keeps_its_sessions() {
    let words = script("sessions", &json!({})).words();
    let sidecar = Sidecar::builder().flags("--affinity sessionId").command(words).start();
    sidecar.wait_state(0, "idle");
    open(&sidecar, json!(["s"]));
    let mut client = sidecar.client();
    client.send("renew", json!(["t", 0.5]));
    sidecar.wait_state(0, "busy");
    sidecar.cli(&["pause"]);
    assert!(client.receive().1.is_ok());
    assert_eq!(sidecar.pool()["bound"], 2, "it is paused, and still has both");
    sidecar.cli(&["start"]);
    sidecar.cli(&["resume"]);
    assert!(sidecar.call("use", json!({"sessionId": "s"})).is_ok());
}

#[test]
fn what_goes_with_a_request_may_use_the_worker() {
    let sidecar = Sidecar::builder().command(script("sessions", &json!({})).words()).start();
    sidecar.wait_state(0, "idle");
    let pid = sidecar.call("context", json!([])).unwrap();
    assert_eq!(sidecar.call("context", json!([])), Ok(pid), "the same process: {}", sidecar.log());
    sidecar.wait_logged("context gone: NULL", 2);
}
