//! A real sidecar on a socket of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rustdaemon_core::link::{RUN_VARIABLE, SOCKET_VARIABLE};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, Reply};
use crate::gate::Gate;
use crate::process::{Ended, Process, end_those_with, those_with};
use crate::wait::eventually;

/// A sidecar to be: `rustdaemon run --socket <its own> <flags> -- <command>`.
#[derive(Debug)]
pub struct Builder {
    directory: TempDir,
    flags: Vec<OsString>,
    command: Vec<OsString>,
    limits: String,
    variables: Vec<(String, String)>,
}

impl Builder {
    /// More flags of `rustdaemon run`, as one would type them.
    #[must_use]
    pub fn flags(mut self, flags: &str) -> Self {
        self.flags.extend(flags.split_whitespace().map(OsString::from));
        self
    }

    /// The worker's command, or more words of it.
    #[must_use]
    pub fn command<W: Into<OsString>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.command.extend(words.into_iter().map(Into::into));
        self
    }

    /// An environment variable of the sidecar.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// A shell command, such as `ulimit -n 32`, for the process before it becomes the sidecar.
    #[must_use]
    pub fn limits(mut self, shell: &str) -> Self {
        self.limits = shell.into();
        self
    }

    /// Its directory, which holds nothing but what the test puts there.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The path of its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory().join("s")
    }

    /// Starts it and waits until its socket answers.
    #[track_caller]
    #[must_use]
    pub fn start(self) -> Sidecar {
        let mut sidecar = Sidecar { process: self.process(), socket: self.socket(), builder: self };
        sidecar.await_socket();
        sidecar
    }

    /// Runs it to its end: for what is refused at the start.
    #[track_caller]
    #[must_use]
    pub fn refused(&self) -> Ended {
        let ended = self.process().wait();
        end_those_with(SOCKET_VARIABLE, &self.socket().to_string_lossy());
        ended
    }

    #[track_caller]
    fn process(&self) -> Process {
        let mut command = Command::new("sh");
        // One file for both: its own lines and its workers' in the order written.
        command.args(["-c", &format!("{}\nexec \"$@\" >&2", self.limits), "sh"]);
        command.arg(sidecar_binary()).args(["run", "--socket"]).arg(self.socket());
        command.args(&self.flags).arg("--").args(&self.command);
        Process::start(outside_any_sidecar(command, &self.variables))
    }
}

/// A sidecar of which nothing stays: dropped, it and whatever it has started are killed and waited for.
#[derive(Debug)]
pub struct Sidecar {
    process: Process,
    socket: PathBuf,
    builder: Builder,
}

impl Sidecar {
    /// With a directory of its own, and otherwise nothing but defaults.
    #[must_use]
    pub fn builder() -> Builder {
        let directory = tempfile::Builder::new().prefix("rd-").tempdir_in("/tmp").expect("a directory");
        Builder {
            directory,
            flags: Vec::new(),
            command: Vec::new(),
            limits: String::new(),
            variables: Vec::new(),
        }
    }

    /// Takes over a process that has become, or becomes, the sidecar of `socket` by itself.
    #[track_caller]
    #[must_use]
    pub fn adopt(process: Process, builder: Builder) -> Self {
        let mut sidecar = Self { process, socket: builder.socket(), builder };
        sidecar.await_socket();
        sidecar
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// The path of its socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.builder.directory()
    }

    /// A new gate in its directory.
    #[must_use]
    pub fn gate(&self, name: &str) -> Gate {
        Gate::new(self.directory(), name)
    }

