//! The keys: one line each, for the file, the flags, the help and the file of defaults.

use core::net::SocketAddr;
use std::ffi::OsString;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustdaemon_core::link::{LINK_VARIABLE, RUN_VARIABLE, SOCKET_VARIABLE};
use rustdaemon_core::settings;

use super::tree::{Entry, Node, Value};
use super::{Config, HangAction, LogFormat, LogPrefix, LogTarget, PoolConfig, value};
use crate::access::Role;

/// A key of `T`.
pub struct Key<T> {
    /// As in the file; its flag has dashes.
    pub name: &'static str,
    /// How it is given on the command line.
    pub flag: Flag,
    /// Its default as one would type it; empty: see `help`.
    pub default: &'static str,
    /// What it means.
    pub help: &'static str,
    /// Reads it into its field.
    pub set: fn(&mut T, &Given<'_>) -> Read<()>,
}

/// How a key is given on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// `--key VALUE`
    Text(&'static str),
    /// `--key N`
    Number(&'static str),
    /// `--key` turns it on.
    On,
    /// `--no-key` turns it off.
    Off,
    /// `--key NAME=VALUE`, more than once.
    Pairs,
    /// In the file only: an argv is no flag's value.
    None,
}

use Flag::{None as FileOnly, Number, Off, On, Pairs, Text};

/// The keys above all pools.
pub const TOP: &[Key<Config>] = &[
    key("socket", Text("PATH"), "", "Path of the socket, at most 107 bytes", |to, given| {
        given.socket().map(|it| to.socket = it)
    }),
    key("socket_mode", Text("OCTAL"), "0600", "Permission bits of the socket", |to, given| {
        given.octal().map(|it| to.socket_mode = it)
    }),
    key(
        "socket_group",
        Text("GROUP"),
        "",
        "Group of the socket, name or number; default: the sidecar's own",
        |to, given| given.name().map(|it| to.socket_group = it),
    ),
    key(
        "directory_owner",
        Text("USER"),
        "",
        "Who may own the sockets' directories, besides root and the sidecar's own user",
        |to, given| given.name().map(|it| to.directory_owner = it),
    ),
    key("control", Text("PATH"), "", "Path of a second socket, for what changes something", |to, given| {
        given.optional(Given::socket).map(|it| to.control = it)
    }),
    key("control_mode", Text("OCTAL"), "0600", "Permission bits of the control socket", |to, given| {
        given.octal().map(|it| to.control_mode = it)
    }),
    key(
        "control_group",
        Text("GROUP"),
        "",
        "Group of the control socket, name or number; default: the sidecar's own",
        |to, given| given.name().map(|it| to.control_group = it),
    ),
    key(
        "tcp",
        Text("ADDRESS"),
        "",
        "Address on loopback to listen on as well, 127.0.0.1:PORT or [::1]:PORT; needs a token",
        |to, given| given.loopback().map(|it| to.tcp = it),
    ),
    key(
        "access",
        Pairs,
        "",
        "Who has the role status, call, control or admin: uid:1000, gid:ops, a user's name, *",
        |to, given| given.roles().map(|it| to.access = it),
    ),
    key(
        "token_env",
        Text("NAME"),
        "",
        "Environment variable with the token that every client must show; default: no token",
        |to, given| given.variable_name().map(|it| to.token_env = it),
    ),
    key(
        "token_file",
        Text("FILE"),
        "",
        "File with the token: the sidecar's or root's, and nothing for others in its mode",
        |to, given| given.path().map(|it| to.token_file = it),
    ),
    key(
        "token_credential",
        Text("NAME"),
        "",
        "systemd credential (LoadCredential=NAME:...) with the token",
        |to, given| given.file_name().map(|it| to.token_credential = it),
    ),
    key(
        "token_fd",
        Number("N"),
        "",
        "Inherited descriptor with the token, read to its end and closed",
        |to, given| given.whole(3..=1 << 20).map(|it| to.token_fd = Some(it)),
    ),
    key(
        "log_format",
        Text("text|json"),
        "text",
        "Form of what is written to stdout and stderr",
        |to, given| {
            given.one_of(&[("text", LogFormat::Text), ("json", LogFormat::Json)]).map(|it| to.log_format = it)
        },
    ),
    key(
        "header_timeout",
        Text("TIME"),
        "30s",
        "How long a client may take from the connect, or a frame's first byte, to the newline; 0s: for ever",
        |to, given| given.patience().map(|it| to.header_timeout = it),
    ),
    key(
        "write_timeout",
        Text("TIME"),
        "30s",
        "How long a client may take nothing of its answers; 0s: for ever",
        |to, given| given.patience().map(|it| to.write_timeout = it),
    ),
    key(
        "max_connections",
        Number("N"),
        "",
        "Connections at a time; default: what the limit of open files allows",
        |to, given| given.whole(1..=1 << 30).map(|it| to.max_connections = Some(it)),
    ),
    key(
        "flat_requests",
        Number("N"),
        "50",
        "FLAT requests that may be in flight, 1 to 1000000; one more: too_many_connections",
        |to, given| given.whole(1..=1_000_000).map(|it| to.flat_requests = it),
    ),
    key("exit_when_parked", On, "false", "End with code 111 when every pool is parked", |to, given| {
        given.bool().map(|it| to.exit_when_parked = it)
    }),
];

/// The keys of a pool.
pub const POOL: &[Key<PoolConfig>] = &[
    key("command", FileOnly, "", "The command and its arguments; no shell", |to, given| {
        given.argv(1).map(|it| to.command = it)
    }),
    key("cwd", Text("DIR"), "", "Working directory; default: the sidecar's own", |to, given| {
        given.path().map(|it| to.birth.cwd = it)
    }),
    key(
        "user",
        Text("USER"),
        "",
        "User, name or number; its groups come with it; default: the sidecar's own",
        |to, given| given.name().map(|it| to.birth.user = it),
    ),
    key("group", Text("GROUP"), "", "Group, name or number; default: the user's own", |to, given| {
        given.name().map(|it| to.birth.group = it)
    }),
    key("umask", Text("OCTAL"), "", "File mode creation mask; default: the sidecar's own", |to, given| {
        given.octal().map(|it| to.birth.umask = Some(it))
    }),
    key("nice", Number("N"), "", "Nice value, -20 to 19; default: the sidecar's own", |to, given| {
        given.whole(-20..=19).map(|it| to.birth.nice = Some(it))
    }),
    key(
        "oom_score_adj",
        Number("N"),
        "",
        "OOM killer's preference: -1000 never, 1000 first; default: the sidecar's own",
        |to, given| given.whole(-1000..=1000).map(|it| to.birth.oom_score_adj = Some(it)),
    ),
    key("env", Pairs, "", "Variables added to the environment; they win over env_file's", |to, given| {
        given.variables().map(|it| to.birth.env = it)
    }),
    key("env_file", Text("FILE"), "", "A file of NAME=value lines, read anew for each start", |to, given| {
        given.path().map(|it| to.birth.env_file = it)
    }),
    key(
        "limit_nofile",
        Number("N"),
        "",
        "Soft and hard limit of open files; default: the sidecar's own",
        |to, given| given.whole(16..=1 << 30).map(|it| to.birth.limit_nofile = Some(it)),
    ),
    key("workers", Number("N"), "1", "Number of workers, 1 to 1024", |to, given| {
        given.whole(1..=settings::MAX_WORKERS).map(|it| to.workers = it)
    }),
    key(
        "overlap",
        On,
        "false",
        "A pool of one may have two workers for the moment of a reload",
        |to, given| given.bool().map(|it| to.overlap = it),
    ),
    key(
        "link",
        Off,
        "true",
        "false: the command never calls install(): it is kept alive, and no request goes to it",
        |to, given| given.bool().map(|it| to.link = it),
    ),
    key(
        "forever",
        Off,
        "true",
        "false: when a worker ends by itself, everything stops with its code",
        |to, given| given.bool().map(|it| to.forever = it),
    ),
    key(
        "ready_timeout",
        Text("TIME"),
        "30s",
        "A worker that is not ready after this long is treated as one that hangs",
        |to, given| given.positive().map(|it| to.ready_timeout = it),
    ),
    key(
        "ready_after",
        Text("TIME"),
        "1s",
        "A command without a link is ready after this long alive",
        |to, given| given.duration().map(|it| to.ready_after = it),
    ),
    key(
        "stop_timeout",
        Text("TIME"),
        "8s",
        "The whole budget of a stop: TERM at 75 %, KILL at 95 %",
        |to, given| given.positive().map(|it| to.stop_timeout = it),
    ),
    key("request_timeout", Text("TIME"), "30s", "How long a client waits for its answer", |to, given| {
        given.positive().map(|it| to.request_timeout = it)
    }),
    key("queue", Number("N"), "1024", "Requests that may wait for a worker, 0 to 1000000", |to, given| {
        given.whole(0..=1_000_000).map(|it| to.queue = it)
    }),
    key(
        "prefetch",
        Number("N"),
        "16",
        "Requests that a worker may have in hand, 1 to 64; what it has not begun moves on",
        |to, given| given.whole(1..=64).map(|it| to.prefetch = it),
    ),
    key(
        "affinity",
        Text("NAME"),
        "",
        "The argument that names a request's session: it goes to the worker that has it; default: none",
        |to, given| given.text().map(|it| to.affinity = it.to_owned()),
    ),
    key(
        "max_bound",
        Number("N"),
        "100",
        "Sessions that the workers may have together, 0 to 1000000; 0: any number",
        |to, given| given.whole(0..=1_000_000).map(|it| to.max_bound = it),
    ),
    key(
        "memory_soft",
        Text("SIZE"),
        "",
        "A worker with more in memory is replaced when it is idle; default: none",
        |to, given| given.size().map(|it| to.memory_soft = it),
    ),
    key(
        "memory_hard",
        Text("SIZE"),
        "",
        "A worker with more in memory is killed; default: none",
        |to, given| given.size().map(|it| to.memory_hard = it),
    ),
    key(
        "max_requests",
        Number("N"),
        "0",
        "A worker that has answered so many requests is replaced; 0: never",
        |to, given| given.whole(0..=u64::MAX >> 1).map(|it| to.max_requests = Some(it).filter(|it| *it > 0)),
    ),
    key("max_lifetime", Text("TIME"), "", "A worker of this age is replaced; default: never", |to, given| {
        given.optional(Given::positive).map(|it| to.max_lifetime = it)
    }),
    key(
        "jitter",
        Number("PART"),
        "0.1",
        "The part of a limit that chance may take away, 0 to 1: a pool never leaves at once",
        |to, given| given.part().map(|it| to.jitter = it),
    ),
    key(
        "hang_timeout",
        Text("TIME"),
        "60s",
        "A worker busy for longer, without progress(), hangs; 0s: never",
        |to, given| given.patience().map(|it| to.hang_timeout = it),
    ),
    key(
        "hang_action",
        Text("report|restart"),
        "report",
        "What happens to a worker that hangs",
        |to, given| {
            given
                .one_of(&[("report", HangAction::Report), ("restart", HangAction::Restart)])
                .map(|it| to.hang_action = it)
        },
    ),
    key(
        "short_run",
        Text("TIME"),
        "5s",
        "After shorter runs a start waits, longer each time; 0s: no start ever waits",
        |to, given| given.duration().map(|it| to.short_run = it),
    ),
    key(
        "start_limit",
        Number("N"),
        "10",
        "So many short runs within start_window park a worker, 1 to 10000",
        |to, given| given.whole(1..=10_000).map(|it| to.start_limit = it),
    ),
    key("start_window", Text("TIME"), "60s", "See start_limit", |to, given| {
        given.positive().map(|it| to.start_window = it)
    }),
    key("backoff_max", Text("TIME"), "60s", "Longest wait before a start", |to, given| {
        given.positive().map(|it| to.backoff_max = it)
    }),
    key(
        "takeover_timeout",
        Text("TIME"),
        "10s",
        "How long the workers of a dead sidecar may take to end by themselves",
        |to, given| given.duration().map(|it| to.takeover_timeout = it),
    ),
    key("on_ready", FileOnly, "[]", "Run after every worker's ready, argv, no shell", |to, given| {
        given.argv(0).map(|it| to.on_ready = it)
    }),
    key("on_exit", FileOnly, "[]", "Run after every worker's end", |to, given| {
        given.argv(0).map(|it| to.on_exit = it)
    }),
    key("on_parked", FileOnly, "[]", "Run when a worker is parked", |to, given| {
        given.argv(0).map(|it| to.on_parked = it)
    }),
    key("hook_timeout", Text("TIME"), "30s", "Such a command is killed when it runs longer", |to, given| {
        given.positive().map(|it| to.hook_timeout = it)
    }),
    key(
        "log",
        Text("forward|FILE"),
        "forward",
        "Where workers' output goes: the sidecar's, or appended to a file",
        |to, given| given.log().map(|it| to.log = it),
    ),
    key(
        "log_prefix",
        Text("auto|always|never"),
        "auto",
        "Which lines of it begin with their worker's name; auto: all but JSON",
        |to, given| {
            let words =
                [("auto", LogPrefix::Auto), ("always", LogPrefix::Always), ("never", LogPrefix::Never)];
            given.one_of(&words).map(|it| to.log_prefix = it)
        },
    ),
    key(
        "log_pipe",
        Text("SIZE"),
        "",
        "Capacity of each pipe from a worker, 4KiB to 1GiB; default: the system's",
        |to, given| given.pipe_size().map(|it| to.log_pipe = it),
    ),
];

const fn key<T>(
    name: &'static str,
    flag: Flag,
    default: &'static str,
    help: &'static str,
    set: fn(&mut T, &Given<'_>) -> Read<()>,
) -> Key<T> {
    Key { name, flag, default, help, set }
}

/// A value, or all that is wrong with it.
pub type Read<T> = Result<T, Vec<Fault>>;

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its line.
    pub line: usize,
    /// Which part of the value: `[2]`, `.NAME`, or nothing.
    pub part: String,
    /// What is wrong, what is allowed.
    pub what: String,
}

/// What was given for a key.
pub struct Given<'a> {
    /// The value.
    pub node: &'a Node,
    /// What a relative path is relative to.
    pub base: &'a Path,
}

impl Given<'_> {
    fn fault<T>(&self, what: impl Into<String>) -> Read<T> {
        Err(vec![Fault { line: self.node.line, part: String::new(), what: what.into() }])
    }

