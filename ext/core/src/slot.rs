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
//!     16      8  begun_at         worker: when, CLOCK_MONOTONIC in nanoseconds, as all times here
//!     24      8  answered         worker: sequence of the request answered last; not `begun`: one is in hand
//!     32      8  served           worker: requests answered since it booted
//! since version 2:
//!     40      8  alive            pulse: number of the last beat, 0 = none yet
//!     48      8  alive_at         pulse: when
//!     56      8  progress         worker: the beat that the virtual machine has answered last
//!     64      8  progress_at      worker: when
//!     72      8  cpu_used         pulse: for how long of the last two beats the main thread ran or waited for a CPU, ns
//!     80      8  cpu_over         pulse: how long these took, ns; 0 = not measured yet
//!     88      4  phase            worker: 0 nothing yet, 1 idle, 2 busy, 3 idle in its own loop, 4 busy in it
//!     92      4  waiting          worker: 0 no, else inside 1 run/tick, 2 Worker::sleep, 3 Signal::wait
//!     96      4  flags            worker: 1 paused, 2 blind: nobody answers beats
//!    100      4  zero
//!    104      8  busy_since       worker: when it became busy
//!    112      8  progressed_at    worker: Worker::progress(), 0 = not since it became busy
//!    120      8  deadline         worker: of busy($what, $deadline), 0 = none
//!    128      8  place_at         pulse or worker: when `place` was found
//!    136      8  thrown_at        worker: when the exception in `thrown` was thrown
//!    144    256  what             worker: the method in hand, or busy($what)
//!    400    256  status           worker: progress($status)
//!    656    384  place            pulse or worker: where PHP is, `function() at file:line` or `file:line`
//!   1040   1024  fatal            worker: the fatal error: file NUL line NUL NUL message; empty: none, or PHP went on
//!   2064   1024  thrown           worker: the exception thrown last: file NUL line NUL class NUL message
//! since version 3:
//!   3088    512  claims           both: 64 words, one for each request that is at the worker
//!   3600    496  zero, for later versions
//!
//! A claim: the request's sequence in the upper 62 bits, below it 1 offered, 2 started, 3 recalled; 0: never used.
//!
//! A text:
//!      0      4  sequence         odd: it is being written
//!      4      4  length in bytes
//!      8      -  the bytes, cut at the end when there are more
//! ```
//!
//! Who swaps a claim from offered has the request: the worker before it begins it, the sidecar to take it back. Number and
//! state change together: a word that is used again for C is no offer of A, whose frame may still lie in the link.
//! `begun` is stored before any of the handler runs: after the worker's death a request that it had been sent and that
//! is not `begun` was certainly not started, and may be given to another worker.
//!
//! # What may be lost
//! While the worker lives, a reader may see a new `begun` with an older `begun_at`: figures for people. After its death
//! the page is at rest. A text that is being written at each of a reader's looks, or whose writer died in the middle, is
//! `None`; of two that are written at the same time one is dropped.
//!
//! # Rules
//! The sidecar trusts nothing in here: a worker can write any bits. The size is sealed, so it cannot fault. Later
//! versions only add fields, so that a page of any version can be attached.
//! Writing is async-signal-safe: atomics only, no allocation.
//! Sources: memfd_create(2), fcntl(2) "File Sealing".

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

use crate::sys::{self, Mapping};

/// Size of the page in bytes.
pub const PAGE_BYTES: usize = 4096;
/// First bytes of the page: "RDSL".
pub const MAGIC: u32 = u32::from_le_bytes(*b"RDSL");
/// The layout in the table above.
pub const VERSION: u32 = 3;
/// How many requests can be at a worker at a time.
pub const CLAIMS: usize = 64;

const OFFERED: u64 = 1;
const STARTED: u64 = 2;
const RECALLED: u64 = 3;

/// How often a reader looks again at a text that is being written.
const LOOKS: usize = 64;
const PAUSED: u32 = 1;
const BLIND: u32 = 2;

