//! `check_latency`: a series to every address of every target, judged.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use weir_cli::{Check, Common, Limits, NetArgs};
use weir_contract::{Field, Finding, Outcome, Problem, Range, Thresholds, fault};
use weir_probe::icmp::Schedule;
use weir_probe::state::StateFile;
use weir_probe::{Addresses, Probe, block_on, together};

use crate::baseline::{Baseline, STEP_RUNS};
use crate::fields::{FASTEST, FIELDS, JITTER, LOSS, MEDIAN, P10, P90, SLOWEST};
use crate::gather::{self, Sample};
use crate::series::Series;
use crate::way::Way;

/// Targets that are looked at at once.
const AT_ONCE: usize = 256;

/// The check.
#[derive(Debug)]
pub struct LatencyCheck;

/// Options of `check_latency`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A gateway, an exchange, a server: an address or a name; repeatable.
    #[arg(short = 'H', long = "host", value_name = "HOST", required = true)]
    hosts: Vec<String>,

    /// How: icmp, tcp:PORT, dns[:NAME][@PORT] or http[:/PATH][@PORT].
    #[arg(long, value_name = "HOW", default_value = "icmp")]
    probe: Way,

    /// How many probes.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,

    /// Seconds between two probes; all but the last must fit into the timeout.
    #[arg(long, value_name = "SECONDS", default_value = "0.2", value_parser = weir_cli::seconds)]
    interval: Duration,

    /// Spread the probes evenly over so many seconds of the run, in place of --interval.
    #[arg(long, value_name = "SECONDS", value_parser = weir_cli::seconds, conflicts_with = "interval")]
    spread: Option<Duration>,

    /// Seconds after which a probe counts as lost.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = weir_cli::seconds)]
    patience: Duration,

    /// Warn when the median of three runs in a row is more than FACTOR times the usual one; 0 does not look.
    #[arg(long, value_name = "FACTOR", default_value_t = 2.0)]
    step: f64,

    /// Warn when so many runs in a row have lost something, however little; 0 does not look.
    #[arg(long, value_name = "RUNS", default_value_t = 5)]
    steady_loss: usize,

    /// Folder for what is remembered between runs [default: /var/lib/weir if it is fit, else /var/tmp/weir-UID]
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,

    #[command(flatten)]
    net: NetArgs,

    #[command(flatten)]
    limits: Limits,
}

/// One address of one target, and what was seen.
struct Seen {
    host: String,
    address: IpAddr,
    result: Result<(String, Series), Problem>,
}

impl Args {
    /// The names of the targets.
    pub(crate) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    pub(crate) fn limits(&self, field: &'static Field) -> Thresholds {
        let range = |warning, critical| Thresholds { warning, critical };
        let default = if field.id == LOSS.id {
            range(Some(Range::above(20.0)), Some(Range::above(60.0)))
        } else {
            Thresholds::default()
        };
        self.limits.of(field, &FIELDS, default)
    }

    fn schedule(&self) -> Schedule {
        Schedule { count: usize::from(self.count), interval: self.interval(), patience: self.patience }
    }

    fn interval(&self) -> Duration {
        self.spread.map_or(self.interval, |spread| spread / u32::from(self.count))
    }

    /// How many probes make a series.
    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// How long a probe is waited for.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }
}

