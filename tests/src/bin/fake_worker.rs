//! A worker without PHP: speaks the link by `rustdaemon_core` alone, and misbehaves as told.
//!
//! | method | does |
//! |---|---|
//! | `echo` | answers with its arguments, byte for byte |
//! | `info` | answers with what it was born with: see [`Birth`] |
//! | `pid` | answers with its process id |
//! | `hold [FIFO]` | opens the FIFO and reads it to its end, then answers `"held"` |
//! | `big [N]` | answers with a string of N bytes |
//! | `fault` | answers with the fault `Boom`: `it went wrong` |
//! | `exit [N]` | ends with code N, without an answer |
//! | `die` | kills itself, without an answer |
//! | `last_words` | answers, and kills itself at once |
//! | `garbage` | writes what is no frame |
//! | `newline` | answers with two lines |
//! | `twice` | answers twice |
//! | `start [SHELL]` | starts a shell with this script, answers with its pid, and forgets it |
//! | `ready` | announces its methods again, then answers |
//! | `hello` | says hello again, then answers |
//! | `grow [BYTES]` | takes that much memory, touches it and keeps it, then answers |
//! | `note [FILE, TEXT]` | appends the text as a line to the file, then answers with the text |
//! | `subtract [A, B]`, `sum [...]`, `get_data` | answer as in the examples of JSON-RPC's specification |
//! | `bind [VALUE, SECONDS]` | binds the value to itself, then answers with its process id, or with the sidecar's fault |
//! | `unbind [VALUE]` | gives the value up, then answers |
//! | `expired` | answers with the values that have expired, in order |
//! | `later [X]` | defers the request; `answer_later` answers it with X |
//! | `answer_later` | answers all that is deferred, in order, and twice the first, then answers with how many there were |
//! | `defer_again` | answers, and then defers what it has answered, and what was never asked |
//! | `caller` | answers with who calls, as the frame has it |
//! | `say [TEXT, N]` | writes the text to stdout N times (default 1), then answers |
//!
//! A message does what the method of its name does, with its payload for the arguments.
//! A FLAT request's arguments are an object: its first member counts as the first argument.
//! It ends at the end of its link, after the request in hand at TERM or INT, and at Drain once it has read everything. It
//! acknowledges every Pause and Resume.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Command, ExitCode};
use std::sync::atomic::AtomicBool;

use clap::Parser;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, raise};
use rustdaemon_core::link::{
    self, Decoder, Ends, Fault, Go, Hello, Kind, LINK_VARIABLE, Method, RUN_VARIABLE, Ready, SOCKET_VARIABLE,
};
use rustdaemon_core::signal::{self, Capture, Meaning};
use rustdaemon_core::slot::{Claim, Phase, SlotPage};
use rustdaemon_core::sys;
use serde::Serialize;
use serde_json::Value;

const METHODS: [&str; 28] = [
    "defer_again",
    "later",
    "answer_later",
    "bind",
    "unbind",
    "expired",
    "caller",
    "echo",
    "info",
    "pid",
    "hold",
    "big",
    "fault",
    "exit",
    "die",
    "last_words",
    "garbage",
    "newline",
    "twice",
    "ready",
    "hello",
    "start",
    "say",
    "grow",
    "note",
    "subtract",
    "sum",
    "get_data",
];

#[derive(Parser)]
struct Arguments {
    /// Append the process id to this file, first of all
    #[arg(long)]
    starts: Option<String>,
    /// End with this code before anything else
    #[arg(long)]
    exit_at_once: Option<u8>,
    /// Never say hello
    #[arg(long)]
    no_hello: bool,
    /// End after the hello, without waiting for an answer
    #[arg(long)]
    exit_after_hello: bool,
    /// Pass the gate, but never say ready
    #[arg(long)]
    no_ready: bool,
    /// Read this FIFO to its end before saying ready
    #[arg(long)]
    hold_before_ready: Option<String>,
    /// Say that it runs a loop of its own
    #[arg(long)]
    own_loop: bool,
    /// How many requests it may have deferred
    #[arg(long, default_value_t = 1)]
    concurrency: u32,
    /// Running these methods twice does no harm
    #[arg(long, value_delimiter = ',')]
    idempotent: Vec<String>,
    /// Offer only these methods
    #[arg(long, value_delimiter = ',')]
    offer: Option<Vec<String>>,
    /// Link versions in the hello
    #[arg(long, value_name = "LO-HI", value_parser = versions)]
    version: Option<(u16, u16)>,
    /// Go on after Drain
    #[arg(long)]
    ignore_drain: bool,
    /// Ignore TERM and INT
    #[arg(long)]
    ignore_term: bool,
    /// Live on when the sidecar has died, until this FIFO is read to its end
    #[arg(long)]
    outlive: Option<String>,
    /// From the gate to the end of the process, lock this file; append a line to it where another one has the lock
    #[arg(long)]
    alone: Option<String>,
    /// install()'s name:
    #[arg(long)]
    name: Option<String>,
    /// install()'s socket:
    #[arg(long)]
    socket: Option<String>,
    /// install()'s mode:, octal
    #[arg(long, value_parser = |text: &str| u32::from_str_radix(text, 8))]
    mode: Option<u32>,
    /// install()'s workers:
    #[arg(long)]
    workers: Option<u32>,
    /// install() has a token:
    #[arg(long)]
    token: bool,
}

