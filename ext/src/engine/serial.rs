//! Objects as bytes: serialize(), unserialize() with its filter of classes, and igbinary where it is loaded.
//!
//! Sources: php-src ext/standard/php_var.h, ext/standard/var.c; igbinary.h (its C functions take no filter).

use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;

use ext_php_rs::ffi;
use ext_php_rs::types::{ZendHashTable, Zval};

use super::call::Slot;
use super::{Pending, SmartStr, pending};

unsafe extern "C" {
    fn php_var_serialize_init() -> *mut c_void;
    fn php_var_serialize(buf: *mut SmartStr, value: *mut Zval, data: *mut *mut c_void);
    fn php_var_serialize_destroy(data: *mut c_void);
    fn php_unserialize_with_options(
        return_value: *mut Zval,
        buf: *const c_char,
        length: usize,
        options: *mut ZendHashTable,
        function_name: *const c_char,
    );
}

/// Calls PHP (`__serialize()`, `__sleep()`): the text of serialize(). `None`: see [`pending`].
pub fn serialize(value: &Zval) -> Option<Slot> {
    let mut out = SmartStr { s: std::ptr::null_mut(), a: 0 };
    // SAFETY: an empty smart_str and a live value, which is read; `data` lives from `init` to `destroy`.
    unsafe {
        let mut data = php_var_serialize_init();
        php_var_serialize(&raw mut out, std::ptr::from_ref(value).cast_mut(), &raw mut data);
        php_var_serialize_destroy(data);
    }
    let text = out.into_slot();
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
    unsafe {
        let (bytes, length) = (text.as_ptr().cast(), text.len());
        let name = c"RustDaemon\\Channel::receive".as_ptr();
        php_unserialize_with_options(result, bytes, length, options.value.arr, name);
    }
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
    // SAFETY: a live value, which is read; on success the bytes are the Zend allocator's, and ours.
    unsafe {
        let failed = serialize(&raw mut bytes, &raw mut length, std::ptr::from_ref(value).cast_mut()) != 0;
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
    // SAFETY: bytes with their length, and a live null.
    igbinary()
        .is_some_and(|(_, unserialize)| unsafe { unserialize(bytes.as_ptr(), bytes.len(), result) == 0 })
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
