//! A small reader of Rust source: tokens with their lines, and the paths among them. Comments and the insides of
//! literals are no tokens, so a rule about code never trips over a sentence.
//!
//! # Limits
//! It knows no types and expands no macro: `use std as s` or a path built by a macro passes unseen.

/// A token and the line it begins in, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Also keywords and numbers.
    Word(String),
    /// `::`
    Colons,
    Punct(char),
    /// A string, byte string, C string or character.
    Literal,
}

impl Token {
    pub fn word(&self) -> Option<&str> {
        if let Kind::Word(word) = &self.kind { Some(word) } else { None }
    }

    pub fn is(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    pub fn is_punct(&self, punct: char) -> bool {
        self.kind == Kind::Punct(punct)
    }
}

/// A path in the code, such as `crate::pool::Slot` or each leaf of a `use` tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub segments: Vec<String>,
    pub line: usize,
    /// Inline modules around it, outermost first.
    pub inside: Vec<String>,
    /// In an item under `#[cfg(test)]`.
    pub test: bool,
}

impl Path {
    pub fn starts_with(&self, prefix: &[&str]) -> bool {
        self.segments.len() >= prefix.len()
            && self.segments.iter().zip(prefix).all(|(have, want)| have == want)
    }

    pub fn contains(&self, part: &[&str]) -> bool {
        self.segments.windows(part.len()).any(|window| window == part)
    }
}

pub fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { rest: source.chars().collect(), at: 0, line: 1 };
    let mut tokens = Vec::new();
    while let Some(token) = reader.next() {
        tokens.push(token);
    }
    tokens
}

struct Reader {
    rest: Vec<char>,
    at: usize,
    line: usize,
}

impl Reader {
    fn peek(&self, ahead: usize) -> char {
        self.rest.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn ended(&self) -> bool {
        self.at >= self.rest.len()
    }

    fn bump(&mut self) -> char {
        let c = self.peek(0);
        self.at += 1;
        self.line += usize::from(c == '\n');
        c
    }

    fn next(&mut self) -> Option<Token> {
        self.skip_blank();
        if self.ended() {
            return None;
        }
        let line = self.line;
        let kind = match self.peek(0) {
            '"' => self.string(),
            '\'' => self.quote(),
            c if is_word(c) => self.word(),
            ':' if self.peek(1) == ':' => {
                self.at += 2;
                Kind::Colons
            }
            _ => Kind::Punct(self.bump()),
        };
        Some(Token { kind, line })
    }

    fn skip_blank(&mut self) {
        while !self.ended() {
            if self.peek(0).is_whitespace() {
                self.bump();
            } else if (self.peek(0), self.peek(1)) == ('/', '/') {
                while !self.ended() && self.peek(0) != '\n' {
                    self.bump();
                }
            } else if (self.peek(0), self.peek(1)) == ('/', '*') {
                self.block_comment();
            } else {
                return;
            }
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while !self.ended() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    self.at += 2;
                    depth += 1;
                }
                ('*', '/') => {
                    self.at += 2;
                    depth -= 1;
                    if depth == 0 {
                        return;
                    }
                }
                _ => {
                    self.bump();
                }
            }
        }
    }

    /// A word, or a literal with a prefix: `r"..."`, `br#"..."#`, `b'x'`, `c"..."`; `r#type` is the word `type`.
    fn word(&mut self) -> Kind {
        let mut word = String::new();
        while is_word(self.peek(0)) {
            word.push(self.bump());
        }
        match (word.as_str(), self.peek(0)) {
            ("b", '\'') => self.quote(),
            ("b" | "c", '"') => self.string(),
            ("r" | "br" | "cr", '"') => self.raw_string(),
            ("r" | "br" | "cr", '#') if matches!(self.peek(1), '#' | '"') => self.raw_string(),
            ("r", '#') => {
                self.bump();
                self.word()
            }
            _ => Kind::Word(word),
        }
    }

    fn string(&mut self) -> Kind {
        self.bump();
        while !self.ended() {
            match self.bump() {
                '"' => break,
                '\\' => {
                    self.bump();
                }
                _ => {}
            }
        }
        Kind::Literal
    }

    fn raw_string(&mut self) -> Kind {
        let mut hashes = 0;
        while self.peek(0) == '#' {
            self.bump();
            hashes += 1;
        }
        self.bump();
        while !self.ended() {
            if self.bump() == '"' && (0..hashes).all(|ahead| self.peek(ahead) == '#') {
                self.at += hashes;
                break;
            }
        }
        Kind::Literal
    }

    /// A character or a lifetime.
    fn quote(&mut self) -> Kind {
        self.bump();
        if self.peek(0) != '\\' && self.peek(1) != '\'' {
            return Kind::Punct('\''); // a lifetime: its name follows as a word
        }
        while !self.ended() {
            match self.bump() {
                '\'' => break,
                '\\' => {
                    self.bump();
                }
                _ => {}
            }
        }
        Kind::Literal
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The contents of each attribute, `#[...]` or `#![...]`, without the brackets.
pub fn attributes(tokens: &[Token]) -> Vec<&[Token]> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match attribute_at(tokens, at) {
            Some((content, after)) => {
                found.push(content);
                at = after;
            }
            None => at += 1,
        }
    }
    found
}

