//! The director's table, from the best source that this user may read.
//!
//! The rows come from `/proc/net/ip_vs`, which the kernel writes at one go, or, where pools are large and the right is there, by socket
//! options; netlink adds what they lack. It costs a dump a service, so each reader says of which services it needs that.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use weir_contract::{Problem, fault};
use weir_probe::Deadline;
use weir_wire::ip_vs::netlink::{self as codec, Timeouts};
use weir_wire::ip_vs::{Daemon, Dest, Key, MAX_LINE, Service, ipvsadm, proc, tidy};

use crate::control::Control;
use crate::netlink::{Error, Ipvs};

/// A text table is read up to here: 10,000 destinations take 0.6 MB.
const TEXT_MAX: u64 = 64 << 20;
/// Bytes taken from the kernel's text at once; it gives a page or two.
const PIECE: usize = 16 * 1024;

/// Where a table came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The kernel, by netlink too: everything.
    Netlink,
    /// The kernel, by `/proc/net/ip_vs`: no counters, no thresholds, no flags.
    #[default]
    Proc,
    /// A saved text.
    Text,
}

impl Source {
    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Netlink => "netlink",
            Self::Proc => "/proc/net/ip_vs",
            Self::Text => "a saved listing",
        }
    }
}

/// A director's table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Where it came from.
    pub source: Source,
    /// The services that were asked for.
    pub services: Vec<Service>,
    /// Buckets of the connection table.
    pub size: Option<u64>,
    /// Connections in it: what the kernel tells (from 7.0 on), else those that the rows of all services hold.
    pub conns: Option<u64>,
    /// Whether the kernel counted them itself. Templates of persistence are connections too, which the rows do not hold.
    pub counted: bool,
    /// Synchronisation daemons as configured; `None` when the source does not tell.
    pub daemons: Option<Vec<Daemon>>,
    /// Timeouts; `None` when the source does not tell.
    pub timeouts: Option<Timeouts>,
    /// Packets from clients, for all services, since the kernel began to count.
    pub packets: Option<u64>,
    /// The same per second, the kernel's moving average.
    pub packet_rate: Option<u64>,
    /// Whether netlink was refused, for want of `CAP_NET_ADMIN`.
    pub unprivileged: bool,
    /// Whether the kernel's estimator stands still: counters and rates are then stale.
    pub frozen: bool,
    /// What is missing and why.
    pub notes: Vec<String>,
}

impl Table {
    /// A table of all services.
    fn of(services: Vec<Service>) -> Self {
        let dests = services.iter().flat_map(|service| &service.dests);
        let held = dests.map(|dest| u64::from(dest.active) + u64::from(dest.inactive)).sum();
        Self { services, conns: Some(held), ..Self::default() }
    }

    /// Why there are no counters, and what to do about it.
    pub fn blind(&self) -> Option<&str> {
        match self.source {
            Source::Text => Some("a saved listing does not tell it"),
            _ if self.unprivileged => Some("CAP_NET_ADMIN is missing"),
            _ if self.frozen => Some("net.ipv4.vs.run_estimation is 0"),
            Source::Proc => self.notes.first().map(String::as_str),
            Source::Netlink => None,
        }
    }
}

/// What a reader needs of the table.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "closures have none")]
pub struct Wish<'a> {
    /// Which services.
    pub services: &'a dyn Fn(&Key) -> bool,
    /// Those among them of whose servers thresholds and templates of persistence are needed, ...
    pub closer: &'a dyn Fn(&Table) -> HashSet<Key>,
    /// ... and whether counters and tunnels are, too.
    pub counters: bool,
    /// Whether daemons and timeouts are needed.
    pub whole: bool,
}

impl<'a> Wish<'a> {
    /// The rows of `services`: servers, weights, connections, and the counters of services.
    pub fn rows(services: &'a dyn Fn(&Key) -> bool) -> Self {
        Self { services, closer: &|_| HashSet::new(), counters: false, whole: false }
    }
}

/// Where to read.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where proc(5) is mounted.
    pub proc: PathBuf,
    /// A saved listing instead of the kernel.
    pub text: Option<PathBuf>,
}

impl Default for Place {
    fn default() -> Self {
        Self { proc: PathBuf::from("/proc"), text: None }
    }
}

