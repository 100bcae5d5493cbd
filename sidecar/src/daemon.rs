//! The daemon as one pure machine: the pool, the router and the built-in methods under `(now, Event) -> Vec<Action>`.
//!
//! # How it works
//! The event loop tells what happened; the answer is what to do, in order. This is the only place where workers and
//! requests meet: it owns "one request, one answer".
//!
//! # Rules
//! Pure: no clock, no descriptor, no log. An action's outcome comes back as an event.
//! Sources: DESIGN §3, §4.

use std::collections::HashMap;
use std::time::Instant;

use rustdaemon_core::link::{self, Fault, Hello, Method, Signalled};
use rustdaemon_core::settings;
use rustdaemon_core::sys::ExitStatus;

use crate::config::Config;
use crate::dialect::{self, Address, Cause, Request};
use crate::ids::{ClientId, WorkerId};
use crate::pool::{Offer, Order, Pool};
use crate::router::{Entry, Router};
use crate::verbs::{self, PoolStatus, Status, Verb, WorkerStatus};

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
    /// A worker serves these methods.
    Ready {
        /// Which.
        worker: WorkerId,
        /// All of them.
        methods: Vec<Method>,
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
    /// A worker has ended; everything that it wrote has been told before.
    Exited {
        /// Which.
        worker: WorkerId,
        /// How.
        status: ExitStatus,
        /// The request that it had begun last, by its page.
        begun: u64,
    },
    /// A client asks.
    Request {
        /// Who.
        client: ClientId,
        /// What.
        request: Request,
        /// Unix time in seconds.
        unix_time: f64,
    },
    /// Stop: drain within `stop_timeout`.
    Stop,
    /// Stop: end everything at once.
    StopNow,
    /// [`Daemon::next_deadline`] has come.
    Deadline,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// About a worker, or a line for the log.
    Worker(Order),
    /// Write these bytes to a worker's link.
    Send {
        /// Which.
        worker: WorkerId,
        /// One frame.
        frame: Vec<u8>,
    },
    /// Write the answer to one of a client's requests.
    Answer {
        /// Who.
        client: ClientId,
        /// One line.
        line: Vec<u8>,
    },
    /// Answer with this, completed from the workers' pages.
    Report {
        /// Who.
        client: ClientId,
        /// Where.
        address: Address,
        /// Without `request_age`.
        status: Box<Status>,
    },
    /// Everything has ended.
    Exit,
}

/// Pool, router and built-in methods.
#[derive(Debug)]
pub struct Daemon {
    socket: String,
    started: Instant,
    pool: Pool,
    router: Router,
    in_hand: HashMap<WorkerId, u64>,
}

impl Daemon {
    /// A daemon that has started nothing yet. `seed` is for the jitter of restarts.
    #[must_use]
    pub fn new(now: Instant, mut config: Config, seed: u64) -> Self {
        let socket = config.socket.display().to_string();
        let pool = config.pools.remove(0);
        let router = Router::new(pool.queue);
        let pool = Pool::new(now, pool, socket.clone(), config.socket_mode, seed);
        Self { socket, started: now, pool, router, in_hand: HashMap::new() }
    }

