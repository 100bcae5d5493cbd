//! A pool: its slots, their workers' lives, restart and stop. Knows no request.
//!
//! # How it works
//! Every change of a slot's state is made here, by one of the `pub` functions, each `(now, what happened)` to
//! [`Order`]s. A slot outlives its workers; each spawn has a new [`WorkerId`].
//!
//! ```text
//!            spawn                 hello, Go           ready               request
//! backoff ----------> starting ------------> booted ----------> idle <--------------> busy
//!    ^                    |                    |                 |    reply             |
//!    |      end           v                    v                 v                      v
//!    +----------------------------------------------------------------------------------+
//!    end: replaced at once | backoff | parked (no common link version) | stopped (daemon is stopping)
//!    stop: draining, then end
//! ```
//!
//! Restart: by [`Backoff`].
//! Stop: workers that serve requests are told to drain, the others get TERM at once; TERM for all at 75 % of
//! `stop_timeout`, KILL at 95 %; at 100 % the pool gives up on what is left and says so.
//!
//! # Rules
//! Pure: no clock, no process, no log. Exits come by pidfd only, once per worker.
//! Sources: DESIGN §3.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use log::Level;
use rustdaemon_core::link::{self, Go, Hello, Method, Signalled};
use rustdaemon_core::sys::ExitStatus;

use crate::backoff::{Backoff, Jitter};
use crate::config::PoolConfig;
use crate::ids::WorkerId;

/// A parked slot is tried again after this long: never a permanent FATAL.
const PARKED_RETRY: Duration = Duration::from_secs(300);

/// Where a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Spawned; has not called `install()`, or is not yet `ready_after` old.
    Starting,
    /// Passed the gate; has not called `run()` or `tick()`.
    Booted,
    /// Waits for a request.
    Idle,
    /// Has a request in hand.
    Busy,
    /// Told to end.
    Draining,
    /// Ended, and will not be started again.
    Stopped,
    /// Waits before its next start.
    Backoff,
    /// Starting again would not help; tried every five minutes.
    Parked,
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
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Backoff => "backoff",
            Self::Parked => "parked",
        }
    }
}

/// What is to be done about a worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Start the command as this worker.
    Spawn {
        /// Its number.
        worker: WorkerId,
        /// For `RUSTDAEMON_RUN`.
        slot: u32,
    },
    /// Let it pass the gate.
    Go(WorkerId, Go),
    /// Do not let it in: one sentence.
    Refuse(WorkerId, String),
    /// Ask it to finish and end.
    Drain(WorkerId),
    /// Ask it to end.
    Terminate(WorkerId),
    /// End it.
    Kill(WorkerId),
    /// Write a line to the log.
    Say(Level, String),
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

/// A place that survives its worker.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// The living worker.
    pub worker: Option<WorkerId>,
    /// Its process.
    pub pid: Option<i32>,
    /// Workers started here after the first.
    pub restarts: u64,
    /// Requests answered by its workers, all together.
    pub served: u64,
    /// How the last worker ended.
    pub last_exit: Option<String>,
    /// When it is started again.
    pub retry_at: Option<Instant>,
    /// Stop signals that its worker's script has given to somebody else.
    pub signals_taken: Vec<String>,
    methods: Vec<Method>,
    spawned_at: Instant,
    backoff: Backoff,
    said_hello: bool,
    was_ready: bool,
    refused: bool,
    reported_unready: bool,
}

/// How far a stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum StopPhase {
    Draining,
    Terminated,
    Killed,
    GivenUp,
}

/// The set of workers of one command.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    socket: String,
    socket_mode: u32,
    slots: Vec<Slot>,
    next_worker: u64,
    generation: u32,
    offered: Option<Vec<Method>>,
    stop: Option<(Instant, StopPhase)>,
    warned: BTreeSet<String>,
    jitter: Jitter,
}

