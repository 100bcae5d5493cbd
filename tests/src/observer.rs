//! An outside observer of one socket: it looks at /proc again and again and counts what must never be there.
//!
//! # How it works
//! Whose a process is stands in its environment (`RUSTDAEMON_SOCKET`, `RUSTDAEMON_RUN`); who its sidecar is, in the
//! socket's lock file. It believes nothing that a sidecar says. Three things are counted, each process once:
//!
//! - an *orphan*: of a run whose sidecar is dead, and alive for longer than the grace after that was seen first;
//! - a *zombie*: a dead child of the living sidecar that is not reaped within the grace;
//! - a *duplicate*: two living processes of one slot in one moment, of one run or of two. A scan takes time, so the
//!   first is looked at again after the second was seen: if it still lives, with the memory of a running program, both
//!   lived then.
//!
//! # What may be missed
//! Whatever begins and ends between two looks.
//! Sources: proc(5).

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustdaemon_core::link::{RUN_VARIABLE, SOCKET_VARIABLE};
use rustdaemon_core::sys;

/// Between the beginnings of two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// A process that was somebody else's so often is not looked at any more: a newborn shows its parent's environment.
const ENOUGH: u32 = 20;

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Looks at all of /proc.
    pub scans: u64,
    /// Processes of the socket that were seen alive.
    pub seen: usize,
    /// One line each.
    pub orphans: Vec<String>,
    /// One line each.
    pub zombies: Vec<String>,
    /// One line each.
    pub duplicates: Vec<String>,
}

/// Watches until it is asked for its report.
#[derive(Debug)]
pub struct Observer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Report>>,
}

