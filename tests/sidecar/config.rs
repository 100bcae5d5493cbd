//! The configuration file: what it says, and how it is refused.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{getegid, geteuid};
use rustdaemon_tests::{Builder, Ended, Process, Sidecar, sidecar_binary};
use serde_json::json;

/// uid of nobody, gid of nogroup.
pub const NOBODY: u32 = 65_534;

/// `rustdaemon run` with these words, in a directory.
fn command(directory: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(sidecar_binary());
    command.arg("run").args(words).current_dir(directory).env_remove("RUSTDAEMON_SOCKET");
    command
}

#[track_caller]
fn run(directory: &Path, words: &[&str]) -> Ended {
    Process::start(command(directory, words)).wait()
}

#[track_caller]
fn assert_refused(ended: &Ended, says: &str) {
    assert_eq!((ended.code(), ended.stdout.as_str()), (100, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains(says), "{says:?} is not in {:?}", ended.stderr);
}

/// A directory with `c.toml`.
pub fn with_file(text: &str) -> Builder {
    let builder = Sidecar::builder();
    fs::write(builder.directory().join("c.toml"), text.replace("FAKE", env!("CARGO_BIN_EXE_fake_worker")))
        .unwrap();
    builder
}

/// The sidecar of a directory's `c.toml`.
#[track_caller]
pub fn start(builder: Builder, flags: &[&str]) -> Sidecar {
    let words = [&["--config", "c.toml"], flags].concat();
    Sidecar::adopt(Process::start(command(builder.directory(), &words)), builder)
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sidecar/config").canonicalize().unwrap()
}

/// All of what is said of a file in `fixtures()`, but for its directory.
#[track_caller]
fn assert_said(file: &str) {
    let here = fixtures();
    let ended = run(&here, &["--config", file]);
    assert_eq!((ended.code(), ended.stdout.as_str()), (100, ""), "{}", ended.stderr);
    let said = ended.stderr.replace(here.to_str().unwrap(), "HERE");
    let expected = fs::read_to_string(here.join(format!("{file}.said"))).unwrap();
    assert!(said == expected, "{file}.said should be\n{said}");
    assert_eq!(run(&here, &["--config", file, "--check"]).stderr, ended.stderr, "--check says the same");
}

#[test]
fn all_that_is_wrong_with_a_file_is_said_with_its_line() {
    assert_said("awful.toml");
    assert_said("awful.json");
}

#[test]
fn a_check_says_what_would_run_and_starts_nothing() {
    let builder = with_file(
        "socket = 's'\n[pool.b]\ncommand = ['sh', '-c', 'touch started']\nlink = false\n[pool.a]\ncommand = ['FAKE']\nworkers = 3",
    );
    let ended = run(builder.directory(), &["--config", "c.toml", "--check"]);
    let said =
        format!("b: 1 worker: sh -c touch started\na: 3 workers: {}\n", env!("CARGO_BIN_EXE_fake_worker"));
    assert_eq!((ended.code(), ended.stdout, ended.stderr), (0, said, String::new()));
    let files: Vec<_> =
        fs::read_dir(builder.directory()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["c.toml"]);
    let ended = run(builder.directory(), &["--socket", "s", "--check", "--workers=2", "--", "sh"]);
    assert_eq!((ended.code(), ended.stdout.as_str()), (0, "main: 2 workers: sh\n"), "flags are checked too");
}

#[test]
fn a_file_is_run() {
    let group = if geteuid().is_root() { NOBODY } else { getegid().as_raw() };
    let builder = with_file(&format!(
        "socket = './s'\nsocket_mode = '0660'\nsocket_group = '{group}'\n[pool.plc]\ncommand = ['FAKE']\nworkers = 2"
    ));
    let sidecar = start(builder, &[]);
    sidecar.wait_state(1, "idle");
    assert_eq!(sidecar.pool()["name"], "plc");
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
    let socket = fs::metadata(sidecar.socket()).unwrap();
    assert_eq!((socket.mode() & 0o777, socket.gid()), (0o660, group));
}

#[test]
fn json_is_run_as_well() {
    let builder = Sidecar::builder();
    let config = json!({"socket": "s", "pool": {"plc": {"command": [env!("CARGO_BIN_EXE_fake_worker")]}}});
    fs::write(builder.directory().join("c.json"), config.to_string()).unwrap();
    let process = Process::start(command(builder.directory(), &["--config=c.json"]));
    let sidecar = Sidecar::adopt(process, builder);
    assert_eq!(sidecar.wait_state(0, "idle")["name"], "plc#0");
}

#[test]
fn paths_are_relative_to_the_file_and_flags_of_the_top_win() {
    let builder = with_file("socket = 'other'\nsocket_mode = '0666'\n[pool.plc]\ncommand = ['FAKE']");
    let file = builder.directory().join("c.toml");
    let socket = builder.socket();
    let words =
        ["--config", file.to_str().unwrap(), "--socket", socket.to_str().unwrap(), "--socket-mode=0640"];
    let process = Process::start(command(Path::new("/"), &words));
    let sidecar = Sidecar::adopt(process, builder);
    assert_eq!(fs::metadata(sidecar.socket()).unwrap().mode() & 0o777, 0o640);
    assert!(!sidecar.directory().join("other").exists());
}

#[test]
fn two_pools_share_one_socket() {
    let builder = with_file(
        "socket = 's'\n[pool.plc]\ncommand = ['FAKE', '--offer', 'pid']\nworkers = 2\n[pool.mail]\ncommand = ['FAKE', '--offer', 'echo']",
    );
    let sidecar = start(builder, &[]);
    for n in 0..3 {
        sidecar.wait_state(n, "idle");
    }
    let names: Vec<_> = (0..3).map(|n| sidecar.worker(n)["name"].clone()).collect();
    assert_eq!(names, ["plc#0", "plc#1", "mail#0"]);
    let pids = [sidecar.worker_pid(0), sidecar.worker_pid(1)];
    let pid = sidecar.call("pid", json!([])).unwrap();
    assert!(pids.iter().any(|of_plc| pid == *of_plc), "{pid} is none of {pids:?}");
    assert_eq!(sidecar.call("echo", json!([7])), Ok(json!([7])));
    sidecar.kill_worker(2);
    assert_eq!([sidecar.worker_pid(0), sidecar.worker_pid(1)], pids, "a pool's death is its own");
}

#[test]
fn a_program_is_looked_for_where_its_worker_would() {
    let builder = with_file(
        "socket = 's'\n[pool.a]\ncwd = 'app'\ncommand = ['./tool']\n[pool.b]\ncommand = ['tool']\nenv_file = 'app/env'",
    );
    let app = builder.directory().join("app");
    fs::create_dir(&app).unwrap();
    fs::write(app.join("env"), format!("export PATH=\"{}\" # of ours\n", app.display())).unwrap();
    let check = || run(builder.directory(), &["--config", "c.toml", "--check"]);
    let ended = check();
    assert_refused(&ended, "c.toml:4: pool.a.command: the command ");
    assert_refused(
        &ended,
        &format!("c.toml:6: pool.b.command: the command tool was not found in PATH ({})", app.display()),
    );
    fs::write(app.join("tool"), "").unwrap();
    fs::set_permissions(app.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(check().code(), 0);
}

#[test]
fn a_symlink_on_the_way_to_a_file_stays_one() {
    let builder = with_file("socket = 's'\n[pool.a]\ncwd = 'none'\ncommand = ['sh']");
    let link = builder.directory().join("current");
    std::os::unix::fs::symlink(builder.directory(), &link).unwrap();
    let says = format!("the directory {}/none does not exist", link.display());
    let mut from_inside = command(&link, &["--config", "c.toml"]);
    from_inside.env("PWD", &link);
    assert_refused(&Process::start(from_inside).wait(), &says);
    assert_refused(&run(builder.directory(), &["--config", "./current/c.toml"]), &says);
    let mut elsewhere = command(&link, &["--config", "c.toml"]);
    elsewhere.env("PWD", "/tmp");
    assert_refused(&Process::start(elsewhere).wait(), &format!("{}/none", builder.directory().display()));
}

#[test]
fn what_does_not_go_with_a_file_is_refused() {
    let builder = with_file("socket = 's'\n[pool.plc]\ncommand = ['FAKE']");
    let refused = |words: &[&str]| run(builder.directory(), &[&["--config", "c.toml"], words].concat());
    assert_refused(&refused(&["--max-requests=5"]), "--max-requests does not say which pool it is for");
    assert_refused(&refused(&["--no-link"]), "--no-link does not say which pool it is for");
    assert_refused(&refused(&["--name", "a"]), "--name does not say which pool it is for");
    assert_refused(&refused(&["--", "sleep", "1"]), "--config and a command do not go together");
    assert_refused(&refused(&["--socket-mode", "9"]), "--socket-mode: \"9\" is not an octal number");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let builder = with_file("");
    let directory = builder.directory();
    let refused = |file: &str| run(directory, &["--config", file]);
    assert_refused(&refused("no.toml"), "--config: no.toml: No such file");
    assert_refused(&refused("c.yaml"), "--config: c.yaml ends neither with .toml nor with .json");
    fs::write(directory.join("bytes.toml"), b"socket = 's'\n# \xff\n").unwrap();
    assert_refused(&refused("bytes.toml"), "bytes.toml:2: is not UTF-8");
}

#[test]
fn what_needs_root_is_said_to_whoever_is_not() {
    let builder = with_file(
        "socket = 's'\nsocket_group = 'root'\n[pool.plc]\ncommand = ['sh']\nlink = false\nuser = 'root'\ngroup = 'root'\nlimit_nofile = 1000000000",
    );
    fs::set_permissions(builder.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut check = command(builder.directory(), &["--config", "c.toml", "--check"]);
    if geteuid().is_root() {
        check.uid(NOBODY).gid(NOBODY);
    }
    let ended = Process::start(check).wait();
    for (line, key) in [
        (2, "socket_group: to give it to gid 0"),
        (6, "pool.plc.user: to become \"root\""),
        (7, "pool.plc.group: to change to gid 0"),
        (8, "pool.plc.limit_nofile: is 1000000000, and more than"),
    ] {
        assert_refused(&ended, &format!("c.toml:{line}: {key}"));
    }
    assert_refused(&ended, "rustdaemon: 4 problems in the configuration c.toml");
}

#[test]
fn the_defaults_are_a_file() {
    let builder = Sidecar::builder();
    let printed = run(builder.directory(), &["--defaults"]);
    assert_eq!(printed.code(), 0);
    fs::write(builder.directory().join("d.toml"), printed.stdout.replace("\"php\"", "\"sh\"")).unwrap();
    let ended = run(builder.directory(), &["--config", "d.toml", "--check"]);
    assert_eq!(
        (ended.code(), ended.stdout.as_str()),
        (0, "main: 1 worker: sh daemon.php\n"),
        "{}",
        ended.stderr
    );
}
