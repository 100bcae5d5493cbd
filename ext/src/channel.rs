//! `RustDaemon\Channel`: messages between processes.
//!
//! # How it works
//! An object carries a `core::ring::Ring`, as this process sees it. A string goes from PHP's memory into the ring and from
//! there into a new string of its length, one copy each; everything else by [`message`]. Waiting is ours: spinning and
//! sleeping is the ring's, in between signal handlers run.
//!
//! A worker of a sidecar that waits for a message polls, so that the sidecar can tell it to stop.
//!
//! # What may be lost
//! See `core::ring`.
//!
//! # Rules
//! Nothing that needs dropping is alive while PHP code runs. The place for a message is made before the ring's lock is
//! taken: where memory runs out nobody else waits. The doc comments are for PHP readers: `tests/stubs.php` takes the lines
//! above `// stub:`.
//! Sources: DESIGN 5 "Channel"; `core::ring`, `core::message`.

use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;
use std::time::Duration;

use ext_php_rs::args::Arg;
use ext_php_rs::builders::{ClassBuilder, FunctionBuilder};
use ext_php_rs::error::Result;
use ext_php_rs::flags::{ClassFlags, DataType, MethodFlags};
use ext_php_rs::types::{ZendHashTable, Zval};
use ext_php_rs::zend::{ClassEntry, ExecuteData, ce};
use rustdaemon_core::message::TEXT;
use rustdaemon_core::ring::{LEAST_BYTES, MOST_BYTES, Received, Ring, Sent, Trouble};
use rustdaemon_core::slot::Call;
use rustdaemon_core::sys;

use crate::engine::value::{Look, look};
use crate::engine::{self, ChannelCall, DEFAULT_CHANNEL_BYTES, ParameterType, Registered, Slot, interrupt};
use crate::error::{self, Cause, Refusal, system_call};
use crate::message::{self, Classes, SHORT};
use crate::pause::{self, Pause};
use crate::supervision;

const CLASS: &str = "RustDaemon\\Channel";

/// How often a supervised worker that waits for room looks whether the sidecar wants something.
const LOOK: Duration = Duration::from_millis(250);

/// For how long a process that is told to stop tries to close a channel that another one holds up: more than a copy takes.
const LAST_TRY: Duration = Duration::from_secs(1);

static ENTRY: Registered = Registered::new();

/// Messages between processes, through shared memory: any number of senders and receivers, each message received once,
/// in the order of sending.
///
/// ```php
/// $jobs = Channel::create();                       // before the fork: the child has it, too
/// if (pcntl_fork() === 0) {
///     foreach ($jobs as $job) { work($job); }      // waits for the next; ends when it is closed and empty
///     exit;
/// }
/// $jobs->send(['node' => 'ns=2;s=Line1', 'value' => 4.2]);
/// $jobs->close();
/// ```
///
/// Values are null, bool, int, float, string and arrays of them; objects where allowedClasses lets them in. null is a
/// message like any other, references in arrays arrive as plain values, and what cannot be sent is named by its place in the
/// value.
///
/// An object goes by serialize(), and so does the whole array that holds one: references in it stay references, floats are as
/// exact as serialize_precision, and a resource in an object arrives as 0. Objects of classes that the receiver does not
/// allow arrive as __PHP_Incomplete_Class; enums need not be allowed. A channel by create() with allowedClasses: true takes
/// igbinary instead, where it is loaded.
///
/// A process that is killed while it sends or receives, at whatever instruction, leaves the channel
/// whole: nobody waits for it, and no message is received in part. A message that its receiver has taken is gone with it.
/// One that needs more memory than memory_limit leaves is not taken: receiving throws MessageTooLarge, and it is the next one
/// still. An array takes up to 16 times the bytes of its message: where the limit has room for those only, the script ends by
/// a fatal error, and the message is gone with it.
///
/// While a call waits, signal handlers run, and what they throw leaves it; the whole process waits, all of its fibers. A
/// process that is told to stop waits no longer: see Signal::stopRequested().
// stub: RustDaemon\Channel
#[allow(dead_code, reason = "carries the class's documentation")]
struct ChannelClass;

