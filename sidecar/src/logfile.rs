//! A file that workers' lines are appended to.
//!
//! # How it works
//! Opened with `O_APPEND`, so that whoever else appends is not overwritten. A file that was renamed or deleted is
//! written to until [`LogFile::reopen`]: rotation is the log rotator's.
//!
//! # What may be lost
//! Lines while the file cannot be opened or written; counted, told when it works again. It is tried again with the
//! next line, at most once a second.
//!
//! # Rules
//! Never blocks, but on the file's disk. Says nothing itself: hands out what is to be said.
//! Sources: open(2), write(2).

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use log::Level;

/// Between two attempts.
const RETRY: Duration = Duration::from_secs(1);
/// Collected before it is written.
const CHUNK_BYTES: usize = 64 * 1024;

/// What is to be said about a file.
pub type News = Option<(Level, String)>;

/// One file, by its path.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: Option<File>,
    pending: Vec<u8>,
    /// The file's last line is incomplete.
    torn: bool,
    failed: bool,
    lost: u64,
    retry_at: Option<Instant>,
}

impl LogFile {
    /// A file that is opened with its first line.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
            pending: Vec::new(),
            torn: false,
            failed: false,
            lost: 0,
            retry_at: None,
        }
    }

    /// Takes one line in parts, newline included; written at the latest by [`LogFile::flush`].
    pub fn push(&mut self, now: Instant, line: &[&[u8]]) -> News {
        line.iter().for_each(|part| self.pending.extend_from_slice(part));
        if self.pending.len() < CHUNK_BYTES { None } else { self.flush(now) }
    }

    /// Writes what is pending.
    pub fn flush(&mut self, now: Instant) -> News {
        if self.pending.is_empty() {
            return None;
        }
        let pending = std::mem::take(&mut self.pending);
        if self.retry_at.is_some_and(|at| now < at) {
            self.lost += lines(&pending);
            return None;
        }
        match self.write(&pending) {
            Ok(()) => {
                self.retry_at = None;
                let lost = std::mem::take(&mut self.lost);
                std::mem::take(&mut self.failed).then(|| {
                    (Level::Warn, format!("{} is written again; {lost} lines were lost", self.path.display()))
                })
            }
            Err((failed, left)) => {
                self.lost += lines(left);
                self.file = None;
                self.retry_at = Some(now + RETRY);
                let first = !std::mem::replace(&mut self.failed, true);
                first.then(|| {
                    let path = self.path.display();
                    (Level::Error, format!("cannot write to {path}: {failed}; lines are lost and counted until it works again"))
                })
            }
        }
    }

    /// Opens the path again: after a rotation. Where that fails, the file that is open stays.
    pub fn reopen(&mut self) -> News {
        self.retry_at = None;
        match self.open() {
            Ok(file) => {
                self.file = Some(file);
                self.torn = false;
                None
            }
            Err(failed) if self.file.is_some() => {
                let path = self.path.display();
                Some((
                    Level::Error,
                    format!("cannot open {path} again: {failed}; the file that was open stays"),
                ))
            }
            Err(_) => None, // said, or will be with the next line
        }
    }

    fn open(&self) -> io::Result<File> {
        // Non-blocking: a FIFO without a reader is an error, not a wait.
        let mut options = File::options();
        let mut flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        if nix::unistd::geteuid().is_root() && self.is_others_directory() {
            flags |= libc::O_NOFOLLOW; // whoever may put a symlink there must not choose what root writes to
        }
        options.append(true).create(true).mode(0o640).custom_flags(flags);
        options.open(&self.path)
    }

    /// Whether another user than root may put something into the file's directory.
    fn is_others_directory(&self) -> bool {
        let directory = self.path.parent().and_then(|directory| std::fs::metadata(directory).ok());
        directory.is_none_or(|stat| stat.uid() != 0 || stat.mode() & 0o022 != 0)
    }

    /// Fails with what was not written.
    fn write<'a>(&mut self, bytes: &'a [u8]) -> Result<(), (io::Error, &'a [u8])> {
        let mut file = match self.file.take().map_or_else(|| self.open(), Ok) {
            Ok(file) => file,
            Err(failed) => return Err((failed, bytes)),
        };
        if self.torn {
            file.write_all(b"\n").map_err(|failed| (failed, bytes))?;
            self.torn = false;
        }
        let mut left = bytes;
        while !left.is_empty() {
            match file.write(left) {
                Ok(length) => {
                    let (written, rest) = left.split_at_checked(length).unwrap_or((left, &[]));
                    self.torn = written.last().map_or(self.torn, |last| *last != b'\n');
                    left = rest;
                }
                Err(failed) if failed.kind() == io::ErrorKind::Interrupted => {}
                Err(failed) => return Err((failed, left)),
            }
        }
        self.file = Some(file);
        Ok(())
    }
}

fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> PathBuf {
        let name = format!("rd-logfile-{}-{:?}", std::process::id(), std::thread::current().id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        directory
    }

    fn write(file: &mut LogFile, now: Instant, line: &str) -> Option<String> {
        let first = file.push(now, &[line.as_bytes(), b"\n"]);
        first.or_else(|| file.flush(now)).map(|(_, said)| said)
    }

    #[test]
    fn a_file_that_fails_is_said_once_and_counted_and_resumes() {
        let directory = directory();
        let path = directory.join("missing/log");
        let (mut file, now) = (LogFile::new(&path), Instant::now());
        assert!(write(&mut file, now, "a").unwrap().contains("No such file"));
        assert_eq!(write(&mut file, now, "b"), None);
        assert_eq!(write(&mut file, now + RETRY, "c"), None, "said once");
        std::fs::create_dir(directory.join("missing")).unwrap();
        assert_eq!(write(&mut file, now + RETRY, "d"), None, "not tried again yet");
        let said = write(&mut file, now + RETRY * 2, "e").unwrap();
        assert!(said.ends_with("is written again; 4 lines were lost"), "{said}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "e\n");
        assert_eq!(write(&mut file, now + RETRY * 2, "f"), None);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_renamed_file_is_written_until_it_is_reopened() {
        let directory = directory();
        let [path, rotated] = ["log", "log.1"].map(|name| directory.join(name));
        let (mut file, now) = (LogFile::new(&path), Instant::now());
        write(&mut file, now, "a");
        std::fs::rename(&path, &rotated).unwrap();
        write(&mut file, now, "b");
        assert_eq!(file.reopen(), None);
        write(&mut file, now, "c");
        assert_eq!(std::fs::read_to_string(&rotated).unwrap(), "a\nb\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "c\n");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_fifo_that_nobody_reads_is_an_error_and_no_wait() {
        let directory = directory();
        let path = directory.join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut file = LogFile::new(&path);
        assert!(write(&mut file, Instant::now(), "a").unwrap().contains("cannot write to"));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
