//! `check_rtsp`: does RTP flow, on every track, over time?

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::{Args, ValueEnum};
use weir_cli::{Check, Common, seconds};
use weir_contract::{Field, Finding, Outcome, Problem, Sample, State, Thresholds, fault};
use weir_probe::Probe;
use weir_probe::rtsp::{Delivery, Named, Seen, Tap, Track, Watch, watch};
use weir_wire::auth::Credentials;
use weir_wire::rtp::{Packet, Statistics};
use weir_wire::sdp::Format;

use crate::common::{self, ExpectArgs, SourceArgs, StreamCheck, StreamLimits};
use crate::dead_air::DeadAirArgs;
use crate::fields::{BITRATE, BLACK, FIRST_MEDIA, FROZEN, GAP, JITTER, LOSS, LOUDNESS, SILENCE, TRACKS};
use crate::judge::{self, Rule};
use crate::only_host::OnlyHostArgs;
use crate::target::Target;

/// The word before the state.
const SERVICE: &str = "RTSP";
/// What is measured.
const FIELDS: &[&Field] =
    &[&FIRST_MEDIA, &BITRATE, &LOSS, &JITTER, &GAP, &TRACKS, &LOUDNESS, &SILENCE, &FROZEN, &BLACK];
/// The schemes and their ports.
const PORTS: &[(&str, u16)] = &[("rtsp", 554), ("rtsps", 322)];
/// Percent of packets; a picture breaks visibly at the first, and for good at the second.
const LOSS_LIMITS: (f64, f64) = (1.0, 5.0);
/// A track that has sent nothing for so long at the end of the watch has stopped; cameras at one frame a second have not.
const STOPPED: Duration = Duration::from_millis(1500);

/// How RTP shall come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TransportArg {
    /// On the RTSP connection; by UDP when the server refuses that.
    Auto,
    /// On the RTSP connection only.
    Tcp,
    /// By UDP only, as set-top boxes and old players do.
    Udp,
}

/// The options of `check_rtsp`.
#[derive(Args, Debug)]
pub struct RtspArgs {
    #[command(flatten)]
    source: SourceArgs,

    /// How RTP shall come.
    #[arg(long, value_name = "HOW", default_value = "auto")]
    transport: TransportArg,

    /// How long to watch after the first packet, as far as -t leaves time for it.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    watch: Duration,

    /// How long to wait for the first packet after PLAY; encoders with long groups of pictures need more.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    wait: Duration,

    #[command(flatten)]
    only_host: OnlyHostArgs,

    #[command(flatten)]
    expect: ExpectArgs,

    #[command(flatten)]
    limits: StreamLimits,
    #[command(flatten)]
    air: DeadAirArgs,
}

/// `check_rtsp`
#[derive(Debug)]
pub struct Rtsp;

impl Check for Rtsp {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check a stream over RTSP: does RTP flow, on every track, over time?\n\n\
        Asks as a player does (OPTIONS, DESCRIBE, SETUP, PLAY), receives RTP over TCP or UDP (of RealServer and Helix RDT) for a few seconds, and judges what came: \
        time to the first packet, bit rate, loss, jitter, pauses, silent tracks. A server that says 200 to PLAY and sends nothing is \
        CRITICAL. Speaks rtsp and rtsps, Basic and Digest.";
    const EXAMPLES: &'static str = "  Video and sound must flow, the first packet within 2 seconds:\n    \
        check_rtsp rtsp://live.example.net/news --expect-tracks video,audio -w 2 -c 5\n  \
        Loss over UDP, as a set-top box sees it:\n    \
        check_rtsp -u rtsp://live.example.net:8554/news --transport udp --watch 5 -w loss=0.1 -c loss=2\n  \
        Behind a balancer nobody but the virtual address may be named:\n    \
        check_rtsp rtsp://vip.example.net/news --only-host vip.example.net\n  \
        A protected camera, each of its addresses:\n    \
        check_rtsp rtsps://cam.example.net/1 -l viewer --password-file /etc/weir/cam --addresses all";
    const FIELDS: &'static [&'static Field] = FIELDS;
    type Args = RtspArgs;

    fn validate(args: &RtspArgs) -> Result<(), Problem> {
        args.limits.check(FIELDS)
    }

    fn thresholds(args: &RtspArgs) -> Vec<(&'static Field, Thresholds)> {
        args.limits.all(FIELDS, &args.air, rule)
    }

    fn run(args: &RtspArgs, common: &Common) -> Outcome {
        common::run::<Self>(args, common)
    }
}

impl StreamCheck for Rtsp {
    fn url(args: &RtspArgs) -> &str {
        args.source.url()
    }

