//! What the machine does when nothing but copies and two positions stand between two threads, and when nothing but copies
//! is to be done: `cargo xtask bench channel` measures RustDaemon\Channel against it.
//!
//! Reads orders from stdin, and answers each with one line, how many a second:
//!
//! | order | does |
//! |---|---|
//! | `ring SIZE COUNT` | so many messages of so many bytes from one thread to another |
//! | `safe SIZE COUNT` | the same through the ring that the channel has, which survives the death of who uses it |
//! | `copy SIZE COUNT` | so many copies |

use std::cell::UnsafeCell;
use std::hint::{black_box, spin_loop};
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use rustdaemon_core::ring::{Received, Ring, Sent};

const RING_BYTES: usize = 1 << 20;

fn main() -> io::Result<()> {
    for line in io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let [order, size, count] = words[..] else { panic!("ORDER SIZE COUNT, not {line:?}") };
        let (size, count) = (size.parse().expect("a size"), count.parse().expect("a number"));
        let rate = match order {
            "ring" => messages(size, count),
            "safe" => safe_messages(size, count),
            _ => copies(size, count),
        };
        println!("{rate}");
    }
    Ok(())
}

/// A ring for one producer and one consumer.
struct SimpleRing {
    bytes: Box<[UnsafeCell<u8>]>,
    head: Line,
    tail: Line,
}

#[repr(align(128))]
struct Line(AtomicUsize);

// SAFETY: between head and tail the consumer reads, everywhere else the producer writes.
unsafe impl Sync for SimpleRing {}

impl SimpleRing {
    fn at(&self, position: usize) -> *mut u8 {
        self.bytes[position % RING_BYTES].get()
    }

    /// Messages lie at multiples of their size, so that none goes over the end.
    fn send(&self, message: &[u8], tail: &mut usize, head: &mut usize) {
        let place = place_of(*tail, message.len());
        while place + message.len() - *head > RING_BYTES {
            spin_loop();
            *head = self.head.0.load(Ordering::Acquire);
        }
        // SAFETY: free, and contiguous.
        unsafe { self.at(place).copy_from_nonoverlapping(message.as_ptr(), message.len()) };
        *tail = place + message.len();
        self.tail.0.store(*tail, Ordering::Release);
    }

    fn receive(&self, message: &mut [u8], head: &mut usize, tail: &mut usize) {
        while *tail == *head {
            spin_loop();
            *tail = self.tail.0.load(Ordering::Acquire);
        }
        let place = place_of(*head, message.len());
        // SAFETY: written, and contiguous.
        unsafe { self.at(place).copy_to_nonoverlapping(message.as_mut_ptr(), message.len()) };
        *head = place + message.len();
        self.head.0.store(*head, Ordering::Release);
    }
}

fn place_of(position: usize, length: usize) -> usize {
    let left = RING_BYTES - position % RING_BYTES;
    if left < length { position + left } else { position }
}

fn messages(size: usize, count: u32) -> f64 {
    let ring = SimpleRing {
        bytes: (0..RING_BYTES).map(|_| UnsafeCell::new(1)).collect(),
        head: Line(AtomicUsize::new(0)),
        tail: Line(AtomicUsize::new(0)),
    };
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (message, mut tail, mut head) = (vec![2; size], 0, 0);
            (0..count).for_each(|_| ring.send(black_box(&message), &mut tail, &mut head));
        });
        let (mut message, mut head, mut tail) = (vec![0; size], 0, 0);
        (0..count).for_each(|_| ring.receive(black_box(&mut message), &mut head, &mut tail));
    });
    f64::from(count) / began.elapsed().as_secs_f64()
}

fn safe_messages(size: usize, count: u32) -> f64 {
    let ring = Ring::anonymous(RING_BYTES).expect("a ring");
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            let message = vec![2; size];
            for _ in 0..count {
                while ring.try_send(0, &[black_box(&message)]) != Ok(Sent::Done) {
                    let _ = ring.wait_for_room(size, None, None);
                }
            }
        });
        let mut message = vec![MaybeUninit::new(0); size];
        for _ in 0..count {
            while ring.try_receive(black_box(&mut message)) != Ok(Received::Message(0, size)) {
                let _ = ring.wait_for_message(None, None);
            }
        }
    });
    f64::from(count) / began.elapsed().as_secs_f64()
}

fn copies(size: usize, count: u32) -> f64 {
    let (from, mut to) = (vec![1_u8; size], vec![0_u8; size]);
    let began = Instant::now();
    for _ in 0..count {
        black_box(&mut to).copy_from_slice(black_box(&from));
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_through_the_simple_ring_comes_out() {
        let ring = SimpleRing {
            bytes: (0..RING_BYTES).map(|_| UnsafeCell::new(0)).collect(),
            head: Line(AtomicUsize::new(0)),
            tail: Line(AtomicUsize::new(0)),
        };
        let (mut tail, mut head, mut seen, mut known) = (0, 0, 0, 0);
        for number in 0..100_u8 {
            ring.send(&[number; 70_000], &mut tail, &mut head);
            let mut message = [0; 70_000];
            ring.receive(&mut message, &mut seen, &mut known);
            assert!(message.iter().all(|byte| *byte == number));
            head = seen;
        }
    }
}
