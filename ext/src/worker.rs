//! `RustDaemon\Worker`: the PHP class.
//!
//! # How it works
//! The object is a thin handle with four readonly properties; everything else is in [`supervision`], and what `run()`,
//! `tick()`, `sleep()` and `shouldStop()` do is in [`turn`].
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
use rustdaemon_core::link::Method;
use rustdaemon_core::settings::{self, DEFAULT_MODE, MAX_CONCURRENCY};
use rustdaemon_core::slot::Phase;
use rustdaemon_core::{pulse, sys};

use crate::callback;
use crate::dispatch;
use crate::engine::{self, ExposeCall, ParameterType, Pending, PropertyType, Registered, Slot};
use crate::error::{self, Cause, Refusal};
use crate::exit_reason;
use crate::gate::{self, Place};
use crate::supervision::{self, Exposed, State};
use crate::task::{self, Often, Place as TaskPlace};
use crate::turn::{self, Turn};

const CLASS: &str = "RustDaemon\\Worker";

static ENTRY: Registered = Registered::new();

/// A worker: this PHP process, as the sidecar `rustdaemon` knows it.
///
/// One per process. Under a sidecar it is supervised: it is restarted when it dies, and its exposed methods can be
/// called on the sidecar's socket. Without one the same code runs unsupervised: signals end the loop, nobody calls.
///
/// ```php
/// $worker = RustDaemon\Worker::install(socket: '/run/plc/plc.sock');
/// $worker->expose('plc.read', fn (string $node, int $attribute = 13) => $plc->read($node, $attribute));
/// exit($worker->run());
/// ```
// stub: RustDaemon\Worker
#[allow(dead_code, reason = "carries the class's documentation")]
struct Worker;

/// Registers the class. MINIT only.
pub fn register() -> Result<()> {
    let worker = || DataType::object(CLASS);
    let takes_callback = |function: FunctionBuilder<'static>| {
        function.arg(Arg::new("callback", DataType::Callable)).returns(worker(), false, false)
    };
    let task = |name, function| {
        FunctionBuilder::new(name, function)
            .arg(Arg::new("seconds", DataType::Double))
            .arg(Arg::new("task", DataType::Callable))
            .returns(worker(), false, false)
    };
    let static_method = MethodFlags::Public | MethodFlags::Static;
    ClassBuilder::new(CLASS)
        .flags(ClassFlags::Final | ClassFlags::NoDynamicProperties | ClassFlags::NotSerializable)
        .method(FunctionBuilder::new("__construct", construct), MethodFlags::Private)
        .method(
            FunctionBuilder::new("install", install)
                .not_required()
                .arg(Arg::new("name", DataType::String).allow_null().default("null"))
                .arg(Arg::new("socket", DataType::String).allow_null().default("null"))
                .arg(Arg::new("mode", DataType::Mixed).default("0600"))
                .arg(Arg::new("token", DataType::String).allow_null().default("null"))
                .arg(Arg::new("workers", DataType::Long).default("1"))
                .returns(worker(), false, false),
            static_method,
        )
        .method(
            FunctionBuilder::new("expose", expose)
                .arg(Arg::new("method", DataType::String))
                .arg(Arg::new("handler", DataType::Callable))
                .not_required()
                .arg(Arg::new("description", DataType::String).allow_null().default("null"))
                .arg(Arg::new("idempotent", DataType::Bool).default("false"))
                .returns(worker(), false, false),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("concurrency", concurrency)
                .arg(Arg::new("requests", DataType::Long))
                .returns(worker(), false, false),
            MethodFlags::Public,
        )
        .method(FunctionBuilder::new("stream", stream), MethodFlags::Public)
        .method(task("every", every), MethodFlags::Public)
        .method(task("after", after), MethodFlags::Public)
        .method(FunctionBuilder::new("run", run).returns(DataType::Long, false, false), MethodFlags::Public)
        .method(
            FunctionBuilder::new("tick", tick)
                .arg(Arg::new("timeout", DataType::Double).allow_null())
                .returns(DataType::Bool, false, false),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("sleep", sleep).arg(Arg::new("seconds", DataType::Double)).returns(
                DataType::Bool,
                false,
                false,
            ),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("shouldStop", should_stop).returns(DataType::Bool, false, false),
            MethodFlags::Public,
        )
        .method(FunctionBuilder::new("ready", ready).returns(worker(), false, false), MethodFlags::Public)
        .method(
            FunctionBuilder::new("busy", busy)
                .arg(Arg::new("what", DataType::String))
                .not_required()
                .arg(Arg::new("deadline", DataType::Double).allow_null().default("null"))
                .returns(DataType::Void, false, false),
            MethodFlags::Public,
        )
        .method(FunctionBuilder::new("idle", idle).returns(DataType::Void, false, false), MethodFlags::Public)
        .method(
            FunctionBuilder::new("progress", progress)
                .not_required()
                .arg(Arg::new("status", DataType::String).allow_null().default("null"))
                .returns(DataType::Void, false, false),
            MethodFlags::Public,
        )
        .method(takes_callback(FunctionBuilder::new("onStart", callback::on_start)), MethodFlags::Public)
        .method(takes_callback(FunctionBuilder::new("onStop", callback::on_stop)), MethodFlags::Public)
        .method(takes_callback(FunctionBuilder::new("onPause", callback::on_pause)), MethodFlags::Public)
        .method(takes_callback(FunctionBuilder::new("onResume", callback::on_resume)), MethodFlags::Public)
        .method(takes_callback(FunctionBuilder::new("onExpire", callback::on_expire)), MethodFlags::Public)
        .method(takes_callback(FunctionBuilder::new("onMessage", callback::on_message)), MethodFlags::Public)
        .method(
            FunctionBuilder::new("supervised", supervised).returns(DataType::Bool, false, false),
            MethodFlags::Public,
        )
        .registration(|class, arguments| {
            engine::keep_parameters(arguments);
            engine::set_parameter_type(class, "install", 2, ParameterType::IntOrString);
            engine::hide_parameter(class, "install", 3); // token:
            engine::declare_readonly(class, "name", PropertyType::String);
            engine::declare_readonly(class, "slot", PropertyType::Int);
            engine::declare_readonly(class, "generation", PropertyType::Int);
            engine::declare_readonly(class, PREDECESSOR, PropertyType::ObjectOrNull(exit_reason::CLASS));
            engine::make_handle_class(class);
            ENTRY.set(class);
        })
        .register()
}

