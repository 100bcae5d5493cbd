//! Starting a program without copying this process.
//!
//! # How it works
//! clone(2) with `CLONE_VM | CLONE_VFORK`, as glibc's posix_spawn(3) does it: until its execve or its `_exit` the child
//! works in our memory, on a stack of its own, while the thread that made it stands still. No page table is copied and
//! no page is copied at the next write to it, which is most of what a fork costs. All signals are blocked meanwhile, so
//! that no handler runs in memory that is not the child's. What went wrong is written where the parent reads it: no
//! pipe. The pidfd comes with the child (`CLONE_PIDFD`), so it never means another process.
//!
//! Descriptors: a copied table is closed again one by one at the execve, which with five descriptors per worker makes
//! the start of one of 1 000 slower than all the rest. So the child begins with our table (`CLONE_FILES`), what it is
//! to get stands on low numbers that are kept for that, and its first call leaves with those alone (close_range(2)
//! `CLOSE_RANGE_UNSHARE`, Linux 5.9; elsewhere the table is copied). Nothing of ours is changed or closed by that.
//!
//! # Rules
//! The child makes system calls only, with everything prepared before. Calls that glibc carries out in all threads of
//! a process (setresuid(2), setgroups(2)) would reach ours: [`sys::set_user`] and its siblings are raw ones.
//! Sources: clone(2), vfork(2), close_range(2), glibc sysdeps/unix/sysv/linux/spawni.c, exec(3), nptl(7).

use std::cell::Cell;
use std::ffi::{CString, OsStr, OsString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr::{self, NonNull};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use crate::sys;

/// For the child: system calls and a few hundred bytes of paths, in a debug build too.
const STACK_BYTES: usize = 64 * 1024;
/// Below it, so that an overflow is a fault and not somebody else's memory.
const GUARD_BYTES: usize = 4 * 1024;

/// Standard streams, a link, and some to spare.
pub const MOST_PASSED: usize = 8;
/// Places lie above all numbers that a program's descriptors can have.
pub const LOWEST_PLACE: RawFd = 16;

/// execvp(3)'s, where the environment has no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A program to be: everything that execve(2) is told.
#[derive(Debug)]
pub struct Program {
    /// Tried in this order.
    files: Vec<CString>,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Program {
    /// What execvp(3) would make of `command` in this environment: its first word is looked up in that environment's
    /// `PATH`, at the moment of the start and from the child's working directory.
    ///
    /// # Errors
    /// `InvalidInput`: the command is empty, or a NUL stands in it or in the environment.
    pub fn new<'a>(
        command: &[OsString],
        environment: impl Iterator<Item = (&'a OsStr, &'a OsStr)>,
    ) -> io::Result<Self> {
        let name = command.first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut path = None;
        let mut strings = Vec::new();
        for (key, value) in environment {
            if key == "PATH" {
                path = Some(value);
            }
            let mut string = Vec::with_capacity(key.len() + value.len() + 2); // its NUL too: it stays where it is
            string.extend_from_slice(key.as_bytes());
            string.push(b'=');
            string.extend_from_slice(value.as_bytes());
            strings.push(CString::new(string)?);
        }
        let files = if name.as_bytes().contains(&b'/') {
            vec![CString::new(name.as_bytes())?]
        } else {
            let directories = std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH)));
            let file = |directory: std::path::PathBuf| directory.join(name).into_os_string().into_vec();
            directories.map(|directory| CString::new(file(directory))).collect::<Result<_, _>>()?
        };
        let arguments = command.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<_, _>>()?;
        Ok(Self { files, arguments, environment: strings })
    }
}

/// A program that runs.
#[derive(Debug)]
pub struct Child {
    /// Its process id.
    pub pid: i32,
    /// The process, and never another one. Close-on-exec.
    pub pidfd: OwnedFd,
}

/// Why a program does not run. Nothing of it is left.
#[derive(Debug)]
pub enum Failure<E> {
    /// There is no child: `EAGAIN` (too many processes), `ENOMEM`, `EMFILE`.
    Clone(io::Error),
    /// Its descriptors could not be put in place.
    Descriptors(io::Error),
    /// What was to be done before the execve.
    Prepare(E),
    /// What execve(2) says.
    Execute(io::Error),
}

