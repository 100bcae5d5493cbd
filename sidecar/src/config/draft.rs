//! From a document or a command line to a `Config`, with every problem in its place.
//!
//! # How it works
//! A draft is filled in as far as it goes: what is wrong stays at its default and is noted. So one run finds all that
//! is wrong, also what `setup` finds out about the machine. Only a draft without problems becomes a `Config`.
//!
//! # What may be lost
//! What a line with an error of syntax meant to say, and, where there is such a line, what is missing: it may stand
//! there.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use super::keys::{Fault, Flag, Given, Key, POOL, TOP};
use super::tree::{self, Entry, Node, Value};
use super::{Config, PoolConfig, check, pool_name};

/// The pool of a name that stands for the keys above all pools.
const NO_POOL: &str = "";

/// In which language a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

/// A document.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// Its name, for people.
    pub file: &'a str,
    /// Its language.
    pub format: Format,
    /// Itself.
    pub text: &'a str,
    /// What its relative paths are relative to.
    pub base: &'a Path,
}

/// Flags as given: key, values.
pub type Flags = Vec<(&'static str, Vec<String>)>;

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Line(usize),
    CommandLine,
}

/// A configuration, and what is wrong with it.
#[derive(Debug)]
pub struct Draft {
    config: Config,
    /// The document's name, for people.
    file: Option<String>,
    /// Pool and key to where its value stands; an empty key is the pool itself.
    places: BTreeMap<(String, String), Place>,
    /// Line and sentence.
    problems: Vec<(usize, String)>,
    /// Lines of which nobody knows what they meant.
    broken: BTreeSet<usize>,
}

impl Draft {
    /// One pool, all of it from the command line. `base` is what a relative path is relative to.
    #[must_use]
    pub fn from_flags(name: &str, command: Vec<OsString>, flags: &Flags, base: &Path) -> Self {
        let mut draft = Self::new(None);
        let mut config = Config::default();
        let mut pool = PoolConfig::new(name, command);
        draft.read_flags(TOP, &mut config, NO_POOL, flags, base);
        draft.read_flags(POOL, &mut pool, name, flags, base);
        config.pools.push(pool);
        draft.config = config;
        draft.contradictions();
        draft
    }

    /// From a document. Flags of keys above all pools win over it; their paths are relative to `flags_base`.
    #[must_use]
    pub fn from_document(document: Document<'_>, flags: &Flags, flags_base: &Path) -> Self {
        let Document { file, format, text, base } = document;
        let mut draft = Self::new(Some(file));
        let (entries, errors) = match format {
            Format::Toml => tree::toml(text),
            Format::Json => tree::json(text),
        };
        for error in errors {
            // The first one of a line is the cause of the others.
            if !draft.problems.iter().any(|(line, _)| *line == error.line) {
                draft.problems.push((error.line, format!("{file}:{}: {}", error.line, error.what)));
            }
            draft.broken.extend(error.line..=error.until);
        }
        let mut config = Config::default();
        let (pools, entries) = entries.into_iter().partition::<Vec<_>, _>(|entry| entry.key == "pool");
        draft.read_table(TOP, &mut config, NO_POOL, &entries, base);
        draft.read_flags(TOP, &mut config, NO_POOL, flags, flags_base);
        for entry in &pools {
            match &entry.node.value {
                Value::Table(pools) => draft.read_pools(pools, &mut config, base),
                _ => {
                    draft.note(entry.line, "pool", "is not a table; write [pool.NAME] above each pool's keys")
                }
            }
        }
        let empty = |entry: &Entry| matches!(&entry.node.value, Value::Table(pools) if pools.is_empty());
        if pools.iter().all(empty) {
            draft.note_missing(1, "pool", "write at least one [pool.NAME] with its command");
        }
        if draft.place(NO_POOL, "socket").is_none() {
            draft.note_missing(1, "socket", "give a path, or --socket");
        }
        draft.config = config;
        draft.contradictions();
        draft
    }

