//! `check_anycast_fleet`: who announces the prefix, and may they?

mod judge;
mod reported;

use std::path::PathBuf;

use weir_cli::{Check, Common, Limits};
use weir_contract::{Field, Outcome, Problem, Range, Thresholds, Unit, fault};
use weir_probe::{NetOptions, Probe, block_on};
use weir_wire::bgp::Prefix;

use crate::daemon::{Daemon, View};
use reported::Reported;

pub(crate) static ANNOUNCERS: Field = Field::gauge(
    "announcers",
    Unit::None,
    "announcers",
    "Nodes or neighbours from which the prefix itself is heard, and may be.",
);
static PATHS: Field =
    Field::gauge("paths", Unit::None, "paths", "Paths to the prefix and its parts that the router knows.");
static SPECIFICS: Field = Field::gauge(
    "specifics",
    Unit::None,
    "more-specifics",
    "Announcements of parts of the prefix that are not allowed.",
);
static FOREIGN: Field = Field::gauge(
    "foreign",
    Unit::None,
    "foreign paths",
    "Paths with an origin or an upstream that is not allowed.",
);
static LENGTH: Field = Field::gauge(
    "length",
    Unit::None,
    "longest path",
    "The longest AS path to the prefix, prepends counted.",
);
static AGE: Field =
    Field::gauge("age", Unit::Seconds, "oldest report", "Age of the oldest report of a node.");
static FIELDS: [&Field; 6] = [&ANNOUNCERS, &PATHS, &SPECIFICS, &FOREIGN, &LENGTH, &AGE];

/// The check.
#[derive(Debug)]
pub struct FleetCheck;

/// Options of `check_anycast_fleet`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// An anycast prefix; repeatable.
    #[arg(long, value_name = "PREFIX", required = true)]
    prefix: Vec<Prefix>,

    /// A router that hears everybody: bird[:SOCKET], frr[:FOLDER] or gobgp[:HOST:PORT or :SOCKET].
    #[arg(long, value_name = "DAEMON")]
    daemon: Option<Daemon>,

    #[allow(clippy::doc_markdown, reason = "this is what --help prints")]
    /// A folder of files that the nodes push: NODE.json, written by check_anycast_node --output json.
    #[arg(long, value_name = "FOLDER", required_unless_present = "daemon")]
    reports: Option<PathBuf>,

    /// A node that must have a report in the folder; repeatable or separated by commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "reports")]
    node: Vec<String>,

    /// Reports that are older are not believed, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    max_age: u64,

    /// The AS numbers that may announce the prefix; repeatable or separated by commas.
    #[arg(long, value_name = "AS", value_delimiter = ',')]
    origin: Vec<u32>,

    /// The AS numbers next to the origin by which the prefix may be heard (the origin itself always may); repeatable or separated
    /// by commas. A spoofed origin is caught by this only.
    #[arg(long, value_name = "AS", value_delimiter = ',')]
    upstream: Vec<u32>,

    /// More-specific parts that are announced on purpose; repeatable.
    #[arg(long, value_name = "PREFIX")]
    allow_specific: Vec<Prefix>,

    /// BIRD's table of route origin authorisations, such as roa4t: each path is checked against it.
    #[arg(long, value_name = "TABLE", requires = "daemon")]
    roa_table: Option<String>,

    #[command(flatten)]
    limits: Limits,
}

impl Args {
    /// The names of the prefixes in samples: none for a single one.
    pub(crate) fn instances(&self) -> Vec<String> {
        let name = |prefix: &Prefix| if self.prefix.len() == 1 { String::new() } else { prefix.to_string() };
        self.prefix.iter().map(name).collect()
    }

    pub(crate) fn limits(&self, field: &'static Field) -> Thresholds {
        let default = if field.id == ANNOUNCERS.id {
            Thresholds { warning: None, critical: Some(Range::below(2.0)) }
        } else {
            Thresholds::default()
        };
        self.limits.of(field, &FIELDS, default)
    }
}

/// All that was seen: for each prefix what the router hears, and what the nodes report.
#[derive(Debug, Default)]
struct Facts {
    views: Vec<(Prefix, Option<View>)>,
    reports: Option<Vec<Reported>>,
}

impl Check for FleetCheck {
    const SERVICE: &'static str = "ANYCAST FLEET";
    const ABOUT: &'static str = "Who announces the prefix, and may they?\n\n\
        Asks a router that hears all nodes (a route server, a collector, any border router), or reads what the nodes report in files: \
        are there enough announcers, is each origin and upstream an allowed one, does somebody announce a part of the prefix, \
        do the route origin authorisations allow each path, is a path too long? A report that is too old counts as unknown.";
    const EXAMPLES: &'static str = "  From a border router with BIRD, at least three announcers, warn below:\n    \
        check_anycast_fleet --daemon bird --prefix 192.0.2.0/24 --origin 64511 --upstream 64501 --roa-table roa4t -w 3: -c 2:\n  \
        From the nodes' own reports, which each node pushes every minute:\n    \
        check_anycast_fleet --reports /var/lib/weir/nodes --node wix1,ape1,sfo1 --prefix 192.0.2.0/24";
    const FIELDS: &'static [&'static Field] = &FIELDS;
    type Args = Args;

    fn validate(args: &Args) -> Result<(), Problem> {
        if let Some(table) = args.roa_table.as_deref().filter(|t| !weir_wire::bgp::bird::is_symbol(t)) {
            return Err(Problem::new(&fault::USAGE, format!("--roa-table `{table}` is no name of a table")));
        }
        args.limits.check(&FIELDS)
    }

    fn thresholds(args: &Args) -> Vec<(&'static Field, Thresholds)> {
        [&ANNOUNCERS, &LENGTH].map(|field| (field, args.limits(field))).to_vec()
    }

    fn run(args: &Args, common: &Common) -> Outcome {
        let options = NetOptions { transcript: common.wants_transcript(), ..NetOptions::default() };
        let probe = Probe::new(common.timeout, options);
        let mut facts = Facts::default();
        let mut problems = Vec::new();
        for prefix in &args.prefix {
            let view = args.daemon.as_ref().map(|daemon| {
                let view = daemon.view(&probe, *prefix, args.roa_table.as_deref());
                block_on(view).and_then(|view| view)
            });
            let view = view.and_then(|view| view.map_err(|problem| problems.push(problem)).ok());
            facts.views.push((*prefix, view));
        }
        if let Some(folder) = &args.reports {
            match reported::read(folder) {
                Ok(reports) => facts.reports = Some(reports),
                Err(problem) => problems.push(problem),
            }
        }
        let mut outcome = judge::judge(&facts, args);
        outcome.findings.extend(problems.into_iter().map(Into::into));
        probe.finish(&mut outcome);
        outcome
    }
}
