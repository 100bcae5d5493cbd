//! The phpt suite under valgrind's memcheck: errors and definite leaks fail.
//!
//! TEST_PHP_EXECUTABLE is a script that starts the PHP in PATH under valgrind, with `--trace-children`: what a test
//! starts runs under valgrind too, above all the workers of tests/phpt/include/sidecar.php. Only programs named
//! `rustdaemon` do not: they are sidecars, and the fake one shows what it was started with. What valgrind says goes to
//! the standard error of the process it speaks of, and the exit code becomes 99: both are in what a test expects.
//! run-tests.php's own `-m` gives all processes of a test one log file, in which each overwrites the others'.
//!
//! # Which tests are left out
//! - Tests that fork: those whose text holds `fork(`. A child that ends without shutting down loses what PHP had.
//! - Tests that say so, as PHP's own do: `--SKIPIF--` with
//!   `<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip ...');`. Reasons are what valgrind does in its own way: `argv[0]`
//!   is the program's path, signals arrive in another order and later, the kernel sees handlers for all of them.
//!
//! # What a test must care for
//! - A fatal error leaves memory to the end of Zend's heap, which is not used here: `--ENV--` with `USE_TRACKED_ALLOC=1`
//!   makes PHP free it all the same, and heed memory_limit.
//! - A cycle of arrays or objects is freed by `gc_collect_cycles()`; PHP's end does not look for it.
//! - All is slow, ten to fifty times: deadlines of ten seconds are short.
//!
//! tests/valgrind.supp has what is PHP's or PCRE's own, with reasons.
//! Sources: valgrind(1); php-src Zend/zend_alloc.c (USE_ZEND_ALLOC, USE_TRACKED_ALLOC),
//! Zend/zend_API.c (ZEND_DONT_UNLOAD_MODULES).

use std::path::{Path, PathBuf};

use crate::build::{self, Variant};
use crate::failure::Result;
use crate::phpt::Setting;
use crate::repo::Repo;
use crate::run::{self, command};

/// For one test, without output: run-tests.php waits a minute otherwise. Seconds.
const TIMEOUT: &str = "300";

/// A constructor that grows the stack: see there.
const GROW_STACK: &str = "tests/src/bin/xtask/matrix/grow_stack.c";

pub fn setting(repo: &Repo) -> Result<Setting> {
    let system = Setting::of_system(repo, "valgrind")?;
    let so = extension(repo)?;
    let php = repo.path("target/matrix/php-under-valgrind");
    let script = script(&repo.path("tests/valgrind.supp"), &system.php);
    build::replace(&php, script.as_bytes(), 0o755)?;
    println!("{}:\n{}", repo.shown(&php), script.trim_end());
    Ok(Setting {
        php,
        so,
        // Zend's heap is one big block to valgrind, and the code of an unloaded module has no names.
        environment: vec![
            ("USE_ZEND_ALLOC", "0"),
            ("ZEND_DONT_UNLOAD_MODULES", "1"),
            ("TEST_TIMEOUT", TIMEOUT),
        ],
        leave_out: |test| test.contains("fork(").then_some("it forks"),
        ..system
    })
}

/// A variant that valgrind can deliver signals to.
fn extension(repo: &Repo) -> Result<PathBuf> {
    let object = repo.path("target/matrix/grow_stack.o");
    run::run(
        repo.command("cc", ["-O0", "-Wall", "-Werror", "-c", GROW_STACK, "-o", &object.to_string_lossy()]),
    )?;
    let target = repo.path("target/php-valgrind");
    build::build_variant(repo, &Variant { target: &target, php: None, object: Some(&object) })
}

fn script(suppressions: &Path, php: &Path) -> String {
    let [suppressions, php] = [suppressions, php].map(|path| path.display().to_string());
    let suppressions = format!("--suppressions={suppressions}");
    #[rustfmt::skip]
    let valgrind = command("valgrind", [
        "--quiet", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
        "--error-exitcode=99", "--child-silent-after-fork=yes", "--trace-children=yes",
        "--trace-children-skip=*/rustdaemon", "--num-callers=30", &suppressions, &php,
    ]);
    format!("#!/bin/sh\nexec {} \"$@\"\n", run::show(&valgrind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_spaces_are_one_word() {
        let script = script(Path::new("/my code/x.supp"), Path::new("/usr/bin/php"));
        assert!(script.starts_with("#!/bin/sh\nexec valgrind --quiet "), "{script}");
        assert!(script.ends_with(" '--suppressions=/my code/x.supp' /usr/bin/php \"$@\"\n"), "{script}");
    }
}
