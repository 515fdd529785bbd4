//! The configuration of AAC as MP4, FLV and RTP carry it.

use crate::Codec;

/// `AudioSpecificConfig` (ISO 14496-3, 1.6.2.1): the core of it, which is what is decoded; SBR and PS only add to that.
pub(super) fn configuration(bytes: &[u8]) -> Codec {
    /// Sampling frequencies by index (table 1.18).
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
    ];
    let mut at = 0;
    let mut read = |count: usize| -> Option<u32> {
        let mut bits = (at..at + count).map(|bit| Some(u32::from(bytes.get(bit / 8)? >> (7 - bit % 8) & 1)));
        at += count;
        bits.try_fold(0, |value, bit| Some(value << 1 | bit?))
    };
    let mut parse = || {
        let mut object = read(5)?;
        let rate = match read(4)? {
            15 => read(24)?,
            index => *RATES.get(index as usize)?,
        };
        let channels = read(4)?;
        if matches!(object, 5 | 29) {
            if read(4)? == 15 {
                read(24)?;
            }
            object = read(5)?;
        }
        Some((object, rate, channels))
    };
    match parse() {
        Some((2, rate, channels)) => {
            Codec::Aac { rate, channels: if channels == 7 { 8 } else { u8::try_from(channels).unwrap_or(0) } }
        }
        Some((42, ..)) => Codec::OtherAudio("xHE-AAC"),
        _ => Codec::OtherAudio("AAC of an unusual profile"),
    }
}
