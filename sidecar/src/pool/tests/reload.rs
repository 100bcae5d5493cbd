//! Reloads: a new generation beside the old one, and what may happen to either.

use super::*;

#[test]
fn a_reload_moves_the_traffic_when_all_of_the_new_ones_are_ready() {
    let (mut scene, [first, second]) = pair(|_| {});
    let spawns = starts(&scene.pool.reload(scene.now).unwrap());
    let [third, fourth] = spawns[..] else { panic!("{spawns:?}") };
    assert!(scene.pool.reload(scene.now).unwrap_err().contains("under way"));
    scene.make_ready(third);
    assert_eq!(scene.pool.idle_workers(), [first, second], "the old ones serve");
    scene.pool.hello(scene.now, fourth, &Scene::hello());
    let ready = offering(vec![Method { name: "n".into(), description: None, idempotent: false }]);
    let orders = Scene::deeds(scene.pool.ready(scene.now, fourth, ready));
    assert_eq!(orders, [Order::Drain(first), Order::Drain(second), Order::Reloaded(Ok(2))]);
    assert_eq!(scene.pool.idle_workers(), [third, fourth]);
    assert_eq!((scene.pool.offer("m"), scene.pool.offer("n")), (Offer::Yes, Offer::Yes));
    assert_eq!(Scene::deeds(scene.end_as(first, ExitStatus::Code(0))), [], "an old one is not replaced");
    assert_eq!(scene.last_reason().0, "reload");
    assert_eq!(scene.pool.generation(), 2);
}

#[test]
fn a_death_is_told_to_the_one_that_follows_it_and_to_nobody_after_that() {
    let (mut scene, [first, _]) = pair(|config| config.short_run = Duration::ZERO);
    let told = |orders: &[Order]| match orders {
        [Order::Go(_, go)] => go.predecessor.as_ref().map(|reason| reason.message.clone()),
        _ => panic!("{orders:?}"),
    };
    let next = starts(&scene.end_as(first, ExitStatus::Code(7)))[0];
    let orders = Scene::deeds(scene.pool.hello(scene.now, next, &Scene::hello()));
    assert_eq!(told(&orders).as_deref(), Some("exit 7"));
    scene.pool.ready(scene.now, next, offering(Vec::new()));
    let spawns = starts(&scene.pool.reload(scene.now).unwrap());
    let orders = Scene::deeds(scene.pool.hello(scene.now, spawns[0], &Scene::hello()));
    assert_eq!(told(&orders), None, "the one before it serves on");
}

#[test]
fn a_generation_of_which_one_ends_before_ready_is_refused_and_the_old_one_stays() {
    let (mut scene, [first, second]) = pair(|_| {});
    let spawns = starts(&scene.pool.reload(scene.now).unwrap());
    scene.make_ready(spawns[0]);
    let exit = Exit { log: vec!["Parse error".into()], ..Exit::of(ExitStatus::Code(255)) };
    let orders = Scene::deeds(scene.pool.exited(scene.now, spawns[1], exit));
    let [Order::Drain(ended), Order::Reloaded(Err((why, log)))] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!((*ended, log.as_slice()), (spawns[0], &["Parse error".to_owned()][..]));
    assert!(why.contains("opcua#1 ended (exit 255"), "{why}");
    assert_eq!(scene.pool.idle_workers(), [first, second]);
    assert_eq!(Scene::deeds(scene.end_as(spawns[0], ExitStatus::Code(0))), []);
    assert_eq!((scene.pool.generation(), scene.pool.is_reloading()), (1, false));
    assert_eq!(starts(&scene.pool.reload(scene.now).unwrap()).len(), 2, "and it may be tried again");
}

#[test]
fn a_generation_that_is_not_ready_in_time_is_refused() {
    let (mut scene, [first, second]) = pair(|_| {});
    let spawns = starts(&scene.pool.reload(scene.now).unwrap());
    let orders = Scene::deeds(scene.tick_at(scene.now + 30 * SECOND));
    assert_eq!(orders.iter().filter(|order| matches!(order, Order::Terminate(_))).count(), 2, "{orders:?}");
    let mut exit = Exit::of(ExitStatus::Signal { number: 15, core: false });
    exit.log = vec!["still connecting".into()];
    let orders = scene.pool.exited(scene.now, spawns[0], exit);
    let told = orders.iter().find_map(|order| match order {
        Order::Reloaded(Err((why, log))) => Some((why.as_str(), log.join(" "))),
        _ => None,
    });
    let (why, log) = told.unwrap();
    assert!(why.contains("has not called RustDaemon\\Worker::install() for 30 s"), "{why}");
    assert_eq!(log, "still connecting");
    assert_eq!((scene.pool.idle_workers(), spawns.len()), (vec![first, second], 2));
}

