//! Clients that take more than their share: of time, of connections, of memory. The others notice nothing.

use std::collections::VecDeque;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use rustdaemon_tests::{Client, Sidecar, eventually};
use serde_json::json;

use crate::{class, fake, idle};

const NOBODY: libc::uid_t = 65_534;
const TIMED_OUT: &str = "{\"success\":false,\"error\":{\"type\":\"connection_timeout\",\
    \"message\":\"IPC connection timed out\"}}\n";
const TOO_MANY: &str = "{\"success\":false,\"error\":{\"type\":\"too_many_connections\",\
    \"message\":\"Too many concurrent connections\"}}\n";
const PING: &[u8] = b"{\"id\":1,\"t\":\"req\",\"method\":\"ping\",\"args\":[]}\n";

/// A connection of another user than the sidecar's. Needs root.
#[track_caller]
fn nobodys_client(socket: &Path) -> Client {
    let connect = || {
        // SAFETY: changes this thread's own user only, where setresuid(3) would change the whole process's.
        let done = unsafe { libc::syscall(libc::SYS_setresuid, -1, NOBODY, -1) };
        assert_eq!(done, 0, "setresuid");
        Client::connect(socket)
    };
    thread::scope(|scope| scope.spawn(connect).join()).unwrap()
}

/// A sidecar that everybody may reach.
#[track_caller]
fn open_to_all(flags: &str) -> Sidecar {
    let sidecar = fake("").flags("--socket-mode 0666").flags(flags).start();
    fs::set_permissions(sidecar.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    sidecar.wait_state(0, "idle");
    sidecar
}

fn ping(client: &mut Client) {
    assert_eq!(client.typed("ping", json!([])).unwrap()["status"], "ok");
}

fn is_refused(mut client: Client) -> bool {
    let mut byte = client.stream();
    byte.set_nonblocking(true).unwrap();
    match byte.read(&mut [0; 1]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        _ => {
            byte.set_nonblocking(false).unwrap();
            assert!(client.read_to_end().ends_with(&TOO_MANY[1..]));
            true
        }
    }
}

/// `RssAnon` of a process in bytes.
fn anonymous_bytes(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn who_sends_no_newline_in_time_is_told_so_and_who_owes_nothing_may_be_silent() {
    let sidecar = fake("").flags("--header-timeout 300ms").start();
    let mut idler = sidecar.client();
    ping(&mut idler);
    let mut silent = sidecar.client();
    let mut slow = sidecar.client();
    slow.raw("{\"command\":\"ec");
    assert_eq!(silent.read_to_end(), TIMED_OUT);
    assert_eq!(slow.read_to_end(), TIMED_OUT);
    ping(&mut idler); // its last frame was whole, and longer ago than theirs
    idler.raw(&PING[..20]);
    let told = idler.read_to_end();
    assert!(
        told.starts_with("{\"id\":null,\"t\":\"res\",\"ok\":false") && told.contains("connection_timeout"),
        "{told}"
    );
}

#[test]
fn a_frame_in_slow_pieces_is_late_however_often_one_comes() {
    let sidecar = fake("").flags("--header-timeout 300ms").start();
    let mut client = sidecar.client();
    ping(&mut client);
    let mut pieces = client.stream();
    let told = thread::scope(|scope| {
        scope.spawn(move || {
            // A byte whenever it may: until the other end has closed.
            eventually("the connection ends", || match pieces.write_all(b" ") {
                Ok(()) => Err("it goes on".into()),
                Err(_) => Ok(()),
            });
        });
        client.read_to_end()
    });
    assert_eq!(told, TIMED_OUT);
}

#[test]
fn who_does_not_take_its_answers_is_cut_and_its_requests_end_at_the_worker() {
    let sidecar = fake("").flags("--write-timeout 300ms").start();
    sidecar.wait_state(0, "idle");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("big", json!([4_000_000]));
    client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    sidecar.wait_logged("has taken nothing of its answers for 0.3 s", 1);
    assert_eq!(sidecar.status()["connections"], 1, "ours");
    drop(held);
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.worker(0)["served"], 2);
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
}

#[test]
fn who_leaves_four_of_the_largest_answers_is_cut_at_once() {
    let sidecar = idle();
    let mut client = sidecar.client();
    for _ in 0..6 {
        client.send("big", json!([15_000_000]));
    }
    sidecar.wait_logged("a client does not take its answers", 1);
    assert_eq!(sidecar.status()["connections"], 1, "ours");
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.worker(0)["served"], 6);
}

