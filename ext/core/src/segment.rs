//! A shared segment: memory that several processes see, with a header that says what it is.
//!
//! # How it works
//! An anonymous segment is a sealed memfd: processes forked after it was made have it, nothing else does, and nothing is
//! left of it when they have ended. A named one is a file in /dev/shm, mode 0600, of the effective user's own: other
//! programs open it by name, and it stays until it is removed or the machine is started again.
//!
//! ```text
//! offset  bytes  field             a process that attaches wants
//!      0      8  magic "RDSEGMNT"  this one
//!      8      4  version           this one
//!     12      4  header bytes      at least this version's
//!     16      4  kind              the one it opens: 1 channel, 2 lock, 3 counter
//!     20      4  mutex bytes       its own sizeof(pthread_mutex_t)
//!     24      4  page bytes        its own: the ring is mapped by pages
//!     28      4  zero
//!     32      8  content bytes     its own for this kind
//!     40      8  ring bytes        file = front + ring
//!     48      8  PID namespace     its own: locks know their owner by its thread number
//!     56     16  C library         its own: "glibc", "musl"; they lay a mutex out differently
//!     72      8  FIFO              any: the number in the name of the FIFO beside it; 0 where it needs none
//!     80      8  checksum          FNV-1a over the bytes before it
//!     88      -  later versions
//!    128      -  content           words and locks, filled with zeros, then by who makes it
//!  front      -  ring              `front` is the first page border after the content
//! ```
//!
//! Version 2 has brought the FIFO's number.
//!
//! The ring is mapped twice, one directly after the other, so that whatever begins in it is contiguous.
//!
//! # Correct order
//! A named segment is complete before it has a name: an unnamed file (`O_TMPFILE`) is given its space and its content,
//! then the name (linkat(2)). Of two that make it at the same time one gets the name and both use it; a maker that is
//! killed leaves nothing.
//!
//! # What is refused
//! Everything that is not as above: each has its sentence ([`Refusal`]). Nobody can change the size of an anonymous
//! segment. A named one cannot be sealed: space is reserved, so that a full /dev/shm is an error when it is made and not
//! a `SIGBUS` later, but a process of the same user that truncates the file ends those that have it mapped.
//!
//! # Rules
//! The header is written once and read once, when a process attaches; sizes are kept in the process. Who uses the
//! content trusts nothing in it: it is another process's memory, too.
//! Sources: memfd_create(2), open(2) O_TMPFILE, linkat(2), posix_fallocate(3), mmap(2), shm_overview(7), namespaces(7).

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use crate::sys::{self, namespace};

mod listed;

use listed::mark_as_used;
pub use listed::{DIRECTORY, Glance, Kind, LONGEST_NAME, Listed, Name};

/// First bytes of a segment.
pub const MAGIC: [u8; 8] = *b"RDSEGMNT";
/// The layout in the table above, and of what lies in the content of each kind.
pub const VERSION: u32 = 2;
/// Where the content begins.
pub const CONTENT_AT: usize = 128;

#[cfg(target_env = "gnu")]
const C_LIBRARY: &[u8] = b"glibc";
#[cfg(target_env = "musl")]
const C_LIBRARY: &[u8] = b"musl";

/// Why there is no segment.
#[derive(Debug)]
pub enum Refusal {
    /// The system has refused something; the sentence says what.
    System(String, io::Error),
    /// What is there under the name is not what was asked for; one sentence.
    Foreign(String),
    /// What is there under the name has a ring of another size than was asked for: its path, and the ring's size in bytes.
    OtherSize(String, usize),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::System(sentence, _) | Self::Foreign(sentence) => f.write_str(sentence),
            Self::OtherSize(path, found) => write!(f, "{path} has a ring of {found} bytes"),
        }
    }
}

fn system(what: impl std::fmt::Display, error: impl Into<io::Error>) -> Refusal {
    let error = error.into();
    Refusal::System(format!("{what}: {error}"), error)
}

/// What a segment holds besides its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What for.
    pub kind: Kind,
    /// Size of the content, in bytes; the same for every segment of a kind and version.
    pub content_bytes: usize,
    /// Size of the ring, in bytes: a multiple of the page, or 0.
    pub ring_bytes: usize,
}

