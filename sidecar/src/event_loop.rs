//! The one loop of the one thread: readiness becomes an [`Event`], an [`Action`] becomes a call of the module that
//! does it. The only user of mio.
//!
//! # How it works
//! A token holds the kind of its source and the number of its client or worker. Numbers are never used again, so an
//! event that outlived its source misses. mio reports edges: every source is read until it would block.
//! A worker's end: its pidfd is readable; its link is read to the end, so that replies survive their writer; then its
//! status is taken, its sources are removed from epoll and closed. Its output is read as far as it goes before its end is
//! told; what others hold of it stays.
//! Whatever else becomes our child (we are a subreaper, or PID 1) is reaped at SIGCHLD; at the stop it is ended too,
//! when the workers have ended, within their budget.
//!
//! # Rules
//! No decision: what follows from an event, `daemon` says. Never blocks but in poll, never ends because of an error.
//! Sources: epoll(7), signalfd(2), pidfd_open(2).

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use log::{Level, debug, error, info, log, warn};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustdaemon_core::sys::ExitStatus;
use rustdaemon_core::{link, settings, signo, sys};

use crate::client::{Client, Fate, Input};
use crate::config::{Config, PoolConfig};
use crate::daemon::{Action, Daemon, Event};
use crate::dialect;
use crate::env_file;
use crate::ids::{ClientId, WorkerId};
use crate::life_lock::LifeLock;
use crate::lines::Stream;
use crate::listener::Listener;
use crate::logs::{Flow, Logs};
use crate::pool::Order;
use crate::proc;
use crate::process::Start;
use crate::reason::Exit;
use crate::strays;
use crate::takeover::Takeover;
use crate::verbs::Lines;
use crate::worker::{Message, Worker};

mod hooks;

/// Waited before the next accept when no descriptor was left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// A follower of the logs that leaves more bytes than this unread is dropped.
const FOLLOWER_BYTES: usize = 1024 * 1024;
/// How many log lines go with the reason of an end.
const LAST_LINES: usize = 20;
/// At the end, clients may take this long to read their last answers.
const FAREWELL: Duration = Duration::from_secs(1);

/// The part of the stop's budget after which what workers have started is killed, as the workers themselves are.
const KILL_AFTER: f64 = 0.95;

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Listener,
    Signals,
    Client(ClientId),
    WorkerLink(WorkerId),
    WorkerEnd(WorkerId),
    WorkerOutput(WorkerId, Stream),
    /// Our own stdout and stderr.
    Sinks,
    /// A process that a killed sidecar has left behind.
    Leftover(u64),
}

impl Source {
    const KINDS: u64 = 9;

    fn token(self) -> Token {
        let (kind, number) = match self {
            Self::Listener => (0, 0),
            Self::Signals => (1, 0),
            Self::Client(ClientId(number)) => (2, number),
            Self::WorkerLink(WorkerId(number)) => (3, number),
            Self::WorkerEnd(WorkerId(number)) => (4, number),
            Self::WorkerOutput(WorkerId(number), Stream::Stdout) => (5, number),
            Self::WorkerOutput(WorkerId(number), Stream::Stderr) => (6, number),
            Self::Sinks => (7, 0),
            Self::Leftover(number) => (8, number),
        };
        Token(usize::try_from(number * Self::KINDS + kind).unwrap_or(usize::MAX))
    }

    fn of(token: Token) -> Self {
        let (number, kind) = (token.0 as u64 / Self::KINDS, token.0 as u64 % Self::KINDS);
        match kind {
            0 => Self::Listener,
            1 => Self::Signals,
            2 => Self::Client(ClientId(number)),
            3 => Self::WorkerLink(WorkerId(number)),
            4 => Self::WorkerEnd(WorkerId(number)),
            5 => Self::WorkerOutput(WorkerId(number), Stream::Stdout),
            6 => Self::WorkerOutput(WorkerId(number), Stream::Stderr),
            7 => Self::Sinks,
            _ => Self::Leftover(number),
        }
    }
}

