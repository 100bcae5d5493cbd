//! Whatever happens, in whatever order: no orphan, no duplicate, no lost exit, stop always wins, one request has one
//! answer.
//!
//! # How it works
//! A [`World`] plays the processes, the clients and the clock: it does what the daemon says, and lets happen what the
//! random numbers say. After each step it looks whether the promises hold. A failing seed is in the message; run
//! it alone, with its trace, by `RUSTDAEMON_SEED=n`.

use std::collections::{BTreeMap, HashMap};

use rustdaemon_core::link::Method;
use rustdaemon_core::sys::ExitStatus;

use super::*;
use crate::backoff::Jitter;
use crate::config::{HangAction, PoolConfig};
use crate::sessions::Owner;

const CLIENT: ClientId = ClientId(7);
/// One seed, to be run alone and with its trace.
const SEED: &str = "RUSTDAEMON_SEED";

/// A process of the world.
#[derive(Debug, Default)]
struct Process {
    slot: u32,
    said_hello: bool,
    is_in: bool,
    ready: bool,
    /// Told to end, by whichever means.
    told: bool,
    killed: bool,
    /// KILL does nothing.
    frozen: bool,
    requests: Vec<u64>,
    begun: Vec<u64>,
    /// Answered later.
    deferred: Vec<u64>,
    concurrency: u32,
}

