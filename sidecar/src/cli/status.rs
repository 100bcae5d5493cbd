//! `rustdaemon status`: what a tired person reads at 3 a.m.

use clap::Args;

use super::notes::{notes, unix_time};
use super::session::{Session, strange};
use super::{BAD_NEWS, DONE, Outcome, print, table};
use crate::text::ago;
use crate::verbs::{Status, WorkerStatus};

/// Show pools and workers. Exit code 1 when a worker is parked.
#[derive(Args)]
pub struct ShowStatus {
    /// For scripts.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: Session,
}

impl ShowStatus {
    /// Prints a table, or JSON.
    pub fn run(self) -> Outcome {
        let data = self.session.ask("daemon.status", "[]")?;
        let status: Status = serde_json::from_str(data.get()).map_err(|failed| strange(&failed))?;
        match self.json {
            true => print(data.get())?,
            false => print(&text(&status, unix_time()))?,
        };
        let parked = status.workers.iter().any(|worker| worker.state == "parked");
        Ok(if parked { BAD_NEWS } else { DONE })
    }
}

/// A line for each worker, and its notes below.
fn text(status: &Status, unix_time: f64) -> String {
    let mut lines = vec![format!(
        "rustdaemon {}  pid {}  {} for {}  {}",
        status.version,
        status.pid,
        status.state,
        ago(status.uptime),
        status.socket
    )];
    for pool in &status.pools {
        lines.push(format!(
            "{}: {}{}\n{}: generation {}{}, {} requests accepted, {} in flight, {} waiting",
            pool.name,
            pool.command.join(" "),
            if pool.link { "" } else { "  (without a link)" },
            pool.name,
            pool.generation,
            if pool.reloading { " (the next one is being started)" } else { "" },
            pool.accepted,
            pool.in_flight,
            pool.waiting
        ));
    }
    let mut rows = table(&["WORKER", "STATE", "FOR", "PID", "SERVED", "RESTARTS", "MEMORY"]);
    for worker in &status.workers {
        let dash = || "-".to_owned();
        rows.add_row([
            worker.name.clone(),
            worker.state.clone(),
            duration(worker),
            worker.pid.map_or_else(dash, |pid| pid.to_string()),
            worker.served.to_string(),
            worker.restarts.to_string(),
            worker.memory.map_or_else(dash, |bytes| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))),
        ]);
    }
    let rows = rows.trim_fmt();
    let mut rows = rows.lines();
    lines.extend([String::new(), rows.next().unwrap_or_default().to_owned()]);
    for (worker, row) in status.workers.iter().zip(rows) {
        lines.push(row.to_owned());
        lines.extend(notes(worker, unix_time).into_iter().map(|note| format!("    {}", note.text)));
    }
    lines.join("\n")
}

fn duration(worker: &WorkerStatus) -> String {
    match worker.request_age {
        Some(age) => format!("{}, this request {}", ago(worker.since), ago(age)),
        None => ago(worker.since),
    }
}

#[cfg(test)]
mod tests {
    use rustdaemon_core::link::ExitReason;

    use super::*;

    #[test]
    fn a_worker_is_one_line_with_its_notes_below() {
        let worker = |name: &str, state: &str| WorkerStatus {
            name: name.into(),
            state: state.into(),
            pid: Some(812),
            since: 7261.0,
            served: 42,
            last_exit: Some("killed by SIGKILL".into()),
            ..WorkerStatus::default()
        };
        let lines = |worker: WorkerStatus| {
            let text = text(&Status { workers: vec![worker], ..Status::default() }, 1e9);
            let lines =
                text.lines().skip(3).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            lines.collect::<Vec<_>>()
        };
        assert_eq!(
            lines(WorkerStatus { memory: Some(3 << 20), ..worker("opcua#0", "idle") }),
            ["opcua#0 idle 2 h 1 min 812 42 0 3.0 MiB", "last ended: killed by SIGKILL"]
        );
        let reason = ExitReason { at: 1e9 - 300.0, log: vec!["no route".into()], ..ExitReason::default() };
        let parked = WorkerStatus {
            retry_in: Some(3.0),
            last_exit_reason: Some(reason),
            pid: None,
            ..worker("opcua#1", "backoff")
        };
        assert_eq!(
            lines(parked),
            [
                "opcua#1 backoff 2 h 1 min - 42 0 -",
                "next start in 3 s",
                "last ended 5 min ago: killed by SIGKILL",
                "its last line: no route"
            ]
        );
        let signals_taken = vec!["SIGTERM".into(), "SIGINT".into()];
        let blind = Some("nobody sees it hang".into());
        let noted = lines(WorkerStatus { signals_taken, blind, ..worker("opcua#2", "idle") });
        assert_eq!(noted[2..], ["its script handles SIGTERM, SIGINT itself", "nobody sees it hang"]);
        let blocked = WorkerStatus {
            doing: Some("blocked".into()),
            doing_what: Some("plc.read, in file_get_contents() at /app/x.php:12".into()),
            doing_for: Some(9.0),
            request_age: Some(10.0),
            ..worker("opcua#3", "busy")
        };
        assert_eq!(
            lines(blocked)[..2],
            [
                "opcua#3 busy 2 h 1 min, this request 10 s 812 42 0 -",
                "blocked 9 s: plc.read, in file_get_contents() at /app/x.php:12"
            ]
        );
    }
}
