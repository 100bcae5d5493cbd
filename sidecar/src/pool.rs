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

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use log::Level;
use rustdaemon_core::link::{self, ExitReason, Go, Hello, Method, Ready, Signalled};
use rustdaemon_core::sys::ExitStatus;

use crate::backoff::{Backoff, Jitter};
use crate::config::{HangAction, PoolConfig};
use crate::control::Command;
use crate::ids::WorkerId;
use crate::life::{Ending, Gate, Life, Phase, State};
use crate::reason::{self, Exit, Look, Why};

/// A parked slot is tried again after this long: never a permanent FATAL.
const PARKED_RETRY: Duration = Duration::from_secs(300);
/// Between two looks at a worker's memory.
const SAMPLE: Duration = Duration::from_secs(1);

/// What is to be done about a worker, or told.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Start the command as this worker.
    Spawn {
        /// Its number.
        worker: WorkerId,
        /// Its slot in the pool.
        slot: u32,
    },
    /// Let it pass the gate.
    Go(WorkerId, Box<Go>),
    /// Do not let it in: one sentence.
    Refuse(WorkerId, String),
    /// Ask it to finish and end.
    Drain(WorkerId),
    /// Ask it to serve nothing for now.
    Pause(WorkerId),
    /// Ask it to go on.
    Resume(WorkerId),
    /// Ask it to end.
    Terminate(WorkerId),
    /// End it.
    Kill(WorkerId),
    /// Send it this signal.
    Signal(WorkerId, i32),
    /// Look at its memory, for [`Pool::sampled`].
    Sample(WorkerId),
    /// Look at what it does, for [`Pool::observed`].
    Observe(WorkerId),
    /// Run a hook.
    Hook(Box<Hook>),
    /// A reload has come to its end: the new generation, or why not, and the last log lines of who failed.
    Reloaded(Result<u32, (String, Vec<String>)>),
    /// The whole daemon is to stop, with this exit code.
    EndDaemon(u8),
    /// Write a line to the log.
    Say(Level, String),
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A worker is ready.
    Ready,
    /// A worker has ended.
    Exit,
    /// A slot is parked.
    Parked,
}

/// A command of the operator's that runs at a moment of a worker's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// When.
    pub moment: Moment,
    /// The pool's name.
    pub pool: String,
    /// The worker's slot.
    pub slot: usize,
    /// Its generation.
    pub generation: u32,
    /// The word of [`ExitReason::reason`]; empty at [`Moment::Ready`].
    pub reason: String,
}

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

/// A reload under way.
#[derive(Clone, Debug)]
struct Deploy {
    generation: u32,
    /// Those of its workers that are not ready yet.
    awaited: BTreeSet<WorkerId>,
    /// Slots whose command cannot run twice at a time and has no gate: started when the old one has ended.
    after_end: BTreeSet<usize>,
}

