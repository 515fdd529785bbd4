//! Data packets: send time, and which streams have payloads in them (section 5.2).

use thiserror::Error;

use super::bytes::{u16_at, u32_at};

/// The number of payloads in a packet has six bits.
pub const MAX_PAYLOADS: usize = 63;

/// Why a data packet cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PacketError {
    /// A field lies beyond the end of the packet.
    #[error("the {what} lies beyond the packet's {length} bytes")]
    Short {
        /// The field.
        what: &'static str,
        /// The packet's length.
        length: usize,
    },
    /// Flags which the specification does not allow.
    #[error("byte {at}: flags 0x{flags:02x} cannot be")]
    BadFlags {
        /// Where.
        at: usize,
        /// What.
        flags: u8,
    },
}

/// A piece of a media object in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The stream that it belongs to.
    pub stream: u8,
    /// Whether it belongs to a key frame.
    pub key: bool,
    /// Bytes of media; in a compressed payload (section 5.2.3.2) with one length byte for each piece.
    pub length: usize,
}

/// A data packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When the packet shall be sent, in milliseconds on the stream's own clock; wraps after 49 days.
    pub send_time: u32,
    /// For how long it plays, in milliseconds.
    pub duration: u16,
    /// What it carries.
    pub payloads: Vec<Payload>,
}

/// Walks over the fields of a packet.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn short(&self, what: &'static str) -> PacketError {
        PacketError::Short { what, length: self.bytes.len() }
    }

    fn skip(&mut self, count: usize, what: &'static str) -> Result<(), PacketError> {
        if count > self.bytes.len() - self.at {
            return Err(self.short(what));
        }
        self.at += count;
        Ok(())
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, PacketError> {
        let byte = *self.bytes.get(self.at).ok_or(self.short(what))?;
        self.at += 1;
        Ok(byte)
    }

    /// A field whose size is told by two bits: absent, 8, 16 or 32 bits.
    fn sized(&mut self, code: u8, what: &'static str) -> Result<Option<usize>, PacketError> {
        let (value, size) = match code & 3 {
            0 => return Ok(None),
            1 => (self.bytes.get(self.at).map(|byte| u32::from(*byte)), 1),
            2 => (u16_at(self.bytes, self.at).map(u32::from), 2),
            _ => (u32_at(self.bytes, self.at), 4),
        };
        let value = value.ok_or(self.short(what))?;
        self.at += size;
        Ok(Some(usize::try_from(value).unwrap_or(usize::MAX)))
    }
}

impl Packet {
    /// Reads one packet. Bytes that a server left away at the end because they are padding may be missing, as in MMS.
    ///
    /// # Errors
    /// Which field is not there or cannot be.
    pub fn parse(bytes: &[u8]) -> Result<Self, PacketError> {
        let mut fields = Fields { bytes, at: 0 };
        let mut length_flags = fields.byte("length flags")?;
        if length_flags & 0x80 != 0 {
            // Error correction data: bits 5 and 6 would give its length another form that nobody uses.
            if length_flags & 0x60 != 0 {
                return Err(PacketError::BadFlags { at: 0, flags: length_flags });
            }
            fields.skip(usize::from(length_flags & 0x0f), "error correction data")?;
            length_flags = fields.byte("length flags")?;
        }
        let at = fields.at;
        let property_flags = fields.byte("property flags")?;
        fields.sized(length_flags >> 5, "packet length")?;
        fields.sized(length_flags >> 1, "sequence")?;
        let padding = fields.sized(length_flags >> 3, "padding length")?.unwrap_or(0);
        let send_time = u32_at(bytes, fields.at).ok_or(fields.short("send time"))?;
        let duration = u16_at(bytes, fields.at + 4).ok_or(fields.short("duration"))?;
        fields.at += 6;
        // The stream number has always one byte.
        if property_flags >> 6 != 1 {
            return Err(PacketError::BadFlags { at, flags: property_flags });
        }
        let mut packet = Self { send_time, duration, payloads: Vec::new() };
        if length_flags & 1 == 0 {
            let stream = payload_head(&mut fields, property_flags)?;
            let rest = bytes.len() - fields.at;
            packet.push(stream, rest.saturating_sub(padding));
            return Ok(packet);
        }
        let payload_flags = fields.byte("payload flags")?;
        for _ in 0..payload_flags & 0x3f {
            let stream = payload_head(&mut fields, property_flags)?;
            let length = fields.sized(payload_flags >> 6, "payload length")?.unwrap_or(0);
            fields.skip(length, "payload")?;
            packet.push(stream, length);
        }
        Ok(packet)
    }

    /// Bytes of media.
    pub fn media(&self) -> usize {
        self.payloads.iter().map(|payload| payload.length).sum()
    }

    fn push(&mut self, stream: u8, length: usize) {
        self.payloads.push(Payload { stream: stream & 0x7f, key: stream & 0x80 != 0, length });
    }
}

/// The fields before a payload's data; returns the stream's number with the key flag.
fn payload_head(fields: &mut Fields<'_>, property_flags: u8) -> Result<u8, PacketError> {
    let stream = fields.byte("stream number")?;
    fields.sized(property_flags >> 4, "media object number")?;
    fields.sized(property_flags >> 2, "offset into media object")?;
    let replicated = fields.sized(property_flags, "replicated data length")?.unwrap_or(0);
    fields.skip(replicated, "replicated data")?;
    Ok(stream)
}
