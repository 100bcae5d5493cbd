//! Never silence: whatever becomes of a request's worker or of its client, each request has exactly one answer, word for
//! word, in each dialect.
//!
//! Rows are what happens, columns the dialects; a cell is everything that the client reads until the end of its connection.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::Signal;
use rustdaemon_tests::{Sidecar, eventually};
use serde_json::json;

use crate::fake;

/// How a dialect says it.
#[derive(Clone, Copy, Debug)]
enum Column {
    Typed,
    Flat,
    JsonRpc,
}

const COLUMNS: [Column; 3] = [Column::Typed, Column::Flat, Column::JsonRpc];

impl Column {
    /// A request with one argument, newline included.
    fn request(self, method: &str, argument: &str) -> String {
        match self {
            Self::Typed => {
                format!("{{\"id\":7,\"t\":\"req\",\"method\":\"{method}\",\"args\":[{argument}]}}\n")
            }
            Self::Flat => format!("{{\"command\":\"{method}\",\"a\":{argument}}}\n"),
            Self::JsonRpc => {
                format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"{method}\",\"params\":[{argument}]}}\n")
            }
        }
    }

    fn data(self, json: &str) -> String {
        match self {
            Self::Typed => format!("{{\"id\":7,\"t\":\"res\",\"ok\":true,\"data\":{json}}}\n"),
            Self::Flat => format!("{{\"success\":true,\"data\":{json}}}\n"),
            Self::JsonRpc => format!("{{\"jsonrpc\":\"2.0\",\"result\":{json},\"id\":7}}\n"),
        }
    }

    fn fault(self, word: &str, message: &str) -> String {
        match self {
            Self::Typed => format!(
                "{{\"id\":7,\"t\":\"res\",\"ok\":false,\"error\":{{\"class\":\"{word}\",\"message\":\"{message}\"}}}}\n"
            ),
            Self::Flat => {
                format!("{{\"success\":false,\"error\":{{\"type\":\"{word}\",\"message\":\"{message}\"}}}}\n")
            }
            Self::JsonRpc => format!(
                "{{\"jsonrpc\":\"2.0\",\"error\":{{\"code\":-32000,\"message\":\"{message}\",\"data\":{{\"type\":\"{word}\"}}}},\"id\":7}}\n"
            ),
        }
    }
}

/// A client that keeps what it reads.
struct Reader {
    stream: UnixStream,
}

impl Reader {
    fn connect(sidecar: &Sidecar) -> Self {
        let stream = UnixStream::connect(sidecar.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream }
    }

    /// Asks, and says that it will ask no more.
    fn ask(sidecar: &Sidecar, request: &str) -> Self {
        let mut reader = Self::connect(sidecar);
        reader.stream.write_all(request.as_bytes()).unwrap();
        reader.stream.shutdown(Shutdown::Write).unwrap();
        reader
    }

    /// All that it is told until the end of the connection.
    #[track_caller]
    fn all(mut self) -> String {
        let mut all = String::new();
        self.stream.read_to_string(&mut all).unwrap_or_else(|why| panic!("no end: {why}; so far {all:?}"));
        all
    }
}

fn workers(number: usize, flags: &str) -> Sidecar {
    let sidecar = fake("").flags(&format!("--workers {number} --short-run 0s {flags}")).start();
    (0..number).for_each(|n| drop(sidecar.wait_state(n, "idle")));
    sidecar
}

#[test]
fn the_worker_dies_before_it_has_begun_the_request() {
    for column in COLUMNS {
        let sidecar = workers(1, "");
        let gate = sidecar.gate("gate");
        let mut other = sidecar.client();
        other.send("hold", json!([gate.path()]));
        let held = gate.arrived();
        let asked = Reader::ask(&sidecar, &column.request("big", "3"));
        sidecar.wait_pool("waiting", 1);
        sidecar.signal_worker(0, Signal::SIGKILL);
        assert_eq!(asked.all(), column.data("\"xxx\""), "the next worker answers");
        drop(held);
    }
}

