//! The synchronisation daemons, by evidence: that the kernel lists them only means that somebody configured them. They stay
//! listed when their interface is down, and even when it has been deleted.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;

use weir_wire::ip_vs::proc::{Socket, is_synced, sockets};
use weir_wire::ip_vs::{Daemon, DaemonRole};

use crate::table::{Place, Table, text};

/// The connection table is read up to here, to find one row of the master's.
const CONNECTIONS_MAX: u64 = 64 << 20;
/// The port of the daemons unless they were told otherwise.
const PORT: u16 = 8848;

/// What is known of the interface of a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interface {
    Up,
    Down,
    Gone,
    Unknown,
}

/// One daemon.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) daemon: Daemon,
    pub(crate) interface: Interface,
    /// The kernel's socket for it.
    pub(crate) socket: Option<Socket>,
    /// Whether the table holds a connection that came from a master (backups only).
    pub(crate) received: bool,
}

/// Looks at all daemons of this director.
pub(crate) fn look(place: &Place, table: &Table) -> Vec<Facts> {
    let mut open = Vec::new();
    for name in ["udp", "udp6"] {
        open.extend(text(&place.net(name)).map(|text| sockets(&text)).unwrap_or_default());
    }
    let daemons = table.daemons.clone().unwrap_or_else(|| unlisted(&open));
    let facts = |daemon: Daemon| {
        let group = daemon.group.map(|group| SocketAddr::new(group, daemon.port));
        let end = |socket: &&Socket| match daemon.role {
            DaemonRole::Backup => Some(socket.local) == group,
            DaemonRole::Master => Some(socket.remote) == group,
        };
        Facts {
            interface: interface(place, &daemon.interface),
            socket: open.iter().find(end).copied(),
            received: daemon.role == DaemonRole::Backup && received(place),
            daemon,
        }
    };
    daemons.into_iter().map(facts).collect()
}

/// Daemons told from their sockets, when the kernel's list may not be read.
fn unlisted(sockets: &[Socket]) -> Vec<Daemon> {
    let daemon = |socket: &Socket| {
        let (role, group) = match socket {
            s if s.local.ip().is_multicast() && s.local.port() == PORT => (DaemonRole::Backup, s.local),
            s if s.remote.ip().is_multicast() && s.remote.port() == PORT => (DaemonRole::Master, s.remote),
            _ => return None,
        };
        Some(Daemon { role, interface: String::new(), sync_id: 0, group: Some(group.ip()), port: PORT })
    };
    sockets.iter().filter_map(daemon).collect()
}

fn interface(place: &Place, name: &str) -> Interface {
    /// `IFF_UP`
    const UP: u32 = 1;
    let Ok(list) = text(&place.net("dev")) else { return Interface::Unknown };
    if name.is_empty() {
        return Interface::Unknown;
    }
    if !list.lines().any(|line| line.trim_start().split(':').next() == Some(name)) {
        return Interface::Gone;
    }
    // /sys shows another namespace than ours when it was mounted there: then it tells nothing.
    let flags = std::fs::read_to_string(format!("/sys/class/net/{name}/flags"));
    let flags =
        flags.ok().and_then(|text| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok());
    match flags {
        Some(flags) if flags & UP == 0 => Interface::Down,
        Some(_) => Interface::Up,
        None => Interface::Unknown,
    }
}

fn received(place: &Place) -> bool {
    let Ok(file) = std::fs::File::open(place.net("ip_vs_conn_sync")) else { return false };
    BufReader::new(file.take(CONNECTIONS_MAX)).lines().map_while(Result::ok).any(|line| is_synced(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_are_told_from_their_sockets_without_the_list() {
        let text = "header\n\
            777: 01004D0A:EE17 510000E0:2290 01 00000000:00000000 00:00000000 00000000 0 0 647 2 0 0\n\
            595: 510000E0:2290 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 655 2 0 3\n\
            1: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 655 2 0 0\n";
        let roles: Vec<_> = unlisted(&sockets(text)).iter().map(|d| d.role).collect();
        assert_eq!(roles, [DaemonRole::Master, DaemonRole::Backup]);
    }

    #[test]
    fn an_interface_that_is_not_there_is_gone() {
        let place = Place::default();
        assert_eq!(interface(&place, "nosuch0"), Interface::Gone);
        assert_eq!(interface(&place, "lo"), Interface::Up);
        assert_eq!(interface(&place, ""), Interface::Unknown);
    }
}
