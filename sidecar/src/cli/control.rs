//! `rustdaemon restart|start|stop|pause|resume|signal|scale|reload`: what changes something.
//!
//! Each waits until what was asked for has come true, and says what has become of it.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::session::{Session, strange};
use super::{Outcome, print};
use crate::verbs::{Generations, Told};

/// A request may have to be finished first.
const PATIENCE: Duration = Duration::from_secs(120);

/// Which workers.
#[derive(Args)]
pub struct Workers {
    /// A pool, or one worker as POOL#SLOT; none: all.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// For scripts.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: Session,
}

impl Workers {
    /// Asks for `method` of them, and prints what they have come to.
    pub fn ask(self, method: &str) -> Outcome {
        told(&self.session, method, &json!([self.name]).to_string(), self.json)
    }
}

/// Drain and stop the daemon, or only some workers, which stay so until they are started.
#[derive(Args)]
pub struct Stop {
    #[command(flatten)]
    workers: Workers,
}

impl Stop {
    /// Without a name: the daemon.
    pub fn run(self) -> Outcome {
        match self.workers.name {
            Some(_) => self.workers.ask("worker.stop"),
            None => {
                self.workers.session.order("daemon.stop", "[]", PATIENCE)?;
                print("stopping")
            }
        }
    }
}

/// Send workers a signal.
#[derive(Args)]
pub struct SendSignal {
    /// Its name, such as USR1, or its number.
    #[arg(value_name = "SIGNAL")]
    signal: String,
    #[command(flatten)]
    workers: Workers,
}

impl SendSignal {
    /// Prints who got it.
    pub fn run(self) -> Outcome {
        let arguments = json!([self.workers.name, self.signal]).to_string();
        told(&self.workers.session, "worker.signal", &arguments, self.workers.json)
    }
}

/// Give a pool another number of workers, until the sidecar ends; its configuration stays as it is.
#[derive(Args)]
pub struct Scale {
    /// So many workers, 1 to 1024.
    #[arg(value_name = "WORKERS")]
    workers: u32,
    /// The pool; where there is only one, it is meant.
    #[arg(value_name = "POOL")]
    name: Option<String>,
    /// For scripts.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: Session,
}

impl Scale {
    /// Returns when those that are new are ready and those that are not wanted have ended.
    pub fn run(self) -> Outcome {
        told(&self.session, "worker.scale", &json!([self.name, self.workers]).to_string(), self.json)
    }
}

/// Start a new generation of workers and move the traffic when it is ready. Exit code 1: it is refused, and the old one
/// stays.
#[derive(Args)]
pub struct Reload {
    /// A pool; none: all.
    #[arg(value_name = "POOL")]
    name: Option<String>,
    /// For scripts.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: Session,
}

impl Reload {
    /// Returns when the new generation serves.
    pub fn run(self) -> Outcome {
        let data = self.session.order("daemon.reload", &json!([self.name]).to_string(), PATIENCE)?;
        if self.json {
            return print(data.get());
        }
        let generations: Generations = serde_json::from_str(data.get()).map_err(|failed| strange(&failed))?;
        let meant = |name: &str| self.name.as_deref().is_none_or(|wanted| wanted == name);
        let lines = generations.pools.iter().filter(|pool| meant(&pool.name));
        let lines = lines.map(|pool| format!("{}: generation {} serves\n", pool.name, pool.generation));
        print(&lines.collect::<String>())
    }
}

fn told(session: &Session, method: &str, arguments: &str, json: bool) -> Outcome {
    let data = session.order(method, arguments, PATIENCE)?;
    if json {
        return print(data.get());
    }
    let told: Told = serde_json::from_str(data.get()).map_err(|failed| strange(&failed))?;
    let line = |worker: &crate::verbs::ToldWorker| match worker.pid {
        Some(pid) => format!("{} is {} (pid {pid})\n", worker.name, worker.state),
        None => format!("{} is {}\n", worker.name, worker.state),
    };
    print(&told.workers.iter().map(line).collect::<String>())
}
