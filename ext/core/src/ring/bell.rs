//! The bell of a ring: a descriptor for who polls instead of sleeping.
//!
//! # How it works
//! Of an anonymous ring it is an eventfd, made with it; of a named one a FIFO beside the segment, made by the first who
//! polls. Who polls empties it and says so under the producers' lock, where it looks once more; who sends and finds that
//! said rings, before the message counts: the one who polls takes that lock before it sleeps again, so it finds it.
//!
//! # What is refused
//! A FIFO that is not this user's, and any beside a name that has come to be another segment's: the FIFO is that one's, too,
//! and who empties it would take the rings of strangers. Who polls a ring whose name was removed hears of a message only
//! from those who have opened the FIFO before.
//!
//! Sources: eventfd(2), fifo(7).

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag};

use super::{POLLED, Ring, Trouble};
use crate::segment::{Listed, Segment};

impl Ring {
    /// The bell: a descriptor that is readable when there may be a message, once [`Ring::poll`] has been called. Not to be
    /// read from. An eventfd, or beside a named ring a FIFO, which this makes.
    ///
    /// # Errors
    /// `EMFILE`; or what lies there is no FIFO of this ring's.
    pub fn bell(&self) -> io::Result<&OwnedFd> {
        match (self.bell.get(), self.segment.listed()) {
            (Some(bell), _) => Ok(bell),
            (None, Some(listed)) => {
                if self.segment.has_its_name() {
                    match nix::unistd::mkfifo(&listed.fifo(), Mode::S_IRUSR | Mode::S_IWUSR) {
                        Ok(()) | Err(Errno::EEXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                let fifo = open_fifo(&self.segment, listed)?;
                Ok(self.bell.get_or_init(|| fifo))
            }
            (None, None) => Err(io::ErrorKind::NotFound.into()), // an anonymous ring is made with one
        }
    }

    /// Makes the bell silent as long as there is nothing to receive: the next message rings it, or closing. Of what
    /// is there already it stays readable.
    ///
    /// # Errors
    /// See [`Trouble`]. It is readable then.
    pub fn poll(&self) -> Result<(), Trouble> {
        let Some(bell) = self.bell.get() else { return Ok(()) };
        // Emptied after it is said that somebody polls: whoever dies in here leaves it readable, or to be rung.
        let announced = self.announce(POLLED, || {
            let mut bytes = [0; 4096];
            while nix::unistd::read(bell, &mut bytes).is_ok_and(|read| read == bytes.len()) {}
        });
        if !matches!(announced, Ok(Some(_))) {
            self.ring_bell();
        }
        announced.map(drop)
    }

    #[cold]
    pub(super) fn ring_bell(&self) -> bool {
        if self.bell.get().is_none() {
            // Not made here: who polls has made it.
            let fifo = self.segment.listed().map(|listed| open_fifo(&self.segment, listed));
            let Some(Ok(fifo)) = fifo else { return false };
            let _ = self.bell.set(fifo);
        }
        if let Some(bell) = self.bell.get() {
            // Full is as good as written: it is readable.
            let _ = nix::unistd::write(bell.as_fd(), &1_u64.to_ne_bytes());
        }
        true
    }
}

/// For reading and writing, so that it is no error when nobody has the other end.
fn open_fifo(segment: &Segment, listed: &Listed) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let fifo = nix::fcntl::open(&listed.fifo(), flags, Mode::empty())?;
    let status = nix::sys::stat::fstat(&fifo)?;
    // Afterwards: a FIFO is made when the segment has its name.
    if !segment.has_its_name() {
        let path = listed.path();
        return Err(io::Error::other(format!("{} was removed: open it anew", path.display())));
    }
    let is_fifo = status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFIFO.bits();
    if is_fifo && status.st_uid == listed.uid {
        return Ok(fifo);
    }
    let path = listed.fifo();
    Err(io::Error::other(format!("{} is no FIFO of this user's: remove it", path.display())))
}
