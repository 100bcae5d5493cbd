//! `RustDaemon\Lock`: a lock with a name, held by a process.
//!
//! # How it works
//! An object carries a `core::lock::Lock`. Waiting is ours: the lock is tried, then slept on until it is given back, its
//! holder dies or a signal arrives, whose handlers run at once.
//!
//! # Rules
//! Handlers run while nothing is held here. The doc comments are for PHP readers: `tests/stubs.php` takes the lines above
//! `// stub:`.
//! Sources: DESIGN 5 "Lock"; `core::lock`.

use std::sync::Arc;
use std::time::Duration;

use ext_php_rs::args::Arg;
use ext_php_rs::builders::{ClassBuilder, FunctionBuilder};
use ext_php_rs::error::Result;
use ext_php_rs::flags::{ClassFlags, DataType, MethodFlags};
use ext_php_rs::types::Zval;
use ext_php_rs::zend::ExecuteData;
use rustdaemon_core::lock::{Lock, Refused};
use rustdaemon_core::robust::Trouble;
use rustdaemon_core::segment::Name;
use rustdaemon_core::slot::Call;

use crate::engine::{self, Registered, interrupt};
use crate::error::{self, Cause, Refusal};
use crate::pause::{self, Pause};
use crate::supervision;

const CLASS: &str = "RustDaemon\\Lock";

static ENTRY: Registered = Registered::new();

/// A lock with a name: one process of this user has it at a time.
///
/// It is held until release() or the end of the process, never released by a destructor. However its holder ends, by
/// SIGKILL or by a power of its own, the next one gets the lock at once and is told: see recovered(). A child by fork does
/// not hold it; a program started by exec does not either.
///
/// ```php
/// Lock::open('opcua')->acquire(0.0) or exit(1);      // one instance of this script at a time
/// ```
///
/// Under a sidecar the line stands after Worker::install(): at a reload the next worker boots while this one still holds
/// it, and without a sidecar install() may start the script again, which gives the lock back.
///
/// The lock is the process's, not a handle's: two objects of one name are the same lock. It lies in /dev/shm, for this user
/// only: see rustdaemon shm list. Use another name for something else: the names of locks, counters and channels do not
/// meet.
///
/// Where its file is removed while it is held (by rustdaemon shm rm --force, by rm, or by systemd when a login user's last
/// session ends: RemoveIPC=), a process that opens the name afterwards gets another lock, and can hold it at the same
/// time. The first holder is told by holder(), which is never its own pid then; its next acquire() takes the new one. Who
/// was waiting for the old one waits for its holder all the same, and has the new one when acquire() returns true.
// stub: RustDaemon\Lock
#[allow(dead_code, reason = "carries the class's documentation")]
struct LockClass;

/// Registers the class. MINIT only.
pub fn register() -> Result<()> {
    ClassBuilder::new(CLASS)
        .flags(ClassFlags::Final | ClassFlags::NoDynamicProperties | ClassFlags::NotSerializable)
        .method(FunctionBuilder::new("__construct", construct), MethodFlags::Private)
        .method(
            FunctionBuilder::new("open", open).arg(Arg::new("name", DataType::String)).returns(
                DataType::object(CLASS),
                false,
                false,
            ),
            MethodFlags::Public | MethodFlags::Static,
        )
        .method(
            FunctionBuilder::new("acquire", acquire)
                .not_required()
                .arg(Arg::new("timeout", DataType::Double).allow_null().default("null"))
                .returns(DataType::Bool, false, false),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("release", release).returns(DataType::Void, false, false),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("recovered", recovered).returns(DataType::Bool, false, false),
            MethodFlags::Public,
        )
        .method(
            FunctionBuilder::new("holder", holder).returns(DataType::Long, false, true),
            MethodFlags::Public,
        )
        .registration(|class, arguments| engine::declare_carrier(class, arguments, &ENTRY))
        .register()
}

/// Locks have names: see Lock::open().
// stub: RustDaemon\Lock::__construct
extern "C" fn construct(_frame: &mut ExecuteData, _result: &mut Zval) {}

/// This user's lock of that name, made if there is none. It is not taken yet.
///
/// Other users cannot open it, whatever the umask is.
///
/// @param string $name 1 to 100 of the characters a-z A-Z 0-9 . _ - and no dot at the beginning
/// @throws Exception\InvalidArgument the name is not possible
/// @throws Exception\SegmentUnusable what is there under the name is not this user's, not a lock, or of another version
/// @throws Exception\SystemCallFailed /dev/shm is full or missing, or no descriptor is left; the code is the errno
// stub: RustDaemon\Lock::open
extern "C" fn open(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(name) = engine::text_call(frame) else { return };
        let lock = error::shared_name(name).and_then(|name| Ok((Lock::open(&name)?, name)));
        let Some(class) = ENTRY.get() else { return };
        match lock {
            Ok(lock) => *result = engine::new_carrier::<Open>(class, lock),
            Err(refusal) => error::throw(&refusal),
        }
    });
}

