//! Waiting for the other side of a ring: looking again, giving the CPU away, sleeping.
//!
//! # How it works
//! Before one sleeps, one looks again. Whether that may help depends on where the other side runs, which it says itself
//! ([`super::Face`]):
//! - On another CPU: then the count is looked at for as long as that has been worth while lately.
//! - On our own: then nothing comes before we give it away. So we do, once: a message there and back takes two calls of
//!   sched_yield(2), in place of two sleeps and two wake-ups that must be registered under a lock.
//!
//! Whoever else wants the CPU gets it as well, for as long as the scheduler thinks right, which is milliseconds. So it is
//! not given away for many waits after it took longer than a wake-up does, and for some after nothing had come.
//!
//! Then one sleeps: see "No sleeper stays asleep" in [`super`].
//!
//! Sources: sched_yield(2), futex(2).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{ASLEEP, CLOSED, Face, Ring, Side, Trouble, lock, messages_between, taken};
use crate::futex::{self, Woken};
use crate::robust::Guard;
use crate::sys;

/// For how long a producer waits for more room than it needs, so that it is not woken for every message.
const PATIENCE: Duration = Duration::from_millis(1);
/// How often a count is looked at before one sleeps for it, at most and at least.
const MOST_LOOKS: u32 = 4096;
const LEAST_LOOKS: u32 = 16;
/// A CPU that was given away and comes back later than this had somebody else on it: with a sleep we were woken sooner.
const LONG: Duration = Duration::from_micros(50);
/// For how many waits it is kept then, and for how many when there was nothing after it came back.
const KEPT_AFTER_LONG: u32 = 4096;
const KEPT_AFTER_NOTHING: u32 = 64;

/// What the waits of this process for one side have come to.
#[derive(Debug, Default)]
pub(super) struct Habit {
    /// How often looking is worth while at the moment.
    looks: AtomicU32,
    /// For how many more waits the CPU is not given away.
    kept: AtomicU32,
}

impl Habit {
    /// Looks until something has changed, as far as that is worth while: whether it has.
    fn look(&self, face: &Face, changed: impl Fn(&Face) -> bool) -> bool {
        if face.cpu.load(Ordering::Relaxed) == sys::this_cpu() {
            return self.give_way(|| changed(face));
        }
        let looks = self.looks.load(Ordering::Relaxed).clamp(LEAST_LOOKS, MOST_LOOKS);
        for _ in 0..looks {
            if changed(face) {
                self.looks.store(looks * 2, Ordering::Relaxed);
                return true;
            }
            std::hint::spin_loop();
        }
        self.looks.store(looks / 2, Ordering::Relaxed);
        false
    }

    /// Gives our CPU away once, as far as that is worth while: whether something has changed then.
    fn give_way(&self, changed: impl FnOnce() -> bool) -> bool {
        let kept = self.kept.load(Ordering::Relaxed);
        if kept > 0 {
            self.kept.store(kept - 1, Ordering::Relaxed);
            return false;
        }
        let before = sys::monotonic();
        std::thread::yield_now();
        let changed = changed();
        let keep = match (sys::monotonic().saturating_sub(before) > LONG, changed) {
            (true, _) => KEPT_AFTER_LONG,
            (false, false) => KEPT_AFTER_NOTHING,
            (false, true) => 0,
        };
        self.kept.store(keep, Ordering::Relaxed);
        changed
    }
}

