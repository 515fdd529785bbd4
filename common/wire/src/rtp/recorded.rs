//! Reception of recorded streams, of made-up faults, and against a model that keeps everything.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const RATE: u32 = 8000;

fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> Packet<'static> {
    Packet { marker: false, payload_type: 8, sequence, timestamp, ssrc, payload: &[0; 160] }
}

/// Packets of 20 ms that arrive evenly, in the order given.
fn receive(sequences: impl IntoIterator<Item = (u32, u16)>) -> Statistics {
    let mut reception = Reception::new(Some(RATE));
    let mut now = Duration::ZERO;
    for (timestamp, (ssrc, sequence)) in (0..).step_by(160).zip(sequences) {
        now += Duration::from_millis(20);
        reception.record(&packet(ssrc, sequence, timestamp), now);
    }
    reception.statistics(now)
}

fn receive_one_sender(sequences: impl IntoIterator<Item = u16>) -> Statistics {
    receive(sequences.into_iter().map(|sequence| (1, sequence)))
}

#[test]
fn a_perfect_stream_lacks_nothing() {
    let s = receive_one_sender((65530..=65535).chain(0..10));
    assert_eq!((s.received, s.expected, s.lost, s.missing, s.reordered), (16, 16, 0, 0, 0));
    assert_eq!(s.extended_max, Some(0x1_0009), "wrapped once");
    assert_eq!(
        (s.bytes, s.longest_gap, s.jitter),
        (16 * 160, Duration::from_millis(20), Some(Duration::ZERO))
    );
    assert_eq!(
        (s.first_arrival, s.last_arrival),
        (Some(Duration::from_millis(20)), Some(Duration::from_millis(320)))
    );
}

#[test]
fn losses_late_packets_and_duplicates_are_told_apart() {
    let s = receive_one_sender([1, 2, 4, 3, 6, 6, 2]);
    assert_eq!((s.expected, s.received, s.lost), (6, 7, -1), "RFC 3550: duplicates hide a loss");
    assert_eq!((s.missing, s.reordered, s.duplicates), (1, 1, 2));
    let s = receive_one_sender([1, 3000, 3001]);
    assert_eq!((s.missing, s.restarts), (2998, 0), "a long loss is no restart");
}

#[test]
fn a_late_packet_before_the_first_one_lowers_the_base() {
    let s = receive_one_sender([1, 2, 0, 65535]);
    assert_eq!((s.expected, s.received, s.missing, s.reordered), (4, 4, 0, 2));
}

#[test]
fn the_head_is_missing_when_the_announced_packet_is_not_the_first() {
    for (announced, head_missing) in
        [(Some(10), 0), (Some(7), 3), (Some(65534), 12), (Some(11), 0), (None, 0)]
    {
        for before in [true, false] {
            let mut reception = Reception::new(None);
            if before {
                reception.announce(announced);
            }
            for sequence in 10..20 {
                reception.record(&packet(1, sequence, 0), Duration::ZERO);
            }
            reception.announce(announced);
            let s = reception.statistics(Duration::ZERO);
            assert_eq!((s.head_missing, s.missing, s.jitter), (head_missing, 0, None), "{announced:?}");
        }
    }
}

#[test]
fn a_restart_keeps_the_missing_head_and_has_none_itself() {
    let mut reception = Reception::new(None);
    reception.announce(Some(7));
    for sequence in [10, 11, 40000, 40001] {
        reception.record(&packet(1, sequence, 0), Duration::ZERO);
    }
    reception.announce(Some(39990));
    let s = reception.statistics(Duration::ZERO);
    assert_eq!((s.restarts, s.head_missing), (1, 3));
}

#[test]
fn a_new_sender_takes_over_without_losing_the_count() {
    let s = receive([(1, 10), (1, 11), (1, 13), (2, 500), (2, 501), (2, 503)]);
    assert_eq!((s.ssrc, s.ssrc_changes, s.restarts, s.stray), (Some(2), 1, 0, 0));
    assert_eq!((s.received, s.expected, s.missing), (6, 8, 2));
}

