//! `rustdaemon shm`: what is listed, what is removed, and what is not.

use std::fs::DirEntry;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustdaemon_core::counter::Counter;
use rustdaemon_core::lock::Lock;
use rustdaemon_core::ring::{Ring, Sent};
use rustdaemon_core::segment::{DIRECTORY, Kind, Listed, Name};
use rustdaemon_tests::{Ended, Process, eventually, sidecar_binary};
use serde_json::Value;

/// A name that no other test has; what lies under it is removed in the end.
struct Named(Name);

impl Named {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(Name::parse(format!("test-shm-{}-{number}", std::process::id()).as_bytes()).unwrap())
    }

    fn text(&self) -> &str {
        self.0.as_str()
    }

    fn lock(&self) -> Arc<Lock> {
        Lock::open(&self.0).unwrap()
    }

    fn listed(&self, kind: Kind) -> Listed {
        Listed::own(kind, self.0.clone())
    }

    fn is_there(&self, kind: Kind) -> bool {
        self.listed(kind).path().exists()
    }

    /// The FIFOs of its name, whichever it belongs to.
    fn fifos(&self, kind: Kind) -> Vec<PathBuf> {
        let files = std::fs::read_dir(DIRECTORY).unwrap().flatten();
        let is_one = |file: &DirEntry| {
            file.file_name().to_str().and_then(Listed::parse_fifo) == Some(self.listed(kind))
        };
        files.filter(is_one).map(|file| file.path()).collect()
    }

    /// Waits until nobody uses it: a child that another test has forked does until its exec.
    #[track_caller]
    fn unused(&self, kind: Kind) {
        eventually("nobody uses it any more", || match self.listed(kind).is_used() {
            Some(true) => Err("it is used".to_owned()),
            _ => Ok(()),
        });
    }

    /// What `shm list --json` says of it.
    #[track_caller]
    fn rows(&self) -> Vec<Value> {
        let ended = shm(&["list", "--json"]);
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        let all: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
        all.into_iter().filter(|row| row["name"] == self.text()).collect()
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        for kind in Kind::ALL {
            let _ = std::fs::remove_file(self.listed(kind).path());
            for fifo in self.fifos(kind) {
                let _ = std::fs::remove_file(fifo);
            }
        }
    }
}

#[track_caller]
fn shm(words: &[&str]) -> Ended {
    let mut command = Command::new(sidecar_binary());
    command.arg("shm").args(words);
    Process::start(command).wait()
}

#[track_caller]
fn assert_refused(words: &[&str], code: i32, says: &str) {
    let ended = shm(words);
    assert_eq!(ended.code(), code, "{}", ended.stderr);
    assert!(ended.stderr.contains(says), "{says:?} is not in {:?}", ended.stderr);
}

