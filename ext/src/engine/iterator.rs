//! foreach over an object of ours, and values given back by reference.
//!
//! # Rules
//! What an iterator calls may call PHP: it holds no borrow of the object then. A fatal error in there leaves by longjmp.
//! Sources: php-src Zend/zend_iterators.h, Zend/zend_interfaces.c (`zend_create_internal_iterator_zval`),
//! Zend/zend_execute.c (`zend_try_assign_typed_ref_zval`).

use std::alloc::Layout;
use std::ffi::c_int;
use std::mem::ManuallyDrop;

use ext_php_rs::alloc::emalloc;
use ext_php_rs::ffi;
use ext_php_rs::types::Zval;
use ext_php_rs::zend::ClassEntry;

use super::call::Slot;

unsafe extern "C" {
    fn zend_iterator_init(iterator: *mut ffi::zend_object_iterator);
    fn zend_create_internal_iterator_zval(result: *mut Zval, object: *mut Zval) -> c_int;
    fn zend_throw_error(class: *mut ClassEntry, format: *const std::ffi::c_char, ...);
    fn zend_try_assign_typed_ref_zval(reference: *mut ffi::zend_reference, value: *mut Zval) -> c_int;
}

/// What the engine goes through a `foreach` with.
pub type ElementIterator = ffi::zend_object_iterator;

/// Calls PHP. The next element of an object, into the place; false: there is none, or an exception is pending.
pub type Next = fn(&Zval, &mut Zval) -> bool;

/// An iterator, in memory of the Zend allocator. `head.data` is the object.
#[repr(C)]
struct Elements {
    head: ffi::zend_object_iterator,
    next: Next,
    element: Slot,
    /// Whether the next one has been taken.
    is_there: bool,
    number: i64,
}

static FUNCTIONS: ffi::zend_object_iterator_funcs = ffi::zend_object_iterator_funcs {
    dtor: Some(free),
    valid: Some(valid),
    get_current_data: Some(current),
    get_current_key: Some(key),
    move_forward: Some(move_forward),
    rewind: Some(rewind),
    invalidate_current: None,
    get_gc: None,
};

/// An iterator over the elements of an object, each taken when the loop comes to it. For a class's `get_iterator`.
pub fn elements(object: &Zval, by_reference: bool, next: Next) -> *mut ffi::zend_object_iterator {
    if by_reference {
        // SAFETY: a message without arguments.
        unsafe {
            zend_throw_error(
                std::ptr::null_mut(),
                c"An iterator cannot be used with foreach by reference".as_ptr(),
            )
        };
        return std::ptr::null_mut();
    }
    // SAFETY: memory for the struct, all of which is written before anybody sees it. The engine frees it as an object, by
    // `free` and efree.
    unsafe {
        let elements = emalloc(Layout::new::<Elements>()).cast::<Elements>();
        zend_iterator_init((&raw mut (*elements).head).cast());
        (&raw mut (*elements).head.data)
            .cast::<ManuallyDrop<Zval>>()
            .write(ManuallyDrop::new(object.shallow_clone()));
        (&raw mut (*elements).head.funcs).write(&raw const FUNCTIONS);
        (&raw mut (*elements).next).write(next);
        (&raw mut (*elements).element).write(Slot::new());
        (&raw mut (*elements).is_there).write(false);
        (&raw mut (*elements).number).write(0);
        elements.cast()
    }
}

/// What `getIterator()` returns: an object over the class's own iterator. False: an exception is pending.
pub fn iterator_object(object: &Zval, result: &mut Zval) -> bool {
    // SAFETY: an object of a class with `get_iterator`, to which the call takes a reference.
    unsafe { zend_create_internal_iterator_zval(result, std::ptr::from_ref(object).cast_mut()) == 0 }
}

/// # Safety
/// Made by [`elements`], and not freed.
unsafe fn of<'a>(iterator: *mut ffi::zend_object_iterator) -> &'a mut Elements {
    // SAFETY: as the caller promises; the engine calls one function at a time.
    unsafe { &mut *iterator.cast() }
}

unsafe extern "C" fn free(iterator: *mut ffi::zend_object_iterator) {
    // SAFETY: made by `elements`; the engine does not look at it again.
    let elements = unsafe { of(iterator) };
    std::mem::replace(&mut elements.element, Slot::new()).free();
    // SAFETY: as above.
    unsafe { ManuallyDrop::drop(&mut *(&raw mut elements.head.data).cast::<ManuallyDrop<Zval>>()) };
}

unsafe extern "C" fn valid(iterator: *mut ffi::zend_object_iterator) -> ffi::zend_result {
    // SAFETY: made by `elements`.
    let (next, object) = unsafe {
        let elements = of(iterator);
        if elements.is_there {
            return 0;
        }
        (elements.next, Slot::of(std::ptr::read((&raw const elements.head.data).cast::<Zval>())))
    };
    let mut element = Slot::new();
    let mut found = false;
    // A second name for the object that the iterator holds; its reference is the iterator's.
    super::method(|| found = next(object.peek(), element.value()));
    if found {
        // SAFETY: as above; what ran meanwhile may have used it, and is done.
        let before = unsafe {
            let elements = of(iterator);
            elements.is_there = true;
            std::mem::replace(&mut elements.element, element)
        };
        before.free();
        return 0;
    }
    element.free();
    -1
}

/// Also for who has not asked whether there is one, as PHP's own InternalIterator: null where there is none.
unsafe extern "C" fn current(iterator: *mut ffi::zend_object_iterator) -> *mut Zval {
    // SAFETY: made by `elements`.
    unsafe {
        valid(iterator);
        of(iterator).element.value()
    }
}

unsafe extern "C" fn key(iterator: *mut ffi::zend_object_iterator, key: *mut Zval) {
    let mut number = Zval::new();
    // SAFETY: made by `elements`; a place that holds no value yet, whatever lies there.
    unsafe {
        number.set_long(of(iterator).number);
        key.write(number);
    }
}

unsafe extern "C" fn move_forward(iterator: *mut ffi::zend_object_iterator) {
    // SAFETY: made by `elements`.
    let before = unsafe {
        let elements = of(iterator);
        elements.number += 1;
        elements.is_there = false;
        std::mem::replace(&mut elements.element, Slot::new())
    };
    before.free();
}

unsafe extern "C" fn rewind(_iterator: *mut ffi::zend_object_iterator) {}

/// Calls PHP: gives a variable, an argument by reference, another value. What it held before may have a destructor.
pub fn assign(variable: &Zval, mut value: Slot) {
    // SAFETY: the type says whether it is a reference, whose value is the variable's.
    unsafe {
        let place = if u32::from(variable.u1.v.type_) == ffi::IS_REFERENCE {
            let reference = variable.value.ref_;
            if !(*reference).sources.ptr.is_null() {
                zend_try_assign_typed_ref_zval(reference, value.value()); // takes the value in any case
                return;
            }
            &raw mut (*reference).val
        } else {
            std::ptr::from_ref(variable).cast_mut()
        };
        let before = Slot::of(place.replace(value.into_value()));
        before.free();
    }
}