/// The attribute that begins at `at`, and where the code goes on.
fn attribute_at(tokens: &[Token], at: usize) -> Option<(&[Token], usize)> {
    let punct = |at: usize, c: char| tokens.get(at).is_some_and(|token| token.is_punct(c));
    if !punct(at, '#') {
        return None;
    }
    let open = at + if punct(at + 1, '!') { 2 } else { 1 };
    if !punct(open, '[') {
        return None;
    }
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        depth += usize::from(token.is_punct('['));
        depth -= usize::from(token.is_punct(']'));
        if depth == 0 {
            return Some((&tokens[open + 1..index], index + 1));
        }
    }
    None
}

/// All paths of the code, `use` trees taken apart. Attributes hold none.
pub fn paths(tokens: &[Token]) -> Vec<Path> {
    let mut walk = Walk { tokens, at: 0, scopes: Vec::new(), test_ahead: false, found: Vec::new() };
    walk.walk();
    walk.found
}

/// An open `{`.
struct Scope {
    module: Option<String>,
    test: bool,
}

struct Walk<'a> {
    tokens: &'a [Token],
    at: usize,
    scopes: Vec<Scope>,
    /// `#[cfg(test)]` has been read; it holds for the item that follows.
    test_ahead: bool,
    found: Vec<Path>,
}

