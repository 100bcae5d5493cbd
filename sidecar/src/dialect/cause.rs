//! Why a request has no data for an answer, in one word and one sentence.

use std::borrow::Cow;
use std::time::Duration;

use rustdaemon_core::link::{Dialect, Fault};

use super::{FLAT_FRAME_BYTES, TYPED_FRAME_BYTES};

/// Why a request has no data for an answer. [`Cause::fault`] has the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Not JSON, or nested too deeply.
    InvalidJson,
    /// JSON, but not a request of its dialect.
    InvalidRequest(&'static str),
    /// A frame over its dialect's limit.
    FrameTooLarge,
    /// FLAT: too many bytes without a newline.
    BufferTooLarge,
    /// Nobody offers it.
    UnknownMethod(String),
    /// The worker ended with this request in hand; how it ended.
    WorkerDied(String),
    /// The deadline passed while a worker had it.
    NoAnswer(Duration),
    /// The deadline passed while it waited, and why, where no worker is up.
    NotStarted(Duration, Option<String>),
    /// The queue holds its limit.
    Busy(usize),
    /// Requests that have no answer yet have so many bytes together, and another one would have to wait.
    Full(usize),
    /// The daemon is stopping.
    ShuttingDown,
    /// Somebody's own words: a worker's, or a built-in method's.
    Said(Fault),
    /// The worker that had this session has gone.
    SessionLost(String),
    /// The token was not shown, or a wrong one.
    AuthFailed,
    /// There is no room for another connection, or for another FLAT request.
    TooManyConnections,
    /// The newline has not come in time.
    ConnectionTimeout,
}

impl Cause {
    /// One word and one sentence, as `dialect` has them.
    #[must_use]
    pub fn fault(&self, dialect: Dialect) -> Fault {
        let is_flat = dialect == Dialect::Flat;
        let (class, message): (&str, Cow<'_, str>) = match self {
            Self::InvalidJson if is_flat => ("invalid_json", "Invalid JSON".into()),
            Self::InvalidJson => ("invalid_json", "Invalid JSON, or more than 31 nested containers".into()),
            Self::InvalidRequest(what) => ("invalid_request", (*what).into()),
            Self::FrameTooLarge => {
                let limit = if is_flat { FLAT_FRAME_BYTES } else { TYPED_FRAME_BYTES };
                ("payload_too_large", format!("Request frame exceeds maximum size of {limit} bytes").into())
            }
            Self::BufferTooLarge => ("payload_too_large", "Request exceeds maximum size of 1MB".into()),
            Self::UnknownMethod(method) if is_flat => {
                ("unknown_command", format!("Unknown command: {method}").into())
            }
            Self::UnknownMethod(method) => ("unknown_method", format!("Unknown method: {method}").into()),
            Self::WorkerDied(how) => (
                "worker_died",
                format!("The worker ended ({how}) with this request in hand; it may have been executed")
                    .into(),
            ),
            Self::NoAnswer(limit) => (
                "deadline_exceeded",
                format!("No answer within {} s; the request may have been executed", limit.as_secs_f64())
                    .into(),
            ),
            Self::NotStarted(limit, why) => {
                let limit = limit.as_secs_f64();
                let why = why.as_ref().map_or_else(
                    || format!("No worker was free within {limit} s"),
                    |why| format!("No worker was up within {limit} s ({why})"),
                );
                ("deadline_exceeded", format!("{why}; the request was not started").into())
            }
            Self::Busy(queue) => {
                ("busy", format!("All workers are busy and {queue} requests wait; try again later").into())
            }
            Self::Full(bytes) => (
                "busy",
                format!("All workers are busy and the requests without an answer have {bytes} bytes; try again later")
                    .into(),
            ),
            Self::SessionLost(value) if is_flat => {
                ("session_not_found", format!("Session not found: {value}").into())
            }
            Self::SessionLost(value) => (
                "session_lost",
                format!("The worker that had the session {value} has gone; open it anew").into(),
            ),
            Self::ShuttingDown => {
                ("shutting_down", "The daemon is stopping; the request was not started".into())
            }
            Self::Said(fault) => return fault.clone(),
            Self::AuthFailed => ("auth_failed", "Invalid or missing auth token".into()),
            Self::TooManyConnections => ("too_many_connections", "Too many concurrent connections".into()),
            Self::ConnectionTimeout => ("connection_timeout", "IPC connection timed out".into()),
        };
        Fault { class: class.to_owned(), message: message.into_owned() }
    }

    /// JSON-RPC's code, and the specification's words for it where it has some.
    #[must_use]
    pub fn code(&self) -> (i32, Option<&'static str>) {
        let said = match self {
            Self::Said(fault) => fault.class.as_str(),
            _ => "",
        };
        match (self, said) {
            (Self::InvalidJson, _) => (-32700, Some("Parse error")),
            (Self::InvalidRequest(_), _) => (-32600, Some("Invalid Request")),
            (Self::UnknownMethod(_), _) | (_, "unknown_method") => (-32601, Some("Method not found")),
            (_, "InvalidArgument") => (-32602, Some("Invalid params")),
            // The client's request was read, and what was made of it was not.
            (_, "invalid_request") => (-32603, Some("Internal error")),
            _ => (-32000, None),
        }
    }
}
