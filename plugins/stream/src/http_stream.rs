//! `check_http_stream`: progressive HTTP, Icecast and SHOUTcast.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use weir_cli::{Check, Common, seconds};
use weir_contract::{Field, Outcome, Problem, Range, Sample, State, Thresholds, Unit, Value, fault};
use weir_probe::Probe;
use weir_probe::http_stream::{Heard, Listen, Tap, listen};
use weir_wire::auth::Credentials;
use weir_wire::media::Container;

use crate::common::{self, HTTP_PORTS, SourceArgs, StreamCheck, StreamLimits};
use crate::dead_air::DeadAirArgs;
use crate::fields::{BITRATE, BLACK, FIRST_MEDIA, FROZEN, GAP, LOUDNESS, SILENCE};
use crate::judge::{self, Details, Rule};
use crate::only_host::OnlyHostArgs;
use crate::target::Target;

/// The word before the state.
const SERVICE: &str = "HTTP STREAM";
/// What is measured.
const FIELDS: &[&Field] = &[&FIRST_MEDIA, &BITRATE, &GAP, &LOUDNESS, &SILENCE, &FROZEN, &BLACK];
/// A source that is this much below what it advertises has fallen to half its bit rate.
const ADVERTISED_SHARE_MIN: f64 = 0.6;
/// After so long without a byte a player's buffer is at its end.
const GAP_WARNING: f64 = 2.5;
/// Bits per second. Silence in the thriftiest codec takes more; a server that drips bytes feeds nobody.
const MEDIA_MIN: f64 = 200.0;
/// Listening for less than this proves nothing about what comes after the burst.
const LISTEN_MIN: Duration = Duration::from_millis(1500);

/// The options of `check_http_stream`.
#[derive(Args, Debug)]
pub struct StreamArgs {
    #[command(flatten)]
    source: SourceArgs,

    /// How long to listen after the first byte, as far as -t leaves time for it. What comes in the first second may be the server's
    /// buffer.
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = listen_time)]
    listen: Duration,

    /// Critical unless the media is of this kind: a part of the name that the check prints, such as mpeg, aac, ogg.
    #[arg(long, value_name = "NAME")]
    expect_codec: Option<String>,

    /// Warn unless the stream's title or station name holds this text.
    #[arg(long, value_name = "TEXT")]
    expect_title: Option<String>,

    #[command(flatten)]
    only_host: OnlyHostArgs,
    #[command(flatten)]
    limits: StreamLimits,
    #[command(flatten)]
    air: DeadAirArgs,
}

fn listen_time(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        time if time >= LISTEN_MIN => Ok(time),
        _ => Err("listening for less than 1.5 seconds hears only the server's buffer".to_owned()),
    }
}

/// `check_http_stream`
#[derive(Debug)]
pub struct HttpStream;

impl Check for HttpStream {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check a progressive HTTP stream: Icecast, SHOUTcast, HTTP-FLV, MPEG-TS or a file.\n\n\
        Connects as a player does, listens for a few seconds, and judges the media that comes after the burst that servers send \
        from their buffer: a stalled source behind a healthy server is CRITICAL. Reads ICY metadata, follows redirects.";
    const EXAMPLES: &'static str = "  A radio channel that must flow at 96 kbit/s or more:\n    \
        check_http_stream http://radio.example.net:8000/live.mp3 --min-bitrate 96000\n  \
        Slow start is a warning, and the station must be the right one:\n    \
        check_http_stream -u https://radio.example.net/news.ogg -w 1.5 -c 5 --expect-title News\n  \
        Each address of the name, with a listener's password:\n    \
        check_http_stream http://radio.example.net/members.mp3 --addresses all -l user --password-file /etc/weir/members";
    const FIELDS: &'static [&'static Field] = FIELDS;
    type Args = StreamArgs;

    fn validate(args: &StreamArgs) -> Result<(), Problem> {
        args.limits.check(FIELDS)
    }

    fn thresholds(args: &StreamArgs) -> Vec<(&'static Field, Thresholds)> {
        args.limits.all(FIELDS, &args.air, rule)
    }

    fn run(args: &StreamArgs, common: &Common) -> Outcome {
        common::run::<Self>(args, common)
    }
}

impl StreamCheck for HttpStream {
    fn url(args: &StreamArgs) -> &str {
        args.source.url()
    }

