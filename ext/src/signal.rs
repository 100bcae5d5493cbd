//! `RustDaemon\Signal`: handlers, waiting, sending; and the hook through which handlers get called.
//!
//! # How it works
//! All methods are static. What is registered lies in [`dispatch`]; [`on_interrupt`] is what the virtual machine calls
//! at a safe point when a signal has arrived, or when the pulse asks whether PHP runs.
//!
//! # Rules
//! The doc comments over the methods are for PHP readers: `tests/stubs.php` takes the lines above `// stub:`.
//! Sources: DESIGN 5; signal(7).

use std::io;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ext_php_rs::args::Arg;
use ext_php_rs::builders::{ClassBuilder, FunctionBuilder};
use ext_php_rs::error::Result;
use ext_php_rs::flags::{ClassFlags, ConstantFlags, DataType, MethodFlags};
use ext_php_rs::types::Zval;
use ext_php_rs::zend::ExecuteData;
use rustdaemon_core::record::RECORDS;
use rustdaemon_core::signo::Set;
use rustdaemon_core::slot::Call;
use rustdaemon_core::{pulse, signal as core_signal, signo, sys};

use crate::dispatch::{self, Arrived};
use crate::engine::{self, IntOrString, ParameterType, Pending, interrupt};
use crate::error::{self, Cause, Refusal, system_call};
use crate::signal_info;
use crate::supervision::{self, Woken};

const CLASS: &str = "RustDaemon\\Signal";

/// Signals that a PHP daemon can trust: none that the kernel has delivered is lost.
///
/// A handler is an ordinary PHP function. It is called at the next safe point of the script (between two statements, or
/// when a call of PHP's own returns), in the order of arrival, one at a time, never inside another handler. What it
/// throws leaves the code that it has interrupted, once the handlers of all signals that have arrived have run. A signal is given as Signal::TERM, SIGTERM, 'SIGTERM', 'TERM' or 15.
///
/// ```php
/// use RustDaemon\{Signal, SignalInfo};
///
/// Signal::on(['USR1', 'USR2'], function (SignalInfo $info) use ($log): void {
///     $log->info("$info->name from pid $info->senderPid");
/// });
/// while (!Signal::stopRequested()) {
///     $job = Signal::wait(5.0, Signal::RTMIN)?->value;      // sent by Signal::send($pid, Signal::RTMIN, 7)
/// }
/// ```
///
/// PHP's own calls while a signal arrives: sleep(), usleep(), time_nanosleep(), stream_select(), socket_select() and
/// stream_socket_accept() return early; fread(), fgets(), file_get_contents(), exec(), flock(), hashing and most database calls go on, and the
/// handler is called when they return. Worker::sleep(), Worker::tick() and Signal::wait() call handlers at once and keep
/// their deadline. See php/SIGNALS.md for the whole table. A fiber can neither be started nor suspended in a handler.
// stub: RustDaemon\Signal
#[allow(dead_code, reason = "carries the class's documentation")]
struct Signal;

