//! The callbacks of a worker: what `onStart()` and its like were given, called between two requests.
//!
//! # How it works
//! A callback is kept under its [`Moment`] in [`supervision`], and never taken back. The loops in `worker` say when a moment
//! has come; its callbacks are called in their order, and while one runs the worker is `busy` on the slot page under the
//! moment's name.
//!
//! # What may be lost
//! The callbacks after one that threw, or that ended the script.
//!
//! # Rules
//! Nothing that needs dropping is alive while a callback runs.
//! The doc comments over the methods are for PHP readers: `tests/stubs.php` takes the lines above `// stub:`.

use ext_php_rs::types::Zval;
use ext_php_rs::zend::ExecuteData;
use rustdaemon_core::slot::{Phase, SlotPage};
use rustdaemon_core::{pulse, sys};

use crate::engine::{self, Pending, Slot};
use crate::supervision::{self, Moment};

/// Calls this when the worker becomes ready for the first time: in run(), tick(), ready(), or in the first shouldStop() or
/// sleep() of a loop that exposes no methods. Open connections here.
///
/// Several callbacks are called in their order. What one throws leaves that call, and the worker is not ready: the next
/// call begins with the first callback again. Inside a callback shouldStop(), sleep() and tick() do not say ready.
///
/// @param callable $callback function (): void
/// @return Worker this worker
// stub: RustDaemon\Worker::onStart
pub extern "C" fn on_start(frame: &mut ExecuteData, result: &mut Zval) {
    add_callback(Moment::Start, frame, result);
}

/// Calls this once when the loop has seen the stop, before run() returns, tick() returns false or shouldStop() true.
///
/// Say good-bye here: close sessions, save state. It counts against the time that the sidecar leaves a stopping worker.
/// It is not called when exit() or an exception ends the loop.
///
/// @param callable $callback function (): void
/// @return Worker this worker
// stub: RustDaemon\Worker::onStop
pub extern "C" fn on_stop(frame: &mut ExecuteData, result: &mut Zval) {
    add_callback(Moment::Stop, frame, result);
}

/// Calls this when the worker is paused (`rustdaemon pause`), between two requests, or in shouldStop() or sleep().
///
/// While paused run() and tick() serve nothing; in a loop of your own shouldStop() and sleep() wait until it is resumed
/// or told to stop. A job between busy() and idle() is finished first.
///
/// @param callable $callback function (): void
/// @return Worker this worker
// stub: RustDaemon\Worker::onPause
pub extern "C" fn on_pause(frame: &mut ExecuteData, result: &mut Zval) {
    add_callback(Moment::Pause, frame, result);
}

/// Calls this when the worker is resumed (`rustdaemon resume`).
///
/// @param callable $callback function (): void
/// @return Worker this worker
// stub: RustDaemon\Worker::onResume
pub extern "C" fn on_resume(frame: &mut ExecuteData, result: &mut Zval) {
    add_callback(Moment::Resume, frame, result);
}

/// Calls this when a value that Request::bind() has made this worker's own has lived its time without being used: it is
/// unbound already. Close what belongs to it here.
///
/// It is called between two requests, not while the worker is paused.
///
/// @param callable $callback function (string $value): void
/// @return Worker this worker
// stub: RustDaemon\Worker::onExpire
pub extern "C" fn on_expire(frame: &mut ExecuteData, result: &mut Zval) {
    add_callback(Moment::Expire, frame, result);
}

/// Calls this for each message that is sent to this worker, in the order in which they were accepted:
/// `rustdaemon call worker.send '["opcua#0", "tags.changed", {"line": 3}]'`; "opcua" means all workers of that name.
///
/// It is called between two requests, not while the worker is paused; in a loop of your own in shouldStop() and sleep(),
/// not between busy() and idle(). The sender has its answer when all callbacks have returned, whatever they return.
///
/// What a callback throws is answered to the sender with its short class name and message, and logged; no further callback
/// is called for this message, and the worker lives on. Without any callback the sender hears `unhandled_message`.
///
/// A message that had not been begun when a worker ended is for the next one in its place. Request::current() is null here.
///
/// ```php
/// $worker->onMessage(function (string $name, mixed $payload) use ($plc): void {
///     if ($name === 'tags.changed') {
///         $plc->reloadTags($payload['line']);
///     }
/// });
/// ```
///
/// @param callable $callback function (string $name, mixed $payload): void; the payload as json_decode() reads it, objects as
/// arrays; null where there is none
/// @return Worker this worker
// stub: RustDaemon\Worker::onMessage
pub extern "C" fn on_message(frame: &mut ExecuteData, result: &mut Zval) {
    add_callback(Moment::Message, frame, result);
}

fn add_callback(moment: Moment, frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(callback) = engine::callback_call(frame) else { return };
        supervision::with(|state| {
            if let Some(callbacks) = state.callbacks.get_mut(moment as usize) {
                callbacks.push(callback);
            }
        });
        *result = frame.This.shallow_clone();
    });
}

/// Calls PHP: the callbacks of a moment, in their order. False: return to PHP at once, because something is pending (after
/// an `exit()` nothing else is called or served), or this is a child that a callback forked off: the loop on its stack is
/// the parent's.
pub fn call_all(moment: Moment, argument: Option<&[u8]>) -> bool {
    let Some(count) = supervision::with(|state| state.callbacks.get(moment as usize).map(Vec::len)) else {
        return true;
    };
    if count == 0 {
        return true;
    }
    let page = supervision::with(|state| state.page());
    let before = page.map(SlotPage::phase).filter(|phase| !phase.is_busy());
    if let Some((page, _)) = page.zip(before) {
        page.busy(Phase::OwnBusy, moment.name().as_bytes(), None, sys::monotonic());
        pulse::busy();
    }
    let process = std::process::id();
    for at in 0..count {
        let call = supervision::with(|state| {
            let callback = state.callbacks.get(moment as usize)?.get(at)?;
            Some((callback.raw(), callback.hold()))
        });
        let Some((callback, held)) = call else { break };
        let mut result = Slot::new();
        let mut text = Slot::of(argument.map(engine::text).unwrap_or_default());
        callback.call_with(argument.is_some().then(|| text.value()), result.value());
        result.free();
        text.free();
        held.free();
        if std::process::id() != process {
            return false;
        }
        if engine::pending() != Pending::Nothing {
            break;
        }
    }
    if let Some((page, before)) = page.zip(before) {
        page.idle(before);
    }
    let pending = engine::pending();
    if pending == Pending::Leaving {
        supervision::with(|state| state.leave());
    }
    pending == Pending::Nothing
}
