//! The response head: collected byte by byte up to its blank line, then read leniently.

use thiserror::Error;

use crate::headers::{Headers, text};
use crate::text::excerpt;

/// The largest head that is collected, status line and blank line included.
pub const MAX_HEAD: usize = 64 * 1024;

/// Why what the server sent is not a response head.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeadError {
    /// The first bytes are not those of HTTP or ICY.
    #[error("the server does not speak HTTP: it began with \"{first}\"")]
    NotHttp {
        /// The first bytes, escaped.
        first: String,
    },
    /// It began like HTTP, but version or status make no sense.
    #[error("bad status line \"{line}\"")]
    BadStatusLine {
        /// The line, escaped.
        line: String,
    },
    /// No blank line within [`MAX_HEAD`].
    #[error("the response head did not end within {MAX_HEAD} bytes")]
    HeadTooLarge,
    /// The connection ended before the blank line.
    #[error("the connection ended after {got} bytes, within the response head")]
    Truncated {
        /// Bytes of the head that had come.
        got: usize,
    },
}

/// Why the length of the body is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("bad Content-Length \"{value}\"")]
pub struct FramingError {
    /// The offending value, or both of two that contradict each other.
    pub value: String,
}

/// What the status line called itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `HTTP/1.minor`
    Http {
        /// 0 or 1, in the field also other digits.
        minor: u8,
    },
    /// `ICY 200 OK`: SHOUTcast v1 and its imitators.
    Icy,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http { minor } => write!(f, "HTTP/1.{minor}"),
            Self::Icy => f.write_str("ICY"),
        }
    }
}

/// How the end of the body is known (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes; 0 for a status that has no body.
    Length(u64),
    /// Chunks, then trailers.
    Chunked,
    /// The server closes: every live stream.
    UntilClose,
}

/// A response head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// HTTP or ICY.
    pub protocol: Protocol,
    /// Three digits.
    pub status: u16,
    /// What follows the status, trimmed; may be empty.
    pub reason: String,
    /// The header lines.
    pub headers: Headers,
}

impl Head {
    /// 1xx: another head follows on the same connection.
    pub fn is_interim(&self) -> bool {
        self.status < 200
    }

    /// How the body of this answer ends. An answer to HEAD never has a body: the caller knows, this does not.
    pub fn framing(&self) -> Result<Framing, FramingError> {
        if self.is_interim() || self.status == 204 || self.status == 304 {
            return Ok(Framing::Length(0));
        }
        if let Some(coding) = self.headers.all("transfer-encoding").last() {
            let last = coding.rsplit(',').next().unwrap_or_default().trim();
            if last.eq_ignore_ascii_case("chunked") {
                return Ok(Framing::Chunked);
            }
        }
        let mut length = None;
        for value in self.headers.all("content-length") {
            let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
            let parsed = value.parse::<u64>().ok().filter(|_| digits);
            match (parsed, length) {
                (Some(n), None) => length = Some(n),
                (Some(n), Some(before)) if n == before => {}
                (Some(n), Some(before)) => return Err(FramingError { value: format!("{before}, {n}") }),
                (None, _) => return Err(FramingError { value: excerpt(value.as_bytes()) }),
            }
        }
        Ok(length.map_or(Framing::UntilClose, Framing::Length))
    }
}

/// Collects a head from pieces of any size. Holds at most [`MAX_HEAD`] bytes.
#[derive(Debug, Default)]
pub struct HeadReader {
    collected: Vec<u8>,
    line_start: usize,
}

impl HeadReader {
    /// An empty reader.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes from the server. When the head is complete, returns it with the number of bytes *of this
    /// input* that belonged to it; the rest is body. The reader is then fresh, for the head that follows an interim one.
    pub fn push(&mut self, input: &[u8]) -> Result<Option<(Head, usize)>, HeadError> {
        let mut used = 0;
        while used < input.len() {
            let rest = &input[used..];
            let newline = rest.iter().position(|&b| b == b'\n');
            let piece = &rest[..newline.map_or(rest.len(), |at| at + 1)];
            if self.collected.len() + piece.len() > MAX_HEAD {
                return Err(HeadError::HeadTooLarge);
            }
            self.collected.extend_from_slice(piece);
            used += piece.len();
            self.check_first_bytes(input)?;
            if newline.is_none() {
                break;
            }
            if matches!(&self.collected[self.line_start..], b"\n" | b"\r\n") {
                let head = parse(&self.collected)?;
                *self = Self::new();
                return Ok(Some((head, used)));
            }
            self.line_start = self.collected.len();
        }
        Ok(None)
    }

