//! What workers write to stdout and stderr: captured, forwarded to our stdout or appended to a file, kept, followed.
//!
//! # How it works
//! Two pipes per worker, of the system's default size unless a larger one is asked for (together within half of what
//! pipe-user-pages-soft gives a user), made before its spawn; our ends are non-blocking and read in the loop, at most [`TURN_BYTES`] per pipe and turn. The lines go to one place per pool, and the newest of each slot
//! stay here, across its workers.
//! A worker's end: what is in its pipes by then is read before anybody hears of the end. Whatever it has started may
//! hold the pipes longer: they are read until their own end, [`LEFT_PIPES`] per slot; the oldest is closed for one more
//! (its writer gets `EPIPE`).
//!
//! # Prefix
//! `name#slot | `, by [`LogPrefix`]. A stack trace has it once: a line that goes on with the one before has none,
//! unless another worker's line came between.
//!
//! # What may be lost
//! See `lines`, `sink` and `logfile`: each counts, each says how many. A worker never waits for who reads its lines.
//!
//! # Rules
//! Never blocks, but on a log file's disk. Decides nothing about workers.
//! Sources: pipe(7) "/proc files", fcntl(2) F_SETPIPE_SZ.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use log::{error, log, warn};
use nix::fcntl::{FcntlArg, fcntl};
use rustdaemon_core::{link, sys};
use serde_json::json;

use crate::config::{LogFormat, LogPrefix, LogTarget, PoolConfig};
use crate::dialect::{self, Address};
use crate::ids::{ClientId, WorkerId};
use crate::lines::{Assembler, LogLine, Stream, TAIL_LINES, Tail, is_continuation, is_json_object};
use crate::logfile::{LogFile, News};
use crate::sink::SharedSink;

/// Read from one pipe in one turn of the loop, so that one worker's flood leaves the others their turns.
pub const TURN_BYTES: usize = 64 * 1024;
/// Pipes per slot that outlive their worker.
const LEFT_PIPES: usize = 8;
/// At the end, our own stdout and stderr may take this long to take what waits.
const FAREWELL: Duration = Duration::from_millis(500);

/// One end of a worker's output, while somebody may write to the other.
type Key = (WorkerId, Stream);

/// All captured output.
#[derive(Debug)]
pub struct Logs {
    pipes: BTreeMap<Key, Pipe>,
    chunk: Box<[u8]>,
    outlets: Outlets,
    stderr: SharedSink,
    /// It was said that pipes are smaller than asked for.
    small_pipes: bool,
}

#[derive(Debug)]
struct Pipe {
    read: File,
    lines: Assembler,
    origin: Origin,
    /// Its worker has ended.
    left: bool,
}

/// Where a pipe's lines come from and go to.
#[derive(Clone, Debug)]
struct Origin {
    name: Rc<str>,
    key: Key,
    target: LogTarget,
    prefix: LogPrefix,
}

/// Where lines go.
#[derive(Debug)]
struct Outlets {
    format: LogFormat,
    stdout: SharedSink,
    files: HashMap<PathBuf, LogFile>,
    tails: BTreeMap<Rc<str>, Tail>,
    sequence: u64,
    /// Who wrote the last line to stdout.
    last: Option<Key>,
    followers: Vec<Follower>,
    events: Vec<(ClientId, Vec<u8>)>,
    /// Prefixes have a colour for each pool.
    is_coloured: bool,
}

/// Of pools, on a terminal: cyan, magenta, green, blue, yellow.
const COLOURS: [&str; 5] = ["\x1b[36m", "\x1b[35m", "\x1b[32m", "\x1b[34m", "\x1b[33m"];

/// Somebody who wants further lines.
#[derive(Debug)]
struct Follower {
    client: ClientId,
    address: Address,
    name: Option<String>,
}

/// What has become of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Empty for now: readiness will tell of more.
    Dry,
    /// There may be more, and no edge will tell of it.
    More,
    /// Nobody can write to it any more; it is closed.
    Ended,
}

