//! What `install()` was given, and on which rung a script stands.
//!
//! # How it works
//! Arguments are checked first, each with one sentence of its own; then [`decide`] looks at the environment that the
//! process was started with. Nothing here reads the environment or changes anything.
//!
//! | `RUSTDAEMON_LINK` | `RUSTDAEMON_RUN` | `RUSTDAEMON` | `socket:` | rung |
//! |---|---|---|---|---|
//! | set | any | any | any | supervised, or an error: never a self-start |
//! | - | set | any | any | unsupervised: started by a worker |
//! | - | - | `off` | any | unsupervised |
//! | - | - | - | given | self-start |
//! | - | - | - | - | unsupervised |
//!
//! `RUSTDAEMON` with any other value than `off` is an error on every rung; empty is the same as not set.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::link::{LINK_VARIABLE, RUN_VARIABLE};
use crate::settings::{self, DEFAULT_MODE, MAX_WORKERS, Token, quoted};

/// The environment variable that keeps a script from starting a sidecar: `off`.
pub const SWITCH_VARIABLE: &str = "RUSTDAEMON";

/// Where a script finds itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rung {
    /// Under a sidecar, which named its link so.
    Supervised(OsString),
    /// Started by a worker: the sidecar above knows nothing of it.
    StartedByWorker,
    /// Alone, and asked to stay so, or without a socket.
    Alone,
    /// Alone, with a socket: starts itself again under a sidecar.
    SelfStart,
}

/// Which rung, from the environment that the process was started with.
///
/// # Errors
/// One sentence: `RUSTDAEMON` has a value that is not known.
pub fn decide<'a>(variable: impl Fn(&str) -> Option<&'a OsStr>, socket_given: bool) -> Result<Rung, String> {
    let switch = variable(SWITCH_VARIABLE).filter(|value| !value.is_empty());
    let off = match switch.map(OsStr::as_bytes) {
        None => false,
        Some(b"off") => true,
        Some(other) => {
            let other = quoted(other);
            return Err(format!(
                "{SWITCH_VARIABLE}={other} in the environment is not known: only \"off\" is"
            ));
        }
    };
    Ok(match (variable(LINK_VARIABLE), variable(RUN_VARIABLE)) {
        (Some(link), _) => Rung::Supervised(link.to_owned()),
        (None, Some(_)) => Rung::StartedByWorker,
        (None, None) if socket_given && !off => Rung::SelfStart,
        (None, None) => Rung::Alone,
    })
}

/// What `install()` was given, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// `name:`
    pub name: Option<String>,
    /// `socket:`, absolute.
    pub socket: Option<PathBuf>,
    /// `mode:`, permission bits.
    pub mode: u32,
    /// `token:`
    pub token: Option<Token>,
    /// `workers:`
    pub workers: u32,
}

/// `mode:` as PHP gave it.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// An integer.
    Number(i64),
    /// A string, octal.
    Text(&'a [u8]),
}

impl Arguments {
    /// Checks what `install()` was given; `directory` is what a relative socket path is relative to.
    ///
    /// # Errors
    /// One sentence about the first argument that is wrong.
    pub fn check(
        name: Option<&[u8]>,
        socket: Option<&[u8]>,
        mode: Mode<'_>,
        token: Option<&[u8]>,
        workers: i64,
        directory: impl FnOnce() -> std::io::Result<PathBuf>,
    ) -> Result<Self, String> {
        let about = |argument: &'static str| move |sentence: String| format!("{argument}: {sentence}");
        let name = name.map(settings::pool_name).transpose().map_err(about("name"))?;
        let socket = socket.map(|path| settings::socket_path(path, directory)).transpose();
        let socket = socket.map_err(about("socket"))?;
        let mode = permission_bits(mode).map_err(about("mode"))?;
        let token = token.map(Token::new).transpose().map_err(about("token"))?;
        let workers =
            u32::try_from(workers).ok().filter(|n| (1..=MAX_WORKERS).contains(n)).ok_or_else(|| {
                format!("workers: {workers} is not possible: a pool has 1 to {MAX_WORKERS} workers")
            })?;
        Ok(Self { name, socket, mode, token, workers })
    }

    /// `mode:` when it is not the default.
    #[must_use]
    pub fn given_mode(&self) -> Option<u32> {
        Some(self.mode).filter(|mode| *mode != DEFAULT_MODE)
    }

