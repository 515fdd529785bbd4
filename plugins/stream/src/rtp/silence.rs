//! Nothing came: what the search says about the reason.

use std::cmp::Reverse;
use std::time::Duration;

use weir_contract::{Fault, Outcome, Unit, fault};
use weir_probe::multicast::{Clues, Endpoint, Sighting};
use weir_probe::rtp::Seen;

/// Fewer packets in a counter of the whole host may be anybody's.
const SOME: u64 = 3;

/// Says that nothing came, and why.
pub(super) fn judge(outcome: &mut Outcome, endpoint: &Endpoint, seen: &Seen) {
    let waited = Unit::Seconds.human(seen.until.saturating_sub(seen.joined.unwrap_or_default()).into());
    let (Some(clues), Some(interface)) = (&seen.clues, &seen.interface) else {
        let from = endpoint.source.map(|source| format!(" from {source}")).unwrap_or_default();
        outcome
            .find(&fault::UDP_SILENT, format!("no datagram{from} to {} within {waited}", endpoint.address));
        return;
    };
    let unlinked = !interface.linked && clues.sightings.is_empty();
    let (fault, why) = if unlinked {
        (&fault::MCAST_JOIN, "the interface has no link".to_owned())
    } else {
        reason(endpoint, &interface.name, clues)
    };
    let group = endpoint.address;
    outcome.find(fault, format!("nothing of {group} on {} within {waited}; {why}", interface.name));
}

/// The reason, from the most to the least certain sign.
fn reason(endpoint: &Endpoint, interface: &str, clues: &Clues) -> (&'static Fault, String) {
    let port = endpoint.address.port();
    // What was heard by a socket is nearest to what a listener would get.
    let mut sightings: Vec<&Sighting> = clues.sightings.iter().collect();
    sightings.sort_by_key(|s| (!s.heard, s.interface != interface, s.port != port, Reverse(s.packets)));
    let other_source = |sighting: &Sighting| endpoint.source.is_some_and(|source| source != sighting.from);
    let Some(seen) = sightings.first() else { return unseen(interface, clues) };
    let what = seen.describe();
    if seen.interface != interface {
        return (&fault::MCAST_INTERFACE, format!("{what} were seen instead"));
    }
    if let (Some(source), true) = (endpoint.source, other_source(seen)) {
        return (&fault::MCAST_SOURCE, format!("{source} sends none, and {what} were seen"));
    }
    if seen.port != port {
        return (&fault::MCAST_PORT, format!("{what} were seen instead of port {port}"));
    }
    if clues.counters.reverse_path > 0 {
        return (&fault::MCAST_RPF, format!("{what} were seen on the wire, and {}", dropped(clues)));
    }
    let ttl = seen.ttl.map(|ttl| format!(" (TTL {ttl})")).unwrap_or_default();
    let text = format!("{what}{ttl} were seen on the wire, and none of them came through to a socket");
    (&fault::MCAST_FIREWALL, text)
}

/// The reverse path filter and what it did.
fn dropped(clues: &Clues) -> String {
    let mode = match clues.reverse_path_filter {
        Some(1) => " (rp_filter 1, strict)",
        Some(2) => " (rp_filter 2, loose)",
        _ => "",
    };
    format!(
        "the kernel's reverse path filter{mode} dropped {} packets meanwhile",
        clues.counters.reverse_path
    )
}

/// No packet of the group was seen anywhere.
fn unseen(interface: &str, clues: &Clues) -> (&'static Fault, String) {
    if clues.member == Some(false) {
        return (&fault::MCAST_MEMBERSHIP, "the kernel lists no membership there".to_owned());
    }
    if clues.reported == Some(false) {
        return (
            &fault::MCAST_MEMBERSHIP,
            "no membership report was seen to leave this host there".to_owned(),
        );
    }
    if clues.counters.reverse_path >= SOME {
        return (&fault::MCAST_RPF, dropped(clues));
    }
    let mut parts = Vec::new();
    if clues.reported == Some(true) {
        parts.push(format!("the membership report left by {interface}"));
    } else if clues.member == Some(true) {
        parts.push("the kernel lists the membership".to_owned());
    }
    if clues.tried.is_empty() {
        parts.push("there is no other interface to find it on".to_owned());
    } else {
        parts.push(format!("it does not come on {} either", clues.tried.join(", ")));
    }
    if clues.counters.unheard >= SOME {
        let count = clues.counters.unheard;
        parts.push(format!(
            "{count} multicast datagrams came for which nobody here listens: perhaps another port"
        ));
    } else if !clues.wire && clues.counters.multicast >= SOME {
        let count = clues.counters.multicast;
        parts.push(format!("{count} multicast packets of any group reached this host: perhaps its firewall"));
    }
    (&fault::MCAST_SILENT, parts.join(", "))
}

