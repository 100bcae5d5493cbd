//! What workers write, and where it goes.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use rustdaemon_tests::{Builder, Process, Sidecar, eventually, sidecar_binary};
use serde_json::{Value, json};

use crate::{fake, idle};

/// A sidecar whose worker is a shell script without a link.
fn shell(script: &str) -> Builder {
    Sidecar::builder().flags("--no-link").command(["sh", "-c", script])
}

/// Prints one of each kind of line and stays.
const KINDS: &str = r##"
    echo plain
    echo '{"level":"info"}'
    echo '{not json}'
    echo 'PHP Fatal error:  Uncaught Exception: x in /app/x.php:3'
    echo 'Stack trace:'
    echo '#0 {main}'
    echo '  thrown in /app/x.php on line 3'
    printf 'bytes \0 \377 \r\n'
    echo last
    exec sleep 60"##;

/// What the log holds of the script's lines.
#[track_caller]
fn said(flags: &str) -> Vec<String> {
    let sidecar = shell(KINDS).flags(flags).start();
    sidecar.wait_logged("last", 1);
    sidecar.log().lines().filter(|line| !line.contains(" rustdaemon: ")).map(str::to_owned).collect()
}

#[track_caller]
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Waits until a file holds `text`.
#[track_caller]
fn wait_written(path: &Path, text: &str) {
    eventually(&format!("{text:?} is in {}", path.display()), || match fs::read_to_string(path) {
        Ok(all) if all.contains(text) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn each_workers_lines_have_its_name() {
    let sidecar =
        shell("echo slot ${RUSTDAEMON_RUN##*/}; exec sleep 60").flags("--workers 2 --name plc").start();
    sidecar.wait_logged("plc#0 | slot 0", 1);
    sidecar.wait_logged("plc#1 | slot 1", 1);
}

#[test]
fn json_has_no_prefix_and_a_stack_trace_has_one() {
    assert_eq!(
        said(""),
        [
            "main#0 | plain",
            r#"{"level":"info"}"#,
            "main#0 | {not json}",
            "main#0 | PHP Fatal error:  Uncaught Exception: x in /app/x.php:3",
            "Stack trace:",
            "#0 {main}",
            "  thrown in /app/x.php on line 3",
            "main#0 | bytes \0 \u{fffd} ",
            "main#0 | last",
        ]
    );
}

#[test]
fn a_prefix_may_be_on_every_line_or_on_none() {
    assert!(said("--log-prefix always").iter().all(|line| line.starts_with("main#0 | ")));
    assert!(said("--log-prefix=never").iter().all(|line| !line.contains("main#0")));
}

#[test]
fn in_json_every_line_is_an_object() {
    let lines = said("--log-format json");
    let objects: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let workers: Vec<&Value> = objects.iter().filter(|line| line["worker"] == "main#0").collect();
    assert_eq!(workers[0]["line"], "plain");
    assert_eq!(workers[0]["stream"], "stdout");
    assert!(workers[0]["time"].as_str().unwrap().ends_with('Z'), "{}", workers[0]);
    assert_eq!(workers.len(), 8, "{lines:#?}");
    assert!(lines.contains(&r#"{"level":"info"}"#.to_owned()), "a worker's own JSON passes as it is");
    let own = objects.iter().filter(|line| line["message"].is_string() && line["level"] == "INFO").count();
    assert!(own >= 1, "{lines:#?}");
}

#[test]
fn a_line_over_the_limit_is_cut_and_its_rest_is_counted() {
    let sidecar = shell("head -c 20000000 /dev/zero | tr '\\0' x; echo; echo after; exec sleep 60").start();
    sidecar.wait_logged("main#0 | after", 1);
    let cut = sidecar.logged("main#0 | xxx");
    assert_eq!(cut.len(), 1);
    assert!(cut[0].ends_with("xxx [cut: 19934464 bytes more]"), "{}", &cut[0][cut[0].len() - 100..]);
    assert_eq!(sidecar.cli(&["logs", "-n", "1"]).stdout, "main#0 | after\n");
}

#[test]
fn last_words_come_before_the_end() {
    let sidecar = shell("printf 'last words' >&2; kill -9 $$").start();
    sidecar.wait_logged("ended (killed by SIGKILL", 1);
    let log = sidecar.log();
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text} is not in {log}"));
    assert!(at("main#0 | last words\n") < at("ended (killed by SIGKILL"), "{log}");
}

#[test]
fn what_outlives_a_worker_is_still_heard() {
    let builder = shell("{ read line <\"$GATE\"; echo heard; } & exit 0").flags("--short-run 1h");
    let gate = builder.directory().join("gate");
    let builder = builder.variable("GATE", gate.to_str().unwrap());
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let sidecar = builder.start();
    sidecar.wait_logged("ended (exit 0", 1);
    File::options().write(true).open(&gate).unwrap().write_all(b"go\n").unwrap();
    sidecar.wait_logged("main#0 | heard", 1);
}

#[test]
fn what_outlives_a_worker_may_flood() {
    let flood = "yes $(printf %01000d 0) | head -c";
    let script = format!("{{ {flood} 30000000; echo; echo the end; }} & {flood} 1000000; exit 0");
    let sidecar = shell(&script).flags("--short-run 1h --log /dev/null").start();
    sidecar.wait_logged("ended (exit 0", 1);
    eventually("it is read to its end", || match sidecar.cli(&["logs", "-n", "1"]).stdout {
        line if line == "main#0 | the end\n" => Ok(()),
        line => Err(line),
    });
}

#[test]
fn what_outlives_workers_does_not_hold_pipes_without_number() {
    let sidecar = shell("sleep 60 & echo here; exec sleep 60").flags("--short-run 0s").start();
    for round in 1..=6 {
        sidecar.wait_logged("main#0 | here", round);
        sidecar.signal_worker(0, Signal::SIGKILL);
    }
    sidecar.wait_logged("main#0 | here", 7);
    assert_eq!(sidecar.logged("main#0: more than 8 outputs are held").len(), 4);
    let fds = fs::read_dir(format!("/proc/{}/fd", sidecar.pid())).unwrap();
    let targets = fds.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    let pipes = targets.filter(|target| target.to_string_lossy().starts_with("pipe:")).count();
    assert_eq!(pipes, 8 + 2, "what ended workers left, and the living one's");
}

#[test]
fn a_flood_takes_no_turn_from_others() {
    let script = "case $RUSTDAEMON_RUN in */0) exec yes;; esac; echo quiet; exec sleep 60";
    let mut sidecar = shell(script).flags("--workers 2 --log /dev/null").start();
    eventually("the other one is heard", || match sidecar.cli(&["logs", "main#1"]).stdout {
        lines if lines == "main#1 | quiet\n" => Ok(()),
        lines => Err(lines),
    });
    eventually("the flood is kept too", || match sidecar.cli(&["logs", "main#0", "-n", "2"]).stdout {
        lines if lines.ends_with("main#0 | y\nmain#0 | y\n") => Ok(()),
        lines => Err(lines),
    });
    assert_eq!(sidecar.stop().code(), 0);
}

/// A FIFO that is full to the brim, and this end of it.
fn full_pipe(path: &Path) -> File {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut pipe = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap();
    while pipe.write(&[b'#'; 4096]).is_ok() {}
    while pipe.write(b"#").is_ok() {}
    pipe
}

#[test]
fn a_stdout_and_stderr_that_nobody_reads_stop_nothing() {
    let builder = fake("");
    let path = builder.directory().join("pipe");
    let mut pipe = full_pipe(&path);
    let mut sidecar = builder.limits(&format!("exec 2>{}", path.display())).start();
    sidecar.wait_state(0, "idle");
    let line = format!("{}\n", "x".repeat(999));
    sidecar.call("say", json!([line, 3000])).unwrap(); // three times what is kept for a reader
    sidecar.kill_worker(0); // its log lines wait, too
    assert!(sidecar.call("pid", json!([])).is_ok());

    let mut all = Vec::new();
    eventually("all that waits is written once somebody reads", || {
        let mut chunk = [0; 65_536];
        while let Ok(length) = pipe.read(&mut chunk) {
            all.extend_from_slice(&chunk[..length]);
        }
        let text = String::from_utf8_lossy(&all);
        let said = text.lines().find_map(|line| line.split_once(" lines are missing here"));
        said.map(|_| ()).ok_or_else(|| format!("{} bytes", text.len()))
    });
    let text = String::from_utf8_lossy(&all).trim_start_matches('#').to_owned();
    let whole = text.lines().filter(|line| line.len() == "main#0 | ".len() + 999).count();
    let lost = text.lines().find(|line| line.contains(" lines are missing here")).unwrap();
    let lost: usize = lost.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    assert!(text.contains("listens on"), "the first line came through");
    assert!(whole + lost >= 3000 && whole + lost < 3010, "{whole} came through, {lost} are missing");

    drop(pipe); // nobody will ever read
    sidecar.call("say", json!([line, 300])).unwrap();
    sidecar.kill_worker(0);
    assert_eq!(sidecar.stop().code(), 0);
}

#[test]
fn a_stop_does_not_wait_for_who_does_not_read() {
    let builder = fake("");
    let path = builder.directory().join("pipe");
    let _pipe = full_pipe(&path);
    let mut sidecar = builder.limits(&format!("exec 2>{}", path.display())).start();
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.stop().code(), 0);
}

#[test]
fn a_pipe_may_be_larger_within_half_of_the_users_budget() {
    let sizes = |flags: &str| {
        let sidecar = shell("echo here; exec sleep 60").flags(flags).start();
        sidecar.wait_logged("here", 1);
        let fds = fs::read_dir(format!("/proc/{}/fd", sidecar.worker_pid(0))).unwrap();
        let outputs = fds.map(|fd| fd.unwrap().path()).filter(|fd| fd.ends_with("1") || fd.ends_with("2"));
        let sizes: Vec<i32> = outputs
            .map(|fd| {
                let pipe = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(fd).unwrap();
                nix::fcntl::fcntl(&pipe, nix::fcntl::FcntlArg::F_GETPIPE_SZ).unwrap()
            })
            .collect();
        (sizes, sidecar.logged("workers' output pipes keep the system's size").len())
    };
    let usual = rustdaemon_core::sys::pipe().unwrap().read;
    let usual = nix::fcntl::fcntl(&usual, nix::fcntl::FcntlArg::F_GETPIPE_SZ).unwrap();
    assert_eq!(sizes(""), (vec![usual; 2], 0));
    assert_eq!(sizes("--log-pipe 256KiB"), (vec![262_144; 2], 0));
    assert_eq!(sizes("--log-pipe 512MiB"), (vec![usual; 2], 1), "said once");
}

#[test]
fn a_full_disk_under_stdout_and_stderr_stops_nothing() {
    let mut sidecar = fake("").limits("exec 2>/dev/full").start();
    sidecar.wait_state(0, "idle");
    sidecar.call("say", json!(["line\n", 1000])).unwrap();
    sidecar.kill_worker(0);
    assert_eq!(sidecar.stop().code(), 0);
}

#[test]
fn a_log_file_on_a_full_disk_is_said_once_and_resumes() {
    let builder = fake("");
    let [log, real] = ["log", "real"].map(|name| builder.directory().join(name));
    symlink("/dev/full", &log).unwrap();
    let sidecar = builder.flags(&format!("--log {}", log.display())).start();
    sidecar.wait_state(0, "idle");
    for _ in 0..3 {
        sidecar.call("say", json!(["lost\n"])).unwrap();
    }
    sidecar.wait_logged("No space left on device", 1);
    fs::remove_file(&log).unwrap();
    symlink(&real, &log).unwrap();
    sidecar.signal(Signal::SIGUSR1);
    sidecar.wait_logged("1 log files are opened again", 1);
    sidecar.call("say", json!(["kept\n"])).unwrap();
    wait_written(&real, "kept\n");
    sidecar.wait_logged("is written again; 3 lines were lost", 1);
    assert_eq!(sidecar.logged("No space left on device").len(), 1, "{}", sidecar.log());
    assert_eq!(read(&real), "kept\n");
    let mode = fs::metadata(&real).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & !0o640, 0, "{mode:o}");
}

#[test]
fn a_log_file_that_was_rotated_or_deleted_is_made_again_at_usr1() {
    let builder = fake("");
    let [log, rotated] = ["log", "log.1"].map(|name| builder.directory().join(name));
    let sidecar = builder.flags(&format!("--log {} --log-prefix always", log.display())).start();
    sidecar.wait_state(0, "idle");
    let say = |text: &str| sidecar.call("say", json!([text])).unwrap();
    say("one\n");
    wait_written(&log, "main#0 | one\n");
    fs::rename(&log, &rotated).unwrap();
    say("two\n");
    wait_written(&rotated, "main#0 | two\n");
    sidecar.signal(Signal::SIGUSR1);
    sidecar.wait_logged("log files are opened again", 1);
    say("three\n");
    wait_written(&log, "main#0 | three\n");
    fs::remove_file(&log).unwrap();
    say("gone\n");
    sidecar.signal(Signal::SIGUSR1);
    sidecar.wait_logged("log files are opened again", 2);
    say("four\n");
    wait_written(&log, "main#0 | four\n");
    assert_eq!(read(&rotated), "main#0 | one\nmain#0 | two\n");
}

#[test]
fn logs_shows_the_newest_lines_also_of_dead_workers() {
    let sidecar = fake("").flags("--workers 2 --name plc").start();
    sidecar.wait_state(0, "idle");
    sidecar.wait_state(1, "idle");
    assert_eq!(sidecar.cli(&["logs"]).stdout, "");
    sidecar.call("say", json!(["one\ntwo\nthree\n"])).unwrap();
    let text = sidecar.cli(&["logs", "plc"]).stdout;
    let slot = if text.starts_with("plc#0 | one\n") { 0 } else { 1 };
    let name = format!("plc#{slot}");
    assert_eq!(text, format!("{name} | one\n{name} | two\n{name} | three\n"));
    sidecar.kill_worker(slot);
    let logs = |words: &[&str]| sidecar.cli(&[&["logs"], words].concat()).stdout;
    assert_eq!(logs(&[&name, "-n", "2"]), format!("{name} | two\n{name} | three\n"));
    assert_eq!(logs(&[&format!("plc#{}", 1 - slot)]), "");
    let line: Value = serde_json::from_str(logs(&["--json", "-n1"]).trim_end()).unwrap();
    assert_eq!(
        (&line["worker"], &line["stream"], &line["line"]),
        (&json!(name), &json!("stdout"), &json!("three"))
    );
    assert!(line["time"].as_f64().unwrap() > 1.7e9);
    for unknown in ["plc#2", "plc#", "opcua", "plc#00"] {
        let ended = sidecar.cli(&["logs", unknown]);
        assert_eq!(ended.code(), 1);
        assert!(ended.stderr.starts_with("rustdaemon: unknown_worker: "), "{}", ended.stderr);
        assert!(ended.stderr.contains(unknown), "{}", ended.stderr);
    }
    let class = |args: Value| sidecar.call("daemon.logs", args).unwrap_err().class;
    assert_eq!(class(json!({"nmae": "plc"})), "InvalidArgument");
    assert_eq!(class(json!({"lines": "many"})), "InvalidArgument");
}

#[test]
fn who_follows_is_told_of_further_lines_until_the_sidecar_ends() {
    let mut sidecar = idle();
    sidecar.call("say", json!(["before\n"])).unwrap();
    let mut command = Command::new(sidecar_binary());
    command.args(["logs", "-f", "main#0", "--socket"]).arg(sidecar.socket());
    let mut follower = Process::start(command);
    eventually("what was before is shown", || match follower.stdout() {
        text if text == "main#0 | before\n" => Ok(()),
        text => Err(text),
    });
    sidecar.call("say", json!(["after\nand more\n"])).unwrap();
    eventually("what comes is shown", || match follower.stdout() {
        text if text == "main#0 | before\nmain#0 | after\nmain#0 | and more\n" => Ok(()),
        text => Err(text),
    });
    let mut client = sidecar.client();
    let id = client.send("daemon.logs", json!({"follow": true, "lines": 0}));
    assert_eq!(client.receive(), (id, Ok(json!({"lines": []}))));
    sidecar.call("say", json!(["é\n"])).unwrap();
    let event: Value = serde_json::from_str(&client.read_line()).unwrap();
    assert_eq!((&event["id"], &event["t"], &event["data"]["line"]), (&json!(id), &json!("evt"), &json!("é")));
    assert!(client.typed("ping", json!([])).is_ok(), "the connection still answers");
    let again = client.send("daemon.logs", json!({"follow": true, "lines": 1}));
    assert_eq!(client.receive().1.unwrap()["lines"][0]["line"], "é");
    sidecar.call("say", json!(["once\n"])).unwrap();
    let event: Value = serde_json::from_str(&client.read_line()).unwrap();
    assert_eq!((&event["id"], &event["data"]["line"]), (&json!(again), &json!("once")), "the newer question");
    assert_eq!(sidecar.stop().code(), 0);
    let ended = follower.wait();
    assert_eq!((ended.code(), ended.stderr.as_str()), (0, ""));
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn a_follower_with_a_closed_stdout_ends_quietly() {
    let sidecar = idle();
    sidecar.call("say", json!(["one\n"])).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", r#"{ "$BIN" logs -f --socket "$SOCK"; echo "code $?" >&2; } | head -n 1"#]);
    command.env("BIN", sidecar_binary()).env("SOCK", sidecar.socket());
    let mut follower = Process::start(command);
    eventually("it ends with a line after the first one", || {
        sidecar.call("say", json!(["more\n"])).unwrap();
        if follower.is_running() { Err("not yet".into()) } else { Ok(()) }
    });
    let ended = follower.wait();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("main#0 | one\n", "code 0\n"));
}

#[test]
fn a_follower_that_does_not_read_is_dropped() {
    let sidecar = idle();
    let mut client = sidecar.client();
    client.send("daemon.logs", json!({"follow": true}));
    client.receive().1.unwrap();
    let line = format!("{}\n", "x".repeat(999));
    eventually("it is dropped", || {
        sidecar.call("say", json!([line, 500])).unwrap();
        match sidecar.logged("a follower of logs or events has left").len() {
            0 => Err("not yet".into()),
            _ => Ok(()),
        }
    });
    client.read_to_end();
    assert!(sidecar.call("pid", json!([])).is_ok());
}

#[test]
fn a_follower_that_was_dropped_says_so() {
    let sidecar = idle();
    let path = sidecar.directory().join("pipe");
    let mut pipe = full_pipe(&path);
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec "$BIN" logs -f --socket "$SOCK" >"$PIPE""#]).env("PIPE", &path);
    command.env("BIN", sidecar_binary()).env("SOCK", sidecar.socket());
    let mut follower = Process::start(command);
    let line = format!("{}\n", "x".repeat(999));
    eventually("it is dropped", || {
        sidecar.call("say", json!([line, 500])).unwrap();
        match sidecar.logged("a follower of logs or events has left").len() {
            0 => Err("not yet".into()),
            _ => Ok(()),
        }
    });
    eventually("it has ended", || {
        while pipe.read(&mut [0; 65_536]).is_ok() {}
        if follower.is_running() { Err("not yet".into()) } else { Ok(()) }
    });
    let ended = follower.wait();
    assert_eq!(ended.code(), 111);
    assert!(ended.stderr.contains("was read too slowly"), "{}", ended.stderr);
}

#[test]
fn an_unknown_level_is_said() {
    let sidecar = fake("").variable("RUSTDAEMON_LOG", "verbose").start();
    sidecar.wait_logged("RUSTDAEMON_LOG=verbose is none of off, error, warn, info, debug, trace", 1);
    let sidecar = fake("").variable("RUSTDAEMON_LOG", "ERROR").start();
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.log(), "");
}

#[test]
fn a_log_that_cannot_be_one_is_refused() {
    assert!(
        fake("").flags("--log /var/log/").refused().stderr.contains("neither \"forward\" nor a file's path")
    );
    assert!(
        fake("").flags("--log-prefix sometimes").refused().stderr.contains("\"auto\", \"always\", \"never\"")
    );
    assert!(fake("").flags("--log-pipe 64").refused().stderr.contains("--log-pipe: \"64\" is not a size"));
    assert!(fake("").flags("--log-format xml").refused().stderr.contains("\"text\", \"json\""));
}
