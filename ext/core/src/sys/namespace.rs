//! PID namespaces: which one this process is in, and whom a thread's number means.
//!
//! # How it works
//! A robust lock names its owner by a number that is the owner's PID namespace's own. Named segments are of one namespace:
//! their header says which. Anonymous ones go wherever a fork goes, also into another namespace (unshare(2)
//! `CLONE_NEWPID`), and there the numbers of both sides mean somebody else, or nobody.
//!
//! From outside, /proc shows the numbers that threads have in the namespaces inside this one. From inside nothing is seen
//! of the outer ones: a process that is not where its program first asked says of nobody that he is gone.
//!
//! # What may be lost
//! Where /proc is not mounted nobody is found to be gone, and in another namespace neither: an owner that does not exist,
//! of a lock that was written over, is then waited for as one that lives.
//! Sources: pid_namespaces(7), namespaces(7), proc_pid_status(5) `NSpid`.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{is_thread, process_ids};

/// Where this program asked first; 0: not yet. A forked child has its parent's.
static FIRST: AtomicU64 = AtomicU64::new(0);

/// The PID namespace of this process: the number that the system has given it.
///
/// # Errors
/// /proc is not mounted.
pub fn current() -> io::Result<u64> {
    let current = std::fs::metadata("/proc/self/ns/pid")?.ino();
    // SYNC: nothing hangs on it but itself.
    let _ = FIRST.compare_exchange(0, current, Ordering::Relaxed, Ordering::Relaxed);
    Ok(current)
}

/// Whether this process is where its program asked first. False also where /proc is not mounted.
#[must_use]
pub fn is_first() -> bool {
    current().is_ok_and(|current| current == FIRST.load(Ordering::Relaxed))
}

/// Whether a number that a lock gives for its owner is certainly no thread's, here or in a namespace inside this one.
///
/// A few system calls; where such a thread is not found at once, some for each process of the machine.
#[must_use]
pub fn is_nobody(thread: i32) -> bool {
    !is_thread(thread) && is_first() && !is_inside(thread)
}

/// Whether a thread in a namespace inside this one has the number there.
fn is_inside(thread: i32) -> bool {
    process_ids().into_iter().any(|process| {
        let is_deeper =
            numbers(&format!("/proc/{process}/status")).is_some_and(|(outer, inner)| outer != inner);
        is_deeper
            && threads_of(process).any(|status| numbers(&status).is_some_and(|(_, inner)| inner == thread))
    })
}

fn threads_of(process: i32) -> impl Iterator<Item = String> {
    let threads = super::numbers_in(&format!("/proc/{process}/task")).unwrap_or_default();
    threads.into_iter().map(move |thread| format!("/proc/{process}/task/{thread}/status"))
}

/// What a thread is called where /proc was mounted, and in its own namespace.
fn numbers(status: &str) -> Option<(i32, i32)> {
    numbers_in(&std::fs::read_to_string(status).ok()?)
}

fn numbers_in(status: &str) -> Option<(i32, i32)> {
    let mut numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_ascii_whitespace();
    let outer = numbers.next()?.parse().ok()?;
    Some((outer, numbers.next_back().map_or(Ok(outer), str::parse).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_in_the_innermost_namespace_is_the_threads_own() {
        assert_eq!(numbers_in("Name:\tphp\nNSpid:\t4711\t33\t2\nNSpgid:\t1\n"), Some((4711, 2)));
        assert_eq!(numbers_in("NSpid:\t4711\n"), Some((4711, 4711)));
        assert_eq!(numbers_in("Name:\tphp\n"), None);
    }

    #[test]
    fn a_living_thread_is_somebody_and_a_number_without_one_is_not() {
        current().unwrap();
        assert!(!is_nobody(nix::unistd::gettid().as_raw()));
        assert!(is_nobody(0x3fff_fff0), "above the largest that Linux gives");
    }
}
