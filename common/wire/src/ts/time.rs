//! How often something came that must come often.

use std::time::Duration;

/// After a pause of everything an interval says nothing about one thing: what did not come could not come.
pub(super) const PAUSE: Duration = Duration::from_millis(250);
/// Program clocks count 27 MHz ticks; 33 bits of 90 kHz, times 300.
pub(super) const PCR_CLOCK: f64 = 27e6;
const PCR_WRAP: u64 = (1 << 33) * 300;
/// ISO 13818-1 section 2.7.2: a clock comes at least so often. A larger step that arrival does not explain is a jump.
const PCR_STEP: Duration = Duration::from_millis(100);
/// How much sooner than its clock says the network may deliver a packet, beside twice the time it took.
const EARLY: Duration = Duration::from_millis(250);
/// Without arrival times, a step as long as this is a jump.
const LONG_STEP: Duration = Duration::from_secs(10);

/// When something arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) at: Duration,
    /// Counts the pauses of everything.
    pub(super) run: u32,
}

impl Stamp {
    /// Time since `earlier`, unless everything paused between them.
    pub(super) fn since(self, earlier: Self) -> Option<Duration> {
        (self.run == earlier.run).then(|| self.at.saturating_sub(earlier.at))
    }
}

/// How often something came, and how long it was away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repetition {
    /// How often it came.
    pub count: u64,
    longest: Option<Duration>,
    last: Option<Stamp>,
}

impl Repetition {
    pub(super) fn seen(&mut self, now: Option<Stamp>) {
        self.count += 1;
        self.longest = self.longest_until(now);
        self.last = now;
    }

    /// The longest interval, the present one included. `None` without arrival times or before the second.
    pub(super) fn longest_until(&self, now: Option<Stamp>) -> Option<Duration> {
        let present = now.zip(self.last).and_then(|(now, last)| now.since(last));
        self.longest.max(present)
    }
}

/// How a program clock (PCR) ran.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Clock {
    /// Clock values.
    pub count: u64,
    /// The longest interval between two values, on the clock and on arrival (2.3a). Not counted across losses and jumps.
    pub longest: Option<Duration>,
    /// Values that do not go on from the one before, and no discontinuity was announced (2.3b).
    pub jumps: u64,
    /// What the clock advanced, seconds, where it ran on.
    pub advanced: f64,
    /// What that took on arrival, seconds.
    pub took: f64,
    /// Seconds.
    jitter: f64,
    last: Option<(u64, Option<Stamp>)>,
}

impl Clock {
    /// `whole`: nothing was lost or announced since the value before.
    pub(super) fn tick(&mut self, pcr: u64, now: Option<Stamp>, whole: bool) {
        self.count += 1;
        let Some((before, then)) = self.last.replace((pcr, now)) else { return };
        let step = (pcr + PCR_WRAP).wrapping_sub(before) % PCR_WRAP;
        let backwards = step > PCR_WRAP / 2;
        let step = Duration::from_secs_f64(step as f64 / PCR_CLOCK);
        let took = now.zip(then).map(|(now, then)| now.at.saturating_sub(then.at));
        let too_far = match took {
            Some(took) => step > PCR_STEP && step > 2 * took + EARLY,
            None => step >= LONG_STEP,
        };
        if backwards || too_far {
            self.jumps += u64::from(whole);
            return;
        }
        if let Some(took) = took {
            self.advanced += step.as_secs_f64();
            self.took += took.as_secs_f64();
            // As RFC 3550 section 6.4.1 does with RTP timestamps, which of transport streams are of no use for it.
            let difference = (took.as_secs_f64() - step.as_secs_f64()).abs();
            self.jitter += (difference - self.jitter) / 16.0;
        }
        if whole && now.zip(then).is_none_or(|(now, then)| now.run == then.run) {
            let interval = took.map_or(step, |took| took.min(step));
            self.longest = self.longest.max(Some(interval));
        }
    }

    /// How uneven the clock's packets arrive; `None` before the second, or without arrival times.
    pub fn jitter(&self) -> Option<Duration> {
        (self.took > 0.0).then(|| Duration::from_secs_f64(self.jitter))
    }

    /// Clock time per time, 1 for a live stream; `None` before a second has passed, or without arrival times.
    pub fn speed(&self) -> Option<f64> {
        (self.took >= 1.0).then(|| self.advanced / self.took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as it is needed")]
    fn stamp(milliseconds: u64, run: u32) -> Option<Stamp> {
        Some(Stamp { at: Duration::from_millis(milliseconds), run })
    }

    fn ticks(milliseconds: u64) -> u64 {
        (PCR_WRAP - 1_000_000 + milliseconds * 27_000) % PCR_WRAP
    }

    #[test]
    fn an_interval_across_a_pause_of_everything_says_nothing() {
        let mut table = Repetition::default();
        for (at, run) in [(0, 0), (100, 0), (900, 1), (1000, 1)] {
            table.seen(stamp(at, run));
        }
        assert_eq!(table.longest_until(stamp(1050, 1)), Some(Duration::from_millis(100)));
        assert_eq!(table.longest_until(stamp(1700, 1)), Some(Duration::from_millis(700)));
        assert_eq!(table.longest_until(stamp(1700, 2)), Some(Duration::from_millis(100)));
    }

    #[test]
    fn a_clock_that_wraps_and_arrives_unevenly_runs_on() {
        let mut clock = Clock::default();
        for n in 0..100 {
            clock.tick(ticks(n * 40), stamp(n * 40 + n % 2 * 10, 0), true);
        }
        assert_eq!((clock.count, clock.jumps), (100, 0));
        assert!((clock.speed().unwrap() - 1.0).abs() < 0.01, "{clock:?}");
        assert!((clock.jitter().unwrap().as_secs_f64() - 0.01).abs() < 0.001, "{clock:?}");
        assert_eq!(clock.longest, Some(Duration::from_millis(40)));
    }

    #[test]
    fn a_jump_is_told_from_a_pause_and_from_a_loss() {
        let run = |steps: &[(u64, u64, u32, bool)]| {
            let mut clock = Clock::default();
            for &(value, at, run, whole) in steps {
                clock.tick(ticks(value), stamp(at, run), whole);
            }
            (clock.jumps, clock.longest.map(|longest| longest.as_millis()))
        };
        assert_eq!(run(&[(0, 0, 0, true), (5000, 40, 0, true), (5040, 80, 0, true)]), (1, Some(40)));
        assert_eq!(
            run(&[(5000, 0, 0, true), (0, 40, 0, true), (40, 80, 0, true)]),
            (1, Some(40)),
            "backwards"
        );
        assert_eq!(
            run(&[(0, 0, 0, true), (2000, 2000, 1, true), (2040, 2040, 1, true)]),
            (0, Some(40)),
            "a pause"
        );
        assert_eq!(
            run(&[(0, 0, 0, true), (5000, 40, 0, false), (5040, 80, 0, true)]),
            (0, Some(40)),
            "a loss"
        );
        assert_eq!(run(&[(0, 0, 0, true), (300, 300, 0, true)]), (0, Some(300)), "too seldom");
        assert_eq!(
            run(&[(0, 0, 0, true), (40, 1000, 1, true), (80, 1000, 1, true)]),
            (0, Some(0)),
            "a burst"
        );
    }
}
