//! Looking at a channel as a player would: the manifest, the clock, then the newest media of every representation, and a second
//! look at the manifest where one is not enough.

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;
use weir_contract::{Problem, Unit, fault};
use weir_probe::http::{Answer, Get, Http};
use weir_probe::{Probe, together};
use weir_wire::dash::{Form, MAX_MPD, Mpd, Period, Place, Representation, Resource, parse};
use weir_wire::hls::{ByteRange, Edge};
use weir_wire::http1::parse_http_date;

use super::clock::{self, Clock};
use super::report::{Report, Track};
use crate::dead_air::Ear;
use crate::segmented::freshness::{Freshness, Look, Patience, Proof, Since, assess};
use crate::segmented::piece::{LISTENED_MAX, Piece, PieceKind, Wanted, listen_to, piece};
use crate::segmented::{LOOK_AGAIN, Options, RESERVE, SEGMENTS_AT_ONCE, Segments, date};

/// Representations that are looked at.
const TRACKS_MAX: usize = 64;
/// Where numbers follow the clock, at most so many segments before the newest are tried.
const BACK_MAX: u64 = 16;
/// So much of a representation in one file is fetched.
const FILE_START: u64 = 1024;

/// Looks at the channel at `url`. `first` is the address to use for its host when that was resolved already. What is wrong with
/// one representation is kept with it; only what prevents everything is an error.
///
/// # Errors
/// Why the manifest could not be had or read.
pub async fn measure(
    probe: &Probe,
    url: &Url,
    first: Option<SocketAddr>,
    options: &Options,
    report: &mut Report,
) -> Result<(), Problem> {
    let http = options.http(url, first);
    let result = visit(probe, &http, url, options, report).await;
    report.asked = http.asked();
    result
}

async fn visit(
    probe: &Probe,
    http: &Http,
    url: &Url,
    options: &Options,
    report: &mut Report,
) -> Result<(), Problem> {
    url.as_str().clone_into(&mut report.url);
    let (answer, mpd) = manifest(probe, http, url, "manifest").await?;
    answer.url.as_str().clone_into(&mut report.url);
    report.redirects = answer.redirects;
    let mpd = report.mpd.insert(mpd);
    if mpd.dynamic {
        report.clock = clock::ask(probe, http, &mpd.clocks, &answer, &mut report.clock_problems).await;
    }
    let visit = Visit { probe, http, options };
    let moment = Moment::of(mpd, report.clock.as_ref());
    report.period = moment.period(mpd);
    let Some(period) = report.period.and_then(|at| mpd.periods.get(at)) else { return Ok(()) };
    report.skipped = period.representations.len().saturating_sub(TRACKS_MAX);
    let looked_at = period.representations.iter().take(TRACKS_MAX);
    report.tracks = looked_at.map(|one| visit.track(mpd, period, one, &moment, &answer)).collect();
    if options.segments != Segments::None {
        let clock = report.clock.as_ref();
        let work = report.tracks.iter_mut().map(|track| visit.fetch(track, mpd, period, clock, &answer.url));
        together(SEGMENTS_AT_ONCE, work).await;
    }
    report.air = visit.listen(&report.tracks, &answer.url).await;
    visit.watch(report, answer).await;
    Ok(())
}

async fn manifest(
    probe: &Probe,
    http: &Http,
    url: &Url,
    stage: &'static str,
) -> Result<(Answer, Mpd), Problem> {
    let mut answer = http.get(probe, stage, Get::text(url, MAX_MPD)).await?;
    let mpd = parse(&std::mem::take(&mut answer.body))
        .map_err(|error| Problem::new(&fault::DASH_SYNTAX, error.to_string()))?;
    Ok((answer, mpd))
}

/// A moment in a presentation.
struct Moment {
    /// Unix seconds, by the manifest's clock; `None` on demand, and when nobody tells the time.
    now: Option<f64>,
    /// Seconds since the presentation began; infinite on demand.
    elapsed: f64,
}

impl Moment {
    fn of(mpd: &Mpd, clock: Option<&Clock>) -> Self {
        let now = clock.map(Clock::now).filter(|_| mpd.dynamic);
        let elapsed = match (now, mpd.availability_start) {
            (Some(now), Some(start)) => now - start,
            _ => f64::INFINITY,
        };
        Self { now, elapsed }
    }

