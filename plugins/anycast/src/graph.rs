//! `anycast_`: what the vantage point sees, drawn by Munin.

use anyhow::{Context, Result};
use weir_cli::{Check, Common, Env, Graphs, parse_options};
use weir_contract::{Field, Graph, Problem, Sample};
use weir_munin::{Link, Row, Section};

use crate::fleet::{self, FleetCheck};
use crate::vantage::{self, ALIVE, CHANGES, INFLATION, LOST, NODE_RTT, RTT, SHARE, VantageCheck};

static SHARE_GRAPH: Graph = Graph {
    id: "share",
    title: "who answers",
    vlabel: "% of source ports",
    category: "anycast",
    info: "Share of source ports that each node answers. More than one node at once means that some router balances between equal ways.",
    fields: &[&SHARE],
};
static RTT_GRAPH: Graph = Graph {
    id: "rtt",
    title: "round trips",
    vlabel: "ms",
    category: "anycast",
    info: "Round trip to the anycast address and to each node's own address, measured at the same time.",
    fields: &[&RTT, &NODE_RTT],
};
static INFLATION_GRAPH: Graph = Graph {
    id: "inflation",
    title: "inflation",
    vlabel: "ms",
    category: "anycast",
    info: "What users lose because routes do not know distances: round trip to the anycast address less that to the best node.",
    fields: &[&INFLATION],
};
static CHANGES_GRAPH: Graph = Graph {
    id: "changes",
    title: "changes and unanswered ports",
    vlabel: "changes, %",
    category: "anycast",
    info: "Changes of the answering node within the window, and the share of source ports without an answer.",
    fields: &[&CHANGES, &LOST],
};
static ANNOUNCERS_GRAPH: Graph = Graph {
    id: "announcers",
    title: "announcers",
    vlabel: "nodes",
    category: "anycast",
    info: "Nodes that answer at their own address, and announcers of each prefix as a router hears them.",
    fields: &[&ALIVE, &fleet::ANNOUNCERS],
};

/// `anycast_NAME`
pub struct AnycastGraphs {
    service: String,
    name: String,
    vantage: (vantage::Args, Common),
    fleet: Option<(fleet::Args, Common)>,
}

impl Graphs for AnycastGraphs {
    const HELP: &'static str = "Draws who answers at an anycast address, how far it is, and who announces it.

Link:
  anycast_NAME     NAME is any word for the service

Environment (plugin-conf.d):
  env.options      options of check_anycast, such as:
                   -H 192.0.2.53 --identity dns:www.example.net --node wix1=203.0.113.1 --node ape1=203.0.113.2
  env.fleet        options of check_anycast_fleet for the number of announcers; not drawn without, such as:
                   --daemon bird --prefix 192.0.2.0/24
  env.timeout      seconds for all of it, 10 by default

Warning and critical ranges among the options become Munin's.";

    fn new(link: &Link, env: &Env) -> Result<Self> {
        let timeout = env.timeout()?.as_secs_f64().to_string();
        let words = |text: &str| -> Vec<String> {
            ["--timeout", &timeout].into_iter().chain(text.split_whitespace()).map(str::to_owned).collect()
        };
        let options =
            env.get("options").context("env.options is missing: give it the options of check_anycast")?;
        let vantage = parse_options::<VantageCheck>(&words(options)).context("env.options")?;
        let fleet = env.get("fleet").map(|text| parse_options::<FleetCheck>(&words(text)));
        Ok(Self {
            service: link.service.clone(),
            name: link.instance.clone().unwrap_or_else(|| "anycast".to_owned()),
            vantage,
            fleet: fleet.transpose().context("env.fleet")?,
        })
    }

    fn sections(&self) -> Vec<Section> {
        let args = &self.vantage.0;
        let instances = args.instances();
        let nodes = || args.nodes.iter().map(|node| node.name.as_str());
        let own = || args.nodes.iter().filter(|node| node.address.is_some()).map(|node| node.name.as_str());
        let row = |field: &'static Field, instance: &str| Row {
            thresholds: args.limits(field),
            ..Row::new(field, instance)
        };
        let per_service =
            |field: &'static Field| instances.iter().map(move |i| row(field, i)).collect::<Vec<_>>();
        let shares =
            instances.iter().flat_map(|i| nodes().map(move |node| row(&SHARE, &vantage::join(i, node))));
        let mut round_trips = per_service(&RTT);
        round_trips.extend(own().map(|node| row(&NODE_RTT, node)));
        let mut changes = per_service(&CHANGES);
        changes.extend(per_service(&LOST));
        let mut announcers = Vec::new();
        if own().next().is_some() {
            announcers.push(row(&ALIVE, ""));
        }
        if let Some((fleet, _)) = &self.fleet {
            let row = |instance: String| Row {
                thresholds: fleet.limits(&fleet::ANNOUNCERS),
                ..Row::new(&fleet::ANNOUNCERS, instance)
            };
            announcers.extend(fleet.instances().into_iter().map(row));
        }
        let inflation = if own().next().is_some() { per_service(&INFLATION) } else { Vec::new() };
        [
            (&SHARE_GRAPH, shares.collect()),
            (&RTT_GRAPH, round_trips),
            (&INFLATION_GRAPH, inflation),
            (&CHANGES_GRAPH, changes),
            (&ANNOUNCERS_GRAPH, announcers),
        ]
        .into_iter()
        .filter(|(_, rows): &(_, Vec<Row>)| !rows.is_empty())
        .map(|(graph, rows)| {
            let parent = graph.id == SHARE_GRAPH.id;
            let name = if parent { self.service.clone() } else { format!("{}.{}", self.service, graph.id) };
            Section { rows, ..Section::new(name, graph, self.name.as_str()) }
        })
        .collect()
    }

    fn measure(&self, samples: &mut Vec<Sample>) -> Result<(), Problem> {
        let (args, common) = &self.vantage;
        samples.extend(VantageCheck::run(args, common).samples);
        if let Some((args, common)) = &self.fleet {
            samples.extend(FleetCheck::run(args, common).samples);
        }
        Ok(())
    }

    fn autoconf(_env: &Env) -> Result<(), String> {
        Err("name the service and its nodes in env.options".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_that_is_announced_has_a_sample_of_the_same_name() {
        let options = "-H 192.0.2.53 -H 2001:db8::53 --node wix1=203.0.113.1 --node ape1 -w inflation=0.03";
        let env = Env::from([("options", options)]);
        let link = Link { service: "anycast_dns".to_owned(), instance: Some("dns".to_owned()) };
        let graphs = AnycastGraphs::new(&link, &env).expect("fine");
        let config = weir_munin::config(&graphs.sections());
        for line in [
            "multigraph anycast_dns\n",
            "v4_wix1_share.draw AREASTACK",
            "v6_ape1_share.label",
            "multigraph anycast_dns.inflation\n",
            "v4_inflation.warning 0:30",
            "wix1_node_rtt.label",
            "alive.label",
        ] {
            assert!(config.contains(line), "{line} in {config}");
        }
        assert!(!config.contains("ape1_node_rtt"), "a node without an address of its own: {config}");
        assert!(
            AnycastGraphs::new(&link, &Env::from([])).is_err_and(|e| e.to_string().contains("env.options"))
        );
    }
}
