//! Icecast with ffmpeg sources.

use std::fs;

use anyhow::Result;

use crate::namespace::run;
use crate::{Clip, Lab, Process};

/// How Icecast shall be; [`start`](Self::start) runs it.
pub struct IcecastBuilder {
    lab: Lab,
    source_timeout: u32,
    burst: u32,
}

/// A running Icecast; `source` and `admin` have the password `hackme`.
pub struct Icecast {
    lab: Lab,
    process: Process,
    port: u16,
}

/// An encoder that feeds one mount.
pub struct Source(Process);

impl Lab {
    /// Icecast (needs "icecast2"; its sources need "ffmpeg").
    pub fn icecast(&self) -> IcecastBuilder {
        IcecastBuilder { lab: self.clone(), source_timeout: 60, burst: 65_536 }
    }
}

impl IcecastBuilder {
    /// Seconds without data after which the server drops a source. Long here (60; Debian has 10), so that a stalled
    /// source keeps its mount.
    #[must_use]
    pub fn source_timeout(mut self, seconds: u32) -> Self {
        self.source_timeout = seconds;
        self
    }

    /// Bytes that a new listener gets at once.
    #[must_use]
    pub fn burst(mut self, bytes: u32) -> Self {
        self.burst = bytes;
        self
    }

    /// Starts the server.
    pub fn start(self) -> Result<Icecast> {
        let lab = self.lab;
        let port = lab.port();
        let dir = lab.subdir(&format!("icecast-{port}"), Some("nobody"))?;
        let config = dir.join("icecast.xml");
        let (folder, listen) = (dir.display(), lab.listen());
        let (timeout, burst) = (self.source_timeout, self.burst);
        fs::write(
            &config,
            format!(
                "<icecast>
  <limits><clients>200</clients><sources>20</sources><source-timeout>{timeout}</source-timeout>
    <burst-on-connect>1</burst-on-connect><burst-size>{burst}</burst-size></limits>
  <authentication><source-password>hackme</source-password><relay-password>hackme</relay-password>
    <admin-user>admin</admin-user><admin-password>hackme</admin-password></authentication>
  <hostname>icecast.example</hostname>
  <listen-socket><port>{port}</port><bind-address>{listen}</bind-address></listen-socket>
  <paths><basedir>/usr/share/icecast2</basedir><logdir>{folder}</logdir><webroot>/usr/share/icecast2/web</webroot>
    <adminroot>/usr/share/icecast2/admin</adminroot></paths>
  <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>3</loglevel></logging>
</icecast>"
            ),
        )?;
        let mut icecast = lab.command_as("nobody", "icecast2"); // it refuses root
        icecast.arg("-c").arg(config);
        let process = Process::start(&lab, &format!("icecast-{port}"), icecast)?;
        process.until_port(port)?;
        Ok(Icecast { lab, process, port })
    }
}

impl Icecast {
    /// The URL of a mount: `url("live.mp3")`.
    pub fn url(&self, mount: &str) -> String {
        self.url_at("127.0.0.1", mount)
    }

    /// The same mount by another name or address of the lab.
    pub fn url_at(&self, host: &str, mount: &str) -> String {
        format!("http://{host}:{}/{mount}", self.port)
    }

    /// Its TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts an encoder for `mount` and waits until listeners are served.
    pub fn source(&self, mount: &str, clip: Clip) -> Result<Source> {
        let mut ffmpeg = self.lab.encoder(clip)?;
        let format = match clip {
            Clip::ToneOgg => "ogg",
            Clip::ToneAac => "adts",
            _ => "mp3",
        };
        ffmpeg.args([
            "-c",
            "copy",
            "-content_type",
            clip.content_type(),
            "-ice_name",
            "Weir test",
            "-f",
            format,
        ]);
        ffmpeg.arg(format!("icecast://source:hackme@127.0.0.1:{}/{mount}", self.port));
        let source = Process::start(&self.lab, &self.lab.name("icecast-source"), ffmpeg)?;
        source
            .until(&format!("mount /{mount}"), || self.mounts().contains(&format!("mount=\"/{mount}\"")))?;
        Ok(Source(source))
    }

    /// The title that listeners of `mount` see (`StreamTitle`); waits until the server has taken it, which it does
    /// with the next data of the source.
    pub fn set_title(&self, mount: &str, title: &str) -> Result<()> {
        let form = format!("song={title}");
        let query = format!("mount=/{mount}&mode=updinfo&charset=UTF-8");
        let mut curl = self.admin("metadata");
        curl.args(["-G", "--data-urlencode", &form, "--data", &query]);
        run(&mut curl)?;
        self.process.until("the new title", || self.mounts().contains("<title>"))
    }

    /// The statistics page of the administrator (XML): listeners, sources.
    pub fn mounts(&self) -> String {
        run(&mut self.admin("stats")).unwrap_or_default()
    }

    fn admin(&self, page: &str) -> std::process::Command {
        let mut curl = self.lab.command("curl");
        curl.args(["-sS", "--fail", "--max-time", "5", "-u", "admin:hackme"]);
        curl.arg(format!("http://127.0.0.1:{}/admin/{page}", self.port));
        curl
    }
}

impl std::ops::Deref for Icecast {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl Source {
    /// The encoder hangs: the mount stays, no byte comes.
    pub fn stall(&self) -> Result<()> {
        self.0.pause()
    }
}

impl std::ops::Deref for Source {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}
