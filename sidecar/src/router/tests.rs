//! The router as lists of what happens and what follows.

use rustdaemon_core::link::Dialect;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(30);
const WORKER: WorkerId = WorkerId(1);
const OTHER: WorkerId = WorkerId(2);

fn request(method: &str) -> Request {
    let address = Address::new(Dialect::Flat, "");
    Request {
        address,
        method: method.into(),
        args: "x".repeat(100).into(),
        timeout: None,
        session: None,
        is_strangers: false,
    }
}

/// With so many requests waiting, from 1 on.
fn asked(request: Request) -> Asked {
    let peer = Credentials { pid: 1, uid: 0 };
    Asked { client: ClientId(1), request, peer, unix_time: 0.0, to: None }
}

fn router(waiting: &[&str]) -> (Router, Instant) {
    let (mut router, now) = (Router::new(1), Instant::now());
    for method in waiting {
        accept(&mut router, now, method, TIMEOUT).unwrap();
    }
    (router, now)
}

fn accept(router: &mut Router, now: Instant, method: &str, timeout: Duration) -> Result<u64, Full> {
    let limits = Limits { pool: 0, queue: 4, timeout };
    router.accept(now, asked(request(method)), limits, false)
}

fn give(router: &mut Router, worker: WorkerId, sequence: u64) -> Option<u8> {
    let hold = Hold { claims: true, ..Hold::default() };
    router.give(worker, sequence, hold).unwrap().claim.map(|claim| claim.word)
}

fn give_all(router: &mut Router, sequences: &[u64]) {
    for sequence in sequences {
        give(router, WORKER, *sequence);
    }
}

fn first(router: &Router, fits: impl Fn(&str) -> bool) -> Option<u64> {
    router.first_waiting(|entry| fits(&entry.request.method)).map(|(sequence, _)| sequence)
}

fn figures(router: &Router) -> (usize, usize) {
    let counts = router.counts(0);
    (counts.waiting, counts.in_flight)
}

fn sequences(claims: &[Claim]) -> Vec<u64> {
    claims.iter().map(|claim| claim.sequence).collect()
}

fn methods(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.request.method.as_str()).collect()
}

#[test]
fn waiting_requests_are_served_in_order_by_who_offers_them() {
    let (mut router, _) = router(&["a", "b", "a"]);
    assert_eq!(first(&router, |method| method == "b"), Some(2));
    assert_eq!(first(&router, |_| true), Some(1));
    assert_eq!(first(&router, |method| method == "x"), None);
    give(&mut router, WORKER, 1);
    assert_eq!(first(&router, |method| method == "a"), Some(3));
    assert!(router.give(OTHER, 1, Hold { claims: true, ..Hold::default() }).is_none(), "it is somebody's");
    assert_eq!(figures(&router), (2, 1));
}

#[test]
fn a_full_queue_takes_no_more_but_an_idle_worker_does() {
    let (mut router, now) = router(&["a"; 4]);
    assert_eq!(accept(&mut router, now, "a", TIMEOUT), Err(Full::Requests(4)));
    let limits = Limits { pool: 0, queue: 4, timeout: TIMEOUT };
    let straight = router.accept(now, asked(request("a")), limits, true).unwrap();
    give(&mut router, WORKER, straight);
    assert_eq!(figures(&router), (4, 1));
    give_all(&mut router, &[1, 2, 3, 4]);
    assert_eq!((figures(&router), router.counts(0).ahead), ((0, 5), 4));
    assert_eq!(accept(&mut router, now, "a", TIMEOUT), Err(Full::Requests(4)), "wherever they wait");
}

#[test]
fn what_waits_may_have_so_many_bytes_together() {
    let (mut router, now) = router(&[]);
    let limits = Limits { pool: 0, queue: 1024, timeout: TIMEOUT };
    let large = || Request { args: "x".repeat(MAX_BYTES / 16).into(), ..request("a") };
    let mut accept = |straight| router.accept(now, asked(large()), limits, straight);
    let numbers: Vec<u64> = (0..16).map(|_| accept(false).unwrap()).collect();
    assert_eq!(accept(false), Err(Full::Bytes(MAX_BYTES)));
    let straight = accept(true).expect("it does not wait");
    give(&mut router, WORKER, straight);
    router.replied(WORKER, straight);
    assert_eq!(router.bytes(), MAX_BYTES);
    give(&mut router, OTHER, numbers[0]);
    router.replied(OTHER, numbers[0]);
    assert!(router.accept(now, asked(large()), limits, false).is_ok());
    router.refuse_waiting(|_| false);
    assert_eq!(router.bytes(), 0);
}