#[repr(C)]
struct Layout {
    magic: AtomicU32,
    version: AtomicU32,
    begun: AtomicU64,
    begun_at: AtomicU64,
    answered: AtomicU64,
    served: AtomicU64,
    alive: AtomicU64,
    alive_at: AtomicU64,
    progress: AtomicU64,
    progress_at: AtomicU64,
    cpu_used: AtomicU64,
    cpu_over: AtomicU64,
    phase: AtomicU32,
    waiting: AtomicU32,
    flags: AtomicU32,
    zero: AtomicU32,
    busy_since: AtomicU64,
    progressed_at: AtomicU64,
    deadline: AtomicU64,
    place_at: AtomicU64,
    thrown_at: AtomicU64,
    what: Text<248>,
    status: Text<248>,
    place: Text<376>,
    fatal: Text<1016>,
    thrown: Text<1016>,
    claims: [AtomicU64; CLAIMS],
}

const _: () = assert!(offset_of!(Layout, claims) == 3088);
const _: () = assert!(size_of::<Layout>() == 3600 && size_of::<Layout>() <= PAGE_BYTES);
const _: () = assert!(align_of::<Layout>() == 8);
const _: () = assert!(offset_of!(Layout, alive) == 40 && offset_of!(Layout, phase) == 88);
const _: () = assert!(offset_of!(Layout, busy_since) == 104 && offset_of!(Layout, what) == 144);
const _: () = assert!(offset_of!(Layout, place) == 656 && offset_of!(Layout, fatal) == 1040);

/// A text that one process writes and another reads.
#[repr(C, align(4))]
struct Text<const BYTES: usize> {
    sequence: AtomicU32,
    length: AtomicU32,
    bytes: [AtomicU8; BYTES],
}

impl<const BYTES: usize> Text<BYTES> {
    /// Writes the parts one after the other; what does not fit is cut off. Does nothing while another thread writes.
    fn write(&self, parts: &[&[u8]]) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        let odd = sequence | 1;
        // SYNC: a second writer finds it odd; pairs with the loads in `read`.
        if sequence == odd
            || self.sequence.compare_exchange(sequence, odd, Ordering::Acquire, Ordering::Relaxed).is_err()
        {
            return;
        }
        fence(Ordering::Release);
        let mut length = 0;
        let given = parts.iter().flat_map(|part| part.iter());
        for (place, byte) in self.bytes.iter().zip(given) {
            place.store(*byte, Ordering::Relaxed);
            length += 1;
        }
        self.length.store(length, Ordering::Relaxed);
        // SYNC: pairs with the Acquire in `read`: who sees the even number sees the text.
        self.sequence.store(odd.wrapping_add(1), Ordering::Release);
    }

    /// `None`: it was being written at every look.
    fn read(&self) -> Option<Vec<u8>> {
        for _ in 0..LOOKS {
            // SYNC: pairs with the stores in `write`.
            let before = self.sequence.load(Ordering::Acquire);
            if before & 1 == 1 {
                std::hint::spin_loop();
                continue;
            }
            let length = self.length.load(Ordering::Relaxed) as usize;
            let text = self.bytes.iter().take(length).map(|byte| byte.load(Ordering::Relaxed)).collect();
            fence(Ordering::Acquire);
            if self.sequence.load(Ordering::Relaxed) == before {
                return Some(text);
            }
        }
        None
    }

    fn read_string(&self) -> Option<String> {
        let text = self.read().filter(|text| !text.is_empty())?;
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

/// The word by which one request is begun or taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its number, below [`CLAIMS`].
    pub word: u8,
    /// The request's number.
    pub sequence: u64,
}

impl Claim {
    fn in_state(self, state: u64) -> u64 {
        self.sequence << 2 | state
    }
}

/// A mapped slot page.
#[derive(Debug)]
pub struct SlotPage {
    mapping: Mapping,
}

/// What a worker is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It has not said yet; a worker of version 1 never does.
    #[default]
    Nothing,
    /// In `run()` or `tick()`, or between two `tick()`s, without a request.
    Idle,
    /// A request is in hand.
    Busy,
    /// In a loop of its own, between two jobs.
    OwnIdle,
    /// In a loop of its own, since `busy()`.
    OwnBusy,
}

