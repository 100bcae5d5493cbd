//! What must hold of a channel whose memory somebody has written over: the file's header, the ring's content, a message.
//!
//! # How it works
//! A case is one byte and what it means:
//!
//! ```text
//! bit 0 set    the rest is a message: its tag, its body. It goes through a ring and is decoded
//! bit 0 clear  the rest are patches of 3 bytes, an offset (16 bits) and what stands there, over the file of a named channel
//!              that holds three messages; bit 1 set: then its header gets the checksum that it should have
//! ```
//!
//! The patched file is opened by name, and all that a reader can do is done. Whatever that says: it says it, nothing longer
//! than the ring comes out, and a message that decodes is, written again, the bytes that it was.
//!
//! # Rules
//! The fuzz target and `ext/core/tests/ring_damage.rs`, which includes this file by its path, share it.

use std::collections::HashSet;
use std::mem::MaybeUninit;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use rustdaemon_core::message::{self, Build, LIST, MAP, NULL, Sink, TEXT};
use rustdaemon_core::ring::{Received, Ring, Sent};
use rustdaemon_core::segment::{CONTENT_AT, DIRECTORY, Kind, Listed, Name};

/// Where the header has its checksum: see the table in `core::segment`.
const CHECKSUM_AT: usize = 80;

/// A case. Panics where something does not hold.
pub fn check_channel(case: &[u8]) {
    match case.split_first() {
        Some((how, rest)) if how & 1 == 1 => check_message(rest),
        Some((how, rest)) => check_damaged(rest, how & 2 == 2),
        None => {}
    }
}

fn check_message(case: &[u8]) {
    let Some((tag, body)) = case.split_first() else { return };
    let ring = Ring::anonymous(case.len()).unwrap();
    assert_eq!(ring.try_send((*tag).into(), &[body]), Ok(Sent::Done));
    assert_eq!(ring.next(), Some(((*tag).into(), body.len())));
    let mut place = vec![MaybeUninit::uninit(); body.len()];
    assert_eq!(ring.try_receive(&mut place), Ok(Received::Message((*tag).into(), body.len())));
    // SAFETY: the call has written so many bytes.
    let received: Vec<u8> = place.iter().map(|byte| unsafe { byte.assume_init() }).collect();
    assert_eq!(received, body);
    decode(*tag, &received);
}

fn decode(tag: u8, body: &[u8]) {
    let mut rewriter = Rewriter::default();
    if message::decode(tag, body, &mut rewriter, ()).is_ok() && tag != TEXT {
        rewriter.end_place();
        assert_eq!(rewriter.written.split_first(), Some((&tag, body)));
    }
}

/// Writes again what is built. Values come in the order in which they stood there; a place that gets none is null.
#[derive(Default)]
struct Rewriter {
    written: Vec<u8>,
    /// Whether the place that came last has a value.
    is_filled: bool,
    keys: Vec<HashSet<Vec<u8>>>,
}

struct Bytes<'a>(&'a mut Vec<u8>);

impl Sink for Bytes<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

impl Rewriter {
    fn sink(&mut self) -> Bytes<'_> {
        self.is_filled = true;
        Bytes(&mut self.written)
    }

    fn end_place(&mut self) {
        if !self.is_filled {
            self.sink().put(&[NULL]);
        }
    }

    fn array(&mut self, tag: u8, count: u32) -> usize {
        let mut sink = self.sink();
        sink.put(&[tag]);
        sink.count(count);
        self.keys.push(HashSet::new());
        self.keys.len() - 1
    }

    fn key(&mut self, array: usize, write: impl Fn(&mut Bytes<'_>)) -> Option<()> {
        self.end_place();
        let mut key = Vec::new();
        write(&mut Bytes(&mut key));
        self.written.extend_from_slice(&key);
        self.is_filled = false;
        self.keys[array].insert(key).then_some(())
    }
}

impl Build for Rewriter {
    type Place = ();
    type Array = usize;

    fn bool(&mut self, (): (), value: bool) {
        self.sink().bool(value);
    }

    fn int(&mut self, (): (), value: i64) {
        self.sink().int(value);
    }

    fn float(&mut self, (): (), value: f64) {
        self.sink().float(value);
    }

    fn string(&mut self, (): (), text: &[u8]) {
        assert!(self.sink().string(text));
    }

    fn list(&mut self, (): (), count: u32) -> usize {
        self.array(LIST, count)
    }

    fn map(&mut self, (): (), count: u32) -> usize {
        self.array(MAP, count)
    }

