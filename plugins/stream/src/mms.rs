//! `check_mms`: Windows Media over MMST and MMSH.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use weir_cli::{Check, Common, seconds};
use weir_contract::text::redact;
use weir_contract::{Field, Finding, Outcome, Problem, Range, Sample, State, Thresholds, Unit, fault};
use weir_probe::Probe;
use weir_probe::mms::{MMSH_PORT, MMST_PORT, Seen, Watch, watch};
use weir_wire::asf::{Kind, Stream};
use weir_wire::auth::Credentials;

use crate::common::{self, ExpectArgs, SourceArgs, StreamCheck, StreamLimits, watch_time};
use crate::dead_air::DeadAirArgs;
use crate::fields::{BITRATE, FIRST_MEDIA, GAP, LOSS, SPEED, TRACKS};
use crate::judge::{self, Details, Rule, SPEED_WARNING, WATCH_MIN, is_flow};
use crate::only_host::OnlyHostArgs;
use crate::target::Target;

/// The word before the state.
const SERVICE: &str = "MMS";
/// Why dead air cannot be told.
const UNHEARD: &str = "the codecs of Windows Media are not decoded";
/// What is measured.
const FIELDS: &[&Field] = &[&FIRST_MEDIA, &BITRATE, &SPEED, &LOSS, &GAP, &TRACKS];
/// The schemes, which are either transport or one of them, and the port that is tried first.
const PORTS: &[(&str, u16)] = &[("mms", MMST_PORT), ("mmst", MMST_PORT), ("mmsh", MMSH_PORT)];
/// Windows Media servers send others than their own player to a playlist.
const USER_AGENT: &str = concat!("NSPlayer/7.0.0.1956 Weir/", env!("CARGO_PKG_VERSION"));
/// Percent of packets. Over TCP none is lost on the way, and one that an encoder left out at a restart (VLC, when its file begins
/// again) is several percent of what comes in some seconds.
const LOSS_LIMITS: (f64, f64) = (5.0, 25.0);
/// A live stream that has sent nothing for so long at the end of the watch has stopped. Encoders of 32 kbit/s fill a packet of
/// 4 kilobytes in one second.
const STOPPED: Duration = Duration::from_secs(2);

/// The options of `check_mms`.
#[derive(Args, Debug)]
pub struct MmsArgs {
    #[command(flatten)]
    source: SourceArgs,

    /// How long to watch after the first packet. What comes in the first second may be the server's buffer.
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = watch_time)]
    watch: Duration,

    /// How long to wait for the first packet after the server has agreed to play.
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = seconds)]
    wait: Duration,

    #[command(flatten)]
    expect: ExpectArgs,

    /// Critical when the stream is a file that is played from its beginning, or ends.
    #[arg(long)]
    expect_live: bool,

    #[command(flatten)]
    only_host: OnlyHostArgs,

    #[command(flatten)]
    limits: StreamLimits,
    #[command(flatten)]
    air: DeadAirArgs,
}

/// `check_mms`
#[derive(Debug)]
pub struct Mms;

impl Check for Mms {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check a Windows Media stream: does it play, in time, without loss?\n\n\
        Asks as a player does: mms:// over TCP port 1755 (MMST) and then over HTTP (MMSH); mmst:// and mmsh:// take one of them. \
        Reads the ASF header, watches packets for a few seconds, and judges what came: their numbers tell loss, their send times \
        tell whether the source keeps up with the clock. A server that agrees to play and sends nothing is CRITICAL.";
    const EXAMPLES: &'static str = "  A radio channel, over whatever transport answers:\n    \
        check_mms mms://media.example.net/radio --expect-tracks audio --min-bitrate 32000\n  \
        Over HTTP only, the first packet within 2 seconds:\n    \
        check_mms -u mmsh://media.example.net:8080/news -w 2 -c 5 --expect-codec WMV3,WMA2\n  \
        A live channel that must keep up with the clock, on every address:\n    \
        check_mms mmst://media.example.net/tv1 --expect-live -w speed=90: -c speed=50: --addresses all";
    const FIELDS: &'static [&'static Field] = FIELDS;
    type Args = MmsArgs;

    fn validate(args: &MmsArgs) -> Result<(), Problem> {
        args.limits.check(FIELDS)
    }

    fn thresholds(args: &MmsArgs) -> Vec<(&'static Field, Thresholds)> {
        args.limits.all(FIELDS, &args.air, rule)
    }

    fn run(args: &MmsArgs, common: &Common) -> Outcome {
        common::run::<Self>(args, common)
    }
}

impl StreamCheck for Mms {
    fn url(args: &MmsArgs) -> &str {
        args.source.url()
    }

