//! Facts to verdict.

use std::time::Duration;

use weir_contract::{Fault, Field, Finding, Outcome, Problem, Range, Sample, State, fault};
use weir_probe::multicast::Endpoint;
use weir_probe::rtp::{Form, Seen, Sender};
use weir_wire::sdp::Description;
use weir_wire::ts::{Clock, Kind, Program, Report, Stream};

use super::address::Address;
use super::words::{described, details, headline, program_name, rtp_track};
use super::{FIELDS, RtpArgs, SERVICE, silence};
use crate::fields::{
    BITRATE, CONTINUITY, FIRST_MEDIA, GAP, JITTER, LOSS, NULLS, PAT, PCR, PMT, PTS, SCRAMBLED, SPEED, TRACKS,
};
use crate::judge::{Rule, is_flow, percent, seconds, stalled, too_short};

/// A stream, or one track of it, that has sent nothing for so long at the end has stopped.
const STOPPED: Duration = Duration::from_millis(1500);
/// Tables and tracks come more often than this; what was watched for less cannot be said to lack them.
const SHOWS: Duration = Duration::from_secs(1);
/// Seconds of a clock that tell its speed.
const SPEED_SHOWS: f64 = 3.0;
/// A second sender of fewer datagrams may be a stray one.
const SENDER_MIN: u64 = 10;
/// A program that has no clock says so with this PID.
const NO_CLOCK: u16 = 0x1fff;
/// Percent of packets. Nothing is sent again to a group: each loss is seen or heard.
const LOSS_LIMITS: (f64, f64) = (0.1, 2.0);
/// Seconds, ETSI TR 101 290: 1.3 and 1.5, 2.3, 2.5.
const TABLE_LIMIT: f64 = 0.5;
const PCR_LIMIT: f64 = 0.1;
const PTS_LIMIT: f64 = 0.7;
/// Percent of real time; uneven arrival moves a watch of four seconds by less.
const SPEED_LIMITS: (f64, f64) = (90.0, 110.0);

pub(super) fn judge(
    args: &RtpArgs,
    address: &Address,
    endpoint: &Endpoint,
    description: Option<&Description>,
    seen: &Seen,
    problem: Option<Problem>,
) -> Outcome {
    let mut outcome = Outcome::new(SERVICE, args.url.url());
    outcome.headline = headline(seen, description);
    outcome.details = details(seen, description);
    match problem {
        Some(problem) => outcome.findings.push(problem.into()),
        None if seen.first_media.is_none() => {
            let waited = seen.until.saturating_sub(seen.joined.unwrap_or_default());
            if waited < args.wait.min(silence::WAIT_MIN) {
                outcome.find(&fault::NO_DATA, too_short(waited, "wait"));
            } else {
                silence::judge(&mut outcome, endpoint, seen);
            }
        }
        None => {
            flow(&mut outcome, args, address, seen);
            if let Some(ts) = &seen.ts {
                transport(&mut outcome, args, seen, ts);
            }
            expected(&mut outcome, args, seen, description);
        }
    }
    let broken = outcome.state() == State::Critical;
    args.limits.judge(&mut outcome, samples(seen), FIELDS, rule, |outcome, field| match field.id {
        // What RTP lost shows in the transport stream too.
        "continuity" => seen.rtp.is_some_and(|rtp| rtp.missing > 0) || is_found(outcome, &fault::UDP_LOSS),
        "pat" | "pmt" | "pcr" | "pts" => broken || is_found(outcome, &fault::UDP_LOSS),
        "tracks" => broken,
        _ => broken && is_flow(field),
    });
    outcome
}

fn is_found(outcome: &Outcome, fault: &'static Fault) -> bool {
    outcome.findings.iter().any(|finding| finding.fault == fault)
}

pub(super) fn rule(field: &Field) -> Rule {
    match field.id {
        "first_media" => Rule::of(&fault::START_SLOW),
        "bitrate" => Rule::of(&fault::BITRATE),
        "loss" => Rule::of(&fault::UDP_LOSS).above(LOSS_LIMITS),
        "jitter" => Rule::of(&fault::RTP_JITTER),
        "gap" => Rule::of(&fault::STREAM_GAP),
        "speed" => Rule::of(&fault::TS_CLOCK).warn(Range::outside(SPEED_LIMITS.0, SPEED_LIMITS.1)),
        "tracks" => Rule::of(&fault::TS_TRACKS),
        "continuity" => Rule::of(&fault::TS_CONTINUITY).warn(Range::above(0.0)),
        "pat" | "pmt" => Rule::of(&fault::TS_INTERVAL).warn(Range::above(TABLE_LIMIT)),
        "pcr" => Rule::of(&fault::TS_INTERVAL).warn(Range::above(PCR_LIMIT)),
        "pts" => Rule::of(&fault::TS_INTERVAL).warn(Range::above(PTS_LIMIT)),
        "nulls" => Rule::of(&fault::TS_NULLS),
        _ => Rule::of(&fault::TS_SCRAMBLED),
    }
}

