//! Workers and requests together: events in, actions out, with a simulated clock.

use std::time::Duration;

use rustdaemon_core::link::Method;
use rustdaemon_core::sys::ExitStatus;

use super::*;
use crate::config::{HangAction, PoolConfig};

mod messages;
mod rest;

const CLIENT: ClientId = ClientId(1);

struct Scene {
    daemon: Daemon,
    now: Instant,
}

impl Scene {
    fn new(change: impl FnOnce(&mut PoolConfig)) -> Self {
        let mut pool = PoolConfig::new("opcua", vec!["php".into()]);
        change(&mut pool);
        let config = Config { socket: "/run/x.sock".into(), pools: vec![pool], ..Config::default() };
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

    /// Its link knows no claims: it has one request in hand.
    fn make_ready(&mut self, worker: WorkerId) -> String {
        self.make_ready_with(worker, 1)
    }

    fn make_ready_with(&mut self, worker: WorkerId, highest: u16) -> String {
        self.on(Event::Spawned { worker, pid: 7 });
        let hello = Hello { lowest: 1, highest, ..Hello::default() };
        self.on(Event::Hello { worker, hello });
        let method =
            |name: &str| Method { name: name.into(), description: None, idempotent: name == "again" };
        let methods = vec![method("m"), method("again")];
        self.on(Event::Ready { worker, ready: Ready { methods, ..Ready::default() } })
    }

    /// What is done about an event, one word each; answers as they are written.
    fn on(&mut self, event: Event) -> String {
        let mut actions = Vec::new();
        self.daemon.on(self.now, event, &mut actions);
        let words = actions.iter().filter_map(|action| match action {
            Action::Answer { line, .. } => {
                Some(String::from_utf8_lossy(line).trim_end().replace("\"id\":1,\"t\":\"res\",", ""))
            }
            Action::Send { worker, .. } => Some(format!("send {}", worker.0)),
            Action::Recall { worker, claims } => {
                let sequences: Vec<u64> = claims.iter().map(|claim| claim.sequence).collect();
                Some(format!("recall {} {sequences:?}", worker.0))
            }
            Action::Forbidden { .. } => None,
            Action::Report { .. } => Some(format!("report {}", self.daemon.status(self.now).state)),
            Action::Logs { query, .. } => Some(format!("{} lines", query.lines)),
            Action::Tell { notice, .. } => {
                let words = [&notice.worker, &notice.state].map(|word| word.clone().unwrap_or_default());
                Some(format!("<{} {}>", notice.event, words.join(" ")))
            }
            Action::Resize(workers) => Some(format!("resize {workers}")),
            Action::Exit(code) => Some(if *code == 0 { "exit".into() } else { format!("exit {code}") }),
            Action::Worker(Order::Say(..)) => None,
            Action::Worker(order) => Some(format!("{order:?}").split([' ', '(']).next()?.to_lowercase()),
        });
        words.collect::<Vec<_>>().join("; ")
    }

    /// Time passes, and every timer is on time.
    fn pass(&mut self, time: Duration) -> String {
        let until = self.now + time;
        let mut words = Vec::new();
        while let Some(at) = self.daemon.next_deadline().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            words.push(self.on(Event::Deadline));
        }
        self.now = until;
        words.retain(|word| !word.is_empty());
        words.join("; ")
    }

    /// With so many workers whose links know claims.
    fn claiming(workers: u32, change: impl FnOnce(&mut PoolConfig)) -> Self {
        let mut scene = Self::new(|pool| {
            pool.workers = workers;
            change(pool);
        });
        for worker in 1..=u64::from(workers) {
            scene.make_ready_with(WorkerId(worker), link::HIGHEST_VERSION);
            scene.now += Duration::from_millis(1);
        }
        scene
    }

    fn recalled(&mut self, worker: u64, back: &[u64], kept: &[u64]) -> String {
        let (back, kept) = (back.to_vec(), kept.to_vec());
        self.on(Event::Recalled { worker: WorkerId(worker), back, kept })
    }

