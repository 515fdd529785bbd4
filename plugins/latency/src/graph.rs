//! `latency_`: the series, drawn by Munin.

use anyhow::{Context, Result};
use weir_cli::{Check, Common, Env, Graphs, parse_options};
use weir_contract::{Field, Problem, Sample};
use weir_munin::{Link, Row, Section};

use crate::check::{Args, LatencyCheck};
use crate::fields::{FASTEST, JITTER, JITTER_GRAPH, LOSS, LOSS_GRAPH, MEDIAN, P10, P90, RTT_GRAPH, SLOWEST};

/// `latency_HOST`
#[derive(Debug)]
pub struct LatencyGraphs {
    service: String,
    options: (Args, Common),
}

impl Graphs for LatencyGraphs {
    const HELP: &'static str = "Draws round trips with their spread, loss and jitter.

Link:
  latency_HOST     HOST is the address or name, unless env.options names others

Environment (plugin-conf.d):
  env.options      options of check_latency, such as: -H 198.51.100.1 -H 203.0.113.3 --probe icmp -n 20 -w 0.05
  env.timeout      seconds for all of it, 10 by default

With one target the graph shows the spread of its round trips; with several, their medians. Warning and critical ranges among
the options become Munin's.";

    fn new(link: &Link, env: &Env) -> Result<Self> {
        let options = env.get("options").unwrap_or_default();
        let mut words = vec!["--timeout".to_owned(), env.timeout()?.as_secs_f64().to_string()];
        words.extend(options.split_whitespace().map(str::to_owned));
        if !words.iter().any(|word| word == "-H" || word == "--host" || word.starts_with("--host=")) {
            let host = link.instance.clone();
            let host =
                host.context("the link names no host: call it latency_HOST, or give env.options a -H HOST")?;
            words.extend(["-H".to_owned(), host]);
        }
        let options = parse_options::<LatencyCheck>(&words).context("env.options")?;
        Ok(Self { service: link.service.clone(), options })
    }

    fn sections(&self) -> Vec<Section> {
        let (args, _) = &self.options;
        let hosts = args.hosts();
        let row = |field: &'static Field, instance: &str| Row {
            thresholds: args.limits(field),
            ..Row::new(field, instance)
        };
        let each = |field: &'static Field| -> Vec<Row> {
            match hosts {
                [_] => vec![row(field, "")],
                _ => hosts.iter().map(|host| row(field, host)).collect(),
            }
        };
        let rtt = match hosts {
            [_] => [&FASTEST, &P10, &MEDIAN, &P90, &SLOWEST].map(|field| row(field, "")).into(),
            _ => each(&MEDIAN),
        };
        let subject = if hosts.len() == 1 { hosts[0].as_str() } else { "" };
        [(&RTT_GRAPH, rtt), (&LOSS_GRAPH, each(&LOSS)), (&JITTER_GRAPH, each(&JITTER))]
            .into_iter()
            .map(|(graph, rows)| {
                let parent = graph.id == RTT_GRAPH.id;
                let name =
                    if parent { self.service.clone() } else { format!("{}.{}", self.service, graph.id) };
                Section { rows, ..Section::new(name, graph, subject) }
            })
            .collect()
    }

    fn measure(&self, samples: &mut Vec<Sample>) -> Result<(), Problem> {
        let (args, common) = &self.options;
        let outcome = LatencyCheck::run(args, common);
        samples.extend(outcome.samples);
        // What keeps everything from being measured is for the node's log.
        match outcome.findings.into_iter().find(|f| f.state == weir_contract::State::Unknown) {
            Some(finding) => Err(Problem::new(finding.fault, finding.text)),
            None => Ok(()),
        }
    }

    fn autoconf(_env: &Env) -> Result<(), String> {
        Err("name the targets: link latency_HOST".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(instance: &str, options: &str) -> String {
        let link = Link { service: format!("latency_{instance}"), instance: Some(instance.to_owned()) };
        let graphs = LatencyGraphs::new(&link, &Env::from([("options", options)])).expect("fine");
        weir_munin::config(&graphs.sections())
    }

    #[test]
    fn one_target_shows_its_spread_and_several_their_medians() {
        let one = config("gw.example.net", "-w 0.05");
        assert!(
            one.contains("p10.label")
                && one.contains("median.warning 0:50")
                && one.contains("gw.example.net"),
            "{one}"
        );
        let many = config("all", "-H 198.51.100.1 -H gw.example.net");
        assert!(
            many.contains("_198_51_100_1_median.label") && many.contains("gw_example_net_loss.label"),
            "{many}"
        );
        assert!(!many.contains("p10"), "{many}");
    }
}
