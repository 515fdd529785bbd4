//! What comes, counted: packets by number, media by stream.

use std::time::Duration;

use weir_wire::asf::Packet;
use weir_wire::mms::Data;

use crate::Pace;

/// A larger gap in the packet numbers is another source, or another counter.
const GAP_MAX: u32 = 10_000;
/// What came of a stream.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// ASF packets.
    pub packets: u64,
    /// Packets that their numbers say are missing.
    pub missing: u64,
    /// Packets that cannot be read.
    pub unreadable: u64,
    /// What came when.
    pub pace: Pace,
    by_stream: Vec<(u8, u64)>,
    last_location: Option<u32>,
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
        self.pace.arrive(now);
        let Ok(packet) = Packet::parse(&data.payload) else {
            self.unreadable += 1;
            return;
        };
        self.pace.play(packet.send_time, packet.media() as u64);
        for payload in &packet.payloads {
            match self.by_stream.iter_mut().find(|(number, _)| *number == payload.stream) {
                Some((_, bytes)) => *bytes += payload.length as u64,
                None => self.by_stream.push((payload.stream, payload.length as u64)),
            }
        }
    }

    /// Another stream begins: its numbers and times are its own.
    pub(super) fn restart(&mut self) {
        self.last_location = None;
        self.pace.restart();
    }

    /// Percent of the packets that did not come.
    pub fn loss(&self) -> Option<f64> {
        let sent = self.packets + self.missing;
        #[allow(clippy::cast_precision_loss, reason = "packets of some seconds")]
        (sent > 0).then(|| (self.missing as f64 * 10_000.0 / sent as f64).round() / 100.0)
    }

    /// Bytes of one stream.
    pub fn bytes_of(&self, number: u8) -> u64 {
        self.by_stream.iter().find(|(own, _)| *own == number).map_or(0, |(_, bytes)| *bytes)
    }
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
    fn gaps_in_the_numbers_are_loss_and_new_counters_are_not() {
        let seen = flow(&[(0, 5, 0), (1, 6, 0), (2, 10, 0), (3, 11, 0)]);
        assert_eq!((seen.missing, seen.loss()), (3, Some(42.86)));
        assert_eq!(flow(&[(0, u32::MAX, 0), (1, 0, 0), (2, 4_000_000, 0), (3, 9, 0)]).missing, 0);
    }

    #[test]
    fn packets_that_cannot_be_read_are_counted() {
        let mut flow = Flow::default();
        flow.take(&Data { location: 0, incarnation: 0, flags: 0, payload: vec![1, 2] }, Duration::ZERO);
        assert_eq!((flow.packets, flow.unreadable, flow.pace.bytes), (1, 1, 0));
    }
}
