//! What the server says: responses, its own requests and interleaved media, cut out of one byte stream.

use crate::headers::{Headers, head_end, is_token, resume_at, text};

/// Most bytes of a start line and its headers together.
pub const MAX_HEAD: usize = 64 * 1024;
/// Most bytes of a body: an SDP with a Windows Media header inside is some tens of KiB.
pub const MAX_BODY: usize = 1024 * 1024;
/// Most bytes of a start line; longer ones are not RTSP.
const MAX_START_LINE: usize = 8 * 1024;
/// How much of something unreadable an error shows.
const SHOWN: usize = 40;

/// One thing that a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The answer to one of our requests.
    Response(Response),
    /// A request of the server to us: ANNOUNCE, REDIRECT, OPTIONS as a keep-alive, ...
    Request(ServerRequest),
    /// An RTP or RTCP packet on the RTSP connection (RFC 2326 section 10.12); may come between and before responses.
    Interleaved {
        /// Channel, as agreed on in `Transport: ...;interleaved=`.
        channel: u8,
        /// The packet.
        payload: Vec<u8>,
    },
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 100 to 999.
    pub status: u16,
    /// The words after the status; may be empty.
    pub reason: String,
    /// Header fields.
    pub headers: Headers,
    /// The body, empty without `Content-Length` (RFC 2326 section 4.4).
    pub body: Vec<u8>,
}

impl Response {
    /// The number of the request that this answers. VLC sends none with 401 and 404: then the answer is to the
    /// oldest request that waits for one.
    pub fn cseq(&self) -> Option<u32> {
        self.headers.get("CSeq")?.parse().ok()
    }
}

/// A request that the server sends to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRequest {
    /// Any token; servers invent some.
    pub method: String,
    /// What it is about.
    pub url: String,
    /// Header fields.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// Bytes that are no RTSP, or more of them than a server may send. `at` is the offset in all that was received.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RtspError {
    /// Something else speaks on this port, or a body was longer than its `Content-Length`.
    #[error("byte {at}: expected an RTSP message, found \"{found}\"")]
    NotRtsp {
        /// Offset of the message.
        at: u64,
        /// Its first bytes, escaped.
        found: String,
    },
    /// No end of the headers within [`MAX_HEAD`].
    #[error("byte {at}: headers of more than {MAX_HEAD} bytes")]
    HeadTooLarge {
        /// Offset of the message.
        at: u64,
    },
    /// The end of the body is unknown, so nothing after it can be read.
    #[error("byte {at}: Content-Length is \"{found}\"")]
    BadContentLength {
        /// Offset of the message.
        at: u64,
        /// The value, escaped.
        found: String,
    },
    /// A body longer than [`MAX_BODY`] is announced.
    #[error("byte {at}: a body of {length} bytes is announced, more than {MAX_BODY}")]
    BodyTooLarge {
        /// Offset of the message.
        at: u64,
        /// The announced length.
        length: u64,
    },
}

/// Cuts a received byte stream into messages: [`push`](Self::push) what arrived, then call
/// [`next_message`](Self::next_message) until it has no more.
///
/// Holds at most one message and what was pushed since. After an error it returns the same error for ever.
#[derive(Debug, Default)]
pub struct Decoder {
    buf: Vec<u8>,
    /// Bytes of `buf` that are consumed already.
    start: usize,
    /// Offset of `buf[0]` in the whole stream.
    offset: u64,
    /// Pending bytes known not to hold the end of the head: not searched twice, so that dripping costs linear time.
    searched: usize,
    /// Pending bytes without which looking again is useless, once the length of the message is known.
    needed: usize,
}

impl Decoder {
    /// Takes over what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buf.drain(..self.start);
            self.offset += self.start as u64;
            self.start = 0;
        }
        self.buf.extend_from_slice(bytes);
    }

    /// The next whole message; `None` until more bytes are pushed.
    pub fn next_message(&mut self) -> Result<Option<Message>, RtspError> {
        // Some servers send an empty line after a body; RFC 2326 section 4.1 asks to ignore it.
        while matches!(self.pending().first(), Some(b'\r' | b'\n')) {
            self.start += 1;
        }
        if self.pending().len() < self.needed.max(1) {
            return Ok(None);
        }
        match step(self.pending(), self.searched, self.offset + self.start as u64)? {
            Step::Whole(message, length) => {
                self.start += length;
                (self.searched, self.needed) = (0, 0);
                Ok(Some(message))
            }
            Step::NeedsHead => {
                self.searched = resume_at(self.pending());
                Ok(None)
            }
            Step::Needs(length) => {
                self.needed = length;
                Ok(None)
            }
        }
    }

    /// Bytes of a message that is not whole yet: not empty when a connection closes means that it was cut.
    pub fn pending(&self) -> &[u8] {
        self.buf.get(self.start..).unwrap_or_default()
    }
}

