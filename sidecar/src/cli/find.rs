//! Which sidecar a command means: the path of its socket.
//!
//! # How it works
//! The first of these that says something decides: `--socket`; `$RUSTDAEMON_SOCKET`, which every worker has; the `socket`
//! of the first `rustdaemon.toml` from the working directory upwards; the only sidecar that listens in `/run/rustdaemon` or
//! `$XDG_RUNTIME_DIR/rustdaemon`. Who listens is found by connecting.
//!
//! # Rules
//! Never guesses between two: they are named, and the operator chooses. A file of somebody else's is not followed: a
//! command shows its token to whoever listens there.

use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustdaemon_core::link::SOCKET_VARIABLE;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Failure, USAGE};
use crate::config;

const FILE: &str = "rustdaemon.toml";

/// The path of a socket, and what named it.
#[derive(Debug)]
pub struct Found {
    /// The path.
    pub path: PathBuf,
    /// What named it, where that was not the operator: ` (...)`.
    pub by: String,
}

/// Finds it; `given` is `--socket`.
///
/// # Errors
/// [`USAGE`]: nothing names one, several are there, or what names it is wrong.
pub fn socket(given: Option<&str>) -> Result<Found, Failure> {
    let named = |what: &str, path: &str, by: String| {
        let wrong = |sentence| Failure::new(USAGE, format!("{what}: {sentence}"));
        config::socket_path(path).map(|path| Found { path, by }).map_err(wrong)
    };
    if let Some(path) = given {
        return named("--socket", path, String::new());
    }
    if let Some(path) = std::env::var_os(SOCKET_VARIABLE) {
        return named(SOCKET_VARIABLE, &path.to_string_lossy(), format!(" ({SOCKET_VARIABLE})"));
    }
    if let Ok(directory) = std::env::current_dir()
        && let Some(file) = directory.ancestors().map(|above| above.join(FILE)).find(|file| file.is_file())
    {
        let path = trusted(&file).and_then(|()| socket_in(&file));
        let path = path.map_err(|sentence| Failure::new(USAGE, sentence))?;
        return named(&file.display().to_string(), &path, format!(" ({})", file.display()));
    }
    let live: Vec<PathBuf> = instances().into_iter().filter(|path| is_live(path)).collect();
    match live.as_slice() {
        [only] => Ok(Found { path: only.clone(), by: String::new() }),
        [] => Err(Failure::new(
            USAGE,
            format!(
                "which sidecar? Give --socket PATH, or set {SOCKET_VARIABLE}; there is no {FILE} here or above, and \
                 nobody listens in {}",
                in_words(&directories())
            ),
        )),
        several => Err(Failure::new(
            USAGE,
            format!("which sidecar? {} are there: give --socket PATH", in_words(several)),
        )),
    }
}

/// Where instances are looked for.
#[must_use]
pub fn directories() -> Vec<PathBuf> {
    let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty());
    let own = own.map(|path| Path::new(&path).join("rustdaemon"));
    [PathBuf::from("/run/rustdaemon")].into_iter().chain(own).collect()
}

/// The sockets there, those that nobody listens on included.
#[must_use]
pub fn instances() -> Vec<PathBuf> {
    let entries = directories().into_iter().filter_map(|directory| std::fs::read_dir(directory).ok());
    let is_socket = |path: &PathBuf| path.metadata().is_ok_and(|found| found.file_type().is_socket());
    let mut paths: Vec<PathBuf> =
        entries.flatten().filter_map(|entry| Some(entry.ok()?.path())).filter(is_socket).collect();
    paths.sort();
    paths
}

/// Whether somebody listens there, also where we may not ask.
#[must_use]
pub fn is_live(path: &Path) -> bool {
    match UnixStream::connect(path) {
        Ok(_) => true,
        Err(failed) => failed.kind() == ErrorKind::PermissionDenied,
    }
}

/// Paths as part of a sentence.
#[must_use]
pub fn in_words(paths: &[PathBuf]) -> String {
    let words: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    words.join(" or ")
}

/// Whether only root and we could have written a file.
fn trusted(file: &Path) -> Result<(), String> {
    let found = std::fs::metadata(file).map_err(|failed| format!("{}: {failed}", file.display()))?;
    let (owner, name) = (found.uid(), file.display());
    let own = nix::unistd::geteuid().as_raw();
    if owner != 0 && owner != own {
        return Err(format!(
            "{name} is uid {owner}'s: only your own or root's is followed; give --socket PATH"
        ));
    }
    if found.mode() & 0o002 != 0 {
        return Err(format!(
            "{name} can be written by everybody: it is not followed; chmod o-w it, or give --socket PATH"
        ));
    }
    Ok(())
}

/// The `socket` of a configuration file; relative ones are relative to its directory. What else is wrong with the file does
/// not matter here.
fn socket_in(file: &Path) -> Result<String, String> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|failed| format!("{shown}: {failed}"))?;
    let (table, _) = DeTable::parse_recoverable(&text);
    match table.get_ref().get("socket").map(Spanned::get_ref) {
        Some(DeValue::String(path)) => {
            let beside = file.parent().unwrap_or(Path::new("/")).join(path.as_ref());
            Ok(beside.to_string_lossy().into_owned())
        }
        Some(_) => Err(format!("{shown}: socket: must be a path in quotes")),
        None => Err(format!("{shown} has no socket; add one, or give --socket PATH")),
    }
}
