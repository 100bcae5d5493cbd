//! System calls that nix does not wrap as we need them: descriptors in and out are `OwnedFd` or `BorrowedFd`,
//! close-on-exec from birth.
//!
//! # Rules
//! Nothing here decides, logs or retries beyond `EINTR`. A function that may run between `fork` and `execve`
//! says so under *Signal safety*.
//! Sources: pidfd_open(2), pidfd_send_signal(2), waitid(2), memfd_create(2), fcntl(2) F_ADD_SEALS, mmap(2).

use std::ffi::CStr;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::ptr::NonNull;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};

pub mod namespace;

/// The two ends of a pipe: what is written to `write` is read from `read`.
#[derive(Debug)]
pub struct Pipe {
    /// The reading end.
    pub read: OwnedFd,
    /// The writing end.
    pub write: OwnedFd,
}

/// A new pipe, both ends close-on-exec and blocking.
///
/// # Errors
/// `EMFILE`, `ENFILE`: no descriptor left. Source: pipe2(2).
pub fn pipe() -> io::Result<Pipe> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    Ok(Pipe { read, write })
}

/// An eventfd: non-blocking, close-on-exec, counter 0. Source: eventfd(2).
///
/// # Errors
/// `EMFILE`, `ENFILE`: no descriptor left.
pub fn event_fd() -> io::Result<OwnedFd> {
    // SAFETY: eventfd takes two integers and touches no memory of ours.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    owned(fd)
}

/// An anonymous shared file of exactly `bytes` zero bytes whose size can never change, so that a mapping of it
/// cannot fault (`SIGBUS`) whatever the other side does.
///
/// # Errors
/// `EMFILE`, `ENOMEM`; `EFBIG`: see [`without_size_signal`]. Source: memfd_create(2), fcntl(2) "File Sealing".
pub fn sealed_memory(name: &CStr, bytes: usize) -> io::Result<OwnedFd> {
    let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let bytes = i64::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
    without_size_signal(|| Ok(nix::unistd::ftruncate(&fd, bytes)?))?;
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(fd)
}

/// Calls what makes a file larger. Where that is more than this process may (`RLIMIT_FSIZE`), it is the error `EFBIG` and
/// nothing else: the SIGXFSZ that comes with it, which ends a process, is taken before anybody hears it, and whatever the
/// program does about that signal stays as it is.
///
/// # Errors
/// What `enlarge` says, and what pthread_sigmask(3) does. Source: setrlimit(2), sigtimedwait(2).
pub fn without_size_signal<T>(enlarge: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let mut signal = SigSet::empty();
    signal.add(Signal::SIGXFSZ);
    let before = signal.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    // SAFETY: plain data, filled by the call; one that is pending by now is somebody else's.
    let is_pending = unsafe {
        let mut pending: libc::sigset_t = std::mem::zeroed();
        libc::sigpending(&raw mut pending);
        libc::sigismember(&raw const pending, libc::SIGXFSZ) == 1
    };
    let done = enlarge();
    if !is_pending && done.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EFBIG)) {
        let at_once = timespec(Duration::ZERO);
        // SAFETY: a set and a time that outlive the call, which does not wait; an ignored signal is not there.
        unsafe { libc::sigtimedwait(signal.as_ref(), std::ptr::null_mut(), &raw const at_once) };
    }
    before.thread_set_mask()?;
    done
}

/// Whether `fd` carries the seals of [`sealed_memory`] and is exactly `bytes` long.
#[must_use]
pub fn is_sealed_memory(fd: BorrowedFd<'_>, bytes: usize) -> bool {
    let wanted = (SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW).bits();
    let sealed = fcntl(fd, FcntlArg::F_GET_SEALS).is_ok_and(|seals| seals & wanted == wanted);
    sealed && nix::sys::stat::fstat(fd).is_ok_and(|stat| usize::try_from(stat.st_size) == Ok(bytes))
}

/// A shared, readable and writable mapping of the whole of a sealed file; unmapped on drop.
#[derive(Debug)]
pub struct Mapping {
    address: NonNull<libc::c_void>,
    bytes: usize,
}

