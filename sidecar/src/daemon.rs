//! The daemon as one pure machine: pools, router and built-in methods under `(now, Event) -> Vec<Action>`.
//!
//! # How it works
//! The event loop tells what happened; the answer is what to do, in order. This is the only place where workers and
//! requests meet: it owns "one request, one answer". A request that changes something (a restart, a reload) is answered
//! when it has come true: until then it is a [`Task`].
//! Time here stands still while the sidecar does (a suspended machine, a stopped process): all deadlines move by that
//! gap, and nobody is ended for it.
//!
//! # Rules
//! Pure: no clock, no descriptor, no log. An action's outcome comes back as an event.
//! Sources: DESIGN §3, §4.

use std::time::{Duration, Instant};

use compact_str::CompactString;
use log::Level;
use rustdaemon_core::link::{self, Bind, Fault, Hello, Kind, Ready, Signalled};
use rustdaemon_core::slot::Claim;

use crate::access::Role;
use crate::config::Config;
use crate::control::Control;
use crate::dialect::{self, Address, Cause, Delivery, Request};
use crate::events::Notice;
use crate::ids::{ClientId, Credentials, WorkerId};
use crate::order::Order;
use crate::pool::Pool;
use crate::reason::{Exit, Look};
use crate::router::{Asked, Entry, Router};
use crate::sessions::Sessions;
use crate::verbs::{self, LogsQuery, PoolStatus, Status, Verb, WorkerStatus};

mod bound;
mod looks;
mod messages;
mod requests;
mod subscribers;
mod tasks;

use self::messages::Sendings;
use self::subscribers::Subscribers;
use self::tasks::Task;

/// The exit code of a daemon that gives up because every pool is parked: start me again.
const ALL_PARKED: u8 = 111;