#[test]
fn when_all_leave_their_answers_the_one_that_left_most_is_cut() {
    let sidecar = idle();
    let mut greedy = sidecar.client();
    (0..4).for_each(|_| _ = greedy.send("big", json!([15_500_000])));
    let mut others: Vec<_> = (0..4).map(|_| sidecar.client()).collect();
    others.iter_mut().for_each(|client| (0..4).for_each(|_| _ = client.send("big", json!([15_000_000]))));
    sidecar.wait_logged("has left the most of the", 1);
    assert_eq!(sidecar.status()["connections"], 5, "the four others and ours");
    for client in &mut others {
        (0..4).for_each(|_| assert!(client.receive().1.is_ok()));
    }
    assert_eq!(sidecar.status()["untaken_bytes"], 0);
}

#[test]
fn the_51st_flat_request_is_refused_before_anything_else_and_typed_is_not() {
    let sidecar = idle();
    let gate = sidecar.gate("gate");
    let crowd: Vec<_> = (0..50)
        .map(|number| {
            let mut client = sidecar.client();
            let request = json!({"command": if number == 0 { "hold" } else { "echo" }, "fifo": gate.path()});
            client.raw(format!("{request}\n"));
            client
        })
        .collect();
    let held = gate.arrived();
    sidecar.wait_pool("waiting", 49);
    for line in ["{\"command\":\"echo\"}", "{\"command\":\"ping\"}", "garbage", &"x".repeat(2_000_000)] {
        assert_eq!(sidecar.flat(line), TOO_MANY, "{line:.20}");
    }
    ping(&mut sidecar.client());
    assert_eq!(sidecar.pool()["waiting"], 49);
    drop(held);
    for (number, mut client) in crowd.into_iter().enumerate() {
        assert!(client.read_to_end().starts_with("{\"success\":true,"), "{number}");
    }
    assert!(sidecar.flat("{\"command\":\"ping\"}").contains("\"ok\""));
}

#[test]
fn a_flat_client_that_goes_leaves_its_place_only_when_its_request_ends() {
    let sidecar = fake("").flags("--flat-requests 1").start();
    sidecar.wait_state(0, "idle");
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.raw(format!("{}\n", json!({"command": "hold", "fifo": gate.path()})));
    let held = gate.arrived();
    drop(client);
    assert_eq!(sidecar.flat("{\"command\":\"ping\"}"), TOO_MANY);
    drop(held);
    sidecar.wait_state(0, "idle");
    assert!(sidecar.flat("{\"command\":\"ping\"}").contains("\"ok\""));
}

#[test]
fn when_all_places_are_taken_others_are_told_so_and_operators_are_let_in() {
    if !geteuid().is_root() {
        return eprintln!("skipped: only root can connect as another user");
    }
    let sidecar = open_to_all("--max-connections 3");
    let mut inside: Vec<_> = (0..3).map(|_| nobodys_client(sidecar.socket())).collect();
    for client in &mut inside {
        ping(client);
    }
    let mut one_too_many = nobodys_client(sidecar.socket());
    assert_eq!(one_too_many.read_to_end(), TOO_MANY);
    let status = sidecar.status();
    assert_eq!(
        (&status["connections"], &status["max_connections"]),
        (&json!(4), &json!(3)),
        "ours is the fourth"
    );
    assert_eq!(status["refused_connections"], 1);
    assert_eq!(sidecar.cli(&["status"]).code(), 0);
    drop(inside.pop());
    eventually("there is room again", || {
        let mut client = nobodys_client(sidecar.socket());
        client.try_raw(PING);
        let line = client.read_line();
        if line.contains("\"ok\":true") { Ok(()) } else { Err(line) }
    });
    assert!(!sidecar.logged("3 connections are open, as many as there may be").is_empty());
}

