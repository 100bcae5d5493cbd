//! The dialects of the socket: FLAT and TYPED envelopes to [`Request`], answers to bytes.
//!
//! # How it works
//! One request per line. The first of the top-level keys `t` and `command` tells the dialect; a frame with
//! neither in its first 64 KiB is FLAT. Only the envelope is read: arguments are cut out and forwarded as the bytes that came.
//!
//! | | FLAT | TYPED |
//! |---|---|---|
//! | request | `{"command":"m",...}`; the other keys are the arguments | `{"id":1,"t":"req","method":"m","args":[]}` |
//! | data | `{"success":true,"data":D}` | `{"id":1,"t":"res","ok":true,"data":D}` |
//! | fault | `{"success":false,"error":{"type":"T","message":"M"}}` | `{"id":1,"t":"res","ok":false,"error":{"class":"T","message":"M"}}` |
//! | strings | `/` as `\/`, non-ASCII as `\u00e9`: PHP's `json_encode` | as they are |
//! | frame | 65 536 bytes, 512 nested containers | 16 777 216 bytes, 31 nested containers |
//!
//! # What may be refused
//! Each [`Refusal`] is answered and the connection closes after it: nothing in it can be trusted to be a frame
//! boundary.
//! # Rules
//! Pure. FLAT's texts are those of opcua-session-manager 4.4, byte for byte.
//! Sources: RFC 8259; php-src ext/json/json_encoder.c (`php_json_escape_string`).

use std::borrow::Cow;
use std::time::Duration;

use rustdaemon_core::link::{Dialect, Fault};
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// Longest FLAT frame in bytes, without its newline.
pub const FLAT_FRAME_BYTES: usize = 65_536;
/// Most bytes that may wait for FLAT's newline.
pub const FLAT_BUFFER_BYTES: usize = 1_048_576;
/// Longest TYPED frame in bytes, without its newline.
pub const TYPED_FRAME_BYTES: usize = 16_777_216;

/// Where an answer goes within its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// How it is written.
    pub dialect: Dialect,
    /// TYPED: the request's `id` as raw JSON.
    pub id: String,
}

/// A request's envelope, read; its arguments, raw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where the answer goes.
    pub address: Address,
    /// The method or command.
    pub method: String,
    /// Raw JSON, an array or an object.
    pub args: Vec<u8>,
}

/// A frame that is no request, and where to say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where the answer goes.
    pub address: Address,
    /// Why.
    pub cause: Cause,
}

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
    /// The daemon is stopping.
    ShuttingDown,
    /// Somebody's own words: a worker's, or a built-in method's.
    Said(Fault),
    /// There is no room for another connection, or for another FLAT request.
    TooManyConnections,
    /// The newline has not come in time.
    ConnectionTimeout,
}

