//! Squid: is the cache worth its disks, is it well, and since when not?
//!
//! `check_squid` and `squid_` ask the cache manager (or SNMP) for totals; `check_squid_log` and `squid_sites_` read the access
//! log and tell sites apart. A hit ratio is only judged when there was enough traffic to speak of, and the plugins' own
//! requests, which Squid counts as misses, are taken out of it.

pub mod check;
mod conf;
mod derived;
pub mod fields;
pub mod graph;
mod judge;
pub mod log;
mod measure;
mod memory;
pub mod options;
mod snmp;
mod traffic;
