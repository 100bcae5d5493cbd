//! Clients: accepted, read, answered, closed.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use log::{Level, debug, log, warn};
use mio::Interest;
use mio::unix::SourceFd;

use super::{EventLoop, FAREWELL, Source, unix_time};
use crate::client::{Client, Fate, Input};
use crate::daemon::Event;
use crate::dialect::Delivery;
use crate::ids::ClientId;
use crate::listener::Listener;

/// Waited before the next accept when no descriptor was left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// A follower of the logs that leaves more bytes than this unread is dropped.
const FOLLOWER_BYTES: usize = 1024 * 1024;

impl EventLoop {
    pub(super) fn accept(&mut self) {
        self.accept_at = None;
        loop {
            let accepted = match self.listener.as_ref().map(Listener::accept) {
                Some(Ok(Some(stream))) => self.welcome(Client::new(stream)),
                Some(Ok(None)) | None => {
                    self.accept_failed = false;
                    return;
                }
                Some(Err(failed)) => Err(failed),
            };
            if let Err(failed) = accepted {
                // The edge is spent: without a retry nobody would look again.
                let level = if self.accept_failed { Level::Debug } else { Level::Warn };
                log!(level, "accept: {failed}; tried again every {} ms", ACCEPT_RETRY.as_millis());
                self.accept_failed = true;
                self.accept_at = Some(Instant::now() + ACCEPT_RETRY);
                return;
            }
        }
    }

    fn welcome(&mut self, client: Client) -> io::Result<()> {
        self.next_client += 1;
        let id = ClientId(self.next_client);
        let fd = client.raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), Source::Client(id).token(), Interest::READABLE)?;
        self.clients.insert(id, client);
        Ok(())
    }

    pub(super) fn read_client(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let may_control = client.may_control();
        let Input { requests, broken } = client.read();
        let asked = !requests.is_empty();
        for request in requests {
            let unix_time = unix_time();
            self.feed(Event::Request { client: id, request, may_control, unix_time });
        }
        if asked
            && self.daemon.is_stopping()
            && let Some(client) = self.clients.get_mut(&id)
        {
            client.finish(); // who is told that we stop sees the end after it: a probe would wait for more
        }
        match broken {
            None => self.settle(id),
            Some(failed) => {
                debug!("a client's connection broke: {failed}");
                self.drop_client(id);
            }
        }
    }

    /// The client, if it is still there to be answered.
    pub(super) fn answer(&mut self, id: ClientId, delivery: Delivery, line: &[u8]) -> Option<ClientId> {
        self.clients.get_mut(&id)?.answer(delivery, line);
        Some(id)
    }

    /// Writes what a client waits for; closes, lingers, or waits for room.
    pub(super) fn settle(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let before = client.deadline();
        let fate = client.advance(Instant::now());
        let (after, is_blocked, fd) = (client.deadline(), client.is_blocked(), client.raw_fd());
        match fate {
            Ok(Fate::Open) => {}
            Ok(Fate::Closed) => return self.drop_client(id),
            Err(failed) => {
                debug!("a client's connection broke: {failed}");
                return self.drop_client(id);
            }
        }
        if client.is_readable() {
            self.readable.insert(id);
        }
        if before != after {
            self.lingering.extend(after.map(|until| (until, id)));
        }
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
        if let Some(client) = self.clients.remove(&id) {
            self.logs.unfollow(id);
            let fd = client.raw_fd();
            if let Err(failed) = self.poll.registry().deregister(&mut SourceFd(&fd)) {
                debug!("deregister: {failed}");
            }
            self.blocked.remove(&id);
            self.readable.remove(&id);
            if let Some(until) = client.deadline() {
                self.lingering.remove(&(until, id));
            }
        }
    }

    /// Passes lines on to who follows them; who has not taken the lines of earlier turns is dropped.
    pub(super) fn tell_followers(&mut self) {
        let events = self.logs.take_events();
        let followers: BTreeSet<ClientId> = events.iter().map(|(id, _)| *id).collect();
        for id in &followers {
            self.settle(*id);
            let waiting = self.clients.get(id).map_or(0, Client::waiting_bytes);
            if waiting > FOLLOWER_BYTES {
                warn!(
                    "a follower of the logs has left {waiting} bytes unread, the limit is {FOLLOWER_BYTES}: dropped"
                );
                self.drop_client(*id);
            }
        }
        for (id, event) in events {
            if let Some(client) = self.clients.get_mut(&id) {
                client.tell(&event);
            }
        }
        for id in followers {
            self.settle(id);
        }
    }

    /// Who has asked, or is just asking, is still answered; then every connection is closed without a reset.
    pub(super) fn say_farewell(&mut self) {
        self.accept();
        self.listener = None; // unlinks the socket: who comes now is told so by connect(2)
        for id in self.clients.keys().copied().collect::<Vec<_>>() {
            self.read_client(id);
            if let Some(client) = self.clients.get_mut(&id) {
                client.finish();
            }
            self.settle(id);
        }
        let farewell = Instant::now() + FAREWELL;
        while !self.clients.is_empty() && Instant::now() < farewell {
            self.turn(Some(farewell));
        }
    }
}
