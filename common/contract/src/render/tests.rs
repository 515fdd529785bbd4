//! What hosts and people read, whole.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::fault::{HLS_STALE, RTP_LOSS, RTSP_SILENT};
use crate::{Field, Finding, Outcome, Phase, Range, State, Thresholds, Unit};

static BITRATE: Field = Field::gauge("bitrate", Unit::BitsPerSecond, "bit rate", "Bits of media per second.");
static FIRST: Field =
    Field::gauge("first_media", Unit::Seconds, "time to first media", "From start to media.").millis();
static PACKETS: Field = Field::counter("packets", Unit::None, "packets", "Packets since the start.");

fn sample_outcome() -> Outcome {
    let mut outcome = Outcome::new("RTSP", "rtsp://user:secret@sfo.example.net/live1");
    "H264 320x180, 204 kbit/s".clone_into(&mut outcome.headline);
    outcome.find(&RTSP_SILENT, "no RTP within 3.0 s of PLAY (server said 200 OK)");
    let floor = Thresholds { warning: Some(Range::below(100_000.0)), critical: None };
    outcome.judge(BITRATE.sample(204_000_u64).against(floor), &RTP_LOSS);
    outcome.judge(FIRST.sample(Duration::from_millis(44)), &RTP_LOSS);
    outcome.judge(PACKETS.sample(u64::MAX).of("video"), &RTP_LOSS);
    outcome.judge(BITRATE.sample_opt(None::<f64>).of("audio"), &RTP_LOSS);
    let phase = |name, began, took| Phase {
        name,
        began: Duration::from_millis(began),
        took: Duration::from_millis(took),
    };
    outcome.phases = vec![phase("resolve", 0, 2), phase("connect", 2, 10), phase("play", 12, 3000)];
    outcome.details.push("Server: GStreamer <b>|".to_owned());
    outcome
}

