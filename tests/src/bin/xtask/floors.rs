//! The floors of DESIGN §2: a module uses only modules of strictly lower floors.
//!
//! Each crate root carries the table, one line per module in its `//!` docs:
//!
//! ```text
//! //! F2 `slot`    one worker's page on the scoreboard
//! ```
//!
//! The root itself stands above all floors: it may use every module, and no module may use anything of the root.
//! A module's own files (`x.rs`, `x/*.rs`) are one floor: among themselves they are free.

use std::collections::BTreeMap;
use std::fmt;

use crate::tokens::{Path, paths, tokens};

/// One file of a crate: its path below `src`, and its text.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub what: String,
    pub allowed: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.path, self.line, self.what, self.allowed)
    }
}

/// The floor of each module, and the line of the root it stands in. The root may have a line of its own.
type Table = BTreeMap<String, (u32, usize)>;

/// Checks one crate; `root` is `lib.rs` or `main.rs`.
pub fn check(root: &str, sources: &[Source]) -> Vec<Finding> {
    let Some(root_text) = sources.iter().find(|source| source.path == root) else {
        return vec![finding(root, 1, "the crate root is missing", "it carries the table of floors")];
    };
    let (table, mut findings) = read_table(root, &root_text.text);
    findings.extend(check_table(root, &table, sources));
    for source in sources.iter().filter(|source| source.path != root) {
        findings.extend(check_source(source, &table));
    }
    findings
}

fn finding(path: &str, line: usize, what: impl Into<String>, allowed: impl Into<String>) -> Finding {
    Finding { path: path.into(), line, what: what.into(), allowed: allowed.into() }
}

fn read_table(root: &str, text: &str) -> (Table, Vec<Finding>) {
    let mut table = Table::new();
    let mut findings = Vec::new();
    for (line, content) in text.lines().enumerate().map(|(index, content)| (index + 1, content)) {
        let Some(entry) =
            content.strip_prefix("//! F").filter(|entry| entry.starts_with(|c: char| c.is_ascii_digit()))
        else {
            continue;
        };
        match read_entry(entry) {
            Some((name, floor)) if !table.contains_key(name) => {
                table.insert(name.to_owned(), (floor, line));
            }
            Some((name, _)) => {
                findings.push(finding(
                    root,
                    line,
                    format!("`{name}` has a floor already"),
                    "one line per module",
                ));
            }
            None => {
                findings.push(finding(root, line, "no entry of the table", "//! F2 `name`    what it is"))
            }
        }
    }
    (table, findings)
}

/// ``2 `slot`    text``
fn read_entry(entry: &str) -> Option<(&str, u32)> {
    let (floor, rest) = entry.split_once(" `")?;
    let (name, text) = rest.split_once('`')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_name && !text.trim().is_empty()).then_some((name, floor.parse().ok()?))
}

/// Every module has a line, every line a module.
fn check_table(root: &str, table: &Table, sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let modules: BTreeMap<&str, &str> =
        sources.iter().filter_map(|source| Some((top_module(&source.path)?, source.path.as_str()))).collect();
    for (module, path) in &modules {
        if !table.contains_key(*module) {
            let what = format!("`{module}` is in no line of the table");
            findings.push(finding(
                path,
                1,
                what,
                format!("say its floor in {root}: //! F2 `{module}`    what it is"),
            ));
        }
    }
    let own = root.trim_end_matches(".rs");
    let highest = table.iter().filter(|(module, _)| *module != own).map(|(_, (floor, _))| *floor).max();
    for (module, (floor, line)) in table {
        if module == own {
            if highest.is_some_and(|highest| *floor <= highest) {
                let what = format!("the root `{own}` is on F{floor}");
                findings.push(finding(root, *line, what, "it stands above all modules"));
            }
        } else if !modules.contains_key(module.as_str()) {
            let what = format!("the table names `{module}`, which does not exist");
            findings.push(finding(root, *line, what, format!("{module}.rs or {module}/ beside {root}")));
        }
    }
    findings
}

/// The module of the crate that a file belongs to; none for the root.
fn top_module(path: &str) -> Option<&str> {
    match path.split_once('/') {
        Some((directory, _)) => Some(directory),
        None => path.strip_suffix(".rs").filter(|name| *name != "lib" && *name != "main"),
    }
}

