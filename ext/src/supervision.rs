//! The one state of this process: where it stands, the worker's end of the link, the stop signals, the methods.
//!
//! # Correct order
//! [`capture_origin`] in MINIT, [`with`] from `install()` on, [`end`] in RSHUTDOWN. The PHP object is a thin handle.
//!
//! # How it works
//! One thread (php-cli's main thread) owns the state. A wait is [`readable`]'s on the link and on the wake-up of signals that
//! land on foreign threads. All signals are blocked while it looks whether something happened, and the wait unblocks them
//! atomically: a signal handler, ours or pcntl's, that becomes due just before the wait is not slept over.
//!
//! What is deferred is answered before an order to pause is obeyed, and before the worker stops; meanwhile no request is begun.
//!
//! # What may be lost
//! Nothing. A request that arrives after the stop was seen is not begun here: by its claim the sidecar takes it back, and
//! gives it to another worker. While paused no request is begun; the sidecar sends none.
//!
//! # Rules
//! What runs inside [`with`] never calls PHP, so the state is never borrowed twice; it may wait, because signal
//! handlers do not touch the state.
//! A process that PHP code has forked off (pcntl_fork) gives its copies up at its first call: it is unsupervised.
//! Sources: poll(2), pipe(7), eventfd(2).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::CStr;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::time::Duration;

use ext_php_rs::types::Zval;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, SigmaskHow};
use rustdaemon_core::fork::{self, OwnDescriptor};
use rustdaemon_core::link::{self, Decoder, Dialect, Ends, Frame, Kind, LinkError, Method};
use rustdaemon_core::open::Open;
use rustdaemon_core::readiness::Readiness;
use rustdaemon_core::rung::Arguments;
use rustdaemon_core::self_start::Origin;
use rustdaemon_core::slot::{Call, Claim, Phase, SlotPage};
use rustdaemon_core::{pulse, readable, signal, signo, sys};

use crate::dispatch;
use crate::engine::{self, Callable, interrupt};
use crate::error::{Cause, Refusal};

/// The ini entry: the stop signal of that number ends the process by itself; 0: none does.
pub const FORCE_STOP_INI: &CStr = c"rustdaemon.force_stop";
/// Its default.
const FORCE_STOP: u32 = 3;
/// Read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

static PAGE: OnceLock<SlotPage> = OnceLock::new();
static ORIGIN: OnceLock<Origin> = OnceLock::new();
/// What holds this worker's slot: never closed, so that it is held until the process has ended, also without a link.
static LIFE: OnceLock<(Option<OwnDescriptor>, OwnedFd)> = OnceLock::new();

/// Remembers how the process was started. MINIT, in php-cli only.
pub fn capture_origin() {
    ORIGIN.get_or_init(Origin::capture);
}

/// How the process was started; `None` in any SAPI but cli.
pub fn origin() -> Option<&'static Origin> {
    ORIGIN.get()
}

/// A method that was exposed.
pub struct Exposed {
    /// What the sidecar hears of it.
    pub method: Method,
    /// What is called.
    pub handler: Callable,
}

/// When callbacks are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Ready for the first time.
    Start,
    /// The loop has seen the stop.
    Stop,
    /// Nothing is served from here on.
    Pause,
    /// Served again.
    Resume,
    /// A session's time to live is over.
    Expire,
    /// Somebody has sent a message.
    Message,
}

impl Moment {
    /// The method that takes its callbacks.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "onStart",
            Self::Stop => "onStop",
            Self::Pause => "onPause",
            Self::Resume => "onResume",
            Self::Expire => "onExpire",
            Self::Message => "onMessage",
        }
    }
}

/// How far something is that is done once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// It has not been begun, or has failed.
    #[default]
    NotYet,
    /// It is being done, or has ended the script.
    Running,
    /// It has been done.
    Done,
}

/// A request that is answered later.
pub struct Deferred {
    /// Its number.
    pub sequence: u64,
    /// How its client speaks.
    pub dialect: Dialect,
    /// For the log.
    pub method: String,
}

