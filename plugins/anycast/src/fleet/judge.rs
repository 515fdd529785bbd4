//! Enough announcers, and none that must not be?

use std::collections::BTreeSet;

use weir_contract::{Outcome, State, Value, fault};
use weir_wire::bgp::{Condition, Path, Prefix, Roa};

use super::{AGE, ANNOUNCERS, Args, FOREIGN, Facts, FleetCheck, LENGTH, PATHS, SPECIFICS};
use crate::daemon::View;

pub(super) fn judge(facts: &Facts, args: &Args) -> Outcome {
    use weir_cli::Check;
    let subject = args.prefix.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut outcome = Outcome::new(FleetCheck::SERVICE, subject);
    let mut headlines = Vec::new();
    for ((prefix, view), instance) in facts.views.iter().zip(args.instances()) {
        let mut announcers = view.as_ref().map(|view| heard(&mut outcome, view, *prefix, args, &instance));
        if let Some(reported) = reported(&mut outcome, facts, *prefix, args) {
            // With both sources the smaller number is the true one: a node may believe that it announces.
            announcers = Some(match announcers {
                Some(heard) if heard.len() <= reported.len() => heard,
                _ => reported,
            });
        }
        let sample = ANNOUNCERS.sample_opt(announcers.as_ref().map(BTreeSet::len)).of(&instance);
        let sample = sample.against(args.limits(&ANNOUNCERS));
        let names = announcers.map(|a| a.into_iter().collect::<Vec<_>>().join(", ")).unwrap_or_default();
        let from = if names.is_empty() { "nobody".to_owned() } else { names };
        if let Some(count) = sample.value.map(Value::as_f64) {
            let state = sample.thresholds.judge(count);
            if state != State::Ok {
                let text = format!("{prefix} is announced by only {count}: {from}");
                outcome.find_as(state, &fault::FLEET_ANNOUNCERS, text);
            }
            headlines.push(format!("{prefix} is announced by {count}: {from}"));
        } else {
            headlines.push(format!("{prefix} not looked at"));
        }
        outcome.samples.push(sample);
    }
    outcome.headline = headlines.join("; ");
    outcome
}

/// What a router hears: findings about paths that must not be; the rest are announcers.
fn heard(
    outcome: &mut Outcome,
    view: &View,
    prefix: Prefix,
    args: &Args,
    instance: &str,
) -> BTreeSet<String> {
    let mut announcers = BTreeSet::new();
    let (mut specifics, mut foreign, mut longest) = (0_usize, 0_usize, 0_usize);
    for (path, roa) in view.paths.iter().zip(&view.roas) {
        let way = way(path);
        if *roa == Some(Roa::Invalid) {
            outcome.find(&fault::FLEET_ROA, format!("{} by {way}: the ROA does not allow it", path.prefix));
        }
        if prefix.covers(&path.prefix) && !args.allow_specific.contains(&path.prefix) {
            specifics += 1;
            outcome.find(
                &fault::FLEET_SPECIFIC,
                format!("{} is a part of {prefix}, announced by {way}", path.prefix),
            );
            continue;
        }
        if path.prefix != prefix {
            continue;
        }
        match stranger(path, args) {
            Some((fault, text)) => {
                foreign += 1;
                outcome.find(fault, format!("{prefix} by {way}: {text}"));
            }
            None if path.condition == Condition::Stale => {
                outcome.find(
                    &fault::BGP_STALE,
                    format!("{prefix} by {way} is kept from before a graceful restart"),
                );
            }
            None => _ = announcers.insert(path.from.clone()),
        }
        longest = longest.max(path.as_path.len());
        outcome.details.push(format!("{prefix} by {way}{}", if path.best { ", best" } else { "" }));
    }
    outcome.samples.push(PATHS.sample(view.paths.len()).of(instance));
    outcome.samples.push(SPECIFICS.sample(specifics).of(instance));
    outcome.samples.push(FOREIGN.sample(foreign).of(instance));
    outcome.judge(LENGTH.sample(longest).of(instance).against(args.limits(&LENGTH)), &fault::FLEET_LENGTH);
    announcers
}

fn way(path: &Path) -> String {
    let numbers: Vec<String> = path.as_path.iter().map(ToString::to_string).collect();
    format!("{} (AS path {})", path.from, numbers.join(" "))
}

/// Why a path must not be. The AS next to the origin counts as the upstream; prepends of the origin are not looked at.
fn stranger(path: &Path, args: &Args) -> Option<(&'static weir_contract::Fault, String)> {
    let origin = path.origin()?;
    if !args.origin.is_empty() && !args.origin.contains(&origin) {
        return Some((&fault::FLEET_ORIGIN, format!("AS {origin} is no allowed origin")));
    }
    let upstream = path.as_path.iter().rev().find(|number| **number != origin);
    let strange = upstream.filter(|number| !args.upstream.is_empty() && !args.upstream.contains(number));
    strange.map(|number| (&fault::FLEET_UPSTREAM, format!("AS {number} is no allowed upstream")))
}

