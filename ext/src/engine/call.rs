//! PHP callables, what they say of themselves, and the values of a call.
//!
//! Sources: php-src Zend/zend_API.h (`zend_fcall_info`, `zend_fcall_info_cache`), Zend/zend_execute_API.c.

use std::ffi::{CStr, c_int};
use std::mem::{ManuallyDrop, MaybeUninit};

use ext_php_rs::ffi;
use ext_php_rs::types::{ZendHashTable, ZendObject, ZendStr, Zval};
use ext_php_rs::zend::ClassEntry;

/// `zend_fcall_info`. A null `params` with all arguments in `named_params`, those with integer keys first.
#[repr(C)]
pub(super) struct FcallInfo {
    size: usize,
    function_name: MaybeUninit<Zval>,
    retval: *mut Zval,
    params: *mut Zval,
    object: *mut ZendObject,
    param_count: u32,
    named_params: *mut ZendHashTable,
}

unsafe extern "C" {
    static zend_ce_closure: *mut ClassEntry;
    fn zend_call_function(fci: *mut FcallInfo, cache: *mut ffi::zend_fcall_info_cache) -> c_int;
    fn zend_get_callable_name(callable: *mut Zval) -> *mut ZendStr;
}

/// `GC_NOT_COLLECTABLE`.
const NOT_COLLECTABLE: u32 = 1 << 4;
/// `GC_INFO_MASK`: the collector has noted it.
const NOTED: u32 = 0xffff_fc00;

/// A callable that outlives the call in which it was given.
pub struct Callable {
    name: Zval,
    cache: ffi::zend_fcall_info_cache,
    is_closure: bool,
}

/// The same without its reference: plain bits for the stack of a call. Its [`Callable`] must outlive it.
#[derive(Clone, Copy)]
pub struct RawCallable {
    name: [u64; 2],
    cache: ffi::zend_fcall_info_cache,
}

const _: () = assert!(size_of::<Zval>() == size_of::<[u64; 2]>());

impl Callable {
    /// A reference for as long as a call takes: what is called may give up the other one. A closure needs none: the
    /// engine holds it while it runs.
    pub fn hold(&self) -> Slot {
        let closure = self.is_closure;
        Slot(ManuallyDrop::new(if closure { Zval::new() } else { self.name.shallow_clone() }))
    }

    /// What it is, for people: `App\Poller->poll()`, `App\Poller::poll()`, `poll()`, `{closure} at FILE:LINE`. Calls no PHP.
    pub fn describe(&self) -> Vec<u8> {
        // SAFETY: the function of a live callable; user and internal functions differ, see `RawCallable::signature`.
        unsafe {
            let function = self.cache.function_handler;
            if function.is_null() {
                return self.magic_name();
            }
            let common = &(*function).common;
            let flags = common.fn_flags;
            let (mut text, scope) = (Vec::new(), common.scope.as_ref());
            if flags & ffi::ZEND_ACC_CLOSURE != 0 && flags & ffi::ZEND_ACC_FAKE_CLOSURE == 0 {
                let code = &(*function).op_array;
                text.extend_from_slice(b"{closure} at ");
                text.extend_from_slice(code.filename.as_ref().map_or(b"", ZendStr::as_bytes));
                text.extend_from_slice(format!(":{}", code.line_start).as_bytes());
                return text;
            }
            if let Some(scope) = scope {
                // An anonymous class has a NUL in its name, and behind it nothing for people.
                let name = (*scope.name).as_bytes().split(|byte| *byte == 0).next();
                text.extend_from_slice(name.unwrap_or_default());
                let is_static = flags & ffi::ZEND_ACC_STATIC != 0;
                text.extend_from_slice(if is_static { b"::" } else { b"->" });
            }
            text.extend_from_slice(common.function_name.as_ref().map_or(b"", ZendStr::as_bytes));
            text.extend_from_slice(b"()");
            text
        }
    }

