//! `cargo xtask stubs [--check]`: signatures from Reflection of the release .so, texts from the `///` in ext/src. The
//! Composer package carries a copy.

use std::fs;
use std::time::Duration;

use crate::build;
use crate::failure::{Context, Result};
use crate::repo::{self, Repo};
use crate::run::{self, Done};

const STUB: &str = "stubs/rustdaemon.stub.php";
const STUBS: [&str; 2] = [STUB, "php/stubs/rustdaemon.stub.php"];

pub fn stubs(repo: &Repo, check: bool) -> Result {
    build::build(repo)?;
    let fresh = generate(repo)?;
    for stub in STUBS {
        if !check {
            fs::write(repo.path(stub), &fresh).context(format_args!("write {stub}"))?;
        }
        compare(repo, stub, &fresh)?;
    }
    let php = repo::php().ok_or("no php in PATH")?;
    run::run(repo.command(&php.to_string_lossy(), ["-n", "-l", STUB]))
}

fn generate(repo: &Repo) -> Result<String> {
    let php = repo::php().ok_or("no php in PATH")?;
    let extension = format!("extension={}", repo.so().display());
    let command =
        repo.command(&php.to_string_lossy(), ["-n", "-d", &extension, "tests/stubs.php", "ext/src"]);
    let shown = run::show(&command);
    println!("$ {shown} > {STUB}");
    let Done { status, stdout, stderr } = run::quietly(command, Duration::from_secs(60))?;
    if status.success() && stdout.starts_with("<?php") && stderr.is_empty() {
        return Ok(stdout);
    }
    Err(format!("{shown}: {}\n{stderr}{stdout}", run::ending(status)).into())
}

/// Shows what differs.
fn compare(repo: &Repo, stub: &str, fresh: &str) -> Result {
    let written = fs::read_to_string(repo.path(stub)).unwrap_or_default();
    if written == fresh {
        return Ok(());
    }
    let generated = tempfile::NamedTempFile::new().context("a temporary file")?;
    fs::write(generated.path(), fresh).context("a temporary file")?;
    let name = generated.path().to_string_lossy();
    let diff = repo.command("diff", ["-u", "-N", "--label", stub, "--label", "generated", stub, &name]);
    print!("{}", run::quietly(diff, Duration::from_secs(60))?.stdout);
    Err(format!("{stub} is not what the extension says: `cargo xtask stubs` writes it").into())
}
