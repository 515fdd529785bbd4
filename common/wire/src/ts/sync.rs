//! Where packets begin, in a stream that comes in pieces of any size.
//!
//! Packets are 188 bytes; behind each there may be 16 bytes of parity (204), or before each a time stamp of 4 (192).

use super::packet::{PACKET, SYNC_BYTE, SYNC_PACKETS, find_sync};

/// Distances of packets: plain, with Reed-Solomon parity (EN 300 429), with arrival time stamps (Blu-ray, some recorders).
const STRIDES: [usize; 3] = [PACKET, 204, 192];
/// Bytes that must follow a place before it is judged to be the beginning of packets.
const WINDOW: usize = SYNC_PACKETS * 204;
/// The most that is taken in at once, and so, beside a window, the most that is held.
const PIECE: usize = 32 * 1024;

/// What the walk comes across. Each byte of the stream is in exactly one of them.
#[derive(Clone, Copy)]
pub(super) enum Found<'a> {
    /// A packet that begins with a sync byte.
    Packet(&'a [u8; PACKET]),
    /// Bytes of a packet beyond 188.
    Extra(usize),
    /// Bytes that belong to no packet.
    Junk(usize),
    /// A packet does not begin where the one before it ended.
    Lost,
    /// After [`Lost`](Self::Lost): the next packet is where it should be, so only a sync byte was wrong.
    OnlyByte,
}

/// Walks from packet to packet.
#[derive(Debug, Default)]
pub(super) struct Walker {
    pending: Vec<u8>,
    /// Distance of packets while in step.
    stride: Option<usize>,
    /// While out of step after having been in step: the distance before, and the bytes skipped since.
    lost: Option<(usize, usize)>,
}

impl Walker {
    pub(super) fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Found)) {
        for piece in bytes.chunks(PIECE) {
            if self.pending.is_empty() {
                let used = self.walk(piece, false, &mut each);
                self.pending.extend_from_slice(&piece[used..]);
            } else {
                let mut pending = std::mem::take(&mut self.pending);
                pending.extend_from_slice(piece);
                let used = self.walk(&pending, false, &mut each);
                pending.drain(..used);
                self.pending = pending;
            }
        }
    }

    /// The stream has ended: looks at what was waiting for more.
    pub(super) fn finish(&mut self, mut each: impl FnMut(Found)) {
        let pending = std::mem::take(&mut self.pending);
        let used = self.walk(&pending, true, &mut each);
        each(Found::Junk(pending.len() - used));
    }

    /// How many of the bytes are done with. At the end fewer packets in a row are believed.
    fn walk(&mut self, bytes: &[u8], end: bool, each: &mut impl FnMut(Found)) -> usize {
        let mut rest = bytes;
        loop {
            let stride = if let Some(stride) = self.stride {
                stride
            } else {
                let found = search(rest, end);
                let skip = found.map_or_else(|undecided| undecided, |(at, _)| at);
                each(Found::Junk(skip));
                rest = &rest[skip..];
                if let Some((_, skipped)) = &mut self.lost {
                    *skipped += skip;
                }
                let Ok((_, stride)) = found else { break };
                if self.lost.take() == Some((stride, stride)) {
                    each(Found::OnlyByte);
                }
                *self.stride.insert(stride)
            };
            let Some((packet, after)) = rest.split_first_chunk::<PACKET>() else { break };
            let Some(next) = after.get(stride - PACKET..).or(if end { Some(&[]) } else { None }) else {
                break;
            };
            if packet[0] == SYNC_BYTE {
                each(Found::Packet(packet));
                each(Found::Extra(after.len() - next.len()));
                rest = next;
            } else {
                each(Found::Lost);
                self.stride = None;
                self.lost = Some((stride, 0));
            }
        }
        bytes.len() - rest.len()
    }
}

/// The first place where packets begin, with their distance; or how many bytes certainly hold no beginning.
fn search(bytes: &[u8], end: bool) -> Result<(usize, usize), usize> {
    // Every place is judged with as many bytes behind it, whatever the pieces were.
    let places = (bytes.len() + 1).saturating_sub(WINDOW);
    let follows = |at: usize, stride| (0..SYNC_PACKETS).all(|n| bytes[at + n * stride] == SYNC_BYTE);
    let found = (0..places).find_map(|at| Some((at, *STRIDES.iter().find(|stride| follows(at, **stride))?)));
    match found {
        Some(found) => Ok(found),
        None if end => find_sync(&bytes[places..]).map(|at| (places + at, PACKET)).ok_or(places),
        None => Err(places),
    }
}
