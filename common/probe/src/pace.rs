//! The clock of a continuous stream against the one on the wall: what came, when, and how fast its own time runs.
//!
//! A server sends its buffer at once to a new listener. What is to be told from a source that lives comes after that burst.

use std::time::Duration;

/// The burst from the server's buffer ends with the first pause of this length, ...
const BURST_PAUSE: Duration = Duration::from_millis(150);
/// ... or after this time.
const BURST_TIME: Duration = Duration::from_secs(1);
/// Rates and speeds take this long to show.
const SHOWS: Duration = Duration::from_secs(1);
/// A larger step of the stream's time, in milliseconds, is another source.
const STEP_MAX: u32 = 600_000;

/// One packet after the burst.
#[derive(Clone, Copy, Debug)]
struct Mark {
    arrived: Duration,
    time: u32,
    bytes: u64,
}

/// How a stream came. Times count from the start of the check.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// Bytes of media.
    pub bytes: u64,
    /// When the last packet came.
    pub last_arrival: Option<Duration>,
    /// The longest pause between two packets.
    pub longest_gap: Duration,
    /// The media time of all that came.
    pub media_time: Duration,
    first_arrival: Duration,
    /// The pause before the last packet.
    pause: Duration,
    last_time: Option<u32>,
    /// The first packet after the burst, and the last one.
    live: Option<(Mark, Mark)>,
}

impl Pace {
    /// A packet came at `now`.
    pub(crate) fn arrive(&mut self, now: Duration) {
        let last = self.last_arrival.replace(now).unwrap_or_else(|| {
            self.first_arrival = now;
            now
        });
        self.pause = now.saturating_sub(last);
        self.longest_gap = self.longest_gap.max(self.pause);
    }

    /// What the packet that has [arrived](Self::arrive) holds: bytes of media that play at `time`, in milliseconds.
    pub(crate) fn play(&mut self, time: u32, bytes: u64) {
        self.bytes += bytes;
        let step = self.last_time.map_or(0, |last| time.wrapping_sub(last));
        // Packets of two tracks take turns: a small step back is the other track, not time.
        if step < STEP_MAX {
            self.media_time += Duration::from_millis(step.into());
        }
        if step < STEP_MAX || step.wrapping_neg() >= STEP_MAX {
            self.last_time = Some(time);
        }
        let arrived = self.last_arrival.unwrap_or_default();
        let mark = Mark { arrived, time, bytes: self.bytes };
        let burst_over =
            self.pause >= BURST_PAUSE || arrived.saturating_sub(self.first_arrival) >= BURST_TIME;
        match &mut self.live {
            Some((_, last)) => *last = mark,
            None if burst_over => self.live = Some((mark, mark)),
            None => {}
        }
    }

    /// Another stream begins: its times are its own.
    pub(crate) fn restart(&mut self) {
        (self.last_time, self.live) = (None, None);
    }

    /// For how long nothing had come at `until`.
    pub fn silence(&self, until: Duration) -> Duration {
        self.last_arrival.map_or(Duration::ZERO, |last| until.saturating_sub(last))
    }

    /// The longest pause up to `until`: that at the end is one too, unless the stream has `ended`.
    pub fn longest_pause(&self, until: Duration, ended: bool) -> Duration {
        self.longest_gap.max(if ended { Duration::ZERO } else { self.silence(until) })
    }

    /// Percent of real time at which the stream's clock ran after the burst.
    pub fn speed(&self) -> Option<f64> {
        let (first, last) = self.live?;
        let wall = last.arrived.saturating_sub(first.arrived);
        let step = last.time.wrapping_sub(first.time);
        // A clock that went backwards belongs to another source.
        (wall >= SHOWS && step < STEP_MAX).then(|| (f64::from(step) / wall.as_secs_f64()).round() / 10.0)
    }

    /// Bits per second that came between the end of the burst and `until`.
    pub fn live_rate(&self, until: Duration) -> Option<f64> {
        let (first, last) = self.live?;
        rate(last.bytes - first.bytes, until.saturating_sub(first.arrived))
    }

    /// Bits per second of media time.
    pub fn encoded_rate(&self) -> Option<f64> {
        rate(self.bytes, self.media_time)
    }
}

fn rate(bytes: u64, time: Duration) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, reason = "bytes of some seconds")]
    (bytes > 0 && time >= SHOWS).then(|| (bytes as f64 * 8.0 / time.as_secs_f64()).round())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 100 bytes that come at these milliseconds with these times.
    fn pace(packets: impl IntoIterator<Item = (u64, u32)>) -> Pace {
        let mut pace = Pace::default();
        for (now, time) in packets {
            pace.arrive(Duration::from_millis(now));
            pace.play(time, 100);
        }
        pace
    }

    #[test]
    fn a_burst_does_not_count_as_speed() {
        // Five seconds of buffer at once, then real time.
        let burst = (0..50).map(|n| (0, n * 100));
        let live = (0..30).map(|n| (200 + u64::from(n) * 100, 5000 + n * 100));
        let pace = pace(burst.chain(live));
        assert_eq!(pace.speed(), Some(100.0));
        assert_eq!(pace.live_rate(Duration::from_millis(3100)), Some(8000.0), "29 packets in 2.9 s");
        assert_eq!(pace.longest_gap, Duration::from_millis(200));
    }

    #[test]
    fn a_source_at_half_speed_shows() {
        assert_eq!(pace((0..40).map(|n| (u64::from(n) * 200, n * 100))).speed(), Some(50.0));
    }

    #[test]
    fn two_tracks_that_take_turns_are_one_time() {
        let turns = (0..40)
            .flat_map(|n| [(u64::from(n) * 100, n * 100), (u64::from(n) * 100, (n * 100).max(30) - 30)]);
        let pace = pace(turns);
        assert_eq!((pace.media_time.as_millis(), pace.encoded_rate()), (3900, Some(16_410.0)));
    }

    #[test]
    fn a_clock_that_begins_anew_is_no_hour_of_media() {
        let seen = pace([(0, 4_000_000), (100, 4_000_100), (200, 0), (300, 100)]);
        assert_eq!(seen.media_time.as_millis(), 200);
    }
}