    fn or_fault<T>(&self, read: Result<T, String>) -> Read<T> {
        read.or_else(|what| self.fault(what))
    }

    fn text(&self) -> Read<&str> {
        match &self.node.value {
            Value::Text(text) if !text.contains('\0') => Ok(text),
            Value::Text(text) => {
                self.fault(format!("{} contains a NUL byte", settings::quoted(text.as_bytes())))
            }
            other => self.fault(format!("{} is not a string; write it in double quotes", shown(other))),
        }
    }

    /// `None` for an empty string.
    fn optional<T>(&self, read: impl FnOnce(&Self) -> Read<T>) -> Read<Option<T>> {
        match &self.node.value {
            Value::Text(text) if text.is_empty() => Ok(None),
            _ => read(self).map(Some),
        }
    }

    fn bool(&self) -> Read<bool> {
        match &self.node.value {
            Value::Bool(value) => Ok(*value),
            other => self.fault(format!("{} is neither true nor false", shown(other))),
        }
    }

    fn whole<N>(&self, range: RangeInclusive<N>) -> Read<N>
    where
        N: TryFrom<i64> + PartialOrd + std::fmt::Display,
    {
        let number = match &self.node.value {
            Value::Whole(number) => N::try_from(*number).ok(),
            _ => None,
        };
        number.filter(|number| range.contains(number)).map_or_else(
            || {
                let shown = shown(&self.node.value);
                self.fault(format!("{shown} is not a whole number from {} to {}", range.start(), range.end()))
            },
            Ok,
        )
    }

