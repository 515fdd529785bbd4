//! Facts and the verdict that they make.

use std::time::Duration;

use weir_cli::parse_options;
use weir_contract::{Outcome, Problem, State, fault};
use weir_probe::Pace;
use weir_probe::srt::{Content, End, Seen};
use weir_wire::srt::{KeyState, Statistics};
use weir_wire::ts::analyze;

use super::judge::judge;
use super::*;

const STREAM: &[u8] = include_bytes!("../../../../common/wire/testdata/ts/h264-aac-2s.ts");

fn millis(time: u64) -> Duration {
    Duration::from_millis(time)
}

/// A stream that is well, watched for four seconds.
fn well() -> Seen {
    let mut pace = Pace::default();
    pace.last_arrival = Some(millis(4010));
    Seen {
        pace,
        connected: Some(millis(10)),
        first_media: Some(millis(20)),
        until: millis(4020),
        last_heard: Some(millis(4010)),
        latency: millis(120),
        rtt: Some(millis(40)),
        statistics: Statistics { received: 1000, bytes: 1_316_000, ..Statistics::default() },
        content: Content { clear: 1000, ts: Some(analyze(STREAM)), ..Content::default() },
        ..Seen::default()
    }
}

fn judged(options: &[&str], seen: &Seen, problem: Option<Problem>) -> Outcome {
    let words: Vec<String> = ["srt://h:1"].iter().chain(options).map(|word| (*word).to_owned()).collect();
    let (args, _) = parse_options::<Srt>(&words).expect("options");
    let asked = args.address().expect("an address");
    judge(&args, "srt://h:1", &asked, seen, problem)
}

#[track_caller]
fn finds(outcome: &Outcome, code: &str, state: State, words: &str) {
    let found = outcome.findings.iter().find(|finding| finding.fault.code == code);
    let finding = found.unwrap_or_else(|| panic!("no {code} in {outcome:#?}"));
    assert!(finding.state == state && finding.text.contains(words), "{finding:?}");
    assert_eq!(outcome.findings.len(), 1, "{outcome:#?}");
}

#[test]
fn a_stream_that_flows_is_well() {
    let outcome = judged(&["--expect-tracks", "video,audio", "--expect-codec", "h264,AAC"], &well(), None);
    assert_eq!(outcome.findings, []);
    assert!(outcome.headline.starts_with("h264 + aac, first media after 20"), "{}", outcome.headline);
}

#[test]
fn nothing_after_the_handshake_is_told_by_who_is_silent() {
    let silent =
        Seen { first_media: None, statistics: Statistics::default(), content: Content::default(), ..well() };
    finds(&judged(&[], &silent, None), "E-SRT-SILENT", State::Critical, "keeps the connection alive");
    let mute = Seen { last_heard: Some(millis(10)), ..silent };
    finds(&judged(&[], &mute, None), "E-SRT-LOST-PEER", State::Critical, "not even a sign of life, for 4");
    let gone = Seen { ended: Some(End::Shutdown), until: millis(50), ..mute };
    finds(&judged(&[], &gone, None), "E-STREAM-ENDED", State::Critical, "without any media");
    let hurried = Seen { ended: None, until: millis(1000), ..gone };
    finds(&judged(&[], &hurried, None), "E-NO-DATA", State::Unknown, "raise -t");
}

#[test]
fn a_pause_at_the_end_is_told_by_who_is_silent() {
    let mut stalled = well();
    stalled.pace.last_arrival = Some(millis(20));
    finds(&judged(&[], &stalled, None), "E-STREAM-STALLED", State::Critical, "then nothing for 4");
    stalled.last_heard = Some(millis(1000));
    finds(&judged(&[], &stalled, None), "E-SRT-LOST-PEER", State::Critical, "1000 packets came");
    stalled.ended = Some(End::Gone);
    finds(&judged(&[], &stalled, None), "E-SRT-LOST-PEER", State::Critical, "port was closed");
}

