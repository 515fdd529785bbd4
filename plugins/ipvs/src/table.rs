//! The director's table, from the best source that this user may read.

use std::path::{Path, PathBuf};

use weir_contract::{Problem, fault};
use weir_probe::Deadline;
use weir_wire::ip_vs::netlink::{self as codec, Timeouts};
use weir_wire::ip_vs::{Daemon, Key, MAX_LINE, Service, deduplicate, ipvsadm, proc};

use crate::netlink::{Error, Ipvs};

/// A text table is read up to here: 10,000 destinations take 0.6 MB.
const TEXT_MAX: u64 = 64 << 20;

/// Where a table came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The kernel, by netlink: everything.
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
    /// Connections in it, where the kernel tells (from 7.0 on).
    pub conns: Option<u64>,
    /// Synchronisation daemons as configured; `None` when the source does not tell.
    pub daemons: Option<Vec<Daemon>>,
    /// Timeouts; `None` when the source does not tell.
    pub timeouts: Option<Timeouts>,
    /// Packets per second from clients, for all services.
    pub packet_rate: Option<u64>,
    /// Whether the kernel's estimator stands still: counters and rates are then stale.
    pub frozen: bool,
    /// What is missing and why.
    pub notes: Vec<String>,
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

    /// Reads the table, with the destinations of the services that `wanted` selects.
    ///
    /// The kernel's module is never loaded by this: without `/proc/net/ip_vs` nothing else is asked.
    ///
    /// # Errors
    /// E-IPVS-ABSENT without IPVS; E-NO-DATA for what cannot be read.
    pub fn read(&self, wanted: &dyn Fn(&Key) -> bool, deadline: Deadline) -> Result<Table, Problem> {
        if let Some(path) = &self.text {
            return saved(path, wanted);
        }
        let path = self.net("ip_vs");
        if !path.exists() {
            let text = format!("the kernel has no IPVS loaded ({} does not exist)", path.display());
            return Err(Problem::new(&fault::IPVS_ABSENT, text));
        }
        let mut table = match kernel(wanted, deadline) {
            Ok(table) => table,
            Err(error) => {
                let mut table = proc_table(&path, wanted)?;
                table.notes.push(if error.is_permission() {
                    "read from /proc: no counters, thresholds, flags or daemons without CAP_NET_ADMIN"
                        .to_owned()
                } else {
                    format!("read from /proc, because {error}")
                });
                table
            }
        };
        let sysctl = self.proc.join("sys/net/ipv4/vs/run_estimation");
        table.frozen = std::fs::read_to_string(sysctl).is_ok_and(|text| text.trim() == "0");
        if table.frozen {
            table.notes.push("net.ipv4.vs.run_estimation is 0: the kernel's counters stand still".to_owned());
            for service in &mut table.services {
                service.stats = None;
                for dest in &mut service.dests {
                    dest.stats = None;
                }
            }
        }
        if let Ok(text) = std::fs::read_to_string(self.net("ip_vs_status")) {
            let status = proc::status(&text);
            table.conns = status.conns;
            table.size = status.buckets.or(table.size);
        }
        table.packet_rate = self.packet_rate().filter(|_| !table.frozen);
        deduplicate(&mut table.services);
        table.services.sort_by_key(|service| service.key);
        for service in &mut table.services {
            service.dests.sort_by_key(|dest| dest.address);
        }
        Ok(table)
    }

    /// A second look, at what a first one did not see. Also by the other interface, which walks the table in other steps: the rows
    /// at the end of a step are those that get lost.
    ///
    /// # Errors
    /// As of [`read`](Self::read).
    pub fn read_again(
        &self,
        first: Table,
        wanted: &dyn Fn(&Key) -> bool,
        deadline: Deadline,
    ) -> Result<Table, Problem> {
        let second = self.read(wanted, deadline)?;
        let other = proc_table(&self.net("ip_vs"), wanted)?;
        Ok(both(first, both(other, second)))
    }

    /// The kernel's moving average over all services, in the last line of `ip_vs_stats`.
    fn packet_rate(&self) -> Option<u64> {
        let text = text(&self.net("ip_vs_stats")).ok()?;
        u64::from_str_radix(
            text.lines().rfind(|line| !line.trim().is_empty())?.split_whitespace().nth(1)?,
            16,
        )
        .ok()
    }
}

