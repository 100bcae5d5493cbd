//! Starting worker processes.
//!
//! # How it works
//! [`spawn`] from the sidecar's one thread: nothing of the sidecar is copied. Each child has a process group of its own, /dev/null as stdin, an
//! empty signal mask, default dispositions, and of our descriptors only stdout, stderr and its link. It is known by
//! its pidfd, which is made with it.
//!
//! # Correct order
//! Before the child is there: whatever has to be looked up ([`Identity`]). In it, each as one step that can fail with one
//! sentence: process group; open files, oom_score_adj and nice with the sidecar's privileges; groups and user; umask and working
//! directory as that user (without `cwd`, the sidecar's own directory, with the sidecar's privileges: it does not have
//! to be open to that user); last the signal that comes with the sidecar's death, because a change of user clears it.
//! Then the child looks whether its parent is still there: it may have died before the signal was asked for.
//!
//! # What may be lost
//! The death signal is cleared by an execve of a set-user-ID program (`sudo`, `su`): such a wrapper outlives a killed
//! sidecar, and what it runs is told by the end of its link only. `user` needs no such wrapper.
//!
//! # Rules
//! In the child system calls only, before its execve. Decides nothing about restarts.
//! Sources: execve(2), prctl(2) PR_SET_PDEATHSIG, setresuid(2), proc(5) oom_score_adj.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::fcntl::{OFlag, open};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{self, Gid, Pid, Uid};
use rustdaemon_core::link::{Ends, LINK_VARIABLE, RUN_VARIABLE, SOCKET_VARIABLE};
use rustdaemon_core::spawn::{Failure, Program, spawn};
use rustdaemon_core::sys::{self, ExitStatus};

use crate::birth::Birth;
use crate::identity::Identity;

/// What the sidecar was started with. One, as the process's own limits and working directory are.
static ORIGIN: OnceLock<Origin> = OnceLock::new();

#[derive(Debug)]
struct Origin {
    /// Limits of open files, soft and hard: children get them back.
    open_files: (u64, u64),
    /// `$PWD`, when it is the working directory's name: a `current` symlink in it is followed at each start.
    directory: Option<CString>,
}

/// Remembers what the sidecar was started with, then raises its own limit of open files as far as it may. `pwd` is
/// its `$PWD`.
///
/// # Errors
/// What getrlimit(2) or setrlimit(2) say; the limit is as it was.
pub fn capture_origin(pwd: Option<&OsStr>) -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let identity = |path: &Path| path.metadata().map(|stat| (stat.dev(), stat.ino())).ok();
    let named =
        pwd.map(Path::new).filter(|pwd| pwd.is_absolute() && identity(pwd) == identity(Path::new(".")));
    let directory = named.and_then(|pwd| CString::new(pwd.as_os_str().as_bytes()).ok());
    ORIGIN.get_or_init(|| Origin { open_files: (soft, hard), directory });
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// A worker's link stands above the numbers that a shell script gives its own descriptors (`exec 3>&1`).
const FIRST_OF_LINK: RawFd = 10;

/// A process to be.
#[derive(Debug)]
pub struct Start<'a> {
    /// argv, no shell.
    pub command: &'a [OsString],
    /// What it is born with. Its `env` and `env_file` are not looked at: see `variables`.
    pub birth: &'a Birth,
    /// Added to the sidecar's own environment, in this order.
    pub variables: &'a [(OsString, OsString)],
    /// For [`RUN_VARIABLE`].
    pub run: &'a str,
    /// For [`SOCKET_VARIABLE`].
    pub socket: &'a Path,
    /// Its stdout and stderr.
    pub output: [OwnedFd; 2],
    /// The worker's ends of its link.
    pub ends: Option<Ends>,
}

/// A child of ours, signalled and reaped by pidfd only.
#[derive(Debug)]
pub struct Process {
    /// Its process id, for people.
    pub pid: i32,
    pidfd: OwnedFd,
}

