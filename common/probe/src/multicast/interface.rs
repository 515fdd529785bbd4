//! The network interfaces of this host.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::SockaddrStorage;
use weir_contract::{Problem, fault};

use super::{kernel, unspecified};

/// An interface with its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Such as `eth0`.
    pub name: String,
    /// The kernel's number for it.
    pub index: u32,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Why no group can be received on it.
    pub unfit: Option<&'static str>,
    /// The host's own.
    pub loopback: bool,
    /// It has a link; the kernel says so some time after it has come up.
    pub linked: bool,
}

impl Interface {
    /// Every interface.
    ///
    /// # Errors
    /// E-INTERNAL when the kernel tells none.
    pub fn all() -> Result<Vec<Self>, Problem> {
        let failed = |error| Problem::new(&fault::INTERNAL, format!("cannot list the interfaces: {error}"));
        let mut all = BTreeMap::<u32, Self>::new();
        for entry in getifaddrs().map_err(failed)? {
            // One that has gone in between is none.
            let Ok(index) = if_nametoindex(entry.interface_name.as_str()) else { continue };
            let has = |flag| entry.flags.contains(flag);
            let interface = all.entry(index).or_insert_with(|| Self {
                name: entry.interface_name.clone(),
                index,
                addresses: Vec::new(),
                unfit: if !has(InterfaceFlags::IFF_UP) {
                    Some("the interface is down")
                } else if !has(InterfaceFlags::IFF_MULTICAST) && !has(InterfaceFlags::IFF_LOOPBACK) {
                    Some("the interface takes no multicast")
                } else {
                    None
                },
                loopback: has(InterfaceFlags::IFF_LOOPBACK),
                linked: has(InterfaceFlags::IFF_RUNNING),
            });
            interface.addresses.extend(entry.address.and_then(address));
        }
        Ok(all.into_values().collect())
    }

    /// The interface with this name or address.
    ///
    /// # Errors
    /// E-USAGE with the names that exist.
    pub fn find(wanted: &str) -> Result<Self, Problem> {
        let address = wanted.parse::<IpAddr>().ok();
        let mut all = Self::all()?;
        let at = all.iter().position(|interface| {
            interface.name == wanted || address.is_some_and(|address| interface.addresses.contains(&address))
        });
        if let Some(at) = at {
            return Ok(all.swap_remove(at));
        }
        let names: Vec<&str> = all.iter().map(|interface| interface.name.as_str()).collect();
        let known = names.join(", ");
        Err(Problem::new(
            &fault::USAGE,
            format!("this host has no interface `{wanted}`: use one of {known}, or its address"),
        ))
    }

    /// The interface by which this host would send to `group`: where it is joined unless something else is said.
    pub(super) fn towards(group: SocketAddr) -> Result<Self, Problem> {
        let local = UdpSocket::bind(unspecified(group)).and_then(|socket| {
            socket.connect(group)?;
            socket.local_addr()
        });
        let local = local.map_err(|error| {
            Problem::new(&fault::MCAST_JOIN, format!("no route tells where to join {}: {error}", group.ip()))
        })?;
        let routed = local.ip().is_unspecified().then(|| kernel::routed(group.ip())).flatten();
        let own = Self::all()?.into_iter().find(|interface| match &routed {
            Some(name) => interface.name == *name,
            None => interface.addresses.contains(&local.ip()),
        });
        own.ok_or_else(|| {
            let text = format!("no route tells where to join {}", group.ip());
            Problem::new(&fault::MCAST_JOIN, text)
        })
    }

    /// Whether a datagram is known to have come by another one.
    pub fn is_other(&self, came_by: Option<u32>) -> bool {
        came_by.is_some_and(|index| index != self.index)
    }

    /// Its first IPv4 address.
    pub(super) fn address4(&self) -> Option<Ipv4Addr> {
        self.addresses.iter().find_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        })
    }
}

fn address(address: SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
}
