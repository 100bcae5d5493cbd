//! The lives of a pool's workers, indexed by what is asked at each request and at each turn of the loop: who is idle, who
//! has reached a limit, when something is due.
//!
//! # How it works
//! A life is changed through a [`Change`]; when that ends, the indexes hold what the life has become. So what a request
//! costs does not grow with the number of workers.
//!
//! # Rules
//! Pure. Whether an idle worker may be sent something is its slot's affair, too: the pool looks.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use crate::ids::WorkerId;
use crate::life::Life;
use crate::sorted::Sorted;

/// All workers that have not ended.
#[derive(Debug)]
pub(super) struct Lives {
    all: BTreeMap<WorkerId, Life>,
    indexes: Indexes,
}

#[derive(Debug)]
struct Indexes {
    /// `stop_timeout`, on which the steps of an ending depend.
    budget: Duration,
    free: Sorted<(bool, usize, Instant, WorkerId)>,
    due: Sorted<WorkerId>,
    deadlines: Sorted<(Instant, WorkerId)>,
}

/// Where a life stands in the indexes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    free: Option<(bool, usize, Instant)>,
    is_due: bool,
    deadline: Option<Instant>,
}

/// A life that is being changed.
#[derive(Debug)]
pub(super) struct Change<'a> {
    life: &'a mut Life,
    indexes: &'a mut Indexes,
    before: Place,
}

impl Lives {
    pub(super) fn new(budget: Duration) -> Self {
        let (free, due, deadlines) = (Sorted::default(), Sorted::default(), Sorted::default());
        Self { all: BTreeMap::new(), indexes: Indexes { budget, free, due, deadlines } }
    }

    pub(super) fn get(&self, worker: WorkerId) -> Option<&Life> {
        self.all.get(&worker)
    }

    /// A life, to be changed.
    pub(super) fn change(&mut self, worker: WorkerId) -> Option<Change<'_>> {
        let life = self.all.get_mut(&worker)?;
        let before = self.indexes.place(life);
        Some(Change { life, indexes: &mut self.indexes, before })
    }

    pub(super) fn insert(&mut self, life: Life) {
        self.indexes.move_to(life.worker, Place::default(), self.indexes.place(&life));
        self.all.insert(life.worker, life);
    }

    pub(super) fn remove(&mut self, worker: WorkerId) -> Option<Life> {
        let life = self.all.remove(&worker)?;
        self.indexes.move_to(worker, self.indexes.place(&life), Place::default());
        Some(life)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Life> {
        self.all.values()
    }

    pub(super) fn workers(&self) -> Vec<WorkerId> {
        self.all.keys().copied().collect()
    }

    /// Those free for a request: first those with the least deferred, of these the ones idle longest; last those that may be
    /// busy without our knowing.
    pub(super) fn free(&self) -> impl Iterator<Item = &Life> {
        self.indexes.free.iter().filter_map(|(.., worker)| self.all.get(worker))
    }

    /// Whether one has reached a limit.
    pub(super) fn any_due(&self) -> bool {
        !self.indexes.due.is_empty()
    }

    /// When something of one's own is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.indexes.deadlines.first().map(|(at, _)| *at)
    }

    /// Those whose time has come.
    pub(super) fn timely(&self, now: Instant) -> Vec<WorkerId> {
        let come = self.indexes.deadlines.iter().take_while(|(at, _)| *at <= now);
        come.map(|(_, worker)| *worker).collect()
    }
}

impl Indexes {
    fn place(&self, life: &Life) -> Place {
        Place {
            free: life.is_free().then_some((life.jobs, life.deferred, life.since)),
            is_due: life.due.is_some(),
            deadline: life.next_deadline(self.budget),
        }
    }

    fn move_to(&mut self, worker: WorkerId, from: Place, to: Place) {
        if from.free != to.free {
            let item = |(jobs, deferred, since)| (jobs, deferred, since, worker);
            self.free.replace(from.free.map(item), to.free.map(item));
        }
        if from.is_due != to.is_due {
            self.due.replace(from.is_due.then_some(worker), to.is_due.then_some(worker));
        }
        if from.deadline != to.deadline {
            let item = |at| (at, worker);
            self.deadlines.replace(from.deadline.map(item), to.deadline.map(item));
        }
    }
}

impl Deref for Change<'_> {
    type Target = Life;

    fn deref(&self) -> &Life {
        self.life
    }
}

impl DerefMut for Change<'_> {
    fn deref_mut(&mut self) -> &mut Life {
        self.life
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        let after = self.indexes.place(self.life);
        self.indexes.move_to(self.life.worker, self.before, after);
    }
}
