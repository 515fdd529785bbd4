//! Three nodes as users see them: wix1 near (BIRD and Knot, 2 ms), ape1 in the middle (FRR and NSD, 8 ms, one prepend), sfo1
//! an ocean away (GoBGP and BIND, 130 ms, behind a transit), all before one router with a client.

use weir_lab::anycast::{Bird, End, Frr, Gobgp, Host, NameServer, NodeNames, Wire, wire};
use weir_lab::{Lab, Nginx, Outcome, Result};

use super::{SERVICE4, SERVICE6, gobgp_config};

const ROUTER: &str = "
router id 10.0.0.1;
roa4 table roa4t;
protocol static rpki4 { roa4 { table roa4t; }; route 192.0.2.0/24 max 24 as 64511; }
protocol direct { ipv4; ipv6; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; MERGE }
protocol kernel { ipv6 { export where source = RTS_BGP; }; }
template bgp edge { local as 64500; QUICK; }
protocol bgp wix4 from edge { neighbor 10.0.1.2 as 64511; ipv4 { import all; export where net = 198.51.100.0/24; }; }
protocol bgp wix6 from edge { neighbor 2001:db8:101::2 as 64511; ipv6 { import all; export where net = 2001:db8:c::/64; }; }
protocol bgp ape4 from edge { neighbor 10.0.2.2 as 64511; ipv4 { import all; export where net = 198.51.100.0/24; }; }
protocol bgp ape6 from edge { neighbor 2001:db8:102::2 as 64511; ipv6 { import all; export where net = 2001:db8:c::/64; }; }
protocol bgp tr4 from edge { neighbor 10.0.3.2 as 64501; ipv4 { import all; export where net = 198.51.100.0/24; }; }
protocol bgp tr6 from edge { neighbor 2001:db8:103::2 as 64501; ipv6 { import all; export where net = 2001:db8:c::/64; }; }
protocol bgp bad4 from edge { neighbor 10.0.9.2 as 64666; ipv4 { import all; export none; }; }
";

