//! Commands that run at moments of a worker's life; parked workers.

use std::fs;

use nix::sys::signal::Signal;
use rustdaemon_tests::{Builder, Sidecar, eventually, those_with};
use serde_json::{Value, json};

use crate::config::{start, with_file};
use crate::{class, fake};

/// Pool `app` with these further keys; HERE is the directory.
fn pool(keys: &str) -> Builder {
    let builder = Sidecar::builder();
    let here = builder.directory().display().to_string();
    let text = format!("socket = 's'\n[pool.app]\ncommand = ['FAKE']\n{keys}").replace("HERE", &here);
    write(builder, &text)
}

/// As [`pool`], with a script as the command.
fn scripted(script: &str, keys: &str) -> Builder {
    let builder = Sidecar::builder();
    let here = builder.directory().display().to_string();
    let text = format!("socket = 's'\n[pool.app]\ncommand = ['sh', '-c', '''{script}''']\n{keys}");
    write(builder, &text.replace("HERE", &here))
}

fn write(builder: Builder, text: &str) -> Builder {
    let text = text.replace("FAKE", env!("CARGO_BIN_EXE_fake_worker"));
    fs::write(builder.directory().join("c.toml"), text).unwrap();
    builder
}

/// A hook that appends what it was told to HERE/told, as one line.
const TELL: &str = "['sh', '-c', '''echo \"$RUSTDAEMON_POOL $RUSTDAEMON_WORKER $RUSTDAEMON_SLOT \
                    $RUSTDAEMON_GENERATION [$RUSTDAEMON_REASON]\" >> HERE/told''']";

/// Waits until the hooks have told these lines, in whatever order.
#[track_caller]
fn wait_told(sidecar: &Sidecar, expected: &[&str]) {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    eventually("the hooks have told", || {
        let told = fs::read_to_string(sidecar.directory().join("told")).unwrap_or_default();
        let mut lines: Vec<&str> = told.lines().collect();
        lines.sort_unstable();
        if lines == expected { Ok(()) } else { Err(told) }
    });
}

#[test]
fn on_ready_runs_after_every_ready() {
    let sidecar = start(pool(&format!("workers = 2\non_ready = {TELL}")), &[]);
    sidecar.wait_state(0, "idle");
    sidecar.wait_state(1, "idle");
    let mut expected = vec!["app app#0 0 1 []", "app app#1 1 1 []"];
    wait_told(&sidecar, &expected);
    sidecar.kill_worker(1);
    expected.push("app app#1 1 1 []");
    wait_told(&sidecar, &expected);
    sidecar.call("ready", json!([])).unwrap();
    sidecar.call("daemon.reload", json!([])).unwrap();
    expected.extend(["app app#0 0 2 []", "app app#1 1 2 []"]);
    wait_told(&sidecar, &expected);
    sidecar.wait_logged("app on_ready is done", 5);
}

#[test]
fn hooks_run_without_a_link_too() {
    let keys = format!("link = false\nready_after = '0s'\non_ready = {TELL}\non_exit = {TELL}");
    let sidecar = start(scripted("exec sleep 600", &keys), &[]);
    sidecar.wait_state(0, "idle");
    sidecar.kill_worker(0);
    wait_told(&sidecar, &["app app#0 0 1 []", "app app#0 0 1 []", "app app#0 0 1 [killed]"]);
}

#[test]
fn on_exit_is_told_why() {
    let mut sidecar = start(pool(&format!("on_exit = {TELL}\nshort_run = '0s'")), &[]);
    sidecar.wait_state(0, "idle");
    sidecar.kill_worker(0);
    let mut expected = vec!["app app#0 0 1 [killed]"];
    wait_told(&sidecar, &expected);
    class(sidecar.call("exit", json!([3])));
    expected.push("app app#0 0 1 [exit]");
    wait_told(&sidecar, &expected);
    sidecar.call("worker.restart", json!([])).unwrap();
    expected.push("app app#0 0 1 [restart]");
    wait_told(&sidecar, &expected);
    sidecar.call("daemon.reload", json!([])).unwrap();
    expected.push("app app#0 0 1 [reload]");
    wait_told(&sidecar, &expected);
    sidecar.call("worker.stop", json!([])).unwrap();
    expected.push("app app#0 0 2 [stop]");
    wait_told(&sidecar, &expected);
    assert_eq!(sidecar.stop().code(), 0);
}

#[test]
fn a_hook_is_born_as_its_pools_workers_are() {
    let keys = "cwd = 'app'\nenv = { COLOUR = 'red' }\non_ready = ['sh', '-c', 'pwd; echo $COLOUR; echo $RUSTDAEMON_SOCKET; env']";
    let builder = pool(keys);
    fs::create_dir(builder.directory().join("app")).unwrap();
    let sidecar = start(builder, &[]);
    sidecar.wait_logged("app on_ready is done", 1);
    let here = sidecar.directory().display();
    for line in [format!("{here}/app"), "red".into(), format!("{here}/s")] {
        assert_eq!(sidecar.logged(&format!("app on_ready | {line}")).len(), 1, "{line}: {}", sidecar.log());
    }
    assert_eq!(sidecar.logged("RUSTDAEMON_LINK"), [""; 0], "it has no link");
}

