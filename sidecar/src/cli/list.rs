//! `rustdaemon ls`: the sidecars that run here.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::session::Session;
use super::{BAD_NEWS, DONE, Failure, Outcome, find, print, table};
use crate::text::ago;
use crate::verbs::Status;

/// Each is given so long to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// List the sidecars whose sockets are in /run/rustdaemon or $XDG_RUNTIME_DIR/rustdaemon. Exit code 1: there is none.
#[derive(Args)]
pub struct List {
    /// For scripts.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Instance {
    socket: String,
    pid: Option<u32>,
    version: Option<String>,
    state: Option<String>,
    uptime: Option<f64>,
    pools: Vec<String>,
    workers: usize,
    up: usize,
    /// Why it could not be asked.
    error: Option<String>,
}

impl List {
    /// Prints a table, or JSON.
    pub fn run(self) -> Outcome {
        let found: Vec<Instance> =
            find::instances().iter().filter(|path| find::is_live(path)).map(|path| ask(path)).collect();
        if self.json {
            let text = serde_json::to_string(&found).unwrap_or_default();
            print(&text)?;
            return Ok(if found.is_empty() { BAD_NEWS } else { DONE });
        }
        if found.is_empty() {
            let sentence = format!(
                "nobody listens in {}; a sidecar with its socket elsewhere is asked with --socket PATH",
                find::in_words(&find::directories())
            );
            return Err(Failure::new(BAD_NEWS, sentence));
        }
        let mut rows = table(&["SOCKET", "PID", "STATE", "UPTIME", "UP", "POOLS"]);
        for instance in found {
            let dash = || "-".to_owned();
            rows.add_row([
                instance.socket,
                instance.pid.map_or_else(dash, |pid| pid.to_string()),
                instance.state.unwrap_or_else(dash),
                instance.uptime.map_or_else(dash, ago),
                format!("{}/{}", instance.up, instance.workers),
                instance.error.unwrap_or_else(|| instance.pools.join(" ")),
            ]);
        }
        print(&rows.trim_fmt())
    }
}

fn ask(path: &Path) -> Instance {
    let socket = path.to_string_lossy().into_owned();
    let data = Session::at(&socket, PATIENCE).ask("daemon.status", "[]");
    let status = data.map_err(|failure| failure.to_string()).and_then(|data| {
        serde_json::from_str::<Status>(data.get()).map_err(|_| "is of another make".to_owned())
    });
    match status {
        Ok(status) => {
            let up = status.workers.iter().filter(|worker| matches!(worker.state.as_str(), "idle" | "busy"));
            Instance {
                socket,
                pid: Some(status.pid),
                version: Some(status.version),
                state: Some(status.state),
                uptime: Some(status.uptime),
                pools: status.pools.into_iter().map(|pool| pool.name).collect(),
                workers: status.workers.len(),
                up: up.count(),
                error: None,
            }
        }
        Err(why) => Instance {
            socket,
            pid: None,
            version: None,
            state: None,
            uptime: None,
            pools: Vec::new(),
            workers: 0,
            up: 0,
            error: Some(why),
        },
    }
}