impl Check for LatencyCheck {
    const SERVICE: &'static str = "LATENCY";
    const ABOUT: &'static str = "Latency, loss and jitter to gateways, exchanges, and every address of a name\n\n\
        Sends a few probes, spread over the run, and judges the series. ICMP needs no privilege where \
        net.ipv4.ping_group_range covers the user's group; else it takes CAP_NET_RAW; without both, UDP to a closed port is used \
        and said so. Remembers the runs before: a sudden step and steady loss are told even below the thresholds.";
    const EXAMPLES: &'static str = "  The way to a gateway, warn above 20 ms:\n    check_latency -H 198.51.100.1 -w 0.02 -c 0.1\n  \
        Every address of a streaming server, by its own port:\n    \
        check_latency -H live.example.net --addresses all --probe tcp:554 -w 0.05 -w jitter=0.01\n  \
        A name server across the ocean, 20 questions in four seconds:\n    check_latency -H 203.0.113.3 --probe dns:www.example.net -n 20 -w 0.15";
    const FIELDS: &'static [&'static Field] = &FIELDS;
    type Args = Args;

    fn validate(args: &Args) -> Result<(), Problem> {
        if args.step != 0.0 && !(args.step > 1.0 && args.step.is_finite()) {
            return Err(Problem::new(&fault::USAGE, format!("--step {} is not above 1, nor 0", args.step)));
        }
        args.limits.check(&FIELDS)
    }

    fn thresholds(args: &Args) -> Vec<(&'static Field, Thresholds)> {
        FIELDS.map(|field| (field, args.limits(field))).to_vec()
    }

    fn run(args: &Args, common: &Common) -> Outcome {
        let spread = args.interval() * u32::from(args.count - 1) + args.patience;
        if spread > common.timeout {
            let text = format!(
                "{} probes every {:.2} s and {:.2} s of patience do not fit into the timeout of {:.1} s",
                args.count,
                args.interval().as_secs_f64(),
                args.patience.as_secs_f64(),
                common.timeout.as_secs_f64()
            );
            return Outcome::failed(Self::SERVICE, "", Problem::new(&fault::USAGE, text));
        }
        let probe = args.net.probe(common);
        let mut outcome = Outcome::new(Self::SERVICE, args.hosts.join(", "));
        match block_on(measure(&probe, args, &mut outcome)) {
            Ok(seen) => judge(&mut outcome, &seen, args),
            Err(problem) => outcome.findings.push(problem.into()),
        }
        probe.finish(&mut outcome);
        outcome
    }
}

impl LatencyCheck {
    /// One probe to every target, within `limit`; a target that cannot be reached has lost it, one without an address has none.
    pub(crate) fn sample(args: &Args, common: &Common, limit: Duration, at: u64) -> Vec<Sample> {
        let single = Args { count: 1, spread: None, ..args.clone() };
        let probe = args.net.probe(common).fork_within(limit);
        let seen = block_on(measure(&probe, &single, &mut Outcome::default())).unwrap_or_default();
        let sample = |Seen { host, address, result }: Seen| {
            let (way, series) =
                result.unwrap_or_else(|_| (args.probe.to_string(), Series { rtts: vec![None] }));
            Sample { at, host, address, rtt: series.rtts.first().copied().flatten(), way }
        };
        seen.into_iter().map(sample).collect()
    }

    /// The outcome of what was gathered. Runs before are those of the check, and are left alone.
    pub(crate) fn of_samples(args: &Args, samples: &[Sample]) -> Outcome {
        let each = !matches!(args.net.addresses, Addresses::First | Addresses::Any);
        let seen: Vec<Seen> = gather::series(samples, each)
            .into_iter()
            .map(|(host, address, way, series)| Seen { host, address, result: Ok((way, series)) })
            .collect();
        let mut outcome = Outcome::new(Self::SERVICE, args.hosts.join(", "));
        judge(&mut outcome, &seen, &Args { step: 0.0, steady_loss: 0, ..args.clone() });
        outcome
    }
}

/// Looks up every name, then measures every address at once. Names that do not resolve become findings.
async fn measure(probe: &Probe, args: &Args, outcome: &mut Outcome) -> Vec<Seen> {
    let mut targets: Vec<(String, IpAddr)> = Vec::new();
    for host in &args.hosts {
        match probe.resolve(host, 0).await {
            Ok(addresses) => {
                let wanted = match args.net.addresses {
                    Addresses::First | Addresses::Any => 1,
                    Addresses::All | Addresses::AtLeast(_) => addresses.len(),
                };
                targets.extend(addresses.iter().take(wanted).map(|address| (host.clone(), address.ip())));
            }
            Err(problem) => outcome.findings.push(Finding::from(problem.about(host.as_str()))),
        }
    }
    let one = async |(host, address): (String, IpAddr)| {
        let fork = probe.fork();
        let result = args.probe.measure(&fork, address, &host, args.schedule()).await;
        (Seen { host, address, result }, fork)
    };
    let seen = together(AT_ONCE, targets.into_iter().map(one)).await;
    seen.into_iter()
        .map(|(seen, fork)| {
            let phases = outcome.phases.len();
            fork.finish(outcome);
            outcome.phases.truncate(phases + 1);
            seen
        })
        .collect()
}