    fn part(&self) -> Read<f64> {
        let number = match &self.node.value {
            Value::Whole(number) => *number as f64,
            Value::Fraction(number) => *number,
            _ => f64::NAN,
        };
        if (0.0..=1.0).contains(&number) {
            return Ok(number);
        }
        self.fault(format!("{} is not a number from 0 to 1", shown(&self.node.value)))
    }

    fn duration(&self) -> Read<Duration> {
        match &self.node.value {
            Value::Text(text) => self.or_fault(value::duration(text)),
            other => self.fault(value::not_a_duration(&shown(other))),
        }
    }

    fn positive(&self) -> Read<Duration> {
        match self.duration()? {
            Duration::ZERO => {
                self.fault(format!("{} is no time at all; at least 1ms", shown(&self.node.value)))
            }
            positive => Ok(positive),
        }
    }

    /// `None`, for ever, where no time at all would make no sense.
    fn patience(&self) -> Read<Option<Duration>> {
        self.optional(Self::duration).map(|given| given.filter(|given| !given.is_zero()))
    }

    fn size(&self) -> Read<Option<u64>> {
        self.optional(|given| match &given.node.value {
            Value::Text(text) => given.or_fault(value::size(text)),
            other => given.fault(value::not_a_size(&shown(other))),
        })
    }

