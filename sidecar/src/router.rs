//! Requests from acceptance to answer: the queue, what workers have in hand, deadlines. Knows workers by number only.
//!
//! # How it works
//! An accepted request has a sequence number and stays here until it is answered: by a reply, by its worker's end,
//! by its deadline, or by a stop. Each of these takes it out, so that a second one finds nothing: one request, one
//! answer.
//!
//! A worker has one request in hand, or, where its link knows claims, several, of which it begins one after the other.
//! Each of those has a claim, a word on the worker's page that whoever begins the request or takes it back swaps. So what
//! was not begun is a fact, and always moves: to an idle worker, at a pause, at the worker's end. Who asks for a claim
//! back gets [`Router::recalled`] or [`Router::kept`] as the answer.
//!
//! Requests of one client with the same session are a chain: only its first one can be given to a worker, the next one when
//! that has been answered ([`Router::pop_released`]). So their order survives whatever happens to workers, and a long chain
//! costs nobody a look. What is `pinned` to a worker moves only with its end.
//!
//! A message is a request to the worker in one slot, whichever that is when it is given ([`To`]). All messages to a slot are
//! one chain, whoever sends them: each is given when the one before it has been answered.
//!
//! A worker that answers a request later defers it: the request leaves its hand and its claim, and stays the worker's until
//! it replies or ends ([`Router::deferred`]).
//!
//! # What may be lost
//! Nothing that was accepted. The late reply to a request whose deadline has passed finds nothing and is dropped.
//!
//! # Rules
//! Pure. Which worker is idle, the caller knows. Who waits is served in the order of acceptance, whatever has become of it
//! meanwhile.
//! Sources: DESIGN §2 (claim words), §4.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use compact_str::CompactString;
use rustc_hash::{FxHashMap, FxHashSet};
use rustdaemon_core::slot::{CLAIMS, Claim};

use crate::dialect::{Address, Cause, Request};
use crate::ids::{ClientId, Credentials, WorkerId};
use crate::sorted::Sorted;

/// Arguments that lie in a worker's link and are not begun may have so many bytes together: what a pipe takes.
const AHEAD_BYTES: usize = 64 * 1024;

/// Arguments of all accepted requests together, beyond which none is accepted that would wait: sixteen of the largest.
pub const MAX_BYTES: usize = 256 * 1024 * 1024;

/// Why a request was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// So many of its pool wait, as many as may.
    Requests(usize),
    /// Those that have no answer have so many bytes together.
    Bytes(usize),
}

impl From<Full> for Cause {
    fn from(full: Full) -> Self {
        match full {
            Full::Requests(waiting) => Self::Busy(waiting),
            Full::Bytes(bytes) => Self::Full(bytes),
        }
    }
}

/// Whom a message is for: the worker in a slot of the pool that it is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct To {
    /// Which slot.
    pub slot: usize,
    /// What its answer is a part of; the caller's own number.
    pub sending: u64,
}

/// An accepted request.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Who waits for the answer.
    pub client: ClientId,
    /// The request.
    pub request: Request,
    /// Who has asked.
    pub peer: Credentials,
    /// When, in Unix time.
    pub unix_time: f64,
    /// `None`: whoever offers its method may have it.
    pub to: Option<To>,
    /// Who has it; `None`: it waits.
    pub worker: Option<WorkerId>,
    /// The number of the pool that it is counted for.
    pub pool: usize,
    /// When it is answered without a reply.
    pub deadline: Instant,
    /// How long that is.
    pub limit: Duration,
    /// A worker has ended with it in hand, and it was tried once more.
    pub retried: bool,
    /// Its deadline has passed; whether it was begun is being asked.
    expired: bool,
}

impl Entry {
    /// Where its answer goes.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.request.address
    }

    /// The pool and the slot that a message is for.
    fn place(&self) -> Option<(usize, usize)> {
        self.to.map(|to| (self.pool, to.slot))
    }
}

