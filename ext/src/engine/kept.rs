//! The parent's objects in a child: each of them can be given up there, and none is destructed or freed.
//!
//! # How it works
//! A few objects get a reference each that nobody gives up. That writes to the memory of every one, which the kernel then
//! copies; so where there are many it is done at the moment when one of them is about to end: in the child the tables of
//! handlers, which all objects of a class share, are changed so that [`keep_or_destruct`] is asked first. It knows the
//! parent's objects by their handles, which are lower than the first one given out after the fork. Those that were
//! destructed before the fork and live on are not asked for: a child that gives one up frees it, and its handle goes to an
//! object of the child's. [`note_and_free`] notes which handles these are.
//!
//! The tables are found once, in the parent: one object of each internal class is made, without its constructor, and
//! thrown away. Since PHP 8.3 a class says which one is its own.
//!
//! # Why not less
//! At its end a child walks through its own objects only, and `_exit` does the rest: what is here is for references that its PHP
//! code gives up while it runs, and for the cycle collector. Objects that have neither a destructor nor anything outside of
//! the process to close are kept as well: a freed one hands its handle to the next object that the child makes, which would
//! then be taken for its parent's; and to tell them apart is to read each object, which takes longer than the fork.
//!
//! # What may be lost
//! A fatal error marks every object as destructed, after which no handler is asked: [`hold_each`] follows it, and is what a
//! fork in a shutdown function does. An object that its destructor has made reachable again, or whose constructor has
//! thrown, is freed by a child that gives it up. The cycle collector of such a child runs twice where it would have run once.
//!
//! # Rules
//! Tables are written in a child only: it has one thread, and its copy is its own. One that cannot be written means that all
//! objects get their reference after all.
//! Sources: php-src Zend/zend_objects_API.c (`zend_objects_store_del`), Zend/zend_gc.c, Zend/zend_object_handlers.h;
//! mprotect(2), proc(5) `maps`.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ext_php_rs::ffi;
use ext_php_rs::types::ZendObject;
use ext_php_rs::zend::{ClassEntry, ZendObjectHandlers};
use rustdaemon_core::sys;

use super::globals;

type OfObject = unsafe extern "C" fn(*mut ZendObject);

unsafe extern "C" {
    fn zend_objects_destroy_object(object: *mut ZendObject);
}

/// Up to so many objects hold about as many pages of memory as the tables do.
const FEW: u32 = 1024;
/// `IS_OBJ_DESTRUCTOR_CALLED`.
const DESTRUCTED: u32 = 1 << 8;
/// `ZEND_ACC_EXPLICIT_ABSTRACT_CLASS`.
const EXPLICIT_ABSTRACT: u32 = 1 << 6;
/// `ZEND_INTERNAL_CLASS`.
const INTERNAL: std::ffi::c_char = 1;
const CANNOT_BE_MADE: u32 = ffi::ZEND_ACC_INTERFACE
    | ffi::ZEND_ACC_TRAIT
    | ffi::ZEND_ACC_ENUM
    | ffi::ZEND_ACC_IMPLICIT_ABSTRACT_CLASS
    | EXPLICIT_ABSTRACT;

/// Handles below this one are the parent's; 0: the tables are as PHP has them.
static FIRST_OWN: AtomicU32 = AtomicU32::new(0);
/// Whether there is anything in [`GIVEN_ON`]: memory that a child need not touch.
static ANY_GIVEN_ON: AtomicBool = AtomicBool::new(false);
/// This child has had a fatal error: its objects count as destructed.
static AFTER_FATAL: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Copy)]
struct Table {
    handlers: *mut ZendObjectHandlers,
    /// `None`: the engine's own for all objects.
    destruct: Option<OfObject>,
    free: Option<OfObject>,
    writable: bool,
}

thread_local! {
    static TABLES: OnceCell<Vec<Table>> = const { OnceCell::new() };
    /// Handles below [`FIRST_OWN`] whose objects this child has freed: objects of its own may have them.
    static GIVEN_ON: RefCell<BTreeSet<u32>> = const { RefCell::new(BTreeSet::new()) };
}

