//! The one main of every binary: options, `--extra-opts`, exit codes, panics, closed pipes, the watchdog.
//!
//! A check is a type that implements [`Check`] and a `main` of one line: [`run_check`]. A graph plugin is a type that implements
//! [`Graphs`] and a `main` of one line: [`run_graph`]. Only this crate reads `argv` and the environment, prints and exits.
#![forbid(unsafe_code)]

mod check;
mod extra_opts;
mod graph;
mod limits;
#[cfg(feature = "net")]
mod net;
mod options;
mod terminal;

pub use check::{Check, parse_options, run_check};
pub use graph::{Env, Graphs, run_graph};
pub use limits::{Limits, metrics_help};
#[cfg(feature = "net")]
pub use net::NetArgs;
pub use options::{Common, Credentials, Output, Secret, UrlArg, seconds};
