//! One walk over a frame: whether it is JSON, and where its parts are.
//!
//! # How it works
//! [`Scanner`] steps over values without building them. JSON is what PHP's `json_decode()` takes for it, because a
//! worker will decode what is cut out here: half a surrogate pair is none, a number may be too large for any type, a key
//! may be empty, hold NUL or stand twice.
//!
//! # Rules
//! Pure. `None` means: not JSON, or the end of the text. At most [`MOST_NESTED`] containers are open at once.
//! Sources: RFC 8259; php-src ext/json/json_scanner.re, json_parser.y.

use std::borrow::Cow;

/// `json_decode()` with its default depth of 512.
pub const MOST_NESTED: usize = 511;

/// A place in a text, and what has been seen before it.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    deepest: usize,
    /// A container has just been opened: no comma comes before what comes next.
    is_fresh: bool,
}

impl<'a> Scanner<'a> {
    /// At the start of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0, deepest: 0, is_fresh: false }
    }

    /// Bytes that have been passed.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Most containers that were open at once.
    pub fn deepest(&self) -> usize {
        self.deepest
    }

    /// The next byte that is no white space; it is not passed.
    pub fn next(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at)? {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    /// `Some` where nothing but white space is left.
    pub fn end(&mut self) -> Option<()> {
        self.next().is_none().then_some(())
    }

    /// Passes the bracket that opens a container.
    pub fn open(&mut self) -> Option<()> {
        self.at += 1;
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        self.is_fresh = true;
        (self.depth <= MOST_NESTED).then_some(())
    }

    /// Inside an array: whether an element comes; its end is passed.
    pub fn element(&mut self) -> Option<bool> {
        self.more(b']')
    }

    /// Inside an object: the next key in its quotes, or `None` at the object's end, which is passed.
    pub fn key(&mut self) -> Option<Option<&'a str>> {
        if !self.more(b'}')? {
            return Some(None);
        }
        match self.next()? {
            b'"' => self.string().map(Some),
            _ => None,
        }
    }

    /// Passes the colon after a key and its value; the value.
    pub fn value_of_key(&mut self) -> Option<&'a str> {
        self.next().filter(|byte| *byte == b':')?;
        self.at += 1;
        self.value()
    }

    /// Passes a value of any kind; the value.
    pub fn value(&mut self) -> Option<&'a str> {
        let first = self.next()?;
        let start = self.at;
        match first {
            b'"' => return self.string(),
            b'{' => {
                self.open()?;
                while self.key()?.is_some() {
                    self.value_of_key()?;
                }
            }
            b'[' => {
                self.open()?;
                while self.element()? {
                    self.value()?;
                }
            }
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => self.number()?,
        }
        self.text.get(start..self.at)
    }

    fn more(&mut self, end: u8) -> Option<bool> {
        let next = self.next()?;
        let was_fresh = std::mem::take(&mut self.is_fresh);
        if next == end {
            self.at += 1;
            self.depth -= 1;
            return Some(false);
        }
        if !was_fresh {
            self.at += 1;
        }
        (was_fresh || next == b',').then_some(true)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += word.len();
        rest.starts_with(word.as_bytes()).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        self.passes(b"-");
        let leading_zero = self.text.as_bytes().get(self.at) == Some(&b'0');
        let digits = self.digits()?;
        if leading_zero && digits > 1 {
            return None;
        }
        if self.passes(b".") {
            self.digits()?;
        }
        if self.passes(b"eE") {
            self.passes(b"+-");
            self.digits()?;
        }
        Some(())
    }

    fn passes(&mut self, any: &[u8]) -> bool {
        let passes = self.text.as_bytes().get(self.at).is_some_and(|byte| any.contains(byte));
        self.at += usize::from(passes);
        passes
    }

    /// How many, at least one.
    fn digits(&mut self) -> Option<usize> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let digits = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += digits;
        (digits > 0).then_some(digits)
    }

    /// Both quotes included.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            self.at += plain(rest);
            match self.text.as_bytes().get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return self.text.get(start..self.at);
                }
                b'\\' => self.escape()?,
                _ => return None, // a control character
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let kind = *self.text.as_bytes().get(self.at + 1)?;
        self.at += 2;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => match self.unit()? {
                0xd800..0xdc00 => {
                    let low = self.text.as_bytes().get(self.at..)?.starts_with(b"\\u");
                    self.at += 2;
                    (low && (0xdc00..0xe000).contains(&self.unit()?)).then_some(())
                }
                0xdc00..0xe000 => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    /// The four digits of `\u`.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
    }
}

