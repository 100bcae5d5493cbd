//! The Zend engine, as far as ext-php-rs does not wrap it: the only module with raw engine symbols.
//!
//! # Rules
//! A fatal error in PHP code (before PHP 8.2.35 also the memory limit) leaves by longjmp and runs no `Drop`. So:
//! nothing that needs dropping, no borrow and no lock is alive in the caller while one of the functions under
//! *Calls PHP* runs. What must survive lives in a static or in memory of the Zend allocator, which ends with the
//! request. Our own methods run inside [`method`], which turns a Rust panic into a PHP `Error`.
//!
//! Sources: php-src Zend/zend_API.h, Zend/zend_exceptions.h, Zend/zend_globals.h, Zend/zend_vm_def.h
//! (`zend_interrupt_helper`), main/php_output.h, ext/json/php_json.h, ext/spl/spl_exceptions.h.

use std::ffi::{CStr, CString, c_char, c_int};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, OnceLock};

use ext_php_rs::args::ArgInfoTables;
use ext_php_rs::exception::PhpException;
use ext_php_rs::ffi;
use ext_php_rs::types::{ZendHashTable, ZendObject, ZendStr, Zval};
use ext_php_rs::zend::{ClassEntry, ExecuteData, ZendObjectHandlers, ce, run_handler};

pub mod interrupt;
pub mod stream;

/// `zend_fcall_info`. A null `params` with all arguments in `named_params`, those with integer keys first.
#[repr(C)]
struct FcallInfo {
    size: usize,
    function_name: MaybeUninit<Zval>,
    retval: *mut Zval,
    params: *mut Zval,
    object: *mut ZendObject,
    param_count: u32,
    named_params: *mut ZendHashTable,
}

/// `smart_str`.
#[repr(C)]
struct SmartStr {
    s: *mut ZendStr,
    a: usize,
}

unsafe extern "C" {
    static spl_ce_RuntimeException: *mut ClassEntry;
    static spl_ce_LogicException: *mut ClassEntry;
    static spl_ce_InvalidArgumentException: *mut ClassEntry;
    static zend_ce_closure: *mut ClassEntry;
    static module_registry: ZendHashTable;

    fn zend_parse_parameters(num_args: u32, type_spec: *const c_char, ...) -> c_int;
    fn zend_argument_type_error(arg_num: u32, format: *const c_char, ...);
    fn zend_zval_type_name(arg: *const Zval) -> *const c_char;
    fn zend_declare_typed_property(
        ce: *mut ClassEntry,
        name: *mut ZendStr,
        property: *mut Zval,
        access_type: c_int,
        doc_comment: *mut ZendStr,
        type_: ffi::zend_type,
    ) -> *mut ffi::zend_property_info;
    fn zend_update_property_stringl(
        scope: *mut ClassEntry,
        object: *mut ZendObject,
        name: *const c_char,
        name_length: usize,
        value: *const c_char,
        value_length: usize,
    );
    fn zend_update_property_long(
        scope: *mut ClassEntry,
        object: *mut ZendObject,
        name: *const c_char,
        name_length: usize,
        value: i64,
    );
    fn zend_call_function(fci: *mut FcallInfo, cache: *mut ffi::zend_fcall_info_cache) -> c_int;
    fn zend_clear_exception();
    fn zend_exception_set_previous(exception: *mut ZendObject, add_previous: *mut ZendObject);
    fn zend_is_unwind_exit(exception: *const ZendObject) -> bool;
    fn zend_is_graceful_exit(exception: *const ZendObject) -> bool;
    fn zend_ini_string(name: *const c_char, name_length: usize, orig: c_int) -> *mut c_char;
    fn zend_unregister_ini_entries(module_number: c_int);
    fn display_ini_entries(module: *mut ffi::zend_module_entry);
    fn zend_get_constant_str(name: *const c_char, name_length: usize) -> *mut Zval;
    fn php_output_get_status() -> c_int;
    fn php_output_flush_all();
    fn php_json_encode_ex(buf: *mut SmartStr, val: *mut Zval, options: c_int, depth: i64) -> c_int;
    fn php_json_decode_ex(
        return_value: *mut Zval,
        text: *const c_char,
        length: usize,
        options: i64,
        depth: i64,
    ) -> c_int;
}

const SUCCESS: c_int = 0;
/// `EG_FLAGS_IN_SHUTDOWN`: shutdown functions are running or have run.
const IN_SHUTDOWN: u8 = 1;
/// `PHP_OUTPUT_LOCKED`: an output callback is running.
const OUTPUT_LOCKED: c_int = 0x20;
/// A flag of a refcounted value: no part of a cycle.
const GC_NOT_COLLECTABLE: u32 = 1 << 4;
/// `ZEND_ACC_READONLY`.
const READONLY: c_int = 1 << 7;
const MAY_BE_NULL: u32 = 1 << ffi::IS_NULL;
const MAY_BE_ARRAY: u32 = 1 << ffi::IS_ARRAY;
const MAY_BE_LONG: u32 = 1 << ffi::IS_LONG;
const MAY_BE_STRING: u32 = 1 << ffi::IS_STRING;
/// `PHP_JSON_OBJECT_AS_ARRAY`.
const OBJECT_AS_ARRAY: i64 = 1;
/// PHP's own default for both directions.
const JSON_DEPTH: i64 = 512;

