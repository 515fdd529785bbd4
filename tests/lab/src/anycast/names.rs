//! Authoritative name servers that tell who they are: Knot, NSD and BIND, with one zone `anycast.test`.

use std::fs;

use anyhow::Result;

use super::Host;
use crate::Process;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameServer {
    /// Knot DNS (needs "knot").
    Knot,
    /// NSD (needs "nsd").
    Nsd,
    /// BIND 9 (needs "bind9").
    Bind,
}

/// A running name server; its name is its NSID.
pub struct NodeNames(Process);

const ZONE: &str = "$TTL 60
@ SOA ns.anycast.test. hostmaster.anycast.test. 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.53
ns AAAA 2001:db8:53::53
www A 192.0.2.53
";

impl Host {
    /// A name server that answers as `name` at `addresses`.
    pub fn names(&self, server: NameServer, name: &str, addresses: &[&str]) -> Result<NodeNames> {
        let dir = self.lab().subdir("names", None)?;
        let folder = dir.display();
        fs::write(dir.join("anycast.test.zone"), ZONE)?;
        let (four, six): (Vec<&str>, Vec<&str>) = addresses.iter().partition(|a| !a.contains(':'));
        let list = |of: &[&str]| of.iter().flat_map(|a| [a, "; "]).collect::<String>();
        let (program, arguments, config): (&str, &[&str], String) = match server {
            NameServer::Knot => (
                "/usr/sbin/knotd",
                &["-c"],
                format!(
                    "server:\n  rundir: {folder}\n  listen: [ {} ]\n  identity: {name}.anycast.test\n  nsid: {name}\n  udp-workers: 1\n  \
                     tcp-workers: 1\n  background-workers: 1\ndatabase:\n  storage: {folder}\ncontrol:\n  listen: {folder}/knot.sock\n\
                     log:\n  - target: stderr\n    any: info\ntemplate:\n  - id: default\n    storage: {folder}\n    \
                     zonefile-load: whole\n    journal-content: none\nzone:\n  - domain: anycast.test\n    file: anycast.test.zone\n",
                    addresses.iter().map(|a| format!("{a}@53")).collect::<Vec<_>>().join(", ")
                ),
            ),
            NameServer::Nsd => (
                "/usr/sbin/nsd",
                &["-d", "-c"],
                format!(
                    "server:\n  server-count: 1\n{}  identity: {name}.anycast.test\n  nsid: ascii_{name}\n  username: \"\"\n  zonesdir: {folder}\n  \
                     pidfile: {folder}/nsd.pid\n  zonelistfile: {folder}/zone.list\n  xfrdfile: {folder}/xfrd\n  xfrdir: {folder}\n  \
                     database: \"\"\nremote-control:\n  control-enable: no\nzone:\n  name: anycast.test\n  zonefile: anycast.test.zone\n",
                    addresses.iter().flat_map(|a| ["  ip-address: ", a, "\n"]).collect::<String>()
                ),
            ),
            NameServer::Bind => (
                "/usr/sbin/named",
                &["-f", "-g", "-n", "1", "-c"],
                format!(
                    "options {{ directory \"{folder}\"; pid-file \"{folder}/named.pid\"; session-keyfile \"{folder}/session.key\";\n\
                     listen-on {{ {} }}; listen-on-v6 {{ {} }}; recursion no; dnssec-validation no; server-id \"{name}\"; \
                     hostname \"{name}.anycast.test\"; version none; }};\ncontrols {{ }};\n\
                     zone \"anycast.test\" {{ type primary; file \"{folder}/anycast.test.zone\"; }};\n",
                    list(&four),
                    list(&six)
                ),
            ),
        };
        let file = dir.join("server.conf");
        fs::write(&file, config)?;
        let mut command = self.lab().command(program);
        command.args(arguments).arg(file);
        let process = Process::start(self.lab(), "names", command)?;
        process.until_port(53)?;
        Ok(NodeNames(process))
    }
}

impl std::ops::Deref for NodeNames {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}
