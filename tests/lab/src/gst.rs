//! GStreamer's RTSP server: UDP and TCP transports, Digest or Basic, TLS, live and on demand.

use std::fs;

use anyhow::Result;

use crate::{Certificate, Clip, Lab, Process};

const SCRIPT: &str = include_str!("gst_rtsp.py");

/// How the server shall be; [`start`](Self::start) runs it.
pub struct Gst {
    lab: Lab,
    address: &'static str,
    transports: &'static str,
    authentication: Option<&'static str>,
    certificate: Option<Certificate>,
    name: Option<String>,
}

/// A running GStreamer RTSP server with the mounts `/live`, `/black`, `/vod` and `/hang`.
pub struct GstServer {
    process: Process,
    port: u16,
    scheme: &'static str,
}

impl Lab {
    /// GStreamer's RTSP server (needs "gst" and "ffmpeg").
    pub fn gst(&self) -> Gst {
        Gst {
            lab: self.clone(),
            address: self.listen(),
            transports: "udp,tcp",
            authentication: None,
            certificate: None,
            name: None,
        }
    }
}

impl Gst {
    /// Listens on this address only; `::` is every address of IPv6.
    #[must_use]
    pub fn on(mut self, address: &'static str) -> Self {
        self.address = address;
        self
    }

    /// Only RTP over UDP; TCP SETUP is answered 461.
    #[must_use]
    pub fn udp_only(mut self) -> Self {
        self.transports = "udp";
        self
    }

    /// Only interleaved TCP; UDP SETUP is answered 461.
    #[must_use]
    pub fn tcp_only(mut self) -> Self {
        self.transports = "tcp";
        self
    }

    /// Every mount wants Digest authentication as `user` with `s3cret`.
    #[must_use]
    pub fn digest(mut self) -> Self {
        self.authentication = Some("digest");
        self
    }

    /// Every mount wants Basic authentication as `user` with `s3cret`.
    #[must_use]
    pub fn basic(mut self) -> Self {
        self.authentication = Some("basic");
        self
    }

    /// Says this in its Server header.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// RTSP over TLS (`rtsps`).
    #[must_use]
    pub fn tls(mut self, certificate: &Certificate) -> Self {
        self.certificate = Some(certificate.clone());
        self
    }

    /// Starts the server.
    pub fn start(self) -> Result<GstServer> {
        let lab = &self.lab;
        let port = lab.port();
        let script = lab.dir().join("gst_rtsp.py");
        fs::write(&script, SCRIPT)?;
        // The system's Python: another one that comes first in PATH has no GObject bindings.
        let mut python = lab.command("/usr/bin/python3");
        python.arg(&script).args(["--address", self.address, "--port", &port.to_string()]);
        python.args(["--transports", self.transports]).arg("--vod").arg(Clip::Video.path()?);
        // Its plugin registry, so that labs side by side do not rebuild it in each other's way.
        python.env("GST_REGISTRY", crate::target_dir()?.join("weir-lab/gstreamer-registry.bin"));
        if let Some(method) = self.authentication {
            python.args(["--auth", method]);
        }
        if let Some(name) = &self.name {
            python.arg("--name").arg(name);
        }
        if let Some(certificate) = &self.certificate {
            python.arg("--tls").arg(&certificate.chain).arg(&certificate.key);
        }
        let process = Process::start(lab, &format!("gst-{port}"), python)?;
        process.until_port(port)?;
        Ok(GstServer { process, port, scheme: if self.certificate.is_some() { "rtsps" } else { "rtsp" } })
    }
}

impl GstServer {
    /// The URL of a mount: `url("/live")`.
    pub fn url(&self, mount: &str) -> String {
        self.url_at("127.0.0.1", mount)
    }

    /// The same mount by another name or address of the lab; an IPv6 address in brackets.
    pub fn url_at(&self, host: &str, mount: &str) -> String {
        format!("{}://{host}:{}{mount}", self.scheme, self.port)
    }

    /// Its TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl std::ops::Deref for GstServer {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
