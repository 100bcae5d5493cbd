//! From records to handlers: what PHP code has registered for signals, and when it is called.
//!
//! # How it works
//! [`rustdaemon_core::signal`] records in handler context. [`run`], at a safe point of the virtual machine, takes the
//! records in the order of arrival and calls one handler for each. Handlers do not nest: what arrives while one runs
//! waits until it has returned.
//!
//! Records that no handler may see yet lie in the inbox: those that a [`delay`] covers, and those that somebody waits
//! for (`Signal::wait()`).
//!
//! # Stop signals
//! From [`arm`] on TERM, INT, QUIT and HUP are the worker's: they set the stop flag in handler context. A handler of the
//! script's for one of them wins. [`keep`] undoes a fall-back to the default, which Symfony's console leaves behind
//! after a nested command; a callable, an ignored signal and `Signal::default()` are left alone.
//!
//! # What may be lost
//! Nothing. What a handler throws, an `exit()` too, waits until the handlers of all signals that have arrived have run;
//! then it leaves the interrupted code, a later exception with the earlier one as its previous. Shutdown functions and
//! destructors have safe points too, after a fatal error as well.
//!
//! # Rules
//! What runs inside [`with`] never calls PHP. [`run`] owns nothing that needs dropping while a handler runs.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ext_php_rs::types::Zval;
use rustdaemon_core::record::Record;
use rustdaemon_core::signal::{self, Capture, Holder, Meaning};
use rustdaemon_core::signo::{Set, bit, numbers};
use rustdaemon_core::{fork, pulse, sys};

use crate::engine::interrupt;
use crate::engine::{self, Callable, Pending, RawCallable, Slot};
use crate::signal_info;

/// TERM, INT, QUIT and HUP.
pub const STOP_SIGNALS: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP];

/// How many records of one signal may wait to be waited for before the kernel keeps the rest.
const KEPT: usize = 1024;
/// How many records may lie in the inbox before the queue, and then the kernel, keeps the rest.
const INBOX: usize = 4096;
const NOTICE_AGAIN: Duration = Duration::from_secs(1);
/// All signals.
pub const ALL: Set = Set::MAX;

/// [`STOP_SIGNALS`]
const STOP_SET: Set = bit(libc::SIGTERM) | bit(libc::SIGINT) | bit(libc::SIGQUIT) | bit(libc::SIGHUP);

/// A stop signal that has arrived, and who sent it.
pub struct Notice {
    /// Its number.
    pub number: i32,
    /// The sender's process and user, and its command as far as /proc still tells.
    pub sender: Option<(i32, u32)>,
    /// See there.
    pub command: Option<String>,
}

/// What is known of one signal.
#[derive(Default)]
struct Known {
    handler: Option<Callable>,
    last: Option<Record>,
    /// Who sent the one with this count, once somebody has looked.
    command: Option<(u64, String)>,
    count: u64,
    /// How many of its records lie in the inbox.
    waiting: usize,
}

impl Known {
    fn command_of(&self, waiting: &Waiting) -> Option<String> {
        self.command.as_ref().filter(|(count, _)| *count == waiting.count).map(|(_, command)| command.clone())
    }
}

/// A record that was taken out of the queue.
#[derive(Clone, Copy)]
struct Waiting {
    record: Record,
    count: u64,
}

struct Dispatcher {
    capture: Option<Capture>,
    /// By number; empty before the first capture.
    known: Vec<Known>,
    inbox: VecDeque<Waiting>,
    /// Somebody has waited for these: their records stay until they are waited for again.
    kept: Set,
    /// Of these the kernel keeps what comes next.
    blocked: Set,
    /// Somebody waits for these now.
    awaited: Set,
    /// No handler is called for these now.
    delayed: Set,
    /// Stop signals that are the worker's; `None`: nobody has asked for any yet.
    stops: Option<Set>,
    armed: bool,
    supervised: bool,
    /// Stop signals that others have.
    taken: Set,
    notices: Vec<Notice>,
    /// What the last notice was about, and when.
    noticed: Option<(Record, Duration)>,
    running: bool,
    /// The PHP stream, and the descriptor under it.
    stream: Option<(Zval, RawFd)>,
    /// The object that the last handler was given.
    spare: Option<Slot>,
}

