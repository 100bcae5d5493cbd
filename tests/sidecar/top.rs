//! `rustdaemon top` in a terminal of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::sync::{Arc, Mutex};

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::Signal;
use nix::sys::termios::{LocalFlags, tcgetattr};
use rustdaemon_tests::{Process, Sidecar, eventually, sidecar_binary};
use vt100::Parser;

use crate::{fake, idle};

/// `top` and its terminal.
struct Top {
    process: Process,
    keys: File,
    pty: OpenptyResult,
    screen: Arc<Mutex<Parser>>,
}

impl Top {
    #[track_caller]
    fn start(sidecar: &Sidecar, columns: u16, lines: u16) -> Self {
        let size = Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        // Process::start has stdin and stdout of its own: the terminal is opened by its name.
        let name = std::fs::read_link(format!("/proc/self/fd/{}", pty.slave.as_raw_fd())).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec \"$@\" <{0} >{0}", name.display()), "sh"]).arg(sidecar_binary());
        command.args(["top", "--interval", "100ms", "--socket"]).arg(sidecar.socket());
        command.env("TERM", "xterm");
        let process = Process::start(command);
        let screen = Arc::new(Mutex::new(Parser::new(lines, columns, 0)));
        let (mut output, to) = (File::from(pty.master.try_clone().unwrap()), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut chunk) {
                to.lock().unwrap().process(&chunk[..length]);
            }
        });
        Self { process, keys: File::from(pty.master.try_clone().unwrap()), pty, screen }
    }

    /// Waits until a line of the screen holds all of these.
    #[track_caller]
    fn shows(&self, texts: &[&str]) {
        eventually(&format!("{texts:?} is shown"), || {
            let shown = self.screen.lock().unwrap().screen().contents();
            let is_it = |line: &str| texts.iter().all(|text| line.contains(text));
            if shown.lines().any(is_it) { Ok(()) } else { Err(shown) }
        });
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    fn is_raw(&self) -> bool {
        let flags = tcgetattr(self.pty.slave.as_fd()).unwrap().local_flags;
        !flags.contains(LocalFlags::ICANON)
    }
}

#[test]
fn top_shows_workers_and_its_keys_reach_them() {
    let sidecar = fake("").flags("--name plc --workers 2").start();
    sidecar.wait_state(0, "idle");
    sidecar.wait_state(1, "idle");
    let mut top = Top::start(&sidecar, 80, 24);
    top.shows(&["plc#1"]);
    assert!(top.is_raw());
    top.press("jp");
    sidecar.wait_state(1, "paused");
    top.shows(&["plc#1", "paused"]);
    top.press("p");
    sidecar.wait_state(1, "idle");
    let pid = sidecar.worker_pid(1);
    top.press("rn");
    top.press("r");
    top.shows(&["y: yes, any other key: no"]);
    assert_eq!(sidecar.worker_pid(1), pid);
    top.press("y");
    eventually("it is restarted", || match sidecar.worker(1) {
        worker if worker["state"] == "idle" && worker["pid"] != pid => Ok(()),
        worker => Err(worker.to_string()),
    });
    top.press("q");
    assert_eq!(top.process.wait().code(), 0);
    assert!(!top.is_raw(), "the terminal is as before");
}

#[test]
fn top_outlives_the_sidecar_and_goes_on_with_the_next_one() {
    let sidecar = idle();
    let mut top = Top::start(&sidecar, 80, 24);
    top.shows(&["main#0"]);
    let mut killed = sidecar.killed();
    top.shows(&["these are old: nobody listens on"]);
    let again = killed.start_again();
    again.wait_state(0, "idle");
    top.shows(&["main: 1 of 1 up"]);
    eventually("it is not old any more", || match top.screen.lock().unwrap().screen().contents() {
        shown if shown.contains("these are old") => Err(shown),
        _ => Ok(()),
    });
    top.process.signal(Signal::SIGTERM);
    assert_eq!(top.process.wait().code(), 0);
    assert!(!top.is_raw(), "the terminal is as before");
}

#[test]
fn a_small_terminal_and_none_have_an_answer() {
    let sidecar = idle();
    let mut top = Top::start(&sidecar, 20, 5);
    top.shows(&["20x5"]);
    top.press("q");
    assert_eq!(top.process.wait().code(), 0);
    let ended = sidecar.cli(&["top"]);
    assert_eq!((ended.code(), ended.stdout.as_str()), (100, ""));
    assert!(ended.stderr.contains("top needs a terminal; rustdaemon status"), "{}", ended.stderr);
}
