//! What was usual, and whether it is no longer so: the runs before, remembered.
//!
//! A step is a median that lies above the usual in three runs in a row; one slow run is weather. Steady loss is loss in several
//! runs in a row, however small; one lost packet is weather too. (The alert patterns of `SmokePing` mean these two.)

use std::fmt::Write;
use std::time::Duration;

use crate::series::Series;

/// Runs that are remembered.
const RUNS_MAX: usize = 30;
/// Runs in a row that make a step.
pub(crate) const STEP_RUNS: usize = 3;
/// Runs before a step that say what is usual.
const USUAL_RUNS: usize = 5;
/// Differences below are the scheduler's, whatever their ratio.
const STEP_LEAST: Duration = Duration::from_millis(5);

/// The runs before, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Baseline {
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    /// Microseconds.
    median: Option<u64>,
    lost: bool,
}

impl Baseline {
    /// Reads what was saved; what is not understood is forgotten.
    pub(crate) fn read(text: &str) -> Self {
        let run = |line: &str| {
            let (median, lost) = line.split_once(' ')?;
            let lost = match lost {
                "0" => false,
                "1" => true,
                _ => return None,
            };
            Some(Run { median: median.parse().ok(), lost })
        };
        let mut runs: Vec<Run> = text.lines().filter_map(run).collect();
        runs.drain(..runs.len().saturating_sub(RUNS_MAX));
        Self { runs }
    }

    pub(crate) fn write(&self) -> String {
        let mut out = String::new();
        for run in &self.runs {
            let median = run.median.map_or_else(|| "-".to_owned(), |m| m.to_string());
            let _ = writeln!(out, "{median} {}", u8::from(run.lost));
        }
        out
    }

    /// Takes this run.
    pub(crate) fn add(&mut self, series: &Series) {
        let median = series.percentile(50).and_then(|m| u64::try_from(m.as_micros()).ok());
        self.runs.push(Run { median, lost: series.loss().is_some_and(|loss| loss > 0.0) });
        self.runs.drain(..self.runs.len().saturating_sub(RUNS_MAX));
    }

    /// The usual median and the present one, when the last three runs all lie above `factor` times the usual.
    pub(crate) fn step(&self, factor: f64) -> Option<(Duration, Duration)> {
        let at = self.runs.len().checked_sub(STEP_RUNS)?;
        let (before, now) = self.runs.split_at(at);
        let mut usual: Vec<u64> = before.iter().filter_map(|run| run.median).collect();
        if usual.len() < USUAL_RUNS {
            return None;
        }
        usual.sort_unstable();
        let usual = Duration::from_micros(usual[usual.len() / 2]);
        let limit = usual.mul_f64(factor).max(usual + STEP_LEAST);
        let now: Vec<Duration> = now.iter().filter_map(|run| run.median.map(Duration::from_micros)).collect();
        let slowest = now.iter().min().copied()?;
        (now.len() == STEP_RUNS && slowest > limit).then_some((usual, slowest))
    }

    /// Whether each of the last `runs` runs has lost something.
    pub(crate) fn steady_loss(&self, runs: usize) -> bool {
        runs > 0 && self.runs.len() >= runs && self.runs.iter().rev().take(runs).all(|run| run.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(runs: &[u64]) -> Baseline {
        let mut baseline = Baseline::default();
        for ms in runs {
            baseline.add(&Series {
                rtts: vec![(*ms > 0).then(|| Duration::from_millis(*ms)), Some(Duration::from_millis(*ms))],
            });
            baseline = Baseline::read(&baseline.write());
        }
        baseline
    }

    #[test]
    fn a_step_is_three_runs_above_the_usual() {
        let ms = |step: Option<(Duration, Duration)>| step.map(|(a, b)| (a.as_millis(), b.as_millis()));
        assert_eq!(ms(after(&[10, 10, 11, 10, 10, 40, 41, 42]).step(2.0)), Some((10, 40)));
        assert_eq!(after(&[10, 10, 11, 10, 10, 40, 10, 42]).step(2.0), None, "one run between is as usual");
        assert_eq!(after(&[10, 10, 40, 41, 42]).step(2.0), None, "too few runs say what is usual");
        assert_eq!(after(&[1, 1, 1, 1, 1, 3, 3, 3]).step(2.0), None, "2 ms are no step");
    }

    #[test]
    fn a_run_without_any_answer_is_no_part_of_a_step() {
        let mut baseline = after(&[10, 10, 11, 10, 10, 40]);
        baseline.add(&Series { rtts: vec![None, None] });
        baseline.add(&Series { rtts: vec![Some(Duration::from_millis(42))] });
        assert_eq!(baseline.step(2.0), None, "two slow runs, and one of which nothing is known");
    }

    #[test]
    fn loss_is_steady_when_no_run_is_without() {
        assert!(after(&[0, 0, 0]).steady_loss(3));
        assert!(
            !after(&[0, 5, 0]).steady_loss(3)
                && !after(&[0, 0]).steady_loss(3)
                && !after(&[0]).steady_loss(0)
        );
    }

    proptest! {
        #[test]
        fn any_file_is_read(text in "(?s).{0,200}") {
            let baseline = Baseline::read(&text);
            prop_assert_eq!(Baseline::read(&baseline.write()), baseline.clone());
            let _ = (baseline.step(2.0), baseline.steady_loss(3));
        }
    }
}
