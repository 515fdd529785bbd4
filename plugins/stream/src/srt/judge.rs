//! Facts to verdict.

use std::time::Duration;

use weir_contract::{Fault, Field, Finding, Outcome, Problem, Range, Sample, State, Unit, Value, fault};
use weir_probe::srt::{End, Seen};
use weir_wire::srt::KeyState;
use weir_wire::ts::{Kind, Report, Stream};

use super::address::Address;
use super::{FIELDS, SERVICE, SrtArgs};
use crate::fields::{BITRATE, CONTINUITY, FIRST_MEDIA, GAP, LOSS, NULLS, RESENT, RTT, TRACKS};
use crate::judge::{Details, Rule, hurried, is_flow, seconds, stalled, told};

/// A stream that has sent nothing for so long at the end of the watch has stopped.
const STOPPED: Duration = Duration::from_millis(1500);
/// A living peer says something every second (section 3.2.3); after this time without it hangs, or the way is cut.
const MUTE: Duration = Duration::from_millis(2500);
/// Tables of a transport stream come more often than this.
const TABLES: Duration = Duration::from_secs(1);
/// Percent of packets that players lack.
const LOSS_LIMITS: (f64, f64) = (1.0, 5.0);
/// Percent of packets that were sent again: the latency hides them, at the price of as much more bandwidth.
const RESENT_WARNING: f64 = 10.0;

pub(super) fn judge(
    args: &SrtArgs,
    url: &str,
    asked: &Address,
    seen: &Seen,
    problem: Option<Problem>,
) -> Outcome {
    let mut outcome = Outcome::new(SERVICE, url);
    outcome.headline = headline(seen);
    outcome.details = details(seen);
    if let Some(problem) = problem {
        outcome.findings.push(explained(problem, asked).into());
    } else {
        flow(&mut outcome, args, seen);
        secret(&mut outcome, asked, seen);
        content(&mut outcome, args, seen);
    }
    if seen.dropped > 0 {
        let text = format!("{} packets came and were dropped by this host's own socket", seen.dropped);
        outcome.find(&fault::UDP_OVERFLOW, text);
    }
    let broken = outcome.state() == State::Critical;
    args.limits.judge(&mut outcome, samples(seen), FIELDS, rule, |_, field| match field.id {
        // A loss that is our own.
        "loss" | "resent" => seen.dropped > 0,
        // What was lost on the way shows in the transport stream too.
        "continuity" => broken || seen.statistics.lost > 0,
        _ => broken && is_flow(field),
    });
    for finding in &mut outcome.findings {
        finding.text.push_str(&means(finding.fault, seen));
    }
    outcome
}

pub(super) fn rule(field: &Field) -> Rule {
    match field.id {
        "first_media" => Rule::of(&fault::START_SLOW),
        "bitrate" => Rule::of(&fault::BITRATE),
        "loss" => Rule::of(&fault::SRT_LOSS).above(LOSS_LIMITS),
        "resent" => Rule::of(&fault::SRT_RESENT).warn(Range::above(RESENT_WARNING)),
        "rtt" => Rule::of(&fault::SRT_RTT),
        "gap" => Rule::of(&fault::STREAM_GAP),
        "continuity" => Rule::of(&fault::TS_CONTINUITY).warn(Range::above(0.0)),
        "nulls" => Rule::of(&fault::TS_NULLS),
        _ => Rule::of(&fault::TS_TRACKS),
    }
}

/// What a rejection leaves open: who has a passphrase, and which stream was asked for.
fn explained(mut problem: Problem, asked: &Address) -> Problem {
    if problem.fault == &fault::SRT_PASSPHRASE {
        let ours = if asked.passphrase.is_some() { "was given here" } else { "was not given here" };
        problem.text = format!("{}; a passphrase {ours}", problem.text);
    } else if problem.fault == &fault::SRT_REJECTED {
        let id = asked.stream_id.as_deref().filter(|id| !id.is_empty());
        let which = id.map_or("no stream id was given".to_owned(), |id| format!("the stream id is `{id}`"));
        problem.text = format!("{}; {which}", problem.text);
    }
    problem
}

/// What makes a loss worse than it need be.
fn means(fault: &'static Fault, seen: &Seen) -> String {
    let Some(rtt) = seen.rtt.filter(|_| fault == &fault::SRT_LOSS || fault == &fault::SRT_RESENT) else {
        return String::new();
    };
    let enough = if seen.latency < rtt * 4 { ", which is less than 4 round trips" } else { "" };
    format!(" (latency {}{enough}, round trip {})", seconds(seen.latency), seconds(rtt))
}

