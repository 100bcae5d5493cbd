//! `rustdaemon logs`: what workers have written last, and what they write.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;

use clap::Args;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::session::Session;
use super::{DONE, Failure, Outcome, SYSTEM, write};
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

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
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

    fn go_on(&self, mut connection: BufReader<UnixStream>) -> Outcome {
        let mut line = String::new();
        loop {
            line.clear();
            match connection.read_line(&mut line) {
                Ok(_) if line.ends_with('\n') => {}
                Ok(_) => return self.end(),
                Err(failed) => return Err(Failure::new(SYSTEM, format!("the connection broke: {failed}"))),
            }
            let event: Event<'_> = serde_json::from_str(&line).map_err(|failed| strange(&failed))?;
            let said = serde_json::from_str(event.data.get()).map_err(|failed| strange(&failed))?;
            if !self.show(&said)? {
                return Ok(DONE);
            }
        }
    }

    /// The connection has ended: with the sidecar, or before it.
    fn end(&self) -> Outcome {
        match self.session.ask("ping", "[]") {
            Ok(_) => {
                let sentence =
                    "the sidecar has closed this connection: it was read too slowly, lines are missing";
                Err(Failure::new(SYSTEM, sentence))
            }
            Err(_) => Ok(DONE),
        }
    }

    /// Whether stdout is still open.
    fn show(&self, line: &LogLine) -> Result<bool, Failure> {
        match self.json {
            true => write(&(serde_json::to_string(line).map_err(|failed| strange(&failed))? + "\n")),
            false => write(&format!("{} | {}\n", line.worker, line.line)),
        }
    }
}

fn strange(failed: &serde_json::Error) -> Failure {
    Failure::new(SYSTEM, format!("the sidecar is of another make: {failed}"))
}