/// Names of constants that are not a standard signal's.
fn other_constants() -> [(&'static str, i32); 5] {
    let [iot, cld, poll] = signo::ALIASES;
    [iot, cld, poll, ("RTMIN", libc::SIGRTMIN()), ("RTMAX", libc::SIGRTMAX())]
}

fn constants() -> impl Iterator<Item = (&'static str, i32)> {
    signo::STANDARD.into_iter().zip(1..).chain(other_constants())
}

/// Registers the class. MINIT only.
pub fn register() -> Result<()> {
    let public = || MethodFlags::Public | MethodFlags::Static;
    let signals = || Arg::new("signals", DataType::Mixed);
    let signal = || Arg::new("signal", DataType::Mixed);
    let nothing = |function: FunctionBuilder<'static>| function.returns(DataType::Void, false, false);
    let info = || DataType::object(signal_info::CLASS);
    let mut class = ClassBuilder::new(CLASS)
        .flags(ClassFlags::Final | ClassFlags::NoDynamicProperties | ClassFlags::NotSerializable)
        .method(FunctionBuilder::new("__construct", construct), MethodFlags::Private)
        .method(
            nothing(
                FunctionBuilder::new("on", on).arg(signals()).arg(Arg::new("handler", DataType::Callable)),
            ),
            public(),
        )
        .method(nothing(FunctionBuilder::new("off", off).arg(signals())), public())
        .method(nothing(FunctionBuilder::new("ignore", ignore).arg(signals())), public())
        .method(nothing(FunctionBuilder::new("default", default).arg(signals())), public())
        .method(
            FunctionBuilder::new("wait", wait)
                .arg(Arg::new("timeout", DataType::Double).allow_null())
                .arg(signals().is_variadic())
                .returns(info(), false, true),
            public(),
        )
        .method(
            FunctionBuilder::new("dispatch", run_handlers).returns(DataType::Long, false, false),
            public(),
        )
        .method(FunctionBuilder::new("pending", pending).returns(DataType::Array, false, false), public())
        .method(FunctionBuilder::new("last", last).arg(signal()).returns(info(), false, true), public())
        .method(
            FunctionBuilder::new("critical", critical)
                .arg(Arg::new("section", DataType::Callable))
                .arg(signals().is_variadic())
                .returns(DataType::Mixed, false, false),
            public(),
        )
        .method(
            FunctionBuilder::new("stopRequested", stop_requested).returns(DataType::Bool, false, false),
            public(),
        )
        .method(FunctionBuilder::new("stream", stream), public())
        .method(
            nothing(
                FunctionBuilder::new("send", send)
                    .arg(Arg::new("pid", DataType::Long))
                    .arg(signal())
                    .not_required()
                    .arg(Arg::new("value", DataType::Long).allow_null().default("null")),
            ),
            public(),
        )
        .registration(|class, arguments| {
            engine::keep_parameters(arguments);
            for method in ["on", "off", "ignore", "default"] {
                engine::set_parameter_type(class, method, 0, ParameterType::IntOrStringOrArray);
            }
            for (method, index) in [("wait", 1), ("critical", 1), ("last", 0), ("send", 1)] {
                engine::set_parameter_type(class, method, index, ParameterType::IntOrString);
            }
            engine::make_handle_class(class);
        });
    for (name, number) in constants() {
        class = class.constant(name, i64::from(number), &[], ConstantFlags::Public)?;
    }
    class.register()
}

/// Defines `SIGTERM` and its like for this request where ext-pcntl is absent. RINIT only.
pub fn register_constants(module_number: i32) {
    if !engine::has_extension("pcntl") {
        for (name, number) in constants() {
            engine::register_constant(&format!("SIG{name}"), number.into(), module_number);
        }
    }
}

/// What the virtual machine calls at a safe point. Calls PHP.
pub unsafe extern "C" fn on_interrupt(frame: interrupt::Frame) {
    interrupt::call_previous(frame);
    if !dispatch::may_be_due() {
        if pulse::asked() {
            pulse::answer();
        }
        return;
    }
    if engine::out_of_memory() {
        return; // left to the virtual machine
    }
    // What a panic says, the panic hook has printed; the script goes on.
    let _ = catch_unwind(|| {
        if pulse::attention() {
            attend();
        }
        dispatch::run();
        tell_lost();
    });
}

#[inline(never)] // in a Worker only
fn attend() {
    if pulse::asked() {
        pulse::answer();
    }
    if pulse::is_reporting() {
        dispatch::collect();
        supervision::with(|state| state.report_signals());
    }
}

fn tell_lost() {
    static TOLD: AtomicU64 = AtomicU64::new(0);
    let lost = core_signal::lost();
    if lost > TOLD.swap(lost, Ordering::Relaxed) {
        supervision::log(&format!(
            "{lost} signals could not be kept so far: they came to a foreign thread while {RECORDS} others waited and \
             the limit of queued signals (RLIMIT_SIGPENDING) was exhausted"
        ));
    }
}

/// All methods are static.
// stub: RustDaemon\Signal::__construct
extern "C" fn construct(_frame: &mut ExecuteData, _result: &mut Zval) {}

/// Calls a handler for each of these signals from now on, instead of the handler there was.
///
/// SIGTERM, SIGINT, SIGQUIT and SIGHUP then do not stop a Worker any more: the handler decides. With ext-pcntl loaded
/// both work side by side, and for one signal the last call wins. A child by pcntl_fork() keeps the handlers, and has
/// none of its parent's signals that were waiting.
///
/// @param int|string|array $signals one signal, or a list of them
/// @param callable $handler function (SignalInfo $info): void
/// @throws Exception\InvalidArgument not a signal, or one that cannot be handled: SIGKILL, SIGSTOP, a fault of the
/// process itself (SIGSEGV, SIGBUS, SIGFPE, SIGILL), or one that belongs to the C library or to PHP
/// @throws Exception\SystemCallFailed no descriptor is left
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Signal::on
extern "C" fn on(frame: &mut ExecuteData, _result: &mut Zval) {
    engine::method(|| {
        let Some((signals, handler)) = engine::on_call(frame) else { return };
        let Some(numbers) = checked(numbers(&signals, Use::Handle)) else { return };
        // One reference for each signal: dropping one may call PHP, so nothing else is held then.
        change_each(numbers, |number| dispatch::on(number, handler.again()));
    });
}

/// Removes the handlers of these signals: what was there before them is there again.
///
/// That is ext-pcntl's handler, or the default effect; in a Worker SIGTERM, SIGINT, SIGQUIT and SIGHUP stop it again.
///
/// @param int|string|array $signals one signal, or a list of them
/// @throws Exception\InvalidArgument not a signal
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Signal::off
extern "C" fn off(frame: &mut ExecuteData, _result: &mut Zval) {
    for_each_signal(frame, Use::Release, dispatch::off);
}

/// Ignores these signals. Programs that this process starts inherit that.
///
/// @param int|string|array $signals one signal, or a list of them
/// @throws Exception\InvalidArgument not a signal, or SIGKILL, SIGSTOP, or one of the C library's or PHP's
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Signal::ignore
extern "C" fn ignore(frame: &mut ExecuteData, _result: &mut Zval) {
    for_each_signal(frame, Use::Change, |number| dispatch::set(number, true));
}

/// Gives these signals their default effect: SIGTERM ends the process, also a Worker.
///
/// @param int|string|array $signals one signal, or a list of them
/// @throws Exception\InvalidArgument not a signal, or SIGKILL, SIGSTOP, or one of the C library's or PHP's
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Signal::default
extern "C" fn default(frame: &mut ExecuteData, _result: &mut Zval) {
    for_each_signal(frame, Use::Change, |number| dispatch::set(number, false));
}

fn for_each_signal(frame: &ExecuteData, to: Use, act: impl Fn(i32) -> io::Result<()>) {
    engine::method(|| {
        let Some(signals) = engine::signals_call(frame) else { return };
        let Some(numbers) = checked(numbers(&signals, to)) else { return };
        change_each(numbers, act);
    });
}

/// Up to the first that fails, which is thrown.
fn change_each(numbers: Vec<i32>, act: impl Fn(i32) -> io::Result<()>) {
    for number in numbers {
        let what = || format!("change {}", signo::name(number));
        if checked(act(number).map_err(|error| system_call(&what(), &error))).is_none() {
            return;
        }
    }
}

/// Waits for one of these signals and returns it; its handler is not called for it.
///
/// Handlers of other signals are called meanwhile. From the first wait for a signal on it is kept when it comes between
/// two waits, until Signal::off(). It also returns when the worker is told to stop.
///
/// @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: do not wait
/// @param int|string ...$signals none: all that have a handler or were waited for
/// @return SignalInfo|null null: time is up, or stop: see Signal::stopRequested()
/// @throws Exception\InvalidArgument the timeout is negative or not a number, or a signal cannot be waited for
/// @throws Exception\SystemCallFailed no descriptor is left
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Signal::wait
extern "C" fn wait(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some((timeout, signals)) = engine::wait_call(frame) else { return };
        let Some(set) = checked(awaited(timeout, &signals)) else { return };
        drop(signals);
        let Some(deadline) = checked(supervision::deadline(timeout)) else { return };
        let before = dispatch::wait_for(set).map_err(|error| system_call("wait for signals", &error));
        let Some(before) = checked(before) else { return };
        let info = interrupt::finally(|| wait_until(deadline, set), || dispatch::await_again(before));
        result.set_null();
        if let Some(info) = info {
            *result = info;
        }
    });
}