#[test]
fn an_operator_is_heard_while_its_own_user_holds_every_place() {
    let sidecar = fake("").flags("--max-connections 3").start();
    sidecar.wait_state(0, "idle");
    let crowd: Vec<_> = (0..40).map(|_| sidecar.client()).collect();
    eventually("the reserve has been fought for", || {
        match sidecar.status()["refused_connections"].as_u64() {
            Some(refused) if refused >= 29 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    assert_eq!(sidecar.cli(&["status"]).code(), 0);
    let refused = crowd.into_iter().map(is_refused).collect::<Vec<_>>();
    assert!(refused[..3].iter().all(|refused| !refused), "who was first stays: {refused:?}");
}

#[test]
fn a_flood_of_connections_leaves_everybody_inside_alone() {
    let sidecar = fake("").flags("--max-connections 20").start();
    sidecar.wait_state(0, "idle");
    let mut quiet: Vec<_> = (0..10).map(|_| sidecar.client()).collect();
    quiet.iter_mut().for_each(ping);
    let socket = sidecar.socket();
    thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        scope.spawn(move || {
            let mut open = VecDeque::new();
            while stopped.try_recv() == Err(TryRecvError::Empty) {
                open.extend(Client::try_connect(socket).ok());
                if open.len() > 100 {
                    open.pop_front();
                }
            }
        });
        for _ in 0..50 {
            quiet.iter_mut().for_each(ping);
        }
        drop(stop);
    });
}

#[test]
fn without_a_descriptor_left_who_comes_is_told_so_and_nobody_hangs() {
    let sidecar = idle();
    let mut before = sidecar.client();
    ping(&mut before);
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let limit = |most: u64| {
        let most = libc::rlimit { rlim_cur: most, rlim_max: hard };
        // SAFETY: reads one struct, writes none.
        let done = unsafe { libc::prlimit(sidecar.pid(), libc::RLIMIT_NOFILE, &most, std::ptr::null_mut()) };
        assert_eq!(done, 0, "prlimit");
    };
    let open = fs::read_dir(format!("/proc/{}/fd", sidecar.pid())).unwrap();
    let numbers = open.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u64>().ok());
    limit(numbers.max().unwrap() + 5);
    let mut crowd = Vec::new();
    eventually("nobody is let in any more", || {
        let mut client = sidecar.client();
        client.try_raw(PING);
        let line = client.read_line();
        crowd.push(client);
        if line == TOO_MANY.trim_end() { Ok(()) } else { Err(line) }
    });
    for _ in 0..200 {
        let mut client = sidecar.client();
        client.try_raw(PING);
        assert_eq!(client.read_to_end(), TOO_MANY);
    }
    ping(&mut before);
    assert_eq!(sidecar.logged("accept: Too many open files").len(), 1, "said once");
    let pid = before.typed("pid", json!([])).unwrap().as_i64().unwrap().try_into().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    sidecar.wait_logged("ended (killed by SIGKILL", 1);
    limit(hard);
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
}

