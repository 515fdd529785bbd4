//! `ipvs_`: what flows through the director, by service and by server.
//!
//! Counters are drawn as DERIVE from the kernel's 64-bit numbers. Services beyond the first N share one line, `other`: who is
//! among the first is remembered, because a line that moved in or out of `other` would draw a peak that never was.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use weir_cli::{Env, Graphs};
use weir_contract::{Draw, Field, Graph, Problem, Sample, Unit};
use weir_munin::{Link, Section};
use weir_probe::Deadline;
use weir_probe::state::StateFile;
use weir_wire::ip_vs::{Dest, Key, Service, Stats, address_id};

use crate::fields::{ACTIVE, INACTIVE, SERVERS, ZERO_WEIGHT};
use crate::names::{Names, Pattern};
use crate::table::{Place, Table, Wish};

/// Services with graphs of their own, unless `env.top` says otherwise.
const TOP: usize = 10;
/// The name of the line for all other services.
const OTHER: &str = "other";
/// A service that was not there in so many looks, two every five minutes, has gone for good: after a day.
const MISSED_MAX: u32 = 576;
/// The category of all graphs.
const CATEGORY: &str = "loadbalancer";

static CONNS: Field =
    Field::counter("conns", Unit::None, "new connections", "Connections scheduled, per second.")
        .drawn(Draw::Stack);
static IN_PACKETS: Field =
    Field::counter("in_packets", Unit::None, "packets in", "Packets from clients, per second.");
static OUT_PACKETS: Field = Field::counter(
    "out_packets",
    Unit::None,
    "packets out",
    "Packets to clients, per second; 0 where answers bypass the director.",
);
static IN_BYTES: Field =
    Field::counter("in_bytes", Unit::Bytes, "bytes in", "Bytes from clients, per second.");
static OUT_BYTES: Field = Field::counter(
    "out_bytes",
    Unit::Bytes,
    "bytes out",
    "Bytes to clients, per second; 0 where answers bypass the director.",
);
static WEIGHT: Field =
    Field::gauge("weight", Unit::None, "weight", "The weight of the server; 0 gets no new connections.");

static SERVICES_GRAPH: Graph = Graph {
    id: "conns",
    title: "new connections by service",
    vlabel: "connections per second",
    category: CATEGORY,
    info: "New connections of each virtual service; those beyond the first ones are one line.",
    fields: &[&CONNS],
};
static BYTES_GRAPH: Graph = Graph {
    id: "bytes",
    title: "traffic",
    vlabel: "bytes per second",
    category: CATEGORY,
    info: "Bytes of a virtual service as the director sees them; answers of direct routing and tunnels bypass it.",
    fields: &[&IN_BYTES, &OUT_BYTES],
};
static PACKETS_GRAPH: Graph = Graph {
    id: "packets",
    title: "packets",
    vlabel: "packets per second",
    category: CATEGORY,
    info: "Packets of a virtual service as the director sees them; answers of direct routing and tunnels bypass it.",
    fields: &[&IN_PACKETS, &OUT_PACKETS],
};
static POOL_GRAPH: Graph = Graph {
    id: "pool",
    title: "servers and connections",
    vlabel: "number",
    category: CATEGORY,
    info: "Connections that the director holds, and the servers that get new ones.",
    fields: &[&ACTIVE, &INACTIVE, &SERVERS, &ZERO_WEIGHT],
};
static SERVERS_GRAPH: Graph = Graph {
    id: "servers",
    title: "new connections by server",
    vlabel: "connections per second",
    category: CATEGORY,
    info: "How new connections are spread over the real servers.",
    fields: &[&CONNS],
};
static WEIGHTS_GRAPH: Graph = Graph {
    id: "weights",
    title: "weights",
    vlabel: "weight",
    category: CATEGORY,
    info: "The weights of the real servers, as health checks and staff have set them.",
    fields: &[&WEIGHT],
};

/// `ipvs_`
#[derive(Debug)]
pub struct IpvsGraphs {
    service: String,
    names: Names,
    table: Table,
    /// The names of the services, in the order of the table.
    ids: Vec<String>,
    top: Vec<String>,
}

