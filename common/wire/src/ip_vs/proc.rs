//! The kernel's text tables under `/proc/net`, which every user may read.
//!
//! `ip_vs` lacks counters, thresholds, the schedulers' flags, tunnels, and the family of mark services (told from their
//! destinations here); it counts persistence in ticks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

use super::model::full_prefix;
use super::{Dest, Forward, Key, MAX_LINE, MAX_ROWS, Persistence, Protocol, Service};
use crate::text::excerpt;

/// Room for so many servers at most is made before they come.
const ROOM_MAX: usize = 64;

/// A line that is not of the table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line} is not of the table ({why}): {text}")]
pub struct TableError {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
    /// Its beginning.
    pub text: String,
}

impl TableError {
    pub(super) fn new(line: usize, why: &'static str, text: &str) -> Self {
        Self { line, why, text: excerpt(text.as_bytes()) }
    }
}

/// The table `/proc/net/ip_vs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Buckets of the connection table, from the first line.
    pub size: Option<u32>,
    /// The services, in the order of the text.
    pub services: Vec<Service>,
}

/// Reads `/proc/net/ip_vs`.
///
/// # Errors
/// The first line that cannot be read.
pub fn table(text: &str) -> Result<Table, TableError> {
    let mut reader = Reader::default();
    reader.push(text.as_bytes())?;
    reader.finish()
}

/// Reads `/proc/net/ip_vs` piece by piece: the text of 10,000 destinations, 0.6 MB, never lies in memory as a whole.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    table: Table,
    lines: usize,
    /// The beginning of a line whose end has not come.
    begun: String,
}

impl Reader {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// The first line that cannot be read.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TableError> {
        // The kernel writes ASCII, so that no character is cut in two.
        let mut text = std::str::from_utf8(bytes)
            .map_err(|_| TableError::new(self.lines + 1, "no text", &String::from_utf8_lossy(bytes)))?;
        if !self.begun.is_empty()
            && let Some((end, rest)) = text.split_once('\n')
        {
            text = rest;
            let mut line = std::mem::take(&mut self.begun);
            line.push_str(end);
            self.line(&line)?;
            line.clear();
            self.begun = line; // keeps its room
        }
        if self.begun.is_empty() {
            let (mut lines, rest) = text.split_at(text.rfind('\n').map_or(0, |end| end + 1));
            text = rest;
            while !lines.is_empty() {
                lines = self.line(lines)?;
            }
        }
        self.begun.push_str(text);
        if self.begun.len() > MAX_LINE {
            let line = std::mem::take(&mut self.begun);
            self.line(&line)?;
        }
        Ok(())
    }

    /// The table, when all bytes have been taken.
    ///
    /// # Errors
    /// A last line that cannot be read.
    pub fn finish(mut self) -> Result<Table, TableError> {
        let line = std::mem::take(&mut self.begun);
        self.line(&line)?;
        for service in &mut self.table.services {
            if let (Key::Fwmark { ipv6: true, .. }, Some(persistence)) =
                (service.key, &mut service.persistence)
                && persistence.prefix == 32
            {
                persistence.prefix = 128;
            }
        }
        Ok(self.table)
    }

    /// Reads the first line of `text`; what is behind it.
    fn line<'a>(&mut self, text: &'a str) -> Result<&'a str, TableError> {
        self.lines += 1;
        let mut words = Words(text);
        let read = row(&mut self.table, &mut words);
        // Most of the line has been walked through by now.
        let end = words.0.bytes().position(|byte| byte == b'\n');
        let rest = end.and_then(|end| words.0.get(end + 1..)).unwrap_or_default();
        let error = |why| TableError::new(self.lines, why, text.lines().next().unwrap_or_default());
        if text.len() - rest.len() > MAX_LINE {
            return Err(error("too long"));
        }
        if self.lines > MAX_ROWS {
            return Err(error("too many rows"));
        }
        read.map_err(error)?;
        Ok(rest)
    }
}

