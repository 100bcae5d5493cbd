//! One connection's socket, of either family.
//!
//! # Rules
//! Does not know what is sent. Sources: unix(7) SO_PEERCRED, tcp(7).

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use rustdaemon_core::sys;

use crate::access::Peer;

/// A connection's socket.
#[derive(Debug)]
pub enum Stream {
    /// Of this machine.
    Unix(UnixStream),
    /// Of this machine too: loopback.
    Tcp(TcpStream),
}

impl Stream {
    /// Who is at the other end; with supplementary groups, if they make a difference.
    #[must_use]
    pub fn peer(&self, with_groups: bool) -> Peer {
        match self {
            Self::Unix(stream) => getsockopt(stream, PeerCredentials).map_or(Peer::Unknown, |peer| {
                let groups = with_groups.then(|| sys::peer_groups(stream.as_fd()).unwrap_or_default());
                Peer::Process {
                    pid: peer.pid(),
                    uid: peer.uid(),
                    gid: peer.gid(),
                    groups: groups.unwrap_or_default(),
                }
            }),
            Self::Tcp(stream) => stream.peer_addr().map_or(Peer::Unknown, Peer::Address),
        }
    }

    /// As shutdown(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.shutdown(how),
            Self::Tcp(stream) => stream.shutdown(how),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(room),
            Self::Tcp(stream) => stream.read(room),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // nothing is kept back
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