/// In the parent, before a fork: what its child will need where there are many objects.
pub fn prepare() {
    // To make an object of a disabled class is a warning.
    if top() > FEW && super::ini(c"disable_classes").is_empty() {
        TABLES.with(|tables| {
            if tables.get().is_none() {
                let _ = tables.set(find_tables());
            }
        });
    }
}

/// One more than the highest handle that was given out.
#[unsafe(link_section = "rustdaemon.child")]
pub fn top() -> u32 {
    // SAFETY: a plain field.
    unsafe { (*globals()).objects_store.top }
}

/// The object of a handle below [`top`]; `None`: it has none at the moment.
#[unsafe(link_section = "rustdaemon.child")]
pub fn object(handle: u32) -> Option<*mut ZendObject> {
    // SAFETY: the store has so many places; one without an object holds an odd number.
    let object = unsafe { *(*globals()).objects_store.object_buckets.add(handle as usize) };
    (object.addr() & 1 == 0 && !object.is_null()).then_some(object)
}

/// The handles below [`FIRST_OWN`] that an object of the child's own may have: the lowest first.
#[unsafe(link_section = "rustdaemon.child")]
pub fn given_on() -> Vec<u32> {
    match ANY_GIVEN_ON.load(Ordering::Relaxed) {
        true => GIVEN_ON.with_borrow(|given_on| given_on.iter().copied().collect()),
        false => Vec::new(),
    }
}

/// What frees this object's storage; `None`: only what the engine does for all.
///
/// # Safety
/// A live object.
#[unsafe(link_section = "rustdaemon.child")]
pub unsafe fn free_function(object: *mut ZendObject) -> Option<OfObject> {
    // SAFETY: as the caller promises.
    let free = unsafe { (*(*object).handlers).free_obj };
    let free = match free {
        Some(free) if is(free, note_and_free) => table_of_object(object).and_then(|table| table.free),
        free => free,
    };
    free.filter(|free| !is(*free, ffi::zend_object_std_dtor))
}

/// In the child: all objects that there are stay.
#[unsafe(link_section = "rustdaemon.child")]
pub fn keep() {
    if ANY_GIVEN_ON.load(Ordering::Relaxed) {
        ANY_GIVEN_ON.store(false, Ordering::Relaxed);
        GIVEN_ON.take(); // this process's parent is itself a child, and its objects are a parent's here
    }
    let kept_before = FIRST_OWN.load(Ordering::Relaxed) > 0;
    let asked = !super::in_shutdown() && !AFTER_FATAL.load(Ordering::Relaxed);
    if !asked || !kept_before && (top() <= FEW || !change_tables()) {
        return hold_each(top());
    }
    FIRST_OWN.store(top(), Ordering::Relaxed);
}

/// After a fatal error: a reference for each of the parent's, where they had none yet.
pub fn keep_after_a_fatal_error() {
    AFTER_FATAL.store(true, Ordering::Relaxed);
    hold_each(FIRST_OWN.load(Ordering::Relaxed));
}

#[unsafe(link_section = "rustdaemon.child")]
fn hold_each(end: u32) {
    for handle in 1..end {
        if let Some(object) = object(handle) {
            // SAFETY: a live object.
            unsafe { (*object).gc.refcount += 1 };
        }
    }
}

/// In place of an object's destructor: the caller gives up the last reference, and ends the object unless there is another.
unsafe extern "C" fn keep_or_destruct(object: *mut ZendObject) {
    // SAFETY: the engine's own argument: a live object.
    unsafe {
        if is_parents((*object).handle) {
            (*object).gc.refcount += 1;
            return;
        }
        match table_of_object(object).and_then(|table| table.destruct) {
            Some(destruct) => destruct(object),
            None => zend_objects_destroy_object(object),
        }
    }
}