/// The words of one line, into the table; or why it is none of it.
fn row(table: &mut Table, words: &mut Words<'_>) -> Result<(), &'static str> {
    const FEW: &str = "too few columns";
    match words.next() {
        None | Some("Prot") => {}
        Some("IP") => table.size = words.find_map(size),
        Some("->") => {
            let address = words.next().ok_or(FEW)?;
            if address == "RemoteAddress:Port" {
                return Ok(());
            }
            let service = table.services.last_mut().ok_or("a destination without a service")?;
            let mut dest = Dest::new(socket_address(address).ok_or("address")?);
            dest.forward = words.next().ok_or(FEW)?.parse().map_err(|()| "forwarding method")?;
            let mut number = || words.next().ok_or(FEW)?.parse().map_err(|_| "number");
            (dest.weight, dest.active, dest.inactive) = (number()?, number()?, number()?);
            if let Key::Fwmark { ipv6, .. } = &mut service.key {
                // All but those of tunnels are of the service's own family.
                if service.dests.is_empty() || dest.forward != Forward::Tunnel {
                    *ipv6 = dest.address().is_ipv6();
                }
            }
            service.dests.push(dest);
        }
        Some(kind) => {
            let address = words.next().ok_or(FEW)?;
            let key = match kind.parse::<Protocol>() {
                Ok(protocol) => Key::Address { protocol, address: socket_address(address).ok_or("address")? },
                Err(()) if kind == "FWM" => {
                    Key::Fwmark { mark: u32::from_str_radix(address, 16).map_err(|_| "mark")?, ipv6: false }
                }
                Err(()) => return Err("unknown kind of service"),
            };
            let mut service = Service::new(key, words.next().ok_or(FEW)?);
            while let Some(word) = words.next() {
                match word {
                    "ops" => service.one_packet = true,
                    "persistent" => {
                        let mask = words.nth(1).and_then(|mask| u32::from_str_radix(mask, 16).ok());
                        service.persistence =
                            Some(Persistence { seconds: None, prefix: mask_prefix(mask, &key) });
                    }
                    _ => {}
                }
            }
            // Most services of a table have as many servers as their neighbour.
            let room = table.services.last().map_or(0, |neighbour| neighbour.dests.len());
            service.dests.reserve_exact(room.min(ROOM_MAX));
            table.services.push(service);
        }
    }
    Ok(())
}

/// The words of a line, between blanks. `split_ascii_whitespace` makes an empty one of each blank that fills a column, and takes twice
/// as long.
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let start = self.0.bytes().position(|byte| byte != b' ' && byte != b'\t')?;
        let text = self.0.get(start..)?;
        let end = text.bytes().position(|byte| byte <= b' ').unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(end)?;
        self.0 = if word.is_empty() { text } else { rest };
        (!word.is_empty()).then_some(word)
    }
}

/// `(size=4096)`
pub(super) fn size(line: &str) -> Option<u32> {
    line.split_once("size=")?.1.trim_end().trim_end_matches(')').parse().ok()
}

/// The mask is printed as if it were an IPv4 one, also where it is a prefix length: 64 is `40000000` on little-endian
/// machines. A real IPv4 mask has its highest bit set.
fn mask_prefix(mask: Option<u32>, key: &Key) -> u8 {
    let bits = match mask {
        Some(mask) if mask & 0x8000_0000 != 0 && mask.leading_ones() + mask.trailing_zeros() >= 32 => {
            mask.leading_ones()
        }
        Some(mask) => mask.swap_bytes().min(mask),
        None => return full_prefix(key.is_ipv6()),
    };
    u8::try_from(bits).ok().filter(|bits| *bits <= 128).unwrap_or(full_prefix(key.is_ipv6()))
}

/// `0A000001:0050` or `[2001:0db8:...:0001]:0050`.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_at_checked(text.len().checked_sub(5)?)?;
    let port = u16::from_str_radix(port.strip_prefix(':')?, 16).ok()?;
    let ip: IpAddr = match ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')) {
        Some(ip) => ip.parse::<Ipv6Addr>().ok()?.into(),
        None if ip.len() == 8 => Ipv4Addr::from(u32::from_str_radix(ip, 16).ok()?).into(),
        None => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// What `/proc/net/ip_vs_status` says (kernels from 7.0 on, where the tables belong to a namespace and grow).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Connections in the table.
    pub conns: Option<u64>,
    /// Its buckets.
    pub buckets: Option<u64>,
}