/// Whether media flows, which is the question.
fn flow(outcome: &mut Outcome, args: &SrtArgs, seen: &Seen) {
    let packets = seen.statistics.received;
    let mute = seen.last_heard.map_or(Duration::ZERO, |last| seen.until.saturating_sub(last));
    let how = match seen.ended {
        Some(End::Shutdown) => Some((&fault::STREAM_ENDED, "the server ended the connection".to_owned())),
        Some(End::Gone) => Some((&fault::SRT_LOST_PEER, "the server's port was closed".to_owned())),
        Some(End::Silent) => Some((&fault::SRT_LOST_PEER, mute_for(mute))),
        None if mute >= MUTE => Some((&fault::SRT_LOST_PEER, mute_for(mute))),
        None => None,
    };
    if seen.first_media.is_none() {
        let waited = seen.until.saturating_sub(seen.connected.unwrap_or_default());
        match how {
            Some((fault, how)) => {
                let text = format!("{how} {} after it had accepted us, without any media", seconds(waited));
                outcome.find(fault, text);
            }
            None if hurried(outcome, waited, args.wait) => {}
            None => {
                let text = format!(
                    "no media within {} after the server accepted us; it keeps the connection alive, so its source is silent, or it \
                     waits for media itself",
                    seconds(waited)
                );
                outcome.find(&fault::SRT_SILENT, text);
            }
        }
        return;
    }
    let silence = seen.pace.silence(seen.until);
    if let Some((fault, how)) = how {
        let came = seconds(seen.watched().saturating_sub(silence));
        outcome.find(fault, format!("{how}; {packets} packets came in {came}"));
    } else if silence >= STOPPED {
        let stalled = stalled(packets, "packets", seen.watched(), silence);
        outcome.find(&fault::STREAM_STALLED, format!("{stalled}; the server keeps the connection alive"));
    }
}

fn mute_for(time: Duration) -> String {
    format!("the server has said nothing at all, not even a sign of life, for {}", seconds(time))
}

/// Whether media can be read.
fn secret(outcome: &mut Outcome, asked: &Address, seen: &Seen) {
    let content = &seen.content;
    let text = match (&asked.passphrase, seen.key_state) {
        (Some(_), Some(KeyState::BadSecret)) => {
            "the server accepts us and says that the passphrase is wrong".to_owned()
        }
        (Some(_), _) if content.locked > 0 => {
            let all = content.encrypted;
            format!(
                "{} of {all} encrypted packets have a key that the passphrase did not open",
                content.locked
            )
        }
        (Some(_), _) if content.clear > 0 && content.encrypted == 0 => {
            let text =
                "a passphrase was given, and media comes in clear: whoever listens on the way can see it";
            outcome.find_as(State::Warning, &fault::SRT_PASSPHRASE, text);
            return;
        }
        _ => return,
    };
    outcome.find(&fault::SRT_PASSPHRASE, text);
}

/// Whether it is what was expected, as far as can be seen.
fn content(outcome: &mut Outcome, args: &SrtArgs, seen: &Seen) {
    if seen.first_media.is_none() {
        return;
    }
    let Some(ts) = &seen.content.ts else {
        args.expect.judge(outcome, &[], &described(seen), &fault::TS_TRACKS);
        return;
    };
    let streams: Vec<&Stream> = ts.streams().collect();
    // With some packets only, tables may be on their way.
    let long_enough = seen.watched() >= TABLES;
    let count = ts.packets;
    if ts.null_packets == ts.packets {
        outcome.find(&fault::TS_EMPTY, format!("all {count} transport packets are stuffing"));
    } else if long_enough && ts.programs.is_empty() {
        outcome.find(&fault::TS_PAT, format!("no programme table in {count} transport packets"));
    } else if long_enough && !streams.is_empty() && ts.sending().next().is_none() {
        let text = format!("tables and stuffing flow, and nothing of {}", described(seen));
        outcome.find(&fault::TS_EMPTY, text);
    } else if long_enough {
        for stream in streams.iter().filter(|stream| matches!(stream.kind, Kind::Video | Kind::Audio)) {
            if !ts.pids.contains_key(&stream.pid) {
                let text =
                    format!("the tables announce it, and nothing of it came in {}", seconds(seen.watched()));
                outcome.findings.push(Finding {
                    fault: &fault::TS_PID,
                    state: fault::TS_PID.state,
                    subject: stream.to_string(),
                    text,
                });
            }
        }
    }
    if long_enough || !streams.is_empty() {
        let tracks: Vec<(&str, Option<&str>)> =
            streams.iter().map(|stream| (stream.kind_name(), Some(stream.codec))).collect();
        args.expect.judge(outcome, &tracks, &described(seen), &fault::TS_TRACKS);
    }
}

