//! MPEG audio and ADTS: frames that follow one another.

use weir_wire::media::{AudioCodec, FrameHeader};

use crate::{Codec, Unit, Watcher};

/// The longest ADTS frame that its length field can tell, and the longest that is waited for.
const FRAME_MAX: usize = 8191;
/// So many bytes of the next header are enough.
const HEADER: usize = 6;

/// Splits a stream of frames.
#[derive(Default)]
pub(super) struct Frames {
    pending: Vec<u8>,
    /// The header of the frame before.
    last: Option<FrameHeader>,
}

impl Frames {
    /// The next bytes of the track.
    pub(super) fn feed(&mut self, track: u32, bytes: &[u8], watcher: &mut Watcher) {
        self.pending.extend_from_slice(bytes);
        let mut at = 0;
        while at + FRAME_MAX.min(HEADER) < self.pending.len() {
            let rest = &self.pending[at..];
            let Some(header) = FrameHeader::parse(rest) else {
                at += 1;
                continue;
            };
            let continues =
                |other: &FrameHeader| header.codec == other.codec && header.sample_rate == other.sample_rate;
            // A header is believed when it goes on like the last one, or when the next one goes on like it.
            if !self.last.as_ref().is_some_and(continues) {
                match rest.get(header.length..) {
                    Some(next) if next.len() >= HEADER => {
                        if !FrameHeader::parse(next).as_ref().is_some_and(continues) {
                            at += 1;
                            continue;
                        }
                    }
                    _ => break,
                }
            }
            let Some(frame) = rest.get(..header.length) else { break };
            let (codec, skip) = match header.codec {
                AudioCodec::Aac => {
                    let codec = Codec::Aac { rate: header.sample_rate, channels: header.channels };
                    // Two more bytes of header when there is a checksum (ISO 13818-7, 6.2).
                    (codec, if frame.get(1).is_some_and(|byte| byte & 1 == 0) { 9 } else { 7 })
                }
                AudioCodec::Mp1 => (Codec::OtherAudio("MPEG audio layer I"), 0),
                _ => (Codec::MpegAudio, 0),
            };
            let bytes = frame.get(skip..).unwrap_or_default();
            watcher.unit(&Unit { track, codec, time: 0.0, bytes });
            at += header.length;
            self.last = Some(header);
        }
        self.pending.drain(..at);
    }
}
