//! Whether this machine is fit to be a real server of direct routing or tunnels.
//!
//! It must have the virtual address, keep quiet about it (who answers ARP for it takes all clients away from the director),
//! and its service must listen on it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use weir_contract::{Outcome, Problem, fault};
use weir_probe::Deadline;
use weir_wire::ip_vs::TunnelKind;
use weir_wire::ip_vs::netlink::{InterfaceAddress, dump_addresses, interface_address};
use weir_wire::ip_vs::proc::{LISTEN, Socket, sockets};

use super::SERVICE;
use crate::netlink;
use crate::table::text;

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
}

pub(super) fn check(
    url: &str,
    vip: SocketAddr,
    tunnel: bool,
    min_mtu: Option<u32>,
    deadline: Deadline,
) -> Result<Outcome, Problem> {
    Ok(judge(url, vip, tunnel, min_mtu, &measure(deadline)?))
}

fn measure(deadline: Deadline) -> Result<Facts, Problem> {
    let no_data = |error: netlink::Error| Problem::new(&fault::NO_DATA, error.to_string());
    let mut facts = Facts::default();
    let mut socket = netlink::Socket::route(deadline).map_err(no_data)?;
    socket
        .ask("the addresses", dump_addresses, |payload| {
            facts.addresses.extend(interface_address(payload)?);
            Ok(())
        })
        .map_err(no_data)?;
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
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let all = text(Path::new(table)).map(|text| sockets(&text)).unwrap_or_default();
        facts.listening.extend(all.into_iter().filter(|socket| socket.state == LISTEN));
    }
    Ok(facts)
}

/// A number in a file, decimal or with `0x`; 0 when there is none.
fn number(path: &Path) -> u32 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let text = text.trim();
    text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| u32::from_str_radix(hex, 16)).unwrap_or(0)
}

fn judge(url: &str, vip: SocketAddr, tunnel: bool, min_mtu: Option<u32>, facts: &Facts) -> Outcome {
    let mut outcome = Outcome::new(SERVICE, url);
    let places: Vec<(&InterfaceAddress, &Interface)> = facts
        .addresses
        .iter()
        .filter(|address| address.address == vip.ip())
        .filter_map(|address| Some((address, facts.interfaces.iter().find(|i| i.index == address.index)?)))
        .collect();
    let on: Vec<&str> = places.iter().map(|(_, interface)| interface.name.as_str()).collect();
    outcome.headline =
        format!("this real server is fit: {} on {}, quiet, and served", vip.ip(), on.join(", "));
    if places.is_empty() {
        outcome.headline.clear();
        outcome.find(
            &fault::VIP_ADDRESS,
            format!("this machine does not have the virtual address {}", vip.ip()),
        );
    }
    for (address, interface) in &places {
        place(&mut outcome, vip, address, interface);
    }
    if vip.is_ipv4() {
        talkative(&mut outcome, vip.ip(), &facts.interfaces);
    }
    served(&mut outcome, vip, &facts.listening);
    if tunnel {
        tunnels(&mut outcome, min_mtu, &facts.interfaces);
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
        outcome.find(
            &fault::VIP_ARP,
            format!("{ip} is on {name}, which answers ARP for it: move it to lo or a dummy"),
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

/// Who listens.
fn served(outcome: &mut Outcome, vip: SocketAddr, listening: &[Socket]) {
    let same_port = |socket: &&Socket| socket.local.port() == vip.port();
    let fits = |socket: &Socket| {
        let ip = socket.local.ip();
        // A socket of IPv6's wildcard takes IPv4 too, unless its owner said otherwise, which the table does not tell.
        ip == vip.ip() || ip.is_unspecified() && (ip.is_ipv6() || vip.is_ipv4())
    };
    if listening.iter().filter(same_port).any(fits) {
        return;
    }
    let others: Vec<String> = listening.iter().filter(same_port).map(|s| s.local.to_string()).collect();
    let others = if others.is_empty() { String::new() } else { format!(", only on {}", others.join(", ")) };
    outcome.find(&fault::VIP_BIND, format!("nobody listens on {vip}{others}"));
}

fn tunnels(outcome: &mut Outcome, min_mtu: Option<u32>, interfaces: &[Interface]) {
    let up: Vec<&Interface> = interfaces.iter().filter(|i| i.is_tunnel() && i.is(UP)).collect();
    if up.is_empty() {
        outcome.find(&fault::VIP_TUNNEL, "no tunnel device is up");
    }
    // Packets of clients come out of the tunnel, and the way back to them does not lead into it.
    for interface in up.iter().filter(|i| i.rp_filter == 1) {
        let text = format!("{} drops packets of clients: its rp_filter is 1", interface.name);
        outcome.find(&fault::VIP_TUNNEL, text);
    }
    let outer = interfaces.iter().filter(|i| i.is(UP) && !i.is(LOOPBACK | NO_ARP)).map(|i| i.mtu).max();
    if let (Some(wanted), Some(outer)) = (min_mtu, outer) {
        let kinds = [TunnelKind::Ipip, TunnelKind::Gre, TunnelKind::Gue];
        let room: Vec<String> = kinds
            .iter()
            .map(|kind| format!("{} {}", kind.name(), outer.saturating_sub(kind.overhead())))
            .collect();
        if outer < wanted + TunnelKind::Ipip.overhead() {
            let text = format!(
                "an MTU of {outer} leaves {} bytes for a packet, {wanted} are wanted",
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
        }
    }

    fn words(facts: &Facts) -> Vec<String> {
        let vip = "192.0.2.1:80".parse().expect("an address");
        let outcome = judge("tcp://192.0.2.1:80", vip, true, Some(1500), facts);
        outcome.findings.into_iter().map(|f| f.text).filter(|text| !text.starts_with("an MTU")).collect()
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
        assert!(change(|f| f.addresses[0].index = 2).contains("on eth0, which answers ARP"));
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
    fn a_packet_must_fit_into_the_tunnel() {
        let vip = "192.0.2.1:80".parse().expect("an address");
        let outcome = judge("", vip, true, Some(1500), &fit());
        assert_eq!(
            outcome.findings[0].text,
            "an MTU of 1500 leaves ipip 1480, gre 1476, gue 1468 bytes for a packet, 1500 are wanted"
        );
        assert_eq!(judge("", vip, true, Some(1480), &fit()).findings.len(), 0);
    }
}
