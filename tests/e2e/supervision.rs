//! A worker's life as PHP sees it: why the one before ended, hangs, pauses, a loop of its own, a deploy.

use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::signal::Signal;
use rustdaemon_tests::{Gate, Php, Sidecar, eventually};
use serde_json::{Value, json};

use crate::script;

fn start(flags: &str) -> Sidecar {
    let command = script("life", &json!({})).words();
    let sidecar = Sidecar::builder().flags("--short-run 0s").flags(flags).command(command).start();
    sidecar.wait_state(0, "idle");
    sidecar
}

/// Waits for the next worker, and asks it why the one before it ended.
#[track_caller]
fn predecessor(sidecar: &Sidecar, restarts: u64) -> Value {
    eventually("another worker is idle", || match sidecar.worker(0) {
        worker if worker["restarts"] == restarts && worker["state"] == "idle" => Ok(()),
        worker => Err(worker.to_string()),
    });
    let told = sidecar.call("predecessor", json!([])).unwrap();
    assert_eq!(told["message"], sidecar.worker(0)["last_exit"], "status says the same");
    told
}

#[test]
fn a_worker_knows_why_the_one_before_it_ended() {
    let sidecar = start("");
    assert_eq!(sidecar.call("predecessor", json!([])).unwrap(), Value::Null);
    sidecar.signal_worker(0, Signal::SIGKILL);
    let told = predecessor(&sidecar, 1);
    assert_eq!(
        (&told["reason"], &told["signal"], &told["code"]),
        (&json!("killed"), &json!("SIGKILL"), &Value::Null)
    );
    assert_eq!(told["senderPid"], Value::Null, "nobody can know");

    sidecar.call("fail", json!([])).unwrap_err();
    let told = predecessor(&sidecar, 2);
    assert_eq!((&told["reason"], &told["code"]), (&json!("exit"), &json!(3)));
    assert_eq!((&told["error"], &told["line"]), (&json!("DomainException: the plant is gone"), &json!(23)));
    assert!(told["file"].as_str().unwrap().ends_with("/e2e/php/life.php"), "{told}");
    assert_eq!(told["log"].as_array().unwrap().last().unwrap(), "last words");

    sidecar.call("fatal", json!([])).unwrap_err();
    let told = predecessor(&sidecar, 3);
    assert_eq!((&told["reason"], &told["code"]), (&json!("error"), &json!(255)));
    assert!(told["error"].as_str().unwrap().contains("Cannot declare class Twice"), "{told}");

    sidecar.signal_worker(0, Signal::SIGTERM);
    let told = predecessor(&sidecar, 4);
    assert_eq!((&told["reason"], &told["code"]), (&json!("signal"), &json!(0)));
    assert_eq!((&told["signal"], &told["senderPid"]), (&json!("SIGTERM"), &json!(std::process::id())));

    assert_eq!(sidecar.cli(&["restart"]).code(), 0);
    assert_eq!(predecessor(&sidecar, 5)["reason"], "restart");
}

#[test]
fn a_hang_is_reported_once_with_its_place() {
    let sidecar = start("--hang-timeout 1s");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let id = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    sidecar.wait_logged("main#0 hangs: blocked hold, in file_get_contents() at /", 1);
    assert_eq!(sidecar.worker(0)["doing"], "blocked");
    drop(held);
    assert_eq!(client.receive(), (id, Ok(json!(""))), "report leaves it alone");
    assert_eq!(client.typed("progress", json!([2.0])), Ok(json!("done")), "who makes progress does not hang");
    assert_eq!(sidecar.logged("hangs").len(), 1);
}

#[test]
fn a_hang_is_ended_and_its_client_and_its_successor_are_told() {
    let sidecar = start("--hang-timeout 1s --hang-action restart --stop-timeout 400ms");
    let gate = sidecar.gate("gate");
    let fault = sidecar.call("hold", json!([gate.path()])).unwrap_err();
    assert_eq!(fault.class, "worker_died");
    assert!(
        fault.message.contains("it hung: blocked hold, in file_get_contents() at /"),
        "{}",
        fault.message
    );
    assert_eq!(predecessor(&sidecar, 1)["reason"], "hang");
}

#[test]
fn nobody_is_ended_for_a_hang_under_a_debugger() {
    let sidecar = start("--hang-timeout 1s --hang-action restart --stop-timeout 400ms");
    let pid = sidecar.worker_pid(0);
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    let id = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    // SAFETY: attaches without stopping it; whatever becomes of us, the kernel detaches.
    let attached = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) };
    if attached != 0 {
        eprintln!("no ptrace here: not tried");
        return;
    }
    // Three times its timeout, by its own clock: the age of the request that it has in hand.
    eventually("the request is old", || match sidecar.worker(0)["request_age"].as_f64() {
        Some(age) if age > 3.0 => Ok(()),
        age => Err(format!("{age:?}")),
    });
    assert_eq!(sidecar.worker_pid(0), pid);
    drop(held);
    assert_eq!(client.receive(), (id, Ok(json!(""))));
}

/// A control group with so much memory, for one test; `None`: not here.
struct MemoryGroup(std::path::PathBuf);

