//! `latency_`: the series, drawn by Munin.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use weir_cli::{Check, Common, Env, Graphs, parse_options};
use weir_contract::{Field, Problem, Sample, fault};
use weir_munin::{Link, Row, Section};

use crate::check::{Args, LatencyCheck};
use crate::fields::{FASTEST, JITTER, JITTER_GRAPH, LOSS, LOSS_GRAPH, MEDIAN, P10, P90, RTT_GRAPH, SLOWEST};
use crate::gather::Gathering;

/// `latency_HOST`
#[derive(Debug)]
pub struct LatencyGraphs {
    service: String,
    options: (Args, Common),
    gathering: Option<Gathering>,
}

impl Graphs for LatencyGraphs {
    const HELP: &'static str = "Draws round trips with their spread, loss and jitter.

Link:
  latency_HOST     HOST is the address or name, unless env.options names others

Environment (plugin-conf.d):
  env.options      options of check_latency, such as: -H 198.51.100.1 -H 203.0.113.3 --probe icmp -n 20 -w 0.05
  env.timeout      seconds for all of it, 10 by default
  env.spread       spread the -n probes over so many seconds, best Munin's interval of 300: a process of its own, which
                   this plugin starts and which ends when nobody fetches any more, sends them; without it they are
                   sent during the fetch

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
        let gathering = env.get("spread").map(|text| gathering(text, &options.0, &words.join(" "), env));
        Ok(Self { service: link.service.clone(), options, gathering: gathering.transpose()? })
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
        let going = self.gathering.as_ref().map_or(Ok(()), |gathering| gathering.keep_going(&self.service));
        let gathered = self.gathering.as_ref().map(Gathering::gathered).unwrap_or_default();
        if !gathered.is_empty() {
            samples.extend(LatencyCheck::of_samples(args, &gathered).samples);
            return going;
        }
        // Nothing has been gathered yet: a short series is better than none.
        let outcome = LatencyCheck::run(args, common);
        samples.extend(outcome.samples);
        going?;
        // What keeps everything from being measured is for the node's log.
        match outcome.findings.into_iter().find(|f| f.state == weir_contract::State::Unknown) {
            Some(finding) => Err(Problem::new(finding.fault, finding.text)),
            None => Ok(()),
        }
    }

    fn acquire(&self) -> Result<(), Problem> {
        let Some(gathering) = &self.gathering else {
            return Err(Problem::new(
                &fault::USAGE,
                "env.spread is missing: probes are sent during the fetch",
            ));
        };
        let (args, common) = &self.options;
        gathering.run(|at| LatencyCheck::sample(args, common, gathering.every, at))
    }

    fn autoconf(_env: &Env) -> Result<(), String> {
        Err("name the targets: link latency_HOST".to_owned())
    }
}

/// What `env.spread` asks for.
fn gathering(text: &str, args: &Args, options: &str, env: &Env) -> Result<Gathering> {
    let spread = weir_cli::seconds(text)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("env.spread is `{text}`"))?;
    let folder = env.get("MUNIN_PLUGSTATE").map(PathBuf::from);
    let gathering =
        Gathering::new(spread, args.count(), &format!("{} {options}", args.hosts().join(" ")), folder)
            .context("env.spread needs a folder for its probes")?;
    if gathering.every < args.patience() {
        bail!(
            "env.spread is `{text}`: {} probes in that time leave {:.2} s for each, less than their --patience of {:.2} s",
            args.count(),
            gathering.every.as_secs_f64(),
            args.patience().as_secs_f64()
        );
    }
    Ok(gathering)
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