impl Phase {
    fn from_page(number: u32) -> Self {
        match number {
            1 => Self::Idle,
            2 => Self::Busy,
            3 => Self::OwnIdle,
            4 => Self::OwnBusy,
            _ => Self::Nothing,
        }
    }

    fn to_page(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Idle => 1,
            Self::Busy => 2,
            Self::OwnIdle => 3,
            Self::OwnBusy => 4,
        }
    }

    /// Whether something is in hand.
    #[must_use]
    pub fn is_busy(self) -> bool {
        matches!(self, Self::Busy | Self::OwnBusy)
    }
}

/// A blocking call of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Call {
    /// `Worker::run()` or `tick()`, and the gate.
    Loop = 1,
    /// `Worker::sleep()`, and being held by a pause.
    Sleep = 2,
    /// `Signal::wait()`.
    Wait = 3,
    /// `Process::wait()` and `terminate()`.
    Process = 4,
    /// `Lock::acquire()`.
    Lock = 5,
    /// `Channel::receive()`, and a loop over a channel.
    Receive = 6,
    /// `Channel::send()`.
    Send = 7,
    /// `Channel::close()`.
    Close = 8,
}

impl Call {
    fn from_page(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Loop),
            2 => Some(Self::Sleep),
            3 => Some(Self::Wait),
            4 => Some(Self::Process),
            5 => Some(Self::Lock),
            6 => Some(Self::Receive),
            7 => Some(Self::Send),
            8 => Some(Self::Close),
            _ => None,
        }
    }

    /// Its name, as PHP code has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loop => "Worker::run()",
            Self::Sleep => "Worker::sleep()",
            Self::Wait => "Signal::wait()",
            Self::Process => "Process::wait()",
            Self::Lock => "Lock::acquire()",
            Self::Receive => "Channel::receive()",
            Self::Send => "Channel::send()",
            Self::Close => "Channel::close()",
        }
    }
}

/// What a page says at one moment. Times are on `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// The sequence of the request begun last, 0: none yet.
    pub begun: u64,
    /// When the request in hand was begun; `None`: none is.
    pub in_hand_since: Option<Duration>,
    /// Requests answered since the worker booted.
    pub served: u64,
    /// How often the pulse has beaten.
    pub beats: u64,
    /// When it did last; `None`: never yet.
    pub alive_at: Option<Duration>,
    /// How many beats the virtual machine has not answered. Figures only while it is busy and not in a call of ours.
    pub unanswered: u64,
    /// When the virtual machine answered last.
    pub progress_at: Option<Duration>,
    /// For how long of the last two beats the main thread ran or waited for a CPU, and how long these took.
    pub cpu: Option<(Duration, Duration)>,
    /// What the worker is in.
    pub phase: Phase,
    /// Which blocking call of ours it is in.
    pub waiting: Option<Call>,
    /// It has acknowledged a pause.
    pub paused: bool,
    /// Nobody answers beats: the interrupt hook does not run.
    pub blind: bool,
    /// Since when something is in hand; `None`: nothing is.
    pub busy_since: Option<Duration>,
    /// The last `Worker::progress()` since then.
    pub progressed_at: Option<Duration>,
    /// The deadline that `Worker::busy()` was given.
    pub deadline: Option<Duration>,
    /// When the place was found.
    pub place_at: Option<Duration>,
}