/// The usual answer's line has room in so many.
const ANSWER_BYTES: usize = 256;

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The socket is bound: start the workers.
    Start,
    /// A spawn worked.
    Spawned {
        /// Which.
        worker: WorkerId,
        /// Its process.
        pid: i32,
    },
    /// A spawn failed.
    SpawnFailed {
        /// Which.
        worker: WorkerId,
        /// The system's words.
        why: String,
    },
    /// A worker stands at the gate.
    Hello {
        /// Which.
        worker: WorkerId,
        /// What it says of itself.
        hello: Hello,
    },
    /// A worker is ready, or offers other methods than before.
    Ready {
        /// Which.
        worker: WorkerId,
        /// What it says.
        ready: Ready,
    },
    /// A worker has answered a request.
    Reply {
        /// Which.
        worker: WorkerId,
        /// The request's number.
        sequence: u64,
        /// Data as JSON, or why there is none.
        outcome: Result<Vec<u8>, Fault>,
    },
    /// A worker answers a request later.
    Deferred {
        /// Which.
        worker: WorkerId,
        /// The request's number.
        sequence: u64,
    },
    /// What [`Action::Recall`] asked for.
    Recalled {
        /// Which.
        worker: WorkerId,
        /// Requests that it has not begun, and will not.
        back: Vec<u64>,
        /// Requests that it has begun.
        kept: Vec<u64>,
    },
    /// A worker begins nothing any more.
    Leaving {
        /// Which.
        worker: WorkerId,
    },
    /// A worker wants a value for its own.
    Bind {
        /// Which.
        worker: WorkerId,
        /// The number of its question.
        sequence: u64,
        /// What, and for how long.
        bind: Bind,
    },
    /// A worker gives a value up.
    Unbind {
        /// Which.
        worker: WorkerId,
        /// What.
        value: String,
    },
    /// A worker has acknowledged a pause, or its end.
    Paused {
        /// Which.
        worker: WorkerId,
        /// Which of the two.
        paused: bool,
    },
    /// A stop signal has arrived at a worker.
    Signalled {
        /// Which.
        worker: WorkerId,
        /// What, and from whom.
        signalled: Signalled,
    },
    /// A worker's script has given stop signals to somebody else.
    SignalsTaken {
        /// Which.
        worker: WorkerId,
        /// Their names.
        signals: Vec<String>,
    },
    /// A worker sent what cannot be read.
    LinkBroken {
        /// Which.
        worker: WorkerId,
        /// What it sent.
        why: String,
    },
    /// A worker has closed its link: it ends, or goes on without one.
    LinkEnded {
        /// Which.
        worker: WorkerId,
    },
    /// A worker has ended; everything that it wrote has been told before.
    Exited {
        /// Which.
        worker: WorkerId,
        /// How, and what it left behind.
        exit: Box<Exit>,
    },
    /// What [`Order::Sample`] asked for.
    Sampled {
        /// Which.
        worker: WorkerId,
        /// Its memory in bytes.
        bytes: u64,
    },
    /// What [`Order::Observe`] asked for.
    Observed {
        /// Which.
        worker: WorkerId,
        /// What it does.
        look: Look,
    },
    /// A client asks.
    Request {
        /// Who.
        client: ClientId,
        /// What.
        request: Request,
        /// The process and user at the other end.
        peer: Credentials,
        /// What it may do.
        role: Role,
        /// Unix time in seconds.
        unix_time: f64,
    },
    /// A new generation of every pool.
    Reload,
    /// Stop: drain within `stop_timeout`.
    Stop,
    /// Stop: end everything at once.
    StopNow,
    /// Nothing has run for so long: a suspended machine, a stopped process.
    StoodStill(Duration),
    /// [`Daemon::next_deadline`] has come.
    Deadline,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// About a worker, or a line for the log.
    Worker(Order),
    /// Offer a request by its claim, if it has one, and write it to a worker's link.
    Send {
        /// Which.
        worker: WorkerId,
        /// By which word the worker begins it.
        claim: Option<Claim>,
        /// One frame.
        frame: Vec<u8>,
    },
    /// Take back what a worker has not begun.
    Recall {
        /// Which.
        worker: WorkerId,
        /// Which requests.
        claims: Vec<Claim>,
    },
    /// Write the answer to one of a client's requests.
    Answer {
        /// Who.
        client: ClientId,
        /// With which line.
        delivery: Delivery,
        /// One line; none for a notification.
        line: Vec<u8>,
    },
    /// Answer with [`Daemon::status`], completed from the workers' pages.
    Report {
        /// Who.
        client: ClientId,
        /// Where.
        address: Address,
    },
    /// Answer with workers' lines, and go on with further ones if that is asked.
    Logs {
        /// Who.
        client: ClientId,
        /// Where.
        address: Address,
        /// Which.
        query: LogsQuery,
    },
    /// Tell who follows what happens, with the time of the day.
    Tell {
        /// Who.
        client: ClientId,
        /// Where.
        address: Address,
        /// What.
        notice: Box<Notice>,
    },
    /// The pools are to have so many workers altogether.
    Resize(usize),
    /// Somebody was told that it may not.
    Forbidden {
        /// Who.
        client: ClientId,
        /// What it asked for.
        method: CompactString,
    },
    /// Everything has ended: this is the exit code.
    Exit(u8),
}

/// Pools, router and built-in methods.
#[derive(Debug)]
pub struct Daemon {
    socket: String,
    /// The control socket.
    control: Option<String>,
    /// Clients must show a token, or it has been said that they need not.
    has_token: bool,
    started: Instant,
    pools: Vec<Pool>,
    router: Router,
    sessions: Sessions,
    sendings: Sendings,
    tasks: Vec<Task>,
    subscribers: Subscribers,
    exit_when_parked: bool,
    exit_code: u8,
    /// How long we have stood still.
    lost: Duration,
}

impl Daemon {
    /// A daemon that has started nothing yet. `seed` is for the jitter of restarts.
    #[must_use]
    pub fn new(now: Instant, config: Config, seed: u64) -> Self {
        let socket = config.socket.display().to_string();
        let router = Router::new(config.pools.len());
        let sessions = Sessions::new(config.pools.iter().map(|pool| pool.max_bound));
        let has_token = config.token_sources().next().is_some();
        let pools = config.pools.into_iter().enumerate().map(|(number, pool)| {
            let seed = seed.rotate_left(u32::try_from(number % 64).unwrap_or(0));
            Pool::new(now, number, pool, socket.clone(), config.socket_mode, seed)
        });
        Self {
            started: now,
            pools: pools.collect(),
            has_token,
            control: config.control.map(|path| path.display().to_string()),
            socket,
            router,
            sessions,
            sendings: Sendings::default(),
            tasks: Vec::new(),
            subscribers: Subscribers::default(),
            exit_when_parked: config.exit_when_parked,
            exit_code: 0,
            lost: Duration::ZERO,
        }
    }

