//! `cargo xtask demo`: what a user would do, step by step, with everything real: Laravel's command under the owner's
//! own Supervisor block, answering on its socket with live values from an OPC UA server, and surviving `kill -9`.
//!
//! Whatever happens, also a Ctrl-C, everything started here is ended and waited for.

mod plant;
mod report;
mod stage;
mod supervisor;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use self::plant::Plant;
use self::report::step;
use self::stage::Stage;
use self::supervisor::{Program, Supervisor};
use crate::failure::{Context, Result};
use crate::install::{self, For};
use crate::procs::{self, Proc};
use crate::repo::Repo;
use crate::run::{Done, command, ending, quietly};
use crate::wait::eventually;
use crate::{build, child};

/// It counts up five times a second.
const NODE: &str = "ns=2;s=Counter";

/// As the documentation has them; SOCK is the socket.
const PROBE: &str =
    r#"echo '{"id":1,"t":"req","method":"ping","args":[]}' | nc -U SOCK | grep -q '"ok":true'"#;
const FLAT_PING: &str = r#"echo '{"command":"ping"}' | nc -U SOCK"#;

/// A step that only asks and answers.
const SHORT: Duration = Duration::from_secs(40);

pub fn demo(repo: &Repo, no_install: bool) -> Result {
    install::ensure(repo, For::Demo, no_install)?;
    build::build(repo)?;
    let stage = Stage::set(repo)?;
    println!();
    let played = Play { repo, stage: &stage }.play();
    let left = child::end_orphans();
    if let Err(why) = played {
        stage.show_logs();
        return Err(why);
    }
    match left.first() {
        None => Ok(()),
        Some(left) => Err(format!("{left} was still running at the end").into()),
    }
}

struct Play<'a> {
    repo: &'a Repo,
    stage: &'a Stage,
}

/// What `rustdaemon status --json` says of the one worker.
struct Worker {
    pid: i32,
    state: String,
}

