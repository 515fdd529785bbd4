//! Reading a playlist line by line.
//!
//! Tags come in any order and mostly apply to the next URI, so what they say is collected in `Pending` until that URI
//! comes. Which kind of playlist it is turns out on the way.

mod tags;

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use crate::hls::attributes::{Attributes, decimal};
use crate::hls::variables::Expander;
use crate::hls::{
    ByteRange, Defect, HlsError, Key, MAX_DEFECTS, MAX_ENTRIES, MAX_LINE, MAX_PLAYLIST, MAX_SEGMENTS, Map,
    MasterPlaylist, MediaPlaylist, Playlist, Scope, Segment, Variant,
};
use crate::text::excerpt;

/// Durations beyond a year are nonsense and would spoil every sum.
const MAX_SECONDS: f64 = 366.0 * 86_400.0;

/// Reads a playlist that stands alone.
pub fn parse(bytes: &[u8]) -> Result<Playlist, HlsError> {
    parse_in(bytes, &Scope::default())
}

/// Reads a playlist that may use variables of its master playlist or of its own URL.
pub fn parse_in(bytes: &[u8], scope: &Scope) -> Result<Playlist, HlsError> {
    if bytes.len() > MAX_PLAYLIST {
        return Err(HlsError::TooLarge { size: bytes.len() });
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if !text.trim_ascii_start().starts_with(b"#EXTM3U") {
        return Err(HlsError::NotPlaylist { found: excerpt(bytes) });
    }
    let mut parser = Parser::default();
    for (at, line) in text.split(|&b| b == b'\n').enumerate() {
        parser.line = at + 1;
        if line.len() > MAX_LINE {
            return Err(HlsError::LineTooLong { line: at + 1 });
        }
        let line = String::from_utf8_lossy(line);
        if matches!(line, Cow::Owned(_)) {
            parser.defect("not UTF-8", &line);
        }
        let line = line.trim();
        if let Some(tag) = line.strip_prefix("#EXT") {
            let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
            parser.tag(name, value.trim(), scope)?;
        } else if !line.is_empty() && !line.starts_with('#') {
            parser.uri(line)?;
        }
    }
    parser.finish()
}

/// Which kind the tags so far belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaylistKind {
    Master,
    Media,
}

/// What tags said about the next segment.
#[derive(Debug, Default)]
struct Pending {
    /// Duration and title.
    inf: Option<(f64, Option<String>)>,
    /// Length, and offset unless it follows from the segment before.
    byte_range: Option<(u64, Option<u64>)>,
    discontinuity: bool,
    date_time: Option<f64>,
    gap: bool,
}

#[derive(Debug, Default)]
struct Parser {
    line: usize,
    kind: Option<PlaylistKind>,
    /// A tag that only HLS has was seen.
    is_hls: bool,
    expander: Expander,
    master: MasterPlaylist,
    media: MediaPlaylist,
    defects: Vec<Defect>,
    /// `EXT-X-STREAM-INF` without its URI yet.
    variant: Option<Variant>,
    pending: Pending,
    keys: Arc<[Arc<Key>]>,
    map: Option<Arc<Map>>,
    bit_rate_kbit: Option<u64>,
    segments_and_parts: usize,
}

impl Parser {
    /// A line that is no tag: the URI of a variant or of a segment.
    fn uri(&mut self, line: &str) -> Result<(), HlsError> {
        let uri = self.expander.expand(line.into(), self.line)?.into_owned();
        if let Some(variant) = self.variant.take() {
            return push(
                &mut self.master.variants,
                Variant { uri, ..variant },
                MAX_ENTRIES,
                "variants",
                self.line,
            );
        }
        if self.kind == Some(PlaylistKind::Master) {
            self.defect("URI without EXT-X-STREAM-INF", line);
            return Ok(());
        }
        self.count_segment_or_part()?;
        let pending = std::mem::take(&mut self.pending);
        if pending.inf.is_none() {
            self.defect("segment without EXTINF", line);
        }
        let (duration, title) = pending.inf.unwrap_or_default();
        let before = self.media.segments.last().filter(|segment| segment.uri == uri);
        let before = before.and_then(|segment| segment.byte_range);
        let byte_range = pending.byte_range.map(|range| self.resolve_range(range, before));
        self.media.segments.push(Segment {
            sequence: 0, // known in the end: MEDIA-SEQUENCE may still come
            duration,
            title,
            uri,
            byte_range,
            discontinuity: pending.discontinuity,
            date_time: pending.date_time,
            keys: self.keys.clone(),
            map: self.map.clone(),
            gap: pending.gap,
            bit_rate_kbit: self.bit_rate_kbit,
            parts: std::mem::take(&mut self.media.parts),
        });
        Ok(())
    }

