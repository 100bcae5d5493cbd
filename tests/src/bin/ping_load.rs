//! Many clients in one thread, for `cargo xtask bench ping | request | relay | growth`: every connection sends its requests, and
//! the next ones when all answers to these have come.
//!
//! # How it works
//! It connects, says `connected`, waits for a line on its standard input, runs, and says in one line of JSON what it saw:
//! [`Seen`]. A batch of `--depth` requests is one write; the time from there until its last answer is one latency.
//! Level-triggered epoll and one read and one write for a batch: what an echo server does too. Every answer is looked at:
//! one that is not the wanted kind counts as refused.
//!
//! # What would make it lie
//! It may be slower than the server: its own share of a core is in what it says. A closed loop sends nothing while it waits,
//! so a stall is one long latency and no queue of them.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    socket: PathBuf,
    #[arg(long)]
    connections: usize,
    /// Requests in one write
    #[arg(long)]
    depth: usize,
    /// How long is measured, after a tenth of it for warming up
    #[arg(long, conflicts_with = "count")]
    milliseconds: Option<u64>,
    /// Send so many batches instead, on all connections together
    #[arg(long)]
    count: Option<u64>,
    #[arg(long)]
    dialect: Dialect,
    #[arg(long, default_value = "ping")]
    method: String,
    #[arg(long, default_value = "[]")]
    args: String,
    /// Whose time on a CPU is told, besides our own
    #[arg(long)]
    server: i32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Dialect {
    Typed,
    /// Redis' PING, as its clients send it
    Redis,
    /// TYPED, and the answer is the request
    Echo,
}

/// What it saw.
#[derive(Serialize)]
struct Seen {
    answers: u64,
    refused: u64,
    seconds: f64,
    /// Seconds of ours on a CPU.
    own_cpu: f64,
    /// The same of the server, without its children.
    server_cpu: f64,
    /// Microseconds.
    p50: f64,
    p99: f64,
}

impl Dialect {
    fn batch(self, arguments: &Arguments) -> Vec<u8> {
        let Arguments { method, args, depth, .. } = arguments;
        let request = |id: usize| match self {
            Dialect::Redis => "*1\r\n$4\r\nPING\r\n".to_owned(),
            Dialect::Typed | Dialect::Echo => {
                format!("{{\"id\":{id},\"t\":\"req\",\"method\":\"{method}\",\"args\":{args}}}\n")
            }
        };
        (1..=*depth).map(request).collect::<String>().into_bytes()
    }

