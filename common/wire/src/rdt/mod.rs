//! What `RealNetworks` servers (`RealServer`, Helix) add to RTSP: a challenge, rules by which a player chooses bit rates, and their own
//! transport of media, RDT.
//!
//! Sources: RDT feature level 2.0 as published with the Helix community, and what ffmpeg and VLC say and accept. The response to
//! the challenge is proven by a vector on which both agree.

mod challenge;
mod packet;
mod rules;

pub use challenge::Response;
pub use packet::{Packet, Packets, RdtError, STREAM_END, Sequence};
pub use rules::{MAX_RULES, rules_for};

/// The header of a server's answer to OPTIONS that tells that it is one of these.
pub const CHALLENGE_HEADER: &str = "RealChallenge1";
/// What players offer at SETUP, RDT on the channel `rtp` of the connection and the next one.
pub fn offer_tcp(channel: u8) -> String {
    format!("x-pn-tng/tcp;interleaved={channel}-{};mode=play", channel.saturating_add(1))
}
