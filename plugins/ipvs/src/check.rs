//! `check_ipvs`: options, and how a run goes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use weir_cli::{Check, Common, Limits};
use weir_contract::{Field, Outcome, Problem, Range, Thresholds, fault};
use weir_probe::Deadline;
use weir_probe::state::StateFile;
use weir_wire::ip_vs::expect::{self, Expectation};
use weir_wire::ip_vs::{Dest, Key, Service};

use crate::duty::{Passed, Traffic};
use crate::fields::{self, FIELDS};
use crate::judge::judge;
use crate::memory::Memory;
use crate::names::{Machine, Names, Pattern};
use crate::sync::{self, Facts, Heard};
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

    /// But not these services.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) except: Vec<Pattern>,

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
    /// Active where this machine has a virtual address of the table, standby elsewhere: for pairs that move it.
    Vip,
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
        let templates = !table.counted && service.persistence.is_some();
        !service.limits_known && (templates || (self.wants(&fields::OVERLOADED) && busy()))
    }

    /// Whether somebody asked for a threshold, and must be told when the measure is not known.
    pub(crate) fn limits_set(&self, field: &'static Field) -> bool {
        self.limits.of(field, FIELDS, Thresholds::default()) != Thresholds::default()
    }
}

/// All facts of one run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) table: Table,
    pub(crate) names: Names,
    pub(crate) expectation: Option<Expectation>,
    pub(crate) sync: Vec<Facts>,
    /// Counters of earlier runs, where an imbalance is looked for.
    pub(crate) before: Option<Memory>,
    /// Whether packets pass; where the role or a daemon depends on it, and the counters are told.
    pub(crate) traffic: Option<Traffic>,
    /// Whether this machine has a virtual address of the table; where the role depends on it.
    pub(crate) holds: Option<bool>,
    /// What the synchronisation daemon has heard, until the run before and until now.
    pub(crate) heard_before: Option<Heard>,
    pub(crate) heard: Heard,
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
        args.limits.check(FIELDS)?;
        if args.sync.is_none() && args.limits_set(&fields::SYNC_DROPS) {
            let text = "a threshold on sync_drops needs --sync, such as --sync backup";
            return Err(Problem::new(&fault::USAGE, text));
        }
        Ok(())
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
    let among = |patterns: &[Pattern], key: &Key| patterns.iter().any(|pattern| pattern.selects(key, &names));
    let wanted =
        |key: &Key| (args.services.is_empty() || among(&args.services, key)) && !among(&args.except, key);
    let everything = details || report.expectation.is_some() || args.wants(&fields::IMBALANCE);
    let closer = |table: &Table| {
        let needed = |service: &&Service| everything || args.needs_closer(service, table);
        table.services.iter().filter(needed).map(|service| service.key).collect::<HashSet<Key>>()
    };
    let whole = details || args.sync.is_some() || report.expectation.is_some();
    let wish = Wish { services: &wanted, closer: &closer, counters: everything, whole };
    report.table = place.read(wish, deadline)?;
    if args.dns {
        let servers = report.table.services.iter().flat_map(|service| &service.dests);
        let virtual_ = report.table.services.iter().filter_map(|service| service.key.address());
        report.names.look_up(servers.map(Dest::address).chain(virtual_).map(|address| address.ip()));
    }
    if args.sync.is_some() {
        report.sync = sync::look(place, &report.table, deadline);
    }
    let spread = args.wants(&fields::IMBALANCE).then(|| Keep::open(args, "imbalance"));
    report.before = spread.as_ref().map(|keep| Memory::parse(&keep.before()));
    let mut unkept = Vec::new();
    // A master is judged by what is there now.
    let backup = sync::drops(&report.sync).is_some();
    if args.sync.is_some() {
        let keep = Keep::open(args, "sync");
        report.heard_before = Heard::parse(&keep.before());
        report.heard = Heard::next(report.heard_before.as_ref(), &report.sync, now());
        let saved = keep.save(&report.heard.text());
        unkept.extend(saved.err().filter(|_| backup).map(|why| format!("what a backup hears {why}")));
    }
    if args.role == Some(Role::Vip) {
        let all = sync::addresses(deadline).unwrap_or_default();
        let own = |ip| all.iter().any(|address| address.address == ip);
        let mut virtual_ =
            report.table.services.iter().filter_map(|service| service.key.address()).peekable();
        let known = !all.is_empty() && virtual_.peek().is_some();
        report.holds = known.then(|| virtual_.any(|address| own(address.ip())));
    }
    // A backup may be deaf where it has the traffic itself.
    let listens = matches!(args.sync, Some(SyncRole::Any | SyncRole::Both));
    if let (Some(packets), Some(average), true) =
        (report.table.packets, report.table.packet_rate, args.role.is_some() || listens)
    {
        let keep = Keep::open(args, "packets");
        let (passed, traffic) = Passed::next(Passed::parse(&keep.before()).as_ref(), packets, average, now());
        match keep.save(&passed.text()) {
            Ok(()) => report.traffic = Some(traffic),
            Err(why) if backup || args.role.is_some() => {
                unkept.push(format!("whether this director carries traffic {why}"));
            }
            Err(_) => {}
        }
    }
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
    if let (Some(keep), Some(before)) = (spread, &report.before)
        && report.table.source != Source::Text
    {
        let memory = Memory::next(before, &report.table.services, args.imbalance_volume, now());
        unkept.extend(keep.save(&memory.text()).err().map(|why| format!("an imbalance {why}")));
    }
    // What was asked for and can never be told is not well.
    for what in unkept {
        outcome.find(&fault::IPVS_UNSEEN, what);
    }
    Ok(outcome)
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
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

/// A file for one measure of one check: another check of the same director, with other options, has another.
struct Keep(Result<StateFile, String>);

impl Keep {
    fn open(args: &IpvsArgs, measure: &str) -> Self {
        // Tables, counters and daemons belong to a network namespace.
        let namespace = std::fs::read_link("/proc/self/ns/net").unwrap_or_default();
        let list =
            |patterns: &[Pattern]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let (services, except) = (list(&args.services), list(&args.except));
        let options = format!("{:?} {:?} {}", args.sync, args.role, args.imbalance_volume);
        let limits: Vec<_> = FIELDS.iter().map(|field| args.thresholds(field)).collect();
        let target =
            format!("{measure} {services} but {except} {options} {limits:?} {}", namespace.display());
        Self(match &args.state_dir {
            Some(folder) => Ok(StateFile::in_folder(folder, "check_ipvs", &target)),
            None => StateFile::of_user("check_ipvs", &target).map_err(|error| error.to_string()),
        })
    }

    /// What the run before has kept; nothing in a first run.
    fn before(&self) -> String {
        self.0.as_ref().ok().and_then(StateFile::load).unwrap_or_default()
    }

    /// Keeps a text for the next run; or says why that is not possible.
    fn save(self, text: &str) -> Result<(), String> {
        let saved = self.0.and_then(|file| {
            let folder = file.path().parent().unwrap_or(Path::new("/")).display().to_string();
            file.save(text).map_err(|error| format!("nothing can be kept in {folder}: {error}"))
        });
        saved.map_err(|why| format!("is told from the run before, and {why}"))
    }
}