#[test]
fn a_chain_is_served_one_after_the_other() {
    let (mut router, now) = (Router::new(1), Instant::now());
    let limits = Limits { pool: 0, queue: 9, timeout: TIMEOUT };
    let of = |session: &str| Request { session: Some(session.into()), ..request("a") };
    let numbers: Vec<u64> = ["x", "x", "y", "x"]
        .iter()
        .map(|session| router.accept(now, asked(of(session)), limits, false).unwrap())
        .collect();
    let other = Asked { client: ClientId(2), ..asked(of("x")) };
    let other = router.accept(now, other, limits, false).unwrap();
    let first = |router: &Router| router.first_waiting(|_| true).map(|(sequence, _)| sequence);
    let hold = |pinned| Hold { claims: true, jobs: false, pinned };
    assert_eq!(first(&router), Some(numbers[0]));
    assert_eq!(router.waiting_with("x"), [numbers[0], other]);
    router.give(WORKER, numbers[0], hold(true)).unwrap();
    router.give(WORKER, numbers[2], hold(true)).unwrap();
    assert_eq!(router.to_share(0, false, |_| true), None, "pinned");
    assert_eq!(first(&router), Some(other), "another client");
    router.give(OTHER, other, hold(false)).unwrap();
    assert_eq!((first(&router), router.counts(0).waiting), (None, 2));
    assert!(router.pop_released().is_none() && router.uses("y") && !router.uses("z"));
    router.replied(WORKER, numbers[0]);
    assert_eq!((router.pop_released(), first(&router)), (Some(numbers[1]), Some(numbers[1])));
    router.give(OTHER, numbers[1], hold(false)).unwrap();
    let ended = router.worker_ended(OTHER, &[other], |_| false);
    assert_eq!(ended.begun.len(), 1);
    assert_eq!(first(&router), Some(numbers[1]), "it waits again, before those behind it");
    assert_eq!(router.pop_released(), None);
    router.give(WORKER, numbers[1], hold(true)).unwrap();
    router.worker_ended(WORKER, &[numbers[1], numbers[2]], |_| false);
    assert_eq!([router.pop_released(), router.pop_released()], [Some(numbers[3]), None]);
    router.refuse_waiting(|_| false);
    assert!(!router.has_chain(ClientId(1), &"x".into()) && router.pop_released().is_none());
    assert_eq!((router.counts(0).waiting, router.counts(0).in_flight, router.bytes()), (0, 0, 0));
}

#[test]
fn messages_to_a_slot_are_one_chain_whoever_sends_them() {
    let (mut router, now) = router(&[]);
    let limits = Limits { pool: 0, queue: 9, timeout: TIMEOUT };
    let mut send = |client: u64, slot: usize| {
        let to = Some(To { slot, sending: 1 });
        let request = Request { session: Some("x".into()), ..request("worker.send") };
        let asked = Asked { client: ClientId(client), to, ..asked(request) };
        router.accept(now, asked, limits, false).unwrap()
    };
    let [a, b, c, other] = [send(1, 0), send(2, 0), send(1, 0), send(1, 1)];
    assert_eq!(router.waiting_messages(), [a, other]);
    assert!(router.has_message(0, 0) && router.has_message(0, 1) && !router.has_message(0, 2));
    assert!(!router.uses("x"), "a message has no session");
    let hold = Hold { claims: true, jobs: false, pinned: true };
    router.give(WORKER, a, hold).unwrap();
    assert_eq!((router.waiting_messages(), first(&router, |_| true)), (vec![other], Some(other)));
    router.worker_ended(WORKER, &[], |_| false);
    assert_eq!(router.waiting_messages(), [a, other], "not begun: the successor's");
    router.give(OTHER, a, hold).unwrap();
    assert_eq!(router.withdraw(a), None, "somebody has it");
    assert_eq!(router.worker_ended(OTHER, &[a], |_| false).begun.len(), 1);
    assert_eq!(router.waiting_messages(), [b, other]);
    assert!(router.withdraw(b).is_some() && router.withdraw(c).is_some());
    assert_eq!(router.pop_released(), None, "the caller looks at all that wait");
    router.refuse_waiting(|_| false);
    assert!(!router.has_message(0, 0) && !router.has_message(0, 1));
    assert_eq!((figures(&router), router.bytes()), ((0, 0), 0));
}

