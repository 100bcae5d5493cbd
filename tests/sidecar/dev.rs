//! `rustdaemon run --dev`: reloads when a file changes, one worker, hangs are only reported.

use std::fs;

use nix::sys::signal::Signal;
use rustdaemon_tests::eventually;
use serde_json::json;

use crate::fake;

#[test]
fn a_changed_file_reloads_and_ctrl_c_drains() {
    let builder = fake("");
    let app = builder.directory().join("app");
    for directory in ["src/Plc", "vendor/x", "storage"] {
        fs::create_dir_all(app.join(directory)).unwrap();
    }
    let code = app.join("src/Plc/Reader.php");
    fs::write(&code, "<?php").unwrap();
    let flags = format!("--dev --workers 4 --hang-action restart --cwd {}", app.display());
    let mut sidecar = builder.flags(&flags).start();
    sidecar.wait_state(0, "idle");
    assert_eq!(sidecar.status()["workers"].as_array().unwrap().len(), 1, "one worker");
    let serves = |generation: u64| sidecar.wait_pool("generation", generation);
    // What does not matter comes first: a reload for it would be counted before the one that is awaited.
    for beside in ["vendor/x/y.php", "storage/view.php", "src/a.log", "src/.Reader.php.swp"] {
        fs::write(app.join(beside), "<?php").unwrap();
    }
    fs::write(&code, "<?php echo 1;").unwrap();
    serves(2);
    assert_eq!(sidecar.logged("src/Plc/Reader.php has changed: reload").len(), 1, "{}", sidecar.log());
    assert_eq!(sidecar.logged(": reload").len(), sidecar.logged("generation 2").len(), "{}", sidecar.log());
    // As an editor saves: under another name, then in its place; in a directory that is new.
    fs::create_dir(app.join("src/New")).unwrap();
    fs::write(app.join("src/New/tmp~"), "<?php").unwrap();
    fs::rename(app.join("src/New/tmp~"), app.join("src/Plc/Writer.php")).unwrap();
    serves(3);
    fs::remove_file(&code).unwrap();
    serves(4);
    let gate = sidecar.gate("gate");
    let mut client = sidecar.client();
    client.send("hold", json!([gate.path()]));
    let held = gate.arrived();
    sidecar.signal(Signal::SIGINT);
    eventually("it stops", || match sidecar.logged("SIGINT from").len() {
        0 => Err("not yet".into()),
        _ => Ok(()),
    });
    drop(held);
    assert_eq!(client.receive().1, Ok(json!("held")), "what was in hand is answered");
    assert_eq!(sidecar.wait().code(), 0);
    assert!(!sidecar.log().contains('\u{1b}'), "colours are for terminals");
}

#[test]
fn a_broken_release_leaves_the_old_one_until_it_is_mended() {
    let builder = rustdaemon_tests::Sidecar::builder();
    let app = builder.directory().join("app");
    fs::create_dir(&app).unwrap();
    let code = app.join("worker.php");
    fs::write(&code, "good").unwrap();
    let script = r#"grep -q good worker.php || { echo "PHP Parse error"; exit 255; }; exec "$0""#;
    let builder = builder.command(["sh", "-c", script, env!("CARGO_BIN_EXE_fake_worker")]);
    let sidecar = builder.flags(&format!("--dev --cwd {}", app.display())).start();
    let pid = sidecar.wait_state(0, "idle")["pid"].clone();
    fs::write(&code, "bad").unwrap();
    sidecar.wait_logged("generation 2 is refused", 1);
    sidecar.wait_logged("PHP Parse error", 1);
    assert_eq!(sidecar.worker(0)["pid"], pid, "the old one serves on");
    fs::write(&code, "good again").unwrap();
    sidecar.wait_pool("generation", 2);
}