/// Starts it with these descriptors, each under its number there, and no others. `prepare` runs in the child, before the
/// execve.
///
/// # Blocking
/// Until the execve has worked or failed.
///
/// # Errors
/// See [`Failure`]. More than [`MOST_PASSED`] descriptors, or numbers that do not ascend below [`LOWEST_PLACE`], are
/// `InvalidInput`.
///
/// # Safety
/// `prepare` makes system calls only: it neither allocates, nor panics, nor takes a lock, nor changes memory of this
/// process.
pub unsafe fn spawn<E>(
    program: &Program,
    passed: &[(RawFd, BorrowedFd<'_>)],
    prepare: &dyn Fn() -> Result<(), E>,
) -> Result<Child, Failure<E>> {
    let ascending = passed.is_sorted_by(|(one, _), (next, _)| one < next);
    let in_range = passed.iter().all(|(number, _)| (0..LOWEST_PLACE).contains(number));
    if passed.len() > MOST_PASSED || !ascending || !in_range {
        return Err(Failure::Descriptors(io::ErrorKind::InvalidInput.into()));
    }
    let mut site = SITE.take().map_or_else(Site::new, Ok).map_err(Failure::Clone)?;
    // SAFETY: our caller's promise.
    let mut spawned = unsafe { spawn_at(&site, program, passed, prepare) };
    if site.table == Table::Shared && matches!(spawned, Err(Refusal::NotUnshared)) {
        site.table = Table::Copied;
        // SAFETY: as above.
        spawned = unsafe { spawn_at(&site, program, passed, prepare) };
    }
    SITE.set(Some(site));
    spawned.map_err(|refusal| match refusal {
        Refusal::Failure(failure) => failure,
        Refusal::NotUnshared => Failure::Descriptors(io::ErrorKind::Unsupported.into()),
    })
}

/// A [`Failure`], or a kernel without close_range(2), 5.9, or with a filter before it.
enum Refusal<E> {
    Failure(Failure<E>),
    NotUnshared,
}

/// # Safety
/// As [`spawn`].
unsafe fn spawn_at<E>(
    site: &Site,
    program: &Program,
    passed: &[(RawFd, BorrowedFd<'_>)],
    prepare: &dyn Fn() -> Result<(), E>,
) -> Result<Child, Refusal<E>> {
    let failed = |error: io::Error| Refusal::Failure(Failure::Clone(error));
    let pointers = |strings: &[CString]| -> Vec<*const c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(&program.arguments), pointers(&program.environment));
    let ramp = site.ramp(passed).map_err(failed)?;
    let mut shared = Shared {
        files: &program.files,
        arguments: &arguments,
        environment: &environment,
        passed,
        places: ramp.places(),
        table: site.table,
        prepare,
        refusal: None,
    };
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))
        .map_err(|errno| failed(errno.into()))?;
    let mut pidfd: c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD | site.table.flag();
    // SAFETY: the child runs `child::<E>` on a stack that nobody else uses and that outlives it here: this thread goes
    // on after its execve or its end only. `shared` is of the type that `child::<E>` takes it for, and nobody else
    // touches it meanwhile. CLONE_PIDFD writes one int.
    let pid = unsafe {
        let shared = (&raw mut shared).cast::<c_void>();
        libc::clone(child::<E>, site.stack.top(), flags, shared, &raw mut pidfd)
    };
    let error = io::Error::last_os_error();
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None); // a mask that the kernel has given us
    if pid == -1 {
        return Err(failed(error));
    }
    // SAFETY: the kernel has just made it, and nobody else knows it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    match shared.refusal.take() {
        None => Ok(Child { pid, pidfd }),
        Some(refusal) => {
            bury(&pidfd);
            Err(refusal)
        }
    }
}

/// What parent and child both see.
struct Shared<'a, E> {
    files: &'a [CString],
    arguments: &'a [*const c_char],
    environment: &'a [*const c_char],
    passed: &'a [(RawFd, BorrowedFd<'a>)],
    /// Where those stand.
    places: &'a [RawFd],
    table: Table,
    prepare: &'a dyn Fn() -> Result<(), E>,
    refusal: Option<Refusal<E>>,
}

/// Takes the status of a child that is at its end.
fn bury(pidfd: &OwnedFd) {
    let ended = || poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE);
    while ended() == Err(Errno::EINTR) {}
    let _ = sys::pidfd_reap(pidfd.as_fd()); // nobody asks how it ended
}

