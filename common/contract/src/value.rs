//! Values and units: integers stay integers, numbers print as they read back.

use std::fmt;
use std::time::Duration;

/// One measured number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A count; counters of 64 bits keep every digit.
    Count(u64),
    /// Anything that is not a count.
    Number(f64),
}

impl Value {
    /// The value for comparison with a range.
    pub const fn as_f64(self) -> f64 {
        match self {
            #[allow(
                clippy::cast_precision_loss,
                reason = "thresholds are f64; 2^53 is far above any of them"
            )]
            Self::Count(count) => count as f64,
            Self::Number(number) => number,
        }
    }
}

impl fmt::Display for Value {
    /// Digits without exponent, unit or locale; `U` (unknown, as perfdata and Munin write it) for NaN and infinity.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Number(value) if value.is_finite() => f.write_str(&number(*value)),
            Self::Number(_) => f.write_str("U"),
        }
    }
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<u32> for Value {
    fn from(count: u32) -> Self {
        Self::Count(count.into())
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<i64> for Value {
    fn from(count: i64) -> Self {
        u64::try_from(count).map_or(Self::Number(count as f64), Self::Count)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Count(yes.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<Duration> for Value {
    /// Seconds, to the microsecond: what lies below is noise of the scheduler.
    fn from(duration: Duration) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
        let micros = duration.as_micros() as f64;
        Self::Number(micros / 1e6)
    }
}

/// The shortest decimal text that reads back to the same number; never an exponent, never `-0`.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { value.to_string() }
}

/// The base unit of a measure. Outside of the code there are no prefixes: seconds, bytes, bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain number.
    None,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Percent, 0 to 100.
    Percent,
    /// Bits per second; Nagios has no unit for it.
    BitsPerSecond,
    /// Bytes per second; Nagios has no unit for it.
    BytesPerSecond,
    /// Events per second; Nagios has no unit for it.
    PerSecond,
}

impl Unit {
    /// The unit of measurement in perfdata (plugin guidelines: `s`, `B`, `%` or nothing).
    pub const fn perfdata(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Bytes => "B",
            Self::Percent => "%",
            Self::None | Self::BitsPerSecond | Self::BytesPerSecond | Self::PerSecond => "",
        }
    }

    /// The unit's full name as OpenMetrics wants it as a metric's suffix, if it has one.
    pub const fn openmetrics(self) -> Option<&'static str> {
        match self {
            Self::Seconds => Some("seconds"),
            Self::Bytes => Some("bytes"),
            Self::Percent => Some("percent"),
            Self::BitsPerSecond => Some("bits_per_second"),
            Self::BytesPerSecond => Some("bytes_per_second"),
            Self::PerSecond => Some("per_second"),
            Self::None => None,
        }
    }

    /// The value for a person: `12.3 ms`, `1.2 Mbit/s`, `64.0 KiB`, `99.5 %`.
    pub fn human(self, value: Value) -> String {
        let v = value.as_f64();
        if !v.is_finite() {
            return "unknown".to_owned();
        }
        match self {
            Self::Seconds if v.abs() < 1.0 => format!("{:.1} ms", v * 1e3),
            Self::Seconds if v.abs() < 600.0 => format!("{v:.2} s"),
            Self::Seconds => format!("{:.1} min", v / 60.0),
            Self::Bytes => scaled(v, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"]),
            Self::Percent => format!("{v:.1} %"),
            Self::BitsPerSecond => scaled(v, 1000.0, &["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]),
            Self::BytesPerSecond => scaled(v, 1024.0, &["B/s", "KiB/s", "MiB/s", "GiB/s"]),
            Self::PerSecond => format!("{v:.1}/s"),
            Self::None => match value {
                Value::Count(count) => count.to_string(),
                Value::Number(n) if n.fract() == 0.0 => number(n),
                Value::Number(n) => format!("{n:.2}"),
            },
        }
    }
}

/// `value` with the largest of `units`, each `step` times the one before, that leaves at least 1.
fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut rank = 0;
    while value.abs() >= step && rank + 1 < units.len() {
        value /= step;
        rank += 1;
    }
    let unit = units[rank];
    if rank == 0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_exponent_no_nan_no_lost_digit() {
        assert_eq!(Value::from(u64::MAX).to_string(), "18446744073709551615");
        assert_eq!(Value::from(0.1 + 0.2).to_string(), "0.30000000000000004");
        assert_eq!(Value::from(1.5e-7).to_string(), "0.00000015");
        assert_eq!(Value::from(-0.0).to_string(), "0");
        assert_eq!(Value::from(f64::NAN).to_string(), "U");
        assert_eq!(Value::from(f64::INFINITY).to_string(), "U");
        assert_eq!(Value::from(Duration::from_nanos(1_234_567_890)).to_string(), "1.234567");
    }

    #[test]
    fn people_read_prefixes() {
        assert_eq!(Unit::Seconds.human(0.0123.into()), "12.3 ms");
        assert_eq!(Unit::BitsPerSecond.human(1_234_000_u64.into()), "1.2 Mbit/s");
        assert_eq!(Unit::Bytes.human(65_536_u64.into()), "64.0 KiB");
        assert_eq!(Unit::None.human(3_u64.into()), "3");
    }

    proptest! {
        #[test]
        fn a_finite_number_reads_back(v in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL) {
            let text = Value::Number(v).to_string();
            prop_assert!(text.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'.'));
            prop_assert_eq!(text.parse::<f64>(), Ok(v));
        }
    }
}
