//! `squid_sites_`: hit ratios of sites in Munin.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use weir_cli::{Env, Graphs};
use weir_contract::{Graph, Problem, Sample, fault};
use weir_munin::{Link, Section};
use weir_probe::Deadline;
use weir_probe::state::StateFile;
use weir_wire::squid::access_log::Format;

use super::fields as f;
use super::follow::{Place, since};
use super::scan::scan;
use super::sites::Sites;
use super::tally::{Counts, Tally};

const CATEGORY: &str = "squid";
/// Where packages let Squid write.
const LOG: &str = "/var/log/squid/access.log";
/// A host that is drawn gets its value when it is among so many.
const FOUND_MAX: usize = 1000;
/// Most sites that a graph can show.
const SITES_MAX: usize = 60;

static HITS: Graph = Graph {
    id: "",
    title: "Squid hit ratio by site",
    vlabel: "% of requests",
    category: CATEGORY,
    info: "Requests answered from the cache since the last run.",
    fields: &[&f::HIT_RATIO],
};
static BYTE_HITS: Graph = Graph {
    id: "bytes",
    title: "Squid byte hit ratio by site",
    vlabel: "% of bytes",
    category: CATEGORY,
    info: "Bytes sent from the cache since the last run.",
    fields: &[&f::BYTE_HIT_RATIO],
};
static REQUESTS: Graph = Graph {
    id: "requests",
    title: "Squid requests by site",
    vlabel: "requests / second",
    category: CATEGORY,
    info: "Requests of clients.",
    fields: &[&f::REQUEST_RATE],
};
static MISSES: Graph = Graph {
    id: "misses",
    title: "Squid misses by site",
    vlabel: "bytes / second",
    category: CATEGORY,
    info: "What the origin had to send: where caching would save most.",
    fields: &[&f::MISS_RATE],
};
static STATUS: Graph = Graph {
    id: "status",
    title: "Squid answers",
    vlabel: "answers / second",
    category: CATEGORY,
    info: "Answers to clients by class of status.",
    fields: &f::STATUS,
};
/// In the order of the page; all but the last have a line for each site.
static GRAPHS: [&Graph; 5] = [&HITS, &BYTE_HITS, &REQUESTS, &MISSES, &STATUS];

/// `squid_sites_`
#[derive(Debug)]
pub struct SquidSites {
    service: String,
    log: PathBuf,
    format: Format,
    sites: Option<Sites>,
    top: usize,
    deadline: Deadline,
    state: StateFile,
    memory: Memory,
}

/// What is known from the last run.
#[derive(Debug, Default)]
struct Memory {
    place: Option<Place>,
    /// When it was, seconds since 1970.
    time: Option<f64>,
    /// The hosts that are drawn, so that `config` need not read the log.
    hosts: Vec<String>,
}

impl Graphs for SquidSites {
    const HELP: &'static str = "Draws hit ratios, requests, misses and status classes by site, from what is new in Squid's access log.

Link it as squid_sites_NAME; the name is yours. The plugin's user must be able to read the log (group proxy on Debian).
Settings in plugin-conf.d:
  env.log        the access log, /var/log/squid/access.log by default
  env.format     squid (default), squidmime, common, combined, or what follows logformat NAME in squid.conf
  env.sites      a file of sites, a line each: NAME HOST[/PATH] ..., with * for anything; without it the busiest hosts are drawn
  env.top        how many hosts, 10 by default
  env.timeout    seconds, 10 by default; what is not read in time is read by the next run";

    fn new(link: &Link, env: &Env) -> Result<Self> {
        let log = PathBuf::from(env.get("log").unwrap_or(LOG));
        let format = Format::new(env.get("format").unwrap_or("squid")).context("env.format")?;
        let sites = env.get("sites").map(Sites::read).transpose().context("env.sites")?;
        let top = env.parse("top", 10_usize)?.clamp(1, SITES_MAX);
        let deadline = Deadline::after(env.timeout()?);
        let key = format!("{} {}", link.service, env.get("MUNIN_MASTER_IP").unwrap_or_default());
        let state = match env.get("MUNIN_PLUGSTATE") {
            Some(folder) => StateFile::in_folder(Path::new(folder), "squid_sites_", &key),
            None => StateFile::of_user("squid_sites_", &key).context("no place to remember the last run")?,
        };
        let memory = state.load().map(|text| Memory::decode(&text)).unwrap_or_default();
        Ok(Self { service: link.service.clone(), log, format, sites, top, deadline, state, memory })
    }

