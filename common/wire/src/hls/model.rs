//! What a playlist says, and what follows from it: where its live edge is and whether it moved.

use std::sync::Arc;

use super::Variables;

/// A playlist of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Playlist {
    /// Lists variants and renditions.
    Master(MasterPlaylist),
    /// Lists segments.
    Media(MediaPlaylist),
}

/// Something that is wrong with a playlist but did not prevent reading it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}: \"{text}\"")]
pub struct Defect {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
    /// The offending text, escaped and shortened.
    pub text: String,
}

/// `EXT-X-START`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    /// Seconds from the beginning, or before the end when negative.
    pub offset: f64,
    /// Play from exactly there.
    pub precise: bool,
}

/// A master ("multivariant") playlist.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MasterPlaylist {
    /// `EXT-X-VERSION`
    pub version: Option<u32>,
    /// `EXT-X-INDEPENDENT-SEGMENTS`
    pub independent_segments: bool,
    /// Where to start playing.
    pub start: Option<Start>,
    /// `EXT-X-STREAM-INF` in their order.
    pub variants: Vec<Variant>,
    /// `EXT-X-MEDIA` in their order.
    pub renditions: Vec<Rendition>,
    /// `EXT-X-I-FRAME-STREAM-INF` in their order.
    pub iframe_streams: Vec<IframeStream>,
    /// `EXT-X-SESSION-KEY` in their order.
    pub session_keys: Vec<Key>,
    /// What `EXT-X-DEFINE` defined, for the media playlists that import it.
    pub variables: Variables,
    /// What is wrong with it; the first [`super::MAX_DEFECTS`].
    pub defects: Vec<Defect>,
}

/// One variant stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Variant {
    /// Its media playlist.
    pub uri: String,
    /// Peak bit rate, bit/s; 0 when missing.
    pub bandwidth: u64,
    /// Average bit rate, bit/s.
    pub average_bandwidth: Option<u64>,
    /// RFC 6381 codecs.
    pub codecs: Option<String>,
    /// Width and height in pixels.
    pub resolution: Option<(u32, u32)>,
    /// Frames per second.
    pub frame_rate: Option<f64>,
    /// Group of audio renditions.
    pub audio: Option<String>,
    /// Group of video renditions.
    pub video: Option<String>,
    /// Group of subtitles.
    pub subtitles: Option<String>,
    /// Group of closed captions, or `NONE`.
    pub closed_captions: Option<String>,
    /// `NAME`, which only some packagers write.
    pub name: Option<String>,
}

/// A playlist of key frames for trick play.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IframeStream {
    /// Its media playlist.
    pub uri: String,
    /// Peak bit rate, bit/s; 0 when missing.
    pub bandwidth: u64,
    /// RFC 6381 codecs.
    pub codecs: Option<String>,
    /// Width and height in pixels.
    pub resolution: Option<(u32, u32)>,
}

/// `TYPE` of a rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenditionType {
    /// `AUDIO`
    Audio,
    /// `VIDEO`
    Video,
    /// `SUBTITLES`
    Subtitles,
    /// `CLOSED-CAPTIONS`: within the video, never with a URI.
    ClosedCaptions,
}

/// An alternative rendition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    /// What it is.
    pub kind: RenditionType,
    /// The group that variants name.
    pub group: String,
    /// For people.
    pub name: String,
    /// RFC 5646 tag.
    pub language: Option<String>,
    /// Played unless the user chooses another.
    pub is_default: bool,
    /// May be chosen from the user's language.
    pub autoselect: bool,
    /// Its media playlist; `None` when it is part of the variants.
    pub uri: Option<String>,
    /// `CHANNELS`, the number before its first slash being the count.
    pub channels: Option<String>,
}

/// `EXT-X-PLAYLIST-TYPE`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaylistType {
    /// Segments are only added.
    Event,
    /// Nothing changes.
    Vod,
}

