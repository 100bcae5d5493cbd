//! `RustDaemon\SignalInfo`: what a handler is told about one signal.
//!
//! A value class: typed readonly properties, written once when the object is made, in the order of their declaration.

use std::sync::atomic::{AtomicPtr, Ordering};

use ext_php_rs::builders::{ClassBuilder, FunctionBuilder};
use ext_php_rs::error::Result;
use ext_php_rs::flags::{ClassFlags, MethodFlags};
use ext_php_rs::types::{ZendStr, Zval};
use ext_php_rs::zend::ExecuteData;
use rustdaemon_core::record::Record;
use rustdaemon_core::signo;

use crate::engine::{self, PropertyType, Registered};

/// The class, for parameters and results.
pub const CLASS: &str = "RustDaemon\\SignalInfo";

static ENTRY: Registered = Registered::new();
static NAMES: [AtomicPtr<ZendStr>; 65] = [const { AtomicPtr::new(std::ptr::null_mut()) }; 65];

/// One signal that has arrived: which, how, and from whom as far as the kernel tells.
///
/// ```php
/// Signal::on('HUP', function (SignalInfo $info): void {
///     error_log("$info->name from pid $info->senderPid ($info->senderCommand), uid $info->senderUid");
/// });
/// ```
// stub: RustDaemon\SignalInfo
#[allow(dead_code, reason = "carries the class's documentation")]
struct SignalInfo;

/// Signals come from the kernel: nobody makes one of these.
// stub: RustDaemon\SignalInfo::__construct
extern "C" fn construct(_frame: &mut ExecuteData, _result: &mut Zval) {}

/// The signal's number: SIGTERM is 15.
// stub: RustDaemon\SignalInfo::$signal
const SIGNAL: (&str, PropertyType) = ("signal", PropertyType::Int);

/// Its name: "SIGTERM", "SIGRTMIN+1".
// stub: RustDaemon\SignalInfo::$name
const NAME: (&str, PropertyType) = ("name", PropertyType::String);

/// How it came to be: si_code of sigaction(2). 0 kill(2), -1 with a value (sigqueue(3)), -6 to a thread (tgkill(2)),
/// 128 the kernel; for SIGCHLD 1 exited, 2 killed, 3 killed with a core, 4 trapped, 5 stopped, 6 continued.
// stub: RustDaemon\SignalInfo::$code
const CODE: (&str, PropertyType) = ("code", PropertyType::Int);

/// Who sent it, for SIGCHLD the child; 0: a process of another PID namespace; null: the kernel or a timer.
// stub: RustDaemon\SignalInfo::$senderPid
const SENDER_PID: (&str, PropertyType) = ("senderPid", PropertyType::IntOrNull);

/// The real user id of who sent it, for SIGCHLD of the child; null: the kernel or a timer.
// stub: RustDaemon\SignalInfo::$senderUid
const SENDER_UID: (&str, PropertyType) = ("senderUid", PropertyType::IntOrNull);

/// The sender's command name, up to 15 bytes, from /proc. It is looked up for SIGTERM, SIGINT, SIGQUIT and SIGHUP when
/// PHP first sees them, and by Signal::last(); null: not looked up, the sender had ended by then, or the same signal has
/// come again since.
// stub: RustDaemon\SignalInfo::$senderCommand
const SENDER_COMMAND: (&str, PropertyType) = ("senderCommand", PropertyType::StringOrNull);

/// The integer that came with it, by sigqueue(3), Signal::send() or a POSIX timer; null: none.
// stub: RustDaemon\SignalInfo::$value
const VALUE: (&str, PropertyType) = ("value", PropertyType::IntOrNull);

/// How many times this signal has arrived since it was first captured, this time included; a timer's overruns count.
/// Of standard signals that are pending at one moment the kernel keeps only one, and does not say how many there were.
// stub: RustDaemon\SignalInfo::$count
const COUNT: (&str, PropertyType) = ("count", PropertyType::Int);

const PROPERTIES: [(&str, PropertyType); 8] =
    [SIGNAL, NAME, CODE, SENDER_PID, SENDER_UID, SENDER_COMMAND, VALUE, COUNT];

/// Registers the class. MINIT only.
pub fn register() -> Result<()> {
    for (name, number) in NAMES.iter().zip(0_i32..) {
        name.store(engine::permanent_name(&signo::name(number)), Ordering::Relaxed);
    }
    ClassBuilder::new(CLASS)
        .flags(ClassFlags::Final | ClassFlags::NoDynamicProperties | ClassFlags::NotSerializable)
        .method(FunctionBuilder::new("__construct", construct), MethodFlags::Private)
        .registration(|class, arguments| {
            engine::declare_value(class, arguments, &PROPERTIES);
            ENTRY.set(class);
        })
        .register()
}

/// An object about a record of a signal; null before [`register`]. `spare`, an object without a command, is used again
/// when nobody has kept it.
#[inline(always)] // once per signal
pub fn object(record: &Record, count: u64, command: Option<&str>, spare: Option<Zval>) -> Zval {
    let Some(class) = ENTRY.get() else { return Zval::new() };
    let properties = spare.and_then(engine::renew_value).unwrap_or_else(|| engine::new_value(class));
    let sender = record.sender();
    let name = usize::try_from(record.number).ok().and_then(|number| NAMES.get(number));
    let name = name.map_or(std::ptr::null_mut(), |name| name.load(Ordering::Relaxed));
    properties
        .int(record.number.into())
        .name(name)
        .int(record.code.into())
        .int_or_null(sender.map(|(pid, _)| pid.into()))
        .int_or_null(sender.map(|(_, uid)| uid.into()))
        .string_or_null(command)
        .int_or_null(record.value().map(i64::from))
        .int(i64::try_from(count).unwrap_or(i64::MAX))
        .done()
}