/// The running sidecar.
#[derive(Debug)]
pub struct EventLoop {
    poll: Poll,
    listener: Option<Listener>,
    signals: SignalFd,
    config: Config,
    run: String,
    daemon: Daemon,
    logs: Logs,
    workers: HashMap<WorkerId, Worker>,
    clients: HashMap<ClientId, Client>,
    /// Clients with a deadline of their own.
    lingering: BTreeSet<(Instant, ClientId)>,
    /// Clients that are to be read without an edge.
    readable: BTreeSet<ClientId>,
    /// Workers' pipes that are to be read without an edge.
    flowing: BTreeSet<(WorkerId, Stream)>,
    /// Clients registered for WRITABLE too.
    blocked: BTreeSet<ClientId>,
    next_client: u64,
    accept_at: Option<Instant>,
    accept_failed: bool,
    interrupted: bool,
    hooks: BTreeMap<WorkerId, hooks::Running>,
    next_hook: u64,
    own_pid: i32,
    /// Out-of-memory kills that the kernel has counted and that are explained.
    oom_kills: Option<u64>,
    /// The exit code, once everything has ended.
    ended: Option<u8>,
    life: LifeLock,
    takeover: Takeover,
    /// Starts that wait for a slot that a killed sidecar's worker holds.
    deferred: Vec<(WorkerId, u32)>,
    stop_began: Option<Instant>,
    in_a_hurry: bool,
}

impl EventLoop {
    /// Everything in place, nothing started; what a killed sidecar has left behind is being ended. `run` is this run's
    /// id.
    ///
    /// # Errors
    /// What epoll(7) or signalfd(2) say.
    pub fn new(config: Config, listener: Listener, logs: Logs, run: String, seed: u64) -> io::Result<Self> {
        let poll = Poll::new()?;
        set_child_subreaper(true)?;
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
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let register = |fd: i32, source: Source| {
            poll.registry().register(&mut SourceFd(&fd), source.token(), Interest::READABLE)
        };
        register(listener.raw_fd(), Source::Listener)?;
        register(signals.as_raw_fd(), Source::Signals)?;
        for fd in logs.sink_fds() {
            // EPERM: a file, which always has room.
            let token = Source::Sinks.token();
            let _ = poll.registry().register(&mut SourceFd(&fd), token, Interest::WRITABLE);
        }
        let now = Instant::now();
        let own_pid = nix::unistd::getpid().as_raw();
        let daemon = Daemon::new(now, config.clone(), seed);
        let life = LifeLock::of(&config.socket);
        let patience = config.pools.iter().map(|pool| pool.takeover_timeout).max().unwrap_or_default();
        let (takeover, found) = Takeover::begin(life.clone(), listener.dead_runs().to_vec(), patience, now);
        let new = Self {
            poll,
            listener: Some(listener),
            signals,
            config,
            run,
            daemon,
            logs,
            workers: HashMap::new(),
            clients: HashMap::new(),
            lingering: BTreeSet::new(),
            readable: BTreeSet::new(),
            flowing: BTreeSet::new(),
            blocked: BTreeSet::new(),
            next_client: 0,
            accept_at: None,
            accept_failed: false,
            interrupted: false,
            hooks: BTreeMap::new(),
            next_hook: 0,
            own_pid,
            oom_kills: proc::oom_kills(own_pid),
            ended: None,
            life,
            takeover,
            deferred: Vec::new(),
            stop_began: None,
            in_a_hurry: false,
        };
        new.watch_leftovers(&found);
        Ok(new)
    }

