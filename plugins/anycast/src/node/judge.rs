//! The truth table: address here? service well? route announced? Eight rows, each with a name.

use std::net::IpAddr;

use weir_contract::{Fault, Finding, Outcome, State, Thresholds, fault};
use weir_wire::rtnetlink::Way;

use super::report::{Report, Service};
use super::{ANNOUNCED, Args, FIELDS, HEALTHY, HOLD, LOCAL, NodeCheck, RTT, SESSIONS};
use crate::kernel;

/// What a service address is found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    /// Healthy and announced.
    Serving,
    /// Healthy, and no session is up.
    SessionsDown,
    /// Healthy, sessions are up, and the route is not sent.
    Withdrawn,
    /// Announced, and the service does not answer as this node.
    Dead,
    /// Neither announced nor healthy.
    Down,
    /// Announced, and the address is not here.
    NoAddress,
    /// The address is not here and the route not announced.
    OffNode,
}

/// The row of the truth table.
fn condition(local: bool, healthy: bool, announced: bool, sessions: usize) -> Condition {
    match (local, healthy, announced) {
        (false, _, true) => Condition::NoAddress,
        (false, _, false) => Condition::OffNode,
        (true, false, true) => Condition::Dead,
        (true, false, false) => Condition::Down,
        (true, true, true) => Condition::Serving,
        (true, true, false) if sessions == 0 => Condition::SessionsDown,
        (true, true, false) => Condition::Withdrawn,
    }
}

pub(super) fn judge(report: &Report, args: &Args) -> Outcome {
    use weir_cli::Check;
    let mut outcome = Outcome::new(NodeCheck::SERVICE, report.node.clone());
    let mut conditions = Vec::new();
    let mut headlines = Vec::new();
    for service in &report.services {
        let instance = service.instance(&report.services);
        let (condition, headline) = one(&mut outcome, report, service, args, &instance);
        conditions.extend(condition.map(|c| (service, c)));
        headlines.push(headline);
    }
    families(&mut outcome, &conditions);
    outcome.headline = headlines.join("; ");
    outcome
}

/// One service address: findings, samples, and its part of the headline.
fn one(
    outcome: &mut Outcome,
    report: &Report,
    service: &Service,
    args: &Args,
    instance: &str,
) -> (Option<Condition>, String) {
    let node = &report.node;
    let prefix = service.prefix;
    let mut find = |state: Option<State>, fault: &'static Fault, text: String| {
        let state = state.unwrap_or(fault.state);
        outcome.findings.push(Finding { fault, state, subject: service.address.to_string(), text });
    };
    for (target, way) in &service.unreached {
        let text = format!("answers to {target} would go {}", kernel::words(way));
        find(None, &fault::ROUTE_KERNEL, text);
    }
    let way = match &service.way {
        Ok(way) => way,
        Err(problem) => {
            find(None, problem.fault, problem.text.clone());
            return (None, format!("{} not looked at", service.address));
        }
    };
    let local = *way == Way::Local;
    let healthy = service.healthy(node);
    let said = said(service, node);
    let exports = match &service.announcement {
        Ok(announcement) => {
            for refused in &announcement.refused {
                find(None, &fault::ROUTE_KERNEL, format!("the kernel does not have the route {refused}"));
            }
            for stale in &announcement.stale {
                find(None, &fault::BGP_STALE, format!("{stale} kept from before a graceful restart"));
            }
            announcement.exports.as_slice()
        }
        Err(problem) => {
            find(None, problem.fault, format!("{}: {}", problem.subject, problem.text));
            if local && !healthy {
                find(
                    None,
                    &fault::ANYCAST_DOWN,
                    format!("{said}; whether {prefix} is announced is not known"),
                );
            }
            samples(outcome, service, args, instance, local, healthy);
            return (None, format!("{}: {said}, {prefix} not looked at", service.address));
        }
    };
    let up = exports.iter().filter(|e| e.session.established).count();
    let sent = exports.iter().filter(|e| e.sent).count();
    let condition = condition(local, healthy, sent > 0, up);
    let on = sessions_words(sent, exports.len());
    let away = kernel::words(way);
    match condition {
        Condition::Serving | Condition::Dead | Condition::NoAddress if args.drained => {
            find(
                None,
                &fault::ANYCAST_DRAINED,
                format!("{prefix} is announced on {on} from {node}, which is drained"),
            );
        }
        Condition::Dead => {
            find(None, &fault::ANYCAST_DEAD, format!("{prefix} is announced on {on} but dead here: {said}"));
        }
        Condition::NoAddress => {
            let text = format!(
                "{prefix} is announced on {on} but the address is not on this node (a packet goes {away})"
            );
            find(None, &fault::ANYCAST_NO_ADDRESS, text);
        }
        _ if args.drained => {}
        Condition::OffNode => {
            let text =
                format!("the address is not on this node (a packet goes {away}) and {prefix} is withdrawn");
            find(None, &fault::ANYCAST_OFF_NODE, text);
        }
        Condition::Down => find(None, &fault::ANYCAST_DOWN, format!("{said}; {prefix} is withdrawn")),
        Condition::Withdrawn => {
            find(
                None,
                &fault::ANYCAST_WITHDRAWN,
                format!("healthy ({said}) but {prefix} is withdrawn: sent on {on}"),
            );
        }
        Condition::Serving | Condition::SessionsDown => {}
    }
    if !args.drained {
        for export in exports.iter().filter(|e| !e.session.established) {
            let (name, state) = (&export.session.name, &export.session.state);
            find(
                None,
                &fault::BGP_DOWN,
                format!("session {name} is {state}, so {prefix} is not announced on it"),
            );
        }
        if exports.is_empty() {
            let text = format!("{} has no session that carries {prefix}{}", args.daemon, named(args));
            find(None, &fault::BGP_DOWN, text);
        }
        for export in exports.iter().filter(|e| e.session.established && !e.sent && sent > 0) {
            let text = format!("{prefix} is not sent on session {}, only on {on}", export.session.name);
            find(None, &fault::ANYCAST_WITHDRAWN, text);
        }
    }
    samples(outcome, service, args, instance, local, healthy);
    (Some(condition), format!("{}: {said}, {prefix} announced on {on}", service.address))
}

