//! The exception tree: one interface, one class per cause.
//!
//! Registered by `ClassBuilder`, so that file, line and trace are PHP's own and PHP code can construct and extend
//! them. [`throw`] never replaces an exception that is already in flight.

use std::sync::atomic::{AtomicPtr, Ordering};

use ext_php_rs::args::ArgInfoTables;
use ext_php_rs::builders::ClassBuilder;
use ext_php_rs::error::Result;
use ext_php_rs::flags::ClassFlags;
use ext_php_rs::zend::{ClassEntry, ce};
use rustdaemon_core::segment;

use crate::engine;

const INTERFACE: &str = "RustDaemon\\Exception\\DaemonException";

/// Why something is refused; one class each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An argument, or the variable RUSTDAEMON in the environment, has a value that is not possible.
    // stub: RustDaemon\Exception\InvalidArgument
    InvalidArgument,
    /// The extension works under php-cli only; in every other SAPI it does nothing.
    // stub: RustDaemon\Exception\UnsupportedSapi
    UnsupportedSapi,
    /// The method cannot be called from here: a fiber, an output callback, a destructor, a shutdown function, or
    /// a handler of the worker itself; or a lock by who holds it already, or does not hold it.
    // stub: RustDaemon\Exception\NotAllowedHere
    NotAllowedHere,
    /// The sidecar's binary is not where it was looked for. The message names the places.
    // stub: RustDaemon\Exception\SidecarNotFound
    SidecarNotFound,
    /// The script could not start itself again under the sidecar. Nothing has changed.
    // stub: RustDaemon\Exception\SelfStartFailed
    SelfStartFailed,
    /// The connection to the sidecar that started this process cannot be used, or ended at the gate.
    // stub: RustDaemon\Exception\LinkBroken
    LinkBroken,
    /// The sidecar did not let this worker in. The message is the sidecar's reason.
    // stub: RustDaemon\Exception\LinkRefused
    LinkRefused,
    /// The system has refused something: no descriptor is left, there is no such process, it is not allowed.
    /// getCode() is the errno.
    // stub: RustDaemon\Exception\SystemCallFailed
    SystemCallFailed,
    /// The pool's workers have as many sessions as they may. A client reads max_sessions_reached.
    // stub: RustDaemon\Exception\MaxSessionsReached
    MaxSessionsReached,
    /// The session is another worker's. A client reads session_taken.
    // stub: RustDaemon\Exception\SessionTaken
    SessionTaken,
    /// There is no such session: for handlers to throw. A client reads session_not_found, as opcua-session-manager says it.
    // stub: RustDaemon\Exception\SessionNotFound
    SessionNotFound,
    /// Time was up before there was a message.
    // stub: RustDaemon\Exception\Timeout
    Timeout,
    /// The channel is closed: nothing can be sent, and all that was sent has been received.
    // stub: RustDaemon\Exception\Closed
    Closed,
    /// The shared memory of that name cannot be used: it is another user's, of another kind, of a version of rustdaemon
    /// that does not fit, or damaged. The message says what to do.
    // stub: RustDaemon\Exception\SegmentUnusable
    SegmentUnusable,
    /// A message was received whose value cannot be made here: it is damaged, or its objects may not be or cannot be made.
    /// It is gone; the next one can be received.
    // stub: RustDaemon\Exception\MessageUnreadable
    MessageUnreadable,
    /// The next message takes more memory than memory_limit leaves. It stays in the channel, as the next one: raise
    /// memory_limit and receive it, or receive it in another process.
    // stub: RustDaemon\Exception\MessageTooLarge
    MessageTooLarge,
}

type Parent = fn() -> &'static ClassEntry;

const CLASSES: [(Cause, &str, Parent, &str); 16] = [
    (
        Cause::InvalidArgument,
        "InvalidArgument",
        engine::invalid_argument_exception,
        "\\InvalidArgumentException",
    ),
    (Cause::UnsupportedSapi, "UnsupportedSapi", engine::runtime_exception, "\\RuntimeException"),
    (Cause::NotAllowedHere, "NotAllowedHere", engine::logic_exception, "\\LogicException"),
    (Cause::SidecarNotFound, "SidecarNotFound", engine::runtime_exception, "\\RuntimeException"),
    (Cause::SelfStartFailed, "SelfStartFailed", engine::runtime_exception, "\\RuntimeException"),
    (Cause::LinkBroken, "LinkBroken", engine::runtime_exception, "\\RuntimeException"),
    (Cause::LinkRefused, "LinkRefused", engine::runtime_exception, "\\RuntimeException"),
    (Cause::SystemCallFailed, "SystemCallFailed", engine::runtime_exception, "\\RuntimeException"),
    (Cause::MaxSessionsReached, "MaxSessionsReached", engine::runtime_exception, "\\RuntimeException"),
    (Cause::SessionTaken, "SessionTaken", engine::runtime_exception, "\\RuntimeException"),
    (Cause::SessionNotFound, "SessionNotFound", engine::runtime_exception, "\\RuntimeException"),
    (Cause::Timeout, "Timeout", engine::runtime_exception, "\\RuntimeException"),
    (Cause::Closed, "Closed", engine::runtime_exception, "\\RuntimeException"),
    (Cause::SegmentUnusable, "SegmentUnusable", engine::runtime_exception, "\\RuntimeException"),
    (Cause::MessageUnreadable, "MessageUnreadable", engine::runtime_exception, "\\RuntimeException"),
    (Cause::MessageTooLarge, "MessageTooLarge", engine::runtime_exception, "\\RuntimeException"),
];

