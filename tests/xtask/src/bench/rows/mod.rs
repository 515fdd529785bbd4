//! What is compared with what, and the goals: a file a family, a [`Group`] for each set of servers that rows share.

mod anycast;
mod ipvs;
mod squid;
mod stream;

use std::any::Any;

use anyhow::Result;
use weir_lab::Lab;

/// Rivals that are installed by `cargo install`.
pub(crate) const RIVAL_CRATES: [&str; 1] = ["streamtop"];

/// Every group; each family adds its own.
pub(crate) const GROUPS: &[&[Group]] = &[stream::GROUPS, squid::GROUPS, ipvs::GROUPS, anycast::GROUPS];

/// Rows that share servers: nothing is built or started for a group that was not asked for.
pub(crate) struct Group {
    /// What the command line calls it.
    pub(crate) name: &'static str,
    /// The binaries of ours that its rows run.
    pub(crate) binaries: &'static [&'static str],
    /// Starts the servers.
    pub(crate) start: fn(&Lab) -> Result<Started>,
}

/// The rows of a group whose servers run.
pub(crate) struct Started {
    pub(crate) rows: Vec<Comparison>,
    /// The rows run inside a guest, once this bash script has made it ready; `None` when they run on this machine.
    pub(crate) inside: Option<String>,
    /// That guest is an emulator with a distribution's kernel instead of user-mode Linux.
    pub(crate) emulated: bool,
    /// They end when this is dropped.
    pub(crate) _servers: Box<dyn Any>,
}

/// One of our command lines against one of theirs, each as `NAME=VALUE ... PROGRAM ARGUMENT ...`.
pub(crate) struct Comparison {
    pub(crate) what: String,
    pub(crate) ours: String,
    pub(crate) theirs: String,
    /// The goal: our CPU time as a part of theirs.
    pub(crate) cpu_at_most: Option<f64>,
    /// The goal for our memory.
    pub(crate) rss_at_most_mib: Option<f64>,
}

fn started(rows: impl Into<Vec<Comparison>>, servers: impl Any) -> Started {
    Started { rows: rows.into(), inside: None, emulated: false, _servers: Box::new(servers) }
}

fn row(what: impl Into<String>, ours: impl Into<String>, theirs: impl Into<String>) -> Comparison {
    Comparison {
        what: what.into(),
        ours: ours.into(),
        theirs: theirs.into(),
        cpu_at_most: None,
        rss_at_most_mib: None,
    }
}

impl Comparison {
    fn cpu(self, at_most: f64) -> Self {
        Self { cpu_at_most: Some(at_most), ..self }
    }

    fn rss(self, at_most_mib: f64) -> Self {
        Self { rss_at_most_mib: Some(at_most_mib), ..self }
    }
}
