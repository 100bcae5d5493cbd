//! One worker's life, from its spawn to its end: what is known of it, and the steps by which it is ended.
//!
//! # How it works
//! The facts are fields; [`Life::settle`] derives the state from them, so that no two of them can disagree.
//! An [`Ending`] has a budget. What may finish its request first keeps its budget until then.
//!
//! ```text
//! Finishing --requests done, or their deadline--> Draining --75 %--> Terminated --95 %--> Killed --100 % + 0.5 s--> Unkillable
//! ```
//!
//! # Rules
//! Pure. Which life is replaced, and by what, the pool decides.
//! Sources: DESIGN §3.

use std::time::{Duration, Instant};

use rustdaemon_core::link::{self, Method, Signalled};

use crate::ids::WorkerId;
use crate::reason::Why;

/// KILL needs a moment to be seen even where the whole budget is tiny.
const KILL_GRACE: Duration = Duration::from_millis(500);

/// Where a slot or its worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Spawned; has not called `install()`, or is not yet `ready_after` old.
    Starting,
    /// Called `install()`; has not called `run()`, `tick()` or `ready()`.
    Booted,
    /// Waits for a request.
    Idle,
    /// Has a request in hand, or has deferred some.
    Busy,
    /// Gets no request until it is resumed.
    Paused,
    /// Told to end.
    Draining,
    /// Ended, and will not be started again.
    Stopped,
    /// Waits before its next start.
    Backoff,
    /// Starting again would not help; tried every five minutes.
    Parked,
    /// Has survived KILL: frozen, or in an uninterruptible wait. No second copy is started.
    Unkillable,
}

impl State {
    /// The word in `workers[].state`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Booted => "booted",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Paused => "paused",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Backoff => "backoff",
            Self::Parked => "parked",
            Self::Unkillable => "unkillable",
        }
    }
}

/// Where a linked worker stands towards the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It has not said hello.
    Away,
    /// It has, and waits for its predecessor's end. Since when.
    Held(Instant),
    /// It has been let in, or has no link and so no gate.
    Passed,
    /// It will not be let in.
    Refused,
}

/// How far an ending has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It may finish the request in hand.
    Finishing,
    /// Its budget runs.
    Draining,
    /// It has had TERM.
    Terminated,
    /// It has had KILL.
    Killed,
    /// It has outlived KILL.
    Unkillable,
}

/// A worker on its way out.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Why.
    pub why: Why,
    /// How far.
    pub phase: Phase,
    /// Since when the budget runs; in [`Phase::Finishing`]: when it begins to run at the latest.
    since: Instant,
}

/// A worker's life.
#[derive(Clone, Debug)]
pub struct Life {
    /// Its number.
    pub worker: WorkerId,
    /// Its slot.
    pub slot: usize,
    /// Which release of the code it belongs to.
    pub generation: u32,
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Its process.
    pub pid: Option<i32>,
    /// When it was started.
    pub spawned_at: Instant,
    /// Where it stands towards the gate.
    pub gate: Gate,
    /// Whether it speaks over a link.
    pub linked: bool,
    /// Whether it has been ready.
    pub ready: bool,
    /// The link version that it speaks.
    pub version: u16,
    /// It has said ready, and has a loop of its own: no request is sent to it, TERM decides.
    pub own_loop: bool,
    /// It may be busy without a request: it is looked at every `hang_timeout`.
    pub jobs: bool,
    /// What it offers.
    pub methods: Vec<Method>,
    /// Stop signals that its script has given to somebody else.
    pub signals_taken: Vec<String>,
    /// Why its hangs cannot be seen.
    pub blind: Option<String>,
    /// The deadline of the request in hand.
    pub in_hand: Option<Instant>,
    /// How many requests it may have deferred before it gets no other one.
    pub concurrency: usize,
    /// How many it answers later.
    pub deferred: usize,
    /// When all of these are answered otherwise at the latest.
    deferred_until: Option<Instant>,
    /// Requests answered.
    pub served: u64,
    /// It has acknowledged a pause.
    pub paused: bool,
    /// It begins nothing any more: its loop has ended.
    pub leaving: bool,
    /// It is on its way out.
    pub ending: Option<Ending>,
    /// A limit that it has reached; its ending waits for its turn.
    pub due: Option<Why>,
    /// The last stop signal that it told of.
    pub last_signal: Option<Signalled>,
    /// The last signal that an operator sent it.
    pub sent: Option<i32>,
    /// After so many requests it is replaced.
    pub max_requests: Option<u64>,
    /// With more bytes in memory it is replaced.
    pub memory_soft: Option<u64>,
    /// When it is replaced.
    pub ends_at: Option<Instant>,
    /// When it is ready by age alone, without a link.
    pub ready_at: Option<Instant>,
    /// When it has taken too long to become ready.
    pub unready_at: Option<Instant>,
    /// It has closed its link: when it should have ended.
    pub deaf_at: Option<Instant>,
    /// Its hang has been said.
    pub hang_told: bool,
    /// When it is looked at for a hang.
    pub hang_at: Option<Instant>,
    /// When its memory is looked at.
    pub sample_at: Option<Instant>,
}

