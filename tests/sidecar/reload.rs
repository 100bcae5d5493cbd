//! New generations: nothing is lost, and a broken release replaces nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use rustdaemon_tests::{Builder, Client, Gate, Sidecar, eventually, signal_if_with};
use serde_json::{Value, json};

use crate::config::{start, with_file};
use crate::{class, fake, idle, refused};

/// Clients of [`under_load`].
const CLIENTS: usize = 4;

/// Does something twenty times while clients ask: each request is run once and answered once. Without `deaths` no
/// answer may be a fault; with them `worker_died` may, of a request that was run once or never.
#[track_caller]
fn under_load(sidecar: &Sidecar, deaths: bool, deed: impl Fn(u64)) {
    let notes = sidecar.directory().join("notes");
    let over = AtomicBool::new(false);
    let ask = |client: usize| {
        let mut connection = sidecar.client();
        let mut asked = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let text = format!("{client}.{}", asked.len());
            let reply = connection.typed("note", json!([notes, text]));
            match &reply {
                Err(fault) if deaths && fault.class == "worker_died" => asked.push((text, false)),
                reply => {
                    assert_eq!(*reply, Ok(json!(text)));
                    asked.push((text, true));
                }
            }
        }
        // An answer too many would come before this one's.
        connection.typed("ping", json!([])).unwrap();
        asked
    };
    let asked: Vec<(String, bool)> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || ask(client))).collect();
        let served = || fs::read_to_string(&notes).unwrap_or_default().lines().count();
        for turn in 1..=20 {
            deed(turn);
            let before = served();
            eventually("requests are served", || match served() {
                now if now > before => Ok(()),
                now => Err(format!("{now} requests")),
            });
        }
        over.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let mut runs = BTreeMap::<String, usize>::new();
    for line in fs::read_to_string(&notes).unwrap().lines() {
        *runs.entry(line.into()).or_default() += 1;
    }
    for (text, answered) in asked {
        let times = runs.remove(&text).unwrap_or_default();
        assert!(times == 1 || times == 0 && !answered, "{text} was run {times} times");
    }
    assert_eq!(runs, BTreeMap::new(), "what nobody asked");
    assert_eq!(sidecar.logged("has not ended"), [""; 0], "nobody had to be hurried");
}

#[test]
fn twenty_reloads_of_a_pool_lose_no_request() {
    let sidecar = fake("").flags("--workers 2").start();
    sidecar.wait_state(0, "idle");
    under_load(&sidecar, false, |turn| {
        let generation = turn + 1;
        let told = sidecar.call("daemon.reload", json!(["main"])).unwrap();
        assert_eq!(told, json!({"pools": [{"name": "main", "generation": generation}]}));
        for worker in sidecar.status()["workers"].as_array().unwrap() {
            assert_eq!(worker["generation"], generation, "{worker}");
        }
    });
}

#[test]
fn twenty_reloads_of_a_singleton_never_run_it_twice() {
    let builder = fake("--alone");
    let alone = builder.directory().join("alone");
    let sidecar = builder.command([&alone]).start();
    sidecar.wait_state(0, "idle");
    under_load(&sidecar, false, |_| {
        sidecar.call("daemon.reload", json!([])).unwrap();
    });
    assert_eq!(sidecar.worker(0)["restarts"], 20);
    assert_eq!(sidecar.pool()["generation"], 21);
    assert_eq!(fs::read_to_string(alone).unwrap(), "");
}

#[test]
fn restarts_and_pauses_and_limits_lose_no_request() {
    let sidecar = fake("").flags("--workers 2 --max-requests 40").start();
    sidecar.wait_state(0, "idle");
    under_load(&sidecar, false, |turn| {
        let all = json!(["main"]);
        match turn % 4 {
            0 => drop(sidecar.call("worker.restart", all).unwrap()),
            1 => drop(sidecar.call("daemon.reload", all).unwrap()),
            2 => {
                sidecar.call("worker.pause", all.clone()).unwrap();
                sidecar.call("worker.resume", all).unwrap();
            }
            _ => {
                sidecar.call("worker.stop", all.clone()).unwrap();
                sidecar.call("worker.start", all).unwrap();
            }
        }
    });
    sidecar.wait_state(0, "idle");
    sidecar.wait_state(1, "idle");
}