/// What one look at the pending bytes gave.
enum Step {
    /// A message and its length.
    Whole(Message, usize),
    /// The end of the head has not come.
    NeedsHead,
    /// The message has so many bytes.
    Needs(usize),
}

fn step(buf: &[u8], searched: usize, at: u64) -> Result<Step, RtspError> {
    let [b'$', rest @ ..] = buf else { return text_message(buf, searched, at) };
    let [channel, hi, lo, rest @ ..] = rest else { return Ok(Step::Needs(4)) };
    let length = usize::from(u16::from_be_bytes([*hi, *lo]));
    Ok(match rest.get(..length) {
        Some(payload) => {
            Step::Whole(Message::Interleaved { channel: *channel, payload: payload.to_vec() }, 4 + length)
        }
        None => Step::Needs(4 + length),
    })
}

/// A response or request at the beginning of `buf`.
fn text_message(buf: &[u8], searched: usize, at: u64) -> Result<Step, RtspError> {
    let not_rtsp = || RtspError::NotRtsp { at, found: shown(buf) };
    // Judge the start line before waiting for more: a server of another protocol may say one line and then nothing.
    let line_end = buf.iter().take(MAX_START_LINE).position(|&b| b == b'\n');
    let (line, rest) = buf.split_at(line_end.unwrap_or(buf.len()));
    let first_word = line.split(|&b| b == b' ').next().unwrap_or_default();
    if !first_word.iter().all(|&b| is_token(b) || b == b'/') {
        return Err(not_rtsp());
    }
    let Some(line_end) = line_end else {
        return if buf.len() < MAX_START_LINE { Ok(Step::NeedsHead) } else { Err(not_rtsp()) };
    };
    let start_line = StartLine::parse(text(line).trim_end()).ok_or_else(not_rtsp)?;

    let Some(head) = head_end(buf, searched).filter(|&head| head <= MAX_HEAD) else {
        return if buf.len() < MAX_HEAD { Ok(Step::NeedsHead) } else { Err(RtspError::HeadTooLarge { at }) };
    };
    let headers = Headers::parse(rest.get(1..head - line_end).unwrap_or_default());
    let end = head + body_length(&headers, at)?;
    let Some(body) = buf.get(head..end) else { return Ok(Step::Needs(end)) };
    let body = body.to_vec();
    let message = match start_line {
        StartLine::Response { status, reason } => {
            Message::Response(Response { status, reason, headers, body })
        }
        StartLine::Request { method, url } => Message::Request(ServerRequest { method, url, headers, body }),
    };
    Ok(Step::Whole(message, end))
}

/// The first line of a message.
enum StartLine {
    Response { status: u16, reason: String },
    Request { method: String, url: String },
}

impl StartLine {
    fn parse(line: &str) -> Option<Self> {
        let (first, rest) = line.split_once(' ')?;
        if first.starts_with("RTSP/") {
            let (status, reason) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
            let status = status.parse().ok().filter(|s| (100..1000).contains(s))?;
            return Some(Self::Response { status, reason: reason.trim().to_owned() });
        }
        let (url, version) = rest.trim().rsplit_once(' ')?;
        let known = version.starts_with("RTSP/") && first.bytes().all(is_token);
        known.then(|| Self::Request { method: first.to_owned(), url: url.trim_end().to_owned() })
    }
}

fn body_length(headers: &Headers, at: u64) -> Result<usize, RtspError> {
    let Some(value) = headers.get("Content-Length") else { return Ok(0) };
    let bad = |_| RtspError::BadContentLength { at, found: shown(value.as_bytes()) };
    let length: u64 = value.parse().map_err(bad)?;
    usize::try_from(length).ok().filter(|&l| l <= MAX_BODY).ok_or(RtspError::BodyTooLarge { at, length })
}

/// The first bytes of something unreadable, harmless to print.
fn shown(bytes: &[u8]) -> String {
    bytes.get(..SHOWN).unwrap_or(bytes).escape_ascii().to_string()
}
