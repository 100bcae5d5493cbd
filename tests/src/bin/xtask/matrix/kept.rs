//! What is built once and kept in target/matrix: a directory with a file `complete` in it, which comes last and holds how
//! it was made. When that is missing or says something else, all is made again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::child::Guarded;
use crate::failure::{Context, Result};
use crate::repo::Repo;
use crate::run;

/// How much of a log is shown when its command fails.
const LINES: usize = 30;

pub struct Kept {
    pub directory: PathBuf,
    /// Whatever makes it another one when it changes.
    pub recipe: String,
}

impl Kept {
    pub fn is_complete(&self, repo: &Repo) -> bool {
        let complete = fs::read_to_string(self.complete()).is_ok_and(|made_with| made_with == self.recipe);
        if complete {
            println!("{} is there", repo.shown(&self.directory));
        }
        complete
    }

    pub fn set_complete(&self) -> Result {
        fs::write(self.complete(), &self.recipe).context(self.complete().display())
    }

    fn complete(&self) -> PathBuf {
        self.directory.join("complete")
    }
}

/// Runs it with its output in a file, whose end is shown when it fails.
pub fn logged(repo: &Repo, mut command: Command, log: &Path) -> Result {
    let shown = run::show(&command);
    println!("$ {shown} > {} 2>&1", repo.shown(log));
    let file = fs::File::create(log).context(log.display())?;
    command.stderr(Stdio::from(file.try_clone().context(log.display())?)).stdout(Stdio::from(file));
    let status = Guarded::spawn(command)?.wait()?;
    if status.success() {
        return Ok(());
    }
    let bytes = fs::read(log).context(log.display())?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    println!("{}", lines[lines.len().saturating_sub(LINES)..].join("\n"));
    Err(format!("{}: {shown}", run::ending(status)).into())
}

pub fn remove(directory: &Path) -> Result {
    if !directory.exists() {
        return Ok(());
    }
    fs::remove_dir_all(directory).context(format_args!("remove {}", directory.display()))
}
