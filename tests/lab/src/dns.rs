//! Name servers: dnsmasq with the names of a test, and one that never answers.

use std::fs;
use std::net::UdpSocket;

use anyhow::{Context, Result};

use crate::room::hosts_lines;
use crate::{Lab, Process};

/// The port of DNS; free in a private network.
const PORT: u16 = 53;

/// A name server on 127.0.0.1:53 of the lab.
pub struct Dns {
    process: Process,
}

impl Lab {
    /// dnsmasq with these names, given as in [`Lab::hosts`]; every other name is NXDOMAIN (needs "dnsmasq" and
    /// "namespace"). The lab's resolv.conf names it already.
    pub fn dns(&self, names: &[(&str, &str)]) -> Result<Dns> {
        let file = self.dir().join("dns-names");
        fs::write(&file, hosts_lines(names))?;
        let mut dnsmasq = self.command("dnsmasq");
        dnsmasq.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--user=root",
        ]);
        dnsmasq.args(["--address=/#/", "--log-queries", "--log-facility=-", "--pid-file="]);
        dnsmasq.arg(format!("--addn-hosts={}", file.display()));
        let process = Process::start(self, "dnsmasq", dnsmasq)?;
        process.until_port(PORT)?;
        Ok(Dns { process })
    }

    /// A name server that takes every question and answers none (needs "namespace"). It lasts as long as the value.
    pub fn silent_dns(&self) -> Result<UdpSocket> {
        self.enter(|| UdpSocket::bind(("127.0.0.1", PORT)))?.context("binding the port of DNS")
    }
}

impl Dns {
    /// Questions that it has received for `name`.
    pub fn questions(&self, name: &str) -> usize {
        self.process
            .log()
            .lines()
            .filter(|line| line.contains("query[") && line.contains(&format!(" {name} ")))
            .count()
    }
}

impl std::ops::Deref for Dns {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
