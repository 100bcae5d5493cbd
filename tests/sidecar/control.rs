//! The verbs that change something: over the socket, and as a person types them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use rustdaemon_tests::{Ended, Process, Sidecar, eventually, sidecar_binary};
use serde_json::{Value, json};

use crate::config::NOBODY;
use crate::{class, fake, idle, refused, two};

fn pids(sidecar: &Sidecar) -> [i32; 2] {
    [0, 1].map(|n| sidecar.worker_pid(n))
}

#[track_caller]
fn assert_said(ended: &Ended, code: i32, stdout: &str, stderr: &str) {
    assert_eq!((ended.code(), ended.stdout.as_str(), ended.stderr.as_str()), (code, stdout, stderr));
}

/// Waits until worker 0 is another process than `pid` and in `state`.
#[track_caller]
fn wait_another(sidecar: &Sidecar, pid: i32, state: &str) {
    eventually(&format!("another one than pid {pid} is {state}"), || match sidecar.worker(0) {
        worker if worker["state"] == state && worker["pid"] != pid => Ok(()),
        worker => Err(worker.to_string()),
    });
}

#[test]
fn a_restart_is_answered_when_the_next_one_is_ready() {
    let sidecar = two();
    let [zero, one] = pids(&sidecar);
    let told = sidecar.call("worker.restart", json!(["plc#1"])).unwrap();
    assert_eq!(told, json!({"workers": [{"name": "plc#1", "state": "idle", "pid": sidecar.worker_pid(1)}]}));
    assert_eq!(sidecar.worker_pid(0), zero);
    assert_ne!(sidecar.worker_pid(1), one);
    let worker = sidecar.worker(1);
    assert_eq!(
        (&worker["last_exit_reason"]["reason"], &worker["restarts"]),
        (&json!("restart"), &json!(1)),
        "{worker}"
    );
    let before = pids(&sidecar);
    sidecar.call("worker.restart", json!({"name": "plc"})).unwrap();
    assert!(pids(&sidecar).iter().all(|pid| !before.contains(pid)));
    assert_eq!(sidecar.logged("short run").len(), 0, "what was wanted is no failure");
}

#[test]
fn each_verb_is_a_command_too() {
    let sidecar = two();
    let [zero, one] = pids(&sidecar);
    let ended = sidecar.cli(&["restart", "plc#1"]);
    assert_ne!(sidecar.worker_pid(1), one);
    let one = sidecar.worker_pid(1);
    assert_said(&ended, 0, &format!("plc#1 is idle (pid {one})\n"), "");
    for (verb, state) in [("pause", "paused"), ("pause", "paused"), ("resume", "idle"), ("start", "idle")] {
        let said = format!("plc#0 is {state} (pid {zero})\nplc#1 is {state} (pid {one})\n");
        assert_said(&sidecar.cli(&[verb]), 0, &said, "");
    }
    let json = |words: &[&str]| {
        let ended = sidecar.cli(words);
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        serde_json::from_str::<Value>(&ended.stdout).unwrap()
    };
    for (verb, state) in [("pause", "paused"), ("resume", "idle"), ("start", "idle")] {
        let told = json(&[verb, "plc#0", "--json"]);
        assert_eq!(told, json!({"workers": [{"name": "plc#0", "state": state, "pid": zero}]}));
    }
    assert_said(&sidecar.cli(&["stop", "plc#0"]), 0, "plc#0 is stopped\n", "");
    let told = json(&["stop", "plc#0", "--json"]);
    assert_eq!(told, json!({"workers": [{"name": "plc#0", "state": "stopped", "pid": null}]}), "twice");
    assert_eq!(json(&["start", "plc", "--json"])["workers"][1]["pid"], one, "who is up stays");
    assert_said(&sidecar.cli(&["reload"]), 0, "plc: generation 2 serves\n", "");
    let told = json(&["reload", "plc", "--json"]);
    assert_eq!(told, json!({"pools": [{"name": "plc", "generation": 3}]}));
    let one = sidecar.worker_pid(1);
    let ended = sidecar.cli(&["signal", "USR1", "plc#1"]);
    assert_said(&ended, 0, &format!("plc#1 is idle (pid {one})\n"), "");
    sidecar.wait_logged("plc#1 ended (killed by SIGUSR1; sent by an operator", 1);
}