fn named(args: &Args) -> String {
    if args.session.is_empty() { String::new() } else { format!(" named {}", args.session.join(", ")) }
}

fn sessions_words(sent: usize, all: usize) -> String {
    format!("{sent} of {all} session{}", if all == 1 { "" } else { "s" })
}

/// What the service said, in words: the first thing that is wrong, or that all is well.
fn said(service: &Service, node: &str) -> String {
    let words =
        |(what, said): &(String, Result<crate::identity::Identity, weir_contract::Problem>)| match said {
            Err(problem) => Some(format!("{what} gives no answer: {}", problem.text)),
            Ok(identity) => match (&identity.error, &identity.name) {
                (Some(error), _) => Some(format!("{what} answers {error}")),
                (None, None) => Some(format!("{what} tells no name")),
                (None, Some(name)) if !crate::identity::means(name, node) => {
                    Some(format!("{what} answers as `{name}`, not as {node}"))
                }
                _ => None,
            },
        };
    if service.said.is_empty() {
        return "not asked".to_owned();
    }
    let wrong = service.said.iter().find_map(words);
    wrong.unwrap_or_else(|| format!("answers as {node}"))
}

fn samples(
    outcome: &mut Outcome,
    service: &Service,
    args: &Args,
    instance: &str,
    local: bool,
    healthy: bool,
) {
    let limits = |field| args.limits.of(field, &FIELDS, Thresholds::default());
    let rtt =
        service.said.iter().filter_map(|(_, said)| said.as_ref().ok()).map(|identity| identity.rtt).max();
    outcome.judge(RTT.sample_opt(rtt).of(instance).against(limits(&RTT)), &fault::ANYCAST_SLOW);
    let exports = service.announcement.as_ref().ok().map(|a| &a.exports);
    outcome
        .samples
        .push(ANNOUNCED.sample_opt(exports.map(|e| e.iter().filter(|e| e.sent).count())).of(instance));
    let up = exports.map(|e| e.iter().filter(|e| e.session.established).count());
    outcome.samples.push(SESSIONS.sample_opt(up).of(instance));
    outcome.samples.push(HEALTHY.sample(healthy).of(instance));
    outcome.samples.push(LOCAL.sample(local).of(instance));
    let unwatched = |e: &&crate::daemon::Export| e.session.established && e.session.bfd != Some(true);
    let hold = exports.and_then(|e| e.iter().filter(unwatched).filter_map(|e| e.session.hold_time).max());
    outcome.judge(HOLD.sample_opt(hold).of(instance).against(limits(&HOLD)), &fault::BGP_HOLD);
    for export in exports.into_iter().flatten() {
        let session = &export.session;
        let drops = session.drops.map(|d| format!(", lost {d} times")).unwrap_or_default();
        outcome.details.push(format!(
            "{}: session {} is {}{drops}, {} {}",
            service.address,
            session.name,
            session.state,
            if export.sent { "sends" } else { "does not send" },
            service.prefix
        ));
    }
}

/// Both families must be in the same condition: a probe over one of them hides the other.
fn families(outcome: &mut Outcome, conditions: &[(&Service, Condition)]) {
    let of = |four: bool| conditions.iter().filter(move |(s, _)| s.address.is_ipv4() == four);
    let serves = |condition: Condition| condition == Condition::Serving;
    if let (Some((a, four)), Some((b, six))) = (of(true).next(), of(false).next())
        && serves(*four) != serves(*six)
    {
        let word =
            |address: IpAddr, well: bool| format!("{address} {}", if well { "serves" } else { "does not" });
        let text = format!("{} and {}", word(a.address, serves(*four)), word(b.address, serves(*six)));
        outcome.find(&fault::ANYCAST_FAMILIES, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_truth_table_has_its_name() {
        // local, healthy, announced, sessions up
        for (row, wanted) in [
            ((true, true, true, 1), Condition::Serving),
            ((true, false, true, 1), Condition::Dead),
            ((true, true, false, 1), Condition::Withdrawn),
            ((true, true, false, 0), Condition::SessionsDown),
            ((true, false, false, 1), Condition::Down),
            ((true, false, false, 0), Condition::Down),
            ((false, false, true, 1), Condition::NoAddress),
            ((false, true, true, 1), Condition::NoAddress),
            ((false, false, false, 1), Condition::OffNode),
        ] {
            assert_eq!(condition(row.0, row.1, row.2, row.3), wanted, "{row:?}");
        }
    }
}
