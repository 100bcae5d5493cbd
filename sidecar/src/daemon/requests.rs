//! Requests on their way: to an idle worker, ahead to a busy one, or into the queue; replies, and what comes back.
//!
//! # Rules
//! Nobody overtakes who waits. Whatever frees a worker or moves a request ends with somebody being served.

use std::time::Instant;

use rustdaemon_core::link::{self, Caller, Fault, Head, Ready};
use rustdaemon_core::settings;

use super::{Action, Daemon};
use crate::dialect::{Cause, Request};
use crate::ids::WorkerId;
use crate::life::Life;
use crate::pool::{Offer, Pool, Reach};
use crate::router::{Asked, Deferred, Entry, Given, Hold, Limits, Replied};
use crate::sessions::Owner;

/// By which name workers offer a method: its own, or [`settings::REST`] where no pool does. While a pool has not been ready
/// it may: so long a method keeps its name, and its requests wait.
pub(super) struct Names<'a> {
    pools: &'a [Pool],
    /// Whether any pool takes the rest.
    rest: bool,
}

impl<'a> Names<'a> {
    pub(super) fn new(pools: &'a [Pool]) -> Self {
        Self { pools, rest: pools.iter().any(Pool::takes_the_rest) }
    }

    pub(super) fn of<'m>(&self, method: &'m str) -> &'m str {
        let is_nobodys = |pool: &Pool| pool.offer(method) == Offer::No;
        match self.rest && settings::is_for_rest(method) && self.pools.iter().all(is_nobodys) {
            true => settings::REST,
            false => method,
        }
    }
}

impl Daemon {
    /// Gives a request to a worker, or lets it wait for one.
    pub(super) fn route(
        &mut self,
        out: &mut Vec<Action>,
        now: Instant,
        mut asked: Asked,
    ) -> Result<(), Cause> {
        if self.is_stopping() {
            return Err(Cause::ShuttingDown);
        }
        asked.request.session = self.session_of(&asked.request);
        let Asked { client, request, .. } = &asked;
        let unknown = || Cause::UnknownMethod(request.method.as_str().to_owned());
        if settings::is_reserved(&request.method) {
            return Err(unknown());
        }
        let method = Names::new(&self.pools).of(&request.method);
        let offering =
            |offer| self.pools.iter().enumerate().filter(move |(_, pool)| pool.offer(method) == offer);
        let idle = || offering(Offer::Yes).find_map(|(number, pool)| Some((number, pool.idle_for(method)?)));
        let busy = || self.busy_for(method, request.args.len());
        let is_first =
            request.session.as_ref().is_none_or(|session| !self.router.has_chain(*client, session));
        let (number, worker, straight) = match self.owner_of(request) {
            Owner::Lost => {
                return Err(Cause::SessionLost(request.session.as_deref().unwrap_or_default().into()));
            }
            Owner::Worker(owner) => {
                let life = self.pools.get(owner.pool()).and_then(|pool| pool.life(owner));
                if life.is_some_and(|life| life.ready && !life.offers(method)) {
                    return Err(unknown()); // others of its pool do: nobody has that session and that method
                }
                let taken = if is_first { self.takes(owner, request) } else { None };
                (owner.pool(), taken.map(|_| owner), taken == Some(true))
            }
            Owner::Nobody => match is_first.then(idle).flatten() {
                Some((number, worker)) => (number, Some(worker), true),
                None => match is_first.then(busy).flatten() {
                    Some((number, worker)) => (number, Some(worker), false),
                    None => {
                        let waits = offering(Offer::Yes).chain(offering(Offer::NotKnownYet)).next();
                        (waits.map(|(number, _)| number).ok_or_else(unknown)?, None, false)
                    }
                },
            },
        };
        let Some(config) = self.pools.get(number).map(Pool::config) else { return Err(unknown()) };
        let timeout = request.timeout.unwrap_or(config.request_timeout);
        let limits = Limits { pool: number, queue: config.queue, timeout };
        let accepted = self.router.accept(now, asked, limits, straight);
        let sequence = accepted.map_err(Cause::from)?;
        if let Some(worker) = worker {
            self.send(out, now, worker, sequence);
        }
        Ok(())
    }

    /// Whether a worker takes a request now, and is idle.
    fn takes(&self, worker: WorkerId, request: &Request) -> Option<bool> {
        let pool = self.pools.get(worker.pool())?;
        let Reach { life, is_free } = pool.reach(worker)?;
        let most = life.most_in_hand(pool.config().prefetch);
        let has_room = || self.router.has_room(worker, most, request.args.len());
        let method = Names::new(&self.pools).of(&request.method);
        (life.offers(method) && (is_free || has_room())).then_some(is_free)
    }