type Open = (Arc<Lock>, Name);

/// The lock of the object that a method was called on.
fn carried(frame: &ExecuteData) -> Option<&Open> {
    engine::carried(&frame.This)
}

/// Takes the lock, waiting for it if need be.
///
/// Signal handlers run meanwhile, the timeout holds all the same, and what a handler throws leaves acquire() without the
/// lock. The whole process waits, all of its fibers. A process that has the lock already is told so by an exception: it
/// would wait for itself.
///
/// @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: do not wait
/// @return bool true: this process holds it now; false: time is up, or the process was told to stop: see
/// Signal::stopRequested()
/// @throws Exception\InvalidArgument the timeout is negative or not a number
/// @throws Exception\NotAllowedHere this process holds it already
/// @throws Exception\SegmentUnusable the lock's memory was written over; or its file was removed, and what is there now
/// cannot be used
/// @throws Exception\SystemCallFailed its file was removed, and it cannot be made again; the code is the errno
// stub: RustDaemon\Lock::acquire
extern "C" fn acquire(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(timeout) = engine::optional_timeout(frame) else { return };
        let Some(open) = carried(frame) else { return };
        match supervision::deadline(timeout).and_then(|deadline| wait(open, deadline)) {
            Ok(acquired) => result.set_bool(acquired),
            Err(refusal) => error::throw(&refusal),
        }
    });
}

/// Calls PHP: handlers of signals.
fn wait((lock, name): &Open, deadline: Option<Duration>) -> std::result::Result<bool, Refusal> {
    let mut slept = false;
    loop {
        match lock.try_acquire(slept) {
            Ok(()) => return Ok(true),
            Err(Refused::Trouble(Trouble::Taken)) => {}
            Err(Refused::Trouble(trouble)) => return Err(refused(name, trouble)),
            Err(Refused::Gone(refusal)) => return Err(refusal.into()),
        }
        let sleep = |_| {
            slept = true;
            lock.sleep(interrupt::word(), deadline)
        };
        match pause::pause(deadline, Call::Lock, sleep) {
            Ok(Pause::Look) => {}
            Ok(Pause::TimeUp | Pause::Stop | Pause::Leave) => {
                if slept {
                    lock.give_up();
                }
                return Ok(false);
            }
            Err(trouble) => return Err(refused(name, trouble)),
        }
    }
}

fn refused(name: &Name, trouble: Trouble) -> Refusal {
    let name = name.as_str();
    match trouble {
        Trouble::Taken | Trouble::Own => Cause::NotAllowedHere.because(format!(
            "this process holds the lock \"{name}\" already: release() it before it is acquired again"
        )),
        Trouble::Damaged => Cause::SegmentUnusable.because(format!(
            "the lock \"{name}\" was written over by some other program: end the processes that use it, then \
             rustdaemon shm rm {name}"
        )),
    }
}

/// Gives the lock back.
///
/// @throws Exception\NotAllowedHere this process does not hold it; a child by fork does not hold what its parent holds
// stub: RustDaemon\Lock::release
extern "C" fn release(frame: &mut ExecuteData, _result: &mut Zval) {
    engine::method(|| {
        if !engine::no_arguments(frame) {
            return;
        }
        if let Some((lock, name)) = carried(frame)
            && !lock.release()
        {
            let name = name.as_str();
            let sentence = format!(
                "this process does not hold the lock \"{name}\": only who has acquired it releases it"
            );
            error::throw(&Cause::NotAllowedHere.because(sentence));
        }
    });
}

/// Whether the one who held it before ended without release(), when this process acquired it last. A child by fork has not
/// acquired what its parent has.
///
/// What the lock protects may then be half done.
// stub: RustDaemon\Lock::recovered
extern "C" fn recovered(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if engine::no_arguments(frame) {
            result.set_bool(carried(frame).is_some_and(|(lock, _)| lock.recovered()));
        }
    });
}

/// The pid of the process that holds it. It may have ended or released it by the time you read this.
///
/// Who holds it and reads another pid than its own, or null, has lost it: its file was removed. In another PID namespace
/// than the lock's it is the number that the holder has there.
///
/// @return int|null null: nobody holds it
// stub: RustDaemon\Lock::holder
extern "C" fn holder(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if !engine::no_arguments(frame) {
            return;
        }
        match carried(frame).and_then(|(lock, _)| lock.holder()) {
            Some(pid) => result.set_long(pid),
            None => result.set_null(),
        }
    });
}