fn judge(outcome: &mut Outcome, seen: &[Seen], args: &Args) {
    let mut headlines = Vec::new();
    for one in seen {
        let alike = seen.iter().filter(|other| other.host == one.host).count();
        let instance = match (seen.len(), alike) {
            (1, _) => String::new(),
            (_, 1) => one.host.clone(),
            _ => format!("{}_{}", one.host, one.address),
        };
        let from = outcome.findings.len();
        headlines.push(address(outcome, one, args, &instance));
        let literal = one.host.parse::<IpAddr>().is_ok();
        let subject = match (literal, seen.len()) {
            (true, 1) => String::new(),
            (true, _) => one.host.clone(),
            (false, _) => format!("{} ({})", one.host, one.address),
        };
        for finding in &mut outcome.findings[from..] {
            finding.subject.clone_from(&subject);
        }
    }
    needed(outcome, seen, args);
    if outcome.findings.iter().any(|finding| !finding.subject.is_empty()) {
        outcome.subject.clear(); // each finding names its target
    }
    outcome.headline = headlines.join("; ");
}

/// With `--addresses N` a name is well when so many of its addresses answer: dead ones beyond are a warning.
fn needed(outcome: &mut Outcome, seen: &[Seen], args: &Args) {
    let Addresses::AtLeast(count) = args.net.addresses else { return };
    for host in &args.hosts {
        let own: Vec<&Seen> = seen.iter().filter(|s| s.host == *host).collect();
        let serving =
            own.iter().filter(|s| s.result.as_ref().is_ok_and(|(_, series)| series.answered() > 0)).count();
        if serving >= count {
            let prefix = format!("{host} (");
            let dead = outcome.findings.iter_mut().filter(|f| f.subject.starts_with(&prefix));
            dead.filter(|f| f.fault == &fault::PATH_UNREACHABLE)
                .for_each(|f| f.state = weir_contract::State::Warning);
        }
    }
}

fn address(outcome: &mut Outcome, seen: &Seen, args: &Args, instance: &str) -> String {
    let (way, series) = match &seen.result {
        Ok((way, series)) => (way, series),
        Err(problem) => {
            outcome.findings.push(problem.clone().into());
            outcome.samples.push(LOSS.sample(100.0).of(instance).against(args.limits(&LOSS)));
            return format!("{} does not answer", seen.host);
        }
    };
    let sample = |field: &'static Field, value: Option<Duration>| {
        field.sample_opt(value).of(instance).against(args.limits(field))
    };
    let median = series.percentile(50);
    let text = match median {
        Some(median) => format!(
            "{}{:.1} ms, {} of {} answered by {way}",
            if instance.is_empty() { String::new() } else { format!("{} in ", seen.host) },
            median.as_secs_f64() * 1e3,
            series.answered(),
            series.rtts.len()
        ),
        None => format!("{} does not answer", seen.host),
    };
    if series.answered() == 0 {
        let text = format!("none of {} probes was answered ({way})", series.rtts.len());
        outcome.find(&fault::PATH_UNREACHABLE, text);
        outcome.samples.push(LOSS.sample_opt(series.loss()).of(instance).against(args.limits(&LOSS)));
    } else {
        outcome.judge(
            LOSS.sample_opt(series.loss()).of(instance).against(args.limits(&LOSS)),
            &fault::PATH_LOSS,
        );
    }
    outcome.judge(sample(&MEDIAN, median), &fault::PATH_LATENCY);
    outcome.judge(sample(&JITTER, series.jitter()), &fault::PATH_JITTER);
    for (field, percent) in [(&FASTEST, 0), (&P10, 10), (&P90, 90), (&SLOWEST, 100)] {
        outcome.judge(sample(field, series.percentile(percent)), &fault::PATH_LATENCY);
    }
    remember(outcome, seen, series, args);
    text
}

