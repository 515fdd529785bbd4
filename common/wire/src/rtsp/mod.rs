//! RTSP 1.0 (RFC 2326) as a client sees it: requests out, whatever the server sends back in.
//!
//! Five servers that disagree about nearly everything (header spelling, line ends, Content-Base, control URLs) shaped
//! this room; what each of them sent lies in `testdata/rtsp/`. Nothing here trusts a server to be right, only to be
//! recognisable: what cannot be read as RTSP is an error that shows the offending bytes and their place.

mod control;
mod decoder;
mod fields;
mod request;

pub use control::{aggregate_url, base_url, resolve};
pub use decoder::{Decoder, MAX_BODY, MAX_HEAD, Message, Response, RtspError, ServerRequest};
pub use fields::{DEFAULT_SESSION_TIMEOUT, Pair, RtpInfo, Session, Transport, allows};
pub use request::{Method, Request};

#[cfg(test)]
mod recorded;
