//! The Zend engine, as far as ext-php-rs does not wrap it: the only module with raw engine symbols.
//!
//! # Rules
//! A fatal error in PHP code (before PHP 8.2.35 also the memory limit) leaves by longjmp and runs no `Drop`. So:
//! nothing that needs dropping, no borrow and no lock is alive in the caller while one of the functions under
//! *Calls PHP* runs. What must survive lives in a static or in memory of the Zend allocator, which ends with the
//! request. Our own methods run inside [`method`], which turns a Rust panic into a PHP `Error`.
//!
//! Its parts name their own sources; here: php-src Zend/zend_globals.h, Zend/zend_compile.h, main/php_output.h.

use std::any::Any;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ext_php_rs::ffi;
use ext_php_rs::types::{ZendHashTable, ZendStr, Zval};
use ext_php_rs::zend::ce;

mod argument;
pub mod audit;
mod call;
mod carrier;
mod class;
mod exception;
pub mod failure;
pub mod fork;
pub mod interrupt;
mod iterator;
mod json;
mod kept;
pub mod serial;
pub mod stream;
pub mod value;

pub use argument::{
    ChannelCall, DEFAULT_CHANNEL_BYTES, ExposeCall, InstallCall, IntOrString, TaskCall, Why, any_call,
    bind_call, busy_call, callback_call, channel_call, expose_call, fail_call, install_call, int_arguments,
    no_arguments, on_call, optional_seconds, optional_timeout, progress_call, seconds_argument, section_call,
    send_call, signal_call, signals_call, task_call, text_call, timeout_argument, value_and_timeout,
    wait_call,
};
pub use call::{Callable, RawCallable, Signature, Slot};
pub use carrier::{carried, declare_carrier, new_carrier};
pub use class::{
    ParameterType, Properties, PropertyType, Registered, declare_readonly, declare_value, handle,
    hide_parameter, int, keep_parameters, list, make_handle_class, map, new_handle, new_value, new_watched,
    permanent_name, renew_value, set_int, set_parameter_type, set_string, set_value, text,
};
pub use exception::{
    Pending, Thrown, clear_exception, invalid_argument_exception, logic_exception, out_of_memory, pending,
    put_aside, runtime_exception, throw, thrown,
};
pub use iterator::{ElementIterator, assign, elements, iterator_object};
pub use json::{PhpText, json_decode, json_encode, json_error};

unsafe extern "C" {
    static module_registry: ZendHashTable;
    fn zend_ini_string(name: *const c_char, name_length: usize, orig: c_int) -> *mut c_char;
    fn zend_unregister_ini_entries(module_number: c_int);
    fn display_ini_entries(module: *mut ffi::zend_module_entry);
    fn zend_get_constant_str(name: *const c_char, name_length: usize) -> *mut Zval;
    fn is_zend_mm() -> bool;
    fn zend_memory_usage(real_usage: bool) -> usize;
    fn zend_mm_get_heap() -> *mut c_void;
    fn zend_mm_gc(heap: *mut c_void) -> usize;
    fn php_output_get_status() -> c_int;
    fn php_output_flush_all();
}

/// `smart_str`.
#[repr(C)]
struct SmartStr {
    s: *mut ZendStr,
    a: usize,
}

/// `EG_FLAGS_IN_SHUTDOWN`: shutdown functions are running or have run.
const IN_SHUTDOWN: u8 = 1;
/// `PHP_OUTPUT_LOCKED`: an output callback is running.
const OUTPUT_LOCKED: c_int = 0x20;

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

/// What PHP's memory limit leaves, in bytes, where that is too little for a block of `bytes`, and for `beside` more in
/// whatever blocks. `None`: it can do; small blocks are not looked at.
#[inline]
pub fn lacks_memory(bytes: usize, beside: usize) -> Option<usize> {
    /// From here on the Zend allocator gives a block pages of its own (`ZEND_MM_MAX_LARGE_SIZE`).
    const HUGE: usize = (2 << 20) - 4096;
    if bytes < HUGE { None } else { lacks_huge_memory(bytes, beside) }
}