    async fn check(args: &MmsArgs, common: &Common) -> Result<Outcome, Problem> {
        let look =
            async |probe: &Probe, address: SocketAddr, target: &Target, credentials: Option<&Credentials>| {
                let options =
                    Watch { time: args.watch, patience: args.wait, credentials, user_agent: USER_AGENT };
                let mut seen = Seen::default();
                let problem = watch(probe, &target.url, address, options, &mut seen).await.err();
                let mut outcome = judge(args, target.url.as_str(), &seen, problem);
                let redirects = seen.redirects.iter().map(|url| ("stream", url));
                args.only_host.judge(&mut outcome, target, address.ip(), redirects);
                args.air.unheard(&mut outcome, UNHEARD, &args.limits, FIELDS);
                outcome
            };
        args.source.every_address(SERVICE, common, PORTS, look).await
    }
}

/// Facts to verdict.
fn judge(args: &MmsArgs, url: &str, seen: &Seen, problem: Option<Problem>) -> Outcome {
    let mut outcome = Outcome::new(SERVICE, url);
    outcome.headline = headline(seen);
    outcome.details = details(seen);
    match problem {
        Some(mut problem) => {
            if let (Some(left), Some(now)) = (&seen.left, seen.transport) {
                problem.text = format!("over MMST {}; over {} {}", left.text, now.name(), problem.text);
            }
            outcome.findings.push(problem.into());
        }
        None => flow(&mut outcome, args, seen),
    }
    content(&mut outcome, args, seen);
    let broken = outcome.state() == State::Critical;
    args.limits.judge(&mut outcome, samples(seen), FIELDS, rule, |_, field| broken && is_flow(field));
    outcome
}

fn rule(field: &Field) -> Rule {
    match field.id {
        "first_media" => Rule::of(&fault::START_SLOW),
        "bitrate" => Rule::of(&fault::BITRATE),
        "speed" => Rule::of(&fault::MMS_SPEED).warn(Range::below(SPEED_WARNING)),
        "loss" => Rule::of(&fault::MMS_LOSS).above(LOSS_LIMITS),
        "gap" => Rule::of(&fault::STREAM_GAP),
        _ => Rule::of(&fault::MMS_TRACKS),
    }
}

/// Whether media flows, which is the question.
fn flow(outcome: &mut Outcome, args: &MmsArgs, seen: &Seen) {
    let flow = &seen.flow;
    let how = seen.ended.map(|status| match status {
        Some(status) if status.0 != 0 => format!("the server ended the stream ({status})"),
        Some(_) => "the server ended the stream".to_owned(),
        None => "the server closed the connection".to_owned(),
    });
    if seen.first_media.is_none() {
        let waited = seen.until.saturating_sub(seen.asked.unwrap_or_default());
        if how.is_some() || !judge::hurried(outcome, waited, args.wait) {
            let what = how.as_deref().unwrap_or("no media came");
            let text = format!("{what} within {} after the server agreed to play", judge::seconds(waited));
            outcome.find(&fault::MMS_SILENT, text);
        }
        return;
    }
    let watched = seen.watched();
    if let (Some(how), true) = (how, ended_early(seen)) {
        let text = format!("{how} after {} and {} packets", judge::seconds(watched), flow.packets);
        outcome.find(&fault::MMS_ENDED, text);
        return;
    }
    if flow.unreadable == flow.packets {
        let text = format!("none of {} packets can be read as ASF", flow.packets);
        outcome.find(&fault::MMS_PACKETS, text);
        return;
    }
    if seen.changes > 0 {
        let text =
            format!("another stream was announced {} times in {}", seen.changes, judge::seconds(watched));
        outcome.find(&fault::MMS_RESTART, text);
    }
    let silence = flow.pace.silence(seen.until);
    if seen.live && silence >= STOPPED {
        outcome.find(&fault::STREAM_STALLED, judge::stalled(flow.packets, "packets", watched, silence));
    } else if seen.live && watched < WATCH_MIN {
        outcome.find(&fault::NO_DATA, judge::too_short(watched, "watch"));
        return;
    }
    for kind in ["video", "audio"] {
        // Of several bit rates of one picture the server sends one: only a kind of which nothing comes is silent.
        let streams = streams(seen).filter(|stream| stream.kind_name() == kind);
        let came: Vec<u64> = streams.map(|stream| flow.bytes_of(stream.number)).collect();
        if !came.is_empty() && came.iter().all(|bytes| *bytes == 0) {
            let text = format!("no media of this track within {}, others flow", judge::seconds(watched));
            outcome.findings.push(Finding {
                fault: &fault::MMS_TRACK_SILENT,
                state: State::Critical,
                subject: kind.to_owned(),
                text,
            });
        }
    }
}

/// The streams of the header; none before it came.
fn streams(seen: &Seen) -> impl Iterator<Item = &Stream> {
    seen.header.iter().flat_map(|header| &header.streams)
}

