//! What a worker is born with.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{fake, idle};

#[test]
fn a_worker_knows_its_run_and_its_socket() {
    let sidecar = fake("").flags("--workers 2").start();
    (0..2).for_each(|n| drop(sidecar.wait_state(n, "idle")));
    let mut runs = Vec::new();
    for _ in 0..2 {
        let birth = sidecar.call("info", json!([])).unwrap();
        assert_eq!(birth["socket"], sidecar.socket().to_str().unwrap());
        runs.push(birth["run"].as_str().unwrap().to_owned());
    }
    runs.sort();
    let (run, slot) = runs[0].split_once('/').unwrap();
    assert_eq!((run.len(), slot), (16, "0"));
    assert_eq!(runs[1], format!("{run}/1"));
}

#[test]
fn a_worker_has_a_group_of_its_own_and_nothing_on_stdin() {
    let sidecar = idle();
    let birth = sidecar.call("info", json!([])).unwrap();
    assert_eq!(birth["group"], sidecar.worker_pid(0));
    assert_eq!(birth["stdin"], "/dev/null");
    assert_eq!(birth["cwd"], std::env::current_dir().unwrap().to_str().unwrap());
}

#[test]
fn a_worker_inherits_no_descriptor_but_its_link() {
    let sidecar = fake("").flags("--workers 2").start();
    sidecar.wait_state(0, "idle");
    sidecar.wait_state(1, "idle");
    let _client = sidecar.client();
    sidecar.kill_worker(0); // the new one is born while a client and another worker are there
    for _ in 0..2 {
        let birth = sidecar.call("info", json!([])).unwrap();
        assert_eq!(birth["strays"], Value::Array(Vec::new()));
    }
}

#[test]
fn what_a_worker_writes_goes_where_the_sidecar_writes() {
    let sidecar = rustdaemon_tests::Sidecar::builder()
        .flags("--no-link")
        .command(["sh", "-c", "echo to stdout; echo to stderr >&2; exec sleep 60"])
        .start();
    sidecar.wait_logged("main#0 | to stdout", 1);
    sidecar.wait_logged("main#0 | to stderr", 1);
}

#[test]
fn a_terminals_interrupt_reaches_the_sidecar_alone() {
    // Ctrl-C goes to the foreground group: the workers are in others, so the sidecar drains them.
    let mut sidecar = idle();
    let group = nix::unistd::Pid::from_raw(sidecar.pid());
    nix::sys::signal::killpg(group, Signal::SIGINT).unwrap();
    assert_eq!(sidecar.wait().code(), 0);
    assert_eq!(sidecar.logged("ended (exit 0").len(), 1);
}

#[test]
fn the_command_gets_its_words_byte_for_byte() {
    use std::os::unix::ffi::OsStringExt;
    let builder = rustdaemon_tests::Sidecar::builder().flags("--no-link");
    let file = builder.directory().join("words");
    let script = format!("printf '%s|' \"$@\" > {0}.new; mv {0}.new {0}; exec sleep 60", file.display());
    let words: [&[u8]; 5] = [b"--name=x", b"", b"a b\n", b"\xff\xfe", b"$HOME"];
    let sidecar = builder
        .command(["sh".into(), "-c".into(), script, "sh".to_owned()])
        .command(words.map(|word| std::ffi::OsString::from_vec(word.to_vec())))
        .start();
    let written = rustdaemon_tests::eventually("the words are written", || {
        std::fs::read(&file).map_err(|error| error.to_string())
    });
    assert_eq!(written, [words.join(&b'|'), b"|".to_vec()].concat());
    assert_eq!(sidecar.pool()["command"][4], "--name=x");
}
