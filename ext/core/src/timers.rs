//! When which task is due: tasks that come again and again, and tasks that come once.
//!
//! # How it works
//! A task that comes again has its turns at start + n x period, whatever the others or it itself take: a turn that is
//! taken late does not move the ones after it. Turns that have been missed by then are one. The tasks lie in the order of
//! what is due first; of those that are due at the same time, in the order in which they were added.
//!
//! Until [`Timers::begin`] no time runs: what was added before starts there.
//!
//! # What may be lost
//! Turns that nobody took in time, all but one. A time that a `Duration` cannot hold never comes.
//!
//! # Rules
//! Times are `CLOCK_MONOTONIC`'s, and the caller's: nothing here asks a clock, waits, or knows what a task does.
//! Adding and taking cost O(log n).
//! Sources: timerfd_create(2) ("the number of expirations"), clock_gettime(2): the clock stands still in a suspend.

use std::collections::BTreeMap;
use std::time::Duration;

/// Tasks and when they are due.
#[derive(Debug)]
pub struct Timers<T> {
    /// By what is due first; the second is the number in the order of adding.
    queue: BTreeMap<(Duration, u64), Entry<T>>,
    /// Added before the time runs, in order.
    early: Vec<Entry<T>>,
    began: bool,
    added: u64,
}

#[derive(Debug)]
struct Entry<T> {
    /// Until the first turn, and between two of them when it comes again.
    period: Duration,
    again: bool,
    start: Duration,
    task: T,
}

/// A turn that is taken: the task.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn<'a, T> {
    /// It comes again.
    Again(&'a T),
    /// It is the caller's now.
    Once(T),
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { queue: BTreeMap::new(), early: Vec::new(), began: false, added: 0 }
    }
}

impl<T> Timers<T> {
    /// Adds a task that comes each `period`, for the first time after one. A period of nothing is a nanosecond.
    pub fn every(&mut self, now: Duration, period: Duration, task: T) {
        let period = period.max(Duration::from_nanos(1));
        self.add(now, Entry { period, again: true, start: now, task });
    }

    /// Adds a task that comes once, after `delay`.
    pub fn after(&mut self, now: Duration, delay: Duration, task: T) {
        self.add(now, Entry { period: delay, again: false, start: now, task });
    }

    fn add(&mut self, now: Duration, entry: Entry<T>) {
        if self.began {
            self.added += 1;
            self.queue.insert((now.saturating_add(entry.period), self.added), entry);
        } else {
            self.early.push(entry);
        }
    }

    /// The time runs from here on, also for what has been added before. Asked again it does nothing.
    pub fn begin(&mut self, now: Duration) {
        self.began = true;
        for entry in std::mem::take(&mut self.early) {
            self.add(now, Entry { start: now, ..entry });
        }
    }

    /// When the next task is due; `None`: there is none, or the time does not run.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }

    /// Takes the turn that was due first, if it was due by `by`. `now` is not before `by`: what comes again is due next at
    /// the first of its times after `now`.
    pub fn take(&mut self, by: Duration, now: Duration) -> Option<Turn<'_, T>> {
        self.next_due().filter(|due| *due <= by)?;
        let ((_, number), entry) = self.queue.pop_first()?;
        if !entry.again {
            return Some(Turn::Once(entry.task));
        }
        let due = entry.due_after(now);
        let entry = self.queue.entry((due, number)).or_insert(entry);
        Some(Turn::Again(&entry.task))
    }

    /// Takes all tasks out, in no order. The time goes on.
    pub fn take_all(&mut self) -> impl Iterator<Item = T> + use<T> {
        let early = std::mem::take(&mut self.early);
        std::mem::take(&mut self.queue).into_values().chain(early).map(|entry| entry.task)
    }
}

impl<T> Entry<T> {
    fn due_after(&self, now: Duration) -> Duration {
        let period = self.period.as_nanos().max(1);
        let turns = now.saturating_sub(self.start).as_nanos() / period + 1;
        // A product that no Duration holds lies after every `now`, and so does what it is cut to.
        let past = u64::try_from(turns.saturating_mul(period)).map_or(Duration::MAX, Duration::from_nanos);
        self.start.saturating_add(past)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn running() -> Timers<&'static str> {
        let mut timers = Timers::default();
        timers.begin(ms(1000));
        timers
    }

