//! What a killed sidecar has left behind on our socket, until there is nothing of it.
//!
//! # How it works
//! Two kinds, looked for once, before anything is started:
//!
//! 1. *Holders* of a slot's life lock are its workers. They have been killed with their sidecar, or, where a wrapper
//!    has kept that from them, have read the end of their link and finish what they have. They get `takeover_timeout`,
//!    then KILL. Nothing is started in a slot that is held.
//! 2. *Strays*, all others that carry the dead run's id: what its workers had started. Nobody can want anything of
//!    them: KILL at once. Until they have ended nothing is started at all, because one of them may be the program of a
//!    wrapper without a link.
//!
//! The end of each is told by its pidfd. Each slot is asked for once, at its first start: from then on it is ours.
//!
//! # What may be lost
//! What [`strays`] and [`life_lock`](crate::life_lock) cannot see. A slot whose holder cannot be found stays closed and
//! is asked for again every `takeover_timeout`. A process that KILL does not end keeps its slot closed; a stray that
//! KILL does not end is given up after `takeover_timeout`.
//!
//! # Rules
//! Never blocks; the caller waits on the pidfds and for the deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use log::{error, info, warn};
use rustdaemon_core::sys;

use crate::life_lock::LifeLock;
use crate::strays;

/// The state of a takeover.
#[derive(Debug)]
pub struct Takeover {
    lock: LifeLock,
    /// Runs of which nothing shall be left.
    dead_runs: Vec<String>,
    patience: Duration,
    leftovers: BTreeMap<u64, Leftover>,
    next: u64,
    /// When patience is over; `None`: nothing is left.
    until: Option<Instant>,
    /// Slots that were free once, or have become so: ours.
    ours: BTreeSet<u32>,
    /// Slots that somebody was refused.
    closed: BTreeSet<u32>,
    /// Whether any lock was held at the beginning.
    any_held: bool,
}

#[derive(Debug)]
struct Leftover {
    pid: i32,
    pidfd: OwnedFd,
    /// Empty: a stray.
    slots: Vec<u32>,
}

/// One that is new, for the caller to watch: its number, and the descriptor that is readable at its end.
pub type Found = (u64, i32);

impl Takeover {
    /// Looks at what there is, and ends the strays.
    pub fn begin(
        lock: LifeLock,
        dead_runs: Vec<String>,
        patience: Duration,
        now: Instant,
    ) -> (Self, Vec<Found>) {
        let mut takeover = Self {
            lock,
            dead_runs,
            patience,
            leftovers: BTreeMap::new(),
            next: 0,
            until: None,
            ours: BTreeSet::new(),
            closed: BTreeSet::new(),
            any_held: false,
        };
        takeover.any_held = takeover.lock.is_any_held().unwrap_or_else(|failed| {
            warn!("the life lock cannot be looked at: {failed}");
            false
        });
        let found = takeover.look(now);
        for leftover in takeover.leftovers.values() {
            let pid = leftover.pid;
            match leftover.slots.as_slice() {
                [] => info!("pid {pid} was left behind by a killed sidecar: ended"),
                slots => info!(
                    "pid {pid} still holds slot {slots:?} of a killed sidecar; KILL in {} s if it has not ended by \
                     itself",
                    takeover.patience.as_secs_f64()
                ),
            }
        }
        (takeover, found)
    }

    /// What is readable at its end.
    #[must_use]
    pub fn raw_fd(&self, number: u64) -> Option<i32> {
        self.leftovers.get(&number).map(|leftover| leftover.pidfd.as_raw_fd())
    }

    /// Whether nothing of a dead run is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.leftovers.is_empty() && self.closed.is_empty()
    }

    /// Whether the slot may be used; asked before each start.
    pub fn may_start(&mut self, slot: u32, now: Instant) -> bool {
        if self.ours.contains(&slot) {
            return true;
        }
        let stray = self.leftovers.values().any(|leftover| leftover.slots.is_empty());
        let held = self.any_held && self.lock.is_held(slot).unwrap_or(false);
        if stray || held {
            self.closed.insert(slot);
            self.until.get_or_insert(now + self.patience);
            return false;
        }
        self.closed.remove(&slot);
        self.ours.insert(slot);
        true
    }

    /// One of them has ended; others that turn up in its place.
    pub fn ended(&mut self, number: u64, now: Instant) -> Vec<Found> {
        self.leftovers.remove(&number);
        if !self.leftovers.is_empty() {
            return Vec::new();
        }
        // Something that was being started, or in the middle of an execve, may have been missed.
        let found = self.look(now);
        if self.leftovers.is_empty() && self.closed.is_empty() {
            self.until = None;
        }
        found
    }

    /// When [`Takeover::expire`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// Patience is over: KILL; others that have turned up.
    pub fn expire(&mut self, now: Instant) -> Vec<Found> {
        let found = self.look(now);
        let strays = |leftover: &Leftover| leftover.slots.is_empty();
        for stray in self.leftovers.values().filter(|leftover| strays(leftover)) {
            error!("pid {} does not end after KILL: nobody waits for it any longer", stray.pid);
        }
        self.leftovers.retain(|_, leftover| !strays(leftover));
        for leftover in self.leftovers.values() {
            warn!(
                "pid {} still holds slot {:?} of a killed sidecar after {} s: KILL",
                leftover.pid,
                leftover.slots,
                self.patience.as_secs_f64()
            );
            kill(leftover);
        }
        let named = |slot: &u32| self.leftovers.values().any(|leftover| leftover.slots.contains(slot));
        for slot in self.closed.iter().filter(|slot| !named(slot)) {
            if self.lock.is_held(*slot).unwrap_or(false) {
                error!(
                    "slot {slot} is held by a process that cannot be seen from here (another user's, or in another \
                     PID namespace): nothing is started there until it ends"
                );
            }
        }
        self.until = (!self.is_over()).then(|| now + self.patience);
        found
    }

    /// Adds what is there and not known yet; strays are ended.
    fn look(&mut self, now: Instant) -> Vec<Found> {
        let mut seen: Vec<Leftover> = Vec::new();
        if self.any_held {
            let foreign = |slots: &Vec<u32>| !slots.iter().all(|slot| self.ours.contains(slot));
            let holders = self.lock.holders().into_iter().filter(|holder| foreign(&holder.slots));
            seen.extend(holders.map(|holder| Leftover {
                pid: holder.pid,
                pidfd: holder.pidfd,
                slots: holder.slots,
            }));
        }
        for run in &self.dead_runs {
            for stray in strays::of_run(run) {
                if seen.iter().all(|leftover| leftover.pid != stray.pid) {
                    seen.push(Leftover { pid: stray.pid, pidfd: stray.pidfd, slots: Vec::new() });
                }
            }
        }
        let mut found = Vec::new();
        for leftover in seen {
            if self.leftovers.values().any(|known| known.pid == leftover.pid) {
                continue;
            }
            if leftover.slots.is_empty() {
                kill(&leftover);
            }
            self.next += 1;
            found.push((self.next, leftover.pidfd.as_raw_fd()));
            self.leftovers.insert(self.next, leftover);
        }
        if !found.is_empty() {
            self.until.get_or_insert(now + self.patience);
        }
        found
    }
}

fn kill(leftover: &Leftover) {
    if let Err(failed) = sys::pidfd_send_signal(leftover.pidfd.as_fd(), libc::SIGKILL)
        && failed.raw_os_error() != Some(libc::ESRCH)
    {
        warn!("KILL to pid {}: {failed}", leftover.pid);
    }
}