fn globals() -> *mut ffi::zend_executor_globals {
    // SAFETY: the executor globals of this thread exist as long as the module is loaded.
    unsafe { ffi::ext_php_rs_executor_globals() }
}

// ---- the process ----------------------------------------------------------------------------------------------

/// Whether a module that starts with this kind (MINIT's first argument) was loaded by `dl()`: it ends with the request.
pub fn is_loaded_by_dl(kind: c_int) -> bool {
    u32::try_from(kind) == Ok(ffi::MODULE_TEMPORARY)
}

/// The SAPI's name, `cli` for instance.
pub fn sapi_name() -> String {
    // SAFETY: set before any module starts; the name is a static C string.
    unsafe {
        let name = (*ffi::ext_php_rs_sapi_module()).name;
        if name.is_null() { String::new() } else { CStr::from_ptr(name).to_string_lossy().into_owned() }
    }
}

/// The version of PHP that runs, which may be newer than the one we were built for.
pub fn php_version() -> String {
    let name = "PHP_VERSION";
    // SAFETY: null or a constant that lives as long as the module.
    let value = unsafe { zend_get_constant_str(name.as_ptr().cast(), name.len()).as_ref() };
    value.and_then(Zval::string).unwrap_or_default()
}

/// Prints a PHP warning.
pub fn warn(message: &CStr) {
    let level = c_int::try_from(ffi::E_WARNING).unwrap_or(2);
    // SAFETY: a format with one string, which outlives the call.
    unsafe { ffi::php_error_docref(std::ptr::null(), level, c"%s".as_ptr(), message.as_ptr()) };
}

/// The value of an ini entry of ours.
pub fn ini(name: &CStr) -> Vec<u8> {
    // SAFETY: returns null or a string that lives until the entry changes; copied at once.
    unsafe {
        let value = zend_ini_string(name.as_ptr(), name.count_bytes(), 0);
        if value.is_null() { Vec::new() } else { CStr::from_ptr(value).to_bytes().to_vec() }
    }
}

/// Takes the module's ini entries back.
pub fn unregister_ini(module_number: i32) {
    // SAFETY: called once, from MSHUTDOWN.
    unsafe { zend_unregister_ini_entries(module_number) };
}

/// A table of `phpinfo()`: its rows, then the module's ini entries.
pub fn info_table(module: *mut ffi::zend_module_entry, rows: &[(&str, &str)]) {
    let rows = rows.iter().map(|(name, value)| (c_string(name.as_bytes()), c_string(value.as_bytes())));
    let rows: Vec<_> = rows.collect();
    // SAFETY: two C strings for two columns, alive until the call returns; the engine gave us `module`.
    unsafe {
        ffi::php_info_print_table_start();
        for (name, value) in &rows {
            ffi::php_info_print_table_row(2, name.as_ptr(), value.as_ptr());
        }
        ffi::php_info_print_table_end();
        display_ini_entries(module);
    }
}

/// Removes a variable from the process's environment, from `$_ENV` and from `$_SERVER`.
pub fn forget_variable(name: &str) {
    let c_name = c_string(name.as_bytes());
    // SAFETY: CLI only, where PHP's single thread reads the environment; a C string that outlives the call.
    unsafe { libc::unsetenv(c_name.as_ptr()) };
    // SAFETY: both tables live as long as the request, of which we are part; `array_mut` separates what is shared.
    unsafe {
        let symbols = &raw mut (*globals()).symbol_table;
        for table in ["_ENV", "_SERVER"] {
            let array = ffi::zend_hash_str_find(symbols, table.as_ptr().cast(), table.len());
            remove_key(array, name);
        }
        let tracked = &raw mut (*ffi::ext_php_rs_process_globals()).http_globals;
        for index in [ffi::TRACK_VARS_ENV, ffi::TRACK_VARS_SERVER] {
            let index = usize::try_from(index).unwrap_or_default();
            remove_key(tracked.cast::<Zval>().add(index), name);
        }
    }
}

/// # Safety
/// `array` is null or a live zval.
unsafe fn remove_key(array: *mut Zval, name: &str) {
    // SAFETY: as the caller promises.
    let array = unsafe { array.as_mut() }.and_then(Zval::array_mut);
    if let Some(array) = array {
        drop(array.remove(name));
    }
}

// ---- where we are called --------------------------------------------------------------------------------------

/// Whether a fiber is running.
pub fn in_fiber() -> bool {
    // SAFETY: a plain field.
    unsafe { !(*globals()).active_fiber.is_null() }
}

/// Whether an output callback is running.
pub fn in_output_callback() -> bool {
    // SAFETY: reads the output layer's flags.
    unsafe { php_output_get_status() & OUTPUT_LOCKED != 0 }
}

