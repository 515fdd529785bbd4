//! A node with its upstream: two hosts and a wire.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use weir_lab::anycast::{Bird, End, Host, NameServer, NodeNames, Wire, wire};
use weir_lab::{Lab, Outcome, ReleaseRoot, Result};

pub(crate) mod topology;

pub(crate) const SERVICE4: &str = "192.0.2.53";
pub(crate) const SERVICE6: &str = "2001:db8:53::53";

/// How long a daemon may take until it tells what it has done.
const SETTLE: Duration = Duration::from_secs(10);

/// The upstream router, AS 64500.
pub(crate) const UPSTREAM: &str = "
router id 10.0.0.1;
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol kernel { ipv6 { export where source = RTS_BGP; }; }
template bgp edge { local as 64500; QUICK; graceful restart on; }
protocol bgp node4 from edge { neighbor 10.0.1.2 external; ipv4 { import all; export none; }; }
protocol bgp node6 from edge { neighbor 2001:db8:101::2 external; ipv6 { import all; export none; }; }
";

/// An anycast node named wix1, its name server, and the router before it.
pub(crate) struct Node {
    pub(crate) host: Host,
    pub(crate) names: NodeNames,
    pub(crate) upstream: Bird,
    pub(crate) router: Host,
    _wire: Wire,
    _lab: Lab,
}

impl Node {
    /// The node without a routing daemon.
    pub(crate) fn for_test(needs: &[&str]) -> Result<Option<Self>> {
        Self::with_release(needs, None)
    }

    /// The same, its daemons from another release.
    pub(crate) fn with_release(needs: &[&str], release: Option<&ReleaseRoot>) -> Result<Option<Self>> {
        let needs = [&["namespace", "bird", "knot"], needs].concat();
        let Some(lab) = Lab::for_test(&needs) else { return Ok(None) };
        let (mut host, router) = (Host::new("wix1")?, Host::new("upstream")?);
        if let Some(root) = release {
            host = host.with_release(root);
        }
        let wire = wire(
            &End(&router, "dn1", &["10.0.1.1/30", "2001:db8:101::1/64"]),
            &End(&host, "up1", &["10.0.1.2/30", "2001:db8:101::2/64"]),
            None,
        )?;
        host.ip("route add default via 10.0.1.1")?;
        host.ip("route add default via 2001:db8:101::1")?;
        host.add_address(SERVICE4)?;
        host.add_address(SERVICE6)?;
        let names = host.names(NameServer::Knot, "wix1", &[SERVICE4, SERVICE6])?;
        let upstream = router.bird(UPSTREAM)?;
        Ok(Some(Self { host, names, upstream, router, _wire: wire, _lab: lab }))
    }

    pub(crate) fn start_names(&self, server: NameServer) -> Result<NodeNames> {
        self.host.names(server, "wix1", &[SERVICE4, SERVICE6])
    }

    pub(crate) fn until_announced(&self) -> Result<()> {
        self.until_upstream_has("192.0.2.0/24")?;
        self.until_upstream_has("2001:db8:53::/48")
    }

    pub(crate) fn until_upstream_has(&self, prefix: &str) -> Result<()> {
        self.upstream.until("show route", prefix)
    }

    pub(crate) fn until_upstream_lacks(&self, prefix: &str) -> Result<()> {
        self.upstream.until_gone("show route", prefix)
    }

    fn check(&self, arguments: &[&str]) -> Result<Outcome> {
        self.host.lab().check("check_anycast_node", arguments)
    }

    /// Runs the check for both families on the node; it must end with `code` and say all `words`.
    pub(crate) fn expect(&self, daemon: &str, more: &[&str], code: i32, words: &[&str]) -> Result<()> {
        let arguments = ["-H", SERVICE4, "-H", SERVICE6, "--identity", "dns:anycast.test", "--node", "wix1"];
        let arguments = [&arguments[..], &["--daemon", daemon, "-t", "3"], more].concat();
        // The upstream knows before the daemon has told its own clients: what is wanted may take a moment.
        let wanted =
            |seen: &Outcome| seen.code == Some(code) && words.iter().all(|word| seen.stdout.contains(word));
        let mut seen = self.check(&arguments)?;
        let begin = Instant::now();
        while !wanted(&seen) && begin.elapsed() < SETTLE {
            std::thread::sleep(Duration::from_millis(100));
            seen = self.check(&arguments)?;
        }
        seen.expect(code, words);
        Ok(())
    }
}

/// GoBGP's configuration for AS 64511: a neighbour of AS `upstream` at each address, for the family of that address.
pub(crate) fn gobgp_config(router_id: &str, upstream: u32, neighbours: &[&str]) -> String {
    let mut config = format!("[global.config]\n  as = 64511\n  router-id = \"{router_id}\"\n  port = 179\n");
    for address in neighbours {
        let _ = write!(
            config,
            r#"[[neighbors]]
  [neighbors.config]
    neighbor-address = "{address}"
    peer-as = {upstream}
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 9
    keepalive-interval = 3
    idle-hold-time-after-reset = 1
"#
        );
        if address.contains(':') {
            config += "  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = \"ipv6-unicast\"\n";
        }
    }
    config
}
