//! Header fields as RTSP and HTTP/1 share them: one block of `Name: value` lines, read leniently and written strictly.
//!
//! What a server sends is taken as it comes: LF without CR, no space after the colon, folded lines, names in any case,
//! values in UTF-8 or (older servers) Latin-1. What we send may never carry a line end inside a field.

/// Header fields in the order in which they were received or will be sent; names compare without case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<(String, String)>,
}

impl Headers {
    /// Reads the lines that follow a start line. Lines without a colon are skipped: no server is refused for noise.
    pub fn parse(block: &[u8]) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in block.split(|&b| b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let folded = line.first().is_some_and(|b| matches!(b, b' ' | b'\t'));
            let line = text(line);
            if folded {
                if let Some((_, value)) = fields.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if let Some((name, value)) = line.split_once(':') {
                fields.push((name.trim_end().to_owned(), value.trim().to_owned()));
            }
        }
        Self { fields }
    }

    /// The first value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every value of `name`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every field as `(name, value)`, names spelled as the sender spelled them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Appends a field.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.fields.push((name.into(), value.into()));
    }

    /// Writes `Name: value` lines, each ended by CRLF, after checking that no field can smuggle in another one.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), BadField> {
        for (name, value) in self.iter() {
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(BadField { field: "a header name".into(), at: 0 });
            }
            check_line(name, value)?;
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        Ok(())
    }
}

/// A part of a request that must not be sent, because it would break the line that it stands in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} holds a character at byte {at} that would break the request")]
pub struct BadField {
    /// What was to be written.
    pub field: String,
    /// Offset of the offending byte in it.
    pub at: usize,
}

/// Refuses control characters (CR, LF, NUL, ...) in a header value; a tab is allowed.
pub fn check_line(field: &str, value: &str) -> Result<(), BadField> {
    refuse(field, value, |b| b.is_ascii_control() && b != b'\t')
}

/// Refuses blanks and control characters in a word of a request line (method, URL).
pub fn check_word(field: &str, value: &str) -> Result<(), BadField> {
    if value.is_empty() {
        return Err(BadField { field: field.into(), at: 0 });
    }
    refuse(field, value, |b| b.is_ascii_control() || b == b' ')
}

fn refuse(field: &str, value: &str, bad: impl Fn(u8) -> bool) -> Result<(), BadField> {
    match value.bytes().position(bad) {
        None => Ok(()),
        Some(at) => Err(BadField { field: field.into(), at }),
    }
}

/// Characters of a token (RFC 9110 section 5.6.2): what header names and methods are made of.
pub fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// The offset just past the empty line that ends a head, searched from `from` on.
///
/// A reader that is fed in small pieces passes the end of what it has searched before (see [`resume_at`]), so that a
/// dripping sender costs linear time.
pub fn head_end(buf: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(lf) = buf.get(at..)?.iter().position(|&b| b == b'\n').map(|p| at + p) {
        match buf.get(lf + 1..)? {
            [b'\n', ..] => return Some(lf + 2),
            [b'\r', b'\n', ..] => return Some(lf + 3),
            _ => at = lf + 1,
        }
    }
    None
}

/// Where [`head_end`] has to start again once `buf` has grown: the last line end may have been cut at `LF CR`.
pub fn resume_at(buf: &[u8]) -> usize {
    buf.len().saturating_sub(2)
}

/// Bytes of a text protocol as a string: UTF-8 where they are, else Latin-1, which older servers mean.
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(s) => s.to_owned(),
        Err(_) => bytes.iter().map(|&b| char::from(b)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_case_spacing_and_line_ends_the_server_uses() {
        let headers = Headers::parse(
            b"Cseq: 3\nicy-name:Test Radio\r\nX-Long: one\r\n\t two\r\nnoise\r\nPublic : A\r\n\r\n",
        );
        assert_eq!(headers.get("CSeq"), Some("3"));
        assert_eq!(headers.get("Icy-Name"), Some("Test Radio"));
        assert_eq!(headers.get("x-long"), Some("one two"));
        assert_eq!(headers.get("public"), Some("A"));
        assert_eq!(headers.iter().count(), 4);
    }

    #[test]
    fn latin_1_values_become_readable() {
        assert_eq!(Headers::parse(b"icy-name: Caf\xe9").get("icy-name"), Some("Caf\u{e9}"));
        assert_eq!(Headers::parse("icy-name: Caf\u{e9}".as_bytes()).get("icy-name"), Some("Caf\u{e9}"));
    }

    #[test]
    fn line_ends_cannot_be_smuggled_into_a_request() {
        for (name, value) in
            [("A", "b\r\nC: d"), ("A", "b\nC"), ("A", "\0"), ("A\r\nB", "c"), ("A:B", "c"), ("", "c")]
        {
            let mut headers = Headers::default();
            headers.push(name, value);
            assert!(headers.encode(&mut Vec::new()).is_err(), "{name:?} {value:?}");
        }
        assert_eq!(check_line("A", "b\tc \u{e9}"), Ok(()));
        assert!(check_word("URL", "rtsp://example.org/a b").is_err());
        assert!(check_word("URL", "").is_err());
    }

    #[test]
    fn the_empty_line_is_found_in_every_spelling_and_when_cut() {
        assert_eq!(head_end(b"A\r\nB: c\r\n\r\nbody", 0), Some(11));
        assert_eq!(head_end(b"A\nB: c\n\nbody", 0), Some(8));
        assert_eq!(head_end(b"A\r\nB: c\n\r\nbody", 0), Some(10));
        assert_eq!(head_end(b"A\r\nB: c\r\n", 0), None);
        let whole = b"A\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(head_end(whole, resume_at(&whole[..cut])), Some(5), "cut at {cut}");
        }
    }
}
