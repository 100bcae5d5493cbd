//! Waiting until one of a few descriptors is readable.
//!
//! # How it works
//! By poll(2), which the kernel refuses where the soft limit of open files (RLIMIT_NOFILE) is lower than the number of
//! descriptors that are looked at, though all of them are open: a script may lower it at any moment. Then by select(2), for
//! which it looks at no limit. Its sets are as long as the highest number needs.
//!
//! # What may be lost
//! Nothing: an error is told, and is never the end of the time.
//!
//! # Rules
//! The masks are of signals, as for ppoll(2): they hold while it waits, and atomically. Whoever comes again after an error
//! [`pause`]s first: it may stay.
//! Sources: poll(2), select(2); Linux fs/select.c (`do_sys_poll`, `core_sys_select`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::SigSet;
use nix::sys::time::TimeSpec;
use smallvec::SmallVec;

/// Whether each is readable: of a few without an allocation.
pub type Which = SmallVec<[bool; 4]>;

/// Between two looks where nothing can tell when to look.
const PAUSE: Duration = Duration::from_millis(50);

/// Which of them are readable, closed by their other end or broken: in their order. None of them: time is up.
///
/// # Blocking
/// Until one is, or until `timeout` is over; `None`: as long as it takes. A signal ends it.
///
/// # Errors
/// `EINTR`: a signal. `EBADF`: one is not open, where poll(2) could not be used.
pub fn wait<'fd>(
    descriptors: impl Iterator<Item = BorrowedFd<'fd>> + Clone,
    timeout: Option<Duration>,
    mask: Option<SigSet>,
) -> io::Result<Which> {
    let polled = descriptors.clone().map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
    let mut polled: SmallVec<[PollFd<'fd>; 4]> = polled.collect();
    match ppoll(&mut polled, timeout.map(TimeSpec::from), mask) {
        Ok(_) => Ok(polled.iter().map(|descriptor| descriptor.any() != Some(false)).collect()),
        Err(Errno::EINTR) => Err(Errno::EINTR.into()),
        Err(_) => select(descriptors, timeout, mask),
    }
}

/// Waits a little, at most until `timeout` is over.
///
/// # Blocking
/// As said; a signal ends it.
pub fn pause(timeout: Option<Duration>, mask: Option<SigSet>) {
    let timeout = timeout.map_or(PAUSE, |timeout| timeout.min(PAUSE));
    let _ = ppoll(&mut [], Some(timeout.into()), mask); // EINTR; no descriptor is over no limit
}

type Word = libc::c_ulong;

fn select<'fd>(
    descriptors: impl Iterator<Item = BorrowedFd<'fd>> + Clone,
    timeout: Option<Duration>,
    mask: Option<SigSet>,
) -> io::Result<Which> {
    let numbers =
        || descriptors.clone().filter_map(|descriptor| usize::try_from(descriptor.as_raw_fd()).ok());
    let end = numbers().max().map_or(0, |highest| highest + 1);
    let (bits, invalid) = (Word::BITS as usize, || io::Error::from(io::ErrorKind::InvalidInput));
    // At least as long as the C library's type, which it may take it for.
    let mut set = vec![0 as Word; end.div_ceil(bits).max(size_of::<libc::fd_set>() / size_of::<Word>())];
    for number in numbers() {
        *set.get_mut(number / bits).ok_or_else(invalid)? |= 1 << (number % bits);
    }
    let timeout = timeout.map(TimeSpec::from);
    let timeout = timeout.as_ref().map_or(std::ptr::null(), |timeout| std::ptr::from_ref(timeout.as_ref()));
    let mask = mask.as_ref().map_or(std::ptr::null(), |mask| std::ptr::from_ref(mask.as_ref()));
    let end = i32::try_from(end).map_err(|_| invalid())?;
    let nobody = std::ptr::null_mut();
    // SAFETY: a set that has a bit for every number below `end`; null or a time and a mask that outlive the call.
    let ready = unsafe { libc::pselect(end, set.as_mut_ptr().cast(), nobody, nobody, timeout, mask) };
    if ready < 0 {
        return Err(io::Error::last_os_error());
    }
    let in_set = |number: usize| set.get(number / bits).is_some_and(|word| word >> (number % bits) & 1 == 1);
    let is_set = |number| ready > 0 && in_set(number);
    Ok(numbers().map(is_set).collect())
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, FromRawFd, OwnedFd};

    use super::*;
    use crate::sys;

    #[test]
    fn both_ways_say_the_same() {
        let (one, other) = (sys::pipe().unwrap(), sys::pipe().unwrap());
        let fds = [one.read.as_fd(), other.read.as_fd()];
        let check = |timeout, expected| {
            assert_eq!(wait(fds.into_iter(), timeout, None).unwrap().as_slice(), expected);
            assert_eq!(select(fds.into_iter(), timeout, None).unwrap().as_slice(), expected);
        };
        let now = Some(Duration::ZERO);
        check(now, [false, false]);
        nix::unistd::write(&other.write, b"x").unwrap();
        check(None, [false, true]);
        drop(one.write);
        check(now, [true, true]); // nobody writes any more
    }

    /// A copy with a number beyond what the C library's sets hold; `None`: the limit is lower here.
    fn high(descriptor: &OwnedFd) -> Option<OwnedFd> {
        // SAFETY: makes a new descriptor, which is ours.
        unsafe {
            let number = libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3000);
            (number >= 0).then(|| OwnedFd::from_raw_fd(number))
        }
    }

    #[test]
    fn a_descriptor_beyond_the_size_of_a_set_is_waited_for() {
        let pipe = sys::pipe().unwrap();
        let Some(high) = high(&pipe.read) else { return };
        assert_eq!(
            select([high.as_fd()].into_iter(), Some(Duration::ZERO), None).unwrap().as_slice(),
            [false]
        );
        nix::unistd::write(&pipe.write, b"x").unwrap();
        assert_eq!(select([high.as_fd()].into_iter(), None, None).unwrap().as_slice(), [true]);
    }

    #[test]
    fn what_is_not_open_is_an_error_and_not_the_end_of_the_time() {
        let pipe = sys::pipe().unwrap();
        let Some(closed) = high(&pipe.read) else { return };
        let number = closed.as_raw_fd();
        drop(closed);
        // SAFETY: a number that nobody has: only looked at.
        let closed = unsafe { BorrowedFd::borrow_raw(number) };
        let error = select([closed].into_iter(), Some(Duration::ZERO), None).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        assert_eq!(
            wait([closed].into_iter(), Some(Duration::ZERO), None).unwrap().as_slice(),
            [true],
            "poll(2) has it broken"
        );
    }
}