impl IpvsGraphs {
    fn read(link: &Link, env: &Env, place: &Place) -> Result<Self> {
        let patterns: Vec<Pattern> = env
            .get("services")
            .into_iter()
            .flat_map(|text| text.split(','))
            .map(|text| text.parse().map_err(|error: String| anyhow!("env.services holds `{text}`: {error}")))
            .collect::<Result<_>>()?;
        let names = match env.get("names") {
            Some(path) => Names::read(Path::new(path), false).context("env.names")?,
            None => Names::default(),
        };
        let wanted =
            |key: &Key| patterns.is_empty() || patterns.iter().any(|pattern| pattern.selects(key, &names));
        let memory = env
            .get("MUNIN_PLUGSTATE")
            .map(|folder| StateFile::in_folder(&PathBuf::from(folder), "ipvs_", &link.service));
        let before = memory.as_ref().and_then(StateFile::load).unwrap_or_default();
        let count = env.parse("top", TOP)?;
        let drawn = |table: &Table| top(&table.services, &names, &before, count);
        // Only the servers of services that are drawn need counters.
        let closer = |table: &Table| -> HashSet<Key> {
            let drawn = drawn(table);
            let keys = table.services.iter().map(|service| service.key);
            keys.filter(|key| drawn.iter().any(|(id, _)| *id == names.id(key))).collect()
        };
        let wish = Wish { services: &wanted, closer: &closer, counters: true, whole: false };
        let table = place.read(wish, Deadline::after(env.timeout()?))?;
        let top = drawn(&table);
        let line = |(id, missed): &(String, u32)| match missed {
            0 => format!("{id}\n"),
            missed => format!("{id} {missed}\n"),
        };
        let text: String = top.iter().map(line).collect();
        if let Some(memory) = memory.filter(|_| before != text) {
            // Without memory the choice is made anew each time, which only matters with more services than lines.
            let _ = memory.save(&text);
        }
        let top = top.into_iter().map(|(id, _)| id).collect();
        let ids = table.services.iter().map(|service| names.id(&service.key)).collect();
        Ok(Self { service: link.service.clone(), names, table, ids, top })
    }

    /// The services with graphs of their own, in a stable order.
    fn drawn(&self) -> impl Iterator<Item = (&Service, String)> {
        let at = |id: &String| self.ids.iter().position(|known| known == id);
        self.top.iter().filter_map(move |id| Some((self.table.services.get(at(id)?)?, id.clone())))
    }

    fn others(&self) -> impl Iterator<Item = &Service> {
        let rest = self.table.services.iter().zip(&self.ids).filter(|(_, id)| !self.top.contains(id));
        rest.map(|(service, _)| service)
    }
}

/// Those that were among the first, then the busiest, `count` in all, each with the number of looks in which it was missing. A service
/// that is not in the table keeps its place for a while: a reload empties the table for a moment, and whoever took the place would keep it.
fn top(services: &[Service], names: &Names, before: &str, count: usize) -> Vec<(String, u32)> {
    let mut busiest: Vec<&Service> = services.iter().collect();
    let conns = |service: &Service| {
        let held =
            || service.dests.iter().map(|dest| u64::from(dest.active) + u64::from(dest.inactive)).sum();
        service.stats.map_or_else(held, |stats| stats.conns)
    };
    busiest.sort_by_key(|service| std::cmp::Reverse(conns(service)));
    let ids: Vec<String> = busiest.into_iter().map(|service| names.id(&service.key)).collect();
    let remembered = |line: &str| {
        let (id, missed) = line.split_once(' ').unwrap_or((line, "0"));
        let missed = if ids.iter().any(|known| known == id) { 0 } else { missed.parse::<u32>().ok()? + 1 };
        (missed <= MISSED_MAX).then(|| (id.to_owned(), missed))
    };
    let mut top: Vec<(String, u32)> = before.lines().filter_map(remembered).take(count).collect();
    for id in ids {
        if top.len() < count && !top.iter().any(|(known, _)| *known == id) {
            top.push((id, 0));
        }
    }
    top
}

impl Graphs for IpvsGraphs {
    const HELP: &'static str = "Graphs of a Linux Virtual Server director: connections, traffic and weights by service and server.\n\n\
        Link it as ipvs_all. Environment:\n  \
        env.services  only these, separated by commas: 192.0.2.1:80, *:554, FWM 7 (all)\n  \
        env.top       services with graphs of their own; the rest is one line (10)\n  \
        env.names     a file like /etc/hosts with names for addresses (none)\n  \
        env.timeout   seconds (10)\n\n\
        It needs CAP_NET_ADMIN for counters (user root, or setcap cap_net_admin+ep); without, it draws connections and weights.";

    fn new(link: &Link, env: &Env) -> Result<Self> {
        Self::read(link, env, &Place::default())
    }

    fn sections(&self) -> Vec<Section> {
        let mut instances: Vec<String> = self.drawn().map(|(_, id)| id).collect();
        if self.others().next().is_some() {
            instances.push(OTHER.to_owned());
        }
        let mut sections = vec![Section::each(&self.service, &SERVICES_GRAPH, &instances)];
        for (service, id) in self.drawn() {
            let name =
                |graph: &Graph| format!("{}.{}_{}", self.service, weir_munin::service_name(&id), graph.id);
            let subject = self.names.service(&service.key);
            let servers: Vec<String> = service.dests.iter().map(|dest| server(&id, dest)).collect();
            for graph in [&BYTES_GRAPH, &PACKETS_GRAPH, &POOL_GRAPH] {
                let mut section = Section::new(name(graph), graph, &subject);
                for row in &mut section.rows {
                    row.instance.clone_from(&id);
                }
                sections.push(section);
            }
            for graph in [&SERVERS_GRAPH, &WEIGHTS_GRAPH] {
                sections.push(Section {
                    subject: subject.clone(),
                    ..Section::each(name(graph), graph, &servers)
                });
            }
        }
        sections
    }