impl Dispatcher {
    const fn new() -> Self {
        Self {
            capture: None,
            known: Vec::new(),
            inbox: VecDeque::new(),
            kept: 0,
            blocked: 0,
            awaited: 0,
            delayed: 0,
            stops: None,
            armed: false,
            supervised: false,
            taken: 0,
            notices: Vec::new(),
            noticed: None,
            running: false,
            stream: None,
            spare: None,
        }
    }
}

/// Whether something lies in the inbox. Only the owner thread looks.
static IN_INBOX: AtomicBool = AtomicBool::new(false);

/// The fork generation that the dispatcher knows.
static GENERATION: AtomicU64 = AtomicU64::new(0);

thread_local! {
    // Without a destructor, whose state each access would have to look at: `end` drops what there is.
    static DISPATCHER: ManuallyDrop<RefCell<Dispatcher>> = const { ManuallyDrop::new(RefCell::new(Dispatcher::new())) };
}

fn with<R>(act: impl FnOnce(&mut Dispatcher) -> R) -> R {
    DISPATCHER.with(|dispatcher| {
        let mut dispatcher = dispatcher.borrow_mut();
        dispatcher.leave_when_forked();
        act(&mut dispatcher)
    })
}

/// Gives all signals back. RSHUTDOWN; calls PHP only to free what the handlers hold, whose destructors have run.
pub fn end() {
    let mut dispatcher = DISPATCHER.with(|dispatcher| dispatcher.replace(Dispatcher::new()));
    if let Some(spare) = dispatcher.spare.take() {
        spare.free();
    }
    if dispatcher.capture.take().is_some() {
        IN_INBOX.store(false, Ordering::Relaxed);
        numbers(dispatcher.blocked).for_each(signal::unblock);
    }
    drop(dispatcher);
}

// ---- what is registered ----------------------------------------------------------------------------------------

/// Calls PHP at its end, to free the handler that was there before. From now on `handler` is called for this signal.
///
/// # Errors
/// What sigaction(2) says, or `EMFILE`.
pub fn on(number: i32, handler: Callable) -> io::Result<()> {
    with(|dispatcher| dispatcher.capture()?.take(number, Meaning::Handled))?;
    let before = with(|dispatcher| dispatcher.known(number).and_then(|known| known.handler.replace(handler)));
    drop(before);
    Ok(())
}

/// Calls PHP at its end. The handler is not called any more; what was there before it comes back.
///
/// # Errors
/// What sigaction(2) says.
pub fn off(number: i32) -> io::Result<()> {
    let (before, done) = with(|dispatcher| {
        let before = dispatcher.forget(number);
        let done = if dispatcher.armed && dispatcher.is_stop(number) {
            dispatcher.care_for(number)
        } else {
            if let Some(capture) = &mut dispatcher.capture {
                capture.release(number);
            }
            Ok(())
        };
        (before, done)
    });
    drop(before);
    done
}

/// Calls PHP at its end. The signal is ignored, or has its default effect: nobody's any more.
///
/// # Errors
/// What sigaction(2) says, or `EMFILE`.
pub fn set(number: i32, ignored: bool) -> io::Result<()> {
    let before = with(|dispatcher| {
        let capture = dispatcher.capture()?;
        match ignored {
            true => capture.ignore(number)?,
            false => capture.default(number)?,
        }
        dispatcher.stops = dispatcher.stops.map(|stops| stops & !bit(number));
        Ok::<_, io::Error>(dispatcher.forget(number))
    })?;
    drop(before);
    Ok(())
}

