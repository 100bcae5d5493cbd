//! Messages: to whom they go, in which order, and what their senders are told.

use super::*;

const TAKEN: &str = r#"{"ok":true,"data":{"acknowledged":1,"workers":["opcua#0"]}}"#;

impl Scene {
    fn message(&mut self, name: &str) -> String {
        self.ask(&format!(r#"{{"id":1,"t":"req","method":"worker.send","args":["{name}","m",1]}}"#))
    }
}

#[test]
fn a_message_goes_to_its_worker_and_is_answered_when_that_has_taken_it() {
    let mut scene = Scene::claiming(2, |_| {});
    assert_eq!(scene.message("opcua#1"), "send 2");
    assert_eq!(scene.reply(2, 1), r#"{"ok":true,"data":{"acknowledged":1,"workers":["opcua#1"]}}"#);
    assert_eq!(scene.message("opcua#0"), "send 1");
    assert_eq!(scene.reply(1, 2), TAKEN);
}

#[test]
fn its_frame_is_a_request_with_the_name_and_the_payload() {
    let mut scene = Scene::claiming(1, |_| {});
    let line = r#"{"jsonrpc":"2.0","id":"x","method":"worker.send","params":{"name":"opcua","message":"é","payload":{"a":1.0}}}"#;
    let request = dialect::parse(line.as_bytes(), None).unwrap().one();
    let mut actions = Vec::new();
    let role = Role::Call;
    scene.daemon.on(
        scene.now,
        Event::Request { client: CLIENT, request, peer: PEER, role, unix_time: 1.5 },
        &mut actions,
    );
    let [Action::Send { claim, frame, .. }] = actions.as_slice() else { panic!("{actions:?}") };
    assert!(claim.is_some());
    let mut decoder = link::Decoder::default();
    decoder.push(frame);
    let frame = decoder.next_frame().unwrap().unwrap();
    let (head, args) = link::parse_request(frame.flags, &frame.payload).unwrap();
    assert_eq!((head.method, args), (link::MESSAGE, r#"["é",{"a":1.0}]"#.as_bytes()));
    assert_eq!(
        scene.reply(1, 1),
        r#"{"jsonrpc":"2.0","result":{"acknowledged":1,"workers":["opcua#0"]},"id":"x"}"#
    );
}

#[test]
fn messages_to_a_worker_are_taken_one_after_the_other() {
    let mut scene = Scene::claiming(1, |_| {});
    assert_eq!(scene.call("m"), "send 1");
    assert_eq!(scene.message("opcua#0"), "send 1", "ahead");
    assert_eq!(scene.message("opcua#0"), "", "behind the first");
    assert_eq!(scene.reply(1, 1), r#"{"ok":true,"data":42}"#);
    assert_eq!(scene.reply(1, 2), format!("{TAKEN}; send 1"));
    assert_eq!(scene.call("m"), "send 1");
    assert_eq!(scene.reply(1, 3), TAKEN);
}

#[test]
fn a_large_message_is_not_overtaken_by_a_small_one() {
    let mut scene = Scene::claiming(1, |_| {});
    scene.call("m");
    let large = "x".repeat(70_000);
    let line = format!(r#"{{"id":1,"t":"req","method":"worker.send","args":["opcua#0","m","{large}"]}}"#);
    assert_eq!(scene.ask(&line), "", "a pipe does not take so much");
    assert_eq!(scene.message("opcua#0"), "");
    assert!(scene.reply(1, 1).ends_with("; send 1"));
    assert_eq!(scene.reply(1, 2), format!("{TAKEN}; send 1"));
}

#[test]
fn requests_and_messages_are_served_in_the_order_of_acceptance() {
    let mut scene = Scene::claiming(1, |pool| pool.prefetch = 1);
    scene.call("m");
    assert_eq!([scene.call("m"), scene.message("opcua"), scene.call("m")], [""; 3]);
    for sequence in 1..=3 {
        let answered = scene.reply(1, sequence);
        assert!(answered.ends_with("; send 1"), "{sequence}: {answered}");
    }
    assert_eq!(scene.reply(1, 4), r#"{"ok":true,"data":42}"#, "the message was the third");
}

#[test]
fn a_message_that_waits_ahead_is_not_taken_over_by_an_idle_worker() {
    let mut scene = Scene::claiming(2, |_| {});
    assert_eq!([scene.call("m"), scene.call("m")], ["send 1", "send 2"]);
    assert_eq!(scene.message("opcua#0"), "send 1");
    assert_eq!(
        scene.reply(2, 2),
        r#"{"ok":true,"data":42}; recall 1 [1]"#,
        "the request, if it is not begun"
    );
}

#[test]
fn a_worker_that_has_deferred_all_that_it_may_still_takes_messages() {
    let mut scene = Scene::claiming(1, |_| {});
    let method = Method { name: "m".into(), description: None, idempotent: false };
    let ready = Ready { methods: vec![method], concurrency: 2, ..Ready::default() };
    scene.on(Event::Ready { worker: WorkerId(1), ready });
    for sequence in 1..=2 {
        assert_eq!(scene.call("m"), "send 1");
        assert_eq!(scene.on(Event::Deferred { worker: WorkerId(1), sequence }), "");
    }
    assert_eq!(scene.call("m"), "", "it has no room");
    assert_eq!(scene.message("opcua#0"), "send 1");
    assert_eq!(scene.reply(1, 4), TAKEN);
    assert_eq!(scene.reply(1, 1), r#"{"ok":true,"data":42}; send 1"#);
}

#[test]
fn a_pool_means_each_of_its_workers_and_is_answered_when_all_have_taken_it() {
    let mut scene = Scene::claiming(3, |_| {});
    assert_eq!(scene.message("opcua"), "send 1; send 2; send 3");
    assert_eq!([scene.reply(2, 2), scene.reply(1, 1)], [""; 2]);
    let all = r#"{"ok":true,"data":{"acknowledged":3,"workers":["opcua#0","opcua#1","opcua#2"]}}"#;
    assert_eq!(scene.reply(3, 3), all);
}

#[test]
fn who_has_not_taken_it_is_named() {
    let mut scene = Scene::claiming(3, |_| {});
    let fault = |class: &str| Err(Fault { class: class.into(), message: "no such tag".into() });
    scene.message("opcua");
    scene.reply(1, 1);
    scene.on(Event::Reply { worker: WorkerId(2), sequence: 2, outcome: fault("LogicException") });
    let one = scene.on(Event::Reply { worker: WorkerId(3), sequence: 3, outcome: fault("LogicException") });
    let told = r#"{"ok":false,"error":{"class":"LogicException","message":"1 of 3 workers have taken the message; opcua#1: no such tag; opcua#2: no such tag"}}"#;
    assert_eq!(one, told);
    scene.message("opcua");
    scene.reply(1, 4);
    scene.on(Event::Reply { worker: WorkerId(2), sequence: 5, outcome: fault("LogicException") });
    let died = scene.exit_having_begun(3, &[6]);
    assert!(
        died.contains(
            r#""class":"failed","message":"1 of 3 workers have taken the message; opcua#1: no such"#
        ),
        "{died}"
    );
    assert!(died.contains("opcua#2: The worker ended (killed by SIGKILL"), "{died}");
    scene.message("opcua#1");
    let alone =
        scene.on(Event::Reply { worker: WorkerId(2), sequence: 7, outcome: fault("InvalidArgument") });
    assert_eq!(alone, r#"{"ok":false,"error":{"class":"InvalidArgument","message":"no such tag"}}"#);
}

#[test]
fn of_many_who_have_not_taken_it_five_are_named() {
    let mut scene = Scene::claiming(8, |_| {});
    scene.message("opcua");
    scene.now += Duration::from_secs(30);
    scene.on(Event::Deadline);
    for number in 1..8 {
        assert_eq!(scene.recalled(number, &[], &[number]), "");
    }
    let told = scene.recalled(8, &[], &[8]);
    assert!(told.contains("deadline_exceeded") && told.contains("0 of 8 workers"), "{told}");
    assert!(told.contains("opcua#4: No answer") && told.contains("; and 3 others"), "{told}");
    assert!(!told.contains("opcua#5"), "{told}");
}

#[test]
fn what_was_not_begun_is_the_successors_in_the_same_slot() {
    let mut scene = Scene::claiming(2, |_| {});
    scene.message("opcua#0");
    assert!(!scene.exit_having_begun(1, &[]).contains("send"), "the other one is idle, and not meant");
    assert_eq!(scene.make_ready_with(WorkerId(3), link::HIGHEST_VERSION), "send 3");
    let died = scene.exit_having_begun(3, &[1]);
    assert!(died.contains("worker_died") && died.contains("may have been executed"), "{died}");
}

#[test]
fn a_message_waits_for_a_worker_that_is_not_ready_yet_and_not_for_ever() {
    let mut scene = Scene::new(|_| {});
    assert_eq!(scene.message("opcua"), "");
    assert_eq!(scene.make_ready_with(WorkerId(1), link::HIGHEST_VERSION), "send 1");
    assert_eq!(scene.reply(1, 1), TAKEN);
    scene.exit(1);
    scene.message("opcua");
    let late = scene.pass(Duration::from_secs(31));
    assert!(late.contains("No worker was up within 30 s (opcua#0 is starting"), "{late}");
    assert!(late.contains("deadline_exceeded") && late.contains("was not started"), "{late}");
}

#[test]
fn a_paused_worker_takes_it_when_it_is_resumed() {
    let mut scene = Scene::claiming(1, |_| {});
    scene.call("worker.pause");
    assert_eq!(scene.message("opcua#0"), "", "it is about to be paused");
    assert!(scene.on(Event::Paused { worker: WorkerId(1), paused: true }).contains("paused"));
    assert_eq!(scene.message("opcua#0"), "");
    scene.call("worker.resume");
    assert!(scene.on(Event::Paused { worker: WorkerId(1), paused: false }).contains("send 1"));
}

#[test]
fn a_worker_that_is_to_end_leaves_it_to_its_successor() {
    let mut scene = Scene::claiming(1, |_| {});
    scene.call("m");
    scene.message("opcua#0");
    let restart = scene.call("worker.restart");
    assert_eq!(restart, "recall 1 [1, 2]; drain");
    assert_eq!(scene.recalled(1, &[2], &[1]), "");
    scene.reply(1, 1);
    scene.exit_having_begun(1, &[1]);
    assert!(scene.make_ready_with(WorkerId(2), link::HIGHEST_VERSION).contains("send 2"));
}

#[test]
fn where_nobody_will_be_it_is_refused_at_once() {
    let mut scene = Scene::claiming(2, |_| {});
    let refused = |why: &str| format!(r#"{{"ok":false,"error":{{"class":"refused","message":"{why}"}}}}"#);
    let stop = r#"{"id":1,"t":"req","method":"worker.stop","args":["opcua#1"]}"#;
    scene.ask(stop);
    assert_eq!(scene.message("opcua#1"), refused("opcua#1 is stopped"), "it is about to be");
    scene.exit_having_begun(2, &[]);
    assert_eq!(scene.message("opcua#1"), refused("opcua#1 is stopped"));
    assert_eq!(scene.message("opcua"), "send 1", "there is one left");
    assert_eq!(scene.reply(1, 1), TAKEN);
    let unknown = scene.message("opcua#2");
    assert!(unknown.contains("unknown_worker") && unknown.contains("opcua#0 to opcua#1"), "{unknown}");
    assert!(scene.message("nobody").contains("there is no worker nobody"));
    scene.ask(&stop.replace("#1", "#0"));
    scene.exit_having_begun(1, &[]);
    assert_eq!(scene.message("opcua"), refused("opcua#0 is stopped"));
}

#[test]
fn what_waits_for_a_worker_that_is_stopped_meanwhile_is_refused() {
    let mut scene = Scene::new(|_| {});
    assert_eq!([scene.message("opcua#0"), scene.message("opcua#0")], [""; 2]);
    let stop = scene.call("worker.stop");
    assert_eq!(stop.matches("opcua#0 is stopped").count(), 2, "{stop}");
}

#[test]
fn a_parked_worker_is_sent_none() {
    let mut scene = Scene::new(|_| {});
    scene.message("opcua#0");
    let mut told = String::new();
    for _ in 0..300 {
        (1..12).for_each(|worker| told += &scene.exit(worker));
        scene.pass(Duration::from_millis(90));
    }
    assert!(told.contains("opcua#0 is parked, its last worker: killed by SIGKILL"), "{told}");
}

#[test]
fn who_has_no_link_or_an_old_extension_is_sent_none() {
    let mut scene = Scene::new(|pool| pool.link = false);
    assert!(scene.message("opcua").contains("opcua has no link (--no-link)"));
    let mut scene = Scene::new(|_| {});
    scene.message("opcua");
    let ready = scene.make_ready_with(WorkerId(1), 4);
    assert!(ready.contains("opcua#0 runs an extension that is too old to be sent messages"), "{ready}");
    assert!(scene.message("opcua#0").contains("too old"));
}

#[test]
fn a_loop_of_the_scripts_own_is_sent_messages_and_no_requests() {
    let mut scene = Scene::new(|_| {});
    scene.on(Event::Spawned { worker: WorkerId(1), pid: 7 });
    let hello = Hello { lowest: 1, highest: link::HIGHEST_VERSION, ..Hello::default() };
    scene.on(Event::Hello { worker: WorkerId(1), hello });
    let method = Method { name: "m".into(), description: None, idempotent: false };
    let ready = Ready { methods: vec![method], own_loop: true, ..Ready::default() };
    scene.on(Event::Ready { worker: WorkerId(1), ready });
    assert_eq!([scene.call("m"), scene.message("opcua")], ["", "send 1"]);
    assert_eq!(scene.message("opcua"), "");
    assert_eq!(scene.reply(1, 2), format!("{TAKEN}; send 1"));
    let restart = scene.call("worker.restart");
    assert_eq!(restart, "recall 1 [3]; terminate");
    scene.recalled(1, &[3], &[]);
    scene.exit_having_begun(1, &[]);
    assert!(scene.make_ready_with(WorkerId(2), link::HIGHEST_VERSION).contains("send 2; send 2"));
}

#[test]
fn a_message_counts_for_the_limits_of_its_pool() {
    let mut scene = Scene::claiming(2, |pool| pool.queue = 1);
    scene.call("worker.pause");
    (1..=2).for_each(|worker| drop(scene.on(Event::Paused { worker: WorkerId(worker), paused: true })));
    assert_eq!(scene.message("opcua#0"), "");
    assert!(scene.message("opcua#0").contains(r#""class":"busy""#));
    let mut scene = Scene::claiming(20, |_| {});
    let large = "x".repeat(16_000_000);
    let line = format!(r#"{{"id":1,"t":"req","method":"worker.send","args":["opcua","m","{large}"]}}"#);
    let told = scene.ask(&line);
    assert!(told.contains("payload_too_large") && told.contains("20 workers"), "{told}");
    assert!(scene.ask(&line.replace("\"opcua\"", "\"opcua#7\"")).contains("send 8"));
}

#[test]
fn a_stop_answers_what_waits() {
    let mut scene = Scene::claiming(2, |_| {});
    scene.message("opcua");
    scene.message("opcua");
    let stop = scene.on(Event::Stop);
    assert!(stop.contains("shutting_down") && stop.contains("0 of 2 workers"), "{stop}");
    assert!(scene.message("opcua").contains("shutting_down"));
    scene.reply(1, 1);
    let data = r#"{"ok":true,"data":{"acknowledged":2,"workers":["opcua#0","opcua#1"]}}"#;
    assert_eq!(scene.reply(2, 2), data, "what was begun is finished");
}

#[test]
fn a_message_needs_no_more_than_a_call() {
    let mut scene = Scene::claiming(1, |_| {});
    let line = r#"{"id":1,"t":"req","method":"worker.send","args":["opcua","m"]}"#;
    let request = dialect::parse(line.as_bytes(), None).unwrap().one();
    let told =
        scene.on(Event::Request { client: CLIENT, request, peer: PEER, role: Role::Status, unix_time: 1.5 });
    assert!(told.contains("worker.send needs the role call"), "{told}");
}
