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
//! is asked for again every 5 s. A process that KILL does not end keeps its slot closed; a stray that
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

/// What cannot be waited for is looked at again after this long, or after `takeover_timeout` where that is longer.
const AGAIN: Duration = Duration::from_secs(5);

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
    /// Strays that KILL does not end.
    given_up: BTreeSet<i32>,
    /// Slots of which it was said that their holder cannot be seen.
    unseen: BTreeSet<u32>,
    /// Whether any lock was held at the beginning.
    any_held: bool,
}

#[derive(Debug)]
struct Leftover {
    pid: i32,
    pidfd: OwnedFd,
    /// Empty: a stray.
    slots: Vec<u32>,
    killed: bool,
    since: Instant,
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
            given_up: BTreeSet::new(),
            unseen: BTreeSet::new(),
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

    /// Whether anybody is waited for.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.leftovers.is_empty()
    }

    /// The sidecar stops, and its budget is spent: KILL for whoever is left.
    pub fn kill_all(&mut self) {
        self.leftovers.values_mut().filter(|leftover| !leftover.killed).for_each(kill);
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
        let long_ago = now.checked_sub(self.patience.max(AGAIN));
        let strays = self.leftovers.extract_if(.., |_, leftover| {
            leftover.slots.is_empty() && long_ago.is_some_and(|long_ago| leftover.since <= long_ago)
        });
        for (_, stray) in strays {
            error!("pid {} does not end after KILL: nobody waits for it any longer", stray.pid);
            self.given_up.insert(stray.pid);
        }
        let found = self.look(now);
        for leftover in self.leftovers.values_mut().filter(|leftover| !leftover.killed) {
            warn!(
                "pid {} still holds slot {:?} of a killed sidecar after {} s: KILL",
                leftover.pid,
                leftover.slots,
                self.patience.as_secs_f64()
            );
            kill(leftover);
        }
        // A start that was given up waits for nothing any more.
        let lock = &self.lock;
        self.closed.retain(|slot| lock.is_held(*slot).unwrap_or(false));
        let named = |slot: &u32| self.leftovers.values().any(|leftover| leftover.slots.contains(slot));
        for slot in self.closed.iter().filter(|slot| !named(slot)) {
            if self.lock.is_held(*slot).unwrap_or(false) && self.unseen.insert(*slot) {
                error!(
                    "slot {slot} is held by a process that cannot be seen from here (another user's, or in another \
                     PID namespace): nothing is started there until it ends"
                );
            }
        }
        self.until = (!self.is_over()).then(|| now + self.patience.max(AGAIN));
        found
    }

    /// Adds what is there and not known yet; strays are ended.
    fn look(&mut self, now: Instant) -> Vec<Found> {
        let mut seen: Vec<Leftover> = Vec::new();
        if self.any_held {
            let foreign = |slots: &Vec<u32>| !slots.iter().all(|slot| self.ours.contains(slot));
            let spared = strays::self_and_ancestors();
            let holders = self.lock.holders().into_iter();
            let holders = holders.filter(|holder| foreign(&holder.slots) && !spared.contains(&holder.pid));
            seen.extend(holders.map(|holder| Leftover {
                pid: holder.pid,
                pidfd: holder.pidfd,
                slots: holder.slots,
                killed: false,
                since: now,
            }));
        }
        for run in &self.dead_runs {
            for stray in strays::of_run(run) {
                if seen.iter().all(|leftover| leftover.pid != stray.pid) {
                    seen.push(Leftover {
                        pid: stray.pid,
                        pidfd: stray.pidfd,
                        slots: Vec::new(),
                        killed: false,
                        since: now,
                    });
                }
            }
        }
        let mut found = Vec::new();
        for mut leftover in seen {
            let known = self.leftovers.values().any(|known| known.pid == leftover.pid);
            if known || self.given_up.contains(&leftover.pid) {
                continue;
            }
            if leftover.slots.is_empty() {
                kill(&mut leftover);
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

fn kill(leftover: &mut Leftover) {
    leftover.killed = true;
    if let Err(failed) = sys::pidfd_send_signal(leftover.pidfd.as_fd(), libc::SIGKILL)
        && failed.raw_os_error() != Some(libc::ESRCH)
    {
        warn!("KILL to pid {}: {failed}", leftover.pid);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};
    use std::sync::atomic::{AtomicU32, Ordering};

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use rustdaemon_core::link::RUN_VARIABLE;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A socket's directory, and children that are ended with it.
    struct Scene {
        directory: PathBuf,
        run: String,
        children: Vec<Child>,
    }

    impl Scene {
        fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let directory = std::env::temp_dir().join(format!("rd-takeover-{}-{number}", std::process::id()));
            std::fs::create_dir_all(&directory).unwrap();
            let run = format!("{:08x}{number:08x}", std::process::id());
            Self { directory, run, children: Vec::new() }
        }

        fn lock(&self) -> LifeLock {
            LifeLock::of(&self.directory.join("s"))
        }

        /// Something of the dead run; with a slot, a worker.
        fn left_behind(&mut self, slot: Option<u32>) {
            let mut command = Command::new("sleep");
            command.arg("60").env(RUN_VARIABLE, format!("{}/0", self.run));
            if let Some(slot) = slot {
                command.stdin(Stdio::from(self.lock().hold(slot).unwrap()));
            }
            self.children.push(command.spawn().unwrap());
            // In the middle of its execve it has no environment yet.
            while strays::of_run(&self.run).len() < self.children.len() {
                std::thread::yield_now();
            }
        }

        fn begin(&self, now: Instant) -> (Takeover, Vec<Found>) {
            Takeover::begin(self.lock(), vec![self.run.clone()], PATIENCE, now)
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            for child in &mut self.children {
                let _ = child.kill();
                let _ = child.wait();
            }
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }

    #[track_caller]
    fn await_end(takeover: &Takeover, (number, _): Found) {
        let pidfd = takeover.leftovers[&number].pidfd.as_fd();
        let ended = poll(&mut [PollFd::new(pidfd, PollFlags::POLLIN)], PollTimeout::from(10_000_u16));
        assert_eq!(ended, Ok(1), "not ended within 10 s");
    }

    #[test]
    fn where_nothing_was_left_everything_may_start() {
        let now = Instant::now();
        let (mut takeover, found) = Scene::new().begin(now);
        assert_eq!(found, []);
        assert!(takeover.is_over() && takeover.may_start(0, now) && takeover.may_start(7, now));
        assert_eq!(takeover.deadline(), None);
    }

    #[test]
    fn a_held_slot_is_closed_until_its_holder_has_ended_by_itself() {
        let mut scene = Scene::new();
        scene.left_behind(Some(3));
        let now = Instant::now();
        let (mut takeover, found) = scene.begin(now);
        assert_eq!(found.len(), 1);
        assert!(!takeover.may_start(3, now) && takeover.may_start(2, now));
        assert!(!takeover.is_over());
        assert_eq!(takeover.deadline(), Some(now + PATIENCE));
        assert!(scene.children[0].try_wait().unwrap().is_none(), "it may finish what it has");
        scene.children[0].kill().unwrap();
        await_end(&takeover, found[0]);
        assert_eq!(takeover.ended(found[0].0, now), []);
        assert!(takeover.may_start(3, now) && takeover.is_over());
        let _own = scene.lock().hold(3).unwrap();
        assert!(takeover.may_start(3, now), "what holds it now is ours");
    }

    #[test]
    fn a_holder_is_killed_when_patience_is_over() {
        let mut scene = Scene::new();
        scene.left_behind(Some(0));
        let now = Instant::now();
        let (mut takeover, found) = scene.begin(now);
        assert!(!takeover.may_start(0, now));
        assert_eq!(takeover.expire(now + PATIENCE), []);
        await_end(&takeover, found[0]);
        takeover.ended(found[0].0, now);
        assert!(takeover.may_start(0, now) && takeover.is_over());
        assert_eq!(takeover.expire(now + 2 * PATIENCE), []);
        assert_eq!(takeover.deadline(), None);
    }

    #[test]
    fn a_stray_that_does_not_end_is_waited_for_but_not_for_ever() {
        let mut scene = Scene::new();
        scene.left_behind(None);
        let now = Instant::now();
        let (mut takeover, found) = scene.begin(now);
        takeover.patience = Duration::ZERO; // as if takeover_timeout were 0s
        assert_eq!(takeover.expire(now), []);
        assert!(!takeover.may_start(0, now), "it may just be ending");
        assert!(takeover.deadline().is_some_and(|at| at > now), "no busy loop");
        assert_eq!(takeover.expire(now + AGAIN), []);
        assert!(takeover.may_start(0, now) && takeover.is_over());
        drop(found);
    }

    #[test]
    fn a_stray_is_killed_at_once_and_nothing_starts_before_its_end() {
        let mut scene = Scene::new();
        scene.left_behind(None);
        let now = Instant::now();
        let (mut takeover, found) = scene.begin(now);
        assert!(!takeover.may_start(0, now));
        await_end(&takeover, found[0]);
        takeover.ended(found[0].0, now);
        assert!(takeover.may_start(0, now) && takeover.is_over());
    }
}
