//! The pulse: a native thread that says four times a second that the process lives, asks the virtual machine whether it
//! runs, and finds out where it stands when it does not answer.
//!
//! # How it works
//! Started when a supervised worker becomes busy for the first time. Each beat counts up on the slot page, notes how long the
//! main thread has wanted a CPU, and asks: a flag of ours, then `EG(vm_interrupt)`. At its next safe point the
//! virtual machine answers ([`answer`]) and notes the line it is at. A beat that was not answered by the next one means
//! that PHP is inside a native function: its name, and the line that called it, are then read from outside.
//! After one whole period without work the thread sleeps until there is some: an idle worker costs nothing.
//!
//! # No lost wake-up
//! The thread says that it sleeps, then looks for work once more; who becomes busy says so, then looks whether the thread
//! sleeps. Both in the one order of all SeqCst operations: at least one of the two sees the other. Only who finds it
//! asleep makes a system call.
//!
//! # Reading a running virtual machine
//! By process_vm_readv(2) on our own process: a pointer that leads nowhere is an error there, not a fault. What was read
//! counts only when the virtual machine still stands in the same frame afterwards and has not answered. Where the call is
//! not permitted (seccomp) there is no name.
//!
//! # Fork, end
//! A forked child has no such thread: it forgets thread and page ([`in_child`]). [`stop`] wakes and joins it: a thread must
//! not outlive the library whose code it runs.
//!
//! # Rules
//! The thread never allocates, never calls PHP or touches its memory, and blocks all signals (by pthread_sigmask(3), which
//! leaves out glibc's own two: setgid(2) needs them).
//! Sources: DESIGN 2.2; Linux Documentation/scheduler/sched-stats.rst (/proc/PID/schedstat); futex(2), process_vm_readv(2), pthread_getcpuclockid(3); php-src Zend/zend_compile.h.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, IntoRawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::audit::OwnThread;
use crate::slot::{SlotPage, decimal};
use crate::{audit, signal, sys};

/// Between two beats.
pub const PERIOD: Duration = Duration::from_millis(250);
/// How many beats without an answer mean that the virtual machine does not run.
pub const UNANSWERED: u64 = 2;

/// A small stack; where static thread-local storage, which lies in it, leaves too little of it, the usual one is taken.
const STACK_BYTES: usize = 64 * 1024;
/// How many frames are looked at for one that is PHP code.
const DEPTH: usize = 64;
/// A name or path that claims to be longer is none.
const LONGEST_BYTES: usize = 64 * 1024;

/// No thread; [`Heart::busy`] starts one.
const NONE: u32 = 0;
const BEATING: u32 = 1;
const SLEEPING: u32 = 2;
const STOPPING: u32 = 3;
/// No thread could be made.
const FAILED: u32 = 4;

static HEART: Heart = Heart::new(PERIOD, &ATTENTION);

/// What the interrupt hook looks at: bits [`ASKED`] and [`REPORTING`].
static ATTENTION: AtomicU32 = AtomicU32::new(0);
/// A beat waits for an answer.
const ASKED: u32 = 1;
/// See [`set_reporting`].
const REPORTING: u32 = 2;

/// Where the parts of the virtual machine's frames lie: an address, and offsets in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    /// Address of the pointer to the current frame.
    pub current: usize,
    /// In a frame: pointer to its function.
    pub function: usize,
    /// In a frame: pointer to the instruction.
    pub instruction: usize,
    /// In a frame: pointer to its caller's.
    pub previous: usize,
    /// In a function: one byte, its kind.
    pub kind: usize,
    /// The kind of a function that is not PHP code.
    pub native: u8,
    /// In a function: pointer to its name, null for a file's own code.
    pub name: usize,
    /// In a function: pointer to its class, null for none.
    pub class: usize,
    /// In a class: pointer to its name.
    pub class_name: usize,
    /// In a function that is PHP code: pointer to its file's name.
    pub file: usize,
    /// In an instruction: the line, 32 bits.
    pub line: usize,
    /// In a string: its length.
    pub length: usize,
    /// In a string: its bytes.
    pub bytes: usize,
}

