//! The Header Object: what is described before the first packet.

use std::time::Duration;

use thiserror::Error;

use super::bytes::{array, u16_at, u32_at, u64_at};
use crate::text::excerpt;

/// The largest header that is collected and read; real ones have some kilobytes, with pictures and scripts some more.
pub const MAX_HEADER: usize = 256 * 1024;
/// Stream numbers have seven bits (section 3.3).
pub const MAX_STREAMS: usize = 127;
/// Titles are cut here.
const MAX_TEXT: usize = 256;
/// The GUID and size that begin each object.
const OBJECT: usize = 24;

type Guid = [u8; 16];

const HEADER: Guid = *b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c";
const FILE_PROPERTIES: Guid = *b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65";
const STREAM_PROPERTIES: Guid = *b"\x91\x07\xdc\xb7\xb7\xa9\xcf\x11\x8e\xe6\x00\xc0\x0c\x20\x53\x65";
const CODEC_LIST: Guid = *b"\x40\x52\xd1\x86\x1d\x31\xd0\x11\xa3\xa4\x00\xa0\xc9\x03\x48\xf6";
const CONTENT_DESCRIPTION: Guid = *b"\x33\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c";
const STREAM_BIT_RATES: Guid = *b"\xce\x75\xf8\x7b\x8d\x46\xd1\x11\x8d\x82\x00\x60\x97\xc9\xa2\xb2";
const AUDIO: Guid = *b"\x40\x9e\x69\xf8\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b";
const VIDEO: Guid = *b"\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b";

/// Why a header cannot be read. Offsets count from its first byte.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AsfError {
    /// Something else than an ASF header.
    #[error("no ASF header: it begins with \"{found}\"")]
    NotAsf {
        /// The first bytes, escaped.
        found: String,
    },
    /// Less than the header says of itself.
    #[error("the ASF header says {size} bytes and has {got}")]
    Truncated {
        /// What it says.
        size: u64,
        /// What came.
        got: usize,
    },
    /// An object that does not fit in the header, or is too small for what it must hold.
    #[error("ASF object of {size} bytes at offset {at}, which cannot be")]
    BadObject {
        /// Where it begins.
        at: usize,
        /// What it says of its size.
        size: u64,
    },
    /// Every header has File Properties.
    #[error("the ASF header has no File Properties")]
    NoFileProperties,
}

/// What a stream carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sound (WAVEFORMATEX).
    Audio {
        /// `wFormatTag`: 0x0161 is Windows Media Audio 2.
        format: u16,
        /// Channels.
        channels: u16,
        /// Hz.
        sample_rate: u32,
    },
    /// Pictures (BITMAPINFOHEADER).
    Video {
        /// `biCompression`, printable: `WMV2`.
        four_cc: String,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// Scripts, images, files.
    Other,
}

/// One stream of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// 1 to 127, as payloads name it.
    pub number: u8,
    /// What it carries.
    pub kind: Kind,
    /// Its mean bit rate, bits per second, when the header says so.
    pub bit_rate: Option<u32>,
    /// Whether its content is encrypted: it can be counted but not looked into.
    pub encrypted: bool,
}

impl Stream {
    /// `video`, `audio` or `data`.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Audio { .. } => "audio",
            Kind::Video { .. } => "video",
            Kind::Other => "data",
        }
    }

    /// The codec's short name: `WMV2`, `WMA2`, `0x2000` for a tag without one; `data` for what is neither.
    pub fn codec(&self) -> String {
        match &self.kind {
            Kind::Audio { format, .. } => {
                audio_codec(*format).map_or(format!("0x{format:04x}"), str::to_owned)
            }
            Kind::Video { four_cc, .. } => four_cc.clone(),
            Kind::Other => "data".to_owned(),
        }
    }
}

/// Names of WAVEFORMATEX tags that were ever streamed (RFC 2361 and Microsoft's mmreg.h).
fn audio_codec(format: u16) -> Option<&'static str> {
    Some(match format {
        0x0001 => "PCM",
        0x000a => "WMAVoice",
        0x0055 => "MP3",
        0x0160 => "WMA1",
        0x0161 => "WMA2",
        0x0162 => "WMAPro",
        0x0163 => "WMALossless",
        0x00ff | 0x1600 | 0x1610 => "AAC",
        0x2000 => "AC3",
        _ => return None,
    })
}

/// The Header Object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Its own length; a Data Object may follow in the same bytes.
    pub length: usize,
    /// The size of every data packet, when all are equal.
    pub packet_size: Option<u32>,
    /// Live: durations and counts mean nothing.
    pub broadcast: bool,
    /// The play time, without preroll; `None` when live.
    pub duration: Option<Duration>,
    /// How much a player buffers before it plays.
    pub preroll: Duration,
    /// All streams together, bits per second.
    pub max_bit_rate: u32,
    /// The title, when there is one.
    pub title: Option<String>,
    /// The streams by number.
    pub streams: Vec<Stream>,
    /// The names in the codec list: `Windows Media Video 8`.
    pub codec_names: Vec<String>,
}

