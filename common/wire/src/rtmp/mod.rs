//! RTMP as a player speaks it: the chunk stream, its messages, AMF0, and the heads of FLV tags inside.
//!
//! [`ChunkReader`] cuts what a server sends into [`Message`]s, [`ChunkWriter`] writes what a player says ([`Request`]); an
//! [`Invoke`] is what a command message holds, a [`Tag`] what the first bytes of an audio or video message tell. Of media only
//! those first bytes are kept, so that a picture of any size costs no memory. All integers are big-endian, but for one.
//! Sources: RTMP 1.0 (Adobe, 2012), AMF0 (Adobe, 2007), FLV 10.1, Enhanced RTMP v2 (Veovera), and what nginx-rtmp,
//! node-media-server and ffmpeg say and accept.

mod amf;
mod chunk;
mod location;
mod message;
mod tag;
#[cfg(test)]
mod tests;

pub use amf::{AmfError, MAX_DEPTH, MAX_TEXT, MAX_VALUES, Value, read_all};
pub use chunk::{ChunkError, ChunkReader, ChunkWriter, HEAD, MAX_FRAME, MAX_HELD, MAX_STREAMS};
pub use location::{Location, LocationError};
pub use message::{Connect, Control, Event, FLV_HEADER, Invoke, Message, Request, Status, kind};
pub use tag::{Role, Setup, Tag, TrackKind, submessages};

/// Bytes of C0 and C1, and of S0 and S1: the version, then time, zero and noise (section 5.2).
pub const HELLO: usize = 1 + ECHO;
/// Bytes of C2 and S2: the other side's noise back.
pub const ECHO: usize = 1536;
/// The version that everybody speaks.
pub const VERSION: u8 = 3;

fn be(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
}