/// The name of the pool: what install(name:) or the sidecar's --name says, else "main".
// stub: RustDaemon\Worker::$name
const NAME: &str = "name";

/// The worker's number in its pool, from 0.
// stub: RustDaemon\Worker::$slot
const SLOT: &str = "slot";

/// Which release of the code this worker belongs to: 1, and one more with each reload.
// stub: RustDaemon\Worker::$generation
const GENERATION: &str = "generation";

/// Why the worker that stood here before ended; null: this is the first one, or there is no sidecar.
// stub: RustDaemon\Worker::$predecessor
const PREDECESSOR: &str = "predecessor";

/// Workers come from Worker::install().
// stub: RustDaemon\Worker::__construct
extern "C" fn construct(_frame: &mut ExecuteData, _result: &mut Zval) {}

/// Makes this process a worker. Call it once, when everything is ready to serve.
///
/// Under a sidecar it waits at the gate until the sidecar lets this worker in. Without one, and with socket:, it
/// starts the script again under a new sidecar, in the same process (execve): it does not return then, and what the
/// script had opened is closed. RUSTDAEMON=off in the environment prevents that. Otherwise the worker is unsupervised.
/// From here on SIGTERM, SIGINT and SIGQUIT end run() and make shouldStop() true. A second call returns the same object.
///
/// @param string|null $name the pool's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -; null: "main"
/// @param string|null $socket path of the Unix socket, at most 107 bytes; relative to the working directory
/// @param int|string $mode the socket's permission bits: 0660 or "0660"
/// @param string|null $token what every client must show as authToken, 1 to 4096 bytes of text; it reaches the sidecar that
///     is started here, and stands in no argv and no environment. A sidecar that is there already has its own.
/// @param int $workers how many workers the pool has, 1 to 1024
/// @return Worker the worker of this process
/// @throws Exception\InvalidArgument an argument, or RUSTDAEMON in the environment, is not possible
/// @throws Exception\UnsupportedSapi not under php-cli
/// @throws Exception\NotAllowedHere inside a fiber, an output callback, a destructor or a shutdown function
/// @throws Exception\SidecarNotFound the binary is not where it was looked for
/// @throws Exception\SelfStartFailed the script cannot be started again
/// @throws Exception\LinkBroken the sidecar has gone, or a wrapper closed its descriptors
/// @throws Exception\LinkRefused the sidecar does not let this worker in
// stub: RustDaemon\Worker::install
extern "C" fn install(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if supervision::origin().is_none() {
            let sapi = engine::sapi_name();
            return error::throw(&Cause::UnsupportedSapi.because(format!(
                "RustDaemon\\Worker works under php-cli only, and this is the SAPI {sapi}: daemons are started on \
                 the command line"
            )));
        }
        let Some(call) = engine::install_call(frame, DEFAULT_MODE) else { return };
        if let Some(worker) = supervision::with(|state| state.worker.as_ref().map(Zval::shallow_clone)) {
            match gate::check_arguments(&call) {
                Ok(_) => *result = worker,
                Err(refusal) => error::throw(&refusal),
            }
            return;
        }
        match gate::enter(&call) {
            None => {}
            Some(Err(refusal)) => error::throw(&refusal),
            Some(Ok(place)) => {
                if let Some(worker) = new_worker(&place) {
                    *result = worker.shallow_clone();
                    supervision::with(|state| state.worker = Some(worker));
                }
            }
        }
    });
}