/// Whether the request is over and its shutdown functions run.
pub fn in_shutdown() -> bool {
    // SAFETY: a plain field.
    unsafe { (*globals()).flags & IN_SHUTDOWN != 0 }
}

/// Whether one of the functions on the stack is its class's destructor.
pub fn in_destructor() -> bool {
    frames().any(|function| {
        // SAFETY: `frames` yields functions of live frames.
        unsafe {
            let scope = (*function).common.scope;
            !scope.is_null() && (*scope).destructor == function
        }
    })
}

/// The names of the outermost PHP code: what PHP calls it (`Standard input code`), and the script as it was typed.
pub fn main_script() -> [Vec<u8>; 2] {
    let outermost = frames()
        // SAFETY: `frames` yields functions of live frames.
        .filter(|function| unsafe { u32::from((**function).common.type_) } != ffi::ZEND_INTERNAL_FUNCTION)
        .last();
    // SAFETY: what is not internal is an op array, a file or evaluated code; its file name is a live string.
    let called = outermost.and_then(|function| unsafe { (*function).op_array.filename.as_ref() });
    let called = called.map(|name| name.as_bytes().to_vec()).unwrap_or_default();
    // SAFETY: php-cli keeps at least one argument, the script, as C strings for as long as the process lives.
    let typed = unsafe {
        let request = &raw const (*ffi::ext_php_rs_sapi_globals()).request_info;
        let first = if (*request).argc > 0 { *(*request).argv } else { std::ptr::null_mut() };
        if first.is_null() { Vec::new() } else { CStr::from_ptr(first).to_bytes().to_vec() }
    };
    [called, typed]
}

fn frames() -> impl Iterator<Item = *mut ffi::zend_function> {
    // SAFETY: the stack of frames is well-formed while one of our methods runs.
    let mut frame = unsafe { (*globals()).current_execute_data };
    std::iter::from_fn(move || {
        while !frame.is_null() {
            // SAFETY: a live frame; see above.
            let function = unsafe { (*frame).func };
            // SAFETY: as above.
            frame = unsafe { (*frame).prev_execute_data };
            if !function.is_null() {
                return Some(function);
            }
        }
        None
    })
}

// ---- arguments and results of our methods -----------------------------------------------------------------------

/// Runs the body of a method: a panic becomes a PHP `Error`, a fatal error goes on to the engine.
pub fn method(body: impl FnOnce()) {
    run_handler(AssertUnwindSafe(body));
}

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

/// Where the parser puts a callable.
struct ParsedCallable {
    info: MaybeUninit<FcallInfo>,
    cache: MaybeUninit<ffi::zend_fcall_info_cache>,
}

impl ParsedCallable {
    fn new() -> Self {
        Self { info: MaybeUninit::zeroed(), cache: MaybeUninit::zeroed() }
    }

    fn targets(&mut self) -> (*mut FcallInfo, *mut ffi::zend_fcall_info_cache) {
        (self.info.as_mut_ptr(), self.cache.as_mut_ptr())
    }

