//! `check_squid_log`: hit ratios of every site, from what the access log says since the last run.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use weir_cli::{Check, Common, Limits};
use weir_contract::{Fault, Field, Outcome, Problem, Range, Thresholds, Unit, fault};
use weir_probe::Deadline;
use weir_probe::state::StateFile;
use weir_wire::squid::access_log::Format;

use super::fields::{self, samples};
use super::follow::{Place, since, whole};
use super::scan::{Scan, scan};
use super::sites::Sites;
use super::tally::{Counts, Tally};

const SERVICE: &str = "SQUID LOG";
/// More unreadable lines than this, in percent, and the format is a wrong one.
const UNREADABLE_MAX: f64 = 5.0;

/// What sites are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Order {
    /// Requests.
    #[default]
    Requests,
    /// Bytes that were not served from the cache.
    MissBytes,
    /// Time that clients waited for misses, all together.
    MissTime,
}

/// The options of `check_squid_log`.
#[derive(Args, Debug)]
pub struct LogArgs {
    /// The access log; rotated files are looked for beside it.
    #[arg(value_name = "FILE", default_value = "/var/log/squid/access.log")]
    file: PathBuf,

    /// The format: squid, squidmime, common, combined, or what follows `logformat NAME` in squid.conf.
    #[arg(long, value_name = "FORMAT", default_value = "squid")]
    format: String,

    /// A file of sites, a line each: NAME HOST[/PATH] [HOST[/PATH] ...], with * for anything. Each is judged; without the file
    /// hosts are shown and only the whole log is judged.
    #[arg(long, value_name = "FILE")]
    sites: Option<String>,

    /// Show so many sites.
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: u16,

    /// What sites are sorted by.
    #[arg(long, value_name = "ORDER", default_value = "requests")]
    sort: Order,

    /// A site, or the log, is judged only when it had this many requests.
    #[arg(long, value_name = "N", default_value_t = 100)]
    min_requests: u64,

    /// Read all of the file, and remember nothing.
    #[arg(long)]
    whole: bool,

    /// Where to remember how far the log was read [default: /var/lib/weir if it is fit, else /var/tmp/weir-UID]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,

    /// A name for this caller, when several services read the same log and each wants its own last run.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    state_name: String,

    #[command(flatten)]
    limits: Limits,
}

/// `check_squid_log`
#[derive(Debug)]
pub struct CheckSquidLog;

impl LogArgs {
    fn thresholds(&self, field: &'static Field) -> Thresholds {
        let default = match field.id {
            "status_5xx" => {
                Thresholds { warning: Some(Range::above(5.0)), critical: Some(Range::above(25.0)) }
            }
            _ => Thresholds::default(),
        };
        self.limits.of(field, fields::ALL, default)
    }

    fn state(&self) -> Result<StateFile, Problem> {
        let target = format!("{} {}", self.file.display(), self.state_name);
        match &self.state_dir {
            Some(folder) => Ok(StateFile::in_folder(folder, "check_squid_log", target.trim_end())),
            None => StateFile::of_user("check_squid_log", target.trim_end()).map_err(|error| {
                Problem::new(
                    &fault::PERMISSION,
                    format!("no place to remember how far the log was read: {error}"),
                )
            }),
        }
    }
}

