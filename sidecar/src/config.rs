//! What a sidecar was told to do: every value validated once, with its default, unit and limits.
//!
//! # Rules
//! Pure, but for the working directory that a relative path is relative to. An error is one sentence: what was wrong,
//! what is allowed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use rustdaemon_core::settings;

/// All of a sidecar's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Absolute path of the listening socket.
    pub socket: PathBuf,
    /// Permission bits of the socket, default 0600.
    pub socket_mode: u32,
    /// The one pool.
    pub pool: PoolConfig,
}

/// A pool's settings.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Workers are addressed as `name#slot`.
    pub name: String,
    /// argv, no shell.
    pub command: Vec<OsString>,
    /// Number of slots, default 1.
    pub workers: u32,
    /// Whether workers speak over a link (`--no-link`: any command, supervised by pid).
    pub link: bool,
    /// A run shorter than this counts as a failure; default 5 s, 0 = none does.
    pub short_run: Duration,
    /// Longest wait before a restart, default 60 s.
    pub backoff_max: Duration,
    /// The whole budget of a stop, default 8 s: inside Docker's 10.
    pub stop_timeout: Duration,
    /// A worker that is not ready after this long is reported once; default 30 s.
    pub ready_timeout: Duration,
    /// A command without a link is ready after this long alive; default 1 s.
    pub ready_after: Duration,
    /// How long a client waits for its reply, default 30 s.
    pub request_timeout: Duration,
    /// Requests that may wait for a worker, default 1 024.
    pub queue: usize,
}

impl PoolConfig {
    /// A pool with every default.
    #[must_use]
    pub fn new(name: &str, command: Vec<OsString>) -> Self {
        Self {
            name: name.to_owned(),
            command,
            workers: 1,
            link: true,
            short_run: Duration::from_secs(5),
            backoff_max: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(8),
            ready_timeout: Duration::from_secs(30),
            ready_after: Duration::from_secs(1),
            request_timeout: Duration::from_secs(30),
            queue: 1024,
        }
    }
}

/// `--socket`, absolute.
///
/// # Errors
/// One sentence.
pub fn socket_path(text: &str) -> Result<PathBuf, String> {
    settings::socket_path(text.as_bytes(), std::env::current_dir)
}

/// `--socket-mode`.
///
/// # Errors
/// One sentence.
pub fn socket_mode(text: &str) -> Result<u32, String> {
    settings::octal_mode(text.as_bytes())
}

/// `--name`.
///
/// # Errors
/// One sentence.
pub fn pool_name(text: &str) -> Result<String, String> {
    settings::pool_name(text.as_bytes())
}

/// A duration with its unit: `500ms`, `8s`, `1.5s`, `5m`, `1h`; at most 366 days.
///
/// # Errors
/// One sentence.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|character: char| character != '.' && !character.is_ascii_digit());
    let parsed = split.and_then(|at| text.split_at_checked(at)).and_then(|(number, unit)| {
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        number.parse::<f64>().ok().map(|number| number * seconds).filter(|all| *all <= 366.0 * 86_400.0)
    });
    let parsed = parsed.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    parsed
        .ok_or_else(|| format!("\"{text}\" is not a duration; write a number and ms, s, m or h, such as 8s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit() {
        for (text, ms) in [("500ms", 500), ("8s", 8000), ("1.5s", 1500), ("5m", 300_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "8", "s", "-1s", "8 s", "1e9s", "..s", "9999999h", "8sec"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
