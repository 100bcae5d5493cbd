//! `rustdaemon shm list` and `rm`: what PHP processes share by name, and what is left of it.
//!
//! # How it works
//! The files of `core::segment` in /dev/shm. No sidecar is asked, and nothing is mapped: what is in a segment is read from
//! its file, and what is damaged can be seen and removed all the same. So can a FIFO whose channel was
//! removed by hand.
//!
//! That a segment is used says the lock on its file, also where nobody may look at who does; who holds a lock says the
//! lock; who else uses it says /proc/PID/maps.
//!
//! # What cannot be seen
//! Who the users are where they belong to another user and root does not ask, have made themselves unreadable (a change of
//! user, `PR_SET_DUMPABLE`), or are in another PID namespace: shown as `?`. Whether another user's segment is used at all,
//! unless root asks: `?` as well. A file that was removed while processes used it.
//! Sources: DESIGN 6; `core::segment`; proc_pid_maps(5), ptrace(2) "Ptrace access mode checking".

use std::collections::HashMap;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use nix::unistd::{Uid, User, geteuid};
use rustdaemon_core::counter::Counter;
use rustdaemon_core::lock::Lock;
use rustdaemon_core::ring::Ring;
use rustdaemon_core::segment::{DIRECTORY, Kind, Listed, Name};
use rustdaemon_core::sys;
use serde::Serialize;

use super::{BAD_NEWS, DONE, Failure, Outcome, SYSTEM, USAGE, print, table};
use crate::{identity, proc};

/// Show or remove channels, locks and counters that have a name.
#[derive(Args)]
pub struct Shm {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    List(List),
    Rm(Remove),
}

impl Shm {
    /// Does what was asked.
    pub fn run(self) -> Outcome {
        match self.verb {
            Verb::List(list) => list.run(),
            Verb::Rm(remove) => remove.run(),
        }
    }
}

/// List them, with owner, size, what is in them and the processes that use them; ?: there are some, or may be some, that
/// this user cannot see.
#[derive(Args)]
struct List {
    /// For scripts.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    name: String,
    kind: &'static str,
    owner: String,
    uid: u32,
    size_bytes: u64,
    #[serde(flatten)]
    state: State,
    /// `null`: it cannot be seen.
    used: Option<bool>,
    users: Vec<UserOf>,
    path: String,
}

/// What is in it, at this moment.
#[derive(Serialize)]
#[serde(untagged)]
enum State {
    Channel {
        messages: usize,
        closed: bool,
    },
    Lock {
        holder: Option<i32>,
    },
    Counter {
        value: i64,
    },
    /// A FIFO whose channel has gone.
    LeftOver {
        left_over: bool,
    },
    /// It is damaged, or another container's, or another user's.
    Unknown {},
}

impl State {
    fn of(listed: &Listed, file: &Metadata) -> Self {
        if file.file_type().is_fifo() {
            return Self::LeftOver { left_over: true };
        }
        let state = match listed.kind {
            Kind::Channel => Ring::glance(listed)
                .map(|stats| Self::Channel { messages: stats.messages, closed: stats.closed }),
            Kind::Lock => Lock::glance(listed).map(|holder| Self::Lock { holder }),
            Kind::Counter => Counter::glance(listed).map(|value| Self::Counter { value }),
        };
        state.unwrap_or(Self::Unknown {})
    }

    fn in_words(&self) -> String {
        match self {
            Self::Channel { messages, closed } => {
                let (plural, closed) =
                    (if *messages == 1 { "" } else { "s" }, if *closed { ", closed" } else { "" });
                format!("{messages} message{plural}{closed}")
            }
            Self::Lock { holder: Some(pid) } => format!("held by {pid}"),
            Self::Lock { holder: None } => "free".to_owned(),
            Self::Counter { value } => value.to_string(),
            Self::LeftOver { .. } => "FIFO left over".to_owned(),
            Self::Unknown {} => "-".to_owned(),
        }
    }
}

#[derive(Serialize)]
struct UserOf {
    pid: i32,
    command: String,
}

