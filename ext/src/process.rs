//! `RustDaemon\Process`: children that run one callable, without the traps of fork(2).
//!
//! # How it works
//! [`child`] forks and knows the end; [`fork`] parts the child from its parent and brings it to its own end. Here stand the
//! class, who may fork, and waiting, which calls signal handlers meanwhile. An object owns its [`Child`].
//!
//! # What may be lost
//! See [`child`]: a status that somebody else has taken.
//!
//! # Rules
//! In the child nothing returns to the parent's frames, whatever the callable does. A borrow of a child ends before PHP
//! code can run.
//! The doc comments over the methods are for PHP readers: `tests/stubs.php` takes the lines above `// stub:`.
//! Sources: DESIGN 5; fork(2), pidfd_open(2), poll(2).

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use ext_php_rs::args::Arg;
use ext_php_rs::builders::{ClassBuilder, FunctionBuilder};
use ext_php_rs::error::Result;
use ext_php_rs::flags::{ClassFlags, DataType, MethodFlags};
use ext_php_rs::types::Zval;
use ext_php_rs::zend::ExecuteData;
use rustdaemon_core::audit::Thread;
use rustdaemon_core::child::{self, Child, End, Forked};
use rustdaemon_core::fork::HeldSignals;
use rustdaemon_core::slot::Call;
use rustdaemon_core::{audit as core_audit, reaper, signo, sys};

use crate::dispatch;
use crate::engine::fork;
use crate::engine::{
    self, Callable, IntOrString, ParameterType, Pending, Properties, RawCallable, Registered, interrupt,
};
use crate::error::{self, Cause, Refusal, system_call};
use crate::exit_status;
use crate::supervision::{self, Woken};

const CLASS: &str = "RustDaemon\\Process";

/// What `terminate()` gives a child that is not told otherwise, in seconds.
const GRACE: f64 = 10.0;

static ENTRY: Registered = Registered::new();

thread_local! {
    /// What `onFork()` was given.
    static ON_FORK: RefCell<Vec<Callable>> = const { RefCell::new(Vec::new()) };
}

/// What an object owns.
struct Owned {
    /// `None`: it is about to be made.
    child: Option<Child>,
    /// What `stream()` has given.
    stream: Option<Zval>,
}

/// A child process that runs one PHP function: a copy of this process, at this moment, with all its values.
///
/// The child ends when the function returns, and takes nothing of its parent's with it: the parent's shutdown functions,
/// destructors, buffered output, open streams, TLS, database and redis connections are left alone. Its own run and end
/// as at the end of a script. It dies when its parent dies.
///
/// ```php
/// use RustDaemon\Process;
///
/// $process = Process::fork(function () use ($file): int {
///     return import($file) ? 0 : 1;                // the exit code
/// });
/// $end = $process->wait(60.0) ?? $process->terminate();
/// echo $end->code === 0 ? 'imported' : 'failed', "\n";
/// ```
///
/// A connection that was opened before the fork is shared, and two processes that speak on it get each other's replies:
/// open the child's own in Process::onFork(), or in the function. A persistent one is made anew there too. Give up what is
/// the parent's (`$db = null`), but never fclose() a TLS stream: that ends the parent's connection as well. An SQLite
/// database does not survive a fork within a transaction or with a result that is still read: the library in the child takes
/// its parent's locks for its own, and damages the file. End both before you fork.
///
/// In the child: mt_rand() and what builds on it has a seed of its own, and lcg_value() goes on from another place; a
/// Random\Randomizer that you hold gives the same numbers as its parent's. Standard input is /dev/null; what its parent
/// has read ahead from STDIN is in both. There is no time limit until set_time_limit(). It is no Worker, also where its
/// parent is one. It does not die with its parent once it has changed its user or group: the kernel forgets it then. A
/// session that it has started is written by its own session_write_close(), and a filter on STDOUT is not flushed.
///
/// Handlers of Signal::on() are gone: SIGTERM ends it until it asks for something else. Those of pcntl_signal(), and a
/// mask of pcntl_sigprocmask(), are inherited. Not so where all signals are blocked, as they are while pcntl calls a
/// handler: no signal is blocked in that child and its parent's handlers are gone. Use Signal::on() there: pcntl calls
/// no handler in a child that one of its handlers has forked, be it by pcntl_fork().
// stub: RustDaemon\Process
#[allow(dead_code, reason = "carries the class's documentation")]
struct Process;