/// What the stream holds, in a few words.
fn described(seen: &Seen) -> String {
    let content = &seen.content;
    if let Some(ts) = &content.ts {
        let codecs: Vec<&str> = ts.streams().map(|stream| stream.codec).collect();
        return if codecs.is_empty() { "no programme".to_owned() } else { codecs.join(" + ") };
    }
    match content.container {
        Some(container) => format!("no MPEG-TS ({})", container.name()),
        None if content.locked > 0 => "encrypted media".to_owned(),
        None => "nothing readable".to_owned(),
    }
}

/// The facts as numbers.
fn samples(seen: &Seen) -> Vec<Sample> {
    let flows = seen.first_media.is_some();
    let statistics = &seen.statistics;
    let ts = seen.content.ts.as_ref();
    let tracks = ts.map(|ts| ts.sending().count());
    vec![
        FIRST_MEDIA.sample_opt(seen.first_media),
        BITRATE.sample_opt(seen.pace.live_rate(seen.until)),
        LOSS.sample_opt(statistics.loss()),
        RESENT.sample_opt(statistics.retransmission()),
        RTT.sample_opt(seen.rtt),
        GAP.sample_opt(flows.then(|| longest_gap(seen))),
        TRACKS.sample_opt(tracks),
        CONTINUITY.sample_opt(ts.map(Report::continuity_errors)),
        NULLS.sample_opt(ts.map(|ts| tenths(ts.null_share()))),
    ]
}

/// A share as percent with one decimal.
fn tenths(share: f64) -> f64 {
    (share * 1000.0).round() / 10.0
}

fn longest_gap(seen: &Seen) -> Duration {
    seen.pace.longest_pause(seen.until, seen.ended.is_some())
}

fn headline(seen: &Seen) -> String {
    let mut parts = Vec::new();
    if seen.first_media.is_some() {
        parts.push(described(seen));
    }
    let said = [
        (&FIRST_MEDIA, "first media after "),
        (&BITRATE, ""),
        (&LOSS, "loss "),
        (&RESENT, "resent "),
        (&RTT, "round trip "),
    ];
    parts.extend(told(&samples(seen), &said));
    parts.join(", ")
}

fn details(seen: &Seen) -> Vec<String> {
    let mut details = Details::default();
    let mut say = |name: &str, value: String| details.say(name, value);
    if let Some(settings) = &seen.settings {
        say("server", format!("SRT {}", settings.version_text()));
        say("latency", seconds(seen.latency));
    }
    let content = &seen.content;
    match (seen.key_bits, content.encrypted, content.locked) {
        (Some(bits), 1.., 0) => say("encryption", format!("AES with {bits} bits")),
        (None, 1.., 1..) => {
            say("encryption", "yes, and no passphrase was given: only the flow can be judged".to_owned());
        }
        _ => {}
    }
    if seen.first_media.is_none() {
        return details.0;
    }
    let all = &seen.statistics;
    let percent = |share: Option<f64>| Unit::Percent.human(Value::Number(share.unwrap_or_default()));
    say(
        "packets",
        format!(
            "{} came in time, {} of them sent again; {} never or too late ({} too late), {} still missing at the end",
            all.received, all.recovered, all.lost, all.late, seen.missing
        ),
    );
    say(
        "way",
        format!(
            "loses {} at first; {} packets in another order, {} twice, longest gap {}",
            percent(all.first_loss()),
            all.reordered,
            all.repeated,
            seconds(longest_gap(seen))
        ),
    );
    let Some(ts) = &content.ts else {
        say("payload", described(seen));
        return details.0;
    };
    for stream in ts.streams() {
        let came = ts.pids.get(&stream.pid).map_or(0, |pid| pid.packets);
        say(stream.kind_name(), format!("{} on PID {}, {came} packets", stream.codec, stream.pid));
    }
    for service in &ts.services {
        say("service", service.name.clone());
    }
    say(
        "transport stream",
        format!(
            "{} packets, {} continuity errors, stuffing {}",
            ts.packets,
            ts.continuity_errors(),
            percent(Some(tenths(ts.null_share())))
        ),
    );
    details.0
}
