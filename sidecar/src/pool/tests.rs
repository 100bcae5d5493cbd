//! The pool's rules, each as a list of events and of orders, with a simulated clock. DESIGN §3, row by row.

use std::time::Duration;

use rustdaemon_core::link::{self, Hello};

use super::*;
use crate::config::HangAction;
use crate::control::Command;
use crate::reason::Look;

mod reload;

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
        Hello { lowest: 1, highest: link::HIGHEST_VERSION, ..Hello::default() }
    }

    fn make_ready(&mut self, worker: WorkerId) {
        self.pool.spawned(self.now, worker, 100);
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
    assert_eq!(scene.pool.answered(scene.now, worker, None), []);
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
fn a_start_that_failed_is_never_tried_again_in_the_same_breath() {
    for short_run in [0, 5] {
        let mut scene = Scene::new(|config| config.short_run = Duration::from_secs(short_run));
        let worker = scene.start();
        let orders = scene.pool.spawn_failed(scene.now, worker, "No such file or directory");
        assert_eq!(Scene::deeds(orders), [], "short_run {short_run}");
        assert_eq!(scene.state(), State::Backoff);
        let retry = scene.pool.next_deadline().unwrap();
        assert!(retry >= scene.now + Duration::from_millis(100));
        Scene::spawn_of(&Scene::deeds(scene.pool.tick(retry)));
    }
}

#[test]
fn who_sent_a_stop_signal_is_said_and_who_has_one_is_known() {
    let mut scene = Scene::new(|_| {});
    let worker = scene.start();
    scene.make_ready(worker);
    let term = Signalled { signal: "SIGTERM".into(), ..Signalled::default() };
    assert_eq!(Scene::said(&scene.pool.signalled(worker, term.clone())), "opcua#0: SIGTERM from the kernel");
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
    assert!(scene.view().life.unwrap().signals_taken.is_empty(), "the next worker has not given any away");
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
    assert_eq!((scene.state(), scene.pool.next_deadline()), (State::Parked, Some(scene.now + 300 * SECOND)));
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
    assert_eq!(Scene::said(&scene.pool.hello(scene.now, worker, &hello)), "", "not again after a restart");
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
    assert_eq!(Scene::deeds(scene.exit(second)), [], "an end during the stop is no reason to start again");
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
        self.pool.answered(self.now, worker, None)
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
    assert_eq!(Scene::deeds(scene.tick_at(scene.now + 6 * SECOND)), [Order::Terminate(worker)], "stop wins");
    assert_eq!(Scene::deeds(scene.end_as(worker, ExitStatus::Code(0))), []);
    assert_eq!(scene.last_reason().0, "stop");
}

#[test]
fn a_request_that_ends_starts_the_budget() {
    let (mut scene, worker) = single(|_| {});
    scene.pool.busy(scene.now, worker, scene.now + 30 * SECOND);
    scene.command(Command::Restart);
    scene.now += SECOND;
    scene.pool.answered(scene.now, worker, None);
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
    assert_eq!(scene.pool.idle_for("m"), None, "but from now on it gets no request");
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
    assert_eq!(
        scene.last_reason().1,
        "exit 0; it has answered 2 requests, which is max_requests less its jitter"
    );
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
        config.memory_soft = Some(1000);
    });
    let softs: BTreeSet<u64> = scene.pool.lives.values().filter_map(|life| life.memory_soft).collect();
    assert!(softs.len() == 2 && softs.iter().all(|limit| (500..=1000).contains(limit)), "{softs:?}");
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
        config.jitter = 0.0;
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
    assert_eq!(Scene::deeds(scene.pool.sampled(scene.now, worker, (1 << 20) + 1)), [Order::Drain(worker)]);
    assert_eq!(Scene::deeds(scene.pool.sampled(scene.now, worker, (2 << 20) + 1)), [Order::Kill(worker)]);
    assert_eq!(scene.pool.sampled(scene.now, worker, u64::MAX), [], "once");
    scene.end_as(worker, ExitStatus::Signal { number: 9, core: false });
    let expected = "killed by SIGKILL; 2.0 MiB in use, memory_hard is 2.0 MiB";
    assert_eq!(scene.last_reason(), ("memory_hard".into(), expected.into()));
}

#[test]
fn the_memory_of_who_has_jobs_is_looked_at_between_requests_as_well() {
    let (mut scene, worker) = single(|config| {
        config.memory_soft = Some(1 << 20);
        config.hang_timeout = None;
    });
    scene.pool.ready(scene.now, worker, Ready { jobs: true, ..Ready::default() });
    for _ in 0..3 {
        assert_eq!(Scene::deeds(scene.tick_at(scene.now + SECOND)), [Order::Sample(worker)]);
    }
}

