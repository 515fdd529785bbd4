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

/// Fetches `pages` into `report`, the counters first so that later requests of ours fall behind them.
///
/// # Errors
/// The first page that cannot be had; what came before it is in the report.
pub(crate) async fn measure(
    probe: &Probe,
    target: &Target,
    address: SocketAddr,
    source: Source,
    pages: &[Page],
    report: &mut Report,
) -> Result<(), Problem> {
    let dialects: &[Dialect] = match source {
        Source::Auto => &[Dialect::Internal, Dialect::CacheObject],
        Source::Manager => &[Dialect::Internal],
        Source::CacheObject => &[Dialect::CacheObject],
    };
    let mut first_problem = None;
    for dialect in dialects {
        let mut manager = Manager::new(probe, target, address, *dialect);
        let result = fetch(&mut manager, pages, report).await;
        report.own.requests += manager.requests as f64;
        report.own.kbytes += manager.bytes as f64 / 1024.0;
        match result {
            // Squid that does not know the path may be older than 3.2: ask in the old way.
            Err(problem) if problem.fault.code == fault::SQUID_PAGE.code && report.counters.is_none() => {
                first_problem.get_or_insert(problem);
            }
            // The old way failed too: what the new one said is of more use.
            Err(problem) => return Err(first_problem.unwrap_or(problem)),
            Ok(()) => return Ok(()),
        }
    }
    first_problem.map_or(Ok(()), Err)
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