#[test]
fn loss_names_latency_and_round_trip() {
    let mut seen = well();
    seen.statistics =
        Statistics { received: 970, lost: 30, recovered: 100, retransmitted: 110, ..seen.statistics };
    let outcome = judged(&["-w", "resent=50"], &seen, None);
    finds(
        &outcome,
        "E-SRT-LOSS",
        State::Warning,
        "(latency 120.0 ms, which is less than 4 round trips, round trip 40.0 ms)",
    );
    seen.statistics.lost = 0;
    let outcome = judged(&[], &seen, None);
    finds(&outcome, "E-SRT-RESENT", State::Warning, "expected at most 10.0 %");
}

#[test]
fn our_own_drops_are_no_loss_of_the_way() {
    let mut seen = well();
    seen.statistics = Statistics { received: 900, lost: 100, ..seen.statistics };
    seen.dropped = 100;
    finds(&judged(&[], &seen, None), "E-UDP-OVERFLOW", State::Unknown, "100 packets came and were dropped");
}

#[test]
fn stuffing_is_no_picture_and_missing_tables_are_told() {
    let mut seen = well();
    let stuffing = [0x47, 0x1f, 0xff, 0x10].into_iter().chain([0xff; 184]).collect::<Vec<u8>>();
    seen.content.ts = Some(analyze(&stuffing.repeat(70)));
    finds(&judged(&[], &seen, None), "E-TS-EMPTY", State::Critical, "all 70 transport packets are stuffing");
    let no_tables: Vec<u8> =
        STREAM.chunks(188).filter(|packet| packet[1] & 0x1f == 1).flatten().copied().collect();
    seen.content.ts = Some(analyze(&no_tables));
    finds(&judged(&[], &seen, None), "E-TS-PAT", State::Critical, "no programme table");
    let no_sound: Vec<u8> = STREAM
        .chunks(188)
        .filter(|packet| packet[1] & 0x1f != 1 || packet[2] != 1)
        .flatten()
        .copied()
        .collect();
    seen.content.ts = Some(analyze(&no_sound));
    let outcome = judged(&[], &seen, None);
    finds(&outcome, "E-TS-PID", State::Critical, "nothing of it came");
    assert_eq!(outcome.findings[0].subject, "aac (PID 257)");
}

#[test]
fn what_cannot_be_decrypted_is_said_and_not_judged() {
    let locked = Content { encrypted: 100, locked: 100, ..Content::default() };
    let seen = Seen { content: locked, ..well() };
    let outcome = judged(&[], &seen, None);
    assert_eq!(outcome.findings, []);
    assert!(outcome.details.iter().any(|line| line.contains("only the flow can be judged")), "{outcome:#?}");
    finds(
        &judged(&["--expect-tracks", "video"], &seen, None),
        "E-TS-TRACKS",
        State::Critical,
        "encrypted media",
    );
    let wrong = Seen { key_state: Some(KeyState::BadSecret), key_bits: Some(128), ..seen };
    let with = ["-a", "correct house"];
    finds(&judged(&with, &wrong, None), "E-SRT-PASSPHRASE", State::Critical, "the passphrase is wrong");
    finds(&judged(&with, &well(), None), "E-SRT-PASSPHRASE", State::Warning, "in clear");
}

#[test]
fn rejections_say_what_was_asked_for() {
    let refused = |fault| Some(Problem::new(fault, "the server refuses"));
    let outcome = judged(&["--stream-id", "tv1"], &Seen::default(), refused(&fault::SRT_REJECTED));
    finds(&outcome, "E-SRT-REJECTED", State::Critical, "; the stream id is `tv1`");
    let outcome = judged(&[], &Seen::default(), refused(&fault::SRT_PASSPHRASE));
    finds(&outcome, "E-SRT-PASSPHRASE", State::Critical, "; a passphrase was not given here");
}

#[test]
fn a_user_belongs_into_the_stream_id() {
    for (url, options) in [("srt://u:p@h:1", vec![]), ("srt://h:1", vec!["-l", "u"])] {
        let words: Vec<String> = std::iter::once(url).chain(options).map(str::to_owned).collect();
        let (args, _) = parse_options::<Srt>(&words).expect("options");
        let error = args.address().expect_err(url).text;
        assert!(error.contains("#!::u=NAME"), "{error}");
    }
}
