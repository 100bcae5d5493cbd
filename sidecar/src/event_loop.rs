//! The one loop of the one thread: readiness becomes an [`Event`], an [`Action`] becomes a call of the module that
//! does it. The only user of mio.
//!
//! # How it works
//! A token holds the kind of its source and the number of its client or worker. Numbers are never used again, so an
//! event that outlived its source misses. mio reports edges: every source is read until it would block.
//! A worker's end: its pidfd is readable; its link is read to the end, so that replies survive their writer; then its
//! status is taken, its sources are removed from epoll and closed. Its output is read as far as it goes before its end is
//! told; what others hold of it stays.
//!
//! # Rules
//! No decision: what follows from an event, `daemon` says. Never blocks but in poll, never ends because of an error.
//! Sources: epoll(7), signalfd(2), pidfd_open(2).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use log::{Level, debug, error, info, log, warn};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustdaemon_core::{link, settings, signo, sys};

use crate::client::{Client, Fate, Input};
use crate::config::Config;
use crate::daemon::{Action, Daemon, Event};
use crate::dialect;
use crate::env_file;
use crate::ids::{ClientId, WorkerId};
use crate::lines::Stream;
use crate::listener::Listener;
use crate::logs::{Flow, Logs};
use crate::pool::Order;
use crate::process::Start;
use crate::reason::Exit;
use crate::verbs::Lines;
use crate::worker::{Message, Worker};

/// Waited before the next accept when no descriptor was left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// A follower of the logs that leaves more bytes than this unread is dropped.
const FOLLOWER_BYTES: usize = 1024 * 1024;
/// How many log lines go with the reason of an end.
const LAST_LINES: usize = 20;
/// At the end, clients may take this long to read their last answers.
const FAREWELL: Duration = Duration::from_secs(1);

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
}

impl Source {
    const KINDS: u64 = 8;

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
            _ => Self::Sinks,
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
    /// The exit code, once everything has ended.
    ended: Option<u8>,
}

impl EventLoop {
    /// Everything in place, nothing started. `run` is this run's id.
    ///
    /// # Errors
    /// What epoll(7) or signalfd(2) say.
    pub fn new(config: Config, listener: Listener, logs: Logs, run: String, seed: u64) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut mask = SigSet::empty();
        for signal in [
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGQUIT,
            Signal::SIGHUP,
            Signal::SIGUSR1,
            Signal::SIGUSR2,
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
        let daemon = Daemon::new(Instant::now(), config.clone(), seed);
        Ok(Self {
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
            ended: None,
        })
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
        self.feed(Event::Start);
        while self.ended.is_none() {
            self.turn(self.next_deadline());
        }
        self.say_farewell();
        info!("stopped");
        self.logs.finish();
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
            .chain(self.logs.next_deadline())
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
                Source::WorkerEnd(worker) => self.reap(worker),
                Source::WorkerOutput(worker, stream) => {
                    self.flowing.insert((worker, stream));
                }
                Source::Sinks => {} // flushed below
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
        if self.daemon.next_deadline().is_some_and(|at| at <= now) {
            self.feed(Event::Deadline);
        }
        self.logs.flush(now);
    }

    /// Passes lines on to who follows them; who does not take them is dropped.
    fn tell_followers(&mut self) {
        let mut told = BTreeSet::new();
        for (id, event) in self.logs.take_events() {
            if let Some(client) = self.clients.get_mut(&id) {
                client.tell(&event);
                told.insert(id);
            }
        }
        for id in told {
            self.settle(id);
            let waiting = self.clients.get(&id).map_or(0, Client::waiting_bytes);
            if waiting > FOLLOWER_BYTES {
                warn!(
                    "a follower of the logs has not read {waiting} bytes, the limit is {FOLLOWER_BYTES}: dropped"
                );
                self.drop_client(id);
            }
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
            Order::Spawn { worker, slot } => return Some(self.spawn(worker, slot)),
            Order::Say(level, line) => log!(level, "{line}"),
            Order::Go(worker, go) => self.tell(worker, |worker| worker.go(&go)),
            Order::Refuse(worker, sentence) => self.tell(worker, |worker| worker.refuse(&sentence)),
            Order::Drain(worker) => self.tell(worker, Worker::drain),
            Order::Pause(worker) => self.tell(worker, |worker| worker.pause(true)),
            Order::Resume(worker) => self.tell(worker, |worker| worker.pause(false)),
            Order::Terminate(worker) => self.signal(worker, libc::SIGTERM),
            Order::Kill(worker) => self.signal(worker, libc::SIGKILL),
            Order::Signal(worker, number) => self.signal(worker, number),
            Order::Sample(worker) | Order::Observe(worker) => drop(worker),
            Order::Hook(hook) => drop(hook),
            Order::Reloaded(_) | Order::EndDaemon(_) => {} // the daemon's own
        }
        None
    }

    fn signal(&mut self, worker: WorkerId, number: i32) {
        let Some(found) = self.workers.get(&worker) else { return };
        if let Err(failed) = found.process.signal(number) {
            warn!("{} to pid {}: {failed}", signo::name(number), found.process.pid);
        }
    }

    fn spawn(&mut self, id: WorkerId, slot: u32) -> Event {
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
        let mut variables = match &pool.birth.env_file {
            Some(file) => env_file::read(file).map_err(io::Error::other)?,
            None => Vec::new(),
        };
        variables.extend_from_slice(&pool.birth.env);
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
        Worker::start(start, pool.link)
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
        exit.log = self.logs.tail(&self.daemon.name_of(id), LAST_LINES);
        if let Some(worker) = self.workers.remove(&id) {
            exit.begun = worker.begun();
            let fds = worker.link_fds().into_iter().flat_map(|(input, output)| [input, output]);
            for fd in fds.chain([worker.process.pidfd().as_raw_fd()]) {
                if let Err(failed) = self.poll.registry().deregister(&mut SourceFd(&fd)) {
                    debug!("deregister: {failed}");
                }
            }
        }
        self.feed(Event::Exited { worker: id, exit: Box::new(exit) });
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
                Signal::SIGUSR1 => {
                    let files = self.logs.reopen();
                    info!("{signal} from {sender}: {files} log files are opened again");
                }
                Signal::SIGUSR2 => debug!("{signal} from {sender}: nothing to do"),
                Signal::SIGINT if self.interrupted => {
                    warn!("{signal} again from {sender}: ending everything now");
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
        ] {
            assert_eq!(Source::of(source.token()), source);
        }
    }
}