impl Cause {
    /// One word and one sentence, as `dialect` has them.
    #[must_use]
    pub fn fault(&self, dialect: Dialect) -> Fault {
        let (class, message): (&str, Cow<'_, str>) = match (self, dialect) {
            (Self::InvalidJson, Dialect::Flat) => ("invalid_json", "Invalid JSON".into()),
            (Self::InvalidJson, Dialect::Typed) => {
                ("invalid_json", "Invalid JSON, or more than 31 nested containers".into())
            }
            (Self::InvalidRequest(what), _) => ("invalid_request", (*what).into()),
            (Self::FrameTooLarge, Dialect::Flat) => {
                ("payload_too_large", "Request frame exceeds maximum size of 65536 bytes".into())
            }
            (Self::FrameTooLarge, Dialect::Typed) => {
                ("payload_too_large", "Request frame exceeds maximum size of 16777216 bytes".into())
            }
            (Self::BufferTooLarge, _) => ("payload_too_large", "Request exceeds maximum size of 1MB".into()),
            (Self::UnknownMethod(method), Dialect::Flat) => {
                ("unknown_command", format!("Unknown command: {method}").into())
            }
            (Self::UnknownMethod(method), Dialect::Typed) => {
                ("unknown_method", format!("Unknown method: {method}").into())
            }
            (Self::WorkerDied(how), _) => (
                "worker_died",
                format!("The worker ended ({how}) with this request in hand; it may have been executed")
                    .into(),
            ),
            (Self::NoAnswer(limit), _) => (
                "deadline_exceeded",
                format!("No answer within {} s; the request may have been executed", limit.as_secs_f64())
                    .into(),
            ),
            (Self::NotStarted(limit, why), _) => {
                let limit = limit.as_secs_f64();
                let why = why.as_ref().map_or_else(
                    || format!("No worker was free within {limit} s"),
                    |why| format!("No worker was up within {limit} s ({why})"),
                );
                ("deadline_exceeded", format!("{why}; the request was not started").into())
            }
            (Self::Busy(queue), _) => {
                ("busy", format!("All workers are busy and {queue} requests wait; try again later").into())
            }
            (Self::ShuttingDown, _) => {
                ("shutting_down", "The daemon is stopping; the request was not started".into())
            }
            (Self::Said(fault), _) => return fault.clone(),
            (Self::TooManyConnections, _) => {
                ("too_many_connections", "Too many concurrent connections".into())
            }
            (Self::ConnectionTimeout, _) => ("connection_timeout", "IPC connection timed out".into()),
        };
        Fault { class: class.to_owned(), message: message.into_owned() }
    }
}

/// The dialect that the first bytes of a frame show, whole or not: the first of the top-level keys `t` and
/// `command`. `None`: not seen yet.
#[must_use]
pub fn peek(bytes: &[u8]) -> Option<Dialect> {
    let mut rest = Scanner { bytes };
    rest.byte(b'{')?;
    loop {
        match rest.string()?.as_ref() {
            "t" => return Some(Dialect::Typed),
            "command" => return Some(Dialect::Flat),
            _ => {}
        }
        rest.byte(b':')?;
        rest.value()?;
        rest.byte(b',')?;
    }
}

/// Reads one frame (without its newline).
///
/// # Errors
/// A [`Refusal`] to answer.
pub fn parse(frame: &[u8]) -> Result<Request, Box<Refusal>> {
    let head = frame.get(..FLAT_FRAME_BYTES).unwrap_or(frame);
    let dialect = peek(head).unwrap_or(Dialect::Flat);
    let refuse =
        |id: &str, cause| Err(Box::new(Refusal { address: Address { dialect, id: id.to_owned() }, cause }));
    let limit = match dialect {
        Dialect::Flat => (FLAT_FRAME_BYTES, 511),
        Dialect::Typed => (TYPED_FRAME_BYTES, 31),
    };
    if frame.len() > limit.0 {
        return refuse("null", Cause::FrameTooLarge);
    }
    if depth(frame) > limit.1 {
        return refuse("null", Cause::InvalidJson);
    }
    let Ok(members) = serde_json::from_slice::<Members<'_>>(frame) else {
        let list = frame.trim_ascii_start().first() == Some(&b'[');
        return match list && serde_json::from_slice::<&RawValue>(frame).is_ok() {
            true => refuse("null", Cause::UnknownMethod(String::new())),
            false => refuse("null", Cause::InvalidJson),
        };
    };
    match dialect {
        Dialect::Flat => {
            let method = members.string("command").unwrap_or_default();
            let args = members.without(&["command", "authToken"]);
            Ok(Request { address: Address { dialect, id: String::new() }, method, args })
        }
        Dialect::Typed => {
            let id = members.last("id").map_or("null", RawValue::get);
            let number = id.parse::<u64>().is_ok_and(|number| number >= 1);
            if !number && !id.starts_with('"') {
                return refuse("null", Cause::InvalidRequest("\"id\" must be an integer >= 1 or a string"));
            }
            if members.string("t").as_deref() != Some("req") {
                return refuse(id, Cause::InvalidRequest("\"t\" must be \"req\""));
            }
            let Some(method) = members.string("method") else {
                return refuse(id, Cause::InvalidRequest("\"method\" must be a string"));
            };
            let args = members.last("args").map_or("", RawValue::get);
            if !args.starts_with(['[', '{']) {
                return refuse(id, Cause::InvalidRequest("\"args\" must be an array or an object"));
            }
            let address = Address { dialect, id: id.to_owned() };
            Ok(Request { address, method, args: args.as_bytes().to_vec() })
        }
    }
}

