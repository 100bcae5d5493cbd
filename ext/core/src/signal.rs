//! Capture of POSIX signals for a PHP process: dispositions, and the half that runs in handler context.
//!
//! # How it works
//! One thread owns the capture: the one that runs PHP. A captured signal becomes a [`Record`] in a bounded queue, in
//! the order of arrival, and the virtual machine is asked to look at its next safe point. Nothing of PHP runs here.
//!
//! # Correct order
//! Handler: the record, the stop flag, the request to the virtual machine, then the wake-ups. Reader: drain the wake-up,
//! then pop the records, then act.
//!
//! # Back-pressure
//! When the queue nears its end the handler adds the captured signals to the mask that the kernel restores when it
//! returns: from then on they stay queued in the kernel, where realtime signals are counted and refused to their sender
//! (`EAGAIN`) when there are too many. [`Capture::make_room`] gives the mask back. Stop signals are held back only when nothing is left. A signal that is delivered all the
//! same, to a foreign thread for instance, is handed to the owner thread with its siginfo (rt_tgsigqueueinfo(2)), where
//! it waits.
//!
//! # What may be lost
//! Nothing that the kernel delivered. Standard signals coalesce in the kernel, before us: of many that are pending at
//! one moment it keeps one. Only while the queue is full, a foreign thread takes the signal *and* the user's limit of
//! queued signals (`RLIMIT_SIGPENDING`) is exhausted for a whole second, a realtime signal cannot be kept anywhere:
//! [`lost`] counts it.
//!
//! # Threads
//! A signal that lands on a foreign native thread (grpc, a resolver) is recorded and wakes the owner through
//! [`wake_fd`]; that thread's mask is left alone. It does not end a system call that PHP is in.
//!
//! # Fork
//! A child by fork(2) has an empty queue, wake-ups of its own, keeps what was taken for [`Meaning::Handled`], and puts
//! back what was there before [`Meaning::Stop`] and [`Meaning::Noted`]: nobody in it
//! has promised to look. See [`crate::fork`].
//!
//! # Rules
//! Handler context: atomics, reading the siginfo, write(2), and for the signal that ends a process by force sigaction(2)
//! and kill(2). It leaves errno as it was. Nothing in here calls PHP.
//! Sources: signal-safety(7), sigaction(2), eventfd(2), rt_tgsigqueueinfo(2), pthreads(7).

use std::cell::UnsafeCell;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::record::{Queue, RECORDS, Record};
use crate::signo::{self, Set, bit};
use crate::sys;

/// Room that is kept for signals that are delivered although the owner's mask holds them back: to foreign threads, or
/// because somebody has changed the mask.
const RESERVE: u64 = 64;
/// Signals that a fault of the process itself raises: blocking them would only turn the fault into a silent kill.
const FAULTS: [i32; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];
/// One more than the highest signal number of Linux.
const NUMBERS: usize = 65;

static QUEUE: Queue = Queue::new();
static STARTED: AtomicBool = AtomicBool::new(false);
/// The owner as pthread_self(3) and as the kernel number it.
static OWNER: AtomicU64 = AtomicU64::new(0);
static OWNER_TID: AtomicI32 = AtomicI32::new(0);
/// Sets of signals: bit `number - 1`, as in the kernel's sigset.
static CAPTURED: AtomicU64 = AtomicU64::new(0);
/// Those that mean stop, and those that are recorded and mean nothing: a forked child has promised neither.
static STOPS: AtomicU64 = AtomicU64::new(0);
static NOTED: AtomicU64 = AtomicU64::new(0);
/// What back-pressure has added to the owner's mask.
static HELD: AtomicU64 = AtomicU64::new(0);
static STOP_SIGNAL: AtomicI32 = AtomicI32::new(0);
static STOP_COUNT: AtomicU32 = AtomicU32::new(0);
/// The stop signal of that number ends the process; 0: none does.
static FORCE_AT: AtomicU32 = AtomicU32::new(0);
static INTERRUPT: AtomicPtr<AtomicBool> = AtomicPtr::new(std::ptr::null_mut());
static WAKE_FD: AtomicI32 = AtomicI32::new(-1);
static STREAM_FD: AtomicI32 = AtomicI32::new(-1);
/// Whether they are readable already: one write for many signals.
static WAKE_READABLE: AtomicBool = AtomicBool::new(false);
static STREAM_READABLE: AtomicBool = AtomicBool::new(false);
static LOST: AtomicU64 = AtomicU64::new(0);
static TABLE: Table = Table(UnsafeCell::new([Entry { saved: None, put: Put::Nothing }; NUMBERS]));

