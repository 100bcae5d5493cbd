//! What a sidecar was told to do: every value validated once, with its default, unit and limits.
//!
//! # How it works
//! `tree` reads TOML or JSON into one tree that knows its lines; flags are a tree without lines. `keys` is the table of
//! keys: what each is called, its default, its flag, and how a value of the tree becomes a field. `draft` holds a tree
//! against the table and collects every problem with its place; `check` says what contradicts itself; `value` reads
//! durations, sizes and modes.
//!
//! # Rules
//! Pure, but for the working directory that `--socket` is relative to: whether users, directories and programs exist
//! is `setup`'s. An error is one sentence: what was wrong, what is allowed.

mod check;
mod draft;
mod keys;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use core::net::SocketAddr;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use rustdaemon_core::settings;

pub use self::draft::{Document, Draft, Flags, Format};
pub use self::keys::{Flag, POOL, TOP, defaults_as_toml};
pub use self::value::duration;
use crate::access::Role;
use crate::birth::Birth;

/// All of a sidecar's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Absolute path of the listening socket.
    pub socket: PathBuf,
    /// Permission bits of the socket, default 0600.
    pub socket_mode: u32,
    /// Group of the socket, name or number; default: the sidecar's own.
    pub socket_group: Option<String>,
    /// Environment variable with the token that clients must show; no source of a token: they need none.
    pub token_env: Option<String>,
    /// File with the token.
    pub token_file: Option<PathBuf>,
    /// systemd credential with the token.
    pub token_credential: Option<String>,
    /// Inherited descriptor with the token.
    pub token_fd: Option<i32>,
    /// Who has which role, besides root and the sidecar's own user: `uid:1000`, `gid:ops`, `alice`, `*`.
    pub access: Vec<(Role, String)>,
    /// Absolute path of the control socket; `None`: what changes something is asked on the other one.
    pub control: Option<PathBuf>,
    /// Permission bits of the control socket, default 0600.
    pub control_mode: u32,
    /// Group of the control socket; default: the sidecar's own.
    pub control_group: Option<String>,
    /// Address on loopback to listen on as well.
    pub tcp: Option<SocketAddr>,
    /// Who may own the sockets' directories, besides root and the sidecar's own user.
    pub directory_owner: Option<String>,
    /// The form of what it writes to stdout and stderr; default text.
    pub log_format: LogFormat,
    /// How long a client may take from the connect, or from the first byte of a later frame, to the newline; default
    /// 30 s; `None`: for ever.
    pub header_timeout: Option<Duration>,
    /// How long a client may leave its answers without taking a byte of them; default 30 s; `None`: for ever.
    pub write_timeout: Option<Duration>,
    /// Connections at a time; `None`: what the limit of open files allows.
    pub max_connections: Option<usize>,
    /// FLAT requests in flight, default 50.
    pub flat_requests: usize,
    /// Whether the sidecar ends with code 111 when every pool is parked; default no.
    pub exit_when_parked: bool,
    /// At least one, each with a name of its own.
    pub pools: Vec<PoolConfig>,
}

/// What happens to a worker that hangs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HangAction {
    /// It is said once, in log and status.
    #[default]
    Report,
    /// It is ended and replaced.
    Restart,
}

/// The form of what the sidecar writes to stdout and stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Where workers' output goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogTarget {
    /// To the sidecar's standard output.
    #[default]
    Forward,
    /// Appended to this file, which is opened again at USR1.
    File(PathBuf),
}

/// Which forwarded lines begin with their worker's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogPrefix {
    /// All but JSON lines; a stack trace has it once.
    #[default]
    Auto,
    /// All.
    Always,
    /// None.
    Never,
}