#[test]
fn what_has_a_name_is_listed_with_who_uses_it() {
    let named = Named::new();
    let _ = Counter::open(&named.0).unwrap().add(-7);
    named.unused(Kind::Counter);
    let lock = named.lock();
    let own = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap();
    let rows = named.rows();
    let [counter_row, lock_row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((&counter_row["kind"], &lock_row["kind"]), (&"counter".into(), &"lock".into()));
    assert_eq!(lock_row["owner"], own.name);
    assert_eq!(lock_row["uid"], own.uid.as_raw());
    assert_eq!(lock_row["size_bytes"], 4096);
    assert_eq!(lock_row["path"], named.listed(Kind::Lock).path().to_str().unwrap());
    assert_eq!(lock_row["users"][0]["pid"], std::process::id());
    assert_eq!(lock_row["users"].as_array().unwrap().len(), 1);
    assert_eq!(counter_row["users"], Value::Array(Vec::new()));
    assert_eq!((&counter_row["value"], &lock_row["holder"]), (&(-7).into(), &Value::Null));
    assert!(counter_row.get("holder").is_none() && lock_row.get("value").is_none());
    let table = shm(&["list"]).stdout;
    assert!(table.trim_start().starts_with("NAME"), "{table}");
    // How wide the columns are is up to what else is listed.
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = table.lines().filter(|line| line.contains(named.text())).map(words).collect();
    assert!(lines[0].ends_with(" 4 KiB -7 -"), "{table}");
    assert!(lines[1].contains(&format!(" 4 KiB free {} ", std::process::id())), "{table}");
    lock.try_acquire(false).unwrap();
    assert_eq!(named.rows()[1]["holder"], std::process::id());
    assert!(shm(&["list"]).stdout.contains(&format!("  held by {} ", std::process::id())));
    assert!(lock.release());
    drop(lock);
    named.unused(Kind::Lock);
    assert_eq!(named.rows()[1]["users"], Value::Array(Vec::new()), "used by nobody any more");
}

#[test]
fn a_channel_is_listed_with_what_waits_in_it() {
    let named = Named::new();
    let ring = Ring::open(&named.0, None, 4000).unwrap();
    assert_eq!(ring.try_send(0, &[b"a"]), Ok(Sent::Done));
    ring.close().unwrap();
    let rows = named.rows();
    assert_eq!((&rows[0]["messages"], &rows[0]["closed"]), (&1.into(), &true.into()));
    assert!(shm(&["list"]).stdout.contains("  1 message, closed  "));
}

#[test]
fn what_nobody_uses_is_removed() {
    let named = Named::new();
    drop(Ring::open(&named.0, None, 4000).unwrap());
    named.unused(Kind::Channel);
    assert_eq!(named.fifos(Kind::Channel).len(), 1);
    let ended = shm(&["rm", named.text()]);
    assert_eq!((ended.code(), ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""));
    assert!(!named.is_there(Kind::Channel) && named.fifos(Kind::Channel).is_empty());
    assert_refused(&["rm", named.text()], 1, "has no channel, lock or counter of the name");
}

#[test]
fn a_fifo_whose_channel_was_removed_by_hand_is_listed_and_removed() {
    let named = Named::new();
    drop(Ring::open(&named.0, None, 4000).unwrap());
    std::fs::remove_file(named.listed(Kind::Channel).path()).unwrap();
    let left = named.fifos(Kind::Channel);
    let rows = named.rows();
    assert_eq!((rows.len(), left.len()), (1, 1), "{rows:?}");
    assert_eq!((&rows[0]["kind"], &rows[0]["left_over"]), (&"channel".into(), &true.into()));
    assert_eq!(rows[0]["path"], left[0].to_str().unwrap());
    assert!(shm(&["list"]).stdout.contains("  FIFO left over  "));
    // Beside a channel of the name that is there: both are shown, and go together.
    drop(Ring::open(&named.0, None, 4000).unwrap());
    named.unused(Kind::Channel);
    let rows = named.rows();
    assert_eq!((rows.len(), &rows[0]["messages"], &rows[1]["left_over"]), (2, &0.into(), &true.into()));
    assert_eq!(rows[1]["path"], left[0].to_str().unwrap());
    assert_eq!(shm(&["rm", named.text()]).code(), 0);
    assert!(named.rows().is_empty() && named.fifos(Kind::Channel).is_empty());
    // And one by itself.
    drop(Ring::open(&named.0, None, 4000).unwrap());
    std::fs::remove_file(named.listed(Kind::Channel).path()).unwrap();
    assert_eq!(shm(&["rm", named.text()]).code(), 0);
    assert!(named.rows().is_empty());
}

#[test]
fn what_is_used_is_removed_by_force_only() {
    let named = Named::new();
    let lock = named.lock();
    let used = format!("is used by {} ", std::process::id());
    assert_refused(&["rm", named.text()], 1, &used);
    lock.try_acquire(false).unwrap();
    assert_refused(&["rm", named.text()], 1, &format!("is held by {} ", std::process::id()));
    assert!(lock.release());
    assert!(named.is_there(Kind::Lock));
    assert_eq!(shm(&["rm", "--force", named.text()]).code(), 0);
    assert!(!named.is_there(Kind::Lock));
    lock.try_acquire(false).unwrap();
    assert!(named.is_there(Kind::Lock), "who acquires it from then on has the one that has the name");
    assert!(lock.release());
    drop(lock);
    named.unused(Kind::Lock);
    assert_eq!(shm(&["rm", named.text()]).code(), 0);
    let counter = Counter::open(&named.0).unwrap();
    assert_eq!(shm(&["rm", "--force", named.text()]).code(), 0);
    assert_eq!((counter.add(1), counter.value()), (Some(1), 1), "who has it goes on with it");
    assert_eq!(Counter::open(&named.0).unwrap().value(), 0, "the name is another counter now");
}

/// `rustdaemon shm` as the first process of a PID namespace of its own.
#[track_caller]
fn shm_in_another_namespace(words: &[&str]) -> Ended {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc"]);
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-current-user"]);
    }
    command.arg(sidecar_binary()).arg("shm").args(words);
    Process::start(command).wait()
}

