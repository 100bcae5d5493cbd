//! `rustdaemon run`: the sidecar itself.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;

use clap::Args;
use rustdaemon_core::{settings, sys};

use super::flags::Flags;
use super::{DONE, Failure, Outcome, SYSTEM, USAGE, print};
use crate::config::{self, Config, PoolConfig};
use crate::event_loop::EventLoop;
use crate::listener::Listener;
use crate::setup;

/// Bind the socket, start the workers and keep them alive.
///
/// One pool from the flags below and a command, or any number from --config FILE. Commands that are run at events
/// (on_ready, on_exit, on_parked) are arrays and stand in a file only.
///
/// Stays in the foreground. TERM, INT, QUIT and HUP drain and stop within --stop-timeout; a second INT ends
/// everything at once.
#[derive(Args)]
pub struct Run {
    /// Configuration, .toml or .json; relative paths in it are relative to its directory.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration, print one line for each pool, and end.
    #[arg(long)]
    check: bool,
    /// Print a configuration file with every key, its default and its meaning, and end.
    #[arg(long, exclusive = true)]
    defaults: bool,
    /// Name of the pool; a worker is NAME#SLOT [default: main].
    #[arg(long, value_name = "NAME", value_parser = config::pool_name)]
    name: Option<String>,
    #[command(flatten)]
    flags: Flags,
    /// The command and its arguments; no shell.
    #[arg(last = true, required_unless_present_any = ["config", "defaults"], value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Run {
    /// Runs until everything has ended.
    pub fn run(self) -> Outcome {
        if self.defaults {
            return print(&config::defaults_as_toml());
        }
        let check = self.check;
        let config = self.config()?;
        if check {
            return print(&config.pools.iter().map(summary).collect::<String>());
        }
        start_log();
        let system = |what: &str, failed: std::io::Error| Failure::new(SYSTEM, format!("{what}: {failed}"));
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
        let group = config.socket_group.as_deref().map(setup::group_id).transpose();
        let listener = group
            .and_then(|group| Listener::bind(&config.socket, config.socket_mode, group, &run))
            .map_err(|sentence| Failure::new(SYSTEM, sentence))?;
        let event_loop = EventLoop::new(config, listener, run, random)
            .map_err(|failed| system("cannot start the event loop", failed))?;
        Ok(event_loop.run())
    }

    fn config(self) -> Result<Config, Failure> {
        let usage = |sentence: String| Failure::new(USAGE, sentence);
        let Some(file) = &self.config else {
            let name = self.name.as_deref().unwrap_or(settings::DEFAULT_NAME);
            let flags = [self.flags.top, self.flags.pool].concat();
            let draft = setup::from_flags(name, self.command, &flags).map_err(usage)?;
            return draft.finish().map_err(|problems| usage(problems.join("\nrustdaemon: ")));
        };
        if !self.command.is_empty() {
            return Err(usage(
                "--config and a command do not go together; the commands stand in the file".into(),
            ));
        }
        if let Some(flag) = self.flags.pool_flag().or(self.name.map(|_| "--name".into())) {
            let sentence =
                format!("{flag} does not say which pool it is for; with --config it stands in the file");
            return Err(usage(sentence));
        }
        let draft = setup::from_file(file, &self.flags.top).map_err(usage)?;
        draft.finish().map_err(|problems| {
            // As a compiler's: an editor finds the place.
            let _ = writeln!(std::io::stderr(), "{}", problems.join("\n"));
            let plural = if problems.len() == 1 { "problem" } else { "problems" };
            usage(format!("{} {plural} in the configuration {}", problems.len(), file.display()))
        })
    }
}

/// `opcua: 2 workers: php artisan opcua:session`
fn summary(pool: &PoolConfig) -> String {
    let plural = if pool.workers == 1 { "" } else { "s" };
    let words: Vec<_> = pool.command.iter().map(|word| word.to_string_lossy()).collect();
    format!("{}: {} worker{plural}: {}\n", pool.name, pool.workers, words.join(" "))
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
