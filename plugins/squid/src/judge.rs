//! From facts to a verdict. Pure.

use weir_contract::{Fault, Field, Outcome, Sample, State, Thresholds, fault};
use weir_wire::squid::{Info, Pair, Peer, Role, Store};

use crate::derived::Derived;
use crate::fields as f;
use crate::measure::Report;
use crate::options::Window;
use crate::traffic::Traffic;

/// What was asked for.
pub(crate) struct Wishes<'a> {
    pub(crate) thresholds: &'a dyn Fn(&'static Field) -> Thresholds,
    pub(crate) min_requests: f64,
    pub(crate) window: Window,
}

/// Judges everything that was measured.
pub(crate) fn judge(outcome: &mut Outcome, report: &Report, derived: &Derived, wishes: &Wishes) {
    let traffic = derived.traffic.as_ref();
    let mut judge = Judge { outcome, wishes, enough: true };
    let volume = traffic.map_or(0.0, |t| t.requests);
    judge.enough = volume >= wishes.min_requests;
    judge.ratios(traffic);
    judge.times(report.info.as_ref(), volume > 0.0);
    judge.enough = true;
    if let Some(info) = &report.info {
        // SNMP knows the sum of all disk caches only.
        let by_snmp = report.store.is_none() && report.averages.is_none();
        judge.process(info, derived.restarted, by_snmp, report.averages.as_ref().and_then(|a| a.cpu));
    }
    judge.store(report.store.as_ref());
    if let Some(peers) = &report.peers {
        judge.peers(peers, &derived.acked);
    }
    judge.rest(report, traffic);
    outcome.headline = headline(report, traffic, wishes);
}

struct Judge<'a, 'b> {
    outcome: &'a mut Outcome,
    wishes: &'a Wishes<'b>,
    /// There was enough traffic to judge what is a part of it.
    enough: bool,
}

impl Judge<'_, '_> {
    fn add(&mut self, field: &'static Field, value: Option<f64>, fault: &'static Fault) {
        self.add_of(field, "", value, fault);
    }

    /// Judges one value, unless it comes of too little traffic: then it is shown only.
    fn add_of(&mut self, field: &'static Field, instance: &str, value: Option<f64>, fault: &'static Fault) {
        let sample = field.sample_opt(value).of(instance);
        let thresholds = (self.wishes.thresholds)(field);
        if self.enough {
            self.outcome.judge(sample.against(thresholds), fault);
        } else {
            self.outcome.samples.push(Sample { thresholds, ..sample });
        }
    }

    fn ratios(&mut self, traffic: Option<&Traffic>) {
        let of = |ratio: fn(&Traffic) -> Option<f64>| traffic.and_then(ratio);
        self.add(&f::HIT_RATIO, of(Traffic::hit_ratio), &fault::SQUID_HITS);
        self.add(&f::BYTE_HIT_RATIO, of(Traffic::byte_hit_ratio), &fault::SQUID_BYTE_HITS);
        if let Some(share) = of(Traffic::byte_hit_share) {
            self.add(&f::BYTE_HIT_SHARE, Some(share), &fault::SQUID_BYTE_HITS);
        }
        self.add(&f::ERROR_RATIO, of(Traffic::error_ratio), &fault::SQUID_ERRORS);
        self.add(&f::ABORT_RATIO, of(Traffic::abort_ratio), &fault::SQUID_ABORTS);
        // A rate is no part of anything: few requests may be just what somebody wants to hear of.
        let enough = std::mem::replace(&mut self.enough, true);
        self.add(&f::REQUESTS, traffic.map(|t| t.rate(t.requests)), &fault::SQUID_LOAD);
        self.add(&f::ORIGIN_REQUESTS, traffic.map(|t| t.rate(t.server_requests)), &fault::SQUID_ORIGIN);
        self.add(&f::ORIGIN_ERRORS, traffic.map(|t| t.rate(t.server_errors)), &fault::SQUID_ORIGIN);
        self.enough = enough;
    }

