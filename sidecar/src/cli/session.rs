//! A client command's connection: finds the socket, asks one TYPED request, reads its answer.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use clap::Args;
use rustdaemon_core::link::{Fault, SOCKET_VARIABLE};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{BAD_NEWS, Failure, SYSTEM, USAGE};
use crate::config;

/// A little longer than a request may take.
const PATIENCE: Duration = Duration::from_secs(35);

/// Where to ask, and for how long.
#[derive(Args)]
pub struct Session {
    /// Path of the sidecar's socket; else $RUSTDAEMON_SOCKET.
    #[arg(long, value_name = "PATH")]
    socket: Option<String>,
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
        let request = format!("{{\"id\":1,\"t\":\"req\",\"method\":{method},\"args\":{args}}}\n");
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
                Err(Failure::new(BAD_NEWS, format!("{}: {}", fault.class, fault.message)))
            }
            Response { .. } => Err(strange()),
        }
    }
}