/// Whether media flows, from one sender, in the form that was named.
fn flow(outcome: &mut Outcome, args: &RtpArgs, address: &Address, seen: &Seen) {
    match seen.form {
        Some(Form::Ts) if address.rtp => {
            outcome.find(&fault::RTP_FORMAT, "MPEG-TS without RTP comes where RTP is awaited");
        }
        Some(Form::Unknown) | None => {
            let text = format!("{} datagrams came that are neither RTP nor MPEG-TS", seen.datagrams);
            outcome.find(&fault::RTP_FORMAT, text);
        }
        // A quarter of anything at all looks like RTP.
        _ if seen.garbage * 2 > seen.datagrams => {
            let text =
                format!("{} of {} datagrams are neither RTP nor MPEG-TS", seen.garbage, seen.datagrams);
            outcome.find(&fault::RTP_FORMAT, text);
        }
        _ => {}
    }
    let watched = seen.watched();
    let silence = seen.last_arrival.map_or(watched, |last| seen.until.saturating_sub(last));
    if silence >= STOPPED {
        outcome.find(&fault::STREAM_STALLED, stalled(seen.datagrams, "datagrams", watched, silence));
    } else if watched < SHOWS.min(args.watch) {
        outcome.find(&fault::NO_DATA, too_short(watched, "listen"));
    }
    let at_once = |sender: &&Sender| {
        sender.datagrams >= SENDER_MIN && seen.until.saturating_sub(sender.arrivals.1) < STOPPED
    };
    let senders: Vec<String> =
        seen.senders.iter().filter(at_once).map(|s| format!("{} ({})", s.address, s.datagrams)).collect();
    if senders.len() > 1 {
        outcome.find(&fault::RTP_SENDERS, format!("datagrams come from {} at once", senders.join(" and ")));
    }
    let restarts = seen.takeovers + seen.rtp.map_or(0, |rtp| rtp.ssrc_changes + rtp.restarts);
    if restarts > 0 {
        let text = format!("the source changed or restarted {restarts} times in {}", seconds(watched));
        outcome.find(&fault::RTP_RESTART, text);
    }
    if seen.dropped > 0 && lost(seen) > 0 {
        let text = format!("this host dropped {} datagrams for lack of buffer", seen.dropped);
        outcome.find(&fault::UDP_OVERFLOW, text);
    }
}

/// Packets that are missing, whoever lost them.
fn lost(seen: &Seen) -> u64 {
    seen.rtp.map_or_else(|| seen.ts.as_ref().map_or(0, Report::continuity_errors), |rtp| rtp.missing)
}

