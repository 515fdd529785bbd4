//! FLV tags; RTMP messages have the same bodies (Adobe Flash Video File Format 10.1, annex E; Enhanced RTMP 1).

use super::aac;
use crate::{Codec, Unit, Watcher};

/// A tag's header, and the size of the tag before it.
const TAG_HEADER: usize = 11;
const BACK: usize = 4;
/// Longer tags are passed over.
const TAG_MAX: usize = 4 * 1024 * 1024;
/// The numbers of the two tracks.
const VIDEO: u32 = 9;
const AUDIO: u32 = 8;

/// Takes FLV apart.
#[derive(Default)]
pub(super) struct Flv {
    pending: Vec<u8>,
    begun: bool,
    /// So many bytes of a tag that is too long are still to come.
    skip: usize,
    aac: Option<Codec>,
    /// Bytes of a NAL unit's length.
    length_size: usize,
}

impl Flv {
    /// The next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], watcher: &mut Watcher) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        self.pending.extend_from_slice(&bytes[skipped..]);
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_slice();
        if !self.begun {
            // `FLV`, version, flags, size of the header; then the size of no tag.
            let Some(after) = rest.get(9 + BACK..) else {
                self.pending = pending;
                return;
            };
            self.begun = true;
            rest = after;
        }
        while let Some(header) = rest.first_chunk::<TAG_HEADER>() {
            let [kind, a, b, c, t1, t2, t3, t0, ..] = *header;
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            let time = f64::from(u32::from_be_bytes([t0, t1, t2, t3])) / 1000.0;
            if length > TAG_MAX {
                let whole = TAG_HEADER + length + BACK;
                self.skip = whole.saturating_sub(rest.len());
                rest = rest.get(whole..).unwrap_or_default();
                continue;
            }
            let Some((tag, after)) = rest.split_at_checked(TAG_HEADER + length + BACK) else { break };
            self.tag(kind, time, &tag[TAG_HEADER..TAG_HEADER + length], watcher);
            rest = after;
        }
        self.pending = rest.to_vec();
    }

    /// The body of a tag or message: 8 is sound, 9 are pictures. `time` in seconds.
    pub(super) fn tag(&mut self, kind: u8, time: f64, body: &[u8], watcher: &mut Watcher) {
        match kind {
            8 => self.audio(time, body, watcher),
            9 => self.video(time, body, watcher),
            _ => {}
        }
    }

    fn audio(&mut self, time: f64, body: &[u8], watcher: &mut Watcher) {
        let Some((&flags, rest)) = body.split_first() else { return };
        let (codec, bytes) = match (flags >> 4, rest) {
            (2 | 14, frame) => (Codec::MpegAudio, frame),
            (7, samples) => (Codec::Pcma, samples),
            (8, samples) => (Codec::Pcmu, samples),
            (10, [0, configuration @ ..]) => {
                self.aac = Some(aac::configuration(configuration));
                return;
            }
            (10, [1, frame @ ..]) => match self.aac {
                Some(codec) => (codec, frame),
                None => (Codec::OtherAudio("AAC without its configuration"), frame),
            },
            (9, _) => (Codec::OtherAudio("enhanced FLV audio"), rest),
            (11, _) => (Codec::OtherAudio("Speex"), rest),
            _ => (Codec::OtherAudio("an old FLV audio codec"), rest),
        };
        watcher.unit(&Unit { track: AUDIO, codec, time, bytes });
    }

    fn video(&mut self, time: f64, body: &[u8], watcher: &mut Watcher) {
        let Some((&flags, rest)) = body.split_first() else { return };
        let (codec, kind, data) = if flags & 0x80 != 0 {
            // Enhanced RTMP: packet type in the flags, then a four-character code.
            let Some((fourcc, data)) = rest.split_first_chunk::<4>() else { return };
            let codec = match fourcc {
                b"avc1" => Codec::H264,
                b"hvc1" => Codec::H265,
                b"av01" => Codec::OtherVideo("AV1"),
                b"vp09" => Codec::OtherVideo("VP9"),
                _ => Codec::OtherVideo("an unknown codec"),
            };
            let kind = flags & 0xf;
            // Coded frames carry an offset of composition; kind 3 leaves it out.
            let data = if kind == 1 { data.get(3..).unwrap_or_default() } else { data };
            (codec, if kind == 3 { 1 } else { kind }, data)
        } else {
            match (flags & 0xf, rest) {
                (7, [kind, _, _, _, data @ ..]) => (Codec::H264, *kind, data),
                (12, [kind, _, _, _, data @ ..]) => (Codec::H265, *kind, data),
                (7 | 12, _) => return,
                _ => (Codec::OtherVideo("an old FLV video codec"), 1, rest),
            }
        };
        let unit = Unit { track: VIDEO, codec, time, bytes: data };
        match (codec, kind) {
            (Codec::OtherVideo(_), _) => watcher.unit(&unit),
            (_, 0) => self.length_size = configuration(&unit, watcher).unwrap_or(4),
            (_, 1) => units(&unit, self.length_size.clamp(1, 4), watcher),
            _ => {}
        }
    }
}

/// The parameter sets in an `avcC` or `hvcC` (ISO 14496-15, 5.3.3 and 8.3.3), and the bytes of a unit's length.
pub(super) fn configuration(unit: &Unit<'_>, watcher: &mut Watcher) -> Option<usize> {
    let bytes = unit.bytes;
    let mut nal = |bytes| watcher.nal(&Unit { bytes, ..*unit });
    if unit.codec == Codec::H264 {
        let size = usize::from(bytes.get(4)? & 3) + 1;
        let mut rest = bytes.get(5..)?;
        for mask in [0x1f, 0xff] {
            let (&count, after) = rest.split_first()?;
            rest = after;
            for _ in 0..count & mask {
                let (set, after) = prefixed(rest, 2)?;
                nal(set);
                rest = after;
            }
        }
        return Some(size);
    }
    let size = usize::from(bytes.get(21)? & 3) + 1;
    let (&arrays, mut rest) = bytes.get(22..)?.split_first()?;
    for _ in 0..arrays {
        let [_, high, low, after @ ..] = rest else { return Some(size) };
        rest = after;
        for _ in 0..u16::from_be_bytes([*high, *low]) {
            let Some((set, after)) = prefixed(rest, 2) else { return Some(size) };
            nal(set);
            rest = after;
        }
    }
    Some(size)
}

/// NAL units with their lengths before them.
pub(super) fn units(unit: &Unit<'_>, length_size: usize, watcher: &mut Watcher) {
    let mut rest = unit.bytes;
    while let Some((bytes, after)) = prefixed(rest, length_size) {
        watcher.nal(&Unit { bytes, ..*unit });
        rest = after;
    }
}

/// A length of so many bytes, as many bytes as it says, and the rest.
fn prefixed(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(size)?;
    let length = length.iter().fold(0usize, |length, &byte| length << 8 | usize::from(byte));
    rest.split_at_checked(length)
}
