//! Media in segments that a playlist or a manifest names: what HLS and DASH have in common.
//!
//! [`freshness`] weighs whether it advances, [`piece`] fetches and looks into what it leads to; here is how to look, and what is
//! said in the same words of both.

pub mod freshness;
pub mod piece;

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;
use weir_cli::seconds;
use weir_contract::{Fault, Outcome, Problem, Range, State, Thresholds, Unit, fault};
use weir_probe::http::{Answer, Http, HttpOptions};
use weir_wire::auth::Credentials;
use weir_wire::http1::parse_http_date;

use self::freshness::{Freshness, Patience, Proof, Since};
use self::piece::{Piece, PieceKind};
use crate::dead_air::DeadAirArgs;

/// Download time against duration: half is close, and at 1 players stall.
pub(crate) const RATIO_LIMITS: (f64, f64) = (0.5, 1.0);
/// Segments that are fetched at the same time: more would compete for the path and spoil the download times.
pub(crate) const SEGMENTS_AT_ONCE: usize = 4;
/// Kept back from the deadline for the verdict.
pub(crate) const RESERVE: Duration = Duration::from_millis(200);
/// Between two looks, seconds.
pub(crate) const LOOK_AGAIN: (f64, f64) = (0.25, 3.0);
/// Flaws named in one finding.
pub(crate) const FLAWS_NAMED: usize = 2;

/// Which segments of each playlist or representation are fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Segments {
    /// Playlists only.
    None,
    /// The newest.
    #[default]
    Newest,
    /// The newest and the oldest, which a player that has been paused may still ask for.
    Ends,
}

/// How to look.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// User and password for the host of the URL.
    pub credentials: Option<Credentials>,
    /// Whether a redirect may lead from https to http.
    pub allow_downgrade: bool,
    /// Which segments to fetch.
    pub segments: Segments,
    /// Watch what is live for at least so long.
    pub watch: Duration,
    /// Absolute limits of the lag in seconds, instead of those relative to its segments.
    pub lag: Thresholds,
    /// What to listen for.
    pub air: DeadAirArgs,
}

impl Options {
    /// After how many seconds it is late and stale: the options' limits, else these.
    pub fn patience(&self, late: f64, stale: f64) -> Patience {
        let limit = |range: Option<Range>, otherwise| {
            range.map(|range| range.end()).filter(|end| end.is_finite()).unwrap_or(otherwise)
        };
        Patience { late: limit(self.lag.warning, late), stale: limit(self.lag.critical, stale) }
    }

    /// A client that connects to `first` for the host of `url`, when that was resolved already.
    pub(crate) fn http(&self, url: &Url, first: Option<SocketAddr>) -> Http {
        let http = Http::new(HttpOptions {
            user_agent: crate::USER_AGENT,
            credentials: self.credentials.clone(),
            allow_downgrade: self.allow_downgrade,
        });
        if let (Some(address), Some(host)) = (first, url.host_str()) {
            http.pin(host, address);
        }
        http
    }
}

pub(crate) fn percent(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=100.0).contains(share))
        .ok_or_else(|| "use a number from 0 to 100".to_owned())
}

pub(crate) fn skew_seconds(text: &str) -> Result<f64, String> {
    seconds(text).map(|time| time.as_secs_f64())
}

/// Dates have milliseconds, and a share needs no more digits.
pub(crate) fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// A URI of a playlist as a URL that may be fetched.
pub(crate) fn resolve(uri: &str, base: Option<&Url>) -> Result<Url, Problem> {
    let wrong = |why: &str| Problem::new(&fault::HLS_SYNTAX, format!("`{uri}` {why}"));
    let url =
        Url::options().base_url(base).parse(uri).map_err(|error| wrong(&format!("is no URL: {error}")))?;
    match url.scheme() {
        "http" | "https" if url.host_str().is_some() => Ok(url),
        _ => Err(wrong("is neither http nor https")),
    }
}

/// The `Date` of an answer, with the `Age` that a cache adds: that tells how long ago the origin wrote it. Unix seconds.
pub(crate) fn date(answer: &Answer) -> Option<f64> {
    let age = answer.header("age").and_then(|age| age.parse::<f64>().ok()).filter(|age| age.is_finite());
    Some(answer.header("date").and_then(parse_http_date)? + age.unwrap_or(0.0))
}

/// The limits of a lag: the options' own, else those of `patience`, unless it is `excused`.
pub(crate) fn lag_thresholds(own: Thresholds, patience: Patience, excused: bool) -> Thresholds {
    let range = |own: Option<Range>, seconds| own.or((!excused).then(|| Range::above(seconds)));
    Thresholds { warning: range(own.warning, patience.late), critical: range(own.critical, patience.stale) }
}

