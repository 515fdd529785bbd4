//! What the kernel tells everybody about multicast: memberships, counters, settings. See proc(5) and the kernel's `snmp_counter.rst`.

use std::fs;
use std::net::IpAddr;

use super::Interface;

/// A table of /proc is read up to here.
const TABLE_MAX: usize = 1 << 20;

/// Counters of this host's network namespace, all senders and groups together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Multicast packets that came as far as the routing decision (IPv4), or were received (IPv6).
    pub multicast: u64,
    /// Packets dropped because the way back to their source is another one (IPv4 only).
    pub reverse_path: u64,
    /// Multicast datagrams to a group and port for which nobody here listens (IPv4 only).
    pub unheard: u64,
}

impl Counters {
    /// As of now.
    pub(super) fn read(v6: bool) -> Self {
        if v6 {
            let text = table("snmp6");
            let value =
                text.lines().find_map(|line| line.strip_prefix("Ip6InMcastPkts")?.trim().parse().ok());
            return Self { multicast: value.unwrap_or_default(), ..Self::default() };
        }
        let (netstat, snmp) = (table("netstat"), table("snmp"));
        Self {
            multicast: column(&netstat, "IpExt:", "InMcastPkts"),
            reverse_path: column(&netstat, "TcpExt:", "IPReversePathFilter"),
            unheard: column(&snmp, "Udp:", "IgnoredMulti"),
        }
    }

    /// What came since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            multicast: self.multicast.saturating_sub(before.multicast),
            reverse_path: self.reverse_path.saturating_sub(before.reverse_path),
            unheard: self.unheard.saturating_sub(before.unheard),
        }
    }
}

/// A table of this thread's network namespace.
fn table(name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default();
    if text.len() > TABLE_MAX { String::new() } else { text }
}

/// A value of a table whose names stand in the line above the values.
fn column(table: &str, prefix: &str, name: &str) -> u64 {
    let mut lines = table.lines().filter(|line| line.starts_with(prefix));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return 0 };
    let mut pairs = names.split_whitespace().zip(values.split_whitespace());
    pairs.find(|(own, _)| *own == name).and_then(|(_, value)| value.parse().ok()).unwrap_or_default()
}

/// Whether the kernel lists the group as joined on the interface; `None` when it tells nothing.
pub(super) fn is_member(interface: &Interface, group: IpAddr) -> Option<bool> {
    let text = table(if group.is_ipv6() { "igmp6" } else { "igmp" });
    if text.is_empty() { None } else { Some(listed(&text, interface.index, group)) }
}

fn listed(table: &str, index: u32, group: IpAddr) -> bool {
    match group {
        // A line an interface: `2 eth0 : 3 V3`; then lines of its groups, the address as the machine holds it.
        IpAddr::V4(group) => {
            let wanted = format!("{:08X}", u32::from_ne_bytes(group.octets()));
            let mut here = false;
            table.lines().skip(1).any(|line| {
                let first = line.split_whitespace().next().unwrap_or_default();
                if line.starts_with(char::is_whitespace) {
                    return here && first == wanted;
                }
                here = first.parse() == Ok(index);
                false
            })
        }
        // A line a membership: `2 eth0 ff02...01 1 0000000C 0`.
        IpAddr::V6(group) => {
            let wanted = format!("{:032x}", u128::from(group));
            table.lines().any(|line| {
                let mut words = line.split_whitespace();
                words.next().and_then(|word| word.parse().ok()) == Some(index)
                    && words.nth(1) == Some(wanted.as_str())
            })
        }
    }
}

/// The interface of the longest route to `group` in the main table: what a socket cannot be asked where the interface has no address
/// that it would send from, as loopback for groups.
pub(super) fn routed(group: IpAddr) -> Option<String> {
    let IpAddr::V4(group) = group else { return None };
    best_route(&table("route"), group.octets())
}

/// Columns of the table: interface, destination, gateway, flags, references, use, metric, mask; addresses as the machine holds them.
fn best_route(table: &str, group: [u8; 4]) -> Option<String> {
    let group = u32::from_ne_bytes(group);
    let routes = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| u32::from_str_radix(words.get(at)?, 16).ok();
        let (destination, mask) = (number(1)?, number(7)?);
        (group & mask == destination).then(|| (mask.count_ones(), words[0].to_owned()))
    });
    routes.max_by_key(|(length, _)| *length).map(|(_, interface)| interface)
}

/// The version of IGMP or MLD that the interface speaks: an older querier or a setting may force one without sources.
pub(super) fn version(interface: &Interface, group: IpAddr) -> Option<String> {
    if group.is_ipv6() {
        return None;
    }
    let text = table("igmp");
    let line = text.lines().find(|line| {
        !line.starts_with(char::is_whitespace)
            && line.split_whitespace().next() == Some(&interface.index.to_string())
    })?;
    line.split_whitespace().last().map(|version| format!("IGMP{}", version.to_lowercase()))
}

/// The reverse path filter that is in force: the stricter of the interface's and everybody's. 0 off, 1 strict, 2 loose.
pub(super) fn reverse_path_filter(interface: &str) -> Option<u8> {
    // A name with a slash or a leading dot is no interface.
    let read = |name: &str| -> Option<u8> {
        let path = format!("/proc/sys/net/ipv4/conf/{name}/rp_filter");
        fs::read_to_string(path).ok()?.trim().parse().ok()
    };
    Some(read(interface)?.max(read("all")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_membership_counts_on_its_own_interface() {
        // Recorded from a host that had joined 239.1.2.3 on eth0 and ff05::123 on both.
        let igmp = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n\
            1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n\
            4\teth0      :     2      V3\n\t\t\t\t030201EF     1 0:00000000\t\t1\n\t\t\t\t010000E0     1 0:00000000\t\t0\n";
        let igmp6 = "1    lo              ff050000000000000000000000000123     1 0000000C 0\n\
            4    eth0            ff020000000000000000000000000001     1 0000000C 0\n";
        assert!(listed(igmp, 4, "239.1.2.3".parse().unwrap()));
        assert!(!listed(igmp, 1, "239.1.2.3".parse().unwrap()));
        assert!(!listed(igmp, 4, "239.1.2.4".parse().unwrap()));
        assert!(listed(igmp6, 1, "ff05::123".parse().unwrap()));
        assert!(!listed(igmp6, 4, "ff05::123".parse().unwrap()));
        assert!(!listed("", 4, "239.1.2.3".parse().unwrap()));
    }

    #[test]
    fn the_longest_route_tells_the_interface() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            lo\t000000E0\t00000000\t0001\t0\t0\t0\t000000F0\t0\t0\t0\n";
        assert_eq!(best_route(table, [239, 1, 2, 3]).as_deref(), Some("lo"));
        assert_eq!(best_route(table, [192, 0, 2, 3]).as_deref(), Some("eth0"));
        assert_eq!(best_route("", [239, 1, 2, 3]), None);
    }

    #[test]
    fn counters_are_found_by_their_names() {
        let text = "TcpExt: SyncookiesSent IPReversePathFilter\nTcpExt: 3 17\nIpExt: InNoRoutes InMcastPkts\nIpExt: 1 99\n";
        assert_eq!(
            (column(text, "TcpExt:", "IPReversePathFilter"), column(text, "IpExt:", "InMcastPkts")),
            (17, 99)
        );
        assert_eq!((column(text, "Udp:", "IgnoredMulti"), column(text, "IpExt:", "Other")), (0, 0));
        assert_eq!(
            Counters { multicast: 1, ..Counters::default() }
                .since(Counters { multicast: 5, ..Counters::default() })
                .multicast,
            0
        );
    }
}
