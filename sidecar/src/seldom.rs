//! What may happen a thousand times a second and is to be in the log once in a while.

use std::fmt;
use std::time::{Duration, Instant};

/// Between two lines about the same.
const PAUSE: Duration = Duration::from_secs(10);

/// One thing that is said seldom.
#[derive(Debug, Default)]
pub struct Seldom {
    silent_until: Option<Instant>,
    unsaid: u64,
}

/// How often it happened since the last line, for the end of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsaid(u64);

impl Seldom {
    /// It happened. `Some`: say so.
    pub fn happened(&mut self, now: Instant) -> Option<Unsaid> {
        if self.silent_until.is_some_and(|until| now < until) {
            self.unsaid += 1;
            return None;
        }
        self.silent_until = Some(now + PAUSE);
        Some(Unsaid(std::mem::take(&mut self.unsaid)))
    }
}

impl fmt::Display for Unsaid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            unsaid => write!(out, " ({unsaid} more since it was last said)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_said_is_counted_in_the_next_line() {
        let now = Instant::now();
        let mut thing = Seldom::default();
        assert_eq!(thing.happened(now), Some(Unsaid(0)));
        assert_eq!(thing.happened(now), None);
        assert_eq!(thing.happened(now + PAUSE - Duration::from_nanos(1)), None);
        let line = thing.happened(now + PAUSE).unwrap();
        assert_eq!(line.to_string(), " (2 more since it was last said)");
        assert_eq!(thing.happened(now + PAUSE * 2).unwrap().to_string(), "");
    }
}
