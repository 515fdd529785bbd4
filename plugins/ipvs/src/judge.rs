//! Facts to verdict: pure.

use std::net::SocketAddr;

use weir_contract::{Fault, Field, Finding, Outcome, Sample, State, Unit, fault};
use weir_wire::ip_vs::{DaemonRole, Dest, Key, Service, Stats};

use crate::check::{IpvsArgs, Report, Role, SERVICE, SyncRole, drops};
use crate::drift::{Verdict, compare};
use crate::fields as f;
use crate::memory::Spread;
use crate::sync::{Facts, Interface};
use crate::table::Source;

/// Below this many packets per second a director counts as idle: health checks and stray packets.
const IDLE: u64 = 1;

pub(crate) fn judge(
    args: &IpvsArgs,
    report: &Report,
    wanted: &dyn Fn(&Key) -> bool,
    details: bool,
) -> Outcome {
    let table = &report.table;
    let mut outcome = Outcome::new(SERVICE, "director");
    outcome.headline = headline(report);
    for pattern in &args.services {
        if !table.services.iter().any(|service| pattern.selects(&service.key, &report.names)) {
            outcome.find(&fault::IPVS_NO_SERVICE, format!("no service in the table is `{pattern}`"));
        }
    }
    if table.services.is_empty() && args.services.is_empty() && report.expectation.is_none() {
        outcome.find(&fault::IPVS_NO_SERVICE, "the table is empty");
    }
    drift(&mut outcome, report, wanted);
    pools(&mut outcome, args, report);
    whole(&mut outcome, args, report);
    if let Some(role) = args.sync {
        sync(&mut outcome, args, report, role);
    }
    if let Some(role) = args.role {
        carries(&mut outcome, report, role);
    }
    if details {
        describe(&mut outcome, report);
    }
    outcome
}

/// Adds a finding about a service or server.
fn find(outcome: &mut Outcome, fault: &'static Fault, subject: String, text: String) {
    outcome.findings.push(Finding { fault, state: fault.state, subject, text });
}

fn drift(outcome: &mut Outcome, report: &Report, wanted: &dyn Fn(&Key) -> bool) {
    let Some(expectation) = &report.expectation else { return };
    let file = expectation.manager.name();
    for drift in compare(expectation, &report.table, wanted) {
        let service = drift.key.map(|key| report.names.service(&key)).unwrap_or_default();
        let server = drift.server.map(|server| report.names.address(server)).unwrap_or_default();
        let text = match &drift.verdict {
            Verdict::Down { how } => format!("server {server} is down: {how}"),
            Verdict::SorryActive => format!("the sorry server {server} answers"),
            Verdict::Missing => format!("server {server} is in {file} and not in the table"),
            Verdict::Extra { weight } => format!("server {server} with weight {weight} is not in {file}"),
            Verdict::Wrong { what } if server.is_empty() => what.clone(),
            Verdict::Wrong { what } => format!("server {server}: {what}"),
            Verdict::ServiceMissing => format!("the service is in {file} and not in the table"),
            Verdict::ServiceExtra => format!("the service is not in {file}"),
            Verdict::OtherFile => format!("nothing in the table is in {file}: is this the right file?"),
        };
        find(outcome, drift.verdict.fault(), service, text);
    }
}

/// Each service by itself.
fn pools(outcome: &mut Outcome, args: &IpvsArgs, report: &Report) {
    let spreads: Vec<Option<Spread>> = report
        .table
        .services
        .iter()
        .map(|s| report.before.as_ref().and_then(|before| before.spread(s, args.imbalance_volume)))
        .collect();
    for service in &report.table.services {
        if service.dests.iter().all(|dest| dest.weight == 0) {
            let text = match service.dests.len() {
                0 => "no server is left in the table".to_owned(),
                1 => "its only server has weight 0".to_owned(),
                count => format!("all {count} servers have weight 0"),
            };
            find(outcome, &fault::IPVS_EMPTY, report.names.service(&service.key), text);
        }
    }
    let ids: Vec<String> = report.table.services.iter().map(|s| report.names.id(&s.key)).collect();
    outcome.samples.reserve(f::OF_SERVICE.len() * ids.len());
    let mut blind: Vec<&str> = Vec::new();
    // By field first: what is cut from a long first line is then the least important.
    for field in f::OF_SERVICE {
        let thresholds = args.thresholds(field);
        for ((service, id), spread) in report.table.services.iter().zip(&ids).zip(&spreads) {
            let sample = sample(field, service, report, spread.as_ref()).of(id.as_str()).against(thresholds);
            if sample.value.is_none() {
                // What the source does not tell is only missed where somebody has set a threshold.
                blind.extend(args.is_limited(field).then_some(field.label));
                continue;
            }
            threshold(outcome, sample, service, report, spread.as_ref());
        }
    }
    blind.dedup();
    if !blind.is_empty() {
        outcome.find(&fault::NO_DATA, format!("not known here: {}", blind.join(", ")));
    }
}

