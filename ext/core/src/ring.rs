//! A bounded ring of messages in a segment: any number of producers and consumers in any processes, in order.
//!
//! # Layout
//! The content of the segment, each part on cache lines of its own:
//!
//! ```text
//! offset  bytes  part        who touches it
//!      0    128  producers   lock, and who of the other side waits: producers; consumers that go to sleep
//!    128    128  published   count, and where the tail is: producers write it; consumers look when they know of nothing
//!    256    128  consumers   as above, the other way round
//!    384    128  consumed    count, and where the head is: consumers write it; producers look when they know of no room
//!
//! a side:  0  lock  64 waiting: 1 somebody sleeps, 2 somebody polls  72 from which position on to wake
//! a face:  0  count: bit 0 closed, above it how many messages (mod 2^31)   4  CPU of who counted last
//!          16 two places, of which that with the number `count & 1` counts: position in bytes 8, messages so far 8
//! a message in the ring, at a multiple of 8: its length 4, its tag 4, its bytes
//! ```
//!
//! # Correct order
//! Send, under the producers' lock: the message, its end into the place that does not count, then the count, which is
//! the one step that makes it a message. Receive, under the consumers' lock: the bytes are copied out, the end goes into
//! the place that does not count, then the count, which is the one step that gives the room back. So whoever dies at
//! whichever instruction leaves either the state before or the state after: there is nothing to repair.
//!
//! # No sleeper stays asleep
//! Who finds nothing takes the *other* side's lock, looks again, says there that it waits, and sleeps on the other side's
//! count. Who finds that said counts by a step of the kernel's that wakes all sleepers with it
//! ([`futex::change_and_wake`]), and takes the word back afterwards. A sleeper that dies costs one wake-up for nobody; a
//! waker that dies before that step has not sent, after it has woken. `ext/core/tests/ring_model.rs` goes through all
//! interleavings of this with two deaths.
//! Who polls a descriptor is told before the count: it takes the lock before it sleeps again, so it finds the message.
//!
//! # What may be lost
//! A message that its consumer has taken, when that dies. A message whose producer dies before the count was never sent.
//!
//! # Rules
//! Nothing in the segment is trusted: positions are taken modulo the ring, lengths are checked before they are used
//! ([`Trouble::Damaged`]). Nothing of PHP runs while a lock is held. Both locks are never held at once.
//! Sources: futex(2); Linux kernel/futex; L. Lamport, "Concurrent reading and writing" (the two places).

use std::io;
use std::mem::{MaybeUninit, offset_of, size_of};
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use self::wait::Habit;
use crate::copy::copy;
use crate::futex::{self, Change};
use crate::robust::{self, Guard, Robust};
use crate::segment::{Kind, Listed, Name, Refusal, Segment, Shape, page_bytes};
use crate::sys;

/// What a message takes up besides its bytes; all begin at a multiple of it.
pub const HEADER_BYTES: usize = 8;
/// Room of a ring, in bytes.
pub const LEAST_BYTES: usize = 1;
/// Room of a ring, in bytes.
pub const MOST_BYTES: usize = 1 << 30;

const CLOSED: u32 = 1;
/// One message, in a count.
const ONE: u16 = 2;

const ASLEEP: u32 = 1;
const POLLED: u32 = 2;

/// For how long a lock is waited for before the caller may look at something else: it is held for one copy.
const SLICE: Duration = Duration::from_millis(2);
/// How often who is busy says on which CPU it runs: a scheduler moves it less often. In steps of a count.
const CPU_EVERY: u32 = 16 * ONE as u32;
/// How often a place that is being changed is looked at again.
const LOOKS: usize = 1024;

#[repr(C, align(128))]
struct Side {
    lock: Robust,
    pad: [u8; 64 - size_of::<Robust>()],
    waiting: AtomicU32,
    zero: AtomicU32,
    wake_from: AtomicU64,
}

#[repr(C)]
struct Place {
    position: AtomicU64,
    messages: AtomicU64,
}

