//! The option groups that checks share, with the letters that the Nagios guidelines reserve.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use weir_contract::{Fault, Outcome, Problem, State, fault};

/// What every check understands.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Total time for the whole check: names, connections, TLS, media.
    #[arg(short = 't', long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub timeout: Duration,

    /// The state when the deadline comes [default: that of the fault, usually critical]
    #[arg(long, value_name = "STATE", value_parser = state())]
    pub timeout_state: Option<State>,

    /// The state for one fault code, such as E-RTP-LOSS=ok; repeatable.
    #[arg(long, value_name = "CODE=STATE", value_parser = problem_state)]
    pub problem_state: Vec<(&'static Fault, State)>,

    /// How to print [default: human at a terminal, else nagios]
    #[arg(long, value_name = "FORMAT")]
    pub output: Option<Output>,

    /// Say more: -v details, -vv phases, -vvv what was sent and received.
    #[arg(short = 'v', long = "verbose", action = clap::ArgAction::Count)]
    pub verbosity: u8,

    /// Print the thresholds in words and end.
    #[arg(long)]
    pub explain_thresholds: bool,

    /// Read options from an ini file, as the monitoring plugins do: [SECTION][@FILE]; the section defaults to the plugin's
    /// name, the file to monitoring-plugins.ini in the usual places.
    #[arg(long, value_name = "SECTION@FILE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    extra_opts: Vec<String>,
}

impl Common {
    /// Applies `--timeout-state` and `--problem-state`; the more particular option wins.
    pub fn override_states(&self, outcome: &mut Outcome) {
        for finding in &mut outcome.findings {
            if let Some(state) = self.timeout_state.filter(|_| finding.fault.is_timeout()) {
                finding.state = state;
            }
            if let Some((_, state)) = self.problem_state.iter().find(|(f, _)| f.code == finding.fault.code) {
                finding.state = *state;
            }
        }
    }

    /// Whether anybody will see the details, which can be long.
    pub fn wants_details(&self) -> bool {
        self.verbosity >= 1 || self.output == Some(Output::Json)
    }

    /// Whether anybody will see a transcript.
    pub const fn wants_transcript(&self) -> bool {
        self.verbosity >= 3
    }
}

/// The texts that a check can print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One line with perfdata, for Nagios, Icinga, NRPE, NSCA.
    Nagios,
    /// One object with a versioned schema.
    Json,
    /// OpenMetrics text, for Prometheus.
    Openmetrics,
    /// Several lines for a person.
    Human,
}

/// A URL as an argument or as `-u URL`.
#[derive(Args, Clone, Debug)]
pub struct UrlArg {
    /// The URL to check.
    #[arg(value_name = "URL", required_unless_present = "url_option")]
    url: Option<String>,

    /// The same as the argument URL.
    #[arg(short = 'u', long = "url", id = "url_option", value_name = "URL", conflicts_with = "url")]
    url_option: Option<String>,
}

impl UrlArg {
    /// The URL, however it was given.
    pub fn url(&self) -> &str {
        self.url.as_deref().or(self.url_option.as_deref()).unwrap_or_default()
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, to be sent and not to be printed.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// User and password.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Credentials")]
pub struct Credentials {
    /// The user's name; without it the one in the URL, if any.
    #[arg(short = 'l', long, value_name = "NAME")]
    pub user: Option<String>,

    #[allow(clippy::doc_markdown, reason = "this is what --help prints")]
    /// The password. Other users of this machine can see it: prefer --password-file or the environment's WEIR_PASSWORD.
    #[arg(short = 'a', long, value_name = "PASSWORD")]
    password: Option<Secret>,

    /// A file whose first line is the password.
    #[arg(long, value_name = "FILE", conflicts_with = "password")]
    password_file: Option<PathBuf>,
}

/// A password file is read up to here.
const PASSWORD_FILE_MAX: u64 = 4096;

impl Credentials {
    /// What another source than the command line says.
    pub(crate) fn new(
        user: Option<String>,
        password: Option<String>,
        password_file: Option<PathBuf>,
    ) -> Self {
        Self { user, password: password.map(Secret), password_file }
    }

    /// The password from the file, the option or the environment, in this order.
    ///
    /// # Errors
    /// E-USAGE or E-PERMISSION with the file's name, when it cannot be read.
    pub fn password(&self) -> Result<Option<Secret>, Problem> {
        use std::io::{ErrorKind, Read};

        let Some(path) = &self.password_file else {
            let environment = || std::env::var("WEIR_PASSWORD").ok();
            return Ok(self.password.clone().or_else(|| environment().map(Secret)));
        };
        let mut text = String::new();
        match std::fs::File::open(path).and_then(|f| f.take(PASSWORD_FILE_MAX).read_to_string(&mut text)) {
            Ok(_) => Ok(Some(Secret(text.lines().next().unwrap_or_default().to_owned()))),
            Err(error) => {
                let fault = if error.kind() == ErrorKind::PermissionDenied {
                    &fault::PERMISSION
                } else {
                    &fault::USAGE
                };
                Err(Problem::new(fault, format!("cannot read the password file {}: {error}", path.display())))
            }
        }
    }
}

/// Parses a positive number of seconds, at most an hour.
///
/// # Errors
/// A sentence that names the right form.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(s) if s > 0.0 && s <= 3600.0 => Ok(Duration::from_secs_f64(s)),
        _ => Err("use seconds above 0 and up to 3600, such as 10 or 2.5".to_owned()),
    }
}

fn state() -> impl TypedValueParser<Value = State> {
    PossibleValuesParser::new(["ok", "warning", "critical", "unknown"]).try_map(|text| text.parse::<State>())
}

fn problem_state(text: &str) -> Result<(&'static Fault, State), String> {
    let (code, state) = text.split_once('=').ok_or("use CODE=STATE, such as E-RTP-LOSS=ok")?;
    let fault = Fault::by_code(code)
        .ok_or_else(|| format!("`{code}` is no fault code; docs/fault-codes.md lists them"))?;
    Ok((fault, state.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let (user, password) = (Some("viewer".to_owned()), Some("hunter2".to_owned()));
        let credentials = Credentials::new(user, password, None);
        let secret = credentials.password().expect("no file").expect("a password");
        assert_eq!((format!("{secret:?}").as_str(), secret.reveal()), ("***", "hunter2"));
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
