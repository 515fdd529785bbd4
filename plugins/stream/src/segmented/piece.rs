//! What a playlist or a manifest leads to: segments, parts, initialization sections, keys. Fetched as players fetch them, and
//! looked into as far as one can without decoding.

use std::time::Duration;

use url::Url;
use weir_contract::{Problem, State, fault};
use weir_probe::Probe;
use weir_probe::http::{Answer, Get, Http};
use weir_wire::hls::ByteRange;
use weir_wire::media::{Container, sniff};
use weir_wire::ts;

use super::resolve;
use crate::dead_air::Ear;

/// A larger segment is none.
const SEGMENT_MAX: u64 = 128 * 1024 * 1024;
/// An initialization section or key beyond this is something else.
const SMALL_MAX: u64 = 4 * 1024 * 1024;
/// So much of a segment is looked into.
const LOOK_INTO: usize = 512 * 1024;
/// Of segments that are listened to for dead air, all of it, within reason: one is held at a time.
const LISTEN_TO: usize = 8 * 1024 * 1024;
/// So many segments are listened to at most.
pub(crate) const LISTENED_MAX: usize = 64;
/// The size of an AES-128 key.
const KEY_BYTES: u64 = 16;
/// The size of a block of AES.
const BLOCK_BYTES: u64 = 16;

/// What a fetched piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// The segment at the live edge.
    NewestSegment,
    /// The oldest segment that is listed.
    OldestSegment,
    /// The newest part of low-latency HLS.
    NewestPart,
    /// `EXT-X-MAP`
    Map,
    /// `EXT-X-KEY`
    Key,
}

impl PieceKind {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewestSegment => "newest segment",
            Self::OldestSegment => "oldest segment",
            Self::NewestPart => "newest part",
            Self::Map => "initialization section",
            Self::Key => "key",
        }
    }
}

/// What is wrong with a piece that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What.
    pub text: String,
    /// How grave it is.
    pub state: State,
}

impl Flaw {
    /// It cannot be played.
    pub fn grave(text: impl Into<String>) -> Self {
        Self { text: text.into(), state: State::Critical }
    }

    /// It will be heard or seen.
    pub fn slight(text: impl Into<String>) -> Self {
        Self { text: text.into(), state: State::Warning }
    }
}

/// One thing that a media playlist leads to.
#[derive(Clone, Debug)]
pub struct Piece {
    /// What it is.
    pub kind: PieceKind,
    /// Where it is.
    pub url: String,
    /// How long it plays, seconds; 0 for what does not play.
    pub duration: f64,
    /// Why it could not be had.
    pub problem: Option<Problem>,
    /// What is wrong with what came.
    pub flaw: Option<Flaw>,
    /// Its bytes.
    pub bytes: u64,
    /// From the request to the last byte.
    pub took: Duration,
    /// When its first byte came, since the start of the check.
    pub first_byte: Option<Duration>,
    /// What it is; `None` when it is encrypted or no media.
    pub container: Option<Container>,
}

impl Piece {
    /// Whether it came and is what it should be.
    pub fn plays(&self) -> bool {
        self.problem.is_none() && self.flaw.as_ref().is_none_or(|flaw| flaw.state != State::Critical)
    }

    /// Its name, without folders and tokens.
    pub fn file_name(&self) -> &str {
        let path = self.url.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }

    /// Download time against duration.
    pub fn ratio(&self) -> Option<f64> {
        (self.duration > 0.0 && self.problem.is_none()).then(|| self.took.as_secs_f64() / self.duration)
    }
}

/// Where a piece is, and what it should be.
pub(crate) struct Wanted<'a> {
    pub(crate) kind: PieceKind,
    pub(crate) uri: &'a str,
    pub(crate) range: Option<ByteRange>,
    pub(crate) duration: f64,
    /// Whether its bytes are hidden from us.
    pub(crate) encrypted: bool,
}

/// Fetches one piece and looks into it; what goes wrong is kept with it.
pub(crate) async fn piece(probe: &Probe, http: &Http, base: &Url, wanted: &Wanted<'_>) -> Piece {
    let mut piece = Piece {
        kind: wanted.kind,
        url: wanted.uri.to_owned(),
        duration: wanted.duration,
        problem: None,
        flaw: None,
        bytes: 0,
        took: Duration::ZERO,
        first_byte: None,
        container: None,
    };
    match get(probe, http, base, wanted, LOOK_INTO).await {
        Ok(answer) => {
            answer.url.as_str().clone_into(&mut piece.url);
            piece.bytes = answer.bytes;
            piece.took = answer.done.saturating_sub(answer.asked);
            piece.first_byte = answer.first_byte;
            (piece.container, piece.flaw) = examine(wanted, &answer);
        }
        Err(problem) => piece.problem = Some(problem),
    }
    piece
}

