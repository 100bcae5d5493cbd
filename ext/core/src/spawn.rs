//! Starting a program without copying this process.
//!
//! # How it works
//! clone(2) with `CLONE_VM | CLONE_VFORK`, as glibc's posix_spawn(3) does it: until its execve or its `_exit` the child
//! works in our memory, on a stack of its own, while the thread that made it stands still. No page table is copied and
//! no page is copied at the next write to it, which is most of what a fork costs. All signals are blocked meanwhile, so
//! that no handler runs in memory that is not the child's. What went wrong is written where the parent reads it: no
//! pipe. The pidfd comes with the child (`CLONE_PIDFD`), so it never means another process.
//!
//! # Rules
//! The child makes system calls only, with everything prepared before. Calls that glibc carries out in all threads of
//! a process (setresuid(2), setgroups(2)) would reach ours: [`sys::set_user`] and its siblings are raw ones.
//! Sources: clone(2), vfork(2), glibc sysdeps/unix/sysv/linux/spawni.c, exec(3), nptl(7).

use std::cell::Cell;
use std::ffi::{CString, OsStr, OsString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr::{self, NonNull};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use crate::sys;

/// For the child: system calls and a few hundred bytes of paths, in a debug build too.
const STACK_BYTES: usize = 64 * 1024;
/// Below it, so that an overflow is a fault and not somebody else's memory.
const GUARD_BYTES: usize = 4 * 1024;

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
            strings.push(CString::new([key.as_bytes(), value.as_bytes()].join(&b'='))?);
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
    /// What was to be done before the execve.
    Prepare(E),
    /// What execve(2) says.
    Execute(io::Error),
}

/// What parent and child both see.
struct Shared<'a, E> {
    files: &'a [CString],
    arguments: &'a [*const c_char],
    environment: &'a [*const c_char],
    prepare: &'a dyn Fn() -> Result<(), E>,
    failure: Option<Failure<E>>,
}

/// Starts it; `prepare` runs in the child, before the execve.
///
/// # Blocking
/// Until the execve has worked or failed.
///
/// # Errors
/// See [`Failure`].
///
/// # Safety
/// `prepare` makes system calls only: it neither allocates, nor panics, nor takes a lock, nor changes memory of this
/// process.
///
/// # Panics
/// Never.
pub unsafe fn spawn<E>(program: &Program, prepare: &dyn Fn() -> Result<(), E>) -> Result<Child, Failure<E>> {
    let pointers = |strings: &[CString]| -> Vec<*const c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(&program.arguments), pointers(&program.environment));
    let mut shared = Shared {
        files: &program.files,
        arguments: &arguments,
        environment: &environment,
        prepare,
        failure: None,
    };
    let stack = STACK.take().map_or_else(Stack::new, Ok).map_err(Failure::Clone)?;
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))
        .map_err(|errno| Failure::Clone(errno.into()))?;
    let mut pidfd: c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: the child runs `child::<E>` on a stack that nobody else uses and that outlives it here: this thread goes
    // on after its execve or its end only. `shared` is of the type that `child::<E>` takes it for, and nobody else
    // touches it meanwhile. CLONE_PIDFD writes one int.
    let pid = unsafe {
        libc::clone(child::<E>, stack.top(), flags, (&raw mut shared).cast::<c_void>(), &raw mut pidfd)
    };
    let error = io::Error::last_os_error();
    STACK.set(Some(stack));
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None); // a mask that the kernel has given us
    if pid == -1 {
        return Err(Failure::Clone(error));
    }
    // SAFETY: the kernel has just made it, and nobody else knows it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    match shared.failure.take() {
        None => Ok(Child { pid, pidfd }),
        Some(failure) => {
            bury(&pidfd);
            Err(failure)
        }
    }
}

/// Takes the status of a child that is at its end.
fn bury(pidfd: &OwnedFd) {
    let ended = || poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE);
    while ended() == Err(Errno::EINTR) {}
    let _ = sys::pidfd_reap(pidfd.as_fd()); // nobody asks how it ended
}

/// The child's whole life before its execve.
extern "C" fn child<E>(shared: *mut c_void) -> c_int {
    // SAFETY: `spawn` has given its own, and stands still until this process has its own memory or has ended.
    let shared = unsafe { &mut *shared.cast::<Shared<'_, E>>() };
    let failure = match (shared.prepare)() {
        Ok(()) => Failure::Execute(execute(shared.files, shared.arguments, shared.environment)),
        Err(error) => Failure::Prepare(error),
    };
    shared.failure = Some(failure);
    sys::exit_at_once(127)
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
    static STACK: Cell<Option<Stack>> = const { Cell::new(None) };
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
        // SAFETY: the tests' closures make system calls only.
        unsafe { spawn(program, prepare) }
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
    fn what_fails_in_the_child_is_known_here_and_leaves_nothing() {
        let errno = |failure: Failure<io::Error>| match failure {
            Failure::Clone(error) => ("clone", error.raw_os_error()),
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
