//! A script becomes its own sidecar.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use nix::sys::signal::Signal;
use rustdaemon_tests::{Builder, Ended, Php, Process, Sidecar, eventually};
use serde_json::{Value, json};

use crate::script;

/// `php worker.php {"socket": ..., ...}`, until its socket answers.
#[track_caller]
fn start(more: &Value) -> Sidecar {
    start_with(more, |_| {})
}

#[track_caller]
fn start_with(more: &Value, change: impl FnOnce(&mut std::process::Command)) -> Sidecar {
    let builder = Sidecar::builder();
    let mut command = php(&builder, more).command();
    change(&mut command);
    let sidecar = Sidecar::adopt(Process::start(command), builder);
    sidecar.wait_state(0, "idle");
    sidecar
}

fn php(builder: &Builder, more: &Value) -> Php {
    let mut argument = more.clone();
    argument["socket"] = builder.socket().to_str().unwrap().into();
    script("worker", &argument)
}

/// A script that does not get as far as a socket.
#[track_caller]
fn fails(php: &Php) -> Ended {
    let ended = Process::start(php.command()).wait();
    assert_eq!(ended.code(), 255, "{}", ended.stderr);
    ended
}

#[test]
fn a_script_becomes_the_sidecar_in_its_own_process() {
    let mut sidecar = start(&json!({}));
    assert_eq!(sidecar.status()["pid"], sidecar.pid());
    let program = fs::read_link(format!("/proc/{}/exe", sidecar.pid())).unwrap();
    assert_eq!(program, fs::canonicalize(rustdaemon_tests::sidecar_binary()).unwrap());
    let worker = sidecar.worker_pid(0);
    assert_ne!(worker, sidecar.pid());
    assert_eq!(sidecar.call("pid", json!([])), Ok(json!(worker)));
    assert_eq!(sidecar.call("me", json!([])).unwrap()["supervised"], true);

    sidecar.kill_worker(0);
    assert_eq!(sidecar.call("pid", json!([])), Ok(json!(sidecar.worker_pid(0))));
    assert_eq!(sidecar.worker(0)["last_exit"], "killed by SIGKILL from outside");

    let ended = sidecar.stop();
    assert_eq!(ended.code(), 0);
    assert_eq!(sidecar.descendants(), [0; 0]);
    assert!(!sidecar.socket().exists());
    assert!(
        !ended.stderr.contains("install() asks for"),
        "its arguments are the sidecar's: {}",
        ended.stderr
    );
    // Written before the execve, by the first worker and by the second one; the first worker was killed in run().
    assert_eq!(
        ended.stdout,
        "before install\nmain#0 | before install\nmain#0 | installed\nmain#0 | before install\nmain#0 | installed\nmain#0 | after run\n"
    );
}

#[test]
fn the_example_works_as_its_comment_says() {
    let builder = Sidecar::builder();
    let example = Php::script(concat!(env!("CARGO_MANIFEST_DIR"), "/../php/examples/hello.php"));
    let command = example.arg(builder.socket().display()).command();
    let mut sidecar = Sidecar::adopt(Process::start(command), builder);
    let request = r#"{"id":1,"t":"req","method":"hello","args":["Anna"]}"#;
    let answer = sidecar.shell(&format!("echo '{request}' | nc -N -U \"$SOCK\""));
    assert_eq!(answer.stdout, "{\"id\":1,\"t\":\"res\",\"ok\":true,\"data\":\"Hello, Anna!\"}\n");
    assert_eq!(sidecar.stop().code(), 0);
}

#[test]
fn installs_arguments_are_the_sidecars() {
    let sidecar = start(&json!({"mode": 0o660, "name": "plc", "workers": 2}));
    sidecar.wait_state(1, "idle");
    assert_eq!(fs::metadata(sidecar.socket()).unwrap().permissions().mode() & 0o7777, 0o660);
    assert_eq!(sidecar.worker(1)["name"], "plc#1");
    assert_eq!(sidecar.logged("install() asks for"), [""; 0]);
}

#[test]
fn the_sidecar_gets_what_the_script_was_started_with() {
    let sidecar = start_with(&json!({}), |command| {
        command.env("MARK", "from outside").env("TITLE", "a title of its own").current_dir("/usr");
    });
    for _ in 0..2 {
        let born = sidecar.call("born", json!([])).unwrap();
        assert_eq!((&born["cwd"], &born["mark"]), (&json!("/usr"), &json!("from outside")));
        assert!(born["argv"][1].as_str().unwrap().contains("\"socket\""), "{born}");
        sidecar.kill_worker(0);
    }
    let socket = sidecar.socket().to_str().unwrap();
    let line = fs::read_to_string(format!("/proc/{}/cmdline", sidecar.pid())).unwrap();
    let words: Vec<&str> = line.split('\0').collect();
    assert!(
        words.contains(&"run") && words.contains(&"/usr/bin/php") && words.contains(&socket),
        "{words:?}"
    );
}

