//! `worker.send`: a message to workers, in checked words.
//!
//! # Rules
//! Pure. The payload is forwarded as it came. An error is one sentence: what was wrong, what is allowed.
//! Sources: DESIGN §4.

use compact_str::CompactString;
use rustdaemon_core::settings::{self, MESSAGE_BYTES};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::control::{self, Target};

/// What somebody sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whom.
    pub to: Target,
    /// The arguments of the request that its worker gets: the message's name and its payload.
    pub args: CompactString,
}

impl Message {
    /// Reads the arguments of `worker.send`, by position or by name: a worker or a pool, the message's name, its payload.
    ///
    /// # Errors
    /// One sentence.
    pub fn parse(args: &[u8]) -> Result<Self, String> {
        let mut values = control::raw_arguments(args, &["name", "message", "payload"])?.into_iter();
        let mut next = || values.next().flatten();
        let value = |raw: Option<Box<RawValue>>| raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let to = control::name(value(next()))?
            .ok_or("name: is missing; give a worker such as \"opcua#0\", or a pool such as \"opcua\" for all its workers")?;
        let to = Target::parse(&to)?;
        let name = match value(next()) {
            Some(Value::String(name)) if settings::is_message(&name) => Value::String(name),
            Some(Value::String(name)) if name.len() > MESSAGE_BYTES => {
                return Err(format!(
                    "message: has {} bytes; 1 to {MESSAGE_BYTES} without control characters are allowed",
                    name.len()
                ));
            }
            Some(Value::String(_)) => {
                return Err(format!(
                    "message: must be 1 to {MESSAGE_BYTES} bytes without control characters, such as \"tags.changed\""
                ));
            }
            None | Some(Value::Null) => {
                return Err("message: is missing; give its name, such as \"tags.changed\"".into());
            }
            Some(_) => return Err("message: must be a string, such as \"tags.changed\"".into()),
        };
        let payload = next();
        let payload = payload.as_ref().map_or("null", |payload| payload.get());
        Ok(Self { to, args: format!("[{name},{payload}]").into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_forwarded_as_it_came() {
        let one = Target { pool: "a".into(), slot: Some(3) };
        let all = Target { pool: "a".into(), slot: None };
        for (args, to, expected) in [
            (r#"["a#3","m"]"#, &one, r#"["m",null]"#),
            (r#"["a","m",null]"#, &all, r#"["m",null]"#),
            (r#" [ "a" , "m" , { "x": 1.50, "x" : 1e400 } ]"#, &all, r#"["m",{ "x": 1.50, "x" : 1e400 }]"#),
            (
                r#"{"payload":[-0, 12345678901234567890123],"message":"\u00e9/","name":"a"}"#,
                &all,
                r#"["é/",[-0, 12345678901234567890123]]"#,
            ),
        ] {
            let message = Message::parse(args.as_bytes()).unwrap();
            assert_eq!((&message.to, message.args.as_str()), (to, expected), "{args}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused_with_a_sentence() {
        let long = format!(r#"["a","{}"]"#, "é".repeat(65));
        for (args, told) in [
            ("[]", "name: is missing; give a worker such as \"opcua#0\""),
            (r#"{"message":"m"}"#, "name: is missing"),
            (r#"[null,"m"]"#, "name: is missing"),
            (r#"[7,"m"]"#, "name: must be a string"),
            (r#"["a#x","m"]"#, "POOL#SLOT"),
            (r#"["a"]"#, "message: is missing; give its name"),
            (r#"["a",null,1]"#, "message: is missing"),
            (r#"["a",7]"#, "message: must be a string"),
            (r#"["a",["m"]]"#, "message: must be a string"),
            (r#"["a",""]"#, "message: must be 1 to 128 bytes"),
            (r#"["a","x\u0000"]"#, "without control characters"),
            (r#"["a","x\n"]"#, "without control characters"),
            (&long, "message: has 130 bytes; 1 to 128"),
            (r#"["a","m",1,2]"#, "4 arguments, but there are: name, message, payload"),
            (r#"{"name":"a","message":"m","data":1}"#, "\"data\" is not an argument"),
            ("7", "neither an array nor an object"),
        ] {
            let error = Message::parse(args.as_bytes()).unwrap_err();
            assert!(error.contains(told), "{args}: {error}");
        }
    }
}