/// From now on [`busy`] beats on this page, and asks through `interrupt`. The calling thread is the one that runs PHP.
/// Without `frames` nothing is found out about where PHP is.
///
/// # Safety
/// Whenever [`answer`] is called the frames are as `frames` says, and well-formed.
pub unsafe fn attach(page: &'static SlotPage, interrupt: &'static AtomicBool, frames: Option<Frames>) {
    HEART.attach(page, interrupt, frames);
}

/// The page that was attached; `None`: this process is no supervised worker.
#[must_use]
pub fn page() -> Option<&'static SlotPage> {
    HEART.page()
}

/// Nobody answers, or somebody does: whether beats ask.
pub fn set_blind(blind: bool) {
    HEART.blind.store(blind, Ordering::Relaxed);
    if let Some(page) = page() {
        page.blind(blind);
    }
}

/// There is work, as the page says already: the thread is started, or woken if it sleeps.
pub fn busy() {
    HEART.busy();
}

/// Whether the interrupt hook has anything to do besides calling handlers of signals: one atomic load for all of it.
#[inline(always)] // at each signal
#[must_use]
pub fn attention() -> bool {
    ATTENTION.load(Ordering::Relaxed) != 0
}

/// Whether a beat waits for an answer.
#[must_use]
pub fn asked() -> bool {
    ATTENTION.load(Ordering::Relaxed) & ASKED != 0
}

/// Asks as a beat does, but by nothing else than the flag: for a check whether the hook runs.
pub fn ask() {
    ATTENTION.fetch_or(ASKED, Ordering::Relaxed);
}

/// Whether the hook has to report signals to somebody before it calls handlers: it shares the word that is looked at.
pub fn set_reporting(reporting: bool) {
    match reporting {
        true => ATTENTION.fetch_or(REPORTING, Ordering::Relaxed),
        false => ATTENTION.fetch_and(!REPORTING, Ordering::Relaxed),
    };
}

/// See [`set_reporting`].
#[must_use]
pub fn is_reporting() -> bool {
    ATTENTION.load(Ordering::Relaxed) & REPORTING != 0
}

/// The virtual machine runs; where. Only on the thread that runs PHP.
#[cold]
#[inline(never)] // away from the path of a signal
pub fn answer() {
    HEART.answer();
}

/// Ends the thread and forgets the page.
///
/// # Blocking
/// Until the thread has ended, which it does at once.
pub fn stop() {
    HEART.stop();
}

/// In a forked child: thread and page are the parent's.
///
/// # Signal safety
/// Stores atomics and closes a descriptor.
#[unsafe(link_section = "rustdaemon.child")]
pub fn in_child() {
    HEART.in_child();
}

struct Heart {
    period: Duration,
    state: AtomicU32,
    thread: AtomicU64,
    own: Mutex<Option<OwnThread>>,
    page: AtomicPtr<SlotPage>,
    interrupt: AtomicPtr<AtomicBool>,
    /// The CPU clock of the thread that runs PHP.
    clock: AtomicU32,
    /// How often somebody has become busy.
    turns: AtomicU64,
    /// `/proc/self/schedstat`; -1: not open.
    schedule: AtomicI32,
    attention: &'static AtomicU32,
    blind: AtomicBool,
    frames: OnceLock<Frames>,
}

/// When, and how much CPU time the main thread had used by then, and how long it had waited for a CPU.
#[derive(Clone, Copy)]
struct Sample {
    at: Duration,
    cpu: Duration,
    queued: Option<Duration>,
}

impl Sample {
    /// How long the thread wanted a CPU since `before`, and how long that is ago. On a machine with more work than CPUs a
    /// loop gets its share only.
    fn since(self, before: Self) -> (Duration, Duration) {
        let queued = self.queued.zip(before.queued).map(|(now, before)| now.saturating_sub(before));
        let used = self.cpu.saturating_sub(before.cpu) + queued.unwrap_or_default();
        (used, self.at.saturating_sub(before.at))
    }
}

