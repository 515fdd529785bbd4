//! The framing of a body, undone without holding any of it: each piece of content is handed on as it lies in the input.

use thiserror::Error;

use super::Framing;

/// The longest line that announces a chunk, extensions included.
pub const MAX_CHUNK_LINE: usize = 4 * 1024;
/// The most bytes of trailers after the last chunk.
pub const MAX_TRAILER: usize = 16 * 1024;

/// Why the body cannot be read on. Offsets count the bytes of the body as sent, framing included.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    /// A byte where a chunk size or a line end belongs.
    #[error("bad chunk: byte 0x{byte:02x} at offset {offset} of the body")]
    BadChunk {
        /// Where.
        offset: u64,
        /// What.
        byte: u8,
    },
    /// A chunk size of more than 64 bits.
    #[error("chunk size beyond 64 bits at offset {offset} of the body")]
    ChunkTooLarge {
        /// Where.
        offset: u64,
    },
    /// More than [`MAX_CHUNK_LINE`] bytes announce a chunk, or more than [`MAX_TRAILER`] follow the last.
    #[error("chunk line or trailers without end at offset {offset} of the body")]
    TooLong {
        /// Where.
        offset: u64,
    },
    /// The connection ended before the body did.
    #[error("the connection ended at offset {offset}, before the end of the body")]
    Truncated {
        /// Bytes that had come.
        offset: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    UntilClose,
    Length { left: u64 },
    ChunkSize { size: u64, line: usize },
    ChunkExtension { size: u64, line: usize },
    ChunkData { left: u64 },
    ChunkEnd { after_cr: bool },
    Trailer { total: usize, line: usize },
    Done,
}

/// Decodes one body; see [`Body::feed`].
#[derive(Debug, Clone)]
pub struct Body {
    state: State,
    offset: u64,
}

