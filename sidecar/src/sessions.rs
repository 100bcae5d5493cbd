//! Which worker has which session: values that workers have bound to themselves.
//!
//! # How it works
//! A value belongs to one worker of a pool from [`Sessions::bind`] on, until it is unbound, until nobody has used it for its
//! time to live, or until its worker goes. In the last case it is remembered as lost for as long as it would have lived, so that
//! who asks for it hears that its session has gone and not that some other worker does not know it; a worker may bind it
//! anew at any time.
//!
//! Each value has one alarm, at the earliest moment at which it can expire. A use does not move the alarm: when it rings, it is
//! set to when the value now expires.
//!
//! # What may be lost
//! That a value was lost, when its time to live is over: then it is like one that never was.
//!
//! # Rules
//! Pure. What is in use by a request the caller knows.
//! Sources: DESIGN §4 (affinity), opcua-session-manager 4.4 (`--timeout`, `--max-sessions`).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use compact_str::CompactString;
use rustc_hash::FxHashMap;

use crate::ids::WorkerId;

/// How long a lost value is remembered that would have lived for ever.
const REMEMBERED: Duration = Duration::from_secs(600);

/// All values of all pools.
#[derive(Debug)]
pub struct Sessions {
    pools: Vec<Pool>,
    alarms: BTreeSet<(Instant, usize, CompactString)>,
}

#[derive(Debug, Default)]
struct Pool {
    /// How many values may be bound; 0: any number.
    most: usize,
    bound: usize,
    values: FxHashMap<CompactString, Session>,
}

#[derive(Debug)]
struct Session {
    /// `None`: lost.
    owner: Option<WorkerId>,
    /// `None`: it lives for ever.
    ttl: Option<Duration>,
    used: Instant,
    alarm: Option<Instant>,
}

/// Whose a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nobody has bound it.
    Nobody,
    /// This worker's.
    Worker(WorkerId),
    /// Its worker has gone.
    Lost,
}

/// Why a value is not bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// So many are bound, as many as may be.
    Full(usize),
    /// It is another worker's.
    Taken(WorkerId),
    /// No request could name it.
    Impossible,
}

impl Sessions {
    /// None yet; of pool N at most the Nth of `most` values may be bound, 0: any number.
    #[must_use]
    pub fn new(most: impl IntoIterator<Item = usize>) -> Self {
        let pools = most.into_iter().map(|most| Pool { most, ..Pool::default() });
        Self { pools: pools.collect(), alarms: BTreeSet::new() }
    }

    /// How many values are bound.
    #[must_use]
    pub fn bound(&self) -> usize {
        self.pools.iter().map(|pool| pool.bound).sum()
    }

    /// How many of one pool.
    #[must_use]
    pub fn bound_in(&self, pool: usize) -> usize {
        self.pools.get(pool).map_or(0, |pool| pool.bound)
    }

    /// Whose a value is in a pool.
    #[must_use]
    pub fn owner(&self, pool: usize, value: &str) -> Owner {
        match self.pools.get(pool).and_then(|pool| pool.values.get(value)) {
            None => Owner::Nobody,
            Some(session) => session.owner.map_or(Owner::Lost, Owner::Worker),
        }
    }

    /// Whether there are values whose workers have gone.
    #[must_use]
    pub fn any_lost(&self) -> bool {
        self.pools.iter().any(|pool| pool.values.len() > pool.bound)
    }

    /// Binds a value to a worker, or makes a bound one of it live anew. It lives until nobody has used it for `ttl`.
    ///
    /// # Errors
    /// It is not bound.
    pub fn bind(
        &mut self,
        now: Instant,
        worker: WorkerId,
        value: &str,
        ttl: Option<Duration>,
    ) -> Result<(), Refused> {
        let number = worker.pool();
        let owner = self.owner(number, value);
        let Some(pool) = self.pools.get_mut(number) else { return Err(Refused::Full(0)) };
        match owner {
            Owner::Worker(other) if other != worker => return Err(Refused::Taken(other)),
            Owner::Worker(_) => {}
            Owner::Nobody | Owner::Lost if pool.most > 0 && pool.bound >= pool.most => {
                return Err(Refused::Full(pool.most));
            }
            Owner::Nobody | Owner::Lost => pool.bound += 1,
        }
        let new = Session { owner: Some(worker), ttl, used: now, alarm: None };
        let before = pool.values.insert(value.into(), new);
        if let Some(alarm) = before.and_then(|session| session.alarm) {
            self.alarms.remove(&(alarm, number, value.into()));
        }
        self.set_alarm(number, value);
        Ok(())
    }

