//! The turns of a worker's loop: what is called, served, obeyed and waited for, in `run()` and `tick()`, and in a loop of
//! the script's own.
//!
//! # How it works
//! One turn of `run()` or `tick()` calls tasks that are due and serves at most one request. A stop (a signal, `Drain`, the
//! sidecar's end) is seen between requests; a request that had arrived by then is still served, and what is deferred is
//! waited for. In a loop of the script's own `shouldStop()` and `sleep()` do the same without requests.
//!
//! # Rules
//! Nothing that needs dropping is alive while PHP runs. False, or [`Turn::Leave`]: return to PHP at once.

use std::time::Duration;

use rustdaemon_core::link::{Frame, Kind};
use rustdaemon_core::settings;
use rustdaemon_core::slot::{Call, Phase};
use rustdaemon_core::{pulse, signal, sys};

use crate::callback;
use crate::dispatch;
use crate::engine::{self, Pending, interrupt};
use crate::error::{self, Cause};
use crate::request;
use crate::supervision::{self, Moment, Progress, State, Woken};
use crate::task::{self, Place as TaskPlace, Ran};

/// How a turn ended.
pub enum Turn {
    /// A request was served, or tasks have run.
    Served,
    /// Nothing came in time.
    Deadline,
    /// Signal handlers ran.
    Interrupted,
    /// Time to stop.
    Stop,
    /// Something is pending: return to PHP.
    Leave,
}

/// Whether a handler or a task waits in another fiber than this one.
pub fn is_suspended() -> bool {
    supervision::with(|state| state.busy && state.fiber != engine::fiber())
}

/// Whether the loop may be entered; else an exception is pending.
pub fn enter_loop(method: &str) -> bool {
    let busy = supervision::with(|state| {
        if !state.busy {
            state.in_loop = true;
            state.in_job &= method == "tick";
            // tick() may be called in the middle of a job that busy() has named; run() is where all of them have ended.
            let job = method == "tick" && state.page().is_some_and(|page| page.phase() == Phase::OwnBusy);
            if let Some(page) = state.page().filter(|_| !job) {
                page.idle(Phase::Idle);
            }
        }
        state.busy
    });
    if busy {
        let in_request = supervision::with(|state| state.request.is_some());
        let (what, unit) = if in_request { ("handler", "request") } else { ("task", "task") };
        error::throw(&Cause::NotAllowedHere.because(format!(
            "RustDaemon\\Worker::{method}() cannot be called while a {what} of this worker runs: one {unit} at a time"
        )));
    }
    !busy
}

/// Calls PHP. Tasks have their turn first, then one request: whatever the one kind takes, the other one is not kept out.
pub fn turn(deadline: Option<Duration>, place: TaskPlace) -> Turn {
    let mut php_ran = true; // only PHP changes what becomes of a signal, and to ask costs a system call for each
    let mut tasks_ran = false;
    loop {
        supervision::with(|state| {
            state.goes_on();
            state.announce();
            if state.deferred.next_deadline().is_some() {
                state.deferred.expire(sys::monotonic());
            }
            if std::mem::take(&mut php_ran) {
                look_after_signals(state);
            }
        });
        if !tasks_ran {
            match task::run(place) {
                Ran::None => {}
                Ran::Some => {
                    (php_ran, tasks_ran) = (true, true);
                    continue;
                }
                Ran::Leave => return Turn::Leave,
            }
        }
        match supervision::with(|state| state.next_frame()) {
            Some(frame) if frame.kind == Kind::Request => {
                return if request::serve(frame) { Turn::Served } else { Turn::Leave };
            }
            Some(frame) => {
                if !obey(frame) {
                    return Turn::Leave;
                }
                php_ran = true;
                continue;
            }
            None => {}
        }
        if supervision::with(|state| state.stopping()) {
            if supervision::with(|state| state.last_look()) {
                continue;
            }
            supervision::with(|state| state.say_leaving());
            if supervision::with(|state| state.is_leaving() || state.deferred.is_empty()) {
                if !tell_stop() {
                    return Turn::Leave;
                }
                supervision::with(|state| state.stop_said = true);
                return Turn::Stop;
            }
        }
        let due = earlier(task::next_due(place), supervision::with(|state| state.deferred.next_deadline()));
        let task = due.filter(|_| !tasks_ran);
        let until = if tasks_ran { Some(Duration::ZERO) } else { earlier(deadline, task) };
        match supervision::with(|state| state.wait(until, Call::Loop)) {
            Woken::Ready => {}
            Woken::Deadline if tasks_ran => return Turn::Served,
            Woken::Deadline if is_task(task, deadline) => {}
            Woken::Deadline => return Turn::Deadline,
            Woken::Interrupted => {
                if !interrupt::pending() {
                    continue;
                }
                // A beat that fell between the last look and this wait: nobody's handler, nothing has changed.
                let only_asked = pulse::asked() && !signal::waiting();
                interrupt::run();
                php_ran = true;
                match engine::pending() {
                    Pending::Nothing if only_asked => {}
                    Pending::Nothing if supervision::with(|state| state.stopping()) => {}
                    Pending::Nothing => return Turn::Interrupted,
                    Pending::Exception | Pending::Leaving => return Turn::Leave,
                }
            }
        }
    }
}