/// One measure of one service; unknown where the source does not tell.
fn sample(field: &'static Field, service: &Service, report: &Report, spread: Option<&Spread>) -> Sample {
    let count = |test: &dyn Fn(&Dest) -> bool| service.dests.iter().filter(|d| test(d)).count();
    let sum = |of: fn(&Dest) -> u32| service.dests.iter().map(|d| u64::from(of(d))).sum::<u64>();
    let stats = service.stats;
    let rate = |of: fn(&Stats) -> u64| field.sample_opt(stats.as_ref().map(of));
    match field.id {
        "servers" => field.sample(count(&|d| d.weight > 0)),
        "share" => field.sample_opt(share(service, report)),
        "active" => field.sample(sum(|d| d.active)),
        "inactive" => field.sample(sum(|d| d.inactive)),
        "conn_rate" => rate(|s| s.conn_rate),
        "packet_rate" => rate(|s| s.in_packet_rate),
        "in_rate" => rate(|s| s.in_byte_rate),
        "out_rate" => rate(|s| s.out_byte_rate),
        "zero_weight" => field.sample(count(&|d| d.weight == 0)),
        "overloaded" => {
            // A server without connections is not at its threshold, whatever that is; it is only asked for where it matters.
            let idle = |dest: &Dest| dest.active == 0 && dest.inactive == 0;
            let told = report.table.source == Source::Netlink;
            let known = service.dests.iter().all(|dest| dest.told().upper.is_some() || (told && idle(dest)));
            field.sample_opt(known.then(|| count(&Dest::is_overloaded)))
        }
        _ => field.sample_opt(spread.map(|spread| rounded(spread.distance()))),
    }
}

