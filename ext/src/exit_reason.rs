//! `RustDaemon\ExitReason`: why the worker that stood here before ended.
//!
//! A value class: typed readonly properties, written once when the object is made, in the order of their declaration.

use ext_php_rs::builders::{ClassBuilder, FunctionBuilder};
use ext_php_rs::error::Result;
use ext_php_rs::flags::{ClassFlags, MethodFlags};
use ext_php_rs::types::Zval;
use ext_php_rs::zend::ExecuteData;
use rustdaemon_core::link;

use crate::engine::{self, PropertyType, Registered};

/// The class, for properties.
pub const CLASS: &str = "RustDaemon\\ExitReason";

static ENTRY: Registered = Registered::new();

/// Why a worker ended: what the sidecar knows of the one that stood here before.
///
/// ```php
/// if ($worker->predecessor?->reason === 'oom') {
///     $log->warning("the last one ran out of memory after {$worker->predecessor->ran} s");
/// }
/// ```
// stub: RustDaemon\ExitReason
#[allow(dead_code, reason = "carries the class's documentation")]
struct ExitReason;

/// They come from the sidecar: nobody makes one of these.
// stub: RustDaemon\ExitReason::__construct
extern "C" fn construct(_frame: &mut ExecuteData, _result: &mut Zval) {}

/// One word: "exit", "signal", "killed", "oom", "stop", "restart", "reload", "max_requests", "max_lifetime",
/// "memory_soft", "memory_hard", "hang", "error", "not_started", "refused" or "link_broken".
// stub: RustDaemon\ExitReason::$reason
const REASON: (&str, PropertyType) = ("reason", PropertyType::String);

/// One sentence for people.
// stub: RustDaemon\ExitReason::$message
const MESSAGE: (&str, PropertyType) = ("message", PropertyType::String);

/// Its exit code; null: a signal ended it, or nobody knows.
// stub: RustDaemon\ExitReason::$code
const CODE: (&str, PropertyType) = ("code", PropertyType::IntOrNull);

/// The signal that ended it: "SIGKILL"; null: none.
// stub: RustDaemon\ExitReason::$signal
const SIGNAL: (&str, PropertyType) = ("signal", PropertyType::StringOrNull);

/// Who sent that signal; null: not known.
// stub: RustDaemon\ExitReason::$senderPid
const SENDER_PID: (&str, PropertyType) = ("senderPid", PropertyType::IntOrNull);

/// The user id of who sent it; null: not known.
// stub: RustDaemon\ExitReason::$senderUid
const SENDER_UID: (&str, PropertyType) = ("senderUid", PropertyType::IntOrNull);

/// The command name of who sent it; null: not known.
// stub: RustDaemon\ExitReason::$senderCommand
const SENDER_COMMAND: (&str, PropertyType) = ("senderCommand", PropertyType::StringOrNull);

/// The fatal error, or class and message of the last exception; null: there was none.
// stub: RustDaemon\ExitReason::$error
const ERROR: (&str, PropertyType) = ("error", PropertyType::StringOrNull);

/// Where that happened; null: there was none.
// stub: RustDaemon\ExitReason::$file
const FILE: (&str, PropertyType) = ("file", PropertyType::StringOrNull);

/// Where that happened; null: there was none.
// stub: RustDaemon\ExitReason::$line
const LINE: (&str, PropertyType) = ("line", PropertyType::IntOrNull);

/// How long it ran, in seconds.
// stub: RustDaemon\ExitReason::$ran
const RAN: (&str, PropertyType) = ("ran", PropertyType::Float);

/// When it ended: Unix time in seconds, as microtime(true) has it.
// stub: RustDaemon\ExitReason::$at
const AT: (&str, PropertyType) = ("at", PropertyType::Float);

/// The last lines that it wrote, at most 20: a list of strings.
// stub: RustDaemon\ExitReason::$log
const LOG: (&str, PropertyType) = ("log", PropertyType::Array);

const PROPERTIES: [(&str, PropertyType); 13] =
    [REASON, MESSAGE, CODE, SIGNAL, SENDER_PID, SENDER_UID, SENDER_COMMAND, ERROR, FILE, LINE, RAN, AT, LOG];

/// Registers the class. MINIT only.
pub fn register() -> Result<()> {
    ClassBuilder::new(CLASS)
        .flags(ClassFlags::Final | ClassFlags::NoDynamicProperties | ClassFlags::NotSerializable)
        .method(FunctionBuilder::new("__construct", construct), MethodFlags::Private)
        .registration(|class, arguments| {
            engine::declare_value(class, arguments, &PROPERTIES);
            ENTRY.set(class);
        })
        .register()
}

/// An object about an end; null before [`register`].
pub fn object(reason: &link::ExitReason) -> Zval {
    let Some(class) = ENTRY.get() else { return Zval::new() };
    engine::new_value(class)
        .string(&reason.reason)
        .string(&reason.message)
        .int_or_null(reason.code.map(i64::from))
        .string_or_null(reason.signal.as_deref())
        .int_or_null(reason.sender_pid.map(i64::from))
        .int_or_null(reason.sender_uid.map(i64::from))
        .string_or_null(reason.sender_command.as_deref())
        .string_or_null(reason.error.as_deref())
        .string_or_null(reason.file.as_deref())
        .int_or_null(reason.line.map(i64::from))
        .float(reason.ran)
        .float(reason.at)
        .strings(&reason.log)
        .done()
}
