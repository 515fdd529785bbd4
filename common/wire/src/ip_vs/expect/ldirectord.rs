//! `ldirectord.cf`, as ldirectord 4.12 reads it.
//!
//! `virtual=` stands in the first column; the lines of its block are indented by four blanks or a tab, and the block ends
//! with the first line that is not. `#` begins a comment even inside quotes. `real=` takes its parts in a fixed order:
//! `address[->address][:port] method [weight] ["request", "receive"] [l:N] [u:N]`.

use std::net::{IpAddr, SocketAddr};

use super::{ExpectError, Expectation, Expected, Manager, Server, Surroundings, WhenDown, range};
use crate::ip_vs::model::{full_prefix, prefix, sched_flags};
use crate::ip_vs::{Forward, Key, Persistence, Protocol, Tunnel};

/// One block as it was written.
#[derive(Default)]
struct Block {
    place: String,
    virtual_: String,
    ipv6: bool,
    protocol: Option<String>,
    scheduler: Option<String>,
    sched_flags: u8,
    persistent: Option<u32>,
    netmask: Option<String>,
    one_packet: bool,
    quiescent: Option<bool>,
    check: Option<String>,
    fallback: Option<String>,
    reals: Vec<(String, String)>, // place, value
}

pub(super) fn parse(
    name: &str,
    text: &str,
    surroundings: &mut dyn Surroundings,
) -> Result<Expectation, ExpectError> {
    let mut quiescent = true;
    let mut fallback = None;
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let place = format!("{name}:{}", number + 1);
        let indented = line.starts_with('\t') || line.starts_with("    ");
        inside &= indented && !line.trim().is_empty();
        let Some((key, value)) = line.trim().split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim());
        let plain = value.trim_matches(['"', '\'']);
        match (key, blocks.last_mut().filter(|_| inside)) {
            ("virtual" | "virtual6", None) => {
                inside = true;
                blocks.push(Block {
                    place,
                    virtual_: value.to_owned(),
                    ipv6: key.ends_with('6'),
                    ..Block::default()
                });
            }
            ("quiescent", None) => quiescent = yes(plain),
            ("fallback" | "fallback6", None) => fallback = Some(plain.to_owned()),
            ("real" | "real6", Some(block)) => block.reals.push((place, value.to_owned())),
            ("protocol", Some(block)) => block.protocol = Some(plain.to_ascii_lowercase()),
            ("scheduler", Some(block)) => block.scheduler = Some(plain.to_owned()),
            ("schedflags", Some(block)) => block.sched_flags = sched_flags(plain),
            ("netmask", Some(block)) => block.netmask = Some(plain.to_owned()),
            ("ops", Some(block)) => block.one_packet = yes(plain),
            ("quiescent", Some(block)) => block.quiescent = Some(yes(plain)),
            ("fallback" | "fallback6", Some(block)) => block.fallback = Some(plain.to_owned()),
            ("checktype", Some(block)) => block.check = Some(plain.to_owned()),
            ("persistent", Some(block)) => {
                let seconds = plain.parse();
                let why = format!("`{plain}` is no number of seconds");
                block.persistent = Some(seconds.map_err(|_| ExpectError { place, why })?);
            }
            _ => {}
        }
    }
    let mut expectation = Expectation::new(Manager::Ldirectord);
    for block in blocks {
        let defaults = (quiescent, fallback.as_deref());
        let service = service(&block, defaults, surroundings)?;
        if block.check.as_deref() == Some("off") {
            expectation.note(&block.place, "checktype=off: nothing is activated, and nothing compared");
            expectation.uncompared.push(service.key);
        } else {
            expectation.services.push(service);
        }
    }
    Ok(expectation)
}

fn yes(text: &str) -> bool {
    text.eq_ignore_ascii_case("yes")
}

