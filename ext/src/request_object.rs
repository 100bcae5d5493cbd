//! `RustDaemon\Request`: the request in hand, for its handler, and the one that is answered later.
//!
//! # How it works
//! The object is made when the handler asks for it, and the same one is given until the handler has returned. Once the
//! request has been answered it still says what it was, and does nothing any more. `bind()` asks the sidecar and waits for its answer; what
//! arrives meanwhile is kept.
//!
//! # Rules
//! The doc comments over the methods are for PHP readers: `tests/stubs.php` takes the lines above `// stub:`.

use std::time::Duration;

use ext_php_rs::args::Arg;
use ext_php_rs::builders::{ClassBuilder, FunctionBuilder};
use ext_php_rs::error::Result;
use ext_php_rs::flags::{ClassFlags, DataType, MethodFlags};
use ext_php_rs::types::Zval;
use ext_php_rs::zend::ExecuteData;
use rustdaemon_core::link::{self, Bind, Dialect, Fault, Kind};
use rustdaemon_core::settings::{self, SESSION_BYTES};

use crate::codec;
use crate::deferred;
use crate::engine::{self, ParameterType, PropertyType, Registered, Slot, Why};
use crate::error::{self, Cause, Refusal};
use crate::supervision;

const CLASS: &str = "RustDaemon\\Request";
/// How long the sidecar may take for an answer; it takes microseconds, unless it is stopped.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

static ENTRY: Registered = Registered::new();

/// The request that a handler is serving: what was asked, by whom, and whose sessions it may open.
///
/// ```php
/// $worker->expose('open', function (string $endpointUrl) use ($plc): array {
///     $id = bin2hex(random_bytes(16));
///     $plc->open($id, $endpointUrl);
///     RustDaemon\Request::current()->bind($id, ttl: 600.0); // requests that name it come here
///     return ['sessionId' => $id];
/// });
/// ```
///
/// A worker with an event loop of its own answers later, and serves others meanwhile: see Worker::concurrency().
///
/// ```php
/// $worker->concurrency(50)->expose('read', function (string $node) use ($plc): void {
///     $request = RustDaemon\Request::current()->defer();
///     $plc->readAsync($node)->then($request->reply(...), $request->fail(...));
/// });
/// ```
// stub: RustDaemon\Request
#[allow(dead_code, reason = "carries the class's documentation")]
struct Request;

/// They come from Request::current().
// stub: RustDaemon\Request::__construct
extern "C" fn construct(_frame: &mut ExecuteData, _result: &mut Zval) {}

/// The method that was called.
// stub: RustDaemon\Request::$method
const METHOD: (&str, PropertyType) = ("method", PropertyType::String);

/// The client's id of the request; null: its dialect has none, or it wants no answer.
// stub: RustDaemon\Request::$id
const ID: (&str, PropertyType) = ("id", PropertyType::IntOrStringOrNull);

/// How the client spoke: "flat", "typed" or "jsonrpc".
// stub: RustDaemon\Request::$dialect
const DIALECT: (&str, PropertyType) = ("dialect", PropertyType::String);

/// The arguments: a list, or an array by name.
// stub: RustDaemon\Request::$args
const ARGS: (&str, PropertyType) = ("args", PropertyType::Array);

/// When the client gives up: Unix time in seconds, as microtime(true) has it; null: not known.
// stub: RustDaemon\Request::$deadline
const DEADLINE: (&str, PropertyType) = ("deadline", PropertyType::FloatOrNull);

/// The client's process when it connected; 0: not known.
// stub: RustDaemon\Request::$peerPid
const PEER_PID: (&str, PropertyType) = ("peerPid", PropertyType::Int);

/// The client's user when it connected; -1: not known.
// stub: RustDaemon\Request::$peerUid
const PEER_UID: (&str, PropertyType) = ("peerUid", PropertyType::Int);

const PROPERTIES: [(&str, PropertyType); 7] = [METHOD, ID, DIALECT, ARGS, DEADLINE, PEER_PID, PEER_UID];

