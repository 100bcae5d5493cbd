//! A number that processes share.
//!
//! # How it works
//! One 64-bit atomic, alone in a segment: anonymous, for forked processes, or with a name. There is no lock, so a process
//! that is killed leaves nothing half done.
//!
//! # What is refused
//! Going beyond 64 bits: the number stays as it was.
//! Sources: DESIGN 5 "Counter"; `segment`.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::segment::{Kind, Listed, Name, Refusal, Segment, Shape};

/// An open counter.
#[derive(Debug)]
pub struct Counter(Segment);

impl Counter {
    /// A new one, which this process and those forked from it share.
    ///
    /// # Errors
    /// See [`Segment::anonymous`].
    pub fn create(value: i64) -> Result<Self, Refusal> {
        let shape = Shape { kind: Kind::Counter, content_bytes: size_of::<AtomicI64>(), ring_bytes: 0 };
        let counter = Self(Segment::anonymous(shape, |_| Ok(()))?);
        counter.set(value);
        Ok(counter)
    }

    /// The effective user's counter of this name; made, as 0, if there is none.
    ///
    /// # Errors
    /// See [`Segment::open`].
    pub fn open(name: &Name) -> Result<Self, Refusal> {
        Segment::open(name, Kind::Counter, size_of::<AtomicI64>(), None, 0, |_| Ok(())).map(Self)
    }

    /// The number of one that another process may have open. `None`: see [`Listed::glance`].
    #[must_use]
    pub fn glance(listed: &Listed) -> Option<i64> {
        listed.glance().map(|glance| i64::from_ne_bytes(glance.content))
    }

    fn number(&self) -> &AtomicI64 {
        let content: NonNull<AtomicI64> = self.0.content().cast();
        // SAFETY: aligned, mapped as long as `self`, and any bits are a number.
        unsafe { content.as_ref() }
    }

    /// Adds, and returns the sum. `None`: it would not fit in 64 bits, and nothing was added.
    #[must_use]
    pub fn add(&self, number: i64) -> Option<i64> {
        let sum = |value: i64| value.checked_add(number);
        self.number().fetch_update(Ordering::SeqCst, Ordering::SeqCst, sum).ok()?.checked_add(number)
    }

    /// The number.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.number().load(Ordering::SeqCst)
    }

    /// Sets the number.
    pub fn set(&self, value: i64) {
        self.number().store(value, Ordering::SeqCst);
    }

    /// Sets the number if it is `old`. False: it is another.
    #[must_use]
    pub fn compare_and_set(&self, old: i64, new: i64) -> bool {
        self.number().compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    use super::*;
    use crate::sys;

    #[test]
    fn processes_add_up() {
        let counter = Counter::create(-5).unwrap();
        let children = (0..4).map(|_| {
            // SAFETY: the child counts, and ends without the harness.
            match unsafe { fork() }.unwrap() {
                ForkResult::Parent { child } => child,
                ForkResult::Child => {
                    let counted = (0..10_000).all(|_| counter.add(1).is_some());
                    sys::exit_at_once(i32::from(!counted))
                }
            }
        });
        for child in children.collect::<Vec<_>>() {
            assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
        }
        assert_eq!(counter.value(), 39_995);
    }

    #[test]
    fn it_does_not_go_beyond_64_bits() {
        let counter = Counter::create(i64::MAX).unwrap();
        assert_eq!((counter.add(1), counter.add(0), counter.value()), (None, Some(i64::MAX), i64::MAX));
        counter.set(i64::MIN);
        assert_eq!((counter.add(-1), counter.add(1)), (None, Some(i64::MIN + 1)));
    }

    #[test]
    fn of_two_that_compare_one_sets() {
        let counter = Counter::create(1).unwrap();
        assert!(counter.compare_and_set(1, 2) && !counter.compare_and_set(1, 3));
        assert_eq!(counter.value(), 2);
    }

    #[test]
    fn a_name_leads_to_the_same_number() {
        let name = Name::parse(format!("test-counter-{}", std::process::id()).as_bytes()).unwrap();
        let counter = Counter::open(&name).unwrap();
        assert_eq!(counter.add(7), Some(7));
        drop(counter);
        assert_eq!(Counter::open(&name).unwrap().value(), 7, "it stays when nobody has it open");
        let listed = Listed::own(Kind::Counter, name);
        assert_eq!(Counter::glance(&listed), Some(7));
        std::fs::remove_file(listed.path()).unwrap();
        assert_eq!(Counter::glance(&listed), None);
    }
}