fn new_worker(place: &Place) -> Option<Zval> {
    let class = ENTRY.get()?;
    let worker = engine::new_handle(class);
    engine::set_string(&worker, NAME, &place.name);
    engine::set_int(&worker, SLOT, place.slot);
    engine::set_int(&worker, GENERATION, place.generation);
    let predecessor = place.predecessor.as_deref().map_or_else(null, exit_reason::object);
    engine::set_value(&worker, PREDECESSOR, &predecessor);
    Some(worker)
}

fn null() -> Zval {
    let mut null = Zval::new();
    null.set_null();
    null
}

/// Offers a method to the clients of the socket.
///
/// A list of arguments is passed by position, an object by name. What the handler returns is encoded as JSON. An
/// exception is answered with its short class name and message and logged; the worker lives on.
///
/// Under the name * the handler gets the requests for which there is no other: the method's name, 1 to 128 bytes without
/// control characters, and the arguments as one array, a list or by name. Pools that offer a method by its name come first:
/// until each pool has been ready once such requests wait.
///
/// @param string $method 1 to 128 of the characters A-Z a-z 0-9 _ . : / -, or * for the rest; ping, daemon.*, worker.*,
/// farm.* and system.* are reserved
/// @param callable $handler gets the arguments of the request; for *: fn (string $method, array $args)
/// @param string|null $description one line for people, shown by daemon.methods
/// @param bool $idempotent whether running it twice does no harm
/// @return Worker this worker
/// @throws Exception\InvalidArgument the name is not possible, reserved or taken
// stub: RustDaemon\Worker::expose
extern "C" fn expose(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(call) = engine::expose_call(frame) else { return };
        match add_method(call) {
            Ok(()) => *result = frame.This.shallow_clone(),
            Err(refusal) => error::throw(&refusal),
        }
    });
}

fn add_method(call: ExposeCall<'_>) -> std::result::Result<(), Refusal> {
    let name = settings::method_name(call.method)
        .map_err(|sentence| Cause::InvalidArgument.because(format!("method: {sentence}")))?;
    let description = call.description.map(|text| String::from_utf8_lossy(text).into_owned());
    let method = Method { name, description, idempotent: call.idempotent };
    let taken = |state: &mut State| state.methods.iter().any(|exposed| exposed.method.name == method.name);
    if supervision::with(taken) {
        let name = &method.name;
        return Err(Cause::InvalidArgument.because(format!("method: \"{name}\" is exposed already")));
    }
    // Moved in, not dropped there: freeing a handler may run destructors.
    let exposed = Exposed { method, handler: call.handler };
    supervision::with(|state| state.methods.push(exposed));
    Ok(())
}

