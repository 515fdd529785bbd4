//! The header of an RTP packet.

/// Bytes before the list of contributing sources.
const FIXED_HEADER: usize = 12;

/// An RTP packet (RFC 3550 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Usually: the last packet of a picture.
    pub marker: bool,
    /// 0 to 127; see [`crate::sdp::Media::format`].
    pub payload_type: u8,
    /// Counts packets, modulo 65536.
    pub sequence: u16,
    /// In units of the payload's clock.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
    /// Without contributing sources, header extension and padding.
    pub payload: &'a [u8],
}

/// Bytes that are no RTP or RTCP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// Something else is sent here, or SRTP keys are.
    #[error("version {found} in byte 0, expected 2")]
    Version {
        /// What stands there.
        found: u8,
    },
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

impl<'a> Packet<'a> {
    /// Reads one packet.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let mut reader = Reader { bytes, at: 0 };
        let &[flags, kind, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] =
            reader.array::<FIXED_HEADER>("header")?;
        check_version(flags)?;
        reader.take("contributing sources", usize::from(flags & 0x0f) * 4)?;
        if flags & 0x10 != 0 {
            let &[_, _, hi, lo] = reader.array("extension header")?;
            reader.take("extension", usize::from(u16::from_be_bytes([hi, lo])) * 4)?;
        }
        let mut payload = reader.rest();
        if flags & 0x20 != 0 {
            // The last byte counts itself, so 0 is wrong; taken as 1, as receivers do.
            let padding = usize::from(payload.last().copied().unwrap_or_default()).max(1);
            let kept = payload.len().checked_sub(padding).ok_or(RtpError::Truncated {
                what: "padding",
                at: reader.at,
                needed: padding,
                left: payload.len(),
            })?;
            payload = payload.get(..kept).unwrap_or_default();
        }
        Ok(Self {
            marker: kind & 0x80 != 0,
            payload_type: kind & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
            payload,
        })
    }
}

/// Whether a packet on a port or channel that carries both is RTCP: packet types 192 to 223 (RFC 5761 section 4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    matches!(bytes, [_, 192..=223, ..])
}

pub(super) fn check_version(flags: u8) -> Result<(), RtpError> {
    match flags >> 6 {
        2 => Ok(()),
        found => Err(RtpError::Version { found }),
    }
}

/// Takes parts off the front of a packet.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(super) fn take(&mut self, what: &'static str, needed: usize) -> Result<&'a [u8], RtpError> {
        let (at, rest) = (self.at, self.rest());
        let part = rest.get(..needed).ok_or(RtpError::Truncated { what, at, needed, left: rest.len() })?;
        self.at += needed;
        Ok(part)
    }

    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<&'a [u8; N], RtpError> {
        let (at, left) = (self.at, self.rest().len());
        self.take(what, N)?.first_chunk().ok_or(RtpError::Truncated { what, at, needed: N, left })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_part_of_the_header_is_read() {
        let bytes = [
            0xb2, 0xe0, 0x12, 0x34, 0, 0, 0, 5, 0xde, 0xad, 0xbe,
            0xef, // header: padding, extension, two sources
            1, 1, 1, 1, 2, 2, 2, 2, // contributing sources
            0xbe, 0xde, 0, 1, 9, 9, 9, 9, // extension
            7, 8, 0, 0, 3, // payload, padding
        ];
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(
            packet,
            Packet {
                marker: true,
                payload_type: 96,
                sequence: 0x1234,
                timestamp: 5,
                ssrc: 0xdead_beef,
                payload: &[7, 8]
            }
        );
    }

    #[test]
    fn an_error_names_what_is_cut_and_where() {
        let mut bytes = [0u8; 16];
        bytes[0] = 0x91; // one contributing source, an extension
        assert_eq!(
            Packet::parse(&bytes).unwrap_err().to_string(),
            "extension header at byte 16 needs 4 bytes, 0 are left"
        );
        assert_eq!(
            Packet::parse(&bytes[..11]).unwrap_err().to_string(),
            "header at byte 0 needs 12 bytes, 11 are left"
        );
        bytes[0] = 0xa0;
        bytes[15] = 5;
        assert_eq!(
            Packet::parse(&bytes).unwrap_err().to_string(),
            "padding at byte 12 needs 5 bytes, 4 are left"
        );
        bytes[15] = 4;
        assert_eq!(Packet::parse(&bytes).unwrap().payload, b"");
        bytes[0] = 0x47;
        assert_eq!(Packet::parse(&bytes), Err(RtpError::Version { found: 1 }), "MPEG-TS without RTP");
    }

    #[test]
    fn rtcp_is_told_from_rtp_on_one_port() {
        assert!(is_rtcp(&[0x80, 200]) && is_rtcp(&[0x81, 203]));
        // Payload type 96 with marker, PCMA, and MPEG-TS with marker.
        assert!(!is_rtcp(&[0x80, 0xe0]) && !is_rtcp(&[0x80, 8]) && !is_rtcp(&[0x80, 0xa1]) && !is_rtcp(&[]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(mut bytes: Vec<u8>) {
            let _ = Packet::parse(&bytes);
            if let Some(first) = bytes.first_mut() {
                *first = 0x80 | (*first & 0x3f);
            }
            if let Ok(packet) = Packet::parse(&bytes) {
                prop_assert!(packet.payload.len() <= bytes.len() - FIXED_HEADER);
            }
        }
    }
}
