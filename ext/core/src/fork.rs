//! What a forked child gives up: recorded signals, the stop signals, and descriptors that are its parent's alone.
//!
//! # How it works
//! pthread_atfork(3) handlers, so that every fork through libc is seen: pcntl_fork(), proc_open(), a C library's own.
//! Before the fork all signals are blocked, and unblocked after it on both sides: a signal that is sent to the child at
//! once waits in the kernel until the child is ready for it, and none of its parent's is recorded there.
//!
//! # Correct order
//! In the child: the descriptors become inert, the pulse and the recorded signals are forgotten, the generation counts
//! up, the mask is given back. Who owns a descriptor closes it later as ever: its number stays taken, so it cannot be closed twice.
//!
//! The functions that run in a child stand together in a section of their own, `rustdaemon.child`: each 64 KiB of code that a
//! child is the first to touch is a page fault of 3 to 4 us, and spread over the library they were eleven.
//!
//! [`fork`] is such a fork with the signals still blocked when it returns, so that both sides can get ready first.
//!
//! # Rules
//! The child's handler makes system calls and stores atomics, nothing else: another thread may have held any lock.
//! vfork(2), posix_spawn(3) and bare clone(2) run no handlers: their children are expected to exec at once.
//! Sources: pthread_atfork(3), fork(2), signal-safety(7).

use std::cell::Cell;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use crate::signo::{Set, bit};
use crate::{pulse, signal};

static GENERATION: AtomicU64 = AtomicU64::new(0);
/// Descriptors that only this process may use; -1: a free place.
static OWN: [AtomicI32; 8] = [const { AtomicI32::new(-1) }; 8];

/// The next fork is [`fork`]'s: it holds the mask itself. The handlers learn that before the fork, so that nobody has to
/// write it down again after it.
static NEXT_IS_OURS: AtomicBool = AtomicBool::new(false);
/// What [`prepare`] has learnt.
static IS_OURS: AtomicBool = AtomicBool::new(false);

/// KILL and STOP, and the two that the C library keeps for itself. Source: signal(7), nptl(7).
const CANNOT_BE_BLOCKED: Set = bit(libc::SIGKILL) | bit(libc::SIGSTOP) | bit(32) | bit(33);

thread_local! {
    /// Of a fork that is not ours: each thread may make one.
    static MASK: Cell<Option<Set>> = const { Cell::new(None) };
}

/// From now on forks are seen. The first call counts.
///
/// # Errors
/// `ENOMEM`.
pub fn watch() -> io::Result<()> {
    static REGISTERED: OnceLock<i32> = OnceLock::new();
    // SAFETY: three functions that live as long as this object; libc forgets them when the object is unloaded.
    let result =
        *REGISTERED.get_or_init(|| unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) });
    if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)) }
}

/// How many forks lie between the process in which this program began and this one. Another number than before: this
/// is a child.
#[must_use]
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Which of the two processes this is.
#[derive(Debug)]
pub enum Side {
    /// The one that forked, and its child's pid.
    Parent(i32),
    /// The new one.
    Child,
}

/// All signals are blocked as long as this is alive; then they are as they were before the fork.
#[derive(Debug)]
pub struct HeldSignals {
    before: Option<Set>,
    _thread: PhantomData<*const ()>,
}

impl HeldSignals {
    /// Whether all signals were blocked before the fork already. pcntl does that while it calls its handlers.
    #[must_use]
    #[unsafe(link_section = "rustdaemon.child")]
    pub fn were_blocked(&self) -> bool {
        self.before.is_some_and(|before| !before & !CANNOT_BE_BLOCKED == 0)
    }

    /// Makes it so that no signal is blocked when this is dropped.
    pub fn let_go(&mut self) {
        self.before = Some(0);
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        signal::set_mask(self.before);
    }
}

/// Forks. Both sides begin with all signals blocked.
///
/// # Errors
/// `EAGAIN`: a limit of processes (`RLIMIT_NPROC`, pids.max of the cgroup). `ENOMEM`. Source: fork(2).
///
/// # Safety
/// No other thread forks meanwhile. In the child, which has this one thread, nothing is used that another thread may have
/// held at that moment.
#[unsafe(link_section = "rustdaemon.child")]
pub unsafe fn fork() -> io::Result<(Side, HeldSignals)> {
    watch()?;
    let mut held = HeldSignals { before: signal::block_all(), _thread: PhantomData };
    NEXT_IS_OURS.store(true, Ordering::Relaxed);
    // SAFETY: the caller's promise.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            signal::in_child(&mut held.before);
            Ok((Side::Child, held))
        }
        pid => Ok((Side::Parent(pid), held)),
    }
}

/// A descriptor that becomes inert in forked children, as long as this is alive: there it leads nowhere
/// (`/dev/null`, which gives EOF), and the parent's other side does not see it held open.
#[derive(Debug)]
pub struct OwnDescriptor(i32);