/// The child's process id.
// stub: RustDaemon\Process::$pid
const PID: &str = "pid";

/// Registers the class. MINIT only.
pub fn register() -> Result<()> {
    let public = || MethodFlags::Public | MethodFlags::Static;
    let status = || DataType::object(exit_status::CLASS);
    ClassBuilder::new(CLASS)
        .flags(ClassFlags::Final | ClassFlags::NoDynamicProperties | ClassFlags::NotSerializable)
        .method(FunctionBuilder::new("__construct", construct), MethodFlags::Private)
        .method(
            FunctionBuilder::new("fork", fork_child).arg(Arg::new("main", DataType::Callable)).returns(
                DataType::object(CLASS),
                false,
                false,
            ),
            public(),
        )
        .method(
            FunctionBuilder::new("onFork", on_fork).arg(Arg::new("reset", DataType::Callable)).returns(
                DataType::Void,
                false,
                false,
            ),
            public(),
        )
        .method(FunctionBuilder::new("audit", audit).returns(DataType::Array, false, false), public())
        .method(
            FunctionBuilder::new("wait", wait)
                .not_required()
                .arg(Arg::new("timeout", DataType::Double).allow_null().default("null"))
                .returns(status(), false, true),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("signal", signal).arg(Arg::new("signal", DataType::Mixed)).returns(
                DataType::Void,
                false,
                false,
            ),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("terminate", terminate)
                .not_required()
                .arg(Arg::new("grace", DataType::Double).allow_null().default("10.0"))
                .returns(status(), false, false),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("isRunning", is_running).returns(DataType::Bool, false, false),
            MethodFlags::Public,
        )
        .method(FunctionBuilder::new("stream", stream), MethodFlags::Public)
        .registration(|class, arguments| {
            engine::declare_carrier(class, arguments, &ENTRY);
            engine::set_parameter_type(class, "signal", 0, ParameterType::IntOrString);
            engine::declare_readonly(class, PID, engine::PropertyType::Int);
        })
        .register()
}

/// Gives up what the class holds. RSHUTDOWN; calls PHP only to free what the callables hold, whose destructors have run.
pub fn end() {
    reaper::stop();
    let callables = ON_FORK.take();
    drop(callables);
}

/// Processes come from Process::fork().
// stub: RustDaemon\Process::__construct
extern "C" fn construct(_frame: &mut ExecuteData, _result: &mut Zval) {}

/// Makes a child process that runs this function, and ends with it.
///
/// What the function returns is the exit code: an int from 0 to 255; false is 1, anything else 0. exit($code) works too.
/// After an uncaught exception, which set_exception_handler() sees, a fatal error or exhausted memory it is 255.
///
/// @param callable $main function (): mixed, called without arguments in the child
/// @return Process the child, as its parent sees it
/// @throws Exception\InvalidArgument a generator function, whose body would not run
/// @throws Exception\SystemCallFailed the system refuses another process, or no descriptor is left
/// @throws Exception\NotAllowedHere inside an output callback or a destructor (of whatever object: the message names its class),
/// or a foreign native thread runs in this process
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Process::fork
extern "C" fn fork_child(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(main) = engine::callback_call(frame) else { return };
        if checked(may_fork()).is_none() || checked(runs("main", &main)).is_none() {
            return;
        }
        let heritage = Heritage {
            engine: fork::prepare(),
            signals: dispatch::is_used(),
            resets: ON_FORK.with_borrow(|resets| resets.iter().map(Callable::raw).collect()),
            main: main.raw(),
        };
        if engine::pending() != Pending::Nothing {
            return;
        }
        let Some(class) = ENTRY.get() else { return };
        // Before the fork: after it each page that is written is copied.
        let process = engine::new_carrier(class, RefCell::new(Owned { child: None, stream: None }));
        let unnoted = main.unnoted();
        let parted = part(&heritage);
        drop(main);
        // SAFETY: the arguments of the call hold it.
        unnoted.into_iter().for_each(|unnoted| unsafe { unnoted.end() });
        match parted {
            Ok(child) => {
                let process = Properties::of(process).int(child.pid().into()).done();
                owned(&process, |owned| owned.child = Some(child));
                *result = process;
            }
            Err(error) => {
                let _ = checked::<()>(Err(system_call("make a process", &error)));
            }
        }
    });
}