/// How many requests this worker may have open at one time, for handlers that answer later: see Request::defer().
///
/// With 1, which is the default, defer() is refused. With more, a handler that has deferred its request returns, and the
/// worker is sent others until so many are open. Handlers themselves still run one after the other.
///
/// @param int $requests 1 to 10000
/// @return Worker this worker
/// @throws Exception\InvalidArgument the number is not possible
// stub: RustDaemon\Worker::concurrency
extern "C" fn concurrency(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some([requests]) = engine::int_arguments(frame, [0], 1) else { return };
        match u32::try_from(requests).ok().filter(|number| (1..=MAX_CONCURRENCY).contains(number)) {
            None => error::throw(
                &Cause::InvalidArgument
                    .because(format!("requests: must be from 1 to {MAX_CONCURRENCY}, and is {requests}")),
            ),
            Some(requests) => {
                supervision::with(|state| {
                    state.concurrency = requests;
                    state.announce_again();
                    state.show_work();
                });
                *result = frame.This.shallow_clone();
            }
        }
    });
}

/// A stream that becomes readable when tick(0.0) has something to do, for event loops: a request, a task that is due, a
/// signal, a pause, the stop.
///
/// It stays readable until tick() has done it. A child by pcntl_fork() asks for one of its own: its parent's tells of its
/// parent. tick() serves one request at a time: the loop calls it again as long as there
/// are more. Never read from it. It is the same resource each time, until somebody closes it.
///
/// ```php
/// $loop->addReadStream($worker->stream(), function () use ($worker, $loop): void {
///     $worker->tick(0.0) || $loop->stop();
/// });
/// ```
///
/// @return resource
/// @throws Exception\SystemCallFailed no descriptor is left
// stub: RustDaemon\Worker::stream
extern "C" fn stream(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if !engine::no_arguments(frame) {
            return;
        }
        let known = supervision::with(|state| {
            let stream = state.stream.as_ref().filter(|_| state.is_shown());
            stream.map(Zval::shallow_clone).filter(|stream| !engine::stream::is_closed(stream))
        });
        match known.map_or_else(make_stream, Ok) {
            Ok(stream) => *result = stream,
            Err(failed) => error::throw(
                &Cause::SystemCallFailed
                    .with_errno(format!("the stream of a worker cannot be made: {failed}"), &failed),
            ),
        }
    });
}

fn make_stream() -> std::io::Result<Zval> {
    let copy = supervision::with(|state| sys::duplicate(state.readiness()?))?;
    let stream = engine::stream::new(copy).ok_or(std::io::ErrorKind::Other)?;
    let result = stream.shallow_clone();
    let before = supervision::with(|state| state.stream.replace(stream));
    before.map(Slot::of).into_iter().for_each(Slot::free);
    task::show_due();
    Ok(result)
}

/// Calls this again and again, between two requests: every $seconds, whatever the task or the requests take.
///
/// The first call is due $seconds from now, or from when the worker is ready, if it is not yet. The n-th one is due n times
/// $seconds after the same moment: one that begins late does not move the next ones. Turns that have been missed by then,
/// because a request or a task took longer, the worker was paused or the machine slept, become one call.
///
/// Tasks are called in run() and tick(), and in a loop of your own in sleep() and shouldStop(), but there not between busy()
/// and idle(), and never in a handler, a callback or another task. PHP's own sleep(), and Signal::wait(), wait without them.
/// Those that are due at the same time come in the order of their registration. run() serves a request between two tasks, so
/// that neither keeps the other out; tick() calls all that are due, then serves at most one request, and does not wait.
///
/// A paused worker calls none; what was due meanwhile is called once when it is resumed. A stop ends them: one in hand is
/// finished, no other is begun. In a child that the script forks off its parent's tasks are not called.
///
/// While a task runs the worker is busy with it, in `rustdaemon status` (`every 30 s, App\Poller->poll()`) and for
/// hang_timeout; busy() and progress() in it say more. No other task and no request runs meanwhile.
///
/// What a task throws leaves run(), tick(), sleep() or shouldStop(), as an exception of a callback does; when they are
/// called again the task goes on with its next turn. Catch in the task what the worker is to survive.
///
/// A task may register others. Registering the same one again makes two of it, and none can be taken back.
///
/// ```php
/// $worker->every(30.0, $poller->poll(...))->after(5.0, fn () => $cache->warm());
/// ```
///
/// @param float $seconds more than 0.0; with less than the task takes it is called once in each turn of the loop
/// @param callable $task function (): void
/// @return Worker this worker
/// @throws Exception\InvalidArgument the time is not more than 0.0, not finite or not a number
// stub: RustDaemon\Worker::every
extern "C" fn every(frame: &mut ExecuteData, result: &mut Zval) {
    add_task(Often::Again, frame, result);
}

