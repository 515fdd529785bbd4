//! `check_pnm`: `RealNetworks` over PNA.

use std::time::Duration;

use clap::Args;
use weir_cli::{Check, Common, seconds};
use weir_contract::{Field, Outcome, Problem, Range, Sample, State, Thresholds, Unit, fault};
use weir_probe::Probe;
use weir_probe::pna::{End, PORT, Seen, Watch, watch};
use weir_wire::auth::Credentials;
use weir_wire::realmedia::{Codec, Stream};

use crate::common::{self, ExpectArgs, SourceArgs, StreamCheck, StreamLimits, watch_time};
use crate::dead_air::DeadAirArgs;
use crate::fields::{BITRATE, FIRST_MEDIA, GAP, SPEED};
use crate::judge::{self, Details, Rule, SPEED_WARNING, WATCH_MIN, is_flow};
use crate::target::Target;

/// The word before the state.
const SERVICE: &str = "PNM";
/// Why dead air cannot be told.
const UNHEARD: &str = "the codecs of RealNetworks are not decoded";
/// What is measured.
const FIELDS: &[&Field] = &[&FIRST_MEDIA, &BITRATE, &SPEED, &GAP];
/// The schemes that players know, and their port.
const PORTS: &[(&str, u16)] = &[("pnm", PORT), ("pna", PORT)];
/// A stream that has sent nothing for so long at the end of the watch has stopped.
const STOPPED: Duration = Duration::from_secs(2);

/// The options of `check_pnm`.
#[derive(Args, Debug)]
pub struct PnmArgs {
    #[command(flatten)]
    source: SourceArgs,

    /// How long to watch after the first packet. What comes in the first second may be the server's buffer.
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = watch_time)]
    watch: Duration,

    /// How long to wait for the first packet after the stream's description.
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = seconds)]
    wait: Duration,

    /// Ask for the description only: that the server answers and the path exists. Whether media flows is not looked at.
    #[arg(long)]
    describe_only: bool,

    #[command(flatten)]
    expect: ExpectArgs,

    /// Critical when the stream is a file that is played from its beginning, or ends.
    #[arg(long)]
    expect_live: bool,

    #[command(flatten)]
    limits: StreamLimits,
    #[command(flatten)]
    air: DeadAirArgs,
}

/// `check_pnm`
#[derive(Debug)]
pub struct Pnm;

impl Check for Pnm {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check a RealNetworks stream over PNA (pnm://, port 7070): does it play, in time?\n\n\
        Asks as a player does, reads the stream's description (title, codec, bit rate), watches media on the same connection for a \
        few seconds, and judges what came: its times tell whether the source keeps up with the clock. A server that describes the \
        stream and sends nothing is CRITICAL. A server that gives media only to players that can answer its challenge is UNKNOWN: \
        say --describe-only to check no more than that it answers and the path exists.";
    const EXAMPLES: &'static str = "  A radio channel:\n    \
        check_pnm pnm://media.example.net/radio.rm --expect-codec cook --min-bitrate 16000\n  \
        A live channel that must keep up with the clock, the first packet within 2 seconds:\n    \
        check_pnm -u pnm://media.example.net/live/news.rm --expect-live -w 2 -w speed=90: -c speed=50:\n  \
        Only that every real server answers and knows the path:\n    \
        check_pnm pnm://media.example.net/clip.rm --describe-only --addresses all";
    const FIELDS: &'static [&'static Field] = FIELDS;
    type Args = PnmArgs;

    fn validate(args: &PnmArgs) -> Result<(), Problem> {
        args.limits.check(FIELDS)
    }

    fn thresholds(args: &PnmArgs) -> Vec<(&'static Field, Thresholds)> {
        args.limits.all(FIELDS, &args.air, rule)
    }

    fn run(args: &PnmArgs, common: &Common) -> Outcome {
        common::run::<Self>(args, common)
    }
}

impl StreamCheck for Pnm {
    fn url(args: &PnmArgs) -> &str {
        args.source.url()
    }

    async fn check(args: &PnmArgs, common: &Common) -> Result<Outcome, Problem> {
        let look = async |probe: &Probe, address, target: &Target, credentials: Option<&Credentials>| {
            let url = target.url.as_str();
            if credentials.is_some() {
                let text = "PNA has no way to give a user and a password: leave them out";
                return Outcome::failed(SERVICE, url, Problem::new(&fault::USAGE, text));
            }
            let time = (!args.describe_only).then_some(args.watch);
            let mut seen = Seen::default();
            let options = Watch { time, patience: args.wait };
            let problem = watch(probe, &target.url, address, options, &mut seen).await.err();
            let mut outcome = judge(args, url, &seen, problem);
            args.air.unheard(&mut outcome, UNHEARD, &args.limits, FIELDS);
            outcome
        };
        args.source.every_address(SERVICE, common, PORTS, look).await
    }
}

