//! The synchronisation daemons, by evidence: that the kernel lists them only means that somebody configured them. They stay
//! listed when their interface is down, and even when it has been deleted; and nothing anywhere says that both ends have another
//! number: connections only stop to come.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use weir_probe::Deadline;
use weir_wire::ip_vs::netlink::{InterfaceAddress, dump_addresses, interface_address};
use weir_wire::ip_vs::proc::{Socket, joined, sockets, synced};
use weir_wire::ip_vs::{Daemon, DaemonRole};

use crate::netlink;
use crate::table::{Place, Table, text};

/// The connection table is read up to here.
const CONNECTIONS_MAX: u64 = 64 << 20;
/// The most kinds of connections, of which there are some dozens.
const KINDS_MAX: usize = 200;
/// The state of templates of persistence, whose time this director itself renews.
const TEMPLATE: &str = "NONE";
/// The port of the daemons unless they were told otherwise.
const PORT: u16 = 8848;
/// The kernel tells whole seconds, and so does the clock of the run before.
const SLACK: u64 = 3;

/// What is known of the interface of a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interface {
    Up,
    Down,
    NoCarrier,
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
    /// What came from a master (backups only).
    pub(crate) received: Received,
}

/// The connections that came from a master: for each protocol and state the most seconds that one of them has left.
///
/// Each message about a connection begins its time anew, so as long as nothing comes all of these count down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received(BTreeMap<String, u64>);

impl Received {
    pub(crate) fn read(file: impl Read) -> Self {
        let mut all = Self::default();
        for line in BufReader::new(file.take(CONNECTIONS_MAX)).lines().map_while(Result::ok) {
            let Some((protocol, state, left)) = synced(&line) else { continue };
            if state == TEMPLATE {
                continue;
            }
            let kind = format!("{protocol} {state}");
            if all.0.len() < KINDS_MAX || all.0.contains_key(&kind) {
                all.0.entry(kind).and_modify(|most| *most = left.max(*most)).or_insert(left);
            }
        }
        all
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something came since `before`, which was `seconds` ago.
    fn is_newer(&self, before: &Self, seconds: u64) -> bool {
        self.0.iter().any(|(kind, left)| {
            before.0.get(kind).is_none_or(|old| *left > old.saturating_sub(seconds) + SLACK)
        })
    }
}

/// What is kept between runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// When that run was, and when the last one that had heard something; in seconds since 1970.
    pub(crate) at: u64,
    pub(crate) last: u64,
    /// What the backup's socket had dropped.
    pub(crate) drops: Option<u64>,
    received: Received,
}

impl Heard {
    /// What this run adds.
    pub(crate) fn next(before: Option<&Self>, facts: &[Facts], now: u64) -> Self {
        let backup = facts.iter().find(|facts| facts.daemon.role == DaemonRole::Backup);
        let received = backup.map(|facts| facts.received.clone()).unwrap_or_default();
        let silent =
            before.filter(|before| !received.is_newer(&before.received, now.saturating_sub(before.at)));
        Self { at: now, last: silent.map_or(now, |before| before.last), drops: drops(facts), received }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut all = Self::default();
        for line in text.lines().take(KINDS_MAX * 2) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["at", seconds] => all.at = seconds.parse().ok()?,
                ["heard", seconds] => all.last = seconds.parse().ok()?,
                ["drops", count] => all.drops = Some(count.parse().ok()?),
                ["left", protocol, state, left] => {
                    all.received.0.insert(format!("{protocol} {state}"), left.parse().ok()?);
                }
                _ => {}
            }
        }
        (all.at > 0).then_some(all)
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("at {}\nheard {}\n", self.at, self.last);
        let _ = self.drops.map_or(Ok(()), |drops| writeln!(text, "drops {drops}"));
        for (kind, left) in &self.received.0 {
            let _ = writeln!(text, "left {kind} {left}");
        }
        text
    }
}

/// What all backup sockets have dropped.
pub(crate) fn drops(facts: &[Facts]) -> Option<u64> {
    let backups = facts.iter().filter(|facts| facts.daemon.role == DaemonRole::Backup);
    backups.filter_map(|facts| facts.socket).map(|socket| socket.drops).reduce(|a, b| a + b)
}