impl Shape {
    /// Where the ring begins.
    fn front(&self) -> usize {
        (CONTENT_AT + self.content_bytes).next_multiple_of(page_bytes())
    }

    fn file_bytes(&self) -> usize {
        self.front() + self.ring_bytes
    }
}

/// The size of a page, in bytes.
#[must_use]
pub fn page_bytes() -> usize {
    // SAFETY: asks for a number.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).ok().filter(|bytes| *bytes > 0).unwrap_or(4096)
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Header {
    magic: [u8; 8],
    version: u32,
    header_bytes: u32,
    kind: u32,
    mutex_bytes: u32,
    page_bytes: u32,
    zero: u32,
    content_bytes: u64,
    ring_bytes: u64,
    pid_namespace: u64,
    c_library: [u8; 16],
    fifo: u64,
    checksum: u64,
}

const _: () = assert!(size_of::<Header>() == 88 && size_of::<Header>() <= CONTENT_AT);
const _: () = assert!(offset_of!(Header, content_bytes) == 32 && offset_of!(Header, checksum) == 80);
const HEADER_BYTES: u32 = 88;

impl Header {
    fn of(shape: &Shape, fifo: u64) -> Result<Self, Refusal> {
        let pid_namespace = namespace::current().map_err(|error| {
            let missing = "a lock in it is its owner's by a number of its PID namespace, which /proc/self/ns/pid tells: \
                           mount a proc file system at /proc (in a chroot, bind the machine's)";
            system(format!("cannot use a {}: {missing}", shape.kind.word()), error)
        })?;
        let mut c_library = [0; 16];
        c_library.iter_mut().zip(C_LIBRARY).for_each(|(place, byte)| *place = *byte);
        let header = Self {
            magic: MAGIC,
            version: VERSION,
            header_bytes: HEADER_BYTES,
            kind: shape.kind as u32,
            mutex_bytes: u32::try_from(size_of::<libc::pthread_mutex_t>()).unwrap_or_default(),
            page_bytes: u32::try_from(page_bytes()).unwrap_or_default(),
            zero: 0,
            content_bytes: shape.content_bytes as u64,
            ring_bytes: shape.ring_bytes as u64,
            pid_namespace,
            c_library,
            fifo,
            checksum: 0,
        };
        Ok(Self { checksum: header.sum(), ..header })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: plain integers without padding, as many bytes as it has.
        unsafe { std::slice::from_raw_parts((&raw const *self).cast(), size_of::<Self>()) }
    }

    fn read(file: &File) -> io::Result<Self> {
        let mut bytes = [0; size_of::<Self>()];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Self::from_bytes(&bytes))
    }

    fn from_bytes(bytes: &[u8; size_of::<Self>()]) -> Self {
        // SAFETY: any bits are such a header; the source need not be aligned.
        unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast()) }
    }

    /// FNV-1a, 64 bits.
    fn sum(&self) -> u64 {
        let covered = self.bytes().iter().take(offset_of!(Self, checksum));
        covered
            .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
    }

    /// Whether it is one, and as its maker has written it.
    fn is_whole(&self) -> bool {
        self.magic == MAGIC && self.checksum == self.sum()
    }

    /// Why this process cannot use such a segment; the ring's size is looked at apart.
    fn objection(&self, wanted: &Self) -> Option<String> {
        let text = |bytes: &[u8; 16]| {
            String::from_utf8_lossy(bytes).trim_end_matches('\0').escape_debug().to_string()
        };
        if self.magic != MAGIC {
            return Some("is no segment of rustdaemon's".into());
        }
        if self.version != VERSION {
            let (theirs, ours) = (self.version, VERSION);
            return Some(format!(
                "was made by another version of rustdaemon (format {theirs}, this one knows {ours}): end the processes that use it, then remove it with rustdaemon shm rm"
            ));
        }
        if self.header_bytes < HEADER_BYTES || self.checksum != self.sum() || self.zero != 0 {
            return Some(
                "has a damaged header: end the processes that use it, then remove it with rustdaemon shm rm"
                    .into(),
            );
        }
        if self.c_library != wanted.c_library || self.mutex_bytes != wanted.mutex_bytes {
            return Some(format!(
                "was made with another C library ({} and a mutex of {} bytes; here {} and {}): both sides need the same",
                text(&self.c_library),
                self.mutex_bytes,
                text(&wanted.c_library),
                wanted.mutex_bytes
            ));
        }
        if self.pid_namespace != wanted.pid_namespace {
            return Some("was made in another PID namespace (another container): locks in it could not tell who has died; run both in one, or give each its own /dev/shm".into());
        }
        if self.kind != wanted.kind {
            let word = |kind: u32| Kind::ALL.into_iter().find(|known| *known as u32 == kind).map(Kind::word);
            let (theirs, ours) =
                (word(self.kind).unwrap_or("something else"), word(wanted.kind).unwrap_or_default());
            return Some(format!("is a {theirs} and no {ours}: remove it with rustdaemon shm rm"));
        }
        if self.content_bytes != wanted.content_bytes || self.page_bytes != wanted.page_bytes {
            return Some(
                "has another layout than this process's: end the processes that use it, then remove it with rustdaemon shm rm"
                    .into(),
            );
        }
        None
    }
}