impl Logs {
    /// Nothing captured yet. `stderr` is where our own lines go.
    #[must_use]
    pub fn new(stdout: SharedSink, stderr: SharedSink, format: LogFormat) -> Self {
        let outlets = Outlets {
            format,
            stdout,
            files: HashMap::new(),
            tails: BTreeMap::new(),
            sequence: 0,
            last: None,
            followers: Vec::new(),
            events: Vec::new(),
            is_coloured: false,
        };
        Self {
            pipes: BTreeMap::new(),
            chunk: vec![0; TURN_BYTES].into(),
            outlets,
            stderr,
            small_pipes: false,
        }
    }

    /// Gives the prefixes of what is forwarded a colour for each pool.
    pub fn colour(&mut self) {
        self.outlets.is_coloured = true;
    }

    /// Makes the pipes of a worker of slot `name`: its ends of stdout and stderr.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn open(&mut self, worker: WorkerId, name: &str, pool: &PoolConfig) -> io::Result<[OwnedFd; 2]> {
        let (stdout, stderr) = (sys::pipe()?, sys::pipe()?);
        let name = self.outlets.slot(name);
        if let LogTarget::File(path) = &pool.log {
            self.outlets.files.entry(path.clone()).or_insert_with(|| LogFile::new(path));
        }
        for (stream, read) in [(Stream::Stdout, stdout.read), (Stream::Stderr, stderr.read)] {
            sys::set_nonblocking(read.as_fd())?;
            self.enlarge(&read, pool.log_pipe);
            let key = (worker, stream);
            let origin =
                Origin { name: name.clone(), key, target: pool.log.clone(), prefix: pool.log_prefix };
            let pipe = Pipe { read: read.into(), lines: Assembler::default(), origin, left: false };
            self.pipes.insert(key, pipe);
        }
        Ok([stdout.write, stderr.write])
    }

    fn enlarge(&mut self, pipe: &OwnedFd, bytes: Option<u32>) {
        let Some(bytes) = bytes.and_then(|bytes| i32::try_from(bytes).ok()) else { return };
        let pipes = self.pipes.len() as u64 + 1;
        let outcome = match pipe_budget() {
            Some(budget) if pipes.saturating_mul(bytes.unsigned_abs().into()) > budget / 2 => {
                Err(format!("{pipes} pipes of {bytes} bytes are more than half of the user's {budget} bytes"))
            }
            _ => fcntl(pipe, FcntlArg::F_SETPIPE_SZ(bytes))
                .map_err(|failed| format!("F_SETPIPE_SZ of {bytes} bytes: {failed}")),
        };
        if let Err(why) = outcome
            && !std::mem::replace(&mut self.small_pipes, true)
        {
            warn!("workers' output pipes keep the system's size: {why}");
        }
    }

    /// Forgets the pipes of a worker that could not be started.
    pub fn discard(&mut self, worker: WorkerId) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.pipes.remove(&(worker, stream));
        }
    }

    /// For readiness: the worker's open pipes.
    pub fn fds(&self, worker: WorkerId) -> impl Iterator<Item = (Stream, i32)> {
        let range = (worker, Stream::Stdout)..=(worker, Stream::Stderr);
        self.pipes.range(range).map(|((_, stream), pipe)| (*stream, pipe.read.as_raw_fd()))
    }

    /// For readiness: our own stdout and stderr have room again.
    #[must_use]
    pub fn sink_fds(&self) -> [i32; 2] {
        [&self.outlets.stdout, &self.stderr].map(|sink| sink.with(|sink| sink.raw_fd()))
    }

    /// Reads what is there, up to a turn's share of it.
    pub fn read(&mut self, worker: WorkerId, stream: Stream) -> Flow {
        self.read_up_to(&(worker, stream), TURN_BYTES)
    }

    /// The worker has ended: takes in what it has left in its pipes.
    pub fn ended(&mut self, worker: WorkerId) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let key = (worker, stream);
            let Some(pipe) = self.pipes.get(&key) else { continue };
            // All that was written before the end fits into the pipe: what others go on writing waits for its turn.
            let held =
                fcntl(&pipe.read, FcntlArg::F_GETPIPE_SZ).ok().and_then(|bytes| usize::try_from(bytes).ok());
            if self.read_up_to(&key, held.unwrap_or(TURN_BYTES)) != Flow::Ended {
                self.leave(&key);
            }
        }
        self.settle(Instant::now());
    }

    /// The newest lines of one of a slot's workers, oldest first: `stdout` and `stderr` as they came.
    #[must_use]
    pub fn last_words(&self, worker: WorkerId, name: &str, lines: usize) -> Vec<String> {
        let tail = self.outlets.tails.get(name).into_iter().flat_map(|tail| tail.last(TAIL_LINES));
        let its: Vec<_> = tail.filter(|kept| kept.writer == worker).collect();
        let newest = its.get(its.len().saturating_sub(lines)..).unwrap_or_default();
        newest.iter().map(|kept| String::from_utf8_lossy(&kept.line).into_owned()).collect()
    }

    /// The newest lines of all slots that `name` means (a pool, `pool#slot`, none: all), oldest first.
    #[must_use]
    pub fn recent(&self, name: Option<&str>, lines: usize) -> Vec<LogLine> {
        let meant = self.outlets.tails.iter().filter(|(slot, _)| means(name, slot));
        let mut kept: Vec<_> =
            meant.flat_map(|(slot, tail)| tail.last(TAIL_LINES).map(move |kept| (slot, kept))).collect();
        kept.sort_by_key(|(_, kept)| kept.sequence);
        let newest = kept.get(kept.len().saturating_sub(lines)..).unwrap_or_default();
        newest.iter().map(|(slot, kept)| LogLine::new(slot, kept.stream, kept.at, &kept.line)).collect()
    }

    /// From now on, tells a client of the lines that `name` means, and of no others that it has asked for before.
    pub fn follow(&mut self, client: ClientId, address: Address, name: Option<String>) {
        self.unfollow(client);
        self.outlets.followers.push(Follower { client, address, name });
    }

    /// The client has left.
    pub fn unfollow(&mut self, client: ClientId) {
        self.outlets.followers.retain(|follower| follower.client != client);
    }

    /// What followers are to be told.
    pub fn take_events(&mut self) -> Vec<(ClientId, Vec<u8>)> {
        std::mem::take(&mut self.outlets.events)
    }

    /// Opens all log files again; how many there are.
    pub fn reopen(&mut self) -> usize {
        self.settle(Instant::now());
        for file in self.outlets.files.values_mut() {
            say(file.reopen());
        }
        self.outlets.files.len()
    }

    /// Writes what waits, as far as there is room.
    pub fn flush(&mut self, now: Instant) {
        self.settle(now);
        let _ = self.stderr.with(|sink| sink.flush(now)); // of this one's failures nobody can be told
    }

    /// When [`Logs::flush`] is wanted without readiness.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let sinks = [&self.outlets.stdout, &self.stderr];
        sinks.into_iter().filter_map(|sink| sink.with(|sink| sink.retry_at())).min()
    }

    /// Takes in the last lines of what workers have left running.
    pub fn finish(&mut self) {
        for worker in self.pipes.keys().map(|(worker, _)| *worker).collect::<Vec<_>>() {
            self.ended(worker);
        }
    }

    /// Writes what waits, at the end.
    ///
    /// # Blocking
    /// While our own stdout or stderr has no room, at most [`FAREWELL`] together.
    pub fn drain(&mut self) {
        let deadline = Instant::now() + FAREWELL;
        self.outlets.stdout.with(|sink| sink.drain(deadline));
        self.stderr.with(|sink| sink.drain(deadline));
    }

    fn settle(&mut self, now: Instant) {
        let news: Vec<News> = self.outlets.files.values_mut().map(|file| file.flush(now)).collect();
        news.into_iter().for_each(say);
        match self.outlets.stdout.with(|sink| sink.flush(now)) {
            Some(Ok(())) => warn!("stdout is written again"),
            Some(Err(failed)) => {
                error!(
                    "cannot write to stdout: {failed}; workers' lines wait, and are lost and counted when too many do"
                );
            }
            None => {}
        }
    }

    fn read_up_to(&mut self, key: &Key, bytes: usize) -> Flow {
        let Some(pipe) = self.pipes.get_mut(key) else { return Flow::Ended };
        let (outlets, origin, at) = (&mut self.outlets, &pipe.origin, SystemTime::now());
        let mut left = bytes;
        let flow = loop {
            let room = self.chunk.get_mut(..left.min(TURN_BYTES)).unwrap_or_default();
            if room.is_empty() {
                break Flow::More;
            }
            match pipe.read.read(room) {
                Ok(0) => break Flow::Ended,
                Ok(length) => {
                    left -= length;
                    let piece = room.get(..length).unwrap_or_default();
                    pipe.lines.push(piece, |line| outlets.take(origin, at, line));
                }
                Err(failed) if failed.kind() == io::ErrorKind::Interrupted => {}
                Err(failed) if failed.kind() == io::ErrorKind::WouldBlock => break Flow::Dry,
                Err(failed) => {
                    error!("{}: its output cannot be read: {failed}", pipe.origin.name);
                    break Flow::Ended;
                }
            }
        };
        if flow == Flow::Ended {
            pipe.lines.finish(|line| outlets.take(origin, at, line));
            self.pipes.remove(key);
        }
        flow
    }

    /// A pipe whose worker has ended, and which somebody else holds.
    fn leave(&mut self, key: &Key) {
        let Some(pipe) = self.pipes.get_mut(key) else { return };
        let (outlets, origin, at) = (&mut self.outlets, &pipe.origin, SystemTime::now());
        pipe.lines.finish(|line| outlets.take(origin, at, line));
        pipe.left = true;
        let name = pipe.origin.name.clone();
        let left = self.pipes.iter().filter(|(_, pipe)| pipe.left && pipe.origin.name == name);
        let left: Vec<Key> = left.map(|(key, _)| *key).collect();
        if left.len() > LEFT_PIPES
            && let Some(oldest) = left.first()
        {
            warn!(
                "{name}: more than {LEFT_PIPES} outputs are held by what its ended workers had started: the oldest is closed"
            );
            self.read_up_to(oldest, TURN_BYTES);
            self.pipes.remove(oldest);
        }
    }
}