    /// Squid prints 0 for what it has not measured: in a span without traffic nothing is known.
    fn times(&mut self, info: Option<&Info>, busy: bool) {
        let Some(info) = info else { return };
        let sixty = self.wishes.window == Window::Sixty;
        let window = |pair: Option<Pair>| pair.filter(|_| busy).map(|p| if sixty { p.sixty } else { p.five });
        let [hit, miss, near, dns, all] =
            [info.hit_time, info.miss_time, info.near_hit_time, info.dns_time, info.all_time].map(window);
        let [memory, disk] = kinds(info, sixty);
        self.add(&f::HIT_TIME, hit, &fault::SQUID_SLOW);
        self.add(&f::MISS_TIME, miss, &fault::SQUID_SLOW_ORIGIN);
        self.add(&f::NEAR_HIT_TIME, near, &fault::SQUID_SLOW_ORIGIN);
        self.add(&f::DNS_TIME, dns, &fault::SQUID_SLOW_DNS);
        self.add(&f::ALL_TIME, all, &fault::SQUID_SLOW);
        self.add(&f::MEM_HITS, memory, &fault::SQUID_HITS);
        self.add(&f::DISK_HITS, disk, &fault::SQUID_HITS);
    }

    fn process(&mut self, info: &Info, restarted: bool, by_snmp: bool, cpu: Option<f64>) {
        let fds = info.fds_used.zip(info.fds_max).and_then(|(used, max)| {
            let for_clients = max.saturating_sub(info.fds_reserved.unwrap_or(0));
            (for_clients > 0).then(|| 100.0 * used as f64 / for_clients as f64)
        });
        self.add(&f::FDS, fds, &fault::SQUID_FDS);
        let cpu = match self.wishes.window {
            Window::Sixty => info.cpu_sixty,
            _ => cpu.or(info.cpu_five),
        };
        self.add(&f::CPU, cpu, &fault::SQUID_CPU);
        if let Some(percent) = info.swap_used.filter(|_| by_snmp) {
            self.add(&f::SWAP, Some(percent), &fault::SQUID_DISK);
        }
        self.add(&f::MEMORY, info.memory_used, &fault::SQUID_MEMORY);
        self.add(&f::UPTIME, info.uptime, &fault::SQUID_RESTART);
        if restarted {
            self.outcome
                .details
                .push("Squid has started anew since the last run: totals began at 0".to_owned());
        }
    }

    fn store(&mut self, store: Option<&Store>) {
        for dir in store.map(|s| s.dirs.as_slice()).unwrap_or_default() {
            self.add_of(&f::SWAP, &dir.path, dir.percent(), &fault::SQUID_DISK);
            // Blocks and inodes run out separately; either ends the writing.
            let fullest = dir.file_system.into_iter().chain(dir.inodes).reduce(f64::max);
            if let Some(percent) = fullest {
                self.add_of(&f::FILE_SYSTEM, &dir.path, Some(percent), &fault::SQUID_DISK);
            }
            if let Some(age) = dir.lru_age {
                self.add_of(&f::LRU_AGE, &dir.path, Some(age), &fault::SQUID_LRU);
            }
        }
    }

    fn peers(&mut self, peers: &[Peer], acked: &[(String, f64)]) {
        let dead: Vec<&Peer> = peers.iter().filter(|p| !p.is_up()).collect();
        let parents = || peers.iter().filter(|p| p.role == Role::Parent);
        let stranded = parents().count() > 0 && parents().all(|p| !p.is_up());
        for peer in &dead {
            let grave = stranded && peer.role == Role::Parent;
            let state = if grave { State::Critical } else { State::Warning };
            let fault = if grave { &fault::SQUID_NO_PARENT } else { &fault::SQUID_PEER };
            self.outcome.find_as(state, fault, peer_text(peer));
        }
        self.add(&f::PEERS_DOWN, Some(dead.len() as f64), &fault::SQUID_PEER);
        for (name, percent) in acked {
            // A dead peer has been named already.
            let is_dead = dead.iter().any(|p| p.name == *name);
            let enough = std::mem::replace(&mut self.enough, !is_dead);
            self.add_of(&f::ICP_ACKED, name, Some(*percent), &fault::SQUID_ICP);
            self.enough = enough;
        }
        let connections = peers.iter().fold(0_u64, |sum, p| sum.saturating_add(p.connections));
        self.add(&f::PEER_CONNS, Some(connections as f64), &fault::SQUID_LOAD);
    }