    /// Runs until everything has ended; the exit code.
    #[must_use]
    pub fn run(mut self) -> u8 {
        info!(
            "rustdaemon {} (pid {}) listens on {}",
            env!("CARGO_PKG_VERSION"),
            std::process::id(),
            self.config.socket.display()
        );
        self.reap_children(); // what whoever became this process had started
        self.go_on_after_leftovers();
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

    /// Who has asked, or is just asking, is still answered; then every connection is closed without a reset.
    fn say_farewell(&mut self) {
        self.accept();
        self.listener = None; // unlinks the socket: who comes now is told so by connect(2)
        for id in self.clients.keys().copied().collect::<Vec<_>>() {
            self.read_client(id);
            if let Some(client) = self.clients.get_mut(&id) {
                client.finish();
            }
            self.settle(id);
        }
        let farewell = Instant::now() + FAREWELL;
        while !self.clients.is_empty() && Instant::now() < farewell {
            self.turn(Some(farewell));
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let lingering = self.lingering.first().map(|(until, _)| *until);
        self.daemon
            .next_deadline()
            .into_iter()
            .chain(lingering)
            .chain(self.accept_at)
            .chain(self.hook_deadline())
            .chain(self.logs.next_deadline())
            .chain(self.takeover.deadline())
            .min()
    }

    /// Waits for readiness, or until `deadline`, and takes in all of it.
    fn turn(&mut self, deadline: Option<Instant>) {
        let timeout = match self.readable.is_empty() && self.flowing.is_empty() {
            true => deadline.map(|at| at.saturating_duration_since(Instant::now())),
            false => Some(Duration::ZERO),
        };
        let mut events = Events::with_capacity(256);
        if let Err(failed) = self.poll.poll(&mut events, timeout)
            && failed.kind() != io::ErrorKind::Interrupted
        {
            error!("epoll_wait: {failed}");
        }
        for event in &events {
            match Source::of(event.token()) {
                Source::Listener => self.accept(),
                Source::Signals => self.take_signals(),
                Source::Client(client) => self.read_client(client),
                Source::WorkerLink(worker) => {
                    self.tell(worker, Worker::flush);
                    self.read_worker(worker);
                }
                Source::WorkerEnd(worker) => self.reap_any(worker),
                Source::WorkerOutput(worker, stream) => {
                    self.flowing.insert((worker, stream));
                }
                Source::Sinks => {} // flushed below
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
        for (worker, stream) in std::mem::take(&mut self.flowing) {
            if self.logs.read(worker, stream) == Flow::More {
                self.flowing.insert((worker, stream));
            }
        }
        self.tell_followers();
        for client in std::mem::take(&mut self.readable) {
            self.read_client(client);
        }
        let now = Instant::now();
        if self.accept_at.is_some_and(|at| at <= now) {
            self.accept();
        }
        while let Some((_, client)) = self.lingering.first().copied().filter(|(until, _)| *until <= now) {
            self.settle(client);
        }
        if self.takeover.deadline().is_some_and(|at| at <= now) {
            let found = self.takeover.expire(now);
            self.watch_leftovers(&found);
            self.go_on_after_leftovers();
        }
        self.end_late_hooks(now);
        if self.daemon.next_deadline().is_some_and(|at| at <= now) {
            self.feed(Event::Deadline);
        }
        self.logs.flush(now);
    }

    /// Passes lines on to who follows them; who has not taken the lines of earlier turns is dropped.
    fn tell_followers(&mut self) {
        let events = self.logs.take_events();
        let followers: BTreeSet<ClientId> = events.iter().map(|(id, _)| *id).collect();
        for id in &followers {
            self.settle(*id);
            let waiting = self.clients.get(id).map_or(0, Client::waiting_bytes);
            if waiting > FOLLOWER_BYTES {
                warn!(
                    "a follower of the logs has left {waiting} bytes unread, the limit is {FOLLOWER_BYTES}: dropped"
                );
                self.drop_client(*id);
            }
        }
        for (id, event) in events {
            if let Some(client) = self.clients.get_mut(&id) {
                client.tell(&event);
            }
        }
        for id in followers {
            self.settle(id);
        }
    }

    /// Tells the daemon what happened and does what it says, until nothing follows any more.
    fn feed(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        let mut answered = Vec::new();
        while let Some(event) = events.pop_front() {
            for action in self.daemon.on(Instant::now(), event) {
                match action {
                    Action::Worker(order) => events.extend(self.obey(order)),
                    Action::Send { worker, frame } => self.tell(worker, |worker| worker.send(&frame)),
                    Action::Answer { client, line } => answered.extend(self.answer(client, &line)),
                    Action::Report { client, address, mut status } => {
                        status.pid = std::process::id();
                        for (entry, worker) in status.workers.iter_mut().zip(self.daemon.workers_by_slot()) {
                            let worker = worker.and_then(|worker| self.workers.get(&worker));
                            entry.request_age =
                                worker.and_then(Worker::request_age).map(|age| age.as_secs_f64());
                            let alive =
                                self.workers.values().find(|worker| Some(worker.process.pid) == entry.pid);
                            if let Some((doing, line)) = alive.and_then(Worker::doing) {
                                entry.doing = Some(doing.word.name().to_owned());
                                entry.doing_what = line;
                                entry.doing_for = doing.lasts.map(|lasts| lasts.as_secs_f64());
                            }
                        }
                        let mut line = Vec::new();
                        dialect::write_data(&mut line, &address, &link::json(&status));
                        answered.extend(self.answer(client, &line));
                    }
                    Action::Logs { client, address, query } => {
                        let lines = self.logs.recent(query.name.as_deref(), query.lines);
                        let mut line = Vec::new();
                        dialect::write_data(&mut line, &address, &link::json(&Lines { lines }));
                        answered.extend(self.answer(client, &line));
                        if query.follow {
                            self.logs.follow(client, address, query.name);
                        }
                    }
                    Action::Exit(code) => self.ended = Some(code),
                }
            }
        }
        answered.dedup();
        for client in answered {
            self.settle(client);
        }
        if self.daemon.is_stopping() {
            self.stop_began.get_or_insert_with(Instant::now);
        }
    }

    /// The client, if it is still there to be answered.
    fn answer(&mut self, id: ClientId, line: &[u8]) -> Option<ClientId> {
        self.clients.get_mut(&id)?.answer(line);
        Some(id)
    }

    /// Does something with a worker, if it still lives.
    fn tell(&mut self, id: WorkerId, what: impl FnOnce(&mut Worker)) {
        if let Some(worker) = self.workers.get_mut(&id) {
            what(worker);
        }
    }

    fn obey(&mut self, order: Order) -> Option<Event> {
        match order {
            Order::Spawn { worker, slot } => return self.spawn(worker, slot),
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

    fn signal(&self, worker: WorkerId, number: i32) {
        let Some(found) = self.workers.get(&worker) else { return };
        if let Err(failed) = found.process.signal(number) {
            warn!("{} to pid {}: {failed}", signo::name(number), found.process.pid);
        }
    }

    /// Ends a worker, or its start where that still waits.
    fn end(&mut self, worker: WorkerId, number: i32) -> Option<Event> {
        let Some(at) = self.deferred.iter().position(|(deferred, _)| *deferred == worker) else {
            self.signal(worker, number);
            return None;
        };
        self.deferred.swap_remove(at);
        let why = "a worker of a killed sidecar still holds its slot".into();
        Some(Event::SpawnFailed { worker, why })
    }

    /// Starts it, or keeps it for later where its slot is held.
    fn spawn(&mut self, worker: WorkerId, slot: u32) -> Option<Event> {
        if self.takeover.may_start(place(worker, slot), Instant::now()) {
            return Some(self.spawn_now(worker, slot));
        }
        self.deferred.push((worker, slot));
        None
    }

    fn spawn_now(&mut self, id: WorkerId, slot: u32) -> Event {
        let started = self.start(id, slot);
        let registered = started.and_then(|worker| match self.watch(id, &worker) {
            Ok(()) => Ok(worker),
            Err(failed) => {
                // Nobody would see it end: it must not live.
                let _ = worker.process.signal(Signal::SIGKILL as i32);
                Err(failed)
            }
        });
        match registered {
            Ok(worker) => {
                let pid = worker.process.pid;
                self.workers.insert(id, worker);
                Event::Spawned { worker: id, pid }
            }
            Err(failed) => {
                self.logs.discard(id);
                Event::SpawnFailed { worker: id, why: failed.to_string() }
            }
        }
    }

    fn start(&mut self, id: WorkerId, slot: u32) -> io::Result<Worker> {
        let pool = self.config.pools.get(id.pool()).ok_or(io::ErrorKind::NotFound)?;
        let variables = variables(pool)?;
        let [stdout, stderr] = self.logs.open(id, &format!("{}#{slot}", pool.name), pool)?;
        let start = Start {
            command: &pool.command,
            birth: &pool.birth,
            variables: &variables,
            run: &format!("{}/{}", self.run, place(id, slot)),
            socket: &self.config.socket,
            output: [stdout.into(), stderr.into()],
            ends: None,
        };
        let life = pool.link.then(|| self.life.hold(place(id, slot))).transpose()?;
        Worker::start(start, pool.link, life)
    }

    fn watch(&self, id: WorkerId, worker: &Worker) -> io::Result<()> {
        let registry = self.poll.registry();
        let pidfd = worker.process.pidfd().as_raw_fd();
        registry.register(&mut SourceFd(&pidfd), Source::WorkerEnd(id).token(), Interest::READABLE)?;
        if let Some((input, output)) = worker.link_fds() {
            let token = Source::WorkerLink(id).token();
            registry.register(&mut SourceFd(&input), token, Interest::READABLE)?;
            registry.register(&mut SourceFd(&output), token, Interest::WRITABLE)?;
        }
        for (stream, fd) in self.logs.fds(id) {
            let token = Source::WorkerOutput(id, stream).token();
            registry.register(&mut SourceFd(&fd), token, Interest::READABLE)?;
        }
        Ok(())
    }

    fn read_worker(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let (messages, broken) = worker.read();
        for message in messages {
            self.feed(match message {
                Message::Hello(hello) => Event::Hello { worker: id, hello },
                Message::Ready(ready) => Event::Ready { worker: id, ready },
                Message::Reply { sequence, outcome } => Event::Reply { worker: id, sequence, outcome },
                Message::Signalled(signalled) => Event::Signalled { worker: id, signalled },
                Message::Taken(signals) => Event::SignalsTaken { worker: id, signals },
                Message::Paused => Event::Paused { worker: id, paused: true },
                Message::Resumed => Event::Paused { worker: id, paused: false },
            });
        }
        if let Some(why) = broken {
            self.feed(Event::LinkBroken { worker: id, why: why.to_string() });
        }
    }

    /// A worker's or a hook's end.
    fn reap_any(&mut self, id: WorkerId) {
        match self.hooks.contains_key(&id) {
            true => self.reap_hook(id),
            false => self.reap(id),
        }
    }

    fn reap(&mut self, id: WorkerId) {
        let status = match self.workers.get(&id).map(|worker| worker.process.reap()) {
            Some(Ok(Some(status))) => status,
            Some(Err(failed)) => {
                error!("waitid: {failed}");
                return;
            }
            Some(Ok(None)) | None => return,
        };
        self.read_worker(id);
        self.logs.ended(id);
        self.tell_followers();
        let mut exit = Exit::of(status);
        exit.unix_time = unix_time();
        exit.out_of_memory = self.is_out_of_memory(status);
        exit.log = self.logs.tail(&self.daemon.name_of(id), LAST_LINES);
        if let Some(worker) = self.workers.remove(&id) {
            exit.begun = worker.begun();
            [exit.error, exit.exception] = worker.remains();
            let fds = worker.link_fds().into_iter().flat_map(|(input, output)| [input, output]);
            for fd in fds.chain([worker.process.pidfd().as_raw_fd()]) {
                self.forget(fd);
            }
        }
        self.feed(Event::Exited { worker: id, exit: Box::new(exit) });
    }

    /// Whether the kernel has counted an out-of-memory kill that nobody has died of yet.
    fn is_out_of_memory(&mut self, status: ExitStatus) -> bool {
        let counted = proc::oom_kills(self.own_pid);
        let more = counted.zip(self.oom_kills).is_some_and(|(counted, known)| counted > known);
        let killed = matches!(status, ExitStatus::Signal { number: libc::SIGKILL, .. });
        match (more && killed, &mut self.oom_kills) {
            (true, Some(kills)) => *kills += 1,
            (_, kills) => *kills = counted,
        }
        more && killed
    }

    /// Reaps whatever has ended: workers as ever, all others quietly.
    fn reap_children(&mut self) {
        while let Some(pid) = sys::ended_child() {
            match self.worker_of(pid) {
                None => sys::bury(pid),
                Some(worker) => {
                    self.reap_any(worker);
                    if self.worker_of(pid).is_some() {
                        return; // it could not be, and would be found again
                    }
                }
            }
        }
    }

    fn worker_of(&self, pid: i32) -> Option<WorkerId> {
        let hooks = self.hooks.iter().map(|(id, running)| (id, &running.worker));
        self.workers.iter().chain(hooks).find(|(_, worker)| worker.process.pid == pid).map(|(id, _)| *id)
    }

    /// After the workers' end: TERM for whatever has become our child, KILL when the budget is spent, until there is
    /// none left.
    fn end_children(&mut self) {
        let budget = self.config.pools.iter().map(|pool| pool.stop_timeout).max().unwrap_or_default();
        let kill_at = self.stop_began.unwrap_or_else(Instant::now) + budget.mul_f64(KILL_AFTER);
        let mut give_up_at = None;
        let mut told = BTreeSet::new();
        loop {
            self.reap_children();
            let left = strays::children();
            let now = Instant::now();
            if left.is_empty() {
                return;
            }
            let killing = now >= kill_at || self.in_a_hurry;
            let give_up_at = *give_up_at.get_or_insert(now.max(kill_at) + FAREWELL);
            if now >= give_up_at {
                return error!("pids {left:?} have not ended after KILL: left behind");
            }
            for pid in left {
                // Our child, and only we reap: the number cannot mean another process.
                let signal = if killing { Signal::SIGKILL } else { Signal::SIGTERM };
                if told.insert((pid, killing)) {
                    info!("pid {pid} was started by a worker and is still there: {signal}");
                    let sent = sys::pidfd_open(pid)
                        .and_then(|pidfd| sys::pidfd_send_signal(pidfd.as_fd(), signal as i32));
                    if let Err(failed) = sent {
                        debug!("{signal} to pid {pid}: {failed}");
                    }
                }
            }
            self.turn(Some(if killing { give_up_at } else { kill_at }));
        }
    }

    fn watch_leftovers(&self, found: &[(u64, i32)]) {
        for (number, pidfd) in found {
            let token = Source::Leftover(*number).token();
            if let Err(failed) =
                self.poll.registry().register(&mut SourceFd(pidfd), token, Interest::READABLE)
            {
                error!("epoll_ctl: {failed}"); // the takeover's deadline looks at it again
            }
        }
    }

    /// Starts what may be started now.
    fn go_on_after_leftovers(&mut self) {
        for (worker, slot) in std::mem::take(&mut self.deferred) {
            if let Some(event) = self.spawn(worker, slot) {
                self.feed(event);
            }
        }
        if let Some(listener) = &mut self.listener
            && self.takeover.is_over()
            && !listener.dead_runs().is_empty()
            && let Err(failed) = listener.forget_dead_runs()
        {
            warn!("the socket's lock file cannot be written: {failed}");
        }
    }

    fn forget(&self, fd: i32) {
        if let Err(failed) = self.poll.registry().deregister(&mut SourceFd(&fd)) {
            debug!("deregister: {failed}");
        }
    }

    fn take_signals(&mut self) {
        loop {
            let info = match self.signals.read_signal() {
                Ok(Some(info)) => info,
                Ok(None) => return,
                Err(failed) => return error!("signalfd: {failed}"),
            };
            let number = i32::try_from(info.ssi_signo).unwrap_or(0);
            let Ok(signal) = Signal::try_from(number) else { continue };
            let sender = match info.ssi_pid {
                0 => "the kernel or the terminal".to_owned(),
                pid => format!("pid {pid} (uid {})", info.ssi_uid),
            };
            match signal {
                Signal::SIGCHLD => self.reap_children(),
                Signal::SIGUSR1 => {
                    let files = self.logs.reopen();
                    info!("{signal} from {sender}: {files} log files are opened again");
                }
                Signal::SIGUSR2 => self.log_status(),
                // From a process it is an order, from the kernel a terminal's end.
                Signal::SIGHUP if info.ssi_pid != 0 && !self.daemon.is_stopping() => {
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

    fn accept(&mut self) {
        self.accept_at = None;
        loop {
            let accepted = match self.listener.as_ref().map(Listener::accept) {
                Some(Ok(Some(stream))) => self.welcome(Client::new(stream)),
                Some(Ok(None)) | None => {
                    self.accept_failed = false;
                    return;
                }
                Some(Err(failed)) => Err(failed),
            };
            if let Err(failed) = accepted {
                // The edge is spent: without a retry nobody would look again.
                let level = if self.accept_failed { Level::Debug } else { Level::Warn };
                log!(level, "accept: {failed}; tried again every {} ms", ACCEPT_RETRY.as_millis());
                self.accept_failed = true;
                self.accept_at = Some(Instant::now() + ACCEPT_RETRY);
                return;
            }
        }
    }

    fn welcome(&mut self, client: Client) -> io::Result<()> {
        self.next_client += 1;
        let id = ClientId(self.next_client);
        let fd = client.raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), Source::Client(id).token(), Interest::READABLE)?;
        self.clients.insert(id, client);
        Ok(())
    }

    fn read_client(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let may_control = client.may_control();
        let Input { requests, broken } = client.read();
        for request in requests {
            let unix_time = unix_time();
            self.feed(Event::Request { client: id, request, may_control, unix_time });
        }
        match broken {
            None => self.settle(id),
            Some(failed) => {
                debug!("a client's connection broke: {failed}");
                self.drop_client(id);
            }
        }
    }

    /// Writes what a client waits for; closes, lingers, or waits for room.
    fn settle(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let before = client.deadline();
        let fate = client.advance(Instant::now());
        let (after, is_blocked, fd) = (client.deadline(), client.is_blocked(), client.raw_fd());
        match fate {
            Ok(Fate::Open) => {}
            Ok(Fate::Closed) => return self.drop_client(id),
            Err(failed) => {
                debug!("a client's connection broke: {failed}");
                return self.drop_client(id);
            }
        }
        if client.is_readable() {
            self.readable.insert(id);
        }
        if before != after {
            self.lingering.extend(after.map(|until| (until, id)));
        }
        if is_blocked != self.blocked.contains(&id) {
            let interest = match is_blocked {
                true => Interest::READABLE | Interest::WRITABLE,
                false => Interest::READABLE,
            };
            match is_blocked {
                true => self.blocked.insert(id),
                false => self.blocked.remove(&id),
            };
            let token = Source::Client(id).token();
            if let Err(failed) = self.poll.registry().reregister(&mut SourceFd(&fd), token, interest) {
                warn!("epoll_ctl: {failed}");
                self.drop_client(id);
            }
        }
    }

    fn drop_client(&mut self, id: ClientId) {
        if let Some(client) = self.clients.remove(&id) {
            self.logs.unfollow(id);
            let fd = client.raw_fd();
            if let Err(failed) = self.poll.registry().deregister(&mut SourceFd(&fd)) {
                debug!("deregister: {failed}");
            }
            self.blocked.remove(&id);
            self.readable.remove(&id);
            if let Some(until) = client.deadline() {
                self.lingering.remove(&(until, id));
            }
        }
    }
}

/// What a pool's processes have in their environment besides ours.
fn variables(pool: &PoolConfig) -> io::Result<Vec<(OsString, OsString)>> {
    let mut variables = match &pool.birth.env_file {
        Some(file) => env_file::read(file).map_err(io::Error::other)?,
        None => Vec::new(),
    };
    variables.extend_from_slice(&pool.birth.env);
    Ok(variables)
}

/// The number of a slot among those of all pools.
fn place(worker: WorkerId, slot: u32) -> u32 {
    u32::try_from(worker.pool()).unwrap_or(0) * settings::MAX_WORKERS + slot
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
            Source::Listener,
            Source::Signals,
            Source::Client(ClientId(1)),
            Source::WorkerLink(WorkerId(1)),
            Source::WorkerEnd(WorkerId(u64::from(u32::MAX))),
            Source::WorkerOutput(WorkerId(1), Stream::Stdout),
            Source::WorkerOutput(WorkerId(1), Stream::Stderr),
            Source::Sinks,
            Source::Leftover(7),
        ] {
            assert_eq!(Source::of(source.token()), source);
        }
    }
}
