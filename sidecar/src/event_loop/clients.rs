//! Clients: accepted, read, answered, closed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use log::{debug, info, warn};
use mio::Interest;
use mio::unix::SourceFd;
use rustdaemon_core::link::Dialect;

use super::{EventLoop, FAREWELL, Source};
use crate::access::{Access, Door, Role};
use crate::client::{Client, Fate, MAX_UNTAKEN_BYTES, Overdue, Terms};
use crate::crowd::Admission;
use crate::daemon::Event;
use crate::dialect::{self, Cause, Delivery};
use crate::ids::ClientId;
use crate::stream::Stream;

/// Answers are kept for one write up to about so many bytes.
const TOGETHER_BYTES: usize = 64 * 1024;
/// A client that has been answered with so many bytes in a turn has the rest of its requests in the next one.
const TURN_ANSWER_BYTES: usize = 1024 * 1024;
/// Waited before the next accept when no descriptor was left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// Let in at a time, so that who is in has its turn.
const TURN_ACCEPTS: usize = 64;
/// At the end everybody is let in who waits; the backlog holds 1 024.
const FAREWELL_TURNS: usize = 32;
/// A follower of logs or events that leaves more bytes than this unread is dropped.
const FOLLOWER_BYTES: usize = 1024 * 1024;

impl EventLoop {
    /// Lets in who waits at any door, up to a turn's share.
    pub(super) fn accept_all(&mut self) {
        self.accept_at = None;
        Door::ALL.into_iter().for_each(|door| self.accept(door));
    }

    /// Lets in who waits, up to a turn's share.
    pub(super) fn accept(&mut self, door: Door) {
        for _ in 0..TURN_ACCEPTS {
            let Some((_, listener)) = self.doors.iter_mut().find(|(other, _)| *other == door) else { return };
            listener.restock();
            match listener.accept() {
                Ok(Some(stream)) => {
                    let client = admitted(&self.access, door, stream);
                    self.welcome(client);
                }
                Ok(None) => return,
                Err(failed) => {
                    if let Some(unsaid) = self.exhausted.happened(Instant::now()) {
                        warn!("accept: {failed}: who comes is told too_many_connections{unsaid}");
                    }
                    match listener.accept_with_spare() {
                        Ok(Some(stream)) => {
                            admitted(&self.access, door, stream).turn_away(&Cause::TooManyConnections);
                        }
                        Ok(None) => return, // nobody waits: accept(2) wants a descriptor before it looks
                        Err(_) => {
                            // The edge is spent: without a retry nobody would look again.
                            self.accept_at = Some(Instant::now() + ACCEPT_RETRY);
                            return;
                        }
                    }
                    self.refused += 1;
                }
            }
        }
        self.accept_at = Some(Instant::now());
    }