#[test]
fn a_stopped_worker_stays_so_until_it_is_started() {
    let sidecar = idle();
    let told = sidecar.call("worker.stop", json!(["main"])).unwrap();
    assert_eq!(told, json!({"workers": [{"name": "main#0", "state": "stopped", "pid": null}]}));
    let worker = sidecar.worker(0);
    assert_eq!(worker["last_exit_reason"]["reason"], "stop", "{worker}");
    let mut client = sidecar.client();
    let id = client.send("echo", json!([1]));
    sidecar.wait_pool("waiting", 1);
    assert_eq!(sidecar.cli(&["status"]).code(), 0, "stopped is not parked");
    sidecar.call("worker.start", json!(["main#0"])).unwrap();
    assert_eq!(client.receive(), (id, Ok(json!([1]))));
}

#[test]
fn a_restart_lets_the_request_in_hand_finish() {
    let sidecar = idle();
    let pid = sidecar.worker_pid(0);
    let gate = sidecar.gate("gate");
    let (mut client, mut operator, mut next) = (sidecar.client(), sidecar.client(), sidecar.client());
    let id = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    operator.send("worker.restart", json!(["main"]));
    sidecar.wait_state(0, "draining");
    next.send("pid", json!([]));
    sidecar.wait_pool("waiting", 1);
    drop(held);
    assert_eq!(client.receive(), (id, Ok(json!("held"))));
    let told = operator.receive().1.unwrap();
    assert_ne!(told["workers"][0]["pid"], pid);
    assert_eq!(next.receive().1.unwrap(), told["workers"][0]["pid"], "what waited is the next one's");
}

#[test]
fn an_operator_who_leaves_before_the_restart_is_done_disturbs_nothing() {
    let sidecar = idle();
    let pid = sidecar.worker_pid(0);
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let id = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    let mut operator = sidecar.client();
    operator.send("worker.restart", json!(["main"]));
    sidecar.wait_state(0, "draining");
    drop(operator);
    drop(held);
    assert_eq!(client.receive(), (id, Ok(json!("held"))));
    wait_another(&sidecar, pid, "idle");
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
    assert_eq!(sidecar.logged("ERROR"), [""; 0]);
}

#[test]
fn a_paused_worker_finishes_what_it_has_and_gets_nothing_more() {
    let sidecar = idle();
    let gate = sidecar.gate("gate");
    let (mut client, mut operator) = (sidecar.client(), sidecar.client());
    client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    operator.send("worker.pause", json!(["main"]));
    let mut waiting: Vec<_> = (0..3).map(|_| sidecar.client()).collect();
    for client in &mut waiting {
        client.send("echo", json!([1]));
    }
    sidecar.wait_pool("waiting", 3);
    assert_eq!(sidecar.worker(0)["state"], "busy", "it has not acknowledged yet");
    drop(held);
    assert_eq!(client.receive().1, Ok(json!("held")));
    assert_eq!(operator.receive().1.unwrap()["workers"][0]["state"], "paused");
    let again = sidecar.call("worker.pause", json!(["main"])).unwrap();
    assert_eq!(again["workers"][0]["state"], "paused", "twice is once");
    assert_eq!((&sidecar.pool()["waiting"], &sidecar.worker(0)["served"]), (&json!(3), &json!(1)));
    let told = sidecar.call("worker.resume", json!(["main"])).unwrap();
    assert!(["idle", "busy"].contains(&told["workers"][0]["state"].as_str().unwrap()), "{told}");
    for client in &mut waiting {
        assert_eq!(client.receive().1, Ok(json!([1])));
    }
    sidecar.call("worker.resume", json!(["main"])).unwrap();
    assert_eq!(sidecar.worker(0)["state"], "idle");
}