/// A mapped segment; unmapped on drop. The memory itself lives as long as somebody has it mapped, or as its name.
#[derive(Debug)]
pub struct Segment {
    address: NonNull<u8>,
    shape: Shape,
    front: usize,
    listed: Option<Listed>,
    /// Device and number of the file.
    file: (u64, u64),
    /// As its header has it.
    fifo: u64,
    made: bool,
}

// SAFETY: shared memory; whoever reads it uses atomics and locks, on any thread.
unsafe impl Send for Segment {}
// SAFETY: as above.
unsafe impl Sync for Segment {}

impl Segment {
    /// A new anonymous segment. `fill` gets its content, all zeros, aligned to [`CONTENT_AT`].
    ///
    /// # Errors
    /// What memfd_create(2) and mmap(2) say, or `fill`.
    pub fn anonymous(
        shape: Shape,
        fill: impl FnOnce(NonNull<u8>) -> io::Result<()>,
    ) -> Result<Self, Refusal> {
        let what = || format!("cannot make a {} of {} bytes", shape.kind.word(), shape.file_bytes());
        let fd = sys::sealed_memory(c"rustdaemon", shape.file_bytes())
            .map_err(|error| system(what() + &file_limit(&error), error))?;
        Self::fresh(&fd, shape, None, what, fill)
    }

