//! Facts about a process from /proc and its control group.
//!
//! # Rules
//! Reads files, decides nothing. What cannot be read is `None`: the process has ended, or the kernel keeps it to itself.
//! Sources: proc_pid_stat(5), proc_pid_status(5), cgroups(7), Linux Documentation/admin-guide/cgroup-v2.rst.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustdaemon_core::sys;

/// What can be told of a process without asking it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The state letter of its first thread: `R` running, `S` sleeping, `D` in the kernel, `T` stopped, `t` traced, `Z`
    /// ended.
    pub state: Option<char>,
    /// Who traces it, 0: nobody.
    pub tracer: i32,
    /// Memory that is its own: resident anonymous pages and what of it is swapped out, in bytes.
    pub own_memory: Option<u64>,
    /// Its control group is frozen (cgroup v2).
    pub is_frozen: bool,
}

impl Facts {
    /// Reads them.
    #[must_use]
    pub fn of(pid: i32) -> Self {
        let status = status(pid);
        let events = cgroup(pid).and_then(|group| std::fs::read_to_string(group.join("cgroup.events")).ok());
        Self {
            is_frozen: events.as_deref().and_then(|events| number(events, "frozen")) == Some(1),
            ..parse(&status)
        }
    }

    /// Whether something outside has stopped it: a signal, a debugger, the freezer.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.is_frozen || matches!(self.state, Some('T' | 't'))
    }
}

/// [`Facts::own_memory`] alone: no look at its control group.
#[must_use]
pub fn own_memory(pid: i32) -> Option<u64> {
    parse(&status(pid)).own_memory
}

/// The files that a process has mapped, by device and number; none when it may not be looked at.
#[must_use]
pub fn mapped_files(pid: i32) -> HashSet<(u64, u64)> {
    let maps = sys::look_at(pid, || std::fs::read(format!("/proc/{pid}/maps"))).unwrap_or_default();
    String::from_utf8_lossy(&maps).lines().filter_map(mapped_file).collect()
}

/// `7f0c... rw-s 00000000 00:1a 42   /dev/shm/x`: device in hexadecimal, number in decimal.
fn mapped_file(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_ascii_whitespace().skip(3);
    let (major, minor) = fields.next()?.split_once(':')?;
    let number = fields.next()?.parse().ok().filter(|number| *number != 0)?;
    let part = |text| u32::from_str_radix(text, 16).ok();
    Some((libc::makedev(part(major)?, part(minor)?), number))
}

fn status(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

fn parse(status: &str) -> Facts {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim)
    };
    let kib = |name: &str| field(name).and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok());
    Facts {
        state: field("State").and_then(|text| text.chars().next()),
        tracer: field("TracerPid").and_then(|text| text.parse().ok()).unwrap_or_default(),
        own_memory: kib("RssAnon").map(|anonymous| (anonymous + kib("VmSwap").unwrap_or(0)) * 1024),
        is_frozen: false,
    }
}

/// The kernel's count of what it has killed for want of memory: in the process's control group; without a memory
/// controller, on the whole machine.
#[derive(Debug)]
pub struct OomKills {
    file: File,
    explained: u64,
}

impl OomKills {
    /// Those so far are nobody's. `None`: this kernel counts nowhere.
    #[must_use]
    pub fn watch(pid: i32) -> Option<Self> {
        let unified = cgroup(pid).map(|group| group.join("memory.events"));
        let own = [unified, memory_group(pid).map(|group| group.join("memory.oom_control"))];
        let files = own.into_iter().flatten().chain([PathBuf::from("/proc/vmstat")]);
        files.into_iter().find_map(|path| {
            let file = File::open(path).ok()?;
            Some(Self { explained: count(&file)?, file })
        })
    }

    /// Whether there is one more that nobody has asked about: to be asked after an end by SIGKILL.
    pub fn explains_one(&mut self) -> bool {
        let found = count(&self.file).is_some_and(|counted| counted > self.explained);
        self.explained += u64::from(found);
        found
    }
}

/// In one read where that is enough: at each of them the kernel sums all of /proc/vmstat up anew.
fn count(file: &File) -> Option<u64> {
    let mut text = vec![0; 16 * 1024];
    let mut length = 0;
    while let Some(rest) = text.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, length as u64).ok()? {
            0 => break,
            read => length += read,
        }
    }
    number(str::from_utf8(text.get(..length)?).ok()?, "oom_kill")
}

/// The directory of the process's control group of the memory controller, cgroup v1.
fn memory_group(pid: i32) -> Option<PathBuf> {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let own = groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|controller| controller == "memory").then_some(path)
    })?;
    Some(Path::new("/sys/fs/cgroup/memory").join(own.trim_start_matches('/')))
}

/// The directory of the process's control group, cgroup v2.
fn cgroup(pid: i32) -> Option<PathBuf> {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .map(|mounted| Path::new(mounted).join(own))
        .find(|group| group.join("cgroup.events").exists())
}

/// The value of `key` in a file of lines `key value`.
fn number(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_process_tells_its_state_and_memory() {
        let own = Facts::of(i32::try_from(std::process::id()).unwrap());
        assert!(matches!(own.state, Some('R' | 'S')), "{own:?}");
        assert!(own.own_memory > Some(100_000) && !own.is_stopped(), "{own:?}");
        assert_eq!(Facts::of(-1), Facts::default());
    }

    #[test]
    fn what_the_kernel_writes_is_read() {
        let status =
            "Name:\tphp\nState:\tt (tracing stop)\nTracerPid:\t77\nRssAnon:\t    2048 kB\nVmSwap:\t 16 kB\n";
        let facts = parse(status);
        assert_eq!((facts.state, facts.tracer, facts.own_memory), (Some('t'), 77, Some(2064 * 1024)));
        assert!(facts.is_stopped());
        assert_eq!(number("low 0\noom 3\noom_kill 2\noom_group_kill 9\n", "oom_kill"), Some(2));
        assert_eq!(number("populated 1\nfrozen 1\n", "frozen"), Some(1));
        assert_eq!(number("", "frozen"), None);
    }

    #[test]
    fn mapped_files_are_told_by_device_and_number() {
        let line = "7f0c4e600000-7f0c4e601000 rw-s 00000000 00:1a 42    /dev/shm/x";
        assert_eq!(mapped_file(line), Some((libc::makedev(0, 0x1a), 42)));
        assert_eq!(mapped_file("7ffd0a1e8000-7ffd0a209000 rw-p 00000000 00:00 0    [stack]"), None);
        assert_eq!(mapped_file(""), None);
        let own = mapped_files(i32::try_from(std::process::id()).unwrap());
        let program = std::env::current_exe().unwrap().metadata().unwrap();
        assert!(own.contains(&(program.dev(), program.ino())));
        assert_eq!(mapped_files(-1), HashSet::new());
    }

    #[test]
    fn an_out_of_memory_kill_explains_one_end() {
        let file = std::env::temp_dir().join(format!("rd-oom-{}", std::process::id()));
        let counted = |kills: u64| std::fs::write(&file, format!("oom 9\noom_kill {kills}\n")).unwrap();
        counted(5);
        let opened = File::open(&file).unwrap();
        let mut kills = OomKills { explained: count(&opened).unwrap(), file: opened };
        assert!(!kills.explains_one(), "those before are nobody's");
        counted(7);
        assert_eq!([(); 3].map(|()| kills.explains_one()), [true, true, false]);
        std::fs::remove_file(&file).unwrap();
    }
}