/// What the parent has looked up for the child, which pays for each page of code or memory that it is the first to touch.
struct Heritage {
    engine: fork::Heritage,
    /// Whether there is anything of signals to leave to the parent.
    signals: bool,
    /// What `onFork()` was given. Plain bits, as of the next: the callables are alive in the child.
    resets: Vec<RawCallable>,
    /// What the child is for.
    main: RawCallable,
}

fn may_fork() -> std::result::Result<(), Refusal> {
    in_cli()?;
    let not_here = |where_: &str| {
        Err(Cause::NotAllowedHere
            .because(format!("Process::fork() cannot be called inside {where_}: call it before or after")))
    };
    if engine::in_output_callback() {
        return not_here("an output callback");
    }
    if let Some(class) = engine::destructed_class() {
        return not_here(&format!("the destructor of {class}"));
    }
    if core_audit::thread_count() > 1
        && let Some(thread) = foreign_threads()?.first()
    {
        return Err(Cause::NotAllowedHere.because(format!(
            "Process::fork() cannot copy a process with native threads of others: thread {} ({}) may hold a lock that its \
             copy would wait for, for ever; fork before the extension starts it, or start a program of its own with \
             proc_open()",
            thread.id, thread.name
        )));
    }
    Ok(())
}

/// Whether a call runs what PHP code has given as this parameter.
fn runs(parameter: &str, callable: &Callable) -> std::result::Result<(), Refusal> {
    if callable.is_generator() {
        return Err(Cause::InvalidArgument.because(format!(
            "{parameter}: a generator function, of which a call runs nothing: give a function that iterates over what it makes"
        )));
    }
    Ok(())
}

/// What could not be looked at may be there.
fn foreign_threads() -> std::result::Result<Vec<Thread>, Refusal> {
    core_audit::foreign_threads().map_err(|error| system_call("look at the threads of this process", &error))
}

/// Forks, and returns in the parent.
#[inline(never)]
#[unsafe(link_section = "rustdaemon.child")]
fn part(heritage: &Heritage) -> io::Result<Child> {
    // SAFETY: no foreign thread runs, as `may_fork` has looked.
    match unsafe { child::fork() }? {
        Forked::Parent(child) => Ok(child),
        Forked::Child(held) => live(heritage, held),
    }
}

/// In the child: what is its parent's is put away; its life and its end.
#[unsafe(link_section = "rustdaemon.child")]
fn live(heritage: &Heritage, mut held: HeldSignals) -> ! {
    let birth = fork::be_born(&heritage.engine);
    if heritage.signals {
        dispatch::leave_to_parent();
    }
    if held.were_blocked() {
        fork::leave_pcntl_handlers();
        held.let_go();
    }
    drop(held);
    if let Some(returned) = fork::run(&heritage.resets, heritage.main) {
        fork::set_exit_code(exit_code(&returned));
        std::mem::forget(returned); // the process ends
    }
    sys::exit_at_once(fork::end(birth).into())
}