    fn pipe_size(&self) -> Read<Option<u32>> {
        let fits = |bytes: &u64| (4096..=1 << 30).contains(bytes);
        match self.size()? {
            None => Ok(None),
            Some(bytes) => match u32::try_from(bytes).ok().filter(|_| fits(&bytes)) {
                Some(bytes) => Ok(Some(bytes)),
                None => self.fault(format!("{} is not from 4KiB to 1GiB", shown(&self.node.value))),
            },
        }
    }

    fn octal(&self) -> Read<u32> {
        match &self.node.value {
            Value::Text(text) => self.or_fault(settings::octal_mode(text.as_bytes())),
            other => {
                let shown = shown(other);
                self.fault(format!("{shown} is not an octal number in double quotes, such as \"0660\""))
            }
        }
    }

    /// A name, or a number with or without quotes.
    fn name(&self) -> Read<Option<String>> {
        self.optional(|given| match given.node.value {
            Value::Whole(number) => Ok(number.to_string()),
            _ => Ok(given.text()?.to_owned()),
        })
    }

    fn socket(&self) -> Read<PathBuf> {
        let text = self.text()?;
        if text.is_empty() {
            return self.fault("is an empty string; give a path");
        }
        self.or_fault(settings::socket_path(text.as_bytes(), || Ok(self.base.to_owned())))
    }