#[test]
fn a_jump_by_the_same_sender_is_a_restart_and_not_a_loss() {
    let s = receive_one_sender([10, 11, 40000, 40001, 40002]);
    assert_eq!((s.restarts, s.ssrc_changes, s.received, s.missing, s.stray), (1, 0, 5, 0, 0));
    let s = receive_one_sender([200, 201, 202, 50, 51]);
    assert_eq!((s.restarts, s.received, s.missing), (1, 5, 0), "too far back to be late");
}

#[test]
fn stray_packets_change_nothing_but_their_count() {
    let s = receive([(1, 10), (2, 7), (1, 11), (2, 8), (1, 12), (1, 40000), (1, 13)]);
    assert_eq!((s.ssrc, s.ssrc_changes, s.restarts, s.stray), (Some(1), 0, 0, 3));
    assert_eq!((s.received, s.expected, s.missing, s.bytes), (4, 4, 0, 4 * 160));
}

#[test]
fn jitter_follows_rfc_3550() {
    // A.8 by hand: transits differ by 80 ticks (10 ms), then by 0: 80/16 = 5, then 5 - 5/16 = 4.6875 ticks.
    let mut reception = Reception::new(Some(RATE));
    for (n, millis) in [(0, 0), (1, 30), (2, 50)] {
        reception.record(&packet(1, n, u32::from(n) * 160), Duration::from_millis(millis));
    }
    let jitter = reception.statistics(Duration::from_millis(50)).jitter.unwrap();
    assert_eq!(jitter, Duration::from_secs_f64(4.6875 / 8000.0));
}

#[test]
fn silence_after_the_last_packet_is_a_gap_too() {
    let mut reception = Reception::new(None);
    assert_eq!(reception.statistics(Duration::from_secs(9)).longest_gap, Duration::ZERO);
    reception.record(&packet(1, 0, 0), Duration::from_secs(1));
    reception.record(&packet(1, 1, 0), Duration::from_secs(3));
    assert_eq!(reception.statistics(Duration::from_secs(4)).longest_gap, Duration::from_secs(2));
    assert_eq!(reception.statistics(Duration::from_secs(9)).longest_gap, Duration::from_secs(6));
}

#[test]
fn a_packet_without_payload_or_that_came_before_is_no_media() {
    let mut reception = Reception::new(Some(RATE));
    let second = Duration::from_secs(1);
    let empty = |sequence| Packet { payload: &[], ..packet(1, sequence, 0) };
    reception.record(&empty(1), second);
    let s = reception.statistics(2 * second);
    assert_eq!((s.received, s.bytes, s.first_arrival, s.longest_gap), (1, 0, None, Duration::ZERO));
    reception.record(&packet(1, 2, 160), 3 * second);
    // A relay that repeats its last packet, and one that only keeps the path open.
    for again in [packet(1, 2, 160), packet(1, 2, 160), empty(3)] {
        reception.record(&again, 4 * second);
    }
    let s = reception.statistics(5 * second);
    assert_eq!((s.received, s.duplicates, s.missing, s.bytes), (5, 2, 0, 160));
    assert_eq!(
        (s.first_arrival, s.last_arrival, s.longest_gap),
        (Some(3 * second), Some(3 * second), 2 * second)
    );
}

/// Reads a recording: lines of `seconds channel length hex`; even channels are RTP (header only), odd ones RTCP.
fn recording(text: &str) -> Vec<(Duration, u8, Vec<u8>)> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap();
        let at = Duration::from_secs_f64(word().parse().unwrap());
        let (channel, length) = (word().parse().unwrap(), word().parse().unwrap());
        let hex = word().as_bytes().chunks(2);
        let mut bytes: Vec<u8> =
            hex.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
        bytes.resize(length, 0);
        (at, channel, bytes)
    };
    text.lines().map(line).collect()
}

