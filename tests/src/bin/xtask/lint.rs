//! `cargo xtask lint`: everything that can be said about the code without running it. All checks run; all findings
//! are shown; the verdict comes last.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::{Context, Failure, Result};
use crate::floors::{self, Finding, Source};
use crate::install::{self, For};
use crate::repo::{self, Repo};
use crate::run::{self, run};
use crate::{mentions, stubs};

/// The crates with floors: where their sources are, their root, and their rules about single names.
type Mentions = fn(&[Source]) -> Vec<Finding>;
const CRATES: [(&str, &str, Mentions); 3] = [
    ("ext/src", "lib.rs", mentions::check_ext),
    ("ext/core/src", "lib.rs", mentions::check_core),
    ("sidecar/src", "main.rs", mentions::check_sidecar),
];

/// Where `#[allow]` needs a reason: everywhere.
const RUST: [&str; 4] = ["ext", "sidecar", "tests", "fuzz"];

/// The Composer package.
const PHP: [&str; 4] = ["php/config", "php/src", "php/polyfill", "php/tests"];

pub fn lint(repo: &Repo, no_install: bool) -> Result {
    install::ensure(repo, For::Lint, no_install)?;
    let checks: [(&str, &dyn Fn() -> Result); 10] = [
        ("fmt", &|| run(repo.command("cargo", ["fmt", "--all", "--check"]))),
        ("fmt of fuzz", &|| run(in_fuzz(repo, ["fmt", "--check"]))),
        ("floors", &|| check_floors(repo)),
        ("allow", &|| check_allows(repo)),
        ("clippy", &|| {
            run(repo.command("cargo", ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
        }),
        ("clippy of fuzz", &|| {
            let mut clippy = in_fuzz(repo, ["clippy", "--no-default-features"]);
            clippy.args(["--target-dir=target/fuzz", "--", "-D", "warnings"]);
            run(clippy)
        }),
        ("doc", &|| {
            let mut doc = repo.command("cargo", ["doc", "--workspace", "--no-deps"]);
            doc.env("RUSTDOCFLAGS", "-D warnings");
            run(doc)
        }),
        ("stubs", &|| stubs::stubs(repo, true)),
        ("php", &|| check_php(repo)),
        ("composer", &|| {
            let mut composer = repo.command("composer", ["validate", "--strict", "--no-interaction"]);
            composer.arg("php/composer.json").env("COMPOSER_ALLOW_SUPERUSER", "1");
            run(composer)
        }),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        match check() {
            Ok(()) => println!("ok    {name}"),
            Err(why) if why.is_interrupt() => return Err(why),
            Err(why) => {
                println!("FAIL  {name}: {why}");
                failed.push(name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("lint: {} failed", failed.join(", ")).into()) }
}

/// cargo in fuzz/, which is a workspace of its own. Without its default features it needs no C++ compiler.
fn in_fuzz(repo: &Repo, [verb, option]: [&str; 2]) -> Command {
    repo.command("cargo", [verb, "--manifest-path=fuzz/Cargo.toml", option])
}

/// PSR-12, warnings included, and what PHP itself says of the package's files.
fn check_php(repo: &Repo) -> Result {
    run(repo.command("phpcs", ["--standard=php/phpcs.xml"]))?;
    let php = repo::php().ok_or("no php in PATH")?;
    for directory in PHP {
        for file in repo::files_below(&repo.path(directory), "php")? {
            let mut lint = repo.command(&php.to_string_lossy(), ["-n", "-l"]);
            lint.arg(&file);
            run::quietly(lint, Duration::from_secs(60))?.success()?;
        }
    }
    Ok(())
}

fn check_floors(repo: &Repo) -> Result {
    let mut findings = Vec::new();
    for (directory, root, mentions) in CRATES {
        let sources = sources(&repo.path(directory))?;
        let mut found = floors::check(root, &sources);
        found.extend(mentions(&sources));
        findings.extend(found.into_iter().map(|finding| in_directory(directory, finding)));
    }
    verdict(&findings)
}

fn check_allows(repo: &Repo) -> Result {
    let mut findings = Vec::new();
    for directory in RUST {
        for source in sources(&repo.path(directory))? {
            findings.extend(
                mentions::check_allows(&source).into_iter().map(|found| in_directory(directory, found)),
            );
        }
    }
    verdict(&findings)
}

fn in_directory(directory: &str, finding: Finding) -> Finding {
    Finding { path: format!("{directory}/{}", finding.path), ..finding }
}

fn verdict(findings: &[Finding]) -> Result {
    for finding in findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        number => Err(Failure::from(format!("{number} found"))),
    }
}

/// All .rs files below a directory, in a fixed order.
fn sources(directory: &Path) -> Result<Vec<Source>> {
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).context(path.display())?;
        let path = path.strip_prefix(directory).unwrap_or(&path).to_string_lossy().into_owned();
        Ok(Source { path, text })
    };
    repo::files_below(directory, "rs")?.into_iter().map(read).collect()
}
