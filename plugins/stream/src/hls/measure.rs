//! Looking at a channel as a player would, at all variants at once: playlists, then media, then a second look where one is
//! not enough.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use url::Url;
use weir_contract::{Problem, Unit, fault};
use weir_probe::http::{Answer, Get, Http};
use weir_probe::{Probe, together};
use weir_wire::hls::{
    MAX_PLAYLIST, MasterPlaylist, MediaPlaylist, Playlist, Rendition, RenditionType, Scope, Variables,
    Variant, parse_in,
};
use weir_wire::http1::parse_http_date;

use super::pieces;
use super::report::{Blocking, Master, Report, Role, Track};
use super::rules;
use crate::dead_air::DeadAirArgs;
use crate::segmented::freshness::{Look, Patience, Proof, assess};
use crate::segmented::{LOOK_AGAIN, Options, RESERVE, SEGMENTS_AT_ONCE, Segments, date, resolve};

/// Media playlists of one master that are looked at.
const TRACKS_MAX: usize = 64;
/// Playlists that are fetched at the same time.
const PLAYLISTS_AT_ONCE: usize = 8;
/// An answer to a blocked request may take so many parts.
const BLOCKING_PARTS: f64 = 3.0;

/// When a playlist with this target duration is late and stale, unless the options say otherwise.
pub(super) fn patience(options: &Options, target_duration: f64) -> Patience {
    options.patience(1.5 * target_duration, 3.0 * target_duration)
}

/// Looks at the channel at `url`. `first` is the address to use for its host when that was resolved already. What is wrong with
/// one variant is kept with it; only what prevents everything is an error.
///
/// # Errors
/// Why the first playlist could not be had or read.
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
    let answer = http.get(probe, "playlist", Get::text(url, MAX_PLAYLIST)).await?;
    answer.url.as_str().clone_into(&mut report.url);
    report.redirects = answer.redirects;
    let mut variables = Variables::new();
    match read(&answer, None)? {
        Playlist::Master(master) => {
            report.tracks = tracks(&master, &answer.url);
            report.master = Some(summary(&master, &mut report.tracks));
            variables = master.variables;
        }
        Playlist::Media(playlist) => {
            let mut track = Track::new(String::new(), report.url.clone(), Role::Channel);
            note(&mut track, playlist, &answer);
            report.tracks.push(track);
        }
    }
    let visit = Visit { probe, http, options, variables: &variables };
    let unseen = report.tracks.iter_mut().filter(|track| track.looks.is_empty());
    together(PLAYLISTS_AT_ONCE, unseen.map(|track| visit.look(track, "playlist"))).await;
    if options.segments != Segments::None {
        let work = report.tracks.iter_mut().map(|track| pieces::fetch(probe, http, options.segments, track));
        together(SEGMENTS_AT_ONCE, work).await;
    }
    report.air = listen(probe, http, options.air, &report.tracks).await;
    together(TRACKS_MAX, report.tracks.iter_mut().map(|track| visit.watch(track))).await;
    Ok(())
}

/// Listens to the variant that costs the least, since one encoder feeds them all, and to the first rendition of sound.
async fn listen(
    probe: &Probe,
    http: &Http,
    air: DeadAirArgs,
    tracks: &[Track],
) -> Option<weir_media::Report> {
    let mut ear = air.ear()?;
    let there = || tracks.iter().filter(|track| track.playlist.is_some());
    let picture = there()
        .filter(|track| matches!(track.role, Role::Variant | Role::Channel))
        .min_by_key(|track| track.bandwidth.unwrap_or(u64::MAX));
    let sound = there().find(|track| track.role == Role::Rendition(RenditionType::Audio));
    // Each container has tracks and an initialization of its own.
    let mut reports = Vec::new();
    for track in [picture, sound].into_iter().flatten() {
        pieces::listen(probe, http, track, air.time().as_secs_f64(), &mut ear).await;
        reports.push(std::mem::replace(&mut ear, air.ear()?).report());
    }
    reports.into_iter().reduce(weir_media::Report::and)
}

/// What every step of one run needs.
struct Visit<'a> {
    probe: &'a Probe,
    http: &'a Http,
    options: &'a Options,
    variables: &'a Variables,
}

