//! PHP values to and from messages, and which objects may be made from them.
//!
//! # How it works
//! Outward: what is no object goes in the format of `core::message`, a string as its own bytes, which are copied once,
//! from PHP's string to wherever the message goes. A value that holds an object goes by serialize(), or by igbinary where
//! every class is allowed and all readers are forks of one process. Inward: who receives copies the body into a new string
//! (`Slot::new_text`) and gives it here, where objects are made under the reader's `allowedClasses`.
//!
//! # What is refused
//! At send, with a sentence that names the place (`value['jobs'][2]`): resources, objects that cannot be serialized,
//! objects at all where the channel allows no class, arrays that contain themselves or are nested too deep, objects nested
//! deeper than unserialize() reads, and more bytes than the channel takes. References in arrays become plain values. Inside
//! an object its class decides, as for serialize(), which also takes the whole value where it holds an object: references are
//! kept then, and floats follow serialize_precision.
//!
//! # Rules
//! [`pack`] and [`unpack`] call PHP. What they return and take is bits or a [`Slot`], so that a caller can hold it while PHP
//! code runs; nothing of it lies in shared memory.
//! Sources: DESIGN 5 "Messages"; `core::message`.

use std::mem::MaybeUninit;

use ext_php_rs::types::{ZendHashTable, Zval};
use rustdaemon_core::message::{self, Fill, IGBINARY, LIST, MAP, MAX_DEPTH, Measure, SERIALIZED, Sink, TEXT};

use crate::engine::value::{Array, Builder, Key, Look, look};
use crate::engine::{self, Pending, Slot, serial};
use crate::error::{self, Cause, Refusal};

/// The bytes of the longest message that needs no string: a tag and a number.
pub const SHORT: usize = 9;

/// The classes of which a channel carries objects, as its `allowedClasses` says.
pub struct Classes {
    allowed: Allowed,
    /// What unserialize() is given.
    options: Zval,
    /// Whether everybody who reads is a fork of the one process that made the channel.
    of_one_process: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    None,
    Some,
    All,
}

impl Classes {
    /// Reads `allowedClasses`: false, true, or a list of names of classes.
    ///
    /// # Errors
    /// Anything else.
    pub fn of(allowed: &Zval, of_one_process: bool) -> Result<Self, Refusal> {
        let mut filter = Zval::new();
        let kind = match look(allowed) {
            Look::Bool(all) => {
                filter.set_bool(all);
                if all { Allowed::All } else { Allowed::None }
            }
            Look::Array(names) => {
                // A list of its own: in the caller's, references could still change.
                let mut own = ZendHashTable::new();
                for (_, name) in names.elements() {
                    if !matches!(look(name), Look::String([_, ..])) {
                        return Err(Cause::InvalidArgument.because(
                            "allowedClasses: must hold names of classes only, [App\\Job::class] for instance",
                        ));
                    }
                    let _ = own.push(name.dereference().shallow_clone()); // fails only when there is no next index
                }
                filter.set_hashtable(own);
                Allowed::Some
            }
            _ => {
                return Err(Cause::InvalidArgument
                    .because("allowedClasses: must be true, false or a list of names of classes"));
            }
        };
        let mut table = ZendHashTable::new();
        let _ = table.insert("allowed_classes", filter); // fails for no key of this kind
        let mut options = Zval::new();
        options.set_hashtable(table);
        Ok(Self { allowed: kind, options, of_one_process })
    }
}

/// A message on its way out. It is freed by [`Outgoing::free`], never by being dropped.
pub struct Outgoing {
    head: [u8; SHORT],
    heads: usize,
    body: Slot,
}

impl Outgoing {
    fn of(head: &[u8], body: Slot) -> Self {
        let mut message = Self { head: [0; SHORT], heads: 0, body };
        for (to, from) in message.head.iter_mut().zip(head) {
            *to = *from;
            message.heads += 1;
        }
        message
    }

    /// Its bytes: the second part follows the first.
    pub fn parts(&self) -> [&[u8]; 2] {
        [self.head.get(..self.heads).unwrap_or_default(), self.body.text()]
    }

    /// The number of its bytes, as a channel counts them: without the tag.
    fn len(&self) -> usize {
        (self.heads + self.body.text().len()).saturating_sub(1)
    }

    /// Frees it.
    pub fn free(self) {
        self.body.free();
    }
}

