//! Commands: printed as they would be typed, run in their own process group, ended with xtask.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use crate::child::Guarded;
use crate::failure::{Context, Result};
use crate::interrupt;

/// How long output may follow the end of a command: somebody it started still holds the pipe.
const AFTERMATH: Duration = Duration::from_secs(2);

/// `program arguments...`, without what `cargo run` has put into our environment: the commands xtask runs are the
/// ones it prints, and a build by hand and one by xtask must not undo each other.
pub fn command<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO" {
            command.env_remove(name);
        }
    }
    match library_path() {
        Some(path) => command.env("LD_LIBRARY_PATH", path),
        None => command.env_remove("LD_LIBRARY_PATH"),
    };
    command
}

/// LD_LIBRARY_PATH as it was before `cargo run` added its own directories (the build's and the toolchain's).
fn library_path() -> Option<OsString> {
    let now = env::var_os("LD_LIBRARY_PATH")?;
    let target = env::current_exe().ok()?.parent()?.to_owned();
    let toolchain =
        env::var_os("CARGO").and_then(|cargo| Some(Path::new(&cargo).parent()?.parent()?.to_owned()));
    let own = |path: &PathBuf| {
        path.as_os_str().is_empty()
            || path.starts_with(&target)
            || toolchain.as_ref().is_some_and(|toolchain| path.starts_with(toolchain))
    };
    let kept: Vec<PathBuf> = env::split_paths(&now).filter(|path| !own(path)).collect();
    if kept.is_empty() { None } else { env::join_paths(kept).ok() }
}

/// The name of a command, for messages.
pub fn program(command: &Command) -> String {
    let path = Path::new(command.get_program());
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Prints and runs it with our output; an unsuccessful end is a failure.
pub fn run(command: Command) -> Result {
    let shown = show(&command);
    println!("$ {shown}");
    let status = Guarded::spawn(command)?.wait()?;
    if status.success() { Ok(()) } else { Err(format!("{}: {shown}", ending(status)).into()) }
}

/// Prints and runs it; each line of its standard output is shown and collected. Its errors go to ours.
pub fn run_collecting(mut command: Command) -> Result<(ExitStatus, Vec<String>)> {
    println!("$ {}", show(&command));
    command.stdout(Stdio::piped());
    let mut guarded = Guarded::spawn(command)?;
    let output = guarded.child().stdout.take().expect("stdout is piped");
    let lines = lines_of(output);
    let mut collected = Vec::new();
    let mut ended: Option<(ExitStatus, Instant)> = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(50)) {
            Ok(line) => {
                println!("{line}");
                collected.push(line);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok((guarded.wait()?, collected)),
            Err(RecvTimeoutError::Timeout) => {}
        }
        interrupt::check()?;
        if ended.is_none() {
            ended = guarded.ended()?.map(|status| (status, Instant::now()));
        }
        if let Some((status, since)) = ended
            && since.elapsed() > AFTERMATH
        {
            return Ok((status, collected));
        }
    }
}

/// What a command that was run quietly has left.
pub struct Done {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// Its output without the last newline when it has succeeded.
    pub fn success(self) -> Result<String> {
        if self.status.success() {
            return Ok(self.stdout.trim_end().to_owned());
        }
        let said = [self.stdout.trim(), self.stderr.trim()].join(" ");
        Err(format!("{}: {}", ending(self.status), said.trim()).into())
    }
}

/// Runs it without a word; for questions and for what the demo reports in its own lines.
pub fn quietly(mut command: Command, within: Duration) -> Result<Done> {
    let directory = tempfile::tempdir().context("make a temporary directory")?;
    let [out, err] = ["out", "err"].map(|name| directory.path().join(name));
    command.stdout(fs::File::create(&out).context("create a temporary file")?);
    command.stderr(fs::File::create(&err).context("create a temporary file")?);
    let status = Guarded::spawn(command)?.wait_within(within)?;
    let read = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Done { status, stdout: read(&out).context("read")?, stderr: read(&err).context("read")? })
}

/// Whether a question is answered with yes: the command exists and exits 0.
pub fn answers(program: impl AsRef<OsStr>, arguments: &[&str]) -> bool {
    answer(program, arguments).is_some()
}

/// The answer to a question: standard output when the command exists and exits 0.
pub fn answer(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    quietly(command(program, arguments), Duration::from_secs(60)).ok()?.success().ok()
}

/// Lines as they come, read in a thread; disconnected at the end.
pub fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { return };
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// `exit 1`, `killed by SIGKILL`.
pub fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(number)) => {
            let name = nix::sys::signal::Signal::try_from(number).map(|signal| signal.as_str());
            format!("killed by {}", name.unwrap_or("a signal"))
        }
        (None, None) => status.to_string(),
    }
}

/// The command as one would type it: `A=b cargo doc --no-deps`.
pub fn show(command: &Command) -> String {
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value.filter(|_| name != "LD_LIBRARY_PATH") {
            let _ = write!(line, "{}={} ", name.to_string_lossy(), quote(value));
        }
    }
    line += &quote(command.get_program());
    for argument in command.get_args() {
        let _ = write!(line, " {}", quote(argument));
    }
    line
}

/// For a shell; only where it is needed.
fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Where PATH has a program.
pub fn which(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(program.into()).filter(|path: &PathBuf| path.is_file());
    }
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(program))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut shown = command("cargo", ["doc", "--no-deps", "*", "it's"]);
        shown.env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(show(&shown), r"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps '*' 'it'\''s'");
    }

    #[test]
    fn a_failing_command_says_its_code_and_its_words() {
        let done = quietly(command("sh", ["-c", "echo one; echo two >&2; exit 3"]), Duration::from_secs(10))
            .unwrap();
        assert_eq!(done.success().unwrap_err().to_string(), "exit 3: one two");
    }

    #[test]
    fn a_command_that_does_not_end_is_ended() {
        let why = quietly(command("sleep", ["60"]), Duration::from_millis(50)).err().unwrap();
        assert!(why.to_string().starts_with("sleep ends: not within"), "{why}");
    }

    #[test]
    fn output_held_open_by_a_grandchild_does_not_hold_us() {
        let (status, lines) = run_collecting(command("sh", ["-c", "sleep 60 & echo $!"])).unwrap();
        let sleeper = nix::unistd::Pid::from_raw(lines.first().unwrap().parse().unwrap());
        nix::sys::signal::kill(sleeper, nix::sys::signal::Signal::SIGKILL).unwrap();
        assert!(status.success());
    }
}
