//! Requests that are answered later: `Worker::concurrency()`, `Request::defer()`, `reply()`, `fail()`, `Worker::stream()`.
//!
//! The worker waits in `stream_select()` for up to a minute, longer than a test waits: only its stream can have woken it.

use std::fs;

use nix::sys::signal::Signal;
use rustdaemon_tests::{Client, Sidecar, eventually};
use serde_json::{Value, json};

use crate::script;

fn worker(settings: Value, flags: &str) -> Sidecar {
    let sidecar = Sidecar::builder().flags(flags).command(script("deferred", &settings).words()).start();
    sidecar.wait_state(0, "idle");
    sidecar
}

fn told(reply: rustdaemon_tests::Reply) -> String {
    reply.map_or_else(|fault| format!("{}: {}", fault.class, fault.message), |data| data.to_string())
}

/// Defers a request under this key, and waits until it is open.
fn open(sidecar: &Sidecar, client: &mut Client, key: &str) -> u64 {
    let before = sidecar.worker(0)["deferred"].as_u64().unwrap();
    let id = client.send("later", json!([key]));
    wait_deferred(sidecar, before + 1);
    id
}

fn wait_deferred(sidecar: &Sidecar, count: u64) {
    eventually("so many are deferred", || match sidecar.worker(0) {
        worker if worker["deferred"] == count => Ok(()),
        worker => Err(worker.to_string()),
    });
}

const ANSWERED: &str = "RustDaemon\\Exception\\NotAllowedHere: RustDaemon\\Request::reply() cannot be called any more: \
                        this request has been answered";

#[test]
fn a_deferred_request_is_answered_later_and_others_are_served_meanwhile() {
    let sidecar = worker(json!({}), "");
    let mut client = sidecar.client();
    let id = open(&sidecar, &mut client, "a");
    assert_eq!(sidecar.call("open", json!([])), Ok(json!(["a"])));
    assert_eq!(sidecar.worker(0)["state"], "busy");
    assert!(sidecar.cli(&["status"]).stdout.contains("1 request is answered later"));
    assert_eq!(sidecar.call("reply", json!(["a", {"x": [1, null]}])), Ok(json!("done")));
    assert_eq!(client.receive(), (id, Ok(json!({"x": [1, null]}))));
    assert_eq!(sidecar.call("reply", json!(["a", 2])), Ok(json!(ANSWERED)), "a second time");
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.call("at_once", json!([])), Ok(json!("at once")));
}

#[test]
fn a_request_that_fails_later_has_one_answer_that_says_why() {
    let sidecar = worker(json!({"concurrency": 5}), "");
    let mut client = sidecar.client();
    let mut answer = |key: &str, act: &str, why: Option<&str>| {
        let id = open(&sidecar, &mut client, key);
        let args = why.map_or_else(|| json!([key]), |why| json!([key, why]));
        let said = sidecar.call(act, args).unwrap();
        let (answered, reply) = client.receive();
        assert_eq!(answered, id);
        (said, told(reply))
    };
    let done = json!("done");
    assert_eq!(
        answer("a", "fail", Some("the device is off")),
        (done.clone(), "failed: the device is off".into())
    );
    assert_eq!(answer("b", "throw", Some("at http://x/y")), (done, "DomainException: at [url]".into()));
    let unanswered = "unanswered: the worker has given the request up without an answer".to_owned();
    assert_eq!(answer("c", "drop", None), (json!("dropped"), unanswered.clone()));
    let (said, got) = answer("d", "odd", None);
    let thrown = "LogicException: not as JSON";
    assert_eq!((said, got), (json!([thrown, ANSWERED]), "\"from inside\"".into()));
    let call = |method: &str| told(sidecar.call(method, json!([])));
    assert_eq!(call("changes_its_mind"), "DomainException: no");
    assert_eq!(call("throws_after_its_reply"), "\"first\"");
    assert_eq!(call("nobody_keeps_it"), unanswered);
    let log = "main#0 | rustdaemon: ";
    for line in ["later threw DomainException: at http://x/y", "after a reply: DomainException: too late"] {
        sidecar.wait_logged(&format!("{log}{line}"), 1);
    }
    sidecar.wait_logged(&format!("{log}later: the request was given up without an answer"), 1);
}