#[test]
fn the_worker_dies_after_it_has_begun_the_request() {
    for column in COLUMNS {
        let sidecar = workers(1, "");
        let message = "The worker ended (killed by SIGKILL from outside) with this request in hand; it may have been executed";
        let asked = Reader::ask(&sidecar, &column.request("die", "0"));
        assert_eq!(asked.all(), column.fault("worker_died", message));
    }
}

#[test]
fn the_worker_hangs_past_the_deadline() {
    for column in COLUMNS {
        let sidecar = workers(1, "--request-timeout 200ms");
        let gate = sidecar.gate("gate");
        let asked = Reader::ask(&sidecar, &column.request("hold", &json!(gate.path()).to_string()));
        let held = gate.arrived();
        let message = "No answer within 0.2 s; the request may have been executed";
        assert_eq!(asked.all(), column.fault("deadline_exceeded", message));
        drop(held);
        sidecar.wait_pool("late", 1);
        assert_eq!(Reader::ask(&sidecar, &column.request("big", "1")).all(), column.data("\"x\""));
    }
}

#[test]
fn the_worker_is_paused() {
    for column in COLUMNS {
        let sidecar = workers(1, "--request-timeout 300ms");
        sidecar.call("worker.pause", json!([])).unwrap();
        let asked = Reader::ask(&sidecar, &column.request("big", "1"));
        let message = "No worker was up within 0.3 s (main#0 is paused); the request was not started";
        assert_eq!(asked.all(), column.fault("deadline_exceeded", message));
        let sidecar = workers(1, "");
        sidecar.call("worker.pause", json!([])).unwrap();
        let asked = Reader::ask(&sidecar, &column.request("big", "1"));
        sidecar.wait_pool("waiting", 1);
        sidecar.call("worker.resume", json!([])).unwrap();
        assert_eq!(asked.all(), column.data("\"x\""));
    }
}

#[test]
fn the_daemon_is_draining() {
    for column in COLUMNS {
        let mut sidecar = workers(1, "");
        let gate = sidecar.gate("gate");
        let begun = Reader::ask(&sidecar, &column.request("hold", &json!(gate.path()).to_string()));
        let held = gate.arrived();
        let ahead = Reader::ask(&sidecar, &column.request("big", "1"));
        sidecar.wait_pool("waiting", 1);
        sidecar.signal(Signal::SIGTERM);
        let refused = column.fault("shutting_down", "The daemon is stopping; the request was not started");
        assert_eq!(ahead.all(), refused, "what was not begun");
        assert_eq!(Reader::ask(&sidecar, &column.request("big", "1")).all(), refused, "who comes now");
        drop(held);
        assert_eq!(begun.all(), column.data("\"held\""), "what was begun is finished");
        assert_eq!(sidecar.wait().code(), 0);
    }
}

#[test]
fn the_worker_is_draining_and_its_successor_answers() {
    for column in COLUMNS {
        let sidecar = workers(1, "");
        let gate = sidecar.gate("gate");
        let begun = Reader::ask(&sidecar, &column.request("hold", &json!(gate.path()).to_string()));
        let held = gate.arrived();
        let mut operator = sidecar.client();
        operator.send("worker.restart", json!([]));
        sidecar.wait_state(0, "draining");
        let ahead = Reader::ask(&sidecar, &column.request("big", "1"));
        sidecar.wait_pool("waiting", 1);
        drop(held);
        assert_eq!((begun.all(), ahead.all()), (column.data("\"held\""), column.data("\"x\"")));
    }
}

#[test]
fn no_worker_ever_starts() {
    for column in COLUMNS {
        let sidecar = fake("--exit-at-once 3").flags("--request-timeout 300ms --start-limit 1").start();
        sidecar.wait_state(0, "parked");
        let asked = Reader::ask(&sidecar, &column.request("big", "1"));
        let message = "No worker was up within 0.3 s (main#0 is parked, its last worker: exit 3); the request was not started";
        assert_eq!(asked.all(), column.fault("deadline_exceeded", message));
    }
}