    /// # Safety
    /// Filled by a successful call of the parser.
    unsafe fn take(&self) -> Callable {
        // SAFETY: as the caller promises; `function_name` is the argument itself, not a reference of its own.
        unsafe {
            let info = self.info.assume_init_ref();
            let name = info.function_name.assume_init_ref().shallow_clone();
            let is_closure = name.object().is_some_and(|object| std::ptr::eq(object.ce, zend_ce_closure));
            Callable { name, cache: self.cache.assume_init(), is_closure }
        }
    }
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
unsafe fn bytes<'a>(string: *const ZendStr) -> Option<&'a [u8]> {
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

/// Whether there are no arguments, as there should be; else an `ArgumentCountError` is pending.
pub fn no_arguments(frame: &ExecuteData) -> bool {
    // SAFETY: no targets for an empty specification.
    unsafe { zend_parse_parameters(argument_count(frame), c"".as_ptr()) == SUCCESS }
}

/// A value that nobody drops: a bailout may pass over it, and the Zend allocator ends it with the request.
pub struct Slot(ManuallyDrop<Zval>);

impl Slot {
    /// An empty one.
    pub fn new() -> Self {
        Self(ManuallyDrop::new(Zval::new()))
    }

    /// With a value in it.
    pub fn of(value: Zval) -> Self {
        Self(ManuallyDrop::new(value))
    }

    /// What it holds.
    pub fn value(&mut self) -> &mut Zval {
        &mut self.0
    }

    /// What it holds, to be dropped by the caller.
    pub fn into_value(self) -> Zval {
        ManuallyDrop::into_inner(self.0)
    }

    /// Calls PHP: frees what it holds, which may run destructors.
    pub fn free(mut self) {
        // SAFETY: the second byte of a zval's type holds its flags; none: nothing to free.
        if unsafe { self.0.u1.type_info } & 0xff00 == 0 {
            return;
        }
        // SAFETY: `self` is consumed; nobody sees the value again.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}

// ---- classes --------------------------------------------------------------------------------------------------

/// `\RuntimeException`.
pub fn runtime_exception() -> &'static ClassEntry {
    // SAFETY: SPL is built in and starts before any shared module.
    unsafe { &*spl_ce_RuntimeException }
}

/// `\LogicException`.
pub fn logic_exception() -> &'static ClassEntry {
    // SAFETY: as above.
    unsafe { &*spl_ce_LogicException }
}

/// `\InvalidArgumentException`.
pub fn invalid_argument_exception() -> &'static ClassEntry {
    // SAFETY: as above.
    unsafe { &*spl_ce_InvalidArgumentException }
}

/// Keeps the parameter tables of a class for the life of the process: the engine goes on pointing into them.
pub fn keep_parameters(tables: ArgInfoTables) {
    struct Kept(#[allow(dead_code, reason = "kept, never read")] ArgInfoTables);
    // SAFETY: plain data behind pointers, never touched again.
    unsafe impl Send for Kept {}
    static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
    if let Ok(mut kept) = KEPT.lock() {
        kept.push(Kept(tables));
    }
}

/// The type of a property.
#[derive(Clone, Copy)]
pub enum PropertyType {
    /// int
    Int,
    /// string
    String,
    /// ?int
    IntOrNull,
    /// ?string
    StringOrNull,
}

/// Declares a typed `public readonly` property. Call it from MINIT only.
pub fn declare_readonly(class: &mut ClassEntry, name: &str, of_type: PropertyType) {
    let access = c_int::try_from(ffi::ZEND_ACC_PUBLIC).unwrap_or(1) | READONLY;
    let type_mask = match of_type {
        PropertyType::Int => MAY_BE_LONG,
        PropertyType::String => MAY_BE_STRING,
        PropertyType::IntOrNull => MAY_BE_LONG | MAY_BE_NULL,
        PropertyType::StringOrNull => MAY_BE_STRING | MAY_BE_NULL,
    };
    let type_ = ffi::zend_type { ptr: std::ptr::null_mut(), type_mask };
    let name = ZendStr::new_interned(name, true).into_raw();
    let mut undefined = MaybeUninit::<Zval>::zeroed(); // all zero is IS_UNDEF: no default value
    // SAFETY: a permanent name, an undefined default, a type without a pointer; the class is being registered.
    unsafe {
        zend_declare_typed_property(class, name, undefined.as_mut_ptr(), access, std::ptr::null_mut(), type_);
    }
}

/// A parameter's type that ext-php-rs cannot express.
#[derive(Clone, Copy)]
pub enum ParameterType {
    /// int|string
    IntOrString,
    /// int|string|array
    IntOrStringOrArray,
}

/// Gives the parameter at `index` of a method such a type. MINIT only.
pub fn set_parameter_type(class: &mut ClassEntry, method: &str, index: usize, of_type: ParameterType) {
    let types = match of_type {
        ParameterType::IntOrString => MAY_BE_LONG | MAY_BE_STRING,
        ParameterType::IntOrStringOrArray => MAY_BE_LONG | MAY_BE_STRING | MAY_BE_ARRAY,
    };
    let method = method.to_ascii_lowercase();
    // SAFETY: the method's arg_info is memory of ours or of the engine that lives as long as the class, and no PHP
    // code runs yet.
    unsafe {
        let table = &raw mut class.function_table;
        let entry = ffi::zend_hash_str_find(table, method.as_ptr().cast(), method.len());
        if let Some(entry) = entry.as_ref() {
            let function = entry.value.ptr.cast::<ffi::zend_function>();
            let parameter = (*function).internal_function.arg_info.add(index);
            let rest = (*parameter).type_.type_mask & !ffi::MAY_BE_ANY;
            (*parameter).type_.type_mask = rest | types;
        }
    }
}

struct HandleTable(ZendObjectHandlers);
// SAFETY: function pointers and an offset, written once.
unsafe impl Send for HandleTable {}
// SAFETY: as above.
unsafe impl Sync for HandleTable {}

fn handle_handlers() -> *const ZendObjectHandlers {
    static HANDLERS: OnceLock<HandleTable> = OnceLock::new();
    let handlers = HANDLERS.get_or_init(|| {
        // SAFETY: plain data of function pointers, copied.
        let mut handlers = unsafe { std::ptr::read(&raw const ffi::std_object_handlers) };
        handlers.clone_obj = None;
        HandleTable(handlers)
    });
    &raw const handlers.0
}

extern "C" fn create_handle(class: *mut ClassEntry) -> *mut ZendObject {
    // SAFETY: what the engine does for a class without a `create_object` of its own, then other handlers.
    unsafe {
        let object = ffi::zend_objects_new(class);
        ffi::object_properties_init(object, class);
        (*object).handlers = handle_handlers();
        object
    }
}

/// Makes a final class one whose objects only this extension makes: `new`, `clone` and reflection are refused.
pub fn make_handle_class(class: &mut ClassEntry) {
    class.__bindgen_anon_2.create_object = Some(create_handle);
}

/// A new object of a class made by [`make_handle_class`].
pub fn new_handle(class: &'static ClassEntry) -> Zval {
    let mut value = Zval::new();
    value.value.obj = create_handle(std::ptr::from_ref(class).cast_mut());
    value.u1.type_info = ffi::IS_OBJECT_EX;
    value
}

/// Sets a readonly property of a new object, once.
pub fn set_string(object: &Zval, name: &str, text: &str) {
    // SAFETY: the value is an object; name and text outlive the call, which copies them.
    unsafe {
        let object = object.value.obj;
        let (name, length) = (name.as_ptr().cast(), name.len());
        zend_update_property_stringl((*object).ce, object, name, length, text.as_ptr().cast(), text.len());
    }
}

/// Sets a readonly property of a new object, once.
pub fn set_int(object: &Zval, name: &str, number: u32) {
    // SAFETY: the value is an object; the name outlives the call.
    unsafe {
        let object = object.value.obj;
        zend_update_property_long((*object).ce, object, name.as_ptr().cast(), name.len(), number.into());
    }
}

/// Writes the properties of a new object, one after the other in the order of their declaration: each once, and all.
pub struct Properties {
    object: Zval,
    next: *mut Zval,
}

/// A new object of a class made by [`make_handle_class`] whose properties are all scalars, still to be written. It
/// cannot be part of a cycle, and the cycle collector passes it over.
pub fn new_value(class: &'static ClassEntry) -> Properties {
    // SAFETY: an object whose table has a place for each declared property; see `create_handle`.
    unsafe {
        let object = ffi::zend_objects_new(std::ptr::from_ref(class).cast_mut());
        (*object).handlers = handle_handlers();
        (*object).gc.u.type_info |= GC_NOT_COLLECTABLE;
        let mut value = Zval::new();
        value.value.obj = object;
        value.u1.type_info = ffi::IS_OBJECT_EX;
        Properties { object: value, next: (&raw mut (*object).properties_table).cast() }
    }
}

/// The same object again, when `value` is its only reference left, nothing was added to it, and no WeakReference knows
/// it: nobody can tell it from a new one. All of its properties must be numbers, null or names.
pub fn renew_value(value: Zval) -> Option<Properties> {
    const WEAKLY_REFERENCED: u32 = 1 << 7;
    // SAFETY: a live object made by `new_value`.
    unsafe {
        let object = value.value.obj;
        let gc = &raw const (*object).gc;
        let alone = (*gc).refcount == 1 && (*gc).u.type_info & WEAKLY_REFERENCED == 0;
        (alone && (*object).properties.is_null())
            .then(|| Properties { object: value, next: (&raw mut (*object).properties_table).cast() })
    }
}

impl Properties {
    /// int
    pub fn int(self, number: i64) -> Self {
        self.write(ffi::IS_LONG, |value| value.lval = number)
    }

    /// ?int
    pub fn int_or_null(self, number: Option<i64>) -> Self {
        match number {
            Some(number) => self.int(number),
            None => self.write(ffi::IS_NULL, |_| {}),
        }
    }

    /// string, which is not copied
    pub fn name(self, name: *mut ZendStr) -> Self {
        self.write(ffi::IS_INTERNED_STRING_EX, |value| value.str_ = name)
    }

    /// ?string
    pub fn string_or_null(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => {
                let text = ZendStr::new(text, false).into_raw();
                self.write(ffi::IS_STRING_EX, |value| value.str_ = text)
            }
            None => self.write(ffi::IS_NULL, |_| {}),
        }
    }

    fn write(mut self, of_type: u32, set: impl FnOnce(&mut ffi::_zend_value)) -> Self {
        // SAFETY: a place in the table of an object that nobody else has yet; what lies there was never a value. `u2` is
        // the engine's flag "not initialised": cleared.
        unsafe {
            set(&mut (*self.next).value);
            (*self.next).u1.type_info = of_type;
            (*self.next).u2.property_guard = 0;
            self.next = self.next.add(1);
        }
        self
    }

    /// The object.
    pub fn done(self) -> Zval {
        self.object
    }
}

/// A name that outlives requests. MINIT only.
pub fn permanent_name(name: &str) -> *mut ZendStr {
    ZendStr::new_interned(name, true).into_raw()
}

/// An array of these values. For nothing that calls PHP: the values are moved in.
pub fn list(values: Vec<Zval>) -> Zval {
    let mut array = ZendHashTable::new();
    for value in values {
        let _ = array.push(value); // fails only when there is no next index
    }
    let mut list = Zval::new();
    list.set_hashtable(array);
    list
}

/// Whether an extension is loaded.
pub fn has_extension(name: &str) -> bool {
    // SAFETY: a table that lives as long as the process.
    unsafe {
        let modules = &raw const module_registry;
        !ffi::zend_hash_str_find(modules, name.as_ptr().cast(), name.len()).is_null()
    }
}

/// Registers a global int constant for this request, unless there is one of that name.
pub fn register_constant(name: &str, value: i64, module_number: i32) {
    // SAFETY: names with lengths, copied by the call.
    unsafe {
        if zend_get_constant_str(name.as_ptr().cast(), name.len()).is_null() {
            ffi::zend_register_long_constant(name.as_ptr().cast(), name.len(), value, 0, module_number);
        }
    }
}

// ---- exceptions -----------------------------------------------------------------------------------------------

/// Throws an exception of `class`, unless one is pending.
pub fn throw(class: &'static ClassEntry, message: &str, code: i32) {
    PhpException::new(message.replace('\0', "\u{fffd}"), code, class).throw();
}

/// What is pending after a call into PHP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    /// Nothing: go on.
    Nothing,
    /// An exception.
    Exception,
    /// `exit()`, a destroyed fiber or memory exhaustion: leave at once, touch nothing.
    Leaving,
}