    fn sections(&self) -> Vec<Section> {
        let names = self.sites.as_ref().map_or(self.memory.hosts.as_slice(), Sites::names);
        let section = |graph: &&'static Graph| {
            let name = match graph.id {
                "" => self.service.clone(),
                id => format!("{}.{id}", self.service),
            };
            if graph.id == STATUS.id {
                Section::new(name, graph, "")
            } else {
                Section::each(name, graph, names)
            }
        };
        // Before the first run nobody knows the hosts: there is nothing to draw but the classes.
        GRAPHS.iter().filter(|graph| !names.is_empty() || graph.id == STATUS.id).map(section).collect()
    }

    fn measure(&self, samples: &mut Vec<Sample>) -> Result<(), Problem> {
        let problem = |why: String| Problem::new(&fault::SQUID_LOG, format!("{}: {why}", self.log.display()));
        let mut tally = Tally::new(self.sites.as_ref());
        let news = since(&self.log, self.memory.place).map_err(|error| problem(error.to_string()))?;
        let scan = scan(&self.log, news, &self.format, self.deadline, &mut tally)
            .map_err(|error| problem(format!("{error:#}")))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let seconds = self.memory.time.map(|then| now - then).filter(|seconds| *seconds > 0.0);
        let found = tally.sites(FOUND_MAX);
        for (name, counts, _) in &found {
            site(samples, name, counts, seconds);
        }
        for (field, count) in f::STATUS.iter().zip(tally.total.status) {
            samples.push(field.sample_opt(seconds.map(|s| count as f64 / s)));
        }
        let memory = Memory { place: scan.place, time: Some(now), hosts: self.hosts(&found) };
        self.state.save(&memory.encode()).map_err(|error| {
            let text = format!("cannot remember this run in {}: {error}", self.state.path().display());
            Problem::new(&fault::PERMISSION, text)
        })
    }

    fn autoconf(env: &Env) -> Result<(), String> {
        let log = env.get("log").unwrap_or(LOG);
        std::fs::File::open(log).map(drop).map_err(|error| format!("cannot read {log}: {}", error.kind()))
    }

    fn suggest(env: &Env) -> Vec<String> {
        // One link for the one log that packages make.
        Self::autoconf(env).map(|()| vec!["local".to_owned()]).unwrap_or_default()
    }
}

impl SquidSites {
    /// Hosts that are drawn stay drawn, so that lines do not come and go; the busiest new ones take what room is left.
    fn hosts(&self, found: &[(String, Counts, u64)]) -> Vec<String> {
        let mut hosts = self.memory.hosts.clone();
        hosts.truncate(self.top);
        for (name, ..) in found {
            if hosts.len() < self.top && !hosts.contains(name) {
                hosts.push(name.clone());
            }
        }
        hosts
    }
}

fn site(samples: &mut Vec<Sample>, name: &str, counts: &Counts, seconds: Option<f64>) {
    samples.push(f::HIT_RATIO.sample_opt(counts.percent(counts.hits)).of(name));
    samples.push(f::BYTE_HIT_RATIO.sample_opt(counts.byte_percent()).of(name));
    samples.push(f::REQUEST_RATE.sample_opt(seconds.map(|s| counts.requests as f64 / s)).of(name));
    samples.push(f::MISS_RATE.sample_opt(seconds.map(|s| counts.miss_bytes() as f64 / s)).of(name));
}

impl Memory {
    fn encode(&self) -> String {
        let place = self.place.map(|place| place.encode()).unwrap_or_default();
        format!("{place}\n{}\n{}\n", self.time.unwrap_or(0.0), self.hosts.join("\n"))
    }

    fn decode(text: &str) -> Self {
        let mut lines = text.lines();
        let place = lines.next().and_then(Place::decode);
        let time = lines.next().and_then(|time| time.parse().ok()).filter(|time: &f64| *time > 0.0);
        Self { place, time, hosts: lines.filter(|host| !host.is_empty()).map(str::to_owned).collect() }
    }
}