impl Pool {
    /// A pool that has started nothing yet. `socket` and `socket_mode` are what `install()`'s are compared with.
    #[must_use]
    pub fn new(now: Instant, config: PoolConfig, socket: String, socket_mode: u32, seed: u64) -> Self {
        let slot = Slot {
            state: State::Stopped,
            since: now,
            worker: None,
            pid: None,
            restarts: 0,
            served: 0,
            last_exit: None,
            retry_at: None,
            signals_taken: Vec::new(),
            methods: Vec::new(),
            spawned_at: now,
            backoff: Backoff::default(),
            said_hello: false,
            was_ready: false,
            refused: false,
            reported_unready: false,
        };
        let slots = vec![slot; config.workers as usize];
        Self {
            config,
            socket,
            socket_mode,
            slots,
            next_worker: 1,
            generation: 1,
            offered: None,
            stop: None,
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
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Which release of the code its workers belong to.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// `name#slot` of a worker, for people.
    #[must_use]
    pub fn name_of(&self, worker: WorkerId) -> String {
        self.slots.iter().position(|slot| slot.worker == Some(worker)).map_or_else(
            || format!("{}#?", self.config.name),
            |number| format!("{}#{number}", self.config.name),
        )
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
            None if self.config.link && self.stop.is_none() => Offer::NotKnownYet,
            _ => Offer::No,
        }
    }

    /// An idle worker that offers `method`: the one idle longest, so that work goes round.
    #[must_use]
    pub fn idle_for(&self, method: &str) -> Option<WorkerId> {
        let idle = self.slots.iter().filter(|slot| slot.state == State::Idle);
        let offering = idle.filter(|slot| slot.methods.iter().any(|offered| offered.name == method));
        offering.min_by_key(|slot| slot.since).and_then(|slot| slot.worker)
    }

    /// All idle workers.
    #[must_use]
    pub fn idle_workers(&self) -> Vec<WorkerId> {
        let idle = self.slots.iter().filter(|slot| slot.state == State::Idle);
        idle.filter_map(|slot| slot.worker).collect()
    }

    /// Whether an idle worker offers `method`.
    #[must_use]
    pub fn serves(&self, worker: WorkerId, method: &str) -> bool {
        self.slots.iter().any(|slot| {
            slot.worker == Some(worker)
                && slot.state == State::Idle
                && slot.methods.iter().any(|offered| offered.name == method)
        })
    }

    /// Why no worker is up; `None`: one is.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        if self.slots.iter().any(|slot| matches!(slot.state, State::Idle | State::Busy)) {
            return None;
        }
        let slot = self.slots.first()?;
        let last = slot.last_exit.as_ref().map(|how| format!(", its last worker: {how}")).unwrap_or_default();
        let state = match slot.state {
            State::Backoff => "in backoff",
            other => other.word(),
        };
        Some(format!("{}#0 is {state}{last}", self.config.name))
    }

    /// Starts every slot.
    pub fn start(&mut self, now: Instant) -> Vec<Order> {
        (0..self.slots.len()).filter_map(|number| self.spawn(now, number)).collect()
    }

    /// The spawn worked.
    pub fn spawned(&mut self, worker: WorkerId, pid: i32) {
        if let Some((_, slot)) = self.slot_mut(worker) {
            slot.pid = Some(pid);
        }
    }

    /// The spawn failed: counts as a short run.
    pub fn spawn_failed(&mut self, now: Instant, worker: WorkerId, why: &str) -> Vec<Order> {
        self.ended(now, worker, format!("not started: {why}"))
    }

    /// The worker stands at the gate.
    pub fn hello(&mut self, now: Instant, worker: WorkerId, hello: &Hello) -> Vec<Order> {
        let generation = self.generation;
        let name = self.config.name.clone();
        let stopping = self.stop.is_some();
        let Some((number, slot)) = self.slot_mut(worker) else { return Vec::new() };
        slot.said_hello = true;
        let Some(version) = link::common_version((hello.lowest, hello.highest)) else {
            slot.refused = true;
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
                Order::Say(Level::Error, format!("{name}#{number} is refused: {sentence}")),
                Order::Refuse(worker, sentence),
            ];
        };
        if stopping {
            return vec![Order::Refuse(worker, "the sidecar is stopping".into())];
        }
        slot.enter(State::Booted, now);
        let slot = u32::try_from(number).unwrap_or(u32::MAX);
        let mut orders = self.compare(&format!("{name}#{number}"), hello);
        orders.push(Order::Go(worker, Go { version, name, slot, generation, predecessor: None }));
        orders
    }

    /// The worker serves these methods from now on.
    pub fn ready(&mut self, now: Instant, worker: WorkerId, methods: Vec<Method>) -> Vec<Order> {
        let stopping = self.stop.is_some();
        let name = self.name_of(worker);
        let Some((_, slot)) = self.slot_mut(worker) else { return Vec::new() };
        let mut orders = Vec::new();
        if !slot.was_ready {
            let ms = now.saturating_duration_since(slot.spawned_at).as_millis();
            let pid = slot.pid.unwrap_or_default();
            orders.push(Order::Say(Level::Info, format!("{name} is ready (pid {pid}, after {ms} ms)")));
        }
        slot.was_ready = true;
        slot.methods.clone_from(&methods);
        if slot.state == State::Booted {
            slot.enter(State::Idle, now);
            if stopping {
                slot.enter(State::Draining, now);
            }
        }
        // What one worker of a generation offers, the pool does, whichever of them is up at the moment.
        let offered = self.offered.get_or_insert_default();
        offered.retain(|known| methods.iter().all(|method| method.name != known.name));
        offered.extend(methods);
        orders
    }

    /// A request went to the worker.
    pub fn busy(&mut self, now: Instant, worker: WorkerId) {
        if let Some((_, slot)) = self.slot_mut(worker) {
            slot.enter(State::Busy, now);
        }
    }

    /// Its reply came back.
    pub fn idle(&mut self, now: Instant, worker: WorkerId) {
        if let Some((_, slot)) = self.slot_mut(worker) {
            slot.served += 1;
            if slot.state == State::Busy {
                slot.enter(State::Idle, now);
            }
        }
    }

    /// The worker has ended.
    pub fn exited(&mut self, now: Instant, worker: WorkerId, status: ExitStatus) -> Vec<Order> {
        self.ended(now, worker, status.to_string())
    }

    /// A stop signal has arrived at a worker: who sent it.
    #[must_use]
    pub fn signalled(&self, worker: WorkerId, signalled: &Signalled) -> Vec<Order> {
        let Signalled { signal, pid, uid, command } = signalled;
        let sender = match (pid, uid) {
            (Some(pid), Some(uid)) => {
                let command = command.as_deref().unwrap_or("it has ended").escape_debug();
                format!("pid {pid} ({command}), uid {uid}")
            }
            _ => "the kernel".to_owned(),
        };
        let line = format!("{}: {} from {sender}", self.name_of(worker), signal.escape_debug());
        vec![Order::Say(Level::Info, line)]
    }

    /// Which stop signals a worker's script has given to somebody else.
    pub fn signals_taken(&mut self, worker: WorkerId, signals: Vec<String>) {
        if let Some((_, slot)) = self.slot_mut(worker) {
            slot.signals_taken = signals;
        }
    }

    /// The worker broke the link's rules: it is ended, and restarted as after any end.
    pub fn broke_link(&mut self, worker: WorkerId, why: &str) -> Vec<Order> {
        let line = format!("{} is ended: it sent {why}", self.name_of(worker));
        vec![Order::Say(Level::Error, line), Order::Kill(worker)]
    }

    /// Stops everything within `stop_timeout`.
    pub fn stop(&mut self, now: Instant) -> Vec<Order> {
        if self.stop.is_some() {
            return Vec::new();
        }
        self.stop = Some((now, StopPhase::Draining));
        let mut orders = Vec::new();
        for slot in &mut self.slots {
            slot.retry_at = None;
            let Some(worker) = slot.worker else {
                slot.enter(State::Stopped, now);
                continue;
            };
            // Who never entered run() or tick() may run a loop of its own: its own TERM handler decides.
            orders.push(if slot.was_ready && self.config.link {
                Order::Drain(worker)
            } else {
                Order::Terminate(worker)
            });
            slot.enter(State::Draining, now);
        }
        orders
    }

    /// Ends everything now.
    pub fn stop_now(&mut self, now: Instant) -> Vec<Order> {
        let mut orders = self.stop(now);
        self.stop = Some((now.checked_sub(self.config.stop_timeout).unwrap_or(now), StopPhase::Killed));
        orders.retain(|order| matches!(order, Order::Say(..)));
        orders.extend(self.living().map(Order::Kill));
        orders
    }

    /// Whether it is stopping, or has stopped.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_some()
    }

    /// Whether a stop has come to its end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|(_, phase)| self.living().next().is_none() || phase == StopPhase::GivenUp)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> Vec<Order> {
        let mut orders = self.stop_by_phase(now);
        for number in 0..self.slots.len() {
            let name = format!("{}#{number}", self.config.name);
            let Some(slot) = self.slots.get_mut(number) else { continue };
            if slot.retry_at.is_some_and(|at| at <= now) {
                orders.extend(self.spawn(now, number));
            } else if slot.ready_at(&self.config).is_some_and(|at| at <= now) {
                slot.enter(State::Idle, now);
                slot.was_ready = true;
                let pid = slot.pid.unwrap_or_default();
                orders.push(Order::Say(Level::Info, format!("{name} is up (pid {pid})")));
            } else if slot.unready_at(&self.config).is_some_and(|at| at <= now) {
                slot.reported_unready = true;
                let seconds = self.config.ready_timeout.as_secs_f64();
                orders.push(Order::Say(
                    Level::Warn,
                    match slot.said_hello {
                        false => format!(
                            "{name} has not called RustDaemon\\Worker::install() for {seconds} s; \
                             a command that never calls it needs --no-link"
                        ),
                        true => format!(
                            "{name} has called RustDaemon\\Worker::install(), but neither run() nor tick() \
                             for {seconds} s: it gets no request"
                        ),
                    },
                ));
            }
        }
        orders
    }

    /// When [`Pool::tick`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let slots = self.slots.iter().flat_map(|slot| {
            [slot.retry_at, slot.ready_at(&self.config), slot.unready_at(&self.config)].into_iter().flatten()
        });
        let stop = self.stop.filter(|_| self.living().next().is_some());
        slots.chain(stop.and_then(|(since, phase)| self.phase_end(since, phase))).min()
    }

    fn stop_by_phase(&mut self, now: Instant) -> Vec<Order> {
        let mut orders = Vec::new();
        while let Some((since, phase)) = self.stop {
            if self.phase_end(since, phase).is_none_or(|end| end > now) {
                break;
            }
            let next = match phase {
                StopPhase::Draining => StopPhase::Terminated,
                StopPhase::Terminated => StopPhase::Killed,
                StopPhase::Killed | StopPhase::GivenUp => StopPhase::GivenUp,
            };
            self.stop = Some((since, next));
            for worker in self.living() {
                let name = self.name_of(worker);
                let spent = now.saturating_duration_since(since).as_secs_f64();
                let say = |what: &str| {
                    Order::Say(Level::Warn, format!("{name} {what} {spent:.1} s after the stop"))
                };
                match next {
                    StopPhase::Draining => {}
                    StopPhase::Terminated => {
                        orders.extend([say("has not ended; TERM"), Order::Terminate(worker)]);
                    }
                    StopPhase::Killed => orders.extend([say("has not ended; KILL"), Order::Kill(worker)]),
                    StopPhase::GivenUp => {
                        orders.push(say("could not be ended even by KILL and is left behind"));
                    }
                }
            }
        }
        orders
    }

    fn phase_end(&self, since: Instant, phase: StopPhase) -> Option<Instant> {
        let part = match phase {
            StopPhase::Draining => 0.75,
            StopPhase::Terminated => 0.95,
            // KILL needs a moment to be seen even where the whole budget is tiny.
            StopPhase::Killed => return Some(since + self.config.stop_timeout + Duration::from_millis(500)),
            StopPhase::GivenUp => return None,
        };
        Some(since + self.config.stop_timeout.mul_f64(part))
    }

    fn living(&self) -> impl Iterator<Item = WorkerId> {
        self.slots.iter().filter_map(|slot| slot.worker)
    }

    fn slot_mut(&mut self, worker: WorkerId) -> Option<(usize, &mut Slot)> {
        self.slots.iter_mut().enumerate().find(|(_, slot)| slot.worker == Some(worker))
    }

    fn spawn(&mut self, now: Instant, number: usize) -> Option<Order> {
        let worker = WorkerId(self.next_worker);
        let slot = self.slots.get_mut(number)?;
        self.next_worker += 1;
        slot.restarts += u64::from(slot.last_exit.is_some());
        slot.enter(State::Starting, now);
        slot.worker = Some(worker);
        slot.retry_at = None;
        slot.spawned_at = now;
        slot.methods.clear();
        slot.signals_taken.clear();
        slot.said_hello = false;
        slot.was_ready = false;
        slot.refused = false;
        slot.reported_unready = false;
        Some(Order::Spawn { worker, slot: u32::try_from(number).unwrap_or(u32::MAX) })
    }

    fn ended(&mut self, now: Instant, worker: WorkerId, how: String) -> Vec<Order> {
        let name = self.name_of(worker);
        let (short_run, backoff_max, link) =
            (self.config.short_run, self.config.backoff_max, self.config.link);
        let stopping = self.stop.is_some();
        let jitter = self.jitter.next_fraction();
        let Some((number, slot)) = self.slot_mut(worker) else { return Vec::new() };
        let ran = now.saturating_duration_since(slot.spawned_at);
        let pid = slot.pid.take().map(|pid| format!(", pid {pid}")).unwrap_or_default();
        let hint = match link && !slot.said_hello && !stopping && !how.starts_with("not started") {
            true => {
                "; it never called RustDaemon\\Worker::install(): \
                 load extension=rustdaemon.so and call it, or add --no-link for a command that does not"
            }
            false => "",
        };
        let told = format!("{name} ended ({how}{pid}) after {:.1} s{hint}", ran.as_secs_f64());
        slot.worker = None;
        slot.methods.clear();
        slot.last_exit = Some(how);
        if stopping {
            slot.enter(State::Stopped, now);
            return vec![Order::Say(Level::Info, told)];
        }
        if slot.refused {
            slot.enter(State::Parked, now);
            slot.retry_at = Some(now + PARKED_RETRY);
            let line = format!("{told}; {name} is parked and tried again in 5 minutes");
            return vec![Order::Say(Level::Error, line)];
        }
        let Some(wait) = slot.backoff.wait_after(ran, short_run, backoff_max, jitter) else {
            let line = Order::Say(Level::Warn, format!("{told}; started again"));
            return std::iter::once(line).chain(self.spawn(now, number)).collect();
        };
        slot.enter(State::Backoff, now);
        slot.retry_at = Some(now + wait);
        let (runs, seconds) = (slot.backoff.short_runs(), wait.as_secs_f64());
        vec![Order::Say(
            Level::Warn,
            format!("{told}; short run {runs} in a row, next start in {seconds:.1} s"),
        )]
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
            if self.warned.insert(format!("{what} {asked}")) {
                orders.push(Order::Say(
                    Level::Warn,
                    format!("{worker}: install() asks for {what} {asked}; this sidecar was started with {ours}, which holds"),
                ));
            }
        }
        orders
    }
}

