//! Workers: started, told, read, signalled, reaped.
//!
//! A worker's end: its pidfd is readable; its link is read to the end, so that replies survive their writer; then its
//! status is taken, its sources are removed from epoll and closed. Its output is read as far as it goes before its end is
//! told; what others hold of it stays.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use log::{debug, error, warn};
use mio::Interest;
use mio::unix::SourceFd;
use nix::sys::signal::Signal;
use rustdaemon_core::slot::Claim;
use rustdaemon_core::sys::ExitStatus;
use rustdaemon_core::{settings, signo, sys};

use super::{EventLoop, Source, unix_time};
use crate::daemon::Event;
use crate::doing::Word;
use crate::env_file;
use crate::ids::WorkerId;
use crate::life::State;
use crate::proc::OomKills;
use crate::process::Start;
use crate::reason::Exit;
use crate::verbs::Status;
use crate::worker::{Message, Rest, Worker};

/// How many log lines go with the reason of an end.
const LAST_LINES: usize = 20;

/// A start takes about a millisecond, and clients have their turns between.
const TURN_STARTS: usize = 8;

/// A pipe's largest usual capacity in turns of reading.
const READS_AT_THE_END: usize = 16;

/// A child to be: a worker or a hook.
pub(super) struct Job<'a> {
    /// What its output is forwarded under.
    pub(super) name: &'a str,
    /// Whose settings it is born with.
    pub(super) pool: usize,
    /// Whose worker it is, or tells of.
    pub(super) slot: u32,
    /// A hook's command; `None`: a worker, with the pool's.
    pub(super) hook: Option<&'a [OsString]>,
    /// What it is told in its environment, besides the pool's.
    pub(super) told: Vec<(OsString, OsString)>,
}

impl EventLoop {
    /// Does something with a worker, if it still lives.
    pub(super) fn tell(&mut self, id: WorkerId, what: impl FnOnce(&mut Worker)) {
        if let Some(worker) = self.workers.get_mut(&id) {
            what(worker);
        }
    }

    /// Takes back what a worker has not begun.
    pub(super) fn recall(&self, worker: WorkerId, claims: Vec<Claim>) -> Event {
        let found = self.workers.get(&worker);
        let is_back = |claim: &Claim| found.is_some_and(|worker| worker.recall(*claim));
        let (back, kept): (Vec<Claim>, Vec<Claim>) = claims.into_iter().partition(is_back);
        let sequences = |claims: Vec<Claim>| claims.into_iter().map(|claim| claim.sequence).collect();
        Event::Recalled { worker, back: sequences(back), kept: sequences(kept) }
    }

    pub(super) fn signal(&self, worker: WorkerId, number: i32) {
        let Some(found) = self.workers.get(&worker) else { return };
        if let Err(failed) = found.process.signal(number) {
            warn!("{} to pid {}: {failed}", signo::name(number), found.process.pid);
        }
    }

    /// Ends a worker, or its start where that still waits.
    pub(super) fn end(&mut self, worker: WorkerId, number: i32) -> Option<Event> {
        let waits = |(waiting, _): &(WorkerId, u32)| *waiting == worker;
        let why = if let Some(at) = self.starts.iter().position(waits) {
            self.starts.remove(at);
            "it was to end before it was started"
        } else if let Some(at) = self.held_starts.iter().position(waits) {
            self.held_starts.swap_remove(at);
            "a worker of a killed sidecar still holds its slot"
        } else {
            self.signal(worker, number);
            return None;
        };
        Some(Event::SpawnFailed { worker, why: why.into() })
    }

    /// Has it started soon, or keeps it for later where its slot is held.
    pub(super) fn spawn(&mut self, worker: WorkerId, slot: u32) {
        match self.takeover.may_start(place(worker, slot), Instant::now()) {
            true => self.starts.push_back((worker, slot)),
            false => self.held_starts.push((worker, slot)),
        }
    }

    /// One turn's share of the starts.
    pub(super) fn start_some(&mut self) {
        for _ in 0..TURN_STARTS {
            let Some((worker, slot)) = self.starts.pop_front() else { return };
            let event = self.spawn_now(worker, slot);
            self.feed(event);
        }
    }