    fn rest(&mut self, report: &Report, traffic: Option<&Traffic>) {
        self.add(&f::CLIENT_BYTES, traffic.map(|t| t.rate(t.kbytes_out) * 1024.0), &fault::SQUID_LOAD);
        self.add(
            &f::ORIGIN_BYTES,
            traffic.map(|t| t.rate(t.server_kbytes_in) * 1024.0),
            &fault::SQUID_ORIGIN,
        );
        if let Some(info) = &report.info {
            self.add(&f::OBJECTS, info.objects.map(|n| n as f64), &fault::SQUID_LOAD);
            self.add(&f::OBJECT_SIZE, info.object_size, &fault::SQUID_LOAD);
            self.add(&f::CLIENTS, info.clients.map(|n| n as f64), &fault::SQUID_LOAD);
        }
        if let Some(clients) = &report.clients {
            self.add(&f::CLIENT_CONNS, Some(clients.connections as f64), &fault::SQUID_LOAD);
        }
    }
}

/// Hits from memory and from disk in percent of hits; nothing is known when there were none.
pub(crate) fn kinds(info: &Info, sixty: bool) -> [Option<f64>; 2] {
    let pair = |pair: Option<Pair>| pair.map_or(0.0, |p| if sixty { p.sixty } else { p.five });
    let (memory, disk) = (pair(info.memory_hits), pair(info.disk_hits));
    if memory + disk > 0.0 { [Some(memory), Some(disk)] } else { [None, None] }
}

fn peer_text(peer: &Peer) -> String {
    let role = match peer.role {
        Role::Parent => "parent",
        Role::Sibling => "sibling",
        Role::Multicast => "multicast group",
    };
    let workers = match peer.workers {
        0 | 1 => String::new(),
        all => format!(" for {} of {all} workers", all - peer.workers_up),
    };
    let last = peer.last_failed_connect.as_deref();
    let last = last.map_or(String::new(), |at| format!(", last failed connection at {at}"));
    format!("{role} {} ({}:{}) is dead{workers}{last}", peer.name, peer.host, peer.port)
}

fn headline(report: &Report, traffic: Option<&Traffic>, wishes: &Wishes) -> String {
    let mut parts = Vec::new();
    if let Some(info) = &report.info {
        parts.push(format!("Squid {}", info.version));
    }
    match traffic {
        Some(t) if t.requests > 0.0 => {
            let percent = |ratio: Option<f64>| ratio.map_or("unknown".to_owned(), |r| format!("{r:.1} %"));
            parts.push(format!(
                "hits {} of {} requests in {:.0} s, byte hits {}",
                percent(t.hit_ratio()),
                t.requests,
                t.seconds,
                percent(t.byte_hit_ratio())
            ));
            if t.requests < wishes.min_requests {
                parts.push(format!("too little traffic to judge (below {})", wishes.min_requests));
            }
        }
        Some(t) => parts.push(format!("no requests in {:.0} s: too little traffic to judge", t.seconds)),
        None if report.counters.is_some() => parts.push("no interval to judge yet".to_owned()),
        None => {}
    }
    if let Some(peers) = report.peers.as_ref().filter(|p| !p.is_empty()) {
        let up = peers.iter().filter(|p| p.is_up()).count();
        parts.push(format!("{up} of {} peers up", peers.len()));
    }
    parts.join(", ")
}
