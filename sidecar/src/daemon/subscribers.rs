//! Who follows what happens, and what they are told.
//!
//! # How it works
//! While there is a subscriber, the slots are looked at after every event that can have changed more than a request. The
//! answer to `daemon.subscribe` is what they look like; each change after it is an [`Action::Tell`].
//!
//! # Rules
//! Without subscribers it costs a look at an empty list.

use std::time::Instant;

use super::{Action, Daemon};
use crate::dialect::{Address, Delivery};
use crate::events::{self, Notice, Seen};
use crate::ids::{ClientId, WorkerId};
use crate::pool::Pool;
use crate::reason::Look;

/// Who follows, and what they know.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    list: Vec<Subscriber>,
    /// Per pool: its slots, its generation, whether it is being reloaded.
    seen: Vec<(Vec<Seen>, bool)>,
    is_stopping: bool,
    /// Something other than a request may have changed.
    pub(super) stirred: bool,
}

#[derive(Debug)]
struct Subscriber {
    client: ClientId,
    address: Address,
    name: Option<String>,
}

/// A worker that is about to be told to have ended.
pub(super) struct Leaver {
    worker: WorkerId,
    notice: Notice,
}

impl Subscribers {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl Daemon {
    /// Tells a client of what `name` means from here on, and of nothing that it has asked for before.
    pub(super) fn subscribe(
        &mut self,
        now: Instant,
        client: ClientId,
        address: &Address,
        name: Option<String>,
    ) -> Result<(), String> {
        if address.delivery != Delivery::Line {
            return Err("it goes on after its answer: ask with an id, and not in a batch".into());
        }
        self.unsubscribe(client);
        if self.subscribers.is_empty() {
            self.subscribers.seen = self.look_at_slots(now);
            self.subscribers.is_stopping = self.is_stopping();
        }
        self.subscribers.list.push(Subscriber { client, address: address.clone(), name });
        Ok(())
    }

    /// A client has gone.
    pub fn unsubscribe(&mut self, client: ClientId) {
        self.subscribers.list.retain(|subscriber| subscriber.client != client);
    }

    fn look_at_slots(&self, now: Instant) -> Vec<(Vec<Seen>, bool)> {
        let slots = |pool: &Pool| {
            let seen = pool.views().enumerate().map(|(number, view)| Seen {
                worker: format!("{}#{number}", pool.config().name),
                state: view.state,
                pid: view.life.and_then(|life| life.pid),
                generation: view.life.map(|life| life.generation),
                retry_in: view.slot.retry_at.map(|at| at.saturating_duration_since(now).as_secs_f64()),
            });
            (seen.collect(), pool.is_reloading())
        };
        self.pools.iter().map(slots).collect()
    }

    /// Tells subscribers what has changed since they were last told.
    pub(super) fn tell_changes(&mut self, out: &mut Vec<Action>, now: Instant) {
        let seen = self.look_at_slots(now);
        let before = std::mem::replace(&mut self.subscribers.seen, seen);
        let mut notices = Vec::new();
        let pools = self.pools.iter().zip(before.iter().zip(&self.subscribers.seen));
        for (pool, ((before, was_reloading), (seen, is_reloading))) in pools {
            let name = &pool.config().name;
            if *is_reloading && !was_reloading {
                let generation = Some(pool.generation() + 1);
                notices.push(Notice { generation, ..Notice::of("reload.started", Some(name)) });
            }
            notices.extend(events::changes(name, before, seen));
        }
        if self.is_stopping() && !std::mem::replace(&mut self.subscribers.is_stopping, true) {
            notices.push(Notice::of("daemon.stopping", None));
        }
        for notice in notices {
            self.tell(out, &notice);
        }
    }

    fn tell(&self, out: &mut Vec<Action>, notice: &Notice) {
        let meant = |subscriber: &&Subscriber| notice.is_about(subscriber.name.as_deref());
        out.extend(self.subscribers.list.iter().filter(meant).map(|subscriber| Action::Tell {
            client: subscriber.client,
            address: subscriber.address.clone(),
            notice: Box::new(notice.clone()),
        }));
    }

    /// A reload of a pool has come to its end.
    pub(super) fn tell_reloaded(
        &self,
        out: &mut Vec<Action>,
        pool: usize,
        result: &Result<u32, (String, Vec<String>)>,
    ) {
        let Some(pool) = self.pools.get(pool).filter(|_| !self.subscribers.is_empty()) else { return };
        let name = Some(pool.config().name.as_str());
        let notice = match result {
            Ok(generation) => Notice { generation: Some(*generation), ..Notice::of("reload.done", name) },
            Err((why, log)) => {
                Notice { message: Some(why.clone()), log: log.clone(), ..Notice::of("reload.refused", name) }
            }
        };
        self.tell(out, &notice);
    }

    /// What is to be told of a worker that has ended, before its pool forgets it.
    pub(super) fn leaver(&self, worker: WorkerId) -> Option<Leaver> {
        let pool = self.pools.get(worker.pool()).filter(|_| !self.subscribers.is_empty())?;
        let life = pool.life(worker)?;
        let notice = Notice {
            worker: Some(pool.name_of(worker)),
            pid: life.pid,
            generation: Some(life.generation),
            ..Notice::of("worker.ended", Some(&pool.config().name))
        };
        Some(Leaver { worker, notice })
    }

    /// Tells of its end. `message`: how, as far as anybody knows.
    pub(super) fn tell_ended(&self, out: &mut Vec<Action>, leaver: Leaver, message: String) {
        let Leaver { worker, mut notice } = leaver;
        let reason = self.pools.get(worker.pool()).and_then(|pool| pool.exit_of(worker));
        notice.reason = reason.cloned();
        notice.message = Some(message);
        self.tell(out, &notice);
    }

    /// Tells of a worker that hangs.
    pub(super) fn tell_hang(&self, out: &mut Vec<Action>, worker: WorkerId, look: &Look) {
        let Some(leaver) = self.leaver(worker) else { return };
        let message = Some(look.doing.clone());
        self.tell(out, &Notice { event: "worker.hangs".into(), message, ..leaver.notice });
    }

    /// Whether a worker's hang has been told.
    pub(super) fn hangs(&self, worker: WorkerId) -> bool {
        let life = self.pools.get(worker.pool()).and_then(|pool| pool.life(worker));
        life.is_some_and(|life| life.hang_told)
    }
}