impl Visit<'_> {
    /// Fetches the playlist of `track` and keeps what it says.
    async fn look(&self, track: &mut Track, stage: &'static str) {
        if let Err(problem) = self.try_look(track, stage).await {
            track.problem.get_or_insert(problem);
        }
    }

    async fn try_look(&self, track: &mut Track, stage: &'static str) -> Result<(), Problem> {
        let url = resolve(&track.url, None)?;
        let answer = self.http.get(self.probe, stage, Get::text(&url, MAX_PLAYLIST)).await?;
        answer.url.as_str().clone_into(&mut track.url);
        match read(&answer, Some(self.variables))? {
            Playlist::Media(playlist) => note(track, playlist, &answer),
            Playlist::Master(_) => {
                let text =
                    format!("{} is a master playlist, a media playlist is expected", answer.url.path());
                return Err(Problem::new(&fault::HLS_SYNTAX, text));
            }
        }
        Ok(())
    }

    /// Looks again until it is clear whether a live playlist advances, as far as the deadline allows.
    async fn watch(&self, track: &mut Track) {
        let lists_media =
            |playlist: &&MediaPlaylist| !playlist.segments.is_empty() || !playlist.parts.is_empty();
        let live = track.playlist.as_ref().filter(|playlist| playlist.is_live()).filter(lists_media);
        let Some(playlist) = live else { return };
        let target = playlist.target_duration.unwrap_or(0.0);
        let patience = patience(self.options, target);
        let offers_blocking = playlist.server_control.is_some_and(|control| control.can_block_reload);
        if offers_blocking && playlist.part_target.is_some() {
            self.try_blocking(track).await;
        }
        let began = self.probe.deadline.elapsed();
        let pause = Duration::from_secs_f64((target / 2.0).clamp(LOOK_AGAIN.0, LOOK_AGAIN.1));
        loop {
            let freshness = assess(&track.looks, patience);
            track.freshness = Some(freshness);
            let watched = self.probe.deadline.elapsed().saturating_sub(began);
            let settled = freshness.proof != Proof::None && watched >= self.options.watch;
            if settled || track.problem.is_some() || self.probe.deadline.remaining() < pause + RESERVE {
                return;
            }
            self.probe.sleep(pause).await;
            self.look(track, "second look").await;
        }
    }

    /// Asks for the part that is to come next: the server has promised to answer when it is there.
    async fn try_blocking(&self, track: &mut Track) {
        let (Some(playlist), Ok(mut url)) = (&track.playlist, resolve(&track.url, None)) else { return };
        let parts = Duration::from_secs_f64(playlist.part_target.unwrap_or(0.0) * BLOCKING_PARTS);
        if self.probe.deadline.remaining() < parts + RESERVE {
            return;
        }
        let wanted = (playlist.next_sequence(), playlist.parts.len() as u64);
        url.query_pairs_mut()
            .append_pair("_HLS_msn", &wanted.0.to_string())
            .append_pair("_HLS_part", &wanted.1.to_string());
        let began = self.probe.deadline.elapsed();
        let result = self.http.get(self.probe, "blocking reload", Get::text(&url, MAX_PLAYLIST)).await;
        let took = self.probe.deadline.elapsed().saturating_sub(began);
        let mut blocking = Blocking { wanted, took, came: false, problem: None };
        match result.and_then(|answer| Ok((read(&answer, Some(self.variables))?, answer))) {
            Ok((Playlist::Media(playlist), answer)) => {
                let edge = (playlist.next_sequence(), playlist.parts.len() as u64);
                blocking.came = edge.0 > wanted.0 || (edge.0 == wanted.0 && edge.1 > wanted.1);
                track.looks.push(look_of(&playlist, &answer));
            }
            Ok((Playlist::Master(_), _)) => {}
            Err(problem) => blocking.problem = Some(problem),
        }
        track.blocking = Some(blocking);
    }
}

/// Keeps what a look showed.
fn note(track: &mut Track, playlist: MediaPlaylist, answer: &Answer) {
    track.looks.push(look_of(&playlist, answer));
    track.playlist = Some(playlist);
}

fn look_of(playlist: &MediaPlaylist, answer: &Answer) -> Look {
    Look {
        at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        server: date(answer),
        modified: answer.header("last-modified").and_then(parse_http_date),
        edge: playlist.edge(),
        edge_time: playlist.edge_date_time(),
        target_duration: playlist.target_duration,
    }
}

fn read(answer: &Answer, imports: Option<&Variables>) -> Result<Playlist, Problem> {
    let scope = Scope { imports, query: answer.url.query().unwrap_or_default() };
    parse_in(&answer.body, &scope).map_err(|error| Problem::new(&fault::HLS_SYNTAX, error.to_string()))
}

/// The media playlists of a master, each once, variants first.
fn tracks(master: &MasterPlaylist, base: &Url) -> Vec<Track> {
    let mut tracks: Vec<Track> = Vec::new();
    let mut add = |uri: &str, name: String, role: Role| -> Option<usize> {
        let url = resolve(uri, Some(base));
        let address = url.as_ref().map_or_else(|_| uri.to_owned(), Url::to_string);
        if tracks.iter().any(|track| track.url == address) {
            return None;
        }
        let mut track = Track::new(name, address, role);
        track.problem = url.err();
        tracks.push(track);
        Some(tracks.len() - 1)
    };
    let mut announced = Vec::new();
    for (index, variant) in master.variants.iter().enumerate() {
        if let Some(at) = add(&variant.uri, variant_name(index + 1, variant), Role::Variant) {
            announced.push((at, variant.bandwidth, variant.average_bandwidth));
        }
    }
    for rendition in &master.renditions {
        if let Some(uri) = &rendition.uri {
            add(uri, rendition_name(rendition), Role::Rendition(rendition.kind));
        }
    }
    for (at, bandwidth, average) in announced {
        tracks[at].bandwidth = Some(bandwidth).filter(|bandwidth| *bandwidth > 0);
        tracks[at].average_bandwidth = average;
    }
    tracks
}

fn summary(master: &MasterPlaylist, tracks: &mut Vec<Track>) -> Master {
    let variants = tracks.iter().filter(|track| track.role == Role::Variant).count();
    let skipped = tracks.len().saturating_sub(TRACKS_MAX);
    tracks.truncate(TRACKS_MAX);
    Master { variants, flaws: rules::master(master), skipped }
}

/// `variant 2 (640x360, 640.0 kbit/s)`, counted as in the master playlist: ladders may name the same twice.
fn variant_name(number: usize, variant: &Variant) -> String {
    let rate = Unit::BitsPerSecond.human(variant.bandwidth.into());
    match variant.resolution {
        Some((width, height)) => format!("variant {number} ({width}x{height}, {rate})"),
        None => format!("variant {number} ({rate})"),
    }
}

/// `audio "English"`
fn rendition_name(rendition: &Rendition) -> String {
    let kind = match rendition.kind {
        RenditionType::Audio => "audio",
        RenditionType::Video => "video",
        RenditionType::Subtitles => "subtitles",
        RenditionType::ClosedCaptions => "captions",
    };
    format!("{kind} \"{}\"", rendition.name)
}
