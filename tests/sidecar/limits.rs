//! After so many requests, so much time or memory; hangs; `forever = false`.

use nix::sys::signal::Signal;
use rustdaemon_tests::{Sidecar, eventually};
use serde_json::{Value, json};

use crate::{class, fake};

#[track_caller]
fn up(flags: &str) -> Sidecar {
    let sidecar = fake("").flags(flags).start();
    let workers = sidecar.status()["workers"].as_array().unwrap().len();
    (0..workers).for_each(|n| drop(sidecar.wait_state(n, "idle")));
    sidecar
}

/// Waits until worker 0 has been replaced for this reason.
#[track_caller]
fn wait_replaced(sidecar: &Sidecar, reason: &str) -> Value {
    eventually(&format!("it is replaced for {reason}"), || match sidecar.worker(0) {
        worker if worker["last_exit_reason"]["reason"] == reason && worker["state"] == "idle" => Ok(worker),
        worker => Err(worker.to_string()),
    })
}

#[test]
fn max_requests_replaces_one_at_a_time_and_loses_nothing() {
    let sidecar = up("--workers 3 --max-requests 20");
    let ask = |client: u64| {
        let mut connection = sidecar.client();
        for number in 0..100 {
            let args = json!([client, number]);
            assert_eq!(connection.typed("echo", args.clone()), Ok(args));
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|client| drop(scope.spawn(move || ask(client)))));
    let worker = eventually("each has been replaced", || {
        let status = sidecar.status();
        let mut workers = status["workers"].as_array().unwrap().iter();
        match workers.all(|worker| worker["last_exit_reason"]["reason"] == "max_requests") {
            true => Ok(status["workers"][0].clone()),
            false => Err(status.to_string()),
        }
    });
    let log = sidecar.log();
    let is_ready = |line: &&str| line.contains(" is ready (pid");
    let mut out = 0;
    for line in log.lines().filter(|line| is_ready(line) || line.contains(" is replaced: ")).skip(3) {
        out += if is_ready(&line) { -1 } else { 1 };
        assert!(out <= 1, "two at a time:\n{log}");
    }
    let message = worker["last_exit"].as_str().unwrap();
    assert!(
        message.starts_with("exit 0; ") && message.contains(" requests, which is max_requests less"),
        "{message}"
    );
    assert_eq!(sidecar.logged("short run"), [""; 0], "no failure");
}

#[test]
fn a_singleton_with_max_requests_loses_nothing() {
    let sidecar = up("--max-requests 3 --jitter 0");
    let mut client = sidecar.client();
    for number in 0..30 {
        assert_eq!(client.typed("echo", json!([number])), Ok(json!([number])));
    }
    eventually("ten have served", || match sidecar.worker(0) {
        worker if worker["restarts"] == 10 => Ok(()),
        worker => Err(worker.to_string()),
    });
}

#[test]
fn max_lifetime_replaces_and_loses_nothing() {
    let sidecar = up("--workers 2 --max-lifetime 200ms");
    let mut client = sidecar.client();
    eventually("both have been replaced often", || {
        assert_eq!(client.typed("echo", json!([1])), Ok(json!([1])));
        let status = sidecar.status();
        let mut workers = status["workers"].as_array().unwrap().iter();
        let often = |worker: &Value| {
            worker["restarts"].as_u64() >= Some(3) && worker["last_exit_reason"]["reason"] == "max_lifetime"
        };
        if workers.all(often) { Ok(()) } else { Err(status.to_string()) }
    });
    assert_eq!(sidecar.logged("short run"), [""; 0]);
}

#[test]
fn max_lifetime_lets_the_request_in_hand_finish() {
    let sidecar = up("--max-lifetime 200ms --stop-timeout 200ms");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    eventually("it drains for longer than stop_timeout", || match sidecar.worker(0) {
        worker if worker["state"] == "draining" && worker["since"].as_f64() > Some(0.4) => Ok(()),
        worker => Err(worker.to_string()),
    });
    drop(held);
    assert_eq!(client.receive().1, Ok(json!("held")));
    wait_replaced(&sidecar, "max_lifetime");
}

