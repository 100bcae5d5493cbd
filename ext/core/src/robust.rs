//! A lock between processes that survives the death of who holds it.
//!
//! # How it works
//! A process-shared robust pthread mutex, in a segment. Taking and giving back a free one is no system call. When its
//! owner dies the kernel, which finds it in that thread's robust list, marks it and wakes one waiter; that one, or the
//! next who comes, gets it and is told ([`Guard::inherited`]). So also when the owner is killed between giving it back
//! and the wake-up, and when the woken waiter is killed before it has it (Linux 5.5).
//!
//! # What is refused
//! A mutex whose bytes are no robust shared mutex, or whose owner does not exist without the kernel having noticed:
//! somebody has written over it ([`Trouble::Damaged`]). A process that writes over it while another holds it can still
//! bring that one down: its list of robust locks leads through the segment.
//!
//! # PID namespaces
//! The death of an owner is told across them: the kernel looks for each thread under the number that it has itself. Two
//! threads that have the same number, each in its own namespace, cannot be told apart: while one has the lock, the other
//! is told that it has it already.
//!
//! # Rules
//! The memory that a held lock lies in stays mapped. A lock is its thread's: a forked child does not have it.
//! Sources: pthread_mutexattr_setrobust(3), get_robust_list(2); Linux Documentation/locking/robust-futexes.rst,
//! kernel/futex/core.c (`handle_futex_death`).

use std::cell::UnsafeCell;
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::futex;
use crate::sys::{self, namespace};

/// How often a taken lock is looked at before the thread sleeps: longer than copying a small message takes.
const SPINS: u32 = 60;
/// For how long one sleep for it lasts at most, before the owner is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Where glibc keeps the owner's thread number (the futex), and the mutex's kind; both 32 bits.
#[cfg(target_env = "gnu")]
const FUTEX_AT: usize = 0;
#[cfg(target_env = "gnu")]
const KIND_AT: usize = 16;
const TID_MASK: u32 = 0x3fff_ffff; // FUTEX_TID_MASK of linux/futex.h
const WAITERS: u32 = 0x8000_0000; // FUTEX_WAITERS of linux/futex.h

/// A robust lock in shared memory. Address and size are the same for all its users; never moved once it is initialised.
#[repr(C, align(8))]
pub struct Robust {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
}

// SAFETY: a mutex is for many threads.
unsafe impl Sync for Robust {}

/// Why the lock was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Somebody else has it, and time is up.
    Taken,
    /// This thread has it already.
    Own,
    /// Its memory was written over.
    Damaged,
}

/// A held lock; given back on drop. [`std::mem::forget`] keeps it until the thread ends or [`Robust::release`].
#[derive(Debug)]
pub struct Guard<'a> {
    lock: &'a Robust,
    /// The owner before this one died while it held the lock: what the lock protects may be half done.
    pub inherited: bool,
    /// A mutex is given back by the thread that took it.
    not_send: PhantomData<*mut ()>,
}

impl std::fmt::Debug for Robust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Robust").field("owner", &self.owner()).finish()
    }
}

