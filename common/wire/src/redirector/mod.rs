//! Playlists that lead a player somewhere else: ASX, `[Reference]`, RAM, SMIL, PLS, M3U, XSPF, `QuickTime` links.
//!
//! [`parse`] tells them apart by their content, because servers and people name them as they like: `audio/x-mpegurl` is M3U and
//! HLS, and what ends in `.asx` may be any of the first two. All are read as leniently as players read them: ASX is XML by
//! its looks only. URIs are left as written, with the base that the playlist names.

mod lines;
mod markup;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

use crate::text::excerpt;

/// The largest playlist.
pub const MAX_PLAYLIST: usize = 4 << 20;
/// The most entries; what follows is counted.
pub const MAX_ENTRIES: usize = 1000;
/// The longest URI or title; longer ones are no entries.
pub const MAX_URI: usize = 8 << 10;

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Windows Media: `<ASX>`, also of `.wax` and `.wvx`.
    Asx,
    /// Windows Media: `[Reference]` with `Ref1=`, or `ASF` and a URL.
    Reference,
    /// `RealMedia`: a URL a line, `--stop--`.
    Ram,
    /// `<smil>`
    Smil,
    /// `[playlist]` with `File1=`.
    Pls,
    /// `#EXTM3U` without HLS, or URLs line by line.
    M3u,
    /// `<playlist>` of xspf.org.
    Xspf,
    /// `QuickTime`: `<embed src=>`, or `RTSPtext` and a URL.
    Qtl,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asx => "ASX",
            Self::Reference => "ASF reference",
            Self::Ram => "RAM",
            Self::Smil => "SMIL",
            Self::Pls => "PLS",
            Self::M3u => "M3U",
            Self::Xspf => "XSPF",
            Self::Qtl => "QuickTime link",
        })
    }
}

/// A playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playlist {
    /// Its format.
    pub format: Format,
    /// Its title; may be empty.
    pub title: String,
    /// What its URIs count from, itself against the playlist's URL.
    pub base: Option<String>,
    /// What it leads to, in order.
    pub entries: Vec<Entry>,
    /// Entries beyond [`MAX_ENTRIES`].
    pub more: usize,
}

/// What a playlist leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Where. Never empty, without blanks at its ends.
    pub uri: String,
    /// Its title; may be empty.
    pub title: String,
    /// Whether it is another playlist for sure (`EntryRef`); others may be too.
    pub playlist: bool,
}

/// Why something is no redirector.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RedirectorError {
    /// Larger than [`MAX_PLAYLIST`].
    #[error("playlist of {size} bytes, more than {MAX_PLAYLIST}")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// An HLS playlist: media, and no redirector.
    #[error("an HLS playlist")]
    Hls,
    /// A DASH manifest: media, and no redirector.
    #[error("a DASH manifest")]
    Dash,
    /// Nothing that is known.
    #[error("no playlist: it begins with \"{found}\"")]
    Unknown {
        /// The first bytes, escaped.
        found: String,
    },
}

/// Reads a playlist of any format.
///
/// # Errors
/// When it is none.
pub fn parse(bytes: &[u8]) -> Result<Playlist, RedirectorError> {
    if bytes.len() > MAX_PLAYLIST {
        return Err(RedirectorError::TooLarge { size: bytes.len() });
    }
    let text = decode(bytes);
    let text = text.trim_start();
    let unknown = || RedirectorError::Unknown { found: excerpt(&bytes[..bytes.len().min(64)]) };
    if text.starts_with('<') { markup::parse(text) } else { lines::parse(text) }?.ok_or_else(unknown)
}

/// The text of a playlist: UTF-8, or UTF-16 with its mark as Windows writes it. What is neither is Latin-1.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].as_chunks().0.iter().map(|pair| unit(*pair)).collect();
        Cow::Owned(String::from_utf16_lossy(&units))
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text.trim_start_matches('\u{feff}')),
            Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
        },
    }
}

impl Playlist {
    fn new(format: Format) -> Self {
        Self { format, title: String::new(), base: None, entries: Vec::new(), more: 0 }
    }

    /// Adds an entry, unless it is none or there are enough.
    fn push(&mut self, uri: &str, title: &str, playlist: bool) {
        let (uri, title) = (uri.trim(), title.trim());
        if uri.is_empty() || uri.len() > MAX_URI || uri.contains(char::is_control) {
            return;
        }
        if self.entries.len() >= MAX_ENTRIES {
            self.more += 1;
            return;
        }
        let title = if title.len() > MAX_URI { "" } else { title };
        self.entries.push(Entry { uri: uri.to_owned(), title: title.to_owned(), playlist });
    }
}

/// The scheme of an absolute URI: a letter, then letters, digits, `+`, `-`, `.` before `://`.
pub fn scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once("://")?;
    let letters = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let first = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    (first && scheme.bytes().all(letters)).then_some(scheme)
}