impl Body {
    /// A decoder for the framing that [`super::Head::framing`] found.
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(left) => State::Length { left },
            Framing::Chunked => State::ChunkSize { size: 0, line: 0 },
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, offset: 0 }
    }

    /// The whole body has come. Never true when the server's closing is the end.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes the next bytes of the connection and hands the content among them to `sink`, piece by piece. Returns how
    /// many bytes were taken: all of them, unless the body ended within.
    pub fn feed(&mut self, input: &[u8], mut sink: impl FnMut(&[u8])) -> Result<usize, BodyError> {
        let mut used = 0;
        while used < input.len() && !self.is_done() {
            let rest = &input[used..];
            let content = match self.state {
                State::UntilClose => rest.len(),
                State::Length { left } | State::ChunkData { left } => {
                    usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()))
                }
                _ => 0,
            };
            if content > 0 {
                sink(&rest[..content]);
                self.state = self.after_content(content as u64);
            } else {
                self.state = self.after_framing(rest[0])?;
            }
            let step = content.max(1);
            used += step;
            self.offset += step as u64;
        }
        Ok(used)
    }

    /// The connection ended: was that the end of the body?
    pub fn finish(&self) -> Result<(), BodyError> {
        match self.state {
            State::Done | State::UntilClose => Ok(()),
            _ => Err(BodyError::Truncated { offset: self.offset }),
        }
    }

    fn after_content(&self, bytes: u64) -> State {
        match self.state {
            State::Length { left } if left == bytes => State::Done,
            State::Length { left } => State::Length { left: left - bytes },
            State::ChunkData { left } if left == bytes => State::ChunkEnd { after_cr: false },
            State::ChunkData { left } => State::ChunkData { left: left - bytes },
            other => other,
        }
    }

    /// RFC 9112 section 7.1, one byte of it; a lone LF ends a line too.
    fn after_framing(&self, byte: u8) -> Result<State, BodyError> {
        let offset = self.offset;
        let begin = |size| match size {
            0 => State::Trailer { total: 0, line: 0 },
            left => State::ChunkData { left },
        };
        match (self.state, byte) {
            (State::ChunkSize { line, .. } | State::ChunkExtension { line, .. }, _)
                if line == MAX_CHUNK_LINE =>
            {
                Err(BodyError::TooLong { offset })
            }
            (State::Trailer { total: MAX_TRAILER, .. }, _) => Err(BodyError::TooLong { offset }),
            (State::ChunkSize { size, line: 1.. } | State::ChunkExtension { size, .. }, b'\n') => {
                Ok(begin(size))
            }
            (State::ChunkSize { size, line: line @ 1.. }, b'\r' | b';' | b' ' | b'\t')
            | (State::ChunkExtension { size, line }, _) => Ok(State::ChunkExtension { size, line: line + 1 }),
            (State::ChunkSize { size, line }, _) => {
                let digit = char::from(byte).to_digit(16).ok_or(BodyError::BadChunk { offset, byte })?;
                let size =
                    size.checked_mul(16).ok_or(BodyError::ChunkTooLarge { offset })? + u64::from(digit);
                Ok(State::ChunkSize { size, line: line + 1 })
            }
            (State::ChunkEnd { after_cr: false }, b'\r') => Ok(State::ChunkEnd { after_cr: true }),
            (State::ChunkEnd { .. }, b'\n') => Ok(State::ChunkSize { size: 0, line: 0 }),
            (State::ChunkEnd { .. }, _) => Err(BodyError::BadChunk { offset, byte }),
            (State::Trailer { line: 0, .. }, b'\n') => Ok(State::Done),
            (State::Trailer { total, .. }, b'\n') => Ok(State::Trailer { total: total + 1, line: 0 }),
            (State::Trailer { total, line }, b'\r') => Ok(State::Trailer { total: total + 1, line }),
            (State::Trailer { total, line }, _) => Ok(State::Trailer { total: total + 1, line: line + 1 }),
            // States of content never come here.
            (other, _) => Ok(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::HeadReader;
    use proptest::prelude::*;

    /// Feeds in pieces of the given size; returns the content, the bytes taken and the last state of affairs.
    fn decode(framing: Framing, input: &[u8], piece: usize) -> (Vec<u8>, usize, Result<(), BodyError>) {
        let mut body = Body::new(framing);
        let (mut content, mut used) = (Vec::new(), 0);
        for part in input.chunks(piece.max(1)) {
            match body.feed(part, |data| content.extend_from_slice(data)) {
                Ok(n) => used += n,
                Err(error) => return (content, used, Err(error)),
            }
            if body.is_done() {
                break;
            }
        }
        (content, used, body.finish())
    }

    #[test]
    fn recorded_chunked_stream_is_the_mp3_that_went_in() {
        let bytes = include_bytes!("../../testdata/http1/ffmpeg-chunked-mp3.http");
        let (head, used) = HeadReader::new().push(bytes).unwrap().unwrap();
        assert_eq!(head.framing(), Ok(Framing::Chunked));
        let (content, taken, end) = decode(Framing::Chunked, &bytes[used..], 777);
        assert_eq!((end, taken), (Ok(()), bytes.len() - used));
        assert!(content.starts_with(b"ID3"));
        assert_eq!(content.len(), 16_344, "as Python's http.client decodes it");
    }

    #[test]
    fn recorded_content_length_is_obeyed() {
        let bytes = include_bytes!("../../testdata/http1/icecast-status-json.http");
        let (head, used) = HeadReader::new().push(bytes).unwrap().unwrap();
        let framing = head.framing().unwrap();
        let (content, _, end) = decode(framing, &bytes[used..], usize::MAX);
        assert_eq!((content.len(), end), (1334, Ok(())));
        let (_, _, end) = decode(framing, &bytes[used..bytes.len() - 1], usize::MAX);
        assert_eq!(end, Err(BodyError::Truncated { offset: 1333 }));
        assert_eq!(decode(Framing::Length(3), b"abcNEXT", 2), (b"abc".to_vec(), 3, Ok(())));
        assert_eq!(decode(Framing::Length(0), b"NEXT", 2), (vec![], 0, Ok(())));
    }

    #[test]
    fn extensions_trailers_and_lone_newlines_are_accepted() {
        let input = b"5;name=\"va\"\r\nhello\r\n06 \n world\n0\r\nA: b\r\nC: d\r\n\r\nNEXT";
        for piece in 1..input.len() {
            let (content, used, end) = decode(Framing::Chunked, input, piece);
            assert_eq!((content.as_slice(), used, end), (&b"hello world"[..], input.len() - 4, Ok(())));
        }
    }

    #[test]
    fn the_place_of_a_bad_chunk_is_told() {
        let error = |input: &[u8]| decode(Framing::Chunked, input, usize::MAX).2.unwrap_err();
        assert_eq!(error(b"5\r\nhelloX"), BodyError::BadChunk { offset: 8, byte: b'X' });
        assert_eq!(error(b"\r\n"), BodyError::BadChunk { offset: 0, byte: b'\r' });
        assert_eq!(error(b"1\r\na\r\r\n"), BodyError::BadChunk { offset: 5, byte: b'\r' });
        assert_eq!(error(b"10000000000000000\r\n"), BodyError::ChunkTooLarge { offset: 16 });
        assert_eq!(error(&[b'0'; MAX_CHUNK_LINE + 1]), BodyError::TooLong { offset: MAX_CHUNK_LINE as u64 });
        let endless = [b"0\r\n".to_vec(), vec![b'a'; MAX_TRAILER + 1]].concat();
        assert_eq!(error(&endless), BodyError::TooLong { offset: MAX_TRAILER as u64 + 3 });
        assert_eq!(error(b"ffffffffffffffff\r\nabc"), BodyError::Truncated { offset: 21 });
    }

    proptest! {
        #[test]
        fn chunks_come_out_as_they_went_in(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..8), piece in 1usize..60) {
            let mut coded = Vec::new();
            for part in &parts {
                coded.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                coded.extend_from_slice(part);
                coded.extend_from_slice(b"\r\n");
            }
            coded.extend_from_slice(b"0\r\n\r\n");
            let (content, used, end) = decode(Framing::Chunked, &coded, piece);
            prop_assert_eq!((content, used, end), (parts.concat(), coded.len(), Ok(())));
        }

        #[test]
        fn any_bytes_end_alike_however_they_are_split(input in "[0-9a-f;\r\n x]{0,60}", piece in 1usize..60) {
            let whole = decode(Framing::Chunked, input.as_bytes(), usize::MAX);
            let split = decode(Framing::Chunked, input.as_bytes(), piece);
            prop_assert_eq!(whole.0, split.0);
            prop_assert_eq!(whole.2, split.2);
        }
    }
}
