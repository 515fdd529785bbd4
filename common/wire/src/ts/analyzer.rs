//! Walking over a stream packet by packet and keeping the books.

use std::collections::BTreeMap;
use std::time::Duration;

use super::packet::Packet;
use super::pes::PesHeader;
use super::psi::{MAX_PROGRAMS, Program, Sections, crc32, parse_pat, parse_pmt};
use super::report::{PidReport, Report, Timestamps};
use super::services::{SDT_PID, SDT_TABLE, parse_sdt};
use super::sync::{Found, Walker};
use super::time::{PAUSE, Repetition, Stamp};

const PAT_PID: u16 = 0;
const CAT_PID: u16 = 1;
const NULL_PID: u16 = 0x1fff;
const PAT_TABLE: u8 = 0;
const CAT_TABLE: u8 = 1;
/// PIDs with tables that are read beside the PMTs.
const TABLE_PIDS: [u16; 3] = [PAT_PID, CAT_PID, SDT_PID];
/// The most services that are remembered; one section of the SDT has room for less.
const MAX_SERVICES: usize = MAX_PROGRAMS;

/// Analyzes a stream in pieces of any size. What it holds is bounded: a piece, a section a program, a line a PID.
#[derive(Debug, Default)]
pub struct Analyzer {
    walker: Walker,
    books: Books,
}

/// A piece of an elementary stream: clear payload of PES packets, without their headers, in the order of arrival. Where
/// packets are missing pieces are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Its PID; what it is tells [`Report::streams`] once PAT and PMT have come.
    pub pid: u16,
    /// A PES packet begins here: a picture, or some frames of sound.
    pub start: bool,
    /// When that plays, 90 kHz ticks; only at a start.
    pub pts: Option<u64>,
    /// Never longer than a transport packet, at a start it may be empty.
    pub bytes: &'a [u8],
}

#[derive(Debug, Default)]
struct Books {
    sections: BTreeMap<u16, Sections>,
    report: Report,
}

impl Analyzer {
    /// An empty analysis.
    pub fn new() -> Self {
        let sections = TABLE_PIDS.map(|pid| (pid, Sections::default())).into();
        Self { walker: Walker::default(), books: Books { sections, report: Report::default() } }
    }

    /// Takes the next bytes of a stream whose arrival nobody timed, such as a file.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.feed_with(bytes, None, |_| {});
    }

    /// Takes the next bytes, which arrived at `at`, on any clock that never goes back.
    pub fn feed_at(&mut self, bytes: &[u8], at: Duration) {
        self.feed_with(bytes, Some(at), |_| {});
    }

    /// Takes the next bytes and hands on what they hold of elementary streams.
    pub fn feed_with(&mut self, bytes: &[u8], at: Option<Duration>, mut sink: impl FnMut(Piece<'_>)) {
        let books = &mut self.books;
        books.arrived(at);
        self.walker.feed(bytes, |found| books.found(found, &mut sink));
    }

    /// What was found so far.
    pub fn report(&self) -> &Report {
        &self.books.report
    }

    /// The stream has ended, or the time to watch it: looks at what was waiting for more, and reports. `at` as in
    /// [`feed_at`](Self::feed_at), so that the intervals at the end count.
    pub fn finish_at(mut self, at: Duration) -> Report {
        self.books.arrived(Some(at));
        self.finish()
    }

    /// The stream has ended: looks at what was waiting for more, and reports.
    pub fn finish(mut self) -> Report {
        let books = &mut self.books;
        self.walker.finish(|found| books.found(found, &mut |_| {}));
        self.books.report
    }
}

impl Books {
    fn arrived(&mut self, at: Option<Duration>) {
        let Some(at) = at else { return };
        let run =
            self.report.now.map_or(0, |before| before.run + u32::from(at.saturating_sub(before.at) > PAUSE));
        self.report.now = Some(Stamp { at, run });
    }

