//! The plant: a real OPC UA server, php/examples/plant/plant.py, on a free port of loopback.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::stage::Stage;
use crate::child::Guarded;
use crate::failure::{Context, Result};
use crate::repo::Repo;
use crate::run;
use crate::wait::eventually;

pub struct Plant {
    process: Guarded,
    pub endpoint: String,
}

impl Plant {
    pub fn start(repo: &Repo, stage: &Stage) -> Result<Self> {
        let path = stage.path("plant.log");
        let log = fs::File::create(&path).context("create plant.log")?;
        let mut command = run::command(repo.python(), [repo.path("php/examples/plant/plant.py")]);
        command.stderr(log.try_clone().context("plant.log")?).stdout(log);
        let mut process = Guarded::spawn(command)?;
        let endpoint = eventually(Duration::from_secs(30), "the plant says READY", || {
            let said = fs::read_to_string(&path).unwrap_or_default();
            if let Some(endpoint) = said.lines().find_map(|line| line.strip_prefix("READY ")) {
                return Ok(endpoint.to_owned());
            }
            match process.ended() {
                Ok(Some(status)) => Err(format!("{}: {said}", run::ending(status))),
                _ => Err(said),
            }
        })?;
        Ok(Self { process, endpoint })
    }

    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Reads a node by asyncua alone, past everything of ours.
    pub fn read(&self, repo: &Repo, node: &str) -> Result<i64> {
        let script = repo.path("php/examples/plant/read.py");
        let arguments = [script.as_os_str(), self.endpoint.as_ref(), node.as_ref()];
        let answer =
            run::quietly(run::command(repo.python(), arguments), Duration::from_secs(30))?.success()?;
        counter(&answer)
    }

    pub fn end(mut self) -> Result<String> {
        self.process.end().map(run::ending)
    }
}

/// The number in `{"value": 17, "status": "Good", ...}`.
pub fn counter(answer: &str) -> Result<i64> {
    let answer: Value = serde_json::from_str(answer).map_err(|why| format!("{why} in {answer}"))?;
    match (&answer["value"], &answer["status"]) {
        (Value::Number(number), Value::String(status)) if status == "Good" => {
            number.as_i64().ok_or_else(|| format!("no whole number: {answer}").into())
        }
        _ => Err(format!("no good value: {answer}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_number_is_a_counter() {
        assert_eq!(counter(r#"{"node":"n","value":17,"status":"Good"}"#).unwrap(), 17);
        assert!(counter(r#"{"value":17,"status":"BadNodeIdUnknown"}"#).is_err());
        assert!(counter(r#"{"value":"17","status":"Good"}"#).is_err());
        assert!(counter("").is_err());
    }
}
