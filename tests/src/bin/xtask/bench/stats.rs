//! What many values say in few: the middle, the quarters around it, the ends.

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub median: f64,
    pub min: f64,
    /// A quarter of the values lies below.
    pub q1: f64,
    /// A quarter of the values lies above.
    pub q3: f64,
    pub max: f64,
}

impl Summary {
    /// `None`: there are no values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let at = |part: f64| percentile(values, part);
        Some(Self { median: at(0.5)?, min: at(0.0)?, q1: at(0.25)?, q3: at(0.75)?, max: at(1.0)? })
    }
}

/// The value below which this part (0 to 1) of the values lies, between two of them on the straight line that joins
/// them. `None`: there are no values.
pub fn percentile(values: &[f64], part: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    #[expect(clippy::cast_precision_loss, reason = "a number of values, far below 2^52")]
    let place = part.clamp(0.0, 1.0) * last as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to `last`")]
    let below = place.floor() as usize;
    let (low, high) = (sorted.get(below)?, sorted.get((below + 1).min(last))?);
    Some(low + (high - low) * place.fract())
}

pub fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_summary() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn one_value_is_everything() {
        let summary = Summary { median: 7.0, min: 7.0, q1: 7.0, q3: 7.0, max: 7.0 };
        assert_eq!(Summary::of(&[7.0]), Some(summary));
    }

    #[test]
    fn the_order_of_values_does_not_matter() {
        let summary = Summary { median: 3.0, min: 1.0, q1: 2.0, q3: 4.0, max: 5.0 };
        assert_eq!(Summary::of(&[4.0, 1.0, 5.0, 3.0, 2.0]), Some(summary));
    }

    #[test]
    fn between_two_values_it_is_on_the_line() {
        assert_eq!(median(&[1.0, 2.0, 4.0, 8.0]), Some(3.0));
        assert_eq!(percentile(&[10.0, 20.0], 0.9), Some(19.0));
        assert_eq!(percentile(&[0.0, 10.0, 20.0, 30.0, 40.0], 0.99), Some(39.6));
    }

    #[test]
    fn the_ends_are_values_themselves() {
        let values = [3.0, -1.0, 9.0];
        assert_eq!((percentile(&values, 0.0), percentile(&values, 1.0)), (Some(-1.0), Some(9.0)));
        assert_eq!((percentile(&values, -1.0), percentile(&values, 2.0)), (Some(-1.0), Some(9.0)));
    }

    #[test]
    fn one_outlier_moves_the_maximum_only() {
        let (calm, noisy) = (
            Summary::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap(),
            Summary::of(&[1.0, 2.0, 3.0, 4.0, 5e9]).unwrap(),
        );
        assert_eq!(noisy, Summary { max: 5e9, ..calm });
    }
}