    async fn check(args: &RtspArgs, common: &Common) -> Result<Outcome, Problem> {
        args.air.fits(common)?;
        let delivery = match args.transport {
            TransportArg::Auto => Delivery::Auto,
            TransportArg::Tcp => Delivery::Tcp,
            TransportArg::Udp => Delivery::Udp,
        };
        let look =
            async |probe: &Probe, address: SocketAddr, target: &Target, credentials: Option<&Credentials>| {
                let ear = args.air.ear().map(RefCell::new);
                let tap = ear.as_ref().map(|ear| {
                    RefCell::new(|number: usize, format: &Format, packet: &Packet<'_>| {
                        ear.borrow_mut().rtp(number, format, packet);
                    })
                });
                let options = Watch {
                    delivery,
                    time: args.watch.max(args.air.time()),
                    patience: args.wait,
                    credentials,
                    user_agent: crate::USER_AGENT,
                    tap: tap.as_ref().map(|tap| tap as &Tap<'_>),
                };
                let mut seen = Seen::default();
                let problem = watch(probe, &target.url, address, options, &mut seen).await.err();
                let mut outcome = judge(args, target.url.as_str(), &seen, problem);
                leaks(&mut outcome, &args.only_host, target, address.ip(), &seen.named);
                let air = ear.map(|ear| ear.into_inner().report());
                args.air.judge(&mut outcome, air.as_ref(), &args.limits, FIELDS);
                outcome
            };
        args.source.every_address(SERVICE, common, PORTS, look).await
    }
}

/// Facts to verdict.
fn judge(args: &RtspArgs, url: &str, seen: &Seen, problem: Option<Problem>) -> Outcome {
    let mut outcome = Outcome::new(SERVICE, url);
    outcome.headline = headline(seen);
    outcome.details = details(url, seen);
    match problem {
        Some(problem) => outcome.findings.push(problem.into()),
        None => flow(&mut outcome, args, seen),
    }
    if !seen.tracks.is_empty() {
        tracks(&mut outcome, args, seen);
    }
    args.limits.judge(&mut outcome, samples(seen), FIELDS, rule, |_, _| false);
    outcome
}

/// Finds hosts that must not be named. The address that an allowed name led us to is the name.
fn leaks(outcome: &mut Outcome, only: &OnlyHostArgs, target: &Target, address: IpAddr, named: &[Named]) {
    let ours = only.allows(target.host(), target.url.port());
    let mut told = Vec::new();
    for named in named {
        let ip = named.host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        let is_ours = ours && ip == Some(address.to_canonical());
        // Of several control URLs one is enough.
        let place = (named.place, named.host.as_str());
        if is_ours || told.contains(&place) || only.allows(&named.host, named.port) {
            continue;
        }
        told.push(place);
        let mut leak = only.leak(named.place.sentence(), &named.text);
        if !named.place.is_followed() {
            // Nobody goes there; it only shows.
            leak.state = State::Warning;
        }
        outcome.findings.push(leak);
    }
}

fn rule(field: &Field) -> Rule {
    match field.id {
        "first_media" => Rule::of(&fault::START_SLOW),
        "bitrate" => Rule::of(&fault::BITRATE),
        "loss" => Rule::of(&fault::RTP_LOSS).above(LOSS_LIMITS),
        "jitter" => Rule::of(&fault::RTP_JITTER),
        "gap" => Rule::of(&fault::RTP_GAP),
        _ => Rule::of(&fault::RTSP_TRACKS),
    }
}

/// Whether media flows, which is the question.
fn flow(outcome: &mut Outcome, args: &RtspArgs, seen: &Seen) {
    let over = seen.transport.unwrap_or("?");
    if seen.first_media.is_none() {
        let waited = seen.played.map_or(args.wait, |played| seen.until.saturating_sub(played));
        let (fault, how) = if seen.ended {
            (&fault::RTSP_ENDED, "the server ended the stream")
        } else {
            (&fault::RTSP_SILENT, if seen.transport == Some("RDT") { "no media" } else { "no RTP" })
        };
        let sum = |of: fn(&Track) -> u64| seen.tracks.iter().map(of).sum::<u64>();
        let (garbage, unnamed) = (sum(|track| track.garbage), sum(|track| track.unnamed));
        let received: u64 = seen.statistics().map(|(_, statistics)| statistics.received).sum();
        let which = [
            (garbage, "that are none of it"),
            (unnamed, "of payload types that the description does not name"),
            (received.saturating_sub(unnamed), "without payload"),
        ];
        let instead: Vec<String> = which
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, which)| format!(", {count} packets {which}"))
            .collect();
        let waited = judge::seconds(waited);
        outcome.find(
            fault,
            format!("{how} within {waited} of PLAY over {over} (server said 200 OK){}", instead.concat()),
        );
        return;
    }
    let watched = seen.watched();
    if seen.ended && seen.live {
        let text = format!("the server ended the stream after {}", judge::seconds(watched));
        outcome.find(&fault::RTSP_ENDED, text);
        return;
    }
    for (track, statistics) in seen.statistics() {
        let finding = |fault, state, text| Finding { fault, state, subject: track.kind.clone(), text };
        let Some(last) = statistics.last_arrival else {
            let text =
                format!("no media of this track within {}, other tracks flow", judge::seconds(watched));
            outcome.findings.push(finding(&fault::RTSP_TRACK_SILENT, State::Critical, text));
            continue;
        };
        let silence = seen.until.saturating_sub(last);
        if silence >= STOPPED && !seen.ended {
            // A file may have come to its end, or have been sent ahead.
            let state = if seen.live { State::Critical } else { State::Warning };
            let text =
                judge::stalled(statistics.received - statistics.duplicates, "packets", watched, silence);
            outcome.findings.push(finding(&fault::STREAM_STALLED, state, text));
        }
        if statistics.ssrc_changes + statistics.restarts > 0 {
            let count = statistics.ssrc_changes + statistics.restarts;
            let text =
                format!("the source changed or restarted {count} times in {}", judge::seconds(watched));
            outcome.findings.push(finding(&fault::RTP_RESTART, State::Warning, text));
        }
    }
}

