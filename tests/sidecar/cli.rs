//! `ping`, `call`, `status`, `methods`: output and exit codes; what `run` refuses.

use std::process::Command;

use rustdaemon_tests::{Ended, Process, sidecar_binary};
use serde_json::{Value, json};

use crate::{fake, idle};

/// `rustdaemon` with these words and nothing in its environment that names a socket.
#[track_caller]
fn rustdaemon(words: &[&str]) -> Ended {
    let mut command = Command::new(sidecar_binary());
    command.args(words).env_remove("RUSTDAEMON_SOCKET");
    Process::start(command).wait()
}

#[track_caller]
fn assert_refused(ended: &Ended, code: i32, says: &str) {
    assert_eq!(ended.code(), code, "{}", ended.stderr);
    assert!(ended.stderr.contains(says), "{says:?} is not in {:?}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

/// The words of the line that begins with `first`.
#[track_caller]
fn row<'a>(table: &'a str, first: &str) -> Vec<&'a str> {
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.find(|row| row.first() == Some(&first)).unwrap_or_else(|| panic!("{first} is not in\n{table}"))
}

#[test]
fn an_unknown_flag_is_named() {
    assert_refused(&rustdaemon(&["run", "--sokcet", "/tmp/x", "--", "sleep", "1"]), 100, "--sokcet");
    assert_refused(&fake("").flags("--bogus=7").refused(), 100, "--bogus");
    assert_refused(&rustdaemon(&["status", "--jsno"]), 100, "--jsno");
    assert_refused(&rustdaemon(&["statsu"]), 100, "statsu");
    assert_refused(&rustdaemon(&[]), 100, "Usage");
}

#[test]
fn a_value_that_does_not_fit_is_named_with_what_does() {
    assert_refused(&fake("").flags("--socket-mode=0888").refused(), 100, "from 0 to 0777");
    assert_refused(&fake("").flags("--socket-mode rw").refused(), 100, "\"rw\" is not an octal number");
    assert_refused(&fake("").flags("--stop-timeout 8").refused(), 100, "\"8\" is not a duration");
    assert_refused(&fake("").flags("--workers 0").refused(), 100, "--workers");
    assert_refused(&fake("").flags("--workers many").refused(), 100, "many");
    assert_refused(&fake("").flags("--name a#b").refused(), 100, "\"a#b\" is not a pool");
}

#[test]
fn flags_take_their_value_either_way() {
    let sidecar = fake("").flags("--name=plc --workers 2").start();
    assert_eq!(sidecar.pool()["name"], "plc");
    assert_eq!(sidecar.status()["workers"].as_array().unwrap().len(), 2);
}

#[test]
fn a_command_that_is_not_there_is_refused_at_once() {
    let refused = |words: &[&str]| rustdaemon_tests::Sidecar::builder().command(words).refused();
    assert_refused(
        &refused(&["no-such-program-anywhere"]),
        100,
        "no-such-program-anywhere was not found in PATH",
    );
    assert_refused(&refused(&["/etc/passwd"]), 100, "/etc/passwd is not an executable file");
    assert_refused(&refused(&["/no/such/file"]), 100, "/no/such/file");
    assert_refused(&refused(&[]), 100, "COMMAND");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let refused = rustdaemon(&["run", "--socket", "/nowhere/at/all/s", "--", "sleep", "1"]);
    assert_refused(&refused, 111, "the directory /nowhere/at/all does not exist");
}

#[test]
fn ping_says_what_the_sidecar_says() {
    let sidecar = idle();
    let ended = sidecar.cli(&["ping"]);
    assert_eq!(ended.code(), 0);
    assert_eq!(serde_json::from_str::<Value>(&ended.stdout).unwrap()["status"], "ok");
}

#[test]
fn call_prints_data_and_ends_with_1_on_a_fault() {
    let sidecar = idle();
    let ended = sidecar.cli(&["call", "echo", "[1, {\"é\": \"/\"}]"]);
    assert_eq!((ended.code(), ended.stdout.as_str()), (0, "[1, {\"é\": \"/\"}]\n"));
    let ended = sidecar.cli(&["call", "echo", "{\"a\":\n1}"]);
    assert_eq!((ended.code(), ended.stdout.as_str()), (0, "{\"a\": 1}\n"), "JSON of several lines");
    let ended = sidecar.cli(&["call", "echo"]);
    assert_eq!((ended.code(), ended.stdout.as_str()), (0, "[]\n"), "without arguments");
    assert_refused(&sidecar.cli(&["call", "fault"]), 1, "Boom: it went wrong");
    assert_refused(
        &sidecar.cli(&["call", "nobody.has.it"]),
        1,
        "unknown_method: Unknown method: nobody.has.it",
    );
    for bad in ["{bad", "7", "\"x\"", ""] {
        assert_refused(&sidecar.cli(&["call", "echo", bad]), 100, "is not a JSON array or object");
    }
}

