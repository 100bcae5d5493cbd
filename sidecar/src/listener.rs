//! A listening socket, and of one with a path the lock that says whose it is.
//!
//! # Correct order
//! 1. Lock `SOCKET.lock` (a record lock, never inherited; the file is never unlinked); after locking, the descriptor
//!    must still be the file at that path, else again. A live sidecar holds it: refused, and nothing of its is touched.
//!    In the file stand our pid and run id, then the runs of killed sidecars of which something may be left: read
//!    before they are overwritten, dropped by [`Listener::forget_dead_runs`].
//! 2. What stands at the socket's path: another program's live socket is refused, a stale one is taken over, any
//!    other file is refused. A socket that the dead owner had made is stale even where it answers: a child that it was
//!    just starting has it for a moment.
//! 3. Bind under a temporary name of our own, set group and mode, listen, rename: there is no moment at which a client
//!    finds a socket that does not answer, or one with a wider mode.
//!
//! At the end the socket is unlinked only while it is still ours.
//! # What may be refused
//! Each refusal is one sentence and leaves everything as it was.
//! # Rules
//! Nothing else in this process opens the lock file: closing any descriptor of it gives a record lock up.
//! Sources: unix(7) SO_PEERCRED, fcntl(2) "Advisory record locking", rename(2).

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, getsockopt, listen, socket, sockopt,
};
use nix::unistd::Gid;
use rustdaemon_core::settings::MAX_SOCKET_PATH_BYTES;
use rustdaemon_core::sys;

use crate::lock_file::{self, identity, with_suffix};
use crate::stream::Stream;

/// So many dead runs are kept in mind: each new sidecar ends what is left of them, unless it is killed before.
const MAX_DEAD_RUNS: usize = 64;

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    /// A descriptor for the case that there is none.
    spare: Option<File>,
}

#[derive(Debug)]
enum Socket {
    Unix(Named),
    Tcp(TcpListener),
}

/// A socket with a path; unlinked on drop while it is still ours.
#[derive(Debug)]
struct Named {
    socket: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
    owner: Owner,
}

impl Listener {
    /// Binds `path` (validated by `config::socket_path`). `run` is written into the lock file, for people and for
    /// the next sidecar. Without a `group` the socket has our own.
    ///
    /// # Errors
    /// One sentence that names the path.
    pub fn bind(path: &Path, mode: u32, group: Option<Gid>, run: &str) -> Result<Self, String> {
        let owner = Owner::become_owner(path, run)?;
        make_way(path, owner.dead_pid)?;
        let socket = bound(path, mode, group)
            .map_err(|error| format!("cannot bind the socket {}: {}", path.display(), words(&error, path)))?;
        let identity = identity(path).ok_or_else(|| format!("{} vanished after the bind", path.display()))?;
        Ok(Self::with_spare(Socket::Unix(Named { socket, path: path.to_owned(), identity, owner })))
    }

    /// Binds an address (of loopback, as `config` has seen to).
    ///
    /// # Errors
    /// One sentence that names the address.
    pub fn bind_tcp(address: SocketAddr) -> Result<Self, String> {
        let bound = TcpListener::bind(address).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        bound.map(|socket| Self::with_spare(Socket::Tcp(socket))).map_err(|failed| match failed.kind() {
            io::ErrorKind::AddrInUse => {
                format!("{address} is in use by another program; stop that one first, or give another --tcp")
            }
            _ => format!("cannot listen on {address}: {failed}"),
        })
    }

    fn with_spare(socket: Socket) -> Self {
        let mut listener = Self { socket, spare: None };
        listener.restock();
        listener
    }