#[test]
fn over_memory_soft_a_worker_is_replaced_after_its_request() {
    let sidecar = up("--memory-soft 64MiB");
    let pid = sidecar.worker_pid(0);
    assert_eq!(sidecar.call("grow", json!([96 << 20])), Ok(Value::Null));
    let worker = wait_replaced(&sidecar, "memory_soft");
    assert_ne!(worker["pid"], pid);
    let message = worker["last_exit"].as_str().unwrap();
    assert!(
        message.starts_with("exit 0; ") && message.contains("memory_soft less its jitter is "),
        "{message}"
    );
    assert_eq!(sidecar.logged("is replaced: ").len(), 1);
}

#[test]
fn over_memory_hard_a_worker_is_killed_in_its_request() {
    let sidecar = up("--memory-hard 64MiB");
    let gate = sidecar.gate("gate");
    sidecar.call("grow", json!([96 << 20])).unwrap();
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let fault = client.receive().1.unwrap_err();
    assert_eq!(fault.class, "worker_died");
    assert!(fault.message.contains("memory_hard is 64.0 MiB"), "{}", fault.message);
    let worker = wait_replaced(&sidecar, "memory_hard");
    let message = worker["last_exit"].as_str().unwrap();
    assert!(message.starts_with("killed by SIGKILL; "), "{message}");
    assert_eq!(sidecar.logged("main#0 is killed: ").len(), 1);
}

#[test]
fn a_worker_within_its_limits_is_left_alone() {
    let sidecar = up("--memory-soft 200MiB --memory-hard 300MiB");
    let pid = sidecar.worker_pid(0);
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    sidecar.call("grow", json!([64 << 20])).unwrap();
    client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    eventually("it has been looked at", || match sidecar.worker(0) {
        worker if worker["request_age"].as_f64() > Some(1.5) => Ok(()),
        worker => Err(worker.to_string()),
    });
    drop(held);
    assert_eq!(client.receive().1, Ok(json!("held")));
    assert_eq!(sidecar.worker_pid(0), pid);
}

#[test]
fn limits_hold_without_a_link_too() {
    let flags = "--no-link --ready-after 0s --stop-timeout 1h";
    let sidecar =
        Sidecar::builder().flags(flags).flags("--max-lifetime 200ms").command(["sleep", "600"]).start();
    wait_replaced(&sidecar, "max_lifetime");
    let script = "x=$(head -c 100000000 /dev/zero | tr '\\0' x); sleep 600; echo $x";
    let sidecar =
        Sidecar::builder().flags(flags).flags("--memory-hard 64MiB").command(["sh", "-c", script]).start();
    wait_replaced(&sidecar, "memory_hard");
}

#[test]
fn a_hang_is_reported_once() {
    let sidecar = up("--hang-timeout 300ms");
    let mut client = sidecar.client();
    for hang in 1..=2 {
        let gate = sidecar.gate(&format!("gate{hang}"));
        client.send("hold", json!([gate.path()]));
        let held = gate.arrived();
        sidecar.wait_logged("main#0 hangs: ", hang);
        eventually("twice that time has passed", || match sidecar.worker(0) {
            worker if worker["request_age"].as_f64() > Some(1.0) => Ok(()),
            worker => Err(worker.to_string()),
        });
        let worker = sidecar.worker(0); // without a pulse nobody can tell more
        assert_eq!((&worker["state"], &worker["doing"]), (&json!("busy"), &json!("busy")), "{worker}");
        assert!(worker["doing_what"].as_str().unwrap().contains("hold"), "{worker}");
        drop(held);
        assert_eq!(client.receive().1, Ok(json!("held")));
        let told = sidecar.logged("main#0 hangs: ");
        assert_eq!(told.len(), hang, "{told:#?}");
        for says in ["ERROR", "hold", "without progress", "hang_action = \"report\" leaves it alone"] {
            assert!(told[hang - 1].contains(says), "{says}: {}", told[hang - 1]);
        }
    }
    assert_eq!(sidecar.worker(0)["restarts"], 0);
}

