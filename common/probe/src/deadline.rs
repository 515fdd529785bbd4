//! One deadline for a whole check.

use std::time::{Duration, Instant};

/// When a check began, and when it must have ended. Copied, never renewed: every stage draws on the same time.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    began: Instant,
    timeout: Duration,
}

impl Deadline {
    /// A deadline `timeout` from now.
    pub fn after(timeout: Duration) -> Self {
        Self { began: Instant::now(), timeout }
    }

    /// The same beginning, and an end `limit` from now when that is sooner.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self { began: self.began, timeout: self.timeout.min(self.elapsed() + limit) }
    }

    /// Since the check began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// When `moment` was, counted from the start of the check.
    pub fn since_start(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.began)
    }

    /// What is left; zero when it has passed.
    pub fn remaining(&self) -> Duration {
        self.timeout.saturating_sub(self.elapsed())
    }

    /// The whole time that was given.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// When it comes.
    pub fn instant(&self) -> Instant {
        self.began + self.timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_time_never_prolongs_it() {
        let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
        let whole = Deadline::after(minute);
        assert_eq!(whole.within(hour).instant(), whole.instant());
        assert_eq!(whole.within(hour).within(hour).timeout(), minute);
        let part = whole.within(Duration::from_secs(1));
        assert!(part.remaining() <= Duration::from_secs(1) && whole.remaining() > Duration::from_secs(30));
        assert_eq!(part.since_start(whole.instant()), minute, "the beginning is the same");
        assert_eq!(Deadline::after(Duration::ZERO).remaining(), Duration::ZERO);
    }
}