/// What is pending now.
pub fn pending() -> Pending {
    // SAFETY: null or the exception in flight.
    unsafe {
        let exception = (*globals()).exception;
        if exception.is_null() {
            return if out_of_memory() { Pending::Leaving } else { Pending::Nothing };
        }
        if zend_is_unwind_exit(exception) || zend_is_graceful_exit(exception) {
            Pending::Leaving
        } else {
            Pending::Exception
        }
    }
}

/// An exception or an `exit()` that was in flight, so that other PHP code can run first. Plain data: what is not put
/// back is lost.
pub struct Aside {
    exception: *mut ZendObject,
    before: *const ffi::zend_op,
    leaving: bool,
}

/// Takes what is in flight out of the way; `None`: there is nothing.
pub fn put_aside() -> Option<Aside> {
    let leaving = pending() == Pending::Leaving;
    // SAFETY: plain fields. The frame that was interrupted stands at the engine's "handle exception" and stays there;
    // where it was is saved, because other exceptions overwrite it. As zend_objects_destroy_object does.
    unsafe {
        let globals = globals();
        let exception = std::mem::replace(&mut (*globals).exception, std::ptr::null_mut());
        (!exception.is_null()).then(|| Aside {
            exception,
            before: (*globals).opline_before_exception,
            leaving,
        })
    }
}

