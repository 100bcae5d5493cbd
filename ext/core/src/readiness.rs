//! One descriptor that is readable when there is something to do, for whoever waits in an event loop of its own.
//!
//! # How it works
//! An epoll instance can itself be waited for (epoll(7), Q4): it is readable while one of its members is. Members are the
//! sources that it is made with, a timer for what is due later, and an eventfd for what has been read already and is not
//! done. All of them are levels: a wake-up that nobody follows comes again.
//!
//! # What may be lost
//! Nothing. A source that is closed leaves by itself, unless a copy of its descriptor is open elsewhere.
//!
//! # Rules
//! Never blocks. A forked child shares the members with its parent: it drops its copy and makes one of its own.
//! Sources: epoll(7), timerfd_create(2), eventfd(2).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::sys;

/// The descriptor and its members.
#[derive(Debug)]
pub struct Readiness {
    epoll: Epoll,
    timer: TimerFd,
    work: OwnedFd,
    has_work: bool,
    due: Option<Duration>,
}

impl Readiness {
    /// One that is readable when one of these is. They must stay open, or be closed for good.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`: no descriptor left. `ENOSPC`: epoll(7), max_user_watches.
    pub fn new<'a>(sources: impl IntoIterator<Item = BorrowedFd<'a>>) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let work = sys::event_fd()?;
        let add = |source: BorrowedFd<'_>| epoll.add(source, EpollEvent::new(EpollFlags::EPOLLIN, 0));
        sources.into_iter().try_for_each(add)?;
        [timer.as_fd(), work.as_fd()].into_iter().try_for_each(add)?;
        Ok(Self { epoll, timer, work, has_work: false, due: None })
    }

    /// Whether something can be done at once.
    pub fn set_work(&mut self, has_work: bool) {
        if self.has_work == has_work {
            return;
        }
        let mut count = 1_u64.to_ne_bytes();
        let done = match has_work {
            true => nix::unistd::write(&self.work, &count),
            false => nix::unistd::read(&self.work, &mut count),
        };
        if done.is_ok() {
            self.has_work = has_work; // a counter of 0 or 1: neither of the two fails
        }
    }

    /// When something is due, on `CLOCK_MONOTONIC`; `None`: nothing is.
    pub fn set_due(&mut self, due: Option<Duration>) {
        if self.due == due {
            return; // one that has come stays readable
        }
        let set = match due {
            // Zero would mean: never.
            Some(at) => self.timer.set(
                Expiration::OneShot(TimeSpec::from(at.max(Duration::from_nanos(1)))),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            ),
            None => self.timer.unset(),
        };
        if set.is_ok() {
            self.due = due; // fails only for a time that no clock will show
        }
    }

    /// What to wait for. It is never read.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    fn is_readable(readiness: &Readiness, timeout: PollTimeout) -> bool {
        let mut fds = [PollFd::new(readiness.fd(), PollFlags::POLLIN)];
        poll(&mut fds, timeout).unwrap() == 1
    }

    fn is_quiet(readiness: &Readiness) -> bool {
        !is_readable(readiness, PollTimeout::ZERO)
    }

    #[test]
    fn it_is_readable_while_a_source_is() {
        let pipe = sys::pipe().unwrap();
        let readiness = Readiness::new([pipe.read.as_fd()]).unwrap();
        assert!(is_quiet(&readiness));
        nix::unistd::write(&pipe.write, b"x").unwrap();
        assert!(!is_quiet(&readiness) && !is_quiet(&readiness), "a level, no edge");
        nix::unistd::read(&pipe.read, &mut [0; 1]).unwrap();
        assert!(is_quiet(&readiness));
        drop(pipe.write);
        assert!(!is_quiet(&readiness), "its end is to be seen as well");
        drop(pipe.read);
        assert!(is_quiet(&readiness));
    }

    #[test]
    fn what_is_left_to_do_keeps_it_readable() {
        let mut readiness = Readiness::new([]).unwrap();
        for _ in 0..2 {
            readiness.set_work(true);
            readiness.set_work(true);
            assert!(!is_quiet(&readiness));
            readiness.set_work(false);
            assert!(is_quiet(&readiness));
        }
    }

    #[test]
    fn it_wakes_when_something_is_due_and_until_another_time_is_set() {
        let mut readiness = Readiness::new([]).unwrap();
        let soon = sys::monotonic() + Duration::from_millis(20);
        readiness.set_due(Some(soon));
        assert!(is_readable(&readiness, PollTimeout::NONE) && sys::monotonic() >= soon);
        readiness.set_due(Some(soon));
        assert!(!is_quiet(&readiness), "it is still due");
        readiness.set_due(Some(soon + Duration::from_secs(3600)));
        assert!(is_quiet(&readiness));
        readiness.set_due(Some(Duration::ZERO));
        assert!(!is_quiet(&readiness), "long ago");
        readiness.set_due(None);
        assert!(is_quiet(&readiness));
    }
}