    /// Absolute. `.` goes, `..` stays: it may follow a symlink.
    fn path(&self) -> Read<Option<PathBuf>> {
        self.optional(|given| Ok(given.base.join(given.text()?).components().collect()))
    }

    fn loopback(&self) -> Read<Option<SocketAddr>> {
        self.optional(|given| {
            let text = given.text()?;
            let fault = |what: &str| {
                let text = settings::quoted(text.as_bytes());
                given.fault(format!("{text} {what}; write 127.0.0.1:PORT or [::1]:PORT"))
            };
            match text.parse::<SocketAddr>() {
                Ok(address) if !address.ip().is_loopback() => {
                    fault("is not on loopback, and what is not may be read on its way")
                }
                Ok(address) if address.port() == 0 => fault("has no port that a client could know"),
                Ok(address) => Ok(address),
                Err(_) => fault("is not an address with a port"),
            }
        })
    }

    fn roles(&self) -> Read<Vec<(Role, String)>> {
        let Value::Table(entries) = &self.node.value else {
            let shown = shown(&self.node.value);
            return self.fault(format!("{shown} is not a table; write {{ control = [\"gid:ops\"] }}"));
        };
        let lists = all(entries.iter().map(|entry| {
            let given = Given { node: &entry.node, base: self.base };
            given.members(&entry.key).map_err(|faults| in_part(&format!(".{}", entry.key), faults))
        }))?;
        Ok(lists.into_iter().flatten().collect())
    }

