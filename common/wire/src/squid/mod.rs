//! What Squid says about itself, from 2.6 to 7: pages of the cache manager, and lines of its access log.
//!
//! The manager's pages are texts for people whose labels changed over twenty years. Each is recognised by its first line (a
//! proxy that is asked in the wrong way forwards the request and answers 200 with somebody else's page) and by its last key,
//! because old servers end a page by closing, which looks the same as dying. Facts were measured with Squid 5.7, 6.13 and
//! 7.7 and read in the sources of 2.7 to 7.

pub mod access_log;
mod averages;
mod blocks;
mod clients;
mod counters;
mod info;
mod page;
mod peers;
mod storedir;
mod values;

pub use averages::Averages;
pub use clients::Clients;
pub use counters::{Counters, difference};
pub use info::{Info, Pair};
pub use page::{Page, PageError};
pub use peers::{Peer, Role};
pub use storedir::{Store, StoreDir};
