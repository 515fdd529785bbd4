//! `squid_`: one run, one connection, ten graphs.
//!
//! Fields carry the names of Munin's own Squid plugins where those draw the same, so that their RRD files can go on
//! (`env.munin_names 1`).

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use weir_cli::{Env, Graphs};
use weir_contract::{Draw, Field, Graph, Problem, Range, Sample, Unit};
use weir_munin::{Link, Section};
use weir_probe::squid::Target;
use weir_probe::state::StateFile;
use weir_probe::{NetOptions, Probe, block_on};
use weir_wire::auth::Credentials;
use weir_wire::squid::{Page, Peer};

use crate::check::defaults;
use crate::conf;
use crate::derived::{Derived, derive};
use crate::fields as f;
use crate::judge::kinds;
use crate::measure::{Report, Way, measure};
use crate::memory::Memory;
use crate::options::{Source, Window};
use crate::traffic::Traffic;

macro_rules! fields {
    ($($name:ident = $field:expr;)*) => { $(static $name: Field = $field;)* };
}

// Named as in Munin's squid_requests, squid_traffic, squid_cache and squid_objectsize, capitals included.
fields! {
    HITS = Field::counter("hits", Unit::None, "hits", "Requests answered from the cache.").drawn(Draw::Area);
    ERRORS = Field::counter("errors", Unit::None, "error pages", "Requests answered by an error page.").drawn(Draw::Stack);
    REQUESTS = Field::counter("requests", Unit::None, "all requests", "Requests of clients, the monitoring's own included.");
    ABORTED = Field::counter("aborted", Unit::None, "aborted", "Requests whose client went away.");
    KB_IN = Field::counter("kbytes_in", Unit::None, "received", "KiB received from clients.");
    KB_OUT = Field::counter("kbytes_out", Unit::None, "sent", "KiB sent to clients.");
    HIT_KB_OUT = Field::counter("hit_kbytes_out", Unit::None, "sent from cache", "KiB sent to clients from the cache.");
    FETCHED_KB = Field::counter("fetched_kbytes", Unit::None, "fetched", "KiB received from origins and peers.");
    FETCHES = Field::counter("origin_fetches", Unit::None, "fetches", "Requests to origins and peers.");
    FAILED = Field::counter("origin_failed", Unit::None, "failed", "Requests to origins and peers that failed.");
    MAXIMUM = Field::gauge("Maximum", Unit::None, "allowed (KiB)", "Size of all disk caches, KiB.").drawn(Draw::Area);
    CURRENT = Field::gauge("Current", Unit::None, "used (KiB)", "Used of all disk caches, KiB.").drawn(Draw::Area);
    OBJECT_SIZE = Field::gauge("objectsize", Unit::Bytes, "mean object size", "Mean size of an object.");
    FDS_USED = Field::gauge("fds_used", Unit::None, "in use", "File descriptors in use.").drawn(Draw::Area);
    FDS_MAX = Field::gauge("fds_max", Unit::None, "for clients", "Descriptors that clients may have: maximum - reserved.");
    PEER_FETCHES = Field::counter("fetches", Unit::None, "fetches", "Requests sent to the peer.");
    PEER_UP = Field::gauge("up", Unit::Percent, "alive", "100 when every worker holds the peer for alive.");
}

const CATEGORY: &str = "squid";

macro_rules! graphs {
    ($($name:ident = $id:literal, $munin:literal, $title:literal, $vlabel:literal, $info:literal, $fields:expr;)*) => {
        $(static $name: Graph = Graph { id: $id, title: $title, vlabel: $vlabel, category: CATEGORY, info: $info, fields: $fields };)*
        /// Every graph, with the service's name in Munin's own plugins or one that fits beside them.
        static GRAPHS: &[(&Graph, &str)] = &[$((&$name, $munin)),*];
    };
}

