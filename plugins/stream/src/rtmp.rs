//! `check_rtmp`: do frames flow after `NetStream.Play.Start`, on every track, over time?

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use weir_cli::{Check, Common, seconds};
use weir_contract::text::redact;
use weir_contract::{Field, Finding, Outcome, Problem, Range, Sample, State, Thresholds, Unit, fault};
use weir_probe::Probe;
use weir_probe::rtmp::{Ended, PORTS, Seen, Tap, Track, Watch, watch};
use weir_wire::auth::Credentials;
use weir_wire::rtmp::{FLV_HEADER, Message, Setup};

use crate::common::{self, ExpectArgs, SourceArgs, StreamCheck, StreamLimits, watch_time};
use crate::dead_air::DeadAirArgs;
use crate::fields::{BITRATE, BLACK, FIRST_MEDIA, FROZEN, GAP, LOUDNESS, SILENCE, SPEED, TRACKS};
use crate::judge::{self, Details, Rule, SPEED_WARNING, WATCH_MIN, is_flow};
use crate::only_host::OnlyHostArgs;
use crate::target::Target;

/// The word before the state.
const SERVICE: &str = "RTMP";
/// What is measured.
const FIELDS: &[&Field] =
    &[&FIRST_MEDIA, &BITRATE, &SPEED, &GAP, &TRACKS, &LOUDNESS, &SILENCE, &FROZEN, &BLACK];
/// A live track that has sent nothing for so long at the end of the watch has stopped.
const STOPPED: Duration = Duration::from_secs(2);
/// A picture may begin with its next key frame only, and encoders as they come make one in 250 frames.
const KEY_FRAMES: Duration = Duration::from_secs(10);

/// The options of `check_rtmp`.
#[derive(Args, Debug)]
pub struct RtmpArgs {
    #[command(flatten)]
    source: SourceArgs,

    /// The application with its instance, where the URL does not tell where it ends: of `rtmp://h/a/b/c` it is a/b.
    #[arg(long, value_name = "NAME")]
    app: Option<String>,

    /// The stream, where the URL does not tell where it begins, such as mp4:films/a.mp4.
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,

    /// The page in which the player is, for servers that let only their own pages play.
    #[arg(long, value_name = "URL")]
    page_url: Option<String>,

    /// The player itself, for servers that ask for it.
    #[arg(long, value_name = "URL")]
    swf_url: Option<String>,

    /// How long to watch after the first frame; longer, as far as -t leaves time, for a track that has not come yet.
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = watch_time)]
    watch: Duration,

    /// How long to wait for the first frame; servers without a buffer begin a picture with its next key frame.
    #[arg(long, value_name = "SECONDS", default_value = "8", value_parser = seconds)]
    wait: Duration,

    #[command(flatten)]
    expect: ExpectArgs,

    /// Ask for a live stream only, and be critical when a recording comes.
    #[arg(long)]
    expect_live: bool,

    #[command(flatten)]
    only_host: OnlyHostArgs,

    #[command(flatten)]
    limits: StreamLimits,

    #[command(flatten)]
    air: DeadAirArgs,
}

impl RtmpArgs {
    /// What to ask for; a macro of the host may have been empty.
    fn options<'a>(&'a self, tap: Option<&'a Tap<'a>>) -> Watch<'a> {
        fn given(text: Option<&String>) -> Option<&str> {
            text.map(String::as_str).filter(|text| !text.is_empty())
        }
        Watch {
            app: given(self.app.as_ref()),
            stream: given(self.stream.as_ref()),
            page_url: given(self.page_url.as_ref()),
            swf_url: given(self.swf_url.as_ref()),
            live_only: self.expect_live,
            time: self.watch.max(self.air.time()),
            patience: self.wait,
            tap,
        }
    }
}

/// `check_rtmp`
#[derive(Debug)]
pub struct Rtmp;

