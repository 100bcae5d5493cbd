//! The thread that takes the status of children nobody waits for, so that none of them stays a zombie.
//!
//! # How it works
//! A child is handed over as its pidfd. The thread is made for the first one; it sleeps until a pipe is readable, through
//! which the numbers of pidfds come, or one of the pidfds. Where it cannot ask for that it looks at all of them, with pauses.
//! Nothing is shared with it but the pipe: there is no lock that a fork could copy.
//!
//! # What may be lost
//! Where no thread can be made the child stays a zombie until this process ends.
//!
//! # Rules
//! The thread blocks all signals, takes the status of what it was handed and of nothing else, and is joined by [`stop`]:
//! it must not outlive the code that it runs. A forked child has no such thread, and makes its own.
//! Sources: poll(2), pidfd_open(2), waitid(2).

use std::cell::RefCell;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::thread::JoinHandleExt;
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::audit::{self, OwnThread};
use crate::{readable, signal, sys};

/// What the kernel calls the thread.
const THREAD: &CStr = c"rustdaemon-reap";
const STACK_BYTES: usize = 128 * 1024;
/// In place of a pidfd's number: the end.
const STOP: i32 = -1;

struct Reaper {
    process: u32,
    to_thread: OwnedFd,
    thread: JoinHandle<()>,
    own: OwnThread,
}

thread_local! {
    static REAPER: RefCell<Option<Reaper>> = const { RefCell::new(None) };
    /// Children that the thread has not heard of, because it could not be made, and whose children they are.
    static LEFT: RefCell<(u32, Vec<OwnedFd>)> = const { RefCell::new((0, Vec::new())) };
}

/// Takes the child's status when it ends, and those of children that an earlier call could not tell the thread of; `None`:
/// of those alone. Only on the thread that runs PHP.
///
/// # Errors
/// `EAGAIN`: no thread could be made. `EMFILE`. The child is kept for the next call.
pub fn hand_over(pidfd: Option<OwnedFd>) -> io::Result<()> {
    LEFT.with_borrow_mut(|(process, left)| {
        if *process != std::process::id() {
            *process = std::process::id();
            left.clear(); // the parent's
        }
        left.extend(pidfd);
        while let Some(pidfd) = left.pop() {
            if let Err((pidfd, error)) = tell_of(pidfd) {
                left.push(pidfd);
                return Err(error);
            }
        }
        Ok(())
    })
}

fn tell_of(pidfd: OwnedFd) -> Result<(), (OwnedFd, io::Error)> {
    REAPER.with_borrow_mut(|reaper| {
        forget_parents(reaper);
        let reaper = match reaper {
            Some(reaper) => reaper,
            None => match start() {
                Ok(started) => reaper.insert(started),
                Err(error) => return Err((pidfd, error)),
            },
        };
        let number = pidfd.into_raw_fd();
        // SAFETY: nobody has heard of it.
        tell(&reaper.to_thread, number).map_err(|error| (unsafe { OwnedFd::from_raw_fd(number) }, error))
    })
}

/// Ends the thread. What still runs is reaped by who adopts it.
///
/// # Blocking
/// Until the thread has ended, which it does at once.
pub fn stop() {
    REAPER.with_borrow_mut(|reaper| {
        forget_parents(reaper);
        if let Some(reaper) = reaper.take()
            && tell(&reaper.to_thread, STOP).is_ok()
        {
            let _ = reaper.thread.join(); // a panic has been printed
            reaper.own.has_ended();
        }
    });
}

/// In a forked child: the thread is the parent's, and so is what it was told.
fn forget_parents(reaper: &mut Option<Reaper>) {
    if reaper.as_ref().is_some_and(|reaper| reaper.process != std::process::id())
        && let Some(parents) = reaper.take()
    {
        std::mem::forget(parents.thread); // there is nobody to detach
    }
}

fn start() -> io::Result<Reaper> {
    let pipe = sys::pipe()?;
    fcntl(&pipe.read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let mask = signal::block_all(); // which the thread inherits
    let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
    let thread = builder.spawn(move || run(&pipe.read));
    signal::set_mask(mask);
    let thread = thread?;
    // SAFETY: it ends when `stop` tells it, and is joined then.
    let own = unsafe { audit::own_thread(thread.as_pthread_t(), THREAD) };
    Ok(Reaper { process: std::process::id(), to_thread: pipe.write, thread, own })
}

fn tell(to_thread: &OwnedFd, number: i32) -> io::Result<()> {
    loop {
        match nix::unistd::write(to_thread, &number.to_ne_bytes()) {
            Err(Errno::EINTR) => {}
            written => return written.map(drop).map_err(io::Error::from),
        }
    }
}

fn run(from_php: &OwnedFd) {
    let mut children: Vec<OwnedFd> = Vec::new();
    loop {
        let fds = std::iter::once(from_php).chain(&children).map(AsFd::as_fd);
        if let Err(error) = readable::wait(fds, None, None)
            && error.kind() != io::ErrorKind::Interrupted
        {
            readable::pause(None, None);
        }
        children.retain(|child| !matches!(sys::pidfd_reap(child.as_fd()), Ok(Some(_)) | Err(_)));
        let mut number = [0; 4];
        match nix::unistd::read(from_php, &mut number) {
            Ok(4) => {}
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            _ => return,
        }
        match i32::from_ne_bytes(number) {
            STOP => return,
            // SAFETY: the number of a descriptor that was given up for us.
            number => children.push(unsafe { OwnedFd::from_raw_fd(number) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    #[allow(clippy::zombie_processes, reason = "the reaper is what reaps here")]
    fn a_child_that_was_handed_over_leaves_no_zombie() {
        let mut command = Command::new("sh");
        let mut child =
            command.args(["-c", "read line"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let pidfd = sys::pidfd_open(pid).unwrap();
        hand_over(Some(sys::duplicate(pidfd.as_fd()).unwrap())).unwrap();
        assert!(sys::is_child(pidfd.as_fd()).unwrap(), "it runs");
        drop(child.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(20);
        while sys::is_child(pidfd.as_fd()).unwrap() {
            assert!(Instant::now() < deadline, "nobody has reaped it");
            std::thread::yield_now();
        }
        stop();
        stop(); // nothing to do
    }
}
