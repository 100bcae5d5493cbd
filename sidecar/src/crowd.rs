//! What all clients together may use: connections, FLAT requests in flight, bytes of unfinished frames and of answers.
//!
//! # How it works
//! **Connections.** `max_connections` are for everybody. When they are taken, a few more are for operators (whoever has
//! the role `control`): the reserve. When that is full too, an operator who comes takes the place of the reserve's
//! oldest connection that has nothing to do, so that connections which somebody of the same user has lost count of do
//! not lock the operator out. A connection of the reserve moves up when one of the others ends.
//!
//! **FLAT.** A FLAT request is in flight until its connection has all its answers, also when the client has gone.
//!
//! **Bytes.** Up to [`FREE_BYTES`] everybody may leave unfinished frames with us. Beyond, only what ends a frame is read
//! of a connection ([`Crowd::may_buffer`]), but for one at a time that has our favour: of those that have more to send,
//! the one of which we hold the most. It keeps that until it has no unfinished frame; one largest frame has room. So the
//! sum stays within [`MAX_BYTES`] and somebody always gets on; whoever has the favour and does not end its frame has the
//! usual time for it.
//!
//! **Answers.** When clients leave more than [`MAX_UNTAKEN_BYTES`] of answers with us, all together, the one that has left the
//! most is to go.
//!
//! # What may be refused
//! A connection, a FLAT request: `too_many_connections`. Bytes are never refused here: they wait in the socket.
//! # Rules
//! Pure. Who runs as the same user can end the sidecar: the reserve is against accidents, not against them.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::dialect::TYPED_FRAME_BYTES;
use crate::ids::ClientId;

/// Descriptors that are no client's: ours, those of starts and hooks under way, the operators' reserve.
const RESERVED_DESCRIPTORS: usize = 64;
/// Of a linked worker and its successor: two ends of the link, two of its output, a pidfd each.
const WORKER_DESCRIPTORS: usize = 10;
/// Which part of the reserved descriptors is for operators.
const OPERATORS_PART: usize = 8;

/// All input buffers together.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;
/// All answers that are not taken, together: sixteen of the largest.
const MAX_UNTAKEN_BYTES: usize = 256 * 1024 * 1024;
/// What remains for everybody when one largest frame, and the last turn's reading, have their room.
const FREE_BYTES: usize = MAX_BYTES - TYPED_FRAME_BYTES - 1024 * 1024;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// For everybody.
    pub connections: usize,
    /// More, for operators.
    pub reserve: usize,
}

impl Room {
    /// What `open_files` descriptors leave beside `workers`, and of that at most `wanted`. Where there are few, half of
    /// the reserve's are kept, and one connection is always possible.
    #[must_use]
    pub fn within(open_files: usize, workers: usize, wanted: Option<usize>) -> Self {
        let reserved = RESERVED_DESCRIPTORS.min(open_files / 2);
        let possible = open_files.saturating_sub(reserved + workers * WORKER_DESCRIPTORS).max(1);
        Self {
            connections: wanted.map_or(possible, |wanted| wanted.min(possible)),
            reserve: (reserved / OPERATORS_PART).max(1),
        }
    }
}

/// What becomes of who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is let in.
    Granted,
    /// It is let in from the operators' reserve, in the place of that one, if any, which has to go.
    FromReserve(Option<ClientId>),
    /// It is turned away.
    Refused,
}

/// All clients, as far as they have something in common.
#[derive(Debug)]
pub struct Crowd {
    room: Room,
    connections: usize,
    /// The oldest first.
    reserve: VecDeque<ClientId>,
    flat_limit: usize,
    /// Connections with a FLAT request, and how many answers they wait for.
    flat: HashMap<ClientId, usize>,
    bytes: usize,
    untaken: usize,
    /// Who has more to send and is not read.
    held: BTreeSet<ClientId>,
    favourite: Option<ClientId>,
}

impl Crowd {
    /// Nobody yet.
    #[must_use]
    pub fn new(room: Room, flat_limit: usize) -> Self {
        Self {
            room,
            connections: 0,
            reserve: VecDeque::new(),
            flat_limit,
            flat: HashMap::new(),
            bytes: 0,
            untaken: 0,
            held: BTreeSet::new(),
            favourite: None,
        }
    }

    /// How many there may be.
    #[must_use]
    pub fn room(&self) -> Room {
        self.room
    }

    /// From here on there may be so many; nobody is sent away for it.
    pub fn set_room(&mut self, room: Room) {
        self.room = room;
    }

    /// Somebody has connected. `has_nothing_to_do` tells who of the reserve may have to go.
    pub fn admit(
        &mut self,
        client: ClientId,
        is_operator: bool,
        has_nothing_to_do: impl Fn(ClientId) -> bool,
    ) -> Admission {
        if self.connections < self.room.connections {
            self.connections += 1;
            return Admission::Granted;
        }
        if !is_operator {
            return Admission::Refused;
        }
        let mut displaced = None;
        if self.reserve.len() >= self.room.reserve {
            let Some(at) = self.reserve.iter().position(|client| has_nothing_to_do(*client)) else {
                return Admission::Refused;
            };
            displaced = self.reserve.remove(at);
        }
        self.reserve.push_back(client);
        Admission::FromReserve(displaced)
    }

