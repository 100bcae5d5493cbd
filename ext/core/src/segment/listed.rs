//! Named segments as files: their names, whose they are, and whether somebody uses them.
//!
//! # How it works
//! Before a process maps a named segment it takes a shared lock on the open file (`F_OFD_SETLK`) and then closes the
//! descriptor: the kernel keeps the lock as long as a mapping of that open file lives, in this process or in children that
//! it forks, and drops it with the last one, however that ends. So [`Listed::is_used`] is right also about processes whose
//! memory nobody may look at and about those of other PID namespaces; it does not say who they are.
//!
//! # Rules
//! Nothing here maps a segment; what is read of one may be changed by others meanwhile.
//! Sources: shm_overview(7), fcntl(2) "Open file description locks", Linux fs/file_table.c (`__fput`: a mapping holds the
//! open file).

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};

use super::{CONTENT_AT, Header, Shape, VERSION};
use crate::sys::namespace;

/// Where named segments lie.
pub const DIRECTORY: &str = "/dev/shm";
/// How long a name may be, in bytes.
pub const LONGEST_NAME: usize = 100;

/// Of every file name of ours in [`DIRECTORY`]; the owner's uid, the kind and the name follow.
const PREFIX: &str = "rustdaemon";
/// What follows in the name of a FIFO, before its number. No segment has such a name: they have no `:` in them.
const FIFO: &str = ":fifo";

/// What a segment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Kind {
    /// A ring of messages.
    Channel = 1,
    /// A lock with a name.
    Lock = 2,
    /// A number.
    Counter = 3,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Channel, Self::Lock, Self::Counter];

    /// Its word in file names and in sentences.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Lock => "lock",
            Self::Counter => "counter",
        }
    }
}

/// The name of a segment: 1 to [`LONGEST_NAME`] of letters, digits, `.`, `_` and `-`, the first no `.`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(String);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// One sentence.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        if (1..=LONGEST_NAME).contains(&text.len())
            && text.iter().all(allowed)
            && text.first() != Some(&b'.')
            && let Ok(name) = std::str::from_utf8(text)
        {
            return Ok(Self(name.to_owned()));
        }
        let shown = String::from_utf8_lossy(text);
        let (most, rest) = if text.len() <= LONGEST_NAME {
            (LONGEST_NAME, String::new())
        } else {
            (20, format!(" and so on, {} bytes,", text.len()))
        };
        let shown: String = shown.chars().take(most).collect();
        Err(format!(
            "\"{}\"{rest} cannot be a name in shared memory: 1 to {LONGEST_NAME} of the characters a-z A-Z 0-9 . _ - are allowed, the first no dot",
            shown.escape_debug()
        ))
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A copy of a named segment's content, taken while others may change it.
pub struct Glance<const BYTES: usize> {
    /// The content.
    pub content: [u8; BYTES],
    /// The size of the ring behind it, as its header says, in bytes.
    pub ring_bytes: u64,
}

/// A file in [`DIRECTORY`] whose name is one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Whose the name is; who owns the file is for the reader to check.
    pub uid: u32,
    /// See there.
    pub kind: Kind,
    /// See there.
    pub name: Name,
}

impl Listed {
    /// The effective user's own segment of this kind and name.
    #[must_use]
    pub fn own(kind: Kind, name: Name) -> Self {
        Self { uid: nix::unistd::geteuid().as_raw(), kind, name }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let Self { uid, kind, name } = self;
        Path::new(DIRECTORY).join(format!("{PREFIX}-{uid}-{}-{}", kind.word(), name.0))
    }

    /// Where the FIFO of this number lies, of a segment with this name.
    pub(super) fn numbered_fifo(&self, number: u64) -> PathBuf {
        let mut path = self.path().into_os_string();
        path.push(format!("{FIFO}-{number:016x}"));
        path.into()
    }

    /// Of which segment's name this is a FIFO's: the one that is there now, or one that was there before.
    #[must_use]
    pub fn parse_fifo(file: &str) -> Option<Self> {
        file.split_once(FIFO).and_then(|(segment, _)| Self::parse(segment))
    }