impl List {
    fn run(self) -> Outcome {
        let found = found()?;
        let mut users = users_of(&found);
        let mut row = |listed: &Listed, path: &Path, file: &Metadata| {
            let state = State::of(listed, file);
            let users = users.remove(&place(file)).unwrap_or_default();
            let is_seen = !users.is_empty() || matches!(state, State::Lock { holder: Some(_) });
            Row {
                name: listed.name.as_str().to_owned(),
                kind: listed.kind.word(),
                owner: user_name(file.uid()),
                uid: file.uid(),
                size_bytes: file.len(),
                state,
                used: if is_seen { Some(true) } else { is_used(listed, file) },
                users,
                path: path.display().to_string(),
            }
        };
        let mut rows = Vec::new();
        for Found { listed, path, file, fifo, left_over } in &found {
            rows.push(row(listed, path, file));
            if fifo.is_none() && !file.file_type().is_fifo() {
                continue; // which belongs to it cannot be read
            }
            // One that has gone meanwhile is not there.
            let left_over = left_over.iter().filter_map(|path| Some((path, path.symlink_metadata().ok()?)));
            rows.extend(left_over.map(|(path, file)| row(listed, path, &file)));
        }
        if self.json {
            return print(&serde_json::to_string(&rows).unwrap_or_default());
        }
        if rows.is_empty() {
            return print(&format!("no channel, lock or counter has a name in {DIRECTORY}"));
        }
        let mut lines = table(&["NAME", "KIND", "OWNER", "SIZE", "STATE", "USERS"]);
        for row in rows {
            let users = match row.used {
                _ if !row.users.is_empty() => in_words(&row.users),
                Some(false) => "-".to_owned(),
                _ => "?".to_owned(),
            };
            let state = row.state.in_words();
            lines.add_row([row.name, row.kind.to_owned(), row.owner, size(row.size_bytes), state, users]);
        }
        print(&lines.trim_fmt())
    }
}

/// Remove some. Exit code 1: there is none of that name, or it is held or used.
#[derive(Args)]
struct Remove {
    /// As `shm list` shows them; one that begins with a dash stands after `--`.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Which, where several have the name.
    #[arg(long)]
    kind: Option<KindWord>,
    /// Whose, a user's name or number [default: your own].
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
    /// Also while it is held or used, or where that cannot be seen: processes go on with the memory that they have; whoever
    /// opens the name from then on gets another. A lock that is held then can be held a second time, by a process that opens
    /// the name afterwards.
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum KindWord {
    Channel,
    Lock,
    Counter,
}

impl From<KindWord> for Kind {
    fn from(word: KindWord) -> Self {
        match word {
            KindWord::Channel => Self::Channel,
            KindWord::Lock => Self::Lock,
            KindWord::Counter => Self::Counter,
        }
    }
}

impl Remove {
    /// Looks at all of them first: either each can be removed, or none is.
    fn run(self) -> Outcome {
        let uid = match &self.owner {
            Some(owner) => {
                let failed = |sentence: String| {
                    Failure::new(USAGE, format!("--owner: {}", sentence.trim_start_matches("user: ")))
                };
                identity::find_user(owner).map_err(failed)?.0
            }
            None => geteuid(),
        };
        let there = found()?;
        let named = self.names.iter().map(|name| self.find(name, uid, &there));
        let chosen = named.collect::<Result<Vec<&Found>, Failure>>()?;
        if !self.force {
            let mut users = users_of(&there);
            for Found { listed, file, .. } in &chosen {
                let users = users.remove(&place(file)).unwrap_or_default();
                if let Some(why) = why_not(listed, file, &users) {
                    let (kind, name) = (listed.kind.word(), listed.name.as_str());
                    return Err(Failure::new(
                        BAD_NEWS,
                        format!("the {kind} \"{name}\" {why}, or give --force"),
                    ));
                }
            }
        }
        // Of FIFOs those that were there when this looked: another channel of the name has another one.
        for Found { path, fifo, left_over, .. } in chosen {
            [path].into_iter().chain(fifo).chain(left_over).try_for_each(|path| remove(path))?;
        }
        Ok(DONE)
    }

    fn find<'a>(&self, name: &str, uid: Uid, there: &'a [Found]) -> Result<&'a Found, Failure> {
        let name = Name::parse(name.as_bytes()).map_err(|sentence| Failure::new(USAGE, sentence))?;
        let kind = self.kind.map(Kind::from);
        let fits = |listed: &Listed| {
            listed.name == name && listed.uid == uid.as_raw() && kind.is_none_or(|kind| listed.kind == kind)
        };
        let fitting: Vec<&Found> = there.iter().filter(|found| fits(&found.listed)).collect();
        match fitting.as_slice() {
            [only] => Ok(only),
            [] => {
                let (what, owner) =
                    (kind.map_or("channel, lock or counter", Kind::word), user_name(uid.as_raw()));
                let sentence = format!(
                    "{owner} has no {what} of the name \"{}\" in {DIRECTORY}: see rustdaemon shm list",
                    name.as_str()
                );
                Err(Failure::new(BAD_NEWS, sentence))
            }
            several => {
                let kinds: Vec<&str> = several.iter().map(|found| found.listed.kind.word()).collect();
                let sentence =
                    format!("\"{}\" is the name of a {}: give --kind", name.as_str(), kinds.join(" and a "));
                Err(Failure::new(USAGE, sentence))
            }
        }
    }
}