static DAEMON_EXCEPTION: AtomicPtr<ClassEntry> = AtomicPtr::new(std::ptr::null_mut());
static ENTRIES: [AtomicPtr<ClassEntry>; CLASSES.len()] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; CLASSES.len()];
static LAST: AtomicPtr<ClassEntry> = AtomicPtr::new(std::ptr::null_mut());

/// Implemented by every exception that rustdaemon throws.
// stub: RustDaemon\Exception\DaemonException
fn daemon_exception() -> &'static ClassEntry {
    // SAFETY: null only before `register`, which sets it before it is asked for; else a class of the engine.
    unsafe { DAEMON_EXCEPTION.load(Ordering::Relaxed).as_ref() }.unwrap_or_else(|| ce::throwable())
}

/// Registers the tree. MINIT only.
pub fn register() -> Result<()> {
    let remember = |class: &'static mut ClassEntry, arguments: ArgInfoTables| {
        engine::keep_parameters(arguments);
        LAST.store(class, Ordering::Relaxed);
    };
    ClassBuilder::new(INTERFACE)
        .flags(ClassFlags::Interface)
        .implements((ce::throwable, "\\Throwable"))
        .registration(remember)
        .register()?;
    DAEMON_EXCEPTION.store(LAST.load(Ordering::Relaxed), Ordering::Relaxed);
    for ((_, name, parent, parent_name), entry) in CLASSES.iter().zip(&ENTRIES) {
        ClassBuilder::new(format!("RustDaemon\\Exception\\{name}"))
            .extends((*parent, *parent_name))
            .implements((daemon_exception, INTERFACE))
            .registration(remember)
            .register()?;
        entry.store(LAST.load(Ordering::Relaxed), Ordering::Relaxed);
    }
    Ok(())
}

/// A cause and its sentence, on the way to becoming an exception.
#[derive(Debug)]
pub struct Refusal {
    /// The class.
    pub cause: Cause,
    /// The message.
    pub sentence: String,
    /// What getCode() says.
    pub code: i32,
}

impl Cause {
    /// This cause with its sentence.
    pub fn because(self, sentence: impl Into<String>) -> Refusal {
        Refusal { cause: self, sentence: sentence.into(), code: 0 }
    }

    /// This cause with its sentence and the system's number for it.
    pub fn with_errno(self, sentence: impl Into<String>, error: &std::io::Error) -> Refusal {
        Refusal { code: error.raw_os_error().unwrap_or_default(), ..self.because(sentence) }
    }
}

/// What PHP code calls something in shared memory.
///
/// # Errors
/// One sentence: it is not a possible name.
pub fn shared_name(name: &[u8]) -> std::result::Result<segment::Name, Refusal> {
    segment::Name::parse(name).map_err(|sentence| Cause::InvalidArgument.because(format!("name: {sentence}")))
}

impl From<segment::Refusal> for Refusal {
    fn from(refusal: segment::Refusal) -> Self {
        match refusal {
            segment::Refusal::System(sentence, error) => Cause::SystemCallFailed.with_errno(sentence, &error),
            segment::Refusal::Foreign(sentence) => Cause::SegmentUnusable.because(sentence),
            segment::Refusal::OtherSize(..) => Cause::SegmentUnusable.because(refusal.to_string()),
        }
    }
}

/// A number of seconds as a person would write it.
pub fn seconds(seconds: f64) -> String {
    if seconds == 0.0 {
        "0".into() // also what PHP has as -0.0
    } else if (1e-6..1e15).contains(&seconds) {
        format!("{seconds}")
    } else {
        format!("{seconds:e}")
    }
}

/// The system has refused to do this: `cannot make a process: ...`.
pub fn system_call(what: &str, error: &std::io::Error) -> Refusal {
    Cause::SystemCallFailed.with_errno(format!("cannot {what}: {error}"), error)
}

/// Throws it.
pub fn throw(refusal: &Refusal) {
    let entry = CLASSES.iter().zip(&ENTRIES).find(|((cause, ..), _)| *cause == refusal.cause);
    let entry = entry.map_or(std::ptr::null_mut(), |(_, entry)| entry.load(Ordering::Relaxed));
    // SAFETY: null or a class of the engine, which lives as long as the module.
    let class = unsafe { entry.as_ref() }.unwrap_or_else(|| engine::runtime_exception());
    engine::throw(class, &refusal.sentence, refusal.code);
}