impl Outlets {
    fn slot(&mut self, name: &str) -> Rc<str> {
        match self.tails.get_key_value(name) {
            Some((name, _)) => name.clone(),
            None => {
                let name: Rc<str> = name.into();
                self.tails.insert(name.clone(), Tail::default());
                name
            }
        }
    }

    fn take(&mut self, origin: &Origin, at: SystemTime, line: &[u8]) {
        self.sequence += 1;
        if let Some(tail) = self.tails.get_mut(&origin.name) {
            tail.push(self.sequence, origin.key, at, line);
        }
        match &origin.target {
            LogTarget::Forward => self.forward(origin, at, line),
            LogTarget::File(path) => {
                let name = if origin.prefix == LogPrefix::Always { &*origin.name } else { "" };
                let separator = if name.is_empty() { "" } else { " | " };
                let parts = [name.as_bytes(), separator.as_bytes(), line, b"\n"];
                say(self.files.get_mut(path).and_then(|file| file.push(Instant::now(), &parts)));
            }
        }
        self.tell_followers(origin, at, line);
    }

    fn forward(&mut self, origin: &Origin, at: SystemTime, line: &[u8]) {
        let is_object = origin.prefix != LogPrefix::Always && is_json_object(line);
        let goes_on = self.last == Some(origin.key) && is_continuation(line);
        self.last = (!is_object).then_some(origin.key);
        let wrapped;
        let shown: &[&[u8]] = match (self.format, origin.prefix) {
            _ if is_object => &[line, b"\n"],
            (LogFormat::Json, _) => {
                wrapped = wrap(origin, at, line);
                &[wrapped.as_bytes(), b"\n"]
            }
            (LogFormat::Text, LogPrefix::Never) => &[line, b"\n"],
            (LogFormat::Text, LogPrefix::Auto) if goes_on => &[line, b"\n"],
            (LogFormat::Text, _) if self.is_coloured => {
                let colour = COLOURS.get(origin.key.0.pool() % COLOURS.len()).copied().unwrap_or_default();
                &[colour.as_bytes(), origin.name.as_bytes(), b" |\x1b[0m ", line, b"\n"]
            }
            (LogFormat::Text, _) => &[origin.name.as_bytes(), b" | ", line, b"\n"],
        };
        self.stdout.with(|sink| sink.push(shown));
    }

