//! FRR: zebra and bgpd.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::Host;
use crate::Process;
use crate::namespace::give;

/// A running FRR.
pub struct Frr {
    zebra: Process,
    bgpd: Process,
    host: Host,
    folder: PathBuf,
}

impl Host {
    /// zebra and bgpd with this configuration of bgpd (needs "frr").
    pub fn frr(&self, config: &str) -> Result<Frr> {
        let folder = self.lab().subdir("frr", None)?;
        let file = folder.join("bgpd.conf");
        // A route-map that is read later would delay the first announcement by 5 s.
        fs::write(&file, format!("bgp route-map delay-timer 0\n{config}"))?;
        fs::write(folder.join("zebra.conf"), "")?;
        give(&folder, "frr:frrvty")?;
        let start = |daemon: &str| -> Result<Process> {
            let mut command = self.daemon(&format!("/usr/lib/frr/{daemon}"));
            command.args(["-u", "frr", "-g", "frr", "-P", "0", "--log", "stdout"]);
            if daemon == "bgpd" && config.contains("rpki") {
                command.args(["-M", "rpki"]);
            }
            command.arg("-f").arg(folder.join(format!("{daemon}.conf")));
            command.arg("-i").arg(folder.join(format!("{daemon}.pid")));
            command.arg("--vty_socket").arg(&folder).arg("-z").arg(folder.join("zserv.api"));
            let process = Process::start(self.lab(), daemon, command)?;
            process.until_file(&folder.join(format!("{daemon}.vty")))?;
            Ok(process)
        };
        let zebra = start("zebra")?;
        zebra.until_file(&folder.join("zserv.api"))?;
        let bgpd = start("bgpd")?;
        Ok(Frr { zebra, bgpd, host: self.clone(), folder })
    }
}

impl Frr {
    /// The folder of its vty sockets.
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// The BGP daemon.
    pub fn bgpd(&self) -> &Process {
        &self.bgpd
    }

    /// The daemon that speaks with the kernel.
    pub fn zebra(&self) -> &Process {
        &self.zebra
    }

    /// The answer of bgpd to commands, one after the other: `frr.tell(&["show bgp summary"])`.
    pub fn tell(&self, commands: &[&str]) -> Result<String> {
        // The machine's own client: in a foreign root it would look for PAM.
        let mut vtysh = self.host.lab().command("vtysh");
        vtysh.arg("--vty_socket").arg(&self.folder).args(["-d", "bgpd"]);
        for command in commands {
            vtysh.args(["-c", command]);
        }
        self.host.told(vtysh)
    }
}