    /// Reads the name of a file in [`DIRECTORY`]. `None`: not one of ours.
    #[must_use]
    pub fn parse(file: &str) -> Option<Self> {
        let mut parts = file.splitn(4, '-');
        let (prefix, uid, kind, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let kind = Kind::ALL.into_iter().find(|known| known.word() == kind)?;
        let listed = Self { uid: uid.parse().ok()?, kind, name: Name::parse(name.as_bytes()).ok()? };
        (prefix == PREFIX && listed.path().file_name()?.to_str() == Some(file)).then_some(listed)
    }

    /// [`Segment::fifo`](super::Segment::fifo) of the segment that has the name now, which need not be open. `None` also where that cannot be read.
    #[must_use]
    pub fn fifo(&self) -> Option<PathBuf> {
        let header = self.open_to_read().and_then(|file| Header::read(&file)).ok()?;
        (header.is_whole() && header.version == VERSION && header.fifo != 0)
            .then(|| self.numbered_fifo(header.fifo))
    }

    /// Whether a process has it mapped, this one included. `None`: it may not be opened, or is not there.
    ///
    /// A process that has mapped it with a lock of its own on the file, or under a kernel that drops the lock with the
    /// descriptor, is not seen.
    #[must_use]
    pub fn is_used(&self) -> Option<bool> {
        let file = self.open_to_read().ok()?;
        let mut wanted = whole_file(libc::F_WRLCK);
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut wanted)).ok()?;
        Some(i32::from(wanted.l_type) != libc::F_UNLCK)
    }

    /// Whether it was made in another PID namespace than this process's. False also where its header cannot be read.
    #[must_use]
    pub fn is_of_another_namespace(&self) -> bool {
        let header = self.open_to_read().and_then(|file| Header::read(&file));
        header.is_ok_and(|header| {
            header.is_whole() && namespace::current().is_ok_and(|current| current != header.pid_namespace)
        })
    }

    fn open_to_read(&self) -> io::Result<File> {
        let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
        std::fs::OpenOptions::new().read(true).custom_flags(flags).open(self.path())
    }

    /// Looks at the content without mapping it: for people, and for whoever owns it. `None`: it cannot be read, or is not
    /// what its name says, or was made where this process could not use it.
    #[must_use]
    pub fn glance<const BYTES: usize>(&self) -> Option<Glance<BYTES>> {
        let file = self.open_to_read().ok()?;
        let status = file.metadata().ok()?;
        let mut content = [0; BYTES];
        let header = Header::read(&file).ok()?;
        file.read_exact_at(&mut content, CONTENT_AT as u64).ok()?;
        let wanted = Header::of(&Shape { kind: self.kind, content_bytes: BYTES, ring_bytes: 0 }, 0).ok()?;
        let is_whole = status.is_file() && status.uid() == self.uid && header.objection(&wanted).is_none();
        is_whole.then_some(Glance { content, ring_bytes: header.ring_bytes })
    }

    /// Why what lies at its path cannot be a segment that this process may use.
    pub(super) fn objection(&self, found: &Metadata) -> Option<String> {
        let (theirs, ours) = (found.uid(), self.uid);
        let kind = found.file_type();
        let what = match () {
            () if kind.is_symlink() => "a symbolic link",
            () if kind.is_dir() => "a directory",
            () if kind.is_fifo() => "a FIFO",
            () if kind.is_socket() => "a socket",
            () if !kind.is_file() => "a device",
            () if theirs != ours => {
                return Some(format!(
                    "belongs to uid {theirs}, and this process runs as {ours}: a segment is its owner's alone; take another name, or let uid {theirs} or root remove it"
                ));
            }
            () if found.mode() & 0o777 != 0o600 => {
                let mode = found.mode() & 0o777;
                return Some(format!("is not a file of mode 0600 but of {mode:04o}: remove it"));
            }
            () => return None,
        };
        let who = if theirs == ours {
            "remove it".to_owned()
        } else {
            format!("take another name, or let uid {theirs} or root remove it")
        };
        Some(format!("is {what} and no segment of rustdaemon's: {who}"))
    }
}

/// A lock on all of an open file. Source: fcntl(2).
fn whole_file(kind: libc::c_int) -> libc::flock {
    // SAFETY: plain data; all zero is a range from the beginning to the end, and no process.
    let range: libc::flock = unsafe { std::mem::zeroed() };
    libc::flock { l_type: libc::c_short::try_from(kind).unwrap_or_default(), ..range }
}

/// Marks a named segment as used for as long as `file` is open or mapped. Where the system refuses the lock nobody is
/// kept from using the segment: only [`Listed::is_used`] does not see it.
pub(super) fn mark_as_used(file: &File) {
    let _ = fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_RDLCK)));
}
