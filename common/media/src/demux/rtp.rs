//! RTP payloads put together to frames: RFC 6184 (H.264), 7798 (H.265), 3640 (AAC), 6416 (LATM), 2250 and 5219 (MPEG audio), 7587 (Opus),
//! 3551 (PCM).

use weir_wire::sdp::Format;

use super::aac;
use super::ts::Ts;
use crate::{Codec, Unit, Watcher};

/// The most bytes of a unit in fragments that are put together.
const UNIT_MAX: usize = 2 * 1024 * 1024;

/// One track of RTP.
pub struct RtpTrack {
    track: u32,
    codec: Codec,
    /// MPEG-TS instead of one codec.
    ts: Option<Ts>,
    latm: bool,
    clock: u32,
    channels: u8,
    /// Bits of an AU header's size and index (RFC 3640, 3.2.1).
    au: (usize, usize),
    parameter_sets: Vec<Vec<u8>>,
    fragments: Vec<u8>,
    /// The last timestamp, and the time that it stands for.
    last: Option<(u32, f64)>,
}

impl RtpTrack {
    /// A track of this format; `track` tells it from the others.
    pub fn new(track: u32, format: &Format) -> Self {
        let number = |name| format.parameter(name).and_then(|value| value.parse().ok()).unwrap_or(0);
        let latm = format.encoding.eq_ignore_ascii_case("MP4A-LATM");
        let configuration = || hex(format.parameter("config").unwrap_or_default());
        let codec = match format.codec.as_str() {
            "H264" => Codec::H264,
            "H265" => Codec::H265,
            // StreamMuxConfig: 15 bits before the configuration (ISO 14496-3, 1.7.3), when it is the simple kind.
            "AAC" if latm => match configuration() {
                bytes if bytes.first().is_some_and(|byte| byte & 0x80 == 0) => {
                    aac::configuration(&shifted(&bytes, 15))
                }
                _ => Codec::OtherAudio("LATM of an unusual kind"),
            },
            "AAC" => aac::configuration(&configuration()),
            "MPA" => Codec::MpegAudio,
            "PCMA" => Codec::Pcma,
            "PCMU" => Codec::Pcmu,
            "L16" => Codec::L16,
            "OPUS" => Codec::Opus,
            "AC3" => Codec::OtherAudio("AC-3"),
            "VORBIS" => Codec::OtherAudio("Vorbis in RTP"),
            "VP8" | "VP9" | "AV1" | "MP4V-ES" | "JPEG" | "H263" | "H263-1998" | "MPV" | "H261" | "THEORA" => {
                Codec::OtherVideo("this video codec")
            }
            _ => Codec::OtherAudio("this codec"),
        };
        Self {
            track,
            codec,
            ts: (format.codec == "MP2T").then(Ts::default),
            latm,
            clock: format.clock_rate.unwrap_or(90_000).max(1),
            channels: format.channels.unwrap_or(1),
            au: (number("sizelength"), number("indexlength").max(number("indexdeltalength"))),
            parameter_sets: format.parameter_sets(),
            fragments: Vec::new(),
            last: None,
        }
    }

    /// One packet's payload, in the order of their numbers.
    pub fn packet(&mut self, timestamp: u32, marker: bool, payload: &[u8], watcher: &mut Watcher) {
        if let Some(ts) = &mut self.ts {
            ts.feed(payload, watcher);
            return;
        }
        if !watcher.wants(self.codec.is_video()) {
            return;
        }
        // Timestamps wrap, and pictures are sent in the order of coding.
        let time = match self.last {
            Some((last, time)) => {
                time + f64::from(timestamp.wrapping_sub(last).cast_signed()) / f64::from(self.clock)
            }
            None => 0.0,
        };
        self.last = Some((timestamp, time));
        for set in std::mem::take(&mut self.parameter_sets) {
            watcher.nal(&self.unit(time, &set));
        }
        match self.codec {
            Codec::H264 => self.h264(time, payload, watcher),
            Codec::H265 => self.h265(time, payload, watcher),
            Codec::Aac { .. } if self.latm => self.latm(time, marker, payload, watcher),
            Codec::Aac { .. } => self.access_units(time, payload, watcher),
            // Four bytes of header: a reserved word, and where in a frame the payload begins (RFC 2250, 3.5).
            Codec::MpegAudio => self.mpeg_audio(time, payload, watcher),
            Codec::Pcma | Codec::Pcmu | Codec::L16 => {
                watcher.pcm(&self.unit(time, payload), (self.clock, self.channels));
            }
            _ => watcher.unit(&self.unit(time, payload)),
        }
    }