    /// What has been understood so far.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Notes that `key` of `pool` has a value that cannot be used; `None`: of no pool.
    pub fn refuse(&mut self, pool: Option<&str>, key: &str, what: &str) {
        let pool = pool.unwrap_or(NO_POOL);
        match self.place(pool, key).or_else(|| self.place(pool, "")) {
            Some(Place::Line(line)) => self.note(line, &path(pool, key), what),
            _ => self.problems.push((0, flag_sentence(key, what))),
        }
    }

    /// The configuration.
    ///
    /// # Errors
    /// Every problem, a sentence each, in the order of the document.
    pub fn finish(mut self) -> Result<Config, Vec<String>> {
        if self.problems.is_empty() {
            return Ok(self.config);
        }
        self.problems.sort_by_key(|(line, _)| *line);
        Err(self.problems.into_iter().map(|(_, sentence)| sentence).collect())
    }

    fn new(file: Option<&str>) -> Self {
        Self {
            config: Config::default(),
            file: file.map(str::to_owned),
            places: BTreeMap::new(),
            problems: Vec::new(),
            broken: BTreeSet::new(),
        }
    }

    fn place(&self, pool: &str, key: &str) -> Option<Place> {
        self.places.get(&(pool.to_owned(), key.to_owned())).copied()
    }

    fn set_place(&mut self, pool: &str, key: &str, place: Place) {
        self.places.insert((pool.to_owned(), key.to_owned()), place);
    }

    /// Notes a problem of the document.
    fn note(&mut self, line: usize, path: &str, what: &str) {
        if !self.broken.contains(&line) {
            let file = self.file.as_deref().unwrap_or_default();
            self.problems.push((line, format!("{file}:{line}: {path}: {what}")));
        }
    }

    fn note_missing(&mut self, line: usize, path: &str, hint: &str) {
        if self.broken.is_empty() {
            self.note(line, path, &format!("is missing; {hint}"));
        }
    }

    fn read_pools(&mut self, pools: &[Entry], config: &mut Config, base: &Path) {
        for entry in pools {
            let name = &entry.key;
            let at = format!("pool.{name}");
            if let Err(what) = pool_name(name) {
                self.note(entry.line, &at, &what);
                continue;
            }
            if self.place(name, "").is_some() {
                self.note(entry.line, &at, "is there twice; each pool has a name of its own");
                continue;
            }
            let Value::Table(entries) = &entry.node.value else {
                let hint = if POOL.iter().any(|key| key.name == name) { " (a pool has a name)" } else { "" };
                let what = format!("is not a table; write [pool.NAME] above each pool's keys{hint}");
                self.note(entry.line, &at, &what);
                continue;
            };
            self.set_place(name, "", Place::Line(entry.line));
            let mut pool = PoolConfig::new(name, Vec::new());
            self.read_table(POOL, &mut pool, name, entries, base);
            if self.place(name, "command").is_none() {
                let hint = "write an array, such as [\"php\", \"daemon.php\"]";
                self.note_missing(entry.line, &path(name, "command"), hint);
            }
            config.pools.push(pool);
        }
    }

    fn read_table<T>(&mut self, keys: &[Key<T>], to: &mut T, pool: &str, entries: &[Entry], base: &Path) {
        for entry in entries {
            let Some(key) = keys.iter().find(|key| key.name == entry.key) else {
                self.note(entry.line, &path(pool, &entry.key), &unknown(pool, &entry.key));
                continue;
            };
            if self.place(pool, key.name).is_some() {
                self.note(entry.line, &path(pool, key.name), "is there twice");
                continue;
            }
            self.set_place(pool, key.name, Place::Line(entry.line));
            for fault in faults(key, to, &entry.node, base) {
                self.note(fault.line, &format!("{}{}", path(pool, key.name), fault.part), &fault.what);
            }
        }
    }