    /// Takes in what happened; appends what to do about it.
    pub fn on(&mut self, real: Instant, event: Event, out: &mut Vec<Action>) {
        let now = self.ours(real);
        // What changes requests only.
        self.subscribers.stirred = !matches!(
            event,
            Event::Request { .. } | Event::Reply { .. } | Event::Deferred { .. } | Event::Recalled { .. }
        );
        match event {
            Event::Start => self.every_pool(out, now, |pool| pool.start(now)),
            Event::StoodStill(gap) => {
                self.lost += gap;
                let now = self.ours(real);
                let line = format!("stood still for {:.1} s: all deadlines move by that", gap.as_secs_f64());
                say(out, Level::Warn, line);
                self.pools.iter_mut().for_each(|pool| pool.stood_still(now));
            }
            Event::Spawned { worker, pid } => {
                if let Some(pool) = self.pool_of(worker) {
                    pool.spawned(now, worker, pid);
                }
            }
            Event::SpawnFailed { worker, why } => {
                self.with(out, now, worker, |pool| pool.spawn_failed(now, worker, &why));
            }
            Event::Hello { worker, hello } => {
                if hello.token && !std::mem::replace(&mut self.has_token, true) {
                    let name = self.name_of(worker);
                    let line = format!(
                        "{name}: install() has a token, and this sidecar was started without one: clients need none \
                         (set token_env, token_file or token_credential)"
                    );
                    say(out, Level::Warn, line);
                }
                self.with(out, now, worker, |pool| pool.hello(now, worker, &hello));
            }
            Event::Ready { worker, ready } => self.ready(out, now, worker, ready),
            Event::Reply { worker, sequence, outcome } => {
                self.reply(out, now, worker, sequence, outcome);
            }
            Event::Deferred { worker, sequence } => self.deferred(out, now, worker, sequence),
            Event::Paused { worker, paused } => {
                if let Some(pool) = self.pool_of(worker) {
                    pool.paused(now, worker, paused);
                }
                self.serve(out, now, worker);
                self.share(out, worker);
            }
            Event::Recalled { worker, back, kept } => self.recalled(out, now, worker, &back, &kept),
            Event::Leaving { worker } => {
                if let Some(pool) = self.pool_of(worker) {
                    pool.leaving(now, worker);
                }
                self.lose_sessions(out, now, worker);
                self.recall_all(out, worker);
            }
            Event::Bind { worker, sequence, bind } => self.bind(out, now, worker, sequence, &bind),
            Event::Unbind { worker, value } => self.unbind(out, now, worker, &value),
            Event::Signalled { worker, signalled } => {
                self.with(out, now, worker, |pool| pool.signalled(worker, signalled));
            }
            Event::SignalsTaken { worker, signals } => {
                if let Some(pool) = self.pool_of(worker) {
                    pool.signals_taken(worker, signals);
                }
            }
            Event::LinkBroken { worker, why } => {
                self.with(out, now, worker, |pool| pool.broke_link(now, worker, &why));
            }
            Event::LinkEnded { worker } => {
                if let Some(pool) = self.pool_of(worker) {
                    pool.link_ended(now, worker);
                }
                self.lose_sessions(out, now, worker);
                self.recall_all(out, worker);
            }
            Event::Sampled { worker, bytes } => {
                self.with(out, now, worker, |pool| pool.sampled(now, worker, bytes));
            }
            Event::Observed { worker, look } => {
                let was_told = self.hangs(worker);
                self.with(out, now, worker, |pool| pool.observed(now, worker, &look));
                if !was_told && self.hangs(worker) {
                    self.tell_hang(out, worker, &look);
                }
            }
            Event::Exited { worker, exit } => {
                let pool = self.pools.get(worker.pool());
                let again = |method: &str| pool.is_some_and(|pool| pool.may_run_again(worker, method));
                let ended = self.router.worker_ended(worker, &exit.begun, again);
                let status = exit.status;
                let leaver = self.leaver(worker);
                let mut follows = Vec::new();
                self.with(&mut follows, now, worker, |pool| pool.exited(now, worker, *exit));
                let told = self.last_exit(worker).unwrap_or_else(|| status.to_string());
                // Before a start takes its time.
                self.sendings.refuse(out, ended.begun, |_| Cause::WorkerDied(told.clone()));
                self.sendings.refuse(out, ended.expired, |entry| Cause::NotStarted(entry.limit, None));
                if let Some(leaver) = leaver {
                    self.tell_ended(out, leaver, told);
                }
                out.append(&mut follows);
                self.lose_sessions(out, now, worker);
                self.serve_all(out, now);
            }
            Event::Request { client, request, peer, role, unix_time } => {
                self.request(out, now, Asked { client, request, peer, unix_time, to: None }, role);
            }
            Event::Reload => {
                for number in 0..self.pools.len() {
                    if let Err(why) = self.reload(out, now, number) {
                        say(out, Level::Warn, format!("no reload: {why}"));
                    }
                }
            }
            Event::Stop => self.every_pool(out, now, |pool| pool.stop(now)),
            Event::StopNow => self.every_pool(out, now, |pool| pool.stop_now(now)),
            Event::Deadline => {
                let pools = &self.pools;
                let trouble = |entry: &Entry| {
                    let pool = pools.get(entry.pool)?;
                    entry.to.map_or_else(|| pool.trouble(), |to| pool.trouble_in(to.slot))
                };
                let expired = self.router.expired(now);
                self.sendings.refuse(out, expired.over, |entry| match entry.worker {
                    Some(_) => Cause::NoAnswer(entry.limit),
                    None => Cause::NotStarted(entry.limit, trouble(entry)),
                });
                for worker in expired.deferred {
                    self.with(out, now, worker, |pool| pool.deferred_over(now, worker));
                    self.serve(out, now, worker);
                    self.share(out, worker);
                }
                let asked = expired.asked.into_iter();
                out.extend(asked.map(|(worker, claim)| Action::Recall { worker, claims: vec![claim] }));
                self.expire_sessions(out, now);
                self.every_pool(out, now, |pool| pool.tick(now));
            }
        }
        if self.exit_when_parked && !self.is_stopping() && self.pools.iter().all(Pool::is_parked) {
            say(out, Level::Error, "every pool is parked: the daemon ends (--exit-when-parked)".into());
            self.exit_code = ALL_PARKED;
            self.every_pool(out, now, |pool| pool.stop(now));
        }
        while let Some(sequence) = self.router.pop_released() {
            self.serve_request(out, now, sequence);
        }
        self.serve_messages(out, now);
        if self.subscribers.stirred && !self.subscribers.is_empty() {
            self.tell_changes(out, now);
        }
        self.settle_tasks(out);
        if self.is_stopping() {
            self.sendings.refuse(out, self.router.refuse_waiting(|_| false), |_| Cause::ShuttingDown);
        }
        if self.pools.iter().all(Pool::is_stopped) {
            // What a worker that could not be ended still holds.
            let left = Cause::WorkerDied("could not be ended".into());
            self.sendings.refuse(out, self.router.all_in_flight(), |_| left.clone());
            out.push(Action::Exit(self.exit_code));
        }
    }

