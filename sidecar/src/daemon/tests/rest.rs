//! `expose('*')`: who gets what nobody offers by its name.

use super::*;

impl Scene {
    fn boots(&mut self, worker: WorkerId) {
        self.on(Event::Spawned { worker, pid: 7 });
        let hello = Hello { lowest: 1, highest: link::HIGHEST_VERSION, ..Hello::default() };
        self.on(Event::Hello { worker, hello });
    }

    /// All of them idempotent.
    fn offers(&mut self, worker: WorkerId, names: &[&str]) -> String {
        let method = |name: &&str| Method { name: (*name).into(), description: None, idempotent: true };
        let methods = names.iter().map(method).collect();
        self.on(Event::Ready { worker, ready: Ready { methods, ..Ready::default() } })
    }
}

#[test]
fn what_nobody_offers_by_name_goes_to_who_takes_the_rest() {
    let mut scene = Scene::claiming(1, |_| {});
    assert!(scene.call("x").contains("Unknown method: x"));
    scene.offers(WorkerId(1), &["m", "*"]);
    assert_eq!(scene.call("x"), "send 1");
    assert_eq!(scene.reply(1, 1), r#"{"ok":true,"data":42}"#);
    assert_eq!(scene.call("m"), "send 1");
    assert!(scene.call("worker.nothing").contains("unknown_method"), "reserved names are the daemon's");
    for name in ["", r"a\u0007", &"x".repeat(129)] {
        assert!(scene.call(name).contains("unknown_method"), "{name:?} is no name for people's eyes");
    }
}

#[test]
fn it_waits_for_the_first_worker_as_any_other() {
    let mut scene = Scene::new(|_| {});
    assert_eq!(scene.call("x"), "");
    scene.boots(WorkerId(1));
    assert_eq!(scene.offers(WorkerId(1), &["*"]), "send 1");
}

#[test]
fn who_offers_a_method_by_its_name_has_it_though_he_be_busy() {
    let (mut scene, [one, two]) = two_pools();
    scene.offers(one, &["*"]);
    scene.offers(two, &["x", "m"]);
    for _ in 0..2 {
        assert_eq!(scene.call("x"), format!("send {}", two.0), "never the idle one's of the other pool");
    }
    for _ in 0..100 {
        scene.call("x"); // more than goes ahead
    }
    assert_eq!(scene.call("y"), format!("send {}", one.0));
    let next = scene.reply(one.0, 103);
    assert_eq!(next, r#"{"ok":true,"data":42}"#, "and nothing that waits for the other pool");
}

#[test]
fn a_session_is_found_by_who_takes_the_rest() {
    let mut scene = Scene::claiming(2, |pool| pool.affinity = "id".into());
    scene.offers(WorkerId(1), &["*"]);
    scene.offers(WorkerId(2), &["*"]);
    let open = |scene: &mut Scene| scene.ask(r#"{"id":1,"t":"req","method":"x","args":{"id":"s"}}"#);
    assert_eq!(open(&mut scene), "send 1");
    bind_it(&mut scene, 1, "s");
    scene.reply(1, 1);
    assert_eq!(open(&mut scene), "send 1", "and not the one that has been idle longer");
}

#[test]
fn a_pool_that_boots_may_offer_it_by_its_name() {
    let (mut scene, [one, two]) = two_pools_that_boot();
    scene.boots(one);
    scene.boots(two);
    assert_eq!(scene.offers(one, &["*"]), "");
    assert_eq!((scene.call("x"), scene.call("y")), (String::new(), String::new()), "both wait");
    let sent = scene.offers(two, &["x"]);
    assert!(sent.contains(&format!("send {}", two.0)) && sent.contains(&format!("send {}", one.0)), "{sent}");
}

#[test]
fn a_message_is_not_sent_twice_because_the_rest_is_idempotent() {
    let mut scene = Scene::claiming(1, |_| {});
    scene.offers(WorkerId(1), &["*"]);
    let message = r#"{"id":1,"t":"req","method":"worker.send","args":["opcua","m",1]}"#;
    assert_eq!(scene.ask(message), "send 1");
    let died = scene.exit(1);
    assert!(died.contains("worker_died"), "{died}");
    assert_eq!(scene.call("x"), "");
    scene.boots(WorkerId(2));
    assert_eq!(scene.offers(WorkerId(2), &["*"]), "send 2");
    assert!(!scene.exit(2).contains("worker_died"), "a request for the rest is tried once more");
}