/// What one worker has in hand, in the order in which it was sent.
#[derive(Clone, Debug, Default)]
struct Hand {
    sent: VecDeque<Sent>,
    /// Bit N: word N of the page is some request's.
    words: u64,
    /// Of all arguments together.
    bytes: usize,
    /// How many of them cannot be taken back.
    unclaimed: usize,
    /// What it answers later, until its deadline.
    deferred: FxHashSet<u64>,
    /// It may be at something else than its requests: even one is not safe with it.
    jobs: bool,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    sequence: u64,
    word: Option<u8>,
    bytes: usize,
    deadline: Instant,
    /// It could not be taken back.
    begun: bool,
    /// Another worker could not serve it.
    pinned: bool,
}

/// How a worker has what it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// Its link knows claims.
    pub claims: bool,
    /// It may be busy without a request.
    pub jobs: bool,
    /// Another worker could not serve it.
    pub pinned: bool,
}

const _: () = assert!(CLAIMS == u64::BITS as usize);

/// All accepted requests that have no answer yet.
#[derive(Debug)]
pub struct Router {
    entries: FxHashMap<u64, Entry>,
    /// Those that wait, of each chain the first one only.
    queue: Sorted<u64>,
    deadlines: Sorted<(Instant, u64)>,
    hands: FxHashMap<WorkerId, Hand>,
    /// Each pool's workers with something in hand: how much, what they have deferred included, who. One that may be busy
    /// without a request counts for one more.
    loads: Vec<Sorted<(usize, WorkerId)>>,
    next: u64,
    /// Of all entries' arguments.
    bytes: usize,
    /// Requests of a client with the same session, in order. The client chooses the session: keyed by it.
    chains: HashMap<(ClientId, CompactString), VecDeque<u64>>,
    /// Messages to a slot of a pool, in order.
    messages: BTreeMap<(usize, usize), VecDeque<u64>>,
    /// First ones of chains, since those before them have gone.
    released: Vec<u64>,
    counts: Vec<Counts>,
}

/// One pool's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that no worker has.
    pub waiting: usize,
    /// Requests that a worker has.
    pub in_flight: usize,
    /// Those of them that wait there for the ones before them.
    pub ahead: usize,
    /// Requests accepted since the start.
    pub accepted: u64,
    /// Replies that came after their request had been answered otherwise.
    pub late: u64,
    /// Requests that were taken back from a worker before it had begun them.
    pub recalled: u64,
    /// Idempotent requests that were tried once more.
    pub retried: u64,
}

/// A pool's limits for its requests.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The pool's number.
    pub pool: usize,
    /// How many may wait.
    pub queue: usize,
    /// How long a client waits.
    pub timeout: Duration,
}

/// Who asks what.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Who waits for the answer.
    pub client: ClientId,
    /// The request.
    pub request: Request,
    /// The process and user at the other end.
    pub peer: Credentials,
    /// When, in Unix time.
    pub unix_time: f64,
    /// Whom, where it is a message.
    pub to: Option<To>,
}

/// What a reply was.
#[derive(Debug, Default, PartialEq)]
pub struct Replied {
    /// The request that it answers; `None`: it is not, or no longer, this worker's.
    pub entry: Option<Entry>,
    /// The worker had it in hand, answered otherwise or not.
    pub was_in_hand: bool,
    /// The worker had deferred it.
    pub was_deferred: bool,
    /// The deadline of the request that the worker is at now, as far as it is known.
    pub next: Option<Instant>,
}

/// A request that its worker answers later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deferred {
    /// When it is answered otherwise; `None`: it has been.
    pub deadline: Option<Instant>,
    /// The deadline of the request that the worker is at now, as far as it is known.
    pub next: Option<Instant>,
}

/// A request that a worker gets.
#[derive(Debug)]
pub struct Given<'a> {
    /// By which word it is begun.
    pub claim: Option<Claim>,
    /// The worker has nothing else in hand.
    pub is_first: bool,
    /// The request.
    pub entry: &'a Entry,
}