graphs! {
    RATIOS = "", "squid_hits", "Squid hit ratios", "%",
        "Hits in percent of requests and of bytes since the last run, without the monitoring's own requests.",
        &[&f::HIT_RATIO, &f::BYTE_HIT_RATIO, &f::BYTE_HIT_SHARE];
    REQUEST_GRAPH = "requests", "squid_requests", "Squid client requests", "requests / ${graph_period}",
        "Misses are what lies between the areas and the line.", &[&HITS, &ERRORS, &REQUESTS, &ABORTED];
    TRAFFIC = "traffic", "squid_traffic", "Squid traffic", "KiB / ${graph_period}",
        "Bytes to and from clients, and what had to be fetched for them.", &[&KB_IN, &KB_OUT, &HIT_KB_OUT, &FETCHED_KB];
    KINDS = "kinds", "squid_kinds", "Squid kinds of hits", "% of hits",
        "Where hits come from, over five minutes.", &[&f::MEM_HITS, &f::DISK_HITS];
    TIMES = "times", "squid_times", "Squid service times", "ms (median)",
        "Medians over five minutes.", &[&f::ALL_TIME, &f::HIT_TIME, &f::MISS_TIME, &f::NEAR_HIT_TIME, &f::DNS_TIME];
    ORIGINS = "origins", "squid_origins", "Squid fetches from origins", "requests / ${graph_period}",
        "Requests to origins and peers.", &[&FETCHES, &FAILED];
    OBJECTS = "objects", "squid_objects", "Squid objects", "objects", "Objects in the cache.", &[&f::OBJECTS];
    SIZE = "objectsize", "squid_objectsize", "Squid object size", "bytes", "Mean size of an object.", &[&OBJECT_SIZE];
    STORAGE = "cache", "squid_cache", "Squid disk cache", "KiB", "All disk caches together.", &[&MAXIMUM, &CURRENT];
    DIRS = "dirs", "squid_dirs", "Squid disk caches", "%", "Each disk cache and the file system that holds it.",
        &[&f::SWAP, &f::FILE_SYSTEM];
    MEMORY = "memory", "squid_memory", "Squid memory cache", "% of cache_mem", "Memory cache in use.", &[&f::MEMORY];
    DESCRIPTORS = "descriptors", "squid_descriptors", "Squid file descriptors", "descriptors",
        "New clients wait when those for clients are used up.", &[&FDS_USED, &FDS_MAX];
    CPU = "cpu", "squid_cpu", "Squid CPU", "% of one core", "CPU over five minutes.", &[&f::CPU];
    PEERS = "peers", "squid_peers", "Squid requests to peers", "requests / ${graph_period}",
        "By name: two peers at one address stay two.", &[&PEER_FETCHES];
    PEER_STATE = "peer_state", "squid_peer_state", "Squid peers", "%",
        "Whether peers live and answer ICP.", &[&PEER_UP, &f::ICP_ACKED];
}

/// `squid_`
#[derive(Debug)]
pub struct SquidGraph {
    service: String,
    munin_names: bool,
    target: Target,
    source: Source,
    snmp: Option<(u16, String)>,
    timeout: Duration,
    state: StateFile,
    memory: Option<Memory>,
    limits: Vec<(&'static str, Option<Range>, Option<Range>)>,
}

impl Graphs for SquidGraph {
    const HELP: &'static str = "Draws a Squid cache: hit ratios, requests, traffic, kinds of hits, service times, origins, objects, disks, descriptors, \
CPU, peers.

Link it as squid_PORT, squid_HOST or squid_HOST-PORT (default 127.0.0.1 and 3128). Settings in plugin-conf.d:
  env.host, env.port      instead of those of the link's name
  env.source              auto (default), manager, cache-object, snmp
  env.community, env.snmp_port   for SNMP: none, and 3401
  env.password_file       a file with cachemgr_passwd, readable for the plugin's user; or env.password
  env.timeout             seconds for everything, 10 by default
  env.FIELD_warning, env.FIELD_critical   ranges such as 80 or 10:, for example env.cpu_warning 85
  env.munin_names 1       name the graphs as Munin's own plugins do, to go on with their RRD files
  env.squid_conf          where autoconf and suggest look for ports";