    /// Whether it is stopping.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.pools.iter().all(Pool::is_stopping)
    }

    /// Whether a reload of some pool is under way.
    #[must_use]
    pub fn is_reloading(&self) -> bool {
        self.pools.iter().any(Pool::is_reloading)
    }

    /// When [`Event::Deadline`] is wanted.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadline().map(|at| at + self.lost)
    }

    /// Our own time, which stands still while we do.
    fn ours(&self, real: Instant) -> Instant {
        real.checked_sub(self.lost).unwrap_or(real)
    }

    fn deadline(&self) -> Option<Instant> {
        let pools = self.pools.iter().filter_map(Pool::next_deadline);
        pools.chain(self.router.next_deadline()).chain(self.sessions.next_deadline()).min()
    }

    fn pool_of(&mut self, worker: WorkerId) -> Option<&mut Pool> {
        self.pools.get_mut(worker.pool())
    }

    /// Lets a worker's pool do something.
    fn with(
        &mut self,
        out: &mut Vec<Action>,
        now: Instant,
        worker: WorkerId,
        act: impl FnOnce(&mut Pool) -> Vec<Order>,
    ) {
        if let Some(pool) = self.pool_of(worker) {
            let orders = act(pool);
            self.obey(out, now, worker.pool(), orders);
        }
    }

    fn every_pool(
        &mut self,
        out: &mut Vec<Action>,
        now: Instant,
        mut act: impl FnMut(&mut Pool) -> Vec<Order>,
    ) {
        for number in 0..self.pools.len() {
            let orders = self.pools.get_mut(number).map(&mut act).unwrap_or_default();
            self.obey(out, now, number, orders);
        }
    }

    /// Passes on what a pool wants; what concerns more than itself is done here.
    fn obey(&mut self, out: &mut Vec<Action>, now: Instant, pool: usize, orders: Vec<Order>) {
        self.subscribers.stirred |= !orders.is_empty();
        for order in orders {
            match order {
                Order::Reloaded(result) => self.reloaded(out, pool, result),
                Order::EndDaemon(code) => {
                    let line = format!("a worker of a pool that is not forever has ended: exit code {code}");
                    say(out, Level::Info, line);
                    self.exit_code = code;
                    self.every_pool(out, now, |pool| pool.stop(now));
                }
                order => {
                    // What it has not begun waits elsewhere.
                    if let Order::Drain(worker) | Order::Terminate(worker) = order {
                        self.lose_sessions(out, now, worker);
                        self.recall_all(out, worker);
                    }
                    if let Order::Pause(worker) = order {
                        self.recall_all(out, worker);
                    }
                    out.push(Action::Worker(order));
                }
            }
        }
    }

    /// How the last worker of this one's slot has ended.
    fn last_exit(&self, worker: WorkerId) -> Option<String> {
        self.pools.get(worker.pool())?.last_exit_of(worker)
    }

    fn request(&mut self, out: &mut Vec<Action>, now: Instant, asked: Asked, role: Role) {
        let Asked { client, ref request, unix_time, .. } = asked;
        let verb = Verb::of(request.address.dialect, &request.method);
        if verb == Some(Verb::Ping) && !self.is_stopping() {
            let sessions = self.sessions.bound();
            let write = |line: &mut Vec<u8>| match request.is_strangers {
                true => line.extend_from_slice(br#"{"status":"ok"}"#),
                false => verbs::write_ping(line, sessions, unix_time),
            };
            return answer_by(out, client, &request.address, write);
        }
        let address = request.address.clone();
        let needed = verb.map_or(Role::Call, |_| Role::for_built_in(&request.method));
        if role < needed {
            fault(out, client, &address, &self.forbidden(&request.method, needed, role));
            return out.push(Action::Forbidden { client, method: request.method.clone() });
        }
        match verb {
            Some(Verb::Ping) => fault(out, client, &address, &Cause::ShuttingDown),
            Some(Verb::Look(look)) => {
                if let Err(why) = self.look(out, now, client, &address, look, request.args.as_bytes()) {
                    fault(out, client, &address, &Cause::Said(why));
                }
            }
            Some(Verb::Control) => {
                let asked = Control::parse(&request.method, request.args.as_bytes())
                    .map_err(|sentence| ("InvalidArgument", sentence));
                let done = asked.and_then(|control| {
                    self.control(out, now, client, &address, control).map_err(|why| ("refused", why))
                });
                if let Err((class, message)) = done {
                    let said = Fault { class: class.into(), message };
                    fault(out, client, &address, &Cause::Said(said));
                }
            }
            Some(Verb::Send) => {
                if let Err(cause) = self.send_message(out, now, asked) {
                    fault(out, client, &address, &cause);
                }
            }
            None => {
                if let Err(cause) = self.route(out, now, asked) {
                    fault(out, client, &address, &cause);
                }
            }
        }
    }

    /// What is said to who may not.
    fn forbidden(&self, method: &str, needed: Role, role: Role) -> Cause {
        let who = match &self.control {
            Some(control) if needed >= Role::Control => {
                format!("what changes something is asked on the control socket {control}")
            }
            _ => "root and the daemon's own user may everything, others what the key access says".into(),
        };
        let (needed, role) = (needed.word(), role.word());
        let message =
            format!("{method} needs the role {needed}, and this connection has the role {role}; {who}");
        Cause::Said(Fault { class: "forbidden".into(), message })
    }

    /// Everything that is known without the workers' pages.
    #[must_use]
    pub fn status(&self, real: Instant) -> Status {
        self.status_at(self.ours(real))
    }

    fn status_at(&self, now: Instant) -> Status {
        let age = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: 0,
            state: if self.is_stopping() { "stopping" } else { "running" }.to_owned(),
            uptime: age(self.started),
            socket: self.socket.clone(),
            request_bytes: self.router.bytes(),
            subscribers: self.subscribers.len(),
            ..Status::default()
        };
        for (number, pool) in self.pools.iter().enumerate() {
            let config = pool.config();
            let counts = self.router.counts(number);
            status.pools.push(PoolStatus {
                name: config.name.clone(),
                command: config.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
                link: config.link,
                generation: pool.generation(),
                reloading: pool.is_reloading(),
                forever: config.forever,
                workers: pool.workers(),
                waiting: counts.all_waiting(),
                in_flight: counts.in_flight.saturating_sub(counts.ahead),
                accepted: counts.accepted,
                late: counts.late,
                recalled: counts.recalled,
                retried: counts.retried,
                bound: self.sessions.bound_in(number),
            });
            status.workers.extend(pool.views().enumerate().map(|(slot, view)| {
                let figures = view.slot.figures(now);
                let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
                WorkerStatus {
                    name: format!("{}#{slot}", config.name),
                    pool: config.name.clone(),
                    slot,
                    pid: view.life.and_then(|life| life.pid),
                    generation: view.life.map(|life| life.generation),
                    state: view.state.word().to_owned(),
                    since: age(view.since),
                    age: view.life.filter(|life| life.pid.is_some()).map(|life| age(life.spawned_at)),
                    restarts: view.slot.restarts,
                    served: view.slot.served,
                    deferred: view.life.map_or(0, |life| life.deferred),
                    rate: figures.rate,
                    p50: seconds(figures.p50),
                    p99: seconds(figures.p99),
                    last_exit: view.slot.last_exit.as_ref().map(|exit| exit.message.clone()),
                    last_exit_reason: view.slot.last_exit.as_deref().cloned(),
                    signals_taken: view.life.map(|life| life.signals_taken.clone()).unwrap_or_default(),
                    blind: view.life.and_then(|life| life.blind.clone()),
                    retry_in: view.slot.retry_at.map(|at| at.saturating_duration_since(now).as_secs_f64()),
                    ..WorkerStatus::default()
                }
            }));
        }
        status
    }

    /// The worker in each slot, in the order of [`Status::workers`].
    #[must_use]
    pub fn workers_by_slot(&self) -> Vec<Option<WorkerId>> {
        let views = self.pools.iter().flat_map(Pool::views);
        views.map(|view| view.life.map(|life| life.worker)).collect()
    }

    /// `name#slot` of a worker, for people.
    #[must_use]
    pub fn name_of(&self, worker: WorkerId) -> String {
        self.pools.get(worker.pool()).map(|pool| pool.name_of(worker)).unwrap_or_default()
    }
}