    /// Gives a worker's own value up.
    pub fn unbind(&mut self, worker: WorkerId, value: &str) {
        if self.owner(worker.pool(), value) == Owner::Worker(worker) {
            self.forget(worker.pool(), value);
        }
    }

    /// Somebody has used it.
    pub fn used(&mut self, now: Instant, pool: usize, value: &str) {
        if let Some(session) = self.pools.get_mut(pool).and_then(|pool| pool.values.get_mut(value))
            && session.owner.is_some()
        {
            session.used = now;
        }
    }

    /// A worker takes no requests any more: all its values are lost. How many these are.
    pub fn worker_gone(&mut self, now: Instant, worker: WorkerId) -> usize {
        let number = worker.pool();
        let Some(pool) = self.pools.get_mut(number).filter(|pool| pool.bound > 0) else { return 0 };
        let mut lost = Vec::new();
        for (value, session) in pool.values.iter_mut().filter(|(_, session)| session.owner == Some(worker)) {
            session.owner = None;
            session.ttl = session.ttl.or(Some(REMEMBERED));
            session.used = now;
            lost.push(value.clone());
        }
        pool.bound -= lost.len();
        lost.iter().for_each(|value| self.set_alarm(number, value));
        lost.len()
    }

    /// Values whose time is over and that no request uses: they are unbound, and their workers are to be told.
    pub fn expired(
        &mut self,
        now: Instant,
        is_in_use: impl Fn(usize, &str) -> bool,
    ) -> Vec<(WorkerId, CompactString)> {
        let mut expired = Vec::new();
        while let Some((_, number, value)) = self.alarms.first().filter(|(at, ..)| *at <= now).cloned() {
            self.alarms.pop_first();
            let pool = self.pools.get_mut(number);
            let Some(session) = pool.and_then(|pool| pool.values.get_mut(&value)) else { continue };
            session.alarm = None;
            if session.owner.is_some() && is_in_use(number, &value) {
                session.used = now;
            }
            let over = session.ttl.is_some_and(|ttl| session.used + ttl <= now);
            let owner = session.owner;
            match over {
                true => {
                    self.forget(number, &value);
                    expired.extend(owner.map(|worker| (worker, value)));
                }
                false => self.set_alarm(number, &value),
            }
        }
        expired
    }