/// What TR 101 290 asks of a transport stream, beside what thresholds judge.
fn transport(outcome: &mut Outcome, args: &RtpArgs, seen: &Seen, ts: &Report) {
    let watched = seen.watched();
    if ts.sync_losses > 0 {
        let (lost, bytes) = (ts.sync_losses - ts.sync_byte_errors, ts.sync_byte_errors);
        let text = format!("{lost} losses of sync, {bytes} wrong sync bytes in {} packets", ts.packets);
        outcome.find(&fault::TS_SYNC, text);
    }
    if ts.transport_errors + ts.crc_errors > 0 {
        let text = format!(
            "{} damaged packets, {} tables with a wrong checksum",
            ts.transport_errors, ts.crc_errors
        );
        outcome.find(&fault::TS_ERRORS, text);
    }
    if ts.foreign_sections > 0 {
        let text = format!("{} tables of other kinds on the PIDs of PAT and CAT", ts.foreign_sections);
        outcome.find_as(State::Warning, &fault::TS_PAT, text);
    }
    if watched < SHOWS {
        return;
    }
    let time = seconds(watched);
    if ts.packets > 0 && ts.null_packets == ts.packets {
        outcome.find(&fault::TS_EMPTY, format!("all {} packets are stuffing", ts.packets));
        return;
    }
    let scrambled = if ts.scrambled_tables > 0 { ": the tables are scrambled" } else { "" };
    if ts.pat.count == 0 {
        outcome.find(&fault::TS_PAT, format!("no PAT in {time}{scrambled}"));
    }
    let of_several = ts.programs.len() > 1;
    for program in &ts.programs {
        if program.pmt.count == 0 {
            let text = format!("no PMT (PID {}) in {time}{scrambled}", program.pmt_pid);
            find(outcome, &fault::TS_PMT, worse(of_several), program_name(ts, program), text);
        }
        clock(outcome, seen, ts, program);
    }
    let media: Vec<&Stream> = ts.streams().filter(|stream| stream.kind != Kind::Data).collect();
    if !media.is_empty() && ts.sending().next().is_none() {
        let text = format!("tables and stuffing flow, and nothing of {} in {time}", described(seen, None));
        outcome.find(&fault::TS_EMPTY, text);
    } else if media.is_empty() && ts.pat.count > 0 && ts.programs.iter().all(|program| program.pmt.count > 0)
    {
        outcome.find(&fault::TS_EMPTY, "the tables announce no picture and no sound");
    } else {
        for stream in media {
            if let Some(text) = silent(seen, ts, stream.pid) {
                find(outcome, &fault::TS_PID, worse(of_several), stream.to_string(), text);
            }
        }
    }
    for pid in &args.expect_pid {
        if let Some(text) = silent(seen, ts, *pid) {
            find(outcome, &fault::TS_PID, State::Critical, format!("PID {pid}"), text);
        }
    }
    if ts.scrambled_packets > 0 && ts.cat.count == 0 {
        let text = format!("{} packets are scrambled and no CAT came in {time}", ts.scrambled_packets);
        outcome.find(&fault::TS_SCRAMBLED, text);
    }
}

/// Of a stream of several programs not all need be on the air.
const fn worse(of_several: bool) -> State {
    if of_several { State::Warning } else { State::Critical }
}

fn find(outcome: &mut Outcome, fault: &'static Fault, state: State, subject: String, text: String) {
    outcome.findings.push(Finding { fault, state, subject, text });
}

/// Why a PID counts as silent.
fn silent(seen: &Seen, ts: &Report, pid: u16) -> Option<String> {
    let Some((_, last)) = ts.pids.get(&pid).and_then(|pid| pid.arrivals) else {
        return Some(format!("no packet in {}", seconds(seen.watched())));
    };
    // When everything has stopped this is said once.
    let since = seen.last_arrival.unwrap_or(seen.until).saturating_sub(last);
    (since >= STOPPED).then(|| format!("no packet for {}, others flow", seconds(since)))
}

fn clock(outcome: &mut Outcome, seen: &Seen, ts: &Report, program: &Program) {
    let Some(pid) = program.pcr_pid.filter(|pid| *pid != NO_CLOCK) else { return };
    let clock = clock_of(ts, pid);
    let name = || program_name(ts, program);
    if clock.count == 0 {
        let text = format!("no clock (PCR) on PID {pid} in {}", seconds(seen.watched()));
        find(outcome, &fault::TS_CLOCK, State::Critical, name(), text);
    } else if clock.jumps > 0 && seen.rtp.is_none_or(|rtp| rtp.missing == 0) {
        let text = format!("the clock on PID {pid} jumped {} times in {} values", clock.jumps, clock.count);
        find(outcome, &fault::TS_CLOCK, State::Warning, name(), text);
    }
}

fn clock_of(ts: &Report, pid: u16) -> Clock {
    ts.pids.get(&pid).map(|pid| pid.clock).unwrap_or_default()
}

/// The clocks of all programs.
fn clocks(ts: &Report) -> impl Iterator<Item = Clock> {
    let pids = ts.programs.iter().filter_map(|program| program.pcr_pid);
    pids.map(|pid| clock_of(ts, pid)).filter(|clock| clock.count > 0)
}

