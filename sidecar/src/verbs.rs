//! The built-in methods: their names, and what they answer.
//!
//! # Rules
//! Pure. FLAT reaches only `ping` and workers' commands: its clients know no other verb.
//! Sources: DESIGN §4; ANCESTORS §1.2 (ping's data).

use rustdaemon_core::link::{Dialect, ExitReason, Method};
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::lines::LogLine;

/// A method that the sidecar answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Is anybody there?
    Ping,
    /// [`Status`].
    Status,
    /// [`Methods`].
    Methods,
    /// One of [`Control`]'s.
    Control,
    /// [`Lines`], by a [`LogsQuery`].
    Logs,
}

impl Verb {
    /// The built-in method of that name.
    #[must_use]
    pub fn of(dialect: Dialect, method: &str) -> Option<Self> {
        match method {
            "ping" => Some(Self::Ping),
            "daemon.status" if dialect != Dialect::Flat => Some(Self::Status),
            "daemon.methods" if dialect != Dialect::Flat => Some(Self::Methods),
            _ if dialect != Dialect::Flat && Control::is_one(method) => Some(Self::Control),
            "daemon.logs" if dialect != Dialect::Flat => Some(Self::Logs),
            _ => None,
        }
    }
}

/// Appends the data of `ping`: `time` is Unix time in seconds, in PHP's shortest form: of whole microseconds these are the
/// digits without the last zeros, because doubles of that size lie closer together than microseconds until the year 2242.
pub fn write_ping(out: &mut Vec<u8>, sessions: usize, time: f64) {
    let microseconds = (time * 1e6).round() as u64;
    let fraction = microseconds % 1_000_000;
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(b"{\"status\":\"ok\",\"sessions\":");
    out.extend_from_slice(digits.format(sessions).as_bytes());
    out.extend_from_slice(b",\"time\":");
    out.extend_from_slice(digits.format(microseconds / 1_000_000).as_bytes());
    if fraction > 0 {
        let fraction = digits.format(1_000_000 + fraction); // the first digit keeps the zeros that follow it
        out.push(b'.');
        out.extend_from_slice(fraction.get(1..).unwrap_or_default().trim_end_matches('0').as_bytes());
    }
    out.push(b'}');
}

/// The data of `daemon.status`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// The sidecar's version.
    pub version: String,
    /// The sidecar's process.
    pub pid: u32,
    /// `running` or `stopping`.
    pub state: String,
    /// Seconds since the start.
    pub uptime: f64,
    /// Path of the socket.
    pub socket: String,
    /// Clients that are connected.
    #[serde(default)]
    pub connections: usize,
    /// So many may be, without the operators' reserve.
    #[serde(default)]
    pub max_connections: usize,
    /// Clients that were told `too_many_connections` since the start.
    #[serde(default)]
    pub refused_connections: u64,
    /// Bytes of requests of which the end has not come.
    #[serde(default)]
    pub unfinished_bytes: usize,
    /// Bytes of arguments of requests that have no answer yet.
    #[serde(default)]
    pub request_bytes: usize,
    /// Bytes of answers that clients have not taken.
    #[serde(default)]
    pub untaken_bytes: usize,
    /// One entry per pool.
    pub pools: Vec<PoolStatus>,
    /// One entry per slot of every pool.
    pub workers: Vec<WorkerStatus>,
}

/// One pool.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// argv.
    pub command: Vec<String>,
    /// Whether its workers speak over a link.
    pub link: bool,
    /// 1, and one more with each reload.
    pub generation: u32,
    /// Whether a newer generation is being started.
    #[serde(default)]
    pub reloading: bool,
    /// Requests that wait.
    pub waiting: usize,
    /// Requests that workers have.
    pub in_flight: usize,
    /// Requests accepted since the start.
    pub accepted: u64,
    /// Replies that came after their deadline and were dropped.
    pub late: u64,
    /// Requests that were taken back from a worker before it had begun them, and served by another one.
    pub recalled: u64,
    /// Idempotent requests that were tried once more, because a worker had ended with them in hand.
    pub retried: u64,
    /// Sessions that its workers have.
    #[serde(default)]
    pub bound: usize,
}

/// One slot and its worker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// `pool#slot`.
    pub name: String,
    /// The pool's name.
    pub pool: String,
    /// Its number in the pool.
    pub slot: usize,
    /// Its process, while it has one.
    pub pid: Option<i32>,
    /// The generation that it belongs to.
    #[serde(default)]
    pub generation: Option<u32>,
    /// starting booted idle busy draining stopped paused backoff parked unkillable
    pub state: String,
    /// Seconds in that state.
    pub since: f64,
    /// idle busy blocked looping waiting frozen; none: no worker, or nothing can be told.
    #[serde(default)]
    pub doing: Option<String>,
    /// What it has in hand, and where it is: `plc.read, in file_get_contents() at /app/x.php:12`.
    #[serde(default)]
    pub doing_what: Option<String>,
    /// For how many seconds, as far as that is known.
    #[serde(default)]
    pub doing_for: Option<f64>,
    /// Workers started here after the first.
    pub restarts: u64,
    /// Requests answered by this slot's workers.
    pub served: u64,
    /// Seconds that the request in hand has been running, by the worker's own page.
    pub request_age: Option<f64>,
    /// How the last worker ended, in one sentence.
    pub last_exit: Option<String>,
    /// The same with all that is known.
    #[serde(default)]
    pub last_exit_reason: Option<ExitReason>,
    /// Why its hangs cannot be seen.
    #[serde(default)]
    pub blind: Option<String>,
    /// Stop signals that do not stop the worker by themselves: its script handles them, ignores them, or has given them
    /// their default effect.
    #[serde(default)]
    pub signals_taken: Vec<String>,
    /// Seconds until the next start.
    pub retry_in: Option<f64>,
}