/// What an object carries.
struct Channel {
    ring: Ring,
    classes: Classes,
    /// The PHP stream of `stream()`.
    stream: RefCell<Option<Zval>>,
    /// Whether somebody polls: then the bell is kept silent while there is nothing.
    polled: Cell<bool>,
}

/// Registers the class. MINIT only.
pub fn register() -> Result<()> {
    let public = || MethodFlags::Public;
    let timeout = |default: &'static str| Arg::new("timeout", DataType::Double).allow_null().default(default);
    let classes = || Arg::new("allowedClasses", DataType::Mixed).default("false");
    ClassBuilder::new(CLASS)
        .flags(ClassFlags::Final | ClassFlags::NoDynamicProperties | ClassFlags::NotSerializable)
        .implements((ce::countable, "\\Countable"))
        .implements((ce::aggregate, "\\IteratorAggregate"))
        .method(FunctionBuilder::new("__construct", construct), MethodFlags::Private)
        .method(
            FunctionBuilder::new("create", create)
                .not_required()
                .arg(Arg::new("bytes", DataType::Long).default("1048576"))
                .arg(classes())
                .returns(DataType::object(CLASS), false, false),
            MethodFlags::Public | MethodFlags::Static,
        )
        .method(
            FunctionBuilder::new("open", open)
                .arg(Arg::new("name", DataType::String))
                .not_required()
                .arg(Arg::new("bytes", DataType::Long).allow_null().default("null"))
                .arg(classes())
                .returns(DataType::object(CLASS), false, false),
            MethodFlags::Public | MethodFlags::Static,
        )
        .method(
            FunctionBuilder::new("send", send)
                .arg(Arg::new("value", DataType::Mixed))
                .not_required()
                .arg(timeout("null"))
                .returns(DataType::Bool, false, false),
            public(),
        )
        .method(
            FunctionBuilder::new("receive", receive).not_required().arg(timeout("null")).returns(
                DataType::Mixed,
                false,
                false,
            ),
            public(),
        )
        .method(
            FunctionBuilder::new("tryReceive", try_receive)
                .arg(Arg::new("value", DataType::Mixed).as_ref())
                .not_required()
                .arg(timeout("0.0"))
                .returns(DataType::Bool, false, false),
            public(),
        )
        .method(FunctionBuilder::new("close", close).returns(DataType::Void, false, false), public())
        .method(FunctionBuilder::new("stream", stream), public())
        .method(FunctionBuilder::new("stats", stats).returns(DataType::Array, false, false), public())
        .method(FunctionBuilder::new("count", count).returns(DataType::Long, false, false), public())
        .method(
            FunctionBuilder::new("getIterator", get_iterator).returns(
                DataType::object("Iterator"),
                false,
                false,
            ),
            public(),
        )
        .registration(|class, arguments| {
            engine::declare_carrier(class, arguments, &ENTRY);
            engine::set_parameter_type(class, "create", 1, ParameterType::BoolOrArray);
            engine::set_parameter_type(class, "open", 2, ParameterType::BoolOrArray);
            class.get_iterator = Some(iterate);
        })
        .register()
}

/// Channels are made by Channel::create() and Channel::open().
// stub: RustDaemon\Channel::__construct
extern "C" fn construct(_frame: &mut ExecuteData, _result: &mut Zval) {}

