//! AAC configurations in `a=fmtp`: the sample rate and channels that the clock rate does not tell.

use super::Format;
use super::parameter_sets::Bits;

/// Most bytes of a configuration; real ones have two to seven.
const MAX_CONFIG: usize = 64;

/// Sampling frequencies by index (ISO 14496-3, table 1.18).
const RATES: [u32; 13] =
    [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];

/// How an audio track sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioConfig {
    /// Samples a second.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u8,
}

impl AudioConfig {
    /// From `config=` in hex (RFC 3640) or, for MP4A-LATM, inside of a `StreamMuxConfig` (RFC 6416).
    pub(super) fn of_aac(format: &Format) -> Option<Self> {
        let bytes = hex(format.parameter("config")?)?;
        let mut bits = Bits::new(&bytes);
        if format.encoding.eq_ignore_ascii_case("MP4A-LATM") {
            // audioMuxVersion must be 0; then allStreamsSameTimeFraming, numSubFrames, numProgram, numLayer.
            if bits.read(1)? != 0 {
                return None;
            }
            bits.skip(14)?;
        }
        Self::read(&mut bits)
    }

    /// From an `AudioSpecificConfig` as it is.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Self::read(&mut Bits::new(bytes))
    }

    /// `AudioSpecificConfig` (ISO 14496-3, 1.6.2.1).
    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        /// Spectral band replication, and with parametric stereo: the real rate follows, doubled.
        const SBR: [u32; 2] = [5, 29];
        let object_type = object_type(bits)?;
        let mut sample_rate = rate(bits)?;
        let channels = match bits.read(4)? {
            0 => return None,
            7 => 8,
            n => u8::try_from(n).ok()?,
        };
        if SBR.contains(&object_type) {
            sample_rate = rate(bits)?;
        }
        Some(Self { sample_rate, channels })
    }
}

fn object_type(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.read(5)? {
        31 => Some(32 + bits.read(6)?),
        object_type => Some(object_type),
    }
}

fn rate(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.read(4)? {
        15 => bits.read(24).filter(|&rate| rate > 0),
        index => RATES.get(usize::try_from(index).ok()?).copied(),
    }
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let nibble = |digit: &u8| char::from(*digit).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [hi, lo] => u8::try_from(nibble(hi)? << 4 | nibble(lo)?).ok(),
        _ => None,
    };
    digits.trim_matches('"').as_bytes().chunks(2).take(MAX_CONFIG).map(pair).collect()
}
