//! Sleeping on a word that other processes change, and changing one together with the wake-up.
//!
//! # Correct order
//! Who changes a word and then wakes can die between the two, and the sleepers stay asleep. [`change_and_wake`] is one
//! step of the kernel's: either both have happened or none.
//!
//! # Signals
//! A signal that is handled just before the sleep begins would be slept over. [`wait`] takes a second word, which the
//! handler changes: the kernel compares both before it sleeps.
//!
//! Sources: futex(2), futex_waitv(2) (Linux 5.16); Linux kernel/futex/waitwake.c (`futex_wake_op`).

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::sys;

/// Where the kernel cannot compare two words, a sleep ends after this long.
const BLIND: Duration = Duration::from_millis(100);

/// `FUTEX2_SIZE_U32`, `FUTEX2_PRIVATE`
const SIZE_U32: u32 = 2;
const PRIVATE: u32 = 128;

static NO_WAITV: AtomicBool = AtomicBool::new(false);

#[repr(C)]
struct Waiter {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

impl Waiter {
    fn new(word: &AtomicU32, value: u32, flags: u32) -> Self {
        let address = word.as_ptr().expose_provenance() as u64;
        Self { value: value.into(), address, flags, reserved: 0 }
    }
}

/// Why a sleep has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The word has another value, or somebody has woken us: look again.
    Changed,
    /// A signal, or the second word has another value.
    Interrupted,
    /// Time is up.
    Deadline,
}

/// A change of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds, wrapping; at most 2047.
    Add(u16),
    /// Sets bits; at most 2047.
    Or(u16),
}

/// Sleeps as long as the shared word has this value and the private one, if any, has that one.
///
/// # Blocking
/// Until `until` on `CLOCK_MONOTONIC`, `None`: as long as it takes; or until a signal was handled.
pub fn wait(
    word: &AtomicU32,
    value: u32,
    interrupt: Option<(&AtomicU32, u32)>,
    until: Option<Duration>,
) -> Woken {
    if let Some((other, expected)) = interrupt {
        if !NO_WAITV.load(Ordering::Relaxed) {
            let waiters =
                [Waiter::new(word, value, SIZE_U32), Waiter::new(other, expected, SIZE_U32 | PRIVATE)];
            match wait_for_any(&waiters, until).raw_os_error() {
                Some(libc::ENOSYS | libc::EPERM) => NO_WAITV.store(true, Ordering::Relaxed),
                error => return woken(error, other.load(Ordering::SeqCst) != expected),
            }
        }
        let blind = sys::monotonic() + BLIND;
        if until.is_none_or(|until| until > blind) {
            return match wait_for_one(word, value, Some(blind)) {
                Woken::Deadline => Woken::Interrupted,
                woken => woken,
            };
        }
    }
    wait_for_one(word, value, until)
}

fn woken(error: Option<i32>, interrupted: bool) -> Woken {
    match error {
        Some(libc::ETIMEDOUT) => Woken::Deadline,
        Some(libc::EINTR) => Woken::Interrupted,
        _ if interrupted => Woken::Interrupted,
        _ => Woken::Changed,
    }
}

fn wait_for_any(waiters: &[Waiter; 2], until: Option<Duration>) -> io::Error {
    let until = until.map(sys::timespec);
    let until = until.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: two waiters whose words outlive the call; null or a time of ours.
    let rc =
        unsafe { libc::syscall(libc::SYS_futex_waitv, waiters.as_ptr(), 2, 0, until, libc::CLOCK_MONOTONIC) };
    if rc == -1 { io::Error::last_os_error() } else { io::Error::from_raw_os_error(0) }
}

fn wait_for_one(word: &AtomicU32, value: u32, until: Option<Duration>) -> Woken {
    let until = until.map(sys::timespec);
    let until = until.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let (nobody, any) = (std::ptr::null::<u32>(), libc::FUTEX_BITSET_MATCH_ANY);
    // SAFETY: a word that outlives the call; null or a time of ours.
    let rc = unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT_BITSET, value, until, nobody, any)
    };
    let error = if rc == -1 { io::Error::last_os_error().raw_os_error() } else { None };
    woken(error, false)
}

/// Wakes one who sleeps on the shared word.
pub fn wake_one(word: &AtomicU32) {
    // SAFETY: a word that outlives the call.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
}

/// Changes the shared word and wakes all who sleep on it, in one step.
pub fn change_and_wake(word: &AtomicU32, change: Change) {
    let (operation, operand) = match change {
        Change::Add(number) => (libc::FUTEX_OP_ADD, number),
        Change::Or(bits) => (libc::FUTEX_OP_OR, bits),
    };
    let encoded = operation << 28 | i32::from(operand & 0x7ff) << 12;
    // SYNC: what this thread has written before is there for who sees the word changed; the kernel's own change of it,
    // which neither the compiler nor a sanitizer knows of, is no weaker.
    word.fetch_add(0, Ordering::Release);
    // SAFETY: a word that outlives the call.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE_OP,
            i32::MAX,
            std::ptr::null::<u32>(), // in place of a time: how many to wake at the second word
            word.as_ptr(),
            encoded,
        )
    };
    if rc == -1 {
        // Not on Linux with the usual system calls; a filter of system calls may think otherwise.
        match change {
            Change::Add(number) => word.fetch_add(number.into(), Ordering::SeqCst),
            Change::Or(bits) => word.fetch_or(bits.into(), Ordering::SeqCst),
        };
        // SAFETY: as above.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_word_is_not_slept_on() {
        let (word, other) = (AtomicU32::new(5), AtomicU32::new(0));
        assert_eq!(wait(&word, 4, None, None), Woken::Changed);
        assert_eq!(wait(&word, 4, Some((&other, 0)), None), Woken::Changed);
        assert_eq!(wait(&word, 5, Some((&other, 1)), None), Woken::Interrupted);
        let soon = || Some(sys::monotonic() + Duration::from_millis(2));
        assert_eq!(wait(&word, 5, None, soon()), Woken::Deadline);
        assert_eq!(wait(&word, 5, Some((&other, 0)), soon()), Woken::Deadline);
    }

    #[test]
    fn all_sleepers_are_woken_by_the_change() {
        let word = AtomicU32::new(7);
        let other = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for with_other in [false, true, true] {
                let (word, other) = (&word, &other);
                scope.spawn(move || {
                    while word.load(Ordering::Acquire) == 7 {
                        wait(word, 7, with_other.then_some((other, 0)), None);
                    }
                });
            }
            change_and_wake(&word, Change::Add(2));
        });
        assert_eq!(word.load(Ordering::Relaxed), 9);
        change_and_wake(&word, Change::Or(1 << 4));
        assert_eq!(word.load(Ordering::Relaxed), 25);
        word.store(u32::MAX - 1, Ordering::Relaxed);
        change_and_wake(&word, Change::Add(2));
        assert_eq!(word.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn without_futex_waitv_a_sleep_is_cut_short() {
        let (word, other) = (AtomicU32::new(1), AtomicU32::new(0));
        NO_WAITV.store(true, Ordering::Relaxed);
        let woken = wait(&word, 1, Some((&other, 0)), None);
        NO_WAITV.store(false, Ordering::Relaxed);
        assert_eq!(woken, Woken::Interrupted);
    }
}
