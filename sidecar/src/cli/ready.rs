//! `rustdaemon ready`: does every pool serve?

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::session::{Session, strange};
use super::{BAD_NEWS, DONE, Failure, Outcome, print};
use crate::config;
use crate::verbs::{Status, WorkerStatus};

/// Ask whether every pool has a worker that serves. Exit code 1: not every one has, and why.
#[derive(Args)]
pub struct Ready {
    /// Wait so long for it.
    #[arg(long, value_name = "TIME", value_parser = config::duration)]
    wait: Option<Duration>,
    /// For scripts.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: Session,
}

impl Ready {
    /// Prints `ready`, or fails with why it is not.
    pub fn run(self) -> Outcome {
        let until = self.wait.map(|wait| Instant::now() + wait);
        // Subscribed before it looks: what changes after the look is heard.
        let mut changes = match until {
            Some(_) => Some(self.session.open("daemon.subscribe", "[]")?.1),
            None => None,
        };
        loop {
            let data = self.session.ask("daemon.status", "[]")?;
            let status: Status = serde_json::from_str(data.get()).map_err(|failed| strange(&failed))?;
            let trouble = trouble(&status);
            let goes_on = match (&trouble, &mut changes) {
                (Some(_), Some(changes)) => changes.next_event(until)?.is_some(),
                _ => false,
            };
            if !goes_on {
                return self.tell(trouble);
            }
        }
    }

    fn tell(&self, trouble: Option<String>) -> Outcome {
        match trouble {
            _ if self.json => {
                print(&json!({"ready": trouble.is_none(), "reason": trouble}).to_string())?;
                Ok(if trouble.is_none() { DONE } else { BAD_NEWS })
            }
            None => print("ready"),
            Some(why) => Err(Failure::new(BAD_NEWS, format!("not ready: {why}"))),
        }
    }
}

/// Why not every pool serves.
fn trouble(status: &Status) -> Option<String> {
    if status.state != "running" {
        return Some(format!("the daemon is {}", status.state));
    }
    let serves = |worker: &&WorkerStatus| matches!(worker.state.as_str(), "idle" | "busy");
    let lame = status.pools.iter().filter_map(|pool| {
        let own = || status.workers.iter().filter(|worker| worker.pool == pool.name);
        if own().any(|worker| serves(&worker)) {
            return None;
        }
        let first = own().next()?;
        let last = first.last_exit.as_ref().map(|exit| format!(", its last worker: {exit}"));
        Some(format!("{} is {}{}", first.name, first.state, last.unwrap_or_default()))
    });
    let lame: Vec<String> = lame.collect();
    (!lame.is_empty()).then(|| lame.join("; "))
}
