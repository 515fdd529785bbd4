//! Frame headers of MPEG audio and of AAC in ADTS: what an encoder declares, readable without decoding.
//!
//! Sources: ISO 11172-3 section 2.4.2.3 and ISO 13818-3 (MPEG audio), ISO 13818-7 section 6.2 (ADTS).

/// How many headers in a row must agree before frames are believed: a sync word alone occurs by chance.
const CONFIRM: usize = 3;

/// The codec of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioCodec {
    /// MPEG audio layer I.
    Mp1,
    /// MPEG audio layer II.
    Mp2,
    /// MPEG audio layer III.
    Mp3,
    /// AAC in ADTS.
    Aac,
}

impl AudioCodec {
    /// The name in the field's words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mp1 => "mp1",
            Self::Mp2 => "mp2",
            Self::Mp3 => "mp3",
            Self::Aac => "aac",
        }
    }
}

/// One frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// The codec.
    pub codec: AudioCodec,
    /// Hz, as coded: AAC with SBR plays at twice that.
    pub sample_rate: u32,
    /// 1 or 2; up to 8 for AAC, 0 when the AAC stream itself says it.
    pub channels: u8,
    /// Bit rate that the header names, bit/s; `None` for AAC.
    pub bit_rate: Option<u32>,
    /// Bytes from this header to the next.
    pub length: usize,
    /// Samples per channel that the frame decodes to.
    pub samples: u32,
}

impl FrameHeader {
    /// Reads the header at the start of `bytes`, if there is one. Free-format MPEG audio is not known.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            // Layer 00 is reserved in MPEG audio: that is how ADTS is told from it.
            [0xff, sync, ..] if sync & 0xf6 == 0xf0 => Self::adts(*bytes.first_chunk()?),
            [0xff, sync, ..] if sync & 0xe0 == 0xe0 => Self::mpeg(*bytes.first_chunk()?),
            _ => None,
        }
    }

    fn mpeg([_, b, c, d]: [u8; 4]) -> Option<Self> {
        /// kbit/s by index, for MPEG-1 layers I, II, III, then MPEG-2 layer I and layers II and III.
        const RATES: [[u32; 15]; 5] = [
            [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
            [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
            [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
            [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
            [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        ];
        // Version 3 is MPEG-1, 2 is MPEG-2, 0 is the unofficial MPEG-2.5 of low sample rates.
        let (version, layer) = ((b >> 3) & 3, (b >> 1) & 3);
        let shift = match version {
            3 => 0,
            2 => 1,
            0 => 2,
            _ => return None,
        };
        let sample_rate = [44_100, 48_000, 32_000].get(usize::from((c >> 2) & 3))? >> shift;
        let (codec, table, samples) = match (layer, version) {
            (3, 3) => (AudioCodec::Mp1, 0, 384),
            (3, _) => (AudioCodec::Mp1, 3, 384),
            (2, 3) => (AudioCodec::Mp2, 1, 1152),
            (2, _) => (AudioCodec::Mp2, 4, 1152),
            (1, 3) => (AudioCodec::Mp3, 2, 1152),
            (1, _) => (AudioCodec::Mp3, 4, 576),
            _ => return None,
        };
        let kbit = *RATES[table].get(usize::from(c >> 4)).filter(|&&kbit| kbit > 0)?;
        // Layer I counts in slots of four bytes.
        let slot = if codec == AudioCodec::Mp1 { 4 } else { 1 };
        let padding = u32::from((c >> 1) & 1);
        let length = (samples / 8 * kbit * 1000 / sample_rate / slot + padding) * slot;
        Some(Self {
            codec,
            sample_rate,
            channels: if d >> 6 == 3 { 1 } else { 2 },
            bit_rate: Some(kbit * 1000),
            length: length as usize,
            samples,
        })
    }

    fn adts(header: [u8; 6]) -> Option<Self> {
        const RATES: [u32; 13] = [
            96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
            7_350,
        ];
        let sample_rate = *RATES.get(usize::from(header[2] >> 2 & 0xf))?;
        let [high, middle, low] = [header[3] & 3, header[4], header[5]].map(usize::from);
        let length = high << 11 | middle << 3 | low >> 5;
        let channels = match (header[2] & 1) << 2 | header[3] >> 6 {
            7 => 8,
            configuration => configuration,
        };
        // Shorter than its own header: not a frame, and a reader that believed it would stand still.
        (length >= 7).then_some(Self {
            codec: AudioCodec::Aac,
            sample_rate,
            channels,
            bit_rate: None,
            length,
            samples: 1024,
        })
    }

    /// Two frames of one stream; bit rate and length may differ.
    fn continues(&self, next: &Self) -> bool {
        self.codec == next.codec && self.sample_rate == next.sample_rate
    }
}

/// What the frames of a piece of audio add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioScan {
    /// The codec of the first frame.
    pub codec: AudioCodec,
    /// Hz, of the first frame.
    pub sample_rate: u32,
    /// Channels, of the first frame.
    pub channels: u8,
    /// Whole frames.
    pub frames: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Samples per channel in them.
    pub samples: u64,
    /// The bit rate that every frame names, bit/s; `None` when they differ (VBR) or name none (AAC).
    pub declared_bit_rate: Option<u32>,
    /// Bytes that belong to no frame: tags, and the tail of a frame at the point of joining.
    pub skipped: u64,
    /// How often the chain of frames broke after its start.
    pub resyncs: u64,
}

impl AudioScan {
    /// Bit rate of the frames over the time they play, bit/s.
    pub fn bit_rate(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.duration()
    }

    /// How long the frames play, seconds.
    pub fn duration(&self) -> f64 {
        self.samples as f64 / f64::from(self.sample_rate)
    }
}

/// Walks over the frames in `bytes`, which may begin and end within one. `None` when there are none.
pub fn scan_audio(bytes: &[u8]) -> Option<AudioScan> {
    let (mut at, first) = find_frames(bytes, 0, None)?;
    let mut scan = AudioScan {
        codec: first.codec,
        sample_rate: first.sample_rate,
        channels: first.channels,
        frames: 0,
        bytes: 0,
        samples: 0,
        declared_bit_rate: first.bit_rate,
        skipped: at as u64,
        resyncs: 0,
    };
    while at < bytes.len() {
        match FrameHeader::parse(&bytes[at..]).filter(|next| first.continues(next)) {
            Some(frame) if at + frame.length > bytes.len() => break,
            Some(frame) => {
                scan.frames += 1;
                scan.bytes += frame.length as u64;
                scan.samples += u64::from(frame.samples);
                scan.declared_bit_rate =
                    scan.declared_bit_rate.filter(|_| scan.declared_bit_rate == frame.bit_rate);
                at += frame.length;
            }
            // A header cut off by the end of the bytes.
            None if bytes.len() - at < 6 => break,
            None => {
                let Some((next, _)) = find_frames(bytes, at, Some(&first)) else { break };
                scan.resyncs += 1;
                scan.skipped += (next - at) as u64;
                at = next;
            }
        }
    }
    Some(scan)
}

/// The first place from `from` on where frames follow one another, [`CONFIRM`] of them or up to the end, at least two.
fn find_frames(bytes: &[u8], from: usize, like: Option<&FrameHeader>) -> Option<(usize, FrameHeader)> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|&b| b == 0xff)?;
        if let Some(frame) = FrameHeader::parse(&bytes[at..]).filter(|f| like.is_none_or(|l| l.continues(f)))
            && is_confirmed(bytes, at, frame)
        {
            return Some((at, frame));
        }
        at += 1;
    }
}