#[test]
fn who_finds_nobody_says_so_with_111() {
    let sidecar = idle();
    let socket = sidecar.socket().to_str().unwrap().to_owned();
    let killed = sidecar.killed();
    for verb in [&["ping"][..], &["call", "echo"], &["status"], &["methods"]] {
        let at = |path: &str| rustdaemon(&[verb, &["--socket", path]].concat());
        assert_refused(&at(&socket), 111, "nobody listens on");
        assert_refused(&at("/tmp/rd-no-such-socket"), 111, "no socket at /tmp/rd-no-such-socket");
        assert_refused(&rustdaemon(verb), 100, "RUSTDAEMON_SOCKET");
    }
    drop(killed);
}

#[test]
fn the_socket_may_be_named_by_the_environment() {
    let sidecar = idle();
    let ended = sidecar.shell(r#"RUSTDAEMON_SOCKET="$SOCK" "$BIN" call pid"#);
    assert_eq!(ended.stdout.trim().parse::<i32>().unwrap(), sidecar.worker_pid(0));
}

#[test]
fn an_answer_that_does_not_come_in_time_is_111() {
    let sidecar = idle();
    let gate = sidecar.gate("gate");
    let ended = sidecar.cli(&["call", "hold", &format!("[\"{}\"]", gate.path()), "--timeout", "100ms"]);
    assert_refused(&ended, 111, "no answer from");
    drop(gate.arrived());
}

#[test]
fn a_closed_stdout_ends_quietly() {
    let sidecar = idle();
    for verb in ["ping", "status", "status --json", "methods", "call big [1000000]"] {
        let script = format!(r#"{{ "$BIN" {verb} --socket "$SOCK"; echo "code $?" >&2; }} | true"#);
        let ended = sidecar.shell(&script);
        assert_eq!(ended.stderr, "code 0\n", "{verb}");
    }
}

#[test]
fn status_is_a_table_for_people_and_json_for_scripts() {
    let sidecar = fake("").flags("--name plc --workers 2").start();
    sidecar.wait_state(0, "idle");
    sidecar.wait_state(1, "idle");
    sidecar.kill_worker(1);
    let text = sidecar.cli(&["status"]);
    assert_eq!(text.code(), 0);
    let row = row(&text.stdout, "plc#1");
    assert_eq!(row[1], "idle");
    assert!(row.contains(&sidecar.worker_pid(1).to_string().as_str()), "{row:?}");
    assert!(text.stdout.contains("killed by SIGKILL"), "{}", text.stdout);
    assert!(text.stdout.contains(&*sidecar.socket().to_string_lossy()), "{}", text.stdout);

    let status: Value = serde_json::from_str(&sidecar.cli(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["pid"], sidecar.pid());
    assert_eq!(status["state"], "running");
    assert_eq!(status["socket"], sidecar.socket().to_str().unwrap());
    assert_eq!(status["workers"][0]["state"], "idle");
    assert_eq!(status["workers"][0]["pid"], sidecar.worker_pid(0));
    assert_eq!(status["workers"][1]["name"], "plc#1");
    assert_eq!(status["workers"][1]["restarts"], 1);
    assert_eq!(status["pools"][0]["link"], true);
}

#[test]
fn status_says_busy_while_a_worker_is() {
    let sidecar = idle();
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    let text = sidecar.cli(&["status"]).stdout;
    let row = row(&text, "main#0");
    assert!(row.contains(&"busy") && row.contains(&"request"), "{text}");
    drop(held);
    assert!(client.receive().1.is_ok());
}

#[test]
fn methods_are_listed() {
    let sidecar = fake("--offer plc.read").start();
    sidecar.wait_state(0, "idle");
    let text = sidecar.cli(&["methods"]).stdout;
    assert_eq!(row(&text, "plc.read"), ["plc.read", "main", "fake", "plc.read"]);
    assert_eq!(row(&text, "ping")[1..3], ["built", "in"]);
    let json: Value = serde_json::from_str(&sidecar.cli(&["methods", "--json"]).stdout).unwrap();
    assert_eq!(json["methods"][0]["name"], "plc.read");
}

#[test]
fn help_and_version_are_no_errors() {
    for words in [&["--help"][..], &["--version"], &["run", "--help"], &["call", "-h"]] {
        let ended = rustdaemon(words);
        assert_eq!((ended.code(), ended.stderr.as_str()), (0, ""), "{words:?}");
        assert!(!ended.stdout.is_empty());
    }
}