fn versions(text: &str) -> Result<(u16, u16), String> {
    let parsed = text.split_once('-').and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
    parsed.ok_or_else(|| "LO-HI".to_owned())
}

/// What it was born with.
#[derive(Serialize)]
struct Birth {
    /// `RUSTDAEMON_RUN`
    run: Option<String>,
    /// `RUSTDAEMON_SOCKET`
    socket: Option<String>,
    /// Working directory.
    cwd: String,
    /// Process group.
    group: i32,
    /// What stdin is.
    stdin: String,
    /// What each descriptor above 2 is, without the link's.
    strays: Vec<String>,
}

impl Birth {
    fn look(link: &[i32]) -> io::Result<Self> {
        let mut strays = Vec::new();
        for entry in std::fs::read_dir("/proc/self/fd")? {
            let path = entry?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.parse::<i32>().ok());
            let Ok(what) = std::fs::read_link(&path) else { continue };
            let own = what.ends_with("fd") && what.starts_with("/proc"); // the directory being read
            if number.is_some_and(|number| number > 2 && !link.contains(&number)) && !own {
                strays.push(what.display().to_string());
            }
        }
        Ok(Self {
            run: std::env::var(RUN_VARIABLE).ok(),
            socket: std::env::var(SOCKET_VARIABLE).ok(),
            cwd: std::env::current_dir()?.display().to_string(),
            group: nix::unistd::getpgrp().as_raw(),
            stdin: std::fs::read_link("/proc/self/fd/0")?.display().to_string(),
            strays,
        })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match serve(&arguments) {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("fake_worker: {error}");
            70.into()
        }
    }
}

fn serve(arguments: &Arguments) -> io::Result<u8> {
    if let Some(path) = &arguments.starts {
        append(path, &std::process::id().to_string())?;
    }
    if let Some(code) = arguments.exit_at_once {
        return Ok(code);
    }
    let stop = StopSignals::take()?;
    if arguments.ignore_term {
        for number in [Signal::SIGTERM, Signal::SIGINT] {
            // SAFETY: SIG_IGN is a valid disposition.
            unsafe { nix::sys::signal::signal(number, SigHandler::SigIgn) }?;
        }
    }
    if arguments.outlive.is_some() {
        nix::sys::prctl::set_pdeathsig(None)?; // as a change of user does
    }
    let variable = std::env::var(LINK_VARIABLE).map_err(io::Error::other)?;
    // SAFETY: called once; nothing else in this process knows these descriptors.
    let Ends { input, output, slot, life } =
        unsafe { Ends::from_variable(&variable) }.map_err(io::Error::other)?;
    let life = life.ok_or_else(|| io::Error::other("no life lock"))?;
    let link = [&input, &output, &slot, &life].map(AsRawFd::as_raw_fd);
    let birth = Birth::look(&[&link[..], &stop.own[..]].concat())?;
    let mut worker = Worker {
        page: SlotPage::attach(slot.as_fd())?,
        input: input.into(),
        output: output.into(),
        decoder: Decoder::default(),
        chunk: vec![0; 64 * 1024],
        stop,
        birth: String::from_utf8(link::json(&birth)).map_err(io::Error::other)?,
        kept: Vec::new(),
        put_aside: VecDeque::new(),
        expired: Vec::new(),
        later: Vec::new(),
        _life: life,
    };
    worker.live(arguments)
}

