//! A PHP 8.2 in target/matrix, from Debian's own source package, built when it is not there yet. It has `--enable-debug`, so
//! it reports what is left in Zend's heap at its end and who replaced a signal handler. There are two kinds: one without
//! pcntl, which the extension must not need, and one with threads (ZTS) and pcntl.
//!
//! # Correct order
//! Download, unpack, configure, make, install (see `kept`): with other flags of configure all is built again, the
//! extension included.
//!
//! Upstream's archive is taken without Debian's patches: it ships `configure` and the generated parsers, so neither
//! autoconf nor bison nor re2c is needed. Sources stay in target/matrix/src, for a debugger.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use super::apt;
use super::kept::{Kept, logged, remove};
use crate::failure::{Context, Result};
use crate::repo::Repo;
use crate::run::{self, command};

/// Debian 12's source package.
const PACKAGE: &str = "php8.2";

/// What tests need, and little else. What Debian builds as shared extensions is shared here too: with `-n` it is loaded
/// only where a test asks for it. php-cgi comes along, as there is a test with it.
#[rustfmt::skip]
const FLAGS: [&str; 9] = [
    "--enable-debug", "--disable-all", "--disable-phpdbg", "--enable-filter", "--enable-posix=shared",
    "--enable-sockets=shared", "--enable-tokenizer=shared", "--enable-opcache", "--with-ffi=shared",
];

#[derive(Clone, Copy)]
pub enum Kind {
    WithoutPcntl,
    ThreadSafe,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::WithoutPcntl => "php-8.2-debug",
            Kind::ThreadSafe => "php-8.2-zts",
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Kind::WithoutPcntl => &[],
            Kind::ThreadSafe => &["--enable-zts", "--enable-pcntl"],
        }
    }
}

pub struct SourcePhp {
    kind: Kind,
    prefix: PathBuf,
}

impl SourcePhp {
    pub fn built(repo: &Repo, kind: Kind) -> Result<Self> {
        let directory = repo.path("target/matrix");
        let php = Self { kind, prefix: directory.join(kind.name()) };
        let flags = php.flags();
        let kept = Kept { directory: php.prefix.clone(), recipe: flags.join("\n") };
        if kept.is_complete(repo) {
            return Ok(php);
        }
        let [packages, sources] = ["apt", "src"].map(|name| directory.join(name).join(kind.name()));
        for old in [&php.prefix, &packages, &sources, &php.cargo_target(repo)] {
            remove(old)?;
        }
        fs::create_dir_all(&sources).context(sources.display())?;
        let archive = apt::download(PACKAGE, &packages)?;
        let [archive, into] = [&archive, &sources].map(|path| path.display().to_string());
        run::run(repo.command("tar", ["--extract", "--file", &archive, "--directory", &into]))?;
        php.make(repo, &only_directory_in(&sources)?, &flags)?;
        kept.set_complete()?;
        Ok(php)
    }

    fn make(&self, repo: &Repo, source: &Path, flags: &[String]) -> Result {
        let source_arg = source.display().to_string();
        let jobs = format!("-j{}", thread::available_parallelism().map_or(1, usize::from));
        let log = |step: &str| repo.path("target/matrix").join(format!("{}.{step}.log", self.kind.name()));
        let mut configure = command("env", ["-C", &source_arg, "./configure", "--quiet"]);
        configure.args(flags);
        logged(repo, configure, &log("configure"))?;
        logged(repo, command("make", ["-C", &source_arg, &jobs]), &log("make"))?;
        logged(repo, command("make", ["-C", &source_arg, "install"]), &log("install"))
    }

    fn flags(&self) -> Vec<String> {
        let prefix = format!("--prefix={}", self.prefix.display());
        let flags = FLAGS.iter().chain(self.kind.flags()).map(|flag| (*flag).to_owned());
        [prefix].into_iter().chain(flags).collect()
    }

    /// Where cargo builds the extension for it.
    pub fn cargo_target(&self, repo: &Repo) -> PathBuf {
        repo.path("target").join(self.kind.name())
    }

    pub fn php(&self) -> PathBuf {
        self.prefix.join("bin/php")
    }

    pub fn config(&self) -> PathBuf {
        self.prefix.join("bin/php-config")
    }

    pub fn run_tests(&self) -> PathBuf {
        self.prefix.join("lib/php/build/run-tests.php")
    }
}

/// `php-8.2.32`
fn only_directory_in(directory: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(directory).context(directory.display())?;
    let directories: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    match directories.as_slice() {
        [only] => Ok(only.clone()),
        other => Err(format!("{} directories in {}", other.len(), directory.display()).into()),
    }
}