/// What is late, in words.
pub(crate) struct Noun {
    /// `the playlist`
    pub(crate) name: &'static str,
    /// What was written, of the file.
    pub(crate) file: &'static str,
    /// `segments`, of which it is so many behind.
    pub(crate) unit: &'static str,
}

impl Noun {
    /// `the playlist is late: its newest media ended 8.1 s ago, 4.0 target durations`, with units of `length` seconds.
    pub(crate) fn late(
        &self,
        state: State,
        freshness: &Freshness,
        (lag, since): (f64, Since),
        length: f64,
    ) -> String {
        let what = match (state, freshness.proof) {
            (State::Critical, Proof::Advanced | Proof::Recent) => "far behind".to_owned(),
            (State::Critical, _) => format!("{} stands still", self.name),
            _ => format!("{} is late", self.name),
        };
        let seen = match since {
            Since::Media => "its newest media ended",
            Since::File => self.file,
            Since::Change => "it last changed",
        };
        let units = if length > 0.0 { format!(", {:.1} {}", lag / length, self.unit) } else { String::new() };
        let watched = if freshness.proof == Proof::Standstill && freshness.unchanged > 0.0 {
            format!(", and nothing changed in {:.1} s", freshness.unchanged)
        } else {
            String::new()
        };
        format!("{what}: {seen} {lag:.1} s ago{units}{watched}")
    }
}

/// The findings about one playlist or representation, each with its name.
pub(crate) struct Voice<'a> {
    pub(crate) outcome: &'a mut Outcome,
    /// Empty for the only one.
    pub(crate) name: &'a str,
}

impl Voice<'_> {
    pub(crate) fn find(&mut self, fault: &'static Fault, text: impl AsRef<str>) {
        self.find_as(fault.state, fault, text);
    }

    pub(crate) fn find_as(&mut self, state: State, fault: &'static Fault, text: impl AsRef<str>) {
        let colon = if self.name.is_empty() { "" } else { ": " };
        self.outcome.find_as(state, fault, format!("{}{colon}{}", self.name, text.as_ref()));
    }

    /// Nobody can say how late it is; a look of `enough` seconds could.
    pub(crate) fn undated(&mut self, freshness: &Freshness, enough: f64) {
        let text = format!(
            "unchanged for {:.1} s, and it has no dates that tell more: raise -t above {:.0} s",
            freshness.unchanged,
            enough + 2.0
        );
        self.find(&fault::NO_DATA, text);
    }

    /// What is wrong with a piece: `gone` when it could not be had, `bad` when it came and cannot be played.
    pub(crate) fn piece(&mut self, piece: &Piece, gone: &'static Fault, bad: &'static Fault) {
        let subject = format!("{} {}", piece.kind.name(), piece.file_name());
        if let Some(problem) = &piece.problem {
            // The server is well, and has it not, or not in the wanted form.
            let answered = [&fault::HTTP_STATUS, &fault::AUTH, &fault::HLS_SEGMENT].contains(&problem.fault);
            let fault = if answered { gone } else { problem.fault };
            // Only who was paused for long asks for the oldest.
            let state = if piece.kind == PieceKind::OldestSegment { State::Warning } else { fault.state };
            self.find_as(state, fault, format!("{subject}: {}", problem.text));
        } else if let Some(flaw) = &piece.flaw {
            self.find_as(flaw.state, bad, format!("{subject}: {}", flaw.text));
        }
    }

    /// Less than `share` percent of the `announced` bits per second came.
    pub(crate) fn rate(&mut self, bitrate: f64, announced: Option<u64>, share: f64) {
        let rate = |value: f64| Unit::BitsPerSecond.human(value.into());
        if let Some(announced) = announced.map(|bits| bits as f64)
            && bitrate < announced * share / 100.0
        {
            let text = format!("the newest segment has {}, {} are announced", rate(bitrate), rate(announced));
            self.find(&fault::BITRATE, text);
        }
    }
}

/// `MPEG-TS at 640.0 kbit/s`, of the newest segment.
pub(crate) fn carried(newest: Option<&Piece>, bitrate: f64) -> String {
    let container = newest.and_then(|piece| piece.container);
    let container = container.map(|container| format!("{container} at ")).unwrap_or_default();
    format!("{container}{}", Unit::BitsPerSecond.human(bitrate.into()))
}

/// What came of each piece, and in which time.
pub(crate) fn fetched(pieces: &[Piece]) -> impl Iterator<Item = String> {
    pieces.iter().filter(|piece| piece.problem.is_none()).map(|piece| {
        let (size, took) = (Unit::Bytes.human(piece.bytes.into()), Unit::Seconds.human(piece.took.into()));
        let container = piece.container.map(|container| format!(" {container}")).unwrap_or_default();
        format!("{}{container} {size} in {took}", piece.kind.name())
    })
}
