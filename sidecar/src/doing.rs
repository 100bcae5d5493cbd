//! What a worker is doing, judged from the outside: idle, busy, blocked, looping, waiting or frozen.
//!
//! | word | when |
//! |---|---|
//! | `frozen` | stopped by a signal, a debugger or the freezer; or busy, and its pulse does not beat |
//! | `idle` | nothing in hand: in `run()` or `tick()`, between two of them, or in a loop of its own after `idle()`, also in `Worker::sleep()` there |
//! | `waiting` | something in hand, and inside a blocking call of ours: `Worker::sleep()`, `Signal::wait()` |
//! | `blocked` | something in hand, and two beats of the pulse were not answered: inside a native function |
//! | `looping` | something in hand for half a second, it answers, and wanted a CPU for 90 % of the last two beats |
//! | `busy` | something in hand, and nothing of the above |
//!
//! Without a slot page (`--no-link`), and before a worker has said that it is ready, only `frozen` can be told.
//!
//! # Rules
//! Pure: judges facts, asks nobody. The page is not trusted: every number may be anything.
//! Sources: DESIGN 2.2, 3.

use std::time::Duration;

use rustdaemon_core::pulse::{PERIOD, UNANSWERED};
use rustdaemon_core::slot::{Observation, Phase};

use crate::proc::Facts;
use crate::text::shown;

/// A pulse that was not seen for so long while there is work has stopped.
const STALE: Duration = Duration::from_millis(8 * PERIOD.as_millis() as u64);
/// Busy for less is not looping.
const LOOPING_AFTER: Duration = Duration::from_millis(500);
/// Of 100: who burns more, and answers, loops.
const BURNING: u32 = 90;

/// The word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nothing in hand.
    Idle,
    /// At work.
    Busy,
    /// Inside a native function.
    Blocked,
    /// Burning CPU.
    Looping,
    /// Inside a blocking call of ours.
    Waiting,
    /// Stopped from outside.
    Frozen,
}

impl Word {
    /// As it is shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Blocked => "blocked",
            Self::Looping => "looping",
            Self::Waiting => "waiting",
            Self::Frozen => "frozen",
        }
    }
}

/// A judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doing {
    /// The word.
    pub word: Word,
    /// For how long, as far as that is known.
    pub lasts: Option<Duration>,
}

/// Judges. `page`: what the worker says of itself, if it has a page. `None`: there is nothing to tell.
#[must_use]
pub fn judge(page: Option<&Observation>, facts: &Facts, now: Duration) -> Option<Doing> {
    let since = |at: Option<Duration>| at.map(|at| now.saturating_sub(at));
    let page = page.filter(|page| page.phase != Phase::Nothing);
    if facts.is_stopped() {
        return Some(Doing { word: Word::Frozen, lasts: since(page.and_then(stopped_at)) });
    }
    let page = page?;
    let Some(busy_since) = page.busy_since else { return Some(Doing { word: Word::Idle, lasts: None }) };
    let busy_for = now.saturating_sub(busy_since);
    let has_pulse = page.beats > 0 && page.alive_at.is_some();
    let last_sign = page.alive_at.max(Some(busy_since));
    let (word, lasts) = if has_pulse && since(last_sign) >= Some(STALE) {
        (Word::Frozen, since(last_sign))
    } else if page.waiting.is_some() {
        (Word::Waiting, Some(busy_for))
    } else if page.blind || !has_pulse {
        (Word::Busy, Some(busy_for))
    } else if page.unanswered >= UNANSWERED {
        (Word::Blocked, since(page.progress_at.max(Some(busy_since))))
    } else if busy_for >= LOOPING_AFTER && is_burning(page) {
        (Word::Looping, Some(busy_for))
    } else {
        (Word::Busy, Some(busy_for))
    };
    Some(Doing { word, lasts })
}

/// The last sign of life of one that is busy.
fn stopped_at(page: &Observation) -> Option<Duration> {
    page.busy_since.and(page.alive_at.max(page.busy_since))
}

