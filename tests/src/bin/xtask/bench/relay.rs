//! `relay`: many requests to workers without PHP and back, end to end, beside a minimal relay that keeps 16 requests in the
//! hands of each worker.
//!
//! # How it works
//! 16 clients, each with 16 requests in one write and the next ones when all are answered; one worker, then two. Ours are
//! `fake_worker`, which speaks the link, theirs read lines; both answer with their arguments. Nobody is pinned: this is what the
//! machine does with all of them. The two take turns of half a second in each round; both live through all rounds.
//!
//! # What would make it lie
//! Two cores for load, server and workers: the load's share is in the table, and the same for both. Theirs knows no
//! deadline and loses what a dead worker had read ahead.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::Bench;
use super::peer::alternating;
use super::report::{At, Report};
use super::sidecar::{Lines, Sidecar, alone, built};
use super::wire::{Dialect, Load, Server};
use crate::failure::Result;
use crate::interrupt;

const OURS: &str = "rustdaemon";
const MINIMAL: &str = "minimal relay";
const RATE: &str = "answers";
const P99: &str = "p99 of 16 together";
const COST: &str = "server's time on a CPU, each";
const LOAD: &str = "load's share of a core";
const CASES: [(&str, usize); 2] =
    [("16 clients pipelined, 1 worker", 1), ("16 clients pipelined, 2 workers", 2)];
const IN_FLIGHT: &str = "--in-flight=16";
const WINDOW: Duration = Duration::from_millis(500);

/// The relay's rate is at most so many times ours.
const BOUND: f64 = 1.5;

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    let names = ["ping_load", "minimal_server", "fake_worker", "minimal_worker"];
    let [load, relay, fake, minimal] = built(bench, names)?;
    let load = Load {
        program: &load,
        connections: 16,
        depth: 16,
        method: "echo",
        args: r#"[1,"two",{"three":3}]"#,
        core: None,
    };
    for (case, workers) in CASES {
        println!("{case}");
        let servers = start(bench, workers, [&relay, &fake, &minimal])?;
        for round in 0..bench.rounds {
            bench.progress(round);
            for server in alternating([&servers[0], &servers[1]], round) {
                interrupt::check()?;
                let seen = load.timed(server, WINDOW)?;
                let mut note = |what, unit, value| {
                    report.note(At { case, peer: server.name, what, unit }, value);
                };
                note(RATE, "1/s", seen.rate());
                note(P99, "us", seen.p99);
                note(COST, "us", seen.server_cpu / seen.answers * 1e6);
                note(LOAD, "", seen.own_cpu / seen.seconds);
            }
        }
        servers.into_iter().try_for_each(Server::end)?;
    }
    for (case, _) in CASES {
        report.compare(case, COST, [OURS, MINIMAL]);
        report.check_compared(case, RATE, [MINIMAL, OURS], BOUND)?;
    }
    Ok(())
}

fn start(bench: &Bench, workers: usize, [relay, fake, minimal]: [&Path; 3]) -> Result<[Server; 2]> {
    let ours = Server::sidecar(OURS, Sidecar::start(bench, workers, &[], &Lines::Kept, &alone(fake))?);
    let theirs = Server::start(MINIMAL, Dialect::Typed, |socket| {
        let mut words: Vec<OsString> = vec![relay.into(), socket.into(), IN_FLIGHT.into()];
        words.extend([format!("--workers={workers}").into(), "--".into(), minimal.into()]);
        Ok(words)
    })?;
    Ok([ours, theirs])
}