impl Observer {
    /// Begins to watch the socket.
    #[must_use]
    pub fn of(socket: &Path, grace: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut scene = Scene::new(socket, grace);
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let next = Instant::now() + PAUSE;
                scene.look();
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            scene.report
        });
        Self { stop, thread: Some(thread) }
    }

    /// Ends the watch.
    #[track_caller]
    #[must_use]
    pub fn report(mut self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is taken once");
        thread.join().expect("the observer has panicked")
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A process, told from others that had its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Identity {
    pid: i32,
    /// In clock ticks after boot.
    started: u64,
}

#[derive(Debug, Clone, Copy)]
struct Stat {
    identity: Identity,
    parent: i32,
    dead: bool,
}

/// One of the socket's processes: its run and its slot.
type Mark = (String, String);

struct Scene {
    socket: Vec<u8>,
    lock: PathBuf,
    grace: Duration,
    report: Report,
    known: HashMap<Identity, Mark>,
    others: HashMap<Identity, u32>,
    dead_runs: HashMap<String, Instant>,
    dead_children: HashMap<Identity, Instant>,
    counted: HashSet<Identity>,
}

impl Scene {
    fn new(socket: &Path, grace: Duration) -> Self {
        let mut lock = socket.as_os_str().to_owned();
        lock.push(".lock");
        Self {
            socket: format!("{SOCKET_VARIABLE}={}", socket.display()).into_bytes(),
            lock: lock.into(),
            grace,
            report: Report::default(),
            known: HashMap::new(),
            others: HashMap::new(),
            dead_runs: HashMap::new(),
            dead_children: HashMap::new(),
            counted: HashSet::new(),
        }
    }

    fn look(&mut self) {
        self.report.scans += 1;
        let owner = self.owner();
        let now = Instant::now();
        let all: Vec<Stat> = sys::process_ids().into_iter().filter_map(stat).collect();
        let mut by_slot: HashMap<String, Vec<(Stat, String)>> = HashMap::new();
        for process in all.iter().filter(|process| !process.dead) {
            let Some((run, slot)) = self.mark(process.identity) else { continue };
            let current = owner.as_ref().is_some_and(|(_, current)| *current == run);
            if !current {
                let since = *self.dead_runs.entry(run.clone()).or_insert(now);
                if now - since > self.grace && self.counted.insert(process.identity) {
                    self.report.orphans.push(format!("pid {} of run {run}/{slot}", process.identity.pid));
                }
            }
            by_slot.entry(slot).or_default().push((*process, run));
        }
        for (slot, mut processes) in by_slot {
            while let Some((second, second_run)) = processes.pop() {
                for (first, first_run) in &processes {
                    // All of the first loop is behind us: whoever lives now lived when the other one was seen.
                    if self.lives(first.identity)
                        && self.lives(second.identity)
                        && self.counted.insert(second.identity)
                    {
                        let (first, second) = (first.identity.pid, second.identity.pid);
                        self.report.duplicates.push(format!(
                            "slot {slot}: pids {first} (run {first_run}) and {second} (run {second_run})"
                        ));
                    }
                }
            }
        }
        let sidecar = owner.map(|(pid, _)| pid);
        for zombie in all.iter().filter(|process| process.dead && Some(process.parent) == sidecar) {
            let since = *self.dead_children.entry(zombie.identity).or_insert(now);
            if now - since > self.grace && self.counted.insert(zombie.identity) {
                self.report.zombies.push(format!("pid {}", zombie.identity.pid));
            }
        }
        let present: HashSet<Identity> = all.iter().map(|process| process.identity).collect();
        self.known.retain(|identity, _| present.contains(identity));
        self.others.retain(|identity, _| present.contains(identity));
        self.dead_children.retain(|identity, _| present.contains(identity));
    }

    /// The living sidecar and its run.
    fn owner(&self) -> Option<(i32, String)> {
        let text = fs::read_to_string(&self.lock).ok()?;
        let mut words = text.split_whitespace();
        let (pid, run) = (words.next()?.parse().ok()?, words.next()?.to_owned());
        stat(pid).filter(|process| !process.dead)?;
        Some((pid, run))
    }

    fn mark(&mut self, identity: Identity) -> Option<Mark> {
        if let Some(mark) = self.known.get(&identity) {
            return Some(mark.clone());
        }
        let looks = self.others.entry(identity).or_default();
        if *looks > ENOUGH {
            return None;
        }
        *looks += 1;
        let mark = self.read_mark(identity.pid)?;
        self.report.seen += 1;
        self.known.insert(identity, mark.clone());
        Some(mark)
    }

    fn read_mark(&self, pid: i32) -> Option<Mark> {
        let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let mut entries = environ.split(|byte| *byte == 0);
        entries.clone().any(|entry| entry == self.socket).then_some(())?;
        let prefix = format!("{RUN_VARIABLE}=").into_bytes();
        let run = entries.find_map(|entry| entry.strip_prefix(prefix.as_slice()))?;
        let (run, slot) = std::str::from_utf8(run).ok()?.split_once('/')?;
        Some((run.to_owned(), slot.to_owned()))
    }

    /// Neither dead nor dying: a process gives its memory up before the rest.
    fn lives(&self, identity: Identity) -> bool {
        let same = stat(identity.pid).is_some_and(|now| now.identity == identity && !now.dead);
        same && self.read_mark(identity.pid).is_some()
    }
}

/// `PID (COMMAND) STATE PARENT ...`, where the command may hold anything; field 22 is the start.
fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let words: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let dead = matches!(*words.first()?, "Z" | "X");
    let (parent, started) = (words.get(1)?.parse().ok()?, words.get(19)?.parse().ok()?);
    Some(Stat { identity: Identity { pid, started }, parent, dead })
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;
    use crate::wait::eventually;

    const RUN: &str = "0123456789abcdef";

    /// A socket whose living sidecar is this test program.
    struct Stage {
        directory: tempfile::TempDir,
        scene: Scene,
        children: Vec<Child>,
    }

    impl Stage {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let socket = directory.path().join("s");
            fs::write(directory.path().join("s.lock"), format!("{} {RUN}\n", std::process::id())).unwrap();
            Self { scene: Scene::new(&socket, Duration::ZERO), directory, children: Vec::new() }
        }

        fn start(&mut self, run: &str, command: &str) {
            let mut child = Command::new("sh");
            child.args(["-c", command]).env(RUN_VARIABLE, run);
            self.children.push(child.env(SOCKET_VARIABLE, self.directory.path().join("s")).spawn().unwrap());
        }

        /// Looks until `count` gives one.
        fn one(&mut self, what: &str, count: impl Fn(&Report) -> usize) {
            eventually(what, || {
                self.scene.look();
                if count(&self.scene.report) == 1 { Ok(()) } else { Err(format!("{:?}", self.scene.report)) }
            });
        }
    }

    impl Drop for Stage {
        fn drop(&mut self) {
            for child in &mut self.children {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }

    #[test]
    fn a_living_worker_is_nothing_to_count() {
        let mut stage = Stage::new();
        stage.start(&format!("{RUN}/0"), "exec sleep 60");
        stage.start(&format!("{RUN}/1"), "exec sleep 60");
        eventually("both are seen", || {
            stage.scene.look();
            if stage.scene.report.seen == 2 { Ok(()) } else { Err(format!("{:?}", stage.scene.report)) }
        });
        stage.scene.look();
        let report = &stage.scene.report;
        assert!(report.orphans.is_empty() && report.duplicates.is_empty(), "{report:?}");
    }

    #[test]
    fn who_outlives_its_sidecar_is_an_orphan_once() {
        let mut stage = Stage::new();
        stage.start("fedcba9876543210/0", "exec sleep 60");
        stage.one("an orphan", |report| report.orphans.len());
        stage.scene.look();
        assert_eq!(stage.scene.report.orphans.len(), 1, "counted once");
    }

    #[test]
    fn two_of_one_slot_are_a_duplicate_also_of_two_runs() {
        for run in [RUN, "fedcba9876543210"] {
            let mut stage = Stage::new();
            stage.start(&format!("{RUN}/3"), "exec sleep 60");
            stage.start(&format!("{run}/3"), "exec sleep 60");
            stage.one("a duplicate", |report| report.duplicates.len());
        }
    }

    #[test]
    fn a_dead_child_that_nobody_reaps_is_a_zombie() {
        let mut stage = Stage::new();
        stage.start(&format!("{RUN}/0"), "exit 0");
        let pid = stage.children[0].id();
        let named = move |report: &Report| {
            report.zombies.iter().filter(|line| **line == format!("pid {pid}")).count()
        };
        stage.one("a zombie", named);
    }
}
