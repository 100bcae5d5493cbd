//! A file of `NAME=value` lines, for the environment of a process.
//!
//! # How it works
//! As a shell would read assignments, but nothing is expanded: empty lines and lines that begin with `#` are skipped,
//! `export ` is allowed, blanks around name and value go. In single quotes everything is literal; in double quotes
//! `\n` is a newline and `\"` `\\` `\$` stand for the second character. Without quotes ` #` begins a comment.
//! Of two lines with one name, the later wins.
//!
//! # What is refused
//! A file that is not a regular one or has more than 1 MiB; a line without `=`; a quote that does not end.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Names and values.
pub type Variables = Vec<(OsString, OsString)>;

/// The largest file.
const MAX_BYTES: u64 = 1 << 20;

/// Reads the variables of a file, in its order.
///
/// # Errors
/// One sentence that begins with the file; what is wrong in it with the line.
pub fn read(path: &Path) -> Result<Variables, String> {
    let named = |what: String| format!("{}: {what}", path.display());
    // Non-blocking: a FIFO in its place is refused, not waited for.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(|failed| named(failed.to_string()))?;
    if !file.metadata().is_ok_and(|stat| stat.is_file()) {
        return Err(named("is not a file".into()));
    }
    let mut text = Vec::new();
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut text);
    let bytes = read.map_err(|failed| named(failed.to_string()))?;
    if bytes as u64 > MAX_BYTES {
        return Err(named(format!("has more than {MAX_BYTES} bytes")));
    }
    parse(&text).map_err(|problems| {
        let sentences: Vec<_> = problems.iter().map(|(line, what)| format!("{line}: {what}")).collect();
        format!("{}:{}", path.display(), sentences.join("; line "))
    })
}

/// The variables of a text, or what is wrong in which line.
fn parse(text: &[u8]) -> Result<Variables, Vec<(usize, String)>> {
    let (mut variables, mut problems) = (Vec::new(), Vec::new());
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        match variable(line.trim_ascii()) {
            Ok(variable) => variables.extend(variable),
            Err(what) => problems.push((index + 1, what.to_owned())),
        }
    }
    if problems.is_empty() { Ok(variables) } else { Err(problems) }
}

fn variable(line: &[u8]) -> Result<Option<(OsString, OsString)>, &'static str> {
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    if line.contains(&0) {
        return Err("contains a NUL byte");
    }
    let exported =
        line.strip_prefix(b"export").filter(|rest| rest.starts_with(b" ") || rest.starts_with(b"\t"));
    let line = exported.unwrap_or(line);
    let equals = line.iter().position(|byte| *byte == b'=').ok_or("is not NAME=value")?;
    let (name, rest) = line.split_at_checked(equals).ok_or("is not NAME=value")?;
    let name = name.trim_ascii();
    let odd = |byte: &u8| byte.is_ascii_whitespace() || b"\"'\\$#".contains(byte);
    if name.is_empty() || name.iter().any(odd) {
        return Err("does not begin with the name of a variable");
    }
    let value = value(rest.strip_prefix(b"=").unwrap_or(rest).trim_ascii())?;
    Ok(Some((OsString::from_vec(name.to_owned()), OsString::from_vec(value))))
}

fn value(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let quote = match text.first() {
        Some(quote @ (b'"' | b'\'')) => *quote,
        _ => {
            let comment =
                text.windows(2).position(|two| two.is_ascii() && matches!(two, [b' ' | b'\t', b'#']));
            let end = if text.starts_with(b"#") { Some(0) } else { comment };
            return Ok(text.get(..end.unwrap_or(text.len())).unwrap_or(text).trim_ascii().to_owned());
        }
    };
    let mut value = Vec::new();
    let mut bytes = text.iter().copied().skip(1);
    loop {
        match bytes.next().ok_or("has a quote that does not end; a value stands in one line")? {
            end if end == quote => break,
            b'\\' if quote == b'"' => match bytes.next() {
                Some(b'n') => value.push(b'\n'),
                Some(literal @ (b'"' | b'\\' | b'$' | b'`')) => value.push(literal),
                other => value.extend([b'\\'].into_iter().chain(other)),
            },
            byte => value.push(byte),
        }
    }
    let rest: Vec<u8> = bytes.collect();
    let is_comment = rest.trim_ascii_start().starts_with(b"#") && !rest.starts_with(b"#");
    if rest.trim_ascii().is_empty() || is_comment {
        Ok(value)
    } else {
        Err("goes on behind the closing quote")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_a_shell_would_without_expanding() {
        let cases = [
            ("A=b", "b"),
            (" export A = b c \r", "b c"),
            ("A=", ""),
            ("A=\"\"", ""),
            ("A=b=c==", "b=c=="),
            ("A=b#c", "b#c"),
            ("A=b # c", "b"),
            ("A=# c", ""),
            ("A=\"b # c\" # d", "b # c"),
            ("A='b \\n \"c\"'", "b \\n \"c\""),
            (r#"A="\"b\\ \$c\n\x""#, "\"b\\ $c\n\\x"),
            ("A=$HOME", "$HOME"),
            ("exported=b", "b"),
            ("A=\u{e9}", "\u{e9}"),
        ];
        for (line, value) in cases {
            let name = if line.starts_with("exported") { "exported" } else { "A" };
            assert_eq!(parse(line.as_bytes()), Ok(vec![(name.into(), value.into())]), "{line}");
        }
        assert_eq!(parse(b"\n# A=b\n   # c\n\r\n"), Ok(Vec::new()));
    }

    #[test]
    fn every_bad_line_is_named() {
        let text = b"A=b\nexport\n=c\nA B=c\n'A'=c\nA='b\nA=\"b\\\"\nA='b'c\nA='b'#c\nA=\0\nZ=9";
        let problems = parse(text).unwrap_err();
        assert_eq!(problems.iter().map(|(line, _)| *line).collect::<Vec<_>>(), Vec::from_iter(2..=10));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        assert_eq!(read(Path::new("/tmp")), Err("/tmp: is not a file".into()));
        assert!(read(Path::new("/no/such/file")).unwrap_err().starts_with("/no/such/file: No such file"));
        assert!(read(Path::new("/dev/zero")).is_err());
    }
}
