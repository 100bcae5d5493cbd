//! The life lock: by it a sidecar knows which slots still have a worker, of whichever sidecar.
//!
//! # How it works
//! One file beside the socket, `SOCKET.life`. Byte N stands for slot N. For each linked worker the sidecar opens the
//! file anew, locks the slot's byte *shared*, hands the descriptor to that process and closes its own copy: the lock
//! lives exactly as long as the process, however it ends, and two workers of one slot (the old one, and the new one at
//! the gate) hold it together. `install()` makes the descriptor close-on-exec and inert in forked children: what a
//! worker starts does not hold its lock. What a wrapper (`sh -c`) starts before `install()` does, as it does itself.
//!
//! A new sidecar asks for a write lock on a byte: what stands in the way is a worker that a killed sidecar has left.
//! Who that is, the kernel tells on the `lock:` line of `/proc/PID/fdinfo/FD`.
//!
//! # What may be lost
//! A file that somebody unlinks under living workers: its locks are not seen any more. Holders in another PID
//! namespace, or of another user where the sidecar is not root, are held for alive but cannot be named.
//! Without a link there is no lock: such a command would hand it on to whatever it starts.
//!
//! # Rules
//! Opens, asks, looks; ends nobody.
//! Sources: fcntl(2) "Open file description locks", proc(5) `/proc/pid/fdinfo`.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use rustdaemon_core::sys;

use crate::lock_file;

/// The lock file of one socket.
#[derive(Clone, Debug)]
pub struct LifeLock {
    name: PathBuf,
}

/// A process that holds slots.
#[derive(Debug)]
pub struct Holder {
    /// Its process id, for people.
    pub pid: i32,
    /// Opened before it was looked at for the last time: it is the holder.
    pub pidfd: OwnedFd,
    /// The slots, in no order.
    pub slots: Vec<u32>,
}

impl LifeLock {
    /// The one of this socket.
    #[must_use]
    pub fn of(socket: &Path) -> Self {
        Self { name: lock_file::with_suffix(socket, ".life") }
    }

    /// A new descriptor that holds the slot as long as it, or what a fork made of it, is open somewhere.
    ///
    /// # Errors
    /// What open(2) or fcntl(2) say, with the file's name.
    pub fn hold(&self, slot: u32) -> io::Result<OwnedFd> {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("the life lock {}: {error}", self.name.display()))
        };
        loop {
            let file = lock_file::open(&self.name).map_err(named)?;
            fcntl(&file, FcntlArg::F_OFD_SETLK(&byte(slot, libc::F_RDLCK)))
                .map_err(|errno| named(errno.into()))?;
            if lock_file::leads_to(&self.name, &file) {
                return Ok(file.into());
            }
        }
    }

    /// Whether anybody holds the slot.
    ///
    /// # Errors
    /// What open(2) or fcntl(2) say.
    pub fn is_held(&self, slot: u32) -> io::Result<bool> {
        self.is_locked(byte(slot, libc::F_WRLCK))
    }

    /// Whether anybody holds any slot.
    ///
    /// # Errors
    /// What open(2) or fcntl(2) say.
    pub fn is_any_held(&self) -> io::Result<bool> {
        self.is_locked(libc::flock { l_len: 0, ..byte(0, libc::F_WRLCK) })
    }

    fn is_locked(&self, mut wanted: libc::flock) -> io::Result<bool> {
        let file = lock_file::open(&self.name)?;
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut wanted))?;
        Ok(i32::from(wanted.l_type) != libc::F_UNLCK)
    }

    /// Who holds which slots, as far as this process may see; without itself.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        let Some(file) = lock_file::identity(&self.name) else { return Vec::new() };
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let holds = |pid: i32| Some(slots_of(pid, file)).filter(|slots| !slots.is_empty());
        let others = sys::process_ids().into_iter().filter(|pid| *pid != own);
        let holder = |pid| {
            holds(pid)?;
            let pidfd = sys::pidfd_open(pid).ok()?;
            Some(Holder { pid, pidfd, slots: holds(pid)? })
        };
        others.filter_map(holder).collect()
    }
}

/// The byte of a slot.
fn byte(slot: u32, kind: i32) -> libc::flock {
    libc::flock {
        l_type: i16::try_from(kind).unwrap_or_default(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: slot.into(),
        l_len: 1,
        l_pid: 0, // open file description locks want it so
    }
}

/// The slots that `pid` holds by any descriptor of that file.
fn slots_of(pid: i32, file: (u64, u64)) -> Vec<u32> {
    sys::look_at(pid, || {
        let mut slots = Vec::new();
        for descriptor in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
            let leads_there = match fs::metadata(descriptor.path()) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
                other => other.is_ok_and(|stat| (stat.dev(), stat.ino()) == file),
            };
            if leads_there {
                let number = descriptor.file_name();
                let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", number.to_string_lossy()))?;
                slots.extend(info.lines().filter_map(slot_of));
            }
        }
        Ok(slots)
    })
    .unwrap_or_default()
}