    fn new(link: &Link, env: &Env) -> Result<Self> {
        let target = target(link.instance.as_deref(), env)?;
        let source = match env.get("source") {
            None | Some("auto") => Source::Auto,
            Some("manager") => Source::Manager,
            Some("cache-object") => Source::CacheObject,
            Some("snmp") => Source::Snmp,
            Some(other) => bail!("env.source is `{other}`: use auto, manager, cache-object or snmp"),
        };
        let snmp_port = env.parse("snmp_port", 3401)?;
        let snmp = env.get("community").map(|community| (snmp_port, community.to_owned()));
        // State is kept per master, as Munin does for its own plugins: each has intervals of its own.
        let master = env.get("MUNIN_MASTER_IP").unwrap_or_default();
        let key = format!("{} {} {master}", target.host, target.port);
        let state = match env.get("MUNIN_PLUGSTATE") {
            Some(folder) => StateFile::in_folder(Path::new(folder), "squid_", &key),
            None => StateFile::of_user("squid_", &key).context("no place to remember the last run")?,
        };
        let memory = state.load().and_then(|text| Memory::decode(&text));
        let mut limits = Vec::new();
        for field in GRAPHS.iter().flat_map(|(graph, _)| graph.fields) {
            let of = |kind: &str| -> Result<Option<Range>> {
                let key = format!("{}_{kind}", field.id);
                env.get(&key).map(|text| text.parse().with_context(|| format!("env.{key}"))).transpose()
            };
            limits.push((field.id, of("warning")?, of("critical")?));
        }
        let munin_names = env.get("munin_names").is_some_and(|value| value != "0");
        let timeout = env.timeout()?;
        Ok(Self {
            service: link.service.clone(),
            munin_names,
            target,
            source,
            snmp,
            timeout,
            state,
            memory,
            limits,
        })
    }

    fn sections(&self) -> Vec<Section> {
        let memory = self.memory.as_ref();
        let peers: Vec<String> =
            memory.map(|m| m.peers.iter().map(|(name, ..)| name.clone()).collect()).unwrap_or_default();
        let dirs = memory.map(|m| m.dirs.clone()).unwrap_or_default();
        let subject = format!("{}:{}", self.target.host, self.target.port);
        let mut sections = Vec::new();
        for (graph, munin) in GRAPHS {
            let name = match (self.munin_names, graph.id) {
                (true, _) => (*munin).to_owned(),
                (false, "") => self.service.clone(),
                (false, id) => format!("{}.{id}", self.service),
            };
            let instances = match graph.id {
                "dirs" => Some(&dirs),
                "peers" | "peer_state" => Some(&peers),
                _ => None,
            };
            let mut section = match instances {
                Some(list) if list.is_empty() => continue,
                Some(list) => Section { subject: subject.clone(), ..Section::each(name, graph, list) },
                None => Section::new(name, graph, &subject),
            };
            for row in &mut section.rows {
                row.thresholds = defaults(row.field);
                if let Some((_, warning, critical)) = self.limits.iter().find(|(id, ..)| *id == row.field.id)
                {
                    row.thresholds.warning = warning.or(row.thresholds.warning);
                    row.thresholds.critical = critical.or(row.thresholds.critical);
                }
            }
            sections.push(section);
        }
        sections
    }

    fn measure(&self, samples: &mut Vec<Sample>) -> Result<(), Problem> {
        let mut report = Report::default();
        let result = block_on(self.fetch(&mut report)).and_then(|result| result);
        let (derived, memory) = derive(&report, self.memory.clone(), Window::Last);
        collect(&report, &derived, samples);
        if let Some(memory) = memory
            && let Err(error) = self.state.save(&memory.encode())
        {
            let text = format!("cannot remember this run in {}: {error}", self.state.path().display());
            return result.and(Err(Problem::new(&weir_contract::fault::PERMISSION, text)));
        }
        result
    }

