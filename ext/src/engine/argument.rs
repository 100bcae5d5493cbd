//! The arguments of our methods, as `zend_parse_parameters` reads them.
//!
//! # Rules
//! A `None` means that a `TypeError` or `ArgumentCountError` is pending. What is read borrows from the frame.
//! Sources: php-src Zend/zend_API.c (`zend_parse_arg_impl`).

use std::ffi::{CStr, c_char, c_int};

use ext_php_rs::types::{ZendStr, Zval};
use ext_php_rs::zend::{ExecuteData, ce};

use super::call::{Callable, ParsedCallable};
use super::exception::{self, Thrown};

unsafe extern "C" {
    fn zend_parse_parameters(num_args: u32, type_spec: *const c_char, ...) -> c_int;
    fn zend_argument_type_error(arg_num: u32, format: *const c_char, ...);
    fn zend_zval_type_name(arg: *const Zval) -> *const c_char;
}

const SUCCESS: c_int = 0;

/// `bytes:` of a channel, where it is not given.
pub const DEFAULT_CHANNEL_BYTES: i64 = 1 << 20;

fn argument_count(frame: &ExecuteData) -> u32 {
    // SAFETY: in a frame of a call, `u2` of `This` is the number of arguments.
    unsafe { frame.This.u2.num_args }
}

/// The arguments of `install()`, still unchecked.
pub struct InstallCall<'a> {
    /// `name:`
    pub name: Option<&'a [u8]>,
    /// `socket:`
    pub socket: Option<&'a [u8]>,
    /// `mode:`
    pub mode: IntOrString<'a>,
    /// `token:`
    pub token: Option<&'a [u8]>,
    /// `workers:`
    pub workers: i64,
}

/// An argument of type `int|string`.
#[derive(Clone, Copy)]
pub enum IntOrString<'a> {
    /// int
    Int(i64),
    /// string
    String(&'a [u8]),
}

impl<'a> IntOrString<'a> {
    fn of(value: &'a Zval) -> Option<Self> {
        let value = value.dereference();
        match (value.long(), value.zend_str()) {
            (Some(number), _) => Some(Self::Int(number)),
            (_, Some(text)) => Some(Self::String(text.as_bytes())),
            _ => None,
        }
    }
}

/// Throws a `TypeError` about an argument, counted from 1; `format` names the given type with `%s`.
fn type_error(argument: u32, format: &CStr, given: &Zval) {
    // SAFETY: a format with one string; the type's name is static.
    unsafe {
        zend_argument_type_error(argument, format.as_ptr(), zend_zval_type_name(given.dereference()));
    }
}

/// Arguments that name signals, from the one at `first` (counted from 0) on: each an int or a string, and with
/// `lists` an array of them. `None`: a `TypeError` is pending.
fn signals_from<'a>(arguments: &'a [Zval], first: u32, lists: bool) -> Option<Vec<IntOrString<'a>>> {
    let mut signals = Vec::new();
    for (at, argument) in (first + 1..).zip(arguments) {
        let elements = argument.dereference().array().filter(|_| lists);
        match (elements, IntOrString::of(argument)) {
            (Some(elements), _) => {
                for element in elements.values() {
                    let Some(signal) = IntOrString::of(element) else {
                        type_error(at, c"must hold signals as string|int only, %s given", element);
                        return None;
                    };
                    signals.push(signal);
                }
            }
            (None, Some(signal)) => signals.push(signal),
            (None, None) if lists => {
                type_error(at, c"must be of type array|string|int, %s given", argument);
                return None;
            }
            (None, None) => {
                type_error(at, c"must be of type string|int, %s given", argument);
                return None;
            }
        }
    }
    Some(signals)
}

/// The last arguments of a call, as zend_parse_parameters gives them for `*`.
struct Rest {
    first: *mut Zval,
    count: u32,
}

impl Rest {
    fn new() -> Self {
        Self { first: std::ptr::null_mut(), count: 0 }
    }

