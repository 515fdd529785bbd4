//! The chunk stream: messages cut into chunks and interleaved (RTMP 1.0, section 5.3).

use thiserror::Error;

use super::be;
use super::message::{Message, kind};
use crate::pending::Pending;
use crate::text::excerpt;

/// Bytes that are kept of an audio or video message: codec, frame type, and the parameters in front.
pub const HEAD: usize = 256;
/// Bytes of unfinished messages, at most, on all chunk streams together.
pub const MAX_HELD: usize = 1024 * 1024;
/// A frame that is wanted whole is kept up to here; a key frame of 4K video has some hundred kilobytes.
pub const MAX_FRAME: usize = 1024 * 1024;
/// Chunk streams, at most; servers use five to eight.
pub const MAX_STREAMS: usize = 64;
/// Frames that are kept whole at the same time: sound and picture.
const WHOLE_FRAMES: usize = 2;
/// The size of chunks until somebody says something else.
const CHUNK: u32 = 128;
/// A time stamp that does not fit: four more bytes follow.
const EXTENDED: u32 = 0x00ff_ffff;
/// Bytes of the message header for each of the four formats.
const HEADER: [usize; 4] = [11, 7, 3, 0];

/// Bytes that are no chunk stream. Offsets count all bytes after the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChunkError {
    /// A short header on a chunk stream that has had none to be short of.
    #[error("byte {at}: a chunk that continues chunk stream {id}, on which nothing came before: \"{found}\"")]
    NoStream {
        /// Where.
        at: u64,
        /// Its id.
        id: u32,
        /// What stands there, escaped.
        found: String,
    },
    /// A message that begins within another one.
    #[error("byte {at}: a new message on chunk stream {id}, which still lacks {left} bytes of the last one")]
    Unfinished {
        /// Where.
        at: u64,
        /// The chunk stream.
        id: u32,
        /// Missing bytes.
        left: u32,
    },
    /// A chunk size of 0, or beyond 2^31.
    #[error("byte {at}: a chunk size of {size}")]
    ChunkSize {
        /// Where.
        at: u64,
        /// What it says.
        size: u32,
    },
    /// More than [`MAX_STREAMS`].
    #[error("byte {at}: more than {MAX_STREAMS} chunk streams")]
    Streams {
        /// Where.
        at: u64,
    },
    /// More than [`MAX_HELD`].
    #[error(
        "byte {at}: a message of {length} bytes (type {kind}), beyond {MAX_HELD} bytes of unfinished messages"
    )]
    Held {
        /// Where.
        at: u64,
        /// Its length.
        length: u32,
        /// Its type.
        kind: u8,
    },
}

impl ChunkError {
    /// Whether it is a bound of ours that was reached, and not an error of the server's.
    pub const fn is_limit(&self) -> bool {
        matches!(self, Self::Streams { .. } | Self::Held { .. })
    }
}

/// One chunk stream: the header that shorter ones refer to, and the message that is under way.
#[derive(Debug, Default)]
struct Stream {
    id: u32,
    timestamp: u32,
    /// What a message without a header of its own adds to the time.
    delta: u32,
    /// The field as it came, when four more bytes carried it.
    extended: Option<u32>,
    length: u32,
    kind: u8,
    /// The message stream.
    belongs: u32,
    /// Missing bytes of the message; 0 between messages.
    left: u32,
    /// So many bytes of the message are kept.
    keep: usize,
    body: Vec<u8>,
}

/// Cuts what a server sends into messages. Holds at most [`MAX_HELD`] bytes of commands, [`HEAD`] bytes of media for each of
/// [`MAX_STREAMS`] chunk streams, two whole frames where they are wanted, and what was pushed last.
#[derive(Debug)]
pub struct ChunkReader {
    pending: Pending,
    chunk_size: u32,
    streams: Vec<Stream>,
    held: usize,
    /// The chunk that is under way: place of its stream, missing bytes.
    chunk: Option<(usize, u32)>,
    /// Whether frames are wanted whole.
    whole: bool,
}

impl Default for ChunkReader {
    fn default() -> Self {
        let (pending, streams) = (Pending::default(), Vec::new());
        Self { pending, chunk_size: CHUNK, streams, held: 0, chunk: None, whole: false }
    }
}

impl ChunkReader {
    /// A reader that keeps frames whole, up to [`MAX_FRAME`]: one of sound and one of the picture at a time. Of others the head is
    /// kept.
    pub fn whole_frames() -> Self {
        Self { whole: true, ..Self::default() }
    }

    /// Takes received bytes.
    pub fn push(&mut self, input: &[u8]) {
        self.pending.push(input);
    }

    /// The next message, once all of it is here. Chunk sizes and aborts have taken effect already.
    ///
    /// # Errors
    /// [`ChunkError`]; nothing can be read after it.
    pub fn next_message(&mut self) -> Result<Option<Message>, ChunkError> {
        loop {
            let (at, left) = match self.chunk {
                Some(chunk) => chunk,
                None => match self.header()? {
                    Some(chunk) => chunk,
                    None => return Ok(None),
                },
            };
            let take = self.pending.rest().len().min(left as usize);
            let part = self.pending.take(take).unwrap_or_default();
            let stream = &mut self.streams[at];
            let room = stream.keep.saturating_sub(stream.body.len());
            stream.body.extend_from_slice(&part[..take.min(room)]);
            let taken = u32::try_from(take).unwrap_or(u32::MAX);
            stream.left -= taken;
            self.chunk = (taken < left).then(|| (at, left - taken));
            if self.chunk.is_some() {
                return Ok(None);
            }
            if stream.left == 0 {
                let message = Message {
                    kind: stream.kind,
                    timestamp: stream.timestamp,
                    stream: stream.belongs,
                    length: stream.length,
                    body: std::mem::take(&mut stream.body),
                };
                if !is_media(message.kind) {
                    self.held -= message.length as usize;
                }
                self.obey(&message)?;
                return Ok(Some(message));
            }
        }
    }

