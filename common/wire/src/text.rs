//! Texts on their way in and out: excerpts of offending bytes for error messages, percent-decoding, entities.

/// The longest excerpt of offending bytes that an error carries.
pub const MAX_EXCERPT: usize = 64;

/// The first [`MAX_EXCERPT`] bytes, printable (`\r`, `\x00`), with `...` when something was left out.
pub fn excerpt(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(MAX_EXCERPT)];
    let more = if cut.len() < bytes.len() { "..." } else { "" };
    format!("{}{more}", cut.escape_ascii())
}

/// Percent-decoding (RFC 3986, section 2.1); what is no escape stays.
pub fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex =
            text.get(at + 1..at + 3).filter(|_| byte == b'%').and_then(|h| u8::from_str_radix(h, 16).ok());
        out.push(hex.unwrap_or(byte));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The character behind `&name;`: the predefined ones of XML and numbers. Nobody else's are expanded.
pub(crate) fn entity(name: &str) -> Option<char> {
    let number = name.strip_prefix('#');
    let code = number.and_then(|number| match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => number.parse().ok(),
    });
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => code.and_then(char::from_u32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_is_printable_and_short() {
        assert_eq!(excerpt(b"a\r\n\0"), "a\\r\\n\\x00");
        assert!(excerpt(&[0; 1000]).len() <= MAX_EXCERPT * 4 + 3);
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(percent_decode("a%20b%C3%BC%2fc%zz%4"), "a b\u{fc}/c%zz%4");
    }
}
