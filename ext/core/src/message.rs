//! Messages between PHP processes: values as bytes, in a format of our own.
//!
//! # How it works
//! One byte says what a message is, the rest is its body:
//!
//! ```text
//! tag   value                 body
//!  0    null                  -
//!  1    false                 -
//!  2    true                  -
//!  3    int                   8 bytes, two's complement
//!  4    float                 8 bytes, IEEE 754
//!  5    string                its bytes, to the end of the message         whole messages only
//!  6    string                length, its bytes                            in an array only
//!  7    array, keys 0 to n-1  count, its values: each a tag and a body
//!  8    any other array       count, its pairs: a key (3 or 6), a value
//!  9    serialize()'s text    to the end of the message                    whole messages only
//! 10    igbinary's bytes      to the end of the message                    whole messages only
//! ```
//!
//! Numbers are little-endian; lengths and counts have 4 bytes. Tags are only ever added: what an older version has
//! written a newer one reads, and what it does not know yet it refuses. Versions of PHP make no difference.
//!
//! Writing takes two walks over the value by the same functions, the first into [`Measure`], the second into [`Fill`].
//! Reading builds the value in place ([`Build`]), so that whatever ends it early leaves one value to be freed.
//!
//! # What is refused
//! Bytes that are no message, wherever they go wrong: [`decode`] never reads past them, never recurses deeper than
//! [`MAX_DEPTH`], and asks for no more elements, in all arrays together, than there are bytes that could hold them.
//!
//! # Rules
//! Pure. What is in 9 and 10 is for PHP to read.
//! Sources: DESIGN 5 "Messages".

use std::fmt;
use std::mem::MaybeUninit;

/// How deep arrays may be nested; what json_encode() allows by default.
pub const MAX_DEPTH: usize = 512;

/// null
pub const NULL: u8 = 0;
/// false
pub const FALSE: u8 = 1;
/// true
pub const TRUE: u8 = 2;
/// An int.
pub const INT: u8 = 3;
/// A float.
pub const FLOAT: u8 = 4;
/// A message that is a string.
pub const TEXT: u8 = 5;
/// A string in an array.
pub const STRING: u8 = 6;
/// An array whose keys are 0 to n-1, in order.
pub const LIST: u8 = 7;
/// Any other array.
pub const MAP: u8 = 8;
/// A value that holds objects, by serialize().
pub const SERIALIZED: u8 = 9;
/// The same, by igbinary.
pub const IGBINARY: u8 = 10;

/// The bytes that a key takes at least: a tag and a length.
const LEAST_KEY: usize = 5;
/// The bytes that a value takes at least: a tag.
const LEAST_VALUE: usize = 1;

/// Where a value is written to.
pub trait Sink {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Appends null.
    fn null(&mut self) {
        self.put(&[NULL]);
    }

    /// Appends a bool.
    fn bool(&mut self, value: bool) {
        self.put(&[if value { TRUE } else { FALSE }]);
    }

    /// Appends an int, as a value or as a key.
    fn int(&mut self, value: i64) {
        self.put(&[INT]);
        self.put(&value.to_le_bytes());
    }

    /// Appends a float.
    fn float(&mut self, value: f64) {
        self.put(&[FLOAT]);
        self.put(&value.to_bits().to_le_bytes());
    }

    /// Appends a string, as a value or as a key. False: it is longer than its length can say, and nothing was written.
    fn string(&mut self, text: &[u8]) -> bool {
        let Ok(length) = u32::try_from(text.len()) else { return false };
        self.put(&[STRING]);
        self.put(&length.to_le_bytes());
        self.put(text);
        true
    }

    /// Whether what is still to come makes no difference.
    fn is_over(&self) -> bool {
        false
    }

    /// Begins an array, after its tag: that many values follow, each after its key if it is a [`MAP`].
    fn count(&mut self, count: u32) {
        self.put(&count.to_le_bytes());
    }
}

/// Counts bytes and keeps none.
#[derive(Debug)]
pub struct Measure {
    /// How many there were.
    pub bytes: u64,
    /// Beyond this number counting on makes no sense.
    pub stop: u64,
}

