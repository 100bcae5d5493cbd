//! A client command's connection: finds the socket, asks TYPED requests, reads their answers and what goes on after them.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use rustdaemon_core::link::Fault;
use rustdaemon_core::settings;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::find::{self, Found};
use super::{BAD_NEWS, Failure, SYSTEM, USAGE};
use crate::config;

/// A little longer than a request may take.
const PATIENCE: Duration = Duration::from_secs(35);

/// Where commands find the token when they are not told.
const TOKEN_VARIABLE: &str = "RUSTDAEMON_TOKEN";

/// Where to ask, and for how long.
#[derive(Args, Clone, Debug)]
pub struct Session {
    /// Path of the sidecar's socket; else $RUSTDAEMON_SOCKET, the socket of a rustdaemon.toml here or above, or the only
    /// one in /run/rustdaemon and $XDG_RUNTIME_DIR/rustdaemon.
    #[arg(long, value_name = "PATH")]
    socket: Option<String>,
    /// Environment variable with the token that this sidecar asks for; else RUSTDAEMON_TOKEN.
    #[arg(long, value_name = "NAME", conflicts_with = "token_file")]
    token_env: Option<String>,
    /// File with the token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How long to wait for the answer [default: 35s; 2m for what changes something].
    #[arg(long, value_name = "TIME", value_parser = config::duration)]
    timeout: Option<Duration>,
}

/// A connection to the sidecar.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<UnixStream>,
    /// The socket, for sentences.
    socket: String,
    /// The member of a request that shows the token, if there is one.
    token: String,
    last_id: u64,
}

/// A line of the sidecar's: an answer, in whatever dialect it refuses a connection, or an event.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(default)]
    ok: Option<bool>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(alias = "type")]
    class: String,
    message: String,
}

impl Session {
    /// A session with the sidecar behind this socket.
    #[must_use]
    pub fn at(socket: &str, timeout: Duration) -> Self {
        Self { socket: Some(socket.to_owned()), token_env: None, token_file: None, timeout: Some(timeout) }
    }

    /// The data of `method`'s answer to `args` (raw JSON, array or object).
    ///
    /// # Errors
    /// [`BAD_NEWS`]: the answer is a fault; [`SYSTEM`]: nobody listens, no answer came, or there is no room for us now;
    /// [`USAGE`](super::USAGE): no socket was found.
    pub fn ask(&self, method: &str, args: &str) -> Result<Box<RawValue>, Failure> {
        self.open(method, args).map(|(data, _)| data)
    }

    /// As [`Session::ask`], for what takes its time: as long as `patience` without a --timeout.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn order(&self, method: &str, args: &str, patience: Duration) -> Result<Box<RawValue>, Failure> {
        self.connect()?.ask(method, args, self.timeout.unwrap_or(patience))
    }

    /// As [`Session::ask`]; also the connection, for what comes after the answer.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn open(&self, method: &str, args: &str) -> Result<(Box<RawValue>, Connection), Failure> {
        let mut connection = self.connect()?;
        let data = connection.ask(method, args, self.timeout.unwrap_or(PATIENCE))?;
        Ok((data, connection))
    }

    /// The token to show, if one was given.
    fn token(&self) -> Result<Option<String>, String> {
        let (what, bytes) = match (&self.token_env, &self.token_file) {
            (Some(name), _) => match std::env::var_os(name) {
                Some(value) => (format!("--token-env: the token in {name}"), value.into_encoded_bytes()),
                None => return Err(format!("--token-env: there is no {name} in the environment")),
            },
            (None, Some(file)) => match std::fs::read(file) {
                Ok(bytes) => {
                    (format!("--token-file: the token in {}", file.display()), bytes.trim_ascii().to_vec())
                }
                Err(failed) => return Err(format!("--token-file: {}: {failed}", file.display())),
            },
            (None, None) => match std::env::var_os(TOKEN_VARIABLE).filter(|value| !value.is_empty()) {
                Some(value) => (format!("the token in {TOKEN_VARIABLE}"), value.into_encoded_bytes()),
                None => return Ok(None),
            },
        };
        let token = settings::Token::new(&bytes).map_err(|why| format!("{what} {why}"))?;
        Ok(Some(String::from_utf8_lossy(token.as_bytes()).into_owned()))
    }

    /// Connects.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn connect(&self) -> Result<Connection, Failure> {
        let Found { path, by } = find::socket(self.socket.as_deref())?;
        let socket = format!("{}{by}", path.display());
        let stream = UnixStream::connect(&path).map_err(|failed| {
            Failure::new(
                SYSTEM,
                match failed.kind() {
                    ErrorKind::NotFound => format!("no socket at {socket}; is the sidecar running?"),
                    ErrorKind::ConnectionRefused => {
                        format!("nobody listens on {socket}: the sidecar has ended")
                    }
                    ErrorKind::PermissionDenied => format!(
                        "uid {} may not open {socket}; ask for the socket's group or mode",
                        nix::unistd::geteuid()
                    ),
                    _ => format!("cannot connect to {socket}: {failed}"),
                },
            )
        })?;
        let token = self.token().map_err(|sentence| Failure::new(USAGE, sentence))?;
        let token = token
            .map_or_else(String::new, |token| format!("\"authToken\":{},", serde_json::Value::from(token)));
        Ok(Connection { stream: BufReader::new(stream), socket, token, last_id: 0 })
    }
}

