//! `check_ipvs`: options, and how a run goes.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use weir_cli::{Check, Common, Limits};
use weir_contract::{Field, Outcome, Problem, Range, Thresholds, fault};
use weir_probe::Deadline;
use weir_probe::state::StateFile;
use weir_wire::ip_vs::expect::{self, Expectation};
use weir_wire::ip_vs::{Dest, Key, Service};

use crate::fields::{self, FIELDS};
use crate::judge::judge;
use crate::memory::Memory;
use crate::names::{Machine, Names, Pattern};
use crate::sync::{self, Facts};
use crate::table::{Place, Source, Table, Wish, text};

/// The word before the state.
pub(crate) const SERVICE: &str = "IPVS";
/// How long to wait before another look at what seemed to be missing, and how many there are.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
const MORE_LOOKS: usize = 2;

/// The options of `check_ipvs`.
#[derive(Args, Clone, Debug, Default)]
pub struct IpvsArgs {
    /// Only these services: an address, ADDRESS:PORT, "TCP 192.0.2.1:80", "FWM 7", a name of --names; * and ? are wildcards;
    /// repeatable. Each must select a service.
    #[arg(short = 's', long = "service", value_name = "PATTERN")]
    pub(crate) services: Vec<Pattern>,

    /// Compare the table with this file: ipvsadm -Sn, keepalived.conf, ldirectord.cf or dispatcher rules, told by content.
    #[arg(long, value_name = "FILE", help_heading = "Expectation")]
    pub(crate) expect: Option<PathBuf>,

    /// The configuration id of conditional lines, as keepalived -i has it.
    #[arg(long, value_name = "ID", requires = "expect", help_heading = "Expectation")]
    pub(crate) config_id: Option<String>,

    /// The synchronisation daemon that must work here, by its socket and interface.
    #[arg(long, value_name = "ROLE", help_heading = "Expectation")]
    pub(crate) sync: Option<SyncRole>,

    /// Whether this director must carry traffic, told by packets: a backup shows the master's connections.
    #[arg(long, value_name = "ROLE", help_heading = "Expectation")]
    pub(crate) role: Option<Role>,

    /// The measure "imbalance" counts from so many new connections of a service since the last run.
    #[arg(long, value_name = "CONNECTIONS", default_value_t = 100, help_heading = "Thresholds")]
    pub(crate) imbalance_volume: u64,

    /// Show names instead of addresses, from a file like /etc/hosts, and which channels a service carries, from a channels file;
    /// one file may hold both.
    #[arg(long, value_name = "FILE", help_heading = "Source")]
    pub(crate) names: Option<PathBuf>,

    /// Ask the DNS for names of addresses, and for addresses of hosts in the channels file: at most for a second, and only for words.
    #[arg(long, help_heading = "Source")]
    pub(crate) dns: bool,

    /// Read a saved listing (ipvsadm -Ln, ipvsadm -Sn, a copy of the kernel's file) instead of this kernel.
    #[arg(long, value_name = "FILE", help_heading = "Source")]
    pub(crate) table: Option<PathBuf>,

    /// Where to keep counters between runs, for imbalance and drops [default: /var/lib/weir, else /var/tmp/weir-UID]
    #[arg(long, value_name = "FOLDER", help_heading = "Source")]
    pub(crate) state_dir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// What the synchronisation daemon must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SyncRole {
    /// Sends connections.
    Master,
    /// Receives connections.
    Backup,
    /// One of the two.
    Any,
    /// Both, as keepalived without an instance starts them.
    Both,
}

/// Whether the director must carry traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Packets flow.
    Active,
    /// None do.
    Standby,
}

impl IpvsArgs {
    pub(crate) fn thresholds(&self, field: &'static Field) -> Thresholds {
        let default = match field.id {
            "servers" => Thresholds { warning: None, critical: Some(Range::below(1.0)) },
            "zero_weight" | "overloaded" | "sync_drops" => {
                Thresholds { warning: Some(Range::outside(0.0, 0.0)), critical: None }
            }
            _ => Thresholds::default(),
        };
        self.limits.of(field, FIELDS, default)
    }

    /// Whether `field` is compared with anything.
    fn wants(&self, field: &'static Field) -> bool {
        self.thresholds(field) != Thresholds::default()
    }

    /// Whether the servers of `service` have what only a dump of their own tells. Without connections no server is overloaded, and
    /// templates of persistence are not counted by `active` and `inactive`.
    fn needs_closer(&self, service: &Service, table: &Table) -> bool {
        let busy = || service.dests.iter().any(|dest| dest.active > 0 || dest.inactive > 0);
        (table.conns.is_none() && service.persistence.is_some())
            || (self.wants(&fields::OVERLOADED) && busy())
    }

    /// Whether somebody asked for a threshold, and must be told when the measure is not known. An imbalance is not known in
    /// the first run, nor while too few connections come.
    pub(crate) fn is_limited(&self, field: &'static Field) -> bool {
        field.id != "imbalance"
            && self.limits.of(field, FIELDS, Thresholds::default()) != Thresholds::default()
    }
}

/// All facts of one run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) table: Table,
    pub(crate) names: Names,
    pub(crate) expectation: Option<Expectation>,
    pub(crate) sync: Vec<Facts>,
    pub(crate) before: Option<Memory>,
}

/// `check_ipvs`
#[derive(Debug)]
pub struct Ipvs;

