//! Where Squid is, and by which of its voices it is heard.
#![allow(clippy::doc_markdown, reason = "this is what --help prints")]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use weir_cli::{Credentials, NetArgs};
use weir_contract::{Problem, fault};
use weir_probe::squid::Target;
use weir_probe::state::StateFile;
use weir_wire::auth;

use crate::measure::Way;

/// A source of facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// The manager at its path, then by `cache_object://`, then by SNMP if a community is given.
    #[default]
    Auto,
    /// `/squid-internal-mgr/`: Squid 3.2 to 7.
    Manager,
    /// `cache_object://`: Squid 2.x to 6.
    CacheObject,
    /// Squid's SNMP agent, which counts no requests of ours; always since the last run.
    Snmp,
}

/// Which span of time the ratios are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Window {
    /// Squid's own last five minutes; they lag by up to one.
    #[default]
    #[value(name = "5min")]
    Five,
    /// Squid's own last hour.
    #[value(name = "60min")]
    Sixty,
    /// Since the last run of this check (five minutes at the first): exact, and the only one with byte_hit_share.
    #[value(name = "last")]
    Last,
}

/// Where Squid is.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Squid")]
pub struct SquidArgs {
    /// The host that runs Squid.
    #[arg(short = 'H', long, value_name = "HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,

    /// An http_port of Squid, forward or accelerator.
    #[arg(short, long, value_name = "PORT", default_value_t = 3128)]
    pub(crate) port: u16,

    /// How to ask: auto is manager (3.2 to 7), then cache-object (2.x to 6), then snmp if --community is given.
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    pub(crate) source: Source,

    /// Squid's snmp_port.
    #[arg(long, value_name = "PORT", default_value_t = 3401)]
    pub(crate) snmp_port: u16,

    /// The SNMP community; with --source snmp `public` without it.
    #[arg(short = 'C', long, value_name = "NAME")]
    pub(crate) community: Option<String>,

    /// The port speaks TLS (https_port).
    #[arg(long)]
    pub(crate) tls: bool,

    /// The port wants the PROXY protocol (require-proxy-header).
    #[arg(long)]
    pub(crate) proxy_header: bool,

    #[command(flatten)]
    pub(crate) credentials: Credentials,

    /// Where to remember the last run [default: /var/lib/weir if it is fit, else /var/tmp/weir-UID]
    #[arg(long, value_name = "DIR", help_heading = "Squid")]
    pub(crate) state_dir: Option<PathBuf>,

    /// A name for this caller, when several services ask the same Squid and each wants its own last run.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true, help_heading = "Squid")]
    pub(crate) state_name: String,

    #[command(flatten)]
    pub(crate) net: NetArgs,
}

impl SquidArgs {
    /// `cache.example:3128`, for messages.
    pub(crate) fn subject(&self) -> String {
        let host = &self.host;
        if host.contains(':') { format!("[{host}]:{}", self.port) } else { format!("{host}:{}", self.port) }
    }

    pub(crate) fn target(&self) -> Result<Target, Problem> {
        // The manager ignores the user, but wants one.
        let user = self.credentials.user.clone().unwrap_or_else(|| "weir".to_owned());
        let password = self.credentials.password()?;
        let credentials = password.map(|p| auth::Credentials { user, password: p.reveal().to_owned() });
        let (tls, proxy_header) = (self.tls, self.proxy_header);
        Ok(Target { host: self.host.clone(), port: self.port, credentials, tls, proxy_header })
    }

    pub(crate) fn way(&self) -> Way<'_> {
        let community = match (&self.community, self.source) {
            (None, Source::Snmp) => Some("public"),
            (community, _) => community.as_deref(),
        };
        Way { source: self.source, snmp: community.map(|community| (self.snmp_port, community)) }
    }

    /// The place of this caller's memory of one address.
    pub(crate) fn state(&self, plugin: &str, address: SocketAddr) -> Result<StateFile, Problem> {
        let target = format!("{} {address} {}", self.subject(), self.state_name);
        match &self.state_dir {
            Some(folder) => Ok(StateFile::in_folder(folder, plugin, target.trim_end())),
            None => StateFile::of_user(plugin, target.trim_end()).map_err(|error| {
                Problem::new(&fault::PERMISSION, format!("no place to remember the last run: {error}"))
            }),
        }
    }
}