#[test]
fn a_singletons_successor_waits_at_the_gate_for_its_end() {
    let (mut scene, old) = single(|_| {});
    let new = starts(&scene.pool.reload(scene.now).unwrap())[0];
    assert_eq!(scene.pool.idle_for("m"), Some(old), "booting costs nobody anything");
    scene.now += 5 * SECOND;
    scene.pool.busy(scene.now, old, scene.now + 100 * SECOND);
    let orders = Scene::deeds(scene.pool.hello(scene.now, new, &Scene::hello()));
    assert_eq!(orders, [Order::Drain(old)], "no Go yet");
    scene.now += 40 * SECOND;
    assert!(
        !Scene::deeds(scene.pool.tick(scene.now)).iter().any(|order| matches!(order, Order::Reloaded(_))),
        "waiting there is not its fault"
    );
    let orders = Scene::deeds(scene.end_as(old, ExitStatus::Code(0)));
    let [Order::Go(worker, go)] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!(
        (*worker, go.generation, go.predecessor.as_ref().unwrap().reason.as_str()),
        (new, 2, "reload")
    );
    let orders = Scene::deeds(scene.pool.ready(scene.now, new, Ready::default()));
    assert_eq!(orders, [Order::Reloaded(Ok(2))]);
}

#[test]
fn a_singletons_successor_that_fails_before_the_gate_leaves_the_old_one_alone() {
    let (mut scene, old) = single(|_| {});
    let new = starts(&scene.pool.reload(scene.now).unwrap())[0];
    let orders = Scene::deeds(scene.end_as(new, ExitStatus::Code(255)));
    assert!(matches!(&orders[..], [Order::Reloaded(Err(_))]), "{orders:?}");
    assert_eq!(scene.pool.idle_for("m"), Some(old));
}

#[test]
fn a_successor_that_fails_after_the_old_ones_end_follows_the_ordinary_rules() {
    let (mut scene, old) = single(|_| {});
    let new = starts(&scene.pool.reload(scene.now).unwrap())[0];
    scene.pool.hello(scene.now, new, &Scene::hello());
    scene.end_as(old, ExitStatus::Code(0));
    let orders = Scene::deeds(scene.end_as(new, ExitStatus::Code(255)));
    assert!(matches!(&orders[..], [Order::Reloaded(Err(_)), Order::Spawn { .. }]), "{orders:?}");
}

#[test]
fn a_singleton_that_dies_during_a_reload_is_followed_by_the_one_at_the_gate() {
    let (mut scene, old) = single(|_| {});
    let new = starts(&scene.pool.reload(scene.now).unwrap())[0];
    assert_eq!(starts(&scene.end_as(old, ExitStatus::Code(1))), [], "no third one");
    let orders = Scene::deeds(scene.pool.hello(scene.now, new, &Scene::hello()));
    assert!(matches!(&orders[..], [Order::Go(..)]), "nobody is in: {orders:?}");
    scene.pool.ready(scene.now, new, Ready::default());
    assert_eq!((scene.view().slot.current, scene.pool.generation()), (Some(new), 2));
}

#[test]
fn without_a_gate_a_singleton_is_stopped_before_its_successor_starts() {
    let mut scene = Scene::new(|config| config.link = false);
    let old = scene.start();
    scene.tick_at(scene.now + SECOND);
    assert_eq!(Scene::deeds(scene.pool.reload(scene.now).unwrap()), [Order::Terminate(old)]);
    let new = Scene::spawn_of(&Scene::deeds(scene.end_as(old, ExitStatus::Code(0))));
    let orders = Scene::deeds(scene.tick_at(scene.now + SECOND));
    assert_eq!(orders, [Order::Reloaded(Ok(2))]);
    assert_eq!(scene.view().slot.current, Some(new));
}

#[test]
fn stop_wins_over_a_reload() {
    let (mut scene, [first, second]) = pair(|_| {});
    let spawns = starts(&scene.pool.reload(scene.now).unwrap());
    scene.make_ready(spawns[0]);
    let orders = scene.pool.stop(scene.now);
    assert!(matches!(orders[0], Order::Reloaded(Err(_))));
    let ended =
        [Order::Drain(first), Order::Drain(second), Order::Drain(spawns[0]), Order::Terminate(spawns[1])];
    assert_eq!(orders[1..], ended);
    for worker in [first, second, spawns[0], spawns[1]] {
        assert_eq!(Scene::deeds(scene.end_as(worker, ExitStatus::Code(0))), []);
    }
    assert!(scene.pool.is_stopped());
}

