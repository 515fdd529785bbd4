//! The facts: who answered each source port and each question, how far each node is, and by which way.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use weir_contract::{Outcome, Problem};
use weir_probe::path::Path;
use weir_probe::{Probe, together};

use super::Args;
use crate::identity::{Ask, Identity, Page, means};

/// Questions that are under way at once.
const AT_ONCE: usize = 512;

/// All that was seen.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(super) services: Vec<Service>,
    /// Each node's round trip at its own address of the family of the first service; `None` when it did not answer.
    pub(super) nodes: Vec<Option<Duration>>,
    /// Phases and transcript.
    pub(super) trace: Outcome,
}

/// What was heard at one anycast address.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) address: IpAddr,
    /// The answers to the first question, one for each source port.
    pub(super) ports: Vec<Result<Identity, Problem>>,
    /// The answers to the further questions, in the order of `--identity`.
    pub(super) further: Vec<(String, Result<Identity, Problem>)>,
    pub(super) path: Option<Path>,
}

impl Service {
    /// How many ports each name answered, as the options write it; names that are not listed as they were told.
    pub(super) fn shares(&self, args: &Args) -> BTreeMap<String, usize> {
        let mut shares = BTreeMap::new();
        for identity in self.ports.iter().flatten() {
            *shares.entry(label(identity, args)).or_default() += 1;
        }
        shares
    }

    /// The node that most ports reach; of equals the first by name, so that two runs agree.
    pub(super) fn node(&self, args: &Args) -> Option<String> {
        let shares = self.shares(args);
        let most = shares.values().max().copied()?;
        shares.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name)
    }

    /// The fastest round trip of all ports.
    pub(super) fn rtt(&self) -> Option<Duration> {
        let ladder = self.path.as_ref().and_then(|path| path.rtt);
        self.ports.iter().flatten().map(|identity| identity.rtt).chain(ladder).min()
    }
}

/// The node that an answer means; what was told, when no node is meant; `(no name)` without any.
pub(super) fn label(identity: &Identity, args: &Args) -> String {
    let Some(told) = &identity.name else { return NO_NAME.to_owned() };
    let node = args.nodes.iter().find(|node| means(told, &node.name));
    node.map_or_else(|| told.clone(), |node| node.name.clone())
}

/// What stands for a node that tells no name.
pub(super) const NO_NAME: &str = "(no name)";

/// What one question among many brought.
enum Seen {
    Port(usize, Result<Identity, Problem>),
    Further(usize, String, Result<Identity, Problem>),
    Node(usize, Result<Identity, Problem>),
    Path(usize, Option<Path>),
}

type Work<'a> = Pin<Box<dyn Future<Output = (Seen, Probe)> + 'a>>;

impl Report {
    /// Asks everything at once, so that all round trips are of the same moment.
    pub(crate) async fn measure(&mut self, probe: &Probe, args: &Args) {
        let page = args.page();
        let new = |address: &IpAddr| Service {
            address: *address,
            ports: Vec::new(),
            further: Vec::new(),
            path: None,
        };
        self.services = args.services.iter().map(new).collect();
        self.nodes = vec![None; args.nodes.len()];
        let ladder = args.ladder().filter(|_| args.hops > 0);
        let mut work: Vec<Work> = Vec::new();
        for (index, address) in args.services.iter().enumerate() {
            let Some((first, further)) = args.identity.split_first() else { continue };
            for _ in 0..args.ports {
                work.push(ask(probe, first, *address, &page, move |said| Seen::Port(index, said)));
            }
            for other in further {
                work.push(ask(probe, other, *address, &page, move |said| {
                    Seen::Further(index, other.to_string(), said)
                }));
            }
            if let Some((name, port)) = &ladder {
                let (probe, server, hops) = (probe.fork(), (*address, *port).into(), args.hops);
                work.push(Box::pin(async move {
                    let path = probe.path(server, name, hops).await.ok();
                    (Seen::Path(index, path), probe)
                }));
            }
            // The nodes once, in the family of the first service.
            for (node, own) in args.nodes.iter().enumerate().filter_map(|(n, node)| Some((n, node.address?)))
            {
                if index == 0 {
                    work.push(ask(probe, first, own, &page, move |said| Seen::Node(node, said)));
                }
            }
        }
        for (seen, probe) in together(AT_ONCE, work).await {
            probe.finish(&mut self.trace);
            match seen {
                Seen::Port(service, said) => self.services[service].ports.push(said),
                Seen::Further(service, what, said) => self.services[service].further.push((what, said)),
                Seen::Node(node, said) => {
                    self.nodes[node] = said.ok().filter(|i| i.error.is_none()).map(|i| i.rtt);
                }
                Seen::Path(service, path) => self.services[service].path = path,
            }
        }
    }
}

fn ask<'a>(
    probe: &Probe,
    how: &'a Ask,
    address: IpAddr,
    page: &'a Page,
    seen: impl FnOnce(Result<Identity, Problem>) -> Seen + 'a,
) -> Work<'a> {
    let probe = probe.fork();
    Box::pin(async move {
        let said = how.ask(&probe, address, page).await;
        (seen(said), probe)
    })
}
