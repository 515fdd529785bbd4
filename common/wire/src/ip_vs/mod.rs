//! Linux Virtual Server (IPVS): what a director's table holds, and the four forms in which it can be read.
//!
//! The room holds the model, the kernel's generic netlink messages ([`netlink`]), its socket options ([`control`]), its text tables ([`proc`]), the texts of
//! `ipvsadm` ([`ipvsadm`]), and what a table is expected to be, as the files of its managers say it ([`expect`]).
//!
//! Facts about kernels were measured with 6.1, 6.12 and 7.2.

pub mod control;
pub mod expect;
pub mod ipvsadm;
mod model;
pub mod netlink;
pub mod proc;

pub use model::{
    Daemon, DaemonRole, Dest, Forward, Key, KeyError, Persistence, Protocol, Service, Stats, Told, Tunnel,
    TunnelKind, address_id, sched_flag_names, tidy,
};

/// The most services, and the most destinations of one service, that are read from any source.
pub const MAX_ROWS: usize = 200_000;
/// The longest line of a text table; an IPv6 row takes some hundred bytes.
pub const MAX_LINE: usize = 4096;
