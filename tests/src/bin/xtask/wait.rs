//! Waiting for a condition, with a deadline. The interval is how often one looks, never what one waits for.

use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Result;
use crate::interrupt;

const INTERVAL: Duration = Duration::from_millis(20);

/// Looks until `probe` gives a value; `Err` of the probe is the state it has seen instead.
///
/// # Blocking
/// Until the probe succeeds, `within` is over or a signal comes.
///
/// # Errors
/// At the deadline, with what was waited for and the last state seen; when interrupted.
pub fn eventually<T>(
    within: Duration,
    what: &str,
    mut probe: impl FnMut() -> std::result::Result<T, String>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        let last = match probe() {
            Ok(value) => return Ok(value),
            Err(state) => state,
        };
        interrupt::check()?;
        if Instant::now() >= deadline {
            return Err(format!("{what}: not within {} s; last seen: {last}", within.as_secs_f32()).into());
        }
        thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_the_value_of_the_first_look_that_succeeds() {
        let mut looks = 0;
        let seen = eventually(Duration::from_secs(10), "three looks", || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(format!("{looks} looks")) }
        });
        assert_eq!(seen.unwrap(), 3);
    }

    #[test]
    fn says_what_was_waited_for_and_what_was_seen_last() {
        let why =
            eventually::<()>(Duration::ZERO, "the socket is there", || Err("an empty directory".into()));
        assert_eq!(
            why.unwrap_err().to_string(),
            "the socket is there: not within 0 s; last seen: an empty directory"
        );
    }
}
