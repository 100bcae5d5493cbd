//! The extension in a real PHP, under a real sidecar.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like the tests"
)]

// PHP under something that is killed.
mod family;
// A worker's life as PHP sees it: its predecessor, hangs, pauses, deploys.
mod supervision;
// What a worker is doing, and where.
mod doing;
// `install()` in scripts that something else started: a worker, a wrapper, nobody.
mod gate;
// The dialects, byte for byte, with PHP as the worker.
mod golden;
// Handlers: arguments in, results and exceptions out.
mod handlers;
// Messages that PHP hears.
mod messages;
// Locks with a name.
mod lock;
// Requests that are sent ahead.
mod prefetch;
// Requests that are answered later.
mod deferred;
// Sessions that PHP binds.
mod sessions;
// ReactPHP's event loop.
mod react;
// A script becomes its own sidecar.
mod self_start;
// Stop signals: who sent them, and who has them.
mod signals;
// TERM for one worker, TERM for all, kill -9.
mod stop;
// A console command of Symfony's inside a request.
mod symfony;

use rustdaemon_tests::{Php, Sidecar};
use serde_json::Value;

/// A script of `e2e/php`, with JSON for its one argument.
fn script(name: &str, argument: &Value) -> Php {
    let script = Php::script(&format!("{}/e2e/php/{name}.php", env!("CARGO_MANIFEST_DIR")));
    script.arg(argument)
}

/// `rustdaemon run -- php worker.php`, idle.
#[track_caller]
fn worker(flags: &str) -> Sidecar {
    let words = script("worker", &serde_json::json!({})).words();
    let sidecar = Sidecar::builder().flags(flags).command(words).start();
    sidecar.wait_state(0, "idle");
    sidecar
}
