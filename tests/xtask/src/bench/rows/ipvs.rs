//! The balancer: a director's kernel in a guest, with 10,000 real servers in two shapes.

use std::fmt::Write;
use std::fs;

use anyhow::Result;
use weir_lab::Lab;

use super::{Group, Started, row};

const BINARIES: &[&str] = &["check_ipvs", "ipvs_"];

pub(super) const GROUPS: &[Group] = &[
    Group { name: "ipvs-services", binaries: BINARIES, start: |lab| director(lab, 1000, 10) },
    Group { name: "ipvs-servers", binaries: BINARIES, start: |lab| director(lab, 10, 1000) },
];

/// The goal of issue 5: a quarter of the time of `ipvsadm -Ln`.
const QUARTER: f64 = 0.25;

fn director(lab: &Lab, services: usize, servers: usize) -> Result<Started> {
    let mut rules = String::new();
    for service in 0..services {
        let service = format!("10.{}.{}.1:554", service / 250, service % 250);
        writeln!(rules, "-A -t {service} -s wlc")?;
        for server in 0..servers {
            writeln!(rules, "-a -t {service} -r 172.16.{}.{}:554 -m -w 1", server / 250, server % 250 + 1)?;
        }
    }
    let file = lab.dir().join("rules");
    fs::write(&file, rules)?;
    let ready = format!("load ip_vs ip_vs_wlc\nipvsadm -R < {}", file.display());
    let shape = |what: &str| format!("{what}, {services} services x {servers} servers, in a guest");
    let rows = vec![
        row(shape("the table"), "check_ipvs", "ipvsadm -Ln").cpu(QUARTER),
        row(shape("every counter"), "check_ipvs --output json -v", "ipvsadm -Ln --stats --exact"),
        row(shape("graphs"), "MUNIN_PLUGSTATE=/run ipvs_ fetch", "ipvsadm -Ln --stats --exact"),
        row(shape("start-up"), "weir-noop", "ipvsadm --version"),
    ];
    Ok(Started { rows, inside: Some(ready), _servers: Box::new(()) })
}
