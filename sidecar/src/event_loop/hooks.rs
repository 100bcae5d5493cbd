//! Hooks: commands of the operator's, run at a moment of a worker's life and never waited for.
//!
//! # How it works
//! A hook is a child as a worker without a link is: born with the pool's settings, watched by its pidfd, its output kept
//! and forwarded under `POOL on_ready`, `POOL on_exit` or `POOL on_parked`. Past `hook_timeout` it is killed.
//!
//! # What may be lost
//! A hook that still runs when the sidecar has stopped its workers is ended with everything else; an `on_exit`, which
//! may have begun at the stop itself, has until the KILL at the end of the stop's budget.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use log::{error, info, warn};
use rustdaemon_core::sys::ExitStatus;

use super::EventLoop;
use super::workers::Job;
use crate::ids::WorkerId;
use crate::order::{Hook, Moment};
use crate::worker::Worker;

/// A hook that is slower than what it tells of must not fill the machine.
const MOST_AT_A_TIME: usize = 16;
/// The number that stands for no pool, but for hooks.
const HOOKS: usize = 0xfff;

/// A hook that runs.
#[derive(Debug)]
pub(super) struct Running {
    name: String,
    moment: Moment,
    pub(super) worker: Worker,
    kill_at: Option<Instant>,
}

impl EventLoop {
    /// Starts a hook.
    pub(super) fn run_hook(&mut self, hook: &Hook) {
        let name = format!("{} {}", hook.pool, key(hook.moment));
        if self.hooks.values().filter(|running| running.name == name).count() >= MOST_AT_A_TIME {
            return warn!(
                "{name} is not run for {}#{}: {MOST_AT_A_TIME} of it still run",
                hook.pool, hook.slot
            );
        }
        self.next_hook += 1;
        let id = WorkerId::new(HOOKS, self.next_hook);
        match self.start_hook(id, &name, hook) {
            Ok((worker, limit)) => {
                let kill_at = Some(Instant::now() + limit);
                self.hooks.insert(id, Running { name, moment: hook.moment, worker, kill_at });
            }
            Err(failed) => error!("{name} could not be run: {failed}"),
        }
    }

    fn start_hook(
        &mut self,
        id: WorkerId,
        name: &str,
        hook: &Hook,
    ) -> io::Result<(Worker, std::time::Duration)> {
        let mut pools = self.config.pools.iter().enumerate();
        let found = pools.find(|(_, pool)| pool.name == hook.pool);
        let (number, pool) = found.ok_or(io::ErrorKind::NotFound)?;
        let limit = pool.hook_timeout;
        let told = [
            ("RUSTDAEMON_POOL", pool.name.clone()),
            ("RUSTDAEMON_WORKER", format!("{}#{}", pool.name, hook.slot)),
            ("RUSTDAEMON_SLOT", hook.slot.to_string()),
            ("RUSTDAEMON_GENERATION", hook.generation.to_string()),
            ("RUSTDAEMON_REASON", hook.reason.clone()),
        ];
        let job = Job {
            name,
            pool: number,
            slot: u32::try_from(hook.slot).unwrap_or_default(),
            hook: Some(&hook.command),
            told: told.map(|(name, value)| (name.into(), value.into())).into(),
        };
        Ok((self.launch(id, job)?, limit))
    }

    /// A hook has ended.
    pub(super) fn reap_hook(&mut self, id: WorkerId) {
        let Some(running) = self.hooks.get(&id) else { return };
        let status = match running.worker.process.reap() {
            Ok(Some(status)) => status,
            Ok(None) => return,
            Err(failed) => return error!("waitid: {failed}"),
        };
        self.logs.ended(id);
        self.tell_followers();
        if let Some(Running { name, worker, kill_at, .. }) = self.hooks.remove(&id) {
            self.forget(worker.process.pidfd().as_raw_fd());
            match (status, kill_at) {
                (ExitStatus::Code(0), _) => info!("{name} is done"),
                (status, None) => warn!("{name}: {status}, past hook_timeout"),
                (status, _) => warn!("{name}: {status}"),
            }
        }
    }

    /// Whether that process is a hook that a stop leaves its time.
    pub(super) fn is_farewell(&self, pid: i32) -> bool {
        let mut farewells = self.hooks.values().filter(|running| running.moment != Moment::Ready);
        farewells.any(|running| running.worker.process.pid == pid)
    }

    /// When a hook is to be killed.
    pub(super) fn hook_deadline(&self) -> Option<Instant> {
        self.hooks.values().filter_map(|running| running.kill_at).min()
    }

    /// Kills the hooks that have run for too long.
    pub(super) fn end_late_hooks(&mut self, now: Instant) {
        for running in self.hooks.values_mut() {
            if running.kill_at.take_if(|at| *at <= now).is_some()
                && let Err(failed) = running.worker.process.signal(libc::SIGKILL)
            {
                warn!("SIGKILL to {}: {failed}", running.name);
            }
        }
    }
}

fn key(moment: Moment) -> &'static str {
    match moment {
        Moment::Ready => "on_ready",
        Moment::Exit => "on_exit",
        Moment::Parked => "on_parked",
    }
}