impl Slot {
    fn enter(&mut self, state: State, now: Instant) {
        self.state = state;
        self.since = now;
    }

    /// When a worker without a link counts as ready.
    fn ready_at(&self, config: &PoolConfig) -> Option<Instant> {
        (!config.link && self.state == State::Starting).then(|| self.spawned_at + config.ready_after)
    }

    /// When it is reported that a linked worker is not ready.
    fn unready_at(&self, config: &PoolConfig) -> Option<Instant> {
        let waits = matches!(self.state, State::Starting | State::Booted) && !self.reported_unready;
        (config.link && waits).then(|| self.spawned_at + config.ready_timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct Scene {
        pool: Pool,
        now: Instant,
    }

    impl Scene {
        fn new(change: impl FnOnce(&mut PoolConfig)) -> Self {
            let mut config = PoolConfig::new("opcua", vec!["php".into()]);
            change(&mut config);
            let now = Instant::now();
            Self { pool: Pool::new(now, config, "/run/x.sock".into(), 0o600, 7), now }
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
            assert_eq!(Self::deeds(self.pool.ready(self.now, worker, vec![method])), []);
        }

        fn exit(&mut self, worker: WorkerId) -> Vec<Order> {
            self.pool.exited(self.now, worker, ExitStatus::Code(1))
        }

        fn state(&self) -> State {
            self.pool.slots()[0].state
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
        scene.pool.busy(scene.now, worker);
        assert_eq!((scene.state(), scene.pool.idle_for("m")), (State::Busy, None));
        scene.pool.idle(scene.now, worker);
        assert_eq!((scene.state(), scene.pool.slots()[0].served), (State::Idle, 1));
    }

    #[test]
    fn what_one_worker_offers_the_pool_offers_whoever_is_ready_last() {
        let mut scene = Scene::new(|config| config.workers = 2);
        let spawns = Scene::deeds(scene.pool.start(scene.now));
        for (order, name) in spawns.iter().zip(["a", "b"]) {
            let Order::Spawn { worker, .. } = order else { panic!("{order:?}") };
            scene.pool.hello(scene.now, *worker, &Scene::hello());
            let method = Method { name: name.into(), description: None, idempotent: false };
            scene.pool.ready(scene.now, *worker, vec![method]);
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
        assert_eq!(scene.pool.slots()[0].restarts, 4);
        assert_eq!(scene.pool.offer("m"), Offer::NotKnownYet);
    }

    #[test]
    fn further_short_runs_wait_longer_and_longer() {
        let mut scene = Scene::new(|_| {});
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
        assert_eq!(Scene::said(&scene.pool.signalled(worker, &term)), "opcua#0: SIGTERM from the kernel");
        let mut from = Signalled { pid: Some(7), uid: Some(1000), command: Some("ba\nsh".into()), ..term };
        assert_eq!(
            Scene::said(&scene.pool.signalled(worker, &from)),
            "opcua#0: SIGTERM from pid 7 (ba\\nsh), uid 1000"
        );
        from.command = None;
        let gone = "opcua#0: SIGTERM from pid 7 (it has ended), uid 1000";
        assert_eq!(Scene::said(&scene.pool.signalled(worker, &from)), gone);
        scene.pool.signals_taken(worker, vec!["SIGTERM".into()]);
        assert_eq!(scene.pool.slots()[0].signals_taken, ["SIGTERM"]);
        scene.exit(worker);
        assert!(scene.pool.slots()[0].signals_taken.is_empty(), "the next worker has not given any away");
    }

    #[test]
    fn an_end_that_is_told_twice_or_too_late_changes_nothing() {
        let mut scene = Scene::new(|_| {});
        let worker = scene.start();
        let next = Scene::spawn_of(&Scene::deeds(scene.exit(worker)));
        assert_eq!(scene.exit(worker), []);
        assert_eq!(scene.pool.ready(scene.now, worker, Vec::new()), []);
        assert_eq!(scene.pool.slots()[0].worker, Some(next));
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
}
