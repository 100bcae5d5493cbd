//! Golden exchanges: what a client writes and what it gets, from tests/fixtures. The format is in its README.
//!
//! # Rules
//! Standard library only: the sidecar's unit tests read this file too.

use std::path::{Path, PathBuf};

/// One connection.
#[derive(Debug)]
pub struct Exchange {
    /// File and name.
    pub name: String,
    /// In order.
    pub steps: Vec<Step>,
}

/// What happens on it.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The client writes.
    Write(Vec<u8>),
    /// The client half-closes.
    HalfClose,
    /// The client gets this line, in which `%T` stands for any number.
    Get(Vec<u8>),
    /// The connection ends.
    End,
}

/// All exchanges of the files for which `wanted` holds, by their names below tests/fixtures.
#[must_use]
pub fn exchanges(fixtures: &Path, wanted: impl Fn(&str) -> bool) -> Vec<Exchange> {
    let mut files = files(fixtures);
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = file.strip_prefix(fixtures).unwrap_or(&file).display().to_string();
        if wanted(&name) {
            let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
            all.extend(read(&name, &text));
        }
    }
    assert!(!all.is_empty(), "no exchange in {}", fixtures.display());
    all
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let files = paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "txt")).collect()
}

fn read(file: &str, text: &str) -> Vec<Exchange> {
    let mut all: Vec<Exchange> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("== ") {
            all.push(Exchange { name: format!("{file}: {name}"), steps: Vec::new() });
            continue;
        }
        let step = match line.split_once(' ').unwrap_or((line, "")) {
            (">", text) => Step::Write([bytes(text), b"\n".to_vec()].concat()),
            (">-", text) => Step::Write(bytes(text)),
            (">.", "") => Step::HalfClose,
            ("<", text) => Step::Get(bytes(text)),
            ("<.", "") => Step::End,
            _ => panic!("{file}: {line:.80}"),
        };
        all.last_mut().unwrap_or_else(|| panic!("{file}: no name before {line:.80}")).steps.push(step);
    }
    all
}

/// `%2f` and `%{3:ab}`; `%T` stays.
fn bytes(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let repeated = part.strip_prefix('{').and_then(|part| part.split_once('}'));
        if let Some((what, rest)) = repeated {
            let (times, what) = what.split_once(':').unwrap_or_else(|| panic!("%{part:.40}"));
            out.extend(what.repeat(times.parse().unwrap_or_else(|_| panic!("%{part:.40}"))).as_bytes());
            out.extend(rest.as_bytes());
        } else if part.starts_with('T') {
            out.extend(format!("%{part}").as_bytes());
        } else {
            let (digits, rest) = part.split_at_checked(2).unwrap_or_else(|| panic!("%{part}"));
            out.push(u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("%{part:.40}")));
            out.extend(rest.as_bytes());
        }
    }
    out
}

/// The parts of a batch, sorted; else the line itself.
#[must_use]
pub fn parts(line: &[u8]) -> Vec<String> {
    let line = String::from_utf8_lossy(line);
    let Some(inner) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) else {
        return vec![line.into_owned()];
    };
    // Every part is an object that begins like this; none of our strings does.
    let mut parts: Vec<String> =
        inner.split(",{\"jsonrpc\"").map(|part| part.trim_start_matches("{\"jsonrpc\"").to_owned()).collect();
    parts.sort();
    parts.iter().map(|part| format!("{{\"jsonrpc\"{part}")).collect()
}
