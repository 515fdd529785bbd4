//! The header of a PES packet, ISO 13818-1 section 2.4.3.6: when it plays, and where its payload begins.

/// What is of use in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PesHeader {
    /// Presentation time, 33 bits of 90 kHz.
    pub(super) pts: Option<u64>,
    /// Bytes before the payload; may be more than the first transport packet holds.
    pub(super) length: usize,
    /// The payload is scrambled at this level.
    pub(super) scrambled: bool,
}

impl PesHeader {
    /// Reads the beginning of a PES packet; `None` when it is none, or cut in its fixed part.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let [0, 0, 1, stream_id, _, _, ref rest @ ..] = *payload else { return None };
        let [marker, flags, length, ref times @ ..] = *rest else { return None };
        if !has_flags(stream_id) || marker & 0xc0 != 0x80 {
            return Some(Self { pts: None, length: 6, scrambled: false });
        }
        let pts = times.first_chunk::<5>().filter(|_| flags & 0x80 != 0).map(|times| {
            // Marker bits stand after the 3rd, the 18th and the 33rd bit.
            let bits = times.iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
            (bits >> 3 & 7 << 30) | (bits >> 2 & 0x7fff << 15) | (bits >> 1 & 0x7fff)
        });
        Some(Self { pts, length: 9 + usize::from(length), scrambled: marker & 0x30 != 0 })
    }
}

/// Stream ids whose packets have no flags and times: maps, padding, private 2, ECM, EMM, directory.
fn has_flags(stream_id: u8) -> bool {
    !matches!(stream_id, 0xbc | 0xbe | 0xbf | 0xf0..=0xf2 | 0xf8 | 0xff)
}