#[unsafe(link_section = "rustdaemon.child")]
fn exit_code(returned: &Zval) -> u8 {
    match (returned.long(), returned.bool()) {
        (Some(code), _) => u8::try_from(code).unwrap_or_else(|_| {
            supervision::log(&format!(
                "the function that Process::fork() was given has returned {code}, which is no exit code (0 to 255): the child ends with 255"
            ));
            u8::MAX
        }),
        (None, Some(false)) => 1,
        _ => 0,
    }
}

/// Has this function called in every child of Process::fork(), before its own: reconnect your database here.
///
/// In the order of registration. When one throws or exits, the child ends with that. In the child the parent's objects
/// stay alive, so that you can give them up: `$db = null` neither destructs nor closes what the parent uses. There is no way
/// back: the function, and what it holds, stay until the script ends.
///
/// ```php
/// Process::onFork(fn () => DB::purge());           // Laravel: the next query connects anew
/// ```
///
/// @param callable $reset function (): void
/// @throws Exception\InvalidArgument a generator function
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Process::onFork
extern "C" fn on_fork(frame: &mut ExecuteData, _result: &mut Zval) {
    engine::method(|| {
        let Some(reset) = engine::callback_call(frame) else { return };
        if checked(in_cli()).is_some() && checked(runs("reset", &reset)).is_some() {
            ON_FORK.with_borrow_mut(|resets| resets.push(reset));
        }
    });
}

/// What a fork at this moment would share or write twice: look at it once, before you fork for the first time.
///
/// "sockets": each open socket, as fd and what it is. "threads": native threads of other extensions, which a child does
/// not have; with one of them fork() refuses. "unsent": streams that keep data back until they are closed, by compression
/// or a filter: a child leaves that to its parent. An XMLWriter, and other objects that keep data back, are not listed: a child
/// leaves theirs to its parent too. "connections": objects of PDO, mysqli, Redis and their like: open the
/// child's own in onFork().
///
/// ```php
/// foreach (Process::audit()['connections'] as ['class' => $class]) {
///     $log->warning("a $class is open: its child must not use it");
/// }
/// ```
///
/// @return array array{sockets: list<array{fd: int, what: string}>, threads: list<array{id: int, name: string}>, unsent:
/// list<array{resource: int, what: string}>, connections: list<array{object: int, class: string}>}
/// @throws Exception\SystemCallFailed no descriptor is left to look with, or /proc is not mounted
/// @throws Exception\UnsupportedSapi not under php-cli
// stub: RustDaemon\Process::audit
extern "C" fn audit(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if !engine::no_arguments(frame) || checked(in_cli()).is_none() {
            return;
        }
        let entry = |number: &str, value: i64, name: &str, text: &str| {
            engine::map([(number, engine::int(value)), (name, engine::text(text.as_bytes()))])
        };
        let sockets = core_audit::sockets();
        let sockets = sockets.map_err(|error| system_call("look at the open descriptors", &error));
        let Some((sockets, threads)) = checked(sockets).zip(checked(foreign_threads())) else { return };
        let sockets = sockets.iter().map(|socket| entry("fd", socket.number.into(), "what", &socket.what));
        let threads = threads.iter().map(|thread| entry("id", thread.id.into(), "name", &thread.name));
        let unsent = engine::audit::unsent();
        let unsent = unsent.iter().map(|unsent| entry("resource", unsent.resource, "what", &unsent.what));
        let connections = engine::audit::connections();
        let connections = connections
            .iter()
            .map(|connection| entry("object", connection.object.into(), "class", &connection.class));
        *result = engine::map([
            ("sockets", engine::list(sockets)),
            ("threads", engine::list(threads)),
            ("unsent", engine::list(unsent)),
            ("connections", engine::list(connections)),
        ]);
    });
}

