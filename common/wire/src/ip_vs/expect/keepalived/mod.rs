//! `keepalived.conf`, the parts about virtual servers, as keepalived 2.2 reads it.
//!
//! One keyword a line, the rest of the line are its arguments; `{` ends the line or stands alone on the next; what stands
//! behind it is the next line. Comments begin with `#` or `!`, quotes protect them. Lines can be conditional (`@id`), included, and hold parameters (`$NAME`), whose
//! values are looked up where they are used.

mod lines;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use self::lines::{Node, blocks};
use super::{
    ExpectError, Expectation, Expected, ExpectedDaemon, MAX_EXPECTED, Manager, Server, Surroundings,
    WhenDown, range,
};
use crate::ip_vs::model::{full_prefix, prefix, sched_flags};
use crate::ip_vs::{Forward, Key, Persistence, Protocol, Tunnel};

/// The time of `persistence_timeout` without a value.
const PERSISTENCE_DEFAULT: u32 = 360;

/// Whether a file of keepalived's can begin with this word.
pub(super) fn begins(word: &str) -> bool {
    const BLOCKS: [&str; 8] = [
        "virtual_server",
        "virtual_server_group",
        "global_defs",
        "net_namespace",
        "bfd_instance",
        "linkbeat_interfaces",
        "random_seed",
        "track_file",
    ];
    BLOCKS.contains(&word)
        || ["vrrp_", "static_"].iter().any(|start| word.starts_with(start))
        || lines::is_include(word)
}

pub(super) fn parse(
    name: &str,
    text: &str,
    config_id: Option<&str>,
    surroundings: &mut dyn Surroundings,
) -> Result<Expectation, ExpectError> {
    let mut expectation = Expectation::new(Manager::Keepalived);
    let (root, notes) = blocks(name, text, config_id, surroundings)?;
    for (place, note) in &notes {
        expectation.note(place, note);
        expectation.lacks.get_or_insert_with(|| format!("{place}: {note}"));
    }
    let mut groups: HashMap<&str, &Node> = HashMap::new();
    for node in &root.children {
        match node.keyword() {
            "virtual_server_group" => {
                groups.insert(node.argument(1).unwrap_or_default(), node);
            }
            "global_defs" => global(node, &mut expectation),
            _ => {}
        }
    }
    for node in root.children.iter().filter(|node| node.keyword() == "virtual_server") {
        let services = virtual_server(node, &groups, &mut expectation)?;
        expectation.services.extend(services);
    }
    Ok(expectation)
}

fn global(node: &Node, expectation: &mut Expectation) {
    if let Some(daemon) = node.last(&["lvs_sync_daemon"])
        && let Some(interface) = daemon.argument(1)
    {
        let after = |name: &str| {
            let at = daemon.words.iter().position(|word| word == name)?;
            daemon.argument(at + 1)?.parse().ok()
        };
        expectation.daemon = Some(ExpectedDaemon { interface: interface.to_owned(), sync_id: after("id") });
    }
    if let Some(timeouts) = node.last(&["lvs_timeouts"]) {
        let of = |name: &str| {
            let at = timeouts.words.iter().position(|word| word == name);
            at.and_then(|at| timeouts.argument(at + 1)?.parse().ok()).unwrap_or(0)
        };
        expectation.timeouts = Some([of("tcp"), of("tcpfin"), of("udp")]);
    }
}

