//! What workers leave behind, by the hundred: all of it is reaped, and ended at the stop.

use rustdaemon_core::link::SOCKET_VARIABLE;
use rustdaemon_tests::{Sidecar, eventually, those_with};
use serde_json::json;

use crate::dose;

fn sidecar() -> Sidecar {
    let sidecar = Sidecar::builder().command([env!("CARGO_BIN_EXE_fake_worker")]).start();
    sidecar.wait_state(0, "idle");
    sidecar
}

/// The processes of the socket, without the worker.
fn strangers(sidecar: &Sidecar) -> usize {
    those_with(SOCKET_VARIABLE, &sidecar.socket().to_string_lossy()).len() - 1
}

/// The pids whose parent is the sidecar, alive or not.
fn children(sidecar: &Sidecar) -> Vec<String> {
    let file = format!("/proc/{0}/task/{0}/children", sidecar.pid());
    std::fs::read_to_string(file).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn grandchildren_in_sessions_of_their_own_are_gone_after_the_stop() {
    let count = dose(50, 1_000);
    let mut sidecar = sidecar();
    let script = format!(
        "for i in $(seq {count}); do (setsid nohup sh -c 'trap \"\" HUP; sleep 600 & wait' >/dev/null 2>&1 &) ; done"
    );
    sidecar.call("start", json!([script])).unwrap();
    let wanted = 2 * usize::try_from(count).unwrap();
    eventually("all are there", || match strangers(&sidecar) {
        there if there >= wanted => Ok(()),
        there => Err(format!("{there} of {wanted}")),
    });
    assert_eq!(sidecar.stop().code(), 0);
    assert_eq!(sidecar.descendants(), [0; 0]);
    assert!(!sidecar.log().contains("left behind"), "{}", sidecar.log());
}

#[test]
fn children_that_end_in_one_moment_are_all_reaped() {
    let rounds = dose(10, 1_000);
    let sidecar = sidecar();
    for round in 0..rounds {
        let gate = sidecar.gate(&format!("gate{round}"));
        // 64 that wait for the end of one FIFO, and have lost their parent meanwhile.
        let script = format!("exec 3<{}; for i in $(seq 64); do (cat <&3 >/dev/null &) ; done", gate.path());
        sidecar.call("start", json!([script])).unwrap();
        let held = gate.arrived();
        eventually("all are the sidecar's children", || match children(&sidecar).len() {
            65.. => Ok(()),
            there => Err(format!("{there}")),
        });
        drop(held);
        eventually("none is left, not even dead", || match children(&sidecar) {
            left if left.len() == 1 => Ok(()),
            left => Err(format!("{left:?}")),
        });
    }
    assert_eq!(sidecar.worker(0)["restarts"], 0);
}
