//! The documented probe, well and ill, and as people type it by hand.
//!
//! What must end by itself does so within 3 s, because a supervisor gives a probe no more: timeout(1) ends it with 124.

use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use rustdaemon_tests::{Ended, Process, Sidecar, eventually};
use serde_json::json;

use crate::{class, fake, idle};

const PROBE: &str =
    r#"echo '{"id":1,"t":"req","method":"ping","args":[]}' | nc -U "$SOCK" | grep -q '"ok":true'"#;
const PING: &str = r#"echo '{"id":1,"t":"req","method":"ping","args":[]}'"#;

fn shell(socket: &Path, words: &[&str], script: &str) -> Process {
    let (program, arguments) = words.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).args(["sh", "-c", script]).env("SOCK", socket);
    Process::start(command)
}

#[track_caller]
fn within_3_s(socket: &Path, script: &str) -> Ended {
    shell(socket, &["timeout", "3"], script).wait()
}

/// One line: a TYPED ping's data.
fn is_healthy(text: &str) -> bool {
    text.starts_with(r#"{"id":1,"t":"res","ok":true,"data":{"status":"ok","#) && text.lines().count() == 1
}

#[test]
fn the_documented_probe_works_verbatim() {
    let sidecar = idle();
    let ended = within_3_s(sidecar.socket(), PROBE);
    assert_eq!((ended.code(), ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""));
}

#[test]
fn the_probe_is_well_while_every_worker_is_busy() {
    let sidecar = idle();
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    assert_eq!(within_3_s(sidecar.socket(), PROBE).code(), 0);
    drop(held);
}

#[test]
fn a_wrong_line_ends_the_probe_as_a_failure() {
    let sidecar = idle();
    let wrong = [
        ("\"id\":1", "\"id\":0"),
        ("\"id\":1,", ""),
        ("\"t\":\"req\"", "\"t\":\"res\""),
        ("\"t\":\"req\",", ""),
        ("\"method\":", "\"m\":"),
        ("\"args\":[]", "\"args\":1"),
        ("{", ""),
        ("}", ""),
        ("'{\"id\":1,\"t\":\"req\",\"method\":\"ping\",\"args\":[]}'", ""),
    ];
    for (right, wrong) in wrong {
        let script = PROBE.replacen(right, wrong, 1);
        assert_ne!(script, PROBE);
        assert_eq!(within_3_s(sidecar.socket(), &script).code(), 1, "{script}");
    }
}

#[test]
fn the_probe_fails_where_nobody_listens() {
    let sidecar = idle();
    let socket = sidecar.socket().to_owned();
    let killed = sidecar.killed();
    assert!(socket.exists(), "a killed sidecar's socket is still there");
    assert_eq!(within_3_s(&socket, PROBE).code(), 1);
    drop(killed);
    assert!(!socket.exists());
    assert_eq!(within_3_s(&socket, PROBE).code(), 1);
}

#[test]
fn the_probe_fails_at_a_daemon_that_stops() {
    let mut sidecar = idle();
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let id = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    sidecar.signal(Signal::SIGTERM);
    eventually("it stops", || {
        let state = sidecar.status()["state"].clone();
        if state == "stopping" { Ok(()) } else { Err(state.to_string()) }
    });
    assert_eq!(within_3_s(sidecar.socket(), PROBE).code(), 1);
    assert_eq!(class(sidecar.call("ping", json!([]))), "shutting_down");
    drop(held);
    assert_eq!(client.receive(), (id, Ok(json!("held"))), "what runs is finished");
    assert_eq!(sidecar.wait().code(), 0);
    assert_eq!(within_3_s(sidecar.socket(), PROBE).code(), 1, "it has stopped");
}

#[test]
fn a_probe_that_waits_ends_with_the_daemon() {
    let mut sidecar = idle();
    // By hand, without grep and without -N: nc stays as long as the connection.
    let mut nc = shell(sidecar.socket(), &["timeout", "60"], &format!("{PING} | nc -U \"$SOCK\""));
    eventually("the answer is there", || {
        let text = nc.stdout();
        if is_healthy(&text) { Ok(()) } else { Err(text) }
    });
    assert!(nc.is_running(), "keep-alive");
    assert_eq!(sidecar.stop().code(), 0);
    let ended = nc.wait();
    assert!(ended.code() == 0 && is_healthy(&ended.stdout), "{ended:?}");
}

#[track_caller]
fn by_hand(sidecar: &Sidecar, client: &str) {
    let ended = within_3_s(sidecar.socket(), &format!("{PING} | {client}"));
    assert!(ended.code() == 0 && is_healthy(&ended.stdout), "{client}: {ended:?}");
    let piped = within_3_s(sidecar.socket(), &format!("{PING} | {client} | grep -q '\"ok\":true'"));
    assert_eq!(piped.code(), 0, "{client}");
    // FLAT ends by itself, JSON-RPC as TYPED.
    let flat = within_3_s(sidecar.socket(), &format!("echo '{{\"command\":\"echo\",\"a\":1}}' | {client}"));
    assert_eq!(
        (flat.code(), flat.stdout.as_str()),
        (0, "{\"success\":true,\"data\":{\"a\":1}}\n"),
        "{client}"
    );
    let call = r#"echo '{"jsonrpc":"2.0","id":1,"method":"echo","params":[1]}'"#;
    let call = within_3_s(sidecar.socket(), &format!("{call} | {client}"));
    assert_eq!(
        (call.code(), call.stdout.as_str()),
        (0, "{\"jsonrpc\":\"2.0\",\"result\":[1],\"id\":1}\n"),
        "{client}"
    );
}

#[test]
fn by_hand_with_nc_that_half_closes() {
    by_hand(&idle(), r#"nc -N -U "$SOCK""#);
}

#[test]
fn by_hand_with_nc_that_quits() {
    by_hand(&idle(), r#"nc -q 1 -U "$SOCK""#);
}

#[test]
fn by_hand_with_socat() {
    by_hand(&idle(), r#"socat - "UNIX-CONNECT:$SOCK""#);
}

#[test]
fn the_probe_is_well_before_the_first_worker_is() {
    let sidecar = fake("--no-ready").start();
    assert_eq!(within_3_s(sidecar.socket(), PROBE).code(), 0, "the daemon lives");
}
