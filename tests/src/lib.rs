//! The harness of the process-level tests: real sidecars, real workers, real clients.
//!
//! # How it works
//! [`Sidecar::builder`] starts `rustdaemon run` on a socket in a temporary directory of its own; [`Client`] speaks to
//! it as any program would; [`Gate`] holds a worker in a request for exactly as long as a test wants;
//! [`eventually`] waits for a condition. Each part panics with what it saw: a test says only what must hold.
//!
//! # Rules
//! No sleep as synchronisation, no assertion on a maximum time. Everything that can wait has a deadline. Every
//! process is a group of its own, watched, and killed and waited for when its handle is dropped; a failing test
//! prints what its processes wrote.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness fails its test by panicking"
)]

mod client;
mod gate;
pub mod golden;
mod held;
mod observer;
mod php;
mod play;
mod process;
mod sidecar;
mod wait;

pub use client::{Client, Reply};
pub use gate::Gate;
pub use held::BothHeld;
pub use observer::{Observer, Report};
pub use php::Php;
pub use play::play_golden;
pub use process::{Ended, Process, end_those_with, kill_if_with, signal_if_with, those_with};
pub use sidecar::{Builder, Sidecar, sidecar_binary};
pub use wait::{PATIENCE, Watchdog, eventually, watchdog};
