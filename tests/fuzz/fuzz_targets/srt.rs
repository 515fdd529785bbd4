//! Datagrams of SRT in the form of the recordings, down to the receiver's books: every packet is delivered once and in its order.
#![no_main]
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use weir_wire::srt::{Handshake, KeyMaterial, Kind, Packet, Reception, Rejection, ahead, loss_list, losses, plus};

const LATENCY: Duration = Duration::from_millis(120);

/// Whether a packet comes behind the last one, at most half of the circle behind what was awaited.
fn is_next(last: Option<u32>, sequence: u32) -> bool {
    last.is_none_or(|last| ahead(plus(last, 1), sequence) >= 0)
}

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let mut books = Reception::new(0, LATENCY);
    let (mut now, mut delivered, mut last) = (Duration::ZERO, 0_u64, None);
    while let Some(([_, t0, t1, t2, t3, l0, l1], after)) = rest.split_first_chunk::<7>() {
        let length = usize::from(u16::from_be_bytes([*l0, *l1])).min(after.len());
        let (datagram, after) = after.split_at(length);
        rest = after;
        now = now.max(Duration::from_micros(u32::from_be_bytes([*t0, *t1, *t2, *t3]).into()));
        let mut deliver = |sequence| {
            assert!(is_next(last.replace(sequence), sequence));
            delivered += 1;
        };
        match Packet::parse(datagram) {
            Ok(Packet::Data(data)) => {
                books.take(&data, now, |packet| deliver(packet.sequence));
                let _ = books.next_event(LATENCY / 6);
                let ranges = books.ask(now, LATENCY / 6);
                assert!(losses(&loss_list(ranges.iter().copied(), 1456)).count() <= ranges.len());
            }
            Ok(Packet::Control(control)) => {
                assert_eq!(Packet::parse(&control.to_bytes()), Ok(Packet::Control(control)));
                let _ = (losses(control.body).count(), KeyMaterial::parse(control.body).map(|keys| keys.to_bytes()));
                if let (Kind::DropRequest, Some((first, last))) = (control.kind, control.dropped()) {
                    books.drop_range(first, last, now, |packet| deliver(packet.sequence));
                }
                if let (Kind::Handshake, Ok(handshake)) = (control.kind, Handshake::parse(control.body)) {
                    let _ = Rejection::of(handshake.kind).map(|rejection| rejection.to_string());
                    let _ = handshake.settings.map(|settings| settings.version_text());
                }
            }
            Err(_) => {}
        }
    }
    books.expire(now + LATENCY * 2, |packet| {
        assert!(is_next(last.replace(packet.sequence), packet.sequence));
        delivered += 1;
    });
    assert_eq!((delivered, books.missing()), (books.statistics().received, 0));
});
