//! The four states of a check and their one order of severity.

use std::fmt;
use std::str::FromStr;

/// The state of a check, with the exit codes of the Nagios plugin interface.
///
/// ```
/// use weir_contract::State;
/// let worst: State = [State::Ok, State::Critical, State::Unknown].into_iter().collect();
/// assert_eq!((worst, worst.exit_code()), (State::Critical, 2));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// Looked, and it is well.
    #[default]
    Ok,
    /// Looked, and somebody should see to it in working hours.
    Warning,
    /// Looked, and it is broken: wake somebody.
    Critical,
    /// Could not look.
    Unknown,
}

impl State {
    /// 0, 1, 2 or 3; never anything else.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// OK < UNKNOWN < WARNING < CRITICAL: a known fault outweighs one that could not be looked at.
    pub(crate) const fn severity(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Unknown => 1,
            Self::Warning => 2,
            Self::Critical => 3,
        }
    }

    /// The graver of two states.
    #[must_use]
    pub const fn worst(self, other: Self) -> Self {
        if other.severity() > self.severity() { other } else { self }
    }

    /// The name as plugins print it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl FromIterator<State> for State {
    /// The worst of many; of none, OK.
    fn from_iter<I: IntoIterator<Item = Self>>(states: I) -> Self {
        states.into_iter().fold(Self::Ok, Self::worst)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = String;

    /// The name in any case, or the exit code, as `--timeout-state` takes it.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "ok" | "0" => Ok(Self::Ok),
            "warning" | "warn" | "1" => Ok(Self::Warning),
            "critical" | "crit" | "2" => Ok(Self::Critical),
            "unknown" | "3" => Ok(Self::Unknown),
            _ => Err(format!("`{text}` is not a state: use ok, warning, critical or unknown")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::State::{self, Critical, Ok, Unknown, Warning};

    #[test]
    fn a_known_fault_outweighs_a_blind_spot() {
        let order = [Ok, Unknown, Warning, Critical];
        for (i, low) in order.iter().enumerate() {
            for high in &order[i..] {
                assert_eq!(low.worst(*high), *high);
                assert_eq!(high.worst(*low), *high);
            }
        }
        assert_eq!([].into_iter().collect::<State>(), Ok);
    }

    #[test]
    fn names_and_codes_read_back() {
        for state in [Ok, Warning, Critical, Unknown] {
            assert_eq!(state.name().parse(), Result::Ok(state));
            assert_eq!(state.exit_code().to_string().parse(), Result::Ok(state));
        }
        assert!("4".parse::<State>().is_err());
    }
}
