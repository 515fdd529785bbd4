//! Rules of TCP dispatchers, a line each: `TYPE|VIP|vport|sport|flag|match|server|server...`.
//!
//! They say nothing on weight, scheduler and method, so only presence and ports are compared. Lines of the same virtual
//! address and port add up; a line that chooses servers by content (a match other than `*`) cannot be checked in a table of
//! addresses.

use std::net::SocketAddr;

use super::{ExpectError, Expectation, Expected, Manager, Server, Surroundings, WhenDown};
use crate::ip_vs::{Key, Protocol};

/// A rule has at least one server.
pub(super) const FIELDS_MIN: usize = 7;
/// The types of rules that forward a TCP connection as it is.
const PLAIN_TYPES: [&str; 2] = ["TELNET", "TCP"];

pub(super) fn parse(
    name: &str,
    text: &str,
    surroundings: &mut dyn Surroundings,
) -> Result<Expectation, ExpectError> {
    let mut expectation = Expectation::new(Manager::Dispatcher);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{name}:{}", number + 1);
        let error = |why: String| ExpectError { place: place.clone(), why };
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [kind, vip, vport, sport, _flag, matches, servers @ ..] = &fields[..] else {
            return Err(error(format!("a rule has {FIELDS_MIN} fields or more, this one {}", fields.len())));
        };
        if servers.is_empty() {
            return Err(error(format!("a rule has {FIELDS_MIN} fields or more, this one {}", fields.len())));
        }
        let port = |text: &str| text.parse::<u16>().map_err(|_| error(format!("`{text}` is no port")));
        let (vport, sport) = (port(vport)?, port(sport)?);
        let mut address = |host: &str, port| {
            let ip = host.parse().ok().or_else(|| surroundings.addresses(host).first().copied());
            ip.map(|ip| SocketAddr::new(ip, port)).ok_or(error(format!("the name {host} has no address")))
        };
        let key = Key::Address { protocol: Protocol::Tcp, address: address(vip, vport)? };
        if !PLAIN_TYPES.contains(kind) || *matches != "*" {
            expectation.note(&place, &format!("rules of {kind} with the match `{matches}` are not checked"));
            expectation.uncompared.push(key);
            continue;
        }
        let servers = servers.iter().filter(|server| !server.is_empty()).map(|server| {
            Ok(Server {
                address: address(server, sport)?,
                weight: None,
                forward: None,
                tunnel: None,
                upper: None,
                lower: None,
                when_down: WhenDown::Removed,
            })
        });
        let servers = servers.collect::<Result<Vec<Server>, ExpectError>>()?;
        if let Some(service) = expectation.services.iter_mut().find(|service| service.key == key) {
            service.servers.extend(servers);
        } else {
            expectation.services.push(Expected {
                key,
                scheduler: None,
                sched_flags: None,
                one_packet: None,
                persistence: None,
                engine: None,
                servers,
                sorry: None,
            });
        }
    }
    Ok(expectation)
}
