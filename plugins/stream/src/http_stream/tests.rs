//! Facts to verdicts, without a network.

use weir_cli::parse_options;
use weir_wire::icy::Station;

use super::*;

/// A healthy radio of 64 kbit/s: 64 KiB at once, then 24,000 bytes in 3 s.
fn radio() -> Heard {
    Heard {
        container: Some(Container::MpegAudio),
        station: Station { bit_rate_kbit: Some(64), name: Some("Radio".to_owned()), ..Station::default() },
        first_media: Some(Duration::from_millis(80)),
        bytes: 89_536,
        live_bytes: 24_000,
        live_time: Duration::from_secs(3),
        longest_gap: Duration::from_millis(200),
        listened: Duration::from_secs(4),
        ..Heard::default()
    }
}

fn verdict(heard: &Heard, options: &[&str]) -> (State, Vec<&'static str>) {
    let words: Vec<String> =
        [&["http://live.example.net/a"], options].concat().iter().map(ToString::to_string).collect();
    let (args, _) = parse_options::<HttpStream>(&words).expect("good options");
    let outcome = judge(&args, "http://live.example.net/a", heard, None);
    (outcome.state(), outcome.ranked().iter().map(|finding| finding.fault.code).collect())
}

#[test]
fn a_radio_that_flows_is_well() {
    assert_eq!(
        verdict(&radio(), &["--min-bitrate", "64000", "--expect-title", "Radio"]),
        (State::Ok, vec![])
    );
    assert_eq!(verdict(&radio(), &["--expect-codec", "", "--expect-title", ""]), (State::Ok, vec![]));
}

#[test]
fn a_radio_at_half_its_rate_warns() {
    let half = Heard { live_bytes: 12_000, ..radio() };
    assert_eq!(verdict(&half, &[]), (State::Warning, vec!["E-BITRATE"]));
    let required = verdict(&half, &["--min-bitrate", "40000"]);
    assert_eq!(required, (State::Critical, vec!["E-BITRATE", "E-BITRATE"]), "what was asked for weighs more");
}

#[test]
fn a_pause_warns() {
    let pause = Heard { longest_gap: Duration::from_secs(3), ..radio() };
    assert_eq!(verdict(&pause, &[]), (State::Warning, vec!["E-STREAM-GAP"]));
}

#[test]
fn a_burst_alone_has_stalled_when_there_was_time_to_hear_more() {
    let burst = Heard { live_bytes: 0, live_time: Duration::ZERO, ..radio() };
    assert_eq!(verdict(&burst, &[]), (State::Critical, vec!["E-STREAM-STALLED"]));
    let hurried = Heard { listened: Duration::from_millis(500), ..burst };
    assert_eq!(verdict(&hurried, &[]), (State::Unknown, vec!["E-NO-DATA"]));
}

#[test]
fn a_few_bytes_are_no_stream_whether_a_rate_is_advertised_or_not() {
    let advertised = Heard { live_bytes: 12, ..radio() };
    let silent_about_it = Heard { station: Station::default(), ..advertised.clone() };
    for drip in [advertised, silent_about_it] {
        assert_eq!(verdict(&drip, &[]), (State::Critical, vec!["E-STREAM-STALLED"]));
    }
    let silence_in_opus = Heard { live_bytes: 120, station: Station::default(), ..radio() };
    assert_eq!(verdict(&silence_in_opus, &[]), (State::Ok, vec![]));
}

#[test]
fn a_file_may_come_at_once_and_end() {
    let file = Heard { length: Some(1_000_000), live_bytes: 0, live_time: Duration::ZERO, ..radio() };
    assert_eq!(verdict(&Heard { enough: true, ..file.clone() }, &[]), (State::Ok, vec![]));
    assert_eq!(verdict(&Heard { ended: true, ..file.clone() }, &[]), (State::Ok, vec![]));
    assert_eq!(verdict(&file, &[]), (State::Critical, vec!["E-STREAM-STALLED"]));
}

#[test]
fn a_page_is_no_media_whatever_flows() {
    let page = Heard { container: Some(Container::Html), ..radio() };
    assert_eq!(verdict(&page, &[]), (State::Critical, vec!["E-NOT-MEDIA"]));
}
