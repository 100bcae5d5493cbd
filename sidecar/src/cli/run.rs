//! `rustdaemon run`: the sidecar itself.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rustdaemon_core::{settings, sys};

use super::{Failure, Outcome, SYSTEM, USAGE};
use crate::config::{self, Config, PoolConfig};
use crate::event_loop::EventLoop;
use crate::listener::Listener;
use crate::process;

/// Bind the socket, start the workers and keep them alive.
///
/// Stays in the foreground. TERM, INT, QUIT and HUP drain and stop within --stop-timeout; a second INT ends
/// everything at once.
#[derive(Args)]
pub struct Run {
    /// Path of the socket, at most 107 bytes.
    #[arg(long, value_name = "PATH", value_parser = config::socket_path)]
    socket: PathBuf,
    /// Permission bits of the socket, in octal.
    #[arg(long, value_name = "OCTAL", default_value = "0600", value_parser = config::socket_mode)]
    socket_mode: u32,
    /// Name of the pool; a worker is NAME#SLOT.
    #[arg(long, value_name = "NAME", default_value = settings::DEFAULT_NAME, value_parser = config::pool_name)]
    name: String,
    /// Number of workers.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(settings::MAX_WORKERS)))]
    workers: u32,
    /// For a command that never calls RustDaemon\Worker::install(): keep it alive, route no request to it.
    #[arg(long)]
    no_link: bool,
    /// The whole budget of a stop: TERM at 75 %, KILL at 95 %.
    #[arg(long, value_name = "TIME", default_value = "8s", value_parser = config::duration)]
    stop_timeout: Duration,
    /// How long a client waits for its answer.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = config::duration)]
    request_timeout: Duration,
    /// A worker that is not ready after this long is reported.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = config::duration)]
    ready_timeout: Duration,
    /// Runs shorter than this wait longer and longer before the next start; 0s: no start ever waits.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = config::duration)]
    short_run: Duration,
    /// Longest such wait.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = config::duration)]
    backoff_max: Duration,
    /// Requests that may wait for a worker.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    queue: u32,
    /// The command and its arguments; no shell.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Run {
    /// Runs until everything has ended.
    pub fn run(self) -> Outcome {
        start_log();
        let usage = |sentence: String| Failure::new(USAGE, sentence);
        let system = |what: &str, failed: std::io::Error| Failure::new(SYSTEM, format!("{what}: {failed}"));
        let pool = PoolConfig {
            workers: self.workers,
            link: !self.no_link,
            short_run: self.short_run,
            backoff_max: self.backoff_max,
            stop_timeout: self.stop_timeout,
            ready_timeout: self.ready_timeout,
            request_timeout: self.request_timeout,
            queue: self.queue as usize,
            ..PoolConfig::new(&self.name, self.command)
        };
        let config = Config { socket: self.socket, socket_mode: self.socket_mode, exit_when_parked: false, pools: vec![pool] };
        let program = config.pools.first().and_then(|pool| pool.command.first()).map(OsString::as_os_str).unwrap_or_default();
        process::find_program(program, std::env::var_os("PATH").as_deref()).map_err(usage)?;
        // What whoever started us left open is ours alone, not the workers'.
        if let Err(failed) = sys::close_on_exec_above_2(&(3..3)) {
            log::warn!("inherited descriptors could not be looked at and reach the workers: {failed}");
        }
        if let Err(failed) = sys::pidfd_open(nix::unistd::getpid().as_raw()) {
            let sentence = format!("this kernel has no pidfd ({failed}); Linux 5.4 or newer is needed");
            return Err(Failure::new(SYSTEM, sentence));
        }
        if let Err(failed) = process::capture_origin(std::env::var_os("PWD").as_deref()) {
            log::warn!("the limit of open files stays as it was: {failed}");
        }
        let random = random().map_err(|failed| system("/dev/urandom", failed))?;
        let run = format!("{random:016x}");
        let listener = Listener::bind(&config.socket, config.socket_mode, &run)
            .map_err(|sentence| Failure::new(SYSTEM, sentence))?;
        let event_loop = EventLoop::new(config, listener, run, random)
            .map_err(|failed| system("cannot start the event loop", failed))?;
        Ok(event_loop.run())
    }
}

/// Lines on stderr: time, level, text. `RUSTDAEMON_LOG` sets the level (error warn info debug trace).
fn start_log() {
    let filter = env_logger::Env::new().filter_or("RUSTDAEMON_LOG", "info");
    let mut builder = env_logger::Builder::from_env(filter);
    builder.format(|out, record| {
        writeln!(out, "{} {:5} rustdaemon: {}", out.timestamp_millis(), record.level(), record.args())
    });
    builder.init();
}

fn random() -> std::io::Result<u64> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