const TRANSIT: &str = "
router id 10.0.0.3;
protocol direct { ipv4; ipv6; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol kernel { ipv6 { export where source = RTS_BGP; }; }
template bgp t { local as 64501; QUICK; }
protocol bgp rtr4 from t { neighbor 10.0.3.1 as 64500; ipv4 { import all; export all; }; }
protocol bgp rtr6 from t { neighbor 2001:db8:103::1 as 64500; ipv6 { import all; export all; }; }
protocol bgp sfo4 from t { neighbor 10.0.4.2 as 64511; ipv4 { import all; export all; }; }
protocol bgp sfo6 from t { neighbor 2001:db8:104::2 as 64511; ipv6 { import all; export all; }; }
";

const WIX: &str = r#"
router id 203.0.113.1;
protocol static anycast4 { ipv4; route 192.0.2.0/24 blackhole; }
protocol static anycast6 { ipv6; route 2001:db8:53::/48 blackhole; }
protocol static own { ipv4; route 203.0.113.1/32 blackhole; }
template bgp up { local as 64511; QUICK; }
protocol bgp rtr4 from up { neighbor 10.0.1.1 as 64500; ipv4 { import none; export where proto = "anycast4" || proto = "own"; }; }
protocol bgp rtr6 from up { neighbor 2001:db8:101::1 as 64500; ipv6 { import none; export where proto = "anycast6"; }; }
"#;

const APE: &str = "
router bgp 64511
 bgp router-id 203.0.113.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 timers bgp 3 9
 neighbor 10.0.2.1 remote-as 64500
 neighbor 10.0.2.1 timers connect 1
 neighbor 2001:db8:102::1 remote-as 64500
 neighbor 2001:db8:102::1 timers connect 1
 address-family ipv4 unicast
  network 192.0.2.0/24
  network 203.0.113.2/32
  neighbor 10.0.2.1 route-map PREPEND out
  no neighbor 2001:db8:102::1 activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:53::/48
  neighbor 2001:db8:102::1 activate
  neighbor 2001:db8:102::1 route-map PREPEND out
 exit-address-family
route-map PREPEND permit 10
 set as-path prepend 64511
";

/// The daemons that are not this machine's own need more packages.
pub(crate) const NEEDS: [&str; 9] =
    ["namespace", "bird", "frr", "gobgp", "knot", "nsd", "bind9", "nginx", "delay"];

pub(crate) struct Topology {
    pub(crate) client: Host,
    pub(crate) router: Bird,
    pub(crate) wix: Bird,
    pub(crate) ape: Frr,
    pub(crate) sfo: Gobgp,
    pub(crate) wix_host: Host,
    pub(crate) ape_host: Host,
    pub(crate) sfo_host: Host,
    pub(crate) router_host: Host,
    pub(crate) names: [NodeNames; 3],
    pub(crate) web: [Nginx; 3],
    pub(crate) wix_wire: Wire,
    _transit: Bird,
    _rest: (Vec<Wire>, Host, Lab),
}

impl Topology {
    pub(crate) fn for_test(more: &[&str]) -> Result<Option<Self>> {
        let Some(lab) = Lab::for_test(&[&NEEDS, more].concat()) else { return Ok(None) };
        let [client, rtr, tr, wix, ape, sfo] =
            ["client", "router", "transit", "wix1", "ape1", "sfo1"].map(Host::new);
        let (client, rtr, tr, wix, ape, sfo) = (client?, rtr?, tr?, wix?, ape?, sfo?);
        let link = |a: &Host, ia: &str, b: &Host, ib: &str, net: u8, delay: Option<f64>| {
            let ends = [1, 2].map(|n| [format!("10.0.{net}.{n}/30"), format!("2001:db8:10{net}::{n}/64")]);
            let ends = [0, 1].map(|n| [ends[n][0].as_str(), ends[n][1].as_str()]);
            wire(&End(a, ia, &ends[0]), &End(b, ib, &ends[1]), delay)
        };
        let front = wire(
            &End(&client, "c0", &["198.51.100.10/24", "2001:db8:c::10/64"]),
            &End(&rtr, "r0", &["198.51.100.1/24", "2001:db8:c::1/64"]),
            None,
        )?;
        let wix_wire = link(&rtr, "w1", &wix, "u1", 1, Some(1.0))?;
        let wires = vec![
            front,
            link(&rtr, "w2", &ape, "u2", 2, Some(4.0))?,
            link(&rtr, "w3", &tr, "u3", 3, Some(5.0))?,
            link(&tr, "w4", &sfo, "u4", 4, Some(60.0))?,
        ];
        for (host, gateway4, gateway6) in [
            (&client, "198.51.100.1", "2001:db8:c::1"),
            (&wix, "10.0.1.1", "2001:db8:101::1"),
            (&ape, "10.0.2.1", "2001:db8:102::1"),
            (&sfo, "10.0.4.1", "2001:db8:104::1"),
        ] {
            host.ip(&format!("route add default via {gateway4}"))?;
            host.ip(&format!("route add default via {gateway6}"))?;
        }
        let own = ["203.0.113.1", "203.0.113.2", "203.0.113.3"];
        let servers = [NameServer::Knot, NameServer::Nsd, NameServer::Bind];
        let nodes = [(&wix, "wix1"), (&ape, "ape1"), (&sfo, "sfo1")];
        let mut names = Vec::new();
        let mut web = Vec::new();
        for (n, (host, name)) in nodes.iter().enumerate() {
            for address in [SERVICE4, SERVICE6, own[n]] {
                host.add_address(address)?;
            }
            names.push(host.names(servers[n], name, &[SERVICE4, SERVICE6, own[n]])?);
            let header = format!(
                "add_header X-Node {name} always; location / {{ return 200 \"this is {name} here\\n\"; }}"
            );
            web.push(host.lab().nginx().with(&header).start()?);
        }
        let (router, transit, wix_bird) =
            (rtr.bird(&ROUTER.replace("MERGE", ""))?, tr.bird(TRANSIT)?, wix.bird(WIX)?);
        let frr = ape.frr(APE)?;
        let gobgp = sfo.gobgp(&gobgp_config("203.0.113.3", 64501, &["10.0.4.1", "2001:db8:104::1"]))?;
        gobgp.tell("global rib add 192.0.2.0/24 nexthop 10.0.4.2 origin igp")?;
        gobgp.tell("global rib add 203.0.113.3/32 nexthop 10.0.4.2 origin igp")?;
        gobgp.tell("global rib -a ipv6 add 2001:db8:53::/48 nexthop 2001:db8:104::2 origin igp")?;
        let topology = Self {
            client,
            router,
            wix: wix_bird,
            ape: frr,
            sfo: gobgp,
            wix_host: wix,
            ape_host: ape,
            sfo_host: sfo,
            router_host: rtr,
            names: names.try_into().unwrap_or_else(|_| unreachable!("three")),
            web: web.try_into().unwrap_or_else(|_| unreachable!("three")),
            wix_wire,
            _transit: transit,
            _rest: (wires, tr, lab),
        };
        for session in ["wix", "ape", "tr"] {
            topology.router.until("show route 192.0.2.0/24", &format!("{session}4"))?;
            topology.router.until("show route 2001:db8:53::/48", &format!("{session}6"))?;
        }
        for own in own {
            topology.until_client_reaches(own)?;
        }
        Ok(Some(topology))
    }

    /// The router and the kernel are two; waits until the client gets answers from `address`.
    pub(crate) fn until_client_reaches(&self, address: &str) -> Result<()> {
        self.router.until(&format!("show route for {address}"), "via")?;
        weir_lab::wait_until(&format!("an answer from {address}"), std::time::Duration::from_secs(20), || {
            self.look(&["-H", address, "--ports", "1", "--hops", "0", "-t", "1"])
                .is_ok_and(|seen| seen.stdout.contains("is answered by"))
        })
    }

    /// Waits until the client is answered by `node`.
    pub(crate) fn until_answered_by(&self, node: &str) -> Result<()> {
        weir_lab::wait_until(&format!("an answer from {node}"), std::time::Duration::from_secs(30), || {
            let seen = self.look(&["-H", SERVICE4, "--ports", "1", "--hops", "0", "-t", "1"]);
            seen.is_ok_and(|seen| seen.stdout.contains(&format!("{SERVICE4} is answered by {node}")))
        })
    }

    /// Runs `check_anycast` on the client, with the three nodes.
    pub(crate) fn look(&self, arguments: &[&str]) -> Result<Outcome> {
        self.look_in(&self.client.lab().dir().display().to_string(), arguments)
    }

    /// The same with a memory in another folder.
    pub(crate) fn look_in(&self, folder: &str, arguments: &[&str]) -> Result<Outcome> {
        let nodes =
            ["--node", "wix1=203.0.113.1", "--node", "ape1=203.0.113.2", "--node", "sfo1=203.0.113.3"];
        let how = ["--identity", "dns:www.anycast.test", "--state-dir", folder];
        self.client.lab().check("check_anycast", &[arguments, &nodes, &how].concat())
    }

    /// The same; it must end with `code` and say all `words`.
    pub(crate) fn expect(&self, arguments: &[&str], code: i32, words: &[&str]) -> Result<()> {
        self.look(arguments)?.expect(code, words);
        Ok(())
    }
}