/// The worker's end of the link.
pub struct Link {
    input: OwnedFd,
    output: OwnedFd,
    _own: [OwnDescriptor; 2],
    /// What this worker says of itself. Never unmapped: the pulse and the hooks for errors write to it.
    pub page: &'static SlotPage,
    /// Which version both sides speak.
    pub version: u16,
    decoder: Decoder,
    inbox: VecDeque<Frame>,
    /// What is read goes through here: kept, because clearing so much for each request costs more than all else about it.
    chunk: Box<[u8]>,
}

/// Everything that this process knows of itself as a worker.
#[derive(Default)]
pub struct State {
    /// The object that `install()` returned.
    pub worker: Option<Zval>,
    /// What it was given.
    pub arguments: Option<Arguments>,
    /// For phpinfo().
    pub title: Option<String>,
    /// `None`: unsupervised.
    pub link: Option<Link>,
    /// Why a link was given up.
    pub lost: Option<String>,
    /// Whether the descriptors of `RUSTDAEMON_LINK` have been taken.
    pub link_taken: bool,
    /// In `expose()`'s order.
    pub methods: Vec<Exposed>,
    /// How many of them the sidecar knows, whether this is a loop of the script's own, whether there are jobs in a loop of
    /// `tick()`s, and how many requests may be deferred; `None`: not ready yet.
    announced: Option<(usize, bool, bool, u32)>,
    /// `busy()` has been called outside of a request.
    jobs: bool,
    /// Between `busy()` and `idle()`, outside of a request.
    pub in_job: bool,
    /// `run()` or `tick()` has been called: no loop of the script's own.
    pub in_loop: bool,
    /// What `onStart()` and its like were given, by [`Moment`].
    pub callbacks: [Vec<Callable>; 6],
    /// How far the callbacks of [`Moment::Start`] are.
    pub start: Progress,
    /// Those of [`Moment::Stop`] have been called, or are being called.
    pub stop_told: bool,
    /// The sidecar has said `Pause`.
    pub paused: bool,
    /// A `Pause` or `Resume` is being obeyed, and not yet acknowledged: the next one has to wait.
    pub obeying: bool,
    /// One sentence: why nobody can tell whether this worker hangs.
    pub blind: Option<String>,
    /// A handler runs.
    pub busy: bool,
    /// What `busy()` had named when the request in hand came, and its deadline.
    pub set_aside: Option<(String, Option<Duration>)>,
    /// The request in hand: here, not on the stack, so that a fatal error in the handler does not leak it.
    pub request: Option<Frame>,
    /// What `Request::current()` has given for it.
    pub request_object: Option<Zval>,
    /// What its handler is given in place of its arguments, where that serves the rest.
    pub whole_request: Option<Vec<u8>>,
    /// Its id, where that is a text.
    pub request_id: Option<String>,
    /// The object's handle, once it has been deferred.
    pub promised: Option<u32>,
    /// Requests that are answered later, by their objects' handles.
    pub deferred: Open<Deferred>,
    /// How many of them there may be; up to 1: none.
    pub concurrency: u32,
    /// In which fiber a handler or a task runs.
    pub fiber: usize,
    /// `run()` or `tick()` has said that the worker is to stop.
    pub stop_said: bool,
    /// What `Worker::stream()` has given out.
    pub stream: Option<Zval>,
    /// What lies behind it.
    readiness: Option<Readiness>,
    /// The number of the last question to the sidecar.
    question: u64,
    generation: u64,
    /// Which stop signals the sidecar knows to be in other hands.
    told: signo::Set,
    draining: bool,
    gone: bool,
    looked: bool,
    leaving: bool,
    leaving_said: bool,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State::default());
}

/// Looks at the state or changes it.
pub fn with<R>(act: impl FnOnce(&mut State) -> R) -> R {
    STATE.with_borrow_mut(|state| {
        state.leave_when_forked();
        act(state)
    })
}

/// Gives everything up. RSHUTDOWN; calls PHP only to free what the handlers hold, whose destructors have run.
pub fn end() {
    pulse::stop();
    let state = STATE.take();
    drop(state);
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Something is to be looked at: the link.
    Ready,
    /// The deadline has passed.
    Deadline,
    /// A signal arrived: [`interrupt::run`] is due.
    Interrupted,
}

