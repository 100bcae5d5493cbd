//! The dialects of the socket: FLAT, TYPED and JSON-RPC envelopes to [`Request`], answers to bytes.
//!
//! # How it works
//! One frame per line. The first of the top-level keys `t`, `jsonrpc` and `command` tells the dialect; a frame with
//! none of them in its first 64 KiB is FLAT; a list is a batch of JSON-RPC. One walk over the frame checks that it is
//! JSON and finds the members of its envelope: arguments are cut out and forwarded as the bytes that came. Where a member
//! stands twice, the last one counts, as in PHP. Members that a dialect does not know are ignored.
//!
//! | | FLAT | TYPED | JSON-RPC 2.0 |
//! |---|---|---|---|
//! | request | `{"command":"m",...}`; the other keys are the arguments | `{"id":1,"t":"req","method":"m","args":[]}` | `{"jsonrpc":"2.0","id":1,"method":"m","params":[]}` |
//! | data | `{"success":true,"data":D}` | `{"id":1,"t":"res","ok":true,"data":D}` | `{"jsonrpc":"2.0","result":D,"id":1}` |
//! | fault | `{"success":false,"error":{"type":"T","message":"M"}}` | `{"id":1,"t":"res","ok":false,"error":{"class":"T","message":"M"}}` | `{"jsonrpc":"2.0","error":{"code":-32000,"message":"M","data":{"type":"T"}},"id":1}` |
//! | strings | `/` as `\/`, non-ASCII as `\u00e9`: PHP's `json_encode` | as they are | as they are |
//! | frame | 65 536 bytes, 511 nested containers | 16 777 216 bytes, 31 nested containers | as TYPED |
//!
//! # JSON-RPC
//! Without `id` it is a notification: it runs, and nothing is answered whatever happens. A batch's answers leave in one
//! line when the last of them is there, in the order in which they came; of at most [`BATCH_REQUESTS`] requests, because a
//! line of 16 MiB could ask for gigabytes of answers. Where the specification has a code, its words are the
//! `message` and our sentence is in `data.message`; `data.type` is our word in every case.
//!
//! # What may be refused
//! Each [`Refusal`] is answered. What is not JSON, too deep or too long ends the connection, because nothing in it can be
//! trusted to be a frame boundary; so does every mistake in FLAT and TYPED, because a client that does not get its
//! own envelope right waits for an answer that it would not know ([`Refusal::ends_connection`]). JSON-RPC's Invalid Request
//! has an answer of its own in the specification, and the connection goes on. Until one of the three keys has been
//! read, FLAT's limits and texts hold.
//!
//! # The token
//! Where there is one, each request shows it as `authToken` at the top level. Whoever does not is told `auth_failed`,
//! whatever else is wrong with the request, and the connection ends; but for a `ping` of TYPED and JSON-RPC that is right
//! and shows none ([`Request::is_strangers`]). Like this, a frame that is JSON gives a stranger one answer only.
//! # Rules
//! Pure. FLAT's texts are those of opcua-session-manager 4.4, byte for byte.
//! Sources: RFC 8259; jsonrpc.org/specification; php-src ext/json/json_encoder.c (`php_json_escape_string`).

use std::ops::Range;
use std::time::Duration;

use compact_str::CompactString;
use rustdaemon_core::link::Dialect;
use rustdaemon_core::settings;

use crate::access::Token;

mod answer;
mod cause;
mod scan;

pub use self::answer::{write_data, write_data_by, write_event, write_fault};
pub use self::cause::Cause;
use self::scan::Scanner;

/// Longest FLAT frame in bytes, without its newline.
pub const FLAT_FRAME_BYTES: usize = 65_536;
/// Most bytes that may wait for FLAT's newline.
pub const FLAT_BUFFER_BYTES: usize = 1_048_576;
/// Longest frame in bytes, without its newline, of TYPED and JSON-RPC.
pub const TYPED_FRAME_BYTES: usize = 16_777_216;
/// Most containers that may be open at once in TYPED and JSON-RPC; the envelope is one of them.
const TYPED_NESTED: usize = 31;
/// Most requests in a batch.
pub const BATCH_REQUESTS: usize = 1024;
/// Who wants to wait longer waits so long.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(1_000_000_000);

/// Where an answer goes within its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// How it is written.
    pub dialect: Dialect,
    /// TYPED and JSON-RPC: the request's `id` as raw JSON.
    pub id: CompactString,
    /// With which line.
    pub delivery: Delivery,
}

/// With which line an answer leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Its own.
    Line,
    /// That of the connection's batch with this number.
    Batch(u64),
    /// None: a notification.
    Nowhere,
}