/// `lock:\t1: OFDLCK ADVISORY READ -1 08:01:1234 5 5` is slot 5.
fn slot_of(line: &str) -> Option<u32> {
    let mut words = line.strip_prefix("lock:")?.split_whitespace().skip(1);
    (words.next()? == "OFDLCK").then_some(())?;
    words.nth(4)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::process::{Command, Stdio};

    use super::*;

    fn lock() -> (tempdir::Directory, LifeLock) {
        let directory = tempdir::Directory::new();
        let lock = LifeLock::of(&directory.0.join("s"));
        (directory, lock)
    }

    mod tempdir {
        pub struct Directory(pub std::path::PathBuf);

        impl Directory {
            pub fn new() -> Self {
                use std::sync::atomic::{AtomicU32, Ordering};
                static COUNT: AtomicU32 = AtomicU32::new(0);
                let number = COUNT.fetch_add(1, Ordering::Relaxed);
                let path = std::env::temp_dir().join(format!("rd-life-{}-{number}", std::process::id()));
                std::fs::create_dir_all(&path).unwrap();
                Self(path)
            }
        }

        impl Drop for Directory {
            fn drop(&mut self) {
                let _ = std::fs::remove_dir_all(&self.0);
            }
        }
    }

    #[test]
    fn a_slot_is_held_as_long_as_a_descriptor_is_open() {
        let (_directory, lock) = lock();
        assert!(!lock.is_any_held().unwrap() && !lock.is_held(5).unwrap());
        let first = lock.hold(5).unwrap();
        let second = lock.hold(5).unwrap();
        assert!(lock.is_any_held().unwrap() && lock.is_held(5).unwrap(), "held together");
        assert!(!lock.is_held(4).unwrap() && !lock.is_held(6).unwrap(), "a byte is a slot");
        drop(first);
        assert!(lock.is_held(5).unwrap());
        drop(second);
        assert!(!lock.is_any_held().unwrap());
        assert!(sys::is_close_on_exec(std::os::fd::AsFd::as_fd(&lock.hold(0).unwrap())).unwrap());
    }

    #[test]
    fn a_holder_is_found_by_its_descriptor() {
        let (_directory, lock) = lock();
        let held = lock.hold(7).unwrap();
        assert!(lock.holders().is_empty(), "not oneself");
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::from(held)).spawn().unwrap();
        let holders = lock.holders();
        let [holder] = holders.as_slice() else { panic!("{holders:?}") };
        assert_eq!((holder.pid, holder.slots.as_slice()), (child.id().try_into().unwrap(), &[7][..]));
        sys::pidfd_send_signal(std::os::fd::AsFd::as_fd(&holder.pidfd), libc::SIGKILL).unwrap();
        child.wait().unwrap();
        assert!(!lock.is_held(7).unwrap() && lock.holders().is_empty());
    }

    #[test]
    fn a_file_that_was_replaced_is_locked_again() {
        let (_directory, lock) = lock();
        let old = lock.hold(1).unwrap();
        fs::remove_file(&lock.name).unwrap();
        let new = lock.hold(1).unwrap();
        let inode = |fd: &OwnedFd| fs::metadata(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap().ino();
        assert_ne!(inode(&old), inode(&new));
        assert_eq!(Some(inode(&new)), lock_file::identity(&lock.name).map(|(_, inode)| inode));
    }

    #[test]
    fn a_directory_that_is_missing_is_named() {
        let error = LifeLock::of(Path::new("/nowhere/at/all/s")).hold(0).unwrap_err().to_string();
        assert!(error.starts_with("the life lock /nowhere/at/all/s.life: No such file"), "{error}");
    }

    #[test]
    fn only_open_file_description_locks_count() {
        assert_eq!(slot_of("lock:\t1: OFDLCK  ADVISORY  READ -1 08:01:1234 5 5"), Some(5));
        for other in ["lock:\t1: POSIX  ADVISORY  WRITE 77 08:01:1234 0 EOF", "pos:\t0", "lock:\t1: OFDLCK"] {
            assert_eq!(slot_of(other), None, "{other}");
        }
    }
}