    /// # Safety
    /// Filled by the parser from a frame that lives for 'a.
    unsafe fn values<'a>(&self) -> &'a [Zval] {
        if self.count == 0 {
            return &[];
        }
        // SAFETY: as the caller promises.
        unsafe { std::slice::from_raw_parts(self.first, self.count as usize) }
    }
}

/// Parses `int|string|array $signals`; `None`: an exception is pending.
pub fn signals_call(frame: &ExecuteData) -> Option<Vec<IntOrString<'_>>> {
    let mut signals: *const Zval = std::ptr::null();
    // SAFETY: z zval*.
    let parsed = unsafe { zend_parse_parameters(argument_count(frame), c"z".as_ptr(), &raw mut signals) };
    // SAFETY: an argument of this frame.
    let signals = unsafe { signals.as_ref() }.filter(|_| parsed == SUCCESS)?;
    signals_from(std::slice::from_ref(signals), 0, true)
}

/// Parses `int|string $signal`; `None`: an exception is pending.
pub fn signal_call(frame: &ExecuteData) -> Option<IntOrString<'_>> {
    let mut signal: *const Zval = std::ptr::null();
    // SAFETY: z zval*.
    let parsed = unsafe { zend_parse_parameters(argument_count(frame), c"z".as_ptr(), &raw mut signal) };
    // SAFETY: an argument of this frame.
    let signal = unsafe { signal.as_ref() }.filter(|_| parsed == SUCCESS)?;
    signals_from(std::slice::from_ref(signal), 0, false)?.pop()
}

/// Parses `int|string|array $signals, callable $handler`; `None`: an exception is pending.
pub fn on_call(frame: &ExecuteData) -> Option<(Vec<IntOrString<'_>>, Callable)> {
    let mut signals: *const Zval = std::ptr::null();
    let mut callable = ParsedCallable::new();
    // SAFETY: z zval*, f zend_fcall_info and its cache.
    let parsed = unsafe {
        let (info, cache) = callable.targets();
        zend_parse_parameters(argument_count(frame), c"zf".as_ptr(), &raw mut signals, info, cache)
    };
    // SAFETY: an argument of this frame.
    let signals = unsafe { signals.as_ref() }.filter(|_| parsed == SUCCESS)?;
    let signals = signals_from(std::slice::from_ref(signals), 0, true)?;
    // SAFETY: filled by the successful call.
    Some((signals, unsafe { callable.take() }))
}

/// Parses `callable $section, int|string ...$signals`; `None`: an exception is pending.
pub fn section_call(frame: &ExecuteData) -> Option<(Callable, Vec<IntOrString<'_>>)> {
    let mut callable = ParsedCallable::new();
    let mut rest = Rest::new();
    // SAFETY: f zend_fcall_info and its cache, * the rest.
    let parsed = unsafe {
        let (info, cache) = callable.targets();
        let (first, count) = (&raw mut rest.first, &raw mut rest.count);
        zend_parse_parameters(argument_count(frame), c"f*".as_ptr(), info, cache, first, count)
    };
    if parsed != SUCCESS {
        return None;
    }
    // SAFETY: filled by the successful call from this frame.
    let signals = signals_from(unsafe { rest.values() }, 1, false)?;
    // SAFETY: filled by the successful call.
    Some((unsafe { callable.take() }, signals))
}

/// Parses `?float $timeout, int|string ...$signals`; `None`: an exception is pending.
pub fn wait_call(frame: &ExecuteData) -> Option<(Option<f64>, Vec<IntOrString<'_>>)> {
    let (mut seconds, mut is_null) = (0.0_f64, false);
    let mut rest = Rest::new();
    // SAFETY: d! double and bool, * the rest.
    let parsed = unsafe {
        let (first, count) = (&raw mut rest.first, &raw mut rest.count);
        zend_parse_parameters(
            argument_count(frame),
            c"d!*".as_ptr(),
            &raw mut seconds,
            &raw mut is_null,
            first,
            count,
        )
    };
    if parsed != SUCCESS {
        return None;
    }
    // SAFETY: filled by the successful call from this frame.
    let signals = signals_from(unsafe { rest.values() }, 1, false)?;
    Some(((!is_null).then_some(seconds), signals))
}

