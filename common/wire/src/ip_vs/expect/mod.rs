//! What a table is expected to be, from the files of those who manage it: saved rules of `ipvsadm`, `keepalived.conf`,
//! `ldirectord.cf`, and the rules of the older TCP dispatchers.
//!
//! Parsers see only text. What else they need (included files, names) they ask [`Surroundings`] for. They are as lenient
//! as the managers themselves are, and keep a [`note`](Expectation::notes) of everything that they could not take into account.

mod dispatcher;
mod keepalived;
mod ldirectord;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use super::{Forward, Key, Persistence, Protocol, Service, Tunnel, ipvsadm};

/// The largest file, and all included files together.
pub const MAX_TEXT: usize = 4 << 20;
/// How deep files may include one another, and parameters name one another.
pub const MAX_DEPTH: usize = 16;
/// The most lines after parameters have been replaced.
pub const MAX_LINES: usize = 200_000;
/// The most addresses of one range: a range of a whole /16 is a slip of the pen.
pub const MAX_RANGE: u32 = 4096;
/// The most services, and the most servers of all services together.
pub const MAX_EXPECTED: usize = 100_000;
/// The most notes that are kept.
const MAX_NOTES: usize = 20;

/// Who writes the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Nobody: the rules were loaded once.
    Rules,
    /// keepalived.
    Keepalived,
    /// ldirectord.
    Ldirectord,
    /// A TCP dispatcher with rules `TYPE|VIP|vport|sport|flag|match|server|...`.
    Dispatcher,
}

impl Manager {
    /// What the file is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rules => "ipvsadm rules",
            Self::Keepalived => "keepalived.conf",
            Self::Ldirectord => "ldirectord.cf",
            Self::Dispatcher => "dispatcher rules",
        }
    }

    /// Tells by the content whose file it is.
    pub fn of(text: &str) -> Option<Self> {
        let lines = || text.lines().map(str::trim_start).filter(|line| !line.is_empty());
        let told = lines().find_map(|line| {
            // A condition or a parameter of keepalived's; none of the others has them.
            let ours = line.starts_with(['@', '$']) && !line.contains('|');
            match line.split(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default() {
                "-A" | "-a" | "--add-service" | "--add-server" => Some(Self::Rules),
                "virtual" | "virtual6" => Some(Self::Ldirectord),
                word if ours || keepalived::begins(word) => Some(Self::Keepalived),
                _ => None,
            }
        });
        let rule = |line: &str| line.matches('|').count() >= dispatcher::FIELDS_MIN - 1;
        told.or_else(|| {
            lines().find(|line| !line.starts_with('#')).filter(|line| rule(line)).map(|_| Self::Dispatcher)
        })
    }
}

/// What happens to the row of a server that fails its health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenDown {
    /// Nobody checks it: the row stays as it is.
    Stays,
    /// The row stays with weight 0.
    Weightless,
    /// The row goes.
    Removed,
}

/// A server that shall be in the table. What is `None` is not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Address and port.
    pub address: SocketAddr,
    /// Its weight while it is up.
    pub weight: Option<u32>,
    /// How packets reach it.
    pub forward: Option<Forward>,
    /// The tunnel.
    pub tunnel: Option<Tunnel>,
    /// Upper threshold.
    pub upper: Option<u32>,
    /// Lower threshold.
    pub lower: Option<u32>,
    /// What its absence means.
    pub when_down: WhenDown,
}

/// A service that shall be in the table. What is `None` is not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Which.
    pub key: Key,
    /// The scheduler.
    pub scheduler: Option<String>,
    /// The scheduler's flags.
    pub sched_flags: Option<u8>,
    /// Whether each packet is scheduled anew.
    pub one_packet: Option<bool>,
    /// Persistence, or that there is none.
    pub persistence: Option<Option<Persistence>>,
    /// The persistence engine, or that there is none.
    pub engine: Option<Option<String>>,
    /// The servers.
    pub servers: Vec<Server>,
    /// The server that says sorry when all others are down.
    pub sorry: Option<SocketAddr>,
}

/// A synchronisation daemon that shall run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedDaemon {
    /// Its interface.
    pub interface: String,
    /// Its number.
    pub sync_id: Option<u32>,
}

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Whose file it is.
    pub manager: Manager,
    /// The services, in the order of the file.
    pub services: Vec<Expected>,
    /// The synchronisation daemon.
    pub daemon: Option<ExpectedDaemon>,
    /// Timeouts of TCP, TCP after FIN and UDP in seconds; 0 for one that the file does not name.
    pub timeouts: Option<[u32; 3]>,
    /// What could not be taken into account, each with its place.
    pub notes: Vec<String>,
    /// Services of the file that cannot be compared with a table of addresses.
    pub uncompared: Vec<Key>,
    /// Why a part of the file is not here, with its place: what the table holds and this does not may stand there.
    pub lacks: Option<String>,
}

