//! The directory of the demo, target/demo: fresh at each start, kept afterwards to look at.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::failure::{Context, Result};
use crate::repo::Repo;

/// sun_path holds 108 bytes with the final NUL; sidecar and supervisord first bind under a longer, temporary name.
const SOCKET_DIRECTORY_BYTES: usize = 70;

pub struct Stage {
    directory: PathBuf,
    sockets: PathBuf,
    /// A short place for the sockets when the checkout's path is long; removed with the stage.
    _short: Option<tempfile::TempDir>,
    /// One demo at a time: held until the end.
    _lock: File,
}

impl Stage {
    pub fn set(repo: &Repo) -> Result<Self> {
        let directory = repo.path("target/demo");
        let lock = File::create(repo.path("target/demo.lock")).context("create target/demo.lock")?;
        lock.try_lock().map_err(|_| "another demo is running in this checkout")?;
        if directory.exists() {
            fs::remove_dir_all(&directory).context("empty target/demo")?;
        }
        for path in [directory.join("php.d"), directory.join("storage")] {
            fs::create_dir_all(&path).context(format_args!("make {}", path.display()))?;
        }
        let short = if directory.as_os_str().len() > SOCKET_DIRECTORY_BYTES {
            Some(
                tempfile::Builder::new()
                    .prefix("rustdaemon-")
                    .tempdir_in("/tmp")
                    .context("make a directory in /tmp")?,
            )
        } else {
            None
        };
        let sockets = short.as_ref().map_or(directory.clone(), |short| short.path().to_owned());
        Ok(Self { directory, sockets, _short: short, _lock: lock })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text).context(format_args!("write {}", path.display()))?;
        Ok(path)
    }

    /// The socket of the product.
    pub fn socket(&self) -> PathBuf {
        self.sockets.join("opcua.sock")
    }

    /// The socket of supervisord.
    pub fn control(&self) -> PathBuf {
        self.sockets.join("supervisor.sock")
    }

    /// The lines of Laravel's daily log, all days together.
    pub fn log_lines(&self) -> Vec<String> {
        let mut logs: Vec<PathBuf> = files(&self.path("storage/logs"));
        logs.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("opcua-")));
        logs.iter().flat_map(|path| lines(path)).collect()
    }

    /// The ends of all logs, for a demo that has failed.
    pub fn show_logs(&self) {
        let mut logs = files(&self.directory);
        logs.extend(files(&self.path("storage/logs")));
        for log in logs.iter().filter(|path| path.extension().is_some_and(|extension| extension == "log")) {
            let lines = lines(log);
            if lines.is_empty() {
                continue;
            }
            println!("---- {} ({} lines)", log.display(), lines.len());
            for line in lines.iter().skip(lines.len().saturating_sub(20)) {
                println!("{line}");
            }
        }
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn lines(path: &Path) -> Vec<String> {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).lines().map(str::to_owned).collect()
}
