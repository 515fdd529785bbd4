//! ExaBGP, driven by its named pipes.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use rustix::fs::{Mode, OFlags, open};

use super::Host;
use crate::Process;
use crate::namespace::run;

/// A running ExaBGP.
pub struct Exabgp {
    process: Process,
    host: Host,
    folder: PathBuf,
}

impl Host {
    /// ExaBGP with this configuration (needs "exabgp"). It is written in Python and never idle: not for every test.
    pub fn exabgp(&self, config: &str) -> Result<Exabgp> {
        let folder = self.lab().subdir("exabgp", None)?;
        let file = folder.join("exabgp.conf");
        fs::write(&file, config)?;
        for pipe in ["exabgp.in", "exabgp.out"] {
            run(self.lab().command("mkfifo").arg(folder.join(pipe)))?;
        }
        // It looks for its pipes in /run/exabgp; `ip netns exec` has given us mounts of our own.
        let script = "mkdir -p /run/exabgp && mount --bind \"$1\" /run/exabgp && shift && exec env \"$@\"";
        let mut exabgp = self.lab().command("sh");
        exabgp.args(["-c", script, "exabgp-with-pipes"]).arg(&folder);
        exabgp.args(["exabgp.daemon.user=root", "exabgp.tcp.bind=", "exabgp.log.destination=stdout"]);
        exabgp.args(["exabgp.log.level=INFO", "exabgp.api.cli=true", "exabgp"]).arg(&file);
        let process = Process::start(self.lab(), "exabgp", exabgp)?;
        // A pipe without a reader refuses to be opened: its command reader starts after the daemon.
        let flags = OFlags::WRONLY | OFlags::NONBLOCK;
        process.until("its command pipe", || open(folder.join("exabgp.in"), flags, Mode::empty()).is_ok())?;
        Ok(Exabgp { process, host: self.clone(), folder })
    }
}

impl Exabgp {
    /// The folder of its pipes.
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// Gives it a command: `exabgp.tell("announce route 192.0.2.0/25 next-hop self")`.
    pub fn tell(&self, command: &str) -> Result<()> {
        let script = format!("echo '{command}' > '{}'", self.folder.join("exabgp.in").display());
        run(self.host.lab().command("timeout").args(["5", "sh", "-c", &script])).map(drop)
    }
}

impl std::ops::Deref for Exabgp {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
