//! One process of a test.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rustdaemon_core::sys::{self, ExitStatus};

use crate::wait::{PATIENCE, Watchdog, watchdog};

/// No test's process lives longer.
const LIFE: Duration = Duration::from_secs(120);

/// A running program in a process group of its own. Dropped: the group is killed and the program waited for.
#[derive(Debug)]
pub struct Process {
    what: String,
    pid: i32,
    pidfd: OwnedFd,
    output: [File; 2],
    ended: Option<ExitStatus>,
    _watchdog: Watchdog,
}

/// How a program ended, and what it wrote.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Code or signal.
    pub status: ExitStatus,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

impl Ended {
    /// The exit code.
    #[track_caller]
    #[must_use]
    pub fn code(&self) -> i32 {
        match self.status {
            ExitStatus::Code(code) => code,
            _ => panic!("{}; stderr: {}", self.status, self.stderr),
        }
    }
}

impl Process {
    /// Starts it; stdin is empty, stdout and stderr are kept for [`Process::stdout`] and [`Process::stderr`].
    #[track_caller]
    #[allow(clippy::zombie_processes, reason = "reaped by pidfd, in wait() or on drop")]
    pub fn start(mut command: Command) -> Self {
        let what = format!("{command:?}");
        let output = [(); 2].map(|()| tempfile::tempfile().expect("a temporary file"));
        let [out, err] = output.each_ref().map(|file| Stdio::from(file.try_clone().expect("dup")));
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        // SAFETY: system calls only. It gets no descriptor that cargo has left open in the test program, and does
        // not stay when that ends.
        unsafe {
            command.pre_exec(|| {
                libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int);
                Ok(set_pdeathsig(Signal::SIGKILL)?)
            });
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
        let pid = i32::try_from(child.id()).expect("a pid");
        let pidfd = sys::pidfd_open(pid).expect("pidfd_open");
        let group = Pid::from_raw(pid);
        let watchdog = watchdog(LIFE, what.clone(), move || {
            let _ = killpg(group, Signal::SIGKILL);
        });
        Self { what, pid, pidfd, output, ended: None, _watchdog: watchdog }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends a signal to it alone, not to its group.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        sys::pidfd_send_signal(self.pidfd.as_fd(), signal as i32)
            .unwrap_or_else(|error| panic!("{signal} to {}: {error}", self.what));
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.reap(Duration::ZERO).is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> Ended {
        let Some(status) = self.reap(PATIENCE) else {
            panic!("not ended within {} s: {}", PATIENCE.as_secs(), self.what);
        };
        Ended { status, stdout: self.stdout(), stderr: self.stderr() }
    }

    /// What it has written to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.output[0])
    }

    /// What it has written to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.output[1])
    }

    fn reap(&mut self, patience: Duration) -> Option<ExitStatus> {
        if self.ended.is_none() && has_ended(self.pidfd.as_fd(), patience) {
            self.ended = sys::pidfd_reap(self.pidfd.as_fd()).expect("waitid");
        }
        self.ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.reap(Duration::ZERO).is_none() {
            let _ = killpg(Pid::from_raw(self.pid), Signal::SIGKILL);
            let _ = sys::pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL);
            let _ = self.reap(PATIENCE);
        }
        if std::thread::panicking() {
            eprintln!("--- {}: {:?}\n{}{}---", self.what, self.ended, self.stdout(), self.stderr());
        }
    }
}

/// Without moving the offset that the writer shares: the file is read through a descriptor of its own.
fn read(file: &File) -> String {
    use std::os::fd::AsRawFd;
    let mut bytes = Vec::new();
    let mut own = File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("a file of our own");
    own.rewind().and_then(|()| own.read_to_end(&mut bytes)).expect("read");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// pidfd_open(2): readable once the process has ended, also where it is not our child.
fn has_ended(pidfd: std::os::fd::BorrowedFd<'_>, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(pidfd, PollFlags::POLLIN)], timeout) {
            Err(nix::errno::Errno::EINTR) => {}
            outcome => return outcome == Ok(1),
        }
    }
}

