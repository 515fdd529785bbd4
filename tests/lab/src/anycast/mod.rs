//! An anycast network of real routers: labs as hosts, wires between them, routing daemons and name servers on them.
//!
//! A [`Host`] is a lab whose documentation networks are not local, so that they can be routed. What belongs to one host ends
//! with it.

mod bird;
mod exabgp;
mod frr;
mod gobgp;
mod names;
mod rtr;
mod wire;

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::namespace::{LOCAL_NETWORKS, run, tool};
use crate::{Lab, ReleaseRoot};

pub use bird::Bird;
pub use exabgp::Exabgp;
pub use frr::Frr;
pub use gobgp::Gobgp;
pub use names::{NameServer, NodeNames};
pub use rtr::RTR_PORT;
pub use wire::{End, Wire, wire};

/// One machine of the network.
#[derive(Clone)]
pub struct Host {
    lab: Lab,
    /// Where the daemons come from; `None` for this machine's own.
    release: Option<ReleaseRoot>,
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

    /// A lab as it is, with all documentation networks local: for daemons without neighbours.
    pub fn of(lab: &Lab) -> Self {
        Self { lab: lab.clone(), release: None }
    }

    /// The same machine with the routing daemons of another release.
    #[must_use]
    pub fn with_release(mut self, root: &ReleaseRoot) -> Self {
        self.release = Some(root.clone());
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

    /// What a client of a daemon printed.
    pub(crate) fn told(&self, client: Command) -> Result<String> {
        let seen = self.lab.run(client)?;
        if seen.code != Some(0) {
            bail!("the client ended with {:?}: {}{}", seen.code, seen.stdout, seen.stderr);
        }
        Ok(seen.stdout)
    }

    /// A program of this host's release, by its absolute path.
    pub(crate) fn daemon(&self, program: &str) -> Command {
        match &self.release {
            Some(root) => root.command(&self.lab, program),
            None => self.lab.command(program),
        }
    }
}
