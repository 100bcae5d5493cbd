//! Objects as bytes: serialize(), unserialize() with its filter of classes, and igbinary where it is loaded.
//!
//! # How it works
//! To PHP a serialize() that begins while another one runs is a part of that one: objects that both hold are numbered once,
//! and the inner text refers to the outer one, so that Serializable::serialize() can call it. A message is read without what
//! else its sender was just serializing. So here nothing takes part in anything ([`alone`]): a handler of signals or errors, a
//! `__serialize()` and a Serializable::serialize() send and receive as everybody else does.
//!
//! # What must not happen
//! What PHP counts while it serializes must be as before after a fatal error: shutdown functions may serialize, too. A fiber
//! that was freed while it serialized counts itself off where PHP counts then, with us and without us.
//!
//! Sources: php-src ext/standard/php_var.h, ext/standard/var.c, ext/standard/basic_functions.h; igbinary.h (its C functions
//! take no filter).

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

use ext_php_rs::ffi;
use ext_php_rs::types::{ZendHashTable, Zval};

use super::call::Slot;
use super::{Pending, SmartStr, interrupt, pending};

/// `BG(serialize_lock)`, `BG(serialize)` and `BG(unserialize)`; serial.c checks that they lie like this.
#[repr(C)]
#[derive(Clone, Copy)]
struct Running {
    /// How many calls of `__serialize()` and its like are running: what they serialize takes part in nothing.
    lock: c_uint,
    serialize: Numbered,
    unserialize: Numbered,
}

/// What those that take part in each other share, and how many they are.
#[repr(C)]
#[derive(Clone, Copy)]
struct Numbered {
    data: *mut c_void,
    level: c_uint,
}

impl Running {
    const NOTHING: Self = Self { lock: 0, serialize: Numbered::NOTHING, unserialize: Numbered::NOTHING };

    fn is_nothing(&self) -> bool {
        self.lock == 0 && self.serialize.level == 0 && self.unserialize.level == 0
    }
}

impl Numbered {
    const NOTHING: Self = Self { data: std::ptr::null_mut(), level: 0 };
}

unsafe extern "C" {
    fn rustdaemon_running() -> *mut Running;
    fn php_var_serialize_init() -> *mut c_void;
    fn php_var_serialize(buf: *mut SmartStr, value: *mut Zval, data: *mut *mut c_void);
    fn php_var_serialize_destroy(data: *mut c_void);
    fn zend_ini_long(name: *const c_char, name_length: usize, orig: c_int) -> i64;
    fn php_unserialize_with_options(
        return_value: *mut Zval,
        buf: *const c_char,
        length: usize,
        options: *mut ZendHashTable,
        function_name: *const c_char,
    );
}

/// Calls PHP: `body`, as if no serialize() and no unserialize() were running. Where one is, no fiber can be switched to
/// meanwhile: it must go on with what it had.
fn alone<R: Default>(body: impl FnOnce() -> R) -> R {
    // SAFETY: lives as long as the thread, and nobody holds a reference to it.
    let running = unsafe { rustdaemon_running() };
    // SAFETY: as above.
    let before = unsafe { *running };
    let inside = !before.is_nothing();
    if inside {
        interrupt::block_fibers();
        // SAFETY: as above. What it points to stays where it is until it is put back.
        unsafe { *running = Running::NOTHING };
    }
    let done = Cell::new(false);
    let body = || {
        let result = body();
        done.set(true);
        result
    };
    interrupt::finally(body, || {
        // What has come to its end has counted itself; fibers may have begun or ended others since.
        if inside || !done.get() {
            // SAFETY: as above.
            unsafe { *running = before };
        }
        if inside {
            interrupt::unblock_fibers();
        }
    })
}

/// Calls PHP (`__serialize()`, `__sleep()`): the text of serialize(). `None`: see [`pending`].
pub fn serialize(value: &Zval) -> Option<Slot> {
    let text = alone(|| {
        let mut out = SmartStr { s: std::ptr::null_mut(), a: 0 };
        // SAFETY: an empty smart_str and a live value, which is read; `data` lives from `init` to `destroy`.
        unsafe {
            let mut data = php_var_serialize_init();
            php_var_serialize(&raw mut out, std::ptr::from_ref(value).cast_mut(), &raw mut data);
            php_var_serialize_destroy(data);
        }
        Some(out.into_slot())
    })?;
    if pending() == Pending::Nothing {
        return Some(text);
    }
    text.free();
    None
}