impl Sink for Measure {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
    }

    fn is_over(&self) -> bool {
        self.bytes > self.stop
    }
}

/// Fills memory that has been measured.
pub struct Fill<'a> {
    rest: &'a mut [MaybeUninit<u8>],
    fits: bool,
}

impl<'a> Fill<'a> {
    /// Starts at the beginning of this memory.
    pub fn new(memory: &'a mut [MaybeUninit<u8>]) -> Self {
        Self { rest: memory, fits: true }
    }

    /// Whether exactly this memory has been filled.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.fits && self.rest.is_empty()
    }
}

impl Sink for Fill<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let Some((here, rest)) = std::mem::take(&mut self.rest).split_at_mut_checked(bytes.len()) else {
            self.fits = false;
            return;
        };
        here.write_copy_of_slice(bytes);
        self.rest = rest;
    }
}

/// Makes values in place. A place is where the next value goes; it is null until then.
pub trait Build {
    /// Where one value goes.
    type Place: Copy;
    /// An array that has its place and is being filled.
    type Array: Copy;

    /// A bool.
    fn bool(&mut self, place: Self::Place, value: bool);
    /// An int.
    fn int(&mut self, place: Self::Place, value: i64);
    /// A float.
    fn float(&mut self, place: Self::Place, value: f64);
    /// A string.
    fn string(&mut self, place: Self::Place, text: &[u8]);
    /// An array with keys 0 to `count`-1.
    fn list(&mut self, place: Self::Place, count: u32) -> Self::Array;
    /// An array with `count` keys.
    fn map(&mut self, place: Self::Place, count: u32) -> Self::Array;
    /// The place of the next element of a list.
    fn next(&mut self, array: Self::Array) -> Option<Self::Place>;
    /// The place of the element with this key; `None`: it has one already.
    fn at_int(&mut self, array: Self::Array, key: i64) -> Option<Self::Place>;
    /// The place of the element with this key; `None`: it has one already.
    fn at_string(&mut self, array: Self::Array, key: &[u8]) -> Option<Self::Place>;
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    at: usize,
    why: &'static str,
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.why, self.at)
    }
}

/// Builds the value of a message. On an error, what was built so far is in `root`.
///
/// # Errors
/// Not a message, or [`SERIALIZED`] or [`IGBINARY`], which PHP reads.
pub fn decode<B: Build>(tag: u8, body: &[u8], build: &mut B, root: B::Place) -> Result<(), Corrupt> {
    let mut reader = Reader { whole: body.len(), rest: body, owed: 0 };
    if tag == TEXT {
        build.string(root, body);
        return Ok(());
    }
    reader.value(tag, build, root, 0)?;
    if reader.rest.is_empty() { Ok(()) } else { Err(reader.corrupt("it goes on after its end")) }
}

struct Reader<'a> {
    whole: usize,
    rest: &'a [u8],
    /// What the elements that were announced and have not been read take at least.
    owed: usize,
}

