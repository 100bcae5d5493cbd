//! Faults: what must hold while something goes wrong. Real processes, killed and flooded.
//!
//! In a short dose a part of `cargo xtask test`; `cargo xtask fault` gives the full one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like the tests"
)]

// Sidecars and workers, killed at random.
mod kills;
// Signals by the ten thousand.
mod storm;
// What workers leave behind, by the hundred.
mod strangers;

/// How much of a fault: `full` for `cargo xtask fault`, else `short`.
fn dose(short: i32, full: i32) -> i32 {
    match std::env::var("RUSTDAEMON_DOSE") {
        Ok(dose) if dose == "full" => full,
        _ => short,
    }
}
