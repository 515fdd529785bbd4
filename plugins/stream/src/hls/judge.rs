//! From facts to findings.

use weir_contract::{Field, Outcome, Problem, Range, Sample, State, Thresholds, Unit, fault};
use weir_wire::hls::MediaPlaylist;

use super::measure::patience;
use super::report::{Report, Role, Track};
use super::{FIELDS, HlsArgs, SERVICE, rules};
use crate::fields::{BITRATE, FIRST_MEDIA, LAG, SEGMENT_RATIO, SKEW, VARIANTS};
use crate::judge::Rule;
use crate::segmented::freshness::{Freshness, Proof};
use crate::segmented::piece::{Piece, PieceKind};
use crate::segmented::{self, FLAWS_NAMED, Noun, RATIO_LIMITS, Voice, carried, fetched, thousandths};

/// Variants further apart than so many target durations are not in step: one may always be a segment ahead.
const SKEW_TARGETS: f64 = 1.5;
/// What is late.
const NOUN: Noun = Noun { name: "the playlist", file: "it was last written", unit: "target durations" };

/// Facts to verdict. `problem` is why the first playlist could not be had.
pub(super) fn judge(args: &HlsArgs, url: &str, report: &Report, problem: Option<Problem>) -> Outcome {
    let mut outcome = Outcome::new(SERVICE, url);
    outcome.headline = headline(report);
    outcome.details = details(url, report);
    match problem {
        Some(problem) => outcome.findings.push(problem.into()),
        None => ladder(&mut outcome, args, report),
    }
    for track in &report.tracks {
        judge_track(&mut Voice { outcome: &mut outcome, name: &track.name }, track, args);
    }
    let lag = worst_lag(report).map(|(track, _)| lag_thresholds(args, track)).unwrap_or_default();
    let apart = args.max_skew.or_else(|| target(report).map(|target| target * SKEW_TARGETS));
    let rule = |field: &Field| match field.id {
        "lag" => Rule { limits: lag, ..rule(field, apart) },
        _ => rule(field, apart),
    };
    // The lag is judged for each playlist.
    args.limits.judge(&mut outcome, samples(report), FIELDS, rule, |_, field| field.id == "lag");
    outcome
}

/// How a measure is judged; variants shall not be further apart than `apart` seconds.
pub(super) fn rule(field: &Field, apart: Option<f64>) -> Rule {
    match field.id {
        "lag" => Rule::of(&fault::HLS_LATE),
        "first_media" => Rule::of(&fault::START_SLOW),
        "bitrate" => Rule::of(&fault::BITRATE),
        "segment_ratio" => Rule::of(&fault::HLS_SEGMENT_SLOW).above(RATIO_LIMITS),
        "skew" => Rule::of(&fault::HLS_SKEW).warn(apart.map(Range::above)),
        _ => Rule::of(&fault::HLS_VARIANTS),
    }
}

/// The facts as numbers.
fn samples(report: &Report) -> Vec<Sample> {
    let pieces = || report.tracks.iter().flat_map(|track| &track.pieces);
    let segments = pieces().filter(|p| matches!(p.kind, PieceKind::NewestSegment | PieceKind::OldestSegment));
    let ratio = segments.filter_map(Piece::ratio).reduce(f64::max);
    let first = pieces().filter(|piece| piece.duration > 0.0).filter_map(|piece| piece.first_byte).min();
    let variants = || report.tracks.iter().filter(|track| is_variant(track));
    let playing = variants().filter(|track| track.plays()).count();
    let bitrate = variants().filter_map(Track::bitrate).reduce(f64::max);
    vec![
        LAG.sample_opt(worst_lag(report).map(|(_, lag)| thousandths(lag))),
        VARIANTS.sample_opt((!report.tracks.is_empty()).then_some(playing)),
        FIRST_MEDIA.sample_opt(first),
        BITRATE.sample_opt(bitrate.map(f64::round)),
        SEGMENT_RATIO.sample_opt(ratio.map(thousandths)),
        SKEW.sample_opt(skew(report).map(thousandths)),
    ]
}

/// What the master playlist names, against what is expected.
fn ladder(outcome: &mut Outcome, args: &HlsArgs, report: &Report) {
    let variants = report.master.as_ref().map_or(1, |master| master.variants);
    if let Some(master) = &report.master {
        if master.variants == 0 {
            outcome.find(&fault::HLS_EMPTY, "the master playlist names no variant");
        }
        if let Some(text) = several(&master.flaws) {
            outcome.find(&fault::HLS_RULES, format!("master playlist: {text}"));
        }
    }
    if let Some(expected) = args.expect_variants.filter(|expected| variants < *expected) {
        outcome.find(&fault::HLS_VARIANTS, format!("{variants} variants, expected {expected} or more"));
    }
}