/// Parses `int $pid, int|string $signal, ?int $value`; `None`: an exception is pending.
pub fn send_call(frame: &ExecuteData) -> Option<(i64, IntOrString<'_>, Option<i64>)> {
    let (mut pid, mut value, mut no_value) = (0_i64, 0_i64, true);
    let mut signal: *const Zval = std::ptr::null();
    // SAFETY: l zend_long, z zval*, l! zend_long and bool.
    let parsed = unsafe {
        zend_parse_parameters(
            argument_count(frame),
            c"lz|l!".as_ptr(),
            &raw mut pid,
            &raw mut signal,
            &raw mut value,
            &raw mut no_value,
        )
    };
    // SAFETY: an argument of this frame.
    let signal = unsafe { signal.as_ref() }.filter(|_| parsed == SUCCESS)?;
    let signal = signals_from(std::slice::from_ref(signal), 1, false)?.pop()?;
    Some((pid, signal, (!no_value).then_some(value)))
}

/// Parses the argument of `sleep()`; `None`: an exception is pending.
pub fn seconds_argument(frame: &ExecuteData) -> Option<f64> {
    let mut seconds = 0.0_f64;
    // SAFETY: d double.
    let parsed = unsafe { zend_parse_parameters(argument_count(frame), c"d".as_ptr(), &raw mut seconds) };
    (parsed == SUCCESS).then_some(seconds)
}

/// Parses the arguments of `install()`; `None`: a `TypeError` or `ArgumentCountError` is pending.
pub fn install_call<'a>(frame: &'a ExecuteData, mode: u32) -> Option<InstallCall<'a>> {
    let (mut name, mut socket, mut token) = (std::ptr::null(), std::ptr::null(), std::ptr::null());
    let mut mode_value: *const Zval = std::ptr::null();
    let mut workers = 1_i64;
    // SAFETY: each target has the type that its letter stands for: S! zend_string*, z zval*, l zend_long.
    let parsed = unsafe {
        zend_parse_parameters(
            argument_count(frame),
            c"|S!S!zS!l".as_ptr(),
            &raw mut name,
            &raw mut socket,
            &raw mut mode_value,
            &raw mut token,
            &raw mut workers,
        )
    };
    if parsed != SUCCESS {
        return None;
    }
    // SAFETY: null or an argument of this very frame, which keeps it alive for 'a.
    let mode_value: Option<&'a Zval> = unsafe { mode_value.as_ref() };
    let mode_value = mode_value.map(Zval::dereference);
    let mode = match mode_value {
        None => IntOrString::Int(i64::from(mode)),
        Some(value) => match IntOrString::of(value) {
            Some(mode) => mode,
            None => {
                type_error(3, c"must be of type string|int, %s given", value);
                return None;
            }
        },
    };
    // SAFETY: null or strings that the frame keeps alive for 'a.
    let (name, socket, token) = unsafe { (bytes(name), bytes(socket), bytes(token)) };
    Some(InstallCall { name, socket, mode, token, workers })
}

/// # Safety
/// Null, or a string that lives for 'a.
pub(super) unsafe fn bytes<'a>(string: *const ZendStr) -> Option<&'a [u8]> {
    // SAFETY: as the caller promises.
    unsafe { string.as_ref() }.map(ZendStr::as_bytes)
}

/// The arguments of `expose()`, still unchecked.
pub struct ExposeCall<'a> {
    /// `method:`
    pub method: &'a [u8],
    /// `handler:`
    pub handler: Callable,
    /// `description:`
    pub description: Option<&'a [u8]>,
    /// `idempotent:`
    pub idempotent: bool,
}