/// The processes that carry `variable=value` in the environment they were started with.
#[must_use]
pub fn those_with(variable: &str, value: &str) -> Vec<i32> {
    let wanted = format!("{variable}={value}").into_bytes();
    let pids = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| carries(*pid, &wanted)).collect()
}

fn carries(pid: i32, wanted: &[u8]) -> bool {
    // A zombie's environment is empty; a process that is just being started has its parent's until its execve.
    std::fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|pair| pair == wanted))
}

/// Kills the processes that carry `variable=value` in their environment and waits until there are none: what a killed sidecar has left behind.
pub fn end_those_with(variable: &str, value: &str) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let left = those_with(variable, value);
        if left.is_empty() {
            return;
        }
        for pid in left {
            kill_if_with(pid, variable, value);
        }
    }
}

/// Kills `pid` and waits for its end, if it still carries `variable=value`; whether it did.
pub fn kill_if_with(pid: i32, variable: &str, value: &str) -> bool {
    let Ok(pidfd) = sys::pidfd_open(pid) else { return false };
    let known = signal_if_with(pid, Signal::SIGKILL, variable, value);
    if known {
        has_ended(pidfd.as_fd(), PATIENCE);
    }
    known
}

/// Sends `pid` a signal, if it still carries `variable=value`; whether it did.
pub fn signal_if_with(pid: i32, signal: Signal, variable: &str, value: &str) -> bool {
    let wanted = format!("{variable}={value}").into_bytes();
    // Looked at again behind the pidfd: the number may mean another process by now.
    let Ok(pidfd) = sys::pidfd_open(pid) else { return false };
    carries(pid, &wanted) && sys::pidfd_send_signal(pidfd.as_fd(), signal as i32).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::eventually;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start(command)
    }

    #[test]
    fn what_a_program_wrote_and_how_it_ended() {
        let ended = shell("echo out; echo err >&2; exit 7").wait();
        assert_eq!((ended.code(), ended.stdout.as_str(), ended.stderr.as_str()), (7, "out\n", "err\n"));
    }

    #[test]
    fn nothing_of_its_group_outlives_the_handle() {
        let process = shell("sleep 60 & echo $!; wait");
        let child = eventually("the child is there", || match process.stdout().trim().parse::<i32>() {
            Ok(child) => Ok(child),
            Err(error) => Err(error.to_string()),
        });
        let [parent, child] = [process.pid(), child].map(|pid| sys::pidfd_open(pid).unwrap());
        drop(process);
        assert!(has_ended(parent.as_fd(), Duration::ZERO), "killed and waited for");
        assert!(has_ended(child.as_fd(), PATIENCE), "killed with its group");
    }

    #[test]
    fn what_a_program_left_behind_is_found_by_its_environment() {
        let mark = format!("{}", std::process::id());
        let mut command = Command::new("setsid");
        command.args(["sleep", "60"]).env("RUSTDAEMON_TEST_MARK", &mark);
        // Its child has another session, another group and soon no parent.
        assert_eq!(Process::start(command).wait().code(), 0);
        let left = eventually("it is found", || match those_with("RUSTDAEMON_TEST_MARK", &mark).as_slice() {
            [pid] => sys::pidfd_open(*pid).map_err(|error| error.to_string()),
            other => Err(format!("{other:?}")), // in the middle of its execve it has no environment
        });
        end_those_with("RUSTDAEMON_TEST_MARK", &mark);
        assert!(has_ended(left.as_fd(), Duration::ZERO), "killed and waited for");
    }

    #[test]
    fn the_watchdog_barks_and_the_waiting_go_on() {
        let (bark, barked) = std::sync::mpsc::channel();
        let dog = watchdog(Duration::from_millis(1), "a test of the watchdog".into(), move || {
            bark.send(()).unwrap();
        });
        barked.recv_timeout(PATIENCE).unwrap();
        drop(dog);
    }
}
