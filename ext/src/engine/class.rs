//! Classes that `ClassBuilder` cannot express: typed readonly properties, union types of parameters, objects that only
//! this extension makes.
//!
//! Sources: php-src Zend/zend_API.c (`zend_declare_typed_property`), Zend/zend_objects.c, Zend/zend_gc.h.

use std::ffi::{c_char, c_int, c_void};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, OnceLock};

use ext_php_rs::args::ArgInfoTables;
use ext_php_rs::ffi;
use ext_php_rs::types::{ZendHashTable, ZendObject, ZendStr, Zval};
use ext_php_rs::zend::{ClassEntry, ZendObjectHandlers};

unsafe extern "C" {
    fn zend_declare_typed_property(
        ce: *mut ClassEntry,
        name: *mut ZendStr,
        property: *mut Zval,
        access_type: c_int,
        doc_comment: *mut ZendStr,
        type_: ffi::zend_type,
    ) -> *mut ffi::zend_property_info;
    fn zend_add_attribute(
        attributes: *mut *mut ZendHashTable,
        name: *mut ZendStr,
        argument_count: u32,
        flags: u32,
        offset: u32,
        line: u32,
    ) -> *mut c_void;
    fn zend_update_property_stringl(
        scope: *mut ClassEntry,
        object: *mut ZendObject,
        name: *const c_char,
        name_length: usize,
        value: *const c_char,
        value_length: usize,
    );
    fn zend_update_property(
        scope: *mut ClassEntry,
        object: *mut ZendObject,
        name: *const c_char,
        name_length: usize,
        value: *mut Zval,
    );
    fn zend_update_property_long(
        scope: *mut ClassEntry,
        object: *mut ZendObject,
        name: *const c_char,
        name_length: usize,
        value: i64,
    );
}

/// A flag of a refcounted value: no part of a cycle.
const GC_NOT_COLLECTABLE: u32 = 1 << 4;
/// `ZEND_ATTRIBUTE_PERSISTENT`: of an internal function.
const ATTRIBUTE_PERSISTENT: u32 = 1;
/// `ZEND_ACC_READONLY`.
const READONLY: c_int = 1 << 7;
const MAY_BE_NULL: u32 = 1 << ffi::IS_NULL;
const MAY_BE_BOOL: u32 = 1 << ffi::IS_FALSE | 1 << ffi::IS_TRUE;
const MAY_BE_ARRAY: u32 = 1 << ffi::IS_ARRAY;
const MAY_BE_DOUBLE: u32 = 1 << ffi::IS_DOUBLE;
const MAY_BE_LONG: u32 = 1 << ffi::IS_LONG;
const MAY_BE_STRING: u32 = 1 << ffi::IS_STRING;

