//! What RealNetworks add to RTSP: RDT packets, rule books, codec data in a description, the answer to any challenge.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::rdt::{MAX_RULES, Packet, Packets, Response, Sequence, rules_for};
use weir_wire::realmedia::{Codec, CodecData, Header};
use weir_wire::sdp;

fuzz_target!(|input: (u16, &[u8])| {
    let (number, bytes) = input;
    let mut sequence = Sequence::default();
    let mut media = 0;
    for packet in Packets::of(bytes).flatten() {
        if let Packet::Data { sequence: own, payload, .. } = packet {
            sequence.of(own);
            media += payload.len();
        }
    }
    assert!(media <= bytes.len());
    if let Some(data) = CodecData::new(bytes).of_rule(number.into()) {
        let _ = Codec::parse(data).map(|codec| codec.name());
    }
    let _ = Header::default().take(bytes);
    let text = String::from_utf8_lossy(bytes);
    assert!(rules_for(&text, number.into()).len() <= MAX_RULES);
    assert_eq!(Response::to(&text).response.len(), 40);
    if let Ok(description) = sdp::parse(format!("v=0\nm=video 0 RTP/AVP 101\n{text}").as_bytes()) {
        for media in &description.media {
            let _ = (media.is_real(), media.rule_book(), media.real_codec(number.into()));
        }
        let _ = description.is_live();
    }
});
