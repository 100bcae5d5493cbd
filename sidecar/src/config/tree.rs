//! A document as a tree that knows its lines, from TOML or from JSON.
//!
//! # How it works
//! TOML: the parser's own spans. JSON: an object is read as pairs of raw slices of the text (serde_json's `RawValue`),
//! and where a slice stands in the text is its line; its inside is read in turn.
//!
//! # What may be lost
//! TOML shows every error of syntax, JSON the first one. Comments.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A value and the line it begins in, counted from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The line.
    pub line: usize,
    /// The value.
    pub value: Value,
}

/// What TOML and JSON have in common.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A number without a fraction.
    Whole(i64),
    /// Another number.
    Fraction(f64),
    /// true or false.
    Bool(bool),
    /// An array.
    List(Vec<Node>),
    /// A table, an object: in the order of the text.
    Table(Vec<Entry>),
    /// What no key takes: its name.
    Other(&'static str),
}

/// An entry of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub key: String,
    /// The line of the name.
    pub line: usize,
    /// What stands behind it.
    pub node: Node,
}

/// How deep a JSON document is read: an array in a pool's key is four levels down.
const MAX_DEPTH: usize = 8;

/// Where the text is not TOML, or not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syntax {
    /// The line.
    pub line: usize,
    /// The last line of which nobody knows what it meant: below a broken header, the line before the next header.
    pub until: usize,
    /// What is wrong.
    pub what: String,
}

/// Reads TOML: the entries of the root, and every error of syntax.
pub fn toml(text: &str) -> (Vec<Entry>, Vec<Syntax>) {
    let (root, errors) = DeTable::parse_recoverable(text);
    let errors = errors.iter().map(|error| {
        let span = error.span().unwrap_or(0..0);
        let mut what = error.message().lines().collect::<Vec<_>>().join(", ");
        if let Some(excerpt) = text.get(span.clone()).filter(|excerpt| (1..40).contains(&excerpt.len())) {
            what.push_str(&format!(", near `{}`", excerpt.escape_debug()));
        }
        let line = line_at(text, span.start);
        Syntax { line, until: line + lines_of_header(text, line), what }
    });
    (toml_table(text, root.get_ref()), errors.collect())
}

/// How many lines stand below the header in `line`; none, if it is no header.
fn lines_of_header(text: &str, line: usize) -> usize {
    let mut lines = text.lines().skip(line.saturating_sub(1)).map(|line| line.trim_start().starts_with('['));
    if lines.next() == Some(true) { lines.take_while(|header| !header).count() } else { 0 }
}

fn toml_table(text: &str, table: &DeTable<'_>) -> Vec<Entry> {
    let entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
        let line = line_at(text, key.span().start);
        (key.span().start, Entry { key: key.get_ref().to_string(), line, node: toml_node(text, value) })
    };
    // The parser sorts them by name.
    let mut entries: Vec<_> = table.iter().map(entry).collect();
    entries.sort_by_key(|(start, _)| *start);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn toml_node(text: &str, value: &Spanned<DeValue<'_>>) -> Node {
    let line = line_at(text, value.span().start);
    let value = match value.get_ref() {
        DeValue::String(string) => Value::Text(string.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number of more than 64 bits"), Value::Whole),
        DeValue::Float(number) => {
            number.as_str().parse().map_or(Value::Other("not a number"), Value::Fraction)
        }
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => Value::List(items.iter().map(|item| toml_node(text, item)).collect()),
        DeValue::Table(table) => Value::Table(toml_table(text, table)),
    };
    Node { line, value }
}

/// Reads JSON: the members of the root, and the first error of syntax.
pub fn json(text: &str) -> (Vec<Entry>, Vec<Syntax>) {
    match json_members(text, text, 0) {
        Ok(entries) => (entries, Vec::new()),
        Err(syntax) => (Vec::new(), vec![syntax]),
    }
}

fn json_members(text: &str, slice: &str, depth: usize) -> Result<Vec<Entry>, Syntax> {
    let Members(members) = json_read(text, slice)?;
    let entry = |(key, value): &(&RawValue, &RawValue)| {
        Ok(Entry {
            key: json_read(text, key.get())?,
            line: line_at(text, offset(text, key.get())),
            node: json_node(text, value.get(), depth + 1)?,
        })
    };
    members.iter().map(entry).collect()
}

fn json_node(text: &str, slice: &str, depth: usize) -> Result<Node, Syntax> {
    let value = match slice.bytes().next() {
        Some(b'{' | b'[') if depth > MAX_DEPTH => Value::Other("something nested too deeply"),
        Some(b'{') => Value::Table(json_members(text, slice, depth)?),
        Some(b'[') => {
            let items: Vec<&RawValue> = json_read(text, slice)?;
            Value::List(
                items.iter().map(|item| json_node(text, item.get(), depth + 1)).collect::<Result<_, _>>()?,
            )
        }
        Some(b'"') => Value::Text(json_read(text, slice)?),
        Some(b't' | b'f') => Value::Bool(json_read(text, slice)?),
        Some(b'n') => Value::Other("null"),
        _ => match slice.parse() {
            Ok(whole) => Value::Whole(whole),
            Err(_) => Value::Fraction(json_read(text, slice)?),
        },
    };
    Ok(Node { line: line_at(text, offset(text, slice)), value })
}

/// Reads a slice of the text. An error's line is one of the text.
fn json_read<'t, T: Deserialize<'t>>(text: &str, slice: &'t str) -> Result<T, Syntax> {
    serde_json::from_str(slice).map_err(|error| {
        let shown = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let line = line_at(text, offset(text, slice)) + error.line().saturating_sub(1);
        Syntax { line, until: line, what: shown.strip_suffix(&place).unwrap_or(&shown).to_owned() }
    })
}

/// An object's members as slices of the text, doubles included.
struct Members<'t>(Vec<(&'t RawValue, &'t RawValue)>);

impl<'t> Deserialize<'t> for Members<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'t> Visitor<'t> for Reader {
            type Value = Members<'t>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Members<'t>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Where `slice`, a part of `text`, begins in it.
fn offset(text: &str, slice: &str) -> usize {
    slice.as_ptr().addr().saturating_sub(text.as_ptr().addr())
}

/// The line of the byte at `offset`, counted from 1.
fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