    /// Of one that `__call()` or `__callStatic()` takes: no function has its name.
    fn magic_name(&self) -> Vec<u8> {
        // SAFETY: only reads the live callable; the name is a string of ours, released here.
        unsafe {
            let name = zend_get_callable_name((&raw const self.name).cast_mut());
            let text = name.as_ref().map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned());
            if !name.is_null() {
                ffi::ext_php_rs_zend_string_release(name);
            }
            let first = self.name.array().and_then(|pair| pair.get_index(0));
            let arrow = if first.is_some_and(Zval::is_object) { "->" } else { "::" };
            format!("{}()", text.unwrap_or_default().replacen("::", arrow, 1)).into_bytes()
        }
    }

    /// Another reference to the same.
    pub fn again(&self) -> Self {
        Self { name: self.name.shallow_clone(), cache: self.cache, is_closure: self.is_closure }
    }

    /// Only the reference, for a call that nothing may outlive.
    pub fn into_slot(self) -> Slot {
        Slot(ManuallyDrop::new(self.name))
    }

    /// Has the garbage collector not note the closure when references to it are given up, until [`Unnoted::end`]: neither of
    /// the two processes of a fork then writes to its tables. `None`: it has noted it, or never would.
    pub fn unnoted(&self) -> Option<Unnoted> {
        let object = self.name.object().filter(|_| self.is_closure)?;
        let object = std::ptr::from_ref(object).cast_mut();
        // SAFETY: a live object, whose flags are the engine's and this thread's.
        let flags = unsafe { &mut (*object).gc.u.type_info };
        (*flags & (NOT_COLLECTABLE | NOTED) == 0).then(|| {
            *flags |= NOT_COLLECTABLE;
            Unnoted(object)
        })
    }

    /// Whether a call only makes a generator, and runs nothing of the function's.
    pub fn is_generator(&self) -> bool {
        // SAFETY: null, or the function of a live callable; the flags are in the same place whatever it is.
        unsafe {
            let function = self.cache.function_handler;
            !function.is_null() && (*function).common.fn_flags & ffi::ZEND_ACC_GENERATOR != 0
        }
    }

    /// Its bits.
    pub fn raw(&self) -> RawCallable {
        // SAFETY: same size; a zval is plain data.
        let name = unsafe { std::ptr::read((&raw const self.name).cast::<[u64; 2]>()) };
        RawCallable { name, cache: self.cache }
    }
}

/// See [`Callable::unnoted`].
#[must_use]
pub struct Unnoted(*mut ZendObject);

impl Unnoted {
    /// # Safety
    /// The closure lives: somebody else than the [`Callable`] holds it.
    pub unsafe fn end(self) {
        // SAFETY: the caller's promise.
        unsafe { (*self.0).gc.u.type_info &= !NOT_COLLECTABLE };
    }
}

/// What a function says about its parameters.
pub struct Signature {
    /// `Class::name` or `name`, as PHP's messages begin.
    pub name: Vec<u8>,
    /// The parameters' names, the variadic one excepted.
    pub parameters: Vec<Vec<u8>>,
    /// How many must be given.
    pub required: usize,
    /// Whether it takes more than it names.
    pub variadic: bool,
    /// Whether it is not written in PHP: such a function refuses arguments that it does not know.
    pub internal: bool,
}

impl RawCallable {
    /// What the function says about its parameters; `None` for a magic `__call`.
    pub fn signature(&self) -> Option<Signature> {
        // SAFETY: the function of a live callable; user and internal functions differ in the type of the names.
        unsafe {
            // No reference to the whole union: an internal function is shorter than it.
            let function = self.cache.function_handler;
            if function.is_null() {
                return None;
            }
            let common = &(*function).common;
            let internal = u32::from(common.type_) == ffi::ZEND_INTERNAL_FUNCTION;
            let mut name = Vec::new();
            if let Some(scope) = common.scope.as_ref() {
                name.extend_from_slice((*scope.name).as_bytes());
                name.extend_from_slice(b"::");
            }
            name.extend_from_slice(common.function_name.as_ref()?.as_bytes());
            let parameter = |index: usize| {
                if internal {
                    let name = (*(*function).internal_function.arg_info.add(index)).name;
                    CStr::from_ptr(name).to_bytes().to_vec()
                } else {
                    (*(*common.arg_info.add(index)).name).as_bytes().to_vec()
                }
            };
            Some(Signature {
                name,
                parameters: (0..common.num_args as usize).map(parameter).collect(),
                required: common.required_num_args as usize,
                variadic: common.fn_flags & ffi::ZEND_ACC_VARIADIC != 0,
                internal,
            })
        }
    }

