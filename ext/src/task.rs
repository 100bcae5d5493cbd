//! Tasks: what `every()` and `after()` were given, called between two requests.
//!
//! # How it works
//! [`Timers`] says which task is due; the loops in `worker` ask at each turn and wait no longer than until the next one. A
//! task in hand is `busy` on the slot page, under a name that says what it is; a job between `busy()` and `idle()` gets the
//! page back afterwards. While one runs the worker is taken, as it is for a request: no loop can be entered in it.
//!
//! The time of a task runs from its registration, or from when the worker is ready, whichever is later.
//!
//! # What may be lost
//! Turns that come while the worker is paused, or while something else takes longer: they become one call. All turns, once
//! the worker is to stop. In a child that PHP code forks off its parent's tasks are not due, as fork(2) has it for timers.
//!
//! # Rules
//! What runs inside [`with`] never calls PHP, and drops no task: that may run destructors. Nothing that needs dropping is
//! alive while a task runs.
//! Sources: DESIGN 5; fork(2).

use std::cell::RefCell;
use std::time::Duration;

use rustdaemon_core::slot::Phase;
use rustdaemon_core::timers::{Timers, Turn};
use rustdaemon_core::{fork, pulse, sys};

use crate::dispatch;
use crate::engine::{self, Callable, Pending, RawCallable, Slot, TaskCall};
use crate::error::{self, Cause, Refusal};
use crate::supervision;

struct Task {
    task: Callable,
    /// For people: `every 30 s, App\Poller->poll()`.
    name: String,
}

#[derive(Default)]
struct Tasks {
    timers: Timers<Task>,
    /// Those of the parent, in a forked child: kept until the end, because dropping one may call PHP.
    parents: Vec<Task>,
    generation: u64,
}

/// How often a task comes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Often {
    /// `every()`
    Again,
    /// `after()`
    Once,
}

/// Where tasks may run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `run()`, which serves requests: one task at a time.
    Run,
    /// `tick()`, also between `busy()` and `idle()`: all that are due.
    Tick,
    /// `sleep()` and `shouldStop()`, not between `busy()` and `idle()`: all that are due.
    OwnLoop,
}

/// What [`run`] has done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// No task was due.
    None,
    /// One or more.
    Some,
    /// Return to PHP at once: something is pending, or this is a child that a task forked off.
    Leave,
}

thread_local! {
    static TASKS: RefCell<Tasks> = RefCell::new(Tasks::default());
}

fn with<R>(act: impl FnOnce(&mut Tasks) -> R) -> R {
    TASKS.with_borrow_mut(|tasks| {
        tasks.leave_when_forked();
        act(tasks)
    })
}

impl Tasks {
    fn leave_when_forked(&mut self) {
        let generation = fork::generation();
        if self.generation != generation {
            self.generation = generation;
            self.parents.extend(self.timers.take_all());
        }
    }
}

/// Gives all tasks up. RSHUTDOWN; calls PHP only to free what they hold, whose destructors have run.
pub fn end() {
    let tasks = TASKS.take();
    drop(tasks);
}

/// Registers a task.
///
/// # Errors
/// One sentence: the time is not possible.
pub fn add(call: TaskCall, often: Often) -> Result<(), Refusal> {
    let seconds = call.seconds;
    let possible = match often {
        Often::Again if seconds > 0.0 && seconds.is_finite() => Ok(()),
        Often::Again => Err("seconds: must be a finite number greater than 0.0"),
        Often::Once if seconds >= 0.0 && seconds.is_finite() => Ok(()),
        Often::Once => Err("seconds: must be a finite number from 0.0"),
    };
    possible.map_err(|sentence| Cause::InvalidArgument.because(sentence))?;
    // What a Duration cannot hold is never.
    let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    let what = String::from_utf8_lossy(&call.task.describe()).into_owned();
    let word = if often == Often::Again { "every" } else { "after" };
    let task = Task { name: format!("{word} {} s, {what}", error::seconds(seconds)), task: call.task };
    let _ = fork::watch(); // out of memory: then a child cannot be told from its parent
    let now = sys::monotonic();
    with(|tasks| match often {
        Often::Again => tasks.timers.every(now, time, task),
        Often::Once => tasks.timers.after(now, time, task),
    });
    supervision::with(|state| state.has_jobs());
    show_due();
    Ok(())
}

/// Makes `Worker::stream()` readable when the next task is due.
pub fn show_due() {
    if supervision::with(|state| state.is_shown()) {
        let due = next_due(Place::Tick);
        supervision::with(|state| state.show_due(due));
    }
}

/// The worker is ready: the time runs.
pub fn begin() {
    with(|tasks| tasks.timers.begin(sys::monotonic()));
}

/// When a loop has to look for tasks; `None`: there are none that may run.
pub fn next_due(place: Place) -> Option<Duration> {
    let due = with(|tasks| tasks.timers.next_due())?;
    may_run(place).then_some(due)
}

fn may_run(place: Place) -> bool {
    !dispatch::is_running() && supervision::with(|state| state.may_run_tasks(place != Place::OwnLoop))
}

/// Calls PHP: tasks that are due now.
pub fn run(place: Place) -> Ran {
    if with(|tasks| tasks.timers.next_due()).is_none() {
        return Ran::None;
    }
    let by = sys::monotonic();
    let mut ran = Ran::None;
    while ran == Ran::None || place != Place::Run {
        if !may_run(place) {
            break;
        }
        let Some((callable, held)) = take(by) else { break };
        if !call(&callable, held) {
            return Ran::Leave;
        }
        ran = Ran::Some;
    }
    ran
}

/// The task that was due first, and what to free when it has run. It is in hand from here on.
fn take(by: Duration) -> Option<(RawCallable, Slot)> {
    let now = sys::monotonic();
    with(|tasks| {
        let (name, callable, held) = match tasks.timers.take(by, now)? {
            Turn::Again(task) => (task.name.as_str(), task.task.raw(), task.task.hold()),
            Turn::Once(Task { task, name }) => {
                take_in_hand(&name, now);
                return Some((task.raw(), task.into_slot()));
            }
        };
        take_in_hand(name, now);
        Some((callable, held))
    })
}

fn take_in_hand(name: &str, now: Duration) {
    supervision::with(|state| {
        (state.busy, state.fiber) = (true, engine::fiber());
        state.goes_on();
        if let Some(page) = state.page() {
            state.set_aside = page.job();
            page.busy(Phase::OwnBusy, name.as_bytes(), None, now);
            pulse::busy();
        }
    });
}

/// Calls PHP: a task. False: return to PHP at once.
fn call(callable: &RawCallable, held: Slot) -> bool {
    let process = fork::generation();
    let mut result = Slot::new();
    callable.call_with(None, result.value());
    result.free();
    held.free();
    if fork::generation() != process {
        return false; // the loop on its stack is the parent's
    }
    supervision::with(|state| {
        state.busy = false;
        state.give_page_back();
    });
    let pending = engine::pending();
    if pending == Pending::Leaving {
        supervision::with(|state| state.leave());
    }
    pending == Pending::Nothing
}
