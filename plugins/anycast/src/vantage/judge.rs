//! Is what was heard from here right?

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use weir_contract::{Finding, Outcome, State, fault};
use weir_probe::path::Path;
use weir_probe::state::StateFile;

use super::history::History;
use super::report::{NO_NAME, Report, Service, label};
use super::{ALIVE, Args, CHANGES, HOPS, INFLATION, LOST, NODE_RTT, RTT, SHARE, SPLIT, VantageCheck, join};
use crate::identity::{Identity, means};

pub(super) fn judge(report: Report, args: &Args) -> Outcome {
    use weir_cli::Check;
    let subject = args.services.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let mut outcome = Outcome::new(VantageCheck::SERVICE, subject);
    let mut headlines = Vec::new();
    for (service, instance) in report.services.iter().zip(args.instances()) {
        let from = outcome.findings.len();
        headlines.push(one(&mut outcome, &report, service, args, &instance));
        if report.services.len() > 1 {
            for finding in &mut outcome.findings[from..] {
                finding.subject = service.address.to_string();
            }
        }
    }
    agreement(&mut outcome, &report, args);
    for (node, rtt) in args.nodes.iter().zip(&report.nodes).filter(|(node, _)| node.address.is_some()) {
        outcome.samples.push(NODE_RTT.sample_opt(*rtt).of(&node.name));
        if rtt.is_none() {
            outcome.details.push(format!("{} does not answer at its own address", node.name));
        }
    }
    if args.nodes.iter().any(|node| node.address.is_some()) {
        outcome.samples.push(ALIVE.sample(report.nodes.iter().flatten().count()));
    }
    outcome.headline = headlines.join("; ");
    if report.services.len() > 1 && !outcome.findings.is_empty() {
        outcome.subject.clear(); // each finding names its address
    }
    outcome.phases = report.trace.phases;
    // Dozens of questions are asked at once: one phase of each kind is told, the longest.
    outcome.phases.sort_by_key(|phase| (phase.name, std::cmp::Reverse(phase.took)));
    outcome.phases.dedup_by_key(|phase| phase.name);
    outcome.transcript = report.trace.transcript;
    outcome
}

fn one(outcome: &mut Outcome, report: &Report, service: &Service, args: &Args, instance: &str) -> String {
    let asked = service.ports.len();
    let answered: Vec<&Identity> = service.ports.iter().flatten().collect();
    let lost = 100.0 * (asked - answered.len()) as f64 / asked.max(1) as f64;
    outcome.judge(LOST.sample(lost).of(instance).against(args.limits(&LOST)), &fault::PATH_LOSS);
    let (Some(node), Some(rtt)) = (service.node(args), service.rtt()) else {
        let why = service.ports.iter().find_map(|said| said.as_ref().err());
        let why = why.map_or_else(
            || "nothing was asked".to_owned(),
            |problem| format!("{} [{}]", problem.text, problem.fault.code),
        );
        outcome.findings.retain(|finding| finding.fault != &fault::PATH_LOSS || !finding.subject.is_empty());
        outcome
            .find(&fault::ANYCAST_SILENT, format!("nobody answers, on none of {asked} source ports: {why}"));
        outcome.samples.push(RTT.sample_opt(None::<Duration>).of(instance));
        return format!("{} is silent", service.address);
    };
    names(outcome, &answered, args);
    errors(outcome, service, args);
    expected(outcome, service, args, &node);
    let shares = service.shares(args);
    for told in args.nodes.iter().map(|n| &n.name) {
        let share = 100.0 * shares.get(told).copied().unwrap_or(0) as f64 / answered.len() as f64;
        outcome.samples.push(SHARE.sample(share).of(join(instance, told)));
    }
    let split = 100.0 - 100.0 * shares.get(&node).copied().unwrap_or(0) as f64 / answered.len() as f64;
    let words = shares.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ");
    judged(
        outcome,
        SPLIT.sample(split).of(instance).against(args.limits(&SPLIT)),
        &fault::ANYCAST_SPLIT,
        |_| format!("{} source ports reach several nodes: {words}", answered.len()),
    );
    outcome.judge(RTT.sample(rtt).of(instance).against(args.limits(&RTT)), &fault::ANYCAST_SLOW);
    inflation(outcome, report, args, &node, rtt, instance);
    remember(outcome, service, args, &node, instance);
    let path = service.path.as_ref();
    outcome.judge(
        HOPS.sample_opt(path.and_then(|p| p.distance).map(u32::from))
            .of(instance)
            .against(args.limits(&HOPS)),
        &fault::ANYCAST_PATH,
    );
    if let Some(path) = path {
        for (ttl, (router, rtt)) in &path.hops {
            outcome.details.push(format!(
                "{}: hop {ttl} {router} {:.1} ms",
                service.address,
                rtt.as_secs_f64() * 1e3
            ));
        }
    }
    format!("{} is answered by {node} in {:.1} ms", service.address, rtt.as_secs_f64() * 1e3)
}

/// Adds a sample, and a finding in words of our own when its thresholds raise one.
fn judged(
    outcome: &mut Outcome,
    sample: weir_contract::Sample,
    fault: &'static weir_contract::Fault,
    words: impl FnOnce(f64) -> String,
) {
    if let Some(value) = sample.value.map(weir_contract::Value::as_f64) {
        let state = sample.thresholds.judge(value);
        if state != State::Ok {
            outcome.find_as(state, fault, words(value));
        }
    }
    outcome.samples.push(sample);
}

