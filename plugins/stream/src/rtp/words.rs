//! What was seen, in words.

use weir_contract::{Unit, Value};
use weir_probe::rtp::Seen;
use weir_wire::sdp::{Description, Format};
use weir_wire::ts::{Kind, Program, Report};

use super::judge::samples;
use super::silence;
use crate::fields::{BITRATE, LOSS, SCRAMBLED};
use crate::judge::{Details, percent, seconds, told};

/// Kind and codec of RTP that is no transport stream, as far as the payload type tells.
pub(super) fn rtp_track(seen: &Seen, description: Option<&Description>) -> Option<(String, String)> {
    let payload_type = seen.payload_type?;
    let told = description.into_iter().flat_map(|description| &description.media).find_map(|media| {
        let format = media.formats.iter().find(|format| format.payload_type == payload_type)?;
        Some((media.kind.clone(), format.codec.clone()))
    });
    told.or_else(|| {
        let codec = Format::of_payload_type(payload_type).codec;
        // RFC 3551: the table of audio ends at 23.
        let kind = if payload_type < 24 { "audio" } else { "video" };
        (!codec.is_empty()).then(|| (kind.to_owned(), codec))
    })
}

pub(super) fn program_name(ts: &Report, program: &Program) -> String {
    match ts.service(program).filter(|service| !service.name.is_empty()) {
        Some(service) => format!("{} (program {})", service.name, program.number),
        None => format!("program {}", program.number),
    }
}

/// What the stream holds, in a few words.
pub(super) fn described(seen: &Seen, description: Option<&Description>) -> String {
    if let Some(ts) = &seen.ts {
        let of = |kinds: &[Kind]| -> Vec<&str> {
            ts.streams().filter(|stream| kinds.contains(&stream.kind)).map(|stream| stream.codec).collect()
        };
        let media = of(&[Kind::Video, Kind::Audio]);
        return match (media.is_empty(), ts.programs.len()) {
            (true, _) => "no program".to_owned(),
            (false, 1) => media.join(" + "),
            (false, programs) => format!("{programs} programs, {} tracks", media.len()),
        };
    }
    match (rtp_track(seen, description), seen.payload_type) {
        (Some((_, codec)), _) => codec,
        (None, Some(payload_type)) => format!("RTP payload type {payload_type}"),
        (None, None) => "nothing known".to_owned(),
    }
}

pub(super) fn headline(seen: &Seen, description: Option<&Description>) -> String {
    if seen.first_media.is_none() {
        return String::new();
    }
    let mut parts = vec![described(seen, description)];
    let mut said = vec![(&BITRATE, ""), (&LOSS, "loss ")];
    if seen.ts.as_ref().is_some_and(|ts| ts.scrambled_packets > 0) {
        said.push((&SCRAMBLED, "scrambled "));
    }
    parts.extend(told(&samples(seen), &said));
    let from = seen.senders.first().map(|sender| sender.address.ip().to_string()).unwrap_or_default();
    let on = seen.interface.as_ref().map(|interface| format!(" on {}", interface.name)).unwrap_or_default();
    parts.push(format!("from {from}{on}"));
    parts.join(", ")
}

pub(super) fn details(seen: &Seen, description: Option<&Description>) -> Vec<String> {
    let mut details = Details(silence::details(seen));
    if seen.first_media.is_none() {
        return details.0;
    }
    let mut say = |name: &str, value: String| details.say(name, value);
    let ttl = seen.ttl.map(|ttl| format!(", TTL {ttl}")).unwrap_or_default();
    for sender in &seen.senders {
        say("sender", format!("{}, {} datagrams{ttl}", sender.address, sender.datagrams));
    }
    if let Some(rtp) = &seen.rtp {
        let kind = rtp_track(seen, description).map(|(_, codec)| format!(" ({codec})")).unwrap_or_default();
        say(
            "RTP",
            format!(
                "payload type {}{kind}, {} packets, {} lost, {} reordered, {} twice, longest gap {}",
                seen.payload_type.unwrap_or_default(),
                rtp.received,
                rtp.missing.saturating_sub(seen.dropped.into()),
                rtp.reordered,
                rtp.duplicates,
                seconds(seen.longest_gap)
            ),
        );
    }
    for (payload_type, count) in &seen.other_types {
        say("beside it", format!("{count} packets of payload type {payload_type}, not looked at"));
    }
    let Some(ts) = &seen.ts else { return details.0 };
    say(
        "transport stream",
        format!(
            "{} packets, {} continuity errors, {} losses of sync, stuffing {}",
            ts.packets,
            ts.continuity_errors(),
            ts.sync_losses,
            human_percent(ts.null_packets, ts.packets)
        ),
    );
    let watched = seen.watched().as_secs_f64();
    for program in &ts.programs {
        let bits = (ts.packets_of(program) * 188 * 8) as f64 / watched.max(f64::MIN_POSITIVE);
        let provider = ts.service(program).map(|s| s.provider.as_str()).filter(|name| !name.is_empty());
        let provider = provider.map(|name| format!(" by {name}")).unwrap_or_default();
        let rate = Unit::BitsPerSecond.human(Value::Number(bits.round()));
        say("service", format!("{}{provider}, {rate}", program_name(ts, program)));
        for stream in &program.streams {
            let pid = ts.pids.get(&stream.pid);
            let (came, locked) = pid.map_or((0, 0), |pid| (pid.packets, pid.scrambled));
            let scrambled = if locked > 0 {
                format!(", scrambled {}", human_percent(locked, came))
            } else {
                String::new()
            };
            say(
                stream.kind_name(),
                format!("{} on PID {}, {came} packets{scrambled}", stream.codec, stream.pid),
            );
        }
    }
    details.0
}

fn human_percent(part: u64, whole: u64) -> String {
    Unit::Percent.human(Value::Number(percent(part, whole)))
}
