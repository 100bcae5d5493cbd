//! A real supervisord with its own configuration, socket and directory, and the owner's program block in it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::unistd::geteuid;

use super::stage::Stage;
use crate::child::Guarded;
use crate::failure::{Context, Result};
use crate::repo::Repo;
use crate::run::{self, Done};
use crate::wait::eventually;

pub struct Supervisor<'a> {
    repo: &'a Repo,
    stage: &'a Stage,
    process: Guarded,
}

/// What differs from machine to machine in the owner's block: the paths, and which plant.
pub struct Program {
    pub artisan: String,
    pub environment: Vec<(&'static str, String)>,
}

impl Program {
    /// The owner's block; stopsignal and stopwaitsecs are his too.
    pub fn block(&self) -> String {
        let artisan = if self.artisan.contains(char::is_whitespace) {
            format!("\"{}\"", self.artisan)
        } else {
            self.artisan.clone()
        };
        let environment: Vec<String> =
            self.environment.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let block = format!(
            "[program:opcua]\n\
             command=php {artisan} opcua:session --socket-mode=0660 --log-channel=opcua --cache-store=array\n\
             environment={}\n\
             stopsignal=TERM\n\
             stopwaitsecs=30\n",
            environment.join(",")
        );
        block.replace('%', "%%") // supervisor expands %(name)s
    }
}

impl<'a> Supervisor<'a> {
    pub fn start(repo: &'a Repo, stage: &'a Stage, block: &str) -> Result<Self> {
        let conf = stage.write("supervisord.conf", &configuration(stage, block))?;
        let said = stage.path("supervisord.err.log");
        let log = fs::File::create(&said).context("create supervisord.err.log")?;
        let mut command =
            run::command(repo.python(), ["-I", "-m", "supervisor.supervisord", "-n", "-s", "-c"]);
        command.arg(conf).current_dir(stage.path("")).stdout(log.try_clone().context("a log")?).stderr(log);
        let mut supervisor = Self { repo, stage, process: Guarded::spawn(command)? };
        eventually(Duration::from_secs(30), "supervisord answers", || {
            if let Ok(Some(status)) = supervisor.process.ended() {
                return Err(run::ending(status));
            }
            supervisor.control(&["pid"]).map_err(|why| why.to_string())
        })?;
        Ok(supervisor)
    }

    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// `supervisorctl` with these words: what it says when it succeeds.
    pub fn control(&self, words: &[&str]) -> Result<String> {
        self.ask(words)?.success()
    }

    fn ask(&self, words: &[&str]) -> Result<Done> {
        let mut command = run::command(self.repo.python(), ["-I", "-m", "supervisor.supervisorctl", "-c"]);
        command.arg(self.stage.path("supervisord.conf")).args(words);
        run::quietly(command, Duration::from_secs(60))
    }

    /// Waits until supervisord calls the program RUNNING; FATAL is its last word too.
    pub fn program_runs(&self) -> Result<String> {
        let state = eventually(Duration::from_secs(30), "supervisord says RUNNING", || {
            let state = self.ask(&["status", "opcua"]).map_err(|why| why.to_string())?.stdout;
            if ["RUNNING", "FATAL"].iter().any(|last| state.contains(last)) { Ok(state) } else { Err(state) }
        })?;
        let words: Vec<&str> = state.split_whitespace().collect();
        let state = words.join(" ");
        if state.contains("RUNNING") { Ok(state) } else { Err(state.into()) }
    }

    pub fn shutdown(mut self) -> Result<String> {
        self.control(&["shutdown"])?;
        let status = self.process.wait_within(Duration::from_secs(40))?;
        if status.success() { Ok(run::ending(status)) } else { Err(run::ending(status).into()) }
    }
}

fn configuration(stage: &Stage, block: &str) -> String {
    let path = |path: &Path| path.display().to_string().replace('%', "%%");
    let user = if geteuid().is_root() { "user=root\n" } else { "" }; // said explicitly, or it warns
    let control = path(&stage.control());
    format!(
        "[supervisord]\nnodaemon=true\n{user}logfile={}\npidfile={}\n\n\
         [unix_http_server]\nfile={control}\nchmod=0700\n\n\
         [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\n\
         [supervisorctl]\nserverurl=unix://{control}\n\n\
         {block}stdout_logfile={}\nstderr_logfile={}\n",
        path(&stage.path("supervisord.log")),
        path(&stage.path("supervisord.pid")),
        path(&stage.path("opcua.out.log")),
        path(&stage.path("opcua.err.log")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_is_the_owners() {
        let program = Program { artisan: "/srv/artisan".into(), environment: vec![("A", "b%c".into())] };
        assert_eq!(
            program.block(),
            "[program:opcua]\ncommand=php /srv/artisan opcua:session --socket-mode=0660 --log-channel=opcua \
             --cache-store=array\nenvironment=A=\"b%%c\"\nstopsignal=TERM\nstopwaitsecs=30\n"
        );
    }
}
