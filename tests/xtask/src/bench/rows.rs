//! What is compared with what, and the goals: one entry per comparison; each family adds its own.

use anyhow::Result;
use weir_lab::{Clip, GstServer, Hls, Icecast, Lab, Source};

/// Rivals that are installed by `cargo install`.
pub(crate) const RIVAL_CRATES: [&str; 1] = ["streamtop"];

/// One of our command lines against one of theirs, each as `NAME=VALUE ... PROGRAM ARGUMENT ...`.
pub(crate) struct Comparison {
    pub(crate) what: &'static str,
    pub(crate) ours: String,
    pub(crate) theirs: String,
    /// The goal: our CPU time as a part of theirs.
    pub(crate) cpu_at_most: Option<f64>,
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
        let (rtsp, rtsp_port) = (self.rtsp.url("/live"), self.rtsp.port());
        let (hls, variant) = (self.hls.url(), self.hls.variant_url(0));
        let (icecast, port) = (self.icecast.url("live.mp3"), self.icecast.port());
        let check_rtsp = format!("check_rtsp {rtsp}");
        let check_hls = format!("check_hls {hls}");
        let check_stream = format!("check_http_stream {icecast}");
        vec![
            row("RTSP", &check_rtsp, format!("ffprobe -rtsp_transport tcp {rtsp}")).cpu(1.0 / 15.0).rss(6.0),
            row(
                "RTSP, theirs DESCRIBE",
                &check_rtsp,
                format!("check_real -H 127.0.0.1 -p {rtsp_port} -u {rtsp}"),
            ),
            row("HLS, two variants, theirs one", &check_hls, format!("ffprobe {variant}")).cpu(1.0 / 15.0),
            row(
                "HLS, two variants, theirs one",
                &check_hls,
                format!("streamtop --summary --timeout 3 {variant}"),
            )
            .cpu(0.5),
            row("Icecast", &check_stream, format!("ffprobe {icecast}")),
            row(
                "Icecast, theirs header",
                &check_stream,
                format!("check_http -H 127.0.0.1 -p {port} -u /live.mp3 -N"),
            )
            .cpu(1.0),
            row("Icecast, theirs connect", &check_stream, format!("check_tcp -H 127.0.0.1 -p {port}")),
            row("start-up", "check_rtsp -V", "weir-noop").cpu(1.5),
            row("start-up of a graph", "url=rtsp://192.0.2.1/live stream_ config", "weir-noop").cpu(1.5),
        ]
    }
}

fn row(what: &'static str, ours: impl Into<String>, theirs: impl Into<String>) -> Comparison {
    Comparison { what, ours: ours.into(), theirs: theirs.into(), cpu_at_most: None, rss_at_most_mib: None }
}

impl Comparison {
    fn cpu(self, at_most: f64) -> Self {
        Self { cpu_at_most: Some(at_most), ..self }
    }

    fn rss(self, at_most_mib: f64) -> Self {
        Self { rss_at_most_mib: Some(at_most_mib), ..self }
    }
}
