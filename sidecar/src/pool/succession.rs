//! Who follows whom: a start, an end, and what fills the slot again.
//!
//! # How it works
//! What was wanted is replaced at once and counts for nothing. Of the rest a long run and the first short one in a row are
//! replaced at once, further short ones wait ([`Backoff`](crate::backoff::Backoff)), and too many failures within
//! `start_window` park the slot. In a reload the next worker is the successor.

use std::time::{Duration, Instant};

use log::Level;
use rustdaemon_core::link::ExitReason;

use super::Pool;
use super::reload::Deploy;
use crate::ids::WorkerId;
use crate::life::{Gate, Life, State};
use crate::order::{Hook, Moment, Order};
use crate::reason::Why;

/// A parked slot is tried again after this long: never a permanent FATAL.
const PARKED_RETRY: Duration = Duration::from_secs(300);

/// A start that failed is tried again after this long at the earliest.
const NOT_STARTED_RETRY: Duration = Duration::from_millis(100);
/// Said once.
const NO_INSTALL: &str = "; it never called RustDaemon\\Worker::install(): \
    load extension=rustdaemon.so and call it, or say --no-link (link = false in a file) for a command that does not";

impl Pool {
    pub(super) fn spawn(&mut self, now: Instant, number: usize) -> Option<Order> {
        let order = self.spawn_as(now, number, self.generation)?;
        let Order::Spawn { worker, .. } = order else { return None };
        self.slots.get_mut(number)?.current = Some(worker);
        Some(order)
    }

    pub(super) fn spawn_as(&mut self, now: Instant, number: usize, generation: u32) -> Option<Order> {
        let config = &self.config;
        let slot = self.slots.get_mut(number)?;
        slot.retry_at = None;
        slot.restarts += u64::from(slot.last_exit.is_some() && slot.current.is_none());
        let worker = WorkerId::new(self.number, self.next_worker);
        self.next_worker += 1;
        let mut life = Life::new(now, worker, number, generation, config.link);
        match config.link {
            true => life.unready_at = Some(now + config.ready_timeout),
            false => life.ready_at = Some(now + config.ready_after),
        }
        let mut less = || 1.0 - config.jitter * self.jitter.next_fraction();
        life.max_requests = config.max_requests.map(|limit| ((limit as f64 * less()) as u64).max(1));
        life.memory_soft = config.memory_soft.map(|limit| (limit as f64 * less()) as u64);
        life.ends_at = config.max_lifetime.map(|limit| now + limit.mul_f64(less()));
        self.lives.insert(life);
        self.arm_sample(now, worker);
        Some(Order::Spawn { worker, slot: u32::try_from(number).unwrap_or(u32::MAX) })
    }

    /// A worker is no more, and what follows.
    pub(super) fn ended(&mut self, now: Instant, worker: WorkerId, reason: ExitReason) -> Vec<Order> {
        let name = self.name_of(worker);
        let Some(life) = self.lives.remove(worker) else { return Vec::new() };
        let number = life.slot;
        let ran = now.saturating_duration_since(life.spawned_at);
        let planned = life.ending.as_ref().is_some_and(|ending| ending.why.is_planned());
        let pid = life.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
        let started = reason.reason != "not_started";
        let never_ready = self.offered.is_none(); // who was ready once knows how to
        let no_hello = life.gate == Gate::Away && started && life.ending.is_none() && never_ready;
        let hint = match no_hello && self.warned.insert(NO_INSTALL.to_owned()) {
            true => NO_INSTALL,
            false => "",
        };
        let told = match started {
            true => format!("{name} ended ({}{pid}) after {:.1} s{hint}", reason.message, ran.as_secs_f64()),
            false => format!("{name}: {}", reason.message),
        };
        let mut orders = Vec::new();
        if started {
            orders.extend(self.hook(Moment::Exit, number, life.generation, &reason.reason));
        }
        let Some(slot) = self.slots.get_mut(number) else { return orders };
        let log = reason.log.clone();
        let is_current = slot.current == Some(worker);
        if slot.next == Some(worker) {
            slot.next = None;
            orders.push(Order::Say(Level::Warn, told.clone()));
            orders.extend(self.fail_deploy(now, told, log, None));
            return orders;
        }
        if life.ending.as_ref().is_some_and(|ending| ending.why == Why::NotDeployed) {
            orders.push(Order::Say(Level::Info, told));
            return orders; // it never had the slot
        }
        slot.last_exit = Some(Box::new(reason.clone()));
        slot.last_worker = Some(worker);
        if !is_current {
            orders.push(Order::Say(Level::Info, told));
            return orders; // an old generation's
        }
        slot.current = None;
        slot.vacate(State::Stopped, now);
        if self.stopping || !slot.wanted {
            orders.push(Order::Say(Level::Info, told.clone()));
            let awaited =
                |deploy: &Deploy| deploy.awaited.contains(&worker) || deploy.after_end.contains(&number);
            if self.deploy.as_ref().is_some_and(awaited) {
                orders.extend(self.fail_deploy(now, told, log, Some(number)));
            }
            return orders;
        }
        if let Some(next) = slot.next {
            // In a reload: the next one is the successor, where it waits at the gate for this end.
            orders.push(Order::Say(Level::Info, told));
            if let Some(Gate::Held(_)) = self.lives.get(next).map(|life| life.gate) {
                orders.extend(self.promote(now, number, next));
            }
            return orders;
        }
        if let Some(deploy) = &mut self.deploy {
            let generation = deploy.generation;
            if deploy.after_end.remove(&number) {
                orders.push(Order::Say(Level::Info, told));
                orders.extend(self.promote_spawn(now, number, generation));
                return orders;
            }
            if deploy.awaited.contains(&worker) {
                // The old one has gone already: this one is the slot's, and follows the ordinary rules.
                orders.extend(self.fail_deploy(now, told.clone(), log, Some(number)));
            }
        }
        orders.extend(self.replace(now, number, &life, &reason, planned, told));
        orders
    }