impl Place {
    /// A file of `/proc/net`.
    pub fn net(&self, name: &str) -> PathBuf {
        self.proc.join("net").join(name)
    }

    /// Reads the table.
    ///
    /// The kernel's module is never loaded by this: without `/proc/net/ip_vs` nothing else is asked.
    ///
    /// # Errors
    /// E-IPVS-ABSENT without IPVS; E-NO-DATA for what cannot be read.
    pub fn read(&self, wish: Wish<'_>, deadline: Deadline) -> Result<Table, Problem> {
        if let Some(path) = &self.text {
            return saved(path, wish.services);
        }
        let path = self.net("ip_vs");
        if !path.exists() {
            let text = format!("the kernel has no IPVS loaded ({} does not exist)", path.display());
            return Err(Problem::new(&fault::IPVS_ABSENT, text));
        }
        let mut control = if wish.counters { None } else { Control::open() };
        let large = control.as_mut().filter(|control| control.has_large_pools());
        let (mut table, ipvs) =
            if let Some((table, ipvs)) = large.and_then(|control| pools(control, deadline)) {
                (table, Some(ipvs))
            } else {
                let read = rows(&path)?;
                (Table { size: read.size.map(u64::from), ..Table::of(read.services) }, None)
            };
        if let Ok(text) = std::fs::read_to_string(self.net("ip_vs_status")) {
            let status = proc::status(&text);
            (table.conns, table.counted) = (status.conns.or(table.conns), status.conns.is_some());
            table.size = status.buckets.or(table.size);
        }
        match more(&mut table, control, ipvs, wish, deadline) {
            Ok(()) => table.source = Source::Netlink,
            Err(error) => {
                table.unprivileged = error.is_permission();
                table.notes.push(if table.unprivileged {
                    "read from /proc: no counters, thresholds, flags or daemons without CAP_NET_ADMIN"
                        .to_owned()
                } else {
                    format!("read from /proc, because {error}")
                });
            }
        }
        table.services.retain(|service| (wish.services)(&service.key));
        tidy(&mut table.services);
        let sysctl = self.proc.join("sys/net/ipv4/vs/run_estimation");
        table.frozen = std::fs::read_to_string(sysctl).is_ok_and(|text| text.trim() == "0");
        if table.frozen {
            table.notes.push("net.ipv4.vs.run_estimation is 0: the kernel's counters stand still".to_owned());
            for service in &mut table.services {
                service.stats = None;
                for dest in &mut service.dests {
                    dest.tell(|told| told.stats = None);
                }
            }
        }
        if !table.frozen {
            (table.packets, table.packet_rate) = self.packets();
        }
        Ok(table)
    }

    /// A second look, at what a first one did not see, and by both interfaces: they walk the table in other steps, and the rows at
    /// the end of a step are those that get lost.
    ///
    /// # Errors
    /// As of [`read`](Self::read).
    pub fn read_again(&self, first: Table, wish: Wish<'_>, deadline: Deadline) -> Result<Table, Problem> {
        let all = |table: &Table| table.services.iter().map(|service| service.key).collect();
        Ok(both(first, self.read(Wish { closer: &all, counters: true, ..wish }, deadline)?))
    }

    /// What came in for all services, and the kernel's moving average in the last line of `ip_vs_stats`.
    fn packets(&self) -> (Option<u64>, Option<u64>) {
        let Ok(text) = text(&self.net("ip_vs_stats")) else { return (None, None) };
        let last = text.lines().rfind(|line| !line.trim().is_empty());
        let rate = last.and_then(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok());
        (proc::totals(&text).map(|[_, packets, ..]| packets), rate)
    }
}

/// What every user may read.
fn rows(path: &Path) -> Result<proc::Table, Problem> {
    let unreadable = |error| no_data(format!("cannot read {}: {error}", path.display()));
    let broken = |error| no_data(format!("{}: {error}", path.display()));
    let mut file = std::fs::File::open(path).map_err(unreadable)?.take(TEXT_MAX);
    let (mut reader, mut piece) = (proc::Reader::default(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => return reader.finish().map_err(broken),
            count => reader.push(&piece[..count]).map_err(broken)?,
        }
    }
}

