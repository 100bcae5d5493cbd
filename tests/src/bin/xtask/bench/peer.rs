//! PHP with and without the extension, and a peer's program while it runs.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::child::Guarded;
use crate::failure::{Context, Result};
use crate::interrupt;
use crate::repo;
use crate::run::{self, answer, answers, command};

/// What would make a program a supervised worker.
const SIDECAR_VARIABLES: [&str; 4] = ["RUSTDAEMON", "RUSTDAEMON_LINK", "RUSTDAEMON_RUN", "RUSTDAEMON_SOCKET"];

/// Who is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Rustdaemon,
    Pcntl,
}

impl Peer {
    pub fn name(self) -> &'static str {
        match self {
            Peer::Rustdaemon => "rustdaemon",
            Peer::Pcntl => "pcntl",
        }
    }

    pub fn has_extension(self) -> bool {
        self == Peer::Rustdaemon
    }

    /// Its program for a figure, in tests/bench.
    pub fn program(self, figure: &str) -> String {
        format!("{figure}_{}.php", self.name())
    }

    /// All of them; who comes first alternates.
    pub fn in_turn(round: u32) -> [Peer; 2] {
        alternating([Peer::Rustdaemon, Peer::Pcntl], round)
    }
}

/// Two things in this order in even rounds, in the other one in odd rounds.
pub fn alternating<T>([first, second]: [T; 2], round: u32) -> [T; 2] {
    if round.is_multiple_of(2) { [first, second] } else { [second, first] }
}

pub struct Php {
    path: PathBuf,
    extension: PathBuf,
    /// `-n`, and what loads posix and pcntl where they are not built in.
    basis: Vec<OsString>,
}

impl Php {
    pub fn find(extension: PathBuf) -> Result<Self> {
        let path = repo::php().ok_or("no php in PATH")?;
        let mut basis = vec![OsString::from("-n")];
        for (module, function) in [("posix", "posix_kill"), ("pcntl", "pcntl_signal")] {
            let question = format!("exit(function_exists('{function}') ? 0 : 1);");
            let built_in = answers(&path, &["-n", "-r", &question]);
            let setting = format!("extension={module}");
            if !built_in {
                if !answers(&path, &["-n", "-d", &setting, "-r", &question]) {
                    return Err(format!("{} has no ext-{module}", path.display()).into());
                }
                basis.extend(["-d".into(), setting.into()]);
            }
        }
        Ok(Self { path, extension, basis })
    }

    pub fn extension(&self) -> &Path {
        &self.extension
    }

    pub fn version(&self) -> Result<String> {
        let question = "echo PHP_VERSION, PHP_ZTS ? ' ZTS' : ' NTS', PHP_DEBUG ? ' debug' : '';";
        answer(&self.path, &["-n", "-r", question]).ok_or_else(|| "php does not say its version".into())
    }

    /// The words of a command line, with or without our extension.
    pub fn words<A: Into<OsString>>(
        &self,
        with_extension: bool,
        arguments: impl IntoIterator<Item = A>,
    ) -> Vec<OsString> {
        let mut words = vec![self.path.clone().into_os_string()];
        words.extend(self.basis.iter().cloned());
        words.extend(["-d", "display_errors=stderr"].map(OsString::from));
        if with_extension {
            let mut setting = OsString::from("extension=");
            setting.push(&self.extension);
            words.extend(["-d".into(), setting]);
        }
        words.extend(arguments.into_iter().map(Into::into));
        words
    }
}

/// The words as a command, outside any sidecar.
pub fn unsupervised<A: AsRef<OsStr>>(words: &[A]) -> Command {
    let (program, arguments) = words.split_first().expect("a program's name");
    let mut command = command(program, arguments);
    for variable in SIDECAR_VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// A program that is told things on its standard input and answers in lines. Dropped: it is ended and waited for.
pub struct Program {
    what: String,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    guarded: Guarded,
}

impl Program {
    pub fn start(mut command: Command) -> Result<Self> {
        let what = command.get_args().map(|word| word.to_string_lossy()).find(|word| word.ends_with(".php"));
        let what = what.map_or_else(|| run::program(&command), |path| run::program(&Command::new(&*path)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut guarded = Guarded::spawn(command)?;
        let input = guarded.child().stdin.take();
        let output = guarded.child().stdout.take().expect("stdout is piped");
        Ok(Self { what, input, lines: run::lines_of(output), guarded })
    }

    pub fn pid(&self) -> i32 {
        self.guarded.pid()
    }

    pub fn tell(&mut self, line: &str) -> Result {
        let input = self.input.as_mut().ok_or("its standard input is closed")?;
        input.write_all(format!("{line}\n").as_bytes()).context(format_args!("write to {}", self.what))
    }

    /// Its next line.
    pub fn line(&mut self, within: Duration) -> Result<String> {
        let deadline = Instant::now() + within;
        loop {
            match self.lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Disconnected) => {
                    let ending = run::ending(self.guarded.wait_within(within)?);
                    return Err(format!("{} has ended: {ending}", self.what).into());
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                    return Err(format!("{} has said nothing for {} s", self.what, within.as_secs()).into());
                }
                Err(RecvTimeoutError::Timeout) => interrupt::check()?,
            }
        }
    }

    /// Its next line, which must be this one.
    pub fn says(&mut self, expected: &str, within: Duration) -> Result {
        match self.line(within)? {
            line if line == expected => Ok(()),
            line => Err(format!("{} has said {line:?} in place of {expected:?}", self.what).into()),
        }
    }

    /// Waits for an end with success; its standard input is closed.
    pub fn end(mut self, within: Duration) -> Result {
        drop(self.input.take());
        let status = self.guarded.wait_within(within)?;
        if status.success() { Ok(()) } else { Err(format!("{}: {}", self.what, run::ending(status)).into()) }
    }

    /// Ends it.
    pub fn terminate(mut self) -> Result {
        drop(self.input.take());
        self.guarded.end().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Program {
        Program::start(unsupervised(&["sh", "-c", script])).unwrap()
    }

    #[test]
    fn a_program_is_told_and_answers() {
        let mut program = shell("echo ready; read a; echo got $a");
        program.says("ready", PATIENCE).unwrap();
        program.tell("it").unwrap();
        assert_eq!(program.line(PATIENCE).unwrap(), "got it");
        program.end(PATIENCE).unwrap();
    }

    #[test]
    fn an_early_end_is_said() {
        let why = shell("exit 7").line(PATIENCE).unwrap_err().to_string();
        assert_eq!(why, "sh has ended: exit 7");
        assert!(shell("exit 1").end(PATIENCE).is_err());
    }

    #[test]
    fn who_comes_first_alternates() {
        assert_eq!(alternating(['a', 'b'], 0), ['a', 'b']);
        assert_eq!(alternating(['a', 'b'], 1), ['b', 'a']);
    }
}
