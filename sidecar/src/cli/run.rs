//! `rustdaemon run`: the sidecar itself.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use log::{Level, LevelFilter};
use rustdaemon_core::{settings, sys};

use super::flags::Flags;
use super::{Failure, Outcome, SYSTEM, USAGE, print};
use crate::access::Door;
use crate::config::{self, Config, HangAction, LogFormat, PoolConfig};
use crate::dev::Dev;
use crate::event_loop::{self, EventLoop};
use crate::listener::Listener;
use crate::logs::{self, Logs};
use crate::process;
use crate::sink::SharedSink;
use crate::{identity, setup};

/// Bind the socket, start the workers and keep them alive.
///
/// One pool from the flags below and a command, or any number from --config FILE. Commands that are run at events
/// (on_ready, on_exit, on_parked) are arrays and stand in a file only.
///
/// Stays in the foreground. TERM, INT and QUIT drain and stop within --stop-timeout, HUP reloads; a second INT ends
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
    /// For development: one worker per pool, colours, hangs are only reported, and a reload when a file of the
    /// application changes. vendor, node_modules, storage, var, cache and hidden directories are not watched.
    #[arg(long)]
    dev: bool,
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
        let (check, dev) = (self.check, self.dev);
        let mut config = self.config()?;
        if dev {
            for pool in &mut config.pools {
                (pool.workers, pool.hang_action) = (1, HangAction::Report);
            }
        }
        if check {
            return print(&config.pools.iter().map(summary).collect::<String>());
        }
        // First, while the number of an inherited descriptor means that one.
        let access = setup::access(&config)
            .map_err(|(key, what)| Failure::new(USAGE, format!("--{}: {what}", key.replace('_', "-"))))?;
        let system = |what: &str, failed: std::io::Error| Failure::new(SYSTEM, format!("{what}: {failed}"));
        let is_coloured = dev && std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let mut logs = start_log(config.log_format, is_coloured)
            .map_err(|failed| system("stdout and stderr", failed))?;
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
        let signals = event_loop::take_signals().map_err(|failed| system("cannot read signals", failed))?;
        let doors = open_doors(&config, &run).map_err(|sentence| Failure::new(SYSTEM, sentence))?;
        if is_coloured {
            logs.colour();
        }
        let directories: BTreeSet<PathBuf> = config
            .pools
            .iter()
            .map(|pool| pool.birth.cwd.clone().unwrap_or_else(|| PathBuf::from(".")))
            .filter(|_| dev)
            .collect();
        let mut event_loop = EventLoop::new(config, access, signals, doors, logs, run, random)
            .map_err(|failed| system("cannot start the event loop", failed))?;
        if dev {
            // After the loop has its signals: the thread that watches must not get them.
            let watched = Dev::watch(&directories).and_then(|dev| event_loop.watch_files(dev));
            watched.map_err(|failed| system("cannot watch files", failed))?;
        }
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

/// Every socket that is to be listened on, the main one first.
fn open_doors(config: &Config, run: &str) -> Result<Vec<(Door, Listener)>, String> {
    let group = |name: &Option<String>| name.as_deref().map(identity::find_group).transpose();
    let main = Listener::bind(&config.socket, config.socket_mode, group(&config.socket_group)?, run)?;
    let mut doors = vec![(Door::Main, main)];
    if let Some(path) = &config.control {
        let mut control = Listener::bind(path, config.control_mode, group(&config.control_group)?, run)?;
        let _ = control.forget_dead_runs(); // they stand in the main one's lock file
        doors.push((Door::Control, control));
    }
    if let Some(address) = config.tcp {
        doors.push((Door::Tcp, Listener::bind_tcp(address)?));
    }
    Ok(doors)
}

/// `opcua: 2 workers: php artisan opcua:session`
fn summary(pool: &PoolConfig) -> String {
    let plural = if pool.workers == 1 { "" } else { "s" };
    let words: Vec<_> = pool.command.iter().map(|word| word.to_string_lossy()).collect();
    format!("{}: {} worker{plural}: {}\n", pool.name, pool.workers, words.join(" "))
}

/// Our own lines on stderr: time, level, text. `RUSTDAEMON_LOG` sets the level.
fn start_log(format: LogFormat, is_coloured: bool) -> std::io::Result<Logs> {
    let note = match format {
        LogFormat::Text => |lost| format!("{}\n", text(Level::Warn, &lost_lines(lost))),
        LogFormat::Json => |lost| format!("{}\n", json(Level::Warn, &lost_lines(lost))),
    };
    let [stdout, stderr] = SharedSink::standard(note)?;
    let word = std::env::var("RUSTDAEMON_LOG").unwrap_or_default();
    let level = word.parse::<LevelFilter>().ok();
    let mut builder = env_logger::Builder::new();
    builder.filter_level(level.unwrap_or(LevelFilter::Info));
    builder.target(env_logger::Target::Pipe(Box::new(stderr.clone())));
    builder.format(move |out, record| {
        let (level, message) = (record.level(), record.args().to_string());
        match format {
            LogFormat::Text if is_coloured => {
                let colour = match level {
                    Level::Error => "\x1b[31m",
                    Level::Warn => "\x1b[33m",
                    _ => "\x1b[2m",
                };
                writeln!(out, "{colour}{}\x1b[0m", text(level, &message))
            }
            LogFormat::Text => writeln!(out, "{}", text(level, &message)),
            LogFormat::Json => writeln!(out, "{}", json(level, &message)),
        }
    });
    builder.init();
    if level.is_none() && !word.is_empty() {
        log::warn!("RUSTDAEMON_LOG={word} is none of off, error, warn, info, debug, trace: info is taken");
    }
    Ok(Logs::new(stdout, stderr, format))
}

fn lost_lines(lost: u64) -> String {
    format!("{lost} lines are missing here: there was no room for them")
}

fn text(level: Level, message: &str) -> String {
    format!("{} {level:5} rustdaemon: {message}", logs::timestamp(SystemTime::now()))
}

fn json(level: Level, message: &str) -> String {
    let time = logs::timestamp(SystemTime::now());
    serde_json::json!({"time": time, "level": level.as_str(), "message": message}).to_string()
}

fn random() -> std::io::Result<u64> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