/// Calls PHP (`__unserialize()`, `__wakeup()`, autoloaders): reads the text of serialize() into `result`, a null, as
/// unserialize() does with these options. What it could not read becomes false, after a notice; see [`pending`].
pub fn unserialize(text: &[u8], options: &Zval, result: &mut Zval) {
    // SAFETY: bytes with their length; an array that is read; a live null.
    alone(|| unsafe {
        let (bytes, length) = (text.as_ptr().cast(), text.len());
        let name = c"RustDaemon\\Channel::receive".as_ptr();
        php_unserialize_with_options(result, bytes, length, options.value.arr, name);
    });
}

/// How deep unserialize() reads, here: its ini entry. `None`: without a limit.
pub fn deepest() -> Option<usize> {
    let name = c"unserialize_max_depth";
    // SAFETY: a name with its length; 0: as it is now.
    let deepest = unsafe { zend_ini_long(name.as_ptr(), name.count_bytes(), 0) };
    usize::try_from(deepest).ok().filter(|deepest| *deepest > 0)
}

type IgbinarySerialize = unsafe extern "C" fn(*mut *mut u8, *mut usize, *mut Zval) -> c_int;
type IgbinaryUnserialize = unsafe extern "C" fn(*const u8, usize, *mut Zval) -> c_int;

fn igbinary() -> Option<(IgbinarySerialize, IgbinaryUnserialize)> {
    static FOUND: OnceLock<Option<(IgbinarySerialize, IgbinaryUnserialize)>> = OnceLock::new();
    // Asked for in a request, when all extensions are loaded.
    *FOUND.get_or_init(|| {
        // SAFETY: null, or the function of that name, which has this type.
        unsafe {
            let serialize = libc::dlsym(libc::RTLD_DEFAULT, c"igbinary_serialize".as_ptr());
            let unserialize = libc::dlsym(libc::RTLD_DEFAULT, c"igbinary_unserialize".as_ptr());
            let serialize = std::mem::transmute::<*mut c_void, Option<IgbinarySerialize>>(serialize);
            let unserialize = std::mem::transmute::<*mut c_void, Option<IgbinaryUnserialize>>(unserialize);
            serialize.zip(unserialize)
        }
    })
}

/// Calls PHP: igbinary's bytes. `None`: it is not loaded or could not, or see [`pending`].
pub fn igbinary_serialize(value: &Zval) -> Option<Slot> {
    let (serialize, _) = igbinary()?;
    let (mut bytes, mut length) = (std::ptr::null_mut(), 0);
    // SAFETY: a live value, which is read.
    let failed = alone(|| unsafe {
        serialize(&raw mut bytes, &raw mut length, std::ptr::from_ref(value).cast_mut()) != 0
    });
    // SAFETY: on success the bytes are the Zend allocator's, and ours.
    unsafe {
        if failed || bytes.is_null() {
            return None;
        }
        let mut text = Slot::new_text(length);
        text.text_memory().write_copy_of_slice(std::slice::from_raw_parts(bytes, length));
        ext_php_rs::alloc::efree(bytes);
        if pending() == Pending::Nothing {
            return Some(text);
        }
        text.free();
        None
    }
}

/// Calls PHP: reads igbinary's bytes into `result`, a null. False: it is not loaded, or could not; see [`pending`].
pub fn igbinary_unserialize(bytes: &[u8], result: &mut Zval) -> bool {
    let Some((_, unserialize)) = igbinary() else { return false };
    // SAFETY: bytes with their length, and a live null.
    alone(|| unsafe { unserialize(bytes.as_ptr(), bytes.len(), result) == 0 })
}

impl SmartStr {
    /// The string that was written, ended as PHP's are.
    fn into_slot(self) -> Slot {
        let mut value = Zval::new();
        // SAFETY: null, or a string that we own, with room for a NUL behind its bytes (smart_str_0).
        unsafe {
            if let Some(text) = self.s.as_mut() {
                let end = (&raw mut text.val).cast::<u8>().add(text.len);
                end.write(0);
                value.value.str_ = self.s;
                value.u1.type_info = ffi::IS_STRING_EX;
            }
        }
        Slot::of(value)
    }
}
