//! What xine asks, what a server answers that `MPlayer` has played from, cut at every place, and bytes of bad faith.

use proptest::prelude::*;

use super::*;

const XINE: &[u8] = include_bytes!("../../testdata/pna/xine-request.bin");

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

/// A packet of media with `media` bytes.
fn packet(sequence: u16, timestamp: u32, media: u16) -> Vec<u8> {
    let length = (media + 12).to_be_bytes();
    let head =
        [&b"Z"[..], &length, &length, &sequence.to_be_bytes(), b"Z\x10", &timestamp.to_be_bytes(), &[0, 2]];
    [head.concat(), vec![7; usize::from(media)]].concat()
}

const HELLO: &[u8] = b"PNA\0\x0a\x01\x02\x03\x04";
const CHUNK: &[u8] = b"CONT\0\0\0\x12\0\0\0\0\0\0\0\0\0\0";

/// Hello, an option, a chunk with what may be its length, the wish for a proof, the end and the server's own proof.
fn header() -> Vec<u8> {
    [HELLO, b"O\x03abc", b"r\0\x12", CHUNK, b"i\0", b"L\0\0\0\0", b"#\0\x40", &[b'f'; 64]].concat()
}

#[test]
fn we_ask_as_xine_does() {
    assert_eq!(request("test.rm"), XINE);
    let long = request(&"x".repeat(70_000));
    assert!(long.ends_with(b"xyB") && long.len() < 66_000);
}

#[test]
fn header_and_media_are_told_apart_wherever_they_are_cut() {
    let bytes = [header(), packet(1, 2000, 20), packet(2, 2020, 0), b"E".to_vec()].concat();
    let data = |sequence, timestamp, media| Item::Data(Data { sequence, timestamp, media });
    let expected = vec![
        Item::Hello(10),
        Item::Chunk(CHUNK.to_vec()),
        Item::WantsProof,
        Item::HeaderEnd,
        data(1, 2000, 20),
        data(2, 2020, 0),
        Item::End,
    ];
    for at in 0..bytes.len() {
        let (first, second) = bytes.split_at(at);
        assert_eq!(items(&[first, second]), Ok((expected.clone(), 0)), "cut at {at}");
    }
}

#[test]
fn a_header_without_marks_is_read_as_xine_reads_it() {
    let bytes = [HELLO, &[0; 3], CHUNK, &[0; 72], &packet(0, 0, 1)].concat();
    let (items, _) = items(&[&bytes]).unwrap();
    assert_eq!(items[1..3], [Item::Chunk(CHUNK.to_vec()), Item::HeaderEnd]);
    assert_eq!(items.len(), 4);
}

#[test]
fn refusals_are_told_in_every_form() {
    let after = |bytes: &[u8]| items(&[HELLO, bytes]).unwrap().0.pop().unwrap();
    assert_eq!(after(b"X\0\x0eFile not found"), Item::Message("File not found".to_owned()));
    assert_eq!(after(b"F\0\0\0\0"), Item::Failure);
    let page = b"HTTP/1.0 404 Not Found\r\nContent-Type: text/html\r\n\r\n<html>";
    assert_eq!(items(&[page]).unwrap().0[0], Item::Http("HTTP/1.0 404 Not Found".to_owned()));
    let in_media = [header(), packet(1, 0, 5), b"X\0\x04full".to_vec()].concat();
    assert_eq!(items(&[&in_media]).unwrap().0.pop(), Some(Item::Message("full".to_owned())));
}

#[test]
fn what_is_no_packet_is_passed_over_up_to_the_next_one() {
    let bytes = [header(), packet(1, 0, 5), b"ZZ\0EFX\0".to_vec(), packet(2, 9, 5)].concat();
    let (items, skipped) = items(&[&bytes]).unwrap();
    assert_eq!((items.last(), skipped), (Some(&Item::Data(Data { sequence: 2, timestamp: 9, media: 5 })), 7));
}

#[test]
fn something_else_on_the_port_is_named() {
    let not_pna = |bytes: &[u8]| match items(&[bytes]) {
        Err(PnaError::NotPna { at: 0, found }) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(not_pna(b"SSH-2.0-OpenSSH_9.2\r\n"), "SSH-2.0-OpenSSH_9.2\\r\\n");
    assert_eq!(not_pna(b"PNB"), "PNB");
    assert_eq!(items(&[HELLO, b"r\0\x12what"]), Err(PnaError::NoChunk { at: 12, found: "what".to_owned() }),);
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    for length in [0, 7, 65_537, u32::MAX] {
        let chunk = [b"MDPR", &length.to_be_bytes()[..], &[0; 16]].concat();
        assert_eq!(items(&[HELLO, b"r\0\0", &chunk]), Err(PnaError::BadChunk { at: 12, length }));
    }
    let mut reader = Reader::default();
    reader.push(HELLO);
    let endless = loop {
        reader.push(&b"O\xff".iter().chain(&[1; 255]).copied().collect::<Vec<u8>>());
        match reader.next_item() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(endless, PnaError::HeaderTooLarge);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..300) {
        let (first, second) = bytes.split_at(at.min(bytes.len()));
        prop_assert_eq!(items(&[HELLO, &bytes]).is_ok(), items(&[HELLO, first, second]).is_ok());
        let begun = header();
        prop_assert_eq!(items(&[&begun, &bytes]), items(&[&begun, first, second]));
    }
}