/// Registers the class. MINIT only.
pub fn register() -> Result<()> {
    let value = || Arg::new("value", DataType::String);
    let nothing = |function: FunctionBuilder<'static>| function.returns(DataType::Void, false, false);
    ClassBuilder::new(CLASS)
        .flags(ClassFlags::Final | ClassFlags::NoDynamicProperties | ClassFlags::NotSerializable)
        .method(FunctionBuilder::new("__construct", construct), MethodFlags::Private)
        .method(
            FunctionBuilder::new("current", current).returns(DataType::object(CLASS), false, true),
            MethodFlags::Public | MethodFlags::Static,
        )
        .method(
            nothing(
                FunctionBuilder::new("bind", bind)
                    .arg(value())
                    .not_required()
                    .arg(Arg::new("ttl", DataType::Double).allow_null().default("600.0")),
            ),
            MethodFlags::Public,
        )
        .method(nothing(FunctionBuilder::new("unbind", unbind).arg(value())), MethodFlags::Public)
        .method(
            FunctionBuilder::new("defer", defer).returns(DataType::object(CLASS), false, false),
            MethodFlags::Public,
        )
        .method(
            nothing(FunctionBuilder::new("reply", reply).arg(Arg::new("value", DataType::Mixed))),
            MethodFlags::Public,
        )
        .method(
            nothing(FunctionBuilder::new("fail", fail).arg(Arg::new("why", DataType::Mixed))),
            MethodFlags::Public,
        )
        .registration(|class, arguments| {
            engine::set_parameter_type(class, "fail", 0, ParameterType::ThrowableOrString);
            engine::declare_value(class, arguments, &PROPERTIES);
            ENTRY.set(class);
        })
        .register()
}

/// The request in hand; null: none is, as in a callback of onStart() or onMessage(), or outside of a handler.
///
/// @return Request|null always the same object for one request
// stub: RustDaemon\Request::current
extern "C" fn current(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        result.set_null();
        if !engine::no_arguments(frame) {
            return;
        }
        let known = supervision::with(|state| state.request_object.as_ref().map(Zval::shallow_clone));
        if let Some(object) = known.or_else(make) {
            *result = object;
        }
    });
}

/// What there is to say of a request. The pointers lead into the state, where both stay until the request ends.
#[derive(Clone, Copy)]
struct Parts {
    method: *const str,
    dialect: &'static str,
    args: *const [u8],
    number: Option<i64>,
    text: Option<*const str>,
    deadline: Option<f64>,
    pid: i32,
    uid: i64,
}

fn parts() -> Option<Parts> {
    supervision::with(|state| {
        let frame = state.request.as_ref().filter(|_| state.busy && state.link.is_some())?;
        let (head, args) = link::parse_request(frame.flags, &frame.payload).ok()?;
        if head.method == link::MESSAGE {
            return None; // it is nobody's request
        }
        let dialect = match Dialect::from_flags(frame.flags)? {
            Dialect::Flat => "flat",
            Dialect::Typed => "typed",
            Dialect::JsonRpc => "jsonrpc",
        };
        let caller = head.caller;
        let id = caller.map_or("", |caller| caller.id);
        state.request_id = link::from_json::<String>(id.as_bytes()).ok();
        Some(Parts {
            method: head.method,
            dialect,
            args,
            number: id.parse().ok(),
            text: state.request_id.as_deref().map(std::ptr::from_ref),
            deadline: caller.map(|caller| caller.deadline),
            pid: caller.map_or(0, |caller| caller.pid),
            uid: caller.filter(|caller| caller.uid != u32::MAX).map_or(-1, |caller| caller.uid.into()),
        })
    })
}

fn make() -> Option<Zval> {
    let Parts { method, dialect, args, number, text, deadline, pid, uid } = parts()?;
    let class = ENTRY.get()?;
    let mut decoded = Slot::new();
    // SAFETY: they lie in the state, and the handler of the request is still running.
    let (method, args, text) = unsafe { (&*method, &*args, text.map(|text| &*text)) };
    codec::decode_arguments(args, decoded.value()).ok()?; // the handler runs: they can be decoded
    let object = engine::new_watched(class, deferred::freed).string(method);
    let object = match text {
        Some(text) => object.string(text),
        None => object.int_or_null(number),
    };
    let object = object.string(dialect).value(decoded.into_value());
    let object = object.float_or_null(deadline).int(pid.into()).int(uid).done();
    let same = object.shallow_clone();
    let before = supervision::with(|state| state.request_object.replace(same));
    before.map(Slot::of).into_iter().for_each(Slot::free);
    Some(object)
}