    /// Fills a slot again: at once, after a while, or not for now.
    pub(super) fn replace(
        &mut self,
        now: Instant,
        number: usize,
        life: &Life,
        reason: &ExitReason,
        planned: bool,
        told: String,
    ) -> Vec<Order> {
        let name = self.slot_name(number);
        let (short_run, window) = (self.config.short_run, self.config.start_window);
        let (backoff_max, limit) = (self.config.backoff_max, self.config.start_limit as usize);
        let jitter = self.jitter.next_fraction();
        if planned {
            let line = Order::Say(Level::Info, told);
            return std::iter::once(line).chain(self.spawn(now, number)).collect();
        }
        let Some(slot) = self.slots.get_mut(number) else { return Vec::new() };
        let ran = now.saturating_duration_since(life.spawned_at);
        if !short_run.is_zero() && (ran < short_run || !life.ready) {
            slot.failures.push(now);
        }
        slot.failures.retain(|at| now.saturating_duration_since(*at) < window);
        let refused = life.gate == Gate::Refused && life.ending.is_none();
        let failures = slot.failures.len();
        if refused || (failures >= limit && !short_run.is_zero()) {
            slot.failures.clear();
            slot.vacate(State::Parked, now);
            slot.retry_at = Some(now + PARKED_RETRY);
            self.retrying = true;
            let why = match refused {
                true => String::new(),
                false => format!(" after {failures} failures within {} s", window.as_secs_f64()),
            };
            let line = format!(
                "{told}; {name} is parked{why} and tried again in 5 minutes; rustdaemon start {name} tries at once"
            );
            let mut orders = vec![Order::Say(Level::Error, line)];
            orders.extend(self.hook(Moment::Parked, number, life.generation, &reason.reason));
            return orders;
        }
        // What could not even be started would be tried again in the same breath, also where no run is short.
        let least = (reason.reason == "not_started").then_some(NOT_STARTED_RETRY);
        let Some(wait) = slot.backoff.wait_after(ran, short_run, backoff_max, jitter).max(least) else {
            let line = Order::Say(Level::Warn, format!("{told}; started again"));
            return std::iter::once(line).chain(self.spawn(now, number)).collect();
        };
        slot.vacate(State::Backoff, now);
        slot.retry_at = Some(now + wait);
        self.retrying = true;
        let (runs, seconds) = (slot.backoff.short_runs(), wait.as_secs_f64());
        vec![Order::Say(
            Level::Warn,
            format!("{told}; short run {runs} in a row, next start in {seconds:.1} s"),
        )]
    }

    pub(super) fn hook(&self, moment: Moment, slot: usize, generation: u32, reason: &str) -> Option<Order> {
        let command = match moment {
            Moment::Ready => &self.config.on_ready,
            Moment::Exit => &self.config.on_exit,
            Moment::Parked => &self.config.on_parked,
        };
        (!command.is_empty()).then(|| {
            let (command, reason) = (command.clone(), reason.to_owned());
            let pool = self.config.name.clone();
            Order::Hook(Box::new(Hook { moment, command, pool, slot, generation, reason }))
        })
    }
}