/// What the nodes report: findings about reports that are missing, old or broken; the nodes that announce.
fn reported(outcome: &mut Outcome, facts: &Facts, prefix: Prefix, args: &Args) -> Option<BTreeSet<String>> {
    let reports = facts.reports.as_ref()?;
    let family = usize::from(prefix.address().is_ipv6());
    let mut announcers = BTreeSet::new();
    let mut unknown = false;
    // The findings about reports are the same for every prefix: they are told with the first.
    let first = facts.views.first().is_some_and(|(p, _)| *p == prefix);
    for name in args.node.iter().filter(|name| !reports.iter().any(|r| r.node == **name)) {
        unknown = true;
        if first {
            outcome.find(&fault::FLEET_OLD, format!("{name} has never reported"));
        }
    }
    for report in reports.iter().filter(|r| args.node.is_empty() || args.node.contains(&r.node)) {
        let node = &report.node;
        let problem = match &report.said {
            _ if report.age > args.max_age => Some(match report.age {
                u64::MAX => format!("the report of {node} has no time that makes sense"),
                age => format!("the report of {node} is {age} s old, more than {} s", args.max_age),
            }),
            Err(why) => Some(format!("the report of {node} cannot be read: {why}")),
            Ok(said) => match said.announced[family] {
                Some(0) => {
                    outcome.details.push(format!("{node} does not announce {prefix}: {}", said.text));
                    None
                }
                Some(_) => {
                    announcers.insert(node.clone());
                    outcome.details.push(format!("{node} announces {prefix}, its check says {}", said.state));
                    None
                }
                None => Some(format!("{node} could not tell whether it announces {prefix}: {}", said.text)),
            },
        };
        if let Some(text) = problem {
            unknown = true;
            if first || report.said.is_ok() {
                outcome.find(&fault::FLEET_OLD, text);
            }
        }
    }
    let known = reports.iter().map(|r| r.age).filter(|age| *age != u64::MAX).max();
    if first {
        outcome.samples.push(AGE.sample_opt(known));
    }
    // Nodes that are not known may announce: too few known ones is then no alarm, it is unknown.
    let few = args.limits(&ANNOUNCERS).judge(announcers.len() as f64) != State::Ok;
    if unknown && few && args.daemon.is_none() { None } else { Some(announcers) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(from: &str, prefix: &str, as_path: &[u32]) -> Path {
        Path {
            prefix: prefix.parse().expect("prefix"),
            from: from.to_owned(),
            as_path: as_path.to_vec(),
            best: false,
            condition: Condition::Valid,
        }
    }

    fn args(words: &[&str]) -> Args {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        weir_cli::parse_options::<FleetCheck>(&words).expect("options").0
    }

    /// The hijack of the recorded table: a part of the prefix, and a spoofed origin whose ROA is valid.
    #[test]
    fn a_spoofed_origin_is_caught_by_its_upstream() {
        let args = args(&[
            "--daemon",
            "bird",
            "--prefix",
            "192.0.2.0/24",
            "--origin",
            "64511",
            "--upstream",
            "64501",
        ]);
        let paths = vec![
            path("bad4", "192.0.2.0/25", &[64666]),
            path("wix4", "192.0.2.0/24", &[64511]),
            path("ape4", "192.0.2.0/24", &[64511, 64511]),
            path("tr4", "192.0.2.0/24", &[64501, 64511]),
            path("bad4", "192.0.2.0/24", &[64666, 64511]),
        ];
        let roas = vec![None; paths.len()];
        let views = vec![(args.prefix[0], Some(View { paths, roas }))];
        let outcome = judge(&Facts { views, reports: None }, &args);
        let codes: Vec<&str> = outcome.findings.iter().map(|f| f.fault.code).collect();
        assert_eq!(codes, ["E-FLEET-SPECIFIC", "E-FLEET-UPSTREAM"]);
        assert_eq!(outcome.headline, "192.0.2.0/24 is announced by 3: ape4, tr4, wix4");
    }

    #[test]
    fn one_announcer_is_too_few() {
        let args = args(&["--daemon", "bird", "--prefix", "192.0.2.0/24"]);
        let paths = vec![path("wix4", "192.0.2.0/24", &[64511])];
        let views = vec![(args.prefix[0], Some(View { paths, roas: vec![None] }))];
        let outcome = judge(&Facts { views, reports: None }, &args);
        assert_eq!(
            (outcome.state(), outcome.findings[0].fault.code),
            (State::Critical, "E-FLEET-ANNOUNCERS")
        );
    }
}
