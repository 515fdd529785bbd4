//! DASH manifests (MPD): ISO 23009-1 as ffmpeg, nginx-rtmp and the packagers of the DASH-IF guidelines write it.
//!
//! [`parse`] reads the XML and resolves what a manifest inherits from level to level; [`Segments`] then answers the one question
//! of a watcher: which segment is the newest at a given moment, and when did it end? URIs are left as written: they resolve,
//! one after the other, against the URL that the manifest finally came from. Only what a watcher needs is kept.
//!
//! Entities of a document type are never expanded, and elements that nobody here knows are skipped at any depth.

mod duration;
mod parse;
mod segments;
mod template;
#[cfg(test)]
mod tests;

use std::rc::Rc;

pub use duration::parse_duration;
pub use parse::parse;
pub use segments::{Form, Place, Resource, Run, Segments};
pub use template::TemplateError;

use thiserror::Error;

/// The largest manifest.
pub const MAX_MPD: usize = 4 << 20;
/// The most periods.
pub const MAX_PERIODS: usize = 256;
/// The most representations of all periods.
pub const MAX_REPRESENTATIONS: usize = 1000;
/// The most `S` elements of all timelines; as structs they take 4 MB, a power of two so that their list does not grow beyond.
pub const MAX_RUNS: usize = 1 << 17;
/// The most elements within each other, in what is passed over.
pub const MAX_DEPTH: usize = 64;
/// The most segments of all lists.
pub const MAX_LIST: usize = 32_768;
/// The longest URI, expanded templates too.
pub const MAX_URI: usize = 8 << 10;
/// The most `Location`, `UTCTiming` elements.
pub const MAX_ENTRIES: usize = 16;
/// The most flaws that are listed.
pub const MAX_FLAWS: usize = 32;

/// Why nothing can be made of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DashError {
    /// The root element is another.
    #[error("not a DASH manifest: an MPD element expected, found \"{found}\"")]
    NotMpd {
        /// The element's name or the first bytes, escaped.
        found: String,
    },
    /// Larger than [`MAX_MPD`].
    #[error("manifest of {size} bytes, more than {MAX_MPD}")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Not well-formed.
    #[error("byte {at}: {what}")]
    Xml {
        /// Where.
        at: u64,
        /// What the XML reader says.
        what: String,
    },
    /// More of something than its named limit.
    #[error("byte {at}: more than {limit} {what}")]
    TooMany {
        /// Where the limit was passed.
        at: u64,
        /// `periods`, `representations`, ...
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A timeline that cannot be followed.
    #[error("byte {at}: SegmentTimeline: {what}")]
    Timeline {
        /// Where.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// A manifest. Moments are Unix seconds, durations seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mpd {
    /// `type="dynamic"`: live. Otherwise on demand.
    pub dynamic: bool,
    /// `availabilityStartTime`: when the first period began.
    pub availability_start: Option<f64>,
    /// `publishTime`
    pub publish_time: Option<f64>,
    /// `minimumUpdatePeriod`; without it the manifest never changes.
    pub minimum_update_period: Option<f64>,
    /// `timeShiftBufferDepth`
    pub time_shift_buffer_depth: Option<f64>,
    /// `suggestedPresentationDelay`: so far behind the live edge players shall play.
    pub suggested_presentation_delay: Option<f64>,
    /// `maxSegmentDuration`
    pub max_segment_duration: Option<f64>,
    /// `mediaPresentationDuration`
    pub duration: Option<f64>,
    /// `Location`: where the manifest shall be fetched from next time.
    pub locations: Vec<String>,
    /// `UTCTiming`: who tells the time, in order of preference.
    pub clocks: Vec<Clock>,
    /// The periods, in order.
    pub periods: Vec<Period>,
    /// What is wrong with it, although it can be read.
    pub flaws: Vec<String>,
}

/// A `UTCTiming` element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// `urn:mpeg:dash:utc:http-iso:2014` and its kin.
    pub scheme: String,
    /// URLs or, for `direct`, the time itself.
    pub value: String,
}

/// A period.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Period {
    /// `id`
    pub id: String,
    /// When it begins, seconds after the start of the presentation; `None` when it is announced without a time.
    pub start: Option<f64>,
    /// When it ends, in the same way; `None` when that is open.
    pub end: Option<f64>,
    /// Whether it is elsewhere (`xlink:href`), and only named here.
    pub remote: bool,
    /// All representations of all its adaptation sets.
    pub representations: Vec<Representation>,
}

/// A representation, with what it inherits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Representation {
    /// `id`
    pub id: Rc<str>,
    /// The number of its adaptation set in the period, from 0.
    pub adaptation_set: usize,
    /// `video`, `audio`, `text`: from `contentType`, else from `mimeType`; may be empty.
    pub content_type: String,
    /// `mimeType`
    pub mime_type: String,
    /// `codecs`
    pub codecs: String,
    /// `lang`
    pub language: String,
    /// `bandwidth`, bit/s.
    pub bandwidth: Option<u64>,
    /// `width` and `height`.
    pub resolution: Option<(u32, u32)>,
    /// `BaseURL` of the manifest, the period, the adaptation set and the representation, as far as there are any. Of
    /// alternatives on one level, the first.
    pub bases: Vec<Rc<str>>,
    /// How its segments are addressed.
    pub segments: Segments,
}
