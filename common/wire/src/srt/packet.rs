//! The header of 16 bytes before everything (section 3).

use super::sequence::LAST;

/// Bytes of the header.
pub const HEADER: usize = 16;

/// Bytes that are no SRT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SrtError {
    /// The packet ends before what it announces.
    #[error("{what} at byte {at} needs {needed} bytes, {left} are left")]
    Truncated {
        /// The part that is cut.
        what: &'static str,
        /// Where it begins.
        at: usize,
        /// Its length.
        needed: usize,
        /// What there is.
        left: usize,
    },
}

/// One packet, which is one datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Payload.
    Data(Data<'a>),
    /// Anything else.
    Control(Control<'a>),
}

/// With which key payload is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// With none.
    Clear,
    /// The even one.
    Even,
    /// The odd one.
    Odd,
}

/// A data packet (section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data<'a> {
    /// Counts packets, in 31 bits.
    pub sequence: u32,
    /// With which key the payload is encrypted.
    pub key: Key,
    /// Whether it was sent before.
    pub retransmitted: bool,
    /// The sender's clock, microseconds.
    pub timestamp: u32,
    /// The socket for which it is.
    pub destination: u32,
    /// What it carries.
    pub payload: &'a [u8],
}

/// What a control packet is about, with the number that belongs to it (section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// See [`super::Handshake`].
    Handshake,
    /// Still there.
    KeepAlive,
    /// What has arrived; a full one has a number from 1, a light one has 0.
    Ack(u32),
    /// What has not arrived: see [`super::losses`].
    Nak,
    /// The end.
    Shutdown,
    /// The answer to the full acknowledgement of this number.
    AckAck(u32),
    /// The sender has given up the packets from one number to another.
    DropRequest,
    /// A request for, or an answer to, new keys: see [`super::KeyMaterial`].
    KeyMaterial {
        /// Whether it is the answer.
        reply: bool,
    },
    /// Something else, by type and subtype.
    Other(u16, u16),
}

/// A control packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control<'a> {
    /// What it is about.
    pub kind: Kind,
    /// The sender's clock, microseconds.
    pub timestamp: u32,
    /// The socket for which it is; 0 for who wants a connection.
    pub destination: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

/// The type that stands for subtypes of its own, and two of these.
const USER_DEFINED: u16 = 0x7fff;
const KEY_REQUEST: u16 = 3;
const KEY_RESPONSE: u16 = 4;

impl<'a> Packet<'a> {
    /// Reads one datagram.
    ///
    /// # Errors
    /// Fewer bytes than a header has.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SrtError> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or(SrtError::Truncated {
            what: "header",
            at: 0,
            needed: HEADER,
            left: bytes.len(),
        })?;
        let [first, second, timestamp, destination] = words(*header);
        if first > LAST {
            let kind = Kind::read(first, second);
            return Ok(Self::Control(Control { kind, timestamp, destination, body: rest }));
        }
        let key = match second >> 27 & 3 {
            0 => Key::Clear,
            1 => Key::Even,
            // Both at once is for control packets only.
            _ => Key::Odd,
        };
        Ok(Self::Data(Data {
            sequence: first,
            key,
            retransmitted: second >> 26 & 1 != 0,
            timestamp,
            destination,
            payload: rest,
        }))
    }

    /// The socket for which it is.
    pub const fn destination(&self) -> u32 {
        match self {
            Self::Data(data) => data.destination,
            Self::Control(control) => control.destination,
        }
    }
}

impl Kind {
    #[allow(clippy::cast_possible_truncation, reason = "two halves of a word")]
    const fn read(first: u32, information: u32) -> Self {
        let (kind, subtype) = ((first >> 16 & 0x7fff) as u16, first as u16);
        match (kind, subtype) {
            (0, _) => Self::Handshake,
            (1, _) => Self::KeepAlive,
            (2, _) => Self::Ack(information),
            (3, _) => Self::Nak,
            (5, _) => Self::Shutdown,
            (6, _) => Self::AckAck(information),
            (7, _) => Self::DropRequest,
            (USER_DEFINED, KEY_REQUEST) => Self::KeyMaterial { reply: false },
            (USER_DEFINED, KEY_RESPONSE) => Self::KeyMaterial { reply: true },
            _ => Self::Other(kind, subtype),
        }
    }

    /// Type, subtype and the number.
    const fn write(self) -> (u16, u16, u32) {
        match self {
            Self::Handshake => (0, 0, 0),
            Self::KeepAlive => (1, 0, 0),
            Self::Ack(number) => (2, 0, number),
            Self::Nak => (3, 0, 0),
            Self::Shutdown => (5, 0, 0),
            Self::AckAck(number) => (6, 0, number),
            Self::DropRequest => (7, 0, 0),
            Self::KeyMaterial { reply: false } => (USER_DEFINED, KEY_REQUEST, 0),
            Self::KeyMaterial { reply: true } => (USER_DEFINED, KEY_RESPONSE, 0),
            Self::Other(kind, subtype) => (kind, subtype, 0),
        }
    }
}

impl Control<'_> {
    /// The datagram.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, subtype, information) = self.kind.write();
        let first = 0x8000_0000 | u32::from(kind) << 16 | u32::from(subtype);
        let mut bytes = Vec::with_capacity(HEADER + self.body.len());
        for word in [first, information, self.timestamp, self.destination] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        bytes.extend_from_slice(self.body);
        bytes
    }

    /// The packets that the sender has given up, of a drop request: the first and the last (section 3.2.9).
    pub fn dropped(&self) -> Option<(u32, u32)> {
        let [first, last] = words(*self.body.first_chunk::<8>()?);
        Some((first & LAST, last & LAST))
    }
}

/// Bytes in words, big end first.
pub(super) fn words<const BYTES: usize, const WORDS: usize>(bytes: [u8; BYTES]) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    for (word, four) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*four);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_datagram_shorter_than_a_header_is_told() {
        let error = Packet::parse(&[0x80; 15]).expect_err("short").to_string();
        assert_eq!(error, "header at byte 0 needs 16 bytes, 15 are left");
    }

    proptest! {
        #[test]
        fn control_packets_are_written_as_they_are_read(bytes in proptest::collection::vec(any::<u8>(), 16..80)) {
            if let Ok(Packet::Control(control)) = Packet::parse(&bytes) {
                let written = control.to_bytes();
                prop_assert_eq!(Packet::parse(&written), Ok(Packet::Control(control)));
            }
        }
    }
}
