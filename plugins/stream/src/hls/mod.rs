//! `check_hls`: does a live channel advance, on every variant, and can its newest media be had in time?
//!
//! [`measure`](measure::measure) looks as a player does and leaves facts in a [`Report`]; [`freshness`] weighs whether a playlist
//! advances, from one look where the playlist allows it; [`judge`](judge) makes findings of the facts.

pub mod freshness;
mod judge;
pub mod measure;
pub(crate) mod pieces;
pub mod report;
mod rules;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use weir_cli::{Check, Common, Credentials, Limits, NetArgs, UrlArg, seconds};
use weir_contract::{Field, Outcome, Problem, Range, Thresholds, fault};
use weir_probe::{Probe, block_on};

pub use self::judge::samples;
pub(crate) use self::judge::thousandths;
use self::measure::{Options, Segments, measure};
use self::report::Report;
use crate::fields::{BITRATE, FIRST_MEDIA};
pub use crate::fields::{LAG, SEGMENT_RATIO, SKEW, VARIANTS};
use crate::target::Target;

/// The word before the state.
const SERVICE: &str = "HLS";

/// What is measured.
pub const FIELDS: &[&Field] = &[&LAG, &VARIANTS, &FIRST_MEDIA, &BITRATE, &SEGMENT_RATIO, &SKEW];
/// Download time against duration: half is close, and at 1 players stall.
pub(crate) const RATIO_LIMITS: (f64, f64) = (0.5, 1.0);

/// The options of `check_hls`.
#[derive(Args, Debug)]
pub struct HlsArgs {
    #[command(flatten)]
    url: UrlArg,

    /// Critical when the master playlist names fewer variants.
    #[arg(long, value_name = "N")]
    expect_variants: Option<usize>,

    /// Critical when the newest segment of the best variant has fewer bits per second, such as 500000.
    #[arg(long, value_name = "BITS")]
    min_bitrate: Option<u32>,

    /// Warn when a variant's newest segment has less than this share of its announced (average) bandwidth; 0 turns it off.
    #[arg(long, value_name = "PERCENT", default_value_t = 25.0, value_parser = percent)]
    min_share: f64,

    /// Warn when variants are further apart [default: 1.5 target durations]
    #[arg(long, value_name = "SECONDS", value_parser = skew_seconds)]
    max_skew: Option<f64>,

    /// A playlist that has ended is well: video on demand. Staleness is judged for live playlists only.
    #[arg(long)]
    vod: bool,

    /// Which segments of each playlist to fetch.
    #[arg(long, value_name = "WHICH", default_value = "newest")]
    segments: Segments,

    /// Watch live playlists for so long although one look is enough: sees sequences that go back.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    watch: Option<Duration>,

    /// Follow redirects from https to http.
    #[arg(long)]
    allow_downgrade: bool,

    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    credentials: Credentials,
    #[command(flatten)]
    net: NetArgs,
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

impl HlsArgs {
    /// A probe with these options, whose time begins now.
    pub fn probe(&self, common: &Common) -> Probe {
        self.net.probe(common)
    }

    /// The limits of the lag in seconds that were given.
    fn lag_limits(&self) -> Thresholds {
        self.limits.of(&LAG, FIELDS, Thresholds::default())
    }

    fn options(&self) -> Options {
        Options {
            credentials: None,
            allow_downgrade: self.allow_downgrade,
            segments: self.segments,
            watch: self.watch.unwrap_or_default(),
            lag: self.lag_limits(),
        }
    }

    /// Thresholds that do not depend on the playlist.
    fn static_thresholds(&self, field: &'static Field) -> Thresholds {
        match field.id {
            "bitrate" => {
                Thresholds { critical: self.min_bitrate.map(|b| Range::below(f64::from(b))), warning: None }
            }
            "segment_ratio" => Thresholds {
                warning: Some(Range::above(RATIO_LIMITS.0)),
                critical: Some(Range::above(RATIO_LIMITS.1)),
            },
            "skew" => Thresholds { warning: self.max_skew.map(Range::above), critical: None },
            _ => Thresholds::default(),
        }
    }
}

/// `check_hls`
#[derive(Debug)]
pub struct Hls;

impl Check for Hls {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check a live HLS channel: does it advance, on every variant, and can its media be had in time?\n\n\
        Fetches the master playlist, every variant and rendition, and their newest segments, keys and initialization sections, as \
        players do. A playlist that no longer advances is CRITICAL after 3 target durations and late after 1.5, whatever the server's \
        status codes say; one look is enough where the playlist or the server dates it. Understands MPEG-TS, fragmented MP4, packed \
        audio and low latency.";
    const EXAMPLES: &'static str = "  A channel with three variants:\n    \
        check_hls https://live.example.net/news/master.m3u8 --expect-variants 3\n  \
        The best variant must carry 2 Mbit/s, and the lag is judged in seconds:\n    \
        check_hls -u https://live.example.net/news/master.m3u8 --min-bitrate 2000000 -w 15 -c 30\n  \
        A film, with its first segment too:\n    \
        check_hls https://vod.example.net/film/index.m3u8 --vod --segments ends\n  \
        Each address of the name, playlists only:\n    \
        check_hls https://live.example.net/news/master.m3u8 --addresses all --segments none";
    const FIELDS: &'static [&'static Field] = FIELDS;
    type Args = HlsArgs;

    fn validate(args: &HlsArgs) -> Result<(), Problem> {
        args.limits.check(FIELDS)
    }

    fn thresholds(args: &HlsArgs) -> Vec<(&'static Field, Thresholds)> {
        FIELDS
            .iter()
            .map(|field| (*field, args.limits.of(field, FIELDS, args.static_thresholds(field))))
            .collect()
    }

    fn run(args: &HlsArgs, common: &Common) -> Outcome {
        block_on(check(args, args.probe(common)))
            .and_then(|result| result)
            .unwrap_or_else(|problem| Outcome::failed(SERVICE, args.url.url(), problem))
    }
}

/// Looks at the channel and judges it.
///
/// # Errors
/// Options that cannot be meant, a password file that cannot be read.
pub async fn check(args: &HlsArgs, probe: Probe) -> Result<Outcome, Problem> {
    let target = Target::parse(args.url.url(), &["http", "https"])?;
    let options = Options { credentials: target.credentials(&args.credentials)?, ..args.options() };
    if options.watch >= probe.deadline.timeout() {
        return Err(Problem::new(&fault::USAGE, "--watch must be shorter than -t"));
    }
    let (target, port, options) = (&target, target.port(80), &options);
    let one = async |probe: &Probe, address: SocketAddr| {
        let mut report = Report::default();
        let problem = measure(probe, &target.url, Some(address), options, &mut report).await.err();
        judge::judge(args, target.url.as_str(), &report, problem)
    };
    Ok(target.every_address(SERVICE, probe, port, args.net.addresses, one).await)
}