/// Why a segment is not removed, and what to do.
fn why_not(listed: &Listed, file: &Metadata, users: &[UserOf]) -> Option<String> {
    if let State::Lock { holder: Some(pid) } = State::of(listed, file) {
        let command = sys::command_name(pid).unwrap_or_default();
        let holder = format!("{pid} {command}");
        return Some(format!("is held by {}: end it first", holder.trim_end()));
    }
    if !users.is_empty() {
        return Some(format!("is used by {}: end them first", in_words(users)));
    }
    let root = if geteuid().is_root() { "" } else { ", ask as root" };
    match is_used(listed, file) {
        Some(false) => None,
        Some(true) if listed.is_of_another_namespace() => Some(
            "is used by a process that cannot be seen from this PID namespace: ask in its own (its container), end it first"
                .to_owned(),
        ),
        Some(true) => Some(format!("is used by a process that cannot be seen from here: end it first{root}")),
        None => Some(format!("may be used, which user {} cannot see{root}", user_name(geteuid().as_raw()))),
    }
}

/// `None`: this user may not open it.
fn is_used(listed: &Listed, file: &Metadata) -> Option<bool> {
    if file.is_file() { listed.is_used() } else { Some(false) }
}

struct Found {
    listed: Listed,
    path: PathBuf,
    file: Metadata,
    /// The FIFO that belongs to it.
    fifo: Option<PathBuf>,
    /// Others of its name: they belong to none that is there, if `fifo` is known.
    left_over: Vec<PathBuf>,
}

/// The files with names of ours, by name; a FIFO for itself where there is nothing else of its name.
fn found() -> Result<Vec<Found>, Failure> {
    let unreadable = |failed| Failure::new(SYSTEM, format!("cannot look into {DIRECTORY}: {failed}"));
    let (mut all, mut fifos) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(DIRECTORY).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let (listed, of_fifo) =
            name.to_str().map_or((None, None), |name| (Listed::parse(name), Listed::parse_fifo(name)));
        fifos.extend(of_fifo.map(|listed| (listed, entry.path())));
        // One that has gone meanwhile is not there.
        if let Some(listed) = listed
            && let Ok(file) = entry.path().symlink_metadata()
        {
            let fifo = listed.fifo();
            all.push(Found { listed, path: entry.path(), file, fifo, left_over: Vec::new() });
        }
    }
    fifos.sort_by(|(_, one), (_, other)| one.cmp(other));
    for (listed, path) in fifos {
        match (all.iter_mut().find(|found| found.listed == listed), path.symlink_metadata()) {
            (Some(found), _) if found.fifo.as_ref() == Some(&path) => {}
            (Some(found), _) => found.left_over.push(path),
            (None, Ok(file)) => all.push(Found { listed, path, file, fifo: None, left_over: Vec::new() }),
            (None, Err(_)) => {}
        }
    }
    all.sort_by_key(|found: &Found| found.listed.path());
    Ok(all)
}

type Place = (u64, u64);

fn place(file: &Metadata) -> Place {
    (file.dev(), file.ino())
}

/// Who has mapped which of them, as far as we may see.
fn users_of(found: &[Found]) -> HashMap<Place, Vec<UserOf>> {
    let mut users: HashMap<Place, Vec<UserOf>> = HashMap::new();
    let mut pids = sys::process_ids();
    pids.sort_unstable();
    for pid in pids {
        let mapped = proc::mapped_files(pid);
        for Found { file, .. } in found {
            if mapped.contains(&place(file)) {
                let command = sys::command_name(pid).unwrap_or_default();
                users.entry(place(file)).or_default().push(UserOf { pid, command });
            }
        }
    }
    users
}

fn in_words(users: &[UserOf]) -> String {
    let words: Vec<String> = users.iter().map(|user| format!("{} {}", user.pid, user.command)).collect();
    words.join(", ")
}

fn user_name(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mib = bytes as f64 / f64::from(1 << 20);
    if bytes < 1 << 20 { format!("{} KiB", bytes.div_ceil(1024)) } else { format!("{mib:.1} MiB") }
}

fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(failed) if failed.kind() != ErrorKind::NotFound => {
            Err(Failure::new(SYSTEM, format!("cannot remove {}: {failed}", path.display())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let shown = [4096, 1 << 20, (5 << 20) + 4096, 100].map(size);
        assert_eq!(shown, ["4 KiB", "1.0 MiB", "5.0 MiB", "1 KiB"]);
    }
}