/// What has become of an ended worker's requests.
#[derive(Debug, Default, PartialEq)]
pub struct Ended {
    /// Begun, and not to be tried again.
    pub begun: Vec<Entry>,
    /// Their deadlines had passed.
    pub expired: Vec<Entry>,
}

/// Requests whose deadline has passed.
#[derive(Debug, Default, PartialEq)]
pub struct Expired {
    /// Those that can be answered now; who has `worker` may have been begun.
    pub over: Vec<Entry>,
    /// Those that are asked back first.
    pub asked: Vec<(WorkerId, Claim)>,
    /// Whose deferred requests are among those that are over, once for each: it has room for others.
    pub deferred: Vec<WorkerId>,
}

impl Router {
    /// An empty one for so many pools.
    #[must_use]
    pub fn new(pools: usize) -> Self {
        Self {
            entries: FxHashMap::default(),
            queue: Sorted::default(),
            deadlines: Sorted::default(),
            hands: FxHashMap::default(),
            loads: vec![Sorted::default(); pools],
            next: 1,
            bytes: 0,
            chains: HashMap::new(),
            messages: BTreeMap::new(),
            released: Vec::new(),
            counts: vec![Counts::default(); pools],
        }
    }

    /// Takes a request in: it waits, or, with `straight`, is about to be given to an idle worker. Its number.
    ///
    /// # Errors
    /// It would have to wait, and there is no room.
    pub fn accept(
        &mut self,
        now: Instant,
        asked: Asked,
        limits: Limits,
        straight: bool,
    ) -> Result<u64, Full> {
        let Limits { pool, queue, timeout } = limits;
        let Asked { client, request, peer, unix_time, to } = asked;
        let waiting = self.counts(pool).all_waiting();
        if !straight && waiting >= queue {
            return Err(Full::Requests(waiting));
        }
        let bytes = self.bytes + request.args.len();
        if !straight && bytes > MAX_BYTES {
            return Err(Full::Bytes(self.bytes));
        }
        self.bytes = bytes;
        let sequence = self.next;
        self.next += 1;
        let deadline = now + timeout;
        self.deadlines.insert((deadline, sequence));
        let chain = match (to, &request.session) {
            (Some(to), _) => Some(self.messages.entry((pool, to.slot)).or_default()),
            (None, Some(session)) => Some(self.chains.entry((client, session.clone())).or_default()),
            (None, None) => None,
        };
        let is_first = chain.is_none_or(|chain| {
            chain.push_back(sequence);
            chain.len() == 1
        });
        if is_first {
            self.queue.insert(sequence);
        }
        let (worker, retried, expired) = (None, false, false);
        let limit = timeout;
        let entry =
            Entry { client, request, peer, unix_time, to, worker, pool, deadline, limit, retried, expired };
        self.entries.insert(sequence, entry);
        self.count(pool, |counts| {
            counts.accepted += 1;
            counts.waiting += 1;
        });
        Ok(sequence)
    }

    /// Bytes of arguments of all requests that have no answer yet.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A pool's figures.
    #[must_use]
    pub fn counts(&self, pool: usize) -> Counts {
        self.counts.get(pool).copied().unwrap_or_default()
    }

    fn count(&mut self, pool: usize, change: impl FnOnce(&mut Counts)) {
        if let Some(counts) = self.counts.get_mut(pool) {
            change(counts);
        }
    }

    /// How many requests a worker has in hand.
    #[must_use]
    pub fn in_hand(&self, worker: WorkerId) -> usize {
        self.hands.get(&worker).map_or(0, |hand| hand.sent.len())
    }

    /// Whether a worker with requests in hand can be sent so many bytes more, `most` requests together.
    #[must_use]
    pub fn has_room(&self, worker: WorkerId, most: usize, bytes: usize) -> bool {
        self.hands.get(&worker).is_none_or(|hand| {
            hand.unclaimed == 0 && hand.sent.len() < most.min(CLAIMS) && hand.bytes + bytes <= AHEAD_BYTES
        })
    }