/// Whether the stream holds what was expected.
fn expected(outcome: &mut Outcome, args: &RtpArgs, seen: &Seen, description: Option<&Description>) {
    if let (Some(wanted), Some(came)) = (args.expect_payload_type, seen.payload_type)
        && wanted != came
    {
        outcome.find(&fault::RTP_TYPE, format!("expected payload type {wanted}, the stream has {came}"));
    }
    let has = |wanted: &str| {
        let named = |ts: &Report, program: &Program| {
            let service = ts.service(program);
            service.is_some_and(|service| service.name.eq_ignore_ascii_case(wanted))
                || wanted.parse() == Ok(program.number)
        };
        // A macro of the host may have been empty.
        wanted.is_empty() || seen.ts.iter().any(|ts| ts.programs.iter().any(|program| named(ts, program)))
    };
    let missing: Vec<&str> =
        args.expect_service.iter().map(String::as_str).filter(|name| !has(name)).collect();
    if !missing.is_empty() {
        let names =
            |ts: &Report| ts.programs.iter().map(|p| program_name(ts, p)).collect::<Vec<_>>().join(", ");
        let names = seen.ts.as_ref().map(names).filter(|names| !names.is_empty());
        let names = names.unwrap_or_else(|| "no program".to_owned());
        outcome.find(&fault::TS_SERVICE, format!("expected {}, the stream has {names}", missing.join(", ")));
    }
    let described = described(seen, description);
    if let Some(ts) = &seen.ts {
        let tracks: Vec<(&str, Option<&str>)> =
            ts.streams().map(|s| (s.kind_name(), Some(s.codec))).collect();
        args.expect.judge(outcome, &tracks, &described, &fault::TS_TRACKS);
    } else {
        let track = rtp_track(seen, description);
        let tracks: Vec<(&str, Option<&str>)> =
            track.iter().map(|(kind, codec)| (kind.as_str(), Some(codec.as_str()))).collect();
        args.expect.judge(outcome, &tracks, &described, &fault::TS_TRACKS);
    }
}

/// The facts as numbers.
pub(super) fn samples(seen: &Seen) -> Vec<Sample> {
    let ts = seen.ts.as_ref();
    let watched = seen.watched().as_secs_f64();
    let flows = seen.first_media.is_some();
    let own = u64::from(seen.dropped);
    let loss = match (&seen.rtp, ts) {
        (Some(rtp), _) => (rtp.expected > 0).then(|| percent(rtp.missing.saturating_sub(own), rtp.expected)),
        // Without RTP nothing tells how much of what is missing was dropped here.
        (None, Some(ts)) if own == 0 => {
            let sent = ts.packets - ts.null_packets + ts.missing();
            (sent > 0).then(|| percent(ts.missing(), sent))
        }
        _ => None,
    };
    let jitter = match ts {
        // Timestamps of transport streams in RTP say nothing; their clocks do.
        Some(ts) => clocks(ts).filter_map(|clock| clock.jitter()).max(),
        None => seen.rtp.and_then(|rtp| rtp.jitter),
    };
    // Uneven arrival is a tenth of two seconds.
    let long = |clock: &Clock| clock.took >= SPEED_SHOWS;
    let speed = ts.and_then(|ts| clocks(ts).filter(long).find_map(|clock| clock.speed()));
    let media = |ts: &Report| -> Vec<u16> { ts.sending().map(|stream| stream.pid).collect() };
    vec![
        FIRST_MEDIA.sample_opt(seen.first_media),
        BITRATE.sample_opt((flows && watched > 0.0).then(|| (seen.bytes as f64 * 8.0 / watched).round())),
        LOSS.sample_opt(loss),
        JITTER.sample_opt(jitter),
        GAP.sample_opt(flows.then_some(seen.longest_gap)),
        SPEED.sample_opt(speed.map(|speed| (speed * 1000.0).round() / 10.0)),
        TRACKS.sample_opt(ts.map(|ts| ts.sending().count())),
        CONTINUITY.sample_opt(ts.filter(|_| own == 0).map(Report::continuity_errors)),
        PAT.sample_opt(ts.and_then(Report::pat_interval)),
        PMT.sample_opt(
            ts.and_then(|ts| ts.programs.iter().filter_map(|program| ts.pmt_interval(program)).max()),
        ),
        PCR.sample_opt(ts.and_then(|ts| clocks(ts).filter_map(|clock| clock.longest).max())),
        PTS.sample_opt(ts.and_then(|ts| media(ts).into_iter().filter_map(|pid| ts.pts_interval(pid)).max())),
        NULLS.sample_opt(ts.map(|ts| percent(ts.null_packets, ts.packets))),
        SCRAMBLED.sample_opt(ts.map(|ts| percent(ts.scrambled_packets, ts.packets))),
    ]
}