/// Parses the arguments of `expose()`; `None`: a `TypeError` or `ArgumentCountError` is pending.
pub fn expose_call(frame: &ExecuteData) -> Option<ExposeCall<'_>> {
    let (mut method, mut description) = (std::ptr::null(), std::ptr::null());
    let mut callable = ParsedCallable::new();
    let mut idempotent = false;
    // SAFETY: S zend_string*, f zend_fcall_info and its cache, S! zend_string*, b bool.
    let parsed = unsafe {
        let (info, cache) = callable.targets();
        zend_parse_parameters(
            argument_count(frame),
            c"Sf|S!b".as_ptr(),
            &raw mut method,
            info,
            cache,
            &raw mut description,
            &raw mut idempotent,
        )
    };
    if parsed != SUCCESS {
        return None;
    }
    // SAFETY: filled by the successful call.
    let handler = unsafe { callable.take() };
    // SAFETY: the frame keeps its arguments alive as long as `frame` is borrowed.
    let (method, description) = unsafe { (bytes(method)?, bytes(description)) };
    Some(ExposeCall { method, handler, description, idempotent })
}

/// Parses the argument of `tick()`; `None`: a `TypeError` or `ArgumentCountError` is pending.
pub fn timeout_argument(frame: &ExecuteData) -> Option<Option<f64>> {
    let (mut seconds, mut is_null) = (0.0_f64, false);
    // SAFETY: d! double and bool.
    let parsed = unsafe {
        let (seconds, is_null) = (&raw mut seconds, &raw mut is_null);
        zend_parse_parameters(argument_count(frame), c"d!".as_ptr(), seconds, is_null)
    };
    (parsed == SUCCESS).then_some((!is_null).then_some(seconds))
}

/// Parses `?float $timeout = null`; `None`: an exception is pending.
pub fn optional_timeout(frame: &ExecuteData) -> Option<Option<f64>> {
    if argument_count(frame) == 0 {
        return Some(None);
    }
    let (mut seconds, mut is_null) = (0.0_f64, true);
    // SAFETY: d! double and bool.
    let parsed = unsafe {
        let (seconds, is_null) = (&raw mut seconds, &raw mut is_null);
        zend_parse_parameters(argument_count(frame), c"|d!".as_ptr(), seconds, is_null)
    };
    (parsed == SUCCESS).then_some((!is_null).then_some(seconds))
}

/// Parses a `?float` that is `otherwise` where it is missing; `None`: an exception is pending.
pub fn optional_seconds(frame: &ExecuteData, otherwise: f64) -> Option<Option<f64>> {
    if argument_count(frame) == 0 { Some(Some(otherwise)) } else { optional_timeout(frame) }
}

/// Parses one or two `int`, of which the first `required` must be given and the others are as in `defaults`; `None`: an
/// exception is pending.
pub fn int_arguments<const N: usize>(
    frame: &ExecuteData,
    defaults: [i64; N],
    required: usize,
) -> Option<[i64; N]> {
    let mut values = defaults;
    let targets = values.each_mut().map(std::ptr::from_mut);
    let target = |index: usize| targets.get(index).copied().unwrap_or_default();
    let types = match (N, required) {
        (1, 0) => c"|l",
        (1, _) => c"l",
        _ => c"ll",
    };
    // SAFETY: as many zend_long as there are letters; what is given beyond them is not looked at.
    let parsed =
        unsafe { zend_parse_parameters(argument_count(frame), types.as_ptr(), target(0), target(1)) };
    (parsed == SUCCESS).then_some(values)
}

/// An argument as it was given, counted from 0. `None`: so many were not given.
fn given(frame: &ExecuteData, index: u32) -> Option<&Zval> {
    let first = size_of::<ExecuteData>().div_ceil(size_of::<Zval>()); // ZEND_CALL_FRAME_SLOT
    // SAFETY: a call's arguments lie behind its frame.
    let at = |index: u32| unsafe { &*std::ptr::from_ref(frame).cast::<Zval>().add(first + index as usize) };
    (index < argument_count(frame)).then(|| at(index))
}

/// The one argument of a call that has one; for methods that are called a million times a second.
fn only(frame: &ExecuteData) -> Option<&Zval> {
    given(frame, 0).filter(|_| argument_count(frame) == 1)
}