impl Check for Rtmp {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check a stream over RTMP: do frames flow, on every track, over time?\n\n\
        Asks as a player does (handshake, connect, createStream, play) and watches for a few seconds. RTMP servers agree to play what \
        nobody publishes, and send the headers that they have kept: only frames of sound and picture count, and their time stamps tell \
        whether the source keeps up with the clock. Speaks rtmp and rtmps.";
    const EXAMPLES: &'static str = "  A channel with picture and sound, the first frame within 2 seconds:\n    \
        check_rtmp rtmp://live.example.net/live/news --expect-tracks video,audio -w 2 -c 5\n  \
        Codec and bit rate, over TLS, with a token:\n    \
        check_rtmp -u 'rtmps://live.example.net/live/news?token=abc' --expect-codec H264,AAC --min-bitrate 500000\n  \
        A URL that does not tell where the application ends:\n    \
        check_rtmp rtmp://live.example.net/live/studio/one --app live";
    const FIELDS: &'static [&'static Field] = FIELDS;
    type Args = RtmpArgs;

    fn validate(args: &RtmpArgs) -> Result<(), Problem> {
        args.limits.check(FIELDS)
    }

    fn thresholds(args: &RtmpArgs) -> Vec<(&'static Field, Thresholds)> {
        args.limits.all(FIELDS, &args.air, rule)
    }

    fn run(args: &RtmpArgs, common: &Common) -> Outcome {
        common::run::<Self>(args, common)
    }
}

impl StreamCheck for Rtmp {
    fn url(args: &RtmpArgs) -> &str {
        args.source.url()
    }

