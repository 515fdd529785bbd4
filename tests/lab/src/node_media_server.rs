//! node-media-server: RTMP and RTMPS written in JavaScript, with a buffer of the last group of pictures.

use std::fs;

use anyhow::{Context, Result};

use crate::{Certificate, Clip, Lab, Process, packages};

/// A running node-media-server. It takes any application.
pub struct NodeMediaServer {
    lab: Lab,
    process: Process,
    port: u16,
    tls_port: Option<u16>,
}

impl Lab {
    /// node-media-server (needs "node-media-server"), with RTMPS when there is a certificate; with `secret`, whoever plays must
    /// sign.
    pub fn node_media_server(
        &self,
        certificate: Option<&Certificate>,
        secret: Option<&str>,
    ) -> Result<NodeMediaServer> {
        let port = self.port();
        let tls_port = certificate.map(|_| self.port());
        let dir = self.subdir(&format!("nms-{port}"), None)?;
        let bind = self.listen();
        let http = self.port();
        let tls = certificate.zip(tls_port).map_or(String::new(), |(files, port)| {
            let (key, chain) = (files.key.display(), files.chain.display());
            format!(r#", "rtmps": {{"port": {port}, "key": "{key}", "cert": "{chain}"}}"#)
        });
        let auth = secret.map_or(String::new(), |secret| {
            format!(r#", "auth": {{"play": true, "publish": false, "secret": "{secret}"}}"#)
        });
        let config = format!(
            r#"{{"bind": "{bind}", "rtmp": {{"port": {port}}}, "http": {{"port": {http}}},
"store": {{"path": "./data"}}, "record": {{"path": "./record"}}{tls}{auth}}}"#
        );
        let file = dir.join("config.json");
        fs::write(&file, config).context("writing the configuration of node-media-server")?;
        let mut node = self.command("node");
        node.arg(packages::npm_folder()?.join("node_modules/node-media-server/bin/app.js"));
        node.arg("--no-admin").arg("--config").arg(file);
        let process = Process::start(self, &format!("nms-{port}"), node)?;
        process.until_port(port)?;
        Ok(NodeMediaServer { lab: self.clone(), process, port, tls_port })
    }
}

impl NodeMediaServer {
    /// An encoder publishes `stream` in the application `live`; waits until the server has it.
    pub fn publish(&self, stream: &str, clip: Clip) -> Result<Process> {
        let mut ffmpeg = self.lab.encoder(clip)?;
        ffmpeg.args(["-c", "copy", "-f", "flv", &self.url(stream)]);
        let encoder = Process::start(&self.lab, &self.lab.name("nms-encoder"), ffmpeg)?;
        encoder.until_log("time=00:00:01")?;
        Ok(encoder)
    }

    /// `rtmp://.../live/STREAM`.
    pub fn url(&self, stream: &str) -> String {
        format!("rtmp://127.0.0.1:{}/live/{stream}", self.port)
    }

    /// The same over TLS, at a name of the certificate.
    pub fn tls_url(&self, host: &str, stream: &str) -> String {
        format!("rtmps://{host}:{}/live/{stream}", self.tls_port.unwrap_or_default())
    }
}

impl std::ops::Deref for NodeMediaServer {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
