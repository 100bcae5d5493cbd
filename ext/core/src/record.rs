//! Records of signals, and the queue that carries them from handler context to PHP.
//!
//! # How it works
//! A bounded queue (Vyukov's) in static memory: any thread may push, in handler context too; one thread pops. Each cell
//! has a lap counter that says whose turn it is, so that all bits zero is an empty queue and nothing needs a
//! constructor:
//!
//! ```text
//! position p, cell p % RECORDS, lap 2 * (p / RECORDS)      free for the writer of p
//!                                   2 * (p / RECORDS) + 1  written, for the reader
//!                                   2 * (p / RECORDS) + 2  read, free for the writer of p + RECORDS
//! ```
//!
//! # What may be lost
//! Nothing here: a full queue refuses, and [`crate::signal`] hands the signal back to the kernel.
//!
//! # Rules
//! Atomics only: [`Queue::push`] may run in a signal handler. A writer that has its position and is suspended holds back
//! those behind it until it goes on, and wakes the reader then.
//! Sources: signal-safety(7), sigaction(2) "The siginfo_t argument".

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many records the queue holds.
pub const RECORDS: u64 = 4096;

/// In `si_errno`, which the kernel leaves alone and no sender sets: "this is a disguise", and the code beneath it.
const MARK: i32 = 0x5244_0000;
const MARK_BITS: i32 = 0x7fff_0000;
const CODE_OFFSET: i32 = 0x4000;

/// One signal, as the kernel delivered it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Record {
    /// Its number.
    pub number: i32,
    /// `si_code`: how it came to be.
    pub code: i32,
    pid: i32,
    uid: u32,
    value: i32,
}

impl Record {
    /// Reads a siginfo.
    ///
    /// # Signal safety
    /// Reads memory only.
    #[must_use]
    pub fn of(number: i32, info: &libc::siginfo_t) -> Self {
        // SAFETY: these fields lie inside every siginfo_t; which of them mean something the accessors decide.
        let (pid, uid, value) = unsafe { (info.si_pid(), info.si_uid(), info.si_value()) };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "sigqueue(3)'s sival_int is the low half of the union"
        )]
        let value = value.sival_ptr as usize as i32;
        let code = if info.si_code == libc::SI_QUEUE && info.si_errno & MARK_BITS == MARK {
            info.si_errno - MARK - CODE_OFFSET
        } else {
            info.si_code
        };
        Self { number, code, pid, uid, value }
    }

    /// Makes a siginfo one that any thread may send on: the kernel lets only a process's first thread pass on what
    /// kill(2) or the kernel itself has sent. [`Record::of`] reads it as it was.
    ///
    /// # Signal safety
    /// Writes memory only.
    pub fn disguise(info: &mut libc::siginfo_t) {
        let code = info.si_code;
        if (code >= 0 || code == libc::SI_TKILL) && (-CODE_OFFSET..=CODE_OFFSET).contains(&code) {
            info.si_errno = MARK + CODE_OFFSET + code;
            info.si_code = libc::SI_QUEUE;
        }
    }

    /// Process and user id of who sent it, or of the child that it tells about; `None`: the kernel, or a timer.
    #[must_use]
    pub fn sender(&self) -> Option<(i32, u32)> {
        let by_process =
            matches!(self.code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL | libc::SI_MESGQ);
        let by_child = self.number == libc::SIGCHLD && self.code > 0 && self.code != libc::SI_KERNEL;
        (by_process || by_child).then_some((self.pid, self.uid))
    }

    /// The integer that came along: sigqueue(3), a POSIX timer, a message queue.
    #[must_use]
    pub fn value(&self) -> Option<i32> {
        let carries =
            matches!(self.code, libc::SI_QUEUE | libc::SI_TIMER | libc::SI_MESGQ | libc::SI_ASYNCIO);
        carries.then_some(self.value)
    }

    /// How many expirations it stands for: 1, and for a POSIX timer those that overran besides.
    #[must_use]
    pub fn occurrences(&self) -> u64 {
        // timer_getoverrun(2): `si_overrun` lies where another signal has the sender's uid.
        if self.code == libc::SI_TIMER { 1 + u64::from(self.uid) } else { 1 }
    }
}