/// A new channel without a name, for this process and those that it forks from now on. It leaves nothing behind.
///
/// @param int $bytes the longest message, and how much fits at a time: 1 to 1073741824, rounded up to whole pages
/// @param bool|array $allowedClasses false: no objects; a list of classes, or true for any: objects of whatever class are
/// sent, and received as what they were if they are of these, as unserialize() has it. The list is copied
/// @throws Exception\InvalidArgument a size that is not possible, or not a list of names of classes
/// @throws Exception\SystemCallFailed no descriptor or no memory is left; the code is the errno
// stub: RustDaemon\Channel::create
extern "C" fn create(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(call) = engine::channel_call(frame, false) else { return };
        give(made(&call), result);
    });
}

/// This user's channel of that name, made if there is none.
///
/// It lies in /dev/shm until rustdaemon shm rm, or until the machine is started again, and keeps its messages: also when
/// nobody has it open. Only this user can open it; a process that has it open keeps it when it changes its user or its
/// root directory. Beside it lies a FIFO, by which stream() is woken.
///
/// @param string $name 1 to 100 of the characters a-z A-Z 0-9 . _ - and no dot at the beginning
/// @param int|null $bytes as for create(); null: whatever it has, 1 MiB when it is made
/// @param bool|array $allowedClasses as for create(); what this process sends and receives, whatever others do
/// @throws Exception\InvalidArgument a name or a size that is not possible, or not a list of names of classes
/// @throws Exception\SegmentUnusable what is there under the name, or its FIFO, is of another size, not this user's, not a
/// channel, or of another version
/// @throws Exception\SystemCallFailed /dev/shm is full or missing, or no descriptor is left; the code is the errno
// stub: RustDaemon\Channel::open
extern "C" fn open(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(call) = engine::channel_call(frame, true) else { return };
        give(made(&call), result);
    });
}

fn give(channel: std::result::Result<Channel, Refusal>, result: &mut Zval) {
    let Some(class) = ENTRY.get() else { return };
    match channel {
        Ok(channel) => *result = engine::new_carrier(class, Box::new(channel)),
        Err(refusal) => error::throw(&refusal),
    }
}

fn made(call: &ChannelCall<'_>) -> std::result::Result<Channel, Refusal> {
    let invalid = |sentence: String| Cause::InvalidArgument.because(sentence);
    let size = |bytes: i64| {
        let size = usize::try_from(bytes).ok().filter(|bytes| (LEAST_BYTES..=MOST_BYTES).contains(bytes));
        size.ok_or_else(|| invalid(format!("bytes: must be from {LEAST_BYTES} to {MOST_BYTES}, not {bytes}")))
    };
    let bytes = call.bytes.map(size).transpose()?;
    let default = size(DEFAULT_CHANNEL_BYTES)?;
    let mut no = Zval::new();
    no.set_bool(false);
    let classes = Classes::of(call.allowed_classes.unwrap_or(&no), call.name.is_none())?;
    let ring = match call.name {
        None => Ring::anonymous(bytes.unwrap_or(default))?,
        Some(name) => {
            let name = error::shared_name(name)?;
            Ring::open(&name, bytes, default)?
        }
    };
    Ok(Channel { ring, classes, stream: RefCell::new(None), polled: Cell::new(false) })
}

fn channel(frame: &ExecuteData) -> Option<&Channel> {
    engine::carried::<Box<Channel>>(&frame.This).map(Box::as_ref)
}

// ---- sending ----------------------------------------------------------------------------------------------------

