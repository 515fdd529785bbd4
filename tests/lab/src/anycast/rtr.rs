//! `StayRTR`: route origin authorisations for routers, by the RTR protocol (RFC 8210), from a file instead of the RPKI.

use std::fs;

use anyhow::Result;

use super::Host;
use crate::Process;

/// Where it listens on its host: 127.0.0.1 and this port.
pub const RTR_PORT: u16 = 8282;

impl Host {
    /// A cache with these authorisations (needs "rpki"): `host.rtr(&[("192.0.2.0/24", 64511)])`.
    pub fn rtr(&self, authorisations: &[(&str, u32)]) -> Result<Process> {
        let one = |(prefix, number): &(&str, u32)| {
            let length = prefix.split('/').nth(1).unwrap_or_default();
            format!(r#"{{"prefix":"{prefix}","maxLength":{length},"asn":"AS{number}","ta":"lab"}}"#)
        };
        let roas: Vec<String> = authorisations.iter().map(one).collect();
        let file = self.lab().dir().join("vrps.json");
        fs::write(&file, format!(r#"{{"metadata":{{}},"roas":[{}]}}"#, roas.join(",")))?;
        let mut stayrtr = self.lab().command("stayrtr");
        stayrtr.arg("-bind").arg(format!("127.0.0.1:{RTR_PORT}")).arg("-cache").arg(file);
        stayrtr.args(["-metrics.addr", "127.0.0.1:9847", "-checktime=false"]);
        let process = Process::start(self.lab(), "stayrtr", stayrtr)?;
        process.until_port(RTR_PORT)?;
        Ok(process)
    }
}
