//! The real sidecar with workers that are not PHP: everything of the socket, of supervision and of the command line
//! that does not need the extension.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like the tests"
)]

// Clients that take more than their share.
mod abuse;
// Tokens, roles, the control socket, TCP, and whose directory the socket is in.
mod access;
// What a client may do wrong, and what it gets for it.
mod bad_input;
// `ping`, `call`, `status`, `methods`: output and exit codes; what `run` refuses.
mod cli;
// How commands find the socket; `ls`, `ready`, `scale`, `subscribe`.
mod commands;
// The configuration file: what it says, and how it is refused.
mod config;
// The verbs that change something.
mod control;
// `rustdaemon run --dev`.
mod dev;
// What becomes of everybody when a sidecar dies, stops or is PID 1.
mod family;
// The dialects, byte for byte: tests/fixtures.
mod golden;
// Commands that run at moments of a worker's life; parked workers.
mod hooks;
// Batches, notifications, events, a client's timeout.
mod json_rpc;
// After so many requests, so much time or memory; hangs; `forever = false`.
mod limits;
// Workers that break the link's rules, or say something that does not fit.
mod link;
// Messages to workers.
mod messages;
// Requests that are sent ahead of those in hand.
mod prefetch;
// Requests that are answered later.
mod deferred;
// New generations.
mod reload;
// Deaths, restarts, backoff.
mod restart;
// What workers write, and where it goes.
mod logs;
// The documented probe, well and ill.
mod probe;
// Requests: where they go, and that each has exactly one answer.
mod routing;
// Who is led to the worker that has its session.
mod sessions;
// One answer to each request, whatever happens, in each dialect.
mod silence;
// The socket's file: mode, owner, stale and live ones.
mod socket;
// `rustdaemon shm`.
mod shm;
// TERM, INT and what becomes of everybody.
mod stop;
// The built-in methods, asked rightly and wrongly, in each dialect; who subscribes.
mod verbs;
// `rustdaemon top` in a terminal of its own.
mod top;
// What a worker is born with.
mod worker;

use rustdaemon_tests::{Builder, Reply, Sidecar};

/// A sidecar with one fake worker that behaves by `arguments`.
fn fake(arguments: &str) -> Builder {
    let words = [env!("CARGO_BIN_EXE_fake_worker")].into_iter().chain(arguments.split_whitespace());
    Sidecar::builder().command(words)
}

/// A sidecar with one well-behaved fake worker, idle.
#[track_caller]
fn idle() -> Sidecar {
    let sidecar = fake("").start();
    sidecar.wait_state(0, "idle");
    sidecar
}

/// A sidecar with `plc#0` and `plc#1`, idle.
#[track_caller]
fn two() -> Sidecar {
    let sidecar = fake("").flags("--workers 2 --name plc").start();
    sidecar.wait_state(0, "idle");
    sidecar.wait_state(1, "idle");
    sidecar
}

/// The fault of a refused request.
#[track_caller]
fn refused(reply: Reply) -> (String, String) {
    match reply {
        Err(fault) => (fault.class, fault.message),
        Ok(data) => panic!("data instead of a fault: {data}"),
    }
}

/// The class of a fault.
#[track_caller]
fn class(reply: Reply) -> String {
    match reply {
        Err(fault) => fault.class,
        Ok(data) => panic!("data instead of a fault: {data}"),
    }
}