#[test]
fn the_sidecar_gets_no_descriptor_of_the_script() {
    let sidecar = start(&json!({}));
    let opened = fs::read_dir(format!("/proc/{}/fd", sidecar.pid())).unwrap();
    let opened = opened.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let scripts: Vec<_> = opened.filter(|file| file.extension().is_some_and(|end| end == "php")).collect();
    assert!(scripts.is_empty(), "the script had itself open: {scripts:?}");
}

#[test]
fn a_token_reaches_the_sidecar_and_stands_in_no_argv_and_no_environment() {
    let builder = Sidecar::builder();
    let file = builder.directory().join("token");
    fs::write(&file, "s3cret").unwrap();
    let php = Php::script(concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/php/token.php"));
    let command = php.arg(builder.socket().display()).arg(file.display()).command();
    let mut sidecar = Sidecar::adopt(Process::start(command), builder);
    let ask = |token: &str| sidecar.flat(&format!(r#"{{"command":"pid"{token}}}"#));
    let answer = eventually("the worker answers", || {
        let answer = ask(r#","authToken":"s3cret""#);
        if answer.contains("success\":true") { Ok(answer) } else { Err(answer) }
    });
    assert!(ask("").contains("auth_failed") && ask(r#","authToken":"s3cre""#).contains("auth_failed"));
    let worker: i32 = answer.trim_end().trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    assert_ne!(worker, sidecar.pid());
    for pid in [sidecar.pid(), worker] {
        for file in ["cmdline", "environ"] {
            let text = fs::read(format!("/proc/{pid}/{file}")).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains("s3cret"), "{file} of {pid}");
        }
        let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let open: Vec<_> = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok()).collect();
        let is_token = |file: &std::path::PathBuf| file.to_string_lossy().contains("rustdaemon-token");
        assert!(!open.iter().any(is_token), "{pid} still has it open: {open:?}");
    }
    let ended = sidecar.stop();
    assert_eq!(ended.code(), 0);
    assert!(!format!("{ended:?}").contains("s3cret"));
    assert!(!ended.stderr.contains("install() has a token"), "it is the sidecar's: {}", ended.stderr);
}

#[test]
fn a_relative_socket_is_meant_from_where_install_is_called() {
    // worker.php has changed to / by then.
    let builder = Sidecar::builder();
    let relative = builder.socket().strip_prefix("/").unwrap().to_str().unwrap().to_owned();
    let command = script("worker", &json!({"socket": relative})).command();
    let sidecar = Sidecar::adopt(Process::start(command), builder);
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.logged("install() asks for"), [""; 0], "the worker means the same file");
}

#[test]
fn the_socket_of_a_live_one_is_refused_and_left_alone() {
    let sidecar = start(&json!({}));
    let worker = sidecar.worker_pid(0);
    let second = script("worker", &json!({"socket": sidecar.socket()}));
    let ended = Process::start(second.command()).wait();
    assert_eq!(ended.code(), 111);
    assert!(ended.stderr.contains(&format!("live rustdaemon (pid {})", sidecar.pid())), "{}", ended.stderr);
    assert_eq!(sidecar.call("pid", json!([])), Ok(json!(worker)));
}

#[test]
fn rustdaemon_off_keeps_a_script_alone() {
    let builder = Sidecar::builder();
    let mut command = php(&builder, &json!({})).command();
    command.env("RUSTDAEMON", "off");
    let mut process = Process::start(command);
    wait_installed(&process);
    assert!(!builder.socket().exists());
    process.signal(Signal::SIGTERM);
    let ended = process.wait();
    assert_eq!((ended.code(), ended.stdout.as_str()), (0, "before install\ninstalled\nafter run\n"));
    assert_eq!(ended.stderr, "");
}

#[test]
fn without_a_socket_a_script_stays_alone() {
    let mut process =
        Process::start(script("worker", &json!({})).ini("rustdaemon.sidecar", "/nowhere").command());
    wait_installed(&process);
    process.signal(Signal::SIGINT);
    assert_eq!(process.wait().code(), 0);
}

#[test]
fn a_sidecar_that_is_not_there_is_one_sentence() {
    let builder = Sidecar::builder();
    let php = php(&builder, &json!({})).ini("rustdaemon.sidecar", "/nowhere/rustdaemon");
    let ended = fails(&php);
    for says in ["SidecarNotFound", "/nowhere/rustdaemon", "RUSTDAEMON=off"] {
        assert!(ended.stderr.contains(says), "{says} is not in {}", ended.stderr);
    }
    assert!(!builder.socket().exists());
    assert!(!ended.stdout.contains("installed"), "{}", ended.stdout);
}

#[test]
fn where_the_sidecar_was_looked_for_is_said() {
    let builder = Sidecar::builder();
    let copy = builder.directory().join("rustdaemon.so");
    fs::copy(Php::extension(), &copy).unwrap();
    let php =
        php(&builder, &json!({})).ini("extension", copy.to_str().unwrap()).ini("rustdaemon.sidecar", "");
    let mut command = php.command();
    command.env("PATH", "/usr/bin:/nowhere/bin");
    let ended = Process::start(command).wait();
    assert_eq!(ended.code(), 255);
    let beside = builder.directory().join("rustdaemon");
    for says in ["rustdaemon.sidecar", beside.to_str().unwrap(), "/usr/bin:/nowhere/bin", "RUSTDAEMON=off"] {
        assert!(ended.stderr.contains(says), "{says} is not in {}", ended.stderr);
    }
}

#[test]
fn the_sidecar_is_found_beside_the_extension_and_in_path() {
    for place in ["beside", "path"] {
        let builder = Sidecar::builder();
        let lib = builder.directory().join("lib");
        let bin = if place == "beside" { lib.clone() } else { builder.directory().join("bin") };
        for directory in [&lib, &bin] {
            fs::create_dir_all(directory).unwrap();
        }
        fs::copy(Php::extension(), lib.join("rustdaemon.so")).unwrap();
        std::os::unix::fs::symlink(rustdaemon_tests::sidecar_binary(), bin.join("rustdaemon")).unwrap();
        let so = lib.join("rustdaemon.so");
        let php =
            php(&builder, &json!({})).ini("extension", so.to_str().unwrap()).ini("rustdaemon.sidecar", "");
        let mut command = php.command();
        command.env("PATH", format!("/usr/bin:/bin:{}", path_of(&bin, place)));
        let sidecar = Sidecar::adopt(Process::start(command), builder);
        sidecar.wait_state(0, "idle");
        assert!(sidecar.call("pid", json!([])).is_ok(), "{place}");
    }
}

fn path_of(bin: &Path, place: &str) -> String {
    if place == "path" { bin.display().to_string() } else { "/nowhere".into() }
}

#[test]
fn a_bad_argument_is_an_exception_and_starts_nothing() {
    for (argument, says) in [
        (json!({"mode": "rw"}), "mode:"),
        (json!({"mode": 660}), "0660"),
        (json!({"workers": 0}), "workers:"),
        (json!({"name": "a b"}), "name:"),
        (json!({"token": "two\nlines"}), "token:"),
    ] {
        let builder = Sidecar::builder();
        let ended = fails(&php(&builder, &argument));
        assert!(ended.stderr.contains("InvalidArgument") && ended.stderr.contains(says), "{}", ended.stderr);
        assert!(!builder.socket().exists(), "{argument}");
    }
    let long = json!({"socket": format!("/tmp/{}", "x".repeat(103))});
    let ended = fails(&script("worker", &long));
    assert!(ended.stderr.contains("108 bytes") && ended.stderr.contains("107"), "{}", ended.stderr);
}

#[test]
fn a_script_that_dies_before_install_is_no_storm() {
    let builder = Sidecar::builder();
    let file = builder.directory().join("boom.php");
    fs::write(&file, "<?php\nthrow new LogicException('no configuration');\n").unwrap();
    let words = Php::script(file.to_str().unwrap()).words();
    let sidecar = builder.command(words).start();
    sidecar.wait_logged("short run 3 in a row", 1);
    assert!(sidecar.logged("ended (exit 255")[0].contains("never called"), "{}", sidecar.log());
    assert!(sidecar.log().contains("no configuration"), "{}", sidecar.log());
    assert!(sidecar.flat(r#"{"command":"ping"}"#).contains("\"ok\""));
}

/// Until the script has passed install() and is about to run().
#[track_caller]
fn wait_installed(process: &Process) {
    eventually("the script has installed itself", || match process.stdout() {
        out if out.contains("installed") => Ok(()),
        out => Err(out),
    });
}

#[test]
fn the_owner_of_the_script_may_own_the_sockets_directory_too() {
    let builder = Sidecar::builder();
    let directory = builder.directory().to_owned();
    let copy = directory.join("worker.php");
    fs::copy(format!("{}/e2e/php/worker.php", env!("CARGO_MANIFEST_DIR")), &copy).unwrap();
    let socket = builder.socket();
    chown(&directory, Some(65_534), None).unwrap();
    let php = || Php::script(copy.to_str().unwrap()).arg(json!({"socket": socket}));
    let refused = Process::start(php().command()).wait();
    assert_eq!(refused.code(), 100, "{}", refused.stderr);
    assert!(refused.stderr.contains("belongs to uid 65534"), "{}", refused.stderr);

    chown(&copy, Some(65_534), None).unwrap(); // who could have anything run in our name anyway
    let sidecar = Sidecar::adopt(Process::start(php().command()), builder);
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.call("me", json!([])).unwrap()["supervised"], true);
}