/// Waits until the child has ended. Handlers of signals are called meanwhile.
///
/// The status is kept: once it is there every call returns it at once. A stop of this process does not end the wait.
///
/// @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: only look
/// @return ExitStatus|null null: time is up, and it runs
/// @throws Exception\InvalidArgument the timeout is negative or not a number
/// @throws Exception\NotAllowedHere this process is itself a child of the one that forked it
/// @throws \Throwable what the handler of a signal throws
// stub: RustDaemon\Process::wait
extern "C" fn wait(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(timeout) = engine::optional_timeout(frame) else { return };
        let Some(deadline) = checked(supervision::deadline(timeout)) else { return };
        if let Some(end) = wait_until(&frame.This, deadline) {
            *result = exit_status::object(&end);
        } else {
            result.set_null();
        }
    });
}

/// Sends the child a signal; one that has ended gets none.
///
/// @param int|string $signal any signal: Signal::USR1, 'USR1'
/// @throws Exception\InvalidArgument not a signal
/// @throws Exception\SystemCallFailed it has changed its user, and this one may not
// stub: RustDaemon\Process::signal
extern "C" fn signal(frame: &mut ExecuteData, _result: &mut Zval) {
    engine::method(|| {
        let Some(signal) = engine::signal_call(frame) else { return };
        let number = match signal {
            IntOrString::Int(number) => signo::check(number),
            IntOrString::String(text) => signo::parse(text),
        };
        let number = number.map_err(|sentence| Cause::InvalidArgument.because(format!("signal: {sentence}")));
        let Some(number) = checked(number) else { return };
        let _ = checked(send(&frame.This, number));
    });
}

/// Ends the child: SIGTERM, and SIGKILL when it still runs after the grace. Returns how it has ended.
///
/// Handlers of signals are called meanwhile. A stopped child (SIGSTOP) is woken for its SIGTERM.
///
/// @param float|null $grace how long it has to end by itself, in seconds; null: as long as it takes, 0.0: SIGKILL at once
/// @return ExitStatus how it has ended, also when it had ended before
/// @throws Exception\InvalidArgument the grace is negative or not a number
/// @throws Exception\SystemCallFailed it has changed its user, and this one may not signal it
/// @throws Exception\NotAllowedHere this process is itself a child of the one that forked it
/// @throws \Throwable what the handler of a signal throws; the child may run still
// stub: RustDaemon\Process::terminate
extern "C" fn terminate(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(grace) = engine::optional_seconds(frame, GRACE) else { return };
        let Some(deadline) = checked(supervision::deadline_after("grace", grace)) else { return };
        let this = &frame.This;
        // Without a grace no TERM: a child that is fast would end by it.
        let asked = if grace == Some(0.0) { None } else { end_by(this, libc::SIGTERM, deadline) };
        if let Some(end) = asked.or_else(|| end_by(this, libc::SIGKILL, None)) {
            *result = exit_status::object(&end);
        }
    });
}

/// Calls PHP: signal handlers. `None`: it runs still, or something is pending.
fn end_by(this: &Zval, number: i32, deadline: Option<Duration>) -> Option<End> {
    if engine::pending() != Pending::Nothing {
        return None;
    }
    if let Some(end) = checked(look(this))? {
        return Some(end);
    }
    checked(send(this, number))?;
    if number == libc::SIGTERM {
        checked(send(this, libc::SIGCONT))?;
    }
    wait_until(this, deadline)
}

/// Whether the child runs. Its status is taken when it does not.
///
/// @throws Exception\NotAllowedHere this process is itself a child of the one that forked it
// stub: RustDaemon\Process::isRunning
extern "C" fn is_running(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if engine::no_arguments(frame)
            && let Some(end) = checked(look(&frame.This))
        {
            result.set_bool(end.is_none());
        }
    });
}