// SAFETY: the mapping is memory shared between processes; whoever reads it uses atomics, on any thread.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `bytes` bytes of `fd` from its start.
    ///
    /// # Errors
    /// `InvalidInput` when the file is not sealed or has another size; else what mmap(2) says.
    pub fn of_sealed(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<Self> {
        if bytes == 0 || !is_sealed_memory(fd, bytes) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a sealed file of the expected size",
            ));
        }
        // SAFETY: a new mapping at an address of the kernel's choice; the seals keep the file at `bytes`.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let address = NonNull::new(address).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { address, bytes })
    }

    /// The first byte; page-aligned.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.address.as_ptr().cast()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: address and length are those of our own mmap; nobody borrows from it past our life.
        unsafe { libc::munmap(self.address.as_ptr(), self.bytes) };
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It called `exit` with this code, 0 to 255.
    Code(i32),
    /// This signal ended it.
    Signal {
        /// The signal's number.
        number: i32,
        /// Whether it left a core file.
        core: bool,
    },
    /// Somebody else took the status (`ECHILD`).
    Unknown,
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Signal { number, core } => {
                let core = if core { ", core dumped" } else { "" };
                match Signal::try_from(number) {
                    Ok(signal) => write!(f, "killed by {signal}{core}"),
                    Err(_) => write!(f, "killed by signal {number}{core}"),
                }
            }
            Self::Unknown => f.write_str("ended, status unknown"),
        }
    }
}

/// A stable handle on the process `pid`: it never means another process, even when the number is used again.
///
/// # Errors
/// `ESRCH`: no such process. `ENOSYS`: Linux older than 5.3. Source: pidfd_open(2).
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: two integers in, a new descriptor (always close-on-exec) out.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    owned(RawFd::try_from(fd).unwrap_or(-1))
}

/// Sends `signal` to exactly the process behind `pidfd`.
///
/// # Errors
/// `ESRCH`: it has ended and was reaped; `EPERM`. Source: pidfd_send_signal(2).
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed and means "as kill(2) does".
    let rc = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, 0) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Takes the exit status of the child behind `pidfd`, if it has ended.
///
/// # Blocking
/// Never. `None`: still running.
///
/// # Errors
/// What waitid(2) says, except `ECHILD` (status gone), which is [`ExitStatus::Unknown`].
pub fn pidfd_reap(pidfd: BorrowedFd<'_>) -> io::Result<Option<ExitStatus>> {
    let id = libc::id_t::try_from(pidfd.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(reap(id, libc::WEXITED | libc::WNOHANG)?.map(|(status, _)| status))
}

/// What a process and the children that it has waited for have used. Source: getrusage(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on a CPU in its own code.
    pub user: Duration,
    /// Time on a CPU in the kernel.
    pub system: Duration,
    /// The most memory that was resident at one moment: what a fork shares with its parent counts.
    pub peak_bytes: u64,
}

impl Usage {
    fn of(usage: &libc::rusage) -> Self {
        let duration = |time: libc::timeval| {
            let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default());
            seconds + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or_default())
        };
        let kib = u64::try_from(usage.ru_maxrss).unwrap_or_default();
        Self { user: duration(usage.ru_utime), system: duration(usage.ru_stime), peak_bytes: kib * 1024 }
    }
}

