//! A frame, read a second time: what [`parse`] must make of it, and what an answer to it must be.

use std::time::Duration;

use rustdaemon_core::link::{Dialect, Fault};

use super::json::{self, Member};
use super::{Dice, stretched};
use crate::dialect::{
    Address, BATCH_REQUESTS, Cause, Delivery, FLAT_BUFFER_BYTES, FLAT_FRAME_BYTES, Frame, Parsed, Refusal,
    Request, TYPED_FRAME_BYTES, parse, peek, write_data, write_event, write_fault,
};

/// Most nested containers in FLAT: `json_decode()` with its default depth.
const FLAT_NESTED: usize = 511;
/// Most nested containers in the others.
const TYPED_NESTED: usize = 31;
/// How rarely a case, or what it begins with, is stretched to a limit.
const STRETCHED_ONCE_IN: usize = 1024;

/// A TYPED frame: the case as it is, or behind TYPED's key.
pub fn check_typed(bytes: &[u8]) {
    check_led(Dialect::Typed, "{\"t\":\"req\",", bytes, &mut Dice::of(bytes));
}

/// A FLAT frame: the case as it is, or behind FLAT's key.
pub fn check_flat(bytes: &[u8]) {
    check_led(Dialect::Flat, "{\"command\":\"m\",", bytes, &mut Dice::of(bytes));
}

/// A JSON-RPC frame: the case as it is, or behind JSON-RPC's key, or as a batch.
pub fn check_jsonrpc(bytes: &[u8]) {
    let mut dice = Dice::of(bytes);
    if dice.once_in(3) {
        let _ = check_frame(&[b"[", bytes, b"]"].concat());
    } else {
        check_led(Dialect::JsonRpc, "{\"jsonrpc\":\"2.0\",", bytes, &mut dice);
    }
}

/// The case as it is, or in an object that begins with its dialect's key: whatever comes then, it is answered in that
/// dialect.
fn check_led(dialect: Dialect, lead: &str, bytes: &[u8], dice: &mut Dice) {
    if dice.once_in(2) {
        let _ = check_frame(bytes);
        return;
    }
    let rest = bytes.strip_prefix(b"{").unwrap_or(bytes);
    let answered = match check_frame(&[lead.as_bytes(), rest].concat()) {
        Ok(Frame::One(request)) => request.address.dialect,
        Ok(Frame::Batch(parts)) => panic!("an object is no batch: {parts:?}"),
        Err(refusal) => refusal.address.dialect,
    };
    assert_eq!(answered, dialect);
}

/// Any frame; what it is.
pub fn check_frame(frame: &[u8]) -> Result<Frame, Box<Refusal>> {
    let parsed = check_as_it_is(frame);
    let mut dice = Dice::of(frame);
    if !frame.is_empty() && dice.once_in(STRETCHED_ONCE_IN) {
        let length = if dice.once_in(2) { frame.len() } else { 1 + dice.below(frame.len()) };
        let _ = check_as_it_is(&stretched(frame, length, FLAT_FRAME_BYTES, &mut dice));
    }
    if dice.once_in(4) {
        let start = &frame[..dice.below(frame.len() + 1)];
        assert_eq!(peek(start), shown_by(start), "the dialect of {}", start.escape_ascii());
    }
    parsed
}

fn check_as_it_is(frame: &[u8]) -> Result<Frame, Box<Refusal>> {
    let parsed = parse(frame);
    let shown = shown_by(frame);
    assert_eq!(peek(frame), shown, "the dialect of {}", frame.escape_ascii());
    let (found, wanted) = (normal(parsed.clone()), normal(read(frame, shown.unwrap_or(Dialect::Flat))));
    assert_eq!(found, wanted, "{}", frame.escape_ascii());
    let mut dice = Dice::of(frame);
    match &parsed {
        Ok(Frame::One(request)) => check_answers(&request.address, &request.method, &mut dice),
        Ok(Frame::Batch(parts)) => {
            for part in parts {
                match part {
                    Ok(request) => check_answers(&request.address, &request.method, &mut dice),
                    Err(refusal) => check_fault(&refusal.address, &refusal.cause),
                }
            }
        }
        Err(refusal) => check_fault(&refusal.address, &refusal.cause),
    }
    parsed
}

