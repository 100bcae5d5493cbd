//! The virtual machine's interrupts: how a signal handler gets PHP to look, and what PHP then calls.
//!
//! # How it works
//! `EG(vm_interrupt)` is looked at by the virtual machine at each jump backwards, and after each call of an internal or
//! user function returns; then it calls `zend_interrupt_function`. Hooks are chained: each calls the one it found.
//!
//! # Rules
//! The flag is the only thing here that a signal handler may touch: [`flag`] is asked for once, before.
//! Sources: php-src Zend/zend_vm_def.h (`zend_interrupt_helper`), Zend/zend_fibers.h, Zend/zend_signal.h.

use std::ffi::{CStr, c_int, c_void};
use std::mem::{ManuallyDrop, offset_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use ext_php_rs::ffi;
use ext_php_rs::types::ZendStr;
use ext_php_rs::zend::{ClassEntry, bailout};
use rustdaemon_core::pulse::Frames;

use super::{globals, out_of_memory};

unsafe extern "C" {
    fn zend_timeout() -> !;
    fn zend_fiber_switch_block();
    fn zend_fiber_switch_unblock();
}

/// The frame that is interrupted.
pub type Frame = *mut ffi::zend_execute_data;

/// What the virtual machine calls.
pub type Hook = unsafe extern "C" fn(Frame);

static PREVIOUS: AtomicUsize = AtomicUsize::new(0);

/// Puts a hook before the ones that are there. MINIT only.
pub fn hook(hook: Hook) {
    // SAFETY: a plain global, written while no PHP code runs.
    unsafe {
        PREVIOUS
            .store(ffi::zend_interrupt_function.map_or(0, |previous| previous as usize), Ordering::Relaxed);
        ffi::zend_interrupt_function = Some(hook);
    }
}

/// Takes it away again, unless somebody has put another one before it. MSHUTDOWN only.
pub fn unhook(hook: Hook) {
    // SAFETY: as above.
    unsafe {
        if ffi::zend_interrupt_function.is_some_and(|now| now as usize == hook as usize) {
            ffi::zend_interrupt_function = previous();
        }
    }
}

fn previous() -> Option<Hook> {
    let previous = PREVIOUS.load(Ordering::Relaxed);
    // SAFETY: zero, which is `None`, or what `hook` has found there.
    unsafe { std::mem::transmute::<usize, Option<Hook>>(previous) }
}

/// Calls PHP: the hook that was there before ours.
pub fn call_previous(frame: Frame) {
    if let Some(previous) = previous() {
        // SAFETY: the engine's own argument, handed on.
        unsafe { previous(frame) };
    }
}

/// `EG(vm_interrupt)` of this thread: lives as long as the thread.
pub fn flag() -> &'static AtomicBool {
    // SYNC: set by signal handlers.
    // SAFETY: a zend_atomic_bool is one byte, 0 or 1.
    unsafe { AtomicBool::from_ptr((&raw mut (*globals()).vm_interrupt).cast()) }
}

/// Whether a signal handler or a timer waits for the virtual machine to look.
pub fn pending() -> bool {
    flag().load(Ordering::SeqCst)
}

/// The word in memory that the flag lies in, and what it holds while the flag is not set. The kernel compares it before a
/// sleep: a signal that has come by then, however shortly before, is not slept over.
pub fn word() -> (&'static AtomicU32, u32) {
    let flag = flag().as_ptr();
    // SYNC: set by signal handlers.
    // SAFETY: the flag is a field of a struct that is aligned to 8, with other fields around it.
    let word = unsafe { AtomicU32::from_ptr(flag.map_addr(|address| address & !3).cast()) };
    let mut bytes = word.load(Ordering::SeqCst).to_ne_bytes();
    if let Some(byte) = bytes.get_mut(flag.addr() & 3) {
        *byte = 0;
    }
    (word, u32::from_ne_bytes(bytes))
}

/// Asks the virtual machine to look at its next safe point.
pub fn request() {
    flag().store(true, Ordering::SeqCst);
}

/// Where the parts of the frames lie, for the pulse, which reads them without us.
pub fn frames() -> Frames {
    Frames {
        // SAFETY: the address of a field, which is not read here.
        current: unsafe { (&raw const (*globals()).current_execute_data).expose_provenance() },
        function: offset_of!(ffi::zend_execute_data, func),
        instruction: offset_of!(ffi::zend_execute_data, opline),
        previous: offset_of!(ffi::zend_execute_data, prev_execute_data),
        kind: offset_of!(ffi::zend_function, common.type_),
        native: u8::try_from(ffi::ZEND_INTERNAL_FUNCTION).unwrap_or(1),
        name: offset_of!(ffi::zend_function, common.function_name),
        class: offset_of!(ffi::zend_function, common.scope),
        class_name: offset_of!(ClassEntry, name),
        file: offset_of!(ffi::zend_function, op_array.filename),
        line: offset_of!(ffi::zend_op, lineno),
        length: offset_of!(ZendStr, len),
        bytes: offset_of!(ZendStr, val),
    }
}