    fn spawn_now(&mut self, id: WorkerId, slot: u32) -> Event {
        match self.start(id, slot) {
            Ok(worker) => {
                let pid = worker.process.pid;
                self.workers.insert(id, worker);
                Event::Spawned { worker: id, pid }
            }
            Err(failed) => Event::SpawnFailed { worker: id, why: failed.to_string() },
        }
    }

    fn start(&mut self, id: WorkerId, slot: u32) -> io::Result<Worker> {
        let name = self.daemon.name_of(id);
        self.launch(id, Job { name: &name, pool: id.pool(), slot, hook: None, told: Vec::new() })
    }

    /// Starts a child and watches it.
    pub(super) fn launch(&mut self, id: WorkerId, job: Job<'_>) -> io::Result<Worker> {
        let started = self.start_unwatched(id, job).and_then(|worker| match self.watch(id, &worker) {
            Ok(()) => Ok(worker),
            Err(failed) => {
                // Nobody would see it end: it must not live.
                let _ = worker.process.signal(Signal::SIGKILL as i32);
                Err(failed)
            }
        });
        if started.is_err() {
            self.logs.discard(id);
        }
        started
    }

    fn start_unwatched(&mut self, id: WorkerId, job: Job<'_>) -> io::Result<Worker> {
        let pool = self.config.pools.get(job.pool).ok_or(io::ErrorKind::NotFound)?;
        let place = place(WorkerId::new(job.pool, 0), job.slot);
        let mut variables = match &pool.birth.env_file {
            Some(file) => env_file::read(file).map_err(io::Error::other)?,
            None => Vec::new(),
        };
        variables.extend_from_slice(&pool.birth.env);
        variables.extend(job.told);
        let start = Start {
            command: job.hook.unwrap_or(&pool.command),
            birth: &pool.birth,
            variables: &variables,
            run: &format!("{}/{place}", self.run),
            socket: &self.config.socket,
            output: self.logs.open(id, job.name, pool)?,
            ends: None,
        };
        let linked = pool.link && job.hook.is_none();
        let life = linked.then(|| self.life.hold(place)).transpose()?;
        Worker::start(start, linked, life)
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

    /// Writes what workers have been offered in this turn.
    pub(super) fn send_offered(&mut self) {
        for worker in std::mem::take(&mut self.offered) {
            self.tell(worker, Worker::flush);
        }
    }

    pub(super) fn read_worker(&mut self, id: WorkerId, ends: bool) {
        if self.read_link(id, ends) == Rest::More {
            self.unread.insert(id);
        }
    }

    /// Takes in one turn's share of what a worker has said.
    fn read_link(&mut self, id: WorkerId, ends: bool) -> Rest {
        let Some(worker) = self.workers.get_mut(&id) else { return Rest::Nothing };
        let rest = worker.read(&mut self.chunk, ends);
        while let Some(worker) = self.workers.get_mut(&id) {
            let message = match worker.next_message() {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(why) => {
                    self.feed(Event::LinkBroken { worker: id, why: why.to_string() });
                    return Rest::Nothing;
                }
            };
            self.feed(match message {
                Message::Hello(hello) => Event::Hello { worker: id, hello },
                Message::Ready(ready) => Event::Ready { worker: id, ready },
                Message::Reply { sequence, outcome } => Event::Reply { worker: id, sequence, outcome },
                Message::Signalled(signalled) => Event::Signalled { worker: id, signalled },
                Message::Taken(signals) => Event::SignalsTaken { worker: id, signals },
                Message::Paused => Event::Paused { worker: id, paused: true },
                Message::Resumed => Event::Paused { worker: id, paused: false },
                Message::Deferred(sequence) => Event::Deferred { worker: id, sequence },
                Message::Leaving => Event::Leaving { worker: id },
                Message::Bind { sequence, bind } => Event::Bind { worker: id, sequence, bind },
                Message::Unbind(value) => Event::Unbind { worker: id, value },
            });
        }
        if rest == Rest::End {
            self.feed(Event::LinkEnded { worker: id });
        }
        rest
    }

    /// What only the clients, the workers' pages and /proc know.
    pub(super) fn complete(&self, status: &mut Status) {
        status.pid = std::process::id();
        status.connections = self.clients.len();
        status.max_connections = self.crowd.room().connections;
        status.refused_connections = self.refused;
        status.unfinished_bytes = self.crowd.bytes();
        status.untaken_bytes = self.crowd.untaken();
        for (entry, worker) in status.workers.iter_mut().zip(self.daemon.workers_by_slot()) {
            let Some(worker) = worker.and_then(|worker| self.workers.get(&worker)) else { continue };
            entry.request_age = worker.request_age().map(|age| age.as_secs_f64());
            let (doing, memory) = worker.doing();
            entry.memory = memory;
            let Some((doing, line)) = doing else { continue };
            // In a loop of its own only its page knows when it is busy.
            let works = matches!(doing.word, Word::Busy | Word::Blocked | Word::Looping | Word::Waiting);
            if works && entry.state == State::Idle.word() {
                entry.state = State::Busy.word().to_owned();
            }
            entry.doing = Some(doing.word.name().to_owned());
            entry.doing_what = line;
            entry.doing_for = doing.lasts.map(|lasts| lasts.as_secs_f64());
        }
    }

    /// A worker's or a hook's end.
    pub(super) fn reap_any(&mut self, id: WorkerId) {
        match self.hooks.contains_key(&id) {
            true => self.reap_hook(id),
            false => self.reap(id),
        }
    }

    pub(super) fn reap(&mut self, id: WorkerId) {
        let status = match self.workers.get(&id).map(|worker| worker.process.reap()) {
            Some(Ok(Some(status))) => status,
            Some(Err(failed)) => {
                error!("waitid: {failed}");
                return;
            }
            Some(Ok(None)) | None => return,
        };
        // All that it has written fits into the pipe; what others may still write there is not its own.
        for _ in 0..READS_AT_THE_END {
            if self.read_link(id, true) != Rest::More {
                break;
            }
        }
        self.unread.remove(&id);
        self.logs.ended(id);
        self.tell_followers();
        let mut exit = Exit::of(status);
        exit.unix_time = unix_time();
        exit.out_of_memory = self.is_out_of_memory(status);
        exit.log = self.logs.last_words(id, &self.daemon.name_of(id), LAST_LINES);
        if let Some(worker) = self.workers.remove(&id) {
            exit.begun = worker.begun();
            [exit.error, exit.exception] = worker.remains();
            exit.job = worker.job();
            let fds = worker.link_fds().into_iter().flat_map(|(input, output)| [input, output]);
            for fd in fds.chain([worker.process.pidfd().as_raw_fd()]) {
                self.forget(fd);
            }
        }
        self.feed(Event::Exited { worker: id, exit: Box::new(exit) });
    }

    /// Whether it was killed, and the kernel has counted an out-of-memory kill that nobody has died of yet.
    fn is_out_of_memory(&mut self, status: ExitStatus) -> bool {
        matches!(status, ExitStatus::Signal { number: libc::SIGKILL, .. })
            && self.oom_kills.as_mut().is_some_and(OomKills::explains_one)
    }

    /// Reaps whatever has ended: workers as ever, all others quietly.
    pub(super) fn reap_children(&mut self) {
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

    pub(super) fn worker_of(&self, pid: i32) -> Option<WorkerId> {
        let hooks = self.hooks.iter().map(|(id, running)| (id, &running.worker));
        self.workers.iter().chain(hooks).find(|(_, worker)| worker.process.pid == pid).map(|(id, _)| *id)
    }

    pub(super) fn forget(&self, fd: i32) {
        if let Err(failed) = self.poll.registry().deregister(&mut SourceFd(&fd)) {
            debug!("deregister: {failed}");
        }
    }
}

/// The number of a slot among those of all pools.
fn place(worker: WorkerId, slot: u32) -> u32 {
    u32::try_from(worker.pool()).unwrap_or(0) * settings::MAX_WORKERS + slot
}