    /// The connection ended: says what is missing.
    pub fn truncated(&self) -> HeadError {
        HeadError::Truncated { got: self.collected.len() }
    }

    /// A server that speaks something else is known from its first bytes, without waiting for a blank line.
    fn check_first_bytes(&self, input: &[u8]) -> Result<(), HeadError> {
        let begins_like = |word: &[u8]| self.collected.iter().zip(word).all(|(a, b)| a == b);
        if begins_like(b"HTTP/") || begins_like(b"ICY ") {
            return Ok(());
        }
        // The input shows more than the first line, when all has come at once.
        let first = if input.len() > self.collected.len() { input } else { &self.collected };
        Err(HeadError::NotHttp { first: excerpt(first) })
    }
}

fn parse(bytes: &[u8]) -> Result<Head, HeadError> {
    let end = bytes.iter().position(|&b| b == b'\n').map_or(bytes.len(), |at| at + 1);
    let (first, fields) = bytes.split_at(end);
    let first = first.trim_ascii_end();
    let (protocol, status, reason) =
        status_line(first).ok_or_else(|| HeadError::BadStatusLine { line: excerpt(first) })?;
    Ok(Head { protocol, status, reason, headers: Headers::parse(fields) })
}

fn status_line(line: &[u8]) -> Option<(Protocol, u16, String)> {
    let text = text(line);
    let (version, rest) = text.split_once(' ')?;
    let protocol = if version == "ICY" {
        Protocol::Icy
    } else {
        let minor = version.strip_prefix("HTTP/1.")?;
        Protocol::Http { minor: minor.parse().ok()? }
    };
    let rest = rest.trim_start();
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = status.trim_end();
    let three_digits = status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit());
    let status = status.parse().ok().filter(|&n| three_digits && n >= 100)?;
    Some((protocol, status, reason.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<(Head, usize), HeadError> {
        let mut reader = HeadReader::new();
        reader.push(bytes)?.ok_or_else(|| reader.truncated())
    }

    #[test]
    fn icecast_headers_lack_the_blank_after_the_colon() {
        let bytes = include_bytes!("../../testdata/icy/icecast-mp3-latin1.http");
        let (head, used) = read(bytes).unwrap();
        assert_eq!((head.status, head.reason.as_str()), (200, "OK"));
        assert_eq!(head.headers.get("ICY-Name"), Some("Café Radio"));
        assert_eq!(head.framing(), Ok(Framing::UntilClose));
        assert!(bytes[used..].starts_with(b"ID3"));
    }

    #[test]
    fn recorded_icecast_errors_are_read() {
        for (bytes, status, reason) in [
            (&include_bytes!("../../testdata/http1/icecast-404.http")[..], 404, "File Not Found"),
            (include_bytes!("../../testdata/http1/icecast-401.http"), 401, "Authentication Required"),
            (include_bytes!("../../testdata/http1/icecast-refuses-head.http"), 400, "Bad Request"),
        ] {
            let (head, _) = read(bytes).unwrap();
            assert_eq!((head.status, head.reason.as_str()), (status, reason));
        }
    }

    #[test]
    fn odd_heads_of_the_field_are_read() {
        let (head, used) = read(b"ICY 200 OK\r\n\r\nID3").unwrap();
        assert_eq!((head.protocol, head.status, used), (Protocol::Icy, 200, 14));
        let (head, _) = read(b"HTTP/1.0 200\nicy-br:128\nno colon here\n\n").unwrap();
        assert_eq!((head.protocol, head.reason.as_str()), (Protocol::Http { minor: 0 }, ""));
        assert_eq!(head.headers.iter().collect::<Vec<_>>(), [("icy-br", "128")]);
        let (head, _) =
            read(b"HTTP/1.1  404   Not there\r\nPragma: a\r\nX: one\r\n two\r\npragma:b\r\n\r\n").unwrap();
        assert_eq!((head.status, head.reason.as_str()), (404, "Not there"));
        assert_eq!(head.headers.get("x"), Some("one two"));
        assert_eq!(head.headers.all("PRAGMA").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_is_not_http_is_named_by_its_first_bytes() {
        let not_http = |first: &str| Err(HeadError::NotHttp { first: first.to_owned() });
        assert_eq!(read(b"SSH-2.0-OpenSSH_9\r\n"), not_http("SSH-2.0-OpenSSH_9\\r\\n"));
        assert_eq!(read(b"\r\nHTTP/1.0 200 OK\r\n\r\n"), not_http("\\r\\nHTTP/1.0 200 OK\\r\\n\\r\\n"));
        assert_eq!(HeadReader::new().push(b"H"), Ok(None));
        for line in
            ["HTTP/2 200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000", "HTTP/1.1 OK", "ICY", "HTTP/1.1 099 x"]
        {
            let error = read(format!("{line}\r\n\r\n").as_bytes()).unwrap_err();
            let expected = if line == "ICY" { None } else { Some(line.to_owned()) };
            match expected {
                Some(line) => assert_eq!(error, HeadError::BadStatusLine { line }),
                None => assert!(matches!(error, HeadError::NotHttp { .. })),
            }
        }
    }

    #[test]
    fn endless_heads_end() {
        let mut reader = HeadReader::new();
        reader.push(b"HTTP/1.0 200 OK\r\nx: ").unwrap();
        let error = (0..MAX_HEAD).find_map(|_| reader.push(b"aaaa").err());
        assert_eq!(error, Some(HeadError::HeadTooLarge));
        assert!(reader.collected.len() <= MAX_HEAD);
        assert_eq!(read(b"HTTP/1.0 200 OK\r\nx"), Err(HeadError::Truncated { got: 18 }));
    }

    #[test]
    fn framing_follows_rfc_9112() {
        let framing =
            |headers: &str| read(format!("HTTP/1.1 200 OK\n{headers}\n").as_bytes()).unwrap().0.framing();
        assert_eq!(framing("Content-Length: 10\n"), Ok(Framing::Length(10)));
        assert_eq!(framing("Content-Length: 10\nContent-Length: 10\n"), Ok(Framing::Length(10)));
        assert_eq!(framing("Content-Length: 10\nTransfer-Encoding: gzip, Chunked\n"), Ok(Framing::Chunked));
        assert_eq!(framing("Transfer-Encoding: identity\n"), Ok(Framing::UntilClose));
        for value in ["-1", "+1", "", "1e3", "99999999999999999999"] {
            assert_eq!(
                framing(&format!("Content-Length: {value}\n")),
                Err(FramingError { value: value.into() })
            );
        }
        assert!(framing("Content-Length: 1\nContent-Length: 2\n").is_err());
        let no_body = read(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n").unwrap().0;
        assert_eq!(no_body.framing(), Ok(Framing::Length(0)));
    }

    proptest! {
        #[test]
        fn any_bytes_give_the_same_answer_however_they_are_split(
            tail in proptest::collection::vec(any::<u8>(), 0..200), prefix in "(HTTP/1.1 200 OK\r?\n|ICY 200\n)?", at in 0usize..240
        ) {
            let bytes = [prefix.as_bytes(), &tail].concat();
            let (first, second) = bytes.split_at(at.min(bytes.len()));
            let whole = HeadReader::new().push(&bytes);
            let mut reader = HeadReader::new();
            let split = match reader.push(first) {
                Ok(None) => reader.push(second).map(|done| done.map(|(head, used)| (head, used + first.len()))),
                done => done,
            };
            // The excerpt of NotHttp shows what had come so far; everything else is equal.
            if let Err(HeadError::NotHttp { .. }) = whole {
                prop_assert!(bytes.is_empty() || split.is_err());
            } else {
                prop_assert_eq!(whole, split);
            }
        }
    }
}
