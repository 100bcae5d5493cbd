//! The gate: where a booted worker asks to be let in.
//!
//! # How it works
//! Who speaks no common version of the link, or is being ended, is refused. All others are let in at once; of a singleton,
//! when those who have passed the gate before have ended.
//!
//! Sources: DESIGN §2, "The gate".

use std::time::Instant;

use log::Level;
use rustdaemon_core::link::{self, Go, Hello};

use super::Pool;
use crate::ids::WorkerId;
use crate::life::Gate;
use crate::order::Order;
use crate::reason::Why;

impl Pool {
    /// The worker stands at the gate.
    pub fn hello(&mut self, now: Instant, worker: WorkerId, hello: &Hello) -> Vec<Order> {
        let name = self.name_of(worker);
        let singleton = self.is_singleton();
        let Some(mut life) = self.lives.change(worker) else { return Vec::new() };
        let Some(version) = link::common_version((hello.lowest, hello.highest)) else {
            life.gate = Gate::Refused;
            life.settle(now);
            let sentence = format!(
                "the extension speaks link versions {} to {}, this sidecar (rustdaemon {}) {} to {}: \
                 install the extension and the sidecar of the same release",
                hello.lowest,
                hello.highest,
                env!("CARGO_PKG_VERSION"),
                link::LOWEST_VERSION,
                link::HIGHEST_VERSION,
            );
            return vec![
                Order::Say(Level::Error, format!("{name} is refused: {sentence}")),
                Order::Refuse(worker, sentence),
            ];
        };
        if self.stopping || life.ending.is_some() {
            life.gate = Gate::Refused;
            life.settle(now);
            return vec![Order::Refuse(worker, "the sidecar is stopping this worker".into())];
        }
        life.version = version;
        drop(life);
        let mut orders = self.compare(&name, hello);
        // The next one may be here before the one that it follows: that one must not come in after it.
        let follows = self.slots.iter().any(|slot| slot.next == Some(worker) && slot.current.is_some());
        if singleton && (follows || self.somebody_is_in(worker)) {
            if let Some(mut life) = self.lives.change(worker) {
                life.gate = Gate::Held(now);
                life.unready_at = None; // waiting there is not its fault
                life.settle(now);
            }
            orders.push(Order::Say(Level::Info, format!("{name}: the next worker stands at the gate")));
            for predecessor in self.lives.workers().into_iter().filter(|other| *other != worker) {
                orders.extend(self.end(now, predecessor, Why::Reload, true));
            }
        } else {
            orders.extend(self.let_in(now, worker));
        }
        orders
    }

    pub(super) fn let_in(&mut self, now: Instant, worker: WorkerId) -> Option<Order> {
        let name = self.config.name.clone();
        let ready_timeout = self.config.ready_timeout;
        let mut life = self.lives.change(worker)?;
        if let Gate::Held(since) = life.gate {
            let spent = since.saturating_duration_since(life.spawned_at);
            life.unready_at = Some(now + ready_timeout.saturating_sub(spent));
        }
        life.gate = Gate::Passed;
        life.settle(now);
        let slot = self.slots.get(life.slot)?;
        let number = u32::try_from(life.slot).unwrap_or(u32::MAX);
        // In a reload the one before it may still be at work: what ended before that one has been told to it.
        let has_ended = slot.current.is_none_or(|current| current == worker);
        let predecessor = slot.last_exit.clone().filter(|_| has_ended);
        let go = Go { version: life.version, name, slot: number, generation: life.generation, predecessor };
        Some(Order::Go(worker, Box::new(go)))
    }

    /// Whether another worker of this pool has passed the gate and not ended.
    fn somebody_is_in(&self, but: WorkerId) -> bool {
        self.lives.values().any(|life| life.worker != but && life.gate == Gate::Passed)
    }

    /// One line for each argument of `install()` that is not the sidecar's, once.
    fn compare(&mut self, worker: &str, hello: &Hello) -> Vec<Order> {
        let pairs = [
            ("name", hello.name.clone(), self.config.name.clone()),
            ("socket", hello.socket.clone(), self.socket.clone()),
            ("mode", hello.mode.map(|mode| format!("{mode:04o}")), format!("{:04o}", self.socket_mode)),
            ("workers", hello.workers.map(|workers| workers.to_string()), self.config.workers.to_string()),
        ];
        let mut orders = Vec::new();
        for (what, asked, ours) in pairs {
            let Some(asked) = asked.filter(|asked| *asked != ours) else { continue };
            let sentence = format!(
                "install() asks for {what} {asked}; this sidecar was started with {ours}, which holds"
            );
            orders.extend(self.warn_once(worker, &sentence));
        }
        orders
    }
}
