use std::os::fd::AsFd;

use super::*;
use crate::futex::Woken;
use crate::segment::DIRECTORY;

fn send(ring: &Ring, message: &[u8]) -> Sent {
    patiently(|| ring.try_send(7, &[message]))
}

/// A thread that holds a lock can be out of a CPU for long.
fn patiently<T>(mut act: impl FnMut() -> Result<T, Trouble>) -> T {
    loop {
        match act() {
            Err(Trouble::Busy) => {}
            done => return done.unwrap(),
        }
    }
}

fn receive(ring: &Ring) -> Result<Vec<u8>, Received> {
    let (_, mut length) = ring.next().unwrap_or_default();
    loop {
        let mut place = vec![MaybeUninit::uninit(); length];
        match patiently(|| ring.try_receive(&mut place)) {
            Received::Message(7, length) => {
                // SAFETY: written by the call.
                return Ok(place[..length].iter().map(|byte| unsafe { byte.assume_init() }).collect());
            }
            Received::Longer(_, longer) => length = longer, // another than the one that was next
            other => return Err(other),
        }
    }
}

fn soon() -> Option<Duration> {
    Some(sys::monotonic() + Duration::from_millis(30))
}

/// Numbers that look random, the same in each run.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn what_was_sent_is_received_in_order() {
    let ring = Ring::anonymous(100).unwrap();
    assert_eq!(receive(&ring), Err(Received::Empty));
    for message in [&b"one"[..], b"", b"12345678", &[0; 1000]] {
        assert_eq!(send(&ring, message), Sent::Done);
    }
    assert_eq!((ring.stats().messages, ring.stats().sent), (4, 4));
    assert_eq!(receive(&ring).unwrap(), b"one");
    assert_eq!(receive(&ring).unwrap(), b"");
    assert_eq!(receive(&ring).unwrap(), b"12345678");
    assert_eq!(receive(&ring).unwrap(), [0; 1000]);
    assert_eq!(receive(&ring), Err(Received::Empty));
    let stats = ring.stats();
    assert_eq!((stats.messages, stats.used, stats.received), (0, 0, 4));
}

#[test]
fn the_longest_message_fits_wherever_the_ring_stands() {
    let ring = Ring::anonymous(4000).unwrap();
    let longest: Vec<u8> = (0..ring.capacity()).map(|index| index.to_le_bytes()[0]).collect();
    for step in [0, 1, 8, 500, 4000] {
        assert_eq!(send(&ring, &vec![1; step]), Sent::Done);
        receive(&ring).unwrap();
        assert_eq!(send(&ring, &longest), Sent::Done);
        assert_eq!(send(&ring, b""), Sent::Full);
        assert_eq!(receive(&ring).unwrap(), longest);
    }
    let more = [longest.as_slice(), b"!"];
    let (length, most) = (longest.len() + 1, longest.len());
    assert_eq!(ring.try_send(7, &more), Err(Trouble::TooLong(length, most)));
}

#[test]
fn a_message_that_is_longer_than_its_place_stays() {
    let ring = Ring::anonymous(100).unwrap();
    send(&ring, b"twelve bytes");
    let mut place = [MaybeUninit::uninit(); 11];
    assert_eq!(ring.try_receive(&mut place).unwrap(), Received::Longer(7, 12));
    assert_eq!(ring.next(), Some((7, 12)));
    assert_eq!(receive(&ring).unwrap(), b"twelve bytes");
    assert_eq!(ring.next(), None);
}

#[test]
fn a_closed_ring_is_drained_and_then_closed() {
    let ring = Ring::anonymous(100).unwrap();
    send(&ring, b"last");
    ring.close().unwrap();
    ring.close().unwrap();
    assert_eq!(send(&ring, b"later"), Sent::Closed);
    assert_eq!(ring.wait_for_message(None, None).unwrap(), Woken::Changed);
    assert_eq!(receive(&ring).unwrap(), b"last");
    assert_eq!(receive(&ring), Err(Received::Closed));
    assert_eq!(ring.wait_for_message(None, None).unwrap(), Woken::Changed);
    assert!(ring.stats().closed);
}