/// As [`pidfd_reap`], with what the child has used; all zero where the status is unknown.
///
/// # Blocking
/// Never. `None`: still running.
///
/// # Errors
/// As there.
pub fn pidfd_reap_with_usage(pidfd: BorrowedFd<'_>) -> io::Result<Option<(ExitStatus, Usage)>> {
    let id = libc::id_t::try_from(pidfd.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?;
    reap(id, libc::WEXITED | libc::WNOHANG)
}

/// Whether the process behind `pidfd` is a child of this one whose status nobody has taken.
///
/// # Errors
/// What waitid(2) says.
pub fn is_child(pidfd: BorrowedFd<'_>) -> io::Result<bool> {
    let id = libc::id_t::try_from(pidfd.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let status = reap(id, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)?;
    Ok(status.is_none_or(|(status, _)| status != ExitStatus::Unknown))
}

/// The system call itself, because the C library's keeps the usage back. Source: waitid(2) "C library/kernel differences".
fn reap(pidfd: libc::id_t, options: i32) -> io::Result<Option<(ExitStatus, Usage)>> {
    loop {
        // SAFETY: both are plain data; all zero is what waitid itself leaves when nothing has ended.
        let (mut info, mut usage): (libc::siginfo_t, libc::rusage) = unsafe { std::mem::zeroed() };
        // SAFETY: `info` and `usage` are ours and outlive the call.
        let rc = unsafe {
            let (info, usage) = (&raw mut info, &raw mut usage);
            libc::syscall(libc::SYS_waitid, libc::P_PIDFD, pidfd, info, options, usage)
        };
        if rc == -1 {
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                Some(libc::ECHILD) => return Ok(Some((ExitStatus::Unknown, Usage::default()))),
                _ => return Err(error),
            }
        }
        // SAFETY: after a successful waitid these union fields are set (or still zero).
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        let status = match info.si_code {
            _ if pid == 0 => return Ok(None),
            libc::CLD_EXITED => ExitStatus::Code(status),
            code => ExitStatus::Signal { number: status, core: code == libc::CLD_DUMPED },
        };
        return Ok(Some((status, Usage::of(&usage))));
    }
}

/// A child of ours that has ended and whose status nobody has taken yet; it stays so. Source: waitid(2) WNOWAIT.
#[must_use]
pub fn ended_child() -> Option<i32> {
    let pid = wait_for(libc::P_ALL, 0, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT);
    Some(pid).filter(|pid| *pid > 0)
}

/// Takes the status of a child that has ended, so that it is no zombie any more.
pub fn bury(pid: i32) {
    if let Ok(id) = libc::id_t::try_from(pid) {
        wait_for(libc::P_PID, id, libc::WEXITED | libc::WNOHANG);
    }
}

/// As [`bury`], for a child that is about to end.
///
/// # Blocking
/// Until it has ended.
pub fn bury_when_ended(pid: i32) {
    if let Ok(id) = libc::id_t::try_from(pid) {
        wait_for(libc::P_PID, id, libc::WEXITED);
    }
}

/// waitid(2); the child's pid, 0 where there is none.
fn wait_for(kind: libc::idtype_t, id: libc::id_t, options: i32) -> i32 {
    loop {
        // SAFETY: siginfo_t is plain data; all zero is what waitid itself leaves when nothing has ended.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` is ours and outlives the call.
        let rc = unsafe { libc::waitid(kind, id, &raw mut info, options) };
        if rc == -1 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
            continue;
        }
        // SAFETY: after a successful waitid the field is set, or still zero.
        return if rc == 0 { unsafe { info.si_pid() } } else { 0 };
    }
}

