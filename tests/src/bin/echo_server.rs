//! The least that any server on a Unix socket does: what was read is written back. `cargo xtask bench ping` shows with it what
//! the kernel alone costs: one epoll_wait for all that is ready, one read, one write.
//!
//! Argument: the socket's path. Ends by a signal.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

const LISTENER: u64 = u64::MAX;

fn main() -> io::Result<()> {
    let path = std::env::args_os().nth(1).ok_or_else(|| io::Error::other("which socket?"))?;
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let mut clients: Vec<Option<UnixStream>> = Vec::new();
    let mut events = [EpollEvent::empty(); 64];
    let mut chunk = [0; 16 * 1024];
    loop {
        let ready = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in &events[..ready] {
            if event.data() == LISTENER {
                let (stream, _) = listener.accept()?;
                epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, clients.len() as u64))?;
                clients.push(Some(stream));
                continue;
            }
            let number = usize::try_from(event.data()).map_err(io::Error::other)?;
            let Some(stream) = clients[number].as_mut() else { continue };
            let echoed = match stream.read(&mut chunk) {
                Ok(length) if length > 0 => stream.write_all(&chunk[..length]),
                _ => Err(io::ErrorKind::UnexpectedEof.into()),
            };
            if echoed.is_err() {
                clients[number] = None;
            }
        }
    }
}
