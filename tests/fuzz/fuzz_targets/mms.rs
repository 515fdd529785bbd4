//! MMS over HTTP and over TCP, at any split, down to the ASF inside.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::asf::{Header, Packet};
use weir_wire::mms::{Frame, FrameError, HeaderPieces, HttpReader, Item, TcpError, TcpReader};

fn frames(pieces: &[&[u8]]) -> Result<Vec<Frame>, FrameError> {
    let (mut reader, mut frames) = (HttpReader::default(), Vec::new());
    for piece in pieces {
        reader.push(piece);
        while let Some(frame) = reader.next_frame()? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

fn items(pieces: &[&[u8]]) -> Result<Vec<Item>, TcpError> {
    let (mut reader, mut items) = (TcpReader::default(), Vec::new());
    for piece in pieces {
        reader.push(piece);
        while let Some(item) = reader.next_item()? {
            items.push(item);
        }
    }
    Ok(items)
}

fuzz_target!(|input: (u16, &[u8])| {
    let (at, bytes) = input;
    let (first, second) = bytes.split_at(usize::from(at).min(bytes.len()));
    let whole = frames(&[bytes]);
    assert_eq!(whole, frames(&[first, second]));
    let mut pieces = HeaderPieces::default();
    for frame in whole.unwrap_or_default() {
        match frame {
            Frame::Header(piece) => {
                if let Ok(Some(header)) = pieces.push(&piece) {
                    let _ = Header::parse(&header);
                }
            }
            Frame::Data(data) => {
                let _ = Packet::parse(&data.payload);
            }
            _ => {}
        }
    }
    if let (Ok(whole), Ok(cut)) = (items(&[bytes]), items(&[first, second])) {
        assert_eq!(whole, cut);
        for item in whole {
            if let Item::Reply(reply) = item {
                let _ = (reply.status().to_string(), reply.server_version(), reply.opened());
            }
        }
    }
});