#[test]
fn three_servers_stream_without_loss_from_the_announced_packet_on() {
    for (text, channel, rate, announced, expected) in [
        (include_str!("../../testdata/rtp/gst-live-udp.packets"), 0, 90000, Some(4165), (120, 140.6)),
        (include_str!("../../testdata/rtp/gst-live-udp.packets"), 2, 8000, Some(21109), (15, 89.2)),
        (include_str!("../../testdata/rtp/vlc-live-udp.packets"), 0, 44100, Some(24493), (87, 60.0)),
        (include_str!("../../testdata/rtp/vlc-live-udp.packets"), 2, 90000, Some(22078), (50, 23895.2)),
        (include_str!("../../testdata/rtp/perl-live-udp.packets"), 0, 90000, None, (48, 3525.1)),
    ] {
        let mut reception = Reception::new(Some(rate));
        reception.announce(announced);
        let mut now = Duration::ZERO;
        for (at, _, bytes) in recording(text).iter().filter(|(_, c, _)| *c == channel) {
            assert!(!is_rtcp(bytes));
            reception.record(&Packet::parse(bytes).unwrap(), *at);
            now = *at;
        }
        let s = reception.statistics(now);
        assert_eq!((s.missing, s.head_missing, s.stray, s.restarts + s.ssrc_changes), (0, 0, 0, 0));
        // The oracle computes with seconds in floating point; ours counts whole ticks.
        let (received, jitter) = expected;
        let difference = (s.jitter.unwrap().as_secs_f64() - jitter / 1e6).abs();
        assert!(s.received == received && difference < 1.0 / f64::from(rate), "channel {channel}: {s:?}");
    }
}

#[test]
fn sender_reports_of_real_servers_are_told_from_media() {
    let gst = recording(include_str!("../../testdata/rtp/gst-live-udp.packets"));
    let rtcp: Vec<_> = gst.iter().filter(|(_, channel, _)| channel % 2 == 1).collect();
    assert!(!rtcp.is_empty());
    for (_, _, bytes) in rtcp {
        assert!(is_rtcp(bytes));
        assert!(matches!(reports(&bytes[..28]).next(), Some(Ok(Report::Sender { .. }))));
    }
}

proptest! {
    /// Packets are sent in order, lost, sent twice and delayed by fewer places than the window holds.
    #[test]
    fn statistics_equal_those_of_a_model_that_keeps_everything(
        first: u16,
        fates in proptest::collection::vec((0u8..10, 0usize..40, 0usize..40), 1..400),
    ) {
        let mut arrivals: Vec<(usize, i64)> = Vec::new();
        for ((n, (fate, delay, delay_again)), number) in fates.into_iter().enumerate().zip(i64::from(first)..) {
            match fate {
                0 => {}
                1 => arrivals.extend([(n + delay, number), (n + delay_again, number)]),
                2..4 => arrivals.push((n + delay, number)),
                _ => arrivals.push((n, number)),
            }
        }
        arrivals.sort_by_key(|(when, _)| *when);

        let (mut seen, mut highest, mut reordered, mut duplicates) = (HashSet::new(), i64::MIN, 0, 0);
        let mut reception = Reception::new(None);
        for (_, number) in &arrivals {
            reception.record(&packet(1, u16::try_from(number % 0x1_0000).unwrap(), 0), Duration::ZERO);
            if !seen.insert(*number) {
                duplicates += 1;
            } else if *number < highest {
                reordered += 1;
            }
            highest = highest.max(*number);
        }
        let s = reception.statistics(Duration::ZERO);
        let expected = seen.iter().max().map_or(0, |max| max - seen.iter().min().unwrap() + 1);
        prop_assert_eq!(s.expected.cast_signed(), expected);
        prop_assert_eq!(s.lost, expected - i64::try_from(arrivals.len()).unwrap());
        prop_assert_eq!(s.missing, s.expected - seen.len() as u64);
        prop_assert_eq!((s.reordered, s.duplicates, s.stray), (reordered, duplicates, 0));
    }

    #[test]
    fn no_packets_make_the_counters_panic(
        packets in proptest::collection::vec((0u32..3, any::<u16>(), any::<u32>(), any::<u64>()), 0..200),
        rate: Option<u32>, announced: Option<u16>,
    ) {
        let mut reception = Reception::new(rate);
        reception.announce(announced);
        for (ssrc, sequence, timestamp, nanos) in &packets {
            reception.record(&packet(*ssrc, *sequence, *timestamp), Duration::from_nanos(*nanos));
        }
        let s = reception.statistics(Duration::MAX);
        prop_assert_eq!(s.received + s.stray, packets.len() as u64);
    }
}
