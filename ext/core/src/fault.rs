//! What a client may read about a handler's exception: its short class name and a message without addresses.
//!
//! # How it works
//! In this order: `scheme://...` becomes `[url]`, `C:\...` becomes `[path]`, `/a/b...` becomes `[path]`; then the
//! message is cut at [`MAX_MESSAGE_BYTES`]. The whole message goes to the worker's log, never to the client.
//!
//! # What may be lost
//! Text that only looks like a path. A single leading component (`/tmp`) is kept: it says too little to hide and
//! is often a fraction or a switch.

/// The longest message in bytes; what is cut off is replaced by `...`.
pub const MAX_MESSAGE_BYTES: usize = 500;

/// The class name as a client reads it: our own exceptions that clients act upon have the ancestors' words.
#[must_use]
pub fn client_class(name: &[u8]) -> String {
    match name.strip_prefix(b"RustDaemon\\Exception\\") {
        Some(b"MaxSessionsReached") => "max_sessions_reached".into(),
        Some(b"SessionTaken") => "session_taken".into(),
        Some(b"SessionNotFound") => "session_not_found".into(),
        _ => short_class(name),
    }
}

/// The class name without its namespace; for an anonymous class without the file behind the NUL byte.
#[must_use]
pub fn short_class(name: &[u8]) -> String {
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let short = name.rsplit(|byte| *byte == b'\\').next().unwrap_or_default();
    String::from_utf8_lossy(short).into_owned()
}

/// The message as a client may read it.
#[must_use]
pub fn client_message(message: &[u8]) -> String {
    let message = String::from_utf8_lossy(message);
    let message = replace(&message, "[url]", url);
    let message = replace(&message, "[path]", windows_path);
    let mut message = replace(&message, "[path]", path);
    if message.len() > MAX_MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
        message.push_str("...");
    }
    message
}

/// Replaces each stretch that `length` measures at a place where a word may begin.
fn replace(text: &str, by: &str, length: fn(&str) -> usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let found = if in_word { 0 } else { length(rest) };
        let (taken, after) = rest.split_at_checked(found.max(c.len_utf8())).unwrap_or((rest, ""));
        out.push_str(if found > 0 { by } else { taken });
        in_word = found > 0 || c.is_alphanumeric() || "_-.\\/]".contains(c);
        rest = after;
    }
    out
}

fn url(text: &str) -> usize {
    let Some((scheme, rest)) = text.split_once("://") else { return 0 };
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c));
    let end = rest.find(|c: char| c.is_whitespace() || "\"'`<>|()[]{}".contains(c)).unwrap_or(rest.len());
    let rest = rest.get(..end).unwrap_or(rest).trim_end_matches(['.', ',', ';', ':']);
    if named && !rest.is_empty() { scheme.len() + 3 + rest.len() } else { 0 }
}

fn windows_path(text: &str) -> usize {
    match text.as_bytes() {
        [drive, b':', b'\\', ..] if drive.is_ascii_alphabetic() => 3 + stretch(text.get(3..).unwrap_or("")),
        _ => 0,
    }
}

fn path(text: &str) -> usize {
    let Some(rest) = text.strip_prefix('/') else { return 0 };
    let rest = rest.get(..stretch(rest)).unwrap_or(rest);
    if rest.split_once('/').is_some_and(|(first, _)| !first.is_empty()) { 1 + rest.len() } else { 0 }
}

/// Bytes up to the end of a path: white space, a quote, a bracket or what separates clauses.
fn stretch(text: &str) -> usize {
    let ends = |c: char| c.is_whitespace() || "\"'`<>|,;:()[]{}".contains(c);
    let end = text.find(ends).unwrap_or(text.len());
    text.get(..end).unwrap_or(text).trim_end_matches('.').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_classes_are_words_of_the_protocol() {
        assert_eq!(client_class(b"RustDaemon\\Exception\\MaxSessionsReached"), "max_sessions_reached");
        assert_eq!(client_class(b"RustDaemon\\Exception\\SessionNotFound"), "session_not_found");
        assert_eq!(client_class(b"RustDaemon\\Exception\\NotAllowedHere"), "NotAllowedHere");
        assert_eq!(client_class(b"App\\SessionNotFound"), "SessionNotFound");
    }

    #[test]
    fn addresses_are_hidden() {
        for (message, shown) in [
            ("cannot open /var/www/app/.env: no", "cannot open [path]: no"),
            ("opc.tcp://10.0.0.1:4840/x refused", "[url] refused"),
            ("see https://user:pw@example.org/a?b=c.", "see [url]."),
            ("C:\\Users\\x\\y.php failed", "[path] failed"),
            ("in \"/srv/a/b.php\" on line 3", "in \"[path]\" on line 3"),
            ("(/srv/a/b)", "([path])"),
            ("/srv/a/b.php:12", "[path]:12"),
            ("1/2 or a/b/c or /tmp or and/or", "1/2 or a/b/c or /tmp or and/or"),
            ("node ns=2;s=Counter", "node ns=2;s=Counter"),
            ("// comment", "// comment"),
            ("", ""),
        ] {
            assert_eq!(client_message(message.as_bytes()), shown);
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let message = format!("a{}", "\u{e9}".repeat(300));
        let shown = client_message(message.as_bytes());
        assert_eq!(shown.len(), 499 + 3);
        assert!(shown.ends_with("\u{e9}..."));
        assert_eq!(client_message("x".repeat(500).as_bytes()).len(), 500);
        assert_eq!(client_message(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn class_names_are_short() {
        assert_eq!(short_class(b"App\\Plc\\ConnectionLost"), "ConnectionLost");
        assert_eq!(short_class(b"RuntimeException"), "RuntimeException");
        assert_eq!(short_class(b"class@anonymous\0/srv/a/b.php:3$0"), "class@anonymous");
    }
}
