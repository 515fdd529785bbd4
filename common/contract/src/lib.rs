//! What a check says, and how each host hears it.
//!
//! This room is pure: no I/O, no clock, no dependency. A family describes its measures once as [`Field`]s, measures
//! them into [`Sample`]s, judges them into [`Finding`]s, and hands an [`Outcome`] to a renderer: Nagios, JSON,
//! OpenMetrics or a person at a terminal. (Munin's text is made from the same samples by `weir-munin`.)
#![forbid(unsafe_code)]

pub mod fault;
mod field;
mod outcome;
mod range;
pub mod render;
mod state;
pub mod text;
mod value;

pub use fault::{Fault, Layer};
pub use field::{Draw, Field, Graph, Kind, Sample};
pub use outcome::{Finding, Outcome, Phase, Problem};
pub use range::{Range, RangeError, Thresholds};
pub use state::State;
pub use value::{Unit, Value};
