//! Two producers and two consumers, each a process of its own, and a million messages of each producer: none is lost, none
//! comes twice, and those of one producer come in order.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::mem::MaybeUninit;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use rustdaemon_core::ring::{Received, Ring, Sent, Trouble};
use rustdaemon_core::sys;

const MESSAGES: u64 = 1_000_000;
const PRODUCERS: u64 = 2;

/// A forked process that ends as `act` says.
fn forked(act: impl FnOnce() -> bool) -> Pid {
    // SAFETY: the child uses what is safe after fork: system calls, atomics and locks that no other thread holds.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => sys::exit_at_once(i32::from(!act())),
        ForkResult::Parent { child } => child,
    }
}

fn succeeded(child: Pid) -> bool {
    waitpid(child, None).unwrap() == WaitStatus::Exited(child, 0)
}

fn produce(ring: &Ring, producer: u64) -> bool {
    for number in 1..=MESSAGES {
        let filling = [0; 40];
        let filling = filling.get(..usize::try_from(number % 40).unwrap()).unwrap();
        let parts: [&[u8]; 3] = [&producer.to_ne_bytes(), &number.to_ne_bytes(), filling];
        loop {
            let pause = match ring.try_send(0, &parts) {
                Ok(Sent::Done) => break,
                Ok(Sent::Full) => ring.wait_for_room(56, None, None).map(drop),
                Ok(Sent::Closed) => return false,
                Err(trouble) => Err(trouble),
            };
            if !matches!(pause, Ok(()) | Err(Trouble::Busy)) {
                return false;
            }
        }
    }
    true
}

/// Sends what it has received of each producer: how many, and their sum.
fn consume(ring: &Ring, results: &Ring) -> bool {
    let mut last = [0; PRODUCERS as usize];
    let mut seen = [(0_u64, 0_u64); PRODUCERS as usize];
    loop {
        let mut place = [MaybeUninit::new(0_u8); 64];
        let pause = match ring.try_receive(&mut place) {
            Ok(Received::Message(0, length)) => {
                // SAFETY: zeroes, or written over.
                let bytes = place.map(|byte| unsafe { byte.assume_init() });
                let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
                let (producer, number) = (usize::try_from(word(0)).unwrap(), word(8));
                if number <= last[producer] || length != 16 + usize::try_from(number % 40).unwrap() {
                    return false;
                }
                last[producer] = number;
                seen[producer].0 += 1;
                seen[producer].1 += number;
                Ok(())
            }
            Ok(Received::Empty) => ring.wait_for_message(None, None).map(drop),
            Ok(Received::Closed) => break,
            Ok(_) => return false,
            Err(trouble) => Err(trouble),
        };
        if !matches!(pause, Ok(()) | Err(Trouble::Busy)) {
            return false;
        }
    }
    seen.iter().all(|(count, sum)| {
        results.try_send(0, &[&count.to_ne_bytes(), &sum.to_ne_bytes()]) == Ok(Sent::Done)
    })
}

#[test]
fn two_producers_and_two_consumers_lose_nothing() {
    let (ring, results) = (Ring::anonymous(16 * 1024).unwrap(), Ring::anonymous(1000).unwrap());
    let consumers: Vec<_> = (0..2).map(|_| forked(|| consume(&ring, &results))).collect();
    let producers: Vec<_> = (0..PRODUCERS).map(|producer| forked(|| produce(&ring, producer))).collect();
    assert!(producers.into_iter().all(succeeded));
    ring.close().unwrap();
    assert!(consumers.into_iter().all(succeeded));
    let (mut count, mut sum) = (0, 0);
    let mut place = [MaybeUninit::new(0_u8); 16];
    while let Ok(Received::Message(0, 16)) = results.try_receive(&mut place) {
        // SAFETY: written.
        let bytes = place.map(|byte| unsafe { byte.assume_init() });
        count += u64::from_ne_bytes(bytes[..8].try_into().unwrap());
        sum += u64::from_ne_bytes(bytes[8..].try_into().unwrap());
    }
    assert_eq!((count, sum), (PRODUCERS * MESSAGES, PRODUCERS * MESSAGES * (MESSAGES + 1) / 2));
    assert_eq!((ring.stats().sent, ring.stats().messages), (PRODUCERS * MESSAGES, 0));
}