    fn next(&mut self, _: usize) -> Option<()> {
        self.end_place();
        self.is_filled = false;
        Some(())
    }

    fn at_int(&mut self, array: usize, key: i64) -> Option<()> {
        self.key(array, |sink| sink.int(key))
    }

    fn at_string(&mut self, array: usize, key: &[u8]) -> Option<()> {
        self.key(array, |sink| assert!(sink.string(key)))
    }
}

/// The name of the patched file; one for each process.
fn listed() -> &'static Listed {
    static LISTED: OnceLock<Listed> = OnceLock::new();
    LISTED.get_or_init(|| {
        let name = format!("fuzz-{}", std::process::id());
        Listed::own(Kind::Channel, Name::parse(name.as_bytes()).unwrap())
    })
}

/// Removes what a case has left, however it ends.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        for entry in std::fs::read_dir(DIRECTORY).unwrap().flatten() {
            let fifo = entry.file_name().to_str().and_then(Listed::parse_fifo);
            if fifo.as_ref() == Some(listed()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// The file of a channel with a string, a list and a map in it.
fn whole() -> &'static [u8] {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let _removed = Removed(listed().path());
        let ring = Ring::open(&listed().name, Some(4000), 4000).unwrap();
        let list = [&[2, 0, 0, 0, 3][..], &7_i64.to_le_bytes(), &[0]].concat();
        let map = [&[1, 0, 0, 0, 6, 1, 0, 0, 0, b'k', 6, 2, 0, 0, 0, b'a', b'b'][..]].concat();
        for (tag, body) in [(TEXT, &b"a string"[..]), (LIST, &list), (MAP, &map)] {
            assert_eq!(ring.try_send(tag.into(), &[body]), Ok(Sent::Done));
        }
        std::fs::read(listed().path()).unwrap()
    })
}

fn check_damaged(patches: &[u8], with_checksum: bool) {
    let mut file = whole().to_vec();
    let front = file.len() / 2;
    for patch in patches.chunks_exact(3) {
        let offset = usize::from(u16::from_le_bytes([patch[0], patch[1]]));
        // Three of four where something lies: header and content, or the first messages.
        let at = match offset % 4 {
            0 => offset % file.len(),
            1 => front + offset / 4 % 128,
            _ => offset / 4 % (CONTENT_AT + 512),
        };
        file[at] = patch[2];
    }
    if with_checksum {
        let sum = file[..CHECKSUM_AT].iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        file[CHECKSUM_AT..CHECKSUM_AT + 8].copy_from_slice(&sum.to_ne_bytes());
    }
    let removed = Removed(listed().path());
    let mut options = std::fs::OpenOptions::new();
    std::io::Write::write_all(
        &mut options.write(true).create_new(true).mode(0o600).open(&removed.0).unwrap(),
        &file,
    )
    .unwrap();
    let _ = Ring::glance(listed());
    match Ring::open(&listed().name, None, 4000) {
        Ok(ring) => read_all(&ring),
        Err(refusal) => {
            let sentence = refusal.to_string();
            assert!(sentence.contains(listed().name.as_str()), "{sentence:?} does not say what is refused");
        }
    }
}

/// All that who has it open can do.
fn read_all(ring: &Ring) {
    let capacity = ring.capacity();
    let stats = ring.stats();
    assert!(stats.capacity == capacity && stats.used <= capacity + 8, "{stats:?}");
    let mut place = vec![MaybeUninit::new(0_u8); 64];
    for _ in 0..6 {
        if let Some((_, length)) = ring.next() {
            assert!(length <= capacity);
        }
        match ring.try_receive(&mut place) {
            Ok(Received::Message(tag, length)) => {
                // SAFETY: zeroes, and what was written over them.
                let body: Vec<u8> =
                    place[..length].iter().map(|byte| unsafe { byte.assume_init() }).collect();
                decode(u8::try_from(tag).unwrap_or(u8::MAX), &body);
            }
            Ok(Received::Longer(_, length)) => {
                assert!(length <= capacity && length > place.len());
                place.resize(length, MaybeUninit::new(0));
            }
            Ok(Received::Empty | Received::Closed) | Err(_) => {
                let _ = ring.wait_for_message(None, Some(Duration::ZERO));
            }
        }
    }
    for length in [0, 30, 4000] {
        let _ = ring.try_send(TEXT.into(), &[&vec![0; length]]);
    }
    let _ = ring.wait_for_room(4000, None, Some(Duration::ZERO));
    let _ = ring.poll();
    let _ = ring.close();
}