impl State {
    /// Takes the ends of a link and says `hello`.
    pub fn connect(&mut self, ends: Ends, hello: &link::Hello) -> io::Result<()> {
        fork::watch()?;
        self.generation = fork::generation();
        let page = SlotPage::attach(ends.slot.as_fd())?;
        let page = PAGE.get_or_init(|| page); // there is one link in the life of a process
        let own = [OwnDescriptor::new(ends.input.as_fd())?, OwnDescriptor::new(ends.output.as_fd())?];
        if let Some(life) = ends.life {
            LIFE.get_or_init(|| (OwnDescriptor::new(life.as_fd()).ok(), life));
        }
        let (decoder, inbox) = (Decoder::default(), VecDeque::new());
        let chunk = vec![0; CHUNK_BYTES].into_boxed_slice();
        let (input, output, version) = (ends.input, ends.output, link::LOWEST_VERSION);
        // SAFETY: as the engine lays its frames out; the hook that answers runs on this thread.
        unsafe { pulse::attach(page, interrupt::flag(), Some(interrupt::frames())) };
        self.link = Some(Link { input, output, _own: own, page, version, decoder, inbox, chunk });
        self.send(Kind::Hello, 0, 0, &hello.payload());
        Ok(())
    }

    /// Takes the stop signals, in a forked child again; does nothing when they are taken.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn take_stop_signals(&mut self) -> io::Result<()> {
        if dispatch::is_armed() {
            return Ok(());
        }
        let text = engine::ini(FORCE_STOP_INI);
        let force_at = String::from_utf8_lossy(&text).trim().parse().unwrap_or(FORCE_STOP);
        dispatch::arm(self.supervised(), force_at)
    }

    /// Tells the sidecar which stop signals have arrived, and which are in other hands.
    pub fn report_signals(&mut self) {
        let notices = dispatch::take_notices();
        if self.link.as_ref().is_none_or(|link| link.version < link::SIGNALS_VERSION) {
            return;
        }
        for notice in notices {
            let (pid, uid) = notice.sender.unzip();
            if pid != Some(nix::unistd::getppid().as_raw()) {
                let signal = signo::name(notice.number);
                let signalled = link::Signalled { signal, pid, uid, command: notice.command };
                self.send(Kind::Signalled, 0, 0, &link::json(&signalled));
            }
        }
        if let Some(taken) = dispatch::taken_if_changed(&mut self.told) {
            let names = dispatch::STOP_SIGNALS.into_iter().filter(|number| taken & signo::bit(*number) != 0);
            let taken = link::Taken { signals: names.map(signo::name).collect() };
            self.send(Kind::Taken, 0, 0, &link::json(&taken));
        }
    }

    fn leave_when_forked(&mut self) {
        let generation = fork::generation();
        if self.generation != generation {
            self.generation = generation;
            self.link = None;
            (self.announced, self.gone, self.draining, self.busy, self.told) = (None, false, false, false, 0);
            (self.paused, self.obeying, self.set_aside) = (false, false, None);
            self.stop_told |= self.start != Progress::NotYet; // the good-byes are the parent's
            self.deferred.clear();
            self.readiness = None; // of the parent's members
        }
    }

    /// Whether this process is a worker of a sidecar that is there.
    pub fn supervised(&self) -> bool {
        self.link.is_some()
    }

    /// Whether to stop: a signal, a `Drain`, or the sidecar's end.
    pub fn stopping(&self) -> bool {
        self.draining || self.gone || self.leaving || signal::stop_signal().is_some()
    }

    /// A handler or a callback has ended the script: nothing is served or called any more, from a shutdown function for
    /// instance.
    pub fn leave(&mut self) {
        self.leaving = true;
        self.looked = true;
        self.say_leaving();
    }

    /// Tells the sidecar that nothing is begun here any more: what it has sent moves at once, and not when the script has
    /// ended.
    pub fn say_leaving(&mut self) {
        if self.has_leaving_to_say() {
            self.leaving_said = true;
            self.send(Kind::Leaving, 0, 0, &[]);
        }
    }

    fn has_leaving_to_say(&self) -> bool {
        !self.leaving_said && self.link.as_ref().is_some_and(|link| link.version >= link::CLAIMS_VERSION)
    }

    /// Whether the script is ending: see [`Self::leave`].
    pub fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Tells the sidecar what this worker offers, and whose loop it runs, when it does not know yet. A worker whose start
    /// has not succeeded is not ready.
    pub fn announce(&mut self) {
        if self.start != Progress::Done || self.leaving {
            return;
        }
        if self.link.is_some() && self.announced.is_none() {
            // Again: a script that has changed its user since install() has lost it (prctl(2)).
            let _ = sys::die_with_parent();
        }
        let known = (self.methods.len(), !self.in_loop, self.jobs && self.in_loop, self.concurrency);
        let Some(link) = self.link.as_ref().filter(|_| self.announced != Some(known)) else { return };
        self.announced = Some(known);
        if !link.page.phase().is_busy() {
            link.page.idle(self.idle_phase());
        }
        let methods = self.methods.iter().map(|exposed| exposed.method.clone()).collect();
        let (_, own_loop, jobs, concurrency) = known;
        let ready = link::Ready { methods, own_loop, jobs, concurrency, blind: self.blind.clone() };
        self.send(Kind::Ready, 0, 0, &link::json(&ready));
    }

    /// Something has changed of which the sidecar hears at once, when it takes this worker for ready.
    pub fn announce_again(&mut self) {
        if self.announced.is_some() {
            self.announce();
        }
    }

    /// There are jobs: the sidecar, when it takes this worker for ready, hears of it before the first one begins.
    pub fn has_jobs(&mut self) {
        if !std::mem::replace(&mut self.jobs, true) {
            self.announce_again();
        }
    }

    /// What the page says while nothing is in hand.
    pub fn idle_phase(&self) -> Phase {
        if self.in_loop { Phase::Idle } else { Phase::OwnIdle }
    }

    /// What was in hand is done: the page says again what `busy()` had named before it, or that nothing is.
    pub fn give_page_back(&mut self) {
        let set_aside = self.set_aside.take();
        let Some(page) = self.page() else { return };
        match set_aside {
            Some((what, deadline)) => {
                page.busy(Phase::OwnBusy, what.as_bytes(), deadline, sys::monotonic());
                pulse::busy();
            }
            None => page.idle(self.idle_phase()),
        }
    }

    /// The slot page, of a supervised worker.
    pub fn page(&self) -> Option<&'static SlotPage> {
        self.link.as_ref().map(|link| link.page)
    }

    /// The next frame that has been read; while paused, no request; while one is being obeyed, no `Pause` or `Resume`. A
    /// request is this worker's from here on.
    pub fn next_frame(&mut self) -> Option<Frame> {
        self.take_frame(|_| true)
    }

    /// The next message, for a loop that serves no requests: nothing else is sent there as one.
    pub fn next_message(&mut self) -> Option<Frame> {
        self.take_frame(|kind| kind == Kind::Request)
    }

    fn take_frame(&mut self, wanted: impl Fn(Kind) -> bool) -> Option<Frame> {
        loop {
            let at = self.next_frame_at(&wanted)?;
            let link = self.link.as_mut()?;
            let frame = link.inbox.remove(at)?;
            if claim_of(&frame).is_none_or(|claim| link.page.claim(claim)) {
                return Some(frame);
            } // taken back in the last moment
        }
    }

    /// PHP goes on: what looked like its end was none (`opcache_compile_file()` of a broken file, for instance).
    pub fn goes_on(&self) {
        if let Some(page) = self.page()
            && page.has_fatal()
            && !engine::in_shutdown()
        {
            page.forget_fatal();
        }
    }

    /// Whether something is in hand: a request, a callback, or what `busy()` has named.
    pub fn has_job(&self) -> bool {
        self.page().is_some_and(|page| page.phase().is_busy())
    }

    /// Whether a task of `every()` or `after()` may be begun: a worker that is ready, with no request, task or callback in
    /// hand and no order to obey first, not paused, and not stopping unless something deferred is still to be answered. `in_job`: also between `busy()` and `idle()`.
    pub fn may_run_tasks(&self, in_job: bool) -> bool {
        let free = !self.busy && !self.paused && !self.obeying && (in_job || !self.in_job && !self.has_job());
        // What is deferred may be answered by a task.
        let ends = self.leaving || self.stopping() && self.deferred.is_empty();
        self.start == Progress::Done && free && !ends && self.next_frame_at(is_order).is_none()
    }

    /// The next `Pause` or `Resume`, for a loop that serves no requests.
    pub fn next_order(&mut self) -> Option<Frame> {
        let at = self.next_frame_at(is_order)?;
        self.link.as_mut()?.inbox.remove(at)
    }

    fn next_frame_at(&self, wanted: impl Fn(Kind) -> bool) -> Option<usize> {
        let link = self.link.as_ref().filter(|_| !self.leaving)?;
        let is_work = |kind| matches!(kind, Kind::Request | Kind::Expired);
        let first_order = || link.inbox.iter().map(|frame| frame.kind).find(|kind| is_order(*kind));
        let defers = !self.deferred.is_empty();
        let is_full = defers && self.deferred.len() >= self.concurrency as usize;
        let holds_pause = defers && first_order() == Some(Kind::Pause);
        let waits = |frame: &Frame| match frame.kind {
            kind if is_order(kind) => self.obeying || holds_pause,
            kind if self.paused && is_work(kind) => true,
            Kind::Request => holds_pause || is_full && !is_message(frame),
            _ => false,
        };
        let mut frames = link.inbox.iter();
        frames.position(|frame| wanted(frame.kind) && !waits(frame) && !link.is_recalled(frame))
    }

    /// Whether a frame waits to be looked at.
    pub fn has_frame(&self) -> bool {
        self.next_frame_at(|_| true).is_some()
    }

    /// Whether the sidecar has yet to answer the hello.
    pub fn at_the_gate(&self) -> bool {
        self.supervised() && !self.has_frame() && !self.draining
    }

    /// Whether a stopping worker may still serve what had arrived before the stop was seen: asked once, it reads
    /// what is there.
    pub fn last_look(&mut self) -> bool {
        if !self.looked {
            self.looked = true;
            self.look();
        }
        self.has_frame()
    }

    /// Writes one frame. A sidecar that is gone is noted, not reported.
    ///
    /// # Blocking
    /// Until the sidecar has taken it: it reads as long as it lives, and a pipe without a reader is an error.
    pub fn send(&mut self, kind: Kind, flags: u16, sequence: u64, payload: &[u8]) {
        let Some(link) = &self.link else { return };
        let mut frame = Vec::new();
        let written = match link::encode(&mut frame, kind, flags, sequence, &[payload]) {
            Ok(()) => write_all(&link.output, &frame),
            Err(error) => Err(io::Error::other(error)),
        };
        if let Err(error) = written {
            self.lose_link(&format!("the sidecar cannot be reached ({error})"));
        }
    }

    /// Asks the sidecar, and waits for its answer; what arrives meanwhile is kept, but for what the answer makes untrue:
    /// `stale`, kind and payload, where that came before it. `None`: it has gone, or is silent.
    ///
    /// # Blocking
    /// Until the answer, for at most `limit`; signals are noted and looked after later.
    pub fn ask(
        &mut self,
        kind: Kind,
        answer: Kind,
        question: &[u8],
        stale: (Kind, &[u8]),
        limit: Duration,
    ) -> Option<Frame> {
        self.question += 1;
        let number = self.question;
        self.send(kind, 0, number, question);
        let deadline = sys::monotonic() + limit;
        loop {
            let link = self.link.as_mut()?;
            let is_it = |frame: &Frame| frame.kind == answer && frame.sequence == number;
            if let Some(at) = link.inbox.iter().position(is_it) {
                let frame = link.inbox.remove(at);
                if frame.as_ref().is_some_and(|frame| frame.flags == link::DATA) {
                    let mut place = 0..;
                    link.inbox.retain(|frame| {
                        let is_stale = (frame.kind, frame.payload.as_slice()) == stale;
                        place.next().is_some_and(|place| place >= at) || !is_stale
                    });
                }
                return frame;
            }
            if sys::monotonic() >= deadline {
                return None;
            }
            self.poll(None, Some(deadline), None);
        }
    }

    fn lose_link(&mut self, why: &str) {
        if self.link.take().is_some() {
            self.deferred.clear(); // whoever waits is told by the sidecar's end
            pulse::stop();
            self.gone = true;
            if self.worker.is_some() {
                log(&format!("{why}: this worker stops"));
            }
            self.lost = Some(why.to_owned());
        }
    }

    /// Waits until something is to be looked at, and reads what has arrived. `None`: as long as it takes. `call` is what
    /// PHP code has called.
    ///
    /// # Blocking
    /// Until the deadline on `CLOCK_MONOTONIC`; a signal ends it.
    pub fn wait(&mut self, deadline: Option<Duration>, call: Call) -> Woken {
        self.wait_for(None, deadline, call)
    }

    /// As [`Self::wait`], also until `fd` is readable.
    ///
    /// # Blocking
    /// As there.
    pub fn wait_for(&mut self, fd: Option<BorrowedFd<'_>>, deadline: Option<Duration>, call: Call) -> Woken {
        let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).ok();
        let page = self.page();
        if let Some(page) = page {
            page.waits(call);
        }
        let woken = if interrupt::pending() { Woken::Interrupted } else { self.poll(fd, deadline, mask) };
        if let Some(page) = page {
            page.woke();
        }
        if let Some(mask) = mask {
            let _ = mask.thread_set_mask(); // cannot fail with a mask that the kernel gave
        }
        woken
    }

    /// Reads what has arrived, without waiting.
    pub fn look(&mut self) {
        self.poll(None, Some(Duration::ZERO), None);
    }

    fn poll(
        &mut self,
        also: Option<BorrowedFd<'_>>,
        deadline: Option<Duration>,
        mask: Option<SigSet>,
    ) -> Woken {
        let timeout = deadline.map(|deadline| deadline.saturating_sub(sys::monotonic()));
        let link = self.link.as_ref().map(|link| link.input.as_fd());
        let wake = signal::wake_fd();
        let fds = link.into_iter().chain(wake).chain(also);
        let (linked, wakes) = (link.is_some(), wake.is_some());
        let readable = match readable::wait(fds, timeout, mask) {
            Ok(readable) => readable,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Woken::Interrupted,
            Err(_) => {
                // Whoever waits looks at what it waits for, and comes again.
                readable::pause(timeout, mask);
                let over = deadline.is_some_and(|deadline| deadline <= sys::monotonic());
                return if over { Woken::Deadline } else { Woken::Ready };
            }
        };
        if !readable.contains(&true) {
            return Woken::Deadline;
        }
        let arrived = linked && readable.first() == Some(&true);
        let woken = wakes && readable.get(usize::from(linked)) == Some(&true);
        if arrived {
            self.read();
        }
        if woken {
            signal::drain_wake();
            return Woken::Interrupted;
        }
        Woken::Ready
    }

    fn read(&mut self) {
        let Some(link) = &mut self.link else { return };
        let why = match nix::unistd::read(&link.input, &mut link.chunk) {
            Ok(0) => Some("the sidecar has gone".to_owned()),
            Ok(bytes) => {
                link.decoder.push(link.chunk.get(..bytes).unwrap_or_default());
                link.sort_frames(&mut self.draining)
                    .err()
                    .map(|error| format!("the link to the sidecar is broken ({error})"))
            }
            Err(Errno::EINTR | Errno::EAGAIN) => None,
            Err(error) => Some(format!("the link to the sidecar is broken ({error})")),
        };
        if let Some(why) = why {
            self.lose_link(&why);
        }
        self.show_work();
    }

    /// The descriptor behind `Worker::stream()`.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn readiness(&mut self) -> io::Result<BorrowedFd<'_>> {
        if self.readiness.is_none() {
            let link = self.link.as_ref().map(|link| link.input.as_fd());
            let made =
                dispatch::with_stream(|signals| Readiness::new([Some(signals), link].into_iter().flatten()))?;
            self.readiness = Some(made);
            self.show_work();
        }
        self.readiness.as_ref().map(Readiness::fd).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Whether there is a stream to be told what there is to do.
    pub fn is_shown(&self) -> bool {
        self.readiness.is_some()
    }

    /// Makes the stream readable while `tick(0.0)` would find something to do that has been read, or is not to be read.
    pub fn show_work(&mut self) {
        if self.readiness.is_none() {
            return;
        }
        let unsaid = self.has_leaving_to_say() || self.deferred.is_empty() && !self.stop_said;
        let ends = self.stopping() && unsaid;
        let idle = !self.leaving && !self.busy;
        let has_work = idle && (ends || self.start == Progress::NotYet || self.has_frame());
        if let Some(readiness) = &mut self.readiness {
            readiness.set_work(has_work);
        }
    }

    /// Makes the stream readable when a task is due, or a deferred request's deadline has come.
    pub fn show_due(&mut self, due: Option<Duration>) {
        if let Some(readiness) = &mut self.readiness {
            readiness.set_due(due.into_iter().chain(self.deferred.next_deadline()).min());
        }
    }
}