    fn ask(&mut self, line: &str) -> String {
        let request = dialect::parse(line.as_bytes(), None).unwrap().one();
        let role = Role::Admin;
        self.on(Event::Request { client: CLIENT, request, peer: PEER, role, unix_time: 1.5 })
    }

    fn call(&mut self, method: &str) -> String {
        self.ask(&format!(r#"{{"id":1,"t":"req","method":"{method}","args":[]}}"#))
    }

    fn reply(&mut self, worker: u64, sequence: u64) -> String {
        self.on(Event::Reply { worker: WorkerId(worker), sequence, outcome: Ok(b"42".to_vec()) })
    }

    /// The end of a worker that had begun all that it was sent.
    fn exit(&mut self, worker: u64) -> String {
        self.exit_having_begun(worker, &(1..100).collect::<Vec<_>>())
    }

    fn exit_having_begun(&mut self, worker: u64, begun: &[u64]) -> String {
        let status = ExitStatus::Signal { number: 9, core: false };
        let exit = Box::new(Exit { begun: begun.to_vec(), ..Exit::of(status) });
        self.on(Event::Exited { worker: WorkerId(worker), exit })
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
    assert!(scene.call("worker.nothing").contains("unknown_method"));
    assert!(scene.ask(r#"{"command":"worker.pause"}"#).contains("unknown_command"));
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
    assert_eq!(scene.exit_having_begun(1, &[1]), "spawn", "no answer yet");
    assert_eq!(scene.make_ready(WorkerId(2)), "send 2");
    assert_eq!(scene.reply(2, 2), r#"{"ok":true,"data":42}"#);
    assert_eq!(scene.call("m"), "send 2");
    assert_eq!(scene.make_ready(WorkerId(3)), "");
    assert_eq!(scene.exit_having_begun(2, &[2]), "spawn; send 3", "an idle one takes it at once");
    scene.on(Event::Stop);
    assert!(scene.exit_having_begun(3, &[]).contains("shutting_down"), "a stop answers it");
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
    assert!(expired.contains("may have been executed") && expired.contains("was not started"), "{expired}");
    assert_eq!(scene.call("m"), "", "the worker is still busy");
    assert_eq!(scene.reply(1, 1), "send 1", "the late reply is dropped, the worker is free");
}

#[test]
fn a_clients_own_timeout_replaces_the_pools() {
    let mut scene = Scene::ready(|_| {});
    let with = |timeout: &str| format!(r#"{{"id":1,"t":"req","method":"m","args":[],"timeout":{timeout}}}"#);
    assert_eq!(scene.ask(&with("60")), "send 1");
    assert_eq!(scene.ask(&with("2.5")), "");
    assert_eq!(scene.pass(Duration::from_millis(2400)), "");
    let short = scene.pass(Duration::from_millis(100));
    assert!(short.contains("No worker was free within 2.5 s"), "{short}");
    assert_eq!(scene.pass(Duration::from_secs(57)), "", "longer than the pool's 30 s");
    let long = scene.pass(Duration::from_secs(1));
    assert!(long.contains("No answer within 60 s"), "{long}");
}

#[test]
fn json_rpc_is_answered_as_one_and_a_notification_with_nothing() {
    let mut scene = Scene::ready(|_| {});
    assert_eq!(scene.ask(r#"{"jsonrpc":"2.0","id":"x","method":"m"}"#), "send 1");
    assert_eq!(scene.reply(1, 1), r#"{"jsonrpc":"2.0","result":42,"id":"x"}"#);
    assert_eq!(scene.ask(r#"{"jsonrpc":"2.0","method":"m"}"#), "send 1");
    assert_eq!(scene.reply(1, 2), "", "an answer of no bytes");
    assert_eq!(scene.ask(r#"{"jsonrpc":"2.0","method":"nobodys"}"#), "");
}

#[test]
fn a_machine_that_stood_still_ends_nobody() {
    let mut scene = Scene::ready(|config| config.hang_action = HangAction::Restart);
    scene.call("m");
    let hour = Duration::from_secs(3600);
    scene.now += hour;
    scene.on(Event::StoodStill(hour));
    assert_eq!(scene.on(Event::Deadline), "", "neither the request nor the worker");
    assert_eq!(scene.pass(Duration::from_secs(29)), "", "all deadlines have moved");
    assert!(scene.pass(Duration::from_secs(1)).contains("deadline_exceeded"));
    assert_eq!(scene.pass(Duration::from_secs(30)), "observe");
    scene.on(Event::Stop);
    scene.now += hour;
    scene.on(Event::StoodStill(hour));
    assert_eq!(scene.on(Event::Deadline), "", "it has its whole budget");
    assert_eq!(scene.pass(Duration::from_secs(6)), "terminate");
}

#[test]
fn a_request_that_met_only_crashes_is_told_so() {
    let mut scene = Scene::new(|_| {});
    scene.call("m");
    let mut expired = String::new();
    for _ in 0..300 {
        (1..12).for_each(|worker| drop(scene.exit(worker)));
        expired += &scene.pass(Duration::from_millis(100));
    }
    let told = "(opcua#0 is parked, its last worker: killed by SIGKILL from outside); the request was not";
    assert!(expired.contains(told), "{expired}");
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
    assert!(scene.call("ping").contains("shutting_down"), "a probe is to fail");
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

#[test]
fn requests_are_sent_ahead_only_while_nobody_is_idle() {
    let mut scene = Scene::claiming(2, |pool| (pool.prefetch, pool.queue) = (2, 3));
    let sent: Vec<String> = (0..6).map(|_| scene.call("m")).collect();
    assert_eq!(sent[..4], ["send 1", "send 2", "send 1", "send 2"]);
    assert_eq!(sent[4], "", "both are full: it waits");
    assert!(sent[5].contains("busy"), "{}", sent[5]);
    assert_eq!(scene.reply(1, 1), r#"{"ok":true,"data":42}; send 1"#, "the one that waited");
}

#[test]
fn who_becomes_idle_takes_over_what_the_busiest_has_not_begun() {
    let mut scene = Scene::claiming(2, |_| {});
    (0..5).for_each(|_| drop(scene.call("m"))); // 1 3 5 and 2 4
    scene.reply(2, 2);
    assert_eq!(scene.reply(2, 4), r#"{"ok":true,"data":42}; recall 1 [3, 5]"#);
    assert_eq!(scene.recalled(1, &[3, 5], &[]), "send 2; send 2");
    assert_eq!(scene.reply(2, 3), r#"{"ok":true,"data":42}"#);
    assert_eq!(
        scene.reply(2, 5),
        r#"{"ok":true,"data":42}"#,
        "of one that is being done nothing can be taken"
    );
    assert_eq!(scene.call("m"), "send 2", "the idle one, not the blocked one");
}

#[test]
fn what_comes_back_is_spread_over_all_who_are_idle() {
    let mut scene = Scene::claiming(4, |_| {});
    (0..13).for_each(|_| drop(scene.call("m"))); // the first worker has 1, 5, 9 and 13
    assert_eq!(scene.on(Event::Leaving { worker: WorkerId(1) }), "recall 1 [1, 5, 9, 13]");
    for (worker, sequences) in [(2, [2, 6, 10]), (3, [3, 7, 11]), (4, [4, 8, 12])] {
        sequences.iter().for_each(|sequence| drop(scene.reply(worker, *sequence)));
    }
    let spread = scene.recalled(1, &[5, 9, 13], &[1]);
    assert_eq!(spread, "send 2; send 3; send 4");
}

#[test]
fn who_is_idle_asks_one_after_the_other_until_somebody_has_something() {
    let mut scene = Scene::claiming(3, |_| {});
    (0..6).for_each(|_| drop(scene.call("m"))); // 1 4, 2 5, 3 6
    scene.reply(1, 1);
    assert_eq!(scene.reply(1, 4), r#"{"ok":true,"data":42}; recall 3 [6]"#);
    assert_eq!(scene.recalled(3, &[], &[6]), "recall 3 [3]", "it may be at the later one");
    assert_eq!(scene.recalled(3, &[], &[3]), "recall 2 [5]");
    assert_eq!(scene.recalled(2, &[5], &[]), "send 1");
}

#[test]
fn a_worker_that_has_closed_its_link_gets_nothing_and_gives_back_what_it_has() {
    let mut scene = Scene::claiming(2, |_| {});
    (0..4).for_each(|_| drop(scene.call("m")));
    assert_eq!(scene.on(Event::LinkEnded { worker: WorkerId(1) }), "recall 1 [1, 3]");
    scene.recalled(1, &[3], &[1]);
    assert_eq!(scene.call("m"), "", "it waits behind the one that came back");
    assert_eq!(scene.reply(2, 2), r#"{"ok":true,"data":42}; send 2; send 2"#);
}

#[test]
fn what_was_begun_meanwhile_stays() {
    let mut scene = Scene::claiming(2, |_| {});
    (0..3).for_each(|_| drop(scene.call("m")));
    assert_eq!(scene.reply(2, 2), r#"{"ok":true,"data":42}; recall 1 [3]"#);
    assert_eq!(scene.recalled(1, &[], &[3]), "recall 1 [1]");
    assert_eq!(scene.recalled(1, &[], &[1]), "");
    assert_eq!(scene.reply(1, 1), r#"{"ok":true,"data":42}"#);
    assert_eq!(scene.reply(1, 3), r#"{"ok":true,"data":42}"#);
}

#[test]
fn pause_drain_and_leaving_take_everything_back() {
    let mut scene = Scene::claiming(2, |_| {});
    (0..4).for_each(|_| drop(scene.call("m")));
    let paused = scene.ask(r#"{"id":1,"t":"req","method":"worker.pause","args":["opcua#0"]}"#);
    assert!(paused.starts_with("recall 1 [1, 3]; pause"), "{paused}");
    assert_eq!(scene.recalled(1, &[3], &[1]), "", "it waits for the other one");
    assert_eq!(scene.on(Event::Leaving { worker: WorkerId(2) }), "recall 2 [2, 4]");
    assert_eq!(scene.recalled(2, &[2, 4], &[]), "", "nobody serves");
    assert_eq!(scene.call("m"), "");
    assert_eq!(scene.exit_having_begun(2, &[]), "spawn");
    assert_eq!(scene.make_ready_with(WorkerId(3), 4), "send 3; send 3; send 3; send 3");
    let stop = scene.on(Event::Stop);
    assert!(stop.contains("recall 3 [2, 3, 4, 5]; drain"), "{stop}");
    let refused = scene.recalled(3, &[3, 4, 5], &[2]);
    assert_eq!(refused.matches("shutting_down").count(), 3, "{refused}");
}

#[test]
fn of_a_dead_workers_requests_only_the_begun_one_is_lost() {
    let mut scene = Scene::claiming(1, |_| {});
    (0..3).for_each(|_| drop(scene.call("m")));
    let died = scene.exit_having_begun(1, &[1]);
    assert_eq!((died.matches("worker_died").count(), died.ends_with("spawn")), (1, true), "{died}");
    assert_eq!(scene.make_ready_with(WorkerId(2), 4), "send 2; send 2");
}

#[test]
fn an_idempotent_request_is_tried_once_more() {
    let mut scene = Scene::claiming(1, |_| {});
    scene.call("again");
    assert_eq!(scene.exit(1), "spawn", "no answer yet");
    assert_eq!(scene.make_ready_with(WorkerId(2), 4), "send 2");
    assert!(scene.exit(2).contains("worker_died"), "not a third time");
}

#[test]
fn a_deadline_asks_whether_the_request_was_begun() {
    let mut scene = Scene::claiming(1, |_| {});
    scene.call("m");
    scene.call("m");
    scene.now += Duration::from_secs(30);
    assert_eq!(scene.on(Event::Deadline), "recall 1 [1]; recall 1 [2]");
    assert!(scene.recalled(1, &[], &[1]).contains("may have been executed"));
    assert!(scene.recalled(1, &[2], &[]).contains("was not started"));
    assert_eq!(scene.call("m"), "send 1", "ahead: it is still at the first one");
    assert_eq!(scene.reply(1, 1), "", "the late reply is dropped");
    assert_eq!(scene.reply(1, 3), r#"{"ok":true,"data":42}"#);
}

#[test]
fn a_pool_is_scaled_up_and_down() {
    let mut scene = Scene::claiming(1, |pool| pool.workers = 1);
    let scale = |scene: &mut Scene, workers: u32| {
        scene.ask(&format!(r#"{{"id":1,"t":"req","method":"worker.scale","args":[null,{workers}]}}"#))
    };
    assert_eq!(scale(&mut scene, 3), "spawn; spawn; resize 3");
    assert_eq!(scene.make_ready_with(WorkerId(2), link::HIGHEST_VERSION), "");
    let told = scene.make_ready_with(WorkerId(3), link::HIGHEST_VERSION);
    assert!(told.contains(r#""name":"opcua#2","state":"idle""#), "{told}");
    assert_eq!(scene.call("m"), "send 1");
    assert_eq!(scene.call("m"), "send 2");
    assert_eq!(scale(&mut scene, 1), "recall 2 [2]; drain; drain; resize 1", "2 may finish what it has");
    let gone = |scene: &mut Scene, worker| {
        let exit = Box::new(Exit::of(ExitStatus::Code(0)));
        scene.on(Event::Exited { worker: WorkerId(worker), exit })
    };
    assert_eq!(gone(&mut scene, 3), "");
    assert_eq!(scene.daemon.status(scene.now).workers.len(), 2);
    let reply = Event::Reply { worker: WorkerId(2), sequence: 2, outcome: Ok(b"7".to_vec()) };
    assert!(scene.on(reply).contains("\"data\":7"));
    let told = gone(&mut scene, 2);
    assert!(told.contains(r#""workers":[{"name":"opcua#0","state":"busy""#), "{told}");
    assert_eq!(scene.daemon.status(scene.now).workers.len(), 1);
}

#[test]
fn a_scale_meets_another_one_and_a_reload() {
    let mut scene = Scene::claiming(2, |_| {});
    let ask = |scene: &mut Scene, method: &str, args: &str| {
        scene.ask(&format!(r#"{{"id":1,"t":"req","method":"{method}","args":{args}}}"#))
    };
    assert_eq!(ask(&mut scene, "worker.scale", "[null,1]"), "drain; resize 1");
    let told = ask(&mut scene, "worker.scale", "[null,2]");
    assert!(told.starts_with("resize 2; ") && told.contains("was scaled to 2 meanwhile"), "{told}");
    let exit = Box::new(Exit::of(ExitStatus::Code(0)));
    assert_eq!(scene.on(Event::Exited { worker: WorkerId(2), exit }), "spawn", "the slot is wanted again");
    ask(&mut scene, "daemon.reload", "[]");
    assert!(ask(&mut scene, "worker.scale", "[null,3]").contains("a reload of opcua is under way"));
}

#[test]
fn a_subscriber_is_told_of_changes_and_not_of_requests() {
    let mut scene = Scene::ready(|_| {});
    let standing = scene.call("daemon.subscribe");
    assert!(standing.contains(r#""workers":[{"name":"opcua#0","state":"idle","pid":7}]"#), "{standing}");
    assert_eq!(scene.call("m"), "send 1");
    let reply = Event::Reply { worker: WorkerId(1), sequence: 1, outcome: Ok(b"7".to_vec()) };
    assert!(!scene.on(reply).contains('<'));
    let exit = Box::new(Exit::of(ExitStatus::Code(3)));
    assert_eq!(scene.on(Event::Exited { worker: WorkerId(1), exit }), "<worker.ended opcua#0 >; spawn");
    let spawned = Event::Spawned { worker: WorkerId(2), pid: 8 };
    assert_eq!(scene.on(spawned), "<worker.state opcua#0 starting>");
    scene.daemon.unsubscribe(CLIENT);
    assert_eq!(scene.make_ready(WorkerId(2)), "");
    let told = scene.ask(r#"{"jsonrpc":"2.0","id":1,"method":"daemon.subscribe","params":["opcua#1"]}"#);
    assert!(told.contains("there is no worker opcua#1; there are: opcua"), "{told}");
    let told = scene.ask(r#"{"jsonrpc":"2.0","method":"daemon.subscribe"}"#);
    assert!(!told.contains('<') && scene.daemon.subscribers.is_empty(), "a notification has no line: {told}");
}

#[test]
fn what_changes_something_needs_a_role_and_the_end_the_highest() {
    for (method, _) in Control::METHODS {
        let expected = if method == "daemon.stop" { Role::Admin } else { Role::Control };
        assert_eq!(Role::for_built_in(method), expected, "{method}");
    }
    assert_eq!(Role::for_built_in("daemon.status"), Role::Status);
    assert_eq!(
        Role::for_built_in("daemon.what-comes-later"),
        Role::Admin,
        "until somebody has thought of it"
    );
    let mut scene = Scene::ready(|_| {});
    let mut ask = |role: Role, method: &str| {
        let line = format!(r#"{{"id":1,"t":"req","method":"{method}","args":[]}}"#);
        let request = dialect::parse(line.as_bytes(), None).unwrap().one();
        scene.on(Event::Request { client: CLIENT, request, peer: PEER, role, unix_time: 1.5 })
    };
    assert!(ask(Role::Status, "ping").contains("\"status\":\"ok\""));
    assert!(
        ask(Role::Status, "m").contains("m needs the role call, and this connection has the role status")
    );
    assert!(ask(Role::Call, "worker.pause").contains("worker.pause needs the role control"));
    assert_eq!(ask(Role::Call, "m"), "send 1");
    assert_eq!(ask(Role::Call, "daemon.status"), "report running");
}

#[test]
fn a_stranger_is_told_only_that_somebody_is_there() {
    let token = crate::access::Token::new(b"x").unwrap();
    let mut scene = Scene::ready(|_| {});
    let line = br#"{"id":1,"t":"req","method":"ping","args":[]}"#;
    let ping = || {
        let request = dialect::parse(line, Some(&token)).unwrap().one();
        Event::Request { client: CLIENT, request, peer: PEER, role: Role::Call, unix_time: 1.5 }
    };
    assert_eq!(scene.on(ping()), r#"{"ok":true,"data":{"status":"ok"}}"#);
    scene.on(Event::Stop);
    assert!(scene.on(ping()).contains("shutting_down"), "the probe fails at a daemon that stops");
}

fn bind_it(scene: &mut Scene, worker: u64, value: &str) -> String {
    let bind = Bind { value: value.into(), ttl: Some(600.0) };
    scene.on(Event::Bind { worker: WorkerId(worker), sequence: 1, bind })
}

fn named(scene: &mut Scene, method: &str, session: &str) -> String {
    scene.ask(&format!(r#"{{"id":1,"t":"req","method":"{method}","session":"{session}","args":[]}}"#))
}

#[test]
fn a_bind_in_a_worker_that_is_to_pause_keeps_its_sessions() {
    let mut scene = Scene::claiming(1, |_| {});
    scene.call("m");
    bind_it(&mut scene, 1, "old");
    scene.reply(1, 1);
    assert_eq!(scene.daemon.sessions.bound(), 1);
    assert_eq!(scene.call("m"), "send 1");
    let paused = scene.ask(r#"{"id":1,"t":"req","method":"worker.pause","args":["opcua"]}"#);
    assert!(paused.contains("pause"), "{paused}");
    assert_eq!(bind_it(&mut scene, 1, "new"), "send 1");
    assert_eq!(scene.daemon.sessions.bound(), 2, "paused, not ended");
}

/// Two pools that offer the same, each with a worker that is ready.
fn two_pools() -> (Scene, [WorkerId; 2]) {
    let (mut scene, workers) = two_pools_that_boot();
    workers.iter().for_each(|worker| drop(scene.make_ready_with(*worker, link::HIGHEST_VERSION)));
    (scene, workers)
}

fn two_pools_that_boot() -> (Scene, [WorkerId; 2]) {
    let pools = ["a", "b"].map(|name| PoolConfig::new(name, vec!["php".into()])).to_vec();
    let config = Config { socket: "/run/x.sock".into(), pools, ..Config::default() };
    let now = Instant::now();
    let mut scene = Scene { daemon: Daemon::new(now, config, 1), now };
    let mut actions = Vec::new();
    scene.daemon.on(now, Event::Start, &mut actions);
    let mut started = actions.iter().filter_map(|action| match action {
        Action::Worker(Order::Spawn { worker, .. }) => Some(*worker),
        _ => None,
    });
    let workers = [(); 2].map(|()| started.next().unwrap());
    (scene, workers)
}

#[test]
fn a_request_for_a_session_is_not_another_pools() {
    let (mut scene, [one, two]) = two_pools();
    assert_ne!(one.pool(), two.pool());
    assert_eq!(scene.call("m"), format!("send {}", one.0)); // 1
    bind_it(&mut scene, one.0, "s");
    assert_eq!(scene.call("m"), format!("send {}", two.0)); // 2
    scene.reply(1, 1);
    let paused = scene.ask(r#"{"id":1,"t":"req","method":"worker.pause","args":["a"]}"#);
    assert!(paused.contains("pause"), "{paused}");
    scene.on(Event::Paused { worker: one, paused: true });
    assert_eq!(named(&mut scene, "m", "s"), "", "3 waits for its owner");
    scene.on(Event::Reply { worker: two, sequence: 2, outcome: Ok(b"1".to_vec()) });
    assert_eq!(scene.daemon.router.entry(3).unwrap().worker, None, "it is the other pool's");
}

#[test]
fn what_was_begun_for_a_lost_session_is_refused_when_its_worker_dies() {
    let mut scene = Scene::claiming(2, |_| {});
    assert_eq!(scene.call("m"), "send 1");
    bind_it(&mut scene, 1, "s");
    scene.reply(1, 1);
    assert_eq!(named(&mut scene, "again", "s"), "send 1");
    scene.on(Event::Leaving { worker: WorkerId(1) });
    scene.recalled(1, &[], &[2]);
    let died = scene.exit_having_begun(1, &[2]);
    assert!(died.contains("session_lost"), "{died} / {:?}", scene.daemon.router.entry(2));
}

#[test]
fn sharing_keeps_a_chains_order() {
    let mut scene = Scene::claiming(2, |_| {});
    assert_eq!(scene.call("m"), "send 1"); // 1, its handler binds "s"
    assert_eq!(scene.call("m"), "send 2"); // 2
    assert_eq!(named(&mut scene, "m", "s"), "send 1"); // 3, ahead, not pinned
    bind_it(&mut scene, 1, "s");
    assert_eq!(named(&mut scene, "m", "s"), ""); // 4 waits until 3 is answered
    let shared = scene.reply(2, 2);
    assert!(shared.ends_with("recall 1 [3]"), "it is its own by now, and comes back to it: {shared}");
    assert_eq!(scene.recalled(1, &[3], &[]), "");
    assert!(scene.reply(1, 1).ends_with("send 1"));
    assert!(scene.reply(1, 3).ends_with("send 1"), "and 4 after it");
}

#[test]
fn order_holds_for_what_came_before_the_pool_was_ready() {
    let mut scene = Scene::new(|pool| {
        pool.workers = 2;
        pool.affinity = "id".into();
    });
    let ask = |scene: &mut Scene| scene.ask(r#"{"id":1,"t":"req","method":"m","args":{"id":"s"}}"#);
    assert_eq!(ask(&mut scene), "");
    assert_eq!(ask(&mut scene), "");
    let first = scene.make_ready_with(WorkerId(1), link::HIGHEST_VERSION);
    let second = scene.make_ready_with(WorkerId(2), link::HIGHEST_VERSION);
    let both = format!("{first} / {second}");
    assert_eq!(both.matches("send").count(), 1, "{both}");
    assert!(!scene.daemon.router.claims(WorkerId(1)).is_empty());
}

#[test]
fn a_method_that_the_sessions_worker_does_not_offer_is_refused_and_does_not_wait() {
    let mut scene = Scene::claiming(2, |pool| pool.queue = 4);
    // Worker 1 offers less from here on; worker 2 still offers all.
    scene.call("m");
    bind_it(&mut scene, 1, "s");
    scene.reply(1, 1);
    let ready = |names: &[&str]| Ready {
        methods: names
            .iter()
            .map(|name| Method { name: (*name).into(), description: None, idempotent: false })
            .collect(),
        ..Ready::default()
    };
    scene.on(Event::Ready { worker: WorkerId(1), ready: ready(&["other"]) });
    scene.on(Event::Ready { worker: WorkerId(2), ready: ready(&["m"]) });
    let told = named(&mut scene, "m", "s");
    assert!(told.contains("Unknown method: m"), "nobody has that session and that method: {told}");
}
#[test]
fn a_full_queue_is_full_behind_a_chains_head_at_another_worker() {
    let mut scene = Scene::claiming(2, |pool| pool.queue = 4);
    assert_eq!(scene.call("m"), "send 1"); // 1
    assert_eq!(named(&mut scene, "m", "s"), "send 2"); // 2
    bind_it(&mut scene, 1, "s");
    scene.reply(1, 1); // idle, the owner
    let answers: Vec<String> = (0..20).map(|_| named(&mut scene, "m", "s")).collect();
    assert!(answers.iter().any(|it| it.contains("busy")), "{answers:?} {:?}", scene.daemon.router.counts(0));
}

#[test]
fn a_session_that_one_pool_lost_and_another_has_is_found() {
    let (mut scene, [one, two]) = two_pools();
    bind_it(&mut scene, one.0, "s");
    scene.exit(one.0);
    bind_it(&mut scene, two.0, "s");
    assert_eq!(named(&mut scene, "m", "s"), format!("send {}", two.0));
}

#[test]
fn who_has_deferred_keeps_the_only_one_in_hand() {
    let mut scene = Scene::claiming(2, |_| {});
    for worker in [WorkerId(1), WorkerId(2)] {
        let methods = vec![Method { name: "m".into(), description: None, idempotent: false }];
        scene.on(Event::Ready { worker, ready: Ready { methods, concurrency: 5, ..Ready::default() } });
    }
    for sent in ["send 1", "send 2", "send 1", "send 2"] {
        assert_eq!(scene.call("m"), sent);
    }
    let mut defer = |worker, sequence| scene.on(Event::Deferred { worker: WorkerId(worker), sequence });
    assert_eq!([defer(1, 1), defer(2, 2)], [""; 2]);
    assert_eq!(
        defer(2, 4),
        "",
        "taken back from 1, it would be 1 who gets it: the one with the least deferred"
    );
    assert_eq!(scene.recalled(1, &[3], &[]), "send 1", "and nobody asks for it again");
}

#[test]
fn who_cannot_serve_it_does_not_ask_for_it() {
    let mut scene = Scene::claiming(2, |_| {});
    let ready = |name: &str, jobs| {
        let methods = vec![Method { name: name.into(), description: None, idempotent: false }];
        Ready { methods, jobs, ..Ready::default() }
    };
    scene.on(Event::Ready { worker: WorkerId(1), ready: ready("m", true) });
    scene.on(Event::Ready { worker: WorkerId(2), ready: ready("other", false) });
    assert_eq!(scene.call("m"), "send 1");
    assert_eq!(scene.call("other"), "send 2");
    assert_eq!(
        scene.reply(2, 2),
        r#"{"ok":true,"data":42}"#,
        "what it took back, only 1 could be given again"
    );
}
