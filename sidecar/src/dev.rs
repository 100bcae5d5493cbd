//! Files of the application that change: when it is time to reload, for `run --dev`.
//!
//! # How it works
//! A thread of the watching library writes the path of each changed file into a pipe, one per line; the loop reads them,
//! and reloads when nothing has changed for [`QUIET`], a second after the first change at the latest. What changes while a
//! reload is under way is reloaded after it.
//! The working directory is watched, and each of its directories with all below, but for those that hold no code of the
//! application or change by its running.
//!
//! # What may be lost
//! Paths beyond what the pipe holds: there is a change in any case. Directories that are made at the top later.
//!
//! # Rules
//! The thread only writes, and drops what has no room.
//! Sources: inotify(7).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use log::{info, warn};
use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use rustdaemon_core::sys;

/// An editor saves in several steps, git and composer in many.
const QUIET: Duration = Duration::from_millis(200);
/// Who writes without a pause is not waited for.
const LONGEST: Duration = Duration::from_secs(1);
/// Directories that hold no code of the application, or change by its running.
const PASSED_OVER: [&str; 7] = ["vendor", "node_modules", "storage", "var", "cache", "log", "logs"];
/// What a worker reads when it starts.
const EXTENSIONS: [&str; 10] = ["php", "phtml", "inc", "env", "json", "yaml", "yml", "toml", "ini", "xml"];

/// Files that are watched.
#[derive(Debug)]
pub struct Dev {
    paths: File,
    pending: Pending,
    _watcher: RecommendedWatcher,
}

/// What has changed and is not reloaded yet.
#[derive(Debug, Default)]
struct Pending(Option<Change>);

#[derive(Debug)]
struct Change {
    /// What has changed first, and when.
    path: String,
    first: Instant,
    /// When to reload.
    due: Instant,
}

impl Pending {
    fn changed(&mut self, now: Instant, path: impl FnOnce() -> String) {
        let change = self.0.get_or_insert_with(|| Change { path: path(), first: now, due: now });
        change.due = (now + QUIET).min(change.first + LONGEST);
    }

    fn due(&mut self, now: Instant, is_reloading: bool) -> Option<String> {
        let change = self.0.as_mut().filter(|change| change.due <= now)?;
        if is_reloading {
            change.due = now + QUIET;
            return None;
        }
        Some(format!("{} has changed", self.0.take()?.path))
    }
}

impl Dev {
    /// Watches these directories.
    ///
    /// # Errors
    /// What pipe(2) or inotify(7) say of the directories themselves; of those below it is logged.
    pub fn watch(directories: &BTreeSet<PathBuf>) -> io::Result<Self> {
        let pipe = sys::pipe()?;
        sys::set_nonblocking(pipe.read.as_fd())?;
        sys::set_nonblocking(pipe.write.as_fd())?;
        let mut to_loop = File::from(pipe.write);
        let tell = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            let paths = event.paths.iter().filter(|path| is_change(&event.kind) && is_meant(path));
            for path in paths {
                // One write: whole lines or nothing. A full pipe tells of a change already.
                let line = [path.as_os_str().as_bytes(), b"\n"].concat();
                let _ = to_loop.write(&line);
            }
        };
        let mut watcher = notify::recommended_watcher(tell).map_err(io::Error::other)?;
        for directory in directories {
            let directory = directory.canonicalize()?;
            watcher.watch(&directory, RecursiveMode::NonRecursive).map_err(io::Error::other)?;
            let below = std::fs::read_dir(&directory)?.filter_map(Result::ok).map(|entry| entry.path());
            for path in below.filter(|path| path.is_dir() && path.file_name().is_some_and(is_walked)) {
                if let Err(failed) = watcher.watch(&path, RecursiveMode::Recursive) {
                    warn!("{} is not watched: {failed}", path.display());
                }
            }
            info!("files below {} are watched: a change reloads", directory.display());
        }
        Ok(Self { paths: File::from(pipe.read), pending: Pending::default(), _watcher: watcher })
    }

    /// For readiness.
    #[must_use]
    pub fn raw_fd(&self) -> i32 {
        self.paths.as_raw_fd()
    }

    /// Reads what has changed.
    pub fn take_in(&mut self, now: Instant) {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = self.paths.read(&mut chunk) {
            let lines = chunk.get(..length).unwrap_or_default();
            let path = lines.split(|byte| *byte == b'\n').next().unwrap_or_default();
            self.pending.changed(now, || String::from_utf8_lossy(path).into_owned());
        }
    }

    /// When [`Dev::due`] has something to tell.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.pending.0.as_ref().map(|change| change.due)
    }

    /// What has changed, once it is time to reload.
    pub fn due(&mut self, now: Instant, is_reloading: bool) -> Option<String> {
        self.pending.due(now, is_reloading)
    }
}

/// Reading is none, and neither is a new time or mode.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Create(_) | EventKind::Remove(_) => true,
        EventKind::Modify(kind) => !matches!(kind, ModifyKind::Metadata(_)),
        _ => false,
    }
}

fn is_walked(directory: &OsStr) -> bool {
    let name = directory.as_bytes();
    !name.starts_with(b".") && PASSED_OVER.iter().all(|passed| passed.as_bytes() != name)
}

/// Whether a change of this file matters.
fn is_meant(path: &Path) -> bool {
    let Some(name) = path.file_name() else { return false };
    let is_env = name.as_bytes().starts_with(b".env");
    let is_code = path.extension().is_some_and(|found| EXTENSIONS.iter().any(|known| found == *known));
    let is_hidden = name.as_bytes().starts_with(b".");
    // Of Laravel's bootstrap/cache and the like; what is above the watched directory says nothing.
    let parent = path.parent().and_then(Path::file_name);
    (is_env || is_code && !is_hidden) && parent.is_none_or(is_walked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_meant_and_what_an_editor_leaves_is_not() {
        for path in ["/app/x.php", "/app/Http/y.php", "/app/.env", "/app/.env.local", "/app/config/a.yaml"] {
            assert!(is_meant(Path::new(path)), "{path}");
        }
        for path in
            ["/app/x.php~", "/app/.x.php.swp", "/app/a.log", "/app/bootstrap/cache/x.php", "/app/4913", "/"]
        {
            assert!(!is_meant(Path::new(path)), "{path}");
        }
        assert!(is_walked(OsStr::new("src")) && !is_walked(OsStr::new("vendor")));
        assert!(!is_walked(OsStr::new(".git")));
    }

    #[test]
    fn changes_wait_for_quiet_and_for_a_reload_but_not_for_ever() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut pending = Pending::default();
        let change = |pending: &mut Pending, ms: u64| pending.changed(at(ms), || format!("/{ms}.php"));
        assert_eq!(pending.due(start, false), None);
        change(&mut pending, 0);
        change(&mut pending, 150);
        assert_eq!(pending.due(at(200), false), None);
        assert_eq!(pending.due(at(350), true), None, "a reload is under way");
        assert_eq!(pending.due(at(550), false).as_deref(), Some("/0.php has changed"));
        assert_eq!(pending.due(at(900), false), None);
        for ms in (1000..2500).step_by(100) {
            change(&mut pending, ms);
        }
        assert_eq!(pending.0.map(|change| change.due), Some(at(2000)));
    }
}