/// Sends a signal to a process, with a value if there is one.
///
/// # Errors
/// `ESRCH`: no such process. `EPERM`. `EAGAIN`: the user's limit of queued signals (`RLIMIT_SIGPENDING`) is exhausted.
/// Source: kill(2), sigqueue(3).
pub fn send_signal(pid: i32, signal: i32, value: Option<i32>) -> io::Result<()> {
    let rc = match value {
        // SAFETY: two numbers.
        None => unsafe { libc::kill(pid, signal) },
        Some(value) => {
            // sival_int is the low half of the union.
            let value = usize::try_from(value.cast_unsigned()).unwrap_or_default();
            let value = libc::sigval { sival_ptr: std::ptr::without_provenance_mut(value) };
            // SAFETY: a number, a number and a value that nobody dereferences.
            unsafe { libc::sigqueue(pid, signal, value) }
        }
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A process's command name, at most 15 bytes. `None`: there is no such process any more. Source: proc(5) `comm`.
#[must_use]
pub fn command_name(pid: i32) -> Option<String> {
    let name = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned())
}

/// Whether there is a thread of that number in this process's PID namespace. Source: kill(2).
#[must_use]
pub fn is_thread(number: i32) -> bool {
    // SAFETY: signal 0 only asks; a thread's number is looked up as a process's.
    let rc = unsafe { libc::kill(number, 0) };
    rc == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// The process that a thread belongs to; where /proc does not show it, the thread's own number, which is the process's
/// where that has one thread. `None`: there is no such thread.
#[must_use]
pub fn process_of(thread: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let told = status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
    is_thread(thread).then(|| told.unwrap_or(thread))
}

/// The processes that /proc shows, in no order; none where it is not mounted.
#[must_use]
pub fn process_ids() -> Vec<i32> {
    numbers_in("/proc").unwrap_or_default()
}

/// The names in a directory of /proc that are numbers: of processes, threads, descriptors.
///
/// # Errors
/// `ENOENT`: /proc is not mounted, or what the directory is of has ended. `EMFILE`, `ENFILE`.
pub fn numbers_in(directory: &str) -> io::Result<Vec<i32>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(numbers)
}

/// Looks at something of another process in /proc; where that is refused to root without `CAP_SYS_PTRACE`, as in a
/// container, looks once more with that process's own user.
///
/// # Errors
/// What `look` says.
pub fn look_at<T>(pid: i32, look: impl Fn() -> io::Result<T>) -> io::Result<T> {
    use std::os::unix::fs::MetadataExt;
    match look() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        looked => return looked,
    }
    let owner = std::fs::metadata(format!("/proc/{pid}"))?;
    // Changing the user to look with clears both.
    let death_signal = nix::sys::prctl::get_pdeathsig();
    let dumpable = nix::sys::prctl::get_dumpable();
    let set = |uid: libc::uid_t, gid: libc::gid_t| {
        // SAFETY: numbers only; they change how this thread is looked at by file permissions, and nothing else.
        unsafe {
            libc::setfsgid(gid);
            libc::setfsuid(uid);
        }
    };
    set(owner.uid(), owner.gid());
    let looked = look();
    set(nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let _ = nix::sys::prctl::set_pdeathsig(death_signal.ok().flatten());
    let _ = nix::sys::prctl::set_dumpable(dumpable.unwrap_or(true));
    looked
}

/// Another descriptor for the same, close-on-exec.
///
/// # Errors
/// `EMFILE`. Source: fcntl(2) F_DUPFD_CLOEXEC.
pub fn duplicate(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    fd.try_clone_to_owned()
}

/// Makes the open descriptor `number` lead where `fd` leads, close-on-exec. What it led to is closed.
///
/// # Errors
/// `EBADF`. Source: dup3(2).
pub fn duplicate_to(fd: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // SAFETY: two numbers; the caller owns `number`, whatever it leads to.
    let rc = unsafe { libc::dup3(fd.as_raw_fd(), number, libc::O_CLOEXEC) };
    if rc == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes the descriptor `number` lead where `fd` leads, for the program that an execve starts. What it led to is closed.
///
/// # Errors
/// `EBADF`, `EBUSY`. Source: dup2(2).
///
/// # Signal safety
/// At most two system calls: may run between `fork` and `execve`.
pub fn pass_as(fd: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    if fd.as_raw_fd() == number {
        return set_close_on_exec(fd, false);
    }
    // SAFETY: two numbers; the caller owns `number`, whatever it leads to.
    let rc = unsafe { libc::dup2(fd.as_raw_fd(), number) };
    if rc == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Closes all descriptors from `first` to `last`. With `unshare`, where the table is shared with another process: in a
/// table of this one's own, which has never had them.
///
/// # Errors
/// `ENOSYS`: Linux older than 5.9. `EPERM`: a seccomp filter. `ENOMEM`. Source: close_range(2).
///
/// # Signal safety
/// One system call.
///
/// # Safety
/// Without `unshare`: nothing of this process uses one of them any more.
pub unsafe fn close_range(first: RawFd, last: RawFd, unshare: bool) -> io::Result<()> {
    let flags = if unshare { libc::CLOSE_RANGE_UNSHARE } else { 0 };
    // SAFETY: three numbers; our caller's promise.
    done(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) })
}

/// Sets or clears close-on-exec.
///
/// # Errors
/// `EBADF`.
///
/// # Signal safety
/// Two fcntl(2) calls: may run between `fork` and `execve`.
pub fn set_close_on_exec(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let mut flags = FdFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFD)?);
    flags.set(FdFlag::FD_CLOEXEC, on);
    fcntl(fd, FcntlArg::F_SETFD(flags))?;
    Ok(())
}

/// Whether `fd` is close-on-exec.
///
/// # Errors
/// `EBADF`.
pub fn is_close_on_exec(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(FdFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFD)?).contains(FdFlag::FD_CLOEXEC))
}

/// Whether `path` is a file that this process may execute. Source: access(2).
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    path.is_file() && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
}

/// Makes every open descriptor above 2 close-on-exec, those in `kept` excepted. The ones that were not so before.
///
/// # Errors
/// /proc is not mounted.
pub fn close_on_exec_above_2(kept: &Range<RawFd>) -> io::Result<Vec<RawFd>> {
    let open = numbers_in("/proc/self/fd")?;
    let mut changed = Vec::new();
    for number in open.into_iter().filter(|number| *number > 2 && !kept.contains(number)) {
        // SAFETY: asked for its flags and given one; a number that was closed meanwhile gives EBADF.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        if is_close_on_exec(fd).is_ok_and(|on| !on) {
            set_close_on_exec(fd, true)?;
            changed.push(number);
        }
    }
    Ok(changed)
}