/// Sends a value, waiting for room if need be.
///
/// Who waits for room has no place in a queue: beside senders of small messages that keep the channel full, a large one may
/// wait for as long as they do. Give large messages a channel of their own, or take more bytes.
///
/// @param mixed $value null, bool, int, float, string, an array of them; objects as allowedClasses says
/// @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: do not wait
/// @return bool true: it is in the channel; false: time is up, or the process was told to stop
/// @throws Exception\Closed the channel is closed
/// @throws Exception\InvalidArgument the value cannot be sent, is longer than the channel, or has objects in objects in more
/// levels than unserialize_max_depth; or the timeout is negative or not a number
/// @throws Exception\SegmentUnusable the channel's memory was written over
/// @throws \Throwable what serialize() throws: for a closure in an object, "Serialization of 'Closure' is not allowed", or
/// whatever __serialize() and __sleep() throw
// stub: RustDaemon\Channel::send
extern "C" fn send(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some((value, timeout)) = engine::value_and_timeout(frame, None) else { return };
        let Some(channel) = channel(frame) else { return };
        if let Look::String(text) = look(value)
            && text.len() <= channel.ring.capacity()
        {
            // The frame holds the string, also while handlers run.
            conclude(sent(channel, TEXT.into(), &[text], timeout), result);
            return;
        }
        let Some(message) = message::pack(value, &channel.classes, channel.ring.capacity()) else { return };
        // Its first byte, the tag, lies in the ring's own header.
        let [head, body] = message.parts();
        let outcome = match head.split_first() {
            Some((tag, head)) => sent(channel, (*tag).into(), &[head, body], timeout),
            None => Ok(false), // there is always one
        };
        message.free();
        conclude(outcome, result);
    });
}

fn conclude(outcome: std::result::Result<bool, Refusal>, result: &mut Zval) {
    match outcome {
        Ok(done) => result.set_bool(done),
        Err(refusal) => error::throw(&refusal),
    }
}

/// Calls PHP while it waits: handlers of signals.
#[inline]
fn sent(
    channel: &Channel,
    tag: u32,
    parts: &[&[u8]],
    timeout: Option<f64>,
) -> std::result::Result<bool, Refusal> {
    check(timeout)?;
    match channel.ring.try_send(tag, parts) {
        Ok(Sent::Done) => Ok(true),
        first => sent_later(channel, tag, parts, timeout, first),
    }
}

#[cold]
fn sent_later(
    channel: &Channel,
    tag: u32,
    parts: &[&[u8]],
    timeout: Option<f64>,
    first: std::result::Result<Sent, Trouble>,
) -> std::result::Result<bool, Refusal> {
    let length = parts.iter().map(|part| part.len()).sum();
    let deadline = supervision::deadline(timeout)?;
    let mut now = first;
    loop {
        match now {
            Ok(Sent::Done) => return Ok(true),
            Ok(Sent::Closed) => {
                return Err(Cause::Closed.because("the channel is closed: nothing can be sent"));
            }
            Ok(Sent::Full) | Err(Trouble::Busy) => {}
            Err(trouble) => return Err(refused(channel, trouble)),
        }
        let sleep = |supervised: bool| {
            let until = if supervised { next_look(deadline) } else { deadline };
            slept(channel.ring.wait_for_room(length, Some(interrupt::word()), until))
        };
        match pause::pause(deadline, Call::Send, sleep) {
            Ok(Pause::Look) => now = channel.ring.try_send(tag, parts),
            Ok(Pause::TimeUp | Pause::Stop | Pause::Leave) => return Ok(false),
            Err(trouble) => return Err(refused(channel, trouble)),
        }
    }
}

/// A timeout that nobody has waited for is wrong all the same.
#[inline]
fn check(timeout: Option<f64>) -> std::result::Result<(), Refusal> {
    if timeout.is_none_or(|seconds| seconds >= 0.0) {
        Ok(())
    } else {
        supervision::deadline(timeout).map(drop)
    }
}

fn refused(channel: &Channel, trouble: Trouble) -> Refusal {
    let what = match channel.ring.segment().listed() {
        Some(listed) => format!("the channel \"{}\"", listed.name.as_str()),
        None => "the channel".into(),
    };
    match trouble {
        Trouble::TooLong(length, most) => Cause::InvalidArgument
            .because(format!("value: takes {length} bytes, and {what} takes messages of up to {most}")),
        Trouble::Busy | Trouble::Damaged => Cause::SegmentUnusable.because(format!(
            "{what} was written over by some other program: end the processes that use it, and make it anew"
        )),
    }
}

// ---- receiving --------------------------------------------------------------------------------------------------