/// See the module's text.
pub struct Queue {
    cells: [Cell; RECORDS as usize],
    tail: AtomicU64,
    head: AtomicU64,
}

struct Cell {
    lap: AtomicU64,
    record: UnsafeCell<Record>,
}

impl Cell {
    const fn new() -> Self {
        let record = Record { number: 0, code: 0, pid: 0, uid: 0, value: 0 };
        Self { lap: AtomicU64::new(0), record: UnsafeCell::new(record) }
    }
}

// SAFETY: a cell's record is written by the one thread that won its position and read by the reader alone, in turns
// that the lap counter orders.
unsafe impl Sync for Queue {}

impl Queue {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            cells: [const { Cell::new() }; RECORDS as usize],
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
        }
    }

    fn cell(&self, position: u64) -> &Cell {
        #[expect(
            clippy::indexing_slicing,
            reason = "the remainder is below RECORDS, and handler context has no way to report"
        )]
        &self.cells[(position % RECORDS) as usize]
    }

    /// Appends a record. False: the queue is full.
    ///
    /// # Signal safety
    /// Atomics only.
    pub fn push(&self, record: Record) -> bool {
        let mut position = self.tail.load(Ordering::SeqCst);
        loop {
            let cell = self.cell(position);
            let free = 2 * (position / RECORDS);
            // SYNC: pairs with the Release in `pop`: the reader is done with what we overwrite.
            let lap = cell.lap.load(Ordering::Acquire);
            if lap < free {
                return false;
            }
            if lap == free
                && self
                    .tail
                    .compare_exchange(position, position + 1, Ordering::SeqCst, Ordering::SeqCst)
                    .is_ok()
            {
                // SAFETY: position and lap are ours alone until the store below.
                unsafe { *cell.record.get() = record };
                // SYNC: pairs with the Acquire in `pop`: who sees the lap sees the record.
                cell.lap.store(free + 1, Ordering::Release);
                return true;
            }
            position = self.tail.load(Ordering::SeqCst);
        }
    }

    /// Takes the oldest record. One thread only.
    pub fn pop(&self) -> Option<Record> {
        let position = self.head.load(Ordering::Relaxed); // ours
        let cell = self.cell(position);
        let free = 2 * (position / RECORDS);
        // SYNC: pairs with the Release in `push`.
        if cell.lap.load(Ordering::Acquire) != free + 1 {
            return None;
        }
        // SAFETY: written, and nobody else's until the store below.
        let record = unsafe { *cell.record.get() };
        // SYNC: pairs with the Acquire in `push`.
        cell.lap.store(free + 2, Ordering::Release);
        self.head.store(position + 1, Ordering::Release);
        Some(record)
    }

    /// How many records are in it, those still being written included.
    ///
    /// # Signal safety
    /// Atomics only.
    #[must_use]
    pub fn len(&self) -> u64 {
        // The head first: it never passes the tail, so the difference is not negative.
        let head = self.head.load(Ordering::SeqCst);
        self.tail.load(Ordering::SeqCst).wrapping_sub(head)
    }

    /// How many records have ever been pushed.
    #[must_use]
    pub fn pushed(&self) -> u64 {
        self.tail.load(Ordering::SeqCst)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Empties it, also of what a thread that no longer exists was writing: for a forked child, which has one thread.
    ///
    /// # Signal safety
    /// Atomics only. With all signals blocked.
    pub fn clear(&self) {
        let tail = self.tail.load(Ordering::SeqCst);
        for position in self.head.load(Ordering::SeqCst)..tail {
            self.cell(position).lap.store(2 * (position / RECORDS) + 2, Ordering::SeqCst);
        }
        self.head.store(tail, Ordering::SeqCst);
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn record(value: i32) -> Record {
        Record { number: 34, code: libc::SI_QUEUE, value, ..Record::default() }
    }

    fn numbered(value: u64) -> Record {
        record(i32::try_from(value).unwrap())
    }

    #[test]
    fn records_come_out_in_the_order_they_went_in() {
        let queue = Box::new(Queue::new());
        for round in 0..3 * RECORDS {
            assert!(queue.push(numbered(round)));
            assert!(queue.push(numbered(round + 1)));
            assert_eq!(queue.len(), 2);
            assert_eq!(queue.pop(), Some(numbered(round)));
            assert_eq!(queue.pop(), Some(numbered(round + 1)));
            assert_eq!(queue.pop(), None);
        }
    }

    #[test]
    fn a_full_queue_refuses_and_keeps_what_it_has() {
        let queue = Box::new(Queue::new());
        for lap in 0..3 {
            (0..RECORDS).for_each(|value| assert!(queue.push(numbered(value)), "lap {lap}"));
            assert!(!queue.push(record(-1)));
            assert_eq!(queue.len(), RECORDS);
            (0..RECORDS).for_each(|value| assert_eq!(queue.pop(), Some(numbered(value))));
            assert!(queue.is_empty());
        }
    }

    #[test]
    fn a_cleared_queue_is_usable_also_where_a_writer_was_lost() {
        let queue = Box::new(Queue::new());
        (0..10).for_each(|value| assert!(queue.push(record(value))));
        queue.tail.fetch_add(1, Ordering::SeqCst); // a writer that took its position and never wrote
        queue.clear();
        assert_eq!(queue.pop(), None);
        for value in 0..2 * RECORDS {
            assert!(queue.push(numbered(value)));
            assert_eq!(queue.pop(), Some(numbered(value)));
        }
    }

    #[test]
    fn many_writers_lose_nothing_and_keep_their_own_order() {
        const EACH: i32 = 20_000;
        let queue = Arc::new(Queue::new());
        let writers = (0..4_u32).map(|writer| {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || {
                for value in 0..EACH {
                    while !queue.push(Record { uid: writer, ..record(value) }) {
                        std::thread::yield_now();
                    }
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        let mut next = [0; 4];
        while next.iter().sum::<i32>() < 4 * EACH {
            let Some(record) = queue.pop() else {
                std::thread::yield_now();
                continue;
            };
            let expected = &mut next[record.uid as usize];
            assert_eq!(record.value, *expected);
            *expected += 1;
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn a_disguised_siginfo_reads_as_it_was() {
        for code in [libc::SI_USER, libc::SI_KERNEL, libc::SI_TKILL, libc::SI_QUEUE, libc::CLD_EXITED] {
            // SAFETY: plain data.
            let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
            info.si_code = code;
            let before = Record::of(libc::SIGCHLD, &info);
            Record::disguise(&mut info);
            assert_eq!(info.si_code, libc::SI_QUEUE);
            assert_eq!(Record::of(libc::SIGCHLD, &info), before);
            Record::disguise(&mut info);
            assert_eq!(Record::of(libc::SIGCHLD, &info), before, "also when it was sent on twice");
        }
    }

    #[test]
    fn who_sent_it_is_known_where_the_kernel_tells() {
        let by = |number, code| Record { number, code, pid: 7, uid: 1000, value: 5 };
        assert_eq!(by(15, libc::SI_USER).sender(), Some((7, 1000)));
        assert_eq!(by(34, libc::SI_QUEUE).sender(), Some((7, 1000)));
        assert_eq!(by(libc::SIGCHLD, libc::CLD_EXITED).sender(), Some((7, 1000)));
        assert_eq!(by(libc::SIGALRM, libc::SI_KERNEL).sender(), None);
        assert_eq!(by(34, libc::SI_TIMER).sender(), None);
        assert_eq!(by(34, libc::SI_QUEUE).value(), Some(5));
        assert_eq!(by(15, libc::SI_USER).value(), None);
        assert_eq!(by(34, libc::SI_TIMER).occurrences(), 1001);
        assert_eq!(by(34, libc::SI_QUEUE).occurrences(), 1);
    }
}
