//! HTTP/1.x as media servers really speak it: progressive files, Icecast, SHOUTcast (`ICY 200 OK`), MMS over HTTP.
//!
//! HLS and DASH go through an ordinary HTTP library. This small codec is for what such libraries refuse: odd status
//! lines, headers without a blank after the colon, lines that end in LF alone, bodies without an end. [`Request`] writes
//! a request head, [`HeadReader`] collects a response head, [`Body`] undoes the framing of the body without ever
//! holding any of it. Source: RFC 9112, and the servers named at each leniency.

mod body;
mod date;
mod head;
mod request;

pub use body::{Body, BodyError, MAX_CHUNK_LINE, MAX_TRAILER};
pub use date::parse_http_date;
pub use head::{Framing, FramingError, Head, HeadError, HeadReader, MAX_HEAD, Protocol};
pub use request::{Request, Version};
