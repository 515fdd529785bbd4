//! Real servers for tests: one API that starts, breaks and ends them.
//!
//! ```no_run
//! use weir_lab::{Clip, Lab};
//!
//! # fn main() -> weir_lab::Result<()> {
//! let Some(lab) = Lab::for_test(&["icecast2", "ffmpeg"]) else { return Ok(()) };
//! let icecast = lab.icecast().start()?;
//! let source = icecast.source("live.mp3", Clip::Tone)?;
//! source.stall()?; // SIGSTOP: the mount stays, no byte comes
//! lab.check("check_http_stream", &[&icecast.url("live.mp3")])?.expect(2, &["E-STREAM-STALLED"]);
//! # Ok(())
//! # }
//! ```
//!
//! A [`Lab`] is a private network namespace with a folder beside it. Servers and the plugins under test run inside,
//! so that tests that run side by side never share a port, a name or a firewall rule, and the documentation networks
//! 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24 and `2001:db8::/32` are all local addresses there. Without root a lab
//! falls back to the loopback of the machine and a range of ports that is locked for it; whatever needs more
//! (names, packet loss, Nagios, Munin) asks for it with `Lab::for_test(&["namespace", ..])`. `tests/lab/rootless.sh COMMAND` makes us
//! root of a user namespace, in which that is allowed; what needs other users is skipped there.
//!
//! A test that fails by panicking (`assert!`, `unwrap`) shows the logs of its servers and keeps the folder; an error
//! returned with `?` does not, because dropping cannot see it.
//!
//! Everything that a lab started ends with it: when it is dropped, when the test panics, and when the test process
//! is killed. One small guard process does that in all three cases.

pub mod anycast;
mod asf_stream;
mod authority;
mod binaries;
mod dash;
mod datagrams;
mod dns;
mod firewall;
mod gst;
mod hls;
mod hostile;
mod icecast;
mod icinga2;
mod media;
mod media_server;
mod mmsh_change;
mod mmst;
mod munin;
mod nagios;
mod namespace;
mod nginx;
mod nginx_rtmp;
mod node_media_server;
mod outcome;
pub mod packages;
mod perl_rtsp;
mod pna;
mod process;
mod release_root;
mod room;
mod rtmp_listen;
mod rtsp;
mod rtsp_real;
mod serve;
mod squid;
mod srt;
mod status_dat;
mod uml;
mod vlc;
mod wms_rtsp;

pub use anyhow::Result;
pub use asf_stream::AsfStream;
pub use authority::{Authority, Certificate};
pub use binaries::{bin, target_dir};
pub use dash::{Dash, DashBuilder};
pub use datagrams::Relay;
pub use dns::Dns;
pub use firewall::Rule;
pub use gst::{Gst, GstServer};
pub use hls::{Hls, HlsBuilder};
pub use hostile::Hostile;
pub use icecast::{Icecast, IcecastBuilder, Source};
pub use icinga2::Icinga2;
pub use media::Clip;
pub use media_server::{Fault, Media, MediaServer};
pub use mmst::Mmst;
pub use munin::{Munin, MuninBuilder};
pub use nagios::Nagios;
pub use nginx::{Nginx, NginxBuilder};
pub use nginx_rtmp::NginxRtmp;
pub use node_media_server::NodeMediaServer;
pub use outcome::{Outcome, together};
pub use perl_rtsp::PerlRtsp;
pub use pna::Pna;
pub use process::{Process, wait_until};
pub use release_root::ReleaseRoot;
pub use room::Lab;
pub use rtmp_listen::RtmpListen;
pub use rtsp_real::RealRtsp;
pub use serve::Served;
pub use squid::{Squid, SquidBuilder};
pub use srt::{Srt, SrtBuilder};
pub use status_dat::Service;
pub use uml::{Guest, Uml};
pub use vlc::{Vlc, VlcBuilder};
