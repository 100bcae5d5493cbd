//! Servers on Unix sockets, and the load that is put on them. The load is [`ping_load`](../../ping_load.rs), built in release.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::peer::{Program, unsupervised};
use super::sidecar::Sidecar;
use crate::failure::{Context, Result};
use crate::run::{self, quietly};
use crate::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(60);

/// Where servers run.
pub const CORE: &str = "0";
/// Where the load comes from.
pub const OTHER_CORE: &str = "1";

/// What a server takes for a ping.
#[derive(Clone, Copy)]
pub enum Dialect {
    Typed,
    Redis,
    Echo,
}

impl Dialect {
    fn word(self) -> &'static str {
        match self {
            Dialect::Typed => "typed",
            Dialect::Redis => "redis",
            Dialect::Echo => "echo",
        }
    }
}

/// A server that answers. Ended and waited for when it is dropped.
pub struct Server {
    pub name: &'static str,
    dialect: Dialect,
    socket: PathBuf,
    held: Held,
}

enum Held {
    Sidecar(Sidecar),
    Program(Program, #[expect(dead_code, reason = "removed with it")] tempfile::TempDir),
}

impl Server {
    pub fn sidecar(name: &'static str, sidecar: Sidecar) -> Self {
        let socket = sidecar.socket();
        Self { name, dialect: Dialect::Typed, socket, held: Held::Sidecar(sidecar) }
    }

    /// Starts a program that is told its socket, and waits until that takes connections.
    pub fn start(
        name: &'static str,
        dialect: Dialect,
        words: impl FnOnce(&Path) -> Result<Vec<OsString>>,
    ) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("rd-").tempdir_in("/tmp").context("a directory")?;
        let socket = directory.path().join("s");
        let program = Program::start(unsupervised(&words(&socket)?))?;
        eventually(PATIENCE, &format!("{name} takes connections"), || {
            UnixStream::connect(&socket).map(drop).map_err(|why| why.to_string())
        })?;
        Ok(Self { name, dialect, socket, held: Held::Program(program, directory) })
    }

    /// Debian's redis-tools has the whole server: it is one if it is called so. Without its package no service comes along.
    pub fn redis(name: &'static str) -> Result<Self> {
        Self::start(name, Dialect::Redis, |socket| {
            let program = socket.with_file_name("redis-server");
            let whole = run::which("redis-check-rdb").ok_or("no redis-check-rdb")?;
            symlink(&whole, &program).context(program.display())?;
            let mut words = vec![program.into_os_string(), "--unixsocket".into(), socket.into()];
            let options = ["--port", "0", "--save", "", "--appendonly", "no", "--io-threads", "1"];
            words.extend(options.map(OsString::from));
            Ok(words)
        })
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// All of its threads on one core; what it has started stays where it is.
    pub fn pinned(self, core: &str) -> Result<Self> {
        pin(self.pid(), core)?;
        Ok(self)
    }

    pub fn pid(&self) -> i32 {
        match &self.held {
            Held::Sidecar(sidecar) => sidecar.pid(),
            Held::Program(program, _) => program.pid(),
        }
    }

    pub fn end(self) -> Result {
        match self.held {
            Held::Sidecar(sidecar) => sidecar.end(),
            Held::Program(program, _) => program.terminate(),
        }
    }
}

/// sched_setaffinity(2) for all threads of a process.
pub fn pin(pid: i32, core: &str) -> Result {
    let words = ["taskset", "--all-tasks", "--cpu-list", "--pid", core, &pid.to_string()];
    quietly(unsupervised(&words), PATIENCE)?.success().map(drop)
}

/// What starts a program on one core, with all that it starts.
pub fn pinned_words(core: &str) -> Vec<OsString> {
    ["taskset", "--cpu-list", core].map(OsString::from).into()
}

/// Who sends what.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    /// The program.
    pub program: &'a Path,
    pub connections: usize,
    /// Requests in one write; the next ones follow when all are answered.
    pub depth: usize,
    pub method: &'a str,
    pub args: &'a str,
    /// `None`: wherever the kernel lets it run.
    pub core: Option<&'a str>,
}

/// What the load saw.
#[derive(Deserialize)]
pub struct Seen {
    pub answers: f64,
    refused: f64,
    pub seconds: f64,
    /// Seconds of its own on a CPU.
    pub own_cpu: f64,
    /// The same of the server, without its children.
    pub server_cpu: f64,
    /// Microseconds.
    pub p99: f64,
}

impl Seen {
    /// Answers in a second.
    pub fn rate(&self) -> f64 {
        self.answers / self.seconds
    }
}

impl Load<'_> {
    /// For so long, after some warming up.
    pub fn timed(&self, server: &Server, window: Duration) -> Result<Seen> {
        self.connect(server, ["--milliseconds", &window.as_millis().to_string()])?.go()
    }

    /// Connected, and ready to send so many batches.
    pub fn counted(&self, server: &Server, batches: u64) -> Result<Connected> {
        self.connect(server, ["--count", &batches.to_string()])
    }

    fn connect(&self, server: &Server, limit: [&str; 2]) -> Result<Connected> {
        let mut words = self.core.map(pinned_words).unwrap_or_default();
        words.push(self.program.into());
        words.extend(["--socket".into(), server.socket.clone().into_os_string()]);
        let [connections, depth] = [self.connections, self.depth].map(|number| number.to_string());
        let pid = server.pid().to_string();
        let rest = ["--connections", &connections, "--depth", &depth, "--method", self.method];
        let server_words = ["--args", self.args, "--dialect", server.dialect.word(), "--server", &pid];
        words.extend(rest.iter().chain(&server_words).chain(&limit).map(OsString::from));
        let mut program = Program::start(unsupervised(&words))?;
        program.says("connected", PATIENCE)?;
        Ok(Connected(program))
    }
}

/// A load that has connected and sends nothing yet.
pub struct Connected(Program);

impl Connected {
    pub fn go(self) -> Result<Seen> {
        let Self(mut program) = self;
        program.tell("go")?;
        // Under strace or valgrind a request takes its time.
        let line = program.line(PATIENCE * 5)?;
        program.end(PATIENCE)?;
        let seen: Seen = serde_json::from_str(&line).map_err(|why| format!("{why}: {line}"))?;
        match seen.refused {
            0.0 => Ok(seen),
            refused => Err(format!("{refused} of {} requests were refused", seen.answers).into()),
        }
    }
}
