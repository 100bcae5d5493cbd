//! Durations, sizes and the like: text with a unit.
//!
//! # Rules
//! Pure. An error is one sentence: what was wrong, what is allowed.

use std::time::Duration;

/// The longest duration that a setting may have.
const MAX_DAYS: f64 = 366.0;

/// A duration with its unit: `500ms`, `8s`, `1.5s`, `5m`, `1h`; at most 366 days.
///
/// # Errors
/// One sentence.
pub fn duration(text: &str) -> Result<Duration, String> {
    let seconds = number_and_unit(text).and_then(|(number, unit)| {
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        Some(number * seconds)
    });
    let seconds = seconds.ok_or_else(|| not_a_duration(&format!("\"{text}\"")))?;
    if seconds > MAX_DAYS * 86_400.0 {
        return Err(format!("\"{text}\" is longer than {MAX_DAYS} days"));
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| not_a_duration(&format!("\"{text}\"")))
}

/// What is said of `shown`, which should have been a duration.
#[must_use]
pub fn not_a_duration(shown: &str) -> String {
    format!("{shown} is not a duration; write a number and ms, s, m or h, such as 8s")
}

/// A size in bytes with its unit: `256MiB`, `1.5GiB`, `512MB`; at least 1 byte, at most 1 EiB.
///
/// # Errors
/// One sentence.
pub fn size(text: &str) -> Result<u64, String> {
    let bytes = number_and_unit(text).and_then(|(number, unit)| {
        let bytes: u64 = match unit {
            "B" => 1,
            "KB" | "kB" => 1000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return None,
        };
        Some(number * bytes as f64)
    });
    match bytes.ok_or_else(|| not_a_size(&format!("\"{text}\"")))? {
        none if none < 1.0 => Err(format!("\"{text}\" is less than 1 byte; write \"\" for no limit")),
        bytes if bytes > (1_u64 << 60) as f64 => Err(format!("\"{text}\" is more than 1 EiB")),
        bytes => Ok(bytes as u64),
    }
}

/// What is said of `shown`, which should have been a size.
#[must_use]
pub fn not_a_size(shown: &str) -> String {
    format!("{shown} is not a size; write a number and B, KB, MB, GB, KiB, MiB or GiB, such as 256MiB")
}

/// `1.5GiB` -> 1.5 and `GiB`; no sign, no exponent, no space.
fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let split = text.find(|character: char| character != '.' && !character.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(split)?;
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit() {
        for (text, ms) in [("500ms", 500), ("8s", 8000), ("1.5s", 1500), ("5m", 300_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "8", "s", "-1s", "8 s", "1e9s", "..s", "8sec", "\u{221e}s", "8\u{3bc}s"] {
            assert!(duration(bad).unwrap_err().contains("such as 8s"), "{bad}");
        }
        assert_eq!(duration("9999999h"), Err("\"9999999h\" is longer than 366 days".into()));
        assert!(duration(&format!("{}h", "9".repeat(400))).unwrap_err().contains("366 days"));
    }

    #[test]
    fn a_size_has_a_unit() {
        let sizes = [
            ("1B", 1),
            ("256MiB", 256 << 20),
            ("1.5GiB", 3 << 29),
            ("512MB", 512_000_000),
            ("1kB", 1000),
            ("2KiB", 2048),
        ];
        for (text, bytes) in sizes {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "256", "256M", "MiB", "-1MiB", "256 MiB", "256mib", "1e3MiB"] {
            assert!(size(bad).unwrap_err().contains("such as 256MiB"), "{bad}");
        }
        assert!(size("0MiB").unwrap_err().contains("less than 1 byte"));
        assert!(size("99999999TiB").unwrap_err().contains("more than 1 EiB"));
    }
}