    /// The newest period that has a segment.
    fn period(&self, mpd: &Mpd) -> Option<usize> {
        let plays = |period: &Period| {
            let newest = |one: &Representation| self.newest(period, one).is_some();
            period.representations.iter().any(|one| one.segments.form == Form::Single || newest(one))
        };
        let begun = |period: &Period| period.start.is_some_and(|start| start <= self.elapsed);
        let last = mpd.periods.iter().rposition(|period| begun(period) && plays(period));
        last.or_else(|| mpd.periods.iter().rposition(|period| !period.representations.is_empty()))
    }

    fn newest(&self, period: &Period, one: &Representation) -> Option<Place> {
        let start = period.start.unwrap_or(0.0);
        let length = period.end.map(|end| end - start);
        one.segments.newest(self.elapsed - start, length)
    }
}

/// When a segment that ends `end` seconds into `period` ends by the clock, Unix seconds.
fn wall(mpd: &Mpd, period: &Period, end: f64) -> Option<f64> {
    Some(mpd.availability_start? + period.start? + end)
}

/// What every step of one run needs.
struct Visit<'a> {
    probe: &'a Probe,
    http: &'a Http,
    options: &'a Options,
}

impl Visit<'_> {
    /// When this representation is late and stale, unless the options say otherwise: players can bridge so much.
    fn patience(&self, mpd: &Mpd, one: &Representation) -> Patience {
        let segment = one.segments.longest().or(mpd.max_segment_duration).unwrap_or(0.0);
        let delay = mpd.suggested_presentation_delay.unwrap_or(0.0);
        self.options.patience(delay + 2.0 * segment, delay + 4.0 * segment)
    }

    fn track(
        &self,
        mpd: &Mpd,
        period: &Period,
        one: &Representation,
        moment: &Moment,
        answer: &Answer,
    ) -> Track {
        let newest = moment.newest(period, one);
        let mut track = Track {
            name: name(one),
            representation: one.clone(),
            patience: self.patience(mpd, one),
            newest,
            problem: None,
            looks: Vec::new(),
            freshness: None,
            missing: 0,
            pieces: Vec::new(),
        };
        track.looks.extend(look(mpd, period, one, moment, answer));
        track
    }

    /// Fetches what the options ask for of one representation.
    async fn fetch(
        &self,
        track: &mut Track,
        mpd: &Mpd,
        period: &Period,
        clock: Option<&Clock>,
        manifest: &Url,
    ) {
        if !track.is_media() {
            return;
        }
        if let Err(problem) = self.try_fetch(track, mpd, period, clock, manifest).await {
            track.problem = Some(problem);
        }
    }

    async fn try_fetch(
        &self,
        track: &mut Track,
        mpd: &Mpd,
        period: &Period,
        clock: Option<&Clock>,
        manifest: &Url,
    ) -> Result<(), Problem> {
        let one = track.representation.clone();
        let unnamed =
            |error: weir_wire::dash::TemplateError| Problem::new(&fault::DASH_SYNTAX, error.to_string());
        let init = one.initialization().map_err(unnamed)?;
        let single = one.segments.form == Form::Single;
        let start = Resource { uri: None, range: Some((0, FILE_START)) };
        if let Some(init) = init.or(single.then_some(start)) {
            track.pieces.push(self.piece(&one, manifest, PieceKind::Map, &init, 0.0).await?);
        }
        let Some(mut place) = track.newest else { return Ok(()) };
        let mut first_try = None;
        loop {
            let media = one.media(&place).map_err(unnamed)?;
            let piece = self.piece(&one, manifest, PieceKind::NewestSegment, &media, place.duration).await?;
            let found = piece.problem.is_none();
            let absent = piece.problem.as_ref().is_some_and(|problem| problem.fault == &fault::HTTP_STATUS);
            if found {
                track.pieces.push(piece);
            } else {
                first_try.get_or_insert(piece);
            }
            let by_clock = mpd.dynamic && one.segments.follow_the_clock();
            if !by_clock {
                break;
            }
            if found && let (Some(clock), Some(end)) = (clock, wall(mpd, period, place.end)) {
                let lag = (clock.now() - end).max(0.0);
                let proof = if lag <= track.patience.late { Proof::Recent } else { Proof::Standstill };
                let lag = Some((lag, Since::Media));
                track.freshness =
                    Some(Freshness { proof, lag, unchanged: 0.0, went_back: None, slow_update: None });
            }
            let before = place.index.checked_sub(1).and_then(|index| one.segments.place(index));
            // Whether an older one exists tells nothing new: it is stale.
            let tries =
                track.missing < BACK_MAX && track.missing as f64 * place.duration <= track.patience.stale;
            match before.filter(|_| absent && tries) {
                Some(before) => place = before,
                None => break,
            }
            track.missing += 1;
        }
        let newest = track.piece(PieceKind::NewestSegment).is_some();
        track.pieces.extend(first_try.filter(|_| !newest));
        let depth = mpd.time_shift_buffer_depth;
        let elapsed = Moment::of(mpd, clock).elapsed - period.start.unwrap_or(0.0);
        let oldest = one.segments.oldest(elapsed, depth).filter(|oldest| oldest.index < place.index);
        if let (Segments::Ends, Some(oldest)) = (self.options.segments, oldest) {
            let media = one.media(&oldest).map_err(unnamed)?;
            let kind = PieceKind::OldestSegment;
            track.pieces.push(self.piece(&one, manifest, kind, &media, oldest.duration).await?);
        }
        Ok(())
    }

    /// Listens to the picture and the sound that cost the least: one encoder feeds all of a kind.
    async fn listen(&self, tracks: &[Track], manifest: &Url) -> Option<weir_media::Report> {
        let air = self.options.air;
        let mut ear = air.ear()?;
        let cheapest = |kind: &str| {
            let of_kind = tracks.iter().filter(|track| track.representation.content_type == kind);
            of_kind.min_by_key(|track| track.representation.bandwidth.unwrap_or(u64::MAX))
        };
        let mut looked_at: Vec<&Track> =
            [cheapest("video"), cheapest("audio")].into_iter().flatten().collect();
        if looked_at.is_empty() {
            looked_at.extend(tracks.iter().find(|track| track.is_media()));
        }
        let mut reports = Vec::new();
        for track in looked_at {
            if let Err(problem) = self.listen_to(track, manifest, air.time().as_secs_f64(), &mut ear).await {
                ear.watcher().cannot(problem.text);
            }
            reports.push(std::mem::replace(&mut ear, air.ear()?).report());
        }
        reports.into_iter().reduce(weir_media::Report::and)
    }

    /// The newest segments of one representation that last so many seconds together.
    async fn listen_to(
        &self,
        track: &Track,
        manifest: &Url,
        time: f64,
        ear: &mut Ear,
    ) -> Result<(), Problem> {
        let one = &track.representation;
        let Some(newest) = track.newest else { return Ok(()) };
        let unnamed =
            |error: weir_wire::dash::TemplateError| Problem::new(&fault::DASH_SYNTAX, error.to_string());
        let mut list = Vec::new();
        let mut covered = 0.0;
        let last = newest.index.saturating_sub(track.missing);
        for place in (0..=last).rev().take(LISTENED_MAX).map_while(|index| one.segments.place(index)) {
            if covered >= time {
                break;
            }
            covered += place.duration;
            list.insert(0, (PieceKind::NewestSegment, one.media(&place).map_err(unnamed)?));
        }
        if let Some(init) = one.initialization().map_err(unnamed)? {
            list.insert(0, (PieceKind::Map, init));
        }
        for (kind, resource) in list {
            let url = url_of(one, manifest, &resource)?;
            let range = resource.range.map(|(offset, length)| ByteRange { offset, length });
            let wanted = Wanted { kind, uri: url.as_str(), range, duration: 0.0, encrypted: false };
            listen_to(self.probe, self.http, manifest, &[wanted], ear).await;
        }
        Ok(())
    }

    async fn piece(
        &self,
        one: &Representation,
        manifest: &Url,
        kind: PieceKind,
        resource: &Resource,
        duration: f64,
    ) -> Result<Piece, Problem> {
        let url = url_of(one, manifest, resource)?;
        let range = resource.range.map(|(offset, length)| ByteRange { offset, length });
        let wanted = Wanted { kind, uri: url.as_str(), range, duration, encrypted: false };
        Ok(piece(self.probe, self.http, manifest, &wanted).await)
    }

    /// Looks again until it is clear whether every timeline advances, as far as the deadline allows.
    async fn watch(&self, report: &mut Report, mut answer: Answer) {
        let Some(mut mpd) = report.mpd.clone() else { return };
        let began = self.probe.deadline.elapsed();
        let longest = report.tracks.iter().filter_map(|track| track.representation.segments.longest());
        let pause = mpd.minimum_update_period.unwrap_or(0.0).max(longest.fold(0.0, f64::max) / 2.0);
        let pause = Duration::from_secs_f64(pause.clamp(LOOK_AGAIN.0, LOOK_AGAIN.1));
        loop {
            let mut settled = self.probe.deadline.elapsed().saturating_sub(began) >= self.options.watch;
            let mut watched = false;
            for track in report.tracks.iter_mut().filter(|track| !track.looks.is_empty()) {
                let freshness = assess(&track.looks, track.patience);
                track.freshness = Some(freshness);
                settled &= freshness.proof != Proof::None;
                watched = true;
            }
            if settled || !watched || self.probe.deadline.remaining() < pause + RESERVE {
                return;
            }
            self.probe.sleep(pause).await;
            // Where the manifest says that it shall be fetched from, else where it was.
            let location = mpd.locations.first().and_then(|location| answer.url.join(location).ok());
            let url = location.filter(|url| matches!(url.scheme(), "http" | "https"));
            match manifest(self.probe, self.http, &url.unwrap_or(answer.url), "second look").await {
                Ok((again, renewed)) => (answer, mpd) = (again, renewed),
                Err(problem) => {
                    report.reload = Some(problem);
                    return;
                }
            }
            let moment = Moment::of(&mpd, report.clock.as_ref());
            let Some(period) = moment.period(&mpd).and_then(|at| mpd.periods.get(at)) else { return };
            for track in report.tracks.iter_mut().filter(|track| !track.looks.is_empty()) {
                let same = period.representations.iter().find(|one| one.id == track.representation.id);
                track.looks.extend(same.and_then(|one| look(&mpd, period, one, &moment, &answer)));
            }
        }
    }
}