    fn autoconf(env: &Env) -> Result<(), String> {
        let ports = conf::ports(env.get("squid_conf"))?;
        let Some(port) = ports.first() else { return Err("squid.conf opens no http_port".to_owned()) };
        let target = target(Some(&port.to_string()), env).map_err(|error| format!("{error:#}"))?;
        let probe = Probe::new(AUTOCONF_TIMEOUT, NetOptions::default());
        let work = async {
            let address = first_address(&probe, &target).await?;
            measure(
                &probe,
                &target,
                address,
                Way { source: Source::Auto, snmp: None },
                &[Page::Counters],
                &mut Report::default(),
            )
            .await
        };
        // The node wants one line, and brackets of its own around it.
        block_on(work)
            .and_then(|result| result)
            .map_err(|problem| problem.text.replace(['(', ')', '\n'], " "))
    }

    fn suggest(env: &Env) -> Vec<String> {
        conf::ports(env.get("squid_conf")).unwrap_or_default().iter().map(u16::to_string).collect()
    }
}

/// `munin-node-configure` asks every plugin of the host in turn.
const AUTOCONF_TIMEOUT: Duration = Duration::from_secs(3);

impl SquidGraph {
    async fn fetch(&self, report: &mut Report) -> Result<(), Problem> {
        let probe = Probe::new(self.timeout, NetOptions::default());
        let address = first_address(&probe, &self.target).await?;
        let way = Way {
            source: self.source,
            snmp: self.snmp.as_ref().map(|(port, community)| (*port, community.as_str())),
        };
        let mut pages = vec![Page::Counters, Page::Info, Page::StoreDir, Page::ServerList];
        if self.memory.is_none() {
            pages.push(Page::FiveMinutes);
        }
        measure(&probe, &self.target, address, way, &pages, report).await
    }
}

async fn first_address(probe: &Probe, target: &Target) -> Result<std::net::SocketAddr, Problem> {
    let addresses = probe.resolve(&target.host, target.port).await?;
    let none = || Problem::new(&weir_contract::fault::DNS_NO_ADDRESS, "no address");
    addresses.first().copied().ok_or_else(none)
}

/// `3128`, `cache.example`, `cache.example-3128`, and what the settings say instead.
fn target(instance: Option<&str>, env: &Env) -> Result<Target> {
    let instance = instance.unwrap_or_default();
    let (host, port) = match instance.rsplit_once('-') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port),
        _ if instance.parse::<u16>().is_ok() => ("", instance),
        _ => (instance, ""),
    };
    let or =
        |text: &'static str, given: &str| if given.is_empty() { text.to_owned() } else { given.to_owned() };
    let host = env.get("host").map_or_else(|| or("127.0.0.1", host), str::to_owned);
    let port = env.parse("port", or("3128", port))?;
    let port = port.parse().with_context(|| format!("env.port is `{port}`"))?;
    let password = env.credentials().password()?;
    let user = env.get("user").unwrap_or("weir").to_owned();
    let credentials = password.map(|password| Credentials { user, password: password.reveal().to_owned() });
    Ok(Target { host, port, credentials, tls: false, proxy_header: false })
}

