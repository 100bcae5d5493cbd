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
//! # A file that is removed
//! The lock of a name is the one whose file has the name. `shm rm --force`, rm and systemd's RemoveIPC take it away from
//! those who have the lock open, and whoever opens the name next makes another. So who acquires looks whether its file has
//! the name still; if not it gives the lock back and goes on with the one that has it. It does not change over before it
//! has the old one: as long as somebody holds that, nobody who knows of it takes the new one beside him. Who holds it when
//! the file goes cannot be told then, and a process that never had the old one open takes the new one beside him; the
//! holder sees it in [`Lock::holder`], and acquires anew.
//!
//! # Fork and exec
//! It is held by a thread of one process: a forked child does not hold it. An exec ends the holding as an exit does.
//!
//! # What is refused
//! A lock that this thread has already ([`Trouble::Own`]), and one that was written over ([`Trouble::Damaged`]).
//! Sources: DESIGN 5 "Lock"; `robust`, `segment`; Linux Documentation/locking/robust-futexes.rst; logind.conf(5)
//! `RemoveIPC`.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::fork;
use crate::futex::Woken;
use crate::robust::{Robust, Trouble};
use crate::segment::{Kind, Listed, Name, Refusal, Segment};
use crate::sys::{self, namespace};

/// For how long one sleep lasts at most.
pub const LOOK: Duration = Duration::from_secs(1);

/// An open lock: one for each name in a process.
#[derive(Debug)]
pub struct Lock {
    listed: Listed,
    /// Where it is held, if this process holds it; else where it was when this process looked last.
    memory: Mutex<Arc<Segment>>,
    /// The process, by [`this_process`], whose holder before ended without giving it back; 0: none.
    recovered_by: AtomicU64,
}

/// Why it was not acquired.
#[derive(Debug)]
pub enum Refused {
    /// See there.
    Trouble(Trouble),
    /// Its file was removed, and there is no other.
    Gone(Refusal),
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Lock {
    /// The effective user's lock of this name; made if there is none.
    ///
    /// # Errors
    /// See [`Segment::open`].
    pub fn open(name: &Name) -> Result<Arc<Self>, Refusal> {
        static OPEN: Mutex<Vec<Weak<Lock>>> = Mutex::new(Vec::new());
        let listed = Listed::own(Kind::Lock, name.clone());
        let mut open = unpoisoned(&OPEN);
        open.retain(|lock| lock.strong_count() > 0);
        // Also one that has lost its file: whether it is held says nobody else.
        if let Some(known) = open.iter().filter_map(Weak::upgrade).find(|lock| lock.listed == listed) {
            return Ok(known);
        }
        let memory = Mutex::new(Arc::new(segment(name)?));
        let lock = Arc::new(Self { listed, memory, recovered_by: AtomicU64::new(0) });
        open.push(Arc::downgrade(&lock));
        Ok(lock)
    }

    /// Who holds a lock that this process need not have open: `Some(None)`: nobody. `None`: see [`Listed::glance`].
    #[must_use]
    pub fn glance(listed: &Listed) -> Option<Option<i32>> {
        let glance = listed.glance::<{ size_of::<Robust>() }>()?;
        Some(Robust::owner_in(&glance.content).and_then(sys::process_of))
    }

    fn memory(&self) -> Arc<Segment> {
        Arc::clone(&unpoisoned(&self.memory))
    }

    fn move_to_its_name(&self) -> Result<(), Refusal> {
        let Listed { uid, name, .. } = &self.listed;
        let own = Listed::own(Kind::Lock, name.clone());
        if own != self.listed {
            return Err(Refusal::Foreign(format!(
                "{} was removed, and this process, which runs as {} by now, cannot make another for uid {uid}: start it again",
                self.listed.path().display(),
                own.uid
            )));
        }
        let there = Arc::new(segment(name)?);
        *unpoisoned(&self.memory) = there;
        Ok(())
    }

    /// Takes the lock if it is free. `slept`: [`Lock::sleep`] has come before it.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn try_acquire(self: &Arc<Self>, slept: bool) -> Result<(), Refused> {
        loop {
            let memory = self.memory();
            match robust(&memory).try_lock() {
                Ok(guard) => {
                    if slept {
                        robust(&memory).others_may_sleep();
                    }
                    if !memory.has_lost_its_name() {
                        let told = if guard.inherited { this_process() } else { 0 };
                        self.recovered_by.store(told, Ordering::Relaxed);
                        // Held, and mapped, until `release`.
                        std::mem::forget(guard);
                        std::mem::forget(Arc::clone(self));
                        return Ok(());
                    }
                }
                Err(Trouble::Own) if memory.has_lost_its_name() => {
                    self.release();
                }
                Err(trouble) => return Err(trouble.into()),
            }
            self.move_to_its_name().map_err(Refused::Gone)?;
        }
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
        let memory = self.memory();
        let woken = robust(&memory).sleep(Some(interrupt), Some(until));
        let is_damaged = woken == Woken::Deadline && robust(&memory).owner_is_no_thread();
        if is_damaged { Err(Trouble::Damaged) } else { Ok(()) }
    }