impl Header {
    /// Reads a whole Header Object; what follows it is left alone.
    ///
    /// # Errors
    /// That it is none, that it is cut, or which object is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, AsfError> {
        if array(bytes, 0) != Some(HEADER) {
            return Err(AsfError::NotAsf { found: excerpt(&bytes[..bytes.len().min(16)]) });
        }
        let size = u64_at(bytes, 16).unwrap_or(0);
        let length =
            usize::try_from(size).ok().filter(|length| *length <= bytes.len() && *length >= OBJECT + 6);
        let Some(length) = length else { return Err(AsfError::Truncated { size, got: bytes.len() }) };
        let mut header = Self { length, ..Self::default() };
        let (mut at, mut file_properties) = (OBJECT + 6, false);
        let mut bit_rates: &[u8] = &[];
        // Broken writers leave a few stray bytes at the end: what is too short for an object is none.
        while length - at >= OBJECT {
            let size = u64_at(bytes, at + 16).unwrap_or(0);
            let broken = AsfError::BadObject { at, size };
            let end = usize::try_from(size).ok().filter(|size| *size >= OBJECT && *size <= length - at);
            let Some(end) = end.map(|size| at + size) else { return Err(broken) };
            let object = &bytes[at..end];
            match array(object, 0) {
                Some(FILE_PROPERTIES) => {
                    header.file_properties(object).ok_or(broken)?;
                    file_properties = true;
                }
                Some(STREAM_PROPERTIES) => header.streams.extend(Some(stream(object).ok_or(broken)?)),
                Some(CODEC_LIST) => header.codec_names = codec_names(object),
                Some(CONTENT_DESCRIPTION) => header.title = title(object),
                Some(STREAM_BIT_RATES) => bit_rates = object,
                _ => {}
            }
            at = end;
        }
        header.bit_rates(bit_rates);
        header.streams.sort_by_key(|stream| stream.number);
        header.streams.dedup_by_key(|stream| stream.number);
        if file_properties { Ok(header) } else { Err(AsfError::NoFileProperties) }
    }

    /// How many bytes the whole header has, from its first 24; `None` when these are no header's beginning.
    pub fn length_of(start: &[u8]) -> Option<u64> {
        (array(start, 0) == Some(HEADER)).then(|| u64_at(start, 16)).flatten()
    }

    /// The stream that payloads call `number`.
    pub fn stream(&self, number: u8) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.number == number)
    }

    /// Section 3.2; offsets count from the beginning of the object.
    fn file_properties(&mut self, object: &[u8]) -> Option<()> {
        let (play, preroll, flags) = (u64_at(object, 64)?, u64_at(object, 80)?, u32_at(object, 88)?);
        let (min, max) = (u32_at(object, 92)?, u32_at(object, 96)?);
        self.max_bit_rate = u32_at(object, 100)?;
        self.packet_size = (min == max && max > 0).then_some(max);
        self.broadcast = flags & 1 == 1;
        self.preroll = Duration::from_millis(preroll);
        // In units of 100 ns, the preroll included; VLC writes 0 for live.
        let duration = Duration::from_micros(play / 10).saturating_sub(self.preroll);
        self.duration = (!self.broadcast).then_some(duration);
        Some(())
    }

    /// Section 3.12: a count, then pairs of flags (with the stream number in the low 7 bits) and bits per second.
    fn bit_rates(&mut self, object: &[u8]) {
        let count = usize::from(u16_at(object, OBJECT).unwrap_or(0)).min(MAX_STREAMS);
        for record in object.get(OBJECT + 2..).unwrap_or_default().chunks_exact(6).take(count) {
            let number = record[0] & 0x7f;
            if let Some(stream) = self.streams.iter_mut().find(|stream| stream.number == number) {
                stream.bit_rate = u32_at(record, 2);
            }
        }
    }
}

/// Section 3.3.
fn stream(object: &[u8]) -> Option<Stream> {
    let flags = u16_at(object, 72)?;
    let specific = object.get(78..)?;
    let (kind, bit_rate) = match array(object, OBJECT)? {
        AUDIO => {
            let kind = Kind::Audio {
                format: u16_at(specific, 0)?,
                channels: u16_at(specific, 2)?,
                sample_rate: u32_at(specific, 4)?,
            };
            (kind, u32_at(specific, 8).and_then(|bytes| bytes.checked_mul(8)))
        }
        // Width, height, a reserved byte and a length come before the BITMAPINFOHEADER (section 9.2).
        VIDEO => {
            let four_cc = array::<4>(specific, 11 + 16)?.escape_ascii().to_string();
            (Kind::Video { four_cc, width: u32_at(specific, 0)?, height: u32_at(specific, 4)? }, None)
        }
        _ => (Kind::Other, None),
    };
    Some(Stream {
        number: (flags & 0x7f).to_le_bytes()[0],
        kind,
        bit_rate: bit_rate.filter(|rate| *rate > 0),
        encrypted: flags & 0x8000 != 0,
    })
}

/// Section 3.5: per codec a type, a name and a description (lengths in characters), and bytes for the decoder.
fn codec_names(object: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let count = u32_at(object, 40).map_or(0, |count| usize::try_from(count).unwrap_or(MAX_STREAMS));
    let mut at = 44;
    let mut field = |unit: usize| {
        let length = usize::from(u16_at(object, at)?) * unit;
        let bytes = object.get(at + 2..at + 2 + length)?;
        at += 2 + length;
        Some(bytes)
    };
    let mut entry = || {
        // The type lies where a field of no units is skipped: two bytes.
        field(0)?;
        let name = utf16(field(2)?);
        field(2)?;
        field(1)?;
        Some(name)
    };
    while names.len() < count.min(MAX_STREAMS) {
        let Some(name) = entry() else { break };
        names.push(name);
    }
    names
}

/// Section 3.10: five lengths in bytes, then the texts; the title is the first.
fn title(object: &[u8]) -> Option<String> {
    let length = usize::from(u16_at(object, OBJECT)?);
    let text = utf16(object.get(34..34 + length)?);
    (!text.is_empty()).then_some(text)
}

/// UTF-16 up to its NUL, cut at [`MAX_TEXT`] characters.
fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let text = char::decode_utf16(units.take_while(|unit| *unit != 0));
    text.take(MAX_TEXT).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
