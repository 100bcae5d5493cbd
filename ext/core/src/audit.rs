//! What a fork of this process would share or lose: its open sockets and its threads.
//!
//! # How it works
//! /proc/self/fd names the sockets, and the kernel says of each what it is and where it leads. /proc/self/task names the
//! threads: a fork copies the calling one alone, and with it whatever the others held at that moment. Ours are known by
//! their numbers, in a list of this process: a name is anybody's, and threads inherit that of the script.
//!
//! # What may be lost
//! Nothing is taken for absent that could not be looked at: that is an error. [`thread_count`] is the exception: it says 1
//! where /proc is not mounted.
//! Sources: proc(5), socket(7), getpeername(2), pthread_getcpuclockid(3); Linux include/linux/posix-timers.h
//! (`make_thread_cpuclock`).

use std::ffi::CStr;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use crate::sys::{self, numbers_in};

/// The threads of ours, each with its process, so that a forked child has none of them. 0: a free place. A process has two,
/// the pulse and the reaper; one for which there is no place is taken for foreign, and refuses forks.
static OWN: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];

/// Longer than an ended thread needs to leave, unless a debugger holds it.
const LEAVING: Duration = Duration::from_secs(1);

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
///
/// # Errors
/// `EMFILE`, `ENFILE`: no descriptor is left to look with. `ENOENT`: /proc is not mounted.
pub fn sockets() -> io::Result<Vec<Socket>> {
    let mut numbers = Vec::new();
    for number in numbers_in("/proc/self/fd")? {
        match std::fs::read_link(format!("/proc/self/fd/{number}")) {
            Ok(link) if link.to_string_lossy().starts_with("socket:") => numbers.push(number),
            Err(error) if !is_gone(&error) => return Err(error),
            _ => {}
        }
    }
    numbers.sort_unstable();
    // SAFETY: looked at for the length of a call; one that was closed meanwhile gives EBADF.
    let socket = |number| Socket { number, what: describe(unsafe { BorrowedFd::borrow_raw(number) }) };
    Ok(numbers.into_iter().map(socket).collect())
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
///
/// # Errors
/// As [`sockets`].
pub fn foreign_threads() -> io::Result<Vec<Thread>> {
    let process = std::process::id().cast_signed();
    let mut threads = Vec::new();
    for id in numbers_in("/proc/self/task")? {
        if id == process || OWN.iter().any(|own| own.load(Ordering::Relaxed) == place_of(id)) {
            continue;
        }
        match std::fs::read(format!("/proc/self/task/{id}/comm")) {
            Ok(name) => {
                let name = String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned();
                threads.push(Thread { id, name });
            }
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(threads)
}

/// A thread that is known as ours until [`Self::has_ended`].
#[derive(Debug)]
#[must_use]
pub struct OwnThread(u64);

/// Has a thread known as one of ours, by who has made it, so that nobody takes it for foreign; and names it, with at most 15
/// bytes.
///
/// # Safety
/// The thread can still be joined.
pub unsafe fn own_thread(thread: libc::pthread_t, name: &CStr) -> OwnThread {
    let mut clock = 0;
    // SAFETY: the caller's promise, a C string, which is copied, and a number of ours.
    let failed = unsafe {
        libc::pthread_setname_np(thread, name.as_ptr());
        libc::pthread_getcpuclockid(thread, &raw mut clock)
    };
    if failed != 0 {
        return OwnThread(0);
    }
    // The number of a thread's clock is its own, turned round and in front of three bits: the kernel's way to tell which.
    let own = place_of(!(clock >> 3));
    let take = |place: &AtomicU64| {
        let now = place.load(Ordering::Relaxed);
        let is_free = now == 0 || now >> 32 != own >> 32; // of a parent, in a forked child
        is_free && place.compare_exchange(now, own, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    };
    OWN.iter().any(take);
    OwnThread(own)
}

impl OwnThread {
    /// It was joined: its number may be another thread's from now on.
    ///
    /// # Blocking
    /// Until the kernel lists it no more, moments after the join, or it would be taken for foreign.
    pub fn has_ended(self) {
        let (process, thread) = (self.0 >> 32, self.0 & u64::from(u32::MAX));
        let deadline = sys::monotonic() + LEAVING;
        let is_listed = || {
            // SAFETY: only asks whether this process has such a thread.
            let rc = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, 0) };
            rc == 0
        };
        while self.0 != 0 && is_listed() && sys::monotonic() < deadline {
            std::thread::yield_now();
        }
        for place in &OWN {
            let _ = place.compare_exchange(self.0, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// What stands in [`OWN`] for a thread of this process.
fn place_of(thread: i32) -> u64 {
    u64::from(std::process::id()) << 32 | u64::from(thread.cast_unsigned())
}

/// Whether what /proc has listed has ended or was closed meanwhile.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
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
        let sockets = sockets().unwrap();
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
    fn a_thread_of_ours_is_known_by_its_number_until_it_has_ended() {
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || told.recv());
        // SAFETY: it is joined below.
        let own =
            unsafe { own_thread(std::os::unix::thread::JoinHandleExt::as_pthread_t(&thread), c"of-ours") };
        let is_listed = || foreign_threads().unwrap().iter().any(|thread| thread.name == "of-ours");
        assert!(!is_listed());
        let place = own.0;
        assert!(OWN.iter().any(|own| own.load(Ordering::Relaxed) == place));
        drop(tell);
        let _ = thread.join().unwrap();
        own.has_ended();
        assert!(!OWN.iter().any(|own| own.load(Ordering::Relaxed) == place), "its number may be another's");
        assert!(!is_listed(), "it has left");
    }

    /// While a thread of this name runs that is not ours.
    fn beside_a_foreign_thread(name: &str, look: impl FnOnce()) {
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel::<()>();
        let foreign = std::thread::Builder::new().name(name.into());
        let foreign = foreign.spawn(move || {
            ready.send(()).unwrap();
            told.recv()
        });
        is_ready.recv().unwrap();
        look();
        drop(tell);
        let _ = foreign.unwrap().join().unwrap();
    }

    #[test]
    fn a_foreign_thread_with_a_name_as_ours_is_foreign() {
        beside_a_foreign_thread("rustdaemon-pol", || {
            assert!(foreign_threads().unwrap().iter().any(|thread| thread.name == "rustdaemon-pol"));
        });
    }

    #[test]
    fn threads_of_others_are_counted_and_named() {
        let is_grpc = |thread: &Thread| thread.name == "grpc_poller" && thread.id > 0;
        beside_a_foreign_thread("grpc_poller", || {
            assert!(thread_count() >= 2);
            assert!(foreign_threads().unwrap().iter().any(is_grpc));
        });
        assert!(!foreign_threads().unwrap().iter().any(|thread| thread.name == "grpc_poller"));
    }
}
