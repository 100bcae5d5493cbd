//! `channel`: strings between PHP processes through RustDaemon\Channel, beside System V messages, a stream_socket_pair(), a
//! list in Redis on a Unix socket, a ring for one producer in plain Rust, and memcpy.
//!
//! # How it works
//! One program, tests/bench/channel.php, does the same with each kind. In a round each has its turn for each size. The ring
//! in Rust is the simplest that works ([`plain_ring`](../../plain_ring.rs), built in release): two positions and a copy in
//! and out, in two threads; it says what the machine can do, not what PHP could have. It copies as the C library does, which is slow for long messages between two cores
//! (`core::copy`): there the channel can be faster. What a PHP process needs for nothing but two calls of methods a message
//! stands beside it, too: the floor under the small sizes.
//!
//! Sources: DESIGN 5; issue 9 for the bounds.

use std::ffi::OsString;
use std::fs;
use std::thread;
use std::time::Duration;

use super::Bench;
use super::peer::{Program, unsupervised};
use super::report::{At, Report};
use super::sidecar::built;
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
/// Our own ring, used from Rust: what PHP adds to it.
const SAFE: &str = "our ring from Rust";
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

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    let [plain_ring] = built(bench, ["plain_ring"])?;
    let mut plain_ring = Program::start(unsupervised(&[plain_ring]))?;
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
            note(RING, ordered(&mut plain_ring, &format!("ring {size} {count}"))?);
            note(SAFE, ordered(&mut plain_ring, &format!("safe {size} {count}"))?);
            note(COPY, ordered(&mut plain_ring, &format!("copy {size} {count}"))?);
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
    plain_ring.end(PATIENCE)?;
    for (size, ..) in FLOWS {
        report.compare(&case(size), RATE, [OURS, REDIS]);
        report.compare(&case(size), RATE, [OURS, SAFE]);
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
    let rate = ordered(&mut program, "go")?;
    program.end(PATIENCE)?;
    Ok(rate)
}

/// The number with which a program answers.
fn ordered(program: &mut Program, order: &str) -> Result<f64> {
    program.tell(order)?;
    let line = program.line(PATIENCE)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_short_names() {
        assert_eq!([64, 4096, 1 << 20].map(case), ["64 bytes", "4 KiB", "1 MiB"]);
    }
}
