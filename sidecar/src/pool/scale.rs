//! Another number of workers for a pool that runs.
//!
//! # How it works
//! Slots that are missing are made and started. Those beyond the number are not wanted any more: their workers may finish
//! what they have in hand, and the slots are taken away from the end when nobody is left in them; until then they are
//! seen. Who scales a singleton up says that there may be several: from there on it is none any more, also where it is
//! scaled down to one. The configuration is not changed: with the next sidecar it holds again.
//!
//! # Rules
//! Not while a reload is under way.

use std::time::Instant;

use super::{Pool, Slot};
use crate::life::State;
use crate::order::Order;
use crate::reason::Why;

impl Pool {
    /// How many workers it is to have.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Gives it so many workers; who is stopped stays so.
    pub fn scale(&mut self, now: Instant, workers: usize) -> Vec<Order> {
        let before = std::mem::replace(&mut self.workers, workers);
        self.several |= workers > 1;
        if self.slots.len() < workers {
            self.slots.resize_with(workers, || Slot::new(now));
        }
        let mut orders = Vec::new();
        for number in before..workers {
            let Some(slot) = self.slots.get_mut(number) else { continue };
            slot.wanted = true;
            if slot.current.is_none() && slot.next.is_none() {
                orders.extend(self.spawn(now, number));
            }
        }
        for number in workers..self.slots.len() {
            let Some(slot) = self.slots.get_mut(number) else { continue };
            slot.wanted = false;
            slot.retry_at = None;
            if slot.current.is_none() {
                slot.vacate(State::Stopped, now);
            }
            let all = self.lives.values().filter(|life| life.slot == number); // old generations too
            for worker in all.map(|life| life.worker).collect::<Vec<_>>() {
                orders.extend(self.end(now, worker, Why::Scale, true));
            }
        }
        self.trim();
        orders
    }

    /// Takes slots away from the end that are not wanted and in which nobody is.
    pub(super) fn trim(&mut self) {
        while self.slots.len() > self.workers && self.is_empty(self.slots.len() - 1) {
            self.slots.pop();
        }
    }
}