#[test]
fn a_low_limit_of_descriptors_leaves_some_for_workers() {
    let sidecar = fake("").limits("ulimit -n 80").flags("--backoff-max 50ms").start();
    sidecar.wait_state(0, "idle");
    let crowd: Vec<_> = (0..80).map(|_| sidecar.client()).collect();
    eventually("the rest has been turned away", || match sidecar.status()["refused_connections"].as_u64() {
        Some(refused) if refused >= 30 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    sidecar.kill_worker(0);
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
    assert!(sidecar.logged("accept:").is_empty(), "it never came to that");
    drop(crowd);
}

#[test]
fn idle_connections_cost_less_than_a_kibibyte_each() {
    const CONNECTIONS: u64 = 2000;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < 2 * CONNECTIONS {
        return eprintln!("skipped: the limit of open files is {hard}");
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let sidecar = idle();
    // What the first ones cost is paid for all.
    let mut all: Vec<_> = (0..50).map(|_| sidecar.client()).collect();
    all.iter_mut().for_each(ping);
    let before = anonymous_bytes(sidecar.pid());
    for _ in 0..CONNECTIONS {
        let mut client = sidecar.client();
        ping(&mut client);
        all.push(client);
    }
    let each = anonymous_bytes(sidecar.pid()).saturating_sub(before) / CONNECTIONS;
    println!("{each} bytes for each idle connection");
    assert!(each <= 1024, "{each} bytes for each idle connection");
    all.iter_mut().for_each(ping);
}

#[test]
fn unfinished_frames_together_stay_within_64_mib_and_each_gets_its_answer() {
    const FRAME: usize = 15_000_000;
    let sidecar = idle();
    let mut quiet = sidecar.client();
    ping(&mut quiet);
    let head = format!("{{\"id\":1,\"t\":\"req\",\"method\":\"echo\",\"args\":[\"{}", "x".repeat(FRAME));
    thread::scope(|scope| {
        let (go, wait): (Vec<_>, Vec<_>) = (0..7).map(|_| mpsc::channel::<()>()).unzip();
        for wait in wait {
            let (head, mut client) = (&head, sidecar.client());
            scope.spawn(move || {
                client.raw(head); // all but its end
                let _ = wait.recv();
                client.raw("\"]}\n");
                assert_eq!(client.receive().1.unwrap()[0].as_str().unwrap().len(), FRAME);
            });
        }
        let most = eventually("no more than that is taken", || {
            ping(&mut quiet);
            let bytes =
                quiet.typed("daemon.status", json!([])).unwrap()["unfinished_bytes"].as_u64().unwrap();
            if bytes >= 47 << 20 { Ok(bytes) } else { Err(bytes.to_string()) }
        });
        assert!(most <= 64 << 20, "{most}");
        for _ in 0..20 {
            ping(&mut quiet);
            let bytes =
                quiet.typed("daemon.status", json!([])).unwrap()["unfinished_bytes"].as_u64().unwrap();
            assert!(bytes <= 64 << 20, "{bytes}");
        }
        drop(go);
    });
    assert_eq!(sidecar.status()["unfinished_bytes"], 0);
}

#[test]
fn many_quiet_clients_are_answered_beside_two_that_flood() {
    let sidecar = idle();
    let mut quiet: Vec<_> = (0..50).map(|_| sidecar.client()).collect();
    let flood = PING.repeat(1000);
    let reads = sidecar.client().stream();
    let reads_not = sidecar.client().stream();
    thread::scope(|scope| {
        scope.spawn(|| while (&reads).write_all(&flood).is_ok() {});
        scope.spawn(|| {
            let mut chunk = vec![0; 65_536];
            while (&reads).read(&mut chunk).is_ok_and(|length| length > 0) {}
        });
        scope.spawn(|| while (&reads_not).write_all(&flood).is_ok() {});
        for _ in 0..5 {
            let asked: Vec<_> = quiet.iter_mut().map(|client| client.send("ping", json!([]))).collect();
            for (client, id) in quiet.iter_mut().zip(asked) {
                assert_eq!(client.receive().0, id);
            }
        }
        assert_eq!(quiet[0].typed("echo", json!([1])), Ok(json!([1])));
        for flooder in [&reads, &reads_not] {
            let _ = flooder.shutdown(std::net::Shutdown::Both);
        }
    });
}

#[test]
fn a_refusal_reaches_who_is_still_sending() {
    let sidecar = idle();
    for refused in
        ["{\"command\":\"echo\",\"a\":\"", "{\"t\":\"req\",\"id\":1,\"method\":\"echo\",\"args\":[\""]
    {
        let mut client = sidecar.client();
        client.raw(refused);
        client.raw("x".repeat(20 << 20)); // far beyond the refusal
        let told = client.read_to_end();
        assert!(told.contains("payload_too_large") && told.ends_with("}\n"), "{told}");
    }
}

#[test]
fn a_refusal_reaches_who_goes_on_sending_after_the_connection_has_been_closed() {
    let sidecar = idle();
    let mut client = sidecar.client();
    let mut more = client.stream();
    client.raw("garbage\n");
    let chunk = vec![b'x'; 65_536];
    let error = loop {
        // Without a pause: at the moment of the close something is on its way.
        if let Err(error) = more.write_all(&chunk) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert!(client.read_to_end().contains("\"invalid_json\""), "whole, and no reset");
}

#[test]
fn a_client_in_all_dialects_at_once_with_garbage_at_the_end_gets_its_answers_first() {
    let sidecar = idle();
    let mut client = sidecar.client();
    client.send("echo", json!([1]));
    client.send("echo", json!([2]));
    client.raw("{\"command\":\"echo\",\"a\":3}\ngarbage\n");
    client.half_close();
    let all = client.read_to_end();
    assert_eq!(all.lines().count(), 3, "{all}");
    assert!(!all.contains("invalid_json"), "what comes after a FLAT request is not read: {all}");
    assert_eq!(class(sidecar.call("no", json!([]))), "unknown_method");
}