impl Heart {
    const fn new(period: Duration, attention: &'static AtomicU32) -> Self {
        Self {
            period,
            state: AtomicU32::new(NONE),
            thread: AtomicU64::new(0),
            own: Mutex::new(None),
            page: AtomicPtr::new(std::ptr::null_mut()),
            interrupt: AtomicPtr::new(std::ptr::null_mut()),
            clock: AtomicU32::new(0),
            turns: AtomicU64::new(0),
            schedule: AtomicI32::new(-1),
            attention,
            blind: AtomicBool::new(false),
            frames: OnceLock::new(),
        }
    }

    fn attach(&self, page: &'static SlotPage, interrupt: &'static AtomicBool, frames: Option<Frames>) {
        let mut clock = 0;
        // SAFETY: this thread, and a number of ours.
        if unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) } == 0 {
            self.clock.store(clock.cast_unsigned(), Ordering::Relaxed);
        }
        if let Some(frames) = frames {
            let _ = self.frames.set(frames); // the same for the life of the process
        }
        self.interrupt.store(std::ptr::from_ref(interrupt).cast_mut(), Ordering::Release);
        self.page.store(std::ptr::from_ref(page).cast_mut(), Ordering::Release);
    }

    fn page(&self) -> Option<&'static SlotPage> {
        // SAFETY: null, or what `attach` was given, which lives as long as the process.
        unsafe { self.page.load(Ordering::Acquire).as_ref() }
    }

    fn busy(&'static self) {
        self.turns.fetch_add(1, Ordering::SeqCst);
        // SYNC: pairs with the exchange and the loads in `sleep`.
        match self.state.load(Ordering::SeqCst) {
            SLEEPING => self.wake(),
            NONE => self.start(),
            _ => {}
        }
    }

    #[cold]
    fn wake(&self) {
        if self.state.compare_exchange(SLEEPING, BEATING, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            futex_wake(&self.state);
        }
    }

    #[cold]
    fn start(&'static self) {
        if self.page().is_none() {
            return;
        }
        self.state.store(BEATING, Ordering::SeqCst);
        // Above 2 also when the script has closed those: it may count on getting their numbers next.
        let schedule =
            std::fs::File::open("/proc/self/schedstat").and_then(|file| sys::duplicate(file.as_fd()));
        if let Ok(schedule) = schedule {
            self.schedule.store(schedule.into_raw_fd(), Ordering::Relaxed);
        }
        let mask = signal::block_all(); // inherited by the thread
        let made = self.spawn(Some(STACK_BYTES)) || self.spawn(None);
        signal::set_mask(mask);
        if !made {
            self.state.store(FAILED, Ordering::SeqCst);
        }
    }

    fn spawn(&'static self, stack: Option<usize>) -> bool {
        let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
        let mut thread = 0;
        // SAFETY: attributes that are initialised before their use and destroyed after it; the thread gets `self`, which
        // lives as long as the process.
        unsafe {
            if libc::pthread_attr_init(attributes.as_mut_ptr()) != 0 {
                return false;
            }
            let fits = stack
                .is_none_or(|bytes| libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), bytes) == 0);
            let this = std::ptr::from_ref(self).cast_mut().cast();
            let made = fits && libc::pthread_create(&raw mut thread, attributes.as_ptr(), beat_on, this) == 0;
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            if made {
                self.thread.store(thread, Ordering::Relaxed);
                self.own(Some(audit::own_thread(thread, c"rustdaemon-beat")));
            }
            made
        }
    }

    /// Only who starts and stops the thread looks at it, and is who forks: the lock is free in every child.
    fn own(&self, own: Option<OwnThread>) -> Option<OwnThread> {
        std::mem::replace(&mut *self.own.lock().unwrap_or_else(PoisonError::into_inner), own)
    }

    fn stop(&self) {
        // SYNC: whoever sleeps on the word is woken; the thread looks at it before each wait.
        let before = self.state.swap(STOPPING, Ordering::SeqCst);
        if matches!(before, BEATING | SLEEPING) {
            futex_wake(&self.state);
            // SAFETY: a thread that we have made and nobody has joined.
            unsafe { libc::pthread_join(self.thread.load(Ordering::Relaxed), std::ptr::null_mut()) };
            if let Some(own) = self.own(None) {
                own.has_ended();
            }
        }
        self.in_child(); // nothing is left of it
    }

    fn in_child(&self) {
        if self.state.load(Ordering::Relaxed) == NONE && self.page.load(Ordering::Relaxed).is_null() {
            return; // there was none: a page that is not written is not copied
        }
        let schedule = self.schedule.swap(-1, Ordering::Relaxed);
        if schedule >= 0 {
            // SAFETY: ours alone; nobody else closes it.
            unsafe { libc::close(schedule) };
        }
        self.page.store(std::ptr::null_mut(), Ordering::Release);
        self.attention.fetch_and(!ASKED, Ordering::Relaxed);
        self.blind.store(false, Ordering::Relaxed);
        self.state.store(NONE, Ordering::SeqCst);
    }

    fn answer(&self) {
        self.attention.fetch_and(!ASKED, Ordering::Relaxed);
        let Some(page) = self.page() else { return };
        // SAFETY: on the thread that runs PHP, at a safe point, the frames are those of live functions; by `attach`'s
        // contract they are where `frames` says.
        let place = self.frames.get().and_then(|frames| unsafe { locate(&Direct, frames) });
        page.answer(place.as_ref().map_or(&[], Place::as_bytes), sys::monotonic());
    }

    // ---- the thread

    fn run(&self) {
        let Some(page) = self.page() else { return };
        let mut samples = [None, self.sample()];
        loop {
            let turns = self.turns.load(Ordering::SeqCst);
            let next = sys::monotonic() + self.period;
            while sys::monotonic() < next {
                if self.state.load(Ordering::SeqCst) == STOPPING {
                    return;
                }
                futex_wait(&self.state, BEATING, Some(next));
            }
            let sample = self.sample();
            self.beat(page, samples.iter().flatten().next().copied(), sample);
            samples = [samples[1], sample];
            if self.is_idle(page, turns) {
                if !self.sleep(page, turns) {
                    return;
                }
                samples = [None, self.sample()];
            }
        }
    }

    /// Whether nothing was in hand since there had been so many turns.
    fn is_idle(&self, page: &SlotPage, turns: u64) -> bool {
        !page.phase().is_busy() && self.turns.load(Ordering::SeqCst) == turns
    }

    /// False: to be ended.
    fn sleep(&self, page: &SlotPage, turns: u64) -> bool {
        // SYNC: pairs with `busy`: see the module's text.
        let sleeps = self.state.compare_exchange(BEATING, SLEEPING, Ordering::SeqCst, Ordering::SeqCst);
        if sleeps.is_ok() && !self.is_idle(page, turns) {
            // Somebody became busy meanwhile, and wakes us as well or has seen us beat.
            let _ = self.state.compare_exchange(SLEEPING, BEATING, Ordering::SeqCst, Ordering::SeqCst);
        }
        while self.state.load(Ordering::SeqCst) == SLEEPING {
            futex_wait(&self.state, SLEEPING, None);
        }
        self.state.load(Ordering::SeqCst) == BEATING
    }

    fn beat(&self, page: &SlotPage, before: Option<Sample>, now: Option<Sample>) {
        let at = now.map_or_else(sys::monotonic, |sample| sample.at);
        let cpu = before.zip(now).map(|(before, now)| now.since(before));
        page.beat(at, cpu);
        let asks = page.phase().is_busy() && !page.is_waiting() && !self.blind.load(Ordering::Relaxed);
        if !asks {
            return;
        }
        if page.observe().unanswered >= UNANSWERED {
            self.look_from_outside(page, at);
        }
        self.attention.fetch_or(ASKED, Ordering::Relaxed);
        // SAFETY: what `attach` was given, before the thread was made.
        if let Some(interrupt) = unsafe { self.interrupt.load(Ordering::Acquire).as_ref() } {
            interrupt.store(true, Ordering::SeqCst);
        }
    }

    fn look_from_outside(&self, page: &SlotPage, now: Duration) {
        let Some(frames) = self.frames.get() else { return };
        // SAFETY: `Outside` reads any address without a fault.
        let (place, frame) = unsafe { (locate(&Outside, frames), word(&Outside, frames.current)) };
        let place = place.filter(|place| Some(place.frame) == frame);
        if page.observe().unanswered >= UNANSWERED {
            page.found(place.as_ref().map_or(&[], Place::as_bytes), now);
        }
    }

    fn sample(&self) -> Option<Sample> {
        let clock = self.clock.load(Ordering::Relaxed).cast_signed();
        let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: a struct of ours; a clock that is not there is an error.
        if clock == 0 || unsafe { libc::clock_gettime(clock, &raw mut used) } != 0 {
            return None;
        }
        let cpu =
            Duration::new(u64::try_from(used.tv_sec).ok()?, u32::try_from(used.tv_nsec).unwrap_or_default());
        Some(Sample { at: sys::monotonic(), cpu, queued: self.queued() })
    }

    /// How long the process's first thread has waited for a CPU so far, as the second number of the file says.
    fn queued(&self) -> Option<Duration> {
        let (mut text, schedule) = ([0_u8; 64], self.schedule.load(Ordering::Relaxed));
        // SAFETY: a buffer of ours; a number that is not open is an error.
        let length = unsafe { libc::pread(schedule, text.as_mut_ptr().cast(), text.len(), 0) };
        let text = text.get(..usize::try_from(length).ok()?)?;
        let number = text.split(|byte| *byte == b' ').nth(1)?;
        std::str::from_utf8(number).ok()?.parse().ok().map(Duration::from_nanos)
    }
}

