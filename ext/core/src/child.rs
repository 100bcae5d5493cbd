//! A child that was forked: how it ends, what it has used, and that it leaves no zombie.
//!
//! # How it works
//! The parent opens the child's pidfd while signals are still blocked, and signals, waits and reaps by it alone: no number
//! that could by then be another process's, and no child of anybody else's. The child dies with its parent, and its standard
//! input is /dev/null, where it is its parent's still ([`stdin`]): what comes there is not for it.
//!
//! # What may be lost
//! The status, to somebody who waits for any child (`pcntl_wait(-1)`) or where SIGCHLD is ignored: then the end is known,
//! and how it came is not. Where the child has been reaped before the parent could open its pidfd, there is none.
//!
//! # Rules
//! Dropping a child does not end it: it goes on, and [`reaper`] takes its status. In a forked child the children are its
//! parent's: nothing is waited for there.
//! Sources: fork(2), pidfd_open(2), waitid(2), prctl(2) PR_SET_PDEATHSIG.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use crate::fork::{self, HeldSignals, Side};
use crate::sys::{ExitStatus, Usage};
use crate::{reaper, stdin, sys};

/// How a child has ended, and what it had used by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// See there.
    pub status: ExitStatus,
    /// All zero where the status is unknown.
    pub usage: Usage,
}

impl End {
    const UNKNOWN: Self = Self {
        status: ExitStatus::Unknown,
        usage: Usage { user: std::time::Duration::ZERO, system: std::time::Duration::ZERO, peak_bytes: 0 },
    };
}

/// A child of this process.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    /// `None`: it had been reaped before it could be opened.
    pidfd: Option<OwnedFd>,
    end: Option<End>,
    /// The fork generation of its parent.
    parent: u64,
}

/// What a fork has made of this process.
#[derive(Debug)]
pub enum Forked {
    /// The parent.
    Parent(Child),
    /// The child, whose signals are blocked until this is dropped.
    Child(HeldSignals),
}

/// Forks; the child is killed when this process ends.
///
/// # Errors
/// As [`fork::fork`]; `EMFILE`: no descriptor is left for the pidfd: the child is killed at once then.
///
/// # Safety
/// As [`fork::fork`].
#[unsafe(link_section = "rustdaemon.child")]
pub unsafe fn fork() -> io::Result<Forked> {
    let parent = nix::unistd::getpid().as_raw();
    pidfds_work(parent)?;
    // Its place is the pidfd's afterwards: that none is left is said before there is a child.
    let null = stdin::nothing()?;
    // SAFETY: the caller's promise.
    let (side, held) = unsafe { fork::fork()? };
    match side {
        Side::Child => {
            if let Err(error) = sys::die_with(parent) {
                let sentence = format!(
                    "rustdaemon: a child of Process::fork() ends with 255 before it has begun, because it would not end \
                     with its parent: prctl(PR_SET_PDEATHSIG): {error}\n"
                );
                // No lock of the library's: nobody is left to give it back.
                let _ = nix::unistd::write(io::stderr(), sentence.as_bytes());
                sys::exit_at_once(255);
            }
            stdin::replace(&null);
            Ok(Forked::Child(held))
        }
        Side::Parent(pid) => {
            drop(null);
            Child::adopt(pid).map(Forked::Parent)
        }
    }
}

/// That the system has no pidfd_open(2), or a filter refuses it, is said before there is a child.
fn pidfds_work(process: i32) -> io::Result<()> {
    static THEY_DO: OnceLock<()> = OnceLock::new();
    if THEY_DO.get().is_none() {
        sys::pidfd_open(process)?;
        let _ = THEY_DO.set(());
    }
    Ok(())
}

impl Child {
    fn adopt(pid: i32) -> io::Result<Self> {
        let mut child = Self { pid, pidfd: None, end: None, parent: fork::generation() };
        match sys::pidfd_open(pid) {
            Ok(pidfd) => child.pidfd = Some(pidfd), // whoever waits or signals asks whether it is our child
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => child.end = Some(End::UNKNOWN),
            Err(error) => {
                // Not waited for by anybody yet, so the number is its own still.
                let _ = sys::send_signal(pid, libc::SIGKILL, None);
                sys::bury_when_ended(pid);
                return Err(error);
            }
        }
        Ok(child)
    }

