//! `fork`: a child by `Process::fork()` that runs an empty function, and `wait()`, beside pcntl_fork() with a child that
//! kills itself at once, and pcntl_waitpid(): the least that a fork can cost. And what 10 000 forks leave in the parent.
//!
//! # How it works
//! Both take turns in one process, which holds so much memory as strings or objects: a fork copies the tables of its pages.
//!
//! # What would make it lie
//! The two children do not do the same: ours calls a function of PHP's and ends as a script does. What that costs is the
//! page faults of its child, which are counted: each first touch of a page is 3 to 4 us here.

use std::process::Command;
use std::time::Duration;

use super::Bench;
use super::peer::Peer;
use super::report::{At, Report};
use crate::failure::Result;
use crate::interrupt;
use crate::run;

const WHAT: &str = "fork and wait";
const FAULTS: &str = "page faults of a child";
const PATIENCE: Duration = Duration::from_secs(300);

/// What is held, how many MB of it, how many forks in a round, and at most so many times pcntl's.
const CASES: [(&str, &str, &str, &str, f64); 4] = [
    ("nothing", "strings", "0", "300", 1.1),
    ("20 MB of strings", "strings", "20", "100", 1.1),
    ("200 MB of strings", "strings", "200", "20", 1.1),
    ("200 MB of objects", "objects", "200", "20", 1.5),
];
const FORKS: &str = "10000";
/// What the allocators of PHP and C may move within, in KiB.
const SLACK_KIB: i64 = 512;

pub fn measure(bench: &Bench, report: &mut Report) -> Result {
    for round in 0..bench.rounds {
        bench.progress(round);
        for (case, kind, megabytes, times, _) in CASES {
            interrupt::check()?;
            let [ours, theirs, our_faults, their_faults]: [f64; 4] = ask(bench, [kind, megabytes, times])?;
            for (peer, us, faults) in
                [(Peer::Rustdaemon, ours, our_faults), (Peer::Pcntl, theirs, their_faults)]
            {
                report.note(At { case, peer: peer.name(), what: WHAT, unit: "us" }, us);
                report.note(At { case, peer: peer.name(), what: FAULTS, unit: "" }, faults);
            }
        }
    }
    for (case, .., bound) in CASES {
        report.check_compared(case, WHAT, [Peer::Rustdaemon.name(), Peer::Pcntl.name()], bound)?;
    }
    let [descriptors, zombies, heap, kib]: [i64; 4] = ask(bench, ["growth", "0", FORKS])?;
    let seen = format!(
        "{descriptors} descriptors, {zombies} zombies, {heap} bytes of PHP's heap, {kib} KiB resident"
    );
    let bound = format!("none, none, none, <= {SLACK_KIB} KiB");
    let holds = [descriptors, zombies, heap] == [0; 3] && kib <= SLACK_KIB;
    report.check(&format!("{FORKS} forks leave in the parent"), &bound, &seen, holds);
    Ok(())
}

fn ask<T: serde::de::DeserializeOwned>(bench: &Bench, arguments: [&str; 3]) -> Result<T> {
    let program = bench.program("fork.php").into_os_string();
    let words = bench.php.words(true, [program].into_iter().chain(arguments.map(Into::into)));
    let (php, arguments) = words.split_first().ok_or("no command")?;
    let mut command = Command::new(php);
    command.args(arguments);
    bench.show(&command);
    let said = run::quietly(command, PATIENCE)?.success()?;
    serde_json::from_str(&said).map_err(|why| format!("{said}: {why}").into())
}
