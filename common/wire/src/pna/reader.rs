//! What a PNA server says: its hello, the header of the stream in chunks, then media, all on one TCP connection.

use thiserror::Error;

use crate::pending::Pending;
use crate::text::excerpt;

/// The largest chunk of a header; real ones stay below one kilobyte.
pub const MAX_CHUNK: usize = 64 * 1024;
/// All that may come before media. `MPlayer` and xine take 4 kilobytes.
pub const MAX_HEADER: usize = 256 * 1024;
/// `PNA`, a zero, the version, four bytes of challenge.
const HELLO: usize = 9;
/// What a `Z` packet has before its length begins to count, less what of the length does not come.
const UNCOUNTED: usize = 3;
/// What of a packet's length is no media: the header of a `RealMedia` packet.
const PACKET_HEADER: usize = 12;
/// A line of HTTP is read up to here.
const MAX_LINE: usize = 512;
/// Chunks that begin with their own name, as they stand in a file.
const CHUNKS: [&[u8]; 6] = [b".RMF", b"PROP", b"CONT", b"MDPR", b"DATA", b"INDX"];

/// Bytes that are not PNA. Offsets count all bytes received.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PnaError {
    /// Something else speaks on this port.
    #[error("byte {at}: expected the hello of a PNA server, found \"{found}\"")]
    NotPna {
        /// Where.
        at: u64,
        /// What, escaped.
        found: String,
    },
    /// A chunk shorter than its name and length, or beyond [`MAX_CHUNK`].
    #[error("byte {at}: a chunk of {length} bytes")]
    BadChunk {
        /// Where it begins.
        at: u64,
        /// What it says.
        length: u32,
    },
    /// Nothing that may stand in a header.
    #[error("byte {at}: expected a chunk of the header, found \"{found}\"")]
    NoChunk {
        /// Where.
        at: u64,
        /// What, escaped.
        found: String,
    },
    /// No media after [`MAX_HEADER`] bytes.
    #[error("a header of more than {MAX_HEADER} bytes")]
    HeaderTooLarge,
}

/// One thing that a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// It speaks PNA, this version.
    Hello(u8),
    /// A chunk of the header: see [`crate::realmedia::Header::take`].
    Chunk(Vec<u8>),
    /// It will want an answer to its challenge after the header.
    WantsProof,
    /// The header is complete; media comes.
    HeaderEnd,
    /// What it has to say to the user, which is why nothing else comes.
    Message(String),
    /// It will not, without a word of why.
    Failure,
    /// It answers in HTTP: this is the status line.
    Http(String),
    /// A packet of media.
    Data(Data),
    /// Nothing more will come.
    End,
}

/// A packet of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data {
    /// Counts packets of one stream; which stream, a packet does not say.
    pub sequence: u16,
    /// When it plays, in milliseconds.
    pub timestamp: u32,
    /// Bytes of media.
    pub media: usize,
}

/// Where a reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Hello,
    Header,
    Media,
    /// After bytes that are no packet: only a packet is believed.
    Lost,
}

/// Cuts what a PNA server sends. Holds at most one chunk or packet (64 KiB) and what was pushed last.
#[derive(Debug, Default)]
pub struct Reader {
    pending: Pending,
    part: Part,
    skipped: u64,
}

impl Reader {
    /// Takes received bytes.
    pub fn push(&mut self, input: &[u8]) {
        self.pending.push(input);
    }

    /// Bytes among the media that are no packet.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The next item, once all of it is here.
    ///
    /// # Errors
    /// [`PnaError`]; nothing can be read after it.
    pub fn next_item(&mut self) -> Result<Option<Item>, PnaError> {
        loop {
            let step = match self.part {
                Part::Hello => self.hello()?,
                Part::Header => self.header()?,
                Part::Media | Part::Lost => self.media(),
            };
            match step {
                Step::Item(item) => return Ok(Some(item)),
                Step::Again => {}
                Step::NeedsMore => return Ok(None),
            }
        }
    }

    fn hello(&mut self) -> Result<Step, PnaError> {
        let (rest, at) = (self.pending.rest(), self.pending.offset);
        if rest.starts_with(b"HTTP/") {
            return Ok(self.http());
        }
        let begins = |with: &[u8]| rest.iter().zip(with).all(|(got, want)| got == want);
        if !begins(b"PNA\0") && !begins(b"HTTP/") {
            return Err(PnaError::NotPna { at, found: excerpt(rest) });
        }
        let Some(hello) = self.pending.take(HELLO) else { return Ok(Step::NeedsMore) };
        let version = hello[4];
        self.part = Part::Header;
        Ok(Step::Item(Item::Hello(version)))
    }

    /// The status line of an HTTP answer: some servers say on this port that they have no such file.
    fn http(&mut self) -> Step {
        let rest = self.pending.rest();
        let end = rest.iter().position(|byte| *byte == b'\n');
        let Some(end) = end.or_else(|| (rest.len() > MAX_LINE).then_some(MAX_LINE)) else {
            return Step::NeedsMore;
        };
        let line = crate::headers::text(&rest[..end]).trim_end().to_owned();
        self.pending.take(rest.len());
        Step::Item(Item::Http(line))
    }