fn collect(report: &Report, derived: &Derived, samples: &mut Vec<Sample>) {
    let traffic = derived.traffic.as_ref();
    samples.push(f::HIT_RATIO.sample_opt(traffic.and_then(Traffic::hit_ratio)));
    samples.push(f::BYTE_HIT_RATIO.sample_opt(traffic.and_then(Traffic::byte_hit_ratio)));
    samples.push(f::BYTE_HIT_SHARE.sample_opt(traffic.and_then(Traffic::byte_hit_share)));
    if let Some(c) = &report.counters {
        let totals = [
            (&HITS, Some(c.hits)),
            (&ERRORS, Some(c.errors)),
            (&REQUESTS, Some(c.requests)),
            (&ABORTED, c.aborted),
            (&KB_IN, Some(c.kbytes_in)),
            (&KB_OUT, Some(c.kbytes_out)),
            (&HIT_KB_OUT, c.hit_kbytes_out),
            (&FETCHED_KB, Some(c.server_kbytes_in)),
            (&FETCHES, Some(c.server_requests)),
            (&FAILED, Some(c.server_errors)),
        ];
        // A negative total has wrapped at 31 bits; RRD would take the way back for a restart, and so may this.
        samples
            .extend(totals.map(|(field, count)| field.sample_opt(count.and_then(|n| u64::try_from(n).ok()))));
    }
    if let Some(i) = &report.info {
        // Squid prints 0 for what it has not measured.
        let busy = traffic.is_some_and(|t| t.requests > 0.0);
        for (field, pair) in [
            (&f::ALL_TIME, i.all_time),
            (&f::HIT_TIME, i.hit_time),
            (&f::MISS_TIME, i.miss_time),
            (&f::NEAR_HIT_TIME, i.near_hit_time),
            (&f::DNS_TIME, i.dns_time),
        ] {
            samples.push(field.sample_opt(pair.filter(|_| busy).map(|p| p.five)));
        }
        let [memory, disk] = kinds(i, false);
        samples.push(f::MEM_HITS.sample_opt(memory));
        samples.push(f::DISK_HITS.sample_opt(disk));
        samples.push(f::OBJECTS.sample_opt(i.objects));
        samples.push(OBJECT_SIZE.sample_opt(i.object_size));
        samples.push(f::MEMORY.sample_opt(i.memory_used));
        samples.push(FDS_USED.sample_opt(i.fds_used));
        samples
            .push(FDS_MAX.sample_opt(i.fds_max.map(|max| max.saturating_sub(i.fds_reserved.unwrap_or(0)))));
        samples.push(f::CPU.sample_opt(i.cpu_five));
    }
    if let Some(store) = &report.store {
        samples.push(MAXIMUM.sample(store.dirs.iter().map(|d| d.max / 1024.0).sum::<f64>()));
        samples.push(CURRENT.sample(store.dirs.iter().map(|d| d.used / 1024.0).sum::<f64>()));
        for dir in &store.dirs {
            samples.push(f::SWAP.sample_opt(dir.percent()).of(&dir.path));
            samples.push(f::FILE_SYSTEM.sample_opt(dir.file_system.or(dir.inodes)).of(&dir.path));
        }
    }
    for peer in report.peers.iter().flatten() {
        samples.push(PEER_FETCHES.sample(peer.fetches).of(&peer.name));
        samples.push(PEER_UP.sample(up_percent(peer)).of(&peer.name));
    }
    for (name, percent) in &derived.acked {
        samples.push(f::ICP_ACKED.sample(*percent).of(name));
    }
}

fn up_percent(peer: &Peer) -> f64 {
    100.0 * f64::from(peer.workers_up) / f64::from(peer.workers.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_host_and_port() {
        let at = |instance: &str| {
            let target = target(Some(instance), &Env::default()).unwrap();
            (target.host, target.port)
        };
        assert_eq!(at("8080"), ("127.0.0.1".to_owned(), 8080));
        assert_eq!(at("cache.example.net"), ("cache.example.net".to_owned(), 3128));
        assert_eq!(at("cache-2.example.net-80"), ("cache-2.example.net".to_owned(), 80));
    }

    #[test]
    fn old_rrd_files_find_their_graphs() {
        // Munin 2.0.73, node/plugins/squid_*: service and fields.
        for (service, fields) in [
            ("squid_requests", &["hits", "errors", "requests"][..]),
            ("squid_traffic", &["kbytes_in", "kbytes_out", "hit_kbytes_out"]),
            ("squid_cache", &["Maximum", "Current"]),
            ("squid_objectsize", &["objectsize"]),
        ] {
            let (graph, _) = GRAPHS.iter().find(|(_, munin)| *munin == service).unwrap();
            for field in fields {
                assert!(graph.fields.iter().any(|f| f.id == *field), "{service}.{field}");
            }
        }
    }
}
