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

#[test]
fn a_worker_is_born_as_it_was_asked_for() {
    let builder = rustdaemon_tests::Sidecar::builder();
    let file = builder.directory().join("born");
    let env_file = builder.directory().join("env");
    std::fs::write(&env_file, "A=file\nB=file\n").unwrap();
    let script = format!(
        "echo $(umask) $(nice) $(ulimit -n) $PWD $A $B $(cat /proc/self/oom_score_adj) >{0}.new; mv {0}.new {0}; exec sleep 60",
        file.display()
    );
    let flags = "--no-link --umask 027 --nice 5 --limit-nofile 99 --cwd /usr --env A=flag --oom-score-adj 77";
    let _sidecar = builder
        .flags(flags)
        .flags(&format!("--env-file {}", env_file.display()))
        .command(["sh", "-c", &script])
        .start();
    let born = rustdaemon_tests::eventually("it has written", || {
        std::fs::read_to_string(&file).map_err(|error| error.to_string())
    });
    assert_eq!(born, "0027 5 99 /usr flag file 77\n");
}

#[test]
fn a_worker_is_another_user_with_all_that_belongs_to_it() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not root: not tried");
        return;
    }
    let builder = rustdaemon_tests::Sidecar::builder();
    let file = builder.directory().join("born");
    std::fs::set_permissions(builder.directory(), std::os::unix::fs::PermissionsExt::from_mode(0o1777))
        .unwrap();
    let script =
        format!("id >{0}.new; echo $HOME $USER >>{0}.new; mv {0}.new {0}; exec sleep 60", file.display());
    let sidecar =
        builder.flags("--no-link --user daemon --group nogroup").command(["sh", "-c", &script]).start();
    let born = rustdaemon_tests::eventually("it has written", || {
        std::fs::read_to_string(&file).map_err(|error| error.to_string())
    });
    assert!(born.contains("(daemon) gid=") && born.contains("(nogroup) groups="), "{born}");
    assert!(born.ends_with("/usr/sbin daemon\n"), "{born}");
    sidecar.kill_worker(0); // it may be signalled by root, and is reaped
}

#[test]
fn what_a_worker_cannot_be_born_with_is_said_with_its_value() {
    let builder = fake("").flags("--backoff-max 50ms");
    let cwd = builder.directory().join("cwd");
    std::fs::create_dir(&cwd).unwrap();
    let sidecar = builder.flags(&format!("--cwd {}", cwd.display())).start();
    sidecar.wait_state(0, "idle");
    std::fs::remove_dir(&cwd).unwrap();
    sidecar.signal_worker(0, Signal::SIGKILL);
    let why = format!("cwd: cannot change to {}: No such file or directory", cwd.display());
    sidecar.wait_logged(&why, 2);
    assert!(sidecar.worker(0)["last_exit"].as_str().unwrap().contains(&why), "{}", sidecar.worker(0));
    std::fs::create_dir(&cwd).unwrap();
    sidecar.wait_state(0, "idle");
}

#[test]
fn a_current_symlink_is_followed_at_each_start() {
    let builder = fake("").flags("--short-run 0s");
    let current = builder.directory().join("current");
    let release = |name: &str| {
        let path = current.with_file_name(name);
        std::fs::create_dir(&path).unwrap();
        let next = current.with_file_name("next");
        std::os::unix::fs::symlink(&path, &next).unwrap();
        std::fs::rename(&next, &current).unwrap();
        path.to_string_lossy().into_owned()
    };
    let first = release("1");
    let sidecar = builder.limits(&format!("cd {}", current.display())).start();
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.call("info", json!([])).unwrap()["cwd"], first);
    let second = release("2");
    sidecar.kill_worker(0);
    assert_eq!(sidecar.call("info", json!([])).unwrap()["cwd"], second);
}

#[test]
fn a_worker_gets_the_limit_of_open_files_that_the_sidecar_was_started_with() {
    let builder = rustdaemon_tests::Sidecar::builder().flags("--no-link").limits("ulimit -Sn 77");
    let file = builder.directory().join("limit");
    let script = format!("ulimit -Sn >{0}.new; mv {0}.new {0}; exec sleep 60", file.display());
    let sidecar = builder.command(["sh", "-c", &script]).start();
    let limit = rustdaemon_tests::eventually("it has written", || {
        std::fs::read_to_string(&file).map_err(|error| error.to_string())
    });
    assert_eq!(limit, "77\n");
    let own = std::fs::read_to_string(format!("/proc/{}/limits", sidecar.pid())).unwrap();
    let own = own.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
    let words: Vec<&str> = own.split_whitespace().collect();
    assert_eq!(words[3], words[4], "its own is raised: {own}");
}