    /// Who has slept and goes without the lock: a wake-up that it was given is the others'.
    pub fn give_up(&self) {
        robust(&self.memory()).pass_on();
    }

    /// Gives the lock back. False: this thread does not hold it.
    pub fn release(self: &Arc<Self>) -> bool {
        let released = robust(&self.memory()).release();
        if released {
            // SAFETY: the reference that `try_acquire` has left.
            unsafe { Arc::decrement_strong_count(Arc::as_ptr(self)) };
        }
        released
    }

    /// Whether the holder before this process ended without giving it back, when this process took it last. A forked child
    /// has not taken it.
    #[must_use]
    pub fn recovered(&self) -> bool {
        self.recovered_by.load(Ordering::Relaxed) == this_process()
    }

    /// The process that holds it; `None`: nobody, or the C library does not tell. It may have changed already. Of a lock
    /// whose file was removed: who holds the one that has the name now, else the one who is waited for; never this process,
    /// which has lost it. In another PID namespace than the lock's: the number that the holder has there.
    #[must_use]
    pub fn holder(&self) -> Option<i32> {
        let memory = self.memory();
        let is_lost = memory.has_lost_its_name();
        let own = nix::unistd::gettid().as_raw();
        let owner = robust(&memory).owner().filter(|owner| !is_lost || *owner != own);
        let there = if is_lost { Self::glance(&self.listed).flatten() } else { None };
        there.or_else(|| if namespace::is_first() { owner.and_then(sys::process_of) } else { owner })
    }
}

fn segment(name: &Name) -> Result<Segment, Refusal> {
    Segment::open(name, Kind::Lock, size_of::<Robust>(), None, 0, |content| {
        // SAFETY: the content of a segment that is being made: aligned, of that size, and nobody else's.
        unsafe { Robust::initialise(content.cast().as_ptr()) }
    })
}

fn robust(memory: &Segment) -> &Robust {
    let content: NonNull<Robust> = memory.content().cast();
    // SAFETY: initialised before the segment had its name, and mapped as long as `memory`.
    unsafe { content.as_ref() }
}