impl Aside {
    /// Calls PHP. In flight again: with what has been thrown since as the newer one, whose previous exception it
    /// becomes. An `exit()` wins over exceptions.
    pub fn put_back(self) {
        let newer_leaves = pending() == Pending::Leaving;
        // SAFETY: the object is ours, and becomes the engine's again; see `put_aside`.
        unsafe {
            let globals = globals();
            let newer = (*globals).exception;
            if newer.is_null() {
                (*globals).exception = self.exception;
            } else if newer_leaves {
                release_object(self.exception);
            } else if self.leaving {
                (*globals).exception = self.exception;
                release_object(newer);
            } else {
                zend_exception_set_previous(newer, self.exception);
            }
            (*globals).opline_before_exception = self.before;
        }
    }
}

/// # Safety
/// A live object, of which the caller has a reference.
unsafe fn release_object(object: *mut ZendObject) {
    let mut value = Zval::new();
    value.value.obj = object;
    value.u1.type_info = ffi::IS_OBJECT_EX;
    drop(value);
}

/// Whether the memory limit was hit and the virtual machine has yet to end the script for it. Since PHP 8.2.35 that
/// waits for the next interrupt; before, it was a longjmp.
#[cfg(delayed_oom)]
pub fn out_of_memory() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    // An older PHP with the same build ID has no such field.
    // SAFETY: looks a symbol up by name.
    let known = || unsafe { !libc::dlsym(libc::RTLD_DEFAULT, c"zend_handle_delayed_oom".as_ptr()).is_null() };
    // SAFETY: a plain field, there when the symbol is.
    *KNOWN.get_or_init(known) && unsafe { (*globals()).delayed_oom.state != 0 }
}

#[cfg(not(delayed_oom))]
pub fn out_of_memory() -> bool {
    false
}

/// The exception in flight, read and left in flight.
pub struct Thrown {
    /// Its class.
    pub class: Vec<u8>,
    /// Its message.
    pub message: Vec<u8>,
    /// Where it was thrown.
    pub file: Vec<u8>,
    /// Where it was thrown.
    pub line: i64,
    /// Thrown by the function that we called, on entry or in its own code, not deeper.
    pub by_callee: bool,
}

impl std::fmt::Display for Thrown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes);
        let class = self.class.split(|byte| *byte == 0).next().unwrap_or_default();
        let (class, message, file) = (text(class), text(&self.message), text(&self.file));
        write!(f, "{class}: {message} in {file}:{}", self.line)
    }
}