impl Walk<'_> {
    fn walk(&mut self) {
        let mut module_ahead = None;
        while let Some(token) = self.tokens.get(self.at) {
            if let Some((content, after)) = attribute_at(self.tokens, self.at) {
                let is_test = content.first().is_some_and(|token| token.is("cfg"))
                    && content.iter().any(|token| token.is("test"))
                    && !content.iter().any(|token| token.is("not"));
                self.test_ahead |= is_test;
                self.at = after;
            } else if token.is_punct('{') {
                let test = std::mem::take(&mut self.test_ahead) || self.in_test();
                self.scopes.push(Scope { module: module_ahead.take(), test });
                self.at += 1;
            } else if token.is_punct('}') || token.is_punct(';') {
                if token.is_punct('}') {
                    self.scopes.pop();
                }
                self.test_ahead = false;
                module_ahead = None;
                self.at += 1;
            } else if token.is("mod") && self.word_at(self.at + 1).is_some() {
                module_ahead = self.word_at(self.at + 1);
                self.at += 2;
            } else if token.is("use") && !self.tokens.get(self.at + 1).is_some_and(|next| next.is_punct('<'))
            {
                self.at += 1;
                self.use_tree(&[]);
            } else if token.word().is_some() || token.kind == Kind::Colons {
                self.plain_path();
            } else {
                self.at += 1;
            }
        }
    }

    fn in_test(&self) -> bool {
        self.scopes.last().is_some_and(|scope| scope.test)
    }

    fn word_at(&self, at: usize) -> Option<String> {
        self.tokens.get(at)?.word().map(str::to_owned)
    }

    fn push(&mut self, segments: Vec<String>, line: usize) {
        let inside = self.scopes.iter().filter_map(|scope| scope.module.clone()).collect();
        self.found.push(Path { segments, line, inside, test: self.test_ahead || self.in_test() });
    }

    /// `a::b::c` in code; it ends at generics, and what follows them is a path of its own.
    fn plain_path(&mut self) {
        let line = self.tokens[self.at].line;
        let mut segments = Vec::new();
        if self.tokens[self.at].kind == Kind::Colons {
            self.at += 1;
        }
        while let Some(word) = self.word_at(self.at) {
            segments.push(word);
            self.at += 1;
            if self.tokens.get(self.at).is_some_and(|token| token.kind == Kind::Colons)
                && self.word_at(self.at + 1).is_some()
            {
                self.at += 1;
            } else {
                break;
            }
        }
        if !segments.is_empty() {
            self.push(segments, line);
        }
    }

    /// One branch of a `use` tree, `a::{b, c::*, self as d}`; a glob is the segment `*`.
    fn use_tree(&mut self, prefix: &[String]) {
        let mut segments = prefix.to_vec();
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        while let Some(token) = self.tokens.get(self.at) {
            if token.is("as") {
                self.at += 2;
            } else if let Some(word) = token.word() {
                segments.push(word.to_owned());
                self.at += 1;
            } else if token.kind == Kind::Colons {
                self.at += 1;
            } else if token.is_punct('*') {
                segments.push("*".into());
                self.at += 1;
            } else if token.is_punct('{') {
                self.at += 1;
                self.use_branches(&segments);
                return;
            } else {
                break;
            }
        }
        if segments.len() > prefix.len() {
            self.push(segments, line);
        }
    }

    fn use_branches(&mut self, prefix: &[String]) {
        while let Some(token) = self.tokens.get(self.at) {
            if token.is_punct('}') {
                self.at += 1;
                return;
            }
            if token.is_punct(',') {
                self.at += 1;
            } else {
                let before = self.at;
                self.use_tree(prefix);
                self.at = self.at.max(before + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<String> {
        paths(&tokens(source)).iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn comments_and_literals_hold_no_paths() {
        let source = r##"
            // crate::a  /* crate::b
            /* crate::c /* nested */ crate::d */
            /// crate::e
            const S: &str = "crate::f \" crate::g";
            const R: &str = r#"crate::h " crate::i"#;
            const B: (&[u8], char, char) = (b"crate::j", '"', '\'');
            fn f<'a>(x: &'a str) -> crate::k::K {}
        "##;
        let crates: Vec<String> =
            found(source).into_iter().filter(|path| path.starts_with("crate")).collect();
        assert_eq!(crates, ["crate::k::K"]);
    }

    #[test]
    fn use_trees_are_taken_apart() {
        assert_eq!(
            found("pub(super) use a::{b, c::{self, d as e}, f::*}; use ::g::h; use i as j;"),
            ["pub", "super", "a::b", "a::c::self", "a::c::d", "a::f::*", "g::h", "i"]
        );
    }

    #[test]
    fn lines_are_counted_from_one() {
        let lines: Vec<usize> =
            paths(&tokens("use a::{\n  b,\n  c,\n};\n\nd::e();")).iter().map(|p| p.line).collect();
        assert_eq!(lines, [2, 3, 6]);
    }

    #[test]
    fn a_path_knows_its_inline_modules_and_whether_it_is_a_test() {
        let source = "a::b(); mod m { c::d(); } #[cfg(test)] mod tests { use super::x; fn f() { g::h() } }
            #[cfg(test)] use i::j; k::l(); #[cfg(not(test))] mod n { o::p() }";
        let of = |want: &str| {
            let all = paths(&tokens(source));
            let path = all.iter().find(|path| path.segments.join("::") == want).unwrap();
            (path.inside.join("::"), path.test)
        };
        assert_eq!(of("a::b"), (String::new(), false));
        assert_eq!(of("c::d"), ("m".into(), false));
        assert_eq!(of("super::x"), ("tests".into(), true));
        assert_eq!(of("g::h"), ("tests".into(), true));
        assert_eq!(of("i::j"), (String::new(), true));
        assert_eq!(of("k::l"), (String::new(), false));
        assert_eq!(of("o::p"), ("n".into(), false));
    }

    #[test]
    fn generics_do_not_hide_a_path() {
        assert_eq!(found("<T as crate::x::Y>::Z"), ["T", "as", "crate::x::Y", "Z"]);
        assert_eq!(found("Vec::<crate::x::Y>::new()"), ["Vec", "crate::x::Y", "new"]);
    }

    #[test]
    fn attributes_with_nested_brackets() {
        let source = tokens("#![a(b)] #[c([d], e)] fn f() { x[0] }");
        let names: Vec<usize> = attributes(&source).iter().map(|content| content.len()).collect();
        assert_eq!(names, [4, 8]);
    }
}
