//! Workers that break the link's rules, or say something that does not fit.

use serde_json::json;

use crate::{class, fake};

#[test]
fn no_common_link_version_is_one_sentence_and_no_storm() {
    let builder = fake("--version 7-9");
    let file = builder.directory().join("starts");
    let sidecar = builder.command(["--starts", file.to_str().unwrap()]).start();
    let worker = sidecar.wait_state(0, "parked");
    assert!(worker["retry_in"].as_f64().unwrap() > 60.0, "{worker}");
    let told = sidecar.logged("is refused");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(
        told[0].contains("link versions 7 to 9") && told[0].contains("of the same release"),
        "{}",
        told[0]
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1, "started once");
    let status = sidecar.cli(&["status"]);
    assert_eq!(status.code(), 1, "a parked worker is bad news");
    assert!(status.stdout.contains("parked"), "{}", status.stdout);
    let refused = sidecar.logged("fake_worker: refused: ");
    assert!(refused[0].contains("of the same release"), "the worker is told the same: {refused:?}");
}

#[test]
fn a_wider_range_of_versions_still_fits() {
    let sidecar = fake("--version 0-9").start();
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
}

#[test]
fn garbage_on_the_link_costs_the_worker_its_life() {
    let sidecar = fake("").flags("--short-run 0s").start();
    sidecar.wait_state(0, "idle");
    assert_eq!(class(sidecar.call("garbage", json!([]))), "worker_died");
    let worker = sidecar.wait_state(0, "idle");
    let last = worker["last_exit"].as_str().unwrap();
    assert!(last.starts_with("killed by SIGKILL; it sent a frame of"), "{last}");
    assert_eq!(
        (&worker["restarts"], &worker["last_exit_reason"]["reason"]),
        (&json!(1), &json!("link_broken"))
    );
    assert_eq!(sidecar.logged("main#0 is killed: it sent a frame of").len(), 1);
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
}

#[test]
fn a_reply_of_two_lines_never_reaches_a_client() {
    let sidecar = fake("").flags("--short-run 0s").start();
    sidecar.wait_state(0, "idle");
    let mut client = sidecar.client();
    assert_eq!(class(client.typed("newline", json!([]))), "worker_died");
    assert_eq!(
        sidecar.logged("main#0 is killed: it sent a malformed frame: a reply of more than one line").len(),
        1
    );
    assert_eq!(client.typed("echo", json!([1])), Ok(json!([1])));
}

#[test]
fn what_install_asks_for_in_vain_is_said_once() {
    let sidecar = fake("--name other --mode 0666 --workers 3 --socket /run/other.sock")
        .flags("--name plc --short-run 0s")
        .start();
    sidecar.wait_state(0, "idle");
    for (asked, ours) in [
        ("name other", "started with plc,"),
        ("mode 0666", "started with 0600,"),
        ("workers 3", "started with 1,"),
        ("socket /run/other.sock", "/s, which holds"),
    ] {
        let told = sidecar.logged(&format!("install() asks for {asked};"));
        assert_eq!(told.len(), 1, "{asked}: {told:#?}");
        assert!(told[0].contains("plc#0") && told[0].contains(ours), "{}", told[0]);
    }
    sidecar.kill_worker(0);
    assert_eq!(sidecar.logged("install() asks for").len(), 4, "not again after a restart");
}

#[test]
fn what_install_asks_for_and_has_is_not_said() {
    let builder = fake("--name main --mode 0600 --workers 1");
    let socket = builder.socket();
    let sidecar = builder.command(["--socket", socket.to_str().unwrap()]).start();
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.logged("install() asks for"), [""; 0]);
}

#[test]
fn methods_may_change_while_a_worker_runs() {
    let sidecar = fake("").start();
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.call("ready", json!([])), Ok(json!(null)));
    let worker = sidecar.wait_state(0, "idle");
    assert_eq!(worker["restarts"], 0);
    assert_eq!(sidecar.logged("main#0 is ready").len(), 1, "said once per worker");
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
}

#[test]
fn a_worker_that_ends_at_the_gate_is_started_again() {
    let sidecar = fake("--exit-after-hello").flags("--backoff-max 1ms").start();
    sidecar.wait_logged("ended (exit 0", 5);
    assert_eq!(sidecar.logged("never called").len(), 0, "it did call install()");
}

#[test]
fn a_worker_that_says_nothing_is_reported() {
    let sidecar = fake("--no-hello").flags("--ready-timeout 50ms").start();
    sidecar.wait_logged("main#0 has not called RustDaemon\\Worker::install()", 1);
    assert_eq!(sidecar.worker(0)["state"], "starting");
}

#[test]
fn a_second_hello_does_not_take_a_worker_out_of_service() {
    let sidecar = fake("").flags("--short-run 0s").start();
    sidecar.wait_state(0, "idle");
    // Whether it is forgiven or ended for it: the next request is served.
    let _ = sidecar.call("hello", json!([]));
    assert_eq!(sidecar.call("echo", json!([1])), Ok(json!([1])));
}
