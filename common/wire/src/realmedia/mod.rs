//! RealMedia headers: what a stream of `RealNetworks` says that it holds.
//!
//! The same pieces come in three envelopes: as chunks over PNA and in files (`PROP`, `CONT`, `MDPR`), and as the type-specific data
//! of a description over RTSP (`a=OpaqueData`, one stream's or several behind `MLTI`). Nothing is decoded. All integers are
//! big-endian. Sources: the file format as published with the Helix community; offsets compared with what ffmpeg 5.1.9 writes.

mod codec;

pub use codec::{Codec, CodecData};

use crate::headers::text;

/// Streams of a header; `SureStream` files have a dozen.
pub const MAX_STREAMS: usize = 64;
/// A chunk begins with its tag, its length and its version.
const CHUNK_HEADER: usize = 10;
/// `PROP` flags: the source is live.
const LIVE: u16 = 4;

/// A chunk that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RealMediaError {
    /// It ends before what it announces.
    #[error("{tag}: {what} at byte {at} of {length}")]
    Cut {
        /// Which chunk.
        tag: &'static str,
        /// What is cut.
        what: &'static str,
        /// Where it begins.
        at: usize,
        /// Bytes of the chunk.
        length: usize,
    },
    /// More than [`MAX_STREAMS`].
    #[error("more than {MAX_STREAMS} streams")]
    TooManyStreams,
}

/// What the chunks of a header say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// Whether the source is live; `None` before `PROP` has come.
    pub live: Option<bool>,
    /// Bits per second of all streams.
    pub bit_rate: u32,
    /// How long it plays; none when it is live or unknown.
    pub duration_ms: Option<u32>,
    /// The title, if one is set.
    pub title: Option<String>,
    /// The author, if one is set.
    pub author: Option<String>,
    /// The streams, in the order in which they came.
    pub streams: Vec<Stream>,
}

/// One stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Its number.
    pub number: u16,
    /// Average bits per second.
    pub bit_rate: u32,
    /// Its name.
    pub name: String,
    /// Its type, such as `audio/x-pn-realaudio`.
    pub mime: String,
    /// What its type-specific data says.
    pub codec: Option<Codec>,
}

impl Stream {
    /// `audio`, `video`, or the type itself for what is neither.
    pub fn kind(&self) -> &str {
        match &self.codec {
            Some(codec) => codec.kind(),
            None => self.mime.split('/').next().unwrap_or_default(),
        }
    }

    /// The codec by the name that players print, or the type.
    pub fn codec_name(&self) -> String {
        self.codec.as_ref().map_or_else(|| self.mime.clone(), Codec::name)
    }

    /// Whether it is sound or picture: `SureStream` files have logical streams besides.
    pub fn is_media(&self) -> bool {
        matches!(self.kind(), "audio" | "video")
    }
}

impl Header {
    /// Takes one chunk, from its tag to its end. Those of no interest are passed over.
    ///
    /// # Errors
    /// [`RealMediaError`] with the place.
    pub fn take(&mut self, chunk: &[u8]) -> Result<(), RealMediaError> {
        match chunk.get(..4) {
            Some(b"PROP") => self.properties(&mut Cursor::new("PROP", chunk)),
            Some(b"CONT") => self.content(&mut Cursor::new("CONT", chunk)),
            Some(b"MDPR") => self.stream(&mut Cursor::new("MDPR", chunk)),
            _ => Ok(()),
        }
    }

    fn properties(&mut self, from: &mut Cursor<'_>) -> Result<(), RealMediaError> {
        from.skip("the greatest bit rate", 4)?;
        self.bit_rate = from.u32("bit rate")?;
        from.skip("packet sizes and count", 12)?;
        let duration = from.u32("duration")?;
        from.skip("preroll and offsets", 12)?;
        from.skip("number of streams", 2)?;
        let live = from.u16("flags")? & LIVE != 0;
        self.live = Some(live);
        self.duration_ms = Some(duration).filter(|duration| !live && *duration > 0);
        Ok(())
    }

    fn content(&mut self, from: &mut Cursor<'_>) -> Result<(), RealMediaError> {
        let mut line = |what| -> Result<Option<String>, RealMediaError> {
            let length = from.u16(what)?;
            let line = text(from.take(what, usize::from(length))?);
            Ok(Some(line.trim_matches(['\0', ' ']).to_owned()).filter(|line| !line.is_empty()))
        };
        self.title = line("title")?;
        self.author = line("author")?;
        Ok(())
    }

    fn stream(&mut self, from: &mut Cursor<'_>) -> Result<(), RealMediaError> {
        if self.streams.len() == MAX_STREAMS {
            return Err(RealMediaError::TooManyStreams);
        }
        let number = from.u16("number")?;
        from.skip("the greatest bit rate", 4)?;
        let bit_rate = from.u32("bit rate")?;
        from.skip("packet sizes and times", 20)?;
        let mut word = |what| -> Result<String, RealMediaError> {
            let length = from.take(what, 1)?.first().copied().unwrap_or_default();
            Ok(text(from.take(what, usize::from(length))?))
        };
        let (name, mime) = (word("name")?, word("type")?);
        let length = usize::try_from(from.u32("length of the codec's data")?).unwrap_or(usize::MAX);
        let codec = Codec::parse(from.take("the codec's data", length)?);
        self.streams.push(Stream { number, bit_rate, name, mime, codec });
        Ok(())
    }
}

/// Takes parts off the front of a chunk.
struct Cursor<'a> {
    tag: &'static str,
    chunk: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(tag: &'static str, chunk: &'a [u8]) -> Self {
        Self { tag, chunk, at: CHUNK_HEADER }
    }

    fn take(&mut self, what: &'static str, count: usize) -> Result<&'a [u8], RealMediaError> {
        let (at, length) = (self.at, self.chunk.len());
        let part = at.checked_add(count).and_then(|end| self.chunk.get(at..end));
        self.at = at.saturating_add(count);
        part.ok_or(RealMediaError::Cut { tag: self.tag, what, at, length })
    }

    fn skip(&mut self, what: &'static str, count: usize) -> Result<(), RealMediaError> {
        self.take(what, count).map(drop)
    }

    fn u16(&mut self, what: &'static str) -> Result<u16, RealMediaError> {
        Ok(self.take(what, 2)?.try_into().map_or(0, u16::from_be_bytes))
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, RealMediaError> {
        Ok(self.take(what, 4)?.try_into().map_or(0, u32::from_be_bytes))
    }
}

#[cfg(test)]
mod tests;