impl Address {
    /// Of an answer in a line of its own.
    #[must_use]
    pub fn new(dialect: Dialect, id: &str) -> Self {
        Self { dialect, id: id.into(), delivery: Delivery::Line }
    }
}

/// A request's envelope, read; its arguments, raw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where the answer goes.
    pub address: Address,
    /// The method or command.
    pub method: CompactString,
    /// Raw JSON, an array or an object.
    pub args: CompactString,
    /// How long the client waits, where it says so.
    pub timeout: Option<Duration>,
    /// TYPED: its top-level `session`.
    pub session: Option<CompactString>,
    /// A `ping` of somebody who was to show a token, and has shown none: told no more than that somebody is there.
    pub is_strangers: bool,
}

/// A frame that is no request, and where to say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where the answer goes.
    pub address: Address,
    /// Why.
    pub cause: Cause,
}

impl Refusal {
    fn new(dialect: Dialect, id: &str, cause: Cause) -> Box<Self> {
        Box::new(Self { address: Address::new(dialect, id), cause })
    }

    /// Whether nothing further is read after it.
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        self.address.dialect != Dialect::JsonRpc || !matches!(self.cause, Cause::InvalidRequest(_))
    }
}

/// What a request or a part of a batch is.
pub type Parsed = Result<Request, Box<Refusal>>;

/// What a line holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A request.
    One(Request),
    /// Requests whose answers leave together; those without an answer are addressed so, the others as if they came
    /// alone.
    Batch(Vec<Parsed>),
}

#[cfg(test)]
impl Frame {
    /// The one request.
    pub fn one(self) -> Request {
        match self {
            Self::One(request) => request,
            Self::Batch(parts) => panic!("a batch: {parts:?}"),
        }
    }
}

/// The dialect that the first bytes of a frame show, whole or not. `None`: not seen yet, or never.
#[must_use]
pub fn peek(bytes: &[u8]) -> Option<Dialect> {
    let head = bytes.get(..FLAT_FRAME_BYTES).unwrap_or(bytes);
    let valid = head.utf8_chunks().next()?.valid();
    let mut scanner = Scanner::new(valid);
    match scanner.next()? {
        b'[' => return Some(Dialect::JsonRpc),
        b'{' => scanner.open()?,
        _ => return None,
    }
    loop {
        let key = scanner.key()??;
        if let Some(dialect) = scan::text(key).and_then(|key| shown_by(&key)) {
            return Some(dialect);
        }
        scanner.value_of_key()?;
    }
}

fn shown_by(key: &str) -> Option<Dialect> {
    match key {
        "t" => Some(Dialect::Typed),
        "jsonrpc" => Some(Dialect::JsonRpc),
        "command" => Some(Dialect::Flat),
        _ => None,
    }
}

/// Whether a frame, or the beginning of one, of so many bytes is too long for its dialect.
#[must_use]
pub fn is_too_long(dialect: Dialect, bytes: usize) -> bool {
    bytes > if dialect == Dialect::Flat { FLAT_FRAME_BYTES } else { TYPED_FRAME_BYTES }
}

/// Reads one frame (without its newline) of somebody who must show the `token`, if there is one.
///
/// # Errors
/// A [`Refusal`] to answer.
pub fn parse(frame: &[u8], token: Option<&Token>) -> Result<Frame, Box<Refusal>> {
    let refuse = |dialect, cause| Err(Refusal::new(dialect, "null", cause));
    if frame.len() > FLAT_FRAME_BYTES {
        let dialect = peek(frame).unwrap_or(Dialect::Flat);
        if dialect == Dialect::Flat && frame.len() >= FLAT_BUFFER_BYTES {
            return refuse(dialect, Cause::BufferTooLarge); // it waited for its newline, which counts
        }
        if is_too_long(dialect, frame.len()) {
            return refuse(dialect, Cause::FrameTooLarge);
        }
    }
    let Ok(text) = std::str::from_utf8(frame) else {
        return refuse(peek(frame).unwrap_or(Dialect::Flat), Cause::InvalidJson);
    };
    let mut scanner = Scanner::new(text);
    match scanner.next() {
        Some(b'{') => {
            let mut envelope = Envelope::default();
            let whole = envelope.read(&mut scanner).and_then(|()| scanner.end()).is_some();
            let dialect = envelope.dialect.unwrap_or(Dialect::Flat);
            let is_flat = dialect == Dialect::Flat;
            if !whole || (!is_flat && scanner.deepest() > TYPED_NESTED) {
                return refuse(dialect, Cause::InvalidJson);
            }
            let request = match dialect {
                Dialect::Flat => Ok(envelope.flat(text)),
                Dialect::Typed => envelope.typed(),
                Dialect::JsonRpc => envelope.json_rpc(),
            };
            envelope.admitted(request, token).map(Frame::One)
        }
        Some(b'[') => batch(scanner, token),
        _ => refuse(Dialect::Flat, Cause::InvalidJson),
    }
}