/// What [`peek`] must say.
fn shown_by(bytes: &[u8]) -> Option<Dialect> {
    let head = &bytes[..bytes.len().min(FLAT_FRAME_BYTES)];
    let text = head.utf8_chunks().next()?.valid();
    match first(text)? {
        b'[' => return Some(Dialect::JsonRpc),
        b'{' => {}
        _ => return None,
    }
    for member in json::members(text).0 {
        match member.name?.as_str() {
            "t" => return Some(Dialect::Typed),
            "jsonrpc" => return Some(Dialect::JsonRpc),
            "command" => return Some(Dialect::Flat),
            _ => json::nested(member.value?, FLAT_NESTED - 1)?,
        };
    }
    None
}

/// What [`parse`] must say of a frame that shows this dialect, or FLAT for want of one.
fn read(frame: &[u8], dialect: Dialect) -> Result<Frame, Box<Refusal>> {
    let (most_bytes, most_nested) = match dialect {
        Dialect::Flat => (FLAT_FRAME_BYTES, FLAT_NESTED),
        _ => (TYPED_FRAME_BYTES, TYPED_NESTED),
    };
    if dialect == Dialect::Flat && frame.len() >= FLAT_BUFFER_BYTES {
        return refuse(dialect, "null", Cause::BufferTooLarge);
    }
    if frame.len() > most_bytes {
        return refuse(dialect, "null", Cause::FrameTooLarge);
    }
    let text = std::str::from_utf8(frame).ok().filter(|text| json::nested(text, most_nested).is_some());
    match text.and_then(|text| Some((text, first(text)?))) {
        Some((text, b'{')) => {
            let members = json::members(text).0;
            let request = match dialect {
                Dialect::Flat => Ok(flat(&members)),
                Dialect::Typed => typed(&members),
                Dialect::JsonRpc => json_rpc(&members),
            };
            request.map(Frame::One)
        }
        Some((text, b'[')) => {
            let elements = json::elements(text).unwrap();
            let parts = elements.iter().map(|element| match first(element) {
                Some(b'{') => json_rpc(&json::members(element).0),
                _ => invalid(dialect, "null", "a request must be an object"),
            });
            match elements.len() {
                0 => invalid(dialect, "null", "a batch must hold a request"),
                1..=BATCH_REQUESTS => Ok(Frame::Batch(parts.collect())),
                _ => invalid(dialect, "null", "a batch may hold at most 1024 requests"),
            }
        }
        _ => refuse(dialect, "null", Cause::InvalidJson),
    }
}

