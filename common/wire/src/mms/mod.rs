//! Microsoft Media Server protocol, both transports: MMST (commands and media on TCP port 1755) and MMSH (the same media over HTTP).
//!
//! [`TcpReader`] cuts what an MMST server sends into replies and data, [`Request`] writes what a player says; [`HttpReader`] cuts
//! the body of an MMSH answer into its `$` frames. Both yield [`Data`], whose first pieces are the ASF header ([`HeaderPieces`])
//! and whose rest are ASF data packets. All integers are little-endian, all strings UTF-16.
//! Sources: MS-MMSP and MS-WMSP (Microsoft Open Specifications), and what ffmpeg, libmms, `MPlayer` and VLC say and accept.

mod http;
mod pieces;
mod request;
mod status;
mod tcp;
#[cfg(test)]
mod tests;

pub use http::{Frame, FrameError, HttpReader};
pub use pieces::{Data, HeaderPieces, PiecesError};
pub use request::{HEADER_INCARNATION, MEDIA_INCARNATION, Request};
pub use status::{Refusal, Status};
pub use tcp::{Item, MAX_MESSAGE, Opened, Reply, TcpError, TcpReader, id};

/// Bytes of an `MMS data packet` header: location, incarnation, flags, size.
const DATA_HEADER: usize = 8;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}