#[repr(C, align(128))]
struct Face {
    count: AtomicU32,
    cpu: AtomicU32,
    zero: AtomicU64,
    places: [Place; 2],
}

#[repr(C)]
struct Content {
    producers: Side,
    published: Face,
    consumers: Side,
    consumed: Face,
}

const _: () = assert!(size_of::<Content>() == 512 && offset_of!(Content, consumed) == 384);
const _: () = assert!(offset_of!(Side, waiting) == 64 && offset_of!(Side, wake_from) == 72);
const _: () = assert!(offset_of!(Face, places) == 16);

impl Content {
    fn stats(&self, ring_bytes: usize) -> Stats {
        let capacity = ring_bytes.saturating_sub(HEADER_BYTES);
        let Some(((_, head, received), (published, tail, sent))) =
            at_once(|| self.consumed.look(), || self.published.look())
        else {
            return Stats { capacity, ..Stats::default() };
        };
        let used = usize::try_from(tail.wrapping_sub(head)).unwrap_or(usize::MAX).min(ring_bytes);
        let messages = usize::try_from(sent.saturating_sub(received)).unwrap_or(usize::MAX);
        Stats {
            capacity,
            used,
            // What is not of one moment is at least possible.
            messages: messages.min(used / HEADER_BYTES),
            sent,
            received,
            closed: published & CLOSED != 0,
        }
    }
}

/// Two looks that belong together: the first still held when the second was made. When it changes all the time, the last
/// two. `None`: one of them failed.
fn at_once<A: PartialEq, B>(first: impl Fn() -> Option<A>, second: impl Fn() -> Option<B>) -> Option<(A, B)> {
    let mut before = first()?;
    for _ in 1..LOOKS {
        let (between, after) = (second()?, first()?);
        if before == after {
            return Some((before, between));
        }
        before = after;
    }
    Some((before, second()?))
}

impl Face {
    /// The place that counts. Its owner changes the other one.
    fn place(&self, count: u32) -> &Place {
        let [even, odd] = &self.places;
        if count & u32::from(ONE) == 0 { even } else { odd }
    }

    fn next_place(&self, count: u32) -> &Place {
        self.place(count.wrapping_add(u32::from(ONE)))
    }

    /// Count, position and number of messages, as they belong together. For who does not hold the lock. `None`: they
    /// changed at every look.
    fn look(&self) -> Option<(u32, u64, u64)> {
        for _ in 0..LOOKS {
            // SYNC: with the Release of the count in `count_one`: the place is at least as new.
            let count = self.count.load(Ordering::Acquire);
            let place = self.place(count);
            // SYNC: with the Release stores in `count_one`: who sees the position after next sees the next count.
            let position = place.position.load(Ordering::Acquire);
            let messages = place.messages.load(Ordering::Acquire);
            if self.count.load(Ordering::Relaxed) == count {
                return Some((count, position, messages));
            }
        }
        None
    }
}

/// What this process remembers of the other side, so that it need not look, only ever too little; and of the ring.
#[derive(Debug, Default)]
struct Memory {
    /// How many messages were published.
    published: AtomicU64,
    /// A position up to which was consumed.
    head: AtomicU64,
    /// A position at which the ring begins anew: what is less than a ring further on needs no division.
    lap: AtomicU64,
}

/// A ring, as one process sees it.
#[derive(Debug)]
pub struct Ring {
    segment: Segment,
    memory: Memory,
    producer: Habit,
    consumer: Habit,
    bell: OwnedFd,
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The other processes have held a lock for too long: somebody was stopped. Try again.
    Busy,
    /// A message of this many bytes never fits; at most so many do.
    TooLong(usize, usize),
    /// Somebody has written over the ring.
    Damaged,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the ring.
    Done,
    /// There is no room now.
    Full,
    /// Nobody can send any more.
    Closed,
}

/// What was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message: its tag, and how many bytes.
    Message(u32, usize),
    /// A message of this tag and length, longer than the place for it. It is still there.
    Longer(u32, usize),
    /// There is none now.
    Empty,
    /// There is none and there will be none.
    Closed,
}

