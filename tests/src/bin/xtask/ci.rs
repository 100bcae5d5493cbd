//! `cargo xtask ci`: exactly what CI runs, in place of xtask.

use std::os::unix::process::CommandExt;

use crate::failure::Result;
use crate::repo::Repo;
use crate::run;

pub fn ci(repo: &Repo) -> Result {
    let mut command = repo.command("bash", [".ci/run"]);
    println!("$ {}", run::show(&command));
    let why = command.exec(); // returns only when it fails
    Err(format!("bash: {why}").into())
}