/// How many bytes stand for themselves at the start of what is inside a string.
fn plain(bytes: &[u8]) -> usize {
    // Most strings are short: one look at eight bytes ends them.
    if let Some(first) = bytes.first_chunk()
        && let Some(passed) = plain_of_eight(*first)
    {
        return passed;
    }
    let ends = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    // Sixteen at a time, which a compiler makes a few instructions of.
    let whole = bytes.as_chunks::<16>().0;
    let whole = whole.iter().take_while(|chunk| !chunk.iter().fold(false, |any, byte| any | ends(byte)));
    let passed = whole.count() * 16;
    let rest = bytes.get(passed..).unwrap_or_default();
    passed + rest.iter().position(ends).unwrap_or(rest.len())
}

/// The same of eight bytes, where one of them does not stand for itself.
fn plain_of_eight(bytes: [u8; 8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(bytes);
    // The highest bit of each byte that is less than `limit`, <= 0x80; above the first one it may be wrong.
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & (ONES << 7);
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let ends = below(word, b' ') | is(b'"') | is(b'\\');
    (ends != 0).then(|| ends.trailing_zeros() as usize / 8)
}

/// What a JSON string says; `None`: it is no string.
pub fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    match inner.as_bytes().contains(&b'\\') {
        false => Some(inner.into()),
        true => serde_json::from_str::<String>(json).ok().map(Cow::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_json(text: &str) -> bool {
        let mut scanner = Scanner::new(text);
        scanner.value().is_some() && scanner.end().is_some()
    }

    #[test]
    fn json_is_what_phps_json_decode_takes() {
        let valid = [
            "0",
            "-0",
            "10",
            "1.5",
            "1e5",
            "1E+5",
            "-1.0e-7",
            "1e999",
            "99999999999999999999999",
            "true",
            "false",
            "null",
            " [ ] ",
            "[1 , 2]",
            "{}",
            r#"{"":1}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"\u0000a":"\u0000"}"#,
            r#""\"\\\/\b\f\n\r\t\u00e9""#,
            r#""\ud83d\uDE00""#,
            "\"\u{7f}\u{e9}\u{1f600}\"",
            "\t{\r\n\"a\" : [ { } ] }\n",
        ];
        for text in valid {
            assert!(is_json(text), "{text}");
            assert!(serde_json::from_str::<&serde_json::value::RawValue>(text.trim()).is_ok(), "{text}");
        }
        let invalid = [
            "",
            " ",
            "TRUE",
            "tru",
            "truefalse",
            "nul",
            "01",
            "-",
            "-a",
            "1.",
            ".5",
            "+1",
            "1e",
            "1e+",
            "0x1",
            "[",
            "]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1}",
            "{",
            "{]",
            "{,}",
            r#"{"a":1,}"#,
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a" 1}"#,
            "{a:1}",
            r#"{"a":1"b":2}"#,
            "\"",
            "\"a",
            r#""\x""#,
            r#""\u12""#,
            r#""\u12g4""#,
            r#""\ud800""#,
            r#""\ud800x""#,
            r#""\ud800\u0041""#,
            r#""\ud800\n""#,
            r#""\udc00""#,
            r#""\"#,
            "\"a\tb\"",
            "\"a\0b\"",
            "\u{c}1",
            "\u{feff}[]",
            "1\0",
            "[] x",
            "'a'",
            "\u{a0}1",
        ];
        for text in invalid {
            assert!(!is_json(text), "{text}");
        }
    }

    #[test]
    fn a_string_may_end_at_any_place() {
        for length in 0..70 {
            let plain = "é".repeat(length / 2) + if length % 2 == 0 { "" } else { "x" };
            assert_eq!(Scanner::new(&format!("\"{plain}\" ")).value(), Some(format!("\"{plain}\"").as_str()));
            assert!(is_json(&format!("\"{plain}\\n{plain}\"")));
            assert!(!is_json(&format!("\"{plain}\n{plain}\"")), "{length}");
        }
    }

    #[test]
    fn eight_bytes_at_once_say_what_one_at_a_time_says() {
        let ends = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let bytes = [b'a', first, second, 0xc3, second, b'!', first, 0x7f];
                assert_eq!(plain_of_eight(bytes), bytes.iter().position(ends), "{bytes:?}");
            }
        }
    }

    #[test]
    fn containers_are_counted_and_at_most_511() {
        for (text, deepest) in [("1", 0), ("[[],{}]", 2), (r#"["[[[",[{"a":[]}]]"#, 4)] {
            let mut scanner = Scanner::new(text);
            assert_eq!(scanner.value(), Some(text));
            assert_eq!(scanner.deepest(), deepest);
        }
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(is_json(&nested(511)) && !is_json(&nested(512)) && !is_json(&"[{\"a\":".repeat(1_000_000)));
    }

    #[test]
    fn a_string_says_what_it_says() {
        assert_eq!(text(r#""a/é""#).as_deref(), Some("a/é"));
        assert_eq!(text(r#""\u0074\/\ud83d\ude00""#).as_deref(), Some("t/😀"));
        for none in ["1", "null", "[\"a\"]"] {
            assert_eq!(text(none), None);
        }
    }
}
