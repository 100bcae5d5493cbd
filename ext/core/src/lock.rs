//! A lock with a name, which a process holds until it gives it back or ends.
//!
//! # How it works
//! A [`Robust`] lock, alone in a named segment. However its holder ends, the kernel frees it, and the next one is told. A
//! process maps a segment once, however often it opens the name, and keeps it mapped while it holds the lock: who drops
//! the handle goes on holding it.
//!
//! # Waiting
//! A sleeper is woken by the release, by the holder's death, and by a signal. Several sleep on one word and one of them is
//! woken; should that one be killed before it has marked the others as sleeping, they look by themselves within
//! [`LOOK`].
//!
//! # Fork and exec
//! It is held by a thread of one process: a forked child does not hold it. An exec ends the holding as an exit does.
//!
//! # What is refused
//! A lock that this thread has already ([`Trouble::Own`]), and one that was written over ([`Trouble::Damaged`]).
//! Sources: DESIGN 5 "Lock"; `robust`, `segment`; Linux Documentation/locking/robust-futexes.rst.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::futex::Woken;
use crate::robust::{Robust, Trouble};
use crate::segment::{Kind, Listed, Name, Refusal, Segment};
use crate::sys;

/// For how long one sleep lasts at most.
pub const LOOK: Duration = Duration::from_secs(1);

/// An open lock.
#[derive(Debug)]
pub struct Lock {
    segment: Segment,
    recovered: AtomicBool,
}

