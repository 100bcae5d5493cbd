//! What a worker is doing, and where: `status` names the native function in which PHP is stuck.

use nix::sys::signal::Signal;
use rustdaemon_tests::{Php, Sidecar, eventually};
use serde_json::{Value, json};

use crate::script;

fn start(name: &str) -> Sidecar {
    let sidecar = Sidecar::builder().command(script(name, &json!({})).words()).start();
    sidecar.wait_state(0, "idle");
    sidecar
}

/// Waits until worker 0 does `word`, and what it does begins and ends like this; its entry then.
#[track_caller]
fn wait_doing(sidecar: &Sidecar, word: &str, begins: &str, ends: &str) -> Value {
    eventually(&format!("{word}: {begins} ... {ends}"), || {
        let worker = sidecar.worker(0);
        let what = worker["doing_what"].as_str().unwrap_or_default();
        let fits = worker["doing"] == word && what.starts_with(begins) && what.ends_with(ends);
        if fits { Ok(worker.clone()) } else { Err(worker.to_string()) }
    })
}

/// Sends a request that never ends, and waits until `status` says what it is stuck in.
#[track_caller]
fn stuck(method: &str, args: impl FnOnce(&Sidecar) -> Value, word: &str, place: &str, line: &str) {
    let sidecar = start("doing");
    let args = args(&sidecar);
    let mut client = sidecar.client();
    client.send(method, args);
    let worker = wait_doing(&sidecar, word, &format!("{method}, {place}"), line);
    assert_eq!(worker["state"], "busy", "{worker}");
    assert!(worker["doing_for"].as_f64() >= Some(0.0), "{worker}");
    let said = sidecar.cli(&["status"]);
    assert!(said.stdout.contains(&format!(": {method}, {place}")), "{}", said.stdout);
}

fn nothing(_: &Sidecar) -> Value {
    json!([])
}

#[test]
fn a_fifo_that_nobody_writes_blocks() {
    let fifo = |sidecar: &Sidecar| json!([sidecar.gate("silent").path()]);
    stuck("read", fifo, "blocked", "in file_get_contents() at /", "/e2e/php/doing.php:23");
}

#[test]
fn a_program_that_does_not_end_blocks() {
    stuck("exec", nothing, "blocked", "in exec() at /", "/e2e/php/doing.php:24");
}

#[test]
fn a_lock_that_another_process_holds_blocks() {
    let path = tempfile::NamedTempFile::new().unwrap();
    let file = path.as_file().try_clone().unwrap();
    file.lock().unwrap();
    let name = json!([path.path()]);
    stuck("lock", |_| name, "blocked", "in flock() at /", "/e2e/php/doing.php:25");
}

#[test]
fn a_computation_in_c_blocks() {
    stuck("hash", nothing, "blocked", "in hash_pbkdf2() at /", "/e2e/php/doing.php:26");
}

#[test]
fn phps_own_sleep_blocks() {
    stuck("nap", nothing, "blocked", "in sleep() at /", "/e2e/php/doing.php:27");
}

#[test]
fn a_loop_in_php_loops() {
    let sidecar = start("doing");
    sidecar.client().send("loop", json!([]));
    wait_doing(&sidecar, "looping", "loop, in Plc::poll() at /", "");
}

#[test]
fn our_own_waits_wait() {
    stuck("sleep", nothing, "waiting", "in Worker::sleep()", "");
    stuck("wait", nothing, "waiting", "in Signal::wait()", "");
}

#[test]
fn a_stopped_worker_is_frozen_idle_or_busy() {
    let sidecar = start("doing");
    assert_eq!(sidecar.worker(0)["doing"], "idle");
    sidecar.signal_worker(0, Signal::SIGSTOP);
    wait_doing(&sidecar, "frozen", "", "");
    sidecar.signal_worker(0, Signal::SIGCONT);
    wait_doing(&sidecar, "idle", "", "");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("read", json!([gate.path()]));
    wait_doing(&sidecar, "blocked", "read, ", "");
    sidecar.signal_worker(0, Signal::SIGSTOP);
    wait_doing(&sidecar, "frozen", "read, in file_get_contents() at /", "");
    sidecar.signal_worker(0, Signal::SIGCONT);
    wait_doing(&sidecar, "blocked", "read, ", "");
    drop(gate.arrived());
    assert_eq!(client.receive().1, Ok(json!("")));
    wait_doing(&sidecar, "idle", "", "");
}

#[test]
fn a_handler_names_its_work_and_its_progress() {
    let sidecar = start("doing");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("import", json!([gate.path()]));
    wait_doing(&sidecar, "blocked", "import of 3 rows (row 2), in file_get_contents() at /", "");
    drop(gate.arrived());
    assert_eq!(client.receive().1, Ok(json!(null)));
}

#[test]
fn a_loop_of_ones_own_is_busy_between_busy_and_idle() {
    let builder = Sidecar::builder();
    let gate = rustdaemon_tests::Gate::new(builder.directory(), "gate");
    let path = format!("{}/e2e/php/own_loop.php", env!("CARGO_MANIFEST_DIR"));
    let sidecar = builder.command(Php::script(&path).arg(gate.path()).words()).start();
    wait_doing(&sidecar, "blocked", "first job, in file_get_contents() at /", "/own_loop.php:11");
    drop(gate.arrived());
    sidecar.wait_state(0, "idle");
    wait_doing(&sidecar, "idle", "", "");
}

#[test]
fn a_task_is_named_and_requests_wait_for_its_end() {
    let builder = Sidecar::builder();
    let gate = rustdaemon_tests::Gate::new(builder.directory(), "gate");
    let path = format!("{}/e2e/php/task.php", env!("CARGO_MANIFEST_DIR"));
    let sidecar = builder.command(Php::script(&path).arg(gate.path()).words()).start();
    wait_doing(
        &sidecar,
        "blocked",
        "every 0.05 s, Poller->poll(), in file_get_contents() at /",
        "/task.php:20",
    );
    let mut client = sidecar.client();
    client.send("polls", json!([]));
    drop(gate.arrived());
    let polls = client.receive().1.unwrap();
    assert!(polls.as_i64() >= Some(1), "{polls}");
    eventually("it is polled again", || {
        client.send("polls", json!([]));
        let now = client.receive().1.unwrap();
        if now.as_i64() > polls.as_i64() { Ok(()) } else { Err(now.to_string()) }
    });
    wait_doing(&sidecar, "idle", "", "");
}
