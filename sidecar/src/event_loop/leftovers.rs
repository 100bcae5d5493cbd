//! Processes that are no worker of ours: what a killed sidecar has left behind, and what has become our child.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::Instant;

use log::{debug, error, info, warn};
use mio::Interest;
use mio::unix::SourceFd;
use nix::sys::signal::Signal;
use rustdaemon_core::sys;

use super::{EventLoop, FAREWELL, Source};
use crate::strays;

/// The part of the stop's budget after which what workers have started is killed, as the workers themselves are.
const KILL_AFTER: f64 = 0.95;

impl EventLoop {
    /// After the workers' end: TERM for whatever has become our child, KILL when the budget is spent, until there is
    /// none left; nor anything of a killed sidecar's.
    pub(super) fn end_children(&mut self) {
        let budget = self.config.pools.iter().map(|pool| pool.stop_timeout).max().unwrap_or_default();
        let kill_at = self.stop_began.unwrap_or_else(Instant::now) + budget.mul_f64(KILL_AFTER);
        let end_at = self.stop_began.unwrap_or_else(Instant::now) + budget;
        let mut give_up_at = None;
        let mut told = BTreeSet::new();
        loop {
            self.reap_children();
            let left = strays::children();
            let now = Instant::now();
            if left.is_empty() && !self.takeover.is_waiting() {
                return self.reap_children(); // those that have ended since
            }
            let killing = now >= kill_at || self.in_a_hurry;
            if killing {
                self.takeover.kill_all();
            }
            let give_up_at = *give_up_at.get_or_insert(now.max(end_at) + FAREWELL);
            if now >= give_up_at {
                return error!("pids {left:?} have not ended after KILL: left behind");
            }
            for pid in left {
                // A hook that tells of an end may begin with the KILL of a worker: it has the rest of the budget.
                if now < end_at && !self.in_a_hurry && self.is_farewell(pid) {
                    continue;
                }
                // Our child, and only we reap: the number cannot mean another process.
                let signal = if killing { Signal::SIGKILL } else { Signal::SIGTERM };
                if told.insert((pid, killing)) {
                    info!("pid {pid} was started by a worker or a hook and is still there: {signal}");
                    let sent = sys::pidfd_open(pid)
                        .and_then(|pidfd| sys::pidfd_send_signal(pidfd.as_fd(), signal as i32));
                    if let Err(failed) = sent {
                        debug!("{signal} to pid {pid}: {failed}");
                    }
                }
            }
            let next = [kill_at, end_at, give_up_at].into_iter().find(|at| *at > now);
            self.turn(Some(next.unwrap_or(give_up_at)));
        }
    }

    pub(super) fn watch_leftovers(&self, found: &[(u64, i32)]) {
        for (number, pidfd) in found {
            let token = Source::Leftover(*number).token();
            if let Err(failed) =
                self.poll.registry().register(&mut SourceFd(pidfd), token, Interest::READABLE)
            {
                error!("epoll_ctl: {failed}"); // the takeover's deadline looks at it again
            }
        }
    }

    /// Starts what may be started now.
    pub(super) fn go_on_after_leftovers(&mut self) {
        for (worker, slot) in std::mem::take(&mut self.held_starts) {
            self.spawn(worker, slot);
        }
        if let Some((_, listener)) = self.doors.first_mut()
            && self.takeover.is_over()
            && !listener.dead_runs().is_empty()
            && let Err(failed) = listener.forget_dead_runs()
        {
            warn!("the socket's lock file cannot be written: {failed}");
        }
    }
}