impl Life {
    /// A life that has just begun.
    #[must_use]
    pub fn new(now: Instant, worker: WorkerId, slot: usize, generation: u32, linked: bool) -> Self {
        Self {
            worker,
            slot,
            generation,
            state: State::Starting,
            since: now,
            pid: None,
            spawned_at: now,
            gate: if linked { Gate::Away } else { Gate::Passed },
            linked,
            ready: false,
            version: 0,
            own_loop: false,
            jobs: false,
            methods: Vec::new(),
            signals_taken: Vec::new(),
            blind: None,
            in_hand: None,
            concurrency: 1,
            deferred: 0,
            deferred_until: None,
            served: 0,
            paused: false,
            leaving: false,
            ending: None,
            due: None,
            last_signal: None,
            sent: None,
            max_requests: None,
            memory_soft: None,
            ends_at: None,
            ready_at: None,
            unready_at: None,
            deaf_at: None,
            hang_told: false,
            hang_at: None,
            sample_at: None,
        }
    }

    /// Its process has been started: from here on its times run.
    pub fn begin(&mut self, now: Instant, pid: i32) {
        let waited = now.saturating_duration_since(self.spawned_at);
        self.pid = Some(pid);
        self.spawned_at = now;
        for at in [&mut self.ready_at, &mut self.unready_at, &mut self.ends_at, &mut self.sample_at] {
            *at = at.map(|at| at + waited);
        }
    }

    /// Derives the state from the facts.
    pub fn settle(&mut self, now: Instant) {
        let state = match &self.ending {
            Some(ending) if ending.phase == Phase::Unkillable => State::Unkillable,
            Some(_) => State::Draining,
            None if self.gate == Gate::Away => State::Starting,
            None if !self.ready && self.linked => State::Booted,
            None if !self.ready => State::Starting,
            None if self.leaving => State::Draining,
            None if self.has_requests() => State::Busy,
            None if self.paused => State::Paused,
            None => State::Idle,
        };
        if state != self.state {
            self.state = state;
            self.since = now;
        }
    }

    /// Whether it has a request in hand, or has deferred some.
    #[must_use]
    pub fn has_requests(&self) -> bool {
        self.in_hand.is_some() || self.deferred > 0
    }

    /// Whether a request may be sent to it now.
    #[must_use]
    pub fn is_free(&self) -> bool {
        let has_room = self.in_hand.is_none() && self.deferred < self.concurrency && !self.paused;
        let is_up = self.state == State::Idle || self.state == State::Busy && has_room;
        is_up && self.linked && !self.own_loop
    }

    /// Whether a message may be sent to it now as the only thing in its hand: it defers none, and a loop of its own is no
    /// hindrance.
    #[must_use]
    pub fn is_free_for_message(&self) -> bool {
        let has_room = self.state == State::Busy && self.in_hand.is_none() && !self.paused;
        (self.state == State::Idle || has_room) && self.has_sessions()
    }

    /// Whether it may be sent requests ahead of those that it has in hand.
    #[must_use]
    pub fn prefetches(&self) -> bool {
        self.state == State::Busy && self.has_claims() && !self.own_loop && !self.paused
    }

    /// How many requests it may have in hand at one time, where others may have `prefetch`: no more than it may defer.
    #[must_use]
    pub fn most_in_hand(&self, prefetch: usize) -> usize {
        match (self.concurrency, self.deferred) {
            (1, 0) => prefetch,
            (concurrency, deferred) => prefetch.min(concurrency.saturating_sub(deferred)),
        }
    }

    /// Whether what it has been sent can be taken back.
    #[must_use]
    pub fn has_claims(&self) -> bool {
        self.linked && self.version >= link::CLAIMS_VERSION
    }

    /// Whether its link knows sessions, and who calls.
    #[must_use]
    pub fn has_sessions(&self) -> bool {
        self.linked && self.version >= link::SESSIONS_VERSION
    }

    /// Whether it offers a method.
    #[must_use]
    pub fn offers(&self, method: &str) -> bool {
        self.methods.iter().any(|offered| offered.name == method)
    }