/// Keeps the parameter tables of a class for the life of the process: the engine goes on pointing into them.
pub fn keep_parameters(tables: ArgInfoTables) {
    struct Kept(#[allow(dead_code, reason = "kept, never read")] ArgInfoTables);
    // SAFETY: plain data behind pointers, never touched again.
    unsafe impl Send for Kept {}
    static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
    if let Ok(mut kept) = KEPT.lock() {
        kept.push(Kept(tables));
    }
}

/// The type of a property.
#[derive(Clone, Copy)]
pub enum PropertyType {
    /// int
    Int,
    /// bool
    Bool,
    /// string
    String,
    /// ?int
    IntOrNull,
    /// ?string
    StringOrNull,
    /// float
    Float,
    /// ?float
    FloatOrNull,
    /// int|string|null
    IntOrStringOrNull,
    /// array
    Array,
    /// An object of the class of this name, or null.
    ObjectOrNull(&'static str),
}

/// Declares a typed `public readonly` property. Call it from MINIT only.
pub fn declare_readonly(class: &mut ClassEntry, name: &str, of_type: PropertyType) {
    let access = c_int::try_from(ffi::ZEND_ACC_PUBLIC).unwrap_or(1) | READONLY;
    let mut ptr = std::ptr::null_mut();
    let type_mask = match of_type {
        PropertyType::Int => MAY_BE_LONG,
        PropertyType::Bool => MAY_BE_BOOL,
        PropertyType::String => MAY_BE_STRING,
        PropertyType::IntOrNull => MAY_BE_LONG | MAY_BE_NULL,
        PropertyType::StringOrNull => MAY_BE_STRING | MAY_BE_NULL,
        PropertyType::Float => MAY_BE_DOUBLE,
        PropertyType::FloatOrNull => MAY_BE_DOUBLE | MAY_BE_NULL,
        PropertyType::IntOrStringOrNull => MAY_BE_LONG | MAY_BE_STRING | MAY_BE_NULL,
        PropertyType::Array => MAY_BE_ARRAY,
        PropertyType::ObjectOrNull(class) => {
            ptr = permanent_name(class).cast();
            ffi::_ZEND_TYPE_NAME_BIT | MAY_BE_NULL
        }
    };
    let type_ = ffi::zend_type { ptr, type_mask };
    let name = ZendStr::new_interned(name, true).into_raw();
    let mut undefined = MaybeUninit::<Zval>::zeroed(); // all zero is IS_UNDEF: no default value
    // SAFETY: a permanent name, an undefined default, a type whose pointer, if any, is a permanent name; the class is
    // being registered.
    unsafe {
        zend_declare_typed_property(class, name, undefined.as_mut_ptr(), access, std::ptr::null_mut(), type_);
    }
}

/// A parameter's type that ext-php-rs cannot express.
#[derive(Clone, Copy)]
pub enum ParameterType {
    /// int|string
    IntOrString,
    /// int|string|array
    IntOrStringOrArray,
    /// \Throwable|string
    ThrowableOrString,
    /// bool|array
    BoolOrArray,
}

/// Gives the parameter at `index` of a method such a type. MINIT only.
pub fn set_parameter_type(class: &mut ClassEntry, method: &str, index: usize, of_type: ParameterType) {
    let types = match of_type {
        ParameterType::IntOrString => MAY_BE_LONG | MAY_BE_STRING,
        ParameterType::IntOrStringOrArray => MAY_BE_LONG | MAY_BE_STRING | MAY_BE_ARRAY,
        ParameterType::ThrowableOrString => MAY_BE_STRING | ffi::_ZEND_TYPE_NAME_BIT,
        ParameterType::BoolOrArray => MAY_BE_BOOL | MAY_BE_ARRAY,
    };
    let of_class = matches!(of_type, ParameterType::ThrowableOrString).then(|| permanent_name("Throwable"));
    let method = method.to_ascii_lowercase();
    // SAFETY: the method's arg_info is memory of ours or of the engine that lives as long as the class, and no PHP
    // code runs yet.
    unsafe {
        let table = &raw mut class.function_table;
        let entry = ffi::zend_hash_str_find(table, method.as_ptr().cast(), method.len());
        if let Some(entry) = entry.as_ref() {
            let function = entry.value.ptr.cast::<ffi::zend_function>();
            let parameter = (*function).internal_function.arg_info.add(index);
            let rest = (*parameter).type_.type_mask & !ffi::MAY_BE_ANY;
            (*parameter).type_.type_mask = rest | types;
            if let Some(name) = of_class {
                (*parameter).type_.ptr = name.cast();
            }
        }
    }
}

/// `#[\SensitiveParameter]`: no stack trace shows what the parameter at `index` of a method was given. MINIT only.
pub fn hide_parameter(class: &mut ClassEntry, method: &str, index: u32) {
    let method = method.to_ascii_lowercase();
    let name = ZendStr::new_interned("SensitiveParameter", true).into_raw();
    // SAFETY: the method is an internal function in a table of the engine, no PHP code runs yet, and the name is
    // permanent; the engine frees what it makes of it with the class.
    unsafe {
        let table = &raw mut class.function_table;
        let entry = ffi::zend_hash_str_find(table, method.as_ptr().cast(), method.len());
        if let Some(entry) = entry.as_ref() {
            let function = entry.value.ptr.cast::<ffi::zend_function>();
            let attributes = &raw mut (*function).internal_function.attributes;
            // Attributes of parameters are counted from 1.
            zend_add_attribute(attributes, name, 0, ATTRIBUTE_PERSISTENT, index + 1, 0);
        }
    }
}

/// A class of ours, once it is registered.
pub struct Registered(AtomicPtr<ClassEntry>);

impl Registered {
    /// Not yet.
    pub const fn new() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// It is, from now on. MINIT only.
    pub fn set(&self, class: &mut ClassEntry) {
        self.0.store(class, Ordering::Relaxed);
    }

    /// The class; `None`: before [`Registered::set`].
    #[inline] // once per signal
    pub fn get(&self) -> Option<&'static ClassEntry> {
        // SAFETY: null, or a class of the engine, which lives as long as the module.
        unsafe { self.0.load(Ordering::Relaxed).as_ref() }
    }
}

/// What a kind of objects does in its own way: a table of the engine's, or another one of ours, with changes.
pub(super) struct Handlers(OnceLock<ZendObjectHandlers>);
// SAFETY: function pointers and an offset, written once.
unsafe impl Sync for Handlers {}

impl Handlers {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The table, which is made at the first call.
    ///
    /// # Safety
    /// `like` points to a table.
    pub(super) unsafe fn get(
        &'static self,
        like: *const ZendObjectHandlers,
        change: impl FnOnce(&mut ZendObjectHandlers),
    ) -> *const ZendObjectHandlers {
        self.0.get_or_init(|| {
            // SAFETY: plain data of function pointers, copied from where the caller says.
            let mut handlers = unsafe { std::ptr::read(like) };
            change(&mut handlers);
            handlers
        })
    }
}

/// `ZEND_UNCOMPARABLE`: neither equal, nor less, nor more.
const UNCOMPARABLE: c_int = 1;

/// `==` for objects that stand for something outside of PHP: each equals itself only, as closures and sockets do. Compared by
/// their properties, of which most have none, all would be equal. With what is no object it is PHP's own.
unsafe extern "C" fn compare_identity(left: *mut Zval, right: *mut Zval) -> c_int {
    // SAFETY: the engine's own arguments: two live values.
    unsafe {
        match ((*left).object(), (*right).object()) {
            (Some(left), Some(right)) => {
                if std::ptr::eq(left, right) {
                    0
                } else {
                    UNCOMPARABLE
                }
            }
            _ => ffi::std_object_handlers.compare.map_or(UNCOMPARABLE, |compare| compare(left, right)),
        }
    }
}

fn value_handlers() -> *const ZendObjectHandlers {
    static TABLE: Handlers = Handlers::new();
    // SAFETY: the engine's own table.
    unsafe { TABLE.get(&raw const ffi::std_object_handlers, |table| table.clone_obj = None) }
}

pub(super) fn handle_handlers() -> *const ZendObjectHandlers {
    static TABLE: Handlers = Handlers::new();
    // SAFETY: a table of ours.
    unsafe { TABLE.get(value_handlers(), |table| table.compare = Some(compare_identity)) }
}

/// Hears of the end of each object made by [`new_watched`], by its handle. Calls no PHP.
static WATCHER: OnceLock<fn(u32)> = OnceLock::new();

extern "C" fn free_watched(object: *mut ZendObject) {
    // SAFETY: a live object that the engine frees now, as for every class without a `free_obj` of its own.
    let handle = unsafe {
        let handle = (*object).handle;
        ffi::zend_object_std_dtor(object);
        handle
    };
    if let Some(watcher) = WATCHER.get() {
        let _ = std::panic::catch_unwind(|| watcher(handle));
    }
}

fn watched_handlers() -> *const ZendObjectHandlers {
    static TABLE: Handlers = Handlers::new();
    // SAFETY: a table of ours.
    unsafe { TABLE.get(handle_handlers(), |table| table.free_obj = Some(free_watched)) }
}

extern "C" fn create_handle(class: *mut ClassEntry) -> *mut ZendObject {
    create(class, handle_handlers())
}

extern "C" fn create_value(class: *mut ClassEntry) -> *mut ZendObject {
    create(class, value_handlers())
}

fn create(class: *mut ClassEntry, handlers: *const ZendObjectHandlers) -> *mut ZendObject {
    // SAFETY: what the engine does for a class without a `create_object` of its own, then other handlers.
    unsafe {
        let object = ffi::zend_objects_new(class);
        ffi::object_properties_init(object, class);
        (*object).handlers = handlers;
        object
    }
}

/// Makes a final class one whose objects only this extension makes, and are equal to themselves only: `new`, `clone` and
/// reflection are refused.
pub fn make_handle_class(class: &mut ClassEntry) {
    class.__bindgen_anon_2.create_object = Some(create_handle);
}

/// A new object of a class made by [`make_handle_class`].
pub fn new_handle(class: &'static ClassEntry) -> Zval {
    let mut value = Zval::new();
    value.value.obj = create_handle(std::ptr::from_ref(class).cast_mut());
    value.u1.type_info = ffi::IS_OBJECT_EX;
    value
}

/// Sets a readonly property of a new object, once.
pub fn set_string(object: &Zval, name: &str, text: &str) {
    // SAFETY: the value is an object; name and text outlive the call, which copies them.
    unsafe {
        let object = object.value.obj;
        let (name, length) = (name.as_ptr().cast(), name.len());
        zend_update_property_stringl((*object).ce, object, name, length, text.as_ptr().cast(), text.len());
    }
}

/// Sets a readonly property of a new object, once.
pub fn set_int(object: &Zval, name: &str, number: u32) {
    // SAFETY: the value is an object; the name outlives the call.
    unsafe {
        let object = object.value.obj;
        zend_update_property_long((*object).ce, object, name.as_ptr().cast(), name.len(), number.into());
    }
}

/// Sets a readonly property of a new object, once.
pub fn set_value(object: &Zval, name: &str, value: &Zval) {
    let value = std::ptr::from_ref(value).cast_mut();
    // SAFETY: the value is an object; the name outlives the call, which takes a reference to the value.
    unsafe {
        let object = object.value.obj;
        zend_update_property((*object).ce, object, name.as_ptr().cast(), name.len(), value);
    }
}

/// Writes the properties of a new object, one after the other in the order of their declaration: each once, and all.
pub struct Properties {
    object: Zval,
    next: *mut Zval,
}

/// Declares a value class: these readonly properties in this order, and objects that only this extension makes. Call it
/// from MINIT only.
pub fn declare_value(class: &mut ClassEntry, arguments: ArgInfoTables, properties: &[(&str, PropertyType)]) {
    keep_parameters(arguments);
    for &(name, of_type) in properties {
        declare_readonly(class, name, of_type);
    }
    class.__bindgen_anon_2.create_object = Some(create_value);
}

/// A new object of a class declared by [`declare_value`] whose properties, scalars or lists of them, are still to be
/// written. It cannot be part of a cycle, and the cycle collector passes it over.
pub fn new_value(class: &'static ClassEntry) -> Properties {
    // SAFETY: an object whose table has a place for each declared property; see `create`.
    unsafe {
        let object = ffi::zend_objects_new(std::ptr::from_ref(class).cast_mut());
        (*object).handlers = value_handlers();
        (*object).gc.u.type_info |= GC_NOT_COLLECTABLE;
        let mut value = Zval::new();
        value.value.obj = object;
        value.u1.type_info = ffi::IS_OBJECT_EX;
        Properties { object: value, next: (&raw mut (*object).properties_table).cast() }
    }
}

/// As [`new_value`], but equal to itself only; `watcher`, the same one for all, is told when it is freed.
pub fn new_watched(class: &'static ClassEntry, watcher: fn(u32)) -> Properties {
    WATCHER.get_or_init(|| watcher);
    let properties = new_value(class);
    // SAFETY: a new object that nobody else has yet.
    unsafe { (*properties.object.value.obj).handlers = watched_handlers() };
    properties
}

/// The number that an object has while it lives.
pub fn handle(object: &Zval) -> Option<u32> {
    object.object().map(|object| object.handle)
}

/// The same object again, when `value` is its only reference left, nothing was added to it, and no WeakReference knows
/// it: nobody can tell it from a new one. All of its properties must be numbers, null or names.
#[inline] // once per signal
pub fn renew_value(value: Zval) -> Option<Properties> {
    const WEAKLY_REFERENCED: u32 = 1 << 7;
    // SAFETY: a live object made by `new_value`.
    unsafe {
        let object = value.value.obj;
        let gc = &raw const (*object).gc;
        let alone = (*gc).refcount == 1 && (*gc).u.type_info & WEAKLY_REFERENCED == 0;
        (alone && (*object).properties.is_null())
            .then(|| Properties { object: value, next: (&raw mut (*object).properties_table).cast() })
    }
}

impl Properties {
    /// Those of a new object, which is not of a class declared by [`declare_value`].
    pub fn of(object: Zval) -> Self {
        // SAFETY: the value is an object, whose table has a place for each declared property.
        let next = unsafe { (&raw mut (*object.value.obj).properties_table).cast() };
        Self { object, next }
    }

    /// int
    pub fn int(self, number: i64) -> Self {
        self.write(ffi::IS_LONG, |value| value.lval = number)
    }

    /// bool
    pub fn bool(self, yes: bool) -> Self {
        self.write(if yes { ffi::IS_TRUE } else { ffi::IS_FALSE }, |_| {})
    }

    /// ?int
    pub fn int_or_null(self, number: Option<i64>) -> Self {
        match number {
            Some(number) => self.int(number),
            None => self.write(ffi::IS_NULL, |_| {}),
        }
    }

    /// string, which is not copied
    pub fn name(self, name: *mut ZendStr) -> Self {
        self.write(ffi::IS_INTERNED_STRING_EX, |value| value.str_ = name)
    }

    /// float
    pub fn float(self, number: f64) -> Self {
        self.write(ffi::IS_DOUBLE, |value| value.dval = number)
    }

    /// string
    pub fn string(self, text: &str) -> Self {
        // Not just a string that counts references: those of no byte and of one are the engine's own.
        self.value(self::text(text.as_bytes()))
    }

    /// ?float
    pub fn float_or_null(self, number: Option<f64>) -> Self {
        match number {
            Some(number) => self.float(number),
            None => self.write(ffi::IS_NULL, |_| {}),
        }
    }

    /// Any value that holds no object. It is moved in.
    pub fn value(self, value: Zval) -> Self {
        let value = ManuallyDrop::new(value);
        // SAFETY: the bits of a live value, whose reference goes over.
        let (bits, of_type) = unsafe { (std::ptr::read(&raw const value.value), value.u1.type_info) };
        self.write(of_type, |place| *place = bits)
    }

    /// array, a list of strings
    pub fn strings(self, texts: &[String]) -> Self {
        let mut array = ZendHashTable::new();
        for text in texts {
            let _ = array.push(text.as_str()); // fails only when there is no next index
        }
        let array = array.into_raw();
        self.write(ffi::IS_ARRAY_EX, |value| value.arr = array)
    }

    /// ?string
    pub fn string_or_null(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.string(text),
            None => self.write(ffi::IS_NULL, |_| {}),
        }
    }

    fn write(mut self, of_type: u32, set: impl FnOnce(&mut ffi::_zend_value)) -> Self {
        // SAFETY: a place in the table of an object that nobody else has yet; what lies there was never a value. `extra`
        // is the engine's flag "not initialised" (Z_PROP_FLAG_P): cleared.
        unsafe {
            set(&mut (*self.next).value);
            (*self.next).u1.type_info = of_type;
            (*self.next).u2.extra = 0;
            self.next = self.next.add(1);
        }
        self
    }

    /// The object.
    pub fn done(self) -> Zval {
        self.object
    }
}

/// A name that outlives requests. MINIT only.
pub fn permanent_name(name: &str) -> *mut ZendStr {
    ZendStr::new_interned(name, true).into_raw()
}

/// A string, byte for byte.
pub fn text(bytes: &[u8]) -> Zval {
    let mut text = Zval::new();
    text.set_zend_string(ZendStr::new(bytes, false));
    text
}

/// An array with these keys.
pub fn map<const N: usize>(entries: [(&str, Zval); N]) -> Zval {
    let mut array = ZendHashTable::new();
    for (key, value) in entries {
        let _ = array.insert(key, value); // fails only for keys with a NUL
    }
    let mut map = Zval::new();
    map.set_hashtable(array);
    map
}

/// An int.
pub fn int(number: i64) -> Zval {
    let mut int = Zval::new();
    int.set_long(number);
    int
}

/// Calls PHP as far as making the values does. An array of them.
pub fn list(values: impl Iterator<Item = Zval>) -> Zval {
    let mut array = ZendHashTable::new();
    for value in values {
        let _ = array.push(value); // fails only when there is no next index
    }
    let mut list = Zval::new();
    list.set_hashtable(array);
    list
}
