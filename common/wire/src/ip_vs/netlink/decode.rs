//! Records: services, destinations, daemons, addresses. Each function takes the payload of one message.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::attribute::{Attribute, Attributes, NetlinkError};
use super::request::{INET, INET6};
use crate::ip_vs::model::full_prefix;
use crate::ip_vs::{
    Daemon, DaemonRole, Dest, Forward, Key, Persistence, Protocol, Service, Stats, Told, Tunnel, TunnelKind,
};

/// `IP_VS_SVC_F_PERSISTENT`
const PERSISTENT: u32 = 1;
/// `IP_VS_SVC_F_ONEPACKET`
const ONE_PACKET: u32 = 4;
/// The first of the scheduler's three flags, as a shift.
const SCHED_SHIFT: u32 = 3;

/// The message type of an address record (`RTM_NEWADDR`).
pub const ADDRESS_REPLY: u16 = 20;

/// What the kernel says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// The version of IPVS: 0x010201 is 1.2.1.
    pub version: u32,
    /// Buckets of the connection table; from 7.x on, what it has grown to.
    pub table_size: u32,
}

/// Timeouts in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Established TCP.
    pub tcp: u32,
    /// TCP after FIN.
    pub tcp_fin: u32,
    /// UDP.
    pub udp: u32,
}

/// One address of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Its prefix length.
    pub prefix: u8,
    /// The index of its interface.
    pub index: u32,
}

/// The number of the family that was asked for.
///
/// # Errors
/// A broken record, or one without a number.
pub fn family_id(payload: &[u8]) -> Result<u16, NetlinkError> {
    find(Attributes::of_generic(payload), 1)?
        .and_then(|attribute| attribute.u16())
        .ok_or(NetlinkError::Attribute { record: "family", attribute: "id" })
}

/// Version and table size.
///
/// # Errors
/// A broken record.
pub fn info(payload: &[u8]) -> Result<Info, NetlinkError> {
    let mut info = Info::default();
    for attribute in Attributes::of_generic(payload) {
        let attribute = attribute?;
        match attribute.kind {
            1 => info.version = attribute.u32().unwrap_or_default(),
            2 => info.table_size = attribute.u32().unwrap_or_default(),
            _ => {}
        }
    }
    Ok(info)
}

/// Timeouts.
///
/// # Errors
/// A broken record.
pub fn timeouts(payload: &[u8]) -> Result<Timeouts, NetlinkError> {
    let mut timeouts = Timeouts::default();
    for attribute in Attributes::of_generic(payload) {
        let attribute = attribute?;
        let value = attribute.u32().unwrap_or_default();
        match attribute.kind {
            4 => timeouts.tcp = value,
            5 => timeouts.tcp_fin = value,
            6 => timeouts.udp = value,
            _ => {}
        }
    }
    Ok(timeouts)
}