    async fn check(args: &StreamArgs, common: &Common) -> Result<Outcome, Problem> {
        args.air.fits(common)?;
        let look =
            async |probe: &Probe, address: SocketAddr, target: &Target, credentials: Option<&Credentials>| {
                let time = args.listen.max(args.air.time());
                let ear = args.air.ear().map(RefCell::new);
                let tap = ear.as_ref().map(|ear| RefCell::new(|bytes: &[u8]| ear.borrow_mut().feed(bytes)));
                let tap = tap.as_ref().map(|tap| tap as &Tap<'_>);
                let options = Listen { time, credentials, user_agent: crate::USER_AGENT, tap };
                let mut heard = Heard::default();
                let problem = listen(probe, &target.url, Some(address), options, &mut heard).await.err();
                let mut outcome = judge(args, target.url.as_str(), &heard, problem);
                let redirects = heard.redirects.iter().map(|url| ("stream", url));
                args.only_host.judge(&mut outcome, target, address.ip(), redirects);
                let air = ear.map(|ear| ear.into_inner().report());
                args.air.judge(&mut outcome, air.as_ref(), &args.limits, FIELDS);
                outcome
            };
        args.source.every_address(SERVICE, common, HTTP_PORTS, look).await
    }
}

/// Facts to verdict.
fn judge(args: &StreamArgs, url: &str, heard: &Heard, problem: Option<Problem>) -> Outcome {
    let mut outcome = Outcome::new(SERVICE, url);
    outcome.headline = headline(heard);
    outcome.details = details(url, heard);
    match problem {
        Some(problem) => outcome.findings.push(problem.into()),
        None => flow(&mut outcome, heard),
    }
    if let Some(container) = heard.container {
        content(&mut outcome, args, heard, container);
    }
    // What is broken has been said; the pause of a stream that stands still is no second fault.
    let follows = |outcome: &Outcome, _: &Field| outcome.state() == State::Critical;
    args.limits.judge(&mut outcome, samples(heard), FIELDS, rule, follows);
    outcome
}

fn rule(field: &Field) -> Rule {
    match field.id {
        "first_media" => Rule::of(&fault::START_SLOW),
        "bitrate" => Rule::of(&fault::BITRATE),
        _ => Rule::of(&fault::STREAM_GAP).warn(Range::above(GAP_WARNING)),
    }
}

/// Whether media flows, which is the question.
fn flow(outcome: &mut Outcome, heard: &Heard) {
    let bytes = Unit::Bytes.human(Value::from(heard.bytes));
    let on_demand = heard.length.is_some();
    if heard.first_media.is_none() {
        outcome.find(&fault::STREAM_SILENT, "the server accepted the listener and sent no media");
    } else if heard.ended && !on_demand {
        let text =
            format!("the server ended the stream after {} and {bytes}", judge::seconds(heard.listened));
        outcome.find(&fault::STREAM_ENDED, text);
    } else if heard.live_bytes == 0 && !heard.ended && !heard.enough {
        let text = format!(
            "{bytes} came at once from the server's buffer, then nothing for {}",
            judge::seconds(heard.longest_gap)
        );
        if heard.listened >= LISTEN_MIN {
            outcome.find(&fault::STREAM_STALLED, text);
        } else {
            outcome.find(&fault::NO_DATA, judge::too_short(heard.listened, "listen"));
        }
    } else if let Some(bitrate) = heard.bitrate().filter(|bitrate| *bitrate < MEDIA_MIN && !on_demand) {
        let rate = Unit::BitsPerSecond.human(bitrate.into());
        outcome
            .find(&fault::STREAM_STALLED, format!("{rate} flow after the server's buffer: that is no media"));
    } else if let (Some(bitrate), Some(advertised)) = (heard.bitrate(), heard.station.bit_rate_kbit) {
        let wanted = f64::from(advertised) * 1000.0;
        if bitrate < wanted * ADVERTISED_SHARE_MIN {
            let rate = |value: f64| Unit::BitsPerSecond.human(value.into());
            outcome.find(&fault::BITRATE, format!("{} flow, {} are advertised", rate(bitrate), rate(wanted)));
        }
    }
}

/// Whether it is the right media.
fn content(outcome: &mut Outcome, args: &StreamArgs, heard: &Heard, container: Container) {
    if !container.is_media() {
        let claimed = heard.content_type.as_deref().unwrap_or("nothing");
        let other =
            if container == Container::Playlist { "; check_hls and check_playlist follow it" } else { "" };
        outcome
            .find(&fault::NOT_MEDIA, format!("the body is {container}, the server claims {claimed}{other}"));
    } else if let Some(expected) = &args.expect_codec
        && !container.name().to_lowercase().contains(&expected.to_lowercase())
    {
        outcome.find(&fault::CODEC, format!("the media is {container}, expected {expected}"));
    }
    if let Some(expected) = &args.expect_title {
        let title = heard.title.as_deref().unwrap_or_default();
        let station = heard.station.name.as_deref().unwrap_or_default();
        if !title.contains(expected.as_str()) && !station.contains(expected.as_str()) {
            let text = format!("neither the title `{title}` nor the name `{station}` holds `{expected}`");
            outcome.find(&fault::TITLE, text);
        }
    }
}

/// The facts as numbers.
fn samples(heard: &Heard) -> Vec<Sample> {
    let gap = heard.first_media.map(|_| heard.longest_gap);
    vec![FIRST_MEDIA.sample_opt(heard.first_media), BITRATE.sample_opt(heard.bitrate()), GAP.sample_opt(gap)]
}

fn headline(heard: &Heard) -> String {
    let title = heard.title.as_deref().or(heard.station.name.as_deref()).filter(|title| !title.is_empty());
    let parts = [
        heard.container.map(|container| container.to_string()),
        heard.bitrate().map(|bitrate| Unit::BitsPerSecond.human(bitrate.into())),
        heard.first_media.map(|first| format!("first media after {}", judge::seconds(first))),
        title.map(|title| format!("\"{title}\"")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn details(url: &str, heard: &Heard) -> Vec<String> {
    let mut details = Details::default();
    let mut say = |name: &str, value: Option<String>| details.say(name, value);
    say("redirected to", (!heard.redirects.is_empty() && heard.url != url).then(|| heard.url.clone()));
    say("protocol", heard.icy.then(|| "ICY (SHOUTcast v1)".to_owned()));
    say("station", heard.station.name.clone());
    say("advertised", heard.station.bit_rate_kbit.map(|kbit| format!("{kbit} kbit/s")));
    say("content type", heard.content_type.clone());
    let bytes = |count: u64| Unit::Bytes.human(count.into());
    say(
        "media",
        (heard.bytes > 0)
            .then(|| format!("{}, of which {} after the burst", bytes(heard.bytes), bytes(heard.live_bytes))),
    );
    details.0
}

#[cfg(test)]
mod tests;
