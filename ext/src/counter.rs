//! `RustDaemon\Counter`: a number that processes share.
//!
//! An object carries a `core::counter::Counter`; each method is one atomic operation. The doc comments are for PHP readers:
//! `tests/stubs.php` takes the lines above `// stub:`.
//! Sources: DESIGN 5 "Counter"; `core::counter`.

use ext_php_rs::args::Arg;
use ext_php_rs::builders::{ClassBuilder, FunctionBuilder};
use ext_php_rs::error::Result;
use ext_php_rs::flags::{ClassFlags, DataType, MethodFlags};
use ext_php_rs::types::Zval;
use ext_php_rs::zend::ExecuteData;
use rustdaemon_core::counter::Counter;

use crate::engine::{self, Registered};
use crate::error::{self, Cause, Refusal};

const CLASS: &str = "RustDaemon\\Counter";

static ENTRY: Registered = Registered::new();

/// A number that several processes count with: each method is one step that no other process sees half done.
///
/// ```php
/// $served = Counter::create();                 // before the fork: parent and children share it
/// Process::fork(fn () => $served->add());
///
/// $next = Counter::open('invoices')->add();    // by name: every process of this user, until the machine starts again
/// ```
///
/// A counter by name lies in /dev/shm: see rustdaemon shm list. One by create() ends with the processes that have it.
// stub: RustDaemon\Counter
#[allow(dead_code, reason = "carries the class's documentation")]
struct CounterClass;

/// Registers the class. MINIT only.
pub fn register() -> Result<()> {
    let long = |name| Arg::new(name, DataType::Long);
    let returns_long = |function: FunctionBuilder<'static>| function.returns(DataType::Long, false, false);
    let made = |function: FunctionBuilder<'static>| function.returns(DataType::object(CLASS), false, false);
    let of_class = MethodFlags::Public | MethodFlags::Static;
    ClassBuilder::new(CLASS)
        .flags(ClassFlags::Final | ClassFlags::NoDynamicProperties | ClassFlags::NotSerializable)
        .method(FunctionBuilder::new("__construct", construct), MethodFlags::Private)
        .method(
            made(FunctionBuilder::new("create", create).not_required().arg(long("value").default("0"))),
            of_class,
        )
        .method(
            made(FunctionBuilder::new("open", open).arg(Arg::new("name", DataType::String))),
            MethodFlags::Public | MethodFlags::Static,
        )
        .method(
            returns_long(FunctionBuilder::new("add", add).not_required().arg(long("number").default("1"))),
            MethodFlags::Public,
        )
        .method(returns_long(FunctionBuilder::new("get", get)), MethodFlags::Public)
        .method(
            FunctionBuilder::new("set", set).arg(long("value")).returns(DataType::Void, false, false),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("compareAndSet", compare_and_set).arg(long("old")).arg(long("new")).returns(
                DataType::Bool,
                false,
                false,
            ),
            MethodFlags::Public,
        )
        .registration(|class, arguments| engine::declare_carrier(class, arguments, &ENTRY))
        .register()
}

/// See Counter::create() and Counter::open().
// stub: RustDaemon\Counter::__construct
extern "C" fn construct(_frame: &mut ExecuteData, _result: &mut Zval) {}

/// A new counter, shared by this process and the children that it forks afterwards. Nothing of it is in /dev/shm.
///
/// @param int $value what it begins with
/// @throws Exception\SystemCallFailed no memory or no descriptor is left; the code is the errno
// stub: RustDaemon\Counter::create
extern "C" fn create(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some([value]) = engine::int_arguments(frame, [0], 0) else { return };
        give(Counter::create(value).map_err(Refusal::from), result);
    });
}

/// This user's counter of that name, made as 0 if there is none.
///
/// It keeps its number when nobody has it open, until rustdaemon shm rm or the machine's next start.
///
/// @param string $name 1 to 100 of the characters a-z A-Z 0-9 . _ - and no dot at the beginning
/// @throws Exception\InvalidArgument the name is not possible
/// @throws Exception\SegmentUnusable what is there under the name is not this user's, not a counter, or of another version
/// @throws Exception\SystemCallFailed /dev/shm is full or missing, or no descriptor is left; the code is the errno
// stub: RustDaemon\Counter::open
extern "C" fn open(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(name) = engine::text_call(frame) else { return };
        let counter = error::shared_name(name).and_then(|name| Ok(Counter::open(&name)?));
        give(counter, result);
    });
}

fn give(counter: std::result::Result<Counter, Refusal>, result: &mut Zval) {
    let Some(class) = ENTRY.get() else { return };
    match counter {
        Ok(counter) => *result = engine::new_carrier(class, counter),
        Err(refusal) => error::throw(&refusal),
    }
}

fn carried(frame: &ExecuteData) -> Option<&Counter> {
    engine::carried(&frame.This)
}

/// Adds to the number, or takes away.
///
/// @param int $number what to add; may be negative
/// @return int the sum
/// @throws Exception\InvalidArgument the sum would not fit in 64 bits; the number is as it was
// stub: RustDaemon\Counter::add
extern "C" fn add(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some([number]) = engine::int_arguments(frame, [1], 0) else { return };
        let Some(counter) = carried(frame) else { return };
        match counter.add(number) {
            Some(sum) => result.set_long(sum),
            None => error::throw(&Cause::InvalidArgument.because(format!(
                "number: with {number} more the counter would not fit in 64 bits: set() it to another value first"
            ))),
        }
    });
}

/// The number.
// stub: RustDaemon\Counter::get
extern "C" fn get(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if engine::no_arguments(frame)
            && let Some(counter) = carried(frame)
        {
            result.set_long(counter.value());
        }
    });
}

/// Sets the number, whatever it was.
///
/// @param int $value what it is from now on
// stub: RustDaemon\Counter::set
extern "C" fn set(frame: &mut ExecuteData, _result: &mut Zval) {
    engine::method(|| {
        let Some([value]) = engine::int_arguments(frame, [0], 1) else { return };
        if let Some(counter) = carried(frame) {
            counter.set(value);
        }
    });
}

/// Sets the number if nobody else has changed it.
///
/// ```php
/// do {
///     $seen = $counter->get();
/// } while (!$counter->compareAndSet($seen, max($seen, $mine)));
/// ```
///
/// @param int $old what it must be
/// @param int $new what it is from then on
/// @return bool false: it was another number, and stays so
// stub: RustDaemon\Counter::compareAndSet
extern "C" fn compare_and_set(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some([old, new]) = engine::int_arguments(frame, [0, 0], 2) else { return };
        if let Some(counter) = carried(frame) {
            result.set_bool(counter.compare_and_set(old, new));
        }
    });
}
