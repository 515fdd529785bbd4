//! IPVS: the truth about the director, its real servers, and the path through it.
#![forbid(unsafe_code)]

pub mod check;
pub mod control;
mod dns;
pub mod drift;
mod duty;
pub mod fields;
pub mod graph;
mod judge;
mod memory;
pub mod names;
pub mod netlink;
mod sync;
pub mod table;
pub mod vip;

pub use check::Ipvs;
pub use graph::IpvsGraphs;
pub use vip::Vip;