/// Calls PHP where the value holds an object: makes a message of at most `largest` bytes, its tag not counted. `None`: an
/// exception is pending.
#[inline]
pub fn pack(value: &Zval, classes: &Classes, largest: usize) -> Option<Outgoing> {
    let value = value.dereference();
    let message = match look(value) {
        Look::String(_) => Outgoing::of(&[TEXT], Slot::of(value.shallow_clone())),
        kind => pack_other(value, &kind, classes, largest)?,
    };
    let size = message.len();
    if size <= largest {
        return Some(message);
    }
    message.free();
    error::throw(&too_large(&size.to_string(), largest));
    None
}

fn pack_other(value: &Zval, kind: &Look<'_>, classes: &Classes, largest: usize) -> Option<Outgoing> {
    // A little further than needed, so that the sentence can name the size.
    let stop = (largest as u64).saturating_mul(16);
    let mut walk = Walk { sink: Measure { bytes: 0, stop }, classes, holds_objects: false };
    if let Err(refusal) = walk.value(value, None) {
        error::throw(&refusal);
        return None;
    }
    let size = usize::try_from(walk.sink.bytes).unwrap_or(usize::MAX);
    if walk.sink.is_over() {
        error::throw(&too_large(&format!("more than {}", size.saturating_sub(1)), largest));
        return None;
    }
    if walk.holds_objects {
        return pack_objects(value, classes);
    }
    let mut head = [MaybeUninit::new(0); SHORT];
    let Look::Array(array) = kind else {
        let mut walk = Walk { sink: Fill::new(&mut head), classes, holds_objects: false };
        let _ = walk.value(value, None); // refused nothing when it measured
        let head = head.map(|byte| {
            // SAFETY: zeroes, and what was written over them.
            unsafe { byte.assume_init() }
        });
        return Some(Outgoing::of(head.get(..size).unwrap_or_default(), Slot::new()));
    };
    let mut body = Slot::new_text(size.saturating_sub(1));
    let mut walk = Walk { sink: Fill::new(body.text_memory()), classes, holds_objects: false };
    let _ = walk.elements(*array, None); // as above
    if !walk.sink.is_full() {
        body.free();
        error::throw(&Cause::InvalidArgument.because("value: has changed while it was measured"));
        return None;
    }
    Some(Outgoing::of(&[tag(*array)], body))
}

fn pack_objects(value: &Zval, classes: &Classes) -> Option<Outgoing> {
    if classes.allowed == Allowed::All && classes.of_one_process {
        if let Some(bytes) = serial::igbinary_serialize(value) {
            return Some(Outgoing::of(&[IGBINARY], bytes));
        }
        if engine::pending() != Pending::Nothing {
            return None;
        }
    }
    let text = serial::serialize(value)?;
    if let Some(refusal) = too_deep(text.text()) {
        text.free();
        error::throw(&refusal);
        return None;
    }
    Some(Outgoing::of(&[SERIALIZED], text))
}

/// What no receiver could make again: unserialize() reads so deep only, serialize() writes on.
fn too_deep(text: &[u8]) -> Option<Refusal> {
    /// The least that a level takes: `a:1:{i:0;` and `}`.
    const LEVEL: usize = 10;
    let most = serial::deepest().filter(|most| text.len() / LEVEL > *most)?;
    let depth = message::nesting(text);
    (depth > most).then(|| {
        Cause::InvalidArgument.because(format!(
            "value: holds objects in objects in {depth} levels, and unserialize() reads {most}: send it in parts, or raise \
             unserialize_max_depth here and where it is received"
        ))
    })
}

fn too_large(size: &str, largest: usize) -> Refusal {
    Cause::InvalidArgument.because(format!(
        "value: takes {size} bytes as a message, and this channel takes up to {largest}: make it with more bytes, or send \
         less at a time"
    ))
}

fn tag(array: Array<'_>) -> u8 {
    if array.is_list() { LIST } else { MAP }
}

/// Where in the value the walk is: an element of an array.
struct At<'a> {
    above: Option<&'a At<'a>>,
    array: Array<'a>,
    key: Key<'a>,
    depth: usize,
}

/// One walk over a value: the first measures and refuses, the second writes.
struct Walk<'a, S> {
    sink: S,
    classes: &'a Classes,
    holds_objects: bool,
}