#[test]
fn what_cannot_be_deferred_or_answered_is_said() {
    let needs = "RustDaemon\\\\Request::defer() needs a worker that may have several requests open: call \
                 Worker::concurrency() with a number greater than 1 first";
    for concurrency in [0, 1] {
        let sidecar = worker(json!({"concurrency": concurrency}), "");
        let said = told(sidecar.call("later", json!(["a"]))).replace('\\', "\\\\");
        assert!(said.starts_with("NotAllowedHere: ") && said.ends_with(needs), "{said}");
    }
    let sidecar = worker(json!({}), "");
    let said = sidecar.call("not_deferred", json!([])).unwrap();
    let first = "needs defer() first: this request is answered with what its handler returns";
    for (said, method) in said.as_array().unwrap().iter().zip(["reply", "fail"]) {
        assert_eq!(
            *said,
            format!("RustDaemon\\Exception\\NotAllowedHere: RustDaemon\\Request::{method}() {first}")
        );
    }
    let mut client = sidecar.client();
    let id = open(&sidecar, &mut client, "a");
    let wrong = "TypeError: RustDaemon\\Request::fail(): Argument #1 ($why) must be of type Throwable|string, int given";
    assert_eq!(sidecar.call("refuse", json!(["a"])), Ok(json!(wrong)));
    assert_eq!(sidecar.call("bind", json!(["a", "s"])), Ok(json!("done")), "a late bind");
    sidecar.signal_worker(0, Signal::SIGUSR1);
    assert_eq!(client.receive(), (id, Ok(json!("a, later"))));
    assert_eq!(sidecar.pool()["bound"], 1);
}

#[test]
fn no_more_are_open_than_may_be_and_the_rest_waits() {
    let sidecar = worker(json!({"concurrency": 3}), "");
    let mut client = sidecar.client();
    let ids: Vec<u64> = (0..5).map(|n| client.send("later", json!([n.to_string()]))).collect();
    wait_deferred(&sidecar, 3);
    assert_eq!(sidecar.pool()["waiting"], 2);
    sidecar.signal_worker(0, Signal::SIGUSR1);
    let first: Vec<Value> = client.receive_all(&ids[..3]);
    assert_eq!(first, ["0, later", "1, later", "2, later"].map(Value::from));
    wait_deferred(&sidecar, 2);
    sidecar.signal_worker(0, Signal::SIGUSR1);
    assert_eq!(client.receive_all(&ids[3..]), ["3, later", "4, later"].map(Value::from));
}

#[test]
fn a_message_reaches_a_worker_that_has_as_much_open_as_it_may() {
    let sidecar = worker(json!({}), "");
    let mut client = sidecar.client();
    let ids = ["a", "b"].map(|key| open(&sidecar, &mut client, key));
    let waits = client.send("open", json!([]));
    sidecar.wait_pool("waiting", 1);
    let taken = sidecar.call("worker.send", json!(["main#0", "answer", "by a message"]));
    assert_eq!(taken, Ok(json!({"acknowledged": 1, "workers": ["main#0"]})));
    let said = "by a message";
    assert_eq!(client.receive_all(&[ids[0], ids[1], waits]), [json!(said), json!(said), json!([])]);
}