    /// The first waiting request that `fits`.
    #[must_use]
    pub fn first_waiting(&self, fits: impl Fn(&Entry) -> bool) -> Option<(u64, &Entry)> {
        let mut waiting =
            self.queue.iter().filter_map(|sequence| Some((*sequence, self.entries.get(sequence)?)));
        waiting.find(|(_, entry)| fits(entry))
    }

    /// Waiting requests that name this session and that nothing precedes.
    #[must_use]
    pub fn waiting_with(&self, session: &str) -> Vec<u64> {
        let names_it = |sequence: &&u64| {
            let named = self.entries.get(sequence).and_then(|entry| entry.request.session.as_deref());
            named == Some(session)
        };
        self.queue.iter().filter(names_it).copied().collect()
    }

    /// An accepted request that has no answer yet.
    #[must_use]
    pub fn entry(&self, sequence: u64) -> Option<&Entry> {
        self.entries.get(&sequence)
    }

    /// Whether a request of a client with this session is without an answer.
    #[must_use]
    pub fn has_chain(&self, client: ClientId, session: &CompactString) -> bool {
        !self.chains.is_empty() && self.chains.contains_key(&(client, session.clone()))
    }

    /// Whether any request with this session is without an answer.
    #[must_use]
    pub fn uses(&self, session: &str) -> bool {
        self.chains.keys().any(|(_, used)| used == session)
    }

    /// Whether a message to this slot is without an answer.
    #[must_use]
    pub fn has_message(&self, pool: usize, slot: usize) -> bool {
        self.messages.contains_key(&(pool, slot))
    }

    /// Messages that wait and that nothing precedes, one for each slot.
    #[must_use]
    pub fn waiting_messages(&self) -> Vec<u64> {
        let first = self.messages.values().filter_map(|chain| chain.front());
        first
            .filter(|sequence| self.entry(**sequence).is_some_and(|entry| entry.worker.is_none()))
            .copied()
            .collect()
    }

    /// Takes a waiting request out.
    pub fn withdraw(&mut self, sequence: u64) -> Option<Entry> {
        self.entry(sequence).filter(|entry| entry.worker.is_none())?;
        self.take(sequence)
    }

    /// A request that nothing precedes any more, where that has become so.
    pub fn pop_released(&mut self) -> Option<u64> {
        self.released.pop()
    }