/// A fatal error or an exception, as the worker noted it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Of an exception.
    pub class: Option<String>,
    /// What it says, cut where it was too long.
    pub message: String,
    /// Where.
    pub file: String,
    /// Where.
    pub line: u32,
    /// When an exception was thrown, on `CLOCK_MONOTONIC`.
    pub at: Option<Duration>,
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

    /// Maps the page that a sidecar made, of any version.
    ///
    /// # Errors
    /// `InvalidInput`: not sealed, of another size, without the magic number, or of version 0.
    pub fn attach(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let page = Self { mapping: Mapping::of_sealed(fd, PAGE_BYTES)? };
        let layout = page.layout();
        let (magic, version) = (layout.magic.load(Ordering::Relaxed), layout.version.load(Ordering::Relaxed));
        if magic != MAGIC || version == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a slot page"));
        }
        Ok(page)
    }

    // ---- the worker's side

    /// Worker: a request for `method` is in hand.
    pub fn begin(&self, sequence: u64, method: &[u8], now: Duration) {
        let layout = self.layout();
        layout.begun_at.store(nanoseconds(now), Ordering::Relaxed);
        // SYNC: pairs with the Acquire in `observe`: who sees the number sees its start.
        layout.begun.store(sequence, Ordering::Release);
        self.busy(Phase::Busy, method, None, now);
    }

    /// Worker: takes a request that it has been sent, to begin it now. False: it has been taken back.
    #[must_use]
    pub fn claim(&self, claim: Claim) -> bool {
        self.swap(claim, STARTED)
    }

    /// Worker: whether a request that it has been sent has been taken back.
    #[must_use]
    pub fn is_recalled(&self, claim: Claim) -> bool {
        self.word(claim).is_none_or(|word| word.load(Ordering::Relaxed) != claim.in_state(OFFERED))
    }

    fn swap(&self, claim: Claim, to: u64) -> bool {
        let Some(word) = self.word(claim) else { return false };
        // SYNC: one of worker and sidecar wins; what follows is the winner's alone.
        let (from, to) = (claim.in_state(OFFERED), claim.in_state(to));
        word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn word(&self, claim: Claim) -> Option<&AtomicU64> {
        self.layout().claims.get(usize::from(claim.word))
    }

    /// Worker: that request is answered.
    pub fn end(&self) {
        let layout = self.layout();
        layout.served.fetch_add(1, Ordering::Relaxed);
        layout.phase.store(Phase::Idle.to_page(), Ordering::Release);
        layout.answered.store(layout.begun.load(Ordering::Relaxed), Ordering::Release);
    }

    /// Worker: something is in hand from now on. Beats that nobody answered before are forgiven.
    pub fn busy(&self, phase: Phase, what: &[u8], deadline: Option<Duration>, now: Duration) {
        let layout = self.layout();
        layout.what.write(&[what]);
        layout.status.write(&[]);
        layout.progressed_at.store(0, Ordering::Relaxed);
        layout.deadline.store(deadline.map_or(0, nanoseconds), Ordering::Relaxed);
        layout.busy_since.store(nanoseconds(now), Ordering::Relaxed);
        self.forgive();
        // SYNC: pairs with the Acquire in `observe`; SeqCst for the pulse, see there.
        layout.phase.store(phase.to_page(), Ordering::SeqCst);
    }

    /// Worker: another text and deadline for what is in hand.
    pub fn relabel(&self, what: &[u8], deadline: Option<Duration>) {
        let layout = self.layout();
        layout.what.write(&[what]);
        layout.deadline.store(deadline.map_or(0, nanoseconds), Ordering::Relaxed);
    }

    /// Worker: it is in `phase`, with nothing in hand.
    pub fn idle(&self, phase: Phase) {
        self.layout().phase.store(phase.to_page(), Ordering::Release);
    }

    /// Worker: what it is in.
    #[must_use]
    pub fn phase(&self) -> Phase {
        Phase::from_page(self.layout().phase.load(Ordering::SeqCst))
    }

    /// Worker, and sidecar after its end: what is in hand in a loop of its own, and its deadline.
    #[must_use]
    pub fn job(&self) -> Option<(String, Option<Duration>)> {
        let busy = self.phase() == Phase::OwnBusy;
        busy.then(|| (self.what().unwrap_or_default(), time(&self.layout().deadline)))
    }

    /// Worker: what is in hand goes on; with what it says about that.
    pub fn progressed(&self, status: Option<&[u8]>, now: Duration) {
        let layout = self.layout();
        if let Some(status) = status {
            layout.status.write(&[status]);
        }
        layout.progressed_at.store(nanoseconds(now), Ordering::Relaxed);
    }

    /// Worker: it is in a blocking call of ours.
    pub fn waits(&self, call: Call) {
        self.layout().waiting.store(call as u32, Ordering::Relaxed);
    }

    /// Worker: it has left that call.
    pub fn woke(&self) {
        self.forgive();
        self.layout().waiting.store(0, Ordering::Release);
    }

    /// Worker: whether it is in a blocking call of ours.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.layout().waiting.load(Ordering::Relaxed) != 0
    }

    /// Worker: it serves nothing, or serves again.
    pub fn pause(&self, paused: bool) {
        self.flag(PAUSED, paused);
    }

    /// Worker: nobody answers beats, or somebody does.
    pub fn blind(&self, blind: bool) {
        self.flag(BLIND, blind);
    }

    fn flag(&self, flag: u32, on: bool) {
        let flags = &self.layout().flags;
        if on {
            flags.fetch_or(flag, Ordering::Relaxed)
        } else {
            flags.fetch_and(!flag, Ordering::Relaxed)
        };
    }

    /// Pulse: one more beat, and for how long of the last two the main thread wanted a CPU. The beat's number.
    pub fn beat(&self, now: Duration, cpu: Option<(Duration, Duration)>) -> u64 {
        let layout = self.layout();
        if let Some((used, over)) = cpu {
            layout.cpu_used.store(nanoseconds(used), Ordering::Relaxed);
            layout.cpu_over.store(nanoseconds(over), Ordering::Relaxed);
        }
        layout.alive_at.store(nanoseconds(now), Ordering::Relaxed);
        layout.alive.fetch_add(1, Ordering::Release).wrapping_add(1)
    }

    /// Worker: the virtual machine answers the last beat; where it is.
    pub fn answer(&self, place: &[u8], now: Duration) {
        let layout = self.layout();
        layout.progress_at.store(nanoseconds(now), Ordering::Relaxed);
        self.forgive();
        self.found(place, now);
    }

    /// Pulse: where PHP is; empty: not known.
    pub fn found(&self, place: &[u8], now: Duration) {
        self.layout().place.write(&[place]);
        self.layout().place_at.store(nanoseconds(now), Ordering::Release);
    }

    fn forgive(&self) {
        let layout = self.layout();
        layout.progress.store(layout.alive.load(Ordering::Acquire), Ordering::Relaxed);
    }

    /// Worker: a fatal error.
    pub fn fatal(&self, message: &[u8], file: &[u8], line: u32) {
        let mut digits = [0; 10];
        self.layout().fatal.write(&[file, b"\0", decimal(line, &mut digits), b"\0\0", message]);
    }

    /// Worker: whether a fatal error is noted.
    #[must_use]
    pub fn has_fatal(&self) -> bool {
        self.layout().fatal.length.load(Ordering::Relaxed) != 0
    }

    /// Worker: the script has gone on after it.
    #[cold]
    pub fn forget_fatal(&self) {
        self.layout().fatal.write(&[]);
    }

    /// Worker: an exception is thrown.
    pub fn thrown(&self, class: &[u8], message: &[u8], file: &[u8], line: u32, now: Duration) {
        let mut digits = [0; 10];
        let class = class.split(|byte| *byte == 0).next().unwrap_or_default(); // an anonymous class has a NUL in its name
        let layout = self.layout();
        layout.thrown_at.store(nanoseconds(now), Ordering::Relaxed);
        layout.thrown.write(&[file, b"\0", decimal(line, &mut digits), b"\0", class, b"\0", message]);
    }

    // ---- the sidecar's side

    /// Sidecar: a request that is about to be sent. Its word is no other request's.
    pub fn offer(&self, claim: Claim) {
        if let Some(word) = self.word(claim) {
            // SYNC: before the frame, whose write and read order it for the worker.
            word.store(claim.in_state(OFFERED), Ordering::Release);
        }
    }

    /// Sidecar: takes a request back. False: the worker has begun it, or has written nonsense.
    #[must_use]
    pub fn recall(&self, claim: Claim) -> bool {
        self.swap(claim, RECALLED)
    }

    /// Sidecar: the sequences of all requests that the worker has begun, as far as their words have not been used again.
    #[must_use]
    pub fn started(&self) -> Vec<u64> {
        let words = self.layout().claims.iter().map(|word| word.load(Ordering::Acquire));
        words.filter(|word| word & 3 == STARTED).map(|word| word >> 2).collect()
    }

    /// Sidecar: what the page says now, without its texts.
    #[must_use]
    pub fn observe(&self) -> Observation {
        let layout = self.layout();
        // SYNC: pairs with the Release in `begin`.
        let begun = layout.begun.load(Ordering::Acquire);
        let begun_at = Duration::from_nanos(layout.begun_at.load(Ordering::Relaxed));
        let in_hand = begun != layout.answered.load(Ordering::Acquire);
        // SYNC: pairs with the stores in `busy` and `idle`.
        let phase = Phase::from_page(layout.phase.load(Ordering::Acquire));
        // Answers are stored after the beat that they answer: read first, so that none is missed.
        let progress = layout.progress.load(Ordering::Acquire);
        let beats = layout.alive.load(Ordering::Acquire);
        let flags = layout.flags.load(Ordering::Relaxed);
        let cpu = (time(&layout.cpu_used).unwrap_or_default(), time(&layout.cpu_over));
        Observation {
            begun,
            in_hand_since: in_hand.then_some(begun_at),
            served: layout.served.load(Ordering::Relaxed),
            beats,
            alive_at: time(&layout.alive_at),
            unanswered: beats.saturating_sub(progress),
            progress_at: time(&layout.progress_at),
            cpu: cpu.1.map(|over| (cpu.0, over)),
            phase,
            waiting: Call::from_page(layout.waiting.load(Ordering::Acquire)),
            paused: flags & PAUSED != 0,
            blind: flags & BLIND != 0,
            busy_since: time(&layout.busy_since).filter(|_| phase.is_busy()),
            progressed_at: time(&layout.progressed_at).filter(|_| phase.is_busy()),
            deadline: time(&layout.deadline).filter(|_| phase.is_busy()),
            place_at: time(&layout.place_at),
        }
    }

    /// Sidecar: what is or was in hand.
    #[must_use]
    pub fn what(&self) -> Option<String> {
        self.layout().what.read_string()
    }

    /// Sidecar: what `Worker::progress()` said of it last.
    #[must_use]
    pub fn status(&self) -> Option<String> {
        self.layout().status.read_string()
    }

    /// Sidecar: where PHP was at [`Observation::place_at`].
    #[must_use]
    pub fn place(&self) -> Option<String> {
        self.layout().place.read_string()
    }

    /// Sidecar: the fatal error that the worker has met, if any.
    #[must_use]
    pub fn fatal_error(&self) -> Option<Failure> {
        failure(&self.layout().fatal.read()?, None)
    }

    /// Sidecar: the exception that was thrown last, caught or not.
    #[must_use]
    pub fn last_exception(&self) -> Option<Failure> {
        let text = self.layout().thrown.read()?;
        failure(&text, time(&self.layout().thrown_at))
    }

    fn layout(&self) -> &Layout {
        // SAFETY: page-aligned, PAGE_BYTES long for the mapping's whole life (sealed), and made of atomics only,
        // for which every bit pattern is valid and concurrent writes by the other process are allowed.
        unsafe { &*self.mapping.as_ptr().cast::<Layout>() }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn time(field: &AtomicU64) -> Option<Duration> {
    Some(field.load(Ordering::Relaxed)).filter(|at| *at != 0).map(Duration::from_nanos)
}

/// A number's digits, without an allocation.
pub fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut from = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        from -= 1;
        if number == 0 {
            break;
        }
    }
    digits.get(from..).unwrap_or_default()
}

fn failure(text: &[u8], at: Option<Duration>) -> Option<Failure> {
    let mut parts = text.splitn(4, |byte| *byte == 0);
    let mut next = || parts.next().map(|part| String::from_utf8_lossy(part).into_owned());
    let (file, line, class, message) = (next()?, next()?, next()?, next()?);
    let class = Some(class).filter(|class| !class.is_empty());
    let message = message.replace('\0', " "); // the name of an anonymous class
    Some(Failure { class, message, file, line: line.parse().unwrap_or_default(), at })
}

#[cfg(test)]
mod tests;