    /// Its number, which may be another process's once it has been reaped.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Readable when it has ended. `None`: it has, long ago.
    #[must_use]
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().filter(|_| self.end != Some(End::UNKNOWN)).map(AsFd::as_fd)
    }

    /// Whether this process is its parent, and not a fork of its parent.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.parent == fork::generation()
    }

    /// How it has ended: the same each time. `None`: it runs.
    ///
    /// # Errors
    /// What waitid(2) says, `ECHILD` excepted.
    pub fn end(&mut self) -> io::Result<Option<End>> {
        if self.end.is_none() {
            let Some(pidfd) = &self.pidfd else { return Ok(Some(End::UNKNOWN)) };
            let reaped = sys::pidfd_reap_with_usage(pidfd.as_fd())?;
            self.end = reaped.map(|(status, usage)| End { status, usage });
        }
        Ok(self.end)
    }

    /// Sends it a signal; one that has ended gets none.
    ///
    /// # Errors
    /// `EPERM`: it has changed its user. `EINVAL`.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        let Some(pidfd) = self.pidfd.as_ref().filter(|_| self.end.is_none()) else { return Ok(()) };
        if self.is_ours() && !sys::is_child(pidfd.as_fd()).unwrap_or(true) {
            return Ok(());
        }
        match sys::pidfd_send_signal(pidfd.as_fd(), number) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            sent => sent,
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.is_ours() {
            let running = if matches!(self.end(), Ok(None)) { self.pidfd.take() } else { None };
            let _ = reaper::hand_over(running); // no thread: it is told at the next one's end
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;
    use crate::signal::tests::alone;

    /// A child that makes system calls only.
    fn child(main: impl FnOnce() -> i32) -> Child {
        // SAFETY: as `main` promises.
        match unsafe { fork() }.unwrap() {
            Forked::Parent(child) => child,
            Forked::Child(held) => {
                drop(held);
                sys::exit_at_once(main());
            }
        }
    }

    fn ended(child: &mut Child) -> End {
        let fds = &mut [PollFd::new(child.pidfd().unwrap(), PollFlags::POLLIN)];
        assert_eq!(poll(fds, PollTimeout::from(20_000_u16)), Ok(1), "it has not ended");
        child.end().unwrap().unwrap()
    }

    fn pause() -> i32 {
        // SAFETY: waits for a signal.
        unsafe { libc::pause() }
    }

    #[test]
    fn a_child_ends_with_its_code_and_what_it_has_used() {
        let _alone = alone();
        let mut child = child(|| 7);
        let end = ended(&mut child);
        assert_eq!(end.status, ExitStatus::Code(7));
        assert!(end.usage.peak_bytes > 0);
        assert_eq!(child.end().unwrap(), Some(end), "asked again it is the same");
        child.signal(libc::SIGKILL).unwrap(); // nobody is there
    }

    #[test]
    fn a_child_is_ended_by_a_signal() {
        let _alone = alone();
        let mut child = child(pause);
        assert_eq!(child.end().unwrap(), None);
        child.signal(libc::SIGTERM).unwrap();
        assert_eq!(ended(&mut child).status, ExitStatus::Signal { number: libc::SIGTERM, core: false });
    }

    #[test]
    fn a_stolen_status_is_unknown() {
        let _alone = alone();
        let mut child = child(|| 7);
        let pid = nix::unistd::Pid::from_raw(child.pid());
        nix::sys::wait::waitpid(pid, None).unwrap();
        assert_eq!(ended(&mut child), End::UNKNOWN);
    }

    #[test]
    fn a_child_that_is_dropped_goes_on_and_leaves_no_zombie() {
        let _alone = alone();
        let child = child(pause);
        let pidfd = sys::duplicate(child.pidfd().unwrap()).unwrap();
        drop(child);
        assert!(sys::is_child(pidfd.as_fd()).unwrap(), "it runs");
        sys::pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while sys::is_child(pidfd.as_fd()).unwrap() {
            assert!(Instant::now() < deadline, "nobody has reaped it");
            std::thread::yield_now();
        }
        reaper::stop();
    }

    #[test]
    fn a_forked_copy_of_a_child_is_nobodys_parent() {
        let _alone = alone();
        let mut first = child(pause);
        let mut second = child(|| i32::from(first.is_ours()));
        assert_eq!(ended(&mut second).status, ExitStatus::Code(0));
        first.signal(libc::SIGKILL).unwrap();
        ended(&mut first);
    }
}