/// Calls this once, between two requests, $seconds from now, or from when the worker is ready, if it is not yet.
///
/// See every() for where it is called, and for what it throws. A task that throws is not called again.
///
/// @param float $seconds 0.0: in the next turn of the loop
/// @param callable $task function (): void
/// @return Worker this worker
/// @throws Exception\InvalidArgument the time is negative, not finite or not a number
// stub: RustDaemon\Worker::after
extern "C" fn after(frame: &mut ExecuteData, result: &mut Zval) {
    add_task(Often::Once, frame, result);
}

fn add_task(often: Often, frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(call) = engine::task_call(frame) else { return };
        match task::add(call, often) {
            Ok(()) => *result = frame.This.shallow_clone(),
            Err(refusal) => error::throw(&refusal),
        }
    });
}

/// Serves requests until told to stop: see shouldStop().
///
/// A request in hand is finished, and its reply sent, before it returns.
///
/// @return int 0, for exit()
/// @throws Exception\NotAllowedHere from a handler or a task of this worker
/// @throws \Throwable what a callback, a task or the handler of a signal throws
// stub: RustDaemon\Worker::run
extern "C" fn run(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if engine::no_arguments(frame) && turn::enter_loop("run") {
            if turn::start() {
                while matches!(turn::turn(None, TaskPlace::Run), Turn::Served | Turn::Interrupted) {}
            }
            result.set_long(0);
        }
    });
}

/// One turn for a loop of your own: calls the tasks that are due, or waits for one request and serves it.
///
/// It returns early when a signal handler or a task has run, so that your loop sees what these have changed. See every().
/// In a loop of fibers it returns at once while a handler is suspended: one request is served at a time.
///
/// @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: do not wait
/// @return bool false: stop now
/// @throws Exception\InvalidArgument the timeout is negative or not a number
/// @throws Exception\NotAllowedHere from a handler or a task of this worker
/// @throws \Throwable what a callback, a task or the handler of a signal throws
// stub: RustDaemon\Worker::tick
extern "C" fn tick(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(seconds) = engine::timeout_argument(frame) else { return };
        let deadline = match supervision::deadline(seconds) {
            Ok(deadline) => deadline,
            Err(refusal) => return error::throw(&refusal),
        };
        if turn::is_suspended() {
            // Nothing is served, or busy, before the handler goes on.
            supervision::with(|state| state.look());
            show();
            result.set_bool(true);
        } else if turn::enter_loop("tick") {
            // A stop that was seen while it served: the next tick() serves what had arrived, and calls onStop().
            let goes_on =
                turn::start() && !matches!(turn::turn(deadline, TaskPlace::Tick), Turn::Stop | Turn::Leave);
            show();
            result.set_bool(goes_on);
        }
    });
}

/// Brings the stream up to what a turn has left.
fn show() {
    if supervision::with(|state| state.is_shown()) {
        dispatch::drain_stream(); // a handler that is due runs on return; a stop is looked at next
        supervision::with(|state| state.show_work());
        task::show_due();
    }
}

/// Sleeps, in a loop of your own, until the time is over or the worker is told to stop.
///
/// Unlike sleep() it is not cut short by other signals: their handlers are called at once, then it goes on to its
/// deadline. Tasks of every() and after() are called when they are due, except between busy() and idle(). What a handler or
/// a task throws leaves it. In a loop that exposes no methods it also tells the sidecar that this worker is ready.
///
/// While the worker is paused it goes on waiting, until it is resumed or told to stop; see shouldStop().
///
/// @param float $seconds how long; 0.0: only look
/// @return bool true: slept it all; false: stop now
/// @throws Exception\InvalidArgument the time is negative or not a number
/// @throws \Throwable what a callback, a task or the handler of a signal throws
// stub: RustDaemon\Worker::sleep
extern "C" fn sleep(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(seconds) = engine::seconds_argument(frame) else { return };
        match supervision::deadline_of("seconds", seconds) {
            Ok(deadline) => result.set_bool(turn::sleep_until(deadline)),
            Err(refusal) => error::throw(&refusal),
        }
    });
}

