//! What an analysis found.

use std::collections::BTreeMap;
use std::time::Duration;

use super::psi::{Kind, Program, Stream};
use super::services::Service;
use super::time::{Clock, Repetition, Stamp};

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
    /// Bytes of packets beyond 188: parity or time stamps.
    pub extra_bytes: u64,
    /// How often packets did not follow one another (TR 101 290, 1.1 and 1.2).
    pub sync_losses: u64,
    /// Those of the losses of sync where only a sync byte was wrong (1.2).
    pub sync_byte_errors: u64,
    /// Packets marked uncorrectable (2.1).
    pub transport_errors: u64,
    /// Stuffing packets, PID 0x1fff.
    pub null_packets: u64,
    /// Packets with scrambled payload.
    pub scrambled_packets: u64,
    /// Sections of PAT, PMT, CAT or SDT whose checksum is wrong (2.2).
    pub crc_errors: u64,
    /// How often the PAT came (1.3).
    pub pat: Repetition,
    /// How often the CAT came; scrambled streams need one (2.6).
    pub cat: Repetition,
    /// Sections of other tables on the PIDs of PAT and CAT (1.3, 2.6).
    pub foreign_sections: u64,
    /// Scrambled packets on the PIDs of PAT and PMT, which no receiver can read (1.3, 1.5).
    pub scrambled_tables: u64,
    /// Programs of the PAT in their order.
    pub programs: Vec<Program>,
    /// Services that the SDT names.
    pub services: Vec<Service>,
    /// Every PID that was seen but stuffing.
    pub pids: BTreeMap<u16, PidReport>,
    /// When the latest bytes came; `None` when nobody said.
    pub(super) now: Option<Stamp>,
}

/// What was seen on one PID.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PidReport {
    /// Packets.
    pub packets: u64,
    /// Packets that did not carry the next continuity counter (1.4).
    pub continuity_errors: u64,
    /// Packets that are missing at least, by the continuity counters: they wrap at 16.
    pub missing: u64,
    /// Packets with scrambled payload.
    pub scrambled: u64,
    /// When the first and the latest packet came, on the clock of [`Analyzer::feed_at`](super::Analyzer::feed_at).
    pub arrivals: Option<(Duration, Duration)>,
    /// Presentation times of PES packets, 90 kHz.
    pub pts: Option<Timestamps>,
    /// How often a PES packet said when it plays (2.5).
    pub pts_repetition: Repetition,
    /// The first and the last program clock, 27 MHz ticks.
    pub pcr: Option<(u64, u64)>,
    /// How the program clock ran (2.3).
    pub clock: Clock,
    /// Whether a decoder can start at the first PES packet (random access indicator); `None` before one came.
    pub opens_with_random_access: Option<bool>,
    pub(super) last_continuity: Option<u8>,
    pub(super) duplicated: bool,
    /// Packets are missing since the clock value before.
    pub(super) clock_broken: bool,
    /// Bytes of a PES header that are still to come; `None` before the first PES packet and while it is scrambled.
    pub(super) pes_header_left: Option<usize>,
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

    /// Pictures and sound that came.
    pub fn sending(&self) -> impl Iterator<Item = &Stream> {
        self.streams().filter(|stream| stream.kind != Kind::Data && self.pids.contains_key(&stream.pid))
    }

    /// Continuity errors on all PIDs.
    pub fn continuity_errors(&self) -> u64 {
        self.pids.values().map(|pid| pid.continuity_errors).sum()
    }

    /// Packets that are missing at least, on all PIDs.
    pub fn missing(&self) -> u64 {
        self.pids.values().map(|pid| pid.missing).sum()
    }

    /// The longest time without PAT, up to now; `None` without arrival times or before the first PAT.
    pub fn pat_interval(&self) -> Option<Duration> {
        self.pat.longest_until(self.now)
    }

    /// The longest time without the PMT of a program, up to now.
    pub fn pmt_interval(&self, program: &Program) -> Option<Duration> {
        program.pmt.longest_until(self.now)
    }

    /// The longest time without presentation times on a PID, up to now.
    pub fn pts_interval(&self, pid: u16) -> Option<Duration> {
        self.pids.get(&pid)?.pts_repetition.longest_until(self.now)
    }

    /// Packets of a program: its PMT, its clock, its streams.
    pub fn packets_of(&self, program: &Program) -> u64 {
        let mut pids: Vec<u16> = program.streams.iter().map(|stream| stream.pid).collect();
        pids.extend([program.pmt_pid, program.pcr_pid.unwrap_or(program.pmt_pid)]);
        pids.sort_unstable();
        pids.dedup();
        pids.iter().filter_map(|pid| self.pids.get(pid)).map(|pid| pid.packets).sum()
    }

    /// What the SDT says about a program.
    pub fn service(&self, program: &Program) -> Option<&Service> {
        self.services.iter().find(|service| service.id == program.number)
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
