//! The least that somebody has to do who starts workers: fork, exec, greet. `cargo xtask bench mass-restart` measures the
//! sidecar against it.
//!
//! Arguments: the worker's command. It reads orders from stdin, and answers each with one line:
//!
//! | order | does | answer |
//! |---|---|---|
//! | `start N` | starts N workers, waits until all are ready | seconds that took, and seconds on a CPU |
//! | `kill` | kills and reaps all of them | the same |
//! | `again` | both, with as many | the same |
//!
//! A worker gets what the sidecar gives it: two pipes as its link, a slot page, something in place of the life lock, pipes
//! as stdout and stderr, a process group, and the signal that comes with our end.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use rustdaemon_core::link::{self, Decoder, Ends, Go, Kind, LINK_VARIABLE};
use rustdaemon_core::slot::SlotPage;
use rustdaemon_core::sys;

struct Worker {
    child: Child,
    input: File,
    output: File,
    decoder: Decoder,
    ready: bool,
    _page: SlotPage,
}

fn main() -> io::Result<()> {
    let command: Vec<String> = std::env::args().skip(1).collect();
    let mut workers = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let before = (Instant::now(), cpu()?);
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["start", number] => start(&command, number.parse().map_err(io::Error::other)?, &mut workers)?,
            ["kill"] => kill(&mut workers)?,
            ["again"] => {
                let number = workers.len();
                kill(&mut workers)?;
                start(&command, number, &mut workers)?;
            }
            _ => return Err(io::Error::other("start N, kill or again")),
        }
        println!("{} {}", before.0.elapsed().as_secs_f64(), cpu()? - before.1);
        io::stdout().flush()?;
    }
    kill(&mut workers)
}

/// Our own seconds on a CPU.
fn cpu() -> io::Result<f64> {
    let line = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds = line.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    Ok(nanoseconds.ok_or(io::ErrorKind::InvalidData)? / 1e9)
}

fn start(command: &[String], number: usize, workers: &mut Vec<Worker>) -> io::Result<()> {
    for _ in 0..number {
        workers.push(Worker::start(command)?);
    }
    while workers.iter().any(|worker| !worker.ready) {
        let mut waiting: Vec<&mut Worker> = workers.iter_mut().filter(|worker| !worker.ready).collect();
        let mut fds: Vec<PollFd> =
            waiting.iter().map(|worker| PollFd::new(worker.input.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut fds, PollTimeout::NONE)?;
        let readable: Vec<bool> = fds.iter().map(|fd| fd.any() == Some(true)).collect();
        for (worker, _) in waiting.iter_mut().zip(readable).filter(|(_, readable)| *readable) {
            worker.greet()?;
        }
    }
    Ok(())
}

fn kill(workers: &mut Vec<Worker>) -> io::Result<()> {
    for worker in &mut *workers {
        worker.child.kill()?;
    }
    workers.drain(..).try_for_each(|mut worker| worker.child.wait().map(drop))
}

impl Worker {
    fn start(command: &[String]) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let (to, from) = (sys::pipe()?, sys::pipe()?);
        let (slot, page) = SlotPage::create()?;
        let life = Some(File::open("/dev/null")?.into());
        let ends = Ends { input: to.read, output: from.write, slot, life };
        let mut child = Command::new(program);
        child.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let numbers = ends.all().map(|fd| fd.as_raw_fd());
        child.process_group(0).env(LINK_VARIABLE, ends.variable(numbers)?);
        // SAFETY: system calls only.
        unsafe {
            child.pre_exec(move || {
                set_pdeathsig(Signal::SIGKILL)?;
                ends.all().try_for_each(|fd| sys::set_close_on_exec(fd, false))
            });
        }
        Ok(Self {
            child: child.spawn()?,
            input: from.read.into(),
            output: to.write.into(),
            decoder: Decoder::default(),
            ready: false,
            _page: page,
        })
    }

    /// Reads what there is: it may enter when it has said hello.
    fn greet(&mut self) -> io::Result<()> {
        let mut chunk = [0; 8 * 1024];
        match self.input.read(&mut chunk)? {
            0 => return Err(io::Error::other("a worker has ended")),
            length => self.decoder.push(&chunk[..length]),
        }
        while let Some(frame) = self.decoder.next_frame().map_err(io::Error::other)? {
            match frame.kind {
                Kind::Hello => {
                    let go = Go {
                        version: link::HIGHEST_VERSION,
                        name: "main".into(),
                        generation: 1,
                        ..Go::default()
                    };
                    let mut bytes = Vec::new();
                    link::encode(&mut bytes, Kind::Go, 0, 0, &[&link::json(&go)])
                        .map_err(io::Error::other)?;
                    self.output.write_all(&bytes)?;
                }
                Kind::Ready => self.ready = true,
                _ => {}
            }
        }
        Ok(())
    }
}
