//! `channel`: strings between PHP processes through RustDaemon\Channel, beside System V messages, a stream_socket_pair(), a
//! list in Redis on a Unix socket, a ring for one producer in plain Rust, and memcpy.
//!
//! # How it works
//! One program, tests/bench/channel.php, does the same with each kind. In a round each has its turn for each size. The ring
//! in Rust is the simplest that works: two positions and a copy in and out, in two threads; it says what the machine can
//! do, not what PHP could have. It copies as the C library does, which is slow for long messages between two cores
//! (`core::copy`): there the channel can be faster. What a PHP process needs for nothing but two calls of methods a message
//! stands beside it, too: the floor under the small sizes.
//!
//! Sources: DESIGN 5; issue 9 for the bounds.

use std::ffi::OsString;
use std::fs;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Bench;
use super::peer::{Program, unsupervised};
use super::report::{At, Report};
use super::strace;
use super::wire::Server;
use crate::failure::{Context, Result};

const OURS: &str = "Channel";
const QUEUE: &str = "msg_send";
const PAIR: &str = "socketpair";
const REDIS: &str = "Redis list";
/// Two processes that call a method of their own for each message, and exchange nothing.
const CALLS: &str = "calls alone";
const RING: &str = "Rust ring";
const COPY: &str = "memcpy";
const RATE: &str = "messages";
const UNIT: &str = "/s";
const PATIENCE: Duration = Duration::from_secs(120);

/// Size in bytes, how many messages, how many times as fast as msg_send and socketpair, how many times slower than the
/// ring in Rust at most. 0: no bound.
const FLOWS: [(usize, u32, [f64; 3]); 6] = [
    (16, 400_000, [5.0, 7.0, 2.2]),
    (64, 400_000, [5.0, 7.0, 2.2]),
    (256, 400_000, [5.0, 7.0, 2.2]),
    (4096, 100_000, [0.0, 8.0, 0.0]),
    (65_536, 10_000, [0.0, 12.0, 1.25]),
    (1 << 20, 1_000, [0.0, 0.0, 0.0]),
];
/// A message through Redis takes so many times longer that this part of them is enough.
const REDIS_PART: u32 = 20;
/// What System V keeps a message below on any machine that was not told otherwise (msgmax).
const QUEUE_BYTES: usize = 8192;
const RING_BYTES: usize = 1 << 20;

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    let redis = Server::redis(REDIS)?;
    for round in 0..bench.rounds {
        bench.progress(round);
        for (size, count, _) in FLOWS {
            let case = case(size);
            let mut note = |peer: &str, rate: f64| {
                report.note(At { case: &case, peer, what: RATE, unit: UNIT }, rate);
            };
            note(OURS, rate(start(bench, &[], "channel", "flow", size, count, 1)?)?);
            if size < QUEUE_BYTES {
                note(QUEUE, rate(start(bench, &[], "sysvmsg", "flow", size, count, 1)?)?);
            }
            note(PAIR, rate(start(bench, &[], "pair", "flow", size, count, 1)?)?);
            note(REDIS, rate(redis_list(bench, &redis, size, count / REDIS_PART)?)?);
            if size == 64 {
                note(CALLS, rate(start(bench, &[], "calls", "flow", size, count, 1)?)?);
            }
            note(RING, rust_ring(size, count));
            note(COPY, copies(size, count));
        }
        let mut note = |case: &str, peer: &str, rate: f64| {
            report.note(At { case, peer, what: RATE, unit: UNIT }, rate);
        };
        note(CROWD, "4 producers", rate(start(bench, &[], "channel", "flow", 64, 400_000, 4)?)?);
        note(CROWD, "1 producer", rate(start(bench, &[], "channel", "flow", 64, 400_000, 1)?)?);
        let one_core = ["taskset", "-c", "0"];
        note(ROUND, OURS, rate(start(bench, &one_core, "channel", "round", 64, 20_000, 1)?)?);
        note(ROUND, PAIR, rate(start(bench, &one_core, "pair", "round", 64, 20_000, 1)?)?);
        let calls = system_calls(bench)?;
        report.note(At { case: BUSY, peer: OURS, what: "system calls", unit: "/message" }, calls);
        let switches = switches_while_idle(bench)?;
        report.note(At { case: IDLE, peer: OURS, what: "wake-ups", unit: "" }, switches);
    }
    redis.end()?;
    for (size, ..) in FLOWS {
        report.compare(&case(size), RATE, [OURS, REDIS]);
    }
    report.compare(&case(64), RATE, [OURS, CALLS]);
    report.compare(&case(65_536), RATE, [OURS, COPY]);
    report.compare(&case(65_536), RATE, [COPY, PAIR]);
    for (size, _, [queue, pair, ring]) in FLOWS {
        let case = case(size);
        for (peer, least) in [(QUEUE, queue), (PAIR, pair), (RING, if ring > 0.0 { 1.0 / ring } else { 0.0 })]
        {
            if least > 0.0 {
                report.check_at_least(&case, RATE, [OURS, peer], least)?;
            }
        }
    }
    report.check_at_least(&case(1 << 20), RATE, [OURS, COPY], 0.6)?;
    report.check_at_least(CROWD, RATE, ["4 producers", "1 producer"], 0.8)?;
    report.check_at_least(ROUND, RATE, [OURS, PAIR], 1.0 / 0.55)?;
    let calls = report.median(BUSY, OURS, "system calls")?;
    report.check(BUSY, "<= 0.05 system calls a message", &format!("{calls:.4}"), calls <= 0.05);
    let rounds = report.rounds_with(IDLE, OURS, "wake-ups", 0.0);
    report.check(
        IDLE,
        "no wake-up in every round",
        &format!("in {rounds} of {}", bench.rounds),
        rounds == bench.rounds,
    );
    Ok(())
}

