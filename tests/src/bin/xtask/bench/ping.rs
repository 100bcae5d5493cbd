//! `ping`: how many pings the sidecar answers, how late, at what cost, beside others that answer one over a Unix socket: Debian's
//! redis-server, a minimal mio + serde_json server, a server in plain PHP, and an echo as the floor under all of them.
//!
//! # How it works
//! Every server has the first core for itself, the load comes from the second one: a closed loop on each connection. In
//! each round all servers have their turn with each number of connections; all of them live through all rounds, and who
//! waits for its turn sleeps. "16 pipelined" is 16 requests in one write on each connection, and the next ones when all are
//! answered. Where the load runs on the server's core nobody is woken across cores and nobody waits for the other: the rate is
//! one over what a ping costs both. Time on a CPU is the kernel's (schedstat). System calls are counted in runs of their own, after the rounds.
//!
//! # What would make it lie
//! - A load that is slower than the server: then all servers look alike. The shares of both cores are in the table, and for each bound it is
//!   said who was busier, the server or the load. With one connection nobody is busy: two cores wake each other.
//! - Whatever else runs on the two cores: it meets all servers, the ratios within a round feel it least.
//! - Redis does less for a PING than a JSON server for its ping: no JSON. The minimal server answers byte for byte as we do.

use std::time::Duration;

use super::Bench;
use super::report::{At, Report};
use super::sidecar::{Lines, Sidecar, alone, built};
use super::strace;
use super::wire::{CORE, Dialect, Load, OTHER_CORE, Server};
use crate::failure::Result;
use crate::interrupt;

const OURS: &str = "rustdaemon";
const REDIS: &str = "redis-server";
const MINIMAL: &str = "mio + serde_json";
const PHP: &str = "PHP stream_select";
const ECHO: &str = "epoll echo";

const RATE: &str = "answers";
const P99: &str = "p99";
const COST: &str = "server's time on a CPU, each";
const SERVER: &str = "server's share of its core";
const LOAD: &str = "load's share of its core";

const FEW: &str = "16 connections";
const MANY: &str = "1 000 connections";
const PIPELINED: &str = "16 connections, 16 pipelined";
const SHARED: &str = "16 connections, load on the server's core";
/// Name, connections, depth, the load's core.
const CASES: [(&str, usize, usize, &str); 6] = [
    ("1 connection", 1, 1, OTHER_CORE),
    (FEW, 16, 1, OTHER_CORE),
    ("256 connections", 256, 1, OTHER_CORE),
    (MANY, 1_000, 1, OTHER_CORE),
    (PIPELINED, 16, 16, OTHER_CORE),
    (SHARED, 16, 1, CORE),
];
const WINDOW: Duration = Duration::from_millis(500);

/// At least so many times Redis' rate.
const BOUND_REDIS: f64 = 1.2;
/// The minimal server's rate is at most so many times ours.
const BOUND_MINIMAL: f64 = 1.15;
const BOUND_PIPELINED: f64 = 1.3;
/// With many connections at least this part of the rate with few.
const BOUND_MANY: f64 = 0.9;
/// A server that needs so many times the load's time on a CPU is the one that limits.
const LIMITS: f64 = 1.0;

/// Case, connections, depth, batches, and at most so many system calls for a ping.
const CALLS: [(&str, usize, usize, u64, f64); 3] =
    [("1 connection", 1, 1, 10_000, 3.0), (FEW, 16, 1, 20_000, 2.3), (PIPELINED, 16, 16, 2_000, 0.25)];