/// Reads the exception in flight.
pub fn thrown() -> Option<Thrown> {
    // SAFETY: null or a live object, which stays in flight.
    let object = unsafe { (*globals()).exception.as_mut() }?;
    let is_exception = object.instance_of(ce::exception());
    let base = if is_exception { ce::exception() } else { ce::error() };
    let text = |name: &str| {
        let mut scratch = Slot::new();
        let value = property(base, object, name, scratch.value());
        value.and_then(Zval::zend_str).map(|text| text.as_bytes().to_vec()).unwrap_or_default()
    };
    let mut scratch = Slot::new();
    let line = property(base, object, "line", scratch.value()).and_then(Zval::long).unwrap_or_default();
    let trace = property(base, object, "trace", scratch.value()).and_then(Zval::array);
    let frame = |index: i64| trace.and_then(|trace| trace.get_index(index)).and_then(Zval::array);
    let caller = frame(1).and_then(|frame| frame.get("class")).and_then(Zval::zend_str);
    let by_callee = frame(0).is_some_and(|frame| frame.get("file").is_none())
        && caller.is_some_and(|class| class.as_bytes() == b"RustDaemon\\Worker");
    // SAFETY: a live object has a class, and a class a name.
    let class = unsafe { (*(*object.ce).name).as_bytes().to_vec() };
    Some(Thrown { class, message: text("message"), file: text("file"), line, by_callee })
}

fn property<'a>(
    base: &ClassEntry,
    object: &'a ZendObject,
    name: &str,
    scratch: &'a mut Zval,
) -> Option<&'a Zval> {
    let (scope, object) = (std::ptr::from_ref(base).cast_mut(), std::ptr::from_ref(object).cast_mut());
    // SAFETY: a declared property of `base`, of which the object is an instance: no `__get` is called.
    unsafe {
        ffi::zend_read_property(scope, object, name.as_ptr().cast(), name.len(), true, scratch).as_ref()
    }
    .map(Zval::dereference)
}

/// Calls PHP: drops the exception in flight, which may run destructors.
pub fn clear_exception() {
    // SAFETY: may be called with nothing in flight.
    unsafe { zend_clear_exception() };
}

// ---- calls ----------------------------------------------------------------------------------------------------

/// A callable that outlives the call in which it was given.
pub struct Callable {
    name: Zval,
    cache: ffi::zend_fcall_info_cache,
    is_closure: bool,
}

/// The same without its reference: plain bits for the stack of a call. Its [`Callable`] must outlive it.
#[derive(Clone, Copy)]
pub struct RawCallable {
    name: [u64; 2],
    cache: ffi::zend_fcall_info_cache,
}

const _: () = assert!(size_of::<Zval>() == size_of::<[u64; 2]>());

impl Callable {
    /// A reference for as long as a call takes: what is called may give up the other one. A closure needs none: the
    /// engine holds it while it runs.
    pub fn hold(&self) -> Slot {
        let closure = self.is_closure;
        Slot(ManuallyDrop::new(if closure { Zval::new() } else { self.name.shallow_clone() }))
    }

    /// Another reference to the same.
    pub fn again(&self) -> Self {
        Self { name: self.name.shallow_clone(), cache: self.cache, is_closure: self.is_closure }
    }

    /// Only the reference, for a call that nothing may outlive.
    pub fn into_slot(self) -> Slot {
        Slot(ManuallyDrop::new(self.name))
    }

    /// Its bits.
    pub fn raw(&self) -> RawCallable {
        // SAFETY: same size; a zval is plain data.
        let name = unsafe { std::ptr::read((&raw const self.name).cast::<[u64; 2]>()) };
        RawCallable { name, cache: self.cache }
    }
}

/// What a function says about its parameters.
pub struct Signature {
    /// `Class::name` or `name`, as PHP's messages begin.
    pub name: Vec<u8>,
    /// The parameters' names, the variadic one excepted.
    pub parameters: Vec<Vec<u8>>,
    /// How many must be given.
    pub required: usize,
    /// Whether it takes more than it names.
    pub variadic: bool,
    /// Whether it is not written in PHP: such a function refuses arguments that it does not know.
    pub internal: bool,
}

impl RawCallable {
    /// What the function says about its parameters; `None` for a magic `__call`.
    pub fn signature(&self) -> Option<Signature> {
        // SAFETY: the function of a live callable; user and internal functions differ in the type of the names.
        unsafe {
            // No reference to the whole union: an internal function is shorter than it.
            let function = self.cache.function_handler;
            if function.is_null() {
                return None;
            }
            let common = &(*function).common;
            let internal = u32::from(common.type_) == ffi::ZEND_INTERNAL_FUNCTION;
            let mut name = Vec::new();
            if let Some(scope) = common.scope.as_ref() {
                name.extend_from_slice((*scope.name).as_bytes());
                name.extend_from_slice(b"::");
            }
            name.extend_from_slice(common.function_name.as_ref()?.as_bytes());
            let parameter = |index: usize| {
                if internal {
                    let name = (*(*function).internal_function.arg_info.add(index)).name;
                    CStr::from_ptr(name).to_bytes().to_vec()
                } else {
                    (*(*common.arg_info.add(index)).name).as_bytes().to_vec()
                }
            };
            Some(Signature {
                name,
                parameters: (0..common.num_args as usize).map(parameter).collect(),
                required: common.required_num_args as usize,
                variadic: common.fn_flags & ffi::ZEND_ACC_VARIADIC != 0,
                internal,
            })
        }
    }

