//! A pool: its slots, their workers' lives, restart, limits, hangs, reload and stop. Knows no request.
//!
//! # How it works
//! Every change is made here, by one of the `pub` functions, each `(now, what happened)` to [`Order`]s. A slot outlives
//! its workers; each spawn has a new [`WorkerId`]. A slot has a current worker, in a reload a next one besides, and
//! those that are still on their way out.
//!
//! ```text
//!            spawn                 hello, Go           ready               request
//! backoff ----------> starting ------------> booted ----------> idle <--------------> busy
//!    ^                    |                    |                 |    reply             |
//!    |      end           v                    v                 v                      v
//!    +----------------------------------------------------------------------------------+
//!    end: replaced at once | backoff | parked | stopped
//! ```
//!
//! Restart: what was wanted (an operator, a limit, a reload) is replaced at once and not counted; the rest by
//! [`Backoff`], and parked after `start_limit` failures within `start_window`.
//! Ending: who serves requests is told to drain, the others get TERM at once; TERM for all at 75 % of `stop_timeout`,
//! KILL at 95 %. Limits take one worker of a pool at a time.
//! Singleton (one worker, no overlap): nobody passes the gate while another one who has is alive.
//! Reload: every slot's next worker boots beside the current one; when all are ready, they take the slots together.
//!
//! # Rules
//! Pure: no clock, no process, no log. Exits come by pidfd only, once per worker.
//! Sources: DESIGN §3.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use log::Level;
use rustdaemon_core::link::{ExitReason, Method, Ready, Signalled};
use rustdaemon_core::settings;
use rustdaemon_core::sys::ExitStatus;

use crate::backoff::{Backoff, Jitter};
use crate::config::PoolConfig;
use crate::ids::WorkerId;
use crate::latency::{Figures, Latency};
use crate::life::{Life, Phase, State};
use crate::order::{Moment, Order};
use crate::reason::{self, Exit, Why};

/// Whoever has closed its link has so long to end.
const DEAF_GRACE: Duration = Duration::from_secs(5);

mod gate;
mod hearing;
mod lives;
mod orders;
mod reload;
mod scale;
mod succession;
#[cfg(test)]
mod tests;
mod watch;

use self::lives::Lives;
use self::reload::Deploy;

/// Who offers a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// The pool's workers do.
    Yes,
    /// Nobody does.
    No,
    /// No worker was ever ready: it may turn out.
    NotKnownYet,
}

/// A worker that may be sent a request.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'a> {
    /// The worker.
    pub life: &'a Life,
    /// It has none in hand; otherwise what it is sent now waits there.
    pub is_free: bool,
}

/// A place that survives its workers.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Workers started here after the first.
    pub restarts: u64,
    /// Requests answered by its workers, all together.
    pub served: u64,
    /// How the last worker ended.
    pub last_exit: Option<Box<ExitReason>>,
    /// Which one that was.
    last_worker: Option<WorkerId>,
    /// When it is started again.
    pub retry_at: Option<Instant>,
    /// An operator wants it up.
    pub wanted: bool,
    /// An operator wants it paused.
    pub pause: bool,
    /// Its worker.
    pub current: Option<WorkerId>,
    /// The one that a reload has started.
    next: Option<WorkerId>,
    /// Where it stands without a worker, and since when.
    vacant: (State, Instant),
    backoff: Backoff,
    failures: Vec<Instant>,
    /// How long the requests of its workers took.
    latency: Latency,
}

/// A slot as people see it.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// The slot.
    pub slot: &'a Slot,
    /// Its worker.
    pub life: Option<&'a Life>,
}

