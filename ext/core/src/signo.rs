//! Signal numbers and their names, as people type them and as logs show them.
//!
//! # How it works
//! `SIGTERM`, `TERM`, `term` and `15` are one signal. Realtime signals are named as bash and `kill -l` do:
//! `SIGRTMIN+1` in the lower half, `SIGRTMAX-2` in the upper. The first realtime number is the C library's, not the
//! kernel's: glibc keeps 32 and 33 for itself.
//!
//! # Rules
//! Pure. Sources: signal(7), nptl(7).

/// A set of signals, as the kernel has it: bit `number - 1`.
pub type Set = u64;

/// The set with one signal, 1 to 64.
#[must_use]
#[inline]
pub const fn bit(number: i32) -> Set {
    1_u64.wrapping_shl(number.wrapping_sub(1).cast_unsigned())
}

/// The signals of a set, by number.
pub fn numbers(set: Set) -> impl Iterator<Item = i32> {
    (1..=64).filter(move |number| set & bit(*number) != 0)
}

/// The standard signals of Linux on x86-64 and arm64, by number from 1.
pub const STANDARD: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Other names of standard signals.
pub const ALIASES: [(&str, i32); 3] = [("IOT", 6), ("CLD", 17), ("POLL", 29)];

/// `SIGTERM`, `SIGRTMIN+1`; a number that is no signal gives `signal 99`.
#[must_use]
pub fn name(number: i32) -> String {
    let standard = usize::try_from(number).ok().and_then(|number| STANDARD.get(number.checked_sub(1)?));
    if let Some(standard) = standard {
        return format!("SIG{standard}");
    }
    let (first, last) = (libc::SIGRTMIN(), libc::SIGRTMAX());
    match number {
        _ if number == first => "SIGRTMIN".into(),
        _ if number == last => "SIGRTMAX".into(),
        _ if number < first || number > last => format!("signal {number}"),
        _ if number - first <= (last - first) / 2 => format!("SIGRTMIN+{}", number - first),
        _ => format!("SIGRTMAX-{}", last - number),
    }
}

/// The number of a signal that was given by name, in upper or lower case, with or without `SIG`, or as digits.
///
/// # Errors
/// One sentence: what was given and what is allowed.
pub fn parse(text: &[u8]) -> Result<i32, String> {
    let shown = || String::from_utf8_lossy(text.get(..64).unwrap_or(text)).into_owned();
    let unknown = || {
        format!(
            "\"{}\" is not a signal: a name as SIGTERM, TERM or SIGRTMIN+1, or a number from 1 to {}, is",
            shown(),
            libc::SIGRTMAX()
        )
    };
    let upper = std::str::from_utf8(text).map_err(|_| unknown())?.to_ascii_uppercase();
    if !upper.is_empty() && upper.bytes().all(|byte| byte.is_ascii_digit()) {
        return check(upper.parse().unwrap_or(i64::MAX));
    }
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(at) = STANDARD.iter().position(|name| *name == short) {
        return Ok(i32::try_from(at).unwrap_or_default() + 1);
    }
    if let Some((_, number)) = ALIASES.iter().find(|(name, _)| *name == short) {
        return Ok(*number);
    }
    realtime(short).ok_or_else(unknown)
}

fn realtime(short: &str) -> Option<i32> {
    let offset = |text: &str, sign: char| match text {
        "" => Some(0),
        _ => text.strip_prefix(sign).filter(|digits| digits.len() <= 2)?.parse::<u8>().ok().map(i32::from),
    };
    let number = if let Some(rest) = short.strip_prefix("RTMIN") {
        libc::SIGRTMIN() + offset(rest, '+')?
    } else {
        libc::SIGRTMAX() - offset(short.strip_prefix("RTMAX")?, '-')?
    };
    (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&number).then_some(number)
}

/// A signal that was given by number.
///
/// # Errors
/// One sentence: not a signal, or one of the C library's own.
pub fn check(number: i64) -> Result<i32, String> {
    let (first, last) = (libc::SIGRTMIN(), libc::SIGRTMAX());
    match i32::try_from(number) {
        Ok(number) if (1..=31).contains(&number) || (first..=last).contains(&number) => Ok(number),
        Ok(number) if number > 31 && number < first => Err(format!(
            "signal {number} belongs to the C library: realtime signals that a program may use are {first} \
             (SIGRTMIN) to {last} (SIGRTMAX)"
        )),
        _ => Err(format!("{number} is not a signal: a number from 1 to {last}, or a name as SIGTERM, is")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_one_number_and_many_spellings() {
        for text in ["SIGTERM", "TERM", "sigterm", "term", "15", "015"] {
            assert_eq!(parse(text.as_bytes()), Ok(libc::SIGTERM), "{text}");
        }
        assert_eq!(parse(b"CLD"), Ok(libc::SIGCHLD));
        assert_eq!(parse(b"SIGPOLL"), Ok(libc::SIGIO));
        assert_eq!(parse(b"SIGRTMIN"), Ok(libc::SIGRTMIN()));
        assert_eq!(parse(b"RTMIN+1"), Ok(libc::SIGRTMIN() + 1));
        assert_eq!(parse(b"SIGRTMAX-2"), Ok(libc::SIGRTMAX() - 2));
    }

    #[test]
    fn every_name_leads_back_to_its_number() {
        for number in (1..=31).chain(libc::SIGRTMIN()..=libc::SIGRTMAX()) {
            assert_eq!(parse(name(number).as_bytes()), Ok(number));
        }
        assert_eq!(name(15), "SIGTERM");
        assert_eq!(name(libc::SIGRTMIN() + 1), "SIGRTMIN+1");
        assert_eq!(name(99), "signal 99");
        assert_eq!(name(0), "signal 0");
    }

    #[test]
    fn a_set_gives_back_its_signals() {
        let set = [1, 15, 34, 64].into_iter().fold(0, |set, number| set | bit(number));
        assert_eq!(numbers(set).collect::<Vec<_>>(), [1, 15, 34, 64]);
        assert_eq!(numbers(Set::MAX).count(), 64);
    }

    #[test]
    fn the_table_is_the_kernels() {
        let pairs = [
            ("HUP", libc::SIGHUP),
            ("ABRT", libc::SIGABRT),
            ("USR1", libc::SIGUSR1),
            ("USR2", libc::SIGUSR2),
            ("CHLD", libc::SIGCHLD),
            ("STOP", libc::SIGSTOP),
            ("WINCH", libc::SIGWINCH),
            ("SYS", libc::SIGSYS),
        ];
        for (name, number) in pairs {
            assert_eq!(parse(name.as_bytes()), Ok(number));
        }
    }

    #[test]
    fn what_is_no_signal_is_told_in_a_sentence() {
        assert!(parse(b"SIGFOO").unwrap_err().starts_with("\"SIGFOO\" is not a signal: a name as SIGTERM"));
        for text in ["", "SIG", "RTMIN+31", "RTMIN-1", "RTMAX+1", "RTMAX-99", "RTMIN+", "\u{e9}", "1e1", "-1"]
        {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(&[0xff]).is_err());
        assert!(parse(b"99999999999999999999").is_err());
        assert!(check(0).unwrap_err().starts_with("0 is not a signal"));
        assert!(check(32).unwrap_err().contains("belongs to the C library"));
        assert!(check(65).is_err() && check(-15).is_err() && check(i64::MAX).is_err());
    }
}