fn batch(mut scanner: Scanner<'_>, token: Option<&Token>) -> Result<Frame, Box<Refusal>> {
    let refuse = |cause| Err(Refusal::new(Dialect::JsonRpc, "null", cause));
    let (mut parts, mut count, mut is_known) = (Vec::new(), 0, token.is_none());
    let mut walk = || {
        scanner.open()?;
        while scanner.element()? {
            let mut envelope = Envelope::default();
            let part = if scanner.next()? == b'{' {
                envelope.read(&mut scanner)?;
                envelope.json_rpc()
            } else {
                scanner.value()?;
                let cause = Cause::InvalidRequest("a request must be an object");
                Err(Refusal::new(Dialect::JsonRpc, "null", cause))
            };
            is_known |= token.is_some_and(|token| envelope.shows(token));
            let part = envelope.admitted(part, token);
            count += 1;
            if count <= BATCH_REQUESTS {
                parts.push(part);
            }
        }
        scanner.end()
    };
    match walk() {
        None => refuse(Cause::InvalidJson),
        _ if scanner.deepest() > TYPED_NESTED => refuse(Cause::InvalidJson),
        _ if !is_known && !(1..=BATCH_REQUESTS).contains(&count) => refuse(Cause::AuthFailed),
        _ if count == 0 => refuse(Cause::InvalidRequest("a batch must hold a request")),
        _ if count > BATCH_REQUESTS => {
            refuse(Cause::InvalidRequest("a batch may hold at most 1024 requests"))
        }
        _ => Ok(Frame::Batch(parts)),
    }
}

/// What stands under `name` in arguments that are an object, where it can be the value of a session: a text or a number.
#[must_use]
pub fn session_in(args: &str, name: &str) -> Option<CompactString> {
    let mut scanner = Scanner::new(args);
    scanner.next().filter(|first| *first == b'{')?;
    scanner.open()?;
    let mut found = None;
    while let Some(key) = scanner.key()? {
        let is_it = scan::text(key)? == name;
        let value = scanner.value_of_key()?;
        if is_it {
            found = Some(value);
        }
    }
    let value = match found? {
        text if text.starts_with('"') => scan::text(text)?.into(),
        number if number.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => number.into(),
        _ => return None,
    };
    Some(value).filter(|value: &CompactString| settings::is_session(value.as_bytes()))
}

/// The members of a request's object that mean something in one dialect or another, raw.
#[derive(Debug, Default)]
struct Envelope<'a> {
    dialect: Option<Dialect>,
    id: Option<&'a str>,
    t: Option<&'a str>,
    jsonrpc: Option<&'a str>,
    command: Option<&'a str>,
    method: Option<&'a str>,
    args: Option<&'a str>,
    params: Option<&'a str>,
    timeout: Option<&'a str>,
    session: Option<&'a str>,
    auth_token: Option<&'a str>,
    /// Where the members are that are none of FLAT's arguments.
    flat_cuts: Vec<Range<usize>>,
}

impl<'a> Envelope<'a> {
    /// Passes the object.
    fn read(&mut self, scanner: &mut Scanner<'a>) -> Option<()> {
        scanner.open()?;
        while let Some(raw) = scanner.key()? {
            let key = scan::text(raw)?;
            let after_key = scanner.at();
            if self.dialect.is_none() && after_key <= FLAT_FRAME_BYTES {
                self.dialect = shown_by(&key);
            }
            let value = Some(scanner.value_of_key()?);
            match key.as_ref() {
                "id" => self.id = value,
                "t" => self.t = value,
                "jsonrpc" => self.jsonrpc = value,
                "method" => self.method = value,
                "args" => self.args = value,
                "params" => self.params = value,
                "timeout" => self.timeout = value,
                "session" => self.session = value,
                "command" => self.command = value,
                "authToken" => self.auth_token = value,
                _ => {}
            }
            if matches!(key.as_ref(), "command" | "authToken") {
                self.flat_cuts.push(after_key - raw.len()..scanner.at());
            }
        }
        Some(())
    }

    fn shows(&self, token: &Token) -> bool {
        self.auth_token.and_then(scan::text).is_some_and(|shown| token.is(&shown))
    }

