//! The listening socket and the lock that says whose it is.
//!
//! # Correct order
//! 1. Lock `SOCKET.lock` (flock, never unlinked, never inherited); after locking, the descriptor must still be the
//!    file at that path, else again. A live sidecar holds it: refused, and nothing of its is touched.
//! 2. What stands at the socket's path: another program's live socket is refused, a stale one is taken over, any
//!    other file is refused.
//! 3. Bind under a temporary name of our own, set group and mode, listen, rename: there is no moment at which a client
//!    finds a socket that does not answer, or one with a wider mode.
//!
//! At the end the socket is unlinked only while it is still ours.
//! # What may be refused
//! Each refusal is one sentence and leaves everything as it was.
//! Sources: unix(7), flock(2), rename(2).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use nix::unistd::Gid;
use rustdaemon_core::settings::MAX_SOCKET_PATH_BYTES;

/// The bound socket; unlinked on drop while it is still ours.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
    _lock: Flock<File>,
}

impl Listener {
    /// Binds `path` (validated by `config::socket_path`). `run` is written into the lock file, for people and for
    /// the next sidecar. Without a `group` the socket has our own.
    ///
    /// # Errors
    /// One sentence that names the path.
    pub fn bind(path: &Path, mode: u32, group: Option<Gid>, run: &str) -> Result<Self, String> {
        let lock = own(path, run)?;
        make_way(path)?;
        let socket = bound(path, mode, group)
            .map_err(|error| format!("cannot bind the socket {}: {}", path.display(), words(&error, path)))?;
        let identity = identity(path).ok_or_else(|| format!("{} vanished after the bind", path.display()))?;
        Ok(Self { socket, path: path.to_owned(), identity, _lock: lock })
    }

    /// The next waiting connection, non-blocking. `None`: nobody waits.
    ///
    /// # Errors
    /// `EMFILE` and its like: the connection still waits.
    pub fn accept(&self) -> io::Result<Option<UnixStream>> {
        loop {
            match self.socket.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    return Ok(Some(stream));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.raw_os_error() == Some(libc::ECONNABORTED) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// For readiness.
    #[must_use]
    pub fn raw_fd(&self) -> i32 {
        self.socket.as_raw_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if identity(&self.path) == Some(self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Takes the owner lock.
fn own(path: &Path, run: &str) -> Result<Flock<File>, String> {
    let name = with_suffix(path, ".lock");
    let failed = |error: &io::Error| format!("cannot lock {}: {}", name.display(), words(error, path));
    loop {
        // Never O_CREAT on a file that is there: fs.protected_regular refuses it in /tmp, to root as well.
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file = match options.open(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => options.create_new(true).open(&name),
            other => other,
        };
        let file = match file {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            other => other.map_err(|error| failed(&error))?,
        };
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let pid = holder.split_whitespace().next().unwrap_or("unknown");
                return Err(format!(
                    "the socket {} is in use by a live rustdaemon (pid {pid}); stop that one first, \
                     or give this one another --socket",
                    path.display()
                ));
            }
            Err((_, errno)) => return Err(failed(&errno.into())),
        };
        let ours = lock.metadata().map(|stat| (stat.dev(), stat.ino())).ok();
        if ours.is_none() || ours != identity(&name) {
            continue; // somebody unlinked it between our open and our lock
        }
        let text = format!("{} {run}\n", std::process::id());
        let written =
            lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(text.as_bytes()));
        return written.map(|()| lock).map_err(|error| failed(&error));
    }
}

/// Refuses what may not be replaced at the socket's path.
fn make_way(path: &Path) -> Result<(), String> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("cannot look at {}: {}", path.display(), words(&error, path))),
        Ok(found) if !found.file_type().is_socket() => Err(format!(
            "{} exists and is not a socket; move it away, or give another --socket",
            path.display()
        )),
        Ok(_) => match UnixStream::connect(path) {
            // Nobody listens there any more: stale; the rename replaces it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            // EACCES, EPROTOTYPE, ...: somebody's, and perhaps alive.
            Err(error) => Err(format!(
                "the socket {} is another program's ({error}); move it away, or give another --socket",
                path.display()
            )),
            Ok(_) => Err(format!(
                "the socket {} is in use by another live program; stop that one first, or give another --socket",
                path.display()
            )),
        },
    }
}

fn bound(path: &Path, mode: u32, group: Option<Gid>) -> io::Result<UnixListener> {
    let temporary = Temporary::beside(path)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket: OwnedFd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let _ = fs::remove_file(&temporary.path); // of a sidecar with our pid that was killed between bind and rename
    bind(socket.as_raw_fd(), &UnixAddr::new(&temporary.path)?)?;
    let ready = std::os::unix::fs::chown(&temporary.path, None, group.map(Gid::as_raw))
        .and_then(|()| fs::set_permissions(&temporary.path, fs::Permissions::from_mode(mode)))
        .and_then(|()| Ok(listen(&socket, Backlog::new(1024)?)?))
        .and_then(|()| fs::rename(&temporary.path, path));
    if let Err(error) = ready {
        let _ = fs::remove_file(&temporary.path);
        return Err(error);
    }
    Ok(UnixListener::from(socket))
}