    /// When [`Sessions::expired`] may have something to give.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.alarms.first().map(|(at, ..)| *at)
    }

    fn forget(&mut self, number: usize, value: &str) {
        let Some(pool) = self.pools.get_mut(number) else { return };
        let Some(session) = pool.values.remove(value) else { return };
        pool.bound -= usize::from(session.owner.is_some());
        if let Some(alarm) = session.alarm {
            self.alarms.remove(&(alarm, number, value.into()));
        }
    }

    fn set_alarm(&mut self, number: usize, value: &str) {
        let pool = self.pools.get_mut(number);
        let Some(session) = pool.and_then(|pool| pool.values.get_mut(value)) else { return };
        let alarm = session.ttl.and_then(|ttl| session.used.checked_add(ttl));
        let before = std::mem::replace(&mut session.alarm, alarm);
        if let Some(before) = before {
            self.alarms.remove(&(before, number, value.into()));
        }
        if let Some(alarm) = alarm {
            self.alarms.insert((alarm, number, value.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Option<Duration> = Some(Duration::from_secs(600));

    fn worker(number: u64) -> WorkerId {
        let worker = WorkerId(number);
        assert_eq!(worker.pool(), 0);
        worker
    }

    fn expired(sessions: &mut Sessions, now: Instant) -> Vec<String> {
        let expired = sessions.expired(now, |_, value| value == "in use");
        expired.into_iter().map(|(_, value)| value.into()).collect()
    }

    #[test]
    fn a_value_is_its_workers_until_it_is_unbound() {
        let (mut sessions, now) = (Sessions::new([100]), Instant::now());
        assert_eq!(sessions.owner(0, "a"), Owner::Nobody);
        sessions.bind(now, worker(1), "a", TTL).unwrap();
        assert_eq!(sessions.owner(0, "a"), Owner::Worker(worker(1)));
        assert_eq!(sessions.owner(1, "a"), Owner::Nobody, "another pool");
        assert_eq!(sessions.bind(now, worker(2), "a", TTL), Err(Refused::Taken(worker(1))));
        sessions.unbind(worker(2), "a");
        assert_eq!(sessions.bound(), 1, "not its own");
        sessions.unbind(worker(1), "a");
        assert_eq!((sessions.owner(0, "a"), sessions.bound()), (Owner::Nobody, 0));
        assert_eq!(sessions.next_deadline(), None);
    }

    #[test]
    fn as_many_as_may_be_are_bound_and_zero_means_any_number() {
        let (mut sessions, now) = (Sessions::new([2]), Instant::now());
        sessions.bind(now, worker(1), "a", TTL).unwrap();
        sessions.bind(now, worker(1), "b", TTL).unwrap();
        assert_eq!(sessions.bind(now, worker(1), "c", TTL), Err(Refused::Full(2)));
        sessions.bind(now, worker(1), "a", TTL).expect("it is bound already");
        sessions.unbind(worker(1), "b");
        sessions.bind(now, worker(1), "c", TTL).unwrap();
        let mut any = Sessions::new([0]);
        (0..10_000).for_each(|number| any.bind(now, worker(1), &number.to_string(), TTL).unwrap());
        assert_eq!(any.bound(), 10_000);
        assert_eq!(any.worker_gone(now, worker(1)), 10_000);
        assert_eq!((any.bound(), any.alarms.len()), (0, 10_000));
    }

    #[test]
    fn a_value_expires_when_nobody_has_used_it_for_so_long() {
        let (mut sessions, now) = (Sessions::new([0]), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        for value in ["used", "in use", "idle"] {
            sessions.bind(now, worker(1), value, TTL).unwrap();
        }
        sessions.bind(now, worker(1), "for ever", None).unwrap();
        assert_eq!(sessions.next_deadline(), Some(later(600)));
        sessions.used(later(599), 0, "used");
        assert_eq!(expired(&mut sessions, later(599)), [""; 0]);
        assert_eq!(expired(&mut sessions, later(600)), ["idle"]);
        assert_eq!(expired(&mut sessions, later(1198)), [""; 0]);
        assert_eq!(expired(&mut sessions, later(1199)), ["used"]);
        assert_eq!(expired(&mut sessions, later(1200)), [""; 0], "in use again");
        assert_eq!(sessions.bound(), 2);
        assert_eq!(sessions.next_deadline(), Some(later(1800)));
    }

    #[test]
    fn binding_again_begins_its_time_anew() {
        let (mut sessions, now) = (Sessions::new([0]), Instant::now());
        sessions.bind(now, worker(1), "a", TTL).unwrap();
        let second = Duration::from_secs(1);
        sessions.bind(now + second, worker(1), "a", Some(second)).unwrap();
        assert_eq!(sessions.next_deadline(), Some(now + 2 * second));
        sessions.bind(now + second, worker(1), "a", None).unwrap();
        assert_eq!(sessions.next_deadline(), None);
    }

    #[test]
    fn what_a_worker_had_is_lost_with_it_and_forgotten_in_time() {
        let (mut sessions, now) = (Sessions::new([2]), Instant::now());
        sessions.bind(now, worker(1), "a", Some(Duration::from_secs(5))).unwrap();
        sessions.bind(now, worker(1), "b", None).unwrap();
        assert_eq!(sessions.worker_gone(now, worker(2)), 0);
        assert_eq!(sessions.worker_gone(now, worker(1)), 2);
        assert_eq!([sessions.owner(0, "a"), sessions.owner(0, "b")], [Owner::Lost; 2]);
        assert!(sessions.any_lost() && sessions.bound() == 0);
        sessions.bind(now, worker(2), "a", TTL).expect("it has room, and may open it anew");
        assert_eq!(sessions.owner(0, "a"), Owner::Worker(worker(2)));
        assert_eq!(expired(&mut sessions, now + REMEMBERED - Duration::from_secs(1)), [""; 0]);
        assert_eq!(sessions.owner(0, "b"), Owner::Lost);
        let told = expired(&mut sessions, now + REMEMBERED);
        assert_eq!(told, ["a"], "of lost ones nobody is told");
        assert_eq!(sessions.owner(0, "b"), Owner::Nobody);
        assert!(!sessions.any_lost());
    }
}