    /// Gives a waiting request to `worker`; with a claim where its link knows them.
    pub fn give(&mut self, worker: WorkerId, sequence: u64, hold: Hold) -> Option<Given<'_>> {
        let entry = self.entries.get_mut(&sequence).filter(|entry| entry.worker.is_none())?;
        let hand = self.hands.entry(worker).or_default();
        let Hold { claims, jobs, pinned } = hold;
        let word = if claims { Some(hand.free_word()?) } else { None };
        self.queue.remove(&sequence);
        entry.worker = Some(worker);
        let waited_for = std::mem::replace(&mut entry.pool, worker.pool());
        let (bytes, deadline) = (entry.request.args.len(), entry.deadline);
        let is_ahead = !hand.sent.is_empty();
        let before = hand.load(worker);
        hand.jobs = jobs;
        hand.add(Sent { sequence, word, bytes, deadline, begun: false, pinned });
        if let Some(loads) = self.loads.get_mut(worker.pool()) {
            loads.replace(before, hand.load(worker));
        }
        if let Some(counts) = self.counts.get_mut(waited_for) {
            counts.waiting -= 1;
        }
        if let Some(counts) = self.counts.get_mut(worker.pool()) {
            counts.ahead += usize::from(is_ahead);
            counts.in_flight += 1;
        }
        Some(Given { claim: word.map(|word| Claim { word, sequence }), is_first: !is_ahead, entry })
    }

    /// `worker` has answered.
    pub fn replied(&mut self, worker: WorkerId, sequence: u64) -> Replied {
        let was_in_hand = self.drop_from(worker, sequence);
        let was_deferred = !was_in_hand && self.change_deferred(worker, |all| all.remove(&sequence));
        let entry = match self.entries.get(&sequence) {
            Some(entry) if entry.worker == Some(worker) => self.take(sequence),
            _ => None,
        };
        self.count(worker.pool(), |counts| counts.late += u64::from(entry.is_none()));
        Replied { entry, was_in_hand, was_deferred, next: self.next_of(worker) }
    }

    /// `worker` answers a request later, and is free for others. `None`: it does not have it in hand.
    pub fn deferred(&mut self, worker: WorkerId, sequence: u64) -> Option<Deferred> {
        if !self.drop_from(worker, sequence) {
            return None;
        }
        let entry =
            self.entries.get(&sequence).filter(|entry| entry.worker == Some(worker) && !entry.expired);
        let deadline = entry.map(|entry| entry.deadline);
        if deadline.is_some() {
            self.change_deferred(worker, |all| all.insert(sequence));
        }
        Some(Deferred { deadline, next: self.next_of(worker) })
    }

    fn next_of(&self, worker: WorkerId) -> Option<Instant> {
        self.hands.get(&worker)?.sent.front().map(|sent| sent.deadline)
    }

    fn change_deferred(&mut self, worker: WorkerId, act: impl FnOnce(&mut FxHashSet<u64>) -> bool) -> bool {
        let Some(hand) = self.hands.get_mut(&worker) else { return false };
        let before = hand.load(worker);
        let changed = act(&mut hand.deferred);
        if changed && let Some(loads) = self.loads.get_mut(worker.pool()) {
            loads.replace(before, hand.load(worker));
        }
        changed
    }

    /// Takes out what an ended worker had begun, all but `again`'s, which are tried once more; what it had been sent and
    /// had not begun waits again, in its old place.
    pub fn worker_ended(&mut self, worker: WorkerId, begun: &[u64], again: impl Fn(&str) -> bool) -> Ended {
        let mut ended = Ended::default();
        let hand = self.hands.remove(&worker).unwrap_or_default();
        if let Some(loads) = self.loads.get_mut(worker.pool()) {
            loads.replace(hand.load(worker), None);
        }
        let Hand { sent, deferred, .. } = hand;
        self.count(worker.pool(), |counts| counts.ahead -= sent.len().saturating_sub(1));
        let mut sequences: Vec<u64> = deferred.iter().copied().collect();
        sequences.sort_unstable();
        for sequence in sequences.into_iter().chain(sent.iter().map(|sent| sent.sequence)) {
            let Some(entry) = self.entries.get_mut(&sequence).filter(|entry| entry.worker == Some(worker))
            else {
                continue;
            };
            if begun.contains(&sequence) || deferred.contains(&sequence) {
                if entry.retried || entry.expired || !again(&entry.request.method) {
                    ended.begun.extend(self.take(sequence));
                    continue;
                }
                entry.retried = true;
                self.count(worker.pool(), |counts| counts.retried += 1);
            }
            ended.expired.extend(self.wait_again(worker, sequence));
        }
        ended
    }

    /// What a worker may not have begun yet.
    #[must_use]
    pub fn claims(&self, worker: WorkerId) -> Vec<Claim> {
        self.hands.get(&worker).map(Hand::claims).unwrap_or_default()
    }

    /// Workers of a pool that have something in hand, first those with the least.
    pub fn least_loaded(&self, pool: usize) -> impl Iterator<Item = WorkerId> {
        self.loads.get(pool).into_iter().flat_map(Sorted::iter).map(|(_, worker)| *worker)
    }

    /// What an idle worker of a pool may take from another one: the later half of what `fits` it and may not have begun. Of
    /// those with something to give, the one with the most in hand. What only this one would get again is not taken: the only
    /// one in hand, unless a job may keep the worker from it that cannot keep the other one (`jobs`: it can).
    #[must_use]
    pub fn to_share(
        &self,
        pool: usize,
        jobs: bool,
        fits: impl Fn(&Entry) -> bool,
    ) -> Option<(WorkerId, Vec<Claim>)> {
        let mut loaded = self.loads.get(pool)?.iter().rev().take_while(|(load, _)| *load > 1);
        let fits = |claim: &Claim| self.entry(claim.sequence).is_some_and(&fits);
        loaded.find_map(|(_, worker)| {
            let worker = *worker;
            let hand = self.hands.get(&worker).filter(|hand| hand.sent.len() > 1 || hand.jobs && !jobs)?;
            let mut claims = hand.movable();
            claims.drain(..claims.len() / 2);
            claims.retain(fits);
            (!claims.is_empty()).then_some((worker, claims))
        })
    }

    /// A claim has been taken back: the request waits again, in its old place. The entry: its deadline had passed.
    pub fn recalled(&mut self, worker: WorkerId, sequence: u64) -> Option<Entry> {
        if !self.drop_from(worker, sequence) {
            return None;
        }
        self.entries.get(&sequence).filter(|entry| entry.worker == Some(worker))?;
        self.count(worker.pool(), |counts| counts.recalled += 1);
        self.wait_again(worker, sequence)
    }

    /// A claim could not be taken back. The entry: its deadline had passed.
    pub fn kept(&mut self, worker: WorkerId, sequence: u64) -> Option<Entry> {
        let mut sent = self.hands.get_mut(&worker).into_iter().flat_map(|hand| &mut hand.sent);
        if let Some(sent) = sent.find(|sent| sent.sequence == sequence) {
            sent.begun = true;
        }
        let entry = self.entries.get(&sequence)?;
        (entry.worker == Some(worker) && entry.expired).then(|| self.take(sequence))?
    }

    /// Takes out everything that workers have in hand.
    pub fn all_in_flight(&mut self) -> Vec<Entry> {
        self.take_all(|entry| entry.worker.is_some())
    }

    /// Takes out what waits and does not `fit`.
    pub fn refuse_waiting(&mut self, fits: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.take_all(|entry| entry.worker.is_none() && !fits(entry))
    }

    /// Takes out every request whose deadline has passed; what may not have been begun is asked back first.
    pub fn expired(&mut self, now: Instant) -> Expired {
        let mut expired = Expired::default();
        while let Some((deadline, sequence)) = self.deadlines.first().copied() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_first();
            let claim = self.claim_of(sequence);
            match (claim, self.entries.get_mut(&sequence)) {
                (Some(claim), Some(entry)) => {
                    entry.expired = true;
                    expired.asked.push(claim);
                }
                _ => {
                    let entry = self.take(sequence);
                    let worker = entry.as_ref().and_then(|entry| entry.worker);
                    let deferred =
                        worker.filter(|worker| self.change_deferred(*worker, |all| all.remove(&sequence)));
                    expired.deferred.extend(deferred);
                    expired.over.extend(entry);
                }
            }
        }
        expired
    }

    /// When [`Router::expired`] has something to give.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    fn claim_of(&self, sequence: u64) -> Option<(WorkerId, Claim)> {
        let worker = self.entries.get(&sequence)?.worker?;
        let sent = self.hands.get(&worker)?.sent.iter().find(|sent| sent.sequence == sequence)?;
        Some((worker, Claim { word: sent.word?, sequence }))
    }

    /// Back into the queue; out of everything where its deadline has passed.
    fn wait_again(&mut self, worker: WorkerId, sequence: u64) -> Option<Entry> {
        let entry = self.entries.get_mut(&sequence)?;
        entry.worker = None;
        self.queue.insert(sequence);
        let expired = entry.expired;
        self.count(worker.pool(), |counts| {
            counts.in_flight -= 1;
            counts.waiting += 1;
        });
        expired.then(|| self.take(sequence))?
    }

    /// Whether the worker had it in hand.
    fn drop_from(&mut self, worker: WorkerId, sequence: u64) -> bool {
        let Some(hand) = self.hands.get_mut(&worker) else { return false };
        let Some(at) = hand.sent.iter().position(|sent| sent.sequence == sequence) else { return false };
        let before = hand.load(worker);
        hand.remove(at);
        let was_ahead = !hand.sent.is_empty();
        if let Some(loads) = self.loads.get_mut(worker.pool()) {
            loads.replace(before, hand.load(worker));
        }
        self.count(worker.pool(), |counts| counts.ahead -= usize::from(was_ahead));
        true
    }

    fn take_all(&mut self, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let wanted = self.entries.iter().filter(|(_, entry)| wanted(entry));
        let mut sequences: Vec<u64> = wanted.map(|(sequence, _)| *sequence).collect();
        sequences.sort_unstable();
        sequences.into_iter().filter_map(|sequence| self.take(sequence)).collect()
    }

    fn take(&mut self, sequence: u64) -> Option<Entry> {
        let entry = self.entries.remove(&sequence)?;
        self.bytes -= entry.request.args.len();
        self.leave_chain(sequence, &entry);
        self.deadlines.remove(&(entry.deadline, sequence));
        let in_flight = entry.worker.is_some();
        if !in_flight {
            self.queue.remove(&sequence);
        }
        self.count(entry.pool, |counts| {
            *if in_flight { &mut counts.in_flight } else { &mut counts.waiting } -= 1;
        });
        Some(entry)
    }

    fn leave_chain(&mut self, sequence: u64, entry: &Entry) {
        let next = match (entry.place(), &entry.request.session) {
            (Some(place), _) => {
                let Some(chain) = self.messages.get_mut(&place) else { return };
                let next = leave(chain, sequence);
                if chain.is_empty() {
                    self.messages.remove(&place);
                }
                next
            }
            (None, Some(session)) => {
                let key = (entry.client, session.clone());
                let Some(chain) = self.chains.get_mut(&key) else { return };
                let next = leave(chain, sequence);
                if chain.is_empty() {
                    self.chains.remove(&key);
                }
                self.released.extend(next);
                next
            }
            (None, None) => None,
        };
        if let Some(next) = next {
            self.queue.insert(next);
        }
    }
}