/// Calls PHP: handlers that are due, tasks and callbacks.
pub fn sleep_until(deadline: Option<Duration>) -> bool {
    loop {
        if own_turn() != Some(false) {
            return false;
        }
        let task = task::next_due(TaskPlace::OwnLoop);
        match supervision::with(|state| state.wait(earlier(deadline, task), Call::Sleep)) {
            Woken::Ready => {}
            Woken::Deadline if is_task(task, deadline) => {}
            Woken::Deadline => return own_turn() == Some(false),
            Woken::Interrupted => {
                interrupt::run();
                if engine::pending() != Pending::Nothing {
                    return false;
                }
            }
        }
    }
}

/// Calls PHP: callbacks and tasks. What `shouldStop()` and `sleep()` do in a loop of the script's own: ready, held while paused.
/// Whether to stop; `None`: something is pending. A child that a callback forked off stops.
pub fn own_turn() -> Option<bool> {
    let left = || (engine::pending() == Pending::Nothing).then_some(true);
    let (begins, handling) = supervision::with(|state| (state.methods.is_empty(), state.busy));
    if begins && !handling && !start() {
        return left();
    }
    supervision::with(|state| {
        state.goes_on();
        if begins {
            state.announce();
        }
        look_after_signals(state);
    });
    if handling {
        return Some(supervision::with(|state| state.stopping()));
    }
    if !held() || !hear() || task::run(TaskPlace::OwnLoop) == Ran::Leave {
        return left();
    }
    let stop = supervision::with(|state| state.stopping());
    if !stop || tell_stop() { Some(stop) } else { left() }
}

/// Calls PHP: the callbacks of `onMessage()`, in a loop of the script's own, between two jobs. False: as for
/// [`request::serve`].
fn hear() -> bool {
    let may =
        || !dispatch::is_running() && supervision::with(|state| !state.in_loop && state.may_run_tasks(false));
    while may() {
        let Some(message) = supervision::with(|state| state.next_message()) else { break };
        if !request::serve(message) {
            return false;
        }
    }
    true
}

/// Calls PHP: handlers that are due, and callbacks. In a loop of the script's own: as long as it is paused and not
/// stopping. A job in hand is not held: the order waits in the inbox until it is done. False: see [`callback::call_all`].
fn held() -> bool {
    loop {
        if supervision::with(|state| state.has_job()) {
            return true;
        }
        while let Some(order) = supervision::with(|state| state.next_order()) {
            if !obey(order) {
                return false;
            }
        }
        if supervision::with(|state| !state.paused || state.obeying || state.in_loop || state.stopping()) {
            return true;
        }
        if supervision::with(|state| state.wait(None, Call::Sleep)) == Woken::Interrupted {
            interrupt::run();
            if engine::pending() != Pending::Nothing {
                return false;
            }
            supervision::with(look_after_signals);
        }
    }
}