/// Makes `fd` non-blocking. The flag belongs to the open description, not to the descriptor: a pipe's other end
/// keeps its own.
///
/// # Errors
/// `EBADF`.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    flags.insert(OFlag::O_NONBLOCK);
    fcntl(fd, FcntlArg::F_SETFL(flags))?;
    Ok(())
}

/// The inode number behind `fd`: pipes and memfds have one of their own each.
///
/// # Errors
/// `EBADF`: no such descriptor is open.
pub fn inode(fd: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(nix::sys::stat::fstat(fd)?.st_ino)
}

/// Gives the process an empty signal mask and every signal its default disposition, as a program expects at its
/// start. Ignored signals (SIGPIPE under php-cli, SIGHUP under nohup) would survive the execve.
///
/// # Errors
/// What sigprocmask(2) says. A signal that cannot be changed (KILL, STOP, glibc's own two) is passed over.
///
/// # Signal safety
/// System calls only: may run between `fork` and `execve`.
pub fn default_signals() -> io::Result<()> {
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL is a valid disposition; a refused number changes nothing.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    SigSet::empty().thread_set_mask()?;
    Ok(())
}

/// Gives the process another nice value, -20 to 19.
///
/// # Errors
/// `EACCES`: a lower one than now, without the privilege. Source: setpriority(2).
///
/// # Signal safety
/// One system call: may run between `fork` and `execve`.
pub fn set_nice(value: i32) -> io::Result<()> {
    // SAFETY: three numbers.
    let rc = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, value) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives the calling thread these supplementary groups, and no others. Source: setgroups(2).
///
/// # Errors
/// `EPERM`, `EINVAL`: too many.
///
/// # Signal safety
/// One raw system call, where glibc's would go through all threads: may run between `fork` and `execve`, and in a child
/// that still works in its parent's memory.
pub fn set_groups(groups: &[libc::gid_t]) -> io::Result<()> {
    // SAFETY: so many numbers are read.
    done(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })
}

/// Gives the calling thread this real, effective and saved group. Source: setresgid(2).
///
/// # Errors
/// `EPERM`.
///
/// # Signal safety
/// As [`set_groups`].
pub fn set_group(gid: libc::gid_t) -> io::Result<()> {
    // SAFETY: numbers only.
    done(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })
}

/// Gives the calling thread this real, effective and saved user. Source: setresuid(2).
///
/// # Errors
/// `EPERM`; `EAGAIN`: that user has too many processes.
///
/// # Signal safety
/// As [`set_groups`].
pub fn set_user(uid: libc::uid_t) -> io::Result<()> {
    // SAFETY: numbers only.
    done(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })
}

/// The supplementary groups of who has connected to, or listens on, the other end of a Unix socket, as they were then.
/// Source: socket(7) SO_PEERGROUPS, Linux 4.13.
///
/// # Errors
/// `ENODATA`: it is no connected Unix socket.
pub fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<libc::gid_t>> {
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let bytes = size_of_val(groups.as_slice());
        let mut length = libc::socklen_t::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        let (level, option) = (libc::SOL_SOCKET, libc::SO_PEERGROUPS);
        // SAFETY: at most `length` bytes are written to the numbers, whose every bit pattern is one.
        let rc = unsafe {
            libc::getsockopt(socket.as_raw_fd(), level, option, groups.as_mut_ptr().cast(), &raw mut length)
        };
        // With too little room the kernel says how much it needs.
        let needed = usize::try_from(length).unwrap_or_default() / size_of::<libc::gid_t>();
        match done(rc.into()) {
            Ok(()) => {
                groups.truncate(needed);
                return Ok(groups);
            }
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) && needed > groups.len() => {
                groups.resize(needed, 0);
            }
            Err(error) => return Err(error),
        }
    }
}