    /// Reads the header of a chunk, once all of it is here: the place of its stream, and the bytes that follow.
    fn header(&mut self) -> Result<Option<(usize, u32)>, ChunkError> {
        let (rest, at) = (self.pending.rest(), self.pending.offset);
        let Some(first) = rest.first() else { return Ok(None) };
        let (format, mut used) = (usize::from(first >> 6), 1);
        let id = match first & 0x3f {
            0 => {
                used = 2;
                rest.get(1).map(|low| 64 + u32::from(*low))
            }
            1 => {
                used = 3;
                // The only number of the protocol, beside the message stream, whose low byte comes first.
                rest.get(1..3).map(|both| 64 + u32::from(both[0]) + 256 * u32::from(both[1]))
            }
            id => Some(id.into()),
        };
        let Some(id) = id else { return Ok(None) };
        let place = self.streams.iter().position(|stream| stream.id == id);
        let place = match place {
            Some(place) => place,
            // A chunk stream begins with a full header, but some servers leave the message stream out.
            None if format < 2 => self.streams.len(),
            None => return Err(ChunkError::NoStream { at, id, found: excerpt(rest) }),
        };
        if place >= MAX_STREAMS {
            return Err(ChunkError::Streams { at });
        }
        let known = self.streams.get(place);
        let continues = known.is_some_and(|stream| stream.left > 0);
        let Some(fields) = rest.get(used..used + HEADER[format]) else { return Ok(None) };
        used += fields.len();
        let field = if format < 3 { Some(be(&fields[..3])) } else { None };
        let announced = match field {
            Some(field) => field == EXTENDED,
            None => known.is_some_and(|stream| stream.extended.is_some()),
        };
        let mut extended = None;
        if announced {
            let Some(more) = rest.get(used..used + 4) else { return Ok(None) };
            let value = be(more);
            // In the middle of a message the field comes again; some encoders leave it out.
            if field.is_some() || !continues || known.is_some_and(|stream| stream.extended == Some(value)) {
                used += 4;
                extended = Some(value);
            }
        }
        if place == self.streams.len() {
            self.streams.push(Stream { id, ..Stream::default() });
        }
        let under_way = |stream: &&Stream| stream.left > 0 && stream.keep > HEAD && is_media(stream.kind);
        let others = self.streams.iter().filter(under_way).count();
        let stream = &mut self.streams[place];
        if continues && format < 3 {
            return Err(ChunkError::Unfinished { at, id, left: stream.left });
        }
        if format < 2 {
            stream.length = be(&fields[3..6]);
            stream.kind = fields[6];
        }
        if format == 0 {
            stream.belongs = be(&[fields[10], fields[9], fields[8], fields[7]]);
        }
        if !continues {
            if let Some(field) = field {
                stream.extended = extended;
                stream.delta = extended.unwrap_or(field);
                stream.timestamp =
                    if format == 0 { stream.delta } else { stream.timestamp.wrapping_add(stream.delta) };
                // A chunk without a header that follows a full one is of the same moment, as nginx has it; by the letter of the
                // specification the absolute time would be added once more.
                if format == 0 {
                    stream.delta = 0;
                }
            } else {
                stream.timestamp = stream.timestamp.wrapping_add(stream.delta);
            }
            stream.left = stream.length;
            stream.keep = stream.length as usize;
            if is_media(stream.kind) {
                if stream.keep > MAX_FRAME || !self.whole || others >= WHOLE_FRAMES {
                    stream.keep = stream.keep.min(HEAD);
                }
            } else {
                self.held = self.held.saturating_add(stream.length as usize);
                if self.held > MAX_HELD {
                    return Err(ChunkError::Held { at, length: stream.length, kind: stream.kind });
                }
            }
        }
        let left = stream.left.min(self.chunk_size);
        self.pending.take(used);
        Ok(Some((place, left)))
    }

    /// Chunk sizes and aborts are for this reader (section 5.4).
    fn obey(&mut self, message: &Message) -> Result<(), ChunkError> {
        let Some(value) = message.body.get(..4).map(be) else { return Ok(()) };
        match message.kind {
            kind::CHUNK_SIZE if value == 0 || value > i32::MAX.unsigned_abs() => {
                return Err(ChunkError::ChunkSize { at: self.pending.offset, size: value });
            }
            kind::CHUNK_SIZE => self.chunk_size = value,
            kind::ABORT => {
                if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == value) {
                    if stream.left > 0 && !is_media(stream.kind) {
                        self.held -= stream.length as usize;
                    }
                    stream.left = 0;
                    stream.body = Vec::new();
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Audio and video, of which only the head is kept.
const fn is_media(kind: u8) -> bool {
    matches!(kind, kind::AUDIO | kind::VIDEO)
}

/// Writes messages in chunks of the size at which every connection begins: what a player says is short.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChunkWriter;

impl ChunkWriter {
    /// `body` as a message of type `kind` with a full header, on chunk stream `id` (2 to 63), for message stream `stream`.
    pub fn write(id: u8, kind: u8, stream: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut out = vec![id & 0x3f, 0, 0, 0, length[1], length[2], length[3], kind];
        out.extend_from_slice(&stream.to_le_bytes());
        for (number, part) in body.chunks(CHUNK as usize).enumerate() {
            if number > 0 {
                out.push(0xc0 | id & 0x3f);
            }
            out.extend_from_slice(part);
        }
        out
    }
}
