//! How commands find the socket; `ls`, `ready`, `scale`, `subscribe`: output and exit codes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use rustdaemon_tests::{Ended, Process, Sidecar, eventually, sidecar_binary};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{fake, idle};

/// `rustdaemon` with these words, in this directory and with this runtime directory, and no socket named.
#[track_caller]
fn rustdaemon(words: &[&str], directory: &Path, runtime: &Path) -> Ended {
    let mut command = Command::new(sidecar_binary());
    command
        .args(words)
        .current_dir(directory)
        .env_remove("RUSTDAEMON_SOCKET")
        .env("XDG_RUNTIME_DIR", runtime);
    Process::start(command).wait()
}

#[track_caller]
fn assert_refused(ended: &Ended, code: i32, says: &[&str]) {
    assert_eq!((ended.code(), ended.stdout.as_str()), (code, ""), "{}", ended.stderr);
    for part in says {
        assert!(ended.stderr.contains(part), "{part:?} is not in {:?}", ended.stderr);
    }
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

fn empty() -> TempDir {
    tempfile::Builder::new().prefix("rd-").tempdir_in("/tmp").unwrap()
}

#[test]
fn the_socket_is_found_by_a_file_here_or_above() {
    let sidecar = idle();
    let nowhere = empty();
    let root = empty();
    let below = root.path().join("app/Console");
    fs::create_dir_all(&below).unwrap();
    let pid = sidecar.worker_pid(0).to_string();
    let file = root.path().join("rustdaemon.toml");
    let call = || rustdaemon(&["call", "pid"], &below, nowhere.path());
    fs::write(&file, format!("socket = \"{}\"\n[pool.x]\ncommand = [broken", sidecar.socket().display()))
        .unwrap();
    assert_eq!(call().stdout.trim(), pid, "what else is wrong with the file does not matter");
    symlink(sidecar.socket(), root.path().join("link")).unwrap();
    fs::write(&file, "socket = 'link'").unwrap();
    assert_eq!(call().stdout.trim(), pid, "relative to the file");
    fs::write(&file, "socket = 'gone'").unwrap();
    assert_refused(&call(), 111, &["no socket at", "/gone (", "rustdaemon.toml)"]);
    fs::write(&file, "log_format = 'json'").unwrap();
    assert_refused(&call(), 100, &["rustdaemon.toml has no socket", "--socket PATH"]);
    fs::write(&file, "socket = 7").unwrap();
    assert_refused(&call(), 100, &["rustdaemon.toml: socket: must be a path in quotes"]);
    fs::write(&file, "socket = 'link'").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert_refused(&call(), 100, &["rustdaemon.toml can be written by everybody", "--socket PATH"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    chown(&file, Some(65_534), None).unwrap();
    assert_refused(&call(), 100, &["rustdaemon.toml is uid 65534's", "--socket PATH"]);
    let mut command = Command::new(sidecar_binary());
    command.args(["call", "pid"]).current_dir(&below).env("RUSTDAEMON_SOCKET", sidecar.socket());
    assert_eq!(Process::start(command).wait().stdout.trim(), pid, "the environment comes first");
}

#[test]
fn the_only_sidecar_of_the_runtime_directory_is_meant() {
    let sidecars = [fake("").flags("--name one").start(), fake("").flags("--name two").start()];
    let runtime = empty();
    let directory = runtime.path().join("rustdaemon");
    let run = |words: &[&str]| rustdaemon(words, runtime.path(), runtime.path());
    assert_refused(&run(&["ping"]), 100, &["which sidecar?", "RUSTDAEMON_SOCKET", "rustdaemon.toml"]);
    assert_refused(&run(&["ls"]), 1, &["nobody listens in", "--socket PATH"]);
    assert_eq!(run(&["ls", "--json"]).stdout, "[]\n");
    fs::create_dir(&directory).unwrap();
    drop(UnixListener::bind(directory.join("dead.sock")).unwrap());
    fs::write(directory.join("no-socket"), "").unwrap();
    symlink(sidecars[0].socket(), directory.join("a.sock")).unwrap();
    assert!(run(&["status"]).stdout.contains("one#0"), "one that is dead does not count");
    symlink(sidecars[1].socket(), directory.join("b.sock")).unwrap();
    assert_refused(&run(&["status"]), 100, &["a.sock or ", "b.sock are there", "--socket PATH"]);
    let ended = run(&["ls"]);
    assert_eq!(ended.code(), 0);
    let rows: Vec<Vec<&str>> = ended
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|row: &Vec<_>| !row.is_empty())
        .collect();
    assert_eq!(rows.len(), 3, "{}", ended.stdout);
    assert!(rows[1][0].ends_with("a.sock") && rows[2][0].ends_with("b.sock"), "{}", ended.stdout);
    assert_eq!((rows[1][1], rows[1].last()), (sidecars[0].pid().to_string().as_str(), Some(&"one")));
    let json: Value = serde_json::from_str(&run(&["ls", "--json"]).stdout).unwrap();
    assert_eq!((&json[1]["pools"], &json[1]["state"]), (&json!(["two"]), &json!("running")));
}

#[test]
fn who_is_turned_away_is_told_that_it_is_busy() {
    let sidecar = fake("").flags("--max-connections 3").start();
    sidecar.wait_state(0, "idle");
    let gate = sidecar.gate("gate");
    let mut clients: Vec<_> = (0..3).map(|_| sidecar.client()).collect();
    eventually("those before them have gone", || {
        match clients[0].typed("daemon.status", json!([])).unwrap() {
            status if status["connections"] == 3 => Ok(()),
            status => Err(status.to_string()),
        }
    });
    // Those of the reserve: who has something to do keeps its place.
    for _ in 0..8 {
        let mut client = sidecar.client();
        client.send("hold", json!([gate.path()]));
        client.send("ping", json!([]));
        client.receive().1.unwrap(); // what it has asked before has been read
        clients.push(client);
    }
    let held = gate.arrived();
    assert_refused(&sidecar.cli(&["ping"]), 111, &["is busy", "try again"]);
    drop(clients);
    drop(held);
}

#[test]
fn ready_says_whether_every_pool_serves() {
    let sidecar = idle();
    assert_eq!(sidecar.cli(&["ready"]).stdout, "ready\n");
    assert_eq!(sidecar.cli(&["ready", "--json"]).stdout, "{\"ready\":true,\"reason\":null}\n");
    sidecar.call("worker.stop", json!([])).unwrap();
    let ended = sidecar.cli(&["ready"]);
    assert_refused(
        &ended,
        1,
        &["not ready: main#0 is stopped, its last worker: exit 0; stopped by an operator"],
    );
    let ended = sidecar.cli(&["ready", "--json"]);
    assert_eq!(ended.code(), 1);
    assert!(ended.stdout.starts_with("{\"ready\":false,\"reason\":\"main#0 is stopped"), "{}", ended.stdout);
    assert_refused(&sidecar.cli(&["ready", "--wait", "50ms"]), 1, &["not ready: main#0 is stopped"]);
    let mut command = Command::new(sidecar_binary());
    command.args(["ready", "--wait", "60s", "--socket"]).arg(sidecar.socket());
    let mut waiting = Process::start(command);
    sidecar.call("worker.start", json!([])).unwrap();
    let ended = waiting.wait();
    assert_eq!((ended.code(), ended.stdout.as_str()), (0, "ready\n"), "{}", ended.stderr);
}

#[test]
fn scale_is_a_command_too() {
    let sidecar = fake("").flags("--name plc").start();
    let ended = sidecar.cli(&["scale", "2"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines.len() == 2 && lines[1].starts_with("plc#1 is idle (pid "), "{lines:?}");
    let told: Value = serde_json::from_str(&sidecar.cli(&["scale", "1", "plc", "--json"]).stdout).unwrap();
    assert_eq!(told["workers"].as_array().unwrap().len(), 1);
    assert_refused(&sidecar.cli(&["scale", "0"]), 1, &["from 1 to 1024", "worker.stop"]);
    assert_refused(
        &sidecar.cli(&["scale", "2", "nobody"]),
        1,
        &["there is no worker nobody; there are: plc"],
    );
    assert_eq!(sidecar.cli(&["scale", "many"]).code(), 100);
}

/// A follower of what happens.
fn follow(sidecar: &Sidecar, words: &[&str]) -> Process {
    let mut command = Command::new(sidecar_binary());
    command.arg("subscribe").args(words).arg("--socket").arg(sidecar.socket());
    Process::start(command)
}

#[track_caller]
fn shows(follower: &Process, text: &str) {
    eventually(&format!("{text:?} is shown"), || match follower.stdout() {
        shown if shown.contains(text) => Ok(()),
        shown => Err(shown),
    });
}

#[test]
fn subscribe_shows_what_happens_until_the_sidecar_ends() {
    let mut sidecar = idle();
    let (mut people, mut scripts) = (follow(&sidecar, &[]), follow(&sidecar, &["main#0", "--json"]));
    let pid = sidecar.worker_pid(0);
    shows(&people, &format!("main#0 is idle (pid {pid})\n"));
    shows(&scripts, "\"workers\":[{\"name\":\"main#0\"");
    sidecar.kill_worker(0);
    shows(&people, &format!("Z main#0 ended: killed by SIGKILL from outside (pid {pid})\n"));
    shows(&people, &format!("Z main#0 is idle (pid {})\n", sidecar.worker_pid(0)));
    assert_eq!(sidecar.stop().code(), 0);
    for follower in [&mut people, &mut scripts] {
        let ended = follower.wait();
        assert_eq!((ended.code(), ended.stderr.as_str()), (0, ""));
    }
    assert!(people.stdout().contains("Z the daemon is stopping\n"), "{}", people.stdout());
    for line in scripts.stdout().lines() {
        assert!(serde_json::from_str::<Value>(line).unwrap().is_object(), "{line}");
    }
    let other = idle();
    let refused = other.cli(&["subscribe", "nobody"]);
    assert_refused(&refused, 1, &["there is no worker nobody"]);
    let ended = other.shell(r#"{ "$BIN" subscribe --socket "$SOCK"; echo "code $?" >&2; } | { read -r first; exec <&-; "$BIN" pause --socket "$SOCK" >&2; "$BIN" stop --socket "$SOCK" >&2; }"#);
    assert!(ended.stderr.contains("code 0\n"), "{}", ended.stderr);
}
