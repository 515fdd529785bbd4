//! Sans-IO codecs of the streaming protocols: bytes in, structs out.
//!
//! No clock, no socket, no allocation that the sender of the bytes can make large: every length has a named limit.
#![forbid(unsafe_code)]

pub mod asf;
pub mod auth;
mod base64;
pub mod bgp;
pub mod dash;
pub mod dns;
pub mod headers;
pub mod hls;
pub mod http1;
pub mod icy;
pub mod ip_vs;
pub mod media;
pub mod mms;
mod pending;
pub mod pna;
pub mod protobuf;
pub mod rdt;
pub mod realmedia;
pub mod redirector;
pub mod rtmp;
pub mod rtnetlink;
pub mod rtp;
pub mod rtsp;
pub mod sdp;
pub mod snmp;
pub mod squid;
pub mod srt;
pub mod text;
pub mod ts;
