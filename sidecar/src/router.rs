//! Requests from acceptance to answer: the queue, what is in flight, deadlines. Knows workers by number only.
//!
//! # How it works
//! An accepted request has a sequence number and stays here until it is answered: by a reply, by its worker's end,
//! by its deadline, or by a stop. Each of these takes it out, so that a second one finds nothing: one request, one
//! answer.
//!
//! # What may be lost
//! Nothing that was accepted. The late reply to a request whose deadline has passed finds nothing and is dropped.
//!
//! # Rules
//! Pure. Which worker is idle, the caller knows.
//! Sources: DESIGN §4.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::dialect::{Address, Request};
use crate::ids::{ClientId, WorkerId};

/// An accepted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who waits for the answer.
    pub client: ClientId,
    /// The request.
    pub request: Request,
    /// Who has it; `None`: it waits.
    pub worker: Option<WorkerId>,
    /// The number of the pool that it is counted for.
    pub pool: usize,
    /// When it is answered without a reply.
    pub deadline: Instant,
    /// How long that is.
    pub limit: Duration,
}

impl Entry {
    /// Where its answer goes.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.request.address
    }
}

/// All accepted requests that have no answer yet.
#[derive(Debug)]
pub struct Router {
    entries: HashMap<u64, Entry>,
    queue: VecDeque<u64>,
    deadlines: BTreeSet<(Instant, u64)>,
    next: u64,
    counts: Vec<Counts>,
}

/// One pool's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that wait for a worker.
    pub waiting: usize,
    /// Requests that a worker has.
    pub in_flight: usize,
    /// Requests accepted since the start.
    pub accepted: u64,
    /// Replies that came after their request had been answered otherwise.
    pub late: u64,
}

/// A pool's limits for its requests.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The pool's number.
    pub pool: usize,
    /// How many may wait.
    pub queue: usize,
    /// How long a client waits.
    pub timeout: Duration,
}

impl Router {
    /// An empty one for so many pools.
    #[must_use]
    pub fn new(pools: usize) -> Self {
        Self {
            entries: HashMap::new(),
            queue: VecDeque::new(),
            deadlines: BTreeSet::new(),
            next: 1,
            counts: vec![Counts::default(); pools],
        }
    }

    /// Takes a request in and gives it to `worker`, or queues it. Its number and deadline; `None`: the queue is full.
    pub fn accept(
        &mut self,
        now: Instant,
        client: ClientId,
        request: Request,
        limits: Limits,
        worker: Option<WorkerId>,
    ) -> Option<(u64, Instant)> {
        let Limits { pool, queue, timeout } = limits;
        if worker.is_none() {
            if self.counts(pool).waiting >= queue {
                return None;
            }
            self.queue.push_back(self.next);
        }
        let sequence = self.next;
        self.next += 1;
        let deadline = now + timeout;
        self.deadlines.insert((deadline, sequence));
        self.entries.insert(sequence, Entry { client, request, worker, pool, deadline, limit: timeout });
        self.count(pool, |counts| {
            counts.accepted += 1;
            *counts.of(worker.is_some()) += 1;
        });
        Some((sequence, deadline))
    }

    /// A pool's figures.
    #[must_use]
    pub fn counts(&self, pool: usize) -> Counts {
        self.counts.get(pool).copied().unwrap_or_default()
    }

    fn count(&mut self, pool: usize, change: impl FnOnce(&mut Counts)) {
        if let Some(counts) = self.counts.get_mut(pool) {
            change(counts);
        }
    }

    /// The first waiting request that `fits`, now `worker`'s.
    pub fn assign(&mut self, worker: WorkerId, fits: impl Fn(&str) -> bool) -> Option<(u64, &Entry)> {
        let entries = &self.entries;
        let fits = |sequence: &u64| entries.get(sequence).is_some_and(|entry| fits(&entry.request.method));
        let at = self.queue.iter().position(fits)?;
        let sequence = self.queue.remove(at)?;
        let entry = self.entries.get_mut(&sequence)?;
        entry.worker = Some(worker);
        let waited_for = std::mem::replace(&mut entry.pool, worker.pool());
        self.count(waited_for, |counts| counts.waiting -= 1);
        self.count(worker.pool(), |counts| counts.in_flight += 1);
        self.entries.get(&sequence).map(|entry| (sequence, entry))
    }