/// The child's whole life before its execve.
extern "C" fn child<E>(shared: *mut c_void) -> c_int {
    // SAFETY: `spawn_at` has given its own, and stands still until this process has its own memory or has ended.
    let shared = unsafe { &mut *shared.cast::<Shared<'_, E>>() };
    shared.refusal = Some(refusal_of(shared));
    sys::exit_at_once(127)
}

/// Comes back with what stood in the way only.
fn refusal_of<E>(shared: &Shared<'_, E>) -> Refusal<E> {
    let last = shared.places.iter().copied().max().unwrap_or(0);
    // SAFETY: unshared.
    let unshare = || unsafe { sys::close_range(last + 1, RawFd::MAX, true) };
    if shared.table == Table::Shared && unshare().is_err() {
        return Refusal::NotUnshared;
    }
    // What whoever started us has left open is not the program's either. Without close_range(2) it has that.
    // SAFETY: the table is this process's own, and nobody needs what is between and behind what it is to have.
    let close = |first, last| unsafe { sys::close_range(first, last, false) };
    let mut next = 0;
    for ((number, _), place) in shared.passed.iter().zip(shared.places) {
        // SAFETY: the parent's, and open: it stands still.
        if let Err(error) = sys::pass_as(unsafe { BorrowedFd::borrow_raw(*place) }, *number) {
            return Refusal::Failure(Failure::Descriptors(error));
        }
        if next < *number {
            let _ = close(next, *number - 1);
        }
        next = *number + 1;
    }
    let _ = close(next, RawFd::MAX);
    Refusal::Failure(match (shared.prepare)() {
        Ok(()) => Failure::Execute(execute(shared.files, shared.arguments, shared.environment)),
        Err(error) => Failure::Prepare(error),
    })
}

/// As execvp(3) goes through the directories, but for a script without a `#!` line, which is refused.
fn execute(files: &[CString], arguments: &[*const c_char], environment: &[*const c_char]) -> io::Error {
    let mut refused = None;
    let mut last = io::Error::from_raw_os_error(libc::ENOENT);
    for file in files {
        // SAFETY: both lists end with a null pointer, and all strings with a NUL; they live in the parent's `Program`.
        unsafe { libc::execve(file.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
        last = io::Error::last_os_error();
        match last.raw_os_error() {
            Some(libc::EACCES) => refused = Some(libc::EACCES),
            Some(libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT) => {}
            _ => return last,
        }
    }
    refused.map_or(last, io::Error::from_raw_os_error)
}

thread_local! {
    /// Kept for the next child of this thread, which stands still while one uses it.
    static SITE: Cell<Option<Site>> = const { Cell::new(None) };
}

/// What a child gets its descriptors from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    /// Ours, of which it leaves all but the lowest: it costs the same however many are open.
    Shared,
    /// A copy, all of which is closed again, one by one.
    Copied,
}

impl Table {
    fn flag(self) -> c_int {
        match self {
            Self::Shared => libc::CLONE_FILES,
            Self::Copied => 0,
        }
    }
}

/// Where children are started from.
struct Site {
    stack: Stack,
    table: Table,
    /// Leads nowhere.
    nothing: OwnedFd,
    /// Low numbers, kept so that nothing else stands there: whatever a child needs is below all that we open later.
    places: [OwnedFd; MOST_PASSED],
    numbers: [RawFd; MOST_PASSED],
}

impl Site {
    fn new() -> io::Result<Self> {
        let nothing = OwnedFd::from(std::fs::File::open("/dev/null")?);
        let place = || -> io::Result<OwnedFd> {
            let number = fcntl(&nothing, FcntlArg::F_DUPFD_CLOEXEC(LOWEST_PLACE))?;
            // SAFETY: fcntl has just made it.
            Ok(unsafe { OwnedFd::from_raw_fd(number) })
        };
        let places = [place()?, place()?, place()?, place()?, place()?, place()?, place()?, place()?];
        let numbers = places.each_ref().map(AsRawFd::as_raw_fd);
        Ok(Self { stack: Stack::new()?, table: Table::Shared, nothing, places, numbers })
    }

    /// Puts descriptors on the kept places, as long as what this gives lives.
    fn ramp(&self, passed: &[(RawFd, BorrowedFd<'_>)]) -> io::Result<Ramp<'_>> {
        let mut ramp = Ramp { site: self, length: 0 };
        for ((_, fd), place) in passed.iter().zip(&self.places) {
            sys::duplicate_to(*fd, place.as_raw_fd())?;
            ramp.length += 1;
        }
        Ok(ramp)
    }
}

/// Descriptors on the kept places; taken off on drop, so that a pipe ends with its last holder.
struct Ramp<'a> {
    site: &'a Site,
    length: usize,
}

impl Ramp<'_> {
    fn places(&self) -> &[RawFd] {
        self.site.numbers.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Ramp<'_> {
    fn drop(&mut self) {
        for place in self.places() {
            let _ = sys::duplicate_to(self.site.nothing.as_fd(), *place); // both are open
        }
    }
}

/// A child's stack; unmapped on drop.
struct Stack(NonNull<c_void>);

impl Stack {
    const BYTES: usize = STACK_BYTES + GUARD_BYTES;

    fn new() -> io::Result<Self> {
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        // SAFETY: new memory at an address of the kernel's choice.
        let address = unsafe { libc::mmap(ptr::null_mut(), Self::BYTES, libc::PROT_NONE, kind, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Self(NonNull::new(address).ok_or(io::ErrorKind::OutOfMemory)?);
        // SAFETY: all but the lowest pages of our own mapping.
        let rc = unsafe {
            libc::mprotect(address.byte_add(GUARD_BYTES), STACK_BYTES, libc::PROT_READ | libc::PROT_WRITE)
        };
        if rc == 0 { Ok(stack) } else { Err(io::Error::last_os_error()) }
    }

    /// It grows downwards. Page-aligned.
    fn top(&self) -> *mut c_void {
        // SAFETY: one past the end of the mapping.
        unsafe { self.0.as_ptr().byte_add(Self::BYTES) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: our own mapping; the child has left it.
        unsafe { libc::munmap(self.0.as_ptr(), Self::BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::ExitStatus;

    fn program(command: &[&str], environment: &[(&str, &str)]) -> Program {
        let command: Vec<OsString> = command.iter().map(OsString::from).collect();
        let environment = environment.iter().map(|(key, value)| (OsStr::new(*key), OsStr::new(*value)));
        Program::new(&command, environment).unwrap()
    }

    fn start(program: &Program, prepare: &dyn Fn() -> io::Result<()>) -> Result<Child, Failure<io::Error>> {
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        // SAFETY: the tests' closures make system calls only.
        unsafe { spawn(program, &[(0, stdin.as_fd()), (1, stdout.as_fd()), (2, stderr.as_fd())], prepare) }
    }

    fn end(child: &Child) -> ExitStatus {
        let ended =
            poll(&mut [PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::from(10_000_u16));
        assert_eq!(ended, Ok(1), "it has not ended within 10 s");
        sys::pidfd_reap(child.pidfd.as_fd()).unwrap().unwrap()
    }

    #[test]
    fn a_program_runs_with_its_words_and_its_environment_only() {
        let script = r#"test "$1:$A:$#" = "a b:c=d:1" && test -z "$HOME" && exit 7"#;
        let program = program(&["/bin/sh", "-c", script, "sh", "a b"], &[("A", "c=d")]);
        assert_eq!(end(&start(&program, &|| Ok(())).unwrap()), ExitStatus::Code(7));
    }

    #[test]
    fn the_pidfd_is_the_childs_and_passes_no_execve() {
        let child = start(&program(&["sleep", "60"], &[]), &|| Ok(())).unwrap();
        assert!(sys::is_close_on_exec(child.pidfd.as_fd()).unwrap());
        assert_eq!(sys::command_name(child.pid).as_deref(), Some("sleep"), "the execve has been done");
        sys::pidfd_send_signal(child.pidfd.as_fd(), libc::SIGKILL).unwrap();
        assert_eq!(end(&child), ExitStatus::Signal { number: libc::SIGKILL, core: false });
    }

    #[test]
    fn a_child_has_the_descriptors_that_it_is_given_and_no_others() {
        // One that whoever starts us could have left open.
        let open = sys::pipe().unwrap();
        sys::set_close_on_exec(open.read.as_fd(), false).unwrap();
        let pipe = sys::pipe().unwrap();
        let high = fcntl(&pipe.write, FcntlArg::F_DUPFD_CLOEXEC(900)).unwrap();
        // SAFETY: fcntl has just made it.
        let high = unsafe { OwnedFd::from_raw_fd(high) };
        drop(pipe.write);
        let null = std::fs::File::open("/dev/null").unwrap();
        // Without a descriptor of its own.
        let look =
            "i=0; while [ $i -lt 1000 ]; do [ -e /proc/$$/fd/$i ] && s=$s$i; i=$((i+1)); done; echo $s >&7";
        let list = program(&["sh", "-c", look], &[]);
        let null = null.as_fd();
        let passed = [(0, null), (1, null), (2, null), (4, null), (7, high.as_fd())];
        for table in [Table::Shared, Table::Copied] {
            SITE.set(Some(Site { table, ..Site::new().unwrap() }));
            // SAFETY: nothing is prepared.
            let child = unsafe { spawn::<()>(&list, &passed, &|| Ok(())) }.unwrap();
            assert_eq!(end(&child), ExitStatus::Code(0));
            let mut said = [0; 100];
            let length = nix::unistd::read(&pipe.read, &mut said).unwrap();
            assert_eq!(str::from_utf8(&said[..length]), Ok("01247\n"), "{table:?}");
            let site = SITE.take().unwrap();
            assert_eq!(site.table, table);
            let elsewhere = site.places.iter().map(|place| sys::inode(place.as_fd()).unwrap());
            assert!(elsewhere.into_iter().all(|inode| inode == sys::inode(null).unwrap()));
        }
        drop(high);
        assert_eq!(nix::unistd::read(&pipe.read, &mut [0]), Ok(0), "nobody holds the pipe any more");
        let nine: Vec<_> = (0..9).map(|number| (number, null)).collect();
        for wrong in [&nine[..], &[(1, null), (1, null)], &[(LOWEST_PLACE, null)], &[(-1, null)]] {
            // SAFETY: as above.
            let refused = unsafe { spawn::<()>(&list, wrong, &|| Ok(())) };
            assert!(matches!(refused, Err(Failure::Descriptors(_))), "{wrong:?}");
        }
    }

    #[test]
    fn what_fails_in_the_child_is_known_here_and_leaves_nothing() {
        let errno = |failure: Failure<io::Error>| match failure {
            Failure::Clone(error) => ("clone", error.raw_os_error()),
            Failure::Descriptors(error) => ("descriptors", error.raw_os_error()),
            Failure::Prepare(error) => ("prepare", error.raw_os_error()),
            Failure::Execute(error) => ("execute", error.raw_os_error()),
        };
        let pid = std::sync::atomic::AtomicI32::new(0);
        let refuse = || {
            pid.store(nix::unistd::getpid().as_raw(), std::sync::atomic::Ordering::Relaxed);
            Err(io::Error::from_raw_os_error(libc::EDOM))
        };
        let refused = start(&program(&["true"], &[]), &refuse).unwrap_err();
        assert_eq!(errno(refused), ("prepare", Some(libc::EDOM)));
        assert_eq!(sys::command_name(pid.into_inner()), None, "no zombie");
        for (command, expected) in [
            ("/no/such/file", libc::ENOENT),
            ("no-such-program", libc::ENOENT),
            ("/etc/passwd/x", libc::ENOTDIR),
            ("/etc/passwd", libc::EACCES),
            ("/tmp", libc::EACCES),
        ] {
            let refused = start(&program(&[command], &[]), &|| Ok(())).unwrap_err();
            assert_eq!(errno(refused), ("execute", Some(expected)), "{command}");
        }
    }

    #[test]
    fn the_path_is_the_childs_own_and_a_refusal_outlives_a_missing_file() {
        let found = program(&["sh", "-c", "exit 3"], &[("PATH", "/nowhere:/bin:/usr/bin")]);
        assert_eq!(end(&start(&found, &|| Ok(())).unwrap()), ExitStatus::Code(3));
        let nowhere = start(&program(&["sh"], &[("PATH", "/nowhere")]), &|| Ok(())).unwrap_err();
        assert!(matches!(nowhere, Failure::Execute(error) if error.kind() == io::ErrorKind::NotFound));
        // /etc/passwd lies in the first directory, and is no program.
        let refused = start(&program(&["passwd"], &[("PATH", "/etc:/nowhere")]), &|| Ok(())).unwrap_err();
        assert!(
            matches!(refused, Failure::Execute(error) if error.kind() == io::ErrorKind::PermissionDenied)
        );
    }

    #[test]
    fn the_signal_mask_is_as_before() {
        let mask = || {
            let mut mask = SigSet::empty();
            sigprocmask(SigmaskHow::SIG_BLOCK, None, Some(&mut mask)).unwrap();
            mask
        };
        let before = mask();
        let child = start(&program(&["true"], &[]), &|| Ok(())).unwrap();
        assert_eq!(mask(), before);
        end(&child);
    }

    #[test]
    fn a_nul_is_refused() {
        let nul = [OsString::from("a\0b")];
        assert_eq!(Program::new(&nul, [].into_iter()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(Program::new(&[], [].into_iter()).is_err());
    }
}
