//! From what was measured of one stream to a verdict: the rules, limits and words that the checks have in common.

use std::time::Duration;

use weir_contract::{Fault, Field, Outcome, Range, Sample, Thresholds, Unit, fault};

/// Watching for less than this shows only the server's buffer.
pub const WATCH_MIN: Duration = Duration::from_millis(2500);
/// Waiting for less than this, unless it was asked for, proves nothing.
const WAIT_MIN: Duration = Duration::from_secs(2);
/// Percent of real time. Arrivals in pieces of half a second move a watch of three seconds by less than this is below 100.
pub const SPEED_WARNING: f64 = 70.0;

/// How a measure is judged.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// What it raises.
    pub fault: &'static Fault,
    /// When, unless the options say otherwise.
    pub limits: Thresholds,
}

impl Rule {
    /// A measure that is judged when the options ask for it.
    pub fn of(fault: &'static Fault) -> Self {
        Self { fault, limits: Thresholds::default() }
    }

    /// The same with a warning.
    #[must_use]
    pub fn warn(self, range: impl Into<Option<Range>>) -> Self {
        Self { limits: Thresholds { warning: range.into(), ..self.limits }, ..self }
    }

    /// The same with a warning above the first and a critical state above the second value.
    #[must_use]
    pub const fn above(self, (warning, critical): (f64, f64)) -> Self {
        let limits =
            Thresholds { warning: Some(Range::above(warning)), critical: Some(Range::above(critical)) };
        Self { limits, ..self }
    }
}

/// Whether a measure says how media flows. Of a stream that is broken that has been said: a bit rate of nothing is no second fault.
pub fn is_flow(field: &Field) -> bool {
    matches!(field.id, "bitrate" | "gap" | "speed")
}

/// Finds that the time was too short to wait for media, if it was: `patience` is what was asked for.
pub fn hurried(outcome: &mut Outcome, waited: Duration, patience: Duration) -> bool {
    let hurried = waited < patience.min(WAIT_MIN);
    if hurried {
        outcome.find(&fault::NO_DATA, too_short(waited, "wait for media"));
    }
    hurried
}

/// `the deadline left only 1.0 s to watch: raise -t`
pub fn too_short(time: Duration, what: &str) -> String {
    format!("the deadline left only {} to {what}: raise -t", seconds(time))
}

/// `51 packets came in 2.0 s, then nothing for 2.1 s`, of a stream that was `watched` for all of it.
pub fn stalled(count: u64, what: &str, watched: Duration, silence: Duration) -> String {
    let came = watched.saturating_sub(silence);
    format!("{count} {what} came in {}, then nothing for {}", seconds(came), seconds(silence))
}

/// What is known of the fields in `said`, each after its words: `speed 99.8 %`.
pub fn told(samples: &[Sample], said: &[(&Field, &str)]) -> impl Iterator<Item = String> {
    samples.iter().filter_map(|sample| {
        let (_, words) = said.iter().find(|(field, _)| field.id == sample.field.id)?;
        Some(format!("{words}{}", sample.field.unit.human(sample.value?)))
    })
}

/// Further lines: `server: Icecast 2.4.4`.
#[derive(Debug, Default)]
pub struct Details(pub Vec<String>);

impl Details {
    /// Says what is known.
    pub fn say(&mut self, name: &str, value: impl Into<Option<String>>) {
        self.0.extend(value.into().map(|value| format!("{name}: {value}")));
    }
}

/// A time for people.
pub fn seconds(time: Duration) -> String {
    Unit::Seconds.human(time.into())
}

/// A share in percent, with three decimals; of nothing, none.
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 1e5).round() / 1e3 }
}