    fn tell_followers(&mut self, origin: &Origin, at: SystemTime, line: &[u8]) {
        let followers =
            self.followers.iter().filter(|follower| means(follower.name.as_deref(), &origin.name));
        for follower in followers {
            let data = link::json(&LogLine::new(&origin.name, origin.key.1, at, line));
            let mut event = Vec::with_capacity(data.len() + 64);
            dialect::write_event(&mut event, &follower.address, &data);
            self.events.push((follower.client, event));
        }
    }
}

/// A worker's line as JSON, for people's and programs' log stores.
fn wrap(origin: &Origin, at: SystemTime, line: &[u8]) -> String {
    json!({
        "time": timestamp(at),
        "worker": &*origin.name,
        "stream": origin.key.1,
        "line": String::from_utf8_lossy(line),
    })
    .to_string()
}

/// What a user's pipes may hold together before the kernel makes new ones small; none: no limit.
fn pipe_budget() -> Option<u64> {
    let pages: u64 =
        std::fs::read_to_string("/proc/sys/fs/pipe-user-pages-soft").ok()?.trim().parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    (pages > 0).then(|| pages.saturating_mul(page.unsigned_abs()))
}

/// RFC 3339 in UTC, to the millisecond.
#[must_use]
pub fn timestamp(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

/// Whether `name` (a pool, `pool#slot`, none: all) means the slot.
#[must_use]
pub fn means(name: Option<&str>, slot: &str) -> bool {
    name.is_none_or(|name| name == slot || slot.rsplit_once('#').is_some_and(|(pool, _)| pool == name))
}

fn say(news: News) {
    if let Some((level, line)) = news {
        log!(level, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use nix::sys::memfd::{MFdFlags, memfd_create};
    use rustdaemon_core::link::Dialect;

    use super::*;
    use crate::sink::Sink;

    /// Captured output whose stdout is a file in memory.
    struct Scene {
        logs: Logs,
        stdout: File,
    }

    impl Scene {
        fn new(format: LogFormat) -> Self {
            let stdout = File::from(memfd_create(c"stdout", MFdFlags::MFD_CLOEXEC).unwrap());
            let sink = SharedSink::new(Sink::new(stdout.as_fd(), |lost| format!("{lost}\n")).unwrap());
            Self { logs: Logs::new(sink.clone(), sink, format), stdout }
        }

        fn open(&mut self, worker: u64, name: &str, prefix: LogPrefix) -> [File; 2] {
            let pool = PoolConfig { log_prefix: prefix, ..PoolConfig::new("opcua", Vec::new()) };
            self.logs.open(WorkerId(worker), name, &pool).unwrap().map(File::from)
        }

        /// What stdout holds after a worker has written this to its stdout.
        fn write(&mut self, worker: u64, output: &mut File, text: &str) -> String {
            output.write_all(text.as_bytes()).unwrap();
            assert_eq!(self.logs.read(WorkerId(worker), Stream::Stdout), Flow::Dry);
            self.shown()
        }

        fn shown(&mut self) -> String {
            self.logs.flush(Instant::now());
            let mut text = String::new();
            self.stdout.rewind().unwrap();
            self.stdout.read_to_string(&mut text).unwrap();
            self.stdout.set_len(0).unwrap();
            self.stdout.rewind().unwrap();
            text
        }
    }

    const TRACE: &str = "Fatal error\nStack trace:\n#0 {main}\n  thrown\n{\"a\":1}\n  after\n";

    #[test]
    fn a_prefix_follows_its_setting() {
        for (prefix, shown) in [
            (
                LogPrefix::Auto,
                "x#0 | Fatal error\nStack trace:\n#0 {main}\n  thrown\n{\"a\":1}\nx#0 |   after\n",
            ),
            (LogPrefix::Never, TRACE),
            (
                LogPrefix::Always,
                "x#0 | Fatal error\nx#0 | Stack trace:\nx#0 | #0 {main}\nx#0 |   thrown\nx#0 | {\"a\":1}\nx#0 |   after\n",
            ),
        ] {
            let mut scene = Scene::new(LogFormat::Text);
            let [mut output, _] = scene.open(1, "x#0", prefix);
            assert_eq!(scene.write(1, &mut output, TRACE), shown);
        }
    }

    #[test]
    fn a_trace_that_another_worker_interrupts_is_named_again() {
        let mut scene = Scene::new(LogFormat::Text);
        let [mut one, _one] = scene.open(1, "x#0", LogPrefix::Auto);
        let [mut two, _two] = scene.open(2, "x#1", LogPrefix::Auto);
        assert_eq!(scene.write(1, &mut one, "Fatal\n#0 a\n"), "x#0 | Fatal\n#0 a\n");
        assert_eq!(scene.write(2, &mut two, "hello\n"), "x#1 | hello\n");
        assert_eq!(scene.write(1, &mut one, "#1 b\n#2 c\n"), "x#0 | #1 b\n#2 c\n");
    }

    #[test]
    fn in_json_only_what_is_no_object_is_wrapped() {
        let mut scene = Scene::new(LogFormat::Json);
        let [mut output, _] = scene.open(1, "x#0", LogPrefix::Auto);
        assert_eq!(scene.write(1, &mut output, "{\"a\":1}\n"), "{\"a\":1}\n");
        let line = scene.write(1, &mut output, "a \"quoted\" line\n");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["worker"], &line["line"]), (&json!("x#0"), &json!("a \"quoted\" line")));
        assert_eq!(timestamp(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn the_last_line_needs_no_newline_and_the_tail_outlives_the_worker() {
        let mut scene = Scene::new(LogFormat::Text);
        let [mut output, errors] = scene.open(1, "x#0", LogPrefix::Auto);
        assert_eq!(scene.write(1, &mut output, "one\nlast wo"), "x#0 | one\n");
        output.write_all(b"rds").unwrap();
        drop(errors);
        scene.logs.ended(WorkerId(1));
        assert_eq!(scene.shown(), "x#0 | last words\n");
        assert_eq!(scene.logs.fds(WorkerId(1)).count(), 1, "somebody holds its stdout");
        drop(output);
        assert_eq!(scene.logs.read(WorkerId(1), Stream::Stdout), Flow::Ended);
        let [mut next, _] = scene.open(2, "x#0", LogPrefix::Auto);
        scene.write(2, &mut next, "born again\n");
        assert_eq!(scene.logs.last_words(WorkerId(1), "x#0", 1), ["last words"]);
        assert_eq!(scene.logs.last_words(WorkerId(2), "x#0", 2), ["born again"]);
        assert_eq!(scene.logs.last_words(WorkerId(2), "x#1", 2), [""; 0]);
    }

    #[test]
    fn a_name_means_a_pool_or_one_slot_of_it() {
        for (name, slot, meant) in [
            (None, "x#0", true),
            (Some("x"), "x#0", true),
            (Some("x#0"), "x#0", true),
            (Some("x#1"), "x#10", false),
            (Some("y"), "x#0", false),
        ] {
            assert_eq!(means(name, slot), meant, "{name:?} {slot}");
        }
        let mut scene = Scene::new(LogFormat::Text);
        let [mut one, _one] = scene.open(1, "x#0", LogPrefix::Auto);
        let [mut two, _two] = scene.open(2, "y#0", LogPrefix::Auto);
        let address = Address::new(Dialect::Typed, "7");
        scene.logs.follow(ClientId(3), address, Some("y".into()));
        scene.write(1, &mut one, "a\nb\n");
        scene.write(2, &mut two, "c\n");
        scene.write(1, &mut one, "d\n");
        let lines = |lines: Vec<LogLine>| lines.into_iter().map(|line| line.line).collect::<Vec<_>>();
        assert_eq!(lines(scene.logs.recent(None, 3)), ["b", "c", "d"], "in the order in which they came");
        assert_eq!(lines(scene.logs.recent(Some("x"), 9)), ["a", "b", "d"]);
        let events = scene.logs.take_events();
        assert_eq!(events.len(), 1);
        let event = String::from_utf8_lossy(&events[0].1);
        assert!(
            event.starts_with(r#"{"id":7,"t":"evt","data":{"worker":"y#0","stream":"stdout","#),
            "{event}"
        );
        scene.logs.unfollow(ClientId(3));
        scene.write(2, &mut two, "e\n");
        assert!(scene.logs.take_events().is_empty());
    }
}
