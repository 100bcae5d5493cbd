//! Rules about single names: which file may mention what.

use crate::floors::{Finding, Source};
use crate::tokens::{Kind, Path, Token, attributes, paths, tokens};

/// Modules that decide and do nothing: `(now, event) -> actions`.
const PURE: [&str; 13] = [
    "access", "backoff", "config", "control", "daemon", "dialect", "doing", "life", "lines", "pool",
    "reason", "router", "verbs",
];

/// What a pure module may not reach for, and where it comes from instead.
const IMPURE: [&[&str]; 4] = [&["std", "fs"], &["std", "net"], &["std", "os"], &["std", "process"]];
const CLOCKS: [&[&str]; 2] = [&["Instant", "now"], &["SystemTime", "now"]];

/// ext/src: what Zend has and ext-php-rs does not wrap stands in one module.
pub fn check_ext(sources: &[Source]) -> Vec<Finding> {
    let only = "only engine may";
    let engine = |path: &str| path == "engine.rs" || path.starts_with("engine/");
    let elsewhere = sources.iter().filter(|source| !engine(&source.path));
    elsewhere
        .flat_map(|source| {
            let tokens = tokens(&source.text);
            let mut findings = extern_blocks(source, &tokens, only);
            let ffi = |path: &Path| path.starts_with(&["ext_php_rs", "ffi"]);
            findings.extend(mentions(source, &tokens, ffi, only));
            findings
        })
        .collect()
}

/// ext/core: no Zend, no event loop.
pub fn check_core(sources: &[Source]) -> Vec<Finding> {
    let foreign = |path: &Path| path.starts_with(&["ext_php_rs"]) || path.starts_with(&["mio"]);
    let allowed = "ext/core knows neither Zend nor mio";
    sources.iter().flat_map(|source| mentions(source, &tokens(&source.text), foreign, allowed)).collect()
}

/// sidecar: mio in one file, and modules without effects.
pub fn check_sidecar(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let tokens = tokens(&source.text);
        if source.path != "event_loop.rs" && !source.path.starts_with("event_loop/") {
            let mio = |path: &Path| path.starts_with(&["mio"]);
            findings.extend(mentions(source, &tokens, mio, "only event_loop may"));
        }
        if is_pure(&source.path) {
            let effects = |path: &Path| !path.test && is_effect(path);
            let allowed =
                "a pure module gets the time and what has happened as arguments, and answers with actions";
            findings.extend(mentions(source, &tokens, effects, allowed));
        }
    }
    findings
}

/// `#[allow]` and `#[expect]` say why.
pub fn check_allows(source: &Source) -> Vec<Finding> {
    let tokens = tokens(&source.text);
    let unreasoned = attributes(&tokens).into_iter().filter_map(|attribute| {
        let at = attribute
            .windows(2)
            .position(|pair| (pair[0].is("allow") || pair[0].is("expect")) && pair[1].is_punct('('))?;
        let reasoned = attribute.windows(2).any(|pair| pair[0].is("reason") && pair[1].is_punct('='));
        (!reasoned).then(|| attribute[at].line)
    });
    unreasoned
        .map(|line| Finding {
            path: source.path.clone(),
            line,
            what: "an #[allow] or #[expect] without a reason".into(),
            allowed: "#[allow(lint, reason = \"...\")]".into(),
        })
        .collect()
}

fn is_pure(path: &str) -> bool {
    let module = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
    PURE.contains(&module) && !["/tests.rs", "/property.rs"].iter().any(|tests| path.ends_with(tests))
}

fn is_effect(path: &Path) -> bool {
    IMPURE.iter().any(|prefix| path.starts_with(prefix)) || CLOCKS.iter().any(|clock| path.contains(clock))
}

fn mentions(
    source: &Source,
    tokens: &[Token],
    is_bad: impl Fn(&Path) -> bool,
    allowed: &str,
) -> Vec<Finding> {
    let bad = paths(tokens).into_iter().filter(|path| is_bad(path));
    bad.map(|path| Finding {
        path: source.path.clone(),
        line: path.line,
        what: format!("mentions {}", path.segments.join("::")),
        allowed: allowed.into(),
    })
    .collect()
}

