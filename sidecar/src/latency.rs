//! How long the requests of one slot took lately, and how many there were.
//!
//! # How it works
//! A histogram whose buckets grow with the value: four to each power of two microseconds, so that a quantile is never off by
//! more than a fifth. Two of them, [`WINDOW`] each: the one that is being filled, and the one before. What is told is of
//! both together: of the last half minute at least, of the last minute at most.
//! A record costs an index and two additions; the time is the caller's.
//!
//! # What may be lost
//! What lies longer back. A duration over an hour counts as an hour.
//!
//! # Rules
//! Pure. Allocates once, with the first record: a farm of workers that nobody asks does not pay for it.
//! Sources: G. Tene, HdrHistogram (log-linear buckets).

use std::time::{Duration, Instant};

/// How long a histogram is filled before it becomes the one before.
const WINDOW: Duration = Duration::from_secs(30);
/// Up to 2^32 microseconds.
const BUCKETS: usize = 128;

/// A slot's requests of late.
#[derive(Clone, Debug)]
pub struct Latency {
    /// From the first record on.
    counts: Option<Box<Counts>>,
    /// Since when the current one is filled.
    since: Instant,
    /// For how long the one before was filled.
    span: Duration,
}

#[derive(Clone, Debug)]
struct Counts {
    /// The one that is being filled, and the one before.
    current: [u32; BUCKETS],
    before: [u32; BUCKETS],
}

const NONE: Counts = Counts { current: [0; BUCKETS], before: [0; BUCKETS] };

/// What [`Latency`] comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Requests per second.
    pub rate: f64,
    /// Half of them took no longer; `None`: there were none.
    pub p50: Option<Duration>,
    /// 99 of a hundred took no longer.
    pub p99: Option<Duration>,
}

impl Latency {
    /// Nothing yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { counts: None, since: now, span: Duration::ZERO }
    }

    /// A request took so long.
    pub fn record(&mut self, now: Instant, took: Duration) {
        let counts = self.counts.get_or_insert_with(|| Box::new(NONE));
        let age = now.saturating_duration_since(self.since);
        if age >= WINDOW {
            let is_recent = age < 2 * WINDOW;
            counts.before = if is_recent { counts.current } else { [0; BUCKETS] };
            self.span = if is_recent { age } else { WINDOW };
            (counts.current, self.since) = ([0; BUCKETS], now);
        }
        if let Some(count) = counts.current.get_mut(bucket(took)) {
            *count = count.saturating_add(1);
        }
    }

    /// What there is to tell.
    #[must_use]
    pub fn figures(&self, now: Instant) -> Figures {
        let age = now.saturating_duration_since(self.since);
        let is_recent = age < 2 * WINDOW;
        let Counts { current, before: earlier } = self.counts.as_deref().unwrap_or(&NONE);
        let both = current.iter().zip(earlier);
        let before = |count: u32| if age < WINDOW { u64::from(count) } else { 0 };
        let counts = both.map(|(new, old)| if is_recent { u64::from(*new) + before(*old) } else { 0 });
        let total: u64 = counts.clone().sum();
        let span = age + if age < WINDOW { self.span } else { Duration::ZERO };
        let quantile = |part: f64| {
            let wanted = ((total as f64 * part).ceil() as u64).max(1);
            let mut sum = 0;
            let at = counts.clone().position(|count| {
                sum += count;
                sum >= wanted
            });
            at.map(middle)
        };
        Figures {
            rate: total as f64 / span.max(Duration::from_secs(1)).as_secs_f64(),
            p50: quantile(0.5),
            p99: quantile(0.99),
        }
    }
}

/// 0 to 3 microseconds have a bucket each; from there on the two bits below the highest one tell four apart.
fn bucket(took: Duration) -> usize {
    let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
    match micros {
        0..4 => micros as usize,
        _ => {
            let highest = 31 - micros.leading_zeros();
            ((highest - 1) * 4 + ((micros >> (highest - 2)) & 3)) as usize
        }
    }
}

/// The middle of a bucket.
fn middle(bucket: usize) -> Duration {
    let micros = match bucket {
        0..4 => bucket as f64,
        _ => {
            let (power, part) = (bucket / 4 + 1, bucket % 4);
            (4.5 + part as f64) * 2_f64.powi(i32::try_from(power).unwrap_or(31) - 2)
        }
    };
    Duration::from_secs_f64(micros / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_has_a_bucket_that_is_about_as_long() {
        let mut last = 0;
        for micros in (0..2_000_u64).chain((11..32).map(|bit| (1 << bit) + 5)).chain([u64::from(u32::MAX)]) {
            let took = Duration::from_micros(micros);
            let at = bucket(took);
            assert!((last..BUCKETS).contains(&at), "{micros}: {at}");
            last = at;
            let shown = middle(at).as_secs_f64() * 1e6;
            assert!((shown - micros as f64).abs() <= micros as f64 * 0.2 + 0.5, "{micros}: {shown}");
        }
        assert_eq!(bucket(Duration::from_secs(1 << 40)), BUCKETS - 5, "an hour and more");
    }

    #[test]
    fn figures_are_of_the_last_minute() {
        let start = Instant::now();
        let mut latency = Latency::new(start);
        assert_eq!(latency.figures(start), Figures::default());
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        for n in 0..100 {
            let took = Duration::from_millis(if n < 98 { 1 } else { 100 });
            latency.record(at(f64::from(n) / 10.0), took);
        }
        let near =
            |found: Option<Duration>, ms: f64| (found.unwrap().as_secs_f64() * 1e3 - ms).abs() < ms * 0.2;
        let figures = latency.figures(at(10.0));
        assert!((figures.rate - 10.0).abs() < 0.1, "{figures:?}");
        assert!(near(figures.p50, 1.0) && near(figures.p99, 100.0), "{figures:?}");
        latency.record(at(35.0), Duration::from_millis(7));
        let figures = latency.figures(at(40.0));
        assert!((figures.rate - 101.0 / 40.0).abs() < 0.1, "those before count: {figures:?}");
        let figures = latency.figures(at(70.0));
        assert!(near(figures.p50, 7.0) && near(figures.p99, 7.0), "only the last one: {figures:?}");
        assert_eq!(latency.figures(at(96.0)), Figures::default(), "nothing lately");
        latency.record(at(200.0), Duration::from_millis(3));
        assert!(near(latency.figures(at(200.0)).p99, 3.0));
    }
}
