//! From facts to findings.

use weir_contract::{Field, Outcome, Problem, Range, Sample, State, Thresholds, fault};
use weir_wire::dash::Mpd;

use super::report::{Report, Track};
use super::{DashArgs, FIELDS, SERVICE};
use crate::fields::{BITRATE, FIRST_MEDIA, LAG, SEGMENT_RATIO, SKEW, VARIANTS};
use crate::judge::Rule;
use crate::segmented::freshness::{Freshness, Proof, Since};
use crate::segmented::piece::{Piece, PieceKind};
use crate::segmented::{
    self, FLAWS_NAMED, Noun, RATIO_LIMITS, Segments, Voice, carried, fetched, thousandths,
};

/// Representations further apart than so many segments are not in step: one may always be a segment ahead.
const SKEW_SEGMENTS: f64 = 1.5;
/// A manifest may be so many update periods old before it is said to be old.
const UPDATES_MISSED: f64 = 2.0;
/// Clocks differ by so much without anybody being wrong, seconds.
const SAME_CLOCK: f64 = 2.0;
/// What is late.
const NOUN: Noun = Noun { name: "the live edge", file: "the manifest was last written", unit: "segments" };

/// Facts to verdict. `problem` is why the manifest could not be had.
pub(super) fn judge(args: &DashArgs, url: &str, report: &Report, problem: Option<Problem>) -> Outcome {
    let mut outcome = Outcome::new(SERVICE, url);
    outcome.headline = headline(report);
    outcome.details = details(url, report);
    outcome.findings.extend(problem.map(Into::into));
    if let Some(mpd) = &report.mpd {
        judge_manifest(&mut outcome, args, report, mpd);
    }
    for track in &report.tracks {
        judge_track(&mut Voice { outcome: &mut outcome, name: &track.name }, track, args);
    }
    let lag = worst_lag(report).map(|(track, _)| Thresholds {
        warning: Some(Range::above(thousandths(track.patience.late))),
        critical: Some(Range::above(thousandths(track.patience.stale))),
    });
    let segment = report.tracks.iter().filter_map(|track| track.representation.segments.longest());
    let segment = segment.reduce(f64::max);
    let apart = args.max_skew.or_else(|| segment.map(|segment| thousandths(segment * SKEW_SEGMENTS)));
    let rule = |field: &Field| match field.id {
        "lag" => Rule { limits: lag.unwrap_or_default(), ..rule(field, apart) },
        _ => rule(field, apart),
    };
    // The lag is judged for each representation.
    args.limits.judge(&mut outcome, samples(report), FIELDS, rule, |_, field| field.id == "lag");
    outcome
}

/// How a measure is judged; representations shall not be further apart than `apart` seconds.
pub(super) fn rule(field: &Field, apart: Option<f64>) -> Rule {
    match field.id {
        "lag" => Rule::of(&fault::DASH_LATE),
        "first_media" => Rule::of(&fault::START_SLOW),
        "bitrate" => Rule::of(&fault::BITRATE),
        "segment_ratio" => Rule::of(&fault::DASH_SEGMENT_SLOW).above(RATIO_LIMITS),
        "skew" => Rule::of(&fault::DASH_SKEW).warn(apart.map(Range::above)),
        _ => Rule::of(&fault::DASH_VARIANTS),
    }
}

/// The facts as numbers.
fn samples(report: &Report) -> Vec<Sample> {
    let most = |values: &mut dyn Iterator<Item = f64>| values.reduce(f64::max);
    let media =
        || report.tracks.iter().flat_map(|track| &track.pieces).filter(|piece| piece.kind != PieceKind::Map);
    let first = media().filter_map(|piece| piece.first_byte).min();
    let plays = report.tracks.iter().filter(|track| track.plays()).count();
    vec![
        LAG.sample_opt(worst_lag(report).map(|(_, lag)| thousandths(lag))),
        VARIANTS.sample_opt((!report.tracks.is_empty()).then_some(plays)),
        FIRST_MEDIA.sample_opt(first),
        BITRATE.sample_opt(most(&mut report.tracks.iter().filter_map(Track::bitrate)).map(f64::round)),
        SEGMENT_RATIO.sample_opt(most(&mut media().filter_map(Piece::ratio)).map(thousandths)),
        SKEW.sample_opt(skew(report).map(thousandths)),
    ]
}