struct Worker {
    input: File,
    output: File,
    page: SlotPage,
    decoder: Decoder,
    /// What is read goes through here.
    chunk: Vec<u8>,
    stop: StopSignals,
    birth: String,
    /// What `grow` has taken.
    kept: Vec<Vec<u8>>,
    /// What came while an answer was waited for.
    put_aside: VecDeque<link::Frame>,
    /// Values whose time is over.
    expired: Vec<String>,
    /// Requests that are answered later, and with what.
    later: Vec<(u64, String)>,
    _life: OwnedFd,
}

/// Why a worker stops reading.
enum Next {
    Frame(link::Frame),
    EndOfLink,
    Stop,
}

/// TERM and INT, as the extension takes them.
struct StopSignals {
    _capture: Capture,
    wake: OwnedFd,
    /// The descriptors of all this.
    own: Vec<i32>,
}

impl StopSignals {
    fn take() -> io::Result<Self> {
        static NOBODY_LOOKS: AtomicBool = AtomicBool::new(false);
        let mut capture = Capture::start(&NOBODY_LOOKS)?;
        for number in [libc::SIGTERM, libc::SIGINT] {
            capture.take(number, Meaning::Stop)?;
        }
        let stream = capture.stream_fd()?;
        let wake = sys::duplicate(stream)?;
        let own = [Some(stream), Some(wake.as_fd()), signal::wake_fd()];
        let own = own.into_iter().flatten().map(|fd| fd.as_raw_fd()).collect();
        Ok(Self { _capture: capture, wake, own })
    }
}

impl Worker {
    fn live(&mut self, arguments: &Arguments) -> io::Result<u8> {
        if !arguments.no_hello {
            self.say(Kind::Hello, &hello(arguments).payload())?;
        }
        if arguments.exit_after_hello {
            return Ok(0);
        }
        let mut draining = false;
        let mut alone = None;
        loop {
            if draining {
                return Ok(0); // frames arrive in order: whatever was sent before Drain is answered
            }
            let frame = match self.next()? {
                Next::Frame(frame) => frame,
                Next::EndOfLink => {
                    arguments.outlive.as_deref().map_or(Ok(()), hold)?;
                    return Ok(0);
                }
                Next::Stop => return Ok(0),
            };
            match frame.kind {
                Kind::Go => {
                    link::from_json::<Go>(&frame.payload).map_err(io::Error::other)?;
                    alone = alone.or(arguments.alone.as_deref().map(lock).transpose()?);
                    if let Some(fifo) = &arguments.hold_before_ready {
                        hold(fifo)?;
                    }
                    if !arguments.no_ready {
                        self.ready(arguments)?;
                    }
                }
                Kind::Refused => {
                    eprintln!("fake_worker: refused: {}", String::from_utf8_lossy(&frame.payload));
                    return Ok(1);
                }
                Kind::Request if !self.claims(&frame) => {} // taken back
                Kind::Request => {
                    let method =
                        link::parse_request(frame.flags, &frame.payload).map_or("", |(head, _)| head.method);
                    self.page.begin(frame.sequence, method.as_bytes(), sys::monotonic());
                    self.answer(arguments, &frame)?;
                    self.page.end();
                }
                Kind::Drain => draining = !arguments.ignore_drain,
                Kind::Pause | Kind::Resume => {
                    let paused = frame.kind == Kind::Pause;
                    self.page.pause(paused);
                    self.say(if paused { Kind::Paused } else { Kind::Resumed }, &[])?;
                }
                Kind::Expired => self.expired.push(String::from_utf8_lossy(&frame.payload).into_owned()),
                Kind::Bound => return Err(io::Error::other("nothing was to be bound")),
                Kind::Hello
                | Kind::Ready
                | Kind::Reply
                | Kind::Signalled
                | Kind::Taken
                | Kind::Paused
                | Kind::Resumed
                | Kind::Deferred
                | Kind::Leaving
                | Kind::Bind
                | Kind::Unbind => {
                    return Err(io::Error::other("a worker's frame"));
                }
            }
        }
    }

    /// Whether a request may be begun.
    fn claims(&self, frame: &link::Frame) -> bool {
        let claim = link::claim_of(frame.flags).map(|word| Claim { word, sequence: frame.sequence });
        claim.is_none_or(|claim| self.page.claim(claim))
    }

    fn ready(&mut self, arguments: &Arguments) -> io::Result<()> {
        let names = arguments.offer.clone().unwrap_or_else(|| METHODS.map(str::to_owned).to_vec());
        let method = |name: String| Method {
            description: Some(format!("fake {name}")),
            idempotent: arguments.idempotent.contains(&name),
            name,
        };
        let methods = names.into_iter().map(method).collect();
        let own_loop = arguments.own_loop;
        self.page.idle(if own_loop { Phase::OwnIdle } else { Phase::Idle });
        let concurrency = arguments.concurrency;
        self.say(Kind::Ready, &link::json(&Ready { methods, own_loop, concurrency, ..Ready::default() }))
    }

