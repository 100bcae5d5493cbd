//! A model of `core::ring`, gone through exhaustively: every interleaving of producers, consumers and one who closes, with
//! a death at every step, up to two.
//!
//! # How it works
//! Each process is a program counter and a few registers; each step is one access to shared memory, one lock, or one
//! system call, as in `ring.rs`, whose functions the steps are named after. A lock whose owner is dead can be taken, as the
//! kernel sees to it. Sleeping and waking is the kernel's: it compares and sleeps in one step, and changes and wakes in
//! one step. Memory is sequentially consistent here; what the processor may reorder is left to the sanitizer's run.
//! The ring is a few units large, messages are one or two of them; a unit is written in two steps, so that who reads in
//! between is found out.
//!
//! # What is checked
//! Each message is received once, whole, and in order; where nobody can do a step more, nobody sleeps who has something to
//! do. The last test breaks the protocol in four ways and expects to be told.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use rustc_hash::FxHashSet;

use Role::{Closer, Consumer, Producer};

/// How many processes there can be.
const MOST: usize = 4;
const UNITS: usize = 3;
/// A unit that is being written.
const TORN: u8 = 99;
const NOBODY: u8 = 255;

/// Ways to break the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Broken {
    Nothing,
    /// The count is stored, then the sleepers are woken.
    StoreThenWake,
    /// The word that somebody sleeps is taken back before the step that wakes.
    ForgetThenWake,
    /// A consumer says that it sleeps without a second look.
    NoSecondLook,
    /// The count comes before the place that goes with it.
    CountBeforePlace,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Role {
    /// Sends so many messages of so many units.
    Producer(u8, u8),
    Consumer,
    Closer,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum At {
    // Producer: try_send
    SendLock,
    SendLook,
    SendHead,
    SendHeadAgain,
    SendTear,
    SendWrite,
    SendPlace,
    SendWaiting,
    SendCount,
    SendCountAndWake,
    SendForget,
    SendUnlock,
    // Producer: sleep_for_room
    RoomLock,
    RoomLook,
    RoomFrom,
    RoomSay,
    RoomUnlock,
    RoomSleep,
    RoomAsleep,
    // Consumer: try_receive
    TakeLock,
    TakeLook,
    TakeCopy,
    TakePlace,
    TakeWaiting,
    TakeCount,
    TakeCountAndWake,
    TakeForget,
    TakeUnlock,
    // Consumer: announce, futex::wait
    MessageLock,
    MessageLook,
    MessageSay,
    MessageUnlock,
    MessageSleep,
    MessageAsleep,
    // close_published, close_consumed
    CloseLock,
    CloseOr,
    CloseForget,
    CloseUnlock,
    CloseLockOther,
    CloseOrOther,
    CloseForgetOther,
    CloseUnlockOther,
    Done,
    Dead,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Process {
    role: Role,
    at: At,
    left: u8,
    /// The count that was looked at, or is slept on.
    count: u8,
    position: u8,
    head: u8,
    closed: bool,
    /// The message in hand is sent.
    sent: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Face {
    count: u8,
    closed: bool,
    places: [u8; 2],
}

impl Face {
    fn place(&self, count: u8) -> u8 {
        self.places[usize::from(count & 1)]
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Side {
    owner: u8,
    waiting: bool,
    from: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct State {
    processes: [Process; MOST],
    producers: Side,
    consumers: Side,
    published: Face,
    consumed: Face,
    units: [u8; UNITS],
    /// Of each message that was sent: its units.
    lengths: [u8; 8],
    kills: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Producers,
    Consumers,
}

impl State {
    fn new(roles: &[Role], kills: u8) -> Self {
        let start = |role: Option<&Role>| Process {
            role: *role.unwrap_or(&Closer),
            at: match role {
                Some(Producer(..)) => At::SendLock,
                Some(Consumer) => At::TakeLock,
                Some(Closer) => At::CloseLockOther,
                None => At::Done,
            },
            left: if let Some(Producer(messages, _)) = role { *messages } else { 0 },
            count: 0,
            position: 0,
            head: 0,
            closed: false,
            sent: false,
        };
        let side = Side { owner: NOBODY, waiting: false, from: 0 };
        Self {
            processes: std::array::from_fn(|index| start(roles.get(index))),
            producers: side,
            consumers: side,
            published: Face::default(),
            consumed: Face::default(),
            units: [0; UNITS],
            lengths: [0; 8],
            kills,
        }
    }

    fn side(&mut self, which: Which) -> &mut Side {
        if which == Which::Producers { &mut self.producers } else { &mut self.consumers }
    }

    /// Takes the lock if it is free or its owner is dead.
    fn lock(&mut self, which: Which, me: usize) -> bool {
        let owner = self.side(which).owner;
        let free = owner == NOBODY || self.processes[usize::from(owner)].at == At::Dead;
        if free {
            self.side(which).owner = u8::try_from(me).unwrap();
        }
        free
    }

    fn unlock(&mut self, which: Which, me: usize) {
        let side = self.side(which);
        assert_eq!(usize::from(side.owner), me);
        side.owner = NOBODY;
    }

    fn wake(&mut self, asleep: At, then: At) {
        for process in &mut self.processes {
            if process.at == asleep {
                process.at = then;
            }
        }
    }

    fn wake_consumers(&mut self) {
        self.wake(At::MessageAsleep, At::TakeLock);
    }

    fn wake_producers(&mut self) {
        self.wake(At::RoomAsleep, At::SendLock);
    }

    /// One step of a process. `None`: it can do none now.
    fn step(&self, me: usize, broken: Broken) -> Option<Self> {
        let mut next = *self;
        let mut p = next.processes[me];
        let units = if let Producer(_, units) = p.role { units } else { 0 };
        match p.at {
            At::Done | At::Dead | At::RoomAsleep | At::MessageAsleep => return None,

            At::SendLock => {
                if p.left == 0 {
                    p.at = At::Done;
                } else {
                    next.lock(Which::Producers, me).then_some(())?;
                    p.at = At::SendLook;
                }
            }
            At::SendLook => {
                p.count = next.published.count;
                p.position = next.published.place(p.count);
                p.closed = next.published.closed;
                p.sent = false;
                p.head = next.consumed.count; // for the next two steps
                p.at = if p.closed { At::SendUnlock } else { At::SendHead };
            }
            At::SendHead => {
                // The place, and whether the count is still the same, are two looks.
                let count = p.head;
                p.head = next.consumed.place(count);
                p.count = count; // kept until the next step, which reads the own count again: it cannot have changed
                p.at = At::SendHeadAgain;
            }
            At::SendHeadAgain => {
                let same = next.consumed.count == p.count;
                p.count = next.published.count;
                let full = usize::from(p.position + units - p.head) > UNITS;
                p.at = match (same, full) {
                    (false, _) => At::SendLook,
                    (true, true) => At::SendUnlock,
                    (true, false) => At::SendTear,
                };
                p.closed = false;
            }
            At::SendTear => {
                for unit in 0..units {
                    next.units[usize::from(p.position + unit) % UNITS] = TORN;
                }
                p.at = At::SendWrite;
            }
            At::SendWrite => {
                for unit in 0..units {
                    next.units[usize::from(p.position + unit) % UNITS] = p.count + 1;
                }
                p.at = if broken == Broken::CountBeforePlace { At::SendWaiting } else { At::SendPlace };
            }
            At::SendPlace => {
                next.published.places[usize::from((p.count + 1) & 1)] = p.position + units;
                p.at = if broken == Broken::CountBeforePlace { At::SendUnlock } else { At::SendWaiting };
            }
            At::SendWaiting => {
                p.at = match (next.producers.waiting, broken) {
                    (false, _) => At::SendCount,
                    (true, Broken::StoreThenWake) => At::SendCount,
                    (true, Broken::ForgetThenWake) => At::SendForget,
                    (true, _) => At::SendCountAndWake,
                };
            }
            At::SendCount => {
                next.sent(&mut p, units);
                let wakes = broken == Broken::StoreThenWake && next.producers.waiting;
                p.at = match broken {
                    Broken::CountBeforePlace => At::SendPlace,
                    _ if wakes => At::SendForget,
                    _ => At::SendUnlock,
                };
            }
            At::SendCountAndWake => {
                next.sent(&mut p, units);
                next.wake_consumers();
                p.at = match broken {
                    Broken::ForgetThenWake => At::SendUnlock,
                    Broken::CountBeforePlace => At::SendPlace,
                    _ => At::SendForget,
                };
            }
            At::SendForget => {
                next.producers.waiting = false;
                p.at = At::SendUnlock;
                match broken {
                    Broken::StoreThenWake => next.wake_consumers(),
                    Broken::ForgetThenWake => p.at = At::SendCountAndWake,
                    _ => {}
                }
            }
            At::SendUnlock => {
                next.unlock(Which::Producers, me);
                p.at = match (p.closed, p.sent) {
                    (true, _) => At::CloseLockOther,
                    (_, true) => At::SendLock,
                    _ => At::RoomLock,
                };
            }

            At::RoomLock => {
                next.lock(Which::Consumers, me).then_some(())?;
                p.at = At::RoomLook;
            }
            At::RoomLook => {
                let wanted = (p.position + units).saturating_sub(u8::try_from(UNITS).unwrap());
                p.count = next.consumed.count;
                p.closed = next.consumed.closed;
                p.head = wanted;
                let room = next.consumed.place(p.count) >= wanted;
                p.at = if room || p.closed { At::RoomUnlock } else { At::RoomFrom };
            }
            At::RoomFrom => {
                let side = &mut next.consumers;
                side.from = if side.waiting { side.from.min(p.head) } else { p.head };
                p.at = At::RoomSay;
            }
            At::RoomSay => {
                next.consumers.waiting = true;
                p.head = u8::MAX; // will sleep
                p.at = At::RoomUnlock;
            }
            At::RoomUnlock => {
                next.unlock(Which::Consumers, me);
                p.at = match (p.closed, p.head) {
                    (true, _) => At::CloseLock, // close_published: it has been closed in part
                    (_, u8::MAX) => At::RoomSleep,
                    _ => At::SendLock,
                };
            }
            At::RoomSleep => {
                let same = next.consumed.count == p.count && !next.consumed.closed;
                p.at = if same { At::RoomAsleep } else { At::SendLock };
            }

            At::TakeLock => {
                next.lock(Which::Consumers, me).then_some(())?;
                p.at = At::TakeLook;
            }
            At::TakeLook => {
                p.count = next.consumed.count;
                p.position = next.consumed.place(p.count);
                let empty = next.published.count == p.count;
                p.closed = empty && next.published.closed;
                p.head = u8::from(empty);
                p.at = if empty { At::TakeUnlock } else { At::TakeCopy };
            }
            At::TakeCopy => {
                let units = next.lengths[usize::from(p.count)];
                for unit in 0..units {
                    let found = next.units[usize::from(p.position + unit) % UNITS];
                    assert_eq!(found, p.count + 1, "a message is not what was sent: {self:?}");
                }
                p.at = At::TakePlace;
            }
            At::TakePlace => {
                p.position += next.lengths[usize::from(p.count)];
                next.consumed.places[usize::from((p.count + 1) & 1)] = p.position;
                p.at = At::TakeWaiting;
            }
            At::TakeWaiting => {
                let wakes = next.consumers.waiting && p.position >= next.consumers.from;
                p.at = if wakes { At::TakeCountAndWake } else { At::TakeCount };
            }
            At::TakeCount => {
                next.consumed.count += 1;
                p.at = At::TakeUnlock;
            }
            At::TakeCountAndWake => {
                next.consumed.count += 1;
                next.wake_producers();
                p.at = At::TakeForget;
            }
            At::TakeForget => {
                next.consumers.waiting = false;
                p.at = At::TakeUnlock;
            }
            At::TakeUnlock => {
                next.unlock(Which::Consumers, me);
                p.at = match (p.closed, p.head) {
                    (true, _) => At::CloseLockOther,
                    (_, 1) => At::MessageLock,
                    _ => At::TakeLock,
                };
            }

            At::MessageLock => {
                next.lock(Which::Producers, me).then_some(())?;
                p.at = At::MessageLook;
            }
            At::MessageLook => {
                let something = next.published.count != next.consumed.count || next.published.closed;
                let look = broken != Broken::NoSecondLook;
                p.count = next.published.count;
                p.head = u8::from(something && look);
                p.at = if something && look { At::MessageUnlock } else { At::MessageSay };
            }
            At::MessageSay => {
                next.producers.waiting = true;
                p.at = At::MessageUnlock;
            }
            At::MessageUnlock => {
                next.unlock(Which::Producers, me);
                p.at = if p.head == 1 { At::TakeLock } else { At::MessageSleep };
            }
            At::MessageSleep => {
                let same = next.published.count == p.count
                    && (!next.published.closed || broken == Broken::NoSecondLook);
                p.at = if same { At::MessageAsleep } else { At::TakeLock };
            }

            At::CloseLock => {
                next.lock(Which::Producers, me).then_some(())?;
                p.at = if next.published.closed { At::CloseUnlock } else { At::CloseOr };
            }
            At::CloseOr => {
                next.published.closed = true;
                next.wake_consumers();
                p.at = At::CloseForget;
            }
            At::CloseForget => {
                next.producers.waiting = false;
                p.at = At::CloseUnlock;
            }
            At::CloseUnlock => {
                next.unlock(Which::Producers, me);
                p.at = At::CloseLockOther;
            }
            At::CloseLockOther => {
                next.lock(Which::Consumers, me).then_some(())?;
                p.at = if next.consumed.closed { At::CloseUnlockOther } else { At::CloseOrOther };
            }
            At::CloseOrOther => {
                next.consumed.closed = true;
                next.wake_producers();
                p.at = At::CloseForgetOther;
            }
            At::CloseForgetOther => {
                next.consumers.waiting = false;
                p.at = At::CloseUnlockOther;
            }
            At::CloseUnlockOther => {
                next.unlock(Which::Consumers, me);
                let closes = p.role == Closer && !next.published.closed;
                p.at = if closes { At::CloseLock } else { At::Done };
            }
        }
        next.processes[me] = p;
        Some(next)
    }

    /// The one step that makes a message.
    fn sent(&mut self, p: &mut Process, units: u8) {
        self.lengths[usize::from(self.published.count)] = units;
        self.published.count += 1;
        p.left -= 1;
        p.sent = true;
    }

    fn killed(&self, me: usize) -> Option<Self> {
        let alive = !matches!(self.processes[me].at, At::Done | At::Dead);
        (self.kills > 0 && alive).then(|| {
            let mut next = *self;
            next.kills -= 1;
            next.processes[me].at = At::Dead;
            next
        })
    }

    /// Nobody can do a step: does somebody sleep who has something to do?
    fn wrong(&self) -> Option<String> {
        let there = self.published.count != self.consumed.count;
        let head = self.consumed.place(self.consumed.count);
        let tail = self.published.place(self.published.count);
        let somebody_knows = self.processes.iter().any(|p| p.at == At::Done && p.closed);
        for (me, p) in self.processes.iter().enumerate() {
            match (p.at, p.role) {
                (At::MessageAsleep, _) if there => return Some(format!("{me} sleeps before a message")),
                (At::MessageAsleep, _) if self.published.closed => {
                    return Some(format!("{me} sleeps on a closed ring"));
                }
                (At::RoomAsleep, Producer(_, units)) if usize::from(tail + units - head) <= UNITS => {
                    return Some(format!("{me} sleeps before room"));
                }
                (At::RoomAsleep, _) if self.published.closed || self.consumed.closed || somebody_knows => {
                    return Some(format!("{me} sleeps for room in a closed ring"));
                }
                (At::RoomAsleep | At::MessageAsleep | At::Done | At::Dead, _) => {}
                _ => return Some(format!("{me} waits for a lock for ever")),
            }
        }
        None
    }
}

/// Goes through all states. How many there are, or what is wrong in one.
fn explore(roles: &[Role], kills: u8, broken: Broken) -> Result<usize, String> {
    let start = State::new(roles, kills);
    let mut seen = FxHashSet::default();
    seen.insert(start);
    let mut open = vec![start];
    while let Some(state) = open.pop() {
        let mut ends = true;
        for me in 0..roles.len() {
            let step = state.step(me, broken);
            ends &= step.is_none();
            for next in step.into_iter().chain(state.killed(me)) {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        if ends && let Some(wrong) = state.wrong() {
            return Err(format!("{wrong}: {state:?}"));
        }
    }
    Ok(seen.len())
}

fn holds(roles: &[Role], kills: u8) {
    match explore(roles, kills, Broken::Nothing) {
        Ok(states) => println!("{roles:?}, {kills} deaths: {states} states"),
        Err(wrong) => panic!("{roles:?}, {kills} deaths: {wrong}"),
    }
}

#[test]
fn no_consumer_stays_asleep() {
    holds(&[Producer(1, 1), Consumer, Consumer], 2);
    holds(&[Producer(2, 1), Consumer, Consumer], 2);
    holds(&[Producer(1, 1), Producer(1, 1), Consumer], 2);
    holds(&[Producer(1, 1), Producer(1, 1), Consumer, Consumer], 2);
}

#[test]
fn no_producer_stays_asleep() {
    holds(&[Producer(3, 2), Consumer], 2);
    holds(&[Producer(2, 2), Producer(1, 3), Consumer], 2);
    holds(&[Producer(2, 2), Producer(1, 1), Consumer], 2);
    holds(&[Producer(3, 2), Consumer, Consumer], 2);
}

#[test]
fn closing_wakes_everybody() {
    holds(&[Consumer, Consumer, Closer], 2);
    holds(&[Producer(2, 3), Closer], 2); // nobody comes to look after them
    holds(&[Producer(2, 3), Closer, Consumer], 2);
    holds(&[Producer(2, 3), Producer(1, 2), Closer], 2);
    holds(&[Producer(1, 1), Closer, Closer, Consumer], 1);
}

#[test]
fn a_broken_protocol_is_found_out() {
    let roles = [Producer(1, 1), Producer(1, 1), Consumer];
    for broken in [Broken::StoreThenWake, Broken::ForgetThenWake, Broken::NoSecondLook] {
        assert!(explore(&roles, 1, broken).is_err(), "{broken:?}");
    }
    let found = std::panic::catch_unwind(|| {
        explore(&[Producer(3, 1), Producer(1, 1), Consumer], 1, Broken::CountBeforePlace)
    });
    assert!(!matches!(found, Ok(Ok(_))));
}