impl Link {
    /// Whether the sidecar has taken a request back.
    fn is_recalled(&self, frame: &Frame) -> bool {
        claim_of(frame).is_some_and(|claim| self.page.is_recalled(claim))
    }

    fn sort_frames(&mut self, draining: &mut bool) -> Result<(), LinkError> {
        let page = self.page;
        self.inbox.retain(|frame| claim_of(frame).is_none_or(|claim| !page.is_recalled(claim)));
        while let Some(frame) = self.decoder.next_frame()? {
            match frame.kind {
                Kind::Drain => *draining = true,
                _ => self.inbox.push_back(frame),
            }
        }
        Ok(())
    }
}

/// The word by which a request is begun or taken back.
fn claim_of(frame: &Frame) -> Option<Claim> {
    let word = link::claim_of(frame.flags).filter(|_| frame.kind == Kind::Request)?;
    Some(Claim { word, sequence: frame.sequence })
}

/// Whether a request is a message, which opens nothing.
fn is_message(frame: &Frame) -> bool {
    link::parse_request(frame.flags, &frame.payload).is_ok_and(|(head, _)| head.method == link::MESSAGE)
}

fn is_order(kind: Kind) -> bool {
    matches!(kind, Kind::Pause | Kind::Resume)
}

fn write_all(output: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match nix::unistd::write(output, bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                let mut fds = [PollFd::new(output.as_fd(), PollFlags::POLLOUT)];
                match ppoll(&mut fds, None, None) {
                    Ok(_) | Err(Errno::EINTR) => {} // the next write tells
                    Err(_) => readable::pause(None, None),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// When a timeout that PHP code gave in seconds is over, on `CLOCK_MONOTONIC`; `None`: never.
///
/// # Errors
/// One sentence: negative, or not a number.
pub fn deadline(timeout: Option<f64>) -> Result<Option<Duration>, Refusal> {
    deadline_after("timeout", timeout)
}

/// The same for a parameter of this name.
///
/// # Errors
/// As there.
pub fn deadline_after(name: &str, seconds: Option<f64>) -> Result<Option<Duration>, Refusal> {
    let seconds = seconds.map(checked_seconds).transpose().map_err(|sentence| {
        Cause::InvalidArgument.because(format!("{name}: {sentence}, or null to wait as long as it takes"))
    })?;
    Ok(seconds.and_then(from_now))
}

/// The same for one that cannot be null.
///
/// # Errors
/// As there.
pub fn deadline_of(name: &str, seconds: f64) -> Result<Option<Duration>, Refusal> {
    let seconds = checked_seconds(seconds);
    seconds.map(from_now).map_err(|sentence| Cause::InvalidArgument.because(format!("{name}: {sentence}")))
}

fn checked_seconds(seconds: f64) -> Result<f64, &'static str> {
    (seconds >= 0.0).then_some(seconds).ok_or("must be a number of seconds from 0.0")
}

/// What a Duration cannot hold is for ever.
fn from_now(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().and_then(|timeout| sys::monotonic().checked_add(timeout))
}

/// One line on the standard error, which the sidecar collects. Line breaks in it become spaces.
pub fn log(line: &str) {
    let line = line.replace(['\n', '\r'], " ");
    let _ = io::stderr().write_all(format!("rustdaemon: {line}\n").as_bytes()); // nobody left to tell
}