fn is_confirmed(bytes: &[u8], at: usize, first: FrameHeader) -> bool {
    let (mut at, mut frame) = (at, first);
    for confirmed in 1..CONFIRM {
        at += frame.length;
        match bytes.get(at..).map(|rest| (rest.len(), FrameHeader::parse(rest))) {
            Some((_, Some(next))) if first.continues(&next) => frame = next,
            Some((6.., _)) => return false,
            // The bytes end here.
            _ => return confirmed >= 2,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn recorded_cbr_mp3_declares_its_bit_rate() {
        let bytes = include_bytes!("../../testdata/http1/ffmpeg-chunked-mp3.http");
        let mut audio = Vec::new();
        let (_, used) = crate::http1::HeadReader::new().push(bytes).unwrap().unwrap();
        crate::http1::Body::new(crate::http1::Framing::Chunked)
            .feed(&bytes[used..], |data| audio.extend_from_slice(data))
            .unwrap();
        let scan = scan_audio(&audio).unwrap();
        assert_eq!((scan.codec, scan.sample_rate, scan.channels), (AudioCodec::Mp3, 44_100, 1));
        assert_eq!((scan.resyncs, scan.skipped), (0, 148), "the ID3 tag and nothing else");
        assert!((scan.duration() - 4.0).abs() < 0.1, "{}", scan.duration());
        assert!((scan.bit_rate() - 32_000.0).abs() < 500.0, "{}", scan.bit_rate());
    }

    #[test]
    fn vbr_has_no_declared_bit_rate() {
        let scan = scan_audio(include_bytes!("../../testdata/media/vbr.mp3")).unwrap();
        assert_eq!(scan.declared_bit_rate, None);
        assert!(scan.bit_rate() > 8_000.0 && scan.bit_rate() < 320_000.0);
    }

    #[test]
    fn recorded_mp2_and_aac_are_measured() {
        let mp2 = scan_audio(include_bytes!("../../testdata/media/mono-22050.mp2")).unwrap();
        assert_eq!((mp2.codec, mp2.sample_rate, mp2.channels), (AudioCodec::Mp2, 22_050, 1));
        assert_eq!((mp2.declared_bit_rate, mp2.resyncs), (Some(32_000), 0));
        let aac = scan_audio(include_bytes!("../../testdata/media/mono.aac")).unwrap();
        assert_eq!((aac.codec, aac.sample_rate, aac.channels, aac.resyncs), (AudioCodec::Aac, 44_100, 1, 0));
        assert!(aac.bit_rate() > 15_000.0 && aac.bit_rate() < 35_000.0, "{}", aac.bit_rate());
    }

    #[test]
    fn a_damaged_frame_costs_one_resync() {
        let mut bytes = include_bytes!("../../testdata/media/mono.aac").to_vec();
        let whole = scan_audio(&bytes).unwrap();
        bytes.splice(2000..2003, []);
        let damaged = scan_audio(&bytes).unwrap();
        assert_eq!(damaged.resyncs, 1);
        assert!(damaged.frames >= whole.frames - 2);
    }

    proptest! {
        #[test]
        fn bytes_are_either_framed_or_skipped(bytes in proptest::collection::vec(prop_oneof![Just(0xffu8), Just(0xfb), Just(0xf1), any::<u8>()], 0..2000)) {
            if let Some(scan) = scan_audio(&bytes) {
                prop_assert!(scan.bytes + scan.skipped <= bytes.len() as u64);
            }
        }
    }
}
