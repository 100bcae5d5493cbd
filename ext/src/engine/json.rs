//! JSON, as PHP's own functions read and write it.
//!
//! Sources: php-src ext/json/php_json.h.

use std::ffi::{c_char, c_int};

use ext_php_rs::ffi;
use ext_php_rs::types::{ZendStr, Zval};

use super::argument::bytes;
use super::{Pending, SmartStr, pending};

unsafe extern "C" {
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
/// `PHP_JSON_OBJECT_AS_ARRAY`.
const OBJECT_AS_ARRAY: i64 = 1;
/// PHP's own default for both directions.
const JSON_DEPTH: i64 = 512;

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