    fn finish(mut self) -> Result<Playlist, HlsError> {
        if !self.is_hls {
            return Err(HlsError::PlainM3u);
        }
        if self.variant.is_some() {
            self.defect("EXT-X-STREAM-INF without a URI", "");
        }
        if self.kind == Some(PlaylistKind::Master) {
            if let Some(segment) = self.media.segments.pop() {
                self.defect("URI without EXT-X-STREAM-INF", &segment.uri);
            }
            self.master.variables = self.expander.variables;
            self.master.defects = self.defects;
            return Ok(Playlist::Master(self.master));
        }
        if self.media.target_duration.is_none() {
            self.defect("no EXT-X-TARGETDURATION", "");
        }
        let mut media = self.media;
        media.defects = self.defects;
        let first = media.media_sequence.saturating_add(media.skipped);
        let mut clock = None;
        for (segment, position) in media.segments.iter_mut().zip(0u64..) {
            segment.sequence = first.saturating_add(position);
            segment.date_time = segment.date_time.or(clock);
            clock = segment.date_time.map(|begin| begin + segment.duration);
        }
        Ok(Playlist::Media(media))
    }

    /// A range without an offset begins where the one `before` in the same resource ended.
    fn resolve_range(
        &mut self,
        (length, offset): (u64, Option<u64>),
        before: Option<ByteRange>,
    ) -> ByteRange {
        let follows = before.map(|range| range.offset.saturating_add(range.length));
        if offset.or(follows).is_none() {
            self.defect("byte range without an offset follows no other range", "");
        }
        ByteRange { offset: offset.or(follows).unwrap_or(0), length }
    }

    fn count_segment_or_part(&mut self) -> Result<(), HlsError> {
        self.segments_and_parts += 1;
        if self.segments_and_parts > MAX_SEGMENTS {
            return Err(HlsError::TooMany {
                line: self.line,
                what: "segments and parts",
                limit: MAX_SEGMENTS,
            });
        }
        Ok(())
    }

    fn attributes<'a>(&mut self, text: &'a str) -> Result<Attributes<'a>, HlsError> {
        let mut list = Attributes::split(text);
        if let Some(garbage) = list.garbage {
            self.defect("bad attribute list", garbage);
        }
        for value in list.values_mut() {
            *value = self.expander.expand(std::mem::take(value), self.line)?;
        }
        Ok(list)
    }

    fn attribute<T: FromStr>(&mut self, list: &Attributes, name: &'static str) -> Option<T> {
        self.attribute_with(list, name, |text| text.parse().ok())
    }

    fn attribute_with<T>(
        &mut self,
        list: &Attributes,
        name: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        list.get(name).and_then(|text| self.check(name, text, read))
    }

    fn required<T: FromStr>(&mut self, list: &Attributes, name: &'static str) -> Option<T> {
        self.required_with(list, name, |text| text.parse().ok())
    }

    fn required_with<T>(
        &mut self,
        list: &Attributes,
        name: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        if list.get(name).is_none() {
            self.defect("attribute missing", name);
        }
        self.attribute_with(list, name, read)
    }

    fn number<T: FromStr>(&mut self, what: &'static str, text: &str) -> Option<T> {
        self.check(what, text, |text| text.parse().ok())
    }

    fn seconds(&mut self, what: &'static str, text: &str) -> Option<f64> {
        self.check(what, text, seconds)
    }

    /// Reads a value, or notes that it cannot be read.
    fn check<T>(&mut self, what: &'static str, text: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = read(text);
        if value.is_none() {
            self.defect(what, text);
        }
        value
    }

    fn defect(&mut self, what: &'static str, text: &str) {
        if self.defects.len() < MAX_DEFECTS {
            self.defects.push(Defect { line: self.line, what, text: excerpt(text.as_bytes()) });
        }
    }
}

fn push<T>(
    list: &mut Vec<T>,
    item: T,
    limit: usize,
    what: &'static str,
    line: usize,
) -> Result<(), HlsError> {
    if list.len() == limit {
        return Err(HlsError::TooMany { line, what, limit });
    }
    list.push(item);
    Ok(())
}

fn seconds(text: &str) -> Option<f64> {
    decimal(text).filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds))
}

/// `length[@offset]`
fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    match text.split_once('@') {
        Some((length, offset)) => Some((length.trim().parse().ok()?, Some(offset.trim().parse().ok()?))),
        None => Some((text.parse().ok()?, None)),
    }
}
