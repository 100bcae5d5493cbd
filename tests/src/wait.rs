//! Waiting for a condition, and the dog that barks when a wait has none.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How long a test waits for anything. Generous: it is only spent by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(4);

/// Looks again and again until `look` gives a value; that value.
///
/// `look` says in words what it saw instead; after [`PATIENCE`] the last of it is the panic's message.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(value) => return value,
            Err(seen) if Instant::now() >= deadline => {
                panic!("not within {} s: {what}\nlast seen: {seen}", PATIENCE.as_secs())
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Armed until it is dropped.
#[derive(Debug)]
pub struct Watchdog(#[allow(dead_code, reason = "its end is the message")] Sender<()>);

/// After `limit`, runs `bark`; if the test has not ended [`PATIENCE`] later, ends the whole test program.
///
/// Every [`crate::Process`] has one whose bark is the end of its group, so that whoever waits for it goes on.
#[must_use = "dropping it disarms it"]
pub fn watchdog(limit: Duration, what: String, bark: impl FnOnce() + Send + 'static) -> Watchdog {
    let (alive, disarmed) = channel();
    std::thread::spawn(move || {
        if disarmed.recv_timeout(limit) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        eprintln!("watchdog: {what} has not ended after {} s", limit.as_secs());
        bark();
        if disarmed.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("watchdog: the test of {what} hangs; the test program is ended");
            std::process::abort();
        }
    });
    Watchdog(alive)
}
