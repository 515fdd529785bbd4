//! VLC as a server: RTSP (UDP only, absolute control URLs, no `CSeq` on errors) and MMS over HTTP.

use anyhow::Result;

use crate::{Clip, Lab, Process};

/// How VLC shall serve; [`start`](Self::start) runs it.
pub struct VlcBuilder {
    lab: Lab,
    clip: Clip,
    kind: Kind,
    login: Option<(String, String)>,
}

#[derive(Clone, Copy)]
enum Kind {
    Rtsp,
    Mmsh,
}

/// A running VLC with one stream.
pub struct Vlc {
    process: Process,
    url: String,
}

impl Lab {
    /// VLC's RTSP server, one stream at `/live` (needs "vlc" and "ffmpeg").
    pub fn vlc_rtsp(&self) -> VlcBuilder {
        VlcBuilder { lab: self.clone(), clip: Clip::Video, kind: Kind::Rtsp, login: None }
    }

    /// VLC's MMS over HTTP server, one Windows Media stream at `/live` (needs "vlc" and "ffmpeg").
    pub fn vlc_mmsh(&self) -> VlcBuilder {
        VlcBuilder { lab: self.clone(), clip: Clip::Wmv, kind: Kind::Mmsh, login: None }
    }
}

impl VlcBuilder {
    /// Wants Basic authentication (RTSP).
    #[must_use]
    pub fn basic(mut self, user: &str, password: &str) -> Self {
        self.login = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Starts VLC, as `nobody`: it refuses root.
    pub fn start(self) -> Result<Vlc> {
        let lab = &self.lab;
        let port = lab.port();
        let (scheme, output) = match self.kind {
            Kind::Rtsp => ("rtsp", format!("#rtp{{sdp=rtsp://{}:{port}/live}}", lab.listen())),
            Kind::Mmsh => ("mmsh", format!("#std{{access=mmsh,mux=asfh,dst={}:{port}/live}}", lab.listen())),
        };
        let clip = lab.adopt(&self.clip.path()?, "media")?;
        let mut vlc = lab.command_as("nobody", "cvlc");
        vlc.env("HOME", lab.subdir(&format!("vlc-{port}"), Some("nobody"))?);
        vlc.args(["-I", "dummy", "--loop"]).arg(clip).args(["--sout", &output, "--sout-keep"]);
        if let Some((user, password)) = &self.login {
            vlc.args(["--sout-rtsp-user", user, "--sout-rtsp-pwd", password]);
        }
        let process = Process::start(lab, &format!("vlc-{port}"), vlc)?;
        process.until_port(port)?;
        if matches!(self.kind, Kind::Mmsh) {
            // It listens before it has a header to send; a plain GET gets that header and nothing else.
            let url = format!("http://127.0.0.1:{port}/live");
            process.until("the ASF header", || lab.get(&url).is_ok_and(|body| body.starts_with("$H")))?;
        }
        Ok(Vlc { process, url: format!("{scheme}://127.0.0.1:{port}/live") })
    }
}

impl Vlc {
    /// The URL of its stream.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl std::ops::Deref for Vlc {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
