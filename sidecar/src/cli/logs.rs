//! `rustdaemon logs`: what workers have written last, and what they write.

use clap::Args;
use serde_json::json;

use super::session::{Connection, Session, strange};
use super::{DONE, Failure, Outcome, ended, write};
use crate::lines::LogLine;
use crate::verbs::{DEFAULT_LINES, Lines};

/// Show the newest lines of workers' stdout and stderr.
///
/// The sidecar keeps the last 100 lines of each slot, at most 16 KiB, across restarts of its worker.
#[derive(Args)]
pub struct ShowLogs {
    /// A pool, or one worker as NAME#SLOT; all without it.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Go on with further lines as they come, until the sidecar ends.
    #[arg(short, long)]
    follow: bool,
    /// At most so many lines from before.
    #[arg(short = 'n', long, value_name = "N", default_value_t = DEFAULT_LINES)]
    lines: usize,
    /// For scripts: one JSON object per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: Session,
}

impl ShowLogs {
    /// Prints lines.
    pub fn run(self) -> Outcome {
        let args = json!({"name": self.name, "lines": self.lines, "follow": self.follow}).to_string();
        let (data, connection) = self.session.open("daemon.logs", &args)?;
        let Lines { lines } = serde_json::from_str(data.get()).map_err(|failed| strange(&failed))?;
        for line in &lines {
            if !self.show(line)? {
                return Ok(DONE);
            }
        }
        if self.follow { self.go_on(connection) } else { Ok(DONE) }
    }

    fn go_on(&self, mut connection: Connection) -> Outcome {
        while let Some(event) = connection.next_event(None)? {
            let said = serde_json::from_str(event.get()).map_err(|failed| strange(&failed))?;
            if !self.show(&said)? {
                return Ok(DONE);
            }
        }
        ended(&self.session)
    }

    /// Whether stdout is still open.
    fn show(&self, line: &LogLine) -> Result<bool, Failure> {
        match self.json {
            true => write(&(serde_json::to_string(line).map_err(|failed| strange(&failed))? + "\n")),
            false => write(&format!("{} | {}\n", line.worker, line.line)),
        }
    }
}
