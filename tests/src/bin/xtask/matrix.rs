//! `cargo xtask matrix [debug|zts|valgrind|forky|laravel] [filter]`: tests/phpt where mistakes with memory show, and all of
//! PHP's tests with other versions than this machine's. For developers, not for CI: it builds a PHP and a Debian, and
//! takes minutes. The last line counts over all parts.
//!
//! The parts find different things. The debug PHP knows each block of Zend's heap, so a leak of one byte fails, in
//! workers too; it has no pcntl. With threads the engine's globals lie elsewhere. Valgrind sees every access and what Rust
//! and C have allocated. forky has newer headers, a newer virtual machine and other messages; and a current Laravel,
//! beside the one of this machine.

mod apt;
mod chroot;
mod kept;
mod source_php;
mod valgrind;

use std::fs::{self, File};
use std::path::PathBuf;

use clap::ValueEnum;

use self::chroot::Chroot;
use self::source_php::{Kind, SourcePhp};
use crate::build::{self, Variant};
use crate::failure::{Context, Result};
use crate::install::{self, For};
use crate::phpt::{self, Setting};
use crate::phpunit;
use crate::repo::Repo;
use crate::tally::Tally;
use crate::test;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// A PHP 8.2 with --enable-debug and without pcntl, built once from Debian's source package
    Debug,
    /// The same with --enable-zts and with pcntl
    Zts,
    /// The PHP in PATH under valgrind, and the workers that the tests start too
    Valgrind,
    /// The PHP 8.4 of Debian forky in a chroot, built once by debootstrap; as root only
    Forky,
    /// php/tests with Debian forky's Laravel 13, PHPUnit 13 and PHP 8.4, and php/tests/Laravel with this machine's Laravel;
    /// as root only
    Laravel,
}

/// They start real artisan processes; `cargo xtask test` runs them as well.
const LARAVEL_TESTS: &str = "php/tests/Laravel";

impl Part {
    pub const ALL: [Part; 5] = [Part::Debug, Part::Zts, Part::Valgrind, Part::Forky, Part::Laravel];

    fn name(self) -> &'static str {
        match self {
            Part::Debug => "debug",
            Part::Zts => "zts",
            Part::Valgrind => "valgrind",
            Part::Forky => "forky",
            Part::Laravel => "laravel",
        }
    }

    fn needs(self) -> For {
        match self {
            Part::Debug | Part::Zts => For::MatrixDebug,
            Part::Valgrind => For::MatrixValgrind,
            Part::Forky | Part::Laravel => For::MatrixForky,
        }
    }
}

/// Returns the last line; whether it is good news.
pub fn matrix(repo: &Repo, parts: &[Part], filter: Option<&str>, no_install: bool) -> Result<(Tally, bool)> {
    for part in parts {
        install::ensure(repo, part.needs(), no_install)?;
    }
    let directory = repo.path("target/matrix");
    fs::create_dir_all(&directory).context(directory.display())?;
    let lock = File::create(directory.join("lock")).context("create target/matrix/lock")?;
    lock.try_lock().map_err(|_| "another matrix is running in this checkout")?;
    build::build(repo)?;
    test::sum_up(parts.iter().map(|part| {
        let tally = match part {
            Part::Debug | Part::Zts => from_source(repo, *part, filter),
            Part::Valgrind => valgrind::setting(repo).and_then(|setting| phpt::phpt(repo, &setting, filter)),
            Part::Forky => forky(repo, filter),
            Part::Laravel => laravel(repo, filter),
        };
        (part.name(), tally)
    }))
}

fn from_source(repo: &Repo, part: Part, filter: Option<&str>) -> Result<Tally> {
    let kind = if part == Part::Zts { Kind::ThreadSafe } else { Kind::WithoutPcntl };
    let built = SourcePhp::built(repo, kind)?;
    let target = built.cargo_target(repo);
    let php = Some([&*built.php(), &*built.config()]);
    let so = build::build_variant(repo, &Variant { target: &target, php, object: None })?;
    let setting = Setting {
        name: part.name(),
        runner: built.php(),
        php: built.php(),
        run_tests: built.run_tests(),
        so,
        environment: Vec::new(),
        leave_out: |_| None,
    };
    phpt::phpt(repo, &setting, filter)
}

fn forky(repo: &Repo, filter: Option<&str>) -> Result<Tally> {
    let forky = Forky::built(repo)?;
    let api = forky.chroot.answer(&["php-config", "--phpapi"])?;
    let setting = Setting {
        name: Part::Forky.name(),
        runner: forky.php,
        php: forky.chroot.answer(&["php", "-r", "echo PHP_BINARY;"])?.into(),
        run_tests: forky.chroot.path(&format!("/usr/lib/php/{api}/build/run-tests.php")),
        so: forky.so,
        environment: Vec::new(),
        leave_out: |_| None,
    };
    phpt::phpt(repo, &setting, filter)
}

fn laravel(repo: &Repo, filter: Option<&str>) -> Result<Tally> {
    let here = phpunit::Setting::of_system(repo, "laravel")?;
    let mut tally = phpunit::directory(repo, &here, LARAVEL_TESTS, filter)?;
    let forky = Forky::built(repo)?;
    let there = phpunit::Setting {
        name: "laravel in forky",
        php: forky.php,
        phpunit: "/usr/bin/phpunit".into(),
        options: &["--fail-on-deprecation"],
        so: forky.so,
    };
    tally += phpunit::phpunit(repo, &there, filter)?;
    Ok(tally)
}

/// The chroot's PHP as a program of this machine, and the extension for it.
struct Forky {
    chroot: Chroot,
    php: PathBuf,
    so: PathBuf,
}

impl Forky {
    fn built(repo: &Repo) -> Result<Self> {
        let target = repo.path("target/php-forky");
        let chroot = Chroot::built(repo, &target)?;
        let php = chroot.program(repo, "php")?;
        let config = chroot.php_config(repo)?;
        let so = build::build_variant(
            repo,
            &Variant { target: &target, php: Some([&*php, &*config]), object: None },
        )?;
        Ok(Self { chroot, php, so })
    }
}