impl Check for CheckSquidLog {
    const SERVICE: &'static str = SERVICE;
    const ABOUT: &'static str = "Check the hit ratios of every site of a Squid, from its access log.\n\n\
        Reads what was written since the last run, across rotation, truncation and compression (.gz), and counts requests, bytes, \
        misses by cost and status classes by host or by a file of patterns. Requests to the cache manager are left out.";
    const EXAMPLES: &'static str = "  The whole log, at least 60 % of requests from the cache:\n    \
        check_squid_log /var/log/squid/access.log -w 60: -c 40:\n  \
        Each channel of a file of patterns, bytes too:\n    \
        check_squid_log --sites /etc/weir/sites -c 50: -w byte_hit_ratio=70:\n  \
        A person who asks which sites cost most, in a log of a format of its own:\n    \
        check_squid_log --whole --sort miss-bytes --top 20 -v --format '%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru \"%{Host}>h\"' access.log";
    const FIELDS: &'static [&'static Field] = fields::ALL;
    type Args = LogArgs;

    fn validate(args: &LogArgs) -> Result<(), Problem> {
        args.limits.check(fields::ALL)?;
        Format::new(&args.format)
            .map(drop)
            .map_err(|error| Problem::new(&fault::USAGE, format!("--format: {error}")))
    }

    fn thresholds(args: &LogArgs) -> Vec<(&'static Field, Thresholds)> {
        fields::ALL.iter().map(|field| (*field, args.thresholds(field))).collect()
    }

    fn run(args: &LogArgs, common: &Common) -> Outcome {
        let subject = args.file.display().to_string();
        check(args, Deadline::after(common.timeout))
            .unwrap_or_else(|problem| Outcome::failed(SERVICE, subject, problem))
    }
}

fn check(args: &LogArgs, deadline: Deadline) -> Result<Outcome, Problem> {
    let usage = |error: &dyn std::fmt::Display| Problem::new(&fault::USAGE, error.to_string());
    let format = Format::new(&args.format).map_err(|error| usage(&error))?;
    let sites =
        args.sites.as_deref().map(Sites::read).transpose().map_err(|error| usage(&format!("{error:#}")))?;
    let unreadable = |error: &dyn std::fmt::Display| {
        Problem::new(&fault::SQUID_LOG, format!("cannot read {}: {error}", args.file.display()))
    };
    let state = if args.whole { None } else { Some(args.state()?) };
    let place = state.as_ref().and_then(StateFile::load).and_then(|text| Place::decode(text.trim_end()));
    let news = if args.whole { whole(&args.file) } else { since(&args.file, place) };
    let mut tally = Tally::new(sites.as_ref());
    let scan = scan(&args.file, news.map_err(|error| unreadable(&error))?, &format, deadline, &mut tally)
        .map_err(|error| unreadable(&format!("{error:#}")))?;

    let mut outcome = Outcome::new(SERVICE, args.file.display().to_string());
    judge(&mut outcome, args, &tally, &scan, format.has_elapsed());
    if let (Some(state), Some(place)) = (state, scan.place)
        && let Err(error) = state.save(&place.encode())
    {
        // The next run would count the same again.
        let text = format!("cannot remember how far the log was read in {}: {error}", state.path().display());
        outcome.findings.push(Problem::new(&fault::PERMISSION, text).into());
    }
    Ok(outcome)
}

