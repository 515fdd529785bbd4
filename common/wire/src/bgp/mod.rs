//! What every routing daemon tells, in one shape: sessions and paths, whatever the daemon's own format is.
//!
//! The rooms below read the formats: [`bird`] (control socket), [`frr`] (vty socket, JSON), [`gobgp`] (gRPC) and [`exabgp`]
//! (text). None of them does I/O.

pub mod bird;
pub mod exabgp;
pub mod frr;
pub mod gobgp;
mod prefix;

pub use prefix::Prefix;

use std::net::IpAddr;

/// Sessions or paths beyond this number are not kept: a check asks for one prefix, never for a table.
pub const ROWS_MAX: usize = 4096;

/// One BGP session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// The daemon's name for it: a protocol in BIRD, the neighbour's address elsewhere.
    pub name: String,
    /// The neighbour's address.
    pub neighbor: Option<IpAddr>,
    /// Whether it is established.
    pub established: bool,
    /// The state in the daemon's words: `Established`, `Active`, `Idle (Admin)`.
    pub state: String,
    /// Whether it carries IPv4 and IPv6 unicast routes, in this order.
    pub families: [bool; 2],
    /// The negotiated hold time in seconds.
    pub hold_time: Option<u32>,
    /// How often it was lost since the daemon started, where the daemon counts.
    pub drops: Option<u64>,
    /// Whether the neighbour is restarting gracefully: its routes are kept although nobody knows whether they still work.
    pub restarting: bool,
    /// Whether BFD watches it, where the daemon says so.
    pub bfd: Option<bool>,
}

impl Session {
    /// Whether it carries routes of the family of `address`.
    pub const fn carries(&self, address: IpAddr) -> bool {
        self.families[address.is_ipv6() as usize]
    }
}

/// One path to one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Whereto.
    pub prefix: Prefix,
    /// From whom: the session's name, or that of the local protocol.
    pub from: String,
    /// The AS path, nearest first; empty for a route of this daemon's own.
    pub as_path: Vec<u32>,
    /// Whether the daemon uses it.
    pub best: bool,
    /// Whether it can be relied on.
    pub condition: Condition,
}

/// Whether a path can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The daemon takes it for usable.
    Valid,
    /// The daemon does not, or is about to remove it.
    Invalid,
    /// It is kept from before a graceful restart: nobody knows whether it still works.
    Stale,
    /// The kernel refused it (BIRD's `!`).
    Refused,
}

impl Path {
    /// The AS that announces it; `None` for a route of this daemon's own.
    pub fn origin(&self) -> Option<u32> {
        self.as_path.last().copied()
    }
}

/// What the route origin authorisations (RFC 6811) say about an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roa {
    /// No authorisation covers the prefix.
    Unknown,
    /// One allows this origin and length.
    Valid,
    /// Some cover the prefix and none allows this origin and length.
    Invalid,
}
