//! Objects that carry a Rust value.
//!
//! # How it works
//! The value lies before the object, in the same memory of the Zend allocator: who writes to both after a fork writes to one
//! page. It is dropped with the object, also after a fatal error: the engine frees such objects in any case.
//!
//! # Rules
//! What is carried calls no PHP when it is dropped, and fits into [`Room`]: what is larger is carried in a box.
//! Sources: php-src Zend/zend_objects_API.c, Zend/zend_objects.c; the manual's "custom object storage".

use std::any::TypeId;
use std::mem::{MaybeUninit, offset_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use ext_php_rs::args::ArgInfoTables;
use ext_php_rs::ffi;
use ext_php_rs::types::{ZendObject, Zval};
use ext_php_rs::zend::{ClassEntry, ZendObjectHandlers};

use super::class::{Handlers, Registered, handle_handlers, keep_parameters};

/// The same for all, because the engine knows one distance from an object to its memory.
type Room = [u64; 20];

/// What kind of value lies there, and how it is dropped.
#[derive(Clone, Copy)]
struct Kind {
    id: TypeId,
    drop: unsafe fn(*mut Room),
}

#[repr(C)]
struct Carrier {
    value: MaybeUninit<Room>,
    /// `None`: no value is there, or no more.
    kind: Option<Kind>,
    object: ZendObject,
}

fn handlers() -> *const ZendObjectHandlers {
    static TABLE: Handlers = Handlers::new();
    // SAFETY: a table of ours.
    unsafe {
        TABLE.get(handle_handlers(), |table| {
            table.offset = i32::try_from(offset_of!(Carrier, object)).unwrap_or_default();
            table.free_obj = Some(free);
        })
    }
}

extern "C" fn create(class: *mut ClassEntry) -> *mut ZendObject {
    // SAFETY: memory for the struct and, behind it, for the class's properties; then what the engine does for a class
    // without a `create_object` of its own. The engine ends the script when there is no memory.
    unsafe {
        let carrier = ffi::ext_php_rs_zend_object_alloc(size_of::<Carrier>(), class).cast::<Carrier>();
        (&raw mut (*carrier).kind).write(None);
        let object = &raw mut (*carrier).object;
        ffi::zend_object_std_init(object, class);
        ffi::object_properties_init(object, class);
        (*object).handlers = handlers();
        object
    }
}

unsafe extern "C" fn free(object: *mut ZendObject) {
    // SAFETY: an object made by `create`, which the engine gives up here and does not look at again.
    unsafe {
        let carrier = carrier(object);
        if let Some(kind) = (*carrier).kind.take() {
            let value = (*carrier).value.as_mut_ptr();
            let _ = catch_unwind(AssertUnwindSafe(|| (kind.drop)(value))); // what a panic says, the panic hook has printed
        }
        ffi::zend_object_std_dtor(object);
    }
}

/// # Safety
/// An object made by [`create`].
unsafe fn carrier(object: *mut ZendObject) -> *mut Carrier {
    // SAFETY: as the caller promises.
    unsafe { object.byte_sub(offset_of!(Carrier, object)).cast() }
}

/// Declares a final class whose objects carry a value, which only this extension makes, and which are equal to themselves
/// only; `entry` is it from now on.
/// MINIT only.
pub fn declare_carrier(class: &mut ClassEntry, arguments: ArgInfoTables, entry: &Registered) {
    keep_parameters(arguments);
    class.__bindgen_anon_2.create_object = Some(create);
    entry.set(class);
}

/// A new object of a class declared by [`declare_carrier`].
pub fn new_carrier<T: 'static>(class: &'static ClassEntry, value: T) -> Zval {
    const { assert!(size_of::<T>() <= size_of::<Room>() && align_of::<T>() <= align_of::<Room>()) };
    let drop = |value: *mut Room| {
        // SAFETY: called once, where a `T` was written.
        unsafe { value.cast::<T>().drop_in_place() }
    };
    let object = create(std::ptr::from_ref(class).cast_mut());
    let mut made = Zval::new();
    // SAFETY: made just now, with room enough, as was asked above.
    unsafe {
        let carrier = carrier(object);
        (*carrier).value.as_mut_ptr().cast::<T>().write(value);
        (*carrier).kind = Some(Kind { id: TypeId::of::<T>(), drop });
    }
    made.value.obj = object;
    made.u1.type_info = ffi::IS_OBJECT_EX;
    made
}

/// What the object carries. `None`: not one of [`new_carrier`]'s, or of another class.
pub fn carried<T: 'static>(object: &Zval) -> Option<&T> {
    // SAFETY: the handlers tell that it was made by `create`; it lives as long as the value that refers to it.
    unsafe {
        let object = NonNull::from(object.object()?).as_ptr();
        if !std::ptr::eq((*object).handlers, handlers()) {
            return None;
        }
        let carrier = carrier(object);
        (*carrier).kind.filter(|kind| kind.id == TypeId::of::<T>())?;
        Some(&*(*carrier).value.as_ptr().cast::<T>())
    }
}