    fn unit<'a>(&self, time: f64, bytes: &'a [u8]) -> Unit<'a> {
        Unit { track: self.track, codec: self.codec, time, bytes }
    }

    /// Single units, aggregates (STAP-A, 24) and fragments (FU-A, 28): RFC 6184, 5.2.
    fn h264(&mut self, time: f64, payload: &[u8], watcher: &mut Watcher) {
        match *payload {
            [header, ref rest @ ..] if header & 0x1f == 24 => self.aggregate(time, rest, watcher),
            [indicator, header, ref rest @ ..] if indicator & 0x1f == 28 => {
                let first = [indicator & 0xe0 | header & 0x1f];
                self.fragment(time, header, &first, rest, watcher);
            }
            [header, ..] if (1..24).contains(&(header & 0x1f)) => watcher.nal(&self.unit(time, payload)),
            _ => {}
        }
    }

    /// The same for H.265: aggregates are 48, fragments 49 (RFC 7798, 4.4).
    fn h265(&mut self, time: f64, payload: &[u8], watcher: &mut Watcher) {
        match *payload {
            [header, _, ref rest @ ..] if header >> 1 & 0x3f == 48 => self.aggregate(time, rest, watcher),
            [a, b, header, ref rest @ ..] if a >> 1 & 0x3f == 49 => {
                let first = [a & 0x81 | (header & 0x3f) << 1, b];
                self.fragment(time, header, &first, rest, watcher);
            }
            [_, _, ..] => watcher.nal(&self.unit(time, payload)),
            _ => {}
        }
    }

    fn aggregate(&self, time: f64, mut rest: &[u8], watcher: &mut Watcher) {
        while let [high, low, after @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((unit, after)) = after.split_at_checked(length) else { return };
            watcher.nal(&self.unit(time, unit));
            rest = after;
        }
    }

    /// A fragment: bit 7 of its header begins a unit, bit 6 ends it.
    fn fragment(&mut self, time: f64, header: u8, first: &[u8], rest: &[u8], watcher: &mut Watcher) {
        if header & 0x80 != 0 {
            self.fragments.clear();
            self.fragments.extend_from_slice(first);
        }
        if !self.fragments.is_empty() && self.fragments.len() + rest.len() <= UNIT_MAX {
            self.fragments.extend_from_slice(rest);
        }
        if header & 0x40 != 0 && !self.fragments.is_empty() {
            let unit = std::mem::take(&mut self.fragments);
            watcher.nal(&self.unit(time, &unit));
        }
    }

    /// AU headers, then as many frames (RFC 3640, 3.2). A frame in several packets is too rare for sound to be put together.
    fn access_units(&self, time: f64, payload: &[u8], watcher: &mut Watcher) {
        let (size_bits, index_bits) = self.au;
        let Some((&[high, low], rest)) = payload.split_first_chunk::<2>() else { return };
        let bits = usize::from(u16::from_be_bytes([high, low]));
        let one = size_bits + index_bits;
        let Some((headers, mut frames)) = rest.split_at_checked(bits.div_ceil(8)) else { return };
        if size_bits == 0 || size_bits > 16 {
            return;
        }
        for number in 0..bits / one {
            let size = (number * one..number * one + size_bits).fold(0usize, |size, bit| {
                size << 1 | usize::from(headers.get(bit / 8).copied().unwrap_or(0) >> (7 - bit % 8) & 1)
            });
            let Some((frame, after)) = frames.split_at_checked(size) else { return };
            watcher.unit(&self.unit(time, frame));
            frames = after;
        }
    }

    /// Lengths in bytes of 255, then the frame (RFC 6416, 6.1); the marker ends what several packets carry.
    fn latm(&mut self, time: f64, marker: bool, payload: &[u8], watcher: &mut Watcher) {
        if self.fragments.len() + payload.len() <= UNIT_MAX {
            self.fragments.extend_from_slice(payload);
        }
        if !marker {
            return;
        }
        let element = std::mem::take(&mut self.fragments);
        let mut rest = element.as_slice();
        while !rest.is_empty() {
            let lengths = rest.iter().take_while(|byte| **byte == 255).count();
            let Some(&last) = rest.get(lengths) else { return };
            let length = lengths * 255 + usize::from(last);
            let Some((frame, after)) = rest[lengths + 1..].split_at_checked(length) else { return };
            watcher.unit(&self.unit(time, frame));
            rest = after;
        }
    }

    fn mpeg_audio(&mut self, time: f64, payload: &[u8], watcher: &mut Watcher) {
        let Some((&[_, _, high, low], data)) = payload.split_first_chunk::<4>() else { return };
        if u16::from_be_bytes([high, low]) == 0 {
            self.fragments.clear();
        }
        if self.fragments.len() + data.len() > UNIT_MAX {
            return;
        }
        self.fragments.extend_from_slice(data);
        let held = std::mem::take(&mut self.fragments);
        let mut rest = held.as_slice();
        while let Some(frame) =
            weir_wire::media::FrameHeader::parse(rest).and_then(|header| rest.get(..header.length.max(1)))
        {
            watcher.unit(&self.unit(time, frame));
            rest = &rest[frame.len()..];
        }
        self.fragments = rest.to_vec();
    }
}

/// Bytes of a hexadecimal text, up to the first digit that is none.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map_while(|c| u8::try_from(c.to_digit(16)?).ok()).take(128).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Bytes from a bit on.
fn shifted(bytes: &[u8], bits: usize) -> Vec<u8> {
    let rest = bytes.get(bits / 8..).unwrap_or_default();
    let shift = bits % 8;
    (0..rest.len())
        .map(|at| {
            let next = rest.get(at + 1).copied().unwrap_or(0);
            (u16::from_be_bytes([rest[at], next]) << shift >> 8) as u8
        })
        .collect()
}