extern "C" fn beat_on(heart: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: what `spawn` gave us, which lives as long as the process.
    unsafe {
        if let Some(heart) = heart.cast::<Heart>().as_ref() {
            heart.run();
        }
    }
    std::ptr::null_mut()
}

/// Sleeps as long as the word has this value, at most until `until` on `CLOCK_MONOTONIC`. May return early.
fn futex_wait(word: &AtomicU32, value: u32, until: Option<Duration>) {
    let until = until.map(|until| libc::timespec {
        tv_sec: libc::time_t::try_from(until.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: until.subsec_nanos().into(),
    });
    let until = until.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let operation = libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG;
    let nobody = std::ptr::null::<u32>();
    // SAFETY: a word that outlives the call, null or a time of ours.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            operation,
            value,
            until,
            nobody,
            libc::FUTEX_BITSET_MATCH_ANY,
        );
    }
}

fn futex_wake(word: &AtomicU32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: a word of ours; nothing is read or written there.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, 1) };
}

// ---- where PHP is

/// `function() at file:line`, or `file:line`; and the frame on top.
struct Place {
    bytes: [u8; 376],
    length: usize,
    frame: usize,
}

impl Place {
    fn new(frame: usize) -> Self {
        Self { bytes: [0; 376], length: 0, frame }
    }

