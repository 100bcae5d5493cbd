//! The built-in methods that change something: what was asked for, in checked words.
//!
//! # Rules
//! Pure. An error is one sentence: what was wrong, what is allowed.
//! Sources: DESIGN §4, §6.

use std::collections::BTreeMap;

use rustdaemon_core::settings::{self, quoted};
use rustdaemon_core::signo;
use serde_json::Value;
use serde_json::value::RawValue;

const NOT_ARGUMENTS: &str = "the arguments are neither an array nor an object";

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Something of some slots. `None`: of all.
    Slots(Command, Option<Target>),
    /// A new generation, of one pool or of all.
    Reload(Option<String>),
    /// So many workers for a pool. `None`: for the only one.
    Scale(Option<String>, u32),
    /// The end of the daemon.
    StopDaemon,
}

/// What an operator wants of some slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// End it and start it anew.
    Restart,
    /// End it, and leave it so.
    Stop,
    /// Start it; a parked one too.
    Start,
    /// No request until [`Command::Resume`].
    Pause,
    /// Go on.
    Resume,
    /// This signal.
    Signal(i32),
}

/// `pool` or `pool#slot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The pool's name.
    pub pool: String,
    /// One of its slots; `None`: all of them.
    pub slot: Option<usize>,
}

impl Control {
    /// The names of the methods, and what they do, for `daemon.methods`.
    pub const METHODS: [(&str, &str); 9] = [
        ("daemon.reload", "Starts a new generation of workers and moves the traffic when it is ready"),
        ("daemon.stop", "Drains and stops the daemon"),
        ("worker.restart", "Ends workers and starts them anew"),
        ("worker.stop", "Ends workers and leaves them so"),
        ("worker.start", "Starts stopped or parked workers"),
        ("worker.pause", "Lets workers finish what they have and serve nothing more"),
        ("worker.resume", "Lets paused workers go on"),
        ("worker.signal", "Sends workers a signal"),
        ("worker.scale", "Gives a pool another number of workers, until the daemon ends"),
    ];

    /// Whether the built-in method of that name changes something.
    #[must_use]
    pub fn is_one(method: &str) -> bool {
        Self::METHODS.iter().any(|(name, _)| *name == method)
    }

    /// Reads a request's arguments, by position or by name: a name, of `worker.signal` and `worker.scale` one more.
    ///
    /// # Errors
    /// One sentence.
    pub fn parse(method: &str, args: &[u8]) -> Result<Self, String> {
        let words: &[&str] = match method {
            "daemon.stop" => &[],
            "worker.signal" => &["name", "signal"],
            "worker.scale" => &["name", "workers"],
            _ => &["name"],
        };
        let mut values = arguments(args, words).map_err(|sentence| match method {
            "daemon.stop" => format!("{sentence}; worker.stop stops some workers"),
            _ => sentence,
        })?;
        let second = if words.len() > 1 { values.pop().flatten() } else { None };
        let name = name(values.pop().flatten())?;
        let slots = |command| Ok(Self::Slots(command, name.as_deref().map(Target::parse).transpose()?));
        let whole = |what: &str| match &name {
            Some(name) if name.contains('#') => {
                Err(format!("name: a pool is {what} as a whole; give its name without a slot"))
            }
            _ => Ok(name.clone()),
        };
        match method {
            "daemon.reload" => Ok(Self::Reload(whole("reloaded")?)),
            "daemon.stop" => Ok(Self::StopDaemon),
            "worker.restart" => slots(Command::Restart),
            "worker.stop" => slots(Command::Stop),
            "worker.start" => slots(Command::Start),
            "worker.pause" => slots(Command::Pause),
            "worker.resume" => slots(Command::Resume),
            "worker.scale" => Ok(Self::Scale(whole("scaled")?, workers(second.as_ref())?)),
            _ => slots(Command::Signal(signal_number(second)?)),
        }
    }
}

impl Target {
    /// Reads `pool` or `pool#slot`.
    ///
    /// # Errors
    /// One sentence.
    pub fn parse(name: &str) -> Result<Self, String> {
        let (pool, slot) = match name.split_once('#') {
            None => (name, None),
            Some((pool, slot)) => match slot.parse::<usize>() {
                Ok(number) if number.to_string() == slot => (pool, Some(number)),
                _ => {
                    let name = quoted(name.as_bytes());
                    return Err(format!(
                        "name: {name} is not a worker; a worker is POOL#SLOT, such as opcua#0"
                    ));
                }
            },
        };
        Ok(Self { pool: pool.to_owned(), slot })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.slot {
            Some(slot) => write!(f, "{}#{slot}", self.pool),
            None => f.write_str(&self.pool),
        }
    }
}

/// The values of these parameters, given by position or by name; others are refused.
///
/// # Errors
/// One sentence.
pub fn arguments(args: &[u8], words: &[&str]) -> Result<Vec<Option<Value>>, String> {
    let value = |raw: Option<Box<RawValue>>| raw.map(|raw| serde_json::from_str(raw.get())).transpose();
    let values = raw_arguments(args, words)?.into_iter().map(value).collect::<Result<_, _>>();
    values.map_err(|_| NOT_ARGUMENTS.to_owned())
}

