//! What is on the wire before firewall and routing decide: a packet socket, for processes with `CAP_NET_RAW`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

/// Every protocol, which is the only way to see what this host sends.
const ETH_P_ALL: u16 = 0x0003;
/// Headers are of interest, not payloads.
const HEADERS: usize = 256;
/// Packets looked at in one go.
const AT_ONCE: usize = 512;
/// What the kernel says about a packet that this host sends (`PACKET_OUTGOING`).
const OUTGOING: u8 = 4;
/// Where MLD reports go (RFC 3810 section 5.2.14).
const MLD_REPORTS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

/// Sees packets to one group, and membership reports.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    group: IpAddr,
}

/// A packet on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// To the group.
    Datagram { interface: u32, from: IpAddr, port: u16, ttl: u8 },
    /// A membership report of this host.
    Report { interface: u32 },
}

impl Wire {
    /// Opens the socket.
    ///
    /// # Errors
    /// Without `CAP_NET_RAW`.
    pub(super) fn open(group: IpAddr) -> io::Result<Self> {
        let protocol = Protocol::from(i32::from(ETH_P_ALL.to_be()));
        // Cooked: packets begin with the network header on every kind of interface.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
        socket.attach_filter(&filter(group))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, group })
    }

    /// Hands on what has come.
    pub(super) fn drain(&self, mut each: impl FnMut(Seen)) {
        let mut buffer = [0; HEADERS];
        for _ in 0..AT_ONCE {
            let Ok((length, from)) = recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut buffer) else {
                return;
            };
            let Some(from) = from else { continue };
            let interface = u32::try_from(from.ifindex()).unwrap_or_default();
            let packet = &buffer[..length.min(HEADERS)];
            if let Some(seen) = read(packet, self.group, interface, from.pkttype() == OUTGOING) {
                each(seen);
            }
        }
    }
}

/// Lets through what is sent to the group, and membership reports: the rest of the host's traffic costs nothing.
fn filter(group: IpAddr) -> Vec<SockFilter> {
    const LOAD_WORD: u16 = 0x20;
    const LOAD_BYTE: u16 = 0x30;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let rule = SockFilter::new;
    let keep = u32::try_from(HEADERS).unwrap_or(u32::MAX);
    match group {
        IpAddr::V4(group) => vec![
            rule(LOAD_BYTE, 0, 0, 9),
            rule(EQUAL, 2, 0, 2), // IGMP
            rule(LOAD_WORD, 0, 0, 16),
            rule(EQUAL, 0, 1, u32::from(group)),
            rule(RETURN, 0, 0, keep),
            rule(RETURN, 0, 0, 0),
        ],
        IpAddr::V6(group) => {
            let words = |address: Ipv6Addr| {
                let bits = u128::from(address);
                ((bits >> 96) as u32, (bits & 0xffff_ffff) as u32)
            };
            let (group, reports) = (words(group), words(MLD_REPORTS));
            vec![
                rule(LOAD_WORD, 0, 0, 24),
                rule(EQUAL, 0, 2, group.0),
                rule(LOAD_WORD, 0, 0, 36),
                rule(EQUAL, 4, 0, group.1),
                rule(LOAD_WORD, 0, 0, 24),
                rule(EQUAL, 0, 3, reports.0),
                rule(LOAD_WORD, 0, 0, 36),
                rule(EQUAL, 0, 1, reports.1),
                rule(RETURN, 0, 0, keep),
                rule(RETURN, 0, 0, 0),
            ]
        }
    }
}

/// Reads the headers of a packet.
fn read(packet: &[u8], group: IpAddr, interface: u32, outgoing: bool) -> Option<Seen> {
    const IGMP: u8 = 2;
    const UDP: u8 = 17;
    let (protocol, ttl, from, to, payload): (u8, u8, IpAddr, IpAddr, &[u8]) = match packet.first()? >> 4 {
        4 => {
            let header = packet.get(..usize::from(packet[0] & 0x0f) * 4)?;
            let address = |at: usize| Some(Ipv4Addr::from(*header.get(at..at + 4)?.first_chunk::<4>()?));
            (
                *header.get(9)?,
                *header.get(8)?,
                address(12)?.into(),
                address(16)?.into(),
                &packet[header.len()..],
            )
        }
        6 => {
            let address = |at: usize| Some(Ipv6Addr::from(*packet.get(at..at + 16)?.first_chunk::<16>()?));
            (*packet.get(6)?, *packet.get(7)?, address(8)?.into(), address(24)?.into(), packet.get(40..)?)
        }
        _ => return None,
    };
    if protocol == IGMP || to == IpAddr::V6(MLD_REPORTS) {
        return outgoing.then_some(Seen::Report { interface });
    }
    let port = u16::from_be_bytes(*payload.get(2..4)?.first_chunk::<2>()?);
    (protocol == UDP && to == group).then_some(Seen::Datagram { interface, from, port, ttl })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_both_families_are_read() {
        let group4: IpAddr = "239.1.2.3".parse().unwrap();
        let mut packet = vec![0x46, 0, 0, 40, 0, 0, 0, 0, 7, 17, 0, 0, 192, 0, 2, 1, 239, 1, 2, 3];
        packet.extend([0x94, 4, 0, 0]); // router alert
        packet.extend([0x12, 0x34, 0x04, 0xd2, 0, 8, 0, 0]);
        let seen = Seen::Datagram { interface: 3, from: "192.0.2.1".parse().unwrap(), port: 1234, ttl: 7 };
        assert_eq!(read(&packet, group4, 3, false), Some(seen));
        assert_eq!(read(&packet, "239.1.2.4".parse().unwrap(), 3, false), None);
        packet[9] = 2;
        assert_eq!(read(&packet, group4, 3, true), Some(Seen::Report { interface: 3 }));
        assert_eq!(read(&packet, group4, 3, false), None, "a report of another host");
        let group6: Ipv6Addr = "ff05::123".parse().unwrap();
        let source: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let packet = [
            &[0x60, 0, 0, 0, 0, 8, 17, 9][..],
            &source.octets(),
            &group6.octets(),
            &[0, 1, 4, 210, 0, 8, 0, 0],
        ];
        let seen = Seen::Datagram { interface: 1, from: source.into(), port: 1234, ttl: 9 };
        assert_eq!(read(&packet.concat(), group6.into(), 1, false), Some(seen));
        for cut in 0..48 {
            let _ = read(&packet.concat()[..cut], group6.into(), 1, false);
        }
        assert_eq!(read(&[], group4, 1, false), None);
    }
}