fn judge_track(voice: &mut Voice<'_>, track: &Track, args: &HlsArgs) {
    if let Some(problem) = &track.problem {
        let gone = [&fault::HTTP_STATUS, &fault::AUTH].contains(&problem.fault);
        voice.find(if gone { &fault::HLS_VARIANT_GONE } else { problem.fault }, &problem.text);
    }
    let Some(playlist) = &track.playlist else { return };
    if playlist.segments.is_empty() && playlist.parts.is_empty() {
        voice.find(&fault::HLS_EMPTY, "the playlist names no segment");
    } else if playlist.segments.iter().all(|segment| segment.gap) && playlist.parts.is_empty() {
        let text = format!("all {} segments are marked as missing (EXT-X-GAP)", playlist.segments.len());
        voice.find(&fault::HLS_SEGMENT, text);
    }
    if !playlist.is_live() && !args.vod {
        let text = format!(
            "the playlist says that it has ended, at segment {}",
            playlist.next_sequence().saturating_sub(1)
        );
        voice.find(&fault::HLS_ENDED, text);
    }
    if let Some(freshness) = &track.freshness {
        judge_freshness(voice, track, args, playlist, freshness);
    }
    for piece in &track.pieces {
        let (gone, bad) = match piece.kind {
            PieceKind::Key => (&fault::HLS_KEY, &fault::HLS_KEY),
            _ => (&fault::HLS_SEGMENT, &fault::HLS_SEGMENT_BAD),
        };
        voice.piece(piece, gone, bad);
    }
    judge_rates(voice, track, args);
    let mut flaws = rules::media(playlist);
    flaws.extend(changed_target(track));
    flaws.extend(blocking_flaw(track));
    if let Some(text) = several(&flaws) {
        voice.find(&fault::HLS_RULES, text);
    }
}

fn judge_freshness(
    voice: &mut Voice<'_>,
    track: &Track,
    args: &HlsArgs,
    playlist: &MediaPlaylist,
    freshness: &Freshness,
) {
    let target = playlist.target_duration.unwrap_or(0.0);
    if let Some(segments) = freshness.went_back {
        let far = if segments == 0 { "some parts".to_owned() } else { format!("{segments} segments") };
        voice.find(&fault::HLS_BACKWARDS, format!("between two looks the playlist went back by {far}"));
    }
    let Some((lag, since)) = freshness.lag else {
        return voice.undated(freshness, (target * 3.0).max(freshness.unchanged));
    };
    let state = lag_thresholds(args, track).judge(lag);
    if state != State::Ok {
        let fault = if state == State::Critical { &fault::HLS_STALE } else { &fault::HLS_LATE };
        voice.find_as(state, fault, NOUN.late(state, freshness, (lag, since), target));
    } else if let Some(slow) = freshness.slow_update {
        let text = format!(
            "the playlist was written again only after {slow:.1} s, with a target duration of {target} s"
        );
        voice.find(&fault::HLS_LATE, text);
    }
}

fn judge_rates(voice: &mut Voice<'_>, track: &Track, args: &HlsArgs) {
    let Some(bitrate) = track.bitrate() else { return };
    voice.rate(bitrate, track.average_bandwidth.or(track.bandwidth), args.min_share);
    let rate = |value: f64| Unit::BitsPerSecond.human(value.into());
    if let Some(bandwidth) = track.bandwidth.filter(|bandwidth| rules::exceeds(bitrate, *bandwidth)) {
        let text = format!(
            "the newest segment has {}, more than the announced peak of {}",
            rate(bitrate),
            rate(bandwidth as f64)
        );
        voice.find(&fault::HLS_RULES, text);
    }
}

fn changed_target(track: &Track) -> Option<String> {
    let first = track.looks.first()?.target_duration?;
    let changed = track
        .looks
        .iter()
        .filter_map(|look| look.target_duration)
        .find(|target| (target - first).abs() > 0.001)?;
    Some(format!("TARGETDURATION changed from {first} to {changed}"))
}

fn blocking_flaw(track: &Track) -> Option<String> {
    let blocking = track.blocking.as_ref()?;
    let (sequence, part) = blocking.wanted;
    let asked = format!("CAN-BLOCK-RELOAD: asked for part {part} of segment {sequence}");
    match &blocking.problem {
        Some(problem) => Some(format!("{asked}: {}", problem.text)),
        None if !blocking.came => {
            Some(format!("{asked}, the answer came after {:.2} s without it", blocking.took.as_secs_f64()))
        }
        None => None,
    }
}

/// The first few of many.
fn several(flaws: &[String]) -> Option<String> {
    let named = flaws.iter().take(FLAWS_NAMED).cloned().collect::<Vec<_>>().join("; ");
    match flaws.len() {
        0 => None,
        count if count > FLAWS_NAMED => Some(format!("{named}; and {} more", count - FLAWS_NAMED)),
        _ => Some(named),
    }
}