fn flat(members: &[Member<'_>]) -> Request {
    let is_argument = |member: &&Member<'_>| !matches!(member.name.as_deref(), Some("command" | "authToken"));
    Request {
        address: Address::new(Dialect::Flat, ""),
        method: last(members, "command").and_then(json::text).unwrap_or_default(),
        args: object(members.iter().filter(is_argument)),
        timeout: None,
    }
}

fn typed(members: &[Member<'_>]) -> Parsed {
    let last = |key| last(members, key);
    let is_id =
        |id: &&str| json::text(id).is_some() || serde_json::from_str::<u64>(id).is_ok_and(|id| id > 0);
    let Some(id) = last("id").filter(is_id) else {
        return invalid(Dialect::Typed, "null", "\"id\" must be an integer >= 1 or a string");
    };
    if last("t").and_then(json::text).as_deref() != Some("req") {
        return invalid(Dialect::Typed, id, "\"t\" must be \"req\"");
    }
    let Some(method) = last("method").and_then(json::text) else {
        return invalid(Dialect::Typed, id, "\"method\" must be a string");
    };
    let Some(args) = last("args").filter(is_container) else {
        return invalid(Dialect::Typed, id, "\"args\" must be an array or an object");
    };
    let address = Address::new(Dialect::Typed, id);
    within(last("timeout"), Request { address, method, args: args.into(), timeout: None })
}

fn json_rpc(members: &[Member<'_>]) -> Parsed {
    let last = |key| last(members, key);
    let id = last("id").unwrap_or("null");
    if is_container(&id) || serde_json::from_str::<bool>(id).is_ok() {
        return invalid(Dialect::JsonRpc, "null", "\"id\" must be a string, a number or null");
    }
    if last("jsonrpc").and_then(json::text).as_deref() != Some("2.0") {
        return invalid(Dialect::JsonRpc, id, "\"jsonrpc\" must be \"2.0\"");
    }
    let Some(method) = last("method").and_then(json::text) else {
        return invalid(Dialect::JsonRpc, id, "\"method\" must be a string");
    };
    let Some(params) = Some(last("params").unwrap_or("[]")).filter(is_container) else {
        return invalid(Dialect::JsonRpc, id, "\"params\" must be an array or an object");
    };
    let mut address = Address::new(Dialect::JsonRpc, id);
    if last("id").is_none() {
        address.delivery = Delivery::Nowhere;
    }
    within(last("timeout"), Request { address, method, args: params.into(), timeout: None })
}

/// The request with its client's timeout.
fn within(timeout: Option<&str>, request: Request) -> Parsed {
    let Some(json) = timeout else { return Ok(request) };
    let is_number = first(json).is_some_and(|byte| byte == b'-' || byte.is_ascii_digit());
    let seconds = json.parse::<f64>().ok().filter(|_| is_number);
    match seconds.map(|seconds| Duration::try_from_secs_f64(seconds.min(1e9))) {
        Some(Ok(timeout)) if !timeout.is_zero() => Ok(Request { timeout: Some(timeout), ..request }),
        _ => {
            let what = "\"timeout\" must be a number of seconds greater than 0";
            invalid(request.address.dialect, &request.address.id, what)
        }
    }
}

fn refuse<T>(dialect: Dialect, id: &str, cause: Cause) -> Result<T, Box<Refusal>> {
    Err(Box::new(Refusal { address: Address::new(dialect, id), cause }))
}

fn invalid<T>(dialect: Dialect, id: &str, what: &'static str) -> Result<T, Box<Refusal>> {
    refuse(dialect, id, Cause::InvalidRequest(what))
}

/// The first byte that is no white space.
fn first(text: &str) -> Option<u8> {
    text.bytes().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

fn is_container(json: &&str) -> bool {
    matches!(first(json), Some(b'[' | b'{'))
}

/// The value of a key; of several, the last one's.
fn last<'a>(members: &[Member<'a>], key: &str) -> Option<&'a str> {
    members.iter().rfind(|member| member.name.as_deref() == Some(key))?.value
}

/// These members as an object, their keys and values as they came.
fn object<'m, 'a: 'm>(members: impl Iterator<Item = &'m Member<'a>>) -> Vec<u8> {
    let members = members.map(|member| format!("{}:{}", member.key, member.value.unwrap_or_default()));
    format!("{{{}}}", members.collect::<Vec<_>>().join(",")).into_bytes()
}

/// FLAT's arguments without the white space that came between them, which nobody promises.
fn normal(parsed: Result<Frame, Box<Refusal>>) -> Result<Frame, Box<Refusal>> {
    match parsed {
        Ok(Frame::One(mut request)) if request.address.dialect == Dialect::Flat => {
            let (members, is_whole) = json::members(std::str::from_utf8(&request.args).unwrap());
            assert!(is_whole, "{}", request.args.escape_ascii());
            request.args = object(members.iter());
            Ok(Frame::One(request))
        }
        other => other,
    }
}

