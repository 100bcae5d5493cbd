//! Files that exist to be locked: opened, or made, and never unlinked.
//!
//! # What may be refused
//! A symlink at the name; a file that another user has made or may write, which could name whom we kill; a file that somebody else replaces while it is being locked is locked again.
//! Sources: open(2), fcntl(2).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Opens `name` for reading and writing, close-on-exec; makes it, with mode 0600, where it is missing.
///
/// # Errors
/// What open(2) says.
pub fn open(name: &Path) -> io::Result<File> {
    loop {
        // Never O_CREAT on a file that is there: fs.protected_regular refuses it in /tmp, to root as well.
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file = match options.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => options.create_new(true).open(name),
            other => other,
        };
        match file {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.and_then(checked),
        }
    }
}

/// What stands in it decides who is killed: nobody else may have made it, or write to it.
fn checked(file: File) -> io::Result<File> {
    let stat = file.metadata()?;
    let own = [0, nix::unistd::geteuid().as_raw()].contains(&stat.uid());
    match stat.is_file() && own && stat.nlink() == 1 && stat.mode() & 0o022 == 0 {
        true => Ok(file),
        false => Err(io::Error::other(
            "it must be a plain file of ours or root's that nobody else may write; remove it, and put the socket into a \
             directory of your own",
        )),
    }
}

/// Whether `name` still leads to `file`: after a lock was taken, that nobody has replaced it in between.
#[must_use]
pub fn leads_to(name: &Path, file: &File) -> bool {
    let own = file.metadata().map(|stat| (stat.dev(), stat.ino())).ok();
    own.is_some() && own == identity(name)
}

/// Which file stands there; a symlink is itself.
#[must_use]
pub fn identity(name: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(name).ok().map(|stat| (stat.dev(), stat.ino()))
}

/// `path` with something behind its last name.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