    /// Gives a waiting request that nothing precedes any more to whoever is there for it.
    pub(super) fn serve_request(&mut self, out: &mut Vec<Action>, now: Instant, sequence: u64) {
        let Some(entry) = self.router.entry(sequence).filter(|entry| entry.worker.is_none()) else { return };
        let request = &entry.request;
        let worker = match self.owner_of(request) {
            Owner::Worker(owner) => self.takes(owner, request).map(|_| owner),
            Owner::Nobody => {
                let method = Names::new(&self.pools).of(&request.method);
                self.pools.iter().find_map(|pool| pool.idle_for(method))
            }
            Owner::Lost => return self.refuse_lost(out),
        };
        if let Some(worker) = worker {
            self.send(out, now, worker, sequence);
        }
    }

    /// Where no worker is idle: the busy one with the least in hand that has room. Nobody overtakes who waits.
    pub(super) fn busy_for(&self, method: &str, bytes: usize) -> Option<(usize, WorkerId)> {
        self.pools.iter().enumerate().find_map(|(number, pool)| {
            let most = pool.config().prefetch;
            let has_room = |worker: &WorkerId| {
                let life = pool.reach(*worker).map(|reach| reach.life).filter(|life| life.offers(method));
                life.is_some_and(|life| self.router.has_room(*worker, life.most_in_hand(most), bytes))
            };
            let may = most > 1 && self.router.counts(number).waiting == 0;
            may.then(|| Some((number, self.router.least_loaded(number).find(has_room)?)))?
        })
    }

    pub(super) fn ready(&mut self, out: &mut Vec<Action>, now: Instant, worker: WorkerId, ready: Ready) {
        self.with(out, now, worker, |pool| pool.ready(now, worker, ready));
        let (pools, names) = (&self.pools, Names::new(&self.pools));
        let unknown = self.router.refuse_waiting(|entry| {
            let method = names.of(&entry.request.method);
            entry.to.is_some() || pools.iter().any(|pool| pool.offer(method) != Offer::No)
        });
        self.sendings.refuse(out, unknown, |entry| Cause::UnknownMethod(entry.request.method.to_string()));
        self.serve_all(out, now);
    }

    pub(super) fn reply(
        &mut self,
        out: &mut Vec<Action>,
        now: Instant,
        worker: WorkerId,
        sequence: u64,
        outcome: Result<Vec<u8>, Fault>,
    ) {
        let Replied { entry, was_in_hand, was_deferred, next } = self.router.replied(worker, sequence);
        if let Some(entry) = entry {
            if let Some(session) = &entry.request.session {
                self.sessions.used(now, worker.pool(), session);
            }
            let took = entry.limit.saturating_sub(entry.deadline.saturating_duration_since(now));
            if let Some(pool) = self.pool_of(worker) {
                pool.took(now, worker, took);
            }
            let outcome = outcome.as_deref().map_err(|why| Cause::Said(why.clone()));
            self.sendings.conclude(out, &entry, outcome);
        }
        // Late or not, the worker is at the next one, or free.
        if was_in_hand {
            self.with(out, now, worker, |pool| pool.answered(now, worker, next));
        } else if was_deferred {
            self.with(out, now, worker, |pool| pool.answered_deferred(now, worker));
        } else {
            return;
        }
        self.serve(out, now, worker);
        self.share(out, worker);
    }

    /// A worker answers the request in hand later, and is at the next one, or free.
    pub(super) fn deferred(&mut self, out: &mut Vec<Action>, now: Instant, worker: WorkerId, sequence: u64) {
        let Some(Deferred { deadline, next }) = self.router.deferred(worker, sequence) else { return };
        if let Some(pool) = self.pool_of(worker) {
            pool.deferred(now, worker, deadline, next);
        }
        self.serve(out, now, worker);
        self.share(out, worker);
    }

    /// Gives idle workers waiting requests: one each, then ahead.
    pub(super) fn serve_all(&mut self, out: &mut Vec<Action>, now: Instant) {
        let idle: Vec<WorkerId> = self.pools.iter().flat_map(Pool::idle_workers).collect();
        for worker in idle.iter().chain(&idle) {
            self.serve(out, now, *worker);
        }
        // One of those that got none; what comes back from that leads here again.
        let is_free = |worker: &WorkerId| {
            let pool = self.pools.get(worker.pool());
            pool.and_then(|pool| pool.reach(*worker)).is_some_and(|reach| reach.is_free)
        };
        if let Some(worker) = idle.into_iter().find(is_free) {
            self.share(out, worker);
        }
    }

