//! From Squid's pages to facts.

use std::net::SocketAddr;

use weir_contract::{Problem, fault};
use weir_probe::Probe;
use weir_probe::squid::{Dialect, Manager, Target};
use weir_wire::squid::{Averages, Clients, Counters, Info, Page, PageError, Peer, Store};

use crate::options::Source;
use crate::traffic::Own;

/// What a run has learnt; filled in as far as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) counters: Option<Counters>,
    pub(crate) averages: Option<Averages>,
    pub(crate) info: Option<Info>,
    pub(crate) store: Option<Store>,
    pub(crate) peers: Option<Vec<Peer>>,
    pub(crate) clients: Option<Clients>,
    /// What this run asked for, the reading of the counters included.
    pub(crate) own: Own,
}

/// By which voices Squid may be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'a> {
    pub(crate) source: Source,
    /// Port and community of the SNMP agent.
    pub(crate) snmp: Option<(u16, &'a str)>,
}

/// Asks Squid, and fills `report`. With `auto` the next voice is tried where the one before cannot serve.
///
/// # Errors
/// What the first voice said; what was learnt before is in the report.
pub(crate) async fn measure(
    probe: &Probe,
    target: &Target,
    address: SocketAddr,
    way: Way<'_>,
    pages: &[Page],
    report: &mut Report,
) -> Result<(), Problem> {
    let asked = match way.source {
        Source::Manager => manager(probe, target, address, Dialect::Internal, pages, report).await,
        Source::CacheObject => manager(probe, target, address, Dialect::CacheObject, pages, report).await,
        Source::Snmp => return snmp(probe, address, way.snmp.unwrap_or(SNMP_DEFAULT), report).await,
        Source::Auto => {
            let first = manager(probe, target, address, Dialect::Internal, pages, report).await;
            match first {
                // Squid that does not know the path may be older than 3.2. If the old way fails too, what the new one said is of more use.
                Err(problem) if problem.fault.code == fault::SQUID_PAGE.code && report.counters.is_none() => {
                    let old = manager(probe, target, address, Dialect::CacheObject, pages, report).await;
                    old.map_err(|_| problem)
                }
                result => result,
            }
        }
    };
    match (asked, way) {
        (Err(problem), Way { source: Source::Auto, snmp: Some(agent) }) if report.counters.is_none() => {
            snmp(probe, address, agent, report).await.map_err(|_| problem)
        }
        (asked, _) => asked,
    }
}

/// Squid's usual port and community.
const SNMP_DEFAULT: (u16, &str) = (3401, "public");

async fn snmp(
    probe: &Probe,
    mut address: SocketAddr,
    (port, community): (u16, &str),
    report: &mut Report,
) -> Result<(), Problem> {
    address.set_port(port);
    crate::snmp::measure(probe, address, community, report).await
}

/// Fetches `pages`, the counters first so that later requests of ours fall behind them.
async fn manager(
    probe: &Probe,
    target: &Target,
    address: SocketAddr,
    dialect: Dialect,
    pages: &[Page],
    report: &mut Report,
) -> Result<(), Problem> {
    let mut manager = Manager::new(probe, target, address, dialect);
    let result = fetch(&mut manager, pages, report).await;
    report.own.requests += manager.requests as f64;
    report.own.kbytes += manager.bytes as f64 / 1024.0;
    result
}

async fn fetch(manager: &mut Manager<'_>, pages: &[Page], report: &mut Report) -> Result<(), Problem> {
    for page in pages {
        let body = manager.page(*page).await?;
        report.read(*page, &body).map_err(|error| {
            let fault = if matches!(error, PageError::Truncated { .. }) {
                &fault::SQUID_TRUNCATED
            } else {
                &fault::SQUID_NOT
            };
            Problem::new(fault, error.to_string())
        })?;
    }
    Ok(())
}

impl Report {
    fn read(&mut self, page: Page, body: &str) -> Result<(), PageError> {
        match page {
            Page::Counters => self.counters = Some(Counters::parse(body)?),
            Page::Info => self.info = Some(Info::parse(body)?),
            Page::FiveMinutes | Page::SixtyMinutes => self.averages = Some(Averages::parse(page, body)?),
            Page::StoreDir => self.store = Some(Store::parse(body)?),
            Page::ServerList => self.peers = Some(Peer::parse_list(body)?),
            Page::ClientList => self.clients = Some(Clients::parse(body)?),
        }
        Ok(())
    }
}
