//! ASF, the container of Windows Media: what the header describes, and what each data packet carries and when.
//!
//! Nothing is decoded. A packet's send time tells whether the source keeps up with the wall clock, its payloads which streams
//! flow. All integers are little-endian. Source: Advanced Systems Format Specification, revision 01.20.05; offsets compared
//! with what VLC 3.0.24 and ffmpeg 5.1.9 write.

mod bytes;
mod header;
mod packet;

pub use header::{AsfError, Header, Kind, MAX_HEADER, MAX_STREAMS, Stream};
pub use packet::{MAX_PAYLOADS, Packet, PacketError, Payload};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// VLC's header, without the MMS around it.
    fn header() -> Vec<u8> {
        include_bytes!("../../testdata/mms/vlc-describe.bin")[12..].to_vec()
    }

    #[test]
    fn a_broken_object_is_named_with_its_place() {
        for size in [0_u64, 23, 10_000, u64::MAX] {
            let mut bytes = header();
            bytes[46..54].copy_from_slice(&size.to_le_bytes());
            assert_eq!(Header::parse(&bytes), Err(AsfError::BadObject { at: 30, size }));
        }
    }

    #[test]
    fn a_cut_header_says_what_is_missing() {
        let bytes = header();
        assert_eq!(Header::parse(&bytes[..700]), Err(AsfError::Truncated { size: 733, got: 700 }));
        let found = "\\x1aE\\xdf\\xa3".to_owned();
        assert_eq!(Header::parse(b"\x1a\x45\xdf\xa3"), Err(AsfError::NotAsf { found }));
        assert_eq!(Header::length_of(&bytes), Some(733));
    }

    #[test]
    fn a_file_has_a_duration_without_its_preroll() {
        let mut bytes = header();
        bytes[30 + 88] = 2; // seekable, no longer broadcast
        bytes[30 + 64..30 + 72].copy_from_slice(&320_000_000_u64.to_le_bytes());
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header.preroll.as_millis(), 2000);
        assert_eq!(header.duration.map(|d| d.as_secs()), Some(30));
    }

    #[test]
    fn one_payload_fills_the_packet_up_to_its_padding() {
        // Error correction; no optional field but a padding length of one byte; stream 3, key frame.
        let head = [0x82, 0, 0, 0x08, 0x5d, 2, 0xe8, 3, 0, 0, 40, 0, 0x83, 7, 0, 0, 0, 0, 8];
        let packet = [&head[..], &[0; 8], &[9; 100], &[0; 2]].concat();
        let packet = Packet::parse(&packet).unwrap();
        assert_eq!((packet.send_time, packet.duration), (1000, 40));
        assert_eq!(packet.payloads, [Payload { stream: 3, key: true, length: 100 }]);
    }

    #[test]
    fn a_payload_beyond_its_packet_is_refused() {
        let packet = [0x82, 0, 0, 0x01, 0x5d, 0, 0, 0, 0, 0, 0, 0x81, 1, 0, 0, 0, 0, 0, 0, 200, 1, 2, 3];
        let error = Packet::parse(&packet).unwrap_err();
        assert_eq!(error, PacketError::Short { what: "payload", length: packet.len() });
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(at in 24_usize..790, patch in proptest::collection::vec(any::<u8>(), 1..24)) {
            let mut bytes = header();
            for (byte, new) in bytes.iter_mut().skip(at).zip(patch) {
                *byte = new;
            }
            if let Ok(header) = Header::parse(&bytes) {
                prop_assert!(header.streams.len() <= MAX_STREAMS);
            }
        }

        #[test]
        fn any_packet_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(packet) = Packet::parse(&bytes) {
                prop_assert!(packet.payloads.len() <= MAX_PAYLOADS && packet.media() <= bytes.len());
            }
        }
    }
}
