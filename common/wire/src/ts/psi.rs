//! Program tables: sections put together from packets, PAT and PMT read, stream types named.

use std::fmt;

use super::{PACKET, Repetition};

/// The longest PAT or PMT section (ISO 13818-1 section 2.4.4.3: its length field may say 1021).
const MAX_SECTION: usize = 1024;
/// The most programs that are followed; a PAT section has room for 253.
pub const MAX_PROGRAMS: usize = 256;

/// One program of the PAT, with what its PMT says once it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Service number.
    pub number: u16,
    /// PID of its PMT.
    pub pmt_pid: u16,
    /// PID of its clock; `None` until the PMT has come. 0x1fff: it has none.
    pub pcr_pid: Option<u16>,
    /// How often its PMT came (1.5).
    pub pmt: Repetition,
    /// Elementary streams.
    pub streams: Vec<Stream>,
}

/// One elementary stream of a PMT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Its PID.
    pub pid: u16,
    /// The `stream_type` byte.
    pub stream_type: u8,
    /// Codec in the field's words; `unknown` for a type that nobody registered.
    pub codec: &'static str,
    /// What it is for.
    pub kind: Kind,
}

/// What an elementary stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Subtitles, cues, tags and the unknown.
    Data,
}

impl Stream {
    /// What it is for, in a word.
    pub const fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Video => "video",
            Kind::Audio => "audio",
            Kind::Data => "data",
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (PID {})", self.codec, self.pid)
    }
}

/// Collects the sections of one PID.
#[derive(Debug, Clone, Default)]
pub(super) struct Sections {
    collected: Vec<u8>,
}

impl Sections {
    /// Takes a payload and hands on each section that is now complete.
    pub(super) fn push(&mut self, payload: &[u8], unit_start: bool, mut sink: impl FnMut(&[u8])) {
        if unit_start {
            let Some((&pointer, rest)) = payload.split_first() else { return };
            let Some((tail, begin)) = rest.split_at_checked(usize::from(pointer)) else { return };
            self.append(tail, &mut sink);
            self.collected.clear();
            self.collected.extend_from_slice(begin);
            self.append(&[], &mut sink);
        } else {
            self.append(payload, &mut sink);
        }
    }

    fn append(&mut self, payload: &[u8], sink: &mut impl FnMut(&[u8])) {
        if self.collected.is_empty() {
            return;
        }
        self.collected.extend_from_slice(payload);
        while let [table, high, low, ..] = *self.collected.as_slice() {
            let length = 3 + usize::from(u16::from_be_bytes([high & 0x0f, low]));
            // 0xff is stuffing up to the end of the packet.
            if table == 0xff || length > MAX_SECTION {
                self.collected.clear();
            } else if let Some(section) = self.collected.get(..length) {
                sink(section);
                self.collected.drain(..length);
            } else {
                break;
            }
        }
        debug_assert!(self.collected.len() < MAX_SECTION + PACKET);
    }
}

/// CRC of MPEG sections: polynomial 0x04c11db7, from all ones, not reflected. Zero over a whole section.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

/// Body of a section of the table that is valid now, between the eight header bytes and the CRC.
pub(super) fn current_body(section: &[u8], table: u8) -> Option<&[u8]> {
    let valid_now = section.get(5)? & 1 == 1;
    section.get(8..section.len().checked_sub(4)?).filter(|_| section[0] == table && valid_now)
}

/// Programs of a PAT section as (number, PMT PID).
pub(super) fn parse_pat(section: &[u8]) -> impl Iterator<Item = (u16, u16)> {
    let entries = current_body(section, 0).unwrap_or_default().chunks_exact(4);
    let entries =
        entries.map(|e| (u16::from_be_bytes([e[0], e[1]]), u16::from_be_bytes([e[2] & 0x1f, e[3]])));
    // Program 0 is the network table.
    entries.filter(|&(number, _)| number != 0)
}

/// Number, clock PID and streams of a PMT section.
pub(super) fn parse_pmt(section: &[u8]) -> Option<(u16, u16, Vec<Stream>)> {
    let body = current_body(section, 2)?;
    let number = u16::from_be_bytes([section[3], section[4]]);
    let (pcr_pid, mut rest) = pid_and_descriptors(body).map(|(pid, _, rest)| (pid, rest))?;
    let mut streams = Vec::new();
    while let Some((&stream_type, after)) = rest.split_first() {
        let Some((pid, descriptors, next)) = pid_and_descriptors(after) else { break };
        let (codec, kind) = codec(stream_type, descriptors);
        streams.push(Stream { pid, stream_type, codec, kind });
        rest = next;
    }
    Some((number, pcr_pid, streams))
}

/// A PID, a 12-bit length, as many bytes of descriptors; and what follows.
fn pid_and_descriptors(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let [a, b, c, d, ref rest @ ..] = *bytes else { return None };
    let (descriptors, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([c & 0x0f, d])))?;
    Some((u16::from_be_bytes([a & 0x1f, b]), descriptors, rest))
}