    /// `worker` has answered. `None`: the request is not, or no longer, its own.
    pub fn replied(&mut self, worker: WorkerId, sequence: u64) -> Option<Entry> {
        let entry = self.take_from(worker, sequence);
        self.count(worker.pool(), |counts| counts.late += u64::from(entry.is_none()));
        entry
    }

    /// Takes out what an ended worker had begun; what it had been sent and had not `begun` waits again, before all
    /// others.
    pub fn worker_ended(&mut self, worker: WorkerId, begun: u64) -> Vec<Entry> {
        let sent = self.entries.iter_mut().filter(|(_, entry)| entry.worker == Some(worker));
        let mut moved = 0;
        for (sequence, entry) in sent.filter(|(sequence, _)| **sequence != begun) {
            entry.worker = None;
            self.queue.push_front(*sequence);
            moved += 1;
        }
        self.count(worker.pool(), |counts| {
            counts.in_flight -= moved;
            counts.waiting += moved;
        });
        self.take_from(worker, begun).into_iter().collect()
    }

    /// Takes out everything that workers have in hand.
    pub fn all_in_flight(&mut self) -> Vec<Entry> {
        self.take_all(|entry| entry.worker.is_some())
    }

    /// Takes out what waits and does not `fit`.
    pub fn refuse_waiting(&mut self, fits: impl Fn(&str) -> bool) -> Vec<Entry> {
        self.take_all(|entry| entry.worker.is_none() && !fits(&entry.request.method))
    }

    /// Takes out every request whose deadline has passed.
    pub fn expired(&mut self, now: Instant) -> Vec<Entry> {
        let mut expired = Vec::new();
        while let Some((deadline, sequence)) = self.deadlines.first().copied() {
            if deadline > now {
                break;
            }
            expired.extend(self.take(sequence));
        }
        expired
    }

    /// When [`Router::expired`] has something to give.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    fn take_all(&mut self, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let wanted = self.entries.iter().filter(|(_, entry)| wanted(entry));
        let mut sequences: Vec<u64> = wanted.map(|(sequence, _)| *sequence).collect();
        sequences.sort_unstable();
        sequences.into_iter().filter_map(|sequence| self.take(sequence)).collect()
    }

    /// Takes a request out that `worker` has.
    fn take_from(&mut self, worker: WorkerId, sequence: u64) -> Option<Entry> {
        self.entries.get(&sequence).filter(|entry| entry.worker == Some(worker))?;
        self.take(sequence)
    }

    fn take(&mut self, sequence: u64) -> Option<Entry> {
        let entry = self.entries.remove(&sequence)?;
        self.deadlines.remove(&(entry.deadline, sequence));
        if entry.worker.is_none() {
            self.queue.retain(|waiting| *waiting != sequence);
        }
        self.count(entry.pool, |counts| *counts.of(entry.worker.is_some()) -= 1);
        Some(entry)
    }
}

impl Counts {
    fn of(&mut self, in_flight: bool) -> &mut usize {
        if in_flight { &mut self.in_flight } else { &mut self.waiting }
    }
}

