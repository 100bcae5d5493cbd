//! PHP values looked at and made in place, for messages: arrays without a call for each element, strings that are
//! filled by whoever has the bytes.
//!
//! # Rules
//! What is made here is in a [`Slot`], or in a place inside what a `Slot` holds: where memory runs out, a longjmp leaves
//! nothing to drop.
//!
//! Sources: php-src Zend/zend_hash.c, Zend/zend_types.h (`zend_array`, packed since 8.2 without keys), Zend/zend_string.h.

use std::alloc::Layout;
use std::ffi::{CStr, c_char};
use std::mem::{MaybeUninit, offset_of};

use ext_php_rs::alloc::emalloc;
use ext_php_rs::ffi;
use ext_php_rs::types::{ZendHashTable, ZendStr, Zval};
use rustdaemon_core::message::Build;

use super::call::Slot;

unsafe extern "C" {
    fn zend_hash_index_add(ht: *mut ZendHashTable, h: u64, data: *mut Zval) -> *mut Zval;
    fn zend_hash_str_add(
        ht: *mut ZendHashTable,
        key: *const c_char,
        length: usize,
        data: *mut Zval,
    ) -> *mut Zval;
    fn zend_rsrc_list_get_rsrc_type(res: *mut ffi::zend_resource) -> *const c_char;
}

/// `HASH_FLAG_PACKED`: no keys, the elements are numbered.
const PACKED: u32 = 1 << 2;
/// `GC_STRING`.
const GC_STRING: u32 = ffi::IS_STRING | 1 << 4;

/// What a value is, references looked through.
pub enum Look<'a> {
    /// null
    Null,
    /// bool
    Bool(bool),
    /// int
    Int(i64),
    /// float
    Float(f64),
    /// string
    String(&'a [u8]),
    /// array
    Array(Array<'a>),
    /// object
    Object(Object<'a>),
    /// resource: its type
    Resource(&'a CStr),
}

/// Looks at a value.
pub fn look(value: &Zval) -> Look<'_> {
    let value = value.dereference();
    // SAFETY: the type says which member of the union holds the value; strings, arrays and objects live as long as it.
    unsafe {
        match u32::from(value.u1.v.type_) {
            ffi::IS_FALSE => Look::Bool(false),
            ffi::IS_TRUE => Look::Bool(true),
            ffi::IS_LONG => Look::Int(value.value.lval),
            ffi::IS_DOUBLE => Look::Float(value.value.dval),
            ffi::IS_STRING => Look::String((*value.value.str_).as_bytes()),
            ffi::IS_ARRAY => Look::Array(Array(&*value.value.arr)),
            ffi::IS_OBJECT => Look::Object(Object(&*(*value.value.obj).ce)),
            ffi::IS_RESOURCE => {
                let kind = zend_rsrc_list_get_rsrc_type(value.value.res);
                Look::Resource(if kind.is_null() { c"closed" } else { CStr::from_ptr(kind) })
            }
            _ => Look::Null,
        }
    }
}

/// An object's class.
#[derive(Clone, Copy)]
pub struct Object<'a>(&'a ffi::zend_class_entry);

impl<'a> Object<'a> {
    /// Its name, for people.
    pub fn class(self) -> &'a [u8] {
        // SAFETY: a class has a name. An anonymous one has a NUL in it, and behind that nothing for people.
        let name = unsafe { (*self.0.name).as_bytes() };
        name.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Whether serialize() takes it: not closures, generators, anonymous classes, handles.
    pub fn is_serializable(self) -> bool {
        self.0.ce_flags & ffi::ZEND_ACC_NOT_SERIALIZABLE == 0
    }
}

/// An array, looked at. Nothing changes it meanwhile: no PHP code runs.
#[derive(Clone, Copy)]
pub struct Array<'a>(&'a ZendHashTable);

/// A key of an array.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// int
    Int(i64),
    /// string
    String(&'a [u8]),
}

impl<'a> Array<'a> {
    /// The number of its elements.
    pub fn len(self) -> u32 {
        self.0.nNumOfElements
    }

    /// Whether it is the same array.
    pub fn is(self, other: Array<'_>) -> bool {
        std::ptr::eq(self.0, other.0)
    }

    /// Whether its keys are 0 to n-1, in this order.
    pub fn is_list(self) -> bool {
        let dense = self.is_packed() && self.0.nNumUsed == self.0.nNumOfElements;
        dense || (0..).zip(self.elements()).all(|(index, (key, _))| key == Key::Int(index))
    }

    /// Its elements, in their order.
    pub fn elements(self) -> impl Iterator<Item = (Key<'a>, &'a Zval)> {
        let packed = self.is_packed();
        (0..self.0.nNumUsed as usize).filter_map(move |index| {
            // SAFETY: below the number of slots in use; a packed array's are values, another's are buckets.
            let (key, value) = unsafe {
                let slots = self.0.__bindgen_anon_1.arData;
                if packed {
                    (Key::Int(i64::try_from(index).unwrap_or(i64::MAX)), &*slots.cast::<Zval>().add(index))
                } else {
                    let bucket = &*slots.add(index);
                    let key = bucket.key.as_ref();
                    let key = key.map_or(Key::Int(bucket.h.cast_signed()), |key| Key::String(key.as_bytes()));
                    (key, &bucket.val)
                }
            };
            let value = if value.is_indirect() { value.dereference() } else { value };
            // SAFETY: a plain field; undefined is a hole where something was removed.
            let there = unsafe { u32::from(value.u1.v.type_) } != ffi::IS_UNDEF;
            there.then_some((key, value))
        })
    }