    /// Gives a worker the first waiting requests that it offers: one if it is idle, and ahead as far as it has room, while
    /// nobody is idle for them.
    pub(super) fn serve(&mut self, out: &mut Vec<Action>, now: Instant, worker: WorkerId) {
        loop {
            let Some(pool) = self.pools.get(worker.pool()) else { return };
            let Some(reach) = pool.reach(worker) else { return };
            let most = reach.life.most_in_hand(pool.config().prefetch);
            if !reach.is_free && !self.router.has_room(worker, most, 0) {
                return;
            }
            let life = reach.life;
            let names = Names::new(&self.pools);
            let fits = |entry: &Entry| match entry.to {
                Some(to) => (entry.pool, to.slot) == (worker.pool(), life.slot) && life.has_sessions(),
                None => life.offers(names.of(&entry.request.method)) && self.is_for(worker, &entry.request),
            };
            let Some((sequence, entry)) = self.router.first_waiting(fits) else { return };
            let Request { method, args, .. } = &entry.request;
            let others = || {
                let is_its_own = self.is_pinned(worker, entry);
                let method = names.of(method);
                !is_its_own && self.pools.iter().any(|pool| pool.idle_for(method).is_some())
            };
            if !reach.is_free && (others() || !self.router.has_room(worker, most, args.len())) {
                return;
            }
            self.send(out, now, worker, sequence);
        }
    }

    /// Has an idle worker take over what another one of its pool has not begun.
    pub(super) fn share(&mut self, out: &mut Vec<Action>, worker: WorkerId) {
        let idle = self.pools.get(worker.pool()).and_then(|pool| pool.reach(worker));
        let Some(Reach { life, .. }) = idle.filter(|reach| reach.is_free) else { return };
        let names = Names::new(&self.pools);
        let fits = |entry: &Entry| life.offers(names.of(&entry.request.method));
        if let Some((from, claims)) = self.router.to_share(worker.pool(), life.jobs, fits) {
            out.push(Action::Recall { worker: from, claims });
        }
    }

    pub(super) fn recall_all(&mut self, out: &mut Vec<Action>, worker: WorkerId) {
        let claims = self.router.claims(worker);
        if !claims.is_empty() {
            out.push(Action::Recall { worker, claims });
        }
    }

    pub(super) fn recalled(
        &mut self,
        out: &mut Vec<Action>,
        now: Instant,
        worker: WorkerId,
        back: &[u64],
        kept: &[u64],
    ) {
        let never = back.iter().filter_map(|sequence| self.router.recalled(worker, *sequence)).collect();
        self.sendings.refuse(out, never, |entry| Cause::NotStarted(entry.limit, None));
        let late = kept.iter().filter_map(|sequence| self.router.kept(worker, *sequence)).collect();
        self.sendings.refuse(out, late, |entry| Cause::NoAnswer(entry.limit));
        self.refuse_lost(out);
        if !back.is_empty()
            && self.router.in_hand(worker) == 0
            && let Some(pool) = self.pool_of(worker)
        {
            pool.idle(now, worker);
        }
        self.serve_all(out, now);
    }

    pub(super) fn send(&mut self, out: &mut Vec<Action>, now: Instant, worker: WorkerId, sequence: u64) {
        let life = self.pools.get(worker.pool()).and_then(|pool| pool.life(worker));
        let pinned = self.router.entry(sequence).is_some_and(|entry| self.is_pinned(worker, entry));
        let hold = life.map(|life| Hold { claims: life.has_claims(), jobs: life.jobs, pinned });
        let knows_callers = life.is_some_and(Life::has_sessions);
        let given = self.router.give(worker, sequence, hold.unwrap_or_default());
        let Some(Given { claim, is_first, entry }) = given else {
            return;
        };
        let (request, deadline) = (&entry.request, entry.deadline);
        let caller = knows_callers.then(|| Caller {
            id: &request.address.id,
            pid: entry.peer.pid,
            uid: entry.peer.uid,
            deadline: entry.unix_time + entry.limit.as_secs_f64(),
        });
        let head = Head { method: &request.method, caller };
        let (dialect, word) = (request.address.dialect, claim.map(|claim| claim.word));
        let mut frame = Vec::new();
        match link::encode_request(&mut frame, sequence, dialect, word, head, request.args.as_bytes()) {
            Ok(()) => {
                if is_first && let Some(pool) = self.pool_of(worker) {
                    pool.busy(now, worker, deadline);
                }
                out.push(Action::Send { worker, claim, frame });
            }
            Err(_) => {
                if let Some(entry) = self.router.replied(worker, sequence).entry {
                    self.sendings.conclude(out, &entry, Err(Cause::FrameTooLarge));
                }
            }
        }
    }
}