/// What we have done to each signal. Touched by the owner thread only, and never in handler context.
struct Table(UnsafeCell<[Entry; NUMBERS]>);
// SAFETY: see above: one `Capture` exists, it cannot leave its thread, and a forked child has one thread.
unsafe impl Sync for Table {}

#[derive(Clone, Copy)]
struct Entry {
    /// The disposition that was there before the first change.
    saved: Option<libc::sigaction>,
    put: Put,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Put {
    Nothing,
    Handler,
    Ignore,
    Default,
}

/// Who has a signal now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// This capture.
    Ours,
    /// `SIG_DFL`.
    Default,
    /// `SIG_IGN`.
    Ignored,
    /// The handler that was there before ours: of PHP's own, for instance.
    Former,
    /// Another handler.
    Other,
}

/// What a captured signal means, besides being recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Whoever reads the records knows.
    Handled,
    /// It sets the stop flag at once.
    Stop,
    /// Nothing: it is only noted who sent it.
    Noted,
}

/// The process's capture; dropping it restores what was there before. Stays on the thread that made it.
#[derive(Debug)]
pub struct Capture {
    _wake: OwnedFd,
    stream: Option<OwnedFd>,
    /// How many records there had been before.
    began_at: u64,
    _owner: PhantomData<*const ()>,
}

impl Capture {
    /// Makes the calling thread the owner. `interrupt` is what asks the virtual machine to look.
    ///
    /// # Errors
    /// `AlreadyExists`: this process has a capture. `EMFILE`: no descriptor for the wake-up.
    pub fn start(interrupt: &'static AtomicBool) -> io::Result<Self> {
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let wake = match sys::event_fd() {
            Ok(wake) => wake,
            Err(error) => {
                STARTED.store(false, Ordering::SeqCst);
                return Err(error);
            }
        };
        own_by_this_thread();
        QUEUE.clear();
        forget_stop();
        LOST.store(0, Ordering::SeqCst);
        INTERRUPT.store(std::ptr::from_ref(interrupt).cast_mut(), Ordering::SeqCst);
        // SYNC: pairs with the load in `on_signal`; stored before the first handler can run.
        WAKE_FD.store(wake.as_raw_fd(), Ordering::SeqCst);
        Ok(Self { _wake: wake, stream: None, began_at: QUEUE.pushed(), _owner: PhantomData })
    }

    /// Captures a signal from now on, also when somebody else has taken it meanwhile.
    ///
    /// # Errors
    /// `EINVAL`: it cannot be caught.
    pub fn take(&mut self, number: i32, meaning: Meaning) -> io::Result<()> {
        // Meaning and membership are there before the first handler can run.
        mean(number, meaning);
        CAPTURED.fetch_or(bit(number), Ordering::SeqCst);
        self.put(number, Put::Handler).inspect_err(|_| forget(number))
    }

    /// Captures a signal again that has fallen back to its default. What [`Capture::release`] will restore stays as
    /// it was.
    ///
    /// # Errors
    /// `EINVAL`: it cannot be caught.
    pub fn retake(&mut self, number: i32) -> io::Result<()> {
        set_action(number, &action(Put::Handler)).map(drop)
    }

    /// Ignores a signal (`SIG_IGN`), which programs that are executed inherit.
    ///
    /// # Errors
    /// `EINVAL`: it cannot be ignored.
    pub fn ignore(&mut self, number: i32) -> io::Result<()> {
        self.put(number, Put::Ignore)
    }

    /// Gives a signal its default effect (`SIG_DFL`).
    ///
    /// # Errors
    /// `EINVAL`: it cannot be changed.
    pub fn default(&mut self, number: i32) -> io::Result<()> {
        self.put(number, Put::Default)
    }

    /// Puts back what was there before the first change, unless somebody else has changed it since.
    pub fn release(&mut self, number: i32) {
        release(number, Waits::Dropped);
    }

