//! A process that uses a ring is killed with SIGKILL at each of its instructions, one after the other: single-stepped by
//! ptrace(2), so that none is left out. After each the ring must be as if that process had done the whole or nothing, and
//! nobody may sleep who has something to do.
//!
//! Without optimisation a message is thousands of instructions, and all of them after every prefix are millions of steps:
//! a debug build takes every sixty-first, and `cargo test --release -p rustdaemon-core --test ring_kill` each.
//!
//! Sources: ptrace(2) PTRACE_SINGLESTEP; get_robust_list(2).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::mem::MaybeUninit;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use rustdaemon_core::ring::{Received, Ring, Sent, Trouble};
use rustdaemon_core::sys;

const STRIDE: usize = if cfg!(debug_assertions) { 61 } else { 1 };

/// Runs `act` in a forked process and kills that before its instruction of this number. False: `act` was over before.
fn killed_at(instruction: usize, act: impl FnOnce()) -> bool {
    // SAFETY: the child uses what is safe after fork: system calls, atomics and locks that no other thread holds.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            trace(libc::PTRACE_TRACEME, 0);
            raise(Signal::SIGSTOP).unwrap();
            act();
            sys::exit_at_once(0);
        }
        ForkResult::Parent { child } => {
            assert!(matches!(waitpid(child, None).unwrap(), WaitStatus::Stopped(_, Signal::SIGSTOP)));
            for _ in 0..instruction {
                trace(libc::PTRACE_SINGLESTEP, child.as_raw());
                match waitpid(child, None).unwrap() {
                    WaitStatus::Stopped(..) => {}
                    WaitStatus::Exited(..) => return false,
                    other => panic!("{other:?} instead of a step"),
                }
            }
            end(child);
            true
        }
    }
}

fn trace(request: libc::c_uint, pid: i32) {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: these two requests take no address and no data.
    assert_eq!(unsafe { libc::ptrace(request, pid, nothing, nothing) }, 0);
}

fn end(child: Pid) {
    kill(child, Signal::SIGKILL).unwrap();
    while !matches!(waitpid(child, None).unwrap(), WaitStatus::Signaled(..)) {}
}

/// One after the other, until `act` is not killed any more. How often it was.
fn at_each_instruction(mut act: impl FnMut(usize) -> bool) -> usize {
    let mut instruction = 0;
    while act(instruction) {
        instruction += STRIDE;
    }
    assert!(instruction > 100, "it has done something");
    instruction / STRIDE
}

fn soon() -> Option<Duration> {
    Some(sys::monotonic() + Duration::from_secs(20))
}

fn patiently<T>(mut act: impl FnMut() -> Result<T, Trouble>) -> T {
    let deadline = soon();
    loop {
        match act() {
            Err(Trouble::Busy) if Some(sys::monotonic()) < deadline => {}
            done => return done.unwrap(),
        }
    }
}

fn send(ring: &Ring, message: &[u8]) -> Sent {
    patiently(|| ring.try_send(1, &[message]))
}

fn take(ring: &Ring) -> Option<Vec<u8>> {
    let mut place = [MaybeUninit::new(0_u8); 64];
    match patiently(|| ring.try_receive(&mut place)) {
        Received::Message(1, length) => {
            // SAFETY: zeroes, or written over.
            Some(place[..length].iter().map(|byte| unsafe { byte.assume_init() }).collect())
        }
        Received::Empty | Received::Closed => None,
        other => panic!("{other:?}"),
    }
}

/// Sleeps for a message; fails when it sleeps although there is one.
fn wait_and_take(ring: &Ring) -> Option<Vec<u8>> {
    let deadline = soon();
    loop {
        if let Some(message) = take(ring) {
            return Some(message);
        }
        if ring.stats().closed {
            return None;
        }
        patiently(|| ring.wait_for_message(None, deadline));
        assert!(Some(sys::monotonic()) < deadline, "slept for ever: {:?}", ring.stats());
    }
}

const FIRST: &[u8] = b"the first message";
const SECOND: &[u8] = b"the second";

#[test]
fn a_sender_that_dies_has_sent_or_not() {
    let count = at_each_instruction(|instruction| {
        let ring = Ring::anonymous(100).unwrap();
        let killed = killed_at(instruction, || {
            let _ = ring.try_send(1, &[FIRST]);
        });
        let sent = ring.stats().messages == 1;
        assert_eq!(send(&ring, SECOND), Sent::Done);
        if sent {
            assert_eq!(take(&ring).unwrap(), FIRST);
        }
        assert_eq!(take(&ring).unwrap(), SECOND);
        assert_eq!(take(&ring), None);
        killed
    });
    println!("{count} deaths");
}