/// The stop signals are the worker's from now on, where no handler of the script's has them. `force_at`: the stop signal
/// of that number ends the process by itself, 0: none does. In a forked child: again.
///
/// # Errors
/// `EMFILE`.
pub fn arm(supervised: bool, force_at: u32) -> io::Result<()> {
    with(|dispatcher| {
        dispatcher.capture()?.force_at(force_at);
        (dispatcher.armed, dispatcher.supervised) = (true, supervised);
        pulse::set_reporting(supervised);
        let all =
            || STOP_SIGNALS.into_iter().filter(|number| !ignored_from_the_start(*number)).fold(0, with_bit);
        let stops = *dispatcher.stops.get_or_insert_with(all);
        dispatcher.care(stops)
    })
}

fn with_bit(set: Set, number: i32) -> Set {
    set | bit(number)
}

/// nohup's SIGHUP, a shell's background job's SIGINT and SIGQUIT: who started us wants them ignored.
fn ignored_from_the_start(number: i32) -> bool {
    number != libc::SIGTERM
        && interrupt::php_disposition(number).is_some_and(|disposition| disposition == libc::SIG_IGN)
}

/// Whether [`arm`] has been called in this process.
pub fn is_armed() -> bool {
    with(|dispatcher| dispatcher.armed)
}

/// Whether this process has ever asked for a signal, or delays some: else [`leave_to_parent`] has nothing to do.
pub fn is_used() -> bool {
    with(|dispatcher| dispatcher.capture.is_some() || dispatcher.delayed != 0)
}

/// In a forked child that is no continuation of its parent: no handler is called any more, and what was there before the
/// first one is there again. A call of a handler that had begun in the parent is over. The handlers stay its parent's:
/// they are kept, not freed.
pub fn leave_to_parent() {
    let parents = with(|dispatcher| std::mem::replace(dispatcher, Dispatcher::new()));
    let Dispatcher { capture, known, stream, spare, .. } = parents;
    if let Some(capture) = capture {
        capture.leave_to_parent();
    }
    std::mem::forget((known, stream, spare));
    interrupt::request(); // what was asked for in between
}

/// Undoes a fall-back of a stop signal to its default.
pub fn keep() {
    with(Dispatcher::keep);
}

/// The stop signals that others have, when that has changed since the last call.
pub fn taken_if_changed(told: &mut Set) -> Option<Set> {
    let taken = with(|dispatcher| dispatcher.taken);
    (std::mem::replace(told, taken) != taken).then_some(taken)
}

// ---- records ---------------------------------------------------------------------------------------------------

/// Stop signals that have arrived since the last call.
pub fn take_notices() -> Vec<Notice> {
    with(|dispatcher| std::mem::take(&mut dispatcher.notices))
}

/// A record, as a PHP object can be made of it: not in here, because that may run out of memory.
pub struct Arrived {
    waiting: Waiting,
    command: Option<String>,
}

impl Arrived {
    /// Calls PHP.
    pub fn object(&self) -> Zval {
        let Waiting { record, count } = &self.waiting;
        signal_info::object(record, *count, self.command.as_deref(), None)
    }
}

/// What has arrived and was not handled yet, in the order of arrival.
pub fn pending() -> Vec<Arrived> {
    with(|dispatcher| {
        dispatcher.collect();
        dispatcher.inbox.iter().map(|waiting| dispatcher.with_command(*waiting)).collect()
    })
}

/// The last one of a signal that has arrived.
pub fn last(number: i32) -> Option<Arrived> {
    with(|dispatcher| {
        dispatcher.collect();
        let known = dispatcher.known(number)?;
        let waiting = Waiting { record: known.last?, count: known.count };
        if known.command_of(&waiting).is_none() {
            known.command = command_of(&waiting.record).map(|command| (waiting.count, command));
        }
        Some(Arrived { waiting, command: known.command_of(&waiting) })
    })
}

