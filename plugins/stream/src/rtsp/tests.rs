//! Facts to verdicts, without a network.

use weir_cli::parse_options;
use weir_wire::rtp::{Packet, Reception};

use super::*;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A track whose packets came in this order, one every 100 ms from 1 s on.
fn track(kind: &str, packets: &[(u32, u16)]) -> Track {
    let mut reception = Reception::new(Some(8000));
    for ((ssrc, sequence), n) in packets.iter().zip(0_u64..) {
        let mut bytes = vec![0x80, 8, 0, 0, 0, 0, 0, 0];
        bytes[2..4].copy_from_slice(&sequence.to_be_bytes());
        bytes.extend(ssrc.to_be_bytes());
        bytes.extend([0x55; 100]);
        reception.record(&Packet::parse(&bytes).expect("a packet"), ms(1000 + 100 * n));
    }
    let (codec, resolution, frame_rate) = (Some("PCMA".to_owned()), None, None);
    let kind = kind.to_owned();
    Track {
        kind,
        codec,
        resolution,
        frame_rate,
        reception,
        bye: false,
        garbage: 0,
        unnamed: 0,
        overflowed: 0,
        formats: Vec::new(),
    }
}

/// A live stream over UDP, watched from 1 s to 3 s.
fn live(tracks: Vec<Track>) -> Seen {
    Seen {
        live: true,
        tracks,
        transport: Some("UDP"),
        played: Some(ms(900)),
        first_media: Some(ms(1000)),
        until: ms(3000),
        ..Seen::default()
    }
}

fn one_sender(sequences: impl IntoIterator<Item = u16>) -> Vec<(u32, u16)> {
    sequences.into_iter().map(|sequence| (7, sequence)).collect()
}

fn verdict(seen: &Seen, options: &[&str]) -> (State, Vec<&'static str>) {
    let words: Vec<String> =
        [&["rtsp://live.example.net/a"], options].concat().iter().map(ToString::to_string).collect();
    let (args, _) = parse_options::<Rtsp>(&words).expect("good options");
    let outcome = judge(&args, "rtsp://live.example.net/a", seen, None);
    (outcome.state(), outcome.ranked().iter().map(|finding| finding.fault.code).collect())
}

#[test]
fn flowing_tracks_are_well() {
    let seen = live(vec![track("video", &one_sender(0..20)), track("audio", &one_sender(0..20))]);
    assert_eq!(verdict(&seen, &["--expect-tracks", "2", "--expect-codec", "pcma"]), (State::Ok, vec![]));
    assert_eq!(verdict(&seen, &["--expect-tracks", "", "--expect-codec", ""]), (State::Ok, vec![]));
    assert_eq!(verdict(&seen, &["--expect-tracks", "3"]), (State::Critical, vec!["E-RTSP-TRACKS"]));
}

#[test]
fn a_silent_track_beside_a_flowing_one_is_critical() {
    let seen = live(vec![track("video", &[]), track("audio", &one_sender(0..20))]);
    assert_eq!(verdict(&seen, &[]), (State::Critical, vec!["E-RTSP-TRACK-SILENT"]));
}

#[test]
fn a_track_that_stops_is_critical_when_live_and_a_warning_in_a_file() {
    let mut seen = live(vec![track("audio", &one_sender(0..5))]);
    assert_eq!(verdict(&seen, &[]), (State::Critical, vec!["E-STREAM-STALLED"]));
    seen.live = false;
    assert_eq!(verdict(&seen, &[]), (State::Warning, vec!["E-STREAM-STALLED"]));
}

#[test]
fn a_packet_that_comes_again_and_again_is_no_media() {
    let repeated = live(vec![track("audio", &one_sender([1; 20]))]);
    assert_eq!(verdict(&repeated, &[]), (State::Critical, vec!["E-STREAM-STALLED"]));
}

