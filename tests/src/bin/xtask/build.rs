//! `cargo xtask build`: the extension and the sidecar, in release, side by side in target/php.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::failure::{Context, Result};
use crate::repo::Repo;
use crate::run::run;

pub fn build(repo: &Repo) -> Result {
    run(repo.command("cargo", ["build", "--release", "-p", "rustdaemon", "-p", "rustdaemon-sidecar"]))?;
    publish(repo, &repo.released("librustdaemon.so")?, &repo.so(), 0o644)?;
    publish(repo, &repo.released("rustdaemon")?, &repo.sidecar(), 0o755)
}

/// Copies when the content differs, by rename: a process that has the old file open or mapped keeps it.
fn publish(repo: &Repo, from: &Path, to: &Path, mode: u32) -> Result {
    let fresh = fs::read(from).context(format_args!("read {}", from.display()))?;
    if fs::read(to).is_ok_and(|present| present == fresh) {
        return Ok(());
    }
    let directory = to.parent().ok_or("a target without a directory")?;
    fs::create_dir_all(directory).context(format_args!("make {}", directory.display()))?;
    let writing = format!("write {}", to.display());
    let mut copy = tempfile::NamedTempFile::new_in(directory).context(&writing)?;
    copy.write_all(&fresh).context(&writing)?;
    copy.as_file().set_permissions(fs::Permissions::from_mode(mode)).context(&writing)?;
    copy.persist(to).map_err(|why| why.error).context(&writing)?;
    println!("{} -> {}", repo.shown(from), repo.shown(to));
    Ok(())
}