/// The set of workers of one command.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    number: usize,
    socket: String,
    socket_mode: u32,
    /// How many it is to have.
    workers: usize,
    /// It was to have more than one.
    several: bool,
    /// As many, and those on their way out.
    slots: Vec<Slot>,
    lives: Lives,
    next_worker: u64,
    generation: u32,
    offered: Option<Vec<Method>>,
    deploy: Option<Deploy>,
    stopping: bool,
    /// Some slot may have a time at which it is started again.
    retrying: bool,
    /// Since when nothing has stood still.
    awake_since: Instant,
    warned: BTreeSet<String>,
    jitter: Jitter,
}

impl Pool {
    /// The `number`th pool, which has started nothing yet. `socket` and `socket_mode` are what `install()`'s are compared
    /// with.
    #[must_use]
    pub fn new(
        now: Instant,
        number: usize,
        config: PoolConfig,
        socket: String,
        socket_mode: u32,
        seed: u64,
    ) -> Self {
        let workers = config.workers as usize;
        let stop_timeout = config.stop_timeout;
        Self {
            config,
            number,
            socket,
            socket_mode,
            workers,
            several: workers > 1,
            slots: (0..workers).map(|_| Slot::new(now)).collect(),
            lives: Lives::new(stop_timeout),
            next_worker: 1,
            generation: 1,
            offered: None,
            deploy: None,
            stopping: false,
            retrying: false,
            awake_since: now,
            warned: BTreeSet::new(),
            jitter: Jitter::new(seed),
        }
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// Its slots, by number.
    pub fn views(&self) -> impl Iterator<Item = View<'_>> {
        self.slots.iter().map(|slot| self.view_of(slot))
    }