/// What `daemon.logs` asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogsQuery {
    /// A pool, or `pool#slot`; none: all.
    pub name: Option<String>,
    /// At most so many lines.
    pub lines: usize,
    /// Whether further lines are wanted as they come.
    pub follow: bool,
}

impl Default for LogsQuery {
    fn default() -> Self {
        Self { name: None, lines: DEFAULT_LINES, follow: false }
    }
}

/// Lines of `daemon.logs` where the question does not say how many.
pub const DEFAULT_LINES: usize = 20;

/// The data of `daemon.logs`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Lines {
    /// Oldest first.
    pub lines: Vec<LogLine>,
}

/// The data of `daemon.methods`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Methods {
    /// Workers' methods, in the order of `expose()`, then the built-in ones.
    pub methods: Vec<MethodStatus>,
}

/// One method.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MethodStatus {
    /// What clients call.
    pub name: String,
    /// The pool that offers it; none: built in.
    pub pool: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Whether running it twice does no harm.
    pub idempotent: bool,
}

/// The data of `daemon.methods`: what each pool offers, then the built-in ones.
#[must_use]
pub fn methods<'a>(pools: impl Iterator<Item = (&'a str, &'a [Method])>) -> Methods {
    let workers = pools.flat_map(|(pool, offered)| {
        offered.iter().map(|method| MethodStatus {
            name: method.name.clone(),
            pool: Some(pool.to_owned()),
            description: method.description.clone(),
            idempotent: method.idempotent,
        })
    });
    let looks = [
        ("ping", "Says that the daemon lives"),
        ("daemon.status", "Pools, workers and their states"),
        ("daemon.methods", "This list"),
        ("daemon.logs", "Workers' newest lines; with follow: true further ones as they come"),
    ];
    let built_in = looks.into_iter().map(|look| (look, true));
    let built_in = built_in.chain(Control::METHODS.into_iter().map(|control| (control, false)));
    let built_in = built_in.map(|((name, description), idempotent)| MethodStatus {
        name: name.to_owned(),
        pool: None,
        description: Some(description.to_owned()),
        idempotent,
    });
    Methods { methods: workers.chain(built_in).collect() }
}

/// The data of what an operator has asked for, once it has come true.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Told {
    /// Those that were meant.
    pub workers: Vec<ToldWorker>,
}

/// One of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ToldWorker {
    /// `pool#slot`.
    pub name: String,
    /// As in [`WorkerStatus::state`].
    pub state: String,
    /// Its process, while it has one.
    pub pid: Option<i32>,
}

/// The data of `daemon.reload`: which generation each pool is at now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Generations {
    /// All pools.
    pub pools: Vec<Generation>,
}

/// One pool's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Generation {
    /// The pool's name.
    pub name: String,
    /// The generation that serves.
    pub generation: u32,
}

/// The data of `daemon.reload`.
#[must_use]
pub fn generations<'a>(pools: impl Iterator<Item = (&'a str, u32)>) -> Generations {
    let pool = |(name, generation): (&str, u32)| Generation { name: name.to_owned(), generation };
    Generations { pools: pools.map(pool).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping(sessions: usize, time: f64) -> String {
        let mut data = Vec::new();
        write_ping(&mut data, sessions, time);
        String::from_utf8(data).unwrap()
    }

    #[test]
    fn pings_data_is_the_ancestors() {
        assert_eq!(
            ping(0, 1_795_200_985.455_738),
            r#"{"status":"ok","sessions":0,"time":1795200985.455738}"#
        );
        assert_eq!(ping(3, 1_795_200_985.0), r#"{"status":"ok","sessions":3,"time":1795200985}"#);
        for microseconds in (1_795_200_985_000_000_u64..).step_by(7_919).take(10_000) {
            let time = microseconds as f64 / 1e6;
            assert_eq!(ping(0, time), format!("{{\"status\":\"ok\",\"sessions\":0,\"time\":{time}}}"));
        }
    }

    #[test]
    fn a_query_of_logs_has_defaults_and_no_unknown_key() {
        let query = |text: &str| serde_json::from_str::<LogsQuery>(text);
        assert_eq!(query("[]").unwrap(), LogsQuery::default());
        assert_eq!(query("{}").unwrap(), LogsQuery::default());
        let wanted = LogsQuery { name: Some("opcua#0".into()), lines: 5, follow: true };
        assert_eq!(query(r#"{"name":"opcua#0","lines":5,"follow":true}"#).unwrap(), wanted);
        assert_eq!(query(r#"["opcua#0",5,true]"#).unwrap(), wanted);
        for bad in [r#"{"nmae":"x"}"#, r#"{"lines":-1}"#, r#"{"follow":"yes"}"#] {
            assert!(query(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn flat_reaches_only_ping() {
        assert_eq!(Verb::of(Dialect::Flat, "ping"), Some(Verb::Ping));
        assert_eq!(Verb::of(Dialect::Flat, "daemon.status"), None);
        assert_eq!(Verb::of(Dialect::Typed, "daemon.status"), Some(Verb::Status));
        assert_eq!(Verb::of(Dialect::Typed, "daemon.reload"), Some(Verb::Control));
        assert_eq!(Verb::of(Dialect::Flat, "daemon.reload"), None);
    }
}
