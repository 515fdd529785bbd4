//! Ogg pages put together to packets (RFC 3533). Icecast chains streams: each title may begin anew.

use std::collections::BTreeMap;

use crate::{Codec, Unit, Watcher};

/// The most bytes of a packet that are put together: Vorbis headers can be long.
const PACKET_MAX: usize = 256 * 1024;
/// The most logical streams at once.
const STREAMS_MAX: usize = 8;
/// A page header without its table of segments.
const HEADER: usize = 27;

/// Takes Ogg apart.
#[derive(Default)]
pub(super) struct Ogg {
    pending: Vec<u8>,
    streams: BTreeMap<u32, Stream>,
    /// Streams of the link that has begun, each with its number.
    next_track: u32,
    /// Pages of data came since the last first page.
    running: bool,
}

struct Stream {
    track: u32,
    codec: Option<Codec>,
    packet: Vec<u8>,
    /// The packet in the making lacks its beginning or is too long.
    broken: bool,
}

impl Ogg {
    /// The next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], watcher: &mut Watcher) {
        self.pending.extend_from_slice(bytes);
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_slice();
        while rest.len() >= HEADER {
            if !rest.starts_with(b"OggS") {
                let next = rest.windows(4).skip(1).position(|four| four == b"OggS");
                rest = &rest[next.map_or(rest.len() - 3, |at| at + 1)..];
                continue;
            }
            let count = usize::from(rest[26]);
            let Some(table) = rest.get(HEADER..HEADER + count) else { break };
            let length: usize = table.iter().copied().map(usize::from).sum();
            let Some(body) = rest.get(HEADER + count..HEADER + count + length) else { break };
            self.page(
                rest[5],
                u32::from_le_bytes([rest[14], rest[15], rest[16], rest[17]]),
                table,
                body,
                watcher,
            );
            rest = &rest[HEADER + count + length..];
        }
        self.pending = rest.to_vec();
    }

    fn page(&mut self, flags: u8, serial: u32, table: &[u8], body: &[u8], watcher: &mut Watcher) {
        let (continued, first) = (flags & 1 != 0, flags & 2 != 0);
        if first {
            if self.running {
                self.streams.clear();
                (self.running, self.next_track) = (false, 0);
            }
            if self.streams.len() < STREAMS_MAX {
                let track = self.next_track;
                self.next_track += 1;
                let stream = Stream { track, codec: None, packet: Vec::new(), broken: false };
                self.streams.insert(serial, stream);
            }
        } else {
            self.running = true;
        }
        let Some(stream) = self.streams.get_mut(&serial) else { return };
        if !continued {
            stream.packet.clear();
            stream.broken = false;
        } else if stream.packet.is_empty() {
            stream.broken = true;
        }
        let mut body = body;
        for &lace in table {
            let (part, after) = body.split_at(usize::from(lace).min(body.len()));
            body = after;
            stream.broken |= stream.packet.len() + part.len() > PACKET_MAX;
            if !stream.broken {
                stream.packet.extend_from_slice(part);
            }
            if lace < 255 {
                let packet = std::mem::take(&mut stream.packet);
                if !std::mem::take(&mut stream.broken) {
                    let codec = *stream.codec.get_or_insert_with(|| codec(&packet));
                    watcher.unit(&Unit { track: stream.track, codec, time: 0.0, bytes: &packet });
                }
            }
        }
    }
}

/// What a stream's first packet says that it is.
fn codec(packet: &[u8]) -> Codec {
    match packet {
        [1, b'v', b'o', b'r', b'b', b'i', b's', ..] => Codec::Vorbis,
        [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', ..] => Codec::Opus,
        [0x7f, b'F', b'L', b'A', b'C', ..] => Codec::OtherAudio("FLAC"),
        [b'S', b'p', b'e', b'e', b'x', ..] => Codec::OtherAudio("Speex"),
        [0x80, b't', b'h', b'e', b'o', b'r', b'a', ..] => Codec::OtherVideo("Theora"),
        _ => Codec::OtherAudio("an unknown codec"),
    }
}
