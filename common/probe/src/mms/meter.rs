//! What comes, counted: packets by number, media by stream, and the stream's own clock against that on the wall.

use std::time::Duration;

use weir_wire::asf::Packet;
use weir_wire::mms::Data;

/// The burst from the server's buffer ends with the first pause of this length, ...
const BURST_PAUSE: Duration = Duration::from_millis(150);
/// ... or after this time.
const BURST_TIME: Duration = Duration::from_secs(1);
/// Rates and speeds take this long to show.
const SHOWS: Duration = Duration::from_secs(1);
/// A larger gap in the packet numbers is another source, or another counter.
const GAP_MAX: u32 = 10_000;
/// A larger step of the send time is another source.
const STEP_MAX: u32 = 600_000;

/// One packet after the burst.
#[derive(Clone, Copy, Debug)]
struct Mark {
    arrived: Duration,
    send_time: u32,
    bytes: u64,
}

/// What came of a stream.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// ASF packets.
    pub packets: u64,
    /// Packets that their numbers say are missing.
    pub missing: u64,
    /// Packets that cannot be read.
    pub unreadable: u64,
    /// Bytes of media.
    pub bytes: u64,
    /// When the last packet came, from the start of the check.
    pub last_arrival: Option<Duration>,
    /// The longest pause between two packets.
    pub longest_gap: Duration,
    /// The media time of all that came.
    pub media_time: Duration,
    first_arrival: Duration,
    by_stream: Vec<(u8, u64)>,
    last_location: Option<u32>,
    last_send_time: Option<u32>,
    /// The first packet after the burst, and the last one.
    live: Option<(Mark, Mark)>,
}

impl Flow {
    /// Takes a packet that came at `now`.
    pub(super) fn take(&mut self, data: &Data, now: Duration) {
        if let Some(last) = self.last_location.replace(data.location) {
            let step = data.location.wrapping_sub(last);
            if (2..GAP_MAX).contains(&step) {
                self.missing += u64::from(step - 1);
            }
        }
        self.packets += 1;
        let last_arrival = self.last_arrival.replace(now).unwrap_or_else(|| {
            self.first_arrival = now;
            now
        });
        let pause = now.saturating_sub(last_arrival);
        self.longest_gap = self.longest_gap.max(pause);
        let Ok(packet) = Packet::parse(&data.payload) else {
            self.unreadable += 1;
            return;
        };
        self.bytes += packet.media() as u64;
        for payload in &packet.payloads {
            match self.by_stream.iter_mut().find(|(number, _)| *number == payload.stream) {
                Some((_, bytes)) => *bytes += payload.length as u64,
                None => self.by_stream.push((payload.stream, payload.length as u64)),
            }
        }
        if let Some(last) = self.last_send_time.replace(packet.send_time) {
            let step = packet.send_time.wrapping_sub(last);
            if step < STEP_MAX {
                self.media_time += Duration::from_millis(step.into());
            }
        }
        let mark = Mark { arrived: now, send_time: packet.send_time, bytes: self.bytes };
        let burst_over = pause >= BURST_PAUSE || now.saturating_sub(self.first_arrival) >= BURST_TIME;
        match &mut self.live {
            Some((_, last)) => *last = mark,
            None if burst_over => self.live = Some((mark, mark)),
            None => {}
        }
    }

    /// Another stream begins: its numbers and times are its own.
    pub(super) fn restart(&mut self) {
        (self.last_location, self.last_send_time, self.live) = (None, None, None);
    }

    /// Percent of the packets that did not come.
    pub fn loss(&self) -> Option<f64> {
        let sent = self.packets + self.missing;
        #[allow(clippy::cast_precision_loss, reason = "packets of some seconds")]
        (sent > 0).then(|| (self.missing as f64 * 10_000.0 / sent as f64).round() / 100.0)
    }

    /// Percent of real time at which the stream's clock ran after the burst.
    pub fn speed(&self) -> Option<f64> {
        let (first, last) = self.live?;
        let wall = last.arrived.saturating_sub(first.arrived);
        let step = last.send_time.wrapping_sub(first.send_time);
        // A clock that went backwards belongs to another source.
        (wall >= SHOWS && step < STEP_MAX).then(|| (f64::from(step) / wall.as_secs_f64()).round() / 10.0)
    }

    /// Bytes of one stream.
    pub fn bytes_of(&self, number: u8) -> u64 {
        self.by_stream.iter().find(|(own, _)| *own == number).map_or(0, |(_, bytes)| *bytes)
    }

    /// Bits per second that came between the end of the burst and `until`.
    pub(super) fn live_rate(&self, until: Duration) -> Option<f64> {
        let (first, last) = self.live?;
        rate(last.bytes - first.bytes, until.saturating_sub(first.arrived))
    }

    /// Bits per second of media time.
    pub(super) fn encoded_rate(&self) -> Option<f64> {
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

    /// A packet of stream 1 with 100 bytes of media.
    fn packet(location: u32, send_time: u32) -> Data {
        let head = [&[0x82, 0, 0, 0, 0x40][..], &send_time.to_le_bytes(), &[0, 0, 1]].concat();
        Data { location, incarnation: 4, flags: 0, payload: [head, vec![0; 100]].concat() }
    }

    /// Packets that come at these milliseconds with these send times.
    fn flow(packets: &[(u64, u32, u32)]) -> Flow {
        let mut flow = Flow::default();
        for (now, location, send_time) in packets {
            flow.take(&packet(*location, *send_time), Duration::from_millis(*now));
        }
        flow
    }

    #[test]
    fn a_burst_does_not_count_as_speed() {
        // Five seconds of buffer at once, then real time.
        let burst = (0..50).map(|n| (0, n, n * 100));
        let live = (0..30).map(|n| (200 + u64::from(n) * 100, 50 + n, 5000 + n * 100));
        let flow = flow(&burst.chain(live).collect::<Vec<_>>());
        assert_eq!((flow.speed(), flow.loss(), flow.packets), (Some(100.0), Some(0.0), 80));
        assert_eq!(flow.live_rate(Duration::from_millis(3100)), Some(8000.0), "29 packets in 2.9 s");
        assert_eq!(flow.longest_gap, Duration::from_millis(200));
    }

    #[test]
    fn a_source_at_half_speed_shows() {
        let packets: Vec<_> = (0..40).map(|n| (u64::from(n) * 200, n, n * 100)).collect();
        assert_eq!(flow(&packets).speed(), Some(50.0));
    }

    #[test]
    fn gaps_in_the_numbers_are_loss_and_new_counters_are_not() {
        let seen = flow(&[(0, 5, 0), (1, 6, 0), (2, 10, 0), (3, 11, 0)]);
        assert_eq!((seen.missing, seen.loss()), (3, Some(42.86)));
        assert_eq!(flow(&[(0, u32::MAX, 0), (1, 0, 0), (2, 4_000_000, 0), (3, 9, 0)]).missing, 0);
    }

    #[test]
    fn packets_that_cannot_be_read_are_counted() {
        let mut flow = Flow::default();
        flow.take(&Data { location: 0, incarnation: 0, flags: 0, payload: vec![1, 2] }, Duration::ZERO);
        assert_eq!((flow.packets, flow.unreadable, flow.bytes), (1, 1, 0));
    }
}