    /// A displaced one, of which we held so many `bytes`, has gone.
    pub fn displaced(&mut self, client: ClientId, bytes: usize) {
        self.count(client, bytes, 0);
        self.held.remove(&client);
    }

    /// An admitted one, of which we held so many `bytes`, has gone.
    pub fn left(&mut self, client: ClientId, bytes: usize) {
        self.displaced(client, bytes);
        if let Some(at) = self.reserve.iter().position(|reserved| *reserved == client) {
            self.reserve.remove(at);
        } else if self.reserve.pop_front().is_none() {
            self.connections = self.connections.saturating_sub(1);
        }
    }

    /// Whether another FLAT request is one too many.
    #[must_use]
    pub fn flat_is_full(&self) -> bool {
        self.flat.len() >= self.flat_limit
    }

    /// A client's last request is a FLAT one; so many `answers` are to come, its own among them.
    pub fn flat_began(&mut self, client: ClientId, answers: usize) {
        self.flat.insert(client, answers);
    }

    /// An answer has come for a client, whether it is still there or not.
    pub fn answered(&mut self, client: ClientId) {
        if !self.flat.is_empty()
            && let Some(answers) = self.flat.get_mut(&client)
        {
            *answers = answers.saturating_sub(1);
            if *answers == 0 {
                self.flat.remove(&client);
            }
        }
    }

    /// Bytes of unfinished frames, of all clients.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a client may leave more bytes of an unfinished frame with us.
    #[must_use]
    pub fn may_buffer(&self, client: ClientId) -> bool {
        self.bytes < FREE_BYTES || self.favourite == Some(client)
    }

    /// We hold `after` bytes of a client's unfinished frame, where it were `before`.
    pub fn count(&mut self, client: ClientId, before: usize, after: usize) {
        self.bytes = (self.bytes + after).saturating_sub(before);
        if after == 0 && self.favourite == Some(client) {
            self.favourite = None;
        }
    }

    /// Bytes of answers that all clients have not taken.
    #[must_use]
    pub fn untaken(&self) -> usize {
        self.untaken
    }

    /// A client has not taken `after` bytes of its answers, where it were `before`. Whether one has to go.
    pub fn count_untaken(&mut self, before: usize, after: usize) -> bool {
        self.untaken = (self.untaken + after).saturating_sub(before);
        self.untaken > MAX_UNTAKEN_BYTES
    }

    /// Whether a client has more to send, and may not.
    pub fn hold(&mut self, client: ClientId, is_held: bool) {
        match is_held {
            true => self.held.insert(client),
            false => !self.held.is_empty() && self.held.remove(&client),
        };
    }

    /// Whether it is held.
    #[must_use]
    pub fn is_held(&self, client: ClientId) -> bool {
        self.held.contains(&client)
    }

