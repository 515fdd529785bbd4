//! `check_anycast_node`: on the node, does the route follow the health of the service?

mod judge;
mod report;

use std::net::IpAddr;

use weir_cli::{Check, Common, Limits};
use weir_contract::{Field, Outcome, Problem, Thresholds, Unit, fault};
use weir_probe::{NetOptions, Probe, block_on};
use weir_wire::bgp::Prefix;

use crate::daemon::Daemon;
use crate::identity::{Ask, Page};

pub(crate) static RTT: Field =
    Field::gauge("rtt", Unit::Seconds, "local answer", "Time in which the service on this node answers.")
        .millis();
pub(crate) static ANNOUNCED: Field = Field::gauge(
    "announced",
    Unit::None,
    "announced on",
    "Established BGP sessions on which the prefix is really sent.",
);
static SESSIONS: Field =
    Field::gauge("sessions", Unit::None, "sessions up", "Established BGP sessions of the prefix's family.");
static HEALTHY: Field =
    Field::gauge("healthy", Unit::None, "healthy", "1 when the service answers as this node, else 0.")
        .up_to(1.0);
static LOCAL: Field =
    Field::gauge("local", Unit::None, "address here", "1 when the service address is on this node, else 0.")
        .up_to(1.0);
static HOLD: Field = Field::gauge(
    "hold",
    Unit::Seconds,
    "hold time",
    "The longest negotiated hold time of sessions that BFD does not watch.",
);
static FIELDS: [&Field; 6] = [&RTT, &ANNOUNCED, &SESSIONS, &HEALTHY, &LOCAL, &HOLD];

/// The check.
#[derive(Debug)]
pub struct NodeCheck;

/// Options of `check_anycast_node`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A service address of this node; repeat it for IPv4 and IPv6.
    #[arg(short = 'H', long = "service", value_name = "ADDRESS", required = true)]
    services: Vec<IpAddr>,

    /// The prefix that is announced for a service address [default: the /24 or /48 around it]; repeatable.
    #[arg(long, value_name = "PREFIX")]
    prefix: Vec<Prefix>,

    /// The routing daemon: bird[:SOCKET], frr[:FOLDER], gobgp[:HOST:PORT or :SOCKET] or exabgp[:FOLDER].
    #[arg(long, value_name = "DAEMON")]
    daemon: Daemon,

    /// How the service tells its name: dns[:NAME], header:X-Node, body, tls-header:X-Node, tls-body, certificate, rtsp[:HEADER], mms or mmsh;
    /// each with @PORT if need be. Repeatable: all must answer as this node.
    #[arg(long, value_name = "HOW", default_value = "dns")]
    identity: Vec<Ask>,

    /// The name of this node, as the service tells it [default: the host's name up to the first point]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,

    /// Host name for HTTP, TLS and RTSP.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,

    /// Path for HTTP and RTSP.
    #[arg(long, value_name = "PATH", default_value = "/")]
    path: String,

    /// Only these sessions must announce (protocols in BIRD, neighbours elsewhere) [default: all of the family]; repeatable.
    #[arg(long, value_name = "NAME")]
    session: Vec<String>,

    /// An address to which answers must find their way: the kernel must have a route, and BIRD must not have failed to set it;
    /// repeatable.
    #[arg(long, value_name = "ADDRESS")]
    reach: Vec<IpAddr>,

    /// This node is out of service on purpose: the route must not be announced.
    #[arg(long)]
    drained: bool,

    /// Certificates in PEM to trust instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<std::path::PathBuf>,

    #[command(flatten)]
    limits: Limits,
}

impl Args {
    fn prefix_of(&self, service: IpAddr) -> Prefix {
        let given = self.prefix.iter().find(|prefix| prefix.contains(service));
        given.copied().unwrap_or_else(|| Prefix::announced_for(service))
    }

    fn node(&self) -> String {
        let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        self.node.clone().unwrap_or_else(|| host().split('.').next().unwrap_or_default().to_owned())
    }

    fn page(&self) -> Page {
        Page { host: self.host.clone(), path: self.path.clone() }
    }
}

impl Check for NodeCheck {
    const SERVICE: &'static str = "ANYCAST NODE";
    const ABOUT: &'static str = "Is the route announced from this node exactly when the service here is healthy?\n\n\
        Runs on the node. For each service address it asks the kernel whether the address is here (a probe that leaves the node \
        would be answered by another one), the service for its name, and the routing daemon on which sessions the prefix is \
        really sent. The three answers make one verdict: announced but dead, healthy but withdrawn, address missing, session \
        down, and so on. The daemon's socket must be readable; the docs page says how with the least privilege.";
    const EXAMPLES: &'static str = "  A DNS node with BIRD, both families:\n    \
        check_anycast_node -H 192.0.2.53 -H 2001:db8:53::53 --daemon bird --identity dns:www.example.net --node wix1\n  \
        A streaming node with FRR, named by a header:\n    \
        check_anycast_node -H 192.0.2.80 --daemon frr --identity header:X-Node@8000 --path /status --node ape1\n  \
        During maintenance:\n    \
        check_anycast_node -H 192.0.2.53 --daemon gobgp --drained";
    const FIELDS: &'static [&'static Field] = &FIELDS;
    type Args = Args;

    fn validate(args: &Args) -> Result<(), Problem> {
        if let Some(prefix) = args.prefix.iter().find(|p| !args.services.iter().any(|s| p.contains(*s))) {
            return Err(Problem::new(&fault::USAGE, format!("no service address lies in --prefix {prefix}")));
        }
        args.limits.check(&FIELDS)
    }

    fn thresholds(args: &Args) -> Vec<(&'static Field, Thresholds)> {
        [&RTT, &HOLD].map(|field| (field, args.limits.of(field, &FIELDS, Thresholds::default()))).to_vec()
    }

    fn run(args: &Args, common: &Common) -> Outcome {
        let options = NetOptions {
            ca_file: args.ca_file.clone(),
            transcript: common.wants_transcript(),
            ..NetOptions::default()
        };
        let probe = Probe::new(common.timeout, options);
        let mut report = report::Report::new(args);
        if let Err(problem) = block_on(report.measure(&probe, args)) {
            return Outcome::failed(Self::SERVICE, report.node, problem);
        }
        let mut outcome = judge::judge(&report, args);
        outcome.phases = report.trace.phases;
        outcome.transcript = report.trace.transcript;
        outcome
    }
}