#[test]
fn a_hook_that_hangs_is_killed_and_blocks_nothing() {
    let keys = "on_ready = ['sh', '-c', 'echo I wait; exec sleep 600']\nhook_timeout = '300ms'";
    let sidecar = start(pool(keys), &[]);
    sidecar.wait_logged("I wait", 1);
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
    sidecar.kill_worker(0);
    sidecar.wait_logged("app on_ready: killed by SIGKILL, past hook_timeout", 2);
    assert_eq!(sidecar.worker(0)["state"], "idle");
}

#[test]
fn a_hook_that_still_runs_does_not_outlive_a_stop() {
    let keys = "on_ready = ['sh', '-c', 'echo I wait; exec sleep 600']\nhook_timeout = '1h'";
    let mut sidecar = start(pool(keys), &[]);
    sidecar.wait_logged("I wait", 1);
    assert_eq!(sidecar.stop().code(), 0);
    assert_eq!(sidecar.descendants(), [0; 0]);
}

#[test]
fn on_exit_is_not_cut_short_by_the_stop_that_it_tells_of() {
    let builder =
        pool("on_exit = ['sh', '-c', 'echo begun; cat HERE/gate; echo told of $RUSTDAEMON_REASON']");
    let gate = rustdaemon_tests::Gate::new(builder.directory(), "gate");
    let mut sidecar = start(builder, &[]);
    sidecar.wait_state(0, "idle");
    sidecar.signal(Signal::SIGTERM);
    let held = gate.arrived();
    sidecar.wait_logged("app on_exit | begun", 1);
    drop(held);
    assert_eq!(sidecar.wait().code(), 0);
    assert_eq!(sidecar.logged("app on_exit | told of stop").len(), 1, "{}", sidecar.log());
    assert_eq!(sidecar.logged("app on_exit is done").len(), 1);
    assert_eq!(sidecar.logged("WARN"), [""; 0]);
}

#[test]
fn an_on_exit_that_hangs_is_killed_within_the_stops_budget() {
    let keys =
        "on_exit = ['sh', '-c', 'echo begun; exec sleep 600']\nhook_timeout = '1h'\nstop_timeout = '500ms'";
    let mut sidecar = start(pool(keys), &[]);
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.stop().code(), 0);
    assert_eq!(sidecar.descendants(), [0; 0]);
    assert_eq!(sidecar.logged("app on_exit: killed by SIGKILL").len(), 1, "{}", sidecar.log());
}

#[test]
fn a_hook_does_not_survive_a_killed_sidecar() {
    let keys = "on_ready = ['sh', '-c', 'echo I wait; exec sleep 600']\nhook_timeout = '1h'";
    let sidecar = start(pool(keys), &[]);
    sidecar.wait_logged("I wait", 1);
    let socket = sidecar.socket().to_str().unwrap().to_owned();
    sidecar.signal(Signal::SIGKILL);
    eventually("nobody is left", || match those_with("RUSTDAEMON_SOCKET", &socket) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    });
}

#[test]
fn a_hook_that_cannot_be_started_or_fails_is_said() {
    let keys = "on_ready = ['HERE/gone']\non_exit = ['sh', '-c', 'echo no such table >&2; exit 3']";
    let builder = pool(keys);
    let program = builder.directory().join("gone");
    std::os::unix::fs::symlink("/bin/true", &program).unwrap();
    let sidecar = start(builder, &[]);
    sidecar.wait_logged("app on_ready is done", 1);
    fs::remove_file(program).unwrap();
    sidecar.kill_worker(0);
    sidecar.wait_logged("app on_ready could not be run: ", 1);
    sidecar.wait_logged("app on_exit: exit 3", 1);
    assert_eq!(sidecar.logged("app on_exit | no such table").len(), 1, "{}", sidecar.log());
    assert!(sidecar.logged("could not be run: ")[0].contains("No such file"), "{}", sidecar.log());
}

#[test]
fn a_hook_that_says_much_is_not_held_up_by_its_own_words() {
    let keys = "on_ready = ['sh', '-c', 'i=0; while [ $i -lt 3000 ]; do echo \"line $i of a hook that says very, very much\"; i=$((i+1)); done']\nhook_timeout = '1h'";
    let sidecar = start(pool(keys), &[]);
    sidecar.wait_logged("app on_ready is done", 1);
    assert_eq!(sidecar.logged("app on_ready | line").len(), 3000);
}

