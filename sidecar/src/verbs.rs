//! The built-in methods: their names, and what they answer.
//!
//! # Rules
//! Pure. FLAT reaches only `ping` and workers' commands: its clients know no other verb.
//! Sources: DESIGN §4; ANCESTORS §1.2 (ping's data).

use rustdaemon_core::link::{self, Dialect, ExitReason, Method};
use rustdaemon_core::settings;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::control::{self, Control};
use crate::lines::LogLine;

/// A method that the sidecar answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Is anybody there?
    Ping,
    /// One that only looks.
    Look(Look),
    /// One of [`Control`]'s.
    Control,
    /// A message to workers.
    Send,
}

/// A method that only looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// [`Status`].
    Status,
    /// [`Methods`].
    Methods,
    /// [`Methods::described`].
    MethodList,
    /// [`Lines`], by a [`LogsQuery`].
    Logs,
    /// [`Standing`], and every change from there on.
    Subscribe,
    /// [`worker_list`].
    Workers,
    /// [`worker_status`].
    WorkerStatus,
    /// [`farm_list`].
    Farms,
}

/// What sends workers a message.
const SEND: (&str, &str) = (link::MESSAGE, "Sends workers a message and waits until they have taken it");

impl Look {
    const METHODS: [(&str, Self, &str); 8] = [
        ("daemon.status", Self::Status, "Pools, workers and their states"),
        ("daemon.methods", Self::Methods, "This list"),
        ("daemon.logs", Self::Logs, "Workers' newest lines; with follow: true further ones as they come"),
        ("daemon.subscribe", Self::Subscribe, "Every change of workers and deploys from here on"),
        ("worker.list", Self::Workers, "The workers, one entry each"),
        (
            "worker.status",
            Self::WorkerStatus,
            "A number per worker: 0 spinup, 1 looping, 2 paused, 3 spindown",
        ),
        ("farm.list", Self::Farms, "The pools, one entry each"),
        ("system.listMethods", Self::MethodList, "The names of all methods, and what they do"),
    ];

    /// The method's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::METHODS.iter().find(|(_, look, _)| *look == self).map_or("", |(name, ..)| name)
    }
}