impl Robust {
    /// Makes a lock, free.
    ///
    /// # Safety
    /// `place` is writable, aligned to 8, and nobody uses it yet.
    ///
    /// # Errors
    /// `ENOTSUP`: the system has no robust mutexes.
    pub unsafe fn initialise(place: *mut Self) -> io::Result<()> {
        let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: initialised by the first call, used by the others, destroyed by the last; the place is the caller's
        // promise.
        unsafe {
            checked(libc::pthread_mutexattr_init(attributes))?;
            let made = checked(libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED))
                .and_then(|()| {
                    checked(libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST))
                })
                .and_then(|()| {
                    checked(libc::pthread_mutexattr_settype(attributes, libc::PTHREAD_MUTEX_ERRORCHECK))
                })
                .and_then(|()| checked(libc::pthread_mutex_init(place.cast(), attributes)));
            libc::pthread_mutexattr_destroy(attributes);
            made
        }
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// See [`Trouble`].
    #[inline]
    pub fn try_lock(&self) -> Result<Guard<'_>, Trouble> {
        if !self.is_ours() {
            return Err(Trouble::Damaged);
        }
        // SAFETY: a mutex of our kind in mapped memory.
        self.taken(unsafe { libc::pthread_mutex_trylock(self.mutex.get()) })
    }

    /// Takes the lock, waiting until `deadline` on `CLOCK_MONOTONIC`; `None`: as long as it takes.
    ///
    /// # Blocking
    /// Until then. A signal does not end it.
    ///
    /// # Errors
    /// See [`Trouble`].
    #[inline]
    pub fn lock(&self, deadline: Option<Duration>) -> Result<Guard<'_>, Trouble> {
        match self.try_lock() {
            Err(Trouble::Taken) => self.wait(deadline),
            taken => taken,
        }
    }

    #[cold]
    fn wait(&self, deadline: Option<Duration>) -> Result<Guard<'_>, Trouble> {
        for _ in 0..SPINS {
            std::hint::spin_loop();
            if self.owner().is_none() {
                match self.try_lock() {
                    Err(Trouble::Taken) => {}
                    taken => return taken,
                }
            }
        }
        loop {
            let now = sys::monotonic();
            let look = now + LOOK;
            let until = deadline.map_or(look, |deadline| deadline.min(look));
            match self.taken(self.lock_until(until)) {
                Err(Trouble::Taken) => {}
                taken => return taken,
            }
            if self.owner_is_no_thread() {
                return Err(Trouble::Damaged);
            }
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Err(Trouble::Taken);
            }
        }
    }

    /// Sleeps as long as somebody else has the lock, and does not take it: for who must hear signals meanwhile. Who takes it
    /// afterwards calls [`Robust::others_may_sleep`].
    ///
    /// # Blocking
    /// As [`futex::wait`]. Where the C library does not tell its futex, 50 ms at most, and signals end it no earlier.
    pub fn sleep(&self, interrupt: Option<(&AtomicU32, u32)>, until: Option<Duration>) -> futex::Woken {
        let Some(word) = self.word(FUTEX_AT) else {
            let look = sys::monotonic() + LOOK;
            let over = until.filter(|until| *until <= look);
            return match (self.lock(Some(over.unwrap_or(look))), over) {
                (Err(Trouble::Taken), Some(_)) => futex::Woken::Deadline,
                (Err(Trouble::Taken), None) => futex::Woken::Interrupted,
                _ => futex::Woken::Changed,
            };
        };
        // As glibc does: who gives the lock back, and the kernel for who dies with it, wake one when this bit is set.
        let seen = word.load(Ordering::Relaxed);
        if seen & TID_MASK == 0 {
            return futex::Woken::Changed; // free: a mark would make it one that nobody can take
        }
        let marked = seen | WAITERS;
        let is_marked = seen == marked
            || word.compare_exchange(seen, marked, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !is_marked {
            return futex::Woken::Changed;
        }
        futex::wait(word, marked, interrupt, until)
    }

    /// Keeps the wake-up for those who went on sleeping when this thread woke and took the lock: what woke it has taken
    /// their mark away. A thread that dies before this leaves them asleep until they look by themselves.
    pub fn others_may_sleep(&self) {
        if let Some(word) = self.word(FUTEX_AT) {
            word.fetch_or(WAITERS, Ordering::Relaxed);
        }
    }

    /// For who has slept and does not take it: whoever holds it now wakes another one, or one is woken now.
    pub fn pass_on(&self) {
        let Some(word) = self.word(FUTEX_AT) else { return };
        let marked = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
            (seen & TID_MASK != 0).then_some(seen | WAITERS)
        });
        if marked.is_err() {
            futex::wake_one(word);
        }
    }

    /// The thread number of who holds it; `None`: nobody, or the C library does not tell. It may have changed already.
    #[must_use]
    pub fn owner(&self) -> Option<i32> {
        let owner = self.word(FUTEX_AT)?.load(Ordering::Relaxed) & TID_MASK;
        i32::try_from(owner).ok().filter(|owner| *owner > 0)
    }

    /// The same of a copy of a lock's bytes.
    #[must_use]
    pub fn owner_in(bytes: &[u8; size_of::<Self>()]) -> Option<i32> {
        // SAFETY: as many bytes, and any bits are such a struct; nothing but its words is looked at.
        unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast::<Self>()) }.owner()
    }

    /// Gives back a lock whose guard was forgotten. False: this thread does not hold it.
    pub fn release(&self) -> bool {
        // SAFETY: a mutex of our kind, which checks its owner (PTHREAD_MUTEX_ERRORCHECK, and robust ones always do).
        self.is_ours() && unsafe { libc::pthread_mutex_unlock(self.mutex.get()) } == 0
    }

    fn taken(&self, rc: i32) -> Result<Guard<'_>, Trouble> {
        let inherited = rc == libc::EOWNERDEAD;
        match rc {
            0 | libc::EOWNERDEAD => {}
            libc::EBUSY | libc::ETIMEDOUT => return Err(Trouble::Taken),
            libc::EDEADLK => return Err(Trouble::Own),
            _ => return Err(Trouble::Damaged),
        }
        // At once, so that our own death from here on is reported again. Who takes the lock puts right what it protects.
        // SAFETY: held by this thread, after EOWNERDEAD.
        if inherited && unsafe { libc::pthread_mutex_consistent(self.mutex.get()) } != 0 {
            return Err(Trouble::Damaged);
        }
        Ok(Guard { lock: self, inherited, not_send: PhantomData })
    }

    #[cfg(target_env = "gnu")]
    fn lock_until(&self, until: Duration) -> i32 {
        unsafe extern "C" {
            fn pthread_mutex_clocklock(
                mutex: *mut libc::pthread_mutex_t,
                clock: libc::clockid_t,
                until: *const libc::timespec,
            ) -> libc::c_int;
        }
        let until = sys::timespec(until);
        // SAFETY: a mutex of our kind in mapped memory; a time that outlives the call. glibc 2.30.
        unsafe { pthread_mutex_clocklock(self.mutex.get(), libc::CLOCK_MONOTONIC, &raw const until) }
    }

    /// On the only clock that POSIX has for it: when that is set, a wait of at most [`LOOK`] is longer or shorter.
    #[cfg(not(target_env = "gnu"))]
    fn lock_until(&self, until: Duration) -> i32 {
        let left = until.saturating_sub(sys::monotonic());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let until = sys::timespec(now + left);
        // SAFETY: as above.
        unsafe { libc::pthread_mutex_timedlock(self.mutex.get(), &raw const until) }
    }

    #[cfg(target_env = "gnu")]
    fn word(&self, at: usize) -> Option<&AtomicU32> {
        // SAFETY: inside the mutex, aligned; glibc itself uses atomics on these.
        Some(unsafe { AtomicU32::from_ptr(self.mutex.get().cast::<u8>().add(at).cast()) })
    }

    #[cfg(not(target_env = "gnu"))]
    fn word(&self, _at: usize) -> Option<&AtomicU32> {
        None
    }

    /// Whether it still has the kind that [`Robust::initialise`] gives: the C library does what the kind says, and aborts
    /// on some.
    #[inline]
    fn is_ours(&self) -> bool {
        static KIND: OnceLock<Option<u32>> = OnceLock::new();
        let kind = || {
            let place = Self { mutex: UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER) };
            // SAFETY: our own, and aligned.
            unsafe { Self::initialise(place.mutex.get().cast()) }.ok()?;
            Some(place.word(KIND_AT)?.load(Ordering::Relaxed))
        };
        let kind = *KIND.get_or_init(kind);
        kind.is_none() || self.word(KIND_AT).map(|word| word.load(Ordering::Relaxed)) == kind
    }

    /// The kernel marks a lock whose owner ends: one that names a thread that is not there was written over. False where
    /// that cannot be known: see [`namespace`].
    #[must_use]
    pub fn owner_is_no_thread(&self) -> bool {
        let Some(owner) = self.owner() else { return false };
        namespace::is_nobody(owner) && self.owner() == Some(owner)
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.lock.release();
    }
}

