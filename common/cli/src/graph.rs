//! `run_graph`: the main of every Munin plugin.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use weir_contract::{Problem, Sample, fault};
use weir_munin::{Link, Request, Section, config, values};

use crate::options::{Credentials, seconds};
use crate::terminal;

/// The environment that plugin-conf.d gives to a plugin.
#[derive(Clone, Debug, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    fn read() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        )
    }

    /// The variable `env.KEY` of plugin-conf.d; an empty one counts as absent.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The variable parsed, or `default` when it is absent.
    ///
    /// # Errors
    /// Names the variable and the text that cannot be read.
    pub fn parse<T>(&self, key: &str, default: T) -> Result<T>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        self.get(key).map_or(Ok(default), |text| {
            text.parse().map_err(|error| anyhow::anyhow!("env.{key} is `{text}`: {error}"))
        })
    }

    /// `env.user`, and `env.password` or, better, `env.password_file`.
    pub fn credentials(&self) -> Credentials {
        let text = |key: &str| self.get(key).map(str::to_owned);
        Credentials::new(text("user"), text("password"), text("password_file").map(PathBuf::from))
    }

    /// `env.timeout` in seconds, 10 by default.
    ///
    /// # Errors
    /// Names the variable and the right form.
    pub fn timeout(&self) -> Result<Duration> {
        let text = self.get("timeout").unwrap_or("10");
        seconds(text).map_err(anyhow::Error::msg).with_context(|| format!("env.timeout is `{text}`"))
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Env {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
    }
}

/// One graph plugin. `sections` must be offline and instant: the node asks every plugin for its config when it starts.
pub trait Graphs: Sized {
    /// What `--help` prints: what is drawn, which environment variables count, which links to create.
    const HELP: &'static str;

    /// Reads the link's name and the environment; touches no network.
    ///
    /// # Errors
    /// What is wrong with them, and the right form.
    fn new(link: &Link, env: &Env) -> Result<Self>;

    /// The graphs, in their order.
    fn sections(&self) -> Vec<Section>;

    /// Measures into `samples`. What was measured before a problem is kept; what is missing is printed as `U`.
    ///
    /// # Errors
    /// The problem goes to standard error as a comment, for the node's log.
    fn measure(&self, samples: &mut Vec<Sample>) -> Result<(), Problem>;

    /// Gathers between fetches, for as long as somebody fetches: what `PLUGIN acquire` runs, which only the plugin itself
    /// starts.
    ///
    /// # Errors
    /// Why it cannot.
    fn acquire(&self) -> Result<(), Problem> {
        Err(Problem::new(&fault::USAGE, "this plugin gathers nothing between fetches"))
    }

    /// Whether the plugin would be of use on this host, or why not.
    ///
    /// # Errors
    /// The reason, a few words.
    fn autoconf(env: &Env) -> Result<(), String>;

    /// The wildcard names that would be of use on this host.
    fn suggest(_env: &Env) -> Vec<String> {
        Vec::new()
    }
}

/// Runs the graph plugin `G` as the program `binary`, whose name ends in `_` when it is a wildcard.
pub fn run_graph<G: Graphs>(binary: &'static str) -> ExitCode {
    terminal::install_panic_hook("MUNIN");
    let mut args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    let link = Link::parse(&args.next().unwrap_or_default(), binary);
    let argument = args.next();
    match argument.as_deref() {
        Some("-h" | "--help") => {
            terminal::say(&format!("{binary} {}\n\n{}\n", env!("CARGO_PKG_VERSION"), G::HELP.trim()));
            return ExitCode::SUCCESS;
        }
        Some("-V" | "--version") => {
            terminal::say(&format!("{binary} {} (Weir)\n", env!("CARGO_PKG_VERSION")));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let env = Env::read();
    if argument.as_deref() == Some("acquire") {
        let acquired = G::new(&link, &env).and_then(|plugin| Ok(plugin.acquire()?));
        return acquired.map_or_else(|error| complain(&format!("{error:#}")), |()| ExitCode::SUCCESS);
    }
    let request = match Request::parse(argument.as_deref()) {
        Ok(request) => request,
        Err(error) => return complain(&error),
    };
    match request {
        Request::Autoconf => {
            let answer =
                G::autoconf(&env).err().map_or_else(|| "yes\n".to_owned(), |why| format!("no ({why})\n"));
            terminal::say(&answer);
            ExitCode::SUCCESS
        }
        Request::Suggest => {
            for name in G::suggest(&env) {
                terminal::say(&(name + "\n"));
            }
            ExitCode::SUCCESS
        }
        Request::Config | Request::Fetch => match G::new(&link, &env) {
            Ok(plugin) => {
                graphs(&plugin, request, env.get("MUNIN_CAP_DIRTYCONFIG") == Some("1"));
                ExitCode::SUCCESS
            }
            Err(error) => complain(&format!("{error:#}")),
        },
    }
}

fn graphs<G: Graphs>(plugin: &G, request: Request, dirty: bool) {
    let sections = plugin.sections();
    let mut out = String::new();
    if request == Request::Config {
        out.push_str(&config(&sections));
    }
    if request == Request::Fetch || dirty {
        let mut samples = Vec::new();
        if let Err(problem) = plugin.measure(&mut samples) {
            // Exit code 0 and `U`: the node throws everything away otherwise.
            comment(&problem.to_string());
        }
        out.push_str(&values(&sections, &samples));
    }
    terminal::say(&out);
}

/// A setting is wrong: nothing can be described or measured, and the node shall log why.
fn complain(why: &str) -> ExitCode {
    comment(why);
    ExitCode::from(3)
}

/// A line on standard error that the node logs and does not take for data.
fn comment(text: &str) {
    let text = weir_contract::text::redact(text).into_owned();
    let _ = writeln!(std::io::stderr(), "# {}", weir_contract::text::clean(&text));
}
