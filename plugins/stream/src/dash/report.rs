//! What was seen of a channel: facts without an opinion.

use url::Url;
use weir_contract::Problem;
use weir_wire::dash::{Mpd, Place, Representation};

use super::clock::Clock;
use crate::segmented::freshness::{Freshness, Look, Patience};
use crate::segmented::piece::{Piece, PieceKind};

/// All that one run learnt.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The URL of the manifest, after redirects.
    pub url: String,
    /// The redirects that led to it.
    pub redirects: usize,
    /// The first URL that was asked for of each host and port, and for what.
    pub asked: Vec<(&'static str, Url)>,
    /// The first manifest.
    pub mpd: Option<Mpd>,
    /// Who told the time.
    pub clock: Option<Clock>,
    /// What those said who were to tell the time and did not.
    pub clock_problems: Vec<Problem>,
    /// The live period, from 0; on demand the last.
    pub period: Option<usize>,
    /// Every representation of that period.
    pub tracks: Vec<Track>,
    /// Representations beyond the limit, which were not looked at.
    pub skipped: usize,
    /// Why the manifest could not be had again.
    pub reload: Option<Problem>,
    /// What was heard and seen, when it was asked for.
    pub air: Option<weir_media::Report>,
}

impl Report {
    /// Whether the manifest is a live one.
    pub fn is_live(&self) -> bool {
        self.mpd.as_ref().is_some_and(|mpd| mpd.dynamic)
    }
}

/// One representation and what it leads to.
#[derive(Clone, Debug)]
pub struct Track {
    /// For people: `video 0 (320x180, 204.6 kbit/s)`.
    pub name: String,
    /// What the manifest says.
    pub representation: Representation,
    /// When it is late and stale.
    pub patience: Patience,
    /// The newest segment that the manifest names.
    pub newest: Option<Place>,
    /// Why its segments cannot be named.
    pub problem: Option<Problem>,
    /// Each look at its timeline, the first one first; none where the clock alone names segments.
    pub looks: Vec<Look>,
    /// What is known about its live edge; `None` on demand, or when nobody can tell.
    pub freshness: Option<Freshness>,
    /// So many segments behind the newest is the newest that exists.
    pub missing: u64,
    /// Segments that were fetched.
    pub pieces: Vec<Piece>,
}

impl Track {
    /// The piece of this kind that came.
    pub fn piece(&self, kind: PieceKind) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.kind == kind && piece.problem.is_none())
    }

    /// Bits per second of the newest segment; `None` for segments too short to say.
    pub fn bitrate(&self) -> Option<f64> {
        let longest = self.representation.segments.longest()?;
        let newest = self.piece(PieceKind::NewestSegment)?;
        (newest.duration >= longest / 2.0).then(|| newest.bytes as f64 * 8.0 / newest.duration)
    }

    /// Whether its media could be had.
    pub fn plays(&self) -> bool {
        self.problem.is_none() && self.pieces.iter().all(|piece| piece.problem.is_none())
    }

    /// Whether it is picture or sound, which can be looked into.
    pub fn is_media(&self) -> bool {
        let mime = self.representation.mime_type.as_str();
        matches!(self.representation.content_type.as_str(), "video" | "audio" | "")
            || mime.ends_with("/mp4")
            || mime.ends_with("/webm")
    }
}