/// What is in a ring at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The longest message that fits, in bytes.
    pub capacity: usize,
    /// How many bytes are taken, headers included.
    pub used: usize,
    /// Messages in it.
    pub messages: usize,
    /// Messages that were ever sent.
    pub sent: u64,
    /// Messages that were ever received.
    pub received: u64,
    /// See [`Ring::close`].
    pub closed: bool,
}

fn taken(bytes: usize) -> usize {
    (bytes + HEADER_BYTES).next_multiple_of(HEADER_BYTES)
}

/// How large a ring is in which a message of so many bytes fits.
fn ring_bytes(bytes: usize) -> usize {
    taken(bytes).next_multiple_of(page_bytes())
}

fn fill(content: NonNull<u8>) -> io::Result<()> {
    let content = content.cast::<Content>().as_ptr();
    // SAFETY: fresh memory of this size and alignment; zeros are an empty ring with two locks that are not yet made.
    unsafe {
        Robust::initialise(&raw mut (*content).producers.lock)?;
        Robust::initialise(&raw mut (*content).consumers.lock)
    }
}

impl Ring {
    /// A new ring in which a message of `bytes` bytes fits, for this process and those forked from it.
    ///
    /// # Errors
    /// The system's.
    pub fn anonymous(bytes: usize) -> Result<Self, Refusal> {
        let shape =
            Shape { kind: Kind::Channel, content_bytes: size_of::<Content>(), ring_bytes: ring_bytes(bytes) };
        Self::over(Segment::anonymous(shape, fill)?)
    }

    /// The effective user's ring of this name; made if there is none. `bytes`: `None` takes one of any size, and makes one
    /// for `default` bytes.
    ///
    /// # Errors
    /// The system's, or that what is there is something else.
    pub fn open(name: &Name, bytes: Option<usize>, default: usize) -> Result<Self, Refusal> {
        let content_bytes = size_of::<Content>();
        let (size, default) = (bytes.map(ring_bytes), ring_bytes(default));
        let segment = Segment::open(name, Kind::Channel, content_bytes, size, default, fill);
        let segment = segment.map_err(|refusal| match refusal {
            Refusal::OtherSize(path, found) => Refusal::Foreign(format!(
                "{path} takes messages of up to {} bytes, and was to be one for {}: open it with the size that it was made \
                 with, or without one",
                found.saturating_sub(HEADER_BYTES),
                bytes.unwrap_or_default(),
            )),
            other => other,
        })?;
        Self::over(segment)
    }

    fn over(segment: Segment) -> Result<Self, Refusal> {
        let bell = bell::of(&segment)?;
        let (memory, producer, consumer) = (Memory::default(), Habit::default(), Habit::default());
        Ok(Self { segment, memory, producer, consumer, bell })
    }