/// Whether a stream that has ended should have gone on.
fn ended_early(seen: &Seen) -> bool {
    match seen.ended {
        None => false,
        Some(_) if seen.live => true,
        Some(Some(status)) => status.is_failure(),
        // Some servers close at the end of a file without a word.
        Some(None) => {
            let duration = seen.header.as_ref().and_then(|header| header.duration);
            duration.is_some_and(|duration| seen.flow.pace.media_time + STOPPED < duration)
        }
    }
}

/// Whether it is what was expected.
fn content(outcome: &mut Outcome, args: &MmsArgs, seen: &Seen) {
    let Some(header) = &seen.header else { return };
    let codecs: Vec<String> = header.streams.iter().map(Stream::codec).collect();
    let kinds = header.streams.iter().map(Stream::kind_name);
    let tracks: Vec<_> = kinds.zip(codecs.iter().map(|codec| Some(codec.as_str()))).collect();
    args.expect.judge(outcome, &tracks, &describe(&header.streams), &fault::MMS_TRACKS);
    if args.expect_live && !seen.live {
        let duration = header.duration.map(|d| format!(" of {}", judge::seconds(d))).unwrap_or_default();
        outcome.find(&fault::MMS_FILE, format!("the stream is a file{duration}, not live"));
    }
}

/// The facts as numbers.
fn samples(seen: &Seen) -> Vec<Sample> {
    let flows = seen.first_media.is_some();
    let sending = streams(seen).filter(|stream| seen.flow.bytes_of(stream.number) > 0).count();
    vec![
        FIRST_MEDIA.sample_opt(seen.first_media),
        BITRATE.sample_opt(seen.bitrate()),
        // A file may come faster or slower than it plays.
        SPEED.sample_opt(seen.flow.pace.speed().filter(|_| seen.live)),
        LOSS.sample_opt(seen.flow.loss()),
        GAP.sample_opt(flows.then(|| longest_gap(seen))),
        TRACKS.sample_opt(flows.then_some(sending)),
    ]
}

fn longest_gap(seen: &Seen) -> Duration {
    seen.flow.pace.longest_pause(seen.until, seen.ended.is_some())
}

fn describe(streams: &[Stream]) -> String {
    let one = |stream: &Stream| match &stream.kind {
        Kind::Video { width, height, .. } => format!("{} {width}x{height}", stream.codec()),
        _ => stream.codec(),
    };
    streams.iter().map(one).collect::<Vec<_>>().join(" + ")
}

fn headline(seen: &Seen) -> String {
    let mut parts: Vec<String> = seen.header.iter().map(|header| describe(&header.streams)).collect();
    let said = [(&FIRST_MEDIA, "first media after "), (&BITRATE, ""), (&SPEED, "speed "), (&LOSS, "loss ")];
    parts.extend(judge::told(&samples(seen), &said));
    parts.extend(seen.transport.map(|transport| format!("over {}", transport.name())));
    parts.join(", ")
}

fn details(seen: &Seen) -> Vec<String> {
    let mut details = Details::default();
    let mut say = |name: &str, value: Option<String>| details.say(name, value);
    say("server", seen.server.clone());
    say("not over MMST", seen.left.as_ref().map(|problem| problem.text.clone()));
    say("redirected to", seen.redirects.last().map(|url| redact(url.as_str()).into_owned()));
    if let Some(header) = &seen.header {
        say("kind", Some(if seen.live { "live" } else { "on demand" }.to_owned()));
        say("title", header.title.clone());
        say("duration", header.duration.filter(|_| !seen.live).map(judge::seconds));
        let rate = (header.max_bit_rate > 0).then(|| Unit::BitsPerSecond.human(header.max_bit_rate.into()));
        say("advertised", rate);
        say("codecs", (!header.codec_names.is_empty()).then(|| header.codec_names.join(", ")));
        for stream in &header.streams {
            let rate = stream.bit_rate.map(|rate| format!(" at {}", Unit::BitsPerSecond.human(rate.into())));
            let came = Unit::Bytes.human(seen.flow.bytes_of(stream.number).into());
            let text = format!(
                "{}{}, {came} came",
                describe(std::slice::from_ref(stream)),
                rate.unwrap_or_default()
            );
            say(&format!("{} {}", stream.kind_name(), stream.number), Some(text));
        }
        let encrypted = header.streams.iter().any(|stream| stream.encrypted);
        say("encrypted", encrypted.then(|| "yes: only the flow can be judged".to_owned()));
    }
    let flow = &seen.flow;
    say(
        "packets",
        (flow.packets > 0).then(|| {
            format!(
                "{}, {} missing, {} unreadable, longest gap {}",
                flow.packets,
                flow.missing,
                flow.unreadable,
                judge::seconds(longest_gap(seen))
            )
        }),
    );
    details.0
}