    /// Calls PHP: the callable with the elements of `arguments`, integer keys by position, then string keys by name.
    /// `result` stays null when something is pending afterwards.
    pub fn call(&self, arguments: &mut Zval, result: &mut Zval) {
        // SAFETY: the array is owned by the caller for the whole call.
        unsafe { self.call_raw(std::ptr::null_mut(), 0, arguments.value.arr, result) };
    }

    /// Calls PHP: the callable with one argument, or none. `result` stays null when something is pending afterwards.
    pub fn call_with(&self, argument: Option<&mut Zval>, result: &mut Zval) {
        let count = u32::from(argument.is_some());
        let argument = argument.map_or(std::ptr::null_mut(), std::ptr::from_mut);
        // SAFETY: null, or one value that the caller owns for the whole call.
        unsafe { self.call_raw(argument, count, std::ptr::null_mut(), result) };
    }

    /// # Safety
    /// `count` live values at `params`, and null or a live array.
    unsafe fn call_raw(&self, params: *mut Zval, count: u32, named: *mut ZendHashTable, result: *mut Zval) {
        let mut cache = self.cache;
        // SAFETY: as the caller promises; the callable's bits are those of a live value; `object` comes from the cache.
        unsafe {
            let mut info = FcallInfo {
                size: size_of::<FcallInfo>(),
                function_name: std::ptr::read((&raw const self.name).cast()),
                retval: result,
                params,
                object: cache.object,
                param_count: count,
                named_params: named,
            };
            zend_call_function(&raw mut info, &raw mut cache);
        }
    }
}

/// Where the parser puts a callable.
pub(super) struct ParsedCallable {
    info: MaybeUninit<FcallInfo>,
    cache: MaybeUninit<ffi::zend_fcall_info_cache>,
}

impl ParsedCallable {
    pub(super) fn new() -> Self {
        Self { info: MaybeUninit::zeroed(), cache: MaybeUninit::zeroed() }
    }

    pub(super) fn targets(&mut self) -> (*mut FcallInfo, *mut ffi::zend_fcall_info_cache) {
        (self.info.as_mut_ptr(), self.cache.as_mut_ptr())
    }

    /// # Safety
    /// Filled by a successful call of the parser.
    pub(super) unsafe fn take(&self) -> Callable {
        // SAFETY: as the caller promises; `function_name` is the argument itself, not a reference of its own.
        unsafe {
            let info = self.info.assume_init_ref();
            let name = info.function_name.assume_init_ref().shallow_clone();
            let is_closure = name.object().is_some_and(|object| std::ptr::eq(object.ce, zend_ce_closure));
            Callable { name, cache: self.cache.assume_init(), is_closure }
        }
    }
}

/// A value that nobody drops: a bailout may pass over it, and the Zend allocator ends it with the request.
pub struct Slot(ManuallyDrop<Zval>);

impl Slot {
    /// An empty one.
    pub fn new() -> Self {
        Self(ManuallyDrop::new(Zval::new()))
    }

    /// With a value in it.
    pub fn of(value: Zval) -> Self {
        Self(ManuallyDrop::new(value))
    }

    /// What it holds.
    pub fn value(&mut self) -> &mut Zval {
        &mut self.0
    }

    /// What it holds, to be looked at.
    pub fn peek(&self) -> &Zval {
        &self.0
    }

    /// What it holds, to be dropped by the caller.
    pub fn into_value(self) -> Zval {
        ManuallyDrop::into_inner(self.0)
    }

    /// Calls PHP: frees what it holds, which may run destructors.
    pub fn free(mut self) {
        // SAFETY: the second byte of a zval's type holds its flags; none: nothing to free.
        if unsafe { self.0.u1.type_info } & 0xff00 == 0 {
            return;
        }
        // SAFETY: `self` is consumed; nobody sees the value again.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}
