//! Anycast: who answers, how far, and is the route announced exactly when the service is healthy.
//!
//! `check_anycast_node` runs on every node and joins what the kernel, the service and the routing daemon say into one verdict.
//! `check_anycast` looks from a vantage point. `check_anycast_fleet` looks at the prefix from a router or from what the nodes
//! report. `anycast_` draws what the vantage point sees.

mod daemon;
mod fleet;
mod graph;
mod identity;
mod kernel;
mod node;
mod vantage;

pub use fleet::FleetCheck;
pub use graph::AnycastGraphs;
pub use node::NodeCheck;
pub use vantage::VantageCheck;