/// Makes a value this worker's own: requests that name it come here from now on, whoever sends them.
///
/// A TYPED request names it as "session", any request in the argument that the pool's `affinity` says. While this worker
/// is busy they wait for it; when it ends, or begins to end, their callers hear session_lost. Binding it once more lets it
/// live anew.
///
/// @param string $value 1 to 256 bytes of UTF-8, such as an id that nobody guesses
/// @param float|null $ttl after so many seconds without a request that names it it is unbound, and onExpire() called; null:
/// never
/// @throws Exception\InvalidArgument the value or the time is not possible
/// @throws Exception\MaxSessionsReached the pool's workers have as many as they may, `max_bound`
/// @throws Exception\SessionTaken it is another worker's
/// @throws Exception\NotAllowedHere this request has been answered
/// @throws Exception\LinkBroken the sidecar is too old, or does not answer
// stub: RustDaemon\Request::bind
extern "C" fn bind(frame: &mut ExecuteData, _result: &mut Zval) {
    engine::method(|| {
        let Some((value, ttl)) = engine::bind_call(frame) else { return };
        let done = is_unanswered(&frame.This, "bind").and_then(|()| ask(value, ttl));
        if let Err(refusal) = done {
            error::throw(&refusal);
        }
    });
}

fn ask(value: &[u8], ttl: Option<f64>) -> std::result::Result<(), Refusal> {
    let value = session(value)?.to_owned();
    if ttl.is_some_and(|ttl| ttl.is_nan() || ttl <= 0.0) {
        let sentence = "ttl: must be a number of seconds greater than 0, or null to keep it as long as this worker lives";
        return Err(Cause::InvalidArgument.because(sentence));
    }
    // What JSON cannot say is for ever.
    let question = Bind { value, ttl: ttl.filter(|ttl| ttl.is_finite()) };
    let answer = supervision::with(|state| {
        let Some(link) = state.link.as_ref() else {
            return Err(Cause::LinkBroken
                .because("the sidecar has gone: there is nobody who could lead requests here"));
        };
        if link.version < link::SESSIONS_VERSION {
            let sentence = "the sidecar is older than this extension and knows no sessions: restart it";
            return Err(Cause::LinkBroken.because(sentence));
        }
        let silent =
            || Cause::LinkBroken.because(format!("the sidecar has not answered within {ANSWER_TIMEOUT:?}"));
        let old_end = (Kind::Expired, question.value.as_bytes()); // it lives anew
        let json = link::json(&question);
        state.ask(Kind::Bind, Kind::Bound, &json, old_end, ANSWER_TIMEOUT).ok_or_else(silent)
    })?;
    if answer.flags == link::DATA {
        return Ok(());
    }
    let fault: Fault = link::from_json(&answer.payload).unwrap_or_else(|error| Fault {
        class: String::new(),
        message: format!("the sidecar's answer cannot be read ({error})"),
    });
    let cause = match fault.class.as_str() {
        "max_sessions_reached" => Cause::MaxSessionsReached,
        "session_taken" => Cause::SessionTaken,
        _ => Cause::InvalidArgument,
    };
    Err(cause.because(fault.message))
}

/// Gives up a value that bind() has made this worker's own: requests that name it go to any worker.
///
/// What is not bound, or is another worker's, stays as it is.
///
/// @param string $value 1 to 256 bytes of UTF-8
/// @throws Exception\InvalidArgument the value is not possible
/// @throws Exception\NotAllowedHere this request has been answered
// stub: RustDaemon\Request::unbind
extern "C" fn unbind(frame: &mut ExecuteData, _result: &mut Zval) {
    engine::method(|| {
        let Some(value) = engine::text_call(frame) else { return };
        let value = is_unanswered(&frame.This, "unbind").and_then(|()| session(value));
        match value {
            Err(refusal) => error::throw(&refusal),
            Ok(value) => supervision::with(|state| {
                if state.link.as_ref().is_some_and(|link| link.version >= link::SESSIONS_VERSION) {
                    state.send(Kind::Unbind, 0, 0, value.as_bytes());
                }
            }),
        }
    });
}

fn session(value: &[u8]) -> std::result::Result<&str, Refusal> {
    std::str::from_utf8(value).ok().filter(|_| settings::is_session(value)).ok_or_else(|| {
        let bytes = value.len();
        let sentence = format!("value: has {bytes} bytes; 1 to {SESSION_BYTES} bytes of UTF-8 can be bound");
        Cause::InvalidArgument.because(sentence)
    })
}