#[test]
fn packets_without_payload_are_silence_and_said_to_be() {
    let mut track = track("audio", &[]);
    let empty = Packet { marker: false, payload_type: 8, sequence: 1, timestamp: 0, ssrc: 7, payload: &[] };
    track.reception.record(&empty, ms(1000));
    let seen = Seen { first_media: None, ..live(vec![track]) };
    let mut outcome = Outcome::new("RTSP", "");
    let (args, _) = parse_options::<Rtsp>(&["rtsp://live.example.net/a".to_owned()]).expect("good options");
    flow(&mut outcome, &args, &seen);
    let said = &outcome.findings[0];
    assert_eq!(said.fault.code, "E-RTSP-SILENT");
    assert!(said.text.contains("1 packets without payload"), "{}", said.text);
}

#[test]
fn an_end_is_critical_when_live_and_well_in_a_file() {
    let mut seen = Seen { ended: true, ..live(vec![track("audio", &one_sender(0..5))]) };
    assert_eq!(verdict(&seen, &[]), (State::Critical, vec!["E-RTSP-ENDED"]));
    seen.live = false;
    assert_eq!(verdict(&seen, &[]), (State::Ok, vec![]));
}

#[test]
fn another_source_is_a_warning() {
    let packets = [one_sender(0..10), (500..510).map(|sequence| (8, sequence)).collect()].concat();
    assert_eq!(verdict(&live(vec![track("audio", &packets)]), &[]), (State::Warning, vec!["E-RTP-RESTART"]));
}

#[test]
fn loss_warns_then_is_critical() {
    let few = one_sender((0..64).filter(|n| *n != 30));
    let many = one_sender((0..64).filter(|n| n % 8 != 3));
    let seen = |packets| Seen { until: ms(7400), ..live(vec![track("audio", packets)]) };
    assert_eq!(verdict(&seen(&few), &[]), (State::Warning, vec!["E-RTP-LOSS"]));
    assert_eq!(verdict(&seen(&many), &[]), (State::Critical, vec!["E-RTP-LOSS"]));
    assert_eq!(verdict(&seen(&few), &["-w", "loss=5"]), (State::Ok, vec![]));
}

#[test]
fn what_is_missing_at_the_start_is_lost_of_a_file_over_udp_only() {
    let mut track = track("audio", &one_sender(10..30));
    track.reception.announce(Some(0));
    let mut seen = live(vec![track]);
    assert_eq!(verdict(&seen, &[]).0, State::Ok);
    seen.live = false;
    assert_eq!(verdict(&seen, &[]), (State::Critical, vec!["E-RTP-LOSS"]));
    seen.transport = Some("TCP");
    assert_eq!(verdict(&seen, &[]).0, State::Ok);
}

#[test]
fn no_rtp_is_silence_and_no_rate_at_all() {
    let seen = Seen { first_media: None, ..live(vec![track("audio", &[])]) };
    assert_eq!(verdict(&seen, &["--min-bitrate", "1000"]), (State::Critical, vec!["E-RTSP-SILENT"]));
    let unknown = ["first_media", "bitrate", "loss", "jitter", "gap"];
    for sample in samples(&seen) {
        assert_eq!(sample.value.is_none(), unknown.contains(&sample.field.id), "{}", sample.field.id);
    }
}

#[test]
fn what_our_own_buffer_had_no_room_for_is_no_loss_of_the_network() {
    // 20 of 100 are missing.
    let mut seen = live(vec![track("video", &one_sender((0..30).chain(50..100)))]);
    let loss = |seen: &Seen| samples(seen).into_iter().find(|s| s.field.id == "loss").and_then(|s| s.value);
    assert_eq!(loss(&seen), Some(20.0.into()));
    seen.tracks[0].overflowed = 16;
    assert_eq!(loss(&seen), Some(4.762.into()), "4 of 84");
    seen.tracks[0].overflowed = 20;
    assert_eq!(verdict(&seen, &[]), (State::Ok, vec![]));
    assert!(details("", &seen).iter().any(|line| line.contains("receive buffer was full")), "and it is said");
}
