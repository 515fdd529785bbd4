//! ffmpeg as an RTMP server: encoder and server in one, one player only.

use anyhow::Result;

use crate::{Clip, Lab, Process};

/// A running ffmpeg that serves its first player and ends with it.
pub struct RtmpListen {
    process: Process,
    url: String,
}

impl Lab {
    /// ffmpeg's RTMP server with `clip` at `/live/news` (needs "ffmpeg").
    pub fn rtmp_listen(&self, clip: Clip) -> Result<RtmpListen> {
        let port = self.port();
        let url = format!("rtmp://127.0.0.1:{port}/live/news");
        let mut ffmpeg = self.encoder(clip)?;
        ffmpeg.args(["-c", "copy", "-f", "flv", "-listen", "1", &url]);
        let process = Process::start(self, &format!("rtmp-listen-{port}"), ffmpeg)?;
        process.until_port(port)?;
        Ok(RtmpListen { process, url })
    }
}

impl RtmpListen {
    /// The URL of its stream.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl std::ops::Deref for RtmpListen {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
