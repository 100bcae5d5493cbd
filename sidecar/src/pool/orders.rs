//! What an operator asks of a pool: all of it at a stop, some slots otherwise.
//!
//! # Rules
//! An order to a slot holds beyond its worker: who follows it is paused, or not started, as well.

use std::time::Instant;

use super::Pool;
use crate::backoff::Backoff;
use crate::control::Command;
use crate::life::{Life, State};
use crate::order::Order;
use crate::reason::Why;

impl Pool {
    /// Stops everything within `stop_timeout`.
    pub fn stop(&mut self, now: Instant) -> Vec<Order> {
        if self.stopping {
            return Vec::new();
        }
        self.stopping = true;
        let mut orders = Vec::new();
        if self.deploy.take().is_some() {
            orders.push(Order::Reloaded(Err(("the daemon is stopping".into(), Vec::new()))));
        }
        for slot in &mut self.slots {
            slot.retry_at = None;
            slot.vacant = (State::Stopped, now);
        }
        for worker in self.lives.workers() {
            orders.extend(self.end(now, worker, Why::Stop, false));
        }
        orders
    }

    /// Ends everything now.
    pub fn stop_now(&mut self, now: Instant) -> Vec<Order> {
        let mut orders = self.stop(now);
        orders.retain(|order| matches!(order, Order::Say(..) | Order::Reloaded(_)));
        for worker in self.lives.workers() {
            if let Some(mut life) = self.lives.change(worker) {
                life.killed(now, self.config.stop_timeout, Why::Stop);
            }
            orders.push(Order::Kill(worker));
        }
        orders
    }

    /// Whether it is stopping, or has stopped.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether no worker of a slot lives, of whichever generation.
    #[must_use]
    pub fn is_empty(&self, slot: usize) -> bool {
        self.lives.values().all(|life| life.slot != slot)
    }

    /// The machine, or the sidecar, has stood still until now: who looks quiet may only have been asleep.
    pub fn stood_still(&mut self, now: Instant) {
        self.awake_since = now;
    }

    /// Whether a stop has come to its end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopping && self.lives.values().all(|life| life.state == State::Unkillable)
    }

    /// Does what an operator wants of these slots.
    pub fn command(&mut self, now: Instant, slots: &[usize], command: Command) -> Vec<Order> {
        if self.stopping {
            return Vec::new();
        }
        let mut orders = Vec::new();
        for number in slots.iter().copied() {
            let Some(slot) = self.slots.get_mut(number) else { continue };
            let current = slot.current;
            match command {
                Command::Restart | Command::Start => {
                    let restart = command == Command::Restart;
                    slot.wanted = true;
                    slot.failures.clear();
                    slot.backoff = Backoff::default();
                    match current {
                        None if slot.next.is_none() => orders.extend(self.spawn(now, number)),
                        None => {}
                        Some(worker) if restart => orders.extend(self.end(now, worker, Why::Restart, true)),
                        Some(_) => {}
                    }
                }
                Command::Stop => {
                    slot.wanted = false;
                    slot.retry_at = None;
                    if current.is_none() {
                        slot.vacate(State::Stopped, now);
                    }
                    let all = self.lives.values().filter(|life| life.slot == number); // old generations too
                    for worker in all.map(|life| life.worker).collect::<Vec<_>>() {
                        orders.extend(self.end(now, worker, Why::Stopped, false));
                    }
                }
                Command::Pause | Command::Resume => {
                    let pause = command == Command::Pause;
                    let life = current.and_then(|worker| self.lives.get(worker));
                    slot.pause = pause && life.is_none_or(Life::can_pause);
                    let life = life.filter(|life| life.listens() && life.can_pause());
                    if let Some(life) = life.filter(|life| life.ending.is_none()) {
                        orders.push(match pause {
                            true => Order::Pause(life.worker),
                            false => Order::Resume(life.worker),
                        });
                    }
                }
                Command::Signal(number) => {
                    if let Some(mut life) = current.and_then(|worker| self.lives.change(worker)) {
                        life.sent = Some(number);
                        orders.push(Order::Signal(life.worker, number));
                    }
                }
            }
        }
        orders
    }
}