#[test]
fn one_request_has_one_answer() {
    let (mut router, now) = router(&["a"]);
    give(&mut router, WORKER, 1);
    let not_its_own = Replied::default();
    assert_eq!(router.replied(OTHER, 1), not_its_own, "another worker's reply");
    let replied = router.replied(WORKER, 1);
    assert!(replied.entry.is_some() && replied.was_in_hand);
    assert_eq!(router.replied(WORKER, 1), not_its_own, "a second reply");
    assert_eq!(router.worker_ended(WORKER, &[1], |_| true), Ended::default());
    assert_eq!(router.expired(now + TIMEOUT), Expired::default());
    assert_eq!(router.counts(0).late, 2);
}

#[test]
fn a_workers_end_takes_only_what_it_had_begun() {
    let (mut router, _) = router(&["a", "b", "c", "d"]);
    give_all(&mut router, &[1, 2, 3]);
    let ended = router.worker_ended(WORKER, &[99, 2], |_| false);
    assert_eq!(methods(&ended.begun), ["b"]);
    assert_eq!(figures(&router), (3, 0));
    assert_eq!(first(&router, |_| true), Some(1), "in its old place");
    assert!(router.replied(WORKER, 1).entry.is_none(), "it is no longer the dead one's");
}

#[test]
fn an_idempotent_request_is_tried_once_more_and_not_twice() {
    let (mut router, _) = router(&["a"]);
    let harmless = |method: &str| method == "a";
    give(&mut router, WORKER, 1);
    assert_eq!(router.worker_ended(WORKER, &[1], harmless), Ended::default());
    give(&mut router, OTHER, 1);
    let ended = router.worker_ended(OTHER, &[1], harmless);
    assert!(ended.begun[0].retried);
    assert_eq!((figures(&router), router.counts(0).retried), ((0, 0), 1));
}

#[test]
fn each_request_ahead_has_a_word_of_its_own_and_words_are_used_again() {
    let (mut router, now) = router(&["a", "a", "a"]);
    assert_eq!([1, 2, 3].map(|sequence| give(&mut router, WORKER, sequence)), [Some(0), Some(1), Some(2)]);
    router.replied(WORKER, 2);
    let next = accept(&mut router, now, "a", TIMEOUT).unwrap();
    assert_eq!(give(&mut router, WORKER, next), Some(1));
    let old = accept(&mut router, now, "a", TIMEOUT).unwrap();
    assert_eq!(router.give(OTHER, old, Hold::default()).unwrap().claim, None, "its link knows none");
    assert_eq!(router.claims(OTHER), []);
    assert!(!router.has_room(OTHER, 16, 0), "what it has cannot be taken back");
}

#[test]
fn there_is_room_for_so_many_and_for_what_a_pipe_takes() {
    let (mut router, _) = router(&["a", "a"]);
    assert!(router.has_room(WORKER, 1, AHEAD_BYTES));
    give(&mut router, WORKER, 1);
    assert!(!router.has_room(WORKER, 1, 0) && router.has_room(WORKER, 2, AHEAD_BYTES - 100));
    assert!(!router.has_room(WORKER, 2, AHEAD_BYTES - 99));
}

