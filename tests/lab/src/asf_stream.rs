//! ffmpeg as an MMSH server: the frames of MMS in a chunked HTTP answer, media at once after the header, one client only.

use anyhow::Result;

use crate::{Clip, Lab, Process};

/// A running ffmpeg that serves its first client and ends.
pub struct AsfStream {
    process: Process,
    url: String,
}

impl Lab {
    /// ffmpeg's ASF stream, Windows Media at `/live` (needs "ffmpeg").
    pub fn asf_stream(&self) -> Result<AsfStream> {
        let port = self.port();
        let mut ffmpeg = self.encoder(Clip::Wmv)?;
        ffmpeg.args(["-c", "copy", "-f", "asf_stream", "-listen", "1"]);
        ffmpeg.args(["-content_type", "application/x-mms-framed"]);
        ffmpeg.arg(format!("http://127.0.0.1:{port}/live"));
        let process = Process::start(self, &format!("asf-stream-{port}"), ffmpeg)?;
        process.until_port(port)?;
        Ok(AsfStream { process, url: format!("mmsh://127.0.0.1:{port}/live") })
    }
}

impl AsfStream {
    /// The URL of its stream.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl std::ops::Deref for AsfStream {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