/// The set of workers of one command.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    number: usize,
    socket: String,
    socket_mode: u32,
    slots: Vec<Slot>,
    lives: BTreeMap<WorkerId, Life>,
    next_worker: u64,
    generation: u32,
    offered: Option<Vec<Method>>,
    deploy: Option<Deploy>,
    stopping: bool,
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
        let slot = Slot {
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
        };
        let slots = vec![slot; config.workers as usize];
        Self {
            config,
            number,
            socket,
            socket_mode,
            slots,
            lives: BTreeMap::new(),
            next_worker: 1,
            generation: 1,
            offered: None,
            deploy: None,
            stopping: false,
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
        self.slots.iter().map(|slot| {
            let life = slot.current.or(slot.next).and_then(|worker| self.lives.get(&worker));
            let (state, since) = life.map_or(slot.vacant, |life| (life.state, life.since));
            View { state, since, slot, life }
        })
    }

    /// Which release of the code its workers belong to.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether a reload is under way.
    #[must_use]
    pub fn is_reloading(&self) -> bool {
        self.deploy.is_some()
    }

    /// A worker that has not ended.
    #[cfg(test)]
    #[must_use]
    pub fn life(&self, worker: WorkerId) -> Option<&Life> {
        self.lives.get(&worker)
    }

    /// `name#slot` of a worker, for people.
    #[must_use]
    pub fn name_of(&self, worker: WorkerId) -> String {
        self.lives
            .get(&worker)
            .map_or_else(|| format!("{}#?", self.config.name), |life| self.slot_name(life.slot))
    }

    /// How the last worker of this one's slot ended, once it has.
    #[must_use]
    pub fn last_exit_of(&self, worker: WorkerId) -> Option<String> {
        let slot = self.slots.iter().find(|slot| slot.last_worker == Some(worker))?;
        slot.last_exit.as_ref().map(|exit| exit.message.clone())
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

    /// An idle worker that offers `method`: the one idle longest, so that work goes round.
    #[must_use]
    pub fn idle_for(&self, method: &str) -> Option<WorkerId> {
        let offering = self.free().filter(|life| life.methods.iter().any(|offered| offered.name == method));
        offering.min_by_key(|life| life.since).map(|life| life.worker)
    }

    /// All idle workers.
    #[must_use]
    pub fn idle_workers(&self) -> Vec<WorkerId> {
        self.free().map(|life| life.worker).collect()
    }

    /// Whether an idle worker offers `method`.
    #[must_use]
    pub fn serves(&self, worker: WorkerId, method: &str) -> bool {
        let mut one = self.free().filter(|life| life.worker == worker);
        one.any(|life| life.methods.iter().any(|offered| offered.name == method))
    }

    fn free(&self) -> impl Iterator<Item = &Life> {
        let current = self.slots.iter().filter_map(|slot| self.lives.get(&slot.current?));
        current.filter(|life| life.is_free())
    }

    /// Why no worker is up; `None`: one is.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        if self.views().any(|view| matches!(view.state, State::Idle | State::Busy)) {
            return None;
        }
        let view = self.views().next()?;
        let last = view.slot.last_exit.as_ref();
        let last = last.map(|how| format!(", its last worker: {}", how.message)).unwrap_or_default();
        let state = match view.state {
            State::Backoff => "in backoff",
            other => other.word(),
        };
        Some(format!("{} is {state}{last}", self.slot_name(0)))
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
    pub fn spawned(&mut self, worker: WorkerId, pid: i32) {
        if let Some(life) = self.lives.get_mut(&worker) {
            life.pid = Some(pid);
        }
    }

    /// The spawn failed: counts as a short run.
    pub fn spawn_failed(&mut self, now: Instant, worker: WorkerId, why: &str) -> Vec<Order> {
        self.ended(now, worker, reason::not_started(why))
    }

    /// The worker stands at the gate.
    pub fn hello(&mut self, now: Instant, worker: WorkerId, hello: &Hello) -> Vec<Order> {
        let name = self.name_of(worker);
        let singleton = self.is_singleton();
        let Some(life) = self.lives.get_mut(&worker) else { return Vec::new() };
        let Some(version) = link::common_version((hello.lowest, hello.highest)) else {
            life.gate = Gate::Refused;
            life.settle(now);
            let sentence = format!(
                "the extension speaks link versions {} to {}, this sidecar (rustdaemon {}) {} to {}: \
                 install the extension and the sidecar of the same release",
                hello.lowest,
                hello.highest,
                env!("CARGO_PKG_VERSION"),
                link::LOWEST_VERSION,
                link::HIGHEST_VERSION,
            );
            return vec![
                Order::Say(Level::Error, format!("{name} is refused: {sentence}")),
                Order::Refuse(worker, sentence),
            ];
        };
        if self.stopping || life.ending.is_some() {
            life.gate = Gate::Refused;
            life.settle(now);
            return vec![Order::Refuse(worker, "the sidecar is stopping this worker".into())];
        }
        life.version = version;
        let mut orders = self.compare(&name, hello);
        if singleton && self.somebody_is_in(worker) {
            if let Some(life) = self.lives.get_mut(&worker) {
                life.gate = Gate::Held(now);
                life.settle(now);
            }
            orders.push(Order::Say(Level::Info, format!("{name}: the next worker stands at the gate")));
            let predecessors: Vec<WorkerId> =
                self.lives.keys().copied().filter(|other| *other != worker).collect();
            for predecessor in predecessors {
                orders.extend(self.end(now, predecessor, Why::Reload, true));
            }
        } else {
            orders.extend(self.let_in(now, worker));
        }
        orders
    }

    fn let_in(&mut self, now: Instant, worker: WorkerId) -> Option<Order> {
        let name = self.config.name.clone();
        let life = self.lives.get_mut(&worker)?;
        if let (Gate::Held(since), Some(at)) = (life.gate, &mut life.unready_at) {
            *at += now.saturating_duration_since(since); // waiting there is not its fault
        }
        life.gate = Gate::Passed;
        life.settle(now);
        let slot = self.slots.get(life.slot)?;
        let number = u32::try_from(life.slot).unwrap_or(u32::MAX);
        let predecessor = slot.last_exit.clone();
        let go = Go { version: life.version, name, slot: number, generation: life.generation, predecessor };
        Some(Order::Go(worker, Box::new(go)))
    }

    /// Whether another worker of this pool has passed the gate and not ended.
    fn somebody_is_in(&self, but: WorkerId) -> bool {
        self.lives.values().any(|life| life.worker != but && life.gate == Gate::Passed)
    }

    fn is_singleton(&self) -> bool {
        self.config.workers == 1 && !self.config.overlap
    }

    /// The worker serves these methods from now on.
    pub fn ready(&mut self, now: Instant, worker: WorkerId, ready: Ready) -> Vec<Order> {
        let name = self.name_of(worker);
        let hang_timeout = self.config.hang_timeout;
        let Some(life) = self.lives.get_mut(&worker) else { return Vec::new() };
        life.methods.clone_from(&ready.methods);
        life.own_loop = ready.own_loop;
        let blind = ready.blind.filter(|_| life.blind.is_none());
        life.blind = blind.clone().or(life.blind.take());
        if life.own_loop && life.hang_at.is_none() {
            life.hang_at = hang_timeout.map(|timeout| now + timeout);
        }
        let first = !life.ready;
        let generation = life.generation;
        life.ready = true;
        life.settle(now);
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
        let Some(life) = self.lives.get_mut(&worker) else { return Vec::new() };
        life.unready_at = None;
        life.ready_at = None;
        let ms = now.saturating_duration_since(life.spawned_at).as_millis();
        let (pid, slot, generation) = (life.pid.unwrap_or_default(), life.slot, life.generation);
        let word = if life.linked { "ready" } else { "up" };
        let mut orders =
            vec![Order::Say(Level::Info, format!("{name} is {word} (pid {pid}, after {ms} ms)"))];
        if life.linked && life.ending.is_none() && self.slots.get(slot).is_some_and(|slot| slot.pause) {
            orders.push(Order::Pause(worker));
        }
        orders.extend(self.hook(Moment::Ready, slot, generation, ""));
        if let Some(deploy) = &mut self.deploy {
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
        let hang_timeout = self.config.hang_timeout;
        if let Some(life) = self.lives.get_mut(&worker) {
            life.in_hand = Some(deadline);
            life.hang_at = hang_timeout.map(|timeout| now + timeout);
            life.settle(now);
        }
        self.arm_sample(now, worker);
    }

    /// Its reply came back.
    pub fn idle(&mut self, now: Instant, worker: WorkerId) -> Vec<Order> {
        let Some(life) = self.lives.get_mut(&worker) else { return Vec::new() };
        life.served += 1;
        life.hang_at = None;
        if let Some(limit) = life.max_requests.filter(|limit| life.served >= *limit) {
            life.due.get_or_insert(Why::MaxRequests(limit));
        }
        life.finished(now);
        if let Some(slot) = self.slots.get_mut(life.slot) {
            slot.served += 1;
        }
        self.start_due(now)
    }

    /// A pause or its end has been acknowledged.
    pub fn paused(&mut self, now: Instant, worker: WorkerId, paused: bool) {
        if let Some(life) = self.lives.get_mut(&worker) {
            life.paused = paused;
            life.settle(now);
        }
    }

    /// A stop signal has arrived at a worker: who sent it.
    pub fn signalled(&mut self, worker: WorkerId, signalled: Signalled) -> Vec<Order> {
        let line = format!("{}: {}", self.name_of(worker), reason::sender(&signalled));
        // A worker under a sidecar does not stop at HUP.
        if let Some(life) = self.lives.get_mut(&worker).filter(|_| signalled.signal != "SIGHUP") {
            life.last_signal = Some(signalled);
        }
        vec![Order::Say(Level::Info, line)]
    }

    /// Which stop signals a worker's script has given to somebody else.
    pub fn signals_taken(&mut self, worker: WorkerId, signals: Vec<String>) {
        if let Some(life) = self.lives.get_mut(&worker) {
            life.signals_taken = signals;
        }
    }

    /// The worker broke the link's rules: it is ended, and restarted as after any end.
    pub fn broke_link(&mut self, now: Instant, worker: WorkerId, why: &str) -> Vec<Order> {
        self.kill(now, worker, Why::LinkBroken(why.to_owned()))
    }

    /// How much memory the worker has, in bytes.
    pub fn sampled(&mut self, now: Instant, worker: WorkerId, bytes: u64) -> Vec<Order> {
        let (soft, hard) = (self.config.memory_soft, self.config.memory_hard);
        let Some(life) = self.lives.get_mut(&worker) else { return Vec::new() };
        // A draining generation is exempt; who was killed cannot be killed more.
        let exempt = |ending: &Ending| ending.why == Why::Reload || ending.phase >= Phase::Killed;
        if life.ending.as_ref().is_some_and(exempt) {
            return Vec::new();
        }
        if let Some(limit) = hard.filter(|limit| bytes > *limit) {
            return self.kill(now, worker, Why::MemoryHard(bytes, limit));
        }
        if let Some(limit) = soft.filter(|limit| bytes > *limit) {
            life.due.get_or_insert(Why::MemorySoft(bytes, limit));
        }
        self.start_due(now)
    }

    /// What a worker does that has been busy for `hang_timeout`.
    pub fn observed(&mut self, now: Instant, worker: WorkerId, look: &Look) -> Vec<Order> {
        let name = self.name_of(worker);
        let Some(timeout) = self.config.hang_timeout else { return Vec::new() };
        let restart = self.config.hang_action == HangAction::Restart;
        let Some(life) = self.lives.get_mut(&worker) else { return Vec::new() };
        let own_loop = life.own_loop;
        let quiet = match look.quiet {
            _ if look.spared => return Vec::new(), // looked at again after hang_timeout
            Some(quiet) => quiet,
            None => return Vec::new(),
        };
        if quiet < timeout && !look.overdue {
            life.hang_at = Some(now + (timeout - quiet));
            return Vec::new();
        }
        if !own_loop {
            life.hang_at = None; // said once; the next request is another matter
        }
        let told = format!("{}, for {:.1} s without progress", look.doing, quiet.as_secs_f64());
        if restart {
            let line = format!("{name} hangs and is restarted: {told}");
            let mut orders = vec![Order::Say(Level::Error, line)];
            orders.extend(self.end(now, worker, Why::Hang(told), false));
            if !orders.contains(&Order::Terminate(worker)) {
                orders.push(Order::Terminate(worker));
            }
            return orders;
        }
        let line = format!("{name} hangs: {told}; hang_action = \"report\" leaves it alone");
        vec![Order::Say(Level::Error, line)]
    }

    /// The worker has ended.
    pub fn exited(&mut self, now: Instant, worker: WorkerId, exit: Exit) -> Vec<Order> {
        let Some(life) = self.lives.get(&worker) else { return Vec::new() };
        let why = life.ending.as_ref().map(|ending| &ending.why);
        let ran = now.saturating_duration_since(life.spawned_at);
        let status = exit.status;
        let reason = reason::explain(exit, why, life.last_signal.as_ref(), ran);
        let last = why.is_none() && !self.config.forever && !self.stopping;
        let slot = self.slots.get_mut(life.slot).filter(|slot| last && slot.current == Some(worker));
        let last = slot.map(|slot| slot.wanted = false).is_some();
        let mut orders = self.ended(now, worker, reason);
        orders.extend(last.then(|| Order::EndDaemon(daemon_code(status))));
        orders
    }

    // ---- orders of an operator

    /// Stops everything within `stop_timeout`.
    pub fn stop(&mut self, now: Instant) -> Vec<Order> {
        if self.stopping {
            return Vec::new();
        }
        self.stopping = true;
        let mut orders = Vec::new();
        if self.deploy.take().is_some() {
            orders.push(Order::Reloaded(Err(("the daemon is stopping".into(), Vec::new()))));
        }
        for slot in &mut self.slots {
            slot.retry_at = None;
            slot.vacant = (State::Stopped, now);
        }
        for worker in self.lives.keys().copied().collect::<Vec<_>>() {
            orders.extend(self.end(now, worker, Why::Stop, false));
        }
        orders
    }

    /// Ends everything now.
    pub fn stop_now(&mut self, now: Instant) -> Vec<Order> {
        let mut orders = self.stop(now);
        orders.retain(|order| matches!(order, Order::Say(..) | Order::Reloaded(_)));
        for life in self.lives.values_mut() {
            life.killed(now, self.config.stop_timeout, Why::Stop);
            orders.push(Order::Kill(life.worker));
        }
        orders
    }

    /// Whether it is stopping, or has stopped.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether a stop has come to its end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopping && self.lives.values().all(|life| life.state == State::Unkillable)
    }

    /// Does what an operator wants of these slots.
    pub fn command(&mut self, now: Instant, slots: &[usize], command: Command) -> Vec<Order> {
        if self.stopping {
            return Vec::new();
        }
        let mut orders = Vec::new();
        for number in slots.iter().copied() {
            let Some(slot) = self.slots.get_mut(number) else { continue };
            let current = slot.current;
            match command {
                Command::Restart | Command::Start => {
                    let restart = command == Command::Restart;
                    slot.wanted = true;
                    slot.failures.clear();
                    slot.backoff = Backoff::default();
                    match current {
                        None if slot.next.is_none() => orders.extend(self.spawn(now, number)),
                        None => {}
                        Some(worker) if restart => orders.extend(self.end(now, worker, Why::Restart, true)),
                        Some(_) => {}
                    }
                }
                Command::Stop => {
                    slot.wanted = false;
                    slot.retry_at = None;
                    if current.is_none() {
                        slot.vacate(State::Stopped, now);
                    }
                    for worker in current.into_iter().chain(slot.next).collect::<Vec<_>>() {
                        orders.extend(self.end(now, worker, Why::Stopped, false));
                    }
                }
                Command::Pause | Command::Resume => {
                    let pause = command == Command::Pause;
                    slot.pause = pause;
                    let life = current.and_then(|worker| self.lives.get(&worker));
                    if let Some(life) = life.filter(|life| life.listens() && life.ending.is_none()) {
                        orders.push(match pause {
                            true => Order::Pause(life.worker),
                            false => Order::Resume(life.worker),
                        });
                    }
                }
                Command::Signal(number) => {
                    orders.extend(current.map(|worker| Order::Signal(worker, number)));
                }
            }
        }
        orders
    }

    /// Starts a new generation beside the old one; [`Order::Reloaded`] tells how it went.
    ///
    /// # Errors
    /// One sentence: why not now.
    pub fn reload(&mut self, now: Instant) -> Result<Vec<Order>, String> {
        let name = &self.config.name;
        if self.stopping {
            return Err("the daemon is stopping".into());
        }
        if self.deploy.is_some() {
            return Err(format!("a reload of {name} is under way; wait for its end"));
        }
        let generation = self.generation + 1;
        self.deploy = Some(Deploy { generation, awaited: BTreeSet::new(), after_end: BTreeSet::new() });
        let line = format!("{name}: reload: generation {generation} is started");
        let mut orders = vec![Order::Say(Level::Info, line)];
        for number in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(number).filter(|slot| slot.wanted) else { continue };
            slot.retry_at = None;
            slot.failures.clear();
            slot.backoff = Backoff::default();
            let current = slot.current;
            match current {
                // Without a gate nobody could hold the next one back.
                Some(worker) if !self.config.link && self.is_singleton() => {
                    if let Some(deploy) = &mut self.deploy {
                        deploy.after_end.insert(number);
                    }
                    orders.extend(self.end(now, worker, Why::Reload, true));
                }
                _ => orders.extend(self.spawn_next(now, number, generation)),
            }
        }
        orders.extend(self.finish_deploy(now));
        Ok(orders)
    }

    fn spawn_next(&mut self, now: Instant, number: usize, generation: u32) -> Option<Order> {
        let order = self.spawn_as(now, number, generation)?;
        let Order::Spawn { worker, .. } = order else { return None };
        if let Some(slot) = self.slots.get_mut(number) {
            slot.next = Some(worker);
        }
        if let Some(deploy) = &mut self.deploy {
            deploy.awaited.insert(worker);
        }
        Some(order)
    }

    /// Hands the slots over once all of the new generation are ready.
    fn finish_deploy(&mut self, now: Instant) -> Vec<Order> {
        let done = |deploy: &mut Deploy| deploy.awaited.is_empty() && deploy.after_end.is_empty();
        let Some(deploy) = self.deploy.take_if(done) else { return Vec::new() };
        self.generation = deploy.generation;
        let mut orders = Vec::new();
        let mut old = Vec::new();
        for slot in &mut self.slots {
            if let Some(next) = slot.next.take() {
                slot.restarts += 1;
                old.extend(slot.current.replace(next));
            }
        }
        let methods: Vec<Vec<Method>> = self
            .slots
            .iter()
            .filter_map(|slot| Some(self.lives.get(&slot.current?)?.methods.clone()))
            .collect();
        self.offered = None;
        for methods in methods {
            self.offer_all(methods);
        }
        for worker in old {
            orders.extend(self.end(now, worker, Why::Reload, true));
        }
        let line = format!("{}: generation {} serves", self.config.name, self.generation);
        orders.push(Order::Say(Level::Info, line));
        orders.push(Order::Reloaded(Ok(self.generation)));
        orders
    }

    /// The new generation did not come up: what there is of it is ended, the old one stays where it lives.
    /// `but`: a slot that somebody else fills again.
    fn fail_deploy(&mut self, now: Instant, why: String, log: Vec<String>, but: Option<usize>) -> Vec<Order> {
        let Some(deploy) = self.deploy.take() else { return Vec::new() };
        let generation = deploy.generation;
        let mut orders = Vec::new();
        let mut vacant = Vec::new();
        for number in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(number) else { continue };
            let next = slot.next.take();
            if slot.current.is_none() && slot.wanted && slot.retry_at.is_none() && but != Some(number) {
                vacant.push(number);
            }
            if let Some(worker) = next {
                orders.extend(self.end(now, worker, Why::NotDeployed, false));
            }
        }
        for number in vacant {
            orders.extend(self.spawn(now, number));
        }
        let name = &self.config.name;
        let line = format!("{name}: reload: generation {generation} is refused: {why}");
        orders.insert(0, Order::Say(Level::Error, line));
        orders.push(Order::Reloaded(Err((why, log))));
        orders
    }

    // ---- time

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> Vec<Order> {
        let mut orders = Vec::new();
        for number in 0..self.slots.len() {
            if self.slots.get(number).is_some_and(|slot| slot.retry_at.is_some_and(|at| at <= now)) {
                orders.extend(self.spawn(now, number));
            }
        }
        for worker in self.lives.keys().copied().collect::<Vec<_>>() {
            orders.extend(self.advance(now, worker));
        }
        orders.extend(self.start_due(now));
        orders
    }

    fn advance(&mut self, now: Instant, worker: WorkerId) -> Vec<Order> {
        let name = self.name_of(worker);
        let (budget, hang_timeout) = (self.config.stop_timeout, self.config.hang_timeout);
        let mut orders = Vec::new();
        let Some(life) = self.lives.get_mut(&worker) else { return orders };
        while let Some(phase) = life.step(now, budget) {
            let spent = life.ending.as_ref().map_or(0.0, |ending| ending.spent(now).as_secs_f64());
            let mut say = |level, what: &str| {
                let line = format!("{name} {what} {spent:.1} s after it was told to end");
                orders.push(Order::Say(level, line));
            };
            match phase {
                Phase::Finishing | Phase::Draining => {}
                Phase::Terminated => {
                    say(Level::Warn, "has not ended; TERM");
                    orders.push(Order::Terminate(worker));
                }
                Phase::Killed => {
                    say(Level::Warn, "has not ended; KILL");
                    orders.push(Order::Kill(worker));
                }
                Phase::Unkillable if self.stopping => {
                    say(Level::Error, "could not be ended even by KILL and is left behind");
                }
                Phase::Unkillable => {
                    say(
                        Level::Error,
                        "could not be ended even by KILL; no other one is started in its place",
                    );
                }
            }
        }
        let due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        if due(&mut life.hang_at) && life.ending.is_none() {
            life.hang_at = hang_timeout.map(|timeout| now + timeout);
            orders.push(Order::Observe(worker));
        }
        if due(&mut life.sample_at) {
            orders.push(Order::Sample(worker));
        }
        if due(&mut life.ends_at)
            && let Some(limit) = self.config.max_lifetime
        {
            life.due.get_or_insert(Why::MaxLifetime(limit));
        }
        if due(&mut life.ready_at) {
            life.ready = true;
            life.settle(now);
            orders.extend(self.is_up(now, worker));
        } else if due(&mut life.unready_at) {
            orders.extend(self.is_late(now, worker));
        }
        self.arm_sample(now, worker);
        orders
    }

    /// A worker has taken longer than `ready_timeout`.
    fn is_late(&mut self, now: Instant, worker: WorkerId) -> Vec<Order> {
        let name = self.name_of(worker);
        let seconds = self.config.ready_timeout.as_secs_f64();
        let Some(life) = self.lives.get(&worker).filter(|life| !life.ready && life.ending.is_none()) else {
            return Vec::new();
        };
        let what = match life.gate {
            Gate::Held(_) => return Vec::new(), // it waits for its predecessor's end
            Gate::Away => format!(
                "{name} has not called RustDaemon\\Worker::install() for {seconds} s; \
                 a command that never calls it needs --no-link"
            ),
            _ => format!(
                "{name} has called RustDaemon\\Worker::install(), but neither run() nor tick() nor ready() \
                 for {seconds} s: it gets no request"
            ),
        };
        let mut orders = vec![Order::Say(Level::Warn, what.clone())];
        if self.deploy.as_ref().is_some_and(|deploy| deploy.awaited.contains(&worker)) {
            orders.extend(self.fail_deploy(now, what, Vec::new(), None));
        } else if self.config.hang_action == HangAction::Restart {
            orders.extend(self.end(now, worker, Why::Hang(format!("not ready after {seconds} s")), false));
        }
        orders
    }

    /// When [`Pool::tick`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let retries = self.slots.iter().filter_map(|slot| slot.retry_at);
        let lives = self.lives.values().filter_map(|life| life.next_deadline(self.config.stop_timeout));
        retries.chain(lives).min()
    }

    /// Plans the next look at a worker's memory: while it is busy, or may be so without our knowing; once more after
    /// each request. A farm that waits is not looked at.
    fn arm_sample(&mut self, now: Instant, worker: WorkerId) {
        if self.config.memory_soft.or(self.config.memory_hard).is_none() {
            return;
        }
        if let Some(life) = self.lives.get_mut(&worker)
            && life.sample_at.is_none()
            && !(life.ready && life.linked && !life.own_loop && life.in_hand.is_none())
            && life.ending.as_ref().is_none_or(|ending| ending.phase < Phase::Killed)
        {
            life.sample_at = Some(now + SAMPLE);
        }
    }

    /// Ends workers that have reached a limit, one of the pool at a time.
    fn start_due(&mut self, now: Instant) -> Vec<Order> {
        let mut orders = Vec::new();
        loop {
            let mut current = self.slots.iter().filter_map(|slot| self.lives.get(&slot.current?));
            if self.stopping || self.deploy.is_some() || current.clone().any(Life::is_out) {
                return orders;
            }
            let Some((worker, why)) = current.find_map(|life| Some((life.worker, life.due.clone()?))) else {
                return orders;
            };
            let line = format!("{} is replaced: {}", self.name_of(worker), why.sentence());
            orders.push(Order::Say(Level::Info, line));
            orders.extend(self.end(now, worker, why, true));
        }
    }

    // ---- one life

    fn spawn(&mut self, now: Instant, number: usize) -> Option<Order> {
        let order = self.spawn_as(now, number, self.generation)?;
        let Order::Spawn { worker, .. } = order else { return None };
        self.slots.get_mut(number)?.current = Some(worker);
        Some(order)
    }

    fn spawn_as(&mut self, now: Instant, number: usize, generation: u32) -> Option<Order> {
        let config = &self.config;
        let slot = self.slots.get_mut(number)?;
        slot.retry_at = None;
        slot.restarts += u64::from(slot.last_exit.is_some() && slot.current.is_none());
        let worker = WorkerId::new(self.number, self.next_worker);
        self.next_worker += 1;
        let mut life = Life::new(now, worker, number, generation, config.link);
        match config.link {
            true => life.unready_at = Some(now + config.ready_timeout),
            false => life.ready_at = Some(now + config.ready_after),
        }
        let mut less = || 1.0 - config.jitter * self.jitter.next_fraction();
        life.max_requests = config.max_requests.map(|limit| ((limit as f64 * less()) as u64).max(1));
        life.ends_at = config.max_lifetime.map(|limit| now + limit.mul_f64(less()));
        self.lives.insert(worker, life);
        self.arm_sample(now, worker);
        Some(Order::Spawn { worker, slot: u32::try_from(number).unwrap_or(u32::MAX) })
    }

    /// Ends a worker within its budget.
    fn end(&mut self, now: Instant, worker: WorkerId, why: Why, finish: bool) -> Option<Order> {
        let life = self.lives.get_mut(&worker)?;
        let is_new = life.end(now, why, finish);
        // Who never entered run() or tick() may run a loop of its own: its own TERM handler decides.
        is_new.then(|| match life.listens() && !life.own_loop {
            true => Order::Drain(worker),
            false => Order::Terminate(worker),
        })
    }

    fn kill(&mut self, now: Instant, worker: WorkerId, why: Why) -> Vec<Order> {
        let line = format!("{} is killed: {}", self.name_of(worker), why.sentence());
        let Some(life) = self.lives.get_mut(&worker) else { return Vec::new() };
        life.killed(now, self.config.stop_timeout, why);
        vec![Order::Say(Level::Error, line), Order::Kill(worker)]
    }

    /// A worker is no more, and what follows.
    fn ended(&mut self, now: Instant, worker: WorkerId, reason: ExitReason) -> Vec<Order> {
        let name = self.name_of(worker);
        let Some(life) = self.lives.remove(&worker) else { return Vec::new() };
        let number = life.slot;
        let ran = now.saturating_duration_since(life.spawned_at);
        let planned = life.ending.as_ref().is_some_and(|ending| ending.why.is_planned());
        let pid = life.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
        let started = reason.reason != "not_started";
        let hint = match life.gate == Gate::Away && started && life.ending.is_none() {
            true => {
                "; it never called RustDaemon\\Worker::install(): \
                 load extension=rustdaemon.so and call it, or add --no-link for a command that does not"
            }
            false => "",
        };
        let told = format!("{name} ended ({}{pid}) after {:.1} s{hint}", reason.message, ran.as_secs_f64());
        let mut orders = Vec::new();
        if started {
            orders.extend(self.hook(Moment::Exit, number, life.generation, &reason.reason));
        }
        let Some(slot) = self.slots.get_mut(number) else { return orders };
        let log = reason.log.clone();
        let was = (slot.current == Some(worker), slot.next == Some(worker));
        if was.1 {
            slot.next = None;
            orders.push(Order::Say(Level::Warn, told.clone()));
            orders.extend(self.fail_deploy(now, told, log, None));
            return orders;
        }
        slot.last_exit = Some(Box::new(reason.clone()));
        slot.last_worker = Some(worker);
        if !was.0 {
            orders.push(Order::Say(Level::Info, told));
            return orders; // an old generation's
        }
        slot.current = None;
        slot.vacate(State::Stopped, now);
        if self.stopping || !slot.wanted {
            orders.push(Order::Say(Level::Info, told));
            return orders;
        }
        if let Some(next) = slot.next {
            // In a reload: the next one is the successor, where it waits at the gate for this end.
            orders.push(Order::Say(Level::Info, told));
            if let Some(Gate::Held(_)) = self.lives.get(&next).map(|life| life.gate) {
                orders.extend(self.promote(now, number, next));
            }
            return orders;
        }
        if let Some(deploy) = &mut self.deploy {
            let generation = deploy.generation;
            if deploy.after_end.remove(&number) {
                orders.push(Order::Say(Level::Info, told));
                orders.extend(self.promote_spawn(now, number, generation));
                return orders;
            }
            if deploy.awaited.contains(&worker) {
                // The old one has gone already: this one is the slot's, and follows the ordinary rules.
                orders.extend(self.fail_deploy(now, told.clone(), log, Some(number)));
            }
        }
        orders.extend(self.replace(now, number, &life, &reason, planned, told));
        orders
    }

    /// The next worker passes the gate and is the slot's from here on.
    fn promote(&mut self, now: Instant, number: usize, next: WorkerId) -> Option<Order> {
        let slot = self.slots.get_mut(number)?;
        slot.next = None;
        slot.current = Some(next);
        slot.restarts += 1;
        self.let_in(now, next)
    }

    fn promote_spawn(&mut self, now: Instant, number: usize, generation: u32) -> Option<Order> {
        let order = self.spawn_as(now, number, generation)?;
        let Order::Spawn { worker, .. } = order else { return None };
        self.slots.get_mut(number)?.current = Some(worker);
        self.deploy.as_mut()?.awaited.insert(worker);
        Some(order)
    }

    /// Fills a slot again: at once, after a while, or not for now.
    fn replace(
        &mut self,
        now: Instant,
        number: usize,
        life: &Life,
        reason: &ExitReason,
        planned: bool,
        told: String,
    ) -> Vec<Order> {
        let name = self.slot_name(number);
        let (short_run, window) = (self.config.short_run, self.config.start_window);
        let (backoff_max, limit) = (self.config.backoff_max, self.config.start_limit as usize);
        let jitter = self.jitter.next_fraction();
        if planned {
            let line = Order::Say(Level::Info, told);
            return std::iter::once(line).chain(self.spawn(now, number)).collect();
        }
        let Some(slot) = self.slots.get_mut(number) else { return Vec::new() };
        let ran = now.saturating_duration_since(life.spawned_at);
        if !short_run.is_zero() && (ran < short_run || !life.ready) {
            slot.failures.push(now);
        }
        slot.failures.retain(|at| now.saturating_duration_since(*at) < window);
        let refused = life.gate == Gate::Refused;
        let failures = slot.failures.len();
        if refused || (failures >= limit && !short_run.is_zero()) {
            slot.failures.clear();
            slot.vacate(State::Parked, now);
            slot.retry_at = Some(now + PARKED_RETRY);
            let why = match refused {
                true => String::new(),
                false => format!(" after {failures} failures within {} s", window.as_secs_f64()),
            };
            let line = format!(
                "{told}; {name} is parked{why} and tried again in 5 minutes; rustdaemon start {name} tries at once"
            );
            let mut orders = vec![Order::Say(Level::Error, line)];
            orders.extend(self.hook(Moment::Parked, number, life.generation, &reason.reason));
            return orders;
        }
        let Some(wait) = slot.backoff.wait_after(ran, short_run, backoff_max, jitter) else {
            let line = Order::Say(Level::Warn, format!("{told}; started again"));
            return std::iter::once(line).chain(self.spawn(now, number)).collect();
        };
        slot.vacate(State::Backoff, now);
        slot.retry_at = Some(now + wait);
        let (runs, seconds) = (slot.backoff.short_runs(), wait.as_secs_f64());
        vec![Order::Say(
            Level::Warn,
            format!("{told}; short run {runs} in a row, next start in {seconds:.1} s"),
        )]
    }

    fn hook(&self, moment: Moment, slot: usize, generation: u32, reason: &str) -> Option<Order> {
        let command = match moment {
            Moment::Ready => &self.config.on_ready,
            Moment::Exit => &self.config.on_exit,
            Moment::Parked => &self.config.on_parked,
        };
        (!command.is_empty()).then(|| {
            let (pool, reason) = (self.config.name.clone(), reason.to_owned());
            Order::Hook(Box::new(Hook { moment, pool, slot, generation, reason }))
        })
    }

    /// Says something about a worker that its successors would only repeat.
    fn warn_once(&mut self, worker: &str, what: &str) -> Option<Order> {
        let line = format!("{worker}: {what}");
        self.warned.insert(what.to_owned()).then_some(Order::Say(Level::Warn, line))
    }

    /// One line for each argument of `install()` that is not the sidecar's, once.
    fn compare(&mut self, worker: &str, hello: &Hello) -> Vec<Order> {
        let pairs = [
            ("name", hello.name.clone(), self.config.name.clone()),
            ("socket", hello.socket.clone(), self.socket.clone()),
            ("mode", hello.mode.map(|mode| format!("{mode:04o}")), format!("{:04o}", self.socket_mode)),
            ("workers", hello.workers.map(|workers| workers.to_string()), self.config.workers.to_string()),
        ];
        let mut orders = Vec::new();
        for (what, asked, ours) in pairs {
            let Some(asked) = asked.filter(|asked| *asked != ours) else { continue };
            let sentence = format!(
                "install() asks for {what} {asked}; this sidecar was started with {ours}, which holds"
            );
            orders.extend(self.warn_once(worker, &sentence));
        }
        orders
    }
}