fn checked(rc: i32) -> io::Result<()> {
    if rc == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(rc)) }
}

#[cfg(test)]
mod tests {
    use std::ptr::NonNull;
    use std::sync::atomic::AtomicU64;

    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    use super::*;
    use crate::segment::{Kind, Segment, Shape};

    /// A lock and a number, shared with forked processes.
    struct Shared {
        segment: Segment,
    }

    impl Shared {
        fn new() -> Self {
            let shape = Shape { kind: Kind::Lock, content_bytes: 256, ring_bytes: 0 };
            let fill = |content: NonNull<u8>| {
                // SAFETY: fresh memory.
                unsafe { Robust::initialise(content.as_ptr().cast()) }
            };
            Self { segment: Segment::anonymous(shape, fill).unwrap() }
        }

        fn lock(&self) -> &Robust {
            // SAFETY: initialised above.
            unsafe { self.segment.content().cast::<Robust>().as_ref() }
        }

        fn number(&self, index: usize) -> &AtomicU64 {
            // SAFETY: behind the mutex, within the content.
            unsafe { AtomicU64::from_ptr(self.segment.content().as_ptr().add(128 + 8 * index).cast()) }
        }
    }

    fn later(milliseconds: u64) -> Option<Duration> {
        Some(sys::monotonic() + Duration::from_millis(milliseconds))
    }

