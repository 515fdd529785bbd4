//! An anycast network of real routers: labs as hosts, wires between them, routing daemons and name servers on them.
//!
//! A [`Host`] is a lab whose documentation networks are not local, so that they can be routed. What belongs to one host ends
//! with it.

mod bird;
mod exabgp;
mod frr;
mod gobgp;
mod names;
mod wire;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::Lab;
use crate::namespace::{LOCAL_NETWORKS, run, tool};

pub use bird::Bird;
pub use exabgp::Exabgp;
pub use frr::Frr;
pub use gobgp::Gobgp;
pub use names::{NameServer, NodeNames};
pub use wire::{End, Wire, wire};

/// One machine of the network.
#[derive(Clone)]
pub struct Host {
    lab: Lab,
    /// Where the daemons come from; `None` for this machine's own.
    release: Option<PathBuf>,
}

impl Host {
    /// A machine that forwards, with nothing on it.
    pub fn new(name: &str) -> Result<Self> {
        let lab = Lab::new(name)?;
        if !lab.is_private() {
            bail!("a network of hosts needs namespaces: ask for them with Lab::for_test(&[\"namespace\"])");
        }
        let host = Self { lab, release: None };
        for network in LOCAL_NETWORKS {
            host.ip(&format!("route delete local {network} dev lo"))?;
        }
        for setting in [
            "net.ipv4.ip_forward=1",
            "net.ipv6.conf.all.forwarding=1",
            "net.ipv4.conf.all.rp_filter=0",
            "net.ipv4.conf.default.rp_filter=0",
            // Routers limit how often they tell that a packet has died; tests are impatient.
            "net.ipv4.icmp_ratelimit=0",
            "net.ipv6.icmp.ratelimit=0",
        ] {
            run(host.lab.command("sysctl").args(["-qw", setting]))?;
        }
        Ok(host)
    }

    /// The same machine with the daemons of another release, unpacked at `root`.
    #[must_use]
    pub fn with_release(mut self, root: PathBuf) -> Self {
        self.release = Some(root);
        self
    }

    /// Its lab: programs run in it.
    pub const fn lab(&self) -> &Lab {
        &self.lab
    }

    /// `ip` in the words of a line: `host.ip("address add 192.0.2.53/32 dev lo")`.
    pub fn ip(&self, line: &str) -> Result<String> {
        let family = if line.contains(':') { "-6" } else { "-4" };
        let mut ip = tool("ip");
        ip.args(["-n", self.lab.namespace()]);
        if !line.starts_with("link") {
            ip.arg(family);
        }
        run(ip.args(line.split(' '))).with_context(|| format!("ip {line}"))
    }

    /// Puts a service address on the loopback interface.
    pub fn add_address(&self, address: &str) -> Result<()> {
        let length = if address.contains(':') { 128 } else { 32 };
        self.ip(&format!("address add {address}/{length} dev lo")).map(drop)
    }

    /// Takes it away again.
    pub fn remove_address(&self, address: &str) -> Result<()> {
        let length = if address.contains(':') { 128 } else { 32 };
        self.ip(&format!("address delete {address}/{length} dev lo")).map(drop)
    }

    /// A program of this host's release, by its absolute path. Folders of the lab are visible in both.
    pub(crate) fn daemon(&self, program: &str) -> Command {
        let Some(root) = &self.release else { return self.lab.command(program) };
        // The lab's folder must be at the same place inside: unshare gives a mount of its own that ends with the daemon.
        let mut command = self.lab.command("unshare");
        let script = "mkdir -p \"$1$2\" && mount --bind \"$2\" \"$1$2\" && mount --bind /dev \"$1/dev\" && mount -t proc proc \"$1/proc\" && \
                      root=$1 && shift 2 && exec chroot \"$root\" \"$@\"";
        command
            .args(["--mount", "sh", "-c", script, "chroot-in-release"])
            .arg(root)
            .arg(self.lab.dir())
            .arg(program);
        command
    }
}
