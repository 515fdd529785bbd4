//! Whether this machine is fit to be a real server of direct routing or tunnels.
//!
//! It must have the virtual address, keep quiet about it (who answers ARP for it takes all clients away from the director),
//! and its service must listen on it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use weir_contract::{Outcome, Problem, fault};
use weir_probe::{Deadline, Probe};
use weir_wire::ip_vs::TunnelKind;
use weir_wire::ip_vs::netlink::{InterfaceAddress, dump_addresses, interface_address};
use weir_wire::ip_vs::proc::{LISTEN, Socket, sockets};

use super::SERVICE;
use crate::netlink;
use crate::table::text;

/// The state of a UDP socket that takes from everybody.
const UNCONNECTED: u8 = 7;
/// `IFF_UP`, `IFF_LOOPBACK`, `IFF_NOARP` (`linux/if.h`)
const UP: u32 = 1;
const LOOPBACK: u32 = 8;
const NO_ARP: u32 = 0x80;
/// Devices of tunnels: `ARPHRD_TUNNEL`, `ARPHRD_TUNNEL6`, `ARPHRD_IPGRE`.
const TUNNELS: [u32; 3] = [768, 769, 778];

/// An interface with what matters here.
#[derive(Clone, Debug, Default)]
struct Interface {
    name: String,
    index: u32,
    flags: u32,
    kind: u32,
    mtu: u32,
    arp_ignore: u32,
    arp_announce: u32,
    rp_filter: u32,
}

impl Interface {
    const fn is(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    fn is_tunnel(&self) -> bool {
        TUNNELS.contains(&self.kind)
    }
}

/// All facts.
#[derive(Clone, Debug, Default)]
struct Facts {
    addresses: Vec<InterfaceAddress>,
    interfaces: Vec<Interface>,
    listening: Vec<Socket>,
    /// Whether a connection to the virtual address was tried, and refused.
    refuses: bool,
}

/// What this machine shall be fit for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'a> {
    /// The service is one of UDP.
    pub(super) udp: bool,
    /// Packets come through a tunnel.
    pub(super) tunnel: bool,
    /// Packets of so many bytes fit into it.
    pub(super) min_mtu: Option<u32>,
    /// The interface by which they come, if it is known.
    pub(super) interface: Option<&'a str>,
}

pub(super) async fn check(
    url: &str,
    vip: SocketAddr,
    wanted: Wanted<'_>,
    probe: &Probe,
) -> Result<Outcome, Problem> {
    let mut facts = measure(wanted.udp, probe.deadline)?;
    if let Some(name) = wanted.interface.filter(|name| facts.interfaces.iter().all(|i| i.name != *name)) {
        return Err(Problem::new(&fault::USAGE, format!("--interface {name}: there is no such interface")));
    }
    // Whether a socket of IPv6 takes IPv4 as well is told by nobody but itself.
    let local = facts.addresses.iter().any(|address| address.address == vip.ip());
    if local
        && !wanted.udp
        && vip.is_ipv4()
        && !facts.listening.iter().any(|s| is_for(s, vip) && s.local.is_ipv4())
    {
        facts.refuses = probe.connect(vip).await.is_err_and(|problem| problem.fault == &fault::TCP_REFUSED);
    }
    Ok(judge(url, vip, wanted, &facts))
}

/// The addresses of this machine.
pub(super) fn addresses(deadline: Deadline) -> Result<Vec<InterfaceAddress>, Problem> {
    let no_data = |error: netlink::Error| Problem::new(&fault::NO_DATA, error.to_string());
    let mut addresses = Vec::new();
    let mut socket = netlink::Socket::route(deadline).map_err(no_data)?;
    socket
        .ask("the addresses", dump_addresses, |payload| {
            addresses.extend(interface_address(payload)?);
            Ok(())
        })
        .map_err(no_data)?;
    Ok(addresses)
}

