//! Requests that are answered later, until they are answered, or nobody waits for them any more.
//!
//! # How it works
//! A request is open until its deadline: then its client has been told. It is kept as late: whoever gives its answer after
//! all makes no mistake, and it counts for nothing else.
//!
//! # Rules
//! Pure.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// Open requests by the number of who answers them.
#[derive(Debug)]
pub struct Open<T> {
    requests: HashMap<u32, (Option<Duration>, T)>,
    /// Of those that are not late.
    deadlines: BTreeSet<(Duration, u32)>,
    late: HashSet<u32>,
}

impl<T> Default for Open<T> {
    fn default() -> Self {
        Self { requests: HashMap::new(), deadlines: BTreeSet::new(), late: HashSet::new() }
    }
}

impl<T> Open<T> {
    /// A request is to be answered until `deadline`; `None`: at any time.
    pub fn insert(&mut self, number: u32, deadline: Option<Duration>, request: T) {
        self.deadlines.extend(deadline.map(|at| (at, number)));
        self.requests.insert(number, (deadline, request));
    }

    /// A request that has not been answered, late or not.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&T> {
        self.requests.get(&number).map(|(_, request)| request)
    }

    /// It is answered, or given up. Whether it was late.
    pub fn take(&mut self, number: u32) -> Option<(T, bool)> {
        let (deadline, request) = self.requests.remove(&number)?;
        deadline.map(|at| self.deadlines.remove(&(at, number)));
        Some((request, self.late.remove(&number)))
    }

    /// Those whose deadline has passed are open no more.
    pub fn expire(&mut self, now: Duration) {
        while let Some((_, number)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.pop_first();
            self.late.insert(number);
        }
    }

    /// When [`Open::expire`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len() - self.late.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_request_is_open_until_it_is_answered() {
        let mut open = Open::default();
        open.insert(1, Some(AT(30)), "a");
        open.insert(2, None, "b");
        assert_eq!((open.len(), open.get(1), open.next_deadline()), (2, Some(&"a"), Some(AT(30))));
        assert_eq!((open.take(1), open.take(1)), (Some(("a", false)), None));
        open.expire(AT(99));
        assert_eq!((open.len(), open.next_deadline()), (1, None));
        assert_eq!(open.take(2), Some(("b", false)));
        assert!(open.is_empty());
    }

    #[test]
    fn after_its_deadline_a_request_counts_no_more() {
        let mut open = Open::default();
        for (number, at) in [(1, 30), (2, 30), (3, 31)] {
            open.insert(number, Some(AT(at)), number);
        }
        open.expire(AT(29));
        assert_eq!(open.len(), 3);
        open.expire(AT(30));
        assert_eq!((open.len(), open.get(2), open.next_deadline()), (1, Some(&2), Some(AT(31))));
        assert_eq!((open.take(1), open.take(1)), (Some((1, true)), None));
        assert_eq!(open.len(), 1);
        open.take(2);
        open.insert(2, None, 4);
        assert_eq!((open.len(), open.take(2)), (2, Some((4, false))));
        open.clear();
        assert!(open.is_empty() && open.get(3).is_none());
    }
}
