//! Live HLS: one ffmpeg encoder per variant writes into nginx's folder, under a master playlist. Each encoder can be
//! frozen alone.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::{Certificate, Clip, Lab, Nginx, NginxBuilder, Process};

/// Segments that a fresh playlist must hold before a test begins.
const FIRST_SEGMENTS: usize = 3;

/// How the live channel shall be; [`start`](Self::start) runs it.
pub struct HlsBuilder {
    nginx: NginxBuilder,
    variants: usize,
    segment_seconds: u32,
    options: Vec<String>,
    extension: &'static str,
    clip: Clip,
}

/// A live channel: nginx and one encoder per variant.
pub struct Hls {
    web: Nginx,
    encoders: Vec<Process>,
}

impl Lab {
    /// A live HLS channel with one variant and segments of 2 s (needs "nginx" and "ffmpeg").
    pub fn hls(&self) -> HlsBuilder {
        HlsBuilder {
            nginx: self.nginx(),
            variants: 1,
            segment_seconds: 2,
            options: Vec::new(),
            extension: "ts",
            clip: Clip::Video,
        }
    }
}

impl HlsBuilder {
    /// Number of variants; the second one has the higher bit rate, further ones repeat.
    #[must_use]
    pub fn variants(mut self, count: usize) -> Self {
        self.variants = count;
        self
    }

    /// What the first variant shows, instead of [`Clip::Video`].
    #[must_use]
    pub fn clip(mut self, clip: Clip) -> Self {
        self.clip = clip;
        self
    }

    /// Length of a segment, which is also the TARGETDURATION.
    #[must_use]
    pub fn segment_seconds(mut self, seconds: u32) -> Self {
        self.segment_seconds = seconds;
        self
    }

    /// Fragmented MP4 with EXT-X-MAP instead of MPEG-TS.
    #[must_use]
    pub fn fmp4(mut self) -> Self {
        self.extension = "m4s";
        self.option("-hls_segment_type", "fmp4")
    }

    /// A further option of ffmpeg's HLS muxer: `option("-hls_playlist_type", "event")`.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Serves HTTPS too, with this certificate.
    #[must_use]
    pub fn tls(mut self, certificate: &Certificate) -> Self {
        self.nginx = self.nginx.tls(certificate);
        self
    }

    /// Adds directives to nginx's `server` block.
    #[must_use]
    pub fn with(mut self, directives: &str) -> Self {
        self.nginx = self.nginx.with(directives);
        self
    }

    /// Starts nginx and the encoders and waits for three segments of each.
    pub fn start(self) -> Result<Hls> {
        let lab = self.nginx.lab().clone();
        let web = self.nginx.start()?;
        let mut master = String::from("#EXTM3U\n#EXT-X-VERSION:3\n");
        let mut encoders = Vec::new();
        for variant in 0..self.variants {
            let (clip, stream) = match variant % 2 {
                0 => (self.clip, "BANDWIDTH=310000,RESOLUTION=320x180"),
                _ => (Clip::VideoHigh, "BANDWIDTH=640000,RESOLUTION=640x360"),
            };
            writeln!(
                master,
                "#EXT-X-STREAM-INF:{stream},CODECS=\"avc1.42c00d,mp4a.40.2\"\nv{variant}/index.m3u8\n"
            )?;
            let folder = web.root().join(format!("v{variant}"));
            fs::create_dir_all(&folder)?;
            let mut ffmpeg = lab.encoder(clip)?;
            ffmpeg.args(["-c", "copy", "-f", "hls", "-hls_time", &self.segment_seconds.to_string()]);
            ffmpeg.args(["-hls_list_size", "5", "-hls_flags", "delete_segments+program_date_time"]);
            ffmpeg.arg("-hls_segment_filename").arg(folder.join(format!("seg%05d.{}", self.extension)));
            ffmpeg.args(&self.options).arg(folder.join("index.m3u8"));
            encoders.push(Process::start(&lab, &lab.name("hls-encoder"), ffmpeg)?);
        }
        web.write("master.m3u8", master)?;
        for (variant, encoder) in encoders.iter().enumerate() {
            let playlist = web.root().join(format!("v{variant}/index.m3u8"));
            let what = format!("{FIRST_SEGMENTS} segments of variant {variant}");
            encoder.until(&what, || segments(&playlist) >= FIRST_SEGMENTS)?;
        }
        Ok(Hls { web, encoders })
    }
}

impl Hls {
    /// The URL of the master playlist.
    pub fn url(&self) -> String {
        self.web.url("/master.m3u8")
    }

    /// The URL of one variant's media playlist, counted from 0.
    pub fn variant_url(&self, variant: usize) -> String {
        self.web.url(&format!("/v{variant}/index.m3u8"))
    }

    /// All encoders hang: the playlists stay and no longer advance.
    pub fn freeze(&self) -> Result<()> {
        self.encoders.iter().try_for_each(Process::pause)
    }

    /// One encoder hangs.
    pub fn freeze_variant(&self, variant: usize) -> Result<()> {
        self.encoder(variant)?.pause()
    }

    /// The encoders go on.
    pub fn thaw(&self) -> Result<()> {
        self.encoders.iter().try_for_each(Process::resume)
    }

    /// One variant vanishes from the server; the master playlist still names it.
    pub fn delete_variant(&self, variant: usize) -> Result<()> {
        self.encoder(variant)?.stop()?;
        self.web.delete(&format!("v{variant}"))
    }

    /// The encoder of one variant, counted from 0.
    pub fn encoder(&self, variant: usize) -> Result<&Process> {
        self.encoders.get(variant).with_context(|| format!("there is no variant {variant}"))
    }

    /// The web server: further files, other URLs, `pause`.
    pub fn web(&self) -> &Nginx {
        &self.web
    }
}

/// Number of segments that a media playlist names; 0 before it exists.
fn segments(playlist: &Path) -> usize {
    fs::read_to_string(playlist).map_or(0, |text| text.matches("#EXTINF").count())
}