    fn members(&self, role: &str) -> Read<Vec<(Role, String)>> {
        let Some(role) = Role::ALL.into_iter().find(|known| known.word() == role) else {
            return self.fault("is not a role; there are: status, call, control, admin");
        };
        let member = |given: &Self| {
            let text = given.text()?;
            let bare = text.strip_prefix("uid:").or_else(|| text.strip_prefix("gid:")).unwrap_or(text);
            let unclear = bare == text && text.parse::<u32>().is_ok();
            match bare.is_empty() || unclear {
                true => given.fault(format!(
                    "{} says nobody; write uid:1000, gid:ops, a user's name, or * for everybody",
                    settings::quoted(text.as_bytes())
                )),
                false => Ok((role, text.to_owned())),
            }
        };
        match &self.node.value {
            Value::List(names) => all(names.iter().enumerate().map(|(index, node)| {
                member(&Given { node, base: self.base })
                    .map_err(|faults| in_part(&format!("[{index}]"), faults))
            })),
            Value::Text(_) => Ok(vec![member(self)?]),
            other => self.fault(format!("{} is neither a string nor an array of strings", shown(other))),
        }
    }

    fn variable_name(&self) -> Read<Option<String>> {
        self.optional(|given| match given.text()? {
            name if name.contains('=') => {
                given.fault(format!("{} is not the name of a variable", settings::quoted(name.as_bytes())))
            }
            name => Ok(name.to_owned()),
        })
    }

    fn file_name(&self) -> Read<Option<String>> {
        self.optional(|given| match given.text()? {
            name if name.contains('/') || [".", ".."].contains(&name) => {
                let name = settings::quoted(name.as_bytes());
                given.fault(format!(
                    "{name} is not a name; give it as in LoadCredential=NAME:..., without a path"
                ))
            }
            name => Ok(name.to_owned()),
        })
    }

    fn log(&self) -> Read<LogTarget> {
        match self.text()? {
            "forward" => Ok(LogTarget::Forward),
            path if path.is_empty() || path.ends_with('/') => {
                self.fault(format!("\"{path}\" is neither \"forward\" nor a file's path"))
            }
            _ => Ok(self.path()?.map_or(LogTarget::Forward, LogTarget::File)),
        }
    }

    fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Read<T> {
        let found = match &self.node.value {
            Value::Text(text) => words.iter().find(|(word, _)| word == text),
            _ => None,
        };
        found.map_or_else(
            || {
                let words: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                self.fault(format!("{} is not one of {}", shown(&self.node.value), words.join(", ")))
            },
            |(_, value)| Ok(*value),
        )
    }

    fn argv(&self, least: usize) -> Read<Vec<OsString>> {
        let words = match &self.node.value {
            Value::List(words) => words,
            Value::Text(line) => {
                let words: Vec<_> = line.split_whitespace().map(|word| format!("{word:?}")).collect();
                let words = words.join(", ");
                return self.fault(format!("is one string, and no shell takes it apart; write [{words}]"));
            }
            other => return self.fault(format!("{} is not an array of strings", shown(other))),
        };
        if words.len() < least {
            return self.fault("is an empty array; write [\"program\", \"argument\"]");
        }
        let word = |(index, node)| {
            let word = Given { node, base: self.base }.text().map(OsString::from);
            let word = word.map_err(|faults| in_part(&format!("[{index}]"), faults))?;
            match (index, word.is_empty()) {
                (0, true) => Given { node, base: self.base }
                    .fault("is an empty string; the first one is the program")
                    .map_err(|faults| in_part("[0]", faults)),
                _ => Ok(word),
            }
        };
        all(words.iter().enumerate().map(word))
    }

    fn variables(&self) -> Read<Vec<(OsString, OsString)>> {
        let Value::Table(entries) = &self.node.value else {
            let shown = shown(&self.node.value);
            return self.fault(format!("{shown} is not a table of strings; write {{ NAME = \"value\" }}"));
        };
        let variable = |entry: &Entry| {
            let given = Given { node: &entry.node, base: self.base };
            let bad_name = entry.key.is_empty() || entry.key.contains(['=', '\0']);
            let ours = [RUN_VARIABLE, SOCKET_VARIABLE, LINK_VARIABLE].contains(&entry.key.as_str());
            let value = match (bad_name, ours) {
                (true, _) => given.fault("is not the name of a variable"),
                (_, true) => given.fault("is set by rustdaemon itself"),
                _ => given.text(),
            };
            let value = value.map_err(|faults| in_part(&format!(".{}", entry.key), faults))?;
            Ok((entry.key.clone().into(), value.into()))
        };
        all(entries.iter().map(variable))
    }
}

