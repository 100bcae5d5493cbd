//! One sleep on memory that several processes share: what `Lock::acquire()` and `Channel`'s calls wait in.
//!
//! # How it works
//! Who waits looks, pauses once, and looks again. Before each sleep signal handlers are called and a stop is looked for; on
//! the page of a supervised worker stands what it waits in. How to sleep, and what wakes, the caller knows.
//!
//! # Rules
//! The caller holds nothing that needs dropping: handlers may run.

use std::time::Duration;

use rustdaemon_core::slot::Call;
use rustdaemon_core::sys;

use crate::engine::{self, Pending, interrupt};
use crate::supervision;

/// How a pause has ended.
pub enum Pause {
    /// Look again.
    Look,
    /// The deadline has passed.
    TimeUp,
    /// The process was told to stop.
    Stop,
    /// Something is pending: see [`engine::pending`].
    Leave,
}

/// Calls PHP: one turn of a wait for what other processes do. Handlers of signals run, or `sleep` does: once, told whether
/// there is a sidecar that may want something meanwhile. It sleeps on [`interrupt::word`] too, or a signal would be slept
/// over.
///
/// # Blocking
/// As long as `sleep` does.
///
/// # Errors
/// What `sleep` says.
pub fn pause<E>(
    deadline: Option<Duration>,
    call: Call,
    sleep: impl FnOnce(bool) -> Result<(), E>,
) -> Result<Pause, E> {
    if deadline.is_some_and(|deadline| deadline <= sys::monotonic()) {
        return Ok(Pause::TimeUp);
    }
    if interrupt::pending() {
        interrupt::run();
        let leave = engine::pending() != Pending::Nothing;
        return Ok(if leave { Pause::Leave } else { Pause::Look });
    }
    let (page, stopping) = supervision::with(|state| {
        if state.supervised() {
            state.look();
        }
        (state.page(), state.stopping())
    });
    if stopping {
        return Ok(Pause::Stop);
    }
    if let Some(page) = page {
        page.waits(call);
    }
    let slept = sleep(page.is_some());
    if let Some(page) = page {
        page.woke();
    }
    slept.map(|()| Pause::Look)
}