#[test]
fn any_mix_of_lengths_comes_out_as_it_went_in() {
    for seed in 1..=40 {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed);
        let ring = Ring::anonymous(1).unwrap();
        let mut inside: std::collections::VecDeque<Vec<u8>> = std::collections::VecDeque::new();
        let mut used = 0;
        for _ in 0..2000 {
            let number = random(&mut state);
            if number % 16 < 9 {
                let length = usize::try_from(number >> 8).unwrap()
                    % if number.is_multiple_of(5) { ring.capacity() + 1 } else { 90 };
                let message: Vec<u8> = (0..length).map(|_| random(&mut state).to_le_bytes()[3]).collect();
                let fits = used + taken(length) <= ring.segment.ring_bytes();
                let middle = length / 3;
                let sent = ring.try_send(7, &[&message[..middle], &message[middle..]]).unwrap();
                assert_eq!(sent == Sent::Done, fits, "length {length}, {used} used");
                if fits {
                    used += taken(length);
                    inside.push_back(message);
                }
            } else {
                let expected = inside.pop_front();
                assert_eq!(receive(&ring).ok(), expected);
                used -= expected.map_or(0, |message| taken(message.len()));
            }
            let stats = ring.stats();
            assert_eq!((stats.used, stats.messages), (used, inside.len()));
        }
    }
}

#[test]
fn counts_and_positions_may_wrap_around() {
    let ring = Ring::anonymous(100).unwrap();
    let content = ring.content();
    for face in [&content.published, &content.consumed] {
        face.count.store(u32::MAX - 5, Ordering::SeqCst);
    }
    for number in 0..20_u8 {
        send(&ring, &[number]);
        send(&ring, &[number, number]);
        assert_eq!(ring.stats().messages, 2);
        assert_eq!(receive(&ring).unwrap(), [number]);
        assert_eq!(receive(&ring).unwrap(), [number, number]);
        assert_eq!(receive(&ring), Err(Received::Empty));
    }
}

#[test]
fn sleepers_of_both_kinds_are_woken_by_messages_room_and_closing() {
    let ring = Ring::anonymous(4000).unwrap();
    let next = |ring: &Ring| loop {
        match receive(ring) {
            Err(Received::Empty) => {
                patiently(|| ring.wait_for_message(None, None));
            }
            other => return other,
        }
    };
    std::thread::scope(|scope| {
        let consumers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut sum = 0_u64;
                    while let Ok(message) = next(&ring) {
                        sum += u64::from_ne_bytes(message[..8].try_into().unwrap());
                    }
                    sum
                })
            })
            .collect();
        let producers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    for number in 1..=20_000_u64 {
                        let mut message = vec![0; 8 + usize::try_from(number % 900).unwrap()];
                        message[..8].copy_from_slice(&number.to_ne_bytes());
                        while send(&ring, &message) == Sent::Full {
                            patiently(|| ring.wait_for_room(message.len(), None, None));
                        }
                    }
                })
            })
            .collect();
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        ring.close().unwrap();
        let sum: u64 = consumers.into_iter().map(|consumer| consumer.join().unwrap()).sum();
        assert_eq!(sum, 3 * 20_000 * 20_001 / 2);
    });
}

#[test]
fn time_is_up_for_who_waits_in_vain() {
    let ring = Ring::anonymous(4000).unwrap();
    assert_eq!(ring.wait_for_message(None, soon()).unwrap(), Woken::Deadline);
    while send(&ring, &[0; 100]) == Sent::Done {}
    assert_eq!(ring.wait_for_room(100, None, soon()).unwrap(), Woken::Deadline);
    assert_eq!(ring.wait_for_message(None, None).unwrap(), Woken::Changed);
}

