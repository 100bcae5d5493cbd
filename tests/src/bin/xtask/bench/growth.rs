//! `growth`: whether a request costs the sidecar more when there are more workers, and a ping more when there are more
//! connections.
//!
//! # How it works
//! The kernel's clock of the sidecar's time on a CPU, divided by the answers. Few and many take turns in each round. With
//! workers, two connections ask at a time, so that no request waits with few workers and none with many; the workers are
//! on the other core. With connections, all of them ask: the same sidecar for both.
//!
//! # What would make it lie
//! It is time and no instructions: what does not fit into the caches any more is in it, and so is the kernel's part.
//! callgrind would count only what the sidecar does itself, but valgrind cannot run it: 3.19 has no pidfd_open, and no
//! version so far the clone with which workers are started.

use std::time::Duration;

use super::Bench;
use super::peer::alternating;
use super::report::{At, Report};
use super::sidecar::{Lines, Sidecar, alone, built};
use super::wire::{CORE, Load, OTHER_CORE, Server, pin};
use crate::failure::Result;
use crate::interrupt;

const REQUEST: &str = "a request to a worker";
const OF_2: &str = "of 2 workers";
const OF_100: &str = "of 100 workers";
const PING: &str = "a ping";
const ON_10: &str = "on 10 connections";
const ON_1000: &str = "on 1 000 connections";
const COST: &str = "sidecar's time on a CPU, each";
const WINDOW: Duration = Duration::from_millis(500);

/// At most so many times what few cost: what the clock's noise leaves of "not more".
const BOUND: f64 = 1.1;

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    let [load, fake] = built(bench, ["ping_load", "fake_worker"])?;
    let start = |name, workers| {
        let sidecar = Sidecar::start(bench, workers, &[], &Lines::Kept, &alone(&fake))?;
        sidecar.workers()?.into_iter().try_for_each(|worker| pin(worker, OTHER_CORE))?;
        Server::sidecar(name, sidecar).pinned(CORE)
    };
    let servers = [start(OF_2, 2)?, start(OF_100, 100)?];
    let request = Load {
        program: &load,
        connections: 2,
        depth: 1,
        method: "echo",
        args: "[1]",
        core: Some(OTHER_CORE),
    };
    let ping = |connections| Load { connections, method: "ping", args: "[]", ..request };
    let mut cost = |case, peer, load: Load, server: &Server| -> Result {
        interrupt::check()?;
        let seen = load.timed(server, WINDOW)?;
        let what = COST;
        report.note(At { case, peer, what, unit: "us" }, seen.server_cpu / seen.answers * 1e6);
        Ok(())
    };
    for round in 0..bench.rounds {
        bench.progress(round);
        for server in alternating([&servers[0], &servers[1]], round) {
            cost(REQUEST, server.name, request, server)?;
        }
        for (peer, connections) in alternating([(ON_10, 10), (ON_1000, 1_000)], round) {
            cost(PING, peer, ping(connections), &servers[0])?;
        }
    }
    servers.into_iter().try_for_each(Server::end)?;
    report.check_compared(REQUEST, COST, [OF_100, OF_2], BOUND)?;
    report.check_compared(PING, COST, [ON_1000, ON_10], BOUND)
}
