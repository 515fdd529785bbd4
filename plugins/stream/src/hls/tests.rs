//! Judgement over facts that are written down here: what is said, and how grave it is.

use proptest::prelude::*;
use weir_contract::{Outcome, Problem, State, fault};
use weir_wire::hls::{MediaPlaylist, Playlist, parse};

use super::judge::judge;
use super::measure::patience;
use super::report::{Master, Report, Role, Track};
use super::{Hls, HlsArgs};
use crate::segmented::freshness::{Look, assess};
use crate::segmented::piece::{Flaw, Piece, PieceKind};

const URL: &str = "http://live.example.net/news/master.m3u8";
const NOW: f64 = 1_795_234_860.0;

fn options(words: &[&str]) -> HlsArgs {
    let words: Vec<String> = std::iter::once(&URL).chain(words).map(|word| (*word).to_owned()).collect();
    weir_cli::parse_options::<Hls>(&words).expect("options").0
}

/// Four segments of two seconds, the first with this number.
fn playlist(sequence: u64, more: &str) -> MediaPlaylist {
    let head = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n");
    let text = head + &"#EXTINF:2,\na.ts\n".repeat(4) + more;
    match parse(text.as_bytes()) {
        Ok(Playlist::Media(playlist)) => playlist,
        other => panic!("no media playlist: {other:?}"),
    }
}

/// A variant of 1 Mbit/s whose newest segment came well; `lag` by its dates and its file, when it has any.
fn variant(name: &str, sequence: u64, lag: Option<f64>) -> Track {
    let playlist = playlist(sequence, "");
    let look = Look {
        at: NOW,
        server: Some(NOW),
        modified: lag.map(|lag| NOW - lag),
        edge: playlist.edge(),
        edge_time: lag.map(|lag| NOW - lag),
        target_duration: Some(2.0),
    };
    let mut track =
        Track::new(name.to_owned(), format!("http://live.example.net/{name}.m3u8"), Role::Variant);
    track.bandwidth = Some(1_000_000);
    track.looks = vec![look];
    track.freshness = Some(assess(&track.looks, patience(&options(&[]).options(), 2.0)));
    track.playlist = Some(playlist);
    track.pieces = vec![piece(PieceKind::NewestSegment)];
    track
}

fn piece(kind: PieceKind) -> Piece {
    Piece {
        kind,
        url: "http://live.example.net/news/seg7.ts?token=abc".to_owned(),
        duration: 2.0,
        problem: None,
        flaw: None,
        bytes: 200_000,
        took: std::time::Duration::from_millis(100),
        first_byte: None,
        container: None,
    }
}

fn report(tracks: Vec<Track>) -> Report {
    let master = Master { variants: tracks.len(), ..Master::default() };
    Report { url: URL.to_owned(), master: Some(master), tracks, ..Report::default() }
}

fn outcome(args: &[&str], tracks: Vec<Track>) -> Outcome {
    judge(&options(args), URL, &report(tracks), None)
}

/// Codes and states of all findings.
fn found(outcome: &Outcome) -> Vec<(&'static str, State)> {
    outcome.findings.iter().map(|finding| (finding.fault.code, finding.state)).collect()
}

#[test]
fn variants_in_step_are_well() {
    let outcome = outcome(&[], vec![variant("low", 10, Some(1.5)), variant("high", 10, Some(1.0))]);
    assert_eq!(found(&outcome), []);
    assert_eq!(outcome.headline, "2 of 2 variants play, 800.0 kbit/s, lag 1.5 s of 2 s target");
}

#[test]
fn late_after_one_and_a_half_targets_and_stale_after_three() {
    let state = |lag| found(&outcome(&[], vec![variant("v", 10, Some(lag))]));
    assert_eq!(state(2.9), []);
    assert_eq!(state(3.1), [("E-HLS-LATE", State::Warning)]);
    assert_eq!(state(6.1), [("E-HLS-STALE", State::Critical)]);
    // In seconds, when the options say so.
    let state = |lag| found(&outcome(&["-w", "20", "-c", "30"], vec![variant("v", 10, Some(lag))]));
    assert_eq!((state(19.0), state(21.0)), (vec![], vec![("E-HLS-LATE", State::Warning)]));
}

