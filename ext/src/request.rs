//! One request, from its frame to its reply. A message is one whose handlers are the callbacks of `onMessage()`.
//!
//! # Correct order
//! Slot page, arguments, parameters, the handler, its result as JSON, the reply, slot page; only then is freed what
//! the handler left behind, because that may run destructors. A request between `busy()` and `idle()` gives the page back
//! to what `busy()` had named.
//!
//! A request that its handler has deferred gets its reply later (see [`deferred`](crate::deferred)): what the handler returns
//! is dropped, and the sidecar hears that this worker is free.
//!
//! # What may be lost
//! The reply, when the handler calls `exit()` or dies: the sidecar answers for it. An exception is answered and
//! logged, and the worker lives on. A child that the handler forks off (pcntl_fork) never answers.
//!
//! # Rules
//! Nothing that needs dropping is alive while PHP runs: the frame lies in [`supervision`], values in [`Slot`]s.

use std::borrow::Cow;

use rustdaemon_core::link::{self, DATA, Dialect, FAULT, Fault, Frame, Kind, LinkError};
use rustdaemon_core::{fault, fork, pulse, settings, sys};

use crate::codec;
use crate::dispatch;
use crate::engine::{self, Pending, RawCallable, Slot, Thrown};
use crate::supervision::{self, Moment};

/// The longest result in bytes of JSON: a frame of the socket, whose envelope comes on top.
const MAX_RESULT_BYTES: usize = 16 * 1024 * 1024;

/// A request taken apart. `arguments` lies in the frame that [`supervision`] holds until the request ends.
#[derive(Clone, Copy)]
struct Taken {
    sequence: u64,
    dialect: Dialect,
    arguments: *const [u8],
    is_message: bool,
    handler: Option<RawCallable>,
}

/// Calls PHP. Serves one request. False: return to PHP at once, because `exit()` is under way, memory is exhausted, or
/// this is a child that the handler forked off: the loop on its stack is the parent's.
pub fn serve(frame: Frame) -> bool {
    let sequence = frame.sequence;
    let process = fork::generation();
    let taken = match take(frame) {
        Ok(taken) => taken,
        Err(error) => {
            send_fault(sequence, "invalid_request", error.to_string());
            end();
            return true;
        }
    };
    let mut arguments = Slot::new();
    let mut result = Slot::new();
    match taken.is_message {
        true => tell(&taken, &mut arguments),
        false => run(&taken, &mut arguments, &mut result),
    }
    result.free();
    arguments.free();
    supervision::with(|state| state.busy = false);
    if fork::generation() != process {
        return false; // what the handler threw there leaves the loop as an exception
    }
    let lives = clear("after a request");
    if !lives {
        supervision::with(|state| state.leave());
    }
    lives
}

fn take(mut frame: Frame) -> Result<Taken, LinkError> {
    supervision::with(|state| {
        (state.busy, state.fiber) = (true, engine::fiber());
        state.promised = None;
        state.goes_on();
        if let Some(link) = &state.link {
            state.set_aside = link.page.job();
            link.page.begin(frame.sequence, label(&frame).as_bytes(), sys::monotonic());
            pulse::busy();
        }
        frame.payload.push(0); // for PHP's JSON scanner
        let frame = state.request.insert(frame);
        let dialect = Dialect::from_flags(frame.flags).ok_or(LinkError::Malformed("an unknown dialect"))?;
        let (link::Head { method, .. }, arguments) = link::parse_request(frame.flags, &frame.payload)?;
        let offered = |name| state.methods.iter().find(move |exposed| exposed.method.name == name);
        let by_name = offered(method).filter(|_| method != settings::REST);
        let by_name = by_name.map(|exposed| exposed.handler.raw());
        let is_message = method == link::MESSAGE;
        let rest = offered(settings::REST).filter(|_| by_name.is_none() && !is_message);
        let rest = rest.map(|exposed| exposed.handler.raw());
        let handler = by_name.or(rest);
        let arguments = match rest {
            Some(_) => state.whole_request.insert(whole(method, arguments)),
            None => arguments,
        };
        Ok(Taken { sequence: frame.sequence, dialect, arguments, is_message, handler })
    })
}