    /// The segment it lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The longest message that fits, in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.segment.ring_bytes() - HEADER_BYTES
    }

    #[inline]
    fn content(&self) -> &Content {
        // SAFETY: mapped as long as the segment, aligned, of this size; all in it is atomic or a lock.
        unsafe { self.segment.content().cast().as_ref() }
    }

    /// Where in this process's memory a position lies. From there on as many bytes as the ring has are mapped.
    #[inline]
    fn at(&self, position: u64) -> NonNull<u8> {
        let bytes = self.segment.ring_bytes() as u64;
        let lap = self.memory.lap.load(Ordering::Relaxed);
        let offset = match position.checked_sub(lap) {
            Some(offset) if offset < bytes => offset,
            _ => {
                let offset = position % bytes;
                self.memory.lap.store(position - offset, Ordering::Relaxed);
                offset
            }
        };
        #[expect(clippy::cast_possible_truncation, reason = "smaller than the ring, whose size is a usize")]
        let offset = offset as usize & !(HEADER_BYTES - 1);
        // SAFETY: within the first of the two halves.
        unsafe { self.segment.ring().add(offset) }
    }

    /// Tag and length of what lies there.
    #[inline]
    fn header(&self, message: NonNull<u8>) -> (u32, usize) {
        let [a, b, c, d, tag @ ..] = self.header_at(message).load(Ordering::Relaxed).to_ne_bytes();
        (u32::from_ne_bytes(tag), u32::from_ne_bytes([a, b, c, d]) as usize)
    }

    /// Of a message at [`Ring::at`]. Atomic for the sake of [`Ring::next`], which looks without a lock.
    #[inline]
    fn header_at(&self, message: NonNull<u8>) -> &AtomicU64 {
        // SAFETY: inside the ring, aligned to 8.
        unsafe { AtomicU64::from_ptr(message.as_ptr().cast()) }
    }

    // ---- sending ---------------------------------------------------------------------------------------------

    /// Puts a message of these parts into the ring, if there is room.
    ///
    /// # Blocking
    /// For as long as another process copies a message; up to 2 ms when it was stopped meanwhile.
    ///
    /// # Errors
    /// See [`Trouble`].
    #[inline]
    pub fn try_send(&self, tag: u32, parts: &[&[u8]]) -> Result<Sent, Trouble> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let capacity = self.capacity();
        if length > capacity {
            return Err(Trouble::TooLong(length, capacity));
        }
        let content = self.content();
        let guard = lock(&content.producers.lock)?;
        let face = &content.published;
        let count = face.count.load(Ordering::Relaxed); // changes under this lock only
        if count & CLOSED != 0 {
            close_side(&content.producers, face, || self.ring_bell());
            drop(guard);
            self.close_consumed();
            return Ok(Sent::Closed);
        }
        let place = face.place(count);
        let tail = place.position.load(Ordering::Relaxed);
        let end = tail.wrapping_add(taken(length) as u64);
        if !self.fits(end)? {
            return Ok(Sent::Full);
        }
        let mut to = self.at(tail);
        self.header_at(to).store(header(tag, length), Ordering::Relaxed);
        // SAFETY: header and parts together are no longer than the ring, all of which is mapped from here on; between head
        // and tail nobody else writes, and nobody reads beyond the tail.
        unsafe {
            to = to.add(HEADER_BYTES);
            for part in parts {
                copy(part.as_ptr(), to.as_ptr(), part.len());
                to = to.add(part.len());
            }
        }
        let messages = place.messages.load(Ordering::Relaxed);
        count_one(face, count, end, messages, &content.producers, || self.ring_bell());
        drop(guard);
        Ok(Sent::Done)
    }

    /// Whether what ends there has room.
    #[inline]
    fn fits(&self, end: u64) -> Result<bool, Trouble> {
        let bytes = self.segment.ring_bytes() as u64;
        let remembered = self.memory.head.load(Ordering::Relaxed);
        if end.wrapping_sub(remembered) <= bytes {
            return Ok(true);
        }
        let (_, head, _) = self.content().consumed.look().ok_or(Trouble::Busy)?;
        self.memory.head.store(head, Ordering::Relaxed);
        // The tail before this message is at most a ring beyond the head.
        if end.wrapping_sub(head) > 2 * bytes {
            return Err(Trouble::Damaged);
        }
        Ok(end.wrapping_sub(head) <= bytes)
    }

    // ---- receiving -------------------------------------------------------------------------------------------

    /// Tag and length of the message that comes next, as far as one can tell without a lock: a hint for how much place
    /// it wants. It may be somebody else's by then, and its bytes those of a message that is being written over it: what
    /// counts is what [`Ring::try_receive`] finds under the lock. By the letter that is a race, of this read with a copy
    /// that is no atomic store, and ThreadSanitizer reports it; a word that was torn or old is one that is not used.
    #[inline]
    #[must_use]
    pub fn next(&self) -> Option<(u32, usize)> {
        let face = &self.content().consumed;
        // SYNC: with the Release in `count_one`, of other consumers: their place.
        let count = face.count.load(Ordering::Acquire);
        let place = face.place(count);
        let known = self.memory.published.load(Ordering::Relaxed) > place.messages.load(Ordering::Relaxed);
        if !known && messages_between(self.content().published.count.load(Ordering::Acquire), count) == 0 {
            return None;
        }
        let (tag, length) = self.header(self.at(place.position.load(Ordering::Acquire)));
        std::sync::atomic::fence(Ordering::Acquire);
        // As long as the count is the same nobody has taken the message, and nobody writes over it.
        (length <= self.capacity() && face.count.load(Ordering::Relaxed) == count).then_some((tag, length))
    }

    /// Copies the next message to `place` and takes it out of the ring. A message that is longer stays.
    ///
    /// # Blocking
    /// As [`Ring::try_send`].
    ///
    /// # Errors
    /// See [`Trouble`].
    #[inline]
    pub fn try_receive(&self, place: &mut [MaybeUninit<u8>]) -> Result<Received, Trouble> {
        let content = self.content();
        let guard = lock(&content.consumers.lock)?;
        let face = &content.consumed;
        let count = face.count.load(Ordering::Relaxed); // changes under this lock only
        let from = face.place(count);
        let messages = from.messages.load(Ordering::Relaxed);
        let (there, closed) = self.available(count, messages)?;
        if there == 0 {
            drop(guard);
            if closed {
                self.close_consumed();
            }
            return Ok(if closed { Received::Closed } else { Received::Empty });
        }
        let head = from.position.load(Ordering::Relaxed);
        let message = self.at(head);
        let (tag, length) = self.header(message);
        if length > self.capacity() {
            return Err(Trouble::Damaged);
        }
        let Some(to) = place.get_mut(..length) else { return Ok(Received::Longer(tag, length)) };
        // SAFETY: the length was checked: as many bytes are mapped from here on; nobody writes between head and tail.
        unsafe { copy(message.add(HEADER_BYTES).as_ptr(), to.as_mut_ptr().cast(), length) };
        let end = head.wrapping_add(taken(length) as u64);
        count_one(face, count, end, messages, &content.consumers, || true);
        drop(guard);
        Ok(Received::Message(tag, length))
    }

    /// How many messages are known to be there for who has consumed so many, which is `count` as well; when none are,
    /// whether none will be. Under the lock.
    #[inline]
    fn available(&self, count: u32, consumed: u64) -> Result<(u64, bool), Trouble> {
        // In 64 bits: who remembers a count for long takes an older one for a newer one when it has wrapped around.
        let there = self.memory.published.load(Ordering::Relaxed).wrapping_sub(consumed);
        if (1..=self.most()).contains(&there) {
            return Ok((there, false));
        }
        // SYNC: with the Release of the count in `count_one`: who sees the count sees the message.
        let published = self.content().published.count.load(Ordering::Acquire);
        let there = messages_between(published, count);
        self.memory.published.store(consumed.wrapping_add(there), Ordering::Relaxed);
        if there <= self.most() { Ok((there, published & CLOSED != 0)) } else { Err(Trouble::Damaged) }
    }

    /// How many messages there can be.
    #[inline]
    fn most(&self) -> u64 {
        (self.segment.ring_bytes() / HEADER_BYTES) as u64
    }

    // ---- the whole -------------------------------------------------------------------------------------------

    /// From now on nobody can send; what is in the ring can still be received. Wakes all who wait.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn close(&self) -> Result<(), Trouble> {
        let content = self.content();
        // Producers first: should we die in between, those that slept find it closed in part and close the rest.
        if content.consumed.count.load(Ordering::Relaxed) & CLOSED == 0 {
            let _guard = lock(&content.consumers.lock)?;
            close_side(&content.consumers, &content.consumed, || true);
        }
        self.close_published()
    }

    /// The second half: this is when it is closed.
    fn close_published(&self) -> Result<(), Trouble> {
        let content = self.content();
        let _guard = lock(&content.producers.lock)?;
        close_side(&content.producers, &content.published, || self.ring_bell());
        Ok(())
    }

    /// The first half, should it be missing: producers that sleep for room wake up.
    #[cold]
    fn close_consumed(&self) {
        let content = self.content();
        if content.consumed.count.load(Ordering::Relaxed) & CLOSED == 0
            && let Ok(_guard) = lock(&content.consumers.lock)
        {
            close_side(&content.consumers, &content.consumed, || true);
        }
    }

    /// What is in it.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.content().stats(self.segment.ring_bytes())
    }

    /// What is in a ring that this process need not have open. `None`: see [`Listed::glance`].
    #[must_use]
    pub fn glance(listed: &Listed) -> Option<Stats> {
        let glance = listed.glance::<{ size_of::<Content>() }>()?;
        // SAFETY: as many bytes, and any bits are such a struct; its locks are not looked at.
        let content = unsafe { std::ptr::read_unaligned(glance.content.as_ptr().cast::<Content>()) };
        Some(content.stats(usize::try_from(glance.ring_bytes).unwrap_or_default()))
    }
}

