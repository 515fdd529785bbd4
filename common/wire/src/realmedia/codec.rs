//! Which codec a stream has: the type-specific data of `RealAudio` (`.ra`, versions 3 to 5) and `RealVideo` (`VIDO`).

use crate::headers::text;

/// Where the rate, the channels and the codec's name stand, by the version of the header.
const AUDIO_4: (usize, usize, usize) = (48, 54, 62);
const AUDIO_5: (usize, usize, usize) = (54, 60, 66);

/// What type-specific data says.
#[derive(Clone, Debug, PartialEq)]
pub enum Codec {
    /// Sound.
    Audio {
        /// `cook`, `sipr`, `lpcJ`, as sent.
        four_cc: String,
        /// Samples a second; 0 when unknown.
        sample_rate: u16,
        /// Channels; 0 when unknown.
        channels: u16,
    },
    /// Picture.
    Video {
        /// `RV40`, as sent.
        four_cc: String,
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
        /// Frames per second; 0 when unknown.
        frame_rate: f64,
    },
}

impl Codec {
    /// Reads type-specific data; `None` when it is of neither kind, or cut.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let u16_at = |at: usize| Some(u16::from_be_bytes(data.get(at..at + 2)?.try_into().ok()?));
        let name_at = |at: usize| {
            let name = data.get(at..at + 4)?;
            name.iter().all(u8::is_ascii_graphic).then(|| text(name))
        };
        if data.starts_with(b".ra\xfd") {
            let (rate, channels, name) = match u16_at(4)? {
                4 => AUDIO_4,
                5 => AUDIO_5,
                // Version 3 knows one codec, at 8000 Hz.
                3 => return Some(Self::Audio { four_cc: "lpcJ".to_owned(), sample_rate: 8000, channels: 1 }),
                _ => return None,
            };
            let (sample_rate, channels) = (u16_at(rate)?, u16_at(channels)?);
            return Some(Self::Audio { four_cc: name_at(name)?, sample_rate, channels });
        }
        if data.get(4..8)? != b"VIDO" {
            return None;
        }
        // 16.16 bits.
        let frame_rate = data.get(22..26).and_then(|rate| rate.try_into().ok()).map_or(0, u32::from_be_bytes);
        let frame_rate = f64::from(frame_rate) / 65536.0;
        Some(Self::Video { four_cc: name_at(8)?, width: u16_at(12)?, height: u16_at(14)?, frame_rate })
    }

    /// `audio` or `video`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Audio { .. } => "audio",
            Self::Video { .. } => "video",
        }
    }

    /// The name that players print: `COOK`, `RA144` for `lpcJ`, `RV40`.
    pub fn name(&self) -> String {
        let (Self::Audio { four_cc, .. } | Self::Video { four_cc, .. }) = self;
        match four_cc.as_str() {
            "lpcJ" => "RA144".to_owned(),
            "28_8" => "RA288".to_owned(),
            "dnet" => "AC3".to_owned(),
            "raac" | "racp" => "AAC".to_owned(),
            "atrc" => "ATRAC3".to_owned(),
            other => other.to_ascii_uppercase(),
        }
    }
}

/// The value of `a=OpaqueData`: one stream's data, or those of several bit rates with the table of which rule means which.
#[derive(Clone, Copy, Debug)]
pub struct CodecData<'a>(&'a [u8]);

impl<'a> CodecData<'a> {
    /// The bytes, without their base64.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The data that holds under this rule of the ASM rule book; `None` when the table does not reach so far.
    pub fn of_rule(self, rule: usize) -> Option<&'a [u8]> {
        let Some(table) = self.0.strip_prefix(b"MLTI") else { return Some(self.0) };
        let u16_at =
            |at: usize| Some(usize::from(u16::from_be_bytes(table.get(at..at + 2)?.try_into().ok()?)));
        let rules = u16_at(0)?;
        let index = (rule < rules).then(|| u16_at(2 + 2 * rule))??;
        let count = u16_at(2 + 2 * rules)?;
        let mut rest = table.get(4 + 2 * rules..)?;
        for number in 0..count {
            let (length, behind) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (data, behind) = behind.split_at_checked(length)?;
            if number == index {
                return Some(data);
            }
            rest = behind;
        }
        None
    }
}
