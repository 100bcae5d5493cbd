//! `rustdaemon status`: what a tired person reads at 3 a.m.

use clap::Args;

use super::session::{Session, strange};
use super::{BAD_NEWS, DONE, Outcome, print, table};
use crate::reason::ago;
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
            false => print(&text(&status))?,
        };
        let parked = status.workers.iter().any(|worker| worker.state == "parked");
        Ok(if parked { BAD_NEWS } else { DONE })
    }
}

fn text(status: &Status) -> String {
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
    let mut rows = table(&["WORKER", "STATE", "FOR", "DOING", "PID", "SERVED", "RESTARTS", "LAST EXIT"]);
    for worker in &status.workers {
        rows.add_row([
            worker.name.clone(),
            worker.state.clone(),
            duration(worker),
            doing(worker),
            worker.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            worker.served.to_string(),
            worker.restarts.to_string(),
            worker.last_exit.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    let mut notes = String::new();
    for worker in &status.workers {
        let name = &worker.name;
        if !worker.signals_taken.is_empty() {
            let signals = worker.signals_taken.join(", ");
            notes +=
                &format!("\n{name}: its script has {signals}: what stops it is the sidecar's order alone");
        }
        let is_down = matches!(worker.state.as_str(), "parked" | "backoff");
        let said = worker.last_exit_reason.as_ref().filter(|_| is_down).and_then(|reason| reason.log.last());
        if let Some(said) = said {
            notes += &format!("\n{name}: the last line of its last worker: {said}");
        }
        if let Some(why) = &worker.blind {
            notes += &format!("\n{name}: {why}");
        }
    }
    format!("{}\n\n{}{notes}", lines.join("\n"), rows.trim_fmt())
}

fn doing(worker: &WorkerStatus) -> String {
    let Some(word) = &worker.doing else { return "-".to_owned() };
    let lasts = worker.doing_for.map(|lasts| format!(" {}", ago(lasts)));
    let what = worker.doing_what.as_ref().map(|what| format!(": {what}"));
    format!("{word}{}{}", lasts.unwrap_or_default(), what.unwrap_or_default())
}

fn duration(worker: &WorkerStatus) -> String {
    match (worker.retry_in, worker.request_age) {
        (Some(left), _) => format!("{}, next start in {}", ago(worker.since), ago(left)),
        (None, Some(age)) => format!("{}, this request {}", ago(worker.since), ago(age)),
        (None, None) => ago(worker.since),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_one_line() {
        let worker = |name: &str, state: &str| WorkerStatus {
            name: name.into(),
            state: state.into(),
            pid: Some(812),
            since: 7261.0,
            served: 42,
            last_exit: Some("killed by SIGKILL".into()),
            ..WorkerStatus::default()
        };
        let workers = vec![
            worker("opcua#0", "idle"),
            WorkerStatus { retry_in: Some(3.0), ..worker("opcua#1", "backoff") },
        ];
        let signals_taken = vec!["SIGTERM".into(), "SIGINT".into()];
        let taken = WorkerStatus { signals_taken, ..worker("opcua#2", "idle") };
        let noted = text(&Status { workers: vec![taken], ..Status::default() });
        assert!(noted.ends_with(
            "\nopcua#2: its script has SIGTERM, SIGINT: what stops it is the sidecar's order alone"
        ));
        let blind = WorkerStatus { blind: Some("nobody sees it hang".into()), ..worker("opcua#2", "idle") };
        let noted = text(&Status { workers: vec![blind], ..Status::default() });
        assert!(noted.ends_with("\nopcua#2: nobody sees it hang"), "{noted}");
        let blocked = WorkerStatus {
            doing: Some("blocked".into()),
            doing_what: Some("plc.read, in file_get_contents() at /app/x.php:12".into()),
            doing_for: Some(9.0),
            ..worker("opcua#3", "busy")
        };
        let stuck = text(&Status { workers: vec![blocked], ..Status::default() });
        let words = stuck.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected = "blocked 9 s: plc.read, in file_get_contents() at /app/x.php:12 812";
        assert!(words.contains(expected), "{words}");
        let text = text(&Status { workers, ..Status::default() });
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[rows.len() - 2].join(" "), "opcua#0 idle 2 h 1 min - 812 42 0 killed by SIGKILL");
        assert!(text.contains("next start in 3 s"), "{text}");
    }
}