fn service(
    block: &Block,
    (quiescent, fallback): (bool, Option<&str>),
    surroundings: &mut dyn Surroundings,
) -> Result<Expected, ExpectError> {
    let error = |why: String| ExpectError { place: block.place.clone(), why };
    let (host, port) = split_port(&block.virtual_);
    let protocol = match block.protocol.as_deref() {
        Some("udp") => Protocol::Udp,
        None if matches!(port, Some("53" | "domain")) => Protocol::Udp,
        _ => Protocol::Tcp,
    };
    let key = if let (Ok(mark), None) = (host.parse::<u32>(), port) {
        Key::Fwmark { mark, ipv6: block.ipv6 }
    } else {
        let port = port.and_then(|port| number(port, protocol, surroundings));
        let port = port.ok_or_else(|| error(format!("`{}` has no port", block.virtual_)))?;
        let ip = *addresses(host, surroundings)
            .first()
            .ok_or_else(|| error(format!("the name {host} has no address")))?;
        Key::Address { protocol, address: SocketAddr::new(ip, port) }
    };
    let when_down = match (block.check.as_deref() == Some("on"), block.quiescent.unwrap_or(quiescent)) {
        (true, _) => WhenDown::Stays,
        (false, true) => WhenDown::Weightless,
        (false, false) => WhenDown::Removed,
    };
    let mut servers = Vec::new();
    for (place, real) in &block.reals {
        let real = reals(real, &key, when_down, protocol, surroundings);
        servers.extend(real.map_err(|why| ExpectError { place: place.clone(), why })?);
    }
    let sorry = block.fallback.as_deref().or(fallback).and_then(|text| {
        let mut words = text.split_whitespace();
        let (host, port) = split_port(words.next()?);
        let own = key.address().map_or(0, |address| address.port());
        // As of any server: only NAT can translate the port.
        let port = port.filter(|_| words.next() == Some("masq"));
        let port = port.map_or(Some(own), |port| number(port, protocol, surroundings))?;
        Some(SocketAddr::new(*addresses(host, surroundings).first()?, port))
    });
    let bits = block.netmask.as_deref().and_then(prefix).unwrap_or(full_prefix(key.is_ipv6()));
    Ok(Expected {
        key,
        scheduler: Some(block.scheduler.clone().unwrap_or_else(|| "wrr".to_owned())),
        sched_flags: Some(block.sched_flags),
        one_packet: Some(block.one_packet),
        persistence: Some(
            block.persistent.map(|seconds| Persistence { seconds: Some(seconds), prefix: bits }),
        ),
        engine: Some(None),
        servers,
        sorry,
    })
}

/// One line `real=`: a server, or a range of them.
fn reals(
    text: &str,
    key: &Key,
    when_down: WhenDown,
    protocol: Protocol,
    surroundings: &mut dyn Surroundings,
) -> Result<Vec<Server>, String> {
    let mut words = text.split_whitespace();
    let place = words.next().unwrap_or_default();
    let forward = match words.next() {
        Some("masq") => Forward::Masq,
        Some("ipip") => Forward::Tunnel,
        Some("gate") | None => Forward::Route,
        Some(other) => return Err(format!("`{other}` is not gate, masq or ipip")),
    };
    let (mut weight, mut lower, mut upper) = (1, None, None);
    for (at, word) in words.enumerate() {
        if let Some(limit) = word.strip_prefix("l:") {
            lower = limit.parse().ok();
        } else if let Some(limit) = word.strip_prefix("u:") {
            upper = limit.parse().ok();
        } else if let (0, Ok(number)) = (at, word.parse()) {
            weight = number;
        }
    }
    let (hosts, port) = split_port(place);
    let own = key.address().map_or(0, |address| address.port());
    let port = match port {
        // Only NAT can translate the port; services of marks know none.
        Some(port) if forward == Forward::Masq && key.address().is_some() => {
            number(port, protocol, surroundings).ok_or_else(|| format!("`{port}` is no port"))?
        }
        _ => own,
    };
    let ips = if let Some((first, last)) = hosts.split_once("->") {
        let parsed = (literal(first), literal(last));
        let (Some(first), Some(last)) = parsed else {
            return Err(format!("`{hosts}` is no range of addresses"));
        };
        range(first, last).ok_or_else(|| format!("`{hosts}` is no sane range"))?
    } else {
        addresses(hosts, surroundings).into_iter().take(1).collect()
    };
    if ips.is_empty() {
        return Err(format!("the name {hosts} has no address"));
    }
    let server = |ip| Server {
        address: SocketAddr::new(ip, port),
        weight: Some(weight),
        forward: Some(forward),
        tunnel: (forward == Forward::Tunnel).then(Tunnel::default),
        upper,
        lower,
        when_down,
    };
    Ok(ips.into_iter().map(server).collect())
}

/// `host:port`, `[v6]:port`, `a->b:port`; a bare address of IPv6 has no port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}

fn literal(text: &str) -> Option<IpAddr> {
    text.trim().trim_matches(['[', ']']).parse().ok()
}

fn addresses(host: &str, surroundings: &mut dyn Surroundings) -> Vec<IpAddr> {
    literal(host).map_or_else(|| surroundings.addresses(host), |ip| vec![ip])
}

fn number(port: &str, protocol: Protocol, surroundings: &mut dyn Surroundings) -> Option<u16> {
    port.parse().ok().or_else(|| surroundings.port(port, protocol))
}