struct World {
    daemon: Daemon,
    now: Instant,
    random: Jitter,
    alive: BTreeMap<WorkerId, Process>,
    /// Answers by request id.
    answers: HashMap<u64, u32>,
    asked: u64,
    stopped_at: Option<Instant>,
    ended: bool,
    next_spawn_fails: bool,
    is_traced: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Jitter::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d);
        let pools = (0..=pick(&mut random, 2)).map(|number| {
            let mut pool = PoolConfig::new(&format!("p{number}"), vec!["php".into()]);
            pool.workers = 1 + u32::try_from(pick(&mut random, 3)).unwrap();
            pool.overlap = pick(&mut random, 3) == 0;
            pool.link = pick(&mut random, 4) > 0;
            pool.forever = pick(&mut random, 8) > 0;
            pool.max_requests = (pick(&mut random, 3) == 0).then_some(3);
            pool.max_lifetime = (pick(&mut random, 3) == 0).then_some(Duration::from_secs(20));
            pool.memory_soft = (pick(&mut random, 3) == 0).then_some(100);
            pool.memory_hard = (pick(&mut random, 3) == 0).then_some(1000);
            pool.hang_timeout = (pick(&mut random, 2) == 0).then_some(Duration::from_secs(3));
            pool.hang_action = [HangAction::Report, HangAction::Restart][pick(&mut random, 2)];
            pool.short_run = Duration::from_secs([0, 5][pick(&mut random, 2)]);
            pool.start_limit = 3;
            pool.queue = 5;
            pool.prefetch = 1 + pick(&mut random, 4);
            pool
        });
        let config = Config {
            socket: "/run/x.sock".into(),
            pools: pools.collect(),
            exit_when_parked: pick(&mut random, 8) == 0,
            ..Config::default()
        };
        let now = Instant::now();
        let mut world = Self {
            daemon: Daemon::new(now, config, seed),
            now,
            random,
            alive: BTreeMap::new(),
            answers: HashMap::new(),
            asked: 0,
            stopped_at: None,
            ended: false,
            next_spawn_fails: false,
            is_traced: std::env::var_os(SEED).is_some(),
        };
        world.happens(Event::Start);
        world
    }

    fn pick(&mut self, below: usize) -> usize {
        pick(&mut self.random, below)
    }

    fn one(&mut self, wanted: impl Fn(&Process) -> bool) -> Option<WorkerId> {
        let fitting: Vec<WorkerId> =
            self.alive.iter().filter(|(_, process)| wanted(process)).map(|(id, _)| *id).collect();
        (!fitting.is_empty()).then(|| fitting[self.pick(fitting.len())])
    }

    fn happens(&mut self, event: Event) {
        let mut events = vec![event];
        let mut turns = 0;
        while !events.is_empty() {
            turns += 1;
            assert!(turns < 1000, "what follows from one event never ends");
            let event = events.remove(0);
            if self.is_traced {
                println!("{event:?}");
            }
            let mut actions = Vec::new();
            self.daemon.on(self.now, event, &mut actions);
            for action in actions {
                if self.is_traced {
                    println!("    {action:?}");
                }
                events.extend(self.act(action));
            }
            self.check();
        }
    }

    fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Worker(order) => return self.obey(order),
            Action::Send { worker, frame, .. } => {
                let mut decoder = link::Decoder::default();
                decoder.push(&frame);
                let frame = decoder.next_frame().unwrap().unwrap();
                if frame.kind != Kind::Request {
                    return None; // Bound, Expired: also for who is about to end
                }
                let sequence = frame.sequence;
                self.check_session(worker, sequence);
                self.check_message(worker, sequence);
                let process = self.alive.get_mut(&worker).expect("a request for the dead");
                assert!(process.is_in && process.ready, "a request for who is not ready: {worker:?}");
                process.requests.push(sequence);
            }
            Action::Recall { worker, claims } => {
                let process = self.alive.get_mut(&worker).expect("asked of the dead");
                let (mut back, mut kept) = (Vec::new(), Vec::new());
                for claim in claims {
                    let sequence = claim.sequence;
                    let begun = process.begun.contains(&sequence) || !process.requests.contains(&sequence);
                    if begun { &mut kept } else { &mut back }.push(sequence);
                }
                process.requests.retain(|sequence| !back.contains(sequence));
                return Some(Event::Recalled { worker, back, kept });
            }
            Action::Answer { line, .. } => {
                let answer: serde_json::Value = serde_json::from_slice(&line).unwrap();
                let count = self.answers.entry(answer["id"].as_u64().unwrap()).or_default();
                *count += 1;
                assert_eq!(*count, 1, "a second answer: {answer}");
            }
            Action::Report { address, .. } => {
                self.answers.insert(address.id.parse().unwrap(), 1);
            }
            Action::Tell { notice, .. } => {
                let known = |worker: &&String| worker.starts_with('p') && !worker.ends_with('?');
                assert_eq!(notice.worker.iter().find(|worker| !known(worker)), None, "{notice:?}");
            }
            Action::Logs { .. } | Action::Resize(_) | Action::Forbidden { .. } => {}
            Action::Exit(_) => self.ended = true,
        }
        None
    }

    /// A session's requests go to its worker alone, and each of a client's only when nothing can overtake it.
    fn check_session(&self, worker: WorkerId, sequence: u64) {
        let Some(entry) = self.daemon.router.entry(sequence) else { return };
        let Some(session) = &entry.request.session else { return };
        let owner = self.daemon.sessions.owner(worker.pool(), session);
        assert!(matches!(owner, Owner::Nobody) || owner == Owner::Worker(worker), "{session} is {owner:?}");
        let mut earlier = (1..sequence).filter_map(|sequence| self.daemon.router.entry(sequence));
        let overtaken = earlier.find(|other| other.request.session.as_ref() == Some(session));
        assert!(
            overtaken.is_none(),
            "request {sequence} may overtake an earlier one of {session}: {overtaken:?}"
        );
    }

    /// A message goes to the worker of its slot alone, if that understands it, and only when nothing can overtake it.
    fn check_message(&self, worker: WorkerId, sequence: u64) {
        let entry = |sequence| self.daemon.router.entry(sequence);
        let place = |entry: &Entry| Some((entry.pool, entry.to?.slot));
        let Some(meant) = entry(sequence).and_then(place) else { return };
        let life = self.daemon.pools[worker.pool()].life(worker).unwrap();
        assert_eq!(meant, (worker.pool(), life.slot), "message {sequence} to {worker:?}");
        assert!(life.version >= link::SESSIONS_VERSION, "{worker:?} does not know what a message is");
        let overtaken = (1..sequence).find(|other| entry(*other).and_then(place) == Some(meant));
        assert_eq!(overtaken, None, "message {sequence} may overtake an earlier one");
    }

    fn obey(&mut self, order: Order) -> Option<Event> {
        let process = |world: &mut Self, worker, change: &dyn Fn(&mut Process)| {
            if let Some(process) = world.alive.get_mut(&worker) {
                change(process);
            }
        };
        match order {
            Order::Spawn { worker, slot } => {
                assert!(!self.daemon.is_stopping(), "a start while stopping");
                if std::mem::take(&mut self.next_spawn_fails) {
                    return Some(Event::SpawnFailed { worker, why: "EAGAIN".into() });
                }
                let is_in = !self.daemon.pools[worker.pool()].config().link;
                let frozen = self.pick(60) == 0;
                let process = Process { slot, is_in, ready: is_in, frozen, ..Process::default() };
                assert!(self.alive.insert(worker, process).is_none(), "one number, two processes");
                return Some(Event::Spawned { worker, pid: 100 });
            }
            Order::Go(worker, _) => process(self, worker, &|process| process.is_in = true),
            Order::Drain(worker) | Order::Terminate(worker) | Order::Refuse(worker, _) => {
                process(self, worker, &|process| process.told = true);
            }
            Order::Kill(worker) => process(self, worker, &|process| process.killed = true),
            Order::Pause(worker) | Order::Resume(worker) if self.alive.contains_key(&worker) => {
                let paused = matches!(order, Order::Pause(_));
                return (self.pick(4) > 0).then_some(Event::Paused { worker, paused });
            }
            Order::Sample(worker) if self.alive.contains_key(&worker) => {
                let bytes = [50, 500, 5000][self.pick(3)];
                return Some(Event::Sampled { worker, bytes });
            }
            Order::Observe(worker) if self.alive.contains_key(&worker) => {
                let quiet = (self.pick(2) == 0).then(|| Duration::from_secs(self.pick(6) as u64));
                let left = [None, Some(Duration::ZERO), Some(Duration::from_secs(3))][self.pick(3)];
                let look = Look { quiet, left, doing: "blocked".into(), spared: self.pick(4) == 0 };
                return Some(Event::Observed { worker, look });
            }
            _ => {}
        }
        None
    }

    /// The promises that hold at any moment.
    fn check(&self) {
        for worker in self.alive.keys() {
            let known = self.daemon.pools[worker.pool()].life(*worker).is_some();
            assert!(known || self.ended, "an orphan: {worker:?}");
        }
        for (number, pool) in self.daemon.pools.iter().enumerate() {
            let own = || self.alive.iter().filter(move |(worker, _)| worker.pool() == number);
            let inside = own().filter(|(_, process)| process.is_in).count();
            if pool.is_singleton() {
                assert!(inside <= 1, "two singletons: {:?}", own().collect::<Vec<_>>());
            }
            for slot in 0..u32::try_from(pool.views().count()).unwrap() {
                let serving =
                    own().filter(|(_, process)| process.slot == slot && !process.told && !process.killed);
                let current = serving.filter(|(worker, _)| Some(**worker) == current(pool, slot)).count();
                assert!(current <= 1, "two in one slot");
            }
        }
    }

    fn exits(&mut self, worker: WorkerId, status: ExitStatus) {
        if let Some(process) = self.alive.remove(&worker) {
            let exit = Exit { begun: process.begun.clone(), ..Exit::of(status) };
            self.happens(Event::Exited { worker, exit: Box::new(exit) });
            assert!(self.daemon.pools[worker.pool()].life(worker).is_none(), "a lost exit: {worker:?}");
        }
    }

    fn ask(&mut self, method: &str, args: &str) {
        self.asked += 1;
        let session = ["null", "null", r#""s0""#, r#""s1""#][self.pick(4)];
        let line = format!(
            r#"{{"id":{},"t":"req","method":"{method}","args":{args},"session":{session}}}"#,
            self.asked
        );
        let request = dialect::parse(line.as_bytes(), None).unwrap().one();
        let role = if self.pick(20) > 0 { Role::Admin } else { Role::Call };
        self.happens(Event::Request { client: CLIENT, request, peer: PEER, role, unix_time: 0.0 });
    }

    fn reply(&mut self, worker: WorkerId) {
        let process = self.alive.get_mut(&worker).unwrap();
        let sequence = process.requests.remove(0);
        process.begun.push(sequence);
        self.happens(Event::Reply { worker, sequence, outcome: Ok(b"1".to_vec()) });
    }

    /// As the extension does it: no more than the worker has said.
    fn defer(&mut self, worker: WorkerId) {
        let process = self.alive.get_mut(&worker).unwrap();
        if process.deferred.len() >= process.concurrency as usize || process.concurrency < 2 {
            return;
        }
        let sequence = process.requests.remove(0);
        process.begun.push(sequence);
        process.deferred.push(sequence);
        self.happens(Event::Deferred { worker, sequence });
        let Some(life) = self.daemon.pools[worker.pool()].life(worker) else { return };
        let is_open = |sequence: &&u64| {
            self.daemon.router.entry(**sequence).is_some_and(|entry| entry.worker == Some(worker))
        };
        let open = self.alive[&worker].deferred.iter().filter(is_open).count();
        assert_eq!(life.deferred, open, "so many of what {worker:?} has deferred are open");
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut in_a_row = 0;
        while let Some(at) = self.daemon.next_deadline().filter(|at| *at <= until && !self.ended) {
            in_a_row = if at <= self.now { in_a_row + 1 } else { 0 };
            assert!(in_a_row < 100, "a deadline that is never cleared");
            self.now = self.now.max(at);
            self.happens(Event::Deadline);
            self.bury();
        }
        self.now = until;
    }

    /// Who was killed dies at once, unless it is frozen.
    fn bury(&mut self) {
        let dead = self.alive.iter().filter(|(_, process)| process.killed && !process.frozen);
        for worker in dead.map(|(worker, _)| *worker).collect::<Vec<_>>() {
            self.exits(worker, ExitStatus::Signal { number: 9, core: false });
        }
    }

    /// One random thing happens.
    fn step(&mut self) {
        match self.pick(38) {
            0..4 => {
                if let Some(worker) = self.one(|process| !process.said_hello && !process.is_in) {
                    self.alive.get_mut(&worker).unwrap().said_hello = true;
                    let highest =
                        if self.pick(30) == 0 { 99 } else { [3, link::HIGHEST_VERSION][self.pick(2)] };
                    let lowest = if highest == 99 { 98 } else { 1 };
                    self.happens(Event::Hello {
                        worker,
                        hello: Hello { lowest, highest, ..Hello::default() },
                    });
                }
            }
            4..8 => {
                if let Some(worker) = self.one(|process| process.is_in && process.said_hello) {
                    let concurrency = [0, 1, 3][self.pick(3)];
                    let process = self.alive.get_mut(&worker).unwrap();
                    (process.ready, process.concurrency) = (true, concurrency);
                    let method = |name: &str| Method {
                        name: name.into(),
                        description: None,
                        idempotent: name == "m0",
                    };
                    let methods = vec![method("m"), method(&format!("m{}", worker.pool()))];
                    let (own_loop, jobs) = (self.pick(8) == 0, self.pick(8) == 0);
                    self.happens(Event::Ready {
                        worker,
                        ready: Ready { methods, own_loop, jobs, concurrency, blind: None },
                    });
                }
            }
            8..13 => {
                if let Some(worker) = self.one(|process| !process.requests.is_empty()) {
                    match self.pick(2) {
                        0 => self.defer(worker),
                        _ => self.reply(worker),
                    }
                }
                if let Some(worker) = self.one(|process| !process.deferred.is_empty())
                    && self.pick(2) == 0
                {
                    let deferred = self.alive[&worker].deferred.len();
                    let at = self.pick(deferred);
                    let sequence = self.alive.get_mut(&worker).unwrap().deferred.remove(at);
                    self.happens(Event::Reply { worker, sequence, outcome: Ok(b"1".to_vec()) });
                }
            }
            13..18 => {
                let method = ["m", "m0", "m1", "nobody", "ping", "daemon.status"][self.pick(6)];
                self.ask(method, "[]");
            }
            18 => {
                let name = ["p0", "p0#0", "p0#1", "p1", "p1#0", "nobody"][self.pick(6)];
                (0..=self.pick(3)).for_each(|_| self.ask("worker.send", &format!(r#"["{name}","x"]"#)));
            }
            19..23 => {
                let ms = [1, 100, 1000, 6000, 31_000, 400_000][self.pick(6)];
                self.pass(Duration::from_millis(ms));
            }
            23 => {
                let hour = Duration::from_secs(3600);
                self.now += hour;
                self.happens(Event::StoodStill(hour));
            }
            24..27 => {
                if let Some(worker) = self.one(|process| process.told || process.killed && !process.frozen) {
                    self.exits(worker, ExitStatus::Code(0));
                }
            }
            27 | 28 => {
                if let Some(worker) = self.one(|_| true) {
                    if let Some(process) = self.alive.get_mut(&worker)
                        && let Some(first) = process.requests.first()
                    {
                        process.begun.push(*first);
                    }
                    let status =
                        [ExitStatus::Code(1), ExitStatus::Signal { number: 9, core: false }][self.pick(2)];
                    self.exits(worker, status);
                }
            }
            29 => self.next_spawn_fails = true,
            30 | 31 => {
                let verb = ["restart", "stop", "start", "pause", "resume"][self.pick(5)];
                let name = ["null", r#""p0""#, r#""p0#0""#, r#""p1""#, r#""p1#1""#][self.pick(5)];
                self.ask(&format!("worker.{verb}"), &format!("[{name}]"));
            }
            32 => match self.pick(5) {
                0 => self.ask("daemon.reload", "[]"),
                1 | 2 => {
                    let name = ["null", r#""p0""#, r#""p1""#][self.pick(3)];
                    let workers = 1 + self.pick(4);
                    self.ask("worker.scale", &format!("[{name},{workers}]"));
                }
                3 => match self.pick(2) {
                    0 => self.ask("daemon.subscribe", "[]"),
                    _ => self.daemon.unsubscribe(CLIENT),
                },
                _ => self.happens(Event::Reload),
            },
            33..37 => {
                if let Some(worker) = self.one(|process| process.is_in && process.ready) {
                    let value = ["s0", "s1"][self.pick(2)].to_owned();
                    let ttl = [None, Some(5.0)][self.pick(2)];
                    match self.pick(5) {
                        0 => self.happens(Event::Unbind { worker, value }),
                        _ => self.happens(Event::Bind { worker, sequence: 1, bind: Bind { value, ttl } }),
                    }
                }
            }
            _ => {
                if let Some(worker) = self.one(|process| process.is_in && process.ready) {
                    match self.pick(5) {
                        3 => {
                            // It has begun what it has in hand, and will be a while.
                            if let Some(process) = self.alive.get_mut(&worker)
                                && let Some(first) = process.requests.first()
                            {
                                process.begun.push(*first);
                            }
                        }
                        4 => {
                            if let Some(process) = self.alive.get_mut(&worker) {
                                process.told = true;
                            }
                            self.happens(Event::Leaving { worker });
                        }
                        0 => self.happens(Event::LinkBroken { worker, why: "garbage".into() }),
                        1 => {
                            let signalled = Signalled { signal: "SIGTERM".into(), ..Signalled::default() };
                            self.happens(Event::Signalled { worker, signalled });
                        }
                        _ => self.happens(Event::Reply {
                            worker,
                            sequence: 999_999,
                            outcome: Ok(b"1".to_vec()),
                        }),
                    }
                }
            }
        }
    }

    /// Stops everything; whoever is killed dies, whoever is frozen does not.
    fn stop(&mut self) {
        self.bury();
        let event = if self.pick(4) == 0 { Event::StopNow } else { Event::Stop };
        self.happens(event);
        let stopped_at = *self.stopped_at.insert(self.now);
        while !self.ended {
            self.bury();
            if let Some(worker) = self.one(|process| process.told && !process.frozen)
                && self.pick(3) == 0
            {
                self.exits(worker, ExitStatus::Code(0));
            }
            if self.ended {
                break;
            }
            let at = self.daemon.next_deadline().expect("nothing is awaited, and it has not ended");
            self.now = self.now.max(at);
            self.happens(Event::Deadline);
            let budget = Duration::from_millis(8_500);
            assert!(self.now <= stopped_at + budget, "the stop takes longer than its budget");
        }
        assert!(
            self.alive.values().all(|process| process.frozen && process.killed),
            "left behind: {:?}",
            self.alive
        );
        for id in 1..=self.asked {
            assert!(self.answers.get(&id) == Some(&1), "request {id} has no answer");
        }
    }
}

fn pick(random: &mut Jitter, below: usize) -> usize {
    ((random.next_fraction() * below as f64) as usize).min(below - 1)
}

fn current(pool: &Pool, slot: u32) -> Option<WorkerId> {
    pool.views().nth(slot as usize).and_then(|view| view.slot.current)
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for _ in 0..50 + world.pick(150) {
            if world.ended {
                break;
            }
            world.step();
        }
        world.stop();
    }));
    assert!(outcome.is_ok(), "run it alone with its trace: {SEED}={seed}");
}

#[test]
fn whatever_happens_the_promises_hold() {
    match std::env::var(SEED) {
        Ok(seed) => run(seed.parse().expect("a number")),
        Err(_) => (0..300).for_each(run),
    }
}
