//! `check_anycast`: from a vantage point, which node answers, how far is it, and is that right?

mod history;
mod judge;
mod report;

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use weir_cli::{Check, Common, Limits};
use weir_contract::{Draw, Field, Outcome, Problem, Range, Thresholds, Unit, fault};
use weir_probe::{NetOptions, Probe, block_on};
use weir_wire::dns::Name;

use crate::identity::{Ask, Page};

pub(crate) use report::Report;

pub(crate) static RTT: Field = Field::gauge(
    "rtt",
    Unit::Seconds,
    "round trip",
    "Round trip to the anycast address, the fastest of all ports.",
)
.millis();
pub(crate) static INFLATION: Field = Field::gauge(
    "inflation",
    Unit::Seconds,
    "inflation",
    "Round trip to the anycast address less that to the best node that answers at its own address, measured at the same time.",
)
.millis();
pub(crate) static SPLIT: Field = Field::gauge(
    "split",
    Unit::Percent,
    "split",
    "Share of source ports that another node answers than most.",
);
pub(crate) static CHANGES: Field =
    Field::gauge("changes", Unit::None, "changes", "Changes of the answering node within the window.");
pub(crate) static HOPS: Field = Field::gauge(
    "hops",
    Unit::None,
    "hops",
    "Routers between here and the answering node, and the node itself.",
);
pub(crate) static LOST: Field =
    Field::gauge("lost", Unit::Percent, "unanswered", "Share of source ports that got no answer.");
pub(crate) static SHARE: Field =
    Field::gauge("share", Unit::Percent, "share", "Share of source ports that the node answers.")
        .drawn(Draw::Stack);
pub(crate) static NODE_RTT: Field =
    Field::gauge("node_rtt", Unit::Seconds, "round trip", "Round trip to the node's own address.").millis();
pub(crate) static ALIVE: Field =
    Field::gauge("alive", Unit::None, "nodes alive", "Nodes that answer at their own address.");
static FIELDS: [&Field; 9] = [&RTT, &INFLATION, &SPLIT, &CHANGES, &HOPS, &LOST, &SHARE, &NODE_RTT, &ALIVE];

/// Changes of the node are counted over this time by default.
const WINDOW: &str = "3600";

/// The check.
#[derive(Debug)]
pub struct VantageCheck;

/// A node by its name, and its own address where it has one: `wix1=203.0.113.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// As the service tells it.
    pub name: String,
    /// Not anycast.
    pub address: Option<IpAddr>,
}

impl FromStr for Node {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, address) = text.split_once('=').map_or((text, None), |(n, a)| (n, Some(a)));
        if name.is_empty() {
            return Err(format!("`{text}` names no node: use NAME=ADDRESS, such as wix1=203.0.113.1"));
        }
        let address =
            address.map(|a| a.parse().map_err(|_| format!("`{a}` is no address: use NAME=ADDRESS")));
        Ok(Self { name: name.to_owned(), address: address.transpose()? })
    }
}

/// Options of `check_anycast`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// An anycast service address; repeat it for IPv4 and IPv6, which must be answered by the same node.
    #[arg(short = 'H', long = "service", value_name = "ADDRESS", required = true)]
    pub(crate) services: Vec<IpAddr>,

    /// A node: its name as the service tells it, and its own address; repeatable. A name that is not listed is an alarm.
    #[arg(long = "node", value_name = "NAME[=ADDRESS]", required = true)]
    pub(crate) nodes: Vec<Node>,

    /// How the service tells its name: dns[:NAME], header:X-Node, body, tls-header:X-Node, tls-body, certificate,
    /// rtsp[:HEADER], mms or mmsh; each with @PORT if need be. Repeatable: all must be answered by the same node.
    #[arg(long, value_name = "HOW", default_value = "dns")]
    pub(crate) identity: Vec<Ask>,

    /// Host name for HTTP, TLS and RTSP.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,

    /// Path for HTTP and RTSP.
    #[arg(long, value_name = "PATH", default_value = "/")]
    path: String,

    /// The nodes of which one should answer here; repeatable or separated by commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) expect: Vec<String>,

    /// Source ports that ask at once: routers that balance by flow send them to different nodes.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) ports: u16,

    /// Look for routers on the way up to this distance, and warn when they change; 0 does not look. Needs a DNS service.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u8).range(0..=32))]
    pub(crate) hops: u8,

    /// Seconds over which changes of the node are counted.
    #[arg(long, value_name = "SECONDS", default_value = WINDOW)]
    pub(crate) window: u64,

    /// Folder for what is remembered between runs [default: /var/lib/weir if it is fit, else /var/tmp/weir-UID]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Certificates in PEM to trust instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    #[command(flatten)]
    limits: Limits,
}