/// Appends an answer with data, newline included. `data` is JSON in the address's dialect already.
pub fn write_data(out: &mut Vec<u8>, address: &Address, data: &[u8]) {
    match address.dialect {
        Dialect::Flat => out.extend_from_slice(br#"{"success":true,"data":"#),
        Dialect::Typed => {
            out.extend_from_slice(br#"{"id":"#);
            out.extend_from_slice(address.id.as_bytes());
            out.extend_from_slice(br#","t":"res","ok":true,"data":"#);
        }
    }
    out.extend_from_slice(data);
    out.extend_from_slice(b"}\n");
}

/// Appends what a request goes on telling after its answer, newline included. TYPED only: FLAT has no such frame.
pub fn write_event(out: &mut Vec<u8>, address: &Address, data: &[u8]) {
    let head = format!("{{\"id\":{},\"t\":\"evt\",\"data\":", address.id);
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"}\n");
}

/// Appends an answer that says why there is no data, newline included.
pub fn write_fault(out: &mut Vec<u8>, address: &Address, cause: &Cause) {
    let fault = cause.fault(address.dialect);
    let (class, message) = (escaped(&fault.class, address.dialect), escaped(&fault.message, address.dialect));
    let text = match address.dialect {
        Dialect::Flat => {
            format!("{{\"success\":false,\"error\":{{\"type\":{class},\"message\":{message}}}}}\n")
        }
        Dialect::Typed => format!(
            "{{\"id\":{},\"t\":\"res\",\"ok\":false,\"error\":{{\"class\":{class},\"message\":{message}}}}}\n",
            address.id
        ),
    };
    out.extend_from_slice(text.as_bytes());
}

/// `text` as a JSON string in quotes: FLAT as PHP's `json_encode` writes it by default, TYPED as it is.
#[must_use]
pub fn escaped(text: &str, dialect: Dialect) -> String {
    let plain = serde_json::Value::from(text).to_string();
    if dialect == Dialect::Typed {
        return plain;
    }
    let mut out = String::with_capacity(plain.len());
    for character in plain.chars() {
        match character {
            '/' => out.push_str("\\/"),
            ' '..='\x7f' => out.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out
}

/// Most containers open at once; strings are passed over. Says nothing about whether the JSON is valid.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in bytes {
        match (byte, in_string) {
            _ if escaped => escaped = false,
            (b'\\', true) => escaped = true,
            (b'"', _) => in_string = !in_string,
            (b'{' | b'[', false) => {
                now += 1;
                most = most.max(now);
            }
            (b'}' | b']', false) => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// An object's members in the order in which they came.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The value of `key`; the last one where it stands twice, as PHP has it.
    fn last(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    fn string(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.last(key)?.get()).ok()
    }

    /// The object again, without some of its members.
    fn without(&self, keys: &[&str]) -> Vec<u8> {
        let mut out = vec![b'{'];
        for (name, value) in self.0.iter().filter(|(name, _)| !keys.contains(&name.as_ref())) {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(escaped(name, Dialect::Typed).as_bytes());
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
        out.push(b'}');
        out
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members_;
        impl<'de> Visitor<'de> for Members_ {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Key(name)) = map.next_key::<Key<'de>>()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Members_)
    }
}

/// A key, borrowed where it holds no escape.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Walks over JSON that may end anywhere; `None`: it ends here, or is not JSON.
struct Scanner<'a> {
    bytes: &'a [u8],
}

impl<'a> Scanner<'a> {
    fn byte(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.bytes.trim_ascii_start().split_first()?;
        self.bytes = rest;
        (*first == wanted).then_some(())
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        let bytes = self.bytes.trim_ascii_start();
        let length = string_length(bytes)?;
        let (text, rest) = bytes.split_at_checked(length)?;
        self.bytes = rest;
        serde_json::from_slice::<Key<'a>>(text).ok().map(|Key(name)| name)
    }

    fn value(&mut self) -> Option<()> {
        let bytes = self.bytes.trim_ascii_start();
        let (mut at, mut open) = (0, 0_usize);
        loop {
            let byte = *bytes.get(at)?;
            match byte {
                b'"' => at += string_length(bytes.get(at..)?)?,
                b'{' | b'[' => {
                    open += 1;
                    at += 1;
                }
                b'}' | b']' | b',' if open == 0 => break,
                b'}' | b']' => {
                    open -= 1;
                    at += 1;
                }
                _ => at += 1,
            }
        }
        self.bytes = bytes.get(at..)?;
        Some(())
    }
}

/// Length in bytes of the string at the start of `bytes`, both quotes included.
fn string_length(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(text: &str) -> (Dialect, String, String, String) {
        let request = parse(text.as_bytes()).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
        let args = String::from_utf8(request.args).unwrap();
        (request.address.dialect, request.address.id, request.method, args)
    }

    fn refused(text: &str) -> String {
        let refusal = parse(text.as_bytes()).expect_err(text);
        let mut out = Vec::new();
        write_fault(&mut out, &refusal.address, &refusal.cause);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn typed_requests() {
        let typed = |id: &str, args: &str| (Dialect::Typed, id.to_owned(), "m".to_owned(), args.to_owned());
        assert_eq!(ok(r#"{"id":1,"t":"req","method":"m","args":[]}"#), typed("1", "[]"));
        assert_eq!(
            ok(r#"{"t":"req","args":{"a": 1.0e5},"method":"m","id":"x\/y"}"#),
            typed(r#""x\/y""#, r#"{"a": 1.0e5}"#)
        );
        assert_eq!(ok(" {\"id\":1,\"\\u0074\":\"req\",\"method\":\"m\",\"args\":[]}\r"), typed("1", "[]"));
        assert_eq!(
            ok(r#"{"id":1,"id":2,"t":"req","method":"m","args":[]}"#),
            typed("2", "[]"),
            "the last one wins"
        );
    }

    #[test]
    fn flat_requests() {
        let flat = |args: &str| (Dialect::Flat, String::new(), "m".to_owned(), args.to_owned());
        assert_eq!(ok(r#"{"command":"m"}"#), flat("{}"));
        assert_eq!(
            ok(r#"{"a":[1, 2],"command":"m","authToken":"s","b/\"":"é"}"#),
            flat(r#"{"a":[1, 2],"b/\"":"é"}"#)
        );
        assert_eq!(ok(r#"{"command":"m","t":"req"}"#), flat(r#"{"t":"req"}"#), "the first key decides");
        assert_eq!(ok(r#"{"command":7}"#).2, "");
        assert_eq!(ok("{}").2, "");
    }

    #[test]
    fn flat_texts_are_the_ancestors() {
        let invalid =
            "{\"success\":false,\"error\":{\"type\":\"invalid_json\",\"message\":\"Invalid JSON\"}}\n";
        for text in ["", "not json", "7", "\"x\"", "null", "{\"command\":\"m\"", "{\"command\":\"\\x\"}"] {
            assert_eq!(refused(text), invalid, "{text}");
        }
        assert_eq!(
            refused("[]"),
            "{\"success\":false,\"error\":{\"type\":\"unknown_command\",\"message\":\"Unknown command: \"}}\n"
        );
        let mut out = Vec::new();
        let address = Address { dialect: Dialect::Flat, id: String::new() };
        write_fault(&mut out, &address, &Cause::UnknownMethod("xyz/é😀\u{7f}".into()));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"success\":false,\"error\":{\"type\":\"unknown_command\",\"message\":\"Unknown command: xyz\\/\\u00e9\\ud83d\\ude00\u{7f}\"}}\n"
        );
    }

    #[test]
    fn invalid_bytes_are_invalid_json() {
        assert_eq!(parse(b"{\"command\":\"\xff\"}").unwrap_err().cause, Cause::InvalidJson);
        assert_eq!(parse(b"{\"command\":\"m\",\"a\":\"\xff\"}").unwrap_err().cause, Cause::InvalidJson);
        assert_eq!(parse(b"{\"command\":\"m\"}\0").unwrap_err().cause, Cause::InvalidJson);
    }

    #[test]
    fn typed_envelopes_are_checked() {
        for (text, id, what) in [
            (r#"{"t":"req","method":"m","args":[]}"#, "null", "id"),
            (r#"{"id":0,"t":"req","method":"m","args":[]}"#, "null", "id"),
            (r#"{"id":1.0,"t":"req","method":"m","args":[]}"#, "null", "id"),
            (r#"{"id":1,"t":"res","method":"m","args":[]}"#, "1", "t"),
            (r#"{"id":1,"t":"req","args":[]}"#, "1", "method"),
            (r#"{"id":1,"t":"req","method":"m"}"#, "1", "args"),
            (r#"{"id":1,"t":"req","method":"m","args":"x"}"#, "1", "args"),
        ] {
            let answer = refused(text);
            assert!(answer.starts_with(&format!("{{\"id\":{id},\"t\":\"res\",\"ok\":false,")), "{answer}");
            assert!(
                answer.contains("\"invalid_request\"") && answer.contains(&format!("\\\"{what}\\\"")),
                "{answer}"
            );
        }
        assert!(refused(r#"{"t":"req","#).contains(r#""class":"invalid_json""#));
    }

    #[test]
    fn limits_are_exact() {
        let flat = |bytes: usize| format!("{{\"command\":\"m\",\"a\":\"{}\"}}", "x".repeat(bytes - 22));
        assert_eq!(flat(100).len(), 100);
        assert!(parse(flat(FLAT_FRAME_BYTES).as_bytes()).is_ok());
        let refusal = parse(flat(FLAT_FRAME_BYTES + 1).as_bytes()).unwrap_err();
        assert_eq!(refusal.cause, Cause::FrameTooLarge);
        let late = format!("{{\"args\":[\"{}\"],\"t\":\"req\"}}", "x".repeat(FLAT_FRAME_BYTES));
        let refusal = parse(late.as_bytes()).unwrap_err();
        assert_eq!((refusal.address.dialect, refusal.cause), (Dialect::Flat, Cause::FrameTooLarge));
        let nested = |levels: usize| {
            format!(
                "{{\"id\":1,\"t\":\"req\",\"method\":\"m\",\"args\":{}{}}}",
                "[".repeat(levels),
                "]".repeat(levels)
            )
        };
        assert!(parse(nested(30).as_bytes()).is_ok());
        assert_eq!(parse(nested(31).as_bytes()).unwrap_err().cause, Cause::InvalidJson);
        let flat = |levels: usize| {
            format!("{{\"command\":\"m\",\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels))
        };
        assert!(parse(flat(510).as_bytes()).is_ok());
        assert_eq!(parse(flat(511).as_bytes()).unwrap_err().cause, Cause::InvalidJson);
        assert!(parse(br#"{"command":"m","a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[["}"#).is_ok());
    }

    #[test]
    fn a_prefix_shows_its_dialect_as_soon_as_it_can() {
        assert_eq!(peek(br#"{"t""#), Some(Dialect::Typed));
        assert_eq!(peek(br#"{"args":{"t":[1,"}"],"command":1},"command":"#), Some(Dialect::Flat));
        for cut in ["", "{", "{\"", "{\"t", "{\"id\":1,", "{\"args\":[\"t\",", "[\"t\"]", "{}", "{\"a\":\"\\"]
        {
            assert_eq!(peek(cut.as_bytes()), None, "{cut}");
        }
    }
}
