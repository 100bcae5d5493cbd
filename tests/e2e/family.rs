//! PHP workers and what they have started, when something above them is killed.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustdaemon_tests::{Sidecar, eventually};
use serde_json::json;

use crate::{script, worker};

/// It has ended; where nobody reaps, a zombie is as dead.
#[track_caller]
fn wait_dead(pid: i32) {
    eventually(&format!("pid {pid} has ended"), || match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) if !stat.contains(") Z ") => Err(stat),
        _ => Ok(()),
    });
}

/// Under a shell that stays: the shell is what the sidecar has started.
#[track_caller]
fn wrapped() -> Sidecar {
    let words = script("worker", &json!({})).words();
    let wrapper = ["sh", "-c", "\"$@\"; exit $?", "sh"].map(str::to_owned);
    let sidecar = Sidecar::builder().flags("--short-run 0s").command(wrapper).command(words).start();
    sidecar.wait_state(0, "idle");
    sidecar
}

fn pid(sidecar: &Sidecar) -> i32 {
    sidecar.call("pid", json!([])).unwrap().as_i64().unwrap().try_into().unwrap()
}

#[test]
fn a_worker_inside_a_native_call_dies_with_a_killed_sidecar_also_behind_a_wrapper() {
    for sidecar in [worker(""), wrapped()] {
        let pid = pid(&sidecar);
        let gate = sidecar.gate("gate");
        let mut client = sidecar.client();
        client.send("hold", json!([gate.path()]));
        let _held = gate.arrived();
        let _killed = sidecar.killed();
        wait_dead(pid);
    }
}

#[test]
fn a_worker_that_has_changed_its_user_dies_too() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not root: not tried");
        return;
    }
    let mut words = script("worker", &json!({})).words();
    words.splice(2..2, ["-d", "extension=posix"].map(str::to_owned)); // a second `extension`
    let sidecar = Sidecar::builder().variable("DROP", "1").command(words).start();
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.call("value", json!(["posix_getuid()"])), Ok(json!(1)));
    let pid = pid(&sidecar);
    let gate = sidecar.gate("gate");
    fs::set_permissions(gate.path(), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    fs::set_permissions(sidecar.directory(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let _held = gate.arrived();
    let _killed = sidecar.killed();
    wait_dead(pid);
}

#[test]
fn a_worker_dies_with_its_wrapper_and_another_takes_its_place() {
    let sidecar = wrapped();
    let (php, wrapper) = (pid(&sidecar), sidecar.worker_pid(0));
    assert_ne!(php, wrapper);
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let _held = gate.arrived();
    kill(Pid::from_raw(wrapper), Signal::SIGKILL).unwrap();
    wait_dead(php);
    eventually("another one serves", || match sidecar.worker(0) {
        worker if worker["restarts"] == 1 && worker["state"] == "idle" => Ok(()),
        worker => Err(worker.to_string()),
    });
}

#[test]
fn what_a_worker_forks_or_starts_does_not_hold_its_slot_and_is_ended_by_the_next_sidecar() {
    let sidecar = worker("");
    let fork = "(function () { $pid = pcntl_fork(); if ($pid === 0) { while (true) { sleep(600); } } return $pid; })()";
    let start = "proc_get_status($GLOBALS['p'] = proc_open(['sleep', '600'], [], $pipes))['pid']";
    let children = [fork, start].map(|php| {
        let pid = sidecar.call("value", json!([php])).unwrap();
        i32::try_from(pid.as_i64().unwrap()).unwrap()
    });
    let life = sidecar.directory().join("s.life");
    let holds = |pid: i32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|what| what == life)
    };
    assert!(holds(sidecar.worker_pid(0)));
    for child in children {
        eventually("it has given the lock up", || if holds(child) { Err(String::new()) } else { Ok(()) });
    }
    let mut killed = sidecar.killed();
    let again = killed.start_again();
    again.wait_state(0, "idle");
    children.into_iter().for_each(wait_dead);
    assert!(!again.log().contains("still holds"), "{}", again.log());
}

/// A child by `Process::fork()` that does not end by itself, made inside a request; the worker keeps the Process.
fn forked(sidecar: &Sidecar) -> i32 {
    let fork = "($GLOBALS['forked'][] = RustDaemon\\Process::fork(function () { while (true) { sleep(600); } }))->pid";
    let pid = sidecar.call("value", json!([fork])).unwrap();
    pid.as_i64().unwrap().try_into().unwrap()
}

#[test]
fn a_worker_with_forked_children_serves_on_and_its_status_is_its_own() {
    let sidecar = worker("");
    let before = sidecar.worker(0);
    let children = [forked(&sidecar), forked(&sidecar)];
    assert_eq!(sidecar.call("pid", json!([])), Ok(before["pid"].clone()));
    // They have neither its requests nor its end: one that ends, and one that throws, changes nothing.
    let ends = "array_map(fn ($main) => RustDaemon\\Process::fork($main)->wait()->code, [fn () => 3, fn () => exit(4), fn () => throw new Exception()])";
    assert_eq!(sidecar.call("value", json!([ends])), Ok(json!([3, 4, 255])));
    let kill = "(function () { $end = $GLOBALS['forked'][0]->terminate(); return $end->signalName; })()";
    assert_eq!(sidecar.call("value", json!([kill])), Ok(json!("SIGTERM")));
    sidecar.wait_state(0, "idle");
    let after = sidecar.worker(0);
    for key in ["pid", "restarts", "state", "doing", "last_exit"] {
        assert_eq!(after[key], before[key], "{key}: {after}");
    }
    assert_eq!(sidecar.status()["workers"].as_array().map(Vec::len), Some(1), "no child is a worker");
    wait_dead(children[0]);
}

#[test]
fn a_forked_child_dies_with_its_killed_worker_which_is_replaced() {
    let sidecar = worker("--short-run 0s");
    let (before, child) = (sidecar.worker_pid(0), forked(&sidecar));
    kill(Pid::from_raw(before), Signal::SIGKILL).unwrap();
    wait_dead(child);
    eventually("another one serves", || match sidecar.worker(0) {
        worker if worker["restarts"] == 1 && worker["state"] == "idle" => Ok(()),
        worker => Err(worker.to_string()),
    });
    assert_ne!(sidecar.call("pid", json!([])), Ok(json!(before)));
}

#[test]
fn forked_children_and_what_they_have_started_end_with_the_stop_of_the_sidecar() {
    let mut sidecar = worker("");
    let child = forked(&sidecar);
    // What a child has started outlives the child, and hears no TERM.
    let start = "(function () {
        [$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        RustDaemon\\Process::fork(function () use ($theirs): void {
            $deaf = proc_open(['sh', '-c', 'trap \"\" TERM; echo; exec sleep 600'], [1 => ['pipe', 'w']], $pipes);
            fgets($pipes[1]);
            fwrite($theirs, proc_get_status($deaf)['pid'] . \"\\n\");
            RustDaemon\\Signal::send(getmypid(), 'KILL'); // proc_close() would wait
        })->wait();
        return (int) fgets($ours);
    })()";
    let stray = i32::try_from(sidecar.call("value", json!([start])).unwrap().as_i64().unwrap()).unwrap();
    assert!(fs::exists(format!("/proc/{stray}")).unwrap(), "it lives on");
    assert_eq!(sidecar.stop().code(), 0, "{}", sidecar.log());
    [child, stray].into_iter().for_each(wait_dead);
}
