//! A gate holds a worker in a request.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;

use crate::wait::eventually;

/// A FIFO that a worker opens and reads to its end: it stands there until the test has opened the gate and dropped
/// what it got. No clock is involved, and the test knows for certain that the worker has arrived.
#[derive(Debug)]
pub struct Gate {
    path: PathBuf,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new(directory: &Path, name: &str) -> Self {
        let path = directory.join(name);
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("mkfifo");
        Self { path }
    }

    /// Its path, as the argument of the worker's `hold`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path.to_str().expect("a temporary path is UTF-8")
    }

    /// Waits until a worker stands at the gate. It goes on when the returned file is dropped.
    #[must_use = "dropping it lets the worker go on"]
    #[track_caller]
    pub fn arrived(&self) -> File {
        eventually(&format!("a worker stands at {}", self.path()), || {
            self.try_arrived().map_err(|error| error.to_string())
        })
    }

    /// As [`Gate::arrived`], if one stands there now.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn try_arrived(&self) -> std::io::Result<File> {
        // fifo(7): opening for writing without waiting fails with ENXIO until a reader is there.
        OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&self.path)
    }
}
