//! Walking over a stream packet by packet and keeping the books.

use std::collections::BTreeMap;

use super::packet::{PACKET, Packet, SYNC_PACKETS, find_sync};
use super::psi::{MAX_PROGRAMS, Program, Sections, crc32, parse_pat, parse_pmt};
use super::report::{Report, Timestamps};

const PAT_PID: u16 = 0;
const NULL_PID: u16 = 0x1fff;
/// Bytes that are looked at together while searching for packets: five of them at any offset.
const SYNC_WINDOW: usize = (SYNC_PACKETS + 1) * PACKET;
/// The most that is taken in at once, and so, beside a window, the most that is held.
const PIECE: usize = 32 * 1024;

/// Analyzes a stream in pieces of any size. What it holds is bounded: a piece, a section a program, a line a PID.
#[derive(Debug, Default)]
pub struct Analyzer {
    pending: Vec<u8>,
    in_sync: bool,
    sections: BTreeMap<u16, Sections>,
    report: Report,
}

impl Analyzer {
    /// An empty analysis.
    pub fn new() -> Self {
        Self { sections: BTreeMap::from([(PAT_PID, Sections::default())]), ..Self::default() }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            self.pending.extend_from_slice(piece);
            self.work(SYNC_WINDOW);
        }
    }

    /// What was found so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The stream has ended: looks at what was waiting for more, and reports.
    pub fn finish(mut self) -> Report {
        self.work(0);
        self.report.junk_bytes += self.pending.len() as u64;
        self.report
    }

    /// Takes packets from what is pending; while out of step, only when at least `window` bytes are at hand.
    fn work(&mut self, window: usize) {
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_slice();
        loop {
            if !self.in_sync {
                if rest.len() < window.max(PACKET) {
                    break;
                }
                let found = find_sync(rest);
                // Nowhere in here: keep what may be the beginning of five packets.
                let skip = found.unwrap_or(rest.len() - window.saturating_sub(1));
                self.report.junk_bytes += skip as u64;
                rest = &rest[skip..];
                if found.is_none() {
                    break;
                }
                self.in_sync = true;
            }
            let Some((bytes, after)) = rest.split_first_chunk::<PACKET>() else { break };
            if let Some(packet) = Packet::parse(bytes) {
                self.packet(&packet);
                rest = after;
            } else if bytes[0] == 0x47 {
                // In step, but what is in the packet contradicts itself.
                self.report.packets += 1;
                self.report.transport_errors += 1;
                rest = after;
            } else {
                self.report.sync_losses += 1;
                self.in_sync = false;
            }
        }
        self.pending = rest.to_vec();
    }

    fn packet(&mut self, packet: &Packet) {
        let report = &mut self.report;
        report.packets += 1;
        if packet.transport_error {
            // Not even the PID can be believed.
            report.transport_errors += 1;
            return;
        }
        if packet.pid == NULL_PID {
            report.null_packets += 1;
            return;
        }
        report.scrambled_packets += u64::from(packet.scrambled);
        let pid = report.pids.entry(packet.pid).or_default();
        pid.packets += 1;
        if let Some(pcr) = packet.adaptation.and_then(|field| field.pcr) {
            pid.pcr = Some((pid.pcr.map_or(pcr, |(first, _)| first), pcr));
        }
        let Some(payload) = packet.payload else { return };
        let announced = packet.adaptation.is_some_and(|field| field.discontinuity);
        if let Some(last) = pid.last_continuity.replace(packet.continuity).filter(|_| !announced) {
            // Section 2.4.3.3: a packet may be sent twice, not three times.
            let duplicate = packet.continuity == last && !pid.duplicated;
            let next = packet.continuity == (last + 1) & 0x0f;
            pid.duplicated = duplicate;
            pid.continuity_errors += u64::from(!duplicate && !next);
            if duplicate {
                return;
            }
        }
        if packet.scrambled {
            return;
        }
        if let Some(mut sections) = self.sections.remove(&packet.pid) {
            sections.push(payload, packet.unit_start, |section| self.section(packet.pid, section));
            self.sections.insert(packet.pid, sections);
        } else if packet.unit_start && payload.starts_with(&[0, 0, 1]) {
            let random_access = packet.adaptation.is_some_and(|field| field.random_access);
            pid.opens_with_random_access.get_or_insert(random_access);
            if let Some(pts) = pes_pts(payload) {
                pid.pts = Some(Timestamps::add(pid.pts, pts));
            }
        }
    }

    fn section(&mut self, pid: u16, section: &[u8]) {
        if crc32(section) != 0 {
            self.report.crc_errors += 1;
            return;
        }
        let programs = &mut self.report.programs;
        if pid != PAT_PID {
            let Some((number, pcr_pid, streams)) = parse_pmt(section) else { return };
            if let Some(program) = programs.iter_mut().find(|p| p.number == number && p.pmt_pid == pid) {
                program.pcr_pid = Some(pcr_pid);
                program.streams = streams;
            }
            return;
        }
        for (number, pmt_pid) in parse_pat(section) {
            let program = Program { number, pmt_pid, pcr_pid: None, streams: Vec::new() };
            match programs.iter().position(|known| known.number == number) {
                Some(at) if programs[at].pmt_pid == pmt_pid => continue,
                Some(at) => programs[at] = program,
                None if programs.len() == MAX_PROGRAMS => break,
                None => programs.push(program),
            }
            // A PMT on a PID of its own; one that points back at the PAT would take the PAT away from us.
            if pmt_pid != PAT_PID && self.sections.len() <= MAX_PROGRAMS {
                self.sections.entry(pmt_pid).or_default();
            }
        }
    }
}