/// Two digits behind the point are enough for a percentage.
fn rounded(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

/// What is left of a service, in percent.
fn share(service: &Service, report: &Report) -> Option<f64> {
    let expected = report.expectation.as_ref().and_then(|e| e.services.iter().find(|e| e.key == service.key));
    let (live, all) = match expected {
        Some(expected) if expected.servers.iter().all(|server| server.weight.is_some()) => {
            let weights = expected.servers.iter().map(|server| {
                let live = service.dest(server.address).map_or(0, |dest| dest.weight);
                (u64::from(live.min(server.weight.unwrap_or(0))), u64::from(server.weight.unwrap_or(0)))
            });
            weights.fold((0, 0), |(live, all), (one, full)| (live + one, all + full))
        }
        _ => (service.dests.iter().filter(|dest| dest.weight > 0).count() as u64, service.dests.len() as u64),
    };
    (all > 0).then(|| rounded(live as f64 * 100.0 / all as f64))
}

/// Judges one sample, in words that name the servers.
fn threshold(
    outcome: &mut Outcome,
    sample: Sample,
    service: &Service,
    report: &Report,
    spread: Option<&Spread>,
) {
    let state = sample.value.map_or(State::Ok, |value| sample.thresholds.judge(value.as_f64()));
    if state == State::Ok {
        outcome.samples.push(sample);
        return;
    }
    let (subject, field) = (report.names.service(&service.key), sample.field.id);
    let list = |test: &dyn Fn(&Dest) -> bool| {
        let names: Vec<String> = service
            .dests
            .iter()
            .filter(|dest| test(dest))
            .map(|dest| report.names.address(dest.address()))
            .collect();
        names.join(", ")
    };
    let empty = service.dests.iter().all(|dest| dest.weight == 0);
    // What the expectation or an empty pool has said already is not said again.
    let said = match field {
        "zero_weight" => empty || report.expectation.is_some(),
        "servers" | "share" => empty,
        _ => false,
    };
    let text = match field {
        _ if said => None,
        "zero_weight" => Some((&fault::IPVS_WEIGHT0, format!("weight 0: {}", list(&|d| d.weight == 0)))),
        "overloaded" => {
            let full = list(&Dest::is_overloaded);
            Some((&fault::IPVS_OVERLOAD, format!("at the upper threshold: {full}")))
        }
        "imbalance" => spread.map(|spread| (&fault::IPVS_IMBALANCE, imbalance(spread, report))),
        "servers" | "share" => {
            let live = service.dests.iter().filter(|dest| dest.weight > 0).count();
            let out = list(&|d| d.weight == 0);
            let out = if out.is_empty() { String::new() } else { format!("; weight 0: {out}") };
            let range =
                if state == State::Critical { sample.thresholds.critical } else { sample.thresholds.warning };
            let human = |end: f64| sample.field.unit.human(end.into());
            let wanted = range.map(|range| range.expected(human)).unwrap_or_default();
            let share = sample.value.filter(|_| field == "share").map(|share| Unit::Percent.human(share));
            let share = share.map(|share| format!(" ({share} of the weight)")).unwrap_or_default();
            let text =
                format!("{live} of {} servers live{share}, expected {wanted}{out}", service.dests.len());
            Some((&fault::IPVS_SERVERS, text))
        }
        _ => {
            let before = outcome.findings.len();
            outcome.judge(sample, &fault::IPVS_LOAD);
            if let Some(finding) = outcome.findings.get_mut(before) {
                finding.subject = subject;
            }
            return;
        }
    };
    if let Some((fault, text)) = text {
        outcome.findings.push(Finding { fault, state, subject, text });
    }
    outcome.samples.push(sample);
}

fn imbalance(spread: &Spread, report: &Report) -> String {
    let server: SocketAddr = spread.server;
    format!(
        "{} got {:.0} % of {} new connections, its weight is {:.0} % of all",
        report.names.address(server),
        spread.got,
        spread.total,
        spread.due
    )
}

/// The connection table.
fn whole(outcome: &mut Outcome, args: &IpvsArgs, report: &Report) {
    let table = &report.table;
    let counted = || {
        let dests = table.services.iter().flat_map(|service| &service.dests);
        dests
            .map(|d| {
                u64::from(d.active) + u64::from(d.inactive) + u64::from(d.told().persistent.unwrap_or(0))
            })
            .sum()
    };
    // Some services do not tell how full the table is.
    let conns = table.conns.or_else(|| args.services.is_empty().then(counted));
    let load =
        conns.zip(table.size).filter(|(_, size)| *size > 0).map(|(c, size)| c as f64 * 100.0 / size as f64);
    if let Some(load) = load {
        outcome.judge(
            f::TABLE_LOAD.sample(rounded(load)).against(args.thresholds(&f::TABLE_LOAD)),
            &fault::IPVS_TABLE,
        );
    }
}

fn sync(outcome: &mut Outcome, args: &IpvsArgs, report: &Report, wanted: SyncRole) {
    let has = |role| report.sync.iter().any(|facts: &Facts| facts.daemon.role == role);
    let needed: &[DaemonRole] = match wanted {
        SyncRole::Any => &[],
        SyncRole::Master => &[DaemonRole::Master],
        SyncRole::Backup => &[DaemonRole::Backup],
        SyncRole::Both => &[DaemonRole::Master, DaemonRole::Backup],
    };
    if wanted == SyncRole::Any && report.sync.is_empty() {
        outcome.find(&fault::IPVS_SYNC, "no synchronisation daemon runs");
    }
    for role in needed.iter().filter(|role| !has(**role)) {
        outcome.find(&fault::IPVS_SYNC, format!("no {} daemon runs", role.name()));
    }
    for facts in &report.sync {
        let (role, name) = (facts.daemon.role.name(), &facts.daemon.interface);
        let broken = match facts.interface {
            Interface::Gone => Some(format!("its interface {name} does not exist")),
            Interface::Down => Some(format!("its interface {name} is down")),
            _ if facts.socket.is_none() => Some("the kernel has no socket for it".to_owned()),
            _ => None,
        };
        if let Some(why) = broken {
            outcome.find(&fault::IPVS_SYNC, format!("the {role} daemon is listed and does not work: {why}"));
        } else if facts.daemon.role == DaemonRole::Backup && !facts.received && wanted == SyncRole::Backup {
            let text = "the backup daemon listens, and no connection in the table came from a master";
            outcome.find(&fault::IPVS_SYNC_SILENT, text);
        }
    }
    let lost = drops(&report.sync).map(|now| {
        let before = report.before.as_ref().and_then(|memory| memory.drops);
        // A new socket begins at 0 again.
        before.map_or(0, |before| now.checked_sub(before).unwrap_or(now))
    });
    let sample = f::SYNC_DROPS.sample_opt(lost).against(args.thresholds(&f::SYNC_DROPS));
    outcome.judge(sample, &fault::IPVS_SYNC_DROPS);
}

fn carries(outcome: &mut Outcome, report: &Report, role: Role) {
    let Some(rate) = report.table.packet_rate else {
        outcome.find(&fault::NO_DATA, "the packet rate is not known, so neither is the director's role");
        return;
    };
    match role {
        Role::Active if rate < IDLE => {
            outcome.find(&fault::IPVS_ROLE, "this director must be active and no packet passes through it");
        }
        Role::Standby if rate >= IDLE => {
            let text =
                format!("this director must be on standby and {rate} packets per second pass through it");
            outcome.find(&fault::IPVS_ROLE, text);
        }
        _ => {}
    }
}

fn headline(report: &Report) -> String {
    let services = &report.table.services;
    let dests = || services.iter().flat_map(|service| &service.dests);
    let live = dests().filter(|dest| dest.weight > 0).count();
    let active: u64 = dests().map(|dest| u64::from(dest.active)).sum();
    let what = match &services[..] {
        [one] => format!("{} {}", report.names.service(&one.key), one.scheduler),
        many => format!("{} services", many.len()),
    };
    let traffic = match report.table.packet_rate {
        Some(rate) if rate >= IDLE => format!(", {rate} packets/s through this director"),
        Some(_) if active > 0 => ", no packets: idle or on standby".to_owned(),
        _ => String::new(),
    };
    let expectation = &report.expectation;
    let file =
        expectation.as_ref().map(|e| format!(", compared with {}", e.manager.name())).unwrap_or_default();
    let blind = if report.table.unprivileged { " (no counters: CAP_NET_ADMIN is missing)" } else { "" };
    format!(
        "{what}: {live} of {} servers live, {active} active connections{traffic}{file}{blind}",
        dests().count()
    )
}

/// What `-v` shows.
fn describe(outcome: &mut Outcome, report: &Report) {
    outcome.details.extend(report.table.notes.iter().cloned());
    outcome
        .details
        .extend(report.expectation.iter().flat_map(|e| &e.notes).map(|note| format!("not compared: {note}")));
    outcome.details.push(format!("source: {}", report.table.source.name()));
    for facts in &report.sync {
        let daemon = &facts.daemon;
        let socket = facts.socket.map_or("no socket".to_owned(), |s| format!("{} dropped", s.drops));
        let received = if facts.received { ", connections received" } else { "" };
        let (role, interface) = (daemon.role.name(), &daemon.interface);
        outcome
            .details
            .push(format!("{role} daemon on {interface} id {}: {socket}{received}", daemon.sync_id));
    }
    for service in &report.table.services {
        let persistence = service.persistence.map(|p| format!(" {p}")).unwrap_or_default();
        let (name, counted) = (report.names.service(&service.key), counters(service.stats.as_ref()));
        outcome.details.push(format!("{name} {}{persistence}{counted}", service.scheduler));
        for dest in &service.dests {
            outcome.details.push(format!(
                "  {} {} weight {} active {} inactive {}{}",
                report.names.address(dest.address()),
                dest.forward.name(),
                dest.weight,
                dest.active,
                dest.inactive,
                counters(dest.told().stats.as_ref())
            ));
        }
    }
}

/// The counters of a row, incoming before outgoing.
fn counters(stats: Option<&Stats>) -> String {
    stats.map_or_else(String::new, |s| {
        format!(
            " conns {} packets {}/{} bytes {}/{}",
            s.conns, s.in_packets, s.out_packets, s.in_bytes, s.out_bytes
        )
    })
}
