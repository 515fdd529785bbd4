//! The routing daemons of a node, with the words in which each is told to withdraw, announce, and drop its session.

use crate::common::{Node, gobgp_config};
use weir_lab::Result;
use weir_lab::anycast::{Bird, Exabgp, Frr, Gobgp};

/// What every daemon must be able to do for the truth table.
pub(crate) trait Router {
    /// The `--daemon` option.
    fn option(&self) -> String;
    fn withdraw(&self) -> Result<()>;
    fn announce(&self) -> Result<()>;
    fn session_down(&self) -> Result<()>;
    fn session_up(&self) -> Result<()>;
}

const ROUTER_ID: &str = "203.0.113.1";

const BIRD: &str = r#"
router id 203.0.113.1;
protocol static anycast4 { ipv4; route 192.0.2.0/24 blackhole; }
protocol static anycast6 { ipv6; route 2001:db8:53::/48 blackhole; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol kernel { ipv6 { export where source = RTS_BGP; }; }
template bgp up { local as 64511; QUICK; }
protocol bgp up4 from up { neighbor 10.0.1.1 as 64500; ipv4 { import none; export where proto = "anycast4"; }; }
protocol bgp up6 from up { neighbor 2001:db8:101::1 as 64500; ipv6 { IMPORT export where proto = "anycast6"; }; }
"#;

impl Router for Bird {
    fn option(&self) -> String {
        format!("bird:{}", self.socket().display())
    }
    fn withdraw(&self) -> Result<()> {
        self.tell("disable anycast4").map(drop)
    }
    fn announce(&self) -> Result<()> {
        self.tell("enable anycast4").map(drop)
    }
    fn session_down(&self) -> Result<()> {
        self.tell("disable up4").map(drop)
    }
    fn session_up(&self) -> Result<()> {
        self.tell("enable up4").map(drop)
    }
}

pub(crate) fn bird(node: &Node) -> Result<Bird> {
    let bird = node.host.bird(&BIRD.replace("IMPORT", "import none;"))?;
    node.until_announced()?;
    Ok(bird)
}

/// The upstream sends the network of the wire back with a better metric than the kernel's own: the gateway becomes
/// unresolvable, and every further route is refused.
pub(crate) fn bird_that_loses_its_gateway(node: &Node) -> Result<Bird> {
    let routes =
        "protocol static back { ipv6; route 2001:db8:101::/64 blackhole; route 2001:db8:c::/64 blackhole; }";
    let config = crate::common::UPSTREAM
        .replace("ipv6 { import all; export none;", "ipv6 { import all; export where proto = \"back\";");
    node.upstream.configure(&(config + routes))?;
    let bird = node.host.bird(&BIRD.replace("IMPORT", "import all;"))?;
    node.until_announced()?;
    Ok(bird)
}

const FRR: &str = "
router bgp 64511
 bgp router-id 203.0.113.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 timers bgp 3 9
 neighbor 10.0.1.1 remote-as 64500
 neighbor 10.0.1.1 timers connect 1
 neighbor 2001:db8:101::1 remote-as 64500
 neighbor 2001:db8:101::1 timers connect 1
 address-family ipv4 unicast
  network 192.0.2.0/24
  no neighbor 2001:db8:101::1 activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:53::/48
  neighbor 2001:db8:101::1 activate
 exit-address-family
";

impl Router for Frr {
    fn option(&self) -> String {
        format!("frr:{}", self.folder().display())
    }
    fn withdraw(&self) -> Result<()> {
        configure(self, &["address-family ipv4 unicast", "no network 192.0.2.0/24"])
    }
    fn announce(&self) -> Result<()> {
        configure(self, &["address-family ipv4 unicast", "network 192.0.2.0/24"])
    }
    fn session_down(&self) -> Result<()> {
        configure(self, &["neighbor 10.0.1.1 shutdown"])
    }
    fn session_up(&self) -> Result<()> {
        configure(self, &["no neighbor 10.0.1.1 shutdown"])
    }
}

fn configure(frr: &Frr, words: &[&str]) -> Result<()> {
    frr.tell(&[&["configure terminal", "router bgp 64511"], words].concat()).map(drop)
}

pub(crate) fn frr(node: &Node) -> Result<Frr> {
    let frr = node.host.frr(FRR)?;
    node.until_announced()?;
    Ok(frr)
}

impl Router for Gobgp {
    fn option(&self) -> String {
        "gobgp".to_owned()
    }
    fn withdraw(&self) -> Result<()> {
        self.tell("global rib del 192.0.2.0/24").map(drop)
    }
    fn announce(&self) -> Result<()> {
        self.tell("global rib add 192.0.2.0/24 nexthop 10.0.1.2 origin igp").map(drop)
    }
    fn session_down(&self) -> Result<()> {
        self.tell("neighbor 10.0.1.1 disable").map(drop)
    }
    fn session_up(&self) -> Result<()> {
        self.tell("neighbor 10.0.1.1 enable").map(drop)
    }
}

pub(crate) fn gobgp(node: &Node) -> Result<Gobgp> {
    let gobgp = node.host.gobgp(&gobgp_config(ROUTER_ID, 64500, &["10.0.1.1", "2001:db8:101::1"]))?;
    gobgp.announce()?;
    gobgp.tell("global rib -a ipv6 add 2001:db8:53::/48 nexthop 2001:db8:101::2 origin igp")?;
    node.until_announced()?;
    Ok(gobgp)
}

const EXABGP: &str = "
neighbor 10.0.1.1 {
  router-id 203.0.113.1; local-address 10.0.1.2; local-as 64511; peer-as 64500; hold-time 9;
  family { ipv4 unicast; }
  static { route 192.0.2.0/24 next-hop self; }
}
neighbor 2001:db8:101::1 {
  router-id 203.0.113.1; local-address 2001:db8:101::2; local-as 64511; peer-as 64500; hold-time 9;
  family { ipv6 unicast; }
  static { route 2001:db8:53::/48 next-hop self; }
}
";

/// ExaBGP has no command that ends a session, so the neighbour does.
struct WithNeighbour<'a>(Exabgp, &'a Node);

