//! Where things are: the checkout, what cargo builds, what xtask puts beside it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Context, Result};
use crate::run;

pub struct Repo {
    root: PathBuf,
}

impl Repo {
    /// The checkout this xtask was built from; if that has moved, the one around the working directory.
    pub fn find() -> Result<Self> {
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let here = env::current_dir().context("the working directory")?;
        let root = built_from.into_iter().chain(here.ancestors()).find(|path| is_root(path));
        match root {
            Some(root) => Ok(Self { root: root.to_owned() }),
            None => Err(format!("no checkout of rustdaemon around {}", here.display()).into()),
        }
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A path as it is shown: relative to the checkout.
    pub fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }

    /// The extension, where everything that runs PHP takes it from.
    pub fn so(&self) -> PathBuf {
        self.path("target/php/rustdaemon.so")
    }

    /// The sidecar beside it: one of the places where `install()` looks.
    pub fn sidecar(&self) -> PathBuf {
        self.path("target/php/rustdaemon")
    }

    pub fn venv(&self) -> PathBuf {
        self.path("target/venv")
    }

    pub fn python(&self) -> PathBuf {
        self.path("target/venv/bin/python")
    }

    /// What `cargo build --release` has made. Beside our own profile's directory: cargo may have been told to build
    /// elsewhere than in `target/`.
    pub fn released(&self, name: &str) -> Result<PathBuf> {
        let me = env::current_exe().context("where xtask itself is")?;
        let profiles = me.parent().and_then(Path::parent).unwrap_or(&self.root);
        Ok(profiles.join("release").join(name))
    }

    /// `program arguments...` in the root of the checkout.
    pub fn command<const N: usize>(&self, program: &str, arguments: [&str; N]) -> Command {
        let mut command = run::command(program, arguments);
        command.current_dir(&self.root);
        command
    }
}

fn is_root(path: &Path) -> bool {
    path.join("ext/core/Cargo.toml").is_file() && path.join("sidecar/Cargo.toml").is_file()
}

/// PHP's command line binary: `$PHP`, which ext-php-rs honours too, or the one in PATH.
pub fn php() -> Option<PathBuf> {
    run::which(&env::var("PHP").unwrap_or_else(|_| "php".into()))
}

/// `$PHP_CONFIG` or the one in PATH.
pub fn php_config() -> Option<PathBuf> {
    run::which(&env::var("PHP_CONFIG").unwrap_or_else(|_| "php-config".into()))
}

/// PHP's own test runner, which Debian ships in its -dev package.
pub fn run_tests_php() -> Option<PathBuf> {
    let config = php_config()?;
    let api = run::answer(&config, &["--phpapi"]).map(|api| PathBuf::from(format!("/usr/lib/php/{api}")));
    let prefix = run::answer(&config, &["--prefix"]).map(|prefix| PathBuf::from(prefix).join("lib/php"));
    [api, prefix]
        .into_iter()
        .flatten()
        .map(|base| base.join("build/run-tests.php"))
        .find(|path| path.is_file())
}

/// Whether PHP's headers are where php-config says.
pub fn has_php_headers() -> bool {
    php_config()
        .and_then(|config| run::answer(config, &["--include-dir"]))
        .is_some_and(|directory| Path::new(&directory).join("main/php.h").is_file())
}

/// All files below a directory whose names end with `.ending`, sorted.
pub fn files_below(directory: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(place) = waiting.pop() {
        for entry in fs::read_dir(&place).context(place.display())? {
            let path = entry.context(place.display())?.path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
