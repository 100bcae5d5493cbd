//! When an ended worker is started again.
//!
//! # How it works
//! A run of `short_run` or longer, and the first shorter one in a row, is replaced at once; further short runs wait
//! 100 ms, doubled each time, at most `backoff_max`, with full jitter: anything from nothing to that. A long run starts
//! the count anew.
//!
//! # Rules
//! Pure: the jitter's fraction is given.
//! Sources: DESIGN §3; "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

use std::time::Duration;

/// Longest wait after the second short run in a row; doubled from there.
const FIRST: Duration = Duration::from_millis(100);

/// How a slot's workers have fared lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    short_runs: u32,
}

impl Backoff {
    /// Short runs in a row.
    #[must_use]
    pub fn short_runs(self) -> u32 {
        self.short_runs
    }

    /// How long to wait after a worker that `ran` so long; `None`: start the next one at once. `fraction`, 0 to 1, is
    /// the jitter.
    pub fn wait_after(
        &mut self,
        ran: Duration,
        short_run: Duration,
        max: Duration,
        fraction: f64,
    ) -> Option<Duration> {
        self.short_runs = if ran < short_run { self.short_runs.saturating_add(1) } else { 0 };
        let doublings = self.short_runs.checked_sub(2)?.min(20);
        Some(FIRST.saturating_mul(1 << doublings).min(max).mul_f64(fraction))
    }
}

/// Uniform fractions for the jitter: xorshift64*, seeded once. Nothing here is secret.
#[derive(Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// Any seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// From 0 to 1.
    pub fn next_fraction(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        f64::from(u32::try_from(bits).unwrap_or(0)) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT_RUN: Duration = Duration::from_secs(5);
    const MAX: Duration = Duration::from_secs(60);

    #[test]
    fn the_first_short_run_is_free_and_each_further_one_waits_twice_as_long() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.wait_after(Duration::ZERO, SHORT_RUN, MAX, 1.0), None);
        for ms in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000] {
            let wait = backoff.wait_after(Duration::ZERO, SHORT_RUN, MAX, 1.0);
            assert_eq!(wait, Some(Duration::from_millis(ms)));
        }
        assert_eq!(backoff.wait_after(SHORT_RUN, SHORT_RUN, MAX, 1.0), None, "a long run");
        assert_eq!(
            backoff.wait_after(Duration::ZERO, SHORT_RUN, MAX, 1.0),
            None,
            "the first short one again"
        );
        assert_eq!(backoff.wait_after(Duration::ZERO, SHORT_RUN, MAX, 0.5), Some(FIRST / 2));
    }

    #[test]
    fn a_count_that_never_ends_does_not_overflow() {
        let mut backoff = Backoff { short_runs: u32::MAX };
        assert_eq!(backoff.wait_after(Duration::ZERO, SHORT_RUN, MAX, 1.0), Some(MAX));
    }

    #[test]
    fn full_jitter_spreads_over_the_whole_wait() {
        let mut jitter = Jitter::new(1);
        let fractions: Vec<f64> = (0..1000).map(|_| jitter.next_fraction()).collect();
        assert!(fractions.iter().all(|fraction| (0.0..=1.0).contains(fraction)));
        for tenth in 0..10 {
            let hits = fractions.iter().filter(|fraction| (**fraction * 10.0) as usize == tenth).count();
            assert!((50..200).contains(&hits), "{hits} in tenth {tenth}");
        }
    }
}