#[test]
fn nobody_offers_the_method() {
    let sidecar = workers(1, "");
    let answer = |column: Column| Reader::ask(&sidecar, &column.request("nothing", "1")).all();
    assert_eq!(answer(Column::Typed), Column::Typed.fault("unknown_method", "Unknown method: nothing"));
    assert_eq!(answer(Column::Flat), Column::Flat.fault("unknown_command", "Unknown command: nothing"));
    assert!(answer(Column::JsonRpc).contains("\"code\":-32601"));
}

#[test]
fn the_client_half_closes_before_its_answer() {
    for column in COLUMNS {
        let sidecar = workers(1, "");
        let gate = sidecar.gate("gate");
        let asked = Reader::ask(&sidecar, &column.request("hold", &json!(gate.path()).to_string()));
        drop(gate.arrived());
        assert_eq!(asked.all(), column.data("\"held\""));
    }
}

#[test]
fn the_client_vanishes_before_its_answer() {
    for column in COLUMNS {
        let sidecar = workers(1, "");
        let gate = sidecar.gate("gate");
        drop(Reader::ask(&sidecar, &column.request("hold", &json!(gate.path()).to_string())));
        drop(gate.arrived());
        sidecar.wait_state(0, "idle");
        assert_eq!(Reader::ask(&sidecar, &column.request("big", "1")).all(), column.data("\"x\""));
        assert_eq!(sidecar.worker(0)["served"], 2);
    }
}

#[test]
fn the_client_sends_garbage_after_its_request() {
    let garbage = "{\"success\":false,\"error\":{\"type\":\"invalid_json\",\"message\":\"Invalid JSON\"}}\n";
    for column in [Column::Typed, Column::JsonRpc] {
        let sidecar = workers(1, "");
        let gate = sidecar.gate("gate");
        let mut asked = Reader::connect(&sidecar);
        let request = column.request("hold", &json!(gate.path()).to_string());
        asked.stream.write_all(format!("{request}garbage\n{request}").as_bytes()).unwrap();
        let held = gate.arrived();
        let mut line = vec![0; garbage.len()];
        asked.stream.read_exact(&mut line).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), garbage, "no key tells its dialect");
        drop(held);
        assert_eq!(
            asked.all(),
            column.data("\"held\""),
            "the earlier one is answered, then the connection ends"
        );
    }
}

#[test]
fn the_client_sends_too_much() {
    let sidecar = workers(1, "");
    let rest = " ".repeat(16_777_217);
    for (head, answer) in [
        (
            "{\"t\":\"req\",\"a\":\"",
            "{\"id\":null,\"t\":\"res\",\"ok\":false,\"error\":{\"class\":\"payload_too_large\",\"message\":\"Request frame exceeds maximum size of 16777216 bytes\"}}\n",
        ),
        (
            "{\"command\":\"m\",\"a\":\"",
            "{\"success\":false,\"error\":{\"type\":\"payload_too_large\",\"message\":\"Request exceeds maximum size of 1MB\"}}\n",
        ),
    ] {
        let mut asked = Reader::connect(&sidecar);
        let mut writer = asked.stream.try_clone().unwrap();
        let bytes = [head, &rest].concat();
        // It may be cut short: the answer counts.
        let writing = std::thread::spawn(move || writer.write_all(bytes.as_bytes()));
        let mut all = String::new();
        asked.stream.read_to_string(&mut all).unwrap();
        assert_eq!(all, answer);
        drop(asked);
        let _ = writing.join().unwrap();
    }
}

#[test]
fn the_client_reads_slowly() {
    for column in COLUMNS {
        let sidecar = workers(1, "");
        let mut asked = Reader::ask(&sidecar, &column.request("big", "3000000"));
        eventually("the worker has answered", || match sidecar.worker(0)["served"].as_u64() {
            Some(1) => Ok(()),
            other => Err(format!("{other:?}")),
        });
        let mut all = String::new();
        let mut piece = [0; 50_000];
        loop {
            match asked.stream.read(&mut piece).unwrap() {
                0 => break,
                length => all.push_str(std::str::from_utf8(&piece[..length]).unwrap()),
            }
        }
        assert_eq!(all, column.data(&format!("\"{}\"", "x".repeat(3_000_000))));
    }
}