    /// Takes in what happened; says what to do about it.
    pub fn on(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::Start => orders(&mut out, self.pool.start(now)),
            Event::Spawned { worker, pid } => self.pool.spawned(worker, pid),
            Event::SpawnFailed { worker, why } => {
                orders(&mut out, self.pool.spawn_failed(now, worker, &why));
            }
            Event::Hello { worker, hello } => orders(&mut out, self.pool.hello(now, worker, &hello)),
            Event::Ready { worker, methods } => self.ready(&mut out, now, worker, methods),
            Event::Reply { worker, sequence, outcome } => {
                self.reply(&mut out, now, worker, sequence, outcome);
            }
            Event::Signalled { worker, signalled } => {
                orders(&mut out, self.pool.signalled(worker, &signalled));
            }
            Event::SignalsTaken { worker, signals } => self.pool.signals_taken(worker, signals),
            Event::LinkBroken { worker, why } => orders(&mut out, self.pool.broke_link(worker, &why)),
            Event::Exited { worker, status, begun } => {
                self.in_hand.remove(&worker);
                let cause = Cause::WorkerDied(status.to_string());
                refuse(&mut out, self.router.worker_ended(worker, begun), |_| cause.clone());
                orders(&mut out, self.pool.exited(now, worker, status));
                for worker in self.pool.idle_workers() {
                    self.serve(&mut out, now, worker);
                }
            }
            Event::Request { client, request, unix_time } => {
                self.request(&mut out, now, client, request, unix_time);
            }
            Event::Stop => orders(&mut out, self.pool.stop(now)),
            Event::StopNow => orders(&mut out, self.pool.stop_now(now)),
            Event::Deadline => {
                let limit = self.pool.config().request_timeout;
                let trouble = self.pool.trouble();
                refuse(&mut out, self.router.expired(now), |entry| match entry.worker {
                    Some(_) => Cause::NoAnswer(limit),
                    None => Cause::NotStarted(limit, trouble.clone()),
                });
                orders(&mut out, self.pool.tick(now));
            }
        }
        if self.pool.is_stopping() {
            refuse(&mut out, self.router.refuse_waiting(|_| false), |_| Cause::ShuttingDown);
        }
        if self.pool.is_stopped() {
            // What a worker that could not be ended still holds.
            let left = Cause::WorkerDied("could not be ended".into());
            refuse(&mut out, self.router.all_in_flight(), |_| left.clone());
            out.push(Action::Exit);
        }
        out
    }

    /// Whether it is stopping.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.pool.is_stopping()
    }

    /// When [`Event::Deadline`] is wanted.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.pool.next_deadline().into_iter().chain(self.router.next_deadline()).min()
    }

    fn request(
        &mut self,
        out: &mut Vec<Action>,
        now: Instant,
        client: ClientId,
        request: Request,
        unix_time: f64,
    ) {
        let address = request.address.clone();
        match Verb::of(address.dialect, &request.method) {
            Some(Verb::Ping) => return answer(out, client, &address, verbs::ping(0, unix_time).as_bytes()),
            Some(Verb::Status) => {
                return out.push(Action::Report { client, address, status: Box::new(self.status(now)) });
            }
            Some(Verb::Methods) => {
                let methods = verbs::methods(&self.pool.config().name, self.pool.methods());
                return answer(out, client, &address, &link::json(&methods));
            }
            None => {}
        }
        let offer = match settings::is_reserved(&request.method) {
            true => Offer::No,
            false => self.pool.offer(&request.method),
        };
        let method = request.method.clone();
        let cause = if self.pool.is_stopping() {
            Cause::ShuttingDown
        } else if offer == Offer::No {
            Cause::UnknownMethod(method)
        } else {
            let worker = self.pool.idle_for(&method);
            let timeout = self.pool.config().request_timeout;
            match (self.router.accept(now, client, request.clone(), timeout, worker), worker) {
                (Some(sequence), Some(worker)) => {
                    return self.send(out, now, worker, sequence, &request);
                }
                (Some(_), None) => return,
                (None, _) => Cause::Busy(self.router.waiting()),
            }
        };
        fault(out, client, &address, &cause);
    }

    fn ready(&mut self, out: &mut Vec<Action>, now: Instant, worker: WorkerId, methods: Vec<Method>) {
        orders(out, self.pool.ready(now, worker, methods));
        let pool = &self.pool;
        let unknown = self.router.refuse_waiting(|method| pool.offer(method) != Offer::No);
        refuse(out, unknown, |entry| Cause::UnknownMethod(entry.request.method.clone()));
        self.serve(out, now, worker);
    }

    fn reply(
        &mut self,
        out: &mut Vec<Action>,
        now: Instant,
        worker: WorkerId,
        sequence: u64,
        outcome: Result<Vec<u8>, Fault>,
    ) {
        if let Some(entry) = self.router.replied(worker, sequence) {
            match outcome {
                Ok(data) => answer(out, entry.client, entry.address(), &data),
                Err(why) => fault(out, entry.client, entry.address(), &Cause::Worker(why)),
            }
        }
        // Late or not, the worker is free when it has answered what it had in hand.
        if self.in_hand.get(&worker) == Some(&sequence) {
            self.in_hand.remove(&worker);
            self.pool.idle(now, worker);
            self.serve(out, now, worker);
        }
    }

    /// Gives an idle worker the first waiting request that it offers.
    fn serve(&mut self, out: &mut Vec<Action>, now: Instant, worker: WorkerId) {
        let pool = &self.pool;
        let assigned = self.router.assign(worker, |method| pool.serves(worker, method));
        if let Some((sequence, request)) = assigned.map(|(sequence, entry)| (sequence, entry.request.clone()))
        {
            self.send(out, now, worker, sequence, &request);
        }
    }

    fn send(
        &mut self,
        out: &mut Vec<Action>,
        now: Instant,
        worker: WorkerId,
        sequence: u64,
        request: &Request,
    ) {
        let mut frame = Vec::new();
        let dialect = request.address.dialect;
        match link::encode_request(&mut frame, sequence, dialect, &request.method, &request.args) {
            Ok(()) => {
                self.pool.busy(now, worker);
                self.in_hand.insert(worker, sequence);
                out.push(Action::Send { worker, frame });
            }
            Err(_) => {
                if let Some(entry) = self.router.replied(worker, sequence) {
                    fault(out, entry.client, entry.address(), &Cause::FrameTooLarge);
                }
            }
        }
    }

    fn status(&self, now: Instant) -> Status {
        let config = self.pool.config();
        let age = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
        let workers = self.pool.slots().iter().enumerate().map(|(number, slot)| WorkerStatus {
            name: format!("{}#{number}", config.name),
            pool: config.name.clone(),
            slot: number,
            pid: slot.pid,
            state: slot.state.word().to_owned(),
            since: age(slot.since),
            restarts: slot.restarts,
            served: slot.served,
            request_age: None,
            last_exit: slot.last_exit.clone(),
            signals_taken: slot.signals_taken.clone(),
            retry_in: slot.retry_at.map(|at| at.saturating_duration_since(now).as_secs_f64()),
        });
        let command = config.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: 0,
            state: if self.pool.is_stopping() { "stopping" } else { "running" }.to_owned(),
            uptime: age(self.started),
            socket: self.socket.clone(),
            pools: vec![PoolStatus {
                name: config.name.clone(),
                command,
                link: config.link,
                generation: self.pool.generation(),
                waiting: self.router.waiting(),
                in_flight: self.router.in_flight(),
                accepted: self.router.accepted,
                late: self.router.late,
            }],
            workers: workers.collect(),
        }
    }

    /// The worker in each slot that has a request in hand, in the order of [`Status::workers`].
    #[must_use]
    pub fn serving_by_slot(&self) -> Vec<Option<WorkerId>> {
        let serving = |worker: &WorkerId| self.in_hand.contains_key(worker);
        self.pool.slots().iter().map(|slot| slot.worker.filter(serving)).collect()
    }
}