    /// Calls PHP: the callable with the elements of `arguments`, integer keys by position, then string keys by name.
    /// `result` stays null when something is pending afterwards.
    pub fn call(&self, arguments: &mut Zval, result: &mut Zval) {
        // SAFETY: the array is owned by the caller for the whole call.
        unsafe { self.call_raw(std::ptr::null_mut(), 0, arguments.value.arr, result) };
    }

    /// Calls PHP: the callable with one argument, or none. `result` stays null when something is pending afterwards.
    pub fn call_with(&self, argument: Option<&mut Zval>, result: &mut Zval) {
        let count = u32::from(argument.is_some());
        let argument = argument.map_or(std::ptr::null_mut(), std::ptr::from_mut);
        // SAFETY: null, or one value that the caller owns for the whole call.
        unsafe { self.call_raw(argument, count, std::ptr::null_mut(), result) };
    }

    /// # Safety
    /// `count` live values at `params`, and null or a live array.
    unsafe fn call_raw(&self, params: *mut Zval, count: u32, named: *mut ZendHashTable, result: *mut Zval) {
        let mut cache = self.cache;
        // SAFETY: as the caller promises; the callable's bits are those of a live value; `object` comes from the cache.
        unsafe {
            let mut info = FcallInfo {
                size: size_of::<FcallInfo>(),
                function_name: std::ptr::read((&raw const self.name).cast()),
                retval: result,
                params,
                object: cache.object,
                param_count: count,
                named_params: named,
            };
            zend_call_function(&raw mut info, &raw mut cache);
        }
    }
}

/// Calls PHP: hands everything that is buffered to the standard output, through the script's output callbacks.
pub fn flush_output() {
    // SAFETY: both may be called at any time in a request; null means every C stream.
    unsafe {
        php_output_flush_all();
        libc::fflush(std::ptr::null_mut());
    }
}

// ---- JSON -----------------------------------------------------------------------------------------------------

/// Text that PHP made; freed on drop.
pub struct PhpText(*mut ZendStr);

impl PhpText {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: null or a string that we own.
        unsafe { bytes(self.0) }.unwrap_or_default()
    }
}

impl Drop for PhpText {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: our one reference.
            unsafe { ffi::ext_php_rs_zend_string_release(self.0) };
        }
    }
}

/// Calls PHP (`JsonSerializable`): encodes `value` as `json_encode()` does. `None`: look at [`pending`], then at
/// [`json_error`].
pub fn json_encode(value: &mut Zval, options: i32) -> Option<PhpText> {
    let mut out = SmartStr { s: std::ptr::null_mut(), a: 0 };
    // SAFETY: an empty smart_str and a live value.
    let done = unsafe { php_json_encode_ex(&raw mut out, value, options, JSON_DEPTH) };
    let text = PhpText(out.s);
    // A number that JSON cannot hold is told by the error alone.
    (done == SUCCESS && pending() == Pending::Nothing && json_error_number() == Some(0)).then_some(text)
}

/// Decodes JSON as `json_decode()` does, objects as arrays. `text` ends with a NUL byte, which is not part of the
/// document: PHP's scanner reads it. False: look at [`json_error`].
pub fn json_decode(text: &[u8], out: &mut Zval) -> bool {
    let Some((0, document)) = text.split_last() else { return false };
    // SAFETY: followed by a NUL byte; `out` is a live value, null before.
    let done = unsafe {
        php_json_decode_ex(out, document.as_ptr().cast(), document.len(), OBJECT_AS_ARRAY, JSON_DEPTH)
    };
    done == SUCCESS
}

/// What `json_last_error_msg()` says.
pub fn json_error() -> String {
    let message = call_internal("json_last_error_msg").and_then(|message| message.string());
    message.unwrap_or_else(|| "unknown error".into())
}

fn json_error_number() -> Option<i64> {
    call_internal("json_last_error").and_then(|number| number.long())
}

/// Calls a function of PHP's own that takes no arguments and runs no PHP code. Not `Function::try_from_function`:
/// ext-php-rs 0.16.4 copies a whole op array from an internal function, past its end.
fn call_internal(function: &str) -> Option<Zval> {
    let mut result = Zval::new();
    // SAFETY: null or a function of the function table; nothing is bound, and the result is a live value.
    unsafe {
        let function = ffi::zend_fetch_function_str(function.as_ptr().cast(), function.len());
        if function.is_null() || u32::from((*function).common.type_) != ffi::ZEND_INTERNAL_FUNCTION {
            return None;
        }
        let (object, scope, named) = (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
        ffi::zend_call_known_function(
            function,
            object,
            scope,
            &raw mut result,
            0,
            std::ptr::null_mut(),
            named,
        );
    }
    Some(result)
}

fn c_string(bytes: &[u8]) -> CString {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    CString::new(bytes.get(..end).unwrap_or_default()).unwrap_or_default()
}