#[inline]
fn header(tag: u32, length: usize) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) =
        (u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes(), tag.to_ne_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

/// Messages from one count to another.
#[inline]
fn messages_between(published: u32, consumed: u32) -> u64 {
    ((published >> 1).wrapping_sub(consumed >> 1) & (u32::MAX >> 1)).into()
}

#[inline]
fn lock(lock: &Robust) -> Result<Guard<'_>, Trouble> {
    // An inherited lock needs nothing: see "Correct order".
    match lock.try_lock() {
        Ok(guard) => Ok(guard),
        Err(robust::Trouble::Taken) => lock_slowly(lock),
        Err(_) => Err(Trouble::Damaged),
    }
}

#[cold]
fn lock_slowly(lock: &Robust) -> Result<Guard<'_>, Trouble> {
    lock.lock(Some(sys::monotonic() + SLICE)).map_err(|trouble| match trouble {
        robust::Trouble::Taken => Trouble::Busy,
        _ => Trouble::Damaged,
    })
}

/// The step that makes one message more, up to `end`; under the side's lock.
#[inline]
fn count_one(face: &Face, count: u32, end: u64, messages: u64, side: &Side, bell: impl FnOnce() -> bool) {
    let next = face.next_place(count);
    // SYNC: with the Acquire loads in `look`: this place counted until the last step, which who sees this sees as well.
    next.position.store(end, Ordering::Release);
    next.messages.store(messages.wrapping_add(1), Ordering::Release);
    if count.is_multiple_of(CPU_EVERY) {
        face.cpu.store(sys::this_cpu(), Ordering::Relaxed);
    }
    let waiting = side.waiting.load(Ordering::Relaxed);
    if waiting == 0 || waiting == ASLEEP && end < side.wake_from.load(Ordering::Relaxed) {
        // SYNC: with the Acquire loads in `available`, `next` and `look`.
        face.count.store(count.wrapping_add(u32::from(ONE)), Ordering::Release);
    } else {
        count_and_wake(face, side, waiting, bell);
    }
}

#[cold]
fn count_and_wake(face: &Face, side: &Side, waiting: u32, bell: impl FnOnce() -> bool) {
    let rung = waiting & POLLED == 0 || bell();
    face.cpu.store(sys::this_cpu(), Ordering::Relaxed);
    futex::change_and_wake(&face.count, Change::Add(ONE));
    side.waiting.store(if rung { 0 } else { POLLED }, Ordering::Relaxed);
}

/// Closes one side, under its lock. Of one that is closed it rings the bell that could not be rung then.
fn close_side(side: &Side, face: &Face, bell: impl FnOnce() -> bool) {
    let waiting = side.waiting.load(Ordering::Relaxed);
    let is_closed = face.count.load(Ordering::Relaxed) & CLOSED != 0;
    if is_closed && waiting == 0 {
        return;
    }
    let rung = waiting & POLLED == 0 || bell();
    if !is_closed {
        #[expect(clippy::cast_possible_truncation, reason = "it is 1")]
        futex::change_and_wake(&face.count, Change::Or(CLOSED as u16));
    }
    side.waiting.store(if rung { 0 } else { POLLED }, Ordering::Relaxed);
}

mod bell;
mod wait;

#[cfg(test)]
mod tests;
