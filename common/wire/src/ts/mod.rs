//! MPEG-TS in as much depth as a watcher needs: what is in it, does it hang together, how long does it play.
//!
//! [`Analyzer`] takes a stream in pieces of any size (an HLS segment, UDP datagrams) and gives a [`Report`]: programs
//! and codecs from PAT and PMT, service names from the SDT, continuity errors, clocks, scrambling, stuffing. With arrival times
//! ([`Analyzer::feed_at`]) it also tells how often tables, clocks and presentation times come: priorities 1 and 2 of TR 101 290.
//! [`Analyzer::feed_with`] hands on the elementary streams, for who wants to look into them. The neighbouring container of HLS and
//! DASH, fragmented MP4, is walked by [`mp4`]. What some bytes are at all is told by [`crate::media::sniff`].
//! Sources: ISO 13818-1; ETSI TR 101 290 for what counts as an error.

mod analyzer;
pub mod mp4;
mod packet;
mod pes;
mod psi;
mod report;
mod services;
mod sync;
mod time;

pub use analyzer::{Analyzer, Piece};
pub use packet::{Adaptation, PACKET, Packet, find_sync};
pub use psi::{Kind, MAX_PROGRAMS, Program, Stream};
pub use report::{PidReport, Report, Timestamps};
pub use services::Service;
pub use time::{Clock, Repetition};

/// Analyzes a piece of transport stream that is wholly at hand.
pub fn analyze(bytes: &[u8]) -> Report {
    let mut analyzer = Analyzer::new();
    analyzer.feed(bytes);
    analyzer.finish()
}