fn done(rc: libc::c_long) -> io::Result<()> {
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Ends the process without running anything of it, as a child between `fork` and `execve` must. Source: _exit(2).
#[unsafe(link_section = "rustdaemon.child")]
pub fn exit_at_once(code: i32) -> ! {
    // SAFETY: takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// From now on this process is killed when its parent ends: also stopped, or inside a call that never returns. When
/// the parent has just ended, so does this process.
///
/// The parent is the thread that has made this process. A fork does not inherit this; a change of user, and the execve
/// of a set-user-ID program, clear it. Source: prctl(2) PR_SET_PDEATHSIG.
///
/// # Errors
/// None that Linux documents for SIGKILL.
pub fn die_with_parent() -> io::Result<()> {
    die_with(nix::unistd::getppid().as_raw())
}

/// As [`die_with_parent`], where the parent's number is known from before the fork. In a PID namespace of its own it has none,
/// and the number of its parent is 0.
///
/// # Errors
/// As there.
#[unsafe(link_section = "rustdaemon.child")]
pub fn die_with(parent: i32) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    let now = nix::unistd::getppid().as_raw();
    if now != parent && now != 0 {
        nix::sys::signal::raise(Signal::SIGKILL)?;
    }
    Ok(())
}

/// The signals that this process ignores. Source: sigaction(2).
#[must_use]
pub fn ignored_signals() -> Vec<i32> {
    let ignored = |number: &i32| {
        // SAFETY: only asks; sigaction is plain data, and a refused number leaves it all zero (SIG_DFL).
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(*number, std::ptr::null(), &raw mut action);
            action.sa_sigaction == libc::SIG_IGN
        }
    };
    (1..=libc::SIGRTMAX()).filter(ignored).collect()
}

/// What a signal did before [`set_disposition`] changed it.
pub struct Disposition(i32, libc::sigaction);

impl Disposition {
    /// Puts it back.
    pub fn restore(&self) {
        // SAFETY: a sigaction that the kernel gave us for this number.
        unsafe { libc::sigaction(self.0, &raw const self.1, std::ptr::null_mut()) };
    }
}

/// Ignores a signal, or gives it its default disposition. `None`: it cannot be changed.
pub fn set_disposition(number: i32, ignored: bool) -> Option<Disposition> {
    // SAFETY: both structs are ours and plain data; SIG_IGN and SIG_DFL are valid dispositions.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
        let mut previous: libc::sigaction = std::mem::zeroed();
        let done = libc::sigaction(number, &raw const action, &raw mut previous);
        (done == 0).then_some(Disposition(number, previous))
    }
}

/// Numbers that nobody can guess. Source: getrandom(2).
#[must_use]
pub fn random() -> [u32; 2] {
    let mut numbers = [0_u32; 2];
    // SAFETY: as many bytes as there are; for so few the call neither fails nor stops half-way once the system is up.
    unsafe { libc::getrandom(numbers.as_mut_ptr().cast(), size_of_val(&numbers), 0) };
    numbers
}

/// Where this process may write: the ranges of addresses that /proc shows, none where it is not mounted. Source: proc(5)
/// `maps`.
#[must_use]
pub fn writable_memory() -> Vec<Range<usize>> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter_map(writable_range).collect()
}

/// `55d0-55e0 rw-p ...`
fn writable_range(line: &str) -> Option<Range<usize>> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    if rest.as_bytes().get(1) == Some(&b'w') { Some(number(start)?..number(end)?) } else { None }
}

/// Lets this process write to memory that a library keeps constant: its own copy of it.
///
/// # Errors
/// `EACCES`, `EPERM`: the system forbids that. `ENOMEM`. Source: mprotect(2).
///
/// # Safety
/// Memory of a private mapping, of `bytes` bytes at `address`.
pub unsafe fn make_writable(address: usize, bytes: usize) -> io::Result<()> {
    // SAFETY: only asks.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let first = address - address % page;
    let start = std::ptr::with_exposed_provenance_mut(first);
    // SAFETY: the caller's promise; whole pages around it.
    let rc = unsafe { libc::mprotect(start, address + bytes - first, libc::PROT_READ | libc::PROT_WRITE) };
    done(rc.into())
}

/// Time on `CLOCK_MONOTONIC`, the same in every process of the machine.
#[must_use]
pub fn monotonic() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours; CLOCK_MONOTONIC always exists on Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// The number of the CPU that we run on, plus one; 0: the system does not tell. It may be another one by now.
/// sched_getcpu(3) asks nobody where rseq(2) is in use.
#[inline]
#[must_use]
pub fn this_cpu() -> u32 {
    // SAFETY: no arguments.
    let cpu = unsafe { libc::sched_getcpu() };
    u32::try_from(cpu).map_or(0, |cpu| cpu + 1)
}

/// A time as the kernel wants it.
#[must_use]
pub fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

fn owned(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a successful call has just made this descriptor; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests;