impl Args {
    /// The names of the services in samples.
    pub(crate) fn instances(&self) -> Vec<String> {
        instances(&self.services)
    }

    pub(crate) fn page(&self) -> Page {
        Page { host: self.host.clone(), path: self.path.clone() }
    }

    /// The question of the ladder: that of the first DNS identity, else the root's SOA, which any name server answers somehow.
    pub(crate) fn ladder(&self) -> Option<(Name, u16)> {
        let (name, port) = self.identity.iter().find_map(Ask::dns_question)?;
        Some((name.or_else(|| ".".parse().ok())?, port))
    }

    pub(crate) fn limits(&self, field: &'static Field) -> Thresholds {
        let default = |range| Thresholds { warning: Some(range), critical: None };
        let default = match field.id {
            "split" => default(Range::above(0.0)),
            "changes" => default(Range::above(3.0)),
            "lost" => default(Range::above(20.0)),
            _ => Thresholds::default(),
        };
        self.limits.of(field, &FIELDS, default)
    }

    pub(crate) fn probe(&self, common: &Common) -> Probe {
        let options = NetOptions {
            ca_file: self.ca_file.clone(),
            transcript: common.wants_transcript(),
            ..NetOptions::default()
        };
        Probe::new(common.timeout, options)
    }
}

impl Check for VantageCheck {
    const SERVICE: &'static str = "ANYCAST";
    const ABOUT: &'static str = "Which node answers from here, and how far is it?\n\n\
        Asks the service at its anycast address from several source ports at once, and each node at its own address at the same \
        time. The answers name the node (NSID on a real DNS question, a header, the certificate); the hop list comes from the \
        same five-tuple, without any privilege. A node that nobody knows is an alarm, and so are two families or services that \
        are answered by different nodes. The inflation is what users lose because BGP does not know distances.";
    const EXAMPLES: &'static str = "  A DNS service of three nodes, wix1 expected here:\n    \
        check_anycast -H 192.0.2.53 -H 2001:db8:53::53 --identity dns:www.example.net \\\n      \
        --node wix1=203.0.113.1 --node ape1=203.0.113.2 --node sfo1=203.0.113.3 --expect wix1 -w inflation=0.03\n  \
        A web service named by a header, which must be answered by the same node as DNS:\n    \
        check_anycast -H 192.0.2.53 --identity dns:www.example.net --identity header:X-Node --node wix1 --node ape1\n  \
        An RTSP service whose Server header names the node:\n    \
        check_anycast -H 192.0.2.53 --identity rtsp --path /live --node wix1 --node ape1";
    const FIELDS: &'static [&'static Field] = &FIELDS;
    type Args = Args;

    fn validate(args: &Args) -> Result<(), Problem> {
        let known = |name: &&String| args.nodes.iter().any(|node| node.name.eq_ignore_ascii_case(name));
        if let Some(name) = args.expect.iter().find(|name| !known(name)) {
            return Err(Problem::new(&fault::USAGE, format!("--expect {name} is no --node")));
        }
        args.limits.check(&FIELDS)
    }

    fn thresholds(args: &Args) -> Vec<(&'static Field, Thresholds)> {
        [&RTT, &INFLATION, &SPLIT, &CHANGES, &HOPS, &LOST].map(|field| (field, args.limits(field))).to_vec()
    }

    fn run(args: &Args, common: &Common) -> Outcome {
        let probe = args.probe(common);
        let mut report = Report::default();
        if let Err(problem) = block_on(report.measure(&probe, args)) {
            return Outcome::failed(Self::SERVICE, "", problem);
        }
        judge::judge(report, args)
    }
}

/// The name of a node's share at one service: `wix1`, `v4_wix1`.
pub(crate) fn join(instance: &str, node: &str) -> String {
    if instance.is_empty() { node.to_owned() } else { format!("{instance}_{node}") }
}

/// Names for addresses: none for a single one, else the family, else the address itself.
pub(crate) fn instances(addresses: &[IpAddr]) -> Vec<String> {
    let name = |address: &IpAddr| {
        let alike = addresses.iter().filter(|other| other.is_ipv4() == address.is_ipv4()).count();
        match (addresses.len(), alike, address.is_ipv4()) {
            (1, _, _) => String::new(),
            (_, 1, true) => "v4".to_owned(),
            (_, 1, false) => "v6".to_owned(),
            _ => address.to_string(),
        }
    };
    addresses.iter().map(name).collect()
}