/// What the handler of the rest gets, as JSON: the method's name and the arguments, by position.
fn whole(method: &str, arguments: &[u8]) -> Vec<u8> {
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments);
    let arguments = if arguments.is_empty() { b"[]" } else { arguments };
    [b"[", link::json(&method).as_slice(), b",", arguments, b"]\0"].concat()
}

/// What is in hand, for people.
fn label(frame: &Frame) -> Cow<'_, str> {
    match link::parse_request(frame.flags, &frame.payload) {
        Ok((head, arguments)) if head.method == link::MESSAGE => {
            let name = link::message_name(arguments).unwrap_or_default();
            format!("{} {name}", Moment::Message.name()).into()
        }
        Ok((head, _)) => head.method.into(),
        Err(_) => "".into(),
    }
}

fn run(taken: &Taken, arguments: &mut Slot, result: &mut Slot) {
    let Some(handler) = &taken.handler else {
        send_fault(taken.sequence, "unknown_method", "this worker does not offer the method".into());
        return end();
    };
    if refuses(taken, prepare(taken, handler, arguments)) {
        return;
    }
    let process = fork::generation();
    handler.call(arguments.value(), result.value());
    dispatch::keep(); // whoever has the answer may send TERM at once
    match engine::pending() {
        _ if fork::generation() != process => return,
        Pending::Leaving => return,
        Pending::Exception => {
            if !answer_exception(taken.sequence, handler) {
                return;
            }
        }
        Pending::Nothing if is_deferred(taken.sequence) => {}
        Pending::Nothing => {
            let text = codec::encode_result(result.value(), taken.dialect);
            match (text, engine::pending()) {
                (_, Pending::Leaving) => return,
                (_, Pending::Exception) => {
                    if !answer_exception(taken.sequence, handler) {
                        return;
                    }
                }
                (Some(text), Pending::Nothing) => send_result(taken.sequence, text.as_bytes()),
                (None, Pending::Nothing) => {
                    send_fault(taken.sequence, "encoding_failed", engine::json_error());
                }
            }
        }
    }
    end();
}

/// Whether the handler has deferred its request; the sidecar hears of it, unless it has been answered already.
fn is_deferred(sequence: u64) -> bool {
    supervision::with(|state| {
        let Some(handle) = state.promised else { return false };
        if state.deferred.get(handle).is_some() {
            state.send(Kind::Deferred, 0, sequence, &[]);
        }
        true
    })
}

/// Calls PHP: the callbacks of a message, in their order. One that throws is the last one.
fn tell(taken: &Taken, arguments: &mut Slot) {
    let callback = |at: usize| {
        supervision::with(|state| Some(state.callbacks.get(Moment::Message as usize)?.get(at)?.raw()))
    };
    if callback(0).is_none() {
        let sentence = "this worker has no onMessage() and takes no messages";
        send_fault(taken.sequence, "unhandled_message", sentence.into());
        return end();
    }
    let process = fork::generation();
    for at in 0.. {
        let Some(callback) = callback(at) else { break };
        let prepared =
            if at == 0 { prepare(taken, &callback, arguments) } else { check(&callback, arguments) };
        if refuses(taken, prepared) {
            return;
        }
        let mut result = Slot::new();
        callback.call(arguments.value(), result.value());
        result.free();
        dispatch::keep(); // whoever has the answer may send TERM at once
        match engine::pending() {
            _ if fork::generation() != process => return,
            Pending::Nothing => {}
            Pending::Leaving => return,
            Pending::Exception => {
                if answer_exception(taken.sequence, &callback) {
                    end();
                }
                return;
            }
        }
    }
    send_result(taken.sequence, b"null");
    end();
}

