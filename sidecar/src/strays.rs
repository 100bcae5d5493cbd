//! Processes that nobody waits for any more: found by what they carry in their environment, or as our children.
//!
//! # How it works
//! Each process that a sidecar starts carries `RUSTDAEMON_RUN=<run>/<slot>` and hands it on to whatever it starts.
//! After a sidecar was killed, the next one on its socket knows its run id and finds them in /proc. Each is looked at
//! again after its pidfd was opened, so that a number that means another process by then hurts nobody.
//!
//! # What may be lost
//! A process that clears its environment, or one whose environment this user may not read. A process in the middle of
//! an execve shows none for a moment: whoever looks, looks until nothing new is found.
//!
//! # Rules
//! Never ourselves, never an ancestor of ours (a worker may have restarted its own sidecar), never another run.
//! Sources: proc(5), pidfd_open(2).

use std::fs;
use std::os::fd::OwnedFd;

use rustdaemon_core::link::RUN_VARIABLE;
use rustdaemon_core::sys;

/// A process that is to be ended.
#[derive(Debug)]
pub struct Stray {
    /// Its process id, for people.
    pub pid: i32,
    /// Opened before it was looked at for the last time.
    pub pidfd: OwnedFd,
}

/// What a run has left behind.
#[must_use]
pub fn of_run(run: &str) -> Vec<Stray> {
    let prefix = format!("{RUN_VARIABLE}={run}/").into_bytes();
    let spared = self_and_ancestors();
    let carries = |pid: i32| {
        let environ = sys::look_at(pid, || fs::read(format!("/proc/{pid}/environ"))).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|entry| entry.starts_with(&prefix))
    };
    let candidates = sys::process_ids().into_iter().filter(|pid| !spared.contains(pid) && carries(*pid));
    let stray = |pid| {
        let pidfd = sys::pidfd_open(pid).ok()?;
        carries(pid).then_some(Stray { pid, pidfd })
    };
    candidates.filter_map(stray).collect()
}

/// Our children: those that we have started, and those that have lost their parent and became ours. Not the dead.
#[must_use]
pub fn children() -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let is_child = |pid: &i32| parent_of(*pid).is_some_and(|(parent, alive)| parent == own && alive);
    sys::process_ids().into_iter().filter(is_child).collect()
}

pub fn self_and_ancestors() -> Vec<i32> {
    let mut line = Vec::new();
    let mut next = i32::try_from(std::process::id()).ok();
    while let Some(pid) = next.filter(|pid| *pid > 0 && !line.contains(pid)) {
        line.push(pid);
        next = parent_of(pid).map(|(parent, _)| parent);
    }
    line
}

/// A process's parent, and whether it lives: `PID (COMMAND) STATE PARENT ...`, where the command may hold anything.
fn parent_of(pid: i32) -> Option<(i32, bool)> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    let alive = !matches!(words.next()?, "Z" | "X");
    Some((words.next()?.parse().ok()?, alive))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::process::{Child, Command};

    use super::*;

    fn start(run: &str) -> Child {
        Command::new("sleep").arg("60").env(RUN_VARIABLE, run).spawn().unwrap()
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn pid(child: &Child) -> i32 {
        child.id().try_into().unwrap()
    }

    #[test]
    fn what_a_run_left_behind_is_found_and_nothing_else() {
        let mark = format!("{:016x}", std::process::id());
        let ours = [start(&format!("{mark}/0")), start(&format!("{mark}/17"))];
        let others = [start(&format!("{mark}0/0")), start(&mark), start("other/0")];
        let mut found = of_run(&mark);
        found.sort_by_key(|stray| stray.pid);
        let mut wanted = ours.each_ref().map(pid);
        wanted.sort_unstable();
        assert_eq!(found.iter().map(|stray| stray.pid).collect::<Vec<_>>(), wanted);
        for stray in &found {
            sys::pidfd_send_signal(stray.pidfd.as_fd(), 0).unwrap();
        }
        ours.into_iter().for_each(end);
        assert!(of_run(&mark).is_empty());
        others.into_iter().for_each(end);
    }

    #[test]
    fn ancestors_and_children_are_known() {
        let line = self_and_ancestors();
        assert_eq!(line[0], i32::try_from(std::process::id()).unwrap());
        assert!(line.len() > 1 && line.contains(&nix::unistd::getppid().as_raw()), "{line:?}");
        let mut child = start("x/0");
        assert!(children().contains(&pid(&child)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children().contains(&pid(&child)));
    }
}