/// A service, without its destinations. `None` for one of a protocol or family that IPVS does not have today.
///
/// # Errors
/// A broken record.
pub fn service(payload: &[u8]) -> Result<Option<Service>, NetlinkError> {
    let missing = |attribute| NetlinkError::Attribute { record: "service", attribute };
    let outer = find(Attributes::of_generic(payload), 1)?.ok_or(missing("attributes"))?;
    let (mut family, mut protocol, mut address, mut port, mut mark) = (INET, None, None, 0, None);
    let (mut flags, mut seconds, mut mask) = (0, 0, None);
    let mut stats = None;
    let mut service = Service::new(Key::Fwmark { mark: 0, ipv6: false }, "");
    for attribute in outer.nested() {
        let attribute = attribute?;
        match attribute.kind {
            1 => family = attribute.u16().ok_or(missing("family"))?,
            2 => protocol = attribute.u16(),
            3 => address = Some(attribute),
            4 => port = attribute.be16().ok_or(missing("port"))?,
            5 => mark = attribute.u32(),
            6 => service.scheduler = attribute.text(),
            7 => flags = attribute.u32().ok_or(missing("flags"))?,
            8 => seconds = attribute.u32().unwrap_or_default(),
            9 => mask = Some(attribute),
            10 => stats = stats.or(statistics(attribute)?), // 32 bits, from kernels before 4.1
            11 => service.engine = Some(attribute.text()).filter(|name| !name.is_empty()),
            12 => stats = statistics(attribute)?,
            _ => {}
        }
    }
    let ipv6 = match family {
        INET => false,
        INET6 => true,
        _ => return Ok(None),
    };
    service.key = if let Some(mark) = mark {
        Key::Fwmark { mark, ipv6 }
    } else {
        let Some(protocol) = protocol.and_then(Protocol::from_number) else { return Ok(None) };
        let ip = address.and_then(|a| ip(a.value, ipv6)).ok_or(missing("address"))?;
        Key::Address { protocol, address: SocketAddr::new(ip, port) }
    };
    service.one_packet = flags & ONE_PACKET != 0;
    service.sched_flags = Some(u8::try_from((flags >> SCHED_SHIFT) & 7).unwrap_or_default());
    if flags & PERSISTENT != 0 {
        service.persistence = Some(Persistence { seconds: Some(seconds), prefix: prefix(mask, ipv6) });
    }
    service.stats = stats;
    Ok(Some(service))
}

/// The mask of persistence: for IPv4 a mask in the network's order, for IPv6 a prefix length in the machine's.
fn prefix(mask: Option<Attribute<'_>>, ipv6: bool) -> u8 {
    let bits = mask.and_then(|mask| {
        if ipv6 {
            mask.u32()
        } else {
            mask.value.first_chunk().map(|b| u32::from_be_bytes(*b).leading_ones())
        }
    });
    bits.and_then(|bits| u8::try_from(bits).ok()).unwrap_or(full_prefix(ipv6))
}

/// A destination of a service of the family `ipv6`; its own may differ where packets go through a tunnel.
///
/// # Errors
/// A broken record.
pub fn dest(payload: &[u8], ipv6: bool) -> Result<Dest, NetlinkError> {
    let missing = |attribute| NetlinkError::Attribute { record: "destination", attribute };
    let outer = find(Attributes::of_generic(payload), 2)?.ok_or(missing("attributes"))?;
    let mut dest = Dest::new(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0));
    let mut told = Told::default();
    let (mut family, mut address, mut port) = (if ipv6 { INET6 } else { INET }, None, 0);
    let mut tunnel = Tunnel::default();
    for attribute in outer.nested() {
        let attribute = attribute?;
        let number = attribute.u32();
        match attribute.kind {
            1 => address = Some(attribute),
            2 => port = attribute.be16().ok_or(missing("port"))?,
            3 => {
                dest.forward = number.and_then(Forward::from_number).ok_or(missing("forwarding method"))?;
            }
            4 => dest.weight = number.ok_or(missing("weight"))?,
            5 => told.upper = number,
            6 => told.lower = number,
            7 => dest.active = number.unwrap_or_default(),
            8 => dest.inactive = number.unwrap_or_default(),
            9 => told.persistent = number,
            10 => told.stats = told.stats.or(statistics(attribute)?),
            // Zero-length at this number is padding.
            11 if !attribute.value.is_empty() => family = attribute.u16().ok_or(missing("family"))?,
            12 => told.stats = statistics(attribute)?,
            13 => {
                tunnel.kind = match attribute.value.first() {
                    Some(1) => TunnelKind::Gue,
                    Some(2) => TunnelKind::Gre,
                    _ => TunnelKind::Ipip,
                };
            }
            14 => tunnel.port = attribute.be16().unwrap_or_default(),
            15 => tunnel.checksum = attribute.u16().unwrap_or_default(),
            _ => {}
        }
    }
    let ip = address.and_then(|a| ip(a.value, family == INET6)).ok_or(missing("address"))?;
    told.tunnel = (dest.forward == Forward::Tunnel).then_some(tunnel);
    dest.tell(|all| *all = told);
    Ok(dest.at(SocketAddr::new(ip, port)))
}

