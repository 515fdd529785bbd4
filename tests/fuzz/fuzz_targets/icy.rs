//! Metadata blocks at any split, titles, station headers, and the sniffing of what plays.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::headers::Headers;
use weir_wire::icy::{Deinterleaver, Metadata, Part, Station};
use weir_wire::media;

fn split(metaint: u32, pieces: &[&[u8]]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (mut audio, mut blocks) = (Vec::new(), Vec::new());
    let mut stream = Deinterleaver::new(metaint);
    for piece in pieces {
        stream.feed(piece, |part| match part {
            Part::Audio(bytes) => audio.extend_from_slice(bytes),
            Part::Metadata(block) => blocks.push(block.to_vec()),
        });
    }
    (audio, blocks)
}

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (metaint, at, bytes) = input;
    let (first, second) = bytes.split_at(usize::from(at).min(bytes.len()));
    let whole = split(metaint.into(), &[bytes]);
    assert_eq!(whole, split(metaint.into(), &[first, second]));
    for block in &whole.1 {
        let _ = Metadata::parse(block);
    }
    let _ = Metadata::parse(bytes);
    let _ = Station::from_headers(&Headers::parse(bytes));
    media::sniff(bytes);
    if let Some(scan) = media::scan_audio(bytes) {
        assert!(scan.bytes + scan.skipped <= bytes.len() as u64);
    }
});
