//! A client command's connection: finds the socket, asks one TYPED request, reads its answer.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rustdaemon_core::link::{Fault, SOCKET_VARIABLE};
use rustdaemon_core::settings;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{BAD_NEWS, Failure, SYSTEM, USAGE};
use crate::config;

/// A little longer than a request may take.
const PATIENCE: Duration = Duration::from_secs(35);

/// Where commands find the token when they are not told.
const TOKEN_VARIABLE: &str = "RUSTDAEMON_TOKEN";

/// Where to ask, and for how long.
#[derive(Args)]
pub struct Session {
    /// Path of the sidecar's socket; else $RUSTDAEMON_SOCKET.
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

#[derive(Deserialize)]
struct Response<'a> {
    ok: bool,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Fault>,
}

impl Session {
    /// The data of `method`'s answer to `args` (raw JSON, array or object).
    ///
    /// # Errors
    /// [`BAD_NEWS`]: the answer is a fault; [`SYSTEM`]: nobody listens, or no answer came; [`USAGE`]: no socket was named.
    pub fn ask(&self, method: &str, args: &str) -> Result<Box<RawValue>, Failure> {
        self.open(method, args).map(|(data, _)| data)
    }

    /// As [`Session::ask`], for what takes its time: as long as `patience` without a --timeout.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn order(&self, method: &str, args: &str, patience: Duration) -> Result<Box<RawValue>, Failure> {
        self.begin(method, args, patience).map(|(data, _)| data)
    }

    /// As [`Session::ask`]; also the connection, for what comes after the answer, however long that takes.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn open(&self, method: &str, args: &str) -> Result<(Box<RawValue>, BufReader<UnixStream>), Failure> {
        self.begin(method, args, PATIENCE)
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

    fn begin(
        &self,
        method: &str,
        args: &str,
        patience: Duration,
    ) -> Result<(Box<RawValue>, BufReader<UnixStream>), Failure> {
        let timeout = self.timeout.unwrap_or(patience);
        let named = self.socket.clone().or_else(|| std::env::var(SOCKET_VARIABLE).ok());
        let socket = named.ok_or_else(|| {
            Failure::new(USAGE, format!("which sidecar? Give --socket PATH, or set {SOCKET_VARIABLE}"))
        })?;
        let path = config::socket_path(&socket)
            .map_err(|sentence| Failure::new(USAGE, format!("--socket: {sentence}")))?;
        let system = |sentence: String| Failure::new(SYSTEM, sentence);
        let stream = UnixStream::connect(&path).map_err(|failed| {
            system(match failed.kind() {
                ErrorKind::NotFound => format!("no socket at {socket}; is the sidecar running?"),
                ErrorKind::ConnectionRefused => format!("nobody listens on {socket}: the sidecar has ended"),
                ErrorKind::PermissionDenied => format!(
                    "uid {} may not open {socket}; ask for the socket's group or mode",
                    nix::unistd::geteuid()
                ),
                _ => format!("cannot connect to {socket}: {failed}"),
            })
        })?;
        let broke = |failed: std::io::Error| match failed.kind() {
            ErrorKind::WouldBlock => {
                system(format!("no answer from {socket} within {} s", timeout.as_secs_f64()))
            }
            _ => system(format!("the connection to {socket} broke: {failed}")),
        };
        let limit = Some(timeout.max(Duration::from_millis(1)));
        stream.set_read_timeout(limit).and_then(|()| stream.set_write_timeout(limit)).map_err(broke)?;
        let method = serde_json::Value::from(method);
        let token = match self.token().map_err(|sentence| Failure::new(USAGE, sentence))? {
            Some(token) => format!("\"authToken\":{},", serde_json::Value::from(token)),
            None => String::new(),
        };
        let request = format!("{{\"t\":\"req\",\"id\":1,{token}\"method\":{method},\"args\":{args}}}\n");
        (&stream).write_all(request.as_bytes()).map_err(broke)?;
        let mut line = String::new();
        let mut stream = BufReader::new(stream);
        stream.read_line(&mut line).map_err(broke)?;
        stream.get_ref().set_read_timeout(None).map_err(broke)?;
        let strange = || system(format!("{socket} answered something that is not rustdaemon's: {line:?}"));
        if line.is_empty() {
            return Err(system(format!("{socket} closed the connection without an answer")));
        }
        let response: Response<'_> = serde_json::from_str(&line).map_err(|_| strange())?;
        match response {
            Response { ok: true, data, .. } => {
                Ok((data.map_or_else(Box::default, ToOwned::to_owned), stream))
            }
            Response { error: Some(fault), .. } => {
                let hint = match fault.class.as_str() {
                    "auth_failed" => "; give --token-env NAME or --token-file FILE, or set RUSTDAEMON_TOKEN",
                    _ => "",
                };
                Err(Failure::new(BAD_NEWS, format!("{}: {}{hint}", fault.class, fault.message)))
            }
            Response { .. } => Err(strange()),
        }
    }
}