/// One block: a service, or as many as its group has addresses.
fn virtual_server(
    node: &Node,
    groups: &HashMap<&str, &Node>,
    expectation: &mut Expectation,
) -> Result<Vec<Expected>, ExpectError> {
    let protocol = match node.value(&["protocol"]) {
        Some(name) => name.parse().map_err(|()| node.error(format!("`{name}` is not TCP, UDP or SCTP")))?,
        None => Protocol::Udp,
    };
    let (servers, sorry) = servers(node, expectation)?;
    // A mark has no family of its own: it follows that of its servers.
    let ipv6 = node.value(&["ip_family"]).map_or_else(
        || {
            servers
                .iter()
                .find(|s| s.forward != Some(Forward::Tunnel))
                .or(servers.first())
                .is_some_and(|s| s.address.is_ipv6())
        },
        |family| family == "inet6",
    );
    let mark = |text: Option<&str>, node: &Node| match text.and_then(|text| text.parse().ok()) {
        Some(mark) => Ok(Key::Fwmark { mark, ipv6 }),
        None => Err(node.error("fwmark lacks its number")),
    };
    let mut clear_ports = false;
    let keys: Vec<Key> = match (node.argument(1), node.argument(2)) {
        (Some("fwmark"), text) => {
            clear_ports = true;
            vec![mark(text, node)?]
        }
        (Some("group"), name) => {
            let name = name.unwrap_or_default();
            let group = groups.get(name).ok_or_else(|| node.error(format!("there is no group {name}")))?;
            let mut keys = Vec::new();
            for member in &group.children {
                if member.keyword() == "fwmark" {
                    keys.push(mark(member.argument(1), member)?);
                } else {
                    let port = port(member.argument(1), member)?;
                    let ips = member_addresses(member.keyword()).ok_or_else(|| {
                        member.error(format!("`{}` is no sane address or range", member.keyword()))
                    })?;
                    keys.extend(
                        ips.into_iter()
                            .map(|ip| Key::Address { protocol, address: SocketAddr::new(ip, port) }),
                    );
                }
                // Each gets all servers: a short file can ask for millions.
                if keys.len().saturating_mul(1 + servers.len()) > MAX_EXPECTED {
                    return Err(member.error("the group has too many servers"));
                }
            }
            keys
        }
        (Some(ip), text) => {
            let ip = ip.parse().map_err(|_| node.error(format!("`{ip}` is no address")))?;
            vec![Key::Address { protocol, address: SocketAddr::new(ip, port(text, node)?) }]
        }
        _ => return Err(node.error("virtual_server lacks its address")),
    };
    let scheduler = node.value(&["lvs_sched", "lb_algo"]).unwrap_or("wlc");
    let flags: Vec<&str> = node.children.iter().map(Node::keyword).collect();
    let persistence = node
        .last(&["persistence_timeout"])
        .map(|node| node.argument(1).and_then(|text| text.parse().ok()).unwrap_or(PERSISTENCE_DEFAULT));
    let granularity = node.value(&["persistence_granularity"]).and_then(prefix);
    let mut services = Vec::new();
    for key in keys {
        let bits = granularity.unwrap_or(full_prefix(key.is_ipv6()));
        let mut servers = servers.clone();
        // Without a port of its own a server has that of the service, of a group that of each member; a sorry server has 0.
        let own = key.address().map_or(0, |address| address.port());
        for server in &mut servers {
            match server.address.port() {
                _ if clear_ports => server.address.set_port(0),
                0 => server.address.set_port(own),
                _ => {}
            }
        }
        services.push(Expected {
            key,
            scheduler: Some(scheduler.to_owned()),
            sched_flags: Some(sched_flags(&flags.join(","))),
            one_packet: Some(node.has("ops")),
            persistence: Some(
                persistence
                    .filter(|seconds| *seconds > 0)
                    .map(|seconds| Persistence { seconds: Some(seconds), prefix: bits }),
            ),
            engine: Some(node.value(&["persistence_engine"]).map(str::to_owned)),
            servers,
            sorry,
        });
    }
    Ok(services)
}

fn servers(
    node: &Node,
    expectation: &mut Expectation,
) -> Result<(Vec<Server>, Option<SocketAddr>), ExpectError> {
    let inhibit = node.flag("inhibit_on_failure");
    let method = method(node, expectation)?.unwrap_or((Forward::Masq, None));
    let mut servers = Vec::new();
    for real in node.children.iter().filter(|child| child.keyword() == "real_server") {
        let (forward, tunnel) = self::method(real, expectation)?.unwrap_or(method);
        let check = |child: &&Node| child.keyword().ends_with("_CHECK") || child.keyword().ends_with("_GET");
        let checks: Vec<&Node> = real.children.iter().filter(check).collect();
        let dynamic = checks.iter().any(|check| check.has("misc_dynamic") || check.keyword() == "FILE_CHECK")
            || real.has("track_file");
        if dynamic {
            expectation.note(&real.place, "the weight follows a script and is not compared");
        }
        let inhibit = real.flag("inhibit_on_failure").or(inhibit).unwrap_or(false);
        let when_down = match (checks.is_empty(), inhibit) {
            (true, _) => WhenDown::Stays,
            (false, true) => WhenDown::Weightless,
            (false, false) => WhenDown::Removed,
        };
        servers.push(Server {
            address: address(real)?,
            weight: if dynamic {
                None
            } else {
                Some(real.number("weight")?.or(node.number("weight")?).unwrap_or(1))
            },
            forward: Some(forward),
            tunnel,
            upper: real.number("uthreshold")?,
            lower: real.number("lthreshold")?,
            when_down,
        });
    }
    let sorry = node.last(&["sorry_server"]).map(address).transpose()?;
    Ok((servers, sorry))
}