#[cold]
fn lacks_huge_memory(bytes: usize, beside: usize) -> Option<usize> {
    /// A string's header and end, and the rest of its last page.
    const AROUND: usize = 8192;
    // SAFETY: plain fields and numbers; the collector gives back pages that nobody uses.
    unsafe {
        if !is_zend_mm() {
            return None; // USE_ZEND_ALLOC=0: there is no limit
        }
        let limit = usize::try_from((*ffi::ext_php_rs_process_globals()).memory_limit).ok()?; // -1: none
        let whole = bytes.saturating_add(AROUND);
        let left = || limit.saturating_sub(zend_memory_usage(true));
        if whole > left() {
            zend_mm_gc(zend_mm_get_heap());
        }
        if whole > left() {
            return Some(left());
        }
        let unused = limit.saturating_sub(zend_memory_usage(false));
        (whole.saturating_add(beside) > unused).then_some(unused)
    }
}

/// Whether an extension is loaded.
pub fn has_extension(name: &str) -> bool {
    module(name).is_some()
}

fn module(name: &str) -> Option<&'static ffi::zend_module_entry> {
    // SAFETY: a table that lives as long as the process, as its values do, which are modules.
    unsafe {
        let modules = &raw const module_registry;
        let module = ffi::zend_hash_str_find(modules, name.as_ptr().cast(), name.len()).as_ref()?;
        module.value.ptr.cast::<ffi::zend_module_entry>().as_ref()
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

/// Calls PHP: hands everything that is buffered to the standard output, through the script's output callbacks.
pub fn flush_output() {
    // SAFETY: both may be called at any time in a request; null means every C stream.
    unsafe {
        php_output_flush_all();
        libc::fflush(std::ptr::null_mut());
    }
}

/// Runs the body of a method: a panic becomes a PHP `Error`. A fatal error leaves past it to the engine: it is not caught
/// and thrown on, for which each call would pay with a setjmp; there is nothing to drop, see "Rules".
#[inline]
pub fn method(body: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
        panicked(panic);
    }
}

#[cold]
fn panicked(panic: Box<dyn Any + Send>) {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("see the standard error");
    throw(ce::error(), &format!("Rust panic: {text}"), 0);
}

// ---- where we are called --------------------------------------------------------------------------------------

/// Whether a fiber is running.
pub fn in_fiber() -> bool {
    // SAFETY: a plain field.
    unsafe { !(*globals()).active_fiber.is_null() }
}

/// Which fiber is running; 0: none.
pub fn fiber() -> usize {
    // SAFETY: a plain field; the address is only compared.
    unsafe { (*globals()).active_fiber.addr() }
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

/// The class whose destructor is the innermost one on the stack; `None`: there is none.
pub fn destructed_class() -> Option<String> {
    frames().find_map(|function| {
        // SAFETY: `frames` yields functions of live frames; a class has a name.
        unsafe {
            let scope = (*function).common.scope;
            if scope.is_null() || (*scope).destructor != function {
                return None;
            }
            // An anonymous class has a NUL in its name, and behind it nothing for people.
            let name = (*(*scope).name).as_bytes().split(|byte| *byte == 0).next().unwrap_or_default();
            Some(String::from_utf8_lossy(name).into_owned())
        }
    })
}

/// Whether what set_exception_handler() was given runs: the script has ended by an exception, so that the outermost function
/// is none of its code, and the request goes on. Source: php-src Zend/zend.c (`zend_user_exception_handler`).
pub fn in_exception_handler() -> bool {
    // SAFETY: `frames` yields functions of live frames. The code of a file, or of eval(), has no name.
    let is_called =
        |function: *mut ffi::zend_function| unsafe { !(*function).common.function_name.is_null() };
    !in_shutdown() && frames().last().is_some_and(is_called)
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

fn c_string(bytes: &[u8]) -> CString {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    CString::new(bytes.get(..end).unwrap_or_default()).unwrap_or_default()
}