    fn taken<'a>(timers: &mut Timers<&'a str>, now: Duration) -> Vec<&'a str> {
        std::iter::from_fn(|| match timers.take(now, now)? {
            Turn::Again(task) => Some(*task),
            Turn::Once(task) => Some(task),
        })
        .collect()
    }

    #[test]
    fn a_late_turn_does_not_move_the_next_ones() {
        let mut timers = running();
        timers.every(ms(1000), ms(30), "poll");
        for turn in 1..=1000 {
            let due = ms(1000 + turn * 30);
            assert_eq!(timers.next_due(), Some(due));
            let late = due + Duration::from_micros(turn * 29);
            assert_eq!(taken(&mut timers, late), ["poll"]);
        }
    }

    #[test]
    fn missed_turns_are_one() {
        let mut timers = running();
        timers.every(ms(1000), ms(30), "poll");
        assert_eq!(taken(&mut timers, ms(1029)), [""; 0]);
        assert_eq!(taken(&mut timers, ms(1030)), ["poll"]);
        let month = Duration::from_secs(30 * 86400);
        assert_eq!(taken(&mut timers, month), ["poll"]);
        let next = timers.next_due().unwrap();
        assert!(next > month && next <= month + ms(30));
        assert_eq!((next - ms(1000)).as_nanos() % ms(30).as_nanos(), 0, "still on its times");
    }

    #[test]
    fn a_turn_that_ends_on_the_next_ones_time_does_not_swallow_it() {
        let mut timers = running();
        timers.every(ms(1000), ms(10), "poll");
        assert_eq!(taken(&mut timers, ms(1020)), ["poll"], "of 1010 and 1020");
        assert_eq!(timers.next_due(), Some(ms(1030)));
    }

    #[test]
    fn what_comes_once_is_the_takers() {
        let mut timers = running();
        timers.after(ms(1000), ms(5), "once");
        timers.after(ms(1000), Duration::ZERO, "at once");
        assert_eq!(timers.take(ms(1000), ms(1000)), Some(Turn::Once("at once")));
        assert_eq!(timers.take(ms(1000), ms(1000)), None);
        assert_eq!(timers.take(ms(1005), ms(1005)), Some(Turn::Once("once")));
        assert_eq!(timers.next_due(), None);
    }

    #[test]
    fn what_is_due_first_comes_first_and_equals_in_the_order_of_adding() {
        let mut timers = running();
        timers.every(ms(1000), ms(20), "slow");
        timers.every(ms(1000), ms(10), "a");
        timers.after(ms(1000), ms(10), "b");
        timers.every(ms(1000), ms(10), "c");
        assert_eq!(taken(&mut timers, ms(1010)), ["a", "b", "c"]);
        assert_eq!(taken(&mut timers, ms(1020)), ["slow", "a", "c"]);
        assert_eq!(taken(&mut timers, ms(1045)), ["a", "c", "slow"], "1030, 1030, 1040");
    }

    #[test]
    fn who_is_always_due_does_not_keep_others_out() {
        let mut timers = running();
        timers.every(ms(1000), Duration::ZERO, "greedy");
        timers.every(ms(1000), ms(1), "modest");
        let mut modest = 0;
        for turn in 0..20 {
            let now = ms(1002 + turn);
            let task = timers.take(now, now);
            modest += u32::from(task == Some(Turn::Again(&"modest")));
        }
        assert_eq!(modest, 10);
    }

    #[test]
    fn what_becomes_due_meanwhile_waits_for_the_next_round() {
        let mut timers = running();
        timers.every(ms(1000), Duration::from_nanos(1), "always");
        assert_eq!(timers.take(ms(1001), ms(1001)), Some(Turn::Again(&"always")));
        timers.after(ms(1002), Duration::ZERO, "added by it");
        assert_eq!(timers.take(ms(1001), ms(1003)), None, "1001 was this round's end");
        assert!(timers.take(ms(1003), ms(1003)).is_some());
    }

    #[test]
    fn no_time_runs_before_the_beginning() {
        let mut timers = Timers::default();
        timers.every(ms(1), ms(10), "early");
        timers.after(ms(2), Duration::ZERO, "once");
        assert_eq!((timers.next_due(), timers.take(ms(500), ms(500))), (None, None));
        timers.begin(ms(500));
        timers.every(ms(505), ms(10), "late");
        assert_eq!(taken(&mut timers, ms(500)), ["once"]);
        timers.begin(ms(507));
        assert_eq!(taken(&mut timers, ms(510)), ["early"]);
        assert_eq!(taken(&mut timers, ms(520)), ["late", "early"]);
    }

    #[test]
    fn times_that_cannot_be_held_never_come() {
        let mut timers = running();
        timers.every(ms(1000), Duration::MAX, "never");
        timers.after(ms(1000), Duration::MAX, "never");
        timers.every(ms(1000), Duration::from_secs(500 * 365 * 86400), "in 500 years");
        assert_eq!(taken(&mut timers, Duration::from_secs(400 * 365 * 86400)), [""; 0]);
        let after = Duration::from_secs(600 * 365 * 86400);
        assert_eq!(taken(&mut timers, after), ["in 500 years"]);
        assert!(timers.next_due().is_some_and(|due| due > after));
    }

    #[test]
    fn ten_thousand_tasks_have_their_turns() {
        let mut timers = Timers::default();
        timers.begin(Duration::ZERO);
        for task in 0_u64..10_000 {
            timers.every(Duration::ZERO, ms(1 + task % 100), task);
        }
        let mut turns = vec![0_u64; 10_000];
        let mut last = Duration::ZERO;
        while let Some(due) = timers.next_due().filter(|due| *due <= ms(300)) {
            assert!(due >= last);
            last = due;
            while let Some(Turn::Again(task)) = timers.take(due, due) {
                turns[usize::try_from(*task).unwrap()] += 1;
            }
        }
        for (task, turns) in (0_u64..).zip(turns) {
            assert_eq!(turns, 300 / (1 + task % 100), "{task}");
        }
    }

    #[test]
    fn all_can_be_taken_out() {
        let mut timers = Timers::default();
        timers.every(ms(1), ms(1), 1);
        timers.begin(ms(1));
        timers.every(ms(1), ms(1), 2);
        let mut all: Vec<_> = timers.take_all().collect();
        all.sort_unstable();
        assert_eq!((all, timers.next_due()), (vec![1, 2], None));
        timers.after(ms(5), ms(1), 3);
        assert_eq!(timers.take(ms(6), ms(6)), Some(Turn::Once(3)));
    }
}