impl OwnDescriptor {
    /// # Errors
    /// `OutOfMemory`: eight others are alive.
    pub fn new(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let number = fd.as_raw_fd();
        let taken = |place: &AtomicI32| {
            place.compare_exchange(-1, number, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        };
        if OWN.iter().any(taken) { Ok(Self(number)) } else { Err(io::ErrorKind::OutOfMemory.into()) }
    }
}

impl Drop for OwnDescriptor {
    fn drop(&mut self) {
        let free = |place: &AtomicI32| {
            place.compare_exchange(self.0, -1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        };
        OWN.iter().any(free);
    }
}

extern "C" fn prepare() {
    let is_ours = NEXT_IS_OURS.swap(false, Ordering::Relaxed);
    IS_OURS.store(is_ours, Ordering::Relaxed);
    if !is_ours {
        MASK.set(signal::block_all());
    }
}

extern "C" fn parent() {
    if !IS_OURS.load(Ordering::Relaxed) {
        signal::set_mask(MASK.take());
    }
}

#[unsafe(link_section = "rustdaemon.child")]
extern "C" fn child() {
    for place in &OWN {
        let number = place.load(Ordering::Relaxed);
        if number >= 0 {
            place.store(-1, Ordering::Relaxed);
            make_inert(number);
        }
    }
    pulse::in_child();
    GENERATION.fetch_add(1, Ordering::Relaxed);
    if !IS_OURS.load(Ordering::Relaxed) {
        let mut mask = MASK.take();
        signal::in_child(&mut mask);
        signal::set_mask(mask);
    }
}

fn make_inert(number: i32) {
    // SAFETY: three system calls on numbers; `number` stays open, so its owner may close it.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        if null < 0 || null == number {
            return; // no descriptor left: it stays as it is
        }
        libc::dup3(null, number, libc::O_CLOEXEC);
        libc::close(null);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    use nix::sys::signal::Signal;
    use nix::sys::wait::WaitStatus;

    use super::*;
    use crate::signal::tests::{FLAG, alone, in_fork, raise, readable};
    use crate::signal::{Capture, Meaning};
    use crate::slot::{Phase, SlotPage};
    use crate::sys;

    #[test]
    fn a_forked_child_forgets_its_parents_signals_and_stop() {
        let _alone = alone();
        watch().unwrap();
        let mut capture = Capture::start(&FLAG).unwrap();
        capture.take(libc::SIGTERM, Meaning::Stop).unwrap();
        capture.take(libc::SIGUSR1, Meaning::Handled).unwrap();
        capture.stream_fd().unwrap();
        raise(libc::SIGUSR1);
        let before = generation();
        let end = in_fork(|| {
            let forgot = !signal::waiting() && generation() == before + 1;
            raise(libc::SIGUSR1); // taken for a handler: it stays taken
            if !forgot || !signal::waiting() {
                return 1;
            }
            raise(libc::SIGTERM);
            2
        });
        assert!(matches!(end, WaitStatus::Signaled(_, Signal::SIGTERM, _)), "{end:?}");
        assert!(capture.pop().is_some(), "the parent keeps its own");
        assert_eq!(generation(), before);
        capture.drain_stream();
        let end = in_fork(|| {
            raise(libc::SIGUSR1);
            0
        });
        assert!(matches!(end, WaitStatus::Exited(_, 0)), "{end:?}");
        assert!(!readable(capture.stream_fd().unwrap()), "a child's signals wake the child");
    }

    #[test]
    fn a_forked_child_has_no_pulse() {
        static INTERRUPT: AtomicBool = AtomicBool::new(false);
        let _alone = alone();
        watch().unwrap();
        let (fd, _) = SlotPage::create().unwrap();
        let page: &'static SlotPage = Box::leak(Box::new(SlotPage::attach(fd.as_fd()).unwrap()));
        // SAFETY: no frames.
        unsafe { pulse::attach(page, &INTERRUPT, None) };
        page.busy(Phase::Busy, b"work", None, sys::monotonic());
        pulse::busy();
        let end = in_fork(|| {
            let forgot = pulse::page().is_none() && !pulse::asked();
            pulse::busy(); // starts nothing
            pulse::stop(); // joins nobody
            i32::from(forgot)
        });
        assert!(matches!(end, WaitStatus::Exited(_, 1)), "{end:?}");
        let beats = page.observe().beats;
        let deadline = Instant::now() + Duration::from_secs(20);
        while page.observe().beats <= beats {
            assert!(Instant::now() < deadline, "the parent's goes on");
            std::thread::yield_now();
        }
        pulse::stop();
        assert!(pulse::page().is_none());
    }

    #[test]
    fn a_descriptor_of_the_parents_leads_nowhere_in_a_child() {
        let _alone = alone();
        watch().unwrap();
        let pipe = sys::pipe().unwrap();
        let own = OwnDescriptor::new(pipe.write.as_fd()).unwrap();
        let end = in_fork(|| i32::try_from(nix::unistd::write(&pipe.write, b"child").unwrap()).unwrap());
        assert!(matches!(end, WaitStatus::Exited(_, 5)), "{end:?}");
        drop((own, pipe.write));
        let mut buffer = [0; 8];
        assert_eq!(
            nix::unistd::read(&pipe.read, &mut buffer),
            Ok(0),
            "nothing came, and nobody holds it open"
        );
    }
}
