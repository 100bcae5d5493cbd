//! The bell of a ring: a descriptor for who polls instead of sleeping.
//!
//! # How it works
//! Of an anonymous ring it is an eventfd; of a named one a FIFO beside the segment, under a name that no other segment's FIFO
//! has ([`Segment::fifo`]). Whoever has a ring has its bell open from the beginning: a process that is later out of
//! descriptors, has given its user away or lives in a chroot rings it all the same.
//!
//! Who polls empties it and says so under the producers' lock, where it looks once more; who sends and finds that said rings,
//! before the message counts: the one who polls takes that lock before it sleeps again, so it finds it. Who cannot ring
//! leaves it said: the next one tries again.
//!
//! Others wait for the bell by an epoll instance of its own ([`Ring::watch`]). A copy of the descriptor would share its
//! flags: who makes it block would make [`Ring::poll`] block, which holds the producers' lock.
//!
//! # A FIFO that was removed
//! Those that have it open go on with it. Who opens the ring then looks for it in /proc and opens the same one; it is made
//! anew when nobody has it.
//!
//! # What may be lost
//! The rings of a removed FIFO, where a process that has it open hides its descriptors (`PR_SET_DUMPABLE`) from who opens
//! the ring later: the two have different ones.
//!
//! Sources: eventfd(2), fifo(7), epoll(7), proc_pid_fd(5).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::stat::{Mode, SFlag};

use super::{POLLED, Ring, Trouble};
use crate::segment::{Refusal, Segment};
use crate::sys;

impl Ring {
    /// The bell: readable when there may be a message, once [`Ring::poll`] has been called. Not to be read from.
    #[must_use]
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// A descriptor for others that is readable when the bell is, for as long as this ring lives. Nothing can be read from
    /// it, and its flags are its own.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`: no descriptor left. `ENOSPC`: epoll(7), max_user_watches.
    pub fn watch(&self) -> io::Result<OwnedFd> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&self.bell, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        Ok(epoll.0)
    }

    /// Makes the bell silent as long as there is nothing to receive: the next message rings it, or closing. Of what
    /// is there already it stays readable.
    ///
    /// # Errors
    /// See [`Trouble`]. It is readable then.
    pub fn poll(&self) -> Result<(), Trouble> {
        // Emptied after it is said that somebody polls: whoever dies in here leaves it readable, or to be rung.
        let announced = self.announce(POLLED, || {
            let mut bytes = [0; 4096];
            while nix::unistd::read(&self.bell, &mut bytes).is_ok_and(|read| read == bytes.len()) {}
        });
        if !matches!(announced, Ok(Some(_))) {
            self.ring_bell();
        }
        announced.map(drop)
    }

    /// Whether it rings now.
    #[cold]
    pub(super) fn ring_bell(&self) -> bool {
        // Full is as good as written: it is readable.
        matches!(nix::unistd::write(&self.bell, &1_u64.to_ne_bytes()), Ok(_) | Err(Errno::EAGAIN))
    }
}

/// The bell of the ring in a segment, made if there is none.
pub(super) fn of(segment: &Segment) -> Result<OwnedFd, Refusal> {
    let Some(path) = segment.fifo() else {
        let failed = |error| Refusal::System(format!("cannot make a channel: {error}"), error);
        return sys::event_fd().map_err(failed);
    };
    let failed = |error: Errno| {
        let error = io::Error::from(error);
        Refusal::System(format!("cannot open {}: {error}", path.display()), error)
    };
    let fifo = match open(&path, OFlag::O_NOFOLLOW) {
        Err(Errno::ENOENT) => match held(segment, &path) {
            Some(fifo) => fifo,
            None => made(segment, &path).map_err(failed)?,
        },
        opened => opened.map_err(failed)?,
    };
    let status = nix::sys::stat::fstat(&fifo).map_err(failed)?;
    let is_fifo = status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFIFO.bits();
    if is_fifo && segment.listed().is_some_and(|listed| listed.uid == status.st_uid) {
        return Ok(fifo);
    }
    Err(Refusal::Foreign(format!("{} is no FIFO of this user's: remove it", path.display())))
}

fn made(segment: &Segment, path: &Path) -> nix::Result<OwnedFd> {
    match nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) | Err(Errno::EEXIST) => {} // another one has come first
        Err(error) => return Err(error),
    }
    // Whatever umask its maker has.
    let _ = nix::sys::stat::fchmodat(
        nix::fcntl::AT_FDCWD,
        path,
        Mode::S_IRUSR | Mode::S_IWUSR,
        nix::sys::stat::FchmodatFlags::FollowSymlink,
    );
    let fifo = open(path, OFlag::O_NOFOLLOW);
    if !segment.has_its_name() {
        let _ = std::fs::remove_file(path); // who has removed the segment did not see it
    }
    fifo
}

/// For reading and writing, so that it is no error when nobody has the other end.
fn open(path: &Path, how: OFlag) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | how;
    nix::fcntl::open(path, flags, Mode::empty())
}

/// The FIFO that had this name, of a process that has it open still.
fn held(segment: &Segment, path: &Path) -> Option<OwnedFd> {
    if segment.was_made() {
        return None; // nor was the FIFO before
    }
    let name = format!("{} (deleted)", path.file_name()?.to_str()?);
    let own = i32::try_from(std::process::id()).ok();
    own.into_iter().chain(sys::process_ids()).find_map(|pid| {
        let links = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?; // another user's, or it has ended
        let mut held = links.flatten().map(|link| link.path()).filter(|link| {
            // Where it lay, as that process sees it: a chroot has another path.
            let leads_to = std::fs::read_link(link).ok();
            leads_to.is_some_and(|path| path.file_name().is_some_and(|file| file == name.as_str()))
        });
        held.find_map(|link| open(&link, OFlag::empty()).ok())
    })
}
