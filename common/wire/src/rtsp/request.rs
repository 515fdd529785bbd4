//! What we say: a request and its bytes.

use std::fmt;

use crate::headers::{BadField, Headers, check_word};

/// The methods that a client of a stream needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// What can this server do?
    Options,
    /// What is this stream made of? Answered with SDP.
    Describe,
    /// Reserve a transport for one track.
    Setup,
    /// Send.
    Play,
    /// Stop sending, keep the session.
    Pause,
    /// Read a parameter; without a body the usual keep-alive.
    GetParameter,
    /// Write a parameter.
    SetParameter,
    /// End the session.
    Teardown,
}

impl Method {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Options => "OPTIONS",
            Self::Describe => "DESCRIBE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
            Self::Pause => "PAUSE",
            Self::GetParameter => "GET_PARAMETER",
            Self::SetParameter => "SET_PARAMETER",
            Self::Teardown => "TEARDOWN",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request under construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    method: Method,
    url: String,
    headers: Headers,
    body: Vec<u8>,
}

impl Request {
    /// A request with its sequence number, which every RTSP request must carry (RFC 2326 section 12.17).
    pub fn new(method: Method, url: &str, cseq: u32) -> Self {
        let mut headers = Headers::default();
        headers.push("CSeq", cseq.to_string());
        Self { method, url: url.to_owned(), headers, body: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Adds a body with its `Content-Type` and `Content-Length`.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("Content-Type", content_type).header("Content-Length", length)
    }

    /// The bytes to send. Fails if the URL or a header would break out of its line.
    pub fn encode(&self) -> Result<Vec<u8>, BadField> {
        check_word("the URL", &self.url)?;
        let mut out = format!("{} {} RTSP/1.0\r\n", self.method, self.url).into_bytes();
        self.headers.encode(&mut out)?;
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_like_the_rfc() {
        let request = Request::new(Method::Setup, "rtsp://example.org/live/stream=0", 3)
            .header("Transport", Transport::offer_tcp(0));
        assert_eq!(
            String::from_utf8(request.encode().unwrap()).unwrap(),
            "SETUP rtsp://example.org/live/stream=0 RTSP/1.0\r\nCSeq: 3\r\n\
             Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
        );
    }

    #[test]
    fn a_body_brings_its_length() {
        let request =
            Request::new(Method::SetParameter, "rtsp://example.org/", 1).body("text/parameters", "a: b\r\n");
        assert!(
            request
                .encode()
                .unwrap()
                .ends_with(b"Content-Type: text/parameters\r\nContent-Length: 6\r\n\r\na: b\r\n")
        );
    }

    #[test]
    fn a_url_or_header_cannot_carry_a_second_request() {
        for url in
            ["", "rtsp://example.org/a b", "rtsp://example.org/ RTSP/1.0\r\nX: y", "rtsp://example.org/\n"]
        {
            assert!(Request::new(Method::Options, url, 1).encode().is_err(), "{url:?}");
        }
        let request = Request::new(Method::Options, "rtsp://example.org/", 1);
        assert!(request.clone().header("User-Agent", "a\r\n\r\nTEARDOWN * RTSP/1.0").encode().is_err());
        assert!(request.header("Session", "aL4h3+bYcMTtS4Fg/").encode().is_ok());
    }

    use crate::rtsp::Transport;
}