    fn push(&mut self, text: &[u8]) {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        for (place, byte) in room.iter_mut().zip(text) {
            *place = *byte;
            self.length += 1;
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Memory of this process.
trait Memory {
    /// Fills `to` from `address`; false: it cannot be read.
    ///
    /// # Safety
    /// As the implementation says.
    unsafe fn read(&self, address: usize, to: &mut [u8]) -> bool;
}

/// Plain loads: every address must be that of live memory which nobody changes.
struct Direct;

impl Memory for Direct {
    unsafe fn read(&self, address: usize, to: &mut [u8]) -> bool {
        let from = std::ptr::with_exposed_provenance::<u8>(address);
        // SAFETY: as the caller promises.
        unsafe { std::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
        true
    }
}

/// By system call: any address is safe.
struct Outside;

impl Memory for Outside {
    unsafe fn read(&self, address: usize, to: &mut [u8]) -> bool {
        let local = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
        let remote =
            libc::iovec { iov_base: std::ptr::with_exposed_provenance_mut(address), iov_len: to.len() };
        // SAFETY: our own buffer is written; the other address is only the kernel's to look at.
        let read =
            unsafe { libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0) };
        usize::try_from(read) == Ok(to.len())
    }
}

/// # Safety
/// As `memory` says.
unsafe fn word(memory: &impl Memory, address: usize) -> Option<usize> {
    let mut bytes = [0; size_of::<usize>()];
    // SAFETY: as the caller promises.
    unsafe { memory.read(address, &mut bytes) }.then(|| usize::from_ne_bytes(bytes))
}

/// Reads a string whose pointer lies at `address` into `room`: its end, when it is longer. Empty for null.
///
/// # Safety
/// As `memory` says.
unsafe fn string<'a>(
    memory: &impl Memory,
    frames: &Frames,
    address: usize,
    room: &'a mut [u8],
) -> Option<&'a [u8]> {
    // SAFETY: as the caller promises.
    unsafe {
        let string = word(memory, address)?;
        if string == 0 {
            return Some(&[]);
        }
        let length = word(memory, string.wrapping_add(frames.length))?;
        if length > LONGEST_BYTES {
            return None;
        }
        let kept = length.min(room.len());
        let from = string.wrapping_add(frames.bytes).wrapping_add(length - kept);
        let room = room.get_mut(..kept)?;
        memory.read(from, room).then_some(room)
    }
}

/// Where the virtual machine is: its top function, and the nearest line of PHP code.
///
/// # Safety
/// As `memory` says.
unsafe fn locate(memory: &impl Memory, frames: &Frames) -> Option<Place> {
    // SAFETY: as the caller promises.
    unsafe {
        let mut frame = word(memory, frames.current)?;
        let mut place = Place::new(frame);
        for _ in 0..DEPTH {
            if frame == 0 {
                break;
            }
            let function = word(memory, frame.wrapping_add(frames.function))?;
            if function != 0 {
                if place.length == 0 {
                    name(memory, frames, function, &mut place)?;
                }
                let mut kind = [0];
                if !memory.read(function.wrapping_add(frames.kind), &mut kind) {
                    return None;
                }
                if kind != [frames.native] {
                    line(memory, frames, frame, function, &mut place)?;
                    return Some(place);
                }
            }
            frame = word(memory, frame.wrapping_add(frames.previous))?;
        }
        Some(place)
    }
}

/// # Safety
/// As `memory` says.
unsafe fn name(memory: &impl Memory, frames: &Frames, function: usize, place: &mut Place) -> Option<()> {
    let mut room = [0; 96];
    // SAFETY: as the caller promises.
    unsafe {
        let class = word(memory, function.wrapping_add(frames.class))?;
        let is_named = word(memory, function.wrapping_add(frames.name))? != 0;
        if class != 0 && is_named {
            let name = string(memory, frames, class.wrapping_add(frames.class_name), &mut room)?;
            place.push(name.split(|byte| *byte == 0).next().unwrap_or_default());
            place.push(b"::");
        }
        if is_named {
            place.push(string(memory, frames, function.wrapping_add(frames.name), &mut room)?);
            place.push(b"()");
        }
    }
    Some(())
}

/// # Safety
/// As `memory` says.
unsafe fn line(
    memory: &impl Memory,
    frames: &Frames,
    frame: usize,
    function: usize,
    place: &mut Place,
) -> Option<()> {
    let (mut room, mut number, mut digits) = ([0; 160], [0; 4], [0; 10]);
    // SAFETY: as the caller promises.
    unsafe {
        let file = string(memory, frames, function.wrapping_add(frames.file), &mut room)?;
        if place.length > 0 {
            place.push(b" at ");
        }
        place.push(file);
        let instruction = word(memory, frame.wrapping_add(frames.instruction))?;
        if instruction != 0 && memory.read(instruction.wrapping_add(frames.line), &mut number) {
            place.push(b":");
            place.push(decimal(u32::from_ne_bytes(number), &mut digits));
        }
    }
    Some(())
}

#[cfg(test)]
mod tests;