#[test]
fn what_is_used_in_another_pid_namespace_is_not_removed() {
    let named = Named::new();
    if shm_in_another_namespace(&["list"]).code() != 0 {
        eprintln!("not run: this user cannot make a PID namespace");
        return;
    }
    let lock = named.lock();
    lock.try_acquire(false).unwrap();
    let ended = shm_in_another_namespace(&["rm", named.text()]);
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot be seen from this PID namespace"), "{}", ended.stderr);
    assert!(ended.stderr.contains("or give --force"), "{}", ended.stderr);
    assert!(named.is_there(Kind::Lock));
    assert!(lock.release());
    drop(lock);
    named.unused(Kind::Lock);
    assert_eq!(shm_in_another_namespace(&["rm", named.text()]).code(), 0, "nobody uses it any more");
}

#[test]
fn a_name_that_begins_with_a_dash_stands_after_two() {
    let name = Name::parse(format!("-test-shm-{}", std::process::id()).as_bytes()).unwrap();
    let named = Named(name);
    drop(named.lock());
    named.unused(Kind::Lock);
    assert_refused(&["rm", named.text()], 100, "use '-- -t'");
    assert_eq!(shm(&["rm", "--kind", "lock", "--", named.text()]).code(), 0);
    assert!(!named.is_there(Kind::Lock));
    assert_refused(&["rm", "--", named.text()], 1, "has no channel, lock or counter of the name");
}

#[test]
fn several_of_one_name_are_told_apart_by_their_kind() {
    let named = Named::new();
    drop(named.lock());
    named.unused(Kind::Lock);
    drop(Counter::open(&named.0).unwrap());
    named.unused(Kind::Counter);
    assert_refused(&["rm", named.text()], 100, "is the name of a counter and a lock: give --kind");
    assert_refused(&["rm", "--kind", "channel", named.text()], 1, "has no channel of the name");
    assert_refused(&["rm", "--kind", "pipe", named.text()], 100, "channel, lock, counter");
    assert_eq!(shm(&["rm", "--kind", "lock", named.text()]).code(), 0);
    assert!(!named.is_there(Kind::Lock) && named.is_there(Kind::Counter));
}

#[test]
fn all_that_are_named_are_removed_or_none() {
    let (named, used) = (Named::new(), Named::new());
    drop(named.lock());
    named.unused(Kind::Lock);
    let _used = used.lock();
    assert_refused(&["rm", named.text(), used.text()], 1, "is used by");
    assert_refused(&["rm", named.text(), "nobody-has-this"], 1, "nobody-has-this");
    assert!(named.is_there(Kind::Lock));
}

#[test]
fn a_damaged_one_is_listed_and_removed() {
    let named = Named::new();
    std::fs::write(named.listed(Kind::Channel).path(), "not a segment").unwrap();
    let rows = named.rows();
    assert_eq!((&rows[0]["kind"], &rows[0]["size_bytes"]), (&"channel".into(), &13.into()));
    assert!(rows[0].get("messages").is_none(), "{rows:?}");
    assert_eq!(shm(&["rm", named.text(), "--kind", "channel"]).code(), 0);
    assert!(named.rows().is_empty());
}

#[test]
fn names_that_cannot_be_are_refused() {
    assert_refused(&["rm"], 100, "NAME");
    assert_refused(&["rm", "../../etc/passwd"], 100, "cannot be a name in shared memory");
    assert_refused(&["rm", "--owner", "nobody-has-this-name", "x"], 100, "nobody-has-this-name");
    assert_refused(&[], 100, "list");
}
