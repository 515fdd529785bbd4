//! `check_squid`: hit ratios that are true, and the health of the process behind them.

use std::net::SocketAddr;

use clap::Args;
use weir_cli::{Check, Common, Limits};
use weir_contract::{Field, Outcome, Problem, Range, Thresholds};
use weir_probe::state::StateFile;
use weir_probe::{Probe, block_on, every_address};
use weir_wire::squid::Page;

use crate::derived::derive;
use crate::fields;
use crate::judge::{Wishes, judge};
use crate::measure::{Report, measure};
use crate::memory::Memory;
use crate::options::{SquidArgs, Window};

const SERVICE: &str = "SQUID";

/// The options of `check_squid`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    squid: SquidArgs,

    /// The span of time that ratios are about.
    #[arg(long, value_name = "SPAN", default_value = "5min", help_heading = "Squid")]
    window: Window,

    /// Ratios and service times are judged only when the span has this many requests.
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Squid")]
    min_requests: u32,

    /// Count the connections of clients too: a long page on a busy proxy.
    #[arg(long, help_heading = "Squid")]
    client_connections: bool,

    #[command(flatten)]
    limits: Limits,
}

/// `check_squid`
#[derive(Debug)]
pub struct CheckSquid;

impl CheckArgs {
    fn thresholds(&self, field: &'static Field) -> Thresholds {
        self.limits.of(field, fields::ALL, defaults(field))
    }

    /// The counters come first: what we ask after them is counted behind them.
    fn pages(&self, has_memory: bool) -> Vec<Page> {
        let window = match self.window {
            Window::Sixty => Some(Page::SixtyMinutes),
            Window::Last if has_memory => None,
            Window::Five | Window::Last => Some(Page::FiveMinutes),
        };
        let clients = self.client_connections.then_some(Page::ClientList);
        let always = [Page::Info, Page::StoreDir, Page::ServerList];
        [Page::Counters].into_iter().chain(window).chain(always).chain(clients).collect()
    }
}

/// Thresholds that need no knowledge of the place. Ratios of hits have none: what is good depends on what is served.
pub(crate) fn defaults(field: &Field) -> Thresholds {
    let above = |warning: f64, critical: f64| Thresholds {
        warning: Some(Range::above(warning)),
        critical: Some(Range::above(critical)),
    };
    match field.id {
        "error_ratio" => above(5.0, 25.0),
        "hit_time" => above(0.5, 2.0),
        "miss_time" => above(5.0, 15.0),
        "dns_time" => above(1.0, 5.0),
        "fds" => above(80.0, 95.0),
        // Squid itself keeps a directory below cache_swap_high, 95 %.
        "swap_used" => above(97.0, 99.5),
        "fs_used" => above(90.0, 98.0),
        "cpu" => above(85.0, 97.0),
        "icp_acked" => Thresholds { warning: Some(Range::below(50.0)), critical: None },
        // A restart is seen for five minutes.
        "uptime" => Thresholds { warning: Some(Range::below(300.0)), critical: None },
        _ => Thresholds::default(),
    }
}

impl Check for CheckSquid {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check a Squid cache: hit ratios, errors, service times, descriptors, disks, peers.\n\n\
        Asks the cache manager (Squid 2.6 to 7) over one connection. Ratios are over Squid's last 5 or 60 minutes or since the last \
        run, without our own requests, and are judged only when there was enough traffic. A page that is not Squid's, such as an \
        origin's behind it, is told from one that is.";
    const EXAMPLES: &'static str = "  Is the cache well? With built-in thresholds for all but the hit ratios:\n    \
        check_squid -H cache.example.net\n  \
        At least 60 % of requests and 40 % of bytes from the cache, over the last hour:\n    \
        check_squid -H cache.example.net --window 60min -w 60: -c 30: -w byte_hit_ratio=40:\n  \
        An accelerator with a cachemgr_passwd, exact ratios since the last run:\n    \
        check_squid -H www.example.net -p 80 --password-file /etc/weir/squid --window last";
    const FIELDS: &'static [&'static Field] = fields::ALL;
    type Args = CheckArgs;

    fn validate(args: &CheckArgs) -> Result<(), Problem> {
        args.limits.check(fields::ALL)
    }

    fn thresholds(args: &CheckArgs) -> Vec<(&'static Field, Thresholds)> {
        fields::ALL.iter().map(|field| (*field, args.thresholds(field))).collect()
    }

    fn run(args: &CheckArgs, common: &Common) -> Outcome {
        block_on(check(args, common))
            .and_then(|result| result)
            .unwrap_or_else(|problem| Outcome::failed(SERVICE, args.squid.subject(), problem))
    }
}

async fn check(args: &CheckArgs, common: &Common) -> Result<Outcome, Problem> {
    let probe = args.squid.net.probe(common);
    let target = args.squid.target()?;
    let addresses = probe.resolve(&args.squid.host, args.squid.port).await?;
    let target = &target;
    let one = async |probe: &Probe, address: SocketAddr| {
        let mut outcome = Outcome::new(SERVICE, args.squid.subject());
        let state = args.squid.state("check_squid", address);
        let memory = state.as_ref().ok().and_then(StateFile::load).and_then(|text| Memory::decode(&text));
        let mut report = Report::default();
        let pages = args.pages(memory.is_some());
        let result = measure(probe, target, address, args.squid.way(), &pages, &mut report).await;
        let (derived, memory) = derive(&report, memory, args.window);
        let thresholds = |field| args.thresholds(field);
        let wishes =
            Wishes { thresholds: &thresholds, min_requests: args.min_requests.into(), window: args.window };
        if let Err(problem) = result {
            outcome.findings.push(problem.into());
        }
        judge(&mut outcome, &report, &derived, &wishes);
        // Without a memory only what is a difference is missing: that is no reason to fail.
        if let Err(why) = remember(state, memory.as_ref()) {
            outcome.details.push(why);
        }
        // Before the addresses that serve are counted.
        common.override_states(&mut outcome);
        outcome
    };
    Ok(every_address(probe, &addresses, args.squid.net.addresses, one).await)
}

/// Saves what the next run shall know.
fn remember(state: Result<StateFile, Problem>, memory: Option<&Memory>) -> Result<(), String> {
    let file = state.map_err(|problem| problem.to_string())?;
    let Some(memory) = memory else { return Ok(()) };
    file.save(&memory.encode())
        .map_err(|error| format!("cannot remember this run in {}: {error}", file.path().display()))
}
