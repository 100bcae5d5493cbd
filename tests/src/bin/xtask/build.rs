//! `cargo xtask build`: the extension and the sidecar, in release, side by side in target/php; and variants of
//! the extension with directories of their own.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::failure::{Context, Result};
use crate::repo::Repo;
use crate::run::run;

pub fn build(repo: &Repo) -> Result {
    run(repo.command("cargo", ["build", "--release", "-p", "rustdaemon", "-p", "rustdaemon-sidecar"]))?;
    publish(repo, &repo.released("librustdaemon.so")?, &repo.so(), 0o644)?;
    publish(repo, &repo.released("rustdaemon")?, &repo.sidecar(), 0o755)
}

/// Another build of the extension.
pub struct Variant<'a> {
    /// cargo's target directory, for this variant only: what was made with one PHP's headers is wrong for another.
    pub target: &'a Path,
    /// php and php-config; otherwise those in PATH.
    pub php: Option<[&'a Path; 2]>,
    /// An object file that is linked into it.
    pub object: Option<&'a Path>,
}

/// Builds a variant of the extension; returns its path. Beside it lies the sidecar that `build` has made.
pub fn build_variant(repo: &Repo, variant: &Variant) -> Result<PathBuf> {
    let mut cargo = repo.command("cargo", ["rustc", "--release", "-p", "rustdaemon"]);
    if let Some(object) = variant.object {
        cargo.args(["--", &format!("-Clink-arg={}", object.display())]);
    }
    if let Some([php, config]) = variant.php {
        cargo.env("PHP", php).env("PHP_CONFIG", config);
    }
    cargo.env("CARGO_TARGET_DIR", variant.target);
    run(cargo)?;
    let directory = variant.target.join("php");
    let so = directory.join("rustdaemon.so");
    publish(repo, &variant.target.join("release/librustdaemon.so"), &so, 0o644)?;
    publish(repo, &repo.sidecar(), &directory.join("rustdaemon"), 0o755)?;
    Ok(so)
}

fn publish(repo: &Repo, from: &Path, to: &Path, mode: u32) -> Result {
    let fresh = fs::read(from).context(format_args!("read {}", from.display()))?;
    if replace(to, &fresh, mode)? {
        println!("{} -> {}", repo.shown(from), repo.shown(to));
    }
    Ok(())
}

/// Writes when the content differs, by rename: a process that has the old file open or mapped keeps it. Says whether it
/// has written.
pub fn replace(to: &Path, fresh: &[u8], mode: u32) -> Result<bool> {
    if fs::read(to).is_ok_and(|present| present == fresh) {
        return Ok(false);
    }
    let directory = to.parent().ok_or("a target without a directory")?;
    fs::create_dir_all(directory).context(format_args!("make {}", directory.display()))?;
    let writing = format!("write {}", to.display());
    let mut copy = tempfile::NamedTempFile::new_in(directory).context(&writing)?;
    copy.write_all(fresh).context(&writing)?;
    copy.as_file().set_permissions(fs::Permissions::from_mode(mode)).context(&writing)?;
    copy.persist(to).map_err(|why| why.error).context(&writing)?;
    Ok(true)
}
