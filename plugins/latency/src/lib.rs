//! Latency, loss and jitter to gateways, exchanges and every address of a name.
//!
//! `check_latency` sends a few probes, spread over a second or more, and judges the series; `latency_` draws it.

mod baseline;
mod check;
mod fields;
mod gather;
mod graph;
mod series;
mod way;

pub use check::LatencyCheck;
pub use graph::LatencyGraphs;