impl Slot {
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn offering(methods: Vec<Method>) -> Ready {
        Ready { methods, ..Ready::default() }
    }

    struct Scene {
        pool: Pool,
        now: Instant,
    }

    impl Scene {
        fn new(change: impl FnOnce(&mut PoolConfig)) -> Self {
            let mut config = PoolConfig::new("opcua", vec!["php".into()]);
            change(&mut config);
            let now = Instant::now();
            Self { pool: Pool::new(now, 0, config, "/run/x.sock".into(), 0o600, 7), now }
        }

        /// Without the log lines.
        fn deeds(orders: Vec<Order>) -> Vec<Order> {
            orders.into_iter().filter(|order| !matches!(order, Order::Say(..))).collect()
        }

        fn said(orders: &[Order]) -> String {
            let lines = orders.iter().filter_map(|order| match order {
                Order::Say(_, line) => Some(line.as_str()),
                _ => None,
            });
            lines.collect::<Vec<_>>().join("\n")
        }

        fn start(&mut self) -> WorkerId {
            Self::spawn_of(&Self::deeds(self.pool.start(self.now)))
        }

        fn spawn_of(orders: &[Order]) -> WorkerId {
            match orders {
                [Order::Spawn { worker, .. }] => *worker,
                other => panic!("one spawn expected: {other:?}"),
            }
        }

