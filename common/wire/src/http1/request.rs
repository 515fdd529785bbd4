//! Writing a request head that cannot be made to say anything else than what was asked for.

use crate::headers::{BadField, Headers, check_word};

/// The version that the request line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: the server closes at the end and does not chunk. The safe choice for endless streams.
    Http10,
    /// HTTP/1.1: the caller adds `Host` and `Connection: close`.
    Http11,
}

/// A request without a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The version to name.
    pub version: Version,
    /// `GET`, `HEAD`, ...
    pub method: &'a str,
    /// Path and query, percent-encoded (origin form, RFC 9112 section 3.2.1).
    pub target: &'a str,
    /// The fields in the order in which they are sent; the same name may come several times.
    pub headers: Headers,
}

impl Request<'_> {
    /// The bytes to send. Refuses whatever would break a line and so smuggle something into the request.
    pub fn encode(&self) -> Result<Vec<u8>, BadField> {
        check_word("the method", self.method)?;
        check_word("the request target", self.target)?;
        let version = match self.version {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        };
        let mut out = format!("{} {} {version}\r\n", self.method, self.target).into_bytes();
        self.headers.encode(&mut out)?;
        out.extend_from_slice(b"\r\n");
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn get(target: &str, fields: &[(&str, &str)]) -> Result<Vec<u8>, BadField> {
        let mut headers = Headers::default();
        for (name, value) in fields {
            headers.push(*name, *value);
        }
        Request { version: Version::Http10, method: "GET", target, headers }.encode()
    }

    #[test]
    fn writes_the_bytes_that_icecast_expects() {
        assert_eq!(
            get("/live.mp3", &[("Host", "radio.example.net"), ("Icy-MetaData", "1")]).unwrap(),
            b"GET /live.mp3 HTTP/1.0\r\nHost: radio.example.net\r\nIcy-MetaData: 1\r\n\r\n"
        );
    }

    #[test]
    fn refuses_a_target_that_would_end_the_request_line() {
        let error = get("/a HTTP/1.0\r\nX: y", &[]).unwrap_err();
        assert_eq!((error.field.as_str(), error.at), ("the request target", 2));
        assert!(get("", &[]).is_err());
    }

    proptest! {
        #[test]
        fn a_request_has_exactly_the_lines_that_were_asked_for(
            target in "[!-~ \\r\\n]{1,40}", name in "[!-~\\n]{1,10}", value in any::<String>()
        ) {
            if let Ok(bytes) = get(&target, &[(&name, &value)]) {
                let text = String::from_utf8_lossy(&bytes);
                prop_assert_eq!(text.split("\r\n").count(), 4, "two lines and the blank one: {:?}", text);
                prop_assert_eq!(text.split(['\r', '\n']).count(), 7);
            }
        }
    }
}