#[cfg(test)]
mod tests {
    use rustdaemon_core::link::Dialect;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);
    const WORKER: WorkerId = WorkerId(1);

    fn request(method: &str) -> Request {
        let address = Address::new(Dialect::Flat, "");
        Request { address, method: method.into(), args: Vec::new(), timeout: None }
    }

    fn router(waiting: &[&str]) -> (Router, Instant) {
        let (mut router, now) = (Router::new(1), Instant::now());
        for method in waiting {
            accept(&mut router, now, 1, method, TIMEOUT, None).unwrap();
        }
        (router, now)
    }

    fn accept(
        router: &mut Router,
        now: Instant,
        client: u64,
        method: &str,
        timeout: Duration,
        worker: Option<WorkerId>,
    ) -> Option<u64> {
        let limits = Limits { pool: 0, queue: 4, timeout };
        Some(router.accept(now, ClientId(client), request(method), limits, worker)?.0)
    }

    fn figures(router: &Router) -> (usize, usize) {
        let counts = router.counts(0);
        (counts.waiting, counts.in_flight)
    }

    #[test]
    fn waiting_requests_are_served_in_order_by_who_offers_them() {
        let (mut router, _) = router(&["a", "b", "a"]);
        assert_eq!(router.assign(WORKER, |method| method == "b").unwrap().0, 2);
        assert_eq!(router.assign(WORKER, |_| true).unwrap().0, 1);
        assert_eq!(figures(&router), (1, 2));
        assert_eq!(router.assign(WORKER, |method| method == "x"), None);
    }

    #[test]
    fn a_full_queue_takes_no_more_but_an_idle_worker_does() {
        let (mut router, now) = router(&["a"; 4]);
        assert_eq!(accept(&mut router, now, 1, "a", TIMEOUT, None), None);
        assert!(accept(&mut router, now, 1, "a", TIMEOUT, Some(WORKER)).is_some());
        assert_eq!(figures(&router), (4, 1));
    }

    #[test]
    fn one_request_has_one_answer() {
        let (mut router, now) = router(&[]);
        let sequence = accept(&mut router, now, 1, "a", TIMEOUT, Some(WORKER)).unwrap();
        assert_eq!(router.replied(WorkerId(2), sequence), None, "another worker's reply");
        assert!(router.replied(WORKER, sequence).is_some());
        assert_eq!(router.replied(WORKER, sequence), None, "a second reply");
        assert_eq!(router.worker_ended(WORKER, sequence), []);
        assert_eq!(router.expired(now + TIMEOUT), []);
        assert_eq!(router.counts(0).late, 2);
    }

    #[test]
    fn a_workers_end_takes_only_what_it_had() {
        let (mut router, now) = router(&["a"]);
        let begun = accept(&mut router, now, 2, "b", TIMEOUT, Some(WORKER)).unwrap();
        let ended = router.worker_ended(WORKER, begun);
        assert_eq!(ended.iter().map(|entry| entry.client).collect::<Vec<_>>(), [ClientId(2)]);
        assert_eq!(figures(&router), (1, 0));
    }

    #[test]
    fn what_an_ended_worker_had_not_begun_waits_again_before_all_others() {
        let (mut router, now) = router(&["a"]);
        let sent = accept(&mut router, now, 2, "b", TIMEOUT, Some(WORKER)).unwrap();
        assert_eq!(router.worker_ended(WORKER, sent - 1), []);
        assert_eq!(figures(&router), (2, 0));
        assert_eq!(router.assign(WorkerId(2), |_| true).unwrap().0, sent);
        assert_eq!(router.replied(WORKER, sent), None, "it is no longer the first one's");
    }

    #[test]
    fn deadlines_pass_in_the_queue_and_in_flight() {
        let (mut router, now) = router(&["a"]);
        let sequence = accept(&mut router, now, 2, "b", TIMEOUT * 2, Some(WORKER)).unwrap();
        assert_eq!(router.next_deadline(), Some(now + TIMEOUT));
        assert_eq!(
            router.expired(now + TIMEOUT).iter().map(|entry| entry.worker).collect::<Vec<_>>(),
            [None]
        );
        assert_eq!(router.assign(WORKER, |_| true), None, "never started");
        assert_eq!(router.expired(now + TIMEOUT * 2).len(), 1);
        assert_eq!(router.replied(WORKER, sequence), None, "the late reply is dropped");
        assert_eq!(router.next_deadline(), None);
    }

    #[test]
    fn what_nobody_offers_is_refused() {
        let (mut router, _) = router(&["a", "x", "a"]);
        assert_eq!(router.refuse_waiting(|method| method == "a").len(), 1);
        assert_eq!(figures(&router).0, 2);
        assert_eq!(router.refuse_waiting(|_| false).len(), 2);
    }
}