impl Connection {
    /// The data of `method`'s answer, which comes within `timeout`.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn ask(&mut self, method: &str, args: &str, timeout: Duration) -> Result<Box<RawValue>, Failure> {
        self.last_id += 1;
        let limit = Some(timeout.max(Duration::from_millis(1)));
        let stream = self.stream.get_ref();
        let limited = stream.set_read_timeout(limit).and_then(|()| stream.set_write_timeout(limit));
        limited.map_err(|failed| self.broke(&failed, timeout))?;
        let (id, method) = (self.last_id, serde_json::Value::from(method));
        let token = &self.token;
        let request = format!("{{\"id\":{id},\"t\":\"req\",{token}\"method\":{method},\"args\":{args}}}\n");
        // Who is turned away may be told so before it has asked: the answer is read in any case.
        let written = self.stream.get_ref().write_all(request.as_bytes());
        let mut line = String::new();
        let read = self.stream.read_line(&mut line);
        if line.is_empty() {
            written.and(read).map_err(|failed| self.broke(&failed, timeout))?;
            return Err(self.system("closed the connection without an answer"));
        }
        read.map_err(|failed| self.broke(&failed, timeout))?;
        let strange = || self.system(&format!("answered something that is not rustdaemon's: {line:?}"));
        let answer: Line<'_> = serde_json::from_str(&line).map_err(|_| strange())?;
        match answer {
            Line { ok: Some(true), data, .. } => Ok(data.map_or_else(Box::default, ToOwned::to_owned)),
            Line { error: Some(Refusal { class, .. }), .. } if class == "too_many_connections" => {
                Err(self.system("is busy: as many connections are open as there may be; try again"))
            }
            Line { error: Some(Refusal { class, message }), .. } => {
                let hint = match class.as_str() {
                    "auth_failed" => "; give --token-env NAME or --token-file FILE, or set RUSTDAEMON_TOKEN",
                    _ => "",
                };
                let fault = Fault { class, message };
                Err(Failure::new(BAD_NEWS, format!("{}: {}{hint}", fault.class, fault.message)))
            }
            Line { .. } => Err(strange()),
        }
    }

    /// The data of the next event, however long it takes, or until `until`; `None`: the connection or the time has ended.
    ///
    /// # Errors
    /// [`SYSTEM`]: the connection broke, or what came is not rustdaemon's.
    pub fn next_event(&mut self, until: Option<Instant>) -> Result<Option<Box<RawValue>>, Failure> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(None);
        }
        let broken =
            |failed: &std::io::Error| Failure::new(SYSTEM, format!("the connection broke: {failed}"));
        self.stream.get_ref().set_read_timeout(left).map_err(|failed| broken(&failed))?;
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(_) if line.ends_with('\n') => {}
            Ok(_) => return Ok(None),
            Err(failed) if failed.kind() == ErrorKind::WouldBlock && until.is_some() => return Ok(None),
            Err(failed) => return Err(broken(&failed)),
        }
        let event: Line<'_> = serde_json::from_str(&line).map_err(|failed| strange(&failed))?;
        Ok(event.data.map(ToOwned::to_owned))
    }

    fn broke(&self, failed: &std::io::Error, timeout: Duration) -> Failure {
        match failed.kind() {
            ErrorKind::WouldBlock => Failure::new(
                SYSTEM,
                format!("no answer from {} within {} s", self.socket, timeout.as_secs_f64()),
            ),
            _ => Failure::new(SYSTEM, format!("the connection to {} broke: {failed}", self.socket)),
        }
    }

    fn system(&self, what: &str) -> Failure {
        Failure::new(SYSTEM, format!("{} {what}", self.socket))
    }
}

/// What cannot be read.
pub fn strange(failed: &serde_json::Error) -> Failure {
    Failure::new(SYSTEM, format!("the sidecar is of another make: {failed}"))
}