#[test]
fn a_paused_worker_leaves_its_requests_to_the_others() {
    let sidecar = two();
    let [zero, one] = pids(&sidecar);
    sidecar.call("worker.pause", json!(["plc#0"])).unwrap();
    for _ in 0..20 {
        assert_eq!(sidecar.call("pid", json!([])), Ok(json!(one)));
    }
    sidecar.call("worker.resume", json!(["plc"])).unwrap();
    let mut seen = [false; 2];
    for _ in 0..2 {
        let pid = sidecar.call("pid", json!([])).unwrap();
        seen[usize::from(pid == one)] = true;
    }
    assert_eq!((seen, pids(&sidecar)), ([true, true], [zero, one]));
}

#[test]
fn a_pause_survives_the_workers_death() {
    let sidecar = idle();
    sidecar.call("worker.pause", json!(["main"])).unwrap();
    let pid = sidecar.worker_pid(0);
    let mut client = sidecar.client();
    client.send("pid", json!([]));
    sidecar.wait_pool("waiting", 1);
    sidecar.signal_worker(0, Signal::SIGKILL);
    wait_another(&sidecar, pid, "paused");
    assert_eq!((&sidecar.pool()["waiting"], &sidecar.worker(0)["served"]), (&json!(1), &json!(0)));
    sidecar.call("worker.resume", json!(["main"])).unwrap();
    assert_eq!(client.receive().1, Ok(json!(sidecar.worker_pid(0))));
}

#[test]
fn a_pause_that_was_refused_holds_nothing() {
    let sidecar = fake("--version 1-2").start();
    sidecar.wait_state(0, "idle");
    let (class, message) = refused(sidecar.call("worker.pause", json!(["main"])));
    assert_eq!(class, "failed");
    assert!(message.starts_with("main#0 runs an extension that is too old to be paused"), "{message}");
    assert_eq!(sidecar.worker(0)["state"], "idle", "it was not even asked");
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
    sidecar.kill_worker(0);
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])), "nor is its successor");
}

#[test]
fn who_waits_for_a_paused_worker_is_told_so() {
    let sidecar = fake("").flags("--request-timeout 300ms").start();
    sidecar.wait_state(0, "idle");
    sidecar.call("worker.pause", json!([])).unwrap();
    let (class, message) = refused(sidecar.call("echo", json!([1])));
    assert_eq!(class, "deadline_exceeded");
    assert!(message.contains("main#0 is paused") && message.contains("was not started"), "{message}");
    sidecar.call("worker.restart", json!([])).unwrap();
    sidecar.wait_state(0, "paused");
    sidecar.call("worker.stop", json!([])).unwrap();
    let (class, message) = refused(sidecar.call("echo", json!([1])));
    assert_eq!(class, "deadline_exceeded");
    assert!(message.contains("main#0 is stopped") && message.contains("by an operator"), "{message}");
}

#[test]
fn a_pause_survives_a_reload() {
    let sidecar = two();
    let before = pids(&sidecar);
    sidecar.call("worker.pause", json!(["plc"])).unwrap();
    let mut client = sidecar.client();
    client.send("pid", json!([]));
    sidecar.wait_pool("waiting", 1);
    sidecar.call("daemon.reload", json!([])).unwrap();
    sidecar.wait_state(0, "paused");
    sidecar.wait_state(1, "paused");
    assert!(pids(&sidecar).iter().all(|pid| !before.contains(pid)));
    assert_eq!(sidecar.pool()["waiting"], 1);
    sidecar.call("worker.resume", json!([])).unwrap();
    let pid = client.receive().1.unwrap();
    assert!(pids(&sidecar).iter().any(|one| pid == *one), "{pid}");
}

