//! What an analysis found.

use std::collections::BTreeMap;

use super::psi::{Kind, Program, Stream};

/// Timestamps count 90 kHz ticks in 33 bits.
const CLOCK: f64 = 90_000.0;
const WRAP: u64 = 1 << 33;

/// What a transport stream held. All counts are exact integers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Packets, stuffing included.
    pub packets: u64,
    /// Bytes before the first packet and between packets.
    pub junk_bytes: u64,
    /// How often packets did not follow one another (TR 101 290, 1.1 and 1.2).
    pub sync_losses: u64,
    /// Packets marked uncorrectable (2.1).
    pub transport_errors: u64,
    /// Stuffing packets, PID 0x1fff.
    pub null_packets: u64,
    /// Packets with scrambled payload.
    pub scrambled_packets: u64,
    /// PAT or PMT sections whose checksum is wrong (2.2).
    pub crc_errors: u64,
    /// Programs of the PAT in their order.
    pub programs: Vec<Program>,
    /// Every PID that was seen but stuffing.
    pub pids: BTreeMap<u16, PidReport>,
}

/// What was seen on one PID.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PidReport {
    /// Packets.
    pub packets: u64,
    /// Packets that did not carry the next continuity counter (1.4).
    pub continuity_errors: u64,
    /// Presentation times of PES packets, 90 kHz.
    pub pts: Option<Timestamps>,
    /// The first and the last program clock, 27 MHz ticks.
    pub pcr: Option<(u64, u64)>,
    /// Whether a decoder can start at the first PES packet (random access indicator); `None` before one came.
    pub opens_with_random_access: Option<bool>,
    pub(super) last_continuity: Option<u8>,
    pub(super) duplicated: bool,
}

/// Presentation times on one PID; frames may come out of order and the clock may wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamps {
    /// The first to arrive, 90 kHz ticks.
    pub first: u64,
    /// The earliest, relative to the first, ticks.
    pub earliest: i64,
    /// The latest, relative to the first, ticks.
    pub latest: i64,
    /// How many there were.
    pub count: u64,
}

impl Timestamps {
    pub(super) fn add(known: Option<Self>, pts: u64) -> Self {
        let Some(mut all) = known else { return Self { first: pts, earliest: 0, latest: 0, count: 1 } };
        let ahead = (pts + WRAP - all.first) % WRAP;
        // More than half the clock ahead means behind. Both fit in 33 bits.
        let relative = ahead.cast_signed() - if ahead > WRAP / 2 { WRAP.cast_signed() } else { 0 };
        all.earliest = all.earliest.min(relative);
        all.latest = all.latest.max(relative);
        all.count += 1;
        all
    }

    /// How long this plays, seconds: from the earliest to the latest, and one interval more for the last itself.
    pub fn duration(&self) -> f64 {
        let span = (self.latest - self.earliest) as f64 / CLOCK;
        if self.count > 1 { span * self.count as f64 / (self.count - 1) as f64 } else { span }
    }
}

impl Report {
    /// Elementary streams of all programs.
    pub fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.programs.iter().flat_map(|program| &program.streams)
    }

    /// Continuity errors on all PIDs.
    pub fn continuity_errors(&self) -> u64 {
        self.pids.values().map(|pid| pid.continuity_errors).sum()
    }

    /// The stream that leads: the first video, else the first audio.
    pub fn main_stream(&self) -> Option<&Stream> {
        [Kind::Video, Kind::Audio].iter().find_map(|kind| self.streams().find(|stream| stream.kind == *kind))
    }

    /// How long the leading stream plays, seconds; `None` when it carries no times.
    pub fn duration(&self) -> Option<f64> {
        self.main_pid()?.pts.map(|pts| pts.duration())
    }

    /// Whether the first video frame can be decoded without earlier ones; `None` without video, or before its first frame.
    pub fn opens_with_key_frame(&self) -> Option<bool> {
        self.main_stream().filter(|stream| stream.kind == Kind::Video)?;
        self.main_pid()?.opens_with_random_access
    }

    /// Share of stuffing, 0 to 1.
    pub fn null_share(&self) -> f64 {
        self.share(self.null_packets)
    }

    /// Share of scrambled packets, 0 to 1.
    pub fn scrambled_share(&self) -> f64 {
        self.share(self.scrambled_packets)
    }

    fn main_pid(&self) -> Option<&PidReport> {
        self.pids.get(&self.main_stream()?.pid)
    }

    fn share(&self, packets: u64) -> f64 {
        if self.packets == 0 { 0.0 } else { packets as f64 / self.packets as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_may_wrap_and_come_out_of_order() {
        let times = [WRAP - 3600, 3600, 0, 7200];
        let all = times.iter().fold(None, |all, &pts| Some(Timestamps::add(all, pts))).unwrap();
        assert_eq!((all.earliest, all.latest, all.count), (0, 10_800, 4));
        assert!((all.duration() - 0.16).abs() < 1e-9);
        let back = Timestamps::add(Some(Timestamps::add(None, 100)), WRAP - 100);
        assert_eq!((back.earliest, back.latest), (-200, 0));
    }
}
