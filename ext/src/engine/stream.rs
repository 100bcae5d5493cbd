//! A descriptor as a PHP stream.
//!
//! Sources: php-src main/streams/plain_wrapper.c (`_php_stream_fopen_from_fd`), Zend/zend_list.c.

use std::ffi::{c_char, c_int};
use std::os::fd::{IntoRawFd, OwnedFd};

use ext_php_rs::ffi;
use ext_php_rs::types::Zval;

#[cfg(not(php_debug))]
unsafe extern "C" {
    fn _php_stream_fopen_from_fd(
        fd: c_int,
        mode: *const c_char,
        persistent_id: *const c_char,
        zero_position: bool,
    ) -> *mut ffi::_php_stream;
}

// A debug PHP wants to know where its streams come from: STREAMS_DC.
#[cfg(php_debug)]
unsafe extern "C" {
    fn _php_stream_fopen_from_fd(
        fd: c_int,
        mode: *const c_char,
        persistent_id: *const c_char,
        zero_position: bool,
        depth: c_int,
        file: *const c_char,
        line: u32,
        original_file: *const c_char,
        original_line: u32,
    ) -> *mut ffi::_php_stream;
}

/// A new stream over a descriptor, which it closes in the end. `None`: PHP could not make it.
pub fn new(fd: OwnedFd) -> Option<Zval> {
    let (fd, mode, name) = (fd.into_raw_fd(), c"r".as_ptr(), std::ptr::null());
    // SAFETY: an open descriptor that is the stream's from here on; a C string; no persistent id. A new stream has a
    // resource, whose one reference becomes the zval's.
    unsafe {
        #[cfg(not(php_debug))]
        let stream = _php_stream_fopen_from_fd(fd, mode, name, false);
        #[cfg(php_debug)]
        let stream = _php_stream_fopen_from_fd(
            fd,
            mode,
            name,
            false,
            0,
            c"rustdaemon".as_ptr(),
            0,
            c"rustdaemon".as_ptr(),
            0,
        );
        if stream.is_null() {
            libc::close(fd);
            return None;
        }
        let mut value = Zval::new();
        value.value.res = (*stream).res;
        value.u1.type_info = ffi::IS_RESOURCE_EX;
        Some(value)
    }
}

/// Whether somebody has closed the stream of such a value.
pub fn is_closed(value: &Zval) -> bool {
    // SAFETY: a live resource.
    unsafe { value.value.res.as_ref() }.is_none_or(|resource| resource.ptr.is_null())
}
