//! `cargo xtask php -- script.php arguments...`: PHP with the fresh extension, in place of xtask.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use crate::failure::Result;
use crate::repo::{self, Repo};
use crate::{build, run};

pub fn php(repo: &Repo, arguments: Vec<OsString>) -> Result {
    build::build(repo)?;
    let php = repo::php().ok_or("no php in PATH")?;
    let mut extension = OsString::from("extension=");
    extension.push(repo.so());
    let mut command = run::command(php, [OsString::from("-d"), extension].into_iter().chain(arguments));
    command.stdin(Stdio::inherit());
    println!("$ {}", run::show(&command));
    let why = command.exec(); // returns only when it fails
    Err(format!("{}: {why}", run::program(&command)).into())
}