#[test]
fn a_producer_that_needs_little_room_does_not_wait_for_much() {
    let ring = Ring::anonymous(4000).unwrap();
    while send(&ring, &[0; 100]) == Sent::Done {}
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            while send(&ring, &[0; 100]) == Sent::Full {
                patiently(|| ring.wait_for_room(100, None, None));
            }
        });
        while ring.content().consumers.waiting.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        receive(&ring).unwrap();
        waiter.join().unwrap();
    });
}

#[test]
fn a_bell_rings_when_there_is_something_and_is_silent_when_there_is_not() {
    let ring = Ring::anonymous(100).unwrap();
    rings(&ring, &ring);
}

#[test]
fn the_bell_of_a_named_ring_is_a_fifo() {
    let named = Named::new();
    rings(&named.open(), &named.open());
}

#[test]
fn a_glance_at_a_named_ring_is_what_it_says_itself() {
    let named = Named::new();
    let ring = named.open();
    assert_eq!(Ring::glance(ring.segment.listed().unwrap()), Some(ring.stats()));
    send(&ring, b"a");
    send(&ring, &[0; 100]);
    receive(&ring).unwrap();
    ring.close().unwrap();
    let stats = Ring::glance(ring.segment.listed().unwrap()).unwrap();
    assert_eq!(stats, ring.stats());
    assert_eq!((stats.messages, stats.sent, stats.closed), (1, 2, true));
}

#[test]
fn the_bell_of_a_removed_name_is_not_that_of_the_next_ring_with_it() {
    let named = Named::new();
    let (old, other) = (named.open(), named.open());
    std::fs::remove_file(old.segment.listed().unwrap().path()).unwrap();
    let new = named.open();
    assert!(!new.segment.is_same(&old.segment));
    new.poll().unwrap();
    send(&new, b"a");
    old.poll().unwrap();
    assert!(
        is_readable(new.bell()) && !is_readable(old.bell()),
        "the old ring's poller has emptied the new bell"
    );
    receive(&new).unwrap();
    new.poll().unwrap();
    send(&other, b"b");
    assert!(is_readable(old.bell()) && !is_readable(new.bell()), "those that have the old one go on with it");
}

#[test]
fn a_sender_without_descriptors_user_or_way_to_the_fifo_rings_it() {
    let named = Named::new();
    let (sender, poller) = (named.open(), named.open());
    poller.poll().unwrap();
    // What a chroot, another user or RLIMIT_NOFILE takes away: nothing can be opened any more.
    std::fs::remove_file(sender.segment.fifo().unwrap()).unwrap();
    std::fs::remove_file(sender.segment.listed().unwrap().path()).unwrap();
    send(&sender, b"a");
    assert!(is_readable(poller.bell()));
}

#[test]
fn who_opens_a_ring_whose_fifo_was_removed_has_the_bell_of_the_others() {
    let named = Named::new();
    let first = named.open();
    let fifo = first.segment.fifo().unwrap();
    std::fs::remove_file(&fifo).unwrap();
    let later = named.open();
    assert!(!fifo.exists(), "nor was another one made");
    rings(&first, &later);
    drop((first, later));
    let anew = named.open();
    assert!(fifo.exists(), "nobody had it any more");
    assert!(anew.stats().closed && !is_readable(anew.bell()));
    anew.poll().unwrap();
    assert!(is_readable(anew.bell()));
}

#[test]
fn a_bell_that_could_not_be_rung_is_rung_by_the_next_message() {
    let named = Named::new();
    let (mut sender, poller) = (named.open(), named.open());
    poller.poll().unwrap();
    let bell = std::mem::replace(&mut sender.bell, std::fs::File::open("/dev/null").unwrap().into());
    send(&sender, b"a");
    assert!(!is_readable(poller.bell()));
    sender.bell = bell;
    send(&sender, b"b");
    assert!(is_readable(poller.bell()));
}

