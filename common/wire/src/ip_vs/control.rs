//! The kernel's first control interface, by socket options: of IPv4 alone and with small counters, and the only one that fills a
//! caller's memory with the rows of a pool at once, under the kernel's own lock. A row costs it a tenth of a line of text, and a
//! twentieth of a netlink record.
//!
//! Layouts are those of `linux/ip_vs.h`, in the machine's own byte order and alignment, except addresses and ports.

use std::mem::{offset_of, size_of};
use std::net::{Ipv4Addr, SocketAddr};

use super::{Dest, Forward, Key, Protocol};

/// `SOL_IP`
pub const LEVEL: i32 = 0;
/// `IP_VS_SO_GET_INFO`: the answer is read by [`Info::read`].
pub const GET_INFO: i32 = 64 + 1024 + 64 + 1;
/// `IP_VS_SO_GET_SERVICES`: [`ask_services`], read by [`pools`].
pub const GET_SERVICES: i32 = GET_INFO + 1;
/// `IP_VS_SO_GET_DESTS`: [`ask_dests`], read by [`dests`].
pub const GET_DESTS: i32 = GET_INFO + 3;

/// `struct ip_vs_getinfo`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Buckets of the connection table.
    pub size: u32,
    /// Services of IPv4.
    pub services: u32,
}

impl Info {
    /// Bytes of the answer.
    pub const SIZE: usize = 12;

    /// Reads the answer.
    pub fn read(answer: &[u8]) -> Option<Self> {
        Some(Self { size: number(answer, 4)?, services: number(answer, 8)? })
    }
}

/// `struct ip_vs_stats_user`
#[repr(C)]
#[allow(dead_code, reason = "only where its fields lie is of interest")]
struct RawStats {
    conns: u32,
    packets: [u32; 2],
    bytes: [u64; 2],
    rates: [u32; 5],
}

/// `struct ip_vs_service_entry`
#[repr(C)]
#[allow(dead_code, reason = "only where its fields lie is of interest")]
struct RawService {
    protocol: u16,
    address: u32,
    port: u16,
    fwmark: u32,
    scheduler: [u8; 16],
    flags: u32,
    timeout: u32,
    netmask: u32,
    dests: u32,
    stats: RawStats,
}

/// `struct ip_vs_dest_entry`
#[repr(C)]
#[allow(dead_code, reason = "only where its fields lie is of interest")]
struct RawDest {
    address: u32,
    port: u16,
    flags: u32,
    weight: u32,
    upper: u32,
    lower: u32,
    active: u32,
    inactive: u32,
    persistent: u32,
    stats: RawStats,
}

/// `struct ip_vs_get_services`
#[repr(C)]
#[allow(dead_code, reason = "only where its fields lie is of interest")]
struct RawServices {
    count: u32,
    rows: [RawService; 0],
}

/// `struct ip_vs_get_dests`
#[repr(C)]
#[allow(dead_code, reason = "only where its fields lie is of interest")]
struct RawDests {
    protocol: u16,
    address: u32,
    port: u16,
    fwmark: u32,
    count: u32,
    rows: [RawDest; 0],
}

/// Room for the answer about so many services, with the question in front.
pub fn ask_services(count: u32) -> Vec<u8> {
    let mut room = vec![0; size_of::<RawServices>() + count as usize * size_of::<RawService>()];
    put(&mut room, offset_of!(RawServices, count), &count.to_ne_bytes());
    room
}

/// A service of IPv4, before its servers are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// What it is.
    pub key: Key,
    /// The scheduling algorithm.
    pub scheduler: String,
    /// How many servers it has, of any family.
    pub servers: u32,
}

/// The services of IPv4.
pub fn pools(answer: &[u8]) -> Vec<Pool> {
    let rows = answer.get(offset_of!(RawServices, rows)..).unwrap_or_default();
    rows.chunks_exact(size_of::<RawService>()).filter_map(pool).collect()
}

fn pool(row: &[u8]) -> Option<Pool> {
    let name = bytes::<16>(row, offset_of!(RawService, scheduler))?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let scheduler = String::from_utf8_lossy(name).into_owned();
    Some(Pool { key: key(row)?, scheduler, servers: number(row, offset_of!(RawService, dests))? })
}

fn key(row: &[u8]) -> Option<Key> {
    let mark = number(row, offset_of!(RawService, fwmark))?;
    if mark != 0 {
        return Some(Key::Fwmark { mark, ipv6: false });
    }
    let protocol = u16::from_ne_bytes(bytes(row, offset_of!(RawService, protocol))?);
    let address = address(row, offset_of!(RawService, address), offset_of!(RawService, port))?;
    Some(Key::Address { protocol: Protocol::from_number(protocol)?, address })
}

/// Room for the answer about `count` servers of a service, with the question in front, into a buffer that keeps its room; `false` for a
/// service of IPv6.
pub fn ask_dests(room: &mut Vec<u8>, service: &Key, count: u32) -> bool {
    room.clear();
    room.resize(size_of::<RawDests>() + count as usize * size_of::<RawDest>(), 0);
    put(room, offset_of!(RawDests, count), &count.to_ne_bytes());
    match *service {
        Key::Fwmark { mark, ipv6: false } => put(room, offset_of!(RawDests, fwmark), &mark.to_ne_bytes()),
        Key::Address { protocol, address: SocketAddr::V4(address) } => {
            put(room, offset_of!(RawDests, protocol), &protocol.number().to_ne_bytes());
            put(room, offset_of!(RawDests, address), &address.ip().octets());
            put(room, offset_of!(RawDests, port), &address.port().to_be_bytes());
        }
        _ => return false,
    }
    true
}

