//! Numbers about a series of round trips.

use std::time::Duration;

/// A series, in the order of sending; `None` was lost.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    pub(crate) rtts: Vec<Option<Duration>>,
}

impl Series {
    /// How many were answered.
    pub(crate) fn answered(&self) -> usize {
        self.rtts.iter().flatten().count()
    }

    /// Percent of the probes that were not answered; `None` when none was sent.
    pub(crate) fn loss(&self) -> Option<f64> {
        let lost = self.rtts.len() - self.answered();
        (!self.rtts.is_empty()).then(|| 100.0 * lost as f64 / self.rtts.len() as f64)
    }

    /// The value that `percent` of the answered are not above (nearest rank); 50 is the median, the lower one of two.
    pub(crate) fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted: Vec<Duration> = self.rtts.iter().flatten().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied()
    }

    /// The mean difference between neighbours that were both answered; `None` without two.
    pub(crate) fn jitter(&self) -> Option<Duration> {
        let differences: Vec<Duration> =
            self.rtts.windows(2).filter_map(|pair| Some(pair[0]?.abs_diff(pair[1]?))).collect();
        let count = u32::try_from(differences.len()).ok().filter(|count| *count > 0)?;
        Some(differences.iter().sum::<Duration>() / count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn series(millis: &[u64]) -> Series {
        Series { rtts: millis.iter().map(|ms| (*ms > 0).then(|| Duration::from_millis(*ms))).collect() }
    }

    #[test]
    fn the_numbers_of_a_small_series() {
        let s = series(&[10, 14, 0, 12, 30]);
        assert_eq!((s.answered(), s.loss()), (4, Some(20.0)));
        let ms = |d: Option<Duration>| d.map(|d| d.as_millis());
        assert_eq!(
            (ms(s.percentile(50)), ms(s.percentile(90)), ms(s.percentile(0))),
            (Some(12), Some(30), Some(10))
        );
        assert_eq!(ms(s.jitter()), Some(11), "(4 + 18) / 2: the lost one has no neighbours");
        assert_eq!(
            (series(&[0]).percentile(50), series(&[]).loss(), series(&[5]).jitter()),
            (None, None, None)
        );
    }

    proptest! {
        #[test]
        fn percentiles_are_in_order(millis in proptest::collection::vec(0_u64..1000, 0..40)) {
            let s = series(&millis);
            let all: Vec<_> = [0, 10, 50, 90, 100].map(|p| s.percentile(p)).into();
            prop_assert!(all.is_sorted());
            prop_assert_eq!(all[2].is_some(), s.answered() > 0);
        }
    }
}
