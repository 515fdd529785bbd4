//! What was seen of a channel: facts without an opinion.

use std::time::Duration;

use url::Url;
use weir_contract::Problem;
use weir_wire::hls::{MediaPlaylist, RenditionType};

use crate::segmented::freshness::{Freshness, Look};
use crate::segmented::piece::{Piece, PieceKind};

/// All that one run learnt.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The URL of the first playlist, after redirects.
    pub url: String,
    /// The redirects that led to it.
    pub redirects: usize,
    /// The first URL that was asked for of each host and port, and for what.
    pub asked: Vec<(&'static str, Url)>,
    /// The master playlist; `None` when the URL names a media playlist.
    pub master: Option<Master>,
    /// Every media playlist: variants first, then renditions.
    pub tracks: Vec<Track>,
    /// What was heard and seen, when it was asked for.
    pub air: Option<weir_media::Report>,
}

/// What a master playlist names.
#[derive(Clone, Debug, Default)]
pub struct Master {
    /// Different variant playlists.
    pub variants: usize,
    /// What is wrong with it.
    pub flaws: Vec<String>,
    /// Playlists beyond the limit, which were not looked at.
    pub skipped: usize,
}

/// What a media playlist is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Named by the URL itself.
    Channel,
    /// A variant of a master playlist.
    Variant,
    /// An alternative rendition.
    Rendition(RenditionType),
}

/// One media playlist and what it leads to.
#[derive(Clone, Debug)]
pub struct Track {
    /// For people: `variant 2 (640x360, 640.0 kbit/s)`.
    pub name: String,
    /// Its URL, after redirects once it was fetched.
    pub url: String,
    /// What it is for.
    pub role: Role,
    /// The peak bit rate that the master playlist announces, bit/s.
    pub bandwidth: Option<u64>,
    /// The average bit rate that it announces, bit/s.
    pub average_bandwidth: Option<u64>,
    /// Why the playlist could not be had or read.
    pub problem: Option<Problem>,
    /// The newest playlist.
    pub playlist: Option<MediaPlaylist>,
    /// Each look at it, the first one first.
    pub looks: Vec<Look>,
    /// What the looks tell; `None` for a playlist that is not live.
    pub freshness: Option<Freshness>,
    /// Segments, parts, keys and initialization sections that were fetched.
    pub pieces: Vec<Piece>,
    /// The test of blocking reload, when the playlist offers it.
    pub blocking: Option<Blocking>,
}

impl Track {
    /// A media playlist that has not been looked at.
    pub fn new(name: String, url: String, role: Role) -> Self {
        Self {
            name,
            url,
            role,
            bandwidth: None,
            average_bandwidth: None,
            problem: None,
            playlist: None,
            looks: Vec::new(),
            freshness: None,
            pieces: Vec::new(),
            blocking: None,
        }
    }

    /// The piece of this kind that came and can be played.
    pub fn piece(&self, kind: PieceKind) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.kind == kind && piece.plays())
    }

    /// Bits per second of the newest segment; `None` for segments too short to say.
    pub fn bitrate(&self) -> Option<f64> {
        let target = self.playlist.as_ref()?.target_duration?;
        let newest = self.piece(PieceKind::NewestSegment)?;
        // RFC 8216 section 4.1 leaves out segments of less than half the target duration.
        (newest.duration >= target / 2.0).then(|| newest.bytes as f64 * 8.0 / newest.duration)
    }

    /// Whether playlist and media could be had.
    pub fn plays(&self) -> bool {
        self.problem.is_none() && self.pieces.iter().all(Piece::plays)
    }
}

/// The test of `CAN-BLOCK-RELOAD`: a request for what is not there yet is answered when it is there.
#[derive(Clone, Debug)]
pub struct Blocking {
    /// Sequence number and part that were asked for.
    pub wanted: (u64, u64),
    /// How long the answer took.
    pub took: Duration,
    /// Whether the answer held it.
    pub came: bool,
    /// Why there was no answer.
    pub problem: Option<Problem>,
}
