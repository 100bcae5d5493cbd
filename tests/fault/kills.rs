//! Sidecars and workers that are killed at random, under the eyes of an [`Observer`]: nobody outlives its sidecar,
//! nobody stays a zombie, nobody runs twice. Some workers are stopped when it happens: they cannot even read the end
//! of their link.

use std::time::Duration;

use nix::sys::signal::Signal;
use rustdaemon_core::link::SOCKET_VARIABLE;
use rustdaemon_tests::{Observer, Sidecar, kill_if_with, signal_if_with, those_with};

use crate::dose;

/// How long the dead may be seen.
const GRACE: Duration = Duration::from_secs(1);
/// Longest wait before a kill: some come in the middle of a start, some when everybody is idle.
const LONGEST_WAIT_US: u64 = 10_000;

/// xorshift64*: the same seed gives the same choices. `RUSTDAEMON_SEED` sets it.
struct Chance(u64);

impl Chance {
    fn seeded() -> Self {
        let given = std::env::var("RUSTDAEMON_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()) | 1 << 32);
        println!("kills: RUSTDAEMON_SEED={seed}");
        Self(seed | 1)
    }

    /// Below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    /// Not to wait for anything: to kill at another moment each time.
    fn pause(&mut self) {
        std::thread::sleep(Duration::from_micros(self.below(LONGEST_WAIT_US)));
    }
}

#[test]
fn no_orphan_no_zombie_and_nobody_twice_however_many_are_killed() {
    let (sidecars, workers) = (dose(20, 2_000), dose(100, 20_000));
    let mut chance = Chance::seeded();
    let fake = env!("CARGO_BIN_EXE_fake_worker");
    let sidecar = Sidecar::builder().flags("--short-run 0s --workers 4").command([fake]).start();
    let socket = sidecar.socket().to_owned();
    let value = socket.to_string_lossy().into_owned();
    let observer = Observer::of(&socket, GRACE);
    let mut killed = sidecar.killed();
    let (mut killed_workers, mut stopped) = (0, 0);
    for turn in 1..=sidecars {
        let waits = chance.below(4) > 0; // else it is killed while it starts
        if waits {
            killed.start_again();
        } else {
            killed.begin_again();
        }
        let due = workers * turn / sidecars;
        while waits && killed_workers < due {
            chance.pause();
            let living = those_with(SOCKET_VARIABLE, &value);
            if living.is_empty() {
                continue;
            }
            let victim = living[chance.below(living.len() as u64) as usize];
            killed_workers += i32::from(kill_if_with(victim, SOCKET_VARIABLE, &value));
        }
        chance.pause();
        for pid in those_with(SOCKET_VARIABLE, &value) {
            if chance.below(4) == 0 {
                stopped += i32::from(signal_if_with(pid, Signal::SIGSTOP, SOCKET_VARIABLE, &value));
            }
        }
        killed.kill_again();
    }
    let last = killed.start_again();
    (0..4).for_each(|n| drop(last.wait_state(n, "idle")));
    let mut rest = 0;
    while killed_workers < workers {
        let living = those_with(SOCKET_VARIABLE, &value);
        if let Some(victim) = living.first() {
            killed_workers += i32::from(kill_if_with(*victim, SOCKET_VARIABLE, &value));
            rest += 1;
        }
    }
    let ended = killed.stop();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert_eq!(those_with(SOCKET_VARIABLE, &value), [0; 0], "after the stop");
    let report = observer.report();
    println!(
        "kills: {sidecars} of the sidecar with {stopped} stopped workers, {killed_workers} of workers ({rest} of them at \
         the end): {} orphans, {} zombies, {} duplicates; {} processes seen in {} looks",
        report.orphans.len(),
        report.zombies.len(),
        report.duplicates.len(),
        report.seen,
        report.scans
    );
    assert!(report.seen > 0, "the observer has seen nobody: this has shown nothing");
    assert!(
        report.orphans.is_empty() && report.zombies.is_empty() && report.duplicates.is_empty(),
        "{report:#?}"
    );
}
