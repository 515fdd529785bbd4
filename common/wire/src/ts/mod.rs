//! MPEG-TS in as much depth as a watcher needs: what is in it, does it hang together, how long does it play.
//!
//! [`Analyzer`] takes a stream in pieces of any size (an HLS segment, UDP datagrams) and gives a [`Report`]: programs
//! and codecs from PAT and PMT, continuity errors, clocks, scrambling, stuffing. The neighbouring container of HLS and
//! DASH, fragmented MP4, is walked by [`mp4`]. What some bytes are at all is told by [`crate::media::sniff`].
//! Sources: ISO 13818-1; ETSI TR 101 290 for what counts as an error.

mod analyzer;
pub mod mp4;
mod packet;
mod psi;
mod report;

pub use analyzer::Analyzer;
pub use packet::{Adaptation, PACKET, Packet, find_sync};
pub use psi::{Kind, MAX_PROGRAMS, Program, Stream};
pub use report::{PidReport, Report, Timestamps};

/// Analyzes a piece of transport stream that is wholly at hand.
pub fn analyze(bytes: &[u8]) -> Report {
    let mut analyzer = Analyzer::new();
    analyzer.feed(bytes);
    analyzer.finish()
}