#[test]
fn what_cannot_be_done_is_said_in_a_sentence() {
    let sidecar = two();
    let before = pids(&sidecar);
    for (words, says) in [
        (&["restart", "nope"][..], "refused: there is no worker nope; there are: plc, plc#0 to plc#1"),
        (&["stop", "plc#2"], "refused: there is no worker plc#2; there are: plc, plc#0 to plc#1"),
        (&["pause", "plc#x"], "InvalidArgument: name: \"plc#x\" is not a worker; a worker is POOL#SLOT"),
        (&["reload", "plc#0"], "InvalidArgument: name: a pool is reloaded as a whole"),
        (&["reload", "nope"], "refused: there is no worker nope"),
        (&["signal", "NOSUCH", "plc"], "InvalidArgument: signal: \"NOSUCH\" is not a signal"),
        (&["signal", "99", "plc"], "InvalidArgument: signal: 99 is not a signal"),
        (&["signal", "0", "plc"], "InvalidArgument: signal: 0 is not a signal"),
    ] {
        let ended = sidecar.cli(words);
        assert_eq!((ended.code(), ended.stdout.as_str()), (1, ""), "{words:?}");
        assert!(ended.stderr.starts_with(&format!("rustdaemon: {says}")), "{words:?}: {}", ended.stderr);
    }
    assert_eq!(class(sidecar.call("worker.stop", json!(["plc", "plc"]))), "InvalidArgument");
    assert_eq!(class(sidecar.call("worker.stop", json!({"nam": "plc"}))), "InvalidArgument");
    assert_eq!(pids(&sidecar), before);
    sidecar.call("worker.stop", json!([])).unwrap();
    let (class, message) = refused(sidecar.call("worker.signal", json!(["plc", "USR1"])));
    assert_eq!((class.as_str(), message.as_str()), ("refused", "no worker is there to be sent SIGUSR1"));
}

#[test]
fn who_has_no_link_cannot_be_paused_but_all_else() {
    let sidecar = Sidecar::builder().flags("--no-link --ready-after 0s").command(["sleep", "600"]).start();
    sidecar.wait_state(0, "idle");
    let (class, message) = refused(sidecar.call("worker.pause", json!(["main"])));
    assert_eq!(class, "refused");
    assert!(message.starts_with("main has no link (--no-link)") && message.contains("stop it"), "{message}");
    let (class, message) = refused(sidecar.call("worker.pause", json!([])));
    assert_eq!(
        (class.as_str(), message.contains("no worker here has a link")),
        ("refused", true),
        "{message}"
    );
    let pid = sidecar.worker_pid(0);
    sidecar.call("worker.restart", json!(["main"])).unwrap();
    wait_another(&sidecar, pid, "idle");
    let pid = sidecar.worker_pid(0);
    assert_eq!(sidecar.call("daemon.reload", json!([])).unwrap()["pools"][0]["generation"], 2);
    wait_another(&sidecar, pid, "idle");
    sidecar.call("worker.stop", json!(["main"])).unwrap();
    assert_eq!(sidecar.worker(0)["state"], "stopped");
}

#[test]
fn who_dies_of_an_operators_kill_was_not_killed_from_outside() {
    let sidecar = idle();
    let pid = sidecar.worker_pid(0);
    sidecar.call("worker.signal", json!(["main", "KILL"])).unwrap();
    wait_another(&sidecar, pid, "idle");
    let exit = sidecar.worker(0)["last_exit_reason"].take();
    assert_eq!((&exit["reason"], &exit["signal"]), (&json!("signal"), &json!("SIGKILL")), "{exit}");
    assert_eq!(exit["message"], "killed by SIGKILL; sent by an operator");
    sidecar.kill_worker(0);
    assert_eq!(sidecar.worker(0)["last_exit"], "killed by SIGKILL from outside", "the next one was");
}