/// A stream that becomes readable when the child has ended, for stream_select() and for event loops. Never read from it.
/// It is the same resource each time.
///
/// ```php
/// $loop->addReadStream($process->stream(), function () use ($loop, $process): void {
///     $loop->removeReadStream($process->stream());
///     echo 'ended with ', $process->wait()->code, "\n";
/// });
/// ```
///
/// @return resource
/// @throws Exception\SystemCallFailed no descriptor is left
// stub: RustDaemon\Process::stream
extern "C" fn stream(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if !engine::no_arguments(frame) {
            return;
        }
        let known = owned(&frame.This, |owned| owned.stream.as_ref().map(Zval::shallow_clone)).flatten();
        if let Some(known) = known.filter(|stream| !engine::stream::is_closed(stream)) {
            *result = known;
            return;
        }
        let Some(copy) = with_child(&frame.This, copy_of_pidfd) else { return };
        let copy = copy.map_err(|error| system_call("make the stream of a child", &error));
        let Some(stream) = checked(copy).and_then(engine::stream::new) else { return };
        *result = stream.shallow_clone();
        let closed = owned(&frame.This, |owned| owned.stream.replace(stream));
        drop(closed);
    });
}

/// Of a child that was never opened: something that is readable as its pidfd would be.
fn copy_of_pidfd(child: &mut Child) -> io::Result<OwnedFd> {
    if child.is_ours() {
        child.end()?; // with a status that somebody has taken it is no more
    }
    match child.pidfd() {
        Some(pidfd) => sys::duplicate(pidfd),
        None => Ok(sys::pipe()?.read), // nobody writes: end of file
    }
}

// ---- a child ---------------------------------------------------------------------------------------------------

/// `act` calls no PHP.
fn owned<R>(this: &Zval, act: impl FnOnce(&mut Owned) -> R) -> Option<R> {
    engine::carried::<RefCell<Owned>>(this).map(|owned| act(&mut owned.borrow_mut()))
}

/// As [`owned`].
fn with_child<R>(this: &Zval, act: impl FnOnce(&mut Child) -> R) -> Option<R> {
    owned(this, |owned| owned.child.as_mut().map(act)).flatten()
}

fn look(this: &Zval) -> std::result::Result<Option<End>, Refusal> {
    with_child(this, |child| {
        if !child.is_ours() {
            return Err(Cause::NotAllowedHere.because(format!(
                "process {} is a child of the process that forked this one: only its parent can wait for it",
                child.pid()
            )));
        }
        child.end().map_err(|error| system_call("wait for a child", &error))
    })
    .unwrap_or(Ok(None))
}

fn send(this: &Zval, number: i32) -> std::result::Result<(), Refusal> {
    with_child(this, |child| {
        child.signal(number).map_err(|error| {
            let (name, pid) = (signo::name(number), child.pid());
            Cause::SystemCallFailed
                .with_errno(format!("{name} was not sent to process {pid}: {error}"), &error)
        })
    })
    .unwrap_or(Ok(()))
}

/// Calls PHP: signal handlers. `None`: time is up, or something is pending.
fn wait_until(this: &Zval, deadline: Option<Duration>) -> Option<End> {
    loop {
        if let Some(end) = checked(look(this))? {
            return Some(end);
        }
        let wait = |child: &mut Child| {
            supervision::with(|state| state.wait_for(child.pidfd(), deadline, Call::Process))
        };
        match with_child(this, wait)? {
            Woken::Ready => {}
            Woken::Deadline => return checked(look(this)).flatten(),
            Woken::Interrupted => {
                interrupt::run();
                if engine::pending() != Pending::Nothing {
                    return None;
                }
            }
        }
    }
}

fn in_cli() -> std::result::Result<(), Refusal> {
    if supervision::origin().is_none() {
        let sapi = engine::sapi_name();
        return Err(Cause::UnsupportedSapi.because(format!(
            "RustDaemon\\Process works under php-cli only, and this is the SAPI {sapi}: a fork of a server would share its \
             connections to clients"
        )));
    }
    Ok(())
}

/// The value, or its refusal thrown.
fn checked<T>(result: std::result::Result<T, Refusal>) -> Option<T> {
    result.inspect_err(error::throw).ok()
}
