//! What is compared with what, and the goals: one entry per comparison; each family adds its own.

use anyhow::Result;
use weir_lab::{Clip, GstServer, Hls, Icecast, Lab, Source};

/// Rivals that are installed by `cargo install`.
pub(crate) const RIVAL_CRATES: [&str; 1] = ["streamtop"];

/// One of our command lines against one of theirs.
pub(crate) struct Comparison {
    pub(crate) what: &'static str,
    pub(crate) ours: Vec<String>,
    pub(crate) theirs: Vec<String>,
    /// The goal: our CPU time as a part of theirs.
    pub(crate) cpu_at_most: f64,
    /// The goal for our memory.
    pub(crate) rss_at_most_mib: Option<f64>,
}

/// The servers that all of them ask.
pub(crate) struct Platform {
    rtsp: GstServer,
    hls: Hls,
    icecast: Icecast,
    _source: Source,
}

impl Platform {
    pub(crate) fn start(lab: &Lab) -> Result<Self> {
        let icecast = lab.icecast().start()?;
        Ok(Self {
            rtsp: lab.gst().start()?,
            hls: lab.hls().variants(2).start()?,
            _source: icecast.source("live.mp3", Clip::Tone)?,
            icecast,
        })
    }

    pub(crate) fn comparisons(&self) -> Vec<Comparison> {
        let (rtsp, hls) = (self.rtsp.url("/live"), self.hls.url());
        let (icecast, port) = (self.icecast.url("live.mp3"), self.icecast.port());
        let variant = self.hls.variant_url(0);
        let row = |what, ours: &str, theirs: &str, cpu_at_most, rss_at_most_mib| Comparison {
            what,
            ours: words(ours),
            theirs: words(theirs),
            cpu_at_most,
            rss_at_most_mib,
        };
        let check_rtsp = format!("check_rtsp {rtsp}");
        let check_hls = format!("check_hls {hls}");
        let check_stream = format!("check_http_stream {icecast}");
        let no_body = format!("check_http -H 127.0.0.1 -p {port} -u /live.mp3 -N");
        vec![
            row("RTSP", &check_rtsp, &format!("ffprobe -rtsp_transport tcp {rtsp}"), 1.0 / 15.0, Some(6.0)),
            row(
                "RTSP, theirs DESCRIBE only",
                &check_rtsp,
                &format!("check_real -H 127.0.0.1 -p {} -u {rtsp}", self.rtsp.port()),
                f64::INFINITY,
                None,
            ),
            row("HLS, two variants; theirs one", &check_hls, &format!("ffprobe {variant}"), 1.0 / 15.0, None),
            row(
                "HLS, two variants; theirs one",
                &check_hls,
                &format!("streamtop --summary --timeout 3 {variant}"),
                0.5,
                None,
            ),
            row("Icecast", &check_stream, &format!("ffprobe {icecast}"), f64::INFINITY, None),
            row("Icecast, theirs header only", &check_stream, &no_body, 1.0, None),
            row(
                "Icecast, theirs connect only",
                &check_stream,
                &format!("check_tcp -H 127.0.0.1 -p {port}"),
                f64::INFINITY,
                None,
            ),
            row("start-up", "check_rtsp -V", "weir-noop", 1.5, None),
            row("start-up of a graph", "stream_ config", "weir-noop", 1.5, None),
        ]
    }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}
