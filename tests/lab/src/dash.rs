//! Live DASH: one ffmpeg encoder writes a picture and a sound into nginx's folder, and nginx tells the time.

use std::fs;

use anyhow::Result;

use crate::{Clip, Lab, Nginx, NginxBuilder, Process};

/// Segments of the picture that must be there before a test begins.
const FIRST_SEGMENTS: usize = 3;

/// How the live channel shall be; [`start`](Self::start) runs it.
pub struct DashBuilder {
    nginx: NginxBuilder,
    segment_seconds: u32,
    options: Vec<String>,
    clock: bool,
}

/// A live channel: nginx and one encoder.
pub struct Dash {
    web: Nginx,
    encoder: Process,
}

impl Lab {
    /// A live DASH channel with one picture, one sound, and segments of 1 s in a timeline (needs "nginx" and "ffmpeg").
    pub fn dash(&self) -> DashBuilder {
        let nginx =
            self.nginx().with("location = /time { default_type text/plain; return 200 $time_iso8601; }");
        DashBuilder { nginx, segment_seconds: 1, options: Vec::new(), clock: true }
    }
}

impl DashBuilder {
    /// Length of a segment.
    #[must_use]
    pub fn segment_seconds(mut self, seconds: u32) -> Self {
        self.segment_seconds = seconds;
        self
    }

    /// Numbers that follow the clock instead of a timeline.
    #[must_use]
    pub fn numbered(self) -> Self {
        self.option("-use_timeline", "0")
    }

    /// Segments in a list, without a timeline.
    #[must_use]
    pub fn listed(self) -> Self {
        self.numbered().option("-use_template", "0")
    }

    /// Segments as ranges of one file that grows, in a list.
    #[must_use]
    pub fn single_file(self) -> Self {
        self.option("-single_file", "1")
    }

    /// No `UTCTiming`.
    #[must_use]
    pub fn without_clock(mut self) -> Self {
        self.clock = false;
        self
    }

    /// A further option of ffmpeg's DASH muxer: `option("-single_file", "1")`.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Adds directives to nginx's `server` block.
    #[must_use]
    pub fn with(mut self, directives: &str) -> Self {
        self.nginx = self.nginx.with(directives);
        self
    }

    /// Starts nginx and the encoder and waits for three segments.
    pub fn start(self) -> Result<Dash> {
        let lab = self.nginx.lab().clone();
        let web = self.nginx.start()?;
        let manifest = web.root().join("live.mpd");
        let mut ffmpeg = lab.encoder(Clip::Video)?;
        ffmpeg.args(["-c", "copy", "-f", "dash", "-seg_duration", &self.segment_seconds.to_string()]);
        ffmpeg.args(["-window_size", "5", "-extra_window_size", "3"]);
        if self.clock {
            ffmpeg.args(["-utc_timing_url", &web.url("/time")]);
        }
        ffmpeg.args(&self.options).arg(&manifest);
        let encoder = Process::start(&lab, &lab.name("dash-encoder"), ffmpeg)?;
        let third = web.root().join(format!("chunk-stream0-{FIRST_SEGMENTS:05}.m4s"));
        let listed =
            || fs::read_to_string(&manifest).is_ok_and(|text| text.matches("mediaRange=").count() >= 6);
        encoder.until("three segments", || (manifest.exists() && third.exists()) || listed())?;
        Ok(Dash { web, encoder })
    }
}

impl Dash {
    /// The URL of the manifest.
    pub fn url(&self) -> String {
        self.web.url("/live.mpd")
    }

    /// The encoder: `pause`, `resume`, `stop`.
    pub fn encoder(&self) -> &Process {
        &self.encoder
    }

    /// The web server: further files, other URLs, `pause`.
    pub fn web(&self) -> &Nginx {
        &self.web
    }
}