// ---- what a reader of all this found

#[test]
fn a_stop_during_a_singletons_reload_ends_the_reload_too() {
    let mut scene = Scene::new(|config| config.link = false);
    let old = scene.start();
    scene.tick_at(scene.now + SECOND);
    scene.pool.reload(scene.now).unwrap();
    scene.command(Command::Stop);
    let orders = Scene::deeds(scene.end_as(old, ExitStatus::Code(0)));
    assert!(matches!(orders[..], [Order::Reloaded(Err(_))]), "{orders:?}");
    assert!(!scene.pool.is_reloading());

    let (mut scene, old) = single(|_| {});
    let new = starts(&scene.pool.reload(scene.now).unwrap())[0];
    scene.pool.hello(scene.now, new, &Scene::hello());
    scene.end_as(old, ExitStatus::Code(0));
    scene.command(Command::Stop);
    let orders = Scene::deeds(scene.end_as(new, ExitStatus::Code(0)));
    assert!(matches!(orders[..], [Order::Reloaded(Err(_))]), "{orders:?}");
    assert_eq!(scene.state(), State::Stopped);
}

#[test]
fn a_predecessor_that_cannot_be_ended_fails_the_reload() {
    let (mut scene, old) = single(|_| {});
    let new = starts(&scene.pool.reload(scene.now).unwrap())[0];
    scene.pool.hello(scene.now, new, &Scene::hello());
    let orders = Scene::deeds(scene.tick_at(scene.now + 60 * SECOND));
    assert!(orders.iter().any(|order| matches!(order, Order::Reloaded(Err(_)))), "{orders:?}");
    assert!(orders.contains(&Order::Terminate(new)), "nor may it wait for ever: {orders:?}");
    scene.end_as(new, ExitStatus::Code(0));
    assert_eq!(starts(&scene.end_as(old, ExitStatus::Unknown)).len(), 1, "at last");
}

#[test]
fn a_successor_that_is_at_the_gate_first_is_not_ended_by_the_one_that_it_follows() {
    // A reload before the first worker had said hello: the older one came second, and took the newer one for its
    // predecessor.
    let mut scene = Scene::new(|_| {});
    let old = scene.start();
    let new = starts(&scene.pool.reload(scene.now).unwrap())[0];
    assert_eq!(Scene::deeds(scene.pool.hello(scene.now, new, &Scene::hello())), [Order::Terminate(old)]);
    let orders = Scene::deeds(scene.pool.hello(scene.now, old, &Scene::hello()));
    assert!(matches!(orders[..], [Order::Refuse(worker, _)] if worker == old), "{orders:?}");
    let orders = Scene::deeds(scene.end_as(old, ExitStatus::Code(1)));
    assert!(matches!(orders[..], [Order::Go(worker, _)] if worker == new), "{orders:?}");
    assert_eq!(scene.view().slot.current, Some(new));
}

#[test]
fn a_stop_ends_old_generations_too() {
    let (mut scene, [first, second]) = pair(|_| {});
    scene.pool.busy(scene.now, first, scene.now + 300 * SECOND);
    let spawns = starts(&scene.pool.reload(scene.now).unwrap());
    spawns.iter().for_each(|worker| drop(scene.pool.hello(scene.now, *worker, &Scene::hello())));
    spawns.iter().for_each(|worker| drop(scene.pool.ready(scene.now, *worker, Ready::default())));
    scene.end_as(second, ExitStatus::Code(0));
    assert_eq!(scene.pool.command(scene.now, &[0, 1], Command::Stop).len(), 2, "those that serve");
    spawns.iter().for_each(|worker| drop(scene.end_as(*worker, ExitStatus::Code(0))));
    assert!(!scene.pool.is_empty(0) && scene.pool.is_empty(1), "the old one is still at its request");
    assert_eq!(Scene::deeds(scene.tick_at(scene.now + 6 * SECOND)), [Order::Terminate(first)]);
}

#[test]
fn a_limit_that_was_reached_during_a_refused_reload_is_not_forgotten() {
    let (mut scene, old) = single(|config| config.max_lifetime = Some(10 * SECOND));
    let new = starts(&scene.pool.reload(scene.now).unwrap())[0];
    assert_eq!(Scene::deeds(scene.tick_at(scene.now + 10 * SECOND)), []);
    let orders = Scene::deeds(scene.end_as(new, ExitStatus::Code(255)));
    assert!(orders.contains(&Order::Drain(old)), "{orders:?}");
}