/// Ten numbers, of 32 or 64 bits each; padding has no length and counts for nothing.
fn statistics(outer: Attribute<'_>) -> Result<Option<Stats>, NetlinkError> {
    let mut stats = Stats::default();
    for attribute in outer.nested() {
        let attribute = attribute?;
        let Some(value) = attribute.u64().or_else(|| attribute.u32().map(u64::from)) else { continue };
        match attribute.kind {
            1 => stats.conns = value,
            2 => stats.in_packets = value,
            3 => stats.out_packets = value,
            4 => stats.in_bytes = value,
            5 => stats.out_bytes = value,
            6 => stats.conn_rate = value,
            7 => stats.in_packet_rate = value,
            8 => stats.out_packet_rate = value,
            9 => stats.in_byte_rate = value,
            10 => stats.out_byte_rate = value,
            _ => {}
        }
    }
    Ok(Some(stats))
}

/// A synchronisation daemon.
///
/// # Errors
/// A broken record.
pub fn daemon(payload: &[u8]) -> Result<Daemon, NetlinkError> {
    let missing = |attribute| NetlinkError::Attribute { record: "daemon", attribute };
    let outer = find(Attributes::of_generic(payload), 3)?.ok_or(missing("attributes"))?;
    let mut role = None;
    let mut daemon =
        Daemon { role: DaemonRole::Master, interface: String::new(), sync_id: 0, group: None, port: 0 };
    for attribute in outer.nested() {
        let attribute = attribute?;
        match attribute.kind {
            1 => role = attribute.u32(),
            2 => daemon.interface = attribute.text(),
            3 => daemon.sync_id = attribute.u32().unwrap_or_default(),
            5 => daemon.group = ip(attribute.value, false),
            6 => daemon.group = ip(attribute.value, true),
            7 => daemon.port = attribute.u16().unwrap_or_default(), // native, unlike all other ports
            _ => {}
        }
    }
    daemon.role = match role {
        Some(1) => DaemonRole::Master,
        Some(2) => DaemonRole::Backup,
        _ => return Err(missing("role")),
    };
    Ok(daemon)
}

/// An address of this machine (`linux/if_addr.h`). `None` for other families than IPv4 and IPv6.
///
/// # Errors
/// A broken record.
pub fn interface_address(payload: &[u8]) -> Result<Option<InterfaceAddress>, NetlinkError> {
    let missing = |attribute| NetlinkError::Attribute { record: "address", attribute };
    let header: &[u8; 8] = payload.first_chunk().ok_or(missing("header"))?;
    let [family, prefix, _, _, index @ ..] = *header;
    let ipv6 = match u16::from(family) {
        INET => false,
        INET6 => true,
        _ => return Ok(None),
    };
    let mut address = None;
    for attribute in Attributes::new(&payload[header.len()..]) {
        let attribute = attribute?;
        match attribute.kind {
            1 => address = address.or(ip(attribute.value, ipv6)),
            // With a peer, the other one is the far end and this one ours.
            2 => address = ip(attribute.value, ipv6),
            _ => {}
        }
    }
    let address = address.ok_or(missing("address"))?;
    Ok(Some(InterfaceAddress { address, prefix, index: u32::from_ne_bytes(index) }))
}

fn ip(bytes: &[u8], ipv6: bool) -> Option<IpAddr> {
    if ipv6 {
        bytes.first_chunk::<16>().map(|b| Ipv6Addr::from(*b).into())
    } else {
        bytes.first_chunk::<4>().map(|b| Ipv4Addr::from(*b).into())
    }
}

fn find(attributes: Attributes<'_>, kind: u16) -> Result<Option<Attribute<'_>>, NetlinkError> {
    for attribute in attributes {
        let attribute = attribute?;
        if attribute.kind == kind {
            return Ok(Some(attribute));
        }
    }
    Ok(None)
}