    /// Puts everything back in a forked child that is no continuation of its parent.
    pub fn leave_to_parent(self) {
        signo::numbers(Set::MAX).for_each(|number| release(number, Waits::Kept));
    }

    fn put(&mut self, number: i32, put: Put) -> io::Result<()> {
        let previous = set_action(number, &action(put))?;
        if put != Put::Handler {
            forget(number);
        }
        let Some(entry) = entry(number) else { return Ok(()) };
        let ours = entry.put != Put::Nothing && previous.sa_sigaction == action(entry.put).sa_sigaction;
        if !ours {
            entry.saved = Some(previous);
        }
        entry.put = put;
        Ok(())
    }

    /// Who has a signal now. Source: sigaction(2).
    #[must_use]
    pub fn holder(&self, number: i32) -> Holder {
        let Some(now) = current(number).map(|now| now.sa_sigaction) else { return Holder::Default };
        let former = entry(number).and_then(|entry| entry.saved).map(|saved| saved.sa_sigaction);
        match now {
            _ if now == handler() => Holder::Ours,
            libc::SIG_DFL => Holder::Default,
            libc::SIG_IGN => Holder::Ignored,
            _ if Some(now) == former => Holder::Former,
            _ => Holder::Other,
        }
    }

    /// Whether a signal is captured, as far as we know: [`Capture::holder`] asks the kernel.
    #[must_use]
    pub fn is_captured(&self, number: i32) -> bool {
        CAPTURED.load(Ordering::SeqCst) & bit(number) != 0
    }

    /// The stop signal of this number, counted from 1, ends the process at once, by itself, whatever PHP is in; 0:
    /// none does.
    pub fn force_at(&mut self, count: u32) {
        FORCE_AT.store(count, Ordering::SeqCst);
    }

    /// The oldest record that nobody has taken yet.
    pub fn pop(&mut self) -> Option<Record> {
        QUEUE.pop()
    }

    /// Gives back-pressure back once there is room again.
    pub fn make_room(&mut self) {
        if HELD.load(Ordering::SeqCst) != 0 && QUEUE.len() < RECORDS / 2 {
            give_mask_back();
        }
    }

    /// A descriptor for other people's event loops, readable from the first record on until
    /// [`Capture::drain_stream`].
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn stream_fd(&mut self) -> io::Result<BorrowedFd<'_>> {
        if self.stream.is_none() {
            let stream = sys::event_fd()?;
            // SYNC: pairs with the load in `wake`.
            STREAM_FD.store(stream.as_raw_fd(), Ordering::SeqCst);
            self.stream = Some(stream);
            if QUEUE.pushed() != self.began_at {
                wake(&STREAM_FD, &STREAM_READABLE); // what came before there was a stream, handled or not
            }
        }
        self.stream.as_ref().map(AsFd::as_fd).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Before the records are looked at by somebody who then acts on all of them.
    pub fn drain_stream(&mut self) {
        if let Some(stream) = &self.stream {
            drain(stream.as_fd());
            // SYNC: pairs with the swap in `wake`. A record that came before this store is in the queue, and
            // the caller looks there next; one that comes after it writes again.
            STREAM_READABLE.store(false, Ordering::SeqCst);
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        signo::numbers(Set::MAX).for_each(|number| release(number, Waits::Dropped));
        WAKE_FD.store(-1, Ordering::SeqCst);
        STREAM_FD.store(-1, Ordering::SeqCst);
        WAKE_READABLE.store(false, Ordering::SeqCst);
        STREAM_READABLE.store(false, Ordering::SeqCst);
        QUEUE.clear();
        self.make_room();
        forget_stop();
        FORCE_AT.store(0, Ordering::SeqCst);
        INTERRUPT.store(std::ptr::null_mut(), Ordering::SeqCst);
        STARTED.store(false, Ordering::SeqCst);
    }
}

/// How many signals could not be kept since the capture began; see the module's text.
#[must_use]
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Whether records wait: two atomic loads.
#[must_use]
pub fn waiting() -> bool {
    !QUEUE.is_empty()
}

/// Readable when a signal has landed on a foreign thread, until [`drain_wake`]. `None`: there is no capture. Not to be
/// kept: it is closed with the capture.
#[must_use]
pub fn wake_fd<'a>() -> Option<BorrowedFd<'a>> {
    let number = WAKE_FD.load(Ordering::SeqCst);
    // SAFETY: the capture's own descriptor, open as long as its number stands here.
    (number >= 0).then(|| unsafe { BorrowedFd::borrow_raw(number) })
}

/// Before the records are looked at.
pub fn drain_wake() {
    if WAKE_READABLE.load(Ordering::SeqCst)
        && let Some(wake) = wake_fd()
    {
        drain(wake);
        // SYNC: pairs with the swap in `wake`: see `Capture::drain_stream`.
        WAKE_READABLE.store(false, Ordering::SeqCst);
    }
}

/// The first stop signal that arrived, if any: one atomic load.
#[must_use]
pub fn stop_signal() -> Option<i32> {
    // SYNC: pairs with the compare-exchange in `on_signal`.
    Some(STOP_SIGNAL.load(Ordering::SeqCst)).filter(|number| *number != 0)
}

/// Blocks all signals of this thread; what was blocked before. `None`: they could not be blocked.
///
/// # Signal safety
/// pthread_sigmask(3) only.
#[must_use]
pub fn block_all() -> Option<Set> {
    // SAFETY: two sets of ours on the stack.
    unsafe {
        let (mut all, mut before) = (empty_set(), empty_set());
        libc::sigfillset(&raw mut all);
        let rc = libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        (rc == 0).then(|| *first_word(&raw mut before))
    }
}

/// Puts a mask back.
///
/// # Signal safety
/// pthread_sigmask(3) only.
#[unsafe(link_section = "rustdaemon.child")]
pub fn set_mask(mask: Option<Set>) {
    if let Some(mask) = mask {
        change_mask(libc::SIG_SETMASK, mask);
    }
}

/// Blocks one signal in this thread: the kernel keeps it.
pub fn block(number: i32) {
    change_mask(libc::SIG_BLOCK, bit(number));
}

/// Undoes [`block`].
pub fn unblock(number: i32) {
    change_mask(libc::SIG_UNBLOCK, bit(number));
}

#[unsafe(link_section = "rustdaemon.child")]
fn change_mask(how: i32, signals: u64) {
    // SAFETY: a set of ours on the stack.
    unsafe {
        let mut set = empty_set();
        *first_word(&raw mut set) = signals;
        libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut());
    }
}

