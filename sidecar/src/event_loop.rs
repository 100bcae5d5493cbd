//! The one loop of the one thread: readiness becomes an [`Event`], an [`Action`] becomes a call of the module that
//! does it. The only user of mio.
//!
//! # How it works
//! A token holds the kind of its source and the number of its client or worker. Numbers are never used again, so an
//! event that outlived its source misses. mio reports edges: every source is read until it would block. What a client
//! has been answered in a turn is written at its end, together.
//! Whatever else becomes our child (we are a subreaper, or PID 1) is reaped at SIGCHLD; at the stop it is ended too,
//! when the workers have ended, within their budget.
//!
//! # Rules
//! No decision: what follows from an event, `daemon` says. Never blocks but in poll, never ends because of an error.
//! Sources: epoll(7), signalfd(2), pidfd_open(2).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use log::{error, info, log, warn};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustc_hash::FxHashMap;
use rustdaemon_core::{link, sys};

use crate::access::{Access, Door};
use crate::client::{Client, Patience};
use crate::config::Config;
use crate::crowd::{Crowd, Room};
use crate::daemon::{Action, Daemon, Event};
use crate::dev::Dev;
use crate::dialect::{self, Delivery, Request};
use crate::ids::{ClientId, WorkerId};
use crate::life_lock::LifeLock;
use crate::lines::Stream;
use crate::listener::Listener;
use crate::logs::{Flow, Logs};
use crate::order::Order;
use crate::proc::OomKills;
use crate::seldom::Seldom;
use crate::takeover::Takeover;
use crate::verbs::Lines;
use crate::worker::Worker;

mod clients;
mod hooks;
mod leftovers;
mod workers;

/// Who sleeps so much longer than told was no victim of load: the machine, or we, stood still.
const GAP: Duration = Duration::from_secs(1);
/// Taken in at a time. Where hundreds of workers end at once, their successors' first words are heard between the starts.
const TURN_EVENTS: usize = 64;
/// Read at a time.
const CHUNK_BYTES: usize = 16 * 1024;
/// At the end, clients may take this long to read their last answers.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Listener(Door),
    Signals,
    Client(ClientId),
    WorkerLink(WorkerId),
    WorkerEnd(WorkerId),
    WorkerOutput(WorkerId, Stream),
    /// Our own stdout and stderr.
    Sinks,
    /// A process that a killed sidecar has left behind.
    Leftover(u64),
    /// Files that change.
    Files,
}

impl Source {
    const KINDS: u64 = 10;

    fn token(self) -> Token {
        let (kind, number) = match self {
            Self::Listener(door) => (0, door as u64),
            Self::Signals => (1, 0),
            Self::Client(ClientId(number)) => (2, number),
            Self::WorkerLink(WorkerId(number)) => (3, number),
            Self::WorkerEnd(WorkerId(number)) => (4, number),
            Self::WorkerOutput(WorkerId(number), Stream::Stdout) => (5, number),
            Self::WorkerOutput(WorkerId(number), Stream::Stderr) => (6, number),
            Self::Sinks => (7, 0),
            Self::Leftover(number) => (8, number),
            Self::Files => (9, 0),
        };
        Token(usize::try_from(number * Self::KINDS + kind).unwrap_or(usize::MAX))
    }

    fn of(token: Token) -> Self {
        let (number, kind) = (token.0 as u64 / Self::KINDS, token.0 as u64 % Self::KINDS);
        match kind {
            0 if number == Door::Control as u64 => Self::Listener(Door::Control),
            0 if number == Door::Tcp as u64 => Self::Listener(Door::Tcp),
            0 => Self::Listener(Door::Main),
            1 => Self::Signals,
            2 => Self::Client(ClientId(number)),
            3 => Self::WorkerLink(WorkerId(number)),
            4 => Self::WorkerEnd(WorkerId(number)),
            5 => Self::WorkerOutput(WorkerId(number), Stream::Stdout),
            6 => Self::WorkerOutput(WorkerId(number), Stream::Stderr),
            7 => Self::Sinks,
            9 => Self::Files,
            _ => Self::Leftover(number),
        }
    }
}

