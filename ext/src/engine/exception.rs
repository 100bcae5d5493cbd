//! Exceptions and `exit()`: thrown, looked at, put aside.
//!
//! Sources: php-src Zend/zend_exceptions.c, Zend/zend_objects.c (`zend_objects_destroy_object`),
//! ext/spl/spl_exceptions.h.

#[cfg(delayed_oom)]
use std::ffi::c_void;

use ext_php_rs::exception::PhpException;
use ext_php_rs::ffi;
use ext_php_rs::types::{ZendObject, ZendStr, Zval};
use ext_php_rs::zend::{ClassEntry, ce};

use super::globals;

unsafe extern "C" {
    static spl_ce_RuntimeException: *mut ClassEntry;
    static spl_ce_LogicException: *mut ClassEntry;
    static spl_ce_InvalidArgumentException: *mut ClassEntry;
    fn zend_clear_exception();
    fn zend_exception_set_previous(exception: *mut ZendObject, add_previous: *mut ZendObject);
    fn zend_is_unwind_exit(exception: *const ZendObject) -> bool;
    fn zend_is_graceful_exit(exception: *const ZendObject) -> bool;
}

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
#[inline] // once per signal
pub fn put_aside() -> Option<Aside> {
    // SAFETY: a plain field.
    if unsafe { (*globals()).exception.is_null() } {
        return None;
    }
    Some(take_aside())
}

#[cold]
fn take_aside() -> Aside {
    let leaving = pending() == Pending::Leaving;
    // SAFETY: plain fields. The frame that was interrupted stands at the engine's "handle exception" and stays there;
    // where it was is saved, because other exceptions overwrite it. As zend_objects_destroy_object does.
    unsafe {
        let globals = globals();
        let exception = std::mem::replace(&mut (*globals).exception, std::ptr::null_mut());
        Aside { exception, before: (*globals).opline_before_exception, leaving }
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
    // SAFETY: a plain field, there when the function is.
    handle_out_of_memory().is_some() && unsafe { (*globals()).delayed_oom.state != 0 }
}

#[cfg(not(delayed_oom))]
pub fn out_of_memory() -> bool {
    false
}

/// What the virtual machine calls for [`out_of_memory`]. `None`: an older PHP with the same build ID, which has no such
/// field.
#[cfg(delayed_oom)]
fn handle_out_of_memory() -> Option<unsafe extern "C" fn()> {
    static HANDLE: std::sync::OnceLock<Option<unsafe extern "C" fn()>> = std::sync::OnceLock::new();
    *HANDLE.get_or_init(|| {
        // SAFETY: null, which is `None`, or the function of that name, which has this type.
        unsafe {
            let symbol = libc::dlsym(libc::RTLD_DEFAULT, c"zend_handle_delayed_oom".as_ptr());
            std::mem::transmute::<*mut c_void, Option<unsafe extern "C" fn()>>(symbol)
        }
    })
}

/// Calls PHP: says that memory ran out where the virtual machine has had no occasion to, because no PHP code ran since.
pub(super) fn tell_out_of_memory() {
    #[cfg(delayed_oom)]
    if let Some(handle) = handle_out_of_memory()
        // SAFETY: a plain field.
        && unsafe { (*globals()).exception.is_null() }
    {
        // SAFETY: memory has run out and no exception is in flight, as the virtual machine has it.
        unsafe { handle() };
    }
}

/// From here on PHP code can be called again after memory has run out: as at the end of a request, whose shutdown
/// functions run.
pub(super) fn forget_out_of_memory() {
    #[cfg(delayed_oom)]
    if out_of_memory() {
        // SAFETY: a plain field; zero is "none", as the engine's own reset at the end of a request has it.
        unsafe { (*globals()).delayed_oom.state = 0 };
    }
}

/// What an exception says of itself.
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
    unsafe { (*globals()).exception.as_ref() }.map(read)
}

/// Reads an exception, in flight or not.
pub(super) fn read(object: &ZendObject) -> Thrown {
    let is_exception = object.instance_of(ce::exception());
    let base = if is_exception { ce::exception() } else { ce::error() };
    let text = |name: &str| {
        property(base, object, name).and_then(Zval::zend_str).map(|text| text.as_bytes().to_vec())
    };
    let line = property(base, object, "line").and_then(Zval::long).unwrap_or_default();
    let trace = property(base, object, "trace").and_then(Zval::array);
    let frame = |index: i64| trace.and_then(|trace| trace.get_index(index)).and_then(Zval::array);
    let caller = frame(1).and_then(|frame| frame.get("class")).and_then(Zval::zend_str);
    let by_callee = frame(0).is_some_and(|frame| frame.get("file").is_none())
        && caller.is_some_and(|class| class.as_bytes() == b"RustDaemon\\Worker");
    // SAFETY: a live object has a class, and a class a name.
    let class = unsafe { (*(*object.ce).name).as_bytes().to_vec() };
    let (message, file) = (text("message").unwrap_or_default(), text("file").unwrap_or_default());
    Thrown { class, message, file, line, by_callee }
}

/// Class, message, file and line of an exception, for as long as the call takes. Calls no PHP, allocates nothing.
pub(super) fn describe<R>(object: &ZendObject, tell: impl FnOnce(&[u8], &[u8], &[u8], i64) -> R) -> R {
    let is_exception = object.instance_of(ce::exception());
    let base = if is_exception { ce::exception() } else { ce::error() };
    let message = property(base, object, "message").and_then(Zval::zend_str);
    let file = property(base, object, "file").and_then(Zval::zend_str);
    let line = property(base, object, "line").and_then(Zval::long).unwrap_or_default();
    let text = |text: Option<&ZendStr>| text.map(|text| std::ptr::from_ref(text.as_bytes()));
    let (message, file) = (text(message), text(file));
    // SAFETY: strings that the exception holds, which lives as long as this call; a live object has a class, and a class
    // a name.
    unsafe {
        let class = (*(*object.ce).name).as_bytes();
        let bytes = |text: Option<*const [u8]>| text.map_or(&[][..], |text| &*text);
        tell(class, bytes(message), bytes(file), line)
    }
}

/// A declared property of `base`, of which the object is an instance, read from its place in the object: a script that has
/// unset it has its `__get` called by every other way.
fn property<'a>(base: &ClassEntry, object: &'a ZendObject, name: &str) -> Option<&'a Zval> {
    let object = std::ptr::from_ref(object);
    // SAFETY: the table of a class holds pointers to its properties' descriptions; the place of one that is not static is
    // an offset in bytes into every instance of the class and of those that extend it.
    unsafe {
        let found =
            ffi::zend_hash_str_find(&raw const base.properties_info, name.as_ptr().cast(), name.len());
        let description = found.as_ref()?.value.ptr.cast::<ffi::zend_property_info>().as_ref()?;
        object.cast::<u8>().add(description.offset as usize).cast::<Zval>().as_ref()
    }
    .map(Zval::dereference)
}

/// Calls PHP: drops the exception in flight, which may run destructors.
pub fn clear_exception() {
    // SAFETY: may be called with nothing in flight.
    unsafe { zend_clear_exception() };
}
