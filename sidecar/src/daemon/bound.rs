//! Sessions as far as requests are concerned: who names one, who may serve it, what happens when its worker goes.
//!
//! # Rules
//! A request that names a session waits for the worker that has it, hears that it is lost, or goes to anybody.

use std::time::{Duration, Instant};

use compact_str::CompactString;
use rustdaemon_core::link::{self, Bind, Fault, Kind};
use rustdaemon_core::settings;

use super::requests::Names;
use super::{Action, Daemon, tell};
use crate::dialect::{self, Cause, Request};
use crate::ids::WorkerId;
use crate::pool::{Offer, Pool};
use crate::router::Entry;
use crate::sessions::{Owner, Refused, Sessions};

impl Daemon {
    /// The session that a request names, by itself or in its arguments.
    pub(super) fn session_of(&self, request: &Request) -> Option<CompactString> {
        if request.session.is_some() {
            return request.session.clone();
        }
        let mut leading = self.pools.iter().filter(|pool| !pool.config().affinity.is_empty()).peekable();
        leading.peek()?; // mostly none does
        let method = Names::new(&self.pools).of(&request.method);
        let mut offering = leading.filter(|pool| pool.offer(method) != Offer::No);
        offering.find_map(|pool| dialect::session_in(&request.args, &pool.config().affinity))
    }

    /// Whose the session is that a request names.
    pub(super) fn owner_of(&self, request: &Request) -> Owner {
        owner_of(&self.pools, &self.sessions, request)
    }

    /// Whether a waiting request may go to a worker, as far as its session matters.
    pub(super) fn is_for(&self, worker: WorkerId, request: &Request) -> bool {
        match self.owner_of(request) {
            Owner::Worker(owner) => owner == worker,
            Owner::Lost => false,
            Owner::Nobody => true,
        }
    }

    /// Whether only this worker can serve a request.
    pub(super) fn is_pinned(&self, worker: WorkerId, entry: &Entry) -> bool {
        let is_its_session =
            || entry.request.session.is_some() && self.owner_of(&entry.request) == Owner::Worker(worker);
        entry.to.is_some() || is_its_session()
    }

    /// Gives up what a worker had bound: who has waited for it may go to any.
    pub(super) fn unbind(&mut self, out: &mut Vec<Action>, now: Instant, worker: WorkerId, value: &str) {
        self.sessions.unbind(worker, value);
        for sequence in self.router.waiting_with(value) {
            self.serve_request(out, now, sequence);
        }
    }

    pub(super) fn bind(
        &mut self,
        out: &mut Vec<Action>,
        now: Instant,
        worker: WorkerId,
        sequence: u64,
        bind: &Bind,
    ) {
        let ttl = bind.ttl.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let keeps = self.pools.get(worker.pool()).is_some_and(|pool| pool.keeps_sessions(worker));
        let bound = match settings::is_session(bind.value.as_bytes()) {
            true => self.sessions.bind(now, worker, &bind.value, ttl),
            false => Err(Refused::Impossible),
        };
        if bound.is_ok() && !keeps {
            self.lose_sessions(out, now, worker); // it is about to end: nobody is led to it
        }
        let refused = bound.err().map(|refused| match refused {
            Refused::Full(most) => {
                let class = "max_sessions_reached".to_owned();
                Fault { class, message: format!("Maximum number of sessions ({most}) reached") }
            }
            Refused::Impossible => {
                let message = format!("a session is a text of 1 to {} bytes", settings::SESSION_BYTES);
                Fault { class: "InvalidArgument".to_owned(), message }
            }
            Refused::Taken(other) => {
                let (class, other) = ("session_taken".to_owned(), self.name_of(other));
                Fault { class, message: format!("the session {} is another worker's: {other}", bind.value) }
            }
        });
        let (flags, payload) = match refused {
            Some(fault) => (link::FAULT, link::json(&fault)),
            None => (link::DATA, Vec::new()),
        };
        tell(out, worker, Kind::Bound, flags, sequence, &payload);
        self.serve(out, now, worker); // who has waited for any worker may now be its own
    }

    /// A worker takes no requests any more: who waits for it hears that, and who comes.
    pub(super) fn lose_sessions(&mut self, out: &mut Vec<Action>, now: Instant, worker: WorkerId) {
        self.sessions.worker_gone(now, worker);
        self.refuse_lost(out);
    }

    /// Refuses what waits for workers that have gone.
    pub(super) fn refuse_lost(&mut self, out: &mut Vec<Action>) {
        if !self.sessions.any_lost() {
            return;
        }
        let (pools, sessions) = (&self.pools, &self.sessions);
        let is_lost = |entry: &Entry| owner_of(pools, sessions, &entry.request) == Owner::Lost;
        let lost = self.router.refuse_waiting(|entry| !is_lost(entry));
        self.sendings.refuse(out, lost, |entry| {
            Cause::SessionLost(entry.request.session.as_deref().unwrap_or_default().to_owned())
        });
    }

    /// Unbinds what nobody has used for its time to live, and tells the workers.
    pub(super) fn expire_sessions(&mut self, out: &mut Vec<Action>, now: Instant) {
        let router = &self.router;
        for (worker, value) in self.sessions.expired(now, |_, value| router.uses(value)) {
            tell(out, worker, Kind::Expired, 0, 0, value.as_bytes());
        }
    }
}

/// Of the pools that offer what is asked: a living owner, else one that has gone.
fn owner_of(pools: &[Pool], sessions: &Sessions, request: &Request) -> Owner {
    let Some(session) = &request.session else { return Owner::Nobody };
    let method = Names::new(pools).of(&request.method);
    let offering = pools.iter().enumerate().filter(|(_, pool)| pool.offer(method) == Offer::Yes);
    let owners = offering.map(|(number, _)| sessions.owner(number, session));
    owners.fold(Owner::Nobody, |found, owner| match (found, owner) {
        (Owner::Worker(_), _) | (_, Owner::Nobody) => found,
        (_, owner) => owner,
    })
}