/// Names a stream: by its type, or, for private data, by its descriptors (ISO 13818-1 table 2-34, ETSI EN 300 468, ATSC
/// A/52, Apple's types for sample encryption).
fn codec(stream_type: u8, descriptors: &[u8]) -> (&'static str, Kind) {
    match stream_type {
        0x01 => ("mpeg1", Kind::Video),
        0x02 => ("mpeg2", Kind::Video),
        0x03 | 0x04 => ("mpeg audio", Kind::Audio),
        0x05 => ("private sections", Kind::Data),
        0x06 => private(descriptors),
        0x0f | 0xcf => ("aac", Kind::Audio),
        0x10 => ("mpeg4", Kind::Video),
        0x11 => ("aac latm", Kind::Audio),
        0x15 => ("id3", Kind::Data),
        0x1b | 0xdb => ("h264", Kind::Video),
        0x24 => ("hevc", Kind::Video),
        0x33 => ("vvc", Kind::Video),
        0x42 => ("avs", Kind::Video),
        0x81 | 0xc1 => ("ac3", Kind::Audio),
        0x82 | 0x85 | 0x8a => ("dts", Kind::Audio),
        0x86 => ("scte35", Kind::Data),
        0x87 | 0xc2 => ("eac3", Kind::Audio),
        0xea => ("vc1", Kind::Video),
        _ => ("unknown", Kind::Data),
    }
}

fn private(mut descriptors: &[u8]) -> (&'static str, Kind) {
    while let [tag, length, ref rest @ ..] = *descriptors {
        let Some((body, next)) = rest.split_at_checked(usize::from(length)) else { break };
        match (tag, body) {
            (0x6a, _) | (5, b"AC-3") => return ("ac3", Kind::Audio),
            (0x7a, _) | (5, b"EAC3") => return ("eac3", Kind::Audio),
            (0x7b, _) | (5, b"DTS1" | b"DTS2" | b"DTS3") => return ("dts", Kind::Audio),
            (0x7c, _) => return ("aac", Kind::Audio),
            (5, b"Opus") => return ("opus", Kind::Audio),
            (5, b"HEVC") => return ("hevc", Kind::Video),
            (5, b"AV01") => return ("av1", Kind::Video),
            (0x56, _) => return ("teletext", Kind::Data),
            (0x59, _) => return ("dvb subtitles", Kind::Data),
            (5, b"KLVA") => return ("klv", Kind::Data),
            _ => descriptors = next,
        }
    }
    ("private data", Kind::Data)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section with its length and CRC filled in.
    fn section(table: u8, id: u16, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 9).unwrap();
        let mut bytes = vec![table];
        bytes.extend_from_slice(&(0xb000 | length).to_be_bytes());
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(&[0xc1, 0, 0]);
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(&crc32(&bytes).to_be_bytes());
        bytes
    }

    #[test]
    fn crc_over_a_whole_section_is_zero() {
        assert_eq!(crc32(b"123456789"), 0x0376_e6e7, "the check value of CRC-32/MPEG-2");
        assert_eq!(crc32(&section(0, 1, &[0, 1, 0xe1, 0])), 0);
    }

    #[test]
    fn sections_are_put_together_from_packets() {
        let long = section(0, 1, &(1..=100u8).flat_map(|n| [0, n, 0xe1, n]).collect::<Vec<_>>());
        let short = section(0, 2, &[0, 7, 0xe0, 99]);
        let mut payloads = vec![[&[0][..], &long[..183]].concat(), long[183..367].to_vec()];
        let tail = &long[367..];
        payloads.push([&[u8::try_from(tail.len()).unwrap()][..], tail, &short, &[0xff; 20]].concat());
        let (mut sections, mut seen) = (Sections::default(), Vec::new());
        for (n, payload) in payloads.iter().enumerate() {
            sections.push(payload, n != 1, |section| seen.push(section.to_vec()));
        }
        assert_eq!(seen, [long, short]);
        assert_eq!(parse_pat(&seen[0]).count(), 100);
        assert_eq!(parse_pat(&seen[1]).collect::<Vec<_>>(), [(7, 99)]);
    }

    #[test]
    fn private_streams_are_named_by_their_descriptors() {
        let body = [
            0xe1, 0, 0xf0, 0, 0x06, 0xe1, 1, 0xf0, 9, 0x0a, 1, 0, 5, 4, b'O', b'p', b'u', b's', 0x1b, 0xe1,
            2, 0xf0, 0,
        ];
        let (number, pcr, streams) = parse_pmt(&section(2, 9, &body)).unwrap();
        assert_eq!((number, pcr), (9, 0x100));
        let named: Vec<_> = streams.iter().map(|s| (s.pid, s.codec, s.kind)).collect();
        assert_eq!(named, [(0x101, "opus", Kind::Audio), (0x102, "h264", Kind::Video)]);
    }

    #[test]
    fn hostile_sections_are_dropped() {
        let mut sections = Sections::default();
        let mut seen = 0;
        // A pointer beyond the payload, nothing, a header cut short, a length that no section may have.
        for payload in [&[200, 1][..], &[], &[0, 0, 0xb0], &[0, 0, 0xff, 0xff, 1]] {
            sections.push(payload, true, |_| seen += 1);
        }
        for _ in 0..100 {
            sections.push(&[1; 184], false, |_| seen += 1);
        }
        assert_eq!((seen, sections.collected.len()), (0, 0));
        assert!(parse_pmt(&[2, 0xb0, 1, 0]).is_none());
        assert_eq!(parse_pat(&[]).count(), 0);
    }
}