    /// One of its slots.
    #[must_use]
    pub fn view(&self, number: usize) -> Option<View<'_>> {
        self.slots.get(number).map(|slot| self.view_of(slot))
    }

    fn view_of<'a>(&'a self, slot: &'a Slot) -> View<'a> {
        let life = slot.current.or(slot.next).and_then(|worker| self.lives.get(worker));
        let (state, since) = life.map_or(slot.vacant, |life| (life.state, life.since));
        View { state, since, slot, life }
    }

    /// Which release of the code its workers belong to.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether requests for a session of a worker can still be led to it, if not at once: it is not about to end.
    #[must_use]
    pub fn keeps_sessions(&self, worker: WorkerId) -> bool {
        self.lives.get(worker).is_some_and(|life| {
            let is_current = self.slots.get(life.slot).is_some_and(|slot| slot.current == Some(worker));
            is_current && life.linked && !life.leaving && life.ending.is_none()
        })
    }

    /// A worker that has not ended.
    #[must_use]
    pub fn life(&self, worker: WorkerId) -> Option<&Life> {
        self.lives.get(worker)
    }

    /// `name#slot` of a worker, for people.
    #[must_use]
    pub fn name_of(&self, worker: WorkerId) -> String {
        self.lives
            .get(worker)
            .map_or_else(|| format!("{}#?", self.config.name), |life| self.slot_name(life.slot))
    }

    /// How the last worker of this one's slot ended, once it has.
    #[must_use]
    pub fn last_exit_of(&self, worker: WorkerId) -> Option<String> {
        self.exit_of(worker).map(|exit| exit.message.clone())
    }

    /// The same with all that is known.
    #[must_use]
    pub fn exit_of(&self, worker: WorkerId) -> Option<&ExitReason> {
        let slot = self.slots.iter().find(|slot| slot.last_worker == Some(worker))?;
        slot.last_exit.as_deref()
    }

    fn slot_name(&self, number: usize) -> String {
        format!("{}#{number}", self.config.name)
    }

    /// What its workers offer, or offered when they were last ready.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        self.offered.as_deref().unwrap_or_default()
    }

    /// Whether a request for `method` has somewhere to go.
    #[must_use]
    pub fn offer(&self, method: &str) -> Offer {
        match &self.offered {
            Some(methods) if methods.iter().any(|offered| offered.name == method) => Offer::Yes,
            None if self.config.link && !self.stopping => Offer::NotKnownYet,
            _ => Offer::No,
        }
    }

    /// A worker free for `method`: the one with the least deferred, of these the one idle longest, so that work goes round;
    /// who may be busy without our knowing comes last.
    #[must_use]
    pub fn idle_for(&self, method: &str) -> Option<WorkerId> {
        self.free().find(|life| life.offers(method)).map(|life| life.worker)
    }

    /// Whether it has workers for what nobody offers by name.
    #[must_use]
    pub fn takes_the_rest(&self) -> bool {
        self.methods().iter().any(|offered| offered.name == settings::REST)
    }

    /// Whether what the worker has in hand under the name `method` may run once more.
    #[must_use]
    pub fn may_run_again(&self, worker: WorkerId, method: &str) -> bool {
        let by_name = self.life(worker).is_none_or(|life| life.offers(method));
        match by_name || !settings::is_for_rest(method) {
            true => self.is_idempotent(method),
            false => self.is_idempotent(settings::REST),
        }
    }

    /// Whether running `method` twice does no harm.
    fn is_idempotent(&self, method: &str) -> bool {
        self.methods().iter().any(|offered| offered.name == method && offered.idempotent)
    }

    /// All idle workers.
    #[must_use]
    pub fn idle_workers(&self) -> Vec<WorkerId> {
        self.free().map(|life| life.worker).collect()
    }

    /// Whether a worker may be sent a request now, and in which way.
    #[must_use]
    pub fn reach(&self, worker: WorkerId) -> Option<Reach<'_>> {
        let life = self.lives.get(worker)?;
        let is_free = life.is_free();
        (self.is_open(life) && (is_free || life.prefetches())).then_some(Reach { life, is_free })
    }

    fn free(&self) -> impl Iterator<Item = &Life> {
        self.lives.free().filter(|life| self.is_open(life))
    }

    /// Whether its slot is its own, and not to be paused: behind a pause that is not acknowledged yet a request would wait.
    fn is_open(&self, life: &Life) -> bool {
        self.slots.get(life.slot).is_some_and(|slot| slot.current == Some(life.worker) && !slot.pause)
    }

    /// Why no worker is up; `None`: one is.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        if self.views().any(|view| matches!(view.state, State::Idle | State::Busy)) {
            return None;
        }
        self.trouble_in(0)
    }

    /// Why the worker in a slot serves nothing; `None`: it does, or there is no such slot.
    #[must_use]
    pub fn trouble_in(&self, number: usize) -> Option<String> {
        let view = self.view(number)?;
        if matches!(view.state, State::Idle | State::Busy) {
            return None;
        }
        let last = view.slot.last_exit.as_ref();
        let last = last.map(|how| format!(", its last worker: {}", how.message)).unwrap_or_default();
        let state = match view.state {
            State::Backoff => "in backoff",
            other => other.word(),
        };
        Some(format!("{} is {state}{last}", self.slot_name(number)))
    }

    /// Whether every slot that is wanted is parked.
    #[must_use]
    pub fn is_parked(&self) -> bool {
        let mut wanted = self.views().filter(|view| view.slot.wanted).peekable();
        wanted.peek().is_some() && wanted.all(|view| view.state == State::Parked)
    }

    // ---- lives

    /// Starts every slot.
    pub fn start(&mut self, now: Instant) -> Vec<Order> {
        (0..self.slots.len()).filter_map(|number| self.spawn(now, number)).collect()
    }

    /// The spawn worked.
    pub fn spawned(&mut self, now: Instant, worker: WorkerId, pid: i32) {
        if let Some(mut life) = self.lives.change(worker) {
            life.begin(now, pid);
        }
    }

    /// The spawn failed: counts as a short run.
    pub fn spawn_failed(&mut self, now: Instant, worker: WorkerId, why: &str) -> Vec<Order> {
        let mut orders = self.ended(now, worker, reason::not_started(why));
        self.trim();
        orders.extend(self.start_due(now));
        orders
    }

    /// Whether two of its workers never are at work at a time.
    #[must_use]
    pub fn is_singleton(&self) -> bool {
        self.config.workers == 1 && !self.config.overlap && !self.several
    }

    /// The worker serves these methods from now on.
    pub fn ready(&mut self, now: Instant, worker: WorkerId, ready: Ready) -> Vec<Order> {
        let name = self.name_of(worker);
        let hang_timeout = self.config.hang_timeout;
        let Some(mut life) = self.lives.change(worker) else { return Vec::new() };
        life.methods.clone_from(&ready.methods);
        life.own_loop = ready.own_loop;
        let blind = ready.blind.filter(|_| life.blind.is_none());
        life.blind = blind.clone().or(life.blind.take());
        life.jobs = ready.jobs || ready.own_loop;
        life.concurrency = usize::try_from(ready.concurrency).unwrap_or(usize::MAX).max(1);
        if life.jobs && life.hang_at.is_none() {
            life.hang_at = hang_timeout.map(|timeout| now + timeout);
        }
        let first = !life.ready;
        let generation = life.generation;
        life.ready = true;
        life.settle(now);
        drop(life);
        self.arm_sample(now, worker);
        if generation == self.generation {
            self.offer_all(ready.methods);
        }
        let mut orders = Vec::from_iter(blind.and_then(|why| self.warn_once(&name, &why)));
        if first {
            orders.extend(self.is_up(now, worker));
        }
        orders
    }

    /// What follows from a worker's first ready.
    fn is_up(&mut self, now: Instant, worker: WorkerId) -> Vec<Order> {
        let name = self.name_of(worker);
        let Some(mut life) = self.lives.change(worker) else { return Vec::new() };
        life.unready_at = None;
        life.ready_at = None;
        let ms = now.saturating_duration_since(life.spawned_at).as_millis();
        let (pid, slot, generation) = (life.pid.unwrap_or_default(), life.slot, life.generation);
        let ending = life.ending.is_some();
        let word = if life.linked { "ready" } else { "up" };
        let mut orders =
            vec![Order::Say(Level::Info, format!("{name} is {word} (pid {pid}, after {ms} ms)"))];
        let can_pause = life.can_pause();
        drop(life);
        if let Some(slot) = self.slots.get_mut(slot).filter(|slot| slot.pause && !ending) {
            slot.pause = can_pause;
            orders.push(match can_pause {
                true => Order::Pause(worker),
                false => Order::Say(
                    Level::Warn,
                    format!("{name}: its extension is too old to be paused: it serves"),
                ),
            });
        }
        orders.extend(self.hook(Moment::Ready, slot, generation, ""));
        if !ending && let Some(deploy) = &mut self.deploy {
            deploy.awaited.remove(&worker);
        }
        orders.extend(self.finish_deploy(now));
        orders.extend(self.start_due(now));
        orders
    }

    /// What one worker of a generation offers, the pool does, whichever of them is up at the moment.
    fn offer_all(&mut self, methods: Vec<Method>) {
        let offered = self.offered.get_or_insert_default();
        offered.retain(|known| methods.iter().all(|method| method.name != known.name));
        offered.extend(methods);
    }

    /// A request went to the worker; it is answered otherwise at `deadline`.
    pub fn busy(&mut self, now: Instant, worker: WorkerId, deadline: Instant) {
        if let Some(mut life) = self.lives.change(worker) {
            life.begins(now, deadline, self.config.hang_timeout);
        }
        self.arm_sample(now, worker);
    }

    /// A reply to the request in hand came back; the deadline of the one that it has in hand next, if it has another one.
    pub fn answered(&mut self, now: Instant, worker: WorkerId, next: Option<Instant>) -> Vec<Order> {
        self.goes_on(now, worker, next);
        self.has_served(now, worker)
    }

    /// The request in hand is answered later, otherwise at `deadline`; `None`: it has been. `next` as in [`Pool::answered`].
    pub fn deferred(
        &mut self,
        now: Instant,
        worker: WorkerId,
        deadline: Option<Instant>,
        next: Option<Instant>,
    ) {
        if let Some((mut life, deadline)) = self.lives.change(worker).zip(deadline) {
            life.defers(deadline);
        }
        self.goes_on(now, worker, next);
    }

    /// A reply to a deferred request came back.
    pub fn answered_deferred(&mut self, now: Instant, worker: WorkerId) -> Vec<Order> {
        if let Some(mut life) = self.lives.change(worker) {
            life.answers_deferred(now);
        }
        self.has_served(now, worker)
    }

    /// The deadline of a deferred request has passed.
    pub fn deferred_over(&mut self, now: Instant, worker: WorkerId) -> Vec<Order> {
        if let Some(mut life) = self.lives.change(worker) {
            life.answers_deferred(now);
        }
        self.start_due(now)
    }

    fn goes_on(&mut self, now: Instant, worker: WorkerId, next: Option<Instant>) {
        if let Some(mut life) = self.lives.change(worker) {
            match next {
                Some(deadline) => life.begins(now, deadline, self.config.hang_timeout),
                None => life.finished(now, self.config.hang_timeout),
            }
        }
        if next.is_some() {
            self.arm_sample(now, worker);
        }
    }

    fn has_served(&mut self, now: Instant, worker: WorkerId) -> Vec<Order> {
        let Some(mut life) = self.lives.change(worker) else { return Vec::new() };
        life.served += 1;
        if let Some(limit) = life.max_requests.filter(|limit| life.served >= *limit) {
            life.due.get_or_insert(Why::MaxRequests(limit));
        }
        let slot = life.slot;
        drop(life);
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.served += 1;
        }
        self.start_due(now)
    }

    /// A request took so long, from its acceptance to the worker's reply.
    pub fn took(&mut self, now: Instant, worker: WorkerId, time: Duration) {
        let slot = self.lives.get(worker).map(|life| life.slot);
        if let Some(slot) = slot.and_then(|slot| self.slots.get_mut(slot)) {
            slot.latency.record(now, time);
        }
    }

    /// It has nothing in hand any more.
    pub fn idle(&mut self, now: Instant, worker: WorkerId) {
        if let Some(mut life) = self.lives.change(worker) {
            life.finished(now, self.config.hang_timeout);
        }
    }

    /// It begins nothing any more.
    pub fn leaving(&mut self, now: Instant, worker: WorkerId) {
        if let Some(mut life) = self.lives.change(worker) {
            life.leaving = true;
            life.settle(now);
        }
    }

    /// A pause or its end has been acknowledged.
    pub fn paused(&mut self, now: Instant, worker: WorkerId, paused: bool) {
        if let Some(mut life) = self.lives.change(worker) {
            life.paused = paused;
            life.settle(now);
        }
    }

    /// A stop signal has arrived at a worker: who sent it.
    pub fn signalled(&mut self, worker: WorkerId, signalled: Signalled) -> Vec<Order> {
        let line = format!("{}: {}", self.name_of(worker), reason::sender(&signalled));
        // A worker under a sidecar does not stop at HUP.
        if let Some(mut life) = self.lives.change(worker).filter(|_| signalled.signal != "SIGHUP") {
            life.last_signal = Some(signalled);
        }
        vec![Order::Say(Level::Info, line)]
    }

    /// Which stop signals a worker's script has given to somebody else.
    pub fn signals_taken(&mut self, worker: WorkerId, signals: Vec<String>) {
        if let Some(mut life) = self.lives.change(worker) {
            life.signals_taken = signals;
        }
    }

    /// The worker broke the link's rules: it is ended, and restarted as after any end.
    pub fn broke_link(&mut self, now: Instant, worker: WorkerId, why: &str) -> Vec<Order> {
        self.kill(now, worker, Why::LinkBroken(why.to_owned()))
    }

    /// The worker has closed its link. Its end follows at once, or it has become another program, which nobody can reach.
    pub fn link_ended(&mut self, now: Instant, worker: WorkerId) {
        if let Some(mut life) = self.lives.change(worker).filter(|life| life.ending.is_none()) {
            life.deaf_at.get_or_insert(now + DEAF_GRACE);
            life.leaving = true; // it hears of no request
            life.settle(now);
        }
    }

    /// The worker has ended.
    pub fn exited(&mut self, now: Instant, worker: WorkerId, exit: Exit) -> Vec<Order> {
        let Some(life) = self.lives.get(worker) else { return Vec::new() };
        let why = life.ending.as_ref().map(|ending| &ending.why);
        let ran = now.saturating_duration_since(life.spawned_at);
        let status = exit.status;
        let died_of = match status {
            ExitStatus::Signal { number, .. } => Some(number),
            _ => None,
        };
        let sent = died_of.is_some_and(|number| life.sent == Some(number)).then_some(&Why::Signal);
        let reason = reason::explain(exit, why.or(sent), life.last_signal.as_ref(), ran);
        let last = why.is_none() && !self.config.forever && !self.stopping;
        let slot = self.slots.get_mut(life.slot).filter(|slot| last && slot.current == Some(worker));
        let last = slot.map(|slot| slot.wanted = false).is_some();
        let mut orders = self.ended(now, worker, reason);
        self.trim();
        orders.extend(self.start_due(now));
        orders.extend(last.then(|| Order::EndDaemon(daemon_code(status))));
        orders
    }

    // ---- time

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> Vec<Order> {
        let mut orders = Vec::new();
        if self.retrying {
            for number in 0..self.slots.len() {
                if self.slots.get(number).is_some_and(|slot| slot.retry_at.is_some_and(|at| at <= now)) {
                    orders.extend(self.spawn(now, number));
                }
            }
            self.retrying = self.slots.iter().any(|slot| slot.retry_at.is_some());
        }
        // What a deploy waits for may have become impossible without a time of its own.
        let workers = if self.deploy.is_some() { self.lives.workers() } else { self.lives.timely(now) };
        for worker in workers {
            orders.extend(self.advance(now, worker));
        }
        orders.extend(self.start_due(now));
        orders
    }

    fn advance(&mut self, now: Instant, worker: WorkerId) -> Vec<Order> {
        let name = self.name_of(worker);
        let (budget, hang_timeout) = (self.config.stop_timeout, self.config.hang_timeout);
        let singleton = self.is_singleton();
        let mut orders = Vec::new();
        let Some(mut life) = self.lives.change(worker) else { return orders };
        while let Some(phase) = life.step(now, budget) {
            let spent = life.ending.as_ref().map_or(0.0, |ending| ending.spent(now).as_secs_f64());
            let mut say = |level, what: &str, then: &str| {
                let line = format!("{name} {what} {spent:.1} s after it was told to: {then}");
                orders.push(Order::Say(level, line));
            };
            match phase {
                Phase::Finishing | Phase::Draining => {}
                Phase::Terminated => {
                    say(Level::Warn, "has not ended", "TERM");
                    orders.push(Order::Terminate(worker));
                }
                Phase::Killed => {
                    say(Level::Warn, "has not ended", "KILL");
                    orders.push(Order::Kill(worker));
                }
                Phase::Unkillable if self.stopping => {
                    say(Level::Error, "has not ended", "even KILL does not end it, it is left behind");
                }
                Phase::Unkillable => {
                    say(
                        Level::Error,
                        "has not ended",
                        "even KILL does not end it, and no other one is started in its place",
                    );
                }
            }
        }
        let blocks = |slot: &Slot| slot.next == Some(worker) || singleton && slot.current == Some(worker);
        if self.deploy.is_some() && life.state == State::Unkillable && self.slots.iter().any(blocks) {
            drop(life);
            let why = format!("{name} could not be ended even by KILL");
            orders.extend(self.fail_deploy(now, why, Vec::new(), None));
            return orders;
        }
        let due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        if due(&mut life.deaf_at) && life.ending.is_none() {
            drop(life);
            let why = "the end of its link, and goes on without it".to_owned();
            orders.extend(self.kill(now, worker, Why::LinkBroken(why)));
            return orders;
        }
        if due(&mut life.hang_at) && life.ending.is_none() {
            life.hang_at = hang_timeout.map(|timeout| now + timeout);
            orders.push(Order::Observe(worker));
        }
        if due(&mut life.sample_at) {
            orders.push(Order::Sample(worker));
        }
        if due(&mut life.ends_at) {
            life.due.get_or_insert(Why::MaxLifetime);
        }
        let (is_up, is_late) = (due(&mut life.ready_at), due(&mut life.unready_at));
        if is_up {
            life.ready = true;
            life.settle(now);
        }
        drop(life);
        if is_up {
            orders.extend(self.is_up(now, worker));
        } else if is_late {
            orders.extend(self.is_late(now, worker));
        }
        self.arm_sample(now, worker);
        orders
    }

    /// When [`Pool::tick`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let slots = if self.retrying { self.slots.as_slice() } else { &[] }; // not at each slot in each turn
        let retries = slots.iter().filter_map(|slot| slot.retry_at);
        retries.chain(self.lives.next_deadline()).min()
    }

    // ---- one life

    /// Ends a worker within its budget.
    fn end(&mut self, now: Instant, worker: WorkerId, why: Why, finish: bool) -> Option<Order> {
        let mut life = self.lives.change(worker)?;
        let is_new = life.end(now, why, finish);
        // Who never entered run() or tick() may run a loop of its own: its own TERM handler decides.
        is_new.then(|| match life.listens() && !life.own_loop {
            true => Order::Drain(worker),
            false => Order::Terminate(worker),
        })
    }

    fn kill(&mut self, now: Instant, worker: WorkerId, why: Why) -> Vec<Order> {
        let line = format!("{} is killed: {}", self.name_of(worker), why.sentence());
        let Some(mut life) = self.lives.change(worker) else { return Vec::new() };
        life.killed(now, self.config.stop_timeout, why);
        vec![Order::Say(Level::Error, line), Order::Kill(worker)]
    }

    /// Says something about a worker that its successors would only repeat.
    fn warn_once(&mut self, worker: &str, what: &str) -> Option<Order> {
        let line = format!("{worker}: {what}");
        self.warned.insert(what.to_owned()).then_some(Order::Say(Level::Warn, line))
    }
}

impl Slot {
    fn new(now: Instant) -> Self {
        Self {
            restarts: 0,
            served: 0,
            last_exit: None,
            last_worker: None,
            retry_at: None,
            wanted: true,
            pause: false,
            current: None,
            next: None,
            vacant: (State::Stopped, now),
            backoff: Backoff::default(),
            failures: Vec::new(),
            latency: Latency::new(now),
        }
    }

    /// How many requests there were lately, and how long they took.
    #[must_use]
    pub fn figures(&self, now: Instant) -> Figures {
        self.latency.figures(now)
    }

    fn vacate(&mut self, state: State, now: Instant) {
        self.vacant = (state, now);
    }
}

/// The exit code of a daemon whose `forever = false` worker has ended: its own, but never one that means "usage" or
/// "try again" to whoever keeps the daemon.
fn daemon_code(status: ExitStatus) -> u8 {
    match status {
        ExitStatus::Code(100 | 111) | ExitStatus::Unknown => 1,
        ExitStatus::Code(code) => u8::try_from(code).unwrap_or(1),
        ExitStatus::Signal { number, .. } => u8::try_from(128 + number).unwrap_or(1),
    }
}