#[test]
fn deaths_during_reloads_lose_only_what_they_had_in_hand() {
    for flags in ["--workers 3 --short-run 0s", "--short-run 0s"] {
        let builder = fake("--alone").flags(flags);
        let alone = builder.directory().join("alone");
        let sidecar = builder.command([&alone]).start();
        sidecar.wait_state(0, "idle");
        under_load(&sidecar, true, |turn| {
            let mut operator = sidecar.client();
            operator.send("daemon.reload", json!([]));
            let workers = sidecar.status()["workers"].as_array().unwrap().clone();
            let victim = &workers[usize::try_from(turn).unwrap() % workers.len()];
            if let Some(pid) = victim["pid"].as_i64() {
                let socket = sidecar.socket().to_str().unwrap();
                signal_if_with(i32::try_from(pid).unwrap(), Signal::SIGKILL, "RUSTDAEMON_SOCKET", socket);
            }
            match operator.receive().1 {
                Err(fault) if fault.class != "reload_refused" => panic!("{fault:?}"),
                _ => {}
            }
        });
        let workers = sidecar.status()["workers"].as_array().unwrap().len();
        (0..workers).for_each(|n| drop(sidecar.wait_state(n, "idle")));
        assert_eq!(sidecar.pool()["reloading"], false);
        if workers == 1 {
            assert_eq!(fs::read_to_string(alone).unwrap(), "", "never two of a singleton");
        }
    }
}

#[test]
fn two_of_a_singleton_would_be_noticed() {
    let builder = fake("--alone").flags("--overlap");
    let alone = builder.directory().join("alone");
    let sidecar = builder.command([&alone]).start();
    sidecar.wait_state(0, "idle");
    sidecar.call("daemon.reload", json!([])).unwrap();
    let noticed = format!("pid {} is not alone\n", sidecar.worker_pid(0));
    assert_eq!(fs::read_to_string(alone).unwrap(), noticed, "with overlap = true there may be two");
}

#[test]
fn a_hangup_reloads() {
    let sidecar = idle();
    let pid = sidecar.worker_pid(0);
    sidecar.signal(Signal::SIGHUP);
    sidecar.wait_logged("generation 2 serves", 1);
    assert_eq!(sidecar.pool()["generation"], 2);
    assert_ne!(sidecar.worker_pid(0), pid);
    assert_eq!(sidecar.worker(0)["last_exit_reason"]["reason"], "reload");
    assert_eq!(sidecar.logged("SIGHUP from pid").len(), 1);
}

