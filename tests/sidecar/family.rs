//! What becomes of everybody when a sidecar dies, stops or is PID 1: no orphan, no zombie, nobody twice.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use rustdaemon_core::link::RUN_VARIABLE;
use rustdaemon_tests::{Builder, Gate, Process, Sidecar, eventually, sidecar_binary};
use serde_json::json;

use crate::{fake, idle};

/// A worker whose shell first does `script`, with its own directory in `$DIR`.
fn after(script: &str) -> Builder {
    let builder = Sidecar::builder();
    let script = format!("DIR={}; {script}\nexec \"$@\"", builder.directory().display());
    builder.command(["sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_fake_worker")])
}

/// The pid that a script has written to a file.
#[track_caller]
fn pid_in(file: &Path) -> i32 {
    eventually(&format!("a pid in {}", file.display()), || {
        let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
        text.strip_suffix('\n').and_then(|pid| pid.parse().ok()).ok_or(text)
    })
}

/// A field of /proc/PID/stat behind the command: 0 is the state, 1 the parent.
fn stat(pid: i32, field: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().nth(field)?.to_owned())
}

/// Not even a zombie of it is there.
#[track_caller]
fn wait_gone(pid: i32) {
    eventually(&format!("pid {pid} is gone"), || stat(pid, 0).map_or(Ok(()), Err));
}

/// No longer running: where nobody reaps, a zombie is as dead.
#[track_caller]
fn wait_dead(pid: i32) {
    eventually(&format!("pid {pid} has ended"), || match stat(pid, 0) {
        Some(state) if state != "Z" => Err(state),
        _ => Ok(()),
    });
}

/// It ignores whatever can be ignored: the kernel itself sends HUP and CONT to a stopped group that is orphaned.
const DEAF: [&str; 3] = ["sh", "-c", "trap '' TERM INT HUP PIPE; while :; do sleep 60; done"];

