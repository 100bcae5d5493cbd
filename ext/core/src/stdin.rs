//! The standard input of forked children: /dev/null, because what comes on their parent's is not for them.
//!
//! # How it works
//! Which file was the standard input is looked up when the process begins. A child's descriptor 0 is replaced where it is
//! that file still: after `fclose(STDIN)` the next file or socket that is opened has the number, and is the child's as well.
//! Where it has been /dev/null from the start, as under most supervisors, nothing is to be done.
//!
//! # Rules
//! Called in a forked child: system calls only.
//! Sources: fstat(2), dup2(2), pipe(7) (a pipe that nobody writes to is at its end).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use crate::sys;

/// What a descriptor leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct File {
    device: u64,
    inode: u64,
    is_null: bool,
}

fn file(number: RawFd) -> Option<File> {
    // SAFETY: plain data that the call fills.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: asks about a number; `stat` is ours.
    let found = unsafe { libc::fstat(number, &raw mut stat) } == 0;
    let is_null = stat.st_mode & libc::S_IFMT == libc::S_IFCHR && stat.st_rdev == libc::makedev(1, 3);
    found.then_some(File { device: stat.st_dev, inode: stat.st_ino, is_null })
}

fn first() -> Option<File> {
    static FIRST: OnceLock<Option<File>> = OnceLock::new();
    *FIRST.get_or_init(|| file(0))
}

/// Looks up what the standard input is: when the process begins.
pub fn remember() {
    first();
}

/// A descriptor for [`replace`] in a child; its place is free again when the parent has dropped it.
///
/// # Errors
/// `EMFILE`, `ENFILE`.
pub fn nothing() -> io::Result<OwnedFd> {
    if first().is_some_and(|first| first.is_null) {
        // SAFETY: a number, duplicated at once; where it is not open the call says so.
        let place = sys::duplicate(unsafe { BorrowedFd::borrow_raw(0) });
        if place.is_ok() {
            return place; // nothing is going to be replaced
        }
    }
    match std::fs::File::open("/dev/null") {
        Ok(null) => Ok(null.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(sys::pipe()?.read),
        Err(error) => Err(error),
    }
}

/// In a forked child: this is the standard input from now on, where 0 is the one that the process began with.
#[unsafe(link_section = "rustdaemon.child")]
pub fn replace(new: &OwnedFd) {
    let Some(first) = first().filter(|first| !first.is_null) else { return };
    if file(0) == Some(first) {
        // SAFETY: two numbers; whoever reads from 0 reads from the new one.
        unsafe { libc::dup2(new.as_raw_fd(), 0) };
    }
}