/// A media playlist.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MediaPlaylist {
    /// `EXT-X-VERSION`
    pub version: Option<u32>,
    /// `EXT-X-TARGETDURATION`, seconds; missing is a defect.
    pub target_duration: Option<f64>,
    /// `EXT-X-MEDIA-SEQUENCE`, 0 when missing.
    pub media_sequence: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`, 0 when missing.
    pub discontinuity_sequence: u64,
    /// `EXT-X-PLAYLIST-TYPE`
    pub playlist_type: Option<PlaylistType>,
    /// `EXT-X-ENDLIST`: nothing will follow.
    pub ended: bool,
    /// `EXT-X-I-FRAMES-ONLY`
    pub iframes_only: bool,
    /// `EXT-X-INDEPENDENT-SEGMENTS`
    pub independent_segments: bool,
    /// Where to start playing.
    pub start: Option<Start>,
    /// The segments that are listed.
    pub segments: Vec<Segment>,
    /// Segments before the listed ones that a delta update left out (`EXT-X-SKIP`).
    pub skipped: u64,
    /// Parts of the segment that is not yet whole.
    pub parts: Vec<Part>,
    /// `PART-TARGET`, seconds.
    pub part_target: Option<f64>,
    /// `EXT-X-SERVER-CONTROL`
    pub server_control: Option<ServerControl>,
    /// `EXT-X-PRELOAD-HINT`
    pub preload_hints: Vec<PreloadHint>,
    /// `EXT-X-RENDITION-REPORT`
    pub rendition_reports: Vec<RenditionReport>,
    /// What is wrong with it; the first [`super::MAX_DEFECTS`].
    pub defects: Vec<Defect>,
}

/// One segment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Segment {
    /// Media sequence number.
    pub sequence: u64,
    /// `EXTINF`, seconds.
    pub duration: f64,
    /// Title of `EXTINF`, when not empty.
    pub title: Option<String>,
    /// Where it is.
    pub uri: String,
    /// The part of the resource that it is.
    pub byte_range: Option<ByteRange>,
    /// `EXT-X-DISCONTINUITY` before it.
    pub discontinuity: bool,
    /// When it begins, Unix seconds: from its own `EXT-X-PROGRAM-DATE-TIME`, or counted on from an earlier one.
    pub date_time: Option<f64>,
    /// Keys in force: none, or one for each key format.
    pub keys: Arc<[Arc<Key>]>,
    /// The initialization section in force.
    pub map: Option<Arc<Map>>,
    /// `EXT-X-GAP`: the server knows that it is missing.
    pub gap: bool,
    /// `EXT-X-BITRATE`, kbit/s.
    pub bit_rate_kbit: Option<u64>,
    /// Its parts, while they are still listed.
    pub parts: Vec<Part>,
}

/// A range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

/// A partial segment of low-latency HLS.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Part {
    /// Where it is.
    pub uri: String,
    /// Seconds.
    pub duration: f64,
    /// Begins with a key frame.
    pub independent: bool,
    /// The part of the resource that it is.
    pub byte_range: Option<ByteRange>,
    /// Known to be missing.
    pub gap: bool,
}

/// `EXT-X-KEY` or `EXT-X-SESSION-KEY`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Key {
    /// `AES-128`, `SAMPLE-AES`, ...
    pub method: String,
    /// Where the key is.
    pub uri: Option<String>,
    /// Initialization vector as written, `0x...`.
    pub iv: Option<String>,
    /// `KEYFORMAT`, `identity` when missing.
    pub format: String,
}

/// `EXT-X-MAP`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Map {
    /// Where it is.
    pub uri: String,
    /// The part of the resource that it is.
    pub byte_range: Option<ByteRange>,
}

/// `EXT-X-SERVER-CONTROL`; all times in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ServerControl {
    /// `CAN-BLOCK-RELOAD=YES`: answers `_HLS_msn` when the segment is there.
    pub can_block_reload: bool,
    /// `CAN-SKIP-UNTIL`
    pub can_skip_until: Option<f64>,
    /// `HOLD-BACK`
    pub hold_back: Option<f64>,
    /// `PART-HOLD-BACK`
    pub part_hold_back: Option<f64>,
}

/// `EXT-X-PRELOAD-HINT`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PreloadHint {
    /// `TYPE=MAP` rather than `PART`.
    pub is_map: bool,
    /// Where it will be.
    pub uri: String,
    /// Its first byte.
    pub offset: u64,
    /// How many; to the end of the resource when missing.
    pub length: Option<u64>,
}

/// `EXT-X-RENDITION-REPORT`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenditionReport {
    /// The playlist of the other rendition.
    pub uri: String,
    /// Its last media sequence number.
    pub last_msn: Option<u64>,
    /// Its last part in there.
    pub last_part: Option<u64>,
}

/// Where a media playlist ends: what a later look is compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    /// The sequence number that the next segment will have.
    pub next_sequence: u64,
    /// Parts listed of that segment.
    pub parts: usize,
    /// The last segment or part, whichever is newer.
    pub last_uri: Option<String>,
}

/// What happened between two looks at a media playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many segments more; 0 when only parts or the last URI changed.
    Advanced {
        /// Whole segments.
        segments: u64,
    },
    /// Nothing.
    Same,
    /// The sequence went back by so many: a restarted packager, or another server behind the same name.
    WentBack {
        /// Whole segments, 0 when only parts disappeared.
        segments: u64,
    },
}

impl Edge {
    /// Compares with an `earlier` edge of the same playlist.
    pub fn since(&self, earlier: &Self) -> Progress {
        let place = |edge: &Self| (edge.next_sequence, edge.parts);
        if place(self) < place(earlier) {
            Progress::WentBack { segments: earlier.next_sequence - self.next_sequence }
        } else if self == earlier {
            Progress::Same
        } else {
            Progress::Advanced { segments: self.next_sequence - earlier.next_sequence }
        }
    }
}

impl MediaPlaylist {
    /// Where it ends.
    pub fn edge(&self) -> Edge {
        let last_segment = self.segments.last().map(|segment| &segment.uri);
        Edge {
            next_sequence: self.next_sequence(),
            parts: self.parts.len(),
            last_uri: self.parts.last().map(|part| &part.uri).or(last_segment).cloned(),
        }
    }

    /// The sequence number that the next segment will have.
    pub fn next_sequence(&self) -> u64 {
        self.media_sequence.saturating_add(self.skipped).saturating_add(self.segments.len() as u64)
    }

    /// When the newest listed media ends, Unix seconds: the live edge by the encoder's clock.
    pub fn edge_date_time(&self) -> Option<f64> {
        let last = self.segments.last()?;
        Some(last.date_time? + last.duration + self.parts_duration())
    }

    /// Seconds of media that are listed.
    pub fn duration(&self) -> f64 {
        self.segments.iter().map(|segment| segment.duration).sum::<f64>() + self.parts_duration()
    }

    /// Whether segments are to be expected: neither `ENDLIST` nor VOD.
    pub fn is_live(&self) -> bool {
        !self.ended && self.playlist_type != Some(PlaylistType::Vod)
    }

    fn parts_duration(&self) -> f64 {
        self.parts.iter().map(|part| part.duration).sum()
    }
}

impl MasterPlaylist {
    /// Every media playlist that it names, once each, variants first.
    pub fn media_uris(&self) -> Vec<&str> {
        let mut uris: Vec<&str> = Vec::new();
        let variants = self.variants.iter().map(|variant| variant.uri.as_str());
        for uri in variants.chain(self.renditions.iter().filter_map(|rendition| rendition.uri.as_deref())) {
            if !uris.contains(&uri) {
                uris.push(uri);
            }
        }
        uris
    }
}
