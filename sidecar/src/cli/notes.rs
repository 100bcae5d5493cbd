//! What stands below a worker, in `status` and in `top`: what it is doing, what is awaited, how the one before it ended.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::text::ago;
use crate::verbs::WorkerStatus;

/// One line, and what it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is of.
    pub kind: Kind,
    /// The line.
    pub text: String,
}

/// What a note is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What the worker is doing.
    Doing,
    /// When it is started again.
    Awaited,
    /// What has been.
    Past,
    /// What is to be known of its script.
    Script,
}

/// A worker's notes. `unix_time`: now, in seconds.
#[must_use]
pub fn notes(worker: &WorkerStatus, unix_time: f64) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note = |kind, text: String| notes.push(Note { kind, text });
    if let Some(doing) = doing(worker) {
        note(Kind::Doing, doing);
    }
    match worker.deferred {
        0 => {}
        1 => note(Kind::Doing, "1 request is answered later".to_owned()),
        many => note(Kind::Doing, format!("{many} requests are answered later")),
    }
    if let Some(wait) = worker.retry_in {
        note(Kind::Awaited, format!("next start in {}", ago(wait)));
    }
    if let Some(last) = &worker.last_exit {
        let at = worker.last_exit_reason.as_ref().map(|reason| reason.at).filter(|at| *at > 0.0);
        let when = at.map(|at| format!(" {} ago", ago(unix_time - at))).unwrap_or_default();
        note(Kind::Past, format!("last ended{when}: {last}"));
        if let Some(said) = last_words(worker) {
            note(Kind::Past, format!("its last line: {said}"));
        }
    }
    if !worker.signals_taken.is_empty() {
        let signals = worker.signals_taken.join(", ");
        note(Kind::Script, format!("its script handles {signals} itself"));
    }
    if let Some(why) = &worker.blind {
        note(Kind::Script, why.clone());
    }
    notes
}

/// Unix time in seconds.
#[must_use]
pub fn unix_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// `blocked 9 s: plc.read, in file_get_contents() at /app/x.php:12`; idle is nothing.
fn doing(worker: &WorkerStatus) -> Option<String> {
    let word = worker.doing.as_deref().filter(|word| *word != "idle")?;
    let lasts = worker.doing_for.map(|lasts| format!(" {}", ago(lasts))).unwrap_or_default();
    let what = worker.doing_what.as_ref().map(|what| format!(": {what}")).unwrap_or_default();
    Some(format!("{word}{lasts}{what}"))
}

/// The last line of who ended, where nobody has taken its place: it may say why.
fn last_words(worker: &WorkerStatus) -> Option<&str> {
    let is_down = matches!(worker.state.as_str(), "parked" | "backoff" | "starting");
    worker.last_exit_reason.as_ref().filter(|_| is_down)?.log.last().map(String::as_str)
}