/// Calls PHP: the hooks, as at an interrupt. Look at [`super::pending`] afterwards.
pub fn call_hooks() {
    // SAFETY: as `run` does.
    unsafe {
        if let Some(hook) = ffi::zend_interrupt_function {
            hook((*globals()).current_execute_data);
        }
    }
}

/// The file whose hook the virtual machine calls first.
pub fn hook_owner() -> Option<String> {
    // SAFETY: a plain global; dladdr fills the struct and returns non-zero when the address belongs to a loaded object,
    // whose name is a C string that lives as long as the object.
    unsafe {
        let hook = ffi::zend_interrupt_function?;
        let mut info: libc::Dl_info = std::mem::zeroed();
        let found = libc::dladdr(hook as *const c_void, &raw mut info);
        let name = (found != 0 && !info.dli_fname.is_null()).then(|| CStr::from_ptr(info.dli_fname))?;
        Some(name.to_string_lossy().into_owned())
    }
}

/// Calls PHP: does what the virtual machine does between two opcodes when an interrupt is pending: signal handlers, ours
/// and pcntl's. Look at [`super::pending`] afterwards.
pub fn run() {
    if !pending() || out_of_memory() {
        return; // out of memory: left to the virtual machine, which ends the script when we return
    }
    flag().store(false, Ordering::SeqCst);
    // SAFETY: as zend_interrupt_helper does, with our own frame as the current one.
    unsafe {
        if (*globals()).timed_out.value {
            zend_timeout();
        }
        if let Some(hook) = ffi::zend_interrupt_function {
            hook((*globals()).current_execute_data);
        }
    }
}

/// From here on `Fiber::suspend()` is a FiberError: what runs now must end before what it has interrupted goes on.
pub fn block_fibers() {
    // SAFETY: counts up.
    unsafe { zend_fiber_switch_block() };
}

/// Undoes one [`block_fibers`].
pub fn unblock_fibers() {
    // SAFETY: counts down what was counted up.
    unsafe { zend_fiber_switch_unblock() };
}

/// Calls PHP in `body`, then `after` in any case: a fatal error in `body`, which leaves by longjmp, goes on to the engine
/// after it. The caller's frames are left as well then: they own nothing that needs dropping.
pub fn finally<R: Default>(body: impl FnOnce() -> R, after: impl FnOnce()) -> R {
    struct Frame<R, F> {
        body: ManuallyDrop<F>,
        result: Option<R>,
    }
    unsafe extern "C" fn call<R, F: FnOnce() -> R>(frame: *const c_void) -> *const c_void {
        // SAFETY: the frame below, which is ours alone for this one call.
        let frame = unsafe { &mut *frame.cast_mut().cast::<Frame<R, F>>() };
        // SAFETY: taken once.
        let body = unsafe { ManuallyDrop::take(&mut frame.body) };
        frame.result = catch_unwind(AssertUnwindSafe(body)).ok(); // what a panic says, the panic hook has printed
        std::ptr::null()
    }
    fn trampoline<R, F: FnOnce() -> R>(_: &F) -> unsafe extern "C" fn(*const c_void) -> *const c_void {
        call::<R, F>
    }
    let function = trampoline(&body);
    let mut frame = Frame { body: ManuallyDrop::new(body), result: None };
    let mut nothing = std::ptr::null_mut();
    // SAFETY: a function and its frame, which outlives the call; the C function is a `zend_try` around it.
    let left = unsafe { ffi::ext_php_rs_zend_try_catch(function, (&raw mut frame).cast(), &raw mut nothing) };
    after();
    if left {
        // SAFETY: inside a `zend_try` of the engine's, as all PHP code is; see above for what lies between.
        unsafe { bailout() };
    }
    frame.result.unwrap_or_default()
}

/// What PHP itself has for a signal: `SIG_DFL`, `SIG_IGN`, or its handler, pcntl's for instance. PHP stands between the
/// kernel and its extensions, so sigaction(2) shows only PHP's own handler. `None`: this PHP is built without.
pub fn php_disposition(number: i32) -> Option<libc::sighandler_t> {
    type Ask = unsafe extern "C" fn(c_int, *const libc::sigaction, *mut libc::sigaction);
    static ASK: OnceLock<Option<Ask>> = OnceLock::new();
    let ask = (*ASK.get_or_init(|| {
        // SAFETY: null or the function of that name, which has this type.
        unsafe {
            let symbol = libc::dlsym(libc::RTLD_DEFAULT, c"zend_sigaction".as_ptr());
            std::mem::transmute::<*mut c_void, Option<Ask>>(symbol)
        }
    }))?;
    // SAFETY: only asks; the struct is ours.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        ask(number, std::ptr::null(), &raw mut now);
        Some(now.sa_sigaction)
    }
}

/// Whether PHP uses a signal for itself: with threads its execution timers take the first realtime signal (8.3 and
/// later, where they were compiled in).
pub fn is_reserved(number: i32) -> bool {
    let timers = || {
        // SAFETY: looks a symbol up by name.
        unsafe { !libc::dlsym(libc::RTLD_DEFAULT, c"zend_max_execution_timer_init".as_ptr()).is_null() }
    };
    cfg!(php_zts) && number == libc::SIGRTMIN() && timers()
}