impl Process {
    /// Starts it.
    ///
    /// # Blocking
    /// Until the execve has worked or failed; before, as long as the system's user database takes.
    ///
    /// # Errors
    /// One sentence: which step has failed, with which value.
    pub fn spawn(start: Start<'_>) -> io::Result<Self> {
        let Start { command, birth, variables, run, socket, output, ends } = start;
        let identity =
            Identity::of(birth.user.as_deref(), birth.group.as_deref()).map_err(io::Error::other)?;
        let nothing = OwnedFd::from(File::open("/dev/null")?);
        let mut passed = vec![(0, nothing.as_fd()), (1, output[0].as_fd()), (2, output[1].as_fd())];
        passed.extend((FIRST_OF_LINK..).zip(ends.iter().flat_map(Ends::all)));
        let link = ends.as_ref().map(|ends| ends.variable(FIRST_OF_LINK..)).transpose()?;
        let own: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let mut environment: BTreeMap<&OsStr, &OsStr> =
            own.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str())).collect();
        environment
            .extend(identity.variables.iter().map(|(name, value)| (OsStr::new(name), value.as_os_str())));
        if let Some(cwd) = &birth.cwd {
            // A shell keeps the name by which it came: a `current` symlink stays one.
            environment.insert(OsStr::new("PWD"), cwd.as_os_str());
        }
        environment.extend(variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str())));
        environment.insert(OsStr::new(RUN_VARIABLE), OsStr::new(run));
        environment.insert(OsStr::new(SOCKET_VARIABLE), socket.as_os_str());
        match &link {
            Some(link) => environment.insert(OsStr::new(LINK_VARIABLE), OsStr::new(link)),
            None => environment.remove(OsStr::new(LINK_VARIABLE)),
        };
        let program = Program::new(command, environment.into_iter())?;
        let plan = Plan::new(birth, identity)?;
        // SAFETY: `apply` makes system calls only, and touches no lock and no allocator.
        let spawned = unsafe { spawn(&program, &passed, &|| plan.apply()) };
        spawned
            .map_err(|failure| {
                let (sentence, error) = match failure {
                    Failure::Clone(error) => (format!("no process can be made: {error}"), error),
                    Failure::Descriptors(error) => {
                        (format!("its descriptors cannot be put in place: {error}"), error)
                    }
                    Failure::Prepare((step, error)) => (step.sentence(birth, &error), error),
                    Failure::Execute(error) => (not_executed(command, &error), error),
                };
                io::Error::new(error.kind(), sentence)
            })
            .map(|child| Self { pid: child.pid, pidfd: child.pidfd })
    }

    /// Sends a signal to exactly this process.
    ///
    /// # Errors
    /// `ESRCH`: it has ended.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        sys::pidfd_send_signal(self.pidfd.as_fd(), number)
    }

    /// Its exit status, once it has ended.
    ///
    /// # Errors
    /// What waitid(2) says.
    pub fn reap(&self) -> io::Result<Option<ExitStatus>> {
        sys::pidfd_reap(self.pidfd.as_fd())
    }

    /// Readable when it has ended.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

fn not_executed(command: &[OsString], error: &io::Error) -> String {
    let program = command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    let what_to_do = match error.raw_os_error() {
        Some(libc::ENOEXEC) => "; a script needs a first line such as #!/bin/sh",
        _ => "",
    };
    format!("cannot execute {program}: {error}{what_to_do}")
}

/// What is done in the child before its execve, in the order of [`Step`].
struct Plan {
    open_files: Option<(u64, u64)>,
    oom_score_adj: Option<CString>,
    nice: Option<i32>,
    directory: Option<&'static CStr>,
    groups: Option<Vec<libc::gid_t>>,
    gid: Option<libc::gid_t>,
    uid: Option<libc::uid_t>,
    umask: Option<Mode>,
    cwd: Option<CString>,
    sidecar: Pid,
}