fn measure(udp: bool, deadline: Deadline) -> Result<Facts, Problem> {
    let mut facts = Facts { addresses: addresses(deadline)?, ..Facts::default() };
    for entry in std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let of = |file: &str| number(&entry.path().join(file));
        // The kernel takes the stricter of `all` and the interface's own value.
        let sysctl = |key: &str| {
            let conf = Path::new("/proc/sys/net/ipv4/conf");
            number(&conf.join("all").join(key)).max(number(&conf.join(&name).join(key)))
        };
        facts.interfaces.push(Interface {
            index: of("ifindex"),
            flags: of("flags"),
            kind: of("type"),
            mtu: of("mtu"),
            arp_ignore: sysctl("arp_ignore"),
            arp_announce: sysctl("arp_announce"),
            rp_filter: sysctl("rp_filter"),
            name,
        });
    }
    let (tables, state) = if udp {
        (["/proc/net/udp", "/proc/net/udp6"], UNCONNECTED)
    } else {
        (["/proc/net/tcp", "/proc/net/tcp6"], LISTEN)
    };
    for table in tables {
        let all = text(Path::new(table)).map(|text| sockets(&text)).unwrap_or_default();
        facts.listening.extend(all.into_iter().filter(|socket| socket.state == state));
    }
    Ok(facts)
}

/// A number in a file, decimal or with `0x`; 0 when there is none.
fn number(path: &Path) -> u32 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let text = text.trim();
    text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| u32::from_str_radix(hex, 16)).unwrap_or(0)
}

fn judge(url: &str, vip: SocketAddr, wanted: Wanted<'_>, facts: &Facts) -> Outcome {
    let mut outcome = Outcome::new(SERVICE, url);
    let places: Vec<(&InterfaceAddress, &Interface)> = facts
        .addresses
        .iter()
        .filter(|address| address.address == vip.ip())
        .filter_map(|address| Some((address, facts.interfaces.iter().find(|i| i.index == address.index)?)))
        .collect();
    let on: Vec<&str> = places.iter().map(|(_, interface)| interface.name.as_str()).collect();
    if places.is_empty() {
        outcome.find(
            &fault::VIP_ADDRESS,
            format!("this machine does not have the virtual address {}", vip.ip()),
        );
    } else {
        outcome.headline = format!("{} is on {}", vip.ip(), on.join(", "));
    }
    for (address, interface) in &places {
        place(&mut outcome, vip, address, interface);
    }
    if vip.is_ipv4() {
        talkative(&mut outcome, vip.ip(), &facts.interfaces);
    }
    served(&mut outcome, vip, facts);
    if wanted.tunnel {
        tunnels(&mut outcome, wanted, facts);
    }
    if outcome.findings.is_empty() {
        outcome.headline =
            format!("this real server is fit: {} on {}, quiet, and served", vip.ip(), on.join(", "));
    }
    outcome
}

/// Where the address lies.
fn place(outcome: &mut Outcome, vip: SocketAddr, address: &InterfaceAddress, interface: &Interface) {
    let (ip, name) = (vip.ip(), &interface.name);
    let full = if vip.is_ipv4() { 32 } else { 128 };
    if !interface.is(LOOPBACK | NO_ARP) {
        let asked = if vip.is_ipv4() { "ARP requests" } else { "neighbour solicitations" };
        // No sysctl hides an address where it is at home.
        outcome.find(
            &fault::VIP_ADDRESS,
            format!("{ip} is on {name}, which answers {asked} for it: move it to lo or a dummy"),
        );
    } else if interface.is(LOOPBACK) && address.prefix != full {
        let text = format!(
            "{ip}/{} on {name} makes this machine own the whole network: use /{full}",
            address.prefix
        );
        outcome.find(&fault::VIP_ADDRESS, text);
    }
    if !interface.is(UP) {
        outcome.find(&fault::VIP_ADDRESS, format!("{name}, which has {ip}, is down"));
    }
}

/// Interfaces that tell the network about an address of another one.
fn talkative(outcome: &mut Outcome, vip: IpAddr, interfaces: &[Interface]) {
    for interface in interfaces.iter().filter(|i| i.is(UP) && !i.is(LOOPBACK | NO_ARP) && !i.is_tunnel()) {
        let (name, ignore, announce) = (&interface.name, interface.arp_ignore, interface.arp_announce);
        if ignore == 0 {
            let text = format!("{name} answers ARP requests for {vip}: its arp_ignore is 0");
            outcome.find(&fault::VIP_ARP, text);
        }
        if announce < 2 {
            let text =
                format!("{name} may announce {vip} in its own ARP requests: its arp_announce is {announce}");
            outcome.find(&fault::VIP_ARP, text);
        }
    }
}

