//! Deadlines, names, sockets, TLS, and one async function a protocol.
//!
//! This is the only room that touches a network. It prints nothing, reads neither `argv` nor environment, and returns typed
//! [`Problem`](weir_contract::Problem)s. What a probe learns before a problem is kept: probe functions write their facts into a
//! report that the caller owns, so that a deadline in the middle loses nothing.

mod deadline;
pub mod state;
pub use deadline::Deadline;

#[cfg(feature = "net")]
mod addresses;
#[cfg(feature = "net")]
mod connect;
#[cfg(feature = "net")]
pub mod datagrams;
#[cfg(feature = "net")]
pub mod dns;
#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "net")]
pub mod http1;
#[cfg(feature = "net")]
pub mod http_stream;
#[cfg(feature = "path")]
pub mod icmp;
#[cfg(feature = "net")]
pub mod mms;
#[cfg(feature = "net")]
pub mod multicast;
#[cfg(feature = "net")]
mod pace;
#[cfg(feature = "path")]
pub mod path;
#[cfg(feature = "net")]
pub mod pna;
#[cfg(feature = "net")]
mod resolve;
#[cfg(feature = "net")]
mod rest;
#[cfg(feature = "net")]
pub mod rtmp;
#[cfg(feature = "net")]
pub mod rtp;
#[cfg(feature = "net")]
pub mod rtsp;
#[cfg(feature = "net")]
mod run;
#[cfg(feature = "net")]
pub mod snmp;
#[cfg(feature = "net")]
pub mod sockopt;
#[cfg(feature = "net")]
pub mod squid;
#[cfg(feature = "net")]
pub mod srt;
#[cfg(feature = "net")]
mod tls;
#[cfg(feature = "net")]
mod trace;

#[cfg(feature = "net")]
pub use {
    addresses::{Addresses, every_address},
    connect::Conn,
    pace::Pace,
    run::{ConnectTo, Family, NetOptions, Probe, block_on, together},
};