/// What every user may read.
fn proc_table(path: &Path, wanted: &dyn Fn(&Key) -> bool) -> Result<Table, Problem> {
    let text = text(path)?;
    let mut read = proc::table(&text).map_err(|error| no_data(format!("{}: {error}", path.display())))?;
    read.services.retain(|service| wanted(&service.key));
    Ok(Table { services: read.services, size: read.size.map(u64::from), ..Table::default() })
}

/// Everything by netlink.
fn kernel(wanted: &dyn Fn(&Key) -> bool, deadline: Deadline) -> Result<Table, Error> {
    let mut ipvs = Ipvs::open(deadline)?;
    let info = ipvs.all("its size", codec::get_info, codec::info)?;
    let services = ipvs.all("its services", codec::get_services, codec::service)?;
    let mut services: Vec<Service> = services.into_iter().flatten().filter(|s| wanted(&s.key)).collect();
    for service in &mut services {
        let ipv6 = service.key.is_ipv6();
        service.dests =
            ipvs.of("its servers", codec::get_dests, &service.key, |payload| codec::dest(payload, ipv6))?;
    }
    let daemons = ipvs.all("its synchronisation daemons", codec::get_daemons, codec::daemon)?;
    let timeouts = ipvs.all("its timeouts", codec::get_config, codec::timeouts)?;
    Ok(Table {
        source: Source::Netlink,
        services,
        size: info.first().map(|info| u64::from(info.table_size)),
        daemons: Some(daemons),
        timeouts: timeouts.first().copied(),
        ..Table::default()
    })
}

/// A listing of `ipvsadm -Ln`, saved rules, or a copy of `/proc/net/ip_vs`.
fn saved(path: &Path, wanted: &dyn Fn(&Key) -> bool) -> Result<Table, Problem> {
    let text = text(path)?;
    let from_rules = text.lines().take(MAX_LINE).any(|line| line.starts_with("-A "));
    let (size, services) = if from_rules {
        (None, ipvsadm::rules(&text).map_err(|error| error.to_string()))
    } else {
        match (proc::table(&text), ipvsadm::listing(&text)) {
            (Ok(table), _) => (table.size, Ok(table.services)),
            // Only the listing's own complaint is of interest: the kernel's text is never edited.
            (Err(_), listing) => (None, listing.map_err(|error| error.to_string())),
        }
    };
    let mut services = services.map_err(|error| no_data(format!("{}: {error}", path.display())))?;
    services.retain(|service| wanted(&service.key));
    deduplicate(&mut services);
    Ok(Table { source: Source::Text, services, size: size.map(u64::from), ..Table::default() })
}

/// A whole file; `-` is not special, use `/dev/stdin`.
pub(crate) fn text(path: &Path) -> Result<String, Problem> {
    use std::io::Read;
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
fn both(first: Table, mut second: Table) -> Table {
    for old in first.services {
        match second.services.iter_mut().find(|service| service.key == old.key) {
            Some(service) => {
                let missing: Vec<_> =
                    old.dests.into_iter().filter(|dest| service.dest(dest.address).is_none()).collect();
                service.dests.extend(missing);
            }
            None => second.services.push(old),
        }
    }
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
    fn without_ipvs_nothing_is_asked() {
        let place = Place { proc: PathBuf::from("/nonexistent"), text: None };
        let deadline = Deadline::after(std::time::Duration::from_secs(1));
        let problem = place.read(&|_| true, deadline).expect_err("absent");
        assert_eq!(problem.fault.code, "E-IPVS-ABSENT");
    }
}