/// In place of what frees an object's storage: the caller lets another object have its handle then.
unsafe extern "C" fn note_and_free(object: *mut ZendObject) {
    // SAFETY: the engine's own argument: a live object.
    unsafe {
        if is_parents((*object).handle) {
            GIVEN_ON.with_borrow_mut(|given_on| given_on.insert((*object).handle));
            ANY_GIVEN_ON.store(true, Ordering::Relaxed);
        }
        match table_of_object(object).and_then(|table| table.free) {
            Some(free) => free(object),
            None => ffi::zend_object_std_dtor(object),
        }
    }
}

fn is_parents(handle: u32) -> bool {
    let is_given_on = || {
        ANY_GIVEN_ON.load(Ordering::Relaxed) && GIVEN_ON.with_borrow(|given_on| given_on.contains(&handle))
    };
    handle < FIRST_OWN.load(Ordering::Relaxed) && !is_given_on()
}

/// The changed table of a live object.
#[unsafe(link_section = "rustdaemon.child")]
fn table_of_object(object: *mut ZendObject) -> Option<Table> {
    // SAFETY: the callers' promise: a live object.
    let handlers = unsafe { (*object).handlers };
    TABLES.with(|tables| {
        let mut tables = tables.get().into_iter().flatten();
        tables.find(|table| std::ptr::eq(table.handlers, handlers)).copied()
    })
}

fn is(one: OfObject, other: OfObject) -> bool {
    one as usize == other as usize
}

/// Whether every table asks us from now on.
fn change_tables() -> bool {
    TABLES.with(|tables| {
        let Some(tables) = tables.get() else { return false };
        tables.iter().all(|table| {
            let bytes = size_of::<ZendObjectHandlers>();
            // SAFETY: a table of the engine's or an extension's, which nobody reads while it is written.
            unsafe {
                if !table.writable && sys::make_writable(table.handlers.addr(), bytes).is_err() {
                    return false;
                }
                (*table.handlers).dtor_obj = Some(keep_or_destruct);
                (*table.handlers).free_obj = Some(note_and_free);
            }
            true
        })
    })
}

fn find_tables() -> Vec<Table> {
    let writable = sys::writable_memory();
    let mut tables: Vec<Table> = Vec::new();
    let mut add = |handlers: *const ZendObjectHandlers| {
        if handlers.is_null() || tables.iter().any(|table| std::ptr::eq(table.handlers, handlers)) {
            return;
        }
        // SAFETY: a table that lives as long as its class.
        let (destruct, free) = unsafe { ((*handlers).dtor_obj, (*handlers).free_obj) };
        let destruct = destruct.filter(|own| !is(*own, zend_objects_destroy_object));
        let free = free.filter(|own| !is(*own, ffi::zend_object_std_dtor));
        let (first, last) = (handlers.addr(), handlers.addr() + size_of::<ZendObjectHandlers>());
        let writable = writable.iter().any(|range| range.start <= first && last <= range.end);
        tables.push(Table { handlers: handlers.cast_mut(), destruct, free, writable });
    };
    add(&raw const ffi::std_object_handlers);
    // SAFETY: the table of classes lives as long as the request; its values point to classes.
    unsafe {
        for value in (*(*globals()).class_table).values() {
            add(table_of(value.value.ptr.cast()));
        }
    }
    tables
}

/// # Safety
/// A class of the engine.
unsafe fn table_of(class: *mut ClassEntry) -> *const ZendObjectHandlers {
    // SAFETY: as the caller promises. An object that was never constructed and never destructed is what `new` leaves when a
    // constructor throws: every class can free it.
    unsafe {
        let internal = (*class).type_ == INTERNAL;
        let create = (*class).__bindgen_anon_2.create_object;
        let Some(create) = create.filter(|_| internal && (*class).ce_flags & CANNOT_BE_MADE == 0) else {
            return std::ptr::null();
        };
        #[cfg(php83)]
        if !(*class).default_object_handlers.is_null() {
            return (*class).default_object_handlers;
        }
        let object = create(class);
        let handlers = (*object).handlers;
        (*object).gc.u.type_info |= DESTRUCTED;
        ffi::ext_php_rs_zend_object_release(object);
        handlers
    }
}