/// Whether a socket takes what comes for `vip`. One of IPv6's wildcard takes IPv4 too, unless its owner said otherwise.
fn is_for(socket: &Socket, vip: SocketAddr) -> bool {
    let ip = socket.local.ip();
    socket.local.port() == vip.port()
        && (ip == vip.ip() || ip.is_unspecified() && (ip.is_ipv6() || vip.is_ipv4()))
}

/// Who listens.
fn served(outcome: &mut Outcome, vip: SocketAddr, facts: &Facts) {
    if facts.listening.iter().any(|socket| is_for(socket, vip)) {
        if facts.refuses {
            let text = format!("{vip} refuses connections: [::]:{} is for IPv6 alone", vip.port());
            outcome.find(&fault::VIP_BIND, text);
        }
        return;
    }
    let others = facts.listening.iter().filter(|socket| socket.local.port() == vip.port());
    let others: Vec<String> = others.map(|socket| socket.local.to_string()).collect();
    let others = if others.is_empty() { String::new() } else { format!(", only on {}", others.join(", ")) };
    outcome.find(&fault::VIP_BIND, format!("nobody listens on {vip}{others}"));
}

fn tunnels(outcome: &mut Outcome, wanted: Wanted<'_>, facts: &Facts) {
    let up: Vec<&Interface> = facts.interfaces.iter().filter(|i| i.is_tunnel() && i.is(UP)).collect();
    if up.is_empty() {
        outcome.find(&fault::VIP_TUNNEL, "no tunnel device is up");
    }
    // Packets of clients come out of the tunnel, and the way back to them does not lead into it.
    for interface in up.iter().filter(|i| i.rp_filter == 1) {
        let text = format!("{} drops packets of clients: its rp_filter is 1", interface.name);
        outcome.find(&fault::VIP_TUNNEL, text);
    }
    // Which way the director's packets come is not known: the narrowest that has an address.
    let addressed = |i: &&Interface| facts.addresses.iter().any(|address| address.index == i.index);
    let outer = facts.interfaces.iter().filter(|i| match wanted.interface {
        Some(name) => i.name == name,
        None => i.is(UP) && !i.is(LOOPBACK | NO_ARP) && !i.is_tunnel() && addressed(i),
    });
    if let (Some(wanted), Some(outer)) = (wanted.min_mtu, outer.min_by_key(|i| i.mtu)) {
        let kinds = [TunnelKind::Ipip, TunnelKind::Gre, TunnelKind::Gue];
        let room: Vec<String> = kinds
            .iter()
            .map(|kind| format!("{} {}", kind.name(), outer.mtu.saturating_sub(kind.overhead())))
            .collect();
        if outer.mtu < wanted + TunnelKind::Ipip.overhead() {
            let text = format!(
                "{}: an MTU of {} leaves {} bytes for a packet, {wanted} are wanted",
                outer.name,
                outer.mtu,
                room.join(", ")
            );
            outcome.find(&fault::VIP_MTU, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit() -> Facts {
        let interface = |name: &str, index, flags, kind| Interface {
            name: name.to_owned(),
            index,
            flags,
            kind,
            mtu: 1500,
            arp_ignore: 1,
            arp_announce: 2,
            rp_filter: 0,
        };
        Facts {
            addresses: vec![
                InterfaceAddress { address: "192.0.2.1".parse().expect("an address"), prefix: 32, index: 1 },
                InterfaceAddress { address: "192.0.2.7".parse().expect("an address"), prefix: 24, index: 2 },
            ],
            interfaces: vec![
                interface("lo", 1, UP | LOOPBACK, 772),
                interface("eth0", 2, UP, 1),
                interface("tunl0", 3, UP | NO_ARP, 768),
            ],
            listening: sockets("header\n0: 00000000:0050 00000000:0000 0A 0:00000000 0:0 0 0 0 1 1 0 0\n"),
            refuses: false,
        }
    }

    const TUNNEL: Wanted<'_> = Wanted { udp: false, tunnel: true, min_mtu: None, interface: None };

    fn outcome(facts: &Facts, wanted: Wanted<'_>) -> Outcome {
        judge("tcp://192.0.2.1:80", "192.0.2.1:80".parse().expect("an address"), wanted, facts)
    }

    fn words(facts: &Facts) -> Vec<String> {
        outcome(facts, TUNNEL).findings.into_iter().map(|f| f.text).collect()
    }

    #[test]
    fn a_fit_server_has_the_address_on_lo_quietly_and_serves_it() {
        assert_eq!(words(&fit()), [""; 0]);
    }

    #[test]
    fn each_slip_is_named() {
        let change = |change: fn(&mut Facts)| {
            let mut facts = fit();
            change(&mut facts);
            words(&facts).join("; ")
        };
        assert_eq!(
            change(|f| f.addresses.clear()),
            "this machine does not have the virtual address 192.0.2.1"
        );
        assert!(change(|f| f.addresses[0].prefix = 24).contains("192.0.2.1/24 on lo makes this machine own"));
        assert!(change(|f| f.addresses[0].index = 2).contains("on eth0, which answers ARP requests for it"));
        assert!(change(|f| f.refuses = true).contains("192.0.2.1:80 refuses connections"));
        assert!(
            change(|f| f.interfaces[1].arp_ignore = 0).contains("eth0 answers ARP requests for 192.0.2.1")
        );
        assert!(change(|f| f.interfaces[1].arp_announce = 1).contains("its arp_announce is 1"));
        assert!(change(|f| f.listening.clear()).contains("nobody listens on 192.0.2.1:80"));
        assert!(
            change(|f| f.listening[0].local = "192.0.2.7:80".parse().expect("an address"))
                .contains("only on 192.0.2.7:80")
        );
        assert!(change(|f| f.interfaces[2].rp_filter = 1).contains("tunl0 drops packets"));
        assert!(change(|f| f.interfaces[2].flags = NO_ARP).contains("no tunnel device is up"));
    }

    #[test]
    fn what_is_known_beside_a_fault_is_where_the_address_lies() {
        let mut facts = fit();
        assert_eq!(
            outcome(&facts, TUNNEL).headline,
            "this real server is fit: 192.0.2.1 on lo, quiet, and served"
        );
        facts.interfaces[1].arp_ignore = 0;
        assert_eq!(outcome(&facts, TUNNEL).headline, "192.0.2.1 is on lo");
        facts.addresses.clear();
        assert_eq!(outcome(&facts, TUNNEL).headline, "");
    }

    #[test]
    fn an_address_of_ipv6_in_the_wrong_place_is_moved_and_not_hidden_by_a_sysctl_of_ipv4() {
        let mut facts = fit();
        let vip: SocketAddr = "[2001:db8::1]:80".parse().expect("an address");
        facts.addresses[0] = InterfaceAddress { address: vip.ip(), prefix: 128, index: 2 };
        facts.listening[0].local = "[::]:80".parse().expect("an address");
        let outcome = judge("", vip, TUNNEL, &facts);
        assert_eq!(outcome.findings.len(), 1, "{outcome:?}");
        assert_eq!(outcome.findings[0].fault.code, "E-VIP-ADDRESS");
        assert!(outcome.findings[0].text.contains("eth0, which answers neighbour solicitations for it"));
    }

    #[test]
    fn a_packet_must_fit_by_the_narrowest_way_into_the_tunnel() {
        let texts = |facts: &Facts, min_mtu, interface| {
            let wanted = Wanted { min_mtu: Some(min_mtu), interface, ..TUNNEL };
            outcome(facts, wanted).findings.into_iter().map(|f| f.text).collect::<Vec<_>>()
        };
        let mut facts = fit();
        assert_eq!(
            texts(&facts, 1500, None),
            ["eth0: an MTU of 1500 leaves ipip 1480, gre 1476, gue 1468 bytes for a packet, 1500 are wanted"]
        );
        assert_eq!(texts(&facts, 1480, None), [""; 0]);
        // A network for storage, with large packets.
        facts.interfaces.push(Interface {
            name: "eth1".to_owned(),
            index: 4,
            mtu: 9000,
            ..facts.interfaces[1].clone()
        });
        facts.addresses.push(InterfaceAddress { index: 4, ..facts.addresses[1] });
        facts.interfaces[1].mtu = 1400;
        assert!(texts(&facts, 1480, None)[0].starts_with("eth0: an MTU of 1400 "));
        assert_eq!(texts(&facts, 1480, Some("eth1")), [""; 0]);
    }
}