/// The call in which strace has found it, and timers meanwhile.
const SLACK: f64 = 0.01;

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    let names = ["fake_worker", "ping_load", "minimal_server", "echo_server"];
    let [worker, load, minimal, echo] = built(bench, names)?;
    let mut servers = [
        Server::sidecar(OURS, Sidecar::start(bench, 1, &[], &Lines::Kept, &alone(&worker))?),
        Server::redis(REDIS)?,
        Server::start(MINIMAL, Dialect::Typed, |socket| Ok(vec![minimal.into(), socket.into()]))?,
        Server::start(PHP, Dialect::Typed, |socket| {
            Ok(bench.php.words(false, [bench.program("ping_select.php").into_os_string(), socket.into()]))
        })?,
        Server::start(ECHO, Dialect::Echo, |socket| Ok(vec![echo.into(), socket.into()]))?,
    ]
    .into_iter()
    .map(|server| server.pinned(CORE))
    .collect::<Result<Vec<_>>>()?;
    let load = |connections, depth, core| Load {
        program: &load,
        connections,
        depth,
        method: "ping",
        args: "[]",
        core: Some(core),
    };
    for round in 0..bench.rounds {
        bench.progress(round);
        for (case, connections, depth, core) in CASES {
            for server in &servers {
                interrupt::check()?;
                let seen = load(connections, depth, core).timed(server, WINDOW)?;
                let mut note =
                    |what, unit, value| report.note(At { case, peer: server.name, what, unit }, value);
                note(RATE, "1/s", seen.rate());
                note(P99, "us", seen.p99);
                note(COST, "us", seen.server_cpu / seen.answers * 1e6);
                note(SERVER, "", seen.server_cpu / seen.seconds);
                note(LOAD, "", seen.own_cpu / seen.seconds);
            }
            servers.rotate_left(1);
        }
    }
    let ours = servers.iter().find(|server| server.name == OURS).ok_or("no sidecar")?;
    let mut counted = Vec::new();
    for (case, connections, depth, batches, most) in CALLS {
        let connected = load(connections, depth, OTHER_CORE).counted(ours, batches)?;
        let (calls, seen) = strace::count(bench, ours.pid(), || connected.go())?;
        for (call, number) in &calls {
            let what = format!("{call}, each");
            report.note(At { case, peer: OURS, what: &what, unit: "" }, number / seen.answers);
        }
        counted.push((case, calls.values().sum::<f64>() / seen.answers, most));
    }
    servers.into_iter().try_for_each(Server::end)?;
    judge(report, &counted)
}

fn judge(report: &mut Report, counted: &[(&str, f64, f64)]) -> Result {
    for (case, ..) in CASES {
        report.compare(case, COST, [OURS, MINIMAL]);
        report.compare(case, COST, [OURS, REDIS]);
    }
    report.check_at_least(FEW, RATE, [OURS, REDIS], BOUND_REDIS)?;
    report.check_compared(FEW, RATE, [MINIMAL, OURS], BOUND_MINIMAL)?;
    report.check_compared(PIPELINED, RATE, [MINIMAL, OURS], BOUND_PIPELINED)?;
    let part = report.median(MANY, OURS, RATE)? / report.median(FEW, OURS, RATE)?;
    let sentence = format!("{OURS}: {RATE}, {MANY} / {FEW}");
    report.check(&sentence, &format!(">= {BOUND_MANY}"), &format!("{part:.3}"), part >= BOUND_MANY);
    for (case, ..) in CASES {
        report.check_compared(case, P99, [OURS, REDIS], 1.0)?;
    }
    for (case, calls, most) in counted {
        let sentence = format!("{case}: system calls for a ping");
        report.check(&sentence, &format!("<= {most}"), &format!("{calls:.3}"), *calls <= most + SLACK);
    }
    for (case, peer) in [(FEW, OURS), (FEW, REDIS), (FEW, MINIMAL), (PIPELINED, OURS), (PIPELINED, MINIMAL)] {
        let busier = report.median(case, peer, SERVER)? / report.median(case, peer, LOAD)?;
        let sentence = format!("{case}: {peer} is what limits: its time on a CPU / the load's");
        report.check(&sentence, &format!(">= {LIMITS}"), &format!("{busier:.3}"), busier >= LIMITS);
    }
    Ok(())
}
