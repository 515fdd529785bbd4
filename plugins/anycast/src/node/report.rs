//! The facts of one node: for each service address what the kernel, the service and the routing daemon say.

use std::net::IpAddr;

use weir_contract::{Outcome, Problem};
use weir_probe::Probe;
use weir_wire::bgp::Prefix;
use weir_wire::rtnetlink::Way;

use super::Args;
use crate::daemon::Announcement;
use crate::identity::{Identity, means};
use crate::kernel;

/// All that was seen. `None` is what was not asked, or not yet.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The name of this node.
    pub(super) node: String,
    pub(super) services: Vec<Service>,
    /// Phases and transcript of the questions to the services.
    pub(super) trace: Outcome,
}

/// One service address.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) address: IpAddr,
    pub(super) prefix: Prefix,
    /// The kernel's way to the service address.
    pub(super) way: Result<Way, Problem>,
    /// What the service said, in the order of `--identity`; empty when the address is not here, for then another node would
    /// have been asked.
    pub(super) said: Vec<(String, Result<Identity, Problem>)>,
    /// What the daemon said.
    pub(super) announcement: Result<Announcement, Problem>,
    /// Addresses of this family to which the kernel has no way, with what it would do.
    pub(super) unreached: Vec<(IpAddr, Way)>,
}

impl Service {
    /// `v4` or `v6`: there is rarely more than one service address of a family; where there is, the address itself.
    pub(super) fn instance(&self, all: &[Self]) -> String {
        let family = |service: &&Self| service.address.is_ipv4() == self.address.is_ipv4();
        match (all.iter().filter(family).count(), self.address.is_ipv4()) {
            (1, true) => "v4".to_owned(),
            (1, false) => "v6".to_owned(),
            _ => self.address.to_string(),
        }
    }

    /// Whether the service answers as `node`, in every way that was asked.
    pub(super) fn healthy(&self, node: &str) -> bool {
        let well = |identity: &Identity| {
            identity.error.is_none() && identity.name.as_deref().is_some_and(|name| means(name, node))
        };
        !self.said.is_empty() && self.said.iter().all(|(_, said)| said.as_ref().is_ok_and(well))
    }
}

impl Report {
    pub(super) fn new(args: &Args) -> Self {
        let service = |address: &IpAddr| Service {
            address: *address,
            prefix: args.prefix_of(*address),
            way: kernel::way_to(*address),
            said: Vec::new(),
            announcement: Ok(Announcement::default()),
            unreached: Vec::new(),
        };
        Self {
            node: args.node(),
            services: args.services.iter().map(service).collect(),
            trace: Outcome::default(),
        }
    }

    /// Asks the service, then the daemon. The daemon is asked last: what it says must not be older than the verdict on the
    /// service, or a withdrawal in between would look like a black hole.
    pub(super) async fn measure(&mut self, probe: &Probe, args: &Args) {
        let page = args.page();
        let mut waiting = u32::try_from(self.services.len()).unwrap_or(1).max(1);
        for service in &mut self.services {
            if service.way == Ok(Way::Local) {
                for ask in &args.identity {
                    // A service that swallows questions must leave time to ask the daemon.
                    let probe = probe.fork_within(probe.deadline.remaining() / 2);
                    let said = ask.ask(&probe, service.address, &page).await;
                    probe.finish(&mut self.trace);
                    service.said.push((ask.to_string(), said));
                }
            }
            for target in args.reach.iter().filter(|t| t.is_ipv4() == service.address.is_ipv4()) {
                match kernel::way_to(*target) {
                    Ok(Way::Unicast(..) | Way::Local) | Err(_) => {}
                    Ok(way) => service.unreached.push((*target, way)),
                }
            }
            // A daemon that hangs must leave time to say so, and to look at the other addresses.
            let probe = probe.fork_within(probe.deadline.remaining() / waiting * 9 / 10);
            waiting = (waiting - 1).max(1);
            service.announcement = args.daemon.announcement(&probe, service.prefix, &args.reach).await;
            probe.finish(&mut self.trace);
            if let (Ok(announcement), false) = (&mut service.announcement, args.session.is_empty()) {
                announcement.exports.retain(|export| args.session.contains(&export.session.name));
            }
        }
    }
}
