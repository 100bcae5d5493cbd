//! A console command of Symfony's, run inside a request, and what it leaves behind for stop signals.
//!
//! Symfony's `Application` registers handlers with ext-pcntl for a command that subscribes to signals. In 5.4, which
//! Debian 12 has, they stay when the command has ended. Later ones put back what pcntl knew before (seen with 6.4.50 and
//! 7.4.22), and that is `SIG_DFL`: of the worker's own handler pcntl knows nothing.

use nix::sys::signal::Signal;
use rustdaemon_tests::{Php, Sidecar, eventually};
use serde_json::{Value, json};

/// A worker with Symfony's console, idle. Its PHP has the extensions that Symfony wants.
#[track_caller]
fn symfony() -> Sidecar {
    let mut words = Php::script(concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/php/symfony/worker.php")).words();
    words.splice(1..1, ["ctype", "mbstring", "intl"].map(|name| format!("-dextension={name}")));
    let sidecar = Sidecar::builder().flags("--short-run 0s").command(words).start();
    sidecar.wait_state(0, "idle");
    sidecar
}

/// TERM to the worker while it stands at a gate inside a request. The answer, and what the worker was before.
#[track_caller]
fn term_inside(
    sidecar: &Sidecar,
    gate: &str,
    method: &str,
    arguments: impl Fn(&str) -> Value,
) -> (Value, Value) {
    let gate = sidecar.gate(gate);
    let mut client = sidecar.client();
    let id = client.send(method, arguments(gate.path()));
    let held = gate.arrived();
    let before = sidecar.worker(0);
    sidecar.signal_worker(0, Signal::SIGTERM);
    drop(held);
    let (answered, reply) = client.receive();
    assert_eq!(answered, id);
    (reply.unwrap(), before)
}

/// TERM to the worker with a request in hand: it is answered, and the worker ends as a script does and is replaced.
#[track_caller]
fn drains(sidecar: &Sidecar, gate: &str) {
    let (answer, before) = term_inside(sidecar, gate, "hold", |gate| json!([gate]));
    assert_eq!(answer, "held");
    replaced(sidecar, &before);
}

#[track_caller]
fn replaced(sidecar: &Sidecar, before: &Value) {
    let after = eventually("the worker is replaced", || match sidecar.worker(0) {
        worker if worker["pid"] != before["pid"] && worker["state"] == "idle" => Ok(worker),
        worker => Err(worker.to_string()),
    });
    assert_eq!(after["last_exit_reason"]["code"], 0, "not killed by SIGTERM: {after}");
}

#[test]
fn a_command_that_subscribes_to_no_stop_signal_changes_nothing() {
    let sidecar = symfony();
    for (gate, how, signals) in [
        ("one", "application", json!([])),
        ("two", "application", json!(["SIGUSR1", "SIGUSR2"])),
        ("three", "command", json!(["SIGTERM"])), // only an Application subscribes
    ] {
        assert_eq!(sidecar.call("nested", json!([how, signals])), Ok(json!("it ran")), "{how} {signals}");
        assert_eq!(sidecar.call("left", json!(["SIGTERM"])), Ok(json!("the default")), "{how} {signals}");
        assert_eq!(sidecar.worker(0)["signals_taken"], json!([]), "{how} {signals}");
        drains(&sidecar, gate);
    }
}

#[test]
fn term_inside_a_command_drains_unless_the_command_subscribes_to_it() {
    let sidecar = symfony();
    let nested = |signals: &'static [&str]| move |gate: &str| json!(["application", signals, gate]);
    let (answer, before) = term_inside(&sidecar, "one", "nested", nested(&["SIGUSR1"]));
    assert_eq!(answer, "it ran");
    replaced(&sidecar, &before);

    let (answer, before) = term_inside(&sidecar, "two", "nested", nested(&["SIGTERM"]));
    assert_eq!(answer, "it ran");
    sidecar.wait_logged("the command got signal 15", 1);
    assert_eq!(sidecar.worker(0)["pid"], before["pid"]);
}

#[test]
fn a_stop_signal_that_a_command_has_kept_is_shown_and_is_the_commands() {
    let mut sidecar = symfony();
    let before = sidecar.worker(0);
    let nested = json!(["application", ["SIGTERM", "SIGQUIT"]]);
    assert_eq!(sidecar.call("nested", nested), Ok(json!("it ran")));
    if sidecar.call("left", json!(["SIGTERM"])) == Ok(json!("the default")) {
        assert_eq!(sidecar.worker(0)["signals_taken"], json!([]));
        return drains(&sidecar, "gate"); // a later Symfony
    }
    eventually("its signals are shown", || match sidecar.worker(0) {
        worker if worker["signals_taken"] == json!(["SIGTERM", "SIGQUIT"]) => Ok(()),
        worker => Err(worker.to_string()),
    });
    let told = sidecar.cli(&["status"]).stdout;
    assert!(told.contains("SIGTERM, SIGQUIT"), "{told}");

    let (answer, _) = term_inside(&sidecar, "one", "hold", |gate| json!([gate]));
    assert_eq!(answer, "held");
    sidecar.wait_logged("the command got signal 15", 1);
    assert_eq!(sidecar.worker(0)["pid"], before["pid"], "nobody has told the worker to stop");

    // The sidecar's own stop does not depend on signals.
    let gate = sidecar.gate("two");
    let mut client = sidecar.client();
    let id = client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    sidecar.signal(Signal::SIGTERM);
    drop(held);
    assert_eq!(client.receive(), (id, Ok(json!("held"))));
    assert_eq!(sidecar.wait().code(), 0);
    assert_eq!(sidecar.descendants(), [0; 0]);
    assert_eq!(sidecar.logged("has not ended"), [""; 0]);
}

#[test]
fn term_killed_a_worker_on_which_a_console_had_restored_the_default() {
    let sidecar = symfony();
    for signals in [json!(["SIGTERM"]), json!(["SIGTERM", "SIGINT", "SIGQUIT"])] {
        let restore = || {
            assert_eq!(sidecar.call("restore", signals.clone()), Ok(json!("restored")));
            // The worker has looked after its signals by the time it serves the next request.
            assert_eq!(sidecar.call("left", json!(["SIGTERM"])), Ok(json!("the default")));
            assert_eq!(sidecar.worker(0)["signals_taken"], json!([]));
        };
        restore();
        let before = sidecar.worker(0);
        sidecar.signal_worker(0, Signal::SIGTERM);
        replaced(&sidecar, &before);
        restore();
        drains(&sidecar, &signals.to_string());
    }
}