#[test]
fn a_sender_that_dies_leaves_no_consumer_asleep() {
    let count = at_each_instruction(|instruction| {
        let ring = Ring::anonymous(100).unwrap();
        thread::scope(|scope| {
            let consumers: Vec<_> = (0..2).map(|_| scope.spawn(|| wait_and_take(&ring))).collect();
            let killed = killed_at(instruction, || {
                let _ = ring.try_send(1, &[FIRST]);
            });
            if ring.stats().sent == 1 {
                let deadline = soon();
                while ring.stats().received == 0 {
                    assert!(Some(sys::monotonic()) < deadline, "sent, and all sleep");
                    thread::yield_now();
                }
            }
            assert_eq!(send(&ring, SECOND), Sent::Done);
            patiently(|| ring.close());
            let mut received: Vec<_> =
                consumers.into_iter().filter_map(|consumer| consumer.join().unwrap()).collect();
            received.extend(std::iter::from_fn(|| take(&ring)));
            received.sort();
            let sent = ring.stats().sent;
            assert_eq!(received.len() as u64, sent);
            assert_eq!(received, if sent == 1 { vec![SECOND] } else { vec![FIRST, SECOND] });
            killed
        })
    });
    println!("{count} deaths");
}

#[test]
fn a_sender_that_dies_leaves_no_poller_asleep() {
    at_each_instruction(|instruction| {
        let ring = Ring::anonymous(100).unwrap();
        ring.poll().unwrap();
        let readable = || {
            let mut fds = [PollFd::new(ring.bell(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
        };
        assert!(!readable());
        let killed = killed_at(instruction, || {
            let _ = ring.try_send(1, &[FIRST]);
        });
        assert!(ring.stats().messages == 0 || readable(), "sent, and the bell is silent");
        if take(&ring).is_none() {
            patiently(|| ring.poll());
            assert!(!readable());
        }
        send(&ring, SECOND);
        assert!(readable());
        killed
    });
}

#[test]
fn a_receiver_that_dies_has_taken_the_message_or_not() {
    at_each_instruction(|instruction| {
        let ring = Ring::anonymous(100).unwrap();
        send(&ring, FIRST);
        send(&ring, SECOND);
        let killed = killed_at(instruction, || {
            let _ = ring.try_receive(&mut [MaybeUninit::uninit(); 64]);
        });
        if ring.stats().received == 0 {
            assert_eq!(take(&ring).unwrap(), FIRST);
        }
        assert_eq!(take(&ring).unwrap(), SECOND);
        assert_eq!(ring.stats().used, 0);
        killed
    });
}

#[test]
fn a_receiver_that_dies_leaves_no_producer_asleep() {
    at_each_instruction(|instruction| {
        let ring = Ring::anonymous(100).unwrap();
        let all = vec![7; ring.capacity()];
        send(&ring, &all);
        thread::scope(|scope| {
            let producer = scope.spawn(|| {
                let deadline = soon();
                while send(&ring, SECOND) == Sent::Full {
                    patiently(|| ring.wait_for_room(SECOND.len(), None, deadline));
                    assert!(Some(sys::monotonic()) < deadline, "slept for ever: {:?}", ring.stats());
                }
            });
            let killed = killed_at(instruction, || {
                let mut place = [MaybeUninit::uninit(); 5000];
                let _ = ring.try_receive(&mut place);
            });
            if ring.stats().received == 0 {
                let mut place = vec![MaybeUninit::new(0_u8); ring.capacity()];
                assert_eq!(patiently(|| ring.try_receive(&mut place)), Received::Message(1, all.len()));
            }
            producer.join().unwrap();
            assert_eq!(take(&ring).unwrap(), SECOND);
            killed
        })
    });
}

#[test]
fn a_process_that_dies_on_its_way_to_sleep_costs_nothing() {
    at_each_instruction(|instruction| {
        let ring = Ring::anonymous(100).unwrap();
        let killed = killed_at(instruction, || {
            let _ = ring.wait_for_message(None, Some(Duration::from_nanos(1)));
        });
        assert_eq!(send(&ring, FIRST), Sent::Done);
        assert_eq!(take(&ring).unwrap(), FIRST);
        killed
    });
    at_each_instruction(|instruction| {
        let ring = Ring::anonymous(100).unwrap();
        let all = vec![7; ring.capacity() - 10];
        send(&ring, &all);
        let killed = killed_at(instruction, || {
            let _ = ring.wait_for_room(64, None, Some(Duration::from_nanos(1)));
        });
        let mut place = vec![MaybeUninit::new(0_u8); ring.capacity()];
        assert_eq!(patiently(|| ring.try_receive(&mut place)), Received::Message(1, all.len()));
        assert_eq!(send(&ring, FIRST), Sent::Done);
        assert_eq!(take(&ring).unwrap(), FIRST);
        killed
    });
}

#[test]
fn one_who_dies_while_closing_has_closed_or_not() {
    at_each_instruction(|instruction| {
        let ring = Ring::anonymous(100).unwrap();
        thread::scope(|scope| {
            let consumer = scope.spawn(|| wait_and_take(&ring));
            let killed = killed_at(instruction, || {
                let _ = ring.close();
            });
            if !ring.stats().closed {
                assert_eq!(send(&ring, FIRST), Sent::Done);
                assert_eq!(consumer.join().unwrap().unwrap(), FIRST);
                patiently(|| ring.close());
            } else {
                assert_eq!(consumer.join().unwrap(), None);
            }
            assert_eq!(send(&ring, SECOND), Sent::Closed);
            killed
        })
    });
}
