//! Facts to verdict: pure.

use std::net::SocketAddr;

use weir_contract::{Fault, Field, Finding, Outcome, Sample, State, Unit, fault};
use weir_wire::ip_vs::{Dest, Key, Service, Stats};

use crate::check::{IpvsArgs, Report, SERVICE};
use crate::drift::{Verdict, compare};
use crate::duty::{IDLE, carries, sync};
use crate::fields as f;
use crate::memory::{Balance, Spread};
use crate::table::{Source, Table};

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
    let expects = report.expectation.as_ref().is_some_and(|e| !e.services.is_empty());
    if table.services.is_empty() && args.services.is_empty() && !expects {
        let text = if args.except.is_empty() {
            "the table is empty"
        } else {
            "the table holds nothing but --except"
        };
        outcome.find(&fault::IPVS_NO_SERVICE, text);
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
        describe(&mut outcome, args, report);
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
    if let Some(why) = &expectation.lacks {
        let text =
            format!("not all of {file} could be read, and what is extra in the table is not told: {why}");
        outcome.find(&fault::NO_DATA, text);
    }
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
            Verdict::NoneLeft { services } => format!(
                "none of the {services} services of {file} is in the table: is its daemon dead, or is this another director's file?"
            ),
            Verdict::OtherFile => format!("nothing in the table is in {file}: is this the right file?"),
        };
        find(outcome, drift.verdict.fault(), service, text);
    }
}

/// Each service by itself.
fn pools(outcome: &mut Outcome, args: &IpvsArgs, report: &Report) {
    let table = &report.table;
    let balance = |service| Some(report.before.as_ref()?.balance(service, args.imbalance_volume));
    let balances: Vec<Option<Balance>> = table.services.iter().map(balance).collect();
    for service in &report.table.services {
        if service.dests.iter().all(|dest| dest.weight == 0) {
            let text = match service.dests.len() {
                0 => "no server is left in the table".to_owned(),
                1 => "its only server has weight 0".to_owned(),
                count => format!("all {count} servers have weight 0"),
            };
            find(outcome, &fault::IPVS_EMPTY, report.names.service(&service.key), text);
        } else if service.dests.iter().all(|dest| dest.weight == 0 || dest.is_overloaded()) {
            let who = match service.dests.iter().filter(|dest| dest.weight > 0).count() {
                1 => "its only live server is at its upper threshold".to_owned(),
                full => format!("all {full} live servers are at their upper threshold"),
            };
            let text = format!("{who}: new clients are refused");
            let subject = report.names.service(&service.key);
            let (fault, state) = (&fault::IPVS_OVERLOAD, State::Critical);
            outcome.findings.push(Finding { fault, state, subject, text });
        }
    }
    let ids: Vec<String> = report.table.services.iter().map(|s| report.names.id(&s.key)).collect();
    outcome.samples.reserve(f::OF_SERVICE.len() * ids.len());
    let mut blind: Vec<&str> = Vec::new();
    // By field first: what is cut from a long first line is then the least important.
    for field in f::OF_SERVICE {
        let thresholds = args.thresholds(field);
        for ((service, id), balance) in report.table.services.iter().zip(&ids).zip(&balances) {
            let spread = match balance {
                Some(Balance::Known(spread)) => Some(spread),
                _ => None,
            };
            let sample = sample(field, service, report, spread).of(id.as_str()).against(thresholds);
            if sample.value.is_none() {
                // What is not told is only missed where somebody has set a threshold. An imbalance is to come where there are counters.
                let never = field.id != f::IMBALANCE.id || *balance == Some(Balance::Blind);
                blind.extend((never && args.limits_set(field)).then_some(field.label));
                continue;
            }
            threshold(outcome, args, sample, service, report, spread);
        }
    }
    blind.dedup();
    unseen(outcome, table, &blind);
}

/// Says what was asked for, cannot be seen, and why.
fn unseen(outcome: &mut Outcome, table: &Table, what: &[&str]) {
    if !what.is_empty() {
        let why = table.blind().map(|why| format!(": {why}")).unwrap_or_default();
        outcome.find(&fault::IPVS_UNSEEN, format!("not known here: {}{why}", what.join(", ")));
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
        "share" => field.sample_opt(share(service, report).map(|(share, _)| share)),
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
            let known = service.limits_known
                || service.dests.iter().all(|dest| dest.told().upper.is_some() || (told && idle(dest)));
            field.sample_opt(known.then(|| count(&Dest::is_overloaded)))
        }
        _ => field.sample_opt(spread.map(|spread| rounded(spread.distance()))),
    }
}