/// `real_server ADDRESS PORT`
fn address(node: &Node) -> Result<SocketAddr, ExpectError> {
    let text = node.argument(1).unwrap_or_default();
    let ip: IpAddr = text.parse().map_err(|_| node.error(format!("`{text}` is no address")))?;
    Ok(SocketAddr::new(ip, port(node.argument(2), node)?))
}

fn port(text: Option<&str>, node: &Node) -> Result<u16, ExpectError> {
    text.map_or(Ok(0), |text| text.parse().map_err(|_| node.error(format!("`{text}` is no port"))))
}

/// `lvs_method NAT`, `lvs_method TUN type gue port 6080 nocsum`.
fn method(
    node: &Node,
    expectation: &mut Expectation,
) -> Result<Option<(Forward, Option<Tunnel>)>, ExpectError> {
    let Some(line) = node.last(&["lvs_method", "lb_kind"]) else { return Ok(None) };
    let forward = match line.argument(1) {
        Some("NAT") => Forward::Masq,
        Some("DR") => Forward::Route,
        Some("TUN") => Forward::Tunnel,
        other => {
            // The daemon complains and goes on.
            let other = other.unwrap_or_default();
            expectation.note(&line.place, &format!("`{other}` is not NAT, DR or TUN, and does not count"));
            return Ok(None);
        }
    };
    if forward != Forward::Tunnel {
        return Ok(Some((forward, None)));
    }
    let mut tunnel = Tunnel::default();
    let mut words = line.words.iter().skip(2).map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "type" => {
                let kind = words.next().unwrap_or_default();
                tunnel.kind =
                    kind.parse().map_err(|()| line.error(format!("`{kind}` is no type of tunnel")))?;
            }
            "port" => tunnel.port = port(words.next(), line)?,
            "csum" => tunnel.checksum = 1,
            "remcsum" => tunnel.checksum = 2,
            _ => {}
        }
    }
    Ok(Some((forward, Some(tunnel))))
}

/// `192.0.2.1`, `192.0.2.10-12`, `192.0.2.10-192.0.2.12`, `2001:db8::10-1f`, `192.0.2.8/30`.
fn member_addresses(text: &str) -> Option<Vec<IpAddr>> {
    if let Some((base, bits)) = text.split_once('/') {
        let (base, bits) = (base.parse::<IpAddr>().ok()?, bits.parse::<u32>().ok()?);
        if bits > u32::from(full_prefix(base.is_ipv6())) {
            return None;
        }
        return match base {
            IpAddr::V4(ip) => {
                let host = u32::MAX.checked_shr(bits).unwrap_or(0);
                range(
                    std::net::Ipv4Addr::from(u32::from(ip) & !host).into(),
                    std::net::Ipv4Addr::from(u32::from(ip) | host).into(),
                )
            }
            IpAddr::V6(ip) => {
                let host = u128::MAX.checked_shr(bits).unwrap_or(0);
                range(
                    std::net::Ipv6Addr::from(u128::from(ip) & !host).into(),
                    std::net::Ipv6Addr::from(u128::from(ip) | host).into(),
                )
            }
        };
    }
    let Some((first, last)) = text.split_once('-') else { return Some(vec![text.parse().ok()?]) };
    let last = last.parse().ok().or_else(|| {
        // Only the last part of the address: decimal in IPv4, hexadecimal in IPv6.
        let separator = if first.contains(':') { ':' } else { '.' };
        let (start, _) = first.rsplit_once(separator)?;
        format!("{start}{separator}{last}").parse().ok()
    })?;
    range(first.parse().ok()?, last)
}
