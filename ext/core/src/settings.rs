//! Names, paths and modes that both `install()` and the sidecar's command line take: one rule, one sentence each.
//!
//! # Rules
//! Pure. An error is the rest of a sentence that begins with the setting: what was wrong, what is allowed.
//! Sources: unix(7) (107 bytes), chmod(2).

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The name of a pool that was given none.
pub const DEFAULT_NAME: &str = "main";
/// The socket's permission bits when none are given.
pub const DEFAULT_MODE: u32 = 0o600;
/// The most workers that one pool may have.
pub const MAX_WORKERS: u32 = 1024;
/// The most requests that one worker may have deferred.
pub const MAX_CONCURRENCY: u32 = 10_000;
/// The longest path of a Unix socket in bytes: `sun_path` without its NUL. Source: unix(7).
pub const MAX_SOCKET_PATH_BYTES: usize = 107;
/// The longest token in bytes: with it, the shortest FLAT frame still has room for its arguments.
pub const MAX_TOKEN_BYTES: usize = 4096;
/// What the names of the sidecar's own methods begin with; `ping` besides.
const RESERVED_PREFIXES: [&str; 4] = ["daemon.", "worker.", "farm.", "system."];

/// A pool's name.
///
/// # Errors
/// One sentence.
pub fn pool_name(name: &[u8]) -> Result<String, String> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    match std::str::from_utf8(name) {
        Ok(text) if (1..=64).contains(&name.len()) && name.iter().all(fits) => Ok(text.to_owned()),
        _ => {
            Err(format!("{} is not a pool's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -", quoted(name)))
        }
    }
}

/// A socket's path, absolute; `directory` is what a relative one is relative to.
///
/// # Errors
/// One sentence.
pub fn socket_path(
    path: &[u8],
    directory: impl FnOnce() -> std::io::Result<PathBuf>,
) -> Result<PathBuf, String> {
    if path.is_empty() {
        return Err("is an empty string; give a path, or null for none".into());
    }
    if path.contains(&0) {
        return Err(format!("{} contains a NUL byte", quoted(path)));
    }
    if path.windows(3).any(|three| three == b"://") {
        return Err(format!("{} is a URL; give the path of a Unix socket", quoted(path)));
    }
    if path.ends_with(b"/") {
        return Err(format!("{} is a directory; give the path of a Unix socket", quoted(path)));
    }
    let path = Path::new(OsStr::from_bytes(path));
    let path = if path.is_absolute() {
        path.to_owned()
    } else {
        let base = directory().map_err(|error| {
            let path = quoted(path.as_os_str().as_bytes());
            format!("{path} is relative, and the working directory is gone ({error})")
        })?;
        base.join(path.strip_prefix("./").unwrap_or(path))
    };
    let bytes = path.as_os_str().len();
    if bytes > MAX_SOCKET_PATH_BYTES {
        return Err(format!(
            "{} has {bytes} bytes; the path of a Unix socket has at most {MAX_SOCKET_PATH_BYTES}",
            quoted(path.as_os_str().as_bytes())
        ));
    }
    Ok(path)
}

/// Permission bits from octal digits: `0660`, `660` or `0o660`.
///
/// # Errors
/// One sentence.
pub fn octal_mode(text: &[u8]) -> Result<u32, String> {
    let digits = text.strip_prefix(b"0o").or_else(|| text.strip_prefix(b"0O")).unwrap_or(text);
    let octal = !digits.is_empty() && digits.iter().all(|byte| (b'0'..=b'7').contains(byte));
    let bits = std::str::from_utf8(digits).ok().filter(|_| octal);
    let bits = bits.and_then(|digits| u32::from_str_radix(digits, 8).ok());
    bits.filter(|bits| *bits <= 0o777).ok_or_else(|| {
        let text = quoted(text);
        format!("{text} is not an octal number from 0 to 0777, such as \"0660\"")
    })
}

/// A token that clients must show; it shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

impl Token {
    /// A token of these bytes.
    ///
    /// # Errors
    /// One sentence, without a byte of it.
    pub fn new(bytes: &[u8]) -> Result<Self, String> {
        token(bytes).map(|text| Self(text.into()))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token")
    }
}

fn token(bytes: &[u8]) -> Result<&str, String> {
    let length = bytes.len();
    match std::str::from_utf8(bytes) {
        Ok("") => Err(format!("is empty; a token has 1 to {MAX_TOKEN_BYTES} bytes")),
        _ if length > MAX_TOKEN_BYTES => {
            Err(format!("has {length} bytes; a token has 1 to {MAX_TOKEN_BYTES} bytes"))
        }
        Ok(text) if !text.contains(char::is_control) => Ok(text),
        _ => Err(
            "is binary; a token is UTF-8 text without control characters, because clients show it in JSON \
                  (make one with: openssl rand -hex 32)"
                .into(),
        ),
    }
}

/// Whether a method's name is kept for the sidecar's own, those still to come included.
#[must_use]
pub fn is_reserved(method: &str) -> bool {
    method == "ping" || RESERVED_PREFIXES.iter().any(|prefix| method.starts_with(prefix))
}

