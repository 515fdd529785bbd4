//! RTP and RTCP (RFC 3550): packet headers, and what can be said of a stream from the packets that arrived.

mod packet;
mod reception;
mod rtcp;

pub use packet::{Packet, RtpError, is_rtcp};
pub use reception::{Reception, Statistics};
pub use rtcp::{Report, reports};

#[cfg(test)]
mod recorded;