    fn welcome(&mut self, client: Client) {
        self.next_client += 1;
        let id = ClientId(self.next_client);
        let has_nothing_to_do = |id| self.clients.get(&id).is_none_or(Client::has_nothing_to_do);
        let admission = self.crowd.admit(id, client.role() >= Role::Control, has_nothing_to_do);
        if admission == Admission::Refused {
            return self.turn_away(client);
        }
        if let Admission::FromReserve(Some(displaced)) = admission
            && let Some(client) = self.take_out(displaced)
        {
            self.crowd.displaced(displaced, client.buffered());
            self.turn_away(client);
        }
        let fd = client.raw_fd();
        let token = Source::Client(id).token();
        if let Err(failed) = self.poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE) {
            warn!("epoll_ctl: {failed}");
            self.crowd.left(id, 0);
            return client.turn_away(&Cause::TooManyConnections);
        }
        self.clients.insert(id, client);
        match admission {
            // Before the next one takes its place.
            Admission::FromReserve(_) => {
                self.read_client(id);
                self.settle(id);
            }
            _ => self.set_alarm(id),
        }
    }

    fn turn_away(&mut self, client: Client) {
        self.refused += 1;
        if let Some(unsaid) = self.turned_away.happened(Instant::now()) {
            let most = self.crowd.room().connections;
            warn!("{most} connections are open, as many as there may be: others are turned away{unsaid}");
        }
        client.turn_away(&Cause::TooManyConnections);
    }

    pub(super) fn saw_end(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.saw_end();
        }
    }

    /// Reads a client and hands its requests to the daemon, up to a turn's share; it is answered at the end of the turn.
    pub(super) fn read_client(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let (peer, role) = (client.credentials(), client.role());
        let flat_is_full = self.crowd.flat_is_full();
        let terms =
            Terms { token: self.access.token.as_ref(), flat_is_full, only_whole: !self.crowd.may_buffer(id) };
        let before = client.buffered();
        let mut requests = std::mem::take(&mut self.requests);
        let read = client.read(self.now, terms, &mut self.chunk, &mut requests);
        self.crowd.count(id, before, client.buffered());
        self.crowd.hold(id, client.is_held());
        if client.has_turned_out_unknown()
            && let Some(unsaid) = self.unknown.happened(self.now)
        {
            let peer = client.peer();
            warn!("auth_failed: {peer} has shown a wrong token, or none: its connection ends{unsaid}");
        }
        if let Err(failed) = &read {
            debug!("a client's connection broke: {failed}");
            self.drop_client(id);
        }
        let asked = !requests.is_empty();
        let unix_time = if asked { self.unix_time() } else { 0.0 };
        self.composed_bytes = 0;
        while let Some(request) = requests.pop_front() {
            if request.address.dialect == Dialect::Flat {
                if flat_is_full {
                    let mut line = Vec::new();
                    dialect::write_fault(&mut line, &request.address, &Cause::TooManyConnections);
                    self.answer(id, request.address.delivery, line);
                    continue;
                }
                self.crowd.flat_began(id, self.clients.get(&id).map_or(1, Client::outstanding));
            }
            self.feed(Event::Request { client: id, request, peer, role, unix_time });
            // What has been read of a client that has gone is still done.
            if self.composed_bytes > TURN_ANSWER_BYTES
                && let Some(client) = self.clients.get_mut(&id)
            {
                client.postpone(&mut requests);
            }
        }
        self.requests = requests;
        let Some(client) = self.clients.get_mut(&id) else {
            return self.daemon.unsubscribe(id); // it may have asked for that after it had gone
        };
        if asked && self.daemon.is_stopping() {
            client.finish(); // who is told that we stop sees the end after it: a probe would wait for more
        }
        match asked {
            true => self.is_answered(id),
            false => self.settle(id),
        }
    }

    /// Somebody was told that it may not.
    pub(super) fn say_forbidden(&mut self, id: ClientId, method: &str) {
        if let Some(client) = self.clients.get(&id)
            && let Some(unsaid) = self.forbidden.happened(self.now)
        {
            let (peer, role) = (client.peer(), client.role().word());
            warn!("forbidden: {peer} has the role {role} and has asked for {method}{unsaid}");
        }
    }

    /// Reads on where unfinished frames had to wait for room.
    pub(super) fn release_held(&mut self) {
        let clients = &self.clients;
        let bytes_of = |id| clients.get(&id).map_or(0, Client::buffered);
        self.readable.extend(self.crowd.release(bytes_of));
    }

    /// Its alarm rang.
    pub(super) fn look_after(&mut self, id: ClientId, now: Instant) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.alarm = None;
        }
        self.settle(id); // it may just have become able to take something
        let held = self.crowd.is_held(id);
        let Some(client) = self.clients.get_mut(&id) else { return };
        match client.overdue(now, self.patience, held) {
            None => self.set_alarm(id),
            Some(Overdue::Frame) => {
                let before = client.buffered();
                client.time_out();
                self.crowd.count(id, before, 0);
                self.settle(id);
            }
            Some(Overdue::Answers) => {
                let limit = self.patience.write.unwrap_or_default().as_secs_f64();
                self.cut(id, &format!("has taken nothing of its answers for {limit} s"));
            }
        }
    }

    /// Ends a connection on which answers wait.
    fn cut(&mut self, id: ClientId, why: &str) {
        let waiting = self.clients.get(&id).map_or(0, Client::waiting_bytes);
        if let Some(unsaid) = self.cut.happened(Instant::now()) {
            info!("a client {why}, {waiting} bytes wait: it is cut{unsaid}");
        }
        self.drop_client(id);
    }

    /// Sees to it that somebody looks after a client when it has a deadline, at that time or before.
    fn set_alarm(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Some(deadline) = client.deadline(self.patience) else { return };
        if client.alarm.is_none_or(|alarm| deadline < alarm) {
            if let Some(alarm) = client.alarm.replace(deadline) {
                self.alarms.remove(&(alarm, id));
            }
            self.alarms.insert((deadline, id));
        }
    }

    /// Answers a client that is still there, at the end of the turn.
    pub(super) fn answer(&mut self, id: ClientId, delivery: Delivery, line: Vec<u8>) {
        self.crowd.answered(id);
        self.composed_bytes += line.len();
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.answer(delivery, line);
        self.count_untaken(id);
        let Some(client) = self.clients.get(&id) else { return };
        if client.untaken_bytes() > MAX_UNTAKEN_BYTES {
            return self.cut(id, "does not take its answers");
        }
        if client.waiting_bytes() > TOGETHER_BYTES {
            self.settle(id);
        } else {
            self.is_answered(id);
        }
    }

    /// Counts what a client has not taken. Where that is too much with all the others', one of them is cut.
    fn count_untaken(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let (before, after) = client.recount();
        if self.crowd.count_untaken(before, after) {
            let most = self.clients.iter().max_by_key(|(_, client)| client.counted).map(|(id, _)| *id);
            let untaken = self.crowd.untaken();
            most.into_iter().for_each(|id| {
                self.cut(
                    id,
                    &format!(
                        "has left the most of the {untaken} bytes of answers that all clients have left"
                    ),
                );
            });
        }
    }

    fn is_answered(&mut self, id: ClientId) {
        if self.answered.last() != Some(&id) {
            self.answered.push(id);
        }
    }

    /// Writes what clients have been answered in this turn.
    pub(super) fn settle_answered(&mut self) {
        let mut answered = std::mem::take(&mut self.answered);
        for id in answered.drain(..) {
            match self.clients.get(&id).is_some_and(Client::can_advance) {
                true => self.settle(id),
                false => self.set_alarm(id),
            }
        }
        self.answered = answered; // with its memory
    }

    /// Writes what a client waits for; closes, lingers, or waits for room.
    pub(super) fn settle(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let fate = client.advance(self.now);
        let (is_blocked, fd) = (client.is_blocked(), client.raw_fd());
        let (before, after) = client.recount();
        self.crowd.count_untaken(before, after);
        match fate {
            Ok(Fate::Open) => {}
            Ok(Fate::Closed) => {
                if let Some(client) = self.remove_client(id) {
                    client.close();
                }
                return;
            }
            Err(failed) => {
                debug!("a client's connection broke: {failed}");
                return self.drop_client(id);
            }
        }
        if client.is_readable() {
            self.readable.insert(id);
        }
        self.set_alarm(id);
        if is_blocked != self.blocked.contains(&id) {
            let interest = match is_blocked {
                true => Interest::READABLE | Interest::WRITABLE,
                false => Interest::READABLE,
            };
            match is_blocked {
                true => self.blocked.insert(id),
                false => self.blocked.remove(&id),
            };
            let token = Source::Client(id).token();
            if let Err(failed) = self.poll.registry().reregister(&mut SourceFd(&fd), token, interest) {
                warn!("epoll_ctl: {failed}");
                self.drop_client(id);
            }
        }
    }

    fn drop_client(&mut self, id: ClientId) {
        drop(self.remove_client(id));
    }

    fn remove_client(&mut self, id: ClientId) -> Option<Client> {
        let client = self.take_out(id)?;
        self.crowd.left(id, client.buffered());
        Some(client)
    }

    /// Takes a client out of everything but the crowd.
    fn take_out(&mut self, id: ClientId) -> Option<Client> {
        let client = self.clients.remove(&id)?;
        self.crowd.count_untaken(client.counted, 0);
        self.logs.unfollow(id);
        self.daemon.unsubscribe(id);
        let fd = client.raw_fd();
        if let Err(failed) = self.poll.registry().deregister(&mut SourceFd(&fd)) {
            debug!("deregister: {failed}");
        }
        self.blocked.remove(&id);
        self.readable.remove(&id);
        if let Some(alarm) = client.alarm {
            self.alarms.remove(&(alarm, id));
        }
        Some(client)
    }

    /// Passes on what followers of the logs and subscribers are told; who has not taken that of earlier turns is dropped.
    pub(super) fn tell_followers(&mut self) {
        let mut events = self.logs.take_events();
        events.append(&mut self.told);
        if events.is_empty() {
            return;
        }
        let followers: BTreeSet<ClientId> = events.iter().map(|(id, _)| *id).collect();
        for id in &followers {
            self.settle(*id);
            let waiting = self.clients.get(id).map_or(0, Client::waiting_bytes);
            if waiting > FOLLOWER_BYTES {
                warn!(
                    "a follower of logs or events has left {waiting} bytes unread, the limit is {FOLLOWER_BYTES}: dropped"
                );
                self.drop_client(*id);
            }
        }
        for (id, event) in events {
            if let Some(client) = self.clients.get_mut(&id) {
                client.tell(&event);
            }
            self.count_untaken(id);
        }
        for id in followers {
            self.settle(id);
        }
    }

    /// Who has asked, or is just asking, is still answered; then every connection is closed without a reset.
    pub(super) fn say_farewell(&mut self) {
        for _ in 0..FAREWELL_TURNS {
            self.accept_all();
        }
        self.doors.clear(); // unlinks the socket: who comes now is told so by connect(2)
        for id in self.clients.keys().copied().collect::<Vec<_>>() {
            self.read_client(id);
            if let Some(client) = self.clients.get_mut(&id) {
                let before = client.buffered();
                client.finish();
                self.crowd.count(id, before, 0);
            }
            self.settle(id);
        }
        let farewell = Instant::now() + FAREWELL;
        while !self.clients.is_empty() && Instant::now() < farewell {
            self.turn(Some(farewell));
        }
    }
}

/// A connection, and what it may do.
fn admitted(access: &Access, door: Door, stream: Stream) -> Client {
    let peer = stream.peer(access.wants_groups());
    let role = access.role_of(door, &peer);
    Client::new(stream, peer, role)
}
