//! PHP with the fresh extension, and nothing of the machine's own configuration.

use std::path::PathBuf;
use std::process::Command;

use crate::sidecar::{built, outside_any_sidecar, sidecar_binary};

/// A command line of PHP: `php -n -d extension=<the fresh .so> ... SCRIPT ARGUMENTS`.
#[derive(Debug, Clone)]
pub struct Php {
    settings: Vec<(String, String)>,
    script: Vec<String>,
}

impl Php {
    /// With the sidecar's path set, and errors on stderr.
    #[must_use]
    pub fn script(path: &str) -> Self {
        let php = Self { settings: Vec::new(), script: vec![path.into()] };
        php.ini("extension", &Self::extension().to_string_lossy())
            .ini("rustdaemon.sidecar", &sidecar_binary().to_string_lossy())
            .ini("display_errors", "stderr")
            .ini("log_errors", "0")
    }

    /// The extension: `$RUSTDAEMON_SO`, else `target/php/rustdaemon.so`.
    #[must_use]
    pub fn extension() -> PathBuf {
        built("RUSTDAEMON_SO", "rustdaemon.so")
    }

    /// Sets an ini entry, in place of what it was.
    #[must_use]
    pub fn ini(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.into(), value.into()));
        self
    }

    /// One more argument of the script.
    #[must_use]
    pub fn arg(mut self, word: impl ToString) -> Self {
        self.script.push(word.to_string());
        self
    }

    /// The words, for a sidecar's command or a shell.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let settings =
            self.settings.iter().flat_map(|(name, value)| ["-d".into(), format!("{name}={value}")]);
        let words = ["/usr/bin/php".into(), "-n".into()].into_iter().chain(settings);
        words.chain(self.script.iter().cloned()).collect()
    }

    /// As a command of its own, outside any sidecar.
    #[must_use]
    pub fn command(&self) -> Command {
        let words = self.words();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        outside_any_sidecar(command, &[])
    }
}
