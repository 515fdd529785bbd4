//! Joining groups, and finding out why nothing comes.
//!
//! [`Endpoint::listen`] gives a socket that receives what is sent to a group on one interface, or to a port of this host.
//! [`search`] is for the time after: it looks on every interface, for every sender and every port, as far as this process may.

mod interface;
mod kernel;
mod search;
mod wire;

use std::fmt::Display;
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use weir_contract::{Problem, fault};

pub use interface::Interface;
pub use kernel::Counters;
pub use search::{Clues, SEARCH, Sighting, search};

/// What is listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A group, or an address of this host (all of them when it is unspecified), and a port.
    pub address: SocketAddr,
    /// Only packets of this sender count (source-specific multicast).
    pub source: Option<IpAddr>,
    /// The name or an address of the interface; without it the routes decide.
    pub interface: Option<String>,
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listening {
    /// Bound and joined.
    pub socket: UdpSocket,
    /// Where the group was joined; `None` for unicast.
    pub interface: Option<Interface>,
}

impl Endpoint {
    /// Whether a group is listened to.
    pub fn is_group(&self) -> bool {
        self.address.ip().is_multicast()
    }

    /// Binds the port and joins the group.
    ///
    /// # Errors
    /// E-USAGE for an interface or address that this host does not have, E-UDP-TAKEN, E-MCAST-JOIN.
    pub fn listen(&self) -> Result<Listening, Problem> {
        let interface = self.interface()?;
        // The kernel joins on an interface that is down too, and nothing would ever come.
        if let Some((interface, why)) = interface.as_ref().and_then(|own| Some((own, own.unfit?))) {
            return Err(self.refused(interface, &why));
        }
        let socket = self.bind()?;
        if let Some(interface) = &interface {
            self.join(&socket, interface).map_err(|error| self.refused(interface, &error))?;
        }
        Ok(Listening { socket: socket.into(), interface })
    }

    /// The interface on which the group is awaited; `None` for unicast.
    fn interface(&self) -> Result<Option<Interface>, Problem> {
        let interface = match &self.interface {
            Some(wanted) => Interface::find(wanted)?,
            None if self.is_group() => Interface::towards(self.address)?,
            None => return Ok(None),
        };
        Ok(self.is_group().then_some(interface))
    }

    /// A bound socket. A group's socket hears only what it joins itself, and shares its port with other listeners; a unicast port
    /// has one owner, from whom nothing may be taken.
    fn bind(&self) -> Result<Socket, Problem> {
        let bound = || {
            let socket = Socket::new(Domain::for_address(self.address), Type::DGRAM, Some(Protocol::UDP))?;
            if self.is_group() {
                socket.set_reuse_address(true)?;
            }
            match self.address {
                SocketAddr::V4(_) if self.is_group() => socket.set_multicast_all_v4(false)?,
                SocketAddr::V4(_) => {}
                SocketAddr::V6(_) => {
                    socket.set_only_v6(true)?;
                    if self.is_group() {
                        socket.set_multicast_all_v6(false)?;
                    }
                }
            }
            socket.bind(&self.address.into())?;
            Ok(socket)
        };
        bound().map_err(|error: Error| match error.kind() {
            ErrorKind::AddrInUse => Problem::new(
                &fault::UDP_TAKEN,
                format!("{} is in use by another process of this host", self.address),
            ),
            ErrorKind::AddrNotAvailable => Problem::new(
                &fault::USAGE,
                format!(
                    "{} is no address of this host and no group: use a multicast group, an address of this host, or @:{}",
                    self.address.ip(),
                    self.address.port()
                ),
            ),
            ErrorKind::PermissionDenied => {
                Problem::new(&fault::PERMISSION, format!("not allowed to listen on {}: {error}", self.address))
            }
            _ => Problem::new(&fault::INTERNAL, format!("cannot listen on {}: {error}", self.address)),
        })
    }

    /// Joins the group on an interface. Of IPv6 there is no safe call for one source: there all are joined, and the reader filters.
    fn join(&self, socket: &Socket, interface: &Interface) -> std::io::Result<()> {
        match (self.address.ip(), self.source) {
            (IpAddr::V4(group), Some(IpAddr::V4(source))) => {
                let own = interface.address4().ok_or_else(|| {
                    Error::new(
                        ErrorKind::AddrNotAvailable,
                        "the interface has no IPv4 address to join a source by",
                    )
                })?;
                socket.join_ssm_v4(&source, &group, &own)
            }
            (IpAddr::V4(group), _) => {
                socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(interface.index))
            }
            (IpAddr::V6(group), _) => socket.join_multicast_v6(&group, interface.index),
        }
    }

    fn refused(&self, interface: &Interface, why: &dyn Display) -> Problem {
        let text = format!("cannot join {} on {}: {why}", self.address.ip(), interface.name);
        Problem::new(&fault::MCAST_JOIN, text)
    }
}

/// A socket that is only used to ask the kernel for a route.
fn unspecified(like: SocketAddr) -> SocketAddr {
    match like {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0)),
    }
}