/// Facts to verdict.
fn judge(args: &PnmArgs, url: &str, seen: &Seen, problem: Option<Problem>) -> Outcome {
    let mut outcome = Outcome::new(SERVICE, url);
    outcome.headline = headline(args, seen);
    outcome.details = details(seen);
    match problem {
        Some(problem) => outcome.findings.push(problem.into()),
        None if args.describe_only => {}
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
        "speed" => Rule::of(&fault::PNM_SPEED).warn(Range::below(SPEED_WARNING)),
        _ => Rule::of(&fault::STREAM_GAP),
    }
}

/// Whether media flows, which is the question.
fn flow(outcome: &mut Outcome, args: &PnmArgs, seen: &Seen) {
    let how = seen.ended.as_ref().map(|end| match end {
        End::Said => "the server ended the stream".to_owned(),
        End::Closed => "the server closed the connection".to_owned(),
        End::Message(text) => format!("the server ended the stream and said `{text}`"),
    });
    if seen.first_media.is_none() {
        let waited = seen.until.saturating_sub(seen.described.unwrap_or_default());
        match how {
            Some(how) if seen.proof => {
                let text = format!("{how} after our answer to its challenge: media could not be looked at");
                outcome.find(&fault::PNM_PROOF, text);
            }
            None if judge::hurried(outcome, waited, args.wait) => {}
            how => {
                let what = how.as_deref().unwrap_or("no media came");
                let garbage = match seen.skipped {
                    0 => String::new(),
                    bytes => format!(", {} that are no media", Unit::Bytes.human(bytes.into())),
                };
                let text = format!("{what} within {} of the description{garbage}", judge::seconds(waited));
                outcome.find(&fault::PNM_SILENT, text);
            }
        }
        return;
    }
    let watched = seen.watched();
    if let Some(how) = how.filter(|_| ended_early(seen)) {
        let text = format!("{how} after {} and {} packets", judge::seconds(watched), seen.packets);
        outcome.find(&fault::PNM_ENDED, text);
        return;
    }
    let silence = seen.pace.silence(seen.until);
    // A file may have been sent ahead, up to its end.
    let dry = seen.pace.media_time < watched && is_unfinished(seen);
    if seen.ended.is_none() && silence >= STOPPED && (seen.live() || dry) {
        outcome.find(&fault::STREAM_STALLED, judge::stalled(seen.packets, "packets", watched, silence));
    } else if seen.live() && watched < WATCH_MIN {
        outcome.find(&fault::NO_DATA, judge::too_short(watched, "watch"));
    }
}

/// Whether a stream that has ended should have gone on.
fn ended_early(seen: &Seen) -> bool {
    match &seen.ended {
        None => false,
        Some(End::Message(_)) => true,
        Some(_) => seen.live() || is_unfinished(seen),
    }
}

/// Whether more of a file should have come than did.
fn is_unfinished(seen: &Seen) -> bool {
    let duration = seen.header.as_ref().and_then(|header| header.duration_ms).unwrap_or_default();
    seen.pace.media_time + STOPPED < Duration::from_millis(duration.into())
}

/// The tracks of the description; none before it came.
fn tracks(seen: &Seen) -> impl Iterator<Item = &Stream> {
    seen.header.iter().flat_map(|header| &header.streams).filter(|stream| stream.is_media())
}

/// Whether it is what was expected.
fn content(outcome: &mut Outcome, args: &PnmArgs, seen: &Seen) {
    if seen.header.is_none() {
        return;
    }
    let codecs: Vec<String> = tracks(seen).map(Stream::codec_name).collect();
    let kinds = tracks(seen).map(Stream::kind);
    let tracks: Vec<_> = kinds.zip(codecs.iter().map(|codec| Some(codec.as_str()))).collect();
    args.expect.judge(outcome, &tracks, &describe(seen), &fault::PNM_TRACKS);
    if args.expect_live && !seen.live() {
        outcome.find(&fault::PNM_FILE, format!("the stream is a file of {}, not live", duration(seen)));
    }
}

fn duration(seen: &Seen) -> String {
    let milliseconds = seen.header.as_ref().and_then(|header| header.duration_ms).unwrap_or_default();
    judge::seconds(Duration::from_millis(milliseconds.into()))
}

/// The facts as numbers.
fn samples(seen: &Seen) -> Vec<Sample> {
    let flows = seen.first_media.is_some();
    vec![
        FIRST_MEDIA.sample_opt(seen.first_media),
        BITRATE.sample_opt(seen.bitrate()),
        // A file may come faster or slower than it plays.
        SPEED.sample_opt(seen.pace.speed().filter(|_| seen.live())),
        GAP.sample_opt(flows.then(|| longest_gap(seen))),
    ]
}

