//! Ctrl-C, TERM and HUP: noted by the handler, acted on wherever something is waited for.
//!
//! # Correct order
//! Handler: store the number. Whoever waits asks `check()` between two looks and returns its error; the guards of
//! `child.rs` then end what was started, each in its `Drop`. So an interrupted verb leaves nothing behind.

use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::failure::{Failure, INTERRUPTED, Result};

static RECEIVED: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: i32) {
    RECEIVED.store(signal, Ordering::Relaxed);
}

/// Installs the handler. Children get the default disposition back at their exec.
pub fn install() {
    let action = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler only stores into an atomic.
        unsafe { sigaction(signal, &action) }.expect("these three can be caught");
    }
}

/// # Errors
/// After one of the signals.
pub fn check() -> Result {
    match RECEIVED.load(Ordering::Relaxed) {
        0 => Ok(()),
        number => {
            let name = Signal::try_from(number).map_or("a signal", Signal::as_str);
            Err(Failure::with_code(format!("interrupted by {name}"), INTERRUPTED))
        }
    }
}
