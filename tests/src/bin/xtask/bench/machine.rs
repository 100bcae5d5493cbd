//! Where and when something was measured: figures without it say nothing.

use std::fs;
use std::path::Path;
use std::thread;

use serde::Serialize;

use super::peer::Php;
use crate::failure::{Context, Result};
use crate::repo::Repo;
use crate::run::answer;

#[derive(Serialize)]
pub struct Machine {
    /// In UTC.
    pub date: String,
    pub cpu: String,
    pub cores: usize,
    /// The load averages of 1, 5 and 15 minutes when measuring began.
    pub load: [f64; 3],
    pub kernel: String,
    pub php: String,
    pub valgrind: String,
    /// What the extension was built from, `-dirty` when something was not committed; unknown of one that was given.
    pub commit: String,
    pub extension: String,
}

impl Machine {
    /// `commit`: see there.
    pub fn look(repo: &Repo, php: &Php, commit: Option<&str>) -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).context(path);
        let unknown = || "unknown".to_owned();
        Ok(Self {
            date: answer("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]).unwrap_or_else(unknown),
            cpu: cpu_model(&read("/proc/cpuinfo")?).unwrap_or_else(unknown),
            cores: thread::available_parallelism().map_or(1, usize::from),
            load: load_now()?,
            kernel: read("/proc/sys/kernel/osrelease")?.trim_end().to_owned(),
            php: php.version()?,
            valgrind: answer("valgrind", &["--version"]).unwrap_or_else(unknown),
            commit: commit.map_or_else(unknown, str::to_owned),
            extension: repo.shown(php.extension()).to_string(),
        })
    }
}

/// The commit of this checkout.
pub fn commit(repo: &Repo) -> Option<String> {
    let root = repo.path("").display().to_string();
    answer("git", &["--no-optional-locks", "-C", &root, "describe", "--always", "--dirty"])
}

/// proc_loadavg(5).
pub fn load_now() -> Result<[f64; 3]> {
    let path = Path::new("/proc/loadavg");
    let line = fs::read_to_string(path).context(path.display())?;
    parse_load(&line).ok_or_else(|| format!("{}: {line:?}", path.display()).into())
}

fn parse_load(line: &str) -> Option<[f64; 3]> {
    let mut fields = line.split_whitespace().map(|field| field.parse().ok());
    Some([fields.next()??, fields.next()??, fields.next()??])
}

/// x86 says `model name`; arm only says numbers.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    let field = |name: &str| {
        let line =
            cpuinfo.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    field("model name").or_else(|| Some(format!("CPU part {}", field("CPU part")?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_proc_says() {
        assert_eq!(parse_load("2.56 2.12 1.41 3/321 12345\n"), Some([2.56, 2.12, 1.41]));
        assert_eq!(parse_load("2.56"), None);
        let x86 = "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Xeon @ 2.50GHz\n\nprocessor\t: 1\n";
        assert_eq!(cpu_model(x86).as_deref(), Some("Xeon @ 2.50GHz"));
        assert_eq!(cpu_model("processor\t: 0\nCPU part\t: 0xd0c\n").as_deref(), Some("CPU part 0xd0c"));
        assert_eq!(cpu_model(""), None);
    }
}