impl<S: Sink> Walk<'_, S> {
    fn value(&mut self, value: &Zval, at: Option<&At<'_>>) -> Result<(), Refusal> {
        match look(value) {
            Look::Null => self.sink.null(),
            Look::Bool(value) => self.sink.bool(value),
            Look::Int(value) => self.sink.int(value),
            Look::Float(value) => self.sink.float(value),
            Look::String(text) => self.string(text, at)?,
            Look::Array(array) => {
                self.sink.put(&[tag(array)]);
                return self.elements(array, at);
            }
            Look::Object(object) => {
                let class = || String::from_utf8_lossy(object.class());
                if !object.is_serializable() {
                    return Err(refused(at, &format!("is a {}, which cannot be serialized", class())));
                }
                if self.classes.allowed == Allowed::None {
                    let what = format!(
                        "is an object of {}, and this channel carries none: make it with allowedClasses, or send an array",
                        class()
                    );
                    return Err(refused(at, &what));
                }
                self.holds_objects = true;
            }
            Look::Resource(kind) => {
                let kind = kind.to_string_lossy();
                return Err(refused(at, &format!("is a resource ({kind}), which no other process can use")));
            }
        }
        Ok(())
    }

    /// What follows the tag of an array.
    fn elements(&mut self, array: Array<'_>, at: Option<&At<'_>>) -> Result<(), Refusal> {
        let depth = at.map_or(0, |at| at.depth);
        if at.is_some_and(|at| at.is_inside(array)) {
            return Err(refused(at, "is an array that contains itself"));
        }
        if depth == MAX_DEPTH {
            return Err(Cause::InvalidArgument
                .because(format!("value: holds arrays in arrays in more than {MAX_DEPTH} levels")));
        }
        self.sink.count(array.len());
        let has_keys = !array.is_list();
        for (key, value) in array.elements() {
            let at = At { above: at, array, key, depth: depth + 1 };
            if has_keys {
                match key {
                    Key::Int(number) => self.sink.int(number),
                    Key::String(text) => self.string(text, Some(&at))?,
                }
            }
            self.value(value, Some(&at))?;
            if self.sink.is_over() {
                break;
            }
        }
        Ok(())
    }

    fn string(&mut self, text: &[u8], at: Option<&At<'_>>) -> Result<(), Refusal> {
        let written = self.sink.string(text);
        written.then_some(()).ok_or_else(|| refused(at, "is longer than 4 GiB"))
    }
}

impl At<'_> {
    /// Whether this element is, however deep, one of that array.
    fn is_inside(&self, array: Array<'_>) -> bool {
        self.array.is(array) || self.above.is_some_and(|above| above.is_inside(array))
    }

    fn write(&self, path: &mut String) {
        if let Some(above) = self.above {
            above.write(path);
        }
        match self.key {
            Key::Int(number) => path.push_str(&format!("[{number}]")),
            Key::String(text) => path.push_str(&format!("['{}']", String::from_utf8_lossy(text))),
        }
    }
}

fn refused(at: Option<&At<'_>>, what: &str) -> Refusal {
    let mut path = String::from("value");
    if let Some(at) = at {
        at.write(&mut path);
    }
    Cause::InvalidArgument.because(format!("{path}: {what}"))
}

/// What the value of a message takes beside its body, at least, in bytes. Each element of an array takes more than its bytes.
pub fn least_memory(tag: u32, length: usize) -> usize {
    if [LIST, MAP].map(u32::from).contains(&tag) { length } else { 0 }
}

/// Calls PHP where the message holds objects: makes the value of a message in `result`, which is null. `body` is what
/// follows the tag, copied out of shared memory. False: an exception is pending.
///
/// The body of a [`TEXT`] is the value: who has it in a string of its own needs no call.
pub fn unpack(tag: u8, body: &[u8], classes: &Classes, result: &mut Zval) -> bool {
    let unreadable = match tag {
        SERIALIZED => {
            serial::unserialize(body, &classes.options, result);
            // What goes by serialize() holds an object: it is never false.
            result.is_false().then(|| "its objects cannot be made from what their sender has written".into())
        }
        IGBINARY if classes.allowed != Allowed::All => Some(
            "it was packed by igbinary, which has no filter: only allowedClasses: true can read it".into(),
        ),
        IGBINARY => {
            let read = serial::igbinary_unserialize(body, result);
            (!read).then(|| "igbinary, by which it was packed, is not loaded here or cannot read it".into())
        }
        _ => message::decode(tag, body, &mut Builder, std::ptr::from_mut(result))
            .err()
            .map(|corrupt| corrupt.to_string()),
    };
    let Some(why) = unreadable else { return engine::pending() == Pending::Nothing };
    let failed = Slot::of(std::mem::replace(result, Zval::null()));
    if engine::pending() == Pending::Nothing {
        error::throw(&Cause::MessageUnreadable.because(format!("a message cannot be read: {why}")));
    }
    failed.free();
    false
}