#[test]
fn a_pause_waits_for_what_is_open() {
    let sidecar = worker(json!({}), "");
    let mut client = sidecar.client();
    let id = open(&sidecar, &mut client, "a");
    let mut operator = sidecar.client();
    let pause = operator.send("worker.pause", json!(["main#0"]));
    let waits = operator.send("open", json!([]));
    sidecar.wait_pool("waiting", 1);
    assert_eq!(sidecar.worker(0)["state"], "busy");
    sidecar.signal_worker(0, Signal::SIGUSR1);
    assert_eq!(client.receive(), (id, Ok(json!("a, later"))));
    assert_eq!(operator.receive().0, pause);
    sidecar.wait_state(0, "paused");
    sidecar.wait_logged("paused with 0 open", 1);
    sidecar.call("worker.resume", json!(["main#0"])).unwrap();
    assert_eq!(operator.receive(), (waits, Ok(json!([]))));
}

#[test]
fn a_stop_waits_for_what_is_open() {
    let mut sidecar = worker(json!({}), "--stop-timeout 60s");
    let mut client = sidecar.client();
    let id = open(&sidecar, &mut client, "a");
    sidecar.signal(Signal::SIGTERM);
    sidecar.wait_logged("stopping", 1);
    sidecar.signal_worker(0, Signal::SIGUSR1);
    assert_eq!(client.receive(), (id, Ok(json!("a, later"))));
    assert_eq!(sidecar.wait().code(), 0);
    assert_eq!(sidecar.logged("stopped with 0 open").len(), 1);
}

#[test]
fn a_worker_that_is_told_to_stop_by_a_signal_serves_no_more_and_answers_what_is_open() {
    let sidecar = worker(json!({"concurrency": 5}), "");
    let mut client = sidecar.client();
    let id = open(&sidecar, &mut client, "a");
    let pid = sidecar.worker_pid(0);
    sidecar.signal_worker(0, Signal::SIGTERM);
    sidecar.wait_state(0, "draining");
    let next = client.send("open", json!([]));
    sidecar.signal_worker(0, Signal::SIGUSR1);
    assert_eq!(client.receive(), (id, Ok(json!("a, later"))));
    assert_eq!(client.receive(), (next, Ok(json!([]))), "by the next worker");
    assert_ne!(sidecar.worker_pid(0), pid);
}

#[test]
fn a_restart_lets_the_old_worker_answer_what_is_open() {
    let sidecar = worker(json!({}), "--workers 1");
    let mut client = sidecar.client();
    let id = open(&sidecar, &mut client, "a");
    let pid = sidecar.worker_pid(0);
    let mut operator = sidecar.client();
    operator.send("worker.restart", json!(["main"]));
    sidecar.wait_state(0, "draining");
    sidecar.signal_worker(0, Signal::SIGUSR1);
    assert_eq!(client.receive(), (id, Ok(json!("a, later"))));
    operator.receive().1.unwrap();
    assert_ne!(sidecar.worker_pid(0), pid);
}

#[test]
fn what_a_killed_worker_had_open_was_begun() {
    let sidecar = worker(json!({"concurrency": 5}), "");
    let mut client = sidecar.client();
    let again = open(&sidecar, &mut client, "again"); // idempotent
    let once = client.send("once", json!(["once"]));
    wait_deferred(&sidecar, 2);
    sidecar.signal_worker(0, Signal::SIGKILL);
    let (id, reply) = client.receive();
    assert_eq!((id, reply.unwrap_err().class.as_str()), (once, "worker_died"));
    wait_deferred(&sidecar, 1);
    sidecar.signal_worker(0, Signal::SIGUSR1);
    assert_eq!(client.receive(), (again, Ok(json!("again, later"))));
}

#[test]
fn a_script_that_ends_with_an_open_request_leaves_the_answer_to_the_sidecar() {
    for again in [false, true] {
        let sidecar = worker(json!({"again": again}), "");
        let mut client = sidecar.client();
        let id = client.send("once", json!(["a"]));
        wait_deferred(&sidecar, 1);
        let mut other = sidecar.client();
        let exit = other.send("exit", json!([]));
        let (answered, reply) = client.receive();
        assert_eq!(
            (answered, reply.unwrap_err().class.as_str()),
            (id, "worker_died"),
            "run() again: {again}"
        );
        assert_eq!(other.receive().0, exit);
    }
}