/// A pool's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolConfig {
    /// Workers are addressed as `name#slot`.
    pub name: String,
    /// argv, no shell.
    pub command: Vec<OsString>,
    /// What its processes are born with.
    pub birth: Birth,
    /// Number of slots, default 1.
    pub workers: u32,
    /// Whether a pool of one may have two workers for the moment of a reload; default no.
    pub overlap: bool,
    /// Whether workers speak over a link (`--no-link`: any command, supervised by pid).
    pub link: bool,
    /// Whether a worker that ends by itself is replaced; default yes. No: the daemon stops with the worker's code.
    pub forever: bool,
    /// A worker that is not ready after this long is treated as one that hangs; default 30 s.
    pub ready_timeout: Duration,
    /// A command without a link is ready after this long alive; default 1 s.
    pub ready_after: Duration,
    /// The whole budget of a stop, default 8 s: inside Docker's 10.
    pub stop_timeout: Duration,
    /// How long a client waits for its reply, default 30 s.
    pub request_timeout: Duration,
    /// Requests that may wait for a worker, default 1 024.
    pub queue: usize,
    /// Requests that a worker may have in hand, the one it is at included, while no other one is idle; default 16.
    pub prefetch: usize,
    /// Which argument names a request's session; empty: none.
    pub affinity: String,
    /// Sessions that the pool's workers may have together; 0: any number.
    pub max_bound: usize,
    /// A worker with more than this many bytes in memory is replaced when it is idle; default none.
    pub memory_soft: Option<u64>,
    /// A worker with more than this many bytes in memory is killed; default none.
    pub memory_hard: Option<u64>,
    /// A worker that has answered so many requests is replaced; default none.
    pub max_requests: Option<u64>,
    /// A worker of this age is replaced; default none.
    pub max_lifetime: Option<Duration>,
    /// Which part of a limit chance may take away, 0 to 1, so that a pool never leaves at once; default 0.1.
    pub jitter: f64,
    /// A worker busy for longer, without progress(), hangs; default 60 s; `None`: never.
    pub hang_timeout: Option<Duration>,
    /// What then happens to it.
    pub hang_action: HangAction,
    /// A run shorter than this counts as a failure; default 5 s, 0 = none does.
    pub short_run: Duration,
    /// So many failures within `start_window` park a slot; default 10.
    pub start_limit: u32,
    /// Default 60 s.
    pub start_window: Duration,
    /// Longest wait before a restart, default 60 s.
    pub backoff_max: Duration,
    /// How long a new sidecar waits for the workers of a dead one before it ends them; default 10 s.
    pub takeover_timeout: Duration,
    /// Run after every worker's ready; empty: nothing.
    pub on_ready: Vec<OsString>,
    /// Run after every worker's end; empty: nothing.
    pub on_exit: Vec<OsString>,
    /// Run when a worker is parked; empty: nothing.
    pub on_parked: Vec<OsString>,
    /// A hook that runs longer is killed; default 30 s.
    pub hook_timeout: Duration,
    /// Where workers' output goes.
    pub log: LogTarget,
    /// Which lines of it begin with their worker's name.
    pub log_prefix: LogPrefix,
    /// Capacity in bytes of each pipe that it comes through; `None`: the system's.
    pub log_pipe: Option<u32>,
}

impl PoolConfig {
    /// A pool with every default.
    #[must_use]
    pub fn new(name: &str, command: Vec<OsString>) -> Self {
        Self {
            name: name.to_owned(),
            command,
            birth: Birth::default(),
            workers: 1,
            overlap: false,
            link: true,
            forever: true,
            ready_timeout: Duration::from_secs(30),
            ready_after: Duration::from_secs(1),
            stop_timeout: Duration::from_secs(8),
            request_timeout: Duration::from_secs(30),
            queue: 1024,
            prefetch: 16,
            affinity: String::new(),
            max_bound: 100,
            memory_soft: None,
            memory_hard: None,
            max_requests: None,
            max_lifetime: None,
            jitter: 0.1,
            hang_timeout: Some(Duration::from_secs(60)),
            hang_action: HangAction::Report,
            short_run: Duration::from_secs(5),
            start_limit: 10,
            start_window: Duration::from_secs(60),
            backoff_max: Duration::from_secs(60),
            takeover_timeout: Duration::from_secs(10),
            on_ready: Vec::new(),
            on_exit: Vec::new(),
            on_parked: Vec::new(),
            hook_timeout: Duration::from_secs(30),
            log: LogTarget::Forward,
            log_prefix: LogPrefix::Auto,
            log_pipe: None,
        }
    }
}

impl Config {
    /// The keys that say where the token is.
    pub fn token_sources(&self) -> impl Iterator<Item = &'static str> {
        let given = [
            ("token_env", self.token_env.is_some()),
            ("token_file", self.token_file.is_some()),
            ("token_credential", self.token_credential.is_some()),
            ("token_fd", self.token_fd.is_some()),
        ];
        given.into_iter().filter_map(|(key, is_given)| is_given.then_some(key))
    }
}

impl Default for Config {
    /// Every default; the socket is still to be named.
    fn default() -> Self {
        Self {
            socket: PathBuf::new(),
            socket_mode: settings::DEFAULT_MODE,
            socket_group: None,
            token_env: None,
            token_file: None,
            token_credential: None,
            token_fd: None,
            access: Vec::new(),
            control: None,
            control_mode: settings::DEFAULT_MODE,
            control_group: None,
            tcp: None,
            directory_owner: None,
            log_format: LogFormat::Text,
            header_timeout: Some(Duration::from_secs(30)),
            write_timeout: Some(Duration::from_secs(30)),
            max_connections: None,
            flat_requests: 50,
            exit_when_parked: false,
            pools: Vec::new(),
        }
    }
}

/// `--socket`, absolute.
///
/// # Errors
/// One sentence.
pub fn socket_path(text: &str) -> Result<PathBuf, String> {
    settings::socket_path(text.as_bytes(), std::env::current_dir)
}

/// `--name`.
///
/// # Errors
/// One sentence.
pub fn pool_name(text: &str) -> Result<String, String> {
    settings::pool_name(text.as_bytes())
}
