//! GoBGP.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::Host;
use crate::Process;

/// A running GoBGP; its API is at 127.0.0.1:50051 of its host, and at a unix socket.
pub struct Gobgp {
    process: Process,
    host: Host,
    socket: PathBuf,
}

impl Host {
    /// gobgpd with this configuration (needs "gobgp").
    pub fn gobgp(&self, config: &str) -> Result<Gobgp> {
        let file = self.lab().dir().join("gobgp.toml");
        fs::write(&file, config)?;
        let mut gobgpd = self.daemon("/usr/bin/gobgpd");
        let socket = self.lab().dir().join("gobgp.sock");
        let api = format!("127.0.0.1:50051,unix://{}", socket.display());
        gobgpd.arg("-f").arg(&file).args(["--api-hosts", &api, "--pprof-disable", "--log-plain"]);
        let process = Process::start(self.lab(), "gobgpd", gobgpd)?;
        process.until_port(50051)?;
        process.until_file(&socket)?;
        Ok(Gobgp { process, host: self.clone(), socket })
    }
}

impl Gobgp {
    /// The unix socket of its API.
    pub fn socket(&self) -> &PathBuf {
        &self.socket
    }

    /// The answer to a command of its client: `gobgp.tell("neighbor 10.0.4.1 disable")`.
    pub fn tell(&self, command: &str) -> Result<String> {
        let mut gobgp = self.host.daemon("/usr/bin/gobgp");
        gobgp.args(command.split(' '));
        self.host.told(gobgp)
    }
}

impl std::ops::Deref for Gobgp {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