    /// A new connection.
    #[track_caller]
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(&self.socket)
    }

    /// One TYPED request over a connection of its own.
    #[track_caller]
    pub fn call(&self, method: &str, args: Value) -> Reply {
        self.client().typed(method, args)
    }

    /// One FLAT request over a connection of its own: the bytes of the answer.
    #[track_caller]
    #[must_use]
    pub fn flat(&self, request: &str) -> String {
        self.client().flat(request)
    }

    /// `daemon.status`.
    #[track_caller]
    #[must_use]
    pub fn status(&self) -> Value {
        self.call("daemon.status", json!([])).expect("daemon.status")
    }

    /// The pool's entry in `daemon.status`.
    #[track_caller]
    #[must_use]
    pub fn pool(&self) -> Value {
        self.status()["pools"][0].take()
    }

    /// The entry of worker `n` in `daemon.status`.
    #[track_caller]
    #[must_use]
    pub fn worker(&self, n: usize) -> Value {
        self.status()["workers"][n].take()
    }

    /// The process of worker `n`.
    #[track_caller]
    #[must_use]
    pub fn worker_pid(&self, n: usize) -> i32 {
        let worker = self.worker(n);
        worker["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_else(|| panic!("{worker}"))
    }

    /// Waits until worker `n` is in `state`; its entry then.
    #[track_caller]
    pub fn wait_state(&self, n: usize, state: &str) -> Value {
        eventually(&format!("worker {n} is {state}"), || {
            let worker = self.worker(n);
            if worker["state"] == state { Ok(worker) } else { Err(worker.to_string()) }
        })
    }

    /// Waits until the pool's figure `key` is `value`.
    #[track_caller]
    pub fn wait_pool(&self, key: &str, value: u64) {
        eventually(&format!("{key} is {value}"), || {
            let pool = self.pool();
            if pool[key] == value { Ok(()) } else { Err(pool.to_string()) }
        });
    }

    /// Sends worker `n` a signal.
    #[track_caller]
    pub fn signal_worker(&self, n: usize, signal: Signal) {
        nix::sys::signal::kill(Pid::from_raw(self.worker_pid(n)), signal).expect("kill");
    }

    /// Ends worker `n` as the kernel's OOM killer would, and waits until another one is idle in its place.
    #[track_caller]
    pub fn kill_worker(&self, n: usize) {
        let pid = self.worker_pid(n);
        self.signal_worker(n, Signal::SIGKILL);
        eventually(&format!("worker {n} is not pid {pid} any more, and idle"), || {
            let worker = self.worker(n);
            let replaced = worker["pid"] != pid && worker["state"] == "idle";
            if replaced { Ok(()) } else { Err(worker.to_string()) }
        });
    }

    /// Its log so far, and what its workers have written.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.stderr() + &self.process.stdout()
    }

    /// The lines of its log that hold `text`.
    #[must_use]
    pub fn logged(&self, text: &str) -> Vec<String> {
        self.log().lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }

    /// Waits until `count` lines of the log hold `text`.
    #[track_caller]
    pub fn wait_logged(&self, text: &str, count: usize) {
        eventually(&format!("{count} lines of the log hold {text:?}"), || {
            let found = self.logged(text);
            if found.len() >= count { Ok(()) } else { Err(format!("{} lines", found.len())) }
        });
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Waits for its end, whatever causes it.
    #[track_caller]
    pub fn wait(&mut self) -> Ended {
        self.process.wait()
    }

    /// TERM, and waits for its end.
    #[track_caller]
    pub fn stop(&mut self) -> Ended {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// The processes below it, also those that have lost it: told by the socket in their environment.
    #[must_use]
    pub fn descendants(&self) -> Vec<i32> {
        those_with(SOCKET_VARIABLE, &self.socket.to_string_lossy())
    }

    /// A client command: `rustdaemon <words> --socket <its socket>`, run to its end.
    #[track_caller]
    pub fn cli(&self, words: &[&str]) -> Ended {
        let mut command = Command::new(sidecar_binary());
        command.args(words).arg("--socket").arg(&self.socket);
        Process::start(outside_any_sidecar(command, &[])).wait()
    }

    /// A shell command with `$SOCK` and `$BIN`, run to its end.
    #[track_caller]
    pub fn shell(&self, script: &str) -> Ended {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("SOCK", &self.socket).env("BIN", sidecar_binary());
        Process::start(command).wait()
    }

    /// Kills it as `kill -9` would, and gives back what is needed to start another one on its socket.
    #[track_caller]
    #[must_use]
    pub fn killed(mut self) -> Killed {
        self.signal(Signal::SIGKILL);
        self.wait();
        Killed(self)
    }

    #[track_caller]
    fn await_socket(&mut self) {
        eventually("the socket answers", || match Client::try_connect(&self.socket) {
            Ok(_) => Ok(()),
            Err(_) if !self.process.is_running() => {
                panic!("the sidecar has ended: {:?}", self.process.wait())
            }
            Err(error) => Err(error.to_string()),
        });
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if self.process.is_running() {
            self.process.signal(Signal::SIGKILL);
        }
        end_those_with(SOCKET_VARIABLE, &self.socket.to_string_lossy());
    }
}

/// A sidecar after `kill -9`: its socket and its directory are still there.
#[derive(Debug)]
pub struct Killed(Sidecar);

impl Killed {
    /// The processes that have outlived it.
    #[must_use]
    pub fn descendants(&self) -> Vec<i32> {
        self.0.descendants()
    }

    /// TERM for the one that was started again, and waits for its end.
    #[track_caller]
    pub fn stop(&mut self) -> Ended {
        self.0.stop()
    }

    /// Starts the same once more.
    #[track_caller]
    pub fn start_again(&mut self) -> &Sidecar {
        self.begin_again();
        self.0.await_socket();
        &self.0
    }

    /// Starts the same once more and does not wait until its socket answers.
    #[track_caller]
    pub fn begin_again(&mut self) -> &Sidecar {
        self.0.process = self.0.builder.process();
        &self.0
    }

    /// Kills the one that was started again, in whatever it does.
    #[track_caller]
    pub fn kill_again(&mut self) {
        self.0.signal(Signal::SIGKILL);
        self.0.wait();
    }

    /// The one that was started again.
    #[must_use]
    pub fn sidecar(&self) -> &Sidecar {
        &self.0
    }
}

/// The sidecar's program: `$RUSTDAEMON_BIN`, else `target/php/rustdaemon`, else what cargo has built beside the
/// test program.
#[must_use]
pub fn sidecar_binary() -> PathBuf {
    built("RUSTDAEMON_BIN", "rustdaemon")
}

/// A file that `cargo xtask build` makes, or cargo itself.
pub(crate) fn built(variable: &str, name: &str) -> PathBuf {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let packaged = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/php").join(name);
    let own = std::env::current_exe().expect("the test program's path");
    let beside = own.ancestors().skip(1).map(|directory| directory.join(name));
    let candidates: Vec<PathBuf> = match named {
        Some(named) => vec![named],
        None => std::iter::once(packaged).chain(beside.take(2)).collect(),
    };
    let found = candidates.iter().find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built; looked at {candidates:?}")).clone()
}

/// The tests may themselves run below a worker; what they start must not notice.
pub(crate) fn outside_any_sidecar(mut command: Command, variables: &[(String, String)]) -> Command {
    for inherited in [RUN_VARIABLE, SOCKET_VARIABLE, "RUSTDAEMON_LINK", "RUSTDAEMON", "RUSTDAEMON_LOG"] {
        command.env_remove(inherited);
    }
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command
}