#[test]
fn a_stopped_worker_dies_with_a_killed_sidecar() {
    let sidecar = Sidecar::builder().flags("--no-link").command(DEAF).start();
    sidecar.wait_state(0, "idle");
    let pid = sidecar.worker_pid(0);
    sidecar.signal_worker(0, Signal::SIGSTOP);
    eventually("it is stopped", || match stat(pid, 0) {
        Some(state) if state == "T" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let _killed = sidecar.killed();
    wait_dead(pid);
}

#[test]
fn a_command_without_a_link_and_one_that_ignores_every_signal_die_too() {
    let sidecar = Sidecar::builder().flags("--no-link --workers 2").command(DEAF).start();
    let pids = [0, 1].map(|n| {
        sidecar.wait_state(n, "idle");
        sidecar.worker_pid(n)
    });
    let _killed = sidecar.killed();
    pids.into_iter().for_each(wait_dead);
}

#[test]
fn what_workers_had_started_is_ended_by_the_next_sidecar() {
    let sidecar = idle();
    // Two sessions away from the worker, and from its group.
    let file = sidecar.directory().join("helper");
    let script = format!("setsid sh -c 'setsid sleep 600 & echo $! >{}' &", file.display());
    sidecar.call("start", json!([script])).unwrap();
    let helper = pid_in(&file);
    // In the middle of its execve it has none.
    eventually("the helper carries the run's name", || {
        let run = fs::read(format!("/proc/{helper}/environ")).unwrap();
        match String::from_utf8_lossy(&run) {
            run if run.contains(RUN_VARIABLE) => Ok(()),
            run => Err(run.into_owned()),
        }
    });
    let mut killed = sidecar.killed();
    assert!(stat(helper, 0).is_some(), "it clears nothing up by itself: this would show nothing");
    let again = killed.start_again();
    again.wait_state(0, "idle");
    wait_dead(helper);
    assert_eq!(again.logged(&format!("pid {helper} was left behind")).len(), 1);
    assert!(
        !again.log().contains("still holds"),
        "what a worker starts does not hold its slot: {}",
        again.log()
    );
}

/// As in a container: root, with fewer capabilities, and workers of another user.
#[test]
fn another_users_processes_are_found_without_cap_sys_ptrace() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not root: not tried");
        return;
    }
    let builder = Sidecar::builder().flags("--no-link --user daemon");
    fs::set_permissions(builder.directory(), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    let file = builder.directory().join("helper");
    let script = format!("setsid sleep 600 & echo $! >{}; exec sleep 600", file.display());
    let sidecar = builder
        .limits("exec setpriv --bounding-set -sys_ptrace,-perfmon,-sys_admin \"$@\"")
        .command(["sh", "-c", &script])
        .start();
    sidecar.wait_state(0, "idle");
    let helper = pid_in(&file);
    let mut killed = sidecar.killed();
    assert!(stat(helper, 0).is_some());
    fs::remove_file(&file).unwrap();
    let again = killed.start_again();
    wait_dead(helper);
    again.wait_state(0, "idle");
    again.wait_logged(&format!("pid {helper} was left behind"), 1);
}

#[test]
fn a_holder_of_another_user_is_found_without_cap_sys_ptrace() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not root: not tried");
        return;
    }
    let builder = fake("").flags("--user daemon --takeover-timeout 100ms");
    fs::set_permissions(builder.directory(), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    let fifo = builder.directory().join("outlive");
    let sidecar = builder
        .limits("umask 0; exec setpriv --bounding-set -sys_ptrace,-perfmon,-sys_admin \"$@\"")
        .command(["--outlive".into(), fifo.clone().into_os_string()])
        .start();
    let gate = sidecar.gate("outlive");
    fs::set_permissions(&fifo, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    sidecar.wait_state(0, "idle");
    let old = sidecar.worker_pid(0);
    let mut killed = sidecar.killed();
    let _held = gate.arrived();
    let again = killed.start_again();
    again.wait_logged(&format!("pid {old} still holds slot [0] of a killed sidecar after 0.1 s: KILL"), 1);
    again.wait_state(0, "idle");
    wait_dead(old);
}

#[test]
fn a_process_of_another_sidecar_is_left_alone() {
    let other = after("(setsid sleep 600 & echo $! >$DIR/helper)").start();
    other.wait_state(0, "idle");
    let helper = pid_in(&other.directory().join("helper"));
    let mut killed = idle().killed();
    let again = killed.start_again();
    again.wait_state(0, "idle");
    assert_eq!(other.worker(0)["restarts"], 0);
    assert_ne!(stat(helper, 0), None);
}

#[test]
fn a_run_is_remembered_until_nothing_of_it_is_left() {
    let sidecar = idle();
    let lock = sidecar.directory().join("s.lock");
    let dead = fs::read_to_string(&lock).unwrap();
    let run = dead.split_whitespace().nth(1).unwrap().to_owned();
    let mut killed = sidecar.killed();
    let again = killed.start_again();
    again.wait_state(0, "idle");
    let text = fs::read_to_string(&lock).unwrap();
    assert_eq!(text.split_whitespace().next(), Some(again.pid().to_string().as_str()));
    assert!(!text.contains(&run), "{text}");
}

#[test]
fn nothing_is_started_in_the_slot_of_a_worker_that_still_lives() {
    let builder = fake("");
    let (fifo, starts) = (builder.directory().join("outlive"), builder.directory().join("starts"));
    let builder = builder.command(["--outlive".into(), fifo.clone().into_os_string()]);
    let builder = builder.command(["--starts".into(), starts.clone().into_os_string()]);
    let sidecar = builder.start();
    let gate = sidecar.gate("outlive");
    sidecar.wait_state(0, "idle");
    let old = sidecar.worker_pid(0);
    let mut killed = sidecar.killed();
    let held = gate.arrived(); // it has read the end of its link, and lives on
    let again = killed.start_again();
    again.wait_logged(&format!("pid {old} still holds slot [0]"), 1);
    assert_eq!((&again.worker(0)["state"], &again.worker(0)["pid"]), (&json!("starting"), &json!(null)));
    assert_eq!(fs::read_to_string(&starts).unwrap(), format!("{old}\n"), "nobody was started");
    drop(held);
    again.wait_state(0, "idle");
    wait_dead(old);
    assert_ne!(again.worker_pid(0), old);
    assert_eq!(again.worker(0)["restarts"], 0);
}

#[test]
fn a_stop_ends_a_worker_of_a_killed_sidecar_too() {
    let builder = fake("--outlive");
    let fifo = builder.directory().join("outlive");
    let sidecar = builder.command([fifo]).flags("--stop-timeout 400ms").start();
    let gate = sidecar.gate("outlive");
    sidecar.wait_state(0, "idle");
    let old = sidecar.worker_pid(0);
    let mut killed = sidecar.killed();
    let _held = gate.arrived();
    killed.start_again();
    let ended = killed.stop();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    wait_dead(old);
    assert!(!ended.stderr.contains("after 10 s"), "the stop's budget counts: {}", ended.stderr);
}

#[test]
fn a_workers_restart_leaves_its_helpers_alone_and_the_stop_ends_them() {
    let mut sidecar = after("[ -e $DIR/helper ] || (setsid sleep 600 & echo $! >$DIR/helper)")
        .flags("--short-run 0s")
        .start();
    sidecar.wait_state(0, "idle");
    let helper = pid_in(&sidecar.directory().join("helper"));
    sidecar.kill_worker(0);
    assert_eq!(stat(helper, 1), Some(sidecar.pid().to_string()), "it has become the sidecar's child");
    assert_eq!(sidecar.stop().code(), 0);
    wait_gone(helper);
    assert_eq!(sidecar.descendants(), [0; 0]);
    assert_eq!(sidecar.logged(&format!("pid {helper} was started by a worker")).len(), 1, "TERM was enough");
}

#[test]
fn a_stop_ends_what_ignores_term_and_what_that_had_started() {
    let ignoring = "trap '' TERM; setsid sleep 600 & echo $! >$0; while :; do sleep 600; done";
    let mut sidecar = after(&format!("(setsid sh -c \"{}\" $DIR/deep &)", ignoring.replace('$', "\\$")))
        .flags("--stop-timeout 600ms")
        .start();
    sidecar.wait_state(0, "idle");
    let deep = pid_in(&sidecar.directory().join("deep"));
    assert_eq!(sidecar.stop().code(), 0);
    wait_gone(deep);
    assert_eq!(sidecar.descendants(), [0; 0]);
    assert!(!sidecar.logged("SIGKILL").is_empty());
}

#[test]
fn strangers_that_become_its_children_are_reaped() {
    let builder = after("(cat $DIR/fifo >$DIR/out & echo $! >$DIR/helper)");
    let gate = Gate::new(builder.directory(), "fifo");
    let sidecar = builder.start();
    let held = gate.arrived();
    sidecar.wait_state(0, "idle");
    let helper = pid_in(&sidecar.directory().join("helper"));
    assert_eq!(stat(helper, 1), Some(sidecar.pid().to_string()), "adopted");
    drop(held);
    wait_gone(helper);
    assert_eq!(sidecar.worker(0)["restarts"], 0);
}

#[test]
fn a_child_from_before_the_sidecar_is_reaped() {
    // As a script leaves one that starts itself again under the sidecar, in the same process.
    let builder = fake("");
    let before = builder.directory().join("before");
    let sidecar = builder.limits(&format!("sh -c 'echo $$ >{0}' &", before.display())).start();
    wait_gone(pid_in(&before));
    sidecar.wait_state(0, "idle");
}

#[test]
fn a_sigchld_that_was_ignored_at_the_start_hides_no_exit() {
    let sidecar = fake("").limits("trap '' CHLD").start();
    sidecar.wait_state(0, "idle");
    sidecar.kill_worker(0);
    assert_eq!(sidecar.worker(0)["last_exit"], "killed by SIGKILL from outside");
}

#[test]
fn who_starts_while_the_dead_ones_child_still_has_the_socket_is_not_refused() {
    let mut killed = idle().killed();
    for _ in 0..20 {
        let again = killed.start_again();
        assert!(!again.log().contains("in use"), "{}", again.log());
        killed.kill_again();
    }
    killed.start_again().wait_state(0, "idle");
}

/// In a PID namespace of its own, as in a container: the sidecar is PID 1.
#[test]
fn as_pid_1_it_reaps_strangers_and_stops_on_term() {
    let allowed = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("no PID namespaces here: not tried");
        return;
    }
    let directory = tempfile::Builder::new().prefix("rd-").tempdir_in("/tmp").unwrap();
    let at = |name: &str| directory.path().join(name);
    // Inside: a worker that leaves strangers behind, and, before it, a look at who is there.
    let script = format!(
        "(setsid sleep 600 & echo $! >{0}/helper); (sh -c 'exit 0' & echo $! >{0}/stranger); \
         echo $PPID >{0}/parent; exec \"$@\"",
        directory.path().display()
    );
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(sidecar_binary());
    command.args(["run", "--stop-timeout", "5s", "--socket"]).arg(at("s"));
    command.args(["--", "sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_fake_worker")]);
    let mut unshare = Process::start(command);
    assert_eq!(pid_in(&at("parent")), 1);
    let inside = |script: String| {
        let sidecar = fs::read_to_string(format!("/proc/{0}/task/{0}/children", unshare.pid())).unwrap();
        let mut command = Command::new("nsenter");
        command.args(["--pid", "--mount", "--target", sidecar.trim(), "sh", "-c", &script]);
        Process::start(command).wait().stdout
    };
    let stranger = pid_in(&at("stranger"));
    eventually("the stranger is reaped", || match inside(format!("cat /proc/{stranger}/stat")) {
        gone if gone.is_empty() => Ok(()),
        stat => Err(stat),
    });
    let helper = pid_in(&at("helper"));
    eventually("the helper is its child", || match inside(format!("cat /proc/{helper}/stat")) {
        stat if stat.contains(" S 1 ") => Ok(()),
        stat => Err(stat),
    });
    inside("kill -TERM 1".into());
    let ended = unshare.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("pid {helper} was started by a worker")), "{}", ended.stderr);
    assert!(ended.stderr.trim_end().ends_with("stopped"), "{}", ended.stderr);
}
