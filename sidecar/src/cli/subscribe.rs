//! `rustdaemon subscribe`: what happens to workers and deploys, as it happens.

use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use serde_json::json;

use super::session::{Session, strange};
use super::{DONE, Outcome, ended, write};
use crate::events::Notice;
use crate::logs::timestamp;
use crate::text::ago;
use crate::verbs::Standing;

/// Show what happens to workers and deploys, until the sidecar ends.
///
/// First where things stand, then one line for each change: a worker's state (idle stands for busy too), its end and why,
/// that it hangs, a reload's start and outcome.
#[derive(Args)]
pub struct Subscribe {
    /// A pool, or one worker as POOL#SLOT; none: all.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// For scripts: one JSON object per line; the first says where things stand.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: Session,
}

impl Subscribe {
    /// Prints lines until the connection ends.
    pub fn run(self) -> Outcome {
        let args = json!([self.name]).to_string();
        let (data, mut connection) = self.session.open("daemon.subscribe", &args)?;
        let first = match self.json {
            true => format!("{}\n", data.get()),
            false => stands(&serde_json::from_str(data.get()).map_err(|failed| strange(&failed))?),
        };
        if !write(&first)? {
            return Ok(DONE);
        }
        while let Some(event) = connection.next_event(None)? {
            let line = match self.json {
                true => format!("{}\n", event.get()),
                false => told(&serde_json::from_str(event.get()).map_err(|failed| strange(&failed))?),
            };
            if !write(&line)? {
                return Ok(DONE);
            }
        }
        ended(&self.session)
    }
}

fn stands(standing: &Standing) -> String {
    let worker = |worker: &crate::verbs::ToldWorker| match worker.pid {
        Some(pid) => format!("{} is {} (pid {pid})\n", worker.name, worker.state),
        None => format!("{} is {}\n", worker.name, worker.state),
    };
    standing.workers.iter().map(worker).collect()
}

/// `2026-11-26T20:19:09.123Z opcua#0 ended: killed by SIGKILL from outside (pid 7)`
fn told(notice: &Notice) -> String {
    let time = timestamp(UNIX_EPOCH + Duration::from_secs_f64(notice.at.max(0.0)));
    let whom = notice.worker.as_deref().or(notice.pool.as_deref()).unwrap_or("the daemon");
    let pid = notice.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    let message = notice.message.as_deref().unwrap_or_default();
    let generation = notice.generation.unwrap_or_default();
    let what = match notice.event.as_str() {
        "worker.state" => {
            let wait = notice.retry_in.map(|wait| format!(", next start in {}", ago(wait)));
            format!("is {}{}{pid}", notice.state.as_deref().unwrap_or_default(), wait.unwrap_or_default())
        }
        "worker.ended" => format!("ended: {message}{pid}"),
        "worker.hangs" => format!("hangs: {message}{pid}"),
        "reload.started" => format!("reload: generation {generation} is started"),
        "reload.done" => format!("reload: generation {generation} serves"),
        "reload.refused" => format!("reload refused: {message}"),
        "daemon.stopping" => "is stopping".to_owned(),
        other => format!("{other} {message}"),
    };
    let log: String = notice.log.iter().map(|line| format!("  {line}\n")).collect();
    format!("{time} {whom} {what}\n{log}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_one_line_for_people() {
        let of = |event: &str| Notice {
            at: 1_795_200_985.0,
            worker: Some("a#0".into()),
            pid: Some(7),
            generation: Some(2),
            state: Some("backoff".into()),
            retry_in: Some(3.0),
            message: Some("exit 3".into()),
            ..Notice::of(event, Some("a"))
        };
        let line = |event: &str| told(&of(event)).split_once(' ').unwrap().1.to_owned();
        assert_eq!(line("worker.state"), "a#0 is backoff, next start in 3 s (pid 7)\n");
        assert_eq!(line("worker.ended"), "a#0 ended: exit 3 (pid 7)\n");
        assert_eq!(line("reload.done"), "a#0 reload: generation 2 serves\n");
        let refused = Notice { log: vec!["PHP Fatal".into()], worker: None, ..of("reload.refused") };
        assert!(told(&refused).ends_with(" a reload refused: exit 3\n  PHP Fatal\n"));
        assert!(told(&Notice::of("daemon.stopping", None)).ends_with("Z the daemon is stopping\n"));
    }
}