fn awaited(timeout: Option<f64>, signals: &[IntOrString<'_>]) -> std::result::Result<Set, Refusal> {
    let named = numbers(signals, Use::Handle)?.into_iter().fold(0, |set, number| set | signo::bit(number));
    let set = if signals.is_empty() { dispatch::captured() } else { named };
    if set == 0 && timeout.is_none() {
        return Err(Cause::InvalidArgument.because(
            "signals: no signal has a handler, so this would wait for ever: name the signals to wait for",
        ));
    }
    Ok(set)
}

/// Calls PHP.
fn wait_until(deadline: Option<Duration>, set: Set) -> Option<Zval> {
    loop {
        if let Some(arrived) = dispatch::take_awaited(set) {
            return Some(arrived.object());
        }
        dispatch::keep();
        if supervision::with(|state| {
            state.report_signals();
            state.stopping()
        }) {
            return None;
        }
        match supervision::with(|state| state.wait(deadline, Call::Wait)) {
            Woken::Ready => {}
            Woken::Deadline => return dispatch::take_awaited(set).map(|arrived| arrived.object()),
            Woken::Interrupted => {
                interrupt::run();
                if engine::pending() != Pending::Nothing {
                    return None;
                }
            }
        }
    }
}

/// Calls the handlers of all signals that have arrived, now.
///
/// For your own event loop: call it when Signal::stream() is readable, then look at what the handlers have changed. The
/// handlers may have been called already, at a safe point: then it returns 0.
///
/// @return int how many handlers were called; 0 inside a handler, and inside Signal::critical() for what that delays
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Signal::dispatch
extern "C" fn run_handlers(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if !engine::no_arguments(frame) || !in_cli() {
            return;
        }
        dispatch::drain_stream();
        dispatch::keep();
        supervision::with(|state| {
            dispatch::collect();
            state.report_signals();
        });
        result.set_long(i64::try_from(dispatch::run()).unwrap_or(i64::MAX));
    });
}