    /// A forked child that runs `act` and ends by SIGKILL.
    fn killed(act: impl FnOnce()) {
        // SAFETY: the child calls only what is safe after fork: locks, atomics, system calls.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                act();
                // SAFETY: ends this process.
                unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
                sys::exit_at_once(1);
            }
            ForkResult::Parent { child } => {
                assert!(matches!(waitpid(child, None).unwrap(), WaitStatus::Signaled(..)));
            }
        }
    }

    #[test]
    fn a_lock_is_held_once_and_given_back() {
        let shared = Shared::new();
        let guard = shared.lock().try_lock().unwrap();
        assert!(!guard.inherited);
        assert_eq!(shared.lock().owner(), Some(nix::unistd::gettid().as_raw()));
        assert_eq!(shared.lock().lock(None).unwrap_err(), Trouble::Own);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| shared.lock().lock(later(20)).unwrap_err());
            assert_eq!(other.join().unwrap(), Trouble::Taken);
        });
        drop(guard);
        assert_eq!(shared.lock().owner(), None);
        assert!(!shared.lock().release(), "nobody has it");
        drop(shared.lock().lock(None).unwrap());
    }

    #[test]
    fn the_next_owner_is_told_once_that_the_one_before_died() {
        let shared = Shared::new();
        killed(|| std::mem::forget(shared.lock().try_lock().unwrap()));
        let guard = shared.lock().lock(later(5000)).unwrap();
        assert!(guard.inherited);
        drop(guard);
        assert!(!shared.lock().lock(None).unwrap().inherited);
    }

    #[test]
    fn an_heir_that_dies_as_well_hands_the_news_on() {
        let shared = Shared::new();
        killed(|| std::mem::forget(shared.lock().try_lock().unwrap()));
        killed(|| {
            let guard = shared.lock().lock(None).unwrap();
            shared.number(0).store(1 + u64::from(guard.inherited), Ordering::SeqCst);
            std::mem::forget(guard);
        });
        assert_eq!(shared.number(0).load(Ordering::SeqCst), 2);
        assert!(shared.lock().lock(None).unwrap().inherited);
    }

    #[test]
    fn who_waits_gets_the_lock_of_one_that_dies() {
        let shared = Shared::new();
        // SAFETY: as in `killed`.
        let holder = match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let _guard = shared.lock().try_lock().unwrap();
                shared.number(0).store(1, Ordering::SeqCst);
                loop {
                    // SAFETY: waits for the signal that ends it.
                    unsafe { libc::pause() };
                }
            }
            ForkResult::Parent { child } => child,
        };
        while shared.number(0).load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| shared.lock().lock(None).unwrap().inherited);
            nix::sys::signal::kill(holder, nix::sys::signal::Signal::SIGKILL).unwrap();
            assert!(waiter.join().unwrap());
        });
        waitpid(holder, None).unwrap();
    }

    #[test]
    fn an_owner_in_another_pid_namespace_is_no_damage() {
        let shared = Shared::new();
        let is_waited_for = || shared.lock().lock(later(200)).map(drop) == Err(Trouble::Taken);
        let step = |step: u64| shared.number(0).store(step, Ordering::SeqCst);
        let wait = |step: u64| {
            while shared.number(0).load(Ordering::SeqCst) < step {
                std::thread::yield_now();
            }
        };
        let inner = || {
            std::mem::forget(shared.lock().try_lock().unwrap());
            step(1);
            wait(2);
            shared.lock().release();
            step(3);
            wait(4);
            i32::from(!is_waited_for())
        };
        let outer = || {
            // SAFETY: takes numbers; the next child is the first process of a namespace. Without root in a user namespace.
            let unshare = |flags: i32| unsafe { libc::unshare(flags) };
            if unshare(libc::CLONE_NEWPID) == -1 && unshare(libc::CLONE_NEWPID | libc::CLONE_NEWUSER) == -1 {
                eprintln!("not run: this user cannot make a PID namespace");
                return 0;
            }
            // SAFETY: as in `killed`.
            match unsafe { fork() }.unwrap() {
                ForkResult::Child => sys::exit_at_once(inner()),
                ForkResult::Parent { child } => {
                    wait(1);
                    let outside = is_waited_for();
                    step(2);
                    wait(3);
                    let _guard = shared.lock().lock(later(5000)).unwrap();
                    step(4);
                    let inside = waitpid(child, None) == Ok(WaitStatus::Exited(child, 0));
                    i32::from(!outside) + 2 * i32::from(!inside)
                }
            }
        };
        // SAFETY: as in `killed`.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => sys::exit_at_once(outer()),
            ForkResult::Parent { child } => {
                assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)), "1: outside, 2: inside");
            }
        }
    }

    #[test]
    fn a_lock_that_was_written_over_is_refused() {
        let shared = Shared::new();
        let futex = shared.lock().word(FUTEX_AT).unwrap();
        let kind = shared.lock().word(KIND_AT).unwrap();
        futex.store(0x3fff_fffe, Ordering::SeqCst);
        assert_eq!(shared.lock().lock(None).unwrap_err(), Trouble::Damaged, "no such thread");
        futex.store(0, Ordering::SeqCst);
        let whole = kind.load(Ordering::SeqCst);
        for bit in 0..32 {
            kind.store(whole ^ (1 << bit), Ordering::SeqCst);
            assert_eq!(shared.lock().lock(None).unwrap_err(), Trouble::Damaged, "bit {bit} of the kind");
            assert!(!shared.lock().release());
        }
        kind.store(whole, Ordering::SeqCst);
        drop(shared.lock().lock(None).unwrap());
    }

    #[test]
    fn many_count_without_losing_one() {
        let shared = Shared::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let _guard = shared.lock().lock(None).unwrap();
                        let number = shared.number(0).load(Ordering::Relaxed);
                        shared.number(0).store(number + 1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(shared.number(0).load(Ordering::Relaxed), 40_000);
    }
}