/// Where a resource of a representation is.
fn url_of(one: &Representation, manifest: &Url, resource: &Resource) -> Result<Url, Problem> {
    let uris = one.bases.iter().chain(&resource.uri);
    let url = uris.map(|uri| &**uri).try_fold(manifest.clone(), |base, uri| base.join(uri));
    url.map_err(|error| Problem::new(&fault::DASH_SYNTAX, format!("a segment's URL: {error}")))
}

/// What a manifest says about the edge of a representation whose segments it lists; `None` where the clock decides.
fn look(mpd: &Mpd, period: &Period, one: &Representation, moment: &Moment, answer: &Answer) -> Option<Look> {
    let now = moment.now.filter(|_| !one.segments.follow_the_clock())?;
    let place = moment.newest(period, one)?;
    let timed = one.segments.timeline.is_some();
    let edge = wall(mpd, period, place.end).filter(|_| timed);
    // By the clock of whoever wrote it: the file's age on the server, else what the packager says.
    let modified = answer.header("last-modified").and_then(parse_http_date);
    let age = date(answer).zip(modified).map(|(date, modified)| date - modified);
    let written = age.map(|age| now - age).or(mpd.publish_time);
    // Milliseconds of media: numbers may begin again in a new period.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, which is meant"
    )]
    let place_in_time = edge.map(|edge| (edge * 1e3) as u64);
    Some(Look {
        at: now,
        server: Some(now),
        modified: written,
        edge: Edge {
            next_sequence: place_in_time.unwrap_or(place.number),
            parts: 0,
            last_uri: one.media(&place).ok()?.uri.map(|uri| uri.to_string()),
        },
        edge_time: edge,
        target_duration: one.segments.longest(),
    })
}

/// `video 0 (320x180, 204.6 kbit/s)`
fn name(one: &Representation) -> String {
    let kind = if one.content_type.is_empty() { "representation" } else { &one.content_type };
    let size = one.resolution.map(|(width, height)| format!("{width}x{height}"));
    let rate = one.bandwidth.map(|rate| Unit::BitsPerSecond.human(rate.into()));
    let language = Some(one.language.clone()).filter(|l| !l.is_empty() && l != "und");
    let about: Vec<String> = [language, size, rate].into_iter().flatten().collect();
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    format!("{kind} {}{about}", one.id)
}
