//! Which segments, parts, initialization sections and keys of a playlist are fetched.

use weir_probe::Probe;
use weir_probe::http::Http;
use weir_wire::hls::{MediaPlaylist, Segment};

use super::report::Track;
use crate::dead_air::Ear;
use crate::segmented::piece::{LISTENED_MAX, PieceKind, Wanted, listen_to, piece};
use crate::segmented::{Segments, resolve};

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