const CROWD: &str = "64 bytes, several producers";
const ROUND: &str = "64 bytes there and back on one core";
const BUSY: &str = "64 bytes, both sides busy";
const IDLE: &str = "a receiver waits";

fn case(size: usize) -> String {
    match size {
        1_048_576.. => format!("{} MiB", size >> 20),
        1024.. => format!("{} KiB", size >> 10),
        _ => format!("{size} bytes"),
    }
}

fn start(
    bench: &Bench,
    before: &[&str],
    kind: &str,
    mode: &str,
    size: usize,
    count: u32,
    producers: u32,
) -> Result<Program> {
    let numbers = [size.to_string(), count.to_string(), producers.to_string()].map(OsString::from);
    let words = [kind, mode].map(OsString::from).into_iter().chain(numbers);
    // Debian has it as a module of its own; where it is built in PHP says so on the standard error, and goes on.
    let modules: &[&str] = if kind == "sysvmsg" { &["sysvmsg"] } else { &[] };
    program(bench, before, modules, kind == "channel", words)
}

fn redis_list(bench: &Bench, server: &Server, size: usize, count: u32) -> Result<Program> {
    let words = ["redis", "flow", &size.to_string(), &count.to_string(), "1"].map(OsString::from);
    // The first is what Debian's build of the second needs.
    program(bench, &[], &["igbinary", "redis"], false, words.into_iter().chain([server.socket().into()]))
}

fn program(
    bench: &Bench,
    before: &[&str],
    modules: &[&str],
    with_extension: bool,
    words: impl Iterator<Item = OsString>,
) -> Result<Program> {
    let modules = modules.iter().flat_map(|module| ["-d".to_owned(), format!("extension={module}")]);
    let path = bench.program("channel.php").into_os_string();
    let arguments = modules.map(OsString::from).chain([path]).chain(words);
    let mut all: Vec<OsString> = before.iter().map(OsString::from).collect();
    all.extend(bench.php.words(with_extension, arguments));
    let command = unsupervised(&all);
    bench.show(&command);
    let mut program = Program::start(command)?;
    program.says("ready", PATIENCE)?;
    Ok(program)
}

/// Messages a second.
fn rate(mut program: Program) -> Result<f64> {
    program.tell("go")?;
    let line = program.line(PATIENCE)?;
    program.end(PATIENCE)?;
    line.parse().map_err(|_| format!("no number of messages: {line:?}").into())
}

/// Of both processes, for one message.
fn system_calls(bench: &Bench) -> Result<f64> {
    let count = 200_000;
    let mut program = start(bench, &[], "channel", "flow", 64, count, 1)?;
    let (calls, ()) = strace::count(bench, program.pid(), || {
        program.tell("go")?;
        program.line(PATIENCE).map(drop)
    })?;
    program.end(PATIENCE)?;
    Ok(calls.values().sum::<f64>() / f64::from(count))
}

/// How often a process that waits for a message was woken.
fn switches_while_idle(bench: &Bench) -> Result<f64> {
    let mut program = start(bench, &[], "channel", "idle", 64, 1, 1)?;
    program.tell("go")?;
    program.says("waits", PATIENCE)?;
    let pid = program.pid();
    thread::sleep(Duration::from_millis(200)); // until it is asleep
    let before = switches(pid)?;
    thread::sleep(Duration::from_secs(bench.seconds.min(5)));
    let after = switches(pid)?;
    program.terminate()?;
    Ok(after - before)
}

fn switches(pid: i32) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).context(&path)?;
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    let number = line.and_then(|number| number.trim().parse().ok());
    number.ok_or_else(|| format!("{path}: no voluntary_ctxt_switches").into())
}

/// A ring for one producer and one consumer: what the machine does when nothing but the copies and two positions stand
/// between two threads.
struct SimpleRing {
    bytes: Box<[std::cell::UnsafeCell<u8>]>,
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

fn rust_ring(size: usize, count: u32) -> f64 {
    let ring = SimpleRing {
        bytes: (0..RING_BYTES).map(|_| std::cell::UnsafeCell::new(1)).collect(),
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
            bytes: (0..RING_BYTES).map(|_| std::cell::UnsafeCell::new(0)).collect(),
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
        assert_eq!(case(64) + &case(4096) + &case(1 << 20), "64 bytes4 KiB1 MiB");
    }
}
