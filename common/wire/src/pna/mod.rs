//! PNA (`pnm://`), the first protocol of `RealNetworks`: one request, then header and media on TCP port 7070.
//!
//! [`request`] writes what a player asks, [`Reader`] cuts what a server answers; what the chunks of the header say is read by
//! [`crate::realmedia`]. The protocol was never published. Sources: what xine and `MPlayer` say and accept, which was found out on
//! real servers; all integers are big-endian.

mod reader;
mod request;

pub use reader::{Data, Item, MAX_CHUNK, MAX_HEADER, PnaError, Reader};
pub use request::{ALIVE, MAX_PATH, proof, request};

/// The port, unless a URL names another.
pub const PORT: u16 = 7070;

#[cfg(test)]
mod tests;