impl Expectation {
    const fn new(manager: Manager) -> Self {
        Self {
            manager,
            services: Vec::new(),
            daemon: None,
            timeouts: None,
            notes: Vec::new(),
            uncompared: Vec::new(),
            lacks: None,
        }
    }

    fn note(&mut self, place: &str, text: &str) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(format!("{place}: {text}"));
        }
    }
}

/// Why nothing can be made of a file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place}: {why}")]
pub struct ExpectError {
    /// `file:line`
    pub place: String,
    /// What is wrong.
    pub why: String,
}

/// What lies around a file.
pub trait Surroundings {
    /// The files that match `pattern`, seen from the file `from`, as pairs of name and text.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn include(&mut self, pattern: &str, from: &str) -> Result<Vec<(String, String)>, String>;

    /// The addresses of a name; none when it does not exist.
    fn addresses(&mut self, name: &str) -> Vec<IpAddr>;

    /// The port of a service's name.
    fn port(&mut self, name: &str, protocol: Protocol) -> Option<u16>;
}

/// Reads the file `name` of whatever kind. `config_id` selects the conditional lines of a `keepalived.conf`
/// (`keepalived -i`).
///
/// # Errors
/// A kind that is not known, or a line that cannot be read.
pub fn parse(
    name: &str,
    text: &str,
    config_id: Option<&str>,
    surroundings: &mut dyn Surroundings,
) -> Result<Expectation, ExpectError> {
    let error = |why: &str| ExpectError { place: name.to_owned(), why: why.to_owned() };
    if text.len() > MAX_TEXT {
        return Err(error("the file is too large"));
    }
    let manager = Manager::of(text).ok_or(error(
        "neither rules of ipvsadm -Sn, nor keepalived.conf, ldirectord.cf or dispatcher rules",
    ))?;
    let expectation = match manager {
        Manager::Rules => rules(name, text)?,
        Manager::Keepalived => keepalived::parse(name, text, config_id, surroundings)?,
        Manager::Ldirectord => ldirectord::parse(name, text, surroundings)?,
        Manager::Dispatcher => dispatcher::parse(name, text, surroundings)?,
    };
    if expectation.services.iter().map(|s| 1 + s.servers.len()).sum::<usize>() > MAX_EXPECTED {
        return Err(error("the file names too many servers"));
    }
    Ok(expectation)
}

fn rules(name: &str, text: &str) -> Result<Expectation, ExpectError> {
    let services = ipvsadm::rules(text).map_err(|error| ExpectError {
        place: format!("{name}:{}", error.line),
        why: format!("{} ({})", error.why, error.text),
    })?;
    let services = services.into_iter().map(saved).collect();
    Ok(Expectation { services, ..Expectation::new(Manager::Rules) })
}

/// A saved service. Rules carry thresholds only when a person wrote them.
fn saved(service: Service) -> Expected {
    let server = |dest: super::Dest| Server {
        address: dest.address(),
        weight: Some(dest.weight),
        forward: Some(dest.forward),
        tunnel: dest.told().tunnel,
        upper: dest.told().upper,
        lower: dest.told().lower,
        when_down: WhenDown::Stays,
    };
    Expected {
        key: service.key,
        scheduler: Some(service.scheduler),
        sched_flags: service.sched_flags,
        one_packet: Some(service.one_packet),
        persistence: Some(service.persistence),
        engine: Some(service.engine),
        servers: service.dests.into_iter().map(server).collect(),
        sorry: None,
    }
}

/// The addresses from `first` to `last`; none when that is no sane range.
fn range(first: IpAddr, last: IpAddr) -> Option<Vec<IpAddr>> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let (first, last) = (u32::from(first), u32::from(last));
            (first <= last && last - first < MAX_RANGE)
                .then(|| (first..=last).map(|ip| std::net::Ipv4Addr::from(ip).into()).collect())
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            let (first, last) = (u128::from(first), u128::from(last));
            (first <= last && last - first < u128::from(MAX_RANGE))
                .then(|| (first..=last).map(|ip| std::net::Ipv6Addr::from(ip).into()).collect())
        }
        _ => None,
    }
}
