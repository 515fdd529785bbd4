//! HLS playlists: RFC 8216 and draft-pantos-hls-rfc8216bis (low latency, variables, delta updates).
//!
//! Watching needs leniency *and* the place of every error: players forgive what a staff member must nevertheless be told.
//! [`parse`] therefore fails only where nothing can be understood ([`HlsError`]); everything else that is wrong with a
//! playlist is kept in its list of [`Defect`]s, with line and text. Why our own parser: `quick-m3u8` 0.8, the best of the
//! crates, silently turns a known tag that it cannot read into an unknown one (among them `PROGRAM-DATE-TIME` with
//! `+0000`, which is what ffmpeg writes), takes `#EXTM3U` behind a byte order mark for a URI, and knows no line numbers.
//!
//! URIs are left as written: they resolve against the URL that the playlist finally came from.

mod attributes;
mod date;
mod model;
mod parse;
#[cfg(test)]
mod tests;
mod variables;

pub use date::parse_date_time;
pub use model::{
    ByteRange, Defect, Edge, IframeStream, Key, Map, MasterPlaylist, MediaPlaylist, Part, Playlist,
    PlaylistType, PreloadHint, Progress, Rendition, RenditionReport, RenditionType, Segment, ServerControl,
    Start, Variant,
};
pub use parse::{parse, parse_in};
pub use variables::{Scope, Variables};

use thiserror::Error;

/// The largest playlist; also the most text that variables may expand to.
pub const MAX_PLAYLIST: usize = 4 << 20;
/// The longest line. Keys in `data:` URIs take tens of kilobytes.
pub const MAX_LINE: usize = 64 << 10;
/// The most segments and parts, 18 hours of segments of two seconds; as structs they take 6 MB.
pub const MAX_SEGMENTS: usize = 32_768;
/// The most variants, and the most renditions, of a master playlist; also of hints and reports of a media playlist.
pub const MAX_ENTRIES: usize = 1000;
/// The most keys in force at once: one for each DRM system.
pub const MAX_KEYS: usize = 8;
/// The most variables.
pub const MAX_VARIABLES: usize = 128;
/// The most defects that are listed.
pub const MAX_DEFECTS: usize = 32;

/// Why nothing can be made of a playlist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HlsError {
    /// It does not begin with `#EXTM3U`.
    #[error("not a playlist: #EXTM3U expected, found \"{found}\"")]
    NotPlaylist {
        /// The first bytes, escaped.
        found: String,
    },
    /// No tag of HLS: an M3U list of links.
    #[error("a plain M3U list, not HLS: no #EXT-X- tag")]
    PlainM3u,
    /// Larger than [`MAX_PLAYLIST`].
    #[error("playlist of {size} bytes, more than {MAX_PLAYLIST}")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Longer than [`MAX_LINE`].
    #[error("line {line}: longer than {MAX_LINE} bytes")]
    LineTooLong {
        /// Counted from 1.
        line: usize,
    },
    /// More of something than its named limit.
    #[error("line {line}: more than {limit} {what}")]
    TooMany {
        /// Where the limit was passed.
        line: usize,
        /// `segments and parts`, `variants`, ...
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Tags of a master and of a media playlist in one.
    #[error("line {line}: #{tag} makes this a master and a media playlist at once")]
    Mixed {
        /// Where the second kind begins.
        line: usize,
        /// The tag of the second kind.
        tag: String,
    },
    /// A `{$variable}` that has no value; the draft forbids to go on (section 4.3).
    #[error("line {line}: variable \"{name}\" has no value")]
    Undefined {
        /// Where it is used or imported.
        line: usize,
        /// Its name.
        name: String,
    },
    /// Variables expand to more than [`MAX_PLAYLIST`].
    #[error("line {line}: variables expand to more than {MAX_PLAYLIST} bytes")]
    ExpansionTooLarge {
        /// Where the limit was passed.
        line: usize,
    },
}
