//! One metadata block: `StreamTitle='...';StreamUrl='...';`, padded with NULs.

use crate::headers::text;
use crate::text::excerpt;

/// A block that is not metadata: the server and we have lost step, or it never interleaved what it announced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no ICY metadata where it should be, but \"{found}\"")]
pub struct NotMetadata {
    /// The first bytes of the block, escaped.
    pub found: String,
}

/// What a block says. An absent field was not sent, an empty title was sent empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `StreamTitle`, UTF-8 or Latin-1 as it came, control characters included.
    pub title: Option<String>,
    /// `StreamUrl`
    pub url: Option<String>,
}

impl Metadata {
    /// Reads a block. Titles hold unescaped quotes and semicolons, so a value ends only at a `';` that stands at the
    /// end of the block or before the next `Name='`.
    pub fn parse(block: &[u8]) -> Result<Self, NotMetadata> {
        let end = block.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1);
        let readable = text(&block[..end]);
        let mut rest = readable.trim();
        let mut found = Self::default();
        while !rest.is_empty() {
            let Some((name, after)) = field_start(rest) else {
                return Err(NotMetadata { found: excerpt(block) });
            };
            let (value, next) = field_value(after);
            if name.eq_ignore_ascii_case("StreamTitle") {
                found.title = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("StreamUrl") {
                found.url = Some(value.to_owned());
            }
            rest = next;
        }
        Ok(found)
    }
}

/// `Name='`, split off.
fn field_start(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once("='")?;
    let is_name =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    is_name.then_some((name, rest))
}

/// The value up to the `';` that ends it, and what follows.
fn field_value(text: &str) -> (&str, &str) {
    for (at, _) in text.match_indices("';") {
        let next = text[at + 2..].trim_start();
        if next.is_empty() || field_start(next).is_some() {
            return (&text[..at], next);
        }
    }
    // Cut off by an encoder that fills the block to its last byte.
    (text.strip_suffix('\'').unwrap_or(text), "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(block: &[u8]) -> (Option<String>, Option<String>) {
        let metadata = Metadata::parse(block).unwrap();
        (metadata.title, metadata.url)
    }

    #[test]
    fn unescaped_quotes_and_semicolons_belong_to_the_title() {
        let title = |text: &str| (Some(text.to_owned()), None);
        assert_eq!(parse(b"StreamTitle='Artist - Cafe 'n' Title';\0\0\0"), title("Artist - Cafe 'n' Title"));
        assert_eq!(parse(b"StreamTitle='Say 'Hi'; then go';\0"), title("Say 'Hi'; then go"));
        assert_eq!(parse(b"StreamTitle='';"), title(""));
        assert_eq!(parse(b"StreamTitle='cut off"), title("cut off"));
        let both = parse(b"StreamTitle='A='b';';StreamUrl='http://radio.example.net/?a=';\0");
        assert_eq!(both, (Some("A='b';".into()), Some("http://radio.example.net/?a=".into())));
    }

    #[test]
    fn recorded_latin1_title_is_readable() {
        let bytes = include_bytes!("../../testdata/icy/icecast-mp3-latin1.http");
        let at = bytes.windows(12).position(|w| w == b"StreamTitle=").unwrap();
        assert_eq!(parse(&bytes[at..at + 32]).0.as_deref(), Some("Café Noir"));
    }

    #[test]
    fn audio_in_place_of_metadata_is_told() {
        let error = Metadata::parse(b"\xff\xfb\x90\x64='").unwrap_err();
        assert!(error.found.starts_with("\\xff\\xfb"), "{error}");
        assert!(Metadata::parse(b"hello").is_err());
        assert_eq!(Metadata::parse(&[0; 16]), Ok(Metadata::default()));
    }

    proptest! {
        #[test]
        fn never_panics(block in proptest::collection::vec(prop_oneof![Just(b'\''), Just(b';'), Just(b'='), any::<u8>()], 0..80)) {
            let _ = Metadata::parse(&block);
        }

        #[test]
        fn any_title_without_an_inner_field_survives(title in "[^\0=]{0,40}") {
            let block = format!("StreamTitle='{title}';StreamUrl='';\0\0");
            prop_assert_eq!(parse(block.as_bytes()), (Some(title), Some(String::new())));
        }
    }
}
