//! What a pool wants done: about a worker, about a hook, or told to whoever looks after all pools.
//!
//! # Rules
//! Plain data: `pool` decides, `event_loop` does.

use std::ffi::OsString;

use log::Level;
use rustdaemon_core::link::Go;

use crate::ids::WorkerId;

/// What is to be done about a worker, or told.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Start the command as this worker.
    Spawn {
        /// Its number.
        worker: WorkerId,
        /// Its slot in the pool.
        slot: u32,
    },
    /// Let it pass the gate.
    Go(WorkerId, Box<Go>),
    /// Do not let it in: one sentence.
    Refuse(WorkerId, String),
    /// Ask it to finish and end.
    Drain(WorkerId),
    /// Ask it to serve nothing for now.
    Pause(WorkerId),
    /// Ask it to go on.
    Resume(WorkerId),
    /// Ask it to end.
    Terminate(WorkerId),
    /// End it.
    Kill(WorkerId),
    /// Send it this signal.
    Signal(WorkerId, i32),
    /// Look at its memory, for [`Pool::sampled`].
    Sample(WorkerId),
    /// Look at what it does, for [`Pool::observed`].
    Observe(WorkerId),
    /// Run a hook.
    Hook(Box<Hook>),
    /// A reload has come to its end: the new generation, or why not, and the last log lines of who failed.
    Reloaded(Result<u32, (String, Vec<String>)>),
    /// The whole daemon is to stop, with this exit code.
    EndDaemon(u8),
    /// Write a line to the log.
    Say(Level, String),
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A worker is ready.
    Ready,
    /// A worker has ended.
    Exit,
    /// A slot is parked.
    Parked,
}

/// A command of the operator's that runs at a moment of a worker's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// When.
    pub moment: Moment,
    /// argv.
    pub command: Vec<OsString>,
    /// The pool's name.
    pub pool: String,
    /// The worker's slot.
    pub slot: usize,
    /// Its generation.
    pub generation: u32,
    /// The word of [`ExitReason::reason`]; empty at [`Moment::Ready`].
    pub reason: String,
}
