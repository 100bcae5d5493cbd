//! What a sidecar was told to do: every value validated once, with its default, unit and limits.
//!
//! # Rules
//! Pure. An error is one sentence: what was wrong, what is allowed.
//! Sources: unix(7) (107 bytes), chmod(2).

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Longest socket path in bytes: `sun_path` is 108 with its NUL. Source: unix(7).
pub const MAX_SOCKET_PATH_BYTES: usize = 107;

/// All of a sidecar's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Absolute path of the listening socket.
    pub socket: PathBuf,
    /// Permission bits of the socket, default 0600.
    pub socket_mode: u32,
    /// The one pool.
    pub pool: PoolConfig,
}

/// A pool's settings.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Workers are addressed as `name#slot`.
    pub name: String,
    /// argv, no shell.
    pub command: Vec<OsString>,
    /// Number of slots, default 1.
    pub workers: u32,
    /// Whether workers speak over a link (`--no-link`: any command, supervised by pid).
    pub link: bool,
    /// A run shorter than this counts as a failure; default 5 s, 0 = none does.
    pub short_run: Duration,
    /// Longest wait before a restart, default 60 s.
    pub backoff_max: Duration,
    /// The whole budget of a stop, default 8 s: inside Docker's 10.
    pub stop_timeout: Duration,
    /// A worker that is not ready after this long is reported once; default 30 s.
    pub ready_timeout: Duration,
    /// A command without a link is ready after this long alive; default 1 s.
    pub ready_after: Duration,
    /// How long a client waits for its reply, default 30 s.
    pub request_timeout: Duration,
    /// Requests that may wait for a worker, default 1 024.
    pub queue: usize,
}

impl PoolConfig {
    /// A pool with every default.
    #[must_use]
    pub fn new(name: &str, command: Vec<OsString>) -> Self {
        Self {
            name: name.to_owned(),
            command,
            workers: 1,
            link: true,
            short_run: Duration::from_secs(5),
            backoff_max: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(8),
            ready_timeout: Duration::from_secs(30),
            ready_after: Duration::from_secs(1),
            request_timeout: Duration::from_secs(30),
            queue: 1024,
        }
    }
}

/// A socket's path: absolute (against `here`), with a file name, at most 107 bytes.
///
/// # Errors
/// One sentence.
pub fn socket_path(text: &str, here: &Path) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("the socket's path is empty or holds a NUL byte; give a path such as \
                    /run/app/sessions.sock"
            .into());
    }
    let path = here.join(text);
    if !matches!(path.components().next_back(), Some(Component::Normal(_))) || text.ends_with('/') {
        return Err(format!(
            "the socket's path \"{text}\" names no file; give one such as /run/app/sessions.sock"
        ));
    }
    let bytes = path.as_os_str().len();
    if bytes > MAX_SOCKET_PATH_BYTES {
        return Err(format!(
            "the socket's path is {bytes} bytes long, {MAX_SOCKET_PATH_BYTES} are allowed; \
             choose a shorter one such as /run/app/sessions.sock: {}",
            path.display()
        ));
    }
    Ok(path)
}

/// Permission bits in octal: `0660`, `660` or `0o660`.
///
/// # Errors
/// One sentence.
pub fn socket_mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let mode = octal.then(|| u32::from_str_radix(digits, 8).ok()).flatten().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| {
        format!("\"{text}\" is not a mode; give octal permission bits from 0000 to 0777, such as 0660")
    })
}

/// A pool's name.
///
/// # Errors
/// One sentence.
pub fn pool_name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return Err(format!(
            "\"{text}\" is not a name; use 1 to 64 letters, digits, dots, underscores and hyphens"
        ));
    }
    Ok(text.to_owned())
}

/// A duration with its unit: `500ms`, `8s`, `1.5s`, `5m`, `1h`; at most 366 days.
///
/// # Errors
/// One sentence.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|character: char| character != '.' && !character.is_ascii_digit());
    let parsed = split.and_then(|at| text.split_at_checked(at)).and_then(|(number, unit)| {
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        number.parse::<f64>().ok().map(|number| number * seconds).filter(|all| *all <= 366.0 * 86_400.0)
    });
    let parsed = parsed.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    parsed
        .ok_or_else(|| format!("\"{text}\" is not a duration; write a number and ms, s, m or h, such as 8s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_is_absolute_short_and_names_a_file() {
        let here = Path::new("/srv/app");
        assert_eq!(socket_path("x.sock", here).unwrap(), Path::new("/srv/app/x.sock"));
        assert_eq!(socket_path("/run/x.sock", here).unwrap(), Path::new("/run/x.sock"));
        assert!(socket_path(&format!("/{}", "x".repeat(106)), here).is_ok());
        let error = socket_path(&format!("/{}", "x".repeat(107)), here).unwrap_err();
        assert!(error.contains("108 bytes long, 107 are allowed"), "{error}");
        for bad in ["", "/", "/run/", "/run/..", "a\0b"] {
            assert!(socket_path(bad, here).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_mode_is_octal() {
        for (text, mode) in [("0660", 0o660), ("660", 0o660), ("0o600", 0o600), ("0", 0), ("0777", 0o777)] {
            assert_eq!(socket_mode(text), Ok(mode), "{text}");
        }
        for bad in ["", "0o", "rw", "0888", "1777", "-660", "+660", "0x1ff", "00660"] {
            assert!(socket_mode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_duration_has_a_unit() {
        for (text, ms) in [("500ms", 500), ("8s", 8000), ("1.5s", 1500), ("5m", 300_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "8", "s", "-1s", "8 s", "1e9s", "..s", "9999999h", "8sec"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_short_and_plain() {
        assert!(pool_name("opcua-2.line_1").is_ok());
        for bad in ["", "a b", "a#0", "é", &"x".repeat(65)] {
            assert!(pool_name(bad).is_err(), "{bad}");
        }
    }
}