/// What receiving comes to.
enum Outcome {
    /// The value is there.
    Value,
    /// There was none in time.
    TimeUp,
    /// There was none before the process was told to stop.
    Stop,
    /// There will be none.
    Closed,
    /// An exception is pending.
    Leave,
}

/// Takes the next message out of the channel, waiting for it if need be.
///
/// ```php
/// try {
///     $job = $jobs->receive(5.0);
/// } catch (Exception\Timeout) {
///     // nothing came; null would have been a message
/// }
/// ```
///
/// @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: do not wait
/// @throws Exception\Timeout there was none in time, or none before the process was told to stop
/// @throws Exception\Closed the channel is closed, and all that was sent has been received
/// @throws Exception\MessageUnreadable its value cannot be made here; it is gone
/// @throws Exception\MessageTooLarge it takes more memory than memory_limit leaves; it stays
/// @throws Exception\InvalidArgument the timeout is negative or not a number
/// @throws Exception\SegmentUnusable the channel's memory was written over
/// @throws \Throwable what __unserialize() and __wakeup() of its objects throw; it is gone
// stub: RustDaemon\Channel::receive
extern "C" fn receive(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some(timeout) = engine::optional_timeout(frame) else { return };
        let Some(channel) = channel(frame) else { return };
        let why = match received(channel, timeout, result) {
            Ok(Outcome::Value | Outcome::Leave) => return,
            Ok(Outcome::Closed) => closed(),
            Ok(Outcome::Stop) => {
                Cause::Timeout.because("no message came before the process was told to stop")
            }
            Ok(Outcome::TimeUp) => {
                let seconds = timeout.unwrap_or_default();
                Cause::Timeout.because(format!("no message came within {} s", error::seconds(seconds)))
            }
            Err(refusal) => refusal,
        };
        error::throw(&why);
    });
}

/// Takes the next message out of the channel, if there is one in time.
///
/// ```php
/// while ($jobs->tryReceive($job)) { work($job); }      // all that is there now
/// ```
///
/// @param mixed &$value becomes the message; stays as it is where there is none. A typed property that does not take it
/// throws a TypeError, and the message is gone
/// @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: do not wait
/// @return bool whether there was one; false also when the process was told to stop
/// @throws Exception\Closed the channel is closed, and all that was sent has been received
/// @throws Exception\MessageUnreadable its value cannot be made here; it is gone
/// @throws Exception\MessageTooLarge it takes more memory than memory_limit leaves; it stays
/// @throws Exception\InvalidArgument the timeout is negative or not a number
/// @throws Exception\SegmentUnusable the channel's memory was written over
/// @throws \Throwable what __unserialize() and __wakeup() of its objects throw; it is gone
// stub: RustDaemon\Channel::tryReceive
extern "C" fn try_receive(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        let Some((variable, timeout)) = engine::value_and_timeout(frame, Some(0.0)) else { return };
        let Some(channel) = channel(frame) else { return };
        let mut value = Slot::of(Zval::null());
        let outcome = received(channel, timeout, value.value());
        result.set_bool(false);
        match outcome {
            Ok(Outcome::Value) => {
                result.set_bool(true);
                engine::assign(variable, value);
            }
            Ok(Outcome::TimeUp | Outcome::Stop | Outcome::Leave) => {}
            Ok(Outcome::Closed) => error::throw(&closed()),
            Err(refusal) => error::throw(&refusal),
        }
    });
}

fn closed() -> Refusal {
    Cause::Closed.because("the channel is closed, and all that was sent has been received")
}

/// Calls PHP while it waits: handlers of signals; and for a message with objects. `result` is null.
#[inline]
fn received(
    channel: &Channel,
    timeout: Option<f64>,
    result: &mut Zval,
) -> std::result::Result<Outcome, Refusal> {
    check(timeout)?;
    match taken(channel, result) {
        Ok(Taken::Value) => Ok(Outcome::Value),
        taken => received_later(channel, timeout, result, taken),
    }
}