#[test]
fn flat_reaches_no_control_verb() {
    let sidecar = idle();
    let pid = sidecar.worker_pid(0);
    for method in ["worker.stop", "worker.restart", "worker.pause", "daemon.stop", "daemon.reload"] {
        let answer = sidecar.flat(&format!(r#"{{"command":"{method}","name":"main"}}"#));
        let expected = format!(
            r#"{{"success":false,"error":{{"type":"unknown_command","message":"Unknown command: {method}"}}}}"#
        );
        assert_eq!(answer.trim_end(), expected);
    }
    assert_eq!((sidecar.worker_pid(0), sidecar.worker(0)["state"].clone()), (pid, json!("idle")));
}

#[test]
fn another_user_may_call_but_change_nothing() {
    if !geteuid().is_root() {
        return; // nobody else to be
    }
    let sidecar = fake("").flags("--socket-mode 0666").start();
    fs::set_permissions(sidecar.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    let before = sidecar.wait_state(0, "idle");
    let nobody = |words: &[&str]| {
        let mut command = Command::new(sidecar_binary());
        command.args(words).arg("--socket").arg(sidecar.socket()).uid(NOBODY).gid(NOBODY);
        Process::start(command).wait()
    };
    assert_said(&nobody(&["call", "echo", "[1]"]), 0, "[1]\n", "");
    assert_eq!(nobody(&["status"]).code(), 0);
    for words in [
        &["restart", "main"][..],
        &["stop", "main"],
        &["stop"],
        &["start"],
        &["pause"],
        &["resume"],
        &["signal", "KILL", "main"],
        &["reload"],
    ] {
        let method = match words {
            ["stop"] => "daemon.stop".to_owned(),
            ["reload"] => "daemon.reload".to_owned(),
            words => format!("worker.{}", words[0]),
        };
        let role = if method == "daemon.stop" { "admin" } else { "control" };
        let says = format!(
            "rustdaemon: forbidden: {method} needs the role {role}, and this connection has the role call; root and \
             the daemon's own user may everything, others what the key access says\n"
        );
        assert_said(&nobody(words), 1, "", &says);
    }
    assert_eq!(class(sidecar.call("worker.stop", json!(["nope"]))), "refused", "but root may");
    let after = sidecar.worker(0);
    for key in ["pid", "state", "restarts"] {
        assert_eq!(after[key], before[key], "{key}");
    }
}

#[test]
fn the_daemon_is_stopped_over_its_socket() {
    let mut sidecar = idle();
    assert_eq!(sidecar.call("daemon.stop", json!([])), Ok(json!({"stopping": true})));
    assert_eq!(sidecar.wait().code(), 0);
    let mut sidecar = idle();
    assert_said(&sidecar.cli(&["stop"]), 0, "stopping\n", "");
    assert_eq!(sidecar.wait().code(), 0);
    assert_eq!(sidecar.cli(&["restart"]).code(), 111, "nobody listens");
}

#[test]
fn a_stop_of_the_daemon_answers_who_waits_for_something_else() {
    let mut sidecar = idle();
    let gate = sidecar.gate("gate");
    let (mut client, mut operator) = (sidecar.client(), sidecar.client());
    client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    operator.send("worker.restart", json!(["main"]));
    sidecar.wait_state(0, "draining");
    sidecar.call("daemon.stop", json!([])).unwrap();
    assert_eq!(class(operator.receive().1), "shutting_down");
    assert_eq!(class(sidecar.call("worker.start", json!([]))), "refused");
    drop(held);
    assert_eq!(client.receive().1, Ok(json!("held")));
    assert_eq!(sidecar.wait().code(), 0);
}

#[test]
fn a_start_that_fails_says_why() {
    let sidecar = fake("--exit-at-once 3").flags("--backoff-max 1h").start();
    sidecar.wait_state(0, "backoff");
    let (class, message) = refused(sidecar.call("worker.start", json!(["main"])));
    assert_eq!((class.as_str(), message.as_str()), ("failed", "main#0 is in backoff: exit 3"));
    sidecar.call("worker.stop", json!(["main"])).unwrap();
    assert_eq!(sidecar.worker(0)["state"], "stopped", "a stop ends the waiting too");
}
