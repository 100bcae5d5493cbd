//! The birth and the end of a forked child that runs one callable: what belongs to its parent stays untouched.
//!
//! # How it works
//! The parent's frames stay on the stack and are never returned to: the child ends by `_exit`. Until then nothing of the
//! parent's may be destructed, freed, closed or printed here, because that reaches out of the process: a goodbye on a
//! shared connection, a line that is written twice.
//!
//! Most of what a child costs is its first touch of each page, of code as of memory: what the parent can find out for it is
//! found out before the fork ([`prepare`]), and what there is nothing of is not looked at.
//!
//! # Correct order
//! [`be_born`]: the parent's objects ([`super::kept`]) and resources are held, so that they can be given up and do not end; its shutdown
//! functions and output buffers are dropped, and where its persistent connections are found; the fiber that runs is forgotten,
//! since the callable is no part of it.
//! [`run`]: the callable, then what PHP does with an uncaught exception. [`end`]: the child's own shutdown functions,
//! destructors and output buffers, then its own resources and objects: those made after the fork.
//!
//! # Rules
//! Every step of PHP code stands in a `zend_try` of its own: a fatal error would else leave into the parent's frames.
//! `zend_call_destructors()` is never used here: it frees objects of the parent's.
//! Sources: php-src main/main.c (`php_request_shutdown`), Zend/zend.c (`zend_execute_scripts`), Zend/zend_objects_API.c,
//! Zend/zend_list.c, main/output.c, ext/pcntl/pcntl.c; DESIGN 5.

