//! Signals that are really sent, one test at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::*;

pub(crate) static FLAG: AtomicBool = AtomicBool::new(false);

/// Dispositions belong to the whole process: one test at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A signal to the calling thread.
pub(crate) fn raise(number: i32) {
    // SAFETY: a number.
    assert_eq!(unsafe { libc::raise(number) }, 0);
}

pub(crate) fn readable(fd: BorrowedFd<'_>) -> bool {
    poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() == 1
}

fn take_all(capture: &mut Capture) -> usize {
    let mut taken = 0;
    loop {
        while capture.pop().is_some() {
            taken += 1;
        }
        capture.make_room();
        if !waiting() {
            return taken;
        }
    }
}

/// Runs `child` in a fork; its end.
pub(crate) fn in_fork(child: impl FnOnce() -> i32) -> WaitStatus {
    // SAFETY: the child makes system calls and ends with _exit.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            // SAFETY: numbers; alarm(2) ends the child when it hangs.
            unsafe {
                libc::alarm(10);
                libc::_exit(child());
            }
        }
        ForkResult::Parent { child } => waitpid(child, None).unwrap(),
    }
}

#[test]
fn a_stop_signal_sets_the_flag_and_is_recorded() {
    let _alone = alone();
    let mut capture = Capture::start(&FLAG).unwrap();
    assert_eq!(Capture::start(&FLAG).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    for number in [libc::SIGTERM, libc::SIGINT] {
        capture.take(number, Meaning::Stop).unwrap();
    }
    FLAG.store(false, Ordering::SeqCst);
    assert_eq!(stop_signal(), None);
    raise(libc::SIGTERM);
    raise(libc::SIGINT);
    assert_eq!(stop_signal(), Some(libc::SIGTERM), "the first one is kept");
    assert!(FLAG.load(Ordering::SeqCst), "the virtual machine is asked to look");
    let record = capture.pop().unwrap();
    assert_eq!(record.number, libc::SIGTERM);
    assert_eq!(record.sender().unwrap().0, i32::try_from(std::process::id()).unwrap());
    assert_eq!(capture.pop().unwrap().number, libc::SIGINT);
    drop(capture);
    let capture = Capture::start(&FLAG).unwrap();
    assert_eq!(stop_signal(), None, "a new capture starts clean");
    drop(capture);
}

#[test]
fn what_was_there_before_comes_back_unless_somebody_came_after() {
    let _alone = alone();
    // SAFETY: valid dispositions.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
    let mut capture = Capture::start(&FLAG).unwrap();
    assert_eq!(capture.holder(libc::SIGUSR1), Holder::Ignored);
    capture.take(libc::SIGUSR1, Meaning::Handled).unwrap();
    assert_eq!(capture.holder(libc::SIGUSR1), Holder::Ours);
    capture.default(libc::SIGUSR1).unwrap();
    assert_eq!(capture.holder(libc::SIGUSR1), Holder::Default);
    assert!(!capture.is_captured(libc::SIGUSR1));
    capture.release(libc::SIGUSR1);
    assert_eq!(capture.holder(libc::SIGUSR1), Holder::Ignored);
    capture.take(libc::SIGUSR1, Meaning::Handled).unwrap();
    capture.take(libc::SIGUSR2, Meaning::Handled).unwrap();
    // SAFETY: a valid disposition, put there by somebody else.
    unsafe { libc::signal(libc::SIGUSR2, libc::SIG_IGN) };
    drop(capture);
    // SAFETY: valid dispositions.
    unsafe {
        assert_eq!(libc::signal(libc::SIGUSR1, libc::SIG_DFL), libc::SIG_IGN);
        assert_eq!(libc::signal(libc::SIGUSR2, libc::SIG_DFL), libc::SIG_IGN, "theirs is left alone");
    }
}

#[test]
fn a_full_queue_leaves_the_rest_in_the_kernel_and_nothing_is_lost() {
    let _alone = alone();
    let mut capture = Capture::start(&FLAG).unwrap();
    let number = libc::SIGRTMIN() + 2;
    capture.take(number, Meaning::Handled).unwrap();
    capture.take(libc::SIGTERM, Meaning::Stop).unwrap();
    let sent = usize::try_from(RECORDS).unwrap() + 500;
    (0..sent).for_each(|_| raise(number));
    assert_eq!(QUEUE.len(), RECORDS - RESERVE, "the mask holds the rest back");
    raise(libc::SIGTERM);
    assert_eq!(stop_signal(), Some(libc::SIGTERM), "a stop signal is not held back");
    assert_eq!(take_all(&mut capture), sent + 1);
    assert_eq!(HELD.load(Ordering::SeqCst), 0);
    assert_eq!(lost(), 0);
}

#[test]
fn what_the_kernel_still_holds_when_a_signal_is_given_up_does_not_kill() {
    let _alone = alone();
    let mut capture = Capture::start(&FLAG).unwrap();
    let number = libc::SIGRTMIN() + 4; // whose default effect is the end of this test program
    capture.take(number, Meaning::Handled).unwrap();
    (0..=RECORDS).for_each(|_| raise(number));
    assert!(is_waiting_in_kernel(number));
    drop(capture);
    assert!(!is_waiting_in_kernel(number));
}

#[test]
fn a_signal_on_a_foreign_thread_wakes_and_leaves_its_mask() {
    let _alone = alone();
    let mut capture = Capture::start(&FLAG).unwrap();
    let number = libc::SIGRTMIN() + 3;
    capture.take(number, Meaning::Handled).unwrap();
    let sent = usize::try_from(RECORDS).unwrap() + 100;
    let blocked = std::thread::spawn(move || {
        (0..sent).for_each(|_| raise(number));
        let mask = block_all();
        set_mask(mask);
        mask.is_some_and(|mask| mask & bit(number) != 0)
    });
    assert!(!blocked.join().unwrap(), "its mask is as it was");
    assert!(readable(wake_fd().unwrap()));
    drain_wake();
    assert!(!readable(wake_fd().unwrap()));
    assert_eq!(take_all(&mut capture), sent, "what had no room was handed to the owner");
    assert_eq!(lost(), 0);
}

#[test]
fn the_stream_is_readable_from_the_first_record_until_it_is_drained() {
    let _alone = alone();
    let mut capture = Capture::start(&FLAG).unwrap();
    capture.take(libc::SIGUSR1, Meaning::Handled).unwrap();
    raise(libc::SIGUSR1);
    assert!(capture.pop().is_some());
    assert!(readable(capture.stream_fd().unwrap()), "also for what was taken before there was a stream");
    raise(libc::SIGUSR1);
    assert!(capture.pop().is_some());
    assert!(readable(capture.stream_fd().unwrap()), "taking the record alone does not make it quiet");
    capture.drain_stream();
    assert!(!readable(capture.stream_fd().unwrap()));
    raise(libc::SIGUSR1);
    assert!(readable(capture.stream_fd().unwrap()));
}

#[test]
fn a_stop_signal_of_the_configured_number_ends_the_process() {
    let _alone = alone();
    let end = in_fork(|| {
        let Ok(mut capture) = Capture::start(&FLAG) else { return 1 };
        capture.force_at(3);
        for number in [libc::SIGTERM, libc::SIGINT] {
            if capture.take(number, Meaning::Stop).is_err() {
                return 1;
            }
        }
        raise(libc::SIGTERM);
        raise(libc::SIGTERM);
        if QUEUE.len() != 2 {
            return 2;
        }
        raise(libc::SIGINT);
        3
    });
    assert!(matches!(end, WaitStatus::Signaled(_, nix::sys::signal::Signal::SIGINT, _)), "{end:?}");
}