    /// The effective user's segment of this name; made if there is none. `ring_bytes`: `None` takes a ring as large as it
    /// is, and makes one of `default_ring_bytes`.
    ///
    /// # Errors
    /// The system's, or that what is there is something else.
    pub fn open(
        name: &Name,
        kind: Kind,
        content_bytes: usize,
        ring_bytes: Option<usize>,
        default_ring_bytes: usize,
        fill: impl FnOnce(NonNull<u8>) -> io::Result<()>,
    ) -> Result<Self, Refusal> {
        let listed = Listed::own(kind, name.clone());
        let path = listed.path();
        let any = Shape { kind, content_bytes, ring_bytes: 0 };
        if let Some(found) = Self::attach(&listed, &any, ring_bytes)? {
            return Ok(found);
        }
        let shape = Shape { ring_bytes: ring_bytes.unwrap_or(default_ring_bytes), ..any };
        let what = || format!("cannot make {}", path.display());
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC)
            .open(DIRECTORY)
            .map_err(|error| {
                let missing = error.kind() == io::ErrorKind::NotFound;
                let why = if missing {
                    format!(": {DIRECTORY} is missing, mount a tmpfs there")
                } else {
                    String::new()
                };
                system(what() + &why, error)
            })?;
        // Whatever the umask is.
        file.set_permissions(std::fs::Permissions::from_mode(0o600))
            .map_err(|error| system(what(), error))?;
        reserve(&file, shape.file_bytes()).map_err(|error| {
            if error.raw_os_error() == Some(libc::EFBIG) {
                return system(what() + &file_limit(&error), error);
            }
            let free = nix::sys::statvfs::statvfs(DIRECTORY)
                .map_or(0, |fs| fs.blocks_available() * fs.fragment_size());
            let what = format!(
                "{}: {} bytes are needed and {DIRECTORY} has {free} left",
                what(),
                shape.file_bytes()
            );
            system(what, error)
        })?;
        mark_as_used(&file);
        let made = Self::fresh(&file, shape, Some(listed.clone()), what, fill)?;
        match give_name(&file, &path) {
            Ok(()) => Ok(made),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let gone = || {
                    Refusal::Foreign(format!("{} was removed while it was opened: try again", path.display()))
                };
                Self::attach(&listed, &any, ring_bytes)?.ok_or_else(gone)
            }
            Err(error) => Err(system(what(), error)),
        }
    }

    /// `None`: there is no such name.
    fn attach(listed: &Listed, shape: &Shape, ring_bytes: Option<usize>) -> Result<Option<Self>, Refusal> {
        let path = listed.path();
        let path = path.display();
        let foreign = |why: &str| Refusal::Foreign(format!("{path} {why}"));
        // Non-blocking, should it be a FIFO.
        let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
        let file = match std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(listed.path())
        {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let objection = listed.path().symlink_metadata().ok().and_then(|it| listed.objection(&it));
                return Err(objection.map_or_else(
                    || system(format!("cannot open {path}"), error),
                    |objection| foreign(&objection),
                ));
            }
        };
        let status = file.metadata().map_err(|error| system(format!("cannot look at {path}"), error))?;
        if let Some(objection) = listed.objection(&status) {
            return Err(foreign(&objection));
        }
        let Ok(header) = Header::read(&file) else {
            return Err(foreign("is no segment of rustdaemon's"));
        };
        let wanted = Header::of(shape, 0)?;
        if let Some(objection) = header.objection(&wanted) {
            return Err(foreign(&objection));
        }
        let found = usize::try_from(header.ring_bytes).unwrap_or(usize::MAX);
        let whole = Shape { ring_bytes: found, ..*shape };
        let fits = found % page_bytes() == 0
            && (found == 0) == (shape.kind != Kind::Channel)
            && found.checked_add(whole.front()).is_some_and(|bytes| u64::try_from(bytes) == Ok(status.len()));
        if !fits {
            return Err(foreign(&format!(
                "has {} bytes, which its header does not say: end the processes that use it, then remove it with rustdaemon shm rm",
                status.len()
            )));
        }
        if ring_bytes.is_some_and(|asked| asked != found) {
            return Err(Refusal::OtherSize(path.to_string(), found));
        }
        mark_as_used(&file);
        let segment = Self::map(file.as_fd(), whole, Some(listed.clone()), header.fifo);
        segment.map(Some).map_err(|error| system(format!("cannot map {path}"), error))
    }

    fn fresh(
        fd: &impl AsFd,
        shape: Shape,
        listed: Option<Listed>,
        what: impl Fn() -> String,
        fill: impl FnOnce(NonNull<u8>) -> io::Result<()>,
    ) -> Result<Self, Refusal> {
        // A number that no other has had: who holds the FIFO of an earlier segment with this name has none of ours.
        let has_fifo = listed.is_some() && shape.kind == Kind::Channel;
        let [low, high] = if has_fifo { sys::random() } else { [0, 0] };
        let fifo = u64::from(high) << 32 | u64::from(low);
        let header = Header::of(&shape, fifo)?;
        let failed = |error| system(what(), error);
        let mut segment = Self::map(fd.as_fd(), shape, listed, fifo).map_err(failed)?;
        segment.made = true;
        fill(segment.content()).map_err(failed)?;
        // SAFETY: the mapping begins with at least CONTENT_AT bytes, which nobody else uses yet.
        unsafe { segment.address.cast::<Header>().write(header) };
        Ok(segment)
    }

    /// The file, and behind it its ring once more.
    fn map(fd: BorrowedFd<'_>, shape: Shape, listed: Option<Listed>, fifo: u64) -> io::Result<Self> {
        let front = shape.front();
        let status = nix::sys::stat::fstat(fd)?;
        let (file, all) = (shape.file_bytes(), shape.file_bytes() + shape.ring_bytes);
        // SAFETY: reserves addresses of the kernel's choice.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                all,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let address = NonNull::new(address.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        // From here on dropping it unmaps all.
        let segment =
            Self { address, shape, front, listed, file: (status.st_dev, status.st_ino), fifo, made: false };
        let put = |at: usize, bytes: usize, from: usize| {
            let from = libc::off_t::try_from(from).map_err(|_| io::ErrorKind::InvalidInput)?;
            let (rights, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_FIXED);
            // SAFETY: within the reservation above, which is ours alone.
            let put = unsafe {
                libc::mmap(address.as_ptr().add(at).cast(), bytes, rights, flags, fd.as_raw_fd(), from)
            };
            if put == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
        };
        put(0, file, 0)?;
        if shape.ring_bytes > 0 {
            put(file, shape.ring_bytes, front)?;
        }
        Ok(segment)
    }

    /// The content, aligned to [`CONTENT_AT`].
    #[must_use]
    pub fn content(&self) -> NonNull<u8> {
        // SAFETY: inside the mapping.
        unsafe { self.address.add(CONTENT_AT) }
    }

    /// The ring: twice [`Segment::ring_bytes`] bytes, the second half of which is the first.
    #[must_use]
    pub fn ring(&self) -> NonNull<u8> {
        // SAFETY: inside the mapping, or its end.
        unsafe { self.address.add(self.front) }
    }

    /// The size of the ring, in bytes, as it was when this process attached.
    #[must_use]
    pub fn ring_bytes(&self) -> usize {
        self.shape.ring_bytes
    }

    /// Its name. `None`: anonymous.
    #[must_use]
    pub fn listed(&self) -> Option<&Listed> {
        self.listed.as_ref()
    }

    /// Where the FIFO that belongs to it lies, and to no other that ever had its name. `None`: none does, it is anonymous or
    /// no channel. Who needs the FIFO makes it.
    #[must_use]
    pub fn fifo(&self) -> Option<PathBuf> {
        self.listed.as_ref().filter(|_| self.fifo != 0).map(|listed| listed.numbered_fifo(self.fifo))
    }

    /// Whether it is the same memory as another, mapped once more.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.file == other.file
    }

    /// Whether its name leads to it still. An anonymous one has none.
    #[must_use]
    pub fn has_its_name(&self) -> bool {
        let status = self.listed.as_ref().and_then(|listed| listed.path().symlink_metadata().ok());
        status.is_some_and(|status| (status.dev(), status.ino()) == self.file)
    }

    /// Whether its name leads elsewhere now, or nowhere. False also where this process does not see the place where it was
    /// made, as in a chroot.
    #[must_use]
    pub fn has_lost_its_name(&self) -> bool {
        let place = std::fs::metadata(DIRECTORY);
        place.is_ok_and(|place| place.dev() == self.file.0) && !self.has_its_name()
    }

    /// Whether this process has made it just now.
    #[must_use]
    pub fn was_made(&self) -> bool {
        self.made
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let bytes = self.shape.file_bytes() + self.shape.ring_bytes;
        // SAFETY: address and length are those of our own reservation; nobody borrows from it past our life.
        unsafe { libc::munmap(self.address.as_ptr().cast(), bytes) };
    }
}

fn reserve(file: &File, bytes: usize) -> io::Result<()> {
    let bytes = libc::off_t::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
    sys::without_size_signal(|| {
        loop {
            // SAFETY: numbers only. It returns the error and leaves errno alone.
            match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, bytes) } {
                0 => return Ok(()),
                libc::EINTR => {}
                error => return Err(io::Error::from_raw_os_error(error)),
            }
        }
    })
}

/// What to say of `EFBIG`; nothing of any other error.
fn file_limit(error: &io::Error) -> String {
    use nix::sys::resource::{Resource, getrlimit};
    match getrlimit(Resource::RLIMIT_FSIZE) {
        Ok((most, _)) if error.raw_os_error() == Some(libc::EFBIG) => {
            format!(
                ": this process may make files of at most {most} bytes (RLIMIT_FSIZE, ulimit -f): raise the limit"
            )
        }
        _ => String::new(),
    }
}

/// linkat(2) of an `O_TMPFILE`, through /proc: `AT_EMPTY_PATH` needs a capability.
fn give_name(file: &File, path: &Path) -> io::Result<()> {
    let from = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let to = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: two C strings that outlive the call.
    let rc = unsafe {
        libc::linkat(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::AT_SYMLINK_FOLLOW)
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
