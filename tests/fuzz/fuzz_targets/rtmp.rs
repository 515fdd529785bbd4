//! RTMP's chunk stream at any split, down to commands, metadata and the heads of tags inside.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::rtmp::{
    ChunkError, ChunkReader, Event, HEAD, Location, MAX_HELD, Message, Tag, read_all, submessages,
};

fn messages(pieces: &[&[u8]]) -> (Vec<Message>, Option<ChunkError>) {
    let (mut reader, mut messages) = (ChunkReader::default(), Vec::new());
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

fuzz_target!(|input: (u16, &[u8])| {
    let (at, bytes) = input;
    let (first, second) = bytes.split_at(usize::from(at).min(bytes.len()));
    let (whole, error) = messages(&[bytes]);
    let (cut, cut_error) = messages(&[first, second]);
    assert_eq!(whole, cut);
    assert_eq!(error.is_some(), cut_error.is_some());
    for message in whole {
        assert!(message.body.len() <= message.length as usize && message.body.len() <= MAX_HELD);
        assert!(!message.is_media() || message.body.len() <= HEAD);
        let _ = Tag::read(&message);
        for inside in submessages(&message) {
            let _ = Tag::read(&inside);
        }
        if let Ok(Event::Invoke(invoke)) = message.event() {
            let _ = (invoke.status(), invoke.number(), invoke.answers(1));
        }
    }
    // What is read is read again from what is written, but for numbers that are none.
    if let Ok(values) = read_all(bytes) {
        let mut written = Vec::new();
        values.iter().for_each(|value| value.write(&mut written));
        let mut again = Vec::new();
        for value in read_all(&written).unwrap_or_default() {
            value.write(&mut again);
        }
        assert_eq!(written, again);
    }
    if let Ok(text) = str::from_utf8(bytes) {
        if let Ok(location) = Location::split(text, None, None) {
            assert!(!location.app.is_empty() && !location.stream.is_empty());
        }
        let _ = (Location::split(text, Some("live"), None), Location::split(text, None, Some("news")));
    }
});