    /// Who is to be read again: everybody when there is room; else, when nobody has our favour, the one of the `held`
    /// that gets it.
    pub fn release(&mut self, bytes_of: impl Fn(ClientId) -> usize) -> BTreeSet<ClientId> {
        if self.held.is_empty() {
            return BTreeSet::new();
        }
        if self.bytes < FREE_BYTES {
            return std::mem::take(&mut self.held);
        }
        if self.favourite.is_some() {
            return BTreeSet::new();
        }
        self.favourite = self.held.iter().copied().max_by_key(|client| bytes_of(*client));
        self.favourite.into_iter().filter(|client| self.held.remove(client)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(connections: usize, reserve: usize) -> Crowd {
        Crowd::new(Room { connections, reserve }, 2)
    }

    #[test]
    fn the_room_is_what_the_descriptors_leave() {
        let room = |open_files, workers, wanted| {
            let Room { connections, reserve } = Room::within(open_files, workers, wanted);
            (connections, reserve)
        };
        assert_eq!(room(1024, 1, None), (950, 8));
        assert_eq!(room(20_000, 4, Some(100)), (100, 8));
        assert_eq!(room(1024, 1, Some(5000)), (950, 8), "no more than there are");
        assert_eq!(room(32, 1, None), (6, 2), "few");
        assert_eq!(room(64, 1024, None), (1, 4), "always one");
    }

    #[test]
    fn an_operator_is_let_in_where_others_are_not() {
        let mut crowd = crowd(2, 2);
        let idle = |_| true;
        assert_eq!(crowd.admit(ClientId(1), true, idle), Admission::Granted);
        assert_eq!(crowd.admit(ClientId(2), false, idle), Admission::Granted);
        assert_eq!(crowd.admit(ClientId(3), false, idle), Admission::Refused);
        assert_eq!(crowd.admit(ClientId(4), true, idle), Admission::FromReserve(None));
        assert_eq!(crowd.admit(ClientId(5), true, idle), Admission::FromReserve(None));
        assert_eq!(crowd.admit(ClientId(6), true, idle), Admission::FromReserve(Some(ClientId(4))));
        let busy = |client| client != ClientId(6);
        assert_eq!(crowd.admit(ClientId(7), true, busy), Admission::FromReserve(Some(ClientId(5))));
        assert_eq!(crowd.admit(ClientId(8), true, |_| false), Admission::Refused, "all of them work");
        assert_eq!(crowd.admit(ClientId(9), false, idle), Admission::Refused);
    }

    #[test]
    fn who_leaves_makes_room_once() {
        let mut crowd = crowd(1, 1);
        let idle = |_| true;
        crowd.admit(ClientId(1), false, idle);
        crowd.admit(ClientId(2), true, idle);
        crowd.left(ClientId(1), 0);
        assert_eq!(crowd.admit(ClientId(3), false, idle), Admission::Refused, "2 has moved up");
        assert_eq!(crowd.admit(ClientId(4), true, idle), Admission::FromReserve(None));
        crowd.left(ClientId(4), 0);
        crowd.left(ClientId(2), 0);
        assert_eq!(crowd.admit(ClientId(5), false, idle), Admission::Granted);
        assert_eq!(crowd.admit(ClientId(6), false, idle), Admission::Refused);
    }

    #[test]
    fn a_flat_request_is_in_flight_until_its_connection_has_all_its_answers() {
        let mut crowd = crowd(9, 1);
        crowd.flat_began(ClientId(1), 1);
        assert!(!crowd.flat_is_full());
        crowd.flat_began(ClientId(2), 2);
        assert!(crowd.flat_is_full());
        crowd.answered(ClientId(2));
        crowd.answered(ClientId(3));
        assert!(crowd.flat_is_full(), "an earlier TYPED one of 2, and somebody else");
        crowd.left(ClientId(2), 0);
        assert!(crowd.flat_is_full(), "its worker goes on");
        crowd.answered(ClientId(2));
        assert!(!crowd.flat_is_full());
    }

    #[test]
    fn when_all_hold_much_the_one_with_the_most_gets_on() {
        let mut crowd = crowd(9, 1);
        let held = [(ClientId(1), FREE_BYTES / 2), (ClientId(2), FREE_BYTES / 2 + 1)];
        let bytes_of = |client| held.iter().find(|(id, _)| *id == client).map_or(0, |(_, bytes)| *bytes);
        for (client, bytes) in held {
            assert!(crowd.may_buffer(client));
            crowd.count(client, 0, bytes);
        }
        for client in [ClientId(1), ClientId(2), ClientId(3)] {
            assert!(!crowd.may_buffer(client));
            crowd.hold(client, true);
        }
        assert_eq!(Vec::from_iter(crowd.release(bytes_of)), [ClientId(2)]);
        assert!(crowd.may_buffer(ClientId(2)) && !crowd.may_buffer(ClientId(1)));
        assert!(crowd.release(bytes_of).is_empty(), "one at a time");
        crowd.count(ClientId(2), FREE_BYTES / 2 + 1, FREE_BYTES);
        assert!(crowd.is_held(ClientId(1)) && !crowd.is_held(ClientId(2)));
        crowd.count(ClientId(2), FREE_BYTES, 0);
        assert_eq!(Vec::from_iter(crowd.release(bytes_of)), [ClientId(1), ClientId(3)], "there is room");
        assert_eq!(crowd.bytes(), FREE_BYTES / 2);
    }

    #[test]
    fn answers_that_are_taken_make_room_for_others() {
        let mut crowd = crowd(9, 1);
        assert!(!crowd.count_untaken(0, MAX_UNTAKEN_BYTES));
        assert!(crowd.count_untaken(0, 1));
        assert!(!crowd.count_untaken(MAX_UNTAKEN_BYTES, MAX_UNTAKEN_BYTES - 1));
        assert!(!crowd.count_untaken(MAX_UNTAKEN_BYTES - 1, 0));
        assert_eq!(crowd.untaken(), 1);
    }

    #[test]
    fn a_favourite_that_leaves_is_followed_by_another() {
        let mut crowd = crowd(9, 1);
        crowd.count(ClientId(1), 0, 10);
        crowd.count(ClientId(2), 0, FREE_BYTES);
        crowd.hold(ClientId(1), true);
        crowd.hold(ClientId(2), true);
        crowd.hold(ClientId(2), false);
        crowd.hold(ClientId(3), true);
        assert_eq!(Vec::from_iter(crowd.release(|client| usize::from(client == ClientId(1)))), [ClientId(1)]);
        crowd.left(ClientId(1), 10);
        assert_eq!(Vec::from_iter(crowd.release(|_| 0)), [ClientId(3)]);
    }
}
