//! The debug PHP in target/matrix/php-8.2-debug: 8.2 without thread safety, from Debian's own source package, built when
//! it is not there yet. It has `--enable-debug`, so it reports what is left in Zend's heap at its end and who replaced a
//! signal handler; and it has no pcntl, which the extension must not need.
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
const NAME: &str = "php-8.2-debug";

/// What tests need, and little else. What Debian builds as shared extensions is shared here too: with `-n` it is loaded
/// only where a test asks for it. php-cgi comes along, as there is a test with it.
#[rustfmt::skip]
const FLAGS: [&str; 9] = [
    "--enable-debug", "--disable-all", "--disable-phpdbg", "--enable-filter", "--enable-posix=shared",
    "--enable-sockets=shared", "--enable-tokenizer=shared", "--enable-opcache", "--with-ffi=shared",
];

pub struct DebugPhp {
    prefix: PathBuf,
}

/// Where cargo builds the extension for it.
pub fn cargo_target(repo: &Repo) -> PathBuf {
    repo.path("target").join(NAME)
}

impl DebugPhp {
    pub fn built(repo: &Repo) -> Result<Self> {
        let directory = repo.path("target/matrix");
        let php = Self { prefix: directory.join(NAME) };
        let flags = php.flags();
        let kept = Kept { directory: php.prefix.clone(), recipe: flags.join("\n") };
        if kept.is_complete(repo) {
            return Ok(php);
        }
        let [packages, sources] = ["apt", "src"].map(|name| directory.join(name));
        for old in [&php.prefix, &packages, &sources, &cargo_target(repo)] {
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
        let log = |name: &str| repo.path("target/matrix").join(name);
        let mut configure = command("env", ["-C", &source_arg, "./configure", "--quiet"]);
        configure.args(flags);
        logged(repo, configure, &log("configure.log"))?;
        logged(repo, command("make", ["-C", &source_arg, &jobs]), &log("make.log"))?;
        logged(repo, command("make", ["-C", &source_arg, "install"]), &log("install.log"))
    }

    fn flags(&self) -> Vec<String> {
        let prefix = format!("--prefix={}", self.prefix.display());
        [prefix].into_iter().chain(FLAGS.map(str::to_owned)).collect()
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