/// Reads `/proc/net/ip_vs_status`; lines that are unknown are skipped.
pub fn status(text: &str) -> Status {
    let mut status = Status::default();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.split_whitespace().next().and_then(|value| value.parse().ok());
        match name {
            "Conns" => status.conns = value,
            "Conn buckets" => status.buckets = value,
            _ => {}
        }
    }
    status
}

/// The five totals of `/proc/net/ip_vs_stats`, which are hexadecimal: connections, packets in and out, bytes in and out.
pub fn totals(text: &str) -> Option<[u64; 5]> {
    let line = text.lines().nth(2)?;
    let mut words = line.split_whitespace().map(|word| u64::from_str_radix(word, 16).ok());
    let mut next = || words.next().flatten();
    Some([next()?, next()?, next()?, next()?, next()?])
}

/// Protocol, state and seconds left of a connection that a synchronisation daemon received, from a line of
/// `/proc/net/ip_vs_conn_sync`; `None` for any other.
pub fn synced(line: &str) -> Option<(&str, &str, u64)> {
    let mut words = Words(line);
    let (protocol, state, origin) = (words.next()?, words.nth(6)?, words.next()?);
    (origin == "SYNC").then(|| Some((protocol, state, words.next()?.parse().ok()?)))?
}

/// The device that has joined the multicast group, from `/proc/net/igmp`.
pub fn joined(text: &str, group: Ipv4Addr) -> Option<&str> {
    let group = format!("{:08X}", u32::from_ne_bytes(group.octets()));
    let mut device = None;
    for line in text.lines() {
        let mut words = Words(line);
        if line.starts_with(|c: char| c.is_ascii_digit()) {
            // A name of ten characters or more leaves no blank before the colon.
            device = words.nth(1).map(|name| name.trim_end_matches(':'));
        } else if words.next() == Some(group.as_str()) {
            return device;
        }
    }
    None
}

/// A socket of `/proc/net/tcp`, `udp`, `tcp6` or `udp6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its own address.
    pub local: SocketAddr,
    /// The peer's, unspecified when there is none.
    pub remote: SocketAddr,
    /// Its state: 10 listens.
    pub state: u8,
    /// Bytes that wait to be read.
    pub rx_queue: u64,
    /// Packets that were dropped because the queue was full (UDP only).
    pub drops: u64,
}

/// The state of a TCP socket that listens.
pub const LISTEN: u8 = 10;

/// Reads a socket table; lines that are no sockets are skipped.
pub fn sockets(text: &str) -> Vec<Socket> {
    text.lines().skip(1).take(MAX_ROWS).filter_map(socket).collect()
}

fn socket(line: &str) -> Option<Socket> {
    let mut words = line.split_whitespace();
    let (local, remote) = (words.nth(1)?, words.next()?);
    let state = u8::from_str_radix(words.next()?, 16).ok()?;
    let (_, rx_queue) = words.next()?.split_once(':')?;
    let drops = words.nth(7).and_then(|drops| drops.parse().ok()).unwrap_or_default();
    Some(Socket {
        local: native_address(local)?,
        remote: native_address(remote)?,
        state,
        rx_queue: u64::from_str_radix(rx_queue, 16).ok()?,
        drops,
    })
}