/// The signals that have arrived and were not handled yet, in the order of arrival.
///
/// @return array list of SignalInfo
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Signal::pending
extern "C" fn pending(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if engine::no_arguments(frame) && in_cli() {
            *result = engine::list(dispatch::pending().iter().map(Arrived::object));
        }
    });
}

/// The last signal of this kind that has arrived, handled or not: who stopped me?
///
/// @param int|string $signal one that is or was captured: by on(), by wait(), or a Worker's stop signals
/// @return SignalInfo|null null: none has arrived
/// @throws Exception\InvalidArgument not a signal
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Signal::last
extern "C" fn last(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(signal) = engine::signal_call(frame) else { return };
        let Some(numbers) = checked(numbers(&[signal], Use::Release)) else { return };
        let info = numbers.first().and_then(|number| dispatch::last(*number));
        result.set_null();
        if let Some(arrived) = info {
            *result = arrived.object();
        }
    });
}

/// Runs a section of code during which no handler is called.
///
/// Signals that arrive meanwhile are handled right after it, also when it throws. A signal that has no handler has its effect
/// at once, which may be the end of the process: give it one. Signal::stopRequested() and Worker::shouldStop() are true at
/// once. No fiber can be started or suspended in it: keep it short.
///
/// @param callable $section function (): mixed
/// @param int|string ...$signals none: all signals
/// @return mixed what the section returns
/// @throws Exception\InvalidArgument not a signal
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Signal::critical
extern "C" fn critical(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some((section, signals)) = engine::section_call(frame) else { return };
        let Some(numbers) = checked(numbers(&signals, Use::Release)) else { return };
        let all = signals.is_empty();
        let set = numbers.iter().fold(0, |set, number| set | signo::bit(*number));
        drop((signals, numbers));
        let (section, held) = (section.raw(), section.into_slot());
        let before = dispatch::delay(if all { dispatch::ALL } else { set });
        interrupt::block_fibers();
        interrupt::finally(
            || section.call_with(None, result),
            || {
                interrupt::unblock_fibers();
                dispatch::delay_again(before);
            },
        );
        held.free();
    });
}

/// Whether this process has been told to stop: by a stop signal, by the sidecar, or by the sidecar's end.
///
/// In a script without a Worker the first call takes SIGTERM, SIGINT, SIGQUIT and SIGHUP for this, as
/// Worker::install() does. It is true from the moment the signal arrives, also inside a handler.
///
/// @return bool true: finish and end
/// @throws Exception\SystemCallFailed no descriptor is left
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Signal::stopRequested
extern "C" fn stop_requested(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if !engine::no_arguments(frame) || !in_cli() {
            return;
        }
        let stopping = supervision::with(|state| {
            state.take_stop_signals()?;
            Ok::<_, io::Error>(state.stopping())
        });
        let stopping = stopping.map_err(|error| system_call("take the stop signals", &error));
        result.set_bool(checked(stopping).unwrap_or_default());
    });
}

/// A stream that becomes readable when a signal has arrived, for stream_select() and for event loops.
///
/// It stays readable until Signal::dispatch(), also when the handlers were called before, so that no wake-up is lost
/// between your last look and the wait. Never read from it. It is the same resource each time.
///
/// ```php
/// $loop->addReadStream(Signal::stream(), fn () => Signal::dispatch());
/// ```
///
/// @return resource
/// @throws Exception\SystemCallFailed no descriptor is left
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Signal::stream
extern "C" fn stream(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if !engine::no_arguments(frame) || !in_cli() {
            return;
        }
        let stream = dispatch::stream().map_err(|error| system_call("make the stream of signals", &error));
        if let Some(Some(stream)) = checked(stream) {
            *result = stream;
        }
    });
}

