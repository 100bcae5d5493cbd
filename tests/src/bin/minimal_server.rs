//! The least that somebody writes who needs this server and nothing else: mio, serde_json, TYPED. `cargo xtask bench` measures
//! the sidecar against it.
//!
//! It answers `ping` with the bytes that the sidecar answers with. With a command it also starts `--workers` processes of it
//! and hands every other call to them over pipes, a line each way, with up to `--in-flight` calls in the hands of each: a
//! worker that reads ahead is never idle while calls wait.
//!
//! It has no dialects, no limits, no deadlines, no supervision; whoever does not read is dropped, and a worker's end is its
//! own. Ends by a signal; its workers then read the end of their input.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use mio::net::{UnixListener, UnixStream};
use mio::unix::pipe::{Receiver, Sender};
use mio::{Events, Interest, Poll, Token};
use serde::Deserialize;
use serde_json::value::RawValue;

const CHUNK_BYTES: usize = 16 * 1024;

#[derive(Parser)]
struct Arguments {
    socket: PathBuf,
    #[arg(long, default_value_t = 1)]
    workers: usize,
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    /// A worker's
    command: Vec<String>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    t: &'a str,
    method: &'a str,
    #[serde(borrow)]
    args: &'a RawValue,
}

struct Client {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
}

struct Worker {
    to: Sender,
    from: Receiver,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Whose calls it has, in order: the client and the call's id.
    calls: VecDeque<(usize, String)>,
}

struct Server {
    poll: Poll,
    listener: UnixListener,
    clients: Vec<Option<Client>>,
    workers: Vec<Worker>,
    in_flight: usize,
    /// Calls that no worker has yet.
    waiting: VecDeque<(usize, String, Vec<u8>)>,
    /// Clients with something to write.
    answered: Vec<usize>,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut server = Server::start(&arguments)?;
    let mut events = Events::with_capacity(256);
    loop {
        match server.poll.poll(&mut events, None) {
            Err(failed) if failed.kind() != ErrorKind::Interrupted => return Err(failed),
            _ => {}
        }
        for event in &events {
            match event.token().0 {
                0 => server.accept()?,
                number if number <= server.workers.len() => server.read_worker(number - 1)?,
                number => server.read_client(number - 1 - server.workers.len()),
            }
        }
        server.dispatch()?;
        server.flush();
    }
}

impl Server {
    fn start(arguments: &Arguments) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut workers = Vec::new();
        if let Some((program, words)) = arguments.command.split_first() {
            for number in 0..arguments.workers {
                let mut command = Command::new(program);
                let mut child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
                let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
                let ends = stdin.zip(stdout).ok_or_else(|| io::Error::other("no pipes"))?;
                let (to, mut from) = (Sender::from(ends.0), Receiver::from(ends.1));
                from.set_nonblocking(true)?;
                poll.registry().register(&mut from, Token(number + 1), Interest::READABLE)?;
                let (input, output, calls) = (Vec::new(), Vec::new(), VecDeque::new());
                workers.push(Worker { to, from, input, output, calls });
            }
        }
        let mut listener = UnixListener::bind(&arguments.socket)?;
        poll.registry().register(&mut listener, Token(0), Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            clients: Vec::new(),
            workers,
            in_flight: arguments.in_flight,
            waiting: VecDeque::new(),
            answered: Vec::new(),
        })
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(nobody) if nobody.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(failed) => return Err(failed),
            };
            let token = Token(1 + self.workers.len() + self.clients.len());
            self.poll.registry().register(&mut stream, token, Interest::READABLE)?;
            self.clients.push(Some(Client { stream, input: Vec::new(), output: Vec::new() }));
        }
    }

    fn read_client(&mut self, number: usize) {
        let Some(client) = self.clients[number].as_mut() else { return };
        let more = read(&mut client.stream, &mut client.input);
        let Client { input, output, .. } = client;
        let waiting = &mut self.waiting;
        let taken = lines(input, |line| {
            let Ok(Envelope { id, t: "req", method, args }) = serde_json::from_slice(line) else {
                return false;
            };
            if method == "ping" {
                let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                let time = time.as_micros() as f64 / 1e6;
                let data = format!("{{\"status\":\"ok\",\"sessions\":0,\"time\":{time}}}");
                answer(output, id.get(), data.as_bytes());
            } else {
                let line = format!("{{\"method\":\"{method}\",\"args\":{}}}\n", args.get());
                waiting.push_back((number, id.get().to_owned(), line.into_bytes()));
            }
            true
        });
        if taken && more {
            self.answered.push(number);
        } else {
            self.clients[number] = None;
        }
    }

    fn read_worker(&mut self, number: usize) -> io::Result<()> {
        let Worker { from, input, calls, .. } = &mut self.workers[number];
        let more = read(from, input);
        let (clients, answered) = (&mut self.clients, &mut self.answered);
        let taken = lines(input, |data| {
            let Some((client, id)) = calls.pop_front() else { return false };
            if let Some(client) = clients[client].as_mut() {
                answer(&mut client.output, &id, data);
            }
            answered.push(client);
            true
        });
        if taken && more { Ok(()) } else { Err(io::Error::other("a worker has ended, or answers unasked")) }
    }

    /// Hands waiting calls to whoever has the fewest; one write for each worker.
    fn dispatch(&mut self) -> io::Result<()> {
        while let Some(worker) = self.workers.iter_mut().min_by_key(|worker| worker.calls.len())
            && worker.calls.len() < self.in_flight
            && let Some((client, id, line)) = self.waiting.pop_front()
        {
            worker.calls.push_back((client, id));
            worker.output.extend_from_slice(&line);
        }
        for worker in self.workers.iter_mut().filter(|worker| !worker.output.is_empty()) {
            worker.to.write_all(&worker.output)?;
            worker.output.clear();
        }
        Ok(())
    }

    /// One write for each client that has answers.
    fn flush(&mut self) {
        for number in self.answered.drain(..) {
            let Some(client) = self.clients[number].as_mut() else { continue };
            if !client.output.is_empty() && client.stream.write_all(&client.output).is_err() {
                self.clients[number] = None;
                continue;
            }
            client.output.clear();
        }
    }
}

/// Reads all that is there, which a short read shows: epoll(7). `false`: it has ended.
fn read(from: &mut impl Read, input: &mut Vec<u8>) -> bool {
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return false,
            Ok(length) => {
                input.extend_from_slice(&chunk[..length]);
                if length < CHUNK_BYTES {
                    return true;
                }
            }
            Err(failed) => return failed.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// Takes whole lines off, until one is not wanted: then `false`.
fn lines(input: &mut Vec<u8>, mut wanted: impl FnMut(&[u8]) -> bool) -> bool {
    let mut start = 0;
    let mut good = true;
    while good && let Some(length) = input[start..].iter().position(|byte| *byte == b'\n') {
        good = wanted(&input[start..start + length]);
        start += length + 1;
    }
    input.drain(..start);
    good
}

fn answer(output: &mut Vec<u8>, id: &str, data: &[u8]) {
    output.extend_from_slice(br#"{"id":"#);
    output.extend_from_slice(id.as_bytes());
    output.extend_from_slice(br#","t":"res","ok":true,"data":"#);
    output.extend_from_slice(data);
    output.extend_from_slice(b"}\n");
}