/// What can fail there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    ProcessGroup,
    OpenFiles,
    OomScoreAdj,
    Nice,
    Group,
    User,
    Cwd,
    Signals,
    DeathSignal,
}

impl Plan {
    fn new(birth: &Birth, identity: Identity) -> io::Result<Self> {
        let origin = ORIGIN.get();
        let cwd = birth.cwd.as_ref().map(|path| CString::new(path.as_os_str().as_bytes())).transpose()?;
        let oom_score_adj = birth.oom_score_adj.map(|value| CString::new(value.to_string())).transpose()?;
        Ok(Self {
            open_files: birth
                .limit_nofile
                .map(|limit| (limit, limit))
                .or(origin.map(|origin| origin.open_files)),
            oom_score_adj,
            nice: birth.nice,
            directory: origin.and_then(|origin| origin.directory.as_deref()).filter(|_| cwd.is_none()),
            groups: identity.groups.map(|groups| groups.into_iter().map(Gid::as_raw).collect()),
            gid: identity.gid.map(Gid::as_raw),
            uid: identity.uid.map(Uid::as_raw),
            umask: birth.umask.map(Mode::from_bits_truncate),
            cwd,
            sidecar: unistd::getpid(),
        })
    }

    /// # Signal safety
    /// System calls only: runs in the child, which still works in the sidecar's memory.
    fn apply(&self) -> Result<(), (Step, io::Error)> {
        let at = |step: Step| move |error: nix::errno::Errno| (step, io::Error::from(error));
        let sys_at = |step: Step| move |error: io::Error| (step, error);
        unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0)).map_err(at(Step::ProcessGroup))?;
        if let Some((soft, hard)) = self.open_files {
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard).map_err(at(Step::OpenFiles))?;
        }
        if let Some(value) = &self.oom_score_adj {
            write_file(c"/proc/self/oom_score_adj", value.to_bytes()).map_err(at(Step::OomScoreAdj))?;
        }
        if let Some(nice) = self.nice {
            sys::set_nice(nice).map_err(sys_at(Step::Nice))?;
        }
        if let Some(directory) = self.directory {
            let _ = unistd::chdir(directory); // renamed or removed: it stays where the sidecar is
        }
        if let Some(groups) = &self.groups {
            sys::set_groups(groups).map_err(sys_at(Step::Group))?;
        }
        if let Some(gid) = self.gid {
            sys::set_group(gid).map_err(sys_at(Step::Group))?;
        }
        if let Some(uid) = self.uid {
            sys::set_user(uid).map_err(sys_at(Step::User))?;
        }
        if let Some(mask) = self.umask {
            umask(mask);
        }
        if let Some(cwd) = &self.cwd {
            unistd::chdir(cwd.as_c_str()).map_err(at(Step::Cwd))?;
        }
        sys::default_signals().map_err(sys_at(Step::Signals))?;
        set_pdeathsig(Signal::SIGKILL).map_err(at(Step::DeathSignal))?;
        if unistd::getppid() != self.sidecar {
            sys::exit_at_once(1); // it died before the signal was asked for: nobody is there to be told
        }
        Ok(())
    }
}

/// # Signal safety
/// System calls only.
fn write_file(path: &CStr, bytes: &[u8]) -> nix::Result<()> {
    let file = open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    unistd::write(&file, bytes).map(drop)
}

