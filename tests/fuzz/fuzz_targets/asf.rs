//! ASF headers and data packets.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::asf::{Header, MAX_PAYLOADS, Packet};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = Header::parse(bytes) {
        assert!(header.length <= bytes.len());
        assert!(header.streams.iter().all(|stream| header.stream(stream.number) == Some(stream)));
    }
    if let Ok(packet) = Packet::parse(bytes) {
        assert!(packet.payloads.len() <= MAX_PAYLOADS && packet.media() <= bytes.len());
    }
});
