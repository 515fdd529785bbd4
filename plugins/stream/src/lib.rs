//! Stream probes: does media flow, past the burst, over time?

pub mod any;
pub mod channel;
pub mod common;
pub mod dash;
pub mod dead_air;
pub mod fields;
pub mod graph;
pub mod hls;
pub mod http_stream;
pub mod judge;
pub mod mms;
pub mod only_host;
pub mod playlist;
pub mod pnm;
pub mod rtmp;
pub mod rtp;
pub mod rtsp;
pub mod segmented;
pub mod srt;
pub mod target;

/// How we introduce ourselves to servers.
pub const USER_AGENT: &str = concat!("Weir/", env!("CARGO_PKG_VERSION"));
