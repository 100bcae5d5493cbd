//! A reload: a new generation of workers beside the old one.
//!
//! # How it works
//! Every slot that is wanted gets a next worker. Where two may run at a time, the next ones boot, become ready, and when
//! all of them are, they take the slots together: the old ones are drained. A singleton's next one waits at the gate: that
//! it stands there is the moment at which the old one is drained, whose end lets it in. Without a link there is no gate,
//! and a singleton is ended before its successor is started.
//! A next one that ends before it is ready, or is not ready in time, fails the whole reload, and what there is of the old
//! generation stays.

use std::collections::BTreeSet;
use std::time::Instant;

use log::Level;
use rustdaemon_core::link::Method;

use super::{Pool, Slot};
use crate::backoff::Backoff;
use crate::ids::WorkerId;
use crate::life::{Gate, Life, State};
use crate::order::Order;
use crate::reason::Why;

/// A reload under way.
#[derive(Clone, Debug)]
pub(super) struct Deploy {
    pub(super) generation: u32,
    /// Those of its workers that are not ready yet.
    pub(super) awaited: BTreeSet<WorkerId>,
    /// Slots whose command cannot run twice at a time and has no gate: started when the old one has ended.
    pub(super) after_end: BTreeSet<usize>,
}

impl Pool {
    /// Starts a new generation beside the old one; [`Order::Reloaded`] tells how it went.
    ///
    /// # Errors
    /// One sentence: why not now.
    pub fn reload(&mut self, now: Instant) -> Result<Vec<Order>, String> {
        let name = &self.config.name;
        if self.stopping {
            return Err("the daemon is stopping".into());
        }
        if self.deploy.is_some() {
            return Err(format!("a reload of {name} is under way; wait for its end"));
        }
        let generation = self.generation + 1;
        self.deploy = Some(Deploy { generation, awaited: BTreeSet::new(), after_end: BTreeSet::new() });
        let line = format!("{name}: reload: generation {generation} is started");
        let mut orders = vec![Order::Say(Level::Info, line)];
        for number in 0..self.slots.len() {
            let stuck = |slot: &Slot| {
                let life = slot.current.and_then(|worker| self.lives.get(worker));
                life.is_some_and(|life| life.state == State::Unkillable)
            };
            let stuck = self.slots.get(number).is_some_and(stuck);
            let Some(slot) = self.slots.get_mut(number).filter(|slot| slot.wanted && !stuck) else {
                continue;
            };
            slot.retry_at = None;
            slot.failures.clear();
            slot.backoff = Backoff::default();
            let current = slot.current;
            match current {
                // Without a gate nobody could hold the next one back.
                Some(worker) if !self.config.link && self.is_singleton() => {
                    if let Some(deploy) = &mut self.deploy {
                        deploy.after_end.insert(number);
                    }
                    orders.extend(self.end(now, worker, Why::Reload, true));
                }
                _ => orders.extend(self.spawn_next(now, number, generation)),
            }
        }
        orders.extend(self.finish_deploy(now));
        Ok(orders)
    }

    /// Whether a reload is under way.
    #[must_use]
    pub fn is_reloading(&self) -> bool {
        self.deploy.is_some()
    }

    pub(super) fn spawn_next(&mut self, now: Instant, number: usize, generation: u32) -> Option<Order> {
        let order = self.spawn_as(now, number, generation)?;
        let Order::Spawn { worker, .. } = order else { return None };
        if let Some(slot) = self.slots.get_mut(number) {
            slot.next = Some(worker);
        }
        if let Some(deploy) = &mut self.deploy {
            deploy.awaited.insert(worker);
        }
        Some(order)
    }

    /// Hands the slots over once all of the new generation are ready.
    pub(super) fn finish_deploy(&mut self, now: Instant) -> Vec<Order> {
        let done = |deploy: &mut Deploy| deploy.awaited.is_empty() && deploy.after_end.is_empty();
        let Some(deploy) = self.deploy.take_if(done) else { return Vec::new() };
        self.generation = deploy.generation;
        let mut orders = Vec::new();
        let mut old = Vec::new();
        for slot in &mut self.slots {
            if let Some(next) = slot.next.take() {
                slot.restarts += 1;
                old.extend(slot.current.replace(next));
            }
        }
        let methods: Vec<Vec<Method>> = self
            .slots
            .iter()
            .filter_map(|slot| Some(self.lives.get(slot.current?)?.methods.clone()))
            .collect();
        self.offered = None;
        for methods in methods {
            self.offer_all(methods);
        }
        for worker in old {
            orders.extend(self.end(now, worker, Why::Reload, true));
        }
        let line = format!("{}: generation {} serves", self.config.name, self.generation);
        orders.push(Order::Say(Level::Info, line));
        orders.push(Order::Reloaded(Ok(self.generation)));
        orders
    }

    /// The new generation did not come up: what there is of it is ended, the old one stays where it lives.
    /// `but`: a slot that somebody else fills again.
    pub(super) fn fail_deploy(
        &mut self,
        now: Instant,
        why: String,
        log: Vec<String>,
        but: Option<usize>,
    ) -> Vec<Order> {
        let Some(deploy) = self.deploy.take() else { return Vec::new() };
        let generation = deploy.generation;
        let new = |life: &Life| life.generation == generation && life.gate == Gate::Passed;
        let mut current = self.slots.iter().filter_map(|slot| self.lives.get(slot.current?));
        let is_in = but.is_some() || current.any(new);
        if is_in {
            // A singleton's: what is started from here on is of the new one, and what that offers nobody knows yet.
            self.generation = generation;
            self.offered = None;
        }
        let mut orders = Vec::new();
        let mut vacant = Vec::new();
        for number in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(number) else { continue };
            let next = slot.next.take();
            if slot.current.is_none() && slot.wanted && slot.retry_at.is_none() && but != Some(number) {
                vacant.push(number);
            }
            if let Some(worker) = next {
                orders.extend(self.end(now, worker, Why::NotDeployed, false));
            }
        }
        for number in vacant {
            orders.extend(self.spawn(now, number));
        }
        let name = &self.config.name;
        let line = format!("{name}: reload: generation {generation} is refused: {why}");
        orders.insert(0, Order::Say(Level::Error, line));
        let old = if is_in { "has ended" } else { "stays" };
        orders.push(Order::Reloaded(Err((format!("the old generation {old}: {why}"), log))));
        orders
    }

    /// The next worker passes the gate and is the slot's from here on.
    pub(super) fn promote(&mut self, now: Instant, number: usize, next: WorkerId) -> Option<Order> {
        let slot = self.slots.get_mut(number)?;
        slot.next = None;
        slot.current = Some(next);
        slot.restarts += 1;
        self.let_in(now, next)
    }

    pub(super) fn promote_spawn(&mut self, now: Instant, number: usize, generation: u32) -> Option<Order> {
        let order = self.spawn_as(now, number, generation)?;
        let Order::Spawn { worker, .. } = order else { return None };
        self.slots.get_mut(number)?.current = Some(worker);
        self.deploy.as_mut()?.awaited.insert(worker);
        Some(order)
    }
}