#[test]
fn an_encoder_that_is_late_for_good_is_well_unless_seconds_are_given() {
    let mut late = variant("v", 10, Some(30.0));
    late.looks[0].modified = None;
    late.looks.push(Look { edge: playlist(11, "").edge(), at: NOW + 1.0, ..late.looks[0].clone() });
    let judged = |words: &[&str]| {
        let mut track = late.clone();
        track.freshness = Some(assess(&track.looks, patience(&options(words).options(), 2.0)));
        found(&outcome(words, vec![track]))
    };
    assert_eq!(judged(&[]), []);
    assert_eq!(judged(&["-c", "20"]), [("E-HLS-STALE", State::Critical)]);
}

#[test]
fn without_any_date_and_any_change_nobody_knows() {
    let outcome = outcome(&[], vec![variant("v", 10, None)]);
    assert_eq!(found(&outcome), [("E-NO-DATA", State::Unknown)]);
    assert!(outcome.findings[0].text.contains("raise -t above 8 s"), "{}", outcome.findings[0].text);
}

#[test]
fn variants_are_compared_by_numbers_when_they_have_no_dates() {
    let skew = |other| found(&outcome(&[], vec![variant("low", 10, None), variant("high", other, None)]));
    let judged = |other| skew(other).iter().any(|(code, _)| *code == "E-HLS-SKEW");
    assert!(!judged(11), "one may always be a segment ahead");
    assert!(judged(13));
    assert!(!judged(900), "they do not count alike, which is allowed");
    let dated = vec![variant("low", 10, Some(0.5)), variant("high", 900, Some(2.5))];
    assert_eq!(found(&outcome(&["--max-skew", "1"], dated)), [("E-HLS-SKEW", State::Warning)]);
}

#[test]
fn a_lost_variant_and_too_few_variants_are_critical() {
    let mut gone = Track::new("variant 640x360".to_owned(), String::new(), Role::Variant);
    gone.problem = Some(Problem::new(&fault::HTTP_STATUS, "live.example.net:80 said 404 Not Found"));
    let outcome = outcome(&["--expect-variants", "3"], vec![variant("low", 10, Some(1.0)), gone]);
    let critical = State::Critical;
    assert_eq!(found(&outcome), [("E-HLS-VARIANTS", critical), ("E-HLS-VARIANT-GONE", critical)]);
    assert_eq!(outcome.findings[1].text, "variant 640x360: live.example.net:80 said 404 Not Found");
    assert!(outcome.headline.starts_with("1 of 2 variants play"), "{}", outcome.headline);
}

#[test]
fn an_end_is_well_on_demand_only() {
    let ended = || {
        let mut track = variant("v", 10, None);
        (track.playlist, track.freshness) = (Some(playlist(10, "#EXT-X-ENDLIST\n")), None);
        vec![track]
    };
    assert_eq!(found(&outcome(&[], ended())), [("E-HLS-ENDED", State::Critical)]);
    assert_eq!(found(&outcome(&["--vod"], ended())), []);
}