impl Lock {
    /// The effective user's lock of this name; made if there is none.
    ///
    /// # Errors
    /// See [`Segment::open`].
    pub fn open(name: &Name) -> Result<Arc<Self>, Refusal> {
        static OPEN: Mutex<Vec<Weak<Lock>>> = Mutex::new(Vec::new());
        let content = size_of::<Robust>();
        let segment = Segment::open(name, Kind::Lock, content, None, 0, |content| {
            // SAFETY: the content of a segment that is being made: aligned, of that size, and nobody else's.
            unsafe { Robust::initialise(content.cast().as_ptr()) }
        })?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|lock| lock.strong_count() > 0);
        let known = open.iter().filter_map(Weak::upgrade).find(|lock| lock.segment.is_same(&segment));
        Ok(known.unwrap_or_else(|| {
            let lock = Arc::new(Self { segment, recovered: AtomicBool::new(false) });
            open.push(Arc::downgrade(&lock));
            lock
        }))
    }

    /// Who holds a lock that this process need not have open: `Some(None)`: nobody. `None`: see [`Listed::glance`].
    #[must_use]
    pub fn glance(listed: &Listed) -> Option<Option<i32>> {
        let glance = listed.glance::<{ size_of::<Robust>() }>()?;
        Some(Robust::owner_in(&glance.content).and_then(sys::process_of))
    }

    fn robust(&self) -> &Robust {
        let content: NonNull<Robust> = self.segment.content().cast();
        // SAFETY: initialised before the segment had its name, and mapped as long as `self`.
        unsafe { content.as_ref() }
    }

    /// Takes the lock if it is free. `slept`: [`Lock::sleep`] has come before it.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn try_acquire(self: &Arc<Self>, slept: bool) -> Result<(), Trouble> {
        let guard = self.robust().try_lock()?;
        self.recovered.store(guard.inherited, Ordering::Relaxed);
        // Held, and mapped, until `release`.
        std::mem::forget(guard);
        std::mem::forget(Arc::clone(self));
        if slept {
            self.robust().others_may_sleep();
        }
        Ok(())
    }

    /// Sleeps as long as another thread holds the lock, and does not take it. `interrupt`: a word and the value with which
    /// it may.
    ///
    /// # Blocking
    /// Until `until` on `CLOCK_MONOTONIC`, at most [`LOOK`]; a signal ends it.
    ///
    /// # Errors
    /// [`Trouble::Damaged`]: who holds it does not exist.
    pub fn sleep(&self, interrupt: (&AtomicU32, u32), until: Option<Duration>) -> Result<(), Trouble> {
        let look = sys::monotonic() + LOOK;
        let until = until.map_or(look, |until| until.min(look));
        let woken = self.robust().sleep(Some(interrupt), Some(until));
        let is_damaged = woken == Woken::Deadline && self.robust().owner_is_no_thread();
        if is_damaged { Err(Trouble::Damaged) } else { Ok(()) }
    }

    /// Who has slept and goes without the lock: a wake-up that it was given is the others'.
    pub fn give_up(&self) {
        self.robust().pass_on();
    }

    /// Gives the lock back. False: this thread does not hold it.
    pub fn release(self: &Arc<Self>) -> bool {
        let released = self.robust().release();
        if released {
            // SAFETY: the reference that `try_acquire` has left.
            unsafe { Arc::decrement_strong_count(Arc::as_ptr(self)) };
        }
        released
    }

    /// Whether the holder before this process ended without giving it back, when this process took it last.
    #[must_use]
    pub fn recovered(&self) -> bool {
        self.recovered.load(Ordering::Relaxed)
    }

    /// The process that holds it; `None`: nobody, or the C library does not tell. It may have changed already.
    #[must_use]
    pub fn holder(&self) -> Option<i32> {
        self.robust().owner().and_then(sys::process_of)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, Pid, fork};

    use super::*;

    /// A name of this test's own, removed in the end.
    struct Named(Name);

    impl Named {
        fn new(test: &str) -> Self {
            Self(Name::parse(format!("test-{test}-{}", std::process::id()).as_bytes()).unwrap())
        }

        fn open(&self) -> Arc<Lock> {
            Lock::open(&self.0).unwrap()
        }

        /// In a forked child, which then ends as `end` says.
        fn in_child(&self, act: impl FnOnce(Arc<Lock>) -> bool, end: impl FnOnce()) -> Pid {
            // SAFETY: the child calls what the test needs, and ends without the harness.
            match unsafe { fork() }.unwrap() {
                ForkResult::Parent { child } => child,
                ForkResult::Child => {
                    let done = act(self.open());
                    end();
                    sys::exit_at_once(i32::from(!done))
                }
            }
        }
    }

    impl Drop for Named {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(Listed::own(Kind::Lock, self.0.clone()).path());
        }
    }

    fn succeeded(child: Pid) -> bool {
        waitpid(child, None) == Ok(WaitStatus::Exited(child, 0))
    }

    fn wait(lock: &Arc<Lock>) -> Result<(), Trouble> {
        let word = AtomicU32::new(0);
        let until = sys::monotonic() + Duration::from_secs(20);
        let mut slept = false;
        loop {
            match lock.try_acquire(slept) {
                Err(Trouble::Taken) if sys::monotonic() < until => {
                    lock.sleep((&word, 0), Some(until))?;
                    slept = true;
                }
                taken => return taken,
            }
        }
    }

    #[test]
    fn it_is_held_by_one_process_until_released() {
        let named = Named::new("one");
        let lock = named.open();
        let listed = Listed::own(Kind::Lock, named.0.clone());
        assert_eq!((lock.holder(), Lock::glance(&listed)), (None, Some(None)));
        assert!(!lock.release(), "nobody holds it");
        lock.try_acquire(false).unwrap();
        let own = Some(std::process::id().cast_signed());
        assert_eq!((lock.holder(), Lock::glance(&listed)), (own, Some(own)));
        assert_eq!(lock.try_acquire(false), Err(Trouble::Own));
        assert_eq!(named.open().try_acquire(false), Err(Trouble::Own), "by another handle, too");
        let child =
            named.in_child(|lock| lock.try_acquire(false) == Err(Trouble::Taken) && !lock.release(), || {});
        assert!(succeeded(child), "a forked child does not hold it");
        assert!(lock.release() && lock.holder().is_none());
        assert!(succeeded(named.in_child(|lock| lock.try_acquire(false).is_ok() && lock.release(), || {})));
        lock.try_acquire(false).unwrap();
        assert!(!lock.recovered() && lock.release());
    }

    #[test]
    fn who_drops_the_handle_goes_on_holding_it() {
        let named = Named::new("dropped");
        named.open().try_acquire(false).unwrap();
        assert!(succeeded(named.in_child(|lock| lock.try_acquire(false) == Err(Trouble::Taken), || {})));
        assert!(named.open().release());
        assert!(succeeded(named.in_child(|lock| lock.try_acquire(false).is_ok(), || {})));
    }

    #[test]
    fn the_next_holder_is_told_of_a_death() {
        let named = Named::new("death");
        let kill = || {
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL).unwrap();
        };
        let child = named.in_child(|lock| lock.try_acquire(false).is_ok(), kill);
        assert!(matches!(waitpid(child, None), Ok(WaitStatus::Signaled(..))));
        let lock = named.open();
        lock.try_acquire(false).unwrap();
        assert!(lock.recovered());
        assert!(lock.release());
        lock.try_acquire(false).unwrap();
        assert!(!lock.recovered(), "told once");
        assert!(lock.release());
    }

    #[test]
    fn sleepers_are_woken_by_release_and_by_death() {
        let named = Named::new("sleepers");
        let lock = named.open();
        for round in 0..20 {
            lock.try_acquire(false).unwrap();
            let children: Vec<Pid> = (0..4)
                .map(|number| {
                    let held =
                        move |lock: Arc<Lock>| wait(&lock) == Ok(()) && (number % 2 == 0 || lock.release());
                    named.in_child(held, || {}) // every other one ends holding it
                })
                .collect();
            if round % 2 == 0 {
                std::thread::yield_now();
            }
            assert!(lock.release());
            assert!(children.into_iter().all(succeeded), "round {round}");
            wait(&lock).unwrap();
            assert!(lock.release());
        }
    }

    #[test]
    fn an_exec_ends_the_holding() {
        let named = Named::new("exec");
        let child = named.in_child(
            |lock| lock.try_acquire(false).is_ok(),
            || {
                use std::os::unix::process::CommandExt;
                drop(Command::new("sleep").arg("60").exec());
            },
        );
        let lock = named.open();
        assert_eq!(wait(&lock), Ok(()), "the program that came after it does not hold it");
        assert!(lock.release());
        nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).unwrap();
        waitpid(child, None).unwrap();
    }

    #[test]
    fn a_holder_that_does_not_exist_is_damage() {
        let named = Named::new("damage");
        let lock = named.open();
        // A thread number that no process has: above the largest that Linux gives.
        // SAFETY: the lock's first word, of a segment that is this test's own.
        unsafe { lock.segment.content().cast::<u32>().write(0x3fff_fff0) };
        assert_eq!(wait(&lock), Err(Trouble::Damaged));
    }
}