    fn found(&mut self, found: Found<'_>, sink: &mut impl FnMut(Piece<'_>)) {
        let report = &mut self.report;
        match found {
            Found::Packet(bytes) => {
                if let Some(packet) = Packet::parse(bytes) {
                    self.packet(&packet, sink);
                } else {
                    // In step, but what is in the packet contradicts itself.
                    report.packets += 1;
                    report.transport_errors += 1;
                }
            }
            Found::Extra(bytes) => report.extra_bytes += bytes as u64,
            Found::Junk(bytes) => report.junk_bytes += bytes as u64,
            Found::Lost => report.sync_losses += 1,
            Found::OnlyByte => report.sync_byte_errors += 1,
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, sink: &mut impl FnMut(Piece<'_>)) {
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
        pid.scrambled += u64::from(packet.scrambled);
        if let Some(now) = report.now {
            pid.arrivals = Some((pid.arrivals.map_or(now.at, |(first, _)| first), now.at));
        }
        let announced = packet.adaptation.is_some_and(|field| field.discontinuity);
        let again = packet.payload.is_some() && !announced && pid.is_again(packet.continuity);
        if let Some(pcr) = packet.adaptation.and_then(|field| field.pcr).filter(|_| !again) {
            pid.pcr = Some((pid.pcr.map_or(pcr, |(first, _)| first), pcr));
            let broken = std::mem::take(&mut pid.clock_broken);
            pid.clock.tick(pcr, report.now, !broken && !announced);
        }
        let Some(payload) = packet.payload else { return };
        if announced {
            pid.last_continuity = Some(packet.continuity);
        }
        if again {
            return;
        }
        if packet.scrambled {
            pid.pes_header_left = None;
            report.scrambled_tables += u64::from(self.sections.contains_key(&packet.pid));
            return;
        }
        if let Some(mut sections) = self.sections.remove(&packet.pid) {
            sections.push(payload, packet.unit_start, |section| self.section(packet.pid, section));
            self.sections.insert(packet.pid, sections);
        } else {
            let random_access = packet.adaptation.is_some_and(|field| field.random_access);
            pid.elementary(packet.pid, packet.unit_start, payload, random_access, report.now, sink);
        }
    }

    fn section(&mut self, pid: u16, section: &[u8]) {
        let report = &mut self.report;
        if crc32(section) != 0 {
            report.crc_errors += 1;
            return;
        }
        match (pid, section[0]) {
            (PAT_PID, PAT_TABLE) => self.pat(section),
            (CAT_PID, CAT_TABLE) => report.cat.seen(report.now),
            (PAT_PID | CAT_PID, _) => report.foreign_sections += 1,
            (SDT_PID, SDT_TABLE) => {
                for service in parse_sdt(section) {
                    report.services.retain(|known| known.id != service.id);
                    report.services.push(service);
                }
                report.services.truncate(MAX_SERVICES);
            }
            _ => {
                let Some((number, pcr_pid, streams)) = parse_pmt(section) else { return };
                let mut programs = report.programs.iter_mut();
                if let Some(program) = programs.find(|p| p.number == number && p.pmt_pid == pid) {
                    program.pcr_pid = Some(pcr_pid);
                    program.streams = streams;
                    program.pmt.seen(report.now);
                }
            }
        }
    }

    fn pat(&mut self, section: &[u8]) {
        self.report.pat.seen(self.report.now);
        let programs = &mut self.report.programs;
        for (number, pmt_pid) in parse_pat(section) {
            let pmt = Repetition::default();
            let program = Program { number, pmt_pid, pcr_pid: None, pmt, streams: Vec::new() };
            match programs.iter().position(|known| known.number == number) {
                Some(at) if programs[at].pmt_pid == pmt_pid => continue,
                Some(at) => programs[at] = program,
                None if programs.len() == MAX_PROGRAMS => break,
                None => programs.push(program),
            }
            // A PMT on a PID of its own; one that points back at the PAT would take the PAT away from us.
            if !TABLE_PIDS.contains(&pmt_pid) && self.sections.len() < TABLE_PIDS.len() + MAX_PROGRAMS {
                self.sections.entry(pmt_pid).or_default();
            }
        }
    }
}

impl PidReport {
    /// Counts what the continuity counter says; true when this packet was there already.
    fn is_again(&mut self, continuity: u8) -> bool {
        let Some(last) = self.last_continuity.replace(continuity) else { return false };
        // Section 2.4.3.3: a packet may be sent twice, not three times.
        let duplicate = continuity == last && !self.duplicated;
        let missing = continuity.wrapping_sub(last + 1) & 0x0f;
        self.duplicated = duplicate;
        if !duplicate && missing != 0 {
            self.continuity_errors += 1;
            self.clock_broken = true;
            // A packet that comes a third time is too much, not too little.
            self.missing += if continuity == last { 0 } else { u64::from(missing) };
        }
        duplicate
    }

    /// Takes payload that is no table.
    fn elementary(
        &mut self,
        pid: u16,
        start: bool,
        payload: &[u8],
        random_access: bool,
        now: Option<Stamp>,
        sink: &mut impl FnMut(Piece<'_>),
    ) {
        let (mut pts, mut skip) = (None, self.pes_header_left);
        if start {
            let Some(header) = PesHeader::parse(payload) else {
                self.pes_header_left = None;
                return;
            };
            self.opens_with_random_access.get_or_insert(random_access);
            pts = header.pts;
            if let Some(pts) = pts {
                self.pts = Some(Timestamps::add(self.pts, pts));
                self.pts_repetition.seen(now);
            }
            skip = (!header.scrambled).then_some(header.length);
        }
        self.pes_header_left = skip.map(|skip| skip.saturating_sub(payload.len()));
        if let Some(skip) = skip {
            sink(Piece { pid, start, pts, bytes: payload.get(skip..).unwrap_or_default() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::{Kind, PACKET, analyze};
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

    #[test]
    fn services_are_named_and_tables_counted() {
        let report = analyze(SEGMENT);
        let service = report.service(&report.programs[0]).unwrap();
        assert_eq!((service.name.as_str(), service.provider.as_str()), ("Service01", "FFmpeg"));
        assert_eq!((report.pat.count, report.programs[0].pmt.count), (1, 1));
        assert_eq!(
            report.packets_of(&report.programs[0]),
            report.packets - report.pat.count - report.pids[&17].packets
        );
        assert_eq!((report.pat_interval(), report.foreign_sections, report.scrambled_tables), (None, 0, 0));
    }

    #[test]
    fn packets_with_parity_or_time_stamps_are_the_same_stream() {
        let plain = analyze(SEGMENT);
        let parity: Vec<u8> = SEGMENT.chunks_exact(PACKET).flat_map(|p| [p, &[0xaa; 16]].concat()).collect();
        let stamped: Vec<u8> =
            SEGMENT.chunks_exact(PACKET).flat_map(|p| [&[0, 1, 2, 3], p].concat()).collect();
        for (bytes, size) in [(parity, 16), (stamped, 4)] {
            let report = analyze(&bytes);
            assert_eq!(
                (report.packets, report.pids, report.sync_losses),
                (plain.packets, plain.pids.clone(), 0)
            );
            assert_eq!(report.extra_bytes + report.junk_bytes, size * plain.packets);
        }
    }

    #[test]
    fn a_wrong_sync_byte_is_told_from_a_loss_of_sync() {
        let mut bytes = SEGMENT.to_vec();
        bytes[20 * PACKET] = 0;
        let report = analyze(&bytes);
        assert_eq!((report.sync_losses, report.sync_byte_errors, report.junk_bytes), (1, 1, PACKET as u64));
        assert_eq!(report.missing(), 1);
        bytes.remove(30 * PACKET);
        let report = analyze(&bytes);
        assert_eq!((report.sync_losses, report.sync_byte_errors), (2, 1));
    }

    #[test]
    fn what_is_handed_on_is_the_elementary_stream() {
        let (mut analyzer, mut video, mut starts) = (Analyzer::new(), Vec::new(), 0);
        analyzer.feed_with(SEGMENT, None, |piece| {
            if piece.pid == 256 {
                starts += u64::from(piece.start);
                assert_eq!(piece.pts.is_some(), piece.start);
                video.extend_from_slice(piece.bytes);
            }
        });
        let report = analyzer.finish();
        assert_eq!(starts, report.pids[&256].pts.unwrap().count);
        assert!(video.starts_with(&[0, 0, 0, 1, 9]), "an access unit delimiter");
        assert!(!video.windows(4).any(|bytes| bytes == [0, 0, 1, 0xe0]), "a PES header is left");
    }

    #[test]
    fn with_arrival_times_tables_and_clocks_have_intervals() {
        let bytes = include_bytes!("../../testdata/ts/h264-aac-null-stuffed.ts");
        let mut analyzer = Analyzer::new();
        let clock = |packet: &[u8]| Packet::parse(packet.try_into().unwrap()).unwrap().adaptation?.pcr;
        let start = bytes.chunks_exact(PACKET).find_map(clock).unwrap();
        let mut now = Duration::ZERO;
        for packet in bytes.chunks_exact(PACKET) {
            now = clock(packet).map_or(now, |pcr| Duration::from_nanos((pcr - start) * 1000 / 27));
            analyzer.feed_at(packet, now);
        }
        let report = analyzer.finish_at(now + Duration::from_millis(200));
        let milliseconds = |interval: Option<Duration>| interval.unwrap().as_millis();
        assert_eq!(milliseconds(report.pat_interval()), 300, "the end, which came late, counts");
        assert_eq!(report.pmt_interval(&report.programs[0]), report.pat_interval());
        assert!((200..=400).contains(&milliseconds(report.pts_interval(256))));
        let clock = report.pids[&256].clock;
        assert!(
            clock.jumps == 0 && clock.advanced > 0.0 && (clock.advanced - clock.took).abs() < 0.02,
            "{clock:?}"
        );
        assert!(milliseconds(clock.longest) <= 100, "{clock:?}");
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
            prop_assert_eq!(report.packets * PACKET as u64 + report.extra_bytes + report.junk_bytes, bytes.len() as u64);
        }
    }
}
