//! Excerpts of offending bytes, for error messages.

/// The longest excerpt of offending bytes that an error carries.
pub const MAX_EXCERPT: usize = 64;

/// The first [`MAX_EXCERPT`] bytes, printable (`\r`, `\x00`), with `...` when something was left out.
pub fn excerpt(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(MAX_EXCERPT)];
    let more = if cut.len() < bytes.len() { "..." } else { "" };
    format!("{}{more}", cut.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_is_printable_and_short() {
        assert_eq!(excerpt(b"a\r\n\0"), "a\\r\\n\\x00");
        assert!(excerpt(&[0; 1000]).len() <= MAX_EXCERPT * 4 + 3);
    }
}
