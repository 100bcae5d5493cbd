//! Requests that are answered later: `Request::defer()`, `reply()` and `fail()`.
//!
//! # How it works
//! A deferred request stands in [`supervision`] under its object's handle until it is answered. When its handler has
//! returned, the sidecar hears that this worker is free for others. The object that is freed without an answer, or the
//! exception that its handler throws, is the answer. When the client's deadline has passed the request is open no more: the
//! sidecar has answered, and there is room for another one.
//!
//! # What may be lost
//! The answer, when the deadline has passed or the client has gone: nobody waits for it. When the script ends with open
//! requests, the sidecar answers for it.
//!
//! # Rules
//! [`freed`] calls no PHP: it runs where the engine frees an object.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ext_php_rs::types::Zval;
use rustdaemon_core::{fault, link, sys};

use crate::codec;
use crate::engine::{self, Pending, Thrown};
use crate::error::{Cause, Refusal};
use crate::request;
use crate::supervision;

/// What the client reads whose request was dropped.
const UNANSWERED: &str = "unanswered";
/// The sidecar gives a request up first: what this worker says afterwards is true there, too.
const GRACE: Duration = Duration::from_millis(50);
/// What the client reads where a text says why.
const FAILED: &str = "failed";

/// Defers the request in hand, whose object has this handle.
///
/// # Errors
/// The worker answers one request after the other, or cannot tell the sidecar otherwise.
pub fn defer(handle: u32) -> Result<(), Refusal> {
    supervision::with(|state| {
        if state.concurrency <= 1 {
            let sentence = "RustDaemon\\Request::defer() needs a worker that may have several requests open: call \
                            Worker::concurrency() with a number greater than 1 first";
            return Err(Cause::NotAllowedHere.because(sentence));
        }
        let version = state.link.as_ref().map_or(link::HIGHEST_VERSION, |link| link.version);
        if version < link::SESSIONS_VERSION {
            let sentence =
                "the sidecar is older than this extension and knows no deferred requests: restart it";
            return Err(Cause::LinkBroken.because(sentence));
        }
        let deferred = state.request.as_ref().and_then(|frame| {
            let (head, _) = link::parse_request(frame.flags, &frame.payload).ok()?;
            let dialect = link::Dialect::from_flags(frame.flags)?;
            let (sequence, method) = (frame.sequence, head.method.to_owned());
            let deadline = head.caller.and_then(|caller| open_until(caller.deadline));
            Some((deadline, supervision::Deferred { sequence, dialect, method }))
        });
        if let Some((deadline, deferred)) = deferred {
            state.promised = Some(handle);
            state.deferred.insert(handle, deadline, deferred);
        }
        Ok(())
    })
}

/// When a request is open no more that its client gives up at this moment in Unix time; on `CLOCK_MONOTONIC`. `None`:
/// beyond what that can say.
fn open_until(unix_time: f64) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let left = Duration::try_from_secs_f64((unix_time - now).max(0.0)).ok()?;
    sys::monotonic().checked_add(left)?.checked_add(GRACE)
}

/// Whether the request of this object has been deferred, and not been answered here.
pub fn is_deferred(handle: u32) -> bool {
    supervision::with(|state| state.deferred.get(handle).is_some())
}

/// Calls PHP: answers with a value. False: it has been answered. What is thrown while the value is encoded is pending, and
/// the request is still open.
pub fn reply(handle: u32, value: &mut Zval) -> bool {
    let Some(dialect) = supervision::with(|state| state.deferred.get(handle).map(|open| open.dialect)) else {
        return false;
    };
    let text = codec::encode_result(value, dialect);
    if engine::pending() != Pending::Nothing {
        return true;
    }
    let Some(open) = take(handle) else { return false }; // by what the value has called
    match text {
        Some(text) => request::send_result(open.sequence, text.as_bytes()),
        None => request::send_fault(open.sequence, "encoding_failed", engine::json_error()),
    }
    show();
    true
}

/// Answers with an exception. False: it has been answered.
pub fn fail_with(handle: u32, thrown: &Thrown) -> bool {
    let Some(open) = take(handle) else { return false };
    request::send_thrown(open.sequence, &open.method, thrown);
    show();
    true
}

/// Answers with a sentence. False: it has been answered.
pub fn fail(handle: u32, why: &[u8]) -> bool {
    let Some(open) = take(handle) else { return false };
    request::send_fault(open.sequence, FAILED, fault::client_message(why));
    show();
    true
}

/// An object has been freed.
pub fn freed(handle: u32) {
    // In a script that ends its end tells.
    let open = supervision::with(|state| state.deferred.take(handle)).filter(|_| !engine::in_shutdown());
    let Some((open, false)) = open else { return };
    supervision::log(&format!("{}: the request was given up without an answer", open.method));
    let sentence = "the worker has given the request up without an answer";
    request::send_fault(open.sequence, UNANSWERED, sentence.into());
    show();
}

fn take(handle: u32) -> Option<supervision::Deferred> {
    supervision::with(|state| state.deferred.take(handle)).map(|(open, _)| open)
}

/// There may be room for a request that has been read, or nothing left to wait for.
fn show() {
    supervision::with(supervision::State::show_work);
}
