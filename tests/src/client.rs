//! A client of the socket, as any program would be one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustdaemon_core::link::Fault;
use serde_json::Value;

use crate::wait::PATIENCE;

/// A TYPED answer: data, or class and message of the fault.
pub type Reply = Result<Value, Fault>;

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    last_id: u64,
}

impl Client {
    /// Connects.
    #[track_caller]
    #[must_use]
    pub fn connect(socket: &Path) -> Self {
        Self::try_connect(socket).unwrap_or_else(|error| panic!("{}: {error}", socket.display()))
    }

    /// Connects, if somebody listens.
    ///
    /// # Errors
    /// What connect(2) says.
    pub fn try_connect(socket: &Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), last_id: 0 })
    }

    /// Asks in TYPED and takes the next answer, which must be this one's.
    #[track_caller]
    pub fn typed(&mut self, method: &str, args: Value) -> Reply {
        let id = self.send(method, args);
        let (answered, reply) = self.receive();
        assert_eq!(answered, id, "the answer of another request: {reply:?}");
        reply
    }

    /// Asks in TYPED; the request's id.
    #[track_caller]
    pub fn send(&mut self, method: &str, args: Value) -> u64 {
        self.last_id += 1;
        let (id, method) = (self.last_id, Value::from(method));
        // "t" first: only within the first 64 KiB it raises the limit.
        self.raw(format!("{{\"id\":{id},\"t\":\"req\",\"method\":{method},\"args\":{args}}}\n"));
        id
    }

    /// The next TYPED answer: its id, and what it says.
    #[track_caller]
    pub fn receive(&mut self) -> (u64, Reply) {
        let line = self.read_line();
        read_typed(&line).unwrap_or_else(|| panic!("no TYPED answer: {line:.500}"))
    }

    /// Asks in FLAT; every byte that comes until the end of the connection.
    #[track_caller]
    pub fn flat(&mut self, request: &str) -> String {
        self.raw(format!("{request}\n"));
        self.read_to_end()
    }

    /// Writes bytes as they are.
    #[track_caller]
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).expect("write to the sidecar");
    }

    /// Writes bytes as they are, if the other end still takes them.
    pub fn try_raw(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.get_mut().write_all(bytes.as_ref());
    }

    /// The connection itself, for what no well-behaved client does.
    #[must_use]
    pub fn stream(&self) -> UnixStream {
        self.stream.get_ref().try_clone().expect("dup")
    }

    /// The next line, without its newline; empty at the end of the connection.
    #[track_caller]
    pub fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stream
            .read_line(&mut line)
            .unwrap_or_else(|error| panic!("no answer: {error}; so far {line:.500}"));
        line.trim_end_matches('\n').to_owned()
    }

    /// Everything up to the end of the connection.
    #[track_caller]
    pub fn read_to_end(&mut self) -> String {
        let mut all = String::new();
        self.stream
            .read_to_string(&mut all)
            .unwrap_or_else(|error| panic!("the connection does not end: {error}; so far {all:.500}"));
        all
    }

    /// Says that nothing more will be sent.
    #[track_caller]
    pub fn half_close(&mut self) {
        self.stream.get_ref().shutdown(Shutdown::Write).expect("shutdown");
    }
}

fn read_typed(line: &str) -> Option<(u64, Reply)> {
    let mut answer: Value = serde_json::from_str(line).ok()?;
    let id = answer["id"].as_u64()?;
    match (answer["t"].as_str()?, answer["ok"].as_bool()?) {
        ("res", true) => Some((id, Ok(answer.get_mut("data")?.take()))),
        ("res", false) => Some((id, Err(serde_json::from_value(answer["error"].take()).ok()?))),
        _ => None,
    }
}