    /// Whether an order to drain would be heard.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.linked && self.ready
    }

    /// Whether it would understand a pause; who has not said hello may.
    #[must_use]
    pub fn can_pause(&self) -> bool {
        self.linked && (self.version >= link::PAUSE_VERSION || !self.ready)
    }

    /// Whether it is on its way out, or not ready yet though within its time.
    #[must_use]
    pub fn is_out(&self) -> bool {
        let ends = self.ending.is_some() && self.state != State::Unkillable;
        ends || self.unready_at.or(self.ready_at).is_some()
    }

    /// Begins to end it, or hastens its end: an ending never slows down, and a stop's reason wins. `finish`: it may
    /// finish the request in hand first. Whether the ending is a new one.
    pub fn end(&mut self, now: Instant, why: Why, finish: bool) -> bool {
        let finish_by = self.in_hand.max(self.deferred_until).filter(|_| finish);
        let (phase, since) = match finish_by {
            Some(deadline) => (Phase::Finishing, deadline.max(now)),
            None => (Phase::Draining, now),
        };
        let is_new = self.ending.is_none();
        match &mut self.ending {
            None => self.ending = Some(Ending { why, phase, since }),
            Some(ending) => {
                if ending.phase == Phase::Finishing && phase > Phase::Finishing {
                    (ending.phase, ending.since) = (phase, now);
                }
                if !finish {
                    ending.why = why;
                }
            }
        }
        self.due = None;
        self.settle(now);
        is_new
    }

    /// KILL has been ordered.
    pub fn killed(&mut self, now: Instant, budget: Duration, why: Why) {
        let since = now.checked_sub(budget).unwrap_or(now);
        match &mut self.ending {
            Some(ending) if ending.phase >= Phase::Killed => {}
            Some(ending) => {
                (ending.phase, ending.since) = (Phase::Killed, since);
                if ending.why != Why::Stop {
                    ending.why = why;
                }
            }
            None => self.ending = Some(Ending { why, phase: Phase::Killed, since }),
        }
        self.settle(now);
    }

    /// It is at a request, which is answered otherwise at `deadline`.
    pub fn begins(&mut self, now: Instant, deadline: Instant, hang_timeout: Option<Duration>) {
        self.in_hand = Some(deadline);
        self.hang_told = false;
        self.hang_at = hang_timeout.map(|timeout| now + timeout);
        self.settle(now);
    }

    /// The request in hand is done, and there is no other one.
    pub fn finished(&mut self, now: Instant, hang_timeout: Option<Duration>) {
        self.in_hand = None;
        self.hang_at = hang_timeout.filter(|_| self.jobs).map(|timeout| now + timeout);
        self.rests(now);
    }

    /// The request in hand is answered later, otherwise at `deadline`.
    pub fn defers(&mut self, deadline: Instant) {
        self.deferred += 1;
        self.deferred_until = self.deferred_until.max(Some(deadline));
    }

    /// It has answered a request that it had deferred.
    pub fn answers_deferred(&mut self, now: Instant) {
        self.deferred = self.deferred.saturating_sub(1);
        self.deferred_until = self.deferred_until.filter(|_| self.deferred > 0);
        self.rests(now);
    }

    /// An ending's budget runs when there is nothing left to finish.
    fn rests(&mut self, now: Instant) {
        let rests = !self.has_requests();
        let ending = self.ending.as_mut().filter(|ending| rests && ending.phase == Phase::Finishing);
        if let Some(ending) = ending {
            (ending.phase, ending.since) = (Phase::Draining, now);
        }
        self.settle(now);
    }

    /// The next phase of the ending, where its time has come; ask again until there is none.
    pub fn step(&mut self, now: Instant, budget: Duration) -> Option<Phase> {
        let ending = self.ending.as_mut()?;
        if ending.step_at(budget).is_none_or(|at| at > now) {
            return None;
        }
        let next = match ending.phase {
            Phase::Finishing => Phase::Draining,
            Phase::Draining => Phase::Terminated,
            Phase::Terminated => Phase::Killed,
            Phase::Killed | Phase::Unkillable => Phase::Unkillable,
        };
        ending.phase = next;
        self.settle(now);
        Some(next)
    }

    /// When [`Life::step`], or one of the looks, has something to do.
    #[must_use]
    pub fn next_deadline(&self, budget: Duration) -> Option<Instant> {
        let looks =
            [self.ends_at, self.ready_at, self.unready_at, self.deaf_at, self.hang_at, self.sample_at];
        let step = self.ending.as_ref().and_then(|ending| ending.step_at(budget));
        looks.into_iter().flatten().chain(step).min()
    }
}

impl Ending {
    /// How long its budget has been running.
    #[must_use]
    pub fn spent(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    fn step_at(&self, budget: Duration) -> Option<Instant> {
        Some(match self.phase {
            Phase::Finishing => self.since,
            Phase::Draining => self.since + budget.mul_f64(0.75),
            Phase::Terminated => self.since + budget.mul_f64(0.95),
            Phase::Killed => self.since + budget + KILL_GRACE,
            Phase::Unkillable => return None,
        })
    }
}