    /// Whether this line, without its newline, is an answer of the wanted kind.
    fn accepts(self, line: &[u8]) -> bool {
        match self {
            Dialect::Redis => line == b"+PONG\r",
            Dialect::Echo => line.starts_with(br#"{"id":"#) && line.ends_with(b"}"),
            Dialect::Typed => {
                let rest = line.strip_prefix(br#"{"id":"#).unwrap_or_default();
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                rest[digits..].starts_with(br#","t":"res","ok":true,"#) && line.ends_with(b"}")
            }
        }
    }
}

struct Connection {
    stream: UnixStream,
    /// The beginning of an answer whose end has not come.
    partial: Vec<u8>,
    /// Answers that are still to come.
    wanted: usize,
    sent: Instant,
}

struct Load {
    dialect: Dialect,
    depth: usize,
    batch: Vec<u8>,
    connections: Vec<Connection>,
    epoll: Epoll,
    refused: u64,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let mut load = Load::connect(&arguments)?;
    println!("connected");
    io::stdin().read_line(&mut String::new())?;
    let seen = match (arguments.milliseconds, arguments.count) {
        (Some(milliseconds), _) => {
            let window = Duration::from_millis(milliseconds);
            load.start(usize::MAX)?;
            load.run(Limit::Until(Instant::now() + window / 10))?;
            let seen = load.measure(arguments.server, Limit::Until(Instant::now() + window))?;
            load.run(Limit::Batches(0))?;
            seen
        }
        (None, count) => {
            let count = count.ok_or_else(|| io::Error::other("--milliseconds or --count"))?;
            load.start(usize::try_from(count).map_err(io::Error::other)?)?;
            load.measure(arguments.server, Limit::Batches(count))?
        }
    };
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}

/// How long a run goes on.
#[derive(Clone, Copy)]
enum Limit {
    Until(Instant),
    /// With those that are under way at its beginning; until all are answered.
    Batches(u64),
}

impl Load {
    fn connect(arguments: &Arguments) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut connections = Vec::new();
        for number in 0..arguments.connections {
            let stream = UnixStream::connect(&arguments.socket)?;
            stream.set_nonblocking(true)?;
            epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
            connections.push(Connection { stream, partial: Vec::new(), wanted: 0, sent: Instant::now() });
        }
        let (dialect, depth) = (arguments.dialect, arguments.depth);
        let batch = dialect.batch(arguments);
        Ok(Self { dialect, depth, batch, connections, epoll, refused: 0 })
    }

    /// The first batch on each connection, at most so many in all.
    fn start(&mut self, most: usize) -> io::Result<()> {
        for connection in self.connections.iter_mut().take(most) {
            connection.send(&self.batch, self.depth)?;
        }
        Ok(())
    }

    fn measure(&mut self, server: i32, limit: Limit) -> io::Result<Seen> {
        let (begin, own, theirs) = (Instant::now(), cpu("self")?, cpu(&server.to_string())?);
        let mut latencies = self.run(limit)?;
        let seconds = begin.elapsed().as_secs_f64();
        let (own_cpu, server_cpu) = (cpu("self")? - own, cpu(&server.to_string())? - theirs);
        latencies.sort_unstable();
        let percentile = |part: usize| {
            let nanoseconds = latencies.get(latencies.len() * part / 100).copied().unwrap_or(0);
            f64::from(nanoseconds) / 1e3
        };
        Ok(Seen {
            answers: (latencies.len() * self.depth) as u64,
            refused: self.refused,
            seconds,
            own_cpu,
            server_cpu,
            p50: percentile(50),
            p99: percentile(99),
        })
    }

    /// The latencies of the batches that were answered, in nanoseconds.
    fn run(&mut self, limit: Limit) -> io::Result<Vec<u32>> {
        let mut latencies = Vec::with_capacity(1 << 20);
        let mut under_way = self.connections.iter().filter(|connection| connection.wanted > 0).count();
        let mut left = match limit {
            Limit::Until(_) => u64::MAX,
            Limit::Batches(count) => count.saturating_sub(under_way as u64),
        };
        let mut events = vec![EpollEvent::empty(); 256];
        let mut chunk = vec![0; 64 * 1024];
        while under_way > 0 {
            let ready = self.epoll.wait(&mut events, EpollTimeout::from(10_000_u16))?;
            if ready == 0 {
                return Err(io::Error::other("no answer for 10 s"));
            }
            for event in &events[..ready] {
                let number = usize::try_from(event.data()).map_err(io::Error::other)?;
                let connection = &mut self.connections[number];
                let length = match connection.stream.read(&mut chunk)? {
                    0 => return Err(io::Error::other("the server has closed a connection")),
                    length => length,
                };
                self.refused += connection.take(&chunk[..length], self.dialect)?;
                if connection.wanted > 0 {
                    continue;
                }
                let now = Instant::now();
                let nanoseconds = now.duration_since(connection.sent).as_nanos();
                latencies.push(u32::try_from(nanoseconds).unwrap_or(u32::MAX));
                if left > 0 {
                    left -= 1;
                    connection.sent = now;
                    connection.send(&self.batch, self.depth)?;
                } else {
                    under_way -= 1;
                }
            }
            if let Limit::Until(end) = limit
                && Instant::now() >= end
            {
                break;
            }
        }
        Ok(latencies)
    }
}

impl Connection {
    /// All earlier answers have been read: the socket has room for it.
    fn send(&mut self, batch: &[u8], depth: usize) -> io::Result<()> {
        self.wanted = depth;
        self.stream.write_all(batch)
    }

    /// Takes in what has come. How many answers in it were of another kind.
    fn take(&mut self, mut bytes: &[u8], dialect: Dialect) -> io::Result<u64> {
        let mut refused = 0;
        while let Some(newline) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(newline);
            bytes = &rest[1..];
            let accepted = if self.partial.is_empty() {
                dialect.accepts(line)
            } else {
                self.partial.extend_from_slice(line);
                let accepted = dialect.accepts(&self.partial);
                self.partial.clear();
                accepted
            };
            refused += u64::from(!accepted);
            self.wanted =
                self.wanted.checked_sub(1).ok_or_else(|| io::Error::other("more answers than requests"))?;
        }
        self.partial.extend_from_slice(bytes);
        Ok(refused)
    }
}

/// Seconds on a CPU, of all threads of a process: proc(5), schedstat.
fn cpu(pid: &str) -> io::Result<f64> {
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let line = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let word = line.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
        nanoseconds += word.ok_or(io::ErrorKind::InvalidData)?;
    }
    Ok(nanoseconds / 1e9)
}