#[test]
fn a_hooks_words_are_in_the_log_before_its_end() {
    let builder = pool("on_ready = ['sh', '-c', 'echo begun; cat HERE/gate']\nhook_timeout = '1h'");
    let gate = rustdaemon_tests::Gate::new(builder.directory(), "gate");
    let sidecar = start(builder, &[]);
    sidecar.wait_logged("app on_ready | begun", 1);
    assert_eq!(sidecar.logged("on_ready is done"), [""; 0]);
    let lines = sidecar.call("daemon.logs", json!({})).unwrap();
    assert!(lines.to_string().contains("begun"), "{lines}");
    drop(gate.arrived());
    sidecar.wait_logged("app on_ready is done", 1);
}

const PARKING: &str = "start_limit = 3\nbackoff_max = '5ms'";

#[test]
fn a_parked_worker_is_loud() {
    let keys = format!("{PARKING}\non_parked = {TELL}");
    let script = "[ -e HERE/mended ] && exec FAKE; echo no licence >&2; exit 3";
    let sidecar = start(scripted(script, &keys), &[]);
    let worker = sidecar.wait_state(0, "parked");
    assert!((&worker["pid"], &worker["last_exit"]) == (&Value::Null, &json!("exit 3")), "{worker}");
    assert!(worker["retry_in"].as_f64() > Some(200.0), "{worker}");
    assert_eq!(worker["last_exit_reason"]["log"], json!(["no licence"]), "{worker}");
    wait_told(&sidecar, &["app app#0 0 1 [exit]"]);
    let told = sidecar.logged("app#0 is parked after 3 failures within 60 s");
    assert_eq!(told.len(), 1, "{}", sidecar.log());
    for says in ["ERROR", "exit 3", "tried again in 5 minutes", "rustdaemon start app#0"] {
        assert!(told[0].contains(says), "{says}: {}", told[0]);
    }
    let ended = sidecar.cli(&["status"]);
    assert_eq!(ended.code(), 1);
    assert!(ended.stdout.contains("parked") && ended.stdout.contains("next start in"), "{}", ended.stdout);
    assert_eq!(sidecar.cli(&["status", "--json"]).code(), 1);
    let ended = sidecar.cli(&["start", "app"]);
    let said = "rustdaemon: failed: app#0 is in backoff: exit 3\n  no licence\n";
    assert_eq!((ended.code(), ended.stderr.as_str()), (1, said), "it is started, and fails");
    sidecar.wait_state(0, "parked");
    fs::write(sidecar.directory().join("mended"), "").unwrap();
    let ended = sidecar.cli(&["start", "app"]);
    let said = format!("app#0 is idle (pid {})\n", sidecar.worker_pid(0));
    assert_eq!((ended.code(), ended.stdout), (0, said), "{}", ended.stderr);
    assert_eq!(sidecar.cli(&["status"]).code(), 0);
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
}

#[test]
fn a_reload_brings_a_parked_worker_back() {
    let script = "[ -e HERE/mended ] && exec FAKE; exit 3";
    let sidecar = start(scripted(script, PARKING), &[]);
    sidecar.wait_state(0, "parked");
    assert_eq!(class(sidecar.call("daemon.reload", json!([]))), "reload_refused");
    sidecar.wait_state(0, "parked");
    fs::write(sidecar.directory().join("mended"), "").unwrap();
    sidecar.call("daemon.reload", json!([])).unwrap();
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.pool()["generation"], 2);
}

#[test]
fn a_refused_reload_leaves_a_parked_worker_parked() {
    let sidecar = start(scripted("exit 3", PARKING), &[]);
    sidecar.wait_state(0, "parked");
    assert_eq!(class(sidecar.call("daemon.reload", json!([]))), "reload_refused");
    let worker = sidecar.wait_state(0, "parked");
    assert!(worker["retry_in"].as_f64() > Some(200.0), "{worker}");
}

#[test]
fn one_parked_of_two_leaves_the_daemon_running() {
    let text = "exit_when_parked = true\nsocket = 's'\n[pool.good]\ncommand = ['FAKE']\n[pool.bad]\ncommand = ['sh', '-c', 'exit 3']\n";
    let mut sidecar = start(with_file(&format!("{text}{PARKING}")), &[]);
    sidecar.wait_state(1, "parked");
    assert_eq!(sidecar.cli(&["status"]).code(), 1);
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
    sidecar.call("worker.stop", json!(["good"])).unwrap();
    assert!(sidecar.is_running());
}

#[test]
fn with_exit_when_parked_the_daemon_ends_with_111() {
    let flags = "--exit-when-parked --start-limit 3 --backoff-max 5ms";
    let mut sidecar = fake("--exit-at-once 3").flags(flags).start();
    let ended = sidecar.wait();
    assert_eq!(ended.code(), 111, "{}", ended.stderr);
    assert!(ended.stderr.contains("every pool is parked: the daemon ends (--exit-when-parked)"));
    assert!(!sidecar.socket().exists());
}