#[test]
fn nagios_reads_one_line_with_all_perfdata() {
    insta::assert_snapshot!(nagios(&sample_outcome(), 1), @r"
    RTSP CRITICAL - rtsp://***@sfo.example.net/live1: no RTP within 3.0 s of PLAY (server said 200 OK) [E-RTSP-SILENT] next: look at the encoder that feeds this stream; over UDP, at the firewall | bitrate=204000;100000:;;0 first_media=0.044s;;;0 video_packets=18446744073709551615c;;;0 audio_bitrate=U;;;0
    known: H264 320x180, 204 kbit/s
    Server: GStreamer [b]/
    ");
}

#[test]
fn a_person_sees_phases_as_bars() {
    insta::assert_snapshot!(human(&sample_outcome(), Style::default()));
    assert!(
        human(&sample_outcome(), Style { color: true, verbosity: 0 })
            .starts_with("\x1b[1;31mCRITICAL\x1b[0m")
    );
}

#[test]
fn openmetrics_groups_families_and_ends_with_eof() {
    insta::assert_snapshot!(openmetrics(&sample_outcome()));
}

#[test]
fn json_is_json_and_keeps_every_digit() {
    let text = json(&sample_outcome());
    let value: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
    assert_eq!(value["schema"], JSON_SCHEMA);
    assert_eq!(value["state"], "CRITICAL");
    assert_eq!(value["metrics"][2]["value"], u64::MAX);
    assert_eq!(value["metrics"][3]["value"], serde_json::Value::Null);
    assert_eq!(value["findings"][0]["layer"], "media");
    assert!(!text.contains("secret"));
}

#[test]
fn the_gravest_finding_comes_first_and_others_follow() {
    let mut outcome = sample_outcome();
    outcome.findings.insert(
        0,
        Finding {
            fault: &HLS_STALE,
            state: State::Warning,
            subject: "low".to_owned(),
            text: "old".to_owned(),
        },
    );
    let text = nagios(&outcome, 0);
    assert!(text.starts_with("RTSP CRITICAL - rtsp://***@sfo.example.net/live1: no RTP"), "{text}");
    assert!(text.contains("(+1 more)") && text.contains("\nWARNING: low: old [E-HLS-STALE]"), "{text}");
}

#[test]
fn two_hundred_metrics_leave_room_for_words() {
    let mut outcome = sample_outcome();
    outcome.samples = (0..200).map(|i| BITRATE.sample(1_u64).of(format!("peer{i}"))).collect();
    let text = nagios(&outcome, 0);
    let first = text.lines().next().expect("a line");
    assert!(first.len() <= FIRST_LINE_MAX && first.contains("[E-RTSP-SILENT]"), "{first}");
    assert!(text.contains("metrics did not fit"), "{text}");
}

#[test]
fn a_signed_url_of_any_length_leaves_room_for_what_is_wrong() {
    for length in [100, 196, 250, 400, 900, 3000] {
        let url = format!("https://user:{}secret@h.example/live?hmac={0}", "x".repeat(length));
        let outcome = Outcome { subject: url.clone(), ..sample_outcome() };
        let line = nagios(&outcome, 0);
        let line = line.lines().next().expect("a line");
        assert!(
            line.contains("no RTP within 3.0 s") && line.contains("[E-RTSP-SILENT] next: look"),
            "{line}"
        );
        assert!(!line.contains("user:") && !line.contains("secret"), "{line}");
        let mut wordy = Outcome::new("RTSP", "rtsp://h/");
        wordy.find(&RTSP_SILENT, format!("redirected to {url}"));
        let line = nagios(&wordy, 0);
        assert!(line.contains("[E-RTSP-SILENT] next: look") && !line.contains("secret"), "{line}");
    }
}

#[test]
fn no_line_of_any_host_shows_a_secret() {
    let mut outcome = sample_outcome();
    let secret = "rtsp://user:secret@a.example.net/?token=secret";
    outcome.headline = format!("redirected to {secret}");
    outcome.find(&RTP_LOSS, format!("lost from {secret}"));
    outcome.details.push(format!("redirected to {secret}"));
    outcome.transcript.push(format!("C: PLAY {secret}"));
    outcome.samples.push(BITRATE.sample(1_u64).of(secret));
    for verbosity in 0..=3 {
        let text = nagios(&outcome, verbosity);
        assert!(!text.contains("secret"), "-v {verbosity}: {text}");
        assert_eq!(text.contains("PLAY rtsp://***@a.example.net/?token=***"), verbosity == 3, "{text}");
        let text = human(&outcome, Style { color: false, verbosity });
        assert!(!text.contains("secret"), "human, -v {verbosity}: {text}");
    }
    assert!(!json(&outcome).contains("secret") && !openmetrics(&outcome).contains("secret"));
}

#[test]
fn one_metric_is_one_word_of_perfdata() {
    assert_eq!(perfdata(&FIRST.sample_opt(None::<f64>)), "first_media=U;;;0", "U has no unit");
    assert_eq!(perfdata(&FIRST.sample(f64::NAN)), "first_media=U;;;0");
    let limits = Thresholds { warning: Some(Range::above(0.5)), critical: "@10:20".parse().ok() };
    assert_eq!(perfdata(&FIRST.sample(0.25).against(limits)), "first_media=0.25s;~:0.5;@10:20;0");
    // A space would end it, an equals sign begin its value, a bar begin another block, quotes want a partner.
    assert_eq!(perfdata(&PACKETS.sample(7_u64).of("a b='c|d\"e\n")), "a_b__c/d_e__packets=7c;;;0");
}

#[test]
fn a_label_of_openmetrics_ends_at_its_own_quotes() {
    let mut outcome = Outcome::new("RTSP", r#"say "no" \ C:\live"#);
    outcome.samples.push(PACKETS.sample(7_u64).of("two\nlines"));
    let text = openmetrics(&outcome);
    let labels = r#"service="rtsp",target="say \"no\" \\ C:\\live",instance="two\nlines""#;
    assert!(text.contains(&format!("weir_rtsp_packets_total{{{labels}}} 7\n")), "{text}");
}

#[test]
fn long_lines_are_cut_at_four_kilobytes() {
    let mut outcome = sample_outcome();
    outcome.details = vec!["a line of the details ".repeat(20); 50];
    let text = nagios(&outcome, 1);
    assert!((OUTPUT_MAX - 3..=OUTPUT_MAX).contains(&text.len()) && text.ends_with("...\n"), "{}", text.len());
}

proptest! {
    #[test]
    fn no_text_breaks_a_host(subject in "(?s).{0,300}", text in "(?s).{0,3000}", detail in "(?s).{0,3000}",
                             instance in "(?s).{0,30}", value in proptest::num::f64::ANY, verbosity in 0_u8..3) {
        let mut outcome = Outcome::new("X", subject);
        outcome.find(&RTSP_SILENT, text);
        outcome.details.push(detail);
        outcome.judge(BITRATE.sample(value).of(instance), &RTP_LOSS);
        let out = nagios(&outcome, verbosity);
        let first = out.lines().next().expect("a line");
        prop_assert!(first.len() <= FIRST_LINE_MAX && out.len() <= OUTPUT_MAX);
        prop_assert_eq!(out.matches('|').count(), 1);
        prop_assert!(first.contains(" | "), "perfdata on line one");
        prop_assert!(!out.contains('\0') && !out.contains('<'));
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&json(&outcome));
        prop_assert!(parsed.is_ok());
        prop_assert!(openmetrics(&outcome).ends_with("# EOF\n"));
        prop_assert!(!human(&outcome, Style::default()).contains('\x1b'));
    }
}
