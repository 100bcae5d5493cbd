//! What may turn out to be why this process ended: fatal errors, and the exception thrown last, noted on the slot page.
//!
//! # How it works
//! `zend_error_cb` sees every error that no handler of the script's has taken; the fatal ones are noted before they end
//! the script. `zend_throw_exception_hook` sees every exception, caught later or not: Laravel's and Symfony's consoles
//! catch everything and exit with 1. Both are chained, and given back.
//!
//! # Rules
//! Nothing changes for the script, and nothing is noted in a process that is no supervised worker. Who came after us and
//! still points here keeps us. What was there before may leave by longjmp: nothing of ours is alive then.
//! Sources: php-src Zend/zend.c (`zend_error_impl`), Zend/zend_exceptions.c; not `zend_observer_error_register`, which
//! cannot be undone and also sees errors that the script handles.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use ext_php_rs::ffi;
use ext_php_rs::types::{ZendObject, ZendStr};
use rustdaemon_core::{pulse, sys};

use super::exception::describe;

type OnError = unsafe extern "C" fn(c_int, *mut ZendStr, u32, *mut ZendStr);
type OnThrow = unsafe extern "C" fn(*mut ZendObject);

unsafe extern "C" {
    static mut zend_error_cb: Option<OnError>;
}

/// Errors that end the script.
const FATAL: u32 = ffi::E_ERROR
    | ffi::E_PARSE
    | ffi::E_CORE_ERROR
    | ffi::E_COMPILE_ERROR
    | ffi::E_USER_ERROR
    | ffi::E_RECOVERABLE_ERROR;

static ERROR_BEFORE: AtomicUsize = AtomicUsize::new(0);
static THROW_BEFORE: AtomicUsize = AtomicUsize::new(0);

/// Puts both hooks before the ones that are there. MINIT only.
pub fn hook() {
    // SAFETY: plain globals, written while no PHP code runs.
    unsafe {
        ERROR_BEFORE.store(zend_error_cb.map_or(0, |before| before as usize), Ordering::Relaxed);
        zend_error_cb = Some(on_error);
        let before = ffi::zend_throw_exception_hook;
        THROW_BEFORE.store(before.map_or(0, |before| before as usize), Ordering::Relaxed);
        ffi::zend_throw_exception_hook = Some(on_throw);
    }
}

/// Takes them away again, unless somebody has put others before them. MSHUTDOWN only.
pub fn unhook() {
    // SAFETY: as above.
    unsafe {
        if zend_error_cb.is_some_and(|now| now as usize == on_error as *const () as usize) {
            zend_error_cb = error_before();
        }
        if ffi::zend_throw_exception_hook.is_some_and(|now| now as usize == on_throw as *const () as usize) {
            ffi::zend_throw_exception_hook = throw_before();
        }
    }
}

fn error_before() -> Option<OnError> {
    // SAFETY: zero, which is `None`, or what `hook` has found there.
    unsafe { std::mem::transmute::<usize, Option<OnError>>(ERROR_BEFORE.load(Ordering::Relaxed)) }
}

fn throw_before() -> Option<OnThrow> {
    // SAFETY: as above.
    unsafe { std::mem::transmute::<usize, Option<OnThrow>>(THROW_BEFORE.load(Ordering::Relaxed)) }
}

unsafe extern "C" fn on_error(kind: c_int, file: *mut ZendStr, line: u32, message: *mut ZendStr) {
    if kind.cast_unsigned() & FATAL != 0
        && let Some(page) = pulse::page()
    {
        // SAFETY: null, or strings that live as long as the call.
        let (file, message) = unsafe { (super::argument::bytes(file), super::argument::bytes(message)) };
        page.fatal(message.unwrap_or_default(), file.unwrap_or_default(), line);
    }
    if let Some(before) = error_before() {
        // SAFETY: the engine's own arguments, handed on.
        unsafe { before(kind, file, line, message) };
    }
}

unsafe extern "C" fn on_throw(exception: *mut ZendObject) {
    if let Some(page) = pulse::page() {
        // SAFETY: null for one that is thrown again, else a live exception.
        let exception = unsafe { exception.as_ref() };
        // What a panic says, the panic hook has printed.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            if let Some(exception) = exception {
                describe(exception, |class, message, file, line| {
                    let line = u32::try_from(line).unwrap_or_default();
                    page.thrown(class, message, file, line, sys::monotonic());
                });
            }
        }));
    }
    if let Some(before) = throw_before() {
        // SAFETY: the engine's own argument, handed on.
        unsafe { before(exception) };
    }
}