/// Takes a request out of its chain: the one that is its first from now on, where that is another one than before.
fn leave(chain: &mut VecDeque<u64>, sequence: u64) -> Option<u64> {
    let was_first = chain.front() == Some(&sequence);
    chain.retain(|other| *other != sequence);
    chain.front().copied().filter(|_| was_first)
}

impl Counts {
    /// Requests that have not been begun, wherever they wait.
    #[must_use]
    pub fn all_waiting(&self) -> usize {
        self.waiting + self.ahead
    }
}

impl Sent {
    fn bit(&self) -> u64 {
        self.word.map_or(0, |word| 1 << word)
    }

    fn claim(&self) -> Option<Claim> {
        Some(Claim { word: self.word?, sequence: self.sequence })
    }
}

impl Hand {
    /// Its place among its pool's loads, while it has something that could be somebody else's.
    fn load(&self, worker: WorkerId) -> Option<(usize, WorkerId)> {
        let load = self.sent.len() + self.deferred.len() + usize::from(self.jobs);
        (!self.sent.is_empty()).then_some((load, worker))
    }

    fn add(&mut self, sent: Sent) {
        self.words |= sent.bit();
        self.bytes += sent.bytes;
        self.unclaimed += usize::from(sent.word.is_none());
        self.sent.push_back(sent);
    }

    fn remove(&mut self, at: usize) {
        if let Some(sent) = self.sent.remove(at) {
            self.words &= !sent.bit();
            self.bytes -= sent.bytes;
            self.unclaimed -= usize::from(sent.word.is_none());
        }
    }

    fn free_word(&self) -> Option<u8> {
        let free = (!self.words).trailing_zeros();
        u8::try_from(free).ok().filter(|word| usize::from(*word) < CLAIMS)
    }

    fn claims(&self) -> Vec<Claim> {
        self.sent.iter().filter_map(Sent::claim).collect()
    }

    fn movable(&self) -> Vec<Claim> {
        self.sent.iter().filter(|sent| !sent.begun && !sent.pinned).filter_map(Sent::claim).collect()
    }
}

#[cfg(test)]
mod tests;
