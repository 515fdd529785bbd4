//! What a playlist leads to: segments, parts, initialization sections, keys. Fetched as players fetch them, and looked into as
//! far as one can without decoding.

use url::Url;
use weir_contract::{Problem, fault};
use weir_probe::Probe;
use weir_probe::http::{Answer, Get, Http};
use weir_wire::hls::{ByteRange, MediaPlaylist, Segment};
use weir_wire::media::{Container, sniff};
use weir_wire::ts;

use super::measure::{Segments, resolve};
use super::report::{Flaw, Piece, PieceKind, Track};
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

/// Where a piece is, and what it should be.
pub(crate) struct Wanted<'a> {
    pub(crate) kind: PieceKind,
    pub(crate) uri: &'a str,
    pub(crate) range: Option<ByteRange>,
    pub(crate) duration: f64,
    /// Whether its bytes are hidden from us.
    pub(crate) encrypted: bool,
}

/// Fetches what `which` asks for, one after the other, into `track.pieces`.
pub(super) async fn fetch(probe: &Probe, http: &Http, which: Segments, track: &mut Track) {
    let (Some(playlist), Ok(base)) = (&track.playlist, resolve(&track.url, None)) else { return };
    let mut pieces = Vec::new();
    for wanted in wanted(playlist, which) {
        pieces.push(piece(probe, http, &base, &wanted).await);
    }
    track.pieces = pieces;
}

/// The segment at the live edge that exists: the server may mark some as missing.
pub(super) fn newest(playlist: &MediaPlaylist) -> Option<&Segment> {
    playlist.segments.iter().rev().find(|segment| !segment.gap)
}

fn wanted(playlist: &MediaPlaylist, which: Segments) -> Vec<Wanted<'_>> {
    let Some(newest) = newest(playlist) else { return Vec::new() };
    let encrypted = is_hidden(newest);
    let mut list = Vec::new();
    if let Some(map) = &newest.map {
        list.push(Wanted {
            kind: PieceKind::Map,
            uri: &map.uri,
            range: map.byte_range,
            duration: 0.0,
            encrypted,
        });
    }
    // Keys of DRM systems are not fetched by their URI.
    let keys = newest.keys.iter().filter(|key| key.format == "identity").filter_map(|key| key.uri.as_deref());
    for uri in keys.filter(|uri| !uri.starts_with("data:")) {
        list.push(Wanted { kind: PieceKind::Key, uri, range: None, duration: 0.0, encrypted: false });
    }
    list.push(segment(PieceKind::NewestSegment, newest));
    if let Some(part) = playlist.parts.iter().rev().find(|part| !part.gap) {
        let (range, duration) = (part.byte_range, part.duration);
        list.push(Wanted { kind: PieceKind::NewestPart, uri: &part.uri, range, duration, encrypted });
    }
    let oldest = playlist.segments.iter().find(|segment| !segment.gap);
    if let (Segments::Ends, Some(oldest)) =
        (which, oldest.filter(|oldest| oldest.sequence != newest.sequence))
    {
        list.push(segment(PieceKind::OldestSegment, oldest));
    }
    list
}

fn segment(kind: PieceKind, segment: &Segment) -> Wanted<'_> {
    Wanted {
        kind,
        uri: &segment.uri,
        range: segment.byte_range,
        duration: segment.duration,
        encrypted: is_hidden(segment),
    }
}

/// Whether one cannot look into it: SAMPLE-AES leaves the container readable, AES-128 and its kin do not.
fn is_hidden(segment: &Segment) -> bool {
    segment.keys.iter().any(|key| key.method.starts_with("AES-"))
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
        took: std::time::Duration::ZERO,
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

/// Listens to the newest segments for so long that there is an answer.
pub(super) async fn listen(probe: &Probe, http: &Http, track: &Track, time: f64, ear: &mut Ear) {
    let (Some(playlist), Ok(base)) = (&track.playlist, resolve(&track.url, None)) else { return };
    let mut list = Vec::new();
    let mut covered = 0.0;
    for one in playlist.segments.iter().rev().filter(|one| !one.gap).take(LISTENED_MAX) {
        if covered >= time {
            break;
        }
        if one.keys.iter().any(|key| key.method != "NONE") {
            ear.watcher().cannot("the segments are encrypted");
            return;
        }
        covered += one.duration;
        list.insert(0, segment(PieceKind::NewestSegment, one));
    }
    if let Some(map) = newest(playlist).and_then(|newest| newest.map.as_ref()) {
        let (range, duration) = (map.byte_range, 0.0);
        list.insert(0, Wanted { kind: PieceKind::Map, uri: &map.uri, range, duration, encrypted: false });
    }
    listen_to(probe, http, &base, &list, ear).await;
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
