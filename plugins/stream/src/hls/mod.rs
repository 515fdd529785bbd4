//! `check_hls`: does a live channel advance, on every variant, and can its newest media be had in time?
//!
//! [`measure`](measure::measure) looks as a player does and leaves facts in a [`Report`]; [`judge`](judge) makes findings of the
//! facts.

mod judge;
pub mod measure;
mod pieces;
pub mod report;
mod rules;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use weir_cli::{Check, Common, seconds};
use weir_contract::{Field, Outcome, Problem, Thresholds, fault};
use weir_probe::Probe;
use weir_wire::auth::Credentials;

use self::measure::measure;
use self::report::Report;
use crate::common::{self, HTTP_PORTS, SourceArgs, StreamCheck, StreamLimits};
use crate::dead_air::DeadAirArgs;
use crate::fields::{
    BITRATE, BLACK, FIRST_MEDIA, FROZEN, LAG, LOUDNESS, SEGMENT_RATIO, SILENCE, SKEW, VARIANTS,
};
use crate::only_host::OnlyHostArgs;
use crate::segmented::{Options, Segments, percent, skew_seconds};
use crate::target::Target;

/// The word before the state.
const SERVICE: &str = "HLS";

/// What is measured.
const FIELDS: &[&Field] =
    &[&LAG, &VARIANTS, &FIRST_MEDIA, &BITRATE, &SEGMENT_RATIO, &SKEW, &LOUDNESS, &SILENCE, &FROZEN, &BLACK];

/// The options of `check_hls`.
#[derive(Args, Debug)]
pub struct HlsArgs {
    #[command(flatten)]
    source: SourceArgs,

    /// Critical when the master playlist names fewer variants.
    #[arg(long, value_name = "N")]
    expect_variants: Option<usize>,

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
    only_host: OnlyHostArgs,
    #[command(flatten)]
    limits: StreamLimits,
    #[command(flatten)]
    air: DeadAirArgs,
}

impl HlsArgs {
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
            air: self.air,
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
        args.limits.all(FIELDS, &args.air, |field| judge::rule(field, args.max_skew))
    }

    fn run(args: &HlsArgs, common: &Common) -> Outcome {
        common::run::<Self>(args, common)
    }
}

impl StreamCheck for Hls {
    fn url(args: &HlsArgs) -> &str {
        args.source.url()
    }

    async fn check(args: &HlsArgs, common: &Common) -> Result<Outcome, Problem> {
        if args.watch.is_some_and(|watch| watch >= common.timeout) {
            return Err(Problem::new(&fault::USAGE, "--watch must be shorter than -t"));
        }
        let look =
            async |probe: &Probe, address: SocketAddr, target: &Target, credentials: Option<&Credentials>| {
                let options = Options { credentials: credentials.cloned(), ..args.options() };
                let mut report = Report::default();
                let problem = measure(probe, &target.url, Some(address), &options, &mut report).await.err();
                let mut outcome = judge::judge(args, target.url.as_str(), &report, problem);
                let asked = report.asked.iter().map(|(what, url)| (*what, url));
                args.only_host.judge(&mut outcome, target, address.ip(), asked);
                args.air.judge(&mut outcome, report.air.as_ref(), &args.limits, FIELDS);
                outcome
            };
        args.source.every_address(SERVICE, common, HTTP_PORTS, look).await
    }
}