#[test]
fn pieces_are_judged_by_what_they_are() {
    let judged = |change: &dyn Fn(&mut Piece)| {
        let mut track = variant("v", 10, Some(1.0));
        change(&mut track.pieces[0]);
        outcome(&[], vec![track])
    };
    let missing = || Some(Problem::new(&fault::HTTP_STATUS, "said 404 Not Found"));
    let segment = judged(&|piece| piece.problem = missing());
    assert_eq!(found(&segment), [("E-HLS-SEGMENT", State::Critical)]);
    assert_eq!(segment.findings[0].text, "v: newest segment seg7.ts: said 404 Not Found");
    let oldest = judged(&|piece| (piece.kind, piece.problem) = (PieceKind::OldestSegment, missing()));
    assert_eq!(found(&oldest), [("E-HLS-SEGMENT", State::Warning)]);
    let key = judged(&|piece| (piece.kind, piece.problem) = (PieceKind::Key, missing()));
    assert_eq!(found(&key), [("E-HLS-KEY", State::Critical)]);
    let refused = judged(&|piece| piece.problem = Some(Problem::new(&fault::TCP_REFUSED, "refused")));
    assert_eq!(found(&refused), [("E-TCP-REFUSED", State::Critical)], "another layer keeps its own code");
    let holes = judged(&|piece| piece.flaw = Some(Flaw::slight("packets are missing in 2 places")));
    assert_eq!(found(&holes), [("E-HLS-SEGMENT-BAD", State::Warning)]);
    let slow = judged(&|piece| piece.took = std::time::Duration::from_millis(1200));
    assert_eq!(found(&slow), [("E-HLS-SEGMENT-SLOW", State::Warning)]);
    let slower = judged(&|piece| piece.took = std::time::Duration::from_millis(2400));
    assert_eq!(found(&slower), [("E-HLS-SEGMENT-SLOW", State::Critical)]);
}

#[test]
fn bit_rates_are_compared_with_what_is_announced() {
    let judged = |bytes, args: &[&str]| {
        let mut track = variant("v", 10, Some(1.0));
        track.pieces[0].bytes = bytes;
        found(&outcome(args, vec![track]))
    };
    assert_eq!(judged(50_000, &[]), [("E-BITRATE", State::Warning)]);
    assert_eq!(judged(50_000, &["--min-share", "0"]), []);
    assert_eq!(judged(200_000, &["--min-bitrate", "900000"]), [("E-BITRATE", State::Critical)]);
    assert_eq!(judged(400_000, &[]), [("E-HLS-RULES", State::Warning)]);
}

proptest! {
    /// Whatever a playlist says, there is a verdict, and it is one line that no host stumbles over.
    #[test]
    fn any_playlist_gets_a_verdict(lines in proptest::collection::vec(line(), 0..24), lag in -1e12..1e12f64) {
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{}\n", lines.join("\n"));
        let Ok(Playlist::Media(playlist)) = parse(text.as_bytes()) else { return Ok(()) };
        let mut track = variant("v", 10, Some(lag));
        let look = Look {
            edge: playlist.edge(),
            edge_time: playlist.edge_date_time(),
            target_duration: playlist.target_duration,
            ..track.looks[0].clone()
        };
        track.looks.push(look);
        let patience = patience(&options(&[]).options(), playlist.target_duration.unwrap_or(0.0));
        track.freshness = Some(assess(&track.looks, patience));
        track.playlist = Some(playlist);
        let outcome = outcome(&[], vec![track, variant("other", 10, None)]);
        let text = weir_contract::render::nagios(&outcome, 1);
        prop_assert!(text.starts_with("HLS ") && text.lines().next().is_some_and(|line| line.len() < 1024));
    }
}

/// A line of a media playlist, with numbers of every size.
fn line() -> impl Strategy<Value = String> {
    let number = prop_oneof![Just("0".to_owned()), "[0-9]{1,19}", "[0-9]{0,3}[.][0-9]{1,6}", "-1"];
    let tag = proptest::sample::select(vec![
        "#EXTINF:",
        "#EXT-X-MEDIA-SEQUENCE:",
        "#EXT-X-TARGETDURATION:",
        "#EXT-X-PART-INF:PART-TARGET=",
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=",
        "#EXT-X-PART:URI=\"p\",DURATION=",
        "#EXT-X-BYTERANGE:",
        "#EXT-X-SKIP:SKIPPED-SEGMENTS=",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-21T04:21:0",
        "#EXT-X-GAP",
        "segment.ts?",
    ]);
    (tag, number).prop_map(|(tag, number)| format!("{tag}{number}"))
}