use std::ffi::{CStr, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use ext_php_rs::ffi;
use ext_php_rs::types::{ZendCallable, ZendHashTable, ZendObject, ZendStr, Zval};

use super::kept::{self, object, top};
use super::{Pending, RawCallable, clear_exception, exception, globals, interrupt, module, pending};

/// The beginning of `php_output_handler`.
#[repr(C)]
struct OutputHandler {
    name: *mut ZendStr,
    flags: c_int,
}

unsafe extern "C" {
    fn php_free_shutdown_functions();
    fn php_call_shutdown_functions();
    fn php_output_get_active_handler() -> *mut OutputHandler;
    fn php_output_discard() -> c_int;
    fn php_output_end_all();
    fn zend_user_exception_handler();
    fn zend_exception_error(exception: *mut ZendObject, severity: c_int) -> c_int;
    fn zend_objects_destroy_object(object: *mut ZendObject);
    fn zend_list_close(resource: *mut ffi::zend_resource);
    fn zend_fiber_switch_blocked() -> bool;
    fn _zend_hash_init(table: *mut ZendHashTable, size: u32, destruct: ffi::dtor_func_t, persistent: bool);
    fn zend_hash_graceful_reverse_destroy(table: *mut ZendHashTable);
}

const FAILURE: c_int = -1;
const MODULE_PERSISTENT: c_int = 1;
/// `PHP_OUTPUT_HANDLER_DISABLED`: its callback is not called any more.
const OUTPUT_DISABLED: c_int = 0x2000;
/// `PHP_OUTPUT_HANDLER_REMOVABLE`.
const OUTPUT_REMOVABLE: c_int = 0x0040;
/// `HASH_FLAG_PACKED`: the values of a table have no keys beside them.
const PACKED: u32 = 1 << 2;
/// `IS_OBJ_DESTRUCTOR_CALLED`, `IS_OBJ_FREE_CALLED`.
const DESTRUCTED: u32 = 1 << 8;
const FREED: u32 = 1 << 9;
/// `EG_FLAGS_IN_SHUTDOWN`, `EG_FLAGS_OBJECT_STORE_NO_REUSE`.
const IN_SHUTDOWN: u8 = 1;
const NO_REUSE: u8 = 2;
/// What PHP ends with after an uncaught exception or a fatal error.
const FAILED: c_int = 255;

/// What there was when the child was born: the rest is its own.
#[derive(Clone, Copy)]
pub struct Birth {
    objects: u32,
    resources: i64,
}

/// What the parent knows.
pub struct Heritage {
    hook: Option<unsafe extern "C" fn()>,
    random: Option<(RequestStartup, c_int)>,
    has_output: bool,
    blocks_fibers: bool,
    in_exception_handler: bool,
}

type RequestStartup = unsafe extern "C" fn(c_int, c_int) -> c_int;

/// How far this process is in its life as a child of ours; 0: it is none.
static LIFE: AtomicU8 = AtomicU8::new(0);
/// In its function, or one of `onFork()`.
const MAIN: u8 = 1;
/// Past it: an exception handler runs, or what is registered for the end.
const OVER: u8 = 2;

/// In the parent, right before the fork.
pub fn prepare() -> Heritage {
    kept::prepare();
    // SAFETY: both only ask.
    let (has_output, blocks_fibers) =
        unsafe { (!php_output_get_active_handler().is_null(), zend_fiber_switch_blocked()) };
    // SAFETY: a plain field.
    let has_handler = unsafe { (*globals()).user_exception_handler.u1.type_info != ffi::IS_UNDEF };
    let in_exception_handler = has_handler
        && match LIFE.load(Ordering::Relaxed) {
            MAIN => false, // its function is on the stack, and none of the engine's
            OVER => !super::in_shutdown(),
            _ => super::in_exception_handler(),
        };
    Heritage {
        hook: child_hook(),
        random: module_of_random(),
        has_output,
        blocks_fibers,
        in_exception_handler,
    }
}

/// How the module that has the random numbers begins a request: it forgets that they have a seed. Source: php-src
/// ext/random/random.c (`PHP_RINIT_FUNCTION(random)`).
fn module_of_random() -> Option<(RequestStartup, c_int)> {
    let module = module("random")?;
    Some((module.request_startup_func?, module.module_number))
}

/// Parts this process from its parent. Right after the fork, in the child; calls no PHP.
#[unsafe(link_section = "rustdaemon.child")]
pub fn be_born(heritage: &Heritage) -> Birth {
    let globals = globals();
    // SAFETY: plain fields of the executor, and tables that live as long as the request; what is counted up stays alive
    // for good. The functions are the engine's own for these things, called as it calls them.
    unsafe {
        if let Some(hook) = heritage.hook {
            hook();
        }
        kept::keep();
        for resource in (0..resource_places()).filter_map(resource) {
            (*resource).gc.refcount += 1;
        }
        forget_persistent_connections();
        php_free_shutdown_functions();
        if heritage.has_output {
            discard_output();
        }
        (*globals).active_fiber = std::ptr::null_mut();
        while heritage.blocks_fibers && zend_fiber_switch_blocked() {
            interrupt::unblock_fibers();
        }
        // No handle of the parent's is given to an object of the child's.
        (*globals).objects_store.free_list_head = -1;
        (*globals).exit_status = 0;
        // The handler that runs is not called again for what its child throws, as in a script: one that forks would end never.
        // The reference to it is nobody's from now on.
        if heritage.in_exception_handler {
            (*globals).user_exception_handler.u1.type_info = ffi::IS_UNDEF;
        }
        // PHP seeds mt_rand() and lcg_value() at their first use in a request.
        if let Some((begin_request, number)) = heritage.random {
            begin_request(MODULE_PERSISTENT, number);
        }
        Birth {
            objects: (*globals).objects_store.top,
            resources: (*globals).regular_list.nNextFreeElement.max(0),
        }
    }
}

/// Persistent connections are found by where they lead: one that the child asks for would be its parent's. What the table
/// held stays as it is, for the parent's objects.
#[unsafe(link_section = "rustdaemon.child")]
fn forget_persistent_connections() {
    // SAFETY: a table of the executor's, which is made anew as the engine makes it (`zend_init_rsrc_plist`).
    unsafe {
        let list = &raw mut (*globals()).persistent_list;
        if (*list).nNumOfElements > 0 {
            _zend_hash_init(list, 0, (*list).pDestructor, true);
        }
    }
}

/// What PHP wants to be called in a child: since 8.5 there is a function for it; before, with threads, the timer that
/// measures execution time has to be made anew. Looked up in the parent, and once: a search through all libraries costs
/// a child more than all the rest of its birth.
fn child_hook() -> Option<unsafe extern "C" fn()> {
    static HOOK: OnceLock<Option<unsafe extern "C" fn()>> = OnceLock::new();
    *HOOK.get_or_init(|| {
        let named = |name: &CStr| {
            // SAFETY: null, which is `None`, or a function without arguments or result.
            unsafe {
                let symbol = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
                std::mem::transmute::<*mut c_void, Option<unsafe extern "C" fn()>>(symbol)
            }
        };
        named(c"php_child_init").or_else(|| named(c"zend_max_execution_timer_init"))
    })
}

/// How many places the table of resources has, of which some are empty.
#[unsafe(link_section = "rustdaemon.child")]
fn resource_places() -> u32 {
    // SAFETY: a plain field.
    unsafe { (*globals()).regular_list.nNumUsed }
}

/// The resource at a place below [`resource_places`]. Without the engine's functions for it: their code is pages that the
/// child has not touched.
#[unsafe(link_section = "rustdaemon.child")]
fn resource(place: u32) -> Option<*mut ffi::zend_resource> {
    // SAFETY: a table that lives as long as the request: so many values, each alone or with its key, which is as long as
    // two; those that are there are resources.
    unsafe {
        let list = &raw const (*globals()).regular_list;
        let step = if (*list).u.flags & PACKED != 0 { 1 } else { 2 };
        let value = (*list).__bindgen_anon_1.arPacked.add(place as usize * step);
        ((*value).u1.type_info != ffi::IS_UNDEF).then(|| (*value).value.res)
    }
}

/// What is buffered is the parent's to print, and so are the callbacks to call.
fn discard_output() {
    // SAFETY: null, or the innermost handler, which lives until it is discarded.
    unsafe {
        loop {
            let handler = php_output_get_active_handler();
            if handler.is_null() {
                return;
            }
            (*handler).flags |= OUTPUT_DISABLED | OUTPUT_REMOVABLE;
            if php_output_discard() == FAILURE {
                return;
            }
        }
    }
}

/// In a child that was forked inside a handler of pcntl's: its parent's handlers are given up. pcntl notes down that one of
/// them runs, and would only collect the child's signals. Calls functions of pcntl's own, and no PHP code.
pub fn leave_pcntl_handlers() {
    let name = |function| ZendCallable::try_from_name(function).ok();
    attempt(|| {
        let Some((ask, set)) = name("pcntl_signal_get_handler").zip(name("pcntl_signal")) else { return };
        for number in 1..=libc::SIGRTMAX() {
            // pcntl tells of the first 32 only. An int is SIG_DFL or SIG_IGN.
            let has_handler = if number < 32 {
                ask.try_call(vec![&number]).is_ok_and(|handler| !handler.is_long())
            } else {
                let dispositions = [libc::SIG_DFL, libc::SIG_IGN];
                !interrupt::is_reserved(number)
                    && interrupt::php_disposition(number).is_some_and(|now| !dispositions.contains(&now))
            };
            if has_handler {
                let _ = set.try_call(vec![&number, &i32::try_from(libc::SIG_DFL).unwrap_or_default()]);
            }
        }
    });
}

/// Calls PHP: the callables one after the other, then the child's own, and then what PHP does when one has thrown. What its
/// own has returned, unless something has ended the script before.
#[unsafe(link_section = "rustdaemon.child")]
pub fn run(resets: &[RawCallable], main: RawCallable) -> Option<Zval> {
    let mut result = Zval::new();
    LIFE.store(MAIN, Ordering::Relaxed);
    let whole = attempt(|| {
        for callable in resets.iter().chain(std::iter::once(&main)) {
            result = Zval::new();
            callable.call_with(None, &mut result);
            if pending() != Pending::Nothing {
                return;
            }
        }
    });
    LIFE.store(OVER, Ordering::Relaxed);
    let globals = globals();
    // SAFETY: plain fields; the child has no frame to go on in, as at the end of a script.
    unsafe {
        if exception::out_of_memory() {
            (*globals).exit_status = FAILED;
            exception::tell_out_of_memory();
        }
        (*globals).current_execute_data = std::ptr::null_mut();
    }
    if !whole {
        return None;
    }
    match pending() {
        Pending::Nothing => Some(result),
        Pending::Exception => {
            report_exception();
            None
        }
        Pending::Leaving => {
            exception::forget_out_of_memory();
            attempt(clear_exception);
            None
        }
    }
}

/// As for the exception that a script ends with.
fn report_exception() {
    // SAFETY: an exception is in flight; as zend_execute_scripts does.
    attempt(|| unsafe {
        let globals = globals();
        (*globals).exit_status = FAILED;
        if (*globals).user_exception_handler.u1.type_info != ffi::IS_UNDEF {
            zend_user_exception_handler();
        }
        if !(*globals).exception.is_null() {
            zend_exception_error((*globals).exception, c_int::try_from(ffi::E_ERROR).unwrap_or(1));
        }
    });
}

/// Sets what the process ends with.
#[unsafe(link_section = "rustdaemon.child")]
pub fn set_exit_code(code: u8) {
    // SAFETY: a plain field.
    unsafe { (*globals()).exit_status = code.into() };
}

/// Calls PHP: what the child itself has registered and made comes to its end. The exit code.
#[unsafe(link_section = "rustdaemon.child")]
pub fn end(birth: Birth) -> u8 {
    // SAFETY: plain fields, and functions of the engine's for the end of a request.
    unsafe {
        let globals = globals();
        (*globals).flags |= IN_SHUTDOWN;
        attempt(|| php_call_shutdown_functions());
        settle();
        (*globals).flags |= NO_REUSE;
        let given_on = kept::given_on();
        if top() > birth.objects || !given_on.is_empty() {
            attempt(|| destruct(&given_on, birth.objects));
            settle();
        }
        attempt(|| php_output_end_all());
        settle();
        close_resources_from(birth.resources);
        free_objects(&given_on, birth.objects);
        close_persistent_connections();
        u8::try_from((*globals).exit_status & 0xff).unwrap_or(u8::MAX)
    }
}

/// Between two steps nothing is in flight.
fn settle() {
    if pending() != Pending::Nothing {
        exception::forget_out_of_memory();
        attempt(clear_exception);
    }
}

/// As zend_objects_store_call_destructors does, for the child's own: see [`kept::given_on`].
fn destruct(given_on: &[u32], first: u32) {
    interrupt::block_fibers();
    // Destructors make objects, which are destructed as well.
    for handle in given_on.iter().copied().chain(first..).take_while(|handle| *handle < top()) {
        if let Some(object) = object(handle) {
            // SAFETY: a live object, held while its destructor runs; flags as the engine sets them.
            unsafe {
                if (*object).gc.u.type_info & DESTRUCTED == 0 {
                    (*object).gc.u.type_info |= DESTRUCTED;
                    if let Some(destruct) = (*(*object).handlers).dtor_obj
                        && has_destructor(object, destruct)
                    {
                        (*object).gc.refcount += 1;
                        destruct(object);
                        (*object).gc.refcount -= 1;
                    }
                }
            }
        }
    }
    interrupt::unblock_fibers();
}

/// # Safety
/// A live object.
unsafe fn has_destructor(object: *mut ZendObject, destruct: unsafe extern "C" fn(*mut ZendObject)) -> bool {
    let usual = destruct as usize == zend_objects_destroy_object as *const () as usize;
    // SAFETY: as the caller promises.
    !usual || unsafe { !(*(*object).ce).destructor.is_null() }
}

/// As zend_close_rsrc_list and zend_destroy_rsrc_list do, for the child's own: a stream writes what it has kept back. The
/// newest one first; the second pass is for those that were opened by the first.
#[unsafe(link_section = "rustdaemon.child")]
fn close_resources_from(first: i64) {
    for _ in 0..2 {
        let mut end = resource_places();
        while let Some(place) = end.checked_sub(1) {
            end = place;
            let Some(resource) = resource(place) else { continue };
            // SAFETY: a live resource, in a table that is in the order of handles; one that cannot be closed is not tried
            // again. Its memory is the list's, which holds it meanwhile.
            unsafe {
                if (*resource).handle < first {
                    break; // and so are those below
                }
                if (*resource).type_ >= 0 {
                    (*resource).gc.refcount += 1;
                    attempt(|| zend_list_close(resource));
                    (*resource).type_ = -1;
                }
            }
            end = end.min(resource_places()); // what was closed may have given up others
        }
    }
}

/// As zend_objects_store_free_object_storage does, for the child's own: a connection says goodbye, an archive is written.
#[unsafe(link_section = "rustdaemon.child")]
fn free_objects(given_on: &[u32], first: u32) {
    for handle in given_on.iter().copied().chain(first..top()).rev() {
        let Some(object) = object(handle) else { continue };
        // SAFETY: a live object, which is held for good; flags as the engine sets them.
        unsafe {
            if (*object).gc.u.type_info & FREED != 0 {
                continue;
            }
            (*object).gc.u.type_info |= FREED;
            (*object).gc.refcount += 1;
            if let Some(free) = kept::free_function(object) {
                attempt(|| free(object));
            }
        }
    }
}

/// As zend_shutdown does: those in the table are the child's own.
#[unsafe(link_section = "rustdaemon.child")]
fn close_persistent_connections() {
    // SAFETY: a table of the executor's, which nobody uses afterwards.
    unsafe {
        let list = &raw mut (*globals()).persistent_list;
        if (*list).nNumOfElements > 0 {
            attempt(|| zend_hash_graceful_reverse_destroy(list));
        }
    }
}

/// Calls PHP; whether it was not left by a fatal error.
#[unsafe(link_section = "rustdaemon.child")]
fn attempt(body: impl FnOnce()) -> bool {
    #[unsafe(link_section = "rustdaemon.child")]
    unsafe extern "C" fn call<F: FnOnce()>(body: *const c_void) -> *const c_void {
        // SAFETY: the caller's own body, taken once.
        let body = unsafe { (*body.cast_mut().cast::<Option<F>>()).take() };
        if let Some(body) = body {
            let _ = catch_unwind(AssertUnwindSafe(body)); // what a panic says, the panic hook has printed
        }
        std::ptr::null()
    }
    fn trampoline<F: FnOnce()>(_: &Option<F>) -> unsafe extern "C" fn(*const c_void) -> *const c_void {
        call::<F>
    }
    let mut body = Some(body);
    let function = trampoline(&body);
    let mut nothing = std::ptr::null_mut();
    // SAFETY: a function and its argument, which outlives the call; the C function is a `zend_try` around it.
    let left = unsafe { ffi::ext_php_rs_zend_try_catch(function, (&raw mut body).cast(), &raw mut nothing) };
    if left {
        kept::keep_after_a_fatal_error();
    }
    !left
}
