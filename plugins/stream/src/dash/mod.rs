//! `check_dash`: is the live edge where the clock says, on every representation, and can its newest media be had in time?
//!
//! [`measure`](measure::measure) looks as a player does and leaves facts in a [`Report`]; [`judge`] makes findings of the facts.

mod clock;
mod judge;
pub mod measure;
pub mod report;

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
const SERVICE: &str = "DASH";
/// What is measured.
const FIELDS: &[&Field] =
    &[&LAG, &VARIANTS, &FIRST_MEDIA, &BITRATE, &SEGMENT_RATIO, &SKEW, &LOUDNESS, &SILENCE, &FROZEN, &BLACK];

/// The options of `check_dash`.
#[derive(Args, Debug)]
pub struct DashArgs {
    #[command(flatten)]
    source: SourceArgs,

    /// Critical when the manifest names fewer representations, those of sound and text too.
    #[arg(long, value_name = "N")]
    expect_variants: Option<usize>,

    /// Warn when a representation's newest segment has less than this share of its announced bandwidth; 0 turns it off.
    #[arg(long, value_name = "PERCENT", default_value_t = 25.0, value_parser = percent)]
    min_share: f64,

    /// Warn when representations are further apart [default: 1.5 segments]
    #[arg(long, value_name = "SECONDS", value_parser = skew_seconds)]
    max_skew: Option<f64>,

    /// A manifest that is static is well: video on demand.
    #[arg(long)]
    vod: bool,

    /// Which segments of each representation to fetch. Where only the clock names segments, none proves nothing.
    #[arg(long, value_name = "WHICH", default_value = "newest")]
    segments: Segments,

    /// Watch live timelines for so long although one look is enough: sees edges that go back.
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

impl DashArgs {
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

/// `check_dash`
#[derive(Debug)]
pub struct Dash;

impl Check for Dash {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check a live DASH channel: is the live edge where the clock says, and can its media be had in time?\n\n\
        Fetches the manifest, asks the clock that it names (UTCTiming, else the server's Date; never this host's clock), then the \
        initialization and the newest segment of every representation of the live period, as players do. Late is an edge more than two \
        segments behind the suggested presentation delay, stale one of more than four. Where numbers follow the clock, the newest \
        segment that really exists counts. Understands SegmentTimeline, $Number$, $Time$, lists, several periods, BaseURL, Location.";
    const EXAMPLES: &'static str = "  A channel with two pictures and one sound:\n    \
        check_dash https://live.example.net/news/manifest.mpd --expect-variants 3\n  \
        The best representation must carry 2 Mbit/s, and the lag is judged in seconds:\n    \
        check_dash -u https://live.example.net/news/manifest.mpd --min-bitrate 2000000 -w 15 -c 30\n  \
        A film, with its first segments too:\n    \
        check_dash https://vod.example.net/film/manifest.mpd --vod --segments ends\n  \
        Each address of the name:\n    \
        check_dash https://live.example.net/news/manifest.mpd --addresses all";
    const FIELDS: &'static [&'static Field] = FIELDS;
    type Args = DashArgs;

    fn validate(args: &DashArgs) -> Result<(), Problem> {
        args.limits.check(FIELDS)
    }

    fn thresholds(args: &DashArgs) -> Vec<(&'static Field, Thresholds)> {
        args.limits.all(FIELDS, &args.air, |field| judge::rule(field, args.max_skew))
    }

    fn run(args: &DashArgs, common: &Common) -> Outcome {
        common::run::<Self>(args, common)
    }
}

impl StreamCheck for Dash {
    fn url(args: &DashArgs) -> &str {
        args.source.url()
    }

    async fn check(args: &DashArgs, common: &Common) -> Result<Outcome, Problem> {
        if args.watch.is_some_and(|watch| watch >= common.timeout) {
            return Err(Problem::new(&fault::USAGE, "--watch must be shorter than -t"));
        }
        let look =
            async |probe: &Probe, address: SocketAddr, target: &Target, credentials: Option<&Credentials>| {
                let options = Options { credentials: credentials.cloned(), ..args.options() };
                let mut report = Report::default();
                let problem = measure(probe, &target.url, Some(address), &options, &mut report).await.err();
                let mut outcome = judge::judge(args, target.url.as_str(), &report, problem);
                // The clock may be anybody's.
                let asked = report.asked.iter().filter(|(what, _)| *what != clock::STAGE);
                let asked = asked.map(|(what, url)| (*what, url));
                args.only_host.judge(&mut outcome, target, address.ip(), asked);
                args.air.judge(&mut outcome, report.air.as_ref(), &args.limits, FIELDS);
                outcome
            };
        args.source.every_address(SERVICE, common, HTTP_PORTS, look).await
    }
}