/// Parses `mixed $value, ?float $timeout`, where a call without the second has `default`; `None`: an exception is pending.
pub fn value_and_timeout(frame: &ExecuteData, default: Option<f64>) -> Option<(&Zval, Option<f64>)> {
    if let Some(value) = only(frame) {
        return Some((value, default));
    }
    let mut value: *const Zval = std::ptr::null();
    let (mut seconds, mut is_null) = (default.unwrap_or_default(), default.is_none());
    // SAFETY: z zval*, d! double and bool.
    let parsed = unsafe {
        let (seconds, is_null) = (&raw mut seconds, &raw mut is_null);
        zend_parse_parameters(argument_count(frame), c"z|d!".as_ptr(), &raw mut value, seconds, is_null)
    };
    // SAFETY: an argument of this frame.
    let value = unsafe { value.as_ref() }.filter(|_| parsed == SUCCESS)?;
    Some((value, (!is_null).then_some(seconds)))
}

/// What `Channel::create()` and `open()` were given.
pub struct ChannelCall<'a> {
    /// `name:`
    pub name: Option<&'a [u8]>,
    /// `bytes:`
    pub bytes: Option<i64>,
    /// `allowedClasses:`; not given: false.
    pub allowed_classes: Option<&'a Zval>,
}

/// Parses `[string $name,] ?int $bytes, bool|array $allowedClasses`; `None`: an exception is pending.
pub fn channel_call(frame: &ExecuteData, named: bool) -> Option<ChannelCall<'_>> {
    let mut name = std::ptr::null();
    let (mut bytes_given, mut is_null) = (0_i64, true);
    let mut classes: *const Zval = std::ptr::null();
    let count = argument_count(frame);
    // SAFETY: S zend_string*, l! zend_long and bool, z zval*.
    let parsed = unsafe {
        let (number, is_null, classes) = (&raw mut bytes_given, &raw mut is_null, &raw mut classes);
        if named {
            zend_parse_parameters(count, c"S|l!z".as_ptr(), &raw mut name, number, is_null, classes)
        } else {
            is_null.write(false);
            number.write(DEFAULT_CHANNEL_BYTES);
            zend_parse_parameters(count, c"|lz".as_ptr(), number, classes)
        }
    };
    if parsed != SUCCESS {
        return None;
    }
    // SAFETY: filled by the successful call from this frame, which keeps them alive.
    let (name, allowed_classes) = unsafe { (bytes(name), classes.as_ref()) };
    Some(ChannelCall { name, bytes: (!is_null).then_some(bytes_given), allowed_classes })
}

/// Parses `string $what, ?float $deadline`; `None`: an exception is pending.
pub fn busy_call(frame: &ExecuteData) -> Option<(&[u8], Option<f64>)> {
    let mut what = std::ptr::null();
    let (mut seconds, mut is_null) = (0.0_f64, true);
    // SAFETY: S zend_string*, d! double and bool.
    let parsed = unsafe {
        let (seconds, is_null) = (&raw mut seconds, &raw mut is_null);
        zend_parse_parameters(argument_count(frame), c"S|d!".as_ptr(), &raw mut what, seconds, is_null)
    };
    // SAFETY: filled by the successful call from this frame, which keeps it alive.
    let what = if parsed == SUCCESS { unsafe { bytes(what) } } else { None }?;
    Some((what, (!is_null).then_some(seconds)))
}

/// Parses `string $value, ?float $ttl = 600.0`; `None`: an exception is pending.
pub fn bind_call(frame: &ExecuteData) -> Option<(&[u8], Option<f64>)> {
    let mut value = std::ptr::null();
    let (mut seconds, mut is_null) = (600.0_f64, false);
    // SAFETY: S zend_string*, d! double and bool.
    let parsed = unsafe {
        let (seconds, is_null) = (&raw mut seconds, &raw mut is_null);
        zend_parse_parameters(argument_count(frame), c"S|d!".as_ptr(), &raw mut value, seconds, is_null)
    };
    // SAFETY: filled by the successful call from this frame, which keeps it alive.
    let value = if parsed == SUCCESS { unsafe { bytes(value) } } else { None }?;
    Some((value, (!is_null).then_some(seconds)))
}

