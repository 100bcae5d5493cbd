//! `cargo xtask matrix [debug|valgrind] [filter]`: tests/phpt where mistakes with memory show. For developers, not for
//! CI: it builds a PHP and takes minutes. The last line counts over all parts.
//!
//! The parts find different things. The debug PHP knows each block of Zend's heap, so a leak of one byte fails, in
//! workers too; it has no pcntl. Valgrind sees every access and what Rust and C have allocated.

mod apt;
mod debug_php;
mod valgrind;

use std::fs::{self, File};

use clap::ValueEnum;

use self::debug_php::DebugPhp;
use crate::build::{self, Variant};
use crate::failure::{Context, Result};
use crate::install::{self, For};
use crate::phpt::{self, Setting};
use crate::repo::Repo;
use crate::tally::Tally;
use crate::test;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// A PHP 8.2 with --enable-debug and without pcntl, built once from Debian's source package
    Debug,
    /// The PHP in PATH under valgrind, and the workers that the tests start too
    Valgrind,
}

impl Part {
    pub const ALL: [Part; 2] = [Part::Debug, Part::Valgrind];

    fn name(self) -> &'static str {
        match self {
            Part::Debug => "debug",
            Part::Valgrind => "valgrind",
        }
    }

    fn needs(self) -> For {
        match self {
            Part::Debug => For::MatrixDebug,
            Part::Valgrind => For::MatrixValgrind,
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
            Part::Debug => debug(repo, filter),
            Part::Valgrind => valgrind::setting(repo).and_then(|setting| phpt::phpt(repo, &setting, filter)),
        };
        (part.name(), tally)
    }))
}

fn debug(repo: &Repo, filter: Option<&str>) -> Result<Tally> {
    let debug = DebugPhp::built(repo)?;
    let target = debug_php::cargo_target(repo);
    let php = Some([&*debug.php(), &*debug.config()]);
    let so = build::build_variant(repo, &Variant { target: &target, php, object: None })?;
    let setting = Setting {
        name: Part::Debug.name(),
        runner: debug.php(),
        php: debug.php(),
        run_tests: debug.run_tests(),
        so,
        environment: Vec::new(),
        leave_out: |_| None,
    };
    phpt::phpt(repo, &setting, filter)
}
