//! A script without a sidecar starts itself again under one, in the same process.
//!
//! # Correct order
//! [`Origin::capture`] while the process is young (the command line, the environment and the working directory are
//! changed by the script later); [`Origin::find_sidecar`]; [`Origin::execute`]: working directory, close-on-exec, signal
//! dispositions, signal mask, execve.
//!
//! # What may be lost
//! With a successful execve: everything of the process but its pid, descriptors 0 to 2 and those that `LISTEN_FDS`
//! names. With a failed one: nothing, each step is undone.
//!
//! # Rules
//! Does not print and does not decide whether to start. Sources: execve(2), sd_listen_fds(3), proc(5).

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::rung::{Arguments, split_nul, value_of};
use crate::settings::Token;
use crate::sys;

/// The sidecar's file name.
pub const SIDECAR_NAME: &str = "rustdaemon";

/// How this process was started.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The command line; `None` when it cannot be read.
    pub command_line: Option<Vec<OsString>>,
    /// The environment, `NAME=VALUE` each.
    pub environment: Vec<OsString>,
    /// The working directory; `None` when it had been removed.
    pub directory: Option<PathBuf>,
    /// The signals that were ignored by whoever started us (`nohup`), SIGPIPE excepted: that one is PHP's doing.
    pub ignored: Vec<i32>,
}

impl Origin {
    /// Reads it from the kernel. Opens no descriptor that stays.
    #[must_use]
    pub fn capture() -> Self {
        let command_line = std::fs::read("/proc/self/cmdline").ok().filter(|bytes| !bytes.is_empty());
        let environment = std::fs::read("/proc/self/environ").ok().filter(|bytes| !bytes.is_empty());
        let environment = environment.map_or_else(environment_of_libc, |bytes| split_nul(&bytes));
        let mut ignored = sys::ignored_signals();
        ignored.retain(|number| *number != libc::SIGPIPE);
        Self {
            command_line: command_line.map(|bytes| split_nul(&bytes)),
            environment,
            directory: std::env::current_dir().ok(),
            ignored,
        }
    }

