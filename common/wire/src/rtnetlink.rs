//! One question to the Linux kernel: which way would a packet to this address take? (rtnetlink(7), `RTM_GETROUTE`.)
//!
//! An anycast node must answer `local`: everything else means that a probe of "its own" service would leave the host and be
//! answered by another node.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_VIA: u16 = 18;
/// A netlink header, and the route message behind it.
const HEADER: usize = 16;
const ROUTE: usize = 12;

/// What the kernel would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Deliver it to this host (`RTN_LOCAL`).
    Local,
    /// Send it on: by the gateway if there is one, on the interface of this index.
    Unicast(Option<IpAddr>, Option<u32>),
    /// Another type of route, by its number.
    Other(u8),
    /// Refuse it, with this error number: 22 (EINVAL) for a blackhole, 101 (ENETUNREACH) without a route, 113
    /// (EHOSTUNREACH) and 13 (EACCES) for `unreachable` and `prohibit`.
    Refused(i32),
}

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kernel's answer is broken at byte {0}")]
pub struct Broken(pub usize);

/// The question for `address`.
#[allow(clippy::cast_possible_truncation, reason = "at most 48 bytes")]
pub fn question(address: IpAddr) -> Vec<u8> {
    let (family, bytes) = match address {
        IpAddr::V4(v4) => (2_u8, v4.octets().to_vec()),
        IpAddr::V6(v6) => (10, v6.octets().to_vec()),
    };
    let length = HEADER + ROUTE + 4 + bytes.len();
    let mut out = Vec::with_capacity(length);
    out.extend((length as u32).to_ne_bytes());
    out.extend(RTM_GETROUTE.to_ne_bytes());
    out.extend(NLM_F_REQUEST.to_ne_bytes());
    out.extend([0; 8]); // sequence and port: the kernel knows who asks
    out.extend([family, bytes.len() as u8 * 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend((4 + bytes.len() as u16).to_ne_bytes());
    out.extend(RTA_DST.to_ne_bytes());
    out.extend(bytes);
    out
}

/// Reads the answer.
///
/// # Errors
/// The place where it is broken.
pub fn parse(bytes: &[u8]) -> Result<Way, Broken> {
    let field = |at: usize, size: usize| bytes.get(at..at + size).ok_or(Broken(bytes.len()));
    let u16_at = |at: usize| field(at, 2).map(|b| u16::from_ne_bytes([b[0], b[1]]));
    match u16_at(4)? {
        NLMSG_ERROR => field(HEADER, 4)
            .map(|b| Way::Refused(i32::from_ne_bytes([b[0], b[1], b[2], b[3]]).saturating_neg())),
        RTM_NEWROUTE => {
            let (mut gateway, mut interface) = (None, None);
            let mut at = HEADER + ROUTE;
            while at + 4 <= bytes.len() {
                let (length, kind) = (usize::from(u16_at(at)?), u16_at(at + 2)?);
                if length < 4 {
                    return Err(Broken(at));
                }
                let data = field(at + 4, length - 4)?;
                match kind {
                    RTA_GATEWAY => gateway = address(data),
                    // A gateway of another family (RFC 8950): two bytes name the family.
                    RTA_VIA => gateway = data.get(2..).and_then(address),
                    RTA_OIF => interface = data.try_into().ok().map(u32::from_ne_bytes),
                    _ => {}
                }
                at += length.next_multiple_of(4);
            }
            Ok(match field(HEADER + 7, 1)?[0] {
                1 => Way::Unicast(gateway, interface),
                2 => Way::Local,
                kind => Way::Other(kind),
            })
        }
        _ => Err(Broken(4)),
    }
}

fn address(data: &[u8]) -> Option<IpAddr> {
    match data.len() {
        4 => <[u8; 4]>::try_from(data).ok().map(|b| Ipv4Addr::from(b).into()),
        16 => <[u8; 16]>::try_from(data).ok().map(|b| Ipv6Addr::from(b).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn newroute(kind: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut out = vec![0; HEADER + ROUTE];
        out[4..6].copy_from_slice(&RTM_NEWROUTE.to_ne_bytes());
        out[HEADER + 7] = kind;
        for (number, data) in attributes {
            let length = u16::try_from(4 + data.len()).expect("short");
            out.extend(length.to_ne_bytes());
            out.extend(number.to_ne_bytes());
            out.extend(*data);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    #[test]
    fn local_and_sent_on_are_told_apart() {
        assert_eq!(parse(&newroute(2, &[(RTA_OIF, &1_u32.to_ne_bytes())])), Ok(Way::Local));
        let on = newroute(1, &[(RTA_GATEWAY, &[10, 0, 1, 1]), (RTA_OIF, &7_u32.to_ne_bytes())]);
        assert_eq!(parse(&on), Ok(Way::Unicast(Some("10.0.1.1".parse().expect("ip")), Some(7))));
    }

    #[test]
    fn a_refusal_keeps_its_number() {
        let mut error = vec![0; 36];
        error[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        error[HEADER..HEADER + 4].copy_from_slice(&(-22_i32).to_ne_bytes());
        assert_eq!(parse(&error), Ok(Way::Refused(22)));
        assert_eq!(parse(&error[..10]), Err(Broken(10)));
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_no_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse(&bytes);
            if bytes.len() > 6 {
                bytes[4..6].copy_from_slice(&RTM_NEWROUTE.to_ne_bytes());
                let _ = parse(&bytes);
            }
        }
    }
}