/// Whether to stop: SIGTERM, SIGINT, SIGQUIT, the sidecar's order or its end.
///
/// Tasks of every() and after() that are due are called first, except between busy() and idle(). It does not wait, unless
/// the worker is paused (`rustdaemon pause`): then until it is resumed or told to stop. A job between busy() and idle() is
/// finished first, and in a loop of tick() it is tick() that waits.
///
/// Without a sidecar SIGHUP stops as well; under one it is the sidecar that reloads. A signal that a handler of your own
/// has taken since install() does not stop: the handler decides. The third stop signal ends the process by itself,
/// whatever PHP is in (ini rustdaemon.force_stop).
///
/// In a loop that exposes no methods the first call also tells the sidecar that this worker is ready.
///
/// @return bool true: finish and end
/// @throws \Throwable what a callback, a task or the handler of a signal throws
// stub: RustDaemon\Worker::shouldStop
extern "C" fn should_stop(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if engine::no_arguments(frame) {
            supervision::with(|state| state.look());
            result.set_bool(turn::own_turn().unwrap_or_default());
        }
    });
}

/// Says that this worker is ready: for a loop of your own that does not call tick(), shouldStop() or sleep().
///
/// run() and tick() say it themselves, and in a loop that exposes no methods shouldStop() and sleep() do. The callbacks
/// of onStart() are called first; inside of them it does nothing. Further calls tell the sidecar of methods exposed since.
///
/// @return Worker this worker
/// @throws \Throwable what a callback of onStart() throws
// stub: RustDaemon\Worker::ready
extern "C" fn ready(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if engine::no_arguments(frame) {
            if turn::start() {
                supervision::with(|state| state.announce());
            }
            if engine::pending() == Pending::Nothing {
                *result = frame.This.shallow_clone();
            }
        }
    });
}

/// Says what a loop of your own is doing from now on, for `rustdaemon status` and for hang detection, until idle().
///
/// It costs a few stores in memory. tick() may be called meanwhile: after a request this is in hand again. run() ends it.
/// In a handler of a request, which is busy anyway, it gives another text and deadline.
///
/// @param string $what for people; 248 bytes are kept
/// @param float|null $deadline how long it may take, in seconds; null: see hang_timeout
/// @throws Exception\InvalidArgument the deadline is negative or not a number
// stub: RustDaemon\Worker::busy
extern "C" fn busy(frame: &mut ExecuteData, _result: &mut Zval) {
    engine::method(|| {
        let Some((what, seconds)) = engine::busy_call(frame) else { return };
        match supervision::deadline(seconds) {
            Ok(deadline) => become_busy(what, deadline),
            Err(_) => error::throw(
                &Cause::InvalidArgument
                    .because("deadline: must be a number of seconds from 0.0, or null for hang_timeout"),
            ),
        }
    });
}

fn become_busy(what: &[u8], deadline: Option<Duration>) {
    let asked = supervision::with(|state| {
        state.goes_on();
        if !state.busy {
            state.in_job = true;
            state.has_jobs();
        }
        Some((state.page()?, state.busy))
    });
    let Some((page, handling)) = asked else { return };
    if handling {
        page.relabel(what, deadline);
        page.progressed(None, sys::monotonic());
    } else {
        page.busy(Phase::OwnBusy, what, deadline, sys::monotonic());
        pulse::busy();
    }
}

/// Says that what busy() named is done.
// stub: RustDaemon\Worker::idle
extern "C" fn idle(frame: &mut ExecuteData, _result: &mut Zval) {
    engine::method(|| {
        if engine::no_arguments(frame) {
            supervision::with(|state| {
                if state.busy {
                    return;
                }
                state.in_job = false;
                if let Some(page) = state.page() {
                    page.idle(state.idle_phase());
                }
            });
        }
    });
}

/// Says that what is in hand goes on: hang detection counts from here.
///
/// It costs a few stores in memory. Call it as often as you like in an import that takes long.
///
/// @param string|null $status for people: "row 7000 of 20000"; 248 bytes are kept; null: what was said last
// stub: RustDaemon\Worker::progress
extern "C" fn progress(frame: &mut ExecuteData, _result: &mut Zval) {
    engine::method(|| {
        let Some(status) = engine::progress_call(frame) else { return };
        if let Some(page) = supervision::with(|state| state.page()) {
            page.progressed(status, sys::monotonic());
        }
    });
}

/// Whether a sidecar supervises this worker and is there.
///
/// @return bool false: unsupervised, or the sidecar has gone
// stub: RustDaemon\Worker::supervised
extern "C" fn supervised(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if engine::no_arguments(frame) {
            result.set_bool(supervision::with(|state| state.supervised()));
        }
    });
}