    /// The next waiting connection, non-blocking. `None`: nobody waits.
    ///
    /// # Errors
    /// `EMFILE` and its like: the connection still waits.
    pub fn accept(&self) -> io::Result<Option<Stream>> {
        loop {
            let accepted = match &self.socket {
                Socket::Unix(named) => named.socket.accept().and_then(|(stream, _)| {
                    stream.set_nonblocking(true)?;
                    Ok(Stream::Unix(stream))
                }),
                Socket::Tcp(socket) => socket.accept().and_then(|(stream, _)| {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?; // an answer leaves in one write
                    Ok(Stream::Tcp(stream))
                }),
            };
            match accepted {
                Ok(stream) => return Ok(Some(stream)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.raw_os_error() == Some(libc::ECONNABORTED) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// As [`Listener::accept`], when that has found no descriptor: with the one that is kept for it. Close the
    /// connection, then [`Listener::restock`].
    ///
    /// # Errors
    /// It was not enough: others take descriptors faster.
    pub fn accept_with_spare(&mut self) -> io::Result<Option<Stream>> {
        self.spare = None;
        self.accept()
    }

    /// Keeps a descriptor back again.
    pub fn restock(&mut self) {
        if self.spare.is_none() {
            self.spare = File::open("/dev/null").ok();
        }
    }

    /// The runs of killed sidecars on this socket of which something may be left, the latest first.
    #[must_use]
    pub fn dead_runs(&self) -> &[String] {
        match &self.socket {
            Socket::Unix(named) => &named.owner.dead_runs,
            Socket::Tcp(_) => &[],
        }
    }

    /// Nothing is left of them.
    ///
    /// # Errors
    /// What write(2) says: the next sidecar looks for them too, and finds nothing.
    pub fn forget_dead_runs(&mut self) -> io::Result<()> {
        match &mut self.socket {
            Socket::Unix(named) => {
                named.owner.dead_runs.clear();
                named.owner.write()
            }
            Socket::Tcp(_) => Ok(()),
        }
    }

    /// For readiness.
    #[must_use]
    pub fn raw_fd(&self) -> i32 {
        match &self.socket {
            Socket::Unix(named) => named.socket.as_raw_fd(),
            Socket::Tcp(socket) => socket.as_raw_fd(),
        }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if identity(&self.path) == Some(self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whose the socket is.
#[derive(Debug)]
struct Owner {
    file: File,
    run: String,
    dead_runs: Vec<String>,
    dead_pid: Option<i32>,
}

impl Owner {
    /// Takes the owner lock.
    fn become_owner(path: &Path, run: &str) -> Result<Self, String> {
        let name = with_suffix(path, ".lock");
        let failed = |error: &io::Error| format!("cannot lock {}: {}", name.display(), words(error, path));
        loop {
            let mut file = lock_file::open(&name).map_err(|error| failed(&error))?;
            let mut whole = libc::flock {
                l_type: i16::try_from(libc::F_WRLCK).unwrap_or_default(),
                l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
                l_start: 0,
                l_len: 0,
                l_pid: 0,
            };
            match fcntl(&file, FcntlArg::F_SETLK(&whole)) {
                Ok(_) => {}
                Err(Errno::EAGAIN | Errno::EACCES) => {
                    let asked = fcntl(&file, FcntlArg::F_GETLK(&mut whole));
                    if asked.is_ok() && i32::from(whole.l_type) == libc::F_UNLCK {
                        continue; // it has just ended
                    }
                    return Err(format!(
                        "the socket {} is in use by a live rustdaemon (pid {}); stop that one first, \
                         or give this one another --socket",
                        path.display(),
                        whole.l_pid
                    ));
                }
                Err(errno) => return Err(failed(&errno.into())),
            }
            if !lock_file::leads_to(&name, &file) {
                continue; // somebody unlinked it between our open and our lock
            }
            let mut text = String::new();
            let _ = file.read_to_string(&mut text); // not ours, or not text: no run of ours
            let (dead_pid, dead_runs) = parse(&text);
            let owner = Self { file, run: run.to_owned(), dead_runs, dead_pid };
            return owner.write().map(|()| owner).map_err(|error| failed(&error));
        }
    }

    /// One write, then the length: whoever is killed in between leaves whole lines.
    fn write(&self) -> io::Result<()> {
        let words = std::iter::once(&self.run).chain(&self.dead_runs).map(String::as_str);
        let text = format!("{} {}\n", std::process::id(), words.collect::<Vec<_>>().join(" "));
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.set_len(text.len() as u64)
    }
}

/// The first line of a lock file: the owner's pid, its run, and the runs dead before it.
fn parse(text: &str) -> (Option<i32>, Vec<String>) {
    let mut words = text.lines().next().unwrap_or_default().split_whitespace();
    let pid = words.next().and_then(|word| word.parse().ok());
    let is_run = |word: &&str| word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    (pid, words.filter(is_run).take(MAX_DEAD_RUNS).map(str::to_owned).collect())
}

/// Refuses what may not be replaced at the socket's path.
fn make_way(path: &Path, dead_pid: Option<i32>) -> Result<(), String> {
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
            Ok(peer) if dead_pid.is_some_and(|pid| is_left_by(&peer, pid)) => Ok(()),
            Ok(_) => Err(format!(
                "the socket {} is in use by another live program; stop that one first, or give another --socket",
                path.display()
            )),
        },
    }
}

/// Whether `pid` had made the socket at the other end, and is dead.
fn is_left_by(peer: &UnixStream, pid: i32) -> bool {
    let maker = getsockopt(peer, sockopt::PeerCredentials).map(|credentials| credentials.pid());
    let gone = || sys::pidfd_open(pid).is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH));
    maker == Ok(pid) && gone()
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
        // Its lock is no obstacle to the process that has it; the lock is tested between processes, in tests/sidecar.
        assert!(error.contains("in use by another live program"), "{error}");
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
    fn the_runs_of_dead_owners_are_known_until_they_are_forgotten() {
        let directory = Directory::new("runs");
        let runs = ["0123456789abcdef", "fedcba9876543210", "00000000000000aa"];
        let bind = |run: &str| Listener::bind(&directory.socket(), 0o600, None, run).unwrap();
        assert_eq!(bind(runs[0]).dead_runs(), [""; 0]);
        assert_eq!(bind(runs[1]).dead_runs(), [runs[0]]);
        let mut third = bind(runs[2]);
        assert_eq!(third.dead_runs(), [runs[1], runs[0]], "killed before it could forget");
        third.forget_dead_runs().unwrap();
        drop(third);
        assert_eq!(bind(runs[0]).dead_runs(), [runs[2]]);
        fs::write(with_suffix(&directory.socket(), ".lock"), b"\xff garbage / RUN=x\n").unwrap();
        assert_eq!(bind(runs[0]).dead_runs(), [""; 0]);
    }

    #[test]
    fn a_socket_that_only_a_child_of_the_dead_owner_has_is_taken_over() {
        use std::os::unix::process::CommandExt;
        let directory = Directory::new("inherited");
        let perl = "my $l = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 5) or die; if (fork) { exit } \
                    close STDOUT; sleep 60";
        let mut maker = std::process::Command::new("perl");
        maker.args(["-MIO::Socket::UNIX", "-e", perl]).arg(directory.socket()).process_group(0);
        let mut maker = maker.spawn().unwrap();
        let pid = i32::try_from(maker.id()).unwrap();
        assert!(maker.wait().unwrap().success());
        let unknown = Listener::bind(&directory.socket(), 0o600, None, "run").map(drop);
        fs::write(with_suffix(&directory.socket(), ".lock"), format!("{pid} 0123456789abcdef\n")).unwrap();
        let known = Listener::bind(&directory.socket(), 0o600, None, "run").map(drop);
        nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).unwrap();
        assert!(unknown.unwrap_err().contains("another live program"));
        known.unwrap();
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
