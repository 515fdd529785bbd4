//! RDT packets: media, and what sender and receiver say about it.

/// Sequence numbers from here on mark packets without media; those of media begin anew before.
const CONTROL: u16 = 0xff00;
/// The control packet after which a stream has no more.
pub const STREAM_END: u16 = 0xff06;
/// A number of five bits that stands in two bytes behind.
const EXTENDED: u8 = 0x1f;

/// Bytes that are no RDT packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an RDT packet cut at byte {at} of {length}")]
pub struct RdtError {
    /// Where the next field should be.
    pub at: usize,
    /// What there is.
    pub length: usize,
}

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Media.
    Data {
        /// Which track: the number of its control URL.
        set: u16,
        /// Which of the track's bit rates.
        stream: u16,
        /// Counts packets of a track, up to 0xFEFF.
        sequence: u16,
        /// Whether it can be decoded without others.
        key: bool,
        /// When it plays, in milliseconds.
        timestamp: u32,
        /// The media.
        payload: &'a [u8],
    },
    /// Anything else: reports, questions about the round trip, [`STREAM_END`].
    Control {
        /// Which track.
        set: u16,
        /// What it says.
        kind: u16,
    },
}

/// The packets of one datagram or interleaved frame: several when they say their lengths.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Packets<'a> {
    /// Of these bytes.
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, RdtError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match parse(self.rest) {
            Ok((packet, length)) => {
                self.rest = &self.rest[length..];
                Some(Ok(packet))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

/// The first packet and its length, which is not 0.
fn parse(bytes: &[u8]) -> Result<(Packet<'_>, usize), RdtError> {
    let mut fields = Fields { bytes, at: 0 };
    let flags = fields.u8()?;
    let mut set = u16::from((flags >> 1) & EXTENDED);
    let sequence = fields.u16()?;
    let length = if flags & 0x80 == 0 { bytes.len() } else { usize::from(fields.u16()?) };
    let whole = bytes.get(..length).filter(|whole| whole.len() >= fields.at);
    let bytes = whole.ok_or(RdtError { at: length, length: bytes.len() })?;
    if sequence >= CONTROL {
        return Ok((Packet::Control { set, kind: sequence }, length));
    }
    fields.bytes = bytes;
    let more = fields.u8()?;
    let timestamp = u32::from(fields.u16()?) << 16 | u32::from(fields.u16()?);
    if set == u16::from(EXTENDED) {
        set = fields.u16()?;
    }
    if flags & 0x40 != 0 {
        // A number for packets that are sent again when they are lost.
        fields.u16()?;
    }
    let mut stream = u16::from((more >> 1) & EXTENDED);
    if stream == u16::from(EXTENDED) {
        stream = fields.u16()?;
    }
    let payload = bytes.get(fields.at..).unwrap_or_default();
    Ok((Packet::Data { set, stream, sequence, key: more & 1 == 0, timestamp, payload }, length))
}

struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn u8(&mut self) -> Result<u8, RdtError> {
        let byte = self.bytes.get(self.at).copied();
        let byte = byte.ok_or(RdtError { at: self.at, length: self.bytes.len() })?;
        self.at += 1;
        Ok(byte)
    }

    fn u16(&mut self) -> Result<u16, RdtError> {
        Ok(u16::from(self.u8()?) << 8 | u16::from(self.u8()?))
    }
}

/// Counts on where RDT begins anew at 0xFF00, so that its numbers can be counted as those of RTP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequence {
    last: Option<(u16, u16)>,
}

impl Sequence {
    /// The number of RTP for one of RDT.
    pub fn of(&mut self, number: u16) -> u16 {
        let Some((last, counted)) = self.last else {
            self.last = Some((number, number));
            return number;
        };
        let (number, last) = (i32::from(number), i32::from(last));
        let cycle = i32::from(CONTROL);
        // The nearer way around: forward, or back to one that comes late.
        let step = (number - last).rem_euclid(cycle);
        let step = if step > cycle / 2 { step - cycle } else { step };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers go around")]
        let counted = (i32::from(counted) + step) as u16;
        if step > 0 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was 16 bits")]
            let number = number as u16;
            self.last = Some((number, counted));
        }
        counted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Media of track 1, second bit rate, not a key frame, with its length before it if wanted.
    fn data(sequence: u16, with_length: bool) -> Vec<u8> {
        let mut packet = vec![0x42];
        packet.extend(sequence.to_be_bytes());
        packet.extend([0x03, 0, 0, 3, 0xe8, 0, 9, b'a', b'b']);
        if with_length {
            packet[0] |= 0x80;
            packet.splice(3..3, [0, 14]);
        }
        packet
    }

    const MEDIA: Packet<'static> =
        Packet::Data { set: 1, stream: 1, sequence: 7, key: false, timestamp: 1000, payload: b"ab" };

    #[test]
    fn media_follows_a_control_packet_in_one_frame() {
        let frame = [&[0x80, 0xff, 0x02, 0, 6, 0][..], &data(7, true), &data(7, false)].concat();
        let packets: Vec<_> = Packets::of(&frame).collect();
        assert_eq!(packets, [Ok(Packet::Control { set: 0, kind: 0xff02 }), Ok(MEDIA), Ok(MEDIA)]);
    }

    #[test]
    fn the_end_of_a_stream_is_a_control_packet() {
        let end = Packets::of(&[0x44, 0xff, 0x06, 0, 0, 0, 0, 0]).next();
        assert_eq!(end, Some(Ok(Packet::Control { set: 2, kind: STREAM_END })));
    }

    #[test]
    fn large_numbers_of_track_and_bit_rate_stand_behind() {
        let packet = [0x3e, 0, 1, 0x3e, 0, 0, 0, 5, 0x01, 0x02, 0x03, 0x04, 9];
        let expected =
            Packet::Data { set: 0x102, stream: 0x304, sequence: 1, key: true, timestamp: 5, payload: &[9] };
        assert_eq!(Packets::of(&packet).next(), Some(Ok(expected)));
    }

    #[test]
    fn a_cut_packet_and_lengths_that_cannot_be_are_named() {
        let whole = data(7, false);
        for length in 1..10 {
            let cut = Packets::of(&whole[..length]).next();
            assert_eq!(cut, Some(Err(RdtError { at: length, length })));
        }
        for wrong in [0_u16, 4, 15, u16::MAX] {
            let mut packet = data(7, true);
            packet[3..5].copy_from_slice(&wrong.to_be_bytes());
            assert_eq!(
                Packets::of(&packet).next(),
                Some(Err(RdtError { at: wrong.into(), length: 14 })),
                "{wrong}"
            );
        }
    }

    #[test]
    fn numbers_go_on_where_they_begin_anew() {
        let mut sequence = Sequence::default();
        let counted: Vec<u16> =
            [0xfefd, 0xfefe, 0xfeff, 1, 0, 2].into_iter().map(|number| sequence.of(number)).collect();
        assert_eq!(counted, [0xfefd, 0xfefe, 0xfeff, 0xff01, 0xff00, 0xff02]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Packets::of(&bytes).count() <= bytes.len());
        }
    }
}