/// From now on signals wait to be read; before the sockets are there, so that who sees one can already stop us.
///
/// # Errors
/// What signalfd(2) says.
pub fn take_signals() -> io::Result<SignalFd> {
    // Ignored by whoever started us, the kernel would reap in our place, and nobody would know how a worker ended.
    sys::set_disposition(libc::SIGCHLD, false);
    let mut mask = SigSet::empty();
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGHUP,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGCHLD,
    ] {
        mask.add(signal);
    }
    if sys::ignored_signals().contains(&libc::SIGHUP) {
        mask.remove(Signal::SIGHUP); // nohup: it stays ignored
    }
    mask.thread_block()?;
    Ok(SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

/// The running sidecar.
#[derive(Debug)]
pub struct EventLoop {
    poll: Poll,
    /// Where poll puts what is ready.
    ready: Events,
    /// The main one first.
    doors: Vec<(Door, Listener)>,
    signals: SignalFd,
    config: Config,
    access: Access,
    run: String,
    daemon: Daemon,
    logs: Logs,
    workers: FxHashMap<WorkerId, Worker>,
    clients: FxHashMap<ClientId, Client>,
    crowd: Crowd,
    patience: Patience,
    /// When to look after which client; one that has no deadline any more by then is passed over.
    alarms: BTreeSet<(Instant, ClientId)>,
    /// Clients that are to be read without an edge.
    readable: BTreeSet<ClientId>,
    /// Workers' pipes that are to be read without an edge.
    flowing: BTreeSet<(WorkerId, Stream)>,
    /// Workers whose links are to be read without an edge.
    unread: BTreeSet<WorkerId>,
    /// Clients registered for WRITABLE too.
    blocked: BTreeSet<ClientId>,
    /// Clients with answers that are not written yet.
    answered: Vec<ClientId>,
    /// Workers with requests that are not written yet.
    offered: Vec<WorkerId>,
    /// What is read goes through here.
    chunk: Box<[u8]>,
    /// Requests of the client that is being read, and what is to be done: empty in between, kept for their memory.
    requests: VecDeque<Request>,
    actions: Vec<Action>,
    /// Lines for who follows what happens.
    told: Vec<(ClientId, Vec<u8>)>,
    /// The data of `daemon.status`, until something may have changed.
    report: Option<Vec<u8>>,
    /// Bytes of answers since the client's turn began that is being read.
    composed_bytes: usize,
    /// When this turn began, or its starts were done: one clock for all that is not measured.
    now: Instant,
    /// The same for people, once somebody has asked.
    unix_time: Option<f64>,
    next_client: u64,
    accept_at: Option<Instant>,
    /// Said seldom: no descriptor is left; somebody was turned away, was cut, did not show the token, may not what it
    /// asked for.
    exhausted: Seldom,
    turned_away: Seldom,
    cut: Seldom,
    unknown: Seldom,
    forbidden: Seldom,
    /// How many were turned away.
    refused: u64,
    interrupted: bool,
    hooks: BTreeMap<WorkerId, hooks::Running>,
    next_hook: u64,
    /// There was a terminal at the start.
    has_terminal: bool,
    oom_kills: Option<OomKills>,
    /// The exit code, once everything has ended.
    ended: Option<u8>,
    life: LifeLock,
    takeover: Takeover,
    /// Workers to be started, and their slots.
    starts: VecDeque<(WorkerId, u32)>,
    /// Starts that wait for a slot that a killed sidecar's worker holds.
    held_starts: Vec<(WorkerId, u32)>,
    stop_began: Option<Instant>,
    in_a_hurry: bool,
    dev: Option<Dev>,
}

impl EventLoop {
    /// Everything in place, nothing started; what a killed sidecar has left behind is being ended. `signals` are those of
    /// [`take_signals`], `run` is this run's id.
    ///
    /// # Errors
    /// What epoll(7) says.
    pub fn new(
        config: Config,
        access: Access,
        signals: SignalFd,
        doors: Vec<(Door, Listener)>,
        logs: Logs,
        run: String,
        seed: u64,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        set_child_subreaper(true)?;
        let register = |fd: i32, source: Source| {
            poll.registry().register(&mut SourceFd(&fd), source.token(), Interest::READABLE)
        };
        for (door, listener) in &doors {
            register(listener.raw_fd(), Source::Listener(*door))?;
        }
        register(signals.as_raw_fd(), Source::Signals)?;
        for fd in logs.sink_fds() {
            // EPERM: a file, which always has room.
            let token = Source::Sinks.token();
            let _ = poll.registry().register(&mut SourceFd(&fd), token, Interest::WRITABLE);
        }
        let now = Instant::now();
        let daemon = Daemon::new(now, config.clone(), seed);
        let dead_runs = doors.first().map_or(&[][..], |(_, listener)| listener.dead_runs());
        let life = LifeLock::of(&config.socket);
        let patience = config.pools.iter().map(|pool| pool.takeover_timeout).max().unwrap_or_default();
        let (takeover, found) = Takeover::begin(life.clone(), dead_runs.to_vec(), patience, now);
        let new = Self {
            poll,
            ready: Events::with_capacity(TURN_EVENTS),
            doors,
            signals,
            run,
            daemon,
            logs,
            workers: FxHashMap::default(),
            clients: FxHashMap::default(),
            crowd: crowd_of(&config),
            patience: Patience { header: config.header_timeout, write: config.write_timeout },
            alarms: BTreeSet::new(),
            config,
            access,
            readable: BTreeSet::new(),
            flowing: BTreeSet::new(),
            unread: BTreeSet::new(),
            blocked: BTreeSet::new(),
            answered: Vec::new(),
            offered: Vec::new(),
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            requests: VecDeque::new(),
            actions: Vec::new(),
            told: Vec::new(),
            report: None,
            composed_bytes: 0,
            now,
            unix_time: None,
            next_client: 0,
            accept_at: None,
            exhausted: Seldom::default(),
            turned_away: Seldom::default(),
            cut: Seldom::default(),
            unknown: Seldom::default(),
            forbidden: Seldom::default(),
            refused: 0,
            interrupted: false,
            hooks: BTreeMap::new(),
            next_hook: 0,
            has_terminal: has_terminal(),
            oom_kills: OomKills::watch(nix::unistd::getpid().as_raw()),
            ended: None,
            life,
            takeover,
            starts: VecDeque::new(),
            held_starts: Vec::new(),
            stop_began: None,
            in_a_hurry: false,
            dev: None,
        };
        new.watch_leftovers(&found);
        Ok(new)
    }

    /// Runs until everything has ended; the exit code.
    #[must_use]
    pub fn run(mut self) -> u8 {
        let also = [
            self.config.control.as_ref().map(|path| format!(", for control on {}", path.display())),
            self.config.tcp.map(|address| format!(", and on {address}")),
        ];
        info!(
            "rustdaemon {} (pid {}) listens on {}{}",
            env!("CARGO_PKG_VERSION"),
            std::process::id(),
            self.config.socket.display(),
            also.into_iter().flatten().collect::<String>()
        );
        self.reap_children(); // what whoever became this process had started
        self.go_on_after_leftovers();
        self.now = Instant::now();
        self.feed(Event::Start);
        while self.ended.is_none() {
            self.turn(self.next_deadline());
        }
        self.end_children();
        self.say_farewell();
        self.logs.finish();
        info!("stopped");
        self.logs.drain();
        self.ended.unwrap_or(0)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let alarm = self.alarms.first().map(|(at, _)| *at);
        self.daemon
            .next_deadline()
            .into_iter()
            .chain(alarm)
            .chain(self.accept_at)
            .chain(self.hook_deadline())
            .chain(self.logs.next_deadline())
            .chain(self.takeover.deadline())
            .chain(self.dev.as_ref().and_then(Dev::deadline))
            .min()
    }

    /// Waits for readiness, or until `deadline`, and takes in all of it.
    fn turn(&mut self, deadline: Option<Instant>) {
        let idle = self.readable.is_empty()
            && self.flowing.is_empty()
            && self.unread.is_empty()
            && self.starts.is_empty();
        let timeout = match idle {
            true => deadline.map(|at| at.saturating_duration_since(self.now)),
            false => Some(Duration::ZERO),
        };
        if let Err(failed) = self.poll.poll(&mut self.ready, timeout)
            && failed.kind() != io::ErrorKind::Interrupted
        {
            error!("epoll_wait: {failed}");
        }
        let before = std::mem::replace(&mut self.now, Instant::now());
        let slept = self.now.saturating_duration_since(before);
        self.unix_time = None;
        self.report = None;
        if timeout.is_some_and(|timeout| !timeout.is_zero() && slept > timeout + GAP) {
            self.feed(Event::StoodStill(slept));
        }
        let ready = std::mem::replace(&mut self.ready, Events::with_capacity(0));
        for event in &ready {
            match Source::of(event.token()) {
                Source::Listener(door) => self.accept(door),
                Source::Signals => self.read_signals(),
                Source::Client(client) => {
                    if event.is_read_closed() || event.is_error() {
                        self.saw_end(client);
                    }
                    self.read_client(client);
                }
                Source::WorkerLink(worker) => {
                    self.tell(worker, Worker::flush);
                    self.read_worker(worker, event.is_read_closed() || event.is_error());
                }
                Source::WorkerEnd(worker) => self.reap_any(worker),
                Source::WorkerOutput(worker, stream) => {
                    self.flowing.insert((worker, stream));
                }
                Source::Sinks => {} // flushed below
                Source::Files => self.dev.iter_mut().for_each(|dev| dev.take_in(self.now)),
                Source::Leftover(number) => {
                    if let Some(pidfd) = self.takeover.raw_fd(number) {
                        self.forget(pidfd);
                    }
                    let found = self.takeover.ended(number, Instant::now());
                    self.watch_leftovers(&found);
                    self.go_on_after_leftovers();
                }
            }
        }
        self.ready = ready;
        for (worker, stream) in std::mem::take(&mut self.flowing) {
            if self.logs.read(worker, stream) == Flow::More {
                self.flowing.insert((worker, stream));
            }
        }
        self.tell_followers();
        for worker in std::mem::take(&mut self.unread) {
            self.read_worker(worker, true);
        }
        for client in std::mem::take(&mut self.readable) {
            self.read_client(client);
        }
        self.release_held();
        self.send_offered();
        self.settle_answered(); // before a start takes its time
        self.start_some();
        let now = Instant::now();
        self.now = now;
        if self.accept_at.is_some_and(|at| at <= now) {
            self.accept_all();
        }
        while let Some((at, client)) = self.alarms.first().copied().filter(|(at, _)| *at <= now) {
            self.alarms.remove(&(at, client));
            self.look_after(client, now);
        }
        if self.takeover.deadline().is_some_and(|at| at <= now) {
            let found = self.takeover.expire(now);
            self.watch_leftovers(&found);
            self.go_on_after_leftovers();
        }
        self.end_late_hooks(now);
        self.reload_what_changed(now);
        // What has become due only meanwhile ends the next wait at once.
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(deadline) && due(self.daemon.next_deadline()) {
            self.feed(Event::Deadline);
        }
        self.send_offered();
        self.tell_followers();
        self.settle_answered();
        self.release_held(); // who has just been cut has made room
        self.logs.flush(now);
    }

    /// Tells the daemon what happened and does what it says, until nothing follows any more. Answers are written when the
    /// client has been read, or later in this turn: all that it gets at once.
    fn feed(&mut self, event: Event) {
        let mut events = VecDeque::new();
        let mut actions = std::mem::take(&mut self.actions);
        let mut next = Some(event);
        while let Some(event) = next {
            self.daemon.on(self.now, event, &mut actions);
            if !matches!(actions.as_slice(), [Action::Report { .. }]) {
                self.report = None; // something may have changed
            }
            for action in actions.drain(..) {
                match action {
                    Action::Worker(order) => events.extend(self.obey(order)),
                    Action::Send { worker, claim, frame } => {
                        self.tell(worker, |worker| worker.offer(claim, &frame));
                        if self.offered.last() != Some(&worker) {
                            self.offered.push(worker);
                        }
                    }
                    Action::Recall { worker, claims } => events.push_back(self.recall(worker, claims)),
                    Action::Answer { client, delivery, line } => {
                        self.answer(client, delivery, line);
                    }
                    // Who is gone is not composed for, and follows nothing.
                    Action::Report { client, address, .. } | Action::Logs { client, address, .. }
                        if !self.clients.contains_key(&client) =>
                    {
                        self.answer(client, address.delivery, Vec::new());
                    }
                    Action::Report { client, address } => {
                        let report = self.report.take().unwrap_or_else(|| self.compose_report());
                        let mut line = Vec::new();
                        dialect::write_data(&mut line, &address, &report);
                        self.report = Some(report);
                        self.answer(client, address.delivery, line);
                    }
                    Action::Logs { client, address, query } => {
                        let lines = self.logs.recent(query.name.as_deref(), query.lines);
                        let mut line = Vec::new();
                        dialect::write_data(&mut line, &address, &link::json(&Lines { lines }));
                        self.answer(client, address.delivery, line);
                        let is_there = self.clients.contains_key(&client); // it may have been cut by that answer
                        if query.follow && address.delivery == Delivery::Line && is_there {
                            self.logs.follow(client, address, query.name);
                        }
                    }
                    Action::Tell { client, address, mut notice } => {
                        notice.at = self.unix_time();
                        let mut line = Vec::new();
                        dialect::write_event(&mut line, &address, &link::json(&notice));
                        self.told.push((client, line));
                    }
                    Action::Resize(workers) => self.crowd.set_room(room_of(&self.config, workers)),
                    Action::Forbidden { client, method } => self.say_forbidden(client, &method),
                    Action::Exit(code) => self.ended = Some(code),
                }
            }
            next = events.pop_front();
        }
        self.actions = actions; // with its memory
        if self.daemon.is_stopping() {
            self.stop_began.get_or_insert_with(Instant::now);
        }
    }

    /// What `daemon.status` answers with.
    fn compose_report(&self) -> Vec<u8> {
        let mut status = self.daemon.status(self.now);
        self.complete(&mut status);
        link::json(&status)
    }

    /// This turn's Unix time in seconds.
    fn unix_time(&mut self) -> f64 {
        *self.unix_time.get_or_insert_with(unix_time)
    }

    fn obey(&mut self, order: Order) -> Option<Event> {
        match order {
            Order::Spawn { worker, slot } => self.spawn(worker, slot),
            Order::Say(level, line) => log!(level, "{line}"),
            Order::Go(worker, go) => self.tell(worker, |worker| worker.go(&go)),
            Order::Refuse(worker, sentence) => self.tell(worker, |worker| worker.refuse(&sentence)),
            Order::Drain(worker) => self.tell(worker, Worker::drain),
            Order::Pause(worker) => self.tell(worker, |worker| worker.pause(true)),
            Order::Resume(worker) => self.tell(worker, |worker| worker.pause(false)),
            Order::Terminate(worker) => return self.end(worker, libc::SIGTERM),
            Order::Kill(worker) => return self.end(worker, libc::SIGKILL),
            Order::Signal(worker, number) => self.signal(worker, number),
            Order::Sample(worker) => {
                let bytes = self.workers.get(&worker).and_then(Worker::memory)?;
                return Some(Event::Sampled { worker, bytes });
            }
            Order::Observe(worker) => {
                let look = self.workers.get(&worker).map(Worker::look)?;
                return Some(Event::Observed { worker, look });
            }
            Order::Hook(hook) => self.run_hook(&hook),
            Order::Reloaded(_) | Order::EndDaemon(_) => {} // the daemon's own
        }
        None
    }

    /// Reloads whenever `dev` says that files have changed.
    ///
    /// # Errors
    /// What epoll(7) says.
    pub fn watch_files(&mut self, dev: Dev) -> io::Result<()> {
        let fd = dev.raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), Source::Files.token(), Interest::READABLE)?;
        self.dev = Some(dev);
        Ok(())
    }

    fn reload_what_changed(&mut self, now: Instant) {
        let is_reloading = self.daemon.is_reloading();
        if let Some(what) = self.dev.as_mut().and_then(|dev| dev.due(now, is_reloading))
            && !self.daemon.is_stopping()
        {
            info!("{what}: reload");
            self.feed(Event::Reload);
        }
    }

    fn read_signals(&mut self) {
        loop {
            let info = match self.signals.read_signal() {
                Ok(Some(info)) => info,
                Ok(None) => return,
                Err(failed) => return error!("signalfd: {failed}"),
            };
            let number = i32::try_from(info.ssi_signo).unwrap_or(0);
            let Ok(signal) = Signal::try_from(number) else { continue };
            let sender = match info.ssi_pid {
                0 if info.ssi_code == libc::SI_KERNEL => "the kernel or the terminal".to_owned(),
                0 => format!("outside this PID namespace (uid {})", info.ssi_uid),
                pid => format!("pid {pid} (uid {})", info.ssi_uid),
            };
            match signal {
                Signal::SIGCHLD => self.reap_children(),
                Signal::SIGUSR1 => {
                    let files = self.logs.reopen();
                    info!("{signal} from {sender}: {files} log files are opened again");
                }
                Signal::SIGUSR2 => self.log_status(),
                // An order, unless a terminal has ended: then the kernel sends it, or a shell hands it on.
                Signal::SIGHUP
                    if info.ssi_code != libc::SI_KERNEL
                        && self.has_terminal == has_terminal()
                        && !self.daemon.is_stopping() =>
                {
                    info!("{signal} from {sender}: reload");
                    self.feed(Event::Reload);
                }
                Signal::SIGINT if self.interrupted => {
                    warn!("{signal} again from {sender}: ending everything now");
                    self.in_a_hurry = true;
                    self.feed(Event::StopNow);
                }
                _ => {
                    self.interrupted |= signal == Signal::SIGINT;
                    match self.daemon.is_stopping() {
                        true => info!("{signal} from {sender}: already stopping"),
                        false => info!("{signal} from {sender}: stopping"),
                    }
                    self.feed(Event::Stop);
                }
            }
        }
    }

    fn log_status(&self) {
        for worker in self.daemon.status(Instant::now()).workers {
            let pid = worker.pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
            let last = worker.last_exit.map_or_else(String::new, |last| format!(", last exit: {last}"));
            let (name, state, since) = (worker.name, worker.state, worker.since);
            info!("{name} is {state} for {since:.1} s{pid}, served {}{last}", worker.served);
        }
    }
}