impl Verb {
    /// The built-in method of that name.
    #[must_use]
    pub fn of(dialect: Dialect, method: &str) -> Option<Self> {
        if method == "ping" {
            return Some(Self::Ping);
        }
        if dialect == Dialect::Flat || !settings::is_reserved(method) {
            return None;
        }
        if method == link::MESSAGE {
            return Some(Self::Send);
        }
        let look = Look::METHODS.iter().find(|(name, ..)| *name == method);
        look.map(|(_, look, _)| Self::Look(*look)).or(Control::is_one(method).then_some(Self::Control))
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
    /// Clients that are told what happens to workers.
    #[serde(default)]
    pub subscribers: usize,
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
    /// How many workers it is to have.
    #[serde(default)]
    pub workers: usize,
    /// False: when a worker ends by itself, everything stops.
    #[serde(default)]
    pub forever: bool,
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
    /// Seconds since its process was started.
    #[serde(default)]
    pub age: Option<f64>,
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
    /// Requests that its handlers have deferred and not answered yet.
    #[serde(default)]
    pub deferred: usize,
    /// Requests answered per second, of the last 30 to 60 seconds.
    #[serde(default)]
    pub rate: f64,
    /// Seconds from a request's acceptance to its reply, waiting included: half of those took no longer.
    #[serde(default)]
    pub p50: Option<f64>,
    /// 99 of a hundred took no longer.
    #[serde(default)]
    pub p99: Option<f64>,
    /// Bytes of memory of its own: resident anonymous pages, and what of them is swapped out.
    #[serde(default)]
    pub memory: Option<u64>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogsQuery {
    /// A pool, or `pool#slot`; none: all.
    pub name: Option<String>,
    /// At most so many lines.
    pub lines: usize,
    /// Whether further lines are wanted as they come.
    pub follow: bool,
}

impl LogsQuery {
    /// Reads its arguments, by position or by name.
    ///
    /// # Errors
    /// One sentence.
    pub fn parse(args: &[u8]) -> Result<Self, String> {
        let mut values = control::arguments(args, &["name", "lines", "follow"])?.into_iter();
        let mut next = || values.next().flatten().filter(|value| !value.is_null());
        let name = control::name(next())?;
        let lines = match next() {
            None => DEFAULT_LINES,
            Some(lines) => lines
                .as_u64()
                .and_then(|lines| usize::try_from(lines).ok())
                .ok_or("lines: must be a whole number, 0 or more")?,
        };
        let follow = match next() {
            None => false,
            Some(follow) => follow.as_bool().ok_or("follow: must be true or false")?,
        };
        Ok(Self { name, lines, follow })
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

/// A method of `system.listMethods`.
#[derive(Clone, Debug, Serialize)]
pub struct Described {
    /// What clients call.
    pub name: String,
    /// What it does.
    pub description: String,
}

impl Methods {
    /// The data of `system.listMethods`: each name once.
    #[must_use]
    pub fn described(self) -> Vec<Described> {
        let mut list: Vec<Described> = Vec::new();
        for MethodStatus { name, description, .. } in self.methods {
            if list.iter().all(|known| known.name != name) {
                list.push(Described { name, description: description.unwrap_or_default() });
            }
        }
        list
    }
}

/// An entry of `worker.list`. `looptime` is the ancestor's: how long a worker sleeps between two turns, which only the
/// worker knows.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    name: String,
    pool: String,
    slot: usize,
    pid: Option<i32>,
    state: String,
    looptime: Option<f64>,
    forever: bool,
}

/// The data of `worker.list`.
#[must_use]
pub fn worker_list(status: &Status) -> Vec<Listed> {
    let forever = |pool: &str| status.pools.iter().any(|entry| entry.name == pool && entry.forever);
    let listed = |worker: &WorkerStatus| Listed {
        name: worker.name.clone(),
        pool: worker.pool.clone(),
        slot: worker.slot,
        pid: worker.pid,
        state: worker.state.clone(),
        looptime: None,
        forever: forever(&worker.pool),
    };
    status.workers.iter().map(listed).collect()
}

/// The ancestor's number for a state: 0 on its way up, 1 at work, 2 paused, 3 on its way down or down.
fn number(state: &str) -> u8 {
    match state {
        "idle" | "busy" => 1,
        "paused" => 2,
        "draining" | "stopped" | "unkillable" => 3,
        _ => 0, // starting booted backoff parked
    }
}

/// The data of `worker.status`: a number where one worker is meant, otherwise a number by name.
#[must_use]
pub fn worker_status(status: &Status, name: Option<&str>) -> Value {
    let meant: Vec<&WorkerStatus> = status.workers.iter().filter(|worker| means(name, worker)).collect();
    match (name, meant.as_slice()) {
        (Some(_), [only]) => number(&only.state).into(),
        _ => meant.iter().map(|worker| (worker.name.clone(), Value::from(number(&worker.state)))).collect(),
    }
}

fn means(name: Option<&str>, worker: &WorkerStatus) -> bool {
    name.is_none_or(|name| name == worker.pool || name == worker.name)
}

/// An entry of `farm.list`: a pool, and how many of its workers serve.
#[derive(Clone, Debug, Serialize)]
pub struct Farm {
    name: String,
    command: Vec<String>,
    generation: u32,
    reloading: bool,
    forever: bool,
    workers: usize,
    up: usize,
    parked: usize,
}

/// The data of `farm.list`.
#[must_use]
pub fn farm_list(status: &Status) -> Vec<Farm> {
    let count = |pool: &str, states: &[&str]| {
        let in_them = |worker: &&WorkerStatus| worker.pool == pool && states.contains(&worker.state.as_str());
        status.workers.iter().filter(in_them).count()
    };
    let farm = |pool: &PoolStatus| Farm {
        name: pool.name.clone(),
        command: pool.command.clone(),
        generation: pool.generation,
        reloading: pool.reloading,
        forever: pool.forever,
        workers: pool.workers,
        up: count(&pool.name, &["idle", "busy"]),
        parked: count(&pool.name, &["parked"]),
    };
    status.pools.iter().map(farm).collect()
}

/// The data of `daemon.subscribe`: where things stand; what follows are changes of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Standing {
    /// `running` or `stopping`.
    pub state: String,
    /// The pools, by their generations.
    pub pools: Vec<Generation>,
    /// Those that were meant.
    pub workers: Vec<ToldWorker>,
}

/// The data of `daemon.subscribe`.
#[must_use]
pub fn standing(status: &Status, name: Option<&str>) -> Standing {
    let workers = status.workers.iter().filter(|worker| means(name, worker));
    let told = |worker: &WorkerStatus| ToldWorker {
        name: worker.name.clone(),
        state: worker.state.clone(),
        pid: worker.pid,
    };
    Standing {
        state: status.state.clone(),
        pools: generations(status.pools.iter().map(|pool| (pool.name.as_str(), pool.generation))).pools,
        workers: workers.map(told).collect(),
    }
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
    let ping = ("ping", "Says that the daemon lives");
    let looks = Look::METHODS.into_iter().map(|(name, _, description)| (name, description));
    let built_in = std::iter::once(ping).chain(looks).map(|look| (look, true));
    let others = Control::METHODS.into_iter().chain([SEND]).map(|other| (other, false));
    let built_in = built_in.chain(others);
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

/// The data of `worker.send`, when all who were meant have taken the message.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Taken {
    /// How many these are.
    pub acknowledged: usize,
    /// `pool#slot`, in the order of the slots.
    pub workers: Vec<String>,
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
        let query = |text: &str| LogsQuery::parse(text.as_bytes());
        let usual = LogsQuery { name: None, lines: DEFAULT_LINES, follow: false };
        assert_eq!(query("[]").unwrap(), usual);
        assert_eq!(query("{}").unwrap(), usual);
        assert_eq!(query("[null,null,null]").unwrap(), usual);
        let wanted = LogsQuery { name: Some("opcua#0".into()), lines: 5, follow: true };
        assert_eq!(query(r#"{"name":"opcua#0","lines":5,"follow":true}"#).unwrap(), wanted);
        assert_eq!(query(r#"["opcua#0",5,true]"#).unwrap(), wanted);
        for (bad, told) in [
            (r#"{"nmae":"x"}"#, "there are: name, lines, follow"),
            (r#"{"lines":-1}"#, "lines: must be a whole number"),
            (r#"{"follow":"yes"}"#, "follow: must be true or false"),
            (r#"[7]"#, "name: must be a string"),
        ] {
            assert!(query(bad).unwrap_err().contains(told), "{bad}");
        }
    }

    #[test]
    fn a_workers_status_is_the_ancestors_number() {
        let worker = |name: &str, state: &str| WorkerStatus {
            name: name.into(),
            pool: name.split('#').next().unwrap().into(),
            state: state.into(),
            ..WorkerStatus::default()
        };
        let workers = vec![
            worker("a#0", "busy"),
            worker("b#0", "starting"),
            worker("b#1", "paused"),
            worker("c#0", "stopped"),
        ];
        let status = Status { workers, ..Status::default() };
        for (name, expected) in [
            (None, serde_json::json!({"a#0": 1, "b#0": 0, "b#1": 2, "c#0": 3})),
            (Some("a"), 1.into()),
            (Some("b"), serde_json::json!({"b#0": 0, "b#1": 2})),
            (Some("b#1"), 2.into()),
        ] {
            assert_eq!(worker_status(&status, name), expected, "{name:?}");
        }
    }

    #[test]
    fn flat_reaches_only_ping() {
        assert_eq!(Verb::of(Dialect::Flat, "ping"), Some(Verb::Ping));
        assert_eq!(Verb::of(Dialect::Flat, "daemon.status"), None);
        assert_eq!(Verb::of(Dialect::Typed, "daemon.status"), Some(Verb::Look(Look::Status)));
        assert_eq!(Verb::of(Dialect::Typed, "daemon.reload"), Some(Verb::Control));
        assert_eq!(Verb::of(Dialect::Flat, "daemon.reload"), None);
        assert_eq!(Verb::of(Dialect::JsonRpc, "worker.send"), Some(Verb::Send));
        assert_eq!(Verb::of(Dialect::Flat, "worker.send"), None);
        assert_eq!(Verb::of(Dialect::Typed, "daemon.subscribe"), Some(Verb::Look(Look::Subscribe)));
        assert_eq!(Verb::of(Dialect::Typed, "daemon.nothing"), None);
    }
}