/// A table of large pools, whose services are those of netlink; `None` where one of the two interfaces does not tell all.
fn pools(control: &mut Control, deadline: Deadline) -> Option<(Table, Ipvs)> {
    let mut ipvs = Ipvs::open(deadline).ok()?;
    let services = ipvs.all("its services", codec::get_services, codec::service).ok()?;
    let mut services: Vec<Service> = services.into_iter().flatten().collect();
    // The dump may have raced a writer.
    let told: HashSet<Key> = services.iter().map(|service| service.key).collect();
    let left_out = control.pools().filter(|pool| !told.contains(&pool.key));
    services.extend(left_out.map(|pool| Service::new(pool.key, pool.scheduler.as_str())));
    for service in &mut services {
        service.dests = match control.dests(&service.key) {
            Some(dests) => dests,
            None => servers(&mut ipvs, &service.key).ok()?,
        };
        service.limits_known = true;
    }
    Some((Table { size: Some(control.size.into()), ..Table::of(services) }, ipvs))
}

/// The servers of a service, with all that netlink tells.
fn servers(ipvs: &mut Ipvs, key: &Key) -> Result<Vec<Dest>, Error> {
    let ipv6 = key.is_ipv6();
    ipvs.of("its servers", codec::get_dests, key, |payload| codec::dest(payload, ipv6))
}

/// What only netlink tells; where `ipvs` has told the services already, only the rest.
fn more(
    table: &mut Table,
    mut control: Option<Control>,
    ipvs: Option<Ipvs>,
    wish: Wish<'_>,
    deadline: Deadline,
) -> Result<(), Error> {
    let (mut ipvs, mut closer) = if let Some(ipvs) = ipvs {
        (ipvs, HashSet::new())
    } else {
        let mut ipvs = Ipvs::open(deadline)?;
        let services = ipvs.all("its services", codec::get_services, codec::service)?;
        (ipvs, join(&mut table.services, services.into_iter().flatten()))
    };
    table.services.retain(|service| (wish.services)(&service.key));
    if wish.whole {
        table.daemons = Some(ipvs.all("its synchronisation daemons", codec::get_daemons, codec::daemon)?);
        table.timeouts = ipvs.all("its timeouts", codec::get_config, codec::timeouts)?.first().copied();
    }
    closer.extend((wish.closer)(table));
    for service in table.services.iter_mut().filter(|service| closer.contains(&service.key)) {
        let told = control.as_mut().and_then(|control| control.dests(&service.key));
        service.limits_known = told.is_some();
        let mut dests = told.map_or_else(|| servers(&mut ipvs, &service.key), Ok)?;
        // Rows of the text that are told here too come second, and go.
        dests.append(&mut service.dests);
        service.dests = dests;
    }
    Ok(())
}

/// Makes `rows`, which hold servers, out of the services that netlink tells; the keys of those whose servers the text did not show.
fn join(rows: &mut Vec<Service>, services: impl Iterator<Item = Service>) -> HashSet<Key> {
    tidy(rows);
    let mut unseen = Vec::new();
    for service in services {
        match rows.binary_search_by_key(&service.key, |row| row.key) {
            Ok(at) => {
                let dests = std::mem::take(&mut rows[at].dests);
                rows[at] = Service { dests, ..service };
            }
            Err(_) => unseen.push(service),
        }
    }
    let keys: HashSet<Key> = unseen.iter().map(|service| service.key).collect();
    // The text does not tell the family of a mark: without servers, or with tunnels only, it was guessed. Another row that netlink
    // does not know (it always tells flags) stays: one of the two dumps raced a writer.
    rows.retain(|row| match row.key {
        Key::Fwmark { mark, ipv6 } if row.sched_flags.is_none() => {
            !keys.contains(&Key::Fwmark { mark, ipv6: !ipv6 })
        }
        _ => true,
    });
    rows.append(&mut unseen);
    keys
}

