//! The socket's file: mode, owner, stale and live ones.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::Command;

use rustdaemon_tests::{Process, sidecar_binary};
use serde_json::json;

use crate::{fake, idle};

/// `rustdaemon run` on that socket, with a command that would do no harm.
#[track_caller]
fn run_on(socket: &std::path::Path) -> Process {
    let mut command = Command::new(sidecar_binary());
    command.args(["run", "--no-link", "--socket"]).arg(socket).args(["--", "sleep", "60"]);
    Process::start(command)
}

#[test]
fn the_socket_has_the_mode_that_was_asked_for() {
    for (flag, mode) in [("", 0o600), ("--socket-mode 0660", 0o660), ("--socket-mode=0o666", 0o666)] {
        let sidecar = fake("").flags(flag).start();
        let found = std::fs::metadata(sidecar.socket()).unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.permissions().mode() & 0o7777, mode, "{flag:?}");
    }
}

#[test]
fn the_socket_of_a_live_sidecar_is_refused_and_left_alone() {
    let mut sidecar = idle();
    let worker = sidecar.worker_pid(0);
    let mut connected = sidecar.client();
    let refused = run_on(sidecar.socket()).wait();
    assert_eq!(refused.code(), 111);
    let told = format!("in use by a live rustdaemon (pid {})", sidecar.pid());
    assert!(refused.stderr.contains(&told), "{}", refused.stderr);
    assert!(refused.stderr.contains(&*sidecar.socket().to_string_lossy()), "{}", refused.stderr);
    assert_eq!(connected.typed("pid", json!([])), Ok(json!(worker)), "an open connection");
    assert_eq!(sidecar.call("pid", json!([])), Ok(json!(worker)), "a new one");
    assert!(sidecar.is_running());
}

#[test]
fn the_socket_of_a_killed_sidecar_is_taken_over() {
    let mut killed = idle().killed();
    let again = killed.start_again();
    again.wait_state(0, "idle");
    assert_eq!(again.call("echo", json!([1])), Ok(json!([1])));
}

#[test]
fn another_programs_socket_is_refused_and_left_alone() {
    let builder = fake("");
    let socket = builder.socket();
    let theirs = UnixListener::bind(&socket).unwrap();
    let refused = builder.refused();
    assert_eq!(refused.code(), 111);
    assert!(refused.stderr.contains("another live program"), "{}", refused.stderr);
    let _client = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    theirs.set_nonblocking(true).unwrap();
    theirs.accept().expect("the attempt of the sidecar, or ours");
}

#[test]
fn a_file_at_the_sockets_path_is_refused_and_left_alone() {
    let builder = fake("");
    let socket = builder.socket();
    std::fs::write(&socket, "mine").unwrap();
    let refused = builder.refused();
    assert_eq!(refused.code(), 111);
    assert!(refused.stderr.contains("is not a socket"), "{}", refused.stderr);
    assert_eq!(std::fs::read(&socket).unwrap(), b"mine");
}

#[test]
fn a_path_of_107_bytes_works_and_one_of_108_is_refused() {
    let directory = tempfile::Builder::new().prefix("rd-").tempdir_in("/tmp").unwrap();
    let long =
        |bytes: usize| directory.path().join("s".repeat(bytes - directory.path().as_os_str().len() - 1));
    let mut running = run_on(&long(107));
    rustdaemon_tests::eventually("the longest path answers", || {
        std::os::unix::net::UnixStream::connect(long(107)).map_err(|error| error.to_string())
    });
    running.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(running.wait().code(), 0);
    let refused = run_on(&long(108)).wait();
    assert_eq!(refused.code(), 100);
    assert!(
        refused.stderr.contains("has 108 bytes; the path of a Unix socket has at most 107"),
        "{}",
        refused.stderr
    );
}

#[test]
fn of_two_that_start_at_once_one_runs() {
    let builder = fake("");
    let socket = builder.socket();
    let mut both = [run_on(&socket), run_on(&socket)];
    let ended = rustdaemon_tests::eventually("one of them has ended", || {
        let ended = both.iter_mut().position(|process| !process.is_running());
        ended.ok_or_else(|| "both run".to_owned())
    });
    assert_eq!(both[ended].wait().code(), 111);
    rustdaemon_tests::eventually("the other one answers", || {
        std::os::unix::net::UnixStream::connect(&socket).map_err(|error| error.to_string())
    });
    let other = &mut both[1 - ended];
    other.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(other.wait().code(), 0);
}
