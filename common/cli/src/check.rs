//! `run_check`: the main of every `check_*`.

use std::ffi::OsString;
use std::fmt::Write;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use weir_contract::render::{self, Style};
use weir_contract::{Field, Outcome, Problem, Thresholds, fault};

use crate::limits::metrics_help;
use crate::options::{Common, Output};
use crate::{extra_opts, terminal};

/// One check: its words, its options, and how it comes to an [`Outcome`].
pub trait Check {
    /// The word before the state: `RTSP`.
    const SERVICE: &'static str;
    /// What the check does, for `--help`: a line, a blank line, a paragraph.
    const ABOUT: &'static str;
    /// Command lines that work, for `--help`: each after a line that says what it does.
    const EXAMPLES: &'static str;
    /// What is measured: the table of metrics in `--help`, and the names that [`Limits`](crate::Limits) takes.
    const FIELDS: &'static [&'static Field] = &[];
    /// The options besides the common ones.
    type Args: Args;

    /// Refuses options that only make no sense together.
    ///
    /// # Errors
    /// E-USAGE, with the right form.
    fn validate(_args: &Self::Args) -> Result<(), Problem> {
        Ok(())
    }

    /// What `--explain-thresholds` puts into words.
    fn thresholds(args: &Self::Args) -> Vec<(&'static Field, Thresholds)>;

    /// Measures and judges. Whatever happens, there is an outcome.
    fn run(args: &Self::Args, common: &Common) -> Outcome;
}

#[derive(Parser)]
struct Cli<A: Args> {
    #[command(flatten)]
    own: A,
    #[command(flatten)]
    common: Common,
}

/// How long after the deadline the watchdog waits for a check to end by itself. Every stage ends at the deadline; on a host that is
/// short of processors that takes a moment, and what has been seen must not be lost to "still busy".
const GRACE: Duration = Duration::from_millis(500);

/// Runs the check `C` as the program `binary` and returns its exit code, 0 to 3.
pub fn run_check<C: Check>(binary: &'static str) -> ExitCode {
    terminal::install_panic_hook(C::SERVICE);
    let usage =
        |text: String, more: &str| terminal::fail(C::SERVICE, Problem::new(&fault::USAGE, text), more);
    let argv = match extra_opts::expand(std::env::args_os().collect(), binary) {
        Ok(argv) => argv,
        Err(error) => return usage(format!("--extra-opts: {error}"), ""),
    };
    let cli = match parse::<C>(argv, binary) {
        Ok(cli) => cli,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            terminal::say(&error.render().to_string());
            return terminal::shown();
        }
        Err(error) => {
            let text = error.render().to_string();
            let (what, rest) = first_paragraph(&text);
            return usage(what, rest);
        }
    };
    let Cli { own, common } = cli;
    if let Err(problem) = C::validate(&own) {
        let outcome = Outcome::failed(C::SERVICE, "", problem);
        terminal::say(&text(&outcome, &common));
        return ExitCode::from(outcome.state().exit_code());
    }
    if common.explain_thresholds {
        let lines: String = C::thresholds(&own).iter().map(|(field, t)| t.explain(field.id)).collect();
        terminal::say(&lines);
        return terminal::shown();
    }
    watchdog(C::SERVICE, &common);
    let mut outcome = C::run(&own, &common);
    common.override_states(&mut outcome);
    if !terminal::speak_first() {
        // The watchdog is printing: let it end the process.
        std::thread::sleep(Duration::from_secs(1));
    }
    terminal::say(&text(&outcome, &common));
    ExitCode::from(outcome.state().exit_code())
}

