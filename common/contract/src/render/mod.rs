//! One outcome, several hosts: each renderer turns the same [`Outcome`](crate::Outcome) into the text one host reads.

mod human;
mod json;
mod nagios;
mod openmetrics;

pub use human::{Style, human};
pub use json::{JSON_SCHEMA, json};
pub use nagios::{FIRST_LINE_MAX, OUTPUT_MAX, nagios, perfdata};
pub use openmetrics::openmetrics;

#[cfg(test)]
mod tests;