    fn measure(&self, samples: &mut Vec<Sample>) -> Result<(), Problem> {
        for (service, id) in self.drawn() {
            let stats = service.stats;
            let of = |field: &'static Field, value: fn(&Stats) -> u64| {
                field.sample_opt(stats.as_ref().map(value)).of(&id)
            };
            samples.extend([
                of(&CONNS, |s| s.conns),
                of(&IN_PACKETS, |s| s.in_packets),
                of(&OUT_PACKETS, |s| s.out_packets),
                of(&IN_BYTES, |s| s.in_bytes),
                of(&OUT_BYTES, |s| s.out_bytes),
            ]);
            let sum =
                |of: fn(&Dest) -> u32| service.dests.iter().map(|dest| u64::from(of(dest))).sum::<u64>();
            let live = service.dests.iter().filter(|dest| dest.weight > 0).count();
            samples.extend([
                ACTIVE.sample(sum(|d| d.active)).of(&id),
                INACTIVE.sample(sum(|d| d.inactive)).of(&id),
                SERVERS.sample(live).of(&id),
                ZERO_WEIGHT.sample(service.dests.len() - live).of(&id),
            ]);
            for dest in &service.dests {
                let server = server(&id, dest);
                samples.push(CONNS.sample_opt(dest.told().stats.map(|s| s.conns)).of(&server));
                samples.push(WEIGHT.sample(dest.weight).of(&server));
            }
        }
        let others: Option<u64> = self.others().map(|service| service.stats.map(|stats| stats.conns)).sum();
        samples.push(CONNS.sample_opt(others).of(OTHER));
        Ok(())
    }

    fn autoconf(_env: &Env) -> Result<(), String> {
        if Place::default().net("ip_vs").exists() {
            Ok(())
        } else {
            Err("this kernel has no IPVS loaded".to_owned())
        }
    }

    fn suggest(_env: &Env) -> Vec<String> {
        vec!["all".to_owned()]
    }
}

/// A name for a server of a service: a server of two services has two lines.
fn server(service: &str, dest: &Dest) -> String {
    format!("{service}_{}", address_id(dest.address()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_munin::{config, values};

    fn graphs(top: usize, before: &[&str]) -> IpvsGraphs {
        let saved =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../common/wire/testdata/ip_vs/uml-6.1/ipvsadm_Ln");
        let place = Place { text: Some(PathBuf::from(saved)), ..Place::default() };
        let link = Link::parse("ipvs_all", "ipvs_");
        let env = Env::from([("top", "3")]);
        let mut graphs = IpvsGraphs::read(&link, &env, &place).expect("readable");
        let before = before.join("\n");
        let top = super::top(&graphs.table.services, &graphs.names, &before, top);
        graphs.top = top.into_iter().map(|(id, _)| id).collect();
        graphs
    }

    #[test]
    fn who_was_drawn_stays_drawn_and_the_busiest_fill_up() {
        assert_eq!(graphs(2, &[]).top, ["tcp_10_0_0_1_80", "udp_10_0_0_1_53"]);
        assert_eq!(graphs(2, &["fwm6_7", "tcp_192_0_2_99_80"]).top, ["fwm6_7", "tcp_192_0_2_99_80"]);
        let gone = format!("tcp_192_0_2_99_80 {MISSED_MAX}");
        assert_eq!(graphs(2, &["fwm6_7", &gone]).top, ["fwm6_7", "tcp_10_0_0_1_80"], "after a day");
    }

    #[test]
    fn every_line_has_a_value_and_unknown_counters_are_u() {
        let graphs = graphs(3, &["fwm6_7"]);
        let sections = graphs.sections();
        let mut samples = Vec::new();
        graphs.measure(&mut samples).expect("measured");
        let (config, values) = (config(&sections), values(&sections, &samples));
        assert!(
            config.contains("multigraph ipvs_all\n") && config.contains("other_conns.type DERIVE\n"),
            "{config}"
        );
        assert!(
            config.contains("multigraph ipvs_all.fwm6_7_weights\ngraph_title FWM 7 IPv6: weights\n"),
            "{config}"
        );
        assert!(values.contains("tcp_10_0_0_1_80_conns.value U\n"), "{values}");
        assert!(values.contains("tcp_10_0_0_1_80_active.value 12\n"), "{values}");
        assert!(values.contains("tcp_10_0_0_1_80_192_168_51_2_80_weight.value 3\n"), "{values}");
        assert!(values.contains("fwm6_7_2001_db8_53__2_0_weight.value 1\n"), "{values}");
    }
}