/// Reads `words` as the options of the check `C`, as its command line would: a graph plugin takes the same options as the check
/// whose measurement it draws.
///
/// # Errors
/// E-USAGE, with clap's words.
pub fn parse_options<C: Check>(words: &[String]) -> Result<(C::Args, Common), Problem> {
    let argv = std::iter::once(OsString::from("options")).chain(words.iter().map(OsString::from)).collect();
    let usage =
        |error: clap::Error| Problem::new(&fault::USAGE, first_paragraph(&error.render().to_string()).0);
    let Cli { own, common } = parse::<C>(argv, "options").map_err(usage)?;
    C::validate(&own)?;
    Ok((own, common))
}

/// clap's first paragraph on one line, which says what is wrong, and the rest, which is for people.
fn first_paragraph(text: &str) -> (String, &str) {
    let (what, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let words: Vec<&str> = what.strip_prefix("error: ").unwrap_or(what).split_whitespace().collect();
    (words.join(" "), rest)
}

fn parse<C: Check>(argv: Vec<OsString>, binary: &'static str) -> Result<Cli<C::Args>, clap::Error> {
    // A host runs this every minute, a person asks once: what only help shows is made only then.
    let help = argv.iter().any(|word| {
        let word = word.as_encoded_bytes();
        word.starts_with(b"-") && word.contains(&b'h')
    });
    let mut command = Cli::<C::Args>::command()
        .name(binary)
        .version(concat!(env!("CARGO_PKG_VERSION"), " (Weir)"))
        // An ini file comes first, the command line overrides it.
        .args_override_self(true)
        .max_term_width(110)
        // `-h` is as long as `--help`: a person at a shell has asked.
        .disable_help_flag(true)
        .arg(
            clap::Arg::new("help")
                .short('h')
                .long("help")
                .action(clap::ArgAction::HelpLong)
                .help("Print this help"),
        );
    if help {
        let (about, _) = C::ABOUT.split_once("\n\n").unwrap_or((C::ABOUT, ""));
        let mut more = String::new();
        if !C::FIELDS.is_empty() {
            let _ = writeln!(more, "Metrics:\n{}", metrics_help(C::FIELDS));
        }
        let _ = writeln!(more, "Examples:\n{}\n", C::EXAMPLES.trim_end());
        more.push_str(
            "Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (could not look)\nFault codes: docs/fault-codes.md",
        );
        command = command.about(about).long_about(C::ABOUT).after_long_help(more);
    }
    let mut matches = command.try_get_matches_from(argv)?;
    Cli::from_arg_matches_mut(&mut matches)
}

fn text(outcome: &Outcome, common: &Common) -> String {
    let terminal = std::io::stdout().is_terminal();
    match common.output.unwrap_or(if terminal { Output::Human } else { Output::Nagios }) {
        Output::Nagios => render::nagios(outcome, common.verbosity),
        Output::Json => render::json(outcome),
        Output::Openmetrics => render::openmetrics(outcome),
        Output::Human => {
            let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
                || std::env::var_os("TERM").is_some_and(|v| v == "dumb");
            let color = terminal && !plain;
            render::human(outcome, Style { color, verbosity: common.verbosity })
        }
    }
}

/// Ends the process when a check is still busy after its deadline: a file on a dead NFS server cannot be interrupted
/// otherwise. Checks with sockets end themselves first, and say in which stage they were.
fn watchdog(service: &'static str, common: &Common) {
    let common = common.clone();
    let spawned = std::thread::Builder::new().stack_size(64 * 1024).spawn(move || {
        std::thread::sleep(common.timeout + GRACE);
        if !terminal::speak_first() {
            return;
        }
        let text_ = format!("still busy after {:.1} s", common.timeout.as_secs_f64());
        let mut outcome = Outcome::failed(service, "", Problem::new(&fault::CHECK_TIMEOUT, text_));
        common.override_states(&mut outcome);
        terminal::say(&text(&outcome, &common));
        #[allow(clippy::exit, reason = "the main thread cannot be interrupted")]
        std::process::exit(i32::from(outcome.state().exit_code()));
    });
    // Without a thread there is no watchdog, and the host's own timeout remains.
    drop(spawned);
}