/// In a forked child, all signals blocked: see *Fork* in the module's text. `mask` is what will be put back.
///
/// # Signal safety
/// System calls and atomics only.
#[unsafe(link_section = "rustdaemon.child")]
pub fn in_child(mask: &mut Option<Set>) {
    if !STARTED.load(Ordering::SeqCst) {
        return;
    }
    own_by_this_thread();
    QUEUE.clear();
    let held = HELD.swap(0, Ordering::SeqCst);
    if let Some(mask) = mask {
        *mask &= !held;
    }
    let meant = STOPS.load(Ordering::SeqCst) | NOTED.load(Ordering::SeqCst);
    signo::numbers(meant).for_each(|number| release(number, Waits::Kept));
    forget_stop();
    for place in [&WAKE_FD, &STREAM_FD] {
        renew(place.load(Ordering::SeqCst));
    }
    WAKE_READABLE.store(false, Ordering::SeqCst);
    STREAM_READABLE.store(false, Ordering::SeqCst);
    interrupt(); // the reader has things to forget
}

/// Puts a new eventfd behind a number, so that parent and child do not wake each other.
fn renew(number: i32) {
    if number < 0 {
        return;
    }
    // SAFETY: three system calls on numbers; `number` stays open, so its owner may close it.
    unsafe {
        let new = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
        if new >= 0 {
            libc::dup3(new, number, libc::O_CLOEXEC);
            libc::close(new);
        }
    }
}

#[cold]
fn give_mask_back() {
    change_mask(libc::SIG_UNBLOCK, HELD.swap(0, Ordering::SeqCst));
}

fn own_by_this_thread() {
    // SAFETY: no arguments, and they cannot fail.
    let (thread, tid) = unsafe { (libc::pthread_self(), libc::gettid()) };
    OWNER.store(thread, Ordering::SeqCst);
    OWNER_TID.store(tid, Ordering::SeqCst);
}

fn forget_stop() {
    STOP_SIGNAL.store(0, Ordering::SeqCst);
    STOP_COUNT.store(0, Ordering::SeqCst);
}