    fn header(&mut self) -> Result<Step, PnaError> {
        let (rest, at) = (self.pending.rest(), self.pending.offset);
        if at > MAX_HEADER as u64 {
            return Err(PnaError::HeaderTooLarge);
        }
        let Some(mark) = rest.first() else { return Ok(Step::NeedsMore) };
        match mark {
            // Some servers fill up with zeros.
            0 => Ok(self.pass(1, Step::Again)),
            // An option of the server's: its length is one byte.
            b'O' => {
                let Some(length) = rest.get(1) else { return Ok(Step::NeedsMore) };
                let length = 2 + usize::from(*length);
                Ok(self.pass(length, Step::Again))
            }
            // Two bytes that xine takes for a checksum, others for a length: the chunk behind them says its length itself.
            b'r' => self.chunk(3),
            b'i' => Ok(self.pass(2, Step::Item(Item::WantsProof))),
            b'X' => Ok(self.message()),
            b'F' => Ok(self.pass(1, Step::Item(Item::Failure))),
            b'L' => {
                let step = self.pass(5, Step::Item(Item::HeaderEnd));
                if !matches!(step, Step::NeedsMore) {
                    self.part = Part::Media;
                }
                Ok(step)
            }
            b'Z' | b'#' => {
                self.part = Part::Media;
                Ok(Step::Item(Item::HeaderEnd))
            }
            _ if could_be_chunk(rest) => self.chunk(0),
            _ => Err(PnaError::NoChunk { at, found: excerpt(rest) }),
        }
    }

    /// A chunk of the header, `before` bytes from here.
    fn chunk(&mut self, before: usize) -> Result<Step, PnaError> {
        let (rest, at) = (self.pending.rest(), self.pending.offset);
        let chunk = rest.get(before..).unwrap_or_default();
        if !could_be_chunk(chunk) {
            return Err(PnaError::NoChunk { at: at + before as u64, found: excerpt(chunk) });
        }
        let Some(length) = chunk.get(4..8) else { return Ok(Step::NeedsMore) };
        let length = length.try_into().map_or(0, u32::from_be_bytes);
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        if !(8..=MAX_CHUNK).contains(&size) {
            return Err(PnaError::BadChunk { at: at + before as u64, length });
        }
        let taken = self.pending.take(before + size).map(|bytes| bytes[before..].to_vec());
        Ok(taken.map_or(Step::NeedsMore, |chunk| Step::Item(Item::Chunk(chunk))))
    }

    /// `X`, a length of two bytes, a text for the user.
    fn message(&mut self) -> Step {
        let Some(length) = u16_at(self.pending.rest(), 1) else { return Step::NeedsMore };
        let text = self.pending.take(3 + usize::from(length)).map(|bytes| crate::headers::text(&bytes[3..]));
        text.map_or(Step::NeedsMore, |text| {
            Step::Item(Item::Message(text.trim_matches(['\0', ' ', '\n']).to_owned()))
        })
    }

    fn media(&mut self) -> Step {
        let rest = self.pending.rest();
        let Some(mark) = rest.first() else { return Step::NeedsMore };
        match (mark, self.part) {
            (b'Z', _) => {
                let (Some(length), Some(again), Some(sequence), Some(end)) =
                    (u16_at(rest, 1), u16_at(rest, 3), u16_at(rest, 5), rest.get(7))
                else {
                    return Step::NeedsMore;
                };
                let length = usize::from(length);
                if usize::from(again) != length || *end != b'Z' || length < PACKET_HEADER {
                    return self.lost();
                }
                let Some(packet) = self.pending.take(UNCOUNTED + length) else { return Step::NeedsMore };
                let timestamp = packet[9..13].try_into().map_or(0, u32::from_be_bytes);
                self.part = Part::Media;
                Step::Item(Item::Data(Data { sequence, timestamp, media: length - PACKET_HEADER }))
            }
            // Its own answer to our challenge, which we leave unread.
            (b'#', Part::Media) => {
                let Some(length) = u16_at(rest, 1) else { return Step::NeedsMore };
                self.pass(3 + usize::from(length), Step::Again)
            }
            // Eight bytes that nobody knows.
            (b'b', Part::Media) => self.pass(8, Step::Again),
            (b'X', Part::Media) => self.message(),
            (b'F', Part::Media) => self.pass(1, Step::Item(Item::Failure)),
            (b'E', Part::Media) => self.pass(1, Step::Item(Item::End)),
            _ => self.lost(),
        }
    }

    /// One byte farther: players look for the next packet, too.
    fn lost(&mut self) -> Step {
        self.part = Part::Lost;
        self.skipped += 1;
        self.pass(1, Step::Again)
    }

    /// Takes `count` bytes, once they are here.
    fn pass(&mut self, count: usize, then: Step) -> Step {
        if self.pending.take(count).is_some() { then } else { Step::NeedsMore }
    }
}

/// What one look gave.
enum Step {
    Item(Item),
    Again,
    NeedsMore,
}

/// Whether these bytes begin, or are the beginning of, a chunk's name.
fn could_be_chunk(bytes: &[u8]) -> bool {
    CHUNKS.iter().any(|name| bytes.iter().zip(*name).all(|(got, want)| got == want))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}
