//! For how long something was the case: at least, and at most.

/// What is known of a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Silent, frozen, black.
    Dead,
    /// Nobody can say.
    Unclear,
    /// There is sound, movement, a picture.
    Alive,
}

/// The longest stretches, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Span {
    /// Time looked at.
    pub total: f64,
    /// The longest stretch that was certainly dead.
    pub dead: f64,
    /// The longest stretch that may have been dead.
    pub possible: f64,
    dead_now: f64,
    possible_now: f64,
}

/// Whether a stretch of a given length was dead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Yes, for so many seconds.
    Dead(f64),
    /// No.
    Alive,
    /// All of it was, as far as can be said, but it was shorter than that.
    TooShort,
    /// Nobody can say.
    Undecided,
}

/// Durations of frames do not add up to the millisecond.
const HAIR: f64 = 0.01;

impl Span {
    /// So many more seconds of this.
    pub fn add(&mut self, seconds: f64, level: Level) {
        let seconds = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
        self.total += seconds;
        self.dead_now = if level == Level::Dead { self.dead_now + seconds } else { 0.0 };
        self.possible_now = if level == Level::Alive { 0.0 } else { self.possible_now + seconds };
        self.dead = self.dead.max(self.dead_now);
        self.possible = self.possible.max(self.possible_now);
    }

    /// Whether there was a dead stretch of `least` seconds.
    pub fn judge(&self, least: f64) -> Verdict {
        if self.dead + HAIR >= least {
            Verdict::Dead(self.dead)
        } else if self.possible + HAIR >= least {
            Verdict::Undecided
        } else if self.possible + HAIR >= self.total {
            if self.dead + HAIR >= self.total { Verdict::TooShort } else { Verdict::Undecided }
        } else {
            Verdict::Alive
        }
    }

    /// The longest dead stretch as a number to draw; `None` where it is not known within a second.
    pub fn seconds(&self) -> Option<f64> {
        (self.total > 0.0 && self.possible - self.dead < 1.0).then_some((self.dead * 1000.0).round() / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Level::{Alive, Dead, Unclear};

    fn span(parts: &[(f64, Level)]) -> Span {
        let mut span = Span::default();
        for &(seconds, level) in parts {
            span.add(seconds, level);
        }
        span
    }

    #[test]
    fn a_stretch_is_dead_only_when_all_of_it_is() {
        assert_eq!(span(&[(1.0, Alive), (8.0, Dead)]).judge(8.0), Verdict::Dead(8.0));
        assert_eq!(span(&[(4.0, Dead), (0.1, Alive), (7.0, Dead)]).judge(8.0), Verdict::Alive);
        assert_eq!(span(&[(4.0, Dead), (0.1, Unclear), (7.0, Dead)]).judge(8.0), Verdict::Undecided);
        assert_eq!(span(&[(4.0, Alive), (7.0, Unclear)]).judge(8.0), Verdict::Alive, "it cannot be 8 s");
    }

    #[test]
    fn too_little_of_it_proves_nothing() {
        assert_eq!(span(&[(5.0, Dead)]).judge(8.0), Verdict::TooShort);
        assert_eq!(span(&[(5.0, Unclear)]).judge(8.0), Verdict::Undecided);
        assert_eq!(Span::default().judge(8.0), Verdict::TooShort);
        assert_eq!(span(&[(0.5, Alive), (5.0, Dead)]).judge(8.0), Verdict::Alive);
    }

    #[test]
    fn a_number_is_drawn_only_where_it_is_known() {
        assert_eq!(span(&[(1.0, Alive), (2.0, Dead)]).seconds(), Some(2.0));
        assert_eq!(span(&[(1.0, Alive), (2.0, Unclear)]).seconds(), None);
        assert_eq!(Span::default().seconds(), None);
    }
}