fn is_burning(page: &Observation) -> bool {
    page.cpu.is_some_and(|(used, over)| {
        over >= PERIOD && used.saturating_mul(100) >= over.saturating_mul(BURNING)
    })
}

/// The texts of a page, for [`say`].
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// What is in hand.
    pub what: Option<String>,
    /// What `progress()` said of it.
    pub status: Option<String>,
    /// Where PHP was last.
    pub place: Option<String>,
}

impl Texts {
    /// What is in hand, with what was said of it: `import (row 7)`.
    #[must_use]
    pub fn in_hand(&self) -> String {
        let mut line = self.what.clone().unwrap_or_default();
        if let Some(status) = &self.status {
            line += &format!(" ({status})");
        }
        shown(&line)
    }
}

/// One line for people: `plc.read (row 7), in file_get_contents() at /app/x.php:12`. `None`: nothing is in hand.
#[must_use]
pub fn say(doing: &Doing, page: &Observation, texts: &Texts) -> Option<String> {
    let busy_since = page.busy_since?;
    let mut line = texts.in_hand();
    let place = texts.place.as_deref().filter(|_| page.place_at >= Some(busy_since));
    let place = match (doing.word, page.waiting, place) {
        (Word::Waiting, Some(call), _) => Some(format!("in {}", call.name())),
        (Word::Blocked | Word::Looping | Word::Frozen, _, Some(place)) => match place.contains("() at ") {
            true => Some(format!("in {place}")),
            false => Some(format!("at {place}")),
        },
        (Word::Blocked, _, None) => Some("in a native function".to_owned()),
        _ => None,
    };
    if let Some(place) = place {
        line += if line.is_empty() { "" } else { ", " };
        line += &place;
    }
    Some(shown(&line)).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use rustdaemon_core::slot::Call;

    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn ago(ms: u64) -> Option<Duration> {
        Some(NOW - Duration::from_millis(ms))
    }

    /// Busy for ten seconds, answering, with CPU to spare.
    fn busy() -> Observation {
        Observation {
            phase: Phase::Busy,
            beats: 40,
            alive_at: ago(100),
            progress_at: ago(100),
            busy_since: ago(10_000),
            cpu: Some((Duration::from_millis(100), 2 * PERIOD)),
            ..Observation::default()
        }
    }

    fn word(page: &Observation) -> &'static str {
        judge(Some(page), &Facts::default(), NOW).map_or("-", |doing| doing.word.name())
    }

    #[test]
    fn each_word_has_its_facts() {
        let burning = Some((2 * PERIOD, 2 * PERIOD));
        let idle = Observation { phase: Phase::Idle, alive_at: ago(99_000), ..Observation::default() };
        let table = [
            ("-", Observation::default()),
            ("idle", idle),
            ("idle", Observation { waiting: Some(Call::Loop), ..idle }),
            ("idle", Observation { phase: Phase::OwnIdle, waiting: Some(Call::Sleep), ..idle }),
            ("idle", Observation { unanswered: 9, ..idle }),
            ("busy", busy()),
            ("busy", Observation { unanswered: 1, ..busy() }),
            ("busy", Observation { cpu: burning, busy_since: ago(400), ..busy() }),
            ("busy", Observation { unanswered: 9, blind: true, ..busy() }),
            ("busy", Observation { beats: 0, alive_at: None, ..busy() }),
            ("busy", Observation { alive_at: ago(50_000), busy_since: ago(200), ..busy() }),
            ("blocked", Observation { unanswered: 2, ..busy() }),
            ("blocked", Observation { unanswered: 2, cpu: burning, ..busy() }),
            ("blocked", Observation { phase: Phase::OwnBusy, unanswered: u64::MAX, ..busy() }),
            ("looping", Observation { cpu: burning, ..busy() }),
            ("looping", Observation { cpu: Some((Duration::MAX, Duration::MAX)), ..busy() }),
            ("busy", Observation { cpu: Some((PERIOD, PERIOD / 2)), ..busy() }),
            ("waiting", Observation { waiting: Some(Call::Sleep), unanswered: 9, ..busy() }),
            ("waiting", Observation { waiting: Some(Call::Wait), phase: Phase::OwnBusy, ..busy() }),
            ("frozen", Observation { alive_at: ago(2_000), waiting: Some(Call::Wait), ..busy() }),
            (
                "busy",
                Observation { alive_at: Some(Duration::MAX), busy_since: Some(Duration::MAX), ..busy() },
            ),
        ];
        for (expected, page) in table {
            assert_eq!(word(&page), expected, "{page:?}");
        }
    }

    #[test]
    fn what_is_stopped_is_frozen_whatever_it_says() {
        for facts in [
            Facts { state: Some('T'), ..Facts::default() },
            Facts { state: Some('t'), tracer: 7, ..Facts::default() },
            Facts { is_frozen: true, state: Some('S'), ..Facts::default() },
        ] {
            for page in [None, Some(&busy()), Some(&Observation::default())] {
                assert_eq!(judge(page, &facts, NOW).unwrap().word, Word::Frozen);
            }
        }
        let sleeping = Facts { state: Some('S'), ..Facts::default() };
        assert_eq!(judge(None, &sleeping, NOW), None, "without a link nobody knows");
    }

    #[test]
    fn it_lasts_since_the_last_answer_or_since_it_is_busy() {
        let lasts = |page: &Observation| judge(Some(page), &Facts::default(), NOW).unwrap().lasts;
        let blocked = Observation { unanswered: 3, progress_at: ago(700), ..busy() };
        assert_eq!(lasts(&blocked), Some(Duration::from_millis(700)));
        assert_eq!(
            lasts(&Observation { progress_at: ago(99_000), ..blocked }),
            Some(Duration::from_secs(10))
        );
        assert_eq!(lasts(&busy()), Some(Duration::from_secs(10)));
        assert_eq!(lasts(&Observation { alive_at: ago(3_000), ..busy() }), Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_line_says_what_and_where() {
        let line = |page: Observation, place: &str| {
            let doing = judge(Some(&page), &Facts::default(), NOW).unwrap();
            let texts = Texts {
                what: Some("plc.read".into()),
                status: None,
                place: Some(place.to_owned()).filter(|place| !place.is_empty()),
            };
            say(&doing, &page, &texts).unwrap()
        };
        let native = "file_get_contents() at /app/x.php:12";
        let blocked = Observation { unanswered: 2, place_at: ago(10), ..busy() };
        assert_eq!(line(blocked, native), "plc.read, in file_get_contents() at /app/x.php:12");
        let stale = Observation { place_at: ago(20_000), ..blocked };
        assert_eq!(line(stale, native), "plc.read, in a native function", "that was an earlier request");
        assert_eq!(line(blocked, ""), "plc.read, in a native function", "not permitted to look");
        let looping = Observation { cpu: Some((PERIOD, PERIOD)), unanswered: 0, ..blocked };
        assert_eq!(line(looping, "/app/x.php:3"), "plc.read, at /app/x.php:3");
        let waiting = Observation { waiting: Some(Call::Sleep), ..blocked };
        assert_eq!(line(waiting, native), "plc.read, in Worker::sleep()");
        assert_eq!(line(busy(), native), "plc.read");
        let texts = Texts { what: Some("a\nb".into()), status: Some("row\t7".into()), place: None };
        let doing = judge(Some(&busy()), &Facts::default(), NOW).unwrap();
        assert_eq!(say(&doing, &busy(), &texts).as_deref(), Some("a\\nb (row\\t7)"));
        let idle = Observation { phase: Phase::Idle, busy_since: None, ..busy() };
        assert_eq!(say(&doing, &idle, &texts), None);
    }
}