/// `extern { ... }` and `extern "C" { ... }`; functions with that ABI are something else.
fn extern_blocks(source: &Source, tokens: &[Token], allowed: &str) -> Vec<Finding> {
    let blocks = tokens.iter().enumerate().filter(|(at, token)| {
        let after_abi =
            at + 1 + usize::from(tokens.get(at + 1).is_some_and(|next| next.kind == Kind::Literal));
        token.is("extern") && tokens.get(after_abi).is_some_and(|next| next.is_punct('{'))
    });
    blocks
        .map(|(_, token)| Finding {
            path: source.path.clone(),
            line: token.line,
            what: "has an extern block".into(),
            allowed: allowed.into(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> [Source; 1] {
        [Source { path: path.into(), text: text.into() }]
    }

    #[test]
    fn raw_zend_only_in_engine() {
        for text in [
            "unsafe extern \"C\" { fn zend_x(); }",
            "extern \"C-unwind\" {\n}",
            "extern { fn x(); }",
            "use ext_php_rs::ffi::zval;",
            "use ext_php_rs::{types::Zval, ffi};",
            "fn f(x: *mut ext_php_rs::ffi::zval) {}",
        ] {
            assert_eq!(check_ext(&source("worker.rs", text)).len(), 1, "{text}");
            assert!(check_ext(&source("engine.rs", text)).is_empty(), "{text}");
            assert!(check_ext(&source("engine/call.rs", text)).is_empty(), "{text}");
        }
        let fine = "use ext_php_rs::prelude::*; extern \"C\" fn callback() {} // ext_php_rs::ffi";
        assert!(check_ext(&source("worker.rs", fine)).is_empty());
    }

    #[test]
    fn core_knows_neither_zend_nor_mio() {
        assert_eq!(check_core(&source("link.rs", "use mio::Poll;\nuse ext_php_rs::types::Zval;")).len(), 2);
        assert!(check_core(&source("link.rs", "//! not mio::Poll\nuse nix::poll::poll;")).is_empty());
    }

    #[test]
    fn mio_only_in_the_event_loop() {
        assert_eq!(check_sidecar(&source("client.rs", "fn f(t: mio::Token) {}")).len(), 1);
        assert_eq!(check_sidecar(&source("client.rs", "use mio::{Token, Poll};")).len(), 2);
        assert!(check_sidecar(&source("event_loop.rs", "use mio::{Token, Poll};")).is_empty());
    }

    #[test]
    fn pure_modules_have_no_effects() {
        for text in [
            "use std::fs;",
            "use std::{fmt, net::TcpStream};",
            "use std::os::fd::OwnedFd;",
            "fn f() { std::process::exit(1) }",
            "fn f() { let now = Instant::now(); }",
            "fn f() { let now = std::time::SystemTime::now(); }",
        ] {
            assert_eq!(check_sidecar(&source("pool.rs", text)).len(), 1, "{text}");
            assert_eq!(check_sidecar(&source("dialect/flat.rs", text)).len(), 1, "{text}");
            assert!(check_sidecar(&source("worker.rs", text)).is_empty(), "{text}");
        }
        let fine =
            "use std::time::{Duration, Instant}; #[cfg(test)] mod tests { fn f() { Instant::now(); } }";
        assert!(check_sidecar(&source("pool.rs", fine)).is_empty());
    }

    #[test]
    fn an_allow_says_why() {
        for text in [
            "#[allow(dead_code)] fn f() {}",
            "#![allow(x)]",
            "#[cfg_attr(test, allow(x))]",
            "#[expect(dead_code)]",
        ] {
            assert_eq!(check_allows(&source("a.rs", text)[0]).len(), 1, "{text}");
        }
        let fine =
            "#[allow(dead_code, reason = \"the wire has it\")] fn f() { x.expect(\"y\") } // #[allow(z)]";
        assert!(check_allows(&source("a.rs", fine)[0]).is_empty());
    }
}
