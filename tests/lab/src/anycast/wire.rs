//! A wire between two hosts: a plain one, or one with delay and loss that can be changed while packets are under way.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::Host;
use crate::Process;
use crate::namespace::{run, tool};

/// One end: the host, the name of the interface, its addresses with their lengths.
pub struct End<'a>(pub &'a Host, pub &'a str, pub &'a [&'a str]);

/// A wire with delay; dropping it cuts it. A plain wire lasts as long as its hosts.
pub struct Wire {
    process: Option<Process>,
    control: PathBuf,
}

/// Joins two hosts. With `delay` (one way, in milliseconds) the wire can also lose packets while the link stays up.
pub fn wire(a: &End, b: &End, delay: Option<f64>) -> Result<Wire> {
    let control = a.0.lab().dir().join(format!("wire-{}", a.1));
    let process = if let Some(delay) = delay {
        fs::write(&control, format!("{delay} 0 0"))?;
        let script = a.0.lab().dir().join("delay_wire.py");
        fs::write(&script, include_str!("delay_wire.py"))?;
        let mut python = tool("python3");
        python.arg(&script).args([a.0.lab().namespace(), a.1, b.0.lab().namespace(), b.1]).arg(&control);
        let process = Process::start(a.0.lab(), &format!("wire-{}", a.1), python)?;
        process.until_log("ready")?;
        Some(process)
    } else {
        let (ns_a, ns_b) = (a.0.lab().namespace(), b.0.lab().namespace());
        run(tool("ip")
            .args(["link", "add", a.1, "netns", ns_a, "type", "veth", "peer", "name", b.1, "netns", ns_b]))?;
        None
    };
    for end in [a, b] {
        for address in end.2 {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            end.0.ip(&format!("address add {address} dev {}{nodad}", end.1))?;
        }
        end.0.ip(&format!("link set {} up", end.1))?;
    }
    Ok(Wire { process, control })
}

impl Wire {
    /// Changes the delay (one way), the jitter (both in milliseconds) and the share of packets that are lost (0 to 1).
    pub fn set(&self, delay: f64, jitter: f64, loss: f64) -> Result<()> {
        fs::write(&self.control, format!("{delay} {jitter} {loss}"))?;
        match &self.process {
            Some(process) => process.reload(),
            None => anyhow::bail!("a plain wire has no delay"),
        }
    }
}