/// Parses `string $value`; `None`: an exception is pending.
pub fn text_call(frame: &ExecuteData) -> Option<&[u8]> {
    let mut value = std::ptr::null();
    // SAFETY: S zend_string*.
    let parsed = unsafe { zend_parse_parameters(argument_count(frame), c"S".as_ptr(), &raw mut value) };
    // SAFETY: filled by the successful call from this frame, which keeps it alive.
    if parsed == SUCCESS { unsafe { bytes(value) } } else { None }
}

/// Parses `mixed $value`, which lives as long as the call; `None`: an exception is pending.
pub fn any_call(frame: &ExecuteData) -> Option<*mut Zval> {
    let mut value: *mut Zval = std::ptr::null_mut();
    // SAFETY: z zval*.
    let parsed = unsafe { zend_parse_parameters(argument_count(frame), c"z".as_ptr(), &raw mut value) };
    (parsed == SUCCESS && !value.is_null()).then_some(value)
}

/// The argument of `fail()`.
pub enum Why<'a> {
    /// `\Throwable`
    Throwable(Thrown),
    /// string
    Text(&'a [u8]),
}

/// Parses `\Throwable|string $why`; `None`: an exception is pending.
pub fn fail_call(frame: &ExecuteData) -> Option<Why<'_>> {
    // SAFETY: an argument of this frame.
    let why = unsafe { any_call(frame)?.as_ref() }.map(Zval::dereference)?;
    if let Some(text) = why.zend_str() {
        return Some(Why::Text(text.as_bytes()));
    }
    let throwable = why.object().filter(|object| object.instance_of(ce::throwable()));
    if throwable.is_none() {
        type_error(1, c"must be of type Throwable|string, %s given", why);
    }
    throwable.map(|object| Why::Throwable(exception::read(object)))
}

/// Parses `?string $status`; `None`: an exception is pending.
pub fn progress_call(frame: &ExecuteData) -> Option<Option<&[u8]>> {
    let mut status = std::ptr::null();
    // SAFETY: S! zend_string*.
    let parsed = unsafe { zend_parse_parameters(argument_count(frame), c"|S!".as_ptr(), &raw mut status) };
    // SAFETY: null or an argument of this frame, which keeps it alive.
    (parsed == SUCCESS).then(|| unsafe { bytes(status) })
}

/// Parses `callable $callback`; `None`: an exception is pending.
pub fn callback_call(frame: &ExecuteData) -> Option<Callable> {
    let mut callable = ParsedCallable::new();
    // SAFETY: f zend_fcall_info and its cache.
    let parsed = unsafe {
        let (info, cache) = callable.targets();
        zend_parse_parameters(argument_count(frame), c"f".as_ptr(), info, cache)
    };
    // SAFETY: filled by the successful call.
    (parsed == SUCCESS).then(|| unsafe { callable.take() })
}

/// The arguments of `every()` and `after()`, still unchecked.
pub struct TaskCall {
    /// `seconds:`
    pub seconds: f64,
    /// `task:`
    pub task: Callable,
}

/// Parses `float $seconds, callable $task`; `None`: an exception is pending.
pub fn task_call(frame: &ExecuteData) -> Option<TaskCall> {
    let mut seconds = 0.0_f64;
    let mut callable = ParsedCallable::new();
    // SAFETY: d double, f zend_fcall_info and its cache.
    let parsed = unsafe {
        let (info, cache) = callable.targets();
        zend_parse_parameters(argument_count(frame), c"df".as_ptr(), &raw mut seconds, info, cache)
    };
    // SAFETY: filled by the successful call.
    (parsed == SUCCESS).then(|| TaskCall { seconds, task: unsafe { callable.take() } })
}

/// Whether there are no arguments, as there should be; else an `ArgumentCountError` is pending.
pub fn no_arguments(frame: &ExecuteData) -> bool {
    // SAFETY: no targets for an empty specification.
    unsafe { zend_parse_parameters(argument_count(frame), c"".as_ptr()) == SUCCESS }
}
