//! RTP and RTCP, once as a single packet and once as a stream of interleaved frames (so that recorded RTSP dialogues
//! are seeds); statistics must add up.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use weir_wire::rtp::{Packet, Reception, is_rtcp, reports};
use weir_wire::rtsp::{Decoder, Message};

fuzz_target!(|data: &[u8]| {
    let _ = Packet::parse(data);
    assert!(reports(data).count() <= data.len() / 4 + 1);

    let mut decoder = Decoder::default();
    decoder.push(data);
    let mut reception = Reception::new(Some(90_000));
    reception.announce(Some(1));
    let (mut now, mut packets) = (Duration::ZERO, 0);
    while let Ok(Some(message)) = decoder.next_message() {
        let Message::Interleaved { channel, payload } = message else { continue };
        now += Duration::from_millis(u64::from(channel));
        if is_rtcp(&payload) {
            reports(&payload).for_each(drop);
        } else if let Ok(packet) = Packet::parse(&payload) {
            reception.record(&packet, now);
            packets += 1;
        }
    }
    let counted = reception.statistics(now);
    assert_eq!(counted.received + counted.stray, packets);
    assert_eq!(counted.missing, counted.expected - (counted.received - counted.duplicates));
    assert!(counted.longest_gap <= now);
});
