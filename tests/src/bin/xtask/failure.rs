//! What a verb says when it cannot go on: one text and an exit code.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// `EX_UNAVAILABLE` of sysexits.h: something this machine needs is missing.
pub const UNAVAILABLE: u8 = 69;

/// What a shell reports for a command that SIGINT ended.
pub const INTERRUPTED: u8 = 130;

pub type Result<T = ()> = std::result::Result<T, Failure>;

#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    pub fn with_code(message: impl Into<String>, code: u8) -> Self {
        Self { message: message.into(), code }
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    pub fn is_interrupt(&self) -> bool {
        self.code == INTERRUPTED
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::with_code(message, 1)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::with_code(message, 1)
    }
}

/// Puts what was being done before the error: `open target/x: No such file or directory`.
pub trait Context<T> {
    fn context(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|why| format!("{doing}: {why}").into())
    }
}