/// The same as they came.
///
/// # Errors
/// One sentence.
pub fn raw_arguments(args: &[u8], words: &[&str]) -> Result<Vec<Option<Box<RawValue>>>, String> {
    let allowed = match words {
        [] => "there are none".to_owned(),
        words => format!("there are: {}", words.join(", ")),
    };
    let wrong = |_| NOT_ARGUMENTS.to_owned();
    if args.trim_ascii_start().starts_with(b"[") {
        let list: Vec<Box<RawValue>> = serde_json::from_slice(args).map_err(wrong)?;
        if list.len() > words.len() {
            let plural = if list.len() == 1 { "" } else { "s" };
            return Err(format!("{} argument{plural}, but {allowed}", list.len()));
        }
        return Ok(list
            .into_iter()
            .map(Some)
            .chain(std::iter::repeat_with(|| None))
            .take(words.len())
            .collect());
    }
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(args).map_err(wrong)?;
    let values = words.iter().map(|word| members.remove(*word)).collect();
    match members.keys().next() {
        Some(unknown) => Err(format!("{} is not an argument; {allowed}", quoted(unknown.as_bytes()))),
        None => Ok(values),
    }
}

/// Whom the argument `name` names; none: everybody.
///
/// # Errors
/// One sentence.
pub fn name(value: Option<Value>) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => Ok(Some(name)),
        Some(_) => Err("name: must be a string, such as \"opcua\" or \"opcua#0\"".into()),
    }
}

fn workers(value: Option<&Value>) -> Result<u32, String> {
    let most = settings::MAX_WORKERS;
    let number = value.and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    number.filter(|number| (1..=most).contains(number)).ok_or_else(|| {
        format!("workers: must be a whole number from 1 to {most}; worker.stop leaves a pool without any")
    })
}

fn signal_number(value: Option<Value>) -> Result<i32, String> {
    let number = match value {
        Some(Value::Number(number)) => signo::check(number.as_i64().unwrap_or(i64::MAX)),
        Some(Value::String(name)) => signo::parse(name.as_bytes()),
        _ => Err("is missing; give a name such as \"USR1\", or a number".into()),
    };
    number.map_err(|sentence| format!("signal: {sentence}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_by_position_and_by_name() {
        let target = |pool: &str, slot| Some(Target { pool: pool.into(), slot });
        for (method, args, expected) in [
            ("worker.pause", "[]", Control::Slots(Command::Pause, None)),
            ("worker.pause", "{}", Control::Slots(Command::Pause, None)),
            ("worker.stop", r#"["a"]"#, Control::Slots(Command::Stop, target("a", None))),
            ("worker.start", r#"{"name":"a#3"}"#, Control::Slots(Command::Start, target("a", Some(3)))),
            ("worker.signal", r#"["a","USR1"]"#, Control::Slots(Command::Signal(10), target("a", None))),
            ("worker.signal", r#"{"signal":15}"#, Control::Slots(Command::Signal(15), None)),
            ("daemon.reload", r#"["a"]"#, Control::Reload(Some("a".into()))),
            ("daemon.stop", "[]", Control::StopDaemon),
            ("worker.scale", r#"["a",3]"#, Control::Scale(Some("a".into()), 3)),
            ("worker.scale", r#"{"workers":1024}"#, Control::Scale(None, 1024)),
        ] {
            assert_eq!(Control::parse(method, args.as_bytes()), Ok(expected), "{method} {args}");
        }
        for (method, args, told) in [
            ("worker.pause", r#"["a","b"]"#, "2 arguments, but there are: name"),
            ("daemon.stop", r#"["a"]"#, "1 argument, but there are none; worker.stop stops some"),
            ("worker.scale", r#"["a"]"#, "workers: must be a whole number from 1 to 1024"),
            ("worker.scale", r#"["a",0]"#, "worker.stop leaves a pool without any"),
            ("worker.scale", r#"["a",1025]"#, "from 1 to 1024"),
            ("worker.scale", r#"["a",1.5]"#, "whole number"),
            ("worker.scale", r#"["a","2"]"#, "whole number"),
            ("worker.scale", r#"["a#0",2]"#, "a pool is scaled as a whole"),
            ("worker.pause", r#"{"nam":"a"}"#, "\"nam\" is not an argument; there are: name"),
            ("worker.pause", r#"[7]"#, "must be a string"),
            ("worker.pause", r#"["a#x"]"#, "POOL#SLOT"),
            ("worker.signal", "[]", "signal: is missing"),
            ("worker.signal", r#"["a","NOSUCH"]"#, "\"NOSUCH\" is not a signal"),
            ("worker.signal", r#"["a",99]"#, "99"),
            ("daemon.reload", r#"["a#0"]"#, "as a whole"),
        ] {
            let error = Control::parse(method, args.as_bytes()).unwrap_err();
            assert!(error.contains(told), "{method} {args}: {error}");
        }
    }
}
