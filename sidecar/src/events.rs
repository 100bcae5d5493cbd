//! What subscribers are told: one notice for each change of a worker, of a deploy, of the daemon.
//!
//! # How it works
//! What a slot looked like is compared with what it looks like now; whoever keeps both asks after each event. `idle` and
//! `busy` are one: what comes and goes with every request is no news.
//!
//! # What may be lost
//! States between two looks. An end is never: it is told when it happens.
//!
//! # Rules
//! Pure.

use rustdaemon_core::link::ExitReason;
use serde::{Deserialize, Serialize};

use crate::life::State;

/// One line of `daemon.subscribe`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notice {
    /// Unix time in seconds.
    pub at: f64,
    /// `worker.state`, `worker.hangs`, `worker.ended`, `reload.started`, `reload.done`, `reload.refused`, `daemon.stopping`.
    pub event: String,
    /// The pool that it is about; none: the daemon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// The worker, as `pool#slot`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// Its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The generation of the worker, or of the deploy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// As in `daemon.status`; `idle` stands for `busy` too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Seconds until its next start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_in: Option<f64>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How it ended, with all that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ExitReason>,
    /// The last lines of who failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

/// What a slot looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// `pool#slot`.
    pub worker: String,
    /// Where it stands.
    pub state: State,
    /// Its process.
    pub pid: Option<i32>,
    /// The generation of its worker.
    pub generation: Option<u32>,
    /// Seconds until its next start. Compared with nothing.
    pub retry_in: Option<f64>,
}

impl Notice {
    /// Of the daemon, or of a pool.
    #[must_use]
    pub fn of(event: &str, pool: Option<&str>) -> Self {
        Self { event: event.to_owned(), pool: pool.map(str::to_owned), ..Self::default() }
    }

    /// Whether it is for who has asked for `name`: a pool, `pool#slot`, none: all.
    #[must_use]
    pub fn is_about(&self, name: Option<&str>) -> bool {
        let Some(name) = name else { return true };
        let pool = name.split_once('#').map_or(name, |(pool, _)| pool);
        match (&self.pool, &self.worker) {
            (None, _) => true,
            (Some(whose), Some(worker)) => whose == name || worker == name,
            (Some(whose), None) => whose == pool,
        }
    }
}

impl Seen {
    /// What of it is news.
    fn news(&self) -> (State, Option<i32>, Option<u32>) {
        let state = if self.state == State::Busy { State::Idle } else { self.state };
        (state, self.pid, self.generation)
    }
}

/// What has changed between two looks at a pool's slots.
pub fn changes<'a>(pool: &'a str, before: &'a [Seen], now: &'a [Seen]) -> impl Iterator<Item = Notice> + 'a {
    let last = |seen: &Seen| before.iter().find(|before| before.worker == seen.worker).map(Seen::news);
    // A start is told when there is a process.
    let is_to_be = |seen: &&Seen| seen.state == State::Starting && seen.pid.is_none();
    let news = now.iter().filter(move |seen| last(seen) != Some(seen.news()) && !is_to_be(seen));
    news.map(move |seen| Notice {
        worker: Some(seen.worker.clone()),
        pid: seen.pid,
        generation: seen.generation,
        state: Some(seen.news().0.word().to_owned()),
        retry_in: seen.retry_in,
        ..Notice::of("worker.state", Some(pool))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_told_but_not_each_request() {
        let seen = |worker: &str, state, pid| Seen {
            worker: worker.into(),
            state,
            pid,
            generation: Some(1),
            retry_in: None,
        };
        let told = |before: &[Seen], now: &[Seen]| {
            let line = |notice: Notice| {
                format!("{} {}", notice.worker.unwrap_or_default(), notice.state.unwrap_or_default())
            };
            changes("a", before, now).map(line).collect::<Vec<_>>()
        };
        let idle = [seen("a#0", State::Idle, Some(7)), seen("a#1", State::Busy, Some(8))];
        let busy = [seen("a#0", State::Busy, Some(7)), seen("a#1", State::Idle, Some(8))];
        assert_eq!(told(&idle, &busy), [""; 0]);
        let backoff = [seen("a#0", State::Backoff, None), seen("a#1", State::Busy, Some(9))];
        assert_eq!(told(&idle, &backoff), ["a#0 backoff", "a#1 idle"]);
        let start = [seen("a#0", State::Starting, None), seen("a#1", State::Starting, Some(9))];
        assert_eq!(told(&idle, &start), ["a#1 starting"]);
        assert_eq!(told(&[], &idle), ["a#0 idle", "a#1 idle"]);
        assert_eq!(told(&idle, &[]), [""; 0]);
    }

    #[test]
    fn a_notice_is_for_who_has_asked_for_it() {
        let worker = Notice { worker: Some("a#0".into()), ..Notice::of("worker.state", Some("a")) };
        let reload = Notice::of("reload.done", Some("a"));
        let daemon = Notice::of("daemon.stopping", None);
        for (name, expected) in [
            (None, [true, true, true]),
            (Some("a"), [true, true, true]),
            (Some("a#0"), [true, true, true]),
            (Some("a#1"), [false, true, true]),
            (Some("b"), [false, false, true]),
        ] {
            assert_eq!([&worker, &reload, &daemon].map(|notice| notice.is_about(name)), expected, "{name:?}");
        }
    }
}
