//! One transport packet, and finding where packets begin.

/// Bytes of a packet.
pub const PACKET: usize = 188;
/// So many sync bytes in a row, one packet apart, are believed (TR 101 290, 1.1).
pub(super) const SYNC_PACKETS: usize = 5;
pub(super) const SYNC_BYTE: u8 = 0x47;

/// A packet, ISO 13818-1 section 2.4.3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// 13 bits; 0x1fff is stuffing.
    pub pid: u16,
    /// Set by a receiver that could not correct the packet.
    pub transport_error: bool,
    /// A PES packet or section begins in the payload.
    pub unit_start: bool,
    /// Any of the two scrambling bits.
    pub scrambled: bool,
    /// Four bits, counting packets with payload.
    pub continuity: u8,
    /// The adaptation field, when it has flags.
    pub adaptation: Option<Adaptation>,
    /// `None` when the packet carries only an adaptation field.
    pub payload: Option<&'a [u8]>,
}

/// What is of use in an adaptation field, section 2.4.3.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adaptation {
    /// Continuity and clock may jump here on purpose.
    pub discontinuity: bool,
    /// A decoder can start here.
    pub random_access: bool,
    /// Program clock, 27 MHz ticks.
    pub pcr: Option<u64>,
}

impl<'a> Packet<'a> {
    /// Reads one packet. `None` without a sync byte or with an adaptation field longer than the packet.
    pub fn parse(bytes: &'a [u8; PACKET]) -> Option<Self> {
        if bytes[0] != SYNC_BYTE {
            return None;
        }
        let mut rest = &bytes[4..];
        let mut adaptation = None;
        if bytes[3] & 0x20 != 0 {
            let (field, after) = rest[1..].split_at_checked(usize::from(rest[0]))?;
            adaptation = Adaptation::parse(field);
            rest = after;
        }
        Some(Self {
            pid: u16::from_be_bytes([bytes[1] & 0x1f, bytes[2]]),
            transport_error: bytes[1] & 0x80 != 0,
            unit_start: bytes[1] & 0x40 != 0,
            scrambled: bytes[3] & 0xc0 != 0,
            continuity: bytes[3] & 0x0f,
            adaptation,
            payload: (bytes[3] & 0x10 != 0).then_some(rest),
        })
    }
}

impl Adaptation {
    fn parse(field: &[u8]) -> Option<Self> {
        let (&flags, rest) = field.split_first()?;
        // 33 bits of 90 kHz, 6 reserved, 9 bits of 27 MHz.
        let pcr = rest.first_chunk::<6>().filter(|_| flags & 0x10 != 0).map(|field| {
            let bits = field.iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
            (bits >> 15) * 300 + (bits & 0x1ff)
        });
        Some(Self { discontinuity: flags & 0x80 != 0, random_access: flags & 0x40 != 0, pcr })
    }
}

/// Where packets begin in `bytes`: the first offset from which five sync bytes follow one another (as many as there
/// are packets, when the bytes hold fewer). `None` when this is no transport stream or less than one packet.
pub fn find_sync(bytes: &[u8]) -> Option<usize> {
    let needed = (bytes.len() / PACKET).min(SYNC_PACKETS);
    let last_start = bytes.len().checked_sub(needed.max(1) * PACKET)?;
    (0..=last_start).find(|start| (0..needed).all(|n| bytes[start + n * PACKET] == SYNC_BYTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_first_packets_are_read() {
        let bytes = include_bytes!("../../testdata/ts/h264-aac-2s.ts");
        let packets: Vec<_> =
            bytes.chunks_exact(PACKET).map(|p| Packet::parse(p.try_into().unwrap()).unwrap()).collect();
        assert_eq!((packets[0].pid, packets[1].pid, packets[2].pid), (17, 0, 4096), "SDT, PAT, PMT");
        let video = packets.iter().find(|p| p.pid == 256).unwrap();
        let adaptation = video.adaptation.unwrap();
        assert!(video.unit_start && adaptation.random_access && adaptation.pcr.is_some());
        assert!(video.payload.unwrap().starts_with(&[0, 0, 1, 0xe0]));
    }

    #[test]
    fn packets_are_found_behind_junk_and_not_in_noise() {
        let bytes = include_bytes!("../../testdata/ts/h264-aac-2s.ts");
        let junk = [&[SYNC_BYTE; 70][..], bytes].concat();
        assert_eq!(find_sync(&junk), Some(70));
        assert_eq!(find_sync(bytes), Some(0));
        assert_eq!(find_sync(&bytes[..PACKET]), Some(0));
        assert_eq!(find_sync(&bytes[..PACKET - 1]), None);
        assert_eq!(find_sync(&[]), None);
        let mut damaged = bytes[..PACKET * 6].to_vec();
        damaged[PACKET * 3] = 0;
        assert_eq!(find_sync(&damaged), None);
    }

    #[test]
    fn adaptation_field_longer_than_the_packet_is_refused() {
        let mut bytes = [0xff; PACKET];
        bytes[..5].copy_from_slice(&[SYNC_BYTE, 0, 0, 0x30, 184]);
        assert_eq!(Packet::parse(&bytes), None);
        bytes[4] = 183;
        assert_eq!(Packet::parse(&bytes).unwrap().payload, Some(&[][..]));
    }
}
