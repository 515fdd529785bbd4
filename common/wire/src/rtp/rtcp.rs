//! RTCP, as far as a probe needs it: who sends how much, and who says goodbye.

use super::RtpError;
use super::packet::{Reader, check_version};

/// One RTCP packet out of a compound one (RFC 3550 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// What a sender has sent so far.
    Sender {
        /// The sender.
        ssrc: u32,
        /// The sender's clock: seconds since 1900, times 2^32.
        ntp: u64,
        /// The same moment as an RTP timestamp.
        rtp_timestamp: u32,
        /// Packets sent.
        packets: u32,
        /// Payload bytes sent.
        octets: u32,
    },
    /// What a receiver got; its report blocks are left out.
    Receiver {
        /// The receiver.
        ssrc: u32,
    },
    /// A source ends (section 6.6); a compound may name none.
    Bye {
        /// The first source that is named.
        ssrc: Option<u32>,
    },
    /// Source description, feedback, ...
    Other {
        /// 192 to 223.
        packet_type: u8,
    },
}

/// Reads a compound packet; stops at the first error.
pub fn reports(bytes: &[u8]) -> impl Iterator<Item = Result<Report, RtpError>> {
    let mut reader = Reader { bytes, at: 0 };
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed || reader.rest().is_empty() {
            return None;
        }
        let report = next(&mut reader);
        failed = report.is_err();
        Some(report)
    })
}

fn next(reader: &mut Reader<'_>) -> Result<Report, RtpError> {
    let &[flags, packet_type, hi, lo] = reader.array("RTCP header")?;
    check_version(flags)?;
    let at = reader.at;
    let words = usize::from(u16::from_be_bytes([hi, lo]));
    let mut body = Reader { bytes: reader.take("RTCP packet", words * 4)?, at: 0 };
    let mut word = |what| match body.array::<4>(what) {
        Ok(bytes) => Ok(u32::from_be_bytes(*bytes)),
        Err(RtpError::Truncated { what, at: within, needed, left }) => {
            Err(RtpError::Truncated { what, at: at + within, needed, left })
        }
        Err(other) => Err(other),
    };
    Ok(match packet_type {
        200 => Report::Sender {
            ssrc: word("sender report")?,
            ntp: u64::from(word("sender report")?) << 32 | u64::from(word("sender report")?),
            rtp_timestamp: word("sender report")?,
            packets: word("sender report")?,
            octets: word("sender report")?,
        },
        201 => Report::Receiver { ssrc: word("receiver report")? },
        203 => Report::Bye { ssrc: word("goodbye").ok() },
        packet_type => Report::Other { packet_type },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_compound_packet_is_read_part_by_part() {
        let mut bytes =
            vec![0x80, 200, 0, 6, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6];
        bytes.extend([0x81, 202, 0, 1, 0, 0, 0, 0]);
        bytes.extend([0x81, 203, 0, 1, 0, 0, 0, 1]);
        let found: Vec<_> = reports(&bytes).map(Result::unwrap).collect();
        assert_eq!(
            found,
            [
                Report::Sender { ssrc: 1, ntp: 2 << 32 | 3, rtp_timestamp: 4, packets: 5, octets: 6 },
                Report::Other { packet_type: 202 },
                Report::Bye { ssrc: Some(1) },
            ]
        );
    }

    #[test]
    fn a_cut_packet_names_the_place() {
        let short = reports(&[0x80, 201, 0, 1, 0, 0]).next().unwrap().unwrap_err();
        assert_eq!(short.to_string(), "RTCP packet at byte 4 needs 4 bytes, 2 are left");
        let lying = reports(&[0x80, 200, 0, 1, 0, 0, 0, 1]).next().unwrap().unwrap_err();
        assert_eq!(lying.to_string(), "sender report at byte 8 needs 4 bytes, 0 are left");
        assert_eq!(reports(&[0x80, 203, 0, 0]).next(), Some(Ok(Report::Bye { ssrc: None })));
        assert_eq!(reports(&[]).next(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic_or_run_for_ever(bytes: Vec<u8>) {
            prop_assert!(reports(&bytes).count() <= bytes.len() / 4 + 1);
        }
    }
}