impl Router for WithNeighbour<'_> {
    fn option(&self) -> String {
        format!("exabgp:{}", self.0.folder().display())
    }
    fn withdraw(&self) -> Result<()> {
        self.0.tell("neighbor 10.0.1.1 withdraw route 192.0.2.0/24 next-hop self")
    }
    fn announce(&self) -> Result<()> {
        self.0.tell("neighbor 10.0.1.1 announce route 192.0.2.0/24 next-hop self")
    }
    fn session_down(&self) -> Result<()> {
        self.1.upstream.tell("disable node4").map(drop)
    }
    fn session_up(&self) -> Result<()> {
        self.1.upstream.tell("enable node4").map(drop)
    }
}

pub(crate) fn exabgp(node: &Node) -> Result<impl Router> {
    let exabgp = node.host.exabgp(EXABGP)?;
    node.until_announced()?;
    Ok(WithNeighbour(exabgp, node))
}

/// The upstream announces two prefixes with its own number; the authorisations allow the first.
const ANNOUNCING: &str = "
router id 10.0.0.1;
protocol static doc4 { ipv4; route 198.51.100.0/24 blackhole; route 203.0.113.0/24 blackhole; }
protocol bgp node4 { local as 64500; QUICK; graceful restart on; graceful restart time 60;
  neighbor 10.0.1.2 external; ipv4 { import all; export where proto = \"doc4\"; }; }
";
pub(crate) const AUTHORISED: [(&str, u32); 2] = [("198.51.100.0/24", 64500), ("203.0.113.0/24", 64499)];

/// A router of the kind that hears the upstream, with authorisations where they are no question of options.
pub(crate) fn listener(node: &Node, kind: &str) -> Result<(Box<dyn Router>, Vec<&'static str>)> {
    node.upstream.configure(ANNOUNCING)?;
    Ok(match kind {
        "bird" => {
            let roa = "roa4 table r4; protocol static rpki4 { roa4 { table r4; }; \
                       route 198.51.100.0/24 max 24 as 64500; route 203.0.113.0/24 max 24 as 64499; }";
            let config = format!("{BIRD}\n{roa}")
                .replace("import none; export where proto = \"anycast4\"", "import all; export none");
            (Box::new(node.host.bird(&config.replace("IMPORT", "import none;"))?), vec!["--roa-table", "r4"])
        }
        "frr8" | "frr10" => {
            let how = if kind == "frr8" { "127.0.0.1 8282" } else { "tcp 127.0.0.1 8282" };
            let config = format!("rpki\n rpki polling_period 5\n rpki cache {how} preference 1\nexit\n{FRR}");
            (Box::new(node.host.frr(&config)?), Vec::new())
        }
        _ => {
            let cache =
                "[[rpki-servers]]\n  [rpki-servers.config]\n    address = \"127.0.0.1\"\n    port = 8282\n";
            let restart = "  [neighbors.graceful-restart.config]\n    enabled = true\n    restart-time = 60\n\
                           [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = \"ipv4-unicast\"\n\
                           [neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true\n";
            let config = gobgp_config(ROUTER_ID, 64500, &["10.0.1.1"]);
            (Box::new(node.host.gobgp(&format!("{config}{restart}{cache}"))?), Vec::new())
        }
    })
}
