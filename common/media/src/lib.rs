//! Dead air: what a stream sounds and looks like, told from its payload without ffmpeg.
//!
//! Bytes of a container go into a [`Demuxer`], or coded frames straight into a [`Watcher`]; out comes a [`Report`]: for how long
//! there was silence, a frozen or a black picture, each with what is certain and what is merely possible. Sound is decoded
//! (that is cheap), pictures are not (that is dear): a coded picture that equals the one before it is a few bytes long,
//! a black one hardly more. Where that proves nothing the report says so, and the caller must not guess either.
//!
//! Pure: no clock, no socket. What is held of a stream is bounded whatever it says of itself.
#![forbid(unsafe_code)]

mod audio;
mod demux;
mod span;
mod unit;
mod video;
mod watcher;

pub use demux::{Demuxer, RtpTrack};
pub use span::{Level, Span, Verdict};
pub use unit::{Codec, Unit};
pub use watcher::{Ask, Picture, Report, Sound, Watcher};