/// All values, or all faults.
fn all<T>(read: impl Iterator<Item = Read<T>>) -> Read<Vec<T>> {
    let (mut values, mut faults) = (Vec::new(), Vec::new());
    for result in read {
        match result {
            Ok(value) => values.push(value),
            Err(more) => faults.extend(more),
        }
    }
    if faults.is_empty() { Ok(values) } else { Err(faults) }
}

fn in_part(part: &str, faults: Vec<Fault>) -> Vec<Fault> {
    faults.into_iter().map(|fault| Fault { part: format!("{part}{}", fault.part), ..fault }).collect()
}

/// A value, fit for a sentence.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => settings::quoted(text.as_bytes()),
        Value::Whole(number) => number.to_string(),
        Value::Fraction(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::List(_) => "an array".into(),
        Value::Table(_) => "a table".into(),
        Value::Other(name) => (*name).into(),
    }
}

/// A file in TOML with every key: its default, or commented out where that is the sidecar's own; what it means.
#[must_use]
pub fn defaults_as_toml() -> String {
    let mut file = String::from(
        "# Times: ms, s, m, h. Sizes: B, KB, MB, GB, KiB, MiB, GiB. Relative paths: from this file.\n",
    );
    let top = TOP.iter().map(|key| line(key.name, key.default, key.help));
    let pool = POOL.iter().map(|key| line(key.name, key.default, key.help));
    file.extend(top);
    file.push_str("\n[pool.main] # as many of these as there are pools; a worker is main#0\n");
    file.extend(pool);
    file
}

/// What stands for a default that is not the same for everybody.
const EXAMPLES: &[(&str, &str)] = &[
    ("socket", r#""/run/app/app.sock""#),
    ("socket_group", r#""www-data""#),
    ("directory_owner", r#""deployer""#),
    ("control", r#""/run/app/control.sock""#),
    ("control_group", r#""ops""#),
    ("tcp", r#""127.0.0.1:9990""#),
    ("access", r#"{ control = ["gid:ops"] }"#),
    ("token_env", r#""APP_TOKEN""#),
    ("token_file", r#""/etc/app/token""#),
    ("token_credential", r#""token""#),
    ("token_fd", "3"),
    ("max_connections", "10000"),
    ("command", r#"["php", "daemon.php"]"#),
    ("cwd", r#""/var/www/html/current""#),
    ("user", r#""www-data""#),
    ("group", r#""www-data""#),
    ("umask", r#""027""#),
    ("nice", "5"),
    ("oom_score_adj", "-500"),
    ("env", r#"{ APP_ENV = "production" }"#),
    ("env_file", r#""/etc/app.env""#),
    ("limit_nofile", "4096"),
    ("memory_soft", r#""256MiB""#),
    ("memory_hard", r#""512MiB""#),
    ("max_lifetime", r#""24h""#),
    ("log_pipe", r#""1MiB""#),
];

fn line(name: &str, default: &str, help: &str) -> String {
    let example = EXAMPLES.iter().find(|(key, _)| *key == name).map(|(_, example)| *example);
    let needed = ["socket", "command"].contains(&name);
    let bare = default.starts_with('[') || default.parse::<bool>().is_ok();
    let number = default.parse::<f64>().is_ok() && !name.ends_with("_mode");
    let setting = match example {
        Some(example) if needed => format!("{name} = {example}"),
        Some(example) => format!("# {name} = {example}"),
        None if bare || number => format!("{name} = {default}"),
        None => format!("{name} = \"{default}\""),
    };
    let mut text = String::new();
    let _ = writeln!(text, "{setting:<37} # {help}");
    text
}