/// Looks at all daemons of this director.
pub(crate) fn look(place: &Place, table: &Table, deadline: Deadline) -> Vec<Facts> {
    let mut open = Vec::new();
    for name in ["udp", "udp6"] {
        open.extend(text(&place.net(name)).map(|text| sockets(&text)).unwrap_or_default());
    }
    let daemons = table.daemons.clone().unwrap_or_else(|| unlisted(&open));
    let facts = |mut daemon: Daemon| {
        let group = daemon.group.map(|group| SocketAddr::new(group, daemon.port));
        let end = |socket: &&Socket| match daemon.role {
            DaemonRole::Backup => Some(socket.local) == group,
            DaemonRole::Master => Some(socket.remote) == group,
        };
        let socket = open.iter().find(end).copied();
        let interface = if table.daemons.is_some() {
            interface(place, &daemon.interface)
        } else {
            match socket.map_or(Whose::Unknown, |socket| whose(place, &daemon, &socket, deadline)) {
                Whose::Device(name) => {
                    daemon.interface = name;
                    interface(place, &daemon.interface)
                }
                Whose::Nobody => Interface::Gone,
                Whose::Unknown => Interface::Unknown,
            }
        };
        let received = std::fs::File::open(place.net("ip_vs_conn_sync")).ok();
        let received = received.filter(|_| daemon.role == DaemonRole::Backup).map(Received::read);
        Facts { interface, socket, received: received.unwrap_or_default(), daemon }
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

/// The interface of a socket.
enum Whose {
    Device(String),
    /// It was there once.
    Nobody,
    Unknown,
}

/// The interface of a daemon that the kernel does not name: that which has joined the backup's group, or has the master's address.
fn whose(place: &Place, daemon: &Daemon, socket: &Socket, deadline: Deadline) -> Whose {
    let found = match (daemon.role, daemon.group) {
        (DaemonRole::Backup, Some(IpAddr::V4(group))) => {
            let Ok(text) = text(&place.net("igmp")) else { return Whose::Unknown };
            joined(&text, group).map(str::to_owned)
        }
        (DaemonRole::Master, _) if !socket.local.ip().is_unspecified() => {
            let Ok(all) = addresses(deadline) else { return Whose::Unknown };
            match all.iter().find(|own| own.address == socket.local.ip()).map(|own| device(own.index)) {
                Some(None) => return Whose::Unknown,
                known => known.flatten(),
            }
        }
        _ => return Whose::Unknown,
    };
    found.map_or(Whose::Nobody, Whose::Device)
}

/// All addresses of this machine.
pub(crate) fn addresses(deadline: Deadline) -> Result<Vec<InterfaceAddress>, netlink::Error> {
    let mut all = Vec::new();
    netlink::Socket::route(deadline)?.ask("the addresses", dump_addresses, |payload| {
        all.extend(interface_address(payload)?);
        Ok(())
    })?;
    Ok(all)
}

/// The name of the interface with this number.
fn device(index: u32) -> Option<String> {
    std::fs::read_dir("/sys/class/net").ok()?.flatten().find_map(|entry| {
        let own: u32 = std::fs::read_to_string(entry.path().join("ifindex")).ok()?.trim().parse().ok()?;
        (own == index).then(|| entry.file_name().to_string_lossy().into_owned())
    })
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
    let folder = Path::new("/sys/class/net").join(name);
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).ok();
    let flags =
        read("flags").and_then(|text| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok());
    match flags {
        Some(flags) if flags & UP == 0 => Interface::Down,
        Some(_) if read("carrier").is_some_and(|text| text.trim() == "0") => Interface::NoCarrier,
        Some(_) => Interface::Up,
        None => Interface::Unknown,
    }
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

    #[test]
    fn connections_that_only_grow_older_are_silence() {
        let received = |rows: &[(&str, u64)]| {
            let row = |(state, left): &(&str, u64)| format!("TCP 0 0 0 0 0 0 {state} SYNC {left}\n");
            Received::read(rows.iter().map(row).collect::<String>().as_bytes())
        };
        let before = received(&[("ESTABLISHED", 800), ("ESTABLISHED", 100), ("FIN_WAIT", 100)]);
        for (rows, newer) in [
            (&[("ESTABLISHED", 740), ("FIN_WAIT", 40)][..], false),
            (&[("ESTABLISHED", 741)], false),
            (&[], false),
            (&[("ESTABLISHED", 740), ("FIN_WAIT", 90)], true),
            (&[("ESTABLISHED", 895)], true),
            (&[("ESTABLISHED", 740), ("SYN_RECV", 20)], true),
        ] {
            assert_eq!(received(rows).is_newer(&before, 60), newer, "{rows:?}");
        }
    }

    #[test]
    fn what_is_kept_reads_back() {
        let heard = Heard {
            at: 1_700_000_060,
            last: 1_700_000_000,
            drops: Some(7),
            received: Received([("TCP ESTABLISHED".to_owned(), 840)].into()),
        };
        assert_eq!(Heard::parse(&heard.text()), Some(heard.clone()));
        assert_eq!(Heard::parse(""), None, "a first run has nothing before it");
        let later = Heard::next(Some(&heard), &[], 1_700_000_120);
        assert_eq!((later.at, later.last), (1_700_000_120, 1_700_000_000));
    }
}
