//! Processes as /proc shows them. A process is named by pid and start time: a pid alone is reused.

use std::fmt;
use std::fs;

/// One process, also after its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proc {
    pub pid: i32,
    started: u64,
    name: String,
}

impl Proc {
    /// Whether it still runs. A zombie does not: it only waits to be reaped.
    pub fn runs(&self) -> bool {
        read_stat(self.pid).is_some_and(|stat| stat.started == self.started && !stat.ended)
    }
}

impl fmt::Display for Proc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.pid, self.name)
    }
}

/// Everything below `pid`: children, their children and so on, as far as they have not been re-parented.
pub fn descendants(pid: i32) -> Vec<Proc> {
    let all = all();
    let mut found = Vec::new();
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        for stat in all.iter().filter(|stat| stat.parent == parent && !stat.ended) {
            parents.push(stat.pid);
            found.push(stat.process());
        }
    }
    found
}

/// The direct children of `pid` that still run.
pub fn children(pid: i32) -> Vec<Proc> {
    all().iter().filter(|stat| stat.parent == pid && !stat.ended).map(Stat::process).collect()
}

fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(read_stat)
        .collect()
}

struct Stat {
    pid: i32,
    parent: i32,
    started: u64,
    ended: bool,
    name: String,
}

impl Stat {
    fn process(&self) -> Proc {
        Proc { pid: self.pid, started: self.started, name: self.name.clone() }
    }
}

fn read_stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc_pid_stat(5): `pid (comm) state ppid ...`, start time is field 22. The name may hold spaces and brackets.
fn parse_stat(line: &str) -> Option<Stat> {
    let (pid, rest) = line.split_once(" (")?;
    let (name, fields) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    Some(Stat {
        pid: pid.parse().ok()?,
        name: name.to_owned(),
        ended: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_name_with_brackets() {
        let stat =
            parse_stat("12 (a) (b) S 3 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2").unwrap();
        assert_eq!((stat.pid, stat.parent, stat.started, stat.ended), (12, 3, 987654, false));
        assert_eq!(stat.name, "a) (b");
    }

    #[test]
    fn a_reused_pid_is_another_process() {
        let me = read_stat(std::process::id().try_into().unwrap()).unwrap().process();
        assert!(me.runs());
        assert!(!Proc { started: me.started + 1, ..me }.runs());
    }
}
