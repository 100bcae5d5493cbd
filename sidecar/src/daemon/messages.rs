//! Messages on their way to workers, and what their senders are told.
//!
//! # How it works
//! A message is a request to the worker in one slot. So it waits, is taken back and moves like a request: what had not been
//! begun when its worker ended is its successor's. All messages to a slot arrive in the order of their acceptance.
//!
//! Whoever names a pool sends one to each of its workers; a [`Sending`] is answered when the last of them has its outcome:
//! with data if all have taken it, otherwise with who has not, and why.
//!
//! # Rules
//! A message for which nobody will be there is refused at once, also when that turns out while it waits.

use std::collections::BTreeMap;
use std::time::Instant;

use rustdaemon_core::link::{self, Fault};

use super::{Action, Daemon, answer, fault};
use crate::dialect::{Address, Cause, Request};
use crate::ids::ClientId;
use crate::message::Message;
use crate::pool::Reach;
use crate::router::{Asked, Entry, Limits, MAX_BYTES, To};
use crate::verbs::Taken;

/// So many workers that have not taken a message are named to its sender.
const NAMED: usize = 5;

/// What has been sent and not yet been answered, by number.
#[derive(Debug, Default)]
pub(super) struct Sendings {
    last: u64,
    open: BTreeMap<u64, Sending>,
}

/// One request of a client, and a message to each worker that it means.
#[derive(Debug)]
struct Sending {
    client: ClientId,
    address: Address,
    /// The name of the pool.
    pool: String,
    /// How many have no outcome yet.
    left: usize,
    /// Slots whose workers have taken it.
    taken: Vec<usize>,
    failed: Vec<(usize, Cause)>,
}

impl Daemon {
    /// Sends what a client wants to be sent.
    pub(super) fn send_message(
        &mut self,
        out: &mut Vec<Action>,
        now: Instant,
        asked: Asked,
    ) -> Result<(), Cause> {
        if self.is_stopping() {
            return Err(Cause::ShuttingDown);
        }
        let Asked { client, request, peer, unix_time, .. } = asked;
        let Message { to, args } = Message::parse(request.args.as_bytes())
            .map_err(|sentence| said("InvalidArgument", format!("{}: {sentence}", link::MESSAGE)))?;
        let places = self.places(Some(&to)).map_err(|sentence| said("unknown_worker", sentence))?;
        let number = places.first().map_or(0, |(pool, ..)| *pool);
        let Some(pool) = self.pools.get(number) else { return Ok(()) };
        let mut slots: Vec<usize> = places.into_iter().map(|(_, slot, _)| slot).collect();
        let vacancy = slots.first().and_then(|slot| pool.vacancy(*slot));
        slots.retain(|slot| pool.vacancy(*slot).is_none());
        if slots.is_empty() {
            return Err(said("refused", vacancy.unwrap_or_default()));
        }
        let bytes = args.len() * slots.len();
        if slots.len() > 1 && bytes > MAX_BYTES {
            let (workers, each) = (slots.len(), args.len());
            return Err(said(
                "payload_too_large",
                format!("{each} bytes for each of {workers} workers are more than {MAX_BYTES}; send less"),
            ));
        }
        if slots.len() > 1 && self.router.bytes() + bytes > MAX_BYTES {
            return Err(Cause::Full(self.router.bytes()));
        }
        let config = pool.config();
        let timeout = request.timeout.unwrap_or(config.request_timeout);
        let limits = Limits { pool: number, queue: config.queue, timeout };
        let (address, pool) = (request.address.clone(), config.name.clone());
        let (left, taken, failed) = (slots.len(), Vec::new(), Vec::new());
        let sending = self.sendings.begin(Sending { client, address, pool, left, taken, failed });
        let request = Request { method: link::MESSAGE.into(), args, session: None, ..request };
        for slot in slots {
            let is_free = self
                .pools
                .get(number)
                .is_some_and(|pool| matches!(pool.hears(slot), Ok(Some(Reach { is_free: true, .. }))));
            let straight = is_free && !self.router.has_message(number, slot);
            let to = Some(To { slot, sending });
            let asked = Asked { client, request: request.clone(), peer, unix_time, to };
            if let Err(full) = self.router.accept(now, asked, limits, straight) {
                self.sendings.note(out, sending, slot, Err(full.into()));
            }
        }
        Ok(())
    }

