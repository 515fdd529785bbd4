//! Messages and attributes: the grammar that all netlink families share (netlink(7), `linux/netlink.h`).

use thiserror::Error;

/// Length of a message's header.
pub(super) const HEADER: usize = 16;
/// Length of the generic family's own header.
pub(super) const GENERIC_HEADER: usize = 4;
/// `NLMSG_ERROR`
const ERROR: u16 = 2;
/// `NLMSG_DONE`
const DONE: u16 = 3;
/// The bits of an attribute's type that are its number (`NLA_TYPE_MASK`).
const TYPE_MASK: u16 = 0x3fff;

/// Why bytes are no netlink reply.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetlinkError {
    /// A length that leads outside of the bytes.
    #[error("the {what} at byte {at} claims {length} bytes, {left} are left")]
    Length {
        /// Message or attribute.
        what: &'static str,
        /// Where it begins.
        at: usize,
        /// What it claims.
        length: usize,
        /// What is there.
        left: usize,
    },
    /// A record without an attribute that it must have, or with one of a wrong size or value.
    #[error("the {record} has no usable {attribute}")]
    Attribute {
        /// Service, destination, ...
        record: &'static str,
        /// The attribute's name.
        attribute: &'static str,
    },
}

/// One message of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A record: the message's type and what follows its header.
    Record {
        /// The family's number.
        kind: u16,
        /// The sequence number of the request that it answers.
        sequence: u32,
        /// What follows the header.
        payload: &'a [u8],
    },
    /// The end of a dump, or the acknowledgement of a request: 0, or the number of the error.
    End {
        /// The sequence number of the request that it answers.
        sequence: u32,
        /// 0, or the error's number as a positive `errno`.
        errno: u32,
    },
}

/// Splits what one `recv` gave into messages.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Messages<'a> {
    /// All messages in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, NetlinkError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let length = u32_at(rest, 0).map_or(0, |length| length as usize);
        if length < HEADER || length > rest.len() {
            let error = NetlinkError::Length { what: "message", at: self.at, length, left: rest.len() };
            self.at = self.bytes.len();
            return Some(Err(error));
        }
        self.at += align(length).min(rest.len());
        let (kind, sequence) = (u16_at(rest, 4).unwrap_or(0), u32_at(rest, 8).unwrap_or(0));
        let payload = &rest[HEADER..length];
        Some(Ok(match kind {
            ERROR | DONE => Message::End {
                sequence,
                errno: u32_at(payload, 0).map_or(0, |code| code.cast_signed().unsigned_abs()),
            },
            _ => Message::Record { kind, sequence, payload },
        }))
    }
}

/// One attribute: its number and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its number within the record, without the flags.
    pub kind: u16,
    /// Its value.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// A number of 32 bits in the machine's order.
    pub fn u32(&self) -> Option<u32> {
        u32_at(self.value, 0)
    }

    /// A number of 64 bits in the machine's order.
    pub fn u64(&self) -> Option<u64> {
        self.value.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
    }

    /// A number of 16 bits in the machine's order.
    pub fn u16(&self) -> Option<u16> {
        u16_at(self.value, 0)
    }

    /// A number of 16 bits in the network's order: ports.
    pub fn be16(&self) -> Option<u16> {
        self.value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// A text that ends with NUL.
    pub fn text(&self) -> String {
        let end = self.value.iter().position(|byte| *byte == 0).unwrap_or(self.value.len());
        String::from_utf8_lossy(&self.value[..end]).into_owned()
    }

    /// The attributes within.
    pub const fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.value)
    }
}

/// The attributes of a record, in the order in which they came.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Attributes<'a> {
    /// All attributes in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Those behind the generic family's header.
    pub fn of_generic(payload: &'a [u8]) -> Self {
        Self::new(payload.get(GENERIC_HEADER..).unwrap_or_default())
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, NetlinkError>;

    fn next(&mut self) -> Option<Self::Item> {
        const HEADER: usize = 4;
        let rest = self.bytes.get(self.at..).filter(|rest| rest.len() >= HEADER)?;
        let (length, kind) = (usize::from(u16_at(rest, 0)?), u16_at(rest, 2)? & TYPE_MASK);
        if length < HEADER || length > rest.len() {
            let error = NetlinkError::Length { what: "attribute", at: self.at, length, left: rest.len() };
            self.at = self.bytes.len();
            return Some(Err(error));
        }
        self.at += align(length);
        Some(Ok(Attribute { kind, value: &rest[HEADER..length] }))
    }
}

/// Lengths are rounded up to four bytes.
pub(super) const fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}