    fn is_packed(self) -> bool {
        // SAFETY: a plain field.
        cfg!(php82) && unsafe { self.0.u.flags } & PACKED != 0
    }
}

impl Slot {
    /// A new string of this length, whose bytes are still to be written.
    pub fn new_text(length: usize) -> Self {
        let header = offset_of!(ZendStr, val);
        let mut value = Zval::new();
        // The engine's smallest string has room for the padding of its struct.
        let size = header.saturating_add(length).saturating_add(8).max(size_of::<ZendStr>());
        let size = size.min(isize::MAX.cast_unsigned()) & !7; // more than there is ends the script, as it should
        let layout = Layout::from_size_align(size, 8).unwrap_or(Layout::new::<ZendStr>());
        // SAFETY: as zend_string_alloc does: memory of that size; the engine ends the script when there is none.
        unsafe {
            let text = emalloc(layout).cast::<ZendStr>();
            (&raw mut (*text).gc.refcount).write(1);
            (&raw mut (*text).gc.u.type_info).write(GC_STRING);
            (&raw mut (*text).h).write(0);
            (&raw mut (*text).len).write(length);
            text.cast::<u8>().add(header + length).write(0);
            value.value.str_ = text;
        }
        value.u1.type_info = ffi::IS_STRING_EX;
        Self::of(value)
    }

    /// The bytes of such a string, to be written.
    pub fn text_memory(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: a string that nobody else has; its bytes lie behind its header.
        unsafe {
            let text = self.value().value.str_;
            let bytes = text.cast::<u8>().add(offset_of!(ZendStr, val));
            std::slice::from_raw_parts_mut(bytes.cast(), (*text).len)
        }
    }

    /// The bytes of the string that it holds; nothing when it holds none.
    pub fn text(&self) -> &[u8] {
        self.peek().zend_str().map_or(b"", ZendStr::as_bytes)
    }
}

/// Makes what a message holds; the root's place is a null.
pub struct Builder;

impl Builder {
    fn set(place: *mut Zval, of_type: u32, set: impl FnOnce(&mut ffi::_zend_value)) {
        // SAFETY: a place of `Build`: a null in a live array, or the root.
        unsafe {
            set(&mut (*place).value);
            (*place).u1.type_info = of_type;
        }
    }

    fn array(place: *mut Zval, count: u32) -> *mut ZendHashTable {
        // SAFETY: makes an empty one; the engine ends the script when there is no memory.
        let array = unsafe { ffi::_zend_new_array(count) };
        Self::set(place, ffi::IS_ARRAY_EX, |value| value.arr = array);
        array
    }
}

/// Places are pointers into the array that is being filled: none is used again once the array has got its next element.
impl Build for Builder {
    type Place = *mut Zval;
    type Array = *mut ZendHashTable;

    fn bool(&mut self, place: *mut Zval, value: bool) {
        Self::set(place, if value { ffi::IS_TRUE } else { ffi::IS_FALSE }, |_| {});
    }

    fn int(&mut self, place: *mut Zval, value: i64) {
        Self::set(place, ffi::IS_LONG, |to| to.lval = value);
    }

    fn float(&mut self, place: *mut Zval, value: f64) {
        Self::set(place, ffi::IS_DOUBLE, |to| to.dval = value);
    }

    fn string(&mut self, place: *mut Zval, text: &[u8]) {
        // SAFETY: a place of `Build`: a null. Not by `set`: strings of no byte and of one are the engine's own, and count
        // no references.
        unsafe { (*place).set_zend_string(ZendStr::new(text, false)) };
    }

    fn list(&mut self, place: *mut Zval, count: u32) -> *mut ZendHashTable {
        Self::array(place, count)
    }

    fn map(&mut self, place: *mut Zval, count: u32) -> *mut ZendHashTable {
        Self::array(place, count)
    }

    fn next(&mut self, array: *mut ZendHashTable) -> Option<*mut Zval> {
        let mut null = Zval::null();
        // SAFETY: a live array that is ours alone; the value is copied. Null: there is no next index.
        some(unsafe { ffi::zend_hash_next_index_insert(array, &raw mut null) })
    }

    fn at_int(&mut self, array: *mut ZendHashTable, key: i64) -> Option<*mut Zval> {
        let mut null = Zval::null();
        // SAFETY: as above. Null: the key is there.
        some(unsafe { zend_hash_index_add(array, key.cast_unsigned(), &raw mut null) })
    }

    fn at_string(&mut self, array: *mut ZendHashTable, key: &[u8]) -> Option<*mut Zval> {
        let mut null = Zval::null();
        // SAFETY: as above; the key is copied.
        some(unsafe { zend_hash_str_add(array, key.as_ptr().cast(), key.len(), &raw mut null) })
    }
}

fn some(place: *mut Zval) -> Option<*mut Zval> {
    (!place.is_null()).then_some(place)
}
