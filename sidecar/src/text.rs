//! Words for people: what others have written, on one line; times.
//!
//! # Rules
//! Pure. A worker, its script or its client may write anything; what of it stands in a line of the log or of a table must
//! leave that line whole.
//! Sources: UAX 9, "Unicode Bidirectional Algorithm", explicit formatting characters.

/// Text of others, for lines of the log and of tables: nothing in it breaks the line, or turns the rest of it around.
#[must_use]
pub fn shown(text: &str) -> String {
    let breaks = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match breaks(c) {
            true => line.extend(c.escape_debug()),
            false => line.push(c),
        }
    }
    line
}

/// Seconds for people: `12 s`, `5 min`, `3 h 20 min`, `2 d 4 h`.
#[must_use]
pub fn ago(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86_400);
    match whole {
        0 => format!("{:.1} s", seconds.max(0.0)),
        1..120 => format!("{whole} s"),
        120..7200 => format!("{minutes} min"),
        7200..172_800 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_writes_neither_breaks_a_line_nor_turns_it_around() {
        assert_eq!(shown("a\nb\r\u{1b}[31m\u{202e}c\u{2028}d"), "a\\nb\\r\\u{1b}[31m\\u{202e}c\\u{2028}d");
    }

    #[test]
    fn names_and_sentences_are_shown_as_they_were_written() {
        let text = "App\\Jobs\\Import: \"Küche\" isn't n\u{301}amed 漢字";
        assert_eq!(shown(text), text);
    }
}