/// Fetches what is listed, one after the other, and listens to it.
pub(crate) async fn listen_to(probe: &Probe, http: &Http, base: &Url, list: &[Wanted<'_>], ear: &mut Ear) {
    for wanted in list {
        match get(probe, http, base, wanted, LISTEN_TO).await {
            Ok(answer) if wanted.kind == PieceKind::Map => ear.init(&answer.body),
            Ok(answer) => ear.segment(&answer.body),
            Err(problem) => ear.watcher().cannot(format!("a segment is missing: {}", problem.text)),
        }
    }
}

async fn get(
    probe: &Probe,
    http: &Http,
    base: &Url,
    wanted: &Wanted<'_>,
    keep: usize,
) -> Result<Answer, Problem> {
    let url = resolve(wanted.uri, Some(base))?;
    let range = wanted.range.map(|range| (range.offset, range.length));
    let (stage, limit) = match wanted.kind {
        PieceKind::Key => ("key", SMALL_MAX),
        PieceKind::Map => ("map", SMALL_MAX),
        PieceKind::NewestPart => ("part", SEGMENT_MAX),
        PieceKind::NewestSegment | PieceKind::OldestSegment => ("segment", SEGMENT_MAX),
    };
    let answer = http.get(probe, stage, Get::media(&url, range, limit, keep)).await?;
    match wanted.range {
        Some(_) if answer.status != 206 => {
            let text = format!("a byte range was asked for, and the server sent all {} bytes", answer.bytes);
            Err(Problem::new(&fault::HLS_SEGMENT, text))
        }
        _ => Ok(answer),
    }
}

/// What came, and what is wrong with it.
fn examine(wanted: &Wanted<'_>, answer: &Answer) -> (Option<Container>, Option<Flaw>) {
    if answer.bytes == 0 {
        return (None, Some(Flaw::grave("it is empty")));
    }
    if let Some(range) = wanted.range.filter(|range| range.length != answer.bytes) {
        let text = format!("it has {} bytes, {} are announced", answer.bytes, range.length);
        return (None, Some(Flaw::grave(text)));
    }
    if wanted.kind == PieceKind::Key {
        let text = || format!("it has {} bytes, a key has {KEY_BYTES}", answer.bytes);
        return (None, (answer.bytes != KEY_BYTES).then(|| Flaw::grave(text())));
    }
    if wanted.encrypted {
        let text = || {
            format!("encrypted segments come in blocks of {BLOCK_BYTES} bytes, this one has {}", answer.bytes)
        };
        return (None, (!answer.bytes.is_multiple_of(BLOCK_BYTES)).then(|| Flaw::grave(text())));
    }
    let container = sniff(&answer.body);
    let whole = answer.body.len() as u64 == answer.bytes;
    let flaw = match container {
        Container::Mp4 => mp4_flaw(wanted.kind, &answer.body, whole),
        Container::MpegTs => ts_flaw(&answer.body),
        // A picture in the tag may hide what follows.
        Container::Id3 => None,
        container if container.is_media() => None,
        container => {
            let claimed = answer.header("content-type").unwrap_or("nothing");
            Some(Flaw::grave(format!("it is {container}, and the server claims {claimed}")))
        }
    };
    (Some(container), flaw)
}

fn mp4_flaw(kind: PieceKind, bytes: &[u8], whole: bool) -> Option<Flaw> {
    let survey = match ts::mp4::survey(bytes) {
        Ok(survey) => survey,
        Err(bad) => return Some(Flaw::grave(bad.to_string())),
    };
    if kind == PieceKind::Map {
        return (!survey.has_init).then(|| Flaw::grave("it has no moov box"));
    }
    if survey.fragments == 0 && !survey.has_init {
        return Some(Flaw::grave("it has no moof box"));
    }
    (whole && survey.missing_bytes > 0)
        .then(|| Flaw::grave(format!("its last {} bytes are missing", survey.missing_bytes)))
}

fn ts_flaw(bytes: &[u8]) -> Option<Flaw> {
    let report = ts::analyze(bytes);
    if report.sync_losses > 0 {
        return Some(Flaw::grave(format!("packets are out of step in {} places", report.sync_losses)));
    }
    if report.programs.is_empty() {
        return Some(Flaw::grave("its packets describe no program"));
    }
    let errors = report.continuity_errors();
    (errors > 0).then(|| Flaw::slight(format!("packets are missing in {errors} places")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TS: &[u8] = include_bytes!("../../testdata/hls/segment.ts");

    #[test]
    fn a_whole_segment_has_no_flaw_and_a_damaged_one_has() {
        assert_eq!(ts_flaw(TS), None);
        let hole = [&TS[..188 * 40], &TS[188 * 50..]].concat();
        assert!(ts_flaw(&hole).is_some_and(|flaw| flaw.text.contains("missing")));
        let shifted = [&TS[..188 * 40], b"x", &TS[188 * 40..]].concat();
        assert!(ts_flaw(&shifted).is_some_and(|flaw| flaw.text.contains("out of step")));
    }

    #[test]
    fn a_cut_fragment_is_seen() {
        let fragment = b"\0\0\0\x08moof\0\0\0\x10mdat12345678";
        assert_eq!(mp4_flaw(PieceKind::NewestSegment, fragment, true), None);
        let cut = mp4_flaw(PieceKind::NewestSegment, &fragment[..20], true);
        assert_eq!(cut, Some(Flaw::grave("its last 4 bytes are missing")));
        assert!(mp4_flaw(PieceKind::Map, fragment, true).is_some_and(|flaw| flaw.text.contains("moov")));
    }
}
