//! `expose('*')`: who gets what nobody offers by its name.

use super::*;

impl Scene {
    fn offers(&mut self, worker: WorkerId, names: &[&str]) -> String {
        let method = |name: &&str| Method { name: (*name).into(), description: None, idempotent: false };
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
    scene.on(Event::Spawned { worker: WorkerId(1), pid: 7 });
    let hello = Hello { lowest: 1, highest: link::HIGHEST_VERSION, ..Hello::default() };
    scene.on(Event::Hello { worker: WorkerId(1), hello });
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