/// Signals of `set` are captured from now on, and their records kept for [`take_awaited`], before any handler. Returns
/// what was awaited before, for [`await_again`].
///
/// # Errors
/// What sigaction(2) says, or `EMFILE`.
pub fn wait_for(set: Set) -> io::Result<Set> {
    with(|dispatcher| {
        for number in numbers(set) {
            let capture = dispatcher.capture()?;
            if !capture.is_captured(number) {
                capture.take(number, Meaning::Handled)?;
                dispatcher.kept |= bit(number);
            }
        }
        Ok(std::mem::replace(&mut dispatcher.awaited, set))
    })
}

/// Undoes a [`wait_for`]: handlers get what is left at the next safe point.
pub fn await_again(before: Set) {
    with(|dispatcher| dispatcher.awaited = before);
    request_if_due();
}

/// The oldest record of the set.
pub fn take_awaited(set: Set) -> Option<Arrived> {
    with(|dispatcher| {
        dispatcher.collect();
        let taken = dispatcher.take(|number| set & bit(number) != 0)?;
        Some(dispatcher.with_command(taken))
    })
}

/// All signals that are captured.
pub fn captured() -> Set {
    with(|dispatcher| {
        let capture = dispatcher.capture.as_ref();
        numbers(ALL)
            .filter(|number| capture.is_some_and(|capture| capture.is_captured(*number)))
            .fold(0, with_bit)
    })
}

/// No handler is called for signals of `set` until [`delay_again`] with what this returns.
pub fn delay(set: Set) -> Set {
    with(|dispatcher| {
        let before = dispatcher.delayed;
        dispatcher.delayed |= set;
        before
    })
}

/// Undoes a [`delay`]: handlers that are due are called at the next safe point.
pub fn delay_again(before: Set) {
    with(|dispatcher| dispatcher.delayed = before);
    request_if_due();
}

fn request_if_due() {
    if is_due() {
        interrupt::request();
    }
}

/// Whether there is anything to look at, for a forked child its being one: a few atomic loads.
pub fn may_be_due() -> bool {
    signal::waiting()
        || IN_INBOX.load(Ordering::Relaxed)
        || GENERATION.load(Ordering::Relaxed) != fork::generation()
}

/// Whether a handler runs.
pub fn is_running() -> bool {
    with(|dispatcher| dispatcher.running)
}

/// Whether a handler is due.
fn is_due() -> bool {
    with(|dispatcher| dispatcher.is_due())
}

/// The PHP stream that is readable from the first record on until [`drain_stream`]: the same each time, unless
/// somebody has closed it.
///
/// # Errors
/// `EMFILE`.
pub fn stream() -> io::Result<Option<Zval>> {
    let known = with(|dispatcher| dispatcher.stream.as_ref().map(|(stream, _)| stream.shallow_clone()));
    if let Some(known) = known.filter(|stream| !engine::stream::is_closed(stream)) {
        return Ok(Some(known));
    }
    let copy = with(|dispatcher| sys::duplicate(dispatcher.capture()?.stream_fd()?))?;
    let fd = copy.as_raw_fd();
    let Some(stream) = engine::stream::new(copy) else { return Ok(None) };
    let result = stream.shallow_clone();
    let closed = with(|dispatcher| dispatcher.stream.replace((stream, fd)));
    drop(closed);
    Ok(Some(result))
}

