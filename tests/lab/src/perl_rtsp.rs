//! The Perl RTSP server (`RTSP::Server`): UDP only, answers 400 to a TCP SETUP, no Content-Base, sends the Session
//! already with OPTIONS. An encoder announces the stream to it.

use anyhow::Result;

use crate::{Clip, Lab, Process};

/// A running Perl RTSP server with one live stream.
pub struct PerlRtsp {
    server: Process,
    encoder: Process,
    url: String,
}

impl Lab {
    /// The Perl RTSP server with an ffmpeg encoder (needs "perl-rtsp" and "ffmpeg").
    pub fn perl_rtsp(&self) -> Result<PerlRtsp> {
        let (client_port, source_port) = (self.port(), self.port());
        let mut perl = self.command("rtsp-server-perl");
        perl.args(["-c", &client_port.to_string(), "-s", &source_port.to_string()]);
        perl.args(["--client_listen_address", self.listen(), "--source_listen_address", self.listen()]);
        let server = Process::start(self, &format!("perl-rtsp-{client_port}"), perl)?;
        server.until_port(client_port)?;
        server.until_port(source_port)?;
        let mut ffmpeg = self.encoder(Clip::Video)?;
        ffmpeg.args(["-c", "copy", "-f", "rtsp", "-rtsp_transport", "udp"]);
        ffmpeg.arg(format!("rtsp://127.0.0.1:{source_port}/live"));
        let encoder = Process::start(self, &format!("perl-rtsp-encoder-{client_port}"), ffmpeg)?;
        encoder.until_log("frame=")?;
        Ok(PerlRtsp { server, encoder, url: format!("rtsp://127.0.0.1:{client_port}/live") })
    }

    /// An ffmpeg that plays `clip` for ever at its own pace; the caller adds codec and output. It reports its
    /// progress (`frame=`, `size=`) in its log.
    pub(crate) fn encoder(&self, clip: Clip) -> Result<std::process::Command> {
        let mut ffmpeg = self.command("ffmpeg");
        ffmpeg.args(["-hide_banner", "-loglevel", "info", "-stats", "-re", "-stream_loop", "-1", "-i"]);
        ffmpeg.arg(clip.path()?);
        Ok(ffmpeg)
    }
}

impl PerlRtsp {
    /// The URL of its stream.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The encoder behind it: pause it for a stream without media.
    pub fn encoder(&self) -> &Process {
        &self.encoder
    }
}

impl std::ops::Deref for PerlRtsp {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.server
    }
}
