//! What is watched in a living worker: its limits, and whether it hangs.
//!
//! # How it works
//! Memory is looked at once a second while a worker is busy or may be so without our knowing, and once more after each
//! request: a farm that waits has no timer. A hang is looked at when `hang_timeout` has passed since the request began,
//! or since progress(); work that came with a deadline has until then. Limits take one worker of a pool at a time, after the one before it has been replaced.

use std::time::{Duration, Instant};

use log::Level;

use super::Pool;
use crate::config::HangAction;
use crate::ids::WorkerId;
use crate::life::{Ending, Gate, Life, Phase};
use crate::order::Order;
use crate::reason::{Look, Why};

/// Between two looks at a worker's memory.
const SAMPLE: Duration = Duration::from_secs(1);

impl Pool {
    /// How much memory the worker has, in bytes.
    pub fn sampled(&mut self, now: Instant, worker: WorkerId, bytes: u64) -> Vec<Order> {
        let hard = self.config.memory_hard;
        let Some(mut life) = self.lives.change(worker) else { return Vec::new() };
        // A draining generation is exempt; who was killed cannot be killed more.
        let exempt = |ending: &Ending| ending.why == Why::Reload || ending.phase >= Phase::Killed;
        if life.ending.as_ref().is_some_and(exempt) {
            return Vec::new();
        }
        if let Some(limit) = hard.filter(|limit| bytes > *limit) {
            drop(life);
            return self.kill(now, worker, Why::MemoryHard(bytes, limit));
        }
        if let Some(limit) = life.memory_soft.filter(|limit| bytes > *limit) {
            life.due.get_or_insert(Why::MemorySoft(bytes, limit));
        }
        drop(life);
        self.start_due(now)
    }

    /// What a worker does that has been busy for `hang_timeout`.
    pub fn observed(&mut self, now: Instant, worker: WorkerId, look: &Look) -> Vec<Order> {
        let name = self.name_of(worker);
        let Some(timeout) = self.config.hang_timeout else { return Vec::new() };
        let restart = self.config.hang_action == HangAction::Restart;
        let Some(mut life) = self.lives.change(worker) else { return Vec::new() };
        // Whoever is spared, or has nothing in hand, is looked at again after hang_timeout.
        let quiet = match look.quiet.filter(|_| !look.spared) {
            Some(quiet) => quiet.min(now.saturating_duration_since(self.awake_since)),
            None => {
                life.hang_told &= look.spared;
                return Vec::new();
            }
        };
        let rested = now.saturating_duration_since(self.awake_since) < timeout; // its deadline stood still too
        let left = look.left.filter(|left| !left.is_zero() || !rested);
        let hangs_in = left.unwrap_or_else(|| timeout.saturating_sub(quiet));
        if !hangs_in.is_zero() {
            life.hang_at = Some(now + hangs_in.min(timeout)); // what is in hand by then may have no deadline
            life.hang_told = false;
            return Vec::new();
        }
        if !life.jobs {
            life.hang_at = None; // the next request is another matter
        }
        if std::mem::replace(&mut life.hang_told, true) && !restart {
            return Vec::new(); // said once
        }
        drop(life);
        let told = format!("{}, for {:.1} s without progress", look.doing, quiet.as_secs_f64());
        if restart {
            let line = format!("{name} hangs and is restarted: {told}");
            let mut orders = vec![Order::Say(Level::Error, line)];
            orders.extend(self.end(now, worker, Why::Hang(told), false));
            if !orders.contains(&Order::Terminate(worker)) {
                orders.push(Order::Terminate(worker));
            }
            return orders;
        }
        let line = format!("{name} hangs: {told}; hang_action = \"report\" leaves it alone");
        vec![Order::Say(Level::Error, line)]
    }

    /// A worker has taken longer than `ready_timeout`.
    pub(super) fn is_late(&mut self, now: Instant, worker: WorkerId) -> Vec<Order> {
        let name = self.name_of(worker);
        let seconds = self.config.ready_timeout.as_secs_f64();
        let Some(life) = self.lives.get(worker).filter(|life| !life.ready && life.ending.is_none()) else {
            return Vec::new();
        };
        let what = match life.gate {
            Gate::Away => format!(
                "has not called RustDaemon\\Worker::install() for {seconds} s; \
                 a command that never calls it needs --no-link (link = false in a file)"
            ),
            _ => format!(
                "has called RustDaemon\\Worker::install(), but neither run() nor tick() nor ready() \
                 for {seconds} s: it gets no request"
            ),
        };
        let mut orders = vec![Order::Say(Level::Warn, format!("{name} {what}"))];
        if self.slots.iter().any(|slot| slot.next == Some(worker)) {
            // With its end come its last lines, and the reload's.
            orders.extend(self.end(now, worker, Why::Hang(format!("it {what}")), false));
        } else if self.deploy.as_ref().is_some_and(|deploy| deploy.awaited.contains(&worker)) {
            orders.extend(self.fail_deploy(now, format!("{name} {what}"), Vec::new(), None));
        } else if self.config.hang_action == HangAction::Restart {
            orders.extend(self.end(now, worker, Why::Hang(format!("not ready after {seconds} s")), false));
        }
        orders
    }

    /// Plans the next look at a worker's memory: while it is busy, or may be so without our knowing; once more after
    /// each request. A farm that waits is not looked at.
    pub(super) fn arm_sample(&mut self, now: Instant, worker: WorkerId) {
        if self.config.memory_soft.or(self.config.memory_hard).is_none() {
            return;
        }
        if let Some(mut life) = self.lives.change(worker)
            && life.sample_at.is_none()
            && (!life.ready || !life.linked || life.jobs || life.has_requests())
            && life.ending.as_ref().is_none_or(|ending| ending.phase < Phase::Killed)
        {
            life.sample_at = Some(now + SAMPLE);
        }
    }

    /// Ends workers that have reached a limit, one of the pool at a time.
    pub(super) fn start_due(&mut self, now: Instant) -> Vec<Order> {
        let mut orders = Vec::new();
        while self.lives.any_due() {
            let mut current = self.slots.iter().filter_map(|slot| self.lives.get(slot.current?));
            if self.stopping || self.deploy.is_some() || current.clone().any(Life::is_out) {
                return orders;
            }
            let Some((worker, why)) = current.find_map(|life| Some((life.worker, life.due.clone()?))) else {
                return orders;
            };
            let line = format!("{} is replaced: {}", self.name_of(worker), why.sentence());
            orders.push(Order::Say(Level::Info, line));
            orders.extend(self.end(now, worker, why, true));
        }
        orders
    }
}
