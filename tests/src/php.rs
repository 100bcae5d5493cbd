//! PHP with the fresh extension, and nothing of the machine's own configuration.

use std::path::PathBuf;
use std::process::Command;

use crate::sidecar::{built, outside_any_sidecar, sidecar_binary};

/// A command line of PHP.
#[derive(Debug, Clone)]
pub struct Php {
    words: Vec<String>,
}

impl Php {
    /// `php -n -d extension=<the fresh .so> ... script`.
    #[must_use]
    pub fn script(path: &str) -> Self {
        let so = Self::extension();
        let sidecar = sidecar_binary();
        let mut words: Vec<String> = vec!["/usr/bin/php".into(), "-n".into()];
        for setting in [
            format!("extension={}", so.display()),
            format!("rustdaemon.sidecar={}", sidecar.display()),
            "display_errors=stderr".into(),
            "log_errors=0".into(),
        ] {
            words.extend(["-d".into(), setting]);
        }
        words.push(path.into());
        Self { words }
    }

    /// The extension: `$RUSTDAEMON_SO`, else `target/php/rustdaemon.so`.
    #[must_use]
    pub fn extension() -> PathBuf {
        built("RUSTDAEMON_SO", "rustdaemon.so")
    }

    /// One more argument of the script.
    #[must_use]
    pub fn arg(mut self, word: &str) -> Self {
        self.words.push(word.into());
        self
    }

    /// The words, for a sidecar's command.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// As a command of its own.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        outside_any_sidecar(command, &[])
    }
}
