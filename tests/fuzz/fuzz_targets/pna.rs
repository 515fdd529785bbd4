//! PNA at any split, down to the RealMedia chunks inside; requests for any path.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::pna::{Item, PnaError, Reader, request};
use weir_wire::realmedia::Header;

fn items(pieces: &[&[u8]]) -> Result<(Vec<Item>, u64), PnaError> {
    let (mut reader, mut items) = (Reader::default(), Vec::new());
    for piece in pieces {
        reader.push(piece);
        while let Some(item) = reader.next_item()? {
            items.push(item);
        }
    }
    Ok((items, reader.skipped()))
}

fuzz_target!(|input: (u16, &[u8])| {
    let (at, bytes) = input;
    let greeted = [b"PNA\0\x0a\0\0\0\0", bytes].concat();
    let (first, second) = greeted.split_at(usize::from(at).min(greeted.len()));
    if let (Ok(whole), Ok(cut)) = (items(&[&greeted]), items(&[first, second])) {
        assert_eq!(whole, cut);
        let mut header = Header::default();
        for item in whole.0 {
            if let Item::Chunk(chunk) = item {
                let _ = header.take(&chunk);
            }
        }
        for stream in &header.streams {
            let _ = (stream.kind(), stream.codec_name());
        }
    }
    let _ = items(&[bytes]);
    let _ = request(&String::from_utf8_lossy(bytes));
});