fn longest_gap(seen: &Seen) -> Duration {
    seen.pace.longest_pause(seen.until, seen.ended.is_some())
}

fn describe(seen: &Seen) -> String {
    let one = |stream: &Stream| match &stream.codec {
        Some(Codec::Video { width, height, .. }) => format!("{} {width}x{height}", stream.codec_name()),
        _ => stream.codec_name(),
    };
    tracks(seen).map(one).collect::<Vec<_>>().join(" + ")
}

fn headline(args: &PnmArgs, seen: &Seen) -> String {
    let mut parts: Vec<String> = seen.header.iter().map(|_| describe(seen)).collect();
    if args.describe_only && seen.header.is_some() {
        parts
            .push("the server answers and the path exists; whether media flows was not looked at".to_owned());
    }
    let said = [(&FIRST_MEDIA, "first media after "), (&BITRATE, ""), (&SPEED, "speed ")];
    parts.extend(judge::told(&samples(seen), &said));
    parts.join(", ")
}

fn details(seen: &Seen) -> Vec<String> {
    let mut details = Details::default();
    let mut say = |name: &str, value: Option<String>| details.say(name, value);
    say("server", seen.version.map(|version| format!("PNA version {version}")));
    if let Some(header) = &seen.header {
        say("kind", Some(if seen.live() { "live" } else { "on demand" }.to_owned()));
        say("title", header.title.clone());
        say("author", header.author.clone());
        say("duration", (!seen.live()).then(|| duration(seen)));
        let rate = |bits: u32| (bits > 0).then(|| Unit::BitsPerSecond.human(bits.into()));
        say("advertised", rate(header.bit_rate));
        for stream in tracks(seen) {
            let at = rate(stream.bit_rate).map(|rate| format!(" at {rate}")).unwrap_or_default();
            say(
                &format!("{} {}", stream.kind(), stream.number),
                Some(format!("{}{at}", stream.codec_name())),
            );
        }
    }
    say("challenge", seen.proof.then(|| "the server wants an answer that only some players know".to_owned()));
    let packets = format!(
        "{}, {} bytes passed over, longest gap {}",
        seen.packets,
        seen.skipped,
        judge::seconds(longest_gap(seen))
    );
    say("packets", (seen.packets > 0).then_some(packets));
    details.0
}

#[cfg(test)]
mod tests {
    use weir_cli::parse_options;
    use weir_wire::realmedia::Header;

    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// A file of `duration` milliseconds (or live), of which `media` came within the first 100 of 4 seconds.
    fn seen(duration: Option<u32>, media: u64) -> Seen {
        let header = Header { live: Some(duration.is_none()), duration_ms: duration, ..Header::default() };
        let mut seen = Seen { header: Some(header), described: Some(ms(0)), packets: 20, ..Seen::default() };
        (seen.first_media, seen.until) = (Some(ms(100)), ms(4100));
        (seen.pace.last_arrival, seen.pace.media_time) = (Some(ms(200)), ms(media));
        seen
    }

    fn codes(seen: &Seen) -> Vec<&'static str> {
        let (args, _) = parse_options::<Pnm>(&["pnm://h.example.net/a".to_owned()]).expect("good options");
        let outcome = judge(&args, "pnm://h.example.net/a", seen, None);
        outcome.ranked().iter().map(|finding| finding.fault.code).collect()
    }

    #[test]
    fn a_file_may_be_sent_ahead_and_may_be_short() {
        assert!(codes(&seen(Some(60_000), 30_000)).is_empty(), "half a minute ahead");
        assert!(codes(&seen(Some(3000), 2900)).is_empty(), "all of it");
        assert_eq!(codes(&seen(Some(60_000), 2000)), ["E-STREAM-STALLED"]);
        assert_eq!(codes(&seen(None, 30_000)), ["E-STREAM-STALLED"], "a live stream cannot be ahead");
    }

    #[test]
    fn an_end_is_well_at_the_end_of_a_file_only() {
        let ended = |duration, media, end| Seen { ended: Some(end), ..seen(duration, media) };
        assert!(codes(&ended(Some(3000), 2900, End::Said)).is_empty());
        assert!(codes(&ended(Some(3000), 2900, End::Closed)).is_empty());
        assert_eq!(codes(&ended(Some(60_000), 2900, End::Closed)), ["E-PNM-ENDED"]);
        assert_eq!(codes(&ended(None, 2900, End::Said)), ["E-PNM-ENDED"]);
        assert_eq!(codes(&ended(Some(3000), 2900, End::Message("full".to_owned()))), ["E-PNM-ENDED"]);
    }
}
