//! JSON as serde_json reads it, member by member.
//!
//! serde_json's `RawValue` knows the grammar and takes numbers of any size, as PHP does; half a surrogate pair it finds only
//! where it makes a `String` of it, hence [`nested`] looks at every string. Members keep their order, and the same key
//! twice stays twice.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A member of an object, raw.
pub struct Member<'a> {
    /// In its quotes.
    pub key: &'a str,
    /// What the key says; `None`: half a surrogate pair.
    pub name: Option<String>,
    /// `None`: the text breaks off, or is no JSON any more.
    pub value: Option<&'a str>,
}

/// The members of an object as far as it can be read, and whether that is all of the text.
pub fn members(text: &str) -> (Vec<Member<'_>>, bool) {
    let mut members = Vec::new();
    let is_whole = walk(text, Members(&mut members));
    (members, is_whole)
}

/// The elements of an array, where it is one.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    let mut elements = Vec::new();
    walk(text, Elements(&mut elements)).then_some(elements)
}

/// What a string says, where it is one.
pub fn text(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// How many containers are open at once within a value; `None`: more than `most`, or not JSON.
pub fn nested(value: &str, most: usize) -> Option<usize> {
    let values = match value.trim_start_matches([' ', '\t', '\r', '\n']).as_bytes().first()? {
        b'"' => return text(value).map(|_| 0),
        b'[' => elements(value)?,
        b'{' => {
            let (members, is_whole) = members(value);
            let is_strict = is_whole && members.iter().all(|member| member.name.is_some());
            is_strict.then(|| members.iter().filter_map(|member| member.value).collect())?
        }
        _ => return serde_json::from_str::<&RawValue>(value).ok().map(|_| 0),
    };
    let most = most.checked_sub(1)?;
    values
        .into_iter()
        .try_fold(0, |deepest, value| Some(deepest.max(nested(value, most)?)))
        .map(|deepest| deepest + 1)
}

fn walk<'a>(text: &'a str, into: impl DeserializeSeed<'a>) -> bool {
    let mut json = serde_json::Deserializer::from_str(text);
    into.deserialize(&mut json).is_ok() && json.end().is_ok()
}

struct Members<'a, 'm>(&'m mut Vec<Member<'a>>);

impl<'a> DeserializeSeed<'a> for Members<'a, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Members<'a, '_> {
    type Value = ();

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<&RawValue>()? {
            self.0.push(Member { key: key.get(), name: text(key.get()), value: None });
            let value = map.next_value::<&RawValue>()?.get();
            self.0.last_mut().unwrap().value = Some(value);
        }
        Ok(())
    }
}

struct Elements<'a, 'm>(&'m mut Vec<&'a str>);

impl<'a> DeserializeSeed<'a> for Elements<'a, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for Elements<'a, '_> {
    type Value = ();

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an array")
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut list: S) -> Result<(), S::Error> {
        while let Some(value) = list.next_element::<&RawValue>()? {
            self.0.push(value.get());
        }
        Ok(())
    }
}