fn look(quiet: u64, spared: bool) -> Look {
    let doing = "blocked in sleep() at /x.php:3".to_owned();
    Look { quiet: Some(Duration::from_secs(quiet)), left: None, doing, spared }
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
fn who_has_jobs_is_looked_at_between_requests_as_well() {
    let (mut scene, worker) = single(|_| {});
    assert_eq!(scene.pool.next_deadline(), None, "nothing is in hand without a request");
    scene.pool.ready(scene.now, worker, Ready { jobs: true, ..Ready::default() });
    for told in [1, 0] {
        assert_eq!(Scene::deeds(scene.tick_at(scene.now + 60 * SECOND)), [Order::Observe(worker)]);
        assert_eq!(scene.pool.observed(scene.now, worker, &look(60, false)).len(), told, "said once");
    }
    scene.pool.busy(scene.now, worker, scene.now + 30 * SECOND);
    scene.pool.answered(scene.now, worker, None);
    assert_eq!(scene.pool.next_deadline(), Some(scene.now + 60 * SECOND));
}

#[test]
fn a_job_with_a_deadline_of_its_own_has_until_then() {
    let (mut scene, worker) = single(|_| {});
    scene.pool.ready(scene.now, worker, Ready { jobs: true, ..Ready::default() });
    for (left, next) in [(240, 60), (20, 20)] {
        scene.tick_at(scene.now + 60 * SECOND);
        let early = Look { left: Some(left * SECOND), ..look(3600, false) };
        assert_eq!(scene.pool.observed(scene.now, worker, &early), [], "{left} s are left");
        assert_eq!(scene.pool.next_deadline(), Some(scene.now + next * SECOND));
    }
    scene.tick_at(scene.now + 20 * SECOND);
    let late = Look { left: Some(Duration::ZERO), ..look(20, false) };
    assert!(Scene::said(&scene.pool.observed(scene.now, worker, &late)).contains("opcua#0 hangs"));
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
        Scene::said(&orders).contains("even KILL does not end it, and no other one is started"),
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

// ---- what a reader of all this found

#[test]
fn a_hello_of_one_that_is_being_ended_parks_nobody() {
    let mut scene = Scene::new(|config| config.hang_action = HangAction::Restart);
    let worker = scene.start();
    scene.tick_at(scene.now + 30 * SECOND);
    let orders = scene.pool.hello(scene.now, worker, &Scene::hello());
    assert!(matches!(orders[..], [Order::Refuse(..)]), "{orders:?}");
    assert_eq!(starts(&scene.end_as(worker, ExitStatus::Code(1))).len(), 1);
}

#[test]
fn who_closes_its_link_and_lives_on_is_ended() {
    let (mut scene, worker) = single(|_| {});
    scene.pool.link_ended(scene.now, worker);
    assert_eq!(scene.pool.next_deadline(), Some(scene.now + DEAF_GRACE));
    assert_eq!(Scene::deeds(scene.tick_at(scene.now + DEAF_GRACE)), [Order::Kill(worker)]);
    scene.end_as(worker, ExitStatus::Signal { number: 9, core: false });
    assert_eq!(scene.last_reason().0, "link_broken");
    let (mut scene, worker) = single(|_| {});
    scene.pool.link_ended(scene.now, worker);
    scene.end_as(worker, ExitStatus::Code(0));
    assert_eq!(scene.last_reason().1, "exit 0", "the usual case");
}

#[test]
fn a_start_that_had_to_wait_has_all_its_time() {
    let mut scene = Scene::new(|config| config.link = false);
    let worker = scene.start();
    scene.now += SECOND / 2;
    scene.pool.spawned(scene.now, worker, 7);
    assert_eq!(scene.pool.next_deadline(), Some(scene.now + SECOND));
}

#[test]
fn a_hang_in_a_loop_of_ones_own_is_said_once() {
    let (mut scene, worker) = single(|_| {});
    scene.pool.ready(scene.now, worker, Ready { own_loop: true, ..Ready::default() });
    scene.now += 100 * SECOND;
    assert_eq!(scene.pool.observed(scene.now, worker, &look(61, false)).len(), 1);
    assert_eq!(scene.pool.observed(scene.now, worker, &look(90, false)), []);
    let idle = Look { quiet: None, ..look(0, false) };
    assert_eq!(scene.pool.observed(scene.now, worker, &idle), []);
    assert_eq!(scene.pool.observed(scene.now, worker, &look(62, false)).len(), 1, "another job");
}

#[test]
fn who_was_only_asleep_does_not_hang() {
    let (mut scene, worker) = single(|config| config.hang_action = HangAction::Restart);
    scene.pool.busy(scene.now, worker, scene.now + 300 * SECOND);
    scene.now += 59 * SECOND;
    scene.pool.stood_still(scene.now);
    scene.tick_at(scene.now + SECOND);
    assert_eq!(scene.pool.observed(scene.now, worker, &look(660, false)), []);
    assert_eq!(scene.pool.next_deadline(), Some(scene.now + 59 * SECOND));
}
