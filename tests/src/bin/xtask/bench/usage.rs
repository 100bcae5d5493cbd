//! What a process uses, as /proc has it: memory, time on a CPU, how often it was woken.

use std::fs;

use crate::failure::{Context, Result};

/// Bytes in memory. Summed over /proc/PID/smaps, which walks the page tables: the counters of /proc/PID/status are kept per
/// CPU and may be off by 64 pages for each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    /// Its own: RssAnon.
    pub anon: f64,
    /// Shared memory: RssShmem.
    pub shared: f64,
    /// All, with what is mapped from files.
    pub all: f64,
}

impl Memory {
    pub fn of(pid: i32) -> Result<Self> {
        Ok(Self::parse(&read(pid, "smaps")?))
    }

    fn parse(smaps: &str) -> Self {
        let mut sum = Self::default();
        let (mut shared, mut resident) = (false, 0.0);
        for line in smaps.lines() {
            let mut words = line.split_whitespace();
            let kib = |words: &mut std::str::SplitWhitespace<'_>| {
                words.next().and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0
            };
            match words.next() {
                Some("Rss:") => {
                    resident = kib(&mut words);
                    sum.all += resident;
                }
                Some("Anonymous:") => {
                    let anon = kib(&mut words);
                    sum.anon += anon;
                    sum.shared += if shared { resident - anon } else { 0.0 };
                }
                Some(word) if !word.ends_with(':') => {
                    shared = ["/memfd:", "/dev/shm/", "/dev/zero", "/SYSV"]
                        .iter()
                        .any(|name| words.clone().nth(4).is_some_and(|path| path.starts_with(name)));
                }
                _ => {}
            }
        }
        sum
    }
}

/// Seconds on a CPU, of all threads.
pub fn cpu(pid: i32) -> Result<f64> {
    threads(pid)?.into_iter().map(|thread| thread_cpu(pid, thread)).sum()
}

pub fn thread_cpu(pid: i32, thread: i32) -> Result<f64> {
    let line = read(pid, &format!("task/{thread}/schedstat"))?;
    let nanoseconds = line.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    Ok(nanoseconds.ok_or_else(|| format!("schedstat of {pid}: {line:?}"))? / 1e9)
}

/// How often it went to sleep by itself, all threads together: so often it was woken before.
pub fn sleeps(pid: i32) -> Result<f64> {
    let mut sum = 0.0;
    for thread in threads(pid)? {
        let status = read(pid, &format!("task/{thread}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum += line.and_then(|word| word.trim().parse::<f64>().ok()).ok_or("no voluntary_ctxt_switches")?;
    }
    Ok(sum)
}

pub fn threads(pid: i32) -> Result<Vec<i32>> {
    let path = format!("/proc/{pid}/task");
    let entries = fs::read_dir(&path).context(&path)?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

fn read(pid: i32, what: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{what}");
    fs::read_to_string(&path).context(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_summed_by_kind() {
        let smaps = "7f00-7f01 rw-p 00000000 00:00 0 [heap]\nRss:   100 kB\nAnonymous:   100 kB\n\
            7f01-7f02 rw-s 00000000 00:01 7 /memfd:slot (deleted)\nRss:   8 kB\nAnonymous:   0 kB\n\
            7f02-7f03 r--p 00000000 00:01 7 /usr/lib/libc.so\nRss:   40 kB\nAnonymous:   4 kB\n";
        let kib = |kib: f64| kib * 1024.0;
        assert_eq!(Memory::parse(smaps), Memory { anon: kib(104.0), shared: kib(8.0), all: kib(148.0) });
    }

    #[test]
    fn this_process_uses_something() {
        let pid = std::process::id().try_into().unwrap();
        assert!(Memory::of(pid).unwrap().anon > 0.0 && cpu(pid).unwrap() > 0.0 && sleeps(pid).is_ok());
        assert!(threads(pid).unwrap().contains(&pid));
    }
}