/// The module path of a file: `a.rs` and `a/mod.rs` are `[a]`, `a/b.rs` is `[a, b]`.
fn module_path(path: &str) -> Vec<String> {
    let mut names: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    names
}

fn check_source(source: &Source, table: &Table) -> Vec<Finding> {
    let file = module_path(&source.path);
    let Some(own) = top_module(&source.path) else { return Vec::new() };
    let Some((floor, _)) = table.get(own) else { return Vec::new() }; // said by check_table
    let mut findings = Vec::new();
    for path in paths(&tokens(&source.text)) {
        let Some(target) = resolve(&file, &path) else { continue };
        if target.first().is_some_and(|module| module == own) {
            continue;
        }
        let used = path.segments.join("::");
        let what = match target.first().and_then(|module| table.get_key_value(module)) {
            Some((_, (lower, _))) if lower < floor => continue,
            Some((module, (other, _))) => format!("`{own}` (F{floor}) uses {used}: `{module}` is F{other}"),
            None => format!("`{own}` (F{floor}) uses {used}: that is no module of the table"),
        };
        let finding = finding(&source.path, path.line, what, allowed(table, *floor));
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

fn allowed(table: &Table, floor: u32) -> String {
    let lower: Vec<&str> =
        table.iter().filter(|(_, (other, _))| *other < floor).map(|(name, _)| name.as_str()).collect();
    if lower.is_empty() {
        format!("allowed on F{floor}: no module of this crate")
    } else {
        format!("allowed on F{floor}: {}", lower.join(", "))
    }
}

/// Where a path leads, from the root of this crate; none when it does not begin in this crate.
fn resolve(file: &[String], path: &Path) -> Option<Vec<String>> {
    let mut segments = path.segments.iter().map(String::as_str).peekable();
    let mut at: Vec<String> = match *segments.peek()? {
        "crate" if path.segments.len() > 1 => {
            segments.next();
            Vec::new()
        }
        "self" | "super" if path.segments.len() > 1 => [file, path.inside.as_slice()].concat(),
        _ => return None,
    };
    for segment in segments {
        match segment {
            "self" => {}
            "super" => {
                at.pop();
            }
            name => at.push(name.to_owned()),
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "//! Docs.\n//!\n//! F3 `daemon`  both\n//! F2 `pool`    slots\n//! F2 `router`  requests\n//! F1 `cli`     commands\n//! F0 `sys`     calls\n";

    /// The crate of `TABLE` with one more text in one of its files.
    fn findings(path: &str, text: &str) -> Vec<String> {
        let mut sources = vec![Source { path: "main.rs".into(), text: TABLE.into() }];
        for file in ["daemon.rs", "pool.rs", "router.rs", "cli/mod.rs", "cli/status.rs", "sys.rs"] {
            let text = if file == path { text } else { "" };
            sources.push(Source { path: file.into(), text: text.into() });
        }
        check("main.rs", &sources).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn lower_floors_and_other_crates_may_be_used() {
        let text = "use crate::{pool::Slot, router}; use crate::sys; use std::fmt; use rustdaemon_core::link;
            fn f() { crate::pool::g(); super::router::h(); self::i(); }";
        assert_eq!(findings("daemon.rs", text), [""; 0]);
    }

    #[test]
    fn a_higher_floor_may_not() {
        assert_eq!(
            findings("pool.rs", "use std::fmt;\nuse crate::daemon::Daemon;\n"),
            ["pool.rs:2: `pool` (F2) uses crate::daemon::Daemon: `daemon` is F3; allowed on F2: cli, sys"]
        );
    }

    #[test]
    fn the_same_floor_may_not() {
        assert_eq!(
            findings("pool.rs", "use crate::router::Request;"),
            ["pool.rs:1: `pool` (F2) uses crate::router::Request: `router` is F2; allowed on F2: cli, sys"]
        );
    }

    #[test]
    fn neither_inside_a_use_tree_nor_inside_code_nor_in_tests() {
        assert_eq!(findings("pool.rs", "use crate::{sys, router::{A, B}};").len(), 2);
        assert_eq!(findings("pool.rs", "fn f() { let x = crate::router::new(); }").len(), 1);
        assert_eq!(findings("pool.rs", "fn f(x: Vec<crate::router::X>) {}").len(), 1);
        assert_eq!(findings("pool.rs", "#[cfg(test)] mod tests { use crate::router::A; }").len(), 1);
        assert_eq!(findings("pool.rs", "macro_rules! m { () => { $crate::router::f() } }").len(), 1);
    }

    #[test]
    fn super_is_followed() {
        assert_eq!(findings("pool.rs", "use super::router::A;").len(), 1);
        assert_eq!(findings("pool.rs", "mod inner { use super::super::router::A; use super::b; }").len(), 1);
        assert_eq!(findings("cli/status.rs", "use super::super::pool::A;").len(), 1);
        assert_eq!(
            findings("cli/status.rs", "use super::table; use crate::cli::Options; use crate::sys::x;"),
            [""; 0]
        );
        assert_eq!(findings("cli/mod.rs", "mod status; use status::run; use self::status::walk;"), [""; 0]);
        assert_eq!(findings("pool.rs", "#[cfg(test)] mod tests { use super::*; }"), [""; 0]);
    }

    #[test]
    fn nothing_of_the_root_may_be_used() {
        assert_eq!(findings("pool.rs", "use crate::VERSION;").len(), 1);
        assert_eq!(findings("pool.rs", "use crate::*;").len(), 1);
        assert_eq!(findings("pool.rs", "use super::*;").len(), 1);
    }

    #[test]
    fn visibility_is_no_use() {
        assert_eq!(
            findings("pool.rs", "pub(crate) fn f() {} pub(super) fn g() {} pub(in crate::pool) fn h() {}"),
            [""; 0]
        );
    }

    #[test]
    fn comments_and_strings_are_no_use() {
        assert_eq!(
            findings("pool.rs", "//! See crate::daemon.\nconst S: &str = \"crate::daemon\";"),
            [""; 0]
        );
    }

    #[test]
    fn a_module_without_a_line_is_found() {
        let sources = [
            Source { path: "lib.rs".into(), text: "//! F0 `sys`  calls\n".into() },
            Source { path: "sys.rs".into(), text: String::new() },
            Source { path: "new.rs".into(), text: String::new() },
        ];
        let found: Vec<String> = check("lib.rs", &sources).iter().map(Finding::to_string).collect();
        assert_eq!(
            found,
            [
                "new.rs:1: `new` is in no line of the table; say its floor in lib.rs: //! F2 `new`    what it is"
            ]
        );
    }

    #[test]
    fn a_line_without_a_module_is_found() {
        let sources = [Source { path: "lib.rs".into(), text: "//! Docs.\n//! F1 `ring`  frames\n".into() }];
        let found: Vec<String> = check("lib.rs", &sources).iter().map(Finding::to_string).collect();
        assert_eq!(
            found,
            ["lib.rs:2: the table names `ring`, which does not exist; ring.rs or ring/ beside lib.rs"]
        );
    }

    #[test]
    fn the_root_may_have_a_line_above_all_others() {
        let found = |floor: u32| {
            let text = format!("//! F{floor} `lib`  the module\n//! F2 `sys`  calls\n");
            let sources = [
                Source { path: "lib.rs".into(), text },
                Source { path: "sys.rs".into(), text: "use crate::lib::X;".into() },
            ];
            check("lib.rs", &sources).len()
        };
        assert_eq!(found(3), 1); // what sys uses
        assert_eq!(found(2), 2);
    }

    #[test]
    fn a_bad_or_double_line_is_found() {
        for table in ["//! F1 sys calls\n", "//! F1 `sys`\n", "//! F1 `sys`  a\n//! F2 `sys`  b\n"] {
            let sources = [
                Source { path: "lib.rs".into(), text: format!("//! F0 `low`  x\n{table}") },
                Source { path: "low.rs".into(), text: String::new() },
                Source { path: "sys.rs".into(), text: String::new() },
            ];
            assert!(!check("lib.rs", &sources).is_empty(), "{table}");
        }
    }

    #[test]
    fn a_crate_without_its_root_is_found() {
        assert_eq!(check("lib.rs", &[]).len(), 1);
    }
}