    /// What was made of it, if it shows the token, or is a ping that needs none.
    fn admitted(&self, parsed: Parsed, token: Option<&Token>) -> Parsed {
        if token.is_none_or(|token| self.shows(token)) {
            return parsed;
        }
        let shows_none = self.auth_token.is_none_or(|raw| raw == "null");
        let address = match parsed {
            Ok(ping) if shows_none && ping.address.dialect != Dialect::Flat && ping.method == "ping" => {
                return Ok(Request { is_strangers: true, ..ping });
            }
            Ok(request) => request.address,
            Err(refusal) => refusal.address,
        };
        Err(Box::new(Refusal { address, cause: Cause::AuthFailed }))
    }

    fn flat(&self, frame: &str) -> Request {
        let method = self.command.and_then(scan::text).unwrap_or_default().into();
        Request {
            address: Address::new(Dialect::Flat, ""),
            method,
            args: self.flat_args(frame),
            timeout: None,
            session: None,
            is_strangers: false,
        }
    }

    /// The object again, without what is no argument.
    fn flat_args(&self, frame: &str) -> CompactString {
        let (first, last) = (frame.find('{').unwrap_or(0) + 1, frame.rfind('}').unwrap_or(0));
        let starts = std::iter::once(first).chain(self.flat_cuts.iter().map(|cut| cut.end));
        let ends = self.flat_cuts.iter().map(|cut| cut.start).chain([last]);
        let mut args = CompactString::with_capacity(frame.len());
        args.push('{');
        for (start, end) in starts.zip(ends) {
            let part = frame.get(start..end).unwrap_or_default();
            let part = part.trim_matches([' ', '\t', '\r', '\n', ',']);
            if !part.is_empty() {
                if args.len() > 1 {
                    args.push(',');
                }
                args.push_str(part);
            }
        }
        args.push('}');
        args
    }

    fn typed(&self) -> Parsed {
        let refuse = |id, what| Err(Refusal::new(Dialect::Typed, id, Cause::InvalidRequest(what)));
        let id = self.id.unwrap_or("null");
        if !id.starts_with('"') && !id.parse::<u64>().is_ok_and(|number| number >= 1) {
            return refuse("null", "\"id\" must be an integer >= 1 or a string");
        }
        if self.t.and_then(scan::text).as_deref() != Some("req") {
            return refuse(id, "\"t\" must be \"req\"");
        }
        let Some(method) = self.method.and_then(scan::text) else {
            return refuse(id, "\"method\" must be a string");
        };
        let Some(args) = self.args.filter(|args| args.starts_with(['[', '{'])) else {
            return refuse(id, "\"args\" must be an array or an object");
        };
        let Ok(timeout) = self.timeout.map(seconds).transpose() else { return refuse(id, BAD_TIMEOUT) };
        let named = self.session.filter(|json| *json != "null");
        let session = named.map(|json| scan::text(json).filter(|text| settings::is_session(text.as_bytes())));
        let Ok(session) = session.map(|session| session.ok_or(())).transpose() else {
            return refuse(id, "\"session\" must be a string of 1 to 256 bytes");
        };
        let address = Address::new(Dialect::Typed, id);
        let session = session.map(CompactString::from);
        let is_strangers = false;
        Ok(Request { address, method: method.into(), args: args.into(), timeout, session, is_strangers })
    }

    fn json_rpc(&self) -> Parsed {
        let refuse = |id, what| Err(Refusal::new(Dialect::JsonRpc, id, Cause::InvalidRequest(what)));
        let id = self.id.unwrap_or("null");
        if id.starts_with(['t', 'f', '[', '{']) {
            return refuse("null", "\"id\" must be a string, a number or null");
        }
        if self.jsonrpc.and_then(scan::text).as_deref() != Some("2.0") {
            return refuse(id, "\"jsonrpc\" must be \"2.0\"");
        }
        let Some(method) = self.method.and_then(scan::text) else {
            return refuse(id, "\"method\" must be a string");
        };
        let params = self.params.unwrap_or("[]");
        if !params.starts_with(['[', '{']) {
            return refuse(id, "\"params\" must be an array or an object");
        }
        let Ok(timeout) = self.timeout.map(seconds).transpose() else { return refuse(id, BAD_TIMEOUT) };
        let delivery = if self.id.is_some() { Delivery::Line } else { Delivery::Nowhere };
        let address = Address { dialect: Dialect::JsonRpc, id: id.into(), delivery };
        let (session, is_strangers) = (None, false);
        Ok(Request { address, method: method.into(), args: params.into(), timeout, session, is_strangers })
    }
}

const BAD_TIMEOUT: &str = "\"timeout\" must be a number of seconds greater than 0";

fn seconds(json: &str) -> Result<Duration, ()> {
    let seconds: f64 = json.parse().map_err(|_| ())?;
    match Duration::try_from_secs_f64(seconds.min(LONGEST_TIMEOUT.as_secs_f64())) {
        Ok(timeout) if !timeout.is_zero() => Ok(timeout),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests;