#[cold]
fn received_later(
    channel: &Channel,
    timeout: Option<f64>,
    result: &mut Zval,
    first: std::result::Result<Taken, Trouble>,
) -> std::result::Result<Outcome, Refusal> {
    let deadline = supervision::deadline(timeout)?;
    let mut now = first;
    loop {
        match now {
            Ok(Taken::Value) => return Ok(Outcome::Value),
            Ok(Taken::Unreadable) => return Ok(Outcome::Leave),
            Ok(Taken::Nothing { closed }) => {
                if channel.polled.get() {
                    match channel.ring.poll() {
                        Ok(()) | Err(Trouble::Busy) => {}
                        Err(trouble) => return Err(refused(channel, trouble)),
                    }
                }
                if closed {
                    return Ok(Outcome::Closed);
                }
            }
            Err(Trouble::Busy) => {}
            Err(trouble) => return Err(refused(channel, trouble)),
        }
        let sleep = |supervised| sleep_for_message(channel, supervised, deadline);
        match pause::pause(deadline, Call::Receive, sleep) {
            Ok(Pause::Look) => now = taken(channel, result),
            Ok(Pause::TimeUp) => return Ok(Outcome::TimeUp),
            Ok(Pause::Stop) => return Ok(Outcome::Stop),
            Ok(Pause::Leave) => return Ok(Outcome::Leave),
            Err(trouble) => return Err(refused(channel, trouble)),
        }
    }
}

fn sleep_for_message(
    channel: &Channel,
    supervised: bool,
    deadline: Option<Duration>,
) -> std::result::Result<(), Trouble> {
    let ring = &channel.ring;
    if supervised {
        slept(ring.poll())?;
        supervision::with(|state| state.wait_for(Some(ring.bell()), deadline, Call::Receive));
        return Ok(());
    }
    slept(ring.wait_for_message(Some(interrupt::word()), deadline))
}

fn next_look(deadline: Option<Duration>) -> Option<Duration> {
    let look = sys::monotonic() + LOOK;
    Some(deadline.map_or(look, |deadline| deadline.min(look)))
}

/// A lock that somebody else has is no trouble to who tries again.
fn slept<T>(result: std::result::Result<T, Trouble>) -> std::result::Result<(), Trouble> {
    match result {
        Ok(_) | Err(Trouble::Busy) => Ok(()),
        Err(trouble) => Err(trouble),
    }
}

/// What was taken out of the ring.
enum Taken {
    Value,
    Nothing {
        closed: bool,
    },
    /// An exception is pending: it was no value, or there is no memory for it.
    Unreadable,
}

/// Calls PHP for a message with objects.
#[inline]
fn taken(channel: &Channel, result: &mut Zval) -> std::result::Result<Taken, Trouble> {
    let ring = &channel.ring;
    let mut next = ring.next();
    loop {
        let (tag, length) = match next {
            Some((tag, length)) if tag == u32::from(TEXT) || length >= SHORT => {
                if let Some(left) = engine::lacks_memory(length, message::least_memory(tag, length)) {
                    error::throw(&too_large(length, left));
                    return Ok(Taken::Unreadable);
                }
                let mut text = Slot::new_text(length);
                if engine::out_of_memory() {
                    text.free(); // the script is about to end for it: the message stays
                    return Ok(Taken::Unreadable);
                }
                match ring.try_receive(text.text_memory()) {
                    Ok(Received::Message(tag, received)) if received == length => {
                        return Ok(value_of(channel, tag, text, result));
                    }
                    Ok(Received::Message(tag, received)) => {
                        // Another one has come first, which is shorter.
                        let whole = Slot::of(engine::text(text.text().get(..received).unwrap_or_default()));
                        text.free();
                        return Ok(value_of(channel, tag, whole, result));
                    }
                    other => {
                        text.free();
                        match other? {
                            Received::Longer(tag, length) => (tag, length),
                            other => return Ok(Taken::Nothing { closed: other == Received::Closed }),
                        }
                    }
                }
            }
            _ => {
                let mut place = [MaybeUninit::new(0_u8); SHORT];
                match ring.try_receive(&mut place)? {
                    Received::Message(tag, length) => {
                        let bytes = place.map(|byte| {
                            // SAFETY: zeroes, and what was written over them.
                            unsafe { byte.assume_init() }
                        });
                        let bytes = bytes.get(..length).unwrap_or_default();
                        if tag == u32::from(TEXT) {
                            *result = engine::text(bytes);
                            return Ok(Taken::Value);
                        }
                        return Ok(unpacked(channel, tag, bytes, result));
                    }
                    Received::Longer(tag, length) => (tag, length),
                    other => return Ok(Taken::Nothing { closed: other == Received::Closed }),
                }
            }
        };
        next = Some((tag, length));
    }
}