#[test]
fn a_reply_after_the_deadline_is_dropped() {
    let sidecar = worker(json!({}), "");
    let mut client = sidecar.client();
    client.raw("{\"id\":9,\"t\":\"req\",\"method\":\"later\",\"args\":[\"a\"],\"timeout\":0.2}\n");
    let (id, reply) = client.receive();
    assert_eq!((id, reply.unwrap_err().class.as_str()), (9, "deadline_exceeded"));
    assert_eq!(sidecar.worker(0)["deferred"], 0, "it is open no more");
    assert_eq!(sidecar.call("reply", json!(["a", 1])), Ok(json!("done")), "no mistake");
    assert_eq!(sidecar.pool()["late"], 1);
    assert_eq!(sidecar.call("reply", json!(["a", 1])), Ok(json!(ANSWERED)));
}

#[test]
fn requests_that_nobody_ever_answers_block_nobody_beyond_their_deadline() {
    let mut sidecar = worker(json!({}), "--stop-timeout 60s");
    let mut client = sidecar.client();
    for id in [8, 9] {
        client.raw(format!(
            "{{\"id\":{id},\"t\":\"req\",\"method\":\"later\",\"args\":[\"{id}\"],\"timeout\":0.5}}\n"
        ));
    }
    wait_deferred(&sidecar, 2);
    assert_eq!(sidecar.call("open", json!([])), Ok(json!([8, 9])), "it waits for room");
    for id in [8, 9] {
        let (answered, reply) = client.receive();
        assert_eq!((answered, reply.unwrap_err().class.as_str()), (id, "deadline_exceeded"));
    }
    client.raw("{\"id\":10,\"t\":\"req\",\"method\":\"later\",\"args\":[\"c\"],\"timeout\":0.5}\n");
    wait_deferred(&sidecar, 1);
    let paused = sidecar.call("worker.pause", json!(["main"])).unwrap();
    assert_eq!(paused["workers"][0]["state"], "paused", "a pause waits no longer");
    assert_eq!(sidecar.stop().code(), 0);
}

#[test]
fn a_handler_that_suspends_its_fiber_holds_the_worker_and_not_the_loop() {
    let sidecar = Sidecar::builder().command(script("fibers", &json!({})).words()).start();
    sidecar.wait_state(0, "idle");
    let mut client = sidecar.client();
    let slow = client.send("slow", json!([]));
    sidecar.wait_state(0, "busy");
    let turns: Vec<u64> = (0..3).map(|_| client.send("turns", json!([]))).collect();
    sidecar.wait_pool("waiting", 3);
    sidecar.signal_worker(0, Signal::SIGUSR1);
    assert_eq!(client.receive(), (slow, Ok(json!("resumed"))));
    let counted = client.receive_all(&turns);
    assert!(counted.iter().all(|turns| turns.as_u64().unwrap() < 50), "the loop did not spin: {counted:?}");
}

#[test]
fn a_forked_child_can_answer_nothing_of_its_parents() {
    let sidecar = worker(json!({}), "");
    let mut client = sidecar.client();
    let id = open(&sidecar, &mut client, "a");
    assert_eq!(sidecar.call("in_a_child", json!(["a"])), Ok(json!([0, 1])));
    sidecar.wait_logged(ANSWERED, 1);
    sidecar.signal_worker(0, Signal::SIGUSR1);
    assert_eq!(client.receive(), (id, Ok(json!("a, later"))));
}

#[test]
fn a_task_of_run_answers_also_while_stopping() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("go");
    let mut sidecar = worker(json!({"loop": "run", "file": file}), "--stop-timeout 60s");
    let mut client = sidecar.client();
    let id = open(&sidecar, &mut client, "a");
    sidecar.signal(Signal::SIGTERM);
    sidecar.wait_logged("stopping", 1);
    fs::write(&file, "").unwrap();
    assert_eq!(client.receive(), (id, Ok(json!("a, later"))));
    assert_eq!(sidecar.wait().code(), 0);
}
