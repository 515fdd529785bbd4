//! MMSH: the `$` frames in the body of an HTTP answer (MS-WMSP section 2.2.3).
//!
//! The `Content-Type` says nothing: VLC sends `application/octet-stream`. The first byte of the body tells.

use thiserror::Error;

use super::{Data, u16_at, u32_at};
use crate::pending::Pending;

/// `$`, and the same with the bit that says that the next frame follows at once.
const MARK: u8 = 0x24;
/// Mark, kind and length.
const FRAME_HEADER: usize = 4;

/// Bytes that are no frame. Offsets count the bytes of the body.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A frame begins with `$`.
    #[error("byte {at} of the body: expected an MMS frame, found 0x{found:02x}")]
    NoFrame {
        /// Where.
        at: u64,
        /// What.
        found: u8,
    },
    /// The frame is too short for what it must hold.
    #[error("byte {at} of the body: a frame `${kind}` of {length} bytes")]
    Short {
        /// Where the frame begins.
        at: u64,
        /// Its kind.
        kind: char,
        /// Its length.
        length: u16,
    },
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// `$H`: a piece of the header.
    Header(Data),
    /// `$D`: an ASF data packet.
    Data(Data),
    /// `$C`: another header follows; the reason is an HRESULT.
    Change(u32),
    /// `$E`: nothing follows; 0 says that all was sent, 1 that the next entry of the server's playlist comes.
    End(u32),
    /// `$M` metadata, `$P` packet pairs, `$T` tests, and what the future may bring.
    Other,
}

/// Cuts a body into frames. Holds at most one frame (65,539 bytes) and what was pushed last.
#[derive(Debug, Default)]
pub struct HttpReader(Pending);

impl HttpReader {
    /// Takes bytes of the body.
    pub fn push(&mut self, input: &[u8]) {
        self.0.push(input);
    }

    /// The next frame, once all of it is here.
    ///
    /// # Errors
    /// [`FrameError`]; nothing can be read after it.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let (rest, at) = (self.0.rest(), self.0.offset);
        let Some(&found) = rest.first() else { return Ok(None) };
        if found & 0x7f != MARK {
            return Err(FrameError::NoFrame { at, found });
        }
        let (Some(&kind), Some(length)) = (rest.get(1), u16_at(rest, 2)) else { return Ok(None) };
        let Some(bytes) = self.0.take(FRAME_HEADER + usize::from(length)) else { return Ok(None) };
        let body = &bytes[FRAME_HEADER..];
        let frame = match kind {
            b'H' => Data::parse(body).map(Frame::Header),
            b'D' => Data::parse(body).map(Frame::Data),
            b'C' => u32_at(body, 0).map(Frame::Change),
            b'E' => u32_at(body, 0).map(Frame::End),
            _ => Some(Frame::Other),
        };
        frame.map(Some).ok_or(FrameError::Short { at, kind: char::from(kind), length })
    }
}
