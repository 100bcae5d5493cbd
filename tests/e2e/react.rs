//! ReactPHP's event loop, which waits in stream_select(), with `Signal::stream()` or `Worker::stream()` in it.
//!
//! No time is measured: besides signals only a timer of 30 s could wake these loops, longer than a test waits, and the
//! script says so then.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;

use nix::sys::signal::Signal;
use rustdaemon_tests::{Php, Process, Sidecar, eventually};
use serde_json::{Value, json};

/// Where `cargo xtask test` unpacks it.
const AUTOLOAD: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/react/usr/share/icingaweb2/modules/reactbundle/vendor/autoload.php"
);

/// A script of `e2e/php/react`.
#[track_caller]
fn react(name: &str) -> Php {
    assert!(Path::new(AUTOLOAD).is_file(), "{AUTOLOAD} is missing: `cargo xtask test` puts it there");
    Php::script(&format!("{}/e2e/php/react/{name}.php", env!("CARGO_MANIFEST_DIR"))).arg(AUTOLOAD)
}

/// What a script prints that ends well.
#[track_caller]
fn said(name: &str) -> String {
    let ended = Process::start(react(name).command()).wait();
    assert_eq!((ended.code(), ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    ended.stdout
}

#[test]
fn a_signal_that_comes_before_the_loop_waits_is_not_slept_over() {
    assert_eq!(
        said("wake"),
        "before run(): 1000\n\
         in a future tick: 1000\n\
         in the last of some future ticks: 1000\n\
         in a timer: 1000\n\
         in another stream's listener: 1000\n"
    );
}

#[test]
fn signals_at_random_times_all_wake_the_loop() {
    assert_eq!(said("storm"), "1000 rounds\n");
}

#[test]
fn reacts_own_signals_and_ours_leave_each_other_alone() {
    assert_eq!(
        said("beside"),
        "different signals: {\"ours\":200,\"react\":200}\n\
         after removeSignal() of the other one: {\"ours\":1}\n\
         HUP: addSignal(): {\"ours\":1,\"react\":1}\n\
         then on(): {\"ours\":1,\"ours, HUP\":1}\n\
         then off(): {\"ours\":1,\"react\":1}\n"
    );
}

#[test]
fn a_stop_signal_wakes_a_worker_in_its_loop() {
    let mut alone = Process::start(react("stop").command());
    eventually("the loop runs", || match alone.stdout() {
        out if out.contains("in the loop") => Ok(()),
        out => Err(out),
    });
    alone.signal(Signal::SIGTERM);
    let ended = alone.wait();
    assert_eq!((ended.code(), ended.stdout.as_str()), (0, "in the loop\nasked to stop\nleft the loop\n"));

    let sidecar = Sidecar::builder().command(react("stop").words()).start();
    sidecar.wait_state(0, "idle");
    sidecar.signal_worker(0, Signal::SIGTERM);
    eventually("the worker is replaced", || match sidecar.worker(0) {
        worker if worker["restarts"] == 1 && worker["last_exit_reason"]["code"] == 0 => Ok(()),
        worker => Err(worker.to_string()),
    });
}

/// A slow device that answers nobody before so many have asked.
fn device(crowd: usize) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let uri = format!("tcp://{}", listener.local_addr().unwrap());
    let answers = move || {
        let asking: Vec<TcpStream> = (0..crowd).map(|_| listener.accept().unwrap().0).collect();
        for mut stream in asking {
            let mut question = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut question).unwrap();
            write!(stream, "answer to {question}").unwrap();
        }
    };
    (uri, std::thread::spawn(answers))
}

#[test]
fn fifty_requests_are_served_at_once_without_blocking_the_loop() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../php/examples/react.php");
    let builder = Sidecar::builder();
    let socket = builder.socket().display().to_string();
    let sidecar = builder.command(Php::script(example).arg(socket).arg(AUTOLOAD).words()).start();
    sidecar.wait_state(0, "idle");
    let (uri, answers) = device(50);
    let mut client = sidecar.client();
    let ids: Vec<u64> =
        (0..49).map(|n| client.send("device.ask", json!([uri, format!("question {n}")]))).collect();
    eventually("all but one are open", || match sidecar.worker(0) {
        worker if worker["deferred"] == 49 => Ok(()),
        worker => Err(worker.to_string()),
    });
    let refused = sidecar.call("device.ask", json!(["tcp://127.0.0.1:1", "x"])).unwrap_err();
    assert_eq!(refused.class, "RuntimeException", "the loop goes on: {}", refused.message);
    assert_eq!(sidecar.call("device.ask", json!([uri, "the last"])), Ok(json!("answer to the last")));
    let expected: Vec<Value> = (0..49).map(|n| json!(format!("answer to question {n}"))).collect();
    assert_eq!(client.receive_all(&ids), expected);
    answers.join().unwrap();
}

#[test]
fn a_worker_in_a_loop_calls_its_tasks_and_ends_at_a_stop() {
    let mut sidecar = Sidecar::builder().command(react("worker").words()).start();
    sidecar.wait_state(0, "idle");
    sidecar.wait_logged("main#0 | every", 3);
    assert_eq!(sidecar.logged("main#0 | after").len(), 1);
    assert_eq!(sidecar.call("later", json!([])), Ok(json!("by a task")));
    assert_eq!(sidecar.stop().code(), 0);
    assert_eq!(sidecar.logged("main#0 | left the loop").len(), 1);
}
