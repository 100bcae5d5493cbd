//! What a fork of this process would share or lose: its open sockets and its threads.
//!
//! # How it works
//! /proc/self/fd names the sockets, and the kernel says of each what it is and where it leads. /proc/self/task names the
//! threads: a fork copies the calling one alone, and with it whatever the others held at that moment.
//!
//! # What may be lost
//! Where /proc is not mounted nothing is seen: no sockets, and one thread.
//! Sources: proc(5), socket(7), getpeername(2).

use std::ffi::CStr;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// Threads of ours begin so: what the kernel calls them has at most 15 bytes.
pub const OWN_THREADS: &str = "rustdaemon-";

/// An open socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its descriptor.
    pub number: RawFd,
    /// For people: `tcp 127.0.0.1:41000 to 127.0.0.1:6379`.
    pub what: String,
}

/// A thread that is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// As the kernel numbers it.
    pub id: i32,
    /// As whoever made it has named it.
    pub name: String,
}

/// The sockets that are open.
#[must_use]
pub fn sockets() -> Vec<Socket> {
    let numbers = names("/proc/self/fd");
    let is_socket = |number: &RawFd| {
        let link = std::fs::read_link(format!("/proc/self/fd/{number}"));
        link.is_ok_and(|link| link.to_string_lossy().starts_with("socket:"))
    };
    let mut numbers: Vec<RawFd> = numbers.filter_map(|name| name.parse().ok()).filter(is_socket).collect();
    numbers.sort_unstable();
    // SAFETY: looked at for the length of a call; one that was closed meanwhile gives EBADF.
    let socket = |number| Socket { number, what: describe(unsafe { BorrowedFd::borrow_raw(number) }) };
    numbers.into_iter().map(socket).collect()
}

/// How many threads this process has: at most one system call. Sources: Linux fs/proc/base.c (`proc_task_getattr`); the GNU C
/// library's manual, "Single-Threaded": false as long as there has been one thread only.
#[must_use]
pub fn thread_count() -> u64 {
    static SINGLE: OnceLock<Option<&'static AtomicU8>> = OnceLock::new();
    let single = SINGLE.get_or_init(|| {
        // SAFETY: asks for a name of the C library's.
        let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__libc_single_threaded".as_ptr()) };
        // SAFETY: a `char` of the library's, as long as the process lives; null: it has none.
        unsafe { symbol.cast::<AtomicU8>().as_ref() }
    });
    if single.is_some_and(|single| single.load(Ordering::Relaxed) != 0) {
        return 1;
    }
    std::fs::metadata("/proc/self/task").map_or(1, |task| task.nlink().saturating_sub(2))
}

/// The threads of others: of a library, another extension.
#[must_use]
pub fn foreign_threads() -> Vec<Thread> {
    let process = i32::try_from(std::process::id()).unwrap_or_default();
    let threads = names("/proc/self/task").filter_map(|name| name.parse().ok()).filter(|id| *id != process);
    let named = threads.filter_map(|id| {
        let name = std::fs::read(format!("/proc/self/task/{id}/comm")).ok()?; // it has ended
        Some(Thread { id, name: String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned() })
    });
    named.filter(|thread| !thread.name.starts_with(OWN_THREADS)).collect()
}

/// Names a thread as one of ours: by who has made it, so that nobody sees it nameless. At most 15 bytes.
///
/// # Safety
/// The thread can still be joined.
pub unsafe fn name_own_thread(thread: libc::pthread_t, name: &CStr) {
    // SAFETY: the caller's promise, and a C string, which is copied.
    unsafe { libc::pthread_setname_np(thread, name.as_ptr()) };
}

fn names(directory: &str) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

fn describe(socket: BorrowedFd<'_>) -> String {
    let own = address(socket, libc::getsockname);
    let peer = address(socket, libc::getpeername);
    let kind = match (option(socket, libc::SO_DOMAIN), option(socket, libc::SO_TYPE)) {
        (Some(libc::AF_UNIX), _) => "unix",
        (Some(libc::AF_INET | libc::AF_INET6), Some(libc::SOCK_STREAM)) => "tcp",
        (Some(libc::AF_INET | libc::AF_INET6), Some(libc::SOCK_DGRAM)) => "udp",
        _ => "socket",
    };
    let listens = option(socket, libc::SO_ACCEPTCONN) == Some(1);
    say(kind, own.as_deref(), peer.as_deref(), listens)
}

fn option(socket: BorrowedFd<'_>, option: i32) -> Option<i32> {
    let (mut value, mut length) = (0_i32, libc::socklen_t::try_from(size_of::<i32>()).ok()?);
    // SAFETY: an int and its length, both ours.
    let rc = unsafe {
        let (value, length) = ((&raw mut value).cast(), &raw mut length);
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, length)
    };
    (rc == 0).then_some(value)
}