/// Longest value of a session in bytes.
pub const SESSION_BYTES: usize = 256;

/// Whether a text can be the value of a session.
#[must_use]
pub fn is_session(text: &[u8]) -> bool {
    (1..=SESSION_BYTES).contains(&text.len()) && std::str::from_utf8(text).is_ok()
}

/// Longest name of a message in bytes.
pub const MESSAGE_BYTES: usize = 128;

/// Whether a text can be the name of a message: it is shown to people.
#[must_use]
pub fn is_message(name: &str) -> bool {
    (1..=MESSAGE_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// Offered under this name, a handler gets what is asked of no other.
pub const REST: &str = "*";

/// Whether a name that a client has made up may reach a worker's [`REST`]: people read it in logs.
#[must_use]
pub fn is_for_rest(method: &str) -> bool {
    (1..=128).contains(&method.len()) && !method.chars().any(char::is_control) && !is_reserved(method)
}

/// Checks the name under which `expose()` is to offer a method.
///
/// # Errors
/// One sentence: what is wrong with it.
pub fn method_name(name: &[u8]) -> Result<String, String> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.:/-".contains(byte);
    let text = match std::str::from_utf8(name) {
        Ok(REST) => REST,
        Ok(text) if (1..=128).contains(&name.len()) && name.iter().all(fits) => text,
        _ => {
            return Err(format!(
                "{} is not a method's name: 1 to 128 of the characters A-Z a-z 0-9 _ . : / -, or * for the rest",
                quoted(name)
            ));
        }
    };
    if is_reserved(text) {
        return Err(format!(
            "\"{text}\" is reserved: ping and all names that begin with {} belong to the daemon",
            RESERVED_PREFIXES.join(" ")
        ));
    }
    Ok(text.to_owned())
}

/// `bytes` in double quotes, fit for a sentence: at most 200 bytes of it, no control characters.
#[must_use]
pub fn quoted(bytes: &[u8]) -> String {
    let shown = bytes.get(..200).unwrap_or(bytes);
    let more = if shown.len() < bytes.len() { "..." } else { "" };
    let text: String = String::from_utf8_lossy(shown)
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    format!("\"{text}{more}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_paths_become_absolute_and_are_measured() {
        let directory = || Ok(PathBuf::from("/srv/app"));
        assert_eq!(socket_path(b"./run/x.sock", directory), Ok("/srv/app/run/x.sock".into()));
        assert_eq!(socket_path(b"/x.sock", || panic!("not asked")), Ok("/x.sock".into()));
        assert!(socket_path(b"", directory).unwrap_err().contains("empty"));
        assert!(socket_path(b"a\0b", directory).unwrap_err().contains("NUL"));
        assert!(socket_path(b"/run/", directory).unwrap_err().contains("directory"));
        assert!(socket_path(b"unix:///run/x", directory).unwrap_err().contains("URL"));
        assert!(socket_path(b"x", || Err(std::io::ErrorKind::NotFound.into())).unwrap_err().contains("gone"));
        let longest = format!("/{}", "x".repeat(106));
        assert!(socket_path(longest.as_bytes(), directory).is_ok());
        let error = socket_path(format!("{longest}y").as_bytes(), directory).unwrap_err();
        assert!(error.contains("has 108 bytes") && error.contains("at most 107"), "{error}");
    }

    #[test]
    fn a_token_is_text_and_is_never_quoted() {
        assert_eq!(token("s3cret/\u{e9} \u{1f600}".as_bytes()), Ok("s3cret/\u{e9} \u{1f600}"));
        assert!(token(&[b'Z'; MAX_TOKEN_BYTES]).is_ok());
        assert_eq!(format!("{:?}", Token::new(b"s3cret")), "Ok(Token)");
        let bad = [
            (&b""[..], "is empty"),
            (&[b'Z'; MAX_TOKEN_BYTES + 1], "has 4097 bytes"),
            (b"Z\xff", "is binary"),
        ];
        for (bytes, told) in bad.into_iter().chain([(&b"Z\0"[..], "is binary"), (b"Z\n", "is binary")]) {
            let error = token(bytes).unwrap_err();
            assert!(error.starts_with(told) && !error.contains('Z'), "{error}");
        }
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(pool_name(b"opcua-1.a_B"), Ok("opcua-1.a_B".into()));
        let long = "x".repeat(65);
        for bad in ["", "a b", "a#0", "\u{e9}", &long] {
            assert!(pool_name(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(pool_name(b"a\x80").is_err());
        assert_eq!(method_name(b"plc.read:v1/a-b_C"), Ok("plc.read:v1/a-b_C".into()));
        assert_eq!(method_name(b"pinger"), Ok("pinger".into()));
        assert!(is_reserved("worker.pause") && is_reserved("ping") && !is_reserved("pinger"));
        for bad in ["", "a b", "ping", "daemon.x", "worker.", "farm.list", "system.listMethods"] {
            assert!(method_name(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