#[test]
fn a_worker_that_hangs_is_restarted_on_request() {
    let sidecar = up("--hang-timeout 300ms --hang-action restart --stop-timeout 400ms");
    let pid = sidecar.worker_pid(0);
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let _held = gate.arrived();
    let fault = client.receive().1.unwrap_err();
    assert_eq!(fault.class, "worker_died");
    assert!(fault.message.contains("it hung: ") && fault.message.contains("hold"), "{}", fault.message);
    let worker = wait_replaced(&sidecar, "hang");
    assert_ne!(worker["pid"], pid);
    assert_eq!(sidecar.logged("main#0 hangs and is restarted: ").len(), 1);
    assert_eq!(client.typed("echo", json!([1])), Ok(json!([1])));
}

#[test]
fn a_stopped_process_is_not_taken_for_one_that_hangs() {
    let sidecar = up("--hang-timeout 200ms --hang-action restart --stop-timeout 400ms");
    let pid = sidecar.worker_pid(0);
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let _held = gate.arrived();
    sidecar.signal_worker(0, Signal::SIGSTOP);
    let worker = eventually("five times that time has passed", || match sidecar.worker(0) {
        worker if worker["request_age"].as_f64() > Some(1.2) => Ok(worker),
        worker => Err(worker.to_string()),
    });
    assert_eq!(
        (&worker["pid"], &worker["state"], &worker["doing"]),
        (&json!(pid), &json!("busy"), &json!("frozen")),
        "{worker}"
    );
    assert_eq!(sidecar.logged("hangs"), [""; 0]);
    sidecar.signal_worker(0, Signal::SIGCONT);
    assert_eq!(class(client.receive().1), "worker_died");
    wait_replaced(&sidecar, "hang");
}

#[test]
fn a_worker_that_is_not_ready_in_time_is_a_hang_too() {
    let builder = fake("--no-ready").flags("--ready-timeout 200ms --hang-action restart");
    let sidecar = builder.start();
    eventually("it is replaced", || match sidecar.worker(0) {
        worker if worker["last_exit_reason"]["reason"] == "hang" => Ok(()),
        worker => Err(worker.to_string()),
    });
    assert!(!sidecar.logged("not ready after 0.2 s").is_empty());
}

#[test]
fn where_forever_is_false_the_daemon_ends_with_its_workers_code() {
    for (worker, daemon) in [(0, 0), (3, 3), (100, 1), (111, 1), (255, 255)] {
        let mut sidecar = up("--no-forever");
        assert_eq!(class(sidecar.call("exit", json!([worker]))), "worker_died");
        let ended = sidecar.wait();
        assert_eq!(ended.code(), daemon, "of exit {worker}: {}", ended.stderr);
        let says = format!("a worker of a pool that is not forever has ended: exit code {daemon}");
        assert!(ended.stderr.contains(&says), "{}", ended.stderr);
        assert!(!sidecar.socket().exists());
    }
    let mut sidecar = up("--no-forever");
    sidecar.signal_worker(0, Signal::SIGKILL);
    assert_eq!(sidecar.wait().code(), 128 + 9);
}

#[test]
fn where_forever_is_false_what_the_sidecar_ends_is_replaced_all_the_same() {
    let mut sidecar = up("--no-forever --workers 2 --max-requests 2 --jitter 0");
    for number in 0..20 {
        assert_eq!(sidecar.call("echo", json!([number])), Ok(json!([number])));
    }
    sidecar.call("worker.restart", json!([])).unwrap();
    sidecar.call("daemon.reload", json!([])).unwrap();
    sidecar.call("worker.stop", json!(["main#1"])).unwrap();
    assert!(sidecar.is_running());
    let gate = sidecar.gate("gate");
    sidecar.call("worker.start", json!(["main#1"])).unwrap();
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    assert_eq!(class(sidecar.call("exit", json!([7]))), "worker_died");
    drop(held);
    assert_eq!(client.receive().1, Ok(json!("held")), "the other one may finish");
    assert_eq!(sidecar.wait().code(), 7);
}

#[test]
fn where_forever_is_false_a_stop_is_a_stop() {
    let mut sidecar = up("--no-forever");
    assert_eq!(sidecar.stop().code(), 0);
}