    fn read_flags<T>(&mut self, keys: &[Key<T>], to: &mut T, pool: &str, flags: &Flags, base: &Path) {
        for (name, values) in flags {
            let Some(key) = keys.iter().find(|key| key.name == *name) else { continue };
            self.set_place(pool, key.name, Place::CommandLine);
            for fault in faults(key, to, &node(key.flag, values), base) {
                let what = format!("{} {}", fault.part.trim_start_matches('.'), fault.what);
                self.problems.push((0, flag_sentence(key.name, what.trim_start())));
            }
        }
    }

    fn contradictions(&mut self) {
        for (key, what) in check::contradictions_above(&self.config) {
            self.refuse(None, key, &what);
        }
        for pool in self.config.pools.clone() {
            let is_given = |key: &str| self.place(&pool.name, key).is_some();
            for (key, what) in check::contradictions(&pool, is_given) {
                self.refuse(Some(&pool.name), key, &what);
            }
        }
    }
}

fn faults<T>(key: &Key<T>, to: &mut T, node: &Node, base: &Path) -> Vec<Fault> {
    (key.set)(to, &Given { node, base }).err().unwrap_or_default()
}

/// A flag's values as the file would have them.
fn node(flag: Flag, values: &[String]) -> Node {
    let text = values.last().map(String::as_str).unwrap_or_default();
    let value = match flag {
        Flag::On => Value::Bool(true),
        Flag::Off => Value::Bool(false),
        Flag::Number(_) => match (text.parse(), text.parse()) {
            (Ok(whole), _) => Value::Whole(whole),
            (_, Ok(fraction)) => Value::Fraction(fraction),
            _ => Value::Text(text.to_owned()),
        },
        Flag::Pairs => Value::Table(values.iter().map(|pair| pair_entry(pair)).collect()),
        Flag::Text(_) | Flag::None => Value::Text(text.to_owned()),
    };
    Node { line: 0, value }
}

/// `NAME=VALUE`; without a `=` there is no name that anything could have.
fn pair_entry(pair: &str) -> Entry {
    let (key, value) = pair.split_once('=').unwrap_or(("", pair));
    Entry { key: key.into(), line: 0, node: Node { line: 0, value: Value::Text(value.into()) } }
}

fn path(pool: &str, key: &str) -> String {
    if pool == NO_POOL { key.to_owned() } else { format!("pool.{pool}.{key}") }
}

/// What is said about the command line; the command itself is no flag.
fn flag_sentence(key: &str, what: &str) -> String {
    match POOL.iter().find(|pool_key| pool_key.name == key).map(|key| key.flag) {
        Some(Flag::None) => what.to_owned(),
        Some(Flag::Off) => format!("--no-{}: {what}", key.replace('_', "-")),
        _ => format!("--{}: {what}", key.replace('_', "-")),
    }
}

/// What is said of a key that is none: where it belongs, or what it may have been meant to be.
fn unknown(pool: &str, key: &str) -> String {
    let top: Vec<_> = TOP.iter().map(|key| key.name).chain(["pool"]).collect();
    let of_pool: Vec<_> = POOL.iter().map(|key| key.name).collect();
    let (here, there, belongs) = match pool {
        NO_POOL => (top, of_pool, "is a key of a pool; it belongs below a [pool.NAME]"),
        _ => (of_pool, top, "is no key of a pool; it belongs to the top of the file"),
    };
    if there.contains(&key) {
        return belongs.to_owned();
    }
    let distance = |name: &&str| strsim::damerau_levenshtein(name, key);
    let nearest = here.into_iter().min_by_key(distance).filter(|name| distance(name) * 3 <= name.len() + 1);
    match nearest {
        Some(name) => format!("is not a known key; did you mean \"{name}\"?"),
        None => "is not a known key; `rustdaemon run --defaults` prints all of them".to_owned(),
    }
}