    fn answer(&mut self, arguments: &Arguments, request: &link::Frame) -> io::Result<()> {
        let (link::Head { method, caller }, raw) =
            link::parse_request(request.flags, &request.payload).map_err(io::Error::other)?;
        if method == "echo" {
            return self.reply(request.sequence, raw); // does not look
        }
        // Null where they are nested more deeply than serde_json reads.
        let args: Value = serde_json::from_slice(raw).unwrap_or_default();
        let name = args.get(0).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (method, args) = match method {
            link::MESSAGE => (name.as_str(), args.get(1).cloned().unwrap_or_default()),
            method => (method, args),
        };
        let first = match &args {
            Value::Object(members) => members.values().next(),
            args => args.get(0),
        };
        let number = || first.and_then(Value::as_u64).unwrap_or(0);
        let sequence = request.sequence;
        match method {
            "info" => self.reply(sequence, self.birth.clone().as_bytes()),
            "pid" => self.reply(sequence, std::process::id().to_string().as_bytes()),
            "hold" => {
                hold(first.and_then(Value::as_str).unwrap_or_default())?;
                self.reply(sequence, br#""held""#)
            }
            "big" => {
                let text = "x".repeat(usize::try_from(number()).unwrap_or(0));
                self.reply(sequence, format!("\"{text}\"").as_bytes())
            }
            "exit" => std::process::exit(i32::try_from(number()).unwrap_or(0)),
            "die" => Ok(raise(Signal::SIGKILL)?),
            "last_words" => {
                self.reply(sequence, br#""spoken""#)?;
                Ok(raise(Signal::SIGKILL)?)
            }
            "garbage" => self.output.write_all(&[0xff; link::HEADER_BYTES]),
            "say" => {
                let text = first.and_then(Value::as_str).unwrap_or_default();
                let times = args.get(1).and_then(Value::as_u64).unwrap_or(1);
                for _ in 0..times {
                    io::stdout().write_all(text.as_bytes())?;
                }
                io::stdout().flush()?;
                self.reply(sequence, b"null")
            }
            "grow" => {
                self.kept.push(vec![1; usize::try_from(number()).unwrap_or(0)]);
                self.reply(sequence, b"null")
            }
            "note" => {
                let text = args.get(1).and_then(Value::as_str).unwrap_or_default();
                append(first.and_then(Value::as_str).unwrap_or_default(), text)?;
                self.reply(sequence, Value::from(text).to_string().as_bytes())
            }
            "bind" => {
                let value = first.and_then(Value::as_str).unwrap_or_default().to_owned();
                let ttl = args.get(1).and_then(Value::as_f64);
                self.frame(Kind::Bind, 0, sequence, &link::json(&link::Bind { value, ttl }))?;
                let mut meanwhile = VecDeque::new();
                let bound = loop {
                    match self.next()? {
                        Next::Frame(frame) if frame.kind == Kind::Bound && frame.sequence == sequence => {
                            break frame;
                        }
                        Next::Frame(frame) => meanwhile.push_back(frame),
                        Next::EndOfLink | Next::Stop => return Err(io::Error::other("no answer to a bind")),
                    }
                };
                self.put_aside.append(&mut meanwhile);
                match bound.flags {
                    link::DATA => self.reply(sequence, std::process::id().to_string().as_bytes()),
                    fault => self.frame(Kind::Reply, fault, sequence, &bound.payload),
                }
            }
            "unbind" => {
                let value = first.and_then(Value::as_str).unwrap_or_default();
                self.say(Kind::Unbind, value.as_bytes())?;
                self.reply(sequence, b"null")
            }
            "later" => {
                let answer = first.map_or_else(|| "null".to_owned(), Value::to_string);
                self.later.push((sequence, answer));
                self.frame(Kind::Deferred, 0, sequence, &[])
            }
            "answer_later" => {
                let later = std::mem::take(&mut self.later);
                for (sequence, answer) in later.iter().chain(later.first()) {
                    self.reply(*sequence, answer.as_bytes())?;
                }
                self.reply(sequence, later.len().to_string().as_bytes())
            }
            "defer_again" => {
                self.reply(sequence, b"null")?;
                [sequence, u64::MAX].into_iter().try_for_each(|it| self.frame(Kind::Deferred, 0, it, &[]))
            }
            "expired" => {
                let expired = Value::from(self.expired.clone());
                self.reply(sequence, expired.to_string().as_bytes())
            }
            "caller" => {
                let caller = caller.ok_or_else(|| io::Error::other("nobody calls"))?;
                let link::Caller { id, pid, uid, deadline } = caller;
                let caller = serde_json::json!({"id": id, "pid": pid, "uid": uid, "deadline": deadline});
                self.reply(sequence, caller.to_string().as_bytes())
            }
            "newline" => self.reply(sequence, b"[1,\n2]"),
            "twice" => {
                self.reply(sequence, b"1")?;
                self.reply(sequence, b"2")
            }
            "subtract" => {
                let number = |name: &str, at: usize| args.get(name).or(args.get(at)).and_then(Value::as_i64);
                let difference = number("minuend", 0).zip(number("subtrahend", 1)).map(|(a, b)| a - b);
                self.reply(sequence, Value::from(difference).to_string().as_bytes())
            }
            "sum" => {
                let sum: i64 = args.as_array().into_iter().flatten().filter_map(Value::as_i64).sum();
                self.reply(sequence, sum.to_string().as_bytes())
            }
            "get_data" => self.reply(sequence, br#"["hello",5]"#),
            "ready" => {
                self.ready(arguments)?;
                self.reply(sequence, b"null")
            }
            "start" => {
                // Nobody waits for it: whatever a script leaves behind.
                let script = first.and_then(Value::as_str).unwrap_or_default();
                let child = Command::new("sh").args(["-c", script]).spawn()?;
                self.reply(sequence, child.id().to_string().as_bytes())
            }
            "hello" => {
                self.say(Kind::Hello, &hello(arguments).payload())?;
                self.reply(sequence, b"null")
            }
            _ => {
                let fault = Fault { class: "Boom".into(), message: "it went wrong".into() };
                self.frame(Kind::Reply, link::FAULT, sequence, &link::json(&fault))
            }
        }
    }

    fn reply(&mut self, sequence: u64, json: &[u8]) -> io::Result<()> {
        self.frame(Kind::Reply, link::DATA, sequence, json)
    }

    fn say(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        self.frame(kind, 0, 0, payload)
    }

    fn frame(&mut self, kind: Kind, flags: u16, sequence: u64, payload: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::new();
        link::encode(&mut bytes, kind, flags, sequence, &[payload]).map_err(io::Error::other)?;
        self.output.write_all(&bytes)
    }

    fn next(&mut self) -> io::Result<Next> {
        loop {
            if signal::stop_signal().is_some() {
                return Ok(Next::Stop);
            }
            if let Some(frame) = self.put_aside.pop_front() {
                return Ok(Next::Frame(frame));
            }
            if let Some(frame) = self.decoder.next_frame().map_err(io::Error::other)? {
                return Ok(Next::Frame(frame));
            }
            let mut fds = [
                PollFd::new(self.input.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.stop.wake.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => continue,
                outcome => outcome?,
            };
            if fds[0].any() == Some(true) {
                match self.input.read(&mut self.chunk)? {
                    0 => return Ok(Next::EndOfLink),
                    length => self.decoder.push(&self.chunk[..length]),
                }
            }
        }
    }
}

fn hello(arguments: &Arguments) -> Hello {
    let (lowest, highest) = arguments.version.unwrap_or((link::LOWEST_VERSION, link::HIGHEST_VERSION));
    Hello {
        lowest,
        highest,
        pid: i32::try_from(std::process::id()).unwrap_or(0),
        extension: env!("CARGO_PKG_VERSION").into(),
        php: "none".into(),
        name: arguments.name.clone(),
        socket: arguments.socket.clone(),
        mode: arguments.mode,
        workers: arguments.workers,
        token: arguments.token,
    }
}

/// Stands at a gate: open(2) of a FIFO waits for its writer, the read for the writer's end.
fn hold(fifo: &str) -> io::Result<()> {
    File::open(fifo)?.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// One line more, in one write.
fn append(path: &str, line: &str) -> io::Result<()> {
    File::options().append(true).create(true).open(path)?.write_all(format!("{line}\n").as_bytes())
}

/// flock(2): gone with the process, before its pidfd tells of its end.
fn lock(path: &str) -> io::Result<File> {
    let file = File::options().append(true).create(true).open(path)?;
    if file.try_lock().is_err() {
        append(path, &format!("pid {} is not alone", std::process::id()))?;
    }
    Ok(file)
}