/// Answers this request later, by reply() or fail(): what the handler returns is dropped, and the worker serves others as
/// soon as it has returned.
///
/// Keep the object until then: when nothing refers to it any more the client hears "unanswered", and what the handler
/// throws after it is the client's answer. When the client's deadline passes first, it hears deadline_exceeded: the request
/// is open no more, and a reply that comes later is dropped. A worker that is paused, stopped or replaced waits until nothing
/// is open; tick() is true so long. A stop leaves it no more than stop_timeout. Deferring twice is deferring once.
///
/// The handler itself must return: one that suspends its fiber keeps the worker from serving others until it is resumed.
/// Begin a fiber of your own, and defer.
///
/// @return Request this request
/// @throws Exception\NotAllowedHere the worker answers one request after the other: see Worker::concurrency(); or this one
/// has been answered
/// @throws Exception\LinkBroken the sidecar is too old
// stub: RustDaemon\Request::defer
extern "C" fn defer(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if !engine::no_arguments(frame) {
            return;
        }
        let handle = engine::handle(&frame.This).unwrap_or_default();
        let done = if deferred::is_deferred(handle) {
            Ok(())
        } else {
            is_unanswered(&frame.This, "defer").and_then(|()| deferred::defer(handle))
        };
        match done {
            Ok(()) => *result = frame.This.shallow_clone(),
            Err(refusal) => error::throw(&refusal),
        }
    });
}

/// Answers a deferred request with a value, encoded as JSON as a handler's result is.
///
/// It may be called from anywhere: a callback of an event loop, a task, a fiber, the handler itself, which goes on then.
/// A value that is no JSON is answered with encoding_failed, as it is for a handler.
///
/// @param mixed $value what the client gets
/// @throws Exception\NotAllowedHere this request has been answered, or was not deferred
/// @throws \Throwable what the value's jsonSerialize() throws: the request is still open then
// stub: RustDaemon\Request::reply
extern "C" fn reply(frame: &mut ExecuteData, _result: &mut Zval) {
    engine::method(|| {
        let Some(value) = engine::any_call(frame) else { return };
        let handle = engine::handle(&frame.This).unwrap_or_default();
        // SAFETY: an argument of the frame, which lives as long as this call.
        if !deferred::reply(handle, unsafe { &mut *value }) {
            refuse(&frame.This, "reply");
        }
    });
}

/// Answers a deferred request with an error.
///
/// An exception is answered as if the handler had thrown it: with its short class name and message, and logged. A text is
/// answered as the message of the error "failed".
///
/// @param \Throwable|string $why what went wrong
/// @throws Exception\NotAllowedHere this request has been answered, or was not deferred
// stub: RustDaemon\Request::fail
extern "C" fn fail(frame: &mut ExecuteData, _result: &mut Zval) {
    engine::method(|| {
        let Some(why) = engine::fail_call(frame) else { return };
        let handle = engine::handle(&frame.This).unwrap_or_default();
        let done = match why {
            Why::Throwable(thrown) => deferred::fail_with(handle, &thrown),
            Why::Text(text) => deferred::fail(handle, text),
        };
        if !done {
            refuse(&frame.This, "fail");
        }
    });
}

/// Throws what there is to say of a request that cannot be answered now.
fn refuse(object: &Zval, method: &str) {
    let refusal = match is_unanswered(object, method) {
        Err(refusal) => refusal,
        Ok(()) => Cause::NotAllowedHere.because(format!(
            "{CLASS}::{method}() needs defer() first: this request is answered with what its handler returns"
        )),
    };
    error::throw(&refusal);
}

/// Whether an object's request is in hand, or deferred and still open.
fn is_unanswered(object: &Zval, method: &str) -> std::result::Result<(), Refusal> {
    let handle = engine::handle(object).unwrap_or_default();
    let is_it = supervision::with(|state| {
        let current = state.request_object.as_ref().and_then(engine::handle);
        let in_hand = current == Some(handle) && state.promised != Some(handle);
        in_hand || state.deferred.get(handle).is_some()
    });
    let sentence =
        || format!("{CLASS}::{method}() cannot be called any more: this request has been answered");
    if is_it { Ok(()) } else { Err(Cause::NotAllowedHere.because(sentence())) }
}