impl Ring {
    /// Waits until a message of `length` bytes may have room, or nobody can send any more.
    ///
    /// `interrupt`: a word and the value that it had when the caller last looked for what its change announces.
    ///
    /// # Blocking
    /// Until then, until `deadline` on `CLOCK_MONOTONIC`, or until a signal was handled.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn wait_for_room(
        &self,
        length: usize,
        interrupt: Option<(&AtomicU32, u32)>,
        deadline: Option<Duration>,
    ) -> Result<Woken, Trouble> {
        let content = self.content();
        let bytes = self.segment.ring_bytes() as u64;
        let (_, tail, _) = content.published.look().ok_or(Trouble::Busy)?;
        let needed = (tail.saturating_add(taken(length.min(self.capacity())) as u64)).saturating_sub(bytes);
        // First for a quarter of the ring, so that a producer that is faster does not sleep before each message.
        let ample = needed.saturating_add(bytes / 4).min(tail);
        let (count, head, _) = content.consumed.look().ok_or(Trouble::Busy)?;
        if count & CLOSED != 0 {
            self.close_published()?; // it has been closed in part
            return Ok(Woken::Changed);
        }
        if self.producer.look(&content.consumed, |face| {
            face.look().is_none_or(|(count, now, _)| count & CLOSED != 0 || now >= ample)
        }) {
            return Ok(Woken::Changed);
        }
        let patience = sys::monotonic() + PATIENCE;
        let first = deadline.map_or(patience, |deadline| deadline.min(patience));
        match self.sleep_for_room(ample, interrupt, Some(first))? {
            Woken::Deadline if deadline.is_none_or(|deadline| first < deadline) => {}
            woken => return Ok(woken),
        }
        match content.consumed.look() {
            Some((_, now, _)) if now != head => Ok(Woken::Changed),
            _ => self.sleep_for_room(needed, interrupt, deadline),
        }
    }

    /// Sleeps until the head is at `wanted`.
    fn sleep_for_room(
        &self,
        wanted: u64,
        interrupt: Option<(&AtomicU32, u32)>,
        deadline: Option<Duration>,
    ) -> Result<Woken, Trouble> {
        let content = self.content();
        let face = &content.consumed;
        let guard = lock_of_other(&content.consumers, face)?;
        let count = face.count.load(Ordering::Relaxed);
        if count & CLOSED != 0 {
            drop(guard);
            self.close_published()?;
            return Ok(Woken::Changed);
        }
        if face.place(count).position.load(Ordering::Relaxed) >= wanted {
            return Ok(Woken::Changed);
        }
        let side = &content.consumers;
        let waiting = side.waiting.load(Ordering::Relaxed);
        let from = side.wake_from.load(Ordering::Relaxed);
        let from = if waiting & ASLEEP == 0 { wanted } else { from.min(wanted) };
        side.wake_from.store(from, Ordering::Relaxed);
        side.waiting.store(waiting | ASLEEP, Ordering::Relaxed);
        drop(guard);
        Ok(futex::wait(&face.count, count, interrupt, deadline))
    }

    /// Waits until there may be a message, or there will be none. For `interrupt` see [`Ring::wait_for_room`].
    ///
    /// # Blocking
    /// As there.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn wait_for_message(
        &self,
        interrupt: Option<(&AtomicU32, u32)>,
        deadline: Option<Duration>,
    ) -> Result<Woken, Trouble> {
        let content = self.content();
        let face = &content.published;
        let seen = face.count.load(Ordering::Acquire);
        if messages_between(seen, content.consumed.count.load(Ordering::Acquire)) != 0
            || self.consumer.look(face, |face| face.count.load(Ordering::Relaxed) != seen)
        {
            return Ok(Woken::Changed);
        }
        match self.announce(ASLEEP, || {})? {
            Some(count) => Ok(futex::wait(&face.count, count, interrupt, deadline)),
            None => Ok(Woken::Changed),
        }
    }

    /// Says under the producers' lock how one is going to wait, and does then, still under it, what belongs to that. The
    /// count to wait on; `None`: there is something already, and nothing was said or done.
    pub(super) fn announce(&self, how: u32, then: impl FnOnce()) -> Result<Option<u32>, Trouble> {
        let content = self.content();
        let guard = lock_of_other(&content.producers, &content.published)?;
        let count = content.published.count.load(Ordering::Relaxed);
        if count & CLOSED != 0 || messages_between(count, content.consumed.count.load(Ordering::Acquire)) != 0
        {
            return Ok(None);
        }
        let side = &content.producers;
        side.waiting.store(side.waiting.load(Ordering::Relaxed) | how, Ordering::Relaxed);
        then();
        drop(guard);
        Ok(Some(count))
    }
}

/// The lock of the side that one is going to wait for. Its owner may be the one who has just woken us, on our own CPU: then
/// it is let go on instead of being waited for.
fn lock_of_other<'a>(side: &'a Side, face: &Face) -> Result<Guard<'a>, Trouble> {
    if side.lock.owner().is_some() && face.cpu.load(Ordering::Relaxed) == sys::this_cpu() {
        std::thread::yield_now();
    }
    lock(&side.lock)
}
