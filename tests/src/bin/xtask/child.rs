//! Processes that live on while xtask does something else: each in its own group, ended and waited for in `Drop`.
//!
//! xtask is also a subreaper (prctl(2)): what its children leave behind becomes its own child. While it waits for one
//! of its own it reaps these too, as init would (a test that waits for a process to be gone must not see its zombie),
//! and `end_orphans` ends what still runs. Nothing here ever looks for a process by its name.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::Pid;

use crate::failure::{Context, Result};
use crate::procs::{self, Proc};
use crate::wait::eventually;
use crate::{interrupt, run};

/// How long a process may take to end after TERM before it gets KILL.
const GRACE: Duration = Duration::from_secs(10);

/// The pids of all `Guarded` that have not been reaped: these are waited for by their owners only. The lock is held
/// from before a spawn until the pid is in here, so that nobody takes a newborn for an orphan.
static GUARDED: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// From now on orphaned descendants become our children.
pub fn adopt_orphans() -> Result {
    prctl::set_child_subreaper(true).map_err(io::Error::from).context("prctl(PR_SET_CHILD_SUBREAPER)")
}

/// One process and its group.
pub struct Guarded {
    child: Child,
    what: String,
}

impl Guarded {
    pub fn spawn(mut command: Command) -> Result<Self> {
        let what = run::program(&command);
        command.process_group(0);
        // SAFETY: prctl(2) and nothing else happens between fork and exec.
        unsafe { command.pre_exec(|| prctl::set_pdeathsig(Signal::SIGTERM).map_err(io::Error::from)) };
        let mut guarded = GUARDED.lock().unwrap_or_else(PoisonError::into_inner);
        let child = Self { child: command.spawn().context(format_args!("start {what}"))?, what };
        guarded.push(child.pid());
        Ok(child)
    }

    pub fn pid(&self) -> i32 {
        self.child.id().try_into().expect("a pid fits i32")
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its status, once it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        reap_orphans();
        self.child.try_wait().context(format_args!("wait for {}", self.what))
    }

    /// Waits for its end by itself. What runs in the foreground may take as long as it likes: it shows what it does.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        loop {
            let short = eventually(Duration::from_secs(3600), &self.what.clone(), || self.poll());
            match short {
                Ok(status) => return Ok(status),
                Err(why) => {
                    interrupt::check()?;
                    eprintln!("xtask: still waiting: {why}");
                }
            }
        }
    }

    /// Waits for its end by itself, but not longer than `within`.
    pub fn wait_within(&mut self, within: Duration) -> Result<ExitStatus> {
        let what = format!("{} ends", self.what);
        eventually(within, &what, || self.poll())
    }

    /// TERM, then KILL after the grace; reaped in any case.
    pub fn end(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal(Signal::SIGTERM);
        if let Some(status) = self.ends_within_grace() {
            return Ok(status);
        }
        self.signal(Signal::SIGKILL);
        self.child.wait().context(format_args!("wait for {}", self.what))
    }

    fn signal(&self, signal: Signal) {
        // Not reaped yet, so the group cannot be somebody else's; ESRCH: it has just ended.
        let _ = killpg(Pid::from_raw(self.pid()), signal);
    }

    /// Like `eventually`, but an interrupt does not cut it short: it is what follows one.
    fn ends_within_grace(&mut self) -> Option<ExitStatus> {
        let deadline = std::time::Instant::now() + GRACE;
        while std::time::Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    fn poll(&mut self) -> std::result::Result<ExitStatus, String> {
        match self.ended() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("running".into()),
            Err(why) => Err(why.to_string()),
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Err(why) = self.end() {
            eprintln!("xtask: {why}");
        }
        GUARDED.lock().unwrap_or_else(PoisonError::into_inner).retain(|pid| *pid != self.pid());
    }
}

/// Reaps what has become our child and ended since, without waiting. It stops at an ended `Guarded`, which its owner
/// is about to reap.
fn reap_orphans() {
    let guarded = GUARDED.lock().unwrap_or_else(PoisonError::into_inner);
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(status) = waitid(Id::All, look) {
        match status.pid() {
            Some(pid) if !guarded.contains(&pid.as_raw()) => drop(waitpid(pid, Some(WaitPidFlag::WNOHANG))),
            _ => return,
        }
    }
}

/// Ends and reaps whatever has become our child, again and again until there is nothing; returns what was running.
/// Call it only when no `Guarded` is alive: it reaps everything.
pub fn end_orphans() -> Vec<Proc> {
    let me = Pid::this().as_raw();
    let mut ended: Vec<Proc> = Vec::new();
    loop {
        for process in procs::children(me) {
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL); // ours and not reaped: the pid is not reused
            if !ended.contains(&process) {
                ended.push(process);
            }
        }
        match waitpid(None, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return ended, // ECHILD: nobody left
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_guarded_is_reaped_by_its_owner_only() {
        let mut guarded = Guarded::spawn(run::command("sh", ["-c", "exit 7"])).unwrap();
        let pid = guarded.pid();
        eventually(Duration::from_secs(10), "it has ended", || {
            let running = procs::children(Pid::this().as_raw());
            if running.iter().any(|process| process.pid == pid) { Err("it runs".into()) } else { Ok(()) }
        })
        .unwrap();
        reap_orphans();
        assert_eq!(guarded.wait().unwrap().code(), Some(7));
    }

    #[test]
    fn orphans_are_reaped_while_we_wait_for_others() {
        adopt_orphans().unwrap();
        let (_, lines) =
            run::run_collecting(run::command("sh", ["-c", "sleep 60 >/dev/null & echo $!"])).unwrap();
        let orphan: i32 = lines.first().unwrap().parse().unwrap();
        kill(Pid::from_raw(orphan), Signal::SIGKILL).unwrap();
        eventually(Duration::from_secs(10), "no zombie", || {
            reap_orphans();
            let there = std::path::Path::new(&format!("/proc/{orphan}")).exists();
            if there { Err("it is there".into()) } else { Ok(()) }
        })
        .unwrap();
    }
}
