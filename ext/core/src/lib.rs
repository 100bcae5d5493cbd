//! What the extension and the sidecar share. No Zend, no mio, no product decisions.
//!
//! Floors (a module uses only lower ones; `cargo xtask lint` reads this table):
//!
//! F2 `slot`    one worker's page on the scoreboard
//! F1 `link`    frames between sidecar and worker
//! F1 `signal`  async-signal-safe capture
//! F0 `sys`     every other unsafe system call
pub mod link;
pub mod signal;
pub mod slot;
pub mod sys;