fn answer(out: &mut Vec<Action>, client: ClientId, address: &Address, data: &[u8]) {
    answer_by(out, client, address, |line| line.extend_from_slice(data));
}

fn answer_by(out: &mut Vec<Action>, client: ClientId, address: &Address, write: impl FnOnce(&mut Vec<u8>)) {
    let mut line = Vec::with_capacity(ANSWER_BYTES);
    dialect::write_data_by(&mut line, address, write);
    out.push(Action::Answer { client, delivery: address.delivery, line });
}

fn fault(out: &mut Vec<Action>, client: ClientId, address: &Address, cause: &Cause) {
    let mut line = Vec::new();
    dialect::write_fault(&mut line, address, cause);
    out.push(Action::Answer { client, delivery: address.delivery, line });
}

fn tell(out: &mut Vec<Action>, worker: WorkerId, kind: Kind, flags: u16, sequence: u64, payload: &[u8]) {
    let mut frame = Vec::new();
    if link::encode(&mut frame, kind, flags, sequence, &[payload]).is_ok() {
        out.push(Action::Send { worker, claim: None, frame });
    }
}

fn say(out: &mut Vec<Action>, level: Level, line: String) {
    out.push(Action::Worker(Order::Say(level, line)));
}

#[cfg(test)]
const PEER: Credentials = Credentials { pid: 1, uid: 0 };

#[cfg(test)]
mod property;

#[cfg(test)]
mod tests;
