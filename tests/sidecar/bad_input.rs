//! What a client may do wrong, and what it gets for it.

use nix::sys::signal::Signal;
use rustdaemon_tests::eventually;
use serde_json::{Value, json};

use crate::{class, fake, idle};

const INVALID_JSON: &str =
    "{\"success\":false,\"error\":{\"type\":\"invalid_json\",\"message\":\"Invalid JSON\"}}\n";
const FRAME_TOO_LARGE: &str = "{\"success\":false,\"error\":{\"type\":\"payload_too_large\",\
    \"message\":\"Request frame exceeds maximum size of 65536 bytes\"}}\n";
const BUFFER_TOO_LARGE: &str = "{\"success\":false,\"error\":{\"type\":\"payload_too_large\",\
    \"message\":\"Request exceeds maximum size of 1MB\"}}\n";

/// A FLAT `echo` of exactly `bytes` bytes without its newline.
fn flat_echo(bytes: usize) -> String {
    let shell = r#"{"command":"echo","a":""}"#;
    format!(r#"{{"command":"echo","a":"{}"}}"#, "x".repeat(bytes - shell.len()))
}

#[test]
fn what_is_no_json_is_refused_and_the_connection_ends() {
    let sidecar = idle();
    for line in ["", "not json", "7", "\"x\"", "null", "{", "{\"command\":\"echo\"", "{\"command\":\"a\"} x"]
    {
        assert_eq!(sidecar.flat(line), INVALID_JSON, "{line:?}");
    }
    let mut client = sidecar.client();
    client.raw(b"{\"command\":\"\xff\"}\n");
    assert_eq!(client.read_to_end(), INVALID_JSON);
}

#[test]
fn an_unknown_command_is_named_as_the_ancestor_names_it() {
    let sidecar = idle();
    assert_eq!(
        sidecar.flat(r#"{"command":"xyz/é"}"#),
        "{\"success\":false,\"error\":{\"type\":\"unknown_command\",\"message\":\"Unknown command: xyz\\/\\u00e9\"}}\n"
    );
    for line in ["{}", r#"{"command":7}"#] {
        assert_eq!(
            sidecar.flat(line),
            "{\"success\":false,\"error\":{\"type\":\"unknown_command\",\"message\":\"Unknown command: \"}}\n",
            "{line}"
        );
    }
    let fault = sidecar.call("xyz/é", json!([])).unwrap_err();
    assert_eq!((fault.class.as_str(), fault.message.as_str()), ("unknown_method", "Unknown method: xyz/é"));
}

#[test]
fn a_reserved_name_is_nobodys_method() {
    let sidecar = fake("--offer echo,worker.hug,system.x").start();
    sidecar.wait_state(0, "idle");
    assert_eq!(class(sidecar.call("worker.hug", json!([]))), "unknown_method");
    assert_eq!(class(sidecar.call("system.x", json!([]))), "unknown_method");
    assert!(sidecar.flat(r#"{"command":"daemon.status"}"#).contains("unknown_command"));
}

#[test]
fn a_typed_envelope_that_does_not_fit_is_refused_and_the_connection_ends() {
    let sidecar = idle();
    for line in [
        r#"{"id":0,"t":"req","method":"ping","args":[]}"#,
        r#"{"t":"req","method":"ping","args":[]}"#,
        r#"{"id":1,"t":"res","method":"ping","args":[]}"#,
        r#"{"id":1,"t":"req","args":[]}"#,
        r#"{"id":1,"t":"req","method":"ping"}"#,
        r#"{"id":1,"t":"req","method":"ping","args":"x"}"#,
    ] {
        let answer: Value = serde_json::from_str(&sidecar.flat(line)).unwrap();
        assert_eq!(
            (&answer["ok"], &answer["error"]["class"]),
            (&json!(false), &json!("invalid_request")),
            "{line}"
        );
    }
}

#[test]
fn a_flat_frame_of_65536_bytes_passes_and_one_more_does_not() {
    let sidecar = idle();
    let passes = sidecar.flat(&flat_echo(65_536));
    assert!(passes.starts_with("{\"success\":true,\"data\":{\"a\":\"xxx"), "{passes:.60}");
    assert_eq!(sidecar.flat(&flat_echo(65_537)), FRAME_TOO_LARGE);
}

#[test]
fn a_flat_stream_without_a_newline_ends_at_1_mib() {
    let sidecar = idle();
    let mut client = sidecar.client();
    client.raw(vec![b'x'; 1_048_577]);
    assert_eq!(client.read_to_end(), BUFFER_TOO_LARGE);
    let mut client = sidecar.client();
    client.raw(format!("{{\"command\":\"echo\",\"a\":\"{}", "x".repeat(1_048_576)));
    assert_eq!(client.read_to_end(), BUFFER_TOO_LARGE);
}

#[test]
fn a_typed_frame_may_be_16_mib_and_not_more() {
    let sidecar = idle();
    let frame = |bytes: usize| {
        let shell = r#"{"id":1,"t":"req","method":"echo","args":[""]}"#;
        format!("{}{}\"]}}", &shell[..shell.len() - 3], "x".repeat(bytes - shell.len()))
    };
    let mut client = sidecar.client();
    client.raw(frame(16_777_216) + "\n");
    let (_, reply) = client.receive();
    assert_eq!(reply.unwrap()[0].as_str().unwrap().len(), 16_777_216 - 46);

    client.raw(frame(16_777_217) + "\n");
    let answer: Value = serde_json::from_str(&client.read_to_end()).unwrap();
    assert_eq!(answer["error"]["class"], "payload_too_large");
    assert_eq!(answer["error"]["message"], "Request frame exceeds maximum size of 16777216 bytes");
    assert_eq!(sidecar.call("pid", json!([])).unwrap(), sidecar.worker_pid(0), "and the worker is the same");
}

#[test]
fn what_shows_no_dialect_within_64_kib_is_flat() {
    let sidecar = idle();
    for bytes in [70_000, 2_000_000] {
        let args = "x".repeat(bytes);
        let answer = sidecar.flat(&format!(r#"{{"args":["{args}"],"id":1,"method":"echo","t":"req"}}"#));
        let expected = if bytes > 1_048_576 { BUFFER_TOO_LARGE } else { FRAME_TOO_LARGE };
        assert_eq!(answer, expected, "{bytes} bytes before \"t\"");
    }
    let args = "x".repeat(65_000);
    let answer = sidecar.flat(&format!(r#"{{"command":"echo","id":1,"t":"{args}"}}"#));
    assert!(
        answer.starts_with(r#"{"success":true,"data":{"id":1,"t":"xxx"#),
        "the first key decides: {answer:.80}"
    );
}

#[test]
fn nesting_is_limited_by_dialect() {
    let sidecar = idle();
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let typed = |levels| format!(r#"{{"id":1,"t":"req","method":"echo","args":{}}}"#, nested(levels));
    let mut client = sidecar.client();
    client.raw(typed(30) + "\n");
    assert!(client.receive().1.is_ok());
    client.raw(typed(31) + "\n");
    assert!(client.read_to_end().contains("invalid_json"));
    assert_eq!(sidecar.flat(&format!(r#"{{"command":"echo","a":{}}}"#, nested(511))), INVALID_JSON);
}

#[test]
fn a_half_closed_client_still_gets_its_reply() {
    let sidecar = idle();
    let mut client = sidecar.client();
    client.raw("{\"command\":\"echo\",\"a\":1}\n");
    client.half_close();
    assert_eq!(client.read_to_end(), "{\"success\":true,\"data\":{\"a\":1}}\n");
}

#[test]
fn a_half_closed_client_gets_its_reply_from_a_worker_that_was_busy() {
    let sidecar = idle();
    let gate = sidecar.gate("gate");
    let mut first = sidecar.client();
    first.send("hold", json!([gate.path()]));
    first.half_close();
    let held = gate.arrived();
    let mut second = sidecar.client();
    second.raw("{\"command\":\"echo\",\"a\":1}\n");
    second.half_close();
    sidecar.wait_pool("waiting", 1);
    drop(held);
    assert_eq!(first.receive().1, Ok(json!("held")));
    assert_eq!(first.read_to_end(), "", "and then the end");
    assert_eq!(second.read_to_end(), "{\"success\":true,\"data\":{\"a\":1}}\n");
}

#[test]
fn a_request_cut_off_by_the_end_is_none() {
    let sidecar = idle();
    let mut client = sidecar.client();
    client.raw("{\"command\":\"echo\"}");
    client.half_close();
    assert_eq!(client.read_to_end(), "");
    assert_eq!(sidecar.pool()["accepted"], 0);
}

#[test]
fn a_client_that_disappears_takes_nothing_with_it() {
    let mut sidecar = idle();
    let pid = sidecar.worker_pid(0);
    let gate = sidecar.gate("gate");
    for request in [
        format!("{{\"id\":1,\"t\":\"req\",\"method\":\"hold\",\"args\":[\"{}\"]}}\n", gate.path()),
        format!("{{\"command\":\"hold\",\"fifo\":\"{}\"}}\n", gate.path()),
    ] {
        let mut client = sidecar.client();
        client.raw(request);
        let held = gate.arrived();
        drop(client);
        drop(held);
        sidecar.wait_state(0, "idle");
    }
    assert_eq!(sidecar.worker(0)["served"], 2, "the worker has finished both");
    assert_eq!(sidecar.call("pid", json!([])), Ok(json!(pid)), "and serves the next");
    assert!(sidecar.is_running());
}

#[test]
fn a_client_that_disappears_with_a_large_reply_on_its_way_takes_nothing_with_it() {
    let mut sidecar = idle();
    let mut client = sidecar.client();
    client.send("big", json!([8_000_000]));
    eventually("the worker has answered", || {
        let worker = sidecar.worker(0);
        if worker["served"] == 1 { Ok(()) } else { Err(worker.to_string()) }
    });
    drop(client);
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
    assert!(sidecar.is_running());
}

#[test]
fn a_client_that_does_not_read_keeps_nobody_waiting() {
    let sidecar = idle();
    let mut slow = sidecar.client();
    let id = slow.send("big", json!([8_000_000]));
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
    let (answered, reply) = slow.receive();
    assert_eq!((answered, reply.unwrap().as_str().unwrap().len()), (id, 8_000_000));
}

#[test]
fn a_worker_that_dies_while_no_descriptor_is_left_comes_back() {
    let sidecar = fake("").limits("ulimit -n 32").flags("--backoff-max 50ms").start();
    let pid = sidecar.wait_state(0, "idle")["pid"].as_i64().unwrap();
    let crowd: Vec<_> = (0..40).map(|_| sidecar.client()).collect();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
    sidecar.wait_logged("ended (killed by SIGKILL", 1);
    drop(crowd);
    assert_ne!(sidecar.call("pid", json!([])).unwrap(), pid);
}

#[test]
fn signals_of_no_meaning_change_nothing() {
    let mut sidecar = idle();
    let pid = sidecar.worker_pid(0);
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGPIPE, Signal::SIGCHLD, Signal::SIGWINCH] {
        sidecar.signal(signal);
        assert_eq!(sidecar.call("pid", json!([])), Ok(json!(pid)), "{signal}");
    }
    assert!(sidecar.is_running());
}