fn mean(number: i32, meaning: Meaning) {
    for (set, member) in [(&STOPS, Meaning::Stop), (&NOTED, Meaning::Noted)] {
        match meaning == member {
            true => set.fetch_or(bit(number), Ordering::SeqCst),
            false => set.fetch_and(!bit(number), Ordering::SeqCst),
        };
    }
}

/// Whether a signal is blocked and pending. Source: sigpending(2).
fn is_waiting_in_kernel(number: i32) -> bool {
    let mut pending = empty_set();
    // SAFETY: a set of ours.
    unsafe { libc::sigpending(&raw mut pending) == 0 && *first_word(&raw mut pending) & bit(number) != 0 }
}

fn forget(number: i32) {
    CAPTURED.fetch_and(!bit(number), Ordering::SeqCst);
    mean(number, Meaning::Handled);
}

/// What becomes of a signal that waits in the kernel while it is given back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// It came while we had promised to catch it, and must not kill the process.
    Dropped,
    /// In a forked child, which inherits none: it was sent to the child, and does there what it does.
    Kept,
}

fn release(number: i32, waits: Waits) {
    forget(number);
    let Some(entry) = entry(number) else { return };
    if let Some(saved) = entry.saved.take() {
        let ours = current(number).is_some_and(|now| now.sa_sigaction == action(entry.put).sa_sigaction);
        if ours {
            if waits == Waits::Dropped && is_waiting_in_kernel(number) {
                let _ = set_action(number, &action(Put::Ignore)); // which drops it
            }
            let _ = set_action(number, &saved); // what the kernel gave us it takes back
        }
    }
    entry.put = Put::Nothing;
}

fn entry(number: i32) -> Option<&'static mut Entry> {
    // SAFETY: only the owner thread comes here, never in handler context, and no caller keeps what it got past its own
    // end; a forked child comes here before anybody else in it.
    unsafe { (*TABLE.0.get()).get_mut(usize::try_from(number).unwrap_or(NUMBERS)) }
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: plain data; sigemptyset cannot fail on it.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        set
    }
}

/// The part of a sigset that the kernel knows: 64 signals.
fn first_word(set: *mut libc::sigset_t) -> *mut u64 {
    set.cast()
}

fn handler() -> usize {
    on_signal as *const () as usize
}

fn action(put: Put) -> libc::sigaction {
    // SAFETY: plain data; all zero is valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    match put {
        Put::Nothing | Put::Default => action.sa_sigaction = libc::SIG_DFL,
        Put::Ignore => action.sa_sigaction = libc::SIG_IGN,
        Put::Handler => {
            action.sa_sigaction = handler();
            // SA_RESTART: a system call in progress goes on as it would under pcntl; what sleeps or polls ends with
            // EINTR all the same. All other signals wait while the handler runs: it is short, and records keep their
            // order. Faults do not wait.
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
            // SAFETY: a set of ours.
            unsafe {
                libc::sigfillset(&raw mut action.sa_mask);
                for fault in FAULTS {
                    libc::sigdelset(&raw mut action.sa_mask, fault);
                }
            }
        }
    }
    action
}

fn set_action(number: i32, action: &libc::sigaction) -> io::Result<libc::sigaction> {
    // SAFETY: both structs are ours; the handler is async-signal-safe.
    unsafe {
        let mut previous: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(number, std::ptr::from_ref(action), &raw mut previous) == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(previous)
    }
}

fn current(number: i32) -> Option<libc::sigaction> {
    // SAFETY: only asks.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(number, std::ptr::null(), &raw mut now) == 0).then_some(now)
    }
}

fn drain(event: BorrowedFd<'_>) {
    let _ = nix::unistd::read(event, &mut [0_u8; 8]); // EAGAIN: nothing was there
}

// ---- handler context -------------------------------------------------------------------------------------------

extern "C" fn on_signal(number: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: SA_SIGINFO: the kernel hands us a siginfo and a ucontext that live until we return. errno is the
    // thread's own.
    unsafe {
        let errno = libc::__errno_location();
        let saved = *errno;
        let mask = first_word(&raw mut (*context.cast::<libc::ucontext_t>()).uc_sigmask);
        capture(number, info, mask);
        *errno = saved;
    }
}

