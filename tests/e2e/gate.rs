//! `install()` in scripts that something else started: a worker, a wrapper.

use rustdaemon_tests::{Php, Sidecar};
use serde_json::{Value, json};

use crate::{script, worker};

/// A shell command that runs `nested.php` with that socket.
fn nested(socket: &str) -> Vec<String> {
    let script = Php::script(concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/php/nested.php"));
    script.arg(socket).words()
}

#[test]
fn what_a_worker_starts_is_unsupervised_and_starts_no_sidecar() {
    let sidecar = worker("");
    let other = sidecar.directory().join("other");
    let command = nested(other.to_str().unwrap());
    let by_proc = sidecar.call("proc", json!([command])).unwrap();
    let notice = by_proc[1].as_str().unwrap();
    assert!(notice.contains("started by a worker") && notice.contains("unsupervised"), "{notice}");
    assert_eq!(by_proc[2], 0);
    let quoted: Vec<String> = command.iter().map(|word| format!("'{word}'")).collect();
    let by_shell = sidecar.call("shell", json!([quoted.join(" ")])).unwrap();
    for out in [&by_proc[0], &by_shell] {
        let said: Value = serde_json::from_str(out.as_str().unwrap()).unwrap();
        assert_eq!((&said["supervised"], &said["slot"]), (&json!(false), &json!(0)), "{said}");
        assert_ne!(said["pid"], sidecar.worker_pid(0));
    }
    assert!(!other.exists(), "no second socket");
    assert_eq!(sidecar.worker(0)["restarts"], 0, "the worker's own link is untouched");
}

#[test]
fn the_link_is_hidden_from_what_a_worker_starts() {
    let sidecar = worker("");
    let seen = sidecar.call("variables", json!([])).unwrap();
    assert_eq!(
        (&seen["getenv"], &seen["_SERVER"], &seen["_ENV"]),
        (&json!(false), &json!(false), &json!(false))
    );
    assert!(seen["run"].as_str().unwrap().ends_with("/0"), "{seen}");
    let inherited = sidecar.call("shell", json!(["env; ls -l /proc/self/fd"])).unwrap();
    let inherited = inherited.as_str().unwrap();
    assert!(!inherited.contains("RUSTDAEMON_LINK"), "{inherited}");
    assert!(!inherited.contains("rustdaemon-slot"), "{inherited}");
}

#[test]
fn a_wrapper_that_execs_php_keeps_the_link() {
    let words = script("worker", &json!({})).words();
    let wrapper = ["sh", "-c", "cd /usr; exec \"$@\"", "sh"].map(str::to_owned);
    let sidecar = Sidecar::builder().command(wrapper).command(words).start();
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.call("born", json!([])).unwrap()["cwd"], "/usr");
}

#[test]
fn a_wrapper_that_forks_php_keeps_the_link() {
    let words = script("worker", &json!({})).words();
    let wrapper = ["sh", "-c", "\"$@\"; exit $?", "sh"].map(str::to_owned);
    let mut sidecar = Sidecar::builder().command(wrapper).command(words).start();
    sidecar.wait_state(0, "idle");
    assert_ne!(sidecar.call("pid", json!([])).unwrap(), sidecar.worker_pid(0));
    assert_eq!(sidecar.stop().code(), 0);
    assert_eq!(sidecar.descendants(), [0; 0], "the wrapper ends with what it wraps");
}

#[test]
fn a_wrapper_that_closed_the_link_is_an_exception_and_no_second_sidecar() {
    let builder = Sidecar::builder().flags("--backoff-max 1h");
    let other = builder.directory().join("other");
    let close = r#"for fd in $(grep -o '=[0-9]*:' <<< "$RUSTDAEMON_LINK" | tr -d '=:'); do eval "exec $fd>&-"; done
        exec "$@""#;
    let words = script("worker", &json!({"socket": other})).words();
    let sidecar = builder.command(["bash", "-c", close, "bash"]).command(words).start();
    sidecar.wait_logged("LinkBroken", 1);
    let told = sidecar.logged("LinkBroken");
    assert!(told[0].contains("RUSTDAEMON_LINK") && told[0].contains("is closed"), "{}", told[0]);
    sidecar.wait_logged("ended (exit 255", 1);
    assert!(!other.exists(), "no self-start");
}

#[test]
fn descriptors_that_something_else_took_are_not_the_link() {
    let builder = Sidecar::builder().flags("--backoff-max 1h");
    let other = builder.directory().join("other");
    let take = r#"for fd in $(grep -o '=[0-9]*:' <<< "$RUSTDAEMON_LINK" | tr -d '=:'); do eval "exec $fd<>/dev/null"; done
        exec "$@""#;
    let words = script("worker", &json!({"socket": other})).words();
    let sidecar = builder.command(["bash", "-c", take, "bash"]).command(words).start();
    sidecar.wait_logged("LinkBroken", 1);
    assert!(sidecar.logged("LinkBroken")[0].contains("something else now"), "{}", sidecar.log());
    assert!(!other.exists(), "no self-start");
}

#[test]
fn under_a_sidecar_installs_arguments_are_compared_with_it() {
    let builder = Sidecar::builder().flags("--short-run 0s");
    let other = builder.directory().join("other");
    let words =
        script("worker", &json!({"socket": other, "mode": "0660", "workers": 3, "name": "plc"})).words();
    let sidecar = builder.command(words).start();
    sidecar.wait_state(0, "idle");
    sidecar.kill_worker(0);
    assert_eq!(sidecar.logged("install() asks for").len(), 4, "{}", sidecar.log());
    assert!(!other.exists());
    assert_eq!(sidecar.call("me", json!([])).unwrap()["name"], "main", "the sidecar's word holds");
}