/// All kinds of lines that may follow a request; its method stands for any text that a client may bring us to say.
fn check_answers(address: &Address, text: &str, dice: &mut Dice) {
    let fault = || Fault { class: text.to_owned(), message: text.to_owned() };
    let cause = match dice.below(6) {
        0 => Cause::UnknownMethod(text.to_owned()),
        1 => Cause::WorkerDied(text.to_owned()),
        2 => Cause::Said(fault()),
        3 => Cause::Said(Fault { class: "InvalidArgument".to_owned(), ..fault() }),
        4 => Cause::NotStarted(Duration::from_millis(1500), Some(text.to_owned())),
        _ => Cause::Busy(text.len()),
    };
    check_fault(address, &cause);
    let data = serde_json::Value::from(text).to_string();
    let line = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut line = Vec::new();
        write(&mut line);
        line
    };
    let answer = line(&|out| write_data(out, address, data.as_bytes()));
    match (address.delivery, address.dialect) {
        (Delivery::Nowhere, _) => assert!(answer.is_empty()),
        (_, Dialect::Flat) => check_line(&answer, &[("success", "true"), ("data", &data)]),
        (_, Dialect::Typed) => {
            check_line(&answer, &[("id", &address.id), ("t", "\"res\""), ("ok", "true"), ("data", &data)]);
        }
        (_, Dialect::JsonRpc) => {
            check_line(&answer, &[("jsonrpc", "\"2.0\""), ("result", &data), ("id", &address.id)]);
        }
    }
    let event = line(&|out| write_event(out, address, data.as_bytes()));
    let params = format!("{{\"id\":{},\"data\":{data}}}", address.id);
    match address.dialect {
        Dialect::Flat => {} // it has none
        Dialect::Typed => check_line(&event, &[("id", &address.id), ("t", "\"evt\""), ("data", &data)]),
        Dialect::JsonRpc => {
            check_line(&event, &[("jsonrpc", "\"2.0\""), ("method", "\"event\""), ("params", &params)]);
        }
    }
}

fn check_fault(address: &Address, cause: &Cause) {
    let mut line = Vec::new();
    write_fault(&mut line, address, cause);
    if address.delivery == Delivery::Nowhere {
        return assert!(line.is_empty());
    }
    let text = std::str::from_utf8(&line).unwrap();
    let error = last(&json::members(text).0, "error").unwrap_or_else(|| panic!("no error: {text}"));
    let members = json::members(error).0;
    let said = |members: &[Member<'_>], key| last(members, key).and_then(json::text);
    let (class, message) = match address.dialect {
        Dialect::Flat => {
            assert!(
                text.is_ascii() && !text.replace("\\/", "").contains('/'),
                "as json_encode() does: {text}"
            );
            check_line(&line, &[("success", "false"), ("error", error)]);
            (said(&members, "type"), said(&members, "message"))
        }
        Dialect::Typed => {
            check_line(&line, &[("id", &address.id), ("t", "\"res\""), ("ok", "false"), ("error", error)]);
            (said(&members, "class"), said(&members, "message"))
        }
        Dialect::JsonRpc => {
            check_line(&line, &[("jsonrpc", "\"2.0\""), ("error", error), ("id", &address.id)]);
            let (code, words) = cause.code();
            assert_eq!(last(&members, "code"), Some(code.to_string().as_str()));
            let data = json::members(last(&members, "data").unwrap()).0;
            let message = said(&members, "message");
            match words {
                None => (said(&data, "type"), message),
                Some(words) => {
                    assert_eq!(message.as_deref(), Some(words));
                    (said(&data, "type"), said(&data, "message"))
                }
            }
        }
    };
    let fault = cause.fault(address.dialect);
    assert_eq!((class, message), (Some(fault.class), Some(fault.message)), "{text}");
}

/// One line, which is an object of these members and no others.
fn check_line(line: &[u8], wanted: &[(&str, &str)]) {
    let text = std::str::from_utf8(line).unwrap();
    let body = text.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {text:?}"));
    assert!(!body.contains('\n') && json::nested(body, FLAT_NESTED).is_some(), "{text:?}");
    let members = json::members(body).0;
    let found = members.iter().map(|member| (member.name.as_deref().unwrap(), member.value.unwrap()));
    assert!(found.eq(wanted.iter().copied()), "{text:?}");
}
