//! The access log: which site hits, which misses, and what the misses cost.
//!
//! Only what is new since the last run is read, across rotation, truncation and compression; memory is bounded however many hosts a
//! client invents.

pub mod check;
mod fields;
mod follow;
pub mod graph;
mod scan;
mod sites;
mod tally;