impl Step {
    fn sentence(self, birth: &Birth, error: &io::Error) -> String {
        let needed = match self {
            Self::OpenFiles | Self::OomScoreAdj => "CAP_SYS_RESOURCE",
            Self::Nice => "CAP_SYS_NICE",
            Self::Group => "CAP_SETGID",
            Self::User => "CAP_SETUID",
            Self::ProcessGroup | Self::Cwd | Self::Signals | Self::DeathSignal => "",
        };
        let allowed = match error.kind() {
            io::ErrorKind::PermissionDenied if !needed.is_empty() => {
                format!("; the sidecar needs to be root, with {needed}")
            }
            _ => String::new(),
        };
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let number = |value: Option<i32>| value.unwrap_or_default();
        match self {
            Self::ProcessGroup => format!("no process group of its own: {error}"),
            Self::OpenFiles => {
                let limit = birth.limit_nofile.unwrap_or_default();
                format!("limit_nofile: cannot set the limit of open files to {limit}: {error}{allowed}")
            }
            Self::OomScoreAdj => {
                format!("oom_score_adj: cannot be set to {}: {error}{allowed}", number(birth.oom_score_adj))
            }
            Self::Nice => format!("nice: cannot be set to {}: {error}{allowed}", number(birth.nice)),
            Self::Group => {
                let (group, user) = (text(&birth.group), text(&birth.user));
                match birth.group {
                    Some(_) => format!("group: cannot become group {group}: {error}{allowed}"),
                    None => format!("user: cannot take the groups of {user}: {error}{allowed}"),
                }
            }
            Self::User => format!("user: cannot become {}: {error}{allowed}", text(&birth.user)),
            Self::Cwd => {
                let cwd = birth.cwd.as_deref().unwrap_or(Path::new(""));
                let who = birth.user.as_ref().map_or(String::new(), |user| format!(" as {user}"));
                format!("cwd: cannot change to {}{who}: {error}", cwd.display())
            }
            Self::Signals => format!("the signal mask cannot be emptied: {error}"),
            Self::DeathSignal => format!("PR_SET_PDEATHSIG: {error}"),
        }
    }
}