/// The presentation time in a PES header, section 2.4.3.7: 33 bits in five bytes.
fn pes_pts(payload: &[u8]) -> Option<u64> {
    let [0, 0, 1, stream_id, _, _, marker, flags, _, ref times @ ..] = *payload else { return None };
    if !has_pes_header(stream_id) || marker & 0xc0 != 0x80 || flags & 0x80 == 0 {
        return None;
    }
    // Marker bits stand after the 3rd, the 18th and the 33rd bit.
    let bits = times.first_chunk::<5>()?.iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
    Some((bits >> 3 & 7 << 30) | (bits >> 2 & 0x7fff << 15) | (bits >> 1 & 0x7fff))
}

/// Stream ids whose packets have no flags and times: maps, padding, private 2, ECM, EMM, directory.
fn has_pes_header(stream_id: u8) -> bool {
    !matches!(stream_id, 0xbc | 0xbe | 0xbf | 0xf0..=0xf2 | 0xf8 | 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::{Kind, analyze};
    use proptest::prelude::*;

    const SEGMENT: &[u8] = include_bytes!("../../testdata/ts/h264-aac-2s.ts");

    #[test]
    fn recorded_segment_is_whole_two_seconds_of_h264_and_aac() {
        let report = analyze(SEGMENT);
        assert_eq!((report.packets, report.junk_bytes), ((SEGMENT.len() / PACKET) as u64, 0));
        assert_eq!((report.programs.len(), report.programs[0].pcr_pid), (1, Some(256)));
        let streams: Vec<_> = report.streams().map(|s| (s.pid, s.codec, s.kind)).collect();
        assert_eq!(streams, [(256, "h264", Kind::Video), (257, "aac", Kind::Audio)]);
        assert_eq!((report.continuity_errors(), report.crc_errors, report.sync_losses), (0, 0, 0));
        assert!((report.duration().unwrap() - 2.0).abs() < 0.001, "{:?}", report.duration());
        assert_eq!(report.opens_with_key_frame(), Some(true));
        let (first, last) = report.pids[&256].pcr.unwrap();
        assert!(last > first && last - first < 2 * 27_000_000);
    }

    #[test]
    fn recorded_streams_of_other_codecs_are_named() {
        for (bytes, expected) in [
            (&include_bytes!("../../testdata/ts/mpeg2-ac3.ts")[..], ["mpeg2", "ac3"]),
            (include_bytes!("../../testdata/ts/hevc-opus.ts"), ["hevc", "opus"]),
        ] {
            let report = analyze(bytes);
            assert_eq!(report.streams().map(|s| s.codec).collect::<Vec<_>>(), expected);
            assert_eq!(report.continuity_errors(), 0);
        }
    }

    #[test]
    fn stuffing_is_counted() {
        let bytes = include_bytes!("../../testdata/ts/h264-aac-null-stuffed.ts");
        let nulls = bytes.chunks_exact(PACKET).filter(|p| p[1] & 0x1f == 0x1f && p[2] == 0xff).count();
        let report = analyze(bytes);
        assert_eq!(report.null_packets, nulls as u64);
        assert!(report.null_share() > 0.05, "{}", report.null_share());
        assert_eq!(report.continuity_errors(), 0);
    }

    #[test]
    fn a_lost_packet_is_one_continuity_error_and_a_repeated_one_is_none() {
        let at = 30 * PACKET;
        let lost = [&SEGMENT[..at], &SEGMENT[at + PACKET..]].concat();
        assert_eq!(analyze(&lost).continuity_errors(), 1);
        let twice = [&SEGMENT[..at + PACKET], &SEGMENT[at..]].concat();
        assert_eq!(analyze(&twice).continuity_errors(), 0);
        let thrice = [&SEGMENT[..at + PACKET], &SEGMENT[at..at + PACKET], &SEGMENT[at..]].concat();
        assert_eq!(analyze(&thrice).continuity_errors(), 1);
    }

    #[test]
    fn a_segment_cut_before_its_key_frame_does_not_open_with_one() {
        let is_second_frame = |p: &[u8]| p[1] == 0x41 && p[2] == 0 && p[3] & 0x20 != 0 && p[5] & 0x40 == 0;
        let at = SEGMENT.chunks_exact(PACKET).position(is_second_frame).unwrap();
        let cut = [&SEGMENT[..3 * PACKET], &SEGMENT[at * PACKET..]].concat();
        assert_eq!(analyze(&cut).opens_with_key_frame(), Some(false));
    }

    #[test]
    fn junk_and_broken_packets_are_told_apart() {
        let mut bytes = [&[1; 300][..], SEGMENT].concat();
        let report = analyze(&bytes);
        assert_eq!((report.junk_bytes, report.sync_losses), (300, 0));
        bytes.splice(300 + 20 * PACKET + 50..300 + 20 * PACKET + 60, []);
        let report = analyze(&bytes);
        assert_eq!((report.sync_losses, report.junk_bytes), (1, 300 + PACKET as u64 - 10));
        let mut damaged = SEGMENT.to_vec();
        damaged[PACKET + 10] ^= 1;
        assert_eq!(analyze(&damaged).crc_errors, 1);
        damaged[PACKET + 1] |= 0x80;
        assert_eq!(analyze(&damaged).transport_errors, 1);
    }

    #[test]
    fn scrambled_packets_are_counted_and_not_looked_into() {
        let mut bytes = SEGMENT.to_vec();
        bytes.chunks_exact_mut(PACKET).filter(|p| p[1] & 0x1f == 1).for_each(|p| p[3] |= 0x80);
        let report = analyze(&bytes);
        assert!(report.scrambled_share() > 0.8);
        assert_eq!(report.opens_with_key_frame(), None);
    }

    proptest! {
        #[test]
        fn split_anywhere_is_equal_to_whole(piece in 1usize..2000, junk in 0usize..3000, byte in prop_oneof![Just(0), Just(0x47)]) {
            let bytes = [&vec![byte; junk][..], SEGMENT].concat();
            let mut analyzer = Analyzer::new();
            bytes.chunks(piece).for_each(|part| analyzer.feed(part));
            prop_assert_eq!(analyzer.finish(), analyze(&bytes));
        }

        #[test]
        fn every_byte_is_in_a_packet_or_junk(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 187), 0..12), junk in proptest::collection::vec(any::<u8>(), 0..40), at in 0usize..12) {
            let mut bytes = Vec::new();
            for (n, packet) in packets.iter().enumerate() {
                if n == at { bytes.extend_from_slice(&junk); }
                bytes.push(0x47);
                bytes.extend_from_slice(packet);
            }
            let report = analyze(&bytes);
            prop_assert_eq!(report.packets * PACKET as u64 + report.junk_bytes, bytes.len() as u64);
        }
    }
}