/// Two digits behind the point are enough for a percentage.
fn rounded(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

/// What is left of a service, in percent, and of what: the file's weights, or the servers of the table.
fn share(service: &Service, report: &Report) -> Option<(f64, &'static str)> {
    let expected = report.expectation.as_ref().and_then(|e| e.services.iter().find(|e| e.key == service.key));
    let (live, all, of) = match expected {
        Some(expected) if expected.servers.iter().all(|server| server.weight.is_some()) => {
            let weights = expected.servers.iter().map(|server| {
                let live = service.dest(server.address).map_or(0, |dest| dest.weight);
                (u64::from(live.min(server.weight.unwrap_or(0))), u64::from(server.weight.unwrap_or(0)))
            });
            let (live, all) = weights.fold((0, 0), |(live, all), (one, full)| (live + one, all + full));
            (live, all, "weight")
        }
        // Of a service without rows nothing is left.
        _ => {
            let live = service.dests.iter().filter(|dest| dest.weight > 0).count() as u64;
            (live, (service.dests.len() as u64).max(1), "servers")
        }
    };
    (all > 0).then(|| (rounded(live as f64 * 100.0 / all as f64), of))
}

/// Judges one sample, in words that name the servers.
fn threshold(
    outcome: &mut Outcome,
    args: &IpvsArgs,
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
    let full = service.dests.iter().all(|dest| dest.weight == 0 || dest.is_overloaded());
    let named = report.expectation.as_ref().is_some_and(|e| e.services.iter().any(|e| e.key == service.key));
    // What the expectation or a pool that takes nobody has said already is not said again, unless somebody has asked for it.
    let said = match field {
        "overloaded" => full,
        _ if args.limits_set(sample.field) => false,
        "zero_weight" => empty || named,
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
            let share = share(service, report).filter(|_| field == "share").map(|(share, of)| {
                let share = Unit::Percent.human(share.into());
                format!(" ({share} of the {of})")
            });
            let share = share.unwrap_or_default();
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
    let dests = table.services.iter().filter(|_| !table.counted).flat_map(|service| &service.dests);
    let templates: u64 = dests.map(|dest| u64::from(dest.told().persistent.unwrap_or(0))).sum();
    let load = table
        .conns
        .zip(table.size)
        .filter(|(_, size)| *size > 0)
        .map(|(conns, size)| (conns + templates) as f64 * 100.0 / size as f64);
    if let Some(load) = load {
        outcome.judge(
            f::TABLE_LOAD.sample(rounded(load)).against(args.thresholds(&f::TABLE_LOAD)),
            &fault::IPVS_TABLE,
        );
    } else if args.limits_set(&f::TABLE_LOAD) {
        unseen(outcome, table, &[f::TABLE_LOAD.label]);
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
        Some(_) if report.traffic.is_some_and(|traffic| traffic.flows()) => String::new(),
        Some(_) if active > 0 => ", no packets: idle or on standby".to_owned(),
        _ => String::new(),
    };
    let expectation = &report.expectation;
    let file =
        expectation.as_ref().map(|e| format!(", compared with {}", e.manager.name())).unwrap_or_default();
    let blind = match &report.table {
        table if table.unprivileged => " (no counters: CAP_NET_ADMIN is missing)",
        table if table.frozen => " (no counters: net.ipv4.vs.run_estimation is 0)",
        _ => "",
    };
    format!(
        "{what}: {live} of {} servers live, {active} active connections{traffic}{file}{blind}",
        dests().count()
    )
}

/// What `-v` shows.
fn describe(outcome: &mut Outcome, args: &IpvsArgs, report: &Report) {
    outcome.details.extend(report.table.notes.iter().cloned());
    outcome
        .details
        .extend(report.expectation.iter().flat_map(|e| &e.notes).map(|note| format!("not compared: {note}")));
    outcome.details.push(format!("source: {}", report.table.source.name()));
    for facts in &report.sync {
        let daemon = &facts.daemon;
        let socket = facts.socket.map_or("no socket".to_owned(), |s| format!("{} dropped", s.drops));
        let received = if facts.received.is_empty() { "" } else { ", connections received" };
        let (role, interface) = (daemon.role.name(), &daemon.interface);
        outcome
            .details
            .push(format!("{role} daemon on {interface} id {}: {socket}{received}", daemon.sync_id));
    }
    for service in &report.table.services {
        let persistence = service.persistence.map(|p| format!(" {p}")).unwrap_or_default();
        let (name, counted) = (report.names.service(&service.key), counters(service.stats.as_ref()));
        outcome.details.push(format!("{name} {}{persistence}{counted}", service.scheduler));
        match report.before.as_ref().map(|before| before.balance(service, args.imbalance_volume)) {
            Some(Balance::First) => {
                outcome.details.push("  imbalance: no earlier run with these servers and weights".to_owned());
            }
            Some(Balance::Few(few)) => {
                let text = format!("  imbalance: {few} of {} new connections", args.imbalance_volume);
                outcome.details.push(text);
            }
            _ => {}
        }
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

#[cfg(test)]
mod tests;