/// A release: `releases/NAME/worker` is this shell script.
fn release(root: &Path, name: &str, script: &str) {
    let directory = root.join("releases").join(name);
    fs::create_dir_all(&directory).unwrap();
    let script = format!("#!/bin/sh\n{}\n", script.replace("FAKE", env!("CARGO_BIN_EXE_fake_worker")));
    fs::write(directory.join("worker"), script).unwrap();
    fs::set_permissions(directory.join("worker"), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Points `current` at a release, as `ln -sfn` and `mv -T` do.
fn switch(root: &Path, name: &str) {
    let link = root.join("current.new");
    std::os::unix::fs::symlink(root.join("releases").join(name), &link).unwrap();
    fs::rename(link, root.join("current")).unwrap();
}

/// A pool `app` with release `one` and these keys.
fn deployed(keys: &str) -> Builder {
    let text = format!("socket = 's'\n[pool.app]\ncwd = 'current'\ncommand = ['./worker']\n{keys}");
    let builder = with_file(&text);
    release(builder.directory(), "one", "exec FAKE --offer echo,info,hold,say,one");
    switch(builder.directory(), "one");
    builder
}

/// The directory of the release that serves.
#[track_caller]
fn serving(sidecar: &Sidecar) -> String {
    let info = sidecar.call("info", json!([])).unwrap();
    Path::new(info["cwd"].as_str().unwrap()).file_name().unwrap().to_str().unwrap().to_owned()
}

#[track_caller]
fn up(builder: Builder) -> Sidecar {
    let sidecar = start(builder, &[]);
    let workers = sidecar.status()["workers"].as_array().unwrap().len();
    (0..workers).for_each(|n| drop(sidecar.wait_state(n, "idle")));
    sidecar
}

#[test]
fn a_symlink_is_followed_anew_by_each_generation() {
    for keys in ["", "workers = 2"] {
        let sidecar = up(deployed(keys));
        assert_eq!(serving(&sidecar), "one");
        release(sidecar.directory(), "two", "exec FAKE --offer echo,info,two");
        switch(sidecar.directory(), "two");
        assert_eq!(serving(&sidecar), "one", "a switch alone changes nothing");
        let ended = sidecar.cli(&["reload", "app"]);
        assert_eq!(
            (ended.code(), ended.stdout.as_str()),
            (0, "app: generation 2 serves\n"),
            "{}",
            ended.stderr
        );
        assert_eq!(serving(&sidecar), "two");
        assert_eq!(class(sidecar.call("two", json!([]))), "Boom", "what the new one offers");
        assert_eq!(class(sidecar.call("one", json!([]))), "unknown_method", "what only the old one offered");
    }
}

/// A reload that is refused, and says `says`; release `one` serves on, and the next reload works.
#[track_caller]
fn assert_refused(sidecar: &Sidecar, says: &[&str]) {
    let before: Vec<Value> = sidecar.status()["workers"].as_array().unwrap().clone();
    let ended = sidecar.cli(&["reload"]);
    assert_eq!((ended.code(), ended.stdout.as_str()), (1, ""), "{}", ended.stderr);
    let all = ["rustdaemon: reload_refused: the old generation stays: "];
    for says in all.iter().chain(says) {
        assert!(ended.stderr.contains(says), "{says:?} is not in {}", ended.stderr);
    }
    assert_eq!(serving(sidecar), "one");
    let pool = sidecar.pool();
    assert_eq!((&pool["generation"], &pool["reloading"]), (&json!(1), &json!(false)));
    for (n, before) in before.iter().enumerate() {
        // Its answer to `serving` may be here before its page says that it is idle.
        let worker = sidecar.wait_state(n, before["state"].as_str().unwrap());
        for key in ["pid", "restarts", "last_exit"] {
            assert_eq!(worker[key], before[key], "{key} of {worker}");
        }
    }
    release(sidecar.directory(), "mended", "exec FAKE");
    switch(sidecar.directory(), "mended");
    let ended = sidecar.cli(&["reload"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert_eq!(serving(sidecar), "mended");
}

#[test]
fn a_release_that_does_not_parse_is_refused_with_its_last_lines() {
    for keys in ["", "workers = 2"] {
        let sidecar = up(deployed(keys));
        let script = "echo 'PHP Parse error: unexpected token \"}\" in /app/x.php on line 12' >&2; exit 255";
        release(sidecar.directory(), "broken", script);
        switch(sidecar.directory(), "broken");
        let line = "\n  PHP Parse error: unexpected token \"}\" in /app/x.php on line 12";
        assert_refused(&sidecar, &["ended (exit 255", line]);
        assert!(sidecar.log().contains("generation 2 is refused"), "{}", sidecar.log());
        assert_eq!(sidecar.logged("--no-link"), [""; 0], "that is not what it lacks");
    }
}

#[test]
fn a_release_that_is_never_ready_is_refused_with_its_last_lines() {
    for (keys, script, why) in [
        ("workers = 2", "exec FAKE --no-ready", "but neither run() nor tick() nor ready() for 0.5 s"),
        ("", "exec sleep 600", "has not called RustDaemon\\Worker::install() for 0.5 s"),
    ] {
        let sidecar = up(deployed(&format!("ready_timeout = '500ms'\n{keys}")));
        release(sidecar.directory(), "slow", &format!("echo still connecting\n{script}"));
        switch(sidecar.directory(), "slow");
        assert_refused(&sidecar, &[why, "\n  still connecting"]);
    }
}

#[test]
fn a_release_that_is_not_there_is_refused() {
    for keys in ["", "workers = 3"] {
        let sidecar = up(deployed(keys));
        switch(sidecar.directory(), "missing");
        assert_refused(&sidecar, &["not started: ", "No such file or directory"]);
    }
}

/// A reload whose first successor is held before it is ready: who asked for it, its gate, and the one that is held.
fn held_reload(sidecar: &Sidecar) -> (Client, Gate, File) {
    let gate = sidecar.gate("gate");
    release(sidecar.directory(), "slow", &format!("exec FAKE --hold-before-ready {}", gate.path()));
    switch(sidecar.directory(), "slow");
    let mut operator = sidecar.client();
    operator.send("daemon.reload", json!([]));
    let held = gate.arrived();
    (operator, gate, held)
}

/// The pool when its reload is over; whoever arrives at the gate till then passes.
#[track_caller]
fn reload_over(sidecar: &Sidecar, gate: &Gate) -> Value {
    eventually("the reload is over", || {
        drop(gate.try_arrived());
        match sidecar.pool() {
            pool if pool["reloading"] == false => Ok(pool),
            pool => Err(pool.to_string()),
        }
    })
}

#[test]
fn a_second_reload_during_one_is_refused() {
    let sidecar = up(deployed("workers = 2"));
    let (mut operator, gate, held) = held_reload(&sidecar);
    let pool = sidecar.pool();
    assert_eq!((&pool["generation"], &pool["reloading"]), (&json!(1), &json!(true)));
    let (class, message) = refused(sidecar.call("daemon.reload", json!([])));
    assert_eq!(
        (class.as_str(), message.as_str()),
        ("refused", "a reload of app is under way; wait for its end")
    );
    let status = sidecar.cli(&["status"]).stdout;
    assert!(status.contains("\napp: generation 1 (the next one is being started), "), "{status}");
    sidecar.signal(Signal::SIGHUP);
    sidecar.wait_logged("no reload: a reload of app is under way", 1);
    assert_eq!(serving(&sidecar), "one", "until all of the new ones are ready");
    drop(held);
    assert_eq!(reload_over(&sidecar, &gate)["generation"], 2);
    assert_eq!(operator.receive().1, Ok(json!({"pools": [{"name": "app", "generation": 2}]})));
    assert_eq!(serving(&sidecar), "slow");
}

#[test]
fn the_gate_of_a_singleton_waits_for_the_request_in_hand() {
    let builder = fake("--alone").flags("--ready-timeout 300ms");
    let alone = builder.directory().join("alone");
    let sidecar = builder.command([&alone]).start();
    sidecar.wait_state(0, "idle");
    let gate = sidecar.gate("gate");
    let (mut client, mut operator, mut next) = (sidecar.client(), sidecar.client(), sidecar.client());
    client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    operator.send("daemon.reload", json!([]));
    next.send("pid", json!([]));
    sidecar.wait_logged("the next worker stands at the gate", 1);
    eventually("it stands there for longer than ready_timeout", || match sidecar.worker(0) {
        worker if worker["state"] == "draining" && worker["since"].as_f64() > Some(0.6) => Ok(()),
        worker => Err(worker.to_string()),
    });
    assert_eq!(sidecar.pool()["reloading"], true, "waiting there does not count");
    drop(held);
    assert_eq!(client.receive().1, Ok(json!("held")));
    operator.receive().1.unwrap();
    assert_eq!(next.receive().1, Ok(json!(sidecar.worker_pid(0))));
    assert_eq!(fs::read_to_string(alone).unwrap(), "");
}

#[test]
fn who_waited_long_at_the_gate_and_is_never_ready_ends_the_reload() {
    let sidecar = up(deployed("ready_timeout = '300ms'"));
    release(sidecar.directory(), "slow", "exec FAKE --no-ready");
    switch(sidecar.directory(), "slow");
    let gate = sidecar.gate("gate");
    let (mut client, mut operator) = (sidecar.client(), sidecar.client());
    client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    operator.send("daemon.reload", json!([]));
    sidecar.wait_logged("the next worker stands at the gate", 1);
    eventually("it stands there for longer than ready_timeout", || match sidecar.worker(0) {
        worker if worker["state"] == "draining" && worker["since"].as_f64() > Some(0.6) => Ok(()),
        worker => Err(worker.to_string()),
    });
    drop(held);
    assert_eq!(client.receive().1, Ok(json!("held")));
    let (class, message) = refused(operator.receive().1);
    assert_eq!(class, "reload_refused");
    assert!(message.contains("neither run() nor tick()"), "{message}");
    assert_eq!(sidecar.pool()["reloading"], false);
}

#[test]
fn a_singleton_that_fails_after_the_gate_follows_the_ordinary_rules() {
    let sidecar = up(deployed("backoff_max = '20ms'\nstart_limit = 1000"));
    let root = sidecar.directory().to_owned();
    // It says hello, passes, and ends.
    release(&root, "late", "echo late failure >&2; exec FAKE --exit-after-hello");
    switch(&root, "late");
    let (class, _) = refused(sidecar.call("daemon.reload", json!([])));
    assert_eq!(class, "reload_refused");
    release(&root, "mended", "exec FAKE");
    switch(&root, "mended");
    sidecar.wait_state(0, "idle");
    assert_eq!(serving(&sidecar), "mended", "started again, without a reload");
    sidecar.call("daemon.reload", json!([])).unwrap();
    assert_eq!(serving(&sidecar), "mended");
}

#[test]
fn a_reload_in_the_middle_of_a_stop_is_answered() {
    let mut sidecar = up(deployed("workers = 2"));
    let (mut operator, _gate, held) = held_reload(&sidecar);
    sidecar.signal(Signal::SIGTERM);
    let class = class(operator.receive().1);
    assert!(["reload_refused", "shutting_down"].contains(&class.as_str()), "{class}");
    drop(held);
    assert_eq!(sidecar.wait().code(), 0);
    assert_eq!(sidecar.descendants(), [0; 0]);
}

#[test]
fn a_refused_releases_last_lines_are_not_the_old_workers() {
    let sidecar = up(deployed(""));
    sidecar.call("say", json!(["I serve\n", 50])).unwrap();
    release(sidecar.directory(), "broken", "echo last words >&2; exit 255");
    switch(sidecar.directory(), "broken");
    let ended = sidecar.cli(&["reload"]);
    assert_eq!(ended.code(), 1);
    assert!(ended.stderr.ends_with("\n  last words\n"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("I serve"), "{}", ended.stderr);
}

#[test]
fn a_successor_that_is_ready_too_late_serves_what_it_offers() {
    let sidecar = up(deployed("ready_timeout = '300ms'"));
    let gate = sidecar.gate("gate");
    let script = format!("exec FAKE --offer echo,info,two --hold-before-ready {}", gate.path());
    release(sidecar.directory(), "slow", &script);
    switch(sidecar.directory(), "slow");
    let (class_of, message) = refused(sidecar.call("daemon.reload", json!([])));
    assert_eq!(class_of, "reload_refused");
    assert!(message.starts_with("the old generation has ended: app#0 has called"), "{message}");
    drop(gate.arrived());
    sidecar.wait_state(0, "idle");
    assert_eq!(class(sidecar.call("two", json!([]))), "Boom", "the new one's method");
    assert_eq!((&sidecar.pool()["generation"], &sidecar.worker(0)["generation"]), (&json!(2), &json!(2)));
}

#[test]
fn without_a_link_a_release_that_is_not_there_is_tried_until_it_is() {
    let builder = with_file(
        "socket = 's'\n[pool.app]\nlink = false\nready_after = '0s'\nbackoff_max = '20ms'\nstart_limit = 1000\ncwd = 'current'\ncommand = ['./worker']",
    );
    release(builder.directory(), "one", "exec sleep 600");
    switch(builder.directory(), "one");
    let sidecar = up(builder);
    let pid = sidecar.worker_pid(0);
    switch(sidecar.directory(), "missing");
    let (class, message) = refused(sidecar.call("daemon.reload", json!([])));
    assert_eq!(class, "reload_refused");
    assert!(
        message.starts_with("the old generation has ended: ") && message.contains("not started"),
        "{message}"
    );
    switch(sidecar.directory(), "one");
    let worker = sidecar.wait_state(0, "idle");
    assert_ne!(worker["pid"], pid);
    assert_eq!(sidecar.call("daemon.reload", json!([])).unwrap()["pools"][0]["generation"], 3);
}

#[test]
fn a_stop_of_one_worker_ends_a_reload() {
    let sidecar = up(deployed("workers = 2"));
    let (mut operator, gate, held) = held_reload(&sidecar);
    let mut other = sidecar.client();
    other.send("worker.stop", json!(["app#0"]));
    sidecar.wait_logged("app#0 ended (exit 0; stopped by an operator", 1);
    drop(held);
    reload_over(&sidecar, &gate);
    assert_eq!(class(operator.receive().1), "reload_refused");
    assert_eq!(other.receive().1.unwrap()["workers"][0]["state"], "stopped");
    assert_eq!((serving(&sidecar), sidecar.pool()["generation"].clone()), ("one".into(), json!(1)));
}

#[test]
fn of_two_pools_the_one_that_is_refused_is_named() {
    let text = "socket = 's'\n[pool.good]\ncommand = ['FAKE', '--offer', 'echo']\n\
                [pool.bad]\ncwd = 'current'\ncommand = ['./worker']\n";
    let builder = with_file(text);
    release(builder.directory(), "one", "exec FAKE --offer info");
    switch(builder.directory(), "one");
    let sidecar = up(builder);
    switch(sidecar.directory(), "missing");
    let (class, message) = refused(sidecar.call("daemon.reload", json!([])));
    assert_eq!(class, "reload_refused");
    assert!(message.starts_with("the old generation stays: bad#0: not started: "), "{message}");
    let generations = || [0, 1].map(|n| sidecar.status()["pools"][n]["generation"].clone());
    eventually("the other one goes on", || match generations() {
        now if now == [json!(2), json!(1)] => Ok(()),
        now => Err(format!("{now:?}")),
    });
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
    assert_eq!(serving(&sidecar), "one");
    switch(sidecar.directory(), "one");
    let told = sidecar.call("daemon.reload", json!(["bad"])).unwrap();
    assert_eq!(told["pools"][1], json!({"name": "bad", "generation": 2}));
}