/// Compares with the runs before, and saves this one. Without a place for it the check says less, it does not fail.
fn remember(outcome: &mut Outcome, seen: &Seen, series: &Series, args: &Args) {
    if args.step == 0.0 && args.steady_loss == 0 {
        return;
    }
    let target = format!("{} {}", seen.address, args.probe);
    let file = match &args.state_dir {
        Some(folder) => Ok(StateFile::in_folder(folder, "check_latency", &target)),
        None => StateFile::of_user("check_latency", &target),
    };
    let file = match file {
        Ok(file) => file,
        Err(error) => {
            outcome.details.push(format!("runs before are not remembered: {error}"));
            return;
        }
    };
    let mut baseline = Baseline::read(&file.load().unwrap_or_default());
    baseline.add(series);
    if let Some((usual, now)) = (args.step > 1.0).then(|| baseline.step(args.step)).flatten() {
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let text = format!(
            "round trips rose from {:.1} ms to {:.1} ms and stayed so for {STEP_RUNS} runs",
            ms(usual),
            ms(now)
        );
        outcome.find(&fault::PATH_STEP, text);
    }
    if baseline.steady_loss(args.steady_loss) && series.answered() > 0 {
        outcome
            .find(&fault::PATH_LOSS, format!("each of the last {} runs has lost probes", args.steady_loss));
    }
    if let Err(error) = file.save(&baseline.write()) {
        outcome.details.push(format!("runs before are not remembered: {}: {error}", file.path().display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_contract::State;

    /// The state and the fault when so many of a hundred probes were lost.
    fn lost(count: u64, options: &[&str]) -> (State, Option<&'static str>) {
        let words: Vec<String> =
            ["-H", "192.0.2.1"].iter().chain(options).map(|&word| word.to_owned()).collect();
        let (args, _) = weir_cli::parse_options::<LatencyCheck>(&words).expect("options");
        let address = IpAddr::from([192, 0, 2, 1]);
        let rtt = |at| (at >= count).then(|| Duration::from_millis(20));
        let sample =
            |at| Sample { at, host: address.to_string(), address, rtt: rtt(at), way: "ICMP".to_owned() };
        let outcome = LatencyCheck::of_samples(&args, &(0..100).map(sample).collect::<Vec<_>>());
        (outcome.state(), outcome.findings.first().map(|finding| finding.fault.code))
    }

    #[test]
    fn loss_warns_above_a_fifth_and_is_critical_above_three() {
        assert_eq!(lost(0, &[]), (State::Ok, None));
        assert_eq!(lost(20, &[]), (State::Ok, None));
        assert_eq!(lost(21, &[]), (State::Warning, Some("E-PATH-LOSS")));
        assert_eq!(lost(60, &[]), (State::Warning, Some("E-PATH-LOSS")));
        assert_eq!(lost(61, &[]), (State::Critical, Some("E-PATH-LOSS")));
        assert_eq!(lost(100, &[]), (State::Critical, Some("E-PATH-UNREACHABLE")));
        assert_eq!(lost(61, &["-c", "loss=70"]), (State::Warning, Some("E-PATH-LOSS")));
    }

    #[test]
    fn what_was_asked_of_the_median_is_judged() {
        assert_eq!(lost(10, &["-w", "0.02"]), (State::Ok, None));
        assert_eq!(lost(10, &["-w", "0.019"]), (State::Warning, Some("E-PATH-LATENCY")));
        assert_eq!(lost(100, &["-w", "0.019"]).1, Some("E-PATH-UNREACHABLE"), "there is none to judge");
    }
}
