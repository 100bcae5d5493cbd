//! Capture of stop signals for a PHP process: the half that runs in handler context.
//!
//! # Correct order
//! Handler: remember the signal, then wake. Reader: drain the wake descriptor, then look at the flag, then act.
//! # What may be lost
//! Nothing that matters to a stop: the first signal's number is kept, later ones only wake again.
//! # Rules
//! The handler uses atomics and write(2) only, and leaves errno as it was. One capture per process.
//! Sources: signal-safety(7), sigaction(2), eventfd(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use crate::sys;

static STOP_SIGNAL: AtomicI32 = AtomicI32::new(0);
static WAKE_FD: AtomicI32 = AtomicI32::new(-1);
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// The handlers of this process for the stop signals; dropping it restores what was there before.
#[derive(Debug)]
pub struct StopCapture {
    wake: OwnedFd,
    previous: Vec<(i32, SigAction)>,
}

/// `sigaction` as the kernel gave it; only ever handed back to the kernel.
struct SigAction(libc::sigaction);

impl std::fmt::Debug for SigAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigAction({:#x})", self.0.sa_sigaction)
    }
}

impl StopCapture {
    /// Takes SIGTERM and SIGINT.
    ///
    /// # Errors
    /// `AlreadyExists`: this process has a capture. `EMFILE`: no descriptor for the wake-up.
    pub fn install() -> io::Result<Self> {
        if INSTALLED.swap(true, Ordering::SeqCst) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let wake = match sys::event_fd() {
            Ok(wake) => wake,
            Err(error) => {
                INSTALLED.store(false, Ordering::SeqCst);
                return Err(error);
            }
        };
        STOP_SIGNAL.store(0, Ordering::SeqCst);
        // SYNC: pairs with the load in `on_signal`; stored before the first handler can run.
        WAKE_FD.store(wake.as_raw_fd(), Ordering::SeqCst);
        let mut capture = Self { wake, previous: Vec::new() };
        for number in [libc::SIGTERM, libc::SIGINT] {
            capture.previous.push((number, replace(number)?));
        }
        Ok(capture)
    }

    /// The first stop signal that arrived, if any: one atomic load.
    #[must_use]
    pub fn stop_signal(&self) -> Option<i32> {
        // SYNC: pairs with the compare-exchange in `on_signal`.
        Some(STOP_SIGNAL.load(Ordering::SeqCst)).filter(|number| *number != 0)
    }

    /// Readable once a stop signal has arrived; stays so.
    #[must_use]
    pub fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl Drop for StopCapture {
    fn drop(&mut self) {
        for (number, previous) in &self.previous {
            // SAFETY: a sigaction that the kernel gave us for this number; restored only while ours stands.
            unsafe {
                let mut current: libc::sigaction = std::mem::zeroed();
                libc::sigaction(*number, std::ptr::null(), &raw mut current);
                if current.sa_sigaction == handler() {
                    libc::sigaction(*number, &raw const previous.0, std::ptr::null_mut());
                }
            }
        }
        WAKE_FD.store(-1, Ordering::SeqCst);
        INSTALLED.store(false, Ordering::SeqCst);
    }
}

fn handler() -> usize {
    on_signal as *const () as usize
}

fn replace(number: i32) -> io::Result<SigAction> {
    // SAFETY: both structs are ours; the handler is async-signal-safe. SA_RESTART: a user's own system call in
    // progress goes on as it would under pcntl; poll(2), in which we wait, returns EINTR all the same.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler();
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&raw mut action.sa_mask);
        let mut previous: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(number, &raw const action, &raw mut previous) == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(SigAction(previous))
    }
}

extern "C" fn on_signal(number: i32) {
    // SAFETY: errno is thread-local; saved and restored around write(2).
    unsafe {
        let errno = libc::__errno_location();
        let saved = *errno;
        // SYNC: pairs with the load in `stop_signal`; the flag is set before the wake-up that announces it.
        let _ = STOP_SIGNAL.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
        let one = 1_u64;
        let wake = WAKE_FD.load(Ordering::SeqCst);
        if wake >= 0 {
            libc::write(wake, (&raw const one).cast(), 8);
        }
        *errno = saved;
    }
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::signal::{Signal, raise};

    use super::*;

    // One test: it changes the process's dispositions.
    #[test]
    fn a_stop_signal_sets_the_flag_and_wakes() {
        let capture = StopCapture::install().unwrap();
        assert_eq!(capture.stop_signal(), None);
        assert_eq!(StopCapture::install().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        raise(Signal::SIGTERM).unwrap();
        raise(Signal::SIGINT).unwrap();
        assert_eq!(capture.stop_signal(), Some(libc::SIGTERM), "the first one is kept");
        let mut fds = [PollFd::new(capture.wake_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::ZERO).unwrap(), 1);
        drop(capture);
        let capture = StopCapture::install().unwrap();
        assert_eq!(capture.stop_signal(), None, "a new capture starts clean");
        // Somebody else takes TERM after us: dropping ours leaves theirs alone.
        // SAFETY: SIG_IGN is a valid disposition.
        unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
        drop(capture);
        // SAFETY: restores the default.
        assert_eq!(unsafe { libc::signal(libc::SIGTERM, libc::SIG_DFL) }, libc::SIG_IGN);
    }
}