fn judge(outcome: &mut Outcome, args: &LogArgs, tally: &Tally<'_>, scan: &Scan, has_elapsed: bool) {
    let total = &tally.total;
    let lines = total.requests + tally.internal + tally.unreadable;
    let broken = if lines > 0 { 100.0 * tally.unreadable as f64 / lines as f64 } else { 0.0 };
    if broken > UNREADABLE_MAX {
        let text = format!("{} of {lines} lines are not of the format `{}`", tally.unreadable, args.format);
        outcome.find(&fault::SQUID_LOG_FORMAT, text);
    }
    let percent = |ratio: Option<f64>| ratio.map_or("no".to_owned(), |r| format!("{r:.1} %"));
    outcome.headline = match total.requests {
        0 => "no requests since the last run".to_owned(),
        _ => format!(
            "hits {} of {} requests, {} of {}",
            percent(total.percent(total.hits)),
            total.requests,
            percent(total.byte_percent()),
            Unit::Bytes.human(total.bytes.into())
        ),
    };
    if total.requests > 0 && total.requests < args.min_requests {
        let _ = write!(outcome.headline, ", too little traffic to judge (below {})", args.min_requests);
    }
    add(outcome, args, total, "", has_elapsed, true);

    let mut sites = tally.sites(usize::from(args.top).max(1));
    match args.sort {
        Order::Requests => sites.sort_by_key(|(_, c, _)| std::cmp::Reverse(c.requests)),
        Order::MissBytes => sites.sort_by_key(|(_, c, _)| std::cmp::Reverse(c.miss_bytes())),
        Order::MissTime => sites.sort_by_key(|(_, c, _)| std::cmp::Reverse(c.miss_ms)),
    }
    for (name, counts, missing) in &sites {
        add(outcome, args, counts, name, has_elapsed, args.sites.is_some());
        outcome.details.push(describe(name, counts, *missing, has_elapsed));
    }
    if tally.rest.requests > 0 {
        outcome.details.push(describe("(all others)", &tally.rest, 0, has_elapsed));
    }
    for (seen, text) in [
        (tally.unreadable > 0, format!("{} unreadable lines", tally.unreadable)),
        (tally.internal > 0, format!("{} requests to Squid itself left out", tally.internal)),
    ] {
        if seen {
            outcome.details.push(text);
        }
    }
    // Who reads the numbers must know that they are not of everything.
    if scan.lost {
        outcome.headline.push_str("; a rotated file is gone: what it held since the last run is not counted");
    }
    if scan.unfinished {
        let _ = write!(
            outcome.headline,
            "; the time was over after {} bytes: the next run goes on there",
            scan.bytes
        );
    }
}

/// Adds the samples of one site, judged if wanted and if it had enough requests.
fn add(outcome: &mut Outcome, args: &LogArgs, counts: &Counts, site: &str, has_elapsed: bool, judged: bool) {
    let enough = counts.requests > 0 && counts.requests >= args.min_requests;
    for sample in samples(counts, site, has_elapsed) {
        let thresholds = args.thresholds(sample.field);
        if judged && (enough || sample.field.id == "requests") {
            let fault = fault_of(sample.field.id);
            outcome.judge(sample.against(thresholds), fault);
        } else {
            outcome.samples.push(sample);
        }
    }
}

fn fault_of(field: &str) -> &'static Fault {
    match field {
        "hit_ratio" => &fault::SQUID_HITS,
        "byte_hit_ratio" | "miss_bytes" => &fault::SQUID_BYTE_HITS,
        "status_4xx" | "status_5xx" => &fault::SQUID_ERRORS,
        "aborted" => &fault::SQUID_ABORTS,
        "miss_time" => &fault::SQUID_SLOW_ORIGIN,
        _ => &fault::SQUID_LOAD,
    }
}

/// `live.example: 60.0 % of 100 requests, 59.3 % of 1.0 MiB; misses 0.4 MiB in 1.2 s; 2xx 98, 4xx 2`
fn describe(name: &str, counts: &Counts, missing: u64, has_elapsed: bool) -> String {
    let percent = |ratio: Option<f64>| ratio.map_or("no".to_owned(), |r| format!("{r:.1} %"));
    let mut text = format!(
        "{name}: hits {} of {} requests, {} of {}; misses {}",
        percent(counts.percent(counts.hits)),
        counts.requests,
        percent(counts.byte_percent()),
        Unit::Bytes.human(counts.bytes.into()),
        Unit::Bytes.human(counts.miss_bytes().into()),
    );
    if has_elapsed {
        let _ = write!(text, " in {}", Unit::Seconds.human((counts.miss_ms as f64 / 1e3).into()));
    }
    let classes = counts.status.iter().enumerate().filter(|(_, count)| **count > 0);
    let classes: Vec<String> = classes
        .map(
            |(class, count)| {
                if class == 0 { format!("no answer {count}") } else { format!("{class}xx {count}") }
            },
        )
        .collect();
    let _ = write!(text, "; {}", classes.join(", "));
    if missing > 0 {
        let _ = write!(text, "; up to {missing} more before the table of hosts was full");
    }
    text
}
