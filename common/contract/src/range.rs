//! Threshold ranges in the grammar of the Nagios plugin guidelines, read strictly.

use std::fmt;
use std::str::FromStr;

use crate::State;
use crate::value::number;

/// A Nagios threshold range: `[@][start:][end]`, both ends inclusive.
///
/// | text | alerts when the value is |
/// |---|---|
/// | `10` | below 0 or above 10 |
/// | `10:` | below 10 |
/// | `~:10` | above 10 |
/// | `10:20` | outside 10 to 20 |
/// | `@10:20` | inside 10 to 20 |
///
/// A value that is not a number always alerts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    start: f64,
    end: f64,
    inside: bool,
}

/// Why a text is not a range; its `Display` shows the right form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeError {
    text: String,
    why: &'static str,
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a threshold range ({}): use [@]start:end, for example 10, 10:, ~:10, 10:20 or @10:20",
            self.text, self.why
        )
    }
}

impl std::error::Error for RangeError {}

impl Range {
    /// A range that alerts above `end` and below `start`.
    pub const fn outside(start: f64, end: f64) -> Self {
        Self { start, end, inside: false }
    }

    /// A range that alerts above `end`.
    pub const fn above(end: f64) -> Self {
        Self::outside(f64::NEG_INFINITY, end)
    }

    /// A range that alerts below `start`.
    pub const fn below(start: f64) -> Self {
        Self::outside(start, f64::INFINITY)
    }

    /// Whether `value` lies where this range alerts. NaN always does.
    pub fn alerts(&self, value: f64) -> bool {
        if value.is_nan() {
            return true;
        }
        (self.start <= value && value <= self.end) == self.inside
    }

    /// The smallest value of the interval, −∞ when it is open.
    pub const fn start(&self) -> f64 {
        self.start
    }

    /// The largest value of the interval, +∞ when it is open.
    pub const fn end(&self) -> f64 {
        self.end
    }

    /// Whether the alert is inside the interval (`@`).
    pub const fn is_inside(&self) -> bool {
        self.inside
    }

    /// What was expected, in words, with each end put into words by `say`: `at least 96.0 kbit/s`.
    pub fn expected(&self, say: impl Fn(f64) -> String) -> String {
        match (self.start.is_finite(), self.end.is_finite(), self.inside) {
            (false, false, _) => "a number".to_owned(),
            (true, false, false) => format!("at least {}", say(self.start)),
            (true, false, true) => format!("less than {}", say(self.start)),
            (false, true, false) => format!("at most {}", say(self.end)),
            (false, true, true) => format!("more than {}", say(self.end)),
            (true, true, false) if self.start == 0.0 => format!("at most {}", say(self.end)),
            (true, true, false) => format!("{} to {}", say(self.start), say(self.end)),
            (true, true, true) => format!("less than {} or more than {}", say(self.start), say(self.end)),
        }
    }

    /// The condition under which there is no alert, in words: `10 <= listeners <= 20`.
    pub fn explain(&self, name: &str) -> String {
        let (start, end) = (number(self.start), number(self.end));
        match (self.start.is_finite(), self.end.is_finite(), self.inside) {
            (true, true, false) => format!("{start} <= {name} <= {end}"),
            (true, true, true) => format!("{name} < {start} or {name} > {end}"),
            (true, false, false) => format!("{start} <= {name}"),
            (true, false, true) => format!("{name} < {start}"),
            (false, true, false) => format!("{name} <= {end}"),
            (false, true, true) => format!("{name} > {end}"),
            (false, false, false) => format!("{name} is any number"),
            (false, false, true) => "never".to_owned(),
        }
    }
}

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let error = |why| RangeError { text: text.to_owned(), why };
        let (inside, body) = match text.strip_prefix('@') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (start, end) = match body.split_once(':') {
            Some(("", "")) | None if body.trim_matches(':').is_empty() => {
                return Err(error("it names no number"));
            }
            Some((start, end)) => (
                match start {
                    "" => 0.0,
                    "~" => f64::NEG_INFINITY,
                    start => parse_number(start).map_err(error)?,
                },
                if end.is_empty() { f64::INFINITY } else { parse_number(end).map_err(error)? },
            ),
            None => (0.0, parse_number(body).map_err(error)?),
        };
        if start > end {
            return Err(error("the start is above the end"));
        }
        Ok(Self { start, end, inside })
    }
}

/// `-?digits[.digits]` or `-?.digits`: no exponent, unit, blank, locale, NaN or infinity.
fn parse_number(text: &str) -> Result<f64, &'static str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if fraction.is_empty() || !plain(whole) || !plain(fraction) || (whole.is_empty() && !digits.contains('.'))
    {
        return Err("a number is digits with at most one point, without unit or exponent");
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("the number is too large"),
    }
}