/// `0100007F:0050`: words of four bytes in the machine's order, the port in hexadecimal.
fn native_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip: IpAddr = match ip.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let bytes: Vec<u8> = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip_vs::ipvsadm;
    use proptest::prelude::*;

    const UML: &str = include_str!("../../testdata/ip_vs/uml-6.1/proc_net_ip_vs");

    #[test]
    fn the_table_equals_that_of_ipvsadm() {
        let listing = include_str!("../../testdata/ip_vs/uml-6.1/ipvsadm_Ln");
        let (mut own, mut theirs) =
            (table(UML).expect("a table"), ipvsadm::listing(listing).expect("a listing"));
        assert_eq!(own.size, Some(4096));
        for service in own.services.iter_mut().chain(&mut theirs) {
            service.dests.sort_by_key(Dest::address);
            // What the kernel's text does not tell.
            (service.sched_flags, service.engine) = (None, None);
            service.persistence = service.persistence.map(|p| Persistence { seconds: None, ..p });
        }
        own.services.sort_by_key(|service| service.key);
        theirs.sort_by_key(|service| service.key);
        for (own, theirs) in own.services.iter().zip(&theirs) {
            assert_eq!(own, theirs);
        }
        assert_eq!(own.services.len(), theirs.len());
    }

    #[test]
    fn another_kernel_has_the_same_services() {
        let other = table(include_str!("../../testdata/ip_vs/cloud-6.1/proc_net_ip_vs")).expect("a table");
        let keys = |table: &Table| {
            table.services.iter().map(|s| s.key.id()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(keys(&other), keys(&table(UML).expect("a table")));
    }

    #[test]
    fn totals_are_hexadecimal() {
        let text = include_str!("../../testdata/ip_vs/uml-6.1/proc_net_ip_vs_stats");
        assert_eq!(totals(text), Some([0x45, 0xF2, 0x8F, 0x447C, 0xC826]));
    }

    #[test]
    fn a_grown_table_is_read_from_its_status() {
        let status = status(include_str!("../../testdata/ip_vs/ip_vs_status-7.2.txt"));
        assert_eq!(status, Status { conns: Some(0), buckets: Some(256) });
    }

    #[test]
    fn sockets_of_a_backup_and_of_a_web_server() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            595: 510000E0:2290 00000000:0000 07 00000000:00000A00 00:00000000 00000000     0        0 655 2 000000004d4bc61d 12\n\
            0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100\n\
            nonsense\n";
        let sockets = sockets(text);
        assert_eq!(sockets.len(), 2);
        assert_eq!(
            (sockets[0].local.to_string(), sockets[0].rx_queue, sockets[0].drops),
            ("224.0.0.81:8848".to_owned(), 2560, 12)
        );
        assert_eq!((sockets[1].local.to_string(), sockets[1].state), ("[::]:80".to_owned(), LISTEN));
    }

    #[test]
    fn only_what_was_received_counts_as_synced() {
        let local = include_str!("../../testdata/ip_vs/uml-6.1/proc_net_ip_vs_conn_sync");
        assert!(local.lines().count() > 10 && !local.lines().any(|line| synced(line).is_some()));
        let line = "TCP 0A000002 C566 0A000001 0050 C0A83302 0050 ESTABLISHED SYNC       897";
        assert_eq!(synced(line), Some(("TCP", "ESTABLISHED", 897)));
    }

    #[test]
    fn a_group_has_the_device_that_joined_it() {
        let text = "Idx\tDevice    : Count Querier\tReporter\n1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n\
            6\tsyB       :     2      V3\n\t\t\t\t510000E0     1 0:00000000\t\t0\n\t\t\t\t010000E0     1 0:00000000\t\t0\n";
        assert_eq!(joined(text, Ipv4Addr::new(224, 0, 0, 81)), Some("syB"));
        assert_eq!(joined(text, Ipv4Addr::new(224, 0, 0, 90)), None);
        let long = text.replace("syB       :", "enp130s0f0:");
        assert_eq!(joined(&long, Ipv4Addr::new(224, 0, 0, 81)), Some("enp130s0f0"));
    }

    #[test]
    fn a_foreign_line_is_named() {
        let error = table("IP Virtual Server version 1.2.1 (size=4096)\nICMP 0A000001:0050 rr\n")
            .expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "line 2 is not of the table (unknown kind of service): ICMP 0A000001:0050 rr"
        );
    }

    #[test]
    fn pieces_make_the_same_table() {
        let whole = table(UML).expect("a table");
        for size in [1, 7, 64, 4096] {
            let mut reader = Reader::default();
            for piece in UML.as_bytes().chunks(size) {
                reader.push(piece).expect("a piece");
            }
            assert_eq!(reader.finish().as_ref(), Ok(&whole), "pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut reader = Reader::default();
        let refused = (0..10).find_map(|_| reader.push(&[b'x'; 1000]).err()).expect("refused");
        assert_eq!((refused.line, refused.why), (1, "too long"));
    }

    proptest! {
        #[test]
        fn no_text_is_fatal(text in "(TCP|FWM|->| |\n|[0-9A-F]{1,8}|:|\\PC){0,60}") {
            let _ = (table(&text), status(&text), totals(&text), sockets(&text));
        }
    }
}