/// What the search could see, for the long output.
pub(super) fn details(seen: &Seen) -> Vec<String> {
    let Some(clues) = &seen.clues else { return Vec::new() };
    let yes = |known: Option<bool>| match known {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not seen",
    };
    let mut lines = vec![format!(
        "membership: listed by the kernel {}, report seen to leave {}, {}",
        yes(clues.member),
        yes(clues.reported),
        clues.version.as_deref().unwrap_or("MLD"),
    )];
    if !clues.wire {
        lines.push("the wire was not looked at: that needs CAP_NET_RAW".to_owned());
    }
    if let Some(mode) = clues.reverse_path_filter {
        lines.push(format!("reverse path filter: {mode}"));
    }
    let counters = clues.counters;
    lines.push(format!(
        "this host meanwhile: {} multicast packets, {} for nobody, {} dropped by the reverse path filter",
        counters.multicast, counters.unheard, counters.reverse_path
    ));
    lines.extend(clues.sightings.iter().map(|sighting| {
        let how = if sighting.heard { "heard" } else { "seen on the wire" };
        format!("{how}: {}", sighting.describe())
    }));
    lines
}

/// How long a wait must be to prove anything.
pub(super) const WAIT_MIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use weir_probe::multicast::Counters;

    use super::*;

    fn endpoint(source: Option<&str>) -> Endpoint {
        Endpoint {
            address: "239.1.2.3:5000".parse().unwrap(),
            source: source.map(|source| source.parse().unwrap()),
            interface: None,
        }
    }

    fn sighting(interface: &str, from: &str, port: u16, heard: bool) -> Sighting {
        let from = from.parse().unwrap();
        Sighting { interface: interface.to_owned(), from, port, packets: 9, ttl: Some(3), heard }
    }

    fn clues(sightings: Vec<Sighting>) -> Clues {
        Clues { sightings, member: Some(true), reported: Some(true), wire: true, ..Clues::default() }
    }

    #[test]
    fn each_reason_is_told_apart() {
        let code = |endpoint: &Endpoint, clues: &Clues| reason(endpoint, "eth0", clues).0.code;
        let (any, ssm) = (endpoint(None), endpoint(Some("192.0.2.1")));
        let (here, there) = ("eth0", "eth1");
        assert_eq!(code(&any, &clues(vec![sighting(there, "192.0.2.1", 5000, true)])), "E-MCAST-INTERFACE");
        assert_eq!(code(&any, &clues(vec![sighting(there, "192.0.2.1", 5001, false)])), "E-MCAST-INTERFACE");
        assert_eq!(code(&ssm, &clues(vec![sighting(here, "192.0.2.9", 5000, true)])), "E-MCAST-SOURCE");
        assert_eq!(code(&any, &clues(vec![sighting(here, "192.0.2.9", 5001, false)])), "E-MCAST-PORT");
        let firewall = clues(vec![sighting(here, "192.0.2.1", 5000, false)]);
        assert_eq!(code(&ssm, &firewall), "E-MCAST-FIREWALL");
        let counters = Counters { reverse_path: 9, ..Counters::default() };
        assert_eq!(code(&any, &Clues { counters, ..firewall.clone() }), "E-MCAST-RPF");
        assert_eq!(code(&any, &Clues { counters, ..clues(vec![]) }), "E-MCAST-RPF");
        assert_eq!(code(&any, &Clues { reported: Some(false), ..clues(vec![]) }), "E-MCAST-MEMBERSHIP");
        assert_eq!(code(&any, &Clues { member: Some(false), ..clues(vec![]) }), "E-MCAST-MEMBERSHIP");
        assert_eq!(code(&any, &clues(vec![])), "E-MCAST-SILENT");
        assert_eq!(code(&any, &Clues { reported: None, ..clues(vec![]) }), "E-MCAST-SILENT");
    }

    #[test]
    fn a_text_for_each_reason_says_what_was_seen() {
        let text = |clues: &Clues| reason(&endpoint(None), "eth0", clues).1;
        assert_eq!(
            text(&clues(vec![sighting("eth1", "192.0.2.1", 5000, true)])),
            "9 packets from 192.0.2.1 to port 5000 on eth1 were seen instead"
        );
        let counters = Counters { unheard: 50, ..Counters::default() };
        let silent = Clues { counters, tried: vec!["eth1".to_owned()], ..clues(vec![]) };
        assert_eq!(
            text(&silent),
            "the membership report left by eth0, it does not come on eth1 either, 50 multicast datagrams came for which nobody here \
             listens: perhaps another port"
        );
    }
}
