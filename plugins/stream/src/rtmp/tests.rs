//! Verdicts on streams that no server at hand can be made to send.

use weir_cli::parse_options;
use weir_probe::rtmp::Metadata;
use weir_wire::rtmp::{Message, kind};

use super::*;

fn args(words: &[&str]) -> RtmpArgs {
    let words = ["rtmp://live.example.net/live/news"].iter().chain(words).map(|word| (*word).to_owned());
    parse_options::<Rtmp>(&words.collect::<Vec<_>>()).expect("options").0
}

/// A stream that was asked for at once and watched until `until` (milliseconds), of which these messages came.
fn seen(until: u64, messages: &[(u64, u8, &[u8])]) -> Seen {
    let mut seen = Seen {
        asked: Some(Duration::ZERO),
        until: Duration::from_millis(until),
        said: Some("NetStream.Play.Start".to_owned()),
        metadata: Some(Metadata { video: true, audio: true, ..Metadata::default() }),
        ..Seen::default()
    };
    let mut messages = messages.to_vec();
    messages.sort_by_key(|(now, ..)| *now);
    for (now, kind, body) in &messages {
        let timestamp = u32::try_from(*now).expect("small");
        let message = Message { kind: *kind, timestamp, stream: 1, length: 100, body: body.to_vec() };
        seen.take(&message, Duration::from_millis(*now));
    }
    seen
}

/// A frame of `kind` each 40 ms from `from` to `to`.
fn frames(kind: u8, from: u64, to: u64) -> Vec<(u64, u8, &'static [u8])> {
    let body: &[u8] = if kind == kind::VIDEO { &[0x17, 1] } else { &[0xaf, 1] };
    (from / 40..to / 40).map(|n| (n * 40, kind, body)).collect()
}

fn judged(words: &[&str], seen: &Seen) -> (State, String) {
    let outcome = judge(&args(words), "rtmp://live.example.net/live/news", seen, None);
    let codes: Vec<&str> = outcome.ranked().iter().map(|finding| finding.fault.code).collect();
    (outcome.state(), codes.join(" "))
}

#[test]
fn kept_headers_are_said_and_do_not_help() {
    let seen = seen(8000, &[(10, kind::VIDEO, &[0x17, 0]), (10, kind::AUDIO, &[0xaf, 0])]);
    assert_eq!(judged(&[], &seen), (State::Critical, "E-RTMP-SILENT".to_owned()));
    let outcome = judge(&args(&[]), "x", &seen, None);
    assert!(outcome.findings[0].text.ends_with("sent the headers of video and audio that it has kept)"));
}

#[test]
fn a_picture_may_be_as_late_as_key_frames_are_rare() {
    let sound = |until| frames(kind::AUDIO, 0, until);
    assert_eq!(judged(&[], &seen(9900, &sound(9900))), (State::Warning, "E-RTMP-TRACK-SILENT".to_owned()));
    assert_eq!(
        judged(&[], &seen(11_000, &sound(11_000))),
        (State::Critical, "E-RTMP-TRACK-SILENT".to_owned())
    );
    let late = [sound(8000), frames(kind::VIDEO, 7000, 8000)].concat();
    assert_eq!(judged(&[], &seen(8000, &late)), (State::Ok, String::new()));
    // Sound does not wait for anything.
    assert_eq!(judged(&[], &seen(5000, &frames(kind::VIDEO, 0, 5000))).0, State::Critical);
}

#[test]
fn a_picture_that_stops_while_sound_flows_is_critical() {
    let messages = [frames(kind::AUDIO, 0, 5000), frames(kind::VIDEO, 0, 2500)].concat();
    assert_eq!(judged(&[], &seen(5000, &messages)), (State::Critical, "E-RTMP-TRACK-SILENT".to_owned()));
}

#[test]
fn slides_are_slow_and_have_not_stopped() {
    let slides: Vec<_> = [0, 2000].map(|now| (now, kind::VIDEO, &[0x17, 1][..])).to_vec();
    let with = |messages: &[_], until| {
        let metadata = Metadata { frame_rate: Some(0.5), video: true, ..Metadata::default() };
        judged(&[], &Seen { metadata: Some(metadata), ..seen(until, messages) })
    };
    let both = [slides.clone(), frames(kind::AUDIO, 0, 7000)].concat();
    assert_eq!(with(&slides, 7000).0, State::Ok);
    assert_eq!(with(&both, 7000).0, State::Ok);
    assert_eq!(with(&slides, 8100), (State::Critical, "E-STREAM-STALLED".to_owned()));
    let longer = [slides, frames(kind::AUDIO, 0, 8100)].concat();
    assert_eq!(with(&longer, 8100), (State::Critical, "E-RTMP-TRACK-SILENT".to_owned()));
}

#[test]
fn an_encoder_that_repeats_its_time_is_a_warning_and_may_be_critical() {
    let mut frozen = seen(5000, &[]);
    for n in 0..100_u64 {
        for (kind, body) in [(kind::VIDEO, [0x27, 1]), (kind::AUDIO, [0xaf, 1])] {
            let message = Message { kind, timestamp: 7000, stream: 1, length: 100, body: body.to_vec() };
            frozen.take(&message, Duration::from_millis(n * 50));
        }
    }
    assert_eq!(judged(&[], &frozen), (State::Warning, "E-RTMP-SPEED".to_owned()));
    assert_eq!(judged(&["-c", "speed=30:"], &frozen).0, State::Critical);
}

#[test]
fn a_recording_may_be_sent_ahead_and_may_end() {
    let duration = Some(Duration::from_secs(4));
    let metadata = Some(Metadata { duration, ..Metadata::default() });
    let both = [frames(kind::AUDIO, 0, 4000), frames(kind::VIDEO, 0, 4000)].concat();
    let ahead = Seen { metadata: metadata.clone(), ..seen(4000, &both) };
    assert_eq!(judged(&[], &ahead).0, State::Ok);
    let ended = Seen { ended: Some(Ended::Closed), ..ahead.clone() };
    assert_eq!(judged(&[], &ended).0, State::Ok);
    let live = Seen { metadata: None, ..ended };
    assert_eq!(judged(&[], &live), (State::Critical, "E-RTMP-ENDED".to_owned()));
    let starved = Seen { until: Duration::from_secs(9), ..ahead };
    assert_eq!(judged(&[], &starved), (State::Critical, "E-STREAM-STALLED".to_owned()));
}

#[test]
fn too_little_time_is_not_a_verdict() {
    assert_eq!(judged(&[], &seen(1500, &[])), (State::Unknown, "E-NO-DATA".to_owned()));
    let short = [frames(kind::AUDIO, 0, 2000), frames(kind::VIDEO, 0, 2000)].concat();
    assert_eq!(judged(&[], &seen(2000, &short)), (State::Unknown, "E-NO-DATA".to_owned()));
    assert_eq!(judged(&["--wait", "1"], &seen(1000, &[])), (State::Critical, "E-RTMP-SILENT".to_owned()));
}