/// Answers for arguments that cannot be passed.
fn refuses(taken: &Taken, prepared: Result<(), String>) -> bool {
    let Err(sentence) = prepared else { return false };
    if !matches!(engine::pending(), Pending::Leaving) {
        send_fault(taken.sequence, "InvalidArgument", sentence);
        end();
    } // else memory ran out while the arguments were read: not the client's mistake
    true
}

fn prepare(taken: &Taken, handler: &RawCallable, arguments: &mut Slot) -> Result<(), String> {
    decode(taken, arguments)?;
    check(handler, arguments)
}

fn decode(taken: &Taken, arguments: &mut Slot) -> Result<(), String> {
    // SAFETY: part of the frame in the state, which stays until the request ends; `busy` keeps others out.
    let text = unsafe { &*taken.arguments };
    codec::decode_parameters(text, arguments.value())
}

fn check(handler: &RawCallable, arguments: &mut Slot) -> Result<(), String> {
    match handler.signature() {
        Some(signature) => codec::match_parameters(&signature, arguments.value()),
        None => Ok(()),
    }
}

/// Calls PHP at its end. False: `exit()` is under way.
fn answer_exception(sequence: u64, handler: &RawCallable) -> bool {
    report_exception(sequence, handler);
    engine::clear_exception();
    clear("in an exception's destructor")
}

fn report_exception(sequence: u64, handler: &RawCallable) {
    let Some(thrown) = engine::thrown() else { return };
    let answered = supervision::with(|state| {
        let promised = state.promised.take();
        promised.is_some_and(|handle| state.deferred.take(handle).is_none())
    });
    if answered {
        return log_exception("after a reply");
    }
    let refused = Some(&thrown)
        .filter(|thrown| thrown.by_callee)
        .and_then(|thrown| codec::argument_error(&handler.signature()?, &thrown.class, &thrown.message));
    match refused {
        Some(sentence) => send_fault(sequence, "InvalidArgument", sentence),
        None => {
            let what = supervision::with(|state| Some(label(state.request.as_ref()?).into_owned()));
            send_thrown(sequence, &what.unwrap_or_default(), &thrown);
        }
    }
}

/// Answers with an exception: the log has all of it, the client what it may know.
pub fn send_thrown(sequence: u64, method: &str, thrown: &Thrown) {
    supervision::log(&format!("{method} threw {thrown}"));
    let class = fault::client_class(&thrown.class);
    send_fault(sequence, &class, fault::client_message(&thrown.message));
}

/// Calls PHP: logs and drops exceptions that nobody can answer any more. False: `exit()` is under way.
fn clear(place: &'static str) -> bool {
    loop {
        match engine::pending() {
            Pending::Nothing => return true,
            Pending::Leaving => return false,
            Pending::Exception => {
                log_exception(place);
                engine::clear_exception();
            }
        }
    }
}

fn log_exception(place: &str) {
    if let Some(thrown) = engine::thrown() {
        supervision::log(&format!("{place}: {thrown}"));
    }
}

/// Answers with a result.
pub fn send_result(sequence: u64, json: &[u8]) {
    if json.len() > MAX_RESULT_BYTES {
        let bytes = json.len();
        let sentence = format!("the result has {bytes} bytes as JSON; at most {MAX_RESULT_BYTES} are sent");
        return send_fault(sequence, "payload_too_large", sentence);
    }
    supervision::with(|state| state.send(Kind::Reply, DATA, sequence, json));
}

/// Answers with a fault.
pub fn send_fault(sequence: u64, class: &str, message: String) {
    let fault = link::json(&Fault { class: class.to_owned(), message });
    supervision::with(|state| state.send(Kind::Reply, FAULT, sequence, &fault));
}

/// Calls PHP as far as freeing `Request::current()` does: what somebody has hung on it goes with it.
fn end() {
    let object = supervision::with(|state| {
        state.request = None;
        (state.request_id, state.whole_request) = (None, None);
        if let Some(page) = state.page() {
            page.end();
        }
        state.give_page_back();
        state.request_object.take()
    });
    object.map(Slot::of).into_iter().for_each(Slot::free);
}
