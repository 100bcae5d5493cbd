//! The slot page: what one worker says about itself without a system call.
//!
//! # How it works
//! A sealed memfd of one page per worker (not per slot: in a reload two workers of one slot are alive), made by
//! the sidecar before the spawn and mapped by both. The worker stores with plain atomics; the sidecar reads when
//! somebody asks.
//!
//! ```text
//! offset  bytes  field            written by
//!      0      4  magic "RDSL"     sidecar, before the spawn
//!      4      4  version          sidecar, before the spawn
//!      8      8  begun            worker: sequence of the request begun last, 0 = none yet
//!     16      8  begun_at         worker: when, CLOCK_MONOTONIC in nanoseconds
//!     24      8  answered         worker: sequence of the request answered last; not `begun`: one is in hand
//!     32      8  served           worker: requests answered since it booted
//!     40   4056  zero, for later versions
//!
//! `begun` is stored before any of the handler runs: after the worker's death a request that it had been sent and that
//! is not `begun` was certainly not started, and may be given to another worker.
//! ```
//!
//! # What may be lost
//! While the worker lives, a reader may see a new `begun` with an older `begun_at`: figures for people. After its death
//! the page is at rest.
//!
//! # Rules
//! The sidecar trusts nothing in here: a worker can write any bits. The size is sealed, so it cannot fault.
//! Sources: memfd_create(2), fcntl(2) "File Sealing".

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::sys::{self, Mapping};

/// Size of the page in bytes.
pub const PAGE_BYTES: usize = 4096;
/// First bytes of the page: "RDSL".
pub const MAGIC: u32 = u32::from_le_bytes(*b"RDSL");
/// The layout in the table above.
pub const VERSION: u32 = 1;

#[repr(C)]
struct Layout {
    magic: AtomicU32,
    version: AtomicU32,
    begun: AtomicU64,
    begun_at: AtomicU64,
    answered: AtomicU64,
    served: AtomicU64,
}

const _: () = assert!(size_of::<Layout>() == 40 && size_of::<Layout>() <= PAGE_BYTES);
const _: () = assert!(align_of::<Layout>() == 8);

/// A mapped slot page.
#[derive(Debug)]
pub struct SlotPage {
    mapping: Mapping,
}

/// What a page says at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// The sequence of the request begun last, 0: none yet.
    pub begun: u64,
    /// When the request in hand was begun, on `CLOCK_MONOTONIC`; `None`: none is.
    pub in_hand_since: Option<Duration>,
    /// Requests answered since the worker booted.
    pub served: u64,
}

impl SlotPage {
    /// A new page, for one worker. The descriptor goes to the worker and is then closed here.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn create() -> io::Result<(OwnedFd, Self)> {
        let fd = sys::sealed_memory(c"rustdaemon-slot", PAGE_BYTES)?;
        let page = Self { mapping: Mapping::of_sealed(fd.as_fd(), PAGE_BYTES)? };
        page.layout().magic.store(MAGIC, Ordering::Relaxed);
        page.layout().version.store(VERSION, Ordering::Relaxed);
        Ok((fd, page))
    }

    /// Maps the page that a sidecar made.
    ///
    /// # Errors
    /// `InvalidInput`: not sealed, of another size, without the magic number, or of another version.
    pub fn attach(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let page = Self { mapping: Mapping::of_sealed(fd, PAGE_BYTES)? };
        let layout = page.layout();
        let found = (layout.magic.load(Ordering::Relaxed), layout.version.load(Ordering::Relaxed));
        if found != (MAGIC, VERSION) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a slot page of version 1"));
        }
        Ok(page)
    }

    /// Worker: a request is in hand.
    pub fn begin(&self, sequence: u64, now: Duration) {
        let nanoseconds = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.layout().begun_at.store(nanoseconds, Ordering::Relaxed);
        // SYNC: pairs with the Acquire in `observe`: who sees the number sees its start.
        self.layout().begun.store(sequence, Ordering::Release);
    }

    /// Worker: that request is answered.
    pub fn end(&self) {
        let layout = self.layout();
        layout.served.fetch_add(1, Ordering::Relaxed);
        layout.answered.store(layout.begun.load(Ordering::Relaxed), Ordering::Release);
    }

    /// Sidecar: what the page says now.
    #[must_use]
    pub fn observe(&self) -> Observation {
        let layout = self.layout();
        // SYNC: pairs with the Release in `begin`.
        let begun = layout.begun.load(Ordering::Acquire);
        let begun_at = Duration::from_nanos(layout.begun_at.load(Ordering::Relaxed));
        let in_hand = begun != layout.answered.load(Ordering::Acquire);
        Observation {
            begun,
            in_hand_since: in_hand.then_some(begun_at),
            served: layout.served.load(Ordering::Relaxed),
        }
    }

    fn layout(&self) -> &Layout {
        // SAFETY: page-aligned, PAGE_BYTES long for the mapping's whole life (sealed), and made of atomics only,
        // for which every bit pattern is valid and concurrent writes by the other process are allowed.
        unsafe { &*self.mapping.as_ptr().cast::<Layout>() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_worker_stores_the_sidecar_reads() {
        let (fd, sidecar) = SlotPage::create().unwrap();
        let worker = SlotPage::attach(fd.as_fd()).unwrap();
        assert_eq!(sidecar.observe(), Observation::default());
        worker.begin(7, Duration::from_secs(3));
        let in_hand = Observation { begun: 7, in_hand_since: Some(Duration::from_secs(3)), served: 0 };
        assert_eq!(sidecar.observe(), in_hand);
        worker.end();
        assert_eq!(sidecar.observe(), Observation { begun: 7, in_hand_since: None, served: 1 });
    }

    #[test]
    fn a_foreign_or_newer_page_is_refused() {
        let (fd, page) = SlotPage::create().unwrap();
        page.layout().version.store(2, Ordering::Relaxed);
        assert!(SlotPage::attach(fd.as_fd()).is_err());
        assert!(SlotPage::attach(sys::sealed_memory(c"x", PAGE_BYTES).unwrap().as_fd()).is_err());
        assert!(SlotPage::attach(sys::sealed_memory(c"x", 8).unwrap().as_fd()).is_err());
        assert!(SlotPage::attach(sys::pipe().unwrap().read.as_fd()).is_err());
    }
}