#[test]
fn a_bell_that_could_not_be_rung_at_the_close_is_rung_by_the_next_who_sends_or_closes() {
    for next in
        [|ring: &Ring| ring.close().unwrap(), |ring: &Ring| assert_eq!(send(ring, b"a"), Sent::Closed)]
    {
        let named = Named::new();
        let (mut sender, poller) = (named.open(), named.open());
        poller.poll().unwrap();
        let bell = std::mem::replace(&mut sender.bell, std::fs::File::open("/dev/null").unwrap().into());
        sender.close().unwrap();
        assert!(sender.stats().closed && !is_readable(poller.bell()));
        sender.bell = bell;
        next(&sender);
        assert!(is_readable(poller.bell()));
    }
}

#[test]
fn who_makes_the_watched_descriptor_block_blocks_nobody_who_polls() {
    for ring in [Ring::anonymous(100).unwrap(), Named::new().open()] {
        let watch = ring.watch().unwrap();
        nix::fcntl::fcntl(&watch, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty())).unwrap();
        ring.poll().unwrap();
        ring.poll().unwrap();
        assert!(!is_readable(watch.as_fd()));
        send(&ring, b"a");
        assert!(is_readable(watch.as_fd()));
        assert!(nix::unistd::read(&watch, &mut [0; 8]).is_err(), "what rings is not taken");
        receive(&ring).unwrap();
        ring.poll().unwrap();
        assert!(!is_readable(watch.as_fd()));
    }
}

#[test]
fn what_is_no_fifo_is_refused() {
    let named = Named::new();
    let fifo = named.open().segment.fifo().unwrap();
    std::fs::remove_file(&fifo).unwrap();
    std::fs::write(&fifo, "").unwrap();
    let refusal = Ring::open(&named.0, None, 4000).unwrap_err();
    assert!(
        matches!(&refusal, Refusal::Foreign(why) if why.contains("is no FIFO of this user's")),
        "{refusal}"
    );
}

#[test]
fn a_ring_that_is_removed_while_it_is_opened_leaves_no_fifo() {
    let named = Named::new();
    let ring = named.open();
    let fifo = ring.segment.fifo().unwrap();
    std::fs::remove_file(ring.segment.listed().unwrap().path()).unwrap();
    std::fs::remove_file(&fifo).unwrap();
    let segment = ring.segment;
    drop(ring.bell);
    drop(bell::of(&segment).unwrap());
    assert!(!fifo.exists());
}

#[test]
fn looks_at_both_sides_are_of_one_moment() {
    // 1000 messages go through between each two looks, until it is quiet.
    let (consumed, busy) = (std::cell::Cell::new(0_u64), std::cell::Cell::new(10));
    let look = |ahead: u64| {
        if busy.get() > 0 {
            busy.set(busy.get() - 1);
            consumed.set(consumed.get() + 1000);
        }
        Some(consumed.get() + ahead)
    };
    assert_eq!(at_once(|| look(0), || look(3)), Some((10_000, 10_003)));
    assert_eq!(at_once(|| None::<u64>, || look(3)), None);
}

#[test]
fn stats_of_a_ring_that_never_stands_still_are_possible_ones() {
    let ring = Ring::anonymous(4000).unwrap();
    let content = ring.content();
    let place = content.published.place(0);
    place.position.store(1_000_000, Ordering::SeqCst);
    place.messages.store(23_761, Ordering::SeqCst);
    let stats = ring.stats();
    let most = ring.segment.ring_bytes();
    assert!(stats.used <= most && stats.messages <= most / HEADER_BYTES, "{stats:?}");
}

#[test]
fn a_lock_whose_owner_does_not_run_is_not_waited_for() {
    let ring = Ring::anonymous(100).unwrap();
    let content = ring.content();
    let guards = [content.producers.lock.try_lock().unwrap(), content.consumers.lock.try_lock().unwrap()];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(ring.try_send(0, &[b"a"]), Err(Trouble::Busy));
            assert_eq!(ring.try_receive(&mut []), Err(Trouble::Busy));
            assert_eq!(ring.close(), Err(Trouble::Busy));
        });
    });
    drop(guards);
    assert_eq!(ring.try_send(0, &[b"a"]), Ok(Sent::Done));
}