/// # Safety
/// `info` is a siginfo and `mask` the mask that comes back when the handler returns.
///
/// # Signal safety
/// This is handler context.
unsafe fn capture(number: i32, info: *mut libc::siginfo_t, mask: *mut u64) {
    // SAFETY: no arguments.
    let foreign = unsafe { libc::pthread_self() } != OWNER.load(Ordering::SeqCst);
    // SAFETY: as the caller promises.
    let record = Record::of(number, unsafe { &*info });
    if !QUEUE.push(record) {
        if !foreign {
            // SAFETY: as the caller promises.
            unsafe { hold(mask, CAPTURED.load(Ordering::SeqCst)) };
        }
        // SAFETY: as the caller promises.
        return unsafe { hand_to_owner(number, info) };
    }
    if STOPS.load(Ordering::SeqCst) & bit(number) != 0 {
        // SYNC: pairs with the load in `stop_signal`; the flag is set before the wake-ups that announce it.
        let _ = STOP_SIGNAL.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
        let count = STOP_COUNT.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
        let force_at = FORCE_AT.load(Ordering::SeqCst);
        if force_at != 0 && count >= force_at {
            // SAFETY: as the caller promises.
            unsafe { end_process(number, mask) };
        }
    }
    if !foreign && QUEUE.len() >= RECORDS - RESERVE {
        // SAFETY: as the caller promises.
        unsafe { hold(mask, CAPTURED.load(Ordering::SeqCst) & !STOPS.load(Ordering::SeqCst)) };
    }
    interrupt();
    if foreign {
        wake(&WAKE_FD, &WAKE_READABLE);
    }
    wake(&STREAM_FD, &STREAM_READABLE);
}

/// Asks the virtual machine to look.
fn interrupt() {
    // SAFETY: null, or a flag that outlives the capture.
    if let Some(interrupt) = unsafe { INTERRUPT.load(Ordering::SeqCst).as_ref() } {
        // SYNC: pairs with the virtual machine's load: the record is there before the flag.
        interrupt.store(true, Ordering::SeqCst);
    }
}

/// Back-pressure: see the module's text.
///
/// # Safety
/// The mask that comes back when the handler returns.
unsafe fn hold(mask: *mut u64, signals: u64) {
    // SAFETY: as the caller promises.
    unsafe {
        HELD.fetch_or(signals & !*mask, Ordering::SeqCst);
        *mask |= signals;
    }
}

/// Gives a signal that has no room here back to the kernel, which keeps it for the owner thread.
///
/// # Safety
/// `info` is the siginfo that came with it.
unsafe fn hand_to_owner(number: i32, info: *mut libc::siginfo_t) {
    // SAFETY: as the caller promises.
    Record::disguise(unsafe { &mut *info });
    for attempt in 0..=1000 {
        // SAFETY: a siginfo to a thread of the own process; poll(2) of nothing waits.
        unsafe {
            let owner = OWNER_TID.load(Ordering::SeqCst);
            if libc::syscall(libc::SYS_rt_tgsigqueueinfo, libc::getpid(), owner, number, info) == 0 {
                return;
            }
            if attempt < 1000 {
                libc::poll(std::ptr::null_mut(), 0, 1); // RLIMIT_SIGPENDING: wait for room there
            }
        }
    }
    LOST.fetch_add(1, Ordering::SeqCst);
}

/// Ends the process by this signal's default effect as soon as the handler returns.
///
/// # Safety
/// The mask that comes back when the handler returns.
unsafe fn end_process(number: i32, mask: *mut u64) {
    // SAFETY: sigaction(2) and kill(2) are async-signal-safe; the mask as the caller promises.
    unsafe {
        let default: libc::sigaction = std::mem::zeroed();
        libc::sigaction(number, &raw const default, std::ptr::null_mut());
        libc::kill(libc::getpid(), number);
        *mask &= !bit(number);
    }
}

fn wake(event: &AtomicI32, readable: &AtomicBool) {
    let event = event.load(Ordering::SeqCst);
    // SYNC: pairs with the stores that follow a drain: the record was pushed before.
    if event >= 0 && !readable.swap(true, Ordering::SeqCst) {
        let one = 1_u64;
        // SAFETY: eight bytes of ours.
        unsafe { libc::write(event, (&raw const one).cast(), 8) };
    }
}

#[cfg(test)]
pub(crate) mod tests;