/// Names that nobody knows.
fn names(outcome: &mut Outcome, answered: &[&Identity], args: &Args) {
    let known = |identity: &&&Identity| {
        identity.name.as_deref().is_some_and(|told| args.nodes.iter().any(|node| means(told, &node.name)))
    };
    let strange: Vec<&&Identity> = answered.iter().filter(|identity| !known(identity)).collect();
    let told: BTreeSet<&str> =
        strange.iter().map(|identity| identity.name.as_deref().unwrap_or(NO_NAME)).collect();
    for name in told {
        let count = strange.iter().filter(|i| i.name.as_deref().unwrap_or(NO_NAME) == name).count();
        let text = if name == NO_NAME {
            format!("{count} of {} answers name no node", answered.len())
        } else {
            format!("{count} of {} answers come from `{name}`, which is no --node", answered.len())
        };
        outcome.find(&fault::ANYCAST_IDENTITY, text);
    }
}

/// Answers that are errors, and further services that give none.
fn errors(outcome: &mut Outcome, service: &Service, args: &Args) {
    let further = service.further.iter().filter_map(|(_, said)| said.as_ref().ok());
    let wrong = service
        .ports
        .iter()
        .flatten()
        .chain(further)
        .filter_map(|identity| Some((label(identity, args), identity.error.clone()?)));
    for (node, error) in wrong.collect::<BTreeSet<_>>() {
        outcome.find(&fault::ANYCAST_ERROR, format!("{node} answers {error}"));
    }
    for (what, said) in &service.further {
        if let Err(problem) = said {
            outcome.findings.push(Finding::from(problem.clone()));
            if let Some(finding) = outcome.findings.last_mut() {
                finding.text = format!("{what}: {}", finding.text);
            }
        }
    }
}

fn expected(outcome: &mut Outcome, service: &Service, args: &Args, node: &str) {
    let wanted = |name: &String| name.eq_ignore_ascii_case(node);
    let known = args.nodes.iter().any(|n| n.name == node);
    if known && !args.expect.is_empty() && !args.expect.iter().any(wanted) {
        let rtt = service.rtt().unwrap_or_default().as_secs_f64() * 1e3;
        let text = format!("answered by {node} in {rtt:.1} ms, expected {}", args.expect.join(" or "));
        outcome.find(&fault::ANYCAST_NODE, text);
    }
}

/// What users lose because BGP does not know distances: measured only against nodes that answer now.
fn inflation(outcome: &mut Outcome, report: &Report, args: &Args, node: &str, rtt: Duration, instance: &str) {
    let alive = args.nodes.iter().zip(&report.nodes).filter_map(|(node, rtt)| Some((node, (*rtt)?)));
    let Some((best, best_rtt)) = alive.min_by_key(|(_, rtt)| *rtt) else { return };
    let sample = INFLATION.sample(rtt.saturating_sub(best_rtt)).of(instance).against(args.limits(&INFLATION));
    judged(outcome, sample, &fault::ANYCAST_INFLATION, |value| {
        format!(
            "answered by {node} in {:.1} ms although {} is only {:.1} ms away: {:.1} ms too far",
            rtt.as_secs_f64() * 1e3,
            best.name,
            best_rtt.as_secs_f64() * 1e3,
            value * 1e3
        )
    });
}

/// Compares with the runs before, and saves this one. Without a place for it the check says less, it does not fail; and the
/// number of changes is not 0 then, it is not known.
fn remember(outcome: &mut Outcome, service: &Service, args: &Args, node: &str, instance: &str) {
    let target = service.address.to_string();
    let file = match &args.state_dir {
        Some(folder) => StateFile::in_folder(folder, "check_anycast", &target),
        None => match StateFile::of_user("check_anycast", &target) {
            Ok(file) => file,
            Err(error) => {
                outcome.details.push(format!("changes are not counted: {error}"));
                outcome.samples.push(CHANGES.sample_opt(None::<usize>).of(instance));
                return;
            }
        },
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut history = History::read(&file.load().unwrap_or_default());
    history.see_node(node, now);
    let changed = history.changes(now, args.window);
    let path = service.path.as_ref().filter(|path| path.distance.is_some()).map(Path::words);
    let before = path.as_deref().and_then(|path| history.see_path(path));
    let saved = file.save(&history.write());
    if let Err(error) = &saved {
        outcome.details.push(format!("changes are not counted: {}: {error}", file.path().display()));
    }
    let changes = CHANGES.sample_opt(saved.ok().map(|()| changed)).of(instance);
    let changes = changes.against(args.limits(&CHANGES));
    judged(outcome, changes, &fault::ANYCAST_CHANGES, |count| {
        format!("the answering node changed {count} times within {} s, now it is {node}", args.window)
    });
    if let (Some(words), Some(before)) = (path, before) {
        outcome
            .find(&fault::ANYCAST_PATH, format!("packets go by way of {words}, before by way of {before}"));
    }
}

/// Both families, and all services of one address, must be answered by the same node.
fn agreement(outcome: &mut Outcome, report: &Report, args: &Args) {
    let mut heard: Vec<(String, String)> = Vec::new();
    for service in &report.services {
        if let (Some(node), Some(first)) = (service.node(args), args.identity.first()) {
            heard.push((format!("{first} at {}", service.address), node));
        }
        for (what, said) in &service.further {
            if let Ok(identity) = said {
                heard.push((format!("{what} at {}", service.address), label(identity, args)));
            }
        }
    }
    let Some((first, node)) = heard.first() else { return };
    for (what, other) in heard.iter().skip(1).filter(|(_, other)| other != node) {
        outcome.find(&fault::ANYCAST_DISAGREE, format!("{first} is answered by {node}, {what} by {other}"));
    }
}
