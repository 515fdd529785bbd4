//! An anycast node with a daemon of each kind, and nobody to announce to.

use anyhow::Result;
use weir_lab::Lab;
use weir_lab::anycast::{Host, NameServer};

use super::{Group, Started, row, started};

pub(super) const GROUPS: &[Group] =
    &[Group { name: "anycast", binaries: &["check_anycast", "check_anycast_node"], start: anycast }];

fn anycast(lab: &Lab) -> Result<Started> {
    let host = Host::of(lab);
    let bgp = "router bgp 64511\n bgp router-id 203.0.113.1\n neighbor 192.0.2.9 remote-as 64500\n";
    let gobgp = "[global.config]\n  as = 64511\n  router-id = \"203.0.113.1\"\n  port = -1\n";
    let bird =
        host.bird("router id 203.0.113.1;\nprotocol static { ipv4; route 192.0.2.0/24 blackhole; }\n")?;
    let frr = host.frr(bgp)?;
    let servers = (host.gobgp(gobgp)?, host.names(NameServer::Knot, "wix1", &["192.0.2.53"])?);

    let who = "check_anycast -H 192.0.2.53 --identity dns:www.anycast.test --node wix1 --ports 1";
    let what = "who answers, way and round trip";
    let node = "check_anycast_node -H 192.0.2.53 --identity dns:www.anycast.test --node wix1 --daemon";
    let vtysh = format!("vtysh --vty_socket {} -d bgpd -c exit", frr.folder().display());
    let (bird_socket, frr_folder) = (bird.socket().display(), frr.folder().display());
    let rows = [
        row(what, who, "check_dig -H 192.0.2.53 -l www.anycast.test").cpu(1.0),
        row(what, who, "mtr -n -r -c 3 192.0.2.53"),
        row(what, who, "traceroute -n 192.0.2.53"),
        row("node with BIRD, theirs FRR", format!("{node} bird:{bird_socket}"), &vtysh).cpu(0.2),
        row("node with FRR", format!("{node} frr:{frr_folder}"), &vtysh).cpu(0.2),
        row("node with GoBGP, whose client it does not need", format!("{node} gobgp"), "gobgp -j neighbor")
            .cpu(0.5),
    ];
    Ok(started(rows, (bird, frr, servers)))
}
