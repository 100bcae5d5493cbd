//! `RustDaemon\ExitStatus`: how a child has ended, and what it had used.
//!
//! A value class: typed readonly properties, written once when the object is made, in the order of their declaration.

use ext_php_rs::builders::{ClassBuilder, FunctionBuilder};
use ext_php_rs::error::Result;
use ext_php_rs::flags::{ClassFlags, MethodFlags};
use ext_php_rs::types::Zval;
use ext_php_rs::zend::ExecuteData;
use rustdaemon_core::child::End;
use rustdaemon_core::signo;
use rustdaemon_core::sys;

use crate::engine::{self, PropertyType, Registered};

/// The class, for results.
pub const CLASS: &str = "RustDaemon\\ExitStatus";

static ENTRY: Registered = Registered::new();

/// How a child has ended: by a code, or by a signal, never both.
///
/// ```php
/// $end = Process::fork($work)->wait();
/// if ($end->code !== 0) {
///     $log->error($end->signal === null ? "it failed with $end->code" : "it was ended by $end->signalName");
/// }
/// ```
// stub: RustDaemon\ExitStatus
#[allow(dead_code, reason = "carries the class's documentation")]
struct ExitStatus;

/// They come from Process::wait() and Process::terminate(): nobody makes one of these.
// stub: RustDaemon\ExitStatus::__construct
extern "C" fn construct(_frame: &mut ExecuteData, _result: &mut Zval) {}

/// Its exit code, 0 to 255; null: a signal ended it, or nobody knows.
// stub: RustDaemon\ExitStatus::$code
const CODE: (&str, PropertyType) = ("code", PropertyType::IntOrNull);

/// The number of the signal that ended it: 9; null: none, or nobody knows.
// stub: RustDaemon\ExitStatus::$signal
const SIGNAL: (&str, PropertyType) = ("signal", PropertyType::IntOrNull);

/// That signal's name: "SIGKILL"; null: none, or nobody knows.
// stub: RustDaemon\ExitStatus::$signalName
const SIGNAL_NAME: (&str, PropertyType) = ("signalName", PropertyType::StringOrNull);

/// Whether it left a core file.
// stub: RustDaemon\ExitStatus::$core
const CORE: (&str, PropertyType) = ("core", PropertyType::Bool);

/// Whether this process has learnt how it ended. false: somebody else took the status, by pcntl_wait() for instance, or
/// SIGCHLD is ignored; the child has ended all the same.
// stub: RustDaemon\ExitStatus::$known
const KNOWN: (&str, PropertyType) = ("known", PropertyType::Bool);

/// Time on a CPU in its own code, in seconds, with that of the children it has waited for; 0.0 where it is not known.
// stub: RustDaemon\ExitStatus::$userTime
const USER_TIME: (&str, PropertyType) = ("userTime", PropertyType::Float);

/// Time on a CPU in the kernel, in seconds, as userTime.
// stub: RustDaemon\ExitStatus::$systemTime
const SYSTEM_TIME: (&str, PropertyType) = ("systemTime", PropertyType::Float);

/// The most memory that was resident at one moment, in bytes; what it shared with its parent counts. 0 where it is not
/// known.
// stub: RustDaemon\ExitStatus::$peakMemory
const PEAK_MEMORY: (&str, PropertyType) = ("peakMemory", PropertyType::Int);

const PROPERTIES: [(&str, PropertyType); 8] =
    [CODE, SIGNAL, SIGNAL_NAME, CORE, KNOWN, USER_TIME, SYSTEM_TIME, PEAK_MEMORY];

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
pub fn object(end: &End) -> Zval {
    let Some(class) = ENTRY.get() else { return Zval::new() };
    let (code, signal, core) = match end.status {
        sys::ExitStatus::Code(code) => (Some(code), None, false),
        sys::ExitStatus::Signal { number, core } => (None, Some(number), core),
        sys::ExitStatus::Unknown => (None, None, false),
    };
    engine::new_value(class)
        .int_or_null(code.map(i64::from))
        .int_or_null(signal.map(i64::from))
        .string_or_null(signal.map(signo::name).as_deref())
        .bool(core)
        .bool(end.status != sys::ExitStatus::Unknown)
        .float(end.usage.user.as_secs_f64())
        .float(end.usage.system.as_secs_f64())
        .int(i64::try_from(end.usage.peak_bytes).unwrap_or(i64::MAX))
        .done()
}