fn judge_manifest(outcome: &mut Outcome, args: &DashArgs, report: &Report, mpd: &Mpd) {
    if report.tracks.is_empty() {
        let remote = mpd.periods.iter().filter(|period| period.remote).count();
        let text = match (mpd.periods.len(), remote) {
            (0, _) => "the manifest has no period".to_owned(),
            (count, 0) => format!("none of {count} periods names a representation"),
            (count, remote) => {
                format!("{remote} of {count} periods are elsewhere (xlink), which is not followed")
            }
        };
        outcome.find(&fault::DASH_EMPTY, text);
    } else if let Some(expected) = args.expect_variants.filter(|expected| report.tracks.len() < *expected) {
        let text = format!("{} representations, expected {expected} or more", report.tracks.len());
        outcome.find(&fault::DASH_VARIANTS, text);
    }
    if mpd.dynamic {
        judge_time(outcome, report, mpd);
    } else if !args.vod {
        outcome.find(&fault::DASH_ENDED, "the manifest is static: this is no live channel, or no longer");
    }
    if let Some(problem) = &report.reload {
        outcome.find(problem.fault, format!("the manifest came once, and not again: {}", problem.text));
    }
    if !mpd.flaws.is_empty() {
        let named = mpd.flaws.iter().take(FLAWS_NAMED).cloned().collect::<Vec<_>>().join("; ");
        outcome.find(&fault::DASH_RULES, named);
    }
}

/// Whether a live manifest and its clock fit together.
fn judge_time(outcome: &mut Outcome, report: &Report, mpd: &Mpd) {
    if mpd.availability_start.is_none() {
        outcome.find(
            &fault::DASH_RULES,
            "a live manifest without availabilityStartTime: players cannot place its segments",
        );
    }
    for problem in &report.clock_problems {
        let text = format!("{}: {}: players fall back to their own clocks", problem.subject, problem.text);
        outcome.find(&fault::DASH_CLOCK, text);
    }
    let Some(clock) = &report.clock else {
        let text =
            "neither UTCTiming nor a Date of the server tells the time: nobody can say how far behind it is";
        return outcome.find(&fault::NO_DATA, text);
    };
    // Manifests without a timeline have nothing to renew.
    let listed = report.tracks.iter().filter(|track| !track.looks.is_empty());
    let segment = listed.filter_map(|track| track.representation.segments.longest()).reduce(f64::max);
    let due = mpd.publish_time.zip(mpd.minimum_update_period).zip(segment);
    if let Some(((published, period), segment)) = due {
        let age = clock.now() - published;
        if age > UPDATES_MISSED * period.max(segment) + segment {
            let text =
                format!("the manifest was published {age:.1} s ago, and shall be renewed every {period} s");
            outcome.find(&fault::DASH_LATE, text);
        }
    }
}

fn judge_track(voice: &mut Voice<'_>, track: &Track, args: &DashArgs) {
    if let Some(problem) = &track.problem {
        voice.find(problem.fault, &problem.text);
    }
    let looked = track.problem.is_none() && args.segments != Segments::None;
    if looked && track.is_media() && track.pieces.is_empty() && track.newest.is_none() {
        voice.find(&fault::DASH_EMPTY, "the manifest names no segment that is there now");
    }
    if let Some(freshness) = &track.freshness {
        judge_freshness(voice, track, args, freshness);
    }
    for piece in &track.pieces {
        match &piece.problem {
            Some(problem) if piece.kind == PieceKind::NewestSegment && track.missing > 0 => {
                let text = format!(
                    "the live edge stands still: none of the newest {} segments that the clock promises exists, from {}: {}",
                    track.missing + 1,
                    piece.file_name(),
                    problem.text
                );
                voice.find(&fault::DASH_STALE, text);
            }
            _ => voice.piece(piece, &fault::DASH_SEGMENT, &fault::DASH_SEGMENT_BAD),
        }
    }
    if let Some(bitrate) = track.bitrate() {
        voice.rate(bitrate, track.representation.bandwidth, args.min_share);
    }
}