        fn hello() -> Hello {
            Hello { lowest: 1, highest: 1, ..Hello::default() }
        }

        fn make_ready(&mut self, worker: WorkerId) {
            self.pool.spawned(worker, 100);
            let orders = Self::deeds(self.pool.hello(self.now, worker, &Self::hello()));
            assert!(matches!(orders.as_slice(), [Order::Go(..)]), "{orders:?}");
            let method = Method { name: "m".into(), description: None, idempotent: false };
            assert_eq!(Self::deeds(self.pool.ready(self.now, worker, offering(vec![method]))), []);
        }

        fn exit(&mut self, worker: WorkerId) -> Vec<Order> {
            self.pool.exited(self.now, worker, Exit::of(ExitStatus::Code(1)))
        }

        fn view(&self) -> View<'_> {
            self.pool.views().next().unwrap()
        }

        fn state(&self) -> State {
            self.view().state
        }
    }

    #[test]
    fn a_worker_goes_from_starting_to_idle() {
        let mut scene = Scene::new(|_| {});
        let worker = scene.start();
        assert_eq!(scene.state(), State::Starting);
        assert_eq!(scene.pool.offer("m"), Offer::NotKnownYet);
        scene.make_ready(worker);
        assert_eq!(scene.state(), State::Idle);
        assert_eq!((scene.pool.offer("m"), scene.pool.offer("x")), (Offer::Yes, Offer::No));
        assert_eq!(scene.pool.idle_for("m"), Some(worker));
        assert_eq!(scene.pool.idle_for("x"), None);
        scene.pool.busy(scene.now, worker, scene.now + 30 * SECOND);
        assert_eq!((scene.state(), scene.pool.idle_for("m")), (State::Busy, None));
        assert_eq!(scene.pool.idle(scene.now, worker), []);
        assert_eq!((scene.state(), scene.view().slot.served), (State::Idle, 1));
    }

    #[test]
    fn what_one_worker_offers_the_pool_offers_whoever_is_ready_last() {
        let mut scene = Scene::new(|config| config.workers = 2);
        let spawns = Scene::deeds(scene.pool.start(scene.now));
        for (order, name) in spawns.iter().zip(["a", "b"]) {
            let Order::Spawn { worker, .. } = order else { panic!("{order:?}") };
            scene.pool.hello(scene.now, *worker, &Scene::hello());
            let method = Method { name: name.into(), description: None, idempotent: false };
            scene.pool.ready(scene.now, *worker, offering(vec![method]));
        }
        assert_eq!((scene.pool.offer("a"), scene.pool.offer("b")), (Offer::Yes, Offer::Yes));
        assert_ne!(scene.pool.idle_for("a"), scene.pool.idle_for("b"));
    }

    #[test]
    fn a_long_run_and_the_first_short_one_are_replaced_at_once() {
        let mut scene = Scene::new(|_| {});
        let mut worker = scene.start();
        for run in [5 * SECOND, SECOND, 5 * SECOND, SECOND] {
            scene.now += run;
            let orders = scene.exit(worker);
            let next = Scene::spawn_of(&Scene::deeds(orders));
            assert_ne!(next, worker, "each spawn has a new number");
            worker = next;
        }
        assert_eq!(scene.view().slot.restarts, 4);
        assert_eq!(scene.pool.offer("m"), Offer::NotKnownYet);
    }

    #[test]
    fn further_short_runs_wait_longer_and_longer() {
        let mut scene = Scene::new(|config| config.start_limit = 100);
        let mut worker = scene.start();
        worker = Scene::spawn_of(&Scene::deeds(scene.exit(worker)));
        for longest in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000] {
            assert_eq!(Scene::deeds(scene.exit(worker)), [], "backoff, not a storm");
            assert_eq!(scene.state(), State::Backoff);
            let retry = scene.pool.next_deadline().unwrap();
            assert!(
                retry - scene.now <= Duration::from_millis(longest),
                "{:?} > {longest} ms",
                retry - scene.now
            );
            assert_eq!(scene.pool.tick(retry - Duration::from_nanos(1)), []);
            scene.now = retry;
            worker = Scene::spawn_of(&Scene::deeds(scene.pool.tick(retry)));
        }
        scene.now += 5 * SECOND;
        worker = Scene::spawn_of(&Scene::deeds(scene.exit(worker)));
        Scene::spawn_of(&Scene::deeds(scene.exit(worker)));
    }

    #[test]
    fn with_short_run_0_no_run_is_short() {
        let mut scene = Scene::new(|config| config.short_run = Duration::ZERO);
        let mut worker = scene.start();
        for _ in 0..100 {
            worker = Scene::spawn_of(&Scene::deeds(scene.exit(worker)));
        }
    }

    #[test]
    fn a_failed_spawn_is_tried_again() {
        let mut scene = Scene::new(|_| {});
        let worker = scene.start();
        let orders = scene.pool.spawn_failed(scene.now, worker, "No such file or directory");
        let worker = Scene::spawn_of(&Scene::deeds(orders));
        let orders = scene.pool.spawn_failed(scene.now, worker, "No such file or directory");
        assert_eq!(Scene::deeds(orders), []);
        assert_eq!(scene.state(), State::Backoff);
    }

    #[test]
    fn who_sent_a_stop_signal_is_said_and_who_has_one_is_known() {
        let mut scene = Scene::new(|_| {});
        let worker = scene.start();
        scene.make_ready(worker);
        let term = Signalled { signal: "SIGTERM".into(), ..Signalled::default() };
        assert_eq!(
            Scene::said(&scene.pool.signalled(worker, term.clone())),
            "opcua#0: SIGTERM from the kernel"
        );
        let mut from = Signalled { pid: Some(7), uid: Some(1000), command: Some("ba\nsh".into()), ..term };
        assert_eq!(
            Scene::said(&scene.pool.signalled(worker, from.clone())),
            "opcua#0: SIGTERM from pid 7 (ba\\nsh), uid 1000"
        );
        from.command = None;
        let gone = "opcua#0: SIGTERM from pid 7 (it has ended), uid 1000";
        assert_eq!(Scene::said(&scene.pool.signalled(worker, from.clone())), gone);
        scene.pool.signals_taken(worker, vec!["SIGTERM".into()]);
        assert_eq!(scene.view().life.unwrap().signals_taken, ["SIGTERM"]);
        scene.exit(worker);
        assert!(
            scene.view().life.unwrap().signals_taken.is_empty(),
            "the next worker has not given any away"
        );
    }

    #[test]
    fn an_end_that_is_told_twice_or_too_late_changes_nothing() {
        let mut scene = Scene::new(|_| {});
        let worker = scene.start();
        let next = Scene::spawn_of(&Scene::deeds(scene.exit(worker)));
        assert_eq!(scene.exit(worker), []);
        assert_eq!(scene.pool.ready(scene.now, worker, Ready::default()), []);
        assert_eq!(scene.view().slot.current, Some(next));
    }

    #[test]
    fn who_never_called_install_is_told_of_no_link() {
        let mut scene = Scene::new(|_| {});
        let worker = scene.start();
        scene.now += 30 * SECOND;
        let orders = scene.pool.tick(scene.now);
        assert!(Scene::said(&orders).contains("--no-link"), "{orders:?}");
        assert_eq!(scene.pool.tick(scene.now + SECOND), [], "once");
        assert!(Scene::said(&scene.exit(worker)).contains("--no-link"));
        let mut scene = Scene::new(|config| config.link = false);
        let worker = scene.start();
        assert!(!Scene::said(&scene.exit(worker)).contains("--no-link"));
    }

    #[test]
    fn without_a_link_a_second_alive_is_ready() {
        let mut scene = Scene::new(|config| config.link = false);
        scene.start();
        assert_eq!(scene.pool.next_deadline(), Some(scene.now + SECOND));
        scene.pool.tick(scene.now + SECOND);
        assert_eq!((scene.state(), scene.pool.offer("m")), (State::Idle, Offer::No));
        assert_eq!(scene.pool.next_deadline(), None);
    }

    #[test]
    fn no_common_version_is_refused_and_parked_not_a_storm() {
        let mut scene = Scene::new(|_| {});
        let worker = scene.start();
        let hello = Hello { lowest: 8, highest: 9, ..Hello::default() };
        let orders = scene.pool.hello(scene.now, worker, &hello);
        assert!(matches!(Scene::deeds(orders.clone()).as_slice(), [Order::Refuse(_, _)]), "{orders:?}");
        assert!(Scene::said(&orders).contains("link versions 8 to 9"), "{orders:?}");
        assert_eq!(Scene::deeds(scene.exit(worker)), []);
        assert_eq!(
            (scene.state(), scene.pool.next_deadline()),
            (State::Parked, Some(scene.now + 300 * SECOND))
        );
        Scene::spawn_of(&Scene::deeds(scene.pool.tick(scene.now + 300 * SECOND)));
    }

    #[test]
    fn arguments_that_differ_are_one_warning() {
        let mut scene = Scene::new(|_| {});
        let hello = Hello {
            socket: Some("/other".into()),
            mode: Some(0o660),
            workers: Some(4),
            name: Some("opcua".into()),
            ..Scene::hello()
        };
        let worker = scene.start();
        let said = Scene::said(&scene.pool.hello(scene.now, worker, &hello));
        assert_eq!(said.lines().count(), 3, "{said}");
        assert!(said.contains("install() asks for mode 0660; this sidecar was started with 0600"), "{said}");
        let worker = Scene::spawn_of(&Scene::deeds(scene.exit(worker)));
        assert_eq!(
            Scene::said(&scene.pool.hello(scene.now, worker, &hello)),
            "",
            "not again after a restart"
        );
    }

    #[test]
    fn stop_drains_then_terminates_then_kills() {
        let mut scene = Scene::new(|config| config.workers = 2);
        let spawns = Scene::deeds(scene.pool.start(scene.now));
        let [Order::Spawn { worker: first, .. }, Order::Spawn { worker: second, .. }] = spawns[..] else {
            panic!("{spawns:?}")
        };
        scene.make_ready(first);
        let start = scene.now;
        assert_eq!(scene.pool.stop(start), [Order::Drain(first), Order::Terminate(second)]);
        assert_eq!(scene.pool.stop(start), [], "a second stop changes nothing");
        assert_eq!(scene.pool.next_deadline(), Some(start + 6 * SECOND));
        assert_eq!(
            Scene::deeds(scene.pool.tick(start + 6 * SECOND)),
            [Order::Terminate(first), Order::Terminate(second)]
        );
        scene.now = start + 7 * SECOND;
        assert_eq!(
            Scene::deeds(scene.exit(second)),
            [],
            "an end during the stop is no reason to start again"
        );
        assert_eq!(Scene::deeds(scene.pool.tick(start + Duration::from_millis(7600))), [Order::Kill(first)]);
        assert!(!scene.pool.is_stopped());
        scene.exit(first);
        assert!(scene.pool.is_stopped());
        assert_eq!(scene.pool.next_deadline(), None);
    }

    #[test]
    fn a_worker_that_survives_kill_does_not_hold_the_stop_for_ever() {
        let mut scene = Scene::new(|_| {});
        scene.start();
        scene.pool.stop(scene.now);
        let orders = scene.pool.tick(scene.now + 60 * SECOND);
        assert!(Scene::said(&orders).contains("left behind"), "{orders:?}");
        assert!(scene.pool.is_stopped());
    }

    #[test]
    fn stop_wins_over_backoff_and_over_the_gate() {
        let mut scene = Scene::new(|_| {});
        let worker = scene.start();
        let worker = Scene::spawn_of(&Scene::deeds(scene.exit(worker)));
        scene.exit(worker);
        assert_eq!(scene.state(), State::Backoff);
        assert_eq!(scene.pool.stop(scene.now), []);
        assert_eq!(scene.state(), State::Stopped);
        assert!(scene.pool.is_stopped());
        assert_eq!(scene.pool.tick(scene.now + 60 * SECOND), []);
        let mut scene = Scene::new(|_| {});
        let worker = scene.start();
        scene.pool.stop(scene.now);
        let orders = scene.pool.hello(scene.now, worker, &Scene::hello());
        assert!(matches!(orders.as_slice(), [Order::Refuse(..)]), "{orders:?}");
    }

    #[test]
    fn stop_now_kills_at_once() {
        let mut scene = Scene::new(|_| {});
        let worker = scene.start();
        scene.make_ready(worker);
        scene.pool.stop(scene.now);
        assert_eq!(scene.pool.stop_now(scene.now), [Order::Kill(worker)]);
        scene.exit(worker);
        assert!(scene.pool.is_stopped());
    }

    // ---- DESIGN §3, row by row

    fn starts(orders: &[Order]) -> Vec<WorkerId> {
        let spawned = |order: &Order| match order {
            Order::Spawn { worker, .. } => Some(*worker),
            _ => None,
        };
        orders.iter().filter_map(spawned).collect()
    }

    /// A pool of two, both ready.
    fn pair(change: impl FnOnce(&mut PoolConfig)) -> (Scene, [WorkerId; 2]) {
        let mut scene = Scene::new(|config| {
            config.workers = 2;
            change(config);
        });
        let spawns = starts(&scene.pool.start(scene.now));
        let [first, second] = spawns[..] else { panic!("{spawns:?}") };
        scene.make_ready(first);
        scene.make_ready(second);
        (scene, [first, second])
    }

    fn single(change: impl FnOnce(&mut PoolConfig)) -> (Scene, WorkerId) {
        let mut scene = Scene::new(change);
        let worker = scene.start();
        scene.make_ready(worker);
        (scene, worker)
    }

    impl Scene {
        fn end_as(&mut self, worker: WorkerId, status: ExitStatus) -> Vec<Order> {
            self.pool.exited(self.now, worker, Exit::of(status))
        }

        fn last_reason(&self) -> (String, String) {
            let exit = self.view().slot.last_exit.clone().unwrap();
            (exit.reason, exit.message)
        }

        fn command(&mut self, command: Command) -> Vec<Order> {
            self.pool.command(self.now, &[0], command)
        }

        fn tick_at(&mut self, at: Instant) -> Vec<Order> {
            self.now = at;
            self.pool.tick(at)
        }

        fn serve_one(&mut self, worker: WorkerId) -> Vec<Order> {
            self.pool.busy(self.now, worker, self.now + 30 * SECOND);
            self.pool.idle(self.now, worker)
        }
    }

    #[test]
    fn ten_failures_within_a_minute_park_a_slot_loudly_and_start_unparks_it() {
        let mut scene = Scene::new(|config| config.on_parked = vec!["alarm".into()]);
        let mut orders = Scene::deeds(scene.pool.start(scene.now));
        let mut failures = 0;
        while scene.state() != State::Parked {
            orders = match starts(&orders)[..] {
                [worker] => {
                    failures += 1;
                    scene.exit(worker)
                }
                _ => scene.tick_at(scene.pool.next_deadline().unwrap()),
            };
        }
        assert_eq!(failures, 10);
        let said = Scene::said(&orders);
        assert!(said.contains("parked after 10 failures within 60 s and tried again in 5 minutes"), "{said}");
        assert!(matches!(Scene::deeds(orders)[..], [Order::Hook(ref hook)] if hook.moment == Moment::Parked));
        assert!(scene.pool.is_parked());
        assert_eq!(scene.pool.next_deadline(), Some(scene.now + 300 * SECOND));
        assert_eq!(starts(&scene.command(Command::Start)).len(), 1);
        assert_eq!(scene.state(), State::Starting);
    }

    #[test]
    fn failures_that_are_far_apart_park_nothing() {
        let mut scene = Scene::new(|config| (config.start_limit, config.start_window) = (2, SECOND));
        let mut worker = scene.start();
        for _ in 0..20 {
            scene.now += 2 * SECOND;
            let orders = scene.exit(worker);
            worker = match starts(&orders)[..] {
                [worker] => worker,
                _ => starts(&scene.tick_at(scene.pool.next_deadline().unwrap()))[0],
            };
        }
    }

    #[test]
    fn an_end_before_ready_is_a_failure_however_long_it_took() {
        let mut scene = Scene::new(|config| (config.start_limit, config.start_window) = (3, 1000 * SECOND));
        let mut worker = scene.start();
        for _ in 0..2 {
            scene.now += 10 * SECOND;
            worker = starts(&scene.exit(worker))[0];
        }
        scene.now += 10 * SECOND;
        scene.exit(worker);
        assert_eq!(scene.state(), State::Parked);
    }

    #[test]
    fn what_was_wanted_is_replaced_at_once_and_not_counted() {
        let (mut scene, mut worker) = single(|config| config.start_limit = 2);
        for _ in 0..20 {
            assert_eq!(scene.command(Command::Restart), [Order::Drain(worker)]);
            assert_eq!(scene.state(), State::Draining);
            worker = Scene::spawn_of(&Scene::deeds(scene.end_as(worker, ExitStatus::Code(0))));
            scene.make_ready(worker);
        }
        let expected = ("restart".to_owned(), "exit 0; restarted by an operator".to_owned());
        assert_eq!(scene.last_reason(), expected);
    }

    #[test]
    fn a_restart_lets_the_request_in_hand_finish_and_a_stop_does_not_wait_for_it() {
        let (mut scene, worker) = single(|_| {});
        scene.pool.busy(scene.now, worker, scene.now + 30 * SECOND);
        assert_eq!(scene.command(Command::Restart), [Order::Drain(worker)]);
        assert_eq!(Scene::deeds(scene.tick_at(scene.now + 29 * SECOND)), [], "it may finish first");
        assert_eq!(Scene::deeds(scene.tick_at(scene.now + SECOND)), []);
        assert_eq!(
            Scene::deeds(scene.tick_at(scene.now + 6 * SECOND)),
            [Order::Terminate(worker)],
            "then the budget"
        );

        let (mut scene, worker) = single(|_| {});
        scene.pool.busy(scene.now, worker, scene.now + 30 * SECOND);
        scene.command(Command::Restart);
        assert_eq!(scene.pool.stop(scene.now), [], "it is draining already");
        assert_eq!(
            Scene::deeds(scene.tick_at(scene.now + 6 * SECOND)),
            [Order::Terminate(worker)],
            "stop wins"
        );
        assert_eq!(Scene::deeds(scene.end_as(worker, ExitStatus::Code(0))), []);
        assert_eq!(scene.last_reason().0, "stop");
    }

    #[test]
    fn a_request_that_ends_starts_the_budget() {
        let (mut scene, worker) = single(|_| {});
        scene.pool.busy(scene.now, worker, scene.now + 30 * SECOND);
        scene.command(Command::Restart);
        scene.now += SECOND;
        scene.pool.idle(scene.now, worker);
        assert_eq!(scene.pool.next_deadline(), Some(scene.now + 6 * SECOND));
    }

    #[test]
    fn who_has_a_loop_of_its_own_gets_term_at_once() {
        let (mut scene, worker) = single(|_| {});
        scene.pool.ready(scene.now, worker, Ready { own_loop: true, ..Ready::default() });
        assert_eq!(scene.pool.idle_for("m"), None, "and no request");
        assert_eq!(scene.command(Command::Restart), [Order::Terminate(worker)]);
    }

    #[test]
    fn stopped_by_an_operator_stays_stopped_until_it_is_started() {
        let (mut scene, worker) = single(|_| {});
        assert_eq!(scene.command(Command::Stop), [Order::Drain(worker)]);
        assert_eq!(Scene::deeds(scene.end_as(worker, ExitStatus::Code(0))), []);
        assert_eq!((scene.state(), scene.pool.next_deadline()), (State::Stopped, None));
        assert!(!scene.pool.is_parked(), "a stopped pool is no alarm");
        let worker = Scene::spawn_of(&scene.command(Command::Start));
        scene.make_ready(worker);
        assert_eq!(scene.command(Command::Start), [], "it runs");
        scene.command(Command::Stop);
        scene.command(Command::Start);
        assert_eq!(starts(&scene.end_as(worker, ExitStatus::Code(0))).len(), 1, "the last word counts");
    }

    #[test]
    fn a_pause_is_acknowledged_and_outlives_the_worker() {
        let (mut scene, worker) = single(|_| {});
        assert_eq!(scene.command(Command::Pause), [Order::Pause(worker)]);
        assert_eq!(scene.state(), State::Idle, "not before it says so");
        scene.pool.paused(scene.now, worker, true);
        assert_eq!((scene.state(), scene.pool.idle_for("m")), (State::Paused, None));
        let next = Scene::spawn_of(&Scene::deeds(scene.exit(worker)));
        scene.pool.hello(scene.now, next, &Scene::hello());
        let orders = scene.pool.ready(scene.now, next, Ready::default());
        assert_eq!(Scene::deeds(orders), [Order::Pause(next)]);
        assert_eq!(scene.command(Command::Resume), [Order::Resume(next)]);
        scene.pool.paused(scene.now, next, false);
        assert_eq!(scene.state(), State::Idle);
    }

    #[test]
    fn a_signal_goes_to_the_worker_alone() {
        let (mut scene, worker) = single(|_| {});
        assert_eq!(scene.command(Command::Signal(10)), [Order::Signal(worker, 10)]);
        assert_eq!(scene.state(), State::Idle);
    }

    #[test]
    fn max_requests_and_max_lifetime_take_one_worker_at_a_time() {
        let (mut scene, [first, second]) = pair(|config| {
            (config.max_requests, config.jitter) = (Some(2), 0.0);
            config.max_lifetime = Some(100 * SECOND);
        });
        assert_eq!(scene.serve_one(first), []);
        assert_eq!(scene.serve_one(second), []);
        assert_eq!(Scene::deeds(scene.serve_one(first)), [Order::Drain(first)]);
        assert_eq!(scene.serve_one(second), [], "not both at once");
        let next = Scene::spawn_of(&Scene::deeds(scene.end_as(first, ExitStatus::Code(0))));
        assert_eq!(scene.last_reason().1, "exit 0; 2 requests answered, which is max_requests");
        assert_eq!(scene.pool.idle_for("m"), Some(second), "it serves until its turn comes");
        scene.pool.hello(scene.now, next, &Scene::hello());
        let orders = scene.pool.ready(scene.now, next, Ready::default());
        assert_eq!(Scene::deeds(orders), [Order::Drain(second)], "now it is the other's turn");
        let next = Scene::spawn_of(&Scene::deeds(scene.end_as(second, ExitStatus::Code(0))));
        scene.make_ready(next);
        let orders = scene.tick_at(scene.now + 100 * SECOND);
        assert_eq!(Scene::deeds(orders).len(), 1, "one for its age");
        assert!(scene.pool.views().any(|view| view.state == State::Draining));
    }

    #[test]
    fn limits_are_jittered_downwards() {
        let (scene, _) = pair(|config| {
            (config.max_requests, config.jitter) = (Some(1000), 0.5);
            config.max_lifetime = Some(1000 * SECOND);
        });
        let limits: BTreeSet<u64> = scene.pool.lives.values().filter_map(|life| life.max_requests).collect();
        assert!(limits.len() == 2 && limits.iter().all(|limit| (500..=1000).contains(limit)), "{limits:?}");
        let ends: BTreeSet<Instant> = scene.pool.lives.values().filter_map(|life| life.ends_at).collect();
        let range = scene.now + 500 * SECOND..=scene.now + 1000 * SECOND;
        assert!(ends.len() == 2 && ends.iter().all(|at| range.contains(at)));
    }

    #[test]
    fn memory_over_the_soft_limit_drains_and_over_the_hard_one_kills() {
        let (mut scene, worker) = single(|config| {
            (config.memory_soft, config.memory_hard) = (Some(1 << 20), Some(2 << 20));
        });
        assert_eq!(scene.pool.next_deadline(), Some(scene.now + SECOND), "once after the start");
        assert_eq!(Scene::deeds(scene.tick_at(scene.now + SECOND)), [Order::Sample(worker)]);
        assert_eq!(scene.pool.next_deadline(), None, "who waits is not looked at");
        scene.pool.busy(scene.now, worker, scene.now + 30 * SECOND);
        assert_eq!(Scene::deeds(scene.tick_at(scene.now + SECOND)), [Order::Sample(worker)]);
        assert_eq!(
            Scene::deeds(scene.tick_at(scene.now + SECOND)),
            [Order::Sample(worker)],
            "again while it is busy"
        );
        assert_eq!(scene.pool.sampled(scene.now, worker, 1 << 20), [], "not over");
        assert_eq!(
            Scene::deeds(scene.pool.sampled(scene.now, worker, (1 << 20) + 1)),
            [Order::Drain(worker)]
        );
        assert_eq!(Scene::deeds(scene.pool.sampled(scene.now, worker, (2 << 20) + 1)), [Order::Kill(worker)]);
        assert_eq!(scene.pool.sampled(scene.now, worker, u64::MAX), [], "once");
        scene.end_as(worker, ExitStatus::Signal { number: 9, core: false });
        let expected = "killed by SIGKILL; 2.0 MiB in use, memory_hard is 2.0 MiB";
        assert_eq!(scene.last_reason(), ("memory_hard".into(), expected.into()));
    }

    fn look(quiet: u64, spared: bool) -> Look {
        let doing = "blocked in sleep() at /x.php:3".to_owned();
        Look { quiet: Some(Duration::from_secs(quiet)), overdue: false, doing, spared }
    }

    #[test]
    fn who_hangs_is_reported_once_or_restarted() {
        let (mut scene, worker) = single(|_| {});
        scene.pool.busy(scene.now, worker, scene.now + 300 * SECOND);
        assert_eq!(Scene::deeds(scene.tick_at(scene.now + 60 * SECOND)), [Order::Observe(worker)]);
        assert_eq!(scene.pool.observed(scene.now, worker, &look(40, false)), [], "progress() was called");
        assert_eq!(scene.pool.next_deadline(), Some(scene.now + 20 * SECOND));
        scene.tick_at(scene.now + 20 * SECOND);
        let orders = scene.pool.observed(scene.now, worker, &look(60, false));
        let told = "opcua#0 hangs: blocked in sleep() at /x.php:3, for 60.0 s without progress";
        assert!(Scene::said(&orders).starts_with(told), "{orders:?}");
        assert_eq!((Scene::deeds(orders).len(), scene.pool.next_deadline()), (0, None), "once");

        let (mut scene, worker) = single(|config| config.hang_action = HangAction::Restart);
        scene.pool.busy(scene.now, worker, scene.now + 300 * SECOND);
        scene.tick_at(scene.now + 60 * SECOND);
        let orders = Scene::deeds(scene.pool.observed(scene.now, worker, &look(60, false)));
        assert_eq!(orders, [Order::Drain(worker), Order::Terminate(worker)]);
        let orders = Scene::deeds(scene.tick_at(scene.now + 8 * SECOND));
        assert_eq!(orders, [Order::Terminate(worker), Order::Kill(worker)]);
        scene.end_as(worker, ExitStatus::Signal { number: 9, core: false });
        assert_eq!(scene.last_reason().0, "hang");
    }

    #[test]
    fn nobody_is_ended_while_frozen_or_under_a_debugger() {
        let (mut scene, worker) = single(|config| config.hang_action = HangAction::Restart);
        scene.pool.busy(scene.now, worker, scene.now + 300 * SECOND);
        for _ in 0..3 {
            assert_eq!(Scene::deeds(scene.tick_at(scene.now + 60 * SECOND)), [Order::Observe(worker)]);
            assert_eq!(scene.pool.observed(scene.now, worker, &look(3600, true)), []);
        }
        assert_eq!(scene.pool.next_deadline(), Some(scene.now + 60 * SECOND), "looked at again");
    }

    #[test]
    fn who_is_not_ready_in_time_is_treated_like_a_hang() {
        let mut scene = Scene::new(|config| config.hang_action = HangAction::Restart);
        let worker = scene.start();
        assert_eq!(Scene::deeds(scene.tick_at(scene.now + 30 * SECOND)), [Order::Terminate(worker)]);
        scene.end_as(worker, ExitStatus::Signal { number: 15, core: false });
        assert_eq!(scene.last_reason().0, "hang");
    }

    #[test]
    fn who_outlives_kill_is_unkillable_and_has_no_second_copy() {
        let (mut scene, worker) = single(|_| {});
        scene.command(Command::Restart);
        let orders = scene.tick_at(scene.now + 60 * SECOND);
        assert!(
            Scene::said(&orders).contains("could not be ended even by KILL; no other one is started"),
            "{orders:?}"
        );
        assert_eq!((starts(&orders).len(), scene.state()), (0, State::Unkillable));
        assert_eq!(scene.pool.next_deadline(), None);
        assert_eq!(starts(&scene.end_as(worker, ExitStatus::Unknown)).len(), 1, "when it ends at last");
    }

    #[test]
    fn a_worker_that_is_not_forever_ends_the_daemon_with_its_code() {
        for (status, code) in [
            (ExitStatus::Code(0), 0),
            (ExitStatus::Code(3), 3),
            (ExitStatus::Code(100), 1),
            (ExitStatus::Code(111), 1),
            (ExitStatus::Signal { number: 9, core: false }, 137),
        ] {
            let (mut scene, worker) = single(|config| config.forever = false);
            let orders = Scene::deeds(scene.end_as(worker, status));
            assert_eq!(orders, [Order::EndDaemon(code)], "{status}");
        }
        let (mut scene, worker) = single(|config| config.forever = false);
        scene.command(Command::Restart);
        assert_eq!(
            starts(&scene.end_as(worker, ExitStatus::Code(0))).len(),
            1,
            "an operator's restart is none of its own"
        );
    }

    #[test]
    fn hooks_run_after_every_ready_and_every_end() {
        let (mut scene, worker) = single(|config| config.on_exit = vec!["x".into()]);
        scene.pool.config.on_ready = vec!["y".into()];
        let orders = Scene::deeds(scene.exit(worker));
        let [Order::Hook(hook), Order::Spawn { worker, .. }] = &orders[..] else { panic!("{orders:?}") };
        assert_eq!((hook.moment, hook.reason.as_str(), hook.slot), (Moment::Exit, "exit", 0));
        scene.pool.hello(scene.now, *worker, &Scene::hello());
        let orders = Scene::deeds(scene.pool.ready(scene.now, *worker, Ready::default()));
        assert!(matches!(&orders[..], [Order::Hook(hook)] if hook.moment == Moment::Ready), "{orders:?}");
        assert_eq!(
            scene.pool.ready(scene.now, *worker, Ready::default()),
            [],
            "a longer list of methods is no new ready"
        );
    }

    // ---- reload

    #[test]
    fn a_reload_moves_the_traffic_when_all_of_the_new_ones_are_ready() {
        let (mut scene, [first, second]) = pair(|_| {});
        let spawns = starts(&scene.pool.reload(scene.now).unwrap());
        let [third, fourth] = spawns[..] else { panic!("{spawns:?}") };
        assert!(scene.pool.reload(scene.now).unwrap_err().contains("under way"));
        scene.make_ready(third);
        assert_eq!(scene.pool.idle_workers(), [first, second], "the old ones serve");
        scene.pool.hello(scene.now, fourth, &Scene::hello());
        let ready = offering(vec![Method { name: "n".into(), description: None, idempotent: false }]);
        let orders = Scene::deeds(scene.pool.ready(scene.now, fourth, ready));
        assert_eq!(orders, [Order::Drain(first), Order::Drain(second), Order::Reloaded(Ok(2))]);
        assert_eq!(scene.pool.idle_workers(), [third, fourth]);
        assert_eq!((scene.pool.offer("m"), scene.pool.offer("n")), (Offer::Yes, Offer::Yes));
        assert_eq!(Scene::deeds(scene.end_as(first, ExitStatus::Code(0))), [], "an old one is not replaced");
        assert_eq!(scene.last_reason().0, "reload");
        assert_eq!(scene.pool.generation(), 2);
    }

    #[test]
    fn a_generation_of_which_one_ends_before_ready_is_refused_and_the_old_one_stays() {
        let (mut scene, [first, second]) = pair(|_| {});
        let spawns = starts(&scene.pool.reload(scene.now).unwrap());
        scene.make_ready(spawns[0]);
        let exit = Exit { log: vec!["Parse error".into()], ..Exit::of(ExitStatus::Code(255)) };
        let orders = Scene::deeds(scene.pool.exited(scene.now, spawns[1], exit));
        let [Order::Drain(ended), Order::Reloaded(Err((why, log)))] = &orders[..] else {
            panic!("{orders:?}")
        };
        assert_eq!((*ended, log.as_slice()), (spawns[0], &["Parse error".to_owned()][..]));
        assert!(why.contains("opcua#1 ended (exit 255"), "{why}");
        assert_eq!(scene.pool.idle_workers(), [first, second]);
        assert_eq!(Scene::deeds(scene.end_as(spawns[0], ExitStatus::Code(0))), []);
        assert_eq!((scene.pool.generation(), scene.pool.is_reloading()), (1, false));
        assert_eq!(starts(&scene.pool.reload(scene.now).unwrap()).len(), 2, "and it may be tried again");
    }

    #[test]
    fn a_generation_that_is_not_ready_in_time_is_refused() {
        let (mut scene, [first, second]) = pair(|_| {});
        let spawns = starts(&scene.pool.reload(scene.now).unwrap());
        let orders = Scene::deeds(scene.tick_at(scene.now + 30 * SECOND));
        assert_eq!(
            orders.iter().filter(|order| matches!(order, Order::Terminate(_))).count(),
            2,
            "{orders:?}"
        );
        assert!(orders.iter().any(|order| matches!(order, Order::Reloaded(Err(_)))));
        assert_eq!((scene.pool.idle_workers(), spawns.len()), (vec![first, second], 2));
    }

    #[test]
    fn a_singletons_successor_waits_at_the_gate_for_its_end() {
        let (mut scene, old) = single(|_| {});
        let new = starts(&scene.pool.reload(scene.now).unwrap())[0];
        assert_eq!(scene.pool.idle_for("m"), Some(old), "booting costs nobody anything");
        scene.now += 5 * SECOND;
        let orders = Scene::deeds(scene.pool.hello(scene.now, new, &Scene::hello()));
        assert_eq!(orders, [Order::Drain(old)], "no Go yet");
        scene.now += 40 * SECOND;
        assert!(
            !Scene::deeds(scene.pool.tick(scene.now)).iter().any(|order| matches!(order, Order::Reloaded(_))),
            "waiting there is not its fault"
        );
        let orders = Scene::deeds(scene.end_as(old, ExitStatus::Code(0)));
        let [Order::Go(worker, go)] = &orders[..] else { panic!("{orders:?}") };
        assert_eq!(
            (*worker, go.generation, go.predecessor.as_ref().unwrap().reason.as_str()),
            (new, 2, "reload")
        );
        let orders = Scene::deeds(scene.pool.ready(scene.now, new, Ready::default()));
        assert_eq!(orders, [Order::Reloaded(Ok(2))]);
    }

    #[test]
    fn a_singletons_successor_that_fails_before_the_gate_leaves_the_old_one_alone() {
        let (mut scene, old) = single(|_| {});
        let new = starts(&scene.pool.reload(scene.now).unwrap())[0];
        let orders = Scene::deeds(scene.end_as(new, ExitStatus::Code(255)));
        assert!(matches!(&orders[..], [Order::Reloaded(Err(_))]), "{orders:?}");
        assert_eq!(scene.pool.idle_for("m"), Some(old));
    }

    #[test]
    fn a_successor_that_fails_after_the_old_ones_end_follows_the_ordinary_rules() {
        let (mut scene, old) = single(|_| {});
        let new = starts(&scene.pool.reload(scene.now).unwrap())[0];
        scene.pool.hello(scene.now, new, &Scene::hello());
        scene.end_as(old, ExitStatus::Code(0));
        let orders = Scene::deeds(scene.end_as(new, ExitStatus::Code(255)));
        assert!(matches!(&orders[..], [Order::Reloaded(Err(_)), Order::Spawn { .. }]), "{orders:?}");
    }

    #[test]
    fn a_singleton_that_dies_during_a_reload_is_followed_by_the_one_at_the_gate() {
        let (mut scene, old) = single(|_| {});
        let new = starts(&scene.pool.reload(scene.now).unwrap())[0];
        assert_eq!(starts(&scene.end_as(old, ExitStatus::Code(1))), [], "no third one");
        let orders = Scene::deeds(scene.pool.hello(scene.now, new, &Scene::hello()));
        assert!(matches!(&orders[..], [Order::Go(..)]), "nobody is in: {orders:?}");
        scene.pool.ready(scene.now, new, Ready::default());
        assert_eq!((scene.view().slot.current, scene.pool.generation()), (Some(new), 2));
    }

    #[test]
    fn without_a_gate_a_singleton_is_stopped_before_its_successor_starts() {
        let mut scene = Scene::new(|config| config.link = false);
        let old = scene.start();
        scene.tick_at(scene.now + SECOND);
        assert_eq!(Scene::deeds(scene.pool.reload(scene.now).unwrap()), [Order::Terminate(old)]);
        let new = Scene::spawn_of(&Scene::deeds(scene.end_as(old, ExitStatus::Code(0))));
        let orders = Scene::deeds(scene.tick_at(scene.now + SECOND));
        assert_eq!(orders, [Order::Reloaded(Ok(2))]);
        assert_eq!(scene.view().slot.current, Some(new));
    }

    #[test]
    fn stop_wins_over_a_reload() {
        let (mut scene, [first, second]) = pair(|_| {});
        let spawns = starts(&scene.pool.reload(scene.now).unwrap());
        scene.make_ready(spawns[0]);
        let orders = scene.pool.stop(scene.now);
        assert!(matches!(orders[0], Order::Reloaded(Err(_))));
        let ended =
            [Order::Drain(first), Order::Drain(second), Order::Drain(spawns[0]), Order::Terminate(spawns[1])];
        assert_eq!(orders[1..], ended);
        for worker in [first, second, spawns[0], spawns[1]] {
            assert_eq!(Scene::deeds(scene.end_as(worker, ExitStatus::Code(0))), []);
        }
        assert!(scene.pool.is_stopped());
    }
}