fn crowd_of(config: &Config) -> Crowd {
    let workers = config.pools.iter().map(|pool| pool.workers as usize).sum();
    Crowd::new(room_of(config, workers), config.flat_requests)
}

/// Room for clients beside so many workers within the limit of open files, which has been raised as far as it goes.
fn room_of(config: &Config, workers: usize) -> Room {
    let open_files = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    let open_files = usize::try_from(open_files).unwrap_or(usize::MAX);
    let room = Room::within(open_files, workers, config.max_connections);
    if let Some(wanted) = config.max_connections.filter(|wanted| *wanted > room.connections) {
        warn!(
            "max_connections is {wanted}: with {open_files} open files and {workers} workers there is room for {}",
            room.connections
        );
    }
    room
}

/// Whether we have a controlling terminal.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// As PHP's `microtime(true)`.
fn unix_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_source() {
        for source in [
            Source::Listener(Door::Main),
            Source::Listener(Door::Control),
            Source::Listener(Door::Tcp),
            Source::Signals,
            Source::Client(ClientId(1)),
            Source::WorkerLink(WorkerId(1)),
            Source::WorkerEnd(WorkerId(u64::from(u32::MAX))),
            Source::WorkerOutput(WorkerId(1), Stream::Stdout),
            Source::WorkerOutput(WorkerId(1), Stream::Stderr),
            Source::Sinks,
            Source::Leftover(7),
            Source::Files,
        ] {
            assert_eq!(Source::of(source.token()), source);
        }
    }
}