/// Sends a signal to a process.
///
/// With a value it is queued (sigqueue(3)), and a realtime signal arrives as often as it was sent. Standard signals
/// coalesce: of many that are pending at one moment the kernel keeps one.
///
/// @param int $pid a process, from 1
/// @param int|string $signal any signal
/// @param int|null $value -2147483648 to 2147483647
/// @throws Exception\InvalidArgument not a process, not a signal, or a value that does not fit
/// @throws Exception\SystemCallFailed no such process (code 3), not allowed (1), or the receiver has too many signals
/// queued (11): try again
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Signal::send
extern "C" fn send(frame: &mut ExecuteData, _result: &mut Zval) {
    engine::method(|| {
        let Some((pid, signal, value)) = engine::send_call(frame) else { return };
        let _ = checked(try_send(pid, signal, value));
    });
}

fn try_send(pid: i64, signal: IntOrString<'_>, value: Option<i64>) -> std::result::Result<(), Refusal> {
    let number = numbers(&[signal], Use::Send)?.first().copied().unwrap_or_default();
    let invalid = |sentence: String| Cause::InvalidArgument.because(sentence);
    let process = i32::try_from(pid).ok().filter(|pid| *pid >= 1).ok_or_else(|| {
        invalid(format!(
            "pid: {pid} is not one process: a number from 1 is (0 and below mean groups to kill(2))"
        ))
    })?;
    let value = value.map(i32::try_from).transpose().map_err(|_| {
        invalid(
            "value: does not fit: sigqueue(3) carries an int of 32 bits, -2147483648 to 2147483647".into(),
        )
    })?;
    sys::send_signal(process, number, value).map_err(|error| {
        let why = match error.raw_os_error() {
            Some(libc::ESRCH) => "there is no such process".into(),
            Some(libc::EPERM) => "this user may not".into(),
            Some(libc::EAGAIN) => {
                "its user has too many signals queued (RLIMIT_SIGPENDING): try again".into()
            }
            _ => error.to_string(),
        };
        let name = signo::name(number);
        Cause::SystemCallFailed.with_errno(format!("{name} was not sent to process {pid}: {why}"), &error)
    })
}

/// What a signal is named for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Handle,
    Change,
    Release,
    Send,
}

/// The numbers of signals that a method was given.
fn numbers(signals: &[IntOrString<'_>], to: Use) -> std::result::Result<Vec<i32>, Refusal> {
    if supervision::origin().is_none() {
        let sapi = engine::sapi_name();
        return Err(Cause::UnsupportedSapi
            .because(format!("RustDaemon\\Signal works under php-cli only, and this is the SAPI {sapi}")));
    }
    let number = |signal: &IntOrString<'_>| {
        let number = match *signal {
            IntOrString::Int(number) => signo::check(number),
            IntOrString::String(text) => signo::parse(text),
        };
        number.and_then(|number| allowed(number, to))
    };
    let numbers = signals.iter().map(number).collect::<std::result::Result<_, String>>();
    numbers.map_err(|sentence| Cause::InvalidArgument.because(format!("signal: {sentence}")))
}

fn allowed(number: i32, to: Use) -> std::result::Result<i32, String> {
    let name = signo::name(number);
    match number {
        libc::SIGKILL | libc::SIGSTOP if matches!(to, Use::Handle | Use::Change) => Err(format!(
            "{name} cannot be handled, ignored or changed: the kernel acts on it by itself; SIGTERM asks a process to end"
        )),
        libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE | libc::SIGILL if to == Use::Handle => Err(format!(
            "{name} tells of a fault of this process itself, after which no PHP code can run: it cannot be handled"
        )),
        _ if interrupt::is_reserved(number) && to != Use::Send => Err(format!(
            "{name} belongs to PHP itself here, which measures max_execution_time with it: take another one, \
             SIGRTMIN+1 for instance"
        )),
        _ => Ok(number),
    }
}

fn in_cli() -> bool {
    checked(numbers(&[], Use::Release)).is_some()
}

/// The value, or its refusal thrown.
fn checked<T>(result: std::result::Result<T, Refusal>) -> Option<T> {
    result.inspect_err(error::throw).ok()
}
