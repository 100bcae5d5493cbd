//! The commands: argv to exit code.
//!
//! Exit codes: 0 done; 1 answered, but bad news; 100 usage or configuration (starting again will not help); 111 the
//! system, or nobody listens (starting again may help).

mod call;
mod control;
mod find;
mod flags;
mod list;
mod logs;
mod methods;
mod notes;
mod ping;
mod ready;
mod run;
mod session;
mod shm;
mod status;
mod subscribe;
mod top;

use std::io::{ErrorKind, Write};

use clap::{Parser, Subcommand};

/// Done.
pub const DONE: u8 = 0;
/// Answered, but bad news.
pub const BAD_NEWS: u8 = 1;
/// Usage or configuration: starting again will not help.
pub const USAGE: u8 = 100;
/// The system, or nobody listens: starting again may help.
pub const SYSTEM: u8 = 111;

/// Keeps PHP workers alive behind one JSON Unix socket.
#[derive(Parser)]
#[command(
    name = "rustdaemon",
    version,
    after_help = "Exit codes: 0 done, 1 bad news, 100 usage or configuration, 111 system or nobody listens."
)]
struct Arguments {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Run(run::Run),
    Ping(ping::Ping),
    Call(call::Call),
    Status(status::ShowStatus),
    Top(top::Top),
    Methods(methods::ShowMethods),
    /// End workers and start them anew.
    Restart(control::Workers),
    /// Start stopped or parked workers.
    Start(control::Workers),
    Stop(control::Stop),
    /// Let workers finish what they have and serve nothing more.
    Pause(control::Workers),
    /// Let paused workers go on.
    Resume(control::Workers),
    Signal(control::SendSignal),
    Scale(control::Scale),
    Reload(control::Reload),
    Logs(logs::ShowLogs),
    Subscribe(subscribe::Subscribe),
    Ready(ready::Ready),
    Ls(list::List),
    Shm(shm::Shm),
}

/// Why a command ends with another code than 0: the code and one sentence for stderr.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    sentence: String,
}

impl Failure {
    /// A failure.
    pub fn new(code: u8, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// What a command comes to.
pub type Outcome = Result<u8, Failure>;

/// Runs the command that argv names; its exit code.
#[must_use]
pub fn main() -> u8 {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refused) => {
            let code = if refused.use_stderr() { USAGE } else { DONE };
            let _ = refused.print();
            return code;
        }
    };
    let outcome = match arguments.command {
        Verb::Run(command) => command.run(),
        Verb::Ping(command) => command.run(),
        Verb::Call(command) => command.run(),
        Verb::Status(command) => command.run(),
        Verb::Top(command) => command.run(),
        Verb::Methods(command) => command.run(),
        Verb::Restart(workers) => workers.ask("worker.restart"),
        Verb::Start(workers) => workers.ask("worker.start"),
        Verb::Stop(command) => command.run(),
        Verb::Pause(workers) => workers.ask("worker.pause"),
        Verb::Resume(workers) => workers.ask("worker.resume"),
        Verb::Signal(command) => command.run(),
        Verb::Scale(command) => command.run(),
        Verb::Reload(command) => command.run(),
        Verb::Logs(command) => command.run(),
        Verb::Subscribe(command) => command.run(),
        Verb::Ready(command) => command.run(),
        Verb::Ls(command) => command.run(),
        Verb::Shm(command) => command.run(),
    };
    outcome.unwrap_or_else(|failure| {
        let _ = writeln!(std::io::stderr(), "rustdaemon: {}", failure.sentence);
        failure.code
    })
}

/// Prints lines; a closed stdout ends a command quietly.
fn print(text: &str) -> Outcome {
    write(&format!("{}\n", text.trim_end())).map(|_| DONE)
}

/// Writes text to stdout as it is; whether stdout is still open.
fn write(text: &str) -> Result<bool, Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(true),
        Err(failed) if failed.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(failed) => Err(Failure::new(SYSTEM, format!("cannot write to stdout: {failed}"))),
    }
}

/// What a connection that goes on has come to when it ends: it ends with the sidecar, or we were dropped.
fn ended(session: &session::Session) -> Outcome {
    match session.ask("ping", "[]") {
        Ok(_) => {
            let sentence =
                "the sidecar has closed this connection: it was read too slowly, lines are missing";
            Err(Failure::new(SYSTEM, sentence))
        }
        Err(_) => Ok(DONE),
    }
}

/// A table without borders, for people.
fn table(header: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header.iter().copied());
    table
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