type Ask = unsafe extern "C" fn(i32, *mut libc::sockaddr, *mut libc::socklen_t) -> i32;

/// One end of a socket, as the kernel writes it. `None`: it has none.
fn address(socket: BorrowedFd<'_>, ask: Ask) -> Option<Vec<u8>> {
    let mut bytes = vec![0; size_of::<libc::sockaddr_storage>()];
    let mut length = libc::socklen_t::try_from(bytes.len()).ok()?;
    // SAFETY: at most so many bytes are written as there are.
    let rc = unsafe { ask(socket.as_raw_fd(), bytes.as_mut_ptr().cast(), &raw mut length) };
    bytes.truncate(usize::try_from(length).ok()?);
    (rc == 0).then_some(bytes)
}

/// The name of an address; `None`: it has none, as an end of socketpair(2).
fn name(address: &[u8]) -> Option<String> {
    let (family, rest) = address.split_first_chunk()?;
    let ports = || rest.split_first_chunk().map(|(port, rest)| (u16::from_be_bytes(*port), rest));
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => {
            let (port, rest) = ports()?;
            Some(SocketAddr::from((*rest.first_chunk::<4>()?, port)).to_string())
        }
        libc::AF_INET6 => {
            let (port, rest) = ports()?;
            Some(SocketAddr::from((*rest.get(4..)?.first_chunk::<16>()?, port)).to_string())
        }
        libc::AF_UNIX => match rest.split_first()? {
            (0, name) if name.iter().any(|byte| *byte != 0) => {
                Some(format!("@{}", String::from_utf8_lossy(name)))
            }
            (0, _) => None,
            _ => {
                let path = rest.split(|byte| *byte == 0).next()?;
                Some(String::from_utf8_lossy(path).into_owned())
            }
        },
        _ => None,
    }
}

fn say(kind: &str, own: Option<&[u8]>, peer: Option<&[u8]>, listens: bool) -> String {
    match (own.and_then(name), peer.and_then(name), peer.is_some()) {
        (Some(own), _, _) if listens => format!("{kind} listens on {own}"),
        (Some(own), Some(peer), _) => format!("{kind} {own} to {peer}"),
        (None, Some(peer), _) => format!("{kind} to {peer}"),
        (Some(own), None, true) => format!("{kind} {own} to a client"),
        (None, None, true) => format!("{kind} pair"),
        (Some(own), None, false) => format!("{kind} {own}, not connected"),
        (None, None, false) => format!("{kind}, not connected"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn open_sockets_are_named_with_where_they_lead() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let (one, _other) = UnixStream::pair().unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sockets = sockets();
        let what = |number: RawFd| {
            let found = sockets.iter().find(|socket| socket.number == number);
            found.map(|socket| socket.what.clone()).unwrap_or_default()
        };
        assert_eq!(what(listener.as_raw_fd()), format!("tcp listens on {address}"));
        assert_eq!(what(client.as_raw_fd()), format!("tcp {} to {address}", client.local_addr().unwrap()));
        assert_eq!(what(one.as_raw_fd()), "unix pair");
        assert_eq!(what(udp.as_raw_fd()), format!("udp {}, not connected", udp.local_addr().unwrap()));
    }

    #[test]
    fn every_kind_of_address_has_a_name() {
        let bytes = |family: i32, rest: &[u8]| [&u16::try_from(family).unwrap().to_ne_bytes(), rest].concat();
        let mut six = vec![0x18, 0xeb, 0, 0, 0, 0];
        six.extend(Ipv6Addr::LOCALHOST.octets());
        assert_eq!(name(&bytes(libc::AF_INET6, &six)).unwrap(), "[::1]:6379");
        assert_eq!(name(&bytes(libc::AF_INET, &[0x18, 0xeb, 10, 0, 0, 7, 0, 0])).unwrap(), "10.0.0.7:6379");
        assert_eq!(name(&bytes(libc::AF_UNIX, b"/run/redis.sock\0")).unwrap(), "/run/redis.sock");
        assert_eq!(name(&bytes(libc::AF_UNIX, b"\0bus")).unwrap(), "@bus");
        assert_eq!(name(&bytes(libc::AF_UNIX, b"")), None);
        assert_eq!(name(&bytes(libc::AF_INET, &[1])), None, "cut off");
    }

    #[test]
    fn threads_of_others_are_counted_and_named() {
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel::<()>();
        let foreign = std::thread::Builder::new().name("grpc_poller".into());
        let foreign = foreign.spawn(move || {
            ready.send(()).unwrap();
            told.recv()
        });
        is_ready.recv().unwrap();
        assert!(thread_count() >= 2);
        assert!(foreign_threads().iter().any(|thread| thread.name == "grpc_poller" && thread.id > 0));
        drop(tell);
        let _ = foreign.unwrap().join().unwrap();
        assert!(!foreign_threads().iter().any(|thread| thread.name == "grpc_poller"));
    }
}