fn orders(out: &mut Vec<Action>, orders: Vec<Order>) {
    out.extend(orders.into_iter().map(Action::Worker));
}

fn answer(out: &mut Vec<Action>, client: ClientId, address: &Address, data: &[u8]) {
    let mut line = Vec::with_capacity(data.len() + 64);
    dialect::write_data(&mut line, address, data);
    out.push(Action::Answer { client, line });
}

fn fault(out: &mut Vec<Action>, client: ClientId, address: &Address, cause: &Cause) {
    let mut line = Vec::new();
    dialect::write_fault(&mut line, address, cause);
    out.push(Action::Answer { client, line });
}

fn refuse(out: &mut Vec<Action>, entries: Vec<Entry>, cause: impl Fn(&Entry) -> Cause) {
    for entry in entries {
        fault(out, entry.client, entry.address(), &cause(&entry));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::PoolConfig;

    const CLIENT: ClientId = ClientId(1);

    struct Scene {
        daemon: Daemon,
        now: Instant,
    }

    impl Scene {
        fn new(change: impl FnOnce(&mut PoolConfig)) -> Self {
            let mut pool = PoolConfig::new("opcua", vec!["php".into()]);
            change(&mut pool);
            let config = Config { socket: "/run/x.sock".into(), socket_mode: 0o600, exit_when_parked: false, pools: vec![pool] };
            let now = Instant::now();
            let mut scene = Self { daemon: Daemon::new(now, config, 1), now };
            scene.on(Event::Start);
            scene
        }

        /// With the pool's first worker ready to serve `m`.
        fn ready(change: impl FnOnce(&mut PoolConfig)) -> Self {
            let mut scene = Self::new(change);
            scene.make_ready(WorkerId(1));
            scene
        }

        fn make_ready(&mut self, worker: WorkerId) -> String {
            self.on(Event::Spawned { worker, pid: 7 });
            let hello = Hello { lowest: 1, highest: 1, ..Hello::default() };
            self.on(Event::Hello { worker, hello });
            let methods = vec![Method { name: "m".into(), description: None, idempotent: false }];
            self.on(Event::Ready { worker, methods })
        }

        /// What is done about an event, one word each; answers as they are written.
        fn on(&mut self, event: Event) -> String {
            let actions = self.daemon.on(self.now, event);
            let words = actions.iter().filter_map(|action| match action {
                Action::Answer { line, .. } => {
                    Some(String::from_utf8_lossy(line).trim_end().replace("\"id\":1,\"t\":\"res\",", ""))
                }
                Action::Send { worker, .. } => Some(format!("send {}", worker.0)),
                Action::Report { status, .. } => Some(format!("report {}", status.state)),
                Action::Exit => Some("exit".into()),
                Action::Worker(Order::Say(..)) => None,
                Action::Worker(order) => Some(format!("{order:?}").split([' ', '(']).next()?.to_lowercase()),
            });
            words.collect::<Vec<_>>().join("; ")
        }

        fn ask(&mut self, line: &str) -> String {
            let request = dialect::parse(line.as_bytes()).unwrap();
            self.on(Event::Request { client: CLIENT, request, unix_time: 1.5 })
        }

        fn call(&mut self, method: &str) -> String {
            self.ask(&format!(r#"{{"id":1,"t":"req","method":"{method}","args":[]}}"#))
        }

        fn reply(&mut self, worker: u64, sequence: u64) -> String {
            self.on(Event::Reply { worker: WorkerId(worker), sequence, outcome: Ok(b"42".to_vec()) })
        }

        /// The end of a worker that had begun all that it was sent.
        fn exit(&mut self, worker: u64) -> String {
            let begun = self.daemon.in_hand.get(&WorkerId(worker)).copied().unwrap_or(0);
            self.exit_having_begun(worker, begun)
        }

        fn exit_having_begun(&mut self, worker: u64, begun: u64) -> String {
            let status = ExitStatus::Signal { number: 9, core: false };
            self.on(Event::Exited { worker: WorkerId(worker), status, begun })
        }
    }

    #[test]
    fn a_request_goes_to_an_idle_worker_and_its_reply_back() {
        let mut scene = Scene::ready(|_| {});
        assert_eq!(scene.call("m"), "send 1");
        assert_eq!(scene.reply(1, 1), r#"{"ok":true,"data":42}"#);
        assert_eq!(scene.ask(r#"{"command":"m"}"#), "send 1");
        assert_eq!(scene.reply(1, 2), r#"{"success":true,"data":42}"#);
    }

    #[test]
    fn ping_and_status_need_no_worker() {
        let mut scene = Scene::new(|_| {});
        assert_eq!(scene.call("ping"), r#"{"ok":true,"data":{"status":"ok","sessions":0,"time":1.5}}"#);
        assert_eq!(
            scene.ask(r#"{"command":"ping"}"#),
            r#"{"success":true,"data":{"status":"ok","sessions":0,"time":1.5}}"#
        );
        assert_eq!(scene.call("daemon.status"), "report running");
        assert!(scene.call("daemon.methods").contains(r#""name":"daemon.status""#));
        assert!(scene.ask(r#"{"command":"daemon.status"}"#).contains("Unknown command: daemon.status"));
    }

    #[test]
    fn a_busy_workers_queue_is_served_in_order() {
        let mut scene = Scene::ready(|config| config.queue = 2);
        assert_eq!(scene.call("m"), "send 1");
        assert_eq!((scene.call("m"), scene.call("m")), (String::new(), String::new()));
        assert!(scene.call("m").contains(r#""class":"busy""#));
        assert_eq!(scene.reply(1, 1), r#"{"ok":true,"data":42}; send 1"#);
        assert_eq!(scene.reply(1, 2), r#"{"ok":true,"data":42}; send 1"#);
        assert_eq!(scene.reply(1, 3), r#"{"ok":true,"data":42}"#);
    }

    #[test]
    fn unknown_methods_wait_until_a_worker_was_ready_and_are_refused_from_then_on() {
        let mut scene = Scene::new(|_| {});
        assert_eq!((scene.call("m"), scene.call("x")), (String::new(), String::new()));
        let unknown = r#"{"ok":false,"error":{"class":"unknown_method","message":"Unknown method: x"}}"#;
        assert_eq!(scene.make_ready(WorkerId(1)), format!("{unknown}; send 1"));
        assert_eq!(scene.call("x"), unknown);
        assert_eq!(scene.exit(1).split("; ").last(), Some("spawn"));
        assert_eq!(scene.call("x"), unknown, "also while no worker lives");
        assert_eq!(scene.call("m"), "", "what the last generation offered waits");
        assert_eq!(scene.make_ready(WorkerId(2)), "send 2");
    }

    #[test]
    fn reserved_names_never_reach_a_worker() {
        let mut scene = Scene::new(|_| {});
        assert!(scene.call("worker.pause").contains("unknown_method"));
    }

    #[test]
    fn a_workers_death_answers_what_it_had_and_only_that() {
        let mut scene = Scene::ready(|_| {});
        scene.call("m");
        scene.call("m");
        let died = scene.exit(1);
        assert!(died.contains(r#""class":"worker_died""#) && died.contains("SIGKILL"), "{died}");
        assert!(died.ends_with("; spawn"), "{died}");
        assert_eq!(died.matches("ok").count(), 1, "the waiting one has no answer yet: {died}");
        assert_eq!(scene.make_ready(WorkerId(2)), "send 2");
        assert_eq!(scene.reply(2, 2), r#"{"ok":true,"data":42}"#);
    }

    #[test]
    fn what_was_sent_to_a_leaving_worker_and_not_begun_moves() {
        let mut scene = Scene::ready(|config| config.workers = 2);
        scene.call("m");
        scene.reply(1, 1);
        assert_eq!(scene.call("m"), "send 1", "it has ended already, but nobody knows yet");
        assert_eq!(scene.exit_having_begun(1, 1), "spawn", "no answer yet");
        assert_eq!(scene.make_ready(WorkerId(2)), "send 2");
        assert_eq!(scene.reply(2, 2), r#"{"ok":true,"data":42}"#);
        assert_eq!(scene.call("m"), "send 2");
        assert_eq!(scene.make_ready(WorkerId(3)), "");
        assert_eq!(scene.exit_having_begun(2, 2), "spawn; send 3", "an idle one takes it at once");
        scene.on(Event::Stop);
        assert!(scene.exit_having_begun(3, 0).contains("shutting_down"), "a stop answers it");
    }

    #[test]
    fn a_reply_written_before_the_death_counts() {
        let mut scene = Scene::ready(|_| {});
        scene.call("m");
        assert_eq!(scene.reply(1, 1), r#"{"ok":true,"data":42}"#);
        assert_eq!(scene.exit(1), "spawn");
    }

    #[test]
    fn a_deadline_answers_once_and_leaves_the_worker_alone() {
        let mut scene = Scene::ready(|_| {});
        scene.call("m");
        scene.call("m");
        scene.now += Duration::from_secs(30);
        let expired = scene.on(Event::Deadline);
        assert_eq!(expired.matches("deadline_exceeded").count(), 2, "{expired}");
        assert!(
            expired.contains("may have been executed") && expired.contains("was not started"),
            "{expired}"
        );
        assert_eq!(scene.call("m"), "", "the worker is still busy");
        assert_eq!(scene.reply(1, 1), "send 1", "the late reply is dropped, the worker is free");
    }

    #[test]
    fn a_request_that_met_only_crashes_is_told_so() {
        let mut scene = Scene::new(|_| {});
        scene.call("m");
        scene.exit(1);
        scene.exit(2);
        scene.now += Duration::from_secs(30);
        let expired = scene.on(Event::Deadline);
        assert!(
            expired
                .contains("(opcua#0 is in backoff, its last worker: killed by SIGKILL); the request was not"),
            "{expired}"
        );
    }

    #[test]
    fn a_reply_to_something_else_does_not_free_the_worker() {
        let mut scene = Scene::ready(|_| {});
        scene.call("m");
        scene.call("m");
        assert_eq!(scene.reply(1, 2), "", "that one waits; it is not this worker's");
        assert_eq!(scene.reply(1, 99), "");
        assert_eq!(scene.reply(1, 1), r#"{"ok":true,"data":42}; send 1"#);
    }

    #[test]
    fn stop_answers_the_queue_drains_and_exits() {
        let mut scene = Scene::ready(|_| {});
        scene.call("m");
        scene.call("m");
        let stop = scene.on(Event::Stop);
        assert!(stop.starts_with("drain; ") && stop.contains("shutting_down"), "{stop}");
        assert!(scene.call("m").contains("shutting_down"));
        assert!(scene.call("ping").contains(r#""status":"ok""#));
        assert_eq!(scene.call("daemon.status"), "report stopping");
        assert_eq!(scene.reply(1, 1), r#"{"ok":true,"data":42}"#, "what was started is finished");
        assert_eq!(scene.exit(1), "exit");
    }

    #[test]
    fn stop_before_anything_lives_exits_at_once() {
        let mut scene = Scene::new(|_| {});
        scene.on(Event::SpawnFailed { worker: WorkerId(1), why: "x".into() });
        scene.on(Event::SpawnFailed { worker: WorkerId(2), why: "x".into() });
        scene.call("m");
        let stop = scene.on(Event::Stop);
        assert!(stop.contains("shutting_down") && stop.ends_with("exit"), "{stop}");
    }

    #[test]
    fn stop_now_kills() {
        let mut scene = Scene::ready(|_| {});
        scene.on(Event::Stop);
        assert_eq!(scene.on(Event::StopNow), "kill");
    }

    #[test]
    fn a_broken_link_ends_the_worker() {
        let mut scene = Scene::ready(|_| {});
        assert_eq!(scene.on(Event::LinkBroken { worker: WorkerId(1), why: "garbage".into() }), "kill");
    }

    #[test]
    fn work_goes_round() {
        let mut scene = Scene::ready(|config| config.workers = 2);
        scene.now += Duration::from_secs(1);
        scene.make_ready(WorkerId(2));
        assert_eq!(scene.call("m"), "send 1");
        scene.now += Duration::from_secs(1);
        scene.reply(1, 1);
        assert_eq!(scene.call("m"), "send 2");
    }

    #[test]
    fn without_a_link_nothing_is_offered() {
        let mut scene = Scene::new(|config| config.link = false);
        assert!(scene.call("m").contains("unknown_method"));
    }
}
