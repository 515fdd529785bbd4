//! Nothing comes: where else could it be?

use std::net::IpAddr;
use std::time::Duration;

use super::wire::{Seen, Wire};
use super::{Counters, Endpoint, Interface, Listening, kernel};
use crate::Probe;
use crate::datagrams::Datagrams;

/// How long a search takes at most: reports leave within a second, then switches and routers need some time.
pub const SEARCH: Duration = Duration::from_millis(1500);
/// A report that has not left in this time does not leave (RFC 3376 section 8.11).
const REPORT: Duration = Duration::from_millis(1100);
/// How often is looked.
const POLL: Duration = Duration::from_millis(50);
/// Interfaces that are tried; a host with more of them is a router, and its operator knows where groups come in.
const INTERFACES_MAX: usize = 32;
/// Senders and ports that are remembered.
const SIGHTINGS_MAX: usize = 16;

/// Packets of the group that were seen while none came to the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Where.
    pub interface: String,
    /// Who sends.
    pub from: IpAddr,
    /// Where to.
    pub port: u16,
    /// How many.
    pub packets: u64,
    /// Hops that they could still have gone.
    pub ttl: Option<u8>,
    /// They came to a socket; else they were only seen on the wire.
    pub heard: bool,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clues {
    /// Where packets of the group were seen.
    pub sightings: Vec<Sighting>,
    /// Whether the kernel lists the membership; `None` when it tells nothing.
    pub member: Option<bool>,
    /// The version of IGMP in force on the interface.
    pub version: Option<String>,
    /// Whether our membership report was seen to leave; `None` when the wire could not be looked at, or needs no report.
    pub reported: Option<bool>,
    /// What this host's counters counted meanwhile.
    pub counters: Counters,
    /// The interface's reverse path filter: 0 off, 1 strict, 2 loose.
    pub reverse_path_filter: Option<u8>,
    /// Interfaces that were tried beside the asked one.
    pub tried: Vec<String>,
    /// Whether the wire could be looked at (`CAP_NET_RAW`).
    pub wire: bool,
}

/// Looks for the group everywhere, for at most 1.5 s: joins it on every other interface and for every source, watches the wire and
/// the kernel's counters. `listening` is joined anew, so that the network is told once more.
pub async fn search(probe: &Probe, endpoint: &Endpoint, listening: &Interface) -> Clues {
    let group = endpoint.address.ip();
    let wire = Wire::open(group).ok();
    let before = Counters::read(group.is_ipv6());
    let mut clues = Clues {
        wire: wire.is_some(),
        reported: (wire.is_some() && is_reported(listening, group)).then_some(false),
        reverse_path_filter: kernel::reverse_path_filter(&listening.name).filter(|_| group.is_ipv4()),
        version: kernel::version(listening, group),
        ..Clues::default()
    };
    let all = Interface::all().unwrap_or_default();
    // Only now: it was asked whether others have joined.
    let mut sockets = tries(endpoint, listening, &all, &mut clues);
    let again = endpoint.listen().ok();
    clues.member = kernel::is_member(listening, group);
    let began = probe.deadline.elapsed();
    let ends = probe.deadline.within(SEARCH).remaining() + probe.deadline.elapsed();
    while probe.deadline.elapsed() < ends {
        probe.sleep(POLL).await;
        for (interface, socket) in &mut sockets {
            let _ = socket.drain(&probe.deadline, |datagram| {
                if !interface.is_other(datagram.interface) {
                    let port = endpoint.address.port();
                    clues.saw(&interface.name, datagram.from.ip(), port, datagram.ttl, true);
                }
            });
        }
        if let Some(wire) = &wire {
            wire.drain(|seen| match seen {
                Seen::Report { interface } => {
                    if interface == listening.index {
                        clues.reported = clues.reported.map(|_| true);
                    }
                }
                Seen::Datagram { interface, from, port, ttl } => {
                    let name = all.iter().find(|i| i.index == interface).map_or("?", |i| i.name.as_str());
                    clues.saw(name, from, port, Some(ttl), false);
                }
            });
        }
        // What was heard is certain; what was only seen may yet be heard.
        if clues.sightings.iter().any(|sighting| sighting.heard) {
            break;
        }
    }
    drop(again);
    if probe.deadline.elapsed().saturating_sub(began) < REPORT {
        clues.reported = clues.reported.filter(|seen| *seen);
    }
    clues.counters = Counters::read(group.is_ipv6()).since(before);
    clues
}

/// Whether joining must tell the network: not about groups of the host or link itself, nor about one that somebody on this host has
/// joined there already.
fn is_reported(interface: &Interface, group: IpAddr) -> bool {
    let local = match group {
        IpAddr::V4(group) => group.octets()[..3] == [224, 0, 0],
        IpAddr::V6(group) => group.octets()[1] & 0x0f <= 2,
    };
    !local && !interface.loopback && kernel::is_member(interface, group) == Some(false)
}

/// A socket on each other interface, and one for other sources on the same.
fn tries(
    endpoint: &Endpoint,
    listening: &Interface,
    all: &[Interface],
    clues: &mut Clues,
) -> Vec<(Interface, Datagrams)> {
    let any = Endpoint { source: None, ..endpoint.clone() };
    let mut sockets = Vec::new();
    let fit = all.iter().filter(|interface| interface.unfit.is_none());
    for interface in fit.take(INTERFACES_MAX) {
        let own = interface.index == listening.index;
        if own && endpoint.source.is_none() {
            continue;
        }
        let on = Endpoint { interface: Some(interface.name.clone()), ..any.clone() };
        let Ok(Listening { socket, .. }) = on.listen() else { continue };
        let Ok(socket) = Datagrams::new(socket) else { continue };
        if !own && !interface.loopback {
            clues.tried.push(interface.name.clone());
        }
        sockets.push((interface.clone(), socket));
    }
    sockets
}

impl Clues {
    fn saw(&mut self, interface: &str, from: IpAddr, port: u16, ttl: Option<u8>, heard: bool) {
        let known = self.sightings.iter().position(|sighting| {
            (sighting.interface.as_str(), sighting.from, sighting.port, sighting.heard)
                == (interface, from, port, heard)
        });
        if let Some(at) = known {
            self.sightings[at].packets += 1;
        } else if self.sightings.len() < SIGHTINGS_MAX {
            let interface = interface.to_owned();
            self.sightings.push(Sighting { interface, from, port, packets: 1, ttl, heard });
        }
    }
}

impl Sighting {
    /// Such as `30 packets from 192.0.2.1 to port 1234 on eth1`.
    pub fn describe(&self) -> String {
        let Self { interface, from, port, packets, .. } = self;
        format!("{packets} packets from {from} to port {port} on {interface}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut clues = Clues::default();
        for n in 0..100_u16 {
            clues.saw("eth0", IpAddr::from([192, 0, 2, 1]), n, None, false);
            clues.saw("eth0", IpAddr::from([192, 0, 2, 1]), 0, None, false);
        }
        assert_eq!(clues.sightings.len(), SIGHTINGS_MAX);
        assert_eq!(clues.sightings[0].packets, 101);
    }
}