    /// Gives waiting messages to their workers, as far as these are there for them.
    pub(super) fn serve_messages(&mut self, out: &mut Vec<Action>, now: Instant) {
        loop {
            let mut refused = false;
            for sequence in self.router.waiting_messages() {
                let Some((pool, to, bytes)) = self.router.entry(sequence).and_then(|entry| {
                    Some((self.pools.get(entry.pool)?, entry.to?, entry.request.args.len()))
                }) else {
                    continue;
                };
                match pool.hears(to.slot) {
                    Ok(Some(Reach { life, is_free })) => {
                        let worker = life.worker;
                        if is_free || self.router.has_room(worker, pool.config().prefetch, bytes) {
                            self.send(out, now, worker, sequence);
                        }
                    }
                    Ok(None) => {}
                    Err(sentence) => {
                        if let Some(entry) = self.router.withdraw(sequence) {
                            self.sendings.conclude(out, &entry, Err(said("refused", sentence)));
                            refused = true;
                        }
                    }
                }
            }
            if !refused {
                return;
            }
        }
    }
}

impl Sendings {
    fn begin(&mut self, sending: Sending) -> u64 {
        self.last += 1;
        self.open.insert(self.last, sending);
        self.last
    }

    /// Answers a request that is no message, or notes what has become of one.
    pub(super) fn conclude(&mut self, out: &mut Vec<Action>, entry: &Entry, outcome: Result<&[u8], Cause>) {
        match (entry.to, outcome) {
            (Some(To { slot, sending }), outcome) => self.note(out, sending, slot, outcome.map(drop)),
            (None, Ok(data)) => answer(out, entry.client, entry.address(), data),
            (None, Err(cause)) => fault(out, entry.client, entry.address(), &cause),
        }
    }

    /// Tells the clients of these entries why there is no data.
    pub(super) fn refuse(
        &mut self,
        out: &mut Vec<Action>,
        entries: Vec<Entry>,
        cause: impl Fn(&Entry) -> Cause,
    ) {
        for entry in entries {
            self.conclude(out, &entry, Err(cause(&entry)));
        }
    }

    fn note(&mut self, out: &mut Vec<Action>, number: u64, slot: usize, outcome: Result<(), Cause>) {
        let Some(sending) = self.open.get_mut(&number) else { return };
        match outcome {
            Ok(()) => sending.taken.push(slot),
            Err(cause) => sending.failed.push((slot, cause)),
        }
        sending.left -= 1;
        if sending.left == 0
            && let Some(sending) = self.open.remove(&number)
        {
            sending.end(out);
        }
    }
}

impl Sending {
    /// Every worker has its outcome.
    fn end(mut self, out: &mut Vec<Action>) {
        self.taken.sort_unstable();
        self.failed.sort_unstable_by_key(|(slot, _)| *slot);
        let name = |slot: usize| format!("{}#{slot}", self.pool);
        match self.failed.as_slice() {
            [] => {
                let workers: Vec<String> = self.taken.iter().map(|slot| name(*slot)).collect();
                let taken = Taken { acknowledged: workers.len(), workers };
                answer(out, self.client, &self.address, &link::json(&taken));
            }
            [(_, cause)] if self.taken.is_empty() => fault(out, self.client, &self.address, cause),
            failed => {
                let told: Vec<(usize, Fault)> =
                    failed.iter().map(|(slot, cause)| (*slot, cause.fault(self.address.dialect))).collect();
                let class = told.first().map_or("failed", |(_, fault)| fault.class.as_str());
                let is_one = told.iter().all(|(_, fault)| fault.class == class);
                let class = if is_one { class } else { "failed" };
                let of = self.taken.len() + told.len();
                let mut message = format!("{} of {of} workers have taken the message", self.taken.len());
                for (slot, Fault { message: why, .. }) in told.iter().take(NAMED) {
                    message.push_str(&format!("; {}: {why}", name(*slot)));
                }
                if told.len() > NAMED {
                    message.push_str(&format!("; and {} others", told.len() - NAMED));
                }
                fault(out, self.client, &self.address, &said(class, message));
            }
        }
    }
}

fn said(class: &str, message: String) -> Cause {
    Cause::Said(Fault { class: class.to_owned(), message })
}