/// Calls PHP: until they have succeeded once, the callbacks of `onStart()`. True also inside of them, where nothing is
/// announced yet. False: see [`callback::call_all`].
pub fn start() -> bool {
    let begins = supervision::with(|state| {
        let begins = state.start == Progress::NotYet;
        if begins {
            state.start = Progress::Running;
        }
        begins
    });
    if !begins {
        return true;
    }
    let process = std::process::id();
    let succeeded = callback::call_all(Moment::Start, None);
    if std::process::id() == process {
        supervision::with(|state| match engine::pending() {
            Pending::Nothing => {
                state.start = Progress::Done;
                task::begin();
            }
            Pending::Exception => state.start = Progress::NotYet,
            Pending::Leaving => {}
        });
    }
    succeeded
}

/// Calls PHP: the first time, in a worker that has started and is not ended by `exit()`, the callbacks of `onStop()`.
/// False: see [`callback::call_all`].
fn tell_stop() -> bool {
    let told = supervision::with(|state| {
        state.start != Progress::Done || state.is_leaving() || std::mem::replace(&mut state.stop_told, true)
    });
    told || callback::call_all(Moment::Stop, None)
}

/// Calls PHP: does what a frame that is no request asks for. What a callback calls obeys no further order, so that each
/// is acknowledged before the next. False: see [`callback::call_all`].
fn obey(frame: Frame) -> bool {
    let kind = frame.kind;
    if kind == Kind::Expired {
        return tell_expired(frame);
    }
    drop(frame);
    let (paused, moment, answer) = match kind {
        Kind::Pause => (true, Moment::Pause, Kind::Paused),
        Kind::Resume => (false, Moment::Resume, Kind::Resumed),
        other => {
            supervision::log(&format!("an unexpected frame {other:?} was passed over"));
            return true;
        }
    };
    let changes = supervision::with(|state| {
        state.obeying = true;
        std::mem::replace(&mut state.paused, paused) != paused
    });
    if !paused {
        say_paused(false);
    }
    let goes_on = !changes || callback::call_all(moment, None);
    supervision::with(|state| state.obeying = false);
    if engine::pending() != Pending::Leaving {
        if paused {
            say_paused(true); // not before: whether onPause() hangs is looked at
        }
        supervision::with(|state| state.send(answer, 0, 0, &[]));
    }
    goes_on
}

/// Calls PHP: the callbacks of `onExpire()` with the value. False: see [`callback::call_all`].
fn tell_expired(frame: Frame) -> bool {
    let mut value = [0; settings::SESSION_BYTES];
    let length = frame.payload.len().min(value.len());
    if let Some((to, from)) = value.get_mut(..length).zip(frame.payload.get(..length)) {
        to.copy_from_slice(from);
    }
    drop(frame); // nothing that needs dropping while PHP runs
    supervision::with(|state| state.obeying = true); // what it calls obeys nothing further, and runs no task
    let goes_on = callback::call_all(Moment::Expire, value.get(..length));
    supervision::with(|state| state.obeying = false);
    goes_on
}

fn say_paused(paused: bool) {
    if let Some(page) = supervision::with(|state| state.page()) {
        page.pause(paused);
    }
}

/// A stop signal that has fallen back to its default is taken again, before anything runs or waits; the sidecar hears
/// what it has to hear.
fn look_after_signals(state: &mut State) {
    if let Err(error) = state.take_stop_signals() {
        supervision::log(&format!("the stop signals cannot be taken: {error}"));
    }
    dispatch::keep();
    state.report_signals();
}

/// The earlier one of two deadlines of which each may be none.
fn earlier(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

/// Whether what a wait has ended at is a task, and not yet the deadline.
fn is_task(task: Option<Duration>, deadline: Option<Duration>) -> bool {
    let now = sys::monotonic();
    task.is_some_and(|due| due <= now) && deadline.is_none_or(|deadline| now < deadline)
}