/// The servers of IPv4, with their thresholds and templates where these are not 0. Rows that the kernel left empty are none: servers of
/// IPv6 behind a service of IPv4 (tunnels) are not told here.
pub fn dests(answer: &[u8]) -> Vec<Dest> {
    let rows = answer.get(offset_of!(RawDests, rows)..).unwrap_or_default();
    let mut all = Vec::with_capacity(rows.len() / size_of::<RawDest>());
    all.extend(rows.chunks_exact(size_of::<RawDest>()).map_while(dest));
    all
}

fn dest(row: &[u8]) -> Option<Dest> {
    let address = address(row, offset_of!(RawDest, address), offset_of!(RawDest, port))?;
    if address.ip().is_unspecified() {
        return None;
    }
    let mut dest = Dest::new(address);
    dest.forward = Forward::from_number(number(row, offset_of!(RawDest, flags))?)?;
    dest.weight = number(row, offset_of!(RawDest, weight))?;
    dest.active = number(row, offset_of!(RawDest, active))?;
    dest.inactive = number(row, offset_of!(RawDest, inactive))?;
    let limits = [offset_of!(RawDest, upper), offset_of!(RawDest, lower), offset_of!(RawDest, persistent)];
    let [upper, lower, persistent] = limits.map(|at| number(row, at));
    if [upper, lower, persistent].iter().any(|limit| *limit != Some(0)) {
        dest.tell(|told| (told.upper, told.lower, told.persistent) = (upper, lower, persistent));
    }
    Some(dest)
}

fn address(row: &[u8], ip: usize, port: usize) -> Option<SocketAddr> {
    let ip = Ipv4Addr::from(bytes::<4>(row, ip)?);
    Some(SocketAddr::new(ip.into(), u16::from_be_bytes(bytes(row, port)?)))
}

fn number(row: &[u8], at: usize) -> Option<u32> {
    bytes(row, at).map(u32::from_ne_bytes)
}

fn bytes<const N: usize>(row: &[u8], at: usize) -> Option<[u8; N]> {
    row.get(at..)?.first_chunk().copied()
}

fn put(room: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = room.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn rows_have_the_size_of_the_kernels() {
        assert_eq!((size_of::<RawService>(), size_of::<RawDest>()), (104, 96));
        assert_eq!((size_of::<RawServices>(), size_of::<RawDests>()), (8, 24));
    }

    #[test]
    fn a_question_names_the_service_and_an_answer_its_servers() {
        let service = Key::tcp("192.0.2.1:554".parse().expect("an address"));
        let mut room = Vec::new();
        assert!(ask_dests(&mut room, &service, 3));
        assert_eq!(room[4..10], [192, 0, 2, 1, 554_u16.to_be_bytes()[0], 554_u16.to_be_bytes()[1]]);
        let first = offset_of!(RawDests, rows);
        put(&mut room, first, &[198, 51, 100, 7]);
        put(&mut room, first + offset_of!(RawDest, port), &554_u16.to_be_bytes());
        put(&mut room, first + offset_of!(RawDest, flags), &3_u32.to_ne_bytes());
        put(&mut room, first + offset_of!(RawDest, weight), &9_u32.to_ne_bytes());
        put(&mut room, first + offset_of!(RawDest, upper), &100_u32.to_ne_bytes());
        put(&mut room, first + size_of::<RawDest>(), &[198, 51, 100, 8]);
        let servers = dests(&room);
        assert_eq!(servers.len(), 2, "the third row is empty: {servers:?}");
        assert_eq!(servers[0].address().to_string(), "198.51.100.7:554");
        assert_eq!((servers[0].forward, servers[0].weight), (Forward::Route, 9));
        assert_eq!((servers[0].told().upper, servers[1].told().upper), (Some(100), None));
        assert!(!ask_dests(&mut room, &Key::tcp("[2001:db8::1]:80".parse().expect("an address")), 1));
    }

    #[test]
    fn services_are_read_with_the_number_of_their_servers() {
        let mut room = ask_services(2);
        let row = offset_of!(RawServices, rows);
        put(&mut room, row, &17_u16.to_ne_bytes());
        put(&mut room, row + offset_of!(RawService, address), &[192, 0, 2, 1]);
        put(&mut room, row + offset_of!(RawService, port), &53_u16.to_be_bytes());
        put(&mut room, row + offset_of!(RawService, dests), &4_u32.to_ne_bytes());
        put(&mut room, row + offset_of!(RawService, scheduler), b"wlc");
        let row = row + size_of::<RawService>();
        put(&mut room, row + offset_of!(RawService, fwmark), &7_u32.to_ne_bytes());
        let told = |pool: &Pool| format!("{} {} {}", pool.key, pool.scheduler, pool.servers);
        assert_eq!(pools(&room).iter().map(told).collect::<Vec<_>>(), ["UDP 192.0.2.1:53 wlc 4", "FWM 7  0"]);
    }
}