#[test]
fn the_later_half_of_what_the_busiest_has_not_begun_is_shared() {
    let (mut router, now) = router(&["a"; 4]);
    give_all(&mut router, &[1, 2, 3, 4]);
    let few = accept(&mut router, now, "a", TIMEOUT).unwrap();
    give(&mut router, OTHER, few);
    assert_eq!(router.least_loaded(0).collect::<Vec<_>>(), [OTHER, WORKER]);
    let (worker, claims) = router.to_share(0, false, |_| true).unwrap();
    assert_eq!((worker, sequences(&claims)), (WORKER, vec![3, 4]));
    assert_eq!(router.recalled(WORKER, 3), None);
    assert_eq!(router.kept(WORKER, 4), None, "begun meanwhile: nothing changes");
    assert_eq!((figures(&router), router.counts(0).recalled), ((1, 4), 1));
    assert_eq!(router.recalled(WORKER, 3), None, "not twice");
    (1..=4).for_each(|sequence| drop(router.replied(WORKER, sequence)));
    assert_eq!((router.to_share(0, false, |_| true), router.counts(0).ahead), (None, 0), "one is being done");
}

#[test]
fn who_has_begun_all_that_it_has_is_passed_over() {
    let (mut router, now) = router(&["a"; 4]);
    for (worker, sequence) in [(WORKER, 1), (OTHER, 2), (WORKER, 3), (OTHER, 4)] {
        give(&mut router, worker, sequence);
    }
    assert_eq!(router.to_share(0, false, |_| true).unwrap().0, OTHER);
    assert_eq!([router.kept(OTHER, 2), router.kept(OTHER, 4)], [None, None]);
    let (worker, claims) = router.to_share(0, false, |_| true).unwrap();
    assert_eq!((worker, sequences(&claims)), (WORKER, vec![3]));
    assert_eq!(sequences(&router.claims(OTHER)), [2, 4], "a pause asks all the same");
    router.recalled(WORKER, 3);
    assert_eq!(router.to_share(0, false, |_| true), None);
    assert_eq!(router.expired(now + TIMEOUT).asked.len(), 3);
}

#[test]
fn even_one_request_is_shared_by_who_may_be_at_something_else() {
    let (mut router, _) = router(&["a"]);
    router.give(WORKER, 1, Hold { claims: true, jobs: true, pinned: false }).unwrap();
    let (worker, claims) = router.to_share(0, false, |_| true).unwrap();
    assert_eq!((worker, sequences(&claims)), (WORKER, vec![1]));
    assert_eq!(router.to_share(0, true, |_| true), None, "not by another one of that kind");
}

#[test]
fn deadlines_pass_in_the_queue_and_in_flight() {
    let (mut router, now) = router(&["waits"]);
    for method in ["begun", "ahead"] {
        let sequence = accept(&mut router, now, method, TIMEOUT * 2).unwrap();
        give(&mut router, WORKER, sequence);
    }
    let old = accept(&mut router, now, "old", TIMEOUT * 2).unwrap();
    router.give(OTHER, old, Hold::default()).unwrap();
    assert_eq!(router.next_deadline(), Some(now + TIMEOUT));
    let expired = router.expired(now + TIMEOUT);
    assert_eq!((methods(&expired.over), expired.asked), (vec!["waits"], vec![]));
    assert_eq!(first(&router, |_| true), None, "never started");
    let expired = router.expired(now + TIMEOUT * 2);
    assert_eq!(methods(&expired.over), ["old"]);
    let asked: Vec<u64> = expired.asked.iter().map(|(_, claim)| claim.sequence).collect();
    assert_eq!((asked, router.next_deadline()), (vec![2, 3], None));
    let begun = router.kept(WORKER, 2).unwrap();
    assert_eq!((begun.request.method.as_str(), begun.worker), ("begun", Some(WORKER)));
    assert_eq!(router.recalled(WORKER, 3).unwrap().request.method, "ahead");
    assert_eq!((figures(&router), router.in_hand(WORKER)), ((0, 0), 1), "it is still at the first one");
    let late = Replied { was_in_hand: true, ..Replied::default() };
    assert_eq!(router.replied(WORKER, 2), late, "the late reply");
    assert_eq!(router.in_hand(WORKER), 0);
}

#[test]
fn who_dies_between_a_deadline_and_the_answer_about_it_leaves_its_client_an_answer() {
    let (mut router, now) = router(&["a", "b"]);
    give_all(&mut router, &[1, 2]);
    assert_eq!(router.expired(now + TIMEOUT).asked.len(), 2);
    let ended = router.worker_ended(WORKER, &[1], |_| true);
    assert_eq!((methods(&ended.begun), methods(&ended.expired)), (vec!["a"], vec!["b"]));
    assert_eq!(figures(&router), (0, 0));
}