/// Hands over what is readable when a signal has arrived, until [`drain_stream`].
///
/// # Errors
/// No descriptor is left.
pub fn with_stream<R>(act: impl FnOnce(BorrowedFd<'_>) -> io::Result<R>) -> io::Result<R> {
    with(|dispatcher| act(dispatcher.capture()?.stream_fd()?))
}

/// Before [`run`], by who then looks at everything that handlers have changed.
pub fn drain_stream() {
    with(|dispatcher| {
        if let Some(capture) = &mut dispatcher.capture {
            capture.drain_stream();
        }
    });
}

/// Takes what has arrived out of the queue, so that it is known who sent it; calls no handler.
pub fn collect() {
    with(Dispatcher::collect);
}

/// Calls PHP: the handlers of all records that are due, in the order of arrival. Returns how many were called. Look at
/// [`engine::pending`] afterwards.
pub fn run() -> usize {
    DISPATCHER.with(|dispatcher| {
        if !dispatcher.borrow_mut().enter() {
            return 0;
        }
        interrupt::block_fibers();
        interrupt::finally(
            || call_handlers(dispatcher),
            || {
                interrupt::unblock_fibers();
                if dispatcher.borrow_mut().leave() {
                    interrupt::request();
                }
            },
        )
    })
}

fn call_handlers(dispatcher: &RefCell<Dispatcher>) -> usize {
    let mut calls = 0;
    // What is in flight has to wait: only a virtual machine without an exception can be interrupted again.
    let mut aside = engine::put_aside();
    while may_be_due() {
        let next = dispatcher.borrow_mut().next_call();
        let Some(Call { handler, held, waiting, spare }) = next else { break };
        let Waiting { record, count } = waiting;
        let reusable = STOP_SET & bit(record.number) == 0;
        let mut info = Slot::of(match reusable {
            true => signal_info::object(&record, count, None, spare.map(Slot::into_value)),
            false => stop_info(dispatcher, waiting),
        });
        let mut result = Slot::new();
        handler.call_with(Some(info.value()), result.value());
        result.free();
        held.free();
        calls += 1;
        if reusable {
            dispatcher.borrow_mut().spare = Some(info);
        } else {
            info.free();
        }
        if engine::pending() != Pending::Nothing {
            if engine::out_of_memory() {
                break; // left to the virtual machine
            }
            if let Some(earlier) = aside.take() {
                earlier.put_back();
            }
            aside = engine::put_aside();
        }
    }
    if let Some(aside) = aside {
        aside.put_back();
    }
    calls
}

#[inline(never)] // seldom
fn stop_info(dispatcher: &RefCell<Dispatcher>, waiting: Waiting) -> Zval {
    let arrived = dispatcher.borrow().with_command(waiting);
    arrived.object()
}

/// One call to be made; plain data, freed by hand.
struct Call {
    handler: RawCallable,
    held: Slot,
    waiting: Waiting,
    /// An object of an earlier call, for a signal whose object holds nothing that must be freed.
    spare: Option<Slot>,
}

impl Dispatcher {
    #[inline(always)] // at each access: a comparison
    fn leave_when_forked(&mut self) {
        let generation = fork::generation();
        if GENERATION.load(Ordering::Relaxed) != generation {
            GENERATION.store(generation, Ordering::Relaxed);
            self.leave_parent();
        }
    }

    /// In a child: the records are its parent's, and so is the promise to look for stop signals.
    #[cold]
    fn leave_parent(&mut self) {
        self.inbox.clear();
        IN_INBOX.store(false, Ordering::Relaxed);
        self.known.iter_mut().for_each(|known| known.waiting = 0);
        self.notices.clear();
        (self.armed, self.taken) = (false, 0);
        pulse::set_reporting(false);
        numbers(std::mem::take(&mut self.blocked)).for_each(signal::unblock);
        // The stream is the child's own from here on: its descriptor leads to the parent's wake-ups still.
        if let Some((stream, fd)) = &self.stream
            && !engine::stream::is_closed(stream)
            && let Some(Ok(own)) = self.capture.as_mut().map(Capture::stream_fd)
            && let Err(error) = sys::duplicate_to(own, *fd)
        {
            eprintln!("rustdaemon: the stream of signals cannot be renewed in a forked child: {error}");
        }
    }

    fn capture(&mut self) -> io::Result<&mut Capture> {
        if self.capture.is_none() {
            fork::watch()?;
            self.known.resize_with(65, Known::default);
            self.capture = Some(Capture::start(interrupt::flag())?);
        }
        self.capture.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn known(&mut self, number: i32) -> Option<&mut Known> {
        self.known.get_mut(usize::try_from(number).ok()?)
    }

    fn has_handler(&self, number: i32) -> bool {
        let known = usize::try_from(number).ok().and_then(|number| self.known.get(number));
        known.is_some_and(|known| known.handler.is_some())
    }

    /// Whether a stop signal is the worker's.
    fn is_stop(&self, number: i32) -> bool {
        self.stops.is_some_and(|stops| stops & bit(number) != 0)
    }

    /// Nobody wants a signal's records any more; the handler, to be dropped outside.
    fn forget(&mut self, number: i32) -> Option<Callable> {
        self.kept &= !bit(number);
        while self.take(|waiting| waiting == number).is_some() {}
        self.known(number)?.handler.take()
    }

    // ---- stop signals

    /// Takes the stop signals that are the worker's and that no handler of the script's has.
    fn care(&mut self, stops: Set) -> io::Result<()> {
        for number in numbers(stops) {
            if !self.has_handler(number) {
                self.care_for(number)?;
            }
        }
        self.keep();
        Ok(())
    }

    fn care_for(&mut self, number: i32) -> io::Result<()> {
        let reloads = number == libc::SIGHUP && self.supervised;
        let meaning = if reloads { Meaning::Noted } else { Meaning::Stop };
        self.capture()?.take(number, meaning)
    }

    fn keep(&mut self) {
        let handled = STOP_SIGNALS.into_iter().filter(|number| self.has_handler(*number)).fold(0, with_bit);
        let ours = handled | self.stops.unwrap_or_default();
        let Some(capture) = self.capture.as_mut().filter(|_| self.armed) else { return };
        self.taken = 0;
        for number in STOP_SIGNALS {
            let (handled, ours) = (handled & bit(number) != 0, ours & bit(number) != 0);
            let fell_back = match capture.holder(number) {
                Holder::Default => true,
                Holder::Former => interrupt::php_disposition(number) == Some(libc::SIG_DFL),
                Holder::Ours if !handled => continue,
                Holder::Ours | Holder::Ignored | Holder::Other => false,
            };
            if !(ours && fell_back && capture.retake(number).is_ok() && !handled) {
                self.taken |= bit(number);
            }
        }
    }

    // ---- records

    fn is_wanted(&self, number: i32) -> bool {
        (self.kept | self.awaited) & bit(number) != 0 || self.has_handler(number)
    }

    fn is_deliverable(&self, number: i32) -> bool {
        (self.delayed | self.awaited) & bit(number) == 0 && self.has_handler(number)
    }

    fn is_due(&self) -> bool {
        let in_inbox = || self.inbox.iter().any(|waiting| self.is_deliverable(waiting.record.number));
        !self.running && (signal::waiting() && self.inbox.len() < INBOX || in_inbox())
    }

    /// The next record out of the queue, noted in the books; `None`: there is none, or no room for it.
    #[inline(always)] // once per signal
    fn arrived(&mut self) -> Option<Waiting> {
        if self.inbox.len() >= INBOX {
            return None;
        }
        let capture = self.capture.as_mut()?;
        let record = capture.pop();
        capture.make_room();
        let record = record?;
        if STOP_SET & bit(record.number) != 0 {
            self.notice(&record);
        }
        let known = self.known(record.number)?;
        known.count = known.count.wrapping_add(record.occurrences());
        known.last = Some(record);
        Some(Waiting { record, count: known.count })
    }

    /// With who has sent it, as far as that is known: of the last one of each signal, and at once for stop signals only.
    fn with_command(&self, waiting: Waiting) -> Arrived {
        let known = usize::try_from(waiting.record.number).ok().and_then(|number| self.known.get(number));
        Arrived { waiting, command: known.and_then(|known| known.command_of(&waiting)) }
    }

    /// Who has sent a stop signal is looked up at once, before it is gone. The sidecar is told of the same signal from
    /// the same sender once a second: somebody may send a storm of them.
    #[inline(never)] // seldom
    fn notice(&mut self, record: &Record) {
        let command = command_of(record);
        if let Some(known) = self.known(record.number) {
            let count = known.count.wrapping_add(record.occurrences()); // about to be noted
            known.command = command.clone().map(|command| (count, command));
        }
        let (number, sender, now) = (record.number, record.sender(), sys::monotonic());
        let same = |last: &Record| last.number == number && last.sender() == sender;
        if !self.supervised || self.noticed.is_some_and(|(last, at)| same(&last) && now < at + NOTICE_AGAIN) {
            return;
        }
        self.noticed = Some((*record, now));
        self.notices.push(Notice { number, sender, command });
    }

    /// Puts a record into the inbox, if anybody wants it.
    #[inline(never)] // the exception
    fn lay_by(&mut self, arrived: Waiting) {
        let number = arrived.record.number;
        if !self.is_wanted(number) {
            return;
        }
        self.inbox.push_back(arrived);
        IN_INBOX.store(true, Ordering::Relaxed);
        let Some(known) = self.known(number) else { return };
        known.waiting += 1;
        if known.waiting >= KEPT && self.kept & bit(number) != 0 && self.blocked & bit(number) == 0 {
            self.blocked |= bit(number);
            signal::block(number);
        }
    }

    fn collect(&mut self) {
        signal::drain_wake();
        while let Some(arrived) = self.arrived() {
            self.lay_by(arrived);
        }
    }

    /// Takes the oldest record that `fits` out of the inbox.
    fn take(&mut self, fits: impl Fn(i32) -> bool) -> Option<Waiting> {
        let at = self.inbox.iter().position(|waiting| fits(waiting.record.number))?;
        let taken = self.inbox.remove(at)?;
        IN_INBOX.store(!self.inbox.is_empty(), Ordering::Relaxed);
        let number = taken.record.number;
        let known = self.known(number)?;
        known.waiting = known.waiting.saturating_sub(1);
        if known.waiting < KEPT / 2 && self.blocked & bit(number) != 0 {
            self.blocked &= !bit(number);
            signal::unblock(number);
        }
        Some(taken)
    }

    /// The call for the next record that is due, the inbox before the queue: it is older.
    fn next_call(&mut self) -> Option<Call> {
        self.leave_when_forked();
        if !self.inbox.is_empty()
            && let Some(next) = self.take_deliverable()
        {
            return self.call(&next);
        }
        loop {
            let arrived = self.arrived()?;
            let number = arrived.record.number;
            if (self.delayed | self.awaited) & bit(number) == 0
                && let Some(call) = self.call(&arrived)
            {
                return Some(call);
            }
            self.lay_by(arrived);
        }
    }

    #[inline(always)] // once per signal
    fn call(&mut self, next: &Waiting) -> Option<Call> {
        let number = next.record.number;
        let handler = self.known.get(usize::try_from(number).ok()?)?.handler.as_ref()?;
        let (handler, held) = (handler.raw(), handler.hold());
        let spare = if STOP_SET & bit(number) == 0 { self.spare.take() } else { None };
        Some(Call { handler, held, waiting: *next, spare })
    }

    #[inline(never)] // nothing is in the inbox, as a rule
    fn take_deliverable(&mut self) -> Option<Waiting> {
        let deliverable: Set = numbers(ALL).filter(|number| self.is_deliverable(*number)).fold(0, with_bit);
        self.take(|number| deliverable & bit(number) != 0)
    }

    fn enter(&mut self) -> bool {
        self.leave_when_forked();
        if self.running || self.delayed == ALL || self.capture.is_none() {
            return false;
        }
        signal::drain_wake();
        if self.armed {
            self.keep();
        }
        self.running = true;
        true
    }

    /// Whether handlers are due still.
    fn leave(&mut self) -> bool {
        self.running = false;
        self.is_due()
    }
}

fn command_of(record: &Record) -> Option<String> {
    sys::command_name(record.sender()?.0)
}
