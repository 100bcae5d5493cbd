//! Who may do what: the token that clients must show, and the role of who is at the other end.
//!
//! # How it works
//! **Token.** Where there is one, every request shows it, whoever asks: the sidecar's own user is often that of
//! everything else on the machine. Only a `ping` needs none, and is then told no more than that somebody is there (FLAT's
//! shows it, as in opcua-session-manager).
//!
//! # What may be lost
//! How long a token takes to compare tells its length, as PHP's `hash_equals()` does, and nothing else.
//!
//! # Rules
//! Pure. A token is never shown: not by [`Debug`], not in a sentence.
//! Sources: DESIGN §4; unix(7) SO_PEERCRED.

use std::fmt;

use rustdaemon_core::settings;
use subtle::ConstantTimeEq;

/// What clients must show.
#[derive(Clone)]
pub struct Token(Box<str>);

impl Token {
    /// A token of these bytes.
    ///
    /// # Errors
    /// One sentence, without a byte of it.
    pub fn new(bytes: &[u8]) -> Result<Self, String> {
        settings::token(bytes).map(|text| Self(text.into()))
    }

    /// Whether it is what somebody shows, in a time that does not depend on where they differ.
    #[must_use]
    pub fn is(&self, shown: &str) -> bool {
        self.0.as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token")
    }
}

/// Who is at the other end of a connection, as it was when that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its process; 0: one outside this PID namespace.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
}

impl fmt::Display for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, uid } = self;
        match pid {
            0 => write!(out, "outside this PID namespace (uid {uid})"),
            _ => write!(out, "pid {pid} (uid {uid})"),
        }
    }
}

/// Who may do what.
#[derive(Clone, Debug, Default)]
pub struct Access {
    token: Option<Token>,
}

impl Access {
    /// With a token that every client must show, or without.
    #[must_use]
    pub fn new(token: Option<Token>) -> Self {
        Self { token }
    }

    /// What every client must show.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_only_and_shows_nothing() {
        let token = Token::new(b"s3cret").unwrap();
        assert!(token.is("s3cret"));
        for other in ["", "s3cre", "s3cret ", "S3cret", "s3creT", "s3cret\0"] {
            assert!(!token.is(other), "{other:?}");
        }
        assert_eq!(format!("{token:?}"), "Token");
    }
}