impl Play<'_> {
    fn play(&self) -> Result {
        let plant = step("start the plant (asyncua)", || {
            let plant = Plant::start(self.repo, self.stage)?;
            let endpoint = plant.endpoint.clone();
            Ok((plant, endpoint))
        })?;
        let program = self.program(&plant)?;
        let block = program.block();
        println!("      {}", block.trim_end().replace('\n', "\n      "));
        let supervisor = step("start supervisord with this block", || {
            let supervisor = Supervisor::start(self.repo, self.stage, &block)?;
            let state = supervisor.program_runs()?;
            Ok((supervisor, state))
        })?;
        self.socket()?;
        self.probes()?;
        self.reads(&plant)?;
        self.survives_kill()?;
        step("rustdaemon status", || Ok(((), self.rustdaemon(&["status"])?)))?;
        step("storage/logs/opcua-*.log", || {
            let lines = self.stage.log_lines();
            let last = lines.last().ok_or("no line")?;
            Ok(((), format!("{} lines; {last}", lines.len())))
        })?;
        self.stops(&plant, &supervisor)?;
        step("supervisorctl shutdown", || Ok(((), supervisor.shutdown()?)))?;
        step("stop the plant", || Ok(((), plant.end()?)))
    }

    /// The environment stands for a project's .env and php.ini: where the plant is, where to write, the extension.
    fn program(&self, plant: &Plant) -> Result<Program> {
        self.stage.write("php.d/rustdaemon.ini", &format!("extension=\"{}\"\n", self.repo.so().display()))?;
        let shown = |path: std::path::PathBuf| path.display().to_string();
        Ok(Program {
            artisan: shown(self.repo.path("php/examples/artisan")),
            environment: vec![
                ("PHP_INI_SCAN_DIR", format!(":{}", shown(self.stage.path("php.d")))),
                ("LARAVEL_STORAGE_PATH", shown(self.stage.path("storage"))),
                ("OPCUA_SOCKET_PATH", shown(self.stage.socket())),
                ("OPCUA_ENDPOINT", plant.endpoint.clone()),
                ("OPCUA_PYTHON", shown(self.repo.python())),
            ],
        })
    }

    fn socket(&self) -> Result {
        let socket = self.stage.socket();
        step("the socket, made by install()", || {
            let mode = eventually(Duration::from_secs(30), "the socket is there", || {
                socket.metadata().map(|data| data.permissions().mode() & 0o777).map_err(|why| why.to_string())
            })?;
            match mode {
                0o660 => Ok(((), format!("{} with mode 0660", socket.display()))),
                other => Err(format!("mode {other:04o}").into()),
            }
        })
    }

    fn probes(&self) -> Result {
        step(PROBE, || {
            let done = self.shell(PROBE)?;
            let answer = ending(done.status);
            done.success()?;
            Ok(((), answer))
        })?;
        step(FLAT_PING, || {
            let answer = self.shell(FLAT_PING)?.success()?;
            let reply: Value = serde_json::from_str(&answer).map_err(|why| format!("{why} in {answer:?}"))?;
            if reply["success"] == true && reply["data"]["status"] == "ok" {
                Ok(((), answer))
            } else {
                Err(answer.into())
            }
        })
    }

    /// Ours, the plant's own word, ours again: the second lies between the others, and the counter has moved.
    fn reads(&self, plant: &Plant) -> Result {
        let before = step(r#"rustdaemon call opcua.read '["ns=2;s=Counter"]'"#, || {
            self.read().map(|n| (n, n.to_string()))
        })?;
        let truth = step("the same node, by asyncua alone", || {
            let truth = plant.read(self.repo, NODE)?;
            Ok((truth, truth.to_string()))
        })?;
        let after = step("the same node, once more by us: it counts", || {
            let after = self.read_until_above(before)?;
            Ok((after, after.to_string()))
        })?;
        step("the values agree", || {
            if before <= truth && truth <= after {
                Ok(((), format!("{before} <= {truth} <= {after}")))
            } else {
                Err(format!("{before}, {truth}, {after}: asyncua's is not between ours").into())
            }
        })
    }

    fn survives_kill(&self) -> Result {
        let killed = step("kill -9 of the worker", || {
            let worker = self.worker()?;
            kill(Pid::from_raw(worker.pid), Signal::SIGKILL).map_err(std::io::Error::from).context("kill")?;
            let answer = format!("pid {}, {}", worker.pid, worker.state);
            Ok((worker, answer))
        })?;
        step("the sidecar starts another one", || {
            let worker = eventually(Duration::from_secs(30), "another worker", || {
                let worker = self.worker().map_err(|why| why.to_string())?;
                if worker.pid == killed.pid { Err(format!("still pid {}", worker.pid)) } else { Ok(worker) }
            })?;
            Ok(((), format!("pid {}, {}", worker.pid, worker.state)))
        })?;
        step("the same node, by it", || self.read().map(|value| ((), value.to_string())))
    }

    fn stops(&self, plant: &Plant, supervisor: &Supervisor<'_>) -> Result {
        let running = procs::descendants(supervisor.pid());
        step("what runs under supervisord", || {
            let names: Vec<String> = running.iter().map(Proc::to_string).collect();
            match running.len() {
                0..=2 => Err(format!("{}: sidecar, worker and bridge are three", names.join(", ")).into()),
                _ => Ok(((), names.join(", "))),
            }
        })?;
        step("supervisorctl stop", || {
            let said = supervisor.control(&["stop", "opcua"])?;
            Ok(((), said))
        })?;
        step("nothing of it is left running", || {
            let mine = Pid::this().as_raw();
            let known = [plant.pid(), supervisor.pid()];
            let number = eventually(Duration::from_secs(5), "all have ended", || {
                let mut left: Vec<Proc> = running.iter().filter(|process| process.runs()).cloned().collect();
                left.extend(procs::descendants(supervisor.pid()));
                left.extend(
                    procs::children(mine).into_iter().filter(|process| !known.contains(&process.pid)),
                );
                match left.first() {
                    None => Ok(running.len()),
                    Some(process) => Err(format!("{process} still runs")),
                }
            })?;
            Ok(((), format!("all {number} have ended")))
        })?;
        step("the socket is gone", || match self.stage.socket().exists() {
            false => Ok(((), "no such file".into())),
            true => Err(format!("{} is still there", self.stage.socket().display()).into()),
        })
    }

    /// A line as the documentation has it, for `sh -c`; SOCK stands for the socket.
    fn shell(&self, line: &str) -> Result<Done> {
        let socket = self.stage.socket().display().to_string();
        let quoted = format!("'{}'", socket.replace('\'', r"'\''"));
        quietly(command("sh", ["-c", &line.replace("SOCK", &quoted)]), SHORT)
    }

    fn rustdaemon(&self, words: &[&str]) -> Result<String> {
        let mut command = command(self.repo.sidecar(), words);
        command.env("RUSTDAEMON_SOCKET", self.stage.socket());
        quietly(command, SHORT)?.success()
    }

    fn read(&self) -> Result<i64> {
        plant::counter(&self.rustdaemon(&["call", "opcua.read", &format!("[\"{NODE}\"]")])?)
    }

    fn read_until_above(&self, before: i64) -> Result<i64> {
        eventually(Duration::from_secs(30), "the counter moves", || match self.read() {
            Ok(value) if value > before => Ok(value),
            Ok(value) => Err(format!("{value}")),
            Err(why) => Err(why.to_string()),
        })
    }

    fn worker(&self) -> Result<Worker> {
        let answer = self.rustdaemon(&["status", "--json"])?;
        let status: Value = serde_json::from_str(&answer).map_err(|why| format!("{why} in {answer}"))?;
        let worker = &status["workers"][0];
        match (worker["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()), worker["state"].as_str()) {
            (Some(pid), Some(state)) if pid > 1 => Ok(Worker { pid, state: state.to_owned() }),
            _ => Err(format!("no worker with a pid: {answer}").into()),
        }
    }
}