impl MemoryGroup {
    fn new(bytes: u64) -> Option<Self> {
        let name = format!("rustdaemon-test-{}", std::process::id());
        let places = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        places.into_iter().find_map(|(root, limit)| {
            let group = Self(Path::new(root).join(&name));
            std::fs::create_dir(&group.0).ok()?;
            std::fs::write(group.0.join(limit), bytes.to_string()).ok().map(|()| group)
        })
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn an_out_of_memory_kill_is_no_kill_from_outside() {
    let Some(group) = MemoryGroup::new(192 << 20) else {
        eprintln!("no memory controller here: not tried");
        return;
    };
    let enter = format!("echo $$ > {}/cgroup.procs", group.0.display());
    let command = script("life", &json!({})).ini("memory_limit", "-1").words();
    let mut sidecar = Sidecar::builder().limits(&enter).flags("--short-run 0s").command(command).start();
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.call("grow", json!([400])).unwrap_err().class, "worker_died");
    assert_eq!(predecessor(&sidecar, 1)["reason"], "oom");
    sidecar.signal_worker(0, Signal::SIGKILL);
    assert_eq!(predecessor(&sidecar, 2)["reason"], "killed", "each is told for one end only");
    sidecar.stop();
}

#[test]
fn callbacks_tell_a_worker_of_its_life_in_order() {
    let mut sidecar = start("");
    for verb in ["pause", "pause", "resume"] {
        assert_eq!(sidecar.cli(&[verb]).code(), 0);
    }
    sidecar.wait_state(0, "idle");
    let ended = sidecar.stop();
    let said: Vec<&str> = ended.stderr.lines().filter_map(|line| line.strip_prefix("main#0 | ")).collect();
    assert_eq!(said, ["start", "pause", "resume", "stop"], "each once, though it was paused twice");
}

#[test]
fn a_queue_worker_is_watched_and_gets_term_at_once() {
    let builder = Sidecar::builder().flags("--hang-timeout 1s");
    let gate = Gate::new(builder.directory(), "job");
    let path = format!("{}/e2e/php/queue.php", env!("CARGO_MANIFEST_DIR"));
    let mut sidecar = builder.command(Php::script(&path).arg(gate.path()).words()).start();
    let held = gate.arrived();
    let worker = sidecar.wait_state(0, "busy");
    assert_eq!(worker["served"], 0, "no request was served");
    sidecar.wait_logged("main#0 hangs: blocked job 0, in file_get_contents() at /", 1);
    drop(held);
    sidecar.wait_state(0, "idle");
    let ended = sidecar.stop();
    assert!(ended.stderr.contains("main#0 | quits by itself"), "its own handler decides: {}", ended.stderr);
    assert!(ended.stderr.contains("ended (exit 0; the daemon stops"), "{}", ended.stderr);
}

/// A release directory with a worker that tells its version.
fn release(directory: &Path, name: &str, php: &str) {
    std::fs::create_dir(directory.join(name)).unwrap();
    std::fs::write(directory.join(name).join("worker.php"), format!("<?php\n{php}\n")).unwrap();
}

fn point(directory: &Path, name: &str) {
    let temporary = directory.join("next");
    symlink(name, &temporary).unwrap();
    std::fs::rename(temporary, directory.join("current")).unwrap();
}

fn version(number: u32) -> String {
    format!(
        "$w = RustDaemon\\Worker::install(); $w->expose('version', fn () => {number}); \
         $w->expose('generation', fn () => $w->generation); exit($w->run());"
    )
}

#[test]
fn a_deploy_behind_a_symlink_serves_the_new_release_and_refuses_a_broken_one() {
    let builder = Sidecar::builder();
    let directory = builder.directory().to_owned();
    release(&directory, "1", &version(1));
    release(&directory, "2", &version(2));
    release(&directory, "broken", "echo 'booting', PHP_EOL; this is no PHP;");
    release(&directory, "3", &version(3));
    point(&directory, "1");
    let current = directory.join("current");
    let flags = format!("--workers 2 --cwd {}", current.display());
    let sidecar = builder.flags(&flags).command(Php::script("worker.php").words()).start();
    (0..2).for_each(|n| drop(sidecar.wait_state(n, "idle")));
    let answers = |method: &str| sidecar.call(method, json!([])).unwrap();
    assert_eq!((answers("version"), answers("generation")), (json!(1), json!(1)));

    point(&directory, "2");
    let done = sidecar.cli(&["reload"]);
    assert_eq!((done.code(), done.stdout.as_str()), (0, "main: generation 2 serves\n"), "{}", done.stderr);
    assert_eq!((answers("version"), answers("generation")), (json!(2), json!(2)));

    point(&directory, "broken");
    let refused = sidecar.cli(&["reload"]);
    assert_eq!(refused.code(), 1);
    assert!(refused.stderr.contains("the old generation stays: "), "{}", refused.stderr);
    assert!(refused.stderr.contains("syntax error"), "its last lines: {}", refused.stderr);
    assert_eq!((answers("version"), answers("generation")), (json!(2), json!(2)));

    point(&directory, "3");
    assert_eq!(sidecar.cli(&["reload"]).code(), 0);
    assert_eq!((answers("version"), answers("generation")), (json!(3), json!(3)));
}

#[test]
fn an_exception_that_was_caught_before_a_job_is_not_taken_for_why_the_job_ended() {
    let last_exit = |at: &str| {
        let command = script("import", &json!({"at": at})).words();
        let sidecar = Sidecar::builder().flags("--short-run 0s").command(command).start();
        eventually("it has ended", || match sidecar.worker(0)["last_exit"].as_str() {
            Some(exit) => Ok(exit.to_owned()),
            None => Err("not yet".to_owned()),
        })
    };
    assert_eq!(last_exit("before"), "exit 12; it was busy with import");
    let caught = last_exit("in");
    let expected = "exit 12; it was busy with import; last exception DomainException: not in the cache";
    assert!(caught.starts_with(expected), "{caught}");
}
