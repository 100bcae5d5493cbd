//! Starting worker processes.
//!
//! # How it works
//! Fork and execve from the sidecar's one thread. Each child has a process group of its own, /dev/null as stdin, an
//! empty signal mask, default dispositions, and of our descriptors only stdout, stderr and its link. It is known by
//! its pidfd from its first moment: opened before anything could have reaped it.
//!
//! # Rules
//! Between fork and execve only async-signal-safe calls. Decides nothing about restarts.
//! Sources: signal-safety(7), execve(2), pidfd_open(2).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustdaemon_core::link::{Ends, LINK_VARIABLE, RUN_VARIABLE, SOCKET_VARIABLE};
use rustdaemon_core::sys::{self, ExitStatus};

/// A child of ours, signalled and reaped by pidfd only.
#[derive(Debug)]
pub struct Process {
    /// Its process id, for people.
    pub pid: i32,
    pidfd: OwnedFd,
}

impl Process {
    /// Starts `command` (argv, no shell). `ends` are the worker's ends of its link; they are closed here afterwards.
    ///
    /// # Blocking
    /// Until the execve has worked or failed.
    ///
    /// # Errors
    /// What fork(2), execve(2) or pidfd_open(2) say.
    pub fn spawn(command: &[OsString], run: &str, socket: &Path, ends: Option<Ends>) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program);
        child.args(arguments).stdin(Stdio::null()).process_group(0);
        child.env(RUN_VARIABLE, run).env(SOCKET_VARIABLE, socket).env_remove(LINK_VARIABLE);
        if let Some(ends) = &ends {
            child.env(LINK_VARIABLE, ends.variable()?);
        }
        // SAFETY: the closure makes system calls only, and touches no lock and no allocator.
        unsafe {
            child.pre_exec(move || {
                sys::default_signals()?;
                ends.as_ref().map_or(Ok(()), Ends::pass_to_exec)
            });
        }
        let mut child_process = child.spawn()?;
        let pid = i32::try_from(child_process.id()).map_err(|_| io::ErrorKind::InvalidData)?;
        match sys::pidfd_open(pid) {
            Ok(pidfd) => Ok(Self { pid, pidfd }),
            Err(error) => {
                // Nobody could watch it: it must not live.
                let _ = child_process.kill();
                let _ = child_process.wait();
                Err(error)
            }
        }
    }

    /// Sends a signal to exactly this process.
    ///
    /// # Errors
    /// `ESRCH`: it has ended.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        sys::pidfd_send_signal(self.pidfd.as_fd(), number)
    }

    /// Its exit status, once it has ended.
    ///
    /// # Errors
    /// What waitid(2) says.
    pub fn reap(&self) -> io::Result<Option<ExitStatus>> {
        sys::pidfd_reap(self.pidfd.as_fd())
    }

    /// Readable when it has ended.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// The file that `program` means, looked up as execvp(3) does.
///
/// # Errors
/// One sentence.
pub fn find_program(program: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, String> {
    let shown = program.to_string_lossy();
    if program.as_encoded_bytes().contains(&b'/') {
        let file = PathBuf::from(program);
        return match sys::is_executable(&file) {
            true => Ok(file),
            false => Err(format!("the command {shown} is not an executable file")),
        };
    }
    let path = path.unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"));
    let found = std::env::split_paths(path)
        .map(|directory| directory.join(program))
        .find(|file| sys::is_executable(file));
    found.ok_or_else(|| {
        format!("the command {shown} was not found in PATH ({}); give its full path", path.to_string_lossy())
    })
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    fn run(script: &str) -> ExitStatus {
        let command = ["sh".into(), "-c".into(), script.into()];
        let process = Process::spawn(&command, "run/0", Path::new("/run/x.sock"), None).unwrap();
        let ended =
            poll(&mut [PollFd::new(process.pidfd(), PollFlags::POLLIN)], PollTimeout::from(10_000_u16));
        assert_eq!(ended, Ok(1), "{script} has not ended within 10 s");
        process.reap().unwrap().unwrap()
    }

    #[test]
    fn a_child_starts_clean() {
        assert_eq!(run("exit 3"), ExitStatus::Code(3));
        assert_eq!(
            run("test \"$RUSTDAEMON_RUN $RUSTDAEMON_SOCKET\" = 'run/0 /run/x.sock'"),
            ExitStatus::Code(0)
        );
        assert_eq!(run("test \"$(readlink /proc/self/fd/0)\" = /dev/null"), ExitStatus::Code(0));
        // Rust's own SIGPIPE and whatever the test runner ignores must not reach it; 32 and 33 are glibc's own, which
        // its posix_spawn ignores and its sigaction hides.
        let clean = r"test $(( 0x$(sed -n 's/^SigXXX:\s*//p' /proc/self/status) & ~0x180000000 )) = 0";
        assert_eq!(run(&clean.replace("XXX", "Ign")), ExitStatus::Code(0));
        assert_eq!(run(&clean.replace("XXX", "Blk")), ExitStatus::Code(0));
    }

    #[test]
    fn what_cannot_be_started_says_why() {
        let error = Process::spawn(&["/no/such/file".into()], "run/0", Path::new("/x"), None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_program_is_found_as_execvp_does() {
        let path = Some(OsStr::new("/nowhere:/usr/bin:/bin"));
        assert!(find_program(OsStr::new("sh"), path).is_ok());
        assert!(
            find_program(OsStr::new("no-such-program"), path).unwrap_err().contains("/nowhere:/usr/bin:/bin")
        );
        assert!(find_program(OsStr::new("/etc/passwd"), path).unwrap_err().contains("not an executable"));
        assert!(find_program(OsStr::new("/tmp"), path).is_err());
    }
}