    async fn check(args: &RtmpArgs, common: &Common) -> Result<Outcome, Problem> {
        args.air.fits(common)?;
        let look = async |probe: &Probe,
                          address: SocketAddr,
                          target: &Target,
                          credentials: Option<&Credentials>| {
            let mut seen = Seen::default();
            if credentials.is_some() {
                let text = "RTMP has no way to give a user and a password: servers take a token in the stream's name, \
                            after a question mark";
                let problem = Problem::new(&fault::USAGE, text);
                return Outcome::failed(SERVICE, target.url.as_str(), problem);
            }
            let ear = args.air.ear().map(RefCell::new);
            let tap = ear.as_ref().map(|ear| {
                ear.borrow_mut().feed(FLV_HEADER);
                RefCell::new(|message: &Message| {
                    if let Some(tag) = message.flv_tag() {
                        ear.borrow_mut().feed(&tag);
                    }
                })
            });
            let tap = tap.as_ref().map(|tap| tap as &Tap<'_>);
            let problem = watch(probe, &target.url, address, args.options(tap), &mut seen).await.err();
            let mut outcome = judge(args, target.url.as_str(), &seen, problem);
            let redirects = seen.redirects.iter().map(|url| ("stream", url));
            args.only_host.judge(&mut outcome, target, address.ip(), redirects);
            let air = ear.map(|ear| ear.into_inner().report());
            args.air.judge(&mut outcome, air.as_ref(), &args.limits, FIELDS);
            outcome
        };
        args.source.every_address(SERVICE, common, PORTS, look).await
    }
}

/// Facts to verdict.
fn judge(args: &RtmpArgs, url: &str, seen: &Seen, problem: Option<Problem>) -> Outcome {
    let mut outcome = Outcome::new(SERVICE, url);
    outcome.headline = headline(seen);
    outcome.details = details(seen);
    match problem {
        Some(problem) => outcome.findings.push(problem.into()),
        None => flow(&mut outcome, args, seen),
    }
    if seen.first_media.is_some() {
        let tracks: Vec<_> = seen.tracks().map(|(kind, track)| (kind, track.codec.as_deref())).collect();
        args.expect.judge(&mut outcome, &tracks, &describe(seen), &fault::RTMP_TRACKS);
        if args.expect_live && !seen.live() {
            let duration = seen.metadata.as_ref().and_then(|data| data.duration);
            let duration = duration.map(|time| format!(" of {}", judge::seconds(time))).unwrap_or_default();
            outcome.find(&fault::RTMP_FILE, format!("the stream is a recording{duration}, not live"));
        }
    }
    let broken = outcome.state() == State::Critical;
    args.limits.judge(&mut outcome, samples(seen), FIELDS, rule, |_, field| broken && is_flow(field));
    outcome
}

fn rule(field: &Field) -> Rule {
    match field.id {
        "first_media" => Rule::of(&fault::START_SLOW),
        "bitrate" => Rule::of(&fault::BITRATE),
        "speed" => Rule::of(&fault::RTMP_SPEED).warn(Range::below(SPEED_WARNING)),
        "gap" => Rule::of(&fault::STREAM_GAP),
        _ => Rule::of(&fault::RTMP_TRACKS),
    }
}

/// Whether media flows, which is the question.
fn flow(outcome: &mut Outcome, args: &RtmpArgs, seen: &Seen) {
    let ended = seen.ended.as_ref().map(|ended| match ended {
        Ended::Said(words) => format!("the stream ended: the server said {words}"),
        Ended::Closed => "the server closed the connection".to_owned(),
    });
    if seen.first_media.is_none() {
        silent(outcome, args, seen, ended.as_deref());
        return;
    }
    let watched = seen.watched();
    if let (Some(how), true) = (ended, ended_early(seen)) {
        let text = format!("{how}, after {} and {} frames", judge::seconds(watched), frames(seen));
        outcome.find(&fault::RTMP_ENDED, text);
        return;
    }
    // A recording may have been sent ahead.
    let owed = seen.live() || seen.pace.media_time < watched;
    let silence = seen.pace.silence(seen.until);
    // Sound has no slower frames.
    let only = if seen.tracks().any(|(kind, _)| kind == "audio") { "audio" } else { "video" };
    if seen.ended.is_none() && owed && silence >= stopped(only, seen) {
        outcome.find(&fault::STREAM_STALLED, judge::stalled(frames(seen), "frames", watched, silence));
        return;
    }
    let least = if seen.video.frames > 0 { stopped("video", seen).max(WATCH_MIN) } else { WATCH_MIN };
    if seen.live() && seen.ended.is_none() && watched < least {
        outcome.find(&fault::NO_DATA, judge::too_short(watched, "watch"));
        return;
    }
    for (kind, track) in seen.tracks() {
        if let Some((state, text)) = track_silent(kind, track, seen) {
            let subject = kind.to_owned();
            outcome.findings.push(Finding { fault: &fault::RTMP_TRACK_SILENT, state, subject, text });
        }
    }
}

/// No frame came at all.
fn silent(outcome: &mut Outcome, args: &RtmpArgs, seen: &Seen, ended: Option<&str>) {
    let waited = seen.until.saturating_sub(seen.asked.unwrap_or_default());
    if ended.is_none() && judge::hurried(outcome, waited, args.wait) {
        return;
    }
    let what = ended.unwrap_or("no frame came");
    let said = seen.said.as_deref().map_or_else(|| "nothing".to_owned(), str::to_owned);
    let kept: Vec<&str> = seen.tracks().filter(|(_, track)| track.set_up).map(|(kind, _)| kind).collect();
    let kept = match kept.as_slice() {
        [] => String::new(),
        kept => format!(", and sent the headers of {} that it has kept", kept.join(" and ")),
    };
    let fault = if ended.is_some() { &fault::RTMP_REFUSED } else { &fault::RTMP_SILENT };
    let text = format!("{what} within {} of play (the server said {said}{kept})", judge::seconds(waited));
    outcome.find(fault, text);
}

/// Whether a track sends nothing while the other one flows.
fn track_silent(kind: &str, track: &Track, seen: &Seen) -> Option<(State, String)> {
    if seen.ended.is_some() {
        return None;
    }
    if track.frames > 0 {
        let silence = track.pace.silence(seen.until);
        let text = || format!("{} frames, then none for {}", track.frames, judge::seconds(silence));
        return (silence >= stopped(kind, seen) && seen.live()).then(|| (State::Critical, text()));
    }
    let waited = seen.until.saturating_sub(seen.asked.unwrap_or_default());
    let text = format!("no frame within {}, the other track flows", judge::seconds(waited));
    // A picture whose key frames are rare may still come.
    if kind == "video" && waited < KEY_FRAMES {
        let more = "key frames may be that rare: raise -t to 15 to be certain";
        return Some((State::Warning, format!("{text}; {more}")));
    }
    Some((State::Critical, text))
}

/// How long nothing must have come of a track that has stopped: of slides, three of them.
fn stopped(kind: &str, seen: &Seen) -> Duration {
    seen.slides().filter(|_| kind == "video").map_or(STOPPED, |slides| slides.max(STOPPED))
}

fn frames(seen: &Seen) -> u64 {
    seen.video.frames + seen.audio.frames
}

/// Whether a stream that has ended should have gone on.
fn ended_early(seen: &Seen) -> bool {
    let duration = seen.metadata.as_ref().and_then(|data| data.duration);
    seen.live() || duration.is_some_and(|duration| seen.pace.media_time + STOPPED < duration)
}

/// The facts as numbers.
fn samples(seen: &Seen) -> Vec<Sample> {
    let flows = seen.first_media.is_some();
    let sending = seen.tracks().filter(|(_, track)| track.frames > 0).count();
    vec![
        FIRST_MEDIA.sample_opt(seen.first_media),
        BITRATE.sample_opt(seen.bitrate()),
        // A recording may come faster or slower than it plays.
        SPEED.sample_opt(seen.speed().filter(|_| seen.live())),
        GAP.sample_opt(flows.then(|| seen.pace.longest_pause(seen.until, seen.ended.is_some()))),
        TRACKS.sample_opt(flows.then_some(sending)),
    ]
}

/// `H264 320x180 15 fps + AAC`.
fn describe(seen: &Seen) -> String {
    let data = seen.metadata.clone().unwrap_or_default();
    let one = |(kind, track): (&str, &Track)| {
        let codec = track.codec.as_deref().unwrap_or(kind);
        if kind != "video" {
            return codec.to_owned();
        }
        let size = match (track.setup, data.size) {
            (Some(Setup::Picture(size)), _) => format!(" {}x{}", size.width, size.height),
            (_, Some((width, height))) => format!(" {width:.0}x{height:.0}"),
            _ => String::new(),
        };
        let rate = data.frame_rate.map(|rate| format!(" {} fps", (rate * 100.0).round() / 100.0));
        format!("{codec}{size}{}", rate.unwrap_or_default())
    };
    seen.tracks().map(one).collect::<Vec<_>>().join(" + ")
}

fn headline(seen: &Seen) -> String {
    let mut parts = vec![describe(seen)];
    let said = [(&FIRST_MEDIA, "first frame after "), (&BITRATE, ""), (&SPEED, "speed ")];
    parts.extend(judge::told(&samples(seen), &said));
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

fn details(seen: &Seen) -> Vec<String> {
    let mut details = Details::default();
    let mut say = |name: &str, value: Option<String>| details.say(name, value);
    let location = seen.location.as_ref();
    say("application", location.map(|location| location.app.clone()));
    say("stream", location.map(|location| location.stream.clone()));
    say("server", seen.server.clone());
    say("redirected to", seen.redirects.last().map(|url| redact(url.as_str()).into_owned()));
    say("server said", seen.said.clone());
    if seen.first_media.is_some() {
        say("kind", Some(if seen.live() { "live" } else { "recording" }.to_owned()));
    }
    if let Some(data) = &seen.metadata {
        say("encoder", data.encoder.clone());
        say("announced", data.bit_rate.map(|rate| Unit::BitsPerSecond.human(rate.into())));
        say("duration", data.duration.map(judge::seconds));
    }
    for (kind, track) in seen.tracks() {
        let codec = track.codec.as_deref().unwrap_or("codec unknown");
        let sound = match track.setup {
            Some(Setup::Sound(sound)) => format!(" {} Hz, {} channels", sound.sample_rate, sound.channels),
            _ => String::new(),
        };
        let keys =
            if kind == "video" { format!(" ({} key frames)", track.key_frames) } else { String::new() };
        let gap = judge::seconds(track.pace.longest_gap);
        let text = format!("{codec}{sound}, {} frames{keys}, longest gap {gap}", track.frames);
        say(kind, Some(text));
    }
    details.0
}

#[cfg(test)]
mod tests;