/// A number that no parent or child of this process has; never 0. Forks are told apart by their count where they are
/// watched, and by the process's number, which another PID namespace may give a second time.
fn this_process() -> u64 {
    (fork::generation() << 32) | u64::from(std::process::id())
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// What became of an attempt, for assertions.
    fn taken(attempt: Result<(), Refused>) -> Result<(), Trouble> {
        attempt.map_err(|refused| match refused {
            Refused::Trouble(trouble) => trouble,
            Refused::Gone(refusal) => panic!("{refusal}"),
        })
    }

    fn try_acquire(lock: &Arc<Lock>) -> Result<(), Trouble> {
        taken(lock.try_acquire(false))
    }

    fn wait(lock: &Arc<Lock>) -> Result<(), Trouble> {
        let word = AtomicU32::new(0);
        let until = sys::monotonic() + Duration::from_secs(20);
        let mut slept = false;
        loop {
            match taken(lock.try_acquire(slept)) {
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
        assert_eq!(try_acquire(&lock), Err(Trouble::Own));
        assert_eq!(try_acquire(&named.open()), Err(Trouble::Own), "by another handle, too");
        let child =
            named.in_child(|lock| try_acquire(&lock) == Err(Trouble::Taken) && !lock.release(), || {});
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
        assert!(succeeded(named.in_child(|lock| try_acquire(&lock) == Err(Trouble::Taken), || {})));
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
    fn a_child_that_has_not_acquired_it_does_not_recover_what_its_parent_did() {
        let named = Named::new("inherited");
        assert!(succeeded(named.in_child(|lock| lock.try_acquire(false).is_ok(), || {})));
        let lock = named.open();
        try_acquire(&lock).unwrap();
        assert!(lock.recovered());
        assert!(succeeded(named.in_child(|lock| !lock.recovered(), || {})));
        assert!(lock.recovered() && lock.release());
        let told = named.in_child(|lock| lock.try_acquire(false).is_ok() && !lock.recovered(), || {});
        assert!(succeeded(told), "and is not told of another's");
    }

    #[test]
    fn a_lock_whose_file_was_removed_is_not_the_lock_of_its_name() {
        let named = Named::new("removed");
        let lock = named.open();
        try_acquire(&lock).unwrap();
        let first = lock.memory();
        std::fs::remove_file(lock.listed.path()).unwrap();
        assert_eq!(lock.holder(), None, "the holder has lost it");
        let parent = std::process::id().cast_signed();
        let waits =
            move |lock: Arc<Lock>| try_acquire(&lock) == Err(Trouble::Taken) && lock.holder() == Some(parent);
        assert!(
            succeeded(named.in_child(waits, || {})),
            "who knows of the old one does not take the new one"
        );
        try_acquire(&lock).unwrap();
        assert!(!lock.memory().is_same(&first), "it is the new one now");
        assert_eq!(lock.holder(), Some(parent));
        assert_eq!(robust(&first).owner(), None, "the old one was given back");
        assert!(lock.release() && !lock.release());
    }

    #[test]
    fn who_waits_for_a_lock_whose_file_is_replaced_gets_the_new_one() {
        let named = Named::new("replaced");
        let lock = named.open();
        try_acquire(&lock).unwrap();
        let waiter = named.in_child(
            |lock| {
                let own = std::process::id().cast_signed();
                wait(&lock) == Ok(()) && Lock::glance(&lock.listed) == Some(Some(own)) && lock.release()
            },
            || {},
        );
        let sleeps = || {
            let stat = std::fs::read_to_string(format!("/proc/{waiter}/stat")).unwrap();
            stat.rsplit(')').next().unwrap().trim_start().starts_with('S')
        };
        while !sleeps() {
            std::thread::yield_now();
        }
        std::fs::remove_file(lock.listed.path()).unwrap();
        assert!(lock.release());
        assert!(succeeded(waiter));
        try_acquire(&lock).unwrap();
        assert!(lock.listed.path().exists() && lock.release());
    }

    #[test]
    fn a_lock_that_cannot_be_made_again_is_gone() {
        let named = Named::new("gone");
        let lock = named.open();
        std::fs::remove_file(lock.listed.path()).unwrap();
        std::fs::create_dir(lock.listed.path()).unwrap();
        let refused = lock.try_acquire(false).unwrap_err();
        std::fs::remove_dir(lock.listed.path()).unwrap();
        assert!(
            matches!(&refused, Refused::Gone(Refusal::Foreign(why)) if why.contains("is a directory")),
            "{refused:?}"
        );
        try_acquire(&lock).unwrap();
        assert!(lock.release(), "and is there again when it can be made");
    }

    #[test]
    fn a_holder_that_does_not_exist_is_damage() {
        let named = Named::new("damage");
        let lock = named.open();
        // A thread number that no process has: above the largest that Linux gives.
        // SAFETY: the lock's first word, of a segment that is this test's own.
        unsafe { lock.memory().content().cast::<u32>().write(0x3fff_fff0) };
        assert_eq!(wait(&lock), Err(Trouble::Damaged));
    }
}