fn is_readable(fd: std::os::fd::BorrowedFd<'_>) -> bool {
    let mut fds = [nix::poll::PollFd::new(fd, nix::poll::PollFlags::POLLIN)];
    nix::poll::poll(&mut fds, nix::poll::PollTimeout::ZERO).unwrap() == 1
}

/// Sends by one and polls the other.
fn rings(sender: &Ring, ring: &Ring) {
    let readable = || is_readable(ring.bell());
    send(sender, b"before anybody polls");
    assert!(!readable());
    ring.poll().unwrap();
    assert!(readable(), "there is one already");
    receive(ring).unwrap();
    ring.poll().unwrap();
    assert!(!readable());
    send(sender, b"a");
    assert!(readable());
    receive(ring).unwrap();
    ring.poll().unwrap();
    assert!(!readable());
    sender.close().unwrap();
    assert!(readable());
    ring.poll().unwrap();
    assert!(readable(), "it is closed for ever");
}

/// Each byte of what processes share, and of the headers of messages, with each of some values: whatever it then
/// says, no call leaves the memory that is ours, and none hangs.
#[test]
fn no_damage_brings_a_reader_down() {
    let named = Named::new();
    let ring = named.open();
    let content = ring.segment.content().as_ptr();
    let whole = {
        send(&ring, b"a message");
        // SAFETY: the content, and 64 bytes of the ring.
        unsafe { std::slice::from_raw_parts(content, size_of::<Content>()).to_vec() }
    };
    let places = (0..size_of::<Content>()).filter(|at| {
        // The lock's own words are tried in `robust`.
        !(0..64).contains(at) && !(256..320).contains(at)
    });
    for at in places {
        for value in [0, 1, 2, 3, 0x7f, 0x80, 0xff] {
            // SAFETY: as above.
            unsafe { std::slice::from_raw_parts_mut(content, whole.len()).copy_from_slice(&whole) };
            // SAFETY: as above.
            unsafe { content.add(at).write(value) };
            try_everything(&named.open());
        }
    }
    let mut state = 1;
    for _ in 0..2000 {
        // SAFETY: as above; the ring's first bytes are the header of a message.
        unsafe {
            std::slice::from_raw_parts_mut(content, whole.len()).copy_from_slice(&whole);
            ring.segment.ring().cast::<u64>().write(random(&mut state) >> (random(&mut state) % 64));
        }
        try_everything(&named.open());
    }
}

/// A ring with a name, opened as often as wanted: each time as another process sees it. The name goes in the end.
struct Named(Name);

impl Named {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-ring-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(Name::parse(name.as_bytes()).unwrap())
    }

    fn open(&self) -> Ring {
        Ring::open(&self.0, None, 4000).unwrap()
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let listed = Listed::own(Kind::Channel, self.0.clone());
        for entry in std::fs::read_dir(DIRECTORY).unwrap() {
            let entry = entry.unwrap();
            let file = entry.file_name();
            let fifo = file.to_str().and_then(Listed::parse_fifo);
            if entry.path() == listed.path() || fifo.as_ref() == Some(&listed) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

fn try_everything(ring: &Ring) {
    let _ = ring.stats();
    let _ = ring.next();
    let _ = ring.try_send(1, &[b"more"]);
    let mut place = [MaybeUninit::uninit(); 4096];
    for _ in 0..3 {
        let _ = ring.try_receive(&mut place);
    }
    let _ = ring.wait_for_message(None, Some(Duration::ZERO));
    let _ = ring.wait_for_room(5000, None, Some(Duration::ZERO));
    let _ = ring.close();
}