impl fmt::Display for Range {
    /// The shortest text that reads back to the same range, as perfdata wants it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inside {
            f.write_str("@")?;
        }
        match (self.start, self.end) {
            (start, f64::INFINITY) if start == f64::NEG_INFINITY => f.write_str("~:"),
            (start, f64::INFINITY) => write!(f, "{}:", number(start)),
            (0.0, end) => f.write_str(&number(end)),
            (start, end) if start == f64::NEG_INFINITY => write!(f, "~:{}", number(end)),
            (start, end) => write!(f, "{}:{}", number(start), number(end)),
        }
    }
}

/// A warning and a critical range for one measure; an absent one never alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// Alerts with WARNING.
    pub warning: Option<Range>,
    /// Alerts with CRITICAL.
    pub critical: Option<Range>,
}

impl Thresholds {
    /// The state that `value` deserves, critical first.
    pub fn judge(&self, value: f64) -> State {
        let alerts = |range: Option<Range>| range.is_some_and(|r| r.alerts(value));
        if alerts(self.critical) {
            State::Critical
        } else if alerts(self.warning) {
            State::Warning
        } else {
            State::Ok
        }
    }

    /// What each range means for the measure `name`, a line each, for `--explain-thresholds`.
    pub fn explain(&self, name: &str) -> String {
        let line = |state: State, range: Option<Range>| {
            range.map(|r| format!("{state} unless {} (range {r})\n", r.explain(name)))
        };
        let lines: String = [line(State::Warning, self.warning), line(State::Critical, self.critical)]
            .into_iter()
            .flatten()
            .collect();
        if lines.is_empty() { format!("{name}: no threshold, shown only\n") } else { lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The acceptance table: guidelines, C `test_utils.c`, Perl `Monitoring-Plugin-Range.t` and corners of our own.
    #[test]
    fn the_acceptance_table_holds() {
        let table = include_str!("../testdata/ranges.tsv");
        let mut rows = 0;
        for line in table.lines().filter(|l| !l.starts_with('#')) {
            let mut columns = line.split('\t');
            let (Some(range), Some(value), Some(expected)) = (columns.next(), columns.next(), columns.next())
            else {
                panic!("short row: {line}");
            };
            let got = match range.parse::<Range>() {
                Err(_) => "invalid",
                Ok(r) if r.alerts(value.parse().expect(line)) => "alert",
                Ok(_) => "ok",
            };
            assert_eq!(got, expected, "{line}");
            rows += 1;
        }
        assert!(rows > 120, "only {rows} rows were read");
    }

    #[test]
    fn an_error_shows_the_right_form() {
        let error = "1:~".parse::<Range>().expect_err("end must be a number").to_string();
        assert!(error.contains("`1:~`") && error.contains("@10:20"), "{error}");
    }

    #[test]
    fn words_say_when_it_is_well() {
        let explain = |text: &str| text.parse::<Range>().expect(text).explain("listeners");
        assert_eq!(explain("10:"), "10 <= listeners");
        assert_eq!(explain("~:10"), "listeners <= 10");
        assert_eq!(explain("@10:20"), "listeners < 10 or listeners > 20");
        assert_eq!(explain("5"), "0 <= listeners <= 5");
    }

    #[test]
    fn a_finding_says_what_was_expected() {
        let expected = |text: &str| text.parse::<Range>().expect(text).expected(|v| format!("{v} s"));
        assert_eq!(expected("10"), "at most 10 s");
        assert_eq!(expected("10:"), "at least 10 s");
        assert_eq!(expected("~:10"), "at most 10 s");
        assert_eq!(expected("5:10"), "5 s to 10 s");
        assert_eq!(expected("@5:10"), "less than 5 s or more than 10 s");
    }

    #[test]
    fn critical_is_judged_before_warning() {
        let t = Thresholds { warning: Some(Range::above(1.0)), critical: Some(Range::above(2.0)) };
        assert_eq!(
            [0.5, 1.5, 2.5, f64::NAN].map(|v| t.judge(v)),
            [State::Ok, State::Warning, State::Critical, State::Critical]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_reads_back(text in "[@~:0-9.-]{0,12}|\\PC{0,12}") {
            if let Ok(range) = text.parse::<Range>() {
                prop_assert_eq!(range.to_string().parse::<Range>(), Ok(range));
                prop_assert!(range.start <= range.end);
                prop_assert!(range.alerts(f64::NAN));
            }
        }
    }
}