/// What is asked of the lag of one playlist. One that demonstrably advances is not stale because its encoder's clock or pipeline
/// is late, unless the options say in seconds what is late.
fn lag_thresholds(args: &HlsArgs, track: &Track) -> Thresholds {
    let target = track.playlist.as_ref().and_then(|playlist| playlist.target_duration).unwrap_or(0.0);
    let patience = patience(&args.options(), target);
    let late_for_good = track.freshness.is_some_and(|freshness| {
        matches!(freshness.proof, Proof::Advanced | Proof::Recent)
            && freshness.lag.is_some_and(|(lag, _)| lag > patience.late)
    });
    segmented::lag_thresholds(args.lag_limits(), patience, late_for_good)
}

/// The playlist that lags most, in target durations.
fn worst_lag(report: &Report) -> Option<(&Track, f64)> {
    let lags = report.tracks.iter().filter_map(|track| {
        let (lag, _) = track.freshness?.lag?;
        let target = track.playlist.as_ref()?.target_duration.filter(|target| *target > 0.0).unwrap_or(1.0);
        Some((track, lag, lag / target))
    });
    lags.max_by(|a, b| a.2.total_cmp(&b.2)).map(|(track, lag, _)| (track, lag))
}

fn is_variant(track: &Track) -> bool {
    matches!(track.role, Role::Channel | Role::Variant)
}

/// The longest target duration of all variants.
fn target(report: &Report) -> Option<f64> {
    let playlists =
        report.tracks.iter().filter(|track| is_variant(track)).filter_map(|track| track.playlist.as_ref());
    playlists.filter_map(|playlist| playlist.target_duration).reduce(f64::max)
}

/// How far the live edges of the variants are apart, seconds: by the dates in the playlists, else by sequence numbers where these
/// can be compared; `None` with fewer than two variants.
pub(super) fn skew(report: &Report) -> Option<f64> {
    let live: Vec<_> = report
        .tracks
        .iter()
        .filter(|track| track.role == Role::Variant && track.freshness.is_some())
        .filter_map(|track| Some((track.looks.first()?, track.playlist.as_ref()?)))
        .collect();
    if live.len() < 2 {
        return None;
    }
    let span = |values: &[f64]| {
        let (low, high) =
            values.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
        high - low
    };
    // Each relative to the moment of its look: they were not looked at in the same instant.
    let dates: Option<Vec<f64>> = live.iter().map(|(look, _)| Some(look.edge_time? - look.at)).collect();
    if let Some(dates) = dates {
        return Some(span(&dates));
    }
    let targets: Option<Vec<f64>> = live.iter().map(|(look, _)| look.target_duration).collect();
    let same_target = targets.filter(|targets| span(targets) == 0.0)?[0];
    let numbers: Vec<f64> = live.iter().map(|(look, _)| look.edge.next_sequence as f64).collect();
    let window = live.iter().map(|(_, playlist)| playlist.segments.len()).min()? as f64;
    // Further apart than a window: they do not count alike, which the RFC allows.
    Some(span(&numbers)).filter(|apart| *apart <= window).map(|apart| apart * same_target)
}

fn headline(report: &Report) -> String {
    let mut parts = Vec::new();
    let variants = report.tracks.iter().filter(|track| is_variant(track));
    if let Some(master) = &report.master {
        let plays = variants.clone().filter(|track| track.plays()).count();
        parts.push(format!("{plays} of {} variants play", master.variants));
    }
    let best = variants.filter(|track| track.bitrate().is_some()).max_by_key(|track| track.bandwidth);
    if let Some((track, bitrate)) = best.and_then(|track| Some((track, track.bitrate()?))) {
        parts.push(carried(track.piece(PieceKind::NewestSegment), bitrate));
    }
    if let Some((track, lag)) = worst_lag(report) {
        let target = track.playlist.as_ref().and_then(|playlist| playlist.target_duration).unwrap_or(0.0);
        parts.push(format!("lag {lag:.1} s of {target} s target"));
    }
    parts.join(", ")
}

fn details(url: &str, report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if report.redirects > 0 && report.url != url {
        lines.push(format!("redirected to: {}", report.url));
    }
    if let Some(skipped) = report.master.as_ref().map(|master| master.skipped).filter(|skipped| *skipped > 0)
    {
        lines.push(format!("{skipped} more playlists were not looked at"));
    }
    lines.extend(report.tracks.iter().map(describe));
    lines
}

/// One playlist in one line.
fn describe(track: &Track) -> String {
    let name = if track.name.is_empty() { "playlist" } else { &track.name };
    let Some(playlist) = &track.playlist else { return format!("{name}: no playlist") };
    let mut parts = vec![format!(
        "{} segments up to {}",
        playlist.segments.len(),
        playlist.next_sequence().saturating_sub(1)
    )];
    if let Some((lag, _)) = track.freshness.and_then(|freshness| freshness.lag) {
        parts.push(format!("lag {lag:.1} s"));
    }
    parts.extend(fetched(&track.pieces));
    if let Some(blocking) = track.blocking.as_ref().filter(|blocking| blocking.came) {
        parts.push(format!("blocking reload answered after {}", Unit::Seconds.human(blocking.took.into())));
    }
    format!("{name}: {}", parts.join(", "))
}