/// The file that `program` means, looked up as execvp(3) does.
///
/// # Errors
/// One sentence.
pub fn find_program(program: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, String> {
    let shown = program.to_string_lossy();
    if program.as_encoded_bytes().contains(&b'/') {
        let file = PathBuf::from(program);
        return match sys::is_executable(&file) {
            true => Ok(file),
            false => Err(format!("the command {shown} is not an executable file")),
        };
    }
    let path = path.unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"));
    let found = std::env::split_paths(path)
        .map(|directory| directory.join(program))
        .find(|file| sys::is_executable(file));
    found.ok_or_else(|| {
        format!("the command {shown} was not found in PATH ({}); give its full path", path.to_string_lossy())
    })
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    fn spawn_with(birth: &Birth, command: &[OsString]) -> io::Result<Process> {
        let socket = Path::new("/run/x.sock");
        Process::spawn(Start {
            command,
            birth,
            variables: &birth.env,
            run: "run/0",
            socket,
            output: [sys::duplicate(io::stdout().as_fd())?, sys::duplicate(io::stderr().as_fd())?],
            ends: None,
        })
    }

    fn run_with(birth: &Birth, script: &str) -> ExitStatus {
        let process = spawn_with(birth, &["sh".into(), "-c".into(), script.into()]).unwrap();
        let ended =
            poll(&mut [PollFd::new(process.pidfd(), PollFlags::POLLIN)], PollTimeout::from(10_000_u16));
        assert_eq!(ended, Ok(1), "{script} has not ended within 10 s");
        process.reap().unwrap().unwrap()
    }

    fn run(script: &str) -> ExitStatus {
        run_with(&Birth::default(), script)
    }

    #[track_caller]
    fn holds(birth: &Birth, condition: &str) {
        assert_eq!(run_with(birth, condition), ExitStatus::Code(0), "{condition} with {birth:?}");
    }

    /// Why a process with `birth` does not start.
    #[track_caller]
    fn refused(birth: &Birth) -> String {
        spawn_with(birth, &["true".into()]).unwrap_err().to_string()
    }

    /// Changing the user needs root; without it these rules are seen where CI runs as root.
    fn is_root() -> bool {
        let root = unistd::geteuid().is_root();
        if !root {
            eprintln!("not root: changes of user are not tried");
        }
        root
    }

    #[test]
    fn a_child_starts_clean() {
        assert_eq!(run("exit 3"), ExitStatus::Code(3));
        assert_eq!(
            run("test \"$RUSTDAEMON_RUN $RUSTDAEMON_SOCKET\" = 'run/0 /run/x.sock'"),
            ExitStatus::Code(0)
        );
        assert_eq!(run("test \"$(readlink /proc/self/fd/0)\" = /dev/null"), ExitStatus::Code(0));
        // Rust's own SIGPIPE and whatever the test runner ignores must not reach it; 32 and 33 are glibc's own, which
        // its posix_spawn ignores and its sigaction hides.
        let clean = r"test $(( 0x$(sed -n 's/^SigXXX:\s*//p' /proc/self/status) & ~0x180000000 )) = 0";
        assert_eq!(run(&clean.replace("XXX", "Ign")), ExitStatus::Code(0));
        assert_eq!(run(&clean.replace("XXX", "Blk")), ExitStatus::Code(0));
    }

    #[test]
    fn what_cannot_be_started_says_why() {
        let error = spawn_with(&Birth::default(), &["/no/such/file".into()]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(error.to_string(), "cannot execute /no/such/file: No such file or directory (os error 2)");
    }

    #[test]
    fn a_script_without_its_first_line_says_what_it_needs() {
        let script = std::env::temp_dir().join(format!("rd-script-{}", std::process::id()));
        std::fs::write(&script, "echo no\n").unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let error = spawn_with(&Birth::default(), &[script.clone().into()]).unwrap_err();
        std::fs::remove_file(&script).unwrap();
        let shown = script.display();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot execute {shown}: Exec format error (os error 8); a script needs a first line such as #!/bin/sh"
            )
        );
    }

    #[test]
    fn nothing_of_a_failed_start_stays_open() {
        let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let wrong = Birth { cwd: Some("/no/such/directory".into()), ..Birth::default() };
        refused(&wrong);
        // Other tests of this program open descriptors too: twenty leaks would stand out among them.
        let before = count();
        (0..100).for_each(|_| drop(refused(&wrong)));
        assert!(count() < before + 50);
    }

    #[test]
    fn umask_nice_and_directory_are_as_asked_for() {
        holds(&Birth { umask: Some(0o027), ..Birth::default() }, "test $(umask) = 0027");
        holds(&Birth { nice: Some(7), ..Birth::default() }, "test $(nice) = 7");
        let cwd = Birth { cwd: Some("/usr/lib".into()), ..Birth::default() };
        holds(&cwd, "test $(pwd -P) = $(readlink -f /usr/lib) -a $PWD = /usr/lib");
        let adjusted = Birth { oom_score_adj: Some(500), ..Birth::default() };
        holds(&adjusted, "test $(cat /proc/self/oom_score_adj) = 500");
        let env =
            Birth { env: vec![("A".into(), "1".into()), ("A".into(), "a b=2".into())], ..Birth::default() };
        holds(&env, "test \"$A\" = 'a b=2'");
        let env = Birth { env: vec![(RUN_VARIABLE.into(), "mine".into())], ..Birth::default() };
        holds(&env, "test $RUSTDAEMON_RUN = run/0");
    }

    #[test]
    fn a_symlink_is_followed_at_each_start() {
        let directory = std::env::temp_dir().join(format!("rd-process-{}", std::process::id()));
        let current = directory.join("current");
        let birth = Birth { cwd: Some(current.clone()), ..Birth::default() };
        for release in ["1", "2"] {
            std::fs::create_dir_all(directory.join(release)).unwrap();
            let _ = std::fs::remove_file(&current);
            std::os::unix::fs::symlink(release, &current).unwrap();
            holds(&birth, &format!("test $(basename $(pwd -P)) = {release} -a $(basename $PWD) = current"));
        }
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn open_files_are_limited_as_asked_for_else_as_the_sidecar_found_them() {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let limited = Birth { limit_nofile: Some(77), ..Birth::default() };
        holds(&limited, "test $(ulimit -Sn) = 77 -a $(ulimit -Hn) = 77");
        capture_origin(None).unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
        holds(&Birth::default(), &format!("test $(ulimit -Sn) = {soft} -a $(ulimit -Hn) = {hard}"));
    }

    #[test]
    fn a_user_comes_with_its_groups_and_its_home() {
        if !is_root() {
            return;
        }
        let birth = Birth { user: Some("daemon".into()), cwd: Some("/".into()), ..Birth::default() };
        holds(&birth, "test $(id -un):$(id -gn):$(id -Gn) = daemon:daemon:\"$(id -Gn daemon)\"");
        holds(&birth, "grep -qE '^Uid:(\\s1){4}' /proc/self/status");
        holds(&birth, "test $USER:$LOGNAME:$HOME = daemon:daemon:$(getent passwd daemon | cut -d: -f6)");
        let group = Birth { group: Some("nogroup".into()), ..birth.clone() };
        holds(&group, "test $(id -gn) = nogroup");
        let own = Birth { env: vec![("HOME".into(), "/srv".into())], ..birth.clone() };
        holds(&own, "test $HOME = /srv");
        let all = Birth { nice: Some(-5), oom_score_adj: Some(100), limit_nofile: Some(99), ..birth };
        holds(&all, "test $(nice):$(cat /proc/self/oom_score_adj):$(ulimit -n) = -5:100:99");
    }

    #[test]
    fn what_is_not_possible_is_one_sentence_with_its_value() {
        let missing = Birth { cwd: Some("/no/such".into()), ..Birth::default() };
        assert_eq!(
            refused(&missing),
            "cwd: cannot change to /no/such: No such file or directory (os error 2)"
        );
        let user = Birth { user: Some("nobody-at-all".into()), ..Birth::default() };
        assert_eq!(refused(&user), "user: there is no user \"nobody-at-all\" on this system");
        let files = Birth { limit_nofile: Some(u64::MAX - 1), ..Birth::default() };
        assert!(
            refused(&files).starts_with(&format!(
                "limit_nofile: cannot set the limit of open files to {}",
                u64::MAX - 1
            ))
        );
        if !is_root() {
            return;
        }
        let directory = std::env::temp_dir().join(format!("rd-closed-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        std::fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let closed = Birth { cwd: Some(directory.clone()), user: Some("daemon".into()), ..Birth::default() };
        let error = refused(&closed);
        std::fs::remove_dir(&directory).unwrap();
        let shown = directory.display();
        assert_eq!(
            error,
            format!("cwd: cannot change to {shown} as daemon: Permission denied (os error 13)")
        );
    }

    #[test]
    fn a_child_asks_to_die_with_us() {
        // PR_GET_PDEATHSIG of another process cannot be asked for: perl asks in the child itself. Also as another user.
        let births = match is_root() {
            false => vec![Birth::default()],
            true => vec![Birth::default(), Birth { user: Some("daemon".into()), ..Birth::default() }],
        };
        for birth in births {
            let ask = r#"perl -e 'my $s = pack("i", 0); syscall(157, 2, $s); exit unpack("i", $s)'"#;
            assert_eq!(run_with(&birth, &format!("exec {ask}")), ExitStatus::Code(libc::SIGKILL));
        }
    }

    #[test]
    fn a_program_is_found_as_execvp_does() {
        let path = Some(OsStr::new("/nowhere:/usr/bin:/bin"));
        assert!(find_program(OsStr::new("sh"), path).is_ok());
        assert!(
            find_program(OsStr::new("no-such-program"), path).unwrap_err().contains("/nowhere:/usr/bin:/bin")
        );
        assert!(find_program(OsStr::new("/etc/passwd"), path).unwrap_err().contains("not an executable"));
        assert!(find_program(OsStr::new("/tmp"), path).is_err());
    }
}