/// Whether the description holds what was expected.
fn tracks(outcome: &mut Outcome, args: &RtspArgs, seen: &Seen) {
    let tracks: Vec<_> =
        seen.tracks.iter().map(|track| (track.kind.as_str(), track.codec.as_deref())).collect();
    args.expect.judge(outcome, &tracks, &describe_tracks(seen), &fault::RTSP_TRACKS);
}

/// The facts as numbers.
fn samples(seen: &Seen) -> Vec<Sample> {
    let all: Vec<Statistics> = seen.statistics().map(|(_, statistics)| statistics).collect();
    let sum = |part: fn(&Statistics) -> u64| all.iter().map(part).sum::<u64>();
    // Before the first packet RTP-Info is only to be believed of a file by UDP: a connection loses nothing, and a live source has
    // gone on before the listener was joined to it (GStreamer).
    let head = if seen.transport == Some("UDP") && !seen.live { sum(|s| s.head_missing) } else { 0 };
    // What this host dropped is missing, too, and the network did not lose it.
    let dropped: u64 = seen.tracks.iter().map(|track| track.overflowed).sum();
    let (missing, expected) = (sum(|s| s.missing) + head, sum(|s| s.expected) + head);
    let (missing, expected) = (missing.saturating_sub(dropped), expected.saturating_sub(dropped));
    let seconds = seen.watched().as_secs_f64();
    let flowing = all.iter().filter(|s| s.received > 0);
    #[allow(clippy::cast_precision_loss, reason = "counts of a few seconds")]
    let bitrate = (seconds > 0.0).then(|| (sum(|s| s.bytes) as f64 * 8.0 / seconds).round());
    vec![
        FIRST_MEDIA.sample_opt(seen.first_media),
        BITRATE.sample_opt(bitrate),
        LOSS.sample_opt((expected > 0).then(|| judge::percent(missing, expected))),
        JITTER.sample_opt(flowing.clone().filter_map(|s| s.jitter).max()),
        GAP.sample_opt(flowing.clone().map(|s| s.longest_gap).max()),
        TRACKS.sample_opt(seen.played.map(|_| flowing.count())),
    ]
}

fn describe_tracks(seen: &Seen) -> String {
    let track = |track: &Track| {
        let codec = track.codec.as_deref().unwrap_or(&track.kind);
        let resolution = track.resolution.map(|r| format!(" {}x{}", r.width, r.height)).unwrap_or_default();
        let rate = track.frame_rate.map(|rate| format!(" {rate} fps")).unwrap_or_default();
        format!("{codec}{resolution}{rate}")
    };
    seen.tracks.iter().map(track).collect::<Vec<_>>().join(" + ")
}

fn headline(seen: &Seen) -> String {
    let mut parts = Vec::new();
    if !seen.tracks.is_empty() {
        parts.push(describe_tracks(seen));
    }
    let said = [(&FIRST_MEDIA, "first media after "), (&BITRATE, ""), (&LOSS, "loss ")];
    parts.extend(judge::told(&samples(seen), &said));
    parts.extend(seen.transport.map(|transport| format!("over {transport}")));
    parts.join(", ")
}

fn details(url: &str, seen: &Seen) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(server) = &seen.server {
        lines.push(format!("server: {server}"));
    }
    if seen.redirects > 0 && seen.url != url {
        lines.push(format!("redirected to: {}", seen.url));
    }
    if !seen.tracks.is_empty() {
        let kind = if seen.live { "live" } else { "on demand" };
        lines.push(format!("kind: {kind}, watched for {}", judge::seconds(seen.watched())));
    }
    for (track, s) in seen.statistics() {
        let jitter = s.jitter.map_or_else(|| "unknown".to_owned(), judge::seconds);
        lines.push(format!(
            "{}: {} packets, {} lost, {} lost at the start, {} reordered, {} twice, jitter {jitter}, longest gap {}",
            track.kind,
            s.received,
            s.missing,
            s.head_missing,
            s.reordered,
            s.duplicates,
            judge::seconds(s.longest_gap),
        ));
        if track.overflowed > 0 {
            lines.push(format!(
                "{}: {} of the lost packets came, and this host's receive buffer was full (net.core.rmem_max): they do not count as loss",
                track.kind, track.overflowed
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests;