    /// The value of an environment variable when the process was started.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.environment.iter().find_map(|entry| value_of(entry, name))
    }

    /// The command line with a program name that finds the same program again: the one that was typed when the
    /// captured `PATH` (or directory) leads from it to `program`, else the path of `program`.
    ///
    /// # Errors
    /// One sentence: the command line is not known.
    pub fn command(&self, program: &Path) -> Result<Vec<OsString>, String> {
        let typed = self.command_line.as_deref().unwrap_or_default();
        let Some((name, rest)) = typed.split_first() else {
            return Err("the command line of this process cannot be read from /proc/self/cmdline".into());
        };
        let same = self.resolve(name).is_some_and(|found| same_file(&found, program));
        let name = if same { name.clone() } else { without_deleted(program).into_os_string() };
        Ok(std::iter::once(name).chain(rest.iter().cloned()).collect())
    }

    /// What a shell would run for `name` in the captured environment and directory.
    fn resolve(&self, name: &OsStr) -> Option<PathBuf> {
        let directory = self.directory.as_deref().unwrap_or(Path::new("/"));
        if name.as_bytes().contains(&b'/') {
            return Some(directory.join(name));
        }
        self.search_path().map(|entry| directory.join(entry).join(name)).find(|path| sys::is_executable(path))
    }

    fn search_path(&self) -> impl Iterator<Item = &Path> {
        let path = self.variable("PATH").unwrap_or(OsStr::new("/bin:/usr/bin"));
        path.as_bytes().split(|byte| *byte == b':').map(|entry| Path::new(OsStr::from_bytes(entry)))
    }

    /// The sidecar's binary: `configured` when it is set, else beside the extension, else in the captured `PATH`.
    ///
    /// # Errors
    /// One sentence with the places that were looked at.
    pub fn find_sidecar(&self, configured: &OsStr, extension: Option<&Path>) -> Result<PathBuf, String> {
        let alone = "set RUSTDAEMON=off in the environment to run without a sidecar";
        if !configured.is_empty() {
            let path = self.directory.as_deref().unwrap_or(Path::new("/")).join(configured);
            return if sys::is_executable(&path) {
                Ok(path)
            } else {
                let path = path.display();
                Err(format!(
                    "the sidecar was not found: rustdaemon.sidecar = \"{path}\" in the ini is not an \
                     executable file, and so neither the extension's directory nor PATH was searched; correct it, or {alone}"
                ))
            };
        }
        let beside = extension.and_then(Path::parent).map(|directory| directory.join(SIDECAR_NAME));
        if let Some(path) = beside.as_ref().filter(|path| sys::is_executable(path)) {
            return Ok(path.clone());
        }
        self.resolve(OsStr::new(SIDECAR_NAME)).ok_or_else(|| {
            let beside = beside.map_or("(unknown)".into(), |path| path.display().to_string());
            let path = self.variable("PATH").unwrap_or_default().display();
            format!(
                "the sidecar was not found: rustdaemon.sidecar in the ini is not set, {beside} is not an \
                 executable file, and PATH ({path}) has no {SIDECAR_NAME}; put it into one of them, or {alone}"
            )
        })
    }

    /// Becomes the sidecar, which also gets `inherited`: replaces this process. Returns only when that failed, with everything as before.
    ///
    /// # Blocking
    /// No. Ends all other threads of the process when it succeeds.
    #[must_use]
    pub fn execute(
        &self,
        program: &Path,
        arguments: &[OsString],
        inherited: Option<BorrowedFd<'_>>,
    ) -> io::Error {
        match self.try_execute(program, arguments, inherited) {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    fn try_execute(
        &self,
        program: &Path,
        arguments: &[OsString],
        inherited: Option<BorrowedFd<'_>>,
    ) -> io::Result<std::convert::Infallible> {
        let program = c_string(program.as_os_str())?;
        let arguments = arguments.iter().map(|text| c_string(text)).collect::<io::Result<Vec<_>>>()?;
        let environment =
            self.environment.iter().map(|text| c_string(text)).collect::<io::Result<Vec<_>>>()?;
        let kept =
            inherited_sockets(self.variable("LISTEN_PID"), self.variable("LISTEN_FDS"), std::process::id());
        let _directory = DirectoryGuard::enter(self.directory.as_deref())?;
        let _descriptors = DescriptorGuard::close_above_2(&kept)?;
        let _inherited = inherited.map(InheritedGuard::pass).transpose()?;
        let _signals = SignalGuard::as_at_start(&self.ignored)?;
        Ok(nix::unistd::execve(&program, &arguments, &environment)?)
    }
}

/// The token in memory that has no name, for a descriptor to be inherited: argv and environment can be read by others,
/// and stay.
///
/// # Errors
/// `EMFILE`, `ENOMEM`. Source: memfd_create(2).
pub fn token_memory(token: &Token) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(c"rustdaemon-token", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(token.as_bytes())?;
    Ok(file.into())
}

/// The user whose directories the sidecar trusts besides root's and its own: whoever owns the script can have anything run
/// as this user anyway. A deployment's `storage/` is usually his, too.
#[must_use]
pub fn script_owner(script: &Path) -> Option<u32> {
    let owner = std::fs::metadata(script).ok()?.uid();
    (owner != 0 && owner != nix::unistd::geteuid().as_raw()).then_some(owner)
}

/// The sidecar's command line: its own options, then `command`. `token` is the descriptor with the token, `owner` is
/// [`script_owner`].
#[must_use]
pub fn sidecar_command(
    program: &Path,
    given: &Arguments,
    socket: &Path,
    token: Option<BorrowedFd<'_>>,
    owner: Option<u32>,
    command: Vec<OsString>,
) -> Vec<OsString> {
    let mut line: Vec<OsString> = vec![program.into(), "run".into(), "--socket".into(), socket.into()];
    line.push(format!("--socket-mode={:04o}", given.mode).into());
    line.extend(given.name.as_ref().map(|name| format!("--name={name}").into()));
    line.extend(token.map(|token| format!("--token-fd={}", token.as_raw_fd()).into()));
    line.extend(owner.map(|owner| format!("--directory-owner={owner}").into()));
    line.extend(given.given_workers().map(|workers| format!("--workers={workers}").into()));
    line.push("--".into());
    line.extend(command);
    line
}

/// The descriptors that systemd, or whoever speaks its protocol, handed to this very process.
fn inherited_sockets(pid: Option<&OsStr>, count: Option<&OsStr>, own: u32) -> std::ops::Range<RawFd> {
    let number = |text: Option<&OsStr>| text?.to_str()?.parse::<u32>().ok();
    match (number(pid), number(count)) {
        (Some(pid), Some(count)) if pid == own => 3..3_i32.saturating_add_unsigned(count),
        _ => 3..3,
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (std::fs::metadata(one), std::fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// The target of `/proc/self/exe`; after an upgrade the kernel appends ` (deleted)` to the path.
fn without_deleted(program: &Path) -> PathBuf {
    let target = std::fs::read_link(program).unwrap_or_else(|_| program.to_owned());
    match target.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(path) => PathBuf::from(OsStr::from_bytes(path)),
        None => target,
    }
}

fn environment_of_libc() -> Vec<OsString> {
    let entry = |(name, value): (OsString, OsString)| {
        let mut entry = name.into_vec();
        entry.push(b'=');
        entry.extend_from_slice(value.as_bytes());
        OsString::from_vec(entry)
    };
    std::env::vars_os().map(entry).collect()
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Goes back to the directory it came from.
struct DirectoryGuard(OwnedFd);

impl DirectoryGuard {
    fn enter(directory: Option<&Path>) -> io::Result<Self> {
        use nix::fcntl::{OFlag, open};
        let gone =
            || io::Error::new(io::ErrorKind::NotFound, "the working directory at start had been removed");
        let directory = directory.ok_or_else(gone)?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let here = open(".", flags, nix::sys::stat::Mode::empty())?;
        nix::unistd::chdir(directory)?;
        Ok(Self(here))
    }
}

impl Drop for DirectoryGuard {
    fn drop(&mut self) {
        let _ = nix::unistd::fchdir(&self.0); // the directory was ours a moment ago; nobody to tell otherwise
    }
}

/// Makes the descriptors it closed for the execve inheritable again.
struct DescriptorGuard(Vec<RawFd>);

impl DescriptorGuard {
    fn close_above_2(kept: &std::ops::Range<RawFd>) -> io::Result<Self> {
        sys::close_on_exec_above_2(kept).map(Self)
    }
}

impl Drop for DescriptorGuard {
    fn drop(&mut self) {
        for number in &self.0 {
            // SAFETY: open a moment ago, and nothing of ours closed it; else EBADF.
            let _ = sys::set_close_on_exec(unsafe { BorrowedFd::borrow_raw(*number) }.as_fd(), false);
        }
    }
}

/// Makes the descriptor that it passed on close-on-exec again.
struct InheritedGuard<'a>(BorrowedFd<'a>);

impl<'a> InheritedGuard<'a> {
    fn pass(fd: BorrowedFd<'a>) -> io::Result<Self> {
        sys::set_close_on_exec(fd, false)?;
        Ok(Self(fd))
    }
}

impl Drop for InheritedGuard<'_> {
    fn drop(&mut self) {
        let _ = sys::set_close_on_exec(self.0, true); // nobody to tell; it is closed soon
    }
}

/// Restores the dispositions and the mask that it found.
struct SignalGuard {
    changed: Vec<sys::Disposition>,
    mask: nix::sys::signal::SigSet,
}

impl SignalGuard {
    /// An execve keeps the mask and what is ignored, and gives handled signals their default.
    fn as_at_start(ignored: &[i32]) -> io::Result<Self> {
        use nix::sys::signal::{SigSet, SigmaskHow};
        let now = sys::ignored_signals();
        let to_default = now.iter().filter(|number| !ignored.contains(number)).map(|number| (*number, false));
        let to_ignored = ignored.iter().filter(|number| !now.contains(number)).map(|number| (*number, true));
        let changes = to_default.chain(to_ignored);
        let changed = changes.filter_map(|(number, on)| sys::set_disposition(number, on)).collect();
        let mut guard = Self { changed, mask: SigSet::thread_get_mask()? };
        guard.mask = SigSet::empty().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        Ok(guard)
    }
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        self.changed.iter().for_each(sys::Disposition::restore);
        let _ = self.mask.thread_set_mask(); // cannot fail with a mask that the kernel gave
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(path: &str, directory: &Path, command: &[&str]) -> Origin {
        Origin {
            command_line: Some(command.iter().map(OsString::from).collect()),
            environment: vec![format!("PATH={path}").into()],
            directory: Some(directory.to_owned()),
            ignored: Vec::new(),
        }
    }

    #[test]
    fn the_typed_name_is_kept_when_it_finds_the_same_program() {
        let sh = &std::fs::canonicalize("/bin/sh").unwrap();
        let here = Path::new("/bin");
        let first = |origin: &Origin| origin.command(sh).unwrap().first().unwrap().clone();
        assert_eq!(first(&origin("/nowhere:/bin", here, &["sh", "-c", "x"])), "sh");
        assert_eq!(first(&origin("/nowhere", here, &["./sh"])), "./sh");
        assert_eq!(first(&origin("", here, &["sh"])), "sh", "an empty entry of PATH is the directory");
        let replaced = first(&origin("/nowhere", here, &["sh"]));
        assert!(same_file(Path::new(&replaced), sh), "{replaced:?}");
        let title = first(&origin("/bin", here, &["php: my daemon"]));
        assert!(same_file(Path::new(&title), sh), "{title:?}");
        assert_eq!(origin("/bin", here, &["sh", "", "a b"]).command(sh).unwrap(), ["sh", "", "a b"]);
        let unknown = Origin { command_line: None, ..origin("/bin", here, &[]) };
        assert!(unknown.command(sh).unwrap_err().contains("/proc/self/cmdline"));
    }

    #[test]
    fn the_sidecar_is_looked_for_in_three_places() {
        let here = Path::new("/");
        let nowhere = origin("/nowhere", here, &["php"]);
        let error = nowhere.find_sidecar(OsStr::new(""), Some(Path::new("/x/y.so"))).unwrap_err();
        for part in ["rustdaemon.sidecar", "/x/rustdaemon", "PATH (/nowhere)", "RUSTDAEMON=off"] {
            assert!(error.contains(part), "{error}");
        }
        let error = nowhere.find_sidecar(OsStr::new("/no/such"), None).unwrap_err();
        for part in ["rustdaemon.sidecar = \"/no/such\"", "PATH", "RUSTDAEMON=off"] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(nowhere.find_sidecar(OsStr::new("bin/sh"), None).unwrap(), Path::new("/bin/sh"));
        assert!(nowhere.find_sidecar(OsStr::new("/bin"), None).is_err(), "a directory is not a program");
    }

    #[test]
    fn the_sidecar_gets_only_what_was_given() {
        let mut given = Arguments { name: None, socket: None, mode: 0o600, token: None, workers: 1 };
        let line = |given: &Arguments, owner| {
            sidecar_command(
                Path::new("/b/rustdaemon"),
                given,
                Path::new("/s"),
                None,
                owner,
                vec!["php".into(), "x".into()],
            )
            .join(OsStr::new(" "))
        };
        assert_eq!(line(&given, None), "/b/rustdaemon run --socket /s --socket-mode=0600 -- php x");
        given = Arguments { name: Some("opcua".into()), mode: 0o7, workers: 4, ..given };
        assert_eq!(
            line(&given, Some(1000)),
            "/b/rustdaemon run --socket /s --socket-mode=0007 --name=opcua --directory-owner=1000 --workers=4 -- php x"
        );
    }

    #[test]
    fn inherited_sockets_are_ours_only_by_pid() {
        let range =
            |pid: &str, count: &str| inherited_sockets(Some(OsStr::new(pid)), Some(OsStr::new(count)), 7);
        assert_eq!(range("7", "2"), 3..5);
        assert_eq!(range("8", "2"), 3..3);
        assert_eq!(range("7", "x"), 3..3);
        assert_eq!(inherited_sockets(None, None, 7), 3..3);
    }

    // In a process of its own: for a moment it changes what all threads share.
    #[test]
    fn a_failed_execve_undoes_everything() {
        const CHILD: &str = "RUSTDAEMON_TEST_CHILD";
        if std::env::var_os(CHILD).is_none() {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "self_start::tests::a_failed_execve_undoes_everything", "--nocapture"]);
            let output = child.env(CHILD, "1").output().unwrap();
            assert!(output.status.success(), "{output:?}");
            return;
        }
        let file = File::open("/dev/null").unwrap();
        sys::set_close_on_exec(file.as_fd(), false).unwrap();
        let before = (std::env::current_dir().unwrap(), sys::ignored_signals());
        assert!(before.1.contains(&libc::SIGPIPE), "Rust's runtime ignores it, as php-cli does");
        let origin = Origin { directory: Some("/".into()), ..Origin::capture() };
        let error = origin.execute(Path::new("/no/such/program"), &["x".into()], None);
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        assert_eq!((std::env::current_dir().unwrap(), sys::ignored_signals()), before);
        assert!(!sys::is_close_on_exec(file.as_fd()).unwrap());
        let gone = Origin { directory: None, ..Origin::capture() };
        assert!(gone.execute(Path::new("/bin/true"), &[], None).to_string().contains("removed"));
    }
}