impl<'a> Reader<'a> {
    fn corrupt(&self, why: &'static str) -> Corrupt {
        Corrupt { at: 1 + self.whole - self.rest.len(), why }
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Corrupt> {
        let taken = self.rest.split_at_checked(length).filter(|(_, rest)| rest.len() >= self.owed);
        let (taken, rest) = taken.ok_or_else(|| self.corrupt("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| self.corrupt("it ends too early"))
    }

    /// The tag of an element that was announced, as one that takes `least` bytes.
    fn tag(&mut self, least: usize) -> Result<u8, Corrupt> {
        self.owed = self.owed.saturating_sub(least);
        self.array::<1>().map(|[tag]| tag)
    }

    fn text(&mut self) -> Result<&'a [u8], Corrupt> {
        let length = u32::from_le_bytes(self.array()?);
        self.bytes(length as usize)
    }

    fn count(&mut self, least: usize) -> Result<u32, Corrupt> {
        let count = u32::from_le_bytes(self.array()?);
        let owed = (count as usize).checked_mul(least).and_then(|least| least.checked_add(self.owed));
        let owed = owed.filter(|owed| *owed <= self.rest.len());
        self.owed = owed.ok_or_else(|| self.corrupt("an array is shorter than it says"))?;
        Ok(count)
    }

    fn value<B: Build>(&mut self, tag: u8, to: &mut B, place: B::Place, depth: usize) -> Result<(), Corrupt> {
        match tag {
            NULL => {}
            FALSE => to.bool(place, false),
            TRUE => to.bool(place, true),
            INT => to.int(place, i64::from_le_bytes(self.array()?)),
            FLOAT => to.float(place, f64::from_bits(u64::from_le_bytes(self.array()?))),
            STRING if depth > 0 => to.string(place, self.text()?),
            LIST | MAP if depth == MAX_DEPTH => {
                return Err(self.corrupt("its arrays are nested too deep"));
            }
            LIST => {
                let count = self.count(LEAST_VALUE)?;
                let array = to.list(place, count);
                for _ in 0..count {
                    let tag = self.tag(LEAST_VALUE)?;
                    let place = to.next(array).ok_or_else(|| self.corrupt("an array has no room"))?;
                    self.value(tag, to, place, depth + 1)?;
                }
            }
            MAP => {
                let count = self.count(LEAST_KEY + LEAST_VALUE)?;
                let array = to.map(place, count);
                for _ in 0..count {
                    let place = match self.tag(LEAST_KEY)? {
                        INT => to.at_int(array, i64::from_le_bytes(self.array()?)),
                        STRING => to.at_string(array, self.text()?),
                        _ => return Err(self.corrupt("a key is neither an int nor a string")),
                    };
                    let place = place.ok_or_else(|| self.corrupt("a key stands there twice"))?;
                    let tag = self.tag(LEAST_VALUE)?;
                    self.value(tag, to, place, depth + 1)?;
                }
            }
            TEXT | STRING | SERIALIZED | IGBINARY => {
                return Err(self.corrupt("a value stands where none of its kind can be"));
            }
            _ => return Err(self.corrupt("it holds a kind of value that this version does not know")),
        }
        Ok(())
    }
}

/// How deep arrays and objects are nested in serialize()'s text, as unserialize() counts them: an empty array is none. What a
/// Serializable has packed itself is not looked into.
#[must_use]
pub fn nesting(text: &[u8]) -> usize {
    let (mut rest, mut depth, mut deepest) = (text, 0_usize, 0);
    while let Some((kind, after)) = rest.split_first() {
        let next = match kind {
            b'}' => {
                depth = depth.saturating_sub(1);
                Some(after)
            }
            b's' | b'E' => quoted(after),
            b'C' => {
                quoted(after).and_then(number).and_then(|(length, after)| after.get(length.checked_add(2)?..))
            }
            b'a' | b'O' => {
                let counted = if *kind == b'O' { quoted(after).and_then(number) } else { number(after) };
                counted.and_then(|(count, after)| {
                    depth += 1;
                    if *kind == b'O' || count > 0 {
                        deepest = deepest.max(depth);
                    }
                    after.get(1..)
                })
            }
            _ => after.iter().position(|byte| *byte == b';').and_then(|end| after.get(end..)),
        };
        // A semicolon of its own ends what stands before it.
        rest = next.map_or(&[][..], |next| next.strip_prefix(b";").unwrap_or(next));
    }
    deepest
}

/// What follows `:NUMBER:`.
fn number(text: &[u8]) -> Option<(usize, &[u8])> {
    let text = text.strip_prefix(b":")?;
    let digits = text.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = text.split_at_checked(digits)?;
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest.strip_prefix(b":")?))
}