/// A name in the socket's directory that no other process uses: `PATH.PID`; where that would be too long for a
/// socket, a short name reached through the open directory.
struct Temporary {
    path: PathBuf,
    _directory: File,
}

impl Temporary {
    fn beside(path: &Path) -> io::Result<Self> {
        let pid = std::process::id();
        let directory = File::open(path.parent().unwrap_or(Path::new("/")))?;
        let named = with_suffix(path, &format!(".{pid}"));
        let path = match named.as_os_str().len() <= MAX_SOCKET_PATH_BYTES {
            true => named,
            false => PathBuf::from(format!("/proc/self/fd/{}/.rustdaemon.{pid}", directory.as_raw_fd())),
        };
        Ok(Self { path, _directory: directory })
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|stat| (stat.dev(), stat.ino()))
}

/// The system's words, and what to do where we know it.
fn words(error: &io::Error, path: &Path) -> String {
    let directory = path.parent().unwrap_or(Path::new("/")).display();
    match error.kind() {
        io::ErrorKind::NotFound if !path.parent().is_some_and(Path::is_dir) => {
            format!("the directory {directory} does not exist; create it first")
        }
        io::ErrorKind::PermissionDenied => {
            let (user, file) = (nix::unistd::geteuid(), path.display());
            format!("uid {user} may not; check owner and mode of {directory} and of {file}*")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("rd-listener-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn socket(&self) -> PathBuf {
            self.0.join("x.sock")
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_socket_has_its_mode_and_is_gone_at_the_end() {
        let directory = Directory::new("mode");
        let listener = Listener::bind(&directory.socket(), 0o660, None, "run").unwrap();
        assert_eq!(fs::metadata(directory.socket()).unwrap().permissions().mode() & 0o7777, 0o660);
        let _client = UnixStream::connect(directory.socket()).unwrap();
        assert!(listener.accept().unwrap().is_some());
        assert!(listener.accept().unwrap().is_none());
        drop(listener);
        assert!(!directory.socket().exists());
        assert!(with_suffix(&directory.socket(), ".lock").exists(), "the lock file is never unlinked");
    }

    #[test]
    fn a_live_sidecars_socket_is_refused_and_left_alone() {
        let directory = Directory::new("live");
        let _first = Listener::bind(&directory.socket(), 0o600, None, "run").unwrap();
        let error = Listener::bind(&directory.socket(), 0o600, None, "run").unwrap_err();
        assert!(error.contains(&format!("live rustdaemon (pid {})", std::process::id())), "{error}");
        UnixStream::connect(directory.socket()).unwrap();
    }

    #[test]
    fn a_stale_socket_is_taken_over() {
        let directory = Directory::new("stale");
        drop(UnixListener::bind(directory.socket()).unwrap());
        drop(
            UnixListener::bind(with_suffix(&directory.socket(), &format!(".{}", std::process::id())))
                .unwrap(),
        );
        let _listener = Listener::bind(&directory.socket(), 0o600, None, "run").unwrap();
        UnixStream::connect(directory.socket()).unwrap();
    }

    #[test]
    fn another_programs_socket_or_file_is_refused() {
        let directory = Directory::new("other");
        let other = UnixListener::bind(directory.socket()).unwrap();
        let error = Listener::bind(&directory.socket(), 0o600, None, "run").unwrap_err();
        assert!(error.contains("another live program"), "{error}");
        drop(other);
        fs::remove_file(directory.socket()).unwrap();
        let datagrams = std::os::unix::net::UnixDatagram::bind(directory.socket()).unwrap();
        let error = Listener::bind(&directory.socket(), 0o600, None, "run").unwrap_err();
        assert!(error.contains("is another program's"), "of another type, and alive: {error}");
        drop(datagrams);
        fs::remove_file(directory.socket()).unwrap();
        fs::write(directory.socket(), "mine").unwrap();
        let error = Listener::bind(&directory.socket(), 0o600, None, "run").unwrap_err();
        assert!(error.contains("is not a socket"), "{error}");
        assert_eq!(fs::read(directory.socket()).unwrap(), b"mine");
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = Listener::bind(Path::new("/nowhere/at/all/x.sock"), 0o600, None, "run").unwrap_err();
        assert!(error.contains("the directory /nowhere/at/all does not exist"), "{error}");
    }

    #[test]
    fn paths_that_differ_in_one_byte_share_no_temporary_name() {
        let directory = Directory::new("names");
        let [one, two] =
            ["app1", "app2"].map(|name| Temporary::beside(&directory.0.join(name)).unwrap().path);
        assert_ne!(one, two);
    }

    #[test]
    fn the_longest_path_can_be_bound() {
        let directory = Directory::new("long");
        let name = "s".repeat(MAX_SOCKET_PATH_BYTES - directory.0.as_os_str().len() - 1);
        let path = directory.0.join(name);
        let _listener = Listener::bind(&path, 0o600, None, "run").unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_socket_that_somebody_replaced_is_not_unlinked() {
        let directory = Directory::new("replaced");
        let listener = Listener::bind(&directory.socket(), 0o600, None, "run").unwrap();
        fs::remove_file(directory.socket()).unwrap();
        let _other = UnixListener::bind(directory.socket()).unwrap();
        drop(listener);
        assert!(directory.socket().exists());
    }
}
