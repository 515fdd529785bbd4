//! A response in one piece and in two must give the same head and the same body.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::http1::{Body, Framing, Head, HeadReader};

/// The head, the content and whether the body ended well; `None` when it is no HTTP.
fn read(pieces: &[&[u8]]) -> Option<(Head, Vec<u8>, bool)> {
    let (mut reader, mut head, mut content) = (HeadReader::new(), None::<(Head, Body)>, Vec::new());
    for mut piece in pieces.iter().copied() {
        if head.is_none() {
            let (found, used) = match reader.push(piece) {
                Ok(Some(done)) => done,
                Ok(None) => continue,
                Err(_) => return None,
            };
            let body = Body::new(found.framing().unwrap_or(Framing::Chunked));
            head = Some((found, body));
            piece = &piece[used..];
        }
        if let Some((head, body)) = &mut head
            && body.feed(piece, |data| content.extend_from_slice(data)).is_err()
        {
            return Some((head.clone(), content, false));
        }
    }
    head.map(|(head, body)| (head, content, body.finish().is_ok()))
}

fuzz_target!(|input: (u16, &[u8])| {
    let (at, bytes) = input;
    let (first, second) = bytes.split_at(usize::from(at).min(bytes.len()));
    assert_eq!(read(&[bytes]), read(&[first, second]));
});
