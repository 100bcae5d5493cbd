//! What a worker is born with: plain data, applied between fork and execve.
//!
//! # Rules
//! Pure. `config` checks the values, `process` applies them: what needs the sidecar's privileges first, then the
//! user, then what that user has to be able to do.

use std::ffi::OsString;
use std::path::PathBuf;

/// A pool's settings for its processes. `None`, or empty: as the sidecar's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Birth {
    /// Working directory, kept as text and opened anew for each start: a `current` symlink is followed then.
    pub cwd: Option<PathBuf>,
    /// User name or number; its groups come with it, and, where it is not the sidecar's own, `HOME`, `USER` and
    /// `LOGNAME`, over which `env` wins.
    pub user: Option<String>,
    /// Group name or number; default: the user's own.
    pub group: Option<String>,
    /// File mode creation mask.
    pub umask: Option<u32>,
    /// Nice value, -20 to 19.
    pub nice: Option<i32>,
    /// The kernel's out-of-memory preference, -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// Variables added to the environment; they win over `env_file`'s.
    pub env: Vec<(OsString, OsString)>,
    /// A file of `NAME=value` lines, read anew for each start.
    pub env_file: Option<PathBuf>,
    /// Soft and hard limit of open files.
    pub limit_nofile: Option<u64>,
}