    /// `workers:` when it is not the default.
    #[must_use]
    pub fn given_workers(&self) -> Option<u32> {
        Some(self.workers).filter(|workers| *workers != 1)
    }
}

fn permission_bits(mode: Mode<'_>) -> Result<u32, String> {
    match mode {
        Mode::Number(number) => {
            let bits = u32::try_from(number).ok().filter(|bits| *bits <= 0o777);
            bits.ok_or_else(|| match settings::octal_mode(number.to_string().as_bytes()) {
                Ok(_) => format!("{number} is decimal; octal is written with a zero: 0{number}"),
                Err(_) => format!("{number} is not possible: permission bits are 0 to 0777"),
            })
        }
        Mode::Text(text) => settings::octal_mode(text),
    }
}

/// The bytes of an environment entry's value, when the entry is `name=...`.
#[must_use]
pub fn value_of<'a>(entry: &'a OsStr, name: &str) -> Option<&'a OsStr> {
    let rest = entry.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    Some(OsStr::from_bytes(rest))
}

/// Splits a file in which each entry ends with a NUL byte, such as `/proc/self/cmdline`.
#[must_use]
pub fn split_nul(bytes: &[u8]) -> Vec<OsString> {
    let entries = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    entries.split(|byte| *byte == 0).map(|entry| OsString::from_vec(entry.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rung(entries: &[(&str, &str)], socket: bool) -> Result<Rung, String> {
        decide(
            |name| entries.iter().find(|(known, _)| *known == name).map(|(_, value)| OsStr::new(*value)),
            socket,
        )
    }

    #[test]
    fn the_link_wins_over_everything() {
        let link = Ok(Rung::Supervised("in=3:1".into()));
        let all = [(LINK_VARIABLE, "in=3:1"), (RUN_VARIABLE, "r/0"), (SWITCH_VARIABLE, "off")];
        assert_eq!(rung(&all, true), link);
        assert_eq!(rung(&all[..1], false), link);
    }

    #[test]
    fn what_a_worker_started_never_starts_a_sidecar() {
        assert_eq!(rung(&[(RUN_VARIABLE, "r/0")], true), Ok(Rung::StartedByWorker));
    }

    #[test]
    fn a_socket_starts_a_sidecar_unless_switched_off() {
        assert_eq!(rung(&[], true), Ok(Rung::SelfStart));
        assert_eq!(rung(&[(SWITCH_VARIABLE, "")], true), Ok(Rung::SelfStart));
        assert_eq!(rung(&[(SWITCH_VARIABLE, "off")], true), Ok(Rung::Alone));
        assert_eq!(rung(&[], false), Ok(Rung::Alone));
    }

    #[test]
    fn only_off_is_known() {
        let error = rung(&[(SWITCH_VARIABLE, "no"), (LINK_VARIABLE, "x")], true).unwrap_err();
        assert_eq!(error, "RUSTDAEMON=\"no\" in the environment is not known: only \"off\" is");
    }

    #[test]
    fn modes_are_octal_and_permission_bits_only() {
        for (given, bits) in [("0660", 0o660), ("660", 0o660), ("0o660", 0o660), ("0", 0), ("0777", 0o777)] {
            assert_eq!(permission_bits(Mode::Text(given.as_bytes())), Ok(bits), "{given}");
        }
        for given in ["", "0o", "rw", "0888", "1777", "-1", " 660", "0x1", "99999999999999999999"] {
            assert!(permission_bits(Mode::Text(given.as_bytes())).is_err(), "{given}");
        }
        assert_eq!(permission_bits(Mode::Number(0o660)), Ok(0o660));
        let decimal = permission_bits(Mode::Number(660)).unwrap_err();
        assert_eq!(decimal, "660 is decimal; octal is written with a zero: 0660");
        let negative = permission_bits(Mode::Number(-1)).unwrap_err();
        assert_eq!(negative, "-1 is not possible: permission bits are 0 to 0777");
        assert!(permission_bits(Mode::Number(999)).unwrap_err().contains("not possible"));
    }

    #[test]
    fn entries_split_at_nul() {
        assert_eq!(split_nul(b"php\0\0x\0"), ["php", "", "x"].map(OsString::from));
        assert_eq!(split_nul(b"").len(), 0);
        assert_eq!(value_of(OsStr::new("A=b=c"), "A"), Some(OsStr::new("b=c")));
        assert_eq!(value_of(OsStr::new("AB=c"), "A"), None);
    }
}