fn judge_freshness(voice: &mut Voice<'_>, track: &Track, args: &DashArgs, freshness: &Freshness) {
    let (delay, segment) = (track.patience.stale, track.representation.segments.longest().unwrap_or(0.0));
    if let Some(milliseconds) = freshness.went_back {
        let seconds = milliseconds as f64 / 1e3;
        voice.find(
            &fault::DASH_BACKWARDS,
            format!("between two looks the live edge went back by {seconds:.1} s"),
        );
    }
    let ahead = track.looks.last().and_then(|look| Some(look.edge_time? - look.at));
    if let Some(ahead) = ahead.filter(|ahead| *ahead > segment.max(SAME_CLOCK)) {
        voice.find(&fault::DASH_CLOCK, format!("its newest segment ends {ahead:.1} s in the future"));
    }
    let Some((lag, since)) = freshness.lag else {
        return voice.undated(freshness, delay);
    };
    let state = lag_thresholds(args, track).judge(lag);
    if state != State::Ok {
        let missing = match track.missing {
            0 => String::new(),
            count => format!("; the {count} segments after it that the clock promises do not exist"),
        };
        let fault = if state == State::Critical { &fault::DASH_STALE } else { &fault::DASH_LATE };
        let late = NOUN.late(state, freshness, (lag, since), segment);
        voice.find_as(state, fault, format!("{late}{missing}"));
    } else if since == Since::Media && lag > track.patience.stale {
        // It advances, so it is not stale; players that trust the clock will not find its segments.
        let text = format!("it advances, and by the clock its newest media ended {lag:.1} s ago");
        voice.find(&fault::DASH_CLOCK, text);
    }
}

/// What is asked of the lag of one representation. One that demonstrably advances is not stale because the encoder's clock is
/// late, unless the options say in seconds what is late.
fn lag_thresholds(args: &DashArgs, track: &Track) -> Thresholds {
    let by_clock = track.looks.is_empty();
    let advances =
        !by_clock && track.freshness.is_some_and(|f| matches!(f.proof, Proof::Advanced | Proof::Recent));
    segmented::lag_thresholds(args.lag_limits(), track.patience, advances)
}

/// The representation that lags most.
fn worst_lag(report: &Report) -> Option<(&Track, f64)> {
    let lags = report.tracks.iter().filter_map(|track| Some((track, track.freshness?.lag?.0)));
    lags.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// How far the live edges are apart, seconds; `None` with fewer than two.
fn skew(report: &Report) -> Option<f64> {
    let edges = report.tracks.iter().filter(|track| track.is_media()).filter_map(|track| {
        let look = track.looks.first()?;
        Some(look.edge_time? - look.at)
    });
    let edges: Vec<f64> = edges.collect();
    let (low, high) = (edges.iter().copied().reduce(f64::min)?, edges.iter().copied().reduce(f64::max)?);
    (edges.len() >= 2).then_some(high - low)
}

fn headline(report: &Report) -> String {
    let mut parts = Vec::new();
    if !report.tracks.is_empty() {
        let plays = report.tracks.iter().filter(|track| track.plays()).count();
        parts.push(format!("{plays} of {} representations play", report.tracks.len()));
    }
    let best = report.tracks.iter().filter_map(|track| Some((track, track.bitrate()?)));
    if let Some((track, bitrate)) = best.max_by(|a, b| a.1.total_cmp(&b.1)) {
        parts.push(carried(track.piece(PieceKind::NewestSegment), bitrate));
    }
    if let Some((track, lag)) = worst_lag(report) {
        let segment = track.representation.segments.longest();
        let of = segment.map(|segment| format!(" with segments of {segment:.1} s")).unwrap_or_default();
        parts.push(format!("lag {lag:.1} s{of}"));
    }
    parts.join(", ")
}

fn details(url: &str, report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if report.redirects > 0 && report.url != url {
        lines.push(format!("redirected to: {}", report.url));
    }
    let Some(mpd) = &report.mpd else { return lines };
    if let Some(clock) = report.clock.as_ref().filter(|_| report.is_live()) {
        lines.push(format!("clock: {}, {:+.2} s from this host's", clock.source, clock.ahead));
    }
    if let (Some(period), 2..) = (report.period, mpd.periods.len()) {
        lines.push(format!("period: {} of {}", period + 1, mpd.periods.len()));
    }
    if report.skipped > 0 {
        lines.push(format!("{} more representations were not looked at", report.skipped));
    }
    lines.extend(report.tracks.iter().map(describe));
    lines
}

/// One representation in one line.
fn describe(track: &Track) -> String {
    let mut parts = Vec::new();
    parts.extend(
        track.newest.map(|place| format!("up to segment {}", place.number - track.missing.min(place.number))),
    );
    if let Some((lag, _)) = track.freshness.and_then(|freshness| freshness.lag) {
        parts.push(format!("lag {lag:.1} s"));
    }
    parts.extend(fetched(&track.pieces));
    if !track.is_media() {
        parts.push("not fetched: no picture or sound".to_owned());
    }
    format!("{}: {}", track.name, parts.join(", "))
}