/// A listing of `ipvsadm -Ln`, saved rules, or a copy of `/proc/net/ip_vs`.
fn saved(path: &Path, wanted: &dyn Fn(&Key) -> bool) -> Result<Table, Problem> {
    let text = text(path)?;
    if text.trim().is_empty() {
        let why = "is empty, and a listing of an empty table is not: it has a header";
        return Err(no_data(format!("{} {why}", path.display())));
    }
    let from_rules = text.lines().take(MAX_LINE).any(|line| line.starts_with("-A "));
    let (size, services) = if from_rules {
        (None, ipvsadm::rules(&text).map_err(|error| error.to_string()))
    } else {
        match proc::table(&text) {
            Ok(table) => (table.size, Ok(table.services)),
            // Only the listing's own complaint is of interest: the kernel's text is never edited.
            Err(_) => (None, ipvsadm::table(&text).map_err(|error| error.to_string())),
        }
    };
    let services = services.map_err(|error| no_data(format!("{}: {error}", path.display())))?;
    let mut table = Table { source: Source::Text, size: size.map(u64::from), ..Table::of(services) };
    // Rules hold no connections.
    table.conns = table.conns.filter(|_| !from_rules);
    table.services.retain(|service| wanted(&service.key));
    tidy(&mut table.services);
    Ok(table)
}

/// A whole file; `-` is not special, use `/dev/stdin`.
pub(crate) fn text(path: &Path) -> Result<String, Problem> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(TEXT_MAX).read_to_string(&mut text))
        .map_err(|error| no_data(format!("cannot read {}: {error}", path.display())))?;
    Ok(text)
}

fn no_data(text: String) -> Problem {
    Problem::new(&fault::NO_DATA, text)
}

/// What two looks saw together, in the words of the second. A dump that races a writer leaves out rows that were there all the time (seen
/// with 5 of 1000 services); what is in neither is missing indeed.
fn both(mut first: Table, mut second: Table) -> Table {
    second.services.append(&mut first.services);
    tidy(&mut second.services);
    second
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_wire::ip_vs::Dest;

    fn service(port: u16, dests: &[&str]) -> Service {
        let address = format!("192.0.2.1:{port}").parse().expect("an address");
        let mut service = Service::new(Key::tcp(address), "rr");
        service.dests = dests.iter().map(|dest| Dest::new(dest.parse().expect("an address"))).collect();
        service
    }

    #[test]
    fn a_row_that_one_of_two_looks_saw_is_there() {
        let first =
            Table { services: vec![service(80, &["192.0.2.7:80"]), service(81, &[])], ..Table::default() };
        let second = Table { services: vec![service(80, &["192.0.2.8:80"])], ..Table::default() };
        let merged = both(first, second);
        assert_eq!(merged.services.len(), 2);
        assert_eq!(merged.services[0].dests.len(), 2);
    }

    #[test]
    fn servers_of_the_text_are_joined_to_the_services_of_netlink() {
        let mark = |mark, ipv6| Service::new(Key::Fwmark { mark, ipv6 }, "rr");
        let told = |service| Service { sched_flags: Some(0), ..service };
        // The text takes the marks 7 and 8 for IPv4, because they have no servers.
        let mut rows = vec![service(80, &["192.0.2.7:80"]), service(81, &[]), mark(7, false), mark(8, false)];
        let mut known = service(80, &[]);
        known.scheduler = "wlc".to_owned();
        let all = [known, mark(7, true), mark(8, false), mark(8, true), service(82, &[])];
        let unseen = join(&mut rows, all.into_iter().map(told));
        tidy(&mut rows);
        let names: Vec<String> =
            rows.iter().map(|s| format!("{} {} {}", s.key, s.scheduler, s.dests.len())).collect();
        assert_eq!(
            names,
            [
                "TCP 192.0.2.1:80 wlc 1",
                "TCP 192.0.2.1:81 rr 0",
                "TCP 192.0.2.1:82 rr 0",
                "FWM 7 IPv6 rr 0",
                "FWM 8 rr 0",
                "FWM 8 IPv6 rr 0"
            ]
        );
        let mut unseen: Vec<String> = unseen.iter().map(ToString::to_string).collect();
        unseen.sort();
        assert_eq!(unseen, ["FWM 7 IPv6", "FWM 8 IPv6", "TCP 192.0.2.1:82"]);
    }

    #[test]
    fn without_ipvs_nothing_is_asked() {
        let place = Place { proc: PathBuf::from("/nonexistent"), text: None };
        let deadline = Deadline::after(std::time::Duration::from_secs(1));
        let wish = Wish::rows(&|_| true);
        let problem = place.read(wish, deadline).expect_err("absent");
        assert_eq!(problem.fault.code, "E-IPVS-ABSENT");
    }
}
