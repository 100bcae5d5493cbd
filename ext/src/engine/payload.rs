//! Objects that own a Rust value: it stands before the object that PHP sees, and is dropped with it.
//!
//! # Rules
//! A value is borrowed for as long as no PHP code can run, and never across a call into PHP: that may free the object.
//! Its `Drop` runs when the object is freed, which is also at the end of the request, and calls no PHP.
//! Sources: php-src Zend/zend_objects_API.h (`zend_object_alloc`), Zend/zend_object_handlers.h (`offset`).

use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use ext_php_rs::ffi;
use ext_php_rs::types::{ZendObject, Zval};
use ext_php_rs::zend::{ClassEntry, ZendObjectHandlers};

use super::class::handle_handlers;

#[repr(C)]
struct Owner<T> {
    value: Option<T>,
    object: ZendObject,
}

/// The handlers of one class's objects.
pub struct Handlers(OnceLock<Table>);

struct Table(ZendObjectHandlers);
// SAFETY: function pointers and an offset, written once.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Handlers {
    /// None yet.
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }
}

/// A value that objects of one class own.
pub trait Payload: Sized + 'static {
    /// A static of this class alone.
    fn handlers() -> &'static Handlers;
}

/// Makes a final class one whose objects own a `T` and are made by [`new_payload`] only.
pub fn make_payload_class<T: Payload>(class: &mut ClassEntry) {
    class.__bindgen_anon_2.create_object = Some(create::<T>);
}

extern "C" fn create<T: Payload>(class: *mut ClassEntry) -> *mut ZendObject {
    let table = T::handlers().0.get_or_init(|| {
        // SAFETY: plain data of function pointers, copied.
        let mut handlers = unsafe { std::ptr::read(handle_handlers()) };
        handlers.offset = i32::try_from(offset_of!(Owner<T>, object)).unwrap_or_default();
        handlers.free_obj = Some(free::<T>);
        Table(handlers)
    });
    // SAFETY: memory for the owner and the object's properties; what the engine does for a class without a
    // `create_object` of its own follows, then our handlers, which know where the memory begins.
    unsafe {
        let owner = ffi::ext_php_rs_zend_object_alloc(size_of::<Owner<T>>(), class).cast::<Owner<T>>();
        (&raw mut (*owner).value).write(None);
        let object = &raw mut (*owner).object;
        ffi::zend_object_std_init(object, class);
        ffi::object_properties_init(object, class);
        (*object).handlers = &raw const table.0;
        object
    }
}

unsafe extern "C" fn free<T: Payload>(object: *mut ZendObject) {
    // SAFETY: an object made by `create`; the engine frees each once, and its memory afterwards.
    unsafe {
        let value = (*owner_of::<T>(object)).value.take();
        // What a panic says, the panic hook has printed.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(value)));
        ffi::zend_object_std_dtor(object);
    }
}

fn owner_of<T>(object: *mut ZendObject) -> *mut Owner<T> {
    object.wrapping_byte_sub(offset_of!(Owner<T>, object)).cast()
}

/// A new object of a class made by [`make_payload_class`], which owns `value`.
pub fn new_payload<T: Payload>(class: &'static ClassEntry, value: T) -> Zval {
    let object = create::<T>(std::ptr::from_ref(class).cast_mut());
    // SAFETY: just made.
    unsafe { (*owner_of::<T>(object)).value = Some(value) };
    let mut result = Zval::new();
    result.value.obj = object;
    result.u1.type_info = ffi::IS_OBJECT_EX;
    result
}

/// Looks at what an object owns, or changes it. `None`: it owns nothing, because it was not made by [`new_payload`].
///
/// # Safety
/// `this` is an object of the class that owns a `T`; `act` calls no PHP, and does not look at the same object.
pub unsafe fn payload<T: Payload, R>(this: &Zval, act: impl FnOnce(&mut T) -> R) -> Option<R> {
    // SAFETY: as the caller promises.
    unsafe { (*owner_of::<T>(this.value.obj)).value.as_mut() }.map(act)
}
