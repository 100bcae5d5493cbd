//! PHP values from and to JSON, in the dialect of the client; arguments matched to parameters.
//!
//! # How it works
//! Arguments: a list is passed by position, an object by name, as `json_decode()` reads it (objects inside become
//! arrays, an integer beyond 64 bits becomes a float). What a client got wrong is said in the client's words before
//! the handler is called: names and numbers of arguments, no PHP class, function or file. Types are left to PHP,
//! whose `TypeError` on entry is read back ([`argument_error`]).
//! Results: FLAT is escaped as `json_encode()` does by default, TYPED and JSON-RPC leave slashes and Unicode as
//! they are.

use ext_php_rs::types::Zval;
use rustdaemon_core::link::Dialect;

use crate::engine::{self, PhpText, Signature};

/// `JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE`.
const TYPED_OPTIONS: i32 = 64 | 256;

/// Decodes a request's arguments into an array. `text` ends with a NUL byte.
///
/// # Errors
/// One sentence for the client.
pub fn decode_arguments(text: &[u8], out: &mut Zval) -> Result<(), String> {
    match first(text) {
        Some(b'[' | b'{') => decoded(text, out),
        Some(0) | None => decoded(b"[]\0", out),
        Some(_) => Err("arguments must be a list or an object".into()),
    }
}

/// Decodes a request's arguments into what a function can be called with. `text` ends with a NUL byte.
///
/// # Errors
/// One sentence for the client.
pub fn decode_parameters(text: &[u8], out: &mut Zval) -> Result<(), String> {
    decode_arguments(text, out)?;
    let Some(array) = out.array().filter(|_| first(text) == Some(b'{')) else { return Ok(()) };
    // An object's key that looks like a number is an integer in PHP's array: it names no parameter.
    let number = array.iter().find_map(|(key, _)| match key {
        ext_php_rs::types::ArrayKey::Long(number) => Some(number),
        _ => None,
    });
    number.map_or(Ok(()), |number| Err(format!("unknown argument \"{number}\"")))
}

fn first(text: &[u8]) -> Option<u8> {
    text.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

fn decoded(text: &[u8], out: &mut Zval) -> Result<(), String> {
    if engine::json_decode(text, out) && out.is_array() {
        Ok(())
    } else {
        Err(format!("arguments are not valid JSON: {}", engine::json_error()))
    }
}

/// Checks names and number of the arguments against what the handler takes.
///
/// # Errors
/// One sentence for the client.
pub fn match_parameters(signature: &Signature, arguments: &Zval) -> Result<(), String> {
    let Some(array) = arguments.array() else { return Ok(()) };
    let names: Vec<String> = array.iter().filter_map(|(key, _)| key_name(&key)).collect();
    let position = |name: &str| signature.parameters.iter().position(|known| known == name.as_bytes());
    if !signature.variadic
        && let Some(unknown) = names.iter().find(|name| position(name).is_none())
    {
        return Err(format!("unknown argument \"{unknown}\""));
    }
    let by_position = array.len() - names.len();
    if signature.internal && !signature.variadic && by_position > signature.parameters.len() {
        let most = signature.parameters.len();
        return Err(format!("too many arguments: {by_position} given, at most {most} expected"));
    }
    let required = signature.parameters.iter().take(signature.required).enumerate();
    let given = |index: usize| index < by_position || names.iter().any(|name| position(name) == Some(index));
    for (index, name) in required {
        if !given(index) {
            return Err(format!("missing argument \"{}\"", String::from_utf8_lossy(name)));
        }
    }
    Ok(())
}

fn key_name(key: &ext_php_rs::types::ArrayKey<'_>) -> Option<String> {
    match key {
        ext_php_rs::types::ArrayKey::Long(_) => None,
        ext_php_rs::types::ArrayKey::String(name) => Some(name.clone()),
        ext_php_rs::types::ArrayKey::Str(name) => Some((*name).to_owned()),
        ext_php_rs::types::ArrayKey::ZendString(name) => {
            Some(String::from_utf8_lossy(name.as_bytes()).into_owned())
        }
    }
}

/// The client's sentence for what PHP threw when it bound the arguments; `None`: it came from the handler's own code.
///
/// PHP writes `name() expects ...` when their number is wrong, and `name(): Argument #2 ($attribute) must be of type
/// int, string given[, called in ...]`, without the parentheses for what a variadic parameter takes.
pub fn argument_error(signature: &Signature, class: &[u8], message: &[u8]) -> Option<String> {
    let rest = message.strip_prefix(signature.name.as_slice())?.strip_prefix(b"()")?;
    let rest = std::str::from_utf8(rest).ok()?;
    match class {
        b"ArgumentCountError" => {
            return rest.strip_prefix(" expects ").map(|rest| format!("expected {rest}"));
        }
        b"TypeError" => {}
        _ => return None,
    }
    let rest = rest.strip_prefix(": Argument #")?;
    let rest = rest.split_once(", called in ").map_or(rest, |(rest, _)| rest);
    let (argument, complaint) = rest.split_once(" must be of type ")?;
    let argument = match argument.split_once(" ($") {
        Some((_, name)) => format!("\"{}\"", name.strip_suffix(')')?),
        None => argument.to_owned(),
    };
    Some(format!("argument {argument} must be of type {}", without_namespaces(complaint)))
}

fn without_namespaces(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars() {
        match c {
            '\\' => word.clear(),
            c if c.is_alphanumeric() || c == '_' => word.push(c),
            c => {
                out.push_str(&word);
                word.clear();
                out.push(c);
            }
        }
    }
    out + &word
}

/// Calls PHP (`JsonSerializable`): encodes a result. `None`: see [`engine::pending`], then [`engine::json_error`].
pub fn encode_result(value: &mut Zval, dialect: Dialect) -> Option<PhpText> {
    let options = match dialect {
        Dialect::Flat => 0,
        Dialect::Typed | Dialect::JsonRpc => TYPED_OPTIONS,
    };
    engine::json_encode(value, options)
}