fn too_large(length: usize, left: usize) -> Refusal {
    Cause::MessageTooLarge.because(format!(
        "the next message has {length} bytes, and memory_limit leaves {left} for it and what is made of it: it stays in the \
         channel; raise memory_limit, or receive it in another process"
    ))
}

#[inline]
fn value_of(channel: &Channel, tag: u32, body: Slot, result: &mut Zval) -> Taken {
    if tag == u32::from(TEXT) {
        *result = body.into_value();
        return Taken::Value;
    }
    let taken = unpacked(channel, tag, body.text(), result);
    body.free();
    taken
}

fn unpacked(channel: &Channel, tag: u32, body: &[u8], result: &mut Zval) -> Taken {
    // A tag that is no byte is one that nobody writes.
    let tag = u8::try_from(tag).unwrap_or(u8::MAX);
    if message::unpack(tag, body, &channel.classes, result) { Taken::Value } else { Taken::Unreadable }
}

/// The messages, one after the other: waits for each, ends when the channel is closed and empty, or when the process is
/// told to stop. What receive() throws about a message leaves the loop.
// stub: RustDaemon\Channel::getIterator
extern "C" fn get_iterator(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if engine::no_arguments(frame) {
            engine::iterator_object(&frame.This, result);
        }
    });
}

unsafe extern "C" fn iterate(
    _class: *mut ClassEntry,
    object: *mut Zval,
    by_reference: i32,
) -> *mut engine::ElementIterator {
    // SAFETY: the engine's object of this class.
    engine::elements(unsafe { &*object }, by_reference != 0, |object, value| {
        let Some(channel) = engine::carried::<Box<Channel>>(object) else { return false };
        match received(channel, None, value) {
            Ok(outcome) => matches!(outcome, Outcome::Value),
            Err(refusal) => {
                error::throw(&refusal);
                false
            }
        }
    })
}

// ---- the rest ---------------------------------------------------------------------------------------------------

/// Closes the channel for everybody: nothing can be sent any more, what is in it can still be received. All who wait go on.
///
/// A channel of a name stays closed: rustdaemon shm rm, then open() makes a new one. Where another process was stopped
/// (SIGSTOP, a frozen container) while it sent or received, this waits for it, and signal handlers run meanwhile: what they
/// throw leaves it.
///
/// @throws Exception\Timeout it is not closed: the process was told to stop, and a second later still another one that does
/// not run held the channel up
/// @throws Exception\SegmentUnusable the channel's memory was written over
// stub: RustDaemon\Channel::close
extern "C" fn close(frame: &mut ExecuteData, _result: &mut Zval) {
    engine::method(|| {
        if !engine::no_arguments(frame) {
            return;
        }
        let Some(channel) = channel(frame) else { return };
        if let Err(refusal) = closed_for_all(channel) {
            error::throw(&refusal);
        }
    });
}

