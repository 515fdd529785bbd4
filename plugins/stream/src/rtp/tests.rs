//! Verdicts from facts.

use std::time::Duration;

use clap::Parser;
use weir_contract::{Outcome, State};
use weir_probe::multicast::{Clues, Endpoint};
use weir_probe::rtp::{Form, Seen, Sender};
use weir_wire::rtp::{Packet, Reception};
use weir_wire::ts::Analyzer;

use super::address::Address;
use super::{RtpArgs, judge};

const CLIP: &[u8] = include_bytes!("../../../../common/wire/testdata/ts/h264-aac-null-stuffed.ts");
const PACKET: usize = 188;
/// The clip's rate: 1 Mbit/s or so.
const SPACING: Duration = Duration::from_micros(4870);

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: RtpArgs,
}

fn args(words: &[&str]) -> RtpArgs {
    Line::parse_from([&["check_rtp"], words].concat()).args
}

/// What would have been seen of the clip, twice in a row, as `change` leaves each packet.
fn seen(mut change: impl FnMut(&mut [u8])) -> Seen {
    let (mut ts, mut now) = (Analyzer::new(), Duration::from_millis(100));
    for packet in CLIP.chunks_exact(PACKET) {
        let mut packet = packet.to_vec();
        change(&mut packet);
        ts.feed_at(&packet, now);
        now += SPACING;
    }
    let first = Duration::from_millis(100);
    let sender = Sender { address: "192.0.2.1:5000".parse().unwrap(), datagrams: 99, arrivals: (first, now) };
    Seen {
        joined: Some(Duration::ZERO),
        first_media: Some(first),
        last_arrival: Some(now),
        until: now + Duration::from_millis(100),
        form: Some(Form::Ts),
        datagrams: 99,
        bytes: CLIP.len() as u64,
        senders: vec![sender],
        ts: Some(ts.finish_at(now)),
        ..Seen::default()
    }
}

fn verdict(words: &[&str], seen: &Seen) -> Outcome {
    let args = args(words);
    let address = Address::parse(words[0]).unwrap();
    let endpoint = Endpoint { address: "239.1.2.3:5000".parse().unwrap(), source: None, interface: None };
    judge::judge(&args, &address, &endpoint, None, seen, None)
}

const URL: &str = "udp://239.1.2.3:5000";

fn codes(outcome: &Outcome) -> Vec<&'static str> {
    outcome.findings.iter().map(|finding| finding.fault.code).collect()
}

#[test]
fn a_whole_stream_is_well() {
    let outcome = verdict(&[URL, "--expect-service", "service01", "--expect-tracks", "2"], &seen(|_| {}));
    assert_eq!((outcome.state(), codes(&outcome)), (State::Ok, vec![]), "{outcome:?}");
    assert!(outcome.headline.starts_with("h264 + aac, "), "{}", outcome.headline);
}

#[test]
fn what_this_host_dropped_is_not_called_loss_on_the_way() {
    let mut reception = Reception::new(Some(90_000));
    let mut bytes = [0_u8; 20];
    bytes[..2].copy_from_slice(&[0x80, 96]);
    for sequence in (0..100_u8).filter(|sequence| sequence % 10 != 5) {
        bytes[3] = sequence;
        reception.record(&Packet::parse(&bytes).unwrap(), Duration::from_millis(sequence.into()));
    }
    let whole = seen(|_| {});
    let lossy =
        Seen { rtp: Some(reception.statistics(whole.until)), form: Some(Form::Rtp), ts: None, ..whole };
    assert_eq!(codes(&verdict(&["rtp://239.1.2.3:5000"], &lossy)), ["E-UDP-LOSS"]);
    let ours = Seen { dropped: 10, ..lossy };
    let outcome = verdict(&["rtp://239.1.2.3:5000"], &ours);
    assert_eq!((outcome.state(), codes(&outcome)), (State::Unknown, vec!["E-UDP-OVERFLOW"]));
    // Without RTP nobody can tell whose loss it is.
    let mut n = 0;
    let bare = seen(|packet| {
        n += 1;
        if n % 7 == 0 {
            packet[1..4].copy_from_slice(&[0x1f, 0xff, 0x10]);
        }
    });
    assert!(codes(&verdict(&[URL], &bare)).contains(&"E-UDP-LOSS"));
    let ours = Seen { dropped: 3, ..bare };
    assert_eq!(codes(&verdict(&[URL], &ours)), ["E-UDP-OVERFLOW"]);
}

#[test]
fn what_was_not_watched_long_enough_is_not_judged() {
    let mut short = seen(|packet| packet[1..4].copy_from_slice(&[0x1f, 0xff, 0x10]));
    short.first_media = Some(short.until.saturating_sub(Duration::from_millis(500)));
    assert_eq!(codes(&verdict(&[URL], &short)), ["E-NO-DATA"], "stuffing alone, for half a second");
    assert_eq!(codes(&verdict(&[URL, "--watch", "0.5"], &short)), [] as [&str; 0]);
    let nothing = Seen { joined: Some(Duration::ZERO), until: Duration::from_millis(300), ..Seen::default() };
    assert_eq!(codes(&verdict(&[URL], &nothing)), ["E-NO-DATA"]);
    let silent = Seen { clues: Some(Clues::default()), until: Duration::from_secs(3), ..nothing };
    assert_eq!(codes(&verdict(&[URL], &silent)), ["E-UDP-SILENT"], "unicast has no interface to search on");
}

#[test]
fn when_everything_stops_this_is_one_finding() {
    let mut stopped = seen(|_| {});
    stopped.until += Duration::from_secs(3);
    assert_eq!(codes(&verdict(&[URL, "-w", "gap=0.1"], &stopped)), ["E-STREAM-STALLED"]);
}

#[test]
fn what_only_looks_like_rtp_now_and_then_is_none() {
    let some = |garbage| Seen { form: Some(Form::Rtp), ts: None, garbage, ..seen(|_| {}) };
    let outcome = verdict(&["rtp://239.1.2.3:5000"], &some(75));
    assert_eq!(codes(&outcome), ["E-RTP-FORMAT"]);
    assert_eq!(outcome.findings[0].text, "75 of 99 datagrams are neither RTP nor MPEG-TS");
    assert_eq!(codes(&verdict(&["rtp://239.1.2.3:5000"], &some(9))), [] as [&str; 0], "something beside it");
}