#[test]
fn what_is_deferred_leaves_the_hand_and_stays_its_workers() {
    let (mut router, now) = router(&["a", "b", "c"]);
    give_all(&mut router, &[1, 2]);
    assert_eq!(router.deferred(OTHER, 1), None, "another worker's");
    assert_eq!(router.deferred(WORKER, 3), None, "nobody's");
    let deferred = router.deferred(WORKER, 1).unwrap();
    assert_eq!((deferred.deadline, deferred.next), (Some(now + TIMEOUT), Some(now + TIMEOUT)));
    assert_eq!((router.in_hand(WORKER), sequences(&router.claims(WORKER))), (1, vec![2]));
    assert_eq!((figures(&router), router.counts(0).ahead), ((1, 2), 0));
    assert_eq!(give(&mut router, WORKER, 3), Some(0), "its word is free again");
    assert_eq!(router.deferred(WORKER, 2).unwrap().next, Some(now + TIMEOUT));
    router.replied(WORKER, 3);
    assert_eq!((router.in_hand(WORKER), router.to_share(0, false, |_| true)), (0, None));
    let replied = router.replied(WORKER, 1);
    assert!(replied.entry.is_some() && replied.was_deferred && !replied.was_in_hand);
    let expired = router.expired(now + TIMEOUT);
    assert_eq!(methods(&expired.over), ["b"], "answered otherwise, without asking");
    assert_eq!((expired.asked, expired.deferred), (vec![], vec![WORKER]));
    assert_eq!(router.replied(WORKER, 2), Replied::default(), "the late reply");
    assert_eq!((figures(&router), router.counts(0).late), ((0, 0), 1));
}

#[test]
fn what_is_deferred_after_its_deadline_is_not_open() {
    let (mut router, now) = router(&["a", "b"]);
    give_all(&mut router, &[1, 2]);
    assert_eq!(router.expired(now + TIMEOUT).asked.len(), 2);
    assert_eq!(router.deferred(WORKER, 2).unwrap().deadline, None, "while it is being asked");
    assert!(router.kept(WORKER, 1).is_some());
    assert_eq!(router.deferred(WORKER, 1).unwrap().deadline, None);
    assert!(!router.replied(WORKER, 1).was_deferred);
}

#[test]
fn what_an_ended_worker_had_deferred_was_begun() {
    let (mut router, _) = router(&["a", "b", "c"]);
    for sequence in [3, 1] {
        give(&mut router, WORKER, sequence);
        router.deferred(WORKER, sequence).unwrap();
    }
    give(&mut router, WORKER, 2);
    let ended = router.worker_ended(WORKER, &[], |method| method == "c");
    assert_eq!(methods(&ended.begun), ["a"]);
    assert_eq!((figures(&router), router.counts(0).retried), ((2, 0), 1), "one moves, one is tried again");
}

#[test]
fn a_worker_that_has_deferred_much_is_not_the_least_loaded() {
    let (mut router, now) = router(&["a"; 4]);
    for sequence in [1, 2] {
        give(&mut router, WORKER, sequence);
        router.deferred(WORKER, sequence).unwrap();
    }
    assert_eq!(router.least_loaded(0).count(), 0, "nothing that could be somebody else's");
    give(&mut router, WORKER, 3);
    give(&mut router, OTHER, 4);
    let fifth = accept(&mut router, now, "a", TIMEOUT).unwrap();
    give(&mut router, OTHER, fifth);
    assert_eq!(router.least_loaded(0).collect::<Vec<_>>(), [OTHER, WORKER]);
    router.replied(WORKER, 1);
    router.replied(WORKER, 2);
    assert_eq!(router.least_loaded(0).collect::<Vec<_>>(), [WORKER, OTHER]);
}

#[test]
fn what_nobody_offers_is_refused() {
    let (mut router, _) = router(&["a", "x", "a"]);
    assert_eq!(router.refuse_waiting(|entry| entry.request.method == "a").len(), 1);
    assert_eq!(figures(&router).0, 2);
    assert_eq!(router.refuse_waiting(|_| false).len(), 2);
}
