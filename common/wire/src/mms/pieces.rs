//! The pieces in which media comes, the same over TCP and HTTP, and the header put together from its pieces.

use thiserror::Error;

use super::{DATA_HEADER, u32_at};
use crate::asf::MAX_HEADER;

/// This piece of the header is its last (`AFFlags`, MS-MMSP section 2.2.2).
const LAST: u8 = 0x08;
/// Locations from here on are packet pairs, which measure bandwidth and carry nothing.
const PACKET_PAIR: u32 = 0xf0f0_f000;

/// A piece of header or media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// For media the number of the ASF packet; gaps are packets that were lost before the server, or skipped by it.
    pub location: u32,
    /// Which request it answers (MMST), or a counter that nobody reads (MMSH).
    pub incarnation: u8,
    /// For header pieces 4 (more follow), 8 (the last) or 12 (the only one); for media a counter.
    pub flags: u8,
    /// Header bytes, or an ASF data packet without its padding.
    pub payload: Vec<u8>,
}

impl Data {
    /// Reads header and payload; `None` below eight bytes.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            location: u32_at(bytes, 0)?,
            incarnation: *bytes.get(4)?,
            flags: *bytes.get(5)?,
            payload: bytes.get(DATA_HEADER..)?.to_vec(),
        })
    }

    /// Whether it only measures bandwidth.
    pub fn is_packet_pair(&self) -> bool {
        self.location & !1 == PACKET_PAIR && self.incarnation == 0xff
    }
}

/// Header pieces beyond any sane header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the ASF header did not end within {MAX_HEADER} bytes")]
pub struct PiecesError;

/// Puts the header together.
#[derive(Debug, Default)]
pub struct HeaderPieces {
    bytes: Vec<u8>,
}

impl HeaderPieces {
    /// Takes the next piece; the whole header after the last one.
    ///
    /// # Errors
    /// When it grows beyond [`MAX_HEADER`].
    pub fn push(&mut self, piece: &Data) -> Result<Option<Vec<u8>>, PiecesError> {
        if self.bytes.len() + piece.payload.len() > MAX_HEADER {
            return Err(PiecesError);
        }
        self.bytes.extend_from_slice(&piece.payload);
        Ok((piece.flags & LAST != 0).then(|| std::mem::take(&mut self.bytes)))
    }
}