/// Calls PHP while it waits: handlers of signals.
fn closed_for_all(channel: &Channel) -> std::result::Result<(), Refusal> {
    let mut now = channel.ring.close();
    let mut last_try = None;
    loop {
        match now {
            Ok(()) => return Ok(()),
            Err(Trouble::Busy) => {}
            Err(trouble) => return Err(refused(channel, trouble)),
        }
        // Sleeps for the lock itself.
        let pause = pause::pause(None, Call::Close, |_| {
            now = channel.ring.close();
            slept(now)
        });
        match pause {
            Ok(Pause::Look) => {}
            Ok(Pause::Leave) => return Ok(()),
            Ok(Pause::Stop | Pause::TimeUp) => {
                let time = sys::monotonic();
                if *last_try.get_or_insert(time + LAST_TRY) <= time {
                    return Err(Cause::Timeout.because("the channel is not closed, and this process was told to stop: another one, which does not run, holds the channel up"));
                }
                now = channel.ring.close();
            }
            Err(trouble) => return Err(refused(channel, trouble)),
        }
    }
}

/// A stream that is readable when there is something to receive, or the channel is closed: for stream_select() and event
/// loops.
///
/// It stays readable until tryReceive() or receive() has found nothing. There is nothing to read from it. It is the same
/// resource each time, and it is of no use once the channel object is gone: stop polling it before.
///
/// ```php
/// $loop->addReadStream($jobs->stream(), function () use ($jobs): void {
///     while ($jobs->tryReceive($job)) { work($job); }
/// });
/// ```
///
/// @return resource
/// @throws Exception\SystemCallFailed no descriptor is left; the code is the errno
/// @throws Exception\SegmentUnusable the channel's memory was written over
// stub: RustDaemon\Channel::stream
extern "C" fn stream(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if !engine::no_arguments(frame) {
            return;
        }
        let Some(channel) = channel(frame) else { return };
        let known = channel.stream.borrow().as_ref().map(Zval::shallow_clone);
        if let Some(known) = known.filter(|stream| !engine::stream::is_closed(stream)) {
            *result = known;
            return;
        }
        let stream = match channel.ring.watch().map(engine::stream::new) {
            Ok(stream) => stream,
            Err(error) => return error::throw(&system_call("make the stream of the channel", &error)),
        };
        channel.polled.set(true);
        match channel.ring.poll() {
            Ok(()) | Err(Trouble::Busy) => {}
            Err(trouble) => return error::throw(&refused(channel, trouble)),
        }
        if let Some(stream) = stream {
            *result = stream.shallow_clone();
            let before = channel.stream.replace(Some(stream));
            drop(before);
        }
    });
}

/// What is in the channel now.
///
/// @return array capacity (the longest message in bytes), used (bytes in it, 8 and padding for each message included),
/// messages (in it), sent and received (since it was made, by anybody), closed
// stub: RustDaemon\Channel::stats
extern "C" fn stats(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if !engine::no_arguments(frame) {
            return;
        }
        let Some(channel) = channel(frame) else { return };
        let stats = channel.ring.stats();
        let mut table = ZendHashTable::new();
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let numbers = [
            ("capacity", stats.capacity as u64),
            ("used", stats.used as u64),
            ("messages", stats.messages as u64),
            ("sent", stats.sent),
            ("received", stats.received),
        ];
        for (name, value) in numbers {
            let _ = table.insert(name, number(value)); // fails for no key of this kind
        }
        let _ = table.insert("closed", stats.closed);
        result.set_hashtable(table);
    });
}

/// How many messages are in the channel now.
// stub: RustDaemon\Channel::count
extern "C" fn count(frame: &mut ExecuteData, result: &mut Zval) {
    engine::method(|| {
        if engine::no_arguments(frame) {
            let messages = channel(frame).map_or(0, |channel| channel.ring.stats().messages);
            result.set_long(i64::try_from(messages).unwrap_or(i64::MAX));
        }
    });
}