impl Check for Ipvs {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check a Linux Virtual Server director: pools, weights, connections, drift, synchronisation.\n\n\
        Reads the kernel's table without loading its module. Without CAP_NET_ADMIN it sees services, servers, weights and \
        connections, and says what it cannot see. What seems to be missing is looked at twice before anybody is woken.";
    const EXAMPLES: &'static str = "  Every service of this director has a live server:\n    \
        check_ipvs\n  \
        The channel's service has three, warn below, critical below two:\n    \
        check_ipvs -s 'TCP 192.0.2.1:554' -w 3: -c 2:\n  \
        The table is what keepalived was told, and its daemon receives from the master:\n    \
        check_ipvs --expect /etc/keepalived/keepalived.conf --sync backup --role standby\n  \
        New connections follow the weights within 20 percent points:\n    \
        check_ipvs -s '*:80' -w imbalance=20 --imbalance-volume 500";
    const FIELDS: &'static [&'static Field] = FIELDS;
    type Args = IpvsArgs;

    fn validate(args: &IpvsArgs) -> Result<(), Problem> {
        if args.table.is_some() && (args.sync.is_some() || args.role.is_some()) {
            let text = "--sync and --role ask the kernel; they make no sense with --table";
            return Err(Problem::new(&fault::USAGE, text));
        }
        args.limits.check(FIELDS)
    }

    fn thresholds(args: &IpvsArgs) -> Vec<(&'static Field, Thresholds)> {
        FIELDS.iter().map(|field| (*field, args.thresholds(field))).collect()
    }

    fn run(args: &IpvsArgs, common: &Common) -> Outcome {
        let place = Place { text: args.table.clone(), ..Place::default() };
        check(args, &place, common.wants_details(), Deadline::after(common.timeout))
            .unwrap_or_else(|problem| Outcome::failed(SERVICE, "", problem))
    }
}

fn check(args: &IpvsArgs, place: &Place, details: bool, deadline: Deadline) -> Result<Outcome, Problem> {
    let mut report = Report::default();
    if let Some(path) = &args.names {
        report.names = Names::read(path, args.dns)?;
    }
    if let Some(path) = &args.expect {
        let name = path.to_string_lossy();
        let read = expect::parse(&name, &text(path)?, args.config_id.as_deref(), &mut Machine);
        report.expectation =
            Some(read.map_err(|error| Problem::new(&fault::NO_DATA, format!("--expect {error}")))?);
    }
    let names = report.names.clone();
    let wanted = |key: &Key| args.services.is_empty() || args.services.iter().any(|p| p.selects(key, &names));
    let everything = details || report.expectation.is_some() || args.wants(&fields::IMBALANCE);
    let closer = |table: &Table| {
        let needed = |service: &&Service| everything || args.needs_closer(service, table);
        table.services.iter().filter(needed).map(|service| service.key).collect::<HashSet<Key>>()
    };
    let whole = details || args.sync.is_some() || report.expectation.is_some();
    let wish = Wish { services: &wanted, closer: &closer, whole };
    report.table = place.read(wish, deadline)?;
    if args.dns {
        let servers = report.table.services.iter().flat_map(|service| &service.dests);
        let virtual_ = report.table.services.iter().filter_map(|service| service.key.address());
        report.names.look_up(servers.map(Dest::address).chain(virtual_).map(|address| address.ip()));
    }
    if args.sync.is_some() {
        report.sync = sync::look(place, &report.table);
    }
    let memory = Keep::open(args, &report);
    report.before = memory.as_ref().and_then(Keep::before);
    let mut outcome = judge(args, &report, &wanted, details);
    for _ in 0..MORE_LOOKS {
        let absent = outcome.findings.iter().any(|finding| ABSENCES.contains(&finding.fault.code));
        if report.table.source == Source::Text || !absent || deadline.remaining() < LOOK_AGAIN * 2 {
            break;
        }
        std::thread::sleep(LOOK_AGAIN);
        let first = std::mem::take(&mut report.table);
        report.table = place.read_again(first, wish, deadline)?;
        outcome = judge(args, &report, &wanted, details);
    }
    if let Some(memory) = memory {
        memory.save(&report, &mut outcome);
    }
    Ok(outcome)
}

/// Findings that rest on a row that was not there.
const ABSENCES: &[&str] = &[
    fault::IPVS_NO_SERVICE.code,
    fault::IPVS_EMPTY.code,
    fault::IPVS_SERVERS.code,
    fault::IPVS_DOWN.code,
    fault::IPVS_MISSING.code,
    fault::IPVS_SERVICE_MISSING.code,
    fault::IPVS_OTHER_FILE.code,
];

/// The counters of the run before, kept only for measures that need them.
struct Keep(StateFile);

impl Keep {
    fn open(args: &IpvsArgs, report: &Report) -> Option<Self> {
        let needed = args.wants(&fields::IMBALANCE) || args.sync.is_some();
        if !needed || report.table.source == Source::Text {
            return None;
        }
        let patterns: Vec<String> = args.services.iter().map(ToString::to_string).collect();
        let target = patterns.join(" ");
        let file = match &args.state_dir {
            Some(folder) => Ok(StateFile::in_folder(folder, "check_ipvs", &target)),
            None => StateFile::of_user("check_ipvs", &target),
        };
        file.ok().map(Self)
    }

    fn before(&self) -> Option<Memory> {
        Some(Memory::parse(&self.0.load()?))
    }

    fn save(self, report: &Report, outcome: &mut Outcome) {
        let memory = Memory::of(&report.table.services, drops(&report.sync));
        if let Err(error) = self.0.save(&memory.text()) {
            outcome.details.push(format!("cannot save counters for the next run: {error}"));
        }
    }
}

/// What all backup sockets have dropped.
pub(crate) fn drops(facts: &[Facts]) -> Option<u64> {
    facts.iter().filter_map(|facts| facts.socket).map(|socket| socket.drops).reduce(|a, b| a + b)
}