/// What follows `:LENGTH:"BYTES"`.
fn quoted(text: &[u8]) -> Option<&[u8]> {
    let (length, rest) = number(text)?;
    rest.get(length.checked_add(2)?..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    enum Value {
        Null,
        Bool(bool),
        Int(i64),
        Float(u64),
        String(Vec<u8>),
        List(Vec<Value>),
        Map(Vec<(Key, Value)>),
    }

    #[derive(Clone, Debug, PartialEq)]
    enum Key {
        Int(i64),
        String(Vec<u8>),
    }

    impl Value {
        /// As `ext::message` walks over a PHP value.
        fn write(&self, to: &mut impl Sink) {
            match self {
                Self::Null => to.null(),
                Self::Bool(value) => to.bool(*value),
                Self::Int(value) => to.int(*value),
                Self::Float(bits) => to.float(f64::from_bits(*bits)),
                Self::String(text) => assert!(to.string(text)),
                Self::List(values) => {
                    to.put(&[LIST]);
                    to.count(values.len().try_into().unwrap());
                    values.iter().for_each(|value| value.write(to));
                }
                Self::Map(pairs) => {
                    to.put(&[MAP]);
                    to.count(pairs.len().try_into().unwrap());
                    for (key, value) in pairs {
                        match key {
                            Key::Int(number) => to.int(*number),
                            Key::String(text) => assert!(to.string(text)),
                        }
                        value.write(to);
                    }
                }
            }
        }

        fn bytes(&self) -> Vec<u8> {
            let mut size = Measure { bytes: 0, stop: u64::MAX };
            self.write(&mut size);
            let mut memory = vec![MaybeUninit::uninit(); size.bytes.try_into().unwrap()];
            let mut fill = Fill::new(&mut memory);
            self.write(&mut fill);
            assert!(fill.is_full());
            // SAFETY: all of it has been filled.
            memory.into_iter().map(|byte| unsafe { byte.assume_init() }).collect()
        }
    }

    /// Values by number: a place is its number, an array the number of its place.
    #[derive(Default)]
    struct Arena {
        values: Vec<Flat>,
        announced: u64,
    }

    enum Flat {
        Scalar(Value),
        List(Vec<usize>),
        Map(Vec<(Key, usize)>),
    }

    impl Arena {
        fn place(&mut self) -> usize {
            self.values.push(Flat::Scalar(Value::Null));
            self.values.len() - 1
        }

        fn insert(&mut self, array: usize, key: Key) -> Option<usize> {
            let place = self.place();
            let Flat::Map(pairs) = &mut self.values[array] else { panic!("not a map") };
            if pairs.iter().any(|(there, _)| *there == key) {
                return None;
            }
            pairs.push((key, place));
            Some(place)
        }

        fn value(&self, place: usize) -> Value {
            match &self.values[place] {
                Flat::Scalar(value) => value.clone(),
                Flat::List(places) => Value::List(places.iter().map(|place| self.value(*place)).collect()),
                Flat::Map(pairs) => {
                    Value::Map(pairs.iter().map(|(key, place)| (key.clone(), self.value(*place))).collect())
                }
            }
        }
    }

    impl Build for Arena {
        type Place = usize;
        type Array = usize;

        fn bool(&mut self, place: usize, value: bool) {
            self.values[place] = Flat::Scalar(Value::Bool(value));
        }
        fn int(&mut self, place: usize, value: i64) {
            self.values[place] = Flat::Scalar(Value::Int(value));
        }
        fn float(&mut self, place: usize, value: f64) {
            self.values[place] = Flat::Scalar(Value::Float(value.to_bits()));
        }
        fn string(&mut self, place: usize, text: &[u8]) {
            self.values[place] = Flat::Scalar(Value::String(text.to_vec()));
        }
        fn list(&mut self, place: usize, count: u32) -> usize {
            self.announced += u64::from(count);
            self.values[place] = Flat::List(Vec::new());
            place
        }
        fn map(&mut self, place: usize, count: u32) -> usize {
            self.announced += u64::from(count);
            self.values[place] = Flat::Map(Vec::new());
            place
        }
        fn next(&mut self, array: usize) -> Option<usize> {
            let place = self.place();
            let Flat::List(places) = &mut self.values[array] else { panic!("not a list") };
            places.push(place);
            Some(place)
        }
        fn at_int(&mut self, array: usize, key: i64) -> Option<usize> {
            self.insert(array, Key::Int(key))
        }
        fn at_string(&mut self, array: usize, key: &[u8]) -> Option<usize> {
            self.insert(array, Key::String(key.to_vec()))
        }
    }

    fn read(message: &[u8]) -> Result<Value, Corrupt> {
        let (tag, body) = message.split_first().unwrap();
        let mut arena = Arena::default();
        let root = arena.place();
        let read = decode(*tag, body, &mut arena, root);
        assert!(arena.announced <= body.len() as u64, "more elements than bytes: {message:?}");
        read.map(|()| arena.value(root))
    }

    fn refusal(message: &[u8]) -> String {
        read(message).unwrap_err().to_string()
    }

    /// A few hundred values, all kinds, by a generator whose seed is the test's.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn below(&mut self, end: u64) -> usize {
            usize::try_from(self.next() % end).unwrap()
        }

        fn text(&mut self) -> Vec<u8> {
            (0..self.below(20)).map(|_| self.next().to_le_bytes()[0]).collect()
        }

        fn value(&mut self, depth: u32) -> Value {
            match self.below(if depth == 0 { 5 } else { 7 }) {
                0 => Value::Null,
                1 => Value::Bool(self.next() & 1 == 0),
                2 => Value::Int(self.next().cast_signed()),
                3 => Value::Float(self.next()),
                4 => Value::String(self.text()),
                5 => Value::List((0..self.below(6)).map(|_| self.value(depth - 1)).collect()),
                _ => {
                    let keys = (0..6).map(|index| match self.next() & 1 {
                        0 => Key::Int(index - 3),
                        _ => Key::String([self.text(), vec![u8::try_from(index).unwrap()]].concat()),
                    });
                    let keys: Vec<Key> = keys.collect();
                    Value::Map(keys.into_iter().map(|key| (key, self.value(depth - 1))).collect())
                }
            }
        }

        /// One that is an array: as a whole message a string is a TEXT.
        fn message(&mut self) -> Value {
            Value::List(vec![self.value(4), self.value(4)])
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut random = Random(0x5eed);
        for _ in 0..2_000 {
            let value = random.message();
            assert_eq!(read(&value.bytes()), Ok(value));
        }
        for scalar in [Value::Null, Value::Bool(true), Value::Bool(false), Value::Int(i64::MIN)] {
            assert_eq!(read(&scalar.bytes()), Ok(scalar));
        }
        let signalling = Value::Float(0x7ff0_0000_0000_0001);
        assert_eq!(read(&signalling.bytes()), Ok(signalling), "a float is its bits");
        assert_eq!(read(b"\x05a\0b"), Ok(Value::String(b"a\0b".to_vec())));
    }

    /// Golden bytes: what was written once is read for ever.
    #[test]
    fn the_format_stays() {
        let value = Value::List(vec![
            Value::Null,
            Value::Bool(true),
            Value::Int(-2),
            Value::Float(1.5_f64.to_bits()),
            Value::String(b"ab".to_vec()),
            Value::Map(vec![(Key::Int(7), Value::Bool(false)), (Key::String(b"k".to_vec()), Value::Null)]),
        ]);
        let bytes: Vec<u8> = [
            &b"\x07\x06\0\0\0\x00\x02\x03\xfe\xff\xff\xff\xff\xff\xff\xff\x04\0\0\0\0\0\0\xf8\x3f"[..],
            b"\x06\x02\0\0\0ab\x08\x02\0\0\0\x03\x07\0\0\0\0\0\0\0\x01\x06\x01\0\0\0k\x00",
        ]
        .concat();
        assert_eq!(value.bytes(), bytes);
        assert_eq!(read(&bytes), Ok(value));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_read_or_refused() {
        let mut random = Random(0xc0ffee);
        for _ in 0..20 {
            let whole = random.message().bytes();
            for bit in 0..whole.len() * 8 {
                let mut flipped = whole.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let _ = read(&flipped);
            }
            for length in 1..whole.len() {
                assert!(read(&whole[..length]).is_err(), "cut at {length}: {whole:?}");
            }
            assert!(refusal(&[&whole[..], b"\0"].concat()).starts_with("it goes on after its end at byte"));
        }
    }

    #[test]
    fn random_bytes_are_read_or_refused() {
        let mut random = Random(42);
        for _ in 0..200_000 {
            let length = 1 + random.below(64);
            // Small bytes: most are tags, and counts that are possible.
            let bytes: Vec<u8> = (0..length).map(|_| u8::try_from(random.below(12)).unwrap()).collect();
            let _ = read(&bytes);
        }
    }

    #[test]
    fn counts_cannot_ask_for_more_than_there_is() {
        assert_eq!(refusal(b"\x07\xff\xff\xff\xff"), "an array is shorter than it says at byte 5");
        // Each of 200 nested lists could have 600 elements, if the others had none: together 120 000 in 1 000 bytes.
        let nested = [&[LIST][..], &600_u32.to_le_bytes()].concat().repeat(200);
        assert_eq!(refusal(&nested), "an array is shorter than it says at byte 10");
    }

    #[test]
    fn depth_has_a_limit_on_both_sides() {
        let nested = |depth: usize| {
            let mut bytes = b"\x07\x01\0\0\0".repeat(depth);
            bytes.push(NULL);
            bytes
        };
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert!(refusal(&nested(MAX_DEPTH + 1)).starts_with("its arrays are nested too deep"));
        assert!(refusal(&nested(1_000_000)).starts_with("its arrays are nested too deep"));
    }

    #[test]
    fn what_cannot_be_is_named() {
        let twice = b"\x08\x02\0\0\0\x06\x01\0\0\0k\0\x06\x01\0\0\0k\0";
        assert!(refusal(twice).starts_with("a key stands there twice"));
        assert!(refusal(b"\x08\x01\0\0\0\x04\0\0\0\0\0\0\0\0\0").starts_with("a key is neither"));
        assert!(refusal(b"\x0b").starts_with("it holds a kind of value that this version does not know"));
        for tag in [STRING, SERIALIZED, IGBINARY] {
            assert!(refusal(&[tag, 0, 0, 0, 0]).starts_with("a value stands where"), "{tag} as a message");
        }
        assert!(refusal(b"\x07\x01\0\0\0\x05").starts_with("a value stands where"), "text in an array");
    }

    #[test]
    fn nesting_is_counted_as_unserialize_does() {
        for (text, depth) in [
            ("N;", 0),
            ("s:3:\"a:1\";", 0),
            ("a:0:{}", 0),
            ("a:1:{i:0;a:0:{}}", 1),
            ("a:2:{i:0;a:1:{i:0;d:0.5;}i:1;b:1;}", 2),
            ("O:8:\"stdClass\":0:{}", 1),
            ("O:1:\"N\":1:{s:1:\"n\";O:1:\"N\":1:{s:1:\"n\";r:1;}}", 2),
            ("a:2:{s:9:\"a:1:{i:0;\";a:1:{i:0;N;}s:1:\"}\";a:1:{i:0;a:1:{i:0;N;}}}", 3),
            ("a:2:{i:0;C:3:\"Old\":16:{a:1:{i:0;a:0:{}}}i:1;a:1:{i:0;E:8:\"Suit:One\";}}", 2),
            ("a:1:{i:0;O:1:\"N\":0:{}}", 2),
        ] {
            assert_eq!(nesting(text.as_bytes()), depth, "{text}");
        }
        let deep = "a:1:{i:0;".repeat(5000) + "N;" + &"}".repeat(5000);
        assert_eq!(nesting(deep.as_bytes()), 5000);
        let short = "O:1:\"N\":1:{s:1:\"n\";".repeat(4097);
        for end in 0..short.len().min(60) {
            assert!(nesting(&short.as_bytes()[..end]) <= 4, "what is cut off is read to its end");
        }
    }

    #[test]
    fn memory_of_another_size_is_not_full() {
        let mut memory = [MaybeUninit::uninit(); 9];
        let mut fill = Fill::new(&mut memory);
        fill.int(1);
        assert!(fill.is_full());
        fill.null();
        assert!(!fill.is_full());
        let mut memory = [MaybeUninit::uninit(); 10];
        let mut fill = Fill::new(&mut memory);
        fill.int(1);
        assert!(!fill.is_full());
    }
}
